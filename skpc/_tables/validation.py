"""What every estimator checks of the tables and weights that it is given."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skpc._checks import level_of_caller
from skpc._data.powers_of_two import countable
from skpc._tables.cells import no_dates, refuse_time
from skpc._tables.column_types import column_name, refuse_lost
from skpc._tables.frames import collected, is_frame, names_of
from skpc._tables.near_misses import refuse_near_misses
from skpc._tables.numbers import EXACT_LIMIT, FLOAT, Numbers
from skpc._tables.sklearn_private import check_sample_weight

_SMALLEST_WEIGHT = 1e-100
_FEW_ROWS = 10.0
_FRACTION = 0.1
_asked: ContextVar[Any] = ContextVar("the estimator that a user has asked", default=None)


@contextmanager
def asked(estimator: Any) -> Iterator[None]:
    """Have messages on tables of queries name this estimator, not the one within that answers."""
    token = _asked.set(estimator)
    try:
        yield
    finally:
        _asked.reset(token)


def validate_table(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    accept_sparse: bool = True,
    may_be_empty: bool = False,
) -> Any:
    """Check names and number of columns, and cells if X is no frame."""
    if not reset and _asked.get() is not None:
        estimator = _asked.get()
    X = collected(X)
    refuse_near_misses(X)
    _refuse_namesakes(X)
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise ValueError(no_dates("all columns", X.dtype))
    _refuse_no_rows(X, may_be_empty, estimator)
    if is_frame(X):
        if X.shape[1]:
            validate_data(estimator, X, reset=reset, skip_check_array=True)
            return X
        check_array(
            np.empty(X.shape), estimator=estimator, ensure_min_samples=int(not may_be_empty)
        )
    try:
        table = validate_data(
            estimator,
            X,
            reset=reset,
            dtype="numeric",
            accept_sparse=["csr", "csc"] if accept_sparse else False,
            ensure_all_finite=False,
            ensure_min_samples=0 if may_be_empty else 1,
        )
        if table.dtype.kind == "O":  # of a list with None
            table = table.astype(np.float64)
    except (ValueError, TypeError) as error:
        _explain_cells(X, error)
        raise
    _explain_integers(X, table)
    return table


def _refuse_no_rows(X: Any, may_be_empty: bool, estimator: Any) -> None:
    """Raise a ValueError if a table with columns has no rows, unless it may."""
    shape: Any = getattr(X, "shape", ())
    if len(shape) == 2 and shape[1] and not shape[0] and not may_be_empty:
        raise ValueError(
            f"X has 0 rows, of {shape[1]} columns: {type(estimator).__name__} needs one at least."
        )


def _refuse_namesakes(X: Any) -> None:
    """Raise a ValueError if columns of a frame have the same name."""
    names = names_of(X) or ()
    if len(set(names)) < len(names):
        first = {name: j for j, name in reversed([*enumerate(names)])}
        j = next(j for j, name in enumerate(names) if first[name] < j)
        raise ValueError(
            f"X has the name of {column_name(names, j)} twice, at the positions {first[names[j]]} "
            f"and {j}. Give every column a name of its own."
        )


def check_weights(sample_weight: Any, X: Any, *, may_be_zero: bool = False) -> np.ndarray:
    """The weights (n,) of the rows of X, not negative; see `countable`.

    All must not be zero, or almost, unless `may_be_zero`: then they are zero.
    """
    nothing = np.zeros(X.shape[0])
    if may_be_zero and (not len(nothing) or _are_zeros(sample_weight)):
        return nothing
    weights = check_some_weights(sample_weight, X)
    if may_be_zero and weights.sum() < _SMALLEST_WEIGHT:
        return nothing
    check_total_weight(weights)
    return countable(weights)


def check_some_weights(sample_weight: Any, X: Any) -> np.ndarray:
    """The weights (n,) of some of the rows of a table, not negative."""
    weights: np.ndarray = check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weights < 0).any():
        i = int(np.argmax(weights < 0))
        raise ValueError(
            f"sample_weight must not be negative; got {weights[i]} in row {i}. Drop such "
            "rows, or give them weight zero."
        )
    return weights


def check_total_weight(weights: np.ndarray) -> None:
    """Raise ValueError if weights of rows, or of parts, sum to nothing or to too much."""
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


def _are_zeros(sample_weight: Any) -> bool:
    """Whether these are weights, and all of them zero, which scikit-learn would refuse."""
    given = np.asarray(sample_weight)
    return given.dtype.kind in "biuf" and not given.any()


def warn_of_light(weights: np.ndarray, n_rows: int | None = None) -> None:
    """Warn if weights that should count rows look like shares of them.

    Those of all rows, or of parts that have `n_rows` of them.
    """
    total = float(weights.sum())
    n_rows = int(np.count_nonzero(weights)) if n_rows is None else n_rows
    if total < min(_FEW_ROWS, _FRACTION * n_rows):
        warnings.warn(
            f"sample_weight sums to {total:.4g} over {n_rows} rows: weights count rows, so this "
            f"is learnt as if there were {total:.4g} of them, and penalties, pseudocounts and "
            f"shrinkage outweigh the data. Multiply sample_weight by {n_rows / total:.4g}, so "
            "that it sums to the number of rows.",
            UserWarning,
            stacklevel=level_of_caller(),
        )


@contextmanager
def named(what: str) -> Iterator[None]:
    """Say in a ValueError or TypeError what it is about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{what} cannot be used: {error}") from error


def _explain_cells(X: Any, error: Exception) -> None:
    """Raise a ValueError that names the first cell of an array that is not a number.

    Returns if there is none: then `error`, from the validation of X, is the best there is.
    """
    if isinstance(X, (list, tuple)) and all(isinstance(row, Sized) for row in X):
        widths = [len(row) for row in X]
        if len(set(widths)) > 1:
            i = next(i for i, width in enumerate(widths) if width != widths[0])
            raise ValueError(
                f"The rows of X are not of one length: row 0 has {widths[0]} cells and row {i} "
                f"has {widths[i]}. Mark what is missing with NaN."
            ) from error
    cells = np.asarray(X)
    if cells.ndim != 2 or cells.dtype.kind not in "OUS":
        return
    for (i, j), value in np.ndenumerate(cells):
        refuse_time(value, f"row {i}, column {j}", cells.dtype)
        if isinstance(value, (str, bytes)):
            try:
                float(value)
            except ValueError:
                raise ValueError(
                    f"X holds strings: could not convert string to float: {str(value)!r} in "
                    f"row {i}, column {j}. Pass a frame, whose columns of strings are read as "
                    "categories (in a Pipeline let the steps before give frames: "
                    ".set_output(transform='pandas')), or encode them as integers with "
                    "sklearn.preprocessing.OrdinalEncoder."
                ) from error


def _explain_integers(X: Any, table: Any) -> None:
    """Raise a ValueError if X has integers that its validated form, of floats, does not have."""
    if issparse(table) or table.dtype.kind != "f" or str(getattr(X, "dtype", "object")) != "object":
        return
    is_large = np.abs(table) >= EXACT_LIMIT
    if not is_large.any():
        return
    cells = np.asarray(X, dtype=object)
    for j in np.flatnonzero(is_large.any(axis=0)).tolist():
        large = cells[is_large[:, j], j]
        refuse_lost(Numbers(FLOAT), large, column_name(None, j))
