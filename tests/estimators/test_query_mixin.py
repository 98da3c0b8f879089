"""Conditionals, marginals, completions and dependence, by enumeration of all joint rows."""

import pickle
import tracemalloc
from functools import partial

import numpy as np
import oracle
import pandas
import pytest
import sklearn
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
    same_bits,
)
from scipy.special import logsumexp
from scipy.stats import chisquare, kstest, multivariate_normal, norm
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import mutual_info_score

from skpc import SharpPCClassifier, SharpPCDensity, SharpPCImputer, SharpPCOutlierDetector
from skpc._circuit.circuit import mixture
from skpc._passes.likelihood import log_likelihood
from skpc._queries.information import edge_information, mutual_information
from skpc._queries.marginals import conditional_moments, conditional_probabilities, marginal
from skpc._queries.sampling import sample_given
from skpc._threads import use_threads

pytestmark = pytest.mark.usefixtures("one_thread")


def categorical_case(seed):
    """A circuit in which hidden regions occur as leaves, chains and forks."""
    rng = np.random.default_rng(seed)
    n_regions = int(rng.integers(2, 7))
    n_categories = rng.integers(1, 4, n_regions)
    if n_regions > 3:
        n_categories[rng.choice(n_regions, 2, replace=False)] = 0
    circuit = random_circuit(rng, random_tree(rng, n_regions), n_categories, 3)
    columns = np.sort(np.concatenate(circuit.features))
    position = np.searchsorted(columns, columns)
    assert np.array_equal(columns, position)
    X = random_rows(rng, circuit, 12, missing=0.3)
    return circuit, X, rng


def categories_of(circuit, column):
    region = next(r for r, own in enumerate(circuit.features) if column in own)
    return circuit.inputs.categories[region]


def table_of_scores(score, X, column, categories):
    """Conditional probabilities by scoring each category, normalised."""
    logs = []
    for category in categories:
        rows = X.copy()
        rows[:, column] = category
        logs.append(score(rows))
    logs = np.stack(logs, axis=1)
    return np.exp(logs - logsumexp(logs, axis=1, keepdims=True))


# --- conditional -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_conditional_of_a_category(seed):
    circuit, X, _ = categorical_case(seed)
    X[0, -1] = 77.0  # never seen
    model = as_model(circuit)
    for column in range(X.shape[1]):
        expected = table_of_scores(
            lambda rows: oracle.log_likelihood(model, rows),
            X,
            column,
            categories_of(circuit, column),
        )
        actual = conditional_probabilities(circuit, X, column)
        np.testing.assert_allclose(actual, expected, rtol=1e-10)
        np.testing.assert_allclose(actual.sum(axis=1), 1.0, rtol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_conditional_under_several_trees(seed):
    circuit, trees, shares, X, _ = mixture_case(seed)
    models = [as_model(tree) for tree in trees]

    def score(rows):
        logs = [oracle.log_likelihood(model, rows) for model in models]
        return logsumexp(np.stack(logs) + np.log(shares)[:, None], axis=0)

    for column in range(X.shape[1]):
        expected = table_of_scores(score, X, column, categories_of(circuit, column))
        actual = conditional_probabilities(circuit, X, column)
        np.testing.assert_allclose(actual, expected, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_conditional_of_a_continuous_column_by_quadrature(seed):
    rng = np.random.default_rng(seed)
    circuit = mixed_circuit(rng, random_tree(rng, 4), rng.permutation([-3, -1, 2, 3]), 3)
    X = mixed_rows(rng, circuit, 6)
    # No standard deviation is below 1/2: sums over this grid are as good as integrals.
    grid = np.linspace(-30, 30, 3001)
    for column in np.concatenate([circuit.features[r] for r in circuit.inputs.distributions]):
        mean, variance = conditional_moments(circuit, X, column)
        for i, x in enumerate(X):
            rows = np.repeat(x[None], len(grid), axis=0)
            rows[:, column] = grid
            logs = log_likelihood(circuit, rows)
            weights = np.exp(logs - logsumexp(logs))
            assert mean[i] == pytest.approx(weights @ grid, rel=1e-8, abs=1e-8)
            assert variance[i] == pytest.approx(weights @ (grid - mean[i]) ** 2, rel=1e-8)


# --- completions -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_completions_have_their_conditional_frequencies(seed):
    circuit, X, _ = categorical_case(seed)
    model = as_model(circuit)
    n = 4000
    drawn = sample_given(circuit, X, n, np.random.RandomState(0))
    smallest = 1.0
    for i, x in enumerate(X):
        rows = drawn[i * n : (i + 1) * n]
        complete = oracle.completions(model, x)
        expected = oracle.log_likelihood(model, complete)
        expected = n * np.exp(expected - logsumexp(expected))
        observed = np.array([(row == rows).all(axis=1).sum() for row in complete])
        assert observed.sum() == n  # what is observed stays
        rare = expected < 5
        if rare.any():
            observed = np.append(observed[~rare], observed[rare].sum())
            expected = np.append(expected[~rare], expected[rare].sum())
        if len(observed) > 1 and expected.min() > 0:
            smallest = min(smallest, chisquare(observed, expected).pvalue)
    assert smallest > 1e-4


def test_completions_under_several_trees():
    circuit, trees, shares, _, _ = mixture_case(0)
    n = 30_000
    x = np.array([[0.0, np.nan, np.nan]])
    drawn = sample_given(circuit, x, n, np.random.RandomState(0))
    models = [as_model(tree) for tree in trees]
    complete = oracle.completions(models[0], x[0])
    logs = [oracle.log_likelihood(model, complete) for model in models]
    logs = logsumexp(np.stack(logs) + np.log(shares)[:, None], axis=0)
    expected = n * np.exp(logs - logsumexp(logs))
    observed = np.array([(row == drawn).all(axis=1).sum() for row in complete])
    assert observed.sum() == n
    assert chisquare(observed, expected).pvalue > 1e-3


def test_completions_of_groups_have_their_conditional_distribution():
    """Uniform after the distribution function that the mixture of normals has; jointly, too."""
    rng = np.random.default_rng(3)
    circuit = mixed_circuit(rng, np.array([1, -1]), [-3, 3], 3)
    X = mixed_rows(rng, circuit, 2, missing=0.0)
    a, b, c = circuit.features[0]
    X[0, [a, c]] = np.nan
    X[1, [a, b, c]] = np.nan
    n = 20_000
    drawn = sample_given(circuit, X, n, np.random.RandomState(0))
    for i in range(2):
        rows = drawn[i * n : (i + 1) * n]
        seen = ~np.isnan(X[i])
        assert (rows[:, seen] == X[i, seen]).all()
        mean, variance = conditional_moments(circuit, X[[i]], a)
        assert rows[:, a].mean() == pytest.approx(mean[0], abs=4 * np.sqrt(variance[0] / n))
        assert rows[:, a].var() == pytest.approx(variance[0], rel=0.06)
        # Scores of draws: those of a given c, averaged, are exact if a and c are drawn jointly.
        score = -log_likelihood(circuit, rows)
        other = sample_given(circuit, X[[i]], n, np.random.RandomState(1))
        other[:, a] = np.nan
        again = sample_given(circuit, other, 1, np.random.RandomState(2))
        assert kstest(score, -log_likelihood(circuit, again)).pvalue > 1e-3


def test_completions_do_not_depend_on_blocks_and_threads(monkeypatch):
    rng = np.random.default_rng(0)
    circuit = mixed_circuit(rng, random_tree(rng, 5), [3, -2, 2, 0, -1], 4)
    X = mixed_rows(rng, circuit, 300)
    reference = sample_given(circuit, X, 3, np.random.RandomState(0))
    small = sample_given(circuit, X, 3, np.random.RandomState(0), max_bytes=50_000)
    assert np.array_equal(small, reference)
    monkeypatch.setattr("skpc._threads._SERIAL_WORK", 0)  # or one thread would do it all
    with use_threads(2):
        assert np.array_equal(sample_given(circuit, X, 3, np.random.RandomState(0)), reference)
    assert not np.array_equal(sample_given(circuit, X, 3, np.random.RandomState(1)), reference)


# --- marginals -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_marginal_circuits(seed):
    rng = np.random.default_rng(seed)
    kinds = rng.permutation([-3, -2, 3, -1, 2, 0, 0])
    circuit = mixed_circuit(rng, random_tree(rng, 7), kinds, 3)
    X = mixed_rows(rng, circuit, 20)
    columns = rng.choice(X.shape[1], rng.integers(1, 5), replace=False)
    smaller = marginal(circuit, columns)
    rest = np.full_like(X, np.nan)
    rest[:, columns] = X[:, columns]
    expected = oracle.log_messages(as_mixed_model(circuit), rest)[2]
    np.testing.assert_allclose(
        log_likelihood(smaller, X[:, columns]), expected, rtol=1e-10, atol=1e-12
    )
    # Nothing is left that observes nothing, but where two branches meet.
    for region, own in enumerate(smaller.features):
        assert len(own) or (smaller.parents == region).sum() > 1


def test_marginal_of_several_trees():
    circuit, _, _, X, _ = mixture_case(1)
    for columns in [0], [2, 0], [1, 2, 0]:
        smaller = marginal(circuit, np.array(columns))
        assert len(smaller.roots) == 3
        rest = np.full_like(X, np.nan)
        rest[:, columns] = X[:, columns]
        np.testing.assert_allclose(
            log_likelihood(smaller, X[:, columns]), log_likelihood(circuit, rest), rtol=1e-10,
            atol=1e-12,
        )  # fmt: skip


def test_marginal_of_all_columns_is_the_circuit():
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, random_tree(rng, 5), np.array([2, 3, 2, 2, 4]), 3)
    assert same_bits(marginal(circuit, np.arange(5)), circuit)


# --- dependence ------------------------------------------------------------------------


def information(joint):
    independent = joint.sum(axis=1)[:, None] * joint.sum(axis=0)
    return (joint * np.log(joint / independent)).sum()


def pairwise_information(rows, probabilities, n_columns):
    out = np.empty((n_columns, n_columns))
    for a in range(n_columns):
        for b in range(n_columns):
            pairs, inverse = np.unique(rows[:, [a, b]], axis=0, return_inverse=True)
            p = np.bincount(inverse.ravel(), probabilities)
            p_a = np.array([probabilities[rows[:, a] == value].sum() for value in pairs[:, 0]])
            p_b = np.array([probabilities[rows[:, b] == value].sum() for value in pairs[:, 1]])
            out[a, b] = (p * np.log(p / (p_a * p_b))).sum()
    return out


@pytest.mark.parametrize("block_bytes", [2**28, 1])
@pytest.mark.parametrize("seed", range(6))
def test_mutual_information(seed, block_bytes, monkeypatch):
    monkeypatch.setattr("skpc._queries.information._BLOCK_BYTES", block_bytes)
    circuit, X, _ = categorical_case(seed)
    model = as_model(circuit)
    rows = oracle.all_rows(model)
    expected = pairwise_information(rows, np.exp(oracle.log_likelihood(model, rows)), X.shape[1])
    actual = mutual_information(circuit, X.shape[1], circuit.inputs)
    np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-12)
    assert np.array_equal(actual, actual.T)


def test_mutual_information_under_several_trees():
    circuit, trees, shares, X, _ = mixture_case(2)
    rows = oracle.all_rows(as_model(trees[0]))
    probabilities = sum(
        share * np.exp(oracle.log_likelihood(as_model(tree), rows))
        for tree, share in zip(trees, shares, strict=True)
    )
    expected = pairwise_information(rows, probabilities, X.shape[1])
    np.testing.assert_allclose(
        mutual_information(circuit, 3, circuit.inputs), expected, rtol=1e-8, atol=1e-12
    )


def test_information_of_an_edge():
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, chain(3), np.array([2, 2, 2]), 3)
    circuit = mixture([circuit, circuit], np.array([0.3, 0.7]))
    assert np.isnan(edge_information(circuit)[[2, 5]]).all()
    above = circuit.root_weights[:3] / 0.3 @ circuit.sum_weights[1]
    expected = information(above[:, None] * circuit.sum_weights[0])
    np.testing.assert_allclose(edge_information(circuit)[[0, 3]], expected, rtol=1e-12)


# --- the estimator ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(1)
    code = rng.integers(0, 3, 150)
    x = rng.normal(size=150) + code
    table = pandas.DataFrame(
        {
            "label": pandas.Categorical.from_codes(code, ["a", "b", "c"]),
            "x": x,
            "y": x + 0.3 * rng.normal(size=150),
            "flag": rng.random(150) < 0.3 + 0.2 * code,
        }
    )
    table.loc[::9, "x"] = np.nan
    return table


@pytest.fixture(scope="module")
def model(frame):
    return SharpPCDensity(
        n_latents=3, max_iter=20, random_state=0, feature_groups=[["x", "y"]]
    ).fit(frame)


def without(frame, *names):
    return frame.assign(**{name: pandas.Series(dtype=frame[name].dtype) for name in names})


def test_contributions_of_an_estimator(model, frame):
    actual = model.feature_contributions(frame, kind="surprise")
    score = model.score_samples(frame)
    for j, name in enumerate(frame.columns[:3]):
        expected = model.score_samples(without(frame, name)) - score
        np.testing.assert_allclose(actual[:, j], expected, rtol=1e-8, atol=1e-9)
    assert (actual[::9, 1] == 0.0).all()


def test_contributions_of_groups(model, frame):
    groups = {"numbers": ["x", "y"], "first": [0], "overlap": ["label", 2]}
    actual = model.feature_contributions(frame, groups, kind="surprise")
    score = model.score_samples(frame)
    for i, names in enumerate([["x", "y"], ["label"], ["label", "y"]]):
        expected = model.score_samples(without(frame, *names)) - score
        np.testing.assert_allclose(actual[:, i], expected, rtol=1e-12, atol=1e-12)
    single = model.feature_contributions(frame, kind="surprise")
    np.testing.assert_allclose(actual[:, 1], single[:, 0], rtol=1e-9)


def test_conditional_of_an_estimator(model, frame):
    table = model.conditional_probabilities(frame, "label")
    assert table.shape == (150, 3)
    contributions = model.feature_contributions(frame, kind="surprise")[:, 0]
    chosen = table[np.arange(150), frame["label"].cat.codes]
    np.testing.assert_allclose(-np.log(chosen), contributions, rtol=1e-8, atol=1e-10)
    moments = model.conditional_moments(frame, 1)
    alone = model.conditional_moments(without(frame, "x"), "x")
    assert np.array_equal(moments.mean, alone.mean)
    assert moments.variance.min() > 0


def test_log_conditional_of_an_estimator(model, frame):
    query, evidence = without(frame, "label", "flag"), without(frame, "x")
    joint = frame
    expected = model.score_samples(joint) - model.score_samples(evidence)
    actual = model.log_conditional(query, evidence)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)
    nothing = without(frame, *frame.columns)
    assert np.array_equal(model.log_conditional(frame, nothing), model.score_samples(frame))
    assert not model.log_conditional(nothing, frame).any()


def test_latent_posterior_of_an_estimator(model, frame):
    by_name, by_number = (model.latent_posterior(frame, region) for region in ("y", 1))
    region = next(r for r, own in enumerate(model.circuit_.features) if 2 in own)
    assert np.array_equal(by_name, model.latent_posterior(frame, region))
    np.testing.assert_allclose(by_name.sum(axis=1), 1.0, rtol=1e-12)
    assert by_number.shape == (150, 3)


def test_marginal_of_an_estimator(model, frame):
    names = ["flag", "y", "x"]
    smaller = model.marginal(names)
    assert type(smaller) is SharpPCDensity
    assert smaller.feature_names_in_.tolist() == names
    assert smaller.n_features_in_ == 3
    expected = model.score_samples(without(frame, "label"))
    np.testing.assert_allclose(smaller.score_samples(frame[names]), expected, rtol=1e-10)
    again = pickle.loads(pickle.dumps(smaller))
    drawn = again.sample(20, random_state=0)
    assert drawn.dtypes.equals(frame[names].dtypes)
    assert smaller.fit(frame[names]).feature_types_ == ["categorical", "numeric", "numeric"]
    assert smaller.circuit_.n_regions == 2  # the group stayed one
    with pytest.raises(ValueError, match="feature names"):
        again.score_samples(frame)


def test_marginal_of_an_outlier_detector_is_a_density():
    X = np.random.default_rng(0).integers(0, 3, (60, 3))
    density = SharpPCDensity(2, max_iter=5, structure=[-1, 0, 1], feature_groups=None)
    detector = SharpPCOutlierDetector(density).fit(X)
    smaller = detector.marginal([1])
    assert type(smaller) is SharpPCDensity
    np.testing.assert_allclose(np.exp(smaller.score_samples([[0], [1], [2]])).sum(), 1.0)
    assert smaller.fit(X[:, 1:2]).n_features_in_ == 1


def test_completions_of_an_estimator(model, frame):
    given = frame.copy()
    given.loc[:100, "label"] = None
    drawn = model.sample(2, random_state=0, given=given)
    assert drawn.shape == (300, 4)
    assert drawn.dtypes.equals(frame.dtypes)
    assert not drawn.isna().any().any()
    kept = given.loc[given.index.repeat(2)].reset_index(drop=True)
    for name in frame.columns:
        shown = kept[name].notna()
        assert (drawn[name][shown] == kept[name][shown]).all()
    again = model.sample(2, random_state=0, given=given)
    pandas.testing.assert_frame_equal(drawn, again)
    other = given.assign(label=pandas.Categorical(["z"] * 150))
    with pytest.raises(ValueError, match=r"'z'.*'label'.*Mark it as missing"):
        model.sample(given=other)


def test_structure_frame(model):
    edges = model.structure_frame()
    assert edges.columns.tolist() == ["parent", "child", "weight", "tree"]
    assert len(edges) == 2
    assert set(edges["parent"]) | set(edges["child"]) == {"label", "x, y", "flag"}
    assert (edges["weight"] > 0).all()
    X = np.random.default_rng(0).integers(0, 2, (50, 4))
    rat = SharpPCDensity(n_latents=2, max_iter=3, structure="rat", n_components=2).fit(X)
    edges = rat.structure_frame()
    assert set(edges["tree"]) == {0, 1}
    assert edges["parent"].str.startswith("latent ").all()
    assert {"x0", "x1", "x2", "x3"} < set(edges["child"])


def test_structure_frame_needs_pandas(model, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        model.structure_frame()


def test_mutual_information_of_numbers_is_that_of_their_eighths():
    """Of one state, a group of two numbers has one normal distribution on their normal scale."""
    rng = np.random.default_rng(0)
    z = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], 400)
    X = np.stack([np.exp(z[:, 0]), z[:, 1], rng.normal(size=400)], axis=1)
    parameters = {"feature_types": "numeric", "feature_groups": [[0, 1]], "mu": 0}
    model = SharpPCDensity(n_latents=1, random_state=0, **parameters).fit(X)
    (group,) = [one for one in model.circuit_.inputs if one.n_columns == 2]
    deviations = np.sqrt(np.diagonal(group.covariances[0]))
    normal = multivariate_normal(cov=group.covariances[0] / np.outer(deviations, deviations))
    edges = norm.ppf(np.arange(9) / 8).clip(-9.0, 9.0)
    below = np.array([[normal.cdf([a, b]) for b in edges] for a in edges])
    joint = np.diff(np.diff(below, axis=0), axis=1)
    expected = (joint * np.log(64.0 * joint)).sum()
    found = model.mutual_information()
    np.testing.assert_allclose(found[0, 1], expected, rtol=1e-3)
    np.testing.assert_allclose(found[2], [0.0, 0.0, np.log(8.0)], atol=1e-9)
    np.testing.assert_array_equal(found, found.T)


def test_mutual_information_of_mixed_columns_is_that_of_draws(model):
    drawn = model.sample(200_000, random_state=0)
    found = model.mutual_information()
    counted = {
        name: pandas.factorize(column)[0]
        if column.dtype.kind != "f"
        else np.searchsorted(model.condition().quantile(np.arange(1, 8) / 8, name), column)
        for name, column in drawn.items()
    }
    for i, first in enumerate(counted.values()):
        for j, second in enumerate(counted.values()):
            expected = mutual_info_score(first, second)
            np.testing.assert_allclose(found[i, j], expected, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, X: m.conditional_moments(X, "nothing"), "'nothing', which is neither"),
        (lambda m, X: m.conditional_probabilities(X, 4), "position below 4"),
        (lambda m, X: m.feature_contributions(X, {"a": ["nothing"]}), r"groups\['a'\]"),
        (lambda m, X: m.feature_contributions(X, {}), r"groups must be a dict .*got \{\}"),
        (lambda m, X: m.feature_contributions(X, [[0]]), r"groups must be a dict .*got \[\[0\]\]"),
        (lambda m, X: m.feature_contributions(X, {"a": "x"}), "sequence of column names"),
        (lambda m, X: m.feature_contributions(X, {"a": []}), "at least one"),
        (lambda m, X: m.marginal([]), "at least one"),
        (lambda m, X: m.marginal(["x", 1]), "each column once"),
        (lambda m, X: m.latent_posterior(X, 3), "below the number of regions, 3; got 3"),
        (lambda m, X: m.latent_posterior(X, -1), "got -1"),
        (lambda m, X: m.log_conditional(X, X[:3]), "as many rows"),
        (lambda m, X: m.log_conditional(X, X.assign(y=0.0)), "contradict each other in row 0"),
        (lambda m, X: m.sample(0, given=X), "n_samples"),
    ],
)
def test_errors(call, message, model, frame):
    with pytest.raises(ValueError, match=message):
        call(model, frame)


def test_a_column_name_is_ambiguous_in_several_trees(frame):
    model = SharpPCDensity(n_latents=2, max_iter=3, structure="rat", n_components=2).fit(frame)
    with pytest.raises(ValueError, match="once in each of 2 trees"):
        model.latent_posterior(frame, "label")


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.feature_contributions([[0]]),
        lambda m: m.conditional_moments([[0]], 0),
        lambda m: m.conditional_probabilities([[0]], 0),
        lambda m: m.log_conditional([[0]], [[0]]),
        lambda m: m.latent_posterior([[0]], 0),
        lambda m: m.mutual_information(),
        lambda m: m.structure_frame(),
        lambda m: m.marginal([0]),
        lambda m: m.sample(given=[[0]]),
    ],
)
def test_unfitted(call):
    with pytest.raises(NotFittedError):
        call(SharpPCDensity())


@pytest.mark.parametrize("structure", ["chow-liu", "rat"])
def test_pointwise_total_correlation_is_that_of_single_columns(structure, monkeypatch):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 3, (60, 2)), rng.normal(size=(60, 3))]).astype(float)
    X[:, 3] += X[:, 2]
    X[rng.random(X.shape) < 0.1] = np.nan
    parameters = {"n_latents": 2, "max_iter": 5, "structure": structure, "random_state": 0}
    groups = None if structure == "rat" else [[2, 3]]
    model = SharpPCDensity(feature_groups=groups, **parameters).fit(X)
    expected = model.score_samples(X)
    for j in range(5):
        expected -= model.score_samples(np.where(np.arange(5) == j, X, np.nan))
    np.testing.assert_allclose(model.pointwise_total_correlation(X), expected, atol=1e-11)
    monkeypatch.setattr("skpc._queries.information._BLOCK_BYTES", 8 * 5 * 3)  # a column at a time
    np.testing.assert_allclose(model.pointwise_total_correlation(X), expected, atol=1e-11)


def test_mean_of_the_pointwise_total_correlation_is_that_of_the_model():
    """Of two columns, their mutual information."""
    X = np.random.default_rng(0).integers(0, 2, (80, 1)) ^ (np.arange(160).reshape(80, 2) % 7 == 0)
    model = SharpPCDensity(n_latents=3, max_iter=20, random_state=0).fit(X.astype(int))
    worlds = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    mean = np.exp(model.score_samples(worlds)) @ model.pointwise_total_correlation(worlds)
    assert mean == pytest.approx(model.mutual_information()[0, 1], abs=1e-12)


# --- memory ------------------------------------------------------------------------------


def mixed_table(n_rows):
    """Numbers, strings and categories, of several megabytes if there are many rows."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(n_rows, 4))
    shift = (numbers[:, 0] > 0).astype(int)
    labels = np.array([f"label {i}" for i in range(12)], object)
    drawn = [labels[rng.integers(0, 11, n_rows) + shift] for _ in range(4)]
    columns = {f"number{i}": numbers[:, i] + shift for i in range(4)}
    columns |= {f"label{i}": pandas.Series(drawn[i], dtype=object) for i in range(2)}
    columns |= {f"category{i}": pandas.Categorical(drawn[2 + i]) for i in range(2)}
    X = pandas.DataFrame(columns)
    X.loc[rng.random(n_rows) < 0.1, ["number0", "label0"]] = np.nan
    return X


@pytest.fixture(scope="module")
def of_mixed():
    """A density, an imputer of each strategy, a classifier and a detector."""
    X = mixed_table(1_000)
    density = SharpPCDensity(8, max_iter=2, tol=0, random_state=0)
    models = {"density": density.fit(X)}
    for strategy in ("median_mode", "mean_mode", "sample", "max_product"):
        models[strategy] = SharpPCImputer(FrozenEstimator(density), strategy=strategy).fit(X)
        models[strategy].random_state = 0
    models["classifier"] = SharpPCClassifier(density).fit(X, X["number1"] > 0)
    models["detector"] = SharpPCOutlierDetector(
        SharpPCDensity(8, mu=0.01, n_components=2, max_iter=2, random_state=0)
    ).fit(X)
    return models


QUERIES = {
    "score_samples": lambda of, X: of["density"].score_samples(X),
    "hessian_trace": lambda of, X: of["density"].hessian_trace(X),
    "feature_contributions": lambda of, X: of["density"].feature_contributions(X),
    "conditional_probabilities": lambda of, X: of["density"].conditional_probabilities(X, "label1"),
    "conditional_moments": lambda of, X: of["density"].conditional_moments(X, "number1"),
    "latent_posterior": lambda of, X: of["density"].latent_posterior(X, 0),
    "log_conditional": lambda of, X: of["density"].log_conditional(X, X.assign(number1=np.nan)),
    "pointwise_total_correlation": lambda of, X: of["density"].pointwise_total_correlation(X),
    "sample": lambda of, X: of["density"].sample(len(X), random_state=0),
    "sample given": lambda of, X: of["density"].sample(1, random_state=0, given=X),
    "sample given one": lambda of, X: of["density"].sample(len(X), random_state=0, given=X[:1]),
    "predict_proba": lambda of, X: of["classifier"].predict_proba(X),
    "detector": lambda of, X: of["detector"].decision_function(X),
    **{
        f"imputer {strategy}": lambda of, X, strategy=strategy: of[strategy].transform(X)
        for strategy in ("median_mode", "mean_mode", "sample", "max_product")
    },
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_bounded_by_the_working_memory(of_mixed, query):
    """It needs that, at most three times the data and a mask of them, and has the same bits."""
    ask = partial(QUERIES[query], of_mixed)
    X = mixed_table(30_000)
    n_bytes = X.size * 8 * (2 if query == "log_conditional" else 1)  # that asks of two tables
    ask(X[:50])  # compiles
    with sklearn.config_context(working_memory=1):
        tracemalloc.start()
        try:
            little = ask(X)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < (3 + 1 / 8) * n_bytes + 2**20
    with sklearn.config_context(working_memory=1024):
        much = ask(X)
    for a, b in zip(*(x if isinstance(x, tuple) else [x] for x in (little, much)), strict=True):
        if isinstance(a, pandas.DataFrame):
            pandas.testing.assert_frame_equal(a, b, check_exact=True)
        else:
            np.testing.assert_array_equal(a, b)


def test_circuits_know_encoded_tables():
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "year": rng.choice([2007, 2008, 2010], 80),
            "island": pandas.Categorical(
                rng.choice(["b", "c", "a"], 80), categories=["c", "a", "b"]
            ),
            "mass": rng.normal(4000.0, 500.0, 80),
        }
    )
    frame.loc[::7, ["island", "mass"]] = None
    model = SharpPCDensity(n_latents=2, random_state=0).fit(frame)
    encoded = model.encode(frame)
    assert encoded.dtype == np.float64
    np.testing.assert_array_equal(encoded[:, 0], frame["year"])
    np.testing.assert_array_equal(
        encoded[:, 1], frame["island"].map({"c": 0.0, "a": 1.0, "b": 2.0}).astype(float)
    )
    expected = log_likelihood(model.circuit_, encoded)
    np.testing.assert_array_equal(model.score_samples(frame), expected)
