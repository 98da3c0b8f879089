"""Questions to a circuit beyond the likelihood: so far, sampling."""

from __future__ import annotations

import numpy as np

from skpc._circuit import Circuit
from skpc._tree import levels_of


def _choose(probs: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
    """Draw one index from each row of `probs` (n, m), whose rows sum to one."""
    cumulative = np.cumsum(probs, axis=1)
    # Scaled by the last entry, which rounding may leave just below one.
    threshold = random_state.random_sample(probs.shape[0]) * cumulative[:, -1]
    return np.argmax(cumulative > threshold[:, None], axis=1)


def sample(
    circuit: Circuit, n_samples: int, n_features: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Draw rows from the circuit, exactly, by drawing each latent state and then its column.

    Returns
    -------
    (n_samples, n_features) float64
    """
    X = np.full((n_samples, n_features), np.nan)
    states = np.empty((circuit.n_regions, n_samples), np.int64)
    topdown, _ = levels_of(circuit.parents, from_leaves=False)
    for region in topdown:
        parent = circuit.parents[region]
        if parent < 0:
            probs = np.broadcast_to(circuit.root_weights, (n_samples, circuit.n_latents))
        else:
            probs = circuit.sum_weights[region][states[parent]]
        states[region] = _choose(probs, random_state)
        distribution = circuit.inputs[region]
        if distribution is not None:
            chosen = _choose(distribution.probs.T[states[region]], random_state)
            X[:, circuit.features[region][0]] = distribution.categories[chosen]
    return X
