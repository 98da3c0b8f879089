"""Rows: what the weighted rows of a table show each region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skpc._data.evidence import Evidence, encode
from skpc._data.scope import COMPOSITE, COPULA, GAUSSIAN, NOTHING, NUMERIC, Scope
from skpc._data.sparse_symbols import take_rows


@dataclass(frozen=True)
class Rows:
    """Weighted rows of a table; after `distinct`, each once and in canonical order.

    Attributes
    ----------
    evidence : Evidence
    weights : (n,) positive
    scopes : tuple of n_regions Scope
    """

    evidence: Evidence
    weights: np.ndarray
    scopes: tuple[Scope, ...]

    @classmethod
    def encode(cls, X: Any, columns: Sequence[Scope], weights: np.ndarray) -> Rows:
        """The rows of a matrix as they come, one region per column.

        Parameters
        ----------
        X : (n, n_features) array or sparse matrix, NaN missing
        columns : sequence of n_features Scope
        weights : (n,) positive
        """
        features = [scope.columns for scope in columns]
        evidence = encode(X, features, [scope.categories for scope in columns])
        return cls(evidence, weights, tuple(columns))

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def total_weight(self) -> float:
        """The sum of all weights."""
        return float(self.weights.sum())

    @property
    def features(self) -> tuple[np.ndarray, ...]:
        """The columns that each region observes."""
        return tuple(scope.columns for scope in self.scopes)

    def distinct(self) -> Rows:
        """Each row once, in canonical order, with the summed weight of its repetitions."""
        return self.distinct_and_first()[0]

    def distinct_and_first(self) -> tuple[Rows, np.ndarray]:
        """The rows of `distinct`, and the number of a row (n_distinct,) that shows each."""
        evidence, weights, first = self.evidence.distinct(self.weights)
        return replace(self, evidence=evidence, weights=weights), first

    @property
    def nbytes(self) -> int:
        """Memory of dense rows, about."""
        n_cells = int(np.prod(self.evidence.symbols.shape))
        return 4 * n_cells + self.weights.nbytes + self.evidence.value_bytes

    def merged(self, other: Rows) -> Rows:
        """The distinct rows of both, which have the same scopes and are discrete."""
        symbols = np.concatenate([self.evidence.symbols, other.evidence.symbols], axis=1)
        weights = np.concatenate([self.weights, other.weights])
        return replace(
            self, evidence=self.evidence.with_symbols(symbols), weights=weights
        ).distinct()

    def take(self, rows: np.ndarray) -> Rows:
        """Some of the rows, with all symbols."""
        symbols = take_rows(self.evidence.symbols, rows)
        return replace(
            self, evidence=self.evidence.with_symbols(symbols), weights=self.weights[rows]
        )

    def compact(self) -> Rows:
        """The same rows, dense, with no more vectors than they show."""
        return replace(self, evidence=self.evidence.take(slice(None)))

    def without_unused(self) -> Rows:
        """The same rows, with no more vectors than they show."""
        return replace(self, evidence=self.evidence.without_unused())

    def reweighted(self, weights: np.ndarray) -> Rows:
        """The rows with these weights (n,); those of weight zero are left out."""
        rows = np.flatnonzero(weights)
        return replace(self, weights=weights).take(rows)

    def weighted_as(self, weights: np.ndarray) -> Rows:
        """The same rows, all of them, with other weights (n,)."""
        return replace(self, weights=weights)

    def split(self, held_out: np.ndarray) -> tuple[Rows, Rows]:
        """Rows to learn from and rows held out; a row may be among both.

        Parameters
        ----------
        held_out : (n,)
            How much of each weight to hold out.
        """
        return self.reweighted(self.weights - held_out), self.reweighted(held_out)

    def grouped(self, features: Sequence[np.ndarray]) -> Rows:
        """The rows as regions see them that observe several of these, or none.

        Parameters
        ----------
        features : per new region, the numbers of the old ones that it takes together; these
            observe one column each, and regions of different trees may take the same
        """
        evidence = self.evidence.grouped(features, [scope.categories for scope in self.scopes])
        if evidence is self.evidence:
            return self
        scopes = tuple(_joined([self.scopes[j] for j in columns]) for columns in features)
        return replace(self, evidence=evidence, scopes=scopes)

    def chunks(self, n_rows: int) -> Iterator[Rows]:
        """Parts of at most so many rows, one after the other."""
        for first in range(0, len(self), n_rows):
            yield self.take(np.arange(first, min(first + n_rows, len(self))))

    def weights_of(self, region: int) -> np.ndarray:
        """The summed weights (n_symbols,) of a region's symbols."""
        return self.evidence.weights_of(region, self.weights)

    def is_missing(self) -> np.ndarray:
        """Which regions (n_regions,) show nothing in any row."""
        out = np.zeros(len(self.scopes), bool)
        for region, vectors in enumerate(self.evidence.values):
            if vectors is None:
                out[region] = not self.weights_of(region)[:-2].any()
            else:
                out[region] = np.isnan(vectors).all()
        return out


def _joined(scopes: Sequence[Scope]) -> Scope:
    """The scope of a region that observes what several do, one column each."""
    if not scopes:
        return NOTHING
    if len(scopes) == 1:
        return scopes[0]
    columns = np.concatenate([scope.columns for scope in scopes])
    kind = COMPOSITE  # the others describe one column
    if all(scope.kind == GAUSSIAN for scope in scopes):
        kind = GAUSSIAN
    elif all(scope.kind == NUMERIC and _is_point(scope) for scope in scopes):
        kind = COPULA
    return Scope(columns, kind, None, tuple(scopes))


def _is_point(scope: Scope) -> bool:
    """Whether each value of a numeric column may be taken for a point of the normal scale."""
    return scope.margin is not None and scope.margin.is_point()
