"""Input distributions of which continuous columns are cut into cells, so that these are counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.base import InputDistribution
from skpc._data.column_sets import Interval
from skpc._queries.information import Counted
from skpc._queries.marginals import masses_between


@dataclass(frozen=True)
class CutColumns:
    """What `mutual_information` asks of an input distribution, cells in place of numbers.

    Attributes
    ----------
    distribution : InputDistribution
    edges : tuple of (n_edges,) or None
        Where each column is cut, ascending: a cell has its upper edge. None of one of categories.
    """

    distribution: InputDistribution
    edges: tuple[np.ndarray | None, ...]

    def _edges(self, entry: int) -> np.ndarray:
        edges = self.edges[entry]
        assert edges is not None
        return edges

    def categories_of(self, entry: int) -> np.ndarray | None:
        """The categories of a column, or the numbers of its cells."""
        edges = self.edges[entry]
        return (
            self.distribution.categories_of(entry) if edges is None else np.arange(len(edges) + 1.0)
        )

    def probabilities(self, entry: int) -> np.ndarray:
        """Probabilities (n_categories, n_latents) of a column's categories, or cells."""
        edges = self.edges[entry]
        if edges is None:
            return self.distribution.probabilities(entry)
        return _between(self.distribution.cdf(edges, entry))

    def joint_probabilities(self, entry: int) -> list[np.ndarray | None]:
        """Those of a column's and each other's, None of one that tells nothing given the state."""
        edges, n_columns = self.edges[entry], self.distribution.n_columns
        if edges is None:
            return self.distribution.joint_probabilities(entry)
        others = [i for i, cuts in enumerate(self.edges) if cuts is not None and i != entry]
        if not others:
            return [None] * n_columns
        found: dict[int, list[np.ndarray]] = {i: [] for i in others}
        for low, high in pairwise([-np.inf, *edges.tolist(), np.inf]):
            given = [Interval(low, high, False) if i == entry else None for i in range(n_columns)]
            left = self.distribution.restricted(given)
            places = {i: (part, k) for part in left.parts for k, i in enumerate(part.entries)}
            for i, cells in found.items():
                part, k = places[i]
                shares = _between(part.distribution.cdf(self._edges(i), k))
                cells.append(np.exp(left.log_masses) * shares)
        return [np.stack(found[i]) if i in found else None for i in range(n_columns)]


def _between(cumulated: np.ndarray) -> np.ndarray:
    """Probabilities (n + 1, K) of cells, none of which rounding makes negative."""
    return np.maximum(masses_between(cumulated), 0.0)


def with_cuts(circuit: Circuit, edges: Mapping[int, np.ndarray]) -> list[Counted]:
    """The inputs of a circuit, some of whose columns are cut at edges (n_edges,), by number."""
    inputs: list[Counted] = []
    for region, columns in enumerate(circuit.features):
        own = tuple(edges.get(column) for column in columns.tolist())
        distribution = circuit.inputs[region]
        is_cut = any(cuts is not None for cuts in own)
        inputs.append(CutColumns(distribution, own) if is_cut else distribution)
    return inputs
