"""Labels of classes: one for each row of a table, none missing, all of one kind."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite, check_consistent_length
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from skpc._checks import shown
from skpc._tables.holes import is_always_missing


def check_labels(y: Any, table: Any) -> np.ndarray:
    """The labels (n,) of the rows of a table.

    Raises
    ------
    ValueError
        If a row has none, if they are of several kinds, or are no classes.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    cells = _cells(y)
    if cells is not None:  # NumPy would make strings of numbers and of what is missing
        _refuse_missing(cells)
        _refuse_several_kinds(cells)
    labels = column_or_1d(y, warn=True)
    assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    check_consistent_length(table, labels)
    return labels


def _cells(y: Any) -> np.ndarray | None:
    """What is given (n,), as it is; None of what is no column of labels, or can lack none."""
    if isinstance(y, np.ndarray) and y.dtype.kind in "biuSU":
        return None
    try:
        cells = np.asarray(y, object)
    except (ValueError, TypeError):
        return None
    is_column = cells.ndim == 2 and cells.shape[1] == 1
    return cells.ravel() if cells.ndim == 1 or is_column else None


def _refuse_missing(cells: np.ndarray) -> None:
    """Raise a ValueError that says how many rows have no label."""
    missing = np.fromiter(map(_is_missing, cells.tolist()), bool, len(cells))
    if missing.any():
        raise ValueError(
            f"y has no label in {missing.sum()} of {len(cells)} rows, the first of them row "
            f"{missing.argmax()}: NaN, None and NA are no classes. Drop these rows from X and y, "
            "or give them a label of their own."
        )


def _is_missing(value: Any) -> bool:
    return is_always_missing(value) or type(value).__name__ == "NaTType"


def _refuse_several_kinds(cells: np.ndarray) -> None:
    """Raise a ValueError that names two labels that have no order."""
    values = cells.tolist()
    kinds = {kind: _kind(kind) for kind in set(map(type, values))}
    if len(set(kinds.values())) < 2:
        return
    first = kinds[type(values[0])]
    i = next(i for i, value in enumerate(values) if kinds[type(value)] != first)
    raise ValueError(
        f"y has labels of several kinds, such as {shown(values[0])} in row 0, a {first}, and "
        f"{shown(values[i])} in row {i}, a {kinds[type(values[i])]}. Convert all of them to one "
        "kind, such as [str(label) for label in y]."
    )


def _kind(of: type) -> str:
    """What labels of one type may stand among."""
    if issubclass(of, Real) or issubclass(of, np.bool_):
        return "number"
    return next((kind.__name__ for kind in (str, bytes) if issubclass(of, kind)), of.__name__)
