"""Inverses of distribution functions, to the last bit of a float."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_SIGN = np.int64(np.iinfo(np.int64).min)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Integers in the order of floats: those of neighbours differ by one."""
    bits = (values + 0.0).view(np.int64)
    return np.where(bits < 0, _SIGN - bits, bits)


def _values(ranks: np.ndarray) -> np.ndarray:
    return np.where(ranks < 0, _SIGN - ranks, ranks).view(np.float64)


def generalised_inverse(
    cdf: Callable[[np.ndarray], np.ndarray], levels: np.ndarray, low: float, high: float
) -> np.ndarray:
    """The least values from `low` to `high` at which distribution functions reach levels.

    Bisection among all floats finds atoms exactly, zero among them, in 64 steps at most.

    Parameters
    ----------
    cdf : function
        Gives values of the shape of `levels` what they reach, element by element.
    levels : array
    low, high : float
        Finite; `high` is returned where it does not reach the level either.
    """
    below = np.broadcast_to(_ranks(np.array([low])), levels.shape).copy()
    above = np.broadcast_to(_ranks(np.array([high])), levels.shape).copy()
    for _ in range(64):
        if (below >= above).all():
            break
        middle = (below >> 1) + (above >> 1) + (below & above & 1)  # without overflow
        reaches = cdf(_values(middle)) >= levels
        above = np.where(reaches, middle, above)
        below = np.where(reaches, below, np.minimum(middle + 1, above))
    return _values(above)
