"""Columns of positive numbers over several magnitudes: which ones are, and their logarithms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csc_array, issparse

from skpc._data.margins import Margin
from skpc._data.scope import GAUSSIAN, NUMERIC
from skpc._tables.columns import Columns, dense_column
from skpc._tables.kernel_stack import END

_TAIL = 0.05  # of the values, on each side
_DEVIATIONS = 3.289707253902945  # between the quantiles of 5 and of 95 % of a normal distribution
_LEAST_GAIN = 0.5  # nats per value: of lognormal ones whose logarithms deviate by 1.1
_RATIO = 2.0  # of neighbouring knots
_FARTHEST = 1e150  # medians, and the same part of one


def with_log_margins(
    columns: Columns, matrix: Any, weights: np.ndarray
) -> tuple[Columns, tuple[int, ...]]:
    """The columns, the Gaussian ones among them that span magnitudes read by their logarithms.

    Parameters
    ----------
    columns : Columns
    matrix : (n, n_features) array or sparse matrix
    weights : (n,) positive
        Of its rows.

    Returns
    -------
    columns : Columns
        Those are numeric, with a `log_margin`.
    logs : tuple of int
        Which ones.
    """
    by_column = csc_array(matrix) if issparse(matrix) else matrix
    found = list(columns.columns)
    logs = []
    for j, column in enumerate(columns.columns):
        if column.type != GAUSSIAN:
            continue
        values = dense_column(by_column, j)
        is_seen = ~np.isnan(values)
        distinct, place = np.unique(values[is_seen], return_inverse=True)
        order = np.lexsort([weights[is_seen], place])  # sums do not depend on the order of rows
        own = np.bincount(place[order], weights[is_seen][order])
        if len(distinct) and spans_magnitudes(distinct, own):
            found[j] = replace(column, type=NUMERIC, margin=log_margin(distinct, own))
            logs.append(j)
    return replace(columns, columns=tuple(found)), tuple(logs)


def spans_magnitudes(values: np.ndarray, weights: np.ndarray) -> bool:
    """Whether numbers are clearly rather lognormal than normal, whatever a few of them are.

    The gain is to be there between the quantiles of 5 and 95 %, and between two numbers that are
    as far from the median, in factors, as the nearer of these: errors are few, or on one side.

    Parameters
    ----------
    values : (n,) distinct, ascending, finite
    weights : (n,) positive
    """
    low, middle, high = _quantiles(values, weights)
    if not 0.0 < low < middle < high:
        return False
    factor = min(high / middle, middle / low)
    ranges = (low, high), (middle / factor, middle * factor)
    return all(_gain(values, weights, *ends) >= _LEAST_GAIN for ends in ranges)


def _gain(values: np.ndarray, weights: np.ndarray, low: float, high: float) -> float:
    """What the lognormal distribution gains over the normal one, in nats per value.

    Both have these numbers as quantiles of 5 and 95 %; the values are those between.
    """
    is_inner = (values >= low) & (values <= high)
    logs = np.log(values[is_inner])
    mean_log = np.average(logs, weights=weights[is_inner])
    return float(np.log(high - low) - np.log(np.log(high / low)) - mean_log)


def log_margin(values: np.ndarray, weights: np.ndarray) -> Margin:
    """The margin whose normal scale is that of logarithms, down to the least positive value.

    Below that it goes on in a straight line, so that zero and negative numbers have a place. It is
    for a column that `spans_magnitudes`; parameters are those of it.
    """
    low, middle, high = _quantiles(values, weights)
    unit = float(2.0 ** np.round(np.log2(middle)))
    centre, scale = np.log(middle / unit), np.log(high / low) / _DEVIATIONS
    with np.errstate(over="ignore"):
        units = np.clip(values / unit, -_FARTHEST, _FARTHEST)
    reach = min(END * scale, np.log(_FARTHEST))
    least = max(units[units > 0.0][0], np.exp(centre - reach))
    last = max(np.exp(centre + reach), _RATIO * units[-1])
    n_steps = int(np.ceil(np.log(last / least) / np.log(_RATIO)))
    knots = least * _RATIO ** np.arange(n_steps + 1.0)
    scores = (np.log(knots) - centre) / scale
    slopes = 1.0 / (scale * knots)
    if scores[0] > 1.0 - END:
        below = least * (1.0 - scale * (scores[0] + END))
        knots, scores = np.append(below, knots), np.append(-END, scores)
        slopes = np.append(slopes[0], slopes)
    return Margin(
        origin=0.0,
        unit=unit,
        knots=knots,
        scores=scores,
        slopes=slopes,
        share=1.0,
        atoms=np.empty(0),
        masses=np.empty(0),
        step=0.0,
        digits=-1,
        low=float(values[0]),
        high=float(values[-1]),
        widest=0.0,
    )


def _quantiles(values: np.ndarray, weights: np.ndarray) -> list[float]:
    """Those of 5, 50 and 95 %."""
    ends = np.cumsum(weights)
    shares = np.array([_TAIL, 0.5, 1.0 - _TAIL])
    places = np.minimum(np.searchsorted(ends, shares * ends[-1]), len(values) - 1)
    found: list[float] = values[places].tolist()
    return found
