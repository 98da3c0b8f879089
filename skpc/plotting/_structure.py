"""The learnt tree, with names, dependence and curvature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._checks import shown
from skpc._circuit.tree import tree_of_region
from skpc._data.scope import COPULA, FOREST, GAUSSIAN
from skpc._queries.information import edge_information
from skpc.curvature import node_curvature
from skpc.plotting._base import (
    COLOUR_MAP,
    GREY,
    all_shortened,
    check_matplotlib,
    fitted_density,
    group_label,
    log_bar,
    log_norm,
    new_axes,
    region_members,
    wrapped,
)
from skpc.plotting._boxes import (
    DOT,
    LINE,
    PADDING,
    TreeRoom,
    box_sizes,
    group_names,
    joined,
    placed,
)
from skpc.plotting._layout import tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_LARGEST_FONT, _SMALLEST_FONT = 9.0, 5.0
_SMALLEST_OF_ALL_NAMES = 6.0  # below it the first name of a group must do
_LETTER = 0.55  # in units of the font's size
_GAP = 12.0  # points between trees
_MOST_MOVED = 0.4  # labels on average, in units of their mean side
_WIDTHS = 0.5, 5.0
_EDGES = "#A6A6A6"
_MANY_LABELS = 110
_HOW_GROUPED = {
    COPULA: ": in each state normal with a full covariance",
    GAUSSIAN: ": in each state normal with a full covariance",
    FOREST: ": in each state a forest of its own",
}


class StructureDisplay:
    """The trees of latent variables, each node with the features that it observes.

    Edges are the wider, the more mutual information their ends have under the model: the features
    there, if each latent variable observes one that is categorical, else the latent variables.
    Nodes are coloured by curvature, and are as far apart as there are edges between them, as
    well as the plane allows, then moved until no label hides another. Labels shrink where
    there are many; where even the smallest find no room a group of features is called after its
    first, or nodes are dots: use a larger figure. Latent variables that observe nothing are dots
    in any case. Roots have a bold outline. The trees of a mixture stand apart, with their weights.

    Parameters
    ----------
    parents : ndarray of shape (n_regions,)
        Parent of each region; -1 at a root.
    names : sequence of n_regions (sequence of str)
        Those of the features that each region observes; none for a dot.
    information : ndarray of shape (n_regions,)
        Mutual information of each region and its parent, in nats.
    information_of : str, default="latent variables"
        What it is the mutual information of, for the legend.
    curvature : ndarray of shape (n_regions,) or None, default=None
        What gives nodes their colours; NaN is white.
    titles : sequence of n_trees str or None, default=None
        What stands above each tree.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    positions_ : ndarray of shape (n_regions, 2)
        Of the nodes, in points from the lower left corner of the axes.
    texts_ : list of Text
        The labels that are drawn.
    titles_ : list of Text
        Of trees.

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
    titles_: list[Text]

    def __init__(
        self,
        parents: np.ndarray,
        names: Sequence[Sequence[str]],
        information: np.ndarray,
        *,
        information_of: str = "latent variables",
        curvature: np.ndarray | None = None,
        titles: Sequence[str] | None = None,
    ) -> None:
        self.parents = parents
        self.names = names
        self.information = information
        self.information_of = information_of
        self.curvature = curvature
        self.titles = titles

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
        parents, names = circuit.parents, region_members(estimator)
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
            titles=_titles(circuit, range(len(circuit.roots)) if tree is None else [tree]),
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

        n_labels = sum(len(names) > 0 for names in self.names)
        scale = np.clip(np.sqrt(n_labels / _MANY_LABELS), 1.0, 2.0)
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
        trees = self._add_titles(axes, box)
        self.positions_, labels, fitting = self._place(axes, trees, font_size)
        self._draw_edges(axes, kwargs)
        self._draw_nodes(axes, labels, fitting, colours)
        self.ax_, self.figure_ = axes, axes.figure
        return self

    def _add_titles(self, ax: Axes, box: tuple[float, float]) -> list[TreeRoom]:
        """Draw the titles of trees; where the trees go, in what is left of a box."""
        tree_of = tree_of_region(self.parents)
        n_trees = int(tree_of.max()) + 1
        corners, (width, height) = tiles(n_trees, box)
        gap = _GAP if n_trees > 1 else 0.0
        self.titles_ = []
        out = []
        for tree, corner in enumerate(corners):
            title = self.titles[tree] if self.titles is not None else ""
            head = 0.0
            if title:
                n_letters = int((width - gap) / (_LETTER * _LARGEST_FONT))
                title = "\n".join(fill(line, n_letters) for line in title.split("\n"))
                head = _LARGEST_FONT * (LINE * (1 + title.count("\n")) + 0.5)
                x, y = corner + np.array([width / 2, height - gap / 2])
                text = ax.text(x, y, title, fontsize=_LARGEST_FONT, ha="center", va="top")
                text.set_in_layout(False)
                self.titles_.append(text)
            room = width - gap, height - gap - head
            out.append(TreeRoom(np.flatnonzero(tree_of == tree), corner + gap / 2, room))
        return out

    def _place(
        self, ax: Axes, trees: list[TreeRoom], font_size: float | None
    ) -> tuple[np.ndarray, list[str], float | None]:
        """Positions of nodes, labels, and the size of these; None if they find no room."""
        ideal = [tree.ideal_positions(self.parents) for tree in trees]
        all_names = [group_names(names) for names in self._short_names()]
        found = joined(trees, ideal), all_names, font_size
        for labels, fonts in self._choices(all_names, font_size):
            sizes = box_sizes(ax, labels)
            for font in fonts:
                boxes = np.where(sizes > 0, font * sizes, DOT + 1.0)
                apart = placed(trees, ideal, boxes)
                if apart is not None:
                    found = apart[0], labels, float(font)
                    # Smaller labels move less, and leave the trees their shape.
                    if apart[1] < _MOST_MOVED * boxes.mean():
                        return found
            if found[2] is not None:
                break
        return found

    def _short_names(self) -> list[list[str]]:
        """Names of features, none so long that it is cut anew, and different if they differ."""
        short = iter(all_shortened([name for names in self.names for name in names]))
        return [[next(short) for _ in names] for names in self.names]

    def _choices(
        self, all_names: list[str], font_size: float | None
    ) -> Iterator[tuple[list[str], Sequence[float]]]:
        """Labels, and their sizes, best first."""
        if font_size is not None:
            yield all_names, [font_size]
            return
        first_names = [group_label(names) for names in self._short_names()]
        is_same = first_names == all_names
        least = _SMALLEST_FONT if is_same else _SMALLEST_OF_ALL_NAMES
        yield all_names, np.arange(_LARGEST_FONT, least - 0.1, -0.5).tolist()
        if not is_same:
            yield first_names, np.arange(_LARGEST_FONT, _SMALLEST_FONT - 0.1, -0.5).tolist()

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

    def _draw_nodes(self, ax: Any, labels: list[str], font: float | None, colours: Any) -> None:
        fills = np.ones((len(self.names), 4))
        if colours is not None:
            assert self.curvature is not None
            known = np.isfinite(self.curvature)
            fills[known] = colours.to_rgba(self.curvature[known])
        is_bright = fills[:, :3] @ [0.299, 0.587, 0.114] > 0.5
        is_root = self.parents < 0
        is_dot = np.array([font is None or not label for label in labels])
        self.texts_ = []
        for i in np.flatnonzero(~is_dot):
            text = ax.text(
                *self.positions_[i],
                labels[i],
                fontsize=font,
                color="black" if is_bright[i] else "white",
                ha="center",
                va="center",
                zorder=3,
                bbox={
                    "boxstyle": f"round,pad={PADDING - 0.25}",
                    "facecolor": fills[i],
                    "edgecolor": "black" if is_root[i] else GREY,
                    "linewidth": 1.8 if is_root[i] else 0.5,
                },
            )
            text.set_in_layout(False)
            self.texts_.append(text)
        ax.scatter(
            *self.positions_[is_dot].T,
            s=DOT**2 * np.where(is_root[is_dot], 3.0, 1.0),
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
            title=wrapped(ax, f"mutual information of {self.information_of}, nats"),
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


def _titles(circuit: Any, trees: Sequence[int]) -> list[str]:
    """What to say of each of these trees: its weight, and whether it is one group of columns."""
    weights = circuit.root_weights.reshape(len(circuit.roots), -1).sum(axis=1)
    tree_of = tree_of_region(circuit.parents)
    out = []
    for tree in trees:
        lines = [f"tree {tree}: weight {weights[tree]:.2g}"] if len(weights) > 1 else []
        (root, *others) = np.flatnonzero(tree_of == tree)
        n_columns = len(circuit.features[root])
        if not others and n_columns > 1:
            how = _HOW_GROUPED.get(circuit.inputs[root].kind, "")
            lines.append(f"all {n_columns} columns are one group{how}")
        out.append("\n".join(lines))
    return out
