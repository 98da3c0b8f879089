"""What the columns of a table hold, counted part by part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skpc._cli.amounts import AmountForm, AmountTally
from skpc._cli.cell_shapes import DATE, LABEL, MARKER, NUMBER, number_of, shape_of
from skpc._cli.row_numbers import fingerprint, fingerprint_of_range
from skpc._tables.numbers import EXACT_LIMIT

_MOST_COUNTED = 20_000  # the first cells, whatever the parts: their values are told apart
_MOST_FEW = 200  # different values, which are known of all cells
_MOSTLY = 0.9
_DECIMALS = ".", ","

BOOLEAN, INTEGER, FLOAT, TEXT, LEVELS, TIME = (
    "true/false", "integers", "numbers", "text", "levels", "dates",
)  # fmt: skip

_KINDS_OF_OBJECTS = {"decimal": FLOAT, "date": TIME, "time": TIME, "timedelta": TIME}


@dataclass
class ColumnFacts:
    """What a column holds.

    Attributes
    ----------
    n_rows, n_missing : int
    kinds : set of str
        What its parts were read as: names above.
    shapes : Counter
        How many cells of text have each shape; see `shape_of`.
    markers : Counter
        How often the text of each marker of a missing value occurs.
    examples : dict
        A cell for each shape.
    distinct : Counter
        How often each value occurs in the first cells.
    n_counted : int
        How many cells that is of.
    few : set
        The different values of all cells, as long as they are few.
    low, high : float
        Of numbers, those among text too.
    is_count : bool
        Whether every number is one more than the one above it.
    fingerprint : int
        Of all integers; see `row_numbers`.
    is_code : bool
        Whether numbers are labels, as some of them begin with zeros.
    n_read_as_numbers : int
        How many cells are numbers already where they are read.
    tallies : dict
        What cells of text are as amounts, by the sign of their decimals.
    """

    n_rows: int = 0
    n_missing: int = 0
    kinds: set[str] = field(default_factory=set)
    shapes: Counter[str] = field(default_factory=Counter)
    markers: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    distinct: Counter[Any] = field(default_factory=Counter)
    n_counted: int = 0
    few: set[Any] = field(default_factory=set)
    low: float = np.inf
    high: float = -np.inf
    is_count: bool = True
    fingerprint: int = 0
    is_code: bool = False
    n_read_as_numbers: int = 0
    tallies: dict[str, AmountTally] = field(default_factory=dict)
    _last: float = np.nan

    @property
    def n_present(self) -> int:
        """How many cells are not missing."""
        return self.n_rows - self.n_missing

    @property
    def is_text(self) -> bool:
        """Whether some of it was read as text."""
        return TEXT in self.kinds

    @property
    def is_numeric(self) -> bool:
        """Whether all cells are numbers, but for markers of missing values."""
        n_numbers = self.shapes[NUMBER]
        return n_numbers > 0 and n_numbers + self.shapes[MARKER] == self.n_present

    @property
    def is_shuffled_count(self) -> bool:
        """Whether its integers are all from 0 or 1 up to the number of rows, in another order."""
        if self.is_count or self.kinds != {INTEGER} or self.n_present != self.n_rows:
            return False
        if self.low not in (0, 1) or self.high - self.low + 1 != self.n_rows:
            return False
        return self.fingerprint == fingerprint_of_range(int(self.low), self.n_rows)

    @property
    def n_distinct(self) -> int:
        """How many values are different: at least, if there `has_more`."""
        return len(self.few) if len(self.few) <= _MOST_FEW else len(self.distinct)

    @property
    def has_more(self) -> bool:
        """Whether there may be more different values than are known."""
        return len(self.few) > _MOST_FEW and self.n_present > self.n_counted

    @property
    def codes(self) -> np.ndarray:
        """The different numbers, as long as they are few."""
        return np.array(sorted(value for value in self.few if isinstance(value, float)))

    @property
    def type(self) -> str:
        """What the column is, in a word."""
        if not self.n_present:
            return "empty"
        if self.share(DATE) >= _MOSTLY:
            return TIME
        if self.is_numeric and self.is_text:
            return FLOAT
        for kind in TEXT, LEVELS:
            if kind in self.kinds:
                return kind
        if self.kinds == {BOOLEAN}:
            return BOOLEAN
        return TEXT if BOOLEAN in self.kinds else FLOAT if FLOAT in self.kinds else INTEGER

    def add(self, series: Any, decimal: str = ".") -> None:
        """Take in some cells, a series of pandas."""
        present = series.dropna()
        self.n_rows += len(series)
        self.n_missing += len(series) - len(present)
        if present.empty:
            return
        kind = _kind_of(present)
        self.kinds.add(kind)
        if kind in (INTEGER, FLOAT):
            values = present.to_numpy(dtype=np.float64)
            self._add_numbers(values)
            if kind == INTEGER and self.low >= 0 and self.high < EXACT_LIMIT:
                self.fingerprint = (self.fingerprint + fingerprint(values)) % 2**64
            return
        self.is_count = False
        if kind == TIME:
            return
        for text, count in present.astype(str).value_counts().items():
            if kind == TEXT:
                self._add_text(text, count, decimal)
            if len(self.few) <= _MOST_FEW:
                self.few.add(self._value(text, decimal))
        first = present.iloc[: _MOST_COUNTED - self.n_counted].astype(str)
        self._count(Counter(self._value(text, decimal) for text in first))

    def _add_numbers(self, values: np.ndarray) -> None:
        self.shapes[NUMBER] += len(values)
        self.n_read_as_numbers += len(values)
        self.low, self.high = min(self.low, values.min()), max(self.high, values.max())
        if self.is_count:
            before = self._last if self.n_counted else values[0] - 1
            self.is_count = bool((values[1:] == values[:-1] + 1).all() and values[0] == before + 1)
            self._last = float(values[-1])
        if len(self.few) <= _MOST_FEW:
            self.few.update(np.unique(values)[: _MOST_FEW + 1].tolist())
        first = values[: _MOST_COUNTED - self.n_counted]
        distinct, counts = np.unique(first, return_counts=True)
        self._count(Counter(dict(zip(distinct.tolist(), counts.tolist(), strict=True))))

    def _add_text(self, text: str, count: int, decimal: str) -> None:
        if not self.tallies:
            signs = (decimal, *(sign for sign in _DECIMALS if sign != decimal))
            self.tallies = {sign: AmountTally(sign) for sign in signs}
        for tally in self.tallies.values():
            tally.add(text, count)
        shape = LABEL if self.is_code else shape_of(text, decimal)
        self.shapes[shape] += count
        self.examples.setdefault(shape, text)
        if shape == MARKER:
            self.markers[text] += count
        if shape == NUMBER and (number := number_of(text, decimal)) is not None:
            self.low, self.high = min(self.low, number), max(self.high, number)

    def amounts(self, thousands: str | None) -> AmountForm | None:
        """How numbers are written that are read as text, if all are such; see `AmountTally`."""
        if not self.is_text or self.is_code or BOOLEAN in self.kinds:
            return None
        for i, tally in enumerate(self.tallies.values()):  # the decimal sign of the file first
            form = tally.form(self.n_read_as_numbers, thousands)
            if form is not None and (i == 0 or tally.is_decimal):
                return form
        return None

    def _value(self, text: str, decimal: str) -> float | str:
        """What a cell of text is told apart by, in whatever parts a column is read."""
        number = None if self.is_code else number_of(text, decimal)
        return text if number is None else number

    def _count(self, counts: Counter[Any]) -> None:
        self.distinct += counts
        self.n_counted += counts.total()

    def share(self, *shapes: str) -> float:
        """The share of cells that have one of these shapes, of those that are not missing."""
        if DATE in shapes and TIME in self.kinds:
            return 1.0
        return sum(self.shapes[shape] for shape in shapes) / max(1, self.n_present)


def _kind_of(series: Any) -> str:
    """What a column of pandas holds, none of its cells missing."""
    from pandas.api import types

    dtype = series.dtype
    if getattr(dtype, "ordered", False):
        return LEVELS
    if types.is_bool_dtype(dtype):
        return BOOLEAN
    if types.is_integer_dtype(dtype):
        return INTEGER
    if types.is_numeric_dtype(dtype):
        return FLOAT
    if types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        return TIME
    if dtype == np.dtype(object):
        return _KINDS_OF_OBJECTS.get(types.infer_dtype(series), TEXT)
    return TEXT
