"""Centres and scales of weighted columns of numbers."""

from __future__ import annotations

import numpy as np

from skpc._data.powers_of_two import units_of

_CONSTANT_SCALE = 1e-6


def centre_and_scales(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations (m,) of weighted columns (n, m), NaN missing.

    That of a constant column is tiny, but positive. A column without a value is like zeros.
    """
    observed = ~np.isnan(values)
    units = units_of(np.where(observed, np.abs(values), 0.0).max(axis=0))
    values = values / units
    shares = weights[:, None] * observed
    shares = shares / units_of(shares.max(axis=0))
    totals = shares.sum(axis=0)
    totals = np.where(totals > 0, totals, 1.0)
    centre = (shares * np.where(observed, values, 0.0)).sum(axis=0) / totals
    centred = np.where(observed, values - centre, 0.0)
    variances = (shares * centred**2).sum(axis=0) / totals
    # A variance of no more than rounding is that of a constant column.
    is_constant = variances <= (8 * np.finfo(float).eps * centre) ** 2
    centre = units * centre
    constant = _CONSTANT_SCALE * np.maximum(1.0, np.abs(centre))
    return centre, np.where(is_constant, constant, units * np.sqrt(variances))
