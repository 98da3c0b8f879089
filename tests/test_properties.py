"""What must hold for any circuit and any data."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from helpers import as_model, random_circuit, random_rows, random_tree, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from skpc import SharpPCDensity
from skpc._circuit.inputs.inputs import Inputs
from skpc._passes.likelihood import log_likelihood

pytestmark = pytest.mark.usefixtures("one_thread")

seeds = st.integers(0, 2**32 - 1)
properties = settings(derandomize=True, deadline=None, max_examples=25)
fits = settings(derandomize=True, deadline=None, max_examples=15)


@st.composite
def circuits(draw, max_regions=6):
    rng = np.random.default_rng(draw(seeds))
    n_categories = draw(st.lists(st.integers(1, 4), min_size=1, max_size=max_regions))
    n_latents = draw(st.integers(1, 12))
    parents = random_tree(rng, len(n_categories))
    return random_circuit(rng, parents, np.array(n_categories), n_latents), rng


def with_columns(circuit, categories=None, probs=None, features=None):
    inputs = circuit.inputs
    inputs = Inputs(
        features or inputs.features,
        categories or inputs.categories,
        inputs.probs if probs is None else probs,
        inputs.unseen,
        {},
    )
    return replace(circuit, features=inputs.features, inputs=inputs)


@properties
@given(circuits())
def test_probabilities_sum_to_one(case):
    circuit, _ = case
    rows = oracle.all_rows(as_model(circuit))
    np.testing.assert_allclose(np.exp(log_likelihood(circuit, rows)).sum(), 1.0, rtol=1e-12)


@properties
@given(circuits())
def test_missing_is_summed_out(case):
    circuit, rng = case
    x = random_rows(rng, circuit, 1, missing=0.5)[0]
    completed = log_likelihood(circuit, oracle.completions(as_model(circuit), x))
    actual = np.exp(log_likelihood(circuit, x[None]))
    np.testing.assert_allclose(actual, np.exp(completed).sum(), rtol=1e-11)


@properties
@given(circuits(max_regions=20))
def test_names_of_categories_do_not_matter(case):
    circuit, rng = case
    X = random_rows(rng, circuit, 20)
    relabelled, categories, probs = X.copy(), [], []
    for columns, item in zip(circuit.features, circuit.inputs, strict=True):
        names = rng.choice(1000, len(item.categories), replace=False) + 0.0
        for old, new in zip(item.categories, names, strict=True):
            relabelled[X[:, columns[0]] == old, columns[0]] = new
        order = np.argsort(names)
        categories.append(names[order])
        probs.append(item.probs[order])
    other = with_columns(circuit, categories, np.concatenate(probs))
    np.testing.assert_array_equal(log_likelihood(other, relabelled), log_likelihood(circuit, X))


@properties
@given(circuits(max_regions=20))
def test_order_of_columns_does_not_matter(case):
    circuit, rng = case
    X = random_rows(rng, circuit, 20)
    order = rng.permutation(X.shape[1])
    features = [np.flatnonzero(order == columns[0]) for columns in circuit.features]
    other = with_columns(circuit, features=features)
    np.testing.assert_array_equal(log_likelihood(other, X[:, order]), log_likelihood(circuit, X))


@properties
@given(circuits(max_regions=20))
def test_names_of_latent_states_do_not_matter(case):
    circuit, rng = case
    X = random_rows(rng, circuit, 20)
    orders = [rng.permutation(circuit.n_latents) for _ in circuit.parents]
    sum_weights = circuit.sum_weights.copy()
    probs = circuit.inputs.probs.copy()
    for r, v in enumerate(circuit.parents):
        if v >= 0:
            sum_weights[r] = circuit.sum_weights[r][np.ix_(orders[v], orders[r])]
        rows = slice(circuit.inputs.start[r], circuit.inputs.start[r + 1])
        probs[rows] = circuit.inputs.probs[rows][:, orders[r]]
    other = replace(
        with_columns(circuit, probs=probs),
        root_weights=circuit.root_weights[orders[circuit.roots[0]]],
        sum_weights=sum_weights,
    )
    # The order of sums changes.
    np.testing.assert_allclose(
        log_likelihood(other, X), log_likelihood(circuit, X), rtol=1e-11, atol=1e-12
    )


@properties
@given(circuits(max_regions=20))
def test_a_conditional_is_joint_over_marginal(case):
    """Given the rest of a row, its probabilities over one column's values sum to one."""
    circuit, rng = case
    x = random_rows(rng, circuit, 1, missing=0.3)[0]
    region = rng.integers(circuit.n_regions)
    column = circuit.features[region][0]
    without = x.copy()
    without[column] = np.nan
    values = circuit.inputs[region].categories
    rows = np.tile(x, (len(values), 1))
    rows[:, column] = values
    conditional = np.exp(log_likelihood(circuit, rows) - log_likelihood(circuit, without[None]))
    np.testing.assert_allclose(conditional.sum(), 1.0, rtol=1e-11)


# --- the estimator ---------------------------------------------------------------------


@st.composite
def tables(draw):
    rng = np.random.default_rng(draw(seeds))
    n_rows, n_columns = draw(st.integers(2, 80)), draw(st.integers(1, 8))
    X = rng.integers(0, draw(st.integers(1, 4)) + 1, (n_rows, n_columns)).astype(float)
    X[1:][rng.random((n_rows - 1, n_columns)) < 0.15] = np.nan
    parameters = {
        "n_latents": draw(st.integers(1, 9)),
        "regularizer": draw(st.sampled_from(["global", "gated"])),
        "multiplier": draw(st.sampled_from(["unit", "exact"])),
        "update": draw(st.sampled_from(["quadratic", "cubic"])),
    }
    return X, parameters, rng


def fitted(X, sample_weight=None, **parameters):
    model = SharpPCDensity(**{"n_latents": 8, "max_iter": 6, "random_state": 5, **parameters})
    return model.fit(X, sample_weight=sample_weight).circuit_


@fits
@given(tables())
def test_integer_weights_are_repetitions(case):
    X, parameters, rng = case
    times = rng.integers(1, 4, len(X))
    weighted = fitted(X, times, **parameters)
    assert same_bits(weighted, fitted(np.repeat(X, times, axis=0), **parameters))


@fits
@given(tables())
def test_weight_zero_is_absence(case):
    X, parameters, rng = case
    weights = rng.integers(0, 3, len(X)).astype(float)
    weights[0] = 1.0  # the first row has no missing value
    absent = weights == 0
    X[absent] += 10.0  # categories that no other row has
    kept = fitted(X[~absent], weights[~absent], **parameters)
    assert same_bits(fitted(X, weights, **parameters), kept)


@fits
@given(tables())
def test_order_of_rows_does_not_matter(case):
    X, parameters, rng = case
    weights = rng.uniform(0.1, 2.0, len(X))
    order = rng.permutation(len(X))
    permuted = fitted(X[order], weights[order], **parameters)
    assert same_bits(permuted, fitted(X, weights, **parameters))


@fits
@given(tables())
def test_number_of_threads_does_not_matter(case):
    X, parameters, _ = case
    assert same_bits(fitted(X, n_jobs=1, **parameters), fitted(X, n_jobs=2, **parameters))


@fits
@given(tables())
def test_a_seed_decides_every_bit(case):
    X, parameters, _ = case
    assert same_bits(fitted(X, **parameters), fitted(X, **parameters))


def test_another_seed_is_another_start():
    X = np.random.default_rng(0).integers(0, 3, (50, 4))
    assert not same_bits(fitted(X, random_state=1), fitted(X, random_state=2))


def test_the_estimator_scores_its_circuit():
    X = np.random.default_rng(0).integers(0, 3, (50, 4)) * 1.0
    X[3, 1] = np.nan
    model = SharpPCDensity(n_latents=2, max_iter=20, random_state=0).fit(X)
    expected = oracle.log_likelihood(as_model(model.circuit_), X)
    np.testing.assert_allclose(model.score_samples(X), expected, rtol=1e-10)
    np.testing.assert_allclose(model.score(X), expected.mean(), rtol=1e-10)


def test_the_estimators_sharpness_is_that_of_its_circuit():
    X = np.random.default_rng(0).integers(0, 3, (50, 4)) * 1.0
    weights = np.linspace(0.0, 1.0, 50)
    model = SharpPCDensity(n_latents=2, max_iter=20, random_state=0).fit(X)
    expected = oracle.hessian_trace(as_model(model.circuit_), X)
    np.testing.assert_allclose(model.hessian_trace(X), expected, rtol=1e-10)
    np.testing.assert_allclose(model.sharpness(X, weights), np.average(expected, weights=weights))
