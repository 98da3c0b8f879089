"""SharpPCClassifier: Bayes' rule from scores, and what the classes share."""

import pickle
from itertools import product

import numpy as np
import pandas
import polars
import pytest
from scipy.sparse import csr_array
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skpc import SharpPCClassifier, SharpPCDensity, SharpPCImputer
from skpc._tables.margins import learn_margin


def density(**parameters):
    return SharpPCDensity(**{"n_latents": 3, "max_iter": 20, "random_state": 0, **parameters})


def classifier(**parameters):
    """With one density per class; those of columns and class have tests of their own."""
    of_density = {k: parameters.pop(k) for k in list(parameters) if k in density().get_params()}
    return SharpPCClassifier(density(**of_density), **{"joint": False, **parameters})


@pytest.fixture(scope="module")
def table():
    """A column of categories of which each class lacks one, a number, and holes."""
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1, 2], [60, 40, 20])
    category = (y + rng.integers(0, 2, 120)) % 3
    x = rng.normal(size=120) + y
    flag = rng.random(120) < 0.2 + 0.3 * y
    X = np.stack([category, x, x + 0.5 * rng.normal(size=120), flag], axis=1).astype(float)
    X[rng.random(X.shape) < 0.1] = np.nan
    order = rng.permutation(120)
    return X[order], np.array(["a", "b", "c"])[y[order]]


@pytest.fixture(scope="module")
def fitted(table):
    return classifier().fit(*table)


def frame_of(X):
    labels = np.array(["red", "green", "blue"], object)
    column = [None if np.isnan(v) else labels[int(v)] for v in X[:, 0]]
    return pandas.DataFrame({"colour": column, "x": X[:, 1], "z": X[:, 2], "flag": X[:, 3]})


# --- Bayes' rule -------------------------------------------------------------------------


@pytest.mark.parametrize("priors", [None, "uniform", [0.7, 0.1, 0.2], [0.5, 0.5, 0.0]])
def test_posteriors_by_bayes_rule(priors, table):
    X, y = table
    model = classifier(priors=priors).fit(X, y)
    expected_prior = {None: [60 / 120, 40 / 120, 20 / 120], "uniform": [1 / 3] * 3}.get(
        priors if priors is None or isinstance(priors, str) else "", priors
    )
    np.testing.assert_allclose(model.class_prior_, expected_prior, rtol=1e-12)
    joint = np.exp([d.score_samples(X) for d in model.estimators_]).T * expected_prior
    np.testing.assert_allclose(
        model.predict_proba(X), joint / joint.sum(axis=1, keepdims=True), rtol=1e-9
    )
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(model.predict_joint_log_proba(X), np.log(joint), rtol=1e-9)
    assert np.array_equal(model.predict(X), model.classes_[joint.argmax(axis=1)])
    log_proba = model.predict_log_proba(X)
    np.testing.assert_allclose(logsumexp(log_proba, axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.exp(log_proba), model.predict_proba(X), rtol=1e-12)


def test_each_density_is_learnt_from_its_class(table):
    """With the categories of all declared, a class is what fitting its rows alone gives."""
    X, y = table
    X = X[:, [0, 3]]
    colours = [f"c{int(v)}" if v == v else None for v in X[:, 0]]
    frame = pandas.DataFrame(
        {"colour": pandas.Categorical(colours, ["c0", "c1", "c2"]), "flag": X[:, 1]}
    )
    model = classifier().fit(frame, y)
    for label, of_class in zip("abc", model.estimators_, strict=True):
        alone = density(feature_types={"flag": "categorical"}).fit(frame[y == label])
        np.testing.assert_array_equal(of_class.score_samples(frame), alone.score_samples(frame))


def test_a_row_that_shows_nothing_has_the_prior(fitted):
    nothing = np.full((1, 4), np.nan)
    assert np.array_equal(fitted.predict_joint_log_proba(nothing)[0], np.log(fitted.class_prior_))


def test_missing_values_are_summed_out(fitted, table):
    """P(y | rest) is the mean of P(y | rest, colour) by how probable the colours are."""
    x = np.array([[np.nan, 0.3, np.nan, 1.0]])
    filled = np.tile(x, (3, 1))
    filled[:, 0] = [0, 1, 2]
    joint = np.exp(fitted.predict_joint_log_proba(filled)).sum(axis=0)
    np.testing.assert_allclose(fitted.predict_proba(x)[0], joint / joint.sum(), rtol=1e-10)


@pytest.mark.slow
def test_it_classifies():
    X, y = load_iris(return_X_y=True)
    scores = cross_val_score(classifier(feature_types="gaussian", n_latents=2), X, y, cv=5)
    assert scores.mean() > 0.93  # quadratic discriminant analysis: 0.98
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.3, np.nan, X)
    scores = cross_val_score(classifier(feature_types="gaussian", n_latents=2), X, y, cv=5)
    assert scores.mean() > 0.85


# --- what the classes share --------------------------------------------------------------


def test_types_and_categories_are_those_of_all_classes(fitted):
    for of_class in fitted.estimators_:
        assert of_class.feature_types_ == ["categorical", "numeric", "numeric", "categorical"]
        assert of_class.categories_[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("pseudocount", [0.01, 1.0])
def test_masses_of_a_class_sum_to_one_with_a_category_that_it_lacks(pseudocount):
    X = np.array([[0, 0], [1, 1], [0, 1], [1, 2], [2, 2], [1, 2]] * 5)
    y = np.array([0, 0, 0, 1, 1, 1] * 5)
    model = classifier(pseudocount=pseudocount).fit(X, y)
    worlds = np.stack(np.meshgrid([0, 1, 2], [0, 1, 2]), axis=-1).reshape(-1, 2)
    for of_class in model.estimators_:
        masses = np.exp(of_class.score_samples(worlds))
        assert masses.sum() == pytest.approx(1.0, abs=1e-12)
        assert masses.min() > 0
    model = classifier(pseudocount=pseudocount, n_latents=1).fit(X, y)
    lacking = np.exp(model.estimators_[0].score_samples([[2.0, np.nan]]))[0]
    # A row at most is spread evenly; the pseudocount is spread as all that is.
    even = min(1.0, 100 * pseudocount)
    assert lacking == pytest.approx(even / 3 / (15 + even), rel=1e-10)


def test_a_column_that_is_constant_in_a_class_does_not_decide_alone():
    """Its variance there is floored and shrunk by the scale of all rows."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    X = np.stack([rng.normal(size=60) + y, np.where(y == 0, 0.25, rng.normal(size=60))], axis=1)
    model = classifier(n_latents=1, feature_groups=None, feature_types="gaussian").fit(X, y)
    inputs = model.estimators_[0].circuit_.inputs
    (of_constant,) = (inputs[r] for r in range(2) if inputs.features[r][0] == 1)
    pooled = X[:, 1].var()
    np.testing.assert_allclose(of_constant.scales, np.sqrt(pooled), rtol=1e-12)
    # Shrinkage by ten rows, to the class's variance with a tenth of a row of the pooled one.
    expected = 10 * (0.1 * pooled / 30.1) / 40
    assert of_constant.covariances[0, 0, 0] == pytest.approx(expected, rel=1e-6)


def test_a_shared_structure(table):
    X, y = table
    own = classifier(share_structure=False, feature_groups=None).fit(X, y)
    model = classifier(share_structure=True, feature_groups=None).fit(X, y)
    pooled = density(feature_groups=None).fit(X).circuit_
    for of_class in model.estimators_:
        assert np.array_equal(of_class.circuit_.parents, pooled.parents)
    parents = [of_class.circuit_.parents.tolist() for of_class in own.estimators_]
    assert len(set(map(tuple, parents))) > 1
    joint = [d.score_samples(X) for d in model.estimators_] + np.log(model.class_prior_)[:, None]
    np.testing.assert_allclose(model.predict_joint_log_proba(X), joint.T, rtol=1e-12)


@pytest.mark.parametrize("structure", ["rat", "star", "chow-liu"])
def test_shared_structures_of_all_kinds_and_groups(structure, table):
    X, y = table
    model = classifier(
        share_structure=True,
        structure=structure,
        n_components=2 if structure == "rat" else "auto",
        feature_groups=[[1, 2]],
    ).fit(X, y)
    first = model.estimators_[0].circuit_
    assert [1, 2] in [columns.tolist() for columns in first.features]
    for of_class in model.estimators_:
        assert np.array_equal(of_class.circuit_.parents, first.parents)
        assert list(map(list, of_class.circuit_.features)) == list(map(list, first.features))


# --- weights, seeds, forms ---------------------------------------------------------------


@pytest.mark.parametrize("share_structure", [False, True])
def test_weights_are_repetitions(share_structure, table):
    X, y = table
    weights = np.random.default_rng(0).integers(0, 4, len(X))
    model = classifier(share_structure=share_structure).fit(X, y, sample_weight=weights)
    repeated = np.repeat(np.arange(len(X)), weights)
    again = classifier(share_structure=share_structure).fit(X[repeated], y[repeated])
    assert np.array_equal(model.predict_log_proba(X), again.predict_log_proba(X))
    np.testing.assert_allclose(
        model.class_prior_, np.unique(y[repeated], return_counts=True)[1] / len(repeated)
    )


def test_a_class_of_weight_zero_is_absent(table):
    X, y = table
    model = classifier().fit(X, y, sample_weight=(y != "b") * 1.0)
    assert model.classes_.tolist() == ["a", "c"]
    without = classifier().fit(X[y != "b"], y[y != "b"])
    assert np.array_equal(model.predict_log_proba(X), without.predict_log_proba(X))


def test_one_class(table):
    X, y = table
    model = classifier().fit(X[y == "a"], y[y == "a"])
    assert np.array_equal(model.predict_proba(X), np.ones((len(X), 1)))


def test_the_seed_decides(table):
    X, y = table
    template = density(random_state=None)
    models = [
        SharpPCClassifier(template, joint=False, random_state=seed).fit(X, y) for seed in (0, 0, 1)
    ]
    first, same, other = (model.predict_log_proba(X) for model in models)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    states = {model.random_state for model in models[0].estimators_}
    assert len(states) == 3
    assert template.random_state is None


def test_the_template_stays_as_it_is(table):
    template = density(early_stopping=False).fit(table[0])
    before = pickle.dumps(vars(template))
    model = SharpPCClassifier(template, joint=False).fit(*table)
    assert pickle.dumps(vars(template)) == before
    cold = SharpPCClassifier(density(early_stopping=False), joint=False).fit(*table)
    assert np.array_equal(model.predict_proba(table[0]), cold.predict_proba(table[0]))


def test_frames_with_labels(table):
    X, y = table
    frame = frame_of(X)
    model = classifier().fit(frame, pandas.Series(y))
    assert model.feature_names_in_.tolist() == ["colour", "x", "z", "flag"]
    same = polars.DataFrame({n: [None if pandas.isna(v) else v for v in frame[n]] for n in frame})
    of_polars = classifier().fit(same, polars.Series(y))
    assert np.array_equal(of_polars.predict_proba(same), model.predict_proba(frame))
    joint = [d.score_samples(frame) for d in model.estimators_]
    np.testing.assert_allclose(
        model.predict_joint_log_proba(frame), np.stack(joint, 1) + np.log(model.class_prior_)
    )
    assert model.estimators_[0].sample(3, random_state=0).columns.tolist() == list(frame)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["x", "colour", "z", "flag"]])


def test_sparse_tables():
    rng = np.random.default_rng(0)
    X = (rng.random((60, 5)) < 0.3) * 1.0
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    dense = classifier().fit(X, y).predict_log_proba(X)
    sparse = classifier(share_structure=False).fit(csr_array(X), y)
    assert np.array_equal(sparse.predict_log_proba(csr_array(X)), dense)


def test_pickles(fitted, table):
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(table[0]), fitted.predict_proba(table[0]))


def test_early_stopping_of_each_class(table):
    model = classifier(early_stopping=True, n_iter_no_change=2).fit(*table)
    assert all(of_class.best_iteration_ is not None for of_class in model.estimators_)


# --- in company --------------------------------------------------------------------------


def test_grid_search_over_the_density(table):
    X, y = table
    search = GridSearchCV(
        classifier(), {"estimator__mu": [0.0, 50.0]}, scoring="neg_log_loss", cv=3
    ).fit(X, y)
    assert search.best_params_["estimator__mu"] in (0.0, 50.0)
    assert search.best_estimator_.estimators_[0].mu == search.best_params_["estimator__mu"]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.ptp(search.cv_results_["mean_test_score"]) > 1e-6


def test_a_pipeline_with_the_imputer(table):
    X, y = table
    frame = frame_of(X)
    pipeline = make_pipeline(SharpPCImputer(density()), classifier()).fit(frame, y)
    filled = pipeline[0].transform(frame)
    expected = clone(pipeline[1]).fit(filled, y).predict_proba(filled)
    assert np.array_equal(pipeline.predict_proba(frame), expected)


# --- what cannot be used -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"priors": [0.5, 0.5]}, "priors must have one entry for each of the 3 classes"),
        ({"priors": [0.5, 0.6, 0.1]}, "priors must be probabilities"),
        ({"priors": [1.2, -0.1, -0.1]}, "priors must be probabilities"),
        ({"priors": "equal"}, "'priors' parameter"),
        ({"mu": -1.0}, "'mu' parameter"),
        ({"share_structure": True, "n_components": 2}, "share_structure=True learns one"),
    ],
)
def test_bad_parameters(parameters, message, table):
    model = classifier().fit(*table)
    before = model.predict_proba(table[0])
    model.set_params(**classifier(**parameters).get_params(deep=False))
    with pytest.raises(ValueError, match=message):
        model.fit(*table)
    assert np.array_equal(model.predict_proba(table[0]), before)  # what was fitted still is


LEARNT_OTHERWISE = [
    {"feature_groups": None},
    {"feature_groups": [[1, 2]]},
    {"share_structure": True},
    {"n_components": 2, "init": "random"},
    {"pseudocount": 0.0, "early_stopping": False},
    {"solver": "adam", "feature_groups": [[1, 2]]},
    {"solver": "adam", "mu": 1e-4},
    {"structure": "rat", "n_components": 2},
]


@pytest.mark.parametrize(
    ("kinds", "parameters"),
    [
        *product(
            [("categorical", "gaussian"), ("binomial", "gaussian"), ("categorical", "numeric")],
            LEARNT_OTHERWISE,
        ),
    ],
)
def test_a_column_without_a_value_in_a_class(kinds, parameters, table):
    """The class takes it for independent of all else: as in all rows, or evenly spread."""
    X, y = table[0].copy(), table[1]
    X[y == "b", :2] = np.nan
    (kind, of_numbers), types = kinds, dict(enumerate([*kinds, kinds[1]]))
    model = classifier(feature_types=types, **parameters).fit(X, y)
    rows = X[y != "b"]
    known = X[~np.isnan(X[:, 1]), 1]
    if of_numbers == "numeric":
        margin = learn_margin(*map(np.asarray, (np.unique(known), np.ones(len(known)))))
        z, log_scale = margin.points(rows[:, 1])
    else:
        z, log_scale = (rows[:, 1] - known.mean()) / known.std(), -np.log(known.std())
    of_number = np.nan_to_num(-0.5 * z**2 - np.log(np.sqrt(2 * np.pi)) + log_scale)
    even = np.log([1 / 3] * 3 if kind == "categorical" else [1 / 4, 1 / 2, 1 / 4])
    of_category = np.array([0.0 if np.isnan(x) else even[int(x)] for x in rows[:, 0]])
    density = model.estimators_[1]
    hidden = rows.copy()
    hidden[:, :2] = np.nan
    expected = density.score_samples(hidden) + of_number + of_category
    np.testing.assert_allclose(density.score_samples(rows), expected, rtol=1e-9, atol=1e-9)
    assert np.isfinite(model.predict_log_proba(X)).all()


def test_a_column_of_labels_without_a_value_in_a_class(table):
    X, y = frame_of(table[0]), table[1]
    X.loc[y == "b", ["colour", "x"]] = None
    model = classifier().fit(X, y)
    assert model.estimators_[1].categories_[0].tolist() == ["blue", "green", "red"]
    assert np.isfinite(model.predict_log_proba(X)).all()
    X["x"] = np.nan
    with pytest.raises(ValueError, match="no value in column 'x'"):
        classifier().fit(X, y)


@pytest.mark.parametrize("share_structure", [False, True])
@pytest.mark.parametrize("parameters", [{"n_components": None}, {"n_jobs": "two"}, {"n_init": 0}])
def test_parameters_of_the_density_are_checked_before_they_are_used(
    share_structure, parameters, table
):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter of SharpPCDensity"):
        classifier(share_structure=share_structure, **parameters).fit(*table)
    inert = {"multiplier": "exact", "solver": "adam"}
    with pytest.raises(ValueError, match="multiplier='exact' is of EM's M-step"):
        classifier(share_structure=share_structure, **inert).fit(*table)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (np.zeros(3), "inconsistent"),
        (np.linspace(0, 1, 120), "continuous"),
        (np.full(120, np.nan), "NaN"),
    ],
)
def test_bad_labels(y, message, table):
    with pytest.raises(ValueError, match=message):
        classifier().fit(table[0], y)
    with pytest.raises(ValueError, match=message):
        classifier().fit(frame_of(table[0]), y)


def test_what_a_class_cannot_learn_names_it():
    X = np.array([[0.5, 1.5], [0.25, 2.5], [1.5, 3.5], [0.1, 0.2], [0.3, 0.7]])
    with pytest.raises(ValueError, match=r"class 1 .*early_stopping holds out 0\.1"):
        classifier(early_stopping=True, feature_types="gaussian").fit(X, [0, 0, 0, 0, 1])


def test_unknown_categories_have_a_mass(table):
    assert np.isfinite(classifier().fit(*table).predict_log_proba([[7.0, 0.0, 0.0, 1.0]])).all()


@pytest.mark.parametrize(
    "row", [[1e8, 1e8], [1e9, 1e9], [-1e12, 1e12], [1e150, 0.0], [1e300, -1e9]]
)
def test_probabilities_of_a_row_sum_to_one_however_far_it_is(row):
    X = np.random.default_rng(0).normal(size=(100, 2))
    model = classifier(feature_groups=None).fit(X, X[:, 0] > 0)
    assert model.predict_proba([row]).sum() == pytest.approx(1.0, abs=1e-12)
    assert logsumexp(model.predict_log_proba([row])) == pytest.approx(0.0, abs=1e-12)


def test_a_class_of_zero_prior_is_impossible_however_far_a_row_is():
    X = np.random.default_rng(0).normal(size=(100, 2))
    model = classifier(priors=[0.0, 1.0]).fit(X, X[:, 0] > 0)
    assert np.array_equal(model.predict_proba([[1e12, 1e12], [0.0, 0.0]]), [[0.0, 1.0]] * 2)
