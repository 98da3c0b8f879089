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
from typing import NamedTuple

import numpy as np

from skpc._kernels import njit
from skpc._kernels.gemm import TILE_ROWS, multiply
from skpc._kernels.messages import BLOCK_ROWS, _mixture, _multiply_children
from skpc._kernels.tasks import take, take_next

NOTHING, FLOWS, SUMS, TABLE = range(4)
"""What gives the ratios of the columns below a region: there are none; flows into it; its own
sums, as it is a leaf with one column; its table of R."""


class Descent(NamedTuple):
    """The regions that flows go down to.

    Attributes
    ----------
    order : (n_order,)
        Each after its parent, the roots ascending.
    parent_of : (n_order,)
        Where in `order` the parent is; -1 at a root.
    is_inverse : (n_regions,)
        Whose sums are inverted; see `invert`.
    """

    order: np.ndarray
    parent_of: np.ndarray
    is_inverse: np.ndarray


class Sources(NamedTuple):
    """What gives the ratio of each column.

    Attributes
    ----------
    source : (n_regions,)
        Of the columns below a region.
    has_own : (n_regions,)
        Whether a region observes one column of categories.
    column_start, columns : region r observes ``columns[column_start[r]:column_start[r + 1]]``
    n_below, below_start, below : a leaf, or a region with a table, has the columns
        ``below[below_start[r]:][:n_below[r]]`` in its subtree, in the order of its table
    """

    source: np.ndarray
    has_own: np.ndarray
    column_start: np.ndarray
    columns: np.ndarray
    n_below: np.ndarray
    below_start: np.ndarray
    below: np.ndarray


class Tables(NamedTuple):
    """What is known of symbols and patterns before flows go down; all rows have padded K entries.

    Attributes
    ----------
    start, table : region c with m = ``n_below[c]`` columns in its subtree has R for its pattern t
        and column i in row ``start[c] + t * m + i``: its own column first, if it `has_own`, then
        those of its children
    reciprocal_start, reciprocals : 1 / B of symbol s of c is in row ``reciprocal_start[c] + s``
    others_start, others, others_exponents : if a region observes several columns, `others` times
        two to `others_exponents` has the likelihoods without one of them, in row
        ``others_start[r] + symbol * n_columns + position``
    """

    start: np.ndarray
    table: np.ndarray
    reciprocal_start: np.ndarray
    reciprocals: np.ndarray
    others_start: np.ndarray
    others: np.ndarray
    others_exponents: np.ndarray


class _Scratch(NamedTuple):
    """Memory of a thread for some rows: `codes` and `flows` of each region, and what is less."""

    codes: np.ndarray
    flows: np.ndarray
    rows: np.ndarray
    ratios: np.ndarray
    outside: np.ndarray
    log_shares: np.ndarray


_REASSOCIATE = {"reassoc", "contract", "nsz"}  # sums in vectors, always of the same length


# Loops over rows, not functions of a row: a view of an array costs more than a sum over it.


@njit(cache=True, nogil=True, fastmath=_REASSOCIATE, forceinline=True)
def _sums_of_products(a, b, rows, n_rows, n, out):
    """Write sum_k a[i, k] b[rows[i], k] to `out`."""
    for i in range(n_rows):
        row = rows[i]
        total = 0.0
        for k in range(n):
            total += a[i, k] * b[row, k]
        out[i] = total


@njit(cache=True, nogil=True, fastmath=_REASSOCIATE, forceinline=True)
def _sums_of_ratios(a, b, rows, n_rows, n, out):
    """Write sum_k a[i, k] / b[rows[i], k] to `out`."""
    for i in range(n_rows):
        row = rows[i]
        total = 0.0
        for k in range(n):
            total += a[i, k] / b[row, k]
        out[i] = total


@njit(cache=True, nogil=True)
def _multiply(a, b, rows, n_rows, n, out):
    for i in range(n_rows):
        row = rows[i]
        for k in range(n):
            out[i, k] = a[i, k] * b[row, k]


@njit(cache=True, nogil=True)
def _divide(a, sums, is_inverse, rows, n_rows, n, out):
    """Write a / S; see `invert`."""
    if is_inverse:
        _multiply(a, sums, rows, n_rows, n, out)
        return
    for i in range(n_rows):
        row = rows[i]
        for k in range(n):
            out[i, k] = a[i, k] / sums[row, k]


@njit(cache=True, nogil=True)
def invert(queue, levels, patterns, regions, sums, n_latents):
    """Overwrite S of these regions by 1 / S: rows that share a pattern share a division."""
    task, _ = take(queue, levels)
    while task < levels[-1]:
        first = patterns.row_start[regions[task]]
        for row in range(first, first + patterns.n_patterns[regions[task]]):
            for k in range(n_latents):
                sums[row, k] = 1.0 / sums[row, k]
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True, inline="always")
def _factor_row(patterns, sources, tables, region, t, position):
    """Row that P is multiplied with to lose the column at `position` of a region's table.

    Of the table, or behind it for one of the reciprocals.
    """
    n_below = sources.n_below
    if sources.has_own[region]:
        if position == 0:
            symbol = np.int64(patterns.symbols[patterns.row_start[region] + t])
            return tables.table.shape[0] + tables.reciprocal_start[region] + symbol
        position -= 1
    link = patterns.children_start[region]
    while position >= n_below[patterns.children[link]]:
        position -= n_below[patterns.children[link]]
        link += 1
    child = patterns.children[link]
    code = np.int64(patterns.child_codes[patterns.code_start[child] + t])
    return tables.start[child] + code * n_below[child] + position


@njit(cache=True, nogil=True)
def fill_table(queue, levels, patterns, regions, sources, tables, is_inverse, messages):
    """Write R of these regions (n_tasks,), children before parents, to ``tables.table``.

    is_inverse (n_regions,): see `invert`. Tasks: regions. O(K^2 rows).
    """
    products, sums, exponents = messages.products, messages.sums, messages.exponents
    weights_t, table, reciprocals = messages.weights_t, tables.table, tables.reciprocals
    n_padded = table.shape[1]
    n_latents = weights_t.shape[1]
    n_table = table.shape[0]
    block = np.zeros((BLOCK_ROWS, n_padded))
    rows = np.empty(BLOCK_ROWS, np.int64)
    task, _ = take(queue, levels)
    while task < levels[-1]:
        region = regions[task]
        m = sources.n_below[region]
        first_row = patterns.row_start[region]
        start = tables.start[region]
        n_rows = patterns.n_patterns[region] * m
        if patterns.children_start[region] == patterns.children_start[region + 1]:
            for t in range(n_rows):  # without its column nothing is left
                scale = math.ldexp(1.0, int(-exponents[first_row + t]))
                for k in range(n_latents):
                    message = sums[first_row + t, k]
                    table[start + t, k] = scale * message if is_inverse[region] else scale / message
            n_rows = 0
        for first in range(0, n_rows, BLOCK_ROWS):
            n_block = min(BLOCK_ROWS, n_rows - first)
            for i in range(n_block):
                t = (first + i) // m
                rows[i] = first_row + t
                factor = _factor_row(patterns, sources, tables, region, t, (first + i) % m)
                if factor < n_table:
                    for k in range(n_padded):
                        block[i, k] = products[first_row + t, k] * table[factor, k]
                else:
                    for k in range(n_padded):
                        block[i, k] = products[first_row + t, k] * reciprocals[factor - n_table, k]
            out = table[start + first :]
            multiply(block, weights_t[region], out, n_block)
            _divide(out, sums, is_inverse[region], rows, n_block, n_latents, out)
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True, inline="always")
def _new_scratch(n_order, n_roots, n_padded, rows_per_task):
    n_rows = -(-rows_per_task // TILE_ROWS) * TILE_ROWS
    return _Scratch(
        np.empty((n_order, n_rows), np.int64),
        np.zeros((n_order, n_rows, n_padded)),
        np.empty(n_rows, np.int64),
        np.zeros((n_rows, n_padded)),
        np.zeros((n_rows, n_padded)),
        np.zeros((n_rows, n_roots)),
    )


@njit(cache=True, nogil=True)
def _descend(patterns, descent, position, tree, first, n_block, root_weights, messages, scratch):
    """Write the flows of a region of ``descent.order`` from those of its parent, and `outside`.

    That is flows over P. Of `n_block` rows, the first of which is `first`, and their patterns to
    `codes`.
    """
    products, sums, weights = messages.products, messages.sums, messages.weights
    rows, ratios, outside = scratch.rows, scratch.ratios, scratch.outside
    codes, flows = scratch.codes[position], scratch.flows[position]
    n_padded = sums.shape[1]
    n_latents = weights.shape[1]
    region = descent.order[position]
    parent = descent.parent_of[position]
    first_row = patterns.row_start[region]
    if parent < 0:
        for i in range(n_block):
            codes[i] = first + i
            rows[i] = first_row + first + i
            total = 0.0
            for k in range(n_latents):
                total += root_weights[tree * n_latents + k] * sums[rows[i], k]
            for k in range(n_latents):
                outside[i, k] = root_weights[tree * n_latents + k] / total
        _multiply(outside, sums, rows, n_block, n_padded, flows)
        return
    first_code = patterns.code_start[region]
    above = scratch.codes[parent]
    for i in range(n_block):
        codes[i] = patterns.child_codes[first_code + above[i]]
        rows[i] = first_row + codes[i]
    is_inverse = descent.is_inverse[region]
    _divide(scratch.flows[parent], sums, is_inverse, rows, n_block, n_latents, ratios)
    multiply(ratios, weights[region], outside, n_block)
    _multiply(outside, products, rows, n_block, n_padded, flows)


@njit(cache=True, nogil=True)
def _log_shares(patterns, first, n_block, root_weights, sums, exponents, log_shares):
    """Write log p(tree | row) (n_block, n_roots), for patterns of the roots."""
    n_latents = root_weights.shape[0] // log_shares.shape[1]
    for i in range(n_block):
        likelihood, exponent = _mixture(
            patterns.roots, patterns.row_start, first + i, root_weights, sums, exponents
        )
        for r in range(log_shares.shape[1]):
            row = patterns.row_start[patterns.roots[r]] + first + i
            part = 0.0
            for k in range(n_latents):
                part += root_weights[r * n_latents + k] * sums[row, k]
            shift = exponents[row] - exponent
            log_shares[i, r] = math.log(part / likelihood) + shift * math.log(2.0)


@njit(cache=True, nogil=True)
def _store(ratios, shifts, log_shares, tree, line, first, n_block):
    """Set a line of `values` to ratios times two to `shifts`; see `contributions`."""
    for i in range(n_block):
        value = math.log(ratios[i]) + shifts[i] * math.log(2.0)
        if log_shares.shape[1] > 1:
            value += log_shares[i, tree]
            former = line[first + i]
            largest = max(former, value)
            value = largest + math.log1p(math.exp(-abs(former - value)))
        line[first + i] = value


@njit(cache=True, nogil=True)
def contributions(
    queue, levels, patterns, descent, sources, tables, root_weights, messages, rows_per_task,
    values,
):  # fmt: skip
    """Write p(row without column) / p(row) (n_columns, n) for all rows.

    Their logarithms, if there are several roots, and otherwise of columns that are continuous.

    Rows are the roots' patterns. `values` must be -inf before if there are several roots.
    Tasks: ranges of rows. O(n (n_order K^2 + n_columns K)).
    """
    sums, exponents = messages.sums, messages.exponents
    source, has_own, columns = sources.source, sources.has_own, sources.columns
    n_below, below_start, below = sources.n_below, sources.below_start, sources.below
    n_padded = sums.shape[1]
    n_latents = messages.weights.shape[1]
    n_roots = patterns.roots.shape[0]
    scratch = _new_scratch(descent.order.shape[0], n_roots, n_padded, rows_per_task)
    rows, outside, log_shares = scratch.rows, scratch.outside, scratch.log_shares
    product = np.empty(n_padded)
    steps = np.empty(n_padded)
    ratios = np.empty(rows.shape[0])
    shifts = np.empty(rows.shape[0], np.int64)
    task, _ = take(queue, levels)
    while task < levels[-1]:
        first = task * rows_per_task
        n_block = min(rows_per_task, values.shape[1] - first)
        if n_roots > 1:
            _log_shares(patterns, first, n_block, root_weights, sums, exponents, log_shares)
        tree = -1
        for position in range(descent.order.shape[0]):
            region = descent.order[position]
            tree += descent.parent_of[position] < 0
            _descend(
                patterns, descent, position, tree, first, n_block, root_weights, messages, scratch
            )
            flow, code = scratch.flows[position], scratch.codes[position]
            first_row = patterns.row_start[region]
            n_columns = sources.column_start[region + 1] - sources.column_start[region]
            for c in range(n_columns):
                if has_own[region]:
                    for i in range(n_block):
                        symbol = np.int64(patterns.symbols[first_row + code[i]])
                        rows[i] = tables.reciprocal_start[region] + symbol
                    _sums_of_products(flow, tables.reciprocals, rows, n_block, n_padded, ratios)
                    shifts[:] = 0
                else:
                    # A density may underflow: what is left is multiplied, not divided.
                    for i in range(n_block):
                        shifts[i] = -exponents[first_row + code[i]]
                        product[:] = 1.0
                        if n_columns > 1:
                            symbol = np.int64(patterns.symbols[first_row + code[i]])
                            other = tables.others_start[region] + symbol * n_columns + c
                            shifts[i] += tables.others_exponents[other]
                            product[:] = tables.others[other]
                        shifts[i] += _multiply_children(
                            patterns, region, code[i], sums, exponents, product, steps
                        )
                        ratios[i] = 0.0
                        for k in range(n_latents):
                            ratios[i] += outside[i, k] * product[k]
                line = values[columns[sources.column_start[region] + c]]
                if has_own[region] and n_roots == 1:
                    line[first : first + n_block] = ratios[:n_block]
                else:
                    _store(ratios, shifts, log_shares, tree, line, first, n_block)
            for link in range(patterns.children_start[region], patterns.children_start[region + 1]):
                child = patterns.children[link]
                first_code = patterns.code_start[child]
                if source[child] == SUMS:
                    for i in range(n_block):
                        rows[i] = patterns.child_codes[first_code + code[i]]
                        rows[i] += patterns.row_start[child]
                        shifts[i] = -exponents[rows[i]]
                    _sums_of_ratios(flow, sums, rows, n_block, n_latents, ratios)
                    line = values[below[below_start[child]]]
                    _store(ratios, shifts, log_shares, tree, line, first, n_block)
                elif source[child] == TABLE:
                    for i in range(n_block):
                        rows[i] = patterns.child_codes[first_code + code[i]]
                        rows[i] = tables.start[child] + rows[i] * n_below[child]
                    shifts[:] = 0
                    for c in range(n_below[child]):
                        line = values[below[below_start[child] + c]]
                        if n_roots == 1:
                            found = line[first : first + n_block]
                            _sums_of_products(flow, tables.table, rows, n_block, n_padded, found)
                        else:
                            _sums_of_products(flow, tables.table, rows, n_block, n_padded, ratios)
                            _store(ratios, shifts, log_shares, tree, line, first, n_block)
                        for i in range(n_block):
                            rows[i] += 1
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def posteriors(queue, levels, patterns, descent, slots, root_weights, messages, rows_per_task, out):
    """Write the probabilities of latent states given a row, and of their tree: `out` (m, n, K).

    Of region ``descent.order[i]`` to ``out[slots[i]]``, if `slots` (n_order,) has a number of at
    least zero. Rows and tasks as in `contributions`.
    """
    sums, exponents = messages.sums, messages.exponents
    n_latents = messages.weights.shape[1]
    n_roots = patterns.roots.shape[0]
    scratch = _new_scratch(descent.order.shape[0], n_roots, sums.shape[1], rows_per_task)
    log_shares = scratch.log_shares
    task, _ = take(queue, levels)
    while task < levels[-1]:
        first = task * rows_per_task
        n_block = min(rows_per_task, out.shape[1] - first)
        if n_roots > 1:
            _log_shares(patterns, first, n_block, root_weights, sums, exponents, log_shares)
        tree = -1
        for position in range(descent.order.shape[0]):
            if descent.parent_of[position] < 0:
                tree += 1
                while patterns.roots[tree] != descent.order[position]:  # trees may have none
                    tree += 1
            _descend(
                patterns, descent, position, tree, first, n_block, root_weights, messages, scratch
            )
            slot = slots[position]
            if slot >= 0:
                flow = scratch.flows[position]
                for i in range(n_block):
                    share = math.exp(log_shares[i, tree])
                    for k in range(n_latents):
                        out[slot, first + i, k] = share * flow[i, k]
        task, _ = take_next(queue, levels)
