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

_MOST_NAMED = 10
_TO = ".."
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def evidence_of(texts: Sequence[str], columns: Columns, names: Sequence[str]) -> dict[Any, Any]:
    """What is known of columns, as `SharpPCDensity.condition` takes it.

    Parameters
    ----------
    texts : sequence of str
        Each of the form name=value, or name=low..high of numbers. Several of one column are
        a set.
    columns : Columns
        How the model reads a table.
    names : sequence of str
        What its columns are called.
    """
    told: dict[int, list[Any]] = {}
    for text in texts:
        name, value = _split(text, names)
        j = list(names).index(name)
        told.setdefault(j, []).append(_value_or_interval(value, columns.columns[j], name))
    for j, values in told.items():
        if len(values) > 1 and any(isinstance(value, tuple) for value in values):
            raise UsageError(
                f"--given has two intervals or values for column {shown(names[j])}. Give one."
            )
    keys = range(len(names)) if columns.names is None else columns.names
    return {keys[j]: values if len(values) > 1 else values[0] for j, values in told.items()}


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


def _value_or_interval(text: str, column: Column, name: str) -> Any:
    """A value of a column, or two bounds, None where there is none."""
    low, dots, high = text.partition(_TO)
    if not dots or column.labels is not None:
        return _value(text, column, name)
    return tuple(_label_or_number(end, column, name) if end else None for end in (low, high))


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
