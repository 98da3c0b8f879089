"""SharpPCClassifier with one density of columns and class: enumeration, calibration, priors."""

import pickle
from itertools import product

import numpy as np
import pandas
import polars
import pytest
from scipy.sparse import csr_array
from scipy.special import logsumexp
from sklearn.datasets import load_wine
from sklearn.metrics import log_loss

from skpc import SharpPCClassifier, SharpPCDensity
from skpc._estimators.class_pool import learn_exponents, pooled


def classifier(joint=True, priors=None, **parameters):
    settings = {"n_latents": 3, "max_iter": 20, "random_state": 0, **parameters}
    return SharpPCClassifier(SharpPCDensity(**settings), joint=joint, priors=priors)


def table(n_rows=150, seed=0):
    """Codes that two of three classes share, a number, and holes."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n_rows, p=[0.6, 0.3, 0.1])
    code = (y + rng.integers(0, 2, n_rows)) % 3
    flag = rng.random(n_rows) < 0.2 + 0.3 * y
    X = np.stack([code, flag, rng.normal(size=n_rows) + y], axis=1).astype(float)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, np.array(["a", "b", "c"])[y]


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(*table())


def test_the_default_asks_both():
    assert SharpPCClassifier().joint == "auto"


def test_probabilities_by_enumeration():
    """Of all rows and classes, of which there are twelve, and with cells missing."""
    X, y = table()
    X = X[:, :2]
    model = classifier().fit(X, y)
    worlds = np.array([*product([0.0, 1.0, 2.0], [0.0, 1.0])])
    mass = np.exp([[model.density_.score_samples([[*x, c]])[0] for c in range(3)] for x in worlds])
    assert mass.sum() == pytest.approx(1.0, abs=1e-12)
    shares = mass.sum(axis=0)
    np.testing.assert_allclose(shares, model.class_prior_, atol=0.01)
    joint = mass / shares * model.class_prior_
    np.testing.assert_allclose(np.exp(model.predict_joint_log_proba(worlds)), joint, rtol=1e-9)
    posterior = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(worlds), posterior, rtol=1e-9)
    for code in range(3):
        own = joint[worlds[:, 0] == code].sum(axis=0)
        found = model.predict_proba([[code, np.nan]])[0]
        np.testing.assert_allclose(found, own / own.sum(), rtol=1e-9)


def test_rows_have_a_density(fitted):
    """The logsumexp over classes integrates to one."""
    x = np.linspace(-30, 30, 6001)
    rows = np.stack([np.full(x.shape, np.nan), np.full(x.shape, np.nan), x], axis=1)
    density = np.exp(logsumexp(fitted.predict_joint_log_proba(rows), axis=1))
    assert np.trapezoid(density, x) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("priors", [None, "uniform", [0.7, 0.1, 0.2], [0.5, 0.5, 0.0]])
def test_priors_weight_the_same_densities(priors, fitted):
    X, y = table()
    model = classifier(priors=priors).fit(X, y)
    nothing = np.full((1, 3), np.nan)
    np.testing.assert_array_equal(model.predict_joint_log_proba(nothing)[0],
                                  _log(model.class_prior_))  # fmt: skip
    given_class = fitted.predict_joint_log_proba(X) - np.log(fitted.class_prior_)
    expected = given_class + _log(model.class_prior_)
    np.testing.assert_allclose(model.predict_joint_log_proba(X), expected, rtol=1e-12)
    if priors is None:
        shares = np.unique(y, return_counts=True)[1] / len(y)
        np.testing.assert_allclose(model.class_prior_, shares, rtol=1e-12)


def _log(probabilities):
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


@pytest.mark.slow
@pytest.mark.parametrize("n_columns", [2, 12])
def test_noise_is_not_told_apart(n_columns):
    """With labels that have nothing to do with the columns the prior is what is best."""
    rng = np.random.default_rng(n_columns)
    X = rng.normal(size=(1500, n_columns)) + rng.normal(size=(1500, 1))
    y = rng.choice(2, 1500, p=[0.7, 0.3])
    model = SharpPCClassifier(random_state=0).fit(X[:300], y[:300])
    loss = log_loss(y[300:], model.predict_proba(X[300:]))
    prior = log_loss(y[300:], np.tile(model.class_prior_, (1200, 1)))
    assert loss < prior + 0.01


@pytest.mark.slow
def test_probabilities_are_calibrated():
    """Of rows that are said to be of a class with some probability, so many are."""
    rng = np.random.default_rng(0)
    y = rng.choice(2, 4000, p=[0.6, 0.4])
    X = np.stack([0.7 * y + rng.normal(size=4000) for _ in range(4)], axis=1)
    X[rng.random(X.shape) < 0.2] = np.nan
    model = SharpPCClassifier(random_state=0).fit(X[:500], y[:500])
    proba, truth = model.predict_proba(X[500:])[:, 1], y[500:]
    for part in np.array_split(np.argsort(proba), 5):
        error = 3 * np.sqrt(0.25 / len(part)) + 0.03
        assert proba[part].mean() == pytest.approx(truth[part].mean(), abs=error)
    logit = np.log(0.4 / 0.6) + np.nansum(0.7 * X[500:] - 0.7**2 / 2, axis=1)
    best = log_loss(truth, 1 / (1 + np.exp(-logit)))
    assert log_loss(truth, proba) < best + 0.03


def test_one_density_beats_one_per_class_where_classes_have_much_in_common():
    """Each class on its own would have to learn how the columns depend, from few rows."""
    rng = np.random.default_rng(0)
    y = rng.choice(4, 2200)
    hidden = rng.normal(size=(2200, 1))
    X = np.hstack(
        [hidden + 0.3 * rng.normal(size=(2200, 8)), y[:, None] + rng.normal(size=(2200, 1))]
    )
    losses = [
        log_loss(y[200:], model.fit(X[:200], y[:200]).predict_proba(X[200:]))
        for model in (SharpPCClassifier(joint=joint, random_state=0) for joint in (True, False))
    ]
    assert losses[0] < losses[1]
    assert losses[0] < np.log(4)


@pytest.mark.parametrize("joint", [True, False])
def test_classes_of_a_single_row(joint):
    X, y = table()
    y = y.astype("U8")
    y[:2] = "lonely", "single"
    model = classifier(joint, n_latents="auto").fit(X, y)
    assert len(model.classes_) == 5
    proba = model.predict_proba(X)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-12)


def test_one_class_alone():
    X, _ = table()
    model = classifier().fit(X, np.zeros(len(X)))
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((len(X), 1)))


def test_a_column_that_a_class_lacks_altogether():
    X, y = table()
    X[y == "b", 2] = np.nan
    model = classifier().fit(X, y)
    assert np.isfinite(model.predict_log_proba(X)).all()
    X[:, 2] = np.nan
    with pytest.raises(ValueError, match="no value in column 2"):
        classifier().fit(X, y)


def test_weights_are_repetitions_and_order_does_not_matter():
    X, y = table()
    weights = np.random.default_rng(0).integers(0, 4, len(X))
    model = classifier(n_latents="auto").fit(X, y, sample_weight=weights)
    repeated = np.random.default_rng(1).permutation(np.repeat(np.arange(len(X)), weights))
    again = classifier(n_latents="auto").fit(X[repeated], y[repeated])
    assert np.array_equal(model.predict_log_proba(X), again.predict_log_proba(X))


def test_threads_do_not_matter(fitted):
    X, y = table()
    again = classifier(n_jobs=2).fit(X, y)
    assert np.array_equal(again.predict_log_proba(X), fitted.predict_log_proba(X))


def test_tables_of_all_kinds_read_alike(fitted):
    X, y = table()
    expected = fitted.predict_log_proba(X)
    names = ["code", "flag", "class"]  # the class needs another one
    frame = pandas.DataFrame(X, columns=names)
    model = classifier().fit(frame, y)
    assert np.array_equal(model.predict_log_proba(frame), expected)
    drawn = model.density_.sample(50, random_state=0)
    assert drawn.columns.tolist() == [*names, "class_"]
    assert set(drawn["class_"]) <= {0, 1, 2}
    numbered = pandas.DataFrame(X, columns=[5, 3, 1])
    model = classifier(feature_groups=[[5, 1]]).fit(numbered, y)
    assert np.isfinite(model.predict_log_proba(numbered)).all()
    as_polars = polars.DataFrame(X, schema=names).fill_nan(None)
    model = classifier().fit(as_polars, y)
    assert np.array_equal(model.predict_log_proba(as_polars), expected)


def test_sparse_tables():
    rng = np.random.default_rng(0)
    X = (rng.random((60, 5)) < 0.3) * 1.0
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    dense = classifier().fit(X, y).predict_log_proba(X)
    sparse = classifier().fit(csr_array(X), y)
    assert np.array_equal(sparse.predict_log_proba(csr_array(X)), dense)


def test_small_integers_do_not_clip_the_class():
    X = np.random.default_rng(0).integers(0, 2, (60, 3)).astype(bool)
    model = classifier().fit(X, np.arange(60) % 3)
    assert set(model.density_.sample(100, random_state=0)[:, -1]) == {0.0, 1.0, 2.0}


def test_a_fit_leaves_only_what_it_has_learnt():
    X, y = table()
    model = classifier().fit(X, y)
    assert not hasattr(model, "estimators_")
    model.set_params(joint=False).fit(X, y)
    assert not hasattr(model, "density_")
    assert len(model.estimators_) == 3


def test_pickles(fitted):
    X, _ = table()
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_log_proba(X), fitted.predict_log_proba(X))


def damage(name):
    def one_class_less(state):
        state["classes_"], state["class_prior_"] = state["classes_"][:2], np.array([0.5, 0.5])

    def no_density(state):
        state["density_"] = "density"

    def other_columns(state):
        state["density_"] = classifier().fit(table()[0][:, :2], table()[1]).density_

    return locals()[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("one_class_less", "categories"),
        ("no_density", "density_ must be a fitted"),
        ("other_columns", "density_ must be of the columns and the class"),
    ],
)
def test_states_that_do_not_fit_together(name, message, fitted):
    state = dict(fitted.__getstate__())
    damage(name)(state)
    with pytest.raises(ValueError, match=message):
        SharpPCClassifier().__setstate__(state)


def test_one_structure_is_for_several_densities():
    X, y = table()
    model = SharpPCClassifier(share_structure=True)
    with pytest.raises(ValueError, match="Set joint=False"):
        model.fit(X, y)
    assert not hasattr(model, "classes_")


# --- a density of both, and one per class ---------------------------------------------------


def test_exponents_are_the_most_probable():
    """Found back where odds are what they claim to a power, and no better near by."""
    rng = np.random.default_rng(0)
    log_prior = np.log([0.5, 0.3, 0.2])
    log_ratios = rng.normal(size=(2, 4000, 3)) * np.array([2.0, 5.0])[:, None, None]
    weights = rng.integers(1, 4, 4000).astype(float)
    logs = pooled(log_ratios, np.array([0.6, 0.25]), log_prior)
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1.0)
    codes = (rng.random((4000, 1)) > np.exp(logs).cumsum(axis=1)).sum(axis=1)
    found = learn_exponents(log_ratios, log_prior, codes, weights)
    np.testing.assert_allclose(found, [0.6, 0.25], atol=0.05)

    def loss(exponents):
        logs = pooled(log_ratios, np.array(exponents), log_prior)
        off = np.array(exponents) - [1.0, 0.0]
        return 5.0 * off @ off - weights @ logs[np.arange(4000), codes]

    best = loss(found)
    for step in (0.02, -0.02):
        assert loss(found + np.array([step, 0.0])) > best
        assert loss(found + np.array([0.0, step])) > best
    useless = np.stack([log_ratios[0], -log_ratios[1]])
    assert learn_exponents(useless, log_prior, codes, weights)[1] == 0.0
    few = learn_exponents(log_ratios[:, :2], log_prior, codes[:2], np.full(2, 1e-6))
    np.testing.assert_allclose(few, [1.0, 0.0], atol=1e-4)


@pytest.fixture(scope="module")
def both():
    return classifier("auto").fit(*table())


def test_both_densities_are_asked(both):
    X = table(40, seed=1)[0]
    of_class = np.stack([density.score_samples(X) for density in both.estimators_], axis=1)
    coded = [np.column_stack([X, np.full(40, code)]) for code in range(3)]
    joint = np.stack([both.density_.score_samples(rows) for rows in coded], axis=1)
    prior = np.exp([both.density_.score_samples([[np.nan] * 3 + [code]])[0] for code in range(3)])
    posterior = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    own = prior * np.exp(of_class)
    own /= own.sum(axis=1, keepdims=True)
    first, second = both.exponents_
    assert first > 0
    assert second > 0
    expected = both.class_prior_ * (posterior / prior) ** first * (own / prior) ** second
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(both.predict_proba(X), expected, rtol=1e-9)


def test_the_prior_is_left_of_a_row_that_shows_nothing(both):
    nothing = np.full((1, 3), np.nan)
    np.testing.assert_allclose(both.predict_proba(nothing)[0], both.class_prior_, rtol=1e-9)


@pytest.mark.slow
def test_weights_and_the_order_of_rows_leave_the_exponents(both):
    X, y = table()
    order = np.random.default_rng(0).permutation(len(y))
    again = classifier("auto").fit(X[order], y[order])
    assert np.array_equal(again.exponents_, both.exponents_)
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    weighted = classifier("auto").fit(X, y, sample_weight=weights)
    repeated = classifier("auto").fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert np.array_equal(weighted.predict_proba(X), repeated.predict_proba(X))


def test_no_other_way_is_kept_from_a_fit_before(both):
    model = classifier("auto").fit(*table(60))
    model.set_params(joint=False).fit(*table(60))
    assert not hasattr(model, "density_")
    assert not hasattr(model, "exponents_")
    model.set_params(joint=True).fit(*table(60))
    assert not hasattr(model, "estimators_")


def test_many_classes_and_rare_ones():
    X, y = table(120)
    y = y.astype(object)
    y[:2] = "d", "e"  # a row each, which some fold does not learn from
    model = classifier("auto", max_iter=3).fit(X, y)
    assert np.isfinite(model.predict_log_proba(X)).all()
    many = classifier("auto", max_iter=3).fit(X, np.arange(120) % 30)
    assert not hasattr(many, "estimators_")
    assert not hasattr(classifier("auto", max_iter=3).fit(X, np.zeros(120)), "exponents_")


@pytest.mark.slow
def test_columns_that_depend_on_each_other_do_not_drown_the_class():
    """One density of both sees the class as one column of many; see the pool's docstring."""
    X, y = load_wine(return_X_y=True)
    train, test = np.arange(178) % 2 == 0, np.arange(178) % 2 == 1
    losses = {
        joint: log_loss(
            y[test], classifier(joint, max_iter=10).fit(X[train], y[train]).predict_proba(X[test])
        )
        for joint in (True, "auto")
    }
    assert losses["auto"] < 0.8 * losses[True]


@pytest.mark.parametrize("exponents", [[1.0], [-1.0, 0.5], [np.nan, 0.0], "both"])
def test_exponents_of_a_file_are_checked(both, exponents):
    state = both.__getstate__()
    state["exponents_"] = exponents if isinstance(exponents, str) else np.array(exponents)
    with pytest.raises(ValueError, match="exponents_"):
        object.__new__(SharpPCClassifier).__setstate__(state)


@pytest.mark.parametrize("n_rows", [2, 3, 12])
@pytest.mark.parametrize("kind", ["auto", "gaussian"])
def test_a_column_with_one_value_and_few_rows_have_exponents(n_rows, kind):
    X = np.random.default_rng(0).normal(size=(n_rows, 3))
    X[1:, 1] = np.nan
    model = classifier("auto", feature_types=kind, max_iter=5).fit(X, np.arange(n_rows) % 2)
    assert np.isfinite(model.exponents_).all()
    assert np.isfinite(model.predict_log_proba(X)).all()
