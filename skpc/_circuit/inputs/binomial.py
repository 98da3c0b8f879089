"""Binomial input distributions: ordered levels, which one number a state describes."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, xlog1py, xlogy

from skpc._kernels.mstep import WEIGHT_FLOOR


class Binomials:
    """The binomial distributions among those of categories that are laid end to end.

    Parameters
    ----------
    is_binomial : (n_regions,) bool
        Whether the categories of a region are levels: consecutive integers, of which a state takes
        the one at position s with the probability of s successes in n - 1 trials.
    start : (n_regions + 1,)
        Where the categories of each region start.

    Attributes
    ----------
    rows : (m,)
        Which of the categories are levels.
    """

    def __init__(self, is_binomial: np.ndarray, start: np.ndarray) -> None:
        n_levels = np.diff(start)[is_binomial]
        self._start = np.cumsum(n_levels) - n_levels
        self._n_levels = n_levels
        self._successes = (np.arange(n_levels.sum()) - self._spread(self._start))[:, None]
        self.rows = self._spread(start[:-1][is_binomial]) + self._successes[:, 0]
        self._trials = n_levels[:, None] - 1.0
        trials = self._spread(self._trials)
        self._failures = trials - self._successes
        self._log_orders = (
            gammaln(trials + 1.0) - gammaln(self._successes + 1.0) - gammaln(self._failures + 1.0)
        )

    def __len__(self) -> int:
        return len(self._n_levels)

    def _spread(self, per_region: np.ndarray) -> np.ndarray:
        return np.repeat(per_region, self._n_levels, axis=0)

    def _totals(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Successes and rows (len(self), K) that these counts of levels (m, K) stand for."""
        rows = np.add.reduceat(counts, self._start, axis=0)
        return np.add.reduceat(self._successes * counts, self._start, axis=0), rows

    def masses(self, success: np.ndarray) -> np.ndarray:
        """Probability of every level (m, K), given that of a success (len(self), K)."""
        p = self._spread(success)
        log_masses = self._log_orders + xlogy(self._successes, p) + xlog1py(self._failures, -p)
        return np.maximum(np.exp(log_masses), WEIGHT_FLOOR)

    def success(self, counts: np.ndarray, pseudocount: float = 0.0) -> np.ndarray:
        """The most likely probabilities of a success (len(self), K).

        Parameters
        ----------
        counts : (m, K)
            Of the levels; not all zero in a region and state, unless there is a pseudocount.
        pseudocount : float
            Added to the counts of a region and state, spread as the levels are in all states, to
            which one row at most, or `pseudocount` if that is less, is added evenly.
        """
        n_successes, n_rows = self._totals(counts)
        even = min(pseudocount, 1.0)
        n_trials = self._trials * (n_rows.sum(axis=1, keepdims=True) + even)
        overall = n_successes.sum(axis=1, keepdims=True) + 0.5 * even * self._trials
        overall = overall / np.where(n_trials > 0.0, n_trials, 1.0)
        n_trials = self._trials * (n_rows + pseudocount)
        of_prior = pseudocount * self._trials * overall
        safe = np.where(n_trials > 0.0, n_trials, 1.0)
        return np.where(n_trials > 0.0, np.minimum((n_successes + of_prior) / safe, 1.0), 0.5)

    def log_odds(self, masses: np.ndarray) -> np.ndarray:
        """Those of a success (len(self), K), from the probabilities of all levels (m, K)."""
        success = self.success(masses)
        limit = np.finfo(float).tiny  # keeps them finite
        return np.log(np.maximum(success, limit)) - np.log(np.maximum(1.0 - success, limit))

    def gradient(self, counts: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """Derivative (len(self), K) of sum(counts * log(masses)) by the log-odds."""
        n_successes, n_rows = self._totals(counts)
        return n_successes - self._trials * n_rows * self.success(masses)
