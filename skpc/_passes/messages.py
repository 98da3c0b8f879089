"""Upward and downward passes: log-likelihoods and expected counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from skpc._circuit.circuit import Circuit
from skpc._data.evidence import Evidence
from skpc._kernels import messages as kernels
from skpc._kernels.gemm import TILE_ROWS, padded
from skpc._kernels.messages import MessageArrays
from skpc._passes.counts import ExpectedCounts
from skpc._passes.patterns import Patterns
from skpc._threads import launch, table_work

_MOMENT_CHUNKS = 8
_ROW_TASK_BYTES = 2**21


class Messages:
    """The messages of a circuit over the patterns of a data set, and passes over them.

    Memory is allocated for the largest patterns so far, and used again.

    Parameters
    ----------
    n_regions, n_latents : int
    dtype : float64 or float32
        Of the messages; products, exponents and likelihoods are float64 in any case.
    keep_products : bool
        Whether a downward pass will follow.

    Attributes
    ----------
    arrays : MessageArrays
        Of the last pass.
    """

    def __init__(
        self,
        n_regions: int,
        n_latents: int,
        *,
        dtype: DTypeLike = np.float64,
        keep_products: bool = True,
    ) -> None:
        self.n_latents = n_latents
        self.dtype = np.dtype(dtype)
        self._keep_products = keep_products
        n_padded = padded(n_latents, dtype)
        weights, weights_t = (np.zeros((n_regions, n_latents, n_padded), dtype) for _ in range(2))
        self.arrays = MessageArrays(*self._allocated(0), weights, weights_t)

    def _allocated(self, n_message_rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Products, sums and exponents."""
        n_padded = padded(self.n_latents, self.dtype)
        # Block products may touch up to one tile behind the last row.
        n_rows = n_message_rows + TILE_ROWS
        products = np.zeros((n_rows if self._keep_products else 0, n_padded), self.dtype)
        return products, np.zeros((n_rows, n_padded), self.dtype), np.zeros(n_rows, np.int64)

    def _make_room(self, n_message_rows: int) -> None:
        """Allow for so many rows; the messages so far may be lost."""
        weights = self.arrays.weights, self.arrays.weights_t
        if n_message_rows + TILE_ROWS > len(self.arrays.sums):
            del self.arrays  # before there are others
            self.arrays = MessageArrays(*self._allocated(n_message_rows), *weights)

    @staticmethod
    def bytes_per_row(n_latents: int, dtype: DTypeLike = np.float64) -> int:
        """Memory of one message row."""
        return 2 * padded(n_latents, dtype) * np.dtype(dtype).itemsize + 8

    def upward(self, circuit: Circuit, evidence: Evidence, patterns: Patterns) -> None:
        """Evaluate every node on every pattern of the evidence."""
        self._make_room(patterns.n_message_rows)
        likelihoods, exponents = circuit.inputs.likelihoods(evidence)
        table = likelihoods
        if circuit.n_latents < padded(self.n_latents, self.dtype):
            table = np.zeros((len(likelihoods), padded(self.n_latents, self.dtype)))
            table[:, : circuit.n_latents] = likelihoods
        launch(
            kernels.upward, np.append(0, circuit.n_regions + patterns.up_levels), patterns, table,
            exponents, circuit.sum_weights, self.arrays,
            work=table_work(patterns.n_message_rows, self.n_latents),
        )  # fmt: skip

    def root_log_likelihoods(self, circuit: Circuit, patterns: Patterns) -> np.ndarray:
        """Log-likelihood of each pattern of the roots, in nats; call after `upward`."""
        likelihoods = np.empty(patterns.n_patterns[patterns.roots[0]])
        exponents = np.empty(len(likelihoods), np.int64)
        kernels.root_likelihoods(
            patterns.roots,
            patterns.row_start,
            circuit.root_weights,
            self.arrays.sums,
            self.arrays.exponents,
            likelihoods,
            exponents,
        )
        return np.log(likelihoods) + exponents * np.log(2.0)

    def downward(
        self, circuit: Circuit, evidence: Evidence, patterns: Patterns, *, with_gate: bool = False
    ) -> ExpectedCounts:
        """Expected counts of the weighted patterns; call after `upward`, once."""
        n_regions, n_latents = circuit.n_regions, circuit.n_latents
        n_padded = padded(n_latents, self.dtype)
        root = patterns.roots[0]
        n_root = patterns.n_patterns[root]
        n_root_tasks = -(-n_root // kernels.TASK_ROWS)
        n_gates = n_latents if with_gate else 0
        partials = new_partials(patterns, n_padded, n_gates, self.dtype)
        counts = kernels.Counts(
            log_likelihoods=np.empty(n_root),
            root=np.empty((n_root_tasks, len(circuit.root_weights))),
            root_gate=np.zeros((n_root_tasks, int(with_gate))),
            sums=np.zeros((n_regions, n_latents, n_latents)),
            gate=np.zeros((n_regions, n_gates)),
            symbols=np.zeros((int(evidence.n_symbols.sum()), n_padded)),
        )
        last_level = n_root_tasks + len(patterns.down_tasks) + n_regions
        launch(
            kernels.downward,
            np.concatenate([[0], n_root_tasks + patterns.down_levels, [last_level]]),
            patterns, circuit.root_weights, self.arrays, partials, counts,
            work=table_work(patterns.n_message_rows, n_latents),
        )  # fmt: skip
        if with_gate:
            counts.gate[root, 0] = counts.root_gate.sum()
        weights = patterns.weights[patterns.message_rows(root)]
        return ExpectedCounts(
            log_likelihood=float(np.sum(counts.log_likelihoods * weights)),
            root=counts.root.sum(axis=0),
            sums=counts.sums,
            inputs=circuit.inputs.summarize(evidence, counts.symbols[:, :n_latents]),
            gate=counts.gate if with_gate else None,
        )

    def row_curvature(
        self,
        circuit: Circuit,
        patterns: Patterns,
        weights: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Hessian traces of rows, and with `weights` the second moments of their flows.

        Call between `upward` and `downward`. See ``kernels.row_curvature``.
        """
        n_regions, n_latents = circuit.n_regions, circuit.n_latents
        n_rows = len(patterns.root_codes)
        n_padded = padded(n_latents, self.dtype)
        per_row = n_regions * n_padded * 8
        rows_per_block = max(TILE_ROWS, _ROW_TASK_BYTES // per_row // TILE_ROWS * TILE_ROWS)
        rows_per_block = min(rows_per_block, 128)
        n_blocks = -(-n_rows // rows_per_block)
        traces = np.empty(n_rows)
        if weights is None:
            moments = np.zeros((n_blocks, 0, 0, 0))
            weights = np.ones(n_rows)
        else:
            moments = np.zeros((min(_MOMENT_CHUNKS, n_blocks), n_regions, n_padded, n_padded))
        launch(
            kernels.row_curvature, len(moments), patterns, patterns.codes, circuit.root_weights,
            weights, self.arrays, rows_per_block, traces, moments,
        )  # fmt: skip
        if not moments.size:
            return traces, None, None
        total = moments.sum(axis=0)[:, :n_latents, :n_latents]
        root_moments = total[patterns.roots, 0].ravel()
        sum_moments = total * circuit.sum_weights**2
        sum_moments[patterns.roots] = 0.0
        return traces, root_moments, sum_moments


def new_partials(
    patterns: Patterns, n_padded: int, n_gates: int = 0, dtype: DTypeLike = np.float64
) -> kernels.Partials:
    """Room for what the tasks of a downward pass find."""
    n_tasks = int(np.diff(patterns.down_levels).max(initial=0))
    return kernels.Partials(
        counts=np.empty((n_tasks, n_padded, n_padded), dtype),
        gate=np.empty((n_tasks, n_gates)),
        n_left=-(-patterns.n_patterns // kernels.TASK_ROWS),
    )
