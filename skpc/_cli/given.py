"""What ``sample --given`` says of the rows that are drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from skpc._checks import shown
from skpc._cli.messages import UsageError
from skpc._data.margins import Margin
from skpc._tables.column_types import Column
from skpc._tables.columns import Columns
from skpc._tables.numbers import BOOLEAN

_MOST_NAMED = 10
_TO = ".."
_FAR = 0.5  # of the range of what was learnt from
_SHARE_OF_FEW = 0.25  # of other values in a column that is said to have few
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
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


def doubts_of_evidence(
    evidence: dict[Any, Any], columns: Columns, names: Sequence[str]
) -> list[str]:
    """What of that has hardly been learnt from, so that draws may be far from any row."""
    doubts = []
    keys = range(len(names)) if columns.names is None else columns.names
    for key, name, column in zip(keys, names, columns.columns, strict=True):
        if key not in evidence or column.margin is None:
            continue
        values = evidence[key] if isinstance(evidence[key], list) else [evidence[key]]
        for value in values:
            low, high = value if isinstance(value, tuple) else (value, value)
            doubt = _doubt_of(low, high, column.margin)
            if doubt:
                given = f"{_text(low)}{_TO}{_text(high)}" if isinstance(value, tuple) else value
                doubts.append(f"--given {name}={given} {doubt}")
    return doubts


def _doubt_of(low: float | None, high: float | None, margin: Margin) -> str:
    """That numbers are far from those learnt from, or beside the few that there are."""
    least, most = margin.range
    far = _FAR * (most - least)
    if np.isfinite(far) and (
        (low is not None and low > most + far) or (high is not None and high < least - far)
    ):
        return (
            f"is far from what was learnt, {least:.6g} to {most:.6g}: what is drawn rests on the "
            "tails of the model"
        )
    atoms = margin.atoms.tolist()
    is_of_few = len(atoms) <= _MOST_NAMED and margin.share <= _SHARE_OF_FEW
    if is_of_few and low == high and low not in atoms:
        some = ", ".join(f"{atom:.6g}" for atom in atoms)
        return f"is no value of its rows, or a rare one: nearly all are {some}"
    return ""


def _text(bound: float | None) -> str:
    return "" if bound is None else str(bound)


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
    ends = [_label_or_number(end, column, name) if end else None for end in (low, high)]
    if column.categories is not None:
        known = column.categories
        first, last = (
            np.inf * side if end is None else end for end, side in zip(ends, (-1, 1), strict=True)
        )
        if not ((known >= first) & (known <= last)).any():
            raise UsageError(_no_value(text, column.restore(known), name))
    return tuple(ends)


def _value(text: str, column: Column, name: str) -> Any:
    """The value that a column has for a text."""
    value = _label_or_number(text, column, name)
    known = column.labels
    if column.categories is not None:
        known = column.restore(column.categories)
    if known is not None and value not in known.tolist():
        raise UsageError(_no_value(text, known, name))
    return value


def _no_value(text: str, known: np.ndarray, name: str) -> str:
    """What to say of a value or interval that a column has not."""
    some = ", ".join(map(str, known[:_MOST_NAMED])) + (", ..." * (len(known) > _MOST_NAMED))
    return f"--given: column {shown(name)} has no {shown(text)}, but {some}."


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
        hint = ""
        if _DECIMAL_COMMA.fullmatch(text):
            hint = f" Decimals come after a point: {name}={text.replace(',', '.')}"
        raise UsageError(f"--given: column {shown(name)} holds numbers; got {shown(text)}.{hint}")
    return int(number) if number.is_integer() else number
