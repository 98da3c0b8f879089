"""Who judges a row, which values make it odd, and which contradict each other."""

from itertools import product

import numpy as np
import pytest

from skpc import SharpPCDensity
from skpc._outliers.expectations import Values, expectation
from skpc._outliers.expert import OWN_WEIGHTS, Expert
from skpc._outliers.explanations import (
    conflicts,
    culprits,
    dependences,
    mean_excesses,
)
from skpc._passes.likelihood import log_likelihood
from skpc._queries.surprises import excesses


def circuit_of(X, **parameters):
    defaults = {"n_latents": 3, "mu": 0.0, "max_iter": 10, "random_state": 0}
    return SharpPCDensity(**{**defaults, **parameters}).fit(X).circuit_


def expert_of(circuit, criterion, n_features):
    return Expert(circuit, OWN_WEIGHTS[criterion], np.zeros(n_features))


NUMBERS = Values([None, None, None], lambda column, values: values)


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
    (found,) = culprits(bundle, row, 5, NUMBERS)
    assert found.column == 1
    assert found.excess == everything[1]
    expected = expectation(bundle, row, 1, NUMBERS)
    np.testing.assert_array_equal(found.expected.quantiles, expected.quantiles)
    assert found.expected.share is None
    assert culprits(bundle, np.array([0.3, 0.2, 0.4]), 5, NUMBERS) == []
    assert culprits(bundle, np.full(3, np.nan), 5, NUMBERS) == []


def test_a_value_that_the_experts_together_expect_is_not_named():
    """One of two experts is surprised by far; half of what both expect is such a value."""
    rng = np.random.default_rng(0)
    types = {"feature_types": "gaussian", "n_latents": 1}
    X = rng.normal(size=(200, 2)) * [1.0, 0.01]
    pair = [
        expert_of(circuit_of(X + np.array([0.0, place]), **types), "auto", 2)
        for place in (0.0, 1.0)
    ]
    values = Values([None, None], lambda column, numbers: numbers)
    row = np.array([0.0, 1.0])
    assert mean_excesses(pair, np.ones((1, 2), bool), row[None])[0, 1] > 100.0
    assert culprits(pair, row, 5, values) == []
    between = culprits(pair, np.array([0.0, 0.5]), 5, values)
    assert [one.column for one in between] == [1]
    assert between[0].expected.share < 0.01
    # A value that is not named does not end the search for others.
    (far,) = culprits(pair, np.array([9.0, 1.0]), 5, values)
    assert far.column == 0


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
