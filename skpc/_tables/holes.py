"""Missing cells of tables: which they are, what marks them, and columns that hold nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from skpc._checks import shown
from skpc._tables import frames
from skpc._tables.columns import read_columns
from skpc._tables.frames import is_frame, names_of
from skpc._tables.numbers import FLOAT, Numbers

_PREFIX = "missingindicator_"


def is_always_missing(value: Any) -> bool:
    """Whether a value stands for a missing cell everywhere: NaN, None and NA do."""
    is_nan = isinstance(value, Real) and value != value
    return value is None or is_nan or type(value).__name__ == "NAType"


def marked(X: Any, marker: Any) -> Any:
    """A validated table whose cells with this value are missing, as those with NaN, None and NA.

    Raises
    ------
    ValueError
        If it is no number, and X an array, which holds nothing else.
    """
    if is_always_missing(marker):
        return X
    if is_frame(X):
        return frames.without_value(X, marker)
    if not isinstance(marker, Real):
        raise ValueError(
            f"missing_values={shown(marker)} is no number, and X an array, which has no other "
            "values. Pass a frame, or a number."
        )
    return np.where(marker == X, np.nan, X) if (marker == X).any() else X


def missing_cells(X: Any) -> np.ndarray:
    """Which cells (n, d) of a frame or array are missing."""
    missing = np.zeros(X.shape, bool)
    for j, cells in enumerate(read_columns(X, names_of(X))):
        missing[:, j] = cells.missing
    return missing


def without_columns(X: Any, dropped: np.ndarray) -> Any:
    """A table less the columns at these positions."""
    if not len(dropped):
        return X
    kept = np.delete(np.arange(X.shape[1]), dropped)
    return frames.columns_at(X, kept) if is_frame(X) else X[:, kept]


def with_zeros(X: Any, holed: Any, columns: np.ndarray) -> Any:
    """A table that is one's own with zeros where another one is missing, but for labels.

    No label is as good as zero is among numbers: cells of a dtype that holds them stay missing.

    Parameters
    ----------
    X, holed : frame or array (n, d)
    columns : (n_columns,)
        Those of which this is asked.
    """
    for j in columns.tolist():
        others = np.delete(np.arange(X.shape[1]), j)
        (cells,) = read_columns(without_columns(holed, others), names_of(X))
        rows = np.flatnonzero(cells.missing)
        if not is_frame(X):
            X[rows, j] = 0
        elif rows.size and (cells.labels is None or frames.is_of_no_kind(X, j)):
            X = frames.filled_column(X, j, rows, np.zeros(len(rows)), None, Numbers(FLOAT), None)
    return X


def with_indicator(X: Any, holed: Any, columns: np.ndarray) -> Any:
    """A table that is one's own, and columns of booleans that say where others were missing.

    Parameters
    ----------
    X : frame or array (n, m)
    holed : frame or array (n, d)
        The table with its missing cells.
    columns : (n_columns,)
        Positions there.
    """
    missing = missing_cells(holed)[:, columns]
    if not is_frame(X):
        return np.hstack([X, missing])
    names = indicator_names(names_of(holed) or (), columns)
    for name in names:
        if name in (names_of(X) or ()):
            raise ValueError(
                f"X has a column {shown(name)}, as the indicator would have. Rename it, or set "
                "add_indicator=False."
            )
    return frames.with_columns(X, names, missing.T)


def indicator_names(names: Sequence[Any], columns: np.ndarray) -> list[Any]:
    """What columns of an indicator are called, as scikit-learn calls them.

    Of names that are tuples the first part alone changes.
    """
    chosen = [names[j] for j in columns.tolist()]
    if all(isinstance(name, tuple) for name in names):
        return [(f"{_PREFIX}{name[0]}", *name[1:]) for name in chosen]
    return [f"{_PREFIX}{name}" for name in chosen]
