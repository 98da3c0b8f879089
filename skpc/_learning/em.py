"""EM: expected counts, M-step, until progress says stop; on all rows or on mini-batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from skpc._circuit.circuit import Circuit
from skpc._data.evidence import Evidence
from skpc._learning.journal import check_form
from skpc._learning.mstep import MStep
from skpc._learning.progress import FitResult, Progress, Update, Updates, follow
from skpc._passes.blocks import DEFAULT_MAX_BYTES, Block, Memory, pattern_blocks
from skpc._passes.counts import ExpectedCounts, add_up, weight_unit
from skpc._passes.messages import Messages

_SLOW_AFTER = 2.0  # epochs
_POWER = 0.6  # from 1/2, for steps whose squares add up, to 1


def new_messages(circuit: Circuit, dtype: DTypeLike) -> Messages:
    """Messages for E-steps on circuits like this one."""
    return Messages(circuit.n_regions, circuit.n_latents, dtype=dtype)


class AnyEStep(Protocol):
    """What gives the expected counts of rows, wherever these are."""

    total_weight: float

    def __call__(self, circuit: Circuit) -> ExpectedCounts:
        """Expected counts under `circuit`."""


class AnyBatches(Protocol):
    """Mini-batches of rows, wherever these are, with their `weights` (n_batches,)."""

    weights: np.ndarray

    def __len__(self) -> int: ...

    def expected_counts(
        self, batch: int, circuit: Circuit, *, with_gate: bool = False
    ) -> ExpectedCounts:
        """Expected counts of a batch under `circuit`."""


class EStep:
    """Expected counts of a weighted data set under any circuit of one structure.

    Parameters
    ----------
    circuit : Circuit
        Only its structure, its number of states and its encoding are used.
    evidence : Evidence
        Of distinct rows; see `skpc._data.distinct.distinct_rows`.
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
        self.weights, self.total_weight = weights, float(weights.sum())
        self.with_gate, self.with_moments = with_gate, with_moments
        self._unit = weight_unit(self.total_weight, dtype)
        memory = Memory(max_bytes, Messages.bytes_per_row(circuit.n_latents, dtype))
        self.blocks = list(pattern_blocks(circuit, evidence, weights / self._unit, memory))
        self.dtype = np.dtype(dtype)
        self._messages: Messages | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the messages, which are but room to work in."""
        return {**vars(self), "_messages": None}

    @property
    def n_patterns(self) -> int:
        """Number of patterns of all regions: the size of the E-step."""
        return sum(int(block.patterns.n_patterns.sum()) for block in self.blocks)

    @property
    def nbytes(self) -> int:
        """Memory of the patterns and of what their symbols stand for."""
        return sum(block.patterns.nbytes + block.evidence.value_bytes for block in self.blocks)

    def __call__(self, circuit: Circuit, messages: Messages | None = None) -> ExpectedCounts:
        """Expected counts under `circuit`; messages of another E-step may lend their room."""
        if messages is None:
            messages = self._messages = self._messages or new_messages(circuit, self.dtype)
        total = add_up(self._block_counts(circuit, block, messages) for block in self.blocks)
        if self._unit != 1.0:
            total.scale(self._unit)
        return total

    def _block_counts(self, circuit: Circuit, block: Block, messages: Messages) -> ExpectedCounts:
        rows, evidence, patterns = block
        messages.upward(circuit, evidence, patterns)
        moments = None
        if self.with_moments:
            moments = messages.row_curvature(circuit, patterns, self.weights[rows])
        counts = messages.downward(circuit, evidence, patterns, with_gate=self.with_gate)
        if moments is not None:
            _, counts.root_moments, counts.sum_moments = moments
        return counts


def fit_em(
    circuit: Circuit, progress: Progress, e_step: AnyEStep, m_step: MStep, max_iter: int
) -> FitResult:
    """Update `circuit` by EM until progress says stop, `max_iter` times at most."""
    return follow(progress, EMUpdates(circuit, e_step, m_step), max_iter)


class EMUpdates(Updates):
    """Updates of a circuit by EM, without end."""

    def __init__(self, circuit: Circuit, e_step: AnyEStep, m_step: MStep) -> None:
        self._circuit = circuit
        self._e_step, self._m_step = e_step, m_step

    def __next__(self) -> Update:
        counts = self._e_step(self._circuit)
        self._circuit = self._m_step(self._circuit, counts)
        return self._circuit, counts.log_likelihood / self._e_step.total_weight

    def state(self, is_over: bool) -> dict[str, Any]:
        return {} if is_over else {"circuit": self._circuit}

    def restore(self, state: dict[str, Any]) -> None:
        circuit = state.get("circuit", self._circuit)
        check_form(circuit, self._circuit)
        self._circuit = circuit


def fit_stepwise_em(
    circuit: Circuit,
    progress: Progress,
    batches: AnyBatches,
    m_step: MStep,
    step_size: float,
    max_iter: int,
    random_state: np.random.RandomState,
) -> FitResult:
    """Update `circuit` epoch by epoch, from a running average of the counts of mini-batches.

    The first epoch is an iteration of EM, as what a start knows must not be lost to the first
    batches. From then on the average, scaled to the whole data set, moves towards the counts of
    every batch by a step of `step_size`, which falls as `falling` says, and an M-step follows.
    Such a circuit is noisy: what an epoch leaves to be judged and kept is the M-step of all
    counts of the epoch, while learning goes on from the noisy one. Penalty and pseudocount mean
    what they do in EM.

    References
    ----------
    O. Cappe and E. Moulines, "On-line expectation-maximization algorithm for latent data
    models", Journal of the Royal Statistical Society B, 2009.
    """
    updates = StepwiseUpdates(circuit, batches, m_step, step_size, random_state)
    return replace(follow(progress, updates, max_iter), is_stepwise=True)


class StepwiseUpdates(Updates):
    """Updates of a circuit epoch by epoch, as `fit_stepwise_em` says, without end."""

    def __init__(
        self,
        circuit: Circuit,
        batches: AnyBatches,
        m_step: MStep,
        step_size: float,
        random_state: np.random.RandomState,
    ) -> None:
        self._circuit = circuit
        self._n_batches = len(batches)
        self._step_size = step_size
        self._random_state = random_state
        self._total_weight = float(batches.weights.sum())
        self._learner = StepwiseEM(batches, m_step)
        self._epoch = 0

    def __next__(self) -> Update:
        if self._epoch == 0:
            self._circuit, log_likelihood = self._learner.begin(self._circuit)
            averaged = self._circuit
        else:
            step = self._step_size * falling(self._epoch - 1)
            order = self._random_state.permutation(self._n_batches)
            self._circuit, averaged, log_likelihood = self._learner.epoch(
                self._circuit, order, step
            )
        self._epoch += 1
        return averaged, log_likelihood / self._total_weight

    def state(self, is_over: bool) -> dict[str, Any]:
        random = {"random": self._random_state.get_state(legacy=False)}
        if is_over:
            return random
        average = vars(self._learner.average)
        return {**random, "circuit": self._circuit, "epoch": self._epoch, "average": average}

    def restore(self, state: dict[str, Any]) -> None:
        self._random_state.set_state(state["random"])
        if "circuit" in state:
            check_form(state["circuit"], self._circuit)
            self._circuit, self._epoch = state["circuit"], state["epoch"]
            self._learner.resume(self._circuit, ExpectedCounts(**state["average"]))


def falling(epoch: int) -> float:
    """Factor of the step size in this epoch of steps, from 0.

    Steps whose sum diverges and whose squares' does not reach an optimum from anywhere; as
    averages take the noise away, they may fall slowly. They do not depend on when learning ends:
    so many epochs are the same updates, bounded or not, and a fit may be stopped, and repeated
    up to its best epoch.
    """
    return (1.0 + epoch / _SLOW_AFTER) ** -_POWER


class StepwiseEM:
    """Updates of a circuit from single mini-batches, and the average of counts behind them.

    Parameters
    ----------
    batches : Batches
    m_step : MStep

    Attributes
    ----------
    average : ExpectedCounts
        Since `begin`.
    """

    def __init__(self, batches: AnyBatches, m_step: MStep) -> None:
        self._batches = batches
        self._m_step = m_step
        self._total_weight = float(batches.weights.sum())
        self.average: ExpectedCounts

    def resume(self, circuit: Circuit, average: ExpectedCounts) -> None:
        """Be where another one was: with this circuit, and this average of counts behind it."""
        check_form(vars(average), vars(self._counts(circuit, 0)))
        self.average = average

    def begin(self, circuit: Circuit) -> tuple[Circuit, float]:
        """An iteration of EM, whose counts are the first average.

        Also returns the log-likelihood before it.
        """
        self.average = add_up(self._counts(circuit, i) for i in range(len(self._batches)))
        log_likelihood = self.average.log_likelihood
        updated = self._m_step(circuit, self.average)
        _recentre(self.average, updated, circuit)
        return updated, log_likelihood

    def epoch(
        self, circuit: Circuit, order: np.ndarray, step: float
    ) -> tuple[Circuit, Circuit, float]:
        """Move the average towards the counts of one batch after the other.

        Returns the circuit of the last average, that of the counts of all batches, and the
        summed log-likelihood of each batch before its update.
        """
        of_epoch: ExpectedCounts | None = None
        for batch in order:
            counts = self._counts(circuit, batch)
            factor = self._total_weight / self._batches.weights[batch]
            self.average.move_towards(counts, step, factor)
            if of_epoch is None:
                of_epoch = counts
            else:
                of_epoch.add(counts)
            updated = self._m_step(circuit, self.average)
            for sums in self.average, of_epoch:
                _recentre(sums, updated, circuit)
            circuit = updated
        assert of_epoch is not None
        return circuit, self._m_step(circuit, of_epoch), of_epoch.log_likelihood

    def _counts(self, circuit: Circuit, batch: int) -> ExpectedCounts:
        return self._batches.expected_counts(batch, circuit, with_gate=self._m_step.needs_gate)


def _recentre(counts: ExpectedCounts, new: Circuit, old: Circuit) -> None:
    """Let moments about the means of an old circuit be about those of a new one."""
    counts.inputs = new.inputs.recentred(counts.inputs, old.inputs)
