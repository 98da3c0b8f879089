"""What a worker does with a partition: functions of their arguments, which they do not change.

So a result that is lost with a worker can be computed again by another, to the last bit.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from dask.sizeof import sizeof
from distributed import get_worker

from skpc._circuit.circuit import Circuit
from skpc._data.row_sample import RowSample
from skpc._data.rows import Rows
from skpc._data.scope import Scope
from skpc._estimators.parts import in_batches
from skpc._learning.em import EStep, new_messages
from skpc._learning.solver import Solver
from skpc._passes.counts import ExpectedCounts
from skpc._passes.likelihood import MeanLogLikelihood
from skpc._passes.messages import Messages
from skpc._tables.columns import Columns, take_rows
from skpc._tables.drawing import keyed_matrix
from skpc._tables.sources import validated_chunk
from skpc._tables.summary import TableSummary
from skpc._tables.validation import check_some_weights, named
from skpc._threads import share_threads, use_threads

_lent = threading.local()  # the room for messages of this thread, as long as a partition has it


class Drawn(NamedTuple):
    """Rows that were drawn, and the weight (n_batches,) of each batch."""

    sample: RowSample
    weights: np.ndarray


class Encoded(NamedTuple):
    """What stays of a partition: rows that were drawn, and the distinct ones of each batch."""

    drawn: Drawn
    rows: dict[int, Rows]


@dataclass
class Linked:
    """The E-step on the rows of each batch that a partition has some of.

    `room` is for messages, and as long as there are such partitions; it does not travel.
    """

    e_steps: dict[int, EStep]
    room: Messages | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"e_steps": self.e_steps, "room": None}


@dataclass(frozen=True)
class Plan:
    """For which circuits rows are prepared, and how.

    Attributes
    ----------
    circuit : Circuit
        Only its structure, its number of states and its encoding are used.
    scopes : tuple of Scope
        What a region observes that has a column of its own, column by column.
    solver : Solver
    """

    circuit: Circuit
    scopes: tuple[Scope, ...]
    solver: Solver

    def grouped(self, rows: Rows) -> Rows:
        """The rows as the regions of the circuit see them."""
        return replace(rows, scopes=self.scopes).grouped(self.circuit.features)


class MeanParts(NamedTuple):
    """A sum over weighted rows, and their weight."""

    total: float
    weight: float


def same(thing: Any) -> Any:
    """The argument: a task whose result is at hand wherever others need it, and never lost."""
    return thing


def count_rows(table: Any) -> int:
    """How many rows a partition has."""
    return int(table.shape[0])


def summary_of(table: Any, weights: Any, feature_types: Any, place: str) -> TableSummary | None:
    """What the columns of a partition show; None without a row of weight."""
    found = _weighted_rows(table, weights, place)
    if found is None:
        return None
    with named(place):
        return TableSummary.of(*found, feature_types)


def unfinished(columns: Columns) -> tuple[Any, ...]:
    """Columns in a form that travels also where margins are still open."""
    return columns.columns, columns.names, columns.index, columns.library


def encoded(
    table: Any, weights: Any, sent: tuple[Any, ...], most: int, n_batches: int, place: str
) -> Encoded:
    """The rows of a partition, each once, in the batches that their keys decide."""
    columns = Columns(*sent)  # see `unfinished`
    found = _weighted_rows(table, weights, place)
    sample, of_batches = RowSample.empty(len(columns.columns), most), np.zeros(n_batches)
    if found is None:
        return Encoded(Drawn(sample, of_batches), {})
    matrix, keys = keyed_matrix(columns, found[0], place)
    with named(place):
        columns.check_values(matrix)
    rows, of_rows, scopes = {}, found[1], columns.scopes
    with _one_of_several():
        for number, some in [(0, slice(None))] if n_batches == 1 else in_batches(keys):
            batch = Rows.encode(matrix[some], scopes, of_rows[some]).distinct()
            rows[number], of_batches[number] = batch, batch.total_weight
    return Encoded(Drawn(sample.with_rows(keys, matrix, of_rows), of_batches), rows)


def drawn_from(table: Any, weights: Any, sent: tuple[Any, ...], most: int, place: str) -> Drawn:
    """Rows of a partition that are drawn."""
    return encoded(table, weights, sent, most, 1, place).drawn


def drawn_of(part: Encoded) -> Drawn:
    """The rows that were drawn."""
    return part.drawn


def rows_of(part: Encoded) -> dict[int, Rows]:
    """The distinct rows of each batch."""
    return part.rows


def linked(rows: dict[int, Rows], plan: Plan) -> Linked:
    """The E-steps on the rows of a partition."""
    with _one_of_several():
        return Linked(
            {
                batch: plan.solver.new_e_step(plan.circuit, plan.grouped(of_batch))
                for batch, of_batch in rows.items()
            }
        )


def expected_counts(part: Linked, batch: int, circuit: Circuit) -> ExpectedCounts | None:
    """The expected counts of the rows of a partition that are in a batch."""
    e_step = part.e_steps.get(batch)
    if e_step is None:
        return None
    part.room = _messages_for(e_step, circuit)
    with _one_of_several():
        return e_step(circuit, part.room)


def judging(rows: dict[int, Rows], plan: Plan) -> tuple[MeanLogLikelihood, float] | None:
    """What judges circuits by the rows of a partition, all in a batch, and their weight."""
    if not rows:
        return None
    with _one_of_several():
        grouped, max_bytes = plan.grouped(rows[0]), plan.solver.max_bytes
        judge = MeanLogLikelihood(
            plan.circuit, grouped.evidence, grouped.weights, max_bytes=max_bytes
        )
    return judge, grouped.total_weight


def judged(part: tuple[MeanLogLikelihood, float] | None, circuit: Circuit) -> MeanParts:
    """The log-likelihood of the rows of a partition."""
    if part is None:
        return MeanParts(0.0, 0.0)
    judge, weight = part
    with _one_of_several():
        return MeanParts(judge(circuit) * weight, weight)


def asked(
    table: Any, model: Any, method: str, arguments: tuple[Any, ...], like: np.ndarray
) -> np.ndarray:
    """What a method of a fitted model gives for the rows of a partition."""
    if table.shape[0] == 0:
        return like
    with _one_of_several():
        answer: np.ndarray = getattr(model, method)(table, *arguments)
    return answer


def asked_of_frame(
    table: Any, model: Any, method: str, arguments: tuple[Any, ...], like: Any
) -> Any:
    """The same for a frame, with its index: a series, or a frame with the columns of `like`."""
    values = asked(table, model, method, arguments, like.to_numpy())
    names = {"columns": like.columns} if like.ndim == 2 else {"name": like.name}
    return type(like)(values, index=table.index, **names)


def weighted_sum(values: Any, weights: Any, place: str) -> MeanParts:
    """The sum of values over the weighted rows of a partition."""
    values = np.asarray(values)
    checked = np.ones(len(values)) if weights is None else _checked_weights(weights, values, place)
    return MeanParts(float((values * checked).sum()), float(checked.sum()))


def merged_summaries(parts: list[TableSummary | None]) -> TableSummary | None:
    """The summary of several partitions."""
    found = [part for part in parts if part is not None]
    return reduce(TableSummary.merged, found) if found else None


def merged_samples(parts: list[Drawn]) -> Drawn:
    """The rows that are drawn from several partitions."""
    sample = reduce(RowSample.merged, [part.sample for part in parts])
    return Drawn(sample, np.sum([part.weights for part in parts], axis=0))


def added_counts(parts: list[ExpectedCounts | None]) -> ExpectedCounts | None:
    """The expected counts of several partitions."""
    found = [part for part in parts if part is not None]
    if not found:
        return None
    total = replace(found[0], sums=found[0].sums.copy())  # all else `add` replaces
    for counts in found[1:]:
        total.add(counts)
    return total


def added_means(parts: list[MeanParts]) -> MeanParts:
    """The sums of several partitions."""
    return MeanParts(sum(p.total for p in parts), sum(p.weight for p in parts))


def _weighted_rows(table: Any, weights: Any, place: str) -> tuple[Any, np.ndarray] | None:
    """The rows that have weight, checked, and their weights; None if there are none."""
    with named(place):
        checked = validated_chunk(table)
    n_rows = count_rows(table)
    of_rows = np.ones(n_rows)
    if weights is not None:
        of_rows = _checked_weights(weights, np.empty((n_rows, 0)), place)
    if checked is None or not of_rows.any():
        return None
    return take_rows(checked, of_rows > 0), of_rows[of_rows > 0]


def _checked_weights(weights: Any, rows: np.ndarray, place: str) -> np.ndarray:
    weights = np.asarray(weights, np.float64)
    if weights.shape != (len(rows),):
        raise ValueError(
            f"sample_weight has {len(weights)} entries for {place}, which has {len(rows)} rows. "
            "Cut it into the same partitions as the table."
        )
    with named(f"sample_weight of {place}"):
        return check_some_weights(weights, rows) if weights.any() else weights


@contextmanager
def _one_of_several() -> Iterator[None]:
    """Let kernels use this thread's part of the cores: as many tasks run at once as it has."""
    try:
        n_tasks = get_worker().state.nthreads
    except ValueError:  # of a scheduler on the user's machine, which uses all cores as well
        n_tasks = 2**20
    with share_threads(n_tasks), use_threads(None):
        yield


def _messages_for(e_step: EStep, circuit: Circuit) -> Messages:
    """Room to work in; that of the partition before, unless it was for other circuits."""
    kind = circuit.n_regions, circuit.n_latents, e_step.dtype
    lent: Messages | None = _lent.messages() if getattr(_lent, "kind", None) == kind else None
    if lent is None:
        lent = new_messages(circuit, e_step.dtype)
        _lent.kind, _lent.messages = kind, weakref.ref(lent)
    return lent


@sizeof.register(EStep)
@sizeof.register(Rows)
def _(thing: EStep | Rows) -> int:
    return thing.nbytes


@sizeof.register(RowSample)
def _(sample: RowSample) -> int:
    return sample.matrix.nbytes + sample.keys.nbytes + sample.weights.nbytes


@sizeof.register(Encoded)
def _(part: Encoded) -> int:
    return int(sizeof(part.drawn.sample)) + sum(rows.nbytes for rows in part.rows.values())


@sizeof.register(Linked)
def _(part: Linked) -> int:
    return sum(e_step.nbytes for e_step in part.e_steps.values())


@sizeof.register(ExpectedCounts)
def _(counts: ExpectedCounts) -> int:
    arrays = [counts.root, counts.sums, counts.gate, counts.root_moments, counts.sum_moments]
    return sum(array.nbytes for array in [*counts.inputs, *arrays] if array is not None)


@sizeof.register(Circuit)
def _(circuit: Circuit) -> int:
    return circuit.sum_weights.nbytes + circuit.inputs.probs.nbytes
