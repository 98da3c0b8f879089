"""Densities of mixed tables that skpc is compared with, behind one small interface.

All learn from a matrix of numbers, NaN missing, whose mass columns hold positions of categories
(`real_data.codes`); `log_prob` gives the log mass and density of the observed cells of each row.
"""

# ruff: noqa: D102 - what overrides a method inherits its docstring

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri
from scipy.stats import qmc, t
from sklearn.mixture import GaussianMixture

TAIL_FREEDOM = 3.0
LEAST_MASS = 1e-300


class KernelColumn:
    """Adaptive Gaussian kernels on the values of one column, and a wide Student t for the tails.

    A kernel is the narrower the denser its place (Abramson), by the power of the pilot density and
    with the width that leave-one-out likelihood likes best.
    """

    def __init__(self, values: np.ndarray) -> None:
        self.points = np.sort(values[~np.isnan(values)])
        n = len(self.points)
        quartiles = np.quantile(self.points, [0.25, 0.75])
        scale = (quartiles[1] - quartiles[0]) / 1.349 or self.points.std() or 1.0
        self.center, self.scale = np.median(self.points), max(scale, self.points.std(), 1e-12)
        self.tail = 1.0 / (n + 1)
        pilot_width = 0.9 * min(scale, self.points.std() or 1.0) * n**-0.2
        squares = (self.points[:, None] - self.points) ** 2
        pilot = np.exp(-0.5 * squares / pilot_width**2).mean(axis=1)
        relative = pilot / np.exp(np.log(pilot).mean())
        wide = self._tail_density(self.points)
        best = -np.inf
        for power in (0.0, 0.5, 1.0):
            for factor in np.geomspace(0.1, 2.5, 9):
                widths = factor * pilot_width * relative**-power
                kernels = np.exp(-0.5 * squares / widths**2) / (widths * np.sqrt(2 * np.pi))
                np.fill_diagonal(kernels, 0.0)
                density = (1 - self.tail) * kernels.sum(axis=1) / max(n - 1, 1) + self.tail * wide
                score = np.log(density).sum()
                if score > best:
                    best, self.widths = score, widths

    def _tail_density(self, values: np.ndarray) -> np.ndarray:
        return t.pdf(values, TAIL_FREEDOM, self.center, self.scale)

    def log_density(self, values: np.ndarray) -> np.ndarray:
        """Log density of values (n,)."""
        z = (values[:, None] - self.points) / self.widths
        kernels = (np.exp(-0.5 * z**2) / (self.widths * np.sqrt(2 * np.pi))).mean(axis=1)
        return np.log((1 - self.tail) * kernels + self.tail * self._tail_density(values))

    def cumulative(self, values: np.ndarray) -> np.ndarray:
        """Distribution function at values (n,)."""
        inner = ndtr((values[:, None] - self.points) / self.widths).mean(axis=1)
        outer = t.cdf(values, TAIL_FREEDOM, self.center, self.scale)
        return (1 - self.tail) * inner + self.tail * outer

    def quantile(self, probabilities: np.ndarray) -> np.ndarray:
        """Values (n,) where the distribution function takes `probabilities`, by interpolation."""
        reach = 10 * self.widths.max()
        low, high = self.points[0] - reach, self.points[-1] + reach
        edges = [self.points - self.widths, self.points, self.points + self.widths]
        grid = np.unique(np.concatenate([np.linspace(low, high, 200), *edges]))
        return np.interp(probabilities, self.cumulative(grid), grid)


class MassColumn:
    """Frequencies of the categories of one column, with half a row added to each."""

    def __init__(self, values: np.ndarray) -> None:
        counts = np.bincount(values[~np.isnan(values)].astype(int)) + 0.5
        self.masses = counts / counts.sum()
        self.edges = np.concatenate([[0.0], np.cumsum(self.masses)[:-1], [1.0]])

    def log_density(self, values: np.ndarray) -> np.ndarray:
        """Log mass of categories (n,)."""
        return np.log(self.masses[values.astype(int)])

    def quantile(self, probabilities: np.ndarray) -> np.ndarray:
        """Categories (n,) at `probabilities`."""
        return np.searchsorted(self.edges[1:-1], probabilities, side="right").astype(float)


class Independent:
    """Columns on their own: kernels and frequencies."""

    name: ClassVar[str] = "kde"

    def fit(self, X: np.ndarray, is_mass: np.ndarray, seed: int = 0) -> Independent:
        """Learn from rows X; `is_mass` tells which columns have masses."""
        self.is_mass = is_mass
        self.columns = [
            (MassColumn if mass else KernelColumn)(column)
            for mass, column in zip(is_mass, X.T, strict=True)
        ]
        return self

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Log density of the observed cells of each row, in nats."""
        total = np.zeros(len(X))
        for column, values in zip(self.columns, X.T, strict=True):
            is_seen = ~np.isnan(values)
            total[is_seen] += column.log_density(values[is_seen])
        return total

    def sample(self, n_rows: int, random_state: np.random.RandomState) -> np.ndarray:
        """Draw rows."""
        uniform = random_state.random_sample((n_rows, len(self.columns)))
        return np.column_stack(
            [column.quantile(u) for column, u in zip(self.columns, uniform.T, strict=True)]
        )


class GaussianCopula(Independent):
    """Gaussian copula with kernels and frequencies as margins.

    The scores of masses are known up to the interval of their category, those of missing cells not
    at all: a Gibbs sampler draws them, and the correlation is the mean over its last rounds, each
    shrunk by a few rows of independence. Log masses given the densities of a row are integrals over
    a box, by the GHK simulator with quasi-random numbers.
    """

    name = "copula"
    n_rounds, n_kept, n_draws, n_prior_rows = 60, 40, 512, 4.0

    def fit(self, X: np.ndarray, is_mass: np.ndarray, seed: int = 0) -> GaussianCopula:
        super().fit(X, is_mass)
        random_state = np.random.RandomState(seed)
        lower, upper = self._boxes(X)
        scores = np.where(np.isfinite(lower), lower, 0) + np.where(np.isfinite(upper), upper, 0)
        scores /= np.maximum(np.isfinite(lower).astype(int) + np.isfinite(upper), 1)
        d = X.shape[1]
        self.correlation = np.eye(d)
        total = np.zeros((d, d))
        for round_ in range(self.n_rounds):
            precision = np.linalg.inv(self.correlation)
            for j in range(d):
                rows = lower[:, j] < upper[:, j]
                if not rows.any():
                    continue
                others = scores[rows] @ precision[j] - scores[rows, j] * precision[j, j]
                mean, deviation = -others / precision[j, j], precision[j, j] ** -0.5
                scores[rows, j] = mean + deviation * between(
                    (lower[rows, j] - mean) / deviation,
                    (upper[rows, j] - mean) / deviation,
                    random_state.random_sample(rows.sum()),
                )
            products = scores.T @ scores + self.n_prior_rows * np.eye(d)
            scale = np.sqrt(np.diag(products))
            self.correlation = products / np.outer(scale, scale)
            if round_ >= self.n_rounds - self.n_kept:
                total += self.correlation
        self.correlation = total / self.n_kept
        return self

    def _boxes(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the scores of cells lie: at a point, within a category, or anywhere."""
        lower, upper = np.full(X.shape, -np.inf), np.full(X.shape, np.inf)
        for j, column in enumerate(self.columns):
            rows = ~np.isnan(X[:, j])
            if self.is_mass[j]:
                codes = X[rows, j].astype(int)
                lower[rows, j] = ndtri(column.edges[codes])
                upper[rows, j] = ndtri(column.edges[codes + 1])
            else:
                inner = column.cumulative(X[rows, j]).clip(1e-12, 1 - 1e-12)
                lower[rows, j] = upper[rows, j] = ndtri(inner)
        return lower, upper

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        lower, upper = self._boxes(X)
        is_seen = ~np.isnan(X)
        total = np.zeros(len(X))
        for j in np.flatnonzero(~self.is_mass):
            rows = is_seen[:, j]
            score = lower[rows, j]
            total[rows] += self.columns[j].log_density(X[rows, j]) + 0.5 * score**2
        for pattern in np.unique(is_seen, axis=0):
            rows = np.flatnonzero((is_seen == pattern).all(axis=1))
            points, boxes = np.flatnonzero(pattern & ~self.is_mass), pattern & self.is_mass
            columns = np.concatenate([points, np.flatnonzero(boxes)])
            factor = np.linalg.cholesky(self.correlation[np.ix_(columns, columns)])
            p = len(points)
            white = np.linalg.solve(factor[:p, :p], lower[np.ix_(rows, points)].T).T
            total[rows] -= 0.5 * (white**2).sum(axis=1) + np.log(np.diag(factor)[:p]).sum()
            if boxes.any():
                shift = white @ factor[p:, :p].T
                sides = [side[np.ix_(rows, columns[p:])] - shift for side in (lower, upper)]
                total[rows] += log_box(factor[p:, p:], *sides, self.n_draws)
        return total

    def sample(self, n_rows: int, random_state: np.random.RandomState) -> np.ndarray:
        zeros = np.zeros(len(self.correlation))
        scores = random_state.multivariate_normal(zeros, self.correlation, n_rows)
        uniform = ndtr(scores)
        return np.column_stack(
            [column.quantile(u) for column, u in zip(self.columns, uniform.T, strict=True)]
        )


def between(lower: np.ndarray, upper: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Draws from the standard normal between bounds, from uniform numbers; the far tail clipped."""
    is_right = lower > 0  # whose probabilities are exact seen from the other side
    low, high = np.where(is_right, -upper, lower), np.where(is_right, -lower, upper)
    uniform = np.where(is_right, 1 - uniform, uniform)
    first, last = ndtr(low), ndtr(high)
    drawn = ndtri((first + uniform * (last - first)).clip(LEAST_MASS, 1 - 1e-16))
    drawn = drawn.clip(low, high)
    return np.where(is_right, -drawn, drawn)


def log_box(factor: np.ndarray, lower: np.ndarray, upper: np.ndarray, n_draws: int) -> np.ndarray:
    """Log probability that a normal with Cholesky factor (d, d) falls into boxes (n, d)."""
    n, d = lower.shape
    uniform = qmc.Sobol(d, seed=0).random(n_draws).clip(1e-9, 1 - 1e-9)
    drawn = np.zeros((n, n_draws, d))
    total = np.zeros((n, n_draws))
    for j in range(d):
        shift = drawn[:, :, :j] @ factor[j, :j]
        low = (lower[:, [j]] - shift) / factor[j, j]
        high = (upper[:, [j]] - shift) / factor[j, j]
        is_right = low > 0
        a, b = np.where(is_right, -high, low), np.where(is_right, -low, high)
        total += np.log(np.maximum(ndtr(b) - ndtr(a), LEAST_MASS))
        drawn[:, :, j] = between(low, high, np.broadcast_to(uniform[:, j], low.shape))
    return logsumexp(total, axis=1) - np.log(n_draws)


class Mixture(Independent):
    """GaussianMixture by BIC of complete rows; integers get a uniform draw, as in tables.py."""

    name = "gmm"

    def fit(self, X: np.ndarray, is_mass: np.ndarray, seed: int = 0) -> Mixture:
        self.is_mass = is_mass
        rows = X[~np.isnan(X).any(axis=1)]
        noise = np.random.RandomState(seed).random_sample(rows.shape)
        rows = rows + is_mass * noise
        self.center, self.scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
        rows = (rows - self.center) / self.scale
        models = [
            GaussianMixture(k, covariance_type=kind, random_state=seed).fit(rows)
            for k in range(1, 9)
            for kind in ("full", "diag", "spherical")
            if k <= len(rows) // 2
        ]
        self.model = min(models, key=lambda model: model.bic(rows))
        return self

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        model, d = self.model, X.shape[1]
        noise = np.random.RandomState(0).random_sample(X.shape)
        rows = (X + self.is_mass * noise - self.center) / self.scale
        total = np.zeros(len(X))
        is_seen = ~np.isnan(X)
        covariances = [
            {"full": lambda c: c, "diag": np.diag, "spherical": lambda c: c * np.eye(d)}[
                model.covariance_type
            ](c)
            for c in model.covariances_
        ]
        for pattern in np.unique(is_seen, axis=0):
            which = (is_seen == pattern).all(axis=1)
            part = rows[np.ix_(which, pattern)]
            terms = []
            for weight, mean, covariance in zip(
                model.weights_, model.means_, covariances, strict=True
            ):
                factor = np.linalg.cholesky(covariance[np.ix_(pattern, pattern)])
                white = np.linalg.solve(factor, (part - mean[pattern]).T)
                log_volume = np.log(np.diag(factor)).sum() + 0.5 * len(factor) * np.log(2 * np.pi)
                terms.append(np.log(weight) - log_volume - 0.5 * (white**2).sum(axis=0))
            total[which] = logsumexp(terms, axis=0) - np.log(self.scale[pattern]).sum()
        return total
