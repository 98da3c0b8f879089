"""Held-out likelihood, overfitting and sharpness against the strength of the penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import NotFittedError

from skpc._checks import shown
from skpc.plotting._base import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    check_matplotlib,
    legend_above,
    log_y,
    new_panels,
    no_spines,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CHARACTER = 0.022  # width of one in a label of a tick, as a share of that of the axes
_WIDEST_STEP = 1e60
_DRAWABLE = 1e-120, 1e120  # beyond which no penalty differs from the next


class MuPathDisplay:
    """What cross-validation found for each strength `mu` of the penalty.

    One panel each for the held-out log-likelihood, the degree of overfitting and sharpness.
    `mu` is on a logarithmic axis, at whose left end, behind a break, stands zero. The legend says
    what the error bars are; and so it does if the best value is at an end of those that were
    tried, so that there may be better ones beyond.

    Parameters
    ----------
    mus : ndarray of shape (n_mus,)
        Ascending.
    scores : ndarray of shape (n_mus, n_folds)
        Mean log-likelihood of held-out rows.
    overfitting : ndarray of shape (n_mus, n_folds) or None, default=None
        (NLL_test - NLL_train) / abs(NLL_train).
    sharpness : ndarray of shape (n_mus, n_folds) or None, default=None
        Mean trace of the Hessian.
    best_mu : float or None, default=None
        The one to mark.

    Attributes
    ----------
    axes_ : ndarray of Axes
        One for each panel, top to bottom.
    ax_ : Axes
        The first.
    figure_ : Figure

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity, SharpPCDensityCV
    >>> from skpc.plotting import MuPathDisplay
    >>> rng = np.random.RandomState(0)
    >>> X = rng.random_sample((60, 6)) < rng.choice([0.2, 0.8], size=(60, 1))
    >>> density = SharpPCDensity(n_latents=4, random_state=0)
    >>> model = SharpPCDensityCV(density, mus=[0, 0.1, 1], cv=3).fit(X)
    >>> len(MuPathDisplay.from_estimator(model).axes_)
    3
    """

    axes_: np.ndarray
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        mus: np.ndarray,
        scores: np.ndarray,
        *,
        overfitting: np.ndarray | None = None,
        sharpness: np.ndarray | None = None,
        best_mu: float | None = None,
    ) -> None:
        self.mus = mus
        self.scores = scores
        self.overfitting = overfitting
        self.sharpness = sharpness
        self.best_mu = best_mu

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **kwargs: Any) -> MuPathDisplay:
        """Draw what a `SharpPCDensityCV` found.

        If it searched other parameters too, those are held at their best values.

        Parameters
        ----------
        estimator : SharpPCDensityCV
            Fitted, with or without `refit`.
        ax : Axes, array-like of 3 Axes or None, default=None
            Where to draw; one is cut in three, None makes a figure.
        **kwargs
            Of `plot`.

        Returns
        -------
        MuPathDisplay
        """
        check_matplotlib(cls)
        if not hasattr(estimator, "cv_log_likelihoods_"):
            raise NotFittedError(
                "MuPathDisplay.from_estimator needs a fitted SharpPCDensityCV; got "
                f"{estimator!r}. Call fit first; of a grid search use from_search."
            )
        if not hasattr(estimator, "mus_"):  # of several parameters
            return cls.from_search(estimator, ax=ax, **kwargs)
        display = cls(
            estimator.mus_,
            estimator.cv_log_likelihoods_,
            overfitting=estimator.cv_overfitting_,
            sharpness=estimator.cv_sharpness_,
            best_mu=estimator.mu_,
        )
        return display.plot(ax, **kwargs)

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        parameter: str | None = None,
        metric: str | None = None,
        sharpness: str = "sharpness",
        ax: Any = None,
        **kwargs: Any,
    ) -> MuPathDisplay:
        """Draw what a grid search over `mu` found.

        If it was over other parameters too, those are held at their best values. Overfitting is
        drawn if the search has ``return_train_score=True``, sharpness if one of several
        metrics is that.

        Parameters
        ----------
        search : GridSearchCV or RandomizedSearchCV
            Fitted.
        parameter : str or None, default=None
            Name of `mu` in the search; None finds "mu" or one that ends in "__mu".
        metric : str or None, default=None
            Name of the log-likelihood among several metrics; None means that of `refit`.
        sharpness : str, default="sharpness"
            Name of the sharpness among several metrics. That of the training rows is drawn if
            the search kept it, else that of held-out ones.
        ax : Axes, array-like of Axes or None, default=None
            Where to draw, with one Axes for each panel; one is cut into as many, None makes a
            figure.
        **kwargs
            Of `plot`.

        Returns
        -------
        MuPathDisplay
        """
        check_matplotlib(cls)
        if not hasattr(search, "cv_results_"):
            raise NotFittedError(
                f"MuPathDisplay.from_search needs a fitted search; got {search!r}. Call fit first."
            )
        results = search.cv_results_
        if parameter is None:
            found = [name for name in results["params"][0] if name.split("__")[-1] == "mu"]
            if len(found) != 1:
                raise ValueError(
                    f"The search is over {sorted(results['params'][0])}: pass the name of mu "
                    "among them as parameter."
                )
            (parameter,) = found
        if metric is None:
            metric = search.refit if isinstance(search.refit, str) else "score"
        if f"mean_test_{metric}" not in results:
            known = [name[10:] for name in results if name.startswith("mean_test_")]
            raise ValueError(f"metric must be one of {known}; got {shown(metric)}.")
        best = results["params"][int(np.argmin(results[f"rank_test_{metric}"]))]
        rows = np.array(
            [
                i
                for i, candidate in enumerate(results["params"])
                if {**candidate, parameter: None} == {**best, parameter: None}
            ]
        )
        tried = [results["params"][i][parameter] for i in rows]
        if None in tried:
            raise ValueError(
                f"The search tried {parameter}=None, which stands for several values. Leave it out "
                "of the grid."
            )
        mus = np.array(tried, float)
        rows, mus = rows[np.argsort(mus, kind="stable")], np.sort(mus)

        def folds(kind: str, name: str) -> np.ndarray | None:
            if f"mean_{kind}_{name}" not in results:
                return None
            columns = [results[f"split{i}_{kind}_{name}"] for i in range(search.n_splits_)]
            return np.array(columns, float).T[rows]

        scores, train = folds("test", metric), folds("train", metric)
        assert scores is not None
        traces = folds("train", sharpness)
        display = cls(
            mus,
            scores,
            overfitting=None if train is None else (train - scores) / np.abs(train),
            sharpness=folds("test", sharpness) if traces is None else traces,
            best_mu=float(best[parameter]),
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, paired: bool = True, **kwargs: Any) -> MuPathDisplay:
        """Draw means over folds, with one standard error to each side.

        Those of sharpness, which spreads over orders of magnitude, are taken of its logarithm.

        Parameters
        ----------
        ax : Axes, array-like of Axes or None, default=None
            Where to draw, with one Axes for each panel; one is cut into as many, None makes a
            figure.
        paired : bool, default=True
            Whether errors leave out what a fold does to all values of `mu` alike: a fold's mean
            over `mu` is then taken from its values first. Folds differ far more than
            values of `mu` within one, and only those are compared here.
        **kwargs
            Of ``Axes.errorbar``.

        Returns
        -------
        MuPathDisplay
            This one.
        """
        check_matplotlib(self)
        panels = [("held-out\nlog-likelihood", self.scores, BLUE, "o")]
        if self.overfitting is not None:
            panels.append(("degree of\noverfitting", self.overfitting, ORANGE, "s"))
        if self.sharpness is not None:
            panels.append(("sharpness", self.sharpness, GREEN, "D"))
        height = 1.2 + 1.4 * len(panels)
        axes = new_panels(ax, (len(panels), 1), (5.6, height), sharex=True)
        at = _positions(self.mus)
        handles: list[Any] = []
        for panel, (label, values, colour, marker) in zip(axes.ravel(), panels, strict=True):
            style = {"color": colour, "marker": marker, "markersize": 5, "capsize": 3}
            is_log = values is self.sharpness and bool((values > 0).all())
            centres, errors = _summary(values, paired, is_log)
            handles.append(panel.errorbar(at, centres, errors, **{**style, **kwargs}))
            panel.set_ylabel(label)
            no_spines(panel)
            if self.best_mu is not None:
                best = at[self.mus == self.best_mu]
                style = {"color": GREY, "linewidth": 1, "linestyle": ":", "zorder": 0}
                handles.append(panel.axvline(best[0], **style))
            panel.set_xscale("log")
            pad = (at[-1] / at[0]) ** 0.06 if at[-1] > at[0] else 2.0
            panel.set_xlim(at[0] / pad, at[-1] * pad)
            _mark(panel, self.mus, at)
            panel.tick_params(labelbottom=panel is axes.ravel()[-1])
        if self.sharpness is not None:
            log_y(axes.ravel()[-1])
        labels = [self._meaning_of_bars(paired), *self._meaning_of_mark()]
        legend_above(axes[0, 0], handles[: len(labels)], labels)
        axes.ravel()[-1].set_xlabel("mu, strength of the penalty")
        axes[0, 0].figure.align_ylabels(axes.ravel())
        self.axes_, self.ax_, self.figure_ = axes.ravel(), axes[0, 0], axes[0, 0].figure
        return self

    def _meaning_of_bars(self, paired: bool) -> str:
        n_mus, n_folds = self.scores.shape
        if n_folds < 2:
            return "one fold"
        how = ", paired by fold" if paired and n_mus > 1 else ""
        return f"mean over {n_folds} folds; bars: one standard error{how}"

    def _meaning_of_mark(self) -> list[str]:
        """What the line at the best value says; nothing if there is no line."""
        if self.best_mu is None:
            return []
        label = f"best: mu = {self.best_mu:g}"
        if len(self.mus) > 1 and self.best_mu == self.mus[-1]:
            label += ", the largest tried: try larger ones"
        elif len(self.mus) > 1 and self.best_mu == self.mus[0] > 0.0:
            label += ", the smallest tried: try smaller ones, and 0"
        return [label]


def _summary(
    values: np.ndarray, paired: bool, is_log: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Means over folds (n_mus,), and lengths of error bars, of logarithms (2, n_mus).

    NaN where a fold has none, such as the overfitting of rows that are certain.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    if not is_log:
        return values.mean(axis=1), _errors(values, paired)
    logs = np.log(values)
    centres, errors = np.exp(logs.mean(axis=1)), _errors(logs, paired)
    if errors is not None:
        errors = centres * np.array([-np.expm1(-errors), np.expm1(errors)])
    return centres, errors


def _errors(values: np.ndarray, paired: bool) -> np.ndarray | None:
    """Standard errors over folds (n_mus,); None with one fold."""
    n_mus, n_folds = values.shape
    if n_folds < 2:
        return None
    if not paired or n_mus < 2:
        return values.std(axis=1, ddof=1) / np.sqrt(n_folds)
    # The fold's mean takes part of a value's own deviation with it: n_mus / (n_mus - 1)
    # (Morey, 2008) gives that back.
    deviations = values - values.mean(axis=0)
    variance = deviations.var(axis=1, ddof=1) * n_mus / (n_mus - 1)
    return np.sqrt(variance / n_folds)


def _positions(mus: np.ndarray) -> np.ndarray:
    """Where values of mu are on a logarithmic axis: zero a typical step left of the others."""
    positive = np.clip(mus[mus > 0], *_DRAWABLE)
    if not positive.size:
        return np.ones_like(mus)
    step = 3.0
    if len(positive) > 1:
        step = np.clip(np.exp(np.median(np.diff(np.log(positive)))), 2.0, _WIDEST_STEP)
    return np.where(mus > 0, np.clip(mus, *_DRAWABLE), positive[0] / step)


def _mark(ax: Axes, mus: np.ndarray, at: np.ndarray) -> None:
    """Ticks at the values of mu, as many as there is room for, and a break behind zero."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    labels = [f"{mu:.3g}" for mu in mus]
    place = np.log(at / at[0]) / max(np.log(at[-1] / at[0]), 1e-9)
    shown = [0]
    for i in range(1, len(at)):
        n_characters = (len(labels[i]) + len(labels[shown[-1]])) / 2
        if place[i] - place[shown[-1]] > (n_characters + 1) * _CHARACTER:
            shown.append(i)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_locator(FixedLocator(at[shown].tolist()))
    ax.set_xticks(at[shown], [labels[i] for i in shown])
    if mus[0] == 0.0 and len(mus) > 1:
        middle = np.sqrt(at[0] * at[1])
        ax.plot(
            [middle / 1.03, middle * 1.03],
            [0, 0],
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            linestyle="none",
            marker=[(-0.5, -1.0), (0.5, 1.0)],
            markersize=9,
            color="black",
            markeredgewidth=1,
            label="_break",
        )
