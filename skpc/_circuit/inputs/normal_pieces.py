"""Pieces of the normal scale: masses that normal distributions give them, and quantiles there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import erfcx, log_ndtr, logsumexp, ndtr, ndtri_exp

_SQRT_2 = np.sqrt(2.0)
_LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)
_NARROW = 1e-4  # a width, times the distance from zero


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

    def up_to(self, values: np.ndarray, limits: np.ndarray) -> Pieces:
        """The parts of the pieces at or below values (...,), whose upper limits are these."""
        values, limits = values[..., None], limits[..., None]
        is_point = self.lower == self.upper
        is_in = np.where(is_point, self.values <= values, self.lower < limits)
        upper = np.where(is_point, self.upper, np.minimum(self.upper, limits))
        return self._replace(upper=np.where(is_in, upper, self.lower - 1.0))


EVERYTHING = Pieces(*(np.array([x]) for x in (-np.inf, np.inf, 0.0, np.nan)))


def log_masses(pieces: Pieces, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Log masses and densities (..., p) of pieces under normal distributions (...,).

    A piece whose bounds are not in order has no mass.
    """
    means, deviations = means[..., None], deviations[..., None]
    lower, upper = (pieces.lower - means) / deviations, (pieces.upper - means) / deviations
    widths = (pieces.upper - pieces.lower) / deviations
    is_point = pieces.lower == pieces.upper
    if not is_point.any():
        return _log_interval(lower, upper, widths)
    log_density = -0.5 * lower**2 - np.log(deviations) - _LOG_SQRT_2PI + pieces.log_scale
    if is_point.all():
        return np.asarray(log_density)
    return np.where(is_point, log_density, _log_interval(lower, upper, widths))


def log_mass(pieces: Pieces, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """That of all pieces together (...,)."""
    logs = log_masses(pieces, means, deviations)
    return np.asarray(logs[..., 0] if logs.shape[-1] == 1 else logsumexp(logs, axis=-1))


def _log_interval(lower: np.ndarray, upper: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Log mass of standard normal variables between bounds; minus infinity of empty intervals.

    Widths are given too: they are more exact than differences of bounds that are close together.
    """
    # On the side of zero where nothing cancels.
    is_above = lower > 0.0
    lower, upper = np.where(is_above, -upper, lower), np.where(is_above, -lower, upper)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        middles = 0.5 * (lower + upper)
        scaled = erfcx(-upper / _SQRT_2)
        log_ratio = widths * middles + np.log(erfcx(-lower / _SQRT_2) / scaled)
        inner = np.log(0.5 * scaled) - 0.5 * upper**2 + np.log1p(-np.exp(np.minimum(log_ratio, 0)))
        # Beyond zero what is left out on both sides is small.
        outer = np.log1p(-(ndtr(lower) + ndtr(-upper)))
        # Where differences lose digits the density hardly changes.
        is_narrow = widths * np.maximum(np.abs(middles), 1.0) < _NARROW
        bend = widths**2 * (middles**2 - 1.0) / 24.0
        narrow = np.log(widths) - 0.5 * middles**2 - _LOG_SQRT_2PI + np.log1p(bend)
    found = np.where(is_narrow, narrow, np.where(upper > 0.0, outer, inner))
    return np.where(widths > 0.0, found, -np.inf)


def place(
    pieces: Pieces, means: np.ndarray, deviations: np.ndarray, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which pieces hold the quantiles of normal variables that are in one, and the quantiles.

    Parameters
    ----------
    pieces : Pieces
    means, deviations, levels : arrays of one shape

    Returns
    -------
    chosen, scores : arrays of this shape
    """
    if len(pieces.lower) == 1:
        chosen, left = np.zeros(levels.shape, np.intp), levels
    else:
        logs = log_masses(pieces, means, deviations)
        shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
        ends = np.cumsum(shares, axis=-1)
        targets = levels * ends[..., -1]
        chosen = np.minimum((ends <= targets[..., None]).sum(axis=-1), ends.shape[-1] - 1)
        own, end = (
            np.take_along_axis(part, chosen[..., None], axis=-1)[..., 0] for part in (shares, ends)
        )
        left = np.clip((targets - end + own) / np.maximum(own, 1e-300), 0.0, 1.0)
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
