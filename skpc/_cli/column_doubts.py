"""What the values of a column may mean other than they seem to."""

from __future__ import annotations

import re
import unicodedata

from skpc._checks import shown
from skpc._cli.cell_shapes import LABEL, NUMBER, OTHER_DECIMAL, THOUSANDS, WITH_UNIT
from skpc._cli.column_facts import ColumnFacts

_OFTEN = 2
_FAR = 0.5  # of the range of all other values
_MANY_LABELS = 100
_LEAST_SHARE = 0.5
_MOST_NAMED = 3
_HUGE = 1e15
_SAME_DIGITS = re.compile(r"9+|8+|7+")
_NUMBERS = NUMBER, THOUSANDS, OTHER_DECIMAL, WITH_UNIT


def doubt_of_sentinels(facts: ColumnFacts, is_csv: bool) -> str:
    """That a number such as -999 occurs again and again, far from all others; or nothing."""
    found = sentinels(facts)
    if not found:
        return ""
    others = [value for value in facts.distinct if isinstance(value, float) and value not in found]
    named = [_text(value) for value in found[:_MOST_NAMED]]
    has_one = len(named) == 1
    count = sum(facts.distinct[value] for value in found)
    remedy = f"--na-values={','.join(named)}" if is_csv else "leave those cells empty"
    return (
        f"has {' and '.join(named)} in {count} {'or more ' if facts.has_more else ''}rows, far "
        f"from its other values, {min(others):.6g} to {max(others):.6g}; if "
        f"{'that stands' if has_one else 'these stand'} for missing: {remedy}"
    )


def sentinels(facts: ColumnFacts) -> list[float]:
    """Numbers that may stand for a missing value.

    They are written with one digit, as -999 or 99, or are huge powers of ten, occur at least
    twice, and are far from all others, or the only ones below zero.
    """
    counts = {value: n for value, n in facts.distinct.items() if isinstance(value, float)}
    codes = [value for value, n in counts.items() if n >= _OFTEN and _is_code(value)]
    others = [value for value in counts if value not in codes]
    if not codes or len(others) < 2:
        return []
    low, high = min(others), max(others)
    return sorted(
        value
        for value in codes
        if value < 0 <= low or max(low - value, value - high) >= _FAR * (high - low)
    )


def _is_code(value: float) -> bool:
    """Whether a number looks like one that somebody has chosen to stand for something."""
    if abs(value) >= _HUGE:
        return f"{abs(value):e}".startswith(("1.000000e", "9.999999e"))
    digits = _text(abs(value))
    if value > 0 and len(digits) < 2:
        return False
    if value > 0 and "." in digits:  # a price
        return False
    return _SAME_DIGITS.fullmatch(digits.replace(".", "")) is not None or digits == "999.25"


def _text(value: float) -> str:
    """A number as somebody writes it."""
    return str(int(value)) if value.is_integer() and abs(value) < _HUGE else repr(value)


def doubt_of_look_alikes(facts: ColumnFacts) -> str:
    """That labels are the same but for capital letters and blanks; or nothing."""
    groups: dict[str, list[str]] = {}
    for label in facts.distinct:
        if isinstance(label, str):
            plain = " ".join(unicodedata.normalize("NFKC", label).split()).casefold()
            groups.setdefault(plain, []).append(label)
    doubled = [labels for labels in groups.values() if len(labels) > 1]
    if not doubled:
        return ""
    first = sorted(doubled[0])[:_MOST_NAMED]
    others = f", and {len(doubled) - 1} more such groups" if len(doubled) > 1 else ""
    named = " and ".join(map(shown, first))
    return (
        f"has labels that differ only in capital letters or blanks, {named}{others}, and are "
        "different ones to the model: write them alike"
    )


def doubt_of_mixed(facts: ColumnFacts, name: str, is_csv: bool) -> str:
    """That numbers are labels, and many, because labels are among them; or nothing."""
    if facts.n_distinct <= _MANY_LABELS or facts.share(*_NUMBERS) < _LEAST_SHARE:
        return ""
    example = facts.examples.get(LABEL)
    if example is None:
        return ""
    remedy = ", or say with --na-values what stands for missing" if is_csv else ""
    return (
        f"is numbers in {100 * facts.share(*_NUMBERS):.0f} % of its cells, but for labels such as "
        f"{shown(example)}, so that {facts.n_distinct} different numbers and labels are labels: "
        f"leave it out with --drop {name}{remedy}"
    )
