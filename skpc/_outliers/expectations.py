"""What was to be expected in place of a value of a row, and how rare the value is beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from skpc._outliers.expert import Expert
from skpc._passes.blocks import DEFAULT_MAX_BYTES
from skpc._passes.likelihood import log_likelihood
from skpc._queries.marginals import conditional_probabilities
from skpc._queries.sampling import sample_given
from skpc._queries.surprises import log_units

_CONDITIONAL_DRAWS = 1000
_SEED = 0
_TAIL = 0.05
SHARES = _TAIL, 0.5, 1.0 - _TAIL
_THINNED = 5  # one in so many draws tells how rare a value is
_ROUNDING = 1e-9


class Values(NamedTuple):
    """What values columns have.

    Attributes
    ----------
    categories : sequence of n_features ((n_categories,) or None)
        None of numbers.
    nearest : callable
        Takes a column and numbers (n,), and gives those next to them that the column can have.
    """

    categories: Sequence[np.ndarray | None]
    nearest: Callable[[int, np.ndarray], np.ndarray]


class Expectation(NamedTuple):
    """The distribution of a column given the rest of a row, under all experts evenly.

    Attributes
    ----------
    quantiles : (3,) or None
        Of 5, 50 and 95 %, of a column of numbers.
    probabilities : (n_categories,) or None
        Of another.
    share : float or None
        How much of it is at most as probable as the value of the row: small of one that lies
        beside all that is frequent, also if that is on both sides. None of a number beyond the
        outer quantiles, of which these tell enough.
    """

    quantiles: np.ndarray | None
    probabilities: np.ndarray | None
    share: float | None

    @property
    def is_rare(self) -> bool:
        """Whether the value of the row is not one that was to be expected."""
        return self.share is None or self.share < _TAIL


def expectation(
    experts: Sequence[Expert],
    row: np.ndarray,
    column: int,
    values: Values,
    together: Sequence[int] = (),
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Expectation:
    """What was to be expected in place of a value of a row (n_features,), given the others.

    Those of the columns `together` are left out with it.
    """
    value, rest = row[column], row.copy()
    rest[[column, *together]] = np.nan
    categories = values.categories[column]
    if categories is not None:
        probs = expected_probabilities(experts, rest, column, max_bytes)
        own = float(probs[categories == value].sum())  # zero of what fit has not seen
        return Expectation(None, probs, float(probs[probs <= own * (1.0 + _ROUNDING)].sum()))
    draws = values.nearest(column, expected_draws(experts, rest, column, max_bytes))
    quantiles = np.quantile(draws, SHARES, method="inverted_cdf")
    if not quantiles[0] <= value <= quantiles[-1]:
        return Expectation(quantiles, None, None)
    some = np.append(draws[::_THINNED], value)
    log_probs = log_densities(experts, rest, column, some, max_bytes)
    is_rarer = log_probs <= log_probs[-1] + _ROUNDING
    return Expectation(quantiles, None, float(is_rarer.mean()))  # with the value itself: above 0


def expected_draws(
    experts: Sequence[Expert], rest: np.ndarray, column: int, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Exact draws (n,) of a column given the rest of a row, which lacks it: 1,000 of each expert.

    They are always the same.
    """
    drawn = [
        sample_given(
            expert.circuit,
            rest[None],
            _CONDITIONAL_DRAWS,
            np.random.RandomState(_SEED),
            max_bytes=max_bytes,
        )[:, column]
        for expert in experts
    ]
    return np.concatenate(drawn)


def log_densities(
    experts: Sequence[Expert],
    rest: np.ndarray,
    column: int,
    values: np.ndarray,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Log densities (n,) of values of a column given the rest of a row, under all experts evenly.

    Free of units, so that a value with a mass can be compared with one that has a density.
    """
    distinct, place = np.unique(values, return_inverse=True)
    rows = np.tile(rest, (len(distinct), 1))
    rows[:, column] = distinct
    found = []
    for expert in experts:
        circuit = expert.circuit
        joint = log_likelihood(circuit, rows, max_bytes=max_bytes)
        of_rest = log_likelihood(circuit, rest[None], max_bytes=max_bytes)
        found.append(joint - of_rest - log_units(circuit, rows)[:, column])
    log_probs: np.ndarray = logsumexp(np.nan_to_num(found, nan=-np.inf), axis=0)
    return log_probs[place] - np.log(len(experts))


def expected_probabilities(
    experts: Sequence[Expert], rest: np.ndarray, column: int, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Probabilities (n_categories,) of a column's categories given the rest of a row."""
    found = [
        conditional_probabilities(expert.circuit, rest[None], column, max_bytes=max_bytes)[0]
        for expert in experts
    ]
    return np.mean(found, axis=0)
