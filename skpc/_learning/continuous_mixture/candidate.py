"""A continuous mixture as one of several candidates, learnt once for each fold."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skpc._data.rows import Rows
from skpc._learning.continuous_mixture.forest import learn_forest
from skpc._learning.continuous_mixture.learning import Learner, name_of_mixture
from skpc._learning.folds import Fold, Judge
from skpc._learning.progress import FitResult
from skpc._learning.solver import Solver
from skpc._learning.stopping import EarlyStopping


class ContinuousCandidate:
    """A continuous mixture that is tried; see `skpc._learning.capacity.Candidate`.

    Parameters
    ----------
    folds : sequence of Fold
    n_points : int
    has_edges : bool
        Whether columns are a forest given the latent variable, or independent.
    draw : int
        Which of the mixtures that differ in their random numbers alone.
    solver : Solver
    stopping : EarlyStopping

    Attributes
    ----------
    name : str
    result : FitResult
        Of the first fold.
    log_probs : (n,)
        Of the held-out rows.
    n_iter : int
        How many iterations were best, in the first fold.
    n_latents, n_regions : int
    mu, seconds : float
    """

    def __init__(
        self,
        folds: Sequence[Fold],
        n_points: int,
        has_edges: bool,
        draw: int,
        solver: Solver,
        stopping: EarlyStopping,
    ) -> None:
        began = time.perf_counter()
        m_step = solver.candidates(folds[0].training.weights, is_validated=False)[0].m_step
        self._solver = replace(solver, m_step=m_step)
        self._n_points, self._has_edges, self._draw = n_points, has_edges, draw
        judges = stopping if stopping.ends_learning else None
        results, grouped, self._n_best = [], [], []
        for fold in folds:
            assert fold.held_out is not None
            learner = self._learner(fold.training, fold.new_random_state())
            result = learner.learn(fold.held_out if judges else None, judges)
            results.append(result)
            grouped.append(fold.held_out.grouped(result.circuit.features))
            self._n_best.append(learner.n_best)
        circuits = [result.circuit for result in results]
        self.log_probs = Judge(circuits, grouped, solver.max_bytes).of_rows(circuits)
        self.result = results[0]
        circuit = self.result.circuit
        self.name = name_of_mixture(len(circuit.root_weights))
        self.name += "" if has_edges else ", no edges"
        self.name += f", draw {draw + 1}" if draw else ""
        self.n_latents, self.n_regions = circuit.n_latents, circuit.n_regions
        best = self.result.best_iteration
        self.n_iter = len(self.result.log_likelihoods) if best is None else best
        self.mu = m_step.mu
        self.seconds = time.perf_counter() - began

    def _learner(self, rows: Rows, random_state: np.random.RandomState) -> Learner:
        parents = np.full(len(rows.scopes), -1)
        if self._has_edges:
            parents = learn_forest(rows, self._solver.m_step.pseudocount)
        seed = int(random_state.randint(2**31 - 1, size=self._draw + 1)[-1])
        return Learner(rows, parents, self._n_points, self._solver, seed)

    def fitted(self, whole: Fold, is_refitted: bool) -> FitResult:
        """The mixture learnt from all rows, or from those of the first fold."""
        if not is_refitted:
            return self.result
        learner = self._learner(whole.training, whole.new_random_state())
        if self.result.best_iteration is None:
            return learner.learn(None, None)
        n_free, n_own = (int(np.median(counts)) for counts in zip(*self._n_best, strict=True))
        again = learner.learn_for(n_free, n_own)
        return replace(self.result, circuit=again.circuit, log_likelihoods=again.log_likelihoods)
