"""Estimators that hold a density: what they do with the one given, and what they pass on."""

import inspect
import pickle
from numbers import Integral

import numpy as np
import pandas
import polars
import pytest
import skops.io
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

import skpc
from skpc import (
    SharpPCClassifier,
    SharpPCDensity,
    SharpPCDensityCV,
    SharpPCImputer,
    SharpPCMissingnessDensity,
    SharpPCOutlierDetector,
)

KINDS = {
    "cv": lambda density=None, **own: SharpPCDensityCV(
        density, **{"cv": 2, "mus": [0, 0.1], **own}
    ),
    "detector": SharpPCOutlierDetector,
    "imputer": SharpPCImputer,
    "missingness": SharpPCMissingnessDensity,
    "classifier": SharpPCClassifier,
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
HOLDERS = {name: KINDS[name] for name in ("cv", "detector")}
each_holder = pytest.mark.parametrize("kind", HOLDERS.values(), ids=HOLDERS)


def density(**parameters):
    settings = {"n_latents": 2, "max_iter": 4, "tol": 0.0, "random_state": 0, **parameters}
    return SharpPCDensity(**settings)


def frame(n_rows=60):
    rng = np.random.default_rng(0)
    return pandas.DataFrame(
        {
            "colour": np.array(["red", "blue"])[rng.integers(0, 2, n_rows)],
            "size": rng.normal(size=n_rows).round(2),
            "flag": rng.random(n_rows) < 0.3,
        }
    )


LABELS = np.arange(60) % 2


def held(model):
    """The fitted densities of an estimator."""
    if isinstance(model, SharpPCClassifier):
        return [model.density_]
    if isinstance(model, SharpPCImputer | SharpPCMissingnessDensity):
        return [model.density_]
    return [model.best_estimator_ if isinstance(model, SharpPCDensityCV) else model.estimator_]


def test_a_density_has_few_parameters_and_a_composed_estimator_its_own_alone():
    assert len(inspect.signature(SharpPCDensity).parameters) <= 23
    for kind in (
        SharpPCClassifier,
        SharpPCDensityCV,
        SharpPCImputer,
        SharpPCMissingnessDensity,
        SharpPCOutlierDetector,
    ):
        names = inspect.signature(kind).parameters.keys()
        assert next(iter(names)) == "estimator"
        assert names & inspect.signature(SharpPCDensity).parameters.keys() <= {
            "n_components",  # of a detector: densities in its mixture, as trees are in theirs
            "random_state",
            "verbose",
        }
        assert kind._parameter_constraints.keys() == names
        assert not issubclass(kind, SharpPCDensity)


@each_kind
def test_the_template_is_left_alone(kind):
    template = density(random_state=np.random.RandomState(0)).fit(frame())
    before = pickle.dumps(vars(template))
    model = kind(template)
    model.fit(frame(), LABELS)
    assert pickle.dumps(vars(template)) == before
    assert model.estimator is template
    assert all(one is not template for one in held(model))


@each_kind
def test_parameters_of_the_density_are_reached_through_the_estimator(kind):
    model = kind(density())
    assert model.get_params()["estimator__n_latents"] == 2
    again = clone(model).set_params(estimator__n_latents=3)
    assert again.estimator is not model.estimator
    assert model.estimator.n_latents == 2
    assert {one.circuit_.n_latents for one in held(again.fit(frame(), LABELS))} == {3}


def test_searches_go_over_parameters_of_the_density():
    for kind in SharpPCClassifier, KINDS["cv"]:
        grid = {"estimator__n_latents": [1, 2]}
        search = GridSearchCV(kind(density()), grid, cv=2, error_score="raise")
        search.fit(frame(), LABELS)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    both = SharpPCDensityCV(density(), mus=[0.1], cv=2).fit(frame())
    plain = GridSearchCV(density(feature_types=both.feature_types_), {"mu": [0.1]}, cv=2)
    expected = plain.fit(frame()).cv_results_
    assert both.cv_log_likelihoods_[0].tolist() == [
        expected[f"split{i}_test_score"][0] for i in range(2)
    ]


@each_kind
@pytest.mark.parametrize(
    ("template", "message"),
    [
        (8, r"got 8\. .*SharpPC\w+\(SharpPCDensity\(n_latents=8\)\)"),
        (np.int64(8), r"got 8\. .*n_latents=8"),
        ("auto", r"got 'auto'\. Pass SharpPC\w+\(SharpPCDensity\(\)\)"),
        (SharpPCDensity, r"got the class SharpPCDensity\. Pass an instance"),
        (StandardScaler(), r"got a StandardScaler\. Pass SharpPC\w+\(SharpPCDensity\(\)\)"),
        (SharpPCDensityCV(), r"got a SharpPCDensityCV\. .*holds a density itself"),
        (SharpPCOutlierDetector(), r"got a SharpPCOutlierDetector\. .*holds a density itself"),
    ],
)
def test_what_is_no_density_is_refused_with_a_remedy(kind, template, message):
    model = kind(template)
    before = dict(vars(model))
    if kind is SharpPCOutlierDetector and isinstance(template, Integral):
        assert model.fit(frame()).circuit_.n_latents == template  # of its own kind of density
        return
    with pytest.raises(ValueError, match=f"estimator must be a SharpPCDensity.*{message}"):
        model.fit(frame(), LABELS)
    assert vars(model) == before


def test_a_frozen_density_is_for_imputers_alone():
    frozen = FrozenEstimator(density().fit(frame()))
    assert SharpPCImputer(frozen).fit(frame()).density_ is frozen.estimator
    for kind in SharpPCOutlierDetector, SharpPCDensityCV, SharpPCClassifier:
        with pytest.raises(ValueError, match=r"estimator must be .*got a FrozenEstimator"):
            kind(frozen).fit(frame(), LABELS)


@each_kind
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mu": -1.0}, "'mu' parameter of SharpPCDensity"),
        ({"warm_start": True}, "warm_start=True cannot act in the estimator of a SharpPC"),
        ({"solver": "adam", "regularizer": "gated"}, "regularizer='gated' .*so it cannot act"),
        ({"structure": [0]}, "structure"),
    ],
)
def test_a_template_that_cannot_be_used_leaves_the_former_fit(kind, parameters, message):
    model = kind(density()).fit(frame(), LABELS)
    model.set_params(**{f"estimator__{name}": value for name, value in parameters.items()})
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(frame()[["size", "flag"]], LABELS)
    assert vars(model) == before


@each_kind
def test_a_failure_in_the_midst_leaves_the_former_fit(kind, monkeypatch):
    model = kind(density()).fit(frame(), LABELS)
    before = dict(vars(model))
    learn, calls = SharpPCDensity._learn_circuit, []
    kinds_of_one = SharpPCClassifier, SharpPCImputer, SharpPCMissingnessDensity

    def fails(self, *args, **kwargs):
        calls.append(self)
        if len(calls) > (0 if isinstance(model, kinds_of_one) else 1):
            raise MemoryError
        return learn(self, *args, **kwargs)

    monkeypatch.setattr(SharpPCDensity, "_learn_circuit", fails)
    with pytest.raises(MemoryError):
        model.fit(frame()[["size", "flag"]], LABELS)
    assert vars(model) == before


@pytest.mark.parametrize(
    "kind",
    [SharpPCOutlierDetector, SharpPCImputer, SharpPCMissingnessDensity, SharpPCClassifier],
    ids=lambda k: k.__name__,
)
def test_seeds_are_those_of_the_density_or_follow_from_that_of_the_estimator(kind):
    seeded = kind(density(random_state=5), random_state=1).fit(frame(), LABELS)
    assert {one.random_state for one in held(seeded)} == {5}
    drawn = [kind(density(random_state=None), random_state=7).fit(frame(), LABELS) for _ in "ab"]
    first, again = ([one.random_state for one in held(model)] for model in drawn)
    assert first == again
    if kind in (SharpPCOutlierDetector, SharpPCMissingnessDensity):  # one density, of their seed
        assert first == [7]
    else:
        generator = np.random.RandomState(7)
        assert first == [int(generator.randint(np.iinfo(np.int32).max)) for _ in first]


QUERIES = {
    "aic": lambda m, X: m.aic(X),
    "bic": lambda m, X: m.bic(X),
    "condition": lambda m, X: m.condition(size=(0, 1)).score_samples(X),
    "conditional_moments": lambda m, X: np.stack(m.conditional_moments(X, "size")),
    "conditional_probabilities": lambda m, X: m.conditional_probabilities(X, "flag"),
    "encode": lambda m, X: m.encode(X),
    "feature_contributions": lambda m, X: m.feature_contributions(X),
    "hessian_trace": lambda m, X: m.hessian_trace(X),
    "latent_posterior": lambda m, X: m.latent_posterior(X, 0),
    "log_conditional": lambda m, X: m.log_conditional(X, X),
    "marginal": lambda m, X: m.marginal(["size"]).score_samples(X[["size"]]),
    "mutual_information": lambda m, X: m.mutual_information(),
    "pointwise_total_correlation": lambda m, X: m.pointwise_total_correlation(X),
    "sample": lambda m, X: m.sample(5, random_state=0)["size"].to_numpy(),
    "score": lambda m, X: m.score(X),
    "score_samples": lambda m, X: m.score_samples(X),
    "sharpness": lambda m, X: m.sharpness(X),
    "structure_frame": lambda m, X: m.structure_frame()["weight"].to_numpy(),
}


def test_every_public_query_of_a_density_is_passed_on():
    queries = {
        name
        for name, _ in inspect.getmembers(SharpPCDensity, inspect.isfunction)
        if not name.startswith(("_", "set_", "get_")) and name not in ("fit", "partial_fit")
    }
    assert queries == QUERIES.keys()


@each_holder
@pytest.mark.parametrize("library", [pandas, polars])
def test_the_fitted_density_answers(kind, library):
    X = library.DataFrame(frame().to_dict("list"))
    new = library.DataFrame({"colour": ["red", "blue"], "size": [0.123, 4.567], "flag": [True] * 2})
    model = kind(density()).fit(X)
    (of,) = held(model)
    own = ("feature_contributions", "score", "score_samples") if hasattr(model, "offset_") else ()
    for name, ask in QUERIES.items():
        assert np.array_equal(ask(model, new), ask(of, new)) != (name in own), name
        assert getattr(type(model), name).__doc__
    for name in ("circuit_", "mu_", "n_iter_", "feature_types_", "n_parameters", "categories_"):
        assert getattr(model, name) is getattr(of, name) or name == "n_parameters"
    assert model.feature_names_in_.tolist() == ["colour", "size", "flag"]
    assert model.n_features_in_ == of.n_features_in_ == 3
    with pytest.raises(ValueError, match="feature names should match"):
        model.score_samples(new[["size", "colour", "flag"]])


@pytest.mark.parametrize(
    "kind", [*HOLDERS.values(), SharpPCMissingnessDensity], ids=[*HOLDERS, "missingness"]
)
def test_nothing_is_answered_before_fit(kind):
    model = kind(density())
    for name in QUERIES:
        assert hasattr(model, name)
    for ask in (
        lambda: model.score(frame()),
        lambda: model.score_samples(frame()),
        lambda: model.sample(),
        lambda: model.marginal(["size"]),
    ):
        with pytest.raises(NotFittedError, match=type(model).__name__):
            ask()
    for name in ("circuit_", "mu_", "n_parameters", "no_such_thing"):
        assert not hasattr(model, name)


@each_kind
def test_names_go_when_a_fit_sees_none(kind):
    model = kind(density()).fit(frame()[["size", "flag"]], LABELS)
    assert model.feature_names_in_.tolist() == ["size", "flag"]
    model.fit(frame()[["size", "flag"]].to_numpy(float), LABELS)
    assert not hasattr(model, "feature_names_in_")
    assert not any(hasattr(one, "feature_names_in_") for one in held(model))


@each_kind
def test_stored_models_name_the_package_alone(kind):
    model = kind(density()).fit(frame(), LABELS)
    ask = next(
        query
        for query in ("decision_function", "predict_log_proba", "transform", "score_samples")
        if hasattr(model, query)
    )
    expected = np.asarray(getattr(model, ask)(frame()), object)
    stored = pickle.dumps(model)
    assert b"_estimators" not in stored
    untrusted = skops.io.get_untrusted_types(data=skops.io.dumps(model))
    assert f"skpc.{type(model).__name__}" in untrusted
    again = [
        pickle.loads(stored),
        skops.io.loads(skops.io.dumps(model), trusted=list(skpc.SKOPS_TRUSTED_TYPES)),
    ]
    for other in again:
        assert np.array_equal(np.asarray(getattr(other, ask)(frame()), object), expected)
        assert clone(other).get_params().keys() == model.get_params().keys()


def test_public_classes_are_of_the_package():
    for name in skpc.__all__:
        thing = getattr(skpc, name)
        if inspect.isclass(thing):
            assert thing.__module__ == "skpc"


def test_tags_follow_what_estimators_are():
    kinds = {
        "cv": "density_estimator",
        "missingness": "density_estimator",
        "detector": "outlier_detector",
        "classifier": "classifier",
    }
    for name, kind in KINDS.items():
        tags = get_tags(kind(density()))
        assert tags.estimator_type == kinds.get(name)
        assert tags.input_tags.allow_nan
        assert tags.input_tags.sparse == (name not in ("imputer", "missingness"))


def test_weights_of_scores_are_routed():
    with config_context(enable_metadata_routing=True):
        model = KINDS["cv"](density().set_fit_request(sample_weight=True))
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        X, weights = frame(), np.arange(60.0)
        scores = cross_val_score(model, X, params={"sample_weight": weights}, cv=2)
    by_hand = clone(model).fit(X[30:], sample_weight=weights[30:])
    assert scores[0] == by_hand.score(X[:30], sample_weight=weights[:30])
