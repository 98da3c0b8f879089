"""``describe``, and the report before learning."""

import io
import re

import joblib
import pandas
import pytest
from command_line import error_of, run, table

from skpc._cli.choice import names_in
from skpc._cli.messages import UsageError

OUTPUT = "-o", "m", "--n-latents", 1, "--max-iter", 1


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def described(path, *options):
    """The cells of the table that is written, by column."""
    assert run("describe", path, *options, "-o", "described.csv") == 0
    return pandas.read_csv("described.csv", index_col="column", dtype=str, keep_default_na=False)


def test_a_line_for_each_column(data, capsys):
    assert run("describe", data) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    title, empty, *lines = printed.out.splitlines()
    assert title == f"{data}: 120 rows, 4 columns"
    assert empty == ""
    reach = f"{table()['x'].min():.6g} to {table()['x'].max():.6g}"
    assert [line.split() for line in lines] == [
        ["column", "type", "read", "as", "missing", "distinct", "values"],
        ["colour", "text", "categorical", "24", "(20", "%)", "3", "green,", "red,", "dark", "blue"],
        ["count", "integers", "categorical", "18", "(15", "%)", "4", "0", "to", "3"],
        ["x", "numbers", "numeric", "14", "(12", "%)", "106", *reach.split()],
        ["flag", "true/false", "categorical", "11", "(9", "%)", "2", "False,", "True"],
    ]


@pytest.mark.parametrize("n_rows", [0, 7, 1000])
def test_chunks_and_formats_tell_the_same(n_rows, data, folder):
    expected = described(data)
    table().to_parquet("data.parquet")
    for path in data, "data.parquet":
        assert described(path, "--chunk-rows", n_rows).equals(expected)


def test_messy_files_are_described_as_clean_ones(data, folder):
    expected = described(data)
    frame = table()
    frame.to_csv("semicolon.csv", index=False, sep=";", decimal=",")
    text = frame.astype({"x": float}).to_csv(index=False, sep=";", decimal=",")
    (folder / "semicolon.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert described("semicolon.csv").equals(expected)
    frame.to_csv("tabs.csv", index=False, sep="\t", na_rep="?")
    found = described("tabs.csv", "--na-values", "?")
    assert found.equals(expected)
    assert described("tabs.csv", "--sep", "tab", "--na-values", "??,?").equals(expected)


def test_numbers_with_well_known_markers_are_learnt_as_numbers(data, folder, capsys):
    table().astype(object).fillna({"x": "?"}).to_csv("marked.csv", index=False)
    scores = []
    for path, n_rows in (data, 0), ("marked.csv", 0), ("marked.csv", 50):
        assert run("fit", path, *OUTPUT, "--chunk-rows", n_rows) == 0
        told = capsys.readouterr().err
        is_marked = "warning: column 'x' is numbers but for 14 cells '?'" in told
        assert is_marked == (path == "marked.csv")
        scores.append(joblib.load("m").score_samples(table()))
    assert run("score", "m", "marked.csv", "-o", "scores.csv") == 0
    scores.append(pandas.read_csv("scores.csv")["log_likelihood"].to_numpy())
    for other in scores[1:]:
        assert other == pytest.approx(scores[0], rel=1e-14)
    assert run("fit", "marked.csv", *OUTPUT, "--categorical", "x") == 0
    assert "?" in joblib.load("m").categories_[2].tolist()


def test_the_report_comes_before_learning_and_is_not_on_standard_output(folder, capsys):
    frame = table().assign(day=[f"2024-01-{1 + i % 28:02d}" for i in range(120)])
    frame.insert(0, "name", [f"row {i}" for i in range(120)])
    frame.to_csv("data.csv", index=False)
    assert run("fit", "data.csv", *OUTPUT) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert lines[1].split() == ["column", "type", "read", "as", "note"]
    assert re.fullmatch(r"  name +text +left out +120 labels, see below", lines[2])
    assert re.fullmatch(r"  x +numbers +numeric +-\S+ to \S+, 12 % missing", lines[5])
    assert [line.split()[2] for line in lines if line.startswith("warning: column")] == [
        "'name'",
        "'day'",
    ]
    assert joblib.load("m").feature_names_in_.tolist() == list(table())


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("a b\n1 x\n2 y\n", "there is one column only, called 'a b'"),
        ("1,2\n3,4\n5,7\n", "the first line is taken for the names"),
        ("a,a,b\n1,2,3\n3,4,3\n", "2 columns are called 'a'"),
    ],
)
def test_what_may_be_wrong_with_a_whole_file(text, warning, folder, capsys):
    (folder / "data.csv").write_text(text)
    for command in (["describe"], ["fit", *OUTPUT]):
        assert run(command[0], "data.csv", *command[1:]) == 0
        assert f"warning: {warning}" in capsys.readouterr().err


def test_a_single_column_of_numbers_is_no_matter(folder, capsys):
    (folder / "data.csv").write_text("a\n1\n2\n2\n")
    assert run("describe", "data.csv") == 0
    assert capsys.readouterr().err == ""


def test_a_table_comes_from_standard_input(data, folder, monkeypatch, capsys):
    with open(data) as file:
        monkeypatch.setattr("sys.stdin", file)
        assert run("describe", "-", "--chunk-rows", 50) == 0
    assert "standard input: 120 rows, 4 columns" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", None)
    assert "standard input is closed" in error_of(capsys, "describe", "-")
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    assert "standard input is a terminal" in error_of(capsys, "describe", "-")


def test_lists_of_columns_do_not_swallow_the_file(data, capsys):
    assert run("fit", *OUTPUT, "--drop", "colour,flag", "--drop", "count", data) == 0
    assert joblib.load("m").feature_names_in_.tolist() == ["x"]


def test_names_with_commas_stand_alone_or_in_quotes():
    names = ["x, in m", "colour", 'a "flag"']
    assert names_in(["x, in m", "colour"], names) == ["x, in m", "colour"]
    assert names_in(['"x, in m",colour'], names) == ["x, in m", "colour"]
    assert names_in(['"x, in m", "a ""flag"""'], names) == ["x, in m", 'a "flag"']
    assert names_in([], names) == []
    with pytest.raises(UsageError, match="there is no column 'x'"):
        names_in(["x,in m"], names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--id", "size"], "there is no column 'size'"),
        (["--id", "colour", "--numeric", "colour"], "cannot be both id and numeric"),
        (["--encoding", "klingon"], "can be read as klingon"),
        (["--encoding", "ascii"], "Say how it is written"),
    ],
)
def test_readings_that_cannot_be(options, message, folder, capsys):
    table().replace("red", "röd").to_csv("data.csv", index=False)
    assert message in error_of(capsys, "fit", "data.csv", *OUTPUT, *options)


def test_options_of_csv_files_are_refused_for_parquet(folder, capsys):
    table().to_parquet("data.parquet")
    error = error_of(capsys, "describe", "data.parquet", "--sep", ";")
    assert "is read as Parquet: leave out --sep" in error


def test_wide_tables_are_cut(folder, capsys):
    pandas.DataFrame({f"c{i}": [0, 1, 1] for i in range(60)}).to_csv("wide.csv", index=False)
    assert run("fit", "wide.csv", *OUTPUT) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[41].split()[0] == "c39"
    assert told[42] == "  ... and 20 more"
