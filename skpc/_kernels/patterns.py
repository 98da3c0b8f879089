"""Kernels that number and link the subtree patterns of a data set."""

from typing import NamedTuple

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next

_FIBONACCI = np.uint64(0x9E3779B97F4A7C15)


class RowCodes(NamedTuple):
    """Which pattern every row shows at every region.

    Attributes
    ----------
    codes : (n_regions, n) int32, patterns numbered by first appearance.
    n_patterns : (n_regions,)
    first_rows : (n_regions, n) int32
        ``first_rows[r, t]`` is the first row with pattern t; what follows means nothing.
    """

    codes: np.ndarray
    n_patterns: np.ndarray
    first_rows: np.ndarray


class Links(NamedTuple):
    """How patterns are linked; see `skpc._passes.patterns.Patterns`.

    Attributes
    ----------
    row_start, code_start : where the message rows, and the codes, of each region begin
    symbols, child_codes, member_start, members : to be written; empty `members` are not
    """

    row_start: np.ndarray
    code_start: np.ndarray
    symbols: np.ndarray
    child_codes: np.ndarray
    member_start: np.ndarray
    members: np.ndarray


@njit(cache=True, nogil=True)
def _merge_two(codes, n_codes, other, n_other, merged, first_rows):
    """Write the code of every pair (codes, other) to `merged`; return how many pairs occur.

    codes, other, merged (n,) int32, `merged` perhaps one of the others; pairs are numbered by
    first appearance, and ``first_rows[p]`` is where pair p does. O(n) time and memory.
    """
    n_rows = codes.shape[0]
    n_pairs = 0
    if n_codes * n_other <= 4 * n_rows + 1024:
        table = np.empty(n_codes * n_other, np.int32)
        for key in range(n_codes * n_other):
            table[key] = -1
        for i in range(n_rows):
            key = np.int64(codes[i]) * n_other + other[i]
            if table[key] < 0:
                table[key] = n_pairs
                first_rows[n_pairs] = i
                n_pairs += 1
            merged[i] = table[key]
        return n_pairs
    n_bits = 4
    while (1 << n_bits) < 2 * n_rows:
        n_bits += 1
    mask = np.uint64((1 << n_bits) - 1)
    shift = np.uint64(64 - n_bits)
    keys = np.empty(1 << n_bits, np.int64)
    table = np.empty(1 << n_bits, np.int32)
    for place in range(1 << n_bits):
        table[place] = -1
    for i in range(n_rows):
        key = np.int64(codes[i]) * n_other + other[i]
        slot = (np.uint64(key) * _FIBONACCI) >> shift
        while table[slot] >= 0 and keys[slot] != key:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] < 0:
            keys[slot] = key
            table[slot] = n_pairs
            first_rows[n_pairs] = i
            n_pairs += 1
        merged[i] = table[slot]
    return n_pairs


@njit(cache=True, nogil=True)
def merge_codes(symbols, n_symbols, regions, codes, n_patterns, merged, first_rows):
    """Number what rows show in `symbols` and in the codes of some regions; return how many.

    symbols (n,), codes (n_regions, n), merged (n,) int32; ``first_rows[t]`` is the first row
    with number t. O(n) time and memory for each region.
    """
    if regions.shape[0] == 0:
        for i in range(symbols.shape[0]):
            merged[i] = 0
        return _merge_two(symbols, n_symbols, merged, np.int64(1), merged, first_rows)
    first = regions[0]
    n_merged = _merge_two(symbols, n_symbols, codes[first], n_patterns[first], merged, first_rows)
    for position in range(1, regions.shape[0]):
        region = regions[position]
        n_merged = _merge_two(
            merged, n_merged, codes[region], n_patterns[region], merged, first_rows
        )
    return n_merged


@njit(cache=True, nogil=True)
def code_regions(queue, levels, order, symbols, n_symbols, children_start, children, rows):
    """Write the pattern of every row at every region to `rows`.

    Tasks: regions as `order` lists them by height, leaves first. O(n * n_regions).
    """
    codes, n_patterns = rows.codes, rows.n_patterns
    task, _ = take(queue, levels)
    while task < levels[-1]:
        region = order[task]
        n_patterns[region] = merge_codes(
            symbols[region], n_symbols[region],
            children[children_start[region] : children_start[region + 1]], codes, n_patterns,
            codes[region], rows.first_rows[region],
        )  # fmt: skip
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True, inline="always")
def _link_region(region, parent, symbols, symbol_start, rows, links):
    codes, n_patterns, first_rows = rows.codes, rows.n_patterns, rows.first_rows
    child_codes, members, member_start = links.child_codes, links.members, links.member_start
    row = links.row_start[region]
    n_own = n_patterns[region]
    for t in range(n_own):
        links.symbols[row + t] = symbol_start[region] + symbols[region, first_rows[region, t]]
    if parent < 0:
        return
    link = links.code_start[region]
    n_upper = n_patterns[parent]
    for s in range(n_upper):
        child_codes[link + s] = codes[region, first_rows[parent, s]]
    if members.shape[0] == 0:
        return
    # Group the parent's patterns by ours: a counting sort, so members ascend.
    start = row + region
    for t in range(n_own + 1):
        member_start[start + t] = 0
    for s in range(n_upper):
        member_start[start + child_codes[link + s] + 1] += 1
    member_start[start] = link
    for t in range(n_own):
        member_start[start + t + 1] += member_start[start + t]
    cursor = np.empty(n_own, np.int64)
    for t in range(n_own):
        cursor[t] = member_start[start + t]
    for s in range(n_upper):
        t = child_codes[link + s]
        members[cursor[t]] = s
        cursor[t] += 1


@njit(cache=True, nogil=True)
def link_regions(queue, levels, parents, symbols, symbol_start, rows, links):
    """Write each pattern's symbol, its child's pattern, and which patterns share a child.

    Tasks: regions. O(sum U).
    """
    region, _ = take(queue, levels)
    while region < levels[-1]:
        _link_region(region, parents[region], symbols, symbol_start, rows, links)
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
