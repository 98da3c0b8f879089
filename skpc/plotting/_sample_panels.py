"""One panel of a table beside draws: a column of both, or two columns of either."""

from __future__ import annotations

from typing import Any

import numpy as np

from skpc.plotting._base import BLUE, ORANGE, no_spines, shortened
from skpc.plotting._column_pair import ColumnPair

_MOST_POINTS = 500
_JITTER = 0.25
_NAME = 20  # characters
_LABEL = 11
_LETTER, _NARROW = 0.075, 1.2  # inches


def draw_margin(ax: Any, pair: ColumnPair, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """One column of data and of draws; what stands for either in a legend."""
    no_spines(ax)
    handles = _draw_numbers(ax, pair, kwargs) if pair.labels is None else _draw_bars(ax, pair)
    width = ax.get_window_extent().width / ax.figure.dpi
    name = shortened(pair.name, min(max(int(width / _LETTER) - 6, 6), _NAME))
    ax.set_title(f"{name}  {pair.difference():.2f}", fontsize="small", loc="left")
    ax.tick_params(labelsize="x-small", length=2)
    ax.locator_params(axis="x", nbins=4 if width > _NARROW else 2)
    return handles


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
    return data, draws


def _draw_bars(ax: Any, pair: ColumnPair) -> tuple[Any, Any]:
    labels, shares = pair.bars()
    at = np.arange(len(labels))
    data = ax.barh(at - 0.2, shares[0], 0.4, color=BLUE, alpha=0.45)
    draws = ax.barh(at + 0.2, shares[1], 0.4, color=ORANGE)
    ax.set_yticks(at, [shortened(label, _LABEL) for label in labels])
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
    for pair, axis in ((first, ax.xaxis), (second, ax.yaxis)):
        _label_axis(axis, pair)
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


def _label_axis(axis: Any, pair: ColumnPair) -> None:
    axis.set_label_text(shortened(pair.name, _NAME), fontsize="small")
    set_limits = axis.axes.set_xlim if axis.axis_name == "x" else axis.axes.set_ylim
    if pair.labels is None:
        low, high = pair.limits()
        pad = 0.08 * (high - low) or 0.5
        set_limits(low - pad, high + pad)
        return
    labels, _ = pair.bars()
    axis.set_ticks(range(len(labels)), [shortened(label, _LABEL) for label in labels])
    if axis.axis_name == "x":
        axis.axes.tick_params(axis="x", rotation=90 if len(labels) > 3 else 0)
    set_limits(-0.5, len(labels) - 0.5)
