"""Parquet files and folders: frames like those of CSV files."""

import decimal
import re
import sys

import joblib
import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from command_line import error_of, run, table

from skpc._cli.csv_files import CsvFile
from skpc._cli.messages import UsageError
from skpc._cli.parquet_files import ParquetFile


def in_chunks(path, n_rows, columns=None):
    chunks = list(ParquetFile(str(path)).chunks(lambda _: n_rows, lambda names: columns or names))
    assert max(map(len, chunks)) <= n_rows
    for chunk in chunks:
        assert chunk.dtypes.equals(chunks[0].dtypes)
    return pandas.concat(chunks, ignore_index=True)


def test_frames_are_those_of_a_csv_file(tmp_path):
    path, text = tmp_path / "data.parquet", tmp_path / "data.csv"
    frame = table()
    frame.to_csv(text, index=False)
    frame["colour"] = frame["colour"].astype("category")
    frame["count"] = frame["count"].astype(float)  # as pandas has integers with holes by itself
    frame = frame.astype({"count": "Int64"})
    frame.to_parquet(path, row_group_size=50)
    expected = CsvFile(str(text)).whole()
    pandas.testing.assert_frame_equal(ParquetFile(str(path)).whole(), expected)
    pandas.testing.assert_frame_equal(in_chunks(path, 7), expected)
    some = ["x", "colour"]
    pandas.testing.assert_frame_equal(in_chunks(path, 7, some), expected[some])


def test_folders_are_read_in_the_order_of_their_files(tmp_path):
    frame = table().assign(place=np.repeat(["here", "there"], 60))
    for i, place in enumerate(["here", "there"]):
        (tmp_path / "data" / f"place={place}").mkdir(parents=True)
        part = table().iloc[60 * i : 60 * (i + 1)]
        part.to_parquet(tmp_path / "data" / f"place={place}" / "0.parquet")
    expected = frame.astype({"colour": "string", "x": "Float64", "place": "string"})
    whole = ParquetFile(str(tmp_path / "data")).whole()
    pandas.testing.assert_frame_equal(whole, expected, check_dtype=False)
    pandas.testing.assert_frame_equal(in_chunks(tmp_path / "data", 25), whole)


def test_an_index_is_no_column(tmp_path):
    path = tmp_path / "data.parquet"
    frame = table().set_index(pandas.Index(np.arange(120) * 3, name="id"))
    frame.to_parquet(path, row_group_size=50)
    assert ParquetFile(str(path)).names == list(frame)
    chunks = in_chunks(path, 25)
    assert list(chunks) == list(frame)
    assert chunks["x"].tolist() == ParquetFile(str(path)).whole()["x"].tolist()


def test_types_that_csv_has_not(tmp_path):
    path = tmp_path / "data.parquet"
    sizes = pandas.Categorical(["s", "l", None] * 10, categories=["s", "m", "l"], ordered=True)
    columns = {
        "size": pyarrow.array(sizes),
        "price.net": pyarrow.array([decimal.Decimal("1.25")] * 29 + [None]),
        "small": pyarrow.array([1, None] * 15, pyarrow.int8()),
        "single": pyarrow.array([0.5, None] * 15, pyarrow.float32()),
        "none": pyarrow.nulls(30),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=11)
    for frame in ParquetFile(str(path)).whole(), in_chunks(path, 4):
        assert frame["size"].cat.categories.tolist() == ["s", "m", "l"]
        assert frame["size"].cat.ordered
        assert frame["size"].tolist()[:2] == ["s", "l"]
        assert frame["price.net"].tolist() == [decimal.Decimal("1.25")] * 29 + [None]
        assert str(frame["small"].dtype) == "Int8"
        assert str(frame["single"].dtype) == "Float32"
        assert frame["none"].isna().all()


def test_files_of_a_folder_are_read_as_the_first_is(tmp_path):
    pandas.DataFrame({"a": [1.5], "b": ["x"], "c": [True]}).to_parquet(tmp_path / "0.parquet")
    pandas.DataFrame({"d": [0], "b": ["y"], "a": [2]}).to_parquet(tmp_path / "1.parquet")
    whole = ParquetFile(str(tmp_path)).whole()
    assert whole["a"].tolist() == [1.5, 2.0]
    assert whole["c"].isna().tolist() == [False, True]
    pandas.testing.assert_frame_equal(in_chunks(tmp_path, 1), whole)


def test_names_of_columns_may_have_points(tmp_path):
    path = tmp_path / "data.parquet"
    pandas.DataFrame({"a": [1, 2], "a.b": [3, 4], "a.b.c": [5, 6]}).to_parquet(path)
    pandas.testing.assert_frame_equal(in_chunks(path, 1), ParquetFile(str(path)).whole())
    assert in_chunks(path, 2, ["a.b"])["a.b"].tolist() == [3, 4]
    assert in_chunks(path, 2, ["a.b.c", "a"])["a"].tolist() == [1, 2]


def test_files_of_a_folder_that_do_not_go_together(tmp_path):
    pandas.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "0.parquet")
    pandas.DataFrame({"a": ["x", "y"]}).to_parquet(tmp_path / "1.parquet")
    with pytest.raises(UsageError, match=f"{tmp_path} is no Parquet data: .*Field a has"):
        in_chunks(tmp_path, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read .*bad.parquet"), (b"", "no Parquet data"), (b"a,b\n1,2\n", "no Parquet")],
)
@pytest.mark.parametrize("options", [(), ("--chunk-rows", 5)])
def test_files_that_are_no_parquet(content, message, options, model, tmp_path, capsys):
    path = tmp_path / "bad.parquet"
    if content is not None:
        path.write_bytes(content)
    assert re.search(message, error_of(capsys, "fit", path, "-o", tmp_path / "m", *options))
    assert re.search(message, error_of(capsys, "score", model, path, *options))


def test_tables_without_rows(model, tmp_path, capsys):
    path = tmp_path / "empty.parquet"
    table().iloc[:0].to_parquet(path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "some").mkdir()
    for name, frame in {"0": table().iloc[:0], "1": table().iloc[:3]}.items():
        frame.to_parquet(tmp_path / "some" / f"{name}.parquet")
    assert run("score", model, tmp_path / "some", "-o", tmp_path / "scores.csv") == 0
    assert len(pandas.read_csv(tmp_path / "scores.csv")) == 3
    capsys.readouterr()
    for options in (), ("--chunk-rows", 5):
        for empty in path, tmp_path / "folder":
            assert "has no rows" in error_of(capsys, "fit", empty, "-o", tmp_path / "m", *options)
    assert "has no rows" in error_of(capsys, "score", model, path)


def test_dates_are_left_out_by_name(tmp_path, capsys):
    path = tmp_path / "dates.parquet"
    frame = pandas.DataFrame({"when": pandas.date_range("2024", periods=9), "x": [0, 1, 1] * 3})
    frame["day"] = frame["when"].dt.date
    frame.to_parquet(path)
    for options in (), ("--chunk-rows", 5):
        assert run("fit", path, "-o", tmp_path / "m", "--n-latents", 1, *options) == 0
        told = capsys.readouterr().err
        for name in "when", "day":
            assert re.search(f"warning: column '{name}' holds dates.*, and is left out", told)
        assert joblib.load(tmp_path / "m").feature_names_in_.tolist() == ["x"]


def test_a_missing_pyarrow_is_one_line(model, tmp_path, monkeypatch, capsys):
    (tmp_path / "data.parquet").write_bytes(b"")
    for name in ["pyarrow", *(name for name in sys.modules if name.startswith("pyarrow."))]:
        monkeypatch.setitem(sys.modules, name, None)
    remedy = 'pip install "skpc[parquet]"'
    assert remedy in error_of(capsys, "fit", tmp_path / "data.parquet", "-o", tmp_path / "m")
    assert remedy in error_of(capsys, "score", model, tmp_path / "data.parquet")
    assert remedy in error_of(capsys, "sample", model, "-o", tmp_path / "out.parquet")
    assert run("sample", model, "-o", tmp_path / "out.csv") == 0
