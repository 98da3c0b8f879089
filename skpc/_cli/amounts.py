"""Numbers that are written with a currency, a unit, parentheses, or thousands set apart."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from skpc._cli.cell_shapes import MARKERS

_BLANKS = " \u00a0\u2009\u202f"
_APOSTROPHES = "'\u2019"
_MINUS = "-\u2212"
_CODES = (
    "AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|ILS|INR|JPY|KRW|MXN|NOK|NZD|PLN|RON|RUB|SEK|SGD|"
    r"THB|TRY|USD|ZAR|US\$|Fr\.|Rs\.?"
)
_CURRENCY = rf"[$€£¥₹₩₺]|(?:{_CODES})"
_UNIT = r"[^\W\d_]\.?[^\d\s.,;:()<>=+]{0,11}[23²³]?|[%‰°$€£¥₹₩₺][^\d\s.,;:()<>=+]{0,3}"
_AMOUNT = re.compile(
    rf"(?P<open>\()?(?P<sign>[{_MINUS}+])?(?P<before>(?:{_CURRENCY})[{_BLANKS}]*)?"
    rf"(?P<inner>[{_MINUS}+])?(?P<body>\d[\d.,{_BLANKS}{_APOSTROPHES}]*(?<=\d)|\.\d+)"
    rf"(?P<after>[{_BLANKS}]*(?:{_UNIT}))?(?P<close>\))?"
)
_TIMES = {"am", "pm", "a.m", "p.m", "a.m.", "p.m."}  # of a day
_BOUND = re.compile(r"[<>~≤≥]\s*[\d.]")
_LEAST_PLURAL = 4  # letters: days, years
_MOST_LOOKED_AT, _LEAST_SHARE = 1_000, 0.5
_KNOWN = frozenset(MARKERS)


class Amount(NamedTuple):
    """A cell that is a number.

    Attributes
    ----------
    digits : str
        The number as Python writes it.
    unit : str
        Its currency or unit, or nothing.
    thousands : str
        What sets thousands apart, or nothing.
    is_certain : bool
        Whether that cannot be a decimal sign.
    before, after : str
        What is written around the number.
    in_parentheses : bool
        Whether these stand for a minus.
    sign_last : bool
        Whether a sign follows the currency.
    """

    digits: str
    unit: str
    thousands: str
    is_certain: bool
    before: str
    after: str
    in_parentheses: bool
    sign_last: bool


@dataclass(frozen=True)
class AmountForm:
    """How the numbers of a column are written.

    Attributes
    ----------
    unit, decimal, thousands, before, after : str
        As of an `Amount`; what is written around the number most often.
    in_parentheses, sign_last : bool
    example : str
        A cell.
    """

    unit: str
    decimal: str
    thousands: str = ""
    before: str = ""
    after: str = ""
    in_parentheses: bool = False
    sign_last: bool = False
    example: str = ""

    def digits(self, text: str) -> str | None:
        """The number that a cell is, as Python writes it; None if it is none of this unit."""
        amount = amount_of(text.strip(), self.decimal)
        if amount is None or amount.unit not in ("", self.unit):
            return None
        is_known = _kind(amount.thousands) in ("", _kind(self.thousands))
        return amount.digits if is_known or amount.is_certain else None

    def told(self) -> dict[str, str]:
        """What a model keeps of it, to read other tables."""
        return {"unit": self.unit, "decimal": self.decimal, "thousands": self.thousands}

    def shown(self) -> str:
        """An example."""
        return " ".join(self.example.split())

    def written(self, number: str) -> str:
        """A cell with a number, whose decimals and thousands are written as they are to be."""
        digits = number.lstrip("-")
        is_negative = digits != number
        if is_negative and self.in_parentheses:
            return f"({self.before}{digits}{self.after})"
        minus = "-" * is_negative
        if self.sign_last:
            return f"{self.before}{minus}{digits}{self.after}"
        return f"{minus}{self.before}{digits}{self.after}"


def amount_of(text: str, decimal: str) -> Amount | None:
    """What a cell without blanks around it is, if it is a number in some form; else None."""
    found = _AMOUNT.fullmatch(text)
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    signs = [sign for sign in (found["sign"], found["inner"]) if sign]
    before, after = found["before"] or "", found["after"] or ""
    if len(signs) + bool(found["open"]) > 1 or (before and after):
        return None
    digits = _digits(found["body"], decimal)
    unit = _unit(before or after)
    if digits is None or unit.lower() in _TIMES:
        return None
    thousands = next((sign for sign in found["body"] if not sign.isdigit() and sign != decimal), "")
    is_certain = thousands not in (".", ",") or decimal in found["body"]
    is_certain |= found["body"].count(thousands) > 1 if thousands else False
    is_negative = bool(found["open"]) or (bool(signs) and signs[0] in _MINUS)
    return Amount(
        f"{'-' * is_negative}{digits}",
        unit,
        thousands,
        is_certain,
        before,
        after,
        bool(found["open"]),
        bool(found["inner"]),
    )


def _digits(body: str, decimal: str) -> str | None:
    """A number as Python writes it, of which thousands may be set apart by one sign."""
    whole, point, decimals = body.partition(decimal)
    if point and not decimals.isdecimal():
        return None
    groups = re.split(r"\D", whole)
    if len({sign for sign in whole if not sign.isdigit()}) > 1:
        return None
    if len(groups) > 1 and (
        not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:])
    ):
        return None
    joined = "".join(groups)
    if len(joined) > 1 and joined.startswith("0"):  # a code
        return None
    return f"{joined or '0'}.{decimals}" if point else joined


def _unit(text: str) -> str:
    """A unit, of which there may be several."""
    unit = text.strip(_BLANKS)
    is_plural = len(unit) >= _LEAST_PLURAL and unit.endswith("s") and unit.isalpha()
    return unit.removesuffix("s") if is_plural else unit


def _kind(sign: str) -> str:
    """Signs that stand for each other."""
    return "'" if sign and sign in _APOSTROPHES else " " if sign and sign in _BLANKS else sign


@dataclass
class AmountTally:
    """What the cells of text of a column are, with some decimal sign.

    Attributes
    ----------
    decimal : str
    n_cells, n_amounts, n_plain, n_markers : int
        How many there are, are numbers, numbers as usual, and markers of missing values.
    units, thousands, surroundings, bounds, others : Counter
        How often each occurs; bounds are such as ``<5``, others are nothing of all this.
    examples : dict
        A cell for each unit, and one whose thousands are set apart.
    is_certain : bool
        Whether some cell shows what sets thousands apart.
    is_decimal : bool
        Whether some cell shows that the sign of decimals is one, and sets no thousands apart.
    in_parentheses, sign_last : bool
        Whether some cell is so.
    """

    decimal: str
    n_cells: int = 0
    n_amounts: int = 0
    n_plain: int = 0
    n_markers: int = 0
    bounds: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    thousands: Counter[str] = field(default_factory=Counter)
    surroundings: Counter[tuple[str, str]] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    is_certain: bool = False
    is_decimal: bool = False
    in_parentheses: bool = False
    sign_last: bool = False

    @property
    def is_hopeless(self) -> bool:
        """Whether most cells are something else."""
        return (
            self.n_cells > _MOST_LOOKED_AT
            and self.n_amounts + self.n_markers < _LEAST_SHARE * self.n_cells
        )

    def add(self, text: str, count: int) -> None:
        """Take in a cell that occurs so often."""
        if self.is_hopeless:
            self.n_cells += count
            return
        text = text.strip()
        self.n_cells += count
        amount = amount_of(text, self.decimal)
        if text in _KNOWN:
            self.n_markers += count
        elif amount is None:
            (self.bounds if _BOUND.match(text) else self.others)[text] += count
        else:
            self.n_amounts += count
            self.units[amount.unit] += count
            self.examples.setdefault(amount.unit, text)
            if amount.thousands:
                self.thousands[amount.thousands] += count
                self.examples.setdefault("thousands", text)
                self.is_certain |= amount.is_certain
            decimals = amount.digits.partition(".")[2]
            self.is_decimal |= bool(decimals) and (len(decimals) != 3 or amount.thousands != "")
            self.in_parentheses |= amount.in_parentheses
            self.surroundings[amount.before, amount.after] += count
            self.sign_last |= amount.sign_last
            is_plain = not (amount.unit or amount.thousands or amount.in_parentheses)
            self.n_plain += is_plain * count

    def form(self, n_numbers: int, thousands: str | None) -> AmountForm | None:
        """How all cells are written, if they are numbers of one unit, and that is certain.

        Parameters
        ----------
        n_numbers : int
            How many cells besides are numbers.
        thousands : str or None
            What is known to set thousands apart.
        """
        n_plain = self.n_plain + n_numbers
        n_all = self.n_amounts + n_numbers
        units = list(self.units | Counter({"": n_numbers}))
        if self.bounds or self.others or len(units) != 1 or n_plain == n_all:
            return None
        if n_all < _LEAST_SHARE * (self.n_cells + n_numbers):
            return None
        kinds = {_kind(sign) for sign in self.thousands}
        is_known = self.is_certain or not kinds or kinds == {_kind(thousands or "")}
        if len(kinds) > 1 or not is_known:
            return None
        before, after = self.surroundings.most_common(1)[0][0]
        return AmountForm(
            units[0],
            self.decimal,
            self.thousands.most_common(1)[0][0] if self.thousands else "",
            before,
            after,
            self.in_parentheses,
            self.sign_last,
            self.examples["thousands" if self.thousands and not units[0] else units[0]],
        )


def numbers_in(series: Any, form: AmountForm) -> Any:
    """The numbers of a series of text, missing where there is a marker of that.

    Raises
    ------
    ValueError
        With the first cell that is no number in this form.
    """
    import pandas

    known: dict[str, float | int | None] = {}
    for text in series.dropna().unique():
        digits = form.digits(text)
        if digits is None and text.strip() not in _KNOWN:
            raise ValueError(text)
        known[text] = None if digits is None else float(digits) if "." in digits else int(digits)
    is_whole = not any(isinstance(value, float) for value in known.values())
    values = [known.get(text) for text in series]
    return pandas.Series(values, series.index, dtype="Int64" if is_whole else "Float64")
