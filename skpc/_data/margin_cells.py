"""Where values of numeric columns are on the normal scale, of many columns at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from skpc._data.margins import Margin

FARTHEST = 1e300
"""Units from the origin: what is farther counts as being there."""


class Cells(NamedTuple):
    """Where values (n,) are on the normal scale.

    Attributes
    ----------
    lower, upper : (n,)
        Bounds of the cell of a value that has a mass; both the normal score of a value that has
        a density; minus and plus infinity where the value is missing.
    log_scale : (n,)
        What is added to a log density on the normal scale to get one of the column, in nats;
        0 for a mass and for a missing value.
    """

    lower: np.ndarray
    upper: np.ndarray
    log_scale: np.ndarray


def middles(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """What `Margin.points` makes of the cells of values (n,)."""
    lower, upper, log_scale = cells
    is_cell = (lower < upper) & np.isfinite(lower)
    scores = np.where(np.isfinite(lower), 0.5 * (lower + np.where(is_cell, upper, lower)), np.nan)
    widths = np.where(is_cell, upper - lower, 1.0)
    return scores, log_scale + np.log(widths)


def cells_of_columns(margins: Sequence[Margin], columns: Sequence[np.ndarray]) -> Cells:
    """What `Margin.cells` finds for the values of each column, end to end.

    At once for all columns that are nothing but a spline, of which a wide table has thousands.
    """
    ends = np.cumsum([len(values) for values in columns])
    out = Cells(*np.empty((3, int(ends[-1]) if len(ends) else 0)))
    simple = []
    for place, (margin, values) in enumerate(zip(margins, columns, strict=True)):
        if not margin.step and not len(margin.atoms):
            simple.append(place)
        else:
            own = slice(ends[place] - len(values), ends[place])
            out.lower[own], out.upper[own], out.log_scale[own] = margin.cells(values)
    if simple:
        found = _cells_of_splines([margins[i] for i in simple], [columns[i] for i in simple])
        if len(simple) == len(margins):
            return found
        places = np.concatenate([np.arange(ends[i] - len(columns[i]), ends[i]) for i in simple])
        for part, of_simple in zip(out, found, strict=True):
            part[places] = of_simple
    return out


def _cells_of_splines(margins: Sequence[Margin], columns: Sequence[np.ndarray]) -> Cells:
    """The same of continuous columns without atoms."""
    sizes = [len(values) for values in columns]
    values = np.concatenate(columns).astype(np.float64)
    numbers = np.array(
        [[m.origin, m.unit, m.knots[0], m.knots[-1], m.share, np.log(m.unit)] for m in margins]
    )
    origin, unit, first, last, share, log_unit = np.repeat(numbers.T, sizes, axis=1)
    is_missing = np.isnan(values)
    with np.errstate(over="ignore", invalid="ignore"):
        units = np.clip((values - origin) / unit, -FARTHEST, FARTHEST)
    units[is_missing] = 0.0
    scores, log_slopes = np.empty((2, len(values)))
    evaluate_splines(margins, sizes, units, scores, log_slopes)
    is_out = (units < first) | (units > last)
    ends = np.cumsum(sizes)
    for place in np.unique(np.searchsorted(ends, np.flatnonzero(is_out), "right")):
        own = slice(ends[place] - sizes[place], ends[place])
        margins[place].extend_beyond(units[own], scores[own], log_slopes[own])
    log_scale = log_slopes + np.log(share) - log_unit
    lower = np.where(is_missing, -np.inf, scores)
    upper = np.where(is_missing, np.inf, scores)
    return Cells(lower, upper, np.where(is_missing, 0.0, log_scale))


def evaluate_splines(
    margins: Sequence[Margin],
    sizes: Sequence[int],
    units: np.ndarray,
    scores: np.ndarray,
    log_slopes: np.ndarray,
) -> None:
    """Write what the splines give to so many units each: see `spline_scores`."""
    from skpc._kernels.spline_scores import spline_scores  # which imports Numba

    parts = [(one.knots, one.scores, one.slopes) for one in margins]
    splines = np.concatenate([np.array(part) for part in parts], axis=1)
    knot_ends = np.cumsum([len(one.knots) for one in margins])
    spline_scores(units, np.cumsum(sizes), splines, knot_ends, scores, log_slopes)
