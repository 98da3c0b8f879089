"""The surface of the loss around fitted weights, and the top of its Hessian's spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from skpc._checks import shown
from skpc._circuit.circuit import Circuit
from skpc.curvature import hessian_operator
from skpc.curvature.parameters import ParameterVector
from skpc.curvature.profiles import line_profile
from skpc.plotting._base import (
    COLOUR_MAP,
    COLOURS,
    check_matplotlib,
    fitted_density,
    log_y,
    new_panels,
    no_spines,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A weight changes by at most twice its own size for each step of one along a direction.
_LARGEST_STEP = {1: 0.45, 2: 0.24}
_DENSE_SIZE = 50
_MARKERS = "osD^vP*"


class LossLandscapeDisplay:
    """Loss of one or several fitted densities around their weights, on common scales.

    The loss is the mean negative log-likelihood, less that at the fitted weights. It is seen
    along one or two random directions in the space of all sum weights, inputs being fixed:
    each weight moves in proportion to itself, by a random sign less what keeps its distribution's
    sum at one. So a distribution's change is about as long as the distribution is, which is the
    filter normalisation of [1]_, and all circuits on the way are normalised and have positive
    weights. Estimators whose circuits have the same size share the signs.

    Beside it are the largest eigenvalues of the Hessian of the loss among directions that keep
    sums at one.

    Parameters
    ----------
    steps : ndarray of shape (n_steps,)
        How far to go along a direction; 0 is in the middle.
    rises : ndarray of shape (n_estimators, n_steps) or (n_estimators, n_steps, n_steps)
        Loss less that at the fitted weights, in nats per row; the last axis is along the first
        direction.
    names : sequence of n_estimators str
        What each is called.
    eigenvalues : ndarray of shape (n_estimators, n_eigenvalues) or None, default=None
        Descending.
    sharpness : ndarray of shape (n_estimators,) or None, default=None
        Mean trace of the Hessian, over all directions.

    Attributes
    ----------
    axes_ : ndarray of Axes
        A surface for each estimator, or one with the lines of all; then that of the
        eigenvalues, if they are drawn.
    ax_ : Axes
        The first.
    figure_ : Figure

    Notes
    -----
    Random directions show typical curvature, the mean over all directions in units of the weights'
    own size; eigenvalues show the steepest, in absolute units. A penalty on the trace need not
    lower either at every fit. Surfaces cost ``n_steps ** n_directions`` passes over `X` for each
    estimator, eigenvalues some tens of passes.

    References
    ----------
    .. [1] H. Li et al., "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018.
    .. [2] H. Suresh et al., "Tractable Sharpness-Aware Learning of Probabilistic Circuits",
       AAAI 2026, Figure 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.plotting import LossLandscapeDisplay
    >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
    >>> models = {f"mu = {mu}": SharpPCDensity(2, mu=mu, random_state=0).fit(X) for mu in (0, 1)}
    >>> display = LossLandscapeDisplay.from_estimators(models, X, n_steps=5)
    >>> display.rises.shape
    (2, 5, 5)
    """

    axes_: np.ndarray
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        steps: np.ndarray,
        rises: np.ndarray,
        names: list[str],
        *,
        eigenvalues: np.ndarray | None = None,
        sharpness: np.ndarray | None = None,
    ) -> None:
        self.steps = steps
        self.rises = rises
        self.names = names
        self.eigenvalues = eigenvalues
        self.sharpness = sharpness

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, ax: Any = None, **kwargs: Any
    ) -> LossLandscapeDisplay:
        """Compute and draw the surface of one fitted density.

        Parameters
        ----------
        estimator : SharpPCDensity
            Fitted.
        X : array-like or frame of shape (n_samples, n_features)
            Rows whose likelihood is the loss, such as the training rows.
        ax : Axes, array-like of Axes or None, default=None
            Where to draw; see `plot`.
        **kwargs
            Of `from_estimators`.

        Returns
        -------
        LossLandscapeDisplay
        """
        name = f"mu = {estimator.mu_:g}" if hasattr(estimator, "mu_") else type(estimator).__name__
        return cls.from_estimators({name: estimator}, X, ax=ax, **kwargs)

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Any,
        *,
        n_directions: int = 2,
        n_steps: int = 25,
        largest_step: float | None = None,
        n_eigenvalues: int = 10,
        random_state: int = 0,
        ax: Any = None,
        **kwargs: Any,
    ) -> LossLandscapeDisplay:
        """Compute and draw the surfaces of several fitted densities, side by side.

        Parameters
        ----------
        estimators : mapping from str to SharpPCDensity
            Fitted, each under the name to call it.
        X : array-like or frame of shape (n_samples, n_features)
            Rows whose likelihood is the loss, such as the training rows.
        n_directions : {1, 2}, default=2
            Curves or surfaces.
        n_steps : int, default=25
            Points along a direction; an odd number has one at the fitted weights.
        largest_step : float or None, default=None
            How far to go to each side: below 1/2 with one direction, below 1/4 with two. None
            means 0.45 and 0.24.
        n_eigenvalues : int, default=10
            How many; 0 for none.
        random_state : int, default=0
            Seed of the directions.
        ax : Axes, array-like of Axes or None, default=None
            Where to draw; see `plot`.
        **kwargs
            Of `plot`.

        Returns
        -------
        LossLandscapeDisplay
        """
        check_matplotlib(cls)
        densities = [fitted_density(estimator, cls) for estimator in estimators.values()]
        if n_directions not in _LARGEST_STEP:
            raise ValueError(f"n_directions must be 1 or 2; got {shown(n_directions)}.")
        bound = 0.5 / n_directions
        reach = _LARGEST_STEP[n_directions] if largest_step is None else largest_step
        if not 0.0 < reach < bound:
            raise ValueError(
                f"largest_step must be between 0 and {bound}, where weights may become zero; got "
                f"{shown(reach)}."
            )
        steps = np.linspace(-reach, reach, n_steps)
        rises, eigenvalues, sharpness = [], [], []
        for density in densities:
            circuit, matrix, n_jobs = density.circuit_, density._validate(X), density.n_jobs
            rng = np.random.RandomState(random_state)
            directions = [_random_direction(circuit, rng) for _ in range(n_directions)]
            rises.append(_surface(circuit, matrix, directions, steps, n_jobs))
            rises[-1] -= _surface(circuit, matrix, directions[:1], np.zeros(1), n_jobs)
            sharpness.append(density.sharpness(X))
            if n_eigenvalues:
                eigenvalues.append(_top_eigenvalues(circuit, matrix, n_eigenvalues, n_jobs))
        padded = None
        if eigenvalues:
            most = max(map(len, eigenvalues))
            padded = np.array(
                [np.pad(e, (0, most - len(e)), constant_values=np.nan) for e in eigenvalues]
            )
        display = cls(
            steps,
            np.array(rises),
            list(estimators),
            eigenvalues=padded,
            sharpness=np.array(sharpness),
        )
        return display.plot(ax, **kwargs)

    def plot(
        self, ax: Any = None, *, n_levels: int = 12, spectrum: bool = True, **kwargs: Any
    ) -> LossLandscapeDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, array-like of Axes or None, default=None
            Where to draw, with one Axes for each entry of `axes_`; one is cut into as many,
            None makes a figure.
        n_levels : int, default=12
            Contours of a surface, the same for all.
        spectrum : bool, default=True
            Whether to draw the eigenvalues, if there are any.
        **kwargs
            Of ``Axes.contourf``, or with one direction of ``Axes.plot``.

        Returns
        -------
        LossLandscapeDisplay
            This one.
        """
        check_matplotlib(self)
        is_surface = self.rises.ndim == 3
        n_surfaces = len(self.rises) if is_surface else 1
        with_spectrum = spectrum and self.eigenvalues is not None
        n_panels = n_surfaces + with_spectrum
        size = (3.1 * n_panels + 0.6, 3.4) if is_surface else (4.4 * n_panels, 3.6)
        axes = new_panels(ax, (1, n_panels), size).ravel()
        self.axes_, self.ax_, self.figure_ = axes, axes[0], axes[0].figure
        if is_surface:
            self._draw_surfaces(axes[:n_surfaces], n_levels, kwargs)
        else:
            self._draw_lines(axes[0], kwargs)
        if with_spectrum:
            self._draw_spectrum(axes[-1])
        return self

    def _titles(self) -> list[str]:
        if self.sharpness is None:
            return list(self.names)
        pairs = zip(self.names, self.sharpness, strict=True)
        return [f"{name}\nmean trace {plain(trace)}" for name, trace in pairs]

    def _draw_surfaces(self, axes: np.ndarray, n_levels: int, kwargs: dict[str, Any]) -> None:
        from matplotlib.ticker import MaxNLocator

        low, high = min(float(self.rises.min()), 0.0), max(float(self.rises.max()), 1e-12)
        levels = MaxNLocator(n_levels).tick_values(low, high)
        style = {"levels": levels, "cmap": COLOUR_MAP, **kwargs}
        for panel, rises, title in zip(axes, self.rises, self._titles(), strict=True):
            filled = panel.contourf(self.steps, self.steps, rises, **style)
            panel.contour(
                self.steps, self.steps, rises, levels=filled.levels, colors="white", linewidths=0.5
            )
            panel.plot(0, 0, marker="+", color="white", markersize=9, markeredgewidth=1.5)
            panel.set_title(title, fontsize="medium")
            panel.set_box_aspect(1)
            panel.set_xlabel("first direction")
            panel.tick_params(labelleft=panel is axes[0])
        axes[0].set_ylabel("second direction")
        bar = self.figure_.colorbar(filled, ax=list(axes), fraction=0.05, pad=0.02)
        bar.set_label("rise of the loss, nats per row")
        bar.ax.yaxis.set_major_locator(MaxNLocator(6))

    def _draw_lines(self, ax: Axes, kwargs: dict[str, Any]) -> None:
        for i, (rises, name) in enumerate(zip(self.rises, self.names, strict=True)):
            style = {"color": COLOURS[i % len(COLOURS)], "label": name}
            ax.plot(self.steps, rises, **{**style, "linestyle": _line_style(i), **kwargs})
        ax.set_xlabel("step along a random direction")
        ax.set_ylabel("rise of the loss, nats per row")
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False)
        no_spines(ax)

    def _draw_spectrum(self, ax: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        assert self.eigenvalues is not None
        for i, (eigenvalues, name) in enumerate(zip(self.eigenvalues, self.names, strict=True)):
            ax.plot(
                np.arange(1, len(eigenvalues) + 1),
                eigenvalues,
                color=COLOURS[i % len(COLOURS)],
                linestyle=_line_style(i),
                marker=_MARKERS[i % len(_MARKERS)],
                markersize=4,
                label=name,
            )
        ax.set_title("largest eigenvalues\nof the Hessian", fontsize="medium")
        ax.set_xlabel("rank")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        log_y(ax)
        ax.legend(frameon=False, fontsize="small")
        no_spines(ax)


def _line_style(i: int) -> Any:
    return ("-", "--", "-.", ":")[i % 4]


def _random_direction(circuit: Circuit, rng: np.random.RandomState) -> np.ndarray:
    """A parameter vector: each weight times its sign less the mean sign of its distribution."""

    def signed(weights: np.ndarray) -> np.ndarray:
        signs = rng.choice([-1.0, 1.0], size=weights.shape)
        return weights * (signs - (weights * signs).sum(axis=-1, keepdims=True))

    root, sums = signed(circuit.root_weights), signed(circuit.sum_weights)
    return ParameterVector(circuit, False).join(root, sums, None)


def _surface(
    circuit: Circuit,
    X: Any,
    directions: list[np.ndarray],
    steps: np.ndarray,
    n_jobs: int | None,
) -> np.ndarray:
    """The loss along one direction (n_steps,), or over the plane of two (n_steps, n_steps)."""
    first, *others = directions
    parameters = ParameterVector(circuit, False)
    # Not projected: what that rounds away may be all there is of tiny weights.
    if not others:
        shares = np.full(X.shape[0], 1.0 / X.shape[0])
        return line_profile(parameters, X, shares, first, steps, n_jobs=n_jobs)
    return np.array(
        [_surface(parameters.moved(step * others[0]), X, [first], steps, n_jobs) for step in steps]
    )


def _top_eigenvalues(circuit: Circuit, X: Any, k: int, n_jobs: int | None) -> np.ndarray:
    """The largest eigenvalues of the Hessian among directions that keep sums at one."""
    parameters = ParameterVector(circuit, False)
    operator = hessian_operator(circuit, X, n_jobs=n_jobs)
    size = parameters.size

    def multiply(vector: np.ndarray) -> np.ndarray:
        return parameters.project(operator @ parameters.project(vector.ravel()))

    k = min(k, size)
    if size <= max(_DENSE_SIZE, 2 * k + 1):
        matrix = np.array([multiply(unit) for unit in np.eye(size)])
        return np.linalg.eigvalsh((matrix + matrix.T) / 2)[: -k - 1 : -1]
    projected = LinearOperator((size, size), matvec=multiply, dtype=np.float64)
    start = np.random.RandomState(0).standard_normal(size)
    # A picture needs no more digits.
    found = eigsh(projected, k, which="LA", v0=start, tol=1e-4, return_eigenvectors=False)
    return np.sort(found)[::-1]
