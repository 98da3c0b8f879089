"""Tables of any format, whole and in chunks: the same models and scores."""

import os
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas
import pytest
import sklearn
from command_line import error_of, run, shell, table

from skpc import SharpPCOutlierDetector

FITTING = "--n-latents", 3, "--max-iter", 30


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same table in several formats, by name."""
    folder = tmp_path_factory.mktemp("formats")
    paths = {name: folder / f"data.{name}" for name in ("csv", "csv.gz", "parquet", "pq")}
    paths["folder"] = folder / "data"
    paths["folder"].mkdir()
    table().to_csv(paths["csv"], index=False)
    table().to_csv(paths["csv.gz"], index=False)
    table().to_parquet(paths["parquet"], row_group_size=50)
    table().assign(colour=table()["colour"].astype("category")).to_parquet(paths["pq"])
    table().iloc[:70].to_parquet(paths["folder"] / "a.parquet")
    table().iloc[70:].to_parquet(paths["folder"] / "b.parquet")
    return paths


WAYS = [
    ("csv", 7),
    ("csv", 1000),
    ("csv.gz", 0),
    ("csv.gz", 50),
    ("parquet", 0),
    ("parquet", 11),
    ("pq", 11),
    ("folder", 0),
    ("folder", 11),
]


@pytest.mark.parametrize(("name", "n_rows"), WAYS)
def test_models_are_the_same_to_the_last_bit(name, n_rows, files, model, tmp_path, capsys):
    output = tmp_path / "model.joblib"
    assert run("fit", files[name], "-o", output, "--chunk-rows", n_rows, *FITTING) == 0
    assert ("read in chunks" in capsys.readouterr().err) == (n_rows > 0)
    learnt, expected = joblib.load(output), joblib.load(model)
    assert learnt.feature_types_ == expected.feature_types_
    assert np.array_equal(learnt.score_samples(table()), expected.score_samples(table()))
    assert learnt.sample(3, random_state=0).equals(expected.sample(3, random_state=0))


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """It has learnt from some of the rows that it is to judge."""
    path = tmp_path_factory.mktemp("detector") / "detector.joblib"
    joblib.dump(SharpPCOutlierDetector(2, random_state=0).fit(table().iloc[30:]), path)
    return path


@pytest.mark.parametrize(("name", "n_rows"), WAYS)
def test_scores_are_the_same_to_the_last_bit(name, n_rows, files, model, tmp_path, capsys):
    """Of all columns, also in Parquet."""
    whole, chunks, parquet = (tmp_path / name for name in ("whole.csv", "chunks.csv", "chunks.pq"))
    assert run("score", model, files["csv"], "-o", whole, "--explain") == 0
    expected = capsys.readouterr().err
    options = "--explain", "--chunk-rows", n_rows
    assert run("score", model, files[name], "-o", chunks, *options) == 0
    assert capsys.readouterr().err == expected
    assert chunks.read_bytes() == whole.read_bytes()
    assert run("score", model, files[name], "-o", parquet, *options) == 0
    pandas.testing.assert_frame_equal(
        pandas.read_parquet(parquet), pandas.read_csv(whole), rtol=1e-14
    )


@pytest.mark.parametrize("name", ["csv", "folder"])
@pytest.mark.parametrize("command", ["score", "outliers"])
def test_a_detector_says_the_same_in_chunks(command, name, files, detector, tmp_path, capsys):
    def arguments(path):
        if command == "score":
            return "score", detector, path, "--explain"
        return "outliers", path, "--model", detector, "--top", 2, "--all"

    assert run(*arguments(files["csv"]), "-o", tmp_path / "out.csv") == 0
    expected, told = (tmp_path / "out.csv").read_bytes(), capsys.readouterr()
    assert run(*arguments(files[name]), "-o", tmp_path / "out.csv", "--chunk-rows", 45) == 0
    assert capsys.readouterr() == told
    assert (tmp_path / "out.csv").read_bytes() == expected


def test_rows_with_equal_scores_are_described_in_their_order(detector, tmp_path, capsys):
    path = tmp_path / "data.csv"
    frame = table().iloc[[3, 1, 1, 2, 1, 3, 1]].assign(x=[1.0, 99.0, 99.0, 2.0, 99.0, 1.0, 99.0])
    frame.to_csv(path, index=False)
    assert run("outliers", path, "--model", detector, "--top", 3) == 0
    expected = capsys.readouterr().out
    assert re.findall(r"^row (\d+) ", expected, re.MULTILINE) == ["3", "4", "6"]
    for n_rows in 1, 2, 3:
        assert run("outliers", path, "--model", detector, "--top", 3, "--chunk-rows", n_rows) == 0
        assert capsys.readouterr().out == expected


def test_a_detector_judges_rows_once(detector, files, tmp_path, monkeypatch):
    judged = []
    judge = SharpPCOutlierDetector._judge

    def counted(self, matrix):
        judged.append(len(matrix))
        return judge(self, matrix)

    monkeypatch.setattr(SharpPCOutlierDetector, "_judge", counted)
    assert run("score", detector, files["csv"], "-o", tmp_path / "scores.csv") == 0
    scores = pandas.read_csv(tmp_path / "scores.csv")
    assert scores["p_value"].nunique() > 10
    assert sum(judged) == 120


def test_weights_and_columns_left_out(files, tmp_path):
    path, weights = tmp_path / "weighted.csv", np.arange(120) % 3
    table().assign(w=weights, other="?").to_csv(path, index=False)
    options = "--weight", "w", "--drop", "other,flag", "--numeric", "count", *FITTING
    scores = []
    for n_rows in 0, 7:
        output = tmp_path / "model.joblib"
        assert run("fit", path, "-o", output, "--chunk-rows", n_rows, *options) == 0
        learnt = joblib.load(output)
        assert list(learnt.feature_names_in_) == ["colour", "count", "x"]
        assert learnt.feature_types_[1] == "numeric"
        scores.append(learnt.score_samples(table()[["colour", "count", "x"]]))
    assert np.array_equal(*scores)


@pytest.mark.parametrize("name", ["csv", "csv.gz", "parquet", "folder"])
def test_tables_beyond_the_working_memory_are_read_in_chunks(name, tmp_path, capsys):
    path = tmp_path / f"large.{name}"
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.random((40_000, 3)).round(12), columns=list("abc"))
    frame = frame.assign(d=rng.integers(0, 2, 40_000))
    if name == "folder":
        path.mkdir()
        frame.to_parquet(path / "0.parquet")
    elif name == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    options = "-o", tmp_path / "m", "--n-latents", 1, "--max-iter", 1, "--drop", "a,b,c"
    with sklearn.config_context(working_memory=1):
        assert run("fit", path, *options) == 0
    assert "40000 rows, 4 columns, read in chunks" in capsys.readouterr().err
    assert run("fit", path, *options) == 0
    assert "40000 rows, 4 columns\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--drop", "size"], "there is no column 'size'"),
        (["--weight", "size"], "there is no column 'size'"),
        (["--weight", "colour"], "weights in column 'colour' must be numbers"),
        (["--weight", "x"], "weight in column 'x' is missing in row 0"),
        (["--numeric", "colour"], "labels have no order"),
        (["--drop", "colour,count,x,flag"], "all columns are left out"),
    ],
)
def test_options_that_cannot_be_used_in_chunks(arguments, message, files, tmp_path, capsys):
    output = tmp_path / "model.joblib"
    for name in "csv", "parquet":
        options = "-o", output, "--chunk-rows", 7, *arguments
        assert message in error_of(capsys, "fit", files[name], *options)
    assert not output.exists()


def test_a_later_chunk_that_cannot_be_used_leaves_the_old_scores(model, tmp_path, capsys):
    path, output = tmp_path / "data.csv", tmp_path / "scores.csv"
    frame = table().astype({"x": object})
    frame.loc[100, "x"] = "tall"
    frame.to_csv(path, index=False)
    output.write_text("old")
    error = error_of(capsys, "score", model, path, "--chunk-rows", 30, "-o", output)
    assert f"{path}, counting from row 90: X holds labels in column 'x'" in error
    assert output.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [path, output]


def test_samples_in_parts_go_on(model, tmp_path, monkeypatch):
    parts, output = [], tmp_path / "rows.csv"
    generator = np.random.RandomState(5)
    for n_rows in 6, 6, 3:
        parts.append(joblib.load(model).sample(n_rows, random_state=generator))
    monkeypatch.setattr("skpc._cli.sample._CELLS_DRAWN", 24)
    assert run("sample", model, "-n", 15, "--seed", 5, "-o", output) == 0
    pandas.concat(parts).to_csv(tmp_path / "expected.csv", index=False)
    assert output.read_bytes() == (tmp_path / "expected.csv").read_bytes()
    assert run("sample", model, "-n", 15, "--seed", 5, "-o", tmp_path / "rows.parquet") == 0
    drawn = pandas.read_parquet(tmp_path / "rows.parquet")
    pandas.testing.assert_frame_equal(drawn, pandas.concat(parts, ignore_index=True))


@pytest.mark.slow
def test_a_pipe_is_read_once(model, files, tmp_path):
    expected = shell(f"SKPC score {model} {files['csv']}").stdout
    done = shell(f"cat {files['csv']} | SKPC score {model} /dev/stdin --chunk-rows 9")
    assert done.stdout == expected
    fit = f"cat {files['csv']} | SKPC fit /dev/stdin -o {tmp_path}/m --n-latents 1"
    assert shell(fit).returncode == 0
    done = shell(f"{fit} --chunk-rows 9")  # from a copy
    assert done.returncode == 0
    assert "120 rows, 4 columns, read in chunks" in done.stderr


def peak_memory(program, *arguments):
    """Bytes that a program takes at most, in a process of its own."""
    program += """
from pathlib import Path
import re
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True, text=True, check=True,
        env={**os.environ, "SKLEARN_WORKING_MEMORY": "16"},
    )  # fmt: skip
    return 1024 * int(done.stdout)


COMMAND = "import sys; from skpc.__main__ import main; main(sys.argv[1:])"
PASSES = """
import sys
from skpc._cli.tables import TrainingTable
table = TrainingTable(sys.argv[1], n_chunk_rows=5000)
assert sum(map(len, table.frames(table.names))) == table.n_rows
"""


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_table(suffix, tmp_path):
    labels, rng = np.array(["a label of some length", "another one"], object), np.random.default_rng
    small, large, model, output = (tmp_path / name for name in ("small", "large", "model", "out"))
    peaks = []
    for path, n_rows in (small, 40_000), (large, 240_000):
        path = path.with_suffix(f".{suffix}")
        frame = pandas.DataFrame(
            labels[rng(0).integers(0, 2, (n_rows, 8))], columns=list("abcdefgh")
        )
        if suffix == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)  # in one group of rows
        if not model.exists():
            assert run("fit", path, "-o", model, "--n-latents", 2, "--max-iter", 1) == 0
        peaks.append(
            [
                peak_memory(PASSES, path),
                peak_memory(COMMAND, "score", model, path, "-o", output),
                peak_memory(COMMAND, "sample", model, "-n", n_rows, "-o", output),
            ]
        )
    growth = np.subtract(peaks[1], peaks[0])
    assert (growth < 15e6).all(), growth  # a whole frame, and what is made of it, is some 80e6
