"""`structure="auto"`: trees, mixtures of trees and continuous mixtures, chosen and stacked."""

import pickle
import re

import numpy as np
import pytest
from helpers import same_bits
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

from skpc import SharpPCDensity
from skpc._circuit.stack import stacked
from skpc.circuit import log_likelihood

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", autouse=True)
def small():
    """Continuous mixtures of few points, learnt in few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skpc._learning.continuous_mixture.learning._STEPS", 8)
        patch.setattr("skpc._learning.capacity.points_for", lambda total_weight: 16)
        yield


def auto(**parameters):
    defaults = {"max_iter": 4, "early_stopping": 0.2, "n_components": 4, "random_state": 0}
    return SharpPCDensity(structure="auto", **{**defaults, **parameters})


def table(n_rows=80, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, n_rows)
    numbers = 2.0 * kinds[:, None] + rng.standard_normal((n_rows, 1))
    shares = np.array([0.1, 0.5, 0.9])[kinds][:, None]
    codes = (rng.random((n_rows, 3)) < shares).astype(float)
    X = np.hstack([numbers, codes])
    X[rng.random(X.shape) < missing] = np.nan
    return X


@pytest.fixture(scope="module")
def model():
    return auto().fit(table())


def names(model):
    return model.fit_report_["candidate"].tolist()


def test_the_report_tells_of_trees_mixtures_of_them_and_continuous_mixtures(model):
    report = model.fit_report_
    assert names(model)[:2] == ["independent", "2 states"]
    assert any(name.startswith("4 trees") for name in names(model))
    assert sum(name.startswith("continuous mixture, 16 points") for name in names(model)) >= 2
    assert_allclose(report["weight"].sum(), 1.0)
    assert np.isfinite(report["validation_log_likelihood"]).all()
    assert report["n_iter"][report["weight"].argmax()] == model.n_iter_ == model.best_iteration_


def beside_trees(model):
    """What was tried beside single trees, without numbers of states and points."""
    found = [name for name in names(model) if "trees" in name or "continuous" in name]
    return [re.sub(r", \d+ (states|points)", "", name) for name in found]


def all_alike(log_probs, weights, is_frugal):
    """In place of stacking."""
    return np.full(log_probs.shape[1], 1.0 / log_probs.shape[1])


def first_alone(log_probs, weights, is_frugal):
    return np.eye(log_probs.shape[1])[0]


IN_TURN = [
    "4 trees", "continuous mixture", "continuous mixture, no edges",
    "8 trees", "continuous mixture, draw 2", "continuous mixture, no edges, draw 2",
    "4 trees, draw 2", "continuous mixture, draw 3", "continuous mixture, no edges, draw 3",
    "8 trees, draw 2",
]  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "n_components", "expected"),
    [
        (all_alike, 1, IN_TURN[:1]),
        (all_alike, 10, IN_TURN),
        (first_alone, 10, IN_TURN[:4]),
    ],
)
def test_a_budget_goes_to_kinds_that_help_in_turn(weights, n_components, expected, monkeypatch):
    """A kind without weight is given up, and so may be the rest of the budget."""
    monkeypatch.setattr("skpc._learning.continuous_mixture.learning._STEPS", 1)
    monkeypatch.setattr("skpc._learning.capacity.stack", weights)
    rng = np.random.default_rng(0)
    X = np.repeat(table(60)[:, 1:], 2, axis=1)  # neighbours are alike: a forest has edges
    X[:, 1::2] = np.where(rng.random((60, 3)) < 0.1, 1.0 - X[:, 1::2], X[:, 1::2])
    assert beside_trees(auto(n_components=n_components, max_iter=2).fit(X)) == expected


def test_more_candidates_leave_those_before_them_as_they_are(monkeypatch):
    monkeypatch.setattr("skpc._learning.continuous_mixture.learning._STEPS", 1)
    monkeypatch.setattr("skpc._learning.capacity.stack", all_alike)
    X = table(60)
    few, many = (
        dict(zip(names(model), model.fit_report_["validation_log_likelihood"], strict=True))
        for model in (auto(n_components=n, max_iter=2).fit(X) for n in (1, 7))
    )
    assert few.items() <= many.items()
    first, again = (many[name] for name in many if name.startswith("4 trees"))
    assert first != again


def test_states_sum_to_one():
    model = auto().fit(table()[:, 1:])
    states = np.stack(np.meshgrid(*[[0.0, 1.0]] * 3), axis=-1).reshape(-1, 3)
    assert_allclose(np.exp(model.score_samples(states)).sum(), 1.0, rtol=1e-12)


def test_candidates_that_are_kept_are_mixed_as_the_report_says(monkeypatch):
    """Stacking is told to keep all of them: one circuit of many kinds of regions."""
    made = []

    def keep_all(log_probs, weights, is_frugal):
        shares = np.arange(1.0, log_probs.shape[1] + 1.0)
        return shares / shares.sum()

    def watched(circuits, weights):
        made.append((circuits, weights))
        return stacked(circuits, weights)

    monkeypatch.setattr("skpc._learning.capacity.stack", keep_all)
    monkeypatch.setattr("skpc._learning.capacity.stacked", watched)
    X = table(60)
    model = auto().fit(X)
    (circuits, weights), shares = made[0], model.fit_report_["weight"]
    assert_array_equal(np.sort(weights), np.sort(shares[shares > 0.0]))
    log_probs = np.stack([log_likelihood(circuit, X) for circuit in circuits], axis=1)
    assert_allclose(model.score_samples(X), logsumexp(log_probs, b=weights, axis=1), atol=1e-9)
    model.circuit_.check()
    n_roots = len(model.circuit_.roots)
    assert n_roots > np.count_nonzero(model.fit_report_["weight"]) > 5
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.score_samples(table(20, 1, missing=0.3))).all()
    assert model.feature_contributions(X).shape == X.shape
    assert np.isfinite(model.hessian_trace(X)).all()
    assert model.sample(10, random_state=0).shape == (10, 4)
    hidden = X.copy()
    hidden[:, 2:] = np.nan
    assert_allclose(model.marginal([0, 1]).score_samples(X[:, :2]), model.score_samples(hidden))


def test_the_order_and_repetition_of_rows_do_not_matter():
    X = table(50)
    weights = np.arange(50) % 2 + 1
    order = np.random.default_rng(0).permutation(weights.sum())
    weighted = auto().fit(X, sample_weight=weights)
    repeated = auto().fit(np.repeat(X, weights, axis=0)[order])
    assert same_bits(weighted.circuit_, repeated.circuit_)
    assert names(weighted) == names(repeated)
    assert_array_equal(weighted.fit_report_["weight"], repeated.fit_report_["weight"])


def test_threads_do_not_change_a_bit():
    X = table(60)
    first, second = auto(n_jobs=1).fit(X), auto(n_jobs=2).fit(X)
    assert same_bits(first.circuit_, second.circuit_)


def test_it_can_be_stored(model):
    X = table(seed=1)
    read = pickle.loads(pickle.dumps(model))
    assert_array_equal(read.score_samples(X), model.score_samples(X))
    assert names(read) == names(model)


def test_validation_rows_judge():
    X_val = table(60, seed=3)
    model = auto(early_stopping="auto").fit(table(), X_val=X_val)
    best = model.fit_report_["validation_log_likelihood"].max()
    assert model.score(X_val) >= best - 0.01


def test_without_early_stopping_it_still_chooses():
    model = auto(early_stopping=False, n_components=1).fit(table(60))
    assert model.validation_log_likelihoods_ is None
    assert np.isfinite(model.fit_report_["validation_log_likelihood"]).all()


def test_few_rows_are_independent():
    model = auto(early_stopping="auto").fit(table(9))
    assert model.n_latents_ == 1
    assert len(model.circuit_.parents) == 4


def test_columns_that_a_decoder_does_not_know_are_left_to_trees():
    model = auto(feature_types=["gaussian", *["categorical"] * 3]).fit(table())
    assert not [name for name in names(model) if name.startswith("continuous")]


@pytest.mark.filterwarnings("ignore:Learning did not converge")
def test_warm_start_goes_on_from_what_was_chosen():
    X = table()
    settings = {"n_components": 1, "tol": 0, "mu": 0, "pseudocount": (0, 0)}
    model = auto(warm_start=True, early_stopping="auto", **settings).fit(X)
    before, n_roots = model.score(X), len(model.circuit_.roots)
    model.fit(X)
    assert len(model.circuit_.roots) == n_roots
    assert model.score(X) >= before
    with pytest.raises(ValueError, match="n_components=2 cannot act: the fit goes on from"):
        model.set_params(n_components=2).fit(X)


def test_missing_values():
    X = table(missing=0.2)
    X[0] = np.nan
    model = auto().fit(X)
    assert_allclose(model.score_samples(X[:1]), 0.0, atol=1e-9)
    assert np.isfinite(model.score_samples(X)).all()


def smooth(n_rows, seed):
    """Binary columns given two factors."""
    rng = np.random.default_rng(seed)
    loadings = 1.5 * np.random.default_rng(9).standard_normal((2, 8))
    logits = rng.standard_normal((n_rows, 2)) @ loadings
    return (rng.random((n_rows, 8)) < 1.0 / (1.0 + np.exp(-logits))).astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("draw", [smooth, table])
def test_it_is_hardly_worse_than_trees(draw):
    """Where there are rows enough to choose by."""
    X, X_val, test = draw(300, 0), draw(2000, 1), draw(10_000, 2)
    trees = SharpPCDensity(random_state=0).fit(X, X_val=X_val)
    model = auto(max_iter=None, early_stopping="auto").fit(X, X_val=X_val)
    assert model.score(test) > trees.score(test) - 0.02


@pytest.mark.parametrize(("parameter", "value"), [("n_latents", 2), ("solver", "adam")])
def test_what_it_chooses_cannot_be_set(parameter, value):
    model = auto(**{parameter: value})
    message = rf"{parameter}={value!r} cannot be set where structure='auto' chooses it; so it"
    with pytest.raises(ValueError, match=message):
        model.fit(table(20))
    assert not hasattr(model, "circuit_")
