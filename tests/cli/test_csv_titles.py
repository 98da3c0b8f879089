"""Titles and remarks above the names of a CSV file."""

import gzip

import pandas
import pytest
from command_line import run, table

from skpc._cli.csv_files import CsvFile
from skpc._cli.csv_form import CsvForm
from skpc._cli.csv_titles import titles_above

ABOVE = {
    "a title": ["Sales 2024", "name,price,sold", "a,1.5,2", "b,2.5,3"],
    "a title and an empty line": ["Sales, by shop", "", "name,price,sold,on", "a,1.5,2,3"],
    "a title as sheets write it": ["Sales;;", ";;", "name;price;sold", "a;1.5;2"],
    "remarks": ["# from the till", "# in euros, gross", "name,price", "a,1.5"],
    "a remark with as many cells": ["# gross, in euros", "name,price", "a,1.5", "b,2"],
    "remarks above names that begin so": ["##made=2024", "#chrom\tpos", "c1\t100", "c2\t7"],
    "years as names": ["Source,Indicators,", "", "Country,Code,1960,1961,", "A,a,1,2,"],
    "a column": ["# heights", "x", "1.5", "2.5"],
    "labels": ["All shops", "name,town,street", "a,b,c", "d,e,f"],
}
NOT_ABOVE = [
    ["name,price", "a,1.5"],
    ["a,b", "1,2,3", "4,5,6"],  # a name is missing
    ["a,b", "r,1,2", "s,3,4"],
    [",x", "0,1.5", "1,2.5"],  # counted rows
    ["x,,", "1,2,3"],
    ["#chrom,pos", "c1,100", "c2,7"],
    ["#name,town,street", "a,b,c", "d,e,f"],
    ["text", "hello, world", "what, now"],
    ["Title", "1,2", "3,4"],
    ["Title", "x,y"],
    ["# of items", "1", "2"],
    ["name,", "x,y", "1,2"],
    ["a,b,c", "r,s,t,u", "1,2,3,4"],
    ["# remark", "Title,", "x", "1", "2"],
    ["", ""],
    [],
]


@pytest.mark.parametrize("case", ABOVE)
def test_lines_above_the_names_are_found(case):
    lines = ABOVE[case]
    starts = "name", "#chrom", "Country", "x"
    expected = next(i for i, line in enumerate(lines) if line.startswith(starts))
    assert titles_above(lines) == expected
    assert titles_above(lines[expected:]) == 0


@pytest.mark.parametrize("lines", NOT_ABOVE)
def test_what_may_be_names_is_not_skipped(lines):
    assert titles_above(lines) == 0


def test_the_first_line_of_a_spreadsheet_says_what_separates_cells():
    for first in "sep=;", '"sep=;"', "SEP=;":
        form = CsvForm().completed([first, "a,b;c", "1,5;2", "3;4"])
        assert (form.sep, form.skip_rows, form.decimal) == (";", 1, ",")
    form = CsvForm().completed(["sep=;", "Wine", "", "a;b;c", "1;2;3"])
    assert (form.sep, form.skip_rows) == (";", 3)
    assert CsvForm(sep="|").completed(["sep=;", "a|b", "1|2"]).sep == "|"
    assert CsvForm(skip_rows=0).completed(["sep=;", "a;b"]).skip_rows == 0


@pytest.mark.parametrize("n_rows", [1, 100])
@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("above", ["Wine\n\n# of 2024\n", "sep=,\n", "sep=,\nWine of, 2024\n\n\n"])
def test_the_table_below_is_read_as_it_is_by_itself(above, is_packed, n_rows, tmp_path):
    path, alone = tmp_path / "data.csv", tmp_path / "alone.csv"
    text = table().to_csv(index=False)
    alone.write_text(text)
    for content in above + text, "x\ny\n" + text:
        form = None if content.startswith(above) else CsvForm(skip_rows=2)
        path.write_bytes(gzip.compress(content.encode()) if is_packed else content.encode())
        file, expected = CsvFile(str(path), form), CsvFile(str(alone)).whole()
        assert file.header == list(table())
        pandas.testing.assert_frame_equal(file.whole(), expected)
        dtypes = expected.dtypes.astype(str).to_dict()
        chunks = file.chunks(lambda _: n_rows, list, dtypes)
        pandas.testing.assert_frame_equal(pandas.concat(chunks), expected)


def test_remarks_end_with_their_lines_if_that_is_said(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("% wine\nWine\n% of 2024\na;b\n1,5;x % bad\n% half\n2,5;y\n")
    file = CsvFile(str(path), CsvForm(comment="%"))
    assert (file.form.sep, file.form.decimal, file.form.skip_rows) == (";", ",", 3)
    assert file.whole()["a"].tolist() == [1.5, 2.5]
    assert file.whole()["b"].str.strip().tolist() == ["x", "y"]


def test_what_is_skipped_is_told(model, tmp_path, capsys):
    path = tmp_path / "data.csv"
    path.write_text("My table\n\n# of today\n" + table().to_csv(index=False))
    note = "note: above the names, and skipped: 'My table', '# of today'; --skip-rows 0 reads"
    assert run("describe", path) == 0
    printed = capsys.readouterr()
    assert "120 rows, 4 columns, 3 lines above the names skipped" in printed.out
    assert note in printed.err
    assert run("score", model, path) == 0
    assert note in capsys.readouterr().err
    assert run("describe", path, "--skip-rows", 3) == 0
    assert "note: " not in capsys.readouterr().err
