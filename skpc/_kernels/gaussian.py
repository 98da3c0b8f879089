"""Kernels for full-covariance Gaussian inputs."""

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next

BLOCK_ROWS = 256
"""Rows of a task of the first two."""


@njit(cache=True, nogil=True, inline="always")
def _centre(row, means, centred):
    """Write a row (m,) less each state's means (m, K) to `centred` (m, K)."""
    for a in range(means.shape[0]):
        for k in range(means.shape[1]):
            centred[a, k] = row[a] - means[a, k]


@njit(cache=True, nogil=True)
def log_density(queue, levels, values, means, whitening, log_norms, out):
    """Write log N(values[i]; state k), in nats, to `out` (n, K).

    values (n, m) complete; means (m, K); whitening (m, m, K), inverse Cholesky factors;
    log_norms (K,). Tasks: blocks of rows. O(n m^2 K); each row's arithmetic is its own.
    """
    n_columns, n_latents = means.shape
    centred = np.empty((n_columns, n_latents))
    whitened = np.empty(n_latents)
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, values.shape[0])):
            _centre(values[i], means, centred)
            for k in range(n_latents):
                out[i, k] = 0.0
            for a in range(n_columns):
                for k in range(n_latents):
                    whitened[k] = 0.0
                for b in range(a + 1):
                    for k in range(n_latents):
                        whitened[k] += whitening[a, b, k] * centred[b, k]
                for k in range(n_latents):
                    out[i, k] += whitened[k] * whitened[k]
            for k in range(n_latents):
                out[i, k] = log_norms[k] - 0.5 * out[i, k]
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
                for k in range(n_latents):
                    weighted[k] = 0.0
                for b in range(n_columns):
                    for k in range(n_latents):
                        weighted[k] += precision[a, b, k] * centred[b, k]
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
