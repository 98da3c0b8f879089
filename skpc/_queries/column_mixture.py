"""The distribution of one column under a circuit: a mixture over latent states, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import logsumexp, ndtr

from skpc._circuit.circuit import Circuit, latent_marginals
from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.moments import Moments
from skpc._data.bisection import generalised_inverse
from skpc._data.column_sets import Interval
from skpc._data.margins import Margin
from skpc._queries.marginals import entry_of, regions_of
from skpc._queries.posteriors import posteriors

_REACH, _PANELS, _PANEL_NODES = 6.0, 72, 8  # of quadratures between normal quantiles
_ROUNDING = 1e-12  # of cumulated probabilities
_LARGEST_VALUE = 1e150  # that a column may have


@dataclass(frozen=True)
class Support:
    """What values a column has.

    Attributes
    ----------
    bounds : Interval
        What evidence leaves.
    low, high : float
        Quantiles and moments are of values brought between them, as draws are.
    points : (V,) or None
        All values, sorted, if these can be counted: categories, or levels of a lattice.
    atoms : (n_atoms,)
        Those values of another column that have a mass.
    margin : Margin or None, default=None
        Of a numeric column: which values are on its lattice, if there is one.
    """

    bounds: Interval
    low: float
    high: float
    points: np.ndarray | None
    atoms: np.ndarray
    margin: Margin | None = None

    def on_lattice(self, values: np.ndarray) -> np.ndarray:
        """Values (n,) as the column can have them: searches end beside a level, not on it."""
        return values if self.margin is None else self.margin.nearest_levels(values, self.bounds)


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

    def _of_states(self, find: Any, values: np.ndarray) -> np.ndarray:
        """What a function of each part, its position and values (k,) gives: (k, K) of all parts."""
        return np.concatenate([find(part, entry, values) for part, entry in self.parts], axis=-1)

    def _cdf(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Probabilities (k,) of being at most values (k,), each for one of the rows (k,)."""
        found = self._of_states(lambda part, entry, x: part.cdf(x, entry), values)
        return np.clip((found * self.shares[rows]).sum(axis=-1), 0.0, 1.0)

    def cdf(self, values: np.ndarray) -> np.ndarray:
        """Probabilities (n, m) of being at most values (n, m)."""
        rows = np.repeat(np.arange(len(values)), values.shape[1])
        return self._cdf(np.ascontiguousarray(values).ravel(), rows).reshape(values.shape)

    def log_pdf(self, values: np.ndarray) -> np.ndarray:
        """Log densities (n, m), or log masses, of values (n, m), which are some of the column."""
        flat = np.ascontiguousarray(values).ravel()
        found = self._of_states(lambda part, entry, x: part.column_log_prob(x, entry), flat)
        with np.errstate(divide="ignore"):
            log_shares = np.repeat(np.log(self.shares), values.shape[1], axis=0)
        return np.asarray(logsumexp(found + log_shares, axis=-1)).reshape(values.shape)

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
        if support.points is None:
            found = self._inverse(levels, support.low, support.high)
            # Where nothing bounds the column, rounding would.
            if np.isinf(support.low):
                found[:, levels <= 0.0] = -np.inf
            if np.isinf(support.high):
                found[:, levels >= 1.0] = np.inf
            return support.on_lattice(found)
        cumulated = np.cumsum(self.masses, axis=1)
        wanted = np.clip(levels, _ROUNDING, 1.0) - 0.5 * _ROUNDING
        places = (cumulated[:, None] < wanted[:, None]).sum(axis=-1)
        return np.asarray(support.points[np.minimum(places, len(support.points) - 1)])

    def _inverse(self, levels: np.ndarray, low: float, high: float) -> np.ndarray:
        """The least values (n, m) between bounds at which the cdf reaches levels (m,)."""
        row_of = np.repeat(np.arange(len(self.shares)), len(levels))
        found = generalised_inverse(
            lambda values, places: self._cdf(values, row_of[places]),
            np.tile(levels, len(self.shares)),
            max(low, -_LARGEST_VALUE),
            min(high, _LARGEST_VALUE),
        )
        return found.reshape(-1, len(levels))

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Values (n, t) between quantiles, and lengths (n, t) for which each of them stands.

        Gauss and Legendre's from each of many quantiles to the next, also beyond what is drawn.
        """
        levels, bounds = ndtr(np.linspace(-_REACH, _REACH, _PANELS + 1)), self.support.bounds
        ends = self._inverse(levels, bounds.low, bounds.high)
        halves = 0.5 * np.diff(ends, axis=1)[:, :, None]
        places, weights = np.polynomial.legendre.leggauss(_PANEL_NODES)
        values = ends[:, :-1, None] + halves * (1.0 + places)
        return values.reshape(len(ends), -1), (halves * weights).reshape(len(ends), -1)

    @cached_property
    def _node_masses(self) -> np.ndarray:
        """What nodes (n, t) stand for of the probability that no atoms have."""
        values, lengths = self._nodes
        masses = np.exp(self.log_pdf(values)) * lengths
        return np.where(np.isin(values, self.support.atoms), 0.0, masses)

    @cached_property
    def moments(self) -> Moments:
        """Means and variances (n,): exact of points, by quadrature otherwise."""
        if self.support.points is not None:
            return _moments(self.support.points[None], self.masses)
        try:
            return self._moments_of_states()
        except NotImplementedError:  # evidence leaves several values
            values, _ = self._nodes
        atoms = np.broadcast_to(self.support.atoms, self.atom_masses.shape)
        every = np.clip(np.hstack([atoms, values]), self.support.low, self.support.high)
        return _moments(every, np.hstack([self.atom_masses, self._node_masses]))

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
        masses, (values, _) = self._node_masses, self._nodes
        bounds = self.support.bounds
        if not masses.any() and not self.atom_masses.any():  # too narrow for nodes: even
            return np.full(len(masses), np.log(bounds.high - bounds.low))
        log_density = np.where(masses > 0.0, self.log_pdf(values), 0.0)
        return _entropy(self.atom_masses) - (masses * log_density).sum(axis=1)

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
            # Not the masses: the ends of a lattice have what is beyond, as values are drawn.
            each = self.log_pdf(np.tile(support.points, (len(self.shares), 1)))
            return np.asarray(support.points[each.argmax(axis=1)])
        nodes = np.clip(self._nodes[0], support.low, support.high)
        for _ in range(5):  # closer to the densest of them
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
        return support.on_lattice(best)

    def _density(self, values: np.ndarray) -> np.ndarray:
        """Log densities of values (n, m), minus infinity of atoms."""
        return np.where(np.isin(values, self.support.atoms), -np.inf, self.log_pdf(values))


def parts_of(
    circuit: Circuit, regions: Sequence[int], column: int
) -> list[tuple[InputDistribution, int]]:
    """The distribution of each region, and the position of a column there."""
    return [(circuit.inputs[region], entry_of(circuit, region, column)) for region in regions]


def _moments(values: np.ndarray, masses: np.ndarray) -> Moments:
    """Mean and variance (n,) of values (n, V) with these masses, which sum to about one."""
    totals = masses.sum(axis=1, keepdims=True)
    # Values too close together for lengths between them are all the same to doubles.
    masses = np.where(totals > 0.0, masses, 1.0)
    masses = masses / masses.sum(axis=1, keepdims=True)
    mean = (values * masses).sum(axis=1)
    mean = np.clip(mean, values.min(axis=1), values.max(axis=1))
    return Moments(mean, (np.square(values - mean[:, None]) * masses).sum(axis=1))


def _entropy(masses: np.ndarray) -> np.ndarray:
    """Entropy (n,) of masses (n, V) in nats."""
    logs = np.log(np.where(masses > 0.0, masses, 1.0))
    return np.asarray(-(masses * logs).sum(axis=1))
