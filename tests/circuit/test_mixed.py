"""Circuits with categorical, continuous and grouped columns, against all joint states."""

from itertools import product

import numpy as np
import oracle
import pandas
import pytest
from helpers import (
    as_mixed_model,
    gather,
    mixed_circuit,
    mixed_rows,
    no_shrinkage,
    parts_of,
    random_tree,
    rows_of,
    same_bits,
)
from scipy.sparse.csgraph import connected_components

from skpc import SharpPCDensity
from skpc._circuit.circuit import random_circuit
from skpc._data.evidence import encode
from skpc._learning.em import EStep, fit_em
from skpc._learning.groups import correlated_groups
from skpc._learning.mstep import MStep
from skpc._learning.progress import Progress
from skpc._passes.likelihood import log_likelihood
from skpc._threads import use_threads

pytestmark = pytest.mark.usefixtures("one_thread")

# Sums of positive terms in another order, of densities that lose a digit or two in solving
# for a Gaussian's exponent.
RTOL = 1e-9

# Categories of each region, or minus its number of continuous columns.
KINDS = {
    "one continuous column": [-1],
    "one group": [-3],
    "categories and a column": [2, -1, 3],
    "columns alone": [-1, -1, -1],
    "a group between categories": [3, -2, 2, -1],
    "an empty region": [-2, 0, 3, -1],
    "two groups": [-3, 2, -2],
}
each_kind = pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS.keys())


def case(kinds, n_latents=3, n_rows=30):
    """A circuit, rows with NaN, some repeated, one empty, and weights."""
    rng = np.random.default_rng(len(kinds) + 10 * n_latents)
    circuit = mixed_circuit(rng, random_tree(rng, len(kinds)), kinds, n_latents)
    X = mixed_rows(rng, circuit, n_rows)
    X[:4] = X[4:8]
    X[8] = np.nan
    return circuit, X, rng.uniform(0.1, 3.0, n_rows)


# --- scores ----------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("n_latents", [1, 3])
def test_log_likelihood_sums_over_all_latent_states(kinds, n_latents):
    circuit, X, _ = case(kinds, n_latents)
    expected = oracle.log_likelihood(as_mixed_model(circuit), X)
    np.testing.assert_allclose(log_likelihood(circuit, X), expected, rtol=RTOL, atol=1e-11)


@pytest.mark.parametrize("kinds", [[-1], [-2], [-1, -1], [2, -1, 3], [3, -2], [-1, 2, 0, -1]])
def test_density_integrates_to_one(kinds):
    circuit, _, _ = case(kinds)
    # The trapezoidal rule on a Gaussian errs by exp(-2 (pi sd / step)^2), here below 1e-13.
    step = 0.4
    axes = [None] * sum(len(columns) for columns in circuit.features)
    n_continuous = 0
    for columns, known in zip(circuit.features, circuit.inputs.categories, strict=True):
        for column in columns:
            axes[column] = np.arange(-20.0, 20.0, step) if known is None else known
            n_continuous += known is None
    rows = np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)
    total = np.exp(log_likelihood(circuit, rows)).sum() * step**n_continuous
    assert total == pytest.approx(1.0, rel=1e-11)


def test_a_missing_column_of_a_group_is_integrated_out():
    circuit, _, _ = case([2, -2, 3])
    column = circuit.features[1][0]
    x = np.zeros((1, 4))
    x[0, circuit.features[1][1]] = 0.7
    grid = np.arange(-20.0, 20.0, 0.4)  # error as above
    rows = np.repeat(x, len(grid), axis=0)
    rows[:, column] = grid
    x[0, column] = np.nan
    expected = np.exp(log_likelihood(circuit, rows)).sum() * 0.4
    np.testing.assert_allclose(np.exp(log_likelihood(circuit, x))[0], expected, rtol=1e-11)


@each_kind
def test_nothing_observed_has_density_one_exactly(kinds):
    circuit, X, _ = case(kinds)
    assert log_likelihood(circuit, np.full_like(X, np.nan)).tolist() == [0.0] * len(X)


@pytest.mark.parametrize("kinds", [[-1, -1, 2, -1], [-4], [-2, 3, -2]])
def test_a_row_far_from_everything_has_its_finite_density(kinds):
    circuit, X, _ = case(kinds)
    X = np.zeros((4, X.shape[1]))
    for columns, known in zip(circuit.features, circuit.inputs.categories, strict=True):
        if known is None:
            X[:, columns] = np.array([[1e3], [-1e3], [1e6], [40.0]]) * (1 + columns)
    model = as_mixed_model(circuit)
    _, _, expected = oracle.log_messages(model, X)  # in log space
    assert expected.max() < -700  # beyond what exp can hold
    np.testing.assert_allclose(log_likelihood(circuit, X), expected, rtol=RTOL)
    assert np.isfinite(gather(circuit, X, np.ones(4)).log_likelihood)


@each_kind
def test_a_row_has_the_same_bits_in_blocks_alone_and_permuted(kinds):
    circuit, X, _ = case(kinds, n_rows=300)
    batch = log_likelihood(circuit, X)
    order = np.random.default_rng(1).permutation(len(X))
    np.testing.assert_array_equal(log_likelihood(circuit, X[order]), batch[order])
    np.testing.assert_array_equal(log_likelihood(circuit, X, max_bytes=5_000), batch)
    alone = [log_likelihood(circuit, X[i : i + 1])[0] for i in range(12)]
    np.testing.assert_array_equal(alone, batch[:12])


# --- expected counts -------------------------------------------------------------------


@each_kind
def test_weight_counts(kinds):
    circuit, X, weights = case(kinds)
    model = as_mixed_model(circuit)
    flows = [oracle.flows(model, x) for x in X]
    counts = gather(circuit, X, weights)
    for i, actual in enumerate([counts.root, counts.sums]):
        expected = sum(w * flow[i] for w, flow in zip(weights, flows, strict=True))
        np.testing.assert_allclose(actual, expected, rtol=RTOL)


@each_kind
def test_category_counts(kinds):
    circuit, X, weights = case(kinds)
    posteriors = oracle.posteriors(as_mixed_model(circuit), X)
    expected = [np.empty((0, circuit.n_latents))]
    for r, item in enumerate(circuit.inputs):
        if kinds[r] > 0:
            shown = X[:, circuit.features[r]] == item.categories
            expected.append((weights[:, None] * shown).T @ posteriors[r])
    actual = gather(circuit, X, weights).inputs[0]
    np.testing.assert_allclose(actual, np.concatenate(expected), rtol=RTOL)


@each_kind
def test_gaussian_moments(kinds):
    circuit, X, weights = case(kinds)
    model = as_mixed_model(circuit)
    posteriors = oracle.posteriors(model, X)
    moments = gather(circuit, X, weights).inputs[1:]
    assert len(moments) == sum(kind < 0 for kind in kinds)
    for (r, (means, covariances)), actual in zip(model.gaussians.items(), moments, strict=True):
        expected = oracle.gaussian_moments(
            means, covariances, X[:, circuit.features[r]], weights[:, None] * posteriors[r]
        )
        # Sums of terms of both signs: the absolute error is that of the largest.
        np.testing.assert_allclose(actual, expected, rtol=RTOL, atol=1e-10)


@each_kind
def test_total_log_likelihood_is_weighted(kinds):
    circuit, X, weights = case(kinds)
    expected = weights @ oracle.log_likelihood(as_mixed_model(circuit), X)
    assert gather(circuit, X, weights).log_likelihood == pytest.approx(expected, rel=RTOL)


@each_kind
def test_blocks_give_the_same_counts(kinds):
    circuit, X, weights = case(kinds, n_rows=200)
    options = {"with_gate": True, "with_moments": True}
    evidence = circuit.inputs.encode(X)
    assert len(EStep(circuit, evidence, weights, max_bytes=5_000).blocks) > 3
    whole = gather(circuit, X, weights, **options)
    blocks = gather(circuit, X, weights, max_bytes=5_000, **options)
    for (name, value), (_, actual) in zip(parts_of(whole), parts_of(blocks), strict=True):
        # Moments sum terms of both signs.
        np.testing.assert_allclose(actual, value, rtol=1e-10, atol=1e-10, err_msg=name)


@each_kind
def test_taking_rows_leaves_the_evidence_alone(kinds):
    circuit, X, _ = case(kinds)
    evidence = circuit.inputs.encode(X)
    before = evidence.symbols.copy()
    evidence.take(slice(11, 20))
    np.testing.assert_array_equal(evidence.symbols, before)


@each_kind
def test_taken_rows_show_the_same(kinds):
    circuit, X, _ = case(kinds)
    part, own = circuit.inputs.encode(X).take(slice(11, 20)), circuit.inputs.encode(X[11:20])
    np.testing.assert_array_equal(part.symbols, own.symbols)
    np.testing.assert_array_equal(part.n_symbols, own.n_symbols)
    for one, two in zip(part.values, own.values, strict=True):
        assert (one is None) == (two is None)
        if one is not None:
            np.testing.assert_array_equal(one, two)


@each_kind
def test_threads_do_not_change_bits(kinds, monkeypatch):
    monkeypatch.setattr("skpc._threads._SERIAL_WORK", 0)  # or one thread would do it all
    circuit, X, weights = case(kinds, n_rows=1200)
    results = []
    for n_threads in 1, 2:
        with use_threads(n_threads):
            counts = gather(circuit, X, weights)
            results.append([("scores", log_likelihood(circuit, X)), *parts_of(counts)])
    for (name, one), (_, two) in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two, err_msg=name)


# --- EM --------------------------------------------------------------------------------


def clustered_rows(rng, kinds, n_rows, missing):
    """Rows of three clusters; columns of a group are correlated within them."""
    cluster = rng.integers(0, 3, n_rows)
    columns = []
    for kind in kinds:
        if kind > 0:
            columns.append((cluster + (rng.random(n_rows) < 0.3)) % kind)
        else:
            mixing = rng.normal(size=(-kind, -kind))
            columns.extend((rng.normal(size=(n_rows, -kind)) @ mixing + 2 * cluster[:, None]).T)
    X = np.stack(columns, axis=1).astype(float)
    X[rng.random(X.shape) < missing] = np.nan
    return X


@each_kind
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_plain_em_never_falls(kinds, missing):
    rng = np.random.default_rng(3)
    kinds = [kind or 2 for kind in kinds]
    X = clustered_rows(rng, kinds, 120, missing)
    weights = rng.uniform(0.1, 3.0, len(X))
    widths = [max(1, -kind) for kind in kinds]
    features = np.split(np.arange(sum(widths)), np.cumsum(widths)[:-1])
    categories = [None if kind < 0 else np.arange(float(kind)) for kind in kinds]
    evidence = encode(X, features, categories)
    parents = random_tree(rng, len(kinds))
    rows = rows_of(evidence, weights, features, categories)
    circuit = random_circuit(parents, rows, 3, np.random.RandomState(0))
    e_step = EStep(circuit, evidence, weights)
    result = fit_em(circuit, Progress(circuit, tol=0.0), e_step, MStep(), 60)
    assert np.diff(result.log_likelihoods).min() > -1e-9
    assert result.log_likelihoods[-1] > result.log_likelihoods[0] + 0.1


def test_rows_weighted_by_their_density_are_a_fixed_point():
    """On a fine grid with the circuit's own density as weights, one step changes nothing."""
    circuit, _, _ = case([-1, 3, 2], n_latents=2)
    step = 0.25
    axes = [None] * 3
    for columns, known in zip(circuit.features, circuit.inputs.categories, strict=True):
        axes[columns[0]] = np.arange(-15.0, 15.0, step) if known is None else known
    X = np.array(list(product(*axes)))
    weights = np.exp(log_likelihood(circuit, X)) * step
    new = MStep()(circuit, gather(circuit, X, weights))
    # The trapezoidal rule errs by exp(-2 (pi sd / step)^2): nothing at sd >= 1/2.
    np.testing.assert_allclose(new.sum_weights, circuit.sum_weights, rtol=1e-9)
    np.testing.assert_allclose(new.inputs.probs, circuit.inputs.probs, rtol=1e-9)
    np.testing.assert_allclose(new.inputs[0].means, circuit.inputs[0].means, rtol=1e-9)
    np.testing.assert_allclose(new.inputs[0].covariances, circuit.inputs[0].covariances, rtol=1e-9)


# --- the estimator ---------------------------------------------------------------------


def frame(n_rows=150, seed=0):
    """Two correlated columns, one that is not, a label and a flag; some cells missing."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, 3, n_rows)
    x = rng.normal(size=n_rows) + 2 * cluster
    table = pandas.DataFrame(
        {
            "x": x,
            "colour": pandas.Categorical.from_codes(cluster, ["red", "green", "blue"]),
            "y": 3 * x + rng.normal(size=n_rows) + 100,
            "flag": cluster + rng.random(n_rows) > 1.5,
            "z": rng.exponential(size=n_rows) * 1e-3,
        }
    )
    for name in "x", "colour", "z":
        table.loc[1:, name] = table.loc[1:, name].mask(rng.random(n_rows - 1) < 0.15)
    return table


def model_of(X, sample_weight=None, **parameters):
    options = {"n_latents": 4, "max_iter": 8, "tol": 0.0, "random_state": 2}
    options |= {"early_stopping": False, **parameters}
    return SharpPCDensity(**options).fit(X, sample_weight=sample_weight)


def read_as(kind):
    """How the frame's numbers are read, as `feature_types`."""
    return dict.fromkeys("xyz", kind)


each_reading = pytest.mark.parametrize("kind", ["numeric", "gaussian"])


def fitted(X, sample_weight=None, **parameters):
    return model_of(X, sample_weight, **parameters).circuit_


@each_reading
def test_the_frame_has_a_group_and_every_type(kind):
    model = model_of(frame(), feature_types="auto" if kind == "numeric" else read_as(kind))
    assert model.feature_types_ == [kind, "categorical", kind, "categorical", kind]
    assert sorted(map(list, model.circuit_.features)) == [[0, 2], [1], [3], [4]]


@each_reading
@pytest.mark.parametrize("regularizer", ["global", "gated"])
@pytest.mark.parametrize("update", ["quadratic", "cubic"])
def test_integer_weights_are_repetitions(regularizer, update, kind):
    options = {"regularizer": regularizer, "update": update, "feature_types": read_as(kind)}
    X = frame()
    times = np.random.default_rng(0).integers(1, 4, len(X))
    repeated = X.loc[X.index.repeat(times)].reset_index(drop=True)
    assert same_bits(fitted(X, times, **options), fitted(repeated, **options))


@each_reading
def test_weight_zero_is_absence(kind):
    X = frame()
    weights = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    X.loc[weights == 0, ["x", "y", "z"]] *= 1e3
    types = read_as(kind)
    kept = fitted(X[weights > 0], weights[weights > 0], feature_types=types)
    assert same_bits(fitted(X, weights, feature_types=types), kept)


@each_reading
def test_order_of_rows_does_not_matter(kind):
    X = frame()
    rng = np.random.default_rng(0)
    weights, order = rng.uniform(0.1, 2.0, len(X)), rng.permutation(len(X))
    types = read_as(kind)
    again = fitted(X.iloc[order], weights[order], feature_types=types)
    assert same_bits(again, fitted(X, weights, feature_types=types))


@each_reading
def test_number_of_threads_does_not_matter(monkeypatch, kind):
    monkeypatch.setattr("skpc._threads._SERIAL_WORK", 0)  # or one thread would do it all
    X = frame(1500)
    one, two = (model_of(X, n_jobs=n, feature_types=read_as(kind)) for n in (1, 2))
    assert same_bits(one.circuit_, two.circuit_)
    np.testing.assert_array_equal(one.score_samples(X), two.score_samples(X))


def test_the_estimator_scores_its_circuit():
    X = frame(60)
    model = model_of(X, n_latents=2, feature_types=read_as("gaussian"))
    matrix = np.column_stack([X["x"], X["colour"].cat.codes, X["y"], X["flag"], X["z"]]).astype(
        float
    )
    matrix[matrix[:, 1] < 0, 1] = np.nan
    expected = oracle.log_likelihood(as_mixed_model(model.circuit_), matrix)
    np.testing.assert_allclose(model.score_samples(X), expected, rtol=RTOL)


@pytest.mark.parametrize("groups", ["auto", None])
@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [("gaussian", -1e12, -1e5), ("numeric", -1e3, -100.0)],  # tails of the latter are heavy
)
def test_an_outlier_has_a_finite_score(groups, kind, least, most):
    X = frame()
    model = model_of(X, feature_groups=groups, feature_types=read_as(kind))
    far = X.iloc[:3].copy()
    for name in "x", "y", "z":
        far[name] = X[name].mean() + 1e3 * X[name].std()
    scores = model.score_samples(far)
    assert (scores > least).all()
    assert (scores < most).all()


@each_reading
def test_an_outlier_in_training_leaves_a_finite_model(kind):
    X = frame()
    X.loc[7, ["x", "y", "z"]] = [1e4, -1e6, 1e3]
    model = model_of(X, feature_types=read_as(kind))
    assert np.isfinite(model.log_likelihoods_).all()
    assert np.isfinite(model.score_samples(X)).all()


@each_reading
@pytest.mark.parametrize("groups", ["auto", None])
@pytest.mark.parametrize("power", [-40, -20, 1, 30])
def test_rescaling_a_column_shifts_the_log_density(groups, power, kind):
    X = frame()
    scaled = X.assign(y=X["y"] * 2.0**power)
    options = {"feature_groups": groups, "feature_types": read_as(kind)}
    plain = model_of(X, **options).score_samples(X)
    shifted = model_of(scaled, **options).score_samples(scaled)
    # Powers of two are exact but in factorisations; eight steps of EM amplify little.
    np.testing.assert_allclose(shifted, plain - power * np.log(2.0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "first", "offset"),
    [
        ("gaussian", 0.0, -1e6),
        ("gaussian", 0.0, 1e8),
        ("numeric", 1e6, 1e8),  # zero, which a margin takes for a bound, is far from both
    ],
)
def test_shifting_a_column_leaves_the_log_density(kind, first, offset):
    X = frame()
    scores = []
    for shift in first, offset:
        moved = X.assign(y=X["y"] + shift)
        scores.append(model_of(moved, feature_types=read_as(kind)).score_samples(moved))
    # Adding rounds y, of standard deviation 6, at 1e-8 or less.
    np.testing.assert_allclose(scores[1], scores[0], rtol=0, atol=1e-4)


def test_plain_em_on_a_frame_never_falls(monkeypatch):
    no_shrinkage(monkeypatch)
    options = {"mu": 0.0, "pseudocount": 0.0, "max_iter": 80}
    model = model_of(frame(), **options)
    assert np.diff(model.log_likelihoods_).min() > -1e-9


# --- groups ----------------------------------------------------------------------------


def worth_joining(X, weights, n_latents):
    """Components of the graph of pairs whose correlation is worth its parameters."""
    total = weights.sum()
    rho = np.corrcoef(X.T) if (weights == 1).all() else weighted_correlation(X, weights)
    with np.errstate(divide="ignore"):
        gain = -total / 2 * np.log(1 - np.minimum(rho**2, 1.0))
    return gain > n_latents / 2 * np.log(total)


def weighted_correlation(X, weights):
    covariance = np.cov(X.T, aweights=weights, ddof=0)
    return covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))


def evidence_of(X):
    columns = [np.array([j]) for j in range(X.shape[1])]
    return encode(X, columns, [None] * X.shape[1])


@pytest.mark.parametrize("n_latents", [4, 16, 64])
@pytest.mark.parametrize("weighted", [False, True])
def test_groups_are_the_pairs_that_pay(n_latents, weighted):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(200, 9)) + np.repeat(rng.normal(size=(200, 3)), 3, axis=1) * np.tile(
        [0.2, 0.7, 3.0], 3
    )
    weights = rng.uniform(0.5, 2.0, 200) if weighted else np.ones(200)
    n_groups, labels = connected_components(worth_joining(X, weights, n_latents))
    expected = [np.flatnonzero(labels == g).tolist() for g in range(n_groups)]
    expected = [group for group in expected if len(group) > 1]
    assert sorted(correlated_groups(rows_of(evidence_of(X), weights), n_latents)) == expected


def test_more_states_ask_for_more_correlation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    X = np.stack([x, x + 2 * rng.normal(size=100)], axis=1)
    found = [correlated_groups(rows_of(evidence_of(X), np.ones(100)), k) for k in (1, 100)]
    assert found == [[[0, 1]], []]


def test_a_correlation_counts_only_rows_that_show_both():
    x = np.random.default_rng(0).normal(size=60)
    X = np.stack([x, x, x], axis=1)
    X[:30, 0] = X[30:, 1] = np.nan
    groups = correlated_groups(rows_of(evidence_of(X[:, :2]), np.ones(60)), 1)
    assert groups == []
    (group,) = correlated_groups(rows_of(evidence_of(X), np.ones(60)), 1)
    assert group in ([0, 2], [1, 2])  # nothing is known of the other pair


def test_groups_have_at_most_forty_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 1)) + 0.1 * rng.normal(size=(900, 60))
    groups = correlated_groups(rows_of(evidence_of(X), np.ones(900)), 1)
    assert 20 < max(map(len, groups)) <= 40
    assert len({j for group in groups for j in group}) == sum(map(len, groups))


def test_categorical_columns_are_never_grouped():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.integers(0, 5, (80, 1)), 3, axis=1).astype(float)
    columns = [np.array([j]) for j in range(3)]
    evidence = encode(X, columns, [None, np.arange(5.0), None])
    assert correlated_groups(rows_of(evidence), 1) == [[0, 2]]


def test_groups_are_given_by_name_or_position():
    by_name = fitted(frame(), feature_groups=[["z", "x"]])
    assert sorted(map(list, by_name.features)) == [[0, 4], [1], [2], [3]]
    assert same_bits(by_name, fitted(frame(), feature_groups=[[0, 4]]))
    assert same_bits(by_name, fitted(frame(), feature_groups=[[-1, "x"]]))


def test_no_groups():
    features = fitted(frame(), feature_groups=None).features
    assert sorted(map(list, features)) == [[0], [1], [2], [3], [4]]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([["x", "y"], ["z", "x"]], r"feature_groups has column 'x' more than once"),
        ([["x", "w"]], r"feature_groups names 'w', which is neither"),
        ([[0, 5]], r"feature_groups names 5, which is neither"),
    ],
)
def test_wrong_groups_are_named(groups, message):
    with pytest.raises(ValueError, match=message):
        fitted(frame(), feature_groups=groups)
