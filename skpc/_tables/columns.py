"""From a table to numbers that the circuit can read, and back.

Inside, a table is a matrix: numbers as they are, labels as their position among the labels of
their column, NaN where a value is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csc_array, csr_array, issparse

from skpc._checks import attributes, checked_array, reading, shown
from skpc._data.scope import NUMERIC, Scope
from skpc._tables import frames
from skpc._tables.cells import Cells
from skpc._tables.column_types import (
    Column,
    are_strings,
    check_values,
    column_name,
    known_categories,
    learn_column,
    name_rows,
    positions_of,
    refuse_infinity,
    refuse_lost,
    wanted_types,
)
from skpc._tables.frames import LIBRARIES, is_frame, names_of
from skpc._tables.numbers import BOOLEAN, EXACT_LIMIT, FLOAT, Numbers, is_whole

if TYPE_CHECKING:
    from skpc._circuit.circuit import Circuit


_READ_ROWS = 2**14


def library_of(X: Any) -> str | None:
    """What X is made with: see `Columns.library`."""
    return frames.library_of(X) or ("scipy.sparse" if issparse(X) else None)


@dataclass(frozen=True)
class Columns:
    """How a table is read, and the way back.

    Attributes
    ----------
    columns : tuple of Column
    names : tuple or None
    index : tuple or None
        What index of pandas the names are, in the plain form of `_frames`.
    library : "pandas", "polars", "pyarrow", "scipy.sparse", or None for arrays
    """

    columns: tuple[Column, ...]
    names: tuple[Any, ...] | None
    index: tuple[Any, ...] | None
    library: str | None

    def __getstate__(self) -> dict[str, Any]:
        """Plain things alone: a file names no part of this."""
        columns = [
            {
                **vars(column),
                "numbers": None if column.numbers is None else dict(vars(column.numbers)),
                "margin": None if column.margin is None else dict(vars(column.margin)),
            }
            for column in self.columns
        ]
        return {**vars(self), "columns": tuple(columns)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        with reading("set of columns"):
            vars(self).update(attributes(state, ("columns", "names", "index", "library")))
            if self.library not in (None, *LIBRARIES, "scipy.sparse"):  # it is imported
                raise ValueError(f"its library must be one of frames; got {shown(self.library)}.")
            if not isinstance(self.columns, tuple) or not self.columns:
                raise ValueError("it must have a tuple of columns, at least one.")
            vars(self).update(columns=tuple(map(Column.read, self.columns)))
            is_of_frame = self.library in LIBRARIES
            n_names = len(self.names) if isinstance(self.names, tuple) else None
            if n_names != (len(self.columns) if is_of_frame else None):
                raise ValueError("it must have a name for each column of a frame, and no others.")
            if not is_of_frame and any(column.labels is not None for column in self.columns):
                raise ValueError("only columns of a frame have labels.")
            dtypes = [column.dtype for column in self.columns]
            frames.check_plain(self.library, self.names, self.index, dtypes)

    @classmethod
    def learn(
        cls,
        X: Any,
        feature_types: str | Sequence[str] | Mapping[Any, str] = "auto",
        weights: np.ndarray | None = None,
        *,
        whole: Columns | None = None,
        numbers: str = NUMERIC,
        categories: Any = None,
    ) -> Columns:
        """Read the type, and the categories, of every column.

        Parameters
        ----------
        X : frame or validated array (n, d)
            The rows that count.
        feature_types : "auto", a sequence of d types, or a mapping from names or positions
        weights : (n,), default=None
            How many rows each stands for; None means one.
        whole : Columns or None
            Of a table that X is a part of: what holds where X has no value.
        numbers : str
            The type that "auto" gives to numbers which are no codes.
        categories : mapping, sequence or None
            All categories of some columns; see `known_categories`.

        Raises
        ------
        ValueError
            If a column has no value, dates, or values of several kinds, or if
            `feature_types` does not fit.
        """
        names = names_of(X)
        if issparse(X):  # columns are read one by one
            X = csc_array(X)
        wanted = wanted_types(feature_types, names, X.shape[1])
        known = known_categories(categories, names, X.shape[1])
        columns = []
        for j, cells in enumerate(read_columns(X, names)):
            name = column_name(names, j)
            if whole is not None and cells.has_no_value:
                columns.append(whole.columns[j])
                continue
            columns.append(learn_column(cells, wanted[j], name, weights, numbers, known[j]))
        return cls(tuple(columns), names, frames.read_index(X), library_of(X))

    @property
    def categories(self) -> list[np.ndarray | None]:
        """Per column what categories and levels are called, in their order; None of numbers."""
        return [
            column.labels
            if column.categories is None
            else column.restore(np.asarray(column.categories))
            for column in self.columns
        ]

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What a region observes that has a column of its own, column by column."""
        return tuple(
            Scope(np.array([j]), column.type, column.categories, margin=column.margin)
            for j, column in enumerate(self.columns)
        )

    def check_circuit(self, circuit: Circuit) -> None:
        """Raise ValueError if a circuit does not observe just these columns, as they are read."""
        features, inputs = circuit.features, circuit.inputs
        if {j for own in features for j in own.tolist()} != {*range(len(self.columns))}:
            raise ValueError(f"its circuit does not observe the {len(self.columns)} columns.")
        for region, columns in enumerate(features):
            for entry, j in enumerate(columns):
                column, known = self.columns[j], inputs[region].categories_of(entry)
                is_same = (known is None) == (column.categories is None)
                if not is_same or (
                    known is not None and not np.array_equal(known, column.categories)
                ):
                    raise ValueError(f"categories of column {j} are not those of its circuit.")
                if inputs[region].kinds[entry] != column.type:
                    raise ValueError(f"column {j} is {column.type}, but not in its circuit.")

    def check_estimator(self, estimator: Any) -> None:
        """Raise ValueError if an estimator counts or names other columns than these."""
        n_columns = len(self.columns)
        if estimator.n_features_in_ != n_columns:
            raise ValueError(
                f"n_features_in_ must be its number of columns, {n_columns}; got "
                f"{shown(estimator.n_features_in_)}."
            )
        names = self.names or ()
        expected = list(names) if all(isinstance(name, str) for name in names) else []
        given = getattr(estimator, "feature_names_in_", np.empty(0, object))
        checked_array(given, "feature_names_in_", object, (len(expected),))
        if given.tolist() != expected:
            raise ValueError(f"feature_names_in_ must be those of its columns, {expected}.")

    def check_categories(self, categories: Any) -> None:
        """Raise ValueError if categories (one array or None per column) are called otherwise."""
        for called, values in zip(self.categories, categories, strict=True):
            if called is None or values is None:
                is_same = called is values
            else:
                is_same = type(values) in (np.ndarray, np.memmap) and np.array_equal(called, values)
            if not is_same:
                raise ValueError("categories_ must be those of its columns.")

    def fits(self, X: Any) -> bool:
        """Whether X is of the same kind, with the same columns."""
        return library_of(X) == self.library and are_same(names_of(X), self.names)

    def positions(self, keys: Sequence[Any], parameter: str) -> list[int]:
        """Column numbers of names or positions, for a parameter that refers to columns."""
        return positions_of(keys, self.names, len(self.columns), parameter)

    def take(self, positions: Sequence[int]) -> Columns:
        """How to read a table of some of the columns."""
        names = None if self.names is None else tuple(self.names[j] for j in positions)
        return replace(self, columns=tuple(self.columns[j] for j in positions), names=names)

    def names_of_rows(
        self, matrix: Any, weights: np.ndarray, feature_types: Any = "auto"
    ) -> tuple[int, ...]:
        """Which columns of labels, of whose type nothing was said, only name rows; `name_rows`."""
        wanted = wanted_types(feature_types, self.names, len(self.columns))
        found = []
        for j, column in enumerate(self.columns):
            if wanted[j] == "auto" and column.labels is not None and column.type != NUMERIC:
                is_seen = ~np.isnan(matrix[:, j])
                n_labels = len(np.unique(matrix[is_seen, j]))
                if name_rows(n_labels, float(weights[is_seen].sum())):
                    found.append(j)
        return tuple(found)

    def groups(self, feature_groups: Any) -> list[list[int]] | None:
        """The groups of columns asked for, as positions; None to find them.

        Raises
        ------
        ValueError
            If a column is unknown or in two groups.
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
                    f"as [['a', 'b']]; got the element {shown(group)}."
                )
        groups = [
            positions_of(group, self.names, n_columns, "feature_groups") for group in feature_groups
        ]
        members = [j for group in groups for j in group]
        for j in members:
            if members.count(j) > 1:
                name = column_name(self.names, j)
                raise ValueError(f"feature_groups has {name} more than once.")
        return [group for group in groups if len(group) > 1]

    def to_matrix(self, X: Any) -> Any:
        """The matrix (n, d) of a table; an array stays as it is, and what is sparse is so there.

        A label never seen in training becomes a number that no category has.
        """
        self.check_names(X)
        has_labels = any(column.labels is not None for column in self.columns)
        X = X if has_labels else frames.sparse_matrix(X)
        if not is_frame(X):
            for j, column in enumerate(self.columns):
                if column.labels is not None:
                    raise ValueError(
                        f"X is no frame, but fit saw labels in {column_name(self.names, j)}. Pass "
                        "a frame with the columns that fit saw."
                    )
            matrix = _as_float64(csr_array(X) if issparse(X) else X)
            self._refuse_inexact(matrix)
        else:
            matrix = np.empty(X.shape, np.float64)
            # Labels become objects for a while, and a block of rows looks up all that are known.
            n_labels = (
                0 if column.labels is None else len(column.labels) for column in self.columns
            )
            n_block = max(_READ_ROWS, *n_labels)
            for first in range(0, len(X), n_block):
                rows = slice(first, first + n_block)
                parts = read_columns(frames.part_of(X, rows), self.names)
                for j, (column, cells) in enumerate(zip(self.columns, parts, strict=True)):
                    name = column_name(self.names, j)
                    if column.categories is not None and cells.exact is not None:
                        refuse_lost(cells.numbers, cells.exact, name)
                    matrix[rows, j] = _to_codes(cells.values, cells.labels, column, name)
        _check_finite(matrix, self.names)
        return matrix

    def check_values(self, matrix: Any) -> None:
        """Raise ValueError if a column has a value that its type cannot have."""
        for j, column in enumerate(self.columns):
            if column.categories is None:
                check_values(dense_column(matrix, j), column.type, column_name(self.names, j))

    def refuse_unknown(self, X: Any, matrix: Any, remedy: str) -> None:
        """Raise a ValueError that names the first category, or label, of X that is not known."""
        if issparse(matrix):  # columns are read one by one
            matrix = csc_array(matrix)
        for j, (column, called) in enumerate(zip(self.columns, self.categories, strict=True)):
            if called is None:
                continue
            known = np.arange(len(called)) if column.categories is None else column.categories
            values = dense_column(matrix, j)
            for first in range(0, len(values), _READ_ROWS):
                part = values[first : first + _READ_ROWS].astype(np.float64)
                unknown = ~np.isnan(part) & ~np.isin(part, known)
                if unknown.any():
                    break
            else:
                continue
            i = first + int(np.argmax(unknown))
            value = frames.cell(X, i, j) if is_frame(X) else values[i]
            if isinstance(value, (float, np.floating)) and is_whole(value):
                value = int(value)
            raise ValueError(
                f"X has a category that is not known: {shown(value)} in "
                f"{column_name(self.names, j)}, row {i}. {remedy}"
            )

    def fill(self, X: Any, places: np.ndarray, matrix: np.ndarray, filled: np.ndarray) -> Any:
        """A copy of a table with the missing cells of these columns filled, all else as it is.

        Parameters
        ----------
        X : frame or array (n, d)
        places : (n_columns,)
            Where in X the columns are.
        matrix : (n, n_columns)
            Their matrix, NaN where a cell is missing.
        filled : (n, n_columns)
            A matrix without NaN.
        """
        if not is_frame(X):
            out = np.array(X)
            holes = np.isnan(matrix)
            numbers = Numbers.of_dtype(out.dtype)
            for j in np.flatnonzero(holes.any(axis=0)).tolist():
                values = self.columns[j].supported(filled[holes[:, j], j])
                out[holes[:, j], places[j]] = numbers.restore(values).astype(out.dtype)
            return out
        out = frames.copy_frame(X)
        for j, column in enumerate(self.columns):
            rows = np.flatnonzero(np.isnan(matrix[:, j]))
            if rows.size:
                values = column.supported(filled[rows, j])
                dtype = column.dtype if library_of(X) == self.library else None
                out = frames.filled_column(
                    out, int(places[j]), rows, values, column.labels, column.numbers, dtype
                )
        return out

    def to_table(self, matrix: np.ndarray) -> Any:
        """The table that a complete matrix of values stands for: of the kind that fit saw."""
        if self.library in (None, "scipy.sparse"):
            array = np.empty(matrix.shape, self.columns[0].dtype[1])
            for j, column in enumerate(self.columns):
                array[:, j] = column.restore(matrix[:, j])
            return array if self.library is None else csr_array(array)
        assert self.library is not None
        cells = (  # one by one: labels of all columns at once would be many objects
            (
                column.dtype,
                column.supported(matrix[:, j])
                if column.dtype[0] == "CategoricalDtype"
                else column.restore(matrix[:, j]),
            )
            for j, column in enumerate(self.columns)
        )
        return frames.make_frame(self.library, self.names or (), self.index, cells)

    def without_margins(self) -> Columns:
        """The same columns, to which values go back as they are."""
        return replace(self, columns=tuple(replace(one, margin=None) for one in self.columns))

    def check_names(self, X: Any) -> None:
        """Compare names that scikit-learn does not, as not all of them are strings.

        Raises
        ------
        ValueError
            If X has other names than fit saw, or in another order.
        """
        names = names_of(X)
        if names is None or self.names is None or are_same(names, self.names):
            return
        shown_here, shown_in_fit = [*map(str, names)], [*map(str, self.names)]
        is_reordered = shown_here != shown_in_fit and sorted(shown_here) == sorted(shown_in_fit)
        if not is_reordered and (are_strings(names) or are_strings(self.names)):
            return  # scikit-learn has compared them, or warned
        j = [*map(_is_same, names, self.names)].index(False)
        raise ValueError(
            "The feature names should match those that were passed during fit, in the same order: "
            f"X has {column_name(names, j)} where fit saw {column_name(self.names, j)}. Select "
            "the columns by name, in the order of fit."
        )

    def _refuse_inexact(self, matrix: Any) -> None:
        """Refuse integers in columns of categories of an array that float64 does not have."""
        entries = matrix.data if issparse(matrix) else matrix
        if matrix.dtype.kind not in "iu" or matrix.dtype.itemsize < 8 or _are_small(entries):
            return
        for j, column in enumerate(self.columns):
            if column.categories is not None:
                numbers = Numbers.of_dtype(matrix.dtype)
                values = dense_column(matrix, j).tolist()
                refuse_lost(numbers, values, column_name(self.names, j))


def take_rows(X: Any, rows: np.ndarray) -> Any:
    """The rows of a table for which the boolean `rows` (n,) is true."""
    return X if rows.all() else rows_at(X, np.flatnonzero(rows))


def rows_at(X: Any, positions: np.ndarray) -> Any:
    """The rows of a table at these positions."""
    return frames.part_of(X, positions) if is_frame(X) else X[positions]


def are_same(names: Sequence[Any] | None, others: Sequence[Any] | None) -> bool:
    """Whether names of columns are the same, in their order; NaN is like NaN."""
    if names is None or others is None:
        return names is others
    pairs = zip(names, others, strict=False)
    return len(names) == len(others) and all(_is_same(name, other) for name, other in pairs)


def _is_same(name: Any, other: Any) -> bool:
    if isinstance(name, tuple) and isinstance(other, tuple):
        return are_same(name, other)
    return bool(name == other or (name != name and other != other))


def dense_column(matrix: Any, j: int) -> np.ndarray:
    """Column `j` of an array or sparse matrix."""
    return matrix[:, [j]].toarray().ravel() if issparse(matrix) else matrix[:, j]


def _are_small(integers: np.ndarray) -> bool:
    """Whether float64 has all integers as large as these."""
    if not integers.size:
        return True
    return bool(integers.max() < EXACT_LIMIT and integers.min() > -EXACT_LIMIT)


def _as_float64(values: Any) -> Any:
    """Floats that are wider as float64, infinite where they are too large; others as they are."""
    if values.dtype.kind != "f" or values.dtype.itemsize <= 8:
        return values
    with np.errstate(over="ignore"):
        return values.astype(np.float64)


def read_columns(X: Any, names: Sequence[Any] | None) -> Iterator[Cells]:
    """What each column of a table holds."""
    if is_frame(X):
        yield from frames.read_columns(X, (column_name(names, j) for j in range(X.shape[1])))
        return
    numbers, dtype = Numbers.of_dtype(X.dtype), ("numpy", X.dtype.str)
    is_wide = X.dtype.itemsize > (8 if numbers.kind == FLOAT else 4) and numbers.kind != BOOLEAN
    for j in range(X.shape[1]):
        values = dense_column(X, j)
        exact = None
        if is_wide and numbers.kind == FLOAT:
            exact, values = values[~np.isnan(values)], _as_float64(values)
        elif is_wide and not _are_small(values):
            exact = values.tolist()
        yield Cells(values, None, numbers, dtype, exact)


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
    codes = map(code_of.get, values.tolist(), repeat(unseen))
    return np.fromiter(codes, np.float64, len(values))


def _check_finite(matrix: Any, names: Sequence[Any] | None) -> None:
    """Raise ValueError naming the first column with an infinity; NaN is allowed."""
    entries = matrix.data if issparse(matrix) else matrix
    if matrix.dtype.kind != "f" or not np.isinf(entries).any():
        return
    for j in range(matrix.shape[1]):
        refuse_infinity(dense_column(matrix, j), column_name(names, j))
