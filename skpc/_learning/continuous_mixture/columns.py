"""All columns of a table given what a decoder says of them, and the features that rows show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.columns import of_numbers, of_tables, side_by_side
from skpc._circuit.inputs.table import even_rows
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, NUMERIC, Scope
from skpc._data.sparse_symbols import dense_rows, take_rows
from skpc._kernels.mstep import WEIGHT_FLOOR
from skpc._learning.continuous_mixture.tied_normals import Shown, TiedNormals
from skpc._learning.continuous_mixture.tied_tables import TiedTables


def can_be_tied(scope: Scope) -> bool:
    """Whether a decoder knows how to speak of a column."""
    return scope.kind in (CATEGORICAL, NUMERIC)


class Observed(NamedTuple):
    """Rows, and what those of numeric columns show.

    Attributes
    ----------
    rows : Rows
    shown : Shown
    n_features : int
    """

    rows: Rows
    shown: Shown
    n_features: int


class TiedColumns:
    """Columns that are a forest, or independent, given a point: how outputs become parameters.

    Parameters
    ----------
    rows : Rows
        Distinct, one region per column: their columns, all of which `can_be_tied`, and how these
        start.
    parents : (n_columns,)
        Of categorical columns; -1 at roots, and of all others.
    pseudocount : float
        Of categories; see `SharpPCDensity`.

    Attributes
    ----------
    columns : (n_columns,) int
        The order in which a region observes the columns: first categorical ones.
    n_outputs : int
    first_outputs : (n_outputs,)
        Those of the columns' own distributions.
    """

    def __init__(self, rows: Rows, parents: np.ndarray, pseudocount: float) -> None:
        scopes = rows.scopes
        is_table = np.array([scope.kind == CATEGORICAL for scope in scopes])
        self._tables, self._numbers = np.flatnonzero(is_table), np.flatnonzero(~is_table)
        self.columns = np.concatenate([self._tables, self._numbers])
        place = np.cumsum(is_table) - 1
        above = parents[self._tables]
        self._categories = [scopes[column].categories for column in self._tables]
        sizes = np.array([len(known) for known in self._categories], np.int64)  # type: ignore[arg-type]
        self.tables = TiedTables(sizes, np.where(above >= 0, place[above], -1))
        self.normals = TiedNormals([scopes[column].margin for column in self._numbers])  # type: ignore[misc]
        self.n_outputs = self.tables.n_outputs + self.normals.n_outputs
        counts = [rows.weights_of(column)[:-2] for column in self._tables.tolist()]
        self.first_outputs = np.concatenate(
            [self.tables.first_outputs(counts), np.zeros(self.normals.n_outputs)]
        )
        even = even_rows(pseudocount)
        self._share_even = even / (even + rows.total_weight)

    def observed(self, rows: Rows) -> Observed:
        """What is found once of rows over the same columns."""
        vectors = [rows.evidence.values[column] for column in self._numbers]
        shown = self.normals.shown([part[:, 0] for part in vectors if part is not None])
        return Observed(rows, shown, self.tables.n_features + self.normals.n_features(shown))

    def features(self, observed: Observed, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (n, n_features) float32 of some rows, and what their densities gain (n,)."""
        symbols = dense_rows(take_rows(observed.rows.evidence.symbols, chosen), slice(None))
        out = np.zeros((len(chosen), observed.n_features), np.float32)
        rows, places = self.tables.features(symbols[self._tables])
        out[rows, places] = 1.0
        of_numbers = out[:, self.tables.n_features :]
        return out, self.normals.fill(observed.shown, symbols[self._numbers], of_numbers)

    def log_tables(self, observed: Observed, outputs: np.ndarray) -> np.ndarray:
        """What each feature adds to the log likelihood given each of the points."""
        out = np.empty((len(outputs), observed.n_features), np.float32)
        self.tables.log_tables(outputs, out)
        self.normals.log_tables(
            observed.shown,
            outputs[:, self.tables.n_outputs :],
            out[:, self.tables.n_features :],
        )
        return out

    def of_outputs(
        self, observed: Observed, outputs: np.ndarray, log_tables: np.ndarray, counts: np.ndarray
    ) -> np.ndarray:
        """Gradient in outputs of counts (n, n_features) times log tables."""
        out = np.empty_like(outputs)
        self.tables.of_outputs(log_tables, counts, out)
        n_outputs, n_features = self.tables.n_outputs, self.tables.n_features
        self.normals.of_outputs(
            observed.shown, outputs[:, n_outputs:], counts[:, n_features:], out[:, n_outputs:]
        )
        return out

    def distribution(self, outputs: np.ndarray) -> InputDistribution:
        """The distribution of `columns` whose states are points with these outputs."""
        log_tables = np.empty((len(outputs), self.tables.n_features))
        self.tables.log_tables(outputs.astype(np.float64), log_tables)
        parts = []
        if len(self._tables):
            parts.append(self._of_tables(self.tables.tables(log_tables)))
        parameters = self.normals.parameters(outputs[:, self.tables.n_outputs :])
        return side_by_side([*parts, *of_numbers(*parameters, self.normals.margins)])

    def _of_tables(self, tables: list[np.ndarray]) -> InputDistribution:
        """The categorical columns: mixed with even tables, so that nothing is impossible."""
        even = self._share_even
        tables = [(1.0 - even) * table + even / table.shape[1] for table in tables]
        n_points = tables[0].shape[2]
        sizes = np.array([table.shape[1] for table in tables])
        unseen = np.repeat(np.maximum(even, WEIGHT_FLOOR) / sizes[:, None], n_points, axis=1)
        return of_tables(self._categories, self.tables.parents, tables, unseen)  # type: ignore[arg-type]
