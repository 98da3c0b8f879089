"""One row, in whatever form, as a table of the kind that fit saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skpc._checks import shown
from skpc._tables import frames
from skpc._tables.columns import Columns


def is_named(row: Any) -> bool:
    """Whether this is a mapping or a series of pandas, whose values have names, but no table."""
    if issparse(row) or frames.is_frame(row):
        return False
    is_series = type(getattr(row, "ndim", None)) is int and row.ndim == 1
    return isinstance(row, Mapping) or (is_series and hasattr(row, "to_dict"))


def table_of_row(columns: Columns, row: Any, parameter: str = "row") -> Any:
    """A table of one row; what is a table already is given back as it is.

    Parameters
    ----------
    columns : Columns
    row : mapping, series with an index, or sequence of d values
        Names, or positions where fit saw none, each with its value. A column that a mapping or a
        series does not name is missing.
    parameter : str
        What messages call the row.

    Raises
    ------
    ValueError
        If the row has other columns.
    """
    row = frames.collected(row)
    if issparse(row) or frames.is_frame(row):
        return row
    if is_named(row):
        mapping = row if isinstance(row, Mapping) else row.to_dict()
        values = _by_name(columns, mapping, parameter)
    elif isinstance(row, str) or not hasattr(row, "__len__") or _is_table(row):
        return row  # which is checked as tables are
    else:
        values = list(row)
        if len(values) != len(columns.columns):
            raise ValueError(
                f"{parameter} has {len(values)} values for {len(columns.columns)} columns. Give "
                "one for each, in the order of fit; NaN is missing."
            )
    if columns.names is None:
        return [values]
    return frames.frame_of_row(str(columns.library), columns.names, columns.index, values)


def _is_table(row: Any) -> bool:
    """Whether an array or a sequence has rows of its own."""
    if hasattr(row, "ndim"):
        return bool(row.ndim != 1)
    return any(isinstance(value, (list, tuple, np.ndarray)) for value in row)


def _by_name(columns: Columns, row: Mapping[Any, Any], parameter: str) -> list[Any]:
    """The values of a row in the order of fit, None or NaN where it names none."""
    names = range(len(columns.columns)) if columns.names is None else columns.names
    for name, value in row.items():
        if name not in names:
            raise ValueError(
                f"{parameter} has a value of {shown(name)}, which is no column that fit saw. "
                "Leave it out."
            )
        if isinstance(value, (list, tuple, set, dict)) or np.ndim(value):
            raise ValueError(
                f"{parameter} has several values of {shown(name)}: {shown(value)}. Give one, or "
                "leave the column out; a dict of columns is a table by pandas.DataFrame(X)."
            )
    missing = (np.nan if column.labels is None else None for column in columns.columns)
    return [row.get(name, hole) for name, hole in zip(names, missing, strict=True)]
