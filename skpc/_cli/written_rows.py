"""The rows of a CSV file as they are written, in which single cells are replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from skpc._cli.cell_style import CellStyle
from skpc._cli.csv_files import CsvFile
from skpc._cli.csv_records import QUOTE

_ROWS_AT_ONCE = 5_000
_ROWS_OF_STYLE = 1_000  # whose cells show how others are to be written


class WrittenRows:
    """The lines of a file, in step with the rows that pandas reads.

    A row whose cells are not those that pandas finds, as one with a remark, is written anew.

    Parameters
    ----------
    file : CsvFile
        One that can be read again, with a separator of one character.
    """

    def __init__(self, file: CsvFile) -> None:
        self._file = file
        self._sep = str(file.form.sep)
        self._end = file.line_end
        first = list(islice(self._rows(), _ROWS_OF_STYLE))
        columns = zip(*(cells for cells, _ in first), strict=True)
        written = zip(*(raw for _, raw in first), strict=True)
        amounts = map(file.amounts.get, file.names)
        self._styles = [
            CellStyle.of(cells, raw, file.form, amount)
            for cells, raw, amount in zip(columns, written, amounts, strict=False)
        ]
        self._rest = self._rows()

    def head(self) -> str:
        """What stands above the rows: titles, and the names."""
        lines = islice(self._file.lines(), self._file.form.skip_rows or 0)
        above = [line + self._end for line in lines]
        names = self._file.names_as_written()
        return self._file.mark + "".join([*above, names])

    def filled(self, n_rows: int, filled: Mapping[tuple[int, int], Any]) -> Iterator[str]:
        """The text of the next rows, in parts.

        Parameters
        ----------
        n_rows : int
        filled : dict
            The value of a cell, by its row among these and its column.
        """
        by_row: dict[int, list[tuple[int, Any]]] = {}
        for (i, j), value in filled.items():
            by_row.setdefault(i, []).append((j, value))
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            lines = []
            for i in range(start, min(start + _ROWS_AT_ONCE, n_rows)):
                _, raw = next(self._rest)
                for j, value in by_row.get(i, ()):
                    style = self._styles[j]
                    raw[j] = self._quoted(style.text(value), always=style.is_quoted)
                lines.append(self._sep.join(raw) + self._end)
            yield "".join(lines)

    def _rows(self) -> Iterator[tuple[list[str], list[str]]]:
        """The cells of each row, as they are meant and as they are written."""
        records, split = self._file.records(), self._file.record_form().split
        for frame in self._file.texts(_ROWS_AT_ONCE):
            for cells in frame.to_numpy(dtype=object).tolist():
                record = next(records, None)
                raw = split("" if record is None else record.text)
                is_same = raw is not None and [_meant(cell) for cell in raw] == cells
                yield cells, raw if is_same and raw else [self._quoted(cell) for cell in cells]

    def _quoted(self, text: str, *, always: bool = False) -> str:
        """A cell in double quotes, where they are needed."""
        if always or any(sign in text for sign in (self._sep, QUOTE, "\n", "\r")):
            return f'"{text.replace(QUOTE, QUOTE * 2)}"'
        return text


def _meant(cell: str) -> str:
    """What a cell means: without blanks before it, and without quotes."""
    text = cell.lstrip(" ")
    if not text.startswith(QUOTE):
        return text
    inner, _, after = text[1:].rpartition(QUOTE)
    return inner.replace(QUOTE * 2, QUOTE) + after


def written_rows(file: Any) -> WrittenRows | None:
    """The rows of a file, if there is a way to write them as they are."""
    is_csv = isinstance(file, CsvFile) and len(str(file.form.sep)) == 1
    return WrittenRows(file) if is_csv else None


def filled_cells(before: Any, after: Any, names: Sequence[str]) -> dict[tuple[int, int], Any]:
    """The values that a frame has and one of the same rows and columns has not, by place."""
    places = {name: j for j, name in enumerate(before)}
    filled = {}
    for name in names:
        is_new = (before[name].isna() & after[name].notna()).to_numpy(dtype=bool)
        values = after[name].to_numpy(dtype=object)
        for i in is_new.nonzero()[0].tolist():
            filled[i, places[name]] = values[i]
    return filled
