"""Runs of updates as those see them who watch; Ctrl-C; going on where another run was left."""

import numpy as np
import pytest

from skpc._circuit.circuit import random_circuit
from skpc._data.rows import Rows
from skpc._learning import journal as journals
from skpc._learning.journal import Journal, digest
from skpc._learning.mstep import MStep
from skpc._learning.progress import Progress, Updates, follow
from skpc._learning.solver import Solver
from skpc._learning.watch import Run, Watch
from skpc._tables.columns import Columns

pytestmark = pytest.mark.usefixtures("one_thread")


class Told:
    """Keeps what it is told; ends the run, or strikes Ctrl-C, after so many updates."""

    def __init__(self, *, end_after=None, strike_at=None):
        self.events = []
        self.end_after, self.strike_at = end_after, strike_at

    def begin(self, name, n_before, max_iter):
        self.events.append(("begin", name, n_before, max_iter))

    def update(self, iteration, log_likelihood, validation):
        if iteration == self.strike_at:
            raise KeyboardInterrupt
        self.events.append((iteration, log_likelihood, validation))
        return iteration == self.end_after

    def end(self):
        self.events.append("end")

    def close(self):
        self.events.append("close")


class Numbers(Updates):
    """Updates whose circuits are numbers, from 1."""

    def __init__(self):
        self.n = 0

    def __next__(self):
        self.n += 1
        return self.n, -10.0 + self.n

    def state(self, is_over):
        return {"n": self.n}

    def restore(self, state):
        self.n = state["n"]


def learn(watch, listener=None, max_iter=5, **options):
    """The result of a run of numbers."""
    progress = Progress(0, tol=0.0, run=Run(watch, "numbers", 9), **options)
    with watch.telling([] if listener is None else [listener]):
        return follow(progress, Numbers(), max_iter)


# --- listeners ---------------------------------------------------------------------------


def test_listeners_are_told_of_every_update():
    told = Told()
    learn(Watch(), told, 2, validation=lambda n: -1.0 / (1 + n))
    assert told.events == [
        ("begin", "numbers", 0, 9), (1, -9.0, -1.0), (2, -8.0, -0.5), "end", "close"
    ]  # fmt: skip


def test_a_listener_may_end_a_run():
    result = learn(Watch(), Told(end_after=3))
    assert result.n_iter == 3
    assert not result.converged


def test_listeners_are_told_of_the_end_of_what_fails():
    told = Told(strike_at=1)
    with pytest.raises(KeyboardInterrupt):
        learn(Watch(), told)
    assert told.events == [("begin", "numbers", 0, 9), "end", "close"]


# --- Ctrl-C ------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_there_is_if_it_may():
    watch = Watch(keeps=True)
    result = learn(watch, Told(strike_at=4))
    assert watch.is_over
    assert watch.seconds > 0
    assert result.circuit == 4  # its update was over
    assert result.log_likelihoods.tolist() == [-9, -8, -7, -6]
    assert not result.converged


def test_ctrl_c_in_a_judge_leaves_the_last_update_that_was_judged():
    def judge(n):
        if n == 3:
            raise KeyboardInterrupt
        return float(n)

    result = learn(Watch(keeps=True), validation=judge)
    assert result.circuit == result.best_iteration == len(result.log_likelihoods) == 2
    assert result.validation_log_likelihoods.tolist() == [0, 1, 2]


def test_ctrl_c_before_there_is_anything_is_an_exception():
    def judge(n):
        if n:
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        learn(Watch(keeps=True), validation=judge)


def test_after_ctrl_c_nothing_else_is_begun():
    watch, done = Watch(keeps=True), []
    with watch.ending():
        done.append("first")
        raise KeyboardInterrupt
    with watch.ending():
        watch.check()
        done.append("second")
    assert done == ["first"]


def test_a_second_ctrl_c_is_an_exception():
    watch = Watch(keeps=True)
    with watch.ending():
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), watch.ending():
        raise KeyboardInterrupt


def test_an_interrupted_run_is_not_taken_for_a_finished_one(tmp_path):
    path = tmp_path / "checkpoint"
    with Journal(path) as journal:
        learn(Watch(keeps=True, journal=journal), Told(strike_at=2))
        journal.is_kept = True
    assert learn(Watch(journal=Journal(path))).circuit == 5


# --- going on ----------------------------------------------------------------------------


def solver_of(kind, batch_size, mu=0.01):
    return Solver(MStep(mu), 6, 0.0, kind=kind, batch_size=batch_size, step_size=0.3)


def case():
    """Rows of three categories and two numbers, and a circuit to start from."""
    rng = np.random.default_rng(0)
    X = np.hstack([rng.integers(0, 3, (200, 3)), rng.normal(size=(200, 2))])
    X[:, 1:] = np.where(X[:, :1] > 1, X[:, :1], X[:, 1:])
    columns = Columns.learn(X, ["categorical"] * 3 + ["numeric"] * 2, np.ones(200))
    rows = Rows.encode(columns.to_matrix(X), columns.scopes, np.ones(200)).distinct()
    parents = np.array([-1, 0, 1, 1, 3])
    return rows, random_circuit(parents, rows, 3, np.random.RandomState(0))


SOLVERS = pytest.mark.parametrize(
    "solver",
    [solver_of("em", None), solver_of("em", 40.0), solver_of("adam", 40.0, 0.0),
     solver_of("adam", 40.0, 1e-4)],
    ids=["EM", "stepwise EM", "Adam", "Adam with a penalty"],
)  # fmt: skip


@SOLVERS
def test_circuits_stay_as_they_were_handed_out(solver):
    """Progress keeps the best of them, and other runs begin where one did."""
    rows, start = case()
    updates, circuits, seen = solver.updates(start, rows, np.random.RandomState(1)), [start], []
    for _ in range(3):
        seen.append(digest(circuits[-1]))
        circuits.append(next(updates)[0])
    assert [digest(circuit) for circuit in circuits[:3]] == seen


@SOLVERS
@pytest.mark.parametrize("n_before", [1, 4, 6])
def test_a_run_goes_on_with_the_same_bits(solver, n_before, tmp_path, monkeypatch):
    """After a crash at any time, and so does what draws from the same generator afterwards."""
    monkeypatch.setattr(journals, "_SECONDS", 0.0)
    monkeypatch.setattr(journals, "_SHARE", np.inf)
    rows, start = case()

    def learnt(journal, n_updates=None):
        watch, random_state = Watch(journal=journal), np.random.RandomState(1)
        progress = Progress(start, tol=0.0, run=Run(watch, "3 states", 6))
        updates = solver.updates(start, rows, random_state)
        if n_updates is not None:
            for _ in range(n_updates):
                progress.update(*next(updates))
            journal.note("1 3 states", lambda: {"progress": progress.state(),
                                                "updates": updates.state(False)})  # fmt: skip
            next(updates, None)  # lost in the crash
            return None
        result = follow(progress, updates, 6)
        return digest(vars(result), random_state.random_sample(3))

    path = tmp_path / "checkpoint"
    learnt(Journal(path), n_before)
    journal = Journal(path)
    whole = learnt(Journal())
    assert learnt(journal) == whole
    assert learnt(journal) == whole  # of a finished run too
