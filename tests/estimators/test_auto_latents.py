"""`n_latents="auto"`: what users see of it."""

import pickle

import numpy as np
import pytest

from skpc import SharpPCClassifier, SharpPCDensity, SharpPCDensityCV, SharpPCImputer

pytestmark = pytest.mark.usefixtures("one_thread")


def table(n, seed=0):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, n)
    numbers = 3.0 * kinds[:, None] + rng.normal(size=(n, 2))
    codes = (rng.random((n, 3)) < np.array([0.1, 0.5, 0.9])[kinds][:, None]).astype(float)
    X = np.hstack([numbers, codes])
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


@pytest.fixture(scope="module")
def model():
    return SharpPCDensity(random_state=0).fit(table(200))


def test_it_is_the_default_and_beats_independent_columns(model):
    assert model.n_latents == "auto"
    assert model.n_latents_ == model.circuit_.n_latents
    test = table(2000, seed=1)
    assert model.score(test) > SharpPCDensity(1, feature_groups=None).fit(table(200)).score(test)


def test_the_report_tells_what_was_tried(model):
    report = model.fit_report_
    lengths = {len(values) for values in report.values()}
    assert len(lengths) == 1
    np.testing.assert_allclose(report["weight"].sum(), 1.0)
    assert np.count_nonzero(report["weight"]) == len(model.circuit_.roots)
    assert report["n_latents"][report["weight"] > 0].max() == model.n_latents_
    heaviest = report["weight"].argmax()
    assert report["n_iter"][heaviest] == model.n_iter_ == model.best_iteration_
    assert report["mu"][heaviest] == model.mu_


@pytest.mark.parametrize("X_val", [None, table(50, seed=3)])
def test_a_number_of_states_has_a_report_of_its_penalties(X_val):
    model = SharpPCDensity(2, random_state=0).fit(table(200), X_val=X_val)
    assert model.fit_report_["mu"].tolist() == [0.01, 0.0]
    kept = model.fit_report_["weight"].argmax()
    assert model.fit_report_["mu"][kept] == model.mu_
    assert model.fit_report_["validation_log_likelihood"].max() == (
        model.validation_log_likelihoods_.max()
    )


def test_the_order_and_repetition_of_rows_do_not_matter():
    X = table(60)
    weights = np.arange(60) % 2 + 1
    order = np.random.default_rng(0).permutation(90)
    repeated = SharpPCDensity(random_state=0).fit(np.repeat(X, weights, axis=0)[order])
    weighted = SharpPCDensity(random_state=0).fit(X, sample_weight=weights)
    np.testing.assert_array_equal(weighted.circuit_.root_weights, repeated.circuit_.root_weights)
    np.testing.assert_array_equal(weighted.score_samples(X), repeated.score_samples(X))


def test_it_can_be_stored_and_cut(model):
    X = table(20, seed=2)
    read = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(read.score_samples(X), model.score_samples(X))
    hidden = X.copy()
    hidden[:, [1, 3]] = np.nan
    np.testing.assert_allclose(
        model.marginal([0, 2, 4]).score_samples(X[:, [0, 2, 4]]), model.score_samples(hidden)
    )


def test_queries_go_through(model):
    X = table(20, seed=2)
    assert model.feature_contributions(X).shape == X.shape
    assert not np.isnan(model.sample(5)[0]).any()
    shown, hidden = X.copy(), X.copy()
    shown[:, 0] = np.nan
    hidden[:, 1:] = np.nan
    joint = model.score_samples(X)
    np.testing.assert_allclose(
        model.log_conditional(hidden, shown), joint - model.score_samples(shown), atol=1e-9
    )
    assert np.isfinite(model.sharpness(X))


def test_a_changed_report_is_refused(model):
    state = model.__getstate__()
    for report in (None, {}, {**model.fit_report_, "weight": model.fit_report_["weight"] * 2}):
        with pytest.raises(ValueError, match="fit_report_"):
            SharpPCDensity().__setstate__({**state, "fit_report_": report})


def test_few_rows_are_independent():
    model = SharpPCDensity(random_state=0).fit(table(9))
    assert model.n_latents_ == 1
    assert len(model.circuit_.parents) == 5


def test_without_early_stopping_it_still_chooses():
    model = SharpPCDensity(random_state=0, early_stopping=False, max_iter=30, tol=0.01)
    model.fit(table(200))
    assert model.n_latents_ > 1
    assert model.validation_log_likelihoods_ is None
    assert np.isfinite(model.fit_report_["validation_log_likelihood"]).all()


def test_validation_rows_judge_and_the_circuit_stays_as_it_is():
    X, X_val = table(200), table(100, seed=5)
    model = SharpPCDensity(random_state=0).fit(X, X_val=X_val)
    heaviest = model.fit_report_["weight"].argmax()
    if len(model.circuit_.roots) == 1:
        np.testing.assert_allclose(
            model.score(X_val), model.fit_report_["validation_log_likelihood"][heaviest]
        )
    assert model.score(X_val) >= model.fit_report_["validation_log_likelihood"].max() - 0.006


def test_warm_start_goes_on_from_what_was_chosen():
    X = table(200)
    model = SharpPCDensity(random_state=0, warm_start=True, max_iter=3, tol=0).fit(X)
    before, roots = model.score(X), len(model.circuit_.roots)
    model.fit(X)
    assert len(model.circuit_.roots) == roots
    assert model.score(X) > before


@pytest.mark.parametrize("settings", [{"solver": "adam", "max_iter": 3}, {"n_components": 2}])
def test_other_ways_to_learn(settings):
    X = table(150)[:, 2:]
    model = SharpPCDensity(random_state=0, **settings).fit(X)
    assert np.isfinite(model.score(X))


@pytest.mark.slow
def test_estimators_that_hold_a_density_take_it():
    X = table(40)
    y = np.arange(40) % 2
    density = SharpPCDensity(random_state=0, max_iter=2)
    for shared in (False, True):
        classifier = SharpPCClassifier(density, joint=False, share_structure=shared).fit(X, y)
        assert classifier.predict_proba(X).shape == (40, 2)
    assert not np.isnan(SharpPCImputer(density).fit(X).transform(X)).any()
    search = SharpPCDensityCV(density, mus=[0.0, 0.1], cv=2).fit(X)
    assert set(search.best_estimator_.fit_report_["mu"]) == {search.mu_}
