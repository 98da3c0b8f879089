"""Kernels for full-covariance Gaussian inputs."""

import math

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next

BLOCK_ROWS = 256
"""Rows of a task that is a block of rows."""


@njit(cache=True, nogil=True, inline="always")
def _centre(row, means, centred):
    """Write a row (m,) less each state's means (m, K) to `centred` (m, K), 0 where it is NaN."""
    for a in range(means.shape[0]):
        is_missing = math.isnan(row[a])
        for k in range(means.shape[1]):
            centred[a, k] = 0.0 if is_missing else row[a] - means[a, k]


@njit(cache=True, nogil=True, inline="always")
def _combine(factors, n_terms, centred, out):
    """Write the sums over the first `n_terms` of factors times centred (m, K) to `out` (K,)."""
    for k in range(out.shape[0]):
        out[k] = 0.0
    for b in range(n_terms):
        for k in range(out.shape[0]):
            out[k] += factors[b, k] * centred[b, k]


@njit(cache=True, nogil=True)
def whiten(queue, levels, patterns, covariances, whitening, log_norms):
    """Write inverse Cholesky factors of what patterns show of covariances, and log determinants.

    patterns (p, m) bool; covariances (m, m, K); whitening (p, m, m, K): zero, also on the diagonal,
    where an entry is not shown; log_norms (p, K): the logs of the factors' determinants. Tasks:
    patterns. O(p m^3 K).
    """
    n_columns, n_latents = covariances.shape[0], covariances.shape[2]
    factor = np.empty(covariances.shape)
    total = np.empty(n_latents)
    p, _ = take(queue, levels)
    while p < levels[-1]:
        for k in range(n_latents):
            log_norms[p, k] = 0.0
        for a in range(n_columns):
            for b in range(n_columns):
                for k in range(n_latents):
                    whitening[p, a, b, k] = 0.0
            for b in range(a + 1 if patterns[p, a] else 0):
                if patterns[p, b]:
                    for k in range(n_latents):
                        total[k] = covariances[a, b, k]
                    for c in range(b):
                        if patterns[p, c]:
                            for k in range(n_latents):
                                total[k] -= factor[a, c, k] * factor[b, c, k]
                    for k in range(n_latents):
                        if b < a:
                            factor[a, b, k] = total[k] / factor[b, b, k]
                        else:
                            factor[a, a, k] = math.sqrt(total[k])
                            log_norms[p, k] -= math.log(factor[a, a, k])
                            whitening[p, a, a, k] = 1.0 / factor[a, a, k]
            for b in range(a if patterns[p, a] else 0):
                if patterns[p, b]:
                    for k in range(n_latents):
                        total[k] = 0.0
                    for c in range(b, a):
                        if patterns[p, c]:
                            for k in range(n_latents):
                                total[k] -= factor[a, c, k] * whitening[p, c, b, k]
                    for k in range(n_latents):
                        whitening[p, a, b, k] = total[k] * whitening[p, a, a, k]
        p, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def add_precisions(queue, levels, whitening, counts, out):
    """Add inverse covariances of patterns, times their counts (p, K), to `out` (m, m, K).

    whitening (p, m, m, K): see `whiten`. Tasks: rows of `out`. O(p m^3 K), patterns in order.
    """
    n_patterns, n_columns, _, n_latents = whitening.shape
    a, _ = take(queue, levels)
    while a < levels[-1]:
        for p in range(n_patterns):
            for c in range(a, n_columns):
                for b in range(c + 1):
                    for k in range(n_latents):
                        product = whitening[p, c, a, k] * whitening[p, c, b, k]
                        out[a, b, k] += counts[p, k] * product
        a, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def log_density(queue, levels, values, patterns, means, whitening, log_norms, out):
    """Write log N(what values[i] shows; state k), in nats, to `out` (n, K).

    values (n, m), NaN missing; patterns (n,): which of n_patterns each misses; means (m, K);
    whitening (n_patterns, m, m, K): see `whiten`; log_norms (n_patterns, K). Tasks: blocks of rows.
    O(n m^2 K); each row's arithmetic is its own.
    """
    n_columns, n_latents = means.shape
    centred = np.empty((n_columns, n_latents))
    whitened = np.empty(n_latents)
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, values.shape[0])):
            p = patterns[i]
            _centre(values[i], means, centred)
            for k in range(n_latents):
                out[i, k] = 0.0
            for a in range(n_columns):
                _combine(whitening[p, a], a + 1, centred, whitened)
                for k in range(n_latents):
                    out[i, k] += whitened[k] * whitened[k]
            for k in range(n_latents):
                out[i, k] = log_norms[p, k] - 0.5 * out[i, k]
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def expect(queue, levels, values, patterns, means, covariances, whitening, out):
    """Write rows less each state's means to `out` (n, m, K), what they miss as it is expected.

    values (n, m), NaN missing; patterns (n,): which of n_patterns each misses; means (m, K);
    covariances (m, m, K); whitening (n_patterns, m, m, K): see `whiten`. Tasks: blocks of rows.
    O(n m^2 K); each row's arithmetic is its own.
    """
    n_columns, n_latents = means.shape
    solved, whitened = np.empty((n_columns, n_latents)), np.empty(n_latents)
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, values.shape[0])):
            p = patterns[i]
            _centre(values[i], means, out[i])
            for a in range(n_columns):
                for k in range(n_latents):
                    solved[a, k] = 0.0
            for a in range(n_columns):
                _combine(whitening[p, a], a + 1, out[i], whitened)
                for b in range(a + 1):
                    for k in range(n_latents):
                        solved[b, k] += whitening[p, a, b, k] * whitened[k]
            for a in range(n_columns):
                if math.isnan(values[i, a]):
                    for b in range(n_columns):
                        for k in range(n_latents):
                            out[i, a, k] += covariances[a, b, k] * solved[b, k]
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def subtract_conditionals(queue, levels, values, means, precision, log_norms, out):
    """Subtract log N(column a given the others; state k) from `out` (n, m, K).

    values (n, m) complete; means, log_norms (m, K); precision (m, m, K). Tasks: blocks of
    rows. O(n m^2 K); each row's arithmetic is its own.
    """
    n_columns, n_latents = means.shape
    centred = np.empty((n_columns, n_latents))
    weighted = np.empty(n_latents)
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, values.shape[0])):
            _centre(values[i], means, centred)
            for a in range(n_columns):
                _combine(precision[a], n_columns, centred, weighted)
                for k in range(n_latents):
                    square = weighted[k] * weighted[k] / precision[a, a, k]
                    out[i, a, k] -= log_norms[a, k] - 0.5 * square
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def moments(queue, levels, values, counts, origins, out):
    """Add the moments of complete rows, about each state's origin, to `out` (K, 1 + m + m^2).

    values (n, m), counts (n, K), origins (K, m). Per state: the count, the sum, and the
    sum of outer products. Tasks: states. O(n m^2 K), in the order of the rows.
    """
    n_rows, n_columns = values.shape
    centred = np.empty(n_columns)
    k, _ = take(queue, levels)
    while k < levels[-1]:
        for i in range(n_rows):
            count = counts[i, k]
            if count != 0.0:
                out[k, 0] += count
                for a in range(n_columns):
                    centred[a] = values[i, a] - origins[k, a]
                    out[k, 1 + a] += count * centred[a]
                for a in range(n_columns):
                    scaled = count * centred[a]
                    row = 1 + n_columns + a * n_columns
                    for b in range(n_columns):
                        out[k, row + b] += scaled * centred[b]
        k, _ = take_next(queue, levels)
