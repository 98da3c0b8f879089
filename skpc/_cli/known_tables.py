"""Tables that are read with the columns that a model knows."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from skpc._checks import shown
from skpc._cli.cell_shapes import MARKERS
from skpc._cli.csv_files import CsvFile
from skpc._cli.csv_form import CsvForm
from skpc._cli.messages import UsageError, tell
from skpc._cli.models import amounts_of_model, names_of_model
from skpc._cli.parquet_files import ParquetFile
from skpc._cli.tables import check_names, chunk_rows, form_of, listed, notes_of_file, open_table
from skpc._tables.columns import Columns

_MOST_NAMES = 3  # for which others may be meant


class KnownTable:
    """A table with the columns of a model, and others.

    Parameters
    ----------
    options : Namespace
        `data`, how it is read, and `id`.
    model : estimator
    columns : Columns
        How the model reads a table.
    is_read_again : bool
        Whether it is to be read more than once.
    also : str or None
        A column that frames have too if there is one, as it is written.
    keeps_others : bool
        Whether frames have all columns, those that the model does not know as they are written.
        The table is then read more than once.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        model: Any,
        columns: Columns,
        *,
        is_read_again: bool = False,
        also: str | None = None,
        keeps_others: bool = False,
    ) -> None:
        self._names = names = names_of_model(model)
        self._id, self._also = options.id, also
        self._keeps_others = keeps_others
        self._chunk_rows = chunk_rows(options.chunk_rows)
        self._unused: list[str] = []
        self._file = open_table(
            options.data, form_of(options), is_read_again=is_read_again or keeps_others
        )
        for note in notes_of_file(self._file):
            tell(f"note: {note}")
        self._as_text: dict[str, Any] = {
            name: str
            for name, column in zip(names, columns.columns, strict=True)
            if column.labels is not None
        }
        others = self._all_names() if keeps_others else [self._id, also]
        self._as_text |= {name: str for name in others if name not in (None, *names)}
        if isinstance(self._file, CsvFile):
            self._file.amounts = {
                name: form for name, form in amounts_of_model(model).items() if name in names
            }
            # Numbers were learnt, so that nothing else can be meant.
            self._file.missing = {
                name: () if name in self._as_text else MARKERS for name in [*names, *self._as_text]
            }

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._file.name

    @property
    def file(self) -> CsvFile | ParquetFile:
        """What it is read from."""
        return self._file

    @property
    def form(self) -> CsvForm | None:
        """How the file is written; None of Parquet."""
        return self._file.form if isinstance(self._file, CsvFile) else None

    def frames(self) -> Iterator[Any]:
        """Some rows of it at a time: the columns of the model, and that of names of rows."""
        return self._file.chunks(self._chunk_rows, self._choose, self._as_text)

    def _choose(self, found: list[str]) -> list[str]:
        """Which of the columns there are are read."""
        _check_known(self.name, found, self._names)
        check_names(found, [self._id])
        if self._keeps_others:
            return found
        others = [name for name in (self._id, self._also) if name in found]
        chosen = list(dict.fromkeys([*self._names, *others]))
        unused = [name for name in found if name not in chosen]
        if unused and not self._unused:
            tell(f"not looked at: {', '.join(unused)}")
        self._unused = unused
        return chosen

    def _all_names(self) -> list[str]:
        """The names of all columns of the file."""
        if not isinstance(self._file, CsvFile):
            return list(self._file.names)
        return next((list(frame) for frame in self._file.chunks(lambda _: 1, list)), [])


def _check_known(title: str, found: Sequence[str], names: Sequence[str]) -> None:
    """Say which columns of a model a table lacks, and what may be meant by them."""
    missing = [name for name in names if name not in found]
    if not missing:
        return
    like = {_plain(name): name for name in found if name not in names}
    hints = [
        f"{shown(name)} may be {shown(like[_plain(name)])}, spelt otherwise"
        for name in missing
        if _plain(name) in like
    ]
    hint = f" {'; '.join(hints[:_MOST_NAMES])}." if hints else ""
    has_one = len(missing) == 1
    raise UsageError(
        f"{title} lacks {'a column' if has_one else f'{len(missing)} columns'} that the model has "
        f"learnt: {listed(missing)}. It has {listed(found)}.{hint} Name the columns as those that "
        f"were learnt; {'one' if has_one else 'those'} without known values may be empty."
    )


def _plain(name: str) -> str:
    """A name without what is easily mistaken."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def ids_of(frame: Any, name: str | None) -> dict[str, Any]:
    """The names of rows, first among the columns of an output; or none."""
    return {} if name is None else {name: frame[name].to_numpy(dtype=object, na_value=None)}
