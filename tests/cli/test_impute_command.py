"""``impute``: a table with the same columns, its holes filled."""

import io

import joblib
import pandas
import pytest
from command_line import error_of, run, table

from skpc import SharpPCDensity, SharpPCImputer


def messy():
    frame = table(60)
    frame.insert(0, "name", [f"00{i}" for i in range(60)])
    frame["price"] = [f"{i % 7}.50" for i in range(60)]
    return frame.assign(day=[f"2024-01-{1 + i % 28:02d}" for i in range(60)], note=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    messy().to_csv(folder / "data.csv", index=False)
    options = (
        "--id",
        "name",
        "--drop",
        "price",
        "-o",
        folder / "filled.csv",
        "--save-model",
        folder / "m.joblib",
    )
    assert run("impute", folder / "data.csv", *options) == 0
    return folder


def test_holes_are_filled_as_the_imputer_fills_them_and_all_else_stays(folder):
    before = (folder / "data.csv").read_text().splitlines()
    after = (folder / "filled.csv").read_text().splitlines()
    assert after[0] == before[0]
    imputer = SharpPCImputer(SharpPCDensity(random_state=0)).fit(table(60))
    filled = messy()
    filled[list(table())] = imputer.transform(table(60))
    for line, old, new in zip(
        filled.to_csv(index=False).splitlines()[1:], before[1:], after[1:], strict=True
    ):
        assert new == line
        pairs = zip(old.split(","), new.split(","), strict=True)
        assert all(cell in ("", own) for cell, own in pairs)


def test_the_model_that_is_kept_fills_other_tables_in_parts(folder, tmp_path):
    options = "--model", folder / "m.joblib", "--id", "name"
    for n_rows in 0, 7:
        output = tmp_path / f"{n_rows}.csv"
        arguments = "impute", folder / "data.csv", *options, "--chunk-rows", n_rows or 1000
        assert run(*arguments, "-o", output) == 0
        assert output.read_text() == (folder / "filled.csv").read_text()


def test_a_table_with_semicolons_comes_back_with_semicolons(folder, tmp_path, capsys):
    frame = messy().astype({"x": float})
    frame.to_csv(tmp_path / "data.csv", index=False, sep=";", decimal=",")
    arguments = "impute", tmp_path / "data.csv", "--model", folder / "m.joblib"
    assert run(*arguments, "--quiet") == 0
    read = pandas.read_csv(io.StringIO(capsys.readouterr().out), sep=";", decimal=",")
    expected = pandas.read_csv(folder / "filled.csv")
    assert list(read) == list(expected)
    assert read["x"].to_numpy() == pytest.approx(expected["x"].to_numpy(), rel=1e-12)
    assert read["count"].tolist() == expected["count"].tolist()


def test_draws_differ_from_best_guesses_and_repeat_themselves(folder, tmp_path):
    written = []
    for seed in 1, 1, 2:
        output = tmp_path / "drawn.csv"
        options = "--model", folder / "m.joblib", "--strategy", "sample", "--seed", seed
        assert run("impute", folder / "data.csv", *options, "-o", output) == 0
        written.append(output.read_text())
    assert written[0] == written[1]
    assert len({*written, (folder / "filled.csv").read_text()}) == 3


def test_a_fitted_imputer_and_a_search_fill_too(folder, tmp_path):
    density = joblib.load(folder / "m.joblib")
    imputer = SharpPCImputer(density.__class__(1, max_iter=2)).fit(table(60))
    joblib.dump(imputer, tmp_path / "imputer")
    output = tmp_path / "filled.csv"
    assert run("impute", folder / "data.csv", "--model", tmp_path / "imputer", "-o", output) == 0
    assert pandas.read_csv(output)[list(table())].notna().all(axis=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "M", "--numeric", "x"], "--numeric cannot act beside --model"),
        (["--strategy", "sample", "--seed", "-1"], "'random_state'"),
        (["--drop", "size"], "there is no column 'size'"),
    ],
)
def test_what_cannot_be_is_refused(options, message, folder, capsys):
    options = [folder / "m.joblib" if option == "M" else option for option in options]
    assert message in error_of(capsys, "impute", folder / "data.csv", *options)
