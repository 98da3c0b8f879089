"""What every estimator checks of the tables and weights that it is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from skpc._columns import explain_strings, frame_module, no_dates
from skpc._sklearn import check_sample_weight

_SMALLEST_WEIGHT = 1e-100


def validate_table(estimator: Any, X: Any, *, reset: bool, accept_sparse: bool = True) -> Any:
    """Check names and number of columns, and cells if X is no frame."""
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise ValueError(no_dates("all columns", X.dtype))
    if frame_module(X) is not None:
        if min(X.shape) > 0:
            validate_data(estimator, X, reset=reset, skip_check_array=True)
            return X
        X = np.empty(X.shape)  # whose emptiness is explained better
    try:
        return validate_data(
            estimator,
            X,
            reset=reset,
            dtype="numeric",
            accept_sparse=["csr", "csc"] if accept_sparse else False,
            ensure_all_finite=False,
        )
    except ValueError as error:
        explain_strings(X, error)
        raise


def check_weights(sample_weight: Any, X: Any) -> np.ndarray:
    """The weights (n,) of the rows of X, not negative and not all zero."""
    weights = check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weights < 0).any():
        i = int(np.argmax(weights < 0))
        raise ValueError(
            f"sample_weight must not be negative; got {weights[i]} in row {i}. Drop such "
            "rows, or give them weight zero."
        )
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not np.isfinite(total):
        raise ValueError(
            f"sample_weight must have a finite sum; got values up to {weights.max()}. Divide "
            "them by the largest."
        )
    if total < _SMALLEST_WEIGHT:
        raise ValueError(
            "sample_weight is zero in every row, or almost: at least one row needs a positive "
            f"weight, and all together {_SMALLEST_WEIGHT}; got {total}."
        )
    return weights


@contextmanager
def named(what: str) -> Iterator[None]:
    """Say in a ValueError or TypeError what it is about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{what} cannot be used: {error}") from error
