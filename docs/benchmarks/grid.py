"""A walk along a grid of penalties, shared by the benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

Fitted = TypeVar("Fitted")


def climb(
    mus: Sequence[float], fit: Callable[[float], Fitted], score: Callable[[Fitted], float]
) -> tuple[float, Fitted]:
    """The best of these penalties and its fit, tried in turn until two in a row are worse."""
    fits: list[Fitted] = []
    scores: list[float] = []
    best = 0
    while len(fits) < len(mus) and best >= len(fits) - 2:
        fits.append(fit(mus[len(fits)]))
        scores.append(score(fits[-1]))
        best = int(np.argmax(scores))
    return mus[best], fits[best]
