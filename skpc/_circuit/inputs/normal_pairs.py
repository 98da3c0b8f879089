"""One normal variable in pieces, given that another one is in an interval: without nodes.

Given a value of the one the other is normal, so that its interval has a mass in closed form. What
is left is an integral along one line: Gauss and Legendre's, panel by panel where the mass may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skpc._circuit.inputs.normal_pieces import Pieces, log_mass, quantiles

_SPREAD = np.array([-40.0, -20.0, *np.arange(-10.0, 11.0), 20.0, 40.0])  # deviations
_TAIL = np.power(10.0, np.arange(-14.0, -1.0, 2.0))
_LEVELS = np.concatenate([_TAIL, np.linspace(0.1, 0.9, 9), 1.0 - _TAIL[::-1]])
_PLACES, _SHARES = np.polynomial.legendre.leggauss(12)


@dataclass(frozen=True)
class Pair:
    """A variable, and another one that is known to be in an interval, in each of K states.

    Attributes
    ----------
    means, factors : (K, 2) and (K, 2, 2)
        Of the variable and the other; Cholesky factors of covariances.
    own, other : Pieces
        Of the other one interval.
    """

    means: np.ndarray
    factors: np.ndarray
    own: Pieces
    other: Pieces

    def _log_joint(self, scores: np.ndarray) -> np.ndarray:
        """Log densities (..., K) of scores (..., K), with the other in its interval."""
        deviates = (scores - self.means[:, 0]) / self.factors[:, 0, 0]
        centres = self.means[:, 1] + self.factors[:, 1, 0] * deviates
        beside = log_mass(self.other, centres, np.broadcast_to(self.factors[:, 1, 1], scores.shape))
        log_constant = np.log(self.factors[:, 0, 0]) + 0.5 * np.log(2.0 * np.pi)
        return np.asarray(beside - 0.5 * deviates**2 - log_constant)

    @cached_property
    def _breaks(self) -> np.ndarray:
        """Ends (P + 1, K) of panels: where the density, or its logarithm, may bend."""
        means, deviations = self.means[:, 0], self.factors[:, 0, 0]
        slopes, left = self.factors[:, 1, 0], self.factors[:, 1, 1]
        low, high = self.own.lower.min(), self.own.upper.max()
        spread = _SPREAD[:, None]
        found = [means + deviations * spread]
        found.append(quantiles(low, high, means, deviations, _LEVELS[:, None]))
        total = np.hypot(slopes, left)
        for bound in (self.other.lower[0], self.other.upper[0]):
            if np.isinf(bound):
                continue
            deviates = bound - self.means[:, 1]
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
    def _panels(self) -> tuple[np.ndarray, np.ndarray]:
        """Integrals (P + 1, K) up to the ends of panels, over the exponential of shifts (K,)."""
        halves = 0.5 * np.diff(self._breaks, axis=0)
        nodes = self._breaks[:-1] + halves * (1.0 + _PLACES[:, None, None])
        logs = self._log_joint(nodes)
        largest = logs.max(axis=(0, 1))
        shifts = np.where(np.isfinite(largest), largest, 0.0)
        masses = halves * (np.exp(logs - shifts) * _SHARES[:, None, None]).sum(axis=0)
        return np.cumsum(np.vstack([np.zeros(len(shifts)), masses]), axis=0), shifts

    def _integral(self, scores: np.ndarray) -> np.ndarray:
        """Integrals (..., K) up to scores (...,)."""
        cumulated, shifts = self._panels
        clipped = np.clip(scores[..., None], self._breaks[0], self._breaks[-1])
        panels = np.empty(clipped.shape, np.intp)
        for state, breaks in enumerate(self._breaks.T):
            panels[..., state] = np.searchsorted(breaks[1:-1], clipped[..., state], "left")
        start = np.take_along_axis(self._breaks, panels.reshape(-1, len(shifts)), axis=0)
        before = np.take_along_axis(cumulated, panels.reshape(-1, len(shifts)), axis=0)
        start, before = start.reshape(clipped.shape), before.reshape(clipped.shape)
        halves = 0.5 * (clipped - start)
        shape = (-1,) + (1,) * clipped.ndim
        logs = self._log_joint(start + halves * (1.0 + _PLACES.reshape(shape))) - shifts
        return np.asarray(before + halves * (np.exp(logs) * _SHARES.reshape(shape)).sum(axis=0))

    def _masses(self, pieces: Pieces) -> np.ndarray:
        """Masses, or densities, (..., K) of pieces (...,), over the exponential of shifts."""
        shifts = self._panels[1]
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
        return np.where(np.isinf(totals), -np.inf, np.log(totals) + self._panels[1])

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
            wide[is_point] = logs - self._panels[1] - np.log(self._totals)
        return np.asarray(wide)
