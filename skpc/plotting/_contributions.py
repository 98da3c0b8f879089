"""Which values make rows surprising."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse

from skpc._tables.frames import collected, row_labels
from skpc.plotting._base import (
    BLUE,
    ORANGE,
    all_shortened,
    axis_length,
    check_matplotlib,
    fitted_density,
    new_axes,
    new_panels,
    no_spines,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_MOST_IN_FULL = 1e10
_MOST_NATS = 1e6  # that are written in full
_EXCESS = "excess surprise"
_USUAL, _MOST_TIMES = 0.9, 5.0  # colours reach so many times as far as this share of values
_LETTER = 6.0  # points, of a number beside a bar
_SPILL = 1.1  # times as wide as axes may texts be
_LEAST_BARS = 40.0  # points that are left for bars


class ContributionsDisplay:
    """How surprising each value of a row is, given all others, beyond what is usual in its column.

    This excess does not depend on the units of columns; zero is usual.

    One row is drawn as bars, largest first. They start at zero, not where the last one ended, as
    in a waterfall: what several columns say together is counted in each, so they do not add up
    to the score. Several rows are a heat map, and rows that are pictures (`image_shape`) are
    drawn as pictures: white is zero, orange above and blue below, each the darker, the farther.
    The scale reaches as far below zero as above.

    Parameters
    ----------
    contributions : ndarray of shape (n_rows, n_features)
        In nats; see `SharpPCDensity.feature_contributions` and
        `SharpPCOutlierDetector.feature_contributions`, which has those of training rows by
        densities that did not learn from them.
    names : sequence of n_features str
        Of features, or of groups.
    values : ndarray of shape (n_rows, n_features) of object or None, default=None
        What the rows show, for the labels of bars.
    row_names : sequence of n_rows str or None, default=None
        None numbers them.
    quantity : str, default="excess surprise"
        What labels call the contributions.

    Attributes
    ----------
    ax_ : Axes
        Of pictures the first.
    axes_ : ndarray of Axes
        All: more than one with pictures only.
    figure_ : Figure

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.plotting import ContributionsDisplay
    >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
    >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
    >>> display = ContributionsDisplay.from_estimator(model, [[0, 1, 0]])
    >>> display.ax_.get_yticklabels()[0].get_text()
    'x1 = 1'
    """

    ax_: Axes
    axes_: np.ndarray
    figure_: Figure

    def __init__(
        self,
        contributions: np.ndarray,
        names: Sequence[str],
        *,
        values: np.ndarray | None = None,
        row_names: Sequence[str] | None = None,
        quantity: str = _EXCESS,
    ) -> None:
        self.contributions = contributions
        self.names = names
        self.values = values
        self.row_names = row_names
        self.quantity = quantity

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        groups: Mapping[Any, Sequence[Any]] | None = None,
        row_names: Sequence[str] | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> ContributionsDisplay:
        """Compute and draw the contributions of a few rows.

        Parameters
        ----------
        estimator : SharpPCDensity or SharpPCOutlierDetector
            Fitted.
        X : array-like or frame of shape (n_rows, n_features)
            The rows; NaN is missing and contributes zero.
        groups : dict or None, default=None
            Sets of columns that are taken together; see `SharpPCDensity.feature_contributions`.
        row_names : sequence of n_rows str or None, default=None
            None takes those of a frame of pandas, or numbers them.
        ax : Axes, array-like of Axes or None, default=None
            Where to draw; see `plot`.
        **kwargs
            Of `plot`.

        Returns
        -------
        ContributionsDisplay
        """
        check_matplotlib(cls)
        density = fitted_density(estimator, cls)
        X = collected(X)
        row_names = row_labels(X) if row_names is None else row_names
        contributions = estimator.feature_contributions(X, groups)
        values, names = None, density._feature_names()
        if groups is None:
            values = np.array(X.toarray() if issparse(X) else X, dtype=object)
        else:
            names = [str(name) for name in groups]
        display = cls(contributions, names, values=values, row_names=row_names)
        return display.plot(ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        max_features: int | None = None,
        image_shape: tuple[int, int] | None = None,
        **kwargs: Any,
    ) -> ContributionsDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, array-like of Axes or None, default=None
            Where to draw; None makes a figure. Pictures need one for each row, or one that is
            cut into as many.
        max_features : int or None, default=None
            At most so many features, those of the largest contributions. None means 12 bars, or 24
            columns of a heat map. Not used with `image_shape`.
        image_shape : tuple of (height, width) or None, default=None
            Of rows that are pictures, with features in row-major order.
        **kwargs
            Of ``Axes.barh``; for several rows, of ``Axes.pcolormesh``; for pictures, of
            ``Axes.imshow``.

        Returns
        -------
        ContributionsDisplay
            This one.
        """
        check_matplotlib(self)
        if image_shape is not None:
            self._draw_images(ax, image_shape, kwargs)
        elif len(self.contributions) == 1:
            self._draw_bars(ax, max_features or 12, kwargs)
        else:
            self._draw_map(ax, max_features or 24, kwargs)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        return self

    def _is_excess(self) -> bool:
        return self.quantity == _EXCESS

    def _row_names(self) -> list[str]:
        if self.row_names is not None:
            return [str(name) for name in self.row_names]
        return [str(i) for i in range(len(self.contributions))]

    def _draw_bars(self, ax: Axes | None, n_bars: int, kwargs: dict[str, Any]) -> None:
        (row,) = self.contributions
        order = np.argsort(-row, kind="stable")
        shown, rest = order[:n_bars], order[n_bars:]
        ax = new_axes(ax, (5.6, 1.1 + 0.26 * len(shown)))
        texts = [""] * len(shown)
        if self.values is not None:
            texts = [f" = {_text(self.values[0, j])}" for j in shown]
        longest = axis_length(ax, "x") // 2 - max(map(len, texts), default=0)
        names = all_shortened([self.names[j] for j in shown], int(np.clip(longest, 8, 18)))
        labels = [f"{name}{text}" for name, text in zip(names, texts, strict=True)]
        colours = np.where(row[shown] < 0, BLUE, ORANGE)
        at = np.arange(len(shown))
        bars = ax.barh(at, row[shown], **{"color": colours, "height": 0.7, **kwargs})
        numbers = [_number(value) for value in row[shown]]
        ax.bar_label(bars, numbers, padding=3, fontsize=8)
        ax.set_yticks(at, labels)
        ax.invert_yaxis()
        ax.margins(y=0.02)
        ax.axvline(0.0, color="black", linewidth=0.8)
        ax.tick_params(axis="y", left=False)
        no_spines(ax, "top", "right", "left")
        ax.set_xlabel(f"{self.quantity} given the other values, nats")
        if len(rest):
            ax.set_title(
                f"{len(shown)} largest of {len(row)}; no other above {_number(row[rest].max())}",
                fontsize="medium",
            )
        _keep_room(ax, row[shown], numbers)
        self.axes_ = np.array([ax])

    def _draw_map(self, ax: Axes | None, n_columns: int, kwargs: dict[str, Any]) -> None:
        table = self.contributions
        # The largest by any row, but in the order of the table.
        shown = np.sort(np.argsort(-table.max(axis=0), kind="stable")[:n_columns])
        names, rows = all_shortened([self.names[j] for j in shown]), self._row_names()
        # As high as the label of the bar of colours is long.
        ax = new_axes(ax, (2.4 + 0.22 * len(shown), 1.8 + max(0.24 * len(rows), 1.6)))
        mesh = ax.pcolormesh(table[:, shown], **self._colours(kwargs))
        ax.set_xticks(np.arange(len(shown)) + 0.5, names, rotation=90)
        ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
        ax.tick_params(length=0)
        ax.invert_yaxis()
        if len(shown) < table.shape[1]:
            ax.set_xlabel(f"the {len(shown)} most surprising of {table.shape[1]} features")
        self._add_bar(mesh, [ax])
        self.axes_ = np.array([ax])

    def _draw_images(self, ax: Any, shape: tuple[int, int], kwargs: dict[str, Any]) -> None:
        table = self.contributions
        if shape[0] * shape[1] != table.shape[1]:
            raise ValueError(
                f"image_shape={shape} has {shape[0] * shape[1]} pixels for {table.shape[1]} "
                "features."
            )
        n_columns = min(len(table), 6)
        n_rows = -(-len(table) // n_columns)
        if ax is not None and np.ndim(ax):
            n_rows, n_columns = 1, len(table)
        axes = new_panels(ax, (n_rows, n_columns), (1.5 * n_columns + 1.0, 1.8 * n_rows)).ravel()
        style = self._colours(kwargs)
        for panel in axes[len(table) :]:
            panel.set_axis_off()
        self.axes_ = axes[: len(table)]
        for panel, row, name in zip(self.axes_, table, self._row_names(), strict=True):
            image = panel.imshow(row.reshape(shape), **style)
            panel.set_title(name, fontsize="medium")
            panel.set_xticks([])
            panel.set_yticks([])
        self._add_bar(image, list(axes), fraction=0.05)

    def _colours(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Of a map: white is zero, and both sides reach as far as the largest of either.

        But one typing error of a million nats does not make all else white.
        """
        sizes = np.abs(self.contributions)
        top = float(sizes.max(initial=0.0)) or 1.0
        usual = _MOST_TIMES * float(np.quantile(sizes, _USUAL)) if sizes.size else 0.0
        if 0.0 < usual < top:
            top = usual
        style = {"cmap": _diverging(), "vmin": -top, "vmax": top}
        return {**({} if "norm" in kwargs else style), **kwargs}

    def _add_bar(self, mappable: Any, axes: list[Any], **kwargs: Any) -> None:
        """What colours mean, no lower than there are values."""
        low, high = mappable.get_clim()
        is_below, is_above = (self.contributions < low).any(), (self.contributions > high).any()
        extend = {(0, 1): "max", (1, 0): "min", (1, 1): "both"}.get((is_below, is_above), "neither")
        bar = axes[0].figure.colorbar(mappable, ax=axes, extend=extend, **kwargs)
        bar.set_label(
            f"{self.quantity}, nats\n(0 is usual)"
            if self._is_excess()
            else f"{self.quantity}, nats"
        )


def _keep_room(ax: Any, values: np.ndarray, numbers: list[str]) -> None:
    """Set limits so that the number beside each bar is within the axes, whatever their size is."""
    from skpc.plotting._ticks import number_axis  # which imports matplotlib

    number_axis(ax.xaxis)
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    reach = (high - low) or 1.0
    ax.set_xlim(low - 0.05 * reach, high + 0.05 * reach)
    ax.figure.figure.draw_without_rendering()  # only then the size of the axes is known
    for text in (ax.xaxis.label, ax.title):
        too_wide = text.get_window_extent().width / (_SPILL * ax.bbox.width)
        if too_wide > 1.0:
            text.set_text(fill(text.get_text(), max(int(len(text.get_text()) / too_wide), 12)))
    width = ax.bbox.width * 72.0 / ax.figure.dpi
    sides = [
        [number for number, value in zip(numbers, values, strict=True) if (value < 0) == is_low]
        for is_low in (True, False)
    ]
    left, right = (_LETTER * max(map(len, side), default=0) + 6.0 * bool(side) for side in sides)
    per_point = reach / max(width - left - right, _LEAST_BARS)
    ax.set_xlim(low - left * per_point, high + right * per_point)


def _diverging() -> Any:
    """White at zero, and the colours of bars on both sides, darker at the ends."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = ["#003A5D", BLUE, "#FFFFFF", ORANGE, "#6B2F00"]
    return LinearSegmentedColormap.from_list("excess", colours)


def _text(value: Any) -> str:
    """A value of a table, as short as can be."""
    if value is None or value != value:
        return "missing"
    if isinstance(value, Real) and not isinstance(value, (bool, np.bool_)):
        number = float(value)
        is_whole = abs(number) < _MOST_IN_FULL and number.is_integer()
        return f"{number:.0f}" if is_whole else f"{number:.4g}"
    return shortened(str(value), 12)


def _number(value: float) -> str:
    """Nats to two digits behind the point, without a sign before zero; of many with an exponent."""
    text = f"{value:.2f}" if abs(value) < _MOST_NATS else f"{value:.3g}"
    return "0.00" if float(text) == 0.0 else text.replace("-", "\N{MINUS SIGN}")
