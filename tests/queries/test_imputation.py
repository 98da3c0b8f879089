"""Rows completed given what they show, against sums over all joint latent states."""

import numpy as np
import oracle
import pytest
from helpers import (
    as_mixed_model,
    as_model,
    chain,
    mixed_circuit,
    mixed_rows,
    mixture_case,
    random_tree,
    small_case,
    star,
)
from scipy.stats import chisquare, norm

from skpc._circuit.circuit import mixture
from skpc._kernels.normal_medians import TASK_ROWS, medians
from skpc._queries.imputation import complete
from skpc._threads import launch

pytestmark = pytest.mark.usefixtures("one_thread")
RTOL = 1e-10


def fill(circuit, X, strategy, seed=0, **options):
    return complete(circuit, X, strategy, np.random.RandomState(seed), **options)


def mixed_case(seed, n_latents=2):
    """Categories, numbers, groups of two or three, and regions that observe nothing."""
    rng = np.random.default_rng(seed)
    n_regions = int(rng.integers(2, 6))
    kinds = rng.choice([-3, -2, -1, 0, 2, 3], n_regions)
    kinds[rng.integers(n_regions)] = -2
    circuit = mixed_circuit(rng, random_tree(rng, n_regions), kinds, n_latents)
    X = mixed_rows(rng, circuit, 25, missing=0.4)
    X[3:6] = X[:3]
    X[10] = np.nan
    return circuit, X


def mixed_mixture(seed):
    """Two trees of different regions over the same columns: two numbers and two categories."""
    rng = np.random.default_rng(seed)
    trees = []
    for parents, kinds, features in (
        (chain(3), [-2, 2, 3], [[0, 1], [2], [3]]),
        (star(4), [-1, -1, 2, 3], [[1], [0], [2], [3]]),
    ):
        tree = mixed_circuit(rng, parents, kinds, 2)
        features = tuple(np.array(columns) for columns in features)
        inputs = tree.inputs
        inputs = type(inputs)(
            features, inputs.categories, inputs.probs, inputs.unseen, inputs.distributions
        )
        trees.append(type(tree)(parents, features, tree.root_weights, tree.sum_weights, inputs))
    shares = rng.dirichlet(np.ones(2))
    X = mixed_rows(rng, trees[0], 20, missing=0.4)
    return mixture(trees, shares), trees, shares, X


# --- what enumeration says ---------------------------------------------------------------


def joint_of_states(model, x):
    """Probability of what is observed, and of every joint latent state (K^R,)."""
    return oracle.input_factors(model, x).prod(axis=0) * oracle.weight_factors(model).prod(axis=0)


def expected_cells(models, shares, x):
    """Of each missing column: the mean if it is continuous, the masses of its categories else.

    Averaged over trees in proportion to their share times their likelihood.
    """
    found = {}
    joints = [
        share * joint_of_states(model, x) for model, share in zip(models, shares, strict=True)
    ]
    total = sum(joint.sum() for joint in joints)
    for model, joint in zip(models, joints, strict=True):
        for r, columns in enumerate(model.features):
            posterior = np.bincount(model.states[:, r], joint / total, model.n_latents)
            for position, column in enumerate(columns):
                if not np.isnan(x[column]):
                    continue
                if r in getattr(model, "gaussians", {}):
                    means = [
                        normal_given(m, c, x[columns])[0][position]
                        for m, c in zip(*model.gaussians[r], strict=True)
                    ]
                    part = posterior @ means
                else:
                    part = model.tables[r][:-2] @ posterior
                found[column] = found.get(column, 0.0) + part
    return found


def normal_given(mean, covariance, x):
    """Mean (m,) and covariance (m, m) of a normal vector given its observed entries."""
    hidden = np.isnan(x)
    within, precision = np.zeros_like(covariance), np.linalg.inv(covariance)
    within[np.ix_(hidden, hidden)] = np.linalg.inv(precision[np.ix_(hidden, hidden)])
    deviation = np.where(hidden, 0.0, x - mean)
    return np.where(hidden, mean - within @ precision @ deviation, x), within


def check_mean_mode(models, shares, X, filled):
    for x, y in zip(X, filled, strict=True):
        assert np.array_equal(x[~np.isnan(x)], y[~np.isnan(x)])
        for column, expected in expected_cells(models, shares, x).items():
            if np.ndim(expected) == 0:
                assert y[column] == pytest.approx(expected, rel=1e-8, abs=1e-10)
            else:
                (categories,) = {
                    tuple(c)
                    for f, c in zip(models[0].features, models[0].categories, strict=True)
                    if column in f
                }
                assert y[column] in categories
                chosen = expected[categories.index(y[column])]
                assert chosen >= expected.max() * (1 - 1e-12)


# --- means and modes ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_modes_of_categories(seed):
    circuit, X, _ = small_case(seed)
    X[11, 0] = 999.0  # a category never seen
    check_mean_mode([as_model(circuit)], [1.0], X, fill(circuit, X, "mean_mode"))


@pytest.mark.parametrize("seed", range(12))
def test_means_of_numbers_and_modes_of_categories(seed):
    circuit, X = mixed_case(seed)
    check_mean_mode([as_mixed_model(circuit)], [1.0], X, fill(circuit, X, "mean_mode"))


@pytest.mark.parametrize("seed", range(4))
def test_several_trees_are_averaged(seed):
    circuit, trees, shares, X, _ = mixture_case(seed)
    models = [as_model(tree) for tree in trees]
    check_mean_mode(models, shares, X, fill(circuit, X, "mean_mode"))
    circuit, trees, shares, X = mixed_mixture(seed)
    models = [as_mixed_model(tree) for tree in trees]
    check_mean_mode(models, shares, X, fill(circuit, X, "mean_mode"))


def mixtures_of_normals(models, shares, x):
    """Of each missing number what all joint latent states make of it: shares, means, deviations."""
    found = {}
    joints = [
        share * joint_of_states(model, x) for model, share in zip(models, shares, strict=True)
    ]
    for model, joint in zip(models, joints, strict=True):
        for r in model.gaussians:
            columns = model.features[r]
            for position, column in enumerate(columns):
                if not np.isnan(x[column]):
                    continue
                for state, weight in zip(model.states[:, r], joint, strict=True):
                    mean, within = normal_given(*(p[state] for p in model.gaussians[r]), x[columns])
                    own = weight, mean[position], np.sqrt(within[position, position])
                    found.setdefault(column, []).append(own)
    return {column: np.array(parts).T for column, parts in found.items()}


def check_median_mode(circuit, models, shares, X):
    filled, means = fill(circuit, X, "median_mode"), fill(circuit, X, "mean_mode")
    n_medians = 0
    for x, y, of_means in zip(X, filled, means, strict=True):
        expected = mixtures_of_normals(models, shares, x)
        for column, (weights, centres, deviations) in expected.items():
            below = weights @ norm.cdf(y[column], centres, deviations) / weights.sum()
            assert below == pytest.approx(0.5, abs=1e-9)
            n_medians += 1
        others = [column for column in range(len(x)) if column not in expected]
        assert np.array_equal(y[others], of_means[others])
    assert n_medians > 0
    return np.abs(filled - means).max()


def test_medians_of_numbers():
    differences = []
    for seed in range(12):
        circuit, X = mixed_case(seed)
        differences.append(check_median_mode(circuit, [as_mixed_model(circuit)], [1.0], X))
    assert max(differences) > 0.1


@pytest.mark.parametrize("seed", range(4))
def test_medians_of_numbers_of_several_trees(seed):
    circuit, trees, shares, X = mixed_mixture(seed)
    check_median_mode(circuit, [as_mixed_model(tree) for tree in trees], shares, X)


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1.0, 1e3, 1e9])
@pytest.mark.parametrize("centre", [0.0, -1e6])
def test_medians_of_mixtures_far_apart_and_close_together(spread, centre):
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(6, 0.3), 300)
    shares[:3] = np.eye(6)[:3]
    shares[3:100] *= 1e-200  # which need not sum to one
    means = centre + spread * rng.normal(size=(300, 6))
    deviations = rng.lognormal(sigma=2.0, size=(300, 6))
    found = np.empty(300)
    launch(medians, -(-300 // TASK_ROWS), shares, means, deviations, found)
    total = shares.sum(axis=1)
    for side in (-1.0, 1.0):
        at = found + side * 1e-9 * max(spread, abs(centre), 1.0)
        over = (shares * norm.sf(-side * at[:, None], -side * means, deviations)).sum(
            axis=1
        ) / total
        assert (over > 0.5 - 1e-12).all()
    alike = np.empty(300)
    launch(medians, -(-300 // TASK_ROWS), shares, means[:1], deviations[:1], alike)
    assert alike[0] == found[0]
    repeated = np.repeat(means[:1], 300, axis=0), np.repeat(deviations[:1], 300, axis=0)
    launch(medians, -(-300 // TASK_ROWS), shares, *repeated, found)
    assert np.array_equal(alike, found)


def test_a_tree_that_explains_nothing_does_not_matter():
    """A far value leaves one tree a likelihood that underflows beside the other's."""
    circuit, trees, _, _ = mixed_mixture(0)
    X = np.array([[400.0, np.nan, np.nan, 1.0]])
    models = [as_mixed_model(tree) for tree in trees]
    logs = [oracle.log_messages(model, X)[2][0] for model in models]
    assert abs(logs[0] - logs[1]) > 1000
    winner = int(np.argmax(logs))
    alone = fill(trees[winner], X, "mean_mode")
    np.testing.assert_allclose(fill(circuit, X, "mean_mode"), alone, rtol=1e-12)


# --- draws -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_frequencies_of_drawn_categories(seed):
    circuit, X, _ = small_case(seed)
    model = as_model(circuit)
    i = int(np.argmax(np.isnan(X).sum(axis=1) * (np.arange(25) != 10)))
    rows = oracle.completions(model, X[i])
    weights = np.exp(oracle.log_likelihood(model, rows))
    expected = 20_000 * weights / weights.sum()
    drawn = fill(circuit, np.tile(X[i], (20_000, 1)), "sample", seed=seed)
    observed = np.array([(row == drawn).all(axis=1).sum() for row in rows])
    assert observed.sum() == 20_000
    rare = expected < 5
    if rare.any():
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    if len(observed) > 1:
        # The seeds are fixed; a wrong probability of 1 % would end below 1e-6.
        assert chisquare(observed, expected).pvalue > 1e-3


def joint_moments(models, shares, x):
    """Mean and covariance of all cells given the observed ones, categories as their numbers."""
    mean, second, total = 0.0, 0.0, 0.0
    for model, share in zip(models, shares, strict=True):
        for state, weight in zip(model.states, share * joint_of_states(model, x), strict=True):
            m, C = np.where(np.isnan(x), 0.0, x), np.zeros((len(x), len(x)))
            for r, columns in enumerate(model.features):
                k = state[r]
                if r in model.gaussians:
                    means, covariances = model.gaussians[r]
                    m[columns], C[np.ix_(columns, columns)] = normal_given(
                        means[k], covariances[k], x[columns]
                    )
                elif len(columns) and np.isnan(x[columns[0]]):
                    values, mass = model.categories[r], model.tables[r][:-2, k]
                    m[columns[0]] = values @ mass
                    C[columns[0], columns[0]] = values**2 @ mass - (values @ mass) ** 2
            mean, total = mean + weight * m, total + weight
            second = second + weight * (C + np.outer(m, m))
    mean = mean / total
    return mean, second / total - np.outer(mean, mean)


def check_draws(models, shares, circuit, x, seed, n=40_000):
    mean, covariance = joint_moments(models, shares, x)
    drawn = fill(circuit, np.tile(x, (n, 1)), "sample", seed=seed)
    assert np.array_equal(drawn[:, ~np.isnan(x)], np.tile(x[~np.isnan(x)], (n, 1)))
    hidden = np.flatnonzero(np.isnan(x))
    covariance = covariance[np.ix_(hidden, hidden)]
    deviations = (drawn - mean)[:, hidden]
    errors = np.sqrt(np.diag(covariance) / n)
    assert (np.abs(deviations.mean(axis=0)) <= 4.5 * errors + 1e-12).all()
    products = deviations[:, :, None] * deviations[:, None, :]
    error = products.std(axis=0) / np.sqrt(n)
    assert (np.abs(products.mean(axis=0) - covariance) <= 4.5 * error + 1e-9).all()
    return covariance


@pytest.mark.parametrize("seed", range(6))
def test_moments_of_drawn_numbers_and_categories(seed):
    circuit, X = mixed_case(seed)
    i = int(np.argmax(np.isnan(X).sum(axis=1) * (np.arange(25) != 10)))
    check_draws([as_mixed_model(circuit)], [1.0], circuit, X[i], seed)


@pytest.mark.parametrize("seed", range(3))
def test_draws_from_several_trees(seed):
    circuit, trees, shares, _ = mixed_mixture(seed)
    models = [as_mixed_model(tree) for tree in trees]
    x = np.array([np.nan, 0.3, np.nan, 1.0])
    covariance = check_draws(models, shares, circuit, x, seed)
    assert abs(covariance[0, 1]) > 1e-3  # cells of a row are drawn together


def test_the_seed_decides_and_blocks_do_not():
    circuit, X = mixed_case(1)
    once = fill(circuit, X, "sample", seed=3)
    assert np.array_equal(fill(circuit, X, "sample", seed=3), once)
    assert not np.array_equal(fill(circuit, X, "sample", seed=4), once)
    np.testing.assert_allclose(fill(circuit, X, "sample", seed=3, max_bytes=1), once, rtol=1e-12)


# --- the most probable completion --------------------------------------------------------


def best_joint(models, shares, x):
    """Largest log probability of observed cells, missing cells and latent states together.

    By trying all joint states, all categories, and each normal at its peak.
    """
    best, row = -np.inf, None
    for model, share in zip(models, shares, strict=True):
        log_weights = np.log(oracle.weight_factors(model)).sum(axis=0) + np.log(share)
        for state, log_weight in zip(model.states, log_weights, strict=True):
            completed = x.copy()
            for r, columns in enumerate(model.features):
                if r in getattr(model, "gaussians", {}):
                    means, covariances = model.gaussians[r]
                    completed[columns] = normal_given(
                        means[state[r]], covariances[state[r]], x[columns]
                    )[0]
                elif len(columns) and np.isnan(x[columns[0]]):
                    table = model.tables[r][:-2, state[r]]
                    completed[columns[0]] = model.categories[r][np.argmax(table)]
            value = log_weight + sum(
                model.log_factor(r, completed)[state[r]] for r in range(model.n_regions)
            )
            if value > best:
                best, row = value, completed
    return best, row


@pytest.mark.parametrize("seed", range(6))
def test_most_probable_completion(seed):
    circuit, X = mixed_case(seed)
    filled = fill(circuit, X, "max_product")
    model = as_mixed_model(circuit)
    for x, y in zip(X, filled, strict=True):
        np.testing.assert_allclose(y, best_joint([model], [1.0], x)[1], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_most_probable_completion_of_categories_and_of_several_trees(seed):
    circuit, trees, shares, X, _ = mixture_case(seed, n_latents=2)
    models = [as_model(tree) for tree in trees]
    filled = fill(circuit, X, "max_product")
    for x, y in zip(X, filled, strict=True):
        assert np.array_equal(y, best_joint(models, shares, x)[1])
    circuit, trees, shares, X = mixed_mixture(seed)
    models = [as_mixed_model(tree) for tree in trees]
    for x, y in zip(X, fill(circuit, X, "max_product"), strict=True):
        np.testing.assert_allclose(y, best_joint(models, shares, x)[1], rtol=1e-9, atol=1e-10)


def test_strategies_differ():
    """Of a joint mode, single modes and means none is another."""
    differ = np.zeros(2, bool)
    for seed in range(8):
        circuit, X, _ = small_case(seed)
        modes, joint = fill(circuit, X, "mean_mode"), fill(circuit, X, "max_product")
        differ |= (
            not np.array_equal(modes, joint),
            not np.array_equal(modes, fill(circuit, X, "sample")),
        )
    assert differ.all()


# --- all strategies ----------------------------------------------------------------------

STRATEGIES = ("median_mode", "mean_mode", "sample", "max_product")
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


@each_strategy
def test_blocks_do_not_matter(strategy):
    circuit, X = mixed_case(2)
    whole = fill(circuit, X, strategy)
    for max_bytes in 1, 5_000:
        parts = fill(circuit, X, strategy, max_bytes=max_bytes)
        np.testing.assert_allclose(parts, whole, rtol=1e-12)


@each_strategy
def test_complete_rows_stay_and_the_table_is_left_alone(strategy):
    circuit, X = mixed_case(0)
    before = X.copy()
    filled = fill(circuit, X, strategy)
    assert np.array_equal(X, before, equal_nan=True)
    assert np.array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    assert not np.isnan(filled).any()
    assert np.array_equal(fill(circuit, filled, strategy), filled)


@each_strategy
def test_a_table_without_rows_with_holes(strategy):
    circuit, X = mixed_case(0)
    assert fill(circuit, X[:0], strategy).shape == (0, X.shape[1])
