"""Kernel for pairwise mutual information."""

import math

import numpy as np
from numba import config, types
from numba.extending import intrinsic

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next


@intrinsic
def _popcount(typingctx, word):
    """Number of bits set in a word."""

    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


@njit(cache=True, nogil=True, inline="always")
def _count_bits(row, bits, planes, first, n_shared, out):
    """Write the weight of the rows that columns `row` and c share to ``out[c]``, c >= first.

    And to ``out[0]``, as column 0 is the mask of many. The weight of a row is the sum of 2^p over
    the `planes` p in which its bit is set. n_shared (n_columns,) is room for what is counted.
    """
    n_words, n_columns = bits.shape
    n_others = n_columns - first
    others, n_of_others = out[first:], n_shared[first:]
    for c in range(n_others):
        others[c] = 0.0
    out[0] = 0.0
    scale = 1.0
    for p in range(planes.shape[0]):
        n_of_mask = 0
        for c in range(n_others):
            n_of_others[c] = 0
        for w in range(n_words):
            word = bits[w, row] & planes[p, w]
            n_of_mask += np.int64(_popcount(word & bits[w, 0]))
            words = bits[w, first:]
            for c in range(n_others):  # on vectors: the words of all columns are side by side
                n_of_others[c] += np.int64(_popcount(word & words[c]))
        out[0] += scale * n_of_mask
        for c in range(n_others):
            others[c] += scale * n_of_others[c]
        scale *= 2.0


@njit(cache=True, nogil=True, inline="always")
def _pair_information(counts, column_start, column_stop, mask, i, j, pseudocount, table):
    """Mutual information from `counts` of the columns of i, its mask last, with all others."""
    n_i = column_stop[i] - column_start[i] + 1
    n_j = column_stop[j] - column_start[j] + 1
    last_i = n_i - 1
    last_j = n_j - 1
    # The last category has no column: it is what the others leave of the mask.
    corner = counts[last_i, mask[j]]
    for b in range(last_j):
        table[last_i, b] = counts[last_i, column_start[j] + b]
    for a in range(last_i):
        rest = counts[a, mask[j]]
        for b in range(last_j):
            count = counts[a, column_start[j] + b]
            table[a, b] = count
            rest -= count
            table[last_i, b] -= count
        table[a, last_j] = rest
    for b in range(last_j):
        corner -= table[last_i, b]
    for a in range(last_i):
        corner -= counts[a, mask[j]]
    table[last_i, last_j] = corner
    cell = pseudocount / (n_i * n_j)
    for b in range(n_j):
        table[n_i, b] = 0.0
    total = 0.0
    for a in range(n_i):
        of_row = 0.0
        for b in range(n_j):
            # Subtraction leaves rounding below zero where weights are not integers.
            count = (table[a, b] if table[a, b] > 0.0 else 0.0) + cell
            table[a, b] = count
            table[n_i, b] += count
            total += count
            of_row += count
        table[a, n_j] = of_row
    if total <= 0.0:
        return 0.0
    information = 0.0
    for a in range(n_i):
        for b in range(n_j):
            if table[a, b] > 0.0:
                ratio = table[a, b] * total / (table[a, n_j] * table[n_i, b])
                information += table[a, b] * math.log(ratio)
    return max(information / total, 0.0)


@njit(cache=True, nogil=True)
def mutual_information(
    queue, levels, counts, bits, planes, column_start, column_stop, mask, pseudocount, out
):
    """Fill `out` (d, d), symmetric, with the mutual information of each pair, in nats.

    Feature i has the indicator columns ``column_start[i]`` to ``column_stop[i]``, one per
    category but the last, and ``mask[i]``, "is observed". Either counts (m, m) has their
    weighted co-occurrences; or it is empty, bits (n_words, m) has the columns themselves
    and planes (n_planes, n_words) the binary digits of the rows' weights. Tasks: features.
    O(sum of the sizes of all pair tables), and m^2 n_words n_planes for counting bits.
    """
    n_columns = bits.shape[1] if counts.shape[0] == 0 else counts.shape[0]
    n_features = out.shape[0]
    largest = 0
    for i in range(n_features):
        largest = max(largest, column_stop[i] - column_start[i] + 2)
    own = np.empty((largest, n_columns))
    n_shared = np.empty(n_columns, np.int64)
    table = np.empty((largest, largest))
    i, _ = take(queue, levels)
    while i < levels[-1]:
        n_own = column_stop[i] - column_start[i]
        for a in range(n_own + 1):
            row = column_start[i] + a if a < n_own else mask[i]
            if counts.shape[0] == 0:
                _count_bits(row, bits, planes, column_stop[i], n_shared, own[a])
            else:
                for column in range(n_columns):
                    own[a, column] = counts[row, column]
        out[i, i] = 0.0
        for j in range(i + 1, n_features):
            out[i, j] = _pair_information(
                own, column_start, column_stop, mask, i, j, pseudocount, table
            )
            out[j, i] = out[i, j]
        i, _ = take_next(queue, levels)


if config.DISABLE_JIT:  # plain Python for coverage and debugging: no intrinsics there

    def _popcount(word):
        return np.uint64(int(word).bit_count())
