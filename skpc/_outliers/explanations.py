"""Why a row is odd: surprise beyond what is usual, combinations, and what was to be expected."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._outliers.expert import Expert
from skpc._passes.blocks import DEFAULT_MAX_BYTES
from skpc._passes.likelihood import log_likelihood
from skpc._queries.marginals import column_log_probs, conditional_probabilities
from skpc._queries.sampling import sample_given
from skpc._queries.surprises import FARTHEST, excesses, own_excesses

_CONDITIONAL_DRAWS = 1000
_SEED = 0
_LEAST_EXCESS = 4.0  # nats: with half its own surprise, a normal column at 2.5 deviations
_ORDINARY = 2.0  # nats that a value alone may exceed the usual surprise by
_LEAST_CONFLICT = 2.0  # nats: some 7 times as rare as by chance
_MOST_PAIRED = 30  # columns, of which all pairs are looked at


def mean_excesses(
    experts: Sequence[Expert],
    judges: np.ndarray,
    X: np.ndarray,
    groups: Sequence[Sequence[int]] | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """How odd each value makes its row, beyond what is usual: (n, n_features) or (n, n_groups).

    The mean of `excesses` over those experts (n, n_experts) bool that may judge a row.
    """
    total = np.zeros((len(X), X.shape[1] if groups is None else len(groups)))
    for expert, of_rows in zip(experts, judges.T, strict=True):
        rows = np.flatnonzero(of_rows)
        if len(rows):
            circuit, own_weight = expert.circuit, expert.own_weight
            total[rows] += excesses(circuit, X[rows], groups, own_weight, max_bytes)
    return total / judges.sum(axis=1, keepdims=True)


class Culprit(NamedTuple):
    """A value that makes a row odd.

    Attributes
    ----------
    column : int
    excess : float
        In nats.
    rest : (n_features,)
        The row without it, and without those that were found before.
    """

    column: int
    excess: float
    rest: np.ndarray


def culprits(
    experts: Sequence[Expert],
    row: np.ndarray,
    n_most: int,
    groups: Sequence[Sequence[int]] | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> list[Culprit]:
    """The values of a row (n_features,) with much excess, each without those before it.

    A wrong value makes others surprising that it contradicts: once it is out of the row, they are
    as they should be.

    Parameters
    ----------
    experts : sequence of Expert
    row : (n_features,)
    n_most : int
    groups : sequence of sequences of int, default=None
        Columns of the circuit that are one column of the table.
    max_bytes : int
    """
    judges = np.ones((1, len(experts)), bool)
    found: list[Culprit] = []
    rest = row
    while len(found) < n_most and not np.isnan(rest).all():
        excess = mean_excesses(experts, judges, rest[None], groups, max_bytes)[0]
        column = int(excess.argmax())
        if excess[column] < _LEAST_EXCESS:
            break
        rest = rest.copy()
        rest[column if groups is None else list(groups[column])] = np.nan
        found.append(Culprit(column, float(excess[column]), rest))
    return found


class Conflict(NamedTuple):
    """Two values of a row that are ordinary, but not together.

    Attributes
    ----------
    columns : pair of int
    dependence : float
        log p(x_i, x_j) - log p(x_i) - log p(x_j), in nats.
    """

    columns: tuple[int, int]
    dependence: float


def dependences(
    circuit: Circuit,
    row: np.ndarray,
    pairs: np.ndarray,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Pointwise mutual information (m,) of pairs (m, 2) of a row's values, exactly, in nats."""
    rows = np.full((len(pairs), len(row)), np.nan)
    np.put_along_axis(rows, pairs, row[pairs], axis=1)
    joint = np.maximum(log_likelihood(circuit, rows, max_bytes=max_bytes), -FARTHEST)
    own = np.maximum(column_log_probs(circuit, row[None])[0], -FARTHEST)
    return joint - own[pairs].sum(axis=1)


def conflicts(
    experts: Sequence[Expert],
    row: np.ndarray,
    n_most: int,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> list[Conflict]:
    """The pairs of a row's values (n_features,) that contradict each other most, worst first.

    Of many columns those alone are looked at that are most surprising given all others.
    """
    alone = [own_excesses(expert.circuit, row[None])[0] for expert in experts]
    is_ordinary = (np.mean(alone, axis=0) < _ORDINARY) & ~np.isnan(row)
    columns = np.flatnonzero(is_ordinary)
    if len(columns) > _MOST_PAIRED:
        judges = np.ones((1, len(experts)), bool)
        excess = mean_excesses(experts, judges, row[None], max_bytes=max_bytes)[0, columns]
        columns = np.sort(columns[np.argsort(-excess, kind="stable")[:_MOST_PAIRED]])
    pairs = np.array(list(combinations(columns.tolist(), 2)), np.int64).reshape(-1, 2)
    if not len(pairs):
        return []
    found = [dependences(expert.circuit, row, pairs, max_bytes) for expert in experts]
    dependence = np.mean(found, axis=0)
    order = np.argsort(dependence, kind="stable")[:n_most]
    return [
        Conflict((int(pairs[place, 0]), int(pairs[place, 1])), float(dependence[place]))
        for place in order
        if dependence[place] <= -_LEAST_CONFLICT
    ]


def expected_quantiles(
    experts: Sequence[Expert],
    rest: np.ndarray,
    column: int,
    shares: Sequence[float],
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Quantiles (m,) of a column given the rest of a row, which lacks it: of exact draws.

    Parameters
    ----------
    experts : sequence of Expert
        Whose conditional distributions are mixed evenly.
    rest : (n_features,)
    column : int
    shares : sequence of m float
    max_bytes : int
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
    return np.quantile(np.concatenate(drawn), shares, method="inverted_cdf")


def expected_probabilities(
    experts: Sequence[Expert], rest: np.ndarray, column: int, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Probabilities (n_categories,) of a column's categories given the rest of a row."""
    found = [
        conditional_probabilities(expert.circuit, rest[None], column, max_bytes=max_bytes)[0]
        for expert in experts
    ]
    return np.mean(found, axis=0)
