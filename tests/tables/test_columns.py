"""Tables of every kind: how columns are read, what is refused, and what comes back."""

import datetime
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import narwhals
import numpy as np
import pandas
import polars
import pyarrow
import pytest
from dask import delayed
from sklearn.frozen import FrozenEstimator

from skpc import (
    SharpPCClassifier,
    SharpPCDensity,
    SharpPCDensityCV,
    SharpPCImputer,
    SharpPCOutlierDetector,
)
from skpc._tables.columns import Columns, take_rows
from skpc._tables.single_rows import is_named

DECIMAL_OF_ARROW = pandas.ArrowDtype(pyarrow.decimal128(38, 0))


def learn(X, weights=None, **options):
    return Columns.learn(X if weights is None else take_rows(X, weights > 0), **options)


def read(series, **options):
    """Type, labels (or values) and matrix of a frame of one column."""
    X = pandas.DataFrame({"a": series}) if isinstance(series, pandas.Series) else series.to_frame()
    columns = learn(X, **options)
    labels = columns.categories[0]
    return (
        columns.columns[0].type,
        None if labels is None else list(labels),
        columns.to_matrix(X)[:, 0].tolist(),
    )


def small(**parameters):
    return SharpPCDensity(
        **{
            "n_latents": 2,
            "max_iter": 4,
            "tol": 0.0,
            "early_stopping": False,
            "random_state": 0,
            **parameters,
        }
    )


nan = pytest.approx(np.nan, nan_ok=True)

# --- pandas ----------------------------------------------------------------------------

PANDAS = {
    "declared categories, one without rows": (
        pandas.Series(pandas.Categorical(["b", "a", None, "b"], categories=["c", "b", "a"])),
        ("categorical", ["c", "b", "a"], [1.0, 2.0, nan, 1.0]),
    ),
    "ordered categories": (
        pandas.Series(
            pandas.Categorical(["low", "high"], categories=["low", "mid", "high"], ordered=True)
        ),
        ("categorical", ["low", "mid", "high"], [0.0, 2.0]),
    ),
    "ordered categories, three with rows": (
        pandas.Series(
            pandas.Categorical(
                ["low", "top", None, "high"],
                categories=["low", "mid", "high", "top"],
                ordered=True,
            )
        ),
        ("numeric", ["low", "mid", "high", "top"], [0.0, 3.0, nan, 2.0]),
    ),
    "categories that are numbers": (
        pandas.Series(pandas.Categorical([30, 10, 30])),
        ("categorical", [10, 30], [1.0, 0.0, 1.0]),
    ),
    "strings as objects": (
        pandas.Series(["b", None, "a", np.nan], dtype=object),
        ("categorical", ["a", "b"], [1.0, nan, 0.0, nan]),
    ),
    "strings": (
        pandas.Series(["b", None, "a"], dtype="string"),
        ("categorical", ["a", "b"], [1.0, nan, 0.0]),
    ),
    "bool": (
        pandas.Series([True, False, True]),
        ("categorical", [0.0, 1.0], [1.0, 0.0, 1.0]),
    ),
    "boolean with NA": (
        pandas.Series([True, None, False], dtype="boolean"),
        ("categorical", [0.0, 1.0], [1.0, nan, 0.0]),
    ),
    "bools as objects": (
        pandas.Series([True, None, False], dtype=object),
        ("categorical", [0.0, 1.0], [1.0, nan, 0.0]),
    ),
    "Int64 with NA": (
        pandas.Series([7, None, -2], dtype="Int64"),
        ("categorical", [-2.0, 7.0], [7.0, nan, -2.0]),
    ),
    "int8": (
        pandas.Series([7, 7, -2], dtype="int8"),
        ("categorical", [-2.0, 7.0], [7.0, 7.0, -2.0]),
    ),
    "float32 integers": (
        pandas.Series([7, np.nan, -2], dtype="float32"),
        ("categorical", [-2.0, 7.0], [7.0, nan, -2.0]),
    ),
    "float32": (
        pandas.Series([0.5, np.nan, -2], dtype="float32"),
        ("numeric", None, [0.5, nan, -2.0]),
    ),
    "Float64 with NA": (
        pandas.Series([0.5, None, -2], dtype="Float64"),
        ("numeric", None, [0.5, nan, -2.0]),
    ),
}


@pytest.mark.parametrize(("series", "expected"), PANDAS.values(), ids=PANDAS.keys())
def test_a_column_of_pandas(series, expected):
    assert read(series) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pandas.to_datetime(["2020-01-01", "2021-01-01"]), r"dates in column 'when'.*datetime64"),
        (pandas.to_timedelta([1, 2], unit="D"), r"dates in column 'when'.*timedelta64"),
        ([1 + 2j, 3.0], r"Complex data not supported: column 'when'"),
        (
            np.array(["a", 1], dtype=object),
            r"column 'when' that are neither all numbers.*such as",
        ),
        (np.array([1, [2]], dtype=object), r"column 'when' that are neither.*\[2\] of type list"),
        ([None, None], r"no value in column 'when'"),
        (pandas.Categorical([None, None], categories=["a"]), r"no value in column 'when'"),
        ([1.0, -np.inf], r"infinity.*-inf in row 1, column 'when'"),
    ],
)
def test_a_column_of_pandas_that_is_refused_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        small().fit(pandas.DataFrame({"a": [1, 2], "when": values}))


# --- polars ----------------------------------------------------------------------------

POLARS = {
    "String": (
        polars.Series("a", ["b", None, "a"]),
        ("categorical", ["a", "b"], [1.0, nan, 0.0]),
    ),
    "Enum": (
        polars.Series("a", ["b", None, "a"], dtype=polars.Enum(["c", "b", "a"])),
        ("categorical", ["c", "b", "a"], [1.0, nan, 2.0]),
    ),
    "Enum, three with rows": (
        polars.Series("a", ["b", None, "a", "c"], dtype=polars.Enum(["c", "d", "b", "a"])),
        ("numeric", ["c", "d", "b", "a"], [2.0, nan, 3.0, 0.0]),
    ),
    "Categorical": (
        polars.Series("a", ["b", None, "a"], dtype=polars.Categorical),
        ("categorical", ["a", "b"], [1.0, nan, 0.0]),
    ),
    "Boolean": (
        polars.Series("a", [True, None, False]),
        ("categorical", [0.0, 1.0], [1.0, nan, 0.0]),
    ),
    "Int16 with null": (
        polars.Series("a", [7, None, -2], dtype=polars.Int16),
        ("categorical", [-2.0, 7.0], [7.0, nan, -2.0]),
    ),
    "Float32": (
        polars.Series("a", [0.5, None, float("nan")], dtype=polars.Float32),
        ("numeric", None, [0.5, nan, nan]),
    ),
    "Float64": (
        polars.Series("a", [0.5, 3.0]),
        ("numeric", None, [0.5, 3.0]),
    ),
}


@pytest.mark.parametrize(("series", "expected"), POLARS.values(), ids=POLARS.keys())
def test_a_column_of_polars(series, expected):
    assert read(series) == expected


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (polars.Series("when", [1, 2]).cast(polars.Date), r"dates in column 'when' \(dtype Date\)"),
        (polars.Series("when", [1, 2]).cast(polars.Duration), r"dates in column 'when'"),
        (polars.Series("when", [[1], [2]]), r"column 'when' that are neither"),
        (polars.Series("when", [None, None], dtype=polars.Int8), r"no value in column 'when'"),
        (polars.Series("when", [None, None], dtype=polars.String), r"no value in column 'when'"),
        (polars.Series("when", [1.0, np.inf]), r"infinity.*inf in row 1, column 'when'"),
    ],
)
def test_a_column_of_polars_that_is_refused_is_named(series, message):
    with pytest.raises(ValueError, match=message):
        small().fit(polars.DataFrame({"a": [1, 2]}).with_columns(series))


# --- types -----------------------------------------------------------------------------


def types(X, weights=None, **options):
    return [column.type for column in learn(X, weights, **options).columns]


def numbers():
    """Integers, reals and integers."""
    return np.array([[0.0, 0.5, 3.0], [1.0, 1.5, 4.0], [0.0, 2.5, 3.0]])


C, G, N = "categorical", "gaussian", "numeric"


@pytest.mark.parametrize(
    ("feature_types", "expected"),
    [
        ("auto", [C, N, C]),
        ("numeric", [N, N, N]),
        ("gaussian", [G, G, G]),
        ("categorical", [C, C, C]),
        (["gaussian", "categorical", "auto"], [G, C, C]),
        (("gaussian", "auto", "gaussian"), [G, N, G]),
        (np.array(["gaussian", "auto", "auto"]), [G, N, C]),
        ({}, [C, N, C]),
        ({0: "gaussian"}, [G, N, C]),
        ({0: "numeric"}, [N, N, C]),
        ({-1: "gaussian", 1: "categorical"}, [C, C, G]),
    ],
)
def test_types_asked_for(feature_types, expected):
    assert types(numbers(), feature_types=feature_types) == expected
    assert small(feature_types=feature_types).fit(numbers()).feature_types_ == expected


def test_types_asked_for_by_name():
    X = pandas.DataFrame(numbers(), columns=["a", "b", "c"])
    assert types(X, feature_types={"c": "gaussian", 0: "numeric"}) == [N, N, G]
    assert types(X, feature_types={"a": "auto", "b": "categorical"}) == [C, C, C]


@pytest.mark.parametrize(
    ("feature_types", "message"),
    [
        (["auto", "auto"], r"feature_types has 2 entries for 3 columns"),
        (["auto", "auto", "real"], r"feature_types must be among.*got 'real'"),
        ({0: "real"}, r"feature_types must be among.*got 'real'"),
        ({3: "gaussian"}, r"feature_types names 3, which is neither"),
        ({"d": "gaussian"}, r"feature_types names 'd', which is neither"),
        ({"b": "gaussian"}, r"feature_types gives 'gaussian' to column 'b', which holds labels"),
    ],
)
def test_wrong_types_are_named(feature_types, message):
    X = pandas.DataFrame({"a": [0, 1], "b": ["x", "y"], "c": [0.5, 1.5]})
    with pytest.raises(ValueError, match=message):
        small(feature_types=feature_types).fit(X)


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint8, np.float32, np.float64, object])
def test_the_dtype_does_not_decide_the_type(dtype):
    X = np.array([[0, 1], [1, 1], [0, 0]])
    model = small().fit(X.astype(dtype))
    assert model.feature_types_ == [C, C]
    np.testing.assert_array_equal(model.score_samples(X), small().fit(X).score_samples(X))


@pytest.mark.parametrize("module", [None, pandas, polars])
def test_rows_without_weight_do_not_count(module):
    X = np.array([[0.0, 5.0], [1.0, 6.0], [0.5, 7.0]])
    if module is not None:
        X = module.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    columns = learn(X, np.array([1.0, 2.0, 0.0]))
    assert [column.type for column in columns.columns] == [C, C]
    assert [c.tolist() for c in columns.categories] == [[0.0, 1.0], [5.0, 6.0]]


def test_labels_of_rows_without_weight_do_not_count():
    X = pandas.DataFrame({"a": ["x", "y", "z"]})
    assert list(learn(X, np.array([1.0, 0.0, 1.0])).categories[0]) == ["x", "z"]


@pytest.mark.parametrize(
    ("n", "n_rows_each", "expected"),
    [(2, 1, C), (3, 1, N), (3, 5, C), (10, 4, N), (10, 5, C), (11, 5, N), (90, 1, N)],
)
@pytest.mark.parametrize("scale", [1, 0.5], ids=["integers", "halves"])
def test_numbers_are_codes_if_they_are_few_and_have_rows(n, n_rows_each, expected, scale):
    X = np.repeat(np.arange(n) * 3 - 7, n_rows_each)[:, None] * scale
    if n == 2 and scale != 1:
        expected = N  # no integers
    assert types(X) == [expected]
    weighted = Columns.learn(X[::n_rows_each], weights=np.full(n, float(n_rows_each)))
    assert weighted.columns[0].type == expected


def test_labels_may_be_more_than_integers():
    X = pandas.DataFrame({"a": [f"label {i}" for i in range(40)] * 2})
    assert types(X) == [C]


@pytest.mark.parametrize("n", [10, 11, 40])
def test_integers_have_masses_however_they_are_read(n):
    """So that log likelihoods of one reading can be compared with those of the other."""
    X = np.repeat(np.arange(n), 5)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for feature_types in "auto", "categorical", "numeric":
            model = small(feature_types=feature_types).fit(X)
            total = np.exp(model.score_samples(np.arange(n)[:, None])).sum()
            assert 0.9 < total <= 1.0 + 1e-12


def test_draws_of_ordered_labels_are_labels_from_the_least_to_the_greatest():
    levels = ["none", "low", "mid", "high", "top"]
    seen = ["low", "high", "high", "low", "mid"] * 8
    X = pandas.DataFrame({"a": pandas.Categorical(seen, categories=levels, ordered=True)})
    model = small().fit(X)
    assert model.feature_types_ == [N]
    assert set(model.sample(200, random_state=0)["a"]) == {"low", "mid", "high"}
    every = pandas.DataFrame({"a": pandas.Categorical(levels, levels, ordered=True)})
    masses = np.exp(model.score_samples(every))
    np.testing.assert_allclose(masses[1:4], [0.4, 0.2, 0.4], atol=0.02)
    assert masses.min() > 0.0
    assert masses.sum() < 1.0 + 1e-12


@pytest.mark.parametrize("kind", ["numeric", "binomial", "gaussian"])
def test_labels_without_order_are_no_numbers(kind):
    with pytest.raises(ValueError, match=rf"gives '{kind}' to column 'a', "):
        learn(pandas.DataFrame({"a": ["x", "y"]}), feature_types=kind)


# --- frames and arrays -----------------------------------------------------------------


def table(n_rows=60):
    """A pandas frame of labels, a flag, integers and reals, some missing."""
    rng = np.random.default_rng(0)
    code = rng.integers(0, 3, n_rows)
    X = pandas.DataFrame(
        {
            "size": pandas.Categorical.from_codes(code, ["s", "m", "l"], ordered=True),
            "word": np.array(["no", "yes", "maybe"], dtype=object)[
                (code + rng.integers(0, 2, n_rows)) % 3
            ],
            "flag": rng.random(n_rows) < 0.2 + 0.3 * code,
            "count": (code + rng.integers(0, 3, n_rows)).astype("int16"),
            "real": rng.normal(size=n_rows) + code,
        }
    )
    X.loc[5, ["real"]] = np.nan
    return X


def as_array(X):
    """The numbers that the frame above stands for: labels by their position."""
    words = ["maybe", "no", "yes"]
    word = [words.index(value) for value in X["word"]]
    columns = [X["size"], word, X["flag"], X["count"], X["real"]]
    return np.column_stack(columns).astype(float)


def as_polars(X):
    return polars.DataFrame(
        [
            polars.Series("size", list(X["size"]), dtype=polars.Enum(["s", "m", "l"])),
            polars.Series("word", list(X["word"]), dtype=polars.String),
            polars.Series("flag", X["flag"].to_numpy()),
            polars.Series("count", X["count"].to_numpy(), dtype=polars.Int16),
            polars.Series("real", X["real"].to_numpy()),
        ]
    )


def test_another_library_may_ask():
    X = table()
    model = small().fit(X)
    np.testing.assert_array_equal(model.score_samples(as_polars(X)), model.score_samples(X))


def test_frames_stay_as_they_are():
    X = table()
    X.loc[3, ["size", "word"]] = None
    before = X.copy(deep=True)
    model = small().fit(X)
    model.score_samples(X)
    pandas.testing.assert_frame_equal(X, before)


@pytest.mark.parametrize("convert", [as_array, as_polars])
def test_a_frame_and_what_it_stands_for_score_the_same(convert):
    X = table()
    if convert is as_array:  # an array does not say which levels there may be
        X["size"] = X["size"].cat.codes
    model = small().fit(X)
    # Few integers are codes, unless they are said to be levels.
    other = small(feature_types=model.feature_types_).fit(convert(X))
    np.testing.assert_array_equal(other.score_samples(convert(X)), model.score_samples(X))


def test_names_of_columns_are_kept():
    model = small().fit(table())
    assert model.feature_names_in_.tolist() == ["size", "word", "flag", "count", "real"]
    assert model.feature_types_ == [N, C, C, C, N]
    assert list(model.categories_[0]) == ["s", "m", "l"]
    assert list(model.categories_[1]) == ["maybe", "no", "yes"]
    assert model.categories_[4] is None


@pytest.mark.parametrize("convert", [lambda X: X, as_polars], ids=["pandas", "polars"])
def test_other_columns_are_refused(convert):
    X = table()
    model = small().fit(convert(X))
    for other in (
        X[["word", "size", "flag", "count", "real"]],
        X.drop(columns="count"),
    ):
        other = (
            polars.DataFrame({name: list(other[name]) for name in other})
            if convert is as_polars
            else other
        )
        with pytest.raises(ValueError, match="feature names"):
            model.score_samples(other)
    renamed = (
        as_polars(X).rename({"count": "total"})
        if convert is as_polars
        else X.rename(columns={"count": "total"})
    )
    with pytest.raises(ValueError, match=r"(?s)feature names.*total"):
        model.score_samples(renamed)


def test_labels_where_fit_saw_numbers_are_refused():
    model = small().fit(table())
    with pytest.raises(ValueError, match=r"labels in column 'count', where fit saw numbers"):
        model.score_samples(table().assign(count="many"))
    with pytest.raises(ValueError, match=r"numbers in column 'word', where fit saw labels"):
        model.score_samples(table().assign(word=1.0))


def test_an_infinity_is_named_in_queries_too():
    model = small().fit(table())
    X = table()
    X.loc[3, "real"] = np.inf
    with pytest.raises(ValueError, match=r"infinity.*inf in row 3, column 'real'"):
        model.score_samples(X)


def test_the_order_of_declared_categories_in_a_query_does_not_matter():
    X = table()
    model = small().fit(X)
    reordered = X.assign(size=X["size"].cat.reorder_categories(["l", "s", "m"], ordered=False))
    np.testing.assert_array_equal(model.score_samples(reordered), model.score_samples(X))
    as_strings = X.assign(size=X["size"].astype(object))
    np.testing.assert_array_equal(model.score_samples(as_strings), model.score_samples(X))


# --- unknown categories ----------------------------------------------------------------


def test_an_unknown_label_has_the_mass_of_one_without_counts():
    X = pandas.DataFrame({"a": ["x", "x", "x", "y"]})
    model = small(n_latents=1, pseudocount=0.5).fit(X)
    scores = model.score_samples(pandas.DataFrame({"a": ["x", "y", "new", None]}))
    # Counts 3 and 1, and one row is spread over two categories: it is the column's overall
    # distribution, of which half a row more changes nothing.
    expected = np.log(np.array([3.5, 1.5, 0.5, 5.0]) / 5.0)
    np.testing.assert_allclose(scores, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("X", "other", "message"),
    [
        ([[0], [1]], [[0], [7]], "7 in column 0, row 1.*warm_start=False"),
        (
            pandas.DataFrame({"a": ["x", "y"]}),
            pandas.DataFrame({"a": ["x", "new"]}),
            "'new' in column 'a', row 1.*warm_start=False",
        ),
        (
            polars.DataFrame({"a": ["x", "y"]}),
            polars.DataFrame({"a": ["x", "new"]}),
            "'new' in column 'a', row 1.*warm_start=False",
        ),
    ],
)
def test_an_unknown_category_has_a_mass_and_cannot_be_learnt_from_later(X, other, message):
    model = small(warm_start=True).fit(X)
    assert np.isfinite(model.score_samples(other)).all()
    with pytest.raises(ValueError, match=message):
        model.fit(other)


def test_known_missing_and_declared_categories_are_not_unknown():
    declared = pandas.CategoricalDtype(["x", "y", "z"])
    X = pandas.DataFrame({"a": pandas.Series(["x", "y"], dtype=declared), "b": [0.5, 1.5]})
    other = pandas.DataFrame({"a": pandas.Series(["z", None], dtype=declared), "b": [9.0, 8.5]})
    assert np.isfinite(small(warm_start=True).fit(X).fit(other).score_samples(other)).all()


def test_warm_start_refuses_an_unknown_label():
    model = small(warm_start=True).fit(pandas.DataFrame({"a": ["x", "y"]}))
    with pytest.raises(ValueError, match=r"'z' in column 'a', row 0.*warm_start=False"):
        model.fit(pandas.DataFrame({"a": ["z", "y"]}))


def test_warm_start_goes_on_with_a_frame():
    X = table()
    whole = small(max_iter=10).fit(X)
    parts = small(max_iter=6, warm_start=True).fit(X).set_params(max_iter=4).fit(X)
    np.testing.assert_array_equal(parts.log_likelihoods_, whole.log_likelihoods_[6:])


# --- samples ---------------------------------------------------------------------------


def test_a_sample_of_pandas_has_its_names_dtypes_and_categories():
    X = table()
    drawn = small().fit(X).sample(50, random_state=0)
    assert isinstance(drawn, pandas.DataFrame)
    assert list(drawn.columns) == list(X.columns)
    assert drawn.dtypes.tolist() == X.dtypes.tolist()
    for name in "size", "word", "flag", "count":
        assert set(drawn[name]) == set(X[name])


def test_a_sample_of_polars_has_its_schema():
    X = as_polars(table())
    drawn = small().fit(X).sample(50, random_state=0)
    assert isinstance(drawn, polars.DataFrame)
    assert drawn.schema == X.schema
    for name in "size", "word", "flag", "count":
        assert set(drawn[name]) == set(X[name])


@pytest.mark.parametrize(
    "series",
    [
        pandas.Series(["b", None, "a", "b"], dtype="string"),
        pandas.Series(["b", None, "a", "b"], dtype=object),
        pandas.Series([True, None, False, True], dtype="boolean"),
        pandas.Series([7, None, -2, 7], dtype="Int64"),
        pandas.Series([7, 3, -2, 7], dtype="int8"),
        pandas.Series([7, 3, 2, 7], dtype="uint64"),
        pandas.Series([0.5, 3, -2, 7], dtype="float32"),
        pandas.Series(pandas.Categorical(["b", None, "a", "b"], categories=["c", "b", "a"])),
    ],
    ids=lambda series: str(series.dtype),
)
def test_a_sample_of_one_column_of_pandas_has_its_dtype(series):
    X = pandas.DataFrame({"a": series})
    model = small(pseudocount=0).fit(X)  # a pseudocount gives categories without rows a mass
    drawn = model.sample(30, random_state=0)
    assert drawn["a"].dtype == series.dtype
    if model.feature_types_ == [C]:
        assert set(drawn["a"]) == set(series.dropna())


@pytest.mark.parametrize(
    "series",
    [
        polars.Series("a", ["b", None, "a"]),
        polars.Series("a", ["b", None, "a"], dtype=polars.Categorical),
        polars.Series("a", ["b", None, "a"], dtype=polars.Enum(["c", "b", "a"])),
        polars.Series("a", [True, None, False]),
        polars.Series("a", [7, None, -2], dtype=polars.Int16),
        polars.Series("a", [7, 3, 3], dtype=polars.UInt32),
        polars.Series("a", [0.5, None, 2.0], dtype=polars.Float32),
    ],
    ids=lambda series: str(series.dtype),
)
def test_a_sample_of_one_column_of_polars_has_its_dtype(series):
    X = series.to_frame()
    model = small(pseudocount=0).fit(X)  # a pseudocount gives categories without rows a mass
    drawn = model.sample(30, random_state=0)["a"]
    assert drawn.dtype == series.dtype
    if model.feature_types_ == [C]:
        assert set(drawn) == set(series.drop_nulls())


def test_a_sample_of_many_integers_is_of_integers():
    X = pandas.DataFrame({"a": np.arange(100) ** 2})
    drawn = small().fit(X).sample(30, random_state=0)
    assert drawn["a"].dtype == X["a"].dtype
    assert small().fit(X).feature_types_ == [N]
    assert X["a"].min() <= drawn["a"].min() < drawn["a"].max() <= X["a"].max()
    array = small().fit(X.to_numpy()).sample(30, random_state=0)
    np.testing.assert_array_equal(array, drawn.to_numpy())


def test_names_of_samples_may_be_numbers():
    X = pandas.DataFrame({7: ["a", "b"], 3: [0.5, 1.5]})
    assert list(small().fit(X).sample(2, random_state=0).columns) == [7, 3]


def test_a_sample_can_be_scored():
    for X in table(), as_polars(table()):
        model = small(warm_start=True).fit(X)
        drawn = model.sample(20, random_state=0)
        assert np.isfinite(model.score_samples(drawn)).all()
        model.fit(drawn)  # which refuses categories that are not known


def fitted(X, **parameters):
    options = {"n_latents": 2, "max_iter": 5, "random_state": 0, **parameters}
    return SharpPCDensity(**options).fit(X)


def labels_and_numbers(library):
    return library.DataFrame({"x": ["a", "b", "a", "b"] * 5, "y": [0.0, 1.5, 0.2, 3.0] * 5})


@pytest.mark.parametrize("library", [pandas, polars])
@pytest.mark.parametrize(("column", "other"), [("x", {"y": [1.0]}), ("y", {"x": ["a"]})])
def test_a_column_without_any_value_is_missing_whatever_its_dtype(library, column, other):
    model = fitted(labels_and_numbers(library))
    row = library.DataFrame({"x": [None], "y": [None], **other})
    typed = labels_and_numbers(library)[:1]
    typed = typed.assign(**{column: None}) if library is pandas else row
    assert np.array_equal(model.score_samples(row), model.score_samples(row[["x", "y"]]))
    assert model.score_samples(typed)[0] < 0
    nothing = library.DataFrame({"x": [None, None], "y": [None, None]})
    assert model.score_samples(nothing).tolist() == [0.0, 0.0]


def test_an_array_cannot_stand_for_labels():
    model = fitted(labels_and_numbers(pandas))
    with (
        pytest.warns(UserWarning, match="valid feature names"),
        pytest.raises(ValueError, match="no frame, but fit saw labels in column 'x'"),
    ):
        model.score_samples(np.zeros((2, 2)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint64])
def test_continuous_integers_stay_in_their_range(dtype):
    limits = np.iinfo(dtype)
    X = np.clip(np.random.default_rng(0).normal(20, 60, (300, 1)), 0, 120).astype(dtype)
    drawn = fitted(X).sample(2000, random_state=0)
    assert drawn.dtype == dtype
    low, high = max(limits.min, -500), min(limits.max, 500)
    assert low <= drawn.min() <= drawn.max() <= high
    assert abs(drawn.mean() - X.mean()) < 10


def test_continuous_booleans_come_back_in_proportion():
    X = np.random.default_rng(0).random((400, 1)) < 0.3
    drawn = fitted(X, feature_types="gaussian", max_iter=50).sample(2000, random_state=0)
    assert drawn.dtype == bool
    assert abs(drawn.mean() - 0.3) < 0.1


def test_warm_start_refuses_reordered_columns_and_other_kinds():
    frame = labels_and_numbers(pandas)
    for other in (frame[["y", "x"]], polars.from_dict(frame.to_dict("list"))):
        model = fitted(frame, warm_start=True)
        with pytest.raises(ValueError, match=r"other columns than the last.*warm_start=False"):
            model.fit(other)
        assert model.feature_names_in_.tolist() == ["x", "y"]


def test_dates_in_an_array_are_refused():
    with pytest.raises(ValueError, match="dates"):
        fitted(np.array([["2020-01-01"], ["NaT"]], "datetime64[D]"))


def test_unknown_labels_that_are_not_strings_are_shown():
    values = np.linspace(0, 1, 20)
    known = pandas.DataFrame({"a": pandas.cut(values, [-1, 0.5, 1])})
    other = pandas.DataFrame({"a": pandas.cut(values, [-1, 0.5, 2])})
    with pytest.raises(ValueError, match=r"Interval\(0.5, 2.*column 'a'"):
        fitted(known, warm_start=True).fit(other)


def test_polars_decimals_are_numbers():
    values = polars.Series([1.5 + 0.75 * i for i in range(15)])
    frame = polars.DataFrame({"d": values.cast(polars.Decimal(10, 2))})
    model = fitted(frame)
    assert model.feature_types_ == [N]
    assert model.sample(3, random_state=0).schema == frame.schema


def test_integers_that_float64_merges_are_refused():
    with pytest.raises(ValueError, match=r"beyond 2\^53 in column 0"):
        fitted(np.array([2**53, 2**53 + 1] * 5)[:, None])


def test_values_too_large_to_square_are_refused():
    with pytest.raises(ValueError, match=r"too large to be squared: 1e\+160 in column 0"):
        fitted(np.array([[1e160], [0.5], [1.5]]))


@pytest.fixture(scope="module")
def names_of_rows():
    return pandas.DataFrame({"name": [f"row {i}" for i in range(200_000)]})


def few_states(**parameters):
    return SharpPCDensity(
        1, mu=0, batch_size=None, early_stopping=False, random_state=0, **parameters
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_one_column_of_very_many_labels_has_no_pairs_to_count(names_of_rows):
    """By the symmetry of its labels, each of one row, they are as likely."""
    model = few_states(max_iter=1, pseudocount=0).fit(names_of_rows)
    np.testing.assert_allclose(
        model.score_samples(names_of_rows[:9]), -np.log(200_000), rtol=1e-12
    )  # sums of 200,000 equal numbers round
    with pytest.raises(ValueError, match=r"column 'name' has 200000 categories.*GiB.*marginal"):
        model.mutual_information()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("weights", [None, 0.5], ids=["counted", "weighted"])
def test_labels_whose_pairs_would_fill_the_memory_are_refused(names_of_rows, weights):
    X = names_of_rows.assign(other=np.arange(200_000) % 3)
    if weights is not None:
        weights = np.full(200_000, weights)
    model = few_states()
    with pytest.raises(ValueError, match=r"column 'name' has 200000 .*pairs.*\d{3,} GiB.*merge"):
        model.fit(X, sample_weight=weights)
    assert not hasattr(model, "circuit_")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_labels_whose_parameters_would_fill_the_memory_are_refused(names_of_rows):
    with pytest.raises(ValueError, match=r"'name' has 200000 .*parameters.*GiB.*lower n_latents"):
        SharpPCDensity(4_000).fit(names_of_rows)


NEIGHBOURS = [2**60 + i for i in range(4)] * 10


@pytest.mark.parametrize(
    "column",
    [
        pandas.Series(NEIGHBOURS),
        pandas.Series(NEIGHBOURS, dtype="uint64"),
        pandas.Series([2**63 + value for value in NEIGHBOURS], dtype="uint64"),
        pandas.Series([*NEIGHBOURS, None], dtype="Int64"),
        pandas.Series([*NEIGHBOURS, None], dtype="UInt64"),
        pandas.Series([*NEIGHBOURS, None], dtype="int64[pyarrow]"),
        pandas.Series([*NEIGHBOURS, None], dtype=object),
        pandas.Series([*NEIGHBOURS, np.nan], dtype=object),
        pandas.Series(NEIGHBOURS, dtype=pandas.SparseDtype("int64")),
        pandas.Series([Decimal(value) for value in NEIGHBOURS]),
        pandas.Series([Decimal(value) for value in NEIGHBOURS], dtype=DECIMAL_OF_ARROW),
        pandas.Series([Decimal(i) + Decimal("1e-20") * i for i in (1, 2)] + [Decimal(1)]),
        pandas.Series([Fraction(1, 3), Fraction(10**30, 3 * 10**30 + 1)]),
        polars.Series([*NEIGHBOURS, None]),
        polars.Series([*NEIGHBOURS, None], dtype=polars.UInt64),
        polars.Series([*NEIGHBOURS, None], dtype=polars.Int128),
        polars.Series([Decimal(value) for value in NEIGHBOURS], dtype=polars.Decimal(38, 0)),
        polars.Series(
            [Decimal(1), Decimal("1.00000000000000000001")], dtype=polars.Decimal(38, 20)
        ),
    ],
    ids=lambda column: f"{type(column).__module__.split('.')[0]} {column.dtype}",
)
@pytest.mark.parametrize("feature_types", ["auto", "gaussian", "categorical"])
def test_numbers_of_frames_that_float64_merges_are_refused(column, feature_types):
    module = pandas if isinstance(column, pandas.Series) else polars
    frame = module.DataFrame({"id": column})
    with pytest.raises(ValueError, match=r"in column 'id', .*cannot tell apart"):
        fitted(frame, feature_types=feature_types)


@pytest.mark.parametrize("convert", [list, lambda cells: np.array(cells, dtype=object)])
def test_python_integers_beside_floats_are_refused_if_float64_has_them_not(convert):
    cells = [[2**60 + i, 0.5] for i in range(4)]
    with pytest.raises(ValueError, match=r"beyond 2\^53 in column 0"):
        fitted(convert(cells))
    assert fitted(convert([[2**60, 0.5], [2**61, None], [0, 1.5]])).n_features_in_ == 2


def test_a_list_with_none_is_a_table_with_holes():
    X = [[0, 1.5], [1, None], [None, 0.25], [0, 2.0]]
    holes = np.array(X, dtype=float)
    np.testing.assert_array_equal(fitted(X).score_samples(X), fitted(holes).score_samples(holes))


@pytest.mark.parametrize("make", [np.array, lambda X: pandas.DataFrame(X)], ids=["array", "pandas"])
def test_integers_that_float64_has_are_categories_and_others_no_query(make):
    X = make([[2**60], [2**60 + 256], [2**60]])
    model = fitted(X)
    assert model.categories_[0].tolist() == [2**60, 2**60 + 256]
    assert set(np.asarray(model.sample(20, random_state=0)).ravel()) == {2**60, 2**60 + 256}
    with pytest.raises(ValueError, match=r"beyond 2\^53 in column '?0"):
        model.score_samples(make([[2**60], [2**60 + 1]]))
    with pytest.raises(ValueError, match=r"beyond 2\^53 in column '?0"):
        fitted(make([[2**60 + 1]] * 5))


def test_integers_far_apart_may_be_continuous_however_large():
    X = pandas.DataFrame({"ns": 1_700_000_000_123_456_789 + 10**9 * np.arange(200)})
    model = fitted(X, feature_types="gaussian")
    assert np.isfinite(model.score_samples(X)).all()
    drawn = model.sample(50, random_state=0)["ns"]
    assert drawn.dtype == np.int64
    assert abs(drawn.mean() - X["ns"].mean()) < 1e11


@pytest.mark.parametrize("value", [2.0**53, -(2.0**53), 1e120])
def test_binomial_levels_that_cannot_be_counted_are_refused(value):
    X = np.column_stack([np.full(20, value), np.arange(20) % 2])
    with pytest.raises(ValueError, match=r"'binomial' to column 0, .*beyond 2\^53.*Subtract"):
        fitted(X, feature_types={0: "binomial"})
    near = np.column_stack([np.full(20, np.copysign(2.0**53 - 2, value)), X[:, 1]])
    assert fitted(near, feature_types={0: "binomial"}).categories_[0].tolist() == [near[0, 0]]


# --- objects ---------------------------------------------------------------------------


def objects(values):
    return pandas.DataFrame({"it": pandas.Series(values, dtype=object)})


@pytest.mark.parametrize(
    ("values", "categories"),
    [
        ([1, 2, None] * 5, [1, 2]),
        ([True, False, None] * 5, [False, True]),
        ([np.int8(1), np.int64(2), np.nan] * 5, [1, 2]),
        ([np.bool_(True), False, pandas.NA] * 5, [False, True]),
        ([True, 2, None] * 5, [1, 2]),
        ([1, 2.0, None] * 5, [1, 2]),
        ([1.0, 2.0, None] * 5, [1.0, 2.0]),
        ([Decimal("1.50"), Decimal(2), None] * 5, [Decimal("1.50"), Decimal("2.00")]),
        ([Fraction(1, 2), Fraction(2), 3] * 5, [Fraction(1, 2), Fraction(2), Fraction(3)]),
        ([1, 2.5, None] * 5, [1.0, 2.5]),
    ],
)
def test_categories_of_objects_are_what_they_were(values, categories):
    model = fitted(objects(values), feature_types="categorical")
    found = model.categories_[0].tolist()
    assert found == categories
    assert [type(value) for value in found] == [type(value) for value in categories]
    drawn = model.sample(30, random_state=0)["it"]
    assert drawn.dtype == object
    assert set(drawn) == set(categories)
    assert {type(value) for value in drawn} == {type(value) for value in categories}


@pytest.mark.parametrize(
    ("kind", "step"), [(int, 1), (Decimal, Decimal("0.25")), (Fraction, Fraction(1, 3))]
)
def test_continuous_objects_come_back_as_fine_as_they_were(kind, step):
    values = [kind(i) * step for i in range(100)]
    drawn = fitted(objects(values)).sample(30, random_state=0)["it"]
    assert all(type(value) is kind for value in drawn)
    if kind is Decimal:
        assert {value.as_tuple().exponent for value in drawn} == {-2}
    else:
        assert {value.denominator for value in drawn} <= ({1} if kind is int else {1, 2, 3})


# --- arrays ----------------------------------------------------------------------------

ARRAYS = [
    *(np.dtype(f"{order}{kind}{size}") for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)),
    *(np.dtype(f"{order}f{size}") for order in "<>" for size in (2, 4, 8)),
    np.dtype(np.longdouble),
    np.dtype(bool),
]


@pytest.mark.parametrize("dtype", ARRAYS, ids=lambda dtype: dtype.str)
@pytest.mark.parametrize("is_continuous", [False, True])
def test_arrays_of_every_dtype_come_back(dtype, is_continuous):
    X = (np.arange(120).reshape(60, 2) % (101 if is_continuous else 3)).astype(dtype)
    X.setflags(write=False)
    model = small(feature_types="gaussian" if is_continuous else "auto").fit(X)
    drawn = model.sample(20, random_state=0)
    assert drawn.dtype == dtype
    assert np.isfinite(model.score_samples(X)).all()
    if not is_continuous:
        assert set(drawn.ravel()) <= set(X.ravel())
    if dtype.kind in "iu":
        expected = small(feature_types=model.feature_types_).fit(X.astype(float))
        rounded = np.rint(expected.sample(20, random_state=0))
        limits = np.iinfo(dtype)
        np.testing.assert_array_equal(drawn, np.clip(rounded, limits.min, limits.max))


def test_floats_of_16_bits_stay_in_their_range():
    X = (np.random.default_rng(0).normal(size=(200, 1)) * 3e4).clip(-6e4, 6e4).astype(np.float16)
    assert np.isfinite(fitted(X).sample(5000, random_state=0)).all()


def test_longdoubles_that_float64_merges_are_refused():
    one = np.longdouble(1)
    if one + np.finfo(np.longdouble).eps > one + 2 * np.finfo(float).eps:
        return  # it is float64 here
    with pytest.raises(ValueError, match="more digits than float64 has in column 0"):
        fitted(np.array([[one], [one + np.finfo(np.longdouble).eps]]))


# --- nearly tables ---------------------------------------------------------------------


def table_of_numbers():
    return pandas.DataFrame({"a": [0, 1] * 10, "b": np.arange(20) / 7})


NEARLY = {
    "LazyFrame": (lambda X: polars.from_pandas(X).lazy(), r"LazyFrame.*X\.collect\(\)"),
    "polars Series": (lambda X: polars.from_pandas(X)["a"], r"Series.*X\.to_frame\(\)"),
    "pandas Series": (lambda X: X["a"], r"Series.*X\.to_frame\(\).*reshape"),
    "narwhals": (narwhals.from_native, r"DataFrame.*X\.to_native\(\)"),
    "lazy narwhals": (lambda X: narwhals.from_native(X).lazy(), r"LazyFrame.*X\.to_native\(\)"),
    "pyarrow RecordBatch": (pyarrow.RecordBatch.from_pandas, r"RecordBatch.*X\.to_pandas\(\)"),
    "dict": (lambda X: X.to_dict("list"), r"dict.*pandas\.DataFrame\(X\)"),
    "list of dicts": (lambda X: X.to_dict("records"), r"pandas\.DataFrame\(X\)"),
    "groups": (lambda X: X.groupby("a"), r"DataFrameGroupBy.*one by one"),
    "groups of polars": (lambda X: polars.from_pandas(X).group_by("a"), r"GroupBy.*one by one"),
    "generator": (lambda X: (row for row in X.to_numpy()), r"generator.*list\(X\)"),
    "zip": (lambda X: zip(X["a"], X["b"], strict=True), r"zip.*list\(X\)"),
    "set": (lambda X: set(X["a"]), r"set.*list\(X\)"),
    "chunks of a file": (
        lambda X: iter([X]),
        r"iterator.*Pass a function .*lambda: pandas",
    ),
    "list of files": (
        lambda X: ["a.parquet", "b.parquet"],
        r"list.*pyarrow\.dataset\.dataset",
    ),
    "delayed": (delayed, r"Delayed.*dask\.dataframe\.from_delayed\(X\)"),
    "str": (lambda X: "table.csv", r"(got a str|is no file or folder).*pandas\.read_csv"),
    "path": (lambda X: Path("table.csv"), r"(Path|is no file or folder).*pandas\.read_csv"),
    "None": (lambda X: None, r"NoneType.*Pass an array"),
    "a type": (lambda X: pandas.DataFrame, r"got a type.*Pass an array"),
    "vector": (lambda X: X["b"].to_numpy(), r"reshape"),
    "number": (lambda X: 3.0, r"reshape"),
    "named fields": (lambda X: X.to_records(index=False), r"pandas\.DataFrame\(X\)"),
    "masked": (lambda X: np.ma.masked_equal(X.to_numpy(), 0), r"MaskedArray.*filled\(numpy\.nan\)"),
    "ragged": (lambda X: [[1, 2], [1]], r"row 0 has 2 cells and row 1 has 1"),
    "list of dates": (lambda X: [[datetime.date(2020, 1, 1)]], r"dates in row 0, column 0"),
    "list of times": (lambda X: [[datetime.time(1)]], r"times.*in row 0, column 0"),
}


@pytest.mark.parametrize(("make", "message"), NEARLY.values(), ids=NEARLY.keys())
def test_what_is_nearly_a_table_is_refused_with_the_way_to_one(make, message):
    X = table_of_numbers()
    model = small().fit(X.to_numpy())
    for ask in (
        small().fit,
        model.score_samples,
        SharpPCImputer(small()).fit,
        lambda X: model.sample(given=X),
        lambda X: small().fit(table_of_numbers().to_numpy(), X_val=X),
    ):
        given = make(X)
        if given is None and ask.__name__ == "<lambda>":
            continue  # it means no rows there
        if is_named(given):
            message = f"{message}|no column that fit saw|several values"  # it may be one row there
        with pytest.raises(ValueError, match=f"(?s){message}"):
            ask(given)


class FrameOfAnotherLibrary:
    columns = ("a",)

    def compute(self):
        """Like dask's."""

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("not to be read silently")


def test_frames_of_other_libraries_are_refused_with_their_own_way():
    with pytest.raises(ValueError, match=r"FrameOfAnotherLibrary. Pass X\.compute\(\)"):
        small().fit(FrameOfAnotherLibrary())


def test_a_masked_array_without_a_mask_is_an_array():
    X = table_of_numbers().to_numpy()
    np.testing.assert_array_equal(
        small().fit(np.ma.array(X)).score_samples(X), small().fit(X).score_samples(X)
    )


# --- names -----------------------------------------------------------------------------

NAMES = {
    "numbers": pandas.Index([2019, 2020, 2021]),
    "a range": pandas.RangeIndex(3),
    "a range with a step": pandas.RangeIndex(4, 10, 2, name="year"),
    "reals": pandas.Index([0.5, np.nan, 2.0]),
    "dates": pandas.date_range("2020", periods=3, tz="UTC", name="when"),
    "periods": pandas.period_range("2020", periods=3),
    "intervals": pandas.interval_range(0, 3),
    "categories": pandas.CategoricalIndex(["a", "b", "c"], ordered=True, name="what"),
    "tuples": pandas.Index([("a", 1), ("a", 2), ("b", 1)], tupleize_cols=False),
    "levels": pandas.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["site", None]),
    "levels of dates": pandas.MultiIndex.from_product(
        [["a"], pandas.date_range("2020", periods=3)]
    ),
    "levels with a hole": pandas.MultiIndex.from_tuples([("a", np.nan), ("a", 2.0), ("b", 1.0)]),
    "a name": pandas.Index(["a", "b", "c"], name="what"),
    "a name that is a tuple": pandas.Index(["a", "b", "c"], name=("what", 1)),
    "nullable numbers": pandas.Index([10, 20, 30], dtype="Int8"),
    "strings of Arrow": pandas.Index(["a", "b", "c"], dtype="string[pyarrow]"),
    "objects": pandas.Index(["a", "b", "c"], dtype=object),
}
each_names = pytest.mark.parametrize("names", NAMES.values(), ids=NAMES.keys())


def named_frame(names):
    x = np.random.default_rng(0).normal([0, 10, 100], size=(30, 3))
    return pandas.DataFrame(x, columns=names)


@each_names
def test_the_index_of_columns_comes_back(names):
    X = named_frame(names)
    model = small().fit(X)
    holes = X.mask(X > 100)
    imputer = SharpPCImputer(small()).fit(X)
    for table in (model.sample(2), model.sample(given=holes), imputer.transform(holes)):
        pandas.testing.assert_index_equal(
            table.columns, names, exact=True, check_names=True, check_freq=False
        )
    if names.name != "year":  # whose names are positions of others
        smaller = model.marginal([-1, 0]).sample(2).columns
        pandas.testing.assert_index_equal(smaller, names[[2, 0]], exact=True, check_freq=False)


@each_names
def test_columns_in_another_order_are_refused_by_every_query(names):
    X = named_frame(names)
    model = small().fit(X)
    other = X.iloc[:, [2, 1, 0]]
    y = np.arange(len(X)) % 2
    classifier = SharpPCClassifier(small()).fit(X, y)
    for ask in (
        model.score_samples,
        model.score,
        lambda other: model.sample(given=other),
        lambda other: model.conditional_moments(other, -1),
        lambda other: model.log_conditional(X, other),
        model.feature_contributions,
        SharpPCImputer(small()).fit(X).transform,
        SharpPCImputer(FrozenEstimator(model)).fit,
        classifier.predict,
        SharpPCOutlierDetector(small(max_iter=2)).fit(X).predict,
        lambda other: small().fit(X, X_val=other),
    ):
        with pytest.raises(ValueError, match="feature names should match"):
            ask(other)


def test_other_numbers_for_names_are_refused_and_arrays_are_not():
    X = named_frame([2019, 2020, 2021])
    model = small().fit(X)
    with pytest.raises(ValueError, match="X has column '1999' where fit saw column '2019'"):
        model.score_samples(X.rename(columns={2019: 1999}))
    expected = model.score_samples(X)
    np.testing.assert_array_equal(model.score_samples(X.to_numpy()), expected)
    as_strings = X.rename(columns=str)
    with pytest.warns(UserWarning, match="feature names"):
        np.testing.assert_array_equal(model.score_samples(as_strings), expected)
    with (
        pytest.warns(UserWarning, match="feature names"),
        pytest.raises(ValueError, match="names should match"),
    ):
        model.score_samples(as_strings[["2021", "2020", "2019"]])


@pytest.mark.parametrize("names", [["a", "a", "b"], [1, 2, 1]])
def test_two_columns_of_one_name_are_refused(names):
    with pytest.raises(ValueError, match=r"name of column '[a1]' twice, at the positions 0 and"):
        small().fit(named_frame(names))


# --- labels that only name rows --------------------------------------------------------


def people(n=50):
    return pandas.DataFrame({"name": [f"person {i}" for i in range(n)], "x": np.arange(n) % 3})


def warnings_of(act):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    return [str(w.message) for w in caught if "different labels" in str(w.message)]


@pytest.mark.parametrize(
    "convert", [lambda X: X, polars.from_pandas, lambda X: X.astype("category")]
)
def test_labels_that_only_name_rows_are_a_warning(convert):
    X = convert(people())
    (message,) = warnings_of(lambda: small().fit(X))
    assert "column 'name' has 50 different labels in 50 values" in message
    assert "Drop the column" in message


def test_labels_that_name_rows_are_counted_by_weights_as_repetitions():
    X = people()
    twice = np.full(50, 2)
    assert not warnings_of(lambda: small().fit(X, sample_weight=twice))
    assert not warnings_of(lambda: small().fit(pandas.concat([X, X])))
    absent = np.arange(50) < 20
    (message,) = warnings_of(lambda: small().fit(X, sample_weight=absent))
    assert warnings_of(lambda: small().fit(X[:20])) == [message]
    weights = np.random.default_rng(0).random(50)
    order = np.random.default_rng(1).permutation(50)
    (message,) = warnings_of(lambda: small().fit(X, sample_weight=weights))
    shuffled = warnings_of(lambda: small().fit(X.iloc[order], sample_weight=weights[order]))
    assert shuffled == [message]


@pytest.mark.parametrize(
    "fit",
    [
        lambda X: SharpPCDensityCV(small(max_iter=2), mus=[0, 0.1], cv=3).fit(X),
        lambda X: SharpPCOutlierDetector(small(max_iter=2)).fit(X),
        lambda X: SharpPCClassifier(small()).fit(X, np.arange(50) % 2),
        lambda X: SharpPCImputer(small()).fit(X),
    ],
)
def test_every_estimator_warns_once_of_labels_that_name_rows(fit):
    assert len(warnings_of(lambda: fit(people()))) == 1


@pytest.mark.parametrize(
    "X",
    [
        people(9),
        people().assign(name=[f"person {i % 40}" for i in range(50)]),
        people().assign(name=pandas.Categorical(people()["name"], ordered=True)),
        people().assign(name=np.arange(50)),
    ],
    ids=["few rows", "some again", "ordered", "numbers"],
)
def test_other_columns_are_no_names_of_rows(X):
    assert not warnings_of(lambda: small().fit(X))


def test_names_of_rows_that_are_asked_for_are_no_reason_to_warn():
    assert not warnings_of(lambda: small(feature_types={"name": "categorical"}).fit(people()))


def test_many_labels_are_a_warning():
    frame = pandas.DataFrame({"id": [f"row {i}" for i in range(1001)]})
    with pytest.warns(UserWarning, match="column 'id' has 1001 different labels"):
        fitted(frame, max_iter=1)


@pytest.mark.parametrize("groups", [["a", "b"], ["ab"], [0, 1]])
def test_flat_feature_groups_are_refused(groups):
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["a", "b"])
    with pytest.raises(ValueError, match=r"sequence of sequences.*got the element"):
        fitted(frame, feature_groups=groups)
