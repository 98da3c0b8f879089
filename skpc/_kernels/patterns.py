"""Kernels that number and link the subtree patterns of a data set."""

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next

_FIBONACCI = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def merge_codes(codes, n_codes, other, n_other):
    """Overwrite `codes` by the code of the pair (codes, other); return how many pairs occur.

    codes, other (n,) int32; pairs are numbered by first appearance. O(n) time and memory.
    """
    n_rows = codes.shape[0]
    n_pairs = 0
    if n_codes * n_other <= 4 * n_rows + 1024:
        table = np.full(n_codes * n_other, np.int32(-1), np.int32)
        for i in range(n_rows):
            key = np.int64(codes[i]) * n_other + other[i]
            if table[key] < 0:
                table[key] = n_pairs
                n_pairs += 1
            codes[i] = table[key]
        return n_pairs
    n_bits = 4
    while (1 << n_bits) < 2 * n_rows:
        n_bits += 1
    mask = np.uint64((1 << n_bits) - 1)
    shift = np.uint64(64 - n_bits)
    keys = np.empty(1 << n_bits, np.int64)
    table = np.full(1 << n_bits, np.int32(-1), np.int32)
    for i in range(n_rows):
        key = np.int64(codes[i]) * n_other + other[i]
        slot = (np.uint64(key) * _FIBONACCI) >> shift
        while table[slot] >= 0 and keys[slot] != key:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] < 0:
            keys[slot] = key
            table[slot] = n_pairs
            n_pairs += 1
        codes[i] = table[slot]
    return n_pairs


@njit(cache=True, nogil=True)
def code_regions(
    queue, levels, order, symbols, n_symbols, children_start, children, codes, n_patterns
):
    """Write the pattern of every row at every region to `codes` (n_regions, n) int32.

    Tasks: regions as `order` lists them by height, leaves first. `n_patterns`
    (n_regions,) is written too. O(n * n_regions).
    """
    task, _ = take(queue, levels)
    while task < levels[-1]:
        region = order[task]
        out = codes[region]
        for i in range(out.shape[0]):
            out[i] = 0
        n_codes = merge_codes(out, np.int64(1), symbols[region], n_symbols[region])
        for position in range(children_start[region], children_start[region + 1]):
            child = children[position]
            n_codes = merge_codes(out, n_codes, codes[child], n_patterns[child])
        n_patterns[region] = n_codes
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def _link_region(
    region, parent, symbols, symbol_start, codes, n_patterns, row_start, code_start,
    pattern_symbols, child_codes, member_start, members,
):  # fmt: skip
    own = codes[region]
    n_rows = own.shape[0]
    row = row_start[region]
    for i in range(n_rows):
        pattern_symbols[row + own[i]] = symbol_start[region] + symbols[region, i]
    if parent < 0:
        return
    link = code_start[region]
    upper = codes[parent]
    for i in range(n_rows):
        child_codes[link + upper[i]] = own[i]
    if members.shape[0] == 0:
        return
    # Group the parent's patterns by ours: a counting sort, so members ascend.
    n_own = n_patterns[region]
    start = row + region
    for t in range(n_own + 1):
        member_start[start + t] = 0
    for s in range(n_patterns[parent]):
        member_start[start + child_codes[link + s] + 1] += 1
    member_start[start] = link
    for t in range(n_own):
        member_start[start + t + 1] += member_start[start + t]
    cursor = np.empty(n_own, np.int64)
    for t in range(n_own):
        cursor[t] = member_start[start + t]
    for s in range(n_patterns[parent]):
        t = child_codes[link + s]
        members[cursor[t]] = s
        cursor[t] += 1


@njit(cache=True, nogil=True)
def link_regions(
    queue, levels, parents, symbols, symbol_start, codes, n_patterns, row_start, code_start,
    pattern_symbols, child_codes, member_start, members,
):  # fmt: skip
    """Write each pattern's symbol, its child's pattern, and which patterns share a child.

    Tasks: regions. Empty `members` are not written. Index layout: see
    `skpc._patterns.Patterns`. O(n * n_regions).
    """
    region, _ = take(queue, levels)
    while region < levels[-1]:
        _link_region(
            region, parents[region], symbols, symbol_start, codes, n_patterns, row_start,
            code_start, pattern_symbols, child_codes, member_start, members,
        )  # fmt: skip
        region, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def add_member_weights(topdown, parents, n_patterns, row_start, member_start, members, weights):
    """Fill `weights` (rows,) of every pattern from those of the roots' patterns.

    O(links). Sums run in the order of the members, so they do not depend on threads.
    """
    for region in topdown:
        if parents[region] < 0:
            continue
        row = row_start[region]
        parent_row = row_start[parents[region]]
        for t in range(n_patterns[region]):
            total = 0.0
            for link in range(member_start[row + region + t], member_start[row + region + t + 1]):
                total += weights[parent_row + members[link]]
            weights[row + t] = total


@njit(cache=True, nogil=True)
def sum_runs(starts, values, out):
    """Write the sum of ``values[starts[g]:starts[g + 1]]``, in order, to ``out[g]``. O(n)."""
    for g in range(out.shape[0]):
        total = 0.0
        for i in range(starts[g], starts[g + 1]):
            total += values[i]
        out[g] = total
