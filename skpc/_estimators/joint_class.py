"""The class as one more column: how a table and its classes are read together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array, hstack, issparse

from skpc._data.scope import CATEGORICAL
from skpc._estimators.density import SharpPCDensity
from skpc._tables import frames
from skpc._tables.columns import Columns

_NAME = "class"
_FLOATS = "numpy", "<f8"
_PLAIN_INDEX = "Index", None, None


def with_class(columns: Columns, n_classes: int) -> Columns:
    """The columns, and a last one with the number of the class."""
    codes = np.arange(n_classes)
    if columns.names is None:  # an array of floats can hold all
        plain = [replace(column, dtype=_FLOATS) for column in columns.columns]
        of_class = Columns.learn(codes[:, None].astype(np.float64), CATEGORICAL).columns
        return replace(columns, columns=(*plain, *of_class))
    of_codes = frames.make_frame(str(columns.library), [_NAME], None, [(None, codes)])
    of_class = Columns.learn(of_codes, CATEGORICAL).columns
    return replace(
        columns,
        columns=(*columns.columns, *of_class),
        names=_names_with_class(columns.names),
        index=_PLAIN_INDEX if columns.library == "pandas" else None,
    )


def _names_with_class(names: tuple[Any, ...]) -> tuple[str, ...]:
    """These names as strings, and a new one."""
    strings = tuple(map(str, names))
    if len({*strings}) < len(strings):
        strings = tuple(map(str, range(len(strings))))
    name = _NAME
    while name in strings:
        name += "_"
    return (*strings, name)


def joined(matrix: Any, codes: np.ndarray) -> Any:
    """The matrix (n, d) of a table with the numbers (n,) of its classes as a last column."""
    column = codes.astype(np.float64)[:, None]
    if issparse(matrix):
        return hstack([matrix, csr_array(column)], format="csr")
    return np.hstack([matrix, column])


def log_joint(density: SharpPCDensity, matrix: Any, n_classes: int) -> np.ndarray:
    """Log p(x, y) (n, n_classes) of the rows of a matrix (n, d), by a density of both."""
    parts = (
        density._score_samples(joined(matrix, np.full(matrix.shape[0], code)))
        for code in range(n_classes)
    )
    return np.stack([*parts], axis=1)


def log_of_classes(estimators: list[SharpPCDensity], matrix: Any) -> np.ndarray:
    """Log densities (n, n_classes) of rows, -inf by one that had nothing to learn from."""
    nothing = np.full(matrix.shape[0], -np.inf)
    return np.stack(
        [own._score_samples(matrix) if hasattr(own, "circuit_") else nothing for own in estimators],
        axis=1,
    )


def log_shares(density: SharpPCDensity, n_classes: int) -> np.ndarray:
    """Log p(y) (n_classes,) by a density of columns and class."""
    nothing = np.full((1, density.n_features_in_ - 1), np.nan)
    return log_joint(density, nothing, n_classes)[0]


def prepare(density: SharpPCDensity, columns: Columns, whole: Columns) -> None:
    """Have an unfitted density of some columns expect those with the class, or indicators."""
    groups = density.feature_groups
    if groups is not None and not isinstance(groups, str):  # names may not be the same
        density.feature_groups = columns.groups(groups)
    density.feature_types = [column.type for column in whole.columns]
    density.n_features_in_ = len(whole.columns)
    density.__dict__.pop("feature_names_in_", None)
    names = whole.names
    if names is not None and all(isinstance(name, str) for name in names):
        density.feature_names_in_ = np.array(names, object)


def check_joint(density: Any, columns: Columns, n_classes: int) -> None:
    """Raise ValueError unless this is a fitted density of the columns and so many classes."""
    if not isinstance(density, SharpPCDensity) or not hasattr(density, "circuit_"):
        raise ValueError("density_ must be a fitted SharpPCDensity.")
    whole = with_class(columns, n_classes)
    density._columns.check_estimator(density)
    if density._columns.names != whole.names or len(density._columns.columns) != len(whole.columns):
        raise ValueError("density_ must be of the columns and the class.")
    whole.check_circuit(density.circuit_)
    whole.check_categories(density.categories_)
