"""Files that the command line writes, and streams."""

import os
import stat

import joblib
import numpy as np
import pandas
import pytest
from command_line import run, shell, table


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
