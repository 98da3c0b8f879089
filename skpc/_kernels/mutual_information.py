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
def _count_bits(row, bits, planes, first, out):
    """Write the weight of the rows that columns `row` and c share to ``out[c]``, c >= first.

    The weight of a row is the sum of 2^p over the `planes` p in which its bit is set.
    """
    n_words = bits.shape[1]
    masked = np.empty(n_words, np.uint64)
    for column in range(first, bits.shape[0]):
        out[column] = 0.0
    out[0] = 0.0
    for p in range(planes.shape[0]):
        for w in range(n_words):
            masked[w] = bits[row, w] & planes[p, w]
        for column in range(first - 1, bits.shape[0]):
            other = column if column >= first else 0  # column 0 is the mask of many
            total = np.uint64(0)
            for w in range(n_words):
                total += _popcount(masked[w] & bits[other, w])
            out[other] += math.ldexp(np.float64(total), p)


@njit(cache=True, nogil=True, inline="always")
def _pair_information(counts, column_start, column_stop, mask, i, j, pseudocount, table):
    """Mutual information from `counts` of the columns of i, its mask last, with all others."""
    n_i = column_stop[i] - column_start[i] + 1
    n_j = column_stop[j] - column_start[j] + 1
    last_i = n_i - 1
    last_j = n_j - 1
    both = counts[last_i, mask[j]]
    # The last category has no column: it is what the others leave of the mask.
    for b in range(n_j):
        table[last_i, b] = both if b == last_j else counts[last_i, column_start[j] + b]
    for a in range(last_i):
        rest = counts[a, mask[j]]
        for b in range(last_j):
            table[a, b] = counts[a, column_start[j] + b]
            rest -= table[a, b]
            table[last_i, b] -= table[a, b]
        table[a, last_j] = rest
    for b in range(last_j):
        table[last_i, last_j] -= table[last_i, b]
    for a in range(last_i):
        table[last_i, last_j] -= counts[a, mask[j]]
    cell = pseudocount / (n_i * n_j)
    total = 0.0
    for a in range(n_i):
        for b in range(n_j):
            # Subtraction leaves rounding below zero where weights are not integers.
            table[a, b] = max(table[a, b], 0.0) + cell
            total += table[a, b]
    if total <= 0.0:
        return 0.0
    for a in range(n_i):
        table[a, n_j] = 0.0
    for b in range(n_j):
        table[n_i, b] = 0.0
    for a in range(n_i):
        for b in range(n_j):
            table[a, n_j] += table[a, b]
            table[n_i, b] += table[a, b]
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
    weighted co-occurrences; or it is empty, bits (m, n_words) has the columns themselves
    and planes (n_planes, n_words) the binary digits of the rows' weights. Tasks: features.
    O(sum of the sizes of all pair tables), and m^2 n_words n_planes for counting bits.
    """
    n_columns = bits.shape[0] if counts.shape[0] == 0 else counts.shape[0]
    n_features = out.shape[0]
    largest = 0
    for i in range(n_features):
        largest = max(largest, column_stop[i] - column_start[i] + 2)
    own = np.empty((largest, n_columns))
    table = np.empty((largest, largest))
    i, _ = take(queue, levels)
    while i < levels[-1]:
        n_own = column_stop[i] - column_start[i]
        for a in range(n_own + 1):
            row = column_start[i] + a if a < n_own else mask[i]
            if counts.shape[0] == 0:
                _count_bits(row, bits, planes, column_stop[i], own[a])
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
