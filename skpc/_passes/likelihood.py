"""Log-likelihoods of rows, and their mean, by upward passes over patterns."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse

from skpc._circuit.circuit import Circuit
from skpc._data.evidence import Evidence
from skpc._passes.blocks import DEFAULT_MAX_BYTES, pass_bytes, pattern_blocks, row_blocks
from skpc._passes.messages import Messages
from skpc._passes.patterns import build_patterns

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
    n_regions, n_latents = circuit.n_regions, circuit.n_latents
    out = np.empty(X.shape[0])
    bytes_per_row = pass_bytes(circuit, upward_only=True)
    for rows in row_blocks(X.shape[0], bytes_per_row, max_bytes):
        evidence = circuit.inputs.encode(X[rows])
        patterns = build_patterns(
            circuit.parents, evidence.dense_symbols, evidence.n_symbols, upward_only=True
        )
        messages = Messages(patterns.n_message_rows, n_regions, n_latents, keep_products=False)
        messages.upward(circuit, evidence, patterns)
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
        n_regions, n_latents = circuit.n_regions, circuit.n_latents
        self._total_weight = float(weights.sum())
        self._blocks = pattern_blocks(
            circuit.parents, evidence, weights, Messages.bytes_per_row(n_latents), max_bytes,
            upward_only=True,
        )  # fmt: skip
        n_message_rows = max(patterns.n_message_rows for _, _, patterns in self._blocks)
        self._messages = Messages(n_message_rows, n_regions, n_latents, keep_products=False)

    def __call__(self, circuit: Circuit) -> float:
        """The mean under `circuit`."""
        total = 0.0
        for _, evidence, patterns in self._blocks:
            self._messages.upward(circuit, evidence, patterns)
            log_likelihoods = self._messages.root_log_likelihoods(circuit, patterns)
            start = patterns.row_start[patterns.roots[0]]
            weights = patterns.weights[start : start + len(log_likelihoods)]
            total += float(np.sum(log_likelihoods * weights))
        return total / self._total_weight
