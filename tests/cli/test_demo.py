"""The command line and its demonstration, on a small part of the work."""

import re
import sys
from contextlib import redirect_stdout
from io import StringIO

import pytest

from skpc.__main__ import main


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    output = tmp_path_factory.mktemp("demo") / "picture.png"
    with redirect_stdout(StringIO()) as printed:
        code = main(["demo", "--smoke", "--output", str(output)])
    return code, printed.getvalue(), output


def test_exit_code_says_that_both_baselines_are_beaten(demo):
    code, printed, _ = demo
    scores = re.findall(r"^  (\S.*?)  +(-\d+\.\d+)$", printed, re.MULTILINE)
    ours, tree, independent = (float(score) for _, score in scores)
    assert (code == 0) == (ours > max(tree, independent))
    assert ours > tree > independent


def test_table_has_a_line_for_every_mu(demo):
    rows = re.findall(r"^ +(0\.\d+) +(-\d+\.\d+) +(\d\.\d+) +(\S+)$", demo[1], re.MULTILINE)
    assert [row[0] for row in rows] == ["0.00", "0.05"]
    assert float(rows[0][3]) > float(rows[1][3])  # the penalty lowers the sharpness


def test_picture_is_written(demo):
    assert demo[2].read_bytes().startswith(b"\x89PNG")


def test_a_missing_matplotlib_is_one_clear_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["demo", "--output", str(tmp_path / "picture.png")]) == 2
    assert 'pip install "skpc[plot]"' in capsys.readouterr().out


def test_usage_errors_exit_with_two(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["dance"])
    assert "invalid choice" in capsys.readouterr().err
