"""What the text of a cell looks like: a number, a marker of a missing value, a date, or else."""

from __future__ import annotations

import re

NUMBER, MARKER, DATE, LABEL = "number", "marker", "date", "label"
THOUSANDS, OTHER_DECIMAL, WITH_UNIT = "thousands", "other decimal", "with unit"

_WORDS = "na", "n.a.", "n/a", "nan", "null", "nil", "none", "missing", "unknown"
_SIGNS = "?", "??", "-", "--", ".", "..", "*"
_ERRORS = "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?"  # of spreadsheets
MARKERS = tuple(
    dict.fromkeys(
        [*_SIGNS, *_ERRORS, *(f(word) for word in _WORDS for f in (str, str.upper, str.title))]
    )
)
"""Well-known ways to write that a value is missing, beside those that pandas knows."""

_KNOWN = frozenset(MARKERS)
_DIGITS = r"(\d+\.?\d*|\.\d+)"
_NUMBER = re.compile(rf"[+-]?{_DIGITS}([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([,.' ])\d{3}(\1\d{3})*([.,]\d+)?")
_OTHER_DECIMAL = re.compile(r"[+-]?\d*[,.]\d+([eE][+-]?\d+)?")
_AMOUNT = r"[+-]?(\d[\d.,' ]*|\.\d+)"
_WITH_UNIT = re.compile(rf"(?:[$€£¥]\s*{_AMOUNT}|[<>~]?{_AMOUNT}\s*(?:[%$€£¥°]|[a-zA-Zµ]{{1,3}}))")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*([ap]\.?m\.?)?\s*(z|utc|[+-]\d{2}:?\d{2})?"
_DAY = (
    r"(\d{4}(?P<a>[-/.])\d{1,2}(?P=a)\d{1,2}"
    r"|\d{1,2}(?P<b>[-/.])\d{1,2}(?P=b)(\d{4}|\d{2})"
    rf"|\d{{1,2}}[-\s.]+{_MONTH}[-\s,]+\d{{2,4}}"
    rf"|{_MONTH}\s+\d{{1,2}},?\s+\d{{4}})"
)
_DATE = re.compile(rf"({_DAY}([t\s]\s*{_TIME})?|{_TIME})", re.IGNORECASE)


def shape_of(text: str, decimal: str = ".") -> str:
    """What a cell looks like that is not empty.

    Parameters
    ----------
    text : str
    decimal : str
        What separates the decimals of a number.

    Returns
    -------
    str
        One of the names of shapes above.
    """
    text = text.strip()
    if number_of(text, decimal) is not None:
        return NUMBER
    if text in _KNOWN:
        return MARKER
    for pattern, shape in (
        (_DATE, DATE),
        (_THOUSANDS, THOUSANDS),
        (_OTHER_DECIMAL, OTHER_DECIMAL),
        (_WITH_UNIT, WITH_UNIT),
    ):
        if pattern.fullmatch(text):
            return shape
    return LABEL


def number_of(text: str, decimal: str = ".") -> float | None:
    """The number that a cell is, or None."""
    if decimal != ".":
        if "." in text:
            return None
        text = text.replace(decimal, ".")
    return float(text) if _NUMBER.fullmatch(text.strip()) else None
