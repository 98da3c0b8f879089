"""One normal variable in pieces, given that others are in intervals.

Given a value of the one the others are normal, so that one interval has a mass in closed form, and
several that of `normal_boxes`. What is left is an integral along one line: Gauss and Legendre's,
panel by panel where the mass may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import legendre

from skpc._circuit.inputs import normal_boxes
from skpc._circuit.inputs.normal_pieces import Pieces, quantiles

_SPREAD = np.array([-40.0, -20.0, *np.arange(-10.0, 11.0), 20.0, 40.0])  # deviations
_TAIL = np.power(10.0, np.arange(-14.0, -1.0, 2.0))
_LEVELS = np.concatenate([_TAIL, np.linspace(0.1, 0.9, 9), 1.0 - _TAIL[::-1]])
_PLACES, _SHARES = legendre.leggauss(12)
_DEGREES = np.arange(12)
_TO_SERIES = (legendre.legvander(_PLACES, 11) * _SHARES[:, None] * (_DEGREES + 0.5)).T
_BLOCK = 2**10


@dataclass(frozen=True)
class Beside:
    """A variable, and others that are known to be in intervals, in each of K states.

    Attributes
    ----------
    means, factors : (K, 1 + e) and (K, 1 + e, 1 + e)
        Of the variable and the others; Cholesky factors of covariances.
    own : Pieces
    others : tuple of e Pieces
        Of each an interval.
    """

    means: np.ndarray
    factors: np.ndarray
    own: Pieces
    others: tuple[Pieces, ...]

    def _log_joint(self, scores: np.ndarray) -> np.ndarray:
        """Log densities (..., K) of scores (..., K), with the others in their intervals."""
        flat = scores.reshape(-1, scores.shape[-1])
        deviates = (flat - self.means[:, 0]) / self.factors[:, 0, 0]
        beside = np.empty(flat.shape)
        for start in range(0, len(flat), _BLOCK):
            some = slice(start, start + _BLOCK)
            centres = self.means[:, 1:] + self.factors[:, 1:, 0] * deviates[some, :, None]
            beside[some] = normal_boxes.log_box(self.others, centres, self.factors[:, 1:, 1:])
        log_constant = np.log(self.factors[:, 0, 0]) + 0.5 * np.log(2.0 * np.pi)
        return np.asarray(beside - 0.5 * deviates**2 - log_constant).reshape(scores.shape)

    @property
    def _bounds(self) -> list[tuple[int, float]]:
        """Finite bounds of the others, after the place of each."""
        every = [
            (place, float(bound))
            for place, other in enumerate(self.others, start=1)
            for bound in (other.lower[0], other.upper[0])
        ]
        return [(place, bound) for place, bound in every if np.isfinite(bound)]

    @cached_property
    def _breaks(self) -> np.ndarray:
        """Ends (P + 1, K) of panels: where the density, or its logarithm, may bend."""
        means, deviations = self.means[:, 0], self.factors[:, 0, 0]
        low, high = self.own.lower.min(), self.own.upper.max()
        spread = _SPREAD[:, None]
        found = [means + deviations * spread]
        found.append(quantiles(low, high, means, deviations, _LEVELS[:, None]))
        for place, bound in self._bounds:
            slopes, deviates = self.factors[:, place, 0], bound - self.means[:, place]
            left = np.linalg.norm(self.factors[:, place, 1:], axis=-1)
            total = np.hypot(slopes, left)
            # Where the other is likely to cross its bound, and what goes with it there.
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                crossing = means + deviations * (deviates + left * spread) / slopes
            found.append(np.where(np.isfinite(crossing), crossing, means))
            centres = means + deviations * slopes * deviates / total**2
            found.append(centres + deviations * left / total * spread)
        ends = np.array([end for end in (low, high) if np.isfinite(end)])
        found.append(np.broadcast_to(ends[:, None], (len(ends), len(means))))
        return np.sort(np.clip(np.concatenate(found), low, high), axis=0)

    @cached_property
    def _panels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Integrals up to the ends of panels, polynomials from there, and shifts (K,).

        Both (P + 1, K) and (P, 13, K) over the exponential of shifts. The polynomials are integrals
        of those through the nodes: series of Legendre's.
        """
        halves = 0.5 * np.diff(self._breaks, axis=0)
        nodes = self._breaks[:-1] + halves * (1.0 + _PLACES[:, None, None])
        logs = self._log_joint(nodes)
        largest = logs.max(axis=(0, 1))
        shifts = np.where(np.isfinite(largest), largest, 0.0)
        heights = halves * np.exp(logs - shifts)
        series = legendre.legint(np.tensordot(_TO_SERIES, heights, axes=1), lbnd=-1.0, axis=0)
        masses = (heights * _SHARES[:, None, None]).sum(axis=0)
        cumulated = np.cumsum(np.vstack([np.zeros(len(shifts)), masses]), axis=0)
        return cumulated, np.moveaxis(series, 0, 1), shifts

    def _integral(self, scores: np.ndarray) -> np.ndarray:
        """Integrals (k, K) up to scores (k,)."""
        cumulated, series, _ = self._panels
        out = np.empty((len(scores), cumulated.shape[1]))
        for state, breaks in enumerate(self._breaks.T):
            clipped = np.clip(scores, breaks[0], breaks[-1])
            panels = np.searchsorted(breaks[1:-1], clipped, "left")
            start, widths = breaks[panels], np.diff(breaks)[panels]
            parts = 2.0 * (clipped - start) / np.where(widths > 0.0, widths, 1.0) - 1.0
            own = legendre.legval(parts, series[panels, :, state].T, tensor=False)
            out[:, state] = cumulated[panels, state] + np.maximum(own, 0.0)
        return out

    def _masses(self, pieces: Pieces) -> np.ndarray:
        """Masses, or densities, (..., K) of pieces (...,), over the exponential of shifts."""
        shifts = self._panels[2]
        is_point = pieces.lower == pieces.upper
        out = np.zeros((*is_point.shape, len(shifts)))
        wide = pieces.lower < pieces.upper
        if wide.any():
            upper, lower = self._integral(pieces.upper[wide]), self._integral(pieces.lower[wide])
            out[wide] = np.maximum(upper - lower, 0.0)
        if is_point.any():
            points = np.repeat(pieces.lower[is_point][:, None], len(shifts), axis=1)
            logs = self._log_joint(points) + pieces.log_scale[is_point][:, None]
            out[is_point] = np.exp(logs - shifts)
        return out

    @cached_property
    def _totals(self) -> np.ndarray:
        """Masses (K,) of all pieces."""
        totals = self._masses(self.own).sum(axis=0)
        return np.where(totals > 0.0, totals, np.inf)

    @property
    def log_mass(self) -> np.ndarray:
        """Log mass (K,) of the pieces of both together."""
        totals = self._totals
        return np.where(np.isinf(totals), -np.inf, np.log(totals) + self._panels[2])

    def cdf(self, values: np.ndarray, limits: np.ndarray) -> np.ndarray:
        """Probabilities (n, K) of being at most values (n,), whose upper limits are these."""
        below = self.own.up_to(values, limits)
        every = Pieces(*(np.broadcast_to(part, below.upper.shape) for part in below))
        return np.asarray(np.minimum(self._masses(every).sum(axis=1) / self._totals, 1.0))

    def log_prob(self, cells: Pieces) -> np.ndarray:
        """Log masses and densities (n, K) of values with these cells (n,)."""
        with np.errstate(divide="ignore"):
            wide = np.log(self._masses(cells) / self._totals)
        is_point = cells.lower == cells.upper
        if is_point.any():
            points = np.repeat(cells.lower[is_point][:, None], len(self._totals), axis=1)
            logs = self._log_joint(points) + cells.log_scale[is_point][:, None]
            wide[is_point] = logs - self._panels[2] - np.log(self._totals)
        return np.asarray(wide)
