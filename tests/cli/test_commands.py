"""Command line: fit, score and sample on CSV files."""

import importlib
import io
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import joblib
import numpy as np
import pandas
import pytest
from command_line import error_of, main, python, run, shell, table

import skpc
from skpc import SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector
from skpc._cli.parser import parser


def as_fitted(**parameters):
    return SharpPCDensity(**{"n_latents": 3, "max_iter": 30, "random_state": 0, **parameters}).fit(
        table()
    )


# --- fit ---------------------------------------------------------------------------------


def test_fit_learns_what_the_estimator_learns_of_the_frame(model):
    learnt, expected = joblib.load(model), as_fitted()
    assert learnt.feature_types_ == ["categorical", "categorical", "numeric", "categorical"]
    assert learnt.feature_names_in_.tolist() == list(table())
    assert np.array_equal(learnt.score_samples(table()), expected.score_samples(table()))


def test_options_reach_the_estimator(data, tmp_path, capsys):
    output = tmp_path / "model.joblib"
    code = run(
        "fit", data, "-o", output, "--n-latents", 2, "--max-iter", 5, "--mu", 0.3, "--seed", 7,
        "--n-components", 2, "--early-stopping", "--n-jobs", 1, "--numeric", "count,x",
        "--categorical", "colour", "--drop", "flag",
    )  # fmt: skip
    assert code == 0
    learnt = joblib.load(output)
    expected = SharpPCDensity(
        n_latents=2, max_iter=5, mu=0.3, random_state=7, n_components=2, early_stopping=True,
        feature_types={"count": "numeric", "x": "numeric", "colour": "categorical"}, n_jobs=1,
    )  # fmt: skip
    assert learnt.get_params() == expected.get_params()
    assert learnt.feature_types_ == ["categorical", "numeric", "numeric"]
    printed = capsys.readouterr()
    assert printed.out == ""  # progress is on standard error
    assert "120 rows, 4 columns" in printed.err
    assert re.search(r"flag +true/false +left out", printed.err)
    assert re.search(r"columns: 1 categorical, 2 numeric; \d+ parameters", printed.err)


def test_weights_are_a_column(data, tmp_path):
    weights = np.arange(120) % 3
    weighted, output = tmp_path / "weighted.csv", tmp_path / "model.joblib"
    table().assign(w=weights).to_csv(weighted, index=False)
    options = "--n-latents", 3, "--max-iter", 30
    assert run("fit", weighted, "-o", output, "--weight", "w", *options) == 0
    expected = SharpPCDensity(3, max_iter=30, random_state=0).fit(table(), sample_weight=weights)
    assert np.array_equal(
        joblib.load(output).score_samples(table()), expected.score_samples(table())
    )


def test_mu_auto_takes_the_best_of_validation_and_learns_from_all_rows(data, tmp_path, capsys):
    output = tmp_path / "model.joblib"
    assert run("fit", data, "-o", output, "--n-latents", 3, "--mu", "auto") == 0
    printed = capsys.readouterr().err
    found = re.findall(r"mu (\S+): validation log-likelihood (\S+) after (\d+) it", printed)
    scores = {}
    for mu, score, n_updates in found:
        model = as_fitted(mu=float(mu), early_stopping=True, max_iter=500)
        scores[float(mu)] = max(model.validation_log_likelihoods_)
        assert float(score) == pytest.approx(scores[float(mu)], abs=1e-4)
        assert int(n_updates) == model.best_iteration_
    assert len(scores) >= 3
    assert 0.0 in scores
    best = max(scores, key=scores.get)
    learnt = joblib.load(output)
    assert learnt.mu == best
    expected = as_fitted(mu=best, early_stopping=True, max_iter=500)
    assert np.array_equal(learnt.score_samples(table()), expected.score_samples(table()))


# --- score -------------------------------------------------------------------------------


def test_scores(model, data, tmp_path, capsys):
    output = tmp_path / "scores.csv"
    assert run("score", model, data, "-o", output) == 0
    scores = pandas.read_csv(output)
    assert list(scores) == ["log_likelihood"]
    expected = as_fitted().score_samples(table())
    np.testing.assert_allclose(scores["log_likelihood"], expected, rtol=1e-12)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"120 rows, mean log-likelihood {expected.mean():.4f}" in printed.err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_of_rows_come_first_as_they_are_written(suffix, model, tmp_path, capsys):
    path, output = tmp_path / f"named.{suffix}", tmp_path / "scores.csv"
    frame = table().assign(name=[f"{i:03d}" for i in range(120)])
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    assert run("score", model, path, "-o", output, "--id", "name", "--chunk-rows", 50) == 0
    scores = pandas.read_csv(output, dtype={"name": str})
    assert list(scores) == ["name", "log_likelihood"]
    assert scores["name"].tolist() == frame["name"].tolist()
    np.testing.assert_allclose(
        scores["log_likelihood"], as_fitted().score_samples(table()), rtol=1e-12
    )
    assert "not looked at" not in capsys.readouterr().err


def test_columns_are_found_by_name(model, tmp_path, capsys):
    mixed = tmp_path / "mixed.csv"
    frame = table().iloc[:20].assign(other="?")[["other", "x", "flag", "colour", "count"]]
    frame.to_csv(mixed, index=False)
    assert run("score", model, mixed) == 0
    printed = capsys.readouterr()
    scores = [float(line) for line in printed.out.split()[1:]]
    np.testing.assert_allclose(scores, as_fitted().score_samples(table().iloc[:20]), rtol=1e-12)
    assert "not looked at: other" in printed.err


def test_labels_that_look_like_numbers_and_empty_columns(tmp_path, capsys):
    train, new, output = (tmp_path / name for name in ("train.csv", "new.csv", "model.joblib"))
    train.write_text("code,x\n" + "1,0.5\nA2,1.5\n1,\n7,2.5\nA2,\n" * 4)
    new.write_text("code,x\n1,\n7,\n")
    assert run("fit", train, "-o", output, "--n-latents", 1) == 0
    capsys.readouterr()
    assert run("score", output, new) == 0
    scores = [float(line) for line in capsys.readouterr().out.split()[1:]]
    # 8 and 4 of 20 rows, and one row spread over three labels.
    np.testing.assert_allclose(np.exp(scores), np.array([8 + 1 / 3, 4 + 1 / 3]) / 21, rtol=1e-9)


def test_explained_scores(model, data, tmp_path):
    output = tmp_path / "scores.csv"
    assert run("score", model, data, "-o", output, "--explain") == 0
    scores = pandas.read_csv(output)
    assert list(scores) == ["log_likelihood", *table()]
    expected = np.asarray(as_fitted().feature_contributions(table()))
    np.testing.assert_allclose(scores[list(table())], expected, rtol=1e-9)


def test_a_search_answers_as_its_density_does(data, tmp_path):
    path, output = tmp_path / "model.joblib", tmp_path / "scores.csv"
    model = SharpPCDensityCV(SharpPCDensity(2, max_iter=3, tol=0.0, random_state=0)).fit(table())
    joblib.dump(model, path)
    assert run("score", path, data, "-o", output, "--explain") == 0
    scores = pandas.read_csv(output)
    np.testing.assert_allclose(scores["log_likelihood"], model.score_samples(table()), rtol=1e-12)
    assert list(scores)[1:] == list(table())
    assert run("sample", path, "-n", 3, "-o", output) == 0
    assert list(pandas.read_csv(output)) == list(table())


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    path = tmp_path_factory.mktemp("detector") / "detector.joblib"
    joblib.dump(SharpPCOutlierDetector(2, random_state=0).fit(table()), path)
    return path


def test_a_detector_writes_p_values_and_excess(detector, data, tmp_path, capsys):
    output = tmp_path / "scores.csv"
    model = joblib.load(detector)
    assert run("score", detector, data, "-o", output, "--explain") == 0
    scores = pandas.read_csv(output)
    assert list(scores) == ["score", "p_value", *table()]
    np.testing.assert_allclose(scores["score"], model.score_samples(table()), rtol=1e-12)
    np.testing.assert_allclose(scores["p_value"], model.p_values(table()), rtol=1e-12)
    excess = model.feature_contributions(table())
    np.testing.assert_allclose(scores[list(table())], excess, rtol=1e-9, atol=1e-12)
    printed = capsys.readouterr().err
    assert "mean score" in printed
    assert "p-value" not in printed
    assert run("sample", detector, "-n", 3, "-o", output) == 0
    assert list(pandas.read_csv(output)) == list(table())


# --- sample ------------------------------------------------------------------------------


def test_samples(model, tmp_path, capsys):
    output = tmp_path / "drawn.csv"
    assert run("sample", model, "-n", 15, "--seed", 3, "-o", output) == 0
    drawn = pandas.read_csv(output)
    expected = as_fitted().sample(15, random_state=3)
    assert drawn["colour"].tolist() == expected["colour"].tolist()
    assert drawn["count"].tolist() == expected["count"].tolist()
    assert drawn["count"].dtype == np.int64  # as in the table, holes or not
    assert drawn["flag"].tolist() == expected["flag"].tolist()
    np.testing.assert_allclose(drawn["x"], expected["x"].astype(float), rtol=1e-12)
    assert run("sample", model, "-n", 15, "--seed", 3) == 0
    assert capsys.readouterr().out == output.read_text()
    assert run("sample", model, "-n", 15) == 0
    assert capsys.readouterr().out != output.read_text()


def test_samples_of_a_model_of_an_array(tmp_path, capsys):
    joblib.dump(SharpPCDensity(2, max_iter=3).fit([[0, 1], [1, 0], [1, 1]]), tmp_path / "m")
    assert run("sample", tmp_path / "m", "-n", 3) == 0
    assert re.fullmatch(r"0,1\n([01],[01]\n){3}", capsys.readouterr().out)


# --- in a process of its own ---------------------------------------------------------------


def test_exit_codes_and_streams_of_a_process(model, data):
    done = python("score", model, data)
    assert done.returncode == 0
    assert len(done.stdout.split()) == 121
    assert "mean log-likelihood" in done.stderr
    failed = python("score", data.with_name("none.joblib"), data)
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert len(failed.stderr.splitlines()) == 1


def test_a_reader_that_has_seen_enough(model):
    command = f"{sys.executable} -m skpc sample {model} -n {10**15} | head -n 2"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("colour,count,x,flag\n")
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "SKPC sample MODEL -n 5 | true; exit ${PIPESTATUS[0]}",
        "SKPC sample MODEL -n 50000 | true; exit ${PIPESTATUS[0]}",
        "SKPC --help | true; exit ${PIPESTATUS[0]}",
        "SKPC sample MODEL 2>&-",
    ],
)
def test_readers_that_close_a_stream_are_no_error(line, model):
    assert shell(line.replace("MODEL", str(model))).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SKPC sample MODEL >&-", "standard output is closed"),
        ("SKPC sample MODEL > /dev/full", "cannot write to standard output: No space left"),
        ("SKPC sample MODEL -n 9999 > /dev/full", "cannot write to standard output: No space left"),
        ("SKPC sample MODEL -o /dev/full", "cannot write /dev/full: No space left"),
    ],
)
def test_outputs_that_cannot_be_written_are_one_line(line, message, model):
    done = shell(line.replace("MODEL", str(model)))
    assert done.returncode == 2
    (error,) = done.stderr.splitlines()
    assert error.startswith(f"error: {message}")


@pytest.mark.slow
def test_labels_that_the_terminal_cannot_show(tmp_path):
    (tmp_path / "data.csv").write_text("a\n" + "caf\u00e9\nth\u00e9\n" * 9, encoding="utf-8")
    fit = f"SKPC fit {tmp_path}/data.csv -o {tmp_path}/m --n-latents 1 --max-iter 2"
    assert shell(fit).returncode == 0
    done = shell(f"SKPC sample {tmp_path}/m", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "Set PYTHONIOENCODING=utf-8" in done.stderr
    assert (
        shell(f"SKPC sample {tmp_path}/m -o {tmp_path}/o", PYTHONIOENCODING="ascii").returncode == 0
    )


# --- what a user can do wrong ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*No such file"),
        (b"", "no CSV file"),
        (b"a,b\n", "has no rows"),
        (b"\x80\x81\xfe\xff\x00", "no CSV file"),
        (b'a,b\n1,"2\n3,4\n', "no CSV file"),
        (b"a,b\n1,2\n1,2,3\n", "no CSV file"),
        (b"a,b\n1,2,3\n1,2,3\n", "more cells in its rows than names"),
        (b"a,b\n,\n,\n", "all columns are left out"),
        (b"a,b\n1,inf\n2,3\n", "infinity"),
        (b"a,b\n1152921504606846976,1\n1152921504606846977,2\n", r"beyond 2\^53 in column 'a'"),
        (b"a,b\n9223372036854775809,1\n9223372036854775810,\n", r"beyond 2\^53 in column 'a'"),
        ("caf\u00e9\n1\n".encode("latin-1"), "no CSV file"),
        (b"\n\n\n", "no CSV file"),
    ],
)
def test_files_that_are_no_tables(content, message, tmp_path, capsys):
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_bytes(content)
    assert re.search(message, error_of(capsys, "fit", path, "-o", tmp_path / "model.joblib"))
    assert not (tmp_path / "model.joblib").exists()


@pytest.mark.parametrize(
    "name", ["bad.csv.gz", "bad.csv.xz", "bad.csv.zip", "bad.csv.bz2", "d.csv"]
)
def test_tables_that_cannot_be_unpacked(name, tmp_path, capsys):
    path = tmp_path / name
    path.mkdir() if name == "d.csv" else path.write_bytes(b"\x1f\x8b\x08\x00 no archive" * 9)
    assert str(path) in error_of(capsys, "fit", path, "-o", tmp_path / "model.joblib")


def test_tables_of_places_that_nothing_reads(tmp_path, capsys):
    error = error_of(capsys, "fit", "s3://nowhere/data.csv", "-o", tmp_path / "model.joblib")
    assert "cannot read s3://nowhere/data.csv" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--drop", "size"], "there is no column 'size'"),
        (["--weight", "size"], "there is no column 'size'"),
        (["--weight", "colour"], "weights in column 'colour' must be numbers"),
        (["--weight", "x"], "weight in column 'x' is missing in row 0"),
        (["--numeric", "size"], "there is no column 'size'"),
        (["--numeric", "x", "--categorical", "x"], "both categorical and numeric"),
        (["--binomial", "x", "--numeric", "x"], "both binomial and numeric"),
        (["--numeric", "colour"], "labels have no order"),
        (["--n-latents", "0"], "'n_latents' parameter"),
        (["--n-jobs", "0"], "n_jobs=0"),
        (["--seed", "-1"], "'random_state' parameter"),
        (["--drop", "colour,count", "--drop", "x,flag"], "all columns are left out"),
    ],
)
def test_options_that_cannot_be_used(arguments, message, data, tmp_path, capsys):
    output = tmp_path / "model.joblib"
    assert message in error_of(capsys, "fit", data, "-o", output, *arguments)
    assert not output.exists()


def test_places_that_cannot_be_written(model, data, tmp_path, capsys):
    nowhere = tmp_path / "none" / "out"
    assert "there is no directory" in error_of(capsys, "fit", data, "-o", nowhere)
    assert "there is no directory" in error_of(capsys, "sample", model, "-o", nowhere)
    assert "it is a directory" in error_of(capsys, "fit", data, "-o", tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit"],
        ["fit", "data.csv"],
        ["fit", "data.csv", "-o", "m", "--mu", "-1"],
        ["fit", "data.csv", "-o", "m", "--mu", "some"],
        ["score", "m"],
        ["sample", "m", "-n", "many"],
    ],
)
def test_bad_usage_exits_with_two(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: python -m skpc" in capsys.readouterr().err


def test_no_samples(model, capsys):
    assert "n_samples" in error_of(capsys, "sample", model, "-n", 0)
    assert "eed" in error_of(capsys, "sample", model, "--seed", -1)


def test_a_missing_pandas_is_one_line(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert 'pip install "skpc[cli]"' in error_of(capsys, "fit", data, "-o", tmp_path / "m")


def test_warnings_are_one_line(data, tmp_path):
    done = python("fit", data, "-o", tmp_path / "m", "--max-iter", 1, "--n-latents", 2)
    assert done.returncode == 0
    (warned,) = [line for line in done.stderr.splitlines() if "did not converge" in line]
    assert warned.startswith("warning: ")


def test_quiet_leaves_errors_alone(data, tmp_path, capsys):
    output = "-o", tmp_path / "m"
    assert run("fit", data, *output, "--max-iter", 1, "--n-latents", 2, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert run("fit", data, *output, "--drop", "size", "--quiet") == 2
    assert capsys.readouterr().err.startswith("error: there is no column 'size'")


def test_a_command_line_without_a_command_shows_examples(capsys):
    assert run() == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "python -m skpc outliers table.csv" in printed.err


@pytest.mark.parametrize(
    "command",
    ["describe", "outliers", "impute", "plot", "fit", "score", "sample", "classify"],
)
def test_help_has_examples_that_can_be_parsed(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    _, _, below = capsys.readouterr().out.partition("examples:\n")
    assert below
    for line in below.splitlines():
        arguments = shlex.split(line.partition("<")[0].removeprefix("  python -m skpc "))
        assert parser().parse_args(arguments).command == command


def test_the_console_script_is_the_module_and_is_called_as_it_is_installed(monkeypatch, capsys):
    metadata = tomllib.loads((Path(skpc.__file__).parents[1] / "pyproject.toml").read_text())
    module, _, name = metadata["project"]["scripts"]["skpc"].partition(":")
    entry = getattr(importlib.import_module(module), name)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/skpc", "--version"])
    with pytest.raises(SystemExit, match="0"):
        entry()
    assert capsys.readouterr().out == f"skpc {skpc.__version__}\n"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/skpc", "fit"])
    with pytest.raises(SystemExit, match="2"):
        entry()
    assert "usage: skpc fit" in capsys.readouterr().err


# --- fit: what is told -----------------------------------------------------------------------


def test_the_headline_is_the_likelihood_of_rows_held_out_beside_independence(
    data, tmp_path, capsys
):
    output = tmp_path / "m"
    assert run("fit", data, "-o", output, "--max-iter", 20) == 0
    report = joblib.load(output).fit_report_
    held_out = report["validation_log_likelihood"]
    best = held_out[report["weight"] > 0].max()
    alone = held_out[report["candidate"] == "independent"].item()
    assert best > alone
    expected = f"held-out log-likelihood: {best:.4f} nats per row; independent columns: {alone:.4f}"
    assert expected in capsys.readouterr().err.splitlines()


def test_rows_learnt_from_are_the_headline_where_none_were_held_out(tmp_path, capsys):
    path = tmp_path / "small.csv"
    weights = np.array([1, 2, 3, 1, 1, 1.0])
    table().iloc[:6].assign(w=weights).to_csv(path, index=False)
    assert run("fit", path, "-o", tmp_path / "m", "--weight", "w") == 0
    model = joblib.load(tmp_path / "m")
    mean = np.average(model.score_samples(table().iloc[:6]), weights=weights)
    assert f"log-likelihood: {mean:.4f} nats per row, of the rows learnt" in capsys.readouterr().err


def test_a_terminal_shows_a_bar_of_which_the_model_knows_nothing(data, tmp_path, monkeypatch):
    for is_terminal, options in (True, ()), (True, ("--quiet",)), (False, ()):
        screen = io.StringIO()
        screen.isatty = lambda is_terminal=is_terminal: is_terminal
        monkeypatch.setattr(sys, "stderr", screen)
        fit = "fit", data, "-o", tmp_path / "m", "--n-latents", 2, "--max-iter", 3
        assert run(*fit, *options) == 0
        assert ("at most" in screen.getvalue()) == (is_terminal and not options)
        assert joblib.load(tmp_path / "m").verbose == 0
