"""Posterior probabilities of latent states given rows, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._circuit.tree import with_ancestors
from skpc._kernels import contributions as kernels
from skpc._kernels.gemm import TILE_ROWS
from skpc._passes.blocks import DEFAULT_MAX_BYTES, Block, Memory, pattern_blocks
from skpc._threads import launch

_TASK_BYTES = 2**22
_TASK_ROWS = 128


def posteriors(
    circuit: Circuit,
    X: np.ndarray,
    regions: Sequence[int] | np.ndarray,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Probabilities of the latent states of some regions given each row.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features) array or sparse matrix
        NaN is missing.
    regions : sequence of m distinct int
    max_bytes : int
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    (m, n, K) float64
        Of a state together with its tree: they sum to the tree's posterior probability, which
        is one if there are no others.
    """
    out = np.empty((len(regions), X.shape[0], circuit.n_latents))
    for block, flows in posterior_blocks(circuit, X, regions, Memory(max_bytes)):
        np.take(flows, block.patterns.root_codes, axis=1, out=out[:, block.rows])
    return out


def posterior_blocks(
    circuit: Circuit,
    X: np.ndarray,
    regions: Sequence[int] | np.ndarray,
    memory: Memory,
) -> Iterator[tuple[Block, np.ndarray]]:
    """The same in blocks of rows.

    Yields
    ------
    block : Block
    flows : (m, n_distinct, K)
        The posteriors of its distinct rows, which the codes of the roots number.
    """
    regions = np.asarray(regions, np.int64)
    order, parent_of = with_ancestors(circuit.parents, regions)
    slot_of = np.full(circuit.n_regions, -1)
    slot_of[regions] = np.arange(len(regions))
    inverted = order[parent_of >= 0]
    is_inverse = np.isin(np.arange(circuit.n_regions), inverted)
    descent = kernels.Descent(order, parent_of, is_inverse)
    # The kernels' tasks write flows to them, and a caller looks at as many again.
    of_flows = 16 * len(regions) * circuit.n_latents
    memory = memory._replace(per_row=memory.per_row + of_flows)
    for block in pattern_blocks(circuit, X, memory=memory):
        messages, patterns = block.after_upward(circuit).arrays, block.patterns
        n_rows = int(patterns.n_patterns[patterns.roots[0]])
        flows = np.empty((len(regions), n_rows, circuit.n_latents))
        n_at_once = rows_per_task(descent, messages.sums.shape[1])
        launch(kernels.invert, len(inverted), patterns, inverted, messages.sums, circuit.n_latents)
        launch(
            kernels.posteriors, -(-n_rows // n_at_once), patterns, descent, slot_of[order],
            circuit.root_weights, messages, n_at_once, flows,
        )  # fmt: skip
        yield block, flows


def rows_per_task(descent: kernels.Descent, n_padded: int) -> int:
    """How many rows go down together: their flows stay in the cache."""
    bytes_per_row = len(descent.order) * n_padded * 8
    rows = _TASK_BYTES // bytes_per_row // TILE_ROWS * TILE_ROWS
    return min(_TASK_ROWS, max(TILE_ROWS, rows))
