"""Questions to a circuit beyond the likelihood: so far, sampling."""

from __future__ import annotations

import numpy as np

from skpc._circuit import Circuit
from skpc._gaussian import Gaussian
from skpc._tree import levels_of, tree_of_region


def _choose(cpt: np.ndarray, states: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
    """Draw from row ``states[i]`` of `cpt` (n_states, m), rows summing to one, for each i.

    One binary search in all rows' cumulative sums, laid end to end.
    """
    n_states, n_choices = cpt.shape
    cumulative = np.cumsum(cpt, axis=1)
    cumulative[:, -1] = 1.0
    ends = (cumulative + np.arange(n_states)[:, None]).ravel()
    chosen = np.searchsorted(ends, states + random_state.random_sample(states.shape[0]))
    # A draw of almost zero may be rounded into the end of the row before.
    return np.maximum(chosen - n_choices * states, 0)


def sample(
    circuit: Circuit, n_samples: int, n_features: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Draw rows from the circuit, exactly, by drawing each latent state and then its column.

    Returns
    -------
    (n_samples, n_features) float64
    """
    X = np.full((n_samples, n_features), np.nan)
    drawn = _choose(circuit.root_weights[None], np.zeros(n_samples, np.int64), random_state)
    tree_of_row, root_states = np.divmod(drawn, circuit.n_latents)
    tree_of = tree_of_region(circuit.parents)
    rows_of = [np.flatnonzero(tree_of_row == tree) for tree in range(len(circuit.roots))]
    states: dict[int, np.ndarray] = {}
    topdown, _ = levels_of(circuit.parents, from_leaves=False)
    for region in topdown:
        parent = circuit.parents[region]
        rows = rows_of[tree_of[region]]
        if parent < 0:
            states[region] = root_states[rows]
        else:
            states[region] = _choose(circuit.sum_weights[region], states[parent], random_state)
        distribution = circuit.inputs[region]
        columns = circuit.features[region]
        if isinstance(distribution, Gaussian):
            X[rows[:, None], columns] = distribution.sample(states[region], random_state)
        elif distribution is not None:
            chosen = _choose(distribution.probs.T, states[region], random_state)
            X[rows, columns[0]] = distribution.categories[chosen]
    return X
