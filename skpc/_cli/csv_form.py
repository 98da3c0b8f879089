"""How the cells of a CSV file are written, as a user says or as its first lines show."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from skpc._checks import shown
from skpc._cli.cell_shapes import MARKERS

SEPARATORS = ",", ";", "\t", "|"
_FEW = 10
_UTF_16 = b"\xff\xfe", b"\xfe\xff"
_INTEGER = re.compile(r"[+-]?\d+")
_WITH_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_GROUPED = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_NAMES = {"\t": "tabs", " ": "spaces"}


@dataclass(frozen=True)
class CsvForm:
    """How cells are separated and written; None is to be found out.

    Attributes
    ----------
    sep, decimal, thousands, encoding : str or None
        As `pandas.read_csv` has them; no `thousands` is None, or "" if that is certain.
    na_values : tuple of str
        What is missing beside empty cells and the markers that pandas knows.
    """

    sep: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    na_values: tuple[str, ...] = ()

    def with_encoding(self, head: bytes) -> CsvForm:
        """With the encoding that the first bytes show."""
        if self.encoding is not None:
            return self
        return replace(self, encoding="utf-16" if head.startswith(_UTF_16) else "utf-8")

    def completed(self, lines: Sequence[str]) -> CsvForm:
        """With what the first lines show.

        Parameters
        ----------
        lines : sequence of str
            The first one has the names.
        """
        sep = separator_of(lines) if self.sep is None else self.sep
        cells = list(zip(*_rows(lines, sep)[1:], strict=False))
        decimal, thousands = self.decimal, self.thousands
        if decimal is None:
            decimal = "," if sep != "," and thousands != "," and _has_comma(cells) else "."
        if thousands is None and decimal == ",":
            is_grouped = any(
                _GROUPED.fullmatch(cell.strip()) for column in cells for cell in column
            )
            thousands = "." if is_grouped else ""
        return replace(self, sep=sep, decimal=decimal, thousands=thousands)

    def notice(self) -> str:
        """What is not as in most files, in words that follow a comma; or nothing."""
        found = []
        if self.sep not in (None, ","):
            found.append(f"cells separated by {_NAMES.get(str(self.sep), repr(self.sep))}")
        if self.decimal not in (None, "."):
            found.append(f"decimals after {shown(self.decimal)}")
        if self.thousands:
            found.append(f"thousands before {shown(self.thousands)}")
        if self.encoding not in (None, "utf-8"):
            found.append(str(self.encoding))
        return "".join(f", {what}" for what in found)


def header_of(lines: Sequence[str], sep: str) -> list[str]:
    """The names in the first row."""
    return next(_readable(lines, sep), [])


def separator_of(lines: Sequence[str]) -> str:
    """What separates the cells: of the signs that make rows of equal length the one of most cells.

    A comma, if there is none.
    """
    widths = {sep: _width(lines, sep) for sep in SEPARATORS}
    return max(SEPARATORS, key=lambda sep: widths[sep])


def _width(lines: Sequence[str], sep: str) -> int:
    """How many cells all rows have; 1 if not all have as many."""
    widths = {len(row) for row in _rows(lines, sep)}
    return widths.pop() if len(widths) == 1 else 1


def _rows(lines: Sequence[str], sep: str) -> list[list[str]]:
    """The cells of rows; of many but for the last, of which there may be more lines."""
    rows = list(_readable(lines, sep))
    return rows[:-1] if len(rows) > _FEW else rows


def _readable(lines: Sequence[str], sep: str) -> Iterator[list[str]]:
    if len(sep) != 1:  # a regular expression
        return
    try:
        for row in csv.reader(lines, delimiter=sep, skipinitialspace=True):
            if row:
                yield row
    except csv.Error:  # whatever reads the file says what is wrong
        return


def _has_comma(columns: Sequence[Sequence[str]]) -> bool:
    """Whether there is a column of numbers with decimals after a comma, for certain."""
    for column in columns:
        cells = {cell.strip() for cell in column} - {"", *MARKERS}
        numbers = [cell for cell in cells if not _INTEGER.fullmatch(cell)]
        is_clear = not all(_THOUSANDS.fullmatch(cell) for cell in numbers)
        if is_clear and all(_WITH_COMMA.fullmatch(cell) for cell in numbers):
            return True
    return False
