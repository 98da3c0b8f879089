"""Learning continuous mixtures (Correia et al., AAAI 2023) from mini-batches, by gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from skpc._data.rows import Rows
from skpc._learning.adam import Climb, annealed
from skpc._learning.continuous_mixture.columns import Observed, TiedColumns
from skpc._learning.continuous_mixture.decoder import random_layers
from skpc._learning.continuous_mixture.model import ContinuousMixture, rounded_up
from skpc._learning.minibatches import deal
from skpc._learning.progress import FitResult, Progress, Update, follow
from skpc._learning.solver import Solver, most_batches
from skpc._learning.stopping import EarlyStopping
from skpc._learning.watch import Run
from skpc._passes.likelihood import MeanLogLikelihood

_MOST_POINTS = 2048
_FEWEST_POINTS = 256

_N_DIMS = 6
_STEPS = 32  # of an iteration
_BATCH_SIZE = 500.0
_EPOCHS = 24
_LEAST_ITER = 40
_MOST_ITER = 120
_SHARE_OF_FREE_POINTS = 0.8
_STEP_SIZE = 0.005
_STEP_SIZE_AFTER = 0.001
_STEP_SIZE_OF_POINTS = 0.02
_STEP_SIZE_OF_WEIGHTS = 0.1
_WEIGHT_DECAY = 0.1
_DECAY_OF_SQUARE = 0.99


def points_for(total_weight: float) -> int:
    """How many points do for rows of so much weight: a power of two, not more than there are."""
    n_rows = np.clip(total_weight, _FEWEST_POINTS, _MOST_POINTS)
    return int(2.0 ** np.floor(np.log2(n_rows)))


class Learner:
    """Learns in two stages: from points drawn anew for each batch, then from points of its own.

    Points that are drawn anew do not let the decoder overfit to them; points that are kept may
    move, and have weights, which a sharpness-aware M-step makes of their expected counts.

    Parameters
    ----------
    rows : Rows
    parents : (n_columns,)
    n_points : int
    solver : Solver
    seed : int

    Attributes
    ----------
    n_best : tuple of two int
        How many iterations of each stage were best.
    """

    def __init__(
        self, rows: Rows, parents: np.ndarray, n_points: int, solver: Solver, seed: int
    ) -> None:
        self._random_state = np.random.RandomState(seed)
        self._solver = solver
        self._columns = TiedColumns(rows, parents, solver.m_step.pseudocount)
        self._observed: Observed = self._columns.observed(rows)
        self._total = rows.total_weight
        batch_size = solver.batch_size
        if batch_size is None or isinstance(batch_size, str):
            batch_size = _BATCH_SIZE
        self._batch_size = max(batch_size, self._total / most_batches(rows.weights))
        n_batches = max(1.0, self._total / self._batch_size)
        n_iter = float(np.clip(_EPOCHS * n_batches / _STEPS, _LEAST_ITER, _MOST_ITER))
        self._max_iter = solver.max_iter or round(n_iter)
        self._n_free = max(1, round(_SHARE_OF_FREE_POINTS * self._max_iter))
        self._n_own = max(1, self._max_iter - self._n_free)
        n_points = rounded_up(n_points)
        n_bits = int(np.ceil(np.log2(n_points)))
        self._grid = qmc.Sobol(_N_DIMS, scramble=False).random_base2(n_bits)[:n_points]
        self._batches: Iterator[tuple[np.ndarray, np.ndarray]] = iter(())
        self.n_best = 0, 0

    def _points(self, n_points: int) -> np.ndarray:
        """Standard normal points: a quasi-random grid, shifted at random."""
        uniforms = (self._grid[:n_points] + self._random_state.random_sample(_N_DIMS)) % 1.0
        return ndtri(np.clip(uniforms, 1e-9, 1.0 - 1e-9)).astype(np.float32)

    def start(self) -> ContinuousMixture:
        """Where learning starts."""
        layers = random_layers(_N_DIMS, self._columns.first_outputs, self._random_state)
        n_points = len(self._grid)
        weights = np.full(n_points, 1.0 / n_points)
        return ContinuousMixture(self._columns, layers, self._points(n_points), weights)

    def _next_batch(self) -> tuple[np.ndarray, np.ndarray]:
        batch = next(self._batches, None)
        if batch is None:
            weights = self._observed.rows.weights
            dealt = deal(weights, self._batch_size, self._random_state)
            self._batches = iter([dealt[i] for i in self._random_state.permutation(len(dealt))])
            batch = next(self._batches)
        return batch

    def of_free_points(self, model: ContinuousMixture) -> Iterator[Update]:
        """Mixtures after each iteration of the first stage, and mean log-likelihoods before."""
        layers = [part.copy() for part in model.layers]
        climb = Climb(layers, _DECAY_OF_SQUARE)
        n_points = -(-len(self._grid) // 2)
        weights = np.full(n_points, 1.0 / n_points)
        for iteration in range(self._n_free):
            means = []
            for part in range(_STEPS):
                step = _STEP_SIZE * annealed((iteration + part / _STEPS) / self._n_free)
                drawn = model.replaced(
                    layers=layers, points=self._points(n_points), weights=weights
                )
                rows, of_rows = self._next_batch()
                ascent = drawn.ascent(self._observed, rows, of_rows)
                means.append(float(of_rows @ ascent.log_likelihoods / of_rows.sum()))
                for matrix in layers[::2]:
                    matrix *= 1.0 - step * _WEIGHT_DECAY
                climb(layers, ascent.layers, step)
            yield model.replaced(layers=[part.copy() for part in layers]), float(np.mean(means))

    def of_own_points(self, model: ContinuousMixture) -> Iterator[Update]:
        """The same of the second stage."""
        n_iter = self._n_own
        points, weights = model.points.copy(), model.weights
        layers = [part.copy() for part in model.layers]
        climb, climb_of_points = Climb(layers, _DECAY_OF_SQUARE), Climb([points], _DECAY_OF_SQUARE)
        counts = weights.copy()
        for iteration in range(n_iter):
            means = []
            for part in range(_STEPS):
                factor = annealed((iteration + part / _STEPS) / n_iter)
                rows, of_rows = self._next_batch()
                model = model.replaced(layers=layers, points=points, weights=weights)
                ascent = model.ascent(self._observed, rows, of_rows)
                means.append(float(of_rows @ ascent.log_likelihoods / of_rows.sum()))
                climb(layers, ascent.layers, factor * _STEP_SIZE_AFTER)
                climb_of_points([points], [ascent.points], factor * _STEP_SIZE_OF_POINTS)
                counts += factor * _STEP_SIZE_OF_WEIGHTS * (ascent.counts - counts)
                weights = self._solver.m_step.weights_of(self._total * counts, weights)
            kept = {"layers": [part.copy() for part in layers], "points": points.copy()}
            yield model.replaced(weights=weights, **kept), float(np.mean(means))

    def learn(self, held_out: Rows | None, stopping: EarlyStopping | None) -> FitResult:
        """Learn both stages, as far as rows held out say that it is worth it."""
        model = self.start()
        judge = None
        if held_out is not None:
            first = model.circuit()
            grouped = held_out.grouped(first.features)
            mean = MeanLogLikelihood(
                first, grouped.evidence, grouped.weights, max_bytes=self._solver.max_bytes
            )

            def judge(model: ContinuousMixture) -> float:
                return mean(model.circuit())

        results: list[FitResult] = []
        watch = self._solver.watch
        stages = (
            (self.of_free_points, self._n_free, ""),
            (self.of_own_points, self._n_own, ", own points"),
        )
        with watch.ending(lambda: bool(results)):
            for updates, n_iter, stage in stages:
                progress = Progress(
                    model,  # type: ignore[arg-type]
                    tol=self._solver.tol if held_out is not None else 0.0,
                    validation=judge,  # type: ignore[arg-type]
                    n_iter_no_change=1 if stopping is None else stopping.n_iter_no_change,
                    run=Run(watch, f"continuous mixture{stage}", n_iter),
                )
                results.append(follow(progress, updates(model), n_iter))
                model = results[-1].circuit  # type: ignore[assignment]
        return self._joined(results, model)

    def learn_for(self, n_free: int, n_own: int) -> FitResult:
        """Learn both stages for so many iterations."""
        model = self.start()
        watch = self._solver.watch
        log_likelihoods = []
        for updates, n_iter in ((self.of_free_points, n_free), (self.of_own_points, n_own)):
            run = Run(watch, "continuous mixture, all rows", n_iter)
            progress = Progress(model, tol=0.0, run=run)  # type: ignore[arg-type]
            result = follow(progress, updates(model), n_iter)
            watch.check()
            model = result.circuit  # type: ignore[assignment]
            log_likelihoods.append(result.log_likelihoods)
        return FitResult(model.circuit(), np.concatenate(log_likelihoods), True)

    def _joined(self, results: list[FitResult], model: ContinuousMixture) -> FitResult:
        """Both stages as one: of the first, as far as it was best; or the first, if it is alone."""
        first, second = results[0], results[-1]
        circuit = model.circuit()
        if first is second:
            self.n_best = first.n_iter, 0
            return replace(first, circuit=circuit, has_schedule=True, is_stepwise=True)
        if first.best_iteration is None or second.best_iteration is None:
            history = np.concatenate([first.log_likelihoods, second.log_likelihoods])
            return FitResult(circuit, history, True, has_schedule=True, is_stepwise=True)
        self.n_best = first.best_iteration, second.best_iteration
        scores = [one.validation_log_likelihoods for one in results]
        history = np.concatenate([first.log_likelihoods[: self.n_best[0]], second.log_likelihoods])
        return FitResult(
            circuit,
            history,
            second.converged,
            np.concatenate([scores[0][: self.n_best[0]], scores[1]]),  # type: ignore[index]
            history,
            sum(self.n_best),
            is_stepwise=True,
            has_schedule=True,
        )
