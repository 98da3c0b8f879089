"""The learnt tree, with names, dependence and curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._checks import shown
from skpc._circuit.tree import tree_of_region
from skpc._queries.information import edge_information
from skpc.curvature import node_curvature
from skpc.plotting._base import (
    COLOUR_MAP,
    GREY,
    check_matplotlib,
    fitted_density,
    log_bar,
    log_norm,
    new_axes,
    region_labels,
)
from skpc.plotting._layout import pushed_apart, tree_positions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_LARGEST_FONT, _SMALLEST_FONT = 9.0, 5.0
_PADDING = 0.55  # of a label, times its font size, to each side
_DOT = 4.0
_MOST_MOVED = 0.4  # labels on average, in units of their mean side
_WIDTHS = 0.5, 5.0
_EDGES = "#A6A6A6"
_MANY_LABELS = 110


class StructureDisplay:
    """The trees of latent variables, each node with the feature that it observes.

    Edges are the wider, the more mutual information their ends have under the model: the features
    there, if each latent variable observes one that is categorical, else the latent variables.
    Nodes are coloured by curvature, and are as far apart as there are edges between them, as
    well as the plane allows, then moved until no label hides another. Labels shrink where
    there are many; where even the smallest find no room nodes are dots: use a larger figure.
    Latent variables that observe nothing are dots in any case. Roots have a bold outline.

    Parameters
    ----------
    parents : ndarray of shape (n_regions,)
        Parent of each region; -1 at a root.
    names : sequence of n_regions str
        Labels; "" for a dot.
    information : ndarray of shape (n_regions,)
        Mutual information of each region and its parent, in nats.
    information_of : str, default="latent variables"
        What it is the mutual information of, for the legend.
    curvature : ndarray of shape (n_regions,) or None, default=None
        What gives nodes their colours; NaN is white.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    positions_ : ndarray of shape (n_regions, 2)
        Of the nodes, in points from the lower left corner of the axes.
    texts_ : list of Text
        The labels that are drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.plotting import StructureDisplay
    >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
    >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
    >>> display = StructureDisplay.from_estimator(model, X)
    >>> [text.get_text() for text in display.texts_]
    ['x0', 'x1', 'x2']
    """

    ax_: Axes
    figure_: Figure
    positions_: np.ndarray
    texts_: list[Text]

    def __init__(
        self,
        parents: np.ndarray,
        names: list[str],
        information: np.ndarray,
        *,
        information_of: str = "latent variables",
        curvature: np.ndarray | None = None,
    ) -> None:
        self.parents = parents
        self.names = names
        self.information = information
        self.information_of = information_of
        self.curvature = curvature

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        tree: int | None = None,
        sample_weight: Any = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> StructureDisplay:
        """Draw the trees of a fitted density.

        Parameters
        ----------
        estimator : SharpPCDensity
            Fitted.
        X : array-like or frame of shape (n_samples, n_features), default=None
            Rows over which to take the mean curvature; None leaves nodes white.
        tree : int or None, default=None
            Which tree of several, as in `structure_frame`; None draws all, side by side.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        ax : Axes or None, default=None
            Where to draw; None makes a figure.
        **kwargs
            Of `plot`.

        Returns
        -------
        StructureDisplay
        """
        check_matplotlib(cls)
        estimator = fitted_density(estimator, cls)
        circuit = estimator.circuit_
        parents, names = circuit.parents, region_labels(estimator)
        curvature = None
        if X is not None:
            nodes = node_curvature(
                circuit,
                estimator._validate(X),
                sample_weight=sample_weight,
                n_jobs=estimator.n_jobs,
            )
            curvature = nodes.local.mean(axis=1)
            # The one root sum node is in the first entry of the first root.
            curvature[circuit.roots] = np.nan
            curvature[circuit.roots[0]] = nodes.local[circuit.roots[0], 0]
        members = np.arange(circuit.n_regions)
        tree_of = tree_of_region(parents)
        if tree is not None:
            members = np.flatnonzero(tree_of == tree)
            if not members.size:
                raise ValueError(
                    f"tree must be at least 0 and below the number of trees, "
                    f"{len(circuit.roots)}; got {shown(tree)}."
                )
        # A root, whose parent is -1, finds the last entry: -1 again.
        number = np.append(np.full(circuit.n_regions, -1), -1)
        number[members] = np.arange(len(members))
        information, information_of = _information(estimator)
        display = cls(
            number[parents[members]],
            [names[region] for region in members],
            information[members],
            information_of=information_of,
            curvature=None if curvature is None else curvature[members],
        )
        return display.plot(ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, font_size: float | None = None, **kwargs: Any
    ) -> StructureDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; None makes a figure. Labels are placed for its present size.
        font_size : float or None, default=None
            Of the labels, which may then overlap if it is too large; None means 9, or what fits.
        **kwargs
            Of ``LineCollection``, for the edges.

        Returns
        -------
        StructureDisplay
            This one.
        """
        check_matplotlib(self)
        from matplotlib.cm import ScalarMappable

        scale = np.clip(np.sqrt(sum(map(bool, self.names)) / _MANY_LABELS), 1.0, 2.0)
        axes = new_axes(ax, (8.0 * scale, 6.4 * scale))
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xticks([])
        axes.set_yticks([])
        self._add_legend(axes)
        colours = None
        if self.curvature is not None:
            colours = ScalarMappable(log_norm(self.curvature), COLOUR_MAP)
            label = "local curvature, mean over states"
            log_bar(colours, axes, label=label, shrink=0.6, pad=0.02)
        axes.figure.figure.draw_without_rendering()  # only then the size of the axes is known
        extent = axes.get_window_extent()
        points_per_pixel = 72.0 / axes.figure.dpi
        box = extent.width * points_per_pixel, extent.height * points_per_pixel
        axes.set_xlim(0.0, box[0])
        axes.set_ylim(0.0, box[1])
        self.positions_, fitting = self._place(axes, box, font_size)
        self._draw_edges(axes, kwargs)
        self._draw_nodes(axes, fitting, colours)
        self.ax_, self.figure_ = axes, axes.figure
        return self

    def _place(
        self, ax: Axes, box: tuple[float, float], font_size: float | None
    ) -> tuple[np.ndarray, float | None]:
        """Positions of nodes, and the size of labels; None if they find no room."""
        ideal = tree_positions(self.parents, box)
        widths = _label_widths(ax, self.names)
        is_dot = np.array([not name for name in self.names])
        fonts = [font_size] if font_size else np.arange(_LARGEST_FONT, _SMALLEST_FONT - 0.1, -0.5)
        margin = np.array([[_DOT, _DOT]])
        found = margin + ideal * (1 - 2 * margin / np.array(box)), font_size
        for font in fonts:
            width, height = widths + 2 * _PADDING, 1.3 + 2 * _PADDING
            sizes = font * np.column_stack([width, np.full(len(widths), height)])
            sizes[is_dot] = _DOT + 1.0
            placed = pushed_apart(ideal, sizes, box)
            if placed is not None:
                found = placed, float(font)
                # Smaller labels move less, and leave the tree its shape.
                inside = np.clip(ideal, sizes / 2, np.array(box) - sizes / 2)
                if np.linalg.norm(placed - inside, axis=1).mean() < _MOST_MOVED * sizes.mean():
                    break
        return found

    def _draw_edges(self, ax: Axes, kwargs: dict[str, Any]) -> None:
        from matplotlib.collections import LineCollection

        below = np.flatnonzero(self.parents >= 0)
        ends = np.stack([self.positions_[below], self.positions_[self.parents[below]]], axis=1)
        style = {"linewidths": self._line_width(self.information[below]), "colors": _EDGES}
        lines = LineCollection(list(ends), **{**style, "zorder": 1, **kwargs})
        lines.set_capstyle("round")
        ax.add_collection(lines, autolim=False)

    def _line_width(self, information: Any) -> Any:
        top = np.nanmax(self.information, initial=0.0)
        return _WIDTHS[0] + (_WIDTHS[1] - _WIDTHS[0]) * information / (top or 1.0)

    def _draw_nodes(self, ax: Any, font: float | None, colours: Any) -> None:
        fills = np.ones((len(self.names), 4))
        if colours is not None:
            assert self.curvature is not None
            known = np.isfinite(self.curvature)
            fills[known] = colours.to_rgba(self.curvature[known])
        is_bright = fills[:, :3] @ [0.299, 0.587, 0.114] > 0.5
        is_root = self.parents < 0
        is_dot = np.array([font is None or not name for name in self.names])
        self.texts_ = []
        for i in np.flatnonzero(~is_dot):
            text = ax.text(
                *self.positions_[i],
                self.names[i],
                fontsize=font,
                color="black" if is_bright[i] else "white",
                ha="center",
                va="center",
                zorder=3,
                bbox={
                    "boxstyle": f"round,pad={_PADDING - 0.25}",
                    "facecolor": fills[i],
                    "edgecolor": "black" if is_root[i] else GREY,
                    "linewidth": 1.8 if is_root[i] else 0.5,
                },
            )
            text.set_in_layout(False)
            self.texts_.append(text)
        ax.scatter(
            *self.positions_[is_dot].T,
            s=_DOT**2 * np.where(is_root[is_dot], 3.0, 1.0),
            c=fills[is_dot],
            edgecolors=np.where(is_root[is_dot], "black", GREY),
            linewidths=np.where(is_root[is_dot], 1.5, 0.5),
            zorder=3,
        )

    def _add_legend(self, ax: Axes) -> None:
        """What the width of an edge says."""
        from matplotlib.lines import Line2D

        top = np.nanmax(self.information, initial=0.0)
        if not top > 0.0:
            return
        handles = [
            Line2D([], [], color=_EDGES, linewidth=self._line_width(value), label=f"{value:.2g}")
            for value in (top / 4, top / 2, top)
        ]
        legend = ax.legend(
            handles=handles,
            title=f"mutual information of {self.information_of}, nats",
            title_fontsize="small",
            fontsize="small",
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=3,
            frameon=False,
        )
        legend.set_zorder(0)


def _information(estimator: Any) -> tuple[np.ndarray, str]:
    """Mutual information (n_regions,) of each region and its parent, and what it is that of."""
    circuit = estimator.circuit_
    has_one = all(len(columns) == 1 for columns in circuit.features)
    if not has_one or any(categories is None for categories in estimator.categories_):
        return edge_information(circuit), "latent variables"
    column = np.concatenate(circuit.features)
    out = estimator.mutual_information()[column, column[circuit.parents]]
    return np.where(circuit.parents < 0, np.nan, out), "features"


def _label_widths(ax: Axes, names: list[str]) -> np.ndarray:
    """Widths of labels, in units of the font's size."""
    widths = np.zeros(len(names))
    probe = ax.text(0.0, 0.0, "", fontsize=10.0)
    for i, name in enumerate(names):
        if name:
            probe.set_text(name)
            widths[i] = probe.get_window_extent().width * 72.0 / ax.figure.dpi / 10.0
    probe.remove()
    return widths
