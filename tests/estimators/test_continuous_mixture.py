"""`structure="continuous-mixture"`: what users see of it, and queries against enumeration."""

import pickle
from itertools import product

import numpy as np
import pandas as pd
import pytest
from helpers import same_bits
from numpy.polynomial.hermite_e import hermegauss
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.special import expit, log_expit, logsumexp

from skpc import (
    SharpPCClassifier,
    SharpPCDensity,
    SharpPCDensityCV,
    SharpPCImputer,
    SharpPCOutlierDetector,
)
from skpc.curvature import hessian_trace

SIZES = (3, 2, 4, 2)
STATES = np.array(list(product(*map(range, SIZES))), float)


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """Iterations of eight steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skpc._learning.continuous_mixture.learning._STEPS", 8)
        yield


def density(**parameters):
    defaults = {"n_latents": 32, "max_iter": 2, "random_state": 0}
    return SharpPCDensity(structure="continuous-mixture", **{**defaults, **parameters})


def codes(n_rows=80, seed=0):
    rng = np.random.default_rng(seed)
    factor = rng.random(n_rows)
    X = np.column_stack([np.floor(factor * size) for size in SIZES])
    noise = rng.random(X.shape) < 0.4
    X = np.where(noise, np.floor(rng.random(X.shape) * SIZES), X)
    X[: max(SIZES)] = np.arange(max(SIZES))[:, None] % SIZES  # all are seen
    return X


def mixed(n_rows=80, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, n_rows)
    numbers = 2.0 * kinds[:, None] + rng.standard_normal((n_rows, 2))
    numbers[:, 1] = np.round(10.0 * numbers[:, 1])
    X = np.hstack([numbers, codes(n_rows, seed)[:, :3]])
    X[rng.random(X.shape) < missing] = np.nan
    return X


def assert_same(first, second):
    assert same_bits(first.circuit_, second.circuit_)


@pytest.fixture(scope="module")
def model():
    """Of a table whose states can be enumerated; two trees of 35 points."""
    return density(n_latents=70, max_iter=3).fit(codes(200))


@pytest.fixture(scope="module")
def of_mixed():
    return density().fit(mixed())


# --- the same bits ---------------------------------------------------------------------


@pytest.mark.parametrize("table", [codes(), mixed()], ids=["codes", "mixed"])
def test_the_order_and_repetition_of_rows_do_not_matter(table):
    weights = np.arange(len(table)) % 3 + 1
    order = np.random.default_rng(0).permutation(weights.sum())
    repeated = density().fit(np.repeat(table, weights, axis=0)[order])
    assert_same(density().fit(table, sample_weight=weights), repeated)


def test_weights_count():
    X = codes()
    plain, weighted = density().fit(X), density().fit(X, sample_weight=np.linspace(0.1, 3.0, 80))
    assert (plain.score_samples(X) != weighted.score_samples(X)).all()


def test_rows_without_weight_are_absent():
    X = codes()
    weights = np.arange(80) < 60
    assert_same(density().fit(X, sample_weight=weights), density().fit(X[:60]))


def test_threads_do_not_change_a_bit(monkeypatch):
    monkeypatch.setattr("skpc._learning.continuous_mixture.model._POINTS_AT_ONCE", 8)
    X = mixed(300)  # enough to be shared
    assert_same(density(n_jobs=1).fit(X), density(n_jobs=2).fit(X))


def test_seeds_differ():
    X = codes()
    assert_same(density().fit(X), density().fit(X))
    other = density(random_state=1).fit(X)
    assert (density().fit(X).score_samples(X) != other.score_samples(X)).all()


def test_it_can_be_stored(of_mixed):
    X = mixed(seed=1)
    read = pickle.loads(pickle.dumps(of_mixed))
    assert_array_equal(read.score_samples(X), of_mixed.score_samples(X))


@pytest.mark.parametrize("has_numbers", [False, True])
def test_sparse_rows_are_dense_rows(has_numbers):
    X = (codes() == 1).astype(float)
    if has_numbers:
        X[:, :2] *= np.random.default_rng(0).standard_normal((80, 2))
    sparse = density().fit(csr_array(X))
    assert_same(density().fit(X), sparse)
    assert sparse.feature_types_.count("numeric") == 2 * has_numbers


# --- how it is learnt ------------------------------------------------------------------


def test_fitted_attributes(of_mixed):
    assert of_mixed.n_latents_ == 32
    assert of_mixed.fit_report_["candidate"].tolist() == ["continuous mixture, 32 points"]
    assert of_mixed.n_iter_ == of_mixed.best_iteration_
    assert of_mixed.feature_types_[:2] == ["numeric"] * 2
    assert np.isfinite(of_mixed.score(mixed(seed=1)))


@pytest.mark.parametrize(("n_points", "n_regions"), [(1, 1), (64, 1), (65, 2), (130, 3)])
def test_n_latents_is_the_number_of_points(n_points, n_regions):
    circuit = density(n_latents=n_points, max_iter=1).fit(codes()).circuit_
    assert circuit.n_regions == n_regions
    assert n_points <= len(circuit.root_weights) < n_points + n_regions


def test_validation_rows_are_the_users():
    X, X_val = codes(), codes(50, seed=3)
    model = density(max_iter=4).fit(X, X_val=X_val)
    assert_allclose(model.score(X_val), model.validation_log_likelihoods_.max(), rtol=1e-12)
    weights = np.linspace(0.0, 2.0, 50)
    weighted = density(max_iter=4).fit(X, X_val=X_val, sample_weight_val=weights)
    expected = weighted.validation_log_likelihoods_.max()
    assert_allclose(weighted.score(X_val, sample_weight=weights), expected, rtol=1e-12)


def test_without_early_stopping_all_iterations_are_done():
    model = density(early_stopping=False, max_iter=5).fit(codes())
    assert model.n_iter_ == len(model.log_likelihoods_) == 5
    assert model.validation_log_likelihoods_ is None
    assert model.best_iteration_ is None


@pytest.mark.filterwarnings("ignore:Learning did not converge")
def test_warm_start_goes_on_from_the_circuit():
    X = codes(200)
    model = density(warm_start=True).fit(X)
    before, n_points = model.score(X), len(model.circuit_.root_weights)
    model.fit(X)
    assert len(model.circuit_.root_weights) == n_points
    assert model.score(X) > before


@pytest.mark.parametrize("batch_size", [10, 1000])
def test_batches_have_so_many_rows(batch_size):
    X = codes()
    model = density(batch_size=batch_size).fit(X)
    assert (model.score_samples(X) != density(batch_size=30).fit(X).score_samples(X)).all()


# --- tables of all kinds ---------------------------------------------------------------


@pytest.mark.parametrize(
    "X",
    [
        codes()[:, :1],
        mixed()[:, :1],
        np.random.default_rng(0).standard_normal((60, 4)),
        np.column_stack([codes(), np.ones(80)]),
        np.column_stack([mixed(), np.full(80, 2.5)]),
        codes()[:5],
        mixed(missing=0.0)[:5],
        mixed(missing=0.7),
    ],
    ids=["one of categories", "one of numbers", "numbers", "one category", "constant", "5 rows",
         "5 mixed rows", "mostly missing"],
)  # fmt: skip
def test_tables_of_all_kinds(X):
    model = density().fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    drawn = model.sample(20, random_state=0)
    assert drawn.shape == (20, X.shape[1])
    assert np.isfinite(model.score_samples(drawn)).all()
    nothing = np.full((1, X.shape[1]), np.nan)
    assert_allclose(model.score_samples(nothing), 0.0, atol=1e-9)


def test_a_constant_column_adds_nothing():
    X = codes()
    wide = np.column_stack([X, np.ones(80)])
    model = density().fit(wide)
    hidden = wide.copy()
    hidden[:, 4] = np.nan
    assert_allclose(model.score_samples(wide), model.score_samples(hidden), atol=1e-2)


def frame():
    X = codes(60)
    labels = pd.Series(X[:, 0].astype(int)).map(dict(enumerate("abc")))
    levels = pd.Series(X[:, 2].astype(int)).map(dict(enumerate(["low", "mid", "high", "top"])))
    return pd.DataFrame(
        {
            "label": pd.Categorical(labels, categories=list("abcd")),  # d is not seen
            "level": pd.Categorical(levels, ["low", "mid", "high", "top"], ordered=True),
            "number": np.random.default_rng(0).standard_normal(60),
        }
    )


def test_frames_with_declared_and_ordered_categories():
    X = frame()
    model = density().fit(X)
    unseen = X.head(1).assign(label=pd.Categorical(["d"], categories=list("abcd")))
    assert -20.0 < model.score_samples(unseen)[0] < model.score_samples(X.head(1))[0]
    drawn = model.sample(30, random_state=0)
    assert list(drawn.columns) == list(X.columns)
    assert drawn["level"].cat.ordered


@pytest.mark.parametrize("column", ["label", "number"])
def test_a_column_that_is_missing_in_all_rows_to_learn_from(column):
    """It has values in a few rows, which may be held out."""
    X = frame()
    X.loc[3:, column] = None
    for seed in range(4):
        model = density(random_state=seed).fit(X)
        assert np.isfinite(model.score_samples(X)).all()


@pytest.mark.parametrize(
    ("types", "message"),
    [
        (["categorical", "binomial"], "column 1 is of type 'binomial'"),
        (["gaussian", "categorical"], "column 0 is of type 'gaussian'"),
    ],
)
def test_types_that_a_decoder_does_not_know_are_refused(types, message):
    model = density(feature_types=types)
    with pytest.raises(ValueError, match=message):
        model.fit(codes()[:, :2])
    assert not hasattr(model, "circuit_")


def test_a_column_that_is_refused_is_called_by_its_name():
    model = density(feature_types={"number": "gaussian"})
    with pytest.raises(ValueError, match="categories and numbers; column 'number' is of type"):
        model.fit(frame())


# --- queries, on a table whose states can be enumerated --------------------------------


def log_probs(model):
    """Of all states."""
    return model.score_samples(STATES)


def hide(X, columns):
    X = X.copy()
    X[:, columns] = np.nan
    return X


def test_states_sum_to_one(model):
    assert_allclose(np.exp(log_probs(model)).sum(), 1.0, rtol=1e-12)


def test_missing_values_are_summed_out(model):
    joint = log_probs(model).reshape(SIZES)
    shown = hide(STATES, [1, 3])
    expected = logsumexp(joint, axis=(1, 3), keepdims=True)
    assert_allclose(model.score_samples(shown), np.broadcast_to(expected, SIZES).ravel())


def test_marginal(model):
    joint = log_probs(model).reshape(SIZES)
    cut = model.marginal([2, 0])
    states = np.array(list(product(range(4), range(3))), float)
    expected = logsumexp(joint, axis=(1, 3)).T
    assert_allclose(cut.score_samples(states), expected.ravel())


def test_log_conditional(model):
    joint = log_probs(model).reshape(SIZES)
    expected = joint - logsumexp(joint, axis=(0, 3), keepdims=True)
    found = model.log_conditional(hide(STATES, [1, 2]), hide(STATES, [0, 3]))
    assert_allclose(found, expected.ravel(), atol=1e-9)


def test_conditional_probabilities(model):
    joint = np.exp(log_probs(model)).reshape(SIZES)
    expected = np.moveaxis(joint / joint.sum(axis=2, keepdims=True), 2, -1)
    rows = STATES.reshape(*SIZES, 4)[:, :, 0].reshape(-1, 4)
    found = model.conditional_probabilities(rows, 2)
    assert_allclose(found, expected.reshape(-1, 4), atol=1e-12)


def test_feature_contributions(model):
    joint = log_probs(model).reshape(SIZES)
    expected = [logsumexp(joint, axis=j, keepdims=True) - joint for j in range(4)]
    found = model.feature_contributions(STATES, kind="surprise")
    assert_allclose(found, np.stack(expected, axis=-1).reshape(-1, 4), atol=1e-9)


def test_samples_have_the_probabilities_of_the_states(model):
    drawn = model.sample(40_000, random_state=0)
    places = np.ravel_multi_index(drawn.astype(int).T, SIZES)
    counts = np.bincount(places, minlength=len(STATES))
    expected = 40_000 * np.exp(log_probs(model))
    # Chi squared of 47 degrees of freedom: 95 is beyond its 0.9999 quantile.
    assert ((counts - expected) ** 2 / expected).sum() < 95.0


def test_samples_given_part_of_a_row(model):
    given = np.tile([[1.0, np.nan, 2.0, np.nan]], (4000, 1))
    drawn = model.sample(1, given=given, random_state=0)
    drawn = np.asarray(drawn).reshape(-1, 4)
    assert_array_equal(drawn[:, [0, 2]], given[:, [0, 2]])
    joint = np.exp(log_probs(model)).reshape(SIZES)[1, :, 2]
    counts = np.zeros((2, 2))
    np.add.at(counts, tuple(drawn[:, [1, 3]].astype(int).T), 1.0)
    assert_allclose(counts / 4000, joint / joint.sum(), atol=0.03)


def densities_of_points(model, X):
    """Likelihoods (n, n_points) given each point."""
    return np.hstack([np.exp(part.log_prob(X)) for part in model.circuit_.inputs])


def test_latent_posterior(model):
    own = model.circuit_.root_weights * densities_of_points(model, STATES)
    expected = own / own.sum(axis=1, keepdims=True)
    found = [model.latent_posterior(STATES, region) for region in range(model.circuit_.n_regions)]
    assert_allclose(np.hstack(found), expected, atol=1e-12)


def test_hessian_trace(model):
    """Of a mixture of points: the sum of squared ratios of likelihoods."""
    ratios = densities_of_points(model, STATES) / np.exp(log_probs(model))[:, None]
    assert_allclose(hessian_trace(model.circuit_, STATES), (ratios**2).sum(axis=1), rtol=1e-9)
    assert_allclose(model.hessian_trace(STATES), (ratios**2).sum(axis=1), rtol=1e-9)


def test_queries_of_mixed_columns(of_mixed):
    X = mixed(30, seed=2)
    shown, hidden = hide(X, [0, 3]), hide(X, [1, 2, 4])
    expected = of_mixed.score_samples(X) - of_mixed.score_samples(shown)
    assert_allclose(of_mixed.log_conditional(hidden, shown), expected, atol=1e-9)
    assert of_mixed.feature_contributions(X).shape == X.shape
    assert np.isfinite(of_mixed.hessian_trace(X)).all()
    cut = of_mixed.marginal([0, 3])
    assert_allclose(cut.score_samples(X[:, [0, 3]]), of_mixed.score_samples(hide(X, [1, 2, 4])))


def test_estimators_that_hold_a_density_take_it():
    X, y = mixed(60), np.arange(60) % 2
    assert SharpPCClassifier(density()).fit(X, y).predict_proba(X).shape == (60, 2)
    assert not np.isnan(SharpPCImputer(density()).fit(X).transform(X)).any()
    assert set(SharpPCOutlierDetector(density()).fit(X).predict(X)) <= {-1, 1}
    search = SharpPCDensityCV(density(), mus=[0.0, 0.1], cv=2).fit(X)
    assert set(search.best_estimator_.fit_report_["mu"]) == {search.mu_}


# --- quality ---------------------------------------------------------------------------

_RNG = np.random.default_rng(9)
LOADINGS, BIASES = 1.5 * _RNG.standard_normal((2, 8)), 0.5 * _RNG.standard_normal(8)


def of_logistic_factors(n_rows, seed):
    """Binary columns given two standard normal factors."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((n_rows, 2)) @ LOADINGS + BIASES
    return (rng.random((n_rows, 8)) < expit(logits)).astype(float)


def true_log_probs(X):
    nodes, weights = hermegauss(40)
    points = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    weights = np.outer(weights, weights).ravel() / weights.sum() ** 2
    logits = points @ LOADINGS + BIASES
    joint = X @ log_expit(logits).T + (1.0 - X) @ log_expit(-logits).T
    return logsumexp(joint, b=weights, axis=1)


@pytest.mark.slow
def test_a_smooth_mixture_is_found(monkeypatch):
    monkeypatch.setattr("skpc._learning.continuous_mixture.learning._STEPS", 32)
    X, test = of_logistic_factors(5000, 0), of_logistic_factors(20_000, 1)
    truth = true_log_probs(test).mean()
    found = density(n_latents=256, max_iter=None).fit(X).score(test)
    assert truth - 0.02 < found < truth + 0.005
    assert found > SharpPCDensity(1, random_state=0).fit(X).score(test) + 0.3


# --- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        ("init", "random", "is of hidden trees"),
        ("n_init", 2, "is of hidden trees"),
        ("n_components", 2, "is of hidden trees"),
        ("feature_groups", None, "is of hidden trees"),
        ("regularizer", "gated", "is of hidden trees"),
        ("solver", "adam", "is not for structure='continuous-mixture'"),
        ("update", "cubic", "is not for structure='continuous-mixture'"),
        ("dtype", "float32", "is not for structure='continuous-mixture'"),
        ("batch_size", None, "is not for structure='continuous-mixture'"),
    ],
)
def test_what_cannot_act_is_refused(parameter, value, reason):
    model = density(**{parameter: value})
    with pytest.raises(ValueError, match=rf"{parameter}={value!r} {reason}.*so it cannot act"):
        model.fit(codes())
    assert not hasattr(model, "circuit_")


@pytest.mark.parametrize(
    "others",
    [{"multiplier": "exact"}, {"mu": 0.5}, {"pseudocount": 1.0}, {"batch_size": 7}],
)
def test_what_can_act_acts(others):
    X = codes()
    settings = {"max_iter": 8, "early_stopping": False}  # which would keep the start
    plain, other = density(**settings).fit(X), density(**settings, **others).fit(X)
    assert (plain.score_samples(X) != other.score_samples(X)).any()
