"""Excess surprise: free of units, zero on average, and the surprise less an entropy."""

from itertools import product

import numpy as np
import pandas
import pytest
from helpers import mixed_values

from skpc import SharpPCDensity
from skpc._outliers.expert import OWN_WEIGHTS
from skpc._passes.likelihood import log_likelihood
from skpc._queries.contributions import contributions
from skpc._queries.marginals import column_log_probs
from skpc._queries.sampling import sample
from skpc._queries.surprises import excesses, log_units, own_excesses, own_surprises, surprises

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = {"n_latents": 3, "max_iter": 8, "random_state": 0, "n_jobs": 1}


def weighed(seed=0, n_rows=120):
    """Grams, an amount that is often zero, levels, a label; some values are missing."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n_rows)
    amount = np.exp(size + 0.5 * rng.normal(size=n_rows))
    table = pandas.DataFrame(
        {
            "mass": 5e-6 * np.exp(size + 0.2 * rng.normal(size=n_rows)),
            "amount": np.where(rng.random(n_rows) < 0.4, 0.0, amount),
            "level": np.rint(20 * size + 5 * rng.normal(size=n_rows)),
            "kind": np.where(size + rng.normal(size=n_rows) > 0, "heavy", "light"),
        }
    )
    table.loc[::9, "level"] = np.nan
    return table


def fitted(table, **parameters):
    return SharpPCDensity(**{**SETTINGS, **parameters}).fit(table)


@pytest.mark.parametrize(
    "parameters", [{}, {"feature_groups": None}, {"n_components": 2}, {"feature_types": None}]
)
def test_a_column_in_other_units_leaves_all_excesses_as_they_are(parameters):
    """Atoms among values that have a density as well; a factor that floats do not have exactly."""
    if "feature_types" in parameters:
        names = {"mass": "gaussian", "amount": "gaussian"}
        parameters = {"feature_types": {**names, "level": "numeric", "kind": "categorical"}}
    table = weighed()
    scaled = table.assign(mass=table["mass"] * 1e6, amount=table["amount"] / 1e3)
    models = fitted(table, **parameters), fitted(scaled, **parameters)
    groups = {"both": ["mass", "amount"], "rest": ["level", "kind"]}
    for asked in ({}, {"groups": groups}):
        here, there = (
            model.feature_contributions(X, **asked)
            for model, X in zip(models, (table, scaled), strict=True)
        )
        np.testing.assert_allclose(here, there, rtol=1e-6, atol=1e-6)
    raw = [
        model.feature_contributions(X, kind="surprise")
        for model, X in zip(models, (table, scaled), strict=True)
    ]
    moved = raw[1][:, 0] - raw[0][:, 0]
    np.testing.assert_allclose(moved, np.log(1e6), rtol=1e-6)


def test_a_column_of_small_units_is_not_the_reason_of_most_rows():
    """Three columns alike, of which one is in units so small that its density is tiny."""
    X = np.random.default_rng(0).normal(size=(150, 1)) + np.random.default_rng(1).normal(
        size=(150, 3)
    )
    X[:, 0] *= 1e6
    model = fitted(X, feature_groups=None)
    raw = model.feature_contributions(X, kind="surprise").argmax(axis=1)
    assert (raw == 0).all()
    share = np.bincount(model.feature_contributions(X).argmax(axis=1), minlength=3) / 150
    assert share.min() > 0.2
    assert share.max() < 0.5


def test_excess_is_the_surprise_less_the_entropy_given_the_other_columns():
    """The mean over 128 draws is within five standard errors of the sum over all states."""
    rng = np.random.default_rng(0)
    X = (rng.random((200, 1)) + 0.4 * rng.random((200, 4)) > 0.7).astype(int)
    model = fitted(X)
    states = np.array(list(product([0, 1], repeat=4)))
    probs = np.exp(model.score_samples(states))
    surprise = model.feature_contributions(states, kind="surprise")
    usual = surprise - model.feature_contributions(states)
    np.testing.assert_allclose(usual, np.broadcast_to(usual[0], usual.shape), atol=1e-12)
    entropy = probs @ surprise
    error = np.sqrt(probs @ (surprise - entropy) ** 2 / 128)
    assert (np.abs(usual[0] - entropy) < 5 * error).all()
    assert (np.abs(usual[0] - entropy) > 0).all()


def test_what_is_usual_depends_on_what_a_row_shows():
    table = weighed()
    model = fitted(table)
    row = table.iloc[[1]]
    alone = row.assign(mass=np.nan, level=np.nan, kind=None)
    whole, part = (model.feature_contributions(rows)[0] for rows in (row, alone))
    circuit, matrix = model.circuit_, model._validate(alone)
    np.testing.assert_allclose(part[1], own_excesses(circuit, matrix)[0, 1], atol=1e-9)
    assert abs(whole[1] - part[1]) > 0.01
    assert part[[0, 2, 3]].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("own_weight", [0.5, -1.0])
def test_values_by_themselves_are_free_of_units_too(own_weight):
    table = weighed().drop(columns="kind")
    scaled = table.assign(amount=table["amount"] * 2.0**20)
    found = []
    for X in table, scaled:
        model = fitted(X)
        circuit, matrix = model.circuit_, model._validate(X)
        found.append(
            (
                surprises(circuit, matrix, own_weight=own_weight),
                excesses(circuit, matrix, own_weight=own_weight),
            )
        )
        expected = (
            contributions(circuit, matrix)
            + log_units(circuit, matrix)
            + own_weight * own_surprises(circuit, matrix)
        )
        np.testing.assert_allclose(found[-1][0], expected, rtol=1e-12)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6, atol=1e-6)


@pytest.fixture(scope="module")
def mixed():
    types = ["categorical", "categorical", "gaussian", "gaussian"]
    return fitted(mixed_values(), feature_types=types).circuit_


@pytest.mark.parametrize("own_weight", OWN_WEIGHTS.values(), ids=OWN_WEIGHTS)
@pytest.mark.parametrize("groups", [None, [[0, 2], [1], [2, 3, 2]]])
def test_a_surprise_is_what_the_score_gains_without_the_value(mixed, own_weight, groups):
    X = mixed_values(20, seed=1)
    X[:5, 2], X[5:8, 0] = np.nan, np.nan

    def score(rows):
        own = column_log_probs(mixed, rows)
        return log_likelihood(mixed, rows) + own_weight * np.where(np.isnan(rows), 0.0, own).sum(1)

    found = surprises(mixed, X, groups, own_weight)
    for place, columns in enumerate(groups or [[j] for j in range(4)]):
        rest = X.copy()
        rest[:, columns] = np.nan
        np.testing.assert_allclose(found[:, place], score(rest) - score(X), atol=1e-9)


@pytest.mark.parametrize("own_weight", OWN_WEIGHTS.values(), ids=OWN_WEIGHTS)
@pytest.mark.parametrize("hidden", [[], [1], [0, 2]])
def test_the_excess_is_zero_on_average_whatever_is_missing(own_weight, hidden):
    """Without its neighbours a value is more surprising, but so it is in all rows without them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1)) + 0.2 * rng.normal(size=(200, 3))
    settings = {"feature_types": "gaussian", "n_latents": 1, "feature_groups": [[0, 1, 2]]}
    circuit = fitted(X, **settings).circuit_
    rows = sample(circuit, 3000, 3, np.random.RandomState(7))
    rows[:, hidden] = np.nan
    found = excesses(circuit, rows, own_weight=own_weight)
    # The usual is known from 128 rows, those that are asked about are many more.
    error = 4.0 * found.std(axis=0) / np.sqrt(128)
    assert (np.abs(found.mean(axis=0)) <= error).all()
    assert (found[:, hidden] == 0.0).all()


def test_an_excess_does_not_depend_on_memory(mixed):
    X = mixed_values(60, seed=2)
    X[np.random.default_rng(0).random(X.shape) < 0.3] = np.nan
    every = excesses(mixed, X, own_weight=0.5)
    assert np.array_equal(every, excesses(mixed, X, own_weight=0.5, max_bytes=2**12))
    for i in range(0, 60, 7):
        assert np.array_equal(excesses(mixed, X[i : i + 1], own_weight=0.5)[0], every[i])


def test_a_row_has_the_same_bits_whatever_the_others_are():
    table = weighed()
    model = fitted(table)
    whole = model.feature_contributions(table)
    for rows in ([9, 3], [50], [18, 9, 1]):
        assert np.array_equal(model.feature_contributions(table.iloc[rows]), whole[rows])


def test_a_wrong_kind_is_refused():
    model = fitted(weighed())
    for kind in ("raw", 3, None):
        with pytest.raises(ValueError, match=r"kind must be 'excess' or 'surprise'; got"):
            model.feature_contributions(weighed(), kind=kind)
