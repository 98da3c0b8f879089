"""Expected counts: what an E-step gathers, which adds over rows and over blocks of rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from skpc._kernels import messages as kernels
from skpc._threads import launch

_USUAL_WEIGHTS = 2.0**-30, 2.0**30  # whose flows are numbers in single precision too


@dataclass
class ExpectedCounts:
    """What an E-step gathers; sums are over rows, times their weights.

    Attributes
    ----------
    log_likelihood : float
        Sum of log p in nats.
    root : (n_roots * n_latents,)
        Expected counts of the roots' states.
    sums : (n_regions, n_latents, n_latents)
        Expected counts ``[c, k, j]`` of the edges of the sum nodes; zero at a root.
    inputs : list of arrays
        Sufficient statistics of the input distributions; see ``Inputs.summarize``.
    gate : (n_regions, n_latents) or None
        Sums of t_n = |P_c|^2 / S_c,k^2; the root's is in ``[roots[0], 0]``.
    root_moments, sum_moments : like `root` and `sums`, or None
        Sums of squared flows.
    """

    log_likelihood: float
    root: np.ndarray
    sums: np.ndarray
    inputs: list[np.ndarray]
    gate: np.ndarray | None = None
    root_moments: np.ndarray | None = None
    sum_moments: np.ndarray | None = None

    def scale(self, factor: float) -> None:
        """Multiply all counts."""
        self.inputs = [factor * part for part in self.inputs]
        for name, value in vars(self).items():
            if name != "inputs" and value is not None:
                setattr(self, name, factor * value)

    def move_towards(self, other: ExpectedCounts, step: float, factor: float = 1.0) -> None:
        """Replace these counts by (1 - step) of them and `step` of `factor` times the others."""
        launch(kernels.blend, len(self.sums), self.sums, other.sums, 1.0 - step, step * factor)
        self.inputs = [
            (1.0 - step) * a + step * factor * b
            for a, b in zip(self.inputs, other.inputs, strict=True)
        ]
        for name, value in vars(self).items():
            if name not in ("inputs", "sums") and value is not None:
                new = (1.0 - step) * value + step * factor * getattr(other, name)
                setattr(self, name, new)

    def add(self, other: ExpectedCounts) -> None:
        """Add the counts of other rows."""
        launch(kernels.blend, len(self.sums), self.sums, other.sums, 1.0, 1.0)
        self.inputs = [a + b for a, b in zip(self.inputs, other.inputs, strict=True)]
        for name, value in vars(other).items():
            if name not in ("inputs", "sums") and value is not None:
                setattr(self, name, getattr(self, name) + value)


def add_up(parts: Iterable[ExpectedCounts]) -> ExpectedCounts:
    """The expected counts of all rows from those of blocks of them."""
    blocks = iter(parts)
    total = next(blocks)
    for counts in blocks:
        total.add(counts)
    return total


def weight_unit(total: float, dtype: DTypeLike) -> float:
    """The power of two in which flows of so much weight are numbers of this type; mostly one."""
    is_usual = _USUAL_WEIGHTS[0] <= total <= _USUAL_WEIGHTS[1]
    if is_usual or np.dtype(dtype) != np.float32:
        return 1.0
    return float(2.0 ** np.frexp(total)[1])
