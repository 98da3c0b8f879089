"""What an expert says of a row, against the circuit asked value by value."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from skpc import SharpPCDensity
from skpc._outliers.expert import Expert

TYPES = ["categorical", "gaussian", "numeric", "gaussian"]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    X[:, 0] = X[:, 1] > 0
    X[:, 3] += X[:, 1]
    X[::5, 2] = np.nan
    return X


@pytest.fixture(scope="module", params=[1, 2])
def model(rows, request):
    return SharpPCDensity(
        3, n_components=request.param, feature_types=TYPES, max_iter=5, random_state=0
    ).fit(rows)


def own_log_probs(model, X):
    """One column at a time: the others are missing."""
    alone = np.arange(4)
    return np.stack([model.score_samples(np.where(alone == j, X, np.nan)) for j in alone], axis=1)


@pytest.mark.parametrize(
    ("criterion", "own_weight"), [("likelihood", 0.0), ("dependence", -1.0), ("auto", 0.5)]
)
def test_the_score_is_the_log_likelihood_and_that_of_the_columns(
    model, rows, criterion, own_weight
):
    expert = Expert.of(model.circuit_, criterion, rows, np.ones(120))
    complete = rows[~np.isnan(rows).any(axis=1)]
    expected = model.score_samples(complete) + own_weight * own_log_probs(model, complete).sum(1)
    np.testing.assert_allclose(expert.scores(complete), expected, rtol=1e-10)
    np.testing.assert_array_equal(expert.scores(complete, max_bytes=4000), expert.scores(complete))


def test_a_missing_value_counts_as_is_typical(model, rows):
    weights = np.arange(1.0, 121.0)
    expert = Expert.of(model.circuit_, "auto", rows, weights)
    empty = np.full((1, 4), np.nan)
    own = own_log_probs(model, rows)
    joint = model.score_samples(rows)
    seen = (weights @ ~np.isnan(rows)).sum()
    dependence = weights @ (joint - own.sum(axis=1)) / seen
    typical = 1.5 * (weights @ own) / (weights @ ~np.isnan(rows)) + dependence
    assert expert.scores(empty)[0] == pytest.approx(typical.sum(), rel=1e-9)
    row = np.array([[1.0, np.nan, 0.3, np.nan]])
    expected = (
        model.score_samples(row) + 0.5 * own_log_probs(model, row).sum() + typical[[1, 3]].sum()
    )
    assert expert.scores(row)[0] == pytest.approx(expected[0], rel=1e-9)


def test_complete_rows_score_as_one_without_values_on_average(model, rows):
    complete = rows[~np.isnan(rows).any(axis=1)]
    expert = Expert.of(model.circuit_, "auto", complete, np.ones(len(complete)))
    mean = expert.scores(complete).mean()
    assert expert.scores(np.full((1, 4), np.nan))[0] == pytest.approx(mean, rel=1e-9)


def test_sparse_rows_score_as_dense_ones():
    X = np.random.default_rng(0).integers(0, 2, (60, 5)) * 1.0
    circuit = SharpPCDensity(2, max_iter=3, random_state=0).fit(X).circuit_
    dense, sparse = (Expert.of(circuit, "auto", form, np.ones(60)) for form in (X, csr_array(X)))
    np.testing.assert_array_equal(dense.typical, sparse.typical)
    np.testing.assert_array_equal(dense.scores(X), sparse.scores(csr_array(X)))


@pytest.mark.parametrize(
    ("criterion", "own_weight"), [("likelihood", 0.0), ("dependence", -1.0), ("auto", 0.5)]
)
def test_columns_that_are_read_by_logarithms_count_without_their_units(
    model, rows, criterion, own_weight
):
    weights = np.arange(1.0, 121.0)
    plain, expert = (
        Expert.of(model.circuit_, criterion, rows, weights, logs=logs) for logs in ((), (2,))
    )
    margin = model._columns.columns[2].margin
    units = margin.cells(rows[:, 2]).log_scale
    is_missing = np.isnan(rows[:, 2])
    expected = plain.scores(rows) - (1.0 + own_weight) * units
    seen = ~np.isnan(rows)
    mean = weights @ units / weights[~is_missing].sum()
    if criterion == "auto":  # what is typical is without them, too
        assert expert.typical[2] - plain.typical[2] == pytest.approx(-1.5 * mean, rel=1e-9)
        np.testing.assert_allclose(expert.typical[[0, 1, 3]], plain.typical[[0, 1, 3]], rtol=1e-9)
        expected[is_missing] -= 1.5 * mean
    assert seen[is_missing].any()
    np.testing.assert_allclose(expert.scores(rows), expected, rtol=1e-9)
    np.testing.assert_array_equal(expert.scores(rows, max_bytes=4000), expert.scores(rows))


def test_a_file_with_other_columns_is_refused(model):
    for logs in (4,), (-1,), (1.0,), [1], ("a",):
        with pytest.raises(ValueError, match="read by logarithms"):
            Expert(model.circuit_, 0.5, np.zeros(4), logs).check()
    Expert(model.circuit_, 0.5, np.zeros(4), (3,)).check()
