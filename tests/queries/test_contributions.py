"""Contributions of columns and posteriors of latent states, against answers one by one."""

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
    random_circuit,
    random_rows,
    random_tree,
    small_case,
    star,
)
from scipy.special import logsumexp

from skpc._circuit.inputs.inputs import Inputs
from skpc._passes.likelihood import log_likelihood
from skpc._passes.messages import Messages
from skpc._queries.contributions import contributions
from skpc._queries.posteriors import posteriors
from skpc._threads import use_threads

pytestmark = pytest.mark.usefixtures("one_thread")


def one_by_one(score, X):
    """log p(x without a column) - log p(x) of each column."""
    out = np.zeros(X.shape)
    whole = score(X)
    for j in range(X.shape[1]):
        rest = X.copy()
        rest[:, j] = np.nan
        out[:, j] = score(rest) - whole
    return out


def with_unseen(rng, X):
    X = X.copy()
    X[rng.random(X.shape) < 0.05] = 1e6
    return X


@pytest.mark.parametrize("seed", range(15))
def test_contributions_by_enumeration(seed):
    circuit, X, _ = small_case(seed)
    X = with_unseen(np.random.default_rng(seed), X)
    model = as_model(circuit)
    expected = one_by_one(lambda rows: oracle.log_likelihood(model, rows), X)
    actual = contributions(circuit, X)
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)
    assert not actual[np.isnan(X)].any()


@pytest.mark.parametrize("gain", [0, 1, 1e9], ids=["flows", "both", "tables"])
@pytest.mark.parametrize("seed", range(6))
def test_contributions_by_flows_and_by_tables(seed, gain, monkeypatch):
    """Down to every region, or up from all that have no continuous column below."""
    import skpc._queries.contributions as module
    from skpc._kernels.contributions import FLOWS, TABLE

    monkeypatch.setattr(module, "_TABLE_GAIN", gain)
    rng = np.random.default_rng(seed)
    kinds = rng.permutation([-2, 3, 0, 2, 4, 2, 3, -1, 2])
    circuit = mixed_circuit(rng, random_tree(rng, 9), kinds, 3)
    source = module._plan(circuit).sources.source
    inner = np.unique(circuit.parents[circuit.parents >= 0])
    if gain == 0:
        assert not (source[inner] == TABLE).any()
    if gain == 1e9:
        discrete = np.array([known is not None for known in circuit.inputs.categories])
        above = circuit.parents < 0
        for region in np.flatnonzero(~discrete):
            while region >= 0:
                above[region] = True
                region = circuit.parents[region]
        assert not (source[~above] == FLOWS).any()
    X = mixed_rows(rng, circuit, 30)
    model = as_mixed_model(circuit)
    expected = one_by_one(lambda rows: oracle.log_messages(model, rows)[2], X)
    np.testing.assert_allclose(contributions(circuit, X), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_contributions_of_groups_of_continuous_columns(seed):
    """Regions of one to four columns, categories and nothing, with and without children."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation([-3, -2, 3, -1, 2, 0])
    circuit = mixed_circuit(rng, random_tree(rng, 6), kinds, 3)
    X = mixed_rows(rng, circuit, 30)
    model = as_mixed_model(circuit)
    expected = one_by_one(lambda rows: oracle.log_messages(model, rows)[2], X)
    np.testing.assert_allclose(contributions(circuit, X), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_contributions_of_several_trees(seed):
    circuit, trees, shares, X, _ = mixture_case(seed)
    models = [as_model(tree) for tree in trees]

    def score(rows):
        logs = [oracle.log_likelihood(model, rows) for model in models]
        return logsumexp(np.stack(logs) + np.log(shares)[:, None], axis=0)

    expected = one_by_one(score, X)
    np.testing.assert_allclose(contributions(circuit, X), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shapes", [(chain, star), (star, chain, star)])
def test_contributions_of_trees_of_different_heights(shapes):
    """Roots of low trees are found before the inner regions of high ones."""
    from skpc._circuit.circuit import mixture

    rng = np.random.default_rng(0)
    n_regions, n_categories = 7, [2, 3, 2, 4, 2, 2, 3]
    first = random_circuit(rng, shapes[0](n_regions), n_categories, 3)
    trees = [first]
    for shape in shapes[1:]:
        tree = random_circuit(rng, shape(n_regions), n_categories, 3)
        old, other = first.inputs, tree.inputs
        inputs = Inputs(old.features, old.categories, other.probs, other.unseen, {})
        trees.append(
            type(tree)(tree.parents, old.features, tree.root_weights, tree.sum_weights, inputs)
        )
    circuit = mixture(trees, np.arange(1.0, len(trees) + 1))
    X = random_rows(rng, first, 40)
    expected = one_by_one(lambda rows: log_likelihood(circuit, rows), X)
    np.testing.assert_allclose(contributions(circuit, X), expected, rtol=1e-9, atol=1e-12)
    regions = np.arange(circuit.n_regions)
    shares = posteriors(circuit, X, regions)[circuit.roots].sum(axis=(0, 2))
    np.testing.assert_allclose(shares, 1.0, rtol=1e-12)


def sharpened(circuit, floor):
    """The same circuit with almost certain weights and categories."""
    sum_weights = np.full_like(circuit.sum_weights, floor)
    inputs = circuit.inputs
    probs = np.full_like(inputs.probs, floor)
    for r in range(circuit.n_regions):
        for k in range(circuit.n_latents):
            sum_weights[r, k, (k + r) % circuit.n_latents] = 1.0
            probs[inputs.start[r] + (k + r) % inputs.n_categories[r], k] = 1.0
    new = Inputs(inputs.features, inputs.categories, probs, inputs.unseen, {})
    root = np.full(circuit.n_latents, floor)
    root[0] = 1.0
    return type(circuit)(circuit.parents, circuit.features, root, sum_weights, new)


@pytest.mark.parametrize("parents", [chain(30), star(30), star(30, 29)])
@pytest.mark.parametrize("floor", [1e-30, 1e-12])
def test_almost_impossible_rows(parents, floor):
    """Each of 30 columns is off by factors of down to 1e-30: rows of probability 1e-600."""
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, parents, np.full(30, 3), 3)
    circuit = sharpened(circuit, floor)
    X = random_rows(rng, circuit, 40)
    model = as_model(circuit)
    expected = one_by_one(lambda rows: oracle.log_messages(model, rows)[2], X)
    assert expected.max() > 25
    np.testing.assert_allclose(contributions(circuit, X), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("distance", [30.0, 1e3, 1e6])
def test_far_away_values(distance):
    """A continuous column whose density given the rest is far below the smallest float."""
    rng = np.random.default_rng(1)
    circuit = mixed_circuit(rng, np.array([1, -1, 1, 2]), [2, -1, -2, -1], 3)
    X = mixed_rows(rng, circuit, 20, missing=0.1)
    X[::2, circuit.features[1][0]] = distance
    X[1::3, circuit.features[2][0]] = -distance
    X[1::4, circuit.features[3][0]] = -distance
    model = as_mixed_model(circuit)
    expected = one_by_one(lambda rows: oracle.log_messages(model, rows)[2], X)
    assert expected.max() > 200
    # What is expected is a difference of scores of that size.
    atol = 1e-15 * expected.max()
    np.testing.assert_allclose(contributions(circuit, X), expected, rtol=1e-9, atol=atol + 1e-9)


def test_a_tree_that_only_one_column_rules_out():
    """Two trees, one of which is likelier by e^800 but for one far away value."""
    from skpc._circuit.circuit import mixture

    rng = np.random.default_rng(2)
    trees = []
    for offset in 0.0, 3.0:
        tree = mixed_circuit(rng, np.array([1, -1]), [-1, -1], 2)
        features = [np.array([0]), np.array([1])]
        gaussians = {}
        for region, gaussian in tree.inputs.distributions.items():
            shifts = np.array([[40.0 * offset], [40.0 * offset]]) if region == 0 else offset
            gaussians[region] = type(gaussian)(
                gaussian.means * 0 + shifts, gaussian.covariances * 0 + 1.0, gaussian.scales, 0.0
            )
        inputs = Inputs(features, [None, None], tree.inputs.probs, tree.inputs.unseen, gaussians)
        trees.append(
            type(tree)(tree.parents, tuple(features), tree.root_weights, tree.sum_weights, inputs)
        )
    circuit = mixture(trees, np.array([0.5, 0.5]))
    X = np.array([[0.0, 3.0], [0.0, 60.0], [120.0, -40.0], [1.0, 1.0]])
    models = [as_mixed_model(tree) for tree in trees]

    def score(rows):
        logs = [oracle.log_messages(model, rows)[2] for model in models]
        return logsumexp(np.stack(logs) + np.log(0.5), axis=0)

    expected = one_by_one(score, X)
    np.testing.assert_allclose(contributions(circuit, X), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_posteriors_by_enumeration(seed):
    circuit, X, _ = small_case(seed)
    X = with_unseen(np.random.default_rng(seed), X)
    expected = oracle.posteriors(as_model(circuit), X)
    regions = np.random.default_rng(seed).permutation(circuit.n_regions)
    actual = posteriors(circuit, X, regions)
    np.testing.assert_allclose(actual, expected[regions], rtol=1e-10, atol=1e-14)
    alone = posteriors(circuit, X, regions[:1])
    assert np.array_equal(alone[0], actual[0])


@pytest.mark.parametrize("seed", range(6))
def test_posteriors_beside_continuous_columns(seed):
    rng = np.random.default_rng(seed)
    kinds = rng.permutation([-3, -2, 3, -1, 0])
    circuit = mixed_circuit(rng, random_tree(rng, 5), kinds, 3)
    X = mixed_rows(rng, circuit, 25, missing=0.4)
    expected = oracle.posteriors(as_mixed_model(circuit), X)
    actual = posteriors(circuit, X, np.arange(circuit.n_regions))
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_posteriors_of_several_trees(seed):
    circuit, trees, shares, X, _ = mixture_case(seed)
    logs = np.stack([oracle.log_likelihood(as_model(tree), X) for tree in trees])
    logs += np.log(shares)[:, None]
    shares = np.exp(logs - logsumexp(logs, axis=0))
    expected = np.concatenate(
        [
            oracle.posteriors(as_model(tree), X) * share[:, None]
            for tree, share in zip(trees, shares, strict=True)
        ]
    )
    regions = np.arange(circuit.n_regions)
    actual = posteriors(circuit, X, regions)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("n_latents", [3, 20])
def test_blocks_threads_and_order_leave_the_bits(n_latents, monkeypatch):
    rng = np.random.default_rng(0)
    circuit = mixed_circuit(rng, random_tree(rng, 7), [3, -2, 2, 0, -1, 2, 4], n_latents)
    X = mixed_rows(rng, circuit, 700)
    reference, states = contributions(circuit, X), posteriors(circuit, X, [0, 3])
    assert np.array_equal(contributions(circuit, X, max_bytes=200_000), reference)
    assert np.array_equal(posteriors(circuit, X, [0, 3], max_bytes=200_000), states)
    order = rng.permutation(len(X))
    assert np.array_equal(contributions(circuit, X[order]), reference[order])
    assert np.array_equal(contributions(circuit, X[5:6]), reference[5:6])
    monkeypatch.setattr("skpc._threads._SERIAL_WORK", 0)  # or one thread would do it all
    with use_threads(2):
        assert np.array_equal(contributions(circuit, X), reference)
        assert np.array_equal(posteriors(circuit, X, [0, 3]), states)


def test_memory_is_bounded(monkeypatch):
    """Blocks of rows need no more than what is asked for: watched through the messages."""
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, chain(20), np.full(20, 2), 8)
    X = random_rows(rng, circuit, 2000)
    sizes = []
    original = Messages.upward

    def upward(self, *args):
        original(self, *args)
        sizes.append(self.arrays.sums.nbytes + self.arrays.products.nbytes)

    monkeypatch.setattr(Messages, "upward", upward)
    contributions(circuit, X, max_bytes=500_000)
    assert len(sizes) > 5
    assert max(sizes) < 600_000


def test_memory_of_tables_is_bounded(monkeypatch):
    """Rows that the circuit would never draw have more patterns than it was planned for."""
    import skpc._queries.contributions as module

    rng = np.random.default_rng(0)
    circuit = sharpened(random_circuit(rng, chain(40), np.full(40, 2), 8), 1e-3)
    X = rng.integers(0, 2, (600, 40)).astype(float)
    reference = contributions(circuit, X)
    sizes = []

    def launch(kernel, levels, *args, **options):
        if kernel is module.kernels.fill_table:
            _, _, _, tables, _, messages = args
            sizes.append(sum(a.nbytes for a in (tables.table, messages.sums, messages.products)))
        original(kernel, levels, *args, **options)

    original = module.launch
    monkeypatch.setattr(module, "launch", launch)
    assert np.array_equal(contributions(circuit, X, max_bytes=2**18), reference)
    assert len(sizes) > 5
    assert max(sizes) < 1.1 * 2**18
    assert np.array_equal(contributions(circuit, X[:3], max_bytes=1), reference[:3])


def test_columns_without_a_region_contribute_nothing():
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, np.array([-1, 0]), np.array([2, 0]), 2)
    X = np.column_stack([random_rows(rng, circuit, 10, missing=0.0), np.arange(10.0)])
    actual = contributions(circuit, X)
    np.testing.assert_allclose(actual[:, 0], -log_likelihood(circuit, X), rtol=1e-12)
    assert not actual[:, 1].any()
