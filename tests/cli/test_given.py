"""``sample --given``: rows that have some values in common."""

import joblib
import numpy as np
import pandas
import pytest
from command_line import error_of, run

from skpc import SharpPCDensity


def test_all_rows_have_what_is_given_and_the_rest_is_drawn_given_that(model, tmp_path):
    output = tmp_path / "drawn.csv"
    given = "--given", "colour=dark blue", "--given", "flag=True", "--given", "count=2"
    assert run("sample", model, "-n", 20, "--seed", 3, *given, "-o", output) == 0
    drawn = pandas.read_csv(output)
    given = joblib.load(model).condition(colour="dark blue", flag=True, count=2)
    expected = given.sample(20, random_state=3)
    assert drawn["colour"].tolist() == ["dark blue"] * 20
    assert drawn["count"].tolist() == [2] * 20
    assert drawn["flag"].tolist() == [True] * 20
    np.testing.assert_allclose(drawn["x"], expected["x"].astype(float), rtol=1e-12)


def test_intervals_and_sets_may_be_given(model, tmp_path):
    output = tmp_path / "drawn.csv"
    given = "--given", "x=0.5..", "--given", "colour=red", "--given", "colour=green"
    assert run("sample", model, "-n", 40, "--seed", 0, *given, "-o", output) == 0
    drawn = pandas.read_csv(output)
    assert drawn["x"].min() >= 0.5
    assert set(drawn["colour"]) == {"red", "green"}
    given = "--given", "x=-0.5..0.5"
    assert run("sample", model, "-n", 40, "--seed", 0, *given, "-o", output) == 0
    assert pandas.read_csv(output)["x"].abs().max() <= 0.5


def test_parts_go_on_where_others_end(model, tmp_path, monkeypatch):
    written = []
    for n_cells in 10**6, 24:
        monkeypatch.setattr("skpc._cli.sample._CELLS_DRAWN", n_cells)
        output = tmp_path / "drawn.csv"
        options = "--given", "count=1", "--seed", 1, "-n", 15
        assert run("sample", model, *options, "-o", output) == 0
        written.append(pandas.read_csv(output))
    assert [len(drawn) for drawn in written] == [15, 15]
    assert (written[1]["count"] == 1).all()
    assert not written[1].duplicated().all()


def test_names_may_have_equals_signs_and_models_no_names(tmp_path, capsys):
    frame = pandas.DataFrame({"a": [0, 1] * 9, "a=b": ["x=y", "z"] * 9})
    joblib.dump(SharpPCDensity(1, max_iter=1).fit(frame), tmp_path / "m")
    assert run("sample", tmp_path / "m", "--given", "a=b=x=y", "--given", "a=1") == 0
    assert capsys.readouterr().out == "a,a=b\n1,x=y\n"
    joblib.dump(SharpPCDensity(1, max_iter=1).fit([[0, 1], [1, 0], [1, 1]]), tmp_path / "m")
    assert run("sample", tmp_path / "m", "-n", 2, "--given", "1=0", "--given", "0=1") == 0
    assert capsys.readouterr().out == "0,1\n1,0\n1,0\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["size=3"], "must be a column and a value, such as colour=VALUE"),
        (["colour"], "must be a column and a value"),
        (["x=tall"], "column 'x' holds numbers; got 'tall'"),
        (["flag=maybe"], "column 'flag' is true or false; got 'maybe'"),
        (["colour=pink"], "column 'colour' has no 'pink', but dark blue, green, red."),
        (["count=7"], "column 'count' has no '7', but 0, 1, 2, 3."),
        (["x=39,1"], "holds numbers; got '39,1'. Decimals come after a point: x=39.1"),
        (["count=1,5"], "Decimals come after a point: count=1.5"),
        (["count=7.."], "column 'count' has no '7..', but 0, 1, 2, 3."),
        (["count=1.2..1.7"], "column 'count' has no '1.2..1.7', but 0, 1, 2, 3."),
        (["x=nan"], "column 'x' holds numbers"),
        (["x=1", "x=2..3"], "two intervals or values for column 'x'"),
        (["x=3..2"], "x"),
        (["x=a..2"], "column 'x' holds numbers; got 'a'"),
    ],
)
def test_values_that_cannot_be_given(given, message, model, capsys):
    options = [part for text in given for part in ("--given", text)]
    assert message in error_of(capsys, "sample", model, *options)


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        ("x=1e6", "--given x=1000000 is far from what was learnt, -2.39823 to 7.06604: what is"),
        ("x=-9", "--given x=-9 is far from what was learnt"),
        ("x=15..", "--given x=15.. is far from what was learnt"),
        ("x=..-9.5", "--given x=..-9.5 is far from what was learnt"),
        ("x=-9..9", ""),
        ("x=8", ""),
        ("x=7..", ""),
        ("count=3", ""),
    ],
)
def test_what_is_far_from_all_rows_is_told(given, warning, model, capsys):
    assert run("sample", model, "--given", given, "--seed", 0) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2
    assert printed.err.startswith(f"warning: {warning}") if warning else printed.err == ""
    assert run("sample", model, "--given", given, "--seed", 0, "--quiet") == 0
    assert capsys.readouterr() == (printed.out, "")


def test_values_beside_the_few_of_a_column_of_numbers_are_told(tmp_path, capsys):
    frame = pandas.DataFrame({"z": [0.5, 1.7, 2.25] * 40, "y": np.arange(120) / 7})
    types = {"z": "numeric"}
    joblib.dump(SharpPCDensity(1, max_iter=1, feature_types=types).fit(frame), tmp_path / "m")
    for value, is_told in (1.7, False), (1, True), ("1..2", False):
        assert run("sample", tmp_path / "m", "--given", f"z={value}") == 0
        said = "--given z=1 is no value of its rows, or a rare one: nearly all are 0.5, 1.7, 2.25"
        assert capsys.readouterr().err == (f"warning: {said}\n" if is_told else "")
