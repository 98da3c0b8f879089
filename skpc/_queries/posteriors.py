"""Posterior probabilities of latent states given rows, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skpc._circuit.circuit import Circuit
from skpc._circuit.tree import with_ancestors
from skpc._data.evidence import Evidence
from skpc._kernels import contributions as kernels
from skpc._kernels.gemm import TILE_ROWS
from skpc._passes.blocks import DEFAULT_MAX_BYTES, pass_bytes, row_blocks
from skpc._passes.messages import Messages
from skpc._passes.patterns import Patterns, build_patterns
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
    for rows, _, root_codes, flows in posterior_blocks(circuit, X, regions, max_bytes=max_bytes):
        np.take(flows, root_codes, axis=1, out=out[:, rows])
    return out


def posterior_blocks(
    circuit: Circuit,
    X: np.ndarray,
    regions: Sequence[int] | np.ndarray,
    *,
    bytes_per_row: int = 0,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """The same in blocks of rows, of which each needs `bytes_per_row` besides.

    Yields
    ------
    rows : slice
    block : (n_block, n_features)
        These rows.
    codes : (n_block,)
        The number of each among the distinct ones.
    flows : (m, n_distinct, K)
        The posteriors of the distinct ones.
    """
    regions = np.asarray(regions, np.int64)
    order, parent_of = with_ancestors(circuit.parents, regions)
    slot_of = np.full(circuit.n_regions, -1)
    slot_of[regions] = np.arange(len(regions))
    inverted = order[parent_of >= 0]
    is_inverse = np.isin(np.arange(circuit.n_regions), inverted)
    # The kernels' tasks write flows to them, and a caller looks at as many again.
    bytes_per_row += 16 * len(regions) * circuit.n_latents
    for rows, block, _, patterns, messages in blocks_after_upward(
        circuit, X, bytes_per_row, max_bytes
    ):
        n_rows = int(patterns.n_patterns[patterns.roots[0]])
        flows = np.empty((len(regions), n_rows, circuit.n_latents))
        n_at_once = rows_per_task(len(order), messages)
        launch(kernels.invert, len(inverted), patterns, inverted, messages.sums, circuit.n_latents)
        launch(
            kernels.posteriors, -(-n_rows // n_at_once), patterns, order, parent_of,
            slot_of[order], circuit.root_weights, messages.weights, messages.products,
            messages.sums, is_inverse, messages.exponents, n_at_once, flows,
        )  # fmt: skip
        yield rows, block, patterns.root_codes, flows


def blocks_after_upward(
    circuit: Circuit,
    X: Any,
    bytes_per_row: int,
    max_bytes: int,
    bytes_of: Callable[[Patterns], int] | None = None,
) -> Iterator[tuple[slice, np.ndarray, Evidence, Patterns, Messages]]:
    """Blocks of rows after the upward pass.

    `bytes_per_row` is what a row needs besides, and `bytes_of` what patterns do.
    """
    n_regions, n_latents = circuit.n_regions, circuit.n_latents
    of_message = Messages.bytes_per_row(n_latents)
    bytes_at_most = bytes_per_row + pass_bytes(circuit)
    todo = row_blocks(X.shape[0], bytes_at_most, max_bytes)
    while todo:
        rows = todo.pop(0)
        block = X[rows].toarray() if issparse(X) else X[rows]
        evidence = circuit.inputs.encode(block)
        patterns = build_patterns(circuit.parents, evidence.dense_symbols, evidence.n_symbols)
        n_rows = rows.stop - rows.start
        needed = patterns.n_message_rows * of_message + n_rows * bytes_per_row
        if bytes_of and n_rows > 1 and needed + bytes_of(patterns) > max_bytes:
            middle = (rows.start + rows.stop) // 2
            todo[:0] = [slice(rows.start, middle), slice(middle, rows.stop)]
            continue
        messages = Messages(patterns.n_message_rows, n_regions, n_latents)
        messages.upward(circuit, evidence, patterns)
        yield rows, block, evidence, patterns, messages


def rows_per_task(n_order: int, messages: Messages) -> int:
    bytes_per_row = n_order * messages.sums.shape[1] * 8
    rows = _TASK_BYTES // bytes_per_row // TILE_ROWS * TILE_ROWS
    return min(_TASK_ROWS, max(TILE_ROWS, rows))
