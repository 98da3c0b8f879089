"""Files that the command line writes: whole, or not at all."""

from __future__ import annotations

import importlib
import io
import os
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

from skpc._cli.csv_form import CsvForm
from skpc._cli.messages import UsageError, forget_output
from skpc._cli.parquet_files import ParquetWriter, is_parquet, pyarrow_part

_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
_OTHER_COMPRESSIONS = {".zip", ".zst", ".tar"}


def check_output(path: Path, *inputs: str | Path) -> None:
    """Say before any work that a file cannot be written, or is one of those that are read."""
    for name in inputs:
        if path.is_file() and os.path.exists(name) and os.path.samefile(path, name):
            raise UsageError(f"cannot write {path}: it is read as well. Name another file.")
    directory = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a directory.")
    if _is_special(path):
        return
    if not directory.is_dir():
        raise UsageError(f"cannot write {path}: there is no directory {directory}.")
    if not os.access(directory, os.W_OK):
        raise UsageError(f"cannot write {path}: no file can be made in {directory}.")
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageError(f"cannot write {path}: it may only be read. Change its permissions.")


def check_table_output(path: Path | None, *inputs: str | Path) -> None:
    """Say before any work that a table cannot be written to a file, or to standard output."""
    if path is None:
        if sys.stdout is None:
            raise UsageError("standard output is closed: name a file with --output.")
        return
    check_output(path, *inputs)
    if is_parquet(path):
        pyarrow_part("parquet")
    if found := _OTHER_COMPRESSIONS.intersection(path.suffixes):
        raise UsageError(
            f"cannot write {path}: tables are not written as {found.pop()}. Name a .csv file, "
            f"perhaps with {', '.join(_COMPRESSIONS)} behind it, or a .parquet file."
        )


def write_file(path: Path, write: Callable[[Any], Any]) -> None:
    """Have a file written whole, or not at all; see `_replaced`.

    Parameters
    ----------
    path : Path
    write : callable
        Is given a path to write to, of the same name, or an open file of bytes.
    """
    if not _is_special(path):
        with _replaced(path) as new:
            write(str(new))
        return
    buffer = io.BytesIO()  # what writes models seeks
    write(buffer)
    with _explained(path), open(path, "ab") as file:  # the shell has emptied it, or not
        file.write(buffer.getvalue())


def write_lines(lines: Sequence[str]) -> None:
    """Write text to standard output."""
    with _explained_stdout():
        sys.stdout.write("".join(f"{line}\n" for line in lines))


@contextmanager
def table_writer(
    path: Path | None, form: CsvForm | None = None, like: Any = None, mark: str = ""
) -> Iterator[Callable[[Any], None]]:
    """A function that writes frames with the same columns, one below the other.

    Parameters
    ----------
    path : Path or None
        Parquet by its name, or CSV, compressed if its name ends so. None is standard output.
    form : CsvForm or None
        How cells of CSV are separated, and numbers written.
    like : schema of Arrow or None
        The types that columns of Parquet are to have, where they can.
    mark : str
        What a file of text begins with that says how it is encoded.
    """
    if path is not None and is_parquet(path) and not _is_special(path):
        with _replaced(path) as new, ParquetWriter(new, like) as writer:
            yield writer.write
    else:
        with text_output(path) as file:
            file.write(mark)
            yield _csv_writer(file, form)


@contextmanager
def text_output(path: Path | None) -> Iterator[IO[str]]:
    """An open file of text, compressed if its name ends so; None is standard output."""
    if path is None:
        with _explained_stdout():
            yield sys.stdout
    elif _is_special(path):
        with _explained(path), open(path, "a", encoding="utf-8", newline="") as file:
            yield file
    else:
        with _replaced(path) as new, _text_file(new) as file:
            yield file


def _csv_writer(file: IO[str], form: CsvForm | None) -> Callable[[Any], None]:
    """Write frames to an open file, the first one below its names."""
    is_first = True
    sep, decimal = (",", ".") if form is None else (str(form.sep), str(form.decimal))
    if len(sep) != 1:  # a regular expression
        sep = ","

    def write(frame: Any) -> None:
        nonlocal is_first
        if decimal != ".":  # which is not asked of nullable numbers
            numbers = [name for name in frame if str(frame[name].dtype) in ("Float64", "Float32")]
            frame = frame.astype(dict.fromkeys(numbers, "float64"))
        frame.to_csv(file, index=False, header=is_first, sep=sep, decimal=decimal)
        file.flush()
        is_first = False

    return write


def _text_file(path: Path) -> AbstractContextManager[IO[str]]:
    """A new file of text, compressed as its name says."""
    module = _COMPRESSIONS.get(path.suffix)
    opened = open if module is None else importlib.import_module(module).open
    file: AbstractContextManager[IO[str]] = opened(path, "wt", encoding="utf-8", newline="")
    return file


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A path to write to, of the same name, for a file that then replaces an old one, or not.

    Links are followed, and the permissions of an old file kept. Whatever stops the process before
    all is written, the old file is as it was; a request to end also leaves nothing beside it.
    """
    with _explained(path), _ended_in_order():
        target = Path(os.path.realpath(path))
        with tempfile.TemporaryDirectory(prefix=".skpc-", dir=target.parent) as directory:
            new = Path(directory) / target.name
            yield new
            _reach_disk(new)
            if target.exists():
                new.chmod(stat.S_IMODE(target.stat().st_mode))
            new.replace(target)


def _reach_disk(path: Path) -> None:
    """Wait until a file is stored, so that no crash of the machine leaves an empty one."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM end the process as an exception does, so that what is unfinished is removed."""
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(*_: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be written."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}.") from error


@contextmanager
def _explained_stdout() -> Iterator[None]:
    """Say why standard output cannot be written to."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except UnicodeError as error:
        raise UsageError(
            f"cannot write all labels to standard output: {error}. Set PYTHONIOENCODING=utf-8, or "
            "name a file with --output."
        ) from error
    except OSError as error:
        forget_output()
        raise UsageError(f"cannot write to standard output: {error.strerror}.") from error


def _is_special(path: Path) -> bool:
    """Whether a path leads to a device or pipe, or to an open file by way of its number."""
    for _ in range(40):  # as many links as the system follows
        if path.absolute().parts[1:2] in [("dev",), ("proc",)]:
            return True
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return path.exists() and not path.is_file()
