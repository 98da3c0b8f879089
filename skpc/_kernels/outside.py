"""Kernels of the pass that tells each region of single rows what all the others say.

Flows go down the tree, normalised for each row and tree: F_r,k = p(Z_r = k | row, tree), so
F_root = pi P / sum(pi P), and for a child c of v: F_c = P_c * ((F_v / S_c) W_c). No exponents are
needed, since P_c and S_c have the same. Nothing is lost to underflow: sum weights are at least
1e-30, so what was below 1e-308 beside the rest is below 1e-278 when a sum weight or a category,
which is as likely, is divided out.

A row without column i has p(rest) / p(row) = E[1 / B(x_i | Z) | row], a sum over flows. Below a
region c with few patterns it is cheaper to go up instead, once for each pattern and column:
R_c,i,k = p(the pattern of c without i | Z_v = k) over the same with it, so that the ratio is
sum_k F_v,k R_c,i,k in every row that has this pattern. For the column of c itself R_c,i =
((P_c / B_c) W_c^T) / S_c, and for one below its child e R_c,i = ((P_c * R_e,i) W_c^T) / S_c.
"""

import math

import numpy as np

from skpc._kernels import njit
from skpc._kernels.flows import BLOCK_ROWS, _mixture, _multiply_children
from skpc._kernels.gemm import TILE_ROWS, multiply
from skpc._kernels.tasks import take, take_next

NOTHING, FLOWS, SUMS, TABLE = range(4)
"""What gives the ratios of the columns below a region: there are none; flows into it; its own
sums, as it is a leaf with one column; its table of R."""

_REASSOCIATE = {"reassoc", "contract", "nsz"}  # sums in vectors, always of the same length


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REASSOCIATE)
def _sum_of_products(a, b, n):
    total = 0.0
    for k in range(n):
        total += a[k] * b[k]
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REASSOCIATE)
def _sum_of_ratios(a, b, n):
    total = 0.0
    for k in range(n):
        total += a[k] / b[k]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _divide(a, b, out, n):
    for k in range(n):
        out[k] = a[k] / b[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _multiply(a, b, out, n):
    for k in range(n):
        out[k] = a[k] * b[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _table_entry(
    patterns, region, t, position, has_own, n_below, table_start, reciprocals, reciprocal_start,
    product, table, out,
):  # fmt: skip
    """Write P without the column at `position` of a region's table to `out`, for pattern t."""
    n_padded = out.shape[0]
    if has_own[region]:
        if position == 0:
            symbol = patterns.symbols[patterns.row_start[region] + t]
            _multiply(product, reciprocals[reciprocal_start[region] + symbol], out, n_padded)
            return
        position -= 1
    link = patterns.children_start[region]
    while position >= n_below[patterns.children[link]]:
        position -= n_below[patterns.children[link]]
        link += 1
    child = patterns.children[link]
    code = np.int64(patterns.child_codes[patterns.code_start[child] + t])
    _multiply(product, table[table_start[child] + code * n_below[child] + position], out, n_padded)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_table(
    queue, levels, patterns, regions, has_own, n_below, table_start, reciprocals,
    reciprocal_start, weights_t, products, sums, exponents, table,
):  # fmt: skip
    """Write R of these regions (n_tasks,), children before parents, to `table` (., padded K).

    Region c with m = ``n_below[c]`` columns in its subtree has R for its pattern t and column i
    in row ``table_start[c] + t * m + i``: its own column first, if it `has_own`, then those of
    its children. reciprocals: 1 / B of symbol s of c in row ``reciprocal_start[c] + s``.
    Tasks: regions. O(K^2 rows).
    """
    n_padded = sums.shape[1]
    n_latents = weights_t.shape[1]
    block = np.zeros((BLOCK_ROWS, n_padded))
    task, _ = take(queue, levels)
    while task < levels[-1]:
        region = regions[task]
        m = n_below[region]
        first_row = patterns.row_start[region]
        start = table_start[region]
        n_rows = patterns.n_patterns[region] * m
        if patterns.children_start[region] == patterns.children_start[region + 1]:
            for t in range(n_rows):  # without its column nothing is left
                scale = math.ldexp(1.0, np.int32(-exponents[first_row + t]))
                for k in range(n_latents):
                    table[start + t, k] = scale / sums[first_row + t, k]
            n_rows = 0
        for first in range(0, n_rows, BLOCK_ROWS):
            n_block = min(BLOCK_ROWS, n_rows - first)
            for i in range(n_block):
                t = (first + i) // m
                _table_entry(
                    patterns, region, t, (first + i) % m, has_own, n_below, table_start,
                    reciprocals, reciprocal_start, products[first_row + t], table, block[i],
                )  # fmt: skip
            out = table[start + first :]
            multiply(block, weights_t[region], out, n_block)
            for i in range(n_block):
                _divide(out[i], sums[first_row + (first + i) // m], out[i], n_latents)
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True, error_model="numpy")
def _descend(
    patterns, region, position, parent, tree, first, n_block, root_weights, weights, products, sums, codes,
    flows, ratios, outside,
):  # fmt: skip
    """Write the flows into a region, and its codes, of a block of rows to their `position`.

    `parent` is where those of its parent are. `outside` gets the flows over P.
    """
    n_padded = sums.shape[1]
    n_latents = weights.shape[1]
    first_row = patterns.row_start[region]
    if parent < 0:
        prior = root_weights[tree * n_latents : (tree + 1) * n_latents]
        for i in range(n_block):
            codes[position, i] = first + i
            message = sums[first_row + first + i]
            scale = 1.0 / _sum_of_products(prior, message, n_latents)
            for k in range(n_latents):
                outside[i, k] = prior[k] * scale
            _multiply(outside[i], message, flows[position, i], n_padded)
        return
    first_code = patterns.code_start[region]
    for i in range(n_block):
        code = np.int64(patterns.child_codes[first_code + codes[parent, i]])
        codes[position, i] = code
        _divide(flows[parent, i], sums[first_row + code], ratios[i], n_latents)
    multiply(ratios, weights[region], outside, n_block)
    for i in range(n_block):
        product = products[first_row + codes[position, i]]
        _multiply(outside[i], product, flows[position, i], n_padded)


@njit(cache=True, nogil=True, error_model="numpy")
def _log_shares(patterns, t, root_weights, sums, exponents, log_shares):
    """Write log p(tree | row) of each tree, for pattern t of the roots."""
    n_latents = root_weights.shape[0] // log_shares.shape[0]
    likelihood, exponent = _mixture(patterns, t, root_weights, sums, exponents)
    for r in range(log_shares.shape[0]):
        row = patterns.row_start[patterns.roots[r]] + t
        prior = root_weights[r * n_latents : (r + 1) * n_latents]
        part = _sum_of_products(prior, sums[row], n_latents)
        log_shares[r] = math.log(part / likelihood) + (exponents[row] - exponent) * math.log(2.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _store(values, t, column, ratio, exponent, log_share):
    """Set an entry to the logarithm of a ratio; with a `log_share`, of a tree, add up."""
    value = math.log(ratio)
    if exponent != 0:
        value += exponent * math.log(2.0)
    if log_share.shape[0] > 0:
        value += log_share[0]
        former = values[t, column]
        largest = max(former, value)
        value = largest + math.log1p(math.exp(-abs(former - value)))
    values[t, column] = value


@njit(cache=True, nogil=True, error_model="numpy")
def contributions(
    queue, levels, patterns, order, parent_of, source, has_own, column_start, columns, n_below,
    below_start, below, table_start, table, reciprocals, reciprocal_start, others_start, others,
    others_exponents, root_weights, weights, products, sums, exponents, rows_per_task, values,
):  # fmt: skip
    """Write log p(row without column) - log p(row) (n, n_columns) for all rows.

    Rows are the roots' patterns. order (n_order,): the regions that flows go down to, each after
    its parent, the roots ascending; parent_of (n_order,): where in `order` its parent is;
    source (n_regions,): what gives the ratios below the others. Region r observes
    ``columns[column_start[r]:column_start[r + 1]]``; it `has_own` if that is one category. A
    leaf, or one with a table, has the columns ``below[below_start[r]:][:n_below[r]]`` in its
    subtree; see `fill_table`. If a region observes several columns, `others` (., padded K) times
    two to `others_exponents` has the likelihoods without one of them, in row ``others_start[r] +
    symbol * n_columns + position``. `values` must be -inf before if there are several roots.
    Tasks: ranges of rows. O(n (n_order K^2 + n_columns K)).
    """
    n_padded = sums.shape[1]
    n_latents = weights.shape[1]
    n_roots = patterns.roots.shape[0]
    n_rows = -(-rows_per_task // TILE_ROWS) * TILE_ROWS
    codes = np.empty((order.shape[0], n_rows), np.int64)
    flows = np.zeros((order.shape[0], n_rows, n_padded))
    ratios = np.zeros((n_rows, n_padded))
    outside = np.zeros((n_rows, n_padded))
    product = np.empty(n_padded)
    steps = np.empty(n_padded)
    log_shares = np.zeros((n_rows, n_roots))
    task, _ = take(queue, levels)
    while task < levels[-1]:
        first = task * rows_per_task
        n_block = min(rows_per_task, values.shape[0] - first)
        if n_roots > 1:
            for i in range(n_block):
                _log_shares(patterns, first + i, root_weights, sums, exponents, log_shares[i])
        tree = -1
        for position in range(order.shape[0]):
            region = order[position]
            if parent_of[position] < 0:
                tree += 1
            _descend(
                patterns, region, position, parent_of[position], tree, first, n_block,
                root_weights, weights, products, sums, codes, flows, ratios, outside,
            )  # fmt: skip
            share = slice(tree, tree + 1 if n_roots > 1 else tree)
            first_row = patterns.row_start[region]
            n_columns = column_start[region + 1] - column_start[region]
            for c in range(n_columns):
                column = columns[column_start[region] + c]
                for i in range(n_block):
                    code = codes[position, i]
                    symbol = np.int64(patterns.symbols[first_row + code])
                    if has_own[region]:
                        reciprocal = reciprocals[reciprocal_start[region] + symbol]
                        ratio = _sum_of_products(flows[position, i], reciprocal, n_padded)
                        _store(values, first + i, column, ratio, 0, log_shares[i, share])
                        continue
                    # A density may underflow: multiply what is left, and do not divide.
                    exponent = -exponents[first_row + code]
                    if n_columns == 1:
                        product[:] = 1.0
                    else:
                        other = others_start[region] + symbol * n_columns + c
                        exponent += others_exponents[other]
                        product[:] = others[other]
                    exponent += _multiply_children(
                        patterns, region, code, sums, exponents, product, steps
                    )
                    ratio = _sum_of_products(outside[i], product, n_latents)
                    _store(values, first + i, column, ratio, exponent, log_shares[i, share])
            for link in range(patterns.children_start[region], patterns.children_start[region + 1]):
                child = patterns.children[link]
                m = n_below[child]
                first_code = patterns.code_start[child]
                if source[child] == SUMS:
                    for i in range(n_block):
                        code = np.int64(patterns.child_codes[first_code + codes[position, i]])
                        row = patterns.row_start[child] + code
                        ratio = _sum_of_ratios(flows[position, i], sums[row], n_latents)
                        _store(
                            values, first + i, below[below_start[child]], ratio, -exponents[row],
                            log_shares[i, share],
                        )  # fmt: skip
                elif source[child] == TABLE:
                    for i in range(n_block):
                        code = np.int64(patterns.child_codes[first_code + codes[position, i]])
                        row = table_start[child] + code * m
                        for c in range(m):
                            ratio = _sum_of_products(flows[position, i], table[row + c], n_padded)
                            _store(
                                values, first + i, below[below_start[child] + c], ratio, 0,
                                log_shares[i, share],
                            )  # fmt: skip
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True, error_model="numpy")
def posteriors(
    queue, levels, patterns, order, parent_of, slots, root_weights, weights, products, sums,
    exponents, rows_per_task, out,
):  # fmt: skip
    """Write the probabilities of latent states given a row, and of their tree: `out` (m, n, K).

    Of region ``order[i]`` to ``out[slots[i]]``, if `slots` (n_order,) has a number of at least
    zero. Rows, tasks and the rest as in `contributions`.
    """
    n_padded = sums.shape[1]
    n_latents = weights.shape[1]
    n_roots = patterns.roots.shape[0]
    n_rows = -(-rows_per_task // TILE_ROWS) * TILE_ROWS
    codes = np.empty((order.shape[0], n_rows), np.int64)
    flows = np.zeros((order.shape[0], n_rows, n_padded))
    ratios = np.zeros((n_rows, n_padded))
    outside = np.zeros((n_rows, n_padded))
    log_shares = np.zeros((n_rows, n_roots))
    task, _ = take(queue, levels)
    while task < levels[-1]:
        first = task * rows_per_task
        n_block = min(rows_per_task, out.shape[1] - first)
        if n_roots > 1:
            for i in range(n_block):
                _log_shares(patterns, first + i, root_weights, sums, exponents, log_shares[i])
        tree = -1
        for position in range(order.shape[0]):
            if parent_of[position] < 0:
                tree += 1
            _descend(
                patterns, order[position], position, parent_of[position], tree, first, n_block,
                root_weights, weights, products, sums, codes, flows, ratios, outside,
            )  # fmt: skip
            if slots[position] >= 0:
                for i in range(n_block):
                    share = math.exp(log_shares[i, tree])
                    for k in range(n_latents):
                        out[slots[position], first + i, k] = share * flows[position, i, k]
        task, _ = take_next(queue, levels)
