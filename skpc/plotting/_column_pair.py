"""One column of a table beside the same column of rows that a model draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skpc.plotting._base import plain

_MOST_BARS = 8
_MOST_BINS = 24
_FEW_LEVELS = 16
_OUTER = 0.005  # the share of rows on each side that no axis is stretched for, if they are far
_MIDDLE = 0.05  # the share on each side of what most rows are between
_FARTHEST = 2.0  # times as far beyond that as it is wide: farther is far
_LEAST_ROWS = 5
_PARTS = 5  # of the values of a number, to compare it with labels


@dataclass(frozen=True, eq=False)
class ColumnPair:
    """A column of data and of draws.

    Attributes
    ----------
    name : str
    data, draws : (n,) and (m,) float
        Numbers, or positions in `labels`; NaN is missing.
    labels : sequence of str or None
        None if the column is one of numbers.
    """

    name: str
    data: np.ndarray
    draws: np.ndarray
    labels: Sequence[str] | None

    @property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        """What data and draws show, without missing values."""
        return self.data[~np.isnan(self.data)], self.draws[~np.isnan(self.draws)]

    def difference(self) -> float:
        """How far apart the margins are, from 0 to 1.

        Of numbers the largest distance of the distribution functions (Kolmogorov and Smirnov), of
        labels half the sum of the distances of their shares (total variation). Zero if there is
        nothing to compare.
        """
        data, draws = self.both
        if not len(data) or not len(draws):
            return 0.0
        if self.labels is not None:
            _, shares = self.bars()
            return float(np.abs(shares[0] - shares[1]).sum() / 2)
        every = np.sort(np.concatenate([data, draws]))
        below = [np.searchsorted(np.sort(part), every, "right") / len(part) for part in self.both]
        return float(np.abs(below[0] - below[1]).max())

    def bars(self) -> tuple[list[str], np.ndarray]:
        """Labels, and their shares (2, n_labels) of data and of draws.

        Of many labels those that are most frequent in either, and all others as one.
        """
        assert self.labels is not None
        n_labels = len(self.labels)
        counts = [np.bincount(part.astype(np.intp), minlength=n_labels) for part in self.both]
        shares = np.stack([count / max(count.sum(), 1) for count in counts])
        if n_labels <= _MOST_BARS:
            return list(self.labels), shares
        kept = np.sort(np.argsort(-shares.max(axis=0), kind="stable")[: _MOST_BARS - 1])
        others = 1.0 - shares[:, kept].sum(axis=1)
        names = [*(self.labels[code] for code in kept), f"{n_labels - len(kept)} others"]
        return names, np.column_stack([shares[:, kept], others])

    def edges(self) -> np.ndarray:
        """Edges of the bins of a histogram of numbers; the outer ones hold all that is beyond.

        Integers, and other numbers of few levels, have edges between these.
        """
        low, high = self.limits()
        values = np.concatenate(self.both)
        levels = np.unique(values[(values >= low) & (values <= high)])
        if len(levels) < 2:
            return np.array([low - 0.5, high + 0.5])
        if len(levels) <= _FEW_LEVELS:
            middles = (levels[1:] + levels[:-1]) / 2
            ends = 2 * levels[0] - middles[0], 2 * levels[-1] - middles[-1]
            return np.array([ends[0], *middles, ends[1]])
        if np.array_equal(levels, np.rint(levels)):
            step = np.ceil((high - low + 1) / _MOST_BINS)
            return np.arange(np.floor(low) - 0.5, np.ceil(high) + step, step)
        return np.linspace(low, high, _MOST_BINS + 1)

    def limits(self) -> tuple[float, float]:
        """Between which numbers all rows are, of data as of draws; nearly all, if some are far."""
        ends = [_ends(part) for part in self.both if len(part)]
        if not ends:
            return 0.0, 1.0
        return min(end[0] for end in ends), max(end[1] for end in ends)

    def beyond(self) -> str:
        """How many values of the data are outside of the limits; "" if none are."""
        low, high = self.limits()
        data, _ = self.both
        sides = ((data < low).sum(), "below", low), ((data > high).sum(), "above", high)
        return ", ".join(f"{n:,} {side} {plain(end)}" for n, side, end in sides if n)

    def parts(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Which part of the column each row of data and of draws is in, and how many there are.

        Labels are parts, rare ones together; numbers are cut at the fifths of the data. -1 if the
        value is missing.
        """
        is_label = self.labels is not None
        if is_label and len(self.labels or ()) > _MOST_BARS:
            known, _ = self.bars()
            place = {name: part for part, name in enumerate(known)}
            of_label = [place.get(name, len(known) - 1) for name in self.labels or ()]
            cut = [np.array(of_label, float)[_codes(part)] for part in (self.data, self.draws)]
            n_parts = len(known)
        elif is_label:
            cut, n_parts = [self.data, self.draws], len(self.labels or ())
        else:
            data, _ = self.both
            shares = np.arange(1, _PARTS) / _PARTS
            ends = np.unique(np.quantile(data, shares)) if len(data) else np.empty(0)
            cut = [np.searchsorted(ends, part).astype(float) for part in (self.data, self.draws)]
            n_parts = len(ends) + 1
        parts = [
            np.where(np.isnan(values), -1, np.nan_to_num(part)).astype(np.intp)
            for values, part in zip((self.data, self.draws), cut, strict=True)
        ]
        return parts[0], parts[1], n_parts


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Between which numbers these (n,) are, but for a few that would leave no room for others."""
    least, low, first, last, high, most = np.quantile(
        values, [0.0, _OUTER, _MIDDLE, 1 - _MIDDLE, 1 - _OUTER, 1.0]
    ).tolist()
    reach = _FARTHEST * (last - first)
    if least < first - reach:
        least = max(low, first - reach) if reach else low
    if most > last + reach:
        most = min(high, last + reach) if reach else high
    return least, most


def _codes(values: np.ndarray) -> np.ndarray:
    """Positions of labels; the first where the value is missing."""
    return np.nan_to_num(values).astype(np.intp)


def dependences(parts: Sequence[np.ndarray], n_parts: Sequence[int]) -> np.ndarray:
    """Cramér's V (m, m) of each pair of columns, from 0 to 1, corrected for chance.

    It is the same for labels and for numbers that are cut in parts, and has no sign. The bias is
    taken off as by Bergsma (2013). Rows count that show both columns.

    Parameters
    ----------
    parts : sequence of m arrays (n,) of int
        In which part of each column a row is; -1 if its value is missing.
    n_parts : sequence of m int
    """
    start = np.append(0, np.cumsum(n_parts))
    indicators = np.zeros((len(parts[0]), int(start[-1])))
    for first, part in zip(start[:-1], parts, strict=True):
        rows = np.flatnonzero(part >= 0)
        indicators[rows, first + part[rows]] = 1.0
    counts = indicators.T @ indicators
    out = np.eye(len(parts))
    for i in range(len(parts)):
        for j in range(i):
            table = counts[start[i] : start[i + 1], start[j] : start[j + 1]]
            out[i, j] = out[j, i] = _cramers_v(table)
    return out


def _cramers_v(counts: np.ndarray) -> float:
    """That of a table of two columns, corrected for its bias; 0 if one of them is constant.

    Parts of too few rows do not count: two columns that are constant but for one row say nothing.
    """
    counts = counts[counts.sum(axis=1) >= _LEAST_ROWS][:, counts.sum(axis=0) >= _LEAST_ROWS]
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    total = counts.sum()
    if min(counts.shape, default=0) < 2 or total < 2:
        return 0.0
    expected = counts.sum(axis=1)[:, None] * counts.sum(axis=0) / total
    square = ((counts - expected) ** 2 / expected).sum() / total
    n_rows, n_columns = counts.shape
    square -= (n_rows - 1) * (n_columns - 1) / (total - 1)
    degrees = min(n - 1 - (n - 1) ** 2 / (total - 1) for n in counts.shape)
    if square <= 0 or degrees <= 0:
        return 0.0
    return float(min(np.sqrt(square / degrees), 1.0))
