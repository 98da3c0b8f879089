"""Files that the command line writes, and streams."""

import gzip
import os
import signal
import stat
import subprocess
import sys
import time

import joblib
import numpy as np
import pandas
import pytest
from command_line import error_of, run, shell, table

from skpc._cli.outputs import table_writer


@pytest.mark.slow
@pytest.mark.parametrize("target", ["-o /dev/stdout", "-o /dev/fd/1", "-o PIPE & cat PIPE; wait"])
def test_devices_and_pipes_are_written_to_as_they_are(target, model, tmp_path):
    expected = shell(f"SKPC sample {model} --seed 1 -n 4").stdout
    os.mkfifo(tmp_path / "pipe")
    command = f"SKPC sample {model} --seed 1 -n 4 {target}".replace("PIPE", str(tmp_path / "pipe"))
    assert shell(command).stdout == expected
    assert shell(f"echo before > {tmp_path}/out; ({command}) >> {tmp_path}/out").returncode == 0
    assert (tmp_path / "out").read_text() == "before\n" + expected
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.slow
def test_a_model_is_written_to_standard_output(data, tmp_path):
    fit = f"SKPC fit {data} --n-latents 2 --max-iter 2"
    assert shell(f"{fit} -o /dev/stdout > {tmp_path}/a && {fit} -o {tmp_path}/b").returncode == 0
    scores = [joblib.load(tmp_path / name).score_samples(table()) for name in "ab"]
    assert np.array_equal(*scores)


# --- files that are replaced -----------------------------------------------------------------


def half_written(*arguments, **_):
    """Write something to a path or to an open file, then fail as a full disk does."""
    target = arguments[-1]
    if hasattr(target, "write"):
        target.write("half")
    else:
        with open(target, "wb") as file:
            file.write(b"half")
    raise OSError(28, "No space left on device")


def test_a_write_that_fails_leaves_the_old_file(model, data, tmp_path, monkeypatch, capsys):
    old = tmp_path / "old"
    old.write_bytes(b"precious")
    monkeypatch.setattr(joblib, "dump", half_written)
    monkeypatch.setattr(pandas.DataFrame, "to_csv", half_written)
    options = "--n-latents", 2, "--max-iter", 2
    for arguments in (["fit", data, *options], ["score", model, data], ["sample", model]):
        assert run(*arguments, "-o", old) == 2
        assert f"cannot write {old}: No space left on device" in capsys.readouterr().err
        assert old.read_bytes() == b"precious"
        assert list(tmp_path.iterdir()) == [old]


def test_a_replaced_file_keeps_its_permissions_and_links(model, tmp_path):
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real.name)
    assert run("sample", model, "-n", 3, "-o", link) == 0
    assert link.is_symlink()
    assert len(real.read_text().splitlines()) == 4
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert run("sample", model, "-n", 3, "-o", tmp_path / "new.csv") == 0
    (tmp_path / "made").touch()  # with the permissions of any new file
    assert (tmp_path / "new.csv").stat().st_mode == (tmp_path / "made").stat().st_mode


def test_names_still_ask_for_compression(model, data, tmp_path):
    assert run("sample", model, "-n", 3, "-o", tmp_path / "rows.csv.gz") == 0
    assert (tmp_path / "rows.csv.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert len(pandas.read_csv(tmp_path / "rows.csv.gz")) == 3


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".parquet"])
def test_rows_are_the_same_in_all_formats(suffix, model, tmp_path, monkeypatch):
    expected, path = tmp_path / "expected.csv", tmp_path / f"rows{suffix}"
    monkeypatch.setattr("skpc._cli.sample._CELLS_DRAWN", 16)
    for output in expected, path:
        assert run("sample", model, "-n", 11, "--seed", 1, "-o", output) == 0
    read = pandas.read_parquet if suffix == ".parquet" else pandas.read_csv
    drawn = read(path)
    assert len(drawn) == 11
    pandas.testing.assert_frame_equal(drawn, pandas.read_csv(expected), check_dtype=False)


def test_other_compressions_are_refused_before_any_work(model, tmp_path, capsys):
    for name in "rows.zip", "rows.csv.zst", "rows.tar.gz":
        assert run("sample", model, "-o", tmp_path / name) == 2
        assert "tables are not written as" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_may_only_be_read_is_not_replaced(model, tmp_path, monkeypatch, capsys):
    old = tmp_path / "old.csv"
    old.write_text("precious")
    monkeypatch.setattr(os, "access", lambda path, _: path != old)  # root may write anything
    assert run("sample", model, "-o", old) == 2
    assert f"cannot write {old}: it may only be read" in capsys.readouterr().err
    assert old.read_text() == "precious"


def test_what_is_written_is_stored_before_it_replaces_the_old(model, tmp_path, monkeypatch):
    """Else a machine that stops may leave an empty file, under the name of the old one."""
    stored = []
    old = tmp_path / "old.csv.gz"
    old.write_text("old")

    def fsync(number):
        assert old.read_text() == "old"
        content = gzip.decompress(os.pread(number, os.fstat(number).st_size, 0))
        stored.append(len(content.splitlines()))

    monkeypatch.setattr(os, "fsync", fsync)
    assert run("sample", model, "-n", 9, "-o", old) == 0
    assert stored == [10]
    assert len(pandas.read_csv(old)) == 9


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, ValueError])
@pytest.mark.parametrize("name", ["old.csv", "old.csv.gz", "old.parquet"])
def test_whatever_happens_in_the_middle_leaves_the_old_file(error, name, tmp_path):
    old = tmp_path / name
    old.write_bytes(b"precious")

    def begin():
        with table_writer(old) as write:
            write(table())
            raise error

    with pytest.raises(error):
        begin()
    assert old.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [old]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_process_that_is_killed_in_the_middle_leaves_the_old_file(
    number, code, name, model, tmp_path
):
    old = tmp_path / name
    old.write_bytes(b"precious")
    command = [sys.executable, "-m", "skpc", "sample", model, "-n", str(10**12), "-o", old]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while not any(new.stat().st_size > 10**5 for new in tmp_path.glob(f".skpc-*/{name}")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait() == code
    process.stderr.close()
    assert old.read_bytes() == b"precious"
    left = [path for path in tmp_path.iterdir() if path != old]
    assert bool(left) == (number == signal.SIGKILL)  # which nobody can clear away after


def test_what_is_read_is_not_written_over(data, model, tmp_path, capsys):
    link = tmp_path / "link.csv"
    link.symlink_to(data)
    for arguments in (
        ("fit", data, "-o", data),
        ("fit", data, "-o", link),
        ("score", model, data, "-o", data),
        ("score", model, data, "-o", model),
        ("sample", model, "-o", model),
    ):
        before = data.read_bytes(), model.read_bytes()
        assert "it is read as well" in error_of(capsys, *arguments)
        assert (data.read_bytes(), model.read_bytes()) == before


@pytest.mark.slow
def test_a_fit_that_is_killed_while_it_writes_leaves_the_old_model(data, tmp_path):
    old = tmp_path / "model.joblib"
    old.write_bytes(b"precious")
    program = """
import joblib, os, signal, sys
def dump(model, path):
    with open(path, "wb") as file:
        file.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
joblib.dump = dump
from skpc.__main__ import main
main(sys.argv[1:])
"""
    command = [sys.executable, "-c", program, "fit", data, "-o", old, "--n-latents", "1"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -9
    assert old.read_bytes() == b"precious"
    (half,) = tmp_path.glob(".skpc-*/model.joblib")
    assert half.read_bytes() == b"half"
