"""What public functions of circuits check of their arguments."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from skpc._checks import shown
from skpc._circuit.circuit import Circuit


def check_circuit(circuit: Any, name: str = "circuit") -> None:
    """Raise ValueError unless that is a circuit."""
    if not isinstance(circuit, Circuit):
        raise ValueError(
            f"{name} must be a Circuit, such as a fitted estimator's circuit_; got a "
            f"{type(circuit).__name__}."
        )


def checked_matrix(circuit: Circuit, X: Any, name: str = "X") -> Any:
    """The matrix as an array or sparse array of numbers with the circuit's columns."""
    check_circuit(circuit)
    try:
        X = csr_array(X) if issparse(X) else np.asarray(X)
    except ValueError as error:
        raise ValueError(f"{name} must be a matrix of numbers: {error}") from None
    if X.dtype.kind not in "biuf":
        try:
            if X.dtype.kind != "O":
                raise TypeError
            X = X.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} must be a matrix of numbers, as the circuit's inputs know values; got "
                f"one of {X.dtype}. An estimator's methods take tables with labels."
            ) from None
    if X.ndim != 2 or X.shape[1] != circuit.n_features or not X.shape[0]:
        raise ValueError(
            f"{name} must have shape (n, {circuit.n_features}) with at least one row, for a "
            f"circuit over {circuit.n_features} columns; got {X.shape}."
        )
    values = X.data if issparse(X) else X
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise ValueError(
            f"{name} must be finite, or NaN where a value is missing; got "
            f"{shown(values[np.isinf(values)][0])}. Replace it."
        )
    return X


def numbers_below(given: Any, name: str, limit: int, what: str) -> np.ndarray:
    """Distinct integers from 0 to below a limit, at least one."""
    values = np.asarray(given)
    if values.ndim != 1 or not values.size or values.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, at least one; got {shown(given)}.")
    is_off = (values < 0) | (values >= limit)
    if is_off.any():
        raise ValueError(
            f"{name} must be below the number of {what}, {limit}, and not negative; got "
            f"{shown(values[is_off][0])}."
        )
    if len(np.unique(values)) < len(values):
        raise ValueError(f"{name} must be distinct; got {shown(given)}.")
    return values.astype(np.int64)


def checked_generator(random_state: Any) -> np.random.RandomState:
    """The generator that draws."""
    if isinstance(random_state, np.random.RandomState):
        return random_state
    is_seed = isinstance(random_state, Integral) and not isinstance(random_state, bool)
    if random_state is not None and not (is_seed and 0 <= random_state < 2**32):
        raise ValueError(
            "random_state must be an integer from 0 to 2**32 - 1, a RandomState or None; got "
            f"{shown(random_state)}."
        )
    return np.random.RandomState(random_state)
