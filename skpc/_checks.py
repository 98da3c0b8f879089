"""Checks of values and arrays, how a message shows a value, and whom a warning is for.

Kernels read and write without looking at bounds. So whatever holds arrays makes sure, when it is
made and when it is read from a file, that they are of the dtype and the shapes that kernels expect.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from numbers import Integral
from types import FrameType
from typing import Any, TypeVar

import numpy as np

_Part = TypeVar("_Part")
_OURS = "skpc"
_BETWEEN = {_OURS, "sklearn", "joblib", "pickle", "skops"}  # us and whoever wrote a line for us
_WORKERS = {"concurrent", "multiprocessing", "threading", "runpy", "distributed"}


def shown(value: Any) -> str:
    """Like `repr`, with NumPy's scalars and arrays as the plain values that they hold."""
    return repr(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, np.longdouble):
        return float(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map(_plain, value))
    if type(value) is dict:
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Say of whatever goes wrong with the state of an object what it is, and what helps."""
    try:
        yield
    except Exception as error:  # a state from a file may be anything
        raise ValueError(
            f"This {what} cannot be read: {error} The file is damaged or was written by other "
            "code. Take another copy of it, or fit the model again."
        ) from error


def attributes(state: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The attributes of these names in the state of an object."""
    if not isinstance(state, dict):
        raise ValueError(f"its state must be a dict; got {type(state).__name__}.")
    for name in names:
        if name not in state:
            raise ValueError(f"it has no {name}.")
    return {name: state[name] for name in names}


def restored(kind: type[_Part], state: Any) -> _Part:
    """An instance of a dataclass from the dict of its attributes."""
    return kind(**attributes(state, tuple(field.name for field in fields(kind))))  # type: ignore[arg-type]


def is_fitted(estimator: Any, names: tuple[str, ...]) -> bool:
    """Whether an estimator has all that fit sets, of these names; ValueError if only a part."""
    missing = [name for name in names if name not in vars(estimator)]
    if 0 < len(missing) < len(names):
        raise ValueError(f"it has no {missing[0]}.")
    return not missing


def checked_array(values: Any, name: str, dtype: type, shape: tuple[int | None, ...]) -> np.ndarray:
    """The array itself, or if need be a copy that is contiguous and in native byte order.

    Parameters
    ----------
    values : array
    name : str
        What a message calls it.
    dtype : float, int or bool
        Numbers may be signed integers of any size where this is int.
    shape : tuple
        None is any length.

    Raises
    ------
    ValueError
        If it is no plain array of this kind and shape.
    """
    wanted = np.dtype(dtype)
    if type(values) not in (np.ndarray, np.memmap):
        raise ValueError(f"{name} must be an array of {wanted}; got {type(values).__name__}.")
    is_kind = values.dtype.kind == wanted.kind
    if not is_kind or (dtype is float and values.dtype.itemsize != wanted.itemsize):
        raise ValueError(f"{name} must be an array of {wanted}; got one of {values.dtype}.")
    lengths = zip(values.shape, shape, strict=False)
    if values.ndim != len(shape) or any(n not in (got, None) for got, n in lengths):
        asked = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must have shape ({asked}); got {values.shape}.")
    return np.require(values, wanted, ["C", "A"])


def check_finite(values: np.ndarray, name: str) -> None:
    """Raise ValueError if one of the numbers is NaN or infinite."""
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite; got {values[~np.isfinite(values)][0]}.")


def checked_n_samples(n_samples: Any, least: int = 1) -> int:
    """How many rows to draw, an argument of that name."""
    if not isinstance(n_samples, Integral) or n_samples < least:
        raise ValueError(f"n_samples must be an int of at least {least}; got {shown(n_samples)}.")
    return int(n_samples)


def level_of_caller() -> int:
    """The `stacklevel` of a warning: how far up the frame is whose line it should name.

    That is the first one of whoever called us, be it through scikit-learn and joblib. Workers do
    what others have asked for elsewhere: there it is the outermost of our own.
    """
    frame: FrameType | None = sys._getframe(1)
    level = own = 1
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package in _WORKERS:
            break
        if package not in _BETWEEN:
            return level
        if package == _OURS:
            own = level
        frame, level = frame.f_back, level + 1
    return own
