"""CSV files that the command line reads, as a whole or in chunks."""

from __future__ import annotations

import codecs
import csv
import io
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from skpc._checks import shown
from skpc._cli.amounts import AmountForm, numbers_in
from skpc._cli.csv_form import CsvForm
from skpc._cli.csv_lines import header_of
from skpc._cli.csv_records import Record, Records
from skpc._cli.csv_repeats import holds_again, names_line
from skpc._cli.messages import UsageError, one_line
from skpc._cli.streams import (
    FIRST_BYTES,
    called,
    compression_of,
    copied,
    is_read_once,
    opened,
    refuse_other_kinds,
)

_FIRST_ROWS = 1_000  # of a chunk that says how many columns there are
_FIRST_LINES = 100  # that show how cells are written
_LINES_AT_ONCE = 10_000
_AS_LINES: dict[str, Any] = {
    "sep": "\x01",  # which no table has
    "header": None,
    "dtype": str,
    "quoting": csv.QUOTE_NONE,
    "keep_default_na": False,
    "na_filter": False,
    "skip_blank_lines": False,
}
_COMPRESSED = {".gz", ".bz2", ".xz", ".zip", ".zst"}
_COMPRESSION = 8  # how much larger a table is than its compressed file
_INTEGER, _UNSIGNED, _NUMBER = "Int64", "UInt64", "Float64"
_BOOLEAN, _LABEL = "boolean", "string"
_SKIPPING = "--skip-rows says how many lines stand above the names"


class CsvFile:
    """A CSV file with a line of names; empty cells are missing.

    Parameters
    ----------
    path : str
        Or a URL that pandas reads; "-" is standard input.
    form : CsvForm
        What it does not tell the first lines do.
    is_read_again : bool
        Whether it is to be read more than once: what is no file is then copied.
    stream : open file or None
        What is to be read, if it has been opened.

    Attributes
    ----------
    name : str
        What messages call it.
    form : CsvForm
    header : list of str
        The names, as they are written.
    skipped : list of str
        What was found above the names, but for empty lines.
    line_end, mark : str
        What ends lines, and what the file begins with where that says how it is encoded.
    missing : dict
        What else is missing in some columns.
    amounts : dict
        How numbers of some columns are written that are text to whatever else reads them.
    repeated : list of Record
        Rows that repeat the line of names, and are left out.
    """

    def __init__(
        self,
        path: str,
        form: CsvForm | None = None,
        *,
        is_read_again: bool = False,
        stream: Any = None,
    ) -> None:
        self.name = called(path)
        self.missing: Mapping[str, Sequence[str]] = {}
        self.amounts: dict[str, AmountForm] = {}
        try:
            import pandas
        except ImportError as error:
            raise UsageError('tables need pandas: pip install "skpc[cli]"') from error
        self._pandas = pandas
        self._source: Any = path
        self.form = form or CsvForm()
        self._compression = "infer"
        with self._reading():
            if stream is None and is_read_once(path):
                stream = opened(path)
            if stream is not None:
                weakref.finalize(self, stream.close)
                self._source = copied(stream, self, ".csv") if is_read_again else stream
            head = self._head()
        self.line_end = "\r\n" if b"\r\n" in head else "\n"
        self.mark = "\ufeff" if head.startswith(codecs.BOM_UTF8) else ""
        self.form = self.form.with_encoding(head)
        lines = self._first_lines(head)
        is_found = self.form.skip_rows is None
        self.form = self.form.completed(lines)
        content = self.form.content(lines)
        self.header = header_of(content, str(self.form.sep))
        if not self.form.has_names:
            self.header = [f"column_{j + 1}" for j in range(len(self.header))]
        above = lines[: self.form.skip_rows] if is_found else []
        self.skipped = [line for line in above if line.strip()]
        self.repeated: list[Record] = []
        names = names_line(content, self.form) if isinstance(self._source, str) else None
        if names is not None and holds_again(self._source, names, str(self.form.encoding)):
            self.repeated = [one for one in self.records() if one.text == names]

    def _head(self) -> bytes:
        """The first bytes, which will be read again."""
        if not isinstance(self._source, str):
            return bytes(self._source.peek(FIRST_BYTES))
        if not Path(self._source).is_file() or Path(self._source).suffix in _COMPRESSED:
            return b""
        with open(self._source, "rb") as file:
            head = file.read(FIRST_BYTES)
        refuse_other_kinds(self._source, head)
        compression = compression_of(head)
        if compression is None:
            return head
        self._compression = compression
        return b""

    def _first_lines(self, head: bytes) -> list[str]:
        """The first lines, as far as they can be read."""
        source: Any = io.BytesIO(head)
        if isinstance(self._source, str) and not head:
            if not Path(self._source).is_file():
                return []
            source = self._source
        try:
            frame = self._pandas.read_csv(
                source,
                **_AS_LINES,
                nrows=_FIRST_LINES,
                compression=self._compression,
                encoding=self.form.encoding,
                encoding_errors="replace",
            )
        except Exception:  # what is wrong is told where the table is read
            return []
        lines: list[str] = frame.iloc[:, 0].tolist()
        is_cut = head and (len(head) == FIRST_BYTES or not isinstance(self._source, str))
        return lines[:-1] if is_cut and not head.endswith(b"\n") and len(lines) > 1 else lines

    def lines(self) -> Iterator[str]:
        """All lines, as they are in the file, empty ones too."""
        with self._reading():
            reader = self._pandas.read_csv(
                self._source,
                **_AS_LINES,
                chunksize=_LINES_AT_ONCE,
                encoding=self.form.encoding,
                compression=self._compression,
            )
        with reader:
            for frame in reader:
                yield from frame.iloc[:, 0].tolist()

    @property
    def names(self) -> list[str]:
        """The names of all columns, as they are read."""
        with self._reading():
            return list(self._open(nrows=0))

    def record_form(self) -> Records:
        """What tells where the records of the file end; its separator is one character."""
        return Records(str(self.form.sep), self.form.comment, self.line_end)

    def records(self) -> Iterator[Record]:
        """The rows of the file as they are written, in step with those that are read."""
        records = self._all_records()
        if self.form.has_names:
            next(records, None)
        left_out = {record.place for record in self.repeated}
        return (record for record in records if record.place not in left_out)

    def names_as_written(self) -> str:
        """The line of names with what ends it; nothing if there is none."""
        if not self.form.has_names:
            return ""
        return next(self._all_records()).text + self.line_end

    def _all_records(self) -> Iterator[Record]:
        """The line of names, if there is one, and the rows, those that repeat it too."""
        n_above = self.form.skip_rows or 0
        return self.record_form().of(islice(self.lines(), n_above, None), n_above)

    def texts(self, n_rows: int, names: Sequence[str] | None = None) -> Iterator[Any]:
        """Frames of so many rows of the text of cells, also of those that are missing."""
        options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "na_filter": False}
        with self._reading():
            reader = self._open(**options, chunksize=n_rows, usecols=names)
        with reader:
            yield from reader

    def n_bytes(self) -> int:
        """About how much text there is; 0 if that is not known."""
        path = Path(str(self._source))
        is_packed = path.suffix in _COMPRESSED or self._compression != "infer"
        factor = _COMPRESSION if is_packed else 1
        return factor * path.stat().st_size if path.is_file() else 0

    def whole(self, dtype: dict[str, Any] | None = None) -> Any:
        """All of it as one frame."""
        with self._reading():
            frame = self._open(dtype=self._as_text(dtype))
        self._check_width(frame)
        return self._with_amounts(frame, dtype)

    def chunks(
        self,
        n_rows: Callable[[int], int],
        choose: Callable[[list[str]], list[str]],
        dtype: dict[str, Any] | None = None,
    ) -> Iterator[Any]:
        """Frames of so many rows, of the columns that `choose` picks from all names.

        Parameters
        ----------
        n_rows : callable
            Is given how many columns there are.
        choose : callable
            Is given all names, once, and returns some of them.
        dtype : dict or None
            Of some columns; what others hold may not change.
        """
        columns: list[str] | None = None
        seen = ColumnKinds()
        for frame in self._frames(n_rows, dtype):
            if columns is None:
                columns = choose(list(frame))
            frame = frame[columns]
            seen.add(frame[[name for name in columns if name not in (dtype or {})]])
            if mixed := [name for name in seen.names if seen.is_mixed(name)]:
                raise UsageError(
                    f"{self.name} holds true or false in some rows of column {shown(mixed[0])} and "
                    "numbers in others. Write 0 and 1."
                )
            yield frame

    def kinds(
        self,
        n_rows: Callable[[int], int],
        dtype: dict[str, Any] | None = None,
        look: Callable[[Any], None] | None = None,
    ) -> tuple[ColumnKinds, int]:
        """What the columns of the whole file hold, and how many rows there are.

        Parameters
        ----------
        n_rows : callable
            Is given how many columns there are.
        dtype : dict or None
            Of some columns.
        look : callable or None
            Is given every frame.
        """
        seen, total = ColumnKinds(), 0
        for frame in self._frames(n_rows, dtype):
            seen.add(frame)
            total += len(frame)
            if look is not None:
                look(frame)
        return seen, total

    def _frames(self, n_rows: Callable[[int], int], dtype: dict[str, Any] | None) -> Iterator[Any]:
        """Frames of all columns that have rows."""
        with self._reading():
            reader = self._open(dtype=self._as_text(dtype), iterator=True)
        with reader:
            size = min(_FIRST_ROWS, n_rows(1))
            while True:
                with self._reading():
                    try:
                        frame = reader.get_chunk(size)
                    except StopIteration:
                        return
                if frame.empty:
                    return
                self._check_width(frame)
                size = n_rows(frame.shape[1])
                yield self._with_amounts(frame, dtype)

    def _as_text(self, dtype: dict[str, Any] | None) -> dict[str, Any] | None:
        """Dtypes of columns, of which those with amounts are read as they are written."""
        return {**(dtype or {}), **dict.fromkeys(self.amounts, str)} or None

    def _with_amounts(self, frame: Any, dtype: dict[str, Any] | None) -> Any:
        """A frame in which amounts are numbers."""
        for name, form in self.amounts.items():
            if name not in frame:
                continue
            try:
                numbers = numbers_in(frame[name], form)
            except ValueError as error:
                unit = f" in {shown(form.unit)}" if form.unit else ""
                raise UsageError(
                    f"{self.name} has {shown(str(error))} in column {shown(name)}, whose other "
                    f"cells are numbers{unit}. Write it so, or say with --na-values that it is "
                    "missing."
                ) from error
            frame[name] = numbers.astype((dtype or {}).get(name, numbers.dtype))
        return frame

    def _open(self, **options: Any) -> Any:
        form = self.form
        if not form.has_names and self.header:
            options |= {"header": None, "names": self.header}
        thousands = form.thousands if form.thousands and form.thousands.isascii() else None
        skipped: Any = form.skip_rows or None
        if self.repeated:
            skipped = [*range(form.skip_rows or 0), *(one.place for one in self.repeated)]
        na_values: Any = list(form.na_values)
        if self.missing:
            na_values = {name: [*form.na_values, *own] for name, own in self.missing.items()}
        return self._pandas.read_csv(
            self._source,
            dtype_backend="numpy_nullable",  # integers and booleans stay so beside empty cells
            skipinitialspace=True,
            low_memory=False,
            sep=form.sep,
            decimal=form.decimal,
            thousands=thousands,
            encoding=form.encoding,
            na_values=na_values,
            skiprows=skipped,
            comment=form.comment,
            compression=self._compression,
            **options,
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Say which file cannot be read, and why."""
        try:
            yield
        except OSError as error:
            raise UsageError(f"cannot read {self.name}: {error.strerror or error}.") from error
        except ImportError as error:  # of a compressed file, or one elsewhere
            raise UsageError(f"cannot read {self.name}: {error}") from error
        except (UnicodeError, LookupError) as error:
            raise UsageError(
                f"{self.name} is no CSV file that can be read as {self.form.encoding}: "
                f"{one_line(error)}. Say how it is written, for instance --encoding latin-1, or "
                "cp1252 if a spreadsheet on Windows wrote it."
            ) from error
        except (MemoryError, UsageError):
            raise
        except Exception as error:  # whatever unpacking and reading other bytes does
            is_empty = isinstance(error, self._pandas.errors.EmptyDataError)
            why = "it is empty" if is_empty else one_line(error)
            message = f"{self.name} is no CSV file that can be read: {why}"
            if isinstance(error, self._pandas.errors.ParserError):
                message += (
                    f" (--sep says what separates cells; here {shown(self.form.sep)}; {_SKIPPING})"
                )
            raise UsageError(message) from error

    def _check_width(self, frame: Any) -> None:
        if not isinstance(frame.index, self._pandas.RangeIndex):
            raise UsageError(
                f"{self.name} has more cells in its rows than names in its first line "
                f"({_SKIPPING})."
            )


class ColumnKinds:
    """What columns hold that are read in chunks, each with dtypes of its own."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._seen: dict[str, set[str]] = {}
        self._has_missing: set[str] = set()
        self._has_negative: set[str] = set()

    def add(self, frame: Any) -> None:
        """Take a chunk in."""
        self.names = list(frame)
        for name in self.names:
            column = frame[name]
            seen = self._seen.setdefault(name, set())
            is_missing = column.isna()
            if is_missing.any():
                self._has_missing.add(name)
            if is_missing.all():
                continue
            seen.add(str(column.dtype))
            if str(column.dtype) == _INTEGER and column.min() < 0:
                self._has_negative.add(name)

    def is_mixed(self, name: str) -> bool:
        """Whether a column of no labels is one if it is read as a whole."""
        seen = self._seen[name]
        return _BOOLEAN in seen and not seen.isdisjoint((_INTEGER, _UNSIGNED, _NUMBER))

    def dtype(self, name: str) -> str:
        """The dtype of a column in a whole file."""
        seen = self._seen[name]
        if not seen <= {_INTEGER, _UNSIGNED, _NUMBER}:
            return _BOOLEAN if seen == {_BOOLEAN} else _LABEL
        if _UNSIGNED in seen:
            if seen <= {_INTEGER, _UNSIGNED} and name not in self._has_missing | self._has_negative:
                return _UNSIGNED
            raise UsageError(
                f"column {shown(name)} has integers beyond 2^63 beside missing, negative or other "
                "numbers. Subtract an offset, or leave the column out."
            )
        return _NUMBER if _NUMBER in seen else _INTEGER
