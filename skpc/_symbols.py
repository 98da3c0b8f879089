"""Symbols of a sparse table: most rows show each column its default.

Dense symbols are plain ``(n_regions, n)`` int32 arrays; what differs between the two is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array


@dataclass(frozen=True)
class SparseSymbols:
    """Symbols as a default for each region and the deviations of rows from it.

    Attributes
    ----------
    default : (n_regions,) int64
    deviations : (n, n_regions) csr_array of int32
        Symbol less default; entries that are not stored are zero.
    """

    default: np.ndarray
    deviations: csr_array

    @property
    def shape(self) -> tuple[int, int]:
        """(n_regions, n), as of a dense array."""
        n_rows, n_regions = self.deviations.shape
        return n_regions, n_rows

    def mapped(self, tables: Sequence[np.ndarray]) -> SparseSymbols:
        """The symbols ``tables[r][symbol]`` instead, region by region."""
        start = np.cumsum([0, *map(len, tables)])[:-1]
        flat = np.concatenate(tables)
        default = flat[start + self.default].astype(np.int64)
        column = self.deviations.indices
        new = flat[start[column] + self.default[column] + self.deviations.data] - default[column]
        deviations = self.deviations.copy()
        deviations.data = new.astype(np.int32)
        deviations.eliminate_zeros()
        return SparseSymbols(default, deviations)

    def regions(self, chosen: np.ndarray) -> SparseSymbols:
        """The symbols of these regions, in their order; -1 is one that always shows 0."""
        n_rows, n_regions = self.deviations.shape
        arrays = self.deviations.data, self.deviations.indices, self.deviations.indptr
        deviations = csr_array(arrays, (n_rows, n_regions + 1))[:, chosen]
        return SparseSymbols(np.append(self.default, 0)[chosen], deviations)


Symbols = np.ndarray | SparseSymbols


def dense_rows(symbols: Symbols, rows: slice) -> np.ndarray:
    """The symbols (n_regions, n_rows) of some rows, dense and contiguous; perhaps a view."""
    if isinstance(symbols, SparseSymbols):
        block = np.ascontiguousarray(symbols.deviations[rows].T.toarray(), dtype=np.int32)
        block += symbols.default[:, None].astype(np.int32)
        return block
    return np.ascontiguousarray(symbols[:, rows])


def take_rows(symbols: Symbols, rows: np.ndarray) -> Symbols:
    """The symbols of the rows with these numbers, in their order."""
    if isinstance(symbols, SparseSymbols):
        return SparseSymbols(symbols.default, symbols.deviations[rows])
    return np.take(symbols, rows, axis=1)  # faster than by an index, and contiguous


def region_symbols(symbols: Symbols, region: int) -> np.ndarray:
    """The symbols (n,) of one region."""
    if isinstance(symbols, SparseSymbols):
        column = symbols.deviations[:, [region]].toarray().ravel()
        return (column + symbols.default[region]).astype(np.int32)
    return symbols[region]


def distinct_columns(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct columns (m, n_distinct) of an array (m, n), and each column's number.

    NumPy's `unique` sorts along an axis by comparing records, slowly, and such a comparison turns
    an interrupt into a TypeError.
    """
    order = np.lexsort(codes[::-1])
    ordered = codes[:, order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    inverse = np.empty(len(order), np.int64)
    inverse[order] = np.cumsum(is_first) - 1
    return ordered[:, is_first], inverse


def pack(symbols: Symbols, n_symbols: np.ndarray) -> np.ndarray:
    """Pack the symbols of each row into few int64 words (n_words, n) that sort like them."""
    word_of, stride_of = _layout(n_symbols)
    words = np.zeros((word_of[-1] + 1, symbols.shape[1]), np.int64)
    if isinstance(symbols, SparseSymbols):
        np.add.at(words, word_of, (symbols.default * stride_of)[:, None])
        deviations = symbols.deviations
        row = np.repeat(np.arange(deviations.shape[0]), np.diff(deviations.indptr))
        column = deviations.indices
        np.add.at(words, (word_of[column], row), deviations.data * stride_of[column])
    else:
        for region, column in enumerate(symbols):
            words[word_of[region]] += column * stride_of[region]
    return words


def _layout(n_symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Word and stride of each region: earlier regions weigh more."""
    word_of = np.zeros(len(n_symbols), np.int64)
    sizes: list[list[int]] = [[]]
    room = 2**62
    for region, size in enumerate(map(int, n_symbols)):
        if room < size:
            sizes.append([])
            room = 2**62
        sizes[-1].append(size)
        word_of[region] = len(sizes) - 1
        room //= size
    strides = [np.append(np.cumprod(part[:0:-1], dtype=np.int64)[::-1], 1) for part in sizes]
    return word_of, np.concatenate(strides).astype(np.int64)
