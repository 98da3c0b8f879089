"""The outlier detector: its scores, thresholds, weights and columns."""

import pickle
from itertools import product

import numpy as np
import pandas
import pytest
from helpers import composed
from scipy.sparse import csr_array
from scipy.stats import kstest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.utils import get_tags

from skpc import SharpPCDensity, SharpPCOutlierDetector
from skpc._outliers.known_rows import row_keys
from skpc._outliers.subsets import honest_means, learnt_weights


def detector(**parameters):
    defaults = {"n_latents": 3, "mu": 0.01, "max_iter": 10, "random_state": 0}
    return composed(SharpPCOutlierDetector, **{**defaults, **parameters})


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(200, 3))


def plain_density(**parameters):
    return SharpPCDensity(
        **{"n_latents": 3, "mu": 0.01, "max_iter": 10, "random_state": 0, **parameters}
    )


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("repeated", [False, True])
def test_rows_are_judged_by_densities_that_did_not_learn_from_them(given, repeated):
    """Each density is fitted from outside, to its subset's weights."""
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.integers(0, 3, 60), rng.normal(size=60), rng.random(60) < 0.4])
    X[::7, 1] = np.nan
    types = ["categorical", "gaussian", "categorical"]
    settings = {"feature_types": types, "early_stopping": False, "feature_groups": None}
    model = detector(criterion="likelihood", **settings)
    if not given:
        model.set_params(max_samples=30, n_components=5)
    share, n_subsets = (0.8, 5) if given else (0.5, 5)
    _, first, row_of = np.unique(row_keys(X), return_index=True, return_inverse=True)
    order = np.lexsort(X[first].T[::-1])  # by value, NaN last
    rows, weights = X[first][order], np.bincount(row_of)[order].astype(float)
    if repeated:
        weights *= 1.0 + np.arange(len(rows)) % 3
        if not given:
            model.set_params(max_samples=int(weights.sum()) // 2)
        model.fit(rows, sample_weight=weights)
    else:
        model.fit(X)
    is_number = ~np.isnan(rows[:, 1])  # no new row repeats a measurement: its copies stay together
    learnt = learnt_weights(weights, is_number, share, n_subsets, np.random.RandomState(0))
    new = np.column_stack([rng.integers(0, 3, 9), rng.normal(size=9), rng.random(9) < 0.4])
    known, of_new = [], []
    for own in learnt:
        density = plain_density(**settings).fit(rows, sample_weight=own)
        known.append(density.score_samples(rows))
        of_new.append(density.score_samples(new))
    expected = honest_means(np.stack(known), learnt, weights)[0]
    np.testing.assert_allclose(model.score_samples(rows), expected, rtol=1e-10)
    np.testing.assert_allclose(model.score_samples(new), np.mean(of_new, axis=0), rtol=1e-10)
    mixture = np.log(np.mean(np.exp(of_new), axis=0))
    np.testing.assert_allclose(model.estimator_.score_samples(new), mixture, rtol=1e-10)
    order = rng.permutation(len(rows))
    again = clone(model).fit(rows[order], sample_weight=weights[order])
    assert np.array_equal(again.score_samples(rows), model.score_samples(rows))


@pytest.mark.parametrize("contamination", [0.01, 0.05, 0.2])
def test_the_threshold_is_that_of_scores_without_the_row(X, contamination):
    model = SharpPCOutlierDetector(contamination=contamination, random_state=0).fit(X)
    scores = np.sort(model.score_samples(X))
    rank = contamination * 201
    expected = np.interp(rank, np.arange(1, 201), scores)
    assert model.offset_ == pytest.approx(expected, rel=1e-12)
    new = np.random.default_rng(1).normal(size=(50, 3))
    for rows in X, new:
        decision = model.score_samples(rows) - model.offset_
        assert np.array_equal(model.decision_function(rows), decision)
        assert np.array_equal(model.predict(rows), np.where(decision < 0, -1, 1))
        expected = (1 + (scores[:, None] <= model.score_samples(rows)).sum(axis=0)) / 201
        np.testing.assert_allclose(model.p_values(rows), expected, rtol=1e-14)
    again = SharpPCOutlierDetector(contamination=contamination, random_state=0)
    assert np.array_equal(again.fit_predict(X), model.predict(X))
    assert get_tags(model).estimator_type == "outlier_detector"


KINDS = ["gaussian", "correlated", "binary", "mixed", "heavy"]


def table_of_kind(kind, n_rows, n_columns, rng):
    X = rng.normal(size=(n_rows, n_columns))
    group = rng.integers(0, 3, (n_rows, 1))
    bits = (rng.random(X.shape) < np.array([0.15, 0.5, 0.85])[group]) * 1.0
    if kind == "correlated":
        return X @ (np.eye(n_columns) + np.tri(n_columns))
    if kind == "mixed":
        return np.where(np.arange(n_columns) % 2, bits, X + group)
    if kind == "heavy":
        return rng.standard_t(2, size=X.shape)
    return bits if kind == "binary" else X


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_rows", "n_columns", "n_seeds"), [(60, 3, 30), (200, 5, 12), (2000, 10, 4)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_the_share_of_new_rows_is_flagged(kind, n_rows, n_columns, n_seeds):
    """At the default settings; rows learnt by heart would have nearly all new ones flagged."""
    contaminations = [0.01, 0.05, 0.1]
    shares = []
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        n_columns += 3 * (kind == "binary")  # the fewer rows can differ, the more scores tie
        X, new = (table_of_kind(kind, n, n_columns, rng) for n in (n_rows, 2000))
        n_columns -= 3 * (kind == "binary")
        model = SharpPCOutlierDetector(random_state=seed).fit(X)
        scores = model.score_samples(new)
        thresholds = [model._calibration.threshold(share) for share in contaminations]
        shares.append([(scores < threshold).mean() for threshold in thresholds])
    means = np.mean(shares, axis=0)
    errors = np.std(shares, axis=0) / np.sqrt(n_seeds)
    for share, mean, error in zip(contaminations, means, errors, strict=True):
        assert mean < share * 1.5 + 2 * error, (share, mean, error)
        if kind != "binary" or share * (n_rows + 1) > 1:  # no tail of few scores to extrapolate
            assert mean > share / 1.5 - 2 * error, (share, mean, error)


@pytest.mark.slow
@pytest.mark.parametrize("n_components", [1, 4])
@pytest.mark.parametrize("kind", ["correlated", "mixed"])
def test_p_values_of_new_rows_are_uniform(kind, n_components):
    """One new row a table, of 120 tables: exchangeable with its rows."""
    p_values = []
    for seed in range(120):
        X = table_of_kind(kind, 61, 3, np.random.default_rng(seed))
        model = SharpPCOutlierDetector(random_state=seed, n_components=n_components).fit(X[1:])
        p_values.append(model.p_values(X[:1])[0])
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_one_density_is_compared_with_rows_that_it_did_not_learn_from(X):
    model = SharpPCOutlierDetector(n_components=1, random_state=0).fit(X)
    new = np.random.default_rng(1).normal(size=(50, 3))
    scores = model.estimator_.score_samples(X)
    is_apart = model._known_rows.places(X) >= 0
    assert is_apart.sum() == 100
    own = model.score_samples(X)[is_apart]
    expected = (1 + (own[:, None] <= model.score_samples(new)).sum(axis=0)) / 101
    np.testing.assert_allclose(model.p_values(new), expected, rtol=1e-14)
    assert scores[~is_apart].mean() > scores[is_apart].mean()


def test_rows_are_flagged_by_their_false_discovery_rate():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    new = np.r_[rng.normal(size=(150, 3)), rng.normal(7, 1, (50, 3))]
    model = SharpPCOutlierDetector(false_discovery_rate=0.1, random_state=0).fit(X)
    flagged = model.predict(new) == -1
    assert flagged[150:].all()
    p_values = np.sort(model.p_values(new))
    passed = np.flatnonzero(p_values <= 0.1 * np.arange(1, 201) / 200)
    assert flagged.sum() == passed[-1] + 1
    assert (model.predict(new[:1]) == -1) == (model.p_values(new[:1])[0] <= 0.1)


def test_a_fit_of_too_few_rows_for_a_false_discovery_rate_is_told():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    new = np.r_[rng.normal(size=(98, 3)), rng.normal(9, 1, (2, 3))]
    model = SharpPCOutlierDetector(false_discovery_rate=0.1, random_state=0).fit(X)
    with pytest.warns(UserWarning, match="flags none of the 100 rows: 10 of them .* 17 would"):
        assert (model.predict(new) == 1).all()
    assert (model.predict(new[-2:]) == -1).all()


@pytest.mark.parametrize("seed", range(3))
def test_gross_errors_are_found_in_the_table_that_has_them(seed):
    """Six cells at ten times the median, fitted and scored on the same rows."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, 240)
    frame = pandas.DataFrame(
        {
            "kind": np.array(["a", "b", "c"])[group],
            "mass": rng.normal(4000 + 500 * group, 300).round(),
            "length": rng.normal(40 + 5 * group, 3),
            "price": rng.lognormal(3 + 0.3 * group, 0.4),
        }
    )
    rows = rng.choice(240, 6, replace=False)
    for i in rows:
        column = ["mass", "length", "price"][rng.integers(3)]
        frame.loc[i, column] = 10 * frame[column].median()
    scores = SharpPCOutlierDetector(random_state=0).fit(frame).score_samples(frame)
    is_wrong = np.isin(np.arange(240), rows)
    assert roc_auc_score(is_wrong, -scores) > 0.98


@pytest.mark.parametrize("weight", [1.0, 1000.0])
def test_integers_that_repeat_are_learnt_from_as_numbers_are(weight):
    """Each density sees most of them, whatever weights they have: the mode is no outlier."""
    rng = np.random.default_rng(0)
    ages, new = (rng.poisson(20, size=(1000, 1)) * 1.0 for _ in "ab")
    anywhere = rng.integers(0, 45, size=(1000, 1)) * 1.0
    model = SharpPCOutlierDetector(random_state=0, contamination=0.1)
    model.fit(ages, sample_weight=np.full(1000, weight))
    scores = model.score_samples(np.vstack([new, anywhere]))
    assert roc_auc_score(np.arange(2000) >= 1000, -scores) > 0.82
    assert model.score_samples([[20.0]]) > model.score_samples([[30.0]])
    assert 0.05 < (scores[:1000] < model.offset_).mean() < 0.15


def test_a_column_of_few_numbers_has_no_veto():
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(200, 3)), rng.normal(size=(1000, 3))
    X[rng.random(200) > 0.06, 2] = np.nan
    model = SharpPCOutlierDetector(random_state=0, contamination=0.05).fit(X)
    assert (model.predict(new) == -1).mean() < 0.4  # of rows that show the value


def test_a_cluster_of_outliers_does_not_excuse_itself():
    """A twentieth of the rows, close together: a flexible density has a state for them."""
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(size=(380, 4)), rng.normal(6, 0.2, (20, 4))]
    is_outlier = np.arange(400) >= 380
    flexible = SharpPCDensity(16, feature_types="gaussian", random_state=0).fit(X)
    assert roc_auc_score(is_outlier, -flexible.score_samples(X)) < 0.8
    scores = SharpPCOutlierDetector(random_state=0).fit(X).score_samples(X)
    assert roc_auc_score(is_outlier, -scores) > 0.9


def test_columns_that_name_rows_do_not_decide():
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "order": [f"A{i:04d}" for i in range(300)],
            "x": rng.normal(size=300),
            "g": rng.choice(["s", "t"], 300),
        }
    )
    with pytest.warns(UserWarning, match="order.*names rows"):
        model = SharpPCOutlierDetector(random_state=0, contamination=0.1).fit(frame[:200])
    without = SharpPCOutlierDetector(random_state=0, contamination=0.1)
    assert (model.predict(frame[200:]) == -1).mean() < 0.25
    renamed = frame[200:].assign(order="never seen")
    assert np.array_equal(model.score_samples(renamed), model.score_samples(frame[200:]))
    flagged = without.fit(frame[:200].drop(columns="order")).predict(
        frame[200:].drop(columns="order")
    )
    assert abs((flagged == -1).mean() - (model.predict(frame[200:]) == -1).mean()) < 0.1
    density = SharpPCDensity(4, feature_types={"order": "categorical"}, random_state=0)
    meant = SharpPCOutlierDetector(density).fit(frame[:200])
    assert (meant.score_samples(renamed) < meant.score_samples(renamed.assign(order="A0000"))).all()


def test_an_int_is_a_number_of_states(X):
    def scores(estimator):
        return SharpPCOutlierDetector(estimator, random_state=3, n_components=2).fit(X)

    assert scores(4).circuit_.n_latents == 4
    assert np.array_equal(scores(8).score_samples(X), scores(None).score_samples(X))
    assert scores(None).feature_types_ == ["gaussian"] * 3
    assert scores(SharpPCDensity(2)).feature_types_ == ["numeric"] * 3


def test_validation_rows_stop_all_densities(X):
    X_val = np.random.default_rng(5).normal(size=(60, 3))
    weights = np.arange(60.0)
    plain = detector(early_stopping=False).fit(X)
    model = detector().fit(X, X_val=X_val, sample_weight_val=weights)
    repeated = detector().fit(X, X_val=np.repeat(X_val, weights.astype(int), axis=0))
    assert model.best_iteration_ is not None
    assert np.array_equal(model.score_samples(X), repeated.score_samples(X))
    assert not np.allclose(model.score_samples(X), plain.score_samples(X))


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


@pytest.mark.parametrize("parameters", [{}, {"criterion": "dependence"}])
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
    model = detector(contamination=0.1).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    assert (model.predict(X) == -1).sum() in (5, 6)


@pytest.mark.parametrize(
    ("n_rows", "parameters"),
    [
        *product([1, 2, 3, 5, 6], [{}, {"contamination": 0.01}]),
        *product([2, 4, 5, 6], [{"early_stopping": True}]),  # a single row cannot be split
    ],
)
def test_few_rows(n_rows, parameters):
    X = np.random.default_rng(0).normal(size=(n_rows, 2))
    model = detector(feature_types="gaussian", **parameters).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.offset_)
    assert np.isfinite(model.decision_function([[0.0, 99.0]])).all()


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


@pytest.mark.parametrize("contamination", ["auto", 0.07])
def test_weights_are_repetitions(X, contamination):
    weights = np.random.default_rng(1).integers(0, 4, len(X))
    weighted = detector(contamination=contamination).fit(X, sample_weight=weights)
    repeated = detector(contamination=contamination).fit(np.repeat(X, weights, axis=0))
    assert weighted.offset_ == repeated.offset_
    assert np.array_equal(weighted.score_samples(X), repeated.score_samples(X))
    assert weighted.offset_ != detector(contamination=contamination).fit(X).offset_
    predicted = detector(contamination=contamination).fit_predict(X, sample_weight=weights)
    assert np.array_equal(predicted, weighted.predict(X))


def test_missing_values_and_pickles(X):
    X = X.copy()
    X[::7, 0] = np.nan
    fitted = detector().fit(X)
    model = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(model.score_samples(X), fitted.score_samples(X))
    X[0] = np.nan
    assert model.predict(X[:1]) == 1  # of a row that shows nothing there is nothing to say
    X[0] = [50.0, np.nan, np.nan]
    assert model.predict(X[:1]) == -1


def test_errors(X):
    with pytest.raises(NotFittedError):
        detector().predict(X)
    with pytest.raises(NotFittedError):
        detector().decision_function(X)
    for parameters in (
        {"contamination": 0.0},
        {"contamination": 0.6},
        {"n_components": 0},
        {"max_samples": 0.0},
        {"max_samples": 1.0},
        {"false_discovery_rate": 1.0},
    ):
        with pytest.raises(ValueError, match=next(iter(parameters))):
            detector().set_params(**parameters).fit(X)
    with pytest.raises(ValueError, match=r"contamination=0\.1 cannot act beside false_discovery_"):
        detector(contamination=0.1, false_discovery_rate=0.1).fit(X)


def test_a_failed_fit_leaves_the_former_one(X):
    model = detector().fit(X)
    before = pickle.dumps(vars(model))
    with pytest.raises(ValueError, match="infinity"):
        model.fit(np.where(X > 2, np.inf, X))
    assert pickle.dumps(vars(model)) == before
    assert clone(model).fit(X).offset_ == model.offset_


@pytest.mark.parametrize("criterion", ["auto", "likelihood", "dependence"])
def test_the_score_is_the_mean_of_the_scores_of_samples(criterion, X):
    rows = np.vstack([X[:30], np.random.default_rng(1).normal(size=(30, 3))])
    weights = np.arange(60.0)
    model = detector(criterion=criterion).fit(X)
    scores = model.score_samples(rows)
    assert model.score(rows) == pytest.approx(scores.mean(), rel=1e-14)
    expected = np.average(scores, weights=weights)
    assert model.score(rows, sample_weight=weights) == pytest.approx(expected, rel=1e-14)


def test_dependence_of_labels_by_name():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": ["x", "y"] * 20, "b": ["u", "v"] * 20, "c": [0.5, 1.0] * 20})
    model = detector(criterion="dependence").fit(frame)
    rows = pandas.DataFrame({"a": ["x", "x"], "b": ["u", "v"], "c": [0.5, 0.5]})
    good, bad = model.score_samples(rows)
    assert good > 0 > bad


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
