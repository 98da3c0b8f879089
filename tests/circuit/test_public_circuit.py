"""The public functions over circuits: as enumeration and the estimators' queries have it."""

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import oracle
import pytest
from helpers import (
    as_mixed_model,
    as_model,
    curvature_case,
    mixed_circuit,
    mixed_rows,
    mixture_case,
    small_case,
)
from scipy.sparse import csr_array
from scipy.stats import norm

import skpc.circuit as public
from skpc import SharpPCDensity
from skpc.circuit import Circuit, from_dict

X = np.random.default_rng(0).integers(0, 3, (60, 4)) * [1.0, 1.0, 0.37, 1.3]
X[::7, 1] = np.nan
X[::5, 3] = np.nan


@pytest.fixture(scope="module")
def model():
    return SharpPCDensity(3, max_iter=3, random_state=0, n_components=2).fit(X)


def test_queries_are_those_of_the_estimator(model):
    circuit = model.circuit_
    assert type(circuit) is Circuit
    assert np.array_equal(public.log_likelihood(circuit, X), model.score_samples(X))
    found = public.conditional_probabilities(circuit, X, 1)
    assert np.array_equal(found, model.conditional_probabilities(X, 1))
    for column in (1, 2):
        moments = public.conditional_moments(circuit, X, column)
        for own, other in zip(moments, model.conditional_moments(X, column), strict=True):
            assert np.array_equal(own, other)
    regions = [1, 4, 0]
    for region, found in zip(regions, public.posteriors(circuit, X, regions), strict=True):
        assert np.array_equal(found, model.latent_posterior(X, region))
    assert np.array_equal(public.sample(circuit, 9, 3), model.sample(9, random_state=3))
    assert np.array_equal(
        public.sample(circuit, 2, 3, given=X), model.sample(2, random_state=3, given=X)
    )
    smaller = public.marginal(circuit, [3, 0])
    expected = model.marginal([3, 0]).score_samples(X[:, [3, 0]])
    assert np.array_equal(public.log_likelihood(smaller, X[:, [3, 0]]), expected)


@pytest.mark.parametrize("form", [csr_array, list, lambda X: X.astype(object), np.asfortranarray])
def test_the_form_of_the_matrix_does_not_matter(form, model):
    circuit, expected = model.circuit_, public.log_likelihood(model.circuit_, X)
    assert np.array_equal(public.log_likelihood(circuit, form(X)), expected)
    counts = [public.expected_counts(circuit, matrix) for matrix in (X, form(X))]
    assert np.array_equal(counts[0].sums, counts[1].sums)


QUERIES = {
    "log_likelihood": lambda circuit, **options: public.log_likelihood(circuit, X, **options),
    "given": lambda circuit, **options: public.sample(circuit, 2, 0, given=X, **options),
    "conditional_probabilities": lambda circuit, **options: public.conditional_probabilities(
        circuit, X, 1, **options
    ),
    "conditional_moments": lambda circuit, **options: (
        public.conditional_moments(circuit, X, 2, **options).mean
    ),
    "posteriors": lambda circuit, **options: public.posteriors(circuit, X, [0, 3], **options),
    "expected_counts": lambda circuit, **options: (
        public.expected_counts(circuit, X, **options).sums
    ),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_threads_do_not_change_a_bit_and_blocks_no_more_than_rounding(query, model):
    expected = query(model.circuit_, n_jobs=1)
    assert np.array_equal(query(model.circuit_, n_jobs=2), expected)
    np.testing.assert_allclose(query(model.circuit_, max_bytes=2**12), expected, rtol=1e-11)


# --- expected counts ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_expected_counts_are_those_of_all_states(seed):
    circuit, rows, weights = small_case(seed)
    model = as_model(circuit)
    root, sums, symbols = oracle.expected_counts(model, rows, weights)[:3]
    counts = public.expected_counts(circuit, rows, weights)
    log_likelihood = weights @ oracle.log_likelihood(model, rows)
    assert counts.log_likelihood == pytest.approx(log_likelihood, rel=1e-12)
    np.testing.assert_allclose(counts.root, root, rtol=1e-10)
    np.testing.assert_allclose(counts.sums, sums, rtol=1e-10, atol=1e-14)
    for region, found in enumerate(counts.inputs):
        if found is None:
            assert not len(circuit.features[region])
        else:
            np.testing.assert_allclose(found, symbols[region][:-2], rtol=1e-10, atol=1e-14)


def test_moments_of_continuous_columns_are_in_their_region():
    circuit = mixed_circuit(np.random.default_rng(0), np.array([-1, 0, 1]), [2, -2, -1], 2)
    rows = mixed_rows(np.random.default_rng(1), circuit, 30, missing=0.0)
    counts = public.expected_counts(circuit, rows)
    for region, m in (1, 2), (2, 1):
        posterior = public.posteriors(circuit, rows, [region])[0]
        moments = counts.inputs[region]
        assert moments.shape == (2, 1 + m + m * m)
        centred = rows[:, None, circuit.features[region]] - circuit.inputs[region].means
        np.testing.assert_allclose(moments[:, 0], posterior.sum(axis=0), rtol=1e-10)
        first = np.einsum("nk,nkm->km", posterior, centred)
        np.testing.assert_allclose(moments[:, 1 : 1 + m], first, rtol=1e-9, atol=1e-12)
        second = np.einsum("nk,nka,nkb->kab", posterior, centred, centred).reshape(2, -1)
        np.testing.assert_allclose(moments[:, 1 + m :], second, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_counts_grow_with_the_weights(scale, model):
    once = public.expected_counts(model.circuit_, X)
    counts = public.expected_counts(model.circuit_, X, np.full(len(X), scale))
    np.testing.assert_allclose(counts.sums, scale * once.sums, rtol=1e-9)
    np.testing.assert_allclose(counts.log_likelihood, scale * once.log_likelihood, rtol=1e-12)


def test_an_em_step_from_counts_raises_the_likelihood(model):
    circuit = model.circuit_
    counts = public.expected_counts(circuit, X)
    inner = circuit.parents >= 0
    weights = circuit.sum_weights.copy()
    weights[inner] = np.maximum(counts.sums[inner], 1e-30)
    weights[inner] /= weights[inner].sum(axis=-1, keepdims=True)
    better = replace(circuit, sum_weights=weights)
    better.check()
    assert public.log_likelihood(better, X).sum() > counts.log_likelihood


# --- circuits from plain data ------------------------------------------------------------


def test_a_circuit_written_by_hand_is_the_sum_over_all_states():
    """A chain of two binary columns and a continuous one, beside a star of another order."""
    coin = {"categories": [0, 1], "unseen": [1e-9, 1e-9]}
    p, q = [[0.9, 0.3], [0.1, 0.7]], [[0.25, 0.5], [0.75, 0.5]]
    normal = {
        "means": [[-1.0], [2.0]],
        "covariances": [[[1.0]], [[0.25]]],
        "scales": [1.0],
        "shrinkage": 0,
        "units": [1.0],
    }
    regions = [
        {"features": [0], "kind": "categorical", "arrays": {**coin, "probs": p}},
        {"features": [2], "kind": "gaussian", "arrays": normal},
        {"features": [1], "kind": "binomial", "arrays": {**coin, "probs": q}},
        {"features": [1], "kind": "binomial", "arrays": {**coin, "probs": p}},
        {"features": [0], "kind": "categorical", "arrays": {**coin, "probs": q}},
        {"features": [2], "kind": "gaussian", "arrays": normal},
    ]
    parents = [-1, 0, 1, -1, 3, 3]
    pi = [0.1, 0.3, 0.4, 0.2]
    W = np.array([[[0.5, 0.5], [0.25, 0.75]], [[0.125, 0.875], [0.75, 0.25]]])[[0, 0, 1, 0, 1, 0]]
    circuit = from_dict(
        {
            "format": "skpc-circuit",
            "version": 1,
            "parents": parents,
            "root_weights": pi,
            "sum_weights": W.tolist(),
            "regions": regions,
        }
    )

    def shows(region, state, x):
        value = x[regions[region]["features"][0]]
        if np.isnan(value):
            return 1.0
        if regions[region]["kind"] == "gaussian":
            return norm(normal["means"][state][0], np.sqrt(normal["covariances"][state][0][0])).pdf(
                value
            )
        return regions[region]["arrays"]["probs"][int(value)][state]

    def likelihood(x):
        total = 0.0
        for tree, members in enumerate([(0, 1, 2), (3, 4, 5)]):
            for states in product(range(2), repeat=3):
                state = dict(zip(members, states, strict=True))
                factor = pi[2 * tree + states[0]]
                for region in members:
                    factor *= shows(region, state[region], x)
                    if parents[region] >= 0:
                        factor *= W[region][state[parents[region]]][state[region]]
                total += factor
        return total

    rows = np.array(list(product([0, 1, np.nan], [0, 1, np.nan], [-2.0, 0.3, np.nan])))
    expected = np.log([likelihood(x) for x in rows])
    np.testing.assert_allclose(
        public.log_likelihood(circuit, rows), expected, rtol=1e-12, atol=1e-14
    )


# --- mixtures ----------------------------------------------------------------------------


def test_a_mixture_is_the_weighted_mean():
    _, trees, shares, rows, _ = mixture_case(0)
    both = public.mixture(trees, 7 * shares)
    parts = [oracle.log_likelihood(as_mixed_model(tree), rows) for tree in trees]
    expected = np.log(shares @ np.exp(parts))
    np.testing.assert_allclose(public.log_likelihood(both, rows), expected, rtol=1e-12, atol=1e-14)


def test_a_mixture_of_mixtures_without_shares_weights_all_alike():
    both, trees, _, rows, _ = mixture_case(1)
    again = public.mixture([both, trees[0]])
    expected = np.logaddexp(
        public.log_likelihood(both, rows), public.log_likelihood(trees[0], rows)
    ) - np.log(2)
    np.testing.assert_allclose(public.log_likelihood(again, rows), expected, rtol=1e-12, atol=1e-14)


def of_groups(feature_groups, shift=0.0):
    table = np.random.default_rng(0).integers(0, 4, (40, 3)) * [1.0, 1.0, 0.37] + shift
    model = SharpPCDensity(2, max_iter=1, random_state=0, feature_groups=feature_groups)
    return model.fit(table).circuit_


def test_a_column_may_be_alone_in_one_tree_and_with_others_in_another():
    trees = [of_groups(None), of_groups([[0, 2]])]
    rows = np.array([[0, 1, 0.37], [np.nan, 2, 0.74], [3, np.nan, np.nan]])
    parts = [public.log_likelihood(tree, rows) for tree in trees]
    found = public.log_likelihood(public.mixture(trees), rows)
    np.testing.assert_allclose(found, np.logaddexp(*parts) - np.log(2), rtol=1e-12)
    with pytest.raises(ValueError, match=r"same categories in all trees.*column 0"):
        public.mixture([of_groups([[0, 2]]), of_groups([[0, 2]], 1.0)])


def mixed(kinds, n_latents=2):
    return mixed_circuit(np.random.default_rng(0), np.array([-1, 0]), kinds, n_latents)


@pytest.mark.parametrize(
    ("circuits", "shares", "message"),
    [
        ([], None, "circuits must be a list of one or more"),
        ([mixed([2, 2]), 3], None, "circuits must be a Circuit.*got a int"),
        ([mixed([2, 2]), mixed([2, 2], 3)], None, r"n_latents are \[2, 3\]"),
        ([mixed([2, 2]), mixed([2, -2])], None, r"n_features are \[2, 3\]"),
        ([mixed([2, 2]), mixed([2, 3])], None, "same categories in all trees.*column"),
        ([mixed([2, 2]), mixed([2, -1])], None, "or be continuous in all.*column"),
        ([mixed([2, 2])] * 2, [1.0], r"shares must be 2 positive numbers.*got \[1.0\]"),
        ([mixed([2, 2])] * 2, [1.0, 0.0], "Leave out circuits without a share"),
        ([mixed([2, 2])] * 2, [1.0, np.nan], "shares must be 2 positive numbers"),
        ([mixed([2, 2])] * 2, [1.0, np.inf], "shares must be 2 positive numbers"),
    ],
)
def test_circuits_that_cannot_be_mixed_are_refused(circuits, shares, message):
    with pytest.raises(ValueError, match=message):
        public.mixture(circuits, shares)


# --- what is refused ---------------------------------------------------------------------

CIRCUIT = mixed([2, -1])
ROWS = np.zeros((3, 2))
FAULTS = [
    (lambda: public.log_likelihood(SharpPCDensity(), ROWS), "circuit must be a Circuit.*circuit_"),
    (lambda: public.log_likelihood(CIRCUIT, np.zeros((3, 5))), r"shape \(n, 2\).*got \(3, 5\)"),
    (lambda: public.log_likelihood(CIRCUIT, np.zeros(2)), r"shape \(n, 2\).*got \(2,\)"),
    (lambda: public.log_likelihood(CIRCUIT, ROWS[:0]), r"at least one row.*got \(0, 2\)"),
    (lambda: public.log_likelihood(CIRCUIT, [["a", "b"]]), "matrix of numbers.*got one of <U1"),
    (lambda: public.log_likelihood(CIRCUIT, ROWS + np.inf), "X must be finite, or NaN.*got inf"),
    (lambda: public.log_likelihood(CIRCUIT, ROWS + 1j), "matrix of numbers.*complex"),
    (lambda: public.log_likelihood(CIRCUIT, ROWS, n_jobs=0), "n_jobs=0"),
    (lambda: public.sample(CIRCUIT, 0), "n_samples must be an int of at least 1; got 0"),
    (lambda: public.sample(CIRCUIT, 2.0), "n_samples must be an int of at least 1; got 2.0"),
    (lambda: public.sample(CIRCUIT, 1, "seed"), "random_state must be an integer.*got 'seed'"),
    (lambda: public.sample(CIRCUIT, 1, -1), "random_state must be an integer.*got -1"),
    (lambda: public.sample(CIRCUIT, 1, 0, given=[[0]]), r"given must have shape \(n, 2\)"),
    (lambda: public.marginal(CIRCUIT, []), "columns must be integers, at least one"),
    (lambda: public.marginal(CIRCUIT, [0, 0]), "columns must be distinct"),
    (lambda: public.marginal(CIRCUIT, [2]), "columns must be below the number of columns, 2"),
    (lambda: public.marginal(CIRCUIT, ["a"]), r"columns must be integers.*got \['a'\]"),
    (lambda: public.conditional_moments(CIRCUIT, ROWS, 2), "below the number of columns, 2"),
    (lambda: public.conditional_probabilities(CIRCUIT, ROWS, 2), "below the number of columns, 2"),
    (lambda: public.conditional_moments(CIRCUIT, ROWS, -1), "column must be below.*got -1"),
    (lambda: public.conditional_moments(CIRCUIT, ROWS, 0.0), "column must be integers"),
    (lambda: public.posteriors(CIRCUIT, ROWS, 0), "regions must be integers, at least one; got 0"),
    (lambda: public.posteriors(CIRCUIT, ROWS, [7]), "regions must be below.*regions, 2.*got 7"),
    (lambda: public.expected_counts(CIRCUIT, ROWS, [1.0]), "one entry for each of the 3 rows"),
    (lambda: public.expected_counts(CIRCUIT, ROWS, [-1, 1, 1]), "sample_weight must be finite"),
    (lambda: public.to_dict(3), "circuit must be a Circuit.*got a int"),
    (lambda: public.save(3, "circuit.npz"), "circuit must be a Circuit.*got a int"),
]


@pytest.mark.parametrize(("query", "message"), FAULTS)
def test_bad_arguments_are_named(query, message):
    with pytest.raises(ValueError, match=message):
        query()


def test_a_random_state_goes_on():
    random_state = np.random.RandomState(0)
    drawn = [public.sample(CIRCUIT, 5, random_state) for _ in range(2)]
    assert not np.array_equal(*drawn)
    assert np.array_equal(drawn[0], public.sample(CIRCUIT, 5, 0))


def test_a_circuit_is_named_after_the_public_module():
    assert f"{Circuit.__module__}.{Circuit.__name__}" == "skpc.circuit.Circuit"
    assert public.Circuit is Circuit


def test_every_query_takes_circuits_of_every_kind():
    """Mixed ones, with regions that observe nothing, with unseen values and missing ones."""
    for seed in range(3):
        circuit, rows, _ = curvature_case(seed)
        expected = oracle.log_likelihood(as_mixed_model(circuit), rows)
        np.testing.assert_allclose(
            public.log_likelihood(circuit, rows), expected, rtol=1e-10, atol=1e-12
        )
        counts = public.expected_counts(circuit, rows)
        assert counts.log_likelihood == pytest.approx(expected.sum(), rel=1e-10)
        total = counts.sums[circuit.parents >= 0].sum(axis=(1, 2))
        np.testing.assert_allclose(total, len(rows), rtol=1e-10)


def test_the_page_on_the_format_names_every_field():
    root = Path(public.__file__).parents[1]
    text = (root / "docs" / "circuit-format.md").read_text()
    data = public.to_dict(mixed([2, -1]))
    names = {*data, *data["regions"][0]}
    for region in data["regions"]:
        names |= {*region["arrays"]}
    assert not [name for name in names if not re.search(rf"^\W*`{name}`", text, re.MULTILINE)]
