"""The cells of the first lines of a CSV file, and what separates them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

SEPARATORS = ",", ";", "\t", "|"
_FEW = 10


def header_of(lines: Sequence[str], sep: str) -> list[str]:
    """The names in the first row."""
    return next(_readable(lines, sep), [])


def separator_of(lines: Sequence[str]) -> str:
    """What separates the cells: of the signs that make rows of equal length the one of most cells.

    A comma, if there is none.
    """
    widths = {sep: n_cells_of(lines, sep) for sep in SEPARATORS}
    return max(SEPARATORS, key=lambda sep: widths[sep])


def n_cells_of(lines: Sequence[str], sep: str) -> int:
    """How many cells all rows have; 1 if not all have as many."""
    widths = {len(row) for row in rows_of(lines, sep)}
    return widths.pop() if len(widths) == 1 else 1


def rows_of(lines: Sequence[str], sep: str) -> list[list[str]]:
    """The cells of rows; of many but for the last, of which there may be more lines."""
    rows = list(_readable(lines, sep))
    return rows[:-1] if len(rows) > _FEW else rows


def _readable(lines: Sequence[str], sep: str) -> Iterator[list[str]]:
    if len(sep) != 1:  # a regular expression
        return
    try:
        for row in csv.reader(lines, delimiter=sep, skipinitialspace=True):
            if row and row != [""]:  # an empty line
                yield row
    except csv.Error:  # whatever reads the file says what is wrong
        return
