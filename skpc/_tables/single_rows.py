"""One row, in whatever form, as a table of the kind that fit saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skpc._checks import shown
from skpc._tables import frames
from skpc._tables.columns import Columns


def table_of_row(columns: Columns, row: Any) -> Any:
    """A table of one row; what is a table already is given back as it is.

    Parameters
    ----------
    columns : Columns
    row : mapping, series with an index, or sequence of d values
        Names, or positions where fit saw none, each with its value.

    Raises
    ------
    ValueError
        If the row has other columns.
    """
    row = frames.collected(row)
    if issparse(row) or frames.is_frame(row):
        return row
    if isinstance(row, Mapping) or hasattr(row, "to_dict"):  # a series of pandas has names, too
        values = _by_name(columns, row if isinstance(row, Mapping) else row.to_dict())
    elif isinstance(row, str) or not hasattr(row, "__len__") or _is_table(row):
        return row  # which is checked as tables are
    else:
        values = list(row)
        if len(values) != len(columns.columns):
            raise ValueError(
                f"row has {len(values)} values for {len(columns.columns)} columns. Give one for "
                "each, in the order of fit; NaN is missing."
            )
    if columns.names is None:
        return [values]
    return frames.frame_of_row(str(columns.library), columns.names, columns.index, values)


def _is_table(row: Any) -> bool:
    """Whether an array or a sequence has rows of its own."""
    if hasattr(row, "ndim"):
        return bool(row.ndim != 1)
    return any(isinstance(value, (list, tuple, np.ndarray)) for value in row)


def _by_name(columns: Columns, row: Mapping[Any, Any]) -> list[Any]:
    """The values of a row in the order of fit."""
    names = range(len(columns.columns)) if columns.names is None else columns.names
    for name in names:
        if name not in row:
            raise ValueError(
                f"row has no value of column {shown(name)}. Mark it as missing with NaN."
            )
    for name in row:
        if name not in names:
            raise ValueError(
                f"row has a value of {shown(name)}, which is no column that fit saw. Leave it out."
            )
    return [row[name] for name in names]
