"""Further rows for a circuit: steps of stepwise EM, after which the rows are not needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from skpc._circuit.circuit import Circuit, latent_marginals
from skpc._data.rows import Rows
from skpc._learning.initialisation import Start, has_edges
from skpc._learning.mstep import MStep
from skpc._learning.solver import Solver
from skpc._passes.counts import ExpectedCounts

_POWER = 0.7


def step_size(weight: float, seen: float) -> float:
    """How far counts move towards those of rows of this weight, of `seen` rows with them.

    All the way if there were none before. With a power of one the average would be that of all
    rows, and not forget that the first were counted by a poor circuit; with one of a half a few
    rows could spoil what many had taught.
    """
    return float((weight / seen) ** _POWER)


def own_counts(circuit: Circuit, weight: float) -> ExpectedCounts:
    """What an E-step gathers on average in rows of this weight that the circuit draws itself.

    Their log-likelihood, which no M-step asks for, is left at zero. The M-step, without priors,
    leaves the circuit as it is.
    """
    masses = weight * latent_marginals(circuit)
    sums = np.zeros_like(circuit.sum_weights)
    below = np.flatnonzero(circuit.parents >= 0)
    sums[below] = masses[circuit.parents[below], :, None] * circuit.sum_weights[below]
    inputs = circuit.inputs.expected_statistics(masses)
    return ExpectedCounts(0.0, weight * circuit.root_weights, sums, inputs)


def learn_further(
    circuit: Circuit,
    rows: Rows,
    seen: float,
    solver: Solver,
    random_state: np.random.RandomState,
) -> tuple[Circuit, float]:
    """Move a circuit towards further rows, by one mini-batch of them after the other.

    The running average of counts that stepwise EM needs is what the circuit expects itself: so
    nothing is kept of rows but the circuit and their weight.

    Parameters
    ----------
    circuit : Circuit
    rows : Rows
        Distinct, one region per column.
    seen : float
        The weight of all rows that the circuit was learnt from before.
    solver : Solver
        Of EM: its M-step, its mini-batches, its precision and its bound on memory.
    random_state : RandomState
        Deals the rows, if there are mini-batches.

    Returns
    -------
    circuit : Circuit
    log_likelihood : float
        Mean log-likelihood of the rows, of each before the step of its mini-batch, in nats.

    References
    ----------
    O. Cappe and E. Moulines, "On-line expectation-maximization algorithm for latent data
    models", Journal of the Royal Statistical Society B, 2009.
    """
    edges = has_edges((), Start(circuit.n_latents, circuit=circuit))
    solver = solver.resolved(rows.weights, edges)
    log_likelihood = 0.0
    for weight, e_step in _e_steps(circuit, rows.grouped(circuit.features), solver, random_state):
        found = e_step(circuit)
        log_likelihood += found.log_likelihood
        seen += weight
        circuit = _stepped(circuit, found, weight, seen, solver.m_step)
    return circuit, log_likelihood / rows.total_weight


def _e_steps(
    circuit: Circuit, rows: Rows, solver: Solver, random_state: np.random.RandomState
) -> list[tuple[float, Callable[[Circuit], ExpectedCounts]]]:
    """The weight of each mini-batch, and its E-step; those of all rows if there are none."""
    if solver.is_full:
        return [(rows.total_weight, solver.new_e_step(circuit, rows))]
    batches = solver.new_batches(circuit, rows, random_state)
    with_gate = solver.m_step.needs_gate
    return [
        (weight, partial(batches.expected_counts, batch, with_gate=with_gate))
        for batch, weight in enumerate(batches.weights.tolist())
    ]


def _stepped(
    circuit: Circuit, found: ExpectedCounts, weight: float, seen: float, m_step: MStep
) -> Circuit:
    """The M-step of the average of what a circuit expects and of counts of rows of a weight.

    What it expects has the priors of the M-steps before. So much of them as is forgotten with it
    is added again: a share `step` of the priors, or of all else as much as `step` goes into one.
    """
    step = step_size(weight, seen)
    found.scale(seen / weight)
    average = own_counts(circuit, seen)
    average.move_towards(found, step)
    inputs = average.inputs
    # What penalties ask of single rows besides, these rows alone tell.
    average.gate = found.gate
    average.root_moments, average.sum_moments = found.root_moments, found.sum_moments
    average.scale(1.0 / step)
    if m_step.multiplier == "exact":  # whose penalty does not fade beside counts
        m_step = replace(m_step, mu=step * m_step.mu)
    updated = m_step(circuit, average)
    # The mass of a category never seen is nothing but a prior, of which nothing is forgotten.
    unseen = updated.inputs.with_unseen(inputs, m_step.pseudocount)
    return updated.replaced(inputs=unseen)
