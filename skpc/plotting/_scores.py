"""How the scores of rows are spread, and which of them are flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skpc.plotting._base import (
    BLUE,
    ORANGE,
    check_matplotlib,
    fitted_density,
    legend_above,
    new_axes,
    no_spines,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_BINS = 60
_RUG = 0.05  # height of a mark, as a share of that of the axes
_FARTHEST = 30.0  # distances of the median from the lower quartile, which are drawn to scale


class ScoresDisplay:
    """A histogram of scores; of an outlier detector with the threshold and what it flags.

    Bars end at the threshold. Below them each flagged row has a mark of its own, as few rows
    make no bar that can be seen. Scores very far below most would leave no room for these: such
    rows are counted at the left end.

    Parameters
    ----------
    scores : ndarray of shape (n_rows,)
        In nats.
    threshold : float or None, default=None
        Rows that score below it are flagged; None flags none.
    meaning : str, default=""
        What the threshold is, or why there is none, for the legend.
    quantity : str, default="score"
        What the axis calls the scores.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    edges_ : ndarray of shape (n_bins + 1,)
        Of the bars; one is the threshold, if there are scores on both sides of it.
    n_beyond_ : int
        Number of rows that are too far left to be drawn to scale.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCOutlierDetector
    >>> from skpc.plotting import ScoresDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = SharpPCOutlierDetector(contamination=0.05, random_state=0).fit(X)
    >>> display = ScoresDisplay.from_estimator(detector, X)
    >>> display.threshold == detector.offset_
    True
    """

    ax_: Axes
    figure_: Figure
    edges_: np.ndarray
    n_beyond_: int

    def __init__(
        self,
        scores: np.ndarray,
        *,
        threshold: float | None = None,
        meaning: str = "",
        quantity: str = "score",
    ) -> None:
        self.scores = scores
        self.threshold = threshold
        self.meaning = meaning
        self.quantity = quantity

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, ax: Axes | None = None, **kwargs: Any
    ) -> ScoresDisplay:
        """Score rows, and draw.

        Parameters
        ----------
        estimator : SharpPCOutlierDetector or SharpPCDensity
            Fitted. A density has no threshold.
        X : array-like or frame of shape (n_rows, n_features)
            NaN is missing. Of a detector, rows that it learnt from are judged by those of its
            densities that did not.
        ax : Axes or None, default=None
            Where to draw; None makes a figure.
        **kwargs
            Of `plot`.

        Returns
        -------
        ScoresDisplay
        """
        check_matplotlib(cls)
        density = fitted_density(estimator, cls)
        if not hasattr(estimator, "explain"):
            display = cls(density.score_samples(X), quantity="log-likelihood")
            return display.plot(ax, **kwargs)
        scores = estimator.score_samples(X)
        threshold, meaning = _threshold(estimator, scores)
        return cls(scores, threshold=threshold, meaning=meaning).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> ScoresDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; None makes a figure.
        **kwargs
            Of ``Axes.stairs``, for all bars.

        Returns
        -------
        ScoresDisplay
            This one.
        """
        check_matplotlib(self)
        axes = new_axes(ax, (6.4, 3.8))
        is_flagged, low = self._is_flagged(), self._lowest_drawn()
        drawn = self.scores >= low
        self.n_beyond_ = int((~drawn).sum())
        self.edges_ = self._bin_edges(self.scores[drawn])
        handles = [self._draw_bars(axes, drawn & ~is_flagged, BLUE, kwargs)]
        labels = [self.meaning or "rows"]
        if self.threshold is not None:
            handles.append(self._draw_bars(axes, drawn & is_flagged, ORANGE, kwargs))
            style = {"color": "black", "linewidth": 1, "linestyle": "--"}
            handles.append(axes.axvline(self.threshold, **style))
            share = f"flagged: {is_flagged.sum():,} of {len(self.scores):,} rows"
            labels = ["not flagged", share, self.meaning]
            axes.vlines(
                self.scores[drawn & is_flagged],
                0.0,
                _RUG,
                transform=axes.get_xaxis_transform(),
                color=ORANGE,
                linewidth=1.0,
            )
        legend_above(axes, handles, labels)
        self._label(axes)
        self.ax_, self.figure_ = axes, axes.figure
        return self

    def _is_flagged(self) -> np.ndarray:
        if self.threshold is None:
            return np.zeros(len(self.scores), bool)
        return np.asarray(self.scores < self.threshold)

    def _lowest_drawn(self) -> float:
        """The score below which rows are only counted."""
        quarter, median = np.quantile(self.scores, [0.25, 0.5])
        if not median > quarter:  # most are equal: that tells nothing of how far is far
            return float(self.scores.min())
        farthest = median - _FARTHEST * (median - quarter)
        if self.threshold is not None:
            farthest = min(farthest, self.threshold - (median - self.threshold) / 2)
        return float(farthest)

    def _bin_edges(self, drawn: np.ndarray) -> np.ndarray:
        """Edges of bars, all of one width, of which one is the threshold if it is among them."""
        low, high = drawn.min(), drawn.max()
        if not high > low:
            return np.array([low - 0.5, low + 0.5])
        n_bins = min(len(np.histogram_bin_edges(drawn, "auto")) - 1, _MOST_BINS)
        width = (high - low) / n_bins
        start = low
        if self.threshold is not None and low < self.threshold < high:
            start = self.threshold - width * np.ceil((self.threshold - low) / width)
        # One more than needed, so that rounding leaves no row outside.
        return start + width * np.arange(n_bins + 2)

    def _draw_bars(self, ax: Axes, rows: np.ndarray, colour: str, kwargs: dict[str, Any]) -> Any:
        counts, edges = np.histogram(self.scores[rows], self.edges_)
        return ax.stairs(counts, edges, **{"fill": True, "color": colour, **kwargs})

    def _label(self, ax: Axes) -> None:
        label = f"{self.quantity}, nats"
        if self.n_beyond_:
            what = "row" if self.n_beyond_ == 1 else "rows"
            lowest = plain(float(self.scores.min()))
            label += f"\n{self.n_beyond_:,} {what} farther left, down to {lowest}"
        ax.set_xlabel(label)
        ax.set_ylabel("rows")
        ax.set_ylim(bottom=0.0)
        no_spines(ax)


def _threshold(detector: Any, scores: np.ndarray) -> tuple[float | None, str]:
    """Below which score a fitted detector flags rows of a table with these, and what that is."""
    rate, share = detector.false_discovery_rate, detector.contamination
    if rate is None:
        meaning = "far below the lower quartile"
        if share != "auto":
            meaning = f"a share of {share:.3g} of new rows lies below"
        return float(detector.offset_), f"threshold {plain(detector.offset_)}: {meaning}"
    is_flagged = detector._is_outlier(scores)
    if not is_flagged.any():
        return None, f"rows; none flagged at a false discovery rate of {rate:.3g}"
    meaning = f"of what is flagged at most {rate:.3g} are false alarms"
    return float(np.nextafter(scores[is_flagged].max(), np.inf)), f"threshold: {meaning}"
