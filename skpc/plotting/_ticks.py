"""Ticks of axes of numbers: as many as have room for their labels, which are plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import Formatter, MaxNLocator

_MOST_TICKS = 6
_STEPS = 1.0, 2.0, 2.5, 5.0, 10.0
_LETTER, _GAP, _LINE = 0.64, 0.9, 1.6  # widths and height, in sizes of the font
_MOST_DECIMALS = 6
_LARGEST = 1e12  # that is written in full


class PlainFormatter(Formatter):
    """Labels without an offset or a common exponent: 20210105 is a date, and 2021 a year."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float] | np.ndarray) -> list[str]:
        """Labels of all ticks, with as many decimals as they need to be what they say."""
        ticks = np.asarray(values, float)
        size = np.abs(ticks).max(initial=0.0)
        step = np.diff(ticks).min() if len(ticks) > 1 else size
        for n_decimals in range(_MOST_DECIMALS + 1):
            if size >= _LARGEST:
                break
            if (np.abs(np.round(ticks, n_decimals) - ticks) <= 1e-3 * abs(step)).all():
                texts = [f"{tick + 0.0:.{n_decimals}f}" for tick in np.round(ticks, n_decimals)]
                return [text.replace("-", "\N{MINUS SIGN}") for text in texts]
        return [f"{tick:.6g}".replace("-", "\N{MINUS SIGN}") for tick in ticks]


class RoomyLocator(MaxNLocator):
    """At most so many ticks, and no more than have room, however small the axes are then drawn."""

    def __init__(self, n_most: int, font_size: float, integer: bool) -> None:
        super().__init__(nbins=n_most, steps=_STEPS, integer=integer, min_n_ticks=1)
        self._n_most, self._font_size = n_most, font_size

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Ticks between two numbers, for the present size of the axes."""
        vmin, vmax = sorted((vmin, vmax))
        for n_bins in range(self._n_most, 0, -1):
            self.set_params(nbins=n_bins)
            ticks = np.asarray(super().tick_values(vmin, vmax))
            margin = 1e-9 * (vmax - vmin)
            ticks = ticks[(ticks >= vmin - margin) & (ticks <= vmax + margin)]
            if self._has_room(ticks, vmax - vmin):
                break
        return ticks

    def _has_room(self, ticks: np.ndarray, reach: float) -> bool:
        """Whether labels of ticks are apart, on axes that reach so far."""
        if len(ticks) < 2 or not reach > 0.0:
            return True
        axis: Any = self.axis
        is_x = axis.axis_name == "x"
        box = axis.axes.bbox
        pixels = (box.width if is_x else box.height) * np.diff(ticks) / reach
        points = pixels * 72.0 / axis.axes.figure.dpi
        if not is_x:
            return bool((points >= _LINE * self._font_size).all())
        widths = np.array([len(text) for text in PlainFormatter().format_ticks(ticks)]) * _LETTER
        needed = 0.5 * (widths[1:] + widths[:-1]) + _GAP
        return bool((points >= needed * self._font_size).all())


def number_axis(
    axis: Any,
    *,
    n_most: int = _MOST_TICKS,
    font_size: float | str = "medium",
    are_whole: bool = False,
) -> None:
    """Give an axis of numbers ticks that can be read.

    Parameters
    ----------
    axis : XAxis or YAxis
    n_most : int
        At most so many intervals between ticks.
    font_size : float or str
        Of the labels.
    are_whole : bool
        Whether there is nothing between whole numbers.
    """
    points = FontProperties(size=font_size).get_size_in_points()
    axis.set_major_locator(RoomyLocator(n_most, points, are_whole))
    axis.set_major_formatter(PlainFormatter())
