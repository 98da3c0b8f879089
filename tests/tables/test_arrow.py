"""Tables of Arrow and relations of DuckDB, wherever a frame goes."""

import duckdb
import numpy as np
import pandas
import pyarrow
import pytest
from sklearn.model_selection import KFold

from skpc import (
    SharpPCClassifier,
    SharpPCDensity,
    SharpPCDensityCV,
    SharpPCImputer,
    SharpPCOutlierDetector,
)

N_ROWS = 60


def frame():
    rng = np.random.default_rng(0)
    return pandas.DataFrame(
        {
            "x": rng.normal(size=N_ROWS),
            "k": rng.integers(0, 3, N_ROWS),
            "s": rng.choice(np.array(["a", "b", None], object), N_ROWS),
        }
    )


def relation():
    frame_of_rows = frame()  # which DuckDB finds by its name
    assert len(frame_of_rows) == N_ROWS
    return duckdb.sql("select * from frame_of_rows")


def table():
    """In several pieces, each with a dictionary of its own."""
    parts = [
        pyarrow.Table.from_pandas(part, preserve_index=False)
        for part in (frame().iloc[:20], frame().iloc[20:])
    ]
    pieces = [part.set_column(2, "s", part["s"].dictionary_encode()) for part in parts]
    return pyarrow.concat_tables(pieces)


def density(**parameters):
    return SharpPCDensity(2, max_iter=2, tol=0, random_state=0, **parameters)


each_kind = pytest.mark.parametrize("make", [table, relation])


@each_kind
def test_a_density_is_that_of_the_same_rows_in_pandas(make):
    expected = density().fit(frame())
    model = density().fit(make())
    assert model.feature_types_ == expected.feature_types_
    assert model.feature_names_in_.tolist() == ["x", "k", "s"]
    np.testing.assert_array_equal(model.score_samples(make()), expected.score_samples(frame()))
    np.testing.assert_array_equal(expected.score_samples(make()), model.score_samples(frame()))


@each_kind
def test_draws_and_filled_tables_are_of_arrow(make):
    model = density().fit(make())
    drawn, completed = model.sample(5, random_state=0), model.sample(given=make())
    filled = SharpPCImputer(density()).fit_transform(make())
    for result, n_rows in (drawn, 5), (completed, N_ROWS), (filled, N_ROWS):
        assert isinstance(result, pyarrow.Table)
        assert result.num_rows == n_rows
        assert result["s"].null_count == 0
        assert result.schema.names == ["x", "k", "s"]


def test_the_filled_table_may_be_one_of_pandas():
    imputer = SharpPCImputer(density()).set_output(transform="pandas")
    filled = imputer.fit_transform(table())
    expected = SharpPCImputer(density()).fit_transform(frame())
    assert filled["s"].tolist() == expected["s"].tolist()


@each_kind
def test_estimators_around_a_density_take_them(make):
    rows, labels = make(), frame()["k"]
    expected = SharpPCOutlierDetector(density()).fit(frame()).predict(frame())
    assert SharpPCOutlierDetector(density()).fit(rows).predict(rows).tolist() == expected.tolist()
    search = SharpPCDensityCV(density(), mus=[0, 0.1], cv=2)
    weights = np.arange(N_ROWS) % 3
    np.testing.assert_array_equal(
        search.fit(rows, sample_weight=weights).cv_log_likelihoods_,
        search.fit(frame(), sample_weight=weights).cv_log_likelihoods_,
    )
    for joint in False, True:
        classifier = SharpPCClassifier(density(), joint=joint)
        found = classifier.fit(rows, labels).predict(rows)
        assert found.tolist() == classifier.fit(frame(), labels).predict(frame()).tolist()


def test_rows_are_explained_and_read_with_names():
    detector = SharpPCOutlierDetector(density()).fit(table())
    assert detector.explain(table().slice(0, 1)) == detector.explain(frame().iloc[:1])
    row = {"x": 0.5, "k": 1, "s": "a"}
    assert detector.explain(row) == SharpPCOutlierDetector(density()).fit(frame()).explain(row)


@pytest.mark.parametrize("is_ordered", [False, True])
def test_an_ordered_dictionary_has_levels_in_its_order(is_ordered):
    codes = pyarrow.array([0, 1, 2, 0, None] * 8, pyarrow.int8())
    column = pyarrow.DictionaryArray.from_arrays(codes, ["lo", "mid", "hi"], ordered=is_ordered)
    model = density().fit(pyarrow.table({"level": column}))
    assert model.feature_types_ == ["numeric" if is_ordered else "categorical"]
    expected = ["lo", "mid", "hi"] if is_ordered else ["hi", "lo", "mid"]
    assert model.categories_[0].tolist() == expected
    assert model.sample(3, random_state=0).schema.field("level").type == column.type


def test_types_of_duckdb_come_back():
    rows = duckdb.sql(
        "select i % 5::utinyint as a, (i % 7)::decimal(10, 2) / 4 as d, "
        "(['u', 'v'])[1 + i % 2]::enum('u', 'v') as e from range(60) as t(i)"
    )
    drawn = density().fit(rows).sample(3, random_state=0)
    assert drawn.schema == rows.to_arrow_table().schema


REFUSED = {
    "dates": (pyarrow.array([1, 2], pyarrow.date32()), "dates in column 'it'"),
    "times": (pyarrow.array([1, 2], pyarrow.time32("s")), "times, durations or dates"),
    "lists": (pyarrow.array([[1], [2]]), "neither all numbers nor all strings"),
    "bytes": (pyarrow.array([b"a", b"b"]), "neither all numbers nor all strings"),
    "nothing": (pyarrow.nulls(2), "no value in column 'it'"),
    "large integers": (pyarrow.array([2**60, 2**60 + 1]), "integers beyond 2"),
}


@pytest.mark.parametrize(("column", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_number_and_no_label_is_refused(column, message):
    with pytest.raises(ValueError, match=message):
        density().fit(pyarrow.table({"it": column}))


def test_columns_need_names_of_their_own():
    twice = pyarrow.Table.from_arrays([pyarrow.array([0, 1])] * 2, names=["a", "a"])
    with pytest.raises(ValueError, match="name of column 'a' twice"):
        density().fit(twice)


def test_a_table_without_a_value_in_a_column_is_filled_as_fit_saw_it():
    empty = table().set_column(2, "s", pyarrow.nulls(N_ROWS))
    filled = SharpPCImputer(density()).fit(table()).transform(empty)
    assert filled.schema == table().schema
    assert filled["s"].null_count == 0


def test_a_search_of_a_relation_is_that_of_its_frame():
    shuffled = KFold(2, shuffle=True, random_state=0)
    grid = {"n_latents": [1, 2]}
    weights = np.arange(N_ROWS) % 3
    found = []
    for X in relation(), relation().to_arrow_table(), frame():
        density = SharpPCDensity(max_iter=3, random_state=0)
        search = SharpPCDensityCV(density, param_grid=grid, cv=shuffled)
        search.fit(X, sample_weight=weights, X_val=X)
        assert np.isfinite(search.score(X))
        found.append(search.cv_log_likelihoods_)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
