"""Which columns of a table are learnt, and how they are read."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from skpc._checks import shown
from skpc._cli.cell_shapes import number_of
from skpc._cli.column_report import (
    LEFT_OUT,
    Reading,
    reading_of,
    table_lines,
    warning_lines,
)
from skpc._cli.messages import UsageError, tell, width_of
from skpc._cli.tables import TrainingTable, check_names, form_of, notes_of_file
from skpc._data.scope import NUMERIC

_INDENT = "  "
_FIRST_YEAR, _LAST_YEAR = 1800, 2200

TYPES = "categorical", "binomial", "numeric"


@dataclass(frozen=True)
class Choice:
    """The columns of a table that are learnt.

    Attributes
    ----------
    table : TrainingTable
    readings : tuple of Reading
        Of all columns.
    columns : list of str
        Those that are learnt.
    types : dict
        Of those whose type is given.
    """

    table: TrainingTable
    readings: tuple[Reading, ...]
    columns: list[str]
    types: dict[str, str]


def choose(
    options: argparse.Namespace, roles: Mapping[str, str | None], *, as_written: bool = False
) -> Choice:
    """Read a table, tell what its columns are, and choose those to learn.

    Parameters
    ----------
    options : Namespace
        `data`, how it is read, and what is said of columns.
    roles : dict
        The columns that are something else, by what they are.
    as_written : bool
        Whether columns that are not learnt keep their cells as they are written.

    Raises
    ------
    UsageError
        If options contradict each other or the table, or if no column is left.
    """
    table = open_training_table(options, [name for name in roles.values() if name is not None])
    wanted = _wanted(table, options, roles)
    readings = readings_of(table, wanted)
    columns = [reading.name for reading in readings if reading.is_modelled]
    tell_report(table, readings)
    if not columns:
        raise UsageError(f"{table.title} has 0 features: all columns are left out.")
    others = [name for name in table.names if name not in columns] if as_written else []
    table.read_again({one.name: one.markers for one in readings if one.markers}, others)
    types = {name: kind for name, kind in wanted.items() if kind in TYPES and name in columns}
    return Choice(table, readings, columns, types)


def open_training_table(options: argparse.Namespace, others: Sequence[str] = ()) -> TrainingTable:
    """The table that options name; the column that names rows is read as it is written.

    Numbers in forms of their own are read as such, but for columns that are labels or `others`.
    """
    as_text = [options.id] if options.id is not None else []
    table = TrainingTable(options.data, form_of(options), options.chunk_rows, as_text)
    labels, numbers = (
        names_in([text for kind in kinds for text in getattr(options, kind, [])], table.names)
        for kinds in (("categorical", "drop"), ("numeric", "binomial", "drop"))
    )
    weights = [getattr(options, "weight", None)]
    table.settle([*labels, *others, *as_text], [*numbers, *weights])
    return table


def readings_of(table: TrainingTable, wanted: Mapping[str, str]) -> tuple[Reading, ...]:
    """How all columns are read."""
    is_csv = table.form is not None
    readings = []
    for name in table.names:
        own = reading_of(name, table.facts[name], wanted.get(name), is_csv=is_csv)
        unit = table.amounts[name].unit if name in table.amounts else ""
        note = f"{own.note}, in {unit}" if unit and own.note else own.note
        readings.append(replace(own, note=note))
    return tuple(readings)


def names_in(texts: Sequence[str], names: Sequence[str]) -> list[str]:
    """The columns that an option lists, separated by commas, or by being given again.

    A name with a comma stands alone, or in double quotes.
    """
    found: list[str] = []
    for text in texts:
        if text in names:
            found.append(text)
        else:
            found += [name for row in csv.reader([text], skipinitialspace=True) for name in row]
    check_names(names, found)
    return found


def _wanted(
    table: TrainingTable, options: argparse.Namespace, roles: Mapping[str, str | None]
) -> dict[str, str]:
    """What options say that columns are."""
    wanted: dict[str, str] = {}
    given = [
        *((role, [name]) for role, name in roles.items() if name is not None),
        *((kind, getattr(options, kind, [])) for kind in TYPES),
    ]
    for kind, texts in given:
        for name in names_in(texts, table.names):
            if wanted.get(name, kind) != kind:
                raise UsageError(f"column {shown(name)} cannot be both {wanted[name]} and {kind}.")
            wanted[name] = kind
    for name in names_in(options.drop, table.names):
        if wanted.get(name, LEFT_OUT) in (*TYPES, LEFT_OUT):
            wanted[name] = LEFT_OUT
    return wanted


def tell_report(table: TrainingTable, readings: Sequence[Reading]) -> None:
    """Tell how the columns are read, and what is odd about them."""
    tell(title_of(table))
    rows = [
        {"column": one.name, "type": one.type, "read as": one.read_as, "note": one.note}
        for one in readings
    ]
    for line in table_lines(rows, width_of(sys.stderr) - len(_INDENT)):
        tell(f"{_INDENT}{line}")
    for line in notes_of(table, readings):
        tell(f"note: {line}")
    for line in [*doubts_of(table), *warning_lines(readings)]:
        tell(f"warning: {line}")


def title_of(table: TrainingTable) -> str:
    """What a table is: a line above others."""
    how = table.form.notice() if table.form is not None else ""
    in_chunks = ", read in chunks" if table.is_in_chunks else ""
    n_columns = _count(len(table.names), "column")
    return f"{table.title}: {_count(table.n_rows, 'row')}, {n_columns}{how}{in_chunks}"


def notes_of(table: TrainingTable, readings: Sequence[Reading]) -> list[str]:
    """What is as it may be in a table as a whole, and worth a look."""
    notes = notes_of_file(table.file)
    if found := [one.name for one in readings if one.name in table.amounts]:
        named = ", ".join(
            f"{shown(name)} such as {shown(table.amounts[name].shown())}" for name in found
        )
        what = "the cells of a column" if len(found) == 1 else "the cells of columns"
        notes.append(f"{what} are read as numbers, {named}; --categorical reads labels")
    numeric = [one.name for one in readings if one.read_as == NUMERIC]
    if n_same := table.n_repeated(numeric):
        some = "1 row is the same as one" if n_same == 1 else f"{n_same} rows are the same as ones"
        notes.append(f"{some} above; take out what was written twice by mistake")
    return notes


def doubts_of(table: TrainingTable) -> list[str]:
    """What may be wrong with a file as a whole."""
    doubts = []
    if table.form is not None and len(table.names) == 1 and table.facts[table.names[0]].is_text:
        doubts.append(
            f"there is one column only, called {shown(table.names[0])}; if its cells are more than "
            "one say what separates them, for instance --sep ' '"
        )
    header = table.header
    if _is_row(table):
        doubts.append(
            "the first line is taken for the names of the columns, and it holds numbers; if it is "
            "a row: --no-names"
        )
    for name, count in Counter(header).items():
        if count > 1 and name:
            doubts.append(
                f"{count} columns are called {shown(name)}; the others are {shown(name + '.1')} "
                "and so on from here on"
            )
    return doubts


def _is_row(table: TrainingTable) -> bool:
    """Whether what is taken for names may be a row: numbers where there are numbers below.

    Years and numbers that count may be names, as long as there are others.
    """
    if table.form is None or not table.form.has_names:
        return False
    header = table.header
    numbers = [number_of(name, table.decimal) for name in header]
    if header and None not in numbers:
        return True
    below = [table.facts[name].is_numeric for name in table.names]
    found = [
        number
        for number, is_number in zip(numbers, below, strict=False)
        if is_number and number is not None
    ]
    if len(found) <= sum(below) // 2 or all(_FIRST_YEAR <= number < _LAST_YEAR for number in found):
        return False
    return any(b - a != 1 for a, b in pairwise(found)) or not found[0].is_integer()


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
