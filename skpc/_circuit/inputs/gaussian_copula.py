"""Gaussian columns as a copula, whose margins are straight lines: what evidence makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.moments import OnNormalScale
from skpc._circuit.inputs.restriction import Restriction, Sets
from skpc._data.margins import Margin

if TYPE_CHECKING:
    from skpc._circuit.inputs.copula import Copula
    from skpc._circuit.inputs.gaussian import Gaussian

_REACH = 64.0  # standard deviations that a straight line reaches to
_LARGEST_VALUE = 1e150


class AsCopula(InputDistribution):
    """Lets a Gaussian be asked what a copula knows."""

    def restricted(self, sets: Sets) -> Restriction:
        """See `Copula.restricted`."""
        return to_copula(cast("Gaussian", self)).restricted(sets)

    def on_normal_scale(self, values: np.ndarray, entry: int) -> OnNormalScale:
        """Of a missing column, in its units."""
        means, variances = self.conditional(values, entry)
        return OnNormalScale(means, np.sqrt(variances), np.positive)

    def cdf(self, values: np.ndarray, entry: int) -> np.ndarray:
        """Probabilities (n, n_latents) that a column is at most values (n,), given the state."""
        return to_copula(cast("Gaussian", self)).cdf(values, entry)


def to_copula(gaussian: Gaussian) -> Copula:
    """The copula that is the same distribution."""
    from skpc._circuit.inputs.copula import Copula  # which imports Gaussians

    units = np.ones(gaussian.n_columns) if gaussian.units is None else gaussian.units
    deviations = np.sqrt(np.diagonal(gaussian.covariances, axis1=1, axis2=2))
    scales = np.ldexp(1.0, np.frexp(deviations.max(axis=0))[1])
    origins = gaussian.means.mean(axis=0)
    means = (gaussian.means - origins) / scales
    covariances = gaussian.covariances / (scales[:, None] * scales)
    reach = np.abs(means).max(axis=0) + _REACH
    margins = tuple(
        _straight_line(float(origin), float(unit), float(end))
        for origin, unit, end in zip(origins * units, scales * units, reach, strict=True)
    )
    return Copula(means, covariances, 0.0, margins)


def _straight_line(origin: float, unit: float, end: float) -> Margin:
    """A margin whose normal score is how many units a value is from the origin."""
    ends = np.array([-end, end])
    return Margin(
        origin=origin,
        unit=unit,
        knots=ends,
        scores=ends,
        slopes=np.ones(2),
        share=1.0,
        atoms=np.empty(0),
        masses=np.empty(0),
        step=0.0,
        digits=-1,
        low=-_LARGEST_VALUE,
        high=_LARGEST_VALUE,
        widest=0.0,
    )
