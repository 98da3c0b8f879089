"""How many latent states: circuits of growing size, judged on held-out rows, and mixed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skpc._circuit.stack import stacked
from skpc._data.rows import Rows
from skpc._learning.fit import learn_circuit, learn_parameters
from skpc._learning.folds import Fold, Judge, learn_in_step
from skpc._learning.initialisation import Start, has_edges
from skpc._learning.progress import FitResult
from skpc._learning.report import Entry, as_arrays, name_of
from skpc._learning.solver import Solver
from skpc._learning.stacking import mean_and_error, stack
from skpc._learning.stopping import EarlyStopping
from skpc._learning.structure import Structure

SIZES = (1, 2, 4, 8, 16, 32, 64)
LARGEST = 32  # without a reason to go on

_ROWS_PER_STATE = 4  # at least, of more states than `LARGEST`
_LEAST_GAIN = 0.002  # nats a row: less is none
_CLEAR = 0.02
_PATIENCE = 2
_LOW_PRICE = 0.1
_WORTH_STACKING = 0.2  # nats a row: what is so much worse than the best hardly helps it
_PATIENCE_OF_RUNS = 5
_MAX_ITER = 100  # of a candidate; few states may creep for long where many are done soon
_BATCH_SIZE_OF_NUMBERS = 400.0  # each row is a pattern of its own: little is shared in a batch
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Candidate:
    """A circuit that was tried: one for each fold.

    Attributes
    ----------
    name : str
    structure : Structure
    start : Start
    solver : Solver
    draw : int
        Which of the circuits to start from.
    result : FitResult
        Of all folds; see `learn_in_step`.
    log_probs : (n,)
        Of the held-out rows.
    seconds : float
    """

    name: str
    structure: Structure
    start: Start
    solver: Solver
    draw: int
    result: FitResult
    log_probs: np.ndarray
    seconds: float

    @property
    def n_iter(self) -> int:
        """How many iterations it has had."""
        best = self.result.best_iteration
        return len(self.result.log_likelihoods) if best is None else best


class Chooser:
    """Tries circuits of growing size, and makes one of those that are worth it.

    Parameters
    ----------
    rows : Rows
        Distinct, one region per column.
    start : Start
        Its `n_latents` is not used.
    solver : Solver
    stopping : EarlyStopping
    folds : sequence of Fold
        At least one.
    seed : int
    """

    def __init__(
        self,
        rows: Rows,
        start: Start,
        solver: Solver,
        stopping: EarlyStopping,
        folds: Sequence[Fold],
        seed: int,
    ) -> None:
        self._rows = rows
        self._start = start
        if all(vectors is not None for vectors in rows.evidence.values):
            solver = replace(solver, least_batch_size=_BATCH_SIZE_OF_NUMBERS)
        self._solver = solver
        self._ends_learning = stopping.ends_learning
        patience = min(_PATIENCE_OF_RUNS, stopping.n_iter_no_change)
        self._stopping = replace(stopping, n_iter_no_change=patience)
        self._folds = folds
        self._whole = Fold(rows, None, None if start.of_table is None else rows.is_missing(), seed)
        held_out = [fold.held_out for fold in folds if fold.held_out is not None]
        self._weights = np.concatenate([rows.weights for rows in held_out])
        self.tried: list[Candidate] = []

    def _solvers(self, edges: bool) -> list[Solver]:
        """Ways to learn a candidate, which differ in the penalty; see `has_edges`."""
        weights = self._folds[0].training.weights
        solvers = self._solver.candidates(weights, is_validated=True, has_edges=edges)
        if not self._ends_learning:
            return solvers
        solvers = [replace(one, tol=max(one.tol, _LEAST_GAIN)) for one in solvers]
        return [
            replace(one, max_iter=min(one.max_iter or _MAX_ITER, _MAX_ITER)) if one.is_full else one
            for one in solvers
        ]

    def try_sizes(self, structure: Structure, sizes: Sequence[int]) -> list[Candidate]:
        """The best candidate of each size, as far as growing was worth it."""
        first, others = slice(1), slice(1, None)
        found = [self._best_of("independent", structure.without_dependence(), 1, first)]
        best, n_in_vain, gain = found[0], 0, (0.0, 0.0)
        for n_latents in sizes:
            if n_latents == 1 and not self._has_dependence(structure):
                continue
            if n_latents > LARGEST and not self._is_worth_more(best, found, gain):
                break
            found.append(self._best_of(name_of(n_latents), structure, n_latents, first))
            gain = self._gain(found[-1], best)
            if gain[0] > _LEAST_GAIN:
                best, n_in_vain = found[-1], 0
                continue
            n_in_vain += 1
            if n_in_vain == _PATIENCE or gain[0] < -max(_CLEAR, 2.0 * gain[1]):
                break
        n_latents = best.start.n_latents
        target = self._mean(best) - _WORTH_STACKING
        for name, variant in self._variants(best):
            found.append(self._best_of(name, variant, n_latents, first, target))
        if n_latents > 1 and self._solvers(True)[others]:  # one state has no sum nodes to speak of
            found.append(self._best_of(best.name, structure, n_latents, others))
        return found

    def _variants(self, best: Candidate) -> list[tuple[str, Structure]]:
        """What the best candidate would be with more or fewer groups of columns."""
        structure, n_latents = best.structure, best.start.n_latents
        if structure.groups is not None:
            return []

        def groups(one: Structure) -> list[Sequence[Sequence[int]]]:
            return [one.found_groups(fold.training, n_latents) for fold in self._folds]

        known, found = [groups(structure)], []
        for name, variant in (
            ("more groups", replace(structure, price=_LOW_PRICE)),
            ("no groups", replace(structure, groups=[])),
        ):
            own = groups(variant)
            if own not in known and (n_latents > 1 or any(own)):
                known.append(own)
                found.append((f"{best.name}, {name}", variant))
        return found

    def _gain(self, candidate: Candidate, other: Candidate) -> tuple[float, float]:
        """By how much it is better on held-out rows, in nats a row, and its standard error."""
        return mean_and_error(candidate.log_probs - other.log_probs, self._weights)

    def _is_worth_more(
        self, best: Candidate, found: list[Candidate], gain: tuple[float, float]
    ) -> bool:
        """Whether the last size was clearly better than the best before, and rows are enough."""
        is_clear = best is found[-1] and gain[0] > max(_CLEAR, 2.0 * gain[1])
        n_latents = 2 * best.start.n_latents
        return is_clear and self._rows.total_weight >= _ROWS_PER_STATE * n_latents

    def _has_dependence(self, structure: Structure) -> bool:
        """Whether one state is not the same as independent columns."""
        if structure.n_components > 1:
            return True
        start = replace(self._start, n_latents=1)
        forests = [fold.forest(structure, start, self._solver) for fold in self._folds]
        given = structure.groups or []
        n_regions = len(self._rows.scopes) - sum(len(group) - 1 for group in given)
        return any(len(forest.rows.scopes) != n_regions for forest in forests)

    def _best_of(
        self,
        name: str,
        structure: Structure,
        n_latents: int,
        which: slice,
        target: float = -np.inf,
    ) -> Candidate:
        """The best of candidates that differ in start, and in which of the solvers, alone.

        They are left as they are once they have no prospect of a mean log-likelihood of `target`.
        """
        start = replace(self._start, n_latents=n_latents)
        forests = [fold.forest(structure, start, self._solver) for fold in self._folds]
        judge, own = None, []
        edges = any(has_edges(forest.trees, start) for forest in forests)
        for solver in self._solvers(edges)[which]:
            draws = zip(
                *(
                    fold.starts(forest, start, solver)
                    for fold, forest in zip(self._folds, forests, strict=True)
                ),
                strict=True,
            )
            for draw, circuits in enumerate(draws):
                began = time.perf_counter()
                if judge is None:
                    held_out = [forest.held_out for forest in forests]
                    judge = Judge(circuits, held_out, solver.max_bytes)  # type: ignore[arg-type]
                result = learn_in_step(
                    circuits,
                    [forest.rows for forest in forests],
                    judge,
                    solver,
                    self._stopping,
                    [fold.new_random_state() for fold in self._folds],
                    target,
                )
                if len(result.stopped_run) == _MAX_ITER:  # not the user's bound
                    result = replace(result, converged=True)
                log_probs = judge.of_rows(result.circuit)  # type: ignore[arg-type]
                seconds = time.perf_counter() - began
                own.append(
                    Candidate(name, structure, start, solver, draw, result, log_probs, seconds)
                )
        self.tried.extend(own)
        return max(own, key=self._mean)

    def _mean(self, candidate: Candidate) -> float:
        return float(self._weights @ candidate.log_probs / self._weights.sum())

    def fitted(self, candidate: Candidate) -> FitResult:
        """A candidate learnt from all rows, if some were held out that may be learnt from."""
        result = candidate.result
        if not self._stopping.refit or self._stopping.rows is not None:
            return replace(result, circuit=result.circuit[0])  # type: ignore[index]
        solver = candidate.solver
        if self._stopping.ends_learning:
            solver = replace(solver, max_iter=candidate.n_iter, tol=0.0)
        # The tree of most of the rows will do; those of folds are of fewer, and differ.
        source = self._folds[0] if len(self._folds) == 1 else self._whole
        forest = source.forest(candidate.structure, candidate.start, self._solver)
        circuit = source.starts(forest, candidate.start, candidate.solver)[candidate.draw]
        rows = forest.rows
        if source is not self._whole:
            rows = self._rows.grouped(circuit.features)
        again, _ = learn_parameters(
            [circuit], solver, rows, None, None, self._whole.new_random_state()
        )
        if not self._stopping.ends_learning:
            return again
        return replace(result, circuit=again.circuit, log_likelihoods=again.log_likelihoods)

    def mixed(self, found: Sequence[Candidate]) -> FitResult:
        """One circuit of those candidates that are worth it together; the heaviest's history."""
        log_probs = np.stack([candidate.log_probs for candidate in found], axis=1)
        shares = dict(zip(found, stack(log_probs, self._weights).tolist(), strict=True))
        members = [candidate for candidate in found if shares[candidate]]
        results = []
        seconds = {candidate: candidate.seconds for candidate in self.tried}
        for candidate in members:
            began = time.perf_counter()
            results.append(self.fitted(candidate))
            seconds[candidate] += time.perf_counter() - began
        weights = np.array([shares[candidate] for candidate in members])
        circuits = [result.circuit for result in results]
        entries = [
            Entry(
                candidate.name,
                candidate.start.n_latents,
                len(self._folds[0].forest(candidate.structure, candidate.start, self._solver)
                    .rows.scopes),
                candidate.solver.m_step.mu,
                candidate.n_iter,
                self._mean(candidate),
                shares.get(candidate, 0.0),
                seconds[candidate],
            )
            for candidate in self.tried
        ]  # fmt: skip
        main = results[int(np.argmax(weights))]
        return replace(main, circuit=stacked(circuits, weights), report=as_arrays(entries))


def choose_circuit(
    rows: Rows,
    structure: Structure,
    start: Start,
    solver: Solver,
    stopping: EarlyStopping | None,
    random_state: np.random.RandomState,
    sizes: Sequence[int] = SIZES,
) -> FitResult:
    """Learn circuits of growing size, and mix those that are worth it, weighted by stacking.

    What `learn_circuit` does for one size; where no rows can be held out columns are
    independent.

    Parameters
    ----------
    rows : Rows
        Distinct, one region per column.
    structure : Structure
    start : Start
        Its `n_latents` is not used.
    solver : Solver
    stopping : EarlyStopping or None
        None has no rows to hold out.
    random_state : RandomState
    sizes : sequence of int
        Numbers of states to try, ascending; more than `LARGEST` only with a reason.
    """
    divisions = [] if stopping is None else stopping.divisions(rows)
    if stopping is None or not divisions:
        start = replace(start, n_latents=1)
        return learn_circuit(
            rows, structure.without_dependence(), start, solver, None, random_state
        )
    is_missing = None if start.of_table is None else rows.is_missing()
    seed, *seeds = random_state.randint(_MAX_SEED, size=1 + len(divisions)).tolist()
    folds = [
        Fold(training, held_out, is_missing, own)
        for (training, held_out), own in zip(divisions, seeds, strict=True)
    ]
    chooser = Chooser(rows, start, solver, stopping, folds, seed)
    return chooser.mixed(chooser.try_sizes(structure, sizes))
