"""Why a row is odd: surprise beyond what is usual, combinations, and what was to be expected."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._outliers.expectations import Expectation, Values, expectation
from skpc._outliers.expert import Expert
from skpc._passes.blocks import DEFAULT_MAX_BYTES
from skpc._passes.likelihood import log_likelihood
from skpc._queries.marginals import column_log_probs
from skpc._queries.surprises import FARTHEST, excesses, own_excesses

_LEAST_EXCESS = 4.0  # nats: with half its own surprise, a normal column at 2.5 deviations
_ORDINARY = 2.0  # nats that a value alone may exceed the usual surprise by
_LEAST_CONFLICT = 2.0  # nats: some 7 times as rare as by chance
_LEAST_RARITY = 0.1  # nats: "1.1 times rarer"
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
    expected : Expectation
        In its place, given the row without it and without those that were found before.
    """

    column: int
    excess: float
    expected: Expectation


def culprits(
    experts: Sequence[Expert],
    row: np.ndarray,
    n_most: int,
    values: Values,
    groups: Sequence[Sequence[int]] | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> list[Culprit]:
    """The values of a row (n_features,) with much excess, each without those before it.

    A wrong value makes others surprising that it contradicts: once it is out of the row, they are
    as they should be. The excess is a mean over the experts, and counts how rare a value is by
    itself too; so what the experts together expect may be just such a value, as where one of
    them alone is surprised. Then it is not one of those that make the row odd.

    Parameters
    ----------
    experts : sequence of Expert
    row : (n_features,)
    n_most : int
    values : Values
    groups : sequence of sequences of int, default=None
        Columns of the circuit that are one column of the table.
    max_bytes : int
    """
    judges = np.ones((1, len(experts)), bool)
    found: list[Culprit] = []
    rest = row
    while len(found) < n_most and not np.isnan(rest).all():
        excess = mean_excesses(experts, judges, rest[None], groups, max_bytes)[0]
        for column in np.argsort(-excess, kind="stable").tolist():
            if not excess[column] >= _LEAST_EXCESS:
                return found
            own = [column] if groups is None else list(groups[column])
            expected = expectation(experts, rest, column, values, own, max_bytes)
            if expected.is_rare:
                break
        else:
            return found
        rest = rest.copy()
        rest[own] = np.nan
        found.append(Culprit(column, float(excess[column]), expected))
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
    is_ordinary = _mean_own_excesses(experts, row) < _ORDINARY  # false where it is missing
    found = _sorted_pairs(experts, row, np.flatnonzero(is_ordinary), max_bytes)
    return [pair for pair in found[:n_most] if pair.dependence <= -_LEAST_CONFLICT]


class Rarity(NamedTuple):
    """What is rarest in a row: two values together, or one by itself.

    Attributes
    ----------
    columns : tuple of one or two int
    nats : float
        How much rarer two values are than by chance, or one than values of its column usually are.
    """

    columns: tuple[int, ...]
    nats: float


def rarest(
    experts: Sequence[Expert], row: np.ndarray, max_bytes: int = DEFAULT_MAX_BYTES
) -> Rarity | None:
    """What is rarest in a row (n_features,) of which no value, and no pair, stands out.

    None if nothing is rarer than by chance, or than is usual.
    """
    alone = _mean_own_excesses(experts, row)
    found = [Rarity((j,), float(alone[j])) for j in np.flatnonzero(~np.isnan(row)).tolist()]
    pairs = _sorted_pairs(experts, row, np.flatnonzero(~np.isnan(row)), max_bytes)
    found += [Rarity(pair.columns, -pair.dependence) for pair in pairs[:1]]
    worst = max(found, key=lambda one: one.nats, default=None)
    return worst if worst is not None and worst.nats >= _LEAST_RARITY else None


def _mean_own_excesses(experts: Sequence[Expert], row: np.ndarray) -> np.ndarray:
    """How much rarer than usual values (n_features,) are by themselves; NaN where missing."""
    alone = np.mean([own_excesses(expert.circuit, row[None])[0] for expert in experts], axis=0)
    return np.where(np.isnan(row), np.nan, alone)


def _sorted_pairs(
    experts: Sequence[Expert], row: np.ndarray, columns: np.ndarray, max_bytes: int
) -> list[Conflict]:
    """The pairs of values of these columns (m,), the rarest beside chance first."""
    if len(columns) > _MOST_PAIRED:
        judges = np.ones((1, len(experts)), bool)
        excess = mean_excesses(experts, judges, row[None], max_bytes=max_bytes)[0, columns]
        columns = np.sort(columns[np.argsort(-excess, kind="stable")[:_MOST_PAIRED]])
    pairs = np.array(list(combinations(columns.tolist(), 2)), np.int64).reshape(-1, 2)
    if not len(pairs):
        return []
    found = [dependences(expert.circuit, row, pairs, max_bytes) for expert in experts]
    dependence = np.mean(found, axis=0)
    return [
        Conflict((int(pairs[place, 0]), int(pairs[place, 1])), float(dependence[place]))
        for place in np.argsort(dependence, kind="stable")
    ]
