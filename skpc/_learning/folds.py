"""Learning several times in step, each time without some of the rows, which judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._data.rows import Rows
from skpc._learning.continuous_mixture.forest import learn_forest
from skpc._learning.initialisation import Start, Tree, TreeLearner, draw_starts, with_moments
from skpc._learning.journal import check_form
from skpc._learning.progress import FitResult, Progress, Update, Updates, follow
from skpc._learning.solver import Solver
from skpc._learning.stopping import EarlyStopping
from skpc._learning.structure import Structure
from skpc._passes.likelihood import MeanLogLikelihood

_PAUSE_EVERY = 10  # iterations
_MAX_SEED = 2**31 - 1


class Forest(NamedTuple):
    """The trees of a circuit, and the rows of a fold as its regions see them."""

    trees: list[Tree]
    rows: Rows
    held_out: Rows | None


class Fold:
    """Rows to learn from, what has been learnt of their structure, and rows to judge by.

    Parameters
    ----------
    training : Rows
        Distinct, one region per column.
    held_out : Rows or None
    is_missing : (n_features,) or None
        See `with_moments`.
    seed : int
        Of all that is drawn.
    """

    def __init__(
        self, training: Rows, held_out: Rows | None, is_missing: np.ndarray | None, seed: int
    ) -> None:
        self.training, self.held_out = training, held_out
        self._is_missing = is_missing
        self._seed = seed
        self._learners: dict[int, TreeLearner] = {}
        self._forests: dict[int, Forest] = {}
        self._column_forests: dict[float, np.ndarray] = {}

    def new_random_state(self) -> np.random.RandomState:
        """The same each time."""
        return np.random.RandomState(self._seed)

    def seed_of(self, draw: int) -> int:
        """A seed for each of several draws."""
        return int(self.new_random_state().randint(_MAX_SEED, size=draw + 1)[-1])

    def redrawn(self, draw: int) -> Fold:
        """The same rows with other random numbers; itself for the first draw, 0."""
        if draw == 0:
            return self
        return Fold(self.training, self.held_out, self._is_missing, self.seed_of(draw - 1))

    def forest(self, structure: Structure, start: Start, solver: Solver) -> Forest:
        """Trees of this structure for as many states as `start` has; mind to pass the same ones."""
        random_state = self.new_random_state()
        key = id(structure)
        if key not in self._learners:
            self._learners[key] = TreeLearner(self.training, structure, start, solver, random_state)
        trees = self._learners[key](start.n_latents, random_state)
        if id(trees) not in self._forests:
            features = [columns for tree in trees for columns in tree.rows.features]
            rows = trees[0].rows if len(trees) == 1 else self.training.grouped(features)
            held_out = None if self.held_out is None else self.held_out.grouped(features)
            self._forests[id(trees)] = Forest(trees, rows, held_out)
        return self._forests[id(trees)]

    def column_forest(self, pseudocount: float) -> np.ndarray:
        """Parents of the columns themselves; see `learn_forest`."""
        if pseudocount not in self._column_forests:
            self._column_forests[pseudocount] = learn_forest(self.training, pseudocount)
        return self._column_forests[pseudocount]

    def starts(self, forest: Forest, start: Start, solver: Solver) -> list[Circuit]:
        """Circuits of these trees to start from."""
        circuits = draw_starts(forest.trees, start, solver, self.new_random_state())
        return [with_moments(circuit, start, self._is_missing) for circuit in circuits]


class Judge:
    """The rows that folds hold out, all together, as judges of a circuit of each fold."""

    def __init__(
        self, circuits: Sequence[Circuit], held_out: Sequence[Rows], max_bytes: int
    ) -> None:
        self._of_folds = [
            MeanLogLikelihood(circuit, rows.evidence, rows.weights, max_bytes=max_bytes)
            for circuit, rows in zip(circuits, held_out, strict=True)
        ]
        self._weights = np.array([rows.total_weight for rows in held_out])

    def __call__(self, circuits: Sequence[Circuit]) -> float:
        """Mean log-likelihood of all rows."""
        pairs = zip(self._of_folds, circuits, strict=True)
        means = np.array([mean(circuit) for mean, circuit in pairs])
        return float(self._weights @ means / self._weights.sum())

    def of_rows(self, circuits: Sequence[Circuit]) -> np.ndarray:
        """Log-likelihood of each row, fold after fold."""
        pairs = zip(self._of_folds, circuits, strict=True)
        return np.concatenate([mean.of_rows(circuit) for mean, circuit in pairs])


class Course:
    """Learning a circuit from the rows of each fold, all in step; it may pause, and go on.

    Parameters
    ----------
    name : str
        What is learnt.
    starts : sequence of Circuit
    rows : sequence of Rows
        What each is learnt from.
    judge : Judge
    solver : Solver
        `resolved`.
    stopping : EarlyStopping
    random_states : sequence of RandomState
    target : float
        See `skpc._learning.progress.Progress`.

    Attributes
    ----------
    n_iter : int
        How many iterations there were.
    is_over : bool
        Whether there is nothing to go on with.
    """

    def __init__(
        self,
        name: str,
        starts: Sequence[Circuit],
        rows: Sequence[Rows],
        judge: Judge,
        solver: Solver,
        stopping: EarlyStopping,
        random_states: Sequence[np.random.RandomState],
        target: float = -np.inf,
    ) -> None:
        self._rows, self._solver, self._random_states = rows, solver, random_states
        self._progress = Progress(
            tuple(starts),  # type: ignore[arg-type]
            tol=solver.tol,
            validation=judge if stopping.ends_learning else None,  # type: ignore[arg-type]
            n_iter_no_change=stopping.n_iter_no_change,
            keeps_start=False,
            target=target,
            run=solver.run(name),
        )
        self._pauses: list[tuple[int, Circuit]] = []
        self.n_iter, self.is_over = 0, False

    def go_on(self, n_iter: int) -> FitResult:
        """Learn for so many iterations more, as far as the solver and the judge allow.

        Between calls only circuits are kept, not what an E-step needs: so mini-batches, which
        have a past, are learnt from to the end at once. The result's `circuit` is a tuple, and
        its log-likelihoods are means.
        """
        solver = self._solver
        assert solver.max_iter is not None
        n_iter = min(n_iter, solver.max_iter - self.n_iter) if solver.is_full else solver.max_iter
        runs = [
            solver.updates(circuit, of_fold, random_state)
            for circuit, of_fold, random_state in zip(
                self._progress.last,  # type: ignore[call-overload]
                self._rows,
                self._random_states,
                strict=True,
            )
        ]
        weights = np.array([of_fold.total_weight for of_fold in self._rows])
        first = self._progress.last[0]  # type: ignore[index]
        updates = _InStep(first, runs, weights / weights.sum())
        before, end = self.n_iter, self.n_iter + n_iter
        result = follow(self._progress, updates, n_iter)
        self.n_iter = self._progress.n_iter
        if solver.is_full:
            last = self._progress.last[0]  # type: ignore[index]
            self._pauses += [(before + n, circuit) for n, circuit in updates.pauses]
            self._pauses.append((self.n_iter, last))
        self.is_over = result.converged or self.n_iter < end or self.n_iter == solver.max_iter
        return replace(
            result,
            mu=solver.m_step.mu,
            is_stepwise=not solver.is_full,
            has_schedule=solver.kind == "adam",
        )

    def pause_before(self, n_iter: int) -> tuple[int, Circuit] | None:
        """After how many iterations, at most `n_iter`, a circuit was kept; the first fold's."""
        return max((pause for pause in self._pauses if pause[0] <= n_iter), default=None,
                   key=lambda pause: pause[0])  # fmt: skip


class _InStep(Updates):
    """One update of all runs at a time.

    Parameters
    ----------
    first : Circuit
        Where the first run begins.
    runs : sequence of Updates
    shares : (n_runs,)
        Of the rows that each learns from.

    Attributes
    ----------
    pauses : list of tuple
        After how many updates a circuit of the first run was kept, and that circuit.
    """

    def __init__(self, first: Circuit, runs: Sequence[Updates], shares: np.ndarray) -> None:
        self._runs, self._shares = runs, shares
        self._n_updates, self._last = 0, first
        self.pauses: list[tuple[int, Circuit]] = []

    def __next__(self) -> Update:
        if self._n_updates and self._n_updates % _PAUSE_EVERY == 0:
            self.pauses.append((self._n_updates, self._last))
        circuits, means = zip(*[next(run) for run in self._runs], strict=True)
        self._n_updates += 1
        self._last = circuits[0]
        return circuits, float(self._shares @ np.array(means))

    def state(self, is_over: bool) -> dict[str, Any]:
        runs = [run.state(is_over) for run in self._runs]
        state = {"runs": runs, "pauses": self.pauses}
        return state if is_over else {**state, "n_updates": self._n_updates, "last": self._last}

    def restore(self, state: dict[str, Any]) -> None:
        for run, own in zip(self._runs, state["runs"], strict=True):
            run.restore(own)
        kept = [circuit for _, circuit in state["pauses"]]
        for circuit in [*kept, state.get("last", self._last)]:
            check_form(circuit, self._last)
        self.pauses = state["pauses"]
        if "last" in state:
            self._n_updates, self._last = state["n_updates"], state["last"]
