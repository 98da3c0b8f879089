"""How each column is read, and what is odd about it: the table shown before learning."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from skpc._checks import shown
from skpc._cli.cell_shapes import (
    DATE,
    LABEL,
    MARKER,
    NUMBER,
    OTHER_DECIMAL,
    THOUSANDS,
    WITH_UNIT,
)
from skpc._cli.column_doubts import (
    doubt_of_amounts,
    doubt_of_codes,
    doubt_of_integers,
    doubt_of_look_alikes,
    doubt_of_mixed,
    doubt_of_sentinels,
)
from skpc._cli.column_facts import BOOLEAN, INTEGER, LEVELS, TIME, ColumnFacts
from skpc._cli.messages import number_text
from skpc._data.scope import BINOMIAL, CATEGORICAL, NUMERIC
from skpc._tables.column_types import are_codes, name_rows

LEFT_OUT = "left out"
_NO_NAME = "Unnamed: "  # as pandas calls columns
MOST_COLUMNS = 40
_MOST_WARNINGS = 20

_MOSTLY = 0.9
_LEAST_NUMBERS = 0.5  # of cells, beside markers of missing values
_MANY_MISSING = 0.75
_LEAST_ROWS = 10
_MOST_MARKERS = 3  # that are named
_MOST_TEXT = 24


@dataclass(frozen=True)
class Reading:
    """How a column is read.

    Attributes
    ----------
    name : str
    type : str
        What it holds.
    read_as : str
        A type of columns, `LEFT_OUT`, or what else it is for.
    note : str
        A few words.
    warnings : tuple of str
        What a user should know, and can do about it.
    markers : tuple of str
        Cells that are taken for missing.
    """

    name: str
    type: str
    read_as: str
    note: str = ""
    warnings: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()

    @property
    def is_modelled(self) -> bool:
        """Whether it is a column of the model."""
        return self.read_as in (CATEGORICAL, NUMERIC, BINOMIAL)


def reading_of(
    name: str, facts: ColumnFacts, wanted: str | None = None, *, is_csv: bool = True
) -> Reading:
    """How a column is read, from what it holds and what a user said of it.

    Parameters
    ----------
    name : str
    facts : ColumnFacts
    wanted : str or None
        A type of columns, `LEFT_OUT`, or what else it is for.
    is_csv : bool
        Whether options of CSV files help.
    """
    own = Reading(name, facts.type, wanted or "", _note(facts))
    if wanted not in (None, CATEGORICAL, NUMERIC, BINOMIAL):
        return own
    if not facts.n_present:
        return _left_out(own, "has no value")
    if wanted is None and facts.is_count and own.name.startswith(_NO_NAME):
        return _left_out(own, "has no name and counts the rows")
    if wanted is None and own.type == TIME:
        own = _reading_of_dates(own, facts)
    elif facts.is_text and wanted != CATEGORICAL:
        own = _with_markers(own, facts, wanted, is_csv)
        if wanted is None and not own.markers:
            own = _reading_of_text(own, facts, is_csv)
    if not own.read_as:
        own = replace(own, read_as=_type_of(facts, own))
    return own if own.read_as == LEFT_OUT else _with_doubts(own, facts, wanted, is_csv)


def _note(facts: ColumnFacts) -> str:
    """What a column holds, in a few words."""
    parts = []
    if not facts.n_present:
        return ""
    if facts.is_numeric:
        parts.append(f"{number_text(facts.low)} to {number_text(facts.high)}")
    elif facts.distinct:
        more = " or more" if facts.has_more else ""
        parts.append(f"{_count(facts.n_distinct, 'label')}{more}")
    if facts.n_missing:
        parts.append(f"{_percent(facts.n_missing, facts.n_rows)} missing")
    return ", ".join(parts)


def _left_out(own: Reading, why: str, remedy: str = "") -> Reading:
    return replace(
        own,
        read_as=LEFT_OUT,
        note=_joined(own.note, "see below"),
        warnings=(*own.warnings, f"{why}, and is left out{remedy}"),
    )


def _reading_of_dates(own: Reading, facts: ColumnFacts) -> Reading:
    """Dates are no numbers yet; few different ones are labels."""
    n_different = facts.n_distinct
    if n_different and are_codes(np.arange(n_different) + 0.5, facts.n_present):
        return replace(own, read_as=CATEGORICAL)
    example = f" such as {shown(facts.examples[DATE])}" if DATE in facts.examples else ""
    return _left_out(
        own,
        f"holds dates{example}",
        ": turn them into numbers, for instance days since a fixed date, or read them as labels "
        f"with --categorical {_quoted(own.name)}",
    )


def _with_markers(own: Reading, facts: ColumnFacts, wanted: str | None, is_csv: bool) -> Reading:
    """With what is taken for missing in a column of numbers, if nothing else is in the way."""
    if not facts.markers or not is_csv or not facts.is_numeric:
        return own
    if wanted is None and facts.share(NUMBER) < _LEAST_NUMBERS:
        return own
    n_cells = facts.shapes[MARKER]
    named = _listed(facts)
    return replace(
        own,
        note=_joined(own.note, f"{named} as missing"),
        warnings=(
            f"is numbers but for {_count(n_cells, 'cell')} {named}, which "
            f"{'is' if n_cells == 1 else 'are'} taken for missing; --categorical "
            f"{_quoted(own.name)} reads all as labels",
        ),
        markers=tuple(sorted(facts.markers)),
    )


def _reading_of_text(own: Reading, facts: ColumnFacts, is_csv: bool) -> Reading:
    """What labels may be instead, and whether they only name rows."""
    warning = doubt_of_codes(facts, _quoted(own.name)) or doubt_of_amounts(facts, is_csv)
    warning = warning or _warning_of_numbers(facts, is_csv)
    warning = warning or doubt_of_mixed(facts, _quoted(own.name), is_csv)
    if not warning and facts.markers:
        warning = (
            f"has {_count(facts.shapes[MARKER], 'cell')} {_listed(facts)}, a label like others"
            + (f"; if it stands for missing: --na-values={_option(facts)}" if is_csv else "")
        )
    if warning:
        own = replace(own, note=_joined(own.note, "see below"), warnings=(warning,))
    n_labels = len(facts.distinct)
    if name_rows(n_labels, float(facts.n_counted)):
        called = f"--categorical {_quoted(own.name)}"
        if warning:
            return _left_out(own, "has a different label in nearly every row")
        return _left_out(
            own,
            "has a different label in nearly every row",
            f": if it names the rows say --id {_quoted(own.name)}, if it is to be learnt {called}",
        )
    return own


def _warning_of_numbers(facts: ColumnFacts, is_csv: bool) -> str:
    """That labels look like numbers, and what makes them such."""
    numbers = NUMBER, THOUSANDS, OTHER_DECIMAL, WITH_UNIT
    share = facts.share(*numbers)
    if share < _MOSTLY:
        return ""
    remedies = {
        OTHER_DECIMAL: "; if that is a decimal sign: --decimal "
        + _sign_in(facts.examples.get(OTHER_DECIMAL, "")),
        THOUSANDS: "; if that is one number with thousands set apart: --thousands "
        + _sign_in(facts.examples.get(THOUSANDS, "")),
        WITH_UNIT: ": write the numbers alone, without a unit",
    }
    for shape, remedy in remedies.items():
        if facts.shapes[shape]:
            example = shown(facts.examples[shape])
            return f"has numbers written as {example}, which are labels{remedy if is_csv else ''}"
    if not facts.shapes[LABEL] and not facts.shapes[DATE]:
        why = "with too many digits to be read" if is_csv else "that are stored as text"
        return f"has numbers {why}, which are labels"
    other = facts.examples.get(LABEL) or facts.examples.get(DATE, "")
    remedy = f"; if that stands for missing: --na-values={_quoted(other)}" if is_csv else ""
    return (
        f"is numbers but for cells such as {shown(_short(other))}, so that all are labels{remedy}"
    )


def _type_of(facts: ColumnFacts, own: Reading) -> str:
    """The type that a column has by itself."""
    if facts.is_text and not own.markers:
        return CATEGORICAL
    if facts.type == LEVELS:
        return NUMERIC if facts.n_distinct > 2 else CATEGORICAL
    if facts.type == BOOLEAN:
        return CATEGORICAL
    is_code = are_codes(facts.codes, float(facts.shapes[NUMBER]))
    return CATEGORICAL if is_code else NUMERIC


def _with_doubts(own: Reading, facts: ColumnFacts, wanted: str | None, is_csv: bool) -> Reading:
    """With what makes a column of little use."""
    name = _quoted(own.name)
    doubts = []
    if facts.n_missing > _MANY_MISSING * facts.n_rows:
        doubts.append(f"is missing in {_percent(facts.n_missing, facts.n_rows)} of the rows")
    if wanted is None and facts.n_present >= _LEAST_ROWS:
        if facts.n_distinct == 1:
            doubts.append(f"has one value only, which tells nothing: --drop {name} leaves it out")
        elif what := _naming(own, facts):
            doubts.append(f"{what}: if it names them say --id {name}, or --drop {name}")
        else:
            doubts.append(doubt_of_integers(facts, name))
    if facts.is_numeric and wanted != CATEGORICAL:
        doubts.append(doubt_of_sentinels(facts, is_csv))
    elif facts.is_text:
        doubts.append(doubt_of_look_alikes(facts))
    doubts = [doubt for doubt in doubts if doubt]
    if not doubts:
        return own
    return replace(own, note=_joined(own.note, "see below"), warnings=(*own.warnings, *doubts))


def _naming(own: Reading, facts: ColumnFacts) -> str:
    """How numbers tell rows apart, or nothing."""
    if facts.is_count:
        return "counts the rows"
    if facts.is_shuffled_count:
        return "counts the rows, in another order"
    return "has another number in every row" if _is_called_id(own, facts) else ""


def _is_called_id(own: Reading, facts: ColumnFacts) -> bool:
    """Whether a column of different integers has a name that says that these are names."""
    is_name = re.search(r"(^|[\W_])(id|nr|no|number|code|key)$", own.name, re.IGNORECASE)
    are_different = len(facts.distinct) == facts.n_counted
    return bool(is_name) and are_different and facts.kinds == {INTEGER}


def warning_lines(readings: Sequence[Reading], most: int = _MOST_WARNINGS) -> list[str]:
    """A line for each warning, and one for those that are too many to be shown."""
    lines = [
        f"column {shown(reading.name)} {warning}"
        for reading in readings
        for warning in reading.warnings
    ]
    if len(lines) > most:
        lines[most:] = [f"there are {len(lines) - most} more such columns; describe lists them all"]
    return lines


def table_lines(
    rows: Sequence[Mapping[str, str]], width: int, most: int = MOST_COLUMNS
) -> list[str]:
    """A table as aligned lines, below a line of names.

    Parameters
    ----------
    rows : sequence of dict
        With the same keys.
    width : int
        Longer lines are cut.
    most : int
        So many rows are shown, and how many more there are.
    """
    names = list(rows[0])
    cells = [names]
    for row in rows[:most]:
        cells.append([*(_short(row[name]) for name in names[:-1]), row[names[-1]]])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line_of_cells in cells:
        pairs = zip(line_of_cells, widths, strict=True)
        line = "  ".join(cell.ljust(n) for cell, n in pairs).rstrip()
        lines.append(_short(line, width))
    if len(rows) > most:
        lines.append(f"... and {len(rows) - most} more")
    return lines


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return "below 1 %" if share < 1 else "over 99 %" if 99 < share < 100 else f"{share:.0f} %"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _short(text: str, most: int = _MOST_TEXT) -> str:
    """A text in one line, without its end if it is long."""
    text = " ".join(text.split("\n"))
    return text if len(text) <= most else text[: most - 1] + "…"


def _listed(facts: ColumnFacts) -> str:
    """The markers of a column, the most frequent first."""
    found = [shown(marker) for marker, _ in facts.markers.most_common(_MOST_MARKERS)]
    more = len(facts.markers) - len(found)
    return " or ".join(found) + (f" or {more} others" if more else "")


def _option(facts: ColumnFacts) -> str:
    return _quoted(",".join(marker for marker, _ in facts.markers.most_common(_MOST_MARKERS)))


def _quoted(text: str) -> str:
    """A text as one word of a shell."""
    return shlex.quote(text)


def _sign_in(example: str) -> str:
    """What stands between the digits of a number, as a shell has it."""
    sign = next((sign for sign in example.lstrip("+-") if not sign.isdigit()), ",")
    return '"\'"' if sign == "'" else _quoted(sign)
