"""Derivatives of the passes along a direction: Hessian-vector products, block by block.

A pass up and one down *linearise* the likelihood of weighted patterns; then each direction
in the parameters costs about two more E-steps. All here is of sums of weight * log p.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._data.evidence import Evidence
from skpc._kernels import tangents as kernels
from skpc._kernels.gemm import padded
from skpc._kernels.messages import TASK_ROWS
from skpc._passes.blocks import Memory, pattern_blocks
from skpc._passes.counts import ExpectedCounts
from skpc._passes.messages import Messages, new_partials
from skpc._passes.patterns import Patterns
from skpc._threads import launch, table_work

_MAX_ROW_BYTES = 2**26  # larger blocks of rows are not faster


@dataclass(frozen=True)
class Tangent:
    """How the gradient of sum weight * log p changes along a direction.

    Attributes
    ----------
    root : (n_roots * n_latents,)
        Change of d log p / d root_weights.
    sums : (n_regions, n_latents, n_latents)
        Change of d log p / d sum_weights; zero at a root.
    symbols : (n_symbols, n_latents) or (0, n_latents)
        B times the change of d log p / dB, with B the likelihood of a symbol given a state;
        laid out like ``Inputs.likelihoods``. Where the direction leaves inputs alone, this
        is the change of the expected counts F = d log p / d log B.
    """

    root: np.ndarray
    sums: np.ndarray
    symbols: np.ndarray


class Buffers:
    """The memory of linearisations that follow each other.

    Parameters
    ----------
    n_regions, n_latents : int
    """

    def __init__(self, n_regions: int, n_latents: int) -> None:
        self.messages = Messages(n_regions, n_latents)
        packed, packed_t = (np.zeros_like(self.messages.arrays.weights) for _ in range(2))
        self._allocate(packed, packed_t)

    def _allocate(self, packed: np.ndarray, packed_t: np.ndarray) -> None:
        shape = self.messages.arrays.sums.shape
        self.sums = np.empty(shape)
        sums, tops, rests, remainders = (np.zeros(shape) for _ in range(4))
        origins = np.zeros(shape, np.int32)
        self.tangents = kernels.Tangents(sums, tops, rests, origins, remainders, packed, packed_t)

    def go_up(self, circuit: Circuit, evidence: Evidence, patterns: Patterns) -> None:
        """Evaluate every node on every pattern, and keep the sums."""
        self.messages.upward(circuit, evidence, patterns)
        sums = self.messages.arrays.sums
        if len(self.sums) < len(sums):
            packed, packed_t = self.tangents.packed, self.tangents.packed_t
            del self.sums, self.tangents  # before there are others
            self._allocate(packed, packed_t)
        n_rows = patterns.n_message_rows
        self.sums[:n_rows] = sums[:n_rows]


class Linearisation:
    """The likelihood of some weighted patterns near a circuit.

    Parameters
    ----------
    circuit : Circuit
    evidence : Evidence
        What the patterns' symbols stand for.
    patterns : Patterns
        Of rows with positive weights.
    buffers : Buffers, optional
        Memory to use, which must not be that of a linearisation still needed.

    Attributes
    ----------
    counts : ExpectedCounts
    """

    def __init__(
        self,
        circuit: Circuit,
        evidence: Evidence,
        patterns: Patterns,
        buffers: Buffers | None = None,
    ) -> None:
        self.circuit, self.evidence, self.patterns = circuit, evidence, patterns
        self._buffers = buffers or Buffers(circuit.n_regions, circuit.n_latents)
        self._buffers.go_up(circuit, evidence, patterns)
        messages = self._buffers.messages
        self.counts: ExpectedCounts = messages.downward(circuit, evidence, patterns)
        self._passes = kernels.Passes(
            products=messages.arrays.products,
            sums=self._buffers.sums,
            flows=messages.arrays.sums,
            weights=messages.arrays.weights,
            weights_t=messages.arrays.weights_t,
            root_weights=circuit.root_weights,
        )

    @staticmethod
    def bytes_per_row(n_latents: int) -> int:
        """Memory of one message row."""
        return Messages.bytes_per_row(n_latents) + (5 * 8 + 4) * padded(n_latents, np.float64)

    def along(
        self,
        root: np.ndarray,
        sums: np.ndarray,
        symbols: np.ndarray | None = None,
        *,
        with_symbols: bool = False,
    ) -> Tangent:
        """Change of the gradient along one direction.

        Parameters
        ----------
        root : (n_roots * n_latents,)
            Direction of the root weights.
        sums : (n_regions, n_latents, n_latents)
            Of the sum weights; a root's entry is not used.
        symbols : (n_symbols, n_latents), optional
            dB / B of every symbol; default: inputs are constant.
        with_symbols : bool
            Whether to compute ``Tangent.symbols``.
        """
        return self._along(self._direction(root, sums, symbols), with_symbols)

    def along_gradients(
        self, symbols: np.ndarray | None = None, *, with_symbols: bool = False
    ) -> Tangent:
        """Change of each row's gradient along that gradient, summed: half that of |gradient|^2.

        Every pattern must stand for one row; see `row_linearisations`.

        Parameters
        ----------
        symbols : (n_symbols, n_latents), optional
            Where the direction dB of a symbol is d log p / dB: 1 / B^2. Where B is constant: 0.
        with_symbols : bool
        """
        circuit = self.circuit
        root, sums = np.zeros_like(circuit.root_weights), np.zeros_like(circuit.sum_weights)
        return self._along(self._direction(root, sums, symbols, per_row=True), with_symbols)

    def _direction(
        self,
        root: np.ndarray,
        sums: np.ndarray,
        symbols: np.ndarray | None,
        *,
        per_row: bool = False,
    ) -> kernels.Direction:
        n_padded = padded(self.circuit.n_latents, np.float64)
        table = np.zeros((0 if symbols is None else len(symbols), n_padded))
        if symbols is not None:
            table[:, : symbols.shape[1]] = symbols
        return kernels.Direction(per_row, root, sums, table)

    def _along(self, direction: kernels.Direction, with_symbols: bool) -> Tangent:
        circuit, patterns = self.circuit, self.patterns
        n_regions, n_latents = circuit.n_regions, circuit.n_latents
        n_padded = padded(n_latents, np.float64)
        tangents = self._buffers.tangents
        work = table_work(patterns.n_message_rows, n_latents)
        launch(
            kernels.upward, np.append(0, n_regions + patterns.up_levels), patterns, self._passes,
            direction, tangents, work=work,
        )  # fmt: skip
        n_root_tasks = -(-patterns.n_patterns[patterns.roots[0]] // TASK_ROWS)
        n_symbols = int(self.evidence.n_symbols.sum()) if with_symbols else 0
        partials = new_partials(patterns, n_padded)
        gradients = kernels.Gradients(
            root=np.empty((n_root_tasks, len(circuit.root_weights))),
            sums=np.zeros((n_regions, n_latents, n_latents)),
            symbols=np.zeros((n_symbols, n_latents)),
        )
        levels = np.append(0, n_root_tasks + patterns.down_levels)
        if with_symbols:
            levels = np.append(levels, levels[-1] + n_regions)
        launch(
            kernels.downward, levels, patterns, self._passes, direction, tangents, partials,
            gradients, work=work,
        )  # fmt: skip
        return Tangent(gradients.root.sum(axis=0), gradients.sums, gradients.symbols)

    def node_moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sums over rows of weight times F_n^2, t_n and F_n^2 t_n of every sum node n.

        Every pattern must stand for one row; see `row_linearisations`. Each is
        (n_regions, n_latents); the root sum node is in ``[roots[0], 0]``.
        """
        circuit, patterns = self.circuit, self.patterns
        n_latents, roots = circuit.n_latents, patterns.roots
        n_rows = int(patterns.n_patterns[0])
        usage, local, both = np.zeros((3, circuit.n_regions, n_latents))

        def rows_of(array: np.ndarray, region: int) -> np.ndarray:
            first = patterns.row_start[region]
            return array[first : first + n_rows, :n_latents]

        weights = patterns.weights[patterns.row_start[roots[0]] :][:n_rows]
        for region, parent in enumerate(circuit.parents):
            if parent >= 0:
                squared_flows = (rows_of(self._passes.flows, parent) / weights[:, None]) ** 2
                squares = (rows_of(self._passes.products, region) ** 2).sum(axis=1)
                sums = rows_of(self._passes.sums, region)
                # A sum of zero had no flow into it.
                ratios = squares[:, None] / np.where(sums > 0.0, sums, np.inf) ** 2
                usage[region] = weights @ squared_flows
                local[region] = weights @ ratios
                both[region] = weights @ (squared_flows * ratios)
        gradients = np.concatenate([rows_of(self._passes.flows, r) for r in roots], axis=1)
        gradients = gradients / circuit.root_weights / weights[:, None]
        usage[roots[0], 0] = weights.sum()
        local[roots[0], 0] = both[roots[0], 0] = weights @ (gradients**2).sum(axis=1)
        return usage, local, both


def row_linearisations(
    circuit: Circuit, evidence: Evidence, weights: np.ndarray, max_bytes: int
) -> Iterator[tuple[slice, Linearisation]]:
    """Linearise block by block, with every row its own pattern at every region.

    What is not linear in flows needs this.

    Parameters
    ----------
    circuit : Circuit
    evidence : Evidence
        Better of distinct rows; see `skpc._data.distinct.distinct_rows`.
    weights : (n,) positive.
    max_bytes : int
        Bound on the memory of a block's messages.

    Yields
    ------
    rows : slice
    linearisation : Linearisation
        Of these rows, which it numbers from zero; to be used before the next one is made.
    """
    per_message = Linearisation.bytes_per_row(circuit.n_latents) + 32
    memory = Memory(min(max_bytes, _MAX_ROW_BYTES), per_message)
    buffers = Buffers(circuit.n_regions, circuit.n_latents)
    for rows, part, patterns in pattern_blocks(circuit, evidence, weights, memory, by_row=True):
        yield rows, Linearisation(circuit, part, patterns, buffers)
