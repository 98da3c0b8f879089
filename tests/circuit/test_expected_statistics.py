"""What distributions expect of rows that they draw, against draws, sums and the M-step."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_gaussian, random_tree
from numpy.testing import assert_allclose
from test_cells import margin_of
from test_copula import random_copula, table
from test_forest import forest, worlds

from skpc._circuit.circuit import Circuit, mixture
from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.cells import Numeric
from skpc._circuit.inputs.composite import Composite
from skpc._circuit.inputs.inputs import Inputs
from skpc._circuit.inputs.table import Binomial, Categorical
from skpc._learning.further_rows import own_counts
from skpc._learning.mstep import MStep

K = 3
MANY = 1e13  # rows beside which priors are nothing


def categorical(rng):
    probs = rng.dirichlet(np.ones(4), K).T
    return Categorical(np.array([0.0, 2.0, 3.0, 7.0]), probs, np.full(K, 1e-3))


def binomial(rng):
    success = np.array([[0.2, 0.5, 0.9]])
    levels = np.arange(6.0)
    one = Binomial(levels, np.full((6, K), 1.0 / 6.0), np.full(K, 1e-3))
    return replace(one, probs=one._alone.binomials.masses(success))


def unbounded(column):
    """The margin of a column, of which draws, like the density, are everywhere."""
    return replace(margin_of(column), low=-1e30, high=1e30)


def numeric(rng):
    margin = unbounded(table(400)[:, 1])
    return Numeric(np.array([-1.0, 0.1, 1.5]), np.array([0.4, 1.0, 0.7]), 10.0, margin)


def levels(rng):
    return replace(numeric(rng), margin=unbounded(np.round(table(400)[:, 0] * 2.0)))


def zeros(rng):
    x = table(400)[:, 0]
    return replace(numeric(rng), margin=unbounded(np.where(x < 0.3, 0.0, x)))


def gaussian(rng):
    return random_gaussian(rng, K, 3)


def shrunk(rng):
    return replace(gaussian(rng), shrinkage=10.0)


def copula(rng):
    one = random_copula(table()[:, :2])
    return replace(one, margins=tuple(map(unbounded, table()[:, :2].T)))


def a_forest(rng):
    return forest(rng, [2, 2, -1, 2], [3, 2, 3, 2])


def composite(rng):
    return Composite((numeric(rng), categorical(rng), gaussian(rng), a_forest(rng)))


KINDS = [
    categorical, binomial, numeric, levels, zeros, gaussian, shrunk, copula, a_forest, composite,
]  # fmt: skip


def of_kind(make):
    return make(np.random.default_rng(0))


def assert_same_distribution(found, expected, rtol=1e-9, atol=1e-9):
    arrays, others = found.to_arrays(), expected.to_arrays()
    for name in arrays.keys() - {"unseen"}:
        if arrays[name].dtype.kind == "f" and not name.endswith("unseen"):
            assert_allclose(arrays[name], others[name], rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize("make", KINDS)
def test_a_distribution_fits_what_it_expects_itself(make):
    one = of_kind(make)
    masses = MANY * np.array([1.0, 0.2, 3.0])
    assert_same_distribution(one.updated(one.expected_statistics(masses)), one)


@pytest.mark.parametrize("make", KINDS)
def test_statistics_are_those_of_draws(make):
    one, n = of_kind(make), 20_000
    masses = np.array([1.0, 0.5, 2.0])
    found = one.expected_statistics(masses)
    for state in range(K):
        rows = one.sample(np.full(n, state), np.random.RandomState(state))
        parts = np.array_split(rows, 20)
        counts = np.zeros((n // 20, K))
        counts[:, state] = 20.0 * masses[state] / n
        means = np.array([one.summarize(part, counts)[state] for part in parts])
        error = means.std(axis=0) / np.sqrt(len(parts))
        rare = 5.0 * masses[state] / n  # what is drawn so seldom may not be among the draws
        assert (np.abs(found[state] - means.mean(axis=0)) < 5.0 * error + rare).all()


def test_a_forest_counts_all_worlds():
    one = of_kind(a_forest)
    cells, joint = worlds(one)
    values = np.stack([2.0 * cells[:, c] + 1.0 for c in range(cells.shape[1])], axis=1)
    masses = np.array([1.0, 0.5, 2.0])
    expected = one.summarize(values, joint * masses)
    assert_allclose(one.expected_statistics(masses), expected, rtol=1e-12)


def test_a_kind_that_does_not_say_is_named():
    class Silent(Categorical):
        expected_statistics = InputDistribution.expected_statistics

    one = of_kind(categorical)
    silent = Silent(one.categories, one.probs, one.unseen)
    with pytest.raises(
        ValueError, match=r"type 'categorical' is not learnt from further rows.*Fit"
    ):
        silent.expected_statistics(np.ones(K))


def every_kind(seed):
    """A tree of regions of all kinds, of which one observes nothing."""
    rng = np.random.default_rng(seed)
    distributions = [make(rng) for make in KINDS]
    distributions.append(None)
    sizes = [0 if one is None else one.n_columns for one in distributions]
    features = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    shape = len(sizes), K, K
    sum_weights = rng.dirichlet(np.ones(K), shape[:2])
    parents = random_tree(rng, len(sizes))
    sum_weights[parents < 0] = np.eye(K)
    inputs = Inputs.of(features, distributions, K)
    return Circuit(parents, tuple(features), rng.dirichlet(np.ones(K)), sum_weights, inputs)


def test_the_m_step_of_its_own_counts_leaves_a_circuit_as_it_is():
    trees = [every_kind(0), every_kind(1)]
    for circuit in (*trees, mixture(trees, np.array([0.3, 0.7]))):
        circuit.check()
        found = MStep()(circuit, own_counts(circuit, MANY))
        assert_allclose(found.root_weights, circuit.root_weights, rtol=1e-12)
        below = circuit.parents >= 0
        assert_allclose(found.sum_weights[below], circuit.sum_weights[below], rtol=1e-12)
        assert_allclose(found.inputs.probs, circuit.inputs.probs, rtol=1e-12)
        for region, one in circuit.inputs.distributions.items():
            assert_same_distribution(found.inputs[region], one)
