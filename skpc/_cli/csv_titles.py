"""Titles and remarks above the names of a CSV file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from skpc._cli.cell_shapes import LABEL, MARKER, shape_of
from skpc._cli.csv_lines import n_cells_of, rows_of, separator_of

_MOST_TITLES = 30
_REMARK = "#"
_LEAST_PADDED = 3  # cells of a line of which only the first is filled, as sheets write titles
_YEAR = re.compile(r"(1[89]|2[01])\d\d")


def titles_above(lines: Sequence[str], sep: str | None = None) -> int:
    """How many of the first lines are no part of the table, which begins with its names.

    Titles fill half of the cells of a row at most, remarks begin with ``#``, and what follows are
    names, not values. Where that is not clear there are none.

    Parameters
    ----------
    lines : sequence of str
        Empty ones among them.
    sep : str or None
        What separates cells; None is to be found out.
    """
    if sep is not None and len(sep) != 1:  # a regular expression
        return 0
    for n in range(min(_MOST_TITLES + 1, len(lines))):
        if not lines[n].strip():
            continue
        rest = lines[n:]
        own = separator_of(rest) if sep is None else sep
        n_cells, above = n_cells_of(rest, own), [line for line in lines[:n] if line.strip()]
        if not above:
            if n_cells > 1 and not _may_be_title(lines[n], own, n_cells):
                return 0
        elif all(_may_be_title(line, own, n_cells) for line in above):
            is_table = n_cells > 1 or all(line.startswith(_REMARK) for line in above)
            is_clear = not any(_is_filled(line, own, n_cells) for line in above)
            if is_table and _has_names(rest, own, is_clear):
                return n
    return 0


def are_certain_names(lines: Sequence[str], sep: str) -> bool:
    """Whether the first line holds nothing but names, and there are values below."""
    names, *rows = rows_of(lines, sep) or [[]]
    others = [row for row in rows if row != names]
    has_names = bool(names) and all(_is_name(name.strip()) for name in names)
    return has_names and any(_are_values(column) for column in zip(*others, strict=False))


def _may_be_title(line: str, sep: str, n_cells: int) -> bool:
    """Whether a line above a table with so many cells in a row need not be part of it."""
    if line.startswith(_REMARK):
        return True
    cells = _cells_of(line, sep)
    if len(cells) == n_cells:
        return n_cells >= _LEAST_PADDED and not any(cells[1:])
    return sum(map(bool, cells)) <= max(1, n_cells // 2)


def _is_filled(line: str, sep: str, n_cells: int) -> bool:
    """Whether a line may hold the names, as far as their number tells."""
    cells = _cells_of(line, sep)
    return len(cells) == n_cells and all(cells)


def _has_names(lines: Sequence[str], sep: str, is_clear: bool) -> bool:
    """Whether the first line holds names, as far as it and those below tell.

    Below names there are values, but for a wide table with which no line above goes together.
    """
    names, *rows = rows_of(lines, sep)
    rows = [row for row in rows if row != names]  # names may be repeated
    names = [name.strip() for name in names]
    n_empty = sum(not name for name in names)
    if n_empty > (len(names) >= _LEAST_PADDED) or len({*names}) < len(names) or not rows:
        return False
    if any(name and not _is_name(name) for name in names):
        return False
    if n_empty and names[0] and names[-1]:  # of counted rows, or below a separator at the end
        return False
    has_values = any(_are_values(column) for column in zip(*rows, strict=False))
    return has_values or (len(names) >= _LEAST_PADDED and is_clear)


def _is_name(text: str) -> bool:
    return shape_of(text) == LABEL or _YEAR.fullmatch(text) is not None


def _are_values(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers, dates and the like, and no labels."""
    shapes = {shape_of(cell) for cell in cells if cell.strip()} - {MARKER}
    return bool(shapes) and LABEL not in shapes


def _cells_of(line: str, sep: str) -> list[str]:
    return [cell.strip() for row in rows_of([line], sep) for cell in row]
