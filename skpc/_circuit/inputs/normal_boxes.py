"""Normal vectors of which each entry is in some pieces: weighted nodes, in Genz's way.

The first entry is placed at quantiles within its pieces, the next at quantiles within its own given
the first, and so on; the product of their masses is the weight of a node (Genz, 1992). The first
of all costs one dimension of a quadrature less: one entry alone has its mass exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from skpc._circuit.inputs.normal_pieces import Pieces, log_mass, place

_MOST_GAUSS = 2
_MOST_CHOICES = 64


class Fineness(NamedTuple):
    """How many nodes: along a line, along each side of a square, and of a lattice."""

    line: int
    side: int
    lattice: int


FINE, COARSE = Fineness(128, 64, 2**12), Fineness(64, 24, 2**10)


class Nodes(NamedTuple):
    """Where vectors are placed, and what that weighs.

    Attributes
    ----------
    log_weights : (..., N)
        They sum to the mass of the pieces.
    deviates : (..., N, e)
        Independent standard normal deviates that make the entries, after Cholesky.
    """

    log_weights: np.ndarray
    deviates: np.ndarray

    @property
    def log_total(self) -> np.ndarray:
        """Log mass (...,) of all pieces."""
        return np.asarray(logsumexp(self.log_weights, axis=-1))

    def conditional(self, means: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means (..., N) and deviations (..., 1) of the entry that comes next."""
        entry = self.deviates.shape[-1]
        shift = (self.deviates * factors[..., None, entry, :entry]).sum(axis=-1)
        return means[..., None, entry] + shift, factors[..., None, entry, entry]


def levels_of_nodes(n_entries: int, fineness: Fineness = FINE) -> tuple[np.ndarray, np.ndarray]:
    """Levels (N, n_entries) at which entries are placed, and the log shares (N,) of nodes.

    Of one or two entries those of Gauss and Legendre; of more, a lattice, folded so that functions
    on it are periodic.
    """
    if not n_entries:
        return np.zeros((1, 0)), np.zeros(1)
    if n_entries > _MOST_GAUSS:
        n_nodes = fineness.lattice
        return folded(lattice(n_entries, n_nodes)), np.full(n_nodes, -np.log(n_nodes))
    places, weights = np.polynomial.legendre.leggauss(fineness[n_entries - 1])
    grid = np.meshgrid(*[0.5 * (1.0 + places)] * n_entries, indexing="ij")
    shares = np.meshgrid(*[np.log(0.5 * weights)] * n_entries, indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, n_entries), np.sum(shares, axis=0).ravel()


def lattice(n_entries: int, n_nodes: int) -> np.ndarray:
    """Points (n_nodes, n_entries) that fill the unit cube evenly.

    Multiples of powers of the root of x^(d+1) = x + 1: of the golden ratio in two dimensions.
    """
    steps = np.array([1.0 / n_nodes])
    if n_entries > 1:
        root = 2.0
        for _ in range(64):
            root = (1.0 + root) ** (1.0 / (n_entries + 1.0))
        steps = root ** -np.arange(1.0, n_entries + 1.0)
    return (np.arange(n_nodes)[:, None] * steps + 0.5 / n_nodes) % 1.0


def folded(points: np.ndarray) -> np.ndarray:
    """Points of the unit cube under the tent map."""
    return 1.0 - np.abs(2.0 * points - 1.0)


def nodes(
    pieces: Sequence[Pieces],
    means: np.ndarray,
    factors: np.ndarray,
    levels: np.ndarray,
    log_shares: np.ndarray,
) -> Nodes:
    """Nodes of vectors whose first entries are in pieces.

    Parameters
    ----------
    pieces : sequence of e Pieces
    means : (..., at least e)
    factors : (..., at least e, at least e)
        Cholesky factors of covariances.
    levels : (..., N, e)
    log_shares : (N,)
        Weights of the levels.
    """
    shape = (*means.shape[:-1], len(log_shares))
    found = Nodes(np.broadcast_to(log_shares, shape), np.zeros((*shape, 0)))
    for entry, own in enumerate(pieces):
        centres, deviations = found.conditional(means, factors)
        deviations = np.broadcast_to(deviations, shape)
        wanted = np.broadcast_to(levels[..., entry], shape)
        _, scores = place(own, centres, deviations, wanted)
        deviates = ((scores - centres) / deviations)[..., None]
        found = Nodes(
            found.log_weights + log_mass(own, centres, deviations),
            np.concatenate([found.deviates, deviates], axis=-1),
        )
    return found


def nodes_of_all(
    pieces: Sequence[Pieces], means: np.ndarray, factors: np.ndarray, fineness: Fineness = FINE
) -> Nodes:
    """Nodes of vectors whose first e entries are in pieces, those of each choice of pieces alone.

    What lies between pieces is a jump, which nodes that do not know of it would miss. Of very many
    choices they are taken together all the same.
    """
    choices: list[tuple[Pieces, ...]] = [()]
    if np.prod([len(one.lower) for one in pieces]) <= _MOST_CHOICES:
        choices = list(product(*map(_apart, pieces)))
    found = []
    for chosen in choices:
        own = chosen or pieces
        is_wide = np.array([not np.array_equal(one.lower, one.upper) for one in own], bool)
        of_wide, log_shares = levels_of_nodes(int(is_wide.sum()), fineness)
        levels = np.full((len(log_shares), len(own)), 0.5)
        levels[:, is_wide] = of_wide
        found.append(nodes(own, means, factors, levels, log_shares))
    if len(found) == 1:
        return found[0]
    return Nodes(
        np.concatenate([one.log_weights for one in found], axis=-1),
        np.concatenate([one.deviates for one in found], axis=-2),
    )


def _apart(pieces: Pieces) -> list[Pieces]:
    """Each piece by itself."""
    return [Pieces(*(part[p : p + 1] for part in pieces)) for p in range(len(pieces.lower))]


def log_box(pieces: Sequence[Pieces], means: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Log mass (...,) of vectors whose e entries are all in their pieces; see `nodes`.

    The last entry is summed out exactly, however many its pieces are.
    """
    *first, last = pieces
    found = nodes_of_all(first, means, factors)
    centres, deviations = found.conditional(means, factors)
    weights = found.log_weights + log_mass(last, centres, deviations)
    return np.asarray(weights[..., 0] if not first else logsumexp(weights, axis=-1))
