"""Regions of several columns, independent given the state, against a region for each column."""

import pickle
from itertools import product

import numpy as np
import pandas
import pytest
from helpers import gather, positive, random_gaussian
from scipy.special import logsumexp
from scipy.stats import binom

from skpc import SharpPCDensity, SharpPCImputer
from skpc._circuit.circuit import Circuit, mixture
from skpc._circuit.inputs.composite import Composite
from skpc._circuit.inputs.inputs import Inputs
from skpc._circuit.inputs.table import Binomial, Categorical
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, GAUSSIAN, Scope
from skpc._learning.em import EStep, fit_em
from skpc._learning.mstep import MStep
from skpc._learning.progress import Progress
from skpc._passes.likelihood import log_likelihood
from skpc._queries.contributions import contributions
from skpc._queries.imputation import complete
from skpc._queries.information import mutual_information
from skpc._queries.marginals import (
    column_entries,
    conditional_moments,
    conditional_probabilities,
    marginal,
)
from skpc._queries.posteriors import posteriors
from skpc._queries.sampling import sample, sample_given
from skpc.curvature import hessian_trace

pytestmark = pytest.mark.usefixtures("one_thread")

RTOL = 1e-9  # sums in another order, of densities that lose a digit or two
K = 3
LEAST = 1e-300


def table(rng, n, first=0.0):
    """A distribution over n categories."""
    return Categorical(np.arange(n) + first, positive(rng, K, n).T, rng.uniform(1e-3, 1e-2, K))


def levels(rng, n):
    """A binomial one over n levels."""
    probs = binom.pmf(np.arange(n)[:, None], n - 1, rng.uniform(0.1, 0.9, K))
    return Binomial(np.arange(float(n)), probs, rng.uniform(1e-3, 1e-2, K))


def circuit_of(rng, distributions, parents, columns):
    """The circuit of regions with these distributions, of `columns` in their order."""
    sizes = [0 if one is None else one.n_columns for one in distributions]
    features = np.split(np.asarray(columns), np.cumsum(sizes)[:-1])
    inputs = Inputs.of(features, distributions, K)
    sum_weights = positive(rng, len(parents), K, K)
    sum_weights[parents < 0] = np.eye(K)
    return Circuit(parents, inputs.features, positive(rng, K), sum_weights, inputs)


def mixed(rng):
    """Two composites, of which one has three columns, and a table between them."""
    return circuit_of(
        rng,
        [
            Composite((table(rng, 3), random_gaussian(rng, K, 1))),
            table(rng, 2),
            Composite((levels(rng, 4), random_gaussian(rng, K, 1), table(rng, 3, 5.0))),
        ],
        np.array([1, -1, 1]),
        [4, 0, 2, 5, 1, 3],
    )


def discrete(rng):
    """Two composites of categories below a region that observes nothing."""
    first = Composite((table(rng, 3), levels(rng, 3)))
    second = Composite((table(rng, 2), table(rng, 2)))
    return circuit_of(rng, [first, None, second], np.array([1, -1, 1]), [2, 0, 1, 3])


def expanded(circuit):
    """The same with a region for each column of a composite, below one that observes nothing."""
    parents, features = list(circuit.parents), list(circuit.features)
    one_each, weights = list(circuit.inputs), list(circuit.sum_weights)
    same = np.eye(circuit.n_latents) + LEAST
    for region, composite in enumerate(circuit.inputs):
        if circuit.inputs.kinds[region] != "composite":
            continue
        parents += [region] * composite.n_columns
        features += [circuit.features[region][[i]] for i in range(composite.n_columns)]
        one_each += composite.parts
        weights += [same] * composite.n_columns
        features[region], one_each[region] = np.empty(0, np.int64), None
    inputs = Inputs.of(features, one_each, circuit.n_latents)
    return Circuit(
        np.array(parents), inputs.features, circuit.root_weights, np.array(weights), inputs
    )


def rows_for(rng, circuit, n=60, missing=0.25):
    """Independent values, a share of them missing, and a category never seen."""
    X = np.empty((n, sum(map(len, circuit.features))))
    for region, columns in enumerate(circuit.features):
        for entry, column in enumerate(columns):
            known = circuit.inputs[region].categories_of(entry)
            X[:, column] = rng.normal(0, 2, n) if known is None else rng.choice(known, n)
    X[rng.random(X.shape) < missing] = np.nan
    X[0, circuit.features[0][0]] = 77.0
    X[1] = np.nan
    X[:5] = X[5:10]
    return X


def case(seed, make=mixed):
    rng = np.random.default_rng(seed)
    circuit = make(rng)
    circuit.check()
    return circuit, rows_for(rng, circuit), rng


each_make = pytest.mark.parametrize("make", [mixed, discrete])
each_seed = pytest.mark.parametrize("seed", range(3))


@each_make
@each_seed
def test_a_mixture_with_single_columns_is_the_same(seed, make):
    circuit, X, _ = case(seed, make)
    both = mixture([circuit, expanded(circuit)], np.array([0.3, 0.7]))
    np.testing.assert_allclose(
        log_likelihood(both, X), log_likelihood(circuit, X), rtol=RTOL, atol=1e-12
    )
    np.testing.assert_allclose(
        contributions(both, X), contributions(circuit, X), rtol=1e-8, atol=1e-10
    )
    filled, expected = (
        complete(c, X, "mean_mode", np.random.RandomState(0)) for c in (both, circuit)
    )
    np.testing.assert_allclose(filled, expected, rtol=RTOL)


def test_two_categorical_columns_by_enumeration():
    rng = np.random.default_rng(0)
    a, b = table(rng, 3), table(rng, 4)
    circuit = circuit_of(rng, [Composite((a, b))], np.array([-1]), [1, 0])
    X = np.array([[y, x] for x, y in product(range(3), range(4))], float)
    expected = np.einsum("k,xk,yk->xy", circuit.root_weights, a.probs, b.probs).ravel()
    actual = np.exp(log_likelihood(circuit, X))
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
    assert actual.sum() == pytest.approx(1.0, rel=1e-12)


@each_make
@each_seed
def test_scores_posteriors_and_curvature_are_those_of_single_columns(seed, make):
    circuit, X, _ = case(seed, make)
    other = expanded(circuit)
    np.testing.assert_allclose(
        log_likelihood(circuit, X), log_likelihood(other, X), rtol=RTOL, atol=1e-12
    )
    np.testing.assert_allclose(
        posteriors(circuit, X, [2, 0]), posteriors(other, X, [2, 0]), rtol=RTOL, atol=1e-14
    )
    assert (hessian_trace(circuit, X) < hessian_trace(other, X)).all()  # it has fewer edges


@each_make
@each_seed
def test_contributions_are_those_of_single_columns(seed, make):
    circuit, X, _ = case(seed, make)
    np.testing.assert_allclose(
        contributions(circuit, X), contributions(expanded(circuit), X), rtol=1e-8, atol=1e-10
    )


@each_make
def test_conditionals_are_those_of_single_columns(make):
    circuit, X, _ = case(3, make)
    for column in range(X.shape[1]):
        region, entry = next((r, e) for r, e, j in column_entries(circuit) if j == column)
        has_categories = circuit.inputs[region].categories_of(entry) is not None
        ask = conditional_probabilities if has_categories else conditional_moments
        actual, expected = (ask(c, X, column) for c in (circuit, expanded(circuit)))
        for a, b in zip(actual, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=RTOL)


@each_make
@pytest.mark.parametrize("strategy", ["median_mode", "mean_mode", "max_product"])
def test_completions_are_those_of_single_columns(strategy, make):
    circuit, X, _ = case(4, make)
    filled, expected = (
        complete(c, X, strategy, np.random.RandomState(0)) for c in (circuit, expanded(circuit))
    )
    assert not np.isnan(filled).any()
    np.testing.assert_allclose(filled, expected, rtol=RTOL)


def test_information_between_columns_is_that_of_single_columns():
    circuit, X, _ = case(5, discrete)
    one_by_one = expanded(circuit)
    actual = mutual_information(circuit, X.shape[1], circuit.inputs)
    expected = mutual_information(one_by_one, X.shape[1], one_by_one.inputs)
    np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-12)
    continuous = case(5)[0]
    with pytest.raises(ValueError, match="Column 0 is continuous"):
        mutual_information(continuous, 6, continuous.inputs)


def frequencies(X, cells):
    return np.array([(cell == X).all(axis=1).mean() for cell in cells])


def test_draws_have_the_frequencies_of_the_enumeration():
    circuit, _, _ = case(6, discrete)
    known = {
        int(column): circuit.inputs[region].categories_of(entry)
        for region in (0, 2)
        for entry, column in enumerate(circuit.features[region])
    }
    cells = np.array(list(product(*(known[j] for j in range(4)))))
    p = np.exp(log_likelihood(circuit, cells))
    assert p.sum() == pytest.approx(1.0, rel=1e-12)
    n = 40_000
    error = 5 * np.sqrt(p * (1 - p) / n) + 1e-4
    drawn = sample(circuit, n, 4, np.random.RandomState(0))
    assert (np.abs(frequencies(drawn, cells) - p) < error).all()
    column = circuit.features[0][0]
    given = np.full((1, 4), np.nan)
    given[0, column] = known[int(column)][1]
    matching = cells[:, column] == given[0, column]
    p = np.where(matching, p, 0.0) / p[matching].sum()
    drawn = sample_given(circuit, given, n, np.random.RandomState(1))
    assert (drawn[:, column] == given[0, column]).all()
    error = 5 * np.sqrt(p * (1 - p) / n) + 1e-4
    assert (np.abs(frequencies(drawn, cells) - p) < error).all()


def test_draws_given_a_row_do_not_depend_on_blocks():
    circuit, X, _ = case(7)
    one, many = (
        sample_given(circuit, X, 3, np.random.RandomState(0), max_bytes=size)
        for size in (2**30, 40_000)
    )
    assert np.array_equal(one, many)
    seen = np.repeat(~np.isnan(X), 3, axis=0)
    assert np.array_equal(one[seen], np.repeat(X, 3, axis=0)[seen])


@pytest.mark.parametrize("columns", [[0, 1], [4], [5, 3, 2], [3], [1, 0, 4, 2]])
def test_marginals_sum_out_the_others(columns):
    circuit, X, _ = case(8)
    smaller = marginal(circuit, np.array(columns))
    others = np.full_like(X, np.nan)
    others[:, columns] = X[:, columns]
    np.testing.assert_allclose(
        log_likelihood(smaller, X[:, columns]), log_likelihood(circuit, others),
        rtol=RTOL, atol=1e-12,
    )  # fmt: skip


def test_a_composite_of_which_one_category_is_left_is_a_table():
    circuit, _, _ = case(8)
    smaller = marginal(circuit, np.array([4]))
    assert smaller.inputs.kinds == ("categorical",)
    assert smaller.inputs.distributions == {}


@each_make
@each_seed
def test_a_step_of_em_is_that_of_single_columns(seed, make):
    circuit, X, rng = case(seed, make)
    weights = rng.uniform(0.1, 3.0, len(X))
    updated = []
    for c in circuit, expanded(circuit):
        updated.append(MStep(pseudocount=0.3)(c, gather(c, X, weights)))
    new, other = updated
    np.testing.assert_allclose(new.root_weights, other.root_weights, rtol=RTOL)
    np.testing.assert_allclose(
        new.sum_weights[circuit.parents >= 0],
        other.sum_weights[:3][circuit.parents >= 0],
        rtol=RTOL,
    )
    again = expanded(new)
    for a, b in zip(again.inputs, other.inputs, strict=True):
        if a is not None:
            for (name, x), y in zip(a.to_arrays().items(), b.to_arrays().values(), strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-8, atol=1e-12, err_msg=name)


def test_em_never_lowers_the_likelihood():
    circuit, X, rng = case(9)
    X = X[X[:, circuit.features[0][0]] != 77.0]
    weights = rng.uniform(0.1, 3.0, len(X))
    e_step = EStep(circuit, circuit.inputs.encode(X), weights)
    result = fit_em(circuit, Progress(circuit, tol=0.0), e_step, MStep(), 40)
    assert np.diff(result.log_likelihoods).min() > -1e-12


@each_seed
def test_gradients_are_those_of_differences(seed):
    rng = np.random.default_rng(seed)
    one = Composite((table(rng, 3), random_gaussian(rng, K, 1), levels(rng, 4)))
    values = np.stack([rng.choice(3, 20), rng.normal(size=20), rng.choice(4, 20)], axis=1)
    values[rng.random(values.shape) < 0.2] = np.nan
    counts = rng.normal(size=(20, K))
    parameters, gradient = one.free_parameters(), one.free_gradient(one.summarize(values, counts))
    assert len(parameters) == len(gradient) == one.n_free_arrays

    def objective(i, index, step):
        changed = [parameter.copy() for parameter in parameters]
        changed[i][index] += step
        return (counts * one.with_free_parameters(changed).log_prob(values)).sum()

    for i, part in enumerate(gradient):
        for index, actual in np.ndenumerate(part):
            expected = (objective(i, index, 1e-6) - objective(i, index, -1e-6)) / 2e-6
            assert actual == pytest.approx(expected, abs=1e-6)


def test_grouped_rows_say_the_same_as_rows_that_are_read():
    circuit, X, _ = case(10)
    scopes = [Scope(np.array([j]), GAUSSIAN, None) for j in range(6)]
    for region, columns in enumerate(circuit.features):
        for entry, j in enumerate(columns):
            known = circuit.inputs[region].categories_of(entry)
            if known is not None:
                scopes[j] = Scope(np.array([j]), CATEGORICAL, known)
    rows = Rows.encode(X, scopes, np.ones(len(X))).grouped(circuit.features)
    assert [scope.kind for scope in rows.scopes] == ["composite", "categorical", "composite"]
    read = circuit.inputs.encode(X)
    assert np.array_equal(rows.evidence.n_symbols, read.n_symbols)
    for (a, b), symbols, others in zip(
        zip(rows.evidence.values, read.values, strict=True),
        rows.evidence.dense_symbols, read.dense_symbols, strict=True,
    ):  # fmt: skip
        if a is not None:
            one, two = a[symbols], b[others]
            assert np.array_equal(np.where(two == 77.0, np.inf, two), one, equal_nan=True)


def test_arrays_and_pickles_bring_it_back():
    circuit, X, _ = case(11)
    again = pickle.loads(pickle.dumps(circuit))
    assert np.array_equal(log_likelihood(again, X), log_likelihood(circuit, X))
    composite = circuit.inputs[2]
    copy = Composite.from_arrays(composite.to_arrays())
    values = X[:, circuit.features[2]]
    assert np.array_equal(copy.log_prob(values), composite.log_prob(values))
    arrays = composite.to_arrays()
    with pytest.raises(ValueError, match="go with probs"):
        Composite.from_arrays({**arrays, "0.probs": arrays["0.probs"][:-1]})
    with pytest.raises(ValueError, match="no distribution of kind 'other'"):
        Composite.from_arrays({**arrays, "kinds": np.array(["other"] * 3)})
    with pytest.raises(ValueError, match=r"'2\..*' is of none of the 2 parts"):
        Composite.from_arrays({**arrays, "kinds": arrays["kinds"][:-1]})
    with pytest.raises(ValueError, match="distributions that are no composites"):
        Inputs.of([np.arange(2)], [Composite((composite, composite))], K)


# --- whole models ----------------------------------------------------------------------


def frame(n=250, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    data = pandas.DataFrame(
        {
            "x": rng.normal(3.0 * group, 1.0),
            "colour": pandas.Categorical.from_codes(
                (group + (rng.random(n) < 0.2)) % 3, ["red", "green", "blue"]
            ),
            "y": rng.normal(-group, 0.5),
            "z": rng.normal(size=n) + group,
            "flag": (rng.random(n) < np.array([0.1, 0.5, 0.9])[group]).astype(float),
            "grade": rng.binomial(5, np.array([0.2, 0.5, 0.9])[group]).astype(float),
        }
    )
    return data.mask(rng.random(data.shape) < missing)


GROUPS = [["x", "colour"], ["flag", "grade"], ["y", "z"]]


def fitted(data, weights=None, **parameters):
    given = {
        "n_latents": 4, "feature_groups": GROUPS, "feature_types": {"grade": "binomial"},
        "max_iter": 12, "random_state": 0, **parameters,
    }  # fmt: skip
    return SharpPCDensity(**given).fit(data, sample_weight=weights)


@pytest.mark.parametrize(("kind", "of_group"), [("numeric", "copula"), ("gaussian", "gaussian")])
def test_groups_of_numbers_alone_have_a_full_covariance(kind, of_group):
    types = {"grade": "binomial", "flag": "auto", "y": kind, "z": kind}
    inputs = fitted(frame(), feature_types=types).circuit_.inputs
    found = {tuple(columns): inputs.kinds[region] for region, columns in enumerate(inputs.features)}
    assert found == {(0, 1): "composite", (4, 5): "composite", (2, 3): of_group}
    assert inputs[[tuple(c) for c in inputs.features].index((4, 5))].kinds == (
        "categorical", "binomial",
    )  # fmt: skip


def test_one_group_of_all_columns_is_a_latent_class_model():
    data = frame()
    model = fitted(data, feature_groups=[list(data)])
    (composite,) = model.circuit_.inputs
    X = model._validate(data)
    logs = sum(part.log_prob(X[:, [j]]) for j, part in enumerate(composite.parts))
    expected = logsumexp(logs + np.log(model.circuit_.root_weights), axis=1)
    np.testing.assert_allclose(model.score_samples(data), expected, rtol=1e-10)


@pytest.mark.parametrize(
    "parameters",
    [
        {}, {"init": "random"}, {"structure": "rat", "n_components": 2}, {"structure": "chain"},
        {"n_components": 2}, {"batch_size": 50}, {"solver": "adam", "mu": 1e-4},
        {"dtype": "float32"}, {"early_stopping": False, "mu": 0.1},
    ],
)  # fmt: skip
def test_every_way_to_learn_beats_one_state(parameters):
    data = frame()
    alone = fitted(data, n_latents=1, early_stopping=False).score(data)
    assert fitted(data, **parameters).score(data) > alone + 0.5


@pytest.mark.parametrize("init", ["cluster", "random"])
def test_integer_weights_are_repetitions_to_the_last_bit(init):
    data = frame(100)
    counts = np.random.default_rng(1).integers(0, 4, 100)
    data.loc[[0, 1, 2]] = data.loc[[3, 4, 5]].to_numpy()
    one = fitted(data, counts, init=init, early_stopping=False)
    order = np.random.default_rng(2).permutation(np.repeat(data.index, counts))
    two = fitted(data.loc[order], init=init, early_stopping=False)
    assert np.array_equal(one.score_samples(data), two.score_samples(data))


def test_categories_that_only_other_rows_have_are_unseen_ones():
    data = frame(120)
    kept = data["colour"] != "blue"
    train = data[kept].assign(colour=data.loc[kept, "colour"].astype(object))
    whole = data.assign(colour=data["colour"].astype(object))
    model = SharpPCDensity(n_latents=2, feature_groups=GROUPS, random_state=0, max_iter=12)
    scores = model.fit(train, X_val=whole).score_samples(whole)
    assert np.isfinite(scores).all()
    assert scores[data["colour"] == "blue"].mean() < scores[kept].mean() - 2.0


@pytest.mark.parametrize("strategy", ["median_mode", "mean_mode", "sample", "max_product"])
def test_imputation_fills_groups(strategy):
    data = frame(missing=0.25)
    density = SharpPCDensity(n_latents=4, feature_groups=GROUPS, max_iter=12, random_state=0)
    imputer = SharpPCImputer(density, strategy=strategy, random_state=0)
    filled = imputer.fit_transform(data)
    assert not filled.isna().any(axis=None)
    for name, column in data.items():
        seen = column.notna()
        assert (filled.loc[seen, name] == column[seen]).all()
    assert set(filled["colour"]) <= {"red", "green", "blue"}


def test_columns_without_a_value_are_even_or_have_their_moments():
    circuit, _, _ = case(12)
    one = circuit.inputs[0]
    new = one.with_margins(np.array([True, True]), np.array([0.0, 7.0]), np.array([1.0, 2.0]))
    np.testing.assert_allclose(new.parts[0].probs, 1 / 3)
    np.testing.assert_allclose(new.parts[1].means, 7.0)
    np.testing.assert_allclose(new.parts[1].covariances, 4.0)


def test_a_stored_model_with_groups_is_the_same():
    data = frame()
    model = fitted(data)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.score_samples(data), model.score_samples(data))
