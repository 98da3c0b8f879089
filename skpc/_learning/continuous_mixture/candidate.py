"""A continuous mixture that is tried on a part of the rows, and then learnt from all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from skpc._data.rows import Rows
from skpc._learning.continuous_mixture.learning import Learner, points_for
from skpc._learning.folds import Fold, Judge
from skpc._learning.progress import FitResult
from skpc._learning.report import name_of_draw, report_of
from skpc._learning.solver import Solver
from skpc._learning.stopping import EarlyStopping


def learn_continuous_mixture(
    rows: Rows,
    n_points: int | None,
    solver: Solver,
    stopping: EarlyStopping | None,
    random_state: np.random.RandomState,
) -> FitResult:
    """Learn a continuous mixture, stopped by validation rows, and make it a circuit.

    Parameters
    ----------
    rows : Rows
        Distinct, one region per column.
    n_points : int or None
        See `skpc._learning.continuous_mixture.model.rounded_up`; None: see `points_for`.
    solver : Solver
        Its M-step is that of the weights of points.
    stopping : EarlyStopping or None
        None goes on to the last iteration.
    random_state : RandomState
    """
    training, held_out = (rows, None) if stopping is None else stopping.divide(rows)
    seed = int(random_state.randint(2**31 - 1))
    n_points = n_points or points_for(rows.total_weight)
    fold = Fold(training, held_out, None, seed)
    candidate = ContinuousCandidate(fold, n_points, True, 0, solver, stopping)
    began = time.perf_counter()
    is_refitted = held_out is not None and stopping is not None and stopping.refits
    result = candidate.fitted(Fold(rows, None, None, seed), is_refitted)
    seconds = candidate.seconds + time.perf_counter() - began
    result = replace(result, mu=candidate.mu, seconds=seconds)
    return replace(result, report=report_of([result], result, candidate.name))


class ContinuousCandidate:
    """A continuous mixture that is tried; see `skpc._learning.candidate.Candidate`.

    Parameters
    ----------
    fold : Fold
    n_points : int
    has_edges : bool
        Whether columns are a forest given the latent variable, or independent.
    draw : int
        Which of the mixtures that differ in their random numbers alone.
    solver : Solver
    stopping : EarlyStopping or None

    Attributes
    ----------
    name : str
    result : FitResult
        From the training rows of the fold.
    log_probs : (n,)
        Of the rows that it holds out, if there are any.
    n_iter : int
        How many iterations were best.
    n_latents, n_regions : int
    mu, seconds : float
    """

    def __init__(
        self,
        fold: Fold,
        n_points: int,
        has_edges: bool,
        draw: int,
        solver: Solver,
        stopping: EarlyStopping | None,
    ) -> None:
        began = time.perf_counter()
        m_step = solver.candidates(fold.training.weights, is_validated=False)[0].m_step
        self._solver = replace(solver, m_step=m_step)
        self._n_points, self._has_edges, self._draw = n_points, has_edges, draw
        learner = self._learner(fold)
        is_judged = stopping is not None and stopping.ends_learning
        held_out = fold.held_out if is_judged else None
        self.result, self._n_best = self._piece(
            "continuous mixture", lambda: (learner.learn(held_out, stopping), learner.n_best)
        )
        circuit = self.result.circuit
        if fold.held_out is not None:
            grouped = fold.held_out.grouped(circuit.features)
            self.log_probs = Judge([circuit], [grouped], solver.max_bytes).of_rows([circuit])
        self.name = f"continuous mixture, {len(circuit.root_weights)} points"
        self.name += "" if has_edges else ", no edges"
        self.name += name_of_draw(draw)
        self.n_latents, self.n_regions = circuit.n_latents, circuit.n_regions
        self.n_iter = self.result.n_iter
        self.mu = m_step.mu
        self.seconds = time.perf_counter() - began

    def _learner(self, fold: Fold) -> Learner:
        rows = fold.training
        parents = np.full(len(rows.scopes), -1)
        if self._has_edges:
            parents = fold.column_forest(self._solver.m_step.pseudocount)
        seed = fold.seed_of(self._draw)
        return Learner(rows, parents, self._n_points, self._solver, seed)

    def fitted(self, whole: Fold, is_refitted: bool) -> FitResult:
        """The mixture learnt from all rows, or from those of the fold."""
        if not is_refitted:
            return self.result
        watch = self._solver.watch
        with watch.ending():
            watch.check()
            learner = self._learner(whole)
            is_judged = self.result.best_iteration is not None
            again, _ = self._piece(
                f"{self.name}, all rows",
                lambda: (
                    learner.learn_for(*self._n_best) if is_judged else learner.learn(None, None),
                    (0, 0),
                ),
            )
            watch.check()
            if not is_judged:
                return again
            return replace(
                self.result, circuit=again.circuit, log_likelihoods=again.log_likelihoods
            )
        return self.result

    def _piece(
        self, name: str, learn: Callable[[], tuple[FitResult, tuple[int, int]]]
    ) -> tuple[FitResult, tuple[int, int]]:
        """What is learnt, as the journal keeps it."""

        def compute() -> tuple[dict[str, Any], tuple[int, int]]:
            result, n_best = learn()
            return vars(result), n_best

        attributes, n_best = self._solver.watch.piece(name, compute)
        return FitResult(**attributes), n_best
