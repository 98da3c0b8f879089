"""Several circuits as one: states are split until all have as many, and one root mixes all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skpc._circuit.circuit import Circuit, mixture
from skpc._circuit.inputs.inputs import Inputs


def with_split_states(circuit: Circuit, n_latents: int) -> Circuit:
    """The same distribution with more states: each becomes several copies of itself.

    All states have equally many copies, or some one more than others. What leads to a state is
    divided among its copies, and what a state leads to they have in common.

    Parameters
    ----------
    circuit : Circuit
    n_latents : int
        At least as many as there are.
    """
    if n_latents == circuit.n_latents:
        return circuit
    state_of = np.arange(n_latents) * circuit.n_latents // n_latents
    share = 1.0 / np.bincount(state_of)[state_of]
    by_root = circuit.root_weights.reshape(-1, circuit.n_latents)
    sum_weights = circuit.sum_weights.take(state_of, axis=1).take(state_of, axis=2) * share
    sum_weights[circuit.roots] = np.eye(n_latents)
    return Circuit(
        circuit.parents,
        circuit.features,
        (by_root[:, state_of] * share).ravel(),
        sum_weights,
        _of_states(circuit.inputs, state_of),
    )


def _of_states(inputs: Inputs, states: np.ndarray) -> Inputs:
    """The inputs whose states are these (n,) of each region; some may be there repeatedly."""
    return inputs.replaced(
        probs=inputs.probs.take(states, axis=1),
        unseen=inputs.unseen.take(states, axis=1),
        numeric=inputs.numeric.taken(states),
        others={region: one.taken(states) for region, one in inputs.others.items()},
    )


def stacked(circuits: Sequence[Circuit], weights: np.ndarray) -> Circuit:
    """One circuit that mixes several over the same columns, whatever their regions and states.

    Parameters
    ----------
    circuits : sequence of Circuit
    weights : (n_circuits,)
        What each is weighted with, in proportion.
    """
    n_latents = max(circuit.n_latents for circuit in circuits)
    return mixture([with_split_states(circuit, n_latents) for circuit in circuits], weights)
