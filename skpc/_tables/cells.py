"""Cells of a column of a frame, whatever library it is of.

What a column or an index was made of is kept in plain form: tuples of strings, numbers, bytes and
arrays, from which the dtype object is made again. A model can then be written in any way, and
be read where the library is missing.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from skpc._checks import shown
from skpc._tables.numbers import BOOLEAN, EXACT_LIMIT, FLOAT, Numbers, are_numbers


class Cells(NamedTuple):
    """What a column of a table holds.

    Attributes
    ----------
    values : (n,)
        Numbers, NaN where one is missing; or an object array of labels, None where one is.
    labels : (n_categories,) object array, () or None
        The labels that it declares, in their order; () if it declares none. None of numbers.
    numbers : Numbers or None
        Of what kind the numbers are. None of labels.
    dtype : tuple
        What the column is made of, in plain form.
    exact : sequence or None
        The values that are not missing, where float64 might not tell them apart.
    """

    values: np.ndarray
    labels: Any
    numbers: Numbers | None
    dtype: tuple[Any, ...]
    exact: Sequence[Any] | None

    @property
    def has_no_value(self) -> bool:
        """Whether all values are missing."""
        return all(value is None or value != value for value in self.values)

    @property
    def missing(self) -> np.ndarray:
        """Which values (n,) are missing."""
        if self.labels is None:
            return np.isnan(self.values)
        return np.fromiter((value is None for value in self.values), bool, len(self.values))

    @property
    def is_ordered(self) -> bool:
        """Whether the labels have an order."""
        return are_ordered(self.dtype)


def is_declared(dtype: tuple[Any, ...]) -> bool:
    """Whether a dtype in plain form has labels of its own."""
    return dtype[0] in ("CategoricalDtype", "Enum") or (dtype[0] == "ArrowDtype" and len(dtype) > 2)


def are_ordered(dtype: tuple[Any, ...]) -> bool:
    """Whether a dtype in plain form has labels of its own, and an order of them."""
    return is_declared(dtype) and (dtype[0] != "CategoricalDtype" or bool(dtype[3]))


def declared_labels(dtype: tuple[Any, ...]) -> Any:
    """The labels of a dtype in plain form, in their order; () if it has none of its own."""
    if not is_declared(dtype):
        return ()
    return dtype[2] if dtype[0] == "ArrowDtype" else dtype[1]


def no_dates(name: str, dtype: Any) -> str:
    """The message that refuses dates."""
    return (
        f"X holds dates in {name} (dtype {dtype}). Turn them into numbers, for instance days "
        "since a fixed date, or drop the column."
    )


def no_times(name: str, dtype: Any) -> str:
    return (
        f"X holds times, durations or dates in {name} (dtype {dtype}). Turn them into numbers, "
        "for instance seconds, or drop the column."
    )


def refuse_time(value: Any, name: str, dtype: Any) -> None:
    """Raise a ValueError if a cell is a date, a time or a duration."""
    if isinstance(value, (datetime.datetime, datetime.date, np.datetime64)):
        raise ValueError(no_dates(name, dtype))
    if isinstance(value, (datetime.time, datetime.timedelta, np.timedelta64)):
        raise ValueError(no_times(name, dtype))


def no_numbers(name: str, dtype: Any, value: Any) -> str:
    return (
        f"X holds values in {name} that are neither all numbers nor all strings, such as "
        f"{shown(value)} of type {type(value).__name__} (dtype {dtype}). Convert them to "
        "numbers, strings or categories, or drop the column."
    )


def may_merge(numbers: Numbers, dtype: Any, values: np.ndarray) -> bool:
    """Whether values of a numeric dtype may be different, and the same in float64."""
    if numbers.kind == FLOAT:
        return bool(getattr(dtype, "itemsize", 8) > 8)
    if numbers.kind == BOOLEAN:
        return False
    unit = 10.0**numbers.fineness
    return numbers.high * unit > EXACT_LIMIT and bool((np.abs(values) * unit >= EXACT_LIMIT).any())


def read_objects(
    values: np.ndarray, missing: np.ndarray, plain: tuple[Any, ...], dtype: Any, name: str
) -> Cells:
    """An object column as strings with no declared labels, or as numbers."""
    present = values[~missing].tolist()
    if all(issubclass(kind, str) for kind in set(map(type, present))):
        labels = np.full(len(values), None, dtype=object)
        labels[~missing] = [str(value) for value in present]
        return Cells(labels, (), None, plain, None)
    if not are_numbers(present):
        value = next(value for value in present if not are_numbers([value]))
        refuse_time(value, name, dtype)
        raise ValueError(no_numbers(name, dtype, value))
    numbers = np.full(len(values), np.nan)
    try:
        numbers[~missing] = [float(value) for value in present]
    except OverflowError:
        numbers[~missing] = np.inf
    if np.isinf(numbers).any():  # to be refused
        return Cells(numbers, None, Numbers(FLOAT), plain, None)
    return Cells(numbers, None, numbers_of_objects(present), plain, present)


def numbers_of_objects(present: list[Any]) -> Numbers:
    return Numbers.of_objects(present) if are_numbers(present) else Numbers(FLOAT)


def dtype_class(module: Any, name: Any, base: type) -> Any:
    """The class of dtypes of this name, which may come from a file: nothing else is called."""
    found = getattr(module, name, None) if isinstance(name, str) else None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"{module.__name__} has no dtype {name!s}.")
    return found
