"""What is known of some columns, in whatever form, as sets of numbers in the matrix."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skpc._checks import shown
from skpc._data.column_sets import EVERYTHING, ColumnSet, Interval, ValueSet
from skpc._data.scope import CATEGORICAL
from skpc._tables import frames
from skpc._tables.column_types import LARGEST_VALUE, Column, check_values, column_name
from skpc._tables.columns import Columns
from skpc._tables.holes import is_always_missing
from skpc._tables.numbers import INTEGER, are_numbers, is_whole

_MOST_SHOWN = 10


def read_evidence(
    columns: Columns, evidence: Any, by_name: Mapping[str, Any]
) -> dict[int, ColumnSet]:
    """What evidence leaves each of the columns that it tells something of.

    Parameters
    ----------
    columns : Columns
    evidence : mapping, series, frame or array of one row, or None
        Missing cells of the latter three tell nothing.
    by_name : mapping
        More of it, by the names of columns.

    Raises
    ------
    ValueError
        If a column is unknown or told of twice, or cannot have what is said of it.
    """
    given = [*_by_key(columns, evidence), *by_name.items()]
    positions = columns.positions([key for key, _ in given], "evidence")
    sets: dict[int, ColumnSet] = {}
    for j, (_, value) in zip(positions, given, strict=True):
        name = column_name(columns.names, j)
        if positions.count(j) > 1:
            raise ValueError(f"evidence tells of {name} twice. Say once what it is.")
        found = column_set(columns.columns[j], value, name)
        if found != EVERYTHING:
            sets[j] = found
    return sets


def _by_key(columns: Columns, evidence: Any) -> Iterator[tuple[Any, Any]]:
    """Names or positions, with what is known of them."""
    if evidence is None:
        return
    if isinstance(evidence, Mapping):
        yield from evidence.items()
        return
    evidence = frames.collected(evidence)
    names = frames.names_of(evidence)
    if names is not None:
        if len(evidence) != 1:
            raise ValueError(
                f"evidence must be one row; got a frame of {len(evidence)}. Select one, or give "
                "sets of values in a dict."
            )
        row = {name: frames.cell(evidence, 0, j) for j, name in enumerate(names)}
    elif hasattr(evidence, "index") and hasattr(evidence, "to_dict"):  # a series of pandas
        row = evidence.to_dict()
    else:
        keys = range(len(columns.columns)) if columns.names is None else columns.names
        row = dict(zip(keys, _of_array(evidence, len(columns.columns)), strict=True))
    yield from ((key, value) for key, value in row.items() if not _is_missing(value))


def _of_array(evidence: Any, n_columns: int) -> list[Any]:
    """The cells of an array of one row, which may be sparse."""
    if issparse(evidence) and evidence.shape == (1, n_columns):
        evidence = evidence.toarray()
    try:
        cells = np.asarray(evidence, dtype=None if hasattr(evidence, "dtype") else object)
    except ValueError:
        cells = np.empty(0)
    if cells.shape not in ((n_columns,), (1, n_columns)):
        raise ValueError(
            f"evidence must be a dict, a series or frame of one row, or an array of {n_columns} "
            f"values, NaN where nothing is known; got {shown(evidence)}."
        )
    return [*cells.ravel()]


def column_set(column: Column, value: Any, name: str) -> ColumnSet:
    """The set of a column that is meant by a value, a collection of values or an interval.

    Parameters
    ----------
    column : Column
    value : object
        A tuple or a slice of two bounds, or an interval of pandas, is an interval.
    name : str
        What messages call the column.
    """
    if isinstance(value, np.ndarray) and not value.ndim:
        value = value.item()
    bounds = None if _is_label(column, value) else _bounds(value, name)
    if bounds is not None:
        return _interval(column, bounds, name)
    is_set = isinstance(value, Collection) and not isinstance(value, (str, bytes, Mapping))
    values = list(value) if is_set and not _is_label(column, value) else [value]
    if not values:
        raise ValueError(f"evidence gives an empty set to {name}. Give at least one value.")
    numbers = [_number(column, one, name) for one in values]
    return ValueSet(np.unique(np.array(numbers) + 0.0))  # no negative zero


def _is_label(column: Column, value: Any) -> bool:
    """Whether what could be an interval is a label: bins of pandas are called by intervals."""
    could_be_interval = isinstance(value, tuple) or hasattr(value, "closed_left")
    return could_be_interval and column.labels is not None and value in column.labels.tolist()


def _bounds(value: Any, name: str) -> tuple[Any, Any, bool, bool] | None:
    """Bounds, and whether they belong to the interval; None if it is none."""
    if isinstance(value, tuple):
        if len(value) != 2:
            raise ValueError(
                f"evidence gives a tuple of {len(value)} to {name}: an interval has two bounds, "
                "None where it is open. Give several values as a set or a list."
            )
        return *value, True, True
    if isinstance(value, slice):
        if value.step is not None:
            raise ValueError(f"evidence gives a slice with a step to {name}. Leave it out.")
        return value.start, value.stop, True, True
    if hasattr(value, "closed_left") and hasattr(value, "right"):  # an interval of pandas
        return value.left, value.right, bool(value.closed_left), bool(value.closed_right)
    return None


def _interval(column: Column, bounds: tuple[Any, Any, bool, bool], name: str) -> ColumnSet:
    """The interval of a column between bounds."""
    if column.labels is not None and column.type == CATEGORICAL:
        raise ValueError(
            f"evidence gives the interval {shown(bounds[:2])} to {name}, which holds labels "
            "without an order. Give a set of labels."
        )
    ends = []
    for bound, infinite in zip(bounds[:2], (-np.inf, np.inf), strict=True):
        is_open = bound is None or (are_numbers([bound]) and bound == infinite)
        if not is_open and column.labels is not None:
            _refuse_other_bounds(column, bound, bounds[:2], name)
        ends.append(infinite if is_open else _number(column, bound, name, is_bound=True))
    interval = Interval(ends[0], ends[1], *bounds[2:])
    if column.labels is not None:  # codes, which have next ones
        interval = Interval(ends[0] + (not bounds[2]), ends[1] - (not bounds[3]))
    if interval.is_empty:
        raise ValueError(
            f"evidence gives the interval {shown(bounds[:2])} to {name}, in which there is "
            "nothing. Give the lower bound first."
        )
    limits = column.numbers
    if limits and interval.intersection(Interval(limits.low, limits.high)).is_empty:
        raise _beyond(column, bounds[:2], name)
    return interval.intersection(interval)


def _refuse_other_bounds(column: Column, bound: Any, given: Any, name: str) -> None:
    """Raise a ValueError if a bound of an interval of ordered labels is none of them."""
    assert column.labels is not None
    labels = column.labels.tolist()
    if _is_missing(bound) or (isinstance(bound, Hashable) and bound in labels):
        return
    raise ValueError(
        f"evidence gives the interval {shown(given)} to {name}, which holds ordered labels, and "
        f"{shown(bound)} is none of them. Give two of {_listed(labels)} as a tuple, the lower one "
        "first, or a set of them."
    )


def _number(column: Column, value: Any, name: str, *, is_bound: bool = False) -> float:
    """The number in the matrix that a value of a column is; a bound need not be one of them."""
    if _is_missing(value):
        raise ValueError(
            f"evidence gives {shown(value)} to {name}: of what is not known nothing is said. Leave "
            "the column out."
        )
    number = column_number(column, value, name, "evidence")
    if not np.isfinite(number):
        raise ValueError(f"evidence gives {shown(value)} to {name}. Give a finite number.")
    if is_bound:
        if abs(number) > LARGEST_VALUE:
            raise ValueError(
                f"evidence gives the bound {shown(value)} to {name}, which is too large to be "
                "squared. Give None where the interval is open."
            )
        return number
    if column.categories is not None and number not in column.categories:
        raise _unknown(value, column.restored(column.categories), name, "evidence")
    if column.numbers is not None and column.numbers.kind == INTEGER and not is_whole(number):
        raise ValueError(f"evidence gives {shown(value)} to {name}, which holds integers.")
    if column.numbers is not None and not column.numbers.can_hold(number):
        raise _beyond(column, value, name)
    if column.categories is None:
        check_values(np.array([number]), column.type, name)
    return number


def column_number(column: Column, value: Any, name: str, parameter: str) -> float:
    """The number in the matrix that a label or a number is, which need not be one of the column.

    Raises
    ------
    ValueError
        Of a label that is not known, of NaN, and of a value of the other kind.
    """
    if column.labels is not None:
        labels = column.labels.tolist()
        if not isinstance(value, Hashable) or value not in labels:
            raise _unknown(value, labels, name, parameter)
        return float(labels.index(value))
    if not are_numbers([value]):
        raise ValueError(f"{parameter} gives {shown(value)} to {name}, which holds numbers.")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(
            f"{parameter} gives {name} an integer too large for a float. Give a smaller one."
        ) from None
    if np.isnan(number):
        raise ValueError(f"{parameter} gives {shown(value)} to {name}. Give a number.")
    return number


def _beyond(column: Column, value: Any, name: str) -> ValueError:
    """An error that tells what the dtype of a column can hold."""
    assert column.numbers is not None
    return ValueError(
        f"evidence gives {shown(value)} to {name}, whose dtype holds {column.numbers.low} to "
        f"{column.numbers.high}. Fit a table with a wider dtype, or give what it can hold."
    )


def _unknown(value: Any, known: list[Any], name: str, parameter: str) -> ValueError:
    """An error that tells which categories there are."""
    return ValueError(
        f"{parameter} gives {shown(value)} to {name}, where fit saw no such value. It knows "
        f"{_listed(known)}."
    )


def _listed(known: list[Any]) -> str:
    """The first of some values, as a message shows them."""
    listed = ", ".join(shown(one) for one in known[:_MOST_SHOWN])
    return listed + (", ..." if len(known) > _MOST_SHOWN else "")


def _is_missing(value: Any) -> bool:
    """Whether a cell is None, NaN, NA or NaT."""
    return is_always_missing(value) or type(value).__name__ == "NaTType"
