"""The outlier detector: its threshold, weights, and trimming."""

import pickle

import numpy as np
import pandas
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from skpc import SharpPCDensity, SharpPCOutlierDetector
from skpc._outliers import weighted_quantile


def detector(**parameters):
    defaults = {"n_latents": 3, "n_components": 1, "max_iter": 10, "random_state": 0}
    return SharpPCOutlierDetector(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(200, 3))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.3, 0.5])
@pytest.mark.parametrize("n", [3, 10, 40, 41])
def test_quantile_of_repeated_rows(share, n):
    """Integer weights against NumPy's averaged inverted distribution function of repetitions."""
    rng = np.random.default_rng(n)
    values = rng.integers(0, n, n) / 7.0
    weights = rng.integers(0, 4, n).astype(float)
    weights[0] = 1.0
    repeated = np.repeat(values, weights.astype(int))
    expected = np.quantile(repeated, share, method="averaged_inverted_cdf")
    assert weighted_quantile(values, weights, share) == expected
    assert weighted_quantile(repeated, np.ones(len(repeated)), share) == expected
    order = rng.permutation(n)
    assert weighted_quantile(values[order], weights[order], share) == expected


def test_the_share_of_outliers_is_the_contamination(X):
    for contamination, expected in ("auto", 20), (0.05, 10), (0.5, 100):
        model = detector(contamination=contamination).fit(X)
        assert (model.predict(X) == -1).sum() == expected


def test_scores_are_those_of_the_density(X):
    model = detector(contamination=0.05).fit(X)
    density = SharpPCDensity(n_latents=3, mu=0.01, max_iter=10, random_state=0).fit(X)
    assert np.array_equal(model.score_samples(X), density.score_samples(X))
    assert np.array_equal(model.decision_function(X), density.score_samples(X) - model.offset_)
    assert np.array_equal(model.predict(X), np.where(model.decision_function(X) < 0, -1, 1))
    assert np.array_equal(detector(contamination=0.05).fit_predict(X), model.predict(X))
    assert get_tags(model).estimator_type == "outlier_detector"


@pytest.mark.parametrize("trim", [0.0, 0.2])
def test_weights_are_repetitions(X, trim):
    weights = np.random.default_rng(1).integers(0, 4, len(X))
    weighted = detector(contamination=0.07, trim=trim).fit(X, sample_weight=weights)
    repeated = detector(contamination=0.07, trim=trim).fit(np.repeat(X, weights, axis=0))
    assert weighted.offset_ == repeated.offset_
    assert np.array_equal(weighted.score_samples(X), repeated.score_samples(X))
    assert weighted.offset_ != detector(contamination=0.07, trim=trim).fit(X).offset_
    predicted = detector(contamination=0.07, trim=trim).fit_predict(X, sample_weight=weights)
    assert np.array_equal(predicted, weighted.predict(X))


def test_trimming_leaves_the_lowest_scores_out(X):
    first = detector().fit(X)
    scores = first.score_samples(X)
    kept = np.argsort(scores)[20:]
    refit = detector(feature_types=first.feature_types_).fit(X[kept])
    trimmed = detector(trim=0.1).fit(X)
    assert np.array_equal(trimmed.score_samples(X), refit.score_samples(X))
    # The threshold refers to all rows.
    assert trimmed.offset_ == weighted_quantile(refit.score_samples(X), np.ones(200), 0.1)


def test_trimming_helps_on_dirty_rows():
    """A tenth of the rows lie together far away: learnt by heart, unless they are left out."""
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(180, 2)), rng.uniform(-9, 9, (20, 2))])
    plain, trimmed = (
        detector(trim=trim, shrinkage=0.0, max_iter=50, tol=0.0, init="random")
        .fit(X)
        .score_samples(X)
        for trim in (0.0, 0.15)
    )

    def auc(scores):
        return (scores[:180, None] > scores[180:]).mean()

    assert auc(trimmed) > auc(plain)


def test_trimming_keeps_how_columns_are_read():
    """Without the outliers an integer column would have few enough values to be categorical."""
    x = np.r_[np.arange(100) % 32, 1000, 2000, 3000]
    X = np.column_stack([x, np.arange(103) % 2])
    with pytest.warns(UserWarning, match="near max_categories"):
        model = detector(trim=0.05).fit(X)
    assert model.feature_types_ == ["gaussian", "categorical"]
    assert not hasattr(model, "_types_of_first_fit")
    assert model.get_params()["feature_types"] == "auto"


def test_categories_of_trimmed_rows_are_unseen():
    frame = pandas.DataFrame({"a": ["x", "y"] * 30 + ["z"], "b": ["x", "y"] * 30 + ["y"]})
    model = detector(trim=0.05, contamination=0.02).fit(frame)
    assert model.categories_[0].tolist() == ["x", "y"]
    assert model.predict(frame)[-1] == -1
    assert (model.predict(frame)[:-1] == 1).all()


def test_missing_values_and_pickles(X):
    X = X.copy()
    X[::7, 0] = np.nan
    model = pickle.loads(pickle.dumps(detector().fit(X)))
    X[0] = np.nan
    assert model.decision_function(X)[0] == -model.offset_
    assert set(model.predict(X)) == {-1, 1}


def test_errors(X):
    with pytest.raises(NotFittedError):
        detector().predict(X)
    with pytest.raises(NotFittedError):
        detector().decision_function(X)
    for parameters in {"contamination": 0.0}, {"contamination": 0.6}, {"trim": 0.5}, {"trim": -0.1}:
        with pytest.raises(ValueError, match=next(iter(parameters))):
            detector(**parameters).fit(X)


def test_a_failed_fit_leaves_the_former_one(X):
    model = detector(trim=0.1).fit(X)
    before = pickle.dumps(vars(model))
    with pytest.raises(ValueError, match="infinity"):
        model.fit(np.where(X > 2, np.inf, X))
    assert pickle.dumps(vars(model)) == before
    assert clone(model).fit(X).offset_ == model.offset_


def test_dependence_is_the_likelihood_less_that_of_the_columns():
    X = np.random.default_rng(0).integers(0, 3, (80, 4)).astype(float)
    X[::7, 1] = np.nan
    model = detector(criterion="dependence", contamination=0.1).fit(X)
    density = SharpPCDensity(n_latents=3, mu=0.01, max_iter=10, random_state=0).fit(X)
    expected = density.score_samples(X)
    for j in range(4):
        expected -= density.score_samples(np.where(np.arange(4) == j, X, np.nan))
    np.testing.assert_allclose(model.score_samples(X), expected, atol=1e-12)
    assert model.score(X) == density.score(X)
    assert (model.aic(X), model.bic(X)) == (density.aic(X), density.bic(X))
    assert np.array_equal(model.predict(X) == -1, expected < np.quantile(expected, 0.1))


def test_dependence_of_labels_by_name():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": ["x", "y"] * 20, "b": ["u", "v"] * 20, "c": [0.5, 1.0] * 20})
    model = detector(criterion="dependence").fit(frame)
    rows = pandas.DataFrame({"a": ["x", "x"], "b": ["u", "v"], "c": [0.5, 0.5]})
    good, bad = model.score_samples(rows)
    assert good > 0 > bad


def test_parameters_of_the_density_are_all_there():
    own, density = SharpPCOutlierDetector().get_params(), SharpPCDensity().get_params()
    others = {
        "contamination": "auto",
        "criterion": "likelihood",
        "trim": 0.0,
        "n_latents": 16,
        "n_components": 16,
        "mu": 0.01,
    }
    assert own == {**density, **others}
    changed = {name: object() for name in own}
    assert SharpPCOutlierDetector(**changed).get_params() == changed
