"""Explanations of an outlier detector: contributions in excess of what is usual, and sentences."""

import pickle
import re

import duckdb
import numpy as np
import pandas
import polars
import pytest
from helpers import composed
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError

from skpc import Explanation, OddValue, SharpPCDensity, SharpPCOutlierDetector
from skpc._queries.surprises import excesses

NUMERIC = ["mass", "length", "depth", "price"]


def mixed_frame(seed, n_rows=150):
    """A table of units from thousandths to thousands, with labels."""
    rng = np.random.default_rng(seed)
    group, size = rng.integers(0, 3, n_rows), rng.normal(size=n_rows)
    kind = np.where(rng.random(n_rows) < 0.9, group, rng.integers(0, 3, n_rows))
    noise = rng.normal(size=(4, n_rows))
    return pandas.DataFrame(
        {
            "mass": np.rint(4000 + 800 * group + 300 * size + 100 * noise[0]),
            "length": np.round(0.19 + 0.02 * group + 0.01 * size + 0.004 * noise[1], 4),
            "depth": np.round(17 - 1.5 * group + 0.5 * size + 0.5 * noise[2], 1),
            "price": np.round(np.exp(3 + 0.4 * noise[3]), 2),
            "kind": np.array(["a", "b", "c"])[kind],
            "sex": np.where(rng.random(n_rows) < 0.5 + 0.3 * np.tanh(size), "f", "m"),
        }
    )


def with_typing_errors(frame, seed):
    """Six cells at ten times the median of their column, and where they are."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(frame), 6, replace=False)
    columns = rng.permutation([0, 1, 2, 3, *rng.choice(4, 2, replace=False)])
    frame = frame.copy()
    for i, j in zip(rows, columns, strict=True):
        frame.loc[i, NUMERIC[j]] = 10 * frame[NUMERIC[j]].median()
    return frame, rows, columns


@pytest.fixture(scope="module")
def frame():
    return mixed_frame(0)


@pytest.fixture(scope="module")
def detector(frame):
    return SharpPCOutlierDetector(random_state=0).fit(frame)


def odd_row(frame, **changes):
    return frame.iloc[[3]].assign(**changes)


@pytest.mark.parametrize(("seed", "least"), [(0, 6), (1, 5)])
def test_the_column_with_a_typing_error_is_named_in_the_rows_learnt_from(seed, least):
    """The mixture of all densities has learnt the errors by heart, and names `mass` most often."""
    frame, rows, columns = with_typing_errors(mixed_frame(seed), seed)
    model = SharpPCOutlierDetector(random_state=seed).fit(frame)
    named = model.feature_contributions(frame.iloc[rows]).argmax(axis=1)
    assert (named == columns).sum() >= least
    raw = model.estimator_.feature_contributions(frame.iloc[rows], kind="surprise").argmax(axis=1)
    assert (raw == columns).sum() <= 4
    first = [model.explain(frame.iloc[i]).values for i in rows]
    names = [values[0].feature if values else None for values in first]
    assert sum(name == frame.columns[j] for name, j in zip(names, columns, strict=True)) >= 5


def test_units_do_not_matter(frame):
    """Powers of two, so that it is the same to the last bit but for the logarithms."""
    factors = pandas.Series([2.0**-12, 2.0**10, 1.0, 2.0**5], NUMERIC)
    scaled = frame.assign(**{name: frame[name] * factors[name] for name in NUMERIC})
    some, others = (
        SharpPCOutlierDetector(random_state=0).fit(X).feature_contributions(X)
        for X in (frame, scaled)
    )
    np.testing.assert_allclose(some, others, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("criterion", ["auto", "likelihood", "dependence"])
def test_a_training_row_is_explained_by_the_densities_without_it(criterion):
    """Of two halves each row is in one; its score says which other one judges it."""
    X = np.random.default_rng(0).normal(size=(60, 2))
    X[:3, 0] = 8.0, 11.0, 15.0
    settings = {"criterion": criterion, "n_components": 2, "max_samples": 0.5}
    model = SharpPCOutlierDetector(4, **settings, random_state=0).fit(X)
    by_each = np.stack([expert.scores(X) for expert in model._experts])
    judge = np.abs(by_each - model.score_samples(X)).argmin(axis=0)
    np.testing.assert_array_equal(by_each[judge, np.arange(60)], model.score_samples(X))
    excess = np.stack([excesses(e.circuit, X, own_weight=e.own_weight) for e in model._experts])
    found = model.feature_contributions(X)
    np.testing.assert_array_equal(found, excess[judge, np.arange(60)])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.feature_contributions(X), found)
    new = X + 1e-9  # no longer known: both judge it
    np.testing.assert_allclose(model.feature_contributions(new), excess.mean(axis=0), rtol=1e-4)


def test_a_file_with_other_judges_is_refused(detector):
    for judges in np.ones((len(detector._known_rows.keys), 2), bool), None:
        damaged = pickle.loads(pickle.dumps(detector))
        known = damaged._known_rows
        wrong = np.zeros_like(known.judges) if judges is None else judges
        vars(known)["judges"] = wrong
        with pytest.raises(ValueError, match="judge"):
            pickle.loads(pickle.dumps(damaged))


def test_missing_values_and_names_of_rows_contribute_nothing(frame):
    named = frame.assign(name=[f"row {i}" for i in range(len(frame))], constant=3.5)
    named.loc[named.index % 5 == 0, "depth"] = np.nan
    named.loc[named.index % 7 == 0, "kind"] = None
    named.loc[4] = None
    with pytest.warns(UserWarning, match="name"):
        model = SharpPCOutlierDetector(random_state=0).fit(named)
    found = model.feature_contributions(named)
    missing = named.isna().to_numpy()
    assert (found[missing] == 0.0).all()
    assert (found[:, named.columns.get_loc("name")] == 0.0).all()
    assert np.abs(found[:, named.columns.get_loc("constant")]).max() < 1e-9
    assert (found[~missing[:, 2], 2] != 0.0).all()
    groups = {"name": ["name"], "depth": [2], "both": ["name", "depth"]}
    of_groups = model.feature_contributions(named, groups)
    np.testing.assert_allclose(of_groups[:, 1], found[:, 2], atol=1e-8)
    np.testing.assert_array_equal(of_groups[:, 0], 0.0)
    np.testing.assert_array_equal(of_groups[:, 2], of_groups[:, 1])
    assert str(model.explain(named.iloc[4])).endswith("The row is not odd.")


def test_a_sentence_for_a_row(detector, frame):
    row = odd_row(frame, mass=37000.0)
    found = detector.explain(row)
    assert isinstance(found, Explanation)
    assert found.is_outlier
    assert found.score == detector.score_samples(row)[0]
    assert found.p_value == detector.p_values(row)[0] == pytest.approx(1 / 151)
    (odd,) = found.values
    assert (odd.feature, odd.value) == ("mass", 37000.0)
    assert odd.excess == detector.feature_contributions(row)[0, 0]
    truth = float(frame["mass"].iloc[3])
    low, high = odd.interval
    assert low < truth < high
    assert 0.8 < odd.median / truth < 1.2
    assert low < odd.median < high
    assert odd.likeliest == ()
    assert str(found) in [
        "p-value 0.0066. mass is 37000; expected about {:.6g} ({:.6g} to {:.6g}) given the other "
        "values.".format(*(float(f"{value:.{digits}g}") for value in (odd.median, low, high)))
        for digits in (3, 4)  # as many as tell the interval to a hundredth
    ]


def test_a_relation_of_one_row_is_explained(detector, frame):
    row = frame.iloc[[4]]
    relation = duckdb.from_df(row)
    assert str(detector.explain(relation)) == str(detector.explain(row))


def test_labels_are_expected_with_probabilities(detector, frame):
    row = frame[frame["kind"] == "c"].iloc[[0]].assign(kind="unheard of")
    found = detector.explain(row)
    (odd,) = found.values
    assert (odd.feature, odd.value, odd.median, odd.interval) == ("kind", "unheard of", None, None)
    label, probability = odd.likeliest[0]
    assert label == "c"
    assert 0.5 < probability <= 1.0
    assert str(odd).startswith(f"kind is unheard of; expected c ({100 * probability:.0f} %)")


def test_levels_have_a_median(frame):
    level = np.random.default_rng(0).binomial(9, 0.3, len(frame)).astype(float)
    types = {"level": "binomial"}
    model = composed(SharpPCOutlierDetector, n_latents=2, feature_types=types, random_state=0)
    found = model.fit(frame.assign(level=level)).explain(odd_row(frame, level=9.0))
    odd = next(value for value in found.values if value.feature == "level")
    assert odd.interval[0] <= odd.median <= odd.interval[1] < 9.0
    assert {odd.median, *odd.interval} <= set(np.arange(10.0))


def test_pairs_that_do_not_go_together():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1)) + 0.1 * rng.normal(size=(300, 2))
    model = SharpPCOutlierDetector(random_state=0).fit(x)
    found = model.explain([1.0, -1.0])
    (pair,) = found.pairs
    assert (pair.features, pair.values) == (("x0", "x1"), (1.0, -1.0))
    assert pair.dependence < -2.0
    assert str(found).endswith(" times rarer than by chance.")
    assert "x0 1 and x1 -1 do not go together" in str(found)
    assert model.explain([1.0, 1.0]).pairs == ()


def test_a_row_that_is_not_odd(detector, frame):
    usual = frame.iloc[detector.score_samples(frame).argsort()[-75]]
    found = detector.explain(usual)
    assert not found.is_outlier
    assert str(found) == f"p-value {found.p_value:.2g}. The row is not odd."
    lone = Explanation(-9.0, 0.01, True, (), ())
    assert str(lone) == (
        "p-value 0.01. No single value stands out: all of them together are improbable."
    )


def test_whether_a_row_is_odd_is_what_predict_says(frame):
    model = SharpPCOutlierDetector(false_discovery_rate=0.05, random_state=0).fit(frame)
    for row in frame.iloc[:5], odd_row(frame, mass=37000.0):
        for i in range(len(row)):
            one = row.iloc[i : i + 1]
            assert model.explain(one).is_outlier == (model.predict(one)[0] == -1)


def test_a_row_may_come_in_many_forms(frame):
    frame = frame.iloc[:60]
    row = odd_row(frame, mass=37000.0)
    detector = SharpPCOutlierDetector(2, n_components=2, random_state=0).fit(frame)
    expected = detector.explain(row)
    as_dict = row.iloc[0].to_dict()
    reversed_dict = dict(reversed(as_dict.items()))
    for form in row.iloc[0], as_dict, reversed_dict, list(as_dict.values()):
        assert detector.explain(form) == expected
    table = polars.from_pandas(frame)
    model = SharpPCOutlierDetector(2, n_components=2, random_state=0).fit(table)
    named = polars.from_pandas(row)
    for form in named, named.row(0, named=True), named.row(0):
        assert model.explain(form) == expected
    hole = model.explain({**as_dict, "kind": None, "depth": float("nan")})
    assert hole.values[0].feature == "mass"


def test_rows_of_arrays_and_sparse_matrices():
    rng = np.random.default_rng(0)
    X = (rng.random((120, 6)) < rng.choice([0.1, 0.7], (120, 1))).astype(float)
    dense, sparse = (SharpPCOutlierDetector(4, random_state=0).fit(T) for T in (X, csr_array(X)))
    found = dense.feature_contributions(X)
    np.testing.assert_allclose(sparse.feature_contributions(csr_array(X)), found, atol=1e-9)
    expected = dense.explain(X[:1])
    for form in X[0], X[0].tolist(), pandas.Series(X[0]), dict(enumerate(X[0])), csr_array(X[:1]):
        assert sparse.explain(form) == expected
    one = SharpPCOutlierDetector(random_state=0).fit(X[:, :1] + 0.01 * rng.normal(size=(120, 1)))
    (odd,) = one.explain([7.0]).values
    assert odd.feature == "x0"
    only = SharpPCOutlierDetector(random_state=0).fit(X[:1])  # nobody did not learn from it
    assert only.feature_contributions(X[:1]).shape == (1, 6)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (lambda frame: frame.iloc[:3], "one row; got 3.*X\\[i : i \\+ 1\\]"),
        (lambda frame: {"mass": [1.0, 2.0]}, "several values of 'mass'.*Give one"),
        (lambda frame: {**frame.iloc[0], "mas": 1.0}, "'mas'.*no column.*Leave it out"),
        (lambda frame: [1.0, 2.0], "2 values for 6 columns"),
        (lambda frame: None, "table of two dimensions"),
        (lambda frame: "mass", "table of two dimensions"),
    ],
)
def test_what_is_no_row_is_refused(detector, frame, row, message):
    with pytest.raises(ValueError, match=message):
        detector.explain(row(frame))


def test_errors(detector, frame):
    for wrong in 0, 1.5, "all":
        with pytest.raises(ValueError, match=f"max_features.*{wrong}"):
            detector.explain(frame.iloc[0], max_features=wrong)
    with pytest.raises(ValueError, match="groups"):
        detector.feature_contributions(frame, {"a": ["none"]})
    for ask in "explain", "feature_contributions", "p_values":
        with pytest.raises(NotFittedError):
            getattr(SharpPCOutlierDetector(), ask)(frame.iloc[:1])


def test_max_features_bounds_what_is_named(detector, frame):
    row = odd_row(frame, mass=370000.0, price=900.0, kind="unheard of")
    names = [value.feature for value in detector.explain(row).values]
    assert names == ["mass", "price", "kind"]
    assert [value.feature for value in detector.explain(row, max_features=2).values] == names[:2]


def test_a_density_of_margins_is_explained_in_units(frame):
    model = SharpPCOutlierDetector(
        SharpPCDensity(n_latents=3, max_iter=5, random_state=0), random_state=0
    )
    whole = frame.assign(mass=frame["mass"].astype(int))
    (odd, *_) = model.fit(whole).explain(odd_row(whole, mass=37000)).values
    assert odd.feature == "mass"
    assert isinstance(odd.median, int)  # as the column is
    assert whole["mass"].min() <= odd.median <= whole["mass"].max()


def generated(seed):
    """A small table of clusters with gaps, of whole numbers, tenths, skew and labels, and rows."""
    rng = np.random.default_rng(seed)
    n_rows, n_columns = int(rng.integers(30, 120)), int(rng.integers(2, 5))
    group = rng.integers(0, 3, n_rows)
    X = rng.normal(size=(n_rows, n_columns)) * rng.choice([0.1, 1.0, 3.0], n_columns)
    X += group[:, None] * rng.choice([0.0, 4.0, 10.0, -7.0], n_columns)
    kind = rng.integers(0, 4, n_columns)
    X[:, kind == 1] = np.rint(np.abs(X[:, kind == 1]))
    X[:, kind == 2] = np.exp(X[:, kind == 2] / 3)
    X[:, kind == 3] = np.round(np.abs(X[:, kind == 3]), 1)
    label = np.array(["a", "b", "c"])[np.where(rng.random(n_rows) < 0.9, group, 0)]
    frame = pandas.DataFrame(X, columns=[f"x{j}" for j in range(n_columns)]).assign(label=label)
    shuffled = frame.apply(lambda column: rng.permutation(column.to_numpy())).iloc[:6]
    return frame, pandas.concat([shuffled, frame.iloc[:2].assign(x0=3.0 * frame["x0"].max())])


@pytest.mark.parametrize("seed", [*range(6), 7, 8, 9])
def test_what_is_told_of_a_value_is_true(seed):
    """Beyond the interval, or rare within it; the interval in the column; the values before it."""
    frame, rows = generated(seed)
    model = SharpPCOutlierDetector(random_state=0).fit(frame)
    worst = frame.iloc[model.score_samples(frame).argsort()[:4]]
    for _, row in pandas.concat([rows, worst]).iterrows():
        named = ()
        for odd in model.explain(row).values:
            assert odd.without == named
            named += (odd.feature,)
            assert odd.rarity is None or odd.rarity < 0.05
            if odd.interval is None:
                assert odd.value not in [label for label, _ in odd.likeliest]
                continue
            low, high = odd.interval
            assert (low <= odd.value <= high) == (odd.rarity is not None)
            assert ("within the range expected" in str(odd)) == (odd.rarity is not None)
            value, first, last = printed(odd)
            assert (first <= value <= last) == (odd.rarity is not None)
            seen = frame[odd.feature]
            assert seen.min() <= low <= odd.median <= high <= seen.max()
            for digits in 0, 1:
                if (seen == seen.round(digits)).all():
                    told = low, odd.median, high
                    assert told == tuple(np.round(told, digits))
                    break


def printed(odd):
    """The value and the ends of the interval in a sentence."""
    number = r"(-?[\d.]+(?:e[+-]\d+)?)"
    found = re.match(rf".* is {number}; .*\({number} to {number}\) given", str(odd))
    return [float(part) for part in found.groups()]


def odd_value(value, median, interval, rarity=None, without=()):
    return OddValue("x", value, 9.0, median, interval, (), rarity, without)


def test_sentences_say_which_values_were_left_out():
    said = [str(odd_value(9.0, 2.0, (1.0, 3.0), None, names)) for names in ((), "a", "ab", "abc")]
    start = "x is 9; expected about 2 (1 to 3) given the other values"
    assert said == [
        f"{start}.",
        f"{start} without a.",
        f"{start} without a and b.",
        f"{start} without those named before.",
    ]


@pytest.mark.parametrize(
    ("odd", "sentence"),
    [
        (odd_value(2029, 2014, (2010, 2018)), "x is 2029; expected about 2014 (2010 to 2018)"),
        (
            odd_value(20250101.0, 20210105.0, (20210101.0, 20210131.0)),
            "x is 20250101; expected about 20210105 (20210101 to 20210131)",
        ),
        (odd_value(1.004, 1.0, (1.0, 1.0)), "x is 1.004; expected about 1 (1 to 1)"),
        (
            odd_value(0.12345678, 1 / 3, (0.3, 2.0)),
            "x is 0.123457; expected about 0.333 (0.3 to 2)",
        ),
        (
            odd_value(5.0, 1.0, (0.9, 9.12), 0.004),
            "x is 5; within the range expected (0.9 to 9.12) given the other values, but rare "
            "there: below 1 % of such rows have it or a rarer value",
        ),
        (odd_value("high", "low", ("low", "low")), "x is high; expected about low (low to low)"),
    ],
)
def test_numbers_are_told_to_as_many_digits_as_matter(odd, sentence):
    assert str(odd).startswith(sentence)
