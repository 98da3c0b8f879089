"""Inverses of distribution functions, to the last bit of a float."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_SIGN = np.int64(np.iinfo(np.int64).min)
_FIRST_REACH = 0.1  # of a guess, as a part of what is between the bounds


def _ranks(values: np.ndarray) -> np.ndarray:
    """Integers in the order of floats: those of neighbours differ by one."""
    bits = (values + 0.0).view(np.int64)
    return np.where(bits < 0, _SIGN - bits, bits)


def _values(ranks: np.ndarray) -> np.ndarray:
    return np.where(ranks < 0, _SIGN - ranks, ranks).view(np.float64)


def _middles(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Floats with as many others below as above, between bounds."""
    below, above = _ranks(low), _ranks(high)
    return _values((below >> 1) + (above >> 1) + (below & above & 1))  # without overflow


def generalised_inverse(
    cdf: Callable[[np.ndarray, np.ndarray], np.ndarray], levels: np.ndarray, low: float, high: float
) -> np.ndarray:
    """The least values from `low` to `high` at which distribution functions reach levels.

    Guesses by interpolation, with a reach on both sides that shrinks by squares as long as they are
    good; where one is bad, bisection among all floats, which finds atoms exactly, zero too.

    Parameters
    ----------
    cdf : function
        Gives values (a,), for the levels with these numbers (a,), what they reach.
    levels : (k,)
    low, high : float
        Finite; `high` is returned where it does not reach the level either.

    Returns
    -------
    (k,)
    """
    search = _Search(cdf, levels, low, high)
    while len(search.open):
        search.guess()
        search.bisect()
    return search.high


class _Search:
    """Bounds of values that reach levels: the upper ones do, or are the last, the lower do not."""

    def __init__(self, cdf: Callable, levels: np.ndarray, low: float, high: float) -> None:
        # What is no number reaches no level: the search ends whatever it meets.
        self._cdf = lambda values, places: np.nan_to_num(cdf(values, places), nan=0.0)
        self._levels = levels
        every = np.arange(len(levels))
        self.low, self.high = np.full(len(levels), low), np.full(len(levels), high)
        self._at_low, self._at_high = self._cdf(self.low, every), self._cdf(self.high, every)
        self._reach = np.full(len(levels), _FIRST_REACH)
        reaches_low = self._at_low >= levels
        self.high[reaches_low] = low
        self.open = np.flatnonzero(~reaches_low & (self._at_high >= levels))
        self._close()

    def _close(self) -> None:
        """Leave out what has no float between its bounds."""
        gap = _ranks(self.high[self.open]) - _ranks(self.low[self.open])
        self.open = self.open[(gap > 1) | (gap < 0)]  # below zero if it is too large

    def _probe(self, places: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Move bounds to values between them: whether these reach the levels."""
        found = self._cdf(values, places)
        reaches = found >= self._levels[places]
        up, down = places[reaches], places[~reaches]
        self.high[up], self._at_high[up] = values[reaches], found[reaches]
        self.low[down], self._at_low[down] = values[~reaches], found[~reaches]
        return reaches

    def guess(self) -> None:
        """Probe on both sides of where a straight line reaches the level."""
        places = self.open
        low, high = self.low[places], self.high[places]
        rise = self._at_high[places] - self._at_low[places]
        part = (self._levels[places] - self._at_low[places]) / np.where(rise > 0.0, rise, 1.0)
        first, last = np.nextafter(low, high), np.nextafter(high, low)
        reach = self._reach[places]
        below, above = (
            np.clip((1.0 - share) * low + share * high, first, last)
            for share in (np.clip(part - reach, 0.0, 1.0), np.clip(part + reach, 0.0, 1.0))
        )
        misses = ~self._probe(places, below)
        is_inside = np.zeros(len(places), bool)
        left = np.flatnonzero(misses & (above > below))
        is_inside[left] = self._probe(places[left], above[left])
        self._reach[places] = np.where(is_inside, reach**2, _FIRST_REACH)
        self.open = places[~is_inside]
        self._close()
        self._later = places[is_inside]

    def bisect(self) -> None:
        """Halve the number of floats between bounds where a guess was bad."""
        if len(self.open):
            self._probe(self.open, _middles(self.low[self.open], self.high[self.open]))
        self.open = np.concatenate([self.open, self._later])
        self._close()
