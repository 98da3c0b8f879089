"""Some rows of a table that is read in chunks, as a table, for what needs no more of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from skpc._data.row_sample import RowSample, n_rows_drawn, row_keys
from skpc._tables.columns import take_rows
from skpc._tables.frames import concatenated
from skpc._tables.sources import Source, as_source
from skpc._tables.summary import TableSummary


def summarised(source: Source, sample_weight: Any, feature_types: Any) -> TableSummary:
    """What the columns of a source show, chunk by chunk."""
    total: TableSummary | None = None
    for table, weights in source.weighted_chunks(sample_weight):
        of_chunk = TableSummary.of(table, weights, feature_types)
        total = of_chunk if total is None else total.merged(of_chunk)
    if total is None:
        raise ValueError(f"{source.name} has no row of positive weight: at least one is needed.")
    return total


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

    Parameters
    ----------
    source : Source
    sample_weight : array-like of shape (n_samples,) or None
    feature_types : see `SharpPCDensity`
    """
    summary = summarised(source, sample_weight, feature_types)
    columns = summary.learn_columns()
    drawn = RowSample.empty(len(columns.columns), n_rows_drawn(len(columns.columns)))
    tables, of_rows, all_keys = [], [], []
    n_rows = 0
    for table, weights in source.weighted_chunks(sample_weight):
        n_rows += len(weights)
        matrix = np.asarray(columns.to_matrix(table), np.float64)
        keys = row_keys(matrix)
        drawn = drawn.with_rows(keys, matrix, weights)
        is_near = keys <= drawn.largest_key
        tables.append(take_rows(table, is_near))
        of_rows.append(weights[is_near])
        all_keys.append(keys[is_near])
    source.check_same(summary.n_rows, n_rows)
    is_drawn = np.concatenate(all_keys) <= drawn.largest_key
    return take_rows(concatenated(tables), is_drawn), np.concatenate(of_rows)[is_drawn]
