"""Planted drifts are found and named, their absence too; divergences against closed forms."""

from itertools import combinations, product

import numpy as np
import pandas
import pytest
from scipy.stats import ks_2samp
from sklearn.exceptions import NotFittedError

from skpc import SharpPCDensity, SharpPCMissingnessDensity, SharpPCOutlierDetector
from skpc.drift import Divergence, _p_of_shift, _p_value, column_drift, kl_divergence

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = {"n_latents": 6, "max_iter": 40, "random_state": 0, "n_jobs": 1}


def table(seed, n_rows=400):
    """Two lengths and a label that depend on one another, and a count that does not."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n_rows)
    return pandas.DataFrame(
        {
            "first": size + 0.3 * rng.normal(size=n_rows),
            "second": 1e3 * (size + 0.3 * rng.normal(size=n_rows)),
            "kind": np.where(size + rng.normal(size=n_rows) > 0, "a", "b"),
            "count": rng.poisson(5, n_rows),
        }
    )


@pytest.fixture(scope="module")
def model():
    types = ["gaussian", "gaussian", "categorical", "numeric"]
    return SharpPCDensity(**SETTINGS, feature_types=types, feature_groups=None).fit(table(0))


@pytest.fixture(scope="module")
def reference():
    return table(1)


def changed(found):
    return set(found["column"][found["is_changed"]])


def test_a_shifted_margin_is_named(model, reference):
    new = table(2).assign(count=lambda X: X["count"] + 1)
    found = column_drift(model, reference, new)
    assert changed(found) == {"count"}
    assert found["column"][0] == "count"
    distance = ks_2samp(reference["count"], new["count"]).statistic
    assert np.isclose(found["margin"][0], distance)


def test_a_lost_dependence_is_found_where_all_margins_are_the_same(model, reference):
    new = table(2)
    new["second"] = np.random.default_rng(0).permutation(new["second"])
    found = column_drift(model, reference, new).set_index("column")
    assert found["is_changed"][["first", "second"]].all()
    assert not found["is_changed"]["count"]
    assert (found["z"][["first", "second"]] > 5).all()
    assert found["margin"].max() < 0.1


def test_values_that_go_missing_are_named(model, reference):
    new = table(2)
    new.loc[:39, "kind"] = None
    found = column_drift(model, reference, new)
    assert changed(found) == {"kind"}
    assert np.isclose(found["missing"][0], 0.1)


def test_without_drift_hardly_any_table_has_a_changed_column(model):
    """At a level of 0.2 there are 4 of 20 on average at most: more than 9 are too many by far."""
    n_false = sum(
        bool(changed(column_drift(model, table(2 * i), table(2 * i + 1), level=0.2)))
        for i in range(10, 30)
    )
    assert n_false <= 9


@pytest.mark.parametrize("n_new", [2, 10])
def test_few_rows_without_drift_are_not_called_changed(model, reference, n_new):
    """At a level of 0.2 there are 5 of 25 at most: more than 10 are too many by far."""
    rows = table(3, 25 * n_new)
    n_false = sum(
        bool(changed(column_drift(model, reference, rows[i * n_new : (i + 1) * n_new], level=0.2)))
        for i in range(25)
    )
    assert n_false <= 10


def test_a_rare_label_or_hole_in_three_rows_is_no_drift():
    """One row of three is rare by a chance of 6 %, which chi squared would call a tenth of it."""
    counts = np.array([[294, 6], [2, 1]])
    assert np.isclose(_p_value(counts), 0.0683, atol=5e-3)
    split = np.array([[150, 144, 6], [2, 0, 1]])
    assert _p_value(split) > 0.05


def test_a_shift_of_few_values_is_judged_by_all_exchanges_of_them():
    few, many = np.array([3.0, 5.0]), np.array([0.0, 0.1, 0.3, 0.7, 4.0])
    every = np.concatenate([few, many])
    sums = np.array([sum(pair) for pair in combinations(every - every.mean(), 2)])
    exact = np.mean(np.abs(sums) >= abs((few - every.mean()).sum()) - 1e-9)
    assert np.isclose(_p_of_shift([many, few]), exact, atol=0.02)
    assert _p_of_shift([many, few]) == _p_of_shift([few[::-1], many[::-1]])


def test_surprises_are_means_of_contributions_with_their_error(model, reference):
    new = table(2)
    new.loc[::3, "first"] = np.nan
    found = column_drift(model, reference, new).set_index("column")
    nats = [model.feature_contributions(X)[:, 0] for X in (reference, new)]
    nats[1] = nats[1][new["first"].notna()]
    expected = nats[1].mean() - nats[0].mean()
    error = np.sqrt(sum(part.var(ddof=1) / len(part) for part in nats))
    assert np.isclose(found["given_others"]["first"], expected)
    assert np.isclose(found["standard_error"]["first"], error)
    assert np.isclose(found["z"]["first"], expected / error)


def test_units_do_not_matter(model, reference):
    types = ["gaussian", "gaussian", "categorical", "numeric"]
    scale = {"first": 2.0**20, "second": 2.0**-10}

    def in_units(X):
        return X.assign(**{name: X[name] * factor for name, factor in scale.items()})

    scaled = SharpPCDensity(**SETTINGS, feature_types=types, feature_groups=None)
    scaled.fit(in_units(table(0)))
    here = column_drift(model, reference, table(2))
    there = column_drift(scaled, in_units(reference), in_units(table(2)))
    assert here["column"].tolist() == there["column"].tolist()
    np.testing.assert_allclose(here["z"], there["z"], rtol=1e-5)


def test_one_wild_value_does_not_make_a_column_changed(model, reference):
    new = table(2)
    new.loc[0, "first"] = 1e6
    assert changed(column_drift(model, reference, new)) == set()


def test_labels_never_seen_and_columns_without_values(model, reference):
    new = table(2).assign(kind="c", count=np.nan)
    found = column_drift(model, reference, new).set_index("column")
    assert found["is_changed"][["kind", "count"]].all()
    assert found["margin"]["kind"] == 1.0
    assert found["missing"]["count"] == 1.0
    assert found["margin"]["count"] == 0.0


def test_constant_columns_and_few_rows():
    X = np.column_stack([np.zeros(50), np.random.default_rng(0).normal(size=50)])
    model = SharpPCDensity(**SETTINGS).fit(X)
    assert not column_drift(model, X, X[:1])["is_changed"].any()
    assert not column_drift(model, X, X)["is_changed"].any()
    found = column_drift(model, X, X + np.array([1.0, 0.0])).set_index("column")
    assert found["is_changed"].to_dict() == {"x0": True, "x1": False}


def test_a_detector_judges_by_its_own_contributions(reference):
    detector = SharpPCOutlierDetector(4, n_components=2, random_state=0).fit(table(0))
    new = table(2)
    new["second"] = new["second"].to_numpy()[::-1]
    assert {"first", "second"} <= changed(column_drift(detector, reference, new))


@pytest.mark.parametrize("level", [0, 1, -0.1, "0.05", True])
def test_a_level_that_is_no_probability_is_refused(model, reference, level):
    with pytest.raises(ValueError, match="level must be a number above 0 and below 1"):
        column_drift(model, reference, reference, level=level)


def test_what_is_no_fitted_density_is_refused(model, reference):
    with pytest.raises(TypeError, match="model must be a SharpPCDensity; got a dict"):
        column_drift({}, reference, reference)
    with pytest.raises(NotFittedError):
        column_drift(SharpPCDensity(), reference, reference)
    with pytest.raises(TypeError, match="other must be a SharpPCDensity"):
        kl_divergence(model, None)


def test_a_table_without_rows_is_one_error_that_names_it(model, reference):
    """And no warning of names of columns, which are there."""
    with pytest.raises(ValueError, match="new cannot be used: X has 0 rows, of 4 columns"):
        column_drift(model, reference, reference[:0])
    with pytest.raises(ValueError, match="reference cannot be used: X has 0 rows"):
        column_drift(model, reference[:0], reference)
    for ask in (model.score, model.score_samples, model.feature_contributions):
        with pytest.raises(ValueError, match=r"^X has 0 rows, of 4 columns"):
            ask(reference[:0])


def test_each_table_is_validated_once(model, reference, monkeypatch):
    detector = SharpPCOutlierDetector(4, n_components=2, random_state=0).fit(table(0))
    read, tables = SharpPCDensity._validate, []
    monkeypatch.setattr(
        SharpPCDensity, "_validate", lambda *given: (tables.append(1), read(*given))[1]
    )
    for one in (model, detector):
        tables.clear()
        column_drift(one, reference, table(2, 30))
        assert len(tables) == 2


def test_a_density_of_missing_values_judges_by_its_own_contributions():
    X = table(0)
    X.loc[X["second"] > 0, "first"] = np.nan
    own = SharpPCMissingnessDensity(SharpPCDensity(**SETTINGS)).fit(X)
    new = table(2, 100)
    found = column_drift(own, X[:200], new).set_index("column")
    nats = [np.minimum(own.feature_contributions(part), 30.0) for part in (X[:200], new)]
    expected = nats[1][:, 1].mean() - nats[0][:, 1].mean()
    assert np.isclose(found["given_others"]["second"], expected)


# kl_divergence


def binary(seed, n_rows=80):
    rng = np.random.default_rng(seed)
    return (rng.random((n_rows, 1)) + 0.5 * rng.random((n_rows, 4)) > 0.7).astype(int)


def test_a_divergence_over_few_states_is_the_sum():
    p, q = (SharpPCDensity(**SETTINGS).fit(binary(seed)) for seed in (0, 1))
    states = np.array(list(product([0, 1], repeat=4)))
    log_p, log_q = p.score_samples(states), q.score_samples(states)
    found = kl_divergence(p, q)
    assert found.standard_error == 0.0
    assert np.isclose(found.estimate, (np.exp(log_p) * (log_p - log_q)).sum(), rtol=1e-6)
    assert kl_divergence(p, p) == Divergence(0.0, 0.0)
    assert found.estimate != kl_divergence(q, p).estimate > 0


def test_a_divergence_of_normal_distributions_is_within_its_error():
    rng = np.random.default_rng(0)
    settings = {**SETTINGS, "n_latents": 1, "feature_types": "gaussian"}
    p, q = (
        SharpPCDensity(**settings).fit(rng.normal(mean, scale, size=(200, 1)))
        for mean, scale in ((0, 1), (1, 2))
    )
    (m, v), (n, w) = (
        (found.mean[0], found.variance[0])
        for found in (model.conditional_moments([[np.nan]], 0) for model in (p, q))
    )
    exact = 0.5 * (np.log(w / v) + (v + (m - n) ** 2) / w - 1)
    found = kl_divergence(p, q, n_samples=4000, random_state=0)
    assert 0 < found.standard_error < 0.02
    assert abs(found.estimate - exact) < 4 * found.standard_error
    again = kl_divergence(p, q, n_samples=4000, random_state=0)
    assert again == found
    fewer = kl_divergence(p, q, n_samples=40, random_state=0)
    assert 5 < fewer.standard_error / found.standard_error < 20


def test_labels_are_compared_by_what_they_are():
    """Not by their positions: the one that comes first is not the first of the others."""
    first = pandas.DataFrame({"kind": ["b", "c"] * 30})
    second = pandas.DataFrame({"kind": ["a", "b", "c"] * 20})
    p, q = (SharpPCDensity(1, mu=0, pseudocount=0).fit(X) for X in (first, second))
    assert np.isclose(kl_divergence(p, q).estimate, np.log(1.5), rtol=1e-6)


def test_ordered_labels_are_compared_by_what_they_are():
    few, more = (pandas.CategoricalDtype(list(labels), ordered=True) for labels in ("SM", "SML"))
    tables = (pandas.DataFrame({"x": pandas.Series(list("SM") * 20, dtype=d)}) for d in (few, more))
    p, q = (SharpPCDensity(1, max_iter=5).fit(X) for X in tables)
    assert kl_divergence(q, p) == Divergence(np.inf, 0.0)
    assert np.isfinite(kl_divergence(p, q, n_samples=20, random_state=0).estimate)


@pytest.mark.parametrize(
    ("of_p", "of_q", "types"),
    [
        (np.arange(300) % 150 + 100, np.arange(6) % 3, ("categorical", "categorical")),
        (list("abc") * 20, list("bcd") * 20, ("auto", "auto")),
        (np.arange(60) % 40, np.arange(60) % 39, ("numeric", "categorical")),
        (np.arange(60) % 4, np.arange(60) % 3, ("categorical", "binomial")),
    ],
)
def test_values_that_the_other_model_cannot_have_are_infinitely_far(of_p, of_q, types):
    p, q = (
        SharpPCDensity(1, feature_types=kind).fit(pandas.DataFrame({"x": values}))
        for values, kind in zip((of_p, of_q), types, strict=True)
    )
    assert kl_divergence(p, q) == Divergence(np.inf, 0.0)


def test_counts_are_compared_whether_they_are_categories_or_levels():
    counts = np.minimum(np.random.default_rng(0).poisson(2, size=(300, 1)), 5)  # all of 0 to 5
    types = "categorical", "binomial", "numeric"
    models = [SharpPCDensity(1, feature_types=t, early_stopping=False).fit(counts) for t in types]
    for p in models[:2]:
        levels = p.categories_[0][:, None]
        for q in models:
            logs = [model.score_samples(levels) for model in (p, q)]
            shares = np.exp(logs[0]) / np.exp(logs[0]).sum()
            expected = (shares * (logs[0] - logs[1])).sum()
            assert np.isclose(kl_divergence(p, q).estimate, expected)


def test_models_that_cannot_be_compared_are_refused():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    spiked = np.where(rng.random(200) < 0.4, 0.0, x)
    numeric = SharpPCDensity(**SETTINGS).fit(x[:, None])
    for other, message in [
        (SharpPCDensity(**SETTINGS).fit(np.column_stack([x, x])), "other columns"),
        (
            SharpPCDensity(**SETTINGS).fit(np.rint(x[:, None])),
            "column 0 has other values with",
        ),
        (SharpPCDensity(**SETTINGS).fit(spiked[:, None]), "column 0 has other values with"),
    ]:
        with pytest.raises(ValueError, match=message):
            kl_divergence(numeric, other)
    with pytest.raises(ValueError, match="n_samples must be an int of at least 2; got 1"):
        kl_divergence(numeric, numeric, n_samples=1)
