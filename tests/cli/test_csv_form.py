"""How a CSV file is written, as its first lines show."""

import gzip

import pytest

from skpc._cli.csv_files import CsvFile
from skpc._cli.csv_form import CsvForm
from skpc._cli.csv_lines import header_of, separator_of


@pytest.mark.parametrize(
    ("text", "sep"),
    [
        ("a,b\n1,2\n3,4", ","),
        ("a;b\n1,5;2,5\n3,4;1,0", ";"),
        ("a\tb\n1\t2", "\t"),
        ("a|b|c\n1|2|3", "|"),
        ("last, first;age\nDoe, Jane;30\nRoe;40", ";"),
        ('a,b\n"x;y",1\n"z;w",2', ","),
        ("a,b;c\n1,2\n3", ","),
        ("a b\n1 2", ","),
        ("a", ","),
        ("", ","),
        ('a;b\n"two\nlines; one cell";1\n"x";2\n"y";3', ";"),
    ],
)
def test_the_separator_is_the_sign_that_makes_rows_of_equal_length(text, sep):
    assert separator_of(text.split("\n")) == sep


@pytest.mark.parametrize(
    ("lines", "decimal", "thousands"),
    [
        (["a;b", "1,5;x", "2,25;y"], ",", ""),
        (["a;b", "1.234,5;x", "2,25;y"], ",", "."),
        (["a;b", "1.5;x", "2.25;y"], ".", None),
        (["a;b", "1,234;x", "2,250;y"], ".", None),  # perhaps thousands
        (["a;b", "1,5;x", "two;y"], ".", None),
        (["a;b", "1,5;x", "NA;x", "?;x", "3,5;y"], ",", ""),
        (["a,b", '"1,5",x', '"2,5",y'], ".", None),
        (["a;b", "1;x", "2;y"], ".", None),
    ],
)
def test_a_decimal_comma_is_taken_for_one_where_nothing_else_can_be_meant(
    lines, decimal, thousands
):
    form = CsvForm().completed(lines)
    assert (form.decimal, form.thousands) == (decimal, thousands)


def test_what_is_said_is_not_found_out():
    form = CsvForm(sep="|", decimal=".", encoding="latin-1")
    assert form.completed(["a;b", "1,5;2,5"]).sep == "|"
    assert form.completed(["a;b", "1,5;2,5"]).decimal == "."
    assert form.with_encoding(b"\xff\xfea\x00").encoding == "latin-1"


def test_names_are_read_as_they_are_written():
    assert header_of(['"a, b", c', "1,2"], ",") == ["a, b", "c"]


@pytest.mark.parametrize(
    ("encoding", "suffix"),
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-8", ".gz"), ("utf-8-sig", ".gz")],
)
def test_files_with_a_mark_of_their_encoding_are_read_by_themselves(encoding, suffix, tmp_path):
    path = tmp_path / f"data.csv{suffix}"
    content = "größe;art\n1,5;süß\n2,5;bitter\n".encode(encoding)
    path.write_bytes(gzip.compress(content) if suffix else content)
    frame = CsvFile(str(path)).whole()
    assert list(frame) == ["größe", "art"]
    assert frame["größe"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("n_rows", [1, 100])
def test_thousands_are_set_apart_where_that_is_said_or_certain(n_rows, tmp_path):
    path = tmp_path / "data.csv"
    for text, form in (
        ('a,b\n"1,234",x\n"1,234,567",y\n', CsvForm(thousands=",")),
        ("a;b\n1.234,0;x\n1.234.567,0;y\n", CsvForm()),
    ):
        path.write_text(text)
        assert CsvFile(str(path), form).whole()["a"].tolist() == [1234, 1234567]
        chunks = CsvFile(str(path), form).chunks(lambda _: n_rows, list)
        assert [value for chunk in chunks for value in chunk["a"]] == [1234, 1234567]
