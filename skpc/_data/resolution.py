"""How narrow a normal distribution may be if values with a mass count as points."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

_MOST_EXCESS = 0.01  # of the sum of all masses above one
_N_SCORES, _HALVINGS = 1024, 40


def even_scores() -> np.ndarray:
    """Many normal scores (n,), each for as much of the probability."""
    return ndtri((np.arange(_N_SCORES) + 0.5) / _N_SCORES)


def least_deviation(widths: np.ndarray) -> float:
    """The least deviation at which normal densities times widths sum to nearly one.

    Parameters
    ----------
    widths : (n,)
        Of the cells of values, on the normal scale, each for as much of the probability; 0 of a
        value that has a density.

    Returns
    -------
    float
        At which the sum over the cells around any mean is above one by a hundredth on average: 0
        if there are no cells.
    """
    cells = widths[widths > 0.0]
    if not len(cells):
        return 0.0
    low, high = 0.0, float(cells.max())
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        ratio = middle / cells
        # The sum over a lattice by Poisson's formula, and of the one point that has it all.
        excess = 2.0 * np.exp(-2.0 * np.pi**2 * ratio**2)
        excess = np.maximum(excess, 1.0 / (np.sqrt(2.0 * np.pi) * ratio) - 1.0)
        if excess.sum() > _MOST_EXCESS * len(widths):
            low = middle
        else:
            high = middle
    return high
