"""Conformal calibration: how a score compares with those of rows that nothing was learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skpc._checks import checked_array

_TAIL_SHARE = 0.1  # of the weight: the lowest scores, which tell how the tail falls
_TAIL_ROWS = 10.0
_FENCE = 3.0  # times from the median to the lower quartile
_SHARE_WITHOUT_SPREAD = 0.01
_FARTHEST = 1e100  # nats: impossible rows have a score with which one can reckon


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of weighted rows, low for outliers, with which new ones are compared.

    Parameters
    ----------
    scores : (n,) float
        Ascending, each once.
    weights : (n,) float
        How many rows have this score.
    """

    scores: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, weights: np.ndarray) -> Calibration:
        """From the scores (n,) of rows of these weights, in any order; ties are merged."""
        scores = np.maximum(scores, -_FARTHEST)
        order = np.lexsort((weights, scores))  # equal scores are added up in the same order
        distinct, first = np.unique(scores[order], return_index=True)
        return cls(distinct, np.add.reduceat(weights[order], first))

    def check(self) -> None:
        """Raise ValueError unless scores ascend and weights are positive."""
        for name in ("scores", "weights"):
            vars(self)[name] = checked_array(getattr(self, name), f"{name} of rows", float, (None,))
        if len(self.scores) != len(self.weights) or not len(self.scores):
            raise ValueError("there must be as many weights as scores of rows, and one at least.")
        if not (self.weights > 0.0).all() or not np.isfinite(self.weights).all():
            raise ValueError("weights of scores must be positive.")
        if np.isnan(self.scores).any() or (self.scores[1:] <= self.scores[:-1]).any():
            raise ValueError("scores of rows must ascend.")

    @property
    def total(self) -> float:
        """How many rows there are."""
        return float(self.weights.sum())

    def p_values(self, scores: Any) -> np.ndarray:
        """How probable a score as low as each (n,) is: the share of rows, with the row itself.

        If a row is exchangeable with those that gave the scores, its p-value is at most alpha with
        a probability of at most alpha, whatever the scores are (Vovk et al., 2005).
        """
        below = np.concatenate([[0.0], np.cumsum(self.weights)])
        n_below = below[np.searchsorted(self.scores, scores, side="right")]
        return (n_below + 1.0) / (self.total + 1.0)

    def threshold(self, share: float) -> float:
        """The score below which so large a share of new rows is.

        Of `total` rows and a new one, each is the lowest with the same probability: a new score is
        below the k-th lowest one with probability k / (total + 1). Between those the
        threshold is interpolated; below the lowest the tail is exponential, with the mean
        excess of the lowest tenth. Of scores that several rows have, all are below it or none,
        whichever is nearer to `share`.
        """
        wanted = share * (self.total + 1.0)
        ends = np.cumsum(self.weights)
        below = ends - self.weights + np.minimum(1.0, self.weights)  # below each, a new one too
        if wanted < below[0]:
            scale, n_rows = self._tail()
            # As a scale from n rows varies, exp(-x) is (1 + x / n) ** -n in the mean.
            return float(
                self.scores[0] - scale * n_rows * np.expm1(np.log(below[0] / wanted) / n_rows)
            )
        place = int(np.searchsorted(below, wanted, side="right")) - 1
        if place + 1 == len(below):
            return float(self.scores[-1])
        low, high = below[place], below[place + 1]
        part = (wanted - low) / (high - low)
        first, second = self.scores[place : place + 2]
        if self.weights[place] > 1.0:  # other rows will have just this score, too
            return float(second if part >= 0.5 else first)
        return float(np.clip(first + part * (second - first), first, second))

    def fence(self) -> float:
        """The score that is as far below the lower quartile as three times that from the median.

        Of rows like those few are below: a rule for tables of which up to a quarter may
        be outliers. If the quartile is the median, the threshold of a share of 1 %.
        """
        quartile, median = (self._quantile(share) for share in (0.25, 0.5))
        if not quartile < median:
            return self.threshold(_SHARE_WITHOUT_SPREAD)
        return quartile - _FENCE * (median - quartile)

    def _quantile(self, share: float) -> float:
        ends = np.cumsum(self.weights)
        place = int(np.searchsorted(ends, share * ends[-1]))
        return float(self.scores[min(place, len(ends) - 1)])

    def _tail(self) -> tuple[float, float]:
        """The mean excess of the lowest scores below the next one, and how many rows they are."""
        ends = np.cumsum(self.weights)
        wanted = max(_TAIL_SHARE * ends[-1], min(_TAIL_ROWS, 0.5 * ends[-1]))
        last = min(int(np.searchsorted(ends, wanted)) + 1, len(ends) - 1)
        if last == 0:
            return 0.0, 1.0
        weights = self.weights[:last]
        excess = weights @ (self.scores[last] - self.scores[:last])
        return float(excess / weights.sum()), float(max(weights.sum(), 1.0))
