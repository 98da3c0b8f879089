"""Evidence in all its forms as sets of numbers, and one clear error for each that is none."""

from decimal import Decimal

import numpy as np
import pandas
import polars
import pytest

from skpc._data.column_sets import Interval, ValueSet
from skpc._tables.column_evidence import read_evidence
from skpc._tables.columns import Columns

FRAME = pandas.DataFrame(
    {
        "kind": ["a", "b", "c"] * 20,
        "code": [0, 1, 4] * 20,
        "age": np.arange(60),
        "x": np.linspace(0.1, 7.3, 60),
        "size": pandas.Categorical(["S", "M", "L"] * 20, ["S", "M", "L"], ordered=True),
        "flag": [True, False] * 30,
    }
)
COLUMNS = Columns.learn(FRAME)


def read(evidence=None, /, **columns):
    return read_evidence(COLUMNS, evidence, columns)


def only(**column):
    (found,) = read(**column).values()
    return found


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("kind", "b", [1.0]),
        ("kind", {"c", "a"}, [0.0, 2.0]),
        ("kind", np.array(["c", "a", "c"]), [0.0, 2.0]),
        ("size", "L", [2.0]),
        ("size", ("L", "L"), [2.0]),
        ("code", 4, [4.0]),
        ("code", [4, 0], [0.0, 4.0]),
        ("code", pandas.Index([4, 0]), [0.0, 4.0]),
        ("age", frozenset({30, 31}), [30.0, 31.0]),
        ("age", range(3), [0.0, 1.0, 2.0]),
        ("age", np.int8(7), [7.0]),
        ("age", np.array(7), [7.0]),
        ("age", (7, 7), [7.0]),
        ("x", Decimal("2.5"), [2.5]),
        ("x", -0.0, [0.0]),
        ("x", polars.Series([3.0, 1.0]), [1.0, 3.0]),
        ("flag", True, [1.0]),
        ("flag", {True, False}, [0.0, 1.0]),
    ],
)
def test_values_and_sets_are_their_numbers(column, value, expected):
    found = only(**{column: value})
    assert isinstance(found, ValueSet)
    assert found.values.tolist() == expected
    assert not np.signbit(found.values).any()


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("age", (20, 30), Interval(20.0, 30.0)),
        ("age", (20.5, None), Interval(20.5, np.inf)),
        ("x", (None, 3), Interval(-np.inf, 3.0)),
        ("x", (-np.inf, 3), Interval(-np.inf, 3.0)),
        ("x", slice(1, 2), Interval(1.0, 2.0)),
        ("x", slice(None, 2), Interval(-np.inf, 2.0)),
        ("x", pandas.Interval(1, 2, closed="right"), Interval(1.0, 2.0, has_low=False)),
        ("x", pandas.Interval(1, 2, closed="neither"), Interval(1.0, 2.0, False, False)),
        ("code", (1, None), Interval(1.0, np.inf)),
        ("size", ("S", "M"), Interval(0.0, 1.0)),
        ("size", ("M", None), Interval(1.0, np.inf)),
    ],
)
def test_intervals_are_bounds(column, value, expected):
    assert only(**{column: value}) == expected


def test_an_interval_open_on_both_sides_says_nothing():
    assert read(age=(None, None), x=slice(None)) == {}


def test_forms_of_a_row_say_the_same_and_what_is_missing_says_nothing():
    row = {"kind": "b", "age": 3, "x": 2.5}
    forms = [
        row,
        pandas.Series({**row, "code": np.nan, "size": None, "flag": pandas.NA}),
        pandas.DataFrame([{**row, "code": np.nan}]),
        polars.DataFrame([{**row, "code": None}]),
        ["b", np.nan, 3, 2.5, None, np.nan],
        np.array([["b", None, 3, 2.5, None, None]], dtype=object),
        {0: "b", 2: 3, -3: 2.5},
    ]
    for form in forms:
        found = read(form)
        assert {j: one.values.tolist() for j, one in found.items()} == {0: [1], 2: [3], 3: [2.5]}


def test_columns_by_name_add_to_a_dict():
    assert [*read({"age": 3}, kind="a")] == [2, 0]
    with pytest.raises(ValueError, match="evidence tells of column 'age' twice"):
        read({"age": 3}, age=4)
    with pytest.raises(ValueError, match="evidence tells of column 'age' twice"):
        read({"age": 3, 2: 4})


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        ({"nothing": 1}, "evidence names 'nothing', which is neither a column name"),
        ({"kind": "z"}, "'z' to column 'kind', where fit saw no such value.* 'a', 'b', 'c'"),
        ({"kind": {"a", "z"}}, "'z' to column 'kind', where fit saw no such value"),
        ({"kind": 1}, "1 to column 'kind', where fit saw no such value"),
        ({"kind": ("a", "b")}, r"interval \('a', 'b'\) to column 'kind'.* Give a set of labels"),
        ({"code": 3}, "3 to column 'code', where fit saw no such value. It knows 0, 1, 4"),
        ({"size": ("L", "S")}, r"interval \('L', 'S'\) to column 'size', in which"),
        (
            {"size": ("S", "XL")},
            r"\('S', 'XL'\) to column 'size'.* 'XL' is none of them. Give two of",
        ),
        ({"age": "old"}, "'old' to column 'age', which holds numbers"),
        ({"age": ("a", 3)}, "'a' to column 'age', which holds numbers"),
        ({"age": 2.5}, "2.5 to column 'age', which holds integers"),
        ({"age": []}, "an empty set to column 'age'"),
        ({"age": set()}, "an empty set to column 'age'"),
        ({"age": (3, 2)}, r"interval \(3, 2\) to column 'age', in which there is nothing"),
        ({"age": pandas.Interval(3, 3, closed="left")}, "in which there is nothing"),
        ({"age": (1, 2, 3)}, "a tuple of 3 to column 'age': an interval has two bounds"),
        ({"age": slice(1, 9, 2)}, "a slice with a step to column 'age'"),
        ({"age": {1: 2}}, r"\{1: 2\} to column 'age', which holds numbers"),
        ({"age": np.nan}, "nan to column 'age': of what is not known nothing is said"),
        ({"age": None}, "None to column 'age': of what is not known"),
        ({"age": pandas.NA}, "<NA> to column 'age': of what is not known"),
        ({"age": [1, np.nan]}, "nan to column 'age': of what is not known"),
        ({"age": (1, np.nan)}, "nan to column 'age': of what is not known"),
        ({"x": np.inf}, "inf to column 'x'. Give a finite number"),
        ({"x": (np.inf, None)}, "inf to column 'x'. Give a finite number"),
        ({"x": 1e200}, "too large to be squared: 1e[+]200 in column 'x'"),
        (FRAME, "one row; got a frame of 60"),
        ([1, 2], "an array of 6 values, NaN where nothing is known; got"),
        (np.zeros((2, 6)), "an array of 6 values"),
        ("age", "an array of 6 values, NaN where nothing is known; got 'age'"),
        (3, "an array of 6 values, NaN where nothing is known; got 3"),
    ],
)
def test_what_is_no_evidence_is_one_clear_error(evidence, message):
    with pytest.raises(ValueError, match=message):
        read(evidence)


BINS = pandas.cut(np.arange(60.0), [-1, 20, 40, 60])
BINNED = Columns.learn(
    pandas.DataFrame(
        {
            "bin": BINS,
            "unordered": BINS.astype(pandas.CategoricalDtype(BINS.categories, ordered=False)),
            "stage": pandas.Categorical([1, 2, 3] * 20, ordered=True),
        }
    )
)
LOW, MIDDLE, HIGH = BINS.categories


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ({"bin": MIDDLE}, ValueSet(np.array([1.0]))),
        ({"bin": [HIGH, LOW]}, ValueSet(np.array([0.0, 2.0]))),
        ({"bin": (LOW, MIDDLE)}, Interval(0.0, 1.0)),
        ({"unordered": HIGH}, ValueSet(np.array([2.0]))),
        ({"stage": pandas.Interval(1, 3, closed="right")}, Interval(1.0, 2.0)),
        ({"stage": pandas.Interval(1, 3, closed="neither")}, ValueSet(np.array([1.0]))),
        ({"stage": (2, None)}, Interval(1.0, np.inf)),
    ],
)
def test_bins_and_ordered_numbers_are_labels(evidence, expected):
    (found,) = read_evidence(BINNED, evidence, {}).values()
    values = np.arange(3.0)
    assert found.contains(values).tolist() == expected.contains(values).tolist()
    assert type(found) is type(expected)


def test_a_row_of_a_frame_with_bins_is_evidence():
    frame = pandas.DataFrame({"bin": BINS[[0, 30]], "stage": [3, 1]})
    found = read_evidence(BINNED, frame.iloc[[1]], {})
    assert {j: given.values.tolist() for j, given in found.items()} == {0: [1.0], 2: [0.0]}


@pytest.mark.parametrize("value", [(0, 30), pandas.Interval(0, 30), (LOW, 30)])
def test_bounds_that_are_no_labels_are_told_what_to_give(value):
    message = r"to column 'bin', which holds ordered labels.*none of them. Give two of Interval\(-1"
    with pytest.raises(ValueError, match=message):
        read_evidence(BINNED, {"bin": value}, {})
