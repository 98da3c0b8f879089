"""How the cells of a column are written, so that others are written in the same manner."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skpc._cli.amounts import AmountForm
from skpc._cli.csv_form import CsvForm

_BOOLEANS = {"true": True, "false": False}
_FEW_QUOTES = 0.5  # a share of the cells
_PLAIN = re.compile(r"([+-]?)(\d+)(?:\.(\d*))?")


@dataclass(frozen=True)
class CellStyle:
    """How values become text.

    Attributes
    ----------
    form : CsvForm
    n_decimals : int or None
        How many decimals all numbers have; None if they differ.
    n_digits : int
        How many digits integers have at least: those that begin with zeros.
    is_grouped : bool
        Whether thousands are set apart.
    booleans : dict
        How true and false are spelt.
    is_quoted : bool
        Whether cells stand in double quotes.
    amount : AmountForm or None
        What stands around numbers.
    """

    form: CsvForm
    n_decimals: int | None
    n_digits: int
    is_grouped: bool
    booleans: dict[bool, str]
    is_quoted: bool
    amount: AmountForm | None = None

    @classmethod
    def of(
        cls,
        cells: Sequence[str],
        written: Sequence[str],
        form: CsvForm,
        amount: AmountForm | None = None,
    ) -> CellStyle:
        """That of some cells.

        Parameters
        ----------
        cells, written : sequence of str
            The same, without quotes and as they are in the file.
        form : CsvForm
        amount : AmountForm or None
            How its numbers are written, if that is not as in most columns.
        """
        if amount is not None:
            form = replace(form, decimal=amount.decimal, thousands=amount.thousands)
        texts = [cell.strip() for cell in cells if cell.strip()]
        if amount is None:
            plain = [_without_signs(text, form) for text in texts]
        else:
            plain = [amount.digits(text) or "" for text in texts]
        numbers = [found for text in plain if (found := _PLAIN.fullmatch(text))]
        decimals = {len(number[3] or "") for number in numbers}
        lengths = {len(number[2]) for number in numbers}
        has_zeros = any(number[2].startswith("0") and len(number[2]) > 1 for number in numbers)
        spelt: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
        for text in texts:
            if text.lower() in _BOOLEANS:
                spelt[_BOOLEANS[text.lower()]][text] += 1
        quotes = [raw.lstrip().startswith('"') for raw in written if raw.strip() not in ("", '""')]
        return cls(
            form,
            decimals.pop() if len(decimals) == 1 else None,
            lengths.pop() if has_zeros and len(lengths) == 1 else 0,
            bool(form.thousands) and any(str(form.thousands) in text for text in texts),
            {value: counts.most_common(1)[0][0] for value, counts in spelt.items() if counts},
            sum(quotes) > _FEW_QUOTES * len(quotes),
            amount,
        )

    def text(self, value: Any) -> str:
        """A value as text."""
        if isinstance(value, bool | np.bool_):
            return self.booleans.get(bool(value), str(bool(value)))
        if isinstance(value, int | float | np.integer | np.floating):
            number = self._number(value.item() if isinstance(value, np.generic) else value)
            return number if self.amount is None else self.amount.written(number)
        return str(value)

    def _number(self, value: float) -> str:
        text = repr(value)
        if self.n_decimals is not None and "e" not in text:
            text = f"{value:.{self.n_decimals}f}"
        number = _PLAIN.fullmatch(text)
        if number is None:  # with an exponent
            return repr(value).replace(".", str(self.form.decimal))
        sign, whole, decimals = number[1], number[2], number[3] or ""
        whole = whole.zfill(self.n_digits)
        if self.is_grouped and not self.n_digits:
            whole = f"{int(whole):,}".replace(",", str(self.form.thousands))
        return sign + whole + (f"{self.form.decimal}{decimals}" if decimals else "")


def _without_signs(text: str, form: CsvForm) -> str:
    """A number as Python writes it."""
    if form.thousands:
        text = text.replace(form.thousands, "")
    return text if form.decimal == "." else text.replace(".", "?").replace(str(form.decimal), ".")
