"""Mini-batches of a data set, whose patterns are found once if there is room for them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike

from skpc._circuit.circuit import Circuit
from skpc._data.evidence import Evidence
from skpc._data.sparse_symbols import take_rows
from skpc._passes.blocks import DEFAULT_MAX_BYTES, Block, Memory, pattern_blocks
from skpc._passes.counts import ExpectedCounts, add_up, weight_unit
from skpc._passes.messages import Messages

_MAX_BATCHES = 2**20
_MAX_BATCHES_OF_FEW_ROWS = 2**14
_MAX_PARTS = 2**24


class Batches:
    """Parts of a weighted data set, and passes of any circuit of one structure over them.

    Parameters
    ----------
    circuit : Circuit
        Only its structure, its number of states and its encoding are used.
    evidence : Evidence
        Of distinct rows; see `skpc._data.distinct.distinct_rows`.
    weights : (n,)
    batch_size : float
        Weight of a batch, about.
    random_state : RandomState
        Deals the rows.
    by_row : bool
        Whether every row is a pattern of its own, as what is not linear in flows needs.
    max_bytes : int
        Patterns beyond this are found anew each time that their batch is asked for, and the
        rows of a batch are taken in blocks whose messages fit.
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
        max_bytes: int = DEFAULT_MAX_BYTES,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self._dealt = deal(weights, batch_size, random_state)
        self.weights = np.array([part.sum() for _, part in self._dealt])
        self._unit = weight_unit(float(self.weights.sum()), dtype)
        self._evidence = evidence
        self._circuit = circuit
        self._by_row = by_row
        self._memory = Memory(max_bytes, Messages.bytes_per_row(circuit.n_latents, dtype))
        self._bytes_left = max_bytes
        self._kept: dict[int, list[Block]] = {}
        self._messages = Messages(circuit.n_regions, circuit.n_latents, dtype=dtype)

    def __len__(self) -> int:
        return len(self._dealt)

    def blocks(self, batch: int) -> list[Block]:
        """The rows of a batch, numbered from zero, in blocks."""
        if batch in self._kept:
            return self._kept[batch]
        rows, weights = self._dealt[batch]
        evidence = self._evidence.with_symbols(take_rows(self._evidence.symbols, rows))
        blocks = list(
            pattern_blocks(
                self._circuit, evidence, weights / self._unit, self._memory, by_row=self._by_row
            )
        )
        size = sum(block.patterns.nbytes for block in blocks)
        if size <= self._bytes_left:
            self._bytes_left -= size
            self._kept[batch] = blocks
        return blocks

    def expected_counts(
        self, batch: int, circuit: Circuit, *, with_gate: bool = False
    ) -> ExpectedCounts:
        """Expected counts of one batch under `circuit`."""

        def counts(block: Block) -> ExpectedCounts:
            _, evidence, patterns = block
            self._messages.upward(circuit, evidence, patterns)
            return self._messages.downward(circuit, evidence, patterns, with_gate=with_gate)

        total = add_up(counts(block) for block in self.blocks(batch))
        if self._unit != 1.0:
            total.scale(self._unit)
        return total


def deal(
    weights: np.ndarray, batch_size: float, random_state: np.random.RandomState
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Deal the weight of all rows out to batches of about equal weight, at random.

    A row of weight w is dealt in up to w equal parts, as if it were so many rows: batches
    then resemble the data also where few distinct rows have most of the weight. No batch has
    less than half of its share: what it says counts as much as what another says.

    Returns
    -------
    list of tuples
        Rows of a batch, ascending, and their weights in it.

    Raises
    ------
    ValueError
        If there would be too many batches.
    """
    total_weight = float(weights.sum())
    n_batches = max(1, round(total_weight / min(batch_size, total_weight)))
    if n_batches > min(_MAX_BATCHES, max(_MAX_BATCHES_OF_FEW_ROWS, len(weights))):
        raise ValueError(
            f"batch_size={batch_size:.0f} makes {n_batches} batches of {len(weights)} distinct "
            f"rows whose weights sum to {total_weight:.6g}: rows are counted by sample_weight. "
            "Increase batch_size, scale the weights, or set batch_size='auto'."
        )
    unit = max(1.0, total_weight / _MAX_PARTS)
    n_parts = np.clip(np.ceil(weights / unit), 1, n_batches).astype(np.int64)
    rows = np.repeat(np.arange(len(weights)), n_parts)
    rows = rows[random_state.permutation(len(rows))]
    part_weights = (weights / n_parts)[rows]
    last = np.cumsum(part_weights)
    middle = (last - 0.5 * part_weights) / last[-1] * n_batches
    share_of = np.minimum(middle, n_batches - 1).astype(np.int64)
    is_enough = np.bincount(share_of, part_weights, n_batches) >= 0.5 * last[-1] / n_batches
    # What is too little for a batch goes to the one before.
    batch_of = np.maximum(np.cumsum(is_enough) - 1, 0)[share_of]
    starts = np.searchsorted(batch_of, np.arange(batch_of[-1] + 2))
    batches = []
    for start, stop in pairwise(starts):
        chosen, member = np.unique(rows[start:stop], return_inverse=True)
        batches.append((chosen, np.bincount(member, part_weights[start:stop])))
    return batches
