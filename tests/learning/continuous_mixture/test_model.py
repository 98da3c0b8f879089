"""Continuous mixtures against their circuits, loops over points, and finite differences."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from mixtures import PARENTS, TYPES, as_rows, mixed_table, random_mixture, slope
from numpy.testing import assert_allclose, assert_array_equal

from skpc import circuit as public
from skpc._learning.continuous_mixture import model as module
from skpc._learning.continuous_mixture.columns import TiedColumns
from skpc._learning.continuous_mixture.decoder import decode
from skpc._learning.continuous_mixture.model import ContinuousMixture, rounded_up
from skpc._threads import one_blas_thread, use_threads

pytestmark = pytest.mark.usefixtures("one_thread")

# Features and log probabilities are float32: a few of its roundings, of numbers of about ten.
FLOAT32 = {"rtol": 0.0, "atol": 1e-5}
CATEGORIES = [3, 2, 4, 2]


def codes(n_rows=40, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.integers(0, size, n_rows) for size in CATEGORIES]).astype(float)
    X[: max(CATEGORIES)] = np.arange(max(CATEGORIES))[:, None] % CATEGORIES  # all are seen
    return X


def of_codes(pseudocount=0.0, n_points=7):
    X = codes()
    rows = as_rows(X, ["categorical"] * 4)
    return X, rows, random_mixture(rows, np.array([1, 2, -1, -1]), n_points, 0, pseudocount)


def ascent_of(mixture, rows, weights=None):
    observed = mixture.columns.observed(rows)
    weights = np.ones(len(rows)) if weights is None else weights
    return mixture.ascent(observed, np.arange(len(rows)), weights)


@pytest.mark.parametrize("missing", [0.0, 0.25])
@pytest.mark.parametrize("n_points", [1, 9])
def test_log_likelihoods_are_those_of_the_circuit(missing, n_points):
    X = mixed_table(80, missing=missing)
    X[0, :4], X[1, :] = np.nan, np.nan
    rows = as_rows(X, TYPES)
    # A forest needs columns without missing values.
    mixture = random_mixture(rows, np.where(missing, -1, PARENTS), n_points)
    found = ascent_of(mixture, rows).log_likelihoods
    assert_allclose(found, public.log_likelihood(mixture.circuit(), X), **FLOAT32)
    assert_allclose(found[1], 0.0, **FLOAT32)


def test_edges_with_all_categories_observed():
    X = mixed_table(80)
    X[:20, 3:] = np.nan
    rows = as_rows(X, TYPES)
    mixture = random_mixture(rows, PARENTS, 5)
    found = ascent_of(mixture, rows).log_likelihoods
    assert_allclose(found, public.log_likelihood(mixture.circuit(), X), **FLOAT32)


def test_narrow_cells_count_as_points():
    X = np.round(np.random.default_rng(0).standard_normal((60, 2)) * [1e4, 50.0])
    rows = as_rows(X, ["numeric"] * 2)
    mixture = random_mixture(rows, np.full(2, -1), 5)
    found = ascent_of(mixture, rows).log_likelihoods
    # In a cell no wider than 0.05 a density of deviation 0.3 or more bends by less than that.
    assert_allclose(found, public.log_likelihood(mixture.circuit(), X), rtol=0.0, atol=5e-3)


def test_log_likelihoods_are_sums_over_points():
    X, rows, mixture = of_codes()
    outputs = decode(mixture.layers, mixture.points)[-1].astype(np.float64)
    tied = mixture.columns.tables
    log_tables = np.empty((len(outputs), tied.n_features))
    tied.log_tables(outputs, log_tables)
    tables = tied.tables(log_tables)
    expected = []
    for row in X.astype(int):
        total = 0.0
        for point, weight in enumerate(mixture.weights):
            own = tables[2][0, row[2], point] * tables[3][0, row[3], point]
            own *= tables[1][row[2], row[1], point] * tables[0][row[1], row[0], point]
            total += weight * own
        expected.append(np.log(total))
    assert_allclose(ascent_of(mixture, rows).log_likelihoods, expected, **FLOAT32)


@pytest.mark.parametrize("pseudocount", [0.0, 0.01])
def test_the_circuit_sums_to_one(pseudocount):
    mixture = of_codes(pseudocount)[2]
    states = np.array(list(product(*map(range, CATEGORIES))), float)
    total = np.exp(public.log_likelihood(mixture.circuit(), states)).sum()
    assert_allclose(total, 1.0, rtol=1e-12)


def test_pseudocounts_mix_tables_with_an_even_distribution():
    X = codes()[:, :1]
    rows = as_rows(X, ["categorical"])
    mixture = random_mixture(rows, np.array([-1]), 3, pseudocount=0.02)
    plain = mixture.replaced(columns=TiedColumns(rows, np.array([-1]), 0.0))
    states = np.arange(3.0)[:, None]
    found, before = (
        np.exp(public.log_likelihood(one.circuit(), states)) for one in (mixture, plain)
    )
    assert_allclose(before, np.exp(ascent_of(plain, rows).log_likelihoods)[:3], rtol=1e-5)
    share = 1.0 / (1.0 + len(X))  # one row's worth at most, of 0.02 times a hundred
    assert_allclose(found, (1.0 - share) * before + share / 3.0)


def test_a_category_never_seen_is_unlikely_but_possible():
    mixture = of_codes(0.01)[2]
    seen, unseen = np.array([[0.0, 1.0, 2.0, 0.0]]), np.array([[0.0, 1.0, 2.0, 9.0]])
    circuit = mixture.circuit()
    gap = public.log_likelihood(circuit, seen) - public.log_likelihood(circuit, unseen)
    assert 0.5 < gap[0] < 20.0


def test_counts_are_posteriors_of_the_points():
    X = mixed_table(40, missing=0.2)
    rows = as_rows(X, TYPES)
    mixture = random_mixture(rows, np.full(7, -1), 6)
    weights = np.random.default_rng(1).gamma(1.0, size=len(X))
    circuit = mixture.circuit()
    expected = weights @ public.posteriors(circuit, X, [0])[0] / weights.sum()
    assert_allclose(ascent_of(mixture, rows, weights).counts, expected, rtol=1e-4, atol=1e-7)


def test_counts_of_several_trees_are_posteriors(monkeypatch):
    monkeypatch.setattr(module, "STATES", 4)
    X = mixed_table(40)
    rows = as_rows(X, TYPES)
    mixture = random_mixture(rows, PARENTS, rounded_up(11))
    circuit = mixture.circuit()
    assert circuit.n_regions == 3
    circuit.check()
    posteriors = public.posteriors(circuit, X, [0, 1, 2])
    expected = np.concatenate([own.mean(axis=0) for own in posteriors])
    ascent = ascent_of(mixture, rows)
    assert_allclose(ascent.counts, expected, rtol=1e-4, atol=1e-7)
    assert_allclose(ascent.log_likelihoods, public.log_likelihood(circuit, X), **FLOAT32)


@pytest.fixture
def case():
    """A mixed mixture, rows, weights, and the mean log-likelihood of its circuit in float64."""
    X = mixed_table(30, missing=0.0)
    X[:8, 3:] = np.nan
    rows = as_rows(X, TYPES)
    mixture = random_mixture(rows, PARENTS, 6)
    weights = np.random.default_rng(1).gamma(1.0, size=len(X))

    def value(layers, points):
        changed = mixture.replaced(layers=layers, points=points)
        return float(weights @ public.log_likelihood(changed.circuit(), X) / weights.sum())

    return mixture, rows, weights, value


@pytest.mark.parametrize("points_at_once", [256, 4])
def test_gradient_in_layers_and_points(case, monkeypatch, points_at_once):
    """Along random directions: of the circuit, whose likelihoods are float64."""
    monkeypatch.setattr(module, "_POINTS_AT_ONCE", points_at_once)
    mixture, rows, weights, value = case
    ascent = ascent_of(mixture, rows, weights)
    layers = [part.astype(np.float64) for part in mixture.layers]
    points = mixture.points.astype(np.float64)
    rng = np.random.default_rng(2)
    for place, part in enumerate(layers):
        for _ in range(3):
            direction = [np.zeros_like(one) for one in layers]
            direction[place] = rng.standard_normal(part.shape)
            expected = slope(lambda changed: value(changed, points), layers, direction)
            found = (ascent.layers[place] * direction[place]).sum()
            assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    for entry in np.ndindex(points.shape):
        direction = np.zeros_like(points)
        direction[entry] = 1.0
        expected = slope(lambda changed: value(layers, changed[0]), [points], [direction])
        assert_allclose(ascent.points[entry], expected, rtol=1e-3, atol=1e-5)


def test_counts_are_the_gradient_in_the_weights(case):
    """Of unnormalised weights, times these."""
    mixture, rows, weights, _ = case
    found = ascent_of(mixture, rows, weights)
    for point in range(len(mixture.points)):
        changed = mixture.weights.copy()
        changed[point] *= 1.01
        gain = ascent_of(mixture.replaced(weights=changed), rows, weights).log_likelihoods
        expected = weights @ (gain - found.log_likelihoods) / weights.sum() / np.log(1.01)
        assert_allclose(found.counts[point], expected, rtol=0.02, atol=1e-4)


def test_weights_are_repetitions(case):
    mixture, rows, _, _ = case
    weights = 1.0 + np.arange(len(rows)) % 3
    weighted = ascent_of(mixture, rows, weights)
    observed = mixture.columns.observed(rows)
    chosen = np.repeat(np.arange(len(rows)), weights.astype(int))
    repeated = mixture.ascent(observed, chosen, np.ones(len(chosen)))
    assert_allclose(weighted.points, repeated.points, rtol=1e-4, atol=1e-6)
    assert_allclose(weighted.counts, repeated.counts, rtol=1e-5)


def test_a_batch_is_some_of_the_rows(case):
    mixture, rows, weights, _ = case
    observed = mixture.columns.observed(rows)
    chosen = np.array([7, 3, 20])
    part = mixture.ascent(observed, chosen, weights[chosen])
    whole = ascent_of(mixture, rows, weights)
    assert_allclose(part.log_likelihoods, whole.log_likelihoods[chosen], **FLOAT32)
    alone = ascent_of(mixture, rows.take(chosen), weights[chosen])
    assert_allclose(part.points, alone.points, rtol=1e-3, atol=1e-6)


def test_threads_do_not_change_a_bit(case, monkeypatch):
    monkeypatch.setattr(module, "_POINTS_AT_ONCE", 2)
    mixture, rows, weights, _ = case
    found = []
    for n_threads in (1, 2):
        with use_threads(n_threads), one_blas_thread():
            found.append(ascent_of(mixture, rows, weights))
    first, second = found
    assert_array_equal(first.log_likelihoods, second.log_likelihoods)
    assert_array_equal(first.counts, second.counts)
    assert_array_equal(first.points, second.points)
    for own, others in zip(first.layers, second.layers, strict=True):
        assert_array_equal(own, others)


def test_unlikely_rows_have_finite_gradients():
    """All points are far from a row: what is left of it after rounding is still a gradient."""
    X = np.append(np.random.default_rng(0).standard_normal(200), 1e9)[:, None]
    rows = as_rows(X, ["numeric"], learnt_from=X[:200])
    mixture = random_mixture(rows, np.array([-1]), 5)
    ascent = ascent_of(mixture, rows)
    assert ascent.log_likelihoods[-1] < -20.0
    assert np.isfinite(ascent.log_likelihoods).all()
    assert all(np.isfinite(part).all() for part in (*ascent.layers, ascent.points))


def test_points_without_weight_keep_a_little_of_it():
    mixture = of_codes(n_points=3)[2]
    circuit = replace(mixture, weights=np.array([0.5, 0.5, 0.0])).circuit()
    circuit.check()
    assert circuit.root_weights[2] > 0.0
    assert_allclose(circuit.root_weights.sum(), 1.0)


@pytest.mark.parametrize(
    ("n_points", "expected"), [(1, 1), (64, 64), (65, 66), (129, 129), (130, 132), (2048, 2048)]
)
def test_points_are_rounded_up_to_regions_of_as_many(n_points, expected):
    assert rounded_up(n_points) == expected


def test_a_mixture_is_frozen():
    mixture = of_codes()[2]
    with pytest.raises(AttributeError):
        mixture.weights = None
    assert isinstance(mixture.replaced(weights=mixture.weights), ContinuousMixture)
