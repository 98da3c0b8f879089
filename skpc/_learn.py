"""Learning a circuit from a matrix: evidence, structure, and EM from one or several starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from skpc._circuit import Circuit
from skpc._em import EMResult, EStep, fit_em
from skpc._evidence import encode
from skpc._mstep import MStep
from skpc._patterns import distinct_rows
from skpc._starts import draw_starts
from skpc._structure import Structure


def learn_circuit(
    X: Any,
    categories: Sequence[np.ndarray | None],
    weights: np.ndarray,
    m_step: MStep,
    *,
    start: Circuit | None,
    structure: Structure,
    n_latents: int,
    n_init: int,
    shrinkage: float,
    random_state: np.random.RandomState,
    max_iter: int,
    tol: float,
    max_bytes: int,
    dtype: np.dtype,
    on_iteration: Callable[[int, float], None] | None = None,
) -> EMResult:
    """Learn structure and parameters; of several starts keep the most likely.

    Parameters
    ----------
    X : (n, n_features) array or sparse matrix, NaN missing
    categories : per column, its sorted categories, or None if it is continuous
    weights : (n,) positive
    m_step : MStep
    start : Circuit or None
        Where to go on from, with its structure; None learns the structure and draws
        `n_init` starts.
    structure : Structure
    n_latents, n_init, shrinkage, random_state : see `SharpPCDensity`
    max_iter, tol, on_iteration : see `fit_em`
    max_bytes : int
        Bound on the memory of messages.
    dtype : float64 or float32
        Of the messages.
    """
    evidence = encode(X, [np.array([j]) for j in range(X.shape[1])], categories)
    symbols, weights = distinct_rows(evidence.symbols, evidence.n_symbols, weights)
    evidence = evidence.with_symbols(symbols)
    new_e_step = partial(
        EStep,
        with_gate=m_step.needs_gate,
        with_moments=m_step.needs_moments,
        max_bytes=max_bytes,
        dtype=dtype,
    )
    starts = [start] if start is not None else draw_starts(
        evidence, weights, categories, structure, m_step, new_e_step, n_latents=n_latents,
        n_init=n_init, shrinkage=shrinkage, random_state=random_state, max_bytes=max_bytes,
    )  # fmt: skip
    evidence = evidence.grouped(starts[0].features)
    e_step = new_e_step(starts[0], evidence, weights)
    results = [
        fit_em(circuit, e_step, m_step, max_iter=max_iter, tol=tol, on_iteration=on_iteration)
        for circuit in starts
    ]
    return max(results, key=lambda result: result.log_likelihoods[-1])
