"""What the command line says, all of it on standard error and in lines."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

_NARROWEST, _WIDTH_OF_FILES = 40, 100
_SHORT, _LONG = 1e5, 1e15  # numbers that would have an exponent else

_is_quiet = False


class UsageError(Exception):
    """What a user can put right; the message says how."""


def say(line: str) -> None:
    """Print a line on standard error, if somebody reads it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def tell(line: str) -> None:
    """Say how things go, unless nobody wants to know."""
    if not _is_quiet:
        say(line)


@contextlib.contextmanager
def told(is_quiet: bool) -> Iterator[None]:
    """Whether `tell` is silent for a while."""
    global _is_quiet
    before, _is_quiet = _is_quiet, is_quiet
    try:
        yield
    finally:
        _is_quiet = before


def shows_progress() -> bool:
    """Whether somebody looks at standard error who wants to know how far things are."""
    return not _is_quiet and _is_terminal(sys.stderr)


def width_of(stream: Any) -> int:
    """How many characters a line on a stream may have."""
    columns = shutil.get_terminal_size((_WIDTH_OF_FILES, 0)).columns
    if _is_terminal(stream):
        with contextlib.suppress(OSError):
            columns = os.get_terminal_size(stream.fileno()).columns
    return max(_NARROWEST, columns)


def _is_terminal(stream: Any) -> bool:
    return stream is not None and bool(stream.isatty())


def one_line(error: object) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split())


def show_warning(message: Warning | str, *_: Any) -> None:
    """Print a warning as one line, in place of `warnings.showwarning`."""
    tell(f"warning: {one_line(message)}")


def forget_output() -> None:
    """Let what is still to be written to a broken standard output go nowhere, without an error."""
    for stream in sys.stdout, sys.stderr:
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except AttributeError:  # there is none
            continue


def number_text(value: float) -> str:
    """A number with six digits, or all that stand before its decimals if these are more."""
    is_long = _SHORT <= abs(value) < _LONG
    return f"{value:.0f}" if is_long else f"{value:.6g}"
