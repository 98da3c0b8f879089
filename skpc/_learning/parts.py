"""EM on rows that are in parts, of which nobody holds all: their counts add up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._learning.em import AnyEStep, EStep, fit_em, fit_stepwise_em
from skpc._learning.progress import FitResult, Progress
from skpc._learning.solver import Solver
from skpc._learning.watch import Run
from skpc._passes.counts import ExpectedCounts, add_up
from skpc._passes.messages import Messages

_MOST_PASSES = 10


class EStepOfParts:
    """Expected counts of parts, of which one is looked at after the other.

    Parameters
    ----------
    e_steps : iterable of EStep
        Of the parts, one at least; it is gone through again and again.
    total_weight : float
    messages : Messages
        Room to work in, which others may use as well.
    """

    def __init__(self, e_steps: Iterable[EStep], total_weight: float, messages: Messages) -> None:
        self._e_steps = e_steps
        self._messages = messages
        self.total_weight = total_weight

    def __call__(self, circuit: Circuit) -> ExpectedCounts:
        """Expected counts of all their rows under `circuit`."""
        return add_up(e_step(circuit, self._messages) for e_step in self._e_steps)


class BatchesOfParts:
    """Mini-batches, each with an E-step of its own.

    Parameters
    ----------
    e_steps : sequence of AnyEStep

    Attributes
    ----------
    weights : (n_batches,)
    """

    def __init__(self, e_steps: Sequence[AnyEStep]) -> None:
        self._e_steps = e_steps
        self.weights = np.array([e_step.total_weight for e_step in e_steps])
        self.total_weight = float(self.weights.sum())

    def __len__(self) -> int:
        return len(self._e_steps)

    def __call__(self, circuit: Circuit) -> ExpectedCounts:
        """Expected counts of all batches under `circuit`."""
        return add_up(e_step(circuit) for e_step in self._e_steps)

    def expected_counts(
        self, batch: int, circuit: Circuit, *, with_gate: bool = False
    ) -> ExpectedCounts:
        """Expected counts of a batch under `circuit`."""
        return self._e_steps[batch](circuit)


def learn_from_parts(
    circuit: Circuit,
    batches: BatchesOfParts,
    solver: Solver,
    judge: Callable[[Circuit], float] | None,
    n_iter_no_change: int,
    random_state: np.random.RandomState,
) -> FitResult:
    """Let EM go on from a circuit that was learnt from some of the rows.

    Parameters
    ----------
    circuit : Circuit
    batches : BatchesOfParts
    solver : Solver
        EM on all rows at once if its `batch_size` is None, or if that is what its M-step needs;
        stepwise EM otherwise, a few passes of which do what takes many at once.
    judge : callable or None
        The mean log-likelihood of rows that validate, if there are any.
    n_iter_no_change : int
        See `Progress`.
    random_state : RandomState
        Of the order of batches.
    """
    m_step = solver.m_step
    is_full = solver.batch_size is None or m_step.needs_moments
    max_iter = solver.max_iter or _MOST_PASSES
    if is_full:
        max_iter = replace(solver, batch_size=None).resolved(batches.weights).max_iter or max_iter
    progress = Progress(
        circuit,
        tol=solver.tol,
        validation=judge,
        n_iter_no_change=n_iter_no_change,
        run=Run(solver.watch, "all rows", max_iter),
    )
    if is_full:
        return fit_em(circuit, progress, batches, m_step, max_iter)
    step = solver.step_for(circuit)
    result = fit_stepwise_em(circuit, progress, batches, m_step, step, max_iter, random_state)
    return replace(result, has_schedule=solver.max_iter is None)
