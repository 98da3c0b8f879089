"""From a table to numbers that the circuit can read, and back: the only file that knows frames.

Inside, a table is a matrix: numbers as they are, labels as their position among the labels of
their column, NaN where a value is missing.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array, issparse

from skpc._levels import Levels

CATEGORICAL, BINOMIAL, GAUSSIAN = "categorical", "binomial", "gaussian"
TYPES = CATEGORICAL, BINOMIAL, GAUSSIAN

_ORDERED = "category, ordered"
_NEAR_LIMIT = 0.8, 1.25
_MANY_LABELS = 1_000
_MANY_LEVELS = 10_000
_LARGEST = 1e150


def column_name(names: Sequence[str] | None, j: int) -> str:
    """How messages call column `j`."""
    return f"column {j}" if names is None else f"column {str(names[j])!r}"


def frame_module(X: Any) -> Any:
    """The module of the frame library that X comes from, or None if it is no frame."""
    for name in ("pandas", "polars"):
        module = sys.modules.get(name)
        if module is not None and isinstance(X, getattr(module, "DataFrame", ())):
            return module
    return None


def _library(X: Any) -> str | None:
    """What X is made with: see `Columns.library`."""
    module = frame_module(X)
    if module is not None:
        return str(module.__name__)
    return "scipy.sparse" if issparse(X) else None


@dataclass(frozen=True)
class Column:
    """How one column of a table is read.

    Attributes
    ----------
    type : "categorical", "binomial" or "gaussian"
    categories : (n_categories,) float64 or None
        Sorted values in the matrix, `Levels` if it is binomial; None if the column is Gaussian.
    labels : (n_categories,) object array or None
        What the categories of a column of labels are called; None if they are numbers.
    dtype : str
        What the column was made of, to give the same back.
    """

    type: str
    categories: np.ndarray | None
    labels: np.ndarray | None
    dtype: str


@dataclass(frozen=True)
class Columns:
    """How a table is read, and the way back.

    Attributes
    ----------
    columns : tuple of Column
    names : tuple of str or None
    library : "pandas", "polars", "scipy.sparse", or None for arrays
    """

    columns: tuple[Column, ...]
    names: tuple[Any, ...] | None
    library: str | None

    @classmethod
    def learn(
        cls,
        X: Any,
        feature_types: str | Sequence[str] | Mapping[Any, str] = "auto",
        max_categories: int = 32,
    ) -> Columns:
        """Read the type, and the categories, of every column.

        Parameters
        ----------
        X : frame or validated array (n, d)
            The rows that count.
        feature_types : "auto", a sequence of d types, or a mapping from names or positions
        max_categories : int
            Columns of integers with at most so many distinct ones are categorical.

        Raises
        ------
        ValueError
            If a column has no value, dates, or values of several kinds, or if
            `feature_types` does not fit.
        """
        module = frame_module(X)
        names = None if module is None else tuple(X.columns)
        if issparse(X):  # columns are read one by one
            X = csc_array(X)
        wanted = _wanted_types(feature_types, names, X.shape[1])
        columns = []
        for j in range(X.shape[1]):
            name = column_name(names, j)
            values, labels, dtype = _read_column(X, j, module, name)
            columns.append(_learn_column(values, labels, dtype, wanted[j], max_categories, name))
        return cls(tuple(columns), names, _library(X))

    @property
    def categories(self) -> list[np.ndarray | None]:
        """Per column what the categories are called, in their order; None if continuous."""
        called = (c.categories if c.labels is None else c.labels for c in self.columns)
        return [None if values is None else np.asarray(values) for values in called]

    def fits(self, X: Any) -> bool:
        """Whether X is of the same kind, with the same columns."""
        names = None if frame_module(X) is None else tuple(X.columns)
        return _library(X) == self.library and names == self.names

    def positions(self, keys: Sequence[Any], parameter: str) -> list[int]:
        """Column numbers of names or positions, for a parameter that refers to columns."""
        return _positions(keys, self.names, len(self.columns), parameter)

    def take(self, positions: Sequence[int]) -> Columns:
        """How to read a table of some of the columns."""
        names = None if self.names is None else tuple(self.names[j] for j in positions)
        return replace(self, columns=tuple(self.columns[j] for j in positions), names=names)

    def groups(self, feature_groups: Any) -> list[list[int]] | None:
        """The groups of continuous columns asked for, as positions; None to find them.

        Raises
        ------
        ValueError
            If a column is unknown, categorical, or in two groups.
        """
        if feature_groups is None:
            return []
        if isinstance(feature_groups, str):
            return None
        n_columns = len(self.columns)
        for group in feature_groups:
            if isinstance(group, (str, Integral)):
                raise ValueError(
                    "feature_groups must be a sequence of sequences of names or positions, such "
                    f"as [['a', 'b']]; got the element {group!r}."
                )
        groups = [
            _positions(group, self.names, n_columns, "feature_groups") for group in feature_groups
        ]
        members = [j for group in groups for j in group]
        for j in members:
            name = column_name(self.names, j)
            if members.count(j) > 1:
                raise ValueError(f"feature_groups has {name} more than once.")
            if self.columns[j].type != GAUSSIAN:
                raise ValueError(
                    f"feature_groups has {name}, which is {self.columns[j].type}: only continuous "
                    "columns can be grouped."
                )
        return [group for group in groups if len(group) > 1]

    def to_matrix(self, X: Any, *, handle_unknown: str = "ignore") -> np.ndarray:
        """The matrix (n, d) of a table; an array stays as it is.

        A label never seen in training becomes a number that no category has.

        Raises
        ------
        ValueError
            If `handle_unknown` is "error" and a category is new.
        """
        module = frame_module(X)
        if module is None:
            for j, column in enumerate(self.columns):
                if column.labels is not None:
                    raise ValueError(
                        f"X is no frame, but fit saw labels in {column_name(self.names, j)}. Pass "
                        "a frame with the columns that fit saw."
                    )
            matrix = csr_array(X) if issparse(X) else X
        else:
            matrix = np.empty(X.shape, np.float64)
            for j, column in enumerate(self.columns):
                name = column_name(self.names, j)
                values, labels, _ = _read_column(X, j, module, name)
                matrix[:, j] = _to_codes(values, labels, column, name)
        _check_finite(matrix, self.names)
        if handle_unknown == "error":
            self.refuse_unknown(
                X,
                matrix,
                "Set handle_unknown='ignore' to give it the mass of a category without counts.",
            )
        return matrix

    def refuse_unknown(self, X: Any, matrix: Any, remedy: str) -> None:
        """Raise a ValueError that names the first category of X that fit did not see."""
        if issparse(matrix):  # columns are read one by one
            matrix = csc_array(matrix)
        module = frame_module(X)
        for j, column in enumerate(self.columns):
            if column.categories is None:
                continue
            values = _dense_column(matrix, j).astype(np.float64)
            unknown = ~np.isnan(values) & ~np.isin(values, column.categories)
            if unknown.any():
                i = int(np.argmax(unknown))
                value = values[i]
                if module is not None:
                    value = X[i, j] if module.__name__ == "polars" else X.iloc[i, j]
                shown = f"{value:g}" if isinstance(value, Real) else repr(value)
                raise ValueError(
                    f"X has a category that the last fit did not see: {shown} in "
                    f"{column_name(self.names, j)}, row {i}. {remedy}"
                )

    def first_without_value(self, matrix: Any) -> int | None:
        """The first column of a matrix, or of some of its rows, in which all are missing."""
        if matrix.dtype.kind != "f":
            return None
        if issparse(matrix):  # columns are read one by one
            matrix = csc_array(matrix)
        for j in range(matrix.shape[1]):
            if np.isnan(_dense_column(matrix, j)).all():
                return j
        return None

    def fill(self, X: Any, matrix: np.ndarray, filled: np.ndarray) -> Any:
        """A copy of a table with its missing cells filled, all else as it is.

        Parameters
        ----------
        X : frame or array (n, d)
        matrix : (n, d)
            Its matrix, NaN where a cell is missing.
        filled : (n, d)
            A matrix without NaN.
        """
        module = frame_module(X)
        if module is None:
            return filled.astype(X.dtype)
        out = X.clone() if module.__name__ == "polars" else X.copy()
        for j, column in enumerate(self.columns):
            rows = np.flatnonzero(np.isnan(matrix[:, j]))
            if rows.size and module.__name__ == "polars":
                series = _filled_polars(X.to_series(j), rows, filled[rows, j], column, module)
                out = out.with_columns(series)
            elif rows.size:
                out.isetitem(j, _filled_pandas(X.iloc[:, j], rows, filled[rows, j], column, module))
        return out

    def to_table(self, matrix: np.ndarray) -> Any:
        """The table that a complete matrix of values stands for: of the kind that fit saw."""
        restored = [_restore(matrix[:, j], column) for j, column in enumerate(self.columns)]
        if self.library in (None, "scipy.sparse"):
            array = np.stack(restored, axis=1).astype(self.columns[0].dtype)
            return array if self.library is None else csr_array(array)
        module = sys.modules.get(self.library) or __import__(self.library)
        if self.library == "polars":
            return module.DataFrame(
                [
                    module.Series(str(name), values.tolist(), dtype=_polars_dtype(module, column))
                    for name, column, values in zip(
                        self.names or (), self.columns, restored, strict=True
                    )
                ]
            )
        series = {}
        for j, (column, values) in enumerate(zip(self.columns, restored, strict=True)):
            if column.dtype.startswith("category"):
                dtype = module.CategoricalDtype(column.labels, ordered=column.dtype == _ORDERED)
                series[j] = module.Series(module.Categorical(values, dtype=dtype))
            else:
                series[j] = module.Series(values).astype(column.dtype)
        return module.DataFrame(series).set_axis(list(self.names or ()), axis=1)


def take_rows(X: Any, rows: np.ndarray) -> Any:
    """The rows of a table for which the boolean `rows` (n,) is true."""
    if rows.all():
        return X
    module = frame_module(X)
    if module is not None and module.__name__ == "polars":
        return X.filter(rows)
    return X.loc[rows] if module is not None else X[rows]


def _dense_column(matrix: Any, j: int) -> np.ndarray:
    """Column `j` of an array or sparse matrix."""
    return matrix[:, [j]].toarray().ravel() if issparse(matrix) else matrix[:, j]


def _wanted_types(
    feature_types: str | Sequence[str] | Mapping[Any, str], names: Any, n_columns: int
) -> list[str]:
    """The type asked for of every column, or "auto"."""
    allowed = ("auto", *TYPES)
    if isinstance(feature_types, str):
        wanted = [feature_types] * n_columns
    elif isinstance(feature_types, Mapping):
        wanted = ["auto"] * n_columns
        for j, kind in zip(
            _positions(list(feature_types), names, n_columns, "feature_types"),
            feature_types.values(),
            strict=True,
        ):
            wanted[j] = kind
    else:
        wanted = list(feature_types)
        if len(wanted) != n_columns:
            raise ValueError(
                f"feature_types has {len(wanted)} entries for {n_columns} columns; give one for "
                "each, or a mapping from some names or positions."
            )
    for kind in wanted:
        if kind not in allowed:
            raise ValueError(f"feature_types must be among {allowed}; got {kind!r}.")
    return wanted


def _positions(keys: Sequence[Any], names: Any, n_columns: int, parameter: str) -> list[int]:
    """Column numbers of names or positions, for a parameter that refers to columns."""
    found = []
    known = {} if names is None else {name: j for j, name in enumerate(names)}
    for key in keys:
        if key in known:
            found.append(known[key])
        elif isinstance(key, (int, np.integer)) and -n_columns <= key < n_columns:
            found.append(int(key) % n_columns)
        else:
            raise ValueError(
                f"{parameter} names {key!r}, which is neither a column name nor a position "
                f"below {n_columns}."
            )
    return found


def _read_column(X: Any, j: int, module: Any, name: str) -> tuple[np.ndarray, Any, str]:
    """Values of a column, the labels it declares, and its dtype.

    Values are numbers, or an object array of str (None missing); `labels` is None for
    numbers, () for strings without declared categories.
    """
    if module is None:
        return _dense_column(X, j), None, str(X.dtype)
    if module.__name__ == "polars":
        return _read_polars(X.to_series(j), module, name)
    return _read_pandas(X.iloc[:, j], module, name)


def _read_pandas(series: Any, pandas: Any, name: str) -> tuple[np.ndarray, Any, str]:
    types = pandas.api.types
    dtype = series.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        values = series.to_numpy(dtype=object)
        values[series.isna().to_numpy()] = None
        kind = _ORDERED if dtype.ordered else "category"
        return values, dtype.categories.to_numpy(dtype=object), kind
    if types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        raise ValueError(no_dates(name, dtype))
    if types.is_complex_dtype(dtype):
        raise ValueError(f"Complex data not supported: {name} has dtype {dtype}.")
    if types.is_bool_dtype(dtype) or types.is_numeric_dtype(dtype):
        return series.to_numpy(dtype=np.float64, na_value=np.nan), None, str(dtype)
    values = series.to_numpy(dtype=object)
    missing = series.isna().to_numpy()
    return (*_read_objects(values, missing, name), str(dtype))


def _read_polars(series: Any, polars: Any, name: str) -> tuple[np.ndarray, Any, str]:
    dtype = series.dtype
    if dtype.is_temporal():
        raise ValueError(no_dates(name, dtype))
    if dtype.is_numeric() or dtype == polars.Boolean:
        values = series.cast(polars.Float64).fill_null(float("nan")).to_numpy()
        return np.array(values, np.float64), None, dtype.base_type().__name__
    values = np.array(series.to_list(), dtype=object)
    missing = series.is_null().to_numpy()
    if type(dtype).__name__ == "Enum":
        return values, np.array(dtype.categories.to_list(), dtype=object), "Enum"
    return (*_read_objects(values, missing, name), str(dtype.base_type().__name__))


def no_dates(name: str, dtype: Any) -> str:
    """The message that refuses dates."""
    return (
        f"X holds dates in {name} (dtype {dtype}). Turn them into numbers, for instance days "
        "since a fixed date, or drop the column."
    )


def _read_objects(values: np.ndarray, missing: np.ndarray, name: str) -> tuple[np.ndarray, Any]:
    """An object column as strings with no declared labels, or as numbers."""
    present = values[~missing]
    if all(isinstance(value, str) for value in present):
        values = values.copy()
        values[missing] = None
        return values, ()
    for value in present:
        if not isinstance(value, (bool, int, float, np.number, np.bool_)):
            raise ValueError(
                f"X holds values in {name} that are neither all numbers nor all strings, such as "
                f"{value!r} of type {type(value).__name__}. Convert them."
            )
    numbers = np.full(len(values), np.nan)
    numbers[~missing] = present.astype(np.float64)
    return numbers, None


def _learn_column(
    values: np.ndarray,
    declared: Any,
    dtype: str,
    wanted: str,
    max_categories: int,
    name: str,
) -> Column:
    """Type and categories of one column."""
    if declared is not None:
        if wanted == GAUSSIAN:
            raise ValueError(f"feature_types says 'gaussian' of {name}, which holds labels.")
        if wanted == BINOMIAL and dtype != _ORDERED:
            raise ValueError(
                f"feature_types says 'binomial' of {name}, whose labels have no order. Make it an "
                "ordered categorical column, or number its levels."
            )
        present = [value for value in values if value is not None]
        labels = declared if len(declared) else np.array(sorted(set(present)), dtype=object)
        if not present:
            raise ValueError(_no_value(name))
        if len(labels) > _MANY_LABELS:
            warnings.warn(
                f"{name} has {len(labels)} different labels; memory grows with their square. "
                "Drop the column if it only names rows, or merge rare labels.",
                UserWarning,
                stacklevel=2,
            )
        if wanted == BINOMIAL:
            return Column(BINOMIAL, Levels.between(0, len(labels) - 1), labels, dtype)
        return Column(CATEGORICAL, np.arange(float(len(labels))), labels, dtype)
    if values.dtype.kind == "f":
        _refuse_infinity(values, name)
        values = values[~np.isnan(values)]
    if not values.size:
        raise ValueError(_no_value(name))
    distinct = np.unique(values).astype(np.float64)
    if (np.diff(distinct) == 0).any():
        raise ValueError(
            f"X has integers beyond 2^53 in {name}, which float64 cannot tell apart. Encode them "
            "as categories 0, 1, 2, ..., or subtract an offset."
        )
    is_integer = np.array_equal(distinct, np.floor(distinct))
    if wanted == "auto" and dtype.lower().startswith("bool"):
        wanted = CATEGORICAL
    if wanted == "auto":
        if is_integer and (
            _NEAR_LIMIT[0] * max_categories < len(distinct) <= _NEAR_LIMIT[1] * max_categories
        ):
            warnings.warn(
                f"{name} has {len(distinct)} distinct integers, near max_categories="
                f"{max_categories}: on other rows it may be read the other way, and log mass and "
                "log density cannot be compared. Say which it is with feature_types.",
                UserWarning,
                stacklevel=2,
            )
        wanted = CATEGORICAL if is_integer and len(distinct) <= max_categories else GAUSSIAN
    if wanted == GAUSSIAN and np.abs(distinct).max() > _LARGEST:
        raise ValueError(
            f"X contains a value too large to be squared: {distinct[np.abs(distinct).argmax()]} "
            f"in {name}. Rescale the column."
        )
    if wanted == BINOMIAL:
        return Column(BINOMIAL, _levels(distinct, name), None, dtype)
    return Column(wanted, distinct if wanted == CATEGORICAL else None, None, dtype)


def _levels(distinct: np.ndarray, name: str) -> Levels:
    """All integers from the least to the greatest of these values."""
    fractions = distinct[distinct != np.floor(distinct)]
    if fractions.size:
        raise ValueError(
            f"feature_types says 'binomial' of {name}, which has the value {fractions[0]:g}. "
            "Levels are integers: number them, or say 'gaussian'."
        )
    if distinct[-1] - distinct[0] >= _MANY_LEVELS:
        raise ValueError(
            f"feature_types says 'binomial' of {name}, whose values reach from {distinct[0]:g} to "
            f"{distinct[-1]:g}: more than {_MANY_LEVELS} levels. Say 'gaussian'."
        )
    return Levels.between(distinct[0], distinct[-1])


def _no_value(name: str) -> str:
    return f"X has no value in {name}: every row that counts is missing there. Drop the column."


def _to_codes(values: np.ndarray, labels: Any, column: Column, name: str) -> np.ndarray:
    """Numbers of a column's values: their own, or the positions of labels."""
    if all(value is None or value != value for value in values):  # of no kind: all missing
        return np.full(len(values), np.nan)
    if (labels is None) != (column.labels is None):
        kinds = ("labels", "numbers") if labels is None else ("numbers", "labels")
        raise ValueError(f"X holds {kinds[1]} in {name}, where fit saw {kinds[0]}.")
    if column.labels is None:
        return values
    code_of = {label: float(code) for code, label in enumerate(column.labels)}
    code_of[None] = np.nan
    unseen = float(len(column.labels))
    return np.array([code_of.get(value, unseen) for value in values], np.float64)


def _restore(values: np.ndarray, column: Column) -> np.ndarray:
    """Labels of codes; numbers stay, rounded to the range where the column held integers."""
    if column.labels is not None:
        return column.labels[values.astype(np.intp)]
    dtype = column.dtype.lower()
    if dtype.startswith(("int", "uint")):
        limits = np.iinfo(dtype)
        # float64 has no neighbour just inside the limits of 64 bits: stay well inside.
        low, high = (max(limits.min, -(2**62)), min(limits.max, 2**62))
        return np.clip(np.rint(values), low, high).astype(np.int64)
    if dtype.startswith("bool"):
        return values > 0.5
    return values


def _filled_pandas(
    series: Any, rows: np.ndarray, values: np.ndarray, column: Column, pandas: Any
) -> Any:
    """A copy of a column with the values of these rows, of its own dtype where that can be."""
    types = pandas.api.types
    dtype = series.dtype
    series = series.copy()
    if column.labels is not None:
        cells = column.labels[values.astype(np.intp)]
        if isinstance(dtype, pandas.CategoricalDtype):
            known = set(dtype.categories)
            series = series.cat.add_categories([c for c in dict.fromkeys(cells) if c not in known])
        elif types.is_numeric_dtype(dtype):  # all are missing: it was of no kind
            series = series.astype(object)
    elif isinstance(dtype, pandas.CategoricalDtype) or dtype.kind == "O":
        present = series.dropna()
        holds_booleans = len(present) and all(isinstance(x, (bool, np.bool_)) for x in present)
        cells = values > 0.5 if holds_booleans else values
        series = series.astype(object)
    else:
        kind = str(dtype).lower().split("[")[0]  # of NumPy, pandas and Arrow alike
        cells = _restore(values, replace(column, dtype=kind))
    series.iloc[rows] = cells
    return series


def _filled_polars(
    series: Any, rows: np.ndarray, values: np.ndarray, column: Column, polars: Any
) -> Any:
    """See `_filled_pandas`."""
    dtype = series.dtype
    kind = str(dtype.base_type().__name__)
    cells = _restore(values, replace(column, dtype=kind)).tolist()
    out = series.to_list()
    for row, cell in zip(rows, cells, strict=True):
        out[row] = cell
    if dtype == polars.Null or (column.labels is not None and dtype.is_numeric()):
        dtype = _polars_dtype(polars, column)  # all are missing: it was of no kind
    return polars.Series(series.name, out, dtype=dtype)


def _polars_dtype(polars: Any, column: Column) -> Any:
    if column.dtype == "Enum":
        return polars.Enum(list(column.labels if column.labels is not None else ()))
    return polars.Float64 if column.dtype == "Decimal" else getattr(polars, column.dtype)


def explain_strings(X: Any, error: Exception) -> None:
    """Raise a ValueError that names the first cell of an array that is not a number.

    Returns if there is none: then `error`, from the validation of X, is the best there is.
    """
    cells = np.asarray(X)
    if cells.ndim != 2 or cells.dtype.kind not in "OUS":
        return
    for (i, j), value in np.ndenumerate(cells):
        if isinstance(value, (str, bytes)):
            try:
                float(value)
            except ValueError:
                raise ValueError(
                    f"X holds strings: could not convert string to float: {str(value)!r} in "
                    f"row {i}, column {j}. Pass a frame, whose columns of strings are read as "
                    "categories, or encode them as integers with "
                    "sklearn.preprocessing.OrdinalEncoder."
                ) from error


def _check_finite(matrix: Any, names: Sequence[Any] | None) -> None:
    """Raise ValueError naming the first column with an infinity; NaN is allowed."""
    entries = matrix.data if issparse(matrix) else matrix
    if matrix.dtype.kind != "f" or not np.isinf(entries).any():
        return
    for j in range(matrix.shape[1]):
        _refuse_infinity(_dense_column(matrix, j), column_name(names, j))


def _refuse_infinity(values: np.ndarray, name: str) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        i = int(np.argmax(infinite))
        raise ValueError(
            f"X contains infinity or a value too large: {values[i]} in row {i}, {name}. Replace "
            "it, or mark it as missing with NaN."
        )
