"""Categories that have an order."""

from __future__ import annotations

import numpy as np


class Levels(np.ndarray):
    """Consecutive integers (n,), ascending: categories that have an order.

    Where a region has them for categories its distributions are binomial: a state takes
    ``levels[s]`` with the probability of s successes in n - 1 trials.
    """

    @classmethod
    def between(cls, lowest: float, highest: float) -> Levels:
        """The levels from the lowest to the highest, both included."""
        return np.arange(lowest, highest + 1.0).view(cls)
