"""One distribution of many columns: categorical ones on a forest, and numeric ones beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.cells import Numeric
from skpc._circuit.inputs.composite import Composite
from skpc._circuit.inputs.forest import Forest
from skpc._circuit.inputs.table import Categorical
from skpc._data.margins import Margin


def of_tables(
    categories: Sequence[np.ndarray],
    parents: np.ndarray,
    tables: Sequence[np.ndarray],
    unseen: np.ndarray,
) -> InputDistribution:
    """Categorical columns: a table if there is one, or else a forest; see `Forest.of`."""
    if len(tables) == 1:
        return Categorical(categories[0], tables[0][0], unseen[0])
    return Forest.of(categories, parents, tables, unseen)


def of_numbers(
    means: np.ndarray, deviations: np.ndarray, margins: Sequence[Margin]
) -> list[InputDistribution]:
    """Numeric columns with means and deviations (n_latents, m) on their normal scale."""
    return [
        Numeric(mean.astype(np.float64), deviation.astype(np.float64), 0.0, margin)
        for mean, deviation, margin in zip(means.T, deviations.T, margins, strict=True)
    ]


def side_by_side(parts: Sequence[InputDistribution]) -> InputDistribution:
    """Distributions of different columns as one, independent given the state."""
    return parts[0] if len(parts) == 1 else Composite(tuple(parts))
