"""Evidence: what the rows of a table show each region, as numbered symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.sparse import csc_array, issparse

from skpc._data.distinct import distinct_rows, distinct_vectors
from skpc._data.sparse_symbols import SparseSymbols, Symbols, dense_rows, region_symbols, take_rows
from skpc._kernels import evidence as kernels
from skpc._threads import launch

_BLOCK_CELLS = 2**22
_TASK_CELLS = 2**15
_NATIVE = (np.uint8, np.int64, np.float64)  # read as they are; the kernel is compiled for each


@dataclass(frozen=True)
class Evidence:
    """What the rows of a table show each region, as *symbols* that number distinct cases.

    For a categorical region with V categories the symbols are 0 to V - 1 for them, V for a
    missing value and V + 1 for a value never seen. For one of numbers, or of several columns,
    they number the distinct vectors in these rows.

    Attributes
    ----------
    symbols : (n_regions, n) int32 array or SparseSymbols
    n_symbols : (n_regions,)
    values : tuple of n_regions (n_symbols, m) arrays or None
        The vectors that symbols stand for, sorted, NaN missing; None for the categories of one
        column. A value of a discrete column that is none of its categories was never seen.
    memo : dict
        What was made of `values` and is needed again; other rows over the same symbols share it.
    """

    symbols: Symbols
    n_symbols: np.ndarray
    values: tuple[np.ndarray | None, ...]
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def with_symbols(self, symbols: Symbols) -> Evidence:
        """Other rows over the same symbols."""
        return replace(self, symbols=symbols)

    def without_rows(self) -> Evidence:
        """The symbols and what they stand for, without any rows."""
        return replace(self, symbols=np.empty((len(self.n_symbols), 0), np.int32))

    def column(self, region: int, categories: np.ndarray | None = None) -> np.ndarray:
        """The values (n,) of a region of one column, infinite where one was never seen.

        Parameters
        ----------
        region : int
        categories : (n_categories,) or None
            Those of the column if it is discrete.
        """
        vectors = self.values[region]
        if vectors is None:
            assert categories is not None
            vectors = np.append(categories, [np.nan, np.inf])[:, None]
        return vectors[region_symbols(self.symbols, region), 0]

    def distinct(self, weights: np.ndarray) -> tuple[Evidence, np.ndarray, np.ndarray]:
        """Each row once, in canonical order.

        Returns
        -------
        evidence : Evidence
        weights : (n_distinct,)
            Those of all repetitions of a row, added up.
        first : (n_distinct,)
            The number of a row of this evidence that shows the same.
        """
        first, weights = distinct_rows(self.symbols, self.n_symbols, weights)
        return self.with_symbols(take_rows(self.symbols, first)), weights, first

    def weights_of(self, region: int, weights: np.ndarray) -> np.ndarray:
        """The summed weights (n_symbols,) of a region's symbols."""
        symbols = region_symbols(self.symbols, region)
        return np.bincount(symbols, weights, self.n_symbols[region])

    def grouped(
        self, features: Sequence[np.ndarray], categories: Sequence[np.ndarray | None]
    ) -> Evidence:
        """The evidence of regions that observe several of these, or none, one column each.

        Parameters
        ----------
        features : per new region, the numbers of the old ones it takes together; regions of
            different trees may take the same
        categories : per old region, its categories, or None if its column is continuous
        """
        if all(list(columns) == [region] for region, columns in enumerate(features)):
            return self
        n_symbols = np.full(len(features), 2)  # of a region that observes nothing
        values: list[np.ndarray | None] = [None] * len(features)
        first_with: dict[tuple[int, ...], int] = {}
        merged = {}
        for region, columns in enumerate(features):
            same = first_with.setdefault(tuple(columns), region)
            if same < region:
                n_symbols[region], values[region] = n_symbols[same], values[same]
            elif len(columns) == 1:
                n_symbols[region] = self.n_symbols[columns[0]]
                values[region] = self.values[columns[0]]
            elif len(columns) > 1:
                rows = np.stack([self.column(j, categories[j]) for j in columns], axis=1)
                vectors, merged[region] = distinct_vectors(rows)
                values[region], n_symbols[region] = vectors, len(vectors)
        if isinstance(self.symbols, SparseSymbols) and not merged:
            chosen = np.array([columns[0] if len(columns) else -1 for columns in features])
            return Evidence(self.symbols.regions(chosen), n_symbols, tuple(values))
        symbols = np.zeros((len(features), self.symbols.shape[1]), np.int32)
        for region, columns in enumerate(features):
            if len(columns) == 1:
                symbols[region] = region_symbols(self.symbols, columns[0])
            elif len(columns) > 1:
                symbols[region] = merged[first_with[tuple(columns)]]
        return Evidence(symbols, n_symbols, tuple(values))

    @property
    def is_discrete(self) -> bool:
        """Whether no symbols stand for vectors: they mean the same in the rows of any table."""
        return all(vectors is None for vectors in self.values)

    @property
    def value_bytes(self) -> int:
        """Memory of the vectors that symbols stand for."""
        return sum(vectors.nbytes for vectors in self.values if vectors is not None)

    @property
    def dense_symbols(self) -> np.ndarray:
        """The symbols as a dense array, to read."""
        return dense_rows(self.symbols, slice(None))

    def without_unused(self) -> Evidence:
        """The same rows, without those vectors that none of them shows."""
        if self.is_discrete:
            return self
        if not isinstance(self.symbols, SparseSymbols):
            return self.take(slice(None))
        deviations, default = self.symbols.deviations.tocsc(), self.symbols.default
        n_symbols, values = self.n_symbols.copy(), list(self.values)
        tables = []
        for region, vectors in enumerate(self.values):
            table = np.arange(self.n_symbols[region], dtype=np.int32)
            if vectors is not None:
                stored = deviations.data[deviations.indptr[region] : deviations.indptr[region + 1]]
                others = [0] if len(stored) < deviations.shape[0] else []
                used = np.unique(default[region] + np.append(stored, others).astype(np.int64))
                table[used] = np.arange(len(used))
                n_symbols[region], values[region] = len(used), vectors[used]
            tables.append(table)
        return Evidence(self.symbols.mapped(tables), n_symbols, tuple(values))

    def take(self, rows: slice) -> Evidence:
        """The evidence of some of the rows, dense, with no more symbols than they need."""
        symbols = dense_rows(self.symbols, rows)
        has_values = np.array([vectors is not None for vectors in self.values], bool)
        if not has_values.any():
            return Evidence(symbols, self.n_symbols.copy(), self.values)
        # All regions at once: a wide table has thousands.
        regions = np.flatnonzero(has_values)
        first_with: dict[int, int] = {}
        first = np.array([first_with.setdefault(id(self.values[r]), r) for r in regions.tolist()])
        is_again = first < regions  # of other trees, over the same columns
        is_again[is_again] = (symbols[first[is_again]] == symbols[regions[is_again]]).all(axis=1)
        again, regions, first = regions[is_again], regions[~is_again], first[is_again]
        shown = symbols[regions]
        order = np.argsort(shown, axis=1, kind="stable")
        ascending = np.take_along_axis(shown, order, axis=1)
        is_new = np.ones(shown.shape, bool)
        is_new[:, 1:] = ascending[:, 1:] != ascending[:, :-1]
        n_symbols, values = self.n_symbols.copy(), list(self.values)
        n_symbols[regions] = is_new.sum(axis=1)
        unused = np.flatnonzero(n_symbols[regions] < self.n_symbols[regions])
        if not len(unused):
            return Evidence(symbols, n_symbols, self.values)
        ranks = np.cumsum(is_new, axis=1, dtype=np.int32) - np.int32(1)
        np.put_along_axis(shown, order, ranks, axis=1)
        symbols = symbols.copy()  # may be a view of ours
        symbols[regions] = shown
        for i in unused.tolist():
            vectors = self.values[regions[i]]
            assert vectors is not None
            values[regions[i]] = vectors[ascending[i, is_new[i]]]
        symbols[again], n_symbols[again] = symbols[first], n_symbols[first]
        for region, same in zip(again.tolist(), first.tolist(), strict=True):
            values[region] = values[same]
        return Evidence(symbols, n_symbols, tuple(values))


def encode(
    X: np.ndarray, features: Sequence[np.ndarray], categories: Sequence[np.ndarray | None]
) -> Evidence:
    """What the rows of X show each region.

    Parameters
    ----------
    X : (n, n_features) array or sparse matrix, NaN missing
    features : per region, the columns it observes
    categories : per region, its sorted categories (none: it observes nothing), or None if
        its columns are continuous
    """
    if issparse(X):
        return _encode_sparse(csc_array(X, copy=True), features, categories)
    n_categories = np.array([-1 if c is None else len(c) for c in categories], np.int64)
    symbols = np.zeros((len(categories), X.shape[0]), np.int32)
    discrete = [r for r, n in enumerate(n_categories) if n > 0]
    if discrete:
        columns = np.array([features[r][0] for r in discrete], np.int64)
        sizes = n_categories[discrete]
        dtype = X.dtype if X.dtype in _NATIVE else np.dtype(np.float64)
        start = np.append(0, np.cumsum(sizes))
        flat = np.concatenate([c for c in categories if c is not None])
        lowest, place = np.repeat(flat[start[:-1]], sizes), np.repeat(start[:-1], sizes)
        is_next = flat == lowest + (np.arange(len(flat)) - place)
        is_range = np.logical_and.reduceat(is_next, start[:-1])
        table = kernels.Categories(columns, np.array(discrete), start, flat, is_range)
        n_block = max(1, _BLOCK_CELLS // max(1, X.shape[1]))
        task_rows = max(16, _TASK_CELLS // max(1, X.shape[1]))
        for first in range(0, X.shape[0], n_block):
            block = np.require(X[first : first + n_block], dtype, ["C", "W"])
            launch(
                kernels.encode, -(-len(block) // task_rows), block, task_rows, table, first, symbols
            )
    n_symbols = n_categories + 2
    values: list[np.ndarray | None] = [None] * len(categories)
    first_with: dict[tuple[int, ...], int] = {}
    for region, known in enumerate(categories):
        if known is None:
            same = first_with.setdefault(tuple(features[region].tolist()), region)
            if same == region:
                vectors, symbols[region] = distinct_vectors(X[:, features[region]])
                values[region], n_symbols[region] = vectors, len(vectors)
            else:  # of another tree
                symbols[region], n_symbols[region] = symbols[same], n_symbols[same]
                values[region] = values[same]
    return Evidence(symbols, n_symbols, tuple(values))


def _encode_sparse(
    X: csc_array, features: Sequence[np.ndarray], categories: Sequence[np.ndarray | None]
) -> Evidence:
    """`encode` for a sparse matrix, of which only stored entries are looked at; X is tidied.

    Regions that observe several columns make their part dense.
    """
    X.sum_duplicates()
    X.eliminate_zeros()
    n_rows = X.shape[0]
    default = np.zeros(len(features), np.int64)
    n_symbols = np.empty(len(features), np.int64)
    values: list[np.ndarray | None] = []
    indices, data = [], []
    for region, (columns, known) in enumerate(zip(features, categories, strict=True)):
        vectors = None
        if len(columns) == 1:
            stored = slice(X.indptr[columns[0]], X.indptr[columns[0] + 1])
            rows, entries = X.indices[stored], X.data[stored].astype(np.float64)
            levels = known
            if levels is None:
                levels = np.unique(np.append(entries, 0.0) if len(rows) < n_rows else entries)
                vectors = levels[:, None]
            codes = symbols_of(entries, levels)
            if len(rows) < n_rows:
                default[region] = symbols_of(np.zeros(1), levels)[0]
            n_symbols[region] = len(levels) + (2 if known is not None else 0)
        else:
            rows, codes = np.empty(0, np.int64), np.empty(0, np.int64)
            n_symbols[region] = 2
            if len(columns) > 1:
                rows = np.arange(n_rows)
                vectors, codes = distinct_vectors(X[:, columns].toarray())
                n_symbols[region] = len(vectors)
        indices.append(rows)
        data.append((codes - default[region]).astype(np.int32))
        values.append(vectors)
    indptr = np.append(0, np.cumsum([len(rows) for rows in indices]))
    deviations = csc_array(
        (np.concatenate(data), np.concatenate(indices), indptr), (n_rows, len(features))
    )
    deviations.eliminate_zeros()
    return Evidence(SparseSymbols(default, deviations.tocsr()), n_symbols, tuple(values))


def symbols_of(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The position of each value among sorted levels, or else V if missing and V + 1."""
    position = np.minimum(np.searchsorted(levels, values), len(levels) - 1)
    is_level = (levels[position] == values) | (np.isnan(levels[position]) & np.isnan(values))
    return np.where(is_level, position, np.where(np.isnan(values), len(levels), len(levels) + 1))
