"""``impute`` leaves all that is written as it is, and writes what it fills in the same manner."""

import gzip
import re

import numpy as np
import pandas
import pytest
from command_line import run
from hypothesis import given, settings
from hypothesis import strategies as st

from skpc._cli.cell_style import CellStyle
from skpc._cli.csv_files import CsvFile
from skpc._cli.csv_form import CsvForm
from skpc._cli.written_rows import WrittenRows, written_rows

ABOVE = 'sep=;\n"Prices; of today";;;;;\n\n'
NAMES = '"name";a;"b";price;sold; n \n'


def written(holes=True):
    """Lines of a table as people write them, with and without holes."""
    lines = []
    for i in range(60):
        hole = holes and i % 12 == 5
        name = f'"two\nlines; {i}"' if i % 20 == 7 else f'"r""{i}"'
        price = "" if holes and i % 9 == 4 else f"{1 + i % 3}.{100 + i},50"
        flag = "NA" if hole else "TRUE" if i % 3 else "FALSE"
        code = "" if hole else f"{i % 40:03d}"
        lines.append(f'{name}; {i % 7 + 1},{i % 10}0;"{i % 5}";{price};{flag};{code}\n')
        if i == 30:
            lines.append("   \n")
    return lines


def differences(before, after):
    """Pairs of cells that differ, of lines without a separator in quotes."""
    return [
        pair
        for old, new in zip(before, after, strict=True)
        for pair in zip(old.split(";"), new.split(";"), strict=True)
        if pair[0] != pair[1]
    ]


@pytest.mark.parametrize("n_rows", [7, 1000])
@pytest.mark.parametrize(("mark", "end"), [("", "\n"), ("\ufeff", "\r\n")])
def test_only_holes_change_and_are_filled_as_their_column_is_written(mark, end, n_rows, tmp_path):
    path, output = tmp_path / "data.csv", tmp_path / "filled.csv"
    text = mark + (ABOVE + NAMES + "".join(written())).replace("\n", end)
    path.write_bytes(text.encode())
    options = "--id", "name", "--chunk-rows", n_rows, "--quiet"
    assert run("impute", path, "-o", output, *options) == 0
    filled = output.read_bytes().decode()
    blank = f"   {end}"
    assert filled.startswith(mark + (ABOVE + NAMES).replace("\n", end))
    pairs = differences(text.replace(blank, "").split(end), filled.split(end))
    assert len(pairs) == 17
    for old, new in pairs:
        assert old in ("", "NA")
        shape = "TRUE|FALSE" if old == "NA" else r"\d{3}|\d\.\d{3},\d\d"  # a code or a price
        assert re.fullmatch(shape, new)


def test_a_table_without_holes_comes_back_as_it_is(tmp_path):
    path, output = tmp_path / "data.csv.gz", tmp_path / "filled.csv.gz"
    text = ABOVE + NAMES + "".join(written(holes=False)).replace("   \n", "")
    path.write_bytes(gzip.compress(text.encode()))
    assert run("impute", path, "--id", "name", "-o", output, "--quiet") == 0
    assert gzip.decompress(output.read_bytes()).decode() == text


CELLS = ["a", " b ", '"c;d"', '"e""f"', '"g\nh"', "", '""', '5"', "1,50", '"x"y', ' "z"', "NA"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from(CELLS)] * 3), min_size=1, max_size=8))
def test_rows_are_those_that_pandas_reads_however_cells_are_written(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    text = "p;q;r\n" + "".join(f"{';'.join(row)}\n" for row in rows)
    path.write_text(text)
    file = CsvFile(str(path), CsvForm(sep=";", skip_rows=0))
    lines = WrittenRows(file)
    assert lines.head() + "".join(lines.filled(len(rows), {})) == text
    filled = lines.head() + "".join(WrittenRows(file).filled(len(rows), {(0, 1): "new;"}))
    path.write_text(filled)
    again = CsvFile(str(path), CsvForm(sep=";", skip_rows=0)).whole({0: str})
    assert again.iloc[0, 1] == "new;"


def test_rows_with_remarks_are_written_without_them(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("# made today\na,b\n1,x # good\n# none\n2,'y'\n3,\"z\"\n")
    file = CsvFile(str(path), CsvForm(comment="#"))
    lines = WrittenRows(file)
    text = lines.head() + "".join(lines.filled(3, {}))
    assert text == "a,b\n1,x \n2,'y'\n3,\"z\"\n"
    assert written_rows(CsvFile(str(path), CsvForm(sep=r"\s+"))) is None


@pytest.mark.parametrize(
    ("cells", "value", "text"),
    [
        (["1.50", "2.00", "10.25"], 3.1, "3.10"),
        (["1.50", "2.00", "10.25"], 3.14159, "3.14"),
        (["1.5", "2.00"], 3.14159, "3.14159"),
        (["1", "2"], 3.0, "3"),
        (["1", "2", "1,234"], 1234567, "1,234,567"),
        (["1", "2"], 1234567, "1234567"),
        (["007", "012"], 5, "005"),
        (["007", "1012"], 5, "5"),
        (["1e5", "2.0"], 1e30, "1e+30"),
        (["yes", "no"], "no", "no"),
        (["true", "false"], True, "true"),
        (["0", "1"], np.bool_(False), "False"),
        (["-1.0", "0.5"], -2.25, "-2.2"),
        ([], 2.5, "2.5"),
    ],
)
def test_values_are_written_as_those_of_their_column(cells, value, text):
    form = CsvForm(sep=";", decimal=".", thousands=",")
    assert CellStyle.of(cells, cells, form).text(value) == text
    if value not in ("no", True) and cells:
        comma = CsvForm(sep=";", decimal=",", thousands=".")
        swap = str.maketrans(",.", ".,")
        other = CellStyle.of([cell.translate(swap) for cell in cells], cells, comma)
        assert other.text(value) == text.translate(swap)


def test_parquet_comes_back_with_the_types_that_it_had(tmp_path):
    rng = np.random.default_rng(0)
    k, n = rng.integers(0, 3, 60), 60
    frame = pandas.DataFrame(
        {
            "kind": pandas.Categorical.from_codes(k, ["a", "b", "c"]),
            "size": pandas.Categorical.from_codes(k, ["s", "m", "l"], ordered=True),
            "small": pandas.array(k, "Int8"),
            "x": (rng.normal(size=n) + k).astype("float32"),
            "y": rng.normal(size=n).round(3),
            "flag": pandas.array(k > 1, "boolean"),
            "when": pandas.date_range("2024-01-01", periods=n).astype("datetime64[s]"),
        }
    )
    for step, name in zip((5, 7, 9, 11, 13, 8), frame, strict=False):
        frame.loc[::step, name] = None
    frame.attrs["source"] = "us"
    path, output = tmp_path / "data.parquet", tmp_path / "filled.parquet"
    frame.to_parquet(path)
    before = pandas.read_parquet(path)
    for n_rows in 0, 11:
        assert run("impute", path, "-o", output, "--chunk-rows", n_rows, "--quiet") == 0
        after = pandas.read_parquet(output)
        pandas.testing.assert_series_equal(after.dtypes, before.dtypes)
        assert after.attrs == before.attrs
        assert after.notna().all(axis=None)
        kept = after.astype(object).where(before.notna(), None)
        expected = before.astype(object).where(before.notna(), None)
        assert kept.equals(expected)
