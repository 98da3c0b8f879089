"""What columns hold, how they are read, and what is said of it."""

import re

import numpy as np
import pandas
import pytest

from skpc._cli.column_facts import ColumnFacts
from skpc._cli.column_report import LEFT_OUT, reading_of, table_lines, warning_lines

N = 40


def facts_of(cells, dtype=None, n_parts=1):
    facts = ColumnFacts()
    for part in np.array_split(np.arange(len(cells)), n_parts):
        facts.add(pandas.Series([cells[i] for i in part.tolist()], dtype=dtype))
    return facts


def read(cells, dtype="string", wanted=None, **options):
    return reading_of("c", facts_of(cells, dtype), wanted, **options)


NUMBERS = [f"{i / 7:.2f}" for i in range(N)]
CASES = {
    "labels": (["red", "blue"] * 20, "categorical", ""),
    "markers": (["?", "-", *NUMBERS], "numeric", r"2 cells '\?' or '-', which are taken"),
    "one marker": (["n.a.", *NUMBERS], "numeric", "1 cell 'n.a.', which is taken for missing"),
    "codes and a marker": (["1", "2", "3", "?"] * 10, "categorical", "taken for missing"),
    "mostly markers": (["1", "?", "?", "-"] * 10, "categorical", "a label like others"),
    "a marker among labels": (["red", "?"] * 20, "categorical", r"--na-values='\?'$"),
    "thousands": (["1,234", "2,500", "300"] * 10, "categorical", "'1,234'.*--thousands ,$"),
    "decimal comma": (["1,5", "2,25", "3"] * 10, "categorical", "'1,5'.*--decimal says$"),
    "units": (["5 kg", "7 kg"] * 10, "categorical", "'5 kg'.*remove the sign"),
    "a word": (["1", "2", "3", "4", "5"] * 8 + ["many"], "categorical", "--na-values=many$"),
    "dates": ([f"2024-01-{i:02d}" for i in range(1, 29)], LEFT_OUT, "holds dates such as"),
    "few dates": (["2024-01-01", "2025-01-01"] * 20, "categorical", ""),
    "names": ([f"row {i}" for i in range(N)], LEFT_OUT, "--id c, if it is .* --categorical c$"),
    "constant": (["x"] * N, "categorical", "one value only.*--drop c"),
    "rare": (["x", "y"] * 3 + [None] * N, "categorical", "is missing in 87 % of the rows"),
    "empty": ([None] * N, LEFT_OUT, "has no value, and is left out"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_odd_columns_are_read_sensibly_and_come_with_a_remedy(case):
    cells, read_as, warning = CASES[case]
    reading = read(cells)
    assert reading.read_as == read_as
    if not warning:
        assert reading.warnings == ()
    else:
        (found,) = reading.warnings
        assert re.search(warning, found)


@pytest.mark.parametrize(
    ("cells", "dtype", "kind", "read_as"),
    [
        ([1, 2, 3] * 10, "Int64", "integers", "categorical"),
        ([i * i for i in range(N)], "Int64", "integers", "numeric"),
        ([i / 7 for i in range(N)], "Float64", "numbers", "numeric"),
        ([True, False] * 9, "boolean", "true/false", "categorical"),
        (["s", "m", "l"] * 9, pandas.CategoricalDtype(["s", "m", "l"], ordered=True), "levels",
         "numeric"),
    ],
)  # fmt: skip
def test_ordinary_columns_are_read_as_the_estimator_reads_them(cells, dtype, kind, read_as):
    from skpc import SharpPCDensity

    reading = read(cells, dtype)
    assert (reading.type, reading.read_as, reading.warnings) == (kind, read_as, ())
    frame = pandas.DataFrame({"c": pandas.Series(cells, dtype=dtype)})
    assert SharpPCDensity(1, max_iter=1).fit(frame).feature_types_ == [read_as]


def test_integers_that_count_the_rows_are_pointed_out_wherever_parts_end():
    for n_parts in 1, 4:
        facts = facts_of(list(range(7, 7 + N)), "Int64", n_parts)
        (warning,) = reading_of("c", facts).warnings
        assert "counts the rows" in warning
        facts = facts_of([*range(20), *range(21, 41)], "Int64", n_parts)
        assert reading_of("c", facts).warnings == ()


def test_a_column_without_a_name_that_counts_the_rows_is_left_out():
    facts = facts_of(list(range(N)), "Int64")
    reading = reading_of("Unnamed: 0", facts)
    assert reading.read_as == LEFT_OUT
    assert reading.warnings == ("has no name and counts the rows, and is left out",)
    assert reading_of("Unnamed: 0", facts, "numeric").read_as == "numeric"


def test_different_integers_may_name_rows_if_their_column_is_called_so():
    facts = facts_of([i * i for i in range(N)], "Int64")
    for name in "id", "customer_id", "Customer ID", "house-no":
        (warning,) = reading_of(name, facts).warnings
        assert "has another number in every row: if it names them say --id" in warning
    for name in "liquid", "idea", "x":
        assert reading_of(name, facts).warnings == ()
    assert reading_of("id", facts_of([1, 1, *range(N)], "Int64")).warnings == ()


def test_numbers_with_too_many_digits_are_pointed_out():
    (warning,) = read([f"{i % 7}12345678901234567890" for i in range(N)]).warnings
    assert warning == "has numbers with too many digits to be read, which are labels"


def test_what_a_user_says_of_a_column_is_done():
    names = [f"row {i}" for i in range(N)]
    assert read(names, wanted="categorical").read_as == "categorical"
    assert read(names, wanted="categorical").warnings == ()
    assert read(names, wanted="id").read_as == "id"
    assert read(["?", *NUMBERS], wanted="categorical").markers == ()
    assert read(["1", "?", "?", "-"] * 10, wanted="numeric").markers == ("-", "?")


def test_remedies_of_csv_files_are_not_given_for_others():
    for cells in (["?", *NUMBERS], ["1,234"] * 2 + ["5"] * 9, ["red", "?"] * 20):
        for warning in read(cells, is_csv=False).warnings:
            assert "--na-values" not in warning
            assert "--thousands" not in warning


@pytest.mark.parametrize("case", CASES)
def test_parts_tell_what_the_whole_tells(case):
    cells, _, _ = CASES[case]
    expected = reading_of("c", facts_of(cells, "string"))
    assert reading_of("c", facts_of(cells, "string", 5)) == expected
    parts = ColumnFacts()  # each with a dtype of its own, as chunks of a file have
    for cell in cells:
        if cell is None:
            parts.add(pandas.Series([None], dtype="Int64"))
        else:
            number = pandas.to_numeric(pandas.Series([cell]), errors="coerce").astype("Float64")
            parts.add(pandas.Series([cell], dtype="string") if number.isna().all() else number)
    assert reading_of("c", parts) == expected


def test_different_values_are_told_apart_in_the_first_cells_whatever_the_parts(monkeypatch):
    monkeypatch.setattr("skpc._cli.column_facts._MOST_COUNTED", 15)
    monkeypatch.setattr("skpc._cli.column_facts._MOST_FEW", 13)
    cells = [f"row {i}" for i in range(12)] + ["a", "b"] * 20
    for n_parts in 1, 3, 52:
        facts = facts_of(cells, "string", n_parts)
        assert len(facts.distinct) == 14
        assert facts.n_counted == 15
        assert facts.has_more
        fewer = facts_of(cells[2:], "string", n_parts)
        assert (fewer.n_distinct, fewer.has_more) == (12, False)
        assert reading_of("c", facts).read_as == LEFT_OUT
        assert facts_of(list(range(52)), "Int64", n_parts).n_counted == 15


def test_tables_are_aligned_cut_and_say_how_much_there_is_more():
    rows = [{"column": f"c{i}", "note": "x" * 99} for i in range(50)]
    lines = table_lines(rows, 30, 40)
    assert len(lines) == 42
    assert max(map(len, lines)) == 30
    assert lines[1].startswith("c0      xxx")
    assert lines[1].endswith("…")
    assert lines[-1] == "... and 10 more"


def test_many_warnings_are_not_all_shown():
    readings = [read(CASES["names"][0])] * 30
    lines = warning_lines(readings, 5)
    assert len(lines) == 6
    assert lines[0].startswith("column 'c' has a different label")
    assert lines[-1].startswith("there are 25 more")
