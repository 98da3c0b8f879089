"""Tables of every kind: how columns are read, what is refused, and what comes back."""

import warnings

import numpy as np
import pandas
import polars
import pytest

from skpc import SharpPCDensity
from skpc._columns import Columns, take_rows


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
        **{"n_latents": 2, "max_iter": 4, "tol": 0.0, "random_state": 0, **parameters}
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
        ("gaussian", None, [0.5, nan, -2.0]),
    ),
    "Float64 with NA": (
        pandas.Series([0.5, None, -2], dtype="Float64"),
        ("gaussian", None, [0.5, nan, -2.0]),
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
        ("gaussian", None, [0.5, nan, nan]),
    ),
    "Float64": (
        polars.Series("a", [0.5, 3.0]),
        ("gaussian", None, [0.5, 3.0]),
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


C, G = "categorical", "gaussian"


@pytest.mark.parametrize(
    ("feature_types", "expected"),
    [
        ("auto", [C, G, C]),
        ("gaussian", [G, G, G]),
        ("categorical", [C, C, C]),
        (["gaussian", "categorical", "auto"], [G, C, C]),
        (("gaussian", "auto", "gaussian"), [G, G, G]),
        (np.array(["gaussian", "auto", "auto"]), [G, G, C]),
        ({}, [C, G, C]),
        ({0: "gaussian"}, [G, G, C]),
        ({-1: "gaussian", 1: "categorical"}, [C, C, G]),
    ],
)
def test_types_asked_for(feature_types, expected):
    assert types(numbers(), feature_types=feature_types) == expected
    assert small(feature_types=feature_types).fit(numbers()).feature_types_ == expected


def test_types_asked_for_by_name():
    X = pandas.DataFrame(numbers(), columns=["a", "b", "c"])
    assert types(X, feature_types={"c": "gaussian", 0: "gaussian"}) == [G, G, G]
    assert types(X, feature_types={"a": "auto", "b": "categorical"}) == [C, C, C]


@pytest.mark.parametrize(
    ("feature_types", "message"),
    [
        (["auto", "auto"], r"feature_types has 2 entries for 3 columns"),
        (["auto", "auto", "real"], r"feature_types must be among.*got 'real'"),
        ({0: "real"}, r"feature_types must be among.*got 'real'"),
        ({3: "gaussian"}, r"feature_types names 3, which is neither"),
        ({"d": "gaussian"}, r"feature_types names 'd', which is neither"),
        ({"b": "gaussian"}, r"feature_types says 'gaussian' of column 'b', which holds labels"),
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


@pytest.mark.parametrize(("n", "expected"), [(2, C), (5, C), (6, G), (40, G)])
@pytest.mark.filterwarnings("ignore:.*near max_categories")
def test_more_integers_than_max_categories_are_numbers(n, expected):
    X = np.arange(n)[:, None] * 3 - 7
    assert types(X, max_categories=5) == [expected]
    assert types(X.astype(float), max_categories=5) == [expected]


def test_max_categories_does_not_limit_labels():
    X = pandas.DataFrame({"a": list("abcdefgh")})
    assert types(X, max_categories=2) == [C]


@pytest.mark.parametrize(
    ("n", "warns"), [(16, False), (17, True), (20, True), (25, True), (26, False)]
)
def test_a_number_of_integers_near_the_limit_is_a_warning(n, warns):
    X = np.arange(n)[:, None]
    if warns:
        with pytest.warns(UserWarning, match=rf"column 0 has {n} distinct.*max_categories=20"):
            learn(X, max_categories=20)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            learn(X, max_categories=20)


@pytest.mark.parametrize("feature_types", ["categorical", "gaussian"])
def test_nothing_is_near_the_limit_where_the_type_is_given(feature_types):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learn(np.arange(20)[:, None], feature_types=feature_types, max_categories=20)


def test_reals_near_the_limit_are_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learn(np.arange(20)[:, None] + 0.5, max_categories=20)


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
    columns = [X["size"].cat.codes, word, X["flag"], X["count"], X["real"]]
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
    expected = small().fit(X).score_samples(X)
    np.testing.assert_array_equal(small().fit(convert(X)).score_samples(convert(X)), expected)


def test_names_of_columns_are_kept():
    model = small().fit(table())
    assert model.feature_names_in_.tolist() == ["size", "word", "flag", "count", "real"]
    assert model.feature_types_ == [C, C, C, C, G]
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
    # Counts 3 and 1, half a count spread over two categories.
    expected = np.log(np.array([3.25, 1.25, 0.25, 4.5]) / 4.5)
    np.testing.assert_allclose(scores, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("X", "other", "message"),
    [
        ([[0], [1]], [[0], [7]], r"7 in column 0, row 1.*handle_unknown='ignore'"),
        (
            pandas.DataFrame({"a": ["x", "y"]}),
            pandas.DataFrame({"a": ["x", "new"]}),
            r"'new' in column 'a', row 1.*handle_unknown='ignore'",
        ),
        (
            polars.DataFrame({"a": ["x", "y"]}),
            polars.DataFrame({"a": ["x", "new"]}),
            r"'new' in column 'a', row 1.*handle_unknown='ignore'",
        ),
    ],
)
def test_an_unknown_category_can_be_refused(X, other, message):
    model = small(handle_unknown="error").fit(X)
    with pytest.raises(ValueError, match=message):
        model.score_samples(other)
    assert np.isfinite(small().fit(X).score_samples(other)).all()


def test_known_missing_and_declared_categories_are_not_unknown():
    declared = pandas.CategoricalDtype(["x", "y", "z"])
    X = pandas.DataFrame({"a": pandas.Series(["x", "y"], dtype=declared), "b": [0.5, 1.5]})
    other = pandas.DataFrame({"a": pandas.Series(["z", None], dtype=declared), "b": [9.0, 8.5]})
    assert np.isfinite(small(handle_unknown="error").fit(X).score_samples(other)).all()


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
    drawn = small().fit(X).sample(30, random_state=0)
    assert drawn["a"].dtype == series.dtype
    if small().fit(X).feature_types_ == [C]:
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
    model = small().fit(X)
    drawn = model.sample(30, random_state=0)["a"]
    assert drawn.dtype == series.dtype
    if model.feature_types_ == [C]:
        assert set(drawn) == set(series.drop_nulls())


def test_a_sample_of_many_integers_is_of_integers():
    X = pandas.DataFrame({"a": np.arange(100) ** 2})
    drawn = small().fit(X).sample(30, random_state=0)
    assert drawn["a"].dtype == X["a"].dtype
    assert small().fit(X).feature_types_ == [G]
    array = small().fit(X.to_numpy()).sample(30, random_state=0)
    np.testing.assert_array_equal(array, drawn.to_numpy())


def test_names_of_samples_may_be_numbers():
    X = pandas.DataFrame({7: ["a", "b"], 3: [0.5, 1.5]})
    assert list(small().fit(X).sample(2, random_state=0).columns) == [7, 3]


def test_a_sample_can_be_scored():
    for X in table(), as_polars(table()):
        model = small(handle_unknown="error").fit(X)
        assert np.isfinite(model.score_samples(model.sample(20, random_state=0))).all()


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


def test_booleans_are_categories_however_few_are_allowed():
    assert fitted(np.eye(4, dtype=bool), max_categories=1).feature_types_ == ["categorical"] * 4


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
        fitted(known, handle_unknown="error").score_samples(other)


def test_polars_decimals_are_numbers():
    frame = polars.DataFrame({"d": polars.Series([1.5, 2.25, 3.0] * 5).cast(polars.Decimal(10, 2))})
    model = fitted(frame)
    assert model.feature_types_ == ["gaussian"]
    assert model.sample(3, random_state=0).schema == {"d": polars.Float64}


def test_integers_that_float64_merges_are_refused():
    with pytest.raises(ValueError, match=r"beyond 2\^53 in column 0"):
        fitted(np.array([2**53, 2**53 + 1] * 5)[:, None])


def test_values_too_large_to_square_are_refused():
    with pytest.raises(ValueError, match=r"too large to be squared: 1e\+160 in column 0"):
        fitted(np.array([[1e160], [0.5]] * 5))


def test_many_labels_are_a_warning():
    frame = pandas.DataFrame({"id": [f"row {i}" for i in range(1001)]})
    with pytest.warns(UserWarning, match="column 'id' has 1001 different labels"):
        fitted(frame, max_iter=1)


@pytest.mark.parametrize("groups", [["a", "b"], ["ab"], [0, 1]])
def test_flat_feature_groups_are_refused(groups):
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["a", "b"])
    with pytest.raises(ValueError, match=r"sequence of sequences.*got the element"):
        fitted(frame, feature_groups=groups)
