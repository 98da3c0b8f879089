"""Circuits given evidence: values, sets and intervals of some columns, absorbed into parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.columns import side_by_side
from skpc._circuit.inputs.inputs import Inputs
from skpc._circuit.inputs.restriction import normalised
from skpc._circuit.tree import levels_of
from skpc._data.column_sets import ColumnSet


class Conditioned(NamedTuple):
    """A circuit given evidence.

    Attributes
    ----------
    circuit : Circuit
        Over the same columns. What contradicts the evidence must not be asked of it.
    log_probability : float
        Of the evidence, in nats: a mass for sets and intervals, a density for points of
        continuous columns.
    """

    circuit: Circuit
    log_probability: float


class ImpossibleEvidenceError(ValueError):
    """Evidence of probability zero.

    Attributes
    ----------
    columns : tuple of int
        Those whose evidence is impossible together.
    """

    def __init__(self, columns: tuple[int, ...]) -> None:
        super().__init__("The evidence has probability zero.")
        self.columns = columns


def condition(circuit: Circuit, sets: Mapping[int, ColumnSet]) -> Conditioned:
    """The circuit given that some columns are in sets.

    Evidence acts region by region: each state's likelihood goes up the tree, and weights of sums
    become those of the posterior, so that the conditional distribution is a circuit of the same
    structure. Exact, in one pass.

    Parameters
    ----------
    circuit : Circuit
    sets : dict
        By column.

    Raises
    ------
    ImpossibleEvidenceError
    """
    features, distributions = list(circuit.features), list(circuit.inputs)
    log_masses: dict[int, np.ndarray] = {}
    for region, columns in enumerate(circuit.features):
        given = [sets.get(int(column)) for column in columns]
        distribution = distributions[region]
        if distribution is None or all(one is None for one in given):
            continue
        found = distribution.restricted(given)
        if not (found.log_masses > -np.inf).any():
            raise ImpossibleEvidenceError(tuple(j for j in columns.tolist() if j in sets))
        log_masses[region] = found.log_masses
        features[region] = columns[[entry for part in found.parts for entry in part.entries]]
        distributions[region] = side_by_side([part.distribution for part in found.parts])
    root_weights, sum_weights, log_probability = _posterior_weights(circuit, log_masses)
    if not np.isfinite(log_probability):
        raise ImpossibleEvidenceError(tuple(sets))
    inputs = Inputs.of(features, distributions, circuit.n_latents)
    changed = circuit.replaced(
        features=tuple(features), root_weights=root_weights, sum_weights=sum_weights, inputs=inputs
    )
    return Conditioned(changed, log_probability)


def unbounded(circuit: Circuit) -> Circuit:
    """The same circuit, of which draws do not stay within ranges that were learnt from."""
    features = tuple(circuit.features)
    distributions = [None if one is None else one.unbounded() for one in circuit.inputs]
    return circuit.replaced(inputs=Inputs.of(features, distributions, circuit.n_latents))


def _posterior_weights(
    circuit: Circuit, log_masses: dict[int, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights of the roots and of sums given evidence, and its log probability.

    Parameters
    ----------
    circuit : Circuit
    log_masses : dict
        By region, the log likelihoods (n_latents,) of what is known of its columns.
    """
    sum_weights = circuit.sum_weights.copy()
    below = dict(log_masses)
    bottomup, _ = levels_of(circuit.parents, from_leaves=True)
    for region in bottomup.tolist():
        parent = int(circuit.parents[region])
        if parent < 0 or region not in below:
            continue
        log_products = np.log(circuit.sum_weights[region].T) + below[region][:, None]
        log_sums, shares = normalised(log_products)
        sum_weights[region] = shares.T
        below[parent] = below.get(parent, 0.0) + log_sums
    nothing = np.zeros(circuit.n_latents)
    at_roots = np.concatenate([below.get(int(root), nothing) for root in circuit.roots])
    log_roots = np.log(circuit.root_weights) + at_roots
    _, root_weights = normalised(log_roots[:, None])
    return root_weights[:, 0], sum_weights, float(logsumexp(log_roots))
