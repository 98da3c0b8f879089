"""Kernels of the pass that tells each region of single rows what all the others say.

The message O_r,j = p(what is observed outside the subtree of r, Z_r = j) goes down the tree:
with D_k = O_v,k P_v,k / S_c,k, which is in terms of the parent's states, O_c = D W_c. Nothing is
lost to rounding or underflow: sum weights are at least 1e-30, so the smallest entry of a message
is no less than 1e-30 of the sum of its terms, and what underflows in P_v is smaller still. Nor
are messages ever scaled: with exponents that are the negative of those of P_r, up to a constant
of the row, sum_j O_r,j P_r,j is the same at every region, between 1e-30 and 1.
"""

import math

import numpy as np

from skpc._kernels import njit
from skpc._kernels.flows import _mixture, _multiply_children
from skpc._kernels.gemm import TILE_ROWS, multiply
from skpc._kernels.tasks import take, take_next

_REASSOCIATE = {"reassoc", "contract", "nsz"}  # sums in vectors, always of the same length


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REASSOCIATE)
def _sum_of_products(a, b, n):
    total = 0.0
    for k in range(n):
        total += a[k] * b[k]
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REASSOCIATE)
def _sum_of_three(a, b, c, n):
    total = 0.0
    for k in range(n):
        total += a[k] * b[k] * c[k]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _divide(source, product, message, out, n):
    """Write ``source * product / message`` to `out`; zero where a sum is."""
    for k in range(n):
        out[k] = source[k] * product[k] / message[k] if message[k] > 0.0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _outside_block(
    patterns, order, parent_of, above_only, first, n_block, root_weights, weights, products, sums,
    exponents, codes, above, outside, outside_exponents,
):  # fmt: skip
    """Messages O of the rows `first` to ``first + n_block``; see `contributions`."""
    n_roots = patterns.roots.shape[0]
    n_latents = root_weights.shape[0] // n_roots
    tree = 0
    for position in range(order.shape[0]):
        region = order[position]
        parent = parent_of[position]
        if parent < 0:
            while patterns.roots[tree] != region:
                tree += 1
            for i in range(n_block):
                codes[position, i] = first + i
                outside_exponents[position, i] = 0
                for k in range(n_latents):
                    outside[position, i, k] = root_weights[tree * n_latents + k]
            continue
        parent_region = patterns.parents[region]
        blocks = sums if patterns.parents[parent_region] < 0 else products
        first_code = patterns.code_start[region]
        for i in range(n_block):
            code = codes[parent, i]
            parent_row = patterns.row_start[parent_region] + code
            code = patterns.child_codes[first_code + code]
            codes[position, i] = code
            row = patterns.row_start[region] + code
            exponent = outside_exponents[parent, i] + exponents[parent_row] - exponents[row]
            if above_only[position]:
                outside[position, i, 0] = _sum_of_three(
                    outside[parent, i], blocks[parent_row], products[row], n_latents
                )
                outside_exponents[position, i] = exponent
                continue
            _divide(outside[parent, i], blocks[parent_row], sums[row], above[i], n_latents)
            outside_exponents[position, i] = exponent
        if not above_only[position]:
            multiply(above, weights[region], outside[position], n_block)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_column(values, t, column, ratio, exponent, is_mixture):
    """Set an entry to the logarithm of a ratio, or add that of another tree."""
    value = math.log(ratio) + exponent * math.log(2.0)
    if is_mixture:
        former = values[t, column]
        largest = max(former, value)
        value = largest + math.log1p(math.exp(-abs(former - value)))
    values[t, column] = value


@njit(cache=True, nogil=True, error_model="numpy")
def contributions(
    queue, levels, patterns, order, parent_of, above_only, column_start, columns, others_start,
    others, others_exponents, root_weights, weights, products, sums, exponents, rows_per_task,
    values,
):  # fmt: skip
    """Write log p(row without column) - log p(row) (n, n_columns) for all rows.

    Rows are the roots' patterns. order (n_order,): the regions that observe something and those
    above them, each after its parent, the roots ascending; parent_of (n_order,): where in
    `order` its parent is. Where `above_only` (n_order,), for regions without children and with
    one column at most, nothing but its sum is found, which is that of D. Region r observes
    ``columns[column_start[r]:column_start[r + 1]]``; if several, `others` (., padded K) times two
    to `others_exponents` has the likelihoods without one of them, in row ``others_start[r] +
    symbol * n_columns + position``. `values` must be -inf before if there are several roots.
    Tasks: ranges of rows. O(n n_regions K^2).
    """
    n_padded = sums.shape[1]
    n_latents = weights.shape[1]
    n_rows = -(-rows_per_task // TILE_ROWS) * TILE_ROWS
    codes = np.empty((order.shape[0], n_rows), np.int64)
    above = np.zeros((n_rows, n_padded))
    outside = np.zeros((order.shape[0], n_rows, n_padded))
    outside_exponents = np.zeros((order.shape[0], n_rows), np.int64)
    product = np.empty(n_padded)
    steps = np.empty(n_padded)
    likelihoods = np.empty(n_rows)
    likelihood_exponents = np.empty(n_rows, np.int64)
    is_mixture = patterns.roots.shape[0] > 1
    task, _ = take(queue, levels)
    while task < levels[-1]:
        first = task * rows_per_task
        n_block = min(rows_per_task, values.shape[0] - first)
        for i in range(n_block):
            likelihoods[i], likelihood_exponents[i] = _mixture(
                patterns, first + i, root_weights, sums, exponents
            )
        _outside_block(
            patterns, order, parent_of, above_only, first, n_block, root_weights, weights,
            products, sums, exponents, codes, above, outside, outside_exponents,
        )  # fmt: skip
        for position in range(order.shape[0]):
            region = order[position]
            n_columns = column_start[region + 1] - column_start[region]
            if n_columns == 0:
                continue
            has_children = patterns.children_start[region] < patterns.children_start[region + 1]
            for i in range(n_block):
                message = outside[position, i]
                symbol = np.int64(patterns.symbols[patterns.row_start[region] + codes[position, i]])
                for c in range(n_columns):
                    exponent = outside_exponents[position, i] - likelihood_exponents[i]
                    if above_only[position]:
                        ratio = message[0]
                    else:
                        if n_columns == 1:
                            for k in range(n_padded):
                                product[k] = 1.0
                        else:
                            other = others_start[region] + symbol * n_columns + c
                            exponent += others_exponents[other]
                            for k in range(n_padded):
                                product[k] = others[other, k]
                        if has_children:
                            exponent += _multiply_children(
                                patterns, region, codes[position, i], sums, exponents, product,
                                steps,
                            )  # fmt: skip
                        ratio = _sum_of_products(message, product, n_latents)
                    _add_column(
                        values, first + i, columns[column_start[region] + c],
                        ratio / likelihoods[i], exponent, is_mixture,
                    )  # fmt: skip
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True, error_model="numpy")
def posteriors(
    queue, levels, patterns, order, parent_of, slots, root_weights, weights, products, sums,
    exponents, rows_per_task, flows,
):  # fmt: skip
    """Write the probabilities of latent states given a row, and of their tree: `flows` (m, n, K).

    Of region ``order[i]`` to ``flows[slots[i]]``, if `slots` (n_order,) has a number of at least
    zero. Rows, tasks and the rest as in `contributions`.
    """
    n_padded = sums.shape[1]
    n_latents = weights.shape[1]
    n_rows = -(-rows_per_task // TILE_ROWS) * TILE_ROWS
    codes = np.empty((order.shape[0], n_rows), np.int64)
    above = np.zeros((n_rows, n_padded))
    outside = np.zeros((order.shape[0], n_rows, n_padded))
    outside_exponents = np.zeros((order.shape[0], n_rows), np.int64)
    above_only = np.zeros(order.shape[0], np.bool_)
    task, _ = take(queue, levels)
    while task < levels[-1]:
        first = task * rows_per_task
        n_block = min(rows_per_task, flows.shape[1] - first)
        _outside_block(
            patterns, order, parent_of, above_only, first, n_block, root_weights, weights,
            products, sums, exponents, codes, above, outside, outside_exponents,
        )  # fmt: skip
        for position in range(order.shape[0]):
            slot = slots[position]
            if slot < 0:
                continue
            region = order[position]
            for i in range(n_block):
                likelihood, exponent = _mixture(patterns, first + i, root_weights, sums, exponents)
                row = patterns.row_start[region] + codes[position, i]
                product = sums[row] if patterns.parents[region] < 0 else products[row]
                shift = outside_exponents[position, i] + exponents[row] - exponent
                scale = math.ldexp(1.0, np.int32(min(max(shift, -2000), 1000))) / likelihood
                for k in range(n_latents):
                    flows[slot, first + i, k] = outside[position, i, k] * product[k] * scale
        task, _ = take_next(queue, levels)
