"""Tables whose partitions are with the workers of a cluster: only summaries of them travel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._dask import tasks
from skpc._dask.cluster import Cluster
from skpc._dask.collections import Partitions
from skpc._data.row_sample import RowSample
from skpc._estimators.query_mixin import working_bytes
from skpc._tables.columns import Columns
from skpc._tables.summary import TableSummary
from skpc._tables.validation import check_total_weight

if TYPE_CHECKING:
    from distributed import Future

    from skpc._circuit.circuit import Circuit
    from skpc._learning.em import AnyEStep
    from skpc._learning.solver import Solver
    from skpc._passes.counts import ExpectedCounts

_SHARE_OF_MESSAGES = 4  # of the working memory, as of chunks


class DaskParts:
    """A table of dask, as `skpc._estimators.parts.Parts` and `ValidationParts`.

    Parameters
    ----------
    partitions : Partitions
    feature_types : see `SharpPCDensity`
    cluster : Cluster
    n_batches : int
        `N_BATCHES` of `skpc._estimators.parts`, or 1: all rows at once.
    """

    def __init__(
        self, partitions: Partitions, feature_types: Any, cluster: Cluster, n_batches: int = 1
    ) -> None:
        self._partitions = partitions
        self._feature_types = feature_types
        self._cluster = cluster
        self._weights = np.zeros(n_batches)
        self._rows: list[Future] = []

    def summary(self) -> TableSummary:
        """What the columns show."""
        parts = self._compute(tasks.summary_of, self._feature_types)
        total: TableSummary | None = self._cluster.merged(tasks.merged_summaries, parts)
        self._cluster.release(parts)
        if total is None:
            raise ValueError(
                f"{self._partitions.name} has no row of positive weight: at least one is needed."
            )
        check_total_weight(np.array([total.total_weight]))
        return total

    def sample(self, columns: Columns, most: int) -> RowSample:
        """Draw rows, and leave all as they are encoded with the workers."""
        encoded = self._compute(tasks.encoded, tasks.unfinished(columns), most, len(self._weights))
        drawn = [self._cluster.submit(tasks.drawn_of, part) for part in encoded]
        self._rows = [self._cluster.submit(tasks.rows_of, part) for part in encoded]
        self._cluster.release(encoded)
        return self._merged_samples(drawn)

    def draw(self, columns: Columns, most: int) -> RowSample:
        """Draw rows, and forget the others."""
        return self._merged_samples(
            self._compute(tasks.drawn_from, tasks.unfinished(columns), most)
        )

    def _merged_samples(self, drawn: list[Future]) -> RowSample:
        sample, self._weights = self._cluster.merged(tasks.merged_samples, drawn)
        self._cluster.release(drawn)
        return sample

    def e_steps(self, circuit: Circuit, columns: Columns, solver: Solver) -> list[AnyEStep]:
        """The E-step on each batch for circuits of this structure; call it after `sample`."""
        linked = self._for_circuits(tasks.linked, circuit, columns, solver)
        # Patterns are large: what needs them comes to them, and they are never moved.
        placed = list(zip(linked, self._cluster.places(linked), strict=True))
        return [
            DaskEStep(placed, batch, total, self._cluster)
            for batch, total in enumerate(self._weights.tolist())
            if total > 0.0
        ]

    def judge(
        self, circuit: Circuit, columns: Columns, solver: Solver
    ) -> Callable[[Circuit], float]:
        """The mean log-likelihood of all rows under circuits of this structure."""
        judging = self._for_circuits(tasks.judging, circuit, columns, solver)

        def mean(circuit: Circuit) -> float:
            sent = self._cluster.put(circuit)
            parts = [self._cluster.submit(tasks.judged, part, sent) for part in judging]
            total, weight = self._cluster.merged(tasks.added_means, parts)
            self._cluster.release([sent, *parts])
            return float(total / weight)

        return mean

    def _compute(self, function: Callable[..., Any], *arguments: Any) -> list[Future]:
        return self._cluster.compute(self._partitions.each(function, *arguments))

    def _for_circuits(
        self, function: Callable[..., Any], circuit: Circuit, columns: Columns, solver: Solver
    ) -> list[Future]:
        """What a function makes of the rows of each partition, which are no longer needed then."""
        from skpc._learning.watch import Watch

        max_bytes = working_bytes() // _SHARE_OF_MESSAGES
        sent = replace(solver, max_bytes=max_bytes, watch=Watch())
        plan = self._cluster.put(tasks.Plan(circuit, columns.scopes, sent))
        made = [self._cluster.submit(function, rows, plan) for rows in self._rows]
        self._cluster.release([plan, *self._rows])
        self._rows = []
        return made


class DaskEStep:
    """Expected counts of the rows of a batch, whose patterns are with the workers.

    Parameters
    ----------
    placed : list of pairs
        A future of Linked, and the workers that have it.
    batch : int
    total_weight : float
        Of the batch.
    cluster : Cluster
    """

    def __init__(
        self,
        placed: list[tuple[Future, Sequence[str]]],
        batch: int,
        total_weight: float,
        cluster: Cluster,
    ) -> None:
        self._placed = placed
        self._batch = batch
        self.total_weight = total_weight
        self._cluster = cluster

    def __call__(self, circuit: Circuit) -> ExpectedCounts:
        """Expected counts of all its rows under `circuit`."""
        sent = self._cluster.put(circuit)
        parts = [
            self._cluster.submit(tasks.expected_counts, one, self._batch, sent, workers=workers)
            for one, workers in self._placed
        ]
        total: ExpectedCounts = self._cluster.merged(tasks.added_counts, parts)
        self._cluster.release([sent, *parts])
        return total
