"""Upward and downward passes: log-likelihoods and expected counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import issparse

from skpc._circuit import Circuit
from skpc._evidence import Evidence
from skpc._kernels import flows as kernels
from skpc._kernels.gemm import TILE_ROWS, padded
from skpc._patterns import CODE_BYTES, Patterns, build_patterns, link_patterns, row_codes
from skpc._threads import launch, table_work

DEFAULT_MAX_BYTES = 2**30
"""Messages beyond this are computed in blocks of rows."""

_USUAL_WEIGHTS = 2.0**-30, 2.0**30  # whose flows are numbers in single precision too
_ROUNDING = 1e-6  # of a log-likelihood, at most
_MAX_CODE_BYTES = 2**27
_MOMENT_CHUNKS = 8
_ROW_TASK_BYTES = 2**21


@dataclass
class ExpectedCounts:
    """What an E-step gathers; sums are over rows, times their weights.

    Attributes
    ----------
    log_likelihood : float
        Sum of log p in nats.
    root : (n_roots * n_latents,)
        Expected counts of the roots' states.
    sums : (n_regions, n_latents, n_latents)
        Expected counts ``[c, k, j]`` of the edges of the sum nodes; zero at a root.
    inputs : list of arrays
        Sufficient statistics of the input distributions; see ``Inputs.summarize``.
    gate : (n_regions, n_latents) or None
        Sums of t_n = |P_c|^2 / S_c,k^2; the root's is in ``[roots[0], 0]``.
    root_moments, sum_moments : like `root` and `sums`, or None
        Sums of squared flows.
    """

    log_likelihood: float
    root: np.ndarray
    sums: np.ndarray
    inputs: list[np.ndarray]
    gate: np.ndarray | None = None
    root_moments: np.ndarray | None = None
    sum_moments: np.ndarray | None = None

    def scale(self, factor: float) -> None:
        """Multiply all counts."""
        self.inputs = [factor * part for part in self.inputs]
        for name, value in vars(self).items():
            if name != "inputs" and value is not None:
                setattr(self, name, factor * value)

    def move_towards(self, other: ExpectedCounts, step: float, factor: float = 1.0) -> None:
        """Replace these counts by (1 - step) of them and `step` of `factor` times the others."""
        launch(kernels.blend, len(self.sums), self.sums, other.sums, 1.0 - step, step * factor)
        self.inputs = [
            (1.0 - step) * a + step * factor * b
            for a, b in zip(self.inputs, other.inputs, strict=True)
        ]
        for name, value in vars(self).items():
            if name not in ("inputs", "sums") and value is not None:
                new = (1.0 - step) * value + step * factor * getattr(other, name)
                setattr(self, name, new)

    def add(self, other: ExpectedCounts) -> None:
        """Add the counts of other rows."""
        self.inputs = [a + b for a, b in zip(self.inputs, other.inputs, strict=True)]
        for name, value in vars(other).items():
            if name != "inputs" and value is not None:
                setattr(self, name, getattr(self, name) + value)


def add_up(parts: Iterable[ExpectedCounts]) -> ExpectedCounts:
    """The expected counts of all rows from those of blocks of them."""
    blocks = iter(parts)
    total = next(blocks)
    for counts in blocks:
        total.add(counts)
    return total


class Messages:
    """The messages of a circuit over the patterns of a data set, and passes over them.

    Parameters
    ----------
    n_message_rows, n_regions, n_latents : int
        Largest sizes that will be used.
    dtype : float64 or float32
        Of the messages; products, exponents and likelihoods are float64 in any case.
    keep_products : bool
        Whether a downward pass will follow.
    """

    def __init__(
        self,
        n_message_rows: int,
        n_regions: int,
        n_latents: int,
        *,
        dtype: DTypeLike = np.float64,
        keep_products: bool = True,
    ) -> None:
        self.n_latents = n_latents
        self.dtype = np.dtype(dtype)
        self._keep_products = keep_products
        self._allocate(n_message_rows)
        self.weights = np.zeros((n_regions, n_latents, self.sums.shape[1]), dtype)
        self.weights_t = np.zeros(self.weights.shape, dtype)  # zeros_like would write them

    def _allocate(self, n_message_rows: int) -> None:
        n_padded = padded(self.n_latents, self.dtype)
        # Block products may touch up to one tile behind the last row.
        shape = (n_message_rows + TILE_ROWS, n_padded)
        self.sums = np.zeros(shape, self.dtype)
        self.products = np.zeros(shape if self._keep_products else (0, n_padded), self.dtype)
        self.exponents = np.zeros(shape[0], np.int64)

    def make_room(self, n_message_rows: int) -> None:
        """Allow for so many rows; the messages so far may be lost."""
        if n_message_rows + TILE_ROWS > len(self.sums):
            self._allocate(n_message_rows)

    @staticmethod
    def bytes_per_row(n_latents: int, dtype: DTypeLike = np.float64) -> int:
        """Memory of one message row."""
        return 2 * padded(n_latents, dtype) * np.dtype(dtype).itemsize + 8

    def upward(self, circuit: Circuit, evidence: Evidence, patterns: Patterns) -> None:
        """Evaluate every node on every pattern of the evidence."""
        likelihoods, exponents = circuit.inputs.likelihoods(evidence)
        table = np.zeros((len(likelihoods), self.sums.shape[1]))
        table[:, : circuit.n_latents] = likelihoods
        launch(
            kernels.upward, np.append(0, circuit.n_regions + patterns.up_levels), patterns, table,
            exponents, circuit.sum_weights, self.weights, self.weights_t, self.products, self.sums,
            self.exponents, work=table_work(patterns.n_message_rows, self.n_latents),
        )  # fmt: skip

    def root_log_likelihoods(self, circuit: Circuit, patterns: Patterns) -> np.ndarray:
        """Log-likelihood of each pattern of the roots, in nats; call after `upward`."""
        likelihoods = np.empty(patterns.n_patterns[patterns.roots[0]])
        exponents = np.empty(len(likelihoods), np.int64)
        kernels.root_likelihoods(
            patterns.roots,
            patterns.row_start,
            circuit.root_weights,
            self.sums,
            self.exponents,
            likelihoods,
            exponents,
        )
        return np.log(likelihoods) + exponents * np.log(2.0)

    def downward(
        self, circuit: Circuit, evidence: Evidence, patterns: Patterns, *, with_gate: bool = False
    ) -> ExpectedCounts:
        """Expected counts of the weighted patterns; call after `upward`, once."""
        n_regions, n_latents = circuit.n_regions, circuit.n_latents
        n_padded = self.sums.shape[1]
        root = patterns.roots[0]
        n_root = patterns.n_patterns[root]
        n_root_tasks = -(-n_root // kernels.TASK_ROWS)
        log_likelihoods = np.empty(n_root)
        root_counts = np.empty((n_root_tasks, len(circuit.root_weights)))
        root_gate = np.zeros((n_root_tasks, int(with_gate)))
        n_tasks = int(np.diff(patterns.down_levels).max(initial=0))
        dtype = self.sums.dtype
        partial_counts = np.empty((n_tasks, padded(n_latents, dtype), n_padded), dtype)
        partial_gate = np.empty((n_tasks, n_latents if with_gate else 0))
        sums = np.zeros((n_regions, n_latents, n_latents))
        gate = np.zeros((n_regions, partial_gate.shape[1]))
        symbols = np.zeros((int(evidence.n_symbols.sum()), n_padded))
        n_left = -(-patterns.n_patterns // kernels.TASK_ROWS)
        last_level = n_root_tasks + len(patterns.down_tasks) + n_regions
        launch(
            kernels.downward,
            np.concatenate([[0], n_root_tasks + patterns.down_levels, [last_level]]),
            patterns, circuit.root_weights, self.weights, self.products, self.sums,
            self.exponents, partial_counts, partial_gate, n_left,
            log_likelihoods, root_counts, root_gate, sums, gate, symbols,
            work=table_work(patterns.n_message_rows, n_latents),
        )  # fmt: skip
        if with_gate:
            gate[root, 0] = root_gate.sum()
        root_rows = slice(patterns.row_start[root], patterns.row_start[root] + n_root)
        return ExpectedCounts(
            log_likelihood=float(np.sum(log_likelihoods * patterns.weights[root_rows])),
            root=root_counts.sum(axis=0),
            sums=sums,
            inputs=circuit.inputs.summarize(evidence, symbols[:, :n_latents]),
            gate=gate if with_gate else None,
        )

    def row_curvature(
        self,
        circuit: Circuit,
        patterns: Patterns,
        codes: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Hessian traces of rows, and with `weights` the second moments of their flows.

        Call between `upward` and `downward`. See ``kernels.row_curvature``.
        """
        n_regions, n_latents = circuit.n_regions, circuit.n_latents
        n_rows = codes.shape[1]
        n_padded = self.sums.shape[1]
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
            kernels.row_curvature, len(moments), patterns, codes, circuit.root_weights, weights,
            self.weights, self.products, self.sums, self.exponents, rows_per_block, traces,
            moments,
        )  # fmt: skip
        if not moments.size:
            return traces, None, None
        total = moments.sum(axis=0)[:, :n_latents, :n_latents]
        root_moments = total[patterns.roots, 0].ravel()
        sum_moments = total * circuit.sum_weights**2
        sum_moments[patterns.roots] = 0.0
        return traces, root_moments, sum_moments


def weight_unit(total: float, dtype: DTypeLike) -> float:
    """The power of two in which flows of so much weight are numbers of this type; mostly one."""
    is_usual = _USUAL_WEIGHTS[0] <= total <= _USUAL_WEIGHTS[1]
    if is_usual or np.dtype(dtype) != np.float32:
        return 1.0
    return float(2.0 ** np.frexp(total)[1])


def row_blocks(n_rows: int, bytes_per_row: int, max_bytes: int) -> list[slice]:
    """Cut rows into the fewest equal blocks whose memory stays below `max_bytes`."""
    n_blocks = max(1, min(n_rows, -(-n_rows * bytes_per_row // max_bytes)))
    bounds = np.linspace(0, n_rows, n_blocks + 1).astype(int)
    return [slice(first, last) for first, last in pairwise(bounds)]


def pass_bytes(circuit: Circuit, *, upward_only: bool = False) -> int:
    """Memory of a row in a pass, at most: where it shares no pattern with other rows."""
    n_latents, n_padded = circuit.n_latents, padded(circuit.n_latents, np.float64)
    of_message = Messages.bytes_per_row(n_latents)
    if upward_only:
        of_message -= 8 * n_padded
    # Each region's symbol, codes, links and weight, and its part of the dense row.
    of_region = of_message + CODE_BYTES + 36
    sizes = [len(circuit.features[region]) for region in circuit.inputs.gaussians]
    # Every value of a continuous column is a symbol: a row of a table and of its copy.
    of_symbols = sum(16 * n_padded + 16 * m + 32 for m in sizes)
    of_one = max((32 * n_latents + 64 * m for m in sizes), default=0)  # while it is made
    return circuit.n_regions * of_region + of_symbols + of_one


def log_likelihood(
    circuit: Circuit, X: np.ndarray, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Exact log-likelihood of what is observed in each row, in nats.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features)
        NaN is missing: it is summed out.
    max_bytes : int
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    (n,) float64
    """
    n_regions, n_latents = circuit.n_regions, circuit.n_latents
    out = np.empty(X.shape[0])
    bytes_per_row = pass_bytes(circuit, upward_only=True)
    for rows in row_blocks(X.shape[0], bytes_per_row, max_bytes):
        evidence = circuit.inputs.encode(X[rows])
        patterns = build_patterns(
            circuit.parents, evidence.dense_symbols, evidence.n_symbols, upward_only=True
        )
        messages = Messages(patterns.n_message_rows, n_regions, n_latents, keep_products=False)
        messages.upward(circuit, evidence, patterns)
        out[rows] = messages.root_log_likelihoods(circuit, patterns)[patterns.root_codes]
        if not issparse(X) and X.dtype.kind == "f":
            # Zero, not only to rounding, where nothing is observed.
            near = rows.start + np.flatnonzero(np.abs(out[rows]) < _ROUNDING)
            out[near[np.isnan(X[near]).all(axis=1)]] = 0.0
    return out


class MeanLogLikelihood:
    """Mean log-likelihood of weighted rows under any circuit of one structure, in nats.

    Their patterns are found once; a call is one upward pass.

    Parameters
    ----------
    circuit : Circuit
        Only its structure, its number of states and its encoding are used.
    evidence : Evidence
        Of distinct rows; see `skpc._patterns.distinct_rows`.
    weights : (n,)
    max_bytes : int
        Rows are taken in blocks so that messages fit.
    """

    def __init__(
        self,
        circuit: Circuit,
        evidence: Evidence,
        weights: np.ndarray,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        n_regions, n_latents = circuit.n_regions, circuit.n_latents
        self._total_weight = float(weights.sum())
        self._blocks = pattern_blocks(
            circuit.parents, evidence, weights, Messages.bytes_per_row(n_latents), max_bytes,
            upward_only=True,
        )  # fmt: skip
        n_message_rows = max(patterns.n_message_rows for _, _, patterns in self._blocks)
        self._messages = Messages(n_message_rows, n_regions, n_latents, keep_products=False)

    def __call__(self, circuit: Circuit) -> float:
        """The mean under `circuit`."""
        total = 0.0
        for _, evidence, patterns in self._blocks:
            self._messages.upward(circuit, evidence, patterns)
            log_likelihoods = self._messages.root_log_likelihoods(circuit, patterns)
            start = patterns.row_start[patterns.roots[0]]
            weights = patterns.weights[start : start + len(log_likelihoods)]
            total += float(np.sum(log_likelihoods * weights))
        return total / self._total_weight


def pattern_blocks(
    parents: np.ndarray,
    evidence: Evidence,
    weights: np.ndarray,
    bytes_per_message: int,
    max_bytes: int,
    *,
    upward_only: bool = False,
) -> list[tuple[slice, Evidence, Patterns]]:
    """Patterns of the whole data set, or of blocks of rows if they need much memory.

    See `skpc._patterns.build_patterns` for `upward_only`.

    Returns
    -------
    list of tuples
        Rows of a block, what its symbols stand for (without rows), and its patterns.
    """
    blocks = []
    todo = row_blocks(len(weights), len(parents) * CODE_BYTES, min(max_bytes, _MAX_CODE_BYTES))
    while todo:
        rows = todo.pop(0)
        part = evidence.take(rows)
        symbols, n_symbols = part.dense_symbols, part.n_symbols
        codes = row_codes(parents, symbols, n_symbols)
        needed = int(codes.n_patterns.sum() + n_symbols.sum()) * bytes_per_message
        n_rows = rows.stop - rows.start
        if needed > max_bytes and n_rows > 1:
            smaller = row_blocks(n_rows, -(-needed // n_rows), max_bytes)
            todo[:0] = [slice(rows.start + s.start, rows.start + s.stop) for s in smaller]
            continue
        patterns = link_patterns(
            parents, symbols, n_symbols, codes, weights[rows], upward_only=upward_only
        )
        blocks.append((rows, part.without_rows(), patterns))
    return blocks
