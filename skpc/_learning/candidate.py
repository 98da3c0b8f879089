"""A circuit that is tried on a part of the rows, and may be learnt further."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from skpc._learning.folds import Course, Fold, Judge
from skpc._learning.initialisation import Start
from skpc._learning.progress import FitResult
from skpc._learning.solver import Solver
from skpc._learning.structure import Structure

MAX_ITER = 100
"""Of a candidate: few states may creep for long where many are done soon."""

_GAINS_TO_COME = 2.0  # of what the last half of the iterations brought


@dataclass(eq=False)
class Candidate:
    """A circuit that is tried: one for each fold.

    Attributes
    ----------
    name : str
    structure : Structure
    start : Start
    solver : Solver
    place : int
        Which of the circuits to start from.
    course : Course
        Of its learning.
    judge : Judge
    n_regions : int
    folds : sequence of Fold
        What it is learnt from.
    whole : Fold
        All rows, to learn from in the end.
    result : FitResult
        Of all folds, so far; see `Course`.
    log_probs : (n,)
        Of the held-out rows.
    seconds : float
    """

    name: str
    structure: Structure
    start: Start
    solver: Solver
    place: int
    course: Course
    judge: Judge
    n_regions: int
    folds: Sequence[Fold]
    whole: Fold
    result: FitResult = field(init=False)
    log_probs: np.ndarray = field(init=False)
    seconds: float = 0.0

    @property
    def n_latents(self) -> int:
        """How many states there are."""
        return self.start.n_latents

    @property
    def mu(self) -> float:
        """Strength of the penalty."""
        return self.solver.m_step.mu

    @property
    def n_iter(self) -> int:
        """How many iterations were best."""
        return self.result.n_iter

    @property
    def gain_to_come(self) -> float:
        """What more iterations may bring, in nats a row, to judge by the last of them."""
        scores = self.result.validation_log_likelihoods
        if self.course.is_over or scores is None:
            return 0.0
        return _GAINS_TO_COME * float(scores[-1] - scores[len(scores) // 2])

    def ended(self) -> FitResult:
        """Its result, once the search has no more iterations for it.

        A candidate that has fallen behind is put aside after a few. It may still be kept, and even
        weigh most, where it explains other rows than those ahead of it: then it was the search
        that decided how many iterations there were, and no bound on them.
        """
        return self.result if self.course.is_over else replace(self.result, converged=True)

    def go_on(self, n_iter: int) -> None:
        """Learn for so many iterations more."""
        began = time.perf_counter()
        result = self.course.go_on(n_iter)
        if len(result.stopped_run) == MAX_ITER:  # not the user's bound
            result = replace(result, converged=True)
        log_probs = self.judge.of_rows(result.circuit)  # type: ignore[arg-type]
        self.result, self.log_probs = result, log_probs  # at once, whatever Ctrl-C interrupts
        self.seconds += time.perf_counter() - began
