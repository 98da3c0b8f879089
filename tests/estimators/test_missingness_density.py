"""SharpPCMissingnessDensity: the joint density of values and of which of them are missing."""

import itertools

import numpy as np
import oracle
import pandas
import polars
import pyarrow
import pytest
from helpers import as_model
from scipy.sparse import csr_array
from sklearn.frozen import FrozenEstimator

from skpc import SharpPCDensity, SharpPCImputer, SharpPCMissingnessDensity

NAN = np.nan


def density(**parameters):
    settings = {"n_latents": 3, "max_iter": 15, "random_state": 0, **parameters}
    return SharpPCDensity(**settings)


def fitted(X, sample_weight=None, **parameters):
    return SharpPCMissingnessDensity(density(**parameters)).fit(X, sample_weight=sample_weight)


@pytest.fixture(scope="module")
def X():
    """Three bits of one cause: the second is missing where the first is 1, the third by chance."""
    rng = np.random.default_rng(0)
    X = (rng.random((200, 3)) < 0.2 + 0.6 * rng.integers(2, size=(200, 1))).astype(float)
    X[(X[:, 0] == 1) & (rng.random(200) < 0.8), 1] = NAN
    X[rng.random(200) < 0.2, 2] = NAN
    return X


@pytest.fixture(scope="module")
def model(X):
    return fitted(X)


def every_row():
    """What a row can show, and what it can lack."""
    return np.array([*itertools.product([0, 1], [0, 1, NAN], [0, 1, NAN])])


def told(X, features=(1, 2)):
    return np.column_stack([X, np.isnan(X[:, features])])


# --- scores read a missing value as data --------------------------------------------------


def test_scores_are_those_of_enumeration_over_values_and_indicators(model):
    rows = every_row()
    expected = oracle.log_likelihood(as_model(model.circuit_), told(rows))
    np.testing.assert_allclose(model.score_samples(rows), expected, rtol=1e-12)
    assert model.missing_features_.tolist() == [1, 2]


def test_all_that_a_row_can_show_or_lack_has_probability_one(model):
    assert np.exp(model.score_samples(every_row())).sum() == pytest.approx(1.0, abs=1e-12)


def test_it_is_the_density_of_a_table_with_indicators_to_the_last_bit(X, model):
    plain = density().fit(told(X))
    assert np.array_equal(model.score_samples(X), plain.score_samples(told(X)))
    assert model.n_parameters == plain.n_parameters
    for name in "score", "aic", "bic", "sharpness":
        assert getattr(model, name)(X) == getattr(plain, name)(told(X))
    assert np.array_equal(model.hessian_trace(X), plain.hessian_trace(told(X)))


def test_rows_of_a_source_are_scored_in_chunks(X, model):
    def chunks():
        return (X[i : i + 70] for i in range(0, 200, 70))

    assert np.array_equal(model.score_samples(chunks), model.score_samples(X))
    assert model.score(chunks) == pytest.approx(model.score(X), abs=1e-12)


def test_validation_rows_are_read_as_rows_of_the_table(X):
    validated = SharpPCMissingnessDensity(density()).fit(X[:150], X_val=X[150:])
    plain = density().fit(told(X[:150]), X_val=told(X[150:]))
    assert np.array_equal(validated.validation_log_likelihoods_, plain.validation_log_likelihoods_)
    assert np.array_equal(validated.score_samples(X), plain.score_samples(told(X)))


def test_without_missing_values_it_is_the_density_of_the_table(X):
    whole = np.nan_to_num(X)
    model, plain = fitted(whole), density().fit(whole)
    assert np.array_equal(model.score_samples(whole), plain.score_samples(whole))
    assert model.missing_features_.size == 0


def test_a_value_missing_in_a_column_that_had_all_is_summed_out(model):
    both = model.score_samples([[0, 1, NAN], [1, 1, NAN]])
    (one,) = model.score_samples([[NAN, 1, NAN]])
    assert one == pytest.approx(np.logaddexp(*both), abs=1e-12)


def masked(rng, n_rows):
    """Numbers of one cause; the larger the fourth, the likelier the first two are missing."""
    X = rng.normal(size=(n_rows, 1)) + 0.6 * rng.normal(size=(n_rows, 4))
    gone = rng.random(n_rows) < 1 / (1 + np.exp(-4 * X[:, 3]))
    X[gone, :2] = NAN
    return X


def test_what_is_missing_and_what_is_there_tell_of_each_other_in_rows_held_out():
    rng = np.random.default_rng(0)
    train, test = masked(rng, 400), masked(rng, 2000)
    joint = fitted(train, feature_types="gaussian").score(test)
    values = density(feature_types="gaussian").fit(train).score(test)
    holes = density().fit(np.isnan(train[:, :2]).astype(float))
    apart = values + holes.score(np.isnan(test[:, :2]).astype(float))
    assert joint > apart + 0.15  # of at most the information of both, about 0.35 nats


def test_rows_in_any_order_and_weights_as_repetitions_give_the_same_bits(X):
    weights = np.random.default_rng(1).integers(0, 3, len(X))
    one = fitted(X, weights, early_stopping=False)
    order = np.random.default_rng(2).permutation(weights.sum())
    other = fitted(np.repeat(X, weights, axis=0)[order], early_stopping=False)
    assert np.array_equal(one.score_samples(every_row()), other.score_samples(every_row()))


# --- contributions ------------------------------------------------------------------------


def test_a_contribution_is_that_of_a_value_or_of_its_absence(model):
    """Of a column given the rest: the row against all that the column might show or lack."""
    rows = every_row()
    found = model.feature_contributions(rows, kind="surprise")
    for j, values in enumerate([[0, 1], [0, 1, NAN], [0, 1, NAN]]):
        others = [np.where(np.arange(3) == j, value, rows) for value in values]
        of_rest = np.logaddexp.reduce([model.score_samples(one) for one in others])
        np.testing.assert_allclose(found[:, j], of_rest - model.score_samples(rows), atol=1e-12)


def test_columns_of_a_group_are_judged_together_with_what_they_lack(model):
    rows = every_row()
    groups = {"all": [0, 1, 2], "last": [2]}
    found = model.feature_contributions(rows, groups, kind="surprise")
    np.testing.assert_allclose(found[:, 0], -model.score_samples(rows), atol=1e-12)
    assert np.array_equal(found[:, 1], model.feature_contributions(rows, kind="surprise")[:, 2])


def test_an_excess_is_a_surprise_less_what_it_is_in_rows_that_the_model_draws(model):
    rows, groups = every_row(), {"first": [0], "others": [1, 2]}
    for own in None, groups:
        surprise = model.feature_contributions(rows, own, kind="surprise")
        usual = surprise - model.feature_contributions(rows, own)
        np.testing.assert_allclose(usual, usual[[0]].repeat(len(rows), axis=0), atol=1e-12)
        entropy = np.exp(model.score_samples(rows)) @ surprise
        np.testing.assert_allclose(usual[0], entropy, atol=0.25)  # of 128 draws


def test_an_unknown_kind_of_contribution_is_refused(model):
    with pytest.raises(ValueError, match=r"kind must be 'excess' or 'surprise'; got 'log'"):
        model.feature_contributions(every_row(), kind="log")


def test_a_display_shows_how_surprising_it_is_that_a_value_is_missing(model):
    pytest.importorskip("matplotlib").use("agg")
    from skpc.plotting import ContributionsDisplay

    row = [[0, NAN, 1]]
    display = ContributionsDisplay.from_estimator(model, row)
    assert np.array_equal(display.contributions, model.feature_contributions(row))
    assert display.contributions[0, 1] > 0.5


# --- questions read it as unknown ---------------------------------------------------------


def test_the_density_of_values_has_indicators_summed_out(model):
    rows = every_row()
    unknown = np.column_stack([rows, np.full((len(rows), 2), NAN)])
    expected = oracle.log_likelihood(as_model(model.circuit_), unknown)
    np.testing.assert_allclose(model.density_.score_samples(rows), expected, atol=1e-12)


def test_questions_are_answered_by_the_density_of_values(model):
    row = [[0, NAN, 1]]
    found = model.conditional_probabilities(row, 1)
    assert np.array_equal(found, model.density_.conditional_probabilities(row, 1))
    drawn = model.sample(50, random_state=0, given=row)
    assert not np.isnan(drawn).any()
    assert np.array_equal(drawn, model.density_.sample(50, random_state=0, given=row))
    imputer = SharpPCImputer(FrozenEstimator(model.density_)).fit(row)
    assert imputer.transform(row)[0, 1] == found.argmax()


# --- draws --------------------------------------------------------------------------------


def test_draws_lack_values_as_often_as_the_model_says_and_for_the_same_reasons(model):
    n_draws = 20_000
    drawn = np.nan_to_num(model.sample(n_draws, random_state=0), nan=2)
    rows, counts = np.unique(drawn, axis=0, return_counts=True)
    rows[rows == 2] = NAN
    expected = n_draws * np.exp(model.score_samples(rows))
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


def frame_of(X, library):
    bits = X[:, 0].astype(int)
    levels = [None if np.isnan(v) else ["low", "high"][int(v)] for v in X[:, 1]]
    flags = [None if np.isnan(v) else bool(v) for v in X[:, 2]]
    if library is polars:
        levels = polars.Series(levels, dtype=polars.Enum(["low", "high"]))
        return polars.DataFrame({"bit": bits, "level": levels, "flag": flags})
    if library is pyarrow:
        return pyarrow.table({"bit": bits, "level": levels, "flag": flags})
    levels = pandas.Categorical(levels, ["low", "high"])
    return pandas.DataFrame({"bit": bits, "level": levels, "flag": pandas.array(flags, "boolean")})


def dtypes_of(table):
    return [*table.schema.types] if isinstance(table, pyarrow.Table) else [*table.dtypes]


@pytest.mark.parametrize("library", [pandas, polars, pyarrow], ids=lambda library: library.__name__)
def test_draws_are_frames_of_the_dtypes_that_fit_saw(X, library):
    table = frame_of(X, library)
    framed = fitted(table)
    drawn = framed.sample(100, random_state=0)
    assert type(drawn) is type(table)
    assert dtypes_of(drawn) == dtypes_of(table)
    numbers = framed.density_._columns.to_matrix(drawn)
    assert np.isnan(numbers).any(axis=0).tolist() == [False, True, True]
    # Labels may have another order than their codes had.
    codes = fitted(framed.density_._columns.to_matrix(table))
    assert np.array_equal(numbers, codes.sample(100, random_state=0), equal_nan=True)


def test_the_structure_names_indicators(X):
    frame = fitted(frame_of(X, pandas)).structure_frame()
    assert {*frame["parent"], *frame["child"]} == {
        "bit", "level", "flag", "missingindicator_level", "missingindicator_flag",
    }  # fmt: skip


# --- parameters, and what is refused ------------------------------------------------------


@pytest.mark.parametrize("names", [None, [2, 1, 0, -1]], ids=["positions", "names"])
def test_groups_are_of_columns_of_the_table_alone(names):
    X = masked(np.random.default_rng(0), 60)
    table = X if names is None else pandas.DataFrame(X, columns=names)
    model = fitted(table, feature_types="gaussian", feature_groups=[[-1, 2]])
    pairs = [own.tolist() for own in model.circuit_.features if len(own) > 1]
    assert pairs == ([[2, 3]] if names is None else [[0, 3]])


def frame_with(name):
    return pandas.DataFrame({"a": [0.0, NAN, 1.0] * 5, name: [0, 1, 1] * 5})


@pytest.mark.parametrize(
    ("table", "parameters", "message"),
    [
        (lambda: iter([frame_with("b")]), {}, "learns from tables in memory"),
        (frame_with("b"), {"structure": [-1, 0]}, r"structure=\[-1, 0\] gives parents"),
        (frame_with("missingindicator_a"), {}, "X has 'missingindicator_a', .*Rename it"),
        (csr_array(np.eye(4)), {}, "[Ss]parse"),
        (np.array([[0.0, NAN], [1.0, NAN]]), {}, "no value in column 1"),
    ],
    ids=["source", "parents", "name", "sparse", "no value"],
)
def test_what_cannot_be_learnt_is_refused_and_the_former_fit_stays(
    model, table, parameters, message
):
    again = SharpPCMissingnessDensity(density(**parameters))
    vars(again).update({name: value for name, value in vars(model).items() if name[-1] == "_"})
    before = dict(vars(again))
    with pytest.raises((ValueError, TypeError), match=message):
        again.fit(table)
    assert vars(again) == before
