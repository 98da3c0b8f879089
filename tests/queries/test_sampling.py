"""Sampling: frequencies of all joint rows against their probabilities."""

import numpy as np
import oracle
import pytest
from helpers import as_model, random_circuit, random_tree
from scipy.stats import chisquare

from skpc import SharpPCDensity
from skpc._queries.sampling import sample

pytestmark = pytest.mark.usefixtures("one_thread")


def case(seed):
    rng = np.random.default_rng(seed)
    n_regions = int(rng.integers(1, 6))
    n_categories = rng.integers(1, 4, n_regions)
    circuit = random_circuit(rng, random_tree(rng, n_regions), n_categories, 3)
    return circuit, n_regions


def draw(circuit, n_columns, n_samples, seed=0):
    return sample(circuit, n_samples, n_columns, np.random.RandomState(seed))


@pytest.mark.parametrize("seed", range(8))
def test_frequencies_of_rows(seed):
    circuit, n_columns = case(seed)
    model = as_model(circuit)
    rows = oracle.all_rows(model)
    expected = 20_000 * np.exp(oracle.log_likelihood(model, rows))
    X = draw(circuit, n_columns, 20_000)
    observed = np.array([(row == X).all(axis=1).sum() for row in rows])
    assert observed.sum() == 20_000  # nothing but known categories
    rare = expected < 5
    if rare.any():
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    if len(observed) > 1:
        # The seeds are fixed; a wrong probability of 1 % would end below 1e-6.
        assert chisquare(observed, expected).pvalue > 1e-3


def test_the_seed_decides():
    circuit, n_columns = case(3)
    X = draw(circuit, n_columns, 50, seed=1)
    np.testing.assert_array_equal(draw(circuit, n_columns, 50, seed=1), X)
    assert not np.array_equal(draw(circuit, n_columns, 50, seed=2), X)


def test_columns_without_a_region_are_missing():
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, np.array([-1, 0]), np.array([2, 0]), 2)
    X = draw(circuit, 2, 30)
    assert np.isnan(X[:, 1]).all()
    assert np.isin(X[:, 0], circuit.inputs[0].categories).all()


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32])
def test_the_estimator_samples_the_values_of_training(dtype):
    rng = np.random.default_rng(0)
    X = np.array([[3, 200], [90, 7], [3, 7]])[rng.choice(3, 200, p=[0.5, 0.3, 0.2])].astype(dtype)
    model = SharpPCDensity(n_latents=3, max_iter=300, mu=0.0, tol=1e-9, random_state=0).fit(X)
    rows = model.sample(5000, random_state=0)
    assert rows.dtype == dtype
    for row in np.unique(X, axis=0):
        share = (row == X).all(axis=1).mean()
        # Three standard errors of 5,000 draws, and what the fit misses.
        assert (rows == row).all(axis=1).mean() == pytest.approx(share, abs=0.03)
