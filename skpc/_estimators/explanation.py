"""What makes a row odd: a few values and pairs, and the sentences that say so."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from skpc._tables.holes import is_always_missing

_MOST_TIMES = 1000  # that a sentence tells
_FEW_TIMES = 3.0  # of which a sentence tells tenths
_MOST_NATS = 100.0
_DIGITS, _FEWEST_DIGITS, _MOST_DIGITS = 6, 3, 17
_FINENESS = 0.01  # of an interval: no number is rounded by more
_MOST_IN_FULL = 1e15
_MOST_NAMED = 2  # columns in a part of a sentence


class OddValue(NamedTuple):
    """A value that makes a row odd, and what was to be expected in its place.

    Parameters
    ----------
    feature : str
        The column; x0, x1 and so on where fit saw no names.
    value : object
        What the row shows there; missing, if a density judged it that knows of missing values.
    excess : float
        How much more surprising it is than values of the column usually are, given the other
        values of the row, in nats; see `SharpPCOutlierDetector.feature_contributions`.
    median : object or None
        The conditional median, in the unit and of the kind of the column, and within the range
        that fit saw; None of categories.
    interval : tuple of two objects or None
        From the conditional quantile of 5 % to that of 95 %, likewise; None of categories.
    likeliest : tuple of (object, float)
        Up to three categories and their conditional probabilities, the likeliest first; empty
        for numbers.
    rarity : float or None, default=None
        The probability of values at most as probable as this one, below 0.05; None of a number
        outside of `interval`. A number within it may be rare, as between two clusters.
    without : tuple of str, default=()
        The columns that were named before it. All above is given the values of the row without
        theirs, and without this one.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = SharpPCOutlierDetector(random_state=0).fit(X)
    >>> [odd.feature for odd in detector.explain([9.0, 0.0]).values]
    ['x0']
    """

    feature: str
    value: Any
    excess: float
    median: Any
    interval: tuple[Any, Any] | None
    likeliest: tuple[tuple[Any, float], ...]
    rarity: float | None = None
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        given = f"given the other values{_without(self.without)}"
        if self.interval is None:
            expected = " or ".join(
                f"{_shown(category)} ({_percent(probability)})"
                for category, probability in self.likeliest
            )
            return f"{self.feature} is {_shown(self.value)}; expected {expected} {given}."
        value, low, median, high = _told(
            self.value, self.interval[0], self.median, self.interval[1]
        )
        if self.rarity is None:
            return f"{self.feature} is {value}; expected about {median} ({low} to {high}) {given}."
        share = _percent(self.rarity)
        return (
            f"{self.feature} is {value}; within the range expected ({low} to {high}) {given}, but "
            f"rare there: {share} of such rows have it or a rarer value."
        )


class OddPair(NamedTuple):
    """Two values of a row, each ordinary, that do not go together.

    Parameters
    ----------
    features : tuple of two str
        The columns; x0, x1 and so on where fit saw no names.
    values : tuple of two objects
        What the row shows there.
    dependence : float
        Pointwise mutual information, log p(x_i, x_j) - log p(x_i) - log p(x_j), in nats: negative
        if the two are rarer together than by chance.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0]
    >>> detector = SharpPCOutlierDetector(random_state=0).fit(X)
    >>> [odd.features for odd in detector.explain([1.0, -2.0]).pairs]
    [('x0', 'x1')]
    """

    features: tuple[str, str]
    values: tuple[Any, Any]
    dependence: float

    def __str__(self) -> str:
        (name, other), (value, other_value) = self.features, self.values
        return (
            f"{name} {_shown(value)} and {other} {_shown(other_value)} do not go together: "
            f"{_times(-self.dependence)} rarer than by chance."
        )


class WeakEvidence(NamedTuple):
    """What is rarest in an outlier in which no value and no pair of values stands out.

    Such a row is flagged for all its values together. This one, or these two, need not be wrong.

    Parameters
    ----------
    features : tuple of one or two str
        The columns; x0, x1 and so on where fit saw no names.
    values : tuple of as many objects
        What the row shows there.
    rarity : float
        Of two values how much rarer they are together than by chance, minus the pointwise mutual
        information; of one how much rarer it is by itself than values of its column usually are.
        In nats.

    Examples
    --------
    >>> from skpc import WeakEvidence
    >>> print(WeakEvidence(("account", "merchant"), ("CH12", "Rent AG"), 1.6))
    account CH12 with merchant Rent AG, 5 times rarer than by chance
    """

    features: tuple[str, ...]
    values: tuple[Any, ...]
    rarity: float

    def __str__(self) -> str:
        named = [
            f"{name} {_shown(value)}"
            for name, value in zip(self.features, self.values, strict=True)
        ]
        beside = "by chance" if len(named) > 1 else "is usual in this column"
        return f"{' with '.join(named)}, {_times(self.rarity)} rarer than {beside}"


@dataclass(frozen=True)
class Explanation:
    """Why a row is odd, or that it is not; `str` says it in plain English.

    Parameters
    ----------
    score : float
        What `SharpPCOutlierDetector.score_samples` gives the row, in nats.
    p_value : float
        What `SharpPCOutlierDetector.p_values` gives it.
    is_outlier : bool
        Whether `SharpPCOutlierDetector.predict` flags it.
    values : tuple of OddValue
        Values that are much more surprising than is usual, the worst first. Each is judged, and
        its expectation told, without those before it: what only contradicts them is not there.
    pairs : tuple of OddPair
        Pairs of values that are ordinary by themselves but contradict each other, the worst first.
    weak_evidence : WeakEvidence or None, default=None
        Of an outlier that has neither: what is rarest in it; None if nothing is rarer than by
        chance, or than usual.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = SharpPCOutlierDetector(random_state=0).fit(X)
    >>> detector.explain([0.1, 0.0]).values
    ()
    """

    score: float
    p_value: float
    is_outlier: bool
    values: tuple[OddValue, ...]
    pairs: tuple[OddPair, ...]
    weak_evidence: WeakEvidence | None = None

    def __str__(self) -> str:
        sentences = [f"p-value {self.p_value:.2g}."]
        if not self.is_outlier:
            sentences.append("The row is not odd.")
        elif not self.values and not self.pairs:
            sentences.append("No single value stands out: all of them together are improbable.")
            if self.weak_evidence is not None:
                sentences.append(f"Most unusual: {self.weak_evidence}.")
        else:
            sentences += [*map(str, self.values), *map(str, self.pairs)]
        return " ".join(sentences)


for _kind in OddValue, OddPair, WeakEvidence, Explanation:
    _kind.__module__ = "skpc"  # where it is found


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _rounded(value: Any, n_digits: int) -> float:
    return float(f"{float(value):.{n_digits}g}")


def _shown(value: Any, n_digits: int = _DIGITS) -> str:
    """A value of a table in a sentence, a number to so many digits; of whole ones no exponent."""
    if is_always_missing(value):
        return "missing"
    if not _is_number(value):
        return str(value)
    number = _rounded(value, n_digits)
    if abs(number) < _MOST_IN_FULL and number.is_integer():
        return str(int(value) if n_digits >= _DIGITS and value == int(value) else int(number))
    return f"{number:.{max(n_digits, _DIGITS)}g}"


def _told(value: Any, *expected: Any) -> list[str]:
    """A value, and the lower end, the middle and the upper end of what was expected in its place.

    To as few digits as tell these from each other, and from the value, three at least.
    """
    if is_always_missing(value) or not all(map(_is_number, (value, *expected))):
        return [_shown(value), *(_shown(one, _FEWEST_DIGITS) for one in expected)]
    low, middle, high = map(float, expected)
    error = _FINENESS * ((high - low) or abs(float(value) - middle))
    for n_digits in range(_FEWEST_DIGITS, _MOST_DIGITS):
        of_value, (first, _, last) = (
            max(n_digits, _DIGITS),
            (_rounded(x, n_digits) for x in expected),
        )
        own = _rounded(value, of_value)
        is_same = (first <= own, own <= last) == (low <= value, value <= high)
        if is_same and max(abs(_rounded(x, n_digits) - float(x)) for x in expected) <= error:
            break
    return [_shown(value, of_value), *(_shown(one, n_digits) for one in expected)]


def _without(names: tuple[str, ...]) -> str:
    """What a sentence leaves out of the other values."""
    if len(names) > _MOST_NAMED:
        return " without those named before"
    return f" without {' and '.join(names)}" if names else ""


def _times(nats: float) -> str:
    """How many times rarer something is, from 1.1 times."""
    times = np.exp(min(nats, _MOST_NATS))
    if times < _FEW_TIMES:
        return f"{times:.2g} times"
    return f"{times:.0f} times" if times < _MOST_TIMES else f"over {_MOST_TIMES} times"


def _percent(probability: float) -> str:
    if 0.0 < probability < 0.01:
        return "below 1 %"
    return f"{100.0 * min(probability, 0.99 if probability < 1.0 else 1.0):.0f} %"
