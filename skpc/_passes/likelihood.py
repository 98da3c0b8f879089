"""Log-likelihoods of rows, and their mean, by upward passes over patterns."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse

from skpc._circuit.circuit import Circuit
from skpc._data.evidence import Evidence
from skpc._passes.blocks import DEFAULT_MAX_BYTES, Memory, pattern_blocks
from skpc._passes.messages import Messages

_ROUNDING = 1e-6  # of a log-likelihood, at most


def log_likelihood(
    circuit: Circuit, X: np.ndarray, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Exact log-likelihood of what is observed in each row, in nats.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features)
        NaN is missing: it is summed out.
    max_bytes : int
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    (n,) float64
    """
    out = np.empty(X.shape[0])
    for block in pattern_blocks(circuit, X, memory=Memory(max_bytes), upward_only=True):
        messages = block.after_upward(circuit, keep_products=False)
        rows, patterns = block.rows, block.patterns
        out[rows] = messages.root_log_likelihoods(circuit, patterns)[patterns.root_codes]
        if not issparse(X) and X.dtype.kind == "f":
            # Zero, not only to rounding, where nothing is observed.
            near = rows.start + np.flatnonzero(np.abs(out[rows]) < _ROUNDING)
            out[near[np.isnan(X[near]).all(axis=1)]] = 0.0
    return out


class MeanLogLikelihood:
    """Mean log-likelihood of weighted rows under any circuit of one structure, in nats.

    Their patterns are found once; a call is one upward pass.

    Parameters
    ----------
    circuit : Circuit
        Only its structure, its number of states and its encoding are used.
    evidence : Evidence
        Of distinct rows; see `skpc._data.distinct.distinct_rows`.
    weights : (n,)
    max_bytes : int
        Rows are taken in blocks so that messages fit.
    """

    def __init__(
        self,
        circuit: Circuit,
        evidence: Evidence,
        weights: np.ndarray,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        self._total_weight = float(weights.sum())
        self._n_rows = len(weights)
        self._blocks = list(
            pattern_blocks(circuit, evidence, weights, Memory(max_bytes), upward_only=True)
        )
        self._messages = Messages(circuit.n_regions, circuit.n_latents, keep_products=False)

    def __call__(self, circuit: Circuit) -> float:
        """The mean under `circuit`."""
        total = 0.0
        for _, evidence, patterns in self._blocks:
            self._messages.upward(circuit, evidence, patterns)
            log_likelihoods = self._messages.root_log_likelihoods(circuit, patterns)
            weights = patterns.weights[patterns.message_rows(patterns.roots[0])]
            total += float(np.sum(log_likelihoods * weights))
        return total / self._total_weight

    def of_rows(self, circuit: Circuit) -> np.ndarray:
        """The log-likelihood (n,) of each row under `circuit`."""
        out = np.empty(self._n_rows)
        for rows, evidence, patterns in self._blocks:
            self._messages.upward(circuit, evidence, patterns)
            log_likelihoods = self._messages.root_log_likelihoods(circuit, patterns)
            out[rows] = log_likelihoods[patterns.root_codes]
        return out
