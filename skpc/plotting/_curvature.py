"""Which sum nodes are used, and which are sharp."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._circuit.tree import tree_of_region
from skpc.curvature import NodeCurvature, node_curvature
from skpc.plotting._base import (
    COLOUR_MAP,
    all_shortened,
    axis_length,
    check_matplotlib,
    fitted_density,
    group_label,
    log_bar,
    log_norm,
    new_panels,
    region_members,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class CurvatureDisplay:
    """Usage, local and global curvature of the sum nodes of a circuit, one cell a node.

    A row is a region of the tree, a column a state of its parent's latent variable. States
    have no order of their own: in each row they are sorted by usage, the same in all panels.
    Regions come in the order of their global curvature, whose sum over all nodes is the mean
    trace of the Hessian. Scales are logarithmic; a root has one node only.

    Parameters
    ----------
    curvature : NodeCurvature
        `usage`, `local` and `global_`, each of shape (n_regions, n_latents); see
        `skpc.curvature.node_curvature`.
    names : sequence of n_regions str
        What to call the regions.
    is_root : ndarray of shape (n_regions,) of bool, default=None
        Which regions are roots; None means none.

    Attributes
    ----------
    axes_ : ndarray of 3 Axes
    ax_ : Axes
        The first.
    figure_ : Figure

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.plotting import CurvatureDisplay
    >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
    >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
    >>> display = CurvatureDisplay.from_estimator(model, X)
    >>> [ax.get_title() for ax in display.axes_]
    ['usage', 'local curvature', 'global curvature']
    """

    axes_: np.ndarray
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        curvature: NodeCurvature,
        names: list[str],
        *,
        is_root: np.ndarray | None = None,
    ) -> None:
        self.curvature = curvature
        self.names = names
        self.is_root = is_root

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        sample_weight: Any = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> CurvatureDisplay:
        """Compute and draw the curvature of a fitted density's nodes.

        Parameters
        ----------
        estimator : SharpPCDensity
            Fitted.
        X : array-like or frame of shape (n_samples, n_features)
            Rows over which to take means.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        ax : Axes, array-like of 3 Axes or None, default=None
            Where to draw; one is cut in three, None makes a figure.
        **kwargs
            Of `plot`.

        Returns
        -------
        CurvatureDisplay
        """
        check_matplotlib(cls)
        estimator = fitted_density(estimator, cls)
        circuit = estimator.circuit_
        curvature = node_curvature(
            circuit,
            estimator._validate(X),
            sample_weight=sample_weight,
            n_jobs=estimator.n_jobs,
        )
        regions = region_members(estimator)
        firsts = iter(all_shortened([names[0] for names in regions if names]))
        members = enumerate([next(firsts), *names[1:]] if names else [] for names in regions)
        labels = [group_label(names) or f"latent {region}" for region, names in members]
        if len(circuit.roots) > 1:  # each column has a region in every tree
            trees = tree_of_region(circuit.parents)
            labels = [f"{label}, tree {t}" for label, t in zip(labels, trees, strict=True)]
        return cls(curvature, labels, is_root=circuit.parents < 0).plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, n_regions: int = 24, **kwargs: Any) -> CurvatureDisplay:
        """Draw the regions of largest global curvature.

        Parameters
        ----------
        ax : Axes, array-like of 3 Axes or None, default=None
            Where to draw; one is cut in three, None makes a figure.
        n_regions : int, default=24
            At most so many rows.
        **kwargs
            Of ``Axes.pcolormesh``.

        Returns
        -------
        CurvatureDisplay
            This one.
        """
        check_matplotlib(self)
        usage, local, global_ = (np.array(part, float) for part in self.curvature)
        if self.is_root is not None:
            # Of a root's row the first entry at most is a node.
            unused = self.is_root[:, None] & (usage == 0.0)
            for part in usage, local, global_:
                part[unused] = np.nan
        by_region = np.where(np.isnan(usage).all(axis=1), np.nan, np.nansum(global_, axis=1))
        n_nodes = int(np.isfinite(by_region).sum())
        rows = np.argsort(-by_region, kind="stable")[: min(n_regions, n_nodes)]
        states = np.argsort(-usage[rows], axis=1, kind="stable")  # NaN comes last
        height = 1.5 + 0.17 * len(rows)
        axes = new_panels(ax, (1, 3), (9.0, height)).ravel()
        titles = "usage", "local curvature", "global curvature"
        for panel, part, title in zip(axes, (usage, local, global_), titles, strict=True):
            cells = np.take_along_axis(part[rows], states, axis=1)
            mesh = panel.pcolormesh(
                np.ma.masked_invalid(cells),
                **{"cmap": COLOUR_MAP, "norm": log_norm(cells), **kwargs},
            )
            panel.set_title(fill(title, axis_length(panel, "x")), fontsize="medium")
            panel.invert_yaxis()
            panel.set_yticks([])
            panel.set_xticks([])
            log_bar(mesh, panel, location="bottom", pad=0.03, aspect=25)
        axes[0].set_yticks(np.arange(len(rows)) + 0.5, [self.names[r] for r in rows], fontsize=8)
        axes[0].tick_params(left=False)
        axes[1].set_xlabel("states, most used first")
        axes[0].set_ylabel("regions")
        if len(rows) < n_nodes:
            axes[0].set_xlabel(f"the {len(rows)} sharpest of {n_nodes} regions")
        self.axes_, self.ax_, self.figure_ = axes, axes[0], axes[0].figure
        return self
