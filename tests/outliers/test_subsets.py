"""Subsets of rows, and means over those that a row is not in, against plain counting."""

import numpy as np
import pytest

from skpc._data.rows import Rows
from skpc._outliers.subsets import (
    honest_means,
    learnt_weights,
    measurements,
    rows_of_subset,
    without_rare_numbers,
)
from skpc._tables.columns import Columns
from skpc._tables.log_margins import with_log_margins


@pytest.mark.parametrize(
    ("share", "n_parts"), [(0.5, 2), (0.25, 4), (0.1, 10), (0.8, 5), (0.9, 10), (0.51, 2)]
)
def test_rows_are_divided_again_and_again(share, n_parts):
    weights = np.ones(40)
    learnt = learnt_weights(
        weights, np.zeros(40, bool), share, 2 * n_parts, np.random.RandomState(0)
    )
    assert learnt.shape == (2 * n_parts, 40)
    times = 1 if share <= 0.5 else n_parts - 1
    for round_ in learnt.reshape(2, n_parts, 40):
        assert (round_.sum(axis=0) == times).all()
    assert set(learnt.sum(axis=1)) <= {times * (40 // n_parts) + more for more in (-1, 0, 1)}
    assert not np.array_equal(learnt[0], learnt[n_parts])


@pytest.mark.parametrize("n_subsets", [2, 3, 4])
def test_few_subsets_leave_larger_parts_out(n_subsets):
    none_whole = np.zeros(40, bool)
    learnt = learnt_weights(np.ones(40), none_whole, 0.9, n_subsets, np.random.RandomState(0))
    assert (learnt.sum(axis=0) == n_subsets - 1).all()


def test_copies_are_divided_but_those_of_measurements():
    weights = np.array([100.0, 100.0, 1.0, 1.0])
    is_whole = np.array([False, True, False, False])
    learnt = learnt_weights(weights, is_whole, 0.5, 6, np.random.RandomState(0))
    assert ((learnt[:, 0] > 0) & (learnt[:, 0] < 100)).all()
    assert set(learnt[:, 1]) == {0.0, 100.0}


def test_an_int_is_a_number_of_rows_up_to_half_of_them():
    none_whole = np.zeros(40, bool)
    for most, share in (10, 0.25), (20, 0.5), (100, 0.5):
        first, second = (
            learnt_weights(np.ones(40), none_whole, one, 4, np.random.RandomState(0))
            for one in (most, share)
        )
        assert np.array_equal(first, second)


def rows_of(X, weights):
    columns = Columns.learn(X, "gaussian", weights)
    return Rows.encode(X, columns.scopes, weights)


def test_measurements_are_numbers_off_every_lattice_and_not_much_repeated():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.poisson(20, 60) * 1.0, np.full(60, 0.0)])
    X[:20, 1] = rng.normal(size=20)
    X[40:, 1] = np.nan
    for weight in 1.0, 1000.0:
        weights = np.full(60, weight)
        assert measurements(rows_of(X, weights)).tolist() == [True] * 20 + [False] * 40


def test_rows_that_are_not_divided_count_once():
    weights = np.full(60, 1000.0)
    learnt = learnt_weights(weights, np.ones(60, bool), 512, 2, np.random.RandomState(0))
    assert (learnt > 0).sum(axis=1).tolist() == [30, 30]


def test_numbers_of_which_there_are_hardly_any_are_left_out():
    X = np.random.default_rng(0).normal(size=(60, 3))
    X[7:, 1] = np.nan
    X[8:, 2] = np.nan
    rows = rows_of(X, np.ones(60)).distinct()
    order = np.lexsort(X.T[::-1])
    kept = without_rare_numbers(rows, X[order])
    assert np.isnan(kept.evidence.column(1)).all()
    assert np.isfinite(kept.evidence.column(2)).sum() == 8
    assert kept.total_weight == 60
    few = rows_of(X[:5], np.ones(5)).distinct()
    assert np.isfinite(without_rare_numbers(few, X[:5]).evidence.column(1)).all()


def test_columns_that_are_read_by_logarithms_are_as_gaussian_ones():
    """Their margins, of the whole table, tell neither what a new row repeats nor their spread."""
    rng = np.random.default_rng(0)
    X = np.exp(rng.normal(0, 3, size=(60, 2)))
    X[:, 0] = np.ceil(1000 * X[:, 0])
    X[7:, 1] = np.nan
    columns, logs = with_log_margins(Columns.learn(X, "gaussian"), X, np.ones(60))
    assert logs == (0, 1)
    rows, first = Rows.encode(X, columns.scopes, np.ones(60)).distinct_and_first()
    assert measurements(rows, logs).tolist() == (~np.isnan(X[first, 1])).tolist()
    assert measurements(rows).all()
    subset = rows_of_subset(rows, rows.weights, X[first], logs)
    assert np.isnan(subset.evidence.column(1)).all()
    assert subset.scopes[0].margin is columns.columns[0].margin
    relearnt = rows_of_subset(rows, rows.weights, X[first]).scopes[0].margin
    assert relearnt is not subset.scopes[0].margin


def test_one_row_has_no_subsets():
    learnt = learnt_weights(np.ones(1), np.zeros(1, bool), 0.5, 3, np.random.RandomState(0))
    assert learnt.tolist() == [[1.0]]


def test_a_row_is_judged_by_those_that_did_not_learn_from_it():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(5, 30))
    weights = rng.integers(1, 4, 30).astype(float)
    learnt = rng.integers(0, 4, (5, 30)) * 1.0
    learnt = np.minimum(learnt, weights)
    learnt[:, 0] = weights[0]
    scores[2, 1] = -np.inf
    learnt[2, 1] = weights[1]  # who has learnt from all of a row does not count
    learnt[0, 1] = 0.0
    means, is_honest = honest_means(scores, learnt, weights)
    for i in range(30):
        copies = [scores[s, i] for s in range(5) for _ in range(int(weights[i] - learnt[s, i]))]
        assert is_honest[i] == bool(copies)
        expected = np.mean(copies) if copies else scores[:, i].mean()
        assert means[i] == pytest.approx(expected, rel=1e-12)
