"""How likelihood and sharpness went while a model was learnt."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from skpc._checks import shown
from skpc._estimators.density import SharpPCDensity
from skpc.plotting._base import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    check_density,
    check_matplotlib,
    fitted_density,
    log_y,
    new_axes,
    no_spines,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


_LABEL, _ALL_LABELS = 1.5, 4.6  # inches of the longest entry of the legend, and of all


class FitHistoryDisplay:
    """Log-likelihood, and sharpness if it was recorded, against iterations.

    Make it with `from_estimator`, of a fit that was, or with `from_fits`, which learns anew
    to see sharpness.

    Parameters
    ----------
    train : ndarray of shape (n_train,)
        Mean log-likelihood of the training rows after 0, 1, 2 and so on iterations.
    validation : ndarray of shape (n_validation,) or None, default=None
        That of the validation rows after `validation_iterations`.
    validation_iterations : ndarray of shape (n_validation,) or None, default=None
        None means 0, 1, 2 and so on.
    sharpness : ndarray of shape (n_sharpness,) or None, default=None
        Mean trace of the Hessian after `sharpness_iterations`.
    sharpness_iterations : ndarray of shape (n_sharpness,) or None, default=None
        Needed if there is `sharpness`.
    best_iteration : int or None, default=None
        Where early stopping ended.

    Attributes
    ----------
    ax_ : Axes
        That of the likelihoods.
    sharpness_ax_ : Axes or None
        Its twin.
    figure_ : Figure
    lines_ : list of Line2D
        Training, then validation and sharpness, those that there are.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.plotting import FitHistoryDisplay
    >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
    >>> model = SharpPCDensity(n_latents=2, early_stopping=True, random_state=0).fit(X)
    >>> display = FitHistoryDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel()
    'iterations'
    """

    ax_: Axes
    sharpness_ax_: Axes | None
    figure_: Figure
    lines_: list[Line2D]

    def __init__(
        self,
        train: np.ndarray,
        *,
        validation: np.ndarray | None = None,
        validation_iterations: np.ndarray | None = None,
        sharpness: np.ndarray | None = None,
        sharpness_iterations: np.ndarray | None = None,
        best_iteration: int | None = None,
    ) -> None:
        self.train = train
        self.validation = validation
        self.validation_iterations = validation_iterations
        self.sharpness = sharpness
        self.sharpness_iterations = sharpness_iterations
        self.best_iteration = best_iteration

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Axes | None = None, **kwargs: Any
    ) -> FitHistoryDisplay:
        """Draw what a fitted density recorded of its fit, which costs nothing.

        Parameters
        ----------
        estimator : SharpPCDensity
            Fitted. With mini-batches a training value is a mean over the epoch that follows. With
            early stopping the run is drawn that was validated, not one from all rows after it.
        ax : Axes or None, default=None
            Where to draw; None makes a figure.
        **kwargs
            Of `plot`.

        Returns
        -------
        FitHistoryDisplay
        """
        check_matplotlib(cls)
        estimator = fitted_density(estimator, cls)
        train = estimator.validation_run_log_likelihoods_
        display = cls(
            estimator.log_likelihoods_ if train is None else train,
            validation=estimator.validation_log_likelihoods_,
            best_iteration=estimator.best_iteration_,
        )
        return display.plot(ax, **kwargs)

    @classmethod
    def from_fits(
        cls,
        estimator: Any,
        X: Any,
        *,
        X_val: Any = None,
        iterations: Sequence[int] = (1, 2, 3, 5, 8, 13, 20, 30, 50, 80, 130, 200),
        sample_weight: Any = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> FitHistoryDisplay:
        """Learn in stages, look at the circuit after each, and draw.

        A density with the same parameters is fitted to all of `X` by EM on all rows at once,
        without early stopping and `tol`, and goes on (`warm_start`) from one of `iterations` to
        the next. In all that is one fit of the largest number of iterations, in the same steps;
        each stage adds the preparation of patterns, a pass over `X_val`, and one over the distinct
        rows of `X` for the exact trace. With `n_init` the first stage alone chooses among starts.

        Parameters
        ----------
        estimator : SharpPCDensity
            Need not be fitted, and is left as it is. With ``solver="adam"`` or mini-batches
            stages are not one longer fit, since steps shrink anew in each: those are refused, and
            ``batch_size="auto"`` is read as None.
        X : array-like or frame of shape (n_samples, n_features)
            Training rows, at which sharpness is measured too.
        X_val : array-like or frame of shape (n_val, n_features), default=None
            Rows to validate on; they do not stop anything.
        iterations : sequence of int
            After how many iterations to look; at least 1, ascending.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows of `X`.
        ax : Axes or None, default=None
            Where to draw; None makes a figure.
        **kwargs
            Of `plot`.

        Returns
        -------
        FitHistoryDisplay
        """
        check_matplotlib(cls)
        steps = np.asarray(iterations)
        if steps.ndim != 1 or not steps.size or (np.diff(steps, prepend=0) < 1).any():
            raise ValueError(
                "iterations must be ascending and at least 1, such as [1, 10]; got "
                f"{shown(iterations)}."
            )
        check_density(estimator, cls)
        model = clone(SharpPCDensity(**estimator._density_parameters()))
        if model.solver != "em" or isinstance(model.batch_size, Integral):
            raise ValueError(
                "from_fits needs EM on all rows, where a fit is the beginning of a longer one. Set "
                "solver='em' and batch_size=None, or use from_estimator."
            )
        if model.n_latents == "auto":
            if not hasattr(estimator, "circuit_"):
                raise ValueError(
                    "from_fits follows one circuit, and n_latents='auto' chooses among several. "
                    "Set n_latents to a number, or pass a fitted estimator."
                )
            model.set_params(n_latents=estimator.n_latents_)
        model.set_params(
            n_iter_no_change=SharpPCDensity().n_iter_no_change,
            warm_start=True,
            early_stopping=False,
            tol=0,
            batch_size=None,
        )
        train, sharpness, validation = [], [], []
        for n_more in np.diff(steps, prepend=0):
            model.set_params(max_iter=int(n_more)).fit(X, sample_weight=sample_weight)
            train.append(model.log_likelihoods_)
            sharpness.append(model.sharpness(X, sample_weight))
            if X_val is not None:
                validation.append(model.score(X_val))
        train.append([model.score(X, sample_weight=sample_weight)])
        display = cls(
            np.concatenate(train),
            validation=np.array(validation) if validation else None,
            validation_iterations=steps if validation else None,
            sharpness=np.array(sharpness),
            sharpness_iterations=steps,
        )
        return display.plot(ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, log_x: bool = False, **kwargs: Any
    ) -> FitHistoryDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; None makes a figure.
        log_x : bool, default=False
            Whether iterations, but for the start, are on a logarithmic scale.
        **kwargs
            Of ``Axes.plot``, for all lines.

        Returns
        -------
        FitHistoryDisplay
            This one.
        """
        check_matplotlib(self)
        from matplotlib.ticker import MaxNLocator

        axes = new_axes(ax, (6.4, 4.0))
        marks = []
        marker = {"marker": "o", "markersize": 4}
        self.lines_ = axes.plot(
            np.arange(len(self.train)), self.train, **{"color": BLUE, "label": "training", **kwargs}
        )
        if self.validation is not None:
            style: dict[str, Any] = {"color": ORANGE, "label": "validation", "linestyle": "--"}
            steps = self.validation_iterations
            if steps is None:
                steps = np.arange(len(self.validation))
            else:
                style.update(marker)
            self.lines_ += axes.plot(steps, self.validation, **{**style, **kwargs})
        if self.best_iteration is not None:
            style = {"color": GREY, "linewidth": 1, "linestyle": ":", "label": "best iteration"}
            marks.append(axes.axvline(self.best_iteration, **style))
        axes.set_xlabel("iterations")
        axes.set_ylabel("log-likelihood, nats per row")
        no_spines(axes, "top")
        self.sharpness_ax_ = None
        if self.sharpness is not None:
            twin = axes.twinx()
            self.sharpness_ax_ = twin
            style = {"color": GREEN, "label": "sharpness", "linestyle": "-.", **marker}
            self.lines_ += twin.plot(
                self.sharpness_iterations, self.sharpness, **{**style, **kwargs}
            )
            log_y(twin)
            twin.set_ylabel("sharpness, mean Hessian trace", color=GREEN)
            twin.tick_params(axis="y", which="both", colors=GREEN)
            no_spines(twin, "top")
        else:
            no_spines(axes)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if log_x:
            axes.set_xscale("symlog", linthresh=1.0)
            axes.set_xlim(0.0, max(axes.get_xlim()[1], 1.0))
            axes.xaxis.set_major_formatter("{x:g}")
        # Above the axes: curves that rise and then turn leave no corner free for sure.
        width = axes.get_window_extent().width / axes.figure.dpi
        axes.legend(
            handles=[*self.lines_, *marks],
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=4 if width >= _ALL_LABELS else max(int(width / _LABEL), 1),
            frameon=False,
        )
        self.ax_, self.figure_ = axes, axes.figure
        return self
