"""The EM loop: expected counts, M-step, until progress says stop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from skpc._circuit import Circuit
from skpc._evidence import Evidence
from skpc._flows import DEFAULT_MAX_BYTES, ExpectedCounts, Messages, pattern_blocks
from skpc._mstep import MStep
from skpc._patterns import row_codes
from skpc._stopping import FitResult, Progress


class EStep:
    """Expected counts of a weighted data set under any circuit of one structure.

    Parameters
    ----------
    circuit : Circuit
        Only its structure, its number of states and its encoding are used.
    evidence : Evidence
        Of distinct rows; see `skpc._patterns.distinct_rows`.
    weights : (n,)
    with_gate, with_moments : bool
        What to gather beside the counts.
    max_bytes : int
        Rows are taken in blocks so that messages fit.
    dtype : float64 or float32
        Of the messages; likelihoods and counts are float64 in any case. Moments need float64.
    """

    def __init__(
        self,
        circuit: Circuit,
        evidence: Evidence,
        weights: np.ndarray,
        *,
        with_gate: bool = False,
        with_moments: bool = False,
        max_bytes: int = DEFAULT_MAX_BYTES,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if with_moments:
            dtype = np.float64
        self._evidence = evidence if with_moments else None
        self.weights = weights
        self.with_gate = with_gate
        self.blocks = pattern_blocks(
            circuit.parents,
            evidence,
            weights,
            Messages.bytes_per_row(circuit.n_latents, dtype),
            max_bytes,
        )
        self._messages = Messages(
            max(patterns.n_message_rows for _, _, patterns in self.blocks),
            circuit.n_regions,
            circuit.n_latents,
            dtype=dtype,
        )

    @property
    def n_patterns(self) -> int:
        """Number of patterns of all regions: the size of the E-step."""
        return sum(int(patterns.n_patterns.sum()) for _, _, patterns in self.blocks)

    def __call__(self, circuit: Circuit) -> ExpectedCounts:
        """Expected counts under `circuit`."""
        total: ExpectedCounts | None = None
        for rows, evidence, patterns in self.blocks:
            self._messages.upward(circuit, evidence, patterns)
            moments = None
            if self._evidence is not None:
                part = self._evidence.take(rows)
                codes, _ = row_codes(circuit.parents, part.dense_symbols, part.n_symbols)
                moments = self._messages.row_curvature(circuit, patterns, codes, self.weights[rows])
            counts = self._messages.downward(circuit, evidence, patterns, with_gate=self.with_gate)
            if moments is not None:
                _, counts.root_moments, counts.sum_moments = moments
            if total is None:
                total = counts
            else:
                total.add(counts)
        assert total is not None
        return total


def fit_em(
    circuit: Circuit,
    e_step: EStep,
    m_step: MStep,
    *,
    max_iter: int,
    tol: float,
    validation: Callable[[Circuit], float] | None = None,
    n_iter_no_change: int = 10,
    on_iteration: Callable[[int, float, float | None], None] | None = None,
) -> FitResult:
    """Update `circuit` until it is no longer worth it.

    Parameters
    ----------
    circuit : Circuit
        Where to start.
    e_step, m_step : EStep, MStep
    max_iter : int
    tol, validation, n_iter_no_change, on_iteration : see `skpc._stopping.Progress`
    """
    total_weight = float(e_step.weights.sum())
    progress = Progress(
        circuit,
        tol=tol,
        validation=validation,
        n_iter_no_change=n_iter_no_change,
        on_iteration=on_iteration,
    )
    for _ in range(max_iter):
        counts = e_step(circuit)
        circuit = m_step(circuit, counts)
        if progress.update(circuit, counts.log_likelihood / total_weight):
            break
    return progress.result()
