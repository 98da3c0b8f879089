"""Sources: tables that are read in chunks, again and again, because they do not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from skpc._checks import shown
from skpc._tables import parquet
from skpc._tables.columns import take_rows
from skpc._tables.frames import is_frame, part_of
from skpc._tables.validation import check_weights, named, validate_table

_MOST_CELLS = 2**22  # of a chunk


@dataclass(frozen=True)
class Source:
    """A table that is read chunk by chunk.

    Attributes
    ----------
    open : callable
        Gives a new iterator of the chunks: arrays or frames with the same columns.
    name : str
        What messages call it.
    """

    open: Callable[[], Iterable[Any]]
    name: str

    def chunks(self) -> Iterator[Any]:
        """The chunks that have rows, none of more than some million cells, each checked."""
        is_empty = True
        for number, given in enumerate(_opened(self)):
            with named(f"chunk {number} of {self.name}"):
                table = validated_chunk(parquet.to_frame(given))
            if table is None:
                continue
            is_empty = False
            n_rows = max(1, _MOST_CELLS // max(1, table.shape[1]))
            for first in range(0, table.shape[0], n_rows):
                rows = slice(first, first + n_rows)
                yield part_of(table, rows) if is_frame(table) else table[rows]
        if is_empty:
            raise ValueError(
                f"{self.name} has no row: at least one is needed. A function that is passed as X "
                "has to return a new iterator each time."
            )

    def weighted_chunks(self, sample_weight: Any = None) -> Iterator[tuple[Any, np.ndarray, str]]:
        """The chunks, less rows of weight zero, the weights of their rows, and a name for each."""
        weights, n_rows = None, 0
        if sample_weight is not None:
            weights = _checked_weights(sample_weight)
        for table in self.chunks():
            first, n_rows = n_rows, n_rows + table.shape[0]
            name = f"{self.name}, rows {first} to {n_rows - 1},"
            if weights is None or not weights.ndim:
                yield table, np.full(table.shape[0], 1.0 if weights is None else weights), name
                continue
            of_chunk = weights[first:n_rows]
            if len(of_chunk) < table.shape[0]:
                break
            if of_chunk.any():
                yield take_rows(table, of_chunk > 0), of_chunk[of_chunk > 0], name
        if weights is not None and weights.ndim and len(weights) != n_rows:
            n_shown = n_rows if len(weights) > n_rows else f"at least {n_rows}"
            raise ValueError(
                f"sample_weight has {len(weights)} entries, and {self.name} {n_shown} rows. Give "
                "one for each row."
            )

    def check_same(self, first: int, second: int) -> None:
        """Raise ValueError if two passes had other numbers of rows."""
        if first != second:
            raise ValueError(
                f"{self.name} had {first} rows when it was read first, and {second} the second "
                "time. It must give the same rows each time: a function has to return a new "
                "iterator."
            )


def as_source(X: Any, max_bytes: int) -> Source | None:
    """What X is read from in chunks, or None if it is a table to be taken as a whole.

    Parameters
    ----------
    X : anything that is passed to an estimator as X
    max_bytes : int
        A memory-mapped array that is not larger than this in double precision is an array.
    """
    if isinstance(X, (str, PathLike)):
        return Source(lambda: parquet.batches(Path(X)), f"X={shown(str(X))}")
    if parquet.is_dataset(X):
        return Source(lambda: parquet.batches(X), "X")
    if isinstance(X, np.memmap):
        is_large = X.ndim == 2 and 8 * X.size > max_bytes
        return Source(lambda: _slices(X), "X") if is_large else None
    if _is_stored_array(X):
        return Source(lambda: _slices(X), "X")
    if callable(X) and not isinstance(X, type):
        return Source(X, "X")
    return None


def _checked_weights(sample_weight: Any) -> np.ndarray:
    """Weights of all rows (n,), or the one that all have ()."""
    if np.ndim(sample_weight) == 0:
        if not isinstance(sample_weight, Real):
            raise ValueError(
                f"sample_weight must be an array; got a {type(sample_weight).__name__}. Pass one "
                "with a weight for each row, also where X is read in chunks."
            )
        return check_weights([sample_weight], np.empty((1, 0)))[0]
    return check_weights(sample_weight, np.empty((len(sample_weight), 0)))


def _is_stored_array(X: Any) -> bool:
    """Whether X is an array like those of zarr and h5py, which are read when they are sliced."""
    has_parts = all(hasattr(X, name) for name in ("shape", "dtype", "chunks", "__getitem__"))
    return has_parts and len(X.shape) == 2 and not hasattr(X, "compute")


def _slices(X: Any) -> Iterator[np.ndarray]:
    """Arrays of some rows each; chunks of the store are read once."""
    n_rows = max(1, _MOST_CELLS // max(1, X.shape[1]))
    stored = getattr(X, "chunks", None)
    if stored and stored[0] < n_rows:
        n_rows -= n_rows % stored[0]
    for first in range(0, X.shape[0], n_rows):
        yield np.asarray(X[first : first + n_rows])


def _opened(source: Source) -> Iterable[Any]:
    chunks = source.open()
    if not isinstance(chunks, Iterable) or hasattr(chunks, "shape"):
        raise ValueError(
            f"X is a function, which must return an iterator of arrays or frames; got a "
            f"{type(chunks).__name__}. Return iter([table]) if it is one table."
        )
    return chunks


def validated_chunk(table: Any) -> Any:
    """A chunk as estimators want it; None if it has no row."""
    if issparse(table):
        raise ValueError(
            "it is sparse, and chunks are arrays or frames. Pass one sparse matrix as X: it is "
            "never made dense."
        )
    if isinstance(table, tuple):
        raise ValueError(
            "it is a tuple, where an array or a frame is expected. Weights are passed to fit as "
            "sample_weight, for all rows."
        )
    shape = table.shape if is_frame(table) else np.shape(table)
    if len(shape) == 2 and shape[0] == 0:
        return None
    return validate_table(BaseEstimator(), table, reset=True, accept_sparse=False)
