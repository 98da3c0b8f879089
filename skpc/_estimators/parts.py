"""Fits of tables in parts, of which nobody holds all: what is asked of the parts, and of chunks.

Rows that are drawn, which fit into memory, say what to learn: margins, structure, size, start. If
they are all there are, that is all. Else EM goes on with all rows, part by part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from skpc._data.row_sample import RowSample
from skpc._data.shelf import Shelf
from skpc._estimators.reports import warn_of_end
from skpc._tables.columns import Columns
from skpc._tables.sources import Source
from skpc._tables.summary import TableSummary
from skpc._tables.validation import warn_of_light

if TYPE_CHECKING:
    from skpc._circuit.circuit import Circuit
    from skpc._data.rows import Rows
    from skpc._learning.em import AnyEStep
    from skpc._learning.solver import Solver

MOST_ROWS = 2**16
"""So many rows are drawn at most, and fewer of many columns."""

_MOST_CELLS = 2**21
_LEAST_ROWS = 2**13
_BLOCK_CELLS = 2**22
_SHARE_OF_BLOCKS = 4  # of the working memory, for what a pass needs at a time


class Parts(Protocol):
    """The rows of a table, which are asked of all parts, to be put together."""

    def summary(self) -> TableSummary:
        """What the columns show."""

    def sample(self, columns: Columns, most: int) -> RowSample:
        """Draw rows, and remember how all are encoded."""

    def e_step(self, circuit: Circuit, columns: Columns, solver: Solver) -> AnyEStep:
        """The E-step on all rows for circuits of this structure; call it after `sample`."""


def n_rows_drawn(n_columns: int) -> int:
    """How many rows say what to learn, at most."""
    return min(MOST_ROWS, max(_LEAST_ROWS, _MOST_CELLS // n_columns))


def fit_parts(density: Any, parts: Parts, validation: tuple[Any, Any]) -> None:
    """Fit a density to a table in parts: set all that `fit` sets, but what the table is called.

    Parameters
    ----------
    density : SharpPCDensity
    parts : Parts
    validation : pair
        `X_val` and `sample_weight_val` of `fit`.
    """
    summary = parts.summary()
    density.n_features_in_ = len(summary.columns)
    names = summary.names or ()
    if names and all(isinstance(name, str) for name in names):
        density.feature_names_in_ = np.array(names, object)
    elif hasattr(density, "feature_names_in_"):
        del density.feature_names_in_
    warn_of_light(np.array([summary.total_weight]))
    columns = summary.learn_columns()
    drawn = parts.sample(columns, n_rows_drawn(len(summary.columns)))
    columns = summary.completed(columns, drawn.matrix, drawn.weights)
    rows = density._encode(drawn.matrix, drawn.weights, columns).distinct()
    density._learn(rows, columns, validation)
    if not drawn.is_complete:
        _learn_from_all(density, parts, columns, validation)


def _learn_from_all(
    density: Any, parts: Parts, columns: Columns, validation: tuple[Any, Any]
) -> None:
    """Let EM go on from the circuit of a fitted density, on all rows."""
    from skpc._learning.em import fit_em
    from skpc._learning.progress import Progress

    solver = density._solver()
    solver = replace(
        solver, m_step=replace(solver.m_step, mu=density.mu_), chooses_mu=False, batch_size=None
    ).resolved(np.ones(1))
    with density._threads_for(2**62):
        e_step = parts.e_step(density.circuit_, columns, solver)
        progress = Progress(density.circuit_, tol=solver.tol, on_iteration=solver.on_iteration)
        result = fit_em(density.circuit_, progress, e_step, solver.m_step, solver.max_iter)
    warn_of_end(density, replace(result, mu=density.mu_))
    density.circuit_ = result.circuit
    density.log_likelihoods_ = result.log_likelihoods
    density.n_iter_ = len(result.log_likelihoods)
    density.converged_ = result.converged


class Chunks:
    """A table that is read in chunks on this machine; encoded, they are kept in a file.

    Parameters
    ----------
    source : Source
    sample_weight : array-like of shape (n_samples,) or None
    feature_types : see `SharpPCDensity`
    max_bytes : int
        How much memory there is for rows and for messages.
    """

    def __init__(
        self, source: Source, sample_weight: Any, feature_types: Any, max_bytes: int
    ) -> None:
        self._source = source
        self._sample_weight = sample_weight
        self._feature_types = feature_types
        self._max_bytes = max_bytes
        self._n_rows = 0
        self._rows = Shelf(0)

    def summary(self) -> TableSummary:
        """What the columns show."""
        total: TableSummary | None = None
        for table, weights in self._source.weighted_chunks(self._sample_weight):
            of_chunk = TableSummary.of(table, weights, self._feature_types)
            total = of_chunk if total is None else total.merged(of_chunk)
        if total is None:
            raise ValueError(
                f"{self._source.name} has no row of positive weight: at least one is needed."
            )
        self._n_rows = total.n_rows
        return total

    def sample(self, columns: Columns, most: int) -> RowSample:
        """Draw rows, and keep all as they are encoded, distinct ones where there is room."""
        from skpc._data.rows import Rows

        drawn = RowSample.empty(len(columns.columns), most)
        self._rows = Shelf(self._max_bytes // _SHARE_OF_BLOCKS)
        merged: Rows | None = None
        for matrix, weights in self._blocks(columns):
            rows, first = Rows.encode(matrix, columns.scopes, weights).distinct_and_first()
            drawn = drawn.with_rows(matrix[first], rows.weights)
            if merged is not None:
                rows = merged.merged(rows)
            n_bytes = rows.nbytes
            if rows.is_discrete and 4 * n_bytes <= self._max_bytes:
                merged = rows
            else:
                merged = None
                self._rows.append(rows, n_bytes)
        if merged is not None:
            self._rows.append(merged, merged.nbytes)
        return drawn

    def _blocks(self, columns: Columns) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Matrices of as many rows each, whatever the chunks, and their weights."""
        most = max(1, _BLOCK_CELLS // len(columns.columns))
        matrices: list[np.ndarray] = []
        parts: list[np.ndarray] = []
        n_waiting = n_rows = 0
        for table, weights in self._source.weighted_chunks(self._sample_weight):
            matrices.append(np.asarray(columns.to_matrix(table), np.float64))
            parts.append(weights)
            n_rows, n_waiting = n_rows + len(weights), n_waiting + len(weights)
            while n_waiting >= most:
                matrix, of_rows = np.concatenate(matrices), np.concatenate(parts)
                yield matrix[:most], of_rows[:most]
                matrices, parts = [matrix[most:]], [of_rows[most:]]
                n_waiting -= most
        if n_waiting:
            yield np.concatenate(matrices), np.concatenate(parts)
        self._source.check_same(self._n_rows, n_rows)

    def e_step(self, circuit: Circuit, columns: Columns, solver: Solver) -> AnyEStep:
        """The E-step on all rows for circuits of this structure; call it after `sample`."""
        from skpc._learning.em import EStepOfParts

        solver = replace(solver, max_bytes=self._max_bytes // _SHARE_OF_BLOCKS)
        shelf, total = Shelf(self._max_bytes // _SHARE_OF_BLOCKS), 0.0
        for rows in self._rows:
            total += rows.total_weight
            grouped = replace(rows, scopes=columns.scopes).grouped(circuit.features)
            e_step = solver.new_e_step(circuit, grouped)
            shelf.append(e_step, e_step.nbytes)
        self._rows = Shelf(0)
        return EStepOfParts(shelf, total)
