"""Some rows of a table that is read in chunks, as a table, for what needs no more of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from skpc._data.row_sample import RowSample, n_rows_drawn, row_keys
from skpc._tables.columns import Columns, rows_at, take_rows
from skpc._tables.frames import concatenated
from skpc._tables.sources import Source, as_source
from skpc._tables.summary import TableSummary
from skpc._tables.validation import named

_MOST_COPIES = 8


def summarised(source: Source, sample_weight: Any, feature_types: Any) -> TableSummary:
    """What the columns of a source show, chunk by chunk."""
    total: TableSummary | None = None
    for table, weights, name in source.weighted_chunks(sample_weight):
        with named(name):
            of_chunk = TableSummary.of(table, weights, feature_types)
            total = of_chunk if total is None else total.merged(of_chunk)
    if total is None:
        raise ValueError(f"{source.name} has no row of positive weight: at least one is needed.")
    return total


def keyed_matrix(columns: Columns, table: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The matrix of a part of a table, which messages call so, and the keys of its rows."""
    with named(name):
        matrix = columns.to_matrix(table)
        matrix = np.asarray(matrix.toarray() if issparse(matrix) else matrix, np.float64)
    return matrix, row_keys(matrix)


def in_memory(X: Any, sample_weight: Any, feature_types: Any, max_bytes: int) -> tuple[Any, Any]:
    """X and its weights as they are, or rows that are drawn from it, if it is a source.

    Parameters
    ----------
    X, sample_weight, feature_types : as they are passed to estimators
    max_bytes : see `as_source`
    """
    source = as_source(X, max_bytes)
    return (
        (X, sample_weight) if source is None else drawn_table(source, sample_weight, feature_types)
    )


def drawn_table(source: Source, sample_weight: Any, feature_types: Any) -> tuple[Any, np.ndarray]:
    """The rows of a source that `RowSample` draws, all of them if they are few, and their weights.

    Of more rows than are drawn at most each distinct one is there once, or, if it is repeated, some
    times, with equal shares of its weight: so that repetitions can be held out.

    Parameters
    ----------
    source : Source
    sample_weight : array-like of shape (n_samples,) or None
    feature_types : see `SharpPCDensity`
    """
    summary = summarised(source, sample_weight, feature_types)
    columns = summary.learn_columns()
    most = n_rows_drawn(len(columns.columns))
    drawn = counts = RowSample.empty(len(columns.columns), most)
    is_weighted = sample_weight is not None
    kept = _Kept()
    n_rows = 0
    for table, weights, name in source.weighted_chunks(sample_weight):
        n_rows += len(weights)
        matrix, keys = keyed_matrix(columns, table, name)
        drawn = drawn.with_rows(keys, matrix, weights)
        if is_weighted:
            counts = counts.with_rows(keys, matrix, np.ones(len(keys)))
        kept.add(table, keys, weights, drawn.largest_key)
        if n_rows > most:
            kept.reduce()
    source.check_same(summary.n_rows, n_rows)
    table, keys, weights = kept.all(drawn.largest_key)
    if n_rows <= most:
        return table, weights
    place = np.searchsorted(drawn.keys, keys)
    n_repetitions = (counts if is_weighted else drawn).weights
    copies = np.minimum(n_repetitions[place], _MOST_COPIES).astype(int)
    turns = [np.flatnonzero(copies > turn) for turn in range(copies.max())]
    rows = np.concatenate(turns)
    return rows_at(table, rows), (drawn.weights[place] / copies)[rows]


class _Kept:
    """Rows of chunks that may be drawn, with their keys and weights."""

    def __init__(self) -> None:
        self._tables: list[Any] = []
        self._keys: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []

    def add(self, table: Any, keys: np.ndarray, weights: np.ndarray, largest: np.uint64) -> None:
        """Keep the rows of a chunk whose keys are no larger."""
        is_near = keys <= largest
        self._tables.append(take_rows(table, is_near))
        self._keys.append(keys[is_near])
        self._weights.append(weights[is_near])

    def all(self, largest: np.uint64) -> tuple[Any, np.ndarray, np.ndarray]:
        """The rows that are kept, those with keys no larger."""
        keys, weights = np.concatenate(self._keys), np.concatenate(self._weights)
        is_near = keys <= largest
        return take_rows(concatenated(self._tables), is_near), keys[is_near], weights[is_near]

    def reduce(self) -> None:
        """Keep each distinct row once, the first of them."""
        keys = np.concatenate(self._keys)
        is_first = np.zeros(len(keys), bool)
        is_first[np.unique(keys, return_index=True)[1]] = True
        self._tables = [take_rows(concatenated(self._tables), is_first)]
        self._keys = [keys[is_first]]
        self._weights = [np.concatenate(self._weights)[is_first]]
