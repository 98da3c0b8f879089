"""Kernel for pairwise mutual information."""

import math

import numpy as np
from numba import prange

from skpc._kernels import njit


@njit(cache=True, nogil=True, error_model="numpy")
def _pair_information(counts, column_start, column_stop, mask, i, j, pseudocount, table):
    n_i = column_stop[i] - column_start[i] + 1
    n_j = column_stop[j] - column_start[j] + 1
    last_i = n_i - 1
    last_j = n_j - 1
    both = counts[mask[i], mask[j]]
    # The last category has no column: it is what the others leave of the mask.
    for b in range(n_j):
        table[last_i, b] = both if b == last_j else counts[mask[i], column_start[j] + b]
    for a in range(last_i):
        row = column_start[i] + a
        rest = counts[row, mask[j]]
        for b in range(last_j):
            table[a, b] = counts[row, column_start[j] + b]
            rest -= table[a, b]
            table[last_i, b] -= table[a, b]
        table[a, last_j] = rest
    for b in range(last_j):
        table[last_i, last_j] -= table[last_i, b]
    for a in range(last_i):
        table[last_i, last_j] -= counts[column_start[i] + a, mask[j]]
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


@njit(cache=True, parallel=True, error_model="numpy")
def mutual_information(counts, column_start, column_stop, mask, pseudocount, out):
    """Fill `out` (d, d), symmetric, with the mutual information of each pair, in nats.

    counts (m, m): weighted co-occurrences of indicator columns, its upper triangle used
    from the lower-numbered feature. Feature i has the columns ``column_start[i]`` to
    ``column_stop[i]``, one per category but the last, and ``mask[i]``, "is observed".
    O(sum of the sizes of all pair tables).
    """
    n_features = out.shape[0]
    largest = 0
    for i in range(n_features):
        largest = max(largest, column_stop[i] - column_start[i] + 2)
    for i in prange(n_features):
        table = np.empty((largest, largest))
        out[i, i] = 0.0
        for j in range(np.int64(i) + 1, n_features):
            information = _pair_information(
                counts, column_start, column_stop, mask, np.int64(i), j, pseudocount, table
            )
            out[i, j] = information
            out[j, i] = information
