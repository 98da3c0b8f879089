"""Where the randomness of an answer comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skpc._checks import shown


def checked_random_state(random_state: Any) -> np.random.RandomState:
    """NumPy's RandomState of an argument of that name; ValueError if there is none of it."""
    try:
        return check_random_state(random_state)
    except ValueError:
        raise ValueError(
            "random_state must be None, an int from 0 to 4294967295 or a numpy.random.RandomState; "
            f"got {shown(random_state)}. Of a Generator take generator.integers(2**32)."
        ) from None
