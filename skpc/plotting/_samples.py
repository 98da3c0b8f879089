"""Rows of a table beside rows that a model draws."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._checks import checked_n_samples, shown
from skpc._estimators.random_states import checked_random_state
from skpc._tables.columns import dense_column
from skpc.plotting._base import (
    COLOUR_MAP,
    all_shortened,
    check_matplotlib,
    fitted_density,
    new_panels,
)
from skpc.plotting._column_pair import ColumnPair, dependences
from skpc.plotting._sample_panels import draw_margin, draw_two, title_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ROWS, _LEAST_DRAWS = 10_000, 1_000
_MOST_COLUMNS = 200  # that are looked at
_MOST_PANELS = {"margins": 12, "pairs": 3, "correlations": 24}
_FEW_NUMBERS = 8  # of one column: they are drawn as labels
_UNSEEN = "not in fit"
_TITLE = 0.22  # inches
_FONTS = 3.0, 8.0  # points


class SamplesDisplay:
    """A table beside rows that the model draws, which tells whether it knows the data.

    - "margins": a panel for each column, bars for labels and a histogram for numbers, those first
      in which model and data differ most. The number beside a name is that difference, from 0
      to 1: the largest distance of the distribution functions of numbers, half the sum
      of the distances of shares of labels. The outer bins of a histogram hold all beyond; a note
      says how many values of the data these are.
    - "pairs": the pairs of columns that depend most on each other in the data; these left, the
      model right.
    - "correlations": how strongly each pair of columns depends on each other, in both. The measure
      is Cramér's V for all kinds of columns, labels as they are and numbers cut at the fifths of
      the data, corrected for its bias: from 0 to 1, without a sign.

    What is missing in the data is left out, from a pair if either value is.

    Parameters
    ----------
    data : ndarray of shape (n_rows, n_features)
        Numbers, or positions in the labels of a column; NaN is missing.
    draws : ndarray of shape (n_draws, n_features)
        Rows of the model, likewise.
    names : sequence of n_features str
        Of the columns.
    labels : sequence of n_features (sequence of str or None)
        Those of each column; None if it is one of numbers.

    Attributes
    ----------
    axes_ : ndarray of Axes
        All panels, row by row.
    ax_ : Axes
        The first.
    figure_ : Figure
    differences_ : ndarray of shape (n_features,)
        Of the margins, with that kind of picture.
    dependences_ : ndarray of shape (2, n_features, n_features)
        Cramér's V in data and draws, with the other kinds.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.plotting import SamplesDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
    >>> display = SamplesDisplay.from_estimator(model, X)
    >>> len(display.axes_)
    2
    """

    ax_: Axes
    axes_: np.ndarray
    figure_: Figure
    differences_: np.ndarray
    dependences_: np.ndarray

    def __init__(
        self,
        data: np.ndarray,
        draws: np.ndarray,
        names: Sequence[str],
        labels: Sequence[Sequence[str] | None],
    ) -> None:
        self.data = data
        self.draws = draws
        self.names = names
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_samples: int | None = None,
        features: Sequence[Any] | None = None,
        kind: str = "margins",
        random_state: int | np.random.RandomState | None = 0,
        ax: Any = None,
        **kwargs: Any,
    ) -> SamplesDisplay:
        """Draw rows from a fitted model, and make a picture of them beside a table.

        Parameters
        ----------
        estimator : SharpPCDensity, or an estimator that holds one
            Fitted.
        X : array-like or frame of shape (n_rows, n_features)
            Rows to compare with, perhaps ones that were not learnt from. Of more than 10,000 so
            many are drawn.
        n_samples : int or None, default=None
            Number of draws; None means as many as rows, at least 1,000 and at most 10,000.
        features : sequence of str or int, or None, default=None
            Names or positions of the columns to look at; None means all, of a wide table the
            first 200.
        kind : {"margins", "pairs", "correlations"}, default="margins"
            What to compare; see above.
        random_state : int, RandomState instance or None, default=0
            Where the randomness comes from; None gives new rows each time.
        ax : Axes, array-like of Axes or None, default=None
            Where to draw; see `plot`.
        **kwargs
            Of `plot`.

        Returns
        -------
        SamplesDisplay

        Raises
        ------
        ValueError
            If X has other columns than fit saw, or no rows.
        """
        check_matplotlib(cls)
        density = fitted_density(estimator, cls)
        if n_samples is not None:
            n_samples = checked_n_samples(n_samples)
        generator = checked_random_state(random_state)
        if features is None:
            places = list(range(min(density.n_features_in_, _MOST_COLUMNS)))
        else:
            places = density._positions(features, "features")
        matrix = density._validate(X)
        if matrix.shape[0] > _MOST_ROWS:
            rows = generator.choice(matrix.shape[0], _MOST_ROWS, replace=False)
            matrix = matrix[np.sort(rows)]
        n_draws = n_samples or min(max(matrix.shape[0], _LEAST_DRAWS), _MOST_ROWS)
        drawn = density._validate(density.sample(int(n_draws), generator))
        names, known = density._feature_names(), density._columns.columns
        pairs = [
            _column_pair(
                names[j],
                known[j],
                *(np.asarray(dense_column(X, j), np.float64) for X in (matrix, drawn)),
            )
            for j in places
        ]
        display = cls(
            np.column_stack([pair.data for pair in pairs]),
            np.column_stack([pair.draws for pair in pairs]),
            [pair.name for pair in pairs],
            [pair.labels for pair in pairs],
        )
        return display.plot(ax, kind=kind, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "margins",
        max_panels: int | None = None,
        **kwargs: Any,
    ) -> SamplesDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, array-like of Axes or None, default=None
            Where to draw, with one Axes for each panel; one is cut into as many, None makes a
            figure.
        kind : {"margins", "pairs", "correlations"}, default="margins"
            What to compare; see above.
        max_panels : int or None, default=None
            At most so many columns, or pairs of them; None means 12 margins, 3 pairs, and 24
            columns of correlations, those with the strongest.
        **kwargs
            Of ``Axes.stairs`` for histograms of draws, of ``Axes.scatter`` for pairs, of
            ``Axes.pcolormesh`` for correlations.

        Returns
        -------
        SamplesDisplay
            This one.
        """
        check_matplotlib(self)
        if not isinstance(kind, str) or kind not in _MOST_PANELS:
            kinds = ", ".join(map(repr, _MOST_PANELS))
            raise ValueError(f"kind must be one of {kinds}; got {shown(kind)}.")
        if max_panels is not None and (not isinstance(max_panels, Integral) or max_panels < 1):
            raise ValueError(f"max_panels must be an int of at least 1; got {shown(max_panels)}.")
        draw = {
            "margins": self._draw_margins,
            "pairs": self._draw_pairs,
            "correlations": self._draw_correlations,
        }[kind]
        draw(ax, max_panels or _MOST_PANELS[kind], kwargs)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        return self

    def _column_pairs(self) -> list[ColumnPair]:
        parts = zip(self.names, self.data.T, self.draws.T, self.labels, strict=True)
        return [ColumnPair(*of_column) for of_column in parts]

    def _draw_margins(self, ax: Any, n_most: int, kwargs: dict[str, Any]) -> None:
        pairs = self._column_pairs()
        self.differences_ = np.array([pair.difference() for pair in pairs])
        order = np.argsort(-self.differences_, kind="stable")[:n_most]
        n_columns = min(4, len(order))
        shape = -(-len(order) // n_columns), n_columns
        size = 0.6 + 2.3 * max(n_columns, 2), 0.8 + 1.7 * shape[0]
        axes = new_panels(ax, _row_of(ax, len(order)) or shape, size).ravel()
        for panel in axes[len(order) :]:
            panel.set_axis_off()
        self.axes_ = axes[: len(order)]
        longest = min(title_length(panel) for panel in self.axes_)
        names = all_shortened([pairs[j].name for j in order], longest)
        handles = [
            draw_margin(panel, pairs[j], name, kwargs)
            for panel, j, name in zip(self.axes_, order, names, strict=True)
        ]
        which = "all" if len(order) == len(pairs) else f"{len(order)} of {len(pairs)}"
        title = f"{which} columns, those first whose margins differ most (from 0 to 1)"
        self._add_legend(handles[0], title)

    def _add_legend(self, handles: tuple[Any, Any], title: str) -> None:
        """Above the title of the first panel."""
        from matplotlib.transforms import ScaledTranslation

        ax = self.axes_[0]
        above = ax.transAxes + ScaledTranslation(0.0, _TITLE, ax.figure.dpi_scale_trans)
        # The legend is wider than the panel, which is not to be made narrower: a text without
        # width keeps room for it.
        ax.text(0.0, 1.0, "\n\n ", transform=above, fontsize="small", va="bottom")
        legend = ax.legend(
            handles,
            [f"data, {len(self.data):,} rows", f"model, {len(self.draws):,} draws"],
            title=title,
            title_fontsize="small",
            fontsize="small",
            alignment="left",
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            bbox_transform=above,
            borderaxespad=0.0,
            ncols=2,
            frameon=False,
        )
        legend.set_in_layout(False)

    def _depend(self, pairs: list[ColumnPair]) -> None:
        """Set `dependences_`."""
        data, draws, n_parts = zip(*(pair.parts() for pair in pairs), strict=True)
        self.dependences_ = np.stack([dependences(data, n_parts), dependences(draws, n_parts)])

    def _draw_pairs(self, ax: Any, n_most: int, kwargs: dict[str, Any]) -> None:
        pairs = self._column_pairs()
        if len(pairs) < 2:
            raise ValueError("kind='pairs' needs two columns; got one. Set kind='margins'.")
        self._depend(pairs)
        rows, columns = np.triu_indices(len(pairs), 1)
        order = np.argsort(-self.dependences_[0][rows, columns], kind="stable")[:n_most]
        axes = new_panels(ax, (len(order), 2), (6.4, 0.4 + 2.4 * len(order)))
        for panels, place in zip(axes, order, strict=True):
            i, j = rows[place], columns[place]
            for which, panel in enumerate(panels):
                draw_two(panel, (pairs[i], pairs[j]), bool(which), kwargs)
                name = ("data", "model")[which]
                title = f"{name}: Cramér's V {self.dependences_[which, i, j]:.2f}"
                panel.set_title(title, fontsize="small")
        self.axes_ = axes.ravel()

    def _draw_correlations(self, ax: Any, n_most: int, kwargs: dict[str, Any]) -> None:
        pairs = self._column_pairs()
        self._depend(pairs)
        strongest = (self.dependences_[0] - np.eye(len(pairs))).max(axis=1)
        kept = np.sort(np.argsort(-strongest, kind="stable")[:n_most])
        names = all_shortened([self.names[j] for j in kept])
        side = 1.2 + 0.18 * len(kept)
        axes = new_panels(ax, (1, 2), (2.8 + 2 * side, 1.9 + side)).ravel()
        for which, (panel, name) in enumerate(zip(axes, ("data", "model"), strict=True)):
            cells = self.dependences_[which][np.ix_(kept, kept)].copy()
            np.fill_diagonal(cells, np.nan)
            style = {"cmap": COLOUR_MAP, "vmin": 0.0, "vmax": 1.0, **kwargs}
            mesh = panel.pcolormesh(np.ma.masked_invalid(cells), **style)
            panel.set_box_aspect(1.0)
            panel.set_title(name, fontsize="medium")
            panel.set_xticks(np.arange(len(kept)) + 0.5, names, rotation=90)
            panel.set_yticks(np.arange(len(kept)) + 0.5, names if which == 0 else [""] * len(kept))
            panel.tick_params(length=0, labelsize="small")
            panel.invert_yaxis()
        figure = axes[0].figure
        figure.colorbar(mesh, ax=list(axes), label="Cramér's V", shrink=0.8)
        figure.figure.draw_without_rendering()  # only then the size of the panels is known
        cell = axes[0].get_window_extent().height / figure.dpi * 72 / len(kept)
        for panel in axes:
            panel.tick_params(labelsize=np.clip(0.8 * cell, *_FONTS))
        self.axes_ = axes


def _row_of(ax: Any, n_panels: int) -> tuple[int, int] | None:
    """The shape of panels that are given one by one."""
    return (1, n_panels) if ax is not None and np.ndim(ax) else None


def _column_pair(name: str, column: Any, data: np.ndarray, draws: np.ndarray) -> ColumnPair:
    """A column that `skpc._tables.column_types.Column` describes, with its labels, if it has any.

    Numbers that are categories are labels if they are few.
    """
    known = column.categories
    if column.labels is not None:  # levels in order, which are read as numbers, have no categories
        known = np.arange(len(column.labels), dtype=np.float64)
    elif known is None or len(known) > _FEW_NUMBERS:
        return ColumnPair(name, data, draws, None)
    labels = _texts(column.restore(known).tolist())
    codes = [_codes(known, values) for values in (data, draws)]
    if any((code == len(known)).any() for code in codes):
        labels.append(_UNSEEN)
    return ColumnPair(name, codes[0], codes[1], labels)


def _codes(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Positions of values among known ones, their number if not among them; NaN is missing."""
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    codes = np.where(known[places] == values, places, len(known))
    return np.where(np.isnan(values), np.nan, codes)


def _texts(labels: list[Any]) -> list[str]:
    """Names of labels; numbers with three digits, if they then still differ."""
    for n_digits in 3, 6:
        texts = [
            f"{x:.{n_digits}g}".replace("-", "\N{MINUS SIGN}") if isinstance(x, float) else str(x)
            for x in labels
        ]
        if len({*texts}) == len(labels):
            break
    return texts
