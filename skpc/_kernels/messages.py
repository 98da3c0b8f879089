"""Kernels of the upward pass (messages) and the downward pass (flows) over patterns.

Notation: products P and sums S are the messages of a region's product and sum nodes.
They live in linear space: a product row is divided by a power of two so that its largest
entry is in [0.5, 1), and the exponent is kept beside it, without rounding. `patterns` is
a `skpc._passes.patterns.Patterns`. Message rows are padded with zeros to whole vectors.
Inner loops read arrays, not fields of a tuple: a loop over these is slower.
"""

import math
from typing import NamedTuple

import numpy as np

from skpc._kernels import njit
from skpc._kernels.gemm import TILE_ROWS, add_transposed_product, multiply
from skpc._kernels.tasks import fetch_add, take, take_next

BLOCK_ROWS = 128
"""Rows of one matrix product: a block's messages and weights stay in the L2 cache."""

TASK_ROWS = 512
"""Rows of one task: fixed, so that sums do not depend on the number of threads."""

_GROUP = 4
_SMALL = 2.0**-500
_LARGE = 2.0**500


class MessageArrays(NamedTuple):
    """The messages of a circuit, and its sum weights as they are multiplied.

    Attributes
    ----------
    products, sums : (rows, padded K)
        Without any row of products, none are kept. A root's rows of sums have its products: no
        parent reads its sums.
    exponents : (rows,)
        Of both, to base two.
    weights, weights_t : (n_regions, K, padded K)
        ``[c, k, j]`` and ``[c, j, k]`` = W_c[k, j].
    """

    products: np.ndarray
    sums: np.ndarray
    exponents: np.ndarray
    weights: np.ndarray
    weights_t: np.ndarray


class Counts(NamedTuple):
    """What a downward pass gathers.

    Attributes
    ----------
    log_likelihoods : (U_root,)
        Log p in nats.
    root : (n_root_tasks, n_roots * K)
        Parts of the roots' expected counts.
    root_gate : (n_root_tasks, 1)
        Parts of the weighted sum of |P|^2 / p^2.
    sums : (n_regions, K, K), zero before
        Expected counts W_c * (A_c^T P_c), with A_c[t, k] the flow into sum node k over S_c[t, k].
    gate : (n_regions, K), zero before
        Weighted sums over rows of |P_c|^2 / S_c,k^2. Gates of no columns are not computed.
    symbols : (n_symbols, padded K), zero before
        Flows by observed symbol.
    """

    log_likelihoods: np.ndarray
    root: np.ndarray
    root_gate: np.ndarray
    sums: np.ndarray
    gate: np.ndarray
    symbols: np.ndarray


class Partials(NamedTuple):
    """Results of tasks, which whoever is last at a region adds up in their order.

    Attributes
    ----------
    counts, gate : (n_tasks, ...)
        One row per task of the largest level.
    n_left : (n_regions,)
        Number of tasks of each region that are not done.
    """

    counts: np.ndarray
    gate: np.ndarray
    n_left: np.ndarray


@njit(cache=True, nogil=True, inline="always")
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


@njit(cache=True, nogil=True, inline="always")
def _pack(sum_weights, weights, weights_t):
    """Copy the sum weights (K, K) of a region, and their transpose, to padded rows."""
    n_latents = sum_weights.shape[0]
    for k in range(n_latents):
        for j in range(n_latents):
            weights[k, j] = sum_weights[k, j]
    for j in range(n_latents):
        for k in range(n_latents):
            weights_t[j, k] = sum_weights[k, j]


@njit(cache=True, nogil=True, inline="always")
def _scale_of(bits):
    """The power of two that brings the largest of some float64 to [0.5, 1), and what undoes it.

    bits (n,) int64: the numbers, from 0 to 1, bit by bit. As such they have the same order, and
    compilers find the largest of integers, not of floats, in vector registers. All below
    2**-1022 count as that.
    """
    largest = np.int64(0)
    for k in range(bits.shape[0]):
        largest = max(largest, bits[k])
    biased = largest >> 52
    scale = np.int64((2045 - biased) << 52)
    return biased - 1022, scale.view(np.float64)


@njit(cache=True, nogil=True)
def upward(queue, levels, patterns, table, table_exponents, sum_weights, messages):
    """Fill the `messages` of all regions.

    Tasks: each region's `_pack`, of sum_weights (n_regions, K, K); then `patterns.up_tasks`.
    table (n_symbols, padded K), table_exponents: input likelihoods of every symbol.
    O(K^2 sum U).
    """
    products, sums, exponents = messages.products, messages.sums, messages.exponents
    weights, weights_t = messages.weights, messages.weights_t
    n_regions = sum_weights.shape[0]
    n_padded = sums.shape[1]
    scratch = np.zeros((BLOCK_ROWS, n_padded), sums.dtype)
    product = np.empty(n_padded)
    bits = product.view(np.int64)
    steps = np.empty(n_padded)
    task, _ = take(queue, levels)
    while task < levels[-1]:
        if task < n_regions:
            _pack(sum_weights[task], weights[task], weights_t[task])
            task, _ = take_next(queue, levels)
            continue
        region, start, stop = patterns.up_tasks[task - n_regions]
        is_root = patterns.parents[region] < 0
        for first in range(start, stop, BLOCK_ROWS):
            n_block = min(BLOCK_ROWS, stop - first)
            first_row = patterns.row_start[region] + first
            if is_root:
                block = sums[first_row : first_row + BLOCK_ROWS]
            elif products.shape[0] > 0:
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
                shift, scale = _scale_of(bits)
                exponents[row] = exponent + shift
                message = block[i]
                for k in range(n_padded):
                    message[k] = product[k] * scale
            if not is_root:
                multiply(block, weights_t[region], sums[first_row:], n_block)
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def root_likelihoods(roots, row_start, root_weights, sums, exponents, likelihoods, root_exponents):
    """Write p (U_root,) as a number times two to an exponent (U_root,); call after `upward`.

    root_weights (n_roots * K,), root after root. O(n_roots K U_root).
    """
    for t in range(likelihoods.shape[0]):
        likelihood, exponent = _mixture(roots, row_start, t, root_weights, sums, exponents)
        likelihoods[t] = likelihood
        root_exponents[t] = exponent


@njit(cache=True, nogil=True)
def _mixture(roots, row_start, t, root_weights, sums, exponents):
    """Likelihood of pattern t of all roots, as a number and an exponent of two."""
    n_roots = roots.shape[0]
    n_latents = root_weights.shape[0] // n_roots
    largest = exponents[row_start[roots[0]] + t]
    for r in range(1, n_roots):
        largest = max(largest, exponents[row_start[roots[r]] + t])
    likelihood = 0.0
    for r in range(n_roots):
        row = row_start[roots[r]] + t
        part = 0.0
        for k in range(n_latents):
            part += root_weights[r * n_latents + k] * sums[row, k]
        likelihood += math.ldexp(part, int(max(exponents[row] - largest, -2000)))
    return likelihood, largest


@njit(cache=True, nogil=True, inline="always")
def _root_task(patterns, task, root_weights, sums, exponents, counts):
    """Turn the roots' products into weighted flows; see `downward`."""
    roots, row_start, row_weights = patterns.roots, patterns.row_start, patterns.weights
    log_likelihoods = counts.log_likelihoods
    of_task, gate = counts.root[task], counts.root_gate[task]
    of_task[:] = 0.0
    n_roots = roots.shape[0]
    n_latents = root_weights.shape[0] // n_roots
    start = task * TASK_ROWS
    for t in range(start, min(start + TASK_ROWS, log_likelihoods.shape[0])):
        likelihood, exponent = _mixture(roots, row_start, t, root_weights, sums, exponents)
        log_likelihoods[t] = math.log(likelihood) + exponent * math.log(2.0)
        square = 0.0
        for r in range(n_roots):
            row = row_start[roots[r]] + t
            shift = int(max(exponents[row] - exponent, -2000))
            scale = math.ldexp(1.0, shift) / likelihood
            weight = row_weights[row]
            for k in range(n_latents):
                derivative = sums[row, k] * scale
                square += weight * derivative * derivative
                flow = root_weights[r * n_latents + k] * derivative * weight
                sums[row, k] = flow
                of_task[r * n_latents + k] += flow
        if gate.shape[0] > 0:
            gate[0] += square


@njit(cache=True, nogil=True, inline="always")
def _downward_task(patterns, task, messages, ratios, counts, gate):
    """Overwrite the sums of one of `patterns.down_tasks` by flows; see `downward`."""
    region, start, stop = patterns.down_tasks[task]
    weights, products, sums = messages.weights, messages.products, messages.sums
    n_padded = sums.shape[1]
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
            if gate.shape[0] > 0:
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


@njit(cache=True, nogil=True, inline="always")
def _collect(first, last, partial_counts, partial_gate, weights, counts, gate):
    """Add up the partial results `first` to `last` of a region, in their order."""
    n_latents = counts.shape[0]
    for k in range(n_latents):
        for offset in range(first, last):
            for j in range(n_latents):
                counts[k, j] += partial_counts[offset, k, j]
        for j in range(n_latents):
            counts[k, j] *= weights[k, j]
    for offset in range(first, last):
        for k in range(gate.shape[0]):
            gate[k] += partial_gate[offset, k]


@njit(cache=True, nogil=True)
def downward(queue, levels, patterns, root_weights, messages, partials, counts):
    """Overwrite sums by flows, level by level, and gather expected `counts`.

    Tasks: ranges of the roots' patterns; then `patterns.down_tasks`; then each region's flows by
    symbol. O(K^2 sum U).
    """
    sums = messages.sums
    n_root_tasks = counts.root.shape[0]
    n_tasks = n_root_tasks + patterns.down_tasks.shape[0]
    ratios = np.zeros((BLOCK_ROWS, sums.shape[1]), sums.dtype)
    task, level = take(queue, levels)
    while task < levels[-1]:
        if task < n_root_tasks:
            _root_task(patterns, task, root_weights, sums, messages.exponents, counts)
        elif task < n_tasks:
            down_task = task - n_root_tasks
            offset = task - levels[level]
            partials.counts[offset] = 0.0
            partials.gate[offset] = 0.0
            _downward_task(
                patterns, down_task, messages, ratios, partials.counts[offset],
                partials.gate[offset],
            )  # fmt: skip
            region = patterns.down_tasks[down_task, 0]
            if fetch_add(partials.n_left, region, -1) == 1:  # who finishes a region adds it up
                first = offset - patterns.down_tasks[down_task, 1] // TASK_ROWS
                last = first + -(-patterns.n_patterns[region] // TASK_ROWS)
                _collect(
                    first, last, partials.counts, partials.gate, messages.weights[region],
                    counts.sums[region], counts.gate[region],
                )  # fmt: skip
        else:
            _add_symbol_flows(patterns, task - n_tasks, sums, counts.symbols)
        task, level = take_next(queue, levels)


@njit(cache=True, nogil=True)
def blend(queue, levels, into, other, keep, gain):
    """Overwrite `into` (n_regions, K, K) by ``keep * into + gain * other``. Tasks: regions."""
    region, _ = take(queue, levels)
    while region < levels[-1]:
        a, b = into[region], other[region]
        for k in range(a.shape[0]):
            for j in range(a.shape[1]):
                a[k, j] = keep * a[k, j] + gain * b[k, j]
        region, _ = take_next(queue, levels)


@njit(cache=True, nogil=True, inline="always")
def _add_symbol_flows(patterns, region, flows, counts):
    """Add the flows into a region to its symbols, which no other region has."""
    for row in range(
        patterns.row_start[region], patterns.row_start[region] + patterns.n_patterns[region]
    ):
        count = counts[patterns.symbols[row]]
        for k in range(count.shape[0]):
            count[k] += flows[row, k]


@njit(cache=True, nogil=True)
def _row_task(
    patterns, codes, start, stop, root_weights, row_weights, messages, traces, moments
):  # fmt: skip
    """Exact flows of single rows: see `row_curvature`."""
    products, sums, exponents = messages.products, messages.sums, messages.exponents
    weights = messages.weights
    n_regions = patterns.parents.shape[0]
    n_padded = sums.shape[1]
    n_block = stop - start
    with_moments = moments.shape[0] > 0
    flows = np.zeros((n_regions, -(-n_block // TILE_ROWS) * TILE_ROWS, n_padded))
    ratios = np.zeros((flows.shape[1], n_padded))
    products_block = np.zeros((flows.shape[1], n_padded))
    n_roots = patterns.roots.shape[0]
    n_latents = root_weights.shape[0] // n_roots
    for i in range(n_block):
        t = np.int64(codes[patterns.roots[0], start + i])
        likelihood, exponent = _mixture(
            patterns.roots, patterns.row_start, t, root_weights, sums, exponents
        )
        traces[start + i] = 0.0
        for r in range(n_roots):
            root = patterns.roots[r]
            row = patterns.row_start[root] + t
            shift = int(max(exponents[row] - exponent, -2000))
            scale = math.ldexp(1.0, shift) / likelihood
            for k in range(n_latents):
                derivative = sums[row, k] * scale
                traces[start + i] += derivative * derivative
                flow = root_weights[r * n_latents + k] * derivative
                flows[root, i, k] = flow
                if with_moments:
                    moments[root, 0, k] += row_weights[start + i] * flow * flow
    for position in range(n_roots, n_regions):
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


@njit(cache=True, nogil=True)
def row_curvature(
    queue, levels, patterns, codes, root_weights, row_weights, messages, rows_per_block, traces,
    moments,
):  # fmt: skip
    """Per-row quantities that are not linear in flows, so not functions of patterns alone.

    codes (n_regions, n): pattern of every row. Writes `traces` (n,), the trace of the
    Hessian of -log p over all sum weights, sum_c |a_c|^2 |P_c|^2 + |P_root|^2 / p^2.
    `moments` (n_chunks, n_regions, padded K, padded K), zero before, gets sums over rows
    of weight * a_c,k^2 P_c,j^2, one chunk of rows each; at a root, row 0 has the second
    moments of its flows. One of shape (n_chunks, 0, 0, 0) is not computed.
    Tasks: chunks. O(n n_regions K^2).
    """
    n_rows = traces.shape[0]
    n_blocks = -(-n_rows // rows_per_block)
    n_chunks = moments.shape[0]
    chunk, _ = take(queue, levels)
    while chunk < n_chunks:
        for block in range(chunk * n_blocks // n_chunks, (chunk + 1) * n_blocks // n_chunks):
            _row_task(
                patterns, codes, block * rows_per_block,
                min((block + 1) * rows_per_block, n_rows), root_weights, row_weights, messages,
                traces, moments[chunk],
            )  # fmt: skip
        chunk, _ = take_next(queue, levels)
