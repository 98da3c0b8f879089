"""Kernels that differentiate both passes along a direction: Hessian-vector products.

What the passes of `skpc._kernels.messages` leave is constant here: products P, sums S, flows F
(times the patterns' weights), and the padded weights W. All tangents are relative or
times a flow, so no scale is needed:

- s = dS / S of every sum node, (V P + W dP) / S along a direction V;
- q = dP / P of every product node: the sum of s of its children and of dB / B of its own
  input. It is kept as its largest term, the sum of the others, and whose the largest is:
  the sum without one term, which the way down needs, is then found without cancellation,
  though a term may be 1e30 beside weights of 1e-30;
- r = P dU, with U the derivative of log p (times weights) by P; so dF = F q + r.
"""

from typing import NamedTuple

import numpy as np

from skpc._kernels import njit
from skpc._kernels.gemm import add_transposed_product, multiply
from skpc._kernels.messages import BLOCK_ROWS, TASK_ROWS, _pack
from skpc._kernels.tasks import fetch_add, take, take_next

_OWN = -1


class Passes(NamedTuple):
    """What a pass up and one down leave, padded like messages.

    Attributes
    ----------
    products, sums, flows : (rows, padded K) P, S and F
    weights, weights_t : (n_regions, K, padded K)
    root_weights : (n_roots * K,)
    """

    products: np.ndarray
    sums: np.ndarray
    flows: np.ndarray
    weights: np.ndarray
    weights_t: np.ndarray
    root_weights: np.ndarray


class Direction(NamedTuple):
    """Along which passes are differentiated.

    Attributes
    ----------
    per_row : bool
        Whether every row, of patterns that stand for one row each, has a direction of its own,
        its gradient of log p: V = a P^T. Then `root` and `sums` have no meaning.
    root : (n_roots * K,)
        Of the root weights.
    sums : (n_regions, K, K)
        V of the sum weights.
    table : (n_symbols, padded K)
        dB / B of every symbol; of no rows if inputs are constant. With `per_row`, dB / B is this
        times F / weight.
    """

    per_row: bool
    root: np.ndarray
    sums: np.ndarray
    table: np.ndarray


class Tangents(NamedTuple):
    """Tangents of messages, and the direction as it is multiplied. Padding stays zero.

    Attributes
    ----------
    sums, tops, rests, origins, remainders : (rows, padded K)
        s, the three parts of q, and r; see the module.
    packed, packed_t : (n_regions, K, padded K)
        V, packed like weights.
    """

    sums: np.ndarray
    tops: np.ndarray
    rests: np.ndarray
    origins: np.ndarray
    remainders: np.ndarray
    packed: np.ndarray
    packed_t: np.ndarray


class Gradients(NamedTuple):
    """Tangents of the gradient.

    Attributes
    ----------
    root : (n_root_tasks, n_roots * K)
        Parts, to add up, of that of d log p / d pi.
    sums : (n_regions, K, K), zero before
        Of d log p / d W.
    symbols : (n_symbols, K), zero before
        The flows' tangents less F dB / B, by symbol: B times the tangent of d log p / dB. One of
        no rows is not computed.
    """

    root: np.ndarray
    sums: np.ndarray
    symbols: np.ndarray


@njit(cache=True, nogil=True)
def _input_tangent(table, symbol, k, flow, weight, per_row):
    """Of a symbol, dB / B; see `upward`."""
    if per_row:
        return table[symbol, k] * flow / weight
    return table[symbol, k]


@njit(cache=True, nogil=True, inline="always")
def _gather_terms(patterns, region, t, n_latents, flows, direction, tangents):
    """Add up the terms of q at pattern t of a region; see the module."""
    table, per_row, sum_tangents = direction.table, direction.per_row, tangents.sums
    row = patterns.row_start[region] + t
    top, rest, origin = tangents.tops[row], tangents.rests[row], tangents.origins[row]
    symbol = patterns.symbols[row]
    for k in range(n_latents):
        rest[k] = 0.0
        origin[k] = _OWN
        if table.shape[0] > 0:
            top[k] = _input_tangent(table, symbol, k, flows[row, k], patterns.weights[row], per_row)
        else:
            top[k] = 0.0
    for position in range(patterns.children_start[region], patterns.children_start[region + 1]):
        child = patterns.children[position]
        message = sum_tangents[
            patterns.row_start[child] + patterns.child_codes[patterns.code_start[child] + t]
        ]
        for k in range(n_latents):
            if abs(message[k]) > abs(top[k]):
                rest[k] += top[k]
                top[k] = message[k]
                origin[k] = child
            else:
                rest[k] += message[k]


@njit(cache=True, nogil=True)
def _ratios(patterns, region, t, flows, sums, ratio):
    """Write a = (flow into the sum nodes) / S of pattern t of a region; zero where S is."""
    row = patterns.row_start[region] + t
    parent_row = patterns.row_start[patterns.parents[region]]
    link = patterns.member_start[row + region]
    flow = flows[parent_row + patterns.members[link]]
    for k in range(ratio.shape[0]):
        ratio[k] = flow[k]
    for position in range(link + 1, patterns.member_start[row + region + 1]):
        flow = flows[parent_row + patterns.members[position]]
        for k in range(ratio.shape[0]):
            ratio[k] += flow[k]
    for k in range(ratio.shape[0]):
        ratio[k] = ratio[k] / sums[row, k] if sums[row, k] > 0.0 else 0.0


@njit(cache=True, nogil=True)
def upward(queue, levels, patterns, passes, direction, tangents):
    """Fill s and q of `tangents`.

    Tasks: each region's V, to be packed unless it is `per_row`; then `patterns.up_tasks`.
    O(K^2 sum U).
    """
    products, sums, flows = passes.products, passes.sums, passes.flows
    weights_t, per_row = passes.weights_t, direction.per_row
    sum_tangents, tops, rests = tangents.sums, tangents.tops, tangents.rests
    packed_t = tangents.packed_t
    n_regions = patterns.parents.shape[0]
    n_padded = products.shape[1]
    n_latents = weights_t.shape[1]
    tangent_block = np.zeros((BLOCK_ROWS, n_padded))
    from_products = np.zeros((BLOCK_ROWS, n_padded))
    from_weights = np.zeros((BLOCK_ROWS, n_padded))
    ratio = np.empty(n_padded)
    task, _ = take(queue, levels)
    while task < levels[-1]:
        if task < n_regions:
            if not per_row:
                _pack(direction.sums[task], tangents.packed[task], packed_t[task])
            task, _ = take_next(queue, levels)
            continue
        region, start, stop = patterns.up_tasks[task - n_regions]
        is_root = patterns.parents[region] < 0
        is_constant = direction.table.shape[0] == 0 and (
            patterns.children_start[region] == patterns.children_start[region + 1]
        )
        for first in range(start, stop, BLOCK_ROWS):
            n_block = min(BLOCK_ROWS, stop - first)
            first_row = patterns.row_start[region] + first
            for i in range(n_block):
                _gather_terms(patterns, region, first + i, n_latents, flows, direction, tangents)
            if is_root:
                continue
            block = products[first_row : first_row + BLOCK_ROWS]
            if is_constant:
                from_products[:] = 0.0
            else:
                for i in range(n_block):
                    row = first_row + i
                    for k in range(n_latents):
                        tangent_block[i, k] = block[i, k] * (tops[row, k] + rests[row, k])
                multiply(tangent_block, weights_t[region], from_products, n_block)
            if per_row:
                for i in range(n_block):
                    _ratios(patterns, region, first + i, flows, sums, ratio)
                    square = 0.0
                    for k in range(n_latents):
                        square += block[i, k] * block[i, k]
                    square /= patterns.weights[first_row + i]
                    for k in range(n_padded):
                        from_weights[i, k] = ratio[k] * square
            else:
                multiply(block, packed_t[region], from_weights, n_block)
            for i in range(n_block):
                row = first_row + i
                for k in range(n_latents):
                    tangent = from_products[i, k] + from_weights[i, k]
                    message = sums[row, k]
                    sum_tangents[row, k] = tangent / message if message > 0.0 else 0.0
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True, inline="always")
def _root_task(patterns, task, passes, direction, tangents, out):
    """Tangents of the roots' flows; see `downward`."""
    root_weights, root_direction = passes.root_weights, direction.root
    flows, tops, rests, remainders = (
        passes.flows,
        tangents.tops,
        tangents.rests,
        tangents.remainders,
    )
    start = task * TASK_ROWS
    stop = min(start + TASK_ROWS, patterns.n_patterns[patterns.roots[0]])
    out[:] = 0.0
    n_roots = patterns.roots.shape[0]
    n_latents = root_weights.shape[0] // n_roots
    for t in range(start, stop):
        weight = patterns.weights[patterns.row_start[patterns.roots[0]] + t]
        of_log = 0.0
        for r in range(n_roots):
            row = patterns.row_start[patterns.roots[r]] + t
            for k in range(n_latents):
                gradient = flows[row, k] / root_weights[r * n_latents + k]
                along = (
                    gradient / weight if direction.per_row else root_direction[r * n_latents + k]
                )
                remainders[row, k] = gradient * along
                of_log += gradient * along + flows[row, k] * (tops[row, k] + rests[row, k])
        of_log /= weight
        for r in range(n_roots):
            row = patterns.row_start[patterns.roots[r]] + t
            for k in range(n_latents):
                gradient = flows[row, k] / root_weights[r * n_latents + k]
                remainders[row, k] -= flows[row, k] * of_log
                out[r * n_latents + k] += gradient * (tops[row, k] + rests[row, k] - of_log)


@njit(cache=True, nogil=True, inline="always")
def _downward_task(patterns, task, passes, direction, tangents, with_symbols, scratch, out):
    """Tangents of the flows into one of `patterns.down_tasks`; see `downward`."""
    region, start, stop = patterns.down_tasks[task]
    products, sums, flows = passes.products, passes.sums, passes.flows
    weights, packed, per_row = passes.weights, tangents.packed, direction.per_row
    sum_tangents, tops, rests = tangents.sums, tangents.tops, tangents.rests
    origins, remainders = tangents.origins, tangents.remainders
    is_leaf = patterns.children_start[region] == patterns.children_start[region + 1]
    is_constant = is_leaf and direction.table.shape[0] == 0
    is_needed = not is_leaf or with_symbols
    n_padded = products.shape[1]
    n_latents = weights.shape[1]
    parent_row = patterns.row_start[patterns.parents[region]]
    # Not by unpacking, which forgets that rows are contiguous.
    ratios, ratio_tangents, tangent_block = scratch[0], scratch[1], scratch[2]
    below, along = scratch[3], scratch[4]
    for first in range(start, stop, BLOCK_ROWS):
        n_block = min(BLOCK_ROWS, stop - first)
        first_row = patterns.row_start[region] + first
        for i in range(n_block):
            row = first_row + i
            _ratios(patterns, region, first + i, flows, sums, ratios[i])
            tangent = ratio_tangents[i]
            own = sum_tangents[row]
            for k in range(n_padded):
                tangent[k] = 0.0
            for position in range(
                patterns.member_start[row + region], patterns.member_start[row + region + 1]
            ):
                member = parent_row + patterns.members[position]
                flow, top, rest = flows[member], tops[member], rests[member]
                origin, remainder = origins[member], remainders[member]
                for k in range(n_latents):
                    # q without this child's term: a does not depend on S through S itself.
                    others = rest[k] if origin[k] == region else (rest[k] - own[k]) + top[k]
                    tangent[k] += flow[k] * others + remainder[k]
            message = sums[row]
            for k in range(n_latents):
                tangent[k] = tangent[k] / message[k] if message[k] > 0.0 else 0.0
        block = products[first_row : first_row + n_block]
        add_transposed_product(ratio_tangents, block, out, n_block)
        if not is_constant:
            for i in range(n_block):
                row = first_row + i
                for k in range(n_latents):
                    tangent_block[i, k] = block[i, k] * (tops[row, k] + rests[row, k])
            add_transposed_product(ratios, tangent_block, out, n_block)
        if is_needed:
            multiply(ratio_tangents, weights[region], below, n_block)
            if per_row:
                for i in range(n_block):
                    square = 0.0
                    for k in range(n_latents):
                        square += ratios[i, k] * ratios[i, k]
                    square /= patterns.weights[first_row + i]
                    for k in range(n_padded):
                        along[i, k] = block[i, k] * square
            else:
                multiply(ratios, packed[region], along, n_block)
            for i in range(n_block):
                row = first_row + i
                for k in range(n_latents):
                    remainders[row, k] = block[i, k] * (below[i, k] + along[i, k])


@njit(cache=True, nogil=True, inline="always")
def _collect(first, last, partials, out):
    """Add up the partial results `first` to `last` of a region, in their order."""
    n_latents = out.shape[0]
    for k in range(n_latents):
        for offset in range(first, last):
            for j in range(n_latents):
                out[k, j] += partials[offset, k, j]


@njit(cache=True, nogil=True, inline="always")
def _add_symbol_tangents(patterns, region, passes, direction, tangents, out):
    """Add the tangents of a region's flows to its symbols, without those of its own input."""
    flows, table, per_row = passes.flows, direction.table, direction.per_row
    tops, rests = tangents.tops, tangents.rests
    origins, remainders = tangents.origins, tangents.remainders
    for row in range(
        patterns.row_start[region], patterns.row_start[region] + patterns.n_patterns[region]
    ):
        symbol = patterns.symbols[row]
        for k in range(out.shape[1]):
            others = rests[row, k]
            if origins[row, k] != _OWN:
                if table.shape[0] > 0:
                    others -= _input_tangent(
                        table, symbol, k, flows[row, k], patterns.weights[row], per_row
                    )
                others += tops[row, k]
            out[symbol, k] += flows[row, k] * others + remainders[row, k]


@njit(cache=True, nogil=True)
def downward(queue, levels, patterns, passes, direction, tangents, partials, gradients):
    """Tangents of the gradient of the patterns' summed log p; call after `upward`.

    Tasks: ranges of the roots' patterns; then `patterns.down_tasks`; then each region's
    symbols. Of `partials`, gates are not used. O(K^2 sum U).
    """
    n_root_tasks = gradients.root.shape[0]
    n_tasks = n_root_tasks + patterns.down_tasks.shape[0]
    with_symbols = gradients.symbols.shape[0] > 0
    scratch = np.zeros((5, BLOCK_ROWS, passes.products.shape[1]))
    task, level = take(queue, levels)
    while task < levels[-1]:
        if task < n_root_tasks:
            _root_task(patterns, task, passes, direction, tangents, gradients.root[task])
        elif task < n_tasks:
            down_task = task - n_root_tasks
            offset = task - levels[level]
            partials.counts[offset] = 0.0
            _downward_task(
                patterns, down_task, passes, direction, tangents, with_symbols, scratch,
                partials.counts[offset],
            )  # fmt: skip
            region = patterns.down_tasks[down_task, 0]
            if fetch_add(partials.n_left, region, -1) == 1:  # who finishes a region adds it up
                first = offset - patterns.down_tasks[down_task, 1] // TASK_ROWS
                last = first + -(-patterns.n_patterns[region] // TASK_ROWS)
                _collect(first, last, partials.counts, gradients.sums[region])
        else:
            _add_symbol_tangents(
                patterns, task - n_tasks, passes, direction, tangents, gradients.symbols
            )
        task, level = take_next(queue, levels)
