"""The distribution of one column under a circuit: a mixture over latent states, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import logsumexp, ndtr

from skpc._circuit.circuit import Circuit, latent_marginals
from skpc._circuit.inputs.base import InputDistribution, Moments
from skpc._data.bisection import generalised_inverse
from skpc._queries.posteriors import posteriors

_STEP, _REACH = 1 / 64, 8.0  # of a quadrature over normal quantiles
_ROUNDING = 1e-12  # of cumulated probabilities


@dataclass(frozen=True)
class Support:
    """What values a column has.

    Attributes
    ----------
    low, high : float
        Quantiles are between them, as draws are.
    points : (V,) or None
        All values, sorted, if these can be counted: categories, or levels of a lattice.
    atoms : (n_atoms,)
        Those values of another column that have a mass.
    """

    low: float
    high: float
    points: np.ndarray | None
    atoms: np.ndarray


class ColumnMixture:
    """The distribution of one column, for each of n rows of shares.

    Parameters
    ----------
    parts : sequence of (InputDistribution, int)
        Of each region that observes the column its distribution, and the position there.
    shares : (n, n_parts * n_latents)
        Probabilities of their states.
    support : Support
    """

    def __init__(
        self,
        parts: Sequence[tuple[InputDistribution, int]],
        shares: np.ndarray,
        support: Support,
    ) -> None:
        self.parts = parts
        self.shares = shares / shares.sum(axis=1, keepdims=True)
        self.support = support

    @classmethod
    def of(cls, circuit: Circuit, column: int, support: Support) -> ColumnMixture:
        """That of a column of a circuit: one row."""
        regions = regions_of(circuit, column)
        return cls(
            parts_of(circuit, regions, column), latent_marginals(circuit)[regions].reshape(1, -1),
            support,
        )  # fmt: skip

    @classmethod
    def given_rows(
        cls, circuit: Circuit, X: np.ndarray, column: int, support: Support
    ) -> ColumnMixture:
        """That given what each row X (n, n_features) shows: of columns in other regions alone."""
        regions = regions_of(circuit, column)
        shares = np.concatenate(list(posteriors(circuit, X, regions)), axis=1)
        return cls(parts_of(circuit, regions, column), shares, support)

    def _mixed(self, of_states: np.ndarray) -> np.ndarray:
        """What states have (n, m, K) mixed by the shares: (n, m)."""
        return np.asarray((of_states * self.shares[:, None]).sum(axis=-1))

    def _of_states(self, find: Any, values: np.ndarray) -> np.ndarray:
        """What a function of each part, its position and values (n * m,) gives (n, m, K)."""
        flat = np.ascontiguousarray(values).ravel()
        found = [find(part, entry, flat) for part, entry in self.parts]
        return np.concatenate(found, axis=-1).reshape(*values.shape, self.shares.shape[1])

    def cdf(self, values: np.ndarray) -> np.ndarray:
        """Probabilities (n, m) of being at most values (n, m)."""
        found = self._of_states(lambda part, entry, x: part.cdf(x, entry), values)
        return np.clip(self._mixed(found), 0.0, 1.0)

    def log_pdf(self, values: np.ndarray) -> np.ndarray:
        """Log densities (n, m), or log masses, of values (n, m), which are some of the column."""

        def log_prob(part: InputDistribution, entry: int, x: np.ndarray) -> np.ndarray:
            rows = np.full((len(x), part.n_columns), np.nan)
            rows[:, entry] = x
            return part.log_prob(rows)

        with np.errstate(divide="ignore"):
            log_shares = np.log(self.shares)[:, None]
        return np.asarray(logsumexp(self._of_states(log_prob, values) + log_shares, axis=-1))

    @cached_property
    def masses(self) -> np.ndarray:
        """Probabilities (n, V) of the points of the support: the ends have what is beyond."""
        points = self.support.points
        assert points is not None
        below = self.cdf(np.broadcast_to(points[:-1], (len(self.shares), len(points) - 1)))
        ends = np.ones((len(self.shares), 1))
        return np.diff(np.hstack([below, ends]), axis=1, prepend=0.0)

    def quantile(self, levels: np.ndarray) -> np.ndarray:
        """The least values (n, m) of the support whose cdf reaches levels (m,)."""
        support = self.support
        shape = len(self.shares), len(levels)
        if support.points is None:
            wanted = np.broadcast_to(levels, shape)
            return generalised_inverse(self.cdf, wanted, support.low, support.high)
        cumulated = np.cumsum(self.masses, axis=1)
        wanted = np.clip(levels, _ROUNDING, 1.0) - 0.5 * _ROUNDING
        places = (cumulated[:, None] < wanted[:, None]).sum(axis=-1)
        return np.asarray(support.points[np.minimum(places, len(support.points) - 1)])

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles (n, t) for sums over the distribution, and their masses (t,)."""
        normals = np.arange(-_REACH, _REACH + 0.5 * _STEP, _STEP)
        masses = np.exp(-0.5 * normals**2)
        return self.quantile(ndtr(normals)), masses / masses.sum()

    @cached_property
    def moments(self) -> Moments:
        """Means and variances (n,): exact of points, by quadrature otherwise."""
        if self.support.points is None:
            return self._moments_of_states()
        values, masses = self.support.points[None], self.masses
        means = (values * masses).sum(axis=1)
        return Moments(means, (np.square(values - means[:, None]) * masses).sum(axis=1))

    def _moments_of_states(self) -> Moments:
        """The same from moments of each state."""
        nothing = [np.full((1, part.n_columns), np.nan) for part, _ in self.parts]
        found = [
            part.conditional(row, entry)
            for (part, entry), row in zip(self.parts, nothing, strict=True)
        ]
        means, variances = (np.concatenate(one, axis=1) for one in zip(*found, strict=True))
        mean = (self.shares * means).sum(axis=1)
        spread = np.square(means - mean[:, None])
        return Moments(mean, (self.shares * (variances + spread)).sum(axis=1))

    def entropy(self) -> np.ndarray:
        """Entropies (n,) in nats, differential ones of densities: exact of points."""
        if self.support.points is not None:
            return _entropy(self.masses)
        atoms = np.broadcast_to(self.support.atoms, (len(self.shares), len(self.support.atoms)))
        masses = self.atom_masses
        nodes, weights = self._nodes
        weights = np.where(np.isin(nodes, atoms), 0.0, weights)
        with np.errstate(invalid="ignore"):
            mean = (weights * -self.log_pdf(nodes)).sum(axis=1) / weights.sum(axis=1)
        rest = 1.0 - masses.sum(axis=1)
        return _entropy(masses) + np.where(rest > _ROUNDING, rest * mean, 0.0)

    @cached_property
    def atom_masses(self) -> np.ndarray:
        """Masses (n, n_atoms) of the atoms of the support."""
        atoms = self.support.atoms
        if not len(atoms):
            return np.zeros((len(self.shares), 0))
        return np.exp(self.log_pdf(np.broadcast_to(atoms, (len(self.shares), len(atoms)))))

    def mode(self) -> np.ndarray:
        """The most probable points (n,), or atoms if they have most of the mass, or the densest."""
        support = self.support
        if support.points is not None:
            return np.asarray(support.points[self.masses.argmax(axis=1)])
        nodes, _ = self._nodes
        for _ in range(4):  # closer to the densest of them
            places = self._density(nodes).argmax(axis=1)
            rows = np.arange(len(nodes))
            first = nodes[rows, np.maximum(places - 1, 0)]
            last = nodes[rows, np.minimum(places + 1, nodes.shape[1] - 1)]
            best = nodes[rows, places]
            nodes = first[:, None] + (last - first)[:, None] * np.linspace(0.0, 1.0, 65)
        if len(support.atoms):
            masses = self.atom_masses
            heaviest = support.atoms[masses.argmax(axis=1)]
            best = np.where(masses.sum(axis=1) > 0.5, heaviest, best)
        return best

    def _density(self, values: np.ndarray) -> np.ndarray:
        """Log densities of values (n, m), minus infinity of atoms."""
        return np.where(np.isin(values, self.support.atoms), -np.inf, self.log_pdf(values))


def regions_of(circuit: Circuit, column: int) -> list[int]:
    """The regions that observe a column, one in each tree."""
    return [region for region, columns in enumerate(circuit.features) if column in columns]


def parts_of(
    circuit: Circuit, regions: Sequence[int], column: int
) -> list[tuple[InputDistribution, int]]:
    """The distribution of each region, and the position of a column there."""
    return [
        (circuit.inputs[region], circuit.features[region].tolist().index(column))
        for region in regions
    ]


def _entropy(masses: np.ndarray) -> np.ndarray:
    """Entropy (n,) of masses (n, V) in nats."""
    logs = np.log(np.where(masses > 0.0, masses, 1.0))
    return np.asarray(-(masses * logs).sum(axis=1))
