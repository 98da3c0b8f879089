"""What the displays share: axes, colours, names, and checks of what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skpc._estimators.composed import innermost
from skpc._estimators.density import SharpPCDensity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm

# Okabe and Ito's colours, which the colour-blind can tell apart; yellow is too pale for lines.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9", "#000000")
GREY = "#767676"
COLOUR_MAP = "viridis"
_LONGEST_NAME = 18
_KEY_WIDTH, _CHARACTER_WIDTH = 0.4, 0.066  # inches in a legend of small letters
_KEY_GAP = 0.15
_AXIS_LETTER = 0.09
_BAR_LETTER, _BAR_TICK = 0.11, 0.4  # inches along a bar of colours


def check_matplotlib(display: Any) -> None:
    """Raise an ImportError that says what to install, unless matplotlib can be imported."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        kind = display if isinstance(display, type) else type(display)
        raise ImportError(
            f"{kind.__name__} draws with matplotlib, which is not installed: "
            'pip install "skpc[plot]".'
        ) from error


def new_axes(ax: Axes | None, size: tuple[float, float]) -> Any:
    """The given axes, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def new_panels(ax: Any, shape: tuple[int, int], size: tuple[float, float], **kwargs: Any) -> Any:
    """An array of axes: those given, or a new figure's, or one axes cut into as many.

    Parameters
    ----------
    ax : Axes, array-like of Axes or None
    shape : (n_rows, n_columns)
    size : width and height of a new figure in inches.
    **kwargs
        Of ``subplots``.
    """
    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False, **kwargs)[1]
    n_panels = shape[0] * shape[1]
    given = np.asarray(ax, dtype=object)
    if given.ndim:
        if given.size != n_panels:
            raise ValueError(f"ax must be one Axes, or {n_panels} for as many panels.")
        return given.reshape(shape)
    if n_panels == 1:
        return given.reshape(shape)
    if ax.get_subplotspec() is None:
        raise ValueError(
            f"The {n_panels} panels cannot be put into axes that belong to no grid. Make it with "
            f"subplots or add_subplot, or pass {n_panels} Axes."
        )
    ax.set_axis_off()
    grid = ax.get_subplotspec().subgridspec(*shape)
    return grid.subplots(squeeze=False, **kwargs)


def fitted_density(estimator: Any, display: type) -> SharpPCDensity:
    """The fitted density that an estimator is, or holds."""
    estimator = innermost(estimator)
    check_density(estimator, display)
    check_is_fitted(estimator)
    return estimator


def check_density(estimator: Any, display: type) -> None:
    """Raise a TypeError unless this is a density."""
    if not isinstance(estimator, SharpPCDensity):
        remedy = ""
        if hasattr(estimator, "steps"):
            remedy = " Of a pipeline pass the last step, and X as the steps before it make it."
        raise TypeError(
            f"{display.__name__} needs a SharpPCDensity; got {type(estimator).__name__}.{remedy}"
        )


def shortened(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name without its middle, if it is long: names often differ at both ends."""
    if len(name) <= longest:
        return name
    head = longest - longest // 3 - 1
    return f"{name[:head].rstrip()}…{name[len(name) - longest // 3 :].lstrip()}"


def all_shortened(names: Sequence[str], longest: int = _LONGEST_NAME) -> list[str]:
    """Names that are no longer than that, and, if they differ, still do.

    Of those that would be the same without their middles the beginning is left out that they share.
    """
    out = [shortened(name, longest) for name in names]
    for text in {*out}:
        alike = [i for i, other in enumerate(out) if other == text]
        if len({names[i] for i in alike}) < 2:
            continue
        ends = min(names[i] for i in alike), max(names[i] for i in alike)
        is_other = [a != b for a, b in zip(*ends, strict=False)]
        start = is_other.index(True) if True in is_other else len(ends[0])
        of_word = max((names[alike[0]].rfind(mark, 0, start) for mark in " _-.("), default=-1) + 1
        for first in (of_word, start):
            rests = [names[i][first:] for i in alike]
            cut = [f"…{r}" if len(r) < longest else f"…{r[: longest - 2].rstrip()}…" for r in rests]
            if len({*cut}) == len({*rests}):
                break
        for i, other in zip(alike, cut, strict=True):
            out[i] = other
    return out


def region_members(estimator: Any) -> list[list[str]]:
    """The names of the columns that each region observes."""
    names = estimator._feature_names()
    return [[names[j] for j in columns] for columns in estimator.circuit_.features]


def group_label(names: Sequence[str]) -> str:
    """The first name of a group, and how many others there are; "" of none."""
    if not names:
        return ""
    return shortened(names[0]) + (f" +{len(names) - 1}" if len(names) > 1 else "")


def log_norm(values: np.ndarray) -> LogNorm:
    """A logarithmic scale over the positive values, at most six decades down."""
    from matplotlib.colors import LogNorm

    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return LogNorm(0.1, 1.0)
    top = float(positive.max())
    # At least so wide that there is room for a tick, also where all values are alike.
    return LogNorm(min(max(float(positive.min()), 1e-6 * top), top / 3), top)


def log_bar(mappable: Any, ax: Axes, **kwargs: Any) -> None:
    """A bar for colours of `log_norm`, with labels at few ticks."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    bar = ax.figure.colorbar(mappable, ax=ax, **kwargs)
    is_upright = kwargs.get("location", "right") in ("left", "right")
    length = (ax.bbox.height if is_upright else ax.bbox.width) / ax.figure.dpi
    label = bar.ax.yaxis.label if is_upright else bar.ax.xaxis.label
    label.set_text(fill(label.get_text(), max(int(length / _BAR_LETTER), 12)))
    if not isinstance(mappable.norm, LogNorm):  # another one was asked for
        return
    low, high = mappable.get_clim()
    has_powers = np.floor(np.log10(high)) > np.ceil(np.log10(low))  # of ten, two at least
    is_wide = high > 30 * low and has_powers
    n_most = int(np.clip(length / _BAR_TICK, 2, 6))
    subs = (1.0, 2.0, 5.0) if high > 6 * low else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    bar.locator = LogLocator(subs=(1.0,) if is_wide else subs, numticks=n_most)
    if not is_wide:
        bar.formatter = FuncFormatter(lambda value, _: plain(value))
    bar.minorformatter = NullFormatter()
    bar.update_ticks()


def log_y(ax: Axes) -> None:
    """A logarithmic scale, if values differ by enough; plain numbers unless by far."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = ax.dataLim.intervaly
    if not 0.0 < 4.0 * low < high:
        return
    ax.set_yscale("log")
    ax.yaxis.set_minor_formatter(NullFormatter())
    if high < 200.0 * low:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(lambda value, _: plain(value))


def plain(value: float) -> str:
    """Three digits, without an exponent where that can be read."""
    size = abs(value)
    text = f"{size:,.0f}" if 1000 <= size < 1e7 else f"{size:.3g}"
    if 1e7 <= size < 1e12:  # such as a date that is written as a number
        text = f"{size:.0f}"
    return f"\N{MINUS SIGN}{text}" if value < 0 else text


def wrapped(ax: Axes, text: str) -> str:
    """A text in small letters, in lines that are not wider than axes are now."""
    width = ax.get_window_extent().width / ax.figure.dpi
    return fill(text, max(int((width - _KEY_WIDTH) / _CHARACTER_WIDTH), 12))


def legend_above(
    ax: Axes, handles: Sequence[Any], labels: Sequence[str], *, is_row: bool = False
) -> None:
    """A legend that covers nothing, over the axes, as wide as these; long labels are wrapped.

    One entry below the other, or with `is_row` as many side by side as have room.
    """
    n_columns = 1
    if is_row and labels:
        width = ax.get_window_extent().width / ax.figure.dpi
        widest = _KEY_WIDTH + _CHARACTER_WIDTH * max(map(len, labels)) + _KEY_GAP
        n_columns = min(max(int(width / widest), 1), len(labels))
    ax.legend(
        handles,
        [wrapped(ax, label) for label in labels],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        fontsize="small",
        frameon=False,
        ncols=n_columns,
        columnspacing=1.0,
    )


def axis_length(ax: Axes, axis_name: str, letter: float = _AXIS_LETTER) -> int:
    """How many letters have room along an axis."""
    pixels = ax.bbox.width if axis_name == "x" else ax.bbox.height
    return max(int(pixels / ax.figure.dpi / letter), 12)


def no_spines(ax: Axes, *sides: str) -> None:
    """Take lines away that enclose nothing."""
    for side in sides or ("top", "right"):
        ax.spines[side].set_visible(False)
