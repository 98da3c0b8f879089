"""Command line: ``skpc COMMAND``, and what its exit codes are.

What a user can do wrong ends in one line on standard error and the exit code 2.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from collections.abc import Callable

from skpc._cli.messages import UsageError, forget_output, one_line, say, show_warning, told
from skpc._cli.outputs import check_output
from skpc._cli.parser import parser

_COMMANDS = "describe", "outliers", "impute", "fit", "score", "sample", "classify", "plot"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    accepted = parser()
    try:
        if not (sys.argv[1:] if arguments is None else arguments):
            accepted.print_help(sys.stderr)
            return 2
        options = accepted.parse_args(arguments)
    except SystemExit:  # with a usage or help that nobody may read
        forget_output()
        raise
    with told(options.quiet), warnings.catch_warnings():
        if options.command != "demo":
            warnings.showwarning = show_warning  # type: ignore[assignment]
        try:
            code = _command(options.command)(options)
            if sys.stdout is not None:
                sys.stdout.flush()
            return code or 0
        except UsageError as error:
            say(f"error: {one_line(error)}")
            return 2
        except MemoryError as error:
            say(f"error: there is not enough memory: {one_line(error)}")
            return 2
        except BrokenPipeError:  # whoever read our output has seen enough
            forget_output()
            return 0
        except OSError as error:
            forget_output()
            say(f"error: {one_line(error)}")
            return 2
        except KeyboardInterrupt:
            say("interrupted")
            return 130


def _command(name: str) -> Callable[[argparse.Namespace], int | None]:
    """What runs a command, with the modules that this one alone needs."""
    if name == "demo":
        return _demo
    assert name in _COMMANDS
    run: Callable[[argparse.Namespace], int | None]
    run = importlib.import_module(f"skpc._cli.{name}").run
    return run


def _demo(options: argparse.Namespace) -> int:
    """``demo``: learn the digits, and draw a picture."""
    from skpc._cli.demo import run

    check_output(options.output)
    return run(options.output, smoke=options.smoke)
