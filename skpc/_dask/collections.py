"""Dask collections: the partitions of a table and its weights, and lazy answers for their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import dask.array
import dask.dataframe
import numpy as np
from dask.delayed import delayed
from sklearn.utils.validation import validate_data

from skpc._dask import tasks
from skpc._dask.cluster import Cluster
from skpc._tables.validation import check_total_weight

_FRAME = dask.dataframe.DataFrame
_SERIES = dask.dataframe.Series
_ARRAY = dask.array.Array


class Partitions(NamedTuple):
    """The partitions of a table, each computed when it is needed, and those of its weights.

    Attributes
    ----------
    tables : list of Delayed
    weights : list of Delayed, arrays or None
    name : str
        What messages call the table.
    """

    tables: list[Any]
    weights: list[Any]
    name: str

    def each(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What a function makes of each partition, its weights, some arguments, and its name."""
        task = delayed(function, pure=False)
        shared = [delayed(one, pure=False, traverse=False) for one in arguments]
        return [
            task(table, weights, *shared, f"partition {number} of {self.name}")
            for number, (table, weights) in enumerate(zip(self.tables, self.weights, strict=True))
        ]


def is_collection(X: Any) -> bool:
    """Whether X is an array, a frame or a series of dask."""
    return isinstance(X, (_ARRAY, _FRAME, _SERIES))


def as_table(X: Any, name: str) -> Any:
    """X with all columns in each partition, or a ValueError if it is no table."""
    if isinstance(X, _SERIES):
        raise ValueError(f"{name} is one column: pass {name}.to_frame().")
    if isinstance(X, _FRAME):
        return X
    if X.ndim != 2:
        raise ValueError(
            f"{name} must have two dimensions; got {X.ndim}. Reshape one column to (-1, 1), or a "
            "row to (1, -1)."
        )
    return X.rechunk({1: -1})


def n_columns(table: Any) -> int:
    """How many columns a table has."""
    return len(table.columns) if isinstance(table, _FRAME) else int(table.shape[1])


def partitions_of(X: Any, sample_weight: Any, name: str, cluster: Cluster) -> Partitions:
    """The partitions of a table.

    Parameters
    ----------
    X : dask array or frame
    sample_weight : dask array or series, array-like, or None
    name : str
        What messages call the table.
    cluster : Cluster
        Is asked how many rows there are if weights that are no collection are to be cut.
    """
    table = as_table(X, name)
    tables = list(np.ravel(table.to_delayed()))
    if not tables:
        raise ValueError(f"{name} has no partition: at least one row is needed.")
    return Partitions(tables, _cut_weights(table, sample_weight, tables, name, cluster), name)


def _cut_weights(
    table: Any,
    sample_weight: Any,
    tables: list[Any],
    name: str,
    cluster: Cluster,
) -> list[Any]:
    """The weights of each partition."""
    if sample_weight is None:
        return [None] * len(tables)
    lengths = table.chunks[0] if isinstance(table, _ARRAY) else [np.nan]
    if isinstance(sample_weight, (_ARRAY, _SERIES)):
        parts = _aligned(table, sample_weight, lengths)
        if len(parts) != len(tables):
            raise ValueError(
                f"sample_weight has {len(parts)} partitions and {name} {len(tables)}, whose "
                "lengths are not known. Cut both alike: call compute_chunk_sizes() of arrays, or "
                "keep the weights in a column of the same frame until fit."
            )
        return parts
    if np.isnan(lengths).any():
        count = delayed(tasks.count_rows, pure=False)
        lengths = [cluster.result(one) for one in cluster.compute([count(t) for t in tables])]
    weights = np.asarray(sample_weight)
    n_rows = sum(lengths)
    if weights.shape != (n_rows,):
        raise ValueError(
            f"sample_weight must have one entry for each of the {n_rows} rows of {name}; got the "
            f"shape {weights.shape}."
        )
    return np.split(weights, np.cumsum(lengths)[:-1].astype(int))


def _aligned(table: Any, weights: Any, lengths: Sequence[float]) -> list[Any]:
    """Delayed weights, in the partitions of the table where it is known how they lie."""
    if weights.ndim != 1:
        raise ValueError(f"sample_weight must have one dimension; got {weights.ndim}.")
    if isinstance(weights, _ARRAY):
        if not np.isnan([*lengths, *weights.chunks[0]]).any():
            weights = (
                weights.rechunk((tuple(lengths),)) if sum(lengths) == len(weights) else weights
            )
    elif not isinstance(table, _ARRAY) and table.known_divisions and weights.known_divisions:
        weights = weights.repartition(divisions=table.divisions)
    return list(np.ravel(weights.to_delayed()))


def weighted_sum(values: Any, sample_weight: Any, cluster: Cluster) -> tuple[float, float]:
    """The sum of a collection of numbers, one for each row of X, and of the rows' weights."""
    tables = list(np.ravel(values.to_delayed()))
    weights = _cut_weights(values, sample_weight, tables, "X", cluster)
    parts = Partitions(tables, weights, "X").each(tasks.weighted_sum)
    total, weight = cluster.merged(tasks.added_means, cluster.compute(parts))
    check_total_weight(np.array([weight]))
    return total, weight


def check_columns(X: Any, model: Any) -> None:
    """Raise ValueError unless X has the columns that a fitted model expects, by name or number."""
    table = as_table(X, "X")
    validate_data(
        model,
        table._meta if isinstance(table, _FRAME) else np.empty((0, n_columns(table))),
        reset=False,
        skip_check_array=True,
    )


def lazily(
    model: Any,
    X: Any,
    method: str,
    arguments: Sequence[Any] = (),
    *,
    columns: Sequence[Any] | None = None,
    dtype: Any = np.float64,
) -> Any:
    """What a method of a fitted model gives for the rows of X, once it is computed.

    Parameters
    ----------
    model : a plain estimator
    X : dask array or frame
    method : str
    arguments : sequence
        Of the method, after the table.
    columns : sequence or None
        Names of the columns of the answer; None: it has one number for each row.
    dtype : of the answer

    Returns
    -------
    dask array, or a series or frame with the index of X
    """
    table = as_table(X, "X")
    check_columns(table, model)
    node = delayed(model, pure=False, traverse=False)
    like = np.empty((0,) if columns is None else (0, len(columns)), dtype)
    question = node, method, tuple(arguments)
    if isinstance(table, _FRAME):
        index, frame = table._meta.index, type(table._meta)
        meta: Any = frame(
            like if like.ndim == 2 else like[:, None],
            index=index,
            columns=[method] if columns is None else list(columns),
        )
        if columns is None:
            meta = meta[method]
        return table.map_partitions(tasks.asked_of_frame, *question, meta, meta=meta)
    chunks = table.chunks[:1] if columns is None else (table.chunks[0], (len(columns),))
    dropped = [1] if columns is None else None
    return table.map_blocks(
        tasks.asked, *question, like, dtype=dtype, chunks=chunks, drop_axis=dropped, meta=like
    )
