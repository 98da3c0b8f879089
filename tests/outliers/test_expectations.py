"""What was to be expected in place of a value, and how rare the value is beside it."""

import numpy as np
import pytest
from helpers import mixed_values

from skpc import SharpPCDensity
from skpc._outliers.expectations import (
    SHARES,
    Values,
    expectation,
    expected_probabilities,
    log_densities,
)
from skpc._outliers.expert import Expert
from skpc._passes.likelihood import log_likelihood

TYPES = ["categorical", "categorical", "gaussian", "gaussian"]
CATEGORIES = [np.arange(3.0), np.arange(2.0), None, None]
VALUES = Values(CATEGORIES, lambda column, values: values)
GRID = np.linspace(-4.0, 8.0, 4001)


@pytest.fixture(scope="module")
def experts():
    X = mixed_values()
    settings = {"n_latents": 3, "mu": 0.0, "max_iter": 10, "random_state": 0}
    return [
        Expert(SharpPCDensity(**settings, feature_types=TYPES).fit(part).circuit_, 0.5, np.zeros(4))
        for part in (X[:75], X[75:])
    ]


def mixture(experts, rest, column, values):
    """The mean of conditional densities, each normalised by itself, or of probabilities."""
    rows = np.tile(rest, (len(values), 1))
    rows[:, column] = values
    probs = np.exp([log_likelihood(expert.circuit, rows) for expert in experts])
    return (probs / probs.sum(axis=1, keepdims=True)).mean(axis=0)


def test_quantiles_against_quadrature(experts):
    row = np.array([2.0, 1.0, 0.2, 50.0])
    cumulative = mixture(experts, row, 3, GRID).cumsum()
    found = expectation(experts, row, 3, VALUES)
    # Four standard errors of the share of 2,000 draws.
    np.testing.assert_allclose(np.interp(found.quantiles, GRID, cumulative), SHARES, atol=0.045)
    assert np.array_equal(found.quantiles, expectation(experts, row, 3, VALUES).quantiles)
    assert (found.share, found.probabilities, found.is_rare) == (None, None, True)


def test_the_share_that_is_as_rare_against_quadrature(experts):
    rest = np.array([np.nan, np.nan, np.nan, np.nan])
    density = mixture(experts, rest, 3, GRID)
    low, high = expectation(experts, np.array([np.nan] * 3 + [50.0]), 3, VALUES).quantiles[[0, 2]]
    for value in np.linspace(low + 0.01, high - 0.01, 9):
        expected = density[density <= np.interp(value, GRID, density)].sum()
        found = expectation(experts, np.array([np.nan] * 3 + [value]), 3, VALUES)
        # Four standard errors of 400 draws, and the value itself.
        assert abs(found.share - expected) < 4.0 * np.sqrt(expected / 400) + 1 / 400
        assert found.is_rare == (found.share < 0.05)


def test_densities_are_those_of_the_mixture(experts):
    rest = np.array([2.0, np.nan, 0.2, np.nan])
    values = np.array([0.5, -1.0, 0.5])
    found = log_densities(experts, rest, 3, values)
    step = GRID[1] - GRID[0]
    expected = np.interp(values, GRID, mixture(experts, rest, 3, GRID)) / step
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-3)


def test_draws_are_brought_to_what_the_column_has(experts):
    values = VALUES._replace(nearest=lambda column, numbers: np.clip(np.rint(numbers), 0.0, 1.0))
    row = np.array([2.0, 1.0, 0.2, 50.0])
    assert set(expectation(experts, row, 3, values).quantiles) <= {0.0, 1.0}


def test_probabilities_against_enumeration(experts):
    row = np.array([1.0, 1.0, 0.2, np.nan])
    expected = mixture(experts, row, 0, np.arange(3.0))
    rest = np.array([np.nan, 1.0, 0.2, np.nan])
    np.testing.assert_allclose(expected_probabilities(experts, rest, 0), expected, rtol=1e-6)
    for label, own in enumerate(expected):
        row[0] = label
        found = expectation(experts, row, 0, VALUES)
        np.testing.assert_allclose(found.probabilities, expected, rtol=1e-6)
        np.testing.assert_allclose(found.share, expected[expected <= own].sum(), rtol=1e-6)
    row[0] = 7.0  # which fit has not seen
    assert expectation(experts, row, 0, VALUES).share == 0.0
