"""The outlier detector: its threshold, weights, and trimming."""

import pickle
from itertools import product

import numpy as np
import pandas
import pytest
from helpers import composed, no_shrinkage
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from skpc import SharpPCDensity, SharpPCOutlierDetector
from skpc._estimators.outlier_detector import row_keys, weighted_quantile
from skpc._learning.held_out import fold_weights


def detector(**parameters):
    defaults = {"n_latents": 3, "mu": 0.01, "max_iter": 10, "random_state": 0}
    return composed(SharpPCOutlierDetector, **{**defaults, **parameters})


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


def plain_density(**parameters):
    return SharpPCDensity(
        **{"n_latents": 3, "mu": 0.01, "max_iter": 10, "random_state": 0, **parameters}
    )


def test_scores_of_new_rows_are_those_of_the_density(X):
    new = np.random.default_rng(1).normal(size=(50, 3))
    model = detector(contamination=0.05).fit(X)
    density = plain_density().fit(X)
    assert np.array_equal(model.score_samples(new), density.score_samples(new))
    assert np.array_equal(model.decision_function(new), density.score_samples(new) - model.offset_)
    for rows in X, new:
        assert np.array_equal(
            model.decision_function(rows), model.score_samples(rows) - model.offset_
        )
        assert np.array_equal(
            model.predict(rows), np.where(model.decision_function(rows) < 0, -1, 1)
        )
    assert np.array_equal(detector(contamination=0.05).fit_predict(X), model.predict(X))
    assert get_tags(model).estimator_type == "outlier_detector"


@pytest.mark.parametrize("criterion", ["likelihood", "dependence"])
@pytest.mark.parametrize("repeated", [False, True])
def test_scores_of_training_rows_are_by_models_without_them(criterion, repeated):
    """Five densities, each fitted from outside to all weights but those of its fold."""
    rng = np.random.default_rng(3)
    X = np.column_stack(
        [rng.integers(0, 3, 60), rng.normal(size=60).round(1), rng.random(60) < 0.4]
    )
    X[::7, 1] = np.nan
    types = ["categorical", "gaussian", "categorical"]
    settings = {"feature_types": types, "early_stopping": False, "feature_groups": None}
    model = detector(criterion=criterion, **settings)
    _, first, row_of = np.unique(row_keys(X), return_index=True, return_inverse=True)
    order = np.lexsort(X[first].T[::-1])  # by value, NaN last
    rows, weights = X[first][order], np.bincount(row_of)[order].astype(float)
    if repeated:
        weights *= 1.0 + np.arange(len(rows)) % 3
        model.fit(rows, sample_weight=weights)
    else:
        model.fit(X)
    seed, seed_of_fits = np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=2)
    folds = weights * fold_weights(np.ones(len(rows)), 5, int(seed))  # rows of numbers stay whole
    expected = np.zeros(len(rows))
    for fold in folds:
        density = plain_density(**settings, random_state=int(seed_of_fits))
        density.fit(rows, sample_weight=weights - fold)
        query = {
            "likelihood": density.score_samples,
            "dependence": density.pointwise_total_correlation,
        }[criterion]
        expected += fold / weights * query(rows)
    np.testing.assert_allclose(model.score_samples(rows), expected, rtol=1e-12)
    assert model.offset_ == pytest.approx(weighted_quantile(expected, weights, 0.1), rel=1e-12)
    assert model.score(rows, sample_weight=weights) == pytest.approx(
        np.average(expected, weights=weights), rel=1e-12
    )
    order = rng.permutation(len(rows))
    again = clone(model).fit(rows[order], sample_weight=weights[order])
    assert np.array_equal(again.score_samples(rows), model.score_samples(rows))


KINDS = ["gaussian", "correlated", "binary", "mixed"]


def table_of_kind(kind, n_rows, n_columns, rng):
    X = rng.normal(size=(n_rows, n_columns))
    group = rng.integers(0, 3, (n_rows, 1))
    bits = (rng.random(X.shape) < np.array([0.15, 0.5, 0.85])[group]) * 1.0
    if kind == "correlated":
        return X @ (np.eye(n_columns) + np.tri(n_columns))
    if kind == "mixed":
        return np.where(np.arange(n_columns) % 2, bits, X + group)
    return bits if kind == "binary" else X


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "n_rows", "n_columns", "n_seeds"),
    [
        *((kind, 60, 2, 12) for kind in ("gaussian", "correlated", "mixed")),
        ("binary", 120, 5, 12),  # the fewer rows can differ, the more their scores tie
        *((kind, 60, 10, 12) for kind in KINDS),
        *((kind, 200, 5, 6) for kind in KINDS),
        *((kind, 2000, 10, 1) for kind in KINDS),
    ],
)
def test_about_the_share_of_new_rows_is_flagged(kind, n_rows, n_columns, n_seeds):
    """At the default settings; the rows learnt by heart would say 1 where rows are few."""
    shares = []
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        X, new = (table_of_kind(kind, n, n_columns, rng) for n in (n_rows, 2000))
        model = SharpPCOutlierDetector(random_state=seed).fit(X)
        shares.append((model.predict(new) == -1).mean())
    assert 0.05 < np.mean(shares) < 0.2


@pytest.mark.parametrize("form", [np.asfortranarray, csr_array, np.float32, list])
def test_a_training_row_is_known_in_any_form(form):
    X = np.random.default_rng(0).integers(0, 4, (80, 4)) * 0.5
    X[::9, 2] = np.nan
    other = X.astype(np.float32) if form is np.float32 else X.tolist() if form is list else form(X)
    model = detector().fit(X)
    scores = model.score_samples(X)
    assert not np.allclose(scores, model.estimator_._score_samples(X))
    assert np.array_equal(model.score_samples(other), scores)
    again = clone(model).fit(other)
    np.testing.assert_allclose(again.score_samples(X), scores, rtol=1e-9)
    assert np.array_equal(row_keys(-X[:0] - 0.0), row_keys(X[:0]))
    assert np.array_equal(
        row_keys(np.array([[-0.0, -np.nan]])), row_keys(np.array([[0.0, np.nan]]))
    )


@pytest.mark.parametrize(
    "parameters", [{}, {"trim": 0.1}, {"trim": 0.1, "criterion": "dependence"}]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_category_of_few_rows_is_no_error(parameters, weighted):
    frame = pandas.DataFrame({"a": ["x", "y"] * 20 + ["z", "w"], "b": ["u", "v"] * 21})
    weights = np.append(np.ones(41), 0.0) if weighted else None
    model = detector(**parameters).fit(frame, sample_weight=weights)
    assert np.isfinite(model.score_samples(frame)).all()
    assert ("w" in model.categories_[0]) != weighted


def test_a_column_with_one_value_is_learnt_from_in_all_folds():
    X = np.random.default_rng(0).normal(size=(60, 3))
    X[1:, 1] = np.nan
    model = detector().fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    assert (model.predict(X) == -1).sum() == 6


@pytest.mark.parametrize(
    ("n_rows", "parameters"),
    [
        *product([1, 2, 4, 5, 6], [{}, {"trim": 0.4}]),
        *product([2, 4, 5, 6], [{"early_stopping": True}]),  # a single row cannot be split
    ],
)
def test_few_rows(n_rows, parameters):
    X = np.random.default_rng(0).normal(size=(n_rows, 2))
    model = detector(feature_types="gaussian", **parameters).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.offset_)
    if n_rows < 5:
        assert np.array_equal(model.score_samples(X), model.estimator_._score_samples(X))


def test_validation_rows_stop_the_models_without_some_rows_too(X):
    X_val = np.random.default_rng(5).normal(size=(60, 3))
    weights = np.arange(60.0)
    plain = detector(early_stopping=False).fit(X)
    model = detector().fit(X, X_val=X_val, sample_weight_val=weights)
    repeated = detector().fit(X, X_val=np.repeat(X_val, weights.astype(int), axis=0))
    assert model.best_iteration_ is not None
    assert np.array_equal(model.score_samples(X), repeated.score_samples(X))
    assert not np.allclose(model.score_samples(X), plain.score_samples(X))


def test_the_seed_is_that_of_the_density_or_of_the_detector():
    X = np.random.default_rng(0).normal(size=(60, 2))

    def offset(random_state, of_density=None):
        return (
            detector(random_state=of_density).set_params(random_state=random_state).fit(X).offset_
        )

    assert offset(7) == offset(7) != offset(8)
    assert offset(7, 3) == offset(8, 3) == offset(None, 3) != offset(7)
    assert offset(7) == offset(None, 7)
    drawn = int(np.random.RandomState(7).randint(np.iinfo(np.int32).max))
    assert offset(None, drawn) == offset(np.random.RandomState(7))
    generator = np.random.RandomState(7)
    assert offset(None, generator) == offset(None, generator)  # a copy is drawn from


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
    in_units = {"feature_types": "gaussian"}  # margins are of all rows
    first = detector(**in_units).fit(X)
    kept = np.argsort(first.score_samples(X))[20:]
    trimmed = detector(trim=0.1, **in_units).fit(X)
    new = np.random.default_rng(1).normal(size=(50, 3))
    refit = plain_density(feature_types=first.feature_types_).fit(X[kept])
    assert np.array_equal(trimmed.score_samples(new), refit.score_samples(new))
    # The threshold refers to all rows.
    assert trimmed.offset_ == weighted_quantile(trimmed.score_samples(X), np.ones(200), 0.1)
    assert (trimmed.predict(X) == -1).sum() == 20


@pytest.mark.parametrize("seed", range(3))
def test_trimming_helps_on_dirty_rows(seed, monkeypatch):
    """A tenth of the rows lie anywhere: new ones like them are told better without.

    Gaussians widen for them; numeric columns have tails for them, and need no trimming.
    """
    no_shrinkage(monkeypatch)
    rng = np.random.default_rng(seed)
    X = np.vstack([rng.normal(size=(180, 2)), rng.uniform(-9, 9, (20, 2))])
    new = np.vstack([rng.normal(size=(300, 2)), rng.uniform(-9, 9, (300, 2))])
    plain, trimmed = (
        detector(trim=trim, max_iter=50, tol=0.0, init="random", feature_types="gaussian")
        .set_params(estimator__early_stopping=False)
        .fit(X)
        .score_samples(new)
        for trim in (0.0, 0.15)
    )

    def auc(scores):
        return (scores[:300, None] > scores[300:]).mean()

    assert auc(trimmed) > auc(plain)


def test_trimming_keeps_how_columns_are_read():
    """Without the outliers an integer column would have few enough values to be categorical."""
    x = np.r_[np.arange(100) % 10, 1000, 2000, 3000]
    X = np.column_stack([x, np.arange(103) % 2])
    model = detector(trim=0.05).fit(X)
    assert model.feature_types_ == ["numeric", "categorical"]
    assert detector().fit(X[:100]).feature_types_ == ["categorical", "categorical"]
    assert model.get_params()["estimator__feature_types"] == "auto"


def test_categories_of_trimmed_rows_have_no_counts():
    frame = pandas.DataFrame({"a": ["x", "y"] * 30 + ["z"], "b": ["x", "y"] * 30 + ["y"]})
    model = detector(trim=0.05, contamination=0.02).fit(frame)
    assert model.categories_[0].tolist() == ["x", "y", "z"]
    # One row, spread over three categories, beside sixty.
    mass = np.exp(model.estimator_._score_samples(np.array([[2.0, np.nan]])))
    assert mass[0] == pytest.approx(1 / 3 / 61, rel=1e-6)
    assert model.predict(frame)[-1] == -1
    assert (model.predict(frame)[:-1] == 1).all()


def test_missing_values_and_pickles(X):
    X = X.copy()
    X[::7, 0] = np.nan
    fitted = detector().fit(X)
    model = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(model.score_samples(X), fitted.score_samples(X))
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
    density = plain_density().fit(X)
    rows = np.random.default_rng(1).integers(0, 3, (80, 4)).astype(float)
    rows = rows[~np.isin(row_keys(rows), row_keys(X))]
    assert len(rows) > 10
    expected = density.score_samples(rows)
    for j in range(4):
        expected -= density.score_samples(np.where(np.arange(4) == j, rows, np.nan))
    np.testing.assert_allclose(model.score_samples(rows), expected, atol=1e-12)


@pytest.mark.parametrize("criterion", ["likelihood", "dependence"])
def test_the_score_is_the_mean_of_the_scores_of_samples(criterion, X):
    rows = np.vstack([X[:30], np.random.default_rng(1).normal(size=(30, 3))])
    weights = np.arange(60.0)
    model = detector(criterion=criterion).fit(X)
    scores = model.score_samples(rows)
    assert model.score(rows) == pytest.approx(scores.mean(), rel=1e-14)
    expected = np.average(scores, weights=weights)
    assert model.score(rows, sample_weight=weights) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("criterion", ["likelihood", "dependence"])
def test_information_criteria_are_of_the_log_likelihood(criterion, X):
    model, density = detector(criterion=criterion).fit(X), plain_density().fit(X)
    weights = np.arange(200) % 4
    for rows in {"X": X}, {"X": X, "sample_weight": weights}:
        assert model.aic(**rows) == density.aic(**rows)
        assert model.bic(**rows) == density.bic(**rows)


def test_dependence_of_labels_by_name():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": ["x", "y"] * 20, "b": ["u", "v"] * 20, "c": [0.5, 1.0] * 20})
    model = detector(criterion="dependence").fit(frame)
    rows = pandas.DataFrame({"a": ["x", "x"], "b": ["u", "v"], "c": [0.5, 0.5]})
    good, bad = model.score_samples(rows)
    assert good > 0 > bad


def test_none_is_a_density_of_few_states_with_a_penalty(X):
    default = SharpPCOutlierDetector(random_state=3).fit(X)
    spelt = SharpPCOutlierDetector(SharpPCDensity(n_latents=16, mu=0.01), random_state=3).fit(X)
    assert default.estimator is None
    assert default.offset_ == spelt.offset_
    assert np.array_equal(default.score_samples(X), spelt.score_samples(X))


@pytest.mark.parametrize("weight", [1.5, 3.0, 100.0])
def test_copies_of_a_row_of_numbers_do_not_give_it_away(weight):
    """The same folds judge repeated rows, so as few new rows as without copies are flagged."""
    shares = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, new = rng.normal(size=(60, 3)), rng.normal(size=(2000, 3))
        model = detector(n_latents=4, max_iter=None)
        model.fit(X, sample_weight=np.full(60, weight))
        shares.append((model.predict(new) == -1).mean())
    assert np.mean(shares) < 0.2  # 0.5 and more where copies are learnt; 0.17 without copies
