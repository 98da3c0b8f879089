"""``outliers``: which rows are odd, and why."""

import re

import joblib
import numpy as np
import pandas
import pytest
from command_line import error_of, run, table

from skpc import SharpPCDensity, SharpPCOutlierDetector


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table with two odd rows, and what the command says of it."""
    folder = tmp_path_factory.mktemp("odd")
    odd_table().to_csv(folder / "data.csv", index=False)
    options = "--id", "name", "-o", folder / "odd.csv", "--save-model", folder / "detector.joblib"
    assert run("outliers", folder / "data.csv", *options) == 0
    return folder


def odd_table():
    frame = table().assign(name=[f"row {i}" for i in range(120)])
    frame.loc[[4, 9], "x"] = 50.0, 5000.0
    return frame


def test_odd_rows_are_written_with_their_names_and_reasons_the_strangest_first(folder):
    written = pandas.read_csv(folder / "odd.csv")
    assert list(written) == ["name", "score", "p_value", "is_odd", "why"]
    assert written["name"].tolist()[:2] == ["row 9", "row 4"]
    assert written["score"].is_monotonic_increasing
    assert written["is_odd"].all()
    assert re.match(r"x is 5000; expected about .* given the other values\.", written["why"][0])
    detector = SharpPCOutlierDetector(random_state=0).fit(odd_table()[list(table())])
    flags = detector.predict(odd_table()[list(table())]) < 0
    assert sorted(written["name"]) == sorted(odd_table()["name"][flags])
    expected = detector.score_samples(odd_table()[list(table())])[[9, 4]]
    assert written["score"].tolist()[:2] == pytest.approx(expected, rel=1e-12)
    assert (
        written["why"][1]
        == str(detector.explain(odd_table()[list(table())].iloc[4:5])).partition(". ")[2]
    )


def test_a_list_counts_rows_as_a_spreadsheet_does(folder, capsys):
    assert run("outliers", folder / "data.csv", "--drop", "name", "--top", 2, "--quiet") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    first, second = printed.out.splitlines()
    assert re.match(r"row 11 \(p-value 0\.0.*\): x is 5000; expected about", first)
    assert re.match(r"row 6 \(p-value 0\.0.*\): x is 50; expected about", second)
    lines = (folder / "data.csv").read_text().splitlines()
    assert ",5000.0," in lines[11 - 1]


def test_a_stored_detector_judges_other_tables(folder, tmp_path, capsys):
    detector = joblib.load(folder / "detector.joblib")
    new = odd_table().iloc[:12]
    new.astype(object).fillna({"x": "-"}).to_csv(tmp_path / "new.csv", index=False)
    options = "--model", folder / "detector.joblib", "-o", tmp_path / "all.csv", "--all"
    assert run("outliers", tmp_path / "new.csv", *options, "--id", "name") == 0
    written = pandas.read_csv(tmp_path / "all.csv", keep_default_na=False)
    assert written["name"].tolist() == new["name"].tolist()
    X = new[list(table())]
    assert written["p_value"].to_numpy() == pytest.approx(detector.p_values(X), rel=1e-12)
    assert written["is_odd"].to_numpy().tolist() == (detector.predict(X) < 0).tolist()
    assert [bool(why) for why in written["why"]] == written["is_odd"].tolist()
    capsys.readouterr()


def test_a_share_of_false_discoveries_is_of_new_rows(folder, tmp_path, capsys):
    new = table().assign(name="x")
    new.loc[::30, "x"] = 1e6
    new["x"] = new["x"].astype(float) + 1e-5  # as rows that nobody has seen
    new.to_csv(tmp_path / "new.csv", index=False)
    arguments = "outliers", tmp_path / "new.csv", "--model", folder / "detector.joblib"
    assert run(*arguments, "--fdr", 0.3, "-o", tmp_path / "odd.csv") == 0
    detector = joblib.load(folder / "detector.joblib").set_params(false_discovery_rate=0.3)
    n_flagged = int((detector.predict(new[list(table())]) < 0).sum())
    assert 0 < n_flagged < 30
    assert len(pandas.read_csv(tmp_path / "odd.csv")) == n_flagged
    assert "of such rows a share of 0.3 is ordinary" in capsys.readouterr().err


def test_options_reach_the_detector(folder, tmp_path):
    path = tmp_path / "d.joblib"
    options = "--contamination", 0.1, "--seed", 5, "--categorical", "count", "--drop", "name"
    assert run("outliers", folder / "data.csv", *options, "--save-model", path, "--top", 1) == 0
    detector = joblib.load(path)
    assert (detector.contamination, detector.random_state) == (0.1, 5)
    assert detector.feature_names_in_.tolist() == list(table())
    labels = detector.categories_[1].tolist()
    assert labels == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fdr", "0.1"], "--fdr is of new rows"),
        (["--model", "M", "--contamination", "0.1"], "--contamination cannot act beside --model"),
        (["--model", "M", "--drop", "x"], "--drop cannot act beside --model"),
        (["--model", "M", "--id", "size"], "there is no column 'size'"),
        (
            ["--model", "D"],
            "holds a density; outliers takes an outlier detector, as outliers",
        ),
        (["-o", "DATA"], "it is read as well"),
        (["--contamination", "0.7"], "contamination"),
    ],
)
def test_what_cannot_be_is_refused(options, message, folder, tmp_path, capsys):
    joblib.dump(SharpPCDensity(1, max_iter=1).fit(np.array([[0], [1]])), tmp_path / "D")
    places = {"M": folder / "detector.joblib", "D": tmp_path / "D", "DATA": folder / "data.csv"}
    options = [places.get(option, option) for option in options]
    assert message in error_of(capsys, "outliers", folder / "data.csv", *options)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_mark_of_the_encoding_is_kept(encoding, tmp_path):
    path, output = tmp_path / "data.csv", tmp_path / "odd.csv"
    odd_table().to_csv(path, index=False, encoding=encoding)
    assert run("outliers", path, "--id", "name", "-o", output, "--quiet") == 0
    has_mark = output.read_bytes().startswith(b"\xef\xbb\xbf")
    assert has_mark == (encoding == "utf-8-sig")
    assert next(iter(pandas.read_csv(output))) == "name"
