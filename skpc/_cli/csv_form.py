"""How the cells of a CSV file are written, as a user says or as its first lines show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from skpc._checks import shown
from skpc._cli.cell_shapes import MARKERS
from skpc._cli.csv_lines import rows_of, separator_of
from skpc._cli.csv_titles import titles_above

_UTF_16 = b"\xff\xfe", b"\xfe\xff"
_INTEGER = re.compile(r"[+-]?\d+")
_WITH_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_GROUPED = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_DECLARED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # the first line, as Excel writes it
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
    skip_rows : int or None
        How many lines stand above the names.
    comment : str or None
        What a remark begins with, which ends with its line.
    has_names : bool
        Whether a line of names stands above the rows.
    """

    sep: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    na_values: tuple[str, ...] = ()
    skip_rows: int | None = None
    comment: str | None = None
    has_names: bool = True

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
            As they are in the file, empty ones too.
        """
        if self.skip_rows is None:
            declared = _DECLARED.fullmatch(lines[0].strip()) if lines else None
            n_declared = int(declared is not None)
            sep = declared[1] if declared is not None and self.sep is None else self.sep
            n_titles = self._n_titles(lines[n_declared:], sep) if self.has_names else 0
            n_above = n_declared + n_titles
            return replace(self, sep=sep, skip_rows=n_above).completed(lines)
        lines = self.content(lines)
        sep = separator_of(lines) if self.sep is None else self.sep
        rows = rows_of(lines, sep)
        if self.has_names:
            rows = [row for row in rows if row != rows[0]]
        cells = list(zip(*rows, strict=False))
        decimal, thousands = self.decimal, self.thousands
        if decimal is None:
            decimal = "," if sep != "," and thousands != "," and _has_comma(cells) else "."
        if thousands is None and decimal == ",":
            is_grouped = any(
                _GROUPED.fullmatch(cell.strip()) for column in cells for cell in column
            )
            thousands = "." if is_grouped else ""
        return replace(self, sep=sep, decimal=decimal, thousands=thousands)

    def _n_titles(self, lines: Sequence[str], sep: str | None) -> int:
        """How many lines stand above the names, remarks among them."""
        places = [i for i, line in enumerate(lines) if self._content_of(line) is not None]
        n_titles = titles_above([self._content_of(lines[i]) or "" for i in places], sep)
        return places[n_titles] if n_titles else 0

    def _content_of(self, line: str) -> str | None:
        """A line without a remark; None if it is all of one."""
        if self.comment is None:
            return line
        return None if line.startswith(self.comment) else line.partition(self.comment)[0]

    def content(self, lines: Sequence[str]) -> list[str]:
        """Lines without those above the names, and without remarks."""
        rest = (self._content_of(line) for line in lines[self.skip_rows or 0 :])
        return [line for line in rest if line is not None]

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
        if self.skip_rows:
            lines = "1 line" if self.skip_rows == 1 else f"{self.skip_rows} lines"
            found.append(f"{lines} above the names skipped")
        return "".join(f", {what}" for what in found)


def _has_comma(columns: Sequence[Sequence[str]]) -> bool:
    """Whether there is a column of numbers with decimals after a comma, for certain."""
    for column in columns:
        cells = {cell.strip() for cell in column} - {"", *MARKERS}
        numbers = [cell for cell in cells if not _INTEGER.fullmatch(cell)]
        is_clear = not all(_THOUSANDS.fullmatch(cell) for cell in numbers)
        if is_clear and all(_WITH_COMMA.fullmatch(cell) for cell in numbers):
            return True
    return False
