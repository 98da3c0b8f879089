"""What a number is in each latent state: its moments, or a normal distribution on some scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Means and variances (n, n_latents) of a number, for each row and each latent state."""

    means: np.ndarray
    variances: np.ndarray


class OnNormalScale(NamedTuple):
    """A number on a scale on which each latent state makes it normal.

    Attributes
    ----------
    means, deviations : (n, n_latents)
        For each row; (1, n_latents) if they are the same for all.
    to_units : function
        Gives scores (n,), which are in the order of the numbers, in units of the column.
    """

    means: np.ndarray
    deviations: np.ndarray
    to_units: Callable[[np.ndarray], np.ndarray]
