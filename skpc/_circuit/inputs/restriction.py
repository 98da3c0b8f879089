"""What evidence makes of input distributions: their masses, and what is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import logsumexp

from skpc._checks import shown
from skpc._data.column_sets import ColumnSet, ValueSet
from skpc._kernels.mstep import WEIGHT_FLOOR

if TYPE_CHECKING:
    from skpc._circuit.inputs.base import InputDistribution

Sets = Sequence[ColumnSet | None]
"""What evidence leaves each column of a region, None where there is none."""


class Part(NamedTuple):
    """The distribution of some columns of a region, by their positions."""

    entries: tuple[int, ...]
    distribution: InputDistribution


class Restriction(NamedTuple):
    """What evidence makes of the distribution of a region.

    Attributes
    ----------
    log_masses : (n_latents,)
        Log likelihood of the evidence in each state: a mass, or a density if it is a point of a
        continuous column.
    parts : tuple of Part
        The distribution given the evidence: of all columns, of which parts are independent given
        the state.
    """

    log_masses: np.ndarray
    parts: tuple[Part, ...]


def normalised(log_probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log totals (K,) of log probabilities (n, K), and them as distributions (n, K) over n.

    A state in which nothing is possible has an even one.
    """
    totals = logsumexp(log_probs, axis=0)
    is_possible = totals > -np.inf
    shares = np.exp(np.where(is_possible, log_probs - np.where(is_possible, totals, 0.0), 0.0))
    shares = np.maximum(shares, WEIGHT_FLOOR)
    return totals, shares / shares.sum(axis=0)


def to_table(values: np.ndarray, log_probs: np.ndarray) -> Restriction:
    """One column that has one of values (n,), sorted, with these log probabilities (n, K)."""
    from skpc._circuit.inputs.table import Categorical  # whose base imports this

    totals, probs = normalised(log_probs)
    table = Categorical(values, probs, np.full(len(totals), WEIGHT_FLOOR))
    return Restriction(totals, (Part((0,), table),))


def restricted_column(distribution: InputDistribution, given: ColumnSet | None) -> Restriction:
    """One column of any kind, of which evidence leaves some values.

    Of values with a density each has it as its share.
    """
    if not isinstance(given, ValueSet):
        raise ValueError(
            f"A column of the type {shown(distribution.kind)} takes no interval as evidence, as "
            "its distribution has no restricted. Give values."
        )
    return to_table(given.values, distribution.log_prob(given.values[:, None]))
