"""What the values of a column may mean other than they seem to."""

from __future__ import annotations

import re
import shlex
import unicodedata
from datetime import UTC, datetime

from skpc._checks import shown
from skpc._cli.cell_shapes import LABEL, NUMBER, OTHER_DECIMAL, THOUSANDS, WITH_UNIT
from skpc._cli.column_facts import INTEGER, ColumnFacts
from skpc._cli.messages import number_text

_OFTEN = 2
_FAR = 0.5  # of the range of all other values
_MANY_LABELS = 100
_LEAST_SHARE = 0.5
_MOST_NAMED = 3
_HUGE = 1e15
_MOSTLY = 0.9
_DIGITS_OF_CODES = 8
_FIRST_TIME, _LAST_TIME = 946_684_800, 2_208_988_800  # 2000 to 2040, in seconds since 1970
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
        f"from its other values, {number_text(min(others))} to {number_text(max(others))}; if "
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


def doubt_of_amounts(facts: ColumnFacts, is_csv: bool) -> str:
    """That numbers have units, and what is in the way of reading them as numbers; or nothing."""
    tally = max(facts.tallies.values(), key=lambda one: one.n_amounts, default=None)
    if tally is None or tally.n_plain == tally.n_amounts + tally.bounds.total():
        return ""
    n_numbers = facts.n_read_as_numbers
    n_found = tally.n_amounts + tally.bounds.total() + n_numbers
    if n_found < _MOSTLY * (tally.n_cells - tally.n_markers + n_numbers):
        return ""
    units = [unit for unit, _ in tally.units.most_common()]
    if len(units) > 1 or (n_numbers and units != [""]):
        some = [shown(tally.examples[unit]) for unit in units]
        named = " and ".join(some[:_MOST_NAMED]) if len(some) > 1 else f"{some[0]} and none"
        return f"has numbers in different units, {named}, which are labels: write all in one unit"
    if tally.thousands and not tally.is_certain:
        sign = shlex.quote(tally.thousands.most_common(1)[0][0])  # , or .
        example = shown(tally.examples["thousands"])
        remedy = f": --thousands {sign}" if is_csv else ", write it without"
        return (
            f"has numbers such as {example}, which are labels; if that is one number with "
            f"thousands set apart{remedy}"
        )
    for found, what in ((tally.bounds, "bounds"), (tally.others, "cells")):
        if found:
            other = found.most_common(1)[0][0]
            remedy = f", or take it for missing: --na-values={shlex.quote(other)}" * is_csv
            return (
                f"is numbers but for {what} such as {shown(other)}, so that all are labels: write "
                f"a number there{remedy}"
            )
    example = shown(next(iter(tally.examples.values())))
    return f"has numbers written as {example}, which are labels: write the numbers alone"


def doubt_of_codes(facts: ColumnFacts, name: str) -> str:
    """That numbers are labels because they begin with zeros; or nothing."""
    if not facts.is_code:
        return ""
    codes = [text for text in facts.few if isinstance(text, str) and text.startswith("0")]
    example = min(codes, key=lambda text: (len(text), text), default="")
    such = f", such as {shown(example)}" if example else ""
    return f"has numbers that begin with zeros{such}, and are labels; --numeric {name} undoes that"


def doubt_of_integers(facts: ColumnFacts, name: str) -> str:
    """That integers are times or codes; or nothing."""
    if facts.kinds != {INTEGER} or len(facts.distinct) < _LEAST_SHARE * facts.n_counted:
        return ""
    for factor, what in ((1, "seconds"), (1000, "milliseconds")):
        if _FIRST_TIME * factor <= facts.low <= facts.high < _LAST_TIME * factor:
            first, last = (
                datetime.fromtimestamp(value / factor, UTC).date()
                for value in (facts.low, facts.high)
            )
            return (
                f"may be times, {what} since 1970, {first} to {last}: if a time as such tells "
                f"nothing, --drop {name}"
            )
    n_digits = len(str(int(facts.low)))
    are_long = n_digits >= _DIGITS_OF_CODES and n_digits == len(str(int(facts.high)))
    if are_long and facts.low > 0 and len(facts.distinct) == facts.n_counted:
        return (
            f"has another number of {n_digits} digits in every row, as codes are: if it names the "
            f"rows say --id {name}, or --drop {name}"
        )
    return ""


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
