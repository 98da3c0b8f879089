"""Numbers that are codes, as some of them begin with zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_ROWS_AT_ONCE = 50_000
_SHARE = 0.05  # of the cells, if not all are of the same length


def names_of_codes(file: Any, names: Sequence[str]) -> list[str]:
    """Those of some columns of a CSV file, which hold integers, that are codes such as 00037.

    One number that begins with a zero among others of any length is a slip.
    """
    if not names:
        return []
    n_cells, n_codes = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    lengths: dict[str, set[int]] = {name: set() for name in names}
    for frame in file.texts(_ROWS_AT_ONCE, names):
        for name in names:
            cells = frame[name].str.strip()
            cells = cells[cells.str.fullmatch(r"\d+")]
            n_cells[name] += len(cells)
            n_codes[name] += int(cells.str.fullmatch(r"0\d+").sum())
            lengths[name].update(cells.str.len().unique().tolist())
    return [
        name
        for name in names
        if n_codes[name] and (len(lengths[name]) == 1 or n_codes[name] >= _SHARE * n_cells[name])
    ]
