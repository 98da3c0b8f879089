"""What columns hold, how they are read, and what is said of it."""

import re

import numpy as np
import pandas
import pytest
from command_line import run

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
    "decimal comma": (["1,5", "2,25", "3"] * 10, "categorical", "'1,5'.*--decimal ,$"),
    "units": (["5 kg", "7 kg"] * 10, "categorical", "'5 kg'.*numbers alone$"),
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


@pytest.mark.parametrize("n_parts", [1, 4])
@pytest.mark.parametrize("first", [0, 1])
def test_shuffled_numbers_of_rows_are_pointed_out_too(first, n_parts):
    numbers = (np.random.default_rng(0).permutation(N) + first).tolist()
    (warning,) = reading_of("c", facts_of(numbers, "Int64", n_parts)).warnings
    assert "counts the rows, in another order: if it names them say --id c" in warning
    twice = [numbers[0], *numbers[:-1]]
    for cells in (twice, [*numbers[:-1], None], [number + 1 for number in numbers]):
        expected = "in another order" in str(reading_of("c", facts_of(cells, "Int64")).warnings)
        assert expected == (sorted(map(str, cells)) == sorted(map(str, range(1, N + 1))))
    balanced = list(numbers)
    i, j, k, m = (numbers.index(first + place) for place in (5, 8, 20, 23))
    balanced[i], balanced[m] = numbers[j], numbers[k]  # with the same sum and range
    assert sum(balanced) == sum(numbers)
    assert reading_of("c", facts_of(balanced, "Int64", n_parts)).warnings == ()


SENTINELS = {
    "-999": ([*range(18, 90), -999, -999], "-999 in 2 rows"),
    "9999": ([i / 7 for i in range(N)] + [9999.0] * 3, "9999 in 3 rows"),
    "99": ([*range(18, 66), 99, 99], "99 in 2 rows"),
    "-9 among counts": ([*range(N), -9, -9, -9], "-9 in 3 rows"),
    "well logs": ([i / 7 for i in range(N)] + [-999.25] * 3, "-999.25 in 3 rows"),
    "two": ([*range(N), -99, -99, 999, 999], "-99 and 999 in 4 rows"),
    "large incomes": ([1000 * i for i in range(N)] + [-999] * 2, "-999 in 2 rows"),
    "netCDF": ([i / 7 for i in range(N)] + [1e20, 1e20], r"1e\+20 in 2 rows"),
    "once": ([*range(18, 90), -999], ""),
    "near": ([*range(101), 99, 99], ""),
    "not far": ([*range(90), 99, 99], ""),
    "below zero": ([*range(-60, 60), -99, -99], ""),
    "prices": ([i + 0.99 for i in range(20)] + [99.99] * 3, ""),
    "another number": ([*range(N), 1000, 1000], ""),
    "nothing else": ([99, 99, -99, -99] * 4, ""),
}


@pytest.mark.parametrize("case", SENTINELS)
def test_numbers_that_stand_for_missing_are_pointed_out_with_a_remedy(case):
    cells, expected = SENTINELS[case]
    dtype = "Float64" if isinstance(cells[0], float) else "Int64"
    doubts = [
        [line for line in reading_of("c", facts_of(cells, dtype, n)).warnings if "far from" in line]
        for n in (1, 3)
    ]
    assert doubts[0] == doubts[1]
    if not expected:
        assert doubts[0] == []
        return
    (line,) = doubts[0]
    assert re.match(f"has {expected}, far from its other values, ", line)
    assert "for missing: --na-values=" in line
    facts = facts_of(cells, dtype)
    (line,) = [w for w in reading_of("c", facts, is_csv=False).warnings if "far from" in w]
    assert line.endswith("leave those cells empty")


def test_what_is_said_of_numbers_that_stand_for_missing_helps(tmp_path, capsys):
    path = tmp_path / "data.csv"
    cells = [*range(18, 66), -999, -999]
    path.write_text("age;height\n" + "".join(f"{i};{i / 7:.3f}\n" for i in cells))
    assert run("describe", path) == 0
    printed = capsys.readouterr()
    (option,) = re.findall(r"column 'age' .* 18 to 65; if .* missing: (\S+)", printed.err)
    assert run("describe", path, option, "--na-values=-142.714") == 0
    printed = capsys.readouterr()
    assert "far from" not in printed.err
    assert re.search(r"age +integers +numeric +2 \(4 %\) +48 +18 to 65", printed.out)


def test_labels_that_differ_in_capital_letters_or_blanks_are_pointed_out():
    (warning,) = read(["Rome", "rome", "Rome ", "Oslo", "Bern"] * 8).warnings
    assert "has labels that differ only in capital letters or blanks, 'Rome' and" in warning
    assert "'rome', and are different ones" in warning
    (warning,) = read(["New  York", "New\u00a0York", "a", "A"] * 8).warnings
    assert ", and 1 more such groups" in warning
    assert read(["Rome", "Romeo", "R ome", "Oslo"] * 8).warnings == ()


def test_many_labels_in_a_column_of_numbers_are_pointed_out():
    cells = [f"{i}" for i in range(120)] * 2 + ["A12", "B7", "C"] * 30
    (warning,) = read(cells).warnings
    assert "is numbers in 73 % of its cells, but for labels such as 'A12', so that 123" in warning
    assert warning.endswith("--drop c, or say with --na-values what stands for missing")
    assert read([cell for cell in cells if cell in ("1", "2", "A12", "B7")]).warnings == ()
    assert read([f"x{cell}" for cell in cells]).warnings == ()


@pytest.mark.parametrize(
    ("first", "step", "expected"),
    [
        (1_700_000_000_000, 60_000, "may be times, milliseconds since 1970, 2023-11-14 to 2023"),
        (1_700_000_000, 86_400, "may be times, seconds since 1970, 2023-11-14 to 2023-12-23"),
        (4_000_000_000_123, 10**9 + 7, "has another number of 13 digits in every row"),
        (95_000_000, 10**6 + 7, ""),  # of 8 and 9 digits
        (1_000_000, 10_007, ""),
    ],
)
def test_integers_that_are_times_or_codes_are_pointed_out(first, step, expected):
    cells = [first + i * step for i in range(N)]
    reading = reading_of("c", facts_of(cells[::-1], "Int64"))
    if not expected:
        assert reading.warnings == ()
        return
    assert reading.read_as == "numeric"
    (warning,) = reading.warnings
    assert warning.startswith(expected)
    assert warning.endswith("--drop c")
    assert reading.note == f"{cells[0]} to {cells[-1]}, see below"
    twice = reading_of("c", facts_of([*cells, cells[0]], "Int64"))
    assert bool(twice.warnings) == ("times" in expected)


def test_rows_that_are_the_same_are_counted_where_there_are_numbers(tmp_path, capsys):
    path = tmp_path / "data.csv"
    lines = [f"{i / 7:.3f},{'ab'[i % 2]}\n" for i in range(N)]
    for n_same, note in ((0, ""), (1, "note: 1 row is the same as one above"), (3, "note: 3 rows")):
        path.write_text("x,y\n" + "".join(lines + lines[:n_same]))
        assert run("describe", path) == 0
        err = capsys.readouterr().err
        assert note in err
        assert ("note: " in err) == bool(n_same)
    path.write_text("x,y\n" + "".join([*lines, ",a\n", ",a\n"]))
    assert run("describe", path) == 0
    assert "note" not in capsys.readouterr().err


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
