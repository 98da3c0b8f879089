"""Who judges a row, which values make it odd, conflicts, and what was to be expected."""

from itertools import product

import numpy as np
import pytest
from helpers import mixed_values

from skpc import SharpPCDensity
from skpc._outliers.expert import OWN_WEIGHTS, Expert
from skpc._outliers.explanations import (
    conflicts,
    culprits,
    dependences,
    expected_probabilities,
    expected_quantiles,
    mean_excesses,
)
from skpc._passes.likelihood import log_likelihood
from skpc._queries.surprises import excesses


def circuit_of(X, **parameters):
    defaults = {"n_latents": 3, "mu": 0.0, "max_iter": 10, "random_state": 0}
    return SharpPCDensity(**{**defaults, **parameters}).fit(X).circuit_


def expert_of(circuit, criterion, n_features):
    return Expert(circuit, OWN_WEIGHTS[criterion], np.zeros(n_features))


MIXED = {"feature_types": ["categorical", "categorical", "gaussian", "gaussian"]}


def correlated(n_rows, seed, n_columns=3, noise=0.2):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 1)) + noise * rng.normal(size=(n_rows, n_columns))


@pytest.fixture(scope="module")
def bundle():
    """Experts of three columns that nearly are one."""
    types = {"feature_types": "gaussian", "n_latents": 1, "feature_groups": [[0, 1, 2]]}
    return [expert_of(circuit_of(correlated(200, seed), **types), "auto", 3) for seed in range(3)]


def test_only_experts_that_may_judge_a_row_count(bundle):
    X = correlated(3, seed=9)
    judges = np.array([[True, False, False], [True, True, False], [True, True, True]])
    one, two, three = (excesses(e.circuit, X, own_weight=e.own_weight) for e in bundle)
    expected = [one[0], (one[1] + two[1]) / 2, (one[2] + two[2] + three[2]) / 3]
    np.testing.assert_allclose(mean_excesses(bundle, judges, X), expected, rtol=1e-12)


def test_a_value_that_only_contradicts_a_wrong_one_is_not_named(bundle):
    row = np.array([0.3, 9.0, 0.4])
    everything = mean_excesses(bundle, np.ones((1, 3), bool), row[None])[0]
    assert (everything > 3.0).all()
    (found,) = culprits(bundle, row, 5)
    assert found.column == 1
    assert found.excess == everything[1]
    np.testing.assert_array_equal(found.rest, [0.3, np.nan, 0.4])
    assert culprits(bundle, np.array([0.3, 0.2, 0.4]), 5) == []
    assert culprits(bundle, np.full(3, np.nan), 5) == []


def test_the_dependence_of_a_pair_against_enumeration():
    rng = np.random.default_rng(3)
    X = (rng.random((100, 4)) < rng.choice([0.2, 0.8], (100, 1))).astype(float)
    circuit = circuit_of(X, feature_types="categorical", n_latents=2)
    worlds = np.array(list(product([0.0, 1.0], repeat=4)))
    probs = np.exp(log_likelihood(circuit, worlds))
    row = np.array([1.0, 0.0, 0.0, 1.0])
    pairs = np.array([[0, 1], [1, 2], [0, 3]])
    shows = worlds == row
    expected = [
        np.log(probs[shows[:, i] & shows[:, j]].sum())
        - np.log(probs[shows[:, i]].sum())
        - np.log(probs[shows[:, j]].sum())
        for i, j in pairs
    ]
    np.testing.assert_allclose(dependences(circuit, row, pairs), expected, rtol=1e-9)


def test_pairs_are_odd_whose_values_are_ordinary_but_contradict_each_other(bundle):
    found = conflicts(bundle, np.array([1.3, 1.2, -1.3]), 5)
    assert {pair.columns for pair in found} == {(0, 2), (1, 2)}
    dependence = [pair.dependence for pair in found]
    assert dependence == sorted(dependence)
    assert dependence[-1] < -2.0
    assert len(conflicts(bundle, np.array([1.3, 1.2, -1.3]), 1)) == 1
    assert conflicts(bundle, np.array([1.3, 1.2, 1.3]), 5) == []
    assert conflicts(bundle, np.array([1.3, np.nan, np.nan]), 5) == []
    far = conflicts(bundle, np.array([1.3, 1.2, -13.0]), 5)  # which is odd by itself
    assert far == []


def test_of_many_columns_the_most_surprising_ones_are_paired():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 40))
    X[:, 33] = X[:, 7] + 0.1 * rng.normal(size=300)
    circuit = circuit_of(X, feature_types="gaussian", n_latents=4, max_iter=30)
    row = np.zeros(40)
    row[[7, 33]] = 1.0, -1.0
    (found,) = conflicts([expert_of(circuit, "auto", 40)], row, 5)
    assert found.columns == (7, 33)


def test_quantiles_against_quadrature():
    """Of the even mixture of two conditional densities, each normalised by itself."""
    X = mixed_values()
    circuits = [circuit_of(X[part], **MIXED) for part in (slice(0, 75), slice(75, 150))]
    rest = np.array([2.0, 1.0, 0.2, np.nan])
    grid = np.linspace(-4.0, 8.0, 4001)
    rows = np.tile(rest, (len(grid), 1))
    rows[:, 3] = grid
    densities = np.exp([log_likelihood(circuit, rows) for circuit in circuits])
    cumulative = (densities / densities.sum(axis=1, keepdims=True)).mean(axis=0).cumsum()
    experts = [expert_of(circuit, "auto", 4) for circuit in circuits]
    shares = [0.05, 0.5, 0.95]
    quantiles = expected_quantiles(experts, rest, 3, shares)
    # Four standard errors of the share of 2,000 draws.
    np.testing.assert_allclose(np.interp(quantiles, grid, cumulative), shares, atol=0.045)
    assert np.array_equal(quantiles, expected_quantiles(experts, rest, 3, shares))


def test_probabilities_against_enumeration():
    X = mixed_values()
    circuits = [circuit_of(X[part], **MIXED) for part in (slice(0, 75), slice(75, 150))]
    rest = np.array([np.nan, 1.0, 0.2, np.nan])
    rows = np.tile(rest, (3, 1))
    rows[:, 0] = range(3)
    probs = np.exp([log_likelihood(circuit, rows) for circuit in circuits])
    expected = (probs / probs.sum(axis=1, keepdims=True)).mean(axis=0)
    experts = [expert_of(circuit, "auto", 4) for circuit in circuits]
    np.testing.assert_allclose(expected_probabilities(experts, rest, 0), expected, rtol=1e-6)
