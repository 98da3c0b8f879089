"""Powers of two by which numbers are divided before they are multiplied: that rounds nothing."""

from __future__ import annotations

import numpy as np

_USUAL = 2.0**-100, 2.0**100  # sizes whose products are numbers, not infinite or zero
_MOST_ROWS = 60  # as a power of two
_LEAST_WEIGHT = 2.0**-900


def units_of(sizes: np.ndarray) -> np.ndarray:
    """Powers of two in which what has these sizes is near one; one where a size is usual.

    The square of 1e155 is infinite, that of 1e-162 is zero. Where such sizes may occur, numbers are
    squared in these units.
    """
    is_usual = (sizes == 0.0) | ((sizes >= _USUAL[0]) & (sizes <= _USUAL[1]))
    return np.where(is_usual, 1.0, np.ldexp(1.0, np.frexp(sizes)[1] - 1))


def countable(weights: np.ndarray) -> np.ndarray:
    """The weights (n,), in another unit where they sum to more than 2^60 rows.

    Beside so many rows penalties, pseudocounts and shrinkage are nothing, and stay so. Positive
    weights stay positive.
    """
    excess = int(np.frexp(weights.sum())[1]) - _MOST_ROWS
    if excess <= 0:
        return weights
    with np.errstate(under="ignore"):
        smaller = np.maximum(np.ldexp(weights, -excess), _LEAST_WEIGHT)
    return np.where(weights > 0.0, smaller, 0.0)
