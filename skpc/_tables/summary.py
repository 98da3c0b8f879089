"""What the columns of a table show in all, from summaries of its parts that can be merged.

Of a column of labels, or of few numbers, that is every value and its weight: the column is then
read as if the table were there. Of a column of many numbers it is their range; where it matters
how they are distributed, rows that were drawn tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from skpc._data.scope import BINOMIAL, CATEGORICAL, NUMERIC
from skpc._tables import frames
from skpc._tables.cells import Cells, are_ordered, is_declared
from skpc._tables.column_types import (
    Column,
    column_name,
    learn_column,
    refuse_infinity,
    refuse_merged,
    wanted_types,
)
from skpc._tables.columns import Columns, are_same, library_of, read_columns
from skpc._tables.frames import names_of
from skpc._tables.numbers import BOOLEAN, DECIMAL, FLOAT, FRACTION, INTEGER, Numbers

_MOST_NUMBERS = 2**12  # of which each is counted
_MOST_LABELS = 2**20
_KINDS = (BOOLEAN, INTEGER, DECIMAL, FRACTION, FLOAT)  # each can hold those before


class ColumnSummary(NamedTuple):
    """What the cells of a column show.

    Attributes
    ----------
    values : (m,) or None
        The distinct values, ascending: numbers or labels; None if there are too many numbers.
    weights : (m,)
        How many rows have each.
    low, high : float
        The least and the greatest number; NaN if there is none.
    labels, numbers, dtype : see `skpc._tables.cells.Cells`
    exact : set or None
        Numbers that float64 might not tell apart.
    """

    values: np.ndarray | None
    weights: np.ndarray
    low: float
    high: float
    labels: Any
    numbers: Numbers | None
    dtype: tuple[Any, ...]
    exact: set[Any] | None

    @classmethod
    def of(cls, cells: Cells, weights: np.ndarray, most: int, name: str) -> ColumnSummary:
        """The summary of cells (n,) of weighted rows; of more than `most` numbers their range."""
        values, sums = _counted_labels(cells.values, weights) if cells.labels is not None else (
            _counted_numbers(cells.values, weights, most, name)
        )  # fmt: skip
        low = high = np.nan
        if cells.labels is None and len(values):
            low, high = float(values[0]), float(values[-1])
        exact = None
        if cells.exact is not None:
            exact = set(cells.exact)
            refuse_merged(exact, np.unique(cells.values), name)
        own = cls(values, sums, low, high, cells.labels, cells.numbers, cells.dtype, exact)
        return own._bounded(most, name)

    @property
    def is_empty(self) -> bool:
        """Whether no cell has a value."""
        return self.values is not None and not len(self.values)

    def merged(self, other: ColumnSummary, most: int, name: str) -> ColumnSummary:
        """The summary of the cells of both."""
        if (self.labels is None) != (other.labels is None):
            if other.is_empty:
                return self
            if self.is_empty:
                return other
            raise ValueError(
                f"{name} holds labels in some chunks and numbers in others. Give every chunk the "
                "same dtype: strings, say, if some cells are no numbers."
            )
        labels, dtype, numbers = self.labels, self.dtype, self.numbers
        if self.labels is not None:
            labels, dtype = _joint_labels(self, other, name)
        elif self.dtype != other.dtype:
            widest = max(self, other, key=_width)
            numbers, dtype = widest.numbers, widest.dtype
        values, weights = None, np.empty(0)
        if self.values is not None and other.values is not None:
            values, weights = _summed(
                np.concatenate([self.values, other.values]),
                np.concatenate([self.weights, other.weights]),
            )
        exact = None
        if self.exact is not None or other.exact is not None:
            exact = (self.exact or set()) | (other.exact or set())
        low, high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        both = ColumnSummary(
            values, weights, float(low), float(high), labels, numbers, dtype, exact
        )  # fmt: skip
        return both._bounded(most, name)

    def _bounded(self, most: int, name: str) -> ColumnSummary:
        """The same with no more values than may be kept."""
        if self.values is None or len(self.values) <= most:
            return self
        if self.labels is not None or most == _MOST_LABELS:
            what = "labels" if self.labels is not None else "categories"
            raise ValueError(
                f"{name} has more than {_MOST_LABELS} different {what}. Drop the column if it "
                "only names rows, or merge rare ones."
            )
        return self._replace(values=None, weights=np.empty(0), exact=None)

    def learnt(
        self,
        wanted: str,
        name: str,
        drawn: tuple[np.ndarray, np.ndarray] | None,
        numbers: str = NUMERIC,
    ) -> Column:
        """How the column is read; without values, from those of rows that were drawn.

        Where there are none yet, a numeric column has no margin. "auto" takes numbers that are no
        codes for `numbers`.
        """
        if self.values is not None:
            values = self.values
            if self.labels is None:
                values = values.astype(np.float64)
            exact = None if self.exact is None else sorted(self.exact)
            cells = Cells(values, self.labels, self.numbers, self.dtype, exact)
            return learn_column(cells, wanted, name, self.weights, numbers)
        kind = numbers if wanted == "auto" else wanted
        ends = Cells(np.array([self.low, self.high]), None, self.numbers, self.dtype, None)
        column = learn_column(ends, kind, name, np.ones(2))
        if kind != NUMERIC:
            return column
        if drawn is None:
            return replace(column, margin=None)
        cells = ends._replace(values=drawn[0])
        return learn_column(cells, NUMERIC, name, drawn[1])


@dataclass(frozen=True)
class TableSummary:
    """What a table shows of its columns.

    Attributes
    ----------
    columns : tuple of ColumnSummary
    wanted : list of str
        What `feature_types` says of each; see `wanted_types`.
    names, index, library
        See `skpc._tables.columns.Columns`.
    n_rows : int
    total_weight : float
    """

    columns: tuple[ColumnSummary, ...]
    wanted: list[str]
    names: tuple[Any, ...] | None
    index: tuple[Any, ...] | None
    library: str | None
    n_rows: int
    total_weight: float

    @classmethod
    def of(
        cls, X: Any, weights: np.ndarray, feature_types: str | Sequence[str] | Mapping[Any, str]
    ) -> TableSummary:
        """The summary of a frame or array, all of whose rows (n,) have weight."""
        names = names_of(X)
        wanted = wanted_types(feature_types, names, X.shape[1])
        cells = read_columns(X, names)
        columns = tuple(
            ColumnSummary.of(of_column, weights, _most(of_column, kind), column_name(names, j))
            for j, (of_column, kind) in enumerate(zip(cells, wanted, strict=True))
        )
        return cls(
            columns, wanted, names, frames.read_index(X), library_of(X), len(weights),
            float(weights.sum()),
        )  # fmt: skip

    def merged(self, other: TableSummary) -> TableSummary:
        """The summary of the rows of both."""
        if len(self.columns) != len(other.columns):
            raise ValueError(
                f"X has {len(self.columns)} columns in some chunks and {len(other.columns)} in "
                "others. Give every chunk the same columns."
            )
        if self.library != other.library or not are_same(self.names, other.names):
            raise ValueError(
                "X has chunks of different kinds, or with different names of columns: "
                f"{self._described()} and {other._described()}. Give every chunk the same columns, "
                "in the same order."
            )
        columns = tuple(
            own.merged(of_other, _most(own, kind), column_name(self.names, j))
            for j, (own, of_other, kind) in enumerate(
                zip(self.columns, other.columns, self.wanted, strict=True)
            )
        )
        return replace(
            self,
            columns=columns,
            n_rows=self.n_rows + other.n_rows,
            total_weight=self.total_weight + other.total_weight,
        )

    def _described(self) -> str:
        if self.names is None:
            return "arrays"
        return f"frames of {self.library} with the columns {', '.join(map(str, self.names))}"

    def learn_columns(self, numbers: str = NUMERIC) -> Columns:
        """How columns are read; those that are still open have no margin.

        "auto" takes numbers that are no codes for `numbers`.
        """
        learnt = tuple(
            column.learnt(kind, column_name(self.names, j), None, numbers)
            for j, (column, kind) in enumerate(zip(self.columns, self.wanted, strict=True))
        )
        return Columns(learnt, self.names, self.index, self.library)

    def completed(self, columns: Columns, drawn: np.ndarray, weights: np.ndarray) -> Columns:
        """The columns with a margin for each, those of open ones by rows that were drawn.

        Parameters
        ----------
        columns : Columns
            Of `learn_columns`.
        drawn : (n, n_features)
            A matrix of rows. The least and the greatest value of a column that they do not show
            is added to theirs, with the share that one row has of all.
        weights : (n,)
        """
        learnt = list(columns.columns)
        for j, column in enumerate(self.columns):
            if learnt[j].type == NUMERIC and learnt[j].margin is None:
                ends = np.setdiff1d([column.low, column.high], drawn[:, j])
                one = weights.sum() / self.total_weight
                own = np.append(drawn[:, j], ends), np.append(weights, np.full(len(ends), one))
                learnt[j] = column.learnt(self.wanted[j], column_name(self.names, j), own)
        return replace(columns, columns=tuple(learnt))


def _most(cells: Cells | ColumnSummary, wanted: str) -> int:
    """How many distinct values of a column are counted."""
    is_discrete = cells.labels is not None or wanted in (CATEGORICAL, BINOMIAL)
    return _MOST_LABELS if is_discrete else _MOST_NUMBERS


def _counted_numbers(
    values: np.ndarray, weights: np.ndarray, most: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """The distinct numbers, ascending, and their weights; of many only the ends, and some more."""
    if values.dtype.kind == "f":
        refuse_infinity(values, name)
    values = values.astype(np.float64) + 0.0  # no negative zero
    is_seen = ~np.isnan(values)
    values, weights = values[is_seen], weights[is_seen]
    some = np.unique(values[: 2 * most + 1])
    # Sorting all values would take most of the time of a pass.
    if len(some) > most:
        return np.unique(np.append(some, [values.min(), values.max()])), np.empty(0)
    codes = np.searchsorted(some, values)
    if len(some) and (some[np.minimum(codes, len(some) - 1)] == values).all():
        return some, np.bincount(codes, weights, len(some))
    return _summed(values, weights)


def _counted_labels(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct labels, ascending, and their weights."""
    code_of: dict[Any, int] = {}
    codes = np.array([code_of.setdefault(value, len(code_of)) for value in values], np.intp)
    weights = np.bincount(codes, weights, len(code_of))
    code_of.pop(None, None)
    labels = sorted(code_of)
    out = np.empty(len(labels), object)
    out[:] = labels
    return out, weights[[code_of[label] for label in labels]]


def _summed(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values, ascending, and the sums of their weights."""
    distinct, codes = np.unique(values, return_inverse=True)
    return distinct, np.bincount(codes, weights, len(distinct))


def _width(column: ColumnSummary) -> tuple[Any, ...]:
    """Sorts what can hold more after what can hold less."""
    assert column.numbers is not None
    kind = _KINDS.index(column.numbers.kind)
    return kind, column.numbers.high, str(column.dtype)


def _joint_labels(one: ColumnSummary, other: ColumnSummary, name: str) -> Any:
    """Labels that both declare, and a dtype for them."""
    if one.dtype[0] != other.dtype[0] or not (is_declared(one.dtype) and is_declared(other.dtype)):
        undeclared = min(one, other, key=lambda c: (len(c.labels) > 0, c.is_empty, str(c.dtype)))
        if len(undeclared.labels) == 0:
            return (), undeclared.dtype
    if np.array_equal(one.labels, other.labels):
        return one.labels, one.dtype
    if are_ordered(one.dtype) or are_ordered(other.dtype):
        raise ValueError(
            f"{name} has ordered categories that are not the same in all chunks. Give every chunk "
            "the same dtype."
        )
    union = sorted({*one.labels, *other.labels})
    labels = np.empty(len(union), object)
    labels[:] = union
    return labels, (one.dtype[0], labels, *one.dtype[2:])
