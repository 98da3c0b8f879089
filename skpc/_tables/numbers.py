"""The kinds of number that columns hold, and the way back to them from float64."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from math import inf, isinf, nextafter
from numbers import Integral, Rational, Real
from typing import Any

import numpy as np

from skpc._checks import attributes

FLOAT, INTEGER, BOOLEAN, DECIMAL, FRACTION = "float", "integer", "boolean", "decimal", "fraction"
EXACT_LIMIT = 2**53  # up to here float64 has all integers
_LONGEST = 400  # digits of a float64 on either side of the point, with room


@dataclass(frozen=True)
class Numbers:
    """A kind of number, and the limits of what a column of it can hold.

    Attributes
    ----------
    kind : "float", "integer", "boolean", "decimal" or "fraction"
    low, high : int or float
    fineness : int
        Digits after the point of decimals, the largest denominator of fractions.
    """

    kind: str
    low: float = -inf
    high: float = inf
    fineness: int = 0

    @classmethod
    def read(cls, state: Any) -> Numbers:
        """The kind of number of a state from a file: plain things, which are checked."""
        found = cls(**attributes(state, ("kind", "low", "high", "fineness")))
        if found.kind not in (FLOAT, INTEGER, BOOLEAN, DECIMAL, FRACTION):
            raise ValueError(f"the kind of the numbers of a column is {found.kind!s}.")
        if not found.low <= found.high or not isinstance(found.fineness, int):
            raise ValueError(
                f"the limits of the numbers of a column are {found.low!s} and {found.high!s}."
            )
        return found

    @classmethod
    def of_dtype(cls, dtype: np.dtype) -> Numbers:
        """What an array of booleans, integers or floats holds."""
        if dtype.kind == "b":
            return cls(BOOLEAN)
        if dtype.kind in "iu":
            return cls.of_integers(dtype.kind == "i", 8 * dtype.itemsize)
        if dtype.kind == "f" and dtype.itemsize < 8:
            largest = float(np.finfo(dtype).max)
            return cls(FLOAT, -largest, largest)
        return cls(FLOAT)

    @classmethod
    def of_integers(cls, is_signed: bool, n_bits: int) -> Numbers:
        """Integers of so many bits."""
        n_bits -= is_signed
        return cls(INTEGER, -(2**n_bits) if is_signed else 0, 2**n_bits - 1)

    @classmethod
    def of_decimals(cls, precision: int, scale: int) -> Numbers:
        """Decimals of so many digits, `scale` of them after the point."""
        largest = Fraction(10**precision - 1, 10 ** max(scale, 0))
        return cls(DECIMAL, -_below(largest), _below(largest), max(scale, 0))

    @classmethod
    def of_objects(cls, values: Collection[Any]) -> Numbers:
        """What a column of Python's or NumPy's numbers holds, one of them at least."""
        kinds = set(map(type, values))
        if all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
            return cls(BOOLEAN)
        integers = {kind for kind in kinds if issubclass(kind, (Integral, np.bool_))}
        if kinds == integers:
            return cls(INTEGER)
        if all(issubclass(kind, Rational) for kind in kinds - integers):
            fractions = (value for value in values if type(value) not in integers)
            return cls(FRACTION, fineness=max(int(value.denominator) for value in fractions))
        if all(issubclass(kind, Decimal) for kind in kinds - integers):
            decimals = (value for value in values if type(value) not in integers)
            finest = min(int(value.as_tuple().exponent) for value in decimals)
            return cls(DECIMAL, fineness=min(max(-finest, 0), _LONGEST))
        return cls(INTEGER) if integers and all(map(is_whole, values)) else cls(FLOAT)

    def first_lost(self, values: Iterable[Any]) -> Any:
        """The first of these numbers that does not come back from float64, or None."""
        if self.kind == BOOLEAN:
            return None
        distinct = list(dict.fromkeys(values))
        if self.kind == FLOAT:  # of both: integers may be lost
            distinct = [value for value in distinct if isinstance(value, Integral)]
        numbers = Numbers(INTEGER) if self.kind == FLOAT else self
        restored = numbers.restore(np.array([float(value) for value in distinct]))
        pairs = zip(distinct, restored.tolist(), strict=True)
        return next((value for value, back in pairs if value != back), None)

    def can_hold(self, value: float) -> bool:
        """Whether a number is within the limits of this kind."""
        return self.low <= value <= self.high

    def restore(self, values: np.ndarray) -> np.ndarray:
        """The numbers (n,) of this kind that are next to these floats, none of them missing."""
        if self.kind == BOOLEAN:
            return values > 0.5
        if self.kind == FRACTION:
            return _objects(Fraction(v).limit_denominator(self.fineness) for v in values.tolist())
        if self.kind == INTEGER:
            values = np.rint(values)
        if not (isinf(self.low) and isinf(self.high)):
            values = np.clip(values, -_below(-self.low), _below(self.high))
        if self.kind == DECIMAL:
            context = Context(prec=_LONGEST + self.fineness)
            step = Decimal((0, (1,), -self.fineness))
            return _objects(_decimal(v).quantize(step, context=context) for v in values.tolist())
        if self.kind == INTEGER:
            for dtype in np.int64, np.uint64:
                limits = np.iinfo(dtype)
                if limits.min <= self.low and self.high <= limits.max:
                    return values.astype(dtype)
            return _objects(map(int, values.tolist()))
        return values


def are_numbers(values: Iterable[Any]) -> bool:
    """Whether all are real numbers or booleans."""
    return all(issubclass(kind, (Real, Decimal, np.bool_)) for kind in set(map(type, values)))


def is_whole(value: Any) -> bool:
    """Whether a finite number has no fraction."""
    return bool(value == int(value))


def _decimal(value: float) -> Decimal:
    """The shortest decimal that is this float64; an integer as it is."""
    return Decimal(int(value)) if abs(value) >= EXACT_LIMIT else Decimal(repr(value))


def _below(limit: Any) -> float:
    """The largest float64 that is not above a number."""
    nearest = float(limit)
    return nextafter(nearest, -inf) if nearest > limit else nearest


def _objects(values: Iterable[Any]) -> np.ndarray:
    values = list(values)
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
