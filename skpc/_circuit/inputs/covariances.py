"""Full covariance matrices of many states at once: how entries go together, and their floor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skpc._data.distinct import distinct_columns

VARIANCE_FLOOR = 1e-6
"""Smallest variance of a state along any direction, relative to the columns' variances."""

_BLOCK_CELLS = 2**21
_LEAST_RATIO = 1e-12  # of variances of one state
_ASYMMETRY = 1e-6  # of covariances, relative to the product of standard deviations


def missingness(values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that miss the same entries: their indices, and which entries they show (m,)."""
    seen = ~np.isnan(values)
    if seen.all():
        yield np.arange(len(values)), np.ones(values.shape[1], bool)
        return
    patterns, inverse = distinct_columns(seen.T)
    for p, pattern in enumerate(patterns.T):
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


def add_incomplete(
    means: np.ndarray,
    covariances: np.ndarray,
    values: np.ndarray,
    counts: np.ndarray,
    seen: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add the expected moments of rows that all miss the same entries to `out`.

    Parameters
    ----------
    means, covariances : (K, m) and (K, m, m)
    values : (n, n_seen)
    counts : (n, K)
    seen : (m,) bool
    out : (K, 1 + m + m^2)
        Moments about the means.
    """
    m = seen.shape[0]
    regression, conditional = regression_on(covariances, seen)
    step = max(1, _BLOCK_CELLS // (m * m * len(out)))
    for start in range(0, len(values), step):
        part = counts[start : start + step]
        shown = values[start : start + step, None, :] - means[:, seen]
        centred = np.einsum("kab,ikb->ika", regression, shown)
        out[:, 0] += part.sum(axis=0)
        out[:, 1 : 1 + m] += np.einsum("ik,ika->ka", part, centred)
        outer = np.einsum("ik,ika,ikb->kab", part, centred, centred)
        outer += part.sum(axis=0)[:, None, None] * conditional
        out[:, 1 + m :] += outer.reshape(len(out), m * m)


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
