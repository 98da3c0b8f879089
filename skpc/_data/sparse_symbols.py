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
