"""What is read in chunks, and how."""

from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet
from scipy.sparse import csr_array

from skpc._tables import sources
from skpc._tables.drawing import drawn_table, in_memory
from skpc._tables.sources import as_source

X = np.arange(30.0).reshape(10, 3)
FRAME = pd.DataFrame({"a": np.arange(10), "b": [None, *"xyxyxyxyx"]})


class Stored:
    """An array that is read when it is sliced, with chunks of three rows."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.chunks = array, array.shape, array.dtype, (3, 2)
        self.read = []

    def __getitem__(self, rows):
        self.read.append((rows.start, rows.stop))
        return self.array[rows]


def chunks_of(given, max_bytes=0):
    return list(as_source(given, max_bytes).chunks())


@pytest.mark.parametrize("table", [X, FRAME, pl.from_pandas(FRAME), csr_array(X), X.tolist(), None])
def test_tables_are_no_sources(table):
    assert as_source(table, 0) is None


def test_arrays_that_are_stored_are_read_by_their_chunks(monkeypatch):
    monkeypatch.setattr(sources, "_MOST_CELLS", 15)
    stored = Stored(X)
    np.testing.assert_array_equal(np.concatenate(chunks_of(stored)), X)
    assert stored.read == [(0, 3), (3, 6), (6, 9), (9, 12)]


def test_memory_maps_are_sources_if_they_are_large(tmp_path):
    np.save(tmp_path / "x.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert as_source(mapped, 240) is None
    np.testing.assert_array_equal(np.concatenate(chunks_of(mapped, 239)), X)


def test_parquet_files_folders_and_data_sets(tmp_path):
    parquet.write_table(pa.Table.from_pandas(FRAME[:6]), tmp_path / "0.parquet", row_group_size=4)
    parquet.write_table(pa.Table.from_pandas(FRAME[6:]), tmp_path / "1.parquet")
    for given in (tmp_path, str(tmp_path), dataset.dataset(tmp_path)):
        found = pd.concat(chunks_of(given), ignore_index=True)
        pd.testing.assert_frame_equal(found[["a", "b"]], FRAME)
    assert sum(map(len, chunks_of(tmp_path / "0.parquet"))) == 6


def test_folders_that_are_a_column(tmp_path):
    for year, part in ((2023, FRAME[:4]), (2024, FRAME[4:])):
        (tmp_path / f"year={year}").mkdir()
        part.to_parquet(tmp_path / f"year={year}" / "0.parquet")
    found = pd.concat(chunks_of(tmp_path), ignore_index=True)
    expected = FRAME.assign(year=[2023] * 4 + [2024] * 6)
    pd.testing.assert_frame_equal(found[["a", "b", "year"]], expected, check_dtype=False)


def test_files_whose_columns_differ(tmp_path):
    """A column without a value has no type in its file; integers may be numbers elsewhere."""
    nothing = pa.table({"a": pa.array([1, 2]), "b": pa.nulls(2)})
    for number, part in enumerate((nothing, pa.table({"b": ["x", None], "a": [0.5, 3.0]}))):
        parquet.write_table(part, tmp_path / f"{number}.parquet")
    found = pd.concat(chunks_of(tmp_path), ignore_index=True)
    assert found["a"].tolist() == [1.0, 2.0, 0.5, 3.0]
    assert found["b"].isna().tolist() == [True, True, False, True]
    parquet.write_table(pa.table({"a": ["x"], "b": ["y"]}), tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=r"X='.*' cannot be read as Parquet .*Unable to merge"):
        chunks_of(tmp_path)


def test_a_file_that_is_damaged_is_named(tmp_path):
    FRAME.to_parquet(tmp_path / "0.parquet")
    whole = (tmp_path / "0.parquet").read_bytes()
    (tmp_path / "1.parquet").write_bytes(whole[:4] + bytes(200) + whole[204:])
    with pytest.raises(ValueError, match=r"1\.parquet cannot be read as Parquet: .* leave it out"):
        chunks_of(tmp_path)


def test_a_file_in_a_folder_with_a_value_has_its_own_columns(tmp_path):
    (tmp_path / "run=5").mkdir()
    FRAME.to_parquet(tmp_path / "run=5" / "t.parquet")
    (table,) = chunks_of(tmp_path / "run=5" / "t.parquet")
    assert list(table.columns) == ["a", "b"]


def test_a_data_set_that_is_filtered(tmp_path):
    FRAME.to_parquet(tmp_path / "t.parquet")
    found = chunks_of(dataset.dataset(tmp_path).filter(dataset.field("a") > 6))
    assert pd.concat(found)["a"].tolist() == [7, 8, 9]


def test_integers_with_holes_that_floats_would_lose(tmp_path):
    column = pa.array([2**53 + 1, 2**53, None, 3])
    parquet.write_table(pa.table({"a": column}), tmp_path / "t.parquet")
    (table,) = chunks_of(tmp_path / "t.parquet")
    assert table["a"].tolist() == column.to_pylist()


def test_indices_of_frames_are_no_columns(tmp_path):
    FRAME.set_index("a").to_parquet(tmp_path / "t.parquet")
    (table,) = chunks_of(tmp_path / "t.parquet")
    assert list(table.columns) == ["b"]


def test_functions_that_give_what_is_a_table():
    given = [FRAME[:3], FRAME[:0], FRAME[3:]]
    found = chunks_of(lambda: iter(given))
    assert [len(table) for table in found] == [3, 7]
    batches = pa.Table.from_pandas(FRAME).to_batches(max_chunksize=4)
    assert [len(table) for table in chunks_of(lambda: batches)] == [4, 4, 2]


def test_large_chunks_are_cut(monkeypatch):
    monkeypatch.setattr(sources, "_MOST_CELLS", 8)
    for table in (FRAME, pl.from_pandas(FRAME)):
        assert [len(part) for part in chunks_of(lambda table=table: [table])] == [4, 4, 2]


def test_weights_go_with_rows_and_rows_without_weight_are_left_out():
    weights = np.array([1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0, 1.0, 1.0, 1.0])
    source = as_source(lambda: (X[i : i + 3] for i in range(0, 10, 3)), 0)
    tables, of_rows, names = zip(*source.weighted_chunks(weights), strict=True)
    np.testing.assert_array_equal(np.concatenate(tables), X[weights > 0])
    np.testing.assert_array_equal(np.concatenate(of_rows), weights[weights > 0])
    assert len(tables) == 3  # the second has no row of weight
    assert names == ("X, rows 0 to 2,", "X, rows 6 to 8,", "X, rows 9 to 9,")
    ((_, of_rows, _),) = as_source(lambda: [X], 0).weighted_chunks(2)
    np.testing.assert_array_equal(of_rows, np.full(10, 2.0))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(9), "sample_weight has 9 entries, and X at least 10 rows"),
        (np.ones(11), "sample_weight has 11 entries, and X 10 rows"),
        (lambda: np.ones(10), "sample_weight must be an array; got a function"),
        (-np.ones(10), "must not be negative; got -1.0 in row 0"),
    ],
)
def test_weights_that_do_not_fit(weights, message):
    source = as_source(lambda: [X[:4], X[4:]], 0)
    with pytest.raises(ValueError, match=message):
        list(source.weighted_chunks(weights))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("no such file", "X='no such file' is no file or folder"),
        (__file__, r"cannot be read as Parquet data .* pass a function that returns an iterator"),
        (lambda: 3, "must return an iterator of arrays or frames; got a int"),
        (lambda: X, r"must return an iterator .*; got a ndarray. Return iter\(\[table\]\)"),
        (lambda: [], "X has no row: at least one is needed"),
        (lambda: [X[:0]], "X has no row: at least one is needed"),
        (lambda: [X, (X, None)], "chunk 1 of X cannot be used: it is a tuple"),
        (lambda: [csr_array(X)], "chunk 0 of X cannot be used: it is sparse"),
        (lambda: [X, X[0]], "chunk 1 of X cannot be used: Expected 2D array"),
        (lambda: [np.array([["a"]])], "chunk 0 of X cannot be used: X holds strings"),
    ],
)
def test_what_cannot_be_read(given, message):
    with pytest.raises(ValueError, match=message):
        chunks_of(given)


def test_another_number_of_rows_in_another_pass():
    passes = iter([[X], [X[:9]]])
    source = as_source(lambda: next(passes), 0)
    with pytest.raises(ValueError, match="had 10 rows when it was read first, and 9 the second"):
        drawn_table(source, None, "auto")


def test_drawn_rows_are_a_table_of_the_same_kind(monkeypatch):
    table = pd.concat([FRAME] * 3, ignore_index=True)
    weights = np.arange(30.0)
    for given in (table, pl.from_pandas(table)):
        whole, of_whole = drawn_table(as_source(lambda given=given: [given[:7], given[7:]], 0),
                                      weights, "auto")  # fmt: skip
        assert type(whole) is type(given)
        assert len(whole) == 29
        np.testing.assert_array_equal(of_whole, weights[1:])
    monkeypatch.setattr("skpc._data.row_sample.MOST_ROWS", 4)
    found = []
    for bounds in ((0, 30), (0, 11, 30), (0, 1, 2, 20, 30)):
        parts = [table[a:b] for a, b in pairwise(bounds)]
        some, of_rows = in_memory(lambda parts=parts: parts, None, "auto", 0)
        assert len(some.drop_duplicates()) == 4  # with all their repetitions
        np.testing.assert_array_equal(of_rows, np.ones(12))
        assert not some[:4].duplicated().any()  # so that folds share them
        found.append(some)
    for some in found[1:]:
        pd.testing.assert_frame_equal(some.reset_index(drop=True), found[0].reset_index(drop=True))
