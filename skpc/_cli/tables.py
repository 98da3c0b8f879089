"""Tables that the command line reads: whole while they are small, else in chunks."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skpc._checks import shown
from skpc._cli.amounts import AmountForm
from skpc._cli.codes import names_of_codes
from skpc._cli.column_facts import INTEGER, ColumnFacts
from skpc._cli.csv_files import CsvFile
from skpc._cli.csv_form import CsvForm
from skpc._cli.messages import UsageError, one_line
from skpc._cli.parquet_files import MAGIC, ParquetFile, holds_parquet, is_parquet
from skpc._cli.streams import called, is_read_once, opened
from skpc._estimators.query_mixin import working_bytes

_MOST_ROWS = 2**17
_BYTES_PER_CELL = 64  # of strings, with room
_SHARE_OF_CHUNKS = 8  # of the working memory
_MOST_NAMES, _MOST_LINES, _MOST_SIGNS = 20, 3, 40  # in a message


def open_table(
    path: str, form: CsvForm | None = None, *, is_read_again: bool = False
) -> CsvFile | ParquetFile:
    """The file: a folder, .parquet, or what begins as Parquet does; anything else is CSV."""
    place, stream = Path(path), None
    if is_read_once(path):
        try:
            stream = opened(path)
            is_csv = not stream.peek(len(MAGIC)).startswith(MAGIC)
        except OSError as error:
            raise UsageError(f"cannot read {called(path)}: {error.strerror or error}.") from error
        except UsageError:
            raise
        except Exception as error:  # whatever unpacking other bytes does
            raise UsageError(f"{called(path)} cannot be unpacked: {one_line(error)}") from error
    else:
        is_csv = not (is_parquet(place) or place.is_dir() or holds_parquet(place))
    if is_csv:
        return CsvFile(path, form, is_read_again=is_read_again, stream=stream)
    if form not in (None, CsvForm()):
        if stream is not None:
            stream.close()
        raise UsageError(
            f"{called(path)} is read as Parquet: leave out --sep, --decimal, --thousands, "
            "--encoding, --na-values, --skip-rows, --no-names and --comment, which are of CSV "
            "files."
        )
    return ParquetFile(path, stream)


def form_of(options: argparse.Namespace) -> CsvForm:
    """How a CSV file is written, as far as options say."""
    return CsvForm(
        options.sep,
        options.decimal,
        options.thousands,
        options.encoding,
        tuple(value for values in options.na_values for value in values),
        options.skip_rows,
        options.comment,
        not options.no_names,
    )


def notes_of_file(file: CsvFile | ParquetFile) -> list[str]:
    """What is said of lines of a file that are no rows."""
    if not isinstance(file, CsvFile):
        return []
    notes = [_skipped_lines(file.skipped)] if file.skipped else []
    if file.repeated:
        numbers = _first([str(one.line) for one in file.repeated], _MOST_LINES)
        is_one = len(file.repeated) == 1
        what = f"line {numbers} repeats" if is_one else f"lines {numbers} repeat"
        notes.append(f"{what} the names, and {'is' if is_one else 'are'} left out")
    return notes


def _skipped_lines(lines: Sequence[str]) -> str:
    """What is said of lines above the names."""
    some = _first([shown(_short(line)) for line in lines], _MOST_LINES)
    return f"above the names, and skipped: {some}; --skip-rows 0 reads from the first line"


def _short(line: str) -> str:
    return line if len(line) <= _MOST_SIGNS else line[: _MOST_SIGNS - 1] + "…"


def check_names(names: Sequence[str], wanted: Sequence[str | None]) -> None:
    """Say which column there is none of."""
    for name in wanted:
        if name is not None and name not in names:
            raise UsageError(f"there is no column {shown(name)}; there are {listed(names)}.")


def listed(names: Sequence[str]) -> str:
    """The first names."""
    return _first([*map(shown, names)], _MOST_NAMES)


def _first(texts: Sequence[str], most: int) -> str:
    """The first of some texts, and how many more there are."""
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def chunk_rows(given: int | None) -> Callable[[int], int]:
    """How many rows are read at a time of so many columns: as given, or some megabytes."""
    if given:
        return lambda _: given
    most = working_bytes() // _BYTES_PER_CELL // _SHARE_OF_CHUNKS
    return lambda n_columns: min(_MOST_ROWS, max(1, most // max(1, n_columns)))


class TrainingTable:
    """A table that is read as often as learning asks for it.

    Parameters
    ----------
    path : str
    form : CsvForm or None
        How a CSV file is written.
    n_chunk_rows : int or None
        So many rows are read at a time, or all if it is 0. None leaves that to the size of the
        table, which is read whole if scikit-learn's working memory holds it.
    as_text : sequence of str
        Columns that are read as they are written, if there are such.

    Attributes
    ----------
    title : str
        What messages call it.
    names : list of str
    n_rows : int
    is_in_chunks : bool
    facts : dict of ColumnFacts
        Of each column.
    """

    def __init__(
        self,
        path: str,
        form: CsvForm | None = None,
        n_chunk_rows: int | None = None,
        as_text: Sequence[str] = (),
    ) -> None:
        self._file = file = open_table(path, form, is_read_again=True)
        self.title = file.name
        self._chunk_rows = chunk_rows(n_chunk_rows)
        self._as_text: dict[str, Any] = dict.fromkeys(as_text, str)
        self._frame: Any = None
        self._dtype_of: Callable[[str], Any] | None = None
        is_large = n_chunk_rows is None and file.n_bytes() > working_bytes()
        self.is_in_chunks = bool(n_chunk_rows) or is_large
        self.facts: dict[str, ColumnFacts] = {}
        self._read(self._look)
        if not self.n_rows:
            raise UsageError(f"{self.title} has no rows.")

    @property
    def file(self) -> CsvFile | ParquetFile:
        """What it is read from."""
        return self._file

    @property
    def form(self) -> CsvForm | None:
        """How the file is written; None of Parquet."""
        return self._file.form if isinstance(self._file, CsvFile) else None

    @property
    def header(self) -> list[str]:
        """The names in the first line of a CSV file, as they are written."""
        return self._file.header if isinstance(self._file, CsvFile) else []

    @property
    def decimal(self) -> str:
        """What separates the decimals of a number."""
        return str(self.form.decimal) if self.form is not None else "."

    def _read(self, look: Callable[[Any], None] | None) -> None:
        """Read the table, or what there is to know of it, and show it."""
        file = self._file
        if not self.is_in_chunks:
            whole = file.whole(self._as_text) if isinstance(file, CsvFile) else file.whole()
            self._frame = whole
            self.names, self.n_rows = list(whole), len(whole)
            if look is not None:
                look(whole)
        elif isinstance(file, CsvFile):
            kinds, self.n_rows = file.kinds(self._chunk_rows, self._as_text, look)
            self.names, self._dtype_of = kinds.names, kinds.dtype
        else:
            self.names, self.n_rows = file.names, file.n_rows()
            for frame in file.chunks(self._chunk_rows, lambda names: names):
                if look is not None:
                    look(frame)

    def _look(self, frame: Any) -> None:
        """Take in some rows."""
        for name in frame:
            self.facts.setdefault(name, ColumnFacts()).add(frame[name], self.decimal)

    @property
    def amounts(self) -> dict[str, AmountForm]:
        """How numbers of some columns are written that are text to whatever else reads them."""
        return self._file.amounts if isinstance(self._file, CsvFile) else {}

    def settle(self, labels: Sequence[str], numbers: Sequence[str | None]) -> None:
        """Read amounts as numbers, and numbers that begin with zeros as labels.

        Parameters
        ----------
        labels, numbers : sequence of str
            Columns that are to stay what they are.
        """
        if not isinstance(self._file, CsvFile):
            return
        thousands = self._file.form.thousands
        found = {
            name: form
            for name, facts in self.facts.items()
            if name not in labels and (form := facts.amounts(thousands)) is not None
        }
        integers = [
            name
            for name, facts in self.facts.items()
            if facts.kinds == {INTEGER} and facts.low >= 0 and name not in numbers
        ]
        codes = names_of_codes(self._file, integers)
        if not found and not codes:
            return
        self._file.amounts = found
        self._as_text.update(dict.fromkeys(codes, str))
        changed = [*found, *codes]
        self.facts |= {name: ColumnFacts(is_code=name in codes) for name in changed}
        self._read(lambda frame: self._look(frame[changed]))

    def n_repeated(self, numeric: Sequence[str]) -> int:
        """How many rows are the same as one above; 0 of a table in chunks, which are not kept.

        Rows count that have a number in some of these columns: of few labels many are the same.
        """
        if self.is_in_chunks or not numeric:
            return 0
        has_number = self._frame[numeric].notna().any(axis=1)
        try:
            return int((self._frame.duplicated() & has_number).sum())
        except TypeError:  # of cells that are lists, which nothing learns
            return 0

    def read_again(self, markers: Mapping[str, Sequence[str]], as_text: Sequence[str] = ()) -> None:
        """Take some cells of a CSV file for missing, and some columns as they are written."""
        if isinstance(self._file, CsvFile) and (markers or {*as_text} - {*self._as_text}):
            self._file.missing = {name: markers.get(name, ()) for name in self.names}
            self._as_text.update(dict.fromkeys(as_text, str))
            self._file.amounts = {
                name: form for name, form in self.amounts.items() if name not in as_text
            }
            self._read(None)

    def frames(self, columns: Sequence[str]) -> Iterator[Any]:
        """Frames of some columns, which have all rows together."""
        columns = list(columns)
        if not self.is_in_chunks:
            yield self._frame[columns]
            return
        dtype = None
        if self._dtype_of is not None:
            dtype = {name: self._as_text.get(name) or self._dtype_of(name) for name in columns}
        yield from self._file.chunks(self._chunk_rows, lambda _: columns, dtype)

    def X(self, columns: Sequence[str]) -> Any:  # noqa: N802
        """Some columns, as `fit` of an estimator takes them."""
        if self.is_in_chunks:
            return lambda: self.frames(columns)
        return self._frame[list(columns)]

    def column(self, name: str) -> np.ndarray:
        """The cells (n_rows,) of a column, as objects, None where one is missing."""
        parts = (frame[name] for frame in self.frames([name]))
        return np.concatenate([part.to_numpy(dtype=object, na_value=None) for part in parts])

    def weights(self, name: str | None) -> np.ndarray | None:
        """A column of weights."""
        if name is None:
            return None
        check_names(self.names, [name])
        try:
            weights = np.concatenate(
                [
                    frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
                    for frame in self.frames([name])
                ]
            )
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"the weights in column {shown(name)} must be numbers: {error}"
            ) from error
        if np.isnan(weights).any():
            i = int(np.argmax(np.isnan(weights)))
            raise UsageError(f"the weight in column {shown(name)} is missing in row {i}.")
        return weights
