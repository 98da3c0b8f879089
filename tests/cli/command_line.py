"""What tests of the command line share: a table, and ways to run a command."""

import os
import subprocess
import sys

import numpy as np
import pandas

from skpc.__main__ import main


def table(n=120):
    """Labels, integers, numbers and booleans, all with holes."""
    rng = np.random.default_rng(0)
    k = rng.integers(0, 3, n)
    frame = pandas.DataFrame(
        {
            "colour": np.array(["red", "green", "dark blue"], object)[k],
            "count": pandas.array(k + rng.integers(0, 2, n), "Int64"),
            "x": (rng.normal(size=n) + 2 * k).round(6),
            "flag": pandas.array(rng.random(n) < 0.2 + 0.3 * k, "boolean"),
        }
    )
    for step, name in zip((5, 7, 9, 11), frame, strict=True):
        frame.loc[::step, name] = None
    return frame


def run(*arguments):
    return main([str(argument) for argument in arguments])


def python(*arguments, **options):
    command = [sys.executable, "-m", "skpc", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def shell(line, **environment):
    """A line of the shell, in which SKPC stands for the command; fails if a traceback is shown."""
    done = subprocess.run(
        ["bash", "-c", line.replace("SKPC", f"{sys.executable} -m skpc")],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


def error_of(capsys, *arguments):
    """The one line that a failing command prints, below what it tells of the table."""
    assert run(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    *told, error = printed.err.splitlines()
    assert error.startswith("error: ")
    assert not [line for line in told if line.startswith(("error", "Traceback"))]
    return error
