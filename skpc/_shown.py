"""How messages show values."""

from __future__ import annotations

from typing import Any

import numpy as np


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
