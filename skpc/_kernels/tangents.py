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

import numpy as np

from skpc._kernels import njit
from skpc._kernels.gemm import add_transposed_product, multiply
from skpc._kernels.messages import BLOCK_ROWS, TASK_ROWS, _pack
from skpc._kernels.tasks import fetch_add, take, take_next

_OWN = -1


@njit(cache=True, nogil=True)
def _input_tangent(table, symbol, k, flow, weight, per_row):
    """Of a symbol, dB / B; see `upward`."""
    if per_row:
        return table[symbol, k] * flow / weight
    return table[symbol, k]


@njit(cache=True, nogil=True)
def _gather_terms(
    patterns, region, t, n_latents, flows, table, per_row, sum_tangents, tops, rests, origins
):  # fmt: skip
    """Add up the terms of q at pattern t of a region; see the module."""
    row = patterns.row_start[region] + t
    top, rest, origin = tops[row], rests[row], origins[row]
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
def upward(
    queue, levels, patterns, weights_t, products, sums, flows, directions, per_row, table,
    packed, packed_t, sum_tangents, tops, rests, origins,
):  # fmt: skip
    """Fill s (`sum_tangents`) and q (`tops`, `rests`, `origins`), each (rows, padded K).

    Tasks: each region's direction V of `directions` (n_regions, K, K), packed like weights
    to `packed` and `packed_t` (n_regions, K, padded K); then `patterns.up_tasks`.
    table (n_symbols, padded K): dB / B of every symbol; of no rows if inputs are constant.
    With `per_row`, for patterns that stand for one row each, every row has a direction of
    its own, its gradient of log p, and nothing is packed: V = a P^T, and dB / B is `table`
    times F / weight. O(K^2 sum U).
    """
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
                _pack(directions[task], packed[task], packed_t[task])
            task, _ = take_next(queue, levels)
            continue
        region, start, stop = patterns.up_tasks[task - n_regions]
        is_root = patterns.parents[region] < 0
        is_constant = table.shape[0] == 0 and (
            patterns.children_start[region] == patterns.children_start[region + 1]
        )
        for first in range(start, stop, BLOCK_ROWS):
            n_block = min(BLOCK_ROWS, stop - first)
            first_row = patterns.row_start[region] + first
            for i in range(n_block):
                _gather_terms(
                    patterns, region, first + i, n_latents, flows, table, per_row,
                    sum_tangents, tops, rests, origins,
                )  # fmt: skip
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
def _root_task(
    patterns, start, stop, root_weights, root_direction, per_row, flows, tops, rests,
    remainders, out,
):  # fmt: skip
    """Tangents of the roots' flows; see `downward`."""
    n_roots = patterns.roots.shape[0]
    n_latents = root_weights.shape[0] // n_roots
    for t in range(start, stop):
        weight = patterns.weights[patterns.row_start[patterns.roots[0]] + t]
        of_log = 0.0
        for r in range(n_roots):
            row = patterns.row_start[patterns.roots[r]] + t
            for k in range(n_latents):
                gradient = flows[row, k] / root_weights[r * n_latents + k]
                along = gradient / weight if per_row else root_direction[r * n_latents + k]
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
def _downward_task(
    patterns, region, start, stop, weights, products, sums, flows, packed, per_row,
    is_constant, is_needed, sum_tangents, tops, rests, origins, remainders, scratch, out,
):  # fmt: skip
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


@njit(cache=True, nogil=True)
def _add_symbol_tangents(
    patterns, region, flows, table, per_row, tops, rests, origins, remainders, out
):  # fmt: skip
    """Add the tangents of a region's flows to its symbols, without those of its own input."""
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
def downward(
    queue, levels, patterns, root_weights, root_direction, weights, products, sums, flows,
    packed, per_row, table, sum_tangents, tops, rests, origins, remainders, partials, n_left,
    root_out, sums_out, symbols_out,
):  # fmt: skip
    """Tangents of the gradient of the patterns' summed log p; call after `upward`.

    Writes `root_out` (n_tasks, n_roots * K), of d log p / d pi, parts to add up; `sums_out`
    (n_regions, K, K), zero before, of d log p / d W; and `symbols_out` (n_symbols, K), zero
    before, the flows' tangents less F dB / B, by symbol: B times the tangent of
    d log p / dB. One of no rows is not computed. remainders (rows, padded K): scratch, r.
    Tasks: ranges of the roots' patterns; then `patterns.down_tasks`; then each region's
    symbols. partials: one row a task of the largest level; n_left (n_regions,): number of
    tasks of each region. O(K^2 sum U).
    """
    n_root_tasks = root_out.shape[0]
    n_root = patterns.n_patterns[patterns.roots[0]]
    n_tasks = n_root_tasks + patterns.down_tasks.shape[0]
    scratch = np.zeros((5, BLOCK_ROWS, products.shape[1]))
    task, level = take(queue, levels)
    while task < levels[-1]:
        if task < n_root_tasks:
            start = task * TASK_ROWS
            root_out[task] = 0.0
            _root_task(
                patterns, start, min(start + TASK_ROWS, n_root), root_weights, root_direction,
                per_row, flows, tops, rests, remainders, root_out[task],
            )  # fmt: skip
        elif task < n_tasks:
            region, start, stop = patterns.down_tasks[task - n_root_tasks]
            offset = task - levels[level]
            partials[offset] = 0.0
            is_leaf = patterns.children_start[region] == patterns.children_start[region + 1]
            _downward_task(
                patterns, region, start, stop, weights, products, sums, flows, packed, per_row,
                is_leaf and table.shape[0] == 0, not is_leaf or symbols_out.shape[0] > 0,
                sum_tangents, tops, rests, origins, remainders, scratch, partials[offset],
            )  # fmt: skip
            if fetch_add(n_left, region, -1) == 1:  # who finishes a region adds it up
                first = offset - start // TASK_ROWS
                last = first + -(-patterns.n_patterns[region] // TASK_ROWS)
                _collect(first, last, partials, sums_out[region])
        else:
            _add_symbol_tangents(
                patterns, task - n_tasks, flows, table, per_row, tops, rests, origins,
                remainders, symbols_out,
            )  # fmt: skip
        task, level = take_next(queue, levels)
