"""What all other columns of a row say of one column, or of a latent variable: exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skpc._circuit import Circuit
from skpc._evidence import Evidence
from skpc._flows import DEFAULT_MAX_BYTES, Messages, row_blocks
from skpc._kernels import outside as kernels
from skpc._kernels.gemm import TILE_ROWS, padded
from skpc._patterns import Patterns, build_patterns
from skpc._threads import launch
from skpc._tree import children_of, levels_of

_TASK_BYTES = 2**22
_TASK_ROWS = 128


def contributions(
    circuit: Circuit, X: np.ndarray, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Minus log p(x_i | the other observed columns of the row) of every column, in nats.

    One pass up and one down, for all columns together.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features) array or sparse matrix
        NaN is missing: it contributes zero.
    max_bytes : int
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    (n, n_features) float64
    """
    n_latents = circuit.n_latents
    column_start = np.append(0, np.cumsum([len(columns) for columns in circuit.features]))
    columns = np.concatenate(circuit.features).astype(np.int64)
    order, parent_of = _with_ancestors(circuit.parents, np.flatnonzero(np.diff(column_start)))
    has_children = np.isin(order, circuit.parents)
    above_only = ~has_children & (np.diff(column_start)[order] == 1)
    above_only &= circuit.parents[order] >= 0
    n_others = sum(len(part) for part in circuit.features if len(part) > 1)
    bytes_per_row = 8 * (n_others * (n_latents + padded(n_latents, np.float64)) + X.shape[1])
    out = np.zeros(X.shape)
    for rows, block, evidence, patterns, messages in blocks_after_upward(
        circuit, X, bytes_per_row, max_bytes
    ):
        others_start, table, others_exponents = circuit.inputs.likelihoods_of_others(evidence)
        others = np.zeros((len(table), messages.sums.shape[1]))
        others[:, :n_latents] = table
        n_rows = int(patterns.n_patterns[patterns.roots[0]])
        values = np.full((n_rows, X.shape[1]), -np.inf if len(circuit.roots) > 1 else 0.0)
        for region in order[above_only]:
            own = slice(patterns.row_start[region], patterns.row_start[region + 1])
            np.divide(
                1.0, messages.sums[own], out=messages.products[own], where=messages.sums[own] > 0.0
            )
        rows_per_task = _rows_per_task(len(order), messages)
        launch(
            kernels.contributions, -(-n_rows // rows_per_task), patterns, order, parent_of,
            above_only, column_start, columns, others_start, others, others_exponents,
            circuit.root_weights, messages.weights, messages.products, messages.sums,
            messages.exponents, rows_per_task, values,
        )  # fmt: skip
        values = values[patterns.root_codes]
        values[:, ~np.isin(np.arange(X.shape[1]), columns)] = 0.0
        values[np.isnan(block)] = 0.0
        out[rows] = values
    return out


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
    regions = np.asarray(regions, np.int64)
    out = np.empty((len(regions), X.shape[0], circuit.n_latents))
    order, parent_of = _with_ancestors(circuit.parents, regions)
    slot_of = np.full(circuit.n_regions, -1)
    slot_of[regions] = np.arange(len(regions))
    bytes_per_row = 8 * len(regions) * circuit.n_latents
    for rows, _, _, patterns, messages in blocks_after_upward(circuit, X, bytes_per_row, max_bytes):
        n_rows = int(patterns.n_patterns[patterns.roots[0]])
        flows = np.empty((len(regions), n_rows, circuit.n_latents))
        rows_per_task = _rows_per_task(len(order), messages)
        launch(
            kernels.posteriors, -(-n_rows // rows_per_task), patterns, order, parent_of,
            slot_of[order], circuit.root_weights, messages.weights, messages.products,
            messages.sums, messages.exponents, rows_per_task, flows,
        )  # fmt: skip
        out[:, rows] = flows[:, patterns.root_codes]
    return out


def blocks_after_upward(
    circuit: Circuit, X: Any, bytes_per_row: int, max_bytes: int
) -> Iterator[tuple[slice, np.ndarray, Evidence, Patterns, Messages]]:
    """Blocks of rows after the upward pass; `bytes_per_row` is what a row needs besides."""
    n_regions, n_latents = circuit.n_regions, circuit.n_latents
    bytes_per_row += n_regions * (Messages.bytes_per_row(n_latents) + 12)
    for rows in row_blocks(X.shape[0], bytes_per_row, max_bytes):
        block = X[rows].toarray() if issparse(X) else X[rows]
        evidence = circuit.inputs.encode(block)
        patterns = build_patterns(circuit.parents, evidence.dense_symbols, evidence.n_symbols)
        messages = Messages(patterns.n_message_rows, n_regions, n_latents)
        messages.upward(circuit, evidence, patterns)
        yield rows, block, evidence, patterns, messages


def _with_ancestors(parents: np.ndarray, regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """These regions and those above them, parents first, and where in there each parent is.

    Each subtree is finished before the next begins: its messages are still in a cache.
    """
    is_needed = np.zeros(len(parents), bool)
    is_needed[regions] = True
    topdown, _ = levels_of(parents, from_leaves=False)
    for region in topdown[::-1]:
        if is_needed[region] and parents[region] >= 0:
            is_needed[parents[region]] = True
    start, children = children_of(parents)
    preorder: list[int] = []
    stack = list(np.flatnonzero(is_needed & (parents < 0))[::-1])
    while stack:
        region = stack.pop()
        preorder.append(region)
        below = children[start[region] : start[region + 1]]
        stack.extend(below[is_needed[below]][::-1])
    order = np.array(preorder, np.int64)
    position = np.zeros(len(parents), np.int64)
    position[order] = np.arange(len(order))
    parent_of = np.where(parents[order] < 0, -1, position[parents[order]])
    return order, parent_of


def _rows_per_task(n_order: int, messages: Messages) -> int:
    bytes_per_row = n_order * messages.sums.shape[1] * 8
    rows = _TASK_BYTES // bytes_per_row // TILE_ROWS * TILE_ROWS
    return min(_TASK_ROWS, max(TILE_ROWS, rows))
