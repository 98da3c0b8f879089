"""Soft clusters of rows, so that the trees of a mixture differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skpc._circuit.circuit import Circuit, random_circuit
from skpc._data.evidence import Evidence
from skpc._data.rows import Rows
from skpc._learning.em import EStep, fit_em
from skpc._learning.mstep import MStep
from skpc._learning.progress import Progress
from skpc._passes.blocks import Memory, pattern_blocks

_MAX_ITER = 50
_TOL = 1e-3


def soft_clusters(
    rows: Rows,
    n_clusters: int,
    random_state: np.random.RandomState,
    *,
    pseudocount: float,
    shrinkage: float,
    max_bytes: int,
) -> np.ndarray:
    """Probability that each row is of each cluster (n_clusters, n), columns summing to one.

    The clusters are the states of one latent variable that makes all columns independent: a
    circuit whose root observes nothing and has every column below it.

    Parameters
    ----------
    rows : Rows
        Distinct, one region per column.
    n_clusters : int
    random_state : RandomState
        Of the start of EM.
    pseudocount, shrinkage : float
        See `MStep` and `Start`.
    max_bytes : int
        Bound on the memory of messages.
    """
    n_columns = len(rows.scopes)
    parents = np.append(np.full(n_columns, n_columns), -1)
    rows = rows.grouped([*(np.array([j]) for j in range(n_columns)), np.empty(0, np.int64)])
    evidence, weights = rows.evidence, rows.weights
    circuit = random_circuit(parents, rows, n_clusters, random_state, shrinkage=shrinkage)
    e_step = EStep(circuit, evidence, weights, max_bytes=max_bytes)
    m_step = MStep(pseudocount=pseudocount)
    circuit = fit_em(circuit, Progress(circuit, tol=_TOL), e_step, m_step, _MAX_ITER).circuit
    logs = _joint_logs(circuit, evidence, max_bytes)
    shares = np.exp(logs - logs.max(axis=0))
    return shares / shares.sum(axis=0)


def _joint_logs(circuit: Circuit, evidence: Evidence, max_bytes: int) -> np.ndarray:
    """Log of the probability of each row and each state of the root (n_latents, n)."""
    logs = np.empty((circuit.n_latents, evidence.symbols.shape[1]))
    for block in pattern_blocks(circuit, evidence, None, Memory(max_bytes), upward_only=True):
        messages = block.after_upward(circuit, keep_products=False)
        rows, patterns = block.rows, block.patterns
        for state, weights_of_state in enumerate(np.diag(circuit.root_weights)):
            alone = replace(circuit, root_weights=weights_of_state)
            with np.errstate(divide="ignore"):  # a state may be too unlikely for a number
                of_patterns = messages.root_log_likelihoods(alone, patterns)
            logs[state, rows] = of_patterns[patterns.root_codes]
    return logs
