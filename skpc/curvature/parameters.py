"""Parameter vectors, and the weighted rows over which a mean is taken."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from skpc._circuit.circuit import Circuit
from skpc._data.evidence import Evidence
from skpc._data.powers_of_two import units_of
from skpc._threads import table_work


class ParameterVector:
    """How a circuit's parameters are laid out in one vector.

    Root weights, then the (K, K) matrices of the regions that are no roots, in their order
    and row-major; then, with `include_inputs`, ``circuit.inputs.probs``, row-major.
    """

    def __init__(self, circuit: Circuit, include_inputs: bool) -> None:
        probs = circuit.inputs.probs
        if include_inputs and not (probs > 0.0).all():
            raise ValueError(
                "include_inputs=True needs positive probabilities of all categories; the "
                f"smallest in circuit.inputs.probs is {probs.min()}. Raise it, or use "
                "include_inputs=False."
            )
        self.circuit, self.include_inputs = circuit, include_inputs
        self._inner = circuit.parents >= 0
        self._ends = np.cumsum(
            [len(circuit.root_weights), self._inner.sum() * circuit.n_latents**2]
        )
        self.size = int(self._ends[1]) + (probs.size if include_inputs else 0)

    def check(self, vector: Any, name: str) -> np.ndarray:
        """A vector (P,) or the columns of a matrix (P, m), as float64."""
        vector = np.asarray(vector, dtype=np.float64)
        if vector.ndim not in (1, 2) or vector.shape[0] != self.size:
            raise ValueError(
                f"{name} must have shape ({self.size},) or ({self.size}, m), one entry for each "
                f"parameter with include_inputs={self.include_inputs}; got {vector.shape}."
            )
        if not np.isfinite(vector).all():
            raise ValueError(f"{name} must be finite; it has NaN or infinite entries.")
        return vector

    def join(self, root: np.ndarray, sums: np.ndarray, probs: np.ndarray | None) -> np.ndarray:
        """The vector of these parts."""
        parts = [root, sums[self._inner].ravel()]
        if self.include_inputs:
            assert probs is not None
            parts.append(probs.ravel())
        return np.concatenate(parts)

    def split(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """The parts of a vector: root (n_roots * K,), sums (n_regions, K, K), probs (V, K)."""
        n_latents = self.circuit.n_latents
        root, inner, probs = np.split(vector, self._ends)
        sums = np.zeros_like(self.circuit.sum_weights)
        sums[self._inner] = inner.reshape(-1, n_latents, n_latents)
        return root.copy(), sums, probs.reshape(-1, n_latents) if self.include_inputs else None

    @property
    def values(self) -> np.ndarray:
        """The circuit's parameters (P,)."""
        circuit = self.circuit
        return self.join(circuit.root_weights, circuit.sum_weights, circuit.inputs.probs)

    def moved(self, step: np.ndarray) -> Circuit:
        """The circuit with this vector added to its parameters; roots' matrices stay."""
        circuit, old = self.circuit, self.circuit.inputs
        root, sums, probs = self.split(step)
        inputs = old if probs is None else old.replaced(probs=old.probs + probs)
        return circuit.replaced(
            root_weights=circuit.root_weights + root,
            sum_weights=circuit.sum_weights + sums,
            inputs=inputs,
        )

    def project(self, vector: np.ndarray) -> np.ndarray:
        """The part of a vector (P,) that leaves the sum of every distribution as it is."""
        root, sums, probs = self.split(vector)
        root = _centred(root[None])[0]
        sums = _centred(sums)
        if probs is not None:
            probs = probs.copy()
            for first, last in pairwise(self.circuit.inputs.start):
                probs[first:last] = _centred(probs[first:last].T).T
        return self.join(root, sums, probs)

    def by_symbol(self, probs: np.ndarray | None, evidence: Evidence) -> np.ndarray | None:
        """Lay something (V, K) of categories out by symbol, with zero for all that is constant."""
        if probs is None:
            return None
        table = np.zeros((int(evidence.n_symbols.sum()), probs.shape[1]))
        table[self.circuit.inputs.category_rows(evidence)] = probs
        return table

    def of_categories(self, symbols: np.ndarray, evidence: Evidence) -> np.ndarray | None:
        """The categories' part of something by symbol, over their probabilities."""
        if not self.include_inputs:
            return None
        inputs = self.circuit.inputs
        return symbols[inputs.category_rows(evidence)] / inputs.probs


def _centred(rows: np.ndarray) -> np.ndarray:
    """Rows less their means; exactly zero where only rounding is left."""
    if not rows.size:
        return rows
    centred = rows - rows.mean(axis=-1, keepdims=True)
    noise = 4 * rows.shape[-1] * np.finfo(float).eps * np.abs(rows).max(axis=-1, keepdims=True)
    return np.where(np.abs(centred).max(axis=-1, keepdims=True) <= noise, 0.0, centred)


def checked_rows(circuit: Circuit, X: Any, sample_weight: Any) -> tuple[Any, np.ndarray]:
    """The rows of X that have weight, as an array or sparse array, and their weights (n,)."""
    X = csr_array(X) if issparse(X) else np.asarray(X)
    n_features = circuit.n_features
    if X.ndim != 2 or X.shape[1] != n_features or not X.shape[0]:
        raise ValueError(
            f"X must have shape (n, {n_features}) with at least one row, for a circuit over "
            f"{n_features} columns; got {X.shape}."
        )
    if sample_weight is None:
        return X, np.ones(X.shape[0])
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (X.shape[0],):
        raise ValueError(
            f"sample_weight must have one entry for each of the {X.shape[0]} rows of X; got "
            f"shape {weights.shape}."
        )
    if not (np.isfinite(weights).all() and (weights >= 0.0).all() and weights.any()):
        raise ValueError(
            "sample_weight must be finite, not negative, and positive somewhere; got values "
            f"from {weights.min()} to {weights.max()}. Leave out rows that should not count."
        )
    weights = weights / units_of(weights.max())  # a mean does not mind
    return (X, weights) if weights.all() else (X[weights > 0.0], weights[weights > 0.0])


def weighted_evidence(circuit: Circuit, X: Any, sample_weight: Any) -> tuple[Evidence, np.ndarray]:
    """The distinct rows of X that have weight, and their summed weights."""
    X, weights = checked_rows(circuit, X, sample_weight)
    evidence, weights, _ = circuit.inputs.encode(X).distinct(weights)
    return evidence, weights


def work_of(circuit: Circuit, X: Any) -> int:
    """See `skpc._threads.use_threads`."""
    return table_work(int(np.prod(np.shape(X))), circuit.n_latents)
