"""Kernels of the upward pass (messages) and the downward pass (flows) over patterns.

Notation: products P and sums S are the messages of a region's product and sum nodes.
They live in linear space: a product row is divided by a power of two so that its largest
entry is in [0.5, 1), and the exponent is kept beside it, without rounding. `patterns` is
a `skpc._patterns.Patterns`. Message rows are padded with zeros to whole vectors.
"""

import math

import numpy as np
from numba import prange

from skpc._kernels import njit
from skpc._kernels.gemm import TILE_ROWS, add_transposed_product, multiply

BLOCK_ROWS = 128
"""Rows of one matrix product: a block's messages and weights stay in the L2 cache."""

_SERIAL_WORK = 1 << 21
"""Multiplications of a level below which one thread does it: waking a second one costs as
much, and on a busy machine a whole time slice of the scheduler."""

_GROUP = 4
_SMALL = 2.0**-500
_LARGE = 2.0**500


@njit(cache=True, nogil=True, error_model="numpy")
def _is_small(tasks, n_padded):
    """Whether the tasks (n, 3) of a level are not worth a second thread."""
    n_rows = 0
    for task in range(tasks.shape[0]):
        n_rows += tasks[task, 2] - tasks[task, 1]
    return tasks.shape[0] == 1 or n_rows * n_padded * (n_padded + 64) < _SERIAL_WORK


@njit(cache=True, nogil=True, error_model="numpy")
def _multiply_children(patterns, region, s, sums, exponents, product, steps):
    """Multiply `product` (float64) by the sums of all children; return their exponents.

    Sum weights are at least 1e-30, so sums are too, and four of them cannot underflow.
    With more children every state keeps an exponent of its own (in `steps`, multiples of
    2**500), so that no state is lost however far it falls behind before it recovers.
    """
    first = patterns.children_start[region]
    last = patterns.children_start[region + 1]
    exponent = 0
    in_group = 0
    is_wide = last - first > _GROUP
    if is_wide:
        for k in range(product.shape[0]):
            steps[k] = 0.0
    for position in range(first, last):
        child = patterns.children[position]
        row = patterns.row_start[child] + patterns.child_codes[patterns.code_start[child] + s]
        exponent += exponents[row]
        message = sums[row]
        for k in range(product.shape[0]):
            product[k] *= message[k]
        in_group += 1
        if is_wide and in_group == _GROUP:
            in_group = 0
            for k in range(product.shape[0]):
                if product[k] < _SMALL:
                    product[k] *= _LARGE
                    steps[k] -= 1.0
    if is_wide:
        top = -np.inf
        for k in range(product.shape[0]):
            if product[k] > 0.0:
                top = max(top, steps[k])
        for k in range(product.shape[0]):
            if steps[k] == top - 1.0:
                product[k] *= _SMALL
            elif steps[k] < top:
                product[k] = 0.0
        exponent += 500 * np.int64(top)
    return exponent


@njit(cache=True, nogil=True, error_model="numpy")
def _upward_task(patterns, task, table, table_exponents, weights_t, products, sums, exponents):
    region, start, stop = patterns.up_tasks[task]
    n_padded = sums.shape[1]
    keep_products = products.shape[0] > 0
    is_root = patterns.parents[region] < 0
    scratch = np.zeros((BLOCK_ROWS, n_padded), sums.dtype)
    product = np.empty(n_padded)
    steps = np.empty(n_padded)
    for first in range(start, stop, BLOCK_ROWS):
        n_block = min(BLOCK_ROWS, stop - first)
        first_row = patterns.row_start[region] + first
        if is_root:  # no parent reads its sums: their rows hold the products instead
            block = sums[first_row : first_row + BLOCK_ROWS]
        elif keep_products:
            block = products[first_row : first_row + BLOCK_ROWS]
        else:
            block = scratch
        for i in range(n_block):
            row = first_row + i
            symbol = patterns.symbols[row]
            for k in range(n_padded):
                product[k] = table[symbol, k]
            exponent = table_exponents[symbol] + _multiply_children(
                patterns, region, first + i, sums, exponents, product, steps
            )
            largest = 0.0
            for k in range(n_padded):
                largest = max(largest, product[k])
            shift = math.frexp(largest)[1]
            scale = math.ldexp(1.0, -shift)
            exponents[row] = exponent + shift
            message = block[i]
            for k in range(n_padded):
                message[k] = product[k] * scale
        if not is_root:
            multiply(block, weights_t[region], sums[first_row:], n_block)


@njit(cache=True, parallel=True, error_model="numpy")
def upward(patterns, table, table_exponents, weights_t, products, sums, exponents):
    """Fill `products`, `sums` (rows, padded K) and `exponents` (rows,) of all regions.

    table (n_symbols, padded K), table_exponents: input likelihoods of every symbol;
    weights_t (n_regions, K, padded K), ``[c, j, k]`` = W_c[k, j]. An empty `products`
    keeps none. The root's rows of `sums` get its products. O(K^2 sum U).
    """
    for level in range(patterns.up_levels.shape[0] - 1):
        first = patterns.up_levels[level]
        last = patterns.up_levels[level + 1]
        if _is_small(patterns.up_tasks[first:last], sums.shape[1]):
            for task in range(first, last):
                _upward_task(
                    patterns, task, table, table_exponents, weights_t, products, sums, exponents
                )
        else:
            for offset in prange(last - first):
                _upward_task(
                    patterns, first + np.int64(offset), table, table_exponents, weights_t,
                    products, sums, exponents,
                )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _root_task(patterns, task, root_weights, sums, exponents, log_likelihoods, counts):
    _, start, stop = patterns.up_tasks[task]
    n_latents = root_weights.shape[0]
    first_row = patterns.row_start[patterns.topdown[0]]
    for k in range(n_latents):
        counts[k] = 0.0
    for t in range(start, stop):
        row = first_row + t
        likelihood = 0.0
        for k in range(n_latents):
            likelihood += root_weights[k] * sums[row, k]
        log_likelihoods[t] = math.log(likelihood) + exponents[row] * math.log(2.0)
        scale = patterns.weights[row] / likelihood
        for k in range(n_latents):
            flow = root_weights[k] * sums[row, k] * scale
            sums[row, k] = flow
            counts[k] += flow


@njit(cache=True, parallel=True, error_model="numpy")
def root_flows(patterns, root_weights, sums, exponents, log_likelihoods, counts):
    """Turn the root's products in `sums` into weighted flows.

    log_likelihoods (U_root,) gets log p in nats, counts (n_tasks, K) the sums of the
    flows over each task of the root. O(K U_root).
    """
    n_tasks = counts.shape[0]
    first = patterns.up_tasks.shape[0] - n_tasks  # the root is the last level upward
    for offset in prange(n_tasks):
        _root_task(
            patterns, first + np.int64(offset), root_weights, sums, exponents, log_likelihoods,
            counts[offset],
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _downward_task(patterns, task, weights, products, sums, counts, gate):
    region, start, stop = patterns.down_tasks[task]
    n_padded = sums.shape[1]
    with_gate = gate.shape[0] > 0
    counts[:] = 0.0
    gate[:] = 0.0
    ratios = np.zeros((BLOCK_ROWS, n_padded), sums.dtype)
    parent_row = patterns.row_start[patterns.parents[region]]
    for first in range(start, stop, BLOCK_ROWS):
        n_block = min(BLOCK_ROWS, stop - first)
        first_row = patterns.row_start[region] + first
        for i in range(n_block):
            row = first_row + i
            ratio = ratios[i]
            link = patterns.member_start[row + region]
            last_link = patterns.member_start[row + region + 1]
            flow = sums[parent_row + patterns.members[link]]
            for k in range(n_padded):
                ratio[k] = flow[k]
            for position in range(link + 1, last_link):
                flow = sums[parent_row + patterns.members[position]]
                for k in range(n_padded):
                    ratio[k] += flow[k]
            message = sums[row]
            if with_gate:
                square = 0.0
                for k in range(n_padded):
                    square += np.float64(products[row, k]) * products[row, k]
                square *= patterns.weights[row]
                for k in range(gate.shape[0]):
                    gate[k] += square / (np.float64(message[k]) * message[k])
            for k in range(n_padded):
                # A sum of zero had no flow into it; padding is such a case.
                ratio[k] = ratio[k] / message[k] if message[k] > 0.0 else 0.0
        block = products[first_row : first_row + n_block]
        add_transposed_product(ratios, block, counts, n_block)
        flows = sums[first_row:]
        multiply(ratios, weights[region], flows, n_block)
        for i in range(n_block):
            for k in range(n_padded):
                flows[i, k] *= block[i, k]


@njit(cache=True, nogil=True, error_model="numpy")
def _collect(tasks, first, partial_counts, partial_gate, all_weights, all_counts, all_gates):
    """Add up the partial results of the region whose first task this is, in their order."""
    region, start, _ = tasks[first]
    if start > 0:
        return
    last = first + 1
    while last < tasks.shape[0] and tasks[last, 0] == region:
        last += 1
    weights, counts, gate = all_weights[region], all_counts[region], all_gates[region]
    n_latents = counts.shape[0]
    for k in range(n_latents):
        for task in range(first, last):
            for j in range(n_latents):
                counts[k, j] += partial_counts[task, k, j]
        for j in range(n_latents):
            counts[k, j] *= weights[k, j]
    for task in range(first, last):
        for k in range(gate.shape[0]):
            gate[k] += partial_gate[task, k]


@njit(cache=True, parallel=True, error_model="numpy")
def downward(patterns, weights, products, sums, partial_counts, partial_gate, counts, gate):
    """Overwrite `sums` by flows, level by level; fill `counts` (n_regions, K, K), zero before.

    weights (n_regions, K, padded K), ``[c, k, j]`` = W_c[k, j]. Expected counts are
    W_c * (A_c^T P_c) with A_c[t, k] the flow into sum node k over S_c[t, k]. A `gate`
    (n_regions, K), zero before, gets the weighted sum over rows of |P_c|^2 / S_c,k^2; one
    of shape (n_regions, 0) is not computed. partial_*: one row a task of the largest level.
    O(K^2 sum U).
    """
    for level in range(patterns.down_levels.shape[0] - 1):
        first = patterns.down_levels[level]
        tasks = patterns.down_tasks[first : patterns.down_levels[level + 1]]
        if _is_small(tasks, sums.shape[1]):
            for offset in range(tasks.shape[0]):
                _downward_task(
                    patterns, first + offset, weights, products, sums,
                    partial_counts[offset], partial_gate[offset],
                )  # fmt: skip
            for offset in range(tasks.shape[0]):
                _collect(tasks, offset, partial_counts, partial_gate, weights, counts, gate)
        else:
            for offset in prange(tasks.shape[0]):
                _downward_task(
                    patterns, first + np.int64(offset), weights, products, sums,
                    partial_counts[offset], partial_gate[offset],
                )  # fmt: skip
            for offset in prange(tasks.shape[0]):
                _collect(
                    tasks, np.int64(offset), partial_counts, partial_gate, weights, counts, gate
                )


@njit(cache=True, nogil=True, error_model="numpy")
def _add_symbol_flows(patterns, region, flows, counts):
    for row in range(
        patterns.row_start[region], patterns.row_start[region] + patterns.n_patterns[region]
    ):
        count = counts[patterns.symbols[row]]
        for k in range(count.shape[0]):
            count[k] += flows[row, k]


@njit(cache=True, parallel=True, error_model="numpy")
def symbol_counts(patterns, flows, counts):
    """Add the flows into each region to `counts` (n_symbols, K) by observed symbol.

    Every symbol belongs to one region, so regions run in parallel. O(K sum U).
    """
    for region in prange(patterns.parents.shape[0]):
        _add_symbol_flows(patterns, np.int64(region), flows, counts)


@njit(cache=True, parallel=True, error_model="numpy")
def pack_weights(sum_weights, weights, weights_t):
    """Copy sum_weights (n_regions, K, K), and its transposes, to padded arrays. O(size)."""
    n_regions, n_latents, _ = sum_weights.shape
    for region in prange(n_regions):
        for k in range(n_latents):
            for j in range(n_latents):
                weights[region, k, j] = sum_weights[region, k, j]
        for j in range(n_latents):
            for k in range(n_latents):
                weights_t[region, j, k] = sum_weights[region, k, j]


@njit(cache=True, nogil=True, error_model="numpy")
def _row_task(
    patterns, codes, start, stop, root_weights, row_weights, weights, products, sums,
    traces, moments,
):  # fmt: skip
    """Exact flows of single rows: see `row_curvature`."""
    n_regions = patterns.parents.shape[0]
    n_latents = root_weights.shape[0]
    n_padded = sums.shape[1]
    n_block = stop - start
    with_moments = moments.shape[0] > 0
    flows = np.zeros((n_regions, -(-n_block // TILE_ROWS) * TILE_ROWS, n_padded))
    ratios = np.zeros((flows.shape[1], n_padded))
    products_block = np.zeros((flows.shape[1], n_padded))
    root = patterns.topdown[0]
    for i in range(n_block):
        row = patterns.row_start[root] + codes[root, start + i]
        likelihood = 0.0
        square = 0.0
        for k in range(n_latents):
            likelihood += root_weights[k] * sums[row, k]
            square += sums[row, k] * sums[row, k]
        traces[start + i] = square / (likelihood * likelihood)
        for k in range(n_latents):
            flow = root_weights[k] * sums[row, k] / likelihood
            flows[root, i, k] = flow
            if with_moments:
                moments[root, 0, k] += row_weights[start + i] * flow * flow
    for position in range(1, n_regions):
        region = patterns.topdown[position]
        parent = patterns.parents[region]
        for i in range(n_block):
            row = patterns.row_start[region] + codes[region, start + i]
            square_ratio = 0.0
            square_product = 0.0
            for k in range(n_latents):
                message = sums[row, k]
                product = products[row, k]
                ratio = flows[parent, i, k] / message if message > 0.0 else 0.0
                ratios[i, k] = ratio
                products_block[i, k] = product
                square_ratio += ratio * ratio
                square_product += product * product
            traces[start + i] += square_ratio * square_product
        if patterns.children_start[region] < patterns.children_start[region + 1]:
            multiply(ratios, weights[region], flows[region], n_block)
            for i in range(n_block):
                for k in range(n_latents):
                    flows[region, i, k] *= products_block[i, k]
        if with_moments:
            for i in range(n_block):
                for k in range(n_latents):
                    ratios[i, k] *= row_weights[start + i] * ratios[i, k]
                    products_block[i, k] *= products_block[i, k]
            add_transposed_product(ratios, products_block, moments[region], n_block)


@njit(cache=True, parallel=True, error_model="numpy")
def row_curvature(
    patterns, codes, root_weights, row_weights, weights, products, sums, rows_per_block,
    traces, moments,
):  # fmt: skip
    """Per-row quantities that are not linear in flows, so not functions of patterns alone.

    codes (n_regions, n): pattern of every row. Writes `traces` (n,), the trace of the
    Hessian of -log p over all sum weights, sum_c |a_c|^2 |P_c|^2 + |P_root|^2 / p^2.
    `moments` (n_chunks, n_regions, padded K, padded K), zero before, gets sums over rows
    of weight * a_c,k^2 P_c,j^2, one chunk of rows each; at the root, row 0 has the second
    moments of the flows. One of shape (n_chunks, 0, 0, 0) is not computed.
    O(n n_regions K^2).
    """
    n_rows = traces.shape[0]
    n_blocks = -(-n_rows // rows_per_block)
    n_chunks = moments.shape[0]
    for chunk in prange(n_chunks):
        first = np.int64(chunk) * n_blocks // n_chunks
        last = (np.int64(chunk) + 1) * n_blocks // n_chunks
        for block in range(first, last):
            _row_task(
                patterns, codes, block * rows_per_block,
                min((block + 1) * rows_per_block, n_rows), root_weights, row_weights, weights,
                products, sums, traces, moments[chunk],
            )  # fmt: skip
