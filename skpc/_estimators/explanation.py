"""What makes a row odd: a few values and pairs, and the sentences that say so."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from skpc._tables.holes import is_always_missing

_MOST_TIMES = 1000  # that a sentence tells
_MOST_NATS = 100.0


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
        The conditional median, in the unit and of the kind of the column; None of categories.
    interval : tuple of two objects or None
        From the conditional quantile of 5 % to that of 95 %; None of categories.
    likeliest : tuple of (object, float)
        Up to three categories and their conditional probabilities, the likeliest first; empty
        for numbers.

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

    def __str__(self) -> str:
        if self.interval is None:
            expected = " or ".join(
                f"{_shown(category)} ({_percent(probability)})"
                for category, probability in self.likeliest
            )
        else:
            low, median, high = (
                _shown(value, 3) for value in (self.interval[0], self.median, self.interval[1])
            )
            expected = f"about {median} ({low} to {high})"
        return (
            f"{self.feature} is {_shown(self.value)}; expected {expected} given the other values."
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
        times = np.exp(min(-self.dependence, _MOST_NATS))
        rarer = f"{times:.0f} times" if times < _MOST_TIMES else f"over {_MOST_TIMES} times"
        return (
            f"{name} {_shown(value)} and {other} {_shown(other_value)} do not go together: "
            f"{rarer} rarer than by chance."
        )


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

    def __str__(self) -> str:
        sentences = [f"p-value {self.p_value:.2g}."]
        if not self.is_outlier:
            sentences.append("The row is not odd.")
        elif not self.values and not self.pairs:
            sentences.append("No single value stands out: all of them together are improbable.")
        else:
            sentences += [*map(str, self.values), *map(str, self.pairs)]
        return " ".join(sentences)


for _kind in OddValue, OddPair, Explanation:
    _kind.__module__ = "skpc"  # where it is found


def _shown(value: Any, n_digits: int = 6) -> str:
    """A value of a table in a sentence, a number to so many digits."""
    if is_always_missing(value):
        return "missing"
    if isinstance(value, Real) and not isinstance(value, (bool, np.bool_)):
        return f"{float(f'{float(value):.{n_digits}g}'):.6g}"
    return str(value)


def _percent(probability: float) -> str:
    if 0.0 < probability < 0.01:
        return "below 1 %"
    return f"{100.0 * min(probability, 0.99 if probability < 1.0 else 1.0):.0f} %"
