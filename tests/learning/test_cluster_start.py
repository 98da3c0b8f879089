"""Starts from the data: clusters of what rows show in the tree's neighbourhood."""

import numpy as np
import pytest
from helpers import random_tree, rows_of, same_bits, star

import skpc._learning.cluster_start as neighbourhoods
from skpc import SharpPCDensity
from skpc._circuit.circuit import random_circuit
from skpc._data.evidence import encode
from skpc._kernels.splits import split_rows
from skpc._learning.cluster_start import (
    _gather_neighbours,
    _numbers,
    _projections,
    _sampled,
    _share_out,
    clustered_circuit,
)
from skpc._learning.em import EStep
from skpc._learning.mstep import MStep
from skpc._threads import launch

INITS = "random", "cluster"

pytestmark = pytest.mark.usefixtures("one_thread")


def structured(seed, n_rows=600, n_columns=12, n_kinds=6):
    """A binary chain of columns driven by hidden kinds that rarely change along it."""
    rng = np.random.default_rng(seed)
    kinds = np.empty((n_rows, n_columns), int)
    kinds[:, 0] = rng.integers(n_kinds, size=n_rows)
    for j in range(1, n_columns):
        fresh = rng.integers(n_kinds, size=n_rows)
        kinds[:, j] = np.where(rng.random(n_rows) < 0.15, fresh, kinds[:, j - 1])
    probs = rng.choice([0.05, 0.95], (n_columns, n_kinds))
    return (rng.random(kinds.shape) < probs[np.arange(n_columns), kinds]).astype(float)


def model(**parameters):
    defaults = {"n_latents": 6, "init": "cluster", "max_iter": 1, "tol": 0.0, "random_state": 0}
    defaults["early_stopping"] = False
    return SharpPCDensity(**{**defaults, **parameters})


def start_of(
    X, categories, parents, n_latents=4, seed=0, weights=None, features=None, pseudocount=0.01
):
    features = [np.array([j]) for j in range(X.shape[1])] if features is None else features
    evidence = encode(X, features, categories)
    weights = np.ones(len(X)) if weights is None else weights
    rows = rows_of(evidence, weights, features, categories)
    return clustered_circuit(
        parents, rows, n_latents, np.random.RandomState(seed), pseudocount=pseudocount,
        shrinkage=1.0,
    )  # fmt: skip


def chain_start(X, n_latents=4, **options):
    n_columns = X.shape[1]
    parents = np.arange(-1, n_columns - 1)
    return start_of(X, [np.array([0.0, 1.0])] * n_columns, parents, n_latents, **options)


def mixed_table(seed, n_rows=300):
    rng = np.random.default_rng(seed)
    kind = rng.integers(3, size=n_rows)
    X = np.stack(
        [
            kind + rng.normal(size=n_rows) / 5,
            100 * kind - 50 * (kind == 2) + rng.normal(size=n_rows),
            (kind + (rng.random(n_rows) < 0.1)) % 3,
            rng.random(n_rows) < 0.1 + 0.4 * kind,
        ],
        axis=1,
    )
    X[rng.random(X.shape) < 0.15] = np.nan
    return X


MIXED_TYPES = ["gaussian", "gaussian", "categorical", "categorical"]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"structure": "star"},
        {"structure": "rat", "n_components": 2},
        {"n_components": 2},
        {"batch_size": 50},
    ],
)
def test_order_and_repetition_of_rows_do_not_matter(parameters):
    X = structured(0, n_rows=200)
    X[np.random.default_rng(1).random(X.shape) < 0.05] = np.nan
    weights = np.random.default_rng(2).integers(0, 4, len(X))
    order = np.random.default_rng(3).permutation(int(weights.sum()))
    weighted = model(**parameters).fit(X, sample_weight=weights)
    repeated = model(**parameters).fit(np.repeat(X, weights, axis=0)[order])
    assert same_bits(weighted.circuit_, repeated.circuit_)


def test_order_and_repetition_do_not_matter_when_rows_are_sampled(monkeypatch):
    monkeypatch.setattr(neighbourhoods, "_FEWEST_ROWS", 100)
    monkeypatch.setattr(neighbourhoods, "_ROWS_PER_STATE", 1)
    X = mixed_table(0)
    weights = np.random.default_rng(2).integers(0, 4, len(X))
    order = np.random.default_rng(3).permutation(int(weights.sum()))
    fits = [
        model(feature_types=MIXED_TYPES).fit(X, sample_weight=weights),
        model(feature_types=MIXED_TYPES).fit(np.repeat(X, weights, axis=0)[order]),
    ]
    assert same_bits(fits[0].circuit_, fits[1].circuit_)


def test_rows_are_sampled_by_their_weights():
    evidence = encode(np.arange(4.0)[:, None], [np.array([0])], [None])
    weights = np.array([6.0, 3.0, 1.0, 1e-9])
    rows = rows_of(evidence, weights)
    sampled = _sampled(rows, 3, np.random.RandomState(0))
    assert len(sampled) <= 3
    np.testing.assert_allclose(sampled.total_weight, 10.0)
    draws = np.zeros(4)
    for seed in range(400):
        sampled = _sampled(rows, 3, np.random.RandomState(seed))
        draws[sampled.evidence.column(0).astype(int)] += sampled.weights / 400
    np.testing.assert_allclose(draws, weights, atol=0.5)


def test_threads_do_not_matter():
    X = structured(0)
    one, two = (model(n_jobs=n).fit(X) for n in (1, 2))
    assert same_bits(one.circuit_, two.circuit_)


def test_seeds_differ_and_the_same_seed_does_not():
    X = structured(0)
    first, again, other = (chain_start(X, seed=seed) for seed in (0, 0, 1))
    assert same_bits(first, again)
    assert abs(first.sum_weights - other.sum_weights).max() > 0.05


@pytest.mark.parametrize("n_latents", [1, 3, 16])
def test_distributions_are_normalised_and_positive(n_latents):
    X = structured(1, n_rows=50)
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    circuit = chain_start(X, n_latents)
    circuit.check()
    assert (circuit.sum_weights[1:] > 1e-4 / n_latents).all()
    assert (circuit.inputs.probs > 1e-6).all()
    np.testing.assert_allclose(circuit.inputs.probs.reshape(12, 2, -1).sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("structure", ["chow-liu", "chain", "star"])
def test_five_iterations_do_more_than_from_random_parameters(seed, structure):
    X = structured(seed)
    scores = {
        init: model(init=init, structure=structure, max_iter=5, random_state=seed).fit(X).score(X)
        for init in INITS
    }
    assert scores["cluster"] > scores["random"] + 0.1


def test_states_are_told_of_by_neighbours():
    """Two columns without noise of one hidden kind: the edge's weights show it."""
    kind = np.random.default_rng(0).integers(2, size=400).astype(float)
    circuit = chain_start(np.stack([kind] * 4, axis=1), 2)
    assert (np.sort(circuit.sum_weights[1:], axis=-1)[..., 1] > 0.9).all()
    assert (abs(np.diff(circuit.inputs.probs.reshape(4, 2, 2), axis=1)) > 0.8).all()


@pytest.mark.parametrize(("n_rows", "n_added"), [(8, 3.0), (400, 20.0)])
def test_states_lean_on_all_rows_and_more_so_if_there_are_few(n_rows, n_added):
    """Zeros and ones are a state's each; beside its rows it has a tenth, at least three, of all."""
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], n_rows // 2, axis=0)
    circuit = chain_start(X, 2, pseudocount=0.0)
    own = (n_rows / 2 + n_added / 2) / (n_rows / 2 + n_added)
    expected = [1.0 - own, own]
    np.testing.assert_allclose(np.sort(circuit.inputs.probs[0]), expected, rtol=1e-12)
    np.testing.assert_allclose(np.sort(circuit.sum_weights[1, 0]), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_few_rows_are_not_overfitted_from_the_start(seed):
    """As many states as rows, and early stopping: no worse than independent columns."""
    X = structured(seed, n_rows=640, n_columns=40)
    few, test = X[:40], X[40:]
    means = (few.sum(axis=0) + 0.5) / (len(few) + 1)
    independent = (test * np.log(means) + (1 - test) * np.log(1 - means)).sum(axis=1).mean()
    assert SharpPCDensity(32, random_state=0).fit(few).score(test) > independent


def test_missing_and_unseen_values_tell_nothing():
    X = np.array([[0.0], [1.0], [np.nan], [7.0]])
    evidence = encode(X, [np.array([0])], [np.array([0.0, 1.0])])
    rows = rows_of(evidence)
    points = _projections(rows, 0, _numbers(rows)[0], np.random.RandomState(0))
    np.testing.assert_array_equal(points[:, 2:], 0.0)
    np.testing.assert_allclose(points[:, 0], -points[:, 1], rtol=1e-6)
    assert (points[:, 0] != 0).all()


def test_missing_numbers_sit_at_the_mean():
    X = np.array([[1.0, 5.0], [3.0, np.nan], [5.0, 5.0], [np.nan, np.nan]])
    evidence = encode(X, [np.array([0, 1])], [None])
    rows = rows_of(evidence)
    points = _projections(rows, 0, _numbers(rows)[0], np.random.RandomState(0))
    points = points[:, evidence.symbols[0]]
    np.testing.assert_array_equal(points[:, [1, 3]], 0.0)
    np.testing.assert_allclose(points[:, 0], -points[:, 2], rtol=1e-6)
    assert (points[:, 0] != 0).all()


def test_a_table_with_holes_is_learnt_from():
    X = structured(0)
    holes = np.where(np.random.default_rng(1).random(X.shape) < 0.3, np.nan, X)
    scores = {init: model(init=init, max_iter=5).fit(holes).score(X) for init in INITS}
    assert scores["cluster"] > scores["random"] + 0.1


def test_gaussians_are_those_of_the_clusters():
    """One region, and a cut between two groups of rows: nothing is left to learn."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-9, 1, 200), rng.normal(9, 2, 200), np.full(50, np.nan)])
    (gaussian,) = start_of(X[:, None], [None], np.array([-1]), 2).inputs
    order = np.argsort(gaussian.means[:, 0])
    np.testing.assert_allclose(gaussian.means[order, 0], [-9, 9], atol=0.3)
    np.testing.assert_allclose(gaussian.covariances[order, 0, 0], [1, 4], rtol=0.3)


@pytest.mark.parametrize("groups", [None, [[0, 1]]])
def test_continuous_columns(groups):
    """What five iterations reach from six clusters beats three states whatever their start."""
    X = mixed_table(0)
    parameters = {"feature_types": MIXED_TYPES, "feature_groups": groups, "max_iter": 5}
    started = [model(random_state=seed, **parameters).fit(X).score(X) for seed in range(4)]
    one = model(n_latents=1, **parameters).fit(X).score(X)
    assert min(started) > one + 1.5


def test_units_of_continuous_columns_do_not_matter():
    X = mixed_table(0)
    one = model(feature_types=MIXED_TYPES).fit(X)
    other = model(feature_types=MIXED_TYPES).fit(X * [1e-6, 1e6, 1.0, 1.0] + [0.0, 1e8, 0.0, 0.0])
    np.testing.assert_allclose(one.circuit_.sum_weights, other.circuit_.sum_weights, rtol=1e-3)


def test_more_states_than_patterns_share_them_and_differ():
    X = np.array([[0, 0, 0], [1, 1, 1]] * 10, float)
    circuit = chain_start(X, 7)
    circuit.check()
    assert len(np.unique(circuit.sum_weights[1], axis=0)) == 7
    assert len(np.unique(circuit.inputs.probs[0])) == 7
    fitted = model(n_latents=7, max_iter=30, mu=0.0, pseudocount=1e-5).fit(X)
    np.testing.assert_allclose(fitted.score(X), np.log(0.5), atol=0.05)


def test_groups_are_shared_out_by_mass():
    assert _share_out(np.array([3.0, 1.0])) is None
    np.testing.assert_array_equal(_share_out(np.array([6.0, 2.0, 0, 0, 0])), [0, 1, 0, 0, 0])


def test_constant_columns_and_single_rows():
    for X in (np.zeros((5, 3)), np.array([[0.0, 1.0, 1.0]])):
        assert np.isfinite(model(structure="chain").fit(X).score(X))


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_are_damped_by_distance(seed):
    rng = np.random.default_rng(seed)
    n_regions = 9
    parents = star(n_regions, 3) if seed == 0 else random_tree(rng, n_regions)
    damping = np.zeros((n_regions, n_regions))
    child = np.flatnonzero(parents >= 0)
    degrees = np.bincount(np.concatenate([child, parents[child]]))
    for c in child:
        factor = neighbourhoods._DAMPING
        factor /= max(1.0, np.sqrt(degrees[c] * degrees[parents[c]]) / 2)
        damping[c, parents[c]] = damping[parents[c], c] = factor
    # The product along the only path, by extending paths away from each region.
    expected = np.eye(n_regions)
    for r in range(n_regions):
        front, seen = [r], {r}
        while front:
            v = front.pop()
            for u in np.flatnonzero(damping[v]):
                if u not in seen:
                    expected[r, u] = expected[r, v] * damping[v, u]
                    seen.add(u)
                    front.append(u)
    points = np.eye(n_regions, dtype=np.float32)[:, None, :].copy()
    _gather_neighbours(points, parents)
    np.testing.assert_allclose(points[:, 0], expected, rtol=1e-5, atol=1e-7)


def split(points, weights, n_groups):
    points = np.asarray(points, np.float32)[None]
    groups = np.zeros((1, points.shape[2]), np.int64)
    masses = np.zeros((1, n_groups))
    launch(split_rows, 1, points, np.asarray(weights, float), groups, masses)
    return groups[0], masses[0]


def test_the_heaviest_group_is_cut_at_its_mean():
    groups, masses = split([[0, 1, 2, 9], [0, 0, 5, 5]], [1, 1, 1, 1], 3)
    # The mean is 3; then 2/3 along the second axis, where rows 0 and 1 are equal.
    np.testing.assert_array_equal(groups, [0, 0, 2, 1])
    np.testing.assert_array_equal(masses, [2, 1, 1])


def test_an_axis_without_spread_is_passed_over():
    groups, _ = split([[4, 4, 4], [1, 2, 1]], [1, 1, 1], 2)
    np.testing.assert_array_equal(groups, [0, 1, 0])


@pytest.mark.parametrize("seed", range(5))
def test_masses_are_those_of_the_groups(seed):
    rng = np.random.default_rng(seed)
    weights = rng.exponential(size=80)
    points = rng.integers(0, 3, (2, 80))
    groups, masses = split(points, weights, 20)
    np.testing.assert_allclose(masses, np.bincount(groups, weights, 20), rtol=1e-12)
    assert np.count_nonzero(masses) == len(np.unique(points, axis=1).T)  # nothing else to cut
    for group in range(9):
        assert len(np.unique(points[:, groups == group], axis=1).T) == 1


def test_regions_that_observe_nothing_have_states_too():
    """A root over two pairs of equal columns: it must know of both pairs."""
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=300).astype(float)
    X = np.stack([kind, kind, kind, kind], axis=1)
    parents = np.array([4, 4, 5, 5, 6, 6, -1])
    features = [*(np.array([j]) for j in range(4)), *([np.empty(0, np.int64)] * 3)]
    categories = [*([np.array([0.0, 1.0])] * 4), *([np.empty(0)] * 3)]
    circuit = start_of(X, categories, parents, 2, features=features)
    below = np.sort(circuit.sum_weights[:6], axis=-1)
    assert (below[..., 1] > 0.9).all()


def test_log_likelihood_of_the_start_itself():
    """Before any update it is far better than random parameters, which know nothing."""
    X = structured(0)
    circuit = chain_start(X, 6)
    evidence = encode(X, circuit.features, [np.array([0.0, 1.0])] * 12)
    rows = rows_of(evidence, None, circuit.features, [np.array([0.0, 1.0])] * 12)
    other = random_circuit(circuit.parents, rows, 6, np.random.RandomState(0))
    e_step = EStep(circuit, evidence, np.ones(len(X)))
    scores = [e_step(c).log_likelihood / len(X) for c in (circuit, other)]
    assert scores[0] > scores[1] + 1.0
    later = MStep()(circuit, e_step(circuit))
    assert e_step(later).log_likelihood / len(X) > scores[0]
