"""One panel of a table beside draws: a column of both, or two columns of either."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import numpy as np

from skpc.plotting._base import BLUE, GREY, ORANGE, all_shortened, no_spines
from skpc.plotting._column_pair import ColumnPair

_MOST_POINTS = 500
_JITTER = 0.25
_NAME = 20  # characters
_LABEL = 11
_LETTER, _SMALL_LETTER = 0.075, 0.055  # inches


def draw_margin(ax: Any, pair: ColumnPair, name: str, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """One column of data and of draws, under a name; what stands for either in a legend."""
    from skpc.plotting._ticks import number_axis  # which imports matplotlib

    no_spines(ax)
    handles = _draw_numbers(ax, pair, kwargs) if pair.labels is None else _draw_bars(ax, pair)
    ax.set_title(f"{name}  {pair.difference():.2f}", fontsize="small", loc="left")
    ax.tick_params(labelsize="x-small", length=2)
    number_axis(ax.xaxis, n_most=5, font_size="x-small")
    return handles


def title_length(ax: Any) -> int:
    """How many letters of a name have room above a panel, beside a number."""
    width = ax.get_window_extent().width / ax.figure.dpi
    return min(max(int(width / _LETTER) - 6, 6), _NAME)


def _draw_numbers(ax: Any, pair: ColumnPair, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    edges = pair.edges()
    heights = []
    for part in pair.both:
        counts, _ = np.histogram(np.clip(part, edges[0], edges[-1]), edges)
        heights.append(counts / max(len(part), 1))
    data = ax.stairs(heights[0], edges, fill=True, color=BLUE, alpha=0.45)
    draws = ax.stairs(heights[1], edges, **{"color": ORANGE, "linewidth": 1.5, **kwargs})
    ax.set_yticks([])
    ax.set_ylim(bottom=0.0)
    if pair.beyond():
        width = ax.get_window_extent().width / ax.figure.dpi
        note = fill(f"outer bars: {pair.beyond()}", max(int(width / _SMALL_LETTER), 12))
        ax.set_xlabel(note, fontsize="x-small", color=GREY)
    return data, draws


def _draw_bars(ax: Any, pair: ColumnPair) -> tuple[Any, Any]:
    labels, shares = pair.bars()
    at = np.arange(len(labels))
    data = ax.barh(at - 0.2, shares[0], 0.4, color=BLUE, alpha=0.45)
    draws = ax.barh(at + 0.2, shares[1], 0.4, color=ORANGE)
    ax.set_yticks(at, all_shortened(labels, _LABEL))
    ax.invert_yaxis()
    return data, draws


def draw_two(ax: Any, pairs: tuple[ColumnPair, ColumnPair], of_draws: bool, kwargs: Any) -> None:
    """Two columns of data, or of draws: shares of labels as a map, all else as points."""
    first, second = pairs
    values = np.stack([pair.draws if of_draws else pair.data for pair in pairs])
    values = values[:, ~np.isnan(values).any(axis=0)]
    if first.labels is not None and second.labels is not None:
        _draw_shares(ax, first, second, of_draws)
    else:
        generator = np.random.RandomState(0)
        if values.shape[1] > _MOST_POINTS:
            rows = generator.choice(values.shape[1], _MOST_POINTS, replace=False)
            values = values[:, rows]
        for place, pair in enumerate(pairs):
            if pair.labels is not None:
                values[place] += generator.uniform(-_JITTER, _JITTER, values.shape[1])
        style = {"s": 8, "color": ORANGE if of_draws else BLUE, "alpha": 0.5, "linewidths": 0}
        ax.scatter(*values, **{**style, **kwargs})
        no_spines(ax)
    names = all_shortened([pair.name for pair in pairs], _NAME)
    for pair, axis, name, one in zip(pairs, (ax.xaxis, ax.yaxis), names, values, strict=True):
        _label_axis(axis, pair, name)
        if pair.labels is None:
            _note_hidden(axis, one)
    ax.tick_params(labelsize="x-small", length=2)


def _draw_shares(ax: Any, first: ColumnPair, second: ColumnPair, of_draws: bool) -> None:
    """How often labels go together, on a scale from 0 to the largest share in the data."""
    *columns, n_columns = first.parts()
    *rows, n_rows = second.parts()
    tables = []
    for x, y in zip(columns, rows, strict=True):
        table = np.zeros((n_rows, n_columns))
        both = (x >= 0) & (y >= 0)
        np.add.at(table, (y[both], x[both]), 1.0)
        tables.append(table / max(table.sum(), 1.0))
    edges = [np.arange(size + 1) - 0.5 for size in tables[0].shape]
    top = max(table.max() for table in tables)
    cmap = "Oranges" if of_draws else "Blues"
    ax.pcolormesh(edges[1], edges[0], tables[of_draws], cmap=cmap, vmin=0.0, vmax=top)


def _label_axis(axis: Any, pair: ColumnPair, name: str) -> None:
    from skpc.plotting._ticks import number_axis  # which imports matplotlib

    axis.set_label_text(name, fontsize="small")
    set_limits = axis.axes.set_xlim if axis.axis_name == "x" else axis.axes.set_ylim
    if pair.labels is None:
        low, high = pair.limits()
        pad = 0.08 * (high - low) or 0.5
        set_limits(low - pad, high + pad)
        number_axis(axis, font_size="x-small")
        return
    labels, _ = pair.bars()
    axis.set_ticks(range(len(labels)), all_shortened(labels, _LABEL))
    if axis.axis_name == "x":
        axis.axes.tick_params(axis="x", rotation=90 if len(labels) > 3 else 0)
    set_limits(-0.5, len(labels) - 0.5)


def _note_hidden(axis: Any, values: np.ndarray) -> None:
    """Say under the name of a column how many points are outside of the limits of its axis."""
    low, high = sorted(axis.get_view_interval())
    n_hidden = int(((values < low) | (values > high)).sum())
    if n_hidden:
        axis.set_label_text(f"{axis.get_label_text()}\n{n_hidden:,} not shown")
