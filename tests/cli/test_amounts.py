"""Numbers that are written with a currency, a unit, parentheses, or thousands set apart."""

import re

import numpy as np
import pandas
import pytest
from command_line import error_of, run
from hypothesis import given
from hypothesis import strategies as st

from skpc._cli.amounts import AmountForm, AmountTally, amount_of
from skpc._cli.tables import TrainingTable

N = 60


@pytest.mark.parametrize(
    ("text", "decimal", "digits", "unit"),
    [
        ("CHF 4,939.47", ".", "4939.47", "CHF"),
        ("-CHF 60.53", ".", "-60.53", "CHF"),
        ("CHF -60.53", ".", "-60.53", "CHF"),
        ("(1550.29)", ".", "-1550.29", ""),
        ("($1,200)", ".", "-1200", "$"),
        ("\u221212 %", ".", "-12", "%"),
        ("3\u00a0078,76 €", ",", "3078.76", "€"),
        ("2\u2019200.25", ".", "2200.25", ""),
        ("1'234'567", ".", "1234567", ""),
        ("18 mg/L", ".", "18", "mg/L"),
        ("36.9 °C", ".", "36.9", "°C"),
        ("1 year", ".", "1", "year"),
        ("35 years", ".", "35", "year"),
        ("50 m2", ".", "50", "m2"),
        ("73,4k", ",", "73.4", "k"),
        ("$.5", ".", "0.5", "$"),
    ],
)
def test_amounts_are_numbers_with_a_unit(text, decimal, digits, unit):
    amount = amount_of(text, decimal)
    assert (amount.digits, amount.unit) == (digits, unit)


@pytest.mark.parametrize(
    "text",
    ["<5", "00037", "P-1", "A 1", "5 am", "3/4", "1,23,456", "1,2345", "(5", "5)", "-(5)", "-$-5",
     "$5 kg", "12 345 6", "1,234 567", "", "kg", "10:30", "2024-01-31", "5 4 kg", "1.2.3"],
)  # fmt: skip
def test_what_may_be_something_else_is_no_amount(text):
    assert amount_of(text, ".") is None


@given(
    value=st.integers(-(10**9), 10**9),
    n_decimals=st.integers(0, 3),
    around=st.sampled_from([("", ""), ("CHF ", ""), ("$", ""), ("", " kg"), ("", "\u00a0€")]),
    signs=st.sampled_from([(".", ","), (".", "'"), (",", "."), (",", "\u202f"), (".", "")]),
    how=st.sampled_from([(False, False), (False, True), (True, False)]),
)
def test_what_is_written_is_read_as_it_was(value, n_decimals, around, signs, how):
    decimal, thousands = signs
    number = f"{value / 10**n_decimals:,.{n_decimals}f}"
    plain = number.replace(",", "")
    text = number.translate({ord(","): thousands, ord("."): decimal})
    unit = "".join(around).strip()
    form = AmountForm(unit, decimal, thousands, *around, *how)
    assert form.digits(form.written(text)) == plain


def form_of(cells, decimal=".", thousands=None, n_numbers=0):
    tally = AmountTally(decimal)
    for cell in cells:
        tally.add(cell, 1)
    return tally.form(n_numbers, thousands)


def test_a_column_is_read_as_numbers_only_if_one_thing_can_be_meant():
    assert form_of(["$5", "$6", "?"]).unit == "$"
    assert form_of(["5 kg", "6 g"]) is None
    assert form_of(["5 kg", "6"]) is None
    assert form_of(["5 kg", "7 kg"], n_numbers=1) is None
    assert form_of(["(5)", "(7)"], n_numbers=3).in_parentheses
    assert form_of(["5", "6"]) is None  # as any column of numbers
    assert form_of(["5 kg", "<6 kg"]) is None
    assert form_of(["5 kg", "many"]) is None
    assert form_of(["5 kg", "?", "?"]) is None
    assert form_of(["$1,200", "$300"]) is None
    assert form_of(["$1,200", "$300"], thousands=",").thousands == ","
    assert form_of(["$1,200", "$300.50"]) is None
    assert form_of(["$1,200.50", "$300"]).thousands == ","
    assert form_of(["1\u2019200", "1'300"]).thousands == "\u2019"
    assert form_of(["1 200", "1'300"]) is None


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["17,50 €", "3,5 €"], (3.5, 17.5)),
        (["1.017,50 €", "3,5 €"], (3.5, 1017.5)),
        (["1.250 kg", "3.125 kg"], (1.25, 3.125)),
        (["$1,250.5", "$3,125"], (1250.5, 3125)),
        (["1,250 kg", "3,125 kg"], None),
    ],
)
def test_the_decimal_sign_is_that_which_can_be_meant(cells, values, tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("k,x\n" + "".join(f'{"ab"[i % 2]},"{cells[i % 2]}"\n' for i in range(20)))
    assert run("describe", path) == 0
    out = capsys.readouterr().out
    expected = "text" if values is None else "numbers .* {:g} to {:g}$".format(*values)
    assert re.search(f"^x +{expected}", out, re.MULTILINE)


def table():
    rng = np.random.default_rng(0)
    x = rng.normal(1500, 900, N).round(2)
    return pandas.DataFrame(
        {
            "kind": np.array(["a", "b", "c"])[np.arange(N) % 3],
            "price": [f"{value:.2f}" for value in x],
            "weight": [f"{value:.0f}" for value in 40 + x / 100 + rng.normal(size=N)],
            "paid": [f"{value:.1f}" for value in 2 * x + rng.normal(size=N)],
        }
    )


def dressed(frame):
    """The same numbers as people write them."""

    def franc(text):
        number = f"CHF {abs(float(text)):,.2f}" if text else ""
        return f"-{number}" if text.startswith("-") else number

    def paid(text):
        number = f"{abs(float(text)):,.1f}".replace(",", "\u2019") if text else ""
        return f"({number})" if text.startswith("-") else number

    units = frame["weight"].map(lambda text: f"{text} kg" if text else "")
    return frame.assign(price=frame["price"].map(franc), weight=units, paid=frame["paid"].map(paid))


def files(tmp_path, frame):
    paths = tmp_path / "plain.csv", tmp_path / "dressed.csv"
    for path, one in zip(paths, (frame, dressed(frame)), strict=True):
        one.to_csv(path, index=False)
    return paths


@pytest.mark.parametrize("options", [(), ("--chunk-rows", 7)])
def test_amounts_are_learnt_and_scored_as_the_numbers_that_they_are(options, tmp_path, capsys):
    plain, other = files(tmp_path, table())
    common = "--n-latents", 2, "--max-iter", 5
    for path in plain, other:
        assert run("fit", path, "-o", path.with_suffix(".joblib"), *common, *options) == 0
    err = capsys.readouterr().err
    assert re.search("note: the cells of columns are read as numbers, 'price' such as ", err)
    assert re.search(r"weight +integers +numeric +.*, in kg", err)
    for model in plain, other:
        for path in plain, other:
            scores = path.with_name(f"{model.stem}-{path.stem}.csv")
            if (model, path) != (plain, other):
                arguments = model.with_suffix(".joblib"), path, "-o", scores
                assert run("score", *arguments, "--quiet") == 0
    expected = (tmp_path / "plain-plain.csv").read_text()
    assert (tmp_path / "dressed-dressed.csv").read_text() == expected
    assert (tmp_path / "dressed-plain.csv").read_text() == expected


def test_negative_numbers_are_written_as_those_of_their_column():
    assert AmountForm("", ".", in_parentheses=True).written("-5.0") == "(5.0)"
    assert AmountForm("", ".", in_parentheses=True).written("5.0") == "5.0"
    assert AmountForm("$", ".", before="$").written("-5.0") == "-$5.0"
    assert AmountForm("$", ".", before="$", sign_last=True).written("-5.0") == "$-5.0"


def test_parts_of_a_table_have_the_numbers_of_the_whole(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x\n" + "".join(f"{i if i < 20 else i / 7:.4g} kg\n" for i in range(40)))
    table = TrainingTable(str(path), n_chunk_rows=10)
    table.settle([], [])
    assert [str(frame["x"].dtype) for frame in table.frames(["x"])] == ["Float64"] * 4


def test_another_unit_than_was_learnt_is_refused(tmp_path, capsys):
    _, path = files(tmp_path, table())
    model = tmp_path / "m.joblib"
    assert run("fit", path, "-o", model, "--n-latents", 1, "--quiet") == 0
    path.write_text(path.read_text().replace("CHF", "EUR", 1))
    error = error_of(capsys, "score", model, path)
    assert re.search(r"has '-?EUR .*' in column 'price', whose other cells are numbers in", error)


def test_amounts_are_filled_in_the_form_of_their_column(tmp_path):
    frame = table()
    for step, name in zip((7, 9, 11), ("price", "weight", "paid"), strict=True):
        frame.loc[::step, name] = ""
    paths = files(tmp_path, frame)
    for path in paths:
        assert run("impute", path, "-o", path.with_suffix(".out"), "--quiet") == 0
    plain, other = (
        pandas.read_csv(path.with_suffix(".out"), dtype=str, keep_default_na=False)
        for path in paths
    )
    assert (plain != "").all(axis=None)
    assert other.equals(dressed(plain))


def test_what_a_user_calls_labels_stays_such(tmp_path, capsys):
    _, path = files(tmp_path, table())
    assert run("fit", path, "-o", tmp_path / "m", "--categorical", "weight", "--n-latents", 1) == 0
    assert re.search(r"weight +text +categorical", capsys.readouterr().err)
    shares = pandas.DataFrame({"x": range(40), "rate": ["5%", "10%"] * 20})
    shares.to_csv(path, index=False)
    assert run("classify", path, "--target", "rate", "-o", tmp_path / "c.csv", "--folds", 2) == 0
    assert set(pandas.read_csv(tmp_path / "c.csv")["rate predicted"]) <= {"5%", "10%"}


@pytest.mark.parametrize(
    ("cells", "warning"),
    [
        (["5 kg", "700 g"], "in different units, '5 kg' and '700 g', .*: write all in one unit$"),
        (["<5", *["18 mg", "7 mg"] * 5], "but for bounds such as '<5', .*--na-values='<5'$"),
        (["many", *["18 mg", "7 mg"] * 9], "but for cells such as 'many', .*--na-values=many$"),
        (["$1,200", "$300"], r"'\$1,200'.*thousands set apart: --thousands ,$"),
    ],
)
def test_what_is_in_the_way_of_numbers_is_told_with_a_remedy(cells, warning, tmp_path, capsys):
    path = tmp_path / "t.csv"
    rows = [f"{i};{cells[i % len(cells)]}\n" for i in range(len(cells) * 4)]
    path.write_text("i;x\n" + "".join(rows))
    assert run("describe", path, "--id", "i") == 0
    printed = capsys.readouterr()
    assert re.search(r"x +text +categorical", printed.out)
    (line,) = [line for line in printed.err.splitlines() if "column 'x'" in line]
    assert re.search(warning, line)
    if option := re.search(r"(--\S+)([ =])'?([^' ]+)'?$", line):
        assert run("describe", path, "--id", "i", option[1], option[3]) == 0
        printed = capsys.readouterr()
        assert re.search(r"x +integers +categorical", printed.out)


@pytest.mark.parametrize("sign", ["\u00a0", "\u202f", "\u2019", "'"])
@pytest.mark.parametrize("is_given", [False, True])
def test_thousands_are_found_whatever_sets_them_apart(sign, is_given, tmp_path, capsys):
    path = tmp_path / "t.csv"
    rows = [f"{'ab'[i % 2]};{1 + i % 3}{sign}{100 + 7 * i},5\n" for i in range(40)]
    path.write_text("k;x\n" + "".join(rows), encoding="utf-8")
    options = ("--thousands", sign) if is_given else ()
    assert run("describe", path, "--decimal", ",", *options) == 0
    assert re.search(r"x +numbers +numeric +0 +40 +1100.5 to 3366.5", capsys.readouterr().out)


def zips(n=40):
    return "".join(f"{i * 41 % 997:05d},{i / 7:.3f}\n" for i in range(n))


def test_numbers_that_begin_with_zeros_are_labels_and_keep_them(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("zip,x\n" + zips(20) * 2 + ",1\n")
    assert run("describe", path) == 0
    printed = capsys.readouterr()
    assert re.search(r"zip +text +categorical +1 \(2 %\) +20 +00000, 00041, ", printed.out)
    assert "'zip' has numbers that begin with zeros, such as '00000', and are" in printed.err
    assert run("impute", path, "-o", tmp_path / "out.csv", "--quiet") == 0
    *same, filled = (tmp_path / "out.csv").read_text().splitlines()[1:]
    assert "".join(f"{line}\n" for line in same) == zips(20) * 2
    assert f"{filled[:5]}," in zips(20)
    path.write_text("zip,x\n" + zips())
    assert run("describe", path) == 0
    assert re.search(r"zip +text +left out", capsys.readouterr().out)
    assert run("fit", path, "-o", tmp_path / "m", "--numeric", "zip", "--n-latents", 1) == 0
    assert re.search(r"zip +integers +numeric +0 to ", capsys.readouterr().err)


def test_classes_keep_their_zeros(tmp_path):
    path, output = tmp_path / "t.csv", tmp_path / "classes.csv"
    path.write_text("x,code\n" + "".join(f"{i / 7:.3f},0{i % 2 + 7}\n" for i in range(40)))
    assert run("classify", path, "--target", "code", "--folds", 2, "-o", output, "--quiet") == 0
    frame = pandas.read_csv(output, dtype=str)
    assert list(frame) == ["code", "code predicted", "p(07)", "p(08)"]
    assert set(frame["code predicted"]) <= {"07", "08"}


def test_one_zero_is_a_slip(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("n,x\n" + "".join(f"{i * i},{i / 7:.3f}\n" for i in range(3, 60)) + "07,1\n")
    assert run("describe", path) == 0
    assert re.search(r"n +integers +numeric", capsys.readouterr().out)
