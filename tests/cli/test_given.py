"""``sample --given``: rows that have some values in common."""

import joblib
import numpy as np
import pandas
import pytest
from command_line import error_of, run, table

from skpc import SharpPCDensity


def test_all_rows_have_what_is_given_and_the_rest_is_drawn_given_that(model, tmp_path):
    output = tmp_path / "drawn.csv"
    given = "--given", "colour=dark blue", "--given", "flag=True", "--given", "count=2"
    assert run("sample", model, "-n", 20, "--seed", 3, *given, "-o", output) == 0
    drawn = pandas.read_csv(output)
    row = table().iloc[:1].copy()
    row.loc[0] = ["dark blue", 2, None, True]
    expected = joblib.load(model).sample(20, random_state=3, given=row)
    assert drawn["colour"].tolist() == ["dark blue"] * 20
    assert drawn["count"].tolist() == [2] * 20
    assert drawn["flag"].tolist() == [True] * 20
    np.testing.assert_allclose(drawn["x"], expected["x"].astype(float), rtol=1e-12)


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
        (["x=nan"], "column 'x' holds numbers"),
        (["x=1", "x=2"], "two values for column 'x'"),
    ],
)
def test_values_that_cannot_be_given(given, message, model, capsys):
    options = [part for text in given for part in ("--given", text)]
    assert message in error_of(capsys, "sample", model, *options)
