"""Fits of every structure: one representation serves all, and all promises hold for each."""

import pickle
from itertools import product

import numpy as np
import pytest
from helpers import no_shrinkage, same_bits
from scipy.sparse import csr_array
from sklearn.model_selection import GridSearchCV

from skpc import SharpPCDensity
from skpc._circuit.circuit import mixture

pytestmark = pytest.mark.usefixtures("one_thread")

STRUCTURES = {
    "chow-liu": {},
    "chain": {"structure": "chain"},
    "star": {"structure": "star"},
    "rat": {"structure": "rat", "n_components": 3},
    "components": {"n_components": 2},
    "parents": {"structure": [1, -1, 1, 2, 2]},
}
each_structure = pytest.mark.parametrize("parameters", STRUCTURES.values(), ids=STRUCTURES.keys())
several_trees = pytest.mark.parametrize(
    "parameters", [STRUCTURES["rat"], STRUCTURES["components"]], ids=["rat", "components"]
)


def model(**parameters):
    return SharpPCDensity(**{"n_latents": 3, "max_iter": 12, "random_state": 0, **parameters})


def rows(n_rows=80, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    latent = rng.integers(0, 3, n_rows)
    X = (rng.random((n_rows, 5)) < 0.15 + 0.35 * latent[:, None]).astype(float)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def mixed_rows(n_rows=80, seed=0):
    """Binary, a pair of correlated numbers, a third number, three categories."""
    rng = np.random.default_rng(seed)
    X = rows(n_rows, seed, missing=0.0)
    X[:, 1] = rng.normal(size=n_rows) + X[:, 0]
    X[:, 2] = X[:, 1] + 0.1 * rng.normal(size=n_rows)
    X[:, 3] = rng.normal(size=n_rows) - 2 * X[:, 0]
    X[:, 4] += rng.integers(0, 2, n_rows)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X


@each_structure
def test_all_worlds_sum_to_one_and_nan_is_summed_out(parameters):
    fitted = model(**parameters).fit(rows())
    worlds = np.array(list(product([0.0, 1.0], repeat=5)))
    masses = np.exp(fitted.score_samples(worlds))
    assert masses.sum() == pytest.approx(1.0, rel=1e-12)
    for hidden in ([0], [1, 3], [0, 2, 4]):
        seen = np.setdiff1d(np.arange(5), hidden)
        asked = worlds[5].copy()
        asked[hidden] = np.nan
        expected = masses[(worlds[:, seen] == worlds[5][seen]).all(axis=1)].sum()
        actual = np.exp(fitted.score_samples(asked[None]))[0]
        assert actual == pytest.approx(expected, rel=1e-12)


@each_structure
@pytest.mark.parametrize("data", [rows, mixed_rows])
def test_plain_em_never_falls(parameters, data, monkeypatch):
    no_shrinkage(monkeypatch)
    X = data()
    fitted = model(
        **parameters,
        mu=0.0,
        pseudocount=0.0,
        max_iter=40,
        tol=0.0,
        init="random",
        early_stopping=False,
    ).fit(X)
    assert np.diff(fitted.log_likelihoods_).min() > -1e-9
    assert fitted.score(X) > fitted.log_likelihoods_[0] + 0.1
    fitted.circuit_.check()


@each_structure
def test_rows_may_come_in_any_order_and_repeated(parameters):
    X = np.concatenate([rows(60), mixed_rows(20).round()])
    rng = np.random.default_rng(1)
    weights = rng.integers(1, 4, len(X))
    whole = model(**parameters).fit(X, sample_weight=weights)
    again = model(**parameters).fit(rng.permutation(np.repeat(X, weights, axis=0)))
    assert same_bits(again.circuit_, whole.circuit_)


@each_structure
def test_rows_of_mixed_types(parameters):
    X = mixed_rows()
    fitted = model(**parameters).fit(X)
    assert fitted.feature_types_ == ["categorical", *3 * ["numeric"], "categorical"]
    drawn = fitted.sample(4000, random_state=0)
    assert fitted.score(X) > fitted.score(np.nanmean(X, axis=0) + np.zeros_like(X) + 3)
    spread = np.nanstd(X, axis=0)
    np.testing.assert_allclose(drawn.mean(axis=0), np.nanmean(X, axis=0), atol=0.25 * spread.max())
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 2.0, len(X))
    order = rng.permutation(len(X))
    first = model(**parameters).fit(X, sample_weight=weights)
    again = model(**parameters).fit(X[order], sample_weight=weights[order])
    assert same_bits(again.circuit_, first.circuit_)


@each_structure
def test_sparse_rows(parameters):
    X = np.nan_to_num(rows())
    X[:, 1] -= 1.0  # its zeros are not its first category
    dense = model(**parameters).fit(X)
    sparse = model(**parameters).fit(csr_array(X))
    assert same_bits(sparse.circuit_, dense.circuit_)
    assert np.array_equal(sparse.score_samples(csr_array(X)), dense.score_samples(X))


def test_sparse_rows_with_groups():
    X = np.nan_to_num(mixed_rows())
    parameters = {**STRUCTURES["rat"], "feature_types": ["auto", *3 * ["numeric"], "auto"]}
    dense = model(**parameters).fit(X)
    sparse = model(**parameters).fit(csr_array(X))
    assert [1, 2] in [columns.tolist() for columns in dense.circuit_.features]
    assert same_bits(sparse.circuit_, dense.circuit_)
    assert np.array_equal(sparse.score_samples(csr_array(X)), dense.score_samples(X))


@each_structure
def test_pickled_models_answer_the_same(parameters):
    X = rows()
    fitted = model(**parameters).fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.score_samples(X), fitted.score_samples(X))
    assert np.array_equal(again.fit(X).score_samples(X), fitted.score_samples(X))


def test_grid_search_over_components():
    search = GridSearchCV(model(), {"n_components": [1, 2, 3]}, cv=3).fit(rows())
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert len(set(scores)) == 3


def test_grid_search_over_structures():
    grid = [
        {"structure": ["chow-liu", [1, -1, 1, 2, 2]]},
        {"structure": ["rat"], "n_components": [2, 4]},
    ]
    search = GridSearchCV(model(), grid, cv=3).fit(rows())
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert len(set(scores)) == 4


def test_the_fitted_structure_is_the_one_asked_for():
    X = rows()
    assert model(structure=[1, -1, 1, 2, 2]).fit(X).circuit_.parents.tolist() == [1, -1, 1, 2, 2]
    rat = model(structure="rat", n_components=4).fit(X).circuit_
    assert len(rat.roots) == 4
    assert rat.root_weights.shape == (12,)
    assert rat.n_regions == 4 * 9


def test_n_parameters_of_random_trees():
    fitted = model(structure="rat", n_components=4).fit(rows())
    # The root's 4 x 3 weights; in each tree 8 edges of 3 x 2; 5 columns of 3 states.
    assert fitted.n_parameters == 4 * 3 - 1 + 4 * (8 * 6 + 5 * 3)


def two_kinds(n_rows=1500, seed=0):
    """Columns are equal in pairs: neighbours in one half of the rows, others in the other."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 2, (2, n_rows, 3))
    X = np.zeros((n_rows, 10))
    X[:, :6] = np.repeat(pairs[0], 2, axis=1)
    X[n_rows // 2 :, :6] = np.concatenate([pairs[1], pairs[1]], axis=1)[n_rows // 2 :]
    X[n_rows // 2 :, 6:] = 1.0  # which half
    return np.where(rng.random(X.shape) < 0.05, 1 - X, X)


def test_each_component_has_the_tree_of_its_cluster():
    X = two_kinds()
    mixed = model(n_components=2, max_iter=60).fit(X)
    circuit = mixed.circuit_
    assert circuit.root_weights.reshape(2, 3).sum(axis=1) == pytest.approx(0.5, abs=0.05)
    edges = [set(), set()]
    for region, parent in enumerate(circuit.parents):
        if parent >= 0:
            ends = circuit.features[region][0], circuit.features[parent][0]
            edges[region >= 10].add(frozenset(map(int, ends)))
    neighbours = {frozenset([0, 1]), frozenset([2, 3]), frozenset([4, 5])}
    others = {frozenset([0, 3]), frozenset([1, 4]), frozenset([2, 5])}
    found = sorted([neighbours <= tree, others <= tree] for tree in edges)
    assert found == [[False, True], [True, False]]
    assert mixed.score(two_kinds(seed=1)) > model(max_iter=60).fit(X).score(X) + 0.3


def test_components_start_from_their_clusters():
    X = two_kinds()
    first = model(n_components=2, max_iter=1).fit(X).log_likelihoods_[0]
    single = model(max_iter=11, tol=0.0, early_stopping=False).fit(X).log_likelihoods_[10]
    assert first > single


def test_components_start_with_the_shares_of_their_clusters(monkeypatch):
    X = two_kinds()[500:]  # 250 rows of one kind, 750 of the other
    starts = []

    def spy(*args):
        starts.append(mixture(*args))
        return starts[-1]

    monkeypatch.setattr("skpc._learning.initialisation.mixture", spy)
    model(n_components=2, n_init=2, mu=0.01, max_iter=1).fit(X)
    assert len(starts) == 2
    for start in starts:
        shares = start.root_weights.reshape(2, 3).sum(axis=1)
        assert sorted(shares) == pytest.approx([0.25, 0.75], abs=0.02)
    assert not same_bits(*starts)


def test_a_cluster_without_rows_is_no_problem(monkeypatch):
    def empty(rows, *args, **kwargs):
        return np.stack([np.ones(len(rows)), np.zeros(len(rows))])

    monkeypatch.setattr("skpc._learning.initialisation.soft_clusters", empty)
    fitted = model(n_components=2).fit(mixed_rows())
    assert np.isfinite(fitted.score(mixed_rows()))
    fitted.circuit_.check()


def test_n_parameters_of_components():
    fitted = model(n_components=2).fit(rows())
    assert fitted.n_parameters == 2 * 3 - 1 + 2 * (4 * 6 + 5 * 3)
    assert len(fitted.circuit_.roots) == 2


def test_more_components_than_rows():
    X = rows(2, missing=0.0)
    fitted = model(n_components=5).fit(X)
    assert np.isfinite(fitted.score(X))
    fitted.circuit_.check()


@pytest.mark.filterwarnings("ignore:sample_weight sums to")
@each_structure
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_any_scale_of_weights(parameters, scale):
    X = mixed_rows()
    fitted = model(**parameters, pseudocount=0.0, mu=0.0).fit(X, sample_weight=np.full(80, scale))
    assert np.isfinite(fitted.score(X))
    fitted.circuit_.check()


@several_trees
def test_threads_do_not_change_bits(parameters):
    X = mixed_rows(300)
    first, again = (model(**parameters, n_jobs=n).fit(X).circuit_ for n in (1, 2))
    assert same_bits(first, again)


@several_trees
def test_warm_start_keeps_the_trees(parameters):
    X = rows()
    whole = model(**parameters, max_iter=10, tol=0.0, early_stopping=False).fit(X)
    parts = model(**parameters, max_iter=6, tol=0.0, warm_start=True).fit(X)
    parts.set_params(max_iter=4).fit(X)
    assert same_bits(parts.circuit_, whole.circuit_)


def test_random_trees_depend_on_the_random_state():
    first, again, other = (
        model(structure="rat", random_state=seed, max_iter=1).fit(rows()).circuit_.features
        for seed in (0, 0, 1)
    )
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"structure": "tree"}, r"'structure' parameter.*'chow-liu'.*Got 'tree'"),
        ({"structure": None}, r"'structure' parameter.*Got None"),
        ({"structure": [-1, 0]}, r"structure.*5 columns.*got 2 entries"),
        ({"structure": [-1, 2, 1, 0, 0]}, r"structure has a cycle"),
        ({"n_components": 0}, r"'n_components' parameter.*Got 0"),
        ({"n_components": "many"}, r"'n_components' parameter.*Got 'many'"),
        (
            {"n_components": 2, "structure": "star"},
            r"n_components=2 needs .*'chow-liu' or 'rat'.*structure='star'. Set n_components=1.$",
        ),
        (
            {"n_components": 3, "structure": [1, -1, 1, 2, 2]},
            r"n_components=3 needs structure='chow-liu'.*got structure=\[1, -1, 1, 2, 2\]",
        ),
    ],
)
def test_what_is_wrong_with_the_structure(parameters, message):
    with pytest.raises(ValueError, match=message):
        model(**parameters).fit(rows())


@pytest.mark.parametrize(
    ("structure", "n_trees"), [("rat", 10), ("chow-liu", 1), ("star", 1), ([1, -1, 1, 2, 2], 1)]
)
def test_the_number_of_trees_follows_the_structure(structure, n_trees):
    assert len(model(structure=structure).fit(rows()).circuit_.roots) == n_trees


def test_given_parents_and_groups_exclude_each_other():
    with pytest.raises(ValueError, match=r"feature_groups=\[\[1, 2\]\].*Set feature_groups=None"):
        model(structure=[1, -1, 1, 2, 2], feature_groups=[[1, 2]]).fit(mixed_rows())
    fitted = model(structure=[1, -1, 1, 2, 2]).fit(mixed_rows())
    assert [columns.tolist() for columns in fitted.circuit_.features] == [[j] for j in range(5)]


def test_parents_may_be_an_array():
    X = mixed_rows()
    parents = [-1, *range(X.shape[1] - 1)]
    found = [model(structure=kind(parents)).fit(X).score_samples(X) for kind in (list, np.array)]
    assert np.array_equal(*found)
