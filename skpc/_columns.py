"""From a table to numbers that the circuit can read, with errors that name the column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def column_name(feature_names: Sequence[str] | None, j: int) -> str:
    """How messages call column `j`."""
    return f"column {j}" if feature_names is None else f"column {feature_names[j]!r}"


def explain_strings(X: Any, error: Exception) -> None:
    """Raise a ValueError that names the first cell of an array that is not a number.

    Returns if there is none: then `error`, from the validation of X, is the best there is.
    """
    cells = np.asarray(X)
    if cells.ndim != 2 or cells.dtype.kind not in "OUS":
        return
    names = [str(name) for name in X.columns] if hasattr(X, "columns") else None
    for (i, j), value in np.ndenumerate(cells):
        if isinstance(value, (str, bytes)):
            try:
                float(value)
            except ValueError:
                raise ValueError(
                    f"X holds strings: could not convert string to float: {str(value)!r} in "
                    f"row {i}, {column_name(names, j)}. Encode categories as integers, for "
                    "instance with sklearn.preprocessing.OrdinalEncoder."
                ) from error


def check_finite(X: np.ndarray, feature_names: Sequence[str] | None) -> None:
    """Raise ValueError naming the first column of X with an infinity; NaN is allowed."""
    if X.dtype.kind != "f":
        return
    infinite = np.isinf(X)
    if infinite.any():
        i, j = np.argwhere(infinite)[0]
        raise ValueError(
            f"X contains infinity or a value too large: {X[i, j]} in row {i}, "
            f"{column_name(feature_names, j)}. Replace it, or mark it as missing with NaN."
        )


def learn_categories(X: np.ndarray, feature_names: Sequence[str] | None = None) -> list[np.ndarray]:
    """Sorted distinct values of every column, NaN left out.

    Parameters
    ----------
    X : (n, n_features)
        Rows that count: leave those of weight zero out.
    feature_names : sequence of str, optional
        For messages.

    Returns
    -------
    list of n_features float64 arrays

    Raises
    ------
    ValueError
        If a column has no value at all, or one that is not an integer.
    """
    categories = []
    for j in range(X.shape[1]):
        values = X[:, j]
        if values.dtype.kind == "f":
            values = values[~np.isnan(values)]
            fractional = values != np.floor(values)
            if fractional.any():
                raise ValueError(
                    f"X has a value that is not an integer: {values[fractional][0]} in "
                    f"{column_name(feature_names, j)}. Columns are categorical: round or bin "
                    "the values, for instance with sklearn.preprocessing.KBinsDiscretizer."
                )
        if not values.size:
            raise ValueError(
                f"X has no value in {column_name(feature_names, j)}: every row that counts is "
                "missing there. Drop the column."
            )
        categories.append(np.unique(values).astype(np.float64))
    return categories
