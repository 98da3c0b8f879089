"""How one column goes with another, all else as it is known."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._checks import shown
from skpc._data.column_sets import Interval
from skpc._data.scope import CATEGORICAL
from skpc._tables.column_types import column_name
from skpc.plotting._base import (
    BLUE,
    COLOURS,
    all_shortened,
    axis_length,
    check_matplotlib,
    fitted_density,
    legend_above,
    new_axes,
    no_spines,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from skpc._estimators.conditional_distribution import ConditionalDistribution

_MOST_CATEGORIES = len(COLOURS)
_NAME_LETTER = 0.085  # inches
_TAIL = 0.01  # of the feature, on either side, that is not drawn


class ConditionalCurveDisplay:
    """The distribution of one column along another, all else summed out or as it is known.

    Of a column of numbers, or of ordered labels, the conditional median and a band of quantiles, in
    steps from level to level of the latter; of one of categories the probability of each. It is the
    model's conditional distribution, exactly: what is seen with the value of the feature, not what
    a change of it would cause.

    Parameters
    ----------
    values : sequence of n_values values
        Of the feature.
    curves : ndarray of shape (n_values,) or (n_values, n_categories)
        Medians, or probabilities.
    band : ndarray of shape (2, n_values) or None, default=None
        The quantiles around medians; None of probabilities.
    feature_name, target_name : str, default=""
        Of the two columns.
    categories : sequence of str or None, default=None
        Of the target; of ordered labels those that medians number. None of numbers.
    coverage : float, default=0.8
        Probability of the band.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure

    See Also
    --------
    skpc.SharpPCDensity.condition : Answers in numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.plotting import ConditionalCurveDisplay
    >>> x = np.random.default_rng(0).normal(size=(200, 1))
    >>> X = np.hstack([x, x**2])
    >>> model = SharpPCDensity(n_latents=4, random_state=0).fit(X)
    >>> display = ConditionalCurveDisplay.from_estimator(model, 0, 1)
    >>> bool((display.band[0] <= display.curves).all())
    True
    """

    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        values: Sequence[Any],
        curves: np.ndarray,
        *,
        band: np.ndarray | None = None,
        feature_name: str = "",
        target_name: str = "",
        categories: Sequence[str] | None = None,
        coverage: float = 0.8,
    ) -> None:
        self.values = values
        self.curves = curves
        self.band = band
        self.feature_name = feature_name
        self.target_name = target_name
        self.categories = categories
        self.coverage = coverage

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        feature: Any,
        target: Any,
        *,
        given: Any = None,
        values: Sequence[Any] | None = None,
        coverage: float = 0.8,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> ConditionalCurveDisplay:
        """Compute and draw the conditional distributions.

        Parameters
        ----------
        estimator : SharpPCDensity, or an estimator that holds one
            Fitted.
        feature : int or str
            Position or name of the column that goes from left to right.
        target : int or str
            Position or name of the column of which the distribution is drawn.
        given : dict, Series, one-row frame or array, default=None
            What is known of columns that are neither `feature` nor `target`; see
            `SharpPCDensity.condition`.
        values : sequence or None, default=None
            Of the feature. None means all categories, or up to 100 numbers between its quantiles of
            1 % and 99 %.
        coverage : float, default=0.8
            Probability between the quantiles that bound the band.
        ax : Axes or None, default=None
            Where to draw; None makes a figure.
        **kwargs
            Of `plot`.

        Returns
        -------
        ConditionalCurveDisplay
        """
        check_matplotlib(cls)
        if not isinstance(coverage, Real) or not 0.0 < coverage < 1.0:
            raise ValueError(f"coverage must be between 0 and 1; got {shown(coverage)}.")
        density = fitted_density(estimator, cls)
        known = density.condition(given)
        along, of = (known._position(column) for column in (feature, target))
        if along == of:
            raise ValueError(f"feature and target must be two columns; got {shown(feature)} twice.")
        _refuse_evidence(known, along, "feature", "choose what is drawn of it with values")
        _refuse_evidence(known, of, "target", "draw a column of which nothing is known")
        numbers = _grid(known, along) if values is None else known._values(along, values)[0]
        if not len(numbers):
            raise ValueError("values must have one value of the feature at least; got none.")
        names = density._feature_names()
        mixtures = known._mixtures_along(along, numbers, of)
        column = known._columns.columns[of]
        categories, band = None, None
        if column.labels is not None:
            categories = [str(label) for label in column.labels]
        if column.type != CATEGORICAL:
            tail = 0.5 * (1.0 - coverage)
            levels = np.array([tail, 0.5, 1.0 - tail])
            low, curves, high = np.concatenate([one.quantile(levels) for one in mixtures]).T
            band = np.stack([low, high])
        else:
            assert column.categories is not None
            categories = [str(value) for value in column.restored(column.categories)]
            curves = np.concatenate([one.masses for one in mixtures])
        display = cls(
            known._restored(along, numbers), curves, band=band, feature_name=names[along],
            target_name=names[of], categories=categories, coverage=coverage,
        )  # fmt: skip
        return display.plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> ConditionalCurveDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; None makes a figure.
        **kwargs
            Of ``Axes.plot``, for the curves.

        Returns
        -------
        ConditionalCurveDisplay
            This one.
        """
        check_matplotlib(self)
        from skpc.plotting._ticks import number_axis

        ax = new_axes(ax, (5.6, 3.8))
        is_number = all(isinstance(value, (int, float)) for value in self.values)
        is_number = is_number and not any(isinstance(value, bool) for value in self.values)
        at = np.array(self.values, float) if is_number else np.arange(len(self.values))
        style = {} if is_number else {"marker": "o", "linestyle": "none"}
        if self.band is not None:
            self._draw_band(ax, at, is_number, {**style, **kwargs})
        else:
            self._draw_probabilities(ax, at, {**style, **kwargs})
        if is_number:
            number_axis(ax.xaxis, are_whole=all(float(value).is_integer() for value in self.values))
        else:
            ax.set_xticks(at, all_shortened([str(value) for value in self.values], 12))
            ax.margins(x=0.15)
            _turn_if_close(ax)
        ax.set_xlabel(shortened(self.feature_name, min(axis_length(ax, "x"), 40)))
        no_spines(ax)
        handles, labels = ax.get_legend_handles_labels()
        legend_above(ax, handles, labels, is_row=True)
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self

    def _draw_band(self, ax: Axes, at: np.ndarray, is_line: bool, style: dict[str, Any]) -> None:
        from skpc.plotting._ticks import number_axis

        assert self.band is not None
        low, high = self.band
        label = f"{self.coverage:.0%} of {shortened(self.target_name)}"
        colour = style.pop("color", BLUE)
        if is_line:
            step: Any = "mid" if self.categories is not None else None  # from level to level
            ax.fill_between(
                at, low, high, color=colour, alpha=0.2, linewidth=0.0, label=label, step=step
            )
            if step:
                style = {"drawstyle": "steps-mid", **style}
        else:
            ax.vlines(at, low, high, color=colour, alpha=0.3, linewidth=6.0, label=label)
        ax.plot(at, self.curves, **{"color": colour, "label": "median", **style})
        if self.categories is not None:
            ax.set_yticks(np.arange(len(self.categories)), map(shortened, self.categories))
            ax.set_ylim(-0.5, len(self.categories) - 0.5)
        else:
            number_axis(ax.yaxis, n_most=8)
        ax.set_ylabel(shortened(self.target_name, min(axis_length(ax, "y"), 40)))

    def _draw_probabilities(self, ax: Axes, at: np.ndarray, style: dict[str, Any]) -> None:
        assert self.categories is not None
        largest = np.argsort(-self.curves.mean(axis=0), kind="stable")[:_MOST_CATEGORIES]
        names = all_shortened(self.categories)
        for colour, place in zip(COLOURS, np.sort(largest), strict=False):
            name = names[place]
            ax.plot(at, self.curves[:, place], **{"color": colour, "label": name, **style})
        ax.set_ylim(-0.02, 1.02)
        n_letters = min(axis_length(ax, "y") - len("probability of "), 40)
        ax.set_ylabel(f"probability of {shortened(self.target_name, max(n_letters, 8))}")


def _turn_if_close(ax: Axes) -> None:
    """Turn the names on the horizontal axis by a right angle, if they have no room side by side."""
    ticks, names = ax.get_xticks(), [label.get_text() for label in ax.get_xticklabels()]
    low, high = ax.get_xlim()
    widths = np.array([_NAME_LETTER * (len(name) + 1) for name in names])
    apart = np.diff(ticks) / (high - low) * ax.bbox.width / ax.figure.dpi
    if (apart < 0.5 * (widths[1:] + widths[:-1])).any():
        ax.tick_params(axis="x", rotation=90)


def _refuse_evidence(known: ConditionalDistribution, j: int, axis: str, remedy: str) -> None:
    """Raise a ValueError if evidence tells of a column that is an axis."""
    if j in known._sets:
        raise ValueError(
            f"given tells of {column_name(known._columns.names, j)}, which is the {axis}, an axis "
            f"of the picture. Leave it out of given, and {remedy}."
        )


def _grid(known: ConditionalDistribution, j: int, n_values: int = 100) -> np.ndarray:
    """Values of a column to draw at: all of few, or those between its outer quantiles."""
    mixture = known._mixture(j)
    points = mixture.support.points
    column = known._columns.columns[j]
    if column.categories is not None or column.labels is not None:
        assert points is not None
        return points
    low, high = mixture.quantile(np.array([_TAIL, 1.0 - _TAIL]))[0]
    if points is not None:
        inner = points[(points >= low) & (points <= high)]
        return inner[np.unique(np.linspace(0, len(inner) - 1, n_values).round().astype(int))]
    values = np.linspace(low, high, n_values)
    if column.margin is None or not column.margin.step:
        return values
    return np.unique(column.margin.within(Interval(low, high)).nearest(values))
