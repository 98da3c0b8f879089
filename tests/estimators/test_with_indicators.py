"""Detectors and classifiers of densities that learn which values are missing."""

import pickle

import numpy as np
import pandas
import pytest
import skops.io
from scipy.sparse import csr_array
from sklearn.model_selection import GridSearchCV

import skpc
from skpc import (
    SharpPCClassifier,
    SharpPCDensity,
    SharpPCDensityCV,
    SharpPCImputer,
    SharpPCMissingnessDensity,
    SharpPCOutlierDetector,
)

N_ROWS = 120
TYPES = {"owns": "categorical", "income": "numeric", "age": "numeric"}
INDICATOR = "missingindicator_income"


@pytest.fixture(scope="module")
def table():
    """Of those who own, two in three do not tell their income."""
    rng = np.random.default_rng(0)
    owns = rng.integers(2, size=N_ROWS)
    income = rng.normal(10 + 20 * owns, 4).round(1)
    income[(owns == 1) & (rng.random(N_ROWS) < 0.67)] = np.nan
    age = rng.normal(50, 10, N_ROWS).round()
    return pandas.DataFrame({"owns": np.array(["no", "yes"])[owns], "income": income, "age": age})


@pytest.fixture(scope="module")
def y(table):
    return np.where(table["income"].isna() ^ (np.arange(N_ROWS) % 10 == 0), "b", "a")


def told(table):
    """The same with a column of one's own that says where the income is missing."""
    return table.assign(**{INDICATOR: table["income"].isna().astype(int)})


def density(**parameters):
    settings = {"n_latents": 3, "max_iter": 10, "tol": 0.0, "random_state": 0, **parameters}
    return SharpPCDensity(**settings)


def missingness(**parameters):
    return SharpPCMissingnessDensity(density(feature_types=TYPES, **parameters))


def of_told(**parameters):
    return density(feature_types={**TYPES, INDICATOR: "categorical"}, **parameters)


@pytest.fixture(scope="module")
def detector(table):
    return SharpPCOutlierDetector(missingness(), random_state=0).fit(table)


@pytest.mark.parametrize("criterion", ["auto", "dependence"])
def test_a_detector_is_that_of_a_table_with_indicators_to_the_last_bit(table, criterion):
    model = SharpPCOutlierDetector(missingness(), criterion=criterion, random_state=0)
    model.fit(table, X_val=table[:20])
    plain = SharpPCOutlierDetector(of_told(), criterion=criterion, random_state=0)
    plain.fit(told(table), X_val=told(table)[:20])
    new = table.iloc[::-1].assign(age=40.0)
    for X in table, new:
        np.testing.assert_array_equal(model.score_samples(X), plain.score_samples(told(X)))
    assert model.offset_ == plain.offset_
    assert model.score(new) == plain.score(told(new))


def test_its_draws_and_answers_have_the_columns_of_the_table(detector, table):
    assert isinstance(detector.estimator_, SharpPCMissingnessDensity)
    drawn = detector.sample(2000, random_state=0)
    assert [*drawn.columns] == [*table.columns]
    share = drawn["income"].isna().groupby(drawn["owns"]).mean()
    expected = table["income"].isna().groupby(table["owns"]).mean()
    np.testing.assert_allclose(share, expected, atol=0.05)
    assert detector.condition(owns="no").mean("income") < 15.0
    assert detector.feature_contributions(table).shape == table.shape
    assert detector.feature_types_ == [*TYPES.values()]


def test_its_contributions_are_of_values_and_of_their_absence(detector, table):
    """Of no column there is one by itself: its indicator goes with it."""
    plain = SharpPCOutlierDetector(of_told(), random_state=0).fit(told(table))
    groups = {"owns": ["owns"], "income": ["income", INDICATOR], "age": ["age"]}
    found = detector.feature_contributions(table)
    np.testing.assert_array_equal(found, plain.feature_contributions(told(table), groups))
    pair = {"both": ["income", "age"]}
    expected = plain.feature_contributions(told(table), {"all": ["income", INDICATOR, "age"]})
    np.testing.assert_array_equal(detector.feature_contributions(table, pair), expected)


def test_it_explains_what_is_missing_by_the_name_of_its_column(detector):
    row = {"owns": "no", "income": np.nan, "age": 50.0}
    (odd,) = detector.explain(row).values
    assert odd.feature == "income"
    assert str(odd).startswith("income is missing; expected about ")
    assert 5.0 < odd.median < 15.0
    assert not detector.explain({**row, "owns": "yes"}).values  # most of them do not tell
    (far,) = detector.explain({**row, "owns": "yes", "age": 500.0}).values
    assert str(far).startswith("age is 500; ")


def test_pictures_of_a_structure_are_of_the_density_of_values(detector):
    pytest.importorskip("matplotlib").use("agg")
    from skpc.plotting import StructureDisplay

    of_detector = StructureDisplay.from_estimator(detector)
    of_values = StructureDisplay.from_estimator(detector.estimator_.density_)
    assert of_detector.parents.tolist() == of_values.parents.tolist()


@pytest.mark.parametrize("joint", [True, False, "auto"])
def test_a_classifier_is_that_of_a_table_with_indicators_to_the_last_bit(table, y, joint):
    groups = [["income", "age"]]
    model = SharpPCClassifier(missingness(feature_groups=groups), joint=joint, random_state=0)
    plain = SharpPCClassifier(of_told(feature_groups=groups), joint=joint, random_state=0)
    model.fit(table, y)
    plain.fit(told(table), y)
    assert model.missing_features_.tolist() == [1]
    expected = plain.predict_proba(told(table))
    np.testing.assert_array_equal(model.predict_proba(table), expected)
    assert model.score(table, y) > 0.8


def test_positions_from_the_end_are_those_of_the_table(table, y):
    X = table[["income", "age"]].to_numpy()
    by_end, by_start = (
        SharpPCClassifier(
            SharpPCMissingnessDensity(density(feature_groups=[group])), joint=False, random_state=0
        )
        for group in ([0, -1], [0, 1])
    )
    expected = by_start.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(by_end.fit(X, y).predict_proba(X), expected)


def test_a_classifier_forgets_indicators_with_the_density_that_had_them(table, y):
    model = SharpPCClassifier(missingness(), joint=True, random_state=0).fit(table, y)
    model.set_params(estimator=density(feature_types=TYPES)).fit(table, y)
    expected = SharpPCClassifier(density(feature_types=TYPES), joint=True, random_state=0)
    np.testing.assert_array_equal(
        model.predict_proba(table), expected.fit(table, y).predict_proba(table)
    )


def test_both_are_stored(detector, table, y):
    classifier = SharpPCClassifier(missingness(), random_state=0).fit(table, y)
    for model, ask in (detector, "score_samples"), (classifier, "predict_proba"):
        for again in (
            pickle.loads(pickle.dumps(model)),
            skops.io.loads(skops.io.dumps(model), trusted=skpc.SKOPS_TRUSTED_TYPES),
        ):
            np.testing.assert_array_equal(getattr(again, ask)(table), getattr(model, ask)(table))
    state = classifier.__getstate__()
    state["missing_features_"] = np.array([7])
    with pytest.raises(ValueError, match="missing_features_ must be positions of columns"):
        SharpPCClassifier().__setstate__(state)


def test_the_seed_of_the_missingness_density_counts_where_its_density_has_none(table):
    def seeded(seed):
        inner = SharpPCMissingnessDensity(
            missingness(random_state=None).estimator, random_state=seed
        )
        return SharpPCOutlierDetector(inner, random_state=9).fit(table).score_samples(table)

    inner = SharpPCOutlierDetector(missingness(random_state=5), random_state=9).fit(table)
    np.testing.assert_array_equal(seeded(5), inner.score_samples(table))
    assert not np.array_equal(seeded(5), seeded(6))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (missingness, "estimator__n_latents"),
        (lambda: SharpPCOutlierDetector(missingness()), "estimator__estimator__n_latents"),
        (lambda: SharpPCClassifier(missingness(), joint=True), "estimator__estimator__n_latents"),
    ],
    ids=["density", "detector", "classifier"],
)
def test_parameters_within_are_searched(make, name, table, y):
    search = GridSearchCV(make(), {name: [1, 3]}, cv=2).fit(table, y)
    assert search.best_params_[name] in (1, 3)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] != scores[1]


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (SharpPCDensityCV, r"GridSearchCV\(SharpPCMissingnessDensity\(\)"),
        (SharpPCImputer, r"SharpPCImputer\(FrozenEstimator\(model\.density_\)\)"),
        (SharpPCMissingnessDensity, "holds a density itself"),
    ],
)
def test_others_say_what_to_do_instead(kind, remedy, table):
    with pytest.raises(ValueError, match=f"got a SharpPCMissingnessDensity.*{remedy}"):
        kind(missingness()).fit(table)


@pytest.mark.parametrize(
    "fit",
    [
        lambda X, y: SharpPCOutlierDetector(missingness()).fit(X),
        lambda X, y: SharpPCClassifier(missingness()).fit(X, y),
    ],
    ids=["detector", "classifier"],
)
def test_what_is_not_stored_is_not_missing(fit, y):
    with pytest.raises(TypeError, match="Sparse data was passed"):
        fit(csr_array(np.eye(N_ROWS, 3)), y)
