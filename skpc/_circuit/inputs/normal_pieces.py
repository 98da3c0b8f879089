"""Pieces of the normal scale: masses that normal distributions give them, and draws from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri_exp, owens_t

_LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)
_FARTHEST = 40.0  # standard deviations: there is nothing beyond
_NEXT_TO_ZERO = 1e-300
_LEAST_MASS = 1e-6  # whose share with another variable is a difference of exact numbers
_NODES, _MASSES = np.polynomial.legendre.leggauss(64)


class Pieces(NamedTuple):
    """What evidence leaves of the normal scale of a column.

    Attributes
    ----------
    lower, upper : (p,)
        Bounds; both the score of a value with a density.
    log_scale : (p,)
        What is added to the log density of such a value; 0 for others.
    values : (p,)
        The value of the column that a piece stands for; NaN of an interval.
    """

    lower: np.ndarray
    upper: np.ndarray
    log_scale: np.ndarray
    values: np.ndarray


def log_masses(pieces: Pieces, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Log masses and densities (..., p) of pieces under normal distributions (...,).

    A piece whose bounds are not in order has no mass.
    """
    means, deviations = means[..., None], deviations[..., None]
    lower, upper = (pieces.lower - means) / deviations, (pieces.upper - means) / deviations
    is_point = pieces.lower == pieces.upper
    log_density = -0.5 * lower**2 - np.log(deviations) - _LOG_SQRT_2PI + pieces.log_scale
    return np.where(is_point, log_density, _log_interval(lower, upper))


def _log_interval(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Log mass of standard normal variables between bounds; minus infinity of empty intervals."""
    # On the side of zero where nothing cancels.
    is_above = lower > 0.0
    lower, upper = np.where(is_above, -upper, lower), np.where(is_above, -lower, upper)
    log_lower, log_upper = log_ndtr(lower), log_ndtr(upper)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_mass = log_upper + np.log1p(-np.exp(log_lower - log_upper))
        # Beyond zero what is left out on both sides is small.
        outer = np.log1p(-(ndtr(lower) + ndtr(-upper)))
    return np.where(upper > 0.0, outer, np.where(lower < upper, log_mass, -np.inf))


def draw(
    pieces: Pieces, means: np.ndarray, deviations: np.ndarray, uniforms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which piece (n,) normal variables (n,) fall in, and where (n,) on the scale."""
    logs = log_masses(pieces, means, deviations)
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    ends = np.cumsum(shares, axis=1)
    targets = uniforms * ends[:, -1]
    chosen = np.minimum((ends <= targets[:, None]).sum(axis=1), ends.shape[1] - 1)
    rows = np.arange(len(chosen))
    start = ends[rows, chosen] - shares[rows, chosen]
    left = np.clip((targets - start) / np.maximum(shares[rows, chosen], 1e-300), 0.0, 1.0)
    lower, upper = pieces.lower[chosen], pieces.upper[chosen]
    return chosen, quantiles(lower, upper, means, deviations, left)


def quantiles(
    lower: np.ndarray,
    upper: np.ndarray,
    means: np.ndarray,
    deviations: np.ndarray,
    levels: np.ndarray,
) -> np.ndarray:
    """Quantiles of normal variables that are known to be between bounds; all broadcast."""
    below, above = (lower - means) / deviations, (upper - means) / deviations
    is_above = below > 0.0
    below, above = np.where(is_above, -above, below), np.where(is_above, -below, above)
    levels = np.where(is_above, 1.0 - levels, levels)
    with np.errstate(divide="ignore"):
        log_levels = np.logaddexp(
            log_ndtr(below) + np.log1p(-levels), log_ndtr(above) + np.log(levels)
        )
    standard = ndtri_exp(np.minimum(log_levels, 0.0))
    found = means + deviations * np.where(is_above, -standard, standard)
    return np.clip(found, lower, upper)


def joint_cdf(
    lower: np.ndarray,
    upper: np.ndarray,
    others: np.ndarray,
    correlations: np.ndarray,
) -> np.ndarray:
    """Chance that one variable is between bounds and another at most `others`, over that of one.

    Both are standard normal. By Owen's T function; where the bounds are far out, so that this is a
    small difference of large numbers, by a quadrature over quantiles between them.

    Parameters
    ----------
    lower, upper, correlations : (K,)
    others : (n, K)
    """
    mass = np.exp(_log_interval(lower, upper))
    both = _bivariate(upper, others, correlations) - _bivariate(lower, others, correlations)
    if (mass > _LEAST_MASS).all():
        return np.clip(both / mass, 0.0, 1.0)
    levels = 0.5 * (1.0 + _NODES)[:, None]
    nodes = quantiles(lower, upper, np.zeros(1), np.ones(1), levels)
    rest = np.sqrt(1.0 - correlations**2)
    of_nodes = ndtr((others[:, None] - correlations * nodes) / rest)
    by_nodes = 0.5 * np.einsum("t,itk->ik", _MASSES, of_nodes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mass > _LEAST_MASS, np.clip(both / mass, 0.0, 1.0), by_nodes)


def _bivariate(first: np.ndarray, second: np.ndarray, correlations: np.ndarray) -> np.ndarray:
    """Chance that correlated standard normal variables are at most these: Owen (1956)."""
    first, second = (np.clip(x, -_FARTHEST, _FARTHEST) for x in (first, second))
    first, second = (np.where(x == 0.0, _NEXT_TO_ZERO, x) for x in (first, second))
    rest = np.sqrt(1.0 - correlations**2)
    with np.errstate(over="ignore"):
        of_first = owens_t(first, (second / first - correlations) / rest)
        of_second = owens_t(second, (first / second - correlations) / rest)
    opposite = np.where((first > 0.0) == (second > 0.0), 0.0, 0.5)
    return 0.5 * (ndtr(first) + ndtr(second)) - of_first - of_second - opposite
