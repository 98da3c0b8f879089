"""How many latent states: circuits of growing size, judged on held-out rows, and mixed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._circuit.stack import stacked
from skpc._data.rows import Rows
from skpc._learning.candidate import MAX_ITER, Candidate
from skpc._learning.continuous_mixture.candidate import ContinuousCandidate
from skpc._learning.continuous_mixture.columns import can_be_tied
from skpc._learning.continuous_mixture.learning import points_for
from skpc._learning.fit import learn_circuit, learn_parameters
from skpc._learning.folds import Course, Fold, Judge
from skpc._learning.initialisation import Start, has_edges
from skpc._learning.progress import FitResult
from skpc._learning.report import Entry, as_arrays, name_of, name_of_draw
from skpc._learning.solver import Solver
from skpc._learning.stacking import mean_and_error, stack, stack_quickly
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
_FIRST_ITER = 15  # tell which candidates are worth more
_REACH = 0.1  # nats a row below the best: worth it in a mixture
_LEAST_REFIT = 5  # iterations
_BATCH_SIZE_OF_NUMBERS = 400.0  # each row is a pattern of its own: little is shared in a batch
_TREES = (4, 8)  # of mixtures, in turn
_MAX_SEED = 2**31 - 1


class _Kind(NamedTuple):
    """What is tried beside single trees.

    Attributes
    ----------
    n_trees : int
        Of a mixture; 0 is a continuous mixture.
    has_edges : bool
        Of a continuous mixture: see `ContinuousCandidate`.
    """

    n_trees: int
    has_edges: bool = False


Tried = Candidate | ContinuousCandidate


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
        self._given_stopping = stopping
        if all(vectors is not None for vectors in rows.evidence.values):
            solver = replace(solver, least_batch_size=_BATCH_SIZE_OF_NUMBERS)
        self._solver, self._watch = solver, solver.watch
        self._ends_learning = stopping.ends_learning
        patience = min(_PATIENCE_OF_RUNS, stopping.n_iter_no_change)
        self._stopping = replace(stopping, n_iter_no_change=patience)
        self._stopping_at_once = replace(stopping, n_iter_no_change=1)  # one state does not creep
        self._folds = folds
        self._whole = Fold(rows, None, None if start.of_table is None else rows.is_missing(), seed)
        self._most_states = min(len(rows), rows.total_weight)  # more could tell all rows apart
        held_out = [fold.held_out for fold in folds if fold.held_out is not None]
        self._weights = np.concatenate([rows.weights for rows in held_out])
        self.tried: list[Tried] = []

    def _solvers(self, edges: bool) -> list[Solver]:
        """Ways to learn a candidate, which differ in the penalty; see `has_edges`."""
        weights = self._folds[0].training.weights
        solvers = self._solver.candidates(weights, is_validated=True, has_edges=edges)
        if not self._ends_learning:
            return solvers
        solvers = [replace(one, tol=max(one.tol, _LEAST_GAIN)) for one in solvers]
        return [
            replace(one, max_iter=min(one.max_iter or MAX_ITER, MAX_ITER)) if one.is_full else one
            for one in solvers
        ]

    def try_sizes(self, structure: Structure, sizes: Sequence[int]) -> list[Candidate]:
        """The best candidate of each size, as far as growing was worth it."""
        found: list[Candidate] = []
        with self._watch.ending(lambda: bool(found)):
            self._grow(found, structure, sizes)
            self._vary(found)
        return found

    def _grow(self, found: list[Candidate], structure: Structure, sizes: Sequence[int]) -> None:
        """Find candidates of more and more states."""
        first = slice(1)
        found.append(self._best_of("independent", structure.without_dependence(), 1, first))
        best, n_in_vain, gain = found[0], 0, (0.0, 0.0)
        for n_latents in sizes:
            if n_latents == 1 and not self._has_dependence(structure):
                continue
            if n_latents > max(1, self._most_states):
                break
            if n_latents > LARGEST:
                self._finish(found)
                if not self._is_worth_more(found, n_latents):
                    break
            found.append(self._best_of(name_of(n_latents), structure, n_latents, first))
            gain = self._gain(found[-1], best)
            if gain[0] > _LEAST_GAIN:
                best, n_in_vain = found[-1], 0
                continue
            n_in_vain += 1
            is_far = gain[0] + found[-1].gain_to_come < -max(_CLEAR, 2.0 * gain[1])
            is_alike = found[-1].n_regions == best.n_regions  # else the groups may be to blame
            if n_in_vain == _PATIENCE or (is_far and is_alike):
                break
        self._finish(found)

    def _vary(self, found: list[Candidate]) -> None:
        """Find variants of the best candidate, in its groups of columns and in the penalty."""
        first, others = slice(1), slice(1, None)
        best = max(found, key=self._mean)
        n_latents = best.start.n_latents
        target = self._mean(best) - _WORTH_STACKING
        for name, variant in self._variants(best):
            found.append(self._best_of(name, variant, n_latents, first, target))
        self._finish(found)
        if n_latents > 1 and self._solvers(True)[others]:  # one state has no sum nodes to speak of
            found.append(self._best_of(best.name, best.structure, n_latents, others))
            if self._is_ahead(found[-1], best):
                self._finish(found)

    @staticmethod
    def _is_ahead(candidate: Candidate, other: Candidate) -> bool:
        """Whether it is better than another was with as many iterations."""
        own, others = (one.result.validation_log_likelihoods for one in (candidate, other))
        if own is None or others is None:
            return False
        return bool(own.max() > others[: len(own)].max() + _LEAST_GAIN)

    def _finish(self, found: Sequence[Candidate]) -> None:
        """Go on with those candidates that may come near the best, the better ones first."""
        while True:
            least = max(map(self._mean, found)) - _REACH
            promising = [
                candidate
                for candidate in found
                if not candidate.course.is_over
                and self._mean(candidate) + candidate.gain_to_come > least
            ]
            if not promising:
                break
            self._watch.check()
            candidate = max(promising, key=self._mean)
            candidate.go_on(candidate.course.n_iter)

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

    def _is_worth_more(self, found: Sequence[Candidate], n_latents: int) -> bool:
        """Whether the last size was clearly better than all before, and rows are enough."""
        *others, last = found
        gain, error = self._gain(last, max(others, key=self._mean))
        is_clear = gain > max(_CLEAR, 2.0 * error)
        return is_clear and self._rows.total_weight >= _ROWS_PER_STATE * n_latents

    def _has_dependence(self, structure: Structure) -> bool:
        """Whether one state is not the same as independent columns."""
        if structure.n_components > 1:
            return True
        given = structure.groups
        if structure.regions is not None:
            groups = [columns for columns in structure.regions[0] if len(columns) > 1]
            return len(groups) > len(given or [])
        return given is None and any(
            structure.found_groups(fold.training, 1) for fold in self._folds
        )

    def _best_of(
        self,
        name: str,
        structure: Structure,
        n_latents: int,
        which: slice,
        target: float = -np.inf,
        draw: int = 0,
    ) -> Candidate:
        """The best of candidates that differ in start, and in which of the solvers, alone.

        They are left as they are once they have no prospect of a mean log-likelihood of `target`.
        With another `draw` all random numbers are others.
        """
        self._watch.check()
        folds, whole = [fold.redrawn(draw) for fold in self._folds], self._whole.redrawn(draw)
        start = replace(self._start, n_latents=n_latents)
        forests = [fold.forest(structure, start, self._solver) for fold in folds]
        judge: Judge | None = None
        own: list[Candidate] = []
        edges = any(has_edges(forest.trees, start) for forest in forests)
        stopping = self._stopping if n_latents > 1 else self._stopping_at_once

        def draws(solver: Solver) -> Iterator[tuple[Circuit, ...]]:
            pairs = zip(folds, forests, strict=True)
            return zip(*(fold.starts(forest, start, solver) for fold, forest in pairs), strict=True)

        with self._watch.ending(lambda: bool(own)):
            for solver, place, circuits in (
                (one, place, circuits)
                for one in self._solvers(edges)[which]
                for place, circuits in enumerate(draws(one))
            ):
                self._watch.check()
                if judge is None:
                    held_out = [forest.held_out for forest in forests]
                    judge = Judge(circuits, held_out, solver.max_bytes)  # type: ignore[arg-type]
                course = Course(
                    name,
                    circuits,
                    [forest.rows for forest in forests],
                    judge,
                    solver,
                    stopping,
                    [fold.new_random_state() for fold in folds],
                    target,
                )
                candidate = Candidate(
                    name, structure, start, solver, place, course, judge,
                    len(forests[0].rows.scopes), folds, whole,
                )  # fmt: skip
                candidate.go_on(self._first_iter(solver, start))
                own.append(candidate)
        self.tried.extend(own)
        return max(own, key=self._mean)

    def _first_iter(self, solver: Solver, start: Start) -> int:
        """How many iterations to begin with: all where few do not tell."""
        assert solver.max_iter is not None
        tells = self._ends_learning and start.init == "cluster" and start.n_latents > 1
        return min(_FIRST_ITER, solver.max_iter) if tells else solver.max_iter

    def _mean(self, candidate: Tried) -> float:
        return float(self._weights @ candidate.log_probs / self._weights.sum())

    def try_others(
        self, structure: Structure, found: Sequence[Candidate], n_others: int
    ) -> list[Tried]:
        """Mixtures of trees and continuous mixtures, so many: each kind of them in turn.

        A kind's draws differ in their random numbers. It is given up once none of them has weight
        in the stack of all that was tried.
        """
        best = max(found, key=self._mean)
        others: list[Tried] = []
        with self._watch.ending():
            self._watch.check()
            turns = deque(self._kinds(best))
            draws: dict[_Kind, list[Tried]] = {kind: [] for kind in turns}
            while turns and len(others) < n_others:
                self._watch.check()
                kind = turns[0]
                turns.rotate(-1)
                draw = len(draws[kind])
                if kind.n_trees:
                    others.append(self._mixture_of_trees(structure, best, kind.n_trees, draw))
                else:
                    others.append(self._continuous_mixture(kind.has_edges, draw))
                draws[kind].append(others[-1])
                shares = self._shares([*found, *others], is_frugal=False)
                turns = deque(
                    kind
                    for kind in turns
                    if not draws[kind] or any(shares[candidate] for candidate in draws[kind])
                )
        return others

    def _kinds(self, best: Candidate) -> list[_Kind]:
        """In which order kinds have their turns, those that are possible."""
        # Of few rows, judged in folds, they would say little, and take most of the time.
        can_be_continuous = len(self._folds) == 1 and all(map(can_be_tied, self._rows.scopes))
        kinds = []
        for n_trees in _TREES:
            if best.n_latents > 1:
                kinds.append(_Kind(n_trees))
            if can_be_continuous:
                parents = self._folds[0].column_forest(self._solver.m_step.pseudocount)
                kinds += [_Kind(0, bool((parents >= 0).any())), _Kind(0)]
        return kinds

    def _mixture_of_trees(
        self, structure: Structure, best: Candidate, n_trees: int, draw: int
    ) -> Candidate:
        """So many trees of as many states as the best single one."""
        structure = replace(structure, n_components=n_trees)
        n_latents = min(best.n_latents, LARGEST)
        name = f"{n_trees} trees, {name_of(n_latents)}{name_of_draw(draw)}"
        trees = self._best_of(name, structure, n_latents, slice(1), draw=draw)
        self._finish([best, trees])
        return trees

    def _continuous_mixture(self, has_edges: bool, draw: int) -> ContinuousCandidate:
        (fold,) = self._folds
        n_points = points_for(self._rows.total_weight)
        stopping = self._given_stopping
        one = ContinuousCandidate(fold, n_points, has_edges, draw, self._solver, stopping)
        self.tried.append(one)
        return one

    def _shares(self, found: Sequence[Tried], is_frugal: bool) -> dict[Tried, float]:
        """The weight of each in the mixture of those that are worth it together: see `stack`."""
        log_probs = np.stack([candidate.log_probs for candidate in found], axis=1)
        weights: np.ndarray | None = None
        with self._watch.ending():
            self._watch.check()
            weights = stack(log_probs, self._weights, is_frugal)
        if weights is None:
            weights = stack_quickly(log_probs, self._weights)
        return dict(zip(found, weights.tolist(), strict=True))

    def fitted(self, candidate: Tried) -> FitResult:
        """A candidate learnt from all rows, if some were held out that may be learnt from.

        If that is interrupted it is what it was: a circuit of the rows of each fold.
        """
        if isinstance(candidate, ContinuousCandidate):
            return candidate.fitted(self._whole, self._stopping.refits)
        if self._stopping.refits:
            with self._watch.ending():
                self._watch.check()
                result = self._fitted_again(candidate)
                self._watch.check()
                return result
        result = candidate.ended()
        of_folds: Any = result.circuit
        return replace(result, circuit=stacked(of_folds, np.ones(len(of_folds))))

    def _fitted_again(self, candidate: Candidate) -> FitResult:
        """A candidate of trees learnt from all rows."""
        result = candidate.ended()
        solver = candidate.solver
        if self._stopping.ends_learning:
            solver = replace(solver, max_iter=candidate.n_iter, tol=0.0)
        # The tree of most of the rows will do; those of folds are of fewer, and differ.
        source = candidate.folds[0] if len(candidate.folds) == 1 else candidate.whole
        forest = source.forest(candidate.structure, candidate.start, self._solver)
        rows = forest.rows
        if source is not candidate.whole:
            rows = self._rows.grouped([scope.columns for scope in rows.scopes])
        before = None
        if source is not candidate.whole and self._stopping.ends_learning:
            before = candidate.course.pause_before(candidate.n_iter - _LEAST_REFIT)
        if before is None:
            n_before = 0
            circuit = source.starts(forest, candidate.start, candidate.solver)[candidate.place]
        else:  # from there all rows tell what most of them told before
            n_before, circuit = before
            solver = replace(solver, max_iter=candidate.n_iter - n_before)
        name = f"{candidate.name}, all rows"
        again, _ = learn_parameters(
            [circuit], solver, rows, None, None, candidate.whole.new_random_state(), name
        )
        if not self._stopping.ends_learning:
            return again
        history = np.append(result.stopped_run[:n_before], again.log_likelihoods)
        return replace(result, circuit=again.circuit, log_likelihoods=history)

    def mixed(self, found: Sequence[Tried], is_frugal: bool) -> FitResult:
        """One circuit of those candidates that are worth it together; the heaviest's history."""
        shares = self._shares(found, is_frugal)
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
                candidate.n_latents,
                candidate.n_regions,
                candidate.mu,
                candidate.n_iter,
                self._mean(candidate),
                shares.get(candidate, 0.0),
                seconds[candidate],
            )
            for candidate in self.tried
        ]
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
    n_others: int = 0,
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
    n_others : int
        How many mixtures of trees and continuous mixtures to try: see `Chooser.try_others`.
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
    found = chooser.try_sizes(structure, sizes)
    others = chooser.try_others(structure, found, n_others) if n_others else []
    # A user who lets structures be tried asks for likelihood, not for a small circuit.
    return chooser.mixed([*found, *others], is_frugal=not n_others)
