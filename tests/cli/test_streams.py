"""What comes through a pipe: text, packed text, Parquet; and what is no table."""

import bz2
import contextlib
import gzip
import lzma
import os
import sys

import pandas
import pytest
from command_line import error_of, run, table

from skpc._cli.tables import TrainingTable


@pytest.fixture
def pipe(tmp_path, monkeypatch):
    """Sets what standard input holds."""
    files = contextlib.ExitStack()

    def set_content(content):
        (tmp_path / "input").write_bytes(content)
        number = os.open(tmp_path / "input", os.O_RDONLY)
        monkeypatch.setattr(sys, "stdin", files.enter_context(os.fdopen(number)))

    with files:
        yield set_content


PACKED = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "plain": bytes}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("n_rows", [0, 50])
def test_standard_input_is_unpacked_by_its_first_bytes(kind, n_rows, pipe, data):
    pipe(PACKED[kind](data.read_bytes()))
    expected = TrainingTable(str(data))
    found = TrainingTable("-", n_chunk_rows=n_rows)
    assert (found.title, found.n_rows) == ("standard input", 120)
    for name in expected.names:
        assert found.column(name).tolist() == expected.column(name).tolist()


def test_scores_of_packed_input_are_those_of_the_file(pipe, data, model, capsys):
    assert run("score", model, data) == 0
    expected = capsys.readouterr().out
    pipe(gzip.compress(data.read_bytes()))
    assert run("score", model, "-", "--chunk-rows", 9) == 0
    assert capsys.readouterr().out == expected


def test_parquet_may_come_through_a_pipe_or_have_any_name(pipe, data, model, tmp_path, capsys):
    table().to_parquet(tmp_path / "data.bin")
    assert run("score", model, data) == 0
    expected = capsys.readouterr().out
    pipe((tmp_path / "data.bin").read_bytes())
    assert run("score", model, "-") == 0
    assert capsys.readouterr().out == expected
    assert run("score", model, tmp_path / "data.bin") == 0
    assert capsys.readouterr().out == expected
    pipe((tmp_path / "data.bin").read_bytes())
    error = error_of(capsys, "score", model, "-", "--sep", ";")
    assert "standard input is read as Parquet: leave out --sep" in error


def test_files_that_are_packed_under_another_name_are_unpacked(data, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(gzip.compress(data.read_bytes()))
    pandas.testing.assert_frame_equal(
        TrainingTable(str(path)).X(["x", "flag"]), TrainingTable(str(data)).X(["x", "flag"])
    )


@pytest.mark.parametrize("command", ["describe", "outliers"])
def test_damaged_input_is_one_line(command, pipe, data, capsys):
    packed = gzip.compress(data.read_bytes())
    pipe(packed[: len(packed) // 2])
    assert "standard input" in error_of(capsys, command, "-")
    pipe(b"PAR1 and no more")
    assert "standard input is no Parquet data" in error_of(capsys, command, "-")
