"""How many states: judged on held-out rows."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from skpc import SharpPCDensity
from skpc._circuit.circuit import random_circuit
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, GAUSSIAN, Scope
from skpc._learning.capacity import Chooser, choose_circuit
from skpc._learning.em import EStep
from skpc._learning.folds import Course, Fold, Judge
from skpc._learning.initialisation import Start
from skpc._learning.mstep import MStep
from skpc._learning.solver import Solver
from skpc._learning.stopping import EarlyStopping
from skpc._learning.structure import Structure
from skpc._passes.likelihood import log_likelihood

pytestmark = pytest.mark.usefixtures("one_thread")


M_STEP = MStep(0.01, pseudocount=0.01)


def clustered(n, seed=0, d=5):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, n)
    probs = np.array([[0.05] * d, [0.95] * d, [0.05, 0.95] * (d // 2) + [0.5] * (d % 2)])
    return (rng.random((n, d)) < probs[kinds]).astype(float)


def as_rows(X, weights=None, kind=CATEGORICAL):
    values = np.arange(2.0) if kind == CATEGORICAL else None
    scopes = [Scope(np.array([j]), kind, values) for j in range(X.shape[1])]
    return Rows.encode(X, scopes, np.ones(len(X)) if weights is None else weights).distinct()


def chosen(rows, sizes=(1, 2, 4), n_folds=5, seed=3, structure=None, **stopping):
    stopping = EarlyStopping(None, 0.2, seed, 10, refit=True, n_folds=n_folds, **stopping)
    solver = Solver(M_STEP, None, 1e-4)
    random_state = np.random.RandomState(0)
    return choose_circuit(
        rows, structure or Structure(), Start(7), solver, stopping, random_state, sizes
    )


@pytest.mark.parametrize("n_folds", [1, 5])
def test_clusters_are_found_and_independent_columns_given_up(n_folds):
    X = clustered(300)
    result = chosen(as_rows(X), n_folds=n_folds)
    assert result.report["candidate"].tolist()[:3] == ["independent", "2 states", "4 states"]
    assert result.report["weight"][0] == 0.0
    np.testing.assert_allclose(result.report["weight"].sum(), 1.0)
    test = clustered(2000, seed=1)
    alone = SharpPCDensity(1).fit(X)
    assert log_likelihood(result.circuit, test).mean() > alone.score(test) + 0.5


@pytest.mark.parametrize("n", [15, 40, 80])
@pytest.mark.parametrize("kind", [CATEGORICAL, GAUSSIAN])
def test_independent_columns_cost_next_to_nothing(n, kind):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n + 2000, 5))
    if kind == CATEGORICAL:
        X = (X < 0.3).astype(float)
    result = chosen(as_rows(X[:n], kind=kind))
    alone = SharpPCDensity(1, feature_groups=None, feature_types=kind).fit(X[:n])
    assert log_likelihood(result.circuit, X[n:]).mean() > alone.score(X[n:]) - 0.1


def test_growing_ends_where_it_is_in_vain():
    rng = np.random.default_rng(0)
    X = (rng.random((400, 4)) < 0.3).astype(float)
    report = chosen(as_rows(X), sizes=(1, 2, 3, 4, 5, 6)).report
    assert report["n_latents"].max() <= 3


@pytest.mark.parametrize(("n_regions", "expected"), [(5, [1, 1, 2, 4]), (6, [1, 1, 2, 4, 8])])
def test_a_size_far_below_the_best_ends_growing_if_it_has_the_same_groups(n_regions, expected):
    """Else the groups that were found for it may be to blame, and the next size be better."""
    means = {1: -5.0, 2: -3.0, 4: -4.0, 8: -2.0}

    def best_of(name, structure, n_latents, which):
        regions = n_regions if n_latents == 4 else 5
        return SimpleNamespace(
            n_latents=n_latents, mean=means[n_latents], n_regions=regions, gain_to_come=0.0
        )

    chooser = SimpleNamespace(
        _best_of=best_of,
        _gain=lambda one, other: (one.mean - other.mean, 0.0),
        _has_dependence=lambda structure: True,
        _finish=lambda found: None,
        _most_states=8,
    )
    found = []
    Chooser._grow(chooser, found, Structure(), (1, 2, 4, 8))
    assert [one.n_latents for one in found] == expected


def test_every_row_is_judged_once_and_by_its_weight():
    X = clustered(60)
    weights = np.arange(60) % 3 + 1.0
    once = chosen(as_rows(X, weights))
    again = chosen(as_rows(np.repeat(X, weights.astype(int), axis=0)))
    for name in once.report.keys() - {"seconds"}:
        np.testing.assert_array_equal(once.report[name], again.report[name])
    np.testing.assert_array_equal(once.circuit.sum_weights, again.circuit.sum_weights)


def test_one_state_with_groups_is_tried_where_columns_are_correlated():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3)) @ rng.normal(size=(3, 3))
    report = chosen(as_rows(X, kind=GAUSSIAN)).report
    assert report["candidate"].tolist()[:2] == ["independent", "1 state"]
    assert report["n_regions"][0] == 3
    assert report["n_regions"][1] < 3
    assert report["weight"][1] > 0.5


def test_the_start_is_no_circuit_to_keep():
    X = clustered(30)
    assert (chosen(as_rows(X), sizes=(8, 16)).report["n_iter"] >= 1).all()


def test_pairs_are_counted_once_for_all_sizes(monkeypatch):
    calls = []
    count = "skpc._learning.structure.pairwise_mutual_information"
    from skpc._learning import structure

    original = structure.pairwise_mutual_information
    monkeypatch.setattr(count, lambda *args: calls.append(1) or original(*args))
    chosen(as_rows(clustered(300)), sizes=(2, 4, 8), n_folds=1)
    assert len(calls) == 1


def test_without_early_stopping_rows_only_choose():
    rows = as_rows(clustered(300))
    result = chosen(rows, n_folds=1, ends_learning=False)
    assert result.validation_log_likelihoods is None
    assert result.best_iteration is None
    assert np.isfinite(result.report["validation_log_likelihood"]).all()
    assert abs(np.diff(result.log_likelihoods)[-1]) < 1e-4  # run to its end


def test_no_more_states_than_distinct_rows_are_tried():
    X = clustered(40, d=3)
    report = chosen(as_rows(X), sizes=(1, 2, 4, 8, 16, 32)).report
    assert report["n_latents"].max() <= len(np.unique(X, axis=0))


def test_a_size_far_below_the_best_is_left_after_few_iterations():
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 8, 1000)
    X = (rng.random((1000, 12)) < rng.random((8, 12))[kinds].round() * 0.9 + 0.05).astype(float)
    report = chosen(as_rows(X), sizes=(2, 4, 8), n_folds=1).report
    two, eight = (report["n_latents"].tolist().index(n) for n in (2, 8))
    scores = report["validation_log_likelihood"]
    assert scores[eight] > scores[two] + 1.0
    assert report["n_iter"][two] <= 15


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("max_iter", [3, 100])
def test_only_a_bound_on_iterations_leaves_a_fit_unfinished(monkeypatch, refit, max_iter):
    monkeypatch.setattr("skpc._learning.capacity._FIRST_ITER", 5)
    monkeypatch.setattr("skpc._learning.capacity._REACH", -np.inf)  # nobody goes on after these
    rows = as_rows(clustered(300))
    solver = Solver(MStep(0.0, "trace", "unit", "cubic", 0.01), max_iter, 1e-9)
    stopping = EarlyStopping(None, 0.2, 0, 10, refit)
    start, state = Start(2, "cluster", 1), np.random.RandomState(0)
    result = choose_circuit(rows, Structure(), start, solver, stopping, state, (2,))
    assert result.report["n_latents"][result.report["weight"].argmax()] == 2
    assert len(result.stopped_run) == min(5, max_iter)
    assert result.converged == (max_iter == 100)


def test_a_refit_has_as_many_iterations_as_were_best():
    result = chosen(as_rows(clustered(300)), n_folds=1)
    assert len(result.log_likelihoods) == result.best_iteration


@pytest.fixture
def parts():
    rows = as_rows(clustered(200))
    return rows.split(np.where(np.arange(len(rows)) % 4 == 0, rows.weights, 0.0))


@pytest.fixture
def circuit(parts):
    parents = np.array([-1, 0, 1, 1, 3])
    return random_circuit(parents, parts[0], 3, np.random.RandomState(0), shrinkage=0.0)


@pytest.fixture
def course_of(parts, circuit):
    training, held_out = parts
    solver = Solver(M_STEP, 40, 1e-9)
    stopping = EarlyStopping(None, 0.2, 0, 30, refit=True)

    def start(**changed):
        judge = Judge([circuit], [held_out], solver.max_bytes)
        return Course(
            "3 states", [circuit], [training], judge, replace(solver, **changed), stopping,
            [np.random.RandomState(0)],
        )  # fmt: skip

    return start


def test_a_course_with_pauses_is_the_same_as_without(course_of):
    once, again = course_of(), course_of()
    whole = once.go_on(40)
    for n_iter in (7, 15, 100):
        assert not again.is_over
        part = again.go_on(n_iter)
    assert again.n_iter == once.n_iter > 22
    assert again.is_over
    np.testing.assert_array_equal(part.stopped_run, whole.stopped_run)
    np.testing.assert_array_equal(part.circuit[0].sum_weights, whole.circuit[0].sum_weights)


def test_a_pause_keeps_the_circuit_after_so_many_iterations(course_of, circuit, parts):
    course = course_of()
    course.go_on(25)
    n_iter, kept = course.pause_before(19)
    assert n_iter == 10
    for _ in range(10):
        circuit = M_STEP(circuit, EStep(circuit, parts[0].evidence, parts[0].weights)(circuit))
    np.testing.assert_array_equal(kept.sum_weights, circuit.sum_weights)
    assert course.pause_before(9) is None


def test_mini_batches_are_learnt_from_to_the_end(course_of):
    course = course_of(batch_size=30.0, max_iter=4)
    course.go_on(1)
    assert course.is_over
    assert course.n_iter == 4
    assert course.pause_before(4) is None


@pytest.mark.parametrize("has_categories", [False, True])
def test_numbers_are_learnt_from_in_larger_batches(has_categories):
    """Where the size is chosen: a fit of one size keeps its batches."""
    X = np.random.default_rng(0).standard_normal((6_000, 3))
    X[:, 2] = np.round(X[:, 2] > 0) if has_categories else X[:, 2]
    scopes = [Scope(np.array([j]), GAUSSIAN, None) for j in range(3)]
    if has_categories:
        scopes[2] = Scope(np.array([2]), CATEGORICAL, np.arange(2.0))
    rows = Rows.encode(X, scopes, np.ones(len(X))).distinct()
    solver = Solver(MStep(), max_iter=None, tol=1e-4, batch_size="auto")
    stopping = EarlyStopping(None, 0.1, 0, 5, refit=True)
    chooser = Chooser(rows, Start(1), solver, stopping, [Fold(*stopping.divide(rows), None, 0)], 0)
    batches = [one.batch_size for one in chooser._solvers(True)]
    assert batches == ([100.0] if has_categories else [400.0])
