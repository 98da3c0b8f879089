"""Learning continuous mixtures: its two stages, what stops them, and what is the same."""

from dataclasses import replace

import numpy as np
import pytest
from mixtures import TYPES, as_rows, mixed_table
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from skpc._learning.continuous_mixture import learning as module
from skpc._learning.continuous_mixture.candidate import (
    ContinuousCandidate,
    learn_continuous_mixture,
)
from skpc._learning.continuous_mixture.learning import Learner, points_for
from skpc._learning.folds import Fold
from skpc._learning.mstep import MStep
from skpc._learning.solver import Solver
from skpc._learning.stopping import EarlyStopping
from skpc._passes.likelihood import MeanLogLikelihood
from skpc._threads import one_blas_thread

N_POINTS = 16
SOLVER = Solver(MStep(0.01, pseudocount=0.01), 3, 1e-4, batch_size="auto")


@pytest.fixture(autouse=True)
def few_steps(monkeypatch, one_thread):
    """Iterations of four steps, and BLAS as in a fit."""
    monkeypatch.setattr(module, "_STEPS", 4)
    with one_blas_thread():
        yield


def learnt_rows(n_rows=60, seed=0, weights=None):
    return as_rows(mixed_table(n_rows, seed), TYPES, weights).distinct()


def learner_of(rows, solver=SOLVER, seed=0, n_points=N_POINTS):
    return Learner(rows, np.full(len(rows.scopes), -1), n_points, solver, seed)


def learn(rows, stopping=None, solver=SOLVER, n_points=N_POINTS):
    return learn_continuous_mixture(rows, n_points, solver, stopping, np.random.RandomState(0))


def mean_of(circuit, rows):
    grouped = rows.grouped(circuit.features)
    return MeanLogLikelihood(circuit, grouped.evidence, grouped.weights)(circuit)


def test_learning_raises_the_likelihood():
    rows = learnt_rows(200)
    solver = replace(SOLVER, max_iter=50)
    start = mean_of(learner_of(rows, solver).start().circuit(), rows)
    result = learn(rows, solver=solver)
    assert mean_of(result.circuit, rows) > start + 0.2
    assert len(result.log_likelihoods) == 50
    assert result.log_likelihoods[-1] > result.log_likelihoods[0]


def test_the_start_is_near_independent_columns():
    rows = as_rows(mixed_table(300)[:, :4], TYPES[:4]).distinct()
    shares = [rows.weights_of(column)[:-2] / 300 for column in range(4)]
    entropy = sum(float((part * np.log(part)).sum()) for part in shares)
    assert_allclose(mean_of(learner_of(rows).start().circuit(), rows), entropy, atol=0.3)


def test_points_are_standard_normal():
    points = learner_of(learnt_rows(), n_points=1024)._points(1024)
    assert points.dtype == np.float32
    assert all(kstest(column, "norm").statistic < 0.02 for column in points.T)
    assert_allclose(np.corrcoef(points.T), np.eye(points.shape[1]), atol=0.1)


def test_points_are_drawn_anew():
    learner = learner_of(learnt_rows())
    assert (learner._points(8) != learner._points(8)).all()


def test_the_first_stage_keeps_the_points_and_the_second_moves_them():
    learner = learner_of(learnt_rows())
    start = learner.start()
    *_, (first, _) = learner.of_free_points(start)
    assert_array_equal(first.points, start.points)
    assert_array_equal(first.weights, start.weights)
    assert (first.layers[0] != start.layers[0]).any()
    *_, (second, _) = learner.of_own_points(first)
    assert (second.points != start.points).any()
    assert (second.weights != start.weights).any()
    assert_allclose(second.weights.sum(), 1.0)


def test_mixtures_after_an_iteration_do_not_change_later():
    learner = learner_of(learnt_rows(), replace(SOLVER, max_iter=15))
    for stage in (learner.of_free_points, learner.of_own_points):
        updates = stage(learner.start())
        first, _ = next(updates)
        kept = [part.copy() for part in (*first.layers, first.points, first.weights)]
        next(updates)
        for before, after in zip(kept, (*first.layers, first.points, first.weights), strict=True):
            assert_array_equal(before, after)


@pytest.mark.parametrize("mu", [0.0, 50.0])
def test_weights_are_the_m_step_of_expected_counts(monkeypatch, mu):
    """All of them after a first step, where counts of before are forgotten at once."""
    monkeypatch.setattr(module, "_STEPS", 1)
    monkeypatch.setattr(module, "_STEP_SIZE_OF_WEIGHTS", 1.0)
    rows = learnt_rows(200)
    solver = replace(SOLVER, m_step=replace(SOLVER.m_step, mu=mu), max_iter=1, batch_size=50)
    learner, again = learner_of(rows, solver), learner_of(rows, solver)
    mixture, _ = next(learner.of_own_points(learner.start()))
    start = again.start()
    ascent = start.ascent(again._columns.observed(rows), *again._next_batch())
    counts = 200.0 * ascent.counts + 0.01 / N_POINTS  # and the pseudocount
    expected = counts + np.sqrt(counts**2 + 4.0 * mu * counts)
    assert_allclose(mixture.weights, expected / expected.sum(), rtol=1e-6)


def test_weights_are_repetitions():
    X = mixed_table(50)
    weights = np.arange(50) % 3 + 1
    weighted = as_rows(X, TYPES, weights.astype(float)).distinct()
    repeated = as_rows(np.repeat(X, weights, axis=0), TYPES, learnt_from=X).distinct()
    circuits = [learn(rows).circuit for rows in (weighted, repeated)]
    assert_array_equal(circuits[0].root_weights, circuits[1].root_weights)
    assert mean_of(circuits[0], weighted) == mean_of(circuits[1], weighted)


def test_weights_count():
    rows = learnt_rows()
    other = rows.weighted_as(np.linspace(0.1, 5.0, len(rows)))
    assert mean_of(learn(rows).circuit, rows) != mean_of(learn(other).circuit, rows)


def test_learning_ends_with_no_gain_on_validation_rows():
    stopping = EarlyStopping(None, 0.3, 0, 1, refit=False)
    result = learn(learnt_rows(), stopping, replace(SOLVER, max_iter=30, tol=1e3))
    assert len(result.log_likelihoods) <= 5
    assert result.converged


def test_the_result_is_the_best_on_validation_rows():
    rows, held_out = learnt_rows().split(np.where(np.arange(60) % 3 == 0, 1.0, 0.0))
    stopping = EarlyStopping(held_out, 0.1, None, 5, refit=False)
    result = learn(rows, stopping, replace(SOLVER, max_iter=10))
    scores = result.validation_log_likelihoods
    assert result.best_iteration == np.argmax(scores)
    assert_allclose(mean_of(result.circuit, held_out), scores.max(), rtol=1e-12)


def test_a_refit_learns_as_long_as_was_best_from_all_rows():
    rows = learnt_rows(100)
    stopping = EarlyStopping(None, 0.3, 0, 5, refit=True)
    once = learn(rows, replace(stopping, refit=False))
    again = learn(rows, stopping)
    assert again.best_iteration == once.best_iteration == len(again.log_likelihoods)
    seed = np.random.RandomState(0).randint(2**31 - 1)
    (seed,) = np.random.RandomState(seed).randint(2**31 - 1, size=1)
    training, held_out = stopping.divide(rows)
    learner = learner_of(training, seed=seed)
    learner.learn(held_out, stopping)
    expected = learner_of(rows, seed=seed).learn_for(*learner.n_best)
    assert_array_equal(again.circuit.root_weights, expected.circuit.root_weights)


def test_the_report_has_one_line():
    report = learn(learnt_rows(), EarlyStopping(None, 0.3, 0, 5, refit=True)).report
    assert report["candidate"].tolist() == [f"continuous mixture, {N_POINTS} points"]
    assert report["weight"].tolist() == [1.0]
    assert np.isfinite(report["validation_log_likelihood"]).all()


@pytest.mark.parametrize(
    ("weight", "expected"),
    [(5.0, 256), (300.0, 256), (1023.0, 512), (1024.0, 1024), (1e6, 2048)],
)
def test_how_many_points_rows_are_worth(weight, expected):
    assert points_for(weight) == expected


def divided(rows):
    """A fold of the rows, and what divides them."""
    stopping = EarlyStopping(None, 0.2, 3, 5, refit=True)
    return Fold(*stopping.divide(rows), None, 5), stopping


def test_a_candidate_is_judged_on_the_rows_that_are_held_out():
    fold, stopping = divided(learnt_rows(90))
    candidate = ContinuousCandidate(fold, N_POINTS, False, 0, SOLVER, stopping)
    weights = fold.held_out.weights
    assert len(candidate.log_probs) == len(weights)
    expected = mean_of(candidate.result.circuit, fold.held_out)
    assert_allclose(weights @ candidate.log_probs / weights.sum(), expected)
    assert candidate.n_iter == candidate.result.best_iteration


def test_a_candidate_learns_from_the_training_rows():
    fold, stopping = divided(learnt_rows(90))
    candidate = ContinuousCandidate(fold, N_POINTS, False, 0, SOLVER, stopping)
    (seed,) = fold.new_random_state().randint(2**31 - 1, size=1)
    expected = learner_of(fold.training, seed=int(seed)).learn(fold.held_out, stopping)
    assert_array_equal(candidate.result.circuit.root_weights, expected.circuit.root_weights)
    assert_array_equal(candidate.result.log_likelihoods, expected.log_likelihoods)


@pytest.mark.parametrize("is_refitted", [False, True])
def test_a_candidate_is_learnt_from_all_rows(is_refitted):
    rows = learnt_rows(90)
    fold, stopping = divided(rows)
    candidate = ContinuousCandidate(fold, N_POINTS, True, 0, SOLVER, stopping)
    result = candidate.fitted(Fold(rows, None, None, 7), is_refitted)
    assert (result is candidate.result) != is_refitted
    assert result.best_iteration == candidate.result.best_iteration
    result.circuit.check()


def test_draws_of_a_candidate_differ():
    fold, stopping = divided(learnt_rows(60))
    first, again, second = (
        ContinuousCandidate(fold, N_POINTS, False, draw, SOLVER, stopping) for draw in (0, 0, 1)
    )
    assert_array_equal(first.log_probs, again.log_probs)
    assert (first.log_probs != second.log_probs).any()
    assert first.name != second.name
