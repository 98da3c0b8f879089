"""Kernels for full-covariance Gaussian inputs."""

import numpy as np
from numba import prange

from skpc._kernels import njit

_BLOCK_ROWS = 256


@njit(cache=True, nogil=True, error_model="numpy")
def _log_density_block(values, means, whitening, log_norms, start, stop, out):
    n_columns, n_latents = means.shape
    centred = np.empty((n_columns, n_latents))
    whitened = np.empty(n_latents)
    for i in range(start, stop):
        for a in range(n_columns):
            for k in range(n_latents):
                centred[a, k] = values[i, a] - means[a, k]
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


@njit(cache=True, parallel=True, error_model="numpy")
def log_density(values, means, whitening, log_norms, out):
    """Write log N(values[i]; state k), in nats, to `out` (n, K).

    values (n, m) complete; means (m, K); whitening (m, m, K), inverse Cholesky factors;
    log_norms (K,). O(n m^2 K); each row's arithmetic is its own.
    """
    n_blocks = -(-values.shape[0] // _BLOCK_ROWS)
    for block in prange(n_blocks):
        start = np.int64(block) * _BLOCK_ROWS
        stop = min(start + _BLOCK_ROWS, values.shape[0])
        _log_density_block(values, means, whitening, log_norms, start, stop, out)


@njit(cache=True, nogil=True, error_model="numpy")
def _moments_state(values, counts, k, origin, out):
    n_rows, n_columns = values.shape
    centred = np.empty(n_columns)
    for i in range(n_rows):
        count = counts[i, k]
        if count > 0.0:
            out[0] += count
            for a in range(n_columns):
                centred[a] = values[i, a] - origin[a]
                out[1 + a] += count * centred[a]
            for a in range(n_columns):
                scaled = count * centred[a]
                row = 1 + n_columns + a * n_columns
                for b in range(n_columns):
                    out[row + b] += scaled * centred[b]


@njit(cache=True, parallel=True, error_model="numpy")
def moments(values, counts, origins, out):
    """Add the moments of complete rows, about each state's origin, to `out` (K, 1 + m + m^2).

    values (n, m), counts (n, K), origins (K, m). Per state: the count, the sum, and the
    sum of outer products. O(n m^2 K), in the order of the rows.
    """
    for k in prange(out.shape[0]):
        _moments_state(values, counts, np.int64(k), origins[k], out[k])
