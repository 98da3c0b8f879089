"""A sample of the distinct rows of a table that depends on the set of its rows alone.

Every row has a key, which is a hash of what it shows; the rows with the least keys are the
sample. So samples of parts of a table can be merged, in any order, into that of the table, and
the weight of each row is that of all its repetitions, wherever they are.

References
----------
E. Cohen and H. Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

MOST_ROWS = 2**16
"""So many rows say what to learn at most, and fewer of many columns."""

_MOST_CELLS = 2**21
_LEAST_ROWS = 2**13
_MULTIPLIERS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class RowSample:
    """Distinct weighted rows with the least keys.

    Attributes
    ----------
    keys : (m,) uint64, ascending
    matrix : (m, n_features) float64, NaN missing
    weights : (m,)
    most : int
        Of how many rows it may consist.
    is_complete : bool
        Whether these are all rows of the table.
    """

    keys: np.ndarray
    matrix: np.ndarray
    weights: np.ndarray
    most: int
    is_complete: bool = True

    @classmethod
    def empty(cls, n_columns: int, most: int) -> RowSample:
        """The sample of a table without rows."""
        none = np.empty(0)
        return cls(none.astype(np.uint64), np.empty((0, n_columns)), none, most)

    @property
    def largest_key(self) -> np.uint64:
        """Rows with greater keys are not in the sample."""
        return np.uint64(2**64 - 1) if self.is_complete else self.keys[-1]

    def with_rows(self, keys: np.ndarray, matrix: np.ndarray, weights: np.ndarray) -> RowSample:
        """The sample of a table that has these rows (n, n_features), with these keys, as well."""
        if not self.is_complete:
            is_least = keys <= self.largest_key
            keys, matrix, weights = keys[is_least], matrix[is_least], weights[is_least]
        return self.merged(replace(self, keys=keys, matrix=matrix, weights=weights))

    def merged(self, other: RowSample) -> RowSample:
        """The sample of the rows of both tables."""
        keys = np.concatenate([self.keys, other.keys])
        weights = np.concatenate([self.weights, other.weights])
        order = np.lexsort([weights, keys])  # equal rows are added in the same order
        keys, weights = keys[order], weights[order]
        first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
        kept = first[: self.most]
        sums = np.add.reduceat(weights, first)[: self.most] if len(first) else weights
        places = order[kept]
        is_own = places < len(self.keys)
        matrix = np.empty((len(kept), self.matrix.shape[1]))
        matrix[is_own] = self.matrix[places[is_own]]
        matrix[~is_own] = other.matrix[places[~is_own] - len(self.keys)]
        is_complete = self.is_complete and other.is_complete and len(first) <= self.most
        return RowSample(keys[kept], matrix, sums, self.most, is_complete)


def n_rows_drawn(n_columns: int) -> int:
    """How many rows say what to learn of a table of which nobody holds all, at most."""
    return min(MOST_ROWS, max(_LEAST_ROWS, _MOST_CELLS // n_columns))


def row_keys(matrix: np.ndarray) -> np.ndarray:
    """A hash (n,) uint64 of each row (n, n_features): the mixer of SplitMix64, cell by cell."""
    keys = np.zeros(len(matrix), np.uint64)
    for column in matrix.T:
        cells = np.asarray(column, np.float64) + 0.0  # no negative zero
        cells[np.isnan(cells)] = np.nan  # one of its many forms
        keys = _mixed(keys + _STEP ^ cells.view(np.uint64))
    return keys


def _mixed(keys: np.ndarray) -> np.ndarray:
    keys = (keys ^ (keys >> np.uint64(30))) * _MULTIPLIERS[0]
    keys = (keys ^ (keys >> np.uint64(27))) * _MULTIPLIERS[1]
    return keys ^ (keys >> np.uint64(31))
