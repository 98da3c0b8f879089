"""Binomial inputs against scipy.stats, the best fit found by a search, and whole models."""

import numpy as np
import pytest
from helpers import rows_of, smoothed_counts
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from skpc import SharpPCDensity
from skpc._circuit.inputs.binomial import Binomials
from skpc._circuit.inputs.inputs import Inputs
from skpc._data.evidence import Evidence

SIZES = [4, 1, 7, 2]  # levels of four binomial regions, with others between them
K = 3


def binomials():
    """Six regions, four of them binomial, one of three categories, and one without any."""
    four, one, seven, two = SIZES
    is_binomial = np.array([True, False, True, False, True, True])
    return Binomials(is_binomial, np.cumsum([0, four, 3, one, 0, seven, two]))


def segments():
    return np.split(np.arange(sum(SIZES)), np.cumsum(SIZES)[:-1])


def test_rows_are_those_of_the_levels():
    np.testing.assert_array_equal(
        binomials().rows, [0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
    )


def test_masses_are_those_of_scipy():
    success = np.random.default_rng(0).uniform(0, 1, (4, K))
    masses = binomials().masses(success)
    for rows, n, p in zip(segments(), SIZES, success, strict=True):
        np.testing.assert_allclose(
            masses[rows], binom.pmf(np.arange(n)[:, None], n - 1, p), rtol=1e-12
        )
        np.testing.assert_allclose(masses[rows].sum(axis=0), 1.0, rtol=1e-12)


@pytest.mark.parametrize("success", [0.0, 1.0])
def test_certain_levels_leave_the_others_the_floor(success):
    masses = binomials().masses(np.full((4, 1), success))[:, 0]
    for rows in segments():
        assert masses[rows][-1 if success else 0] == 1.0
        assert (masses[rows] >= 1e-30).all()


@pytest.mark.parametrize("pseudocount", [0.0, 2.5])
def test_success_maximises_the_likelihood(pseudocount):
    counts = np.random.default_rng(1).gamma(0.5, 2.0, (sum(SIZES), K))
    found = binomials().success(counts, pseudocount)
    for rows, n, success in zip(segments(), SIZES, found, strict=True):
        if n == 1:
            continue
        for k in range(K):
            overall = counts[rows].sum(axis=1) + min(pseudocount, 1.0) / n
            padded = counts[rows, k] + pseudocount * overall / overall.sum()
            best = minimize_scalar(
                lambda p, c=padded, n=n: -(c @ binom.logpmf(np.arange(n), n - 1, p)),
                bounds=(1e-9, 1 - 1e-9), method="bounded", options={"xatol": 1e-10},
            ).x  # fmt: skip
            assert success[k] == pytest.approx(best, abs=1e-6)


def test_gradient_is_that_of_differences():
    model, rng = binomials(), np.random.default_rng(2)
    counts, success = rng.normal(size=(sum(SIZES), K)), rng.uniform(0.1, 0.9, (4, K))

    def total(log_odds):
        return np.sum(counts * np.log(model.masses(1 / (1 + np.exp(-log_odds)))))

    masses = model.masses(success)
    log_odds = model.log_odds(masses)
    actual = model.gradient(counts, masses)
    for r, k in np.ndindex(4, K):
        if SIZES[r] == 1:
            assert actual[r, k] == 0.0
            continue
        step = np.zeros((4, K))
        step[r, k] = 1e-6
        numeric = (total(log_odds + step) - total(log_odds - step)) / 2e-6
        assert actual[r, k] == pytest.approx(numeric, abs=1e-6)


def discrete_inputs(rng):
    """Random inputs of a binomial and a categorical column."""
    categories = [np.arange(2.0, 7.0), np.arange(3.0)]
    evidence = Evidence(np.zeros((2, 1), np.int32), np.array([7, 5]), (None, None))
    rows = rows_of(evidence, categories=categories, is_binomial=[True, False])
    return Inputs.random(rows, K, rng)


def test_inputs_stay_binomial_when_they_learn():
    inputs = discrete_inputs(np.random.RandomState(0))
    counts = np.random.default_rng(3).gamma(1.0, 1.0, (8, K))
    new = inputs.updated([counts], 0.5)
    success = inputs.tables.binomials.success(counts[:5], 0.5)[0]
    np.testing.assert_allclose(
        new.probs[:5], binom.pmf(np.arange(5)[:, None], 4, success), rtol=1e-12
    )
    expected = smoothed_counts(counts[5:].T, 0.5, 1.0).T
    expected /= expected.sum(axis=0)
    np.testing.assert_allclose(new.probs[5:], expected, rtol=1e-12)


def test_a_state_without_flow_keeps_its_distribution():
    inputs = discrete_inputs(np.random.RandomState(0))
    counts = np.ones((8, K))
    counts[:, 1] = 0.0
    np.testing.assert_array_equal(inputs.updated([counts], 0.5).probs[:, 1], inputs.probs[:, 1])


def test_free_parameters_say_the_same():
    inputs = discrete_inputs(np.random.RandomState(0))
    again = inputs.with_free_parameters(inputs.free_parameters())
    np.testing.assert_allclose(again.probs, inputs.probs, rtol=1e-12)


def test_a_binomial_has_one_parameter_a_state():
    assert discrete_inputs(np.random.RandomState(0)).n_parameters == (1 + 2) * K


# --- whole models ----------------------------------------------------------------------


def grades(n=400, seed=0):
    """Two columns of grades 0 to 10, from two groups of rows."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n)
    return rng.binomial(10, np.array([[0.2, 0.7], [0.8, 0.4]])[group]).astype(float)


def test_one_state_is_the_binomial_of_the_mean():
    X = grades()
    X[0], X[1] = 0, 10
    model = SharpPCDensity(1, feature_types="binomial", pseudocount=0.0, random_state=0).fit(X)
    expected = binom.logpmf(X, 10, X.mean(axis=0) / 10).sum(axis=1)
    np.testing.assert_allclose(model.score_samples(X), expected, rtol=1e-9)


@pytest.mark.parametrize("n_components", [1, 2])
def test_plain_em_never_falls(n_components):
    model = SharpPCDensity(
        4, feature_types="binomial", mu=0.0, batch_size=None, tol=0.0, max_iter=40, pseudocount=0.0,
        n_components=n_components, early_stopping=False, init="random", random_state=0,
    ).fit(grades())  # fmt: skip
    assert (np.diff(model.log_likelihoods_) > -1e-12).all()


@pytest.mark.parametrize("solver", ["em", "adam"])
def test_masses_of_all_levels_sum_to_one(solver):
    X = grades()
    model = SharpPCDensity(3, feature_types="binomial", solver=solver, max_iter=5, random_state=0)
    low, high = X.min(axis=0), X.max(axis=0)
    axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    worlds = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    assert np.exp(model.fit(X).score_samples(worlds)).sum() == pytest.approx(1.0, abs=1e-9)


def test_levels_learn_from_their_neighbours():
    train, test = grades(60), grades(2000, seed=1)
    parameters = {"n_latents": 2, "random_state": 0}
    ordered = SharpPCDensity(feature_types="binomial", **parameters).fit(train)
    unordered = SharpPCDensity(feature_types="categorical", **parameters).fit(train)
    inside = ((test >= train.min(axis=0)) & (test <= train.max(axis=0))).all(axis=1)
    assert ordered.score(test[inside]) > unordered.score(test[inside]) + 0.1


def test_a_level_without_rows_is_between_its_neighbours():
    X = grades()
    X = X[X[:, 0] != 5]
    model = SharpPCDensity(2, feature_types="binomial", random_state=0).fit(X)
    four, five, six = model.score_samples([[4.0, np.nan], [5.0, np.nan], [6.0, np.nan]])
    assert min(four, six) - 1 < five < max(four, six) + 1
    np.testing.assert_array_equal(model.categories_[0], np.arange(11.0))


def test_samples_and_types():
    model = SharpPCDensity(2, feature_types=["binomial", "auto"], random_state=0).fit(grades())
    assert model.feature_types_ == ["binomial", "numeric"]
    sample = model.sample(500, random_state=0)[0]
    assert np.isin(sample, np.arange(11)).all()


def test_ordered_categories_of_a_frame():
    pandas = pytest.importorskip("pandas")
    levels = pandas.CategoricalDtype(["low", "mid", "high"], ordered=True)
    names = np.array(levels.categories)
    rng = np.random.default_rng(0)
    X = pandas.DataFrame({"grade": names[rng.binomial(2, 0.3, 200)]}).astype(levels)
    model = SharpPCDensity(1, feature_types="binomial", pseudocount=0.0, random_state=0).fit(X)
    p = X["grade"].cat.codes.mean() / 2
    rows = pandas.DataFrame({"grade": names}).astype(levels)
    np.testing.assert_allclose(model.score_samples(rows), binom.logpmf([0, 1, 2], 2, p), rtol=1e-9)
    with pytest.raises(ValueError, match="column 'grade', whose labels have no order"):
        model.fit(X.astype(str))


@pytest.mark.parametrize(
    ("value", "message"),
    [(0.5, "column 1, which has the value 0.5"), (20_000.0, "more than 10000 levels")],
)
def test_what_has_no_levels_is_refused(value, message):
    X = grades()
    X[3, 1] = value
    with pytest.raises(ValueError, match=message):
        SharpPCDensity(2, feature_types="binomial").fit(X)
