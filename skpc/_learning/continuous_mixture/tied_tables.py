"""Tables of categorical columns, on a forest, whose logits a decoder gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class _Group(NamedTuple):
    """Columns with as many categories, whose parents have as many.

    Attributes
    ----------
    columns : (n,) int
    n_above, n_categories : int
    outputs, features : slice
    """

    columns: np.ndarray
    n_above: int
    n_categories: int
    outputs: slice
    features: slice

    @property
    def n_tables(self) -> int:
        """Number of distributions."""
        return len(self.columns) * self.n_above


class TiedTables:
    """How numbers from a decoder become tables, and the gradient back.

    Logits are those of all categories but the last, whose is zero. A feature is an indicator of a
    category together with that of the parent; categories first, so that sums over them are sums
    of long rows.

    Parameters
    ----------
    n_categories : (m,)
    parents : (m,)
        Positions, -1 at a root.

    Attributes
    ----------
    n_outputs, n_features : int
    """

    def __init__(self, n_categories: np.ndarray, parents: np.ndarray) -> None:
        self.parents = parents
        n_above = np.where(parents >= 0, n_categories[parents], 1)
        self._groups = []
        self._first, self._step = np.zeros((2, len(parents)), np.int64)
        self._n_categories = n_categories
        n_outputs = n_features = 0
        for above, size in sorted({*zip(n_above.tolist(), n_categories.tolist(), strict=True)}):
            columns = np.flatnonzero((n_above == above) & (n_categories == size))
            n_tables = len(columns) * above
            self._first[columns] = n_features + above * np.arange(len(columns))
            self._step[columns] = n_tables
            outputs = slice(n_outputs, n_outputs + n_tables * (size - 1))
            features = slice(n_features, n_features + n_tables * size)
            self._groups.append(_Group(columns, above, size, outputs, features))
            n_outputs, n_features = outputs.stop, features.stop
        self.n_outputs, self.n_features = n_outputs, n_features

    def first_outputs(self, counts: Sequence[np.ndarray]) -> np.ndarray:
        """Logits of columns with these counts (V,), whatever the parent."""
        out = np.empty(self.n_outputs)
        for group in self._groups:
            logs = np.log(np.stack([counts[column] for column in group.columns]) + 0.5)
            logits = np.repeat(logs[:, :-1] - logs[:, -1:], group.n_above, axis=0)
            out[group.outputs] = logits.T.ravel()
        return out

    def features(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and features that are one, of codes (m, n); none of what is no category."""
        is_seen = codes < self._n_categories[:, None]
        above = codes[self.parents]
        above[self.parents < 0] = 0
        is_seen &= (self.parents < 0)[:, None] | (above < self._n_categories[self.parents][:, None])
        places = self._first[:, None] + self._step[:, None] * codes + above
        columns, rows = np.nonzero(is_seen)
        return rows, places[columns, rows]

    def log_tables(self, outputs: np.ndarray, out: np.ndarray) -> None:
        """Write log probabilities, laid out as features are, of outputs (n, n_outputs)."""
        for group in self._groups:
            shape = len(outputs), group.n_categories, group.n_tables
            own = out[:, group.features].reshape(shape)
            own[:, :-1] = outputs[:, group.outputs].reshape(len(outputs), -1, group.n_tables)
            own[:, -1] = 0.0
            largest = own.max(axis=1, keepdims=True)
            own -= largest
            own -= np.log(np.exp(own).sum(axis=1, keepdims=True))
            out[:, group.features] = own.reshape(len(outputs), -1)

    def of_outputs(self, log_tables: np.ndarray, counts: np.ndarray, out: np.ndarray) -> None:
        """Write the gradient in outputs of counts times log tables, both (n, n_features)."""
        for group in self._groups:
            shape = len(counts), group.n_categories, group.n_tables
            own = counts[:, group.features].reshape(shape)
            probs = np.exp(log_tables[:, group.features].reshape(shape))
            found = own - probs * own.sum(axis=1, keepdims=True)
            out[:, group.outputs] = found[:, :-1].reshape(len(counts), -1)

    def tables(self, log_tables: np.ndarray) -> list[np.ndarray]:
        """The table (U, V, n) of each column."""
        found: list[np.ndarray] = [np.empty(0)] * len(self.parents)
        for group in self._groups:
            own = log_tables[:, group.features].astype(np.float64)
            own = np.exp(own.reshape(-1, group.n_categories, len(group.columns), group.n_above))
            own /= own.sum(axis=1, keepdims=True)
            for place, column in enumerate(group.columns):
                found[column] = np.ascontiguousarray(own[:, :, place].transpose(2, 1, 0))
        return found
