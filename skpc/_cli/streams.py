"""What can be read once, such as standard input, and what the first bytes of a file tell."""

from __future__ import annotations

import importlib
import io
import os
import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

from skpc._cli.messages import UsageError

STANDARD_INPUT = "-"
FIRST_BYTES = 2**16
_MODULES = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma"}  # by first bytes
_COMPRESSIONS = {"gzip": "gzip", "bz2": "bz2", "lzma": "xz"}  # as pandas calls them
_PICKLED = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_PICKLES = ".joblib", ".pkl", ".pickle"
_ZIP, _OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def called(path: str) -> str:
    """What messages call a file."""
    return "standard input" if path == STANDARD_INPUT else path


def is_read_once(path: str) -> bool:
    """Whether a path is of something that can be read once."""
    place = Path(path)
    is_pipe = place.exists() and not place.is_file() and not place.is_dir()
    return path == STANDARD_INPUT or is_pipe


def opened(path: str) -> Any:
    """A file of bytes, unpacked, whose first ones can be looked at."""
    file = _as_it_is(path)
    module = _module_of(file.peek(FIRST_BYTES))
    if module is None:
        return file
    return _Unpacked(importlib.import_module(module).open(file, "rb"), file)


class _Unpacked(io.BufferedReader):
    """What a packed file holds, which closes it too."""

    def __init__(self, unpacked: Any, packed: Any) -> None:
        super().__init__(unpacked, FIRST_BYTES)
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()


def _as_it_is(path: str) -> Any:
    if path != STANDARD_INPUT:
        return open(path, "rb", buffering=FIRST_BYTES)
    if sys.stdin is None:
        raise UsageError("standard input is closed: name a file.")
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal: name a file, or pipe a table in.")
    return open(os.dup(sys.stdin.fileno()), "rb", buffering=FIRST_BYTES)


def copied(stream: Any, owner: object, suffix: str) -> str:
    """The name of a copy of an open file, which is removed with its owner."""
    number, name = tempfile.mkstemp(suffix=suffix)
    weakref.finalize(owner, os.unlink, name)
    with open(number, "wb") as copy:
        shutil.copyfileobj(stream, copy)
    return name


def compression_of(head: bytes) -> str | None:
    """How a file is packed, as pandas calls it, by its first bytes; or None."""
    module = _module_of(head)
    return None if module is None else _COMPRESSIONS[module]


def refuse_other_kinds(path: str, head: bytes) -> None:
    """Say of a file that is no table of text what it is, by its first bytes or its name."""
    if head.startswith(_PICKLED) or Path(path).suffix in _PICKLES:
        raise UsageError(
            f"{called(path)} is a model, or something else that Python has pickled, and no table: "
            "name a CSV or Parquet file. A model follows --model, or skpc score and sample."
        )
    if head.startswith((_ZIP, _OLD_WORKBOOK)):
        raise UsageError(f"{called(path)} is a workbook: save the sheet as CSV, and name that.")


def _module_of(head: bytes) -> str | None:
    return next((name for start, name in _MODULES.items() if head.startswith(start)), None)
