"""What the command line says, all of it on standard error and in lines."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any


class UsageError(Exception):
    """What a user can put right; the message says how."""


def say(line: str) -> None:
    """Print a line on standard error, if somebody reads it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def one_line(error: object) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split())


def show_warning(message: Warning | str, *_: Any) -> None:
    """Print a warning as one line, in place of `warnings.showwarning`."""
    say(f"warning: {one_line(message)}")


def forget_output() -> None:
    """Let what is still to be written to a broken standard output go nowhere, without an error."""
    for stream in sys.stdout, sys.stderr:
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except AttributeError:  # there is none
            continue
