"""Mini-batches of a data set, whose patterns are found once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike

from skpc._circuit import Circuit
from skpc._evidence import Evidence
from skpc._flows import ExpectedCounts, Messages
from skpc._patterns import Patterns, build_patterns, row_patterns
from skpc._symbols import take_rows


class Batches:
    """Parts of a weighted data set, and passes of any circuit of one structure over them.

    Parameters
    ----------
    circuit : Circuit
        Only its structure, its number of states and its encoding are used.
    evidence : Evidence
        Of distinct rows; see `skpc._patterns.distinct_rows`.
    weights : (n,)
    batch_size : float
        Weight of a batch, about.
    random_state : RandomState
        Deals the rows.
    by_row : bool
        Whether every row is a pattern of its own, as what is not linear in flows needs.
    dtype : float64 or float32
        Of the messages.

    Attributes
    ----------
    weights : (n_batches,)
        Summed weight of each batch.
    """

    def __init__(
        self,
        circuit: Circuit,
        evidence: Evidence,
        weights: np.ndarray,
        batch_size: float,
        random_state: np.random.RandomState,
        *,
        by_row: bool = False,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self._parts: list[tuple[Evidence, Patterns]] = []
        totals = []
        for rows, row_weights in deal(weights, batch_size, random_state):
            part = evidence.with_symbols(take_rows(evidence.symbols, rows)).take(slice(None))
            build = row_patterns if by_row else build_patterns
            patterns = build(circuit.parents, part.dense_symbols, part.n_symbols, row_weights)
            self._parts.append((part.without_rows(), patterns))
            totals.append(row_weights.sum())
        self.weights = np.array(totals)
        self._messages = Messages(
            max(patterns.n_message_rows for _, patterns in self._parts),
            circuit.n_regions,
            circuit.n_latents,
            dtype=dtype,
        )

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def n_patterns(self) -> int:
        """Number of patterns of all regions and batches: the size of an epoch."""
        return sum(int(patterns.n_patterns.sum()) for _, patterns in self._parts)

    def part(self, batch: int) -> tuple[Evidence, Patterns]:
        """What the symbols of a batch stand for, and its patterns."""
        return self._parts[batch]

    def expected_counts(
        self, batch: int, circuit: Circuit, *, with_gate: bool = False
    ) -> ExpectedCounts:
        """Expected counts of one batch under `circuit`."""
        evidence, patterns = self._parts[batch]
        self._messages.upward(circuit, evidence, patterns)
        return self._messages.downward(circuit, evidence, patterns, with_gate=with_gate)


def annealed(progress: float) -> float:
    """Factor of a step size after this share of all epochs: from 1 to 1/50, half a cosine."""
    return float(0.02 + 0.49 * (1.0 + np.cos(np.pi * progress)))


def deal(
    weights: np.ndarray, batch_size: float, random_state: np.random.RandomState
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Deal the weight of all rows out to batches of about equal weight, at random.

    A row of weight w is dealt in up to w equal parts, as if it were so many rows: batches
    then resemble the data also where few distinct rows have most of the weight.

    Returns
    -------
    list of tuples
        Rows of a batch, ascending, and their weights in it.
    """
    n_batches = max(1, round(float(weights.sum()) / batch_size))
    n_parts = np.clip(np.ceil(weights), 1, n_batches).astype(np.int64)
    rows = np.repeat(np.arange(len(weights)), n_parts)
    rows = rows[random_state.permutation(len(rows))]
    part_weights = (weights / n_parts)[rows]
    middle = np.cumsum(part_weights) - 0.5 * part_weights
    batch_of = np.minimum(middle / middle[-1] * n_batches, n_batches - 1).astype(np.int64)
    starts = np.searchsorted(batch_of, np.arange(n_batches + 1))
    batches = []
    for start, stop in pairwise(starts):
        if start < stop:
            chosen, first = np.unique(rows[start:stop], return_inverse=True)
            total = np.bincount(first, part_weights[start:stop])
            batches.append((chosen, total))
    return batches
