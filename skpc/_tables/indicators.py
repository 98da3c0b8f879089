"""Indicators: columns of zeros and ones behind the others, which tell where values are missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skpc._checks import shown
from skpc._tables import frames
from skpc._tables.columns import Columns
from skpc._tables.frames import is_frame
from skpc._tables.holes import indicator_names


def columns_with_holes(matrix: np.ndarray) -> np.ndarray:
    """Positions of the columns of a matrix (n, d) in which a value is missing."""
    return np.flatnonzero(np.isnan(matrix).any(axis=0))


def with_indicators(matrix: np.ndarray, features: np.ndarray) -> np.ndarray:
    """A matrix (n, d) with an indicator behind it for each of some columns (m,)."""
    return np.hstack([matrix, np.isnan(matrix[:, features])])


def indicated(columns: Columns, features: np.ndarray) -> Columns:
    """How such a matrix is read: each indicator has both categories, seen or not.

    Raises
    ------
    ValueError
        If a column is called as the indicator of another one.
    """
    (one,) = Columns.learn(np.array([[0.0], [1.0]]), "categorical").columns
    names = columns.names
    if names is not None:
        added = indicator_names(names, features)
        for name in added:
            if name in names:
                raise ValueError(
                    f"X has {shown(name)}, which is the name of an indicator. Rename it."
                )
        names = (*names, *added)
    return replace(columns, columns=(*columns.columns, *[one] * len(features)), names=names)


def with_holes(table: Any, features: np.ndarray, holes: np.ndarray) -> Any:
    """A table whose cells are missing in some columns (m,) where `holes` (n, m) says so.

    The table may be changed: nobody else has it.
    """
    if is_frame(table):
        for j, own in zip(features.tolist(), holes.T, strict=True):
            table = frames.with_holes(table, j, own)
        return table
    rows, places = np.nonzero(holes)
    table[rows, features[places]] = np.nan
    return table
