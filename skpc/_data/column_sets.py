"""What evidence leaves a column: some values, or an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ValueSet:
    """Some values of a column; a single one is a point.

    Attributes
    ----------
    values : (n,) float64
        Sorted and distinct.
    """

    values: np.ndarray

    @property
    def is_point(self) -> bool:
        """Whether it is a single value."""
        return len(self.values) == 1

    @property
    def is_empty(self) -> bool:
        """Whether there is no value in it."""
        return not len(self.values)

    def contains(self, values: np.ndarray) -> np.ndarray:
        """Which of some values it has."""
        return np.isin(values, self.values)

    def intersection(self, other: ColumnSet) -> ColumnSet:
        """What both leave."""
        return ValueSet(self.values[other.contains(self.values)])


@dataclass(frozen=True)
class Interval:
    """All values between two bounds, which may be infinite.

    Attributes
    ----------
    low, high : float
    has_low, has_high : bool
        Whether the bounds belong to it.
    """

    low: float
    high: float
    has_low: bool = True
    has_high: bool = True

    is_point = False

    @property
    def is_empty(self) -> bool:
        """Whether no number is in it."""
        return self.low > self.high or (
            self.low == self.high and not (self.has_low and self.has_high)
        )

    def contains(self, values: np.ndarray) -> np.ndarray:
        """Which of some values it has."""
        over = values >= self.low if self.has_low else values > self.low
        under = values <= self.high if self.has_high else values < self.high
        return np.asarray(over & under)

    def intersection(self, other: ColumnSet) -> ColumnSet:
        """What both leave; closed with both bounds the same it is their value."""
        if isinstance(other, ValueSet):
            return other.intersection(self)
        low, high = max(self.low, other.low), min(self.high, other.high)
        has_low = all(one.has_low for one in (self, other) if one.low == low)
        has_high = all(one.has_high for one in (self, other) if one.high == high)
        both = Interval(low, high, has_low, has_high)
        return ValueSet(np.array([low])) if low == high and not both.is_empty else both


ColumnSet = ValueSet | Interval

EVERYTHING = Interval(-np.inf, np.inf)
