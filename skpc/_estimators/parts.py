"""Fits of tables in parts, of which nobody holds all: what is asked of the parts, and of chunks.

Rows that are drawn, which fit into memory, say what to learn: margins, structure, size, start. If
they are all there are, that is all. Else EM goes on with all rows, part by part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from sklearn.utils import check_random_state

from skpc._data.row_sample import RowSample, n_rows_drawn
from skpc._data.shelf import Shelf
from skpc._estimators.callbacks import with_callbacks
from skpc._estimators.reports import warn_of_end
from skpc._estimators.watching import listeners_of
from skpc._tables.column_types import column_name
from skpc._tables.columns import Columns
from skpc._tables.drawing import keyed_matrix, summarised
from skpc._tables.sources import Source
from skpc._tables.summary import TableSummary
from skpc._tables.validation import warn_of_light

if TYPE_CHECKING:
    from skpc._circuit.circuit import Circuit
    from skpc._data.rows import Rows
    from skpc._data.scope import Scope
    from skpc._learning.em import AnyEStep
    from skpc._learning.solver import Solver
    from skpc._learning.watch import Watch

N_BATCHES = 64

_MOST_CELLS = 2**21  # that wait to be encoded
_SHARE = 4  # of the working memory: for rows that wait, are kept, or are looked at
_MANY_CELLS = 2**40  # more than what one thread is enough for


class Parts(Protocol):
    """The rows of a table, which are asked of all parts, to be put together."""

    def summary(self) -> TableSummary:
        """What the columns show."""

    def sample(self, columns: Columns, most: int) -> RowSample:
        """Draw rows, and remember how all are encoded."""

    def e_steps(self, circuit: Circuit, columns: Columns, solver: Solver) -> list[AnyEStep]:
        """The E-step on each batch for circuits of this structure; call it after `sample`."""


class ValidationParts(Protocol):
    """The rows of a table in parts that validates what is learnt from others."""

    def sample(self, columns: Columns, most: int) -> RowSample:
        """Draw rows, and remember how all are encoded."""

    def judge(
        self, circuit: Circuit, columns: Columns, solver: Solver
    ) -> Callable[[Circuit], float]:
        """The mean log-likelihood of all rows under circuits of this structure, in nats.

        Call it after `sample`.
        """


class RowsInMemory:
    """Rows to validate on that fit into memory, if there are any; see `ValidationParts`."""

    def __init__(self, rows: Rows | None) -> None:
        self.rows = rows

    def judge(
        self, circuit: Circuit, columns: Columns, solver: Solver
    ) -> Callable[[Circuit], float] | None:
        """The mean log-likelihood of all rows under circuits of this structure, in nats."""
        from skpc._passes.likelihood import MeanLogLikelihood

        if self.rows is None:
            return None
        rows = self.rows.grouped(circuit.features)
        return MeanLogLikelihood(circuit, rows.evidence, rows.weights, max_bytes=solver.max_bytes)


def fit_parts(
    density: Any, parts: Parts, validation: tuple[Any, Any] | ValidationParts, watch: Watch
) -> Any:
    """Fit a density to a table in parts: set all that `fit` sets, and return it.

    Parameters
    ----------
    density : SharpPCDensity
    parts : Parts
    validation : pair or ValidationParts
        `X_val` and `sample_weight_val` of `fit`, or the former in parts: as many of its rows are
        drawn as of those to learn from, to validate what these learn.
    watch : Watch
    """
    if density.warm_start:
        raise ValueError(
            "warm_start=True cannot act on a table that is read in parts. Set warm_start=False, or "
            "go on with partial_fit."
        )
    summary = parts.summary()
    take_names(density, summary)
    warn_of_light(np.array([summary.total_weight]), summary.n_rows)
    columns = summary.learn_columns()
    most = n_rows_drawn(len(summary.columns))
    drawn = parts.sample(columns, most)
    if not drawn.is_complete and density.solver == "adam":
        raise ValueError(
            f"solver='adam' cannot learn from more than {len(drawn.weights)} distinct rows in "
            "chunks. Set solver='em'."
        )
    watch.journal.check("table", f"of {summary.n_rows} rows, of weight {summary.total_weight}")
    columns = summary.completed(columns, drawn.matrix, drawn.weights)
    rows = density._encode(drawn.matrix, drawn.weights, columns).distinct()
    if isinstance(validation, tuple):
        held_out = density._validation_rows(columns, validation)
        judges: RowsInMemory | ValidationParts = RowsInMemory(held_out)
    else:
        judges = validation
        seen = validation.sample(columns, most)
        held_out = density._encode(seen.matrix, seen.weights, columns).distinct()
    density._learn(rows, columns, (held_out, None), watch=watch)
    density.n_samples_seen_ = summary.total_weight
    if not (drawn.is_complete or watch.is_over):
        _learn_from_all(density, parts, columns, judges, watch)
    return density


def take_names(estimator: Any, summary: TableSummary) -> None:
    """Set how many columns an estimator expects, and their names if they are strings."""
    estimator.n_features_in_ = len(summary.columns)
    names = summary.names or ()
    if names and all(isinstance(name, str) for name in names):
        estimator.feature_names_in_ = np.array(names, object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


@with_callbacks
def _learn_from_all(
    density: Any,
    parts: Parts,
    columns: Columns,
    judges: RowsInMemory | ValidationParts,
    watch: Watch,
) -> None:
    """Let EM go on from the circuit of a fitted density, on all rows.

    Ctrl-C leaves the last circuit, if it is to be kept: that of the rows drawn before the first
    pass is done.
    """
    from skpc._learning.parts import BatchesOfParts, learn_from_parts
    from skpc._learning.progress import FitResult

    circuit = density.circuit_
    result = FitResult(circuit, density.log_likelihoods_, False)
    solver = density._solver(watch)
    solver = replace(solver, m_step=replace(solver.m_step, mu=density.mu_))
    with watch.ending(), watch.telling(listeners_of(density)), density._threads_for(_MANY_CELLS):
        batches = BatchesOfParts(parts.e_steps(circuit, columns, solver))
        judge = judges.judge(circuit, columns, solver)
        random_state = check_random_state(density.random_state)
        n_iter_no_change = density.n_iter_no_change
        result = learn_from_parts(circuit, batches, solver, judge, n_iter_no_change, random_state)
    result = replace(result, mu=density.mu_, converged=result.converged and not watch.is_over)
    warn_of_end(density, result, watch)
    if result.validation_log_likelihoods is None:  # that was of the run on rows that were drawn
        result = replace(
            result,
            validation_log_likelihoods=density.validation_log_likelihoods_,
            validation_run_log_likelihoods=density.validation_run_log_likelihoods_,
            best_iteration=density.best_iteration_,
        )
    density._set_learnt(result)


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
        self._summary: TableSummary
        self._rows = Shelf(0)
        self._batch_of: list[int] = []

    def summary(self) -> TableSummary:
        """What the columns show."""
        self._summary = summarised(self._source, self._sample_weight, self._feature_types)
        return self._summary

    def sample(self, columns: Columns, most: int) -> RowSample:
        """Draw rows, and keep all as they are encoded."""
        n_columns = len(columns.columns)
        drawn = RowSample.empty(n_columns, most)
        self._rows, self._batch_of = Shelf(self._max_bytes // _SHARE), []
        room = self._max_bytes // (_SHARE * N_BATCHES)
        scopes = columns.scopes
        batches = [_Batch(scopes, room) for _ in range(N_BATCHES)]
        n_rows, low, high = 0, np.full(n_columns, np.nan), np.full(n_columns, np.nan)
        for table, weights, name in self._source.weighted_chunks(self._sample_weight):
            matrix, keys = keyed_matrix(columns, table, name)
            n_rows += len(weights)
            low, high = np.fmin(low, np.fmin.reduce(matrix)), np.fmax(high, np.fmax.reduce(matrix))
            drawn = drawn.with_rows(keys, matrix, weights)
            for number, rows in in_batches(keys):
                for done in batches[number].with_rows(matrix[rows], weights[rows]):
                    self._keep(number, done)
        self._source.check_same(self._summary.n_rows, n_rows)
        self._check_range(columns, low, high)
        for number, batch in enumerate(batches):
            for done in batch.rest():
                self._keep(number, done)
        return drawn

    def _check_range(self, columns: Columns, low: np.ndarray, high: np.ndarray) -> None:
        """Raise ValueError if the second pass has shown values that the first one has not."""
        pairs = zip(columns.columns, self._summary.columns, strict=True)
        for j, (column, before) in enumerate(pairs):
            least, greatest = before.low, before.high
            if column.labels is not None:
                least, greatest = 0.0, len(column.labels) - 1.0
            if low[j] < least or high[j] > greatest:
                raise ValueError(
                    f"{self._source.name} had other values in {column_name(columns.names, j)} when "
                    "it was read again. It must give the same rows each time."
                )

    def _keep(self, batch: int, rows: Rows) -> None:
        self._rows.append(rows, rows.nbytes)
        self._batch_of.append(batch)

    def e_steps(self, circuit: Circuit, columns: Columns, solver: Solver) -> list[AnyEStep]:
        """The E-step on each batch for circuits of this structure; call it after `sample`."""
        from skpc._learning.em import new_messages
        from skpc._learning.parts import EStepOfParts

        solver = replace(solver, max_bytes=self._max_bytes // _SHARE)
        shelf, messages = Shelf(self._max_bytes // _SHARE), new_messages(circuit, solver.dtype)
        totals = np.zeros(N_BATCHES)
        for rows, batch in zip(self._rows, self._batch_of, strict=True):
            totals[batch] += rows.total_weight
            grouped = replace(rows, scopes=columns.scopes).grouped(circuit.features)
            e_step = solver.new_e_step(circuit, grouped)
            shelf.append(e_step, e_step.nbytes)
        self._rows = Shelf(0)
        return [
            EStepOfParts(
                shelf.part(np.flatnonzero(np.array(self._batch_of) == batch)), total, messages
            )
            for batch, total in enumerate(totals.tolist())
            if total > 0.0
        ]


class _Batch:
    """Rows of a batch, which come in pieces and are encoded many at a time.

    Parameters
    ----------
    scopes : tuple of Scope
        Of the columns.
    max_bytes : int
        How much memory waiting rows may take.
    """

    def __init__(self, scopes: tuple[Scope, ...], max_bytes: int) -> None:
        self._scopes = scopes
        self._most = max(1, min(_MOST_CELLS, max_bytes // 8) // len(scopes))
        self._max_bytes = max_bytes
        self._matrices: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []
        self._n_waiting = 0
        self._distinct: Rows | None = None  # where there are categories alone

    def with_rows(self, matrix: np.ndarray, weights: np.ndarray) -> Iterator[Rows]:
        """Take rows in, and give those for which there is no more room."""
        while len(weights):
            room = self._most - self._n_waiting
            self._matrices.append(matrix[:room])
            self._weights.append(weights[:room])
            self._n_waiting += len(self._weights[-1])
            matrix, weights = matrix[room:], weights[room:]
            if self._n_waiting == self._most:
                yield from self._encoded()

    def rest(self) -> Iterator[Rows]:
        """Give what is left."""
        if self._n_waiting:
            yield from self._encoded()
        if self._distinct is not None:
            yield self._distinct
            self._distinct = None

    def _encoded(self) -> Iterator[Rows]:
        from skpc._data.rows import Rows

        matrix, weights = np.concatenate(self._matrices), np.concatenate(self._weights)
        self._matrices, self._weights, self._n_waiting = [], [], 0
        rows = Rows.encode(matrix, self._scopes, weights).distinct()
        if not rows.evidence.is_discrete:
            yield rows
            return
        if self._distinct is not None:
            rows = self._distinct.merged(rows)
        self._distinct = rows
        if rows.nbytes > self._max_bytes:
            self._distinct = None
            yield rows


def in_batches(keys: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The batches that rows with these keys (n,) belong to, and which of them: by the keys alone.

    So equal rows are in one batch, wherever they are.
    """
    numbers = (keys % np.uint64(N_BATCHES)).astype(np.uint8)
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers, minlength=N_BATCHES))
    for number, rows in enumerate(np.split(order, ends[:-1])):
        if len(rows):
            yield number, rows
