"""Summaries of parts of tables: merged, they say what the whole table says."""

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skpc._tables import summary as module
from skpc._tables.columns import Columns
from skpc._tables.summary import TableSummary


def frame(n=400, seed=0):
    rng = np.random.default_rng(seed)
    out = pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "heaped": np.where(rng.random(n) < 0.3, 0.0, rng.gamma(2.0, 10.0, n)),
            "count": rng.integers(0, 40, n),
            "code": rng.integers(0, 3, n),
            "flag": rng.random(n) < 0.5,
            "label": rng.choice(["a", "b", "ccc"], n, p=[0.7, 0.28, 0.02]),
            "size": pd.Categorical(
                rng.choice(["s", "m", "l"], n), categories=["s", "m", "l", "xl"], ordered=True
            ),
        }
    )
    holes = rng.random((n, 7)) < 0.1
    out["number"] = out["number"].mask(holes[:, 0])
    out["label"] = out["label"].mask(holes[:, 1], None)
    out["size"] = out["size"].mask(holes[:, 2])
    return out


def merged(table, weights, bounds, types="auto"):
    take = table.iloc if isinstance(table, pd.DataFrame) else table
    parts = [TableSummary.of(take[a:b], weights[a:b], types) for a, b in pairwise(bounds)]
    while len(parts) > 1:
        parts = [one.merged(two) for one, two in zip(parts[::2], parts[1::2], strict=False)] + (
            parts[-1:] if len(parts) % 2 else []
        )
    return parts[0]


def assert_same(one, other):
    assert one.names == other.names
    assert one.library == other.library
    for a, b in zip(one.columns, other.columns, strict=True):
        assert (a.type, a.numbers) == (b.type, b.numbers)
        assert repr(a.dtype) == repr(b.dtype)
        for own, of_other in ((a.categories, b.categories), (a.labels, b.labels)):
            np.testing.assert_array_equal(own, of_other)
        if a.margin is None:
            assert b.margin is None
            continue
        for name, value in vars(a.margin).items():
            np.testing.assert_array_equal(value, getattr(b.margin, name))


@pytest.mark.parametrize("bounds", [[0, 400], [0, 1, 130, 400], [*range(0, 401, 7), 400]])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("make", [lambda f: f, pl.from_pandas], ids=["pandas", "polars"])
def test_columns_are_learnt_as_from_the_whole(bounds, weighted, make):
    table = make(frame())
    weights = np.random.default_rng(1).integers(1, 4, 400) if weighted else np.ones(400)
    weights = weights.astype(float)
    types = {"count": "binomial", "code": "categorical"}
    own = merged(table, weights, bounds, types).learn_columns()
    assert_same(own, Columns.learn(table, types, weights))


def test_an_array():
    X = frame()[["number", "count", "code"]].to_numpy(float)
    own = merged(X, np.ones(400), [0, 3, 200, 400]).learn_columns()
    assert_same(own, Columns.learn(X, "auto", np.ones(400)))


def test_many_numbers_are_known_by_their_range_and_by_rows_that_are_drawn(monkeypatch):
    monkeypatch.setattr(module, "_MOST_NUMBERS", 20)
    table = frame()
    weights = np.random.default_rng(1).integers(1, 4, 400).astype(float)
    whole = merged(table, weights, [0, 30, 220, 400])
    columns = whole.learn_columns()
    assert [column.margin is None for column in columns.columns] == [
        True, True, True, True, True, True, False,
    ]  # fmt: skip
    assert [column.type for column in columns.columns[:4]] == [
        "numeric", "numeric", "numeric", "categorical",
    ]  # fmt: skip
    matrix = columns.to_matrix(table)
    assert_same(whole.completed(columns, matrix, weights), Columns.learn(table, "auto", weights))
    # Of some rows: the ends of the others are known, and count as one row among all.
    some = np.arange(100)
    drawn = whole.completed(columns, matrix[some], weights[some])
    for j in range(3):
        margin = drawn.columns[j].margin
        cells = margin.cells(np.nanmax(matrix[:, [j]], axis=0))
        assert np.isfinite(cells.lower).all()
        assert cells.lower[0] > 1.5


def test_numbers_without_a_margin_have_their_range_checked(monkeypatch):
    monkeypatch.setattr(module, "_MOST_NUMBERS", 3)
    X = np.array([[1.0], [2.0], [3.0], [4.0], [1e200]])
    with pytest.raises(ValueError, match="too large to be squared: 1e\\+200 in column 0"):
        merged(X, np.ones(5), [0, 2, 5]).learn_columns()


@pytest.mark.parametrize(
    ("first", "second", "dtype"),
    [
        ([1, 2], [0.5, np.nan], "float64"),
        ([np.nan, np.nan], [1, 2], "int64"),
        ([True, False], [None, True], "object"),
        (["a", None], [np.nan, np.nan], "str"),
        ([Decimal("1.5")], [Decimal("1.25")], "object"),
    ],
)
def test_dtypes_that_differ_between_chunks(first, second, dtype):
    """As in a frame that was read at once, or nearly: what can hold both."""
    for pair in ((first, second), (second, first)):
        tables = [pd.DataFrame({"a": values}) for values in pair]
        if dtype == "object" and not isinstance(first[0], Decimal):
            tables = [table.astype(object) if table.a.isna().any() else table for table in tables]
        parts = [TableSummary.of(table, np.ones(len(table)), "auto") for table in tables]
        (column,) = parts[0].merged(parts[1]).learn_columns().columns
        whole = pd.concat(tables, ignore_index=True)
        (of_whole,) = Columns.learn(whole, "auto", np.ones(len(whole))).columns
        assert column.type == of_whole.type
        np.testing.assert_array_equal(column.categories, of_whole.categories)
        if column.numbers is not None:
            assert column.numbers.kind == of_whole.numbers.kind


def test_categories_that_differ_between_chunks_are_joined():
    one, two = (
        pd.DataFrame({"a": pd.Categorical(values, categories=categories)})
        for values, categories in ((["x", "y"], ["y", "x"]), (["z", "x"], ["x", "z", "w"]))
    )
    for pair in ((one, two), (two, one)):
        parts = [TableSummary.of(table, np.ones(2), "auto") for table in pair]
        (column,) = parts[0].merged(parts[1]).learn_columns().columns
        assert column.labels.tolist() == ["w", "x", "y", "z"]
        assert column.dtype[0] == "CategoricalDtype"


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        ({"a": [1, 2]}, {"a": ["x", "y"]}, "'a' holds labels in some chunks and numbers in others"),
        ({"a": [1]}, {"b": [1]}, "frames of pandas with the columns a and .* with the columns b"),
        ({"a": [1]}, {"a": [1], "b": [1]}, "1 columns in some chunks and 2 in others"),
        (
            {"a": pd.Categorical(["x"], ["x", "y"], ordered=True)},
            {"a": pd.Categorical(["x"], ["y", "x"], ordered=True)},
            "'a' has ordered categories that are not the same",
        ),
    ],
)
def test_chunks_that_do_not_go_together(one, two, message):
    parts = [TableSummary.of(pd.DataFrame(t), np.ones(len(t["a" if "a" in t else "b"])), "auto")
             for t in (one, two)]  # fmt: skip
    with pytest.raises(ValueError, match=message):
        parts[0].merged(parts[1])


def test_too_many_labels_are_refused(monkeypatch):
    monkeypatch.setattr(module, "_MOST_LABELS", 5)
    tables = [pd.DataFrame({"a": [f"{i}{j}" for j in range(4)]}) for i in range(2)]
    parts = [TableSummary.of(table, np.ones(4), "auto") for table in tables]
    with pytest.raises(ValueError, match="'a' has more than 5 different labels"):
        parts[0].merged(parts[1])


def test_integers_beyond_float64():
    X = np.array([[2**53], [2**53 + 1]])
    parts = [TableSummary.of(X[i : i + 1], np.ones(1), "auto") for i in range(2)]
    with pytest.raises(ValueError, match="integers beyond 2\\^53 in column 0"):
        parts[0].merged(parts[1]).learn_columns()
