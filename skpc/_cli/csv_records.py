"""The records of a CSV file: its lines, joined where a cell goes on in the next one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

QUOTE = '"'


class Record(NamedTuple):
    """A row, as it is written.

    Attributes
    ----------
    place : int
        How many records stand before it in the file, empty lines and remarks among them: so
        pandas counts what it is to skip.
    line : int
        The number of its first line, from 1.
    text : str
    """

    place: int
    line: int
    text: str


class Records:
    """What tells where records end.

    Parameters
    ----------
    sep : str
        One character.
    comment : str or None
        What remarks begin with.
    line_end : str
    """

    def __init__(self, sep: str, comment: str | None, line_end: str) -> None:
        self._sep, self._comment, self._end = sep, comment, line_end
        other = f"[^{re.escape(sep)}]*"
        self._cell = re.compile(rf' *"(?:[^"]|"")*"{other}|(?! *"){other}')

    def of(self, lines: Iterator[str], n_before: int) -> Iterator[Record]:
        """Those of lines with so many others above, without empty ones and remarks."""
        blanks = " " if self._sep == "\t" else " \t"
        comment, text = self._comment, ""
        place, line, first = n_before, n_before, n_before
        for content in lines:
            line += 1
            if not text and (
                not content.strip(blanks) or (comment and content.startswith(comment))
            ):
                place += 1
                continue
            first = first if text else line
            text = f"{text}{self._end}{content}" if text else content
            if self.split(text) is not None:
                yield Record(place, first, text)
                place, text = place + 1, ""

    def split(self, text: str) -> list[str] | None:
        """The cells of a record as they are written; None if the last one goes on."""
        if QUOTE not in text:
            return text.split(self._sep)
        cells, place = [], 0
        while found := self._cell.match(text, place):
            cells.append(found[0])
            place = found.end() + 1
            if place > len(text):
                return cells
        return None


def lines_of_rows(file: Any, n_rows: int) -> np.ndarray:
    """The number of the line (n_rows,) in which each row of a file begins.

    Where a file has no lines, as Parquet, its rows are counted as in a spreadsheet, below a line of
    names; and so are those of a file whose separator is a regular expression.
    """
    records = getattr(file, "records", None)
    if records is not None and len(str(file.form.sep)) == 1:
        numbers = np.array([record.line for record in records()], dtype=object)
        if len(numbers) == n_rows:
            return numbers
    return np.arange(n_rows).astype(object) + 2
