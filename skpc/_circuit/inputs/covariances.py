"""Full covariance matrices of many states at once: how entries go together, and their floor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skpc._data.distinct import distinct_columns
from skpc._kernels import gaussian as kernels
from skpc._threads import launch

VARIANCE_FLOOR = 1e-6
"""Smallest variance of a state along any direction, relative to the columns' variances."""

_BLOCK_CELLS = 2**21
_LEAST_RATIO = 1e-12  # of variances of one state
_ASYMMETRY = 1e-6  # of covariances, relative to the product of standard deviations


def shown_patterns(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which entries rows (n, m) show, NaN missing: distinct patterns (p, m), and that of each."""
    seen = ~np.isnan(values)
    if seen.all():
        return np.ones((1, values.shape[1]), bool), np.zeros(len(values), np.int64)
    patterns, inverse = distinct_columns(seen.T)
    return patterns.T, inverse


def missingness(values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that miss the same entries: their indices, and which entries they show (m,)."""
    patterns, inverse = shown_patterns(values)
    for p, pattern in enumerate(patterns):
        yield np.flatnonzero(inverse == p), pattern


def regression_on(covariances: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps (K, m, n_seen) from seen entries to all, and covariances of what is left."""
    n_latents, m = covariances.shape[:2]
    regression = np.zeros((n_latents, m, int(seen.sum())))
    regression[:, seen] = np.eye(int(seen.sum()))
    conditional = np.zeros_like(covariances)
    cross = covariances[:, ~seen][:, :, seen]
    solved = np.linalg.solve(covariances[:, seen][:, :, seen], cross.transpose(0, 2, 1)).transpose(
        0, 2, 1
    )
    regression[:, ~seen] = solved
    left = covariances[:, ~seen][:, :, ~seen] - solved @ cross.transpose(0, 2, 1)
    hidden = np.flatnonzero(~seen)
    conditional[:, hidden[:, None], hidden] = left
    return regression, conditional


def patterns_of(
    values: np.ndarray, n_latents: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, some patterns of entries that are shown (p, m), and which of them each row has.

    So many patterns at once as there is room for a matrix for each of them and each state.
    """
    m = values.shape[1]
    patterns, inverse = shown_patterns(values)
    step = max(1, _BLOCK_CELLS // (n_latents * m * m))
    for start in range(0, len(patterns), step):
        stop = start + step
        rows = np.flatnonzero((inverse >= start) & (inverse < stop))
        yield rows, patterns[start:stop], inverse[rows] - start


def whitenings(covariances: np.ndarray, patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse Cholesky factors (p, m, m, K) of what patterns (p, m) show; log determinants (p, K).

    Parameters
    ----------
    covariances : (m, m, K)
    patterns : (p, m) bool
    """
    m, _, n_latents = covariances.shape
    whitening = np.empty((len(patterns), m, m, n_latents))
    log_determinants = np.empty((len(patterns), n_latents))
    launch(
        kernels.whiten, len(patterns), np.ascontiguousarray(patterns), covariances, whitening,
        log_determinants, work=len(patterns) * m**3 * n_latents / 3,
    )  # fmt: skip
    return whitening, log_determinants


def states_last(matrices: np.ndarray) -> np.ndarray:
    """Matrices (K, m, m) as kernels take them, (m, m, K)."""
    return np.ascontiguousarray(matrices.transpose(1, 2, 0))


def add_incomplete(
    means: np.ndarray, covariances: np.ndarray, values: np.ndarray, counts: np.ndarray,
    out: np.ndarray,
) -> None:  # fmt: skip
    """Add the expected moments of rows that miss entries to `out`.

    Patterns share what rows have in common: with P the inverse of what a pattern shows of a
    covariance S, and zero elsewhere, what it misses is expected at S P (x - mean), and
    S - S P S is left.

    Parameters
    ----------
    means, covariances : (K, m) and (K, m, m)
    values : (n, m), NaN missing
    counts : (n, K)
    out : (K, 1 + m + m^2)
        Moments about the means.
    """
    n_latents, m = means.shape
    of_states = np.ascontiguousarray(means.T), states_last(covariances)
    precisions = np.zeros((m, m, n_latents))
    step = max(1, _BLOCK_CELLS // (n_latents * m))
    for rows, patterns, own in patterns_of(values, n_latents):
        whitening, _ = whitenings(of_states[1], patterns)
        totals = np.zeros((len(patterns), n_latents))
        np.add.at(totals, own, counts[rows])
        launch(
            kernels.add_precisions, m, whitening, totals, precisions,
            work=len(patterns) * m**3 * n_latents / 3,
        )  # fmt: skip
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            centred = np.empty((len(part), m, n_latents))
            launch(
                kernels.expect, -(-len(part) // kernels.BLOCK_ROWS),
                np.ascontiguousarray(values[part]), own[start : start + step], *of_states,
                whitening, centred,
            )  # fmt: skip
            by_state = np.ascontiguousarray(centred.transpose(2, 0, 1))
            weighted = counts[part].T[:, :, None] * by_state
            out[:, 1 : 1 + m] += weighted.sum(axis=1)
            second = weighted.transpose(0, 2, 1) @ by_state
            out[:, 1 + m :] += second.reshape(n_latents, m * m)
    total = counts.sum(axis=0)
    out[:, 0] += total
    left = covariances @ np.moveaxis(precisions, -1, 0) @ covariances
    left = total[:, None, None] * covariances - left
    out[:, 1 + m :] += left.reshape(n_latents, m * m)


def floored(covariances: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """The nearest covariances whose directions all keep the variance floor.

    Clipping eigenvalues maximises the likelihood under that constraint.

    Parameters
    ----------
    covariances : (n_latents, m, m)
    scales : (m,) or (n_latents, m)
        Standard deviations, to which the floor refers.
    """
    outer = scales[..., :, None] * scales[..., None, :]
    values, vectors = np.linalg.eigh(covariances / outer)
    # Beside the variance of an outlier far off the floor would be lost to rounding.
    floor = np.maximum(VARIANCE_FLOOR, _LEAST_RATIO * values[:, -1:])
    values = np.maximum(values, floor)
    return np.einsum("kab,kb,kcb->kac", vectors, values, vectors) * outer


def widened(covariances: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """The covariances (K, m, m) that are nearest and, in no direction, less than others.

    These are diagonal, of `deviations` (m,), some of which may be 0. It maximises the likelihood
    under that constraint. Where it holds the bits stay.
    """
    if not deviations.any():
        return covariances
    factors = np.linalg.cholesky(covariances)
    whitened = np.linalg.solve(factors, np.diag(deviations))
    values, vectors = np.linalg.eigh(whitened @ whitened.transpose(0, 2, 1))
    is_less = values[:, -1] > 1.0
    if not is_less.any():
        return covariances
    vectors = factors[is_less] @ vectors[is_less]
    out = covariances.copy()
    lacking = np.maximum(values[is_less], 1.0) - 1.0
    out[is_less] += np.einsum("kab,kb,kcb->kac", vectors, lacking, vectors)
    return out


def expected_moments(masses: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Moments (K, 1 + m + m^2) about the means of so many rows (K,) that the states draw."""
    n_latents, m = covariances.shape[:2]
    second = (masses[:, None, None] * covariances).reshape(n_latents, m * m)
    return np.hstack([masses[:, None], np.zeros((n_latents, m)), second])


def recentred_moments(moments: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Moments (n_latents, 1 + m + m^2) about origins that are moved by `shift` (n_latents, m)."""
    n_latents, m = shift.shape
    counts, first = moments[:, :1], moments[:, 1 : 1 + m]
    cross = first[:, :, None] * shift[:, None, :]
    second = moments[:, 1 + m :].reshape(n_latents, m, m) - cross - cross.transpose(0, 2, 1)
    second += counts[:, :, None] * shift[:, :, None] * shift[:, None, :]
    return np.hstack([counts, first - counts * shift, second.reshape(n_latents, m * m)])


def check_covariances(covariances: np.ndarray) -> None:
    """Raise ValueError if these are no covariances of normal distributions."""
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    if not (variances > 0).all():
        raise ValueError("covariances of a Gaussian must have a positive diagonal.")
    deviations = np.sqrt(variances)
    standard = covariances / deviations[:, :, None] / deviations[:, None, :]
    if (np.abs(standard - standard.transpose(0, 2, 1)) > _ASYMMETRY).any():
        raise ValueError("covariances of a Gaussian must be symmetric.")
    try:
        np.linalg.cholesky(covariances)
        np.linalg.inv(covariances)
    except np.linalg.LinAlgError as error:
        raise ValueError("covariances of a Gaussian must be positive definite.") from error
