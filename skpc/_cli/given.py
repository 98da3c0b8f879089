"""What ``sample --given`` says of the rows that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skpc._checks import shown
from skpc._cli.messages import UsageError
from skpc._tables.column_types import Column
from skpc._tables.columns import Columns
from skpc._tables.numbers import BOOLEAN
from skpc._tables.single_rows import table_of_row

_MOST_NAMED = 10
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def row_given(texts: Sequence[str], columns: Columns, names: Sequence[str]) -> Any:
    """A table of one row with the values that are given, all else missing.

    Parameters
    ----------
    texts : sequence of str
        Each of the form name=value.
    columns : Columns
        How the model reads a table.
    names : sequence of str
        What its columns are called.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, value = _split(text, names)
        if name in values:
            raise UsageError(f"--given has two values for column {shown(name)}. Give one.")
        values[name] = _value(value, columns.columns[list(names).index(name)], name)
    row = [values.get(name, np.nan) for name in names]
    return table_of_row(columns, row)


def _split(text: str, names: Sequence[str]) -> tuple[str, str]:
    """The name of a column, which may have an equals sign, and a value."""
    found = [name for name in names if text.startswith(f"{name}=")]
    if not found:
        raise UsageError(
            f"--given must be a column and a value, such as {names[0]}=VALUE, for one of the "
            f"columns {', '.join(names)}; got {shown(text)}."
        )
    name = max(found, key=len)
    return name, text[len(name) + 1 :]


def _value(text: str, column: Column, name: str) -> Any:
    """The value that a column has for a text."""
    value = _label_or_number(text, column, name)
    known = column.labels
    if column.categories is not None:
        known = column.restore(column.categories)
    if known is not None and value not in known.tolist():
        some = ", ".join(map(str, known[:_MOST_NAMED])) + (", ..." * (len(known) > _MOST_NAMED))
        raise UsageError(f"--given: column {shown(name)} has no {shown(text)}, but {some}.")
    return value


def _label_or_number(text: str, column: Column, name: str) -> Any:
    """What a text stands for in a column of such values."""
    if column.labels is not None:
        return text
    assert column.numbers is not None
    if column.numbers.kind == BOOLEAN:
        if text.lower() not in _BOOLEANS:
            raise UsageError(f"--given: column {shown(name)} is true or false; got {shown(text)}.")
        return _BOOLEANS[text.lower()]
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise UsageError(f"--given: column {shown(name)} holds numbers; got {shown(text)}.")
    return int(number) if number.is_integer() else number
