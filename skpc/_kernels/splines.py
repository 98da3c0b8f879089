"""Kernels that lay a spline through the normal scores of a mixture, finer where it must be."""

import math
from typing import NamedTuple

import numpy as np

from skpc._kernels import njit
from skpc._kernels.margins import GAUSSIAN, HEAVY, add_kernels, add_shape

RAW, LOG, ASINH = 0, 1, 2
"""Kinds of scales."""

_CENTRAL = np.array(
    [
        [
            *(2509.0809287301226727, 33430.575583588128105, 67265.770927008700853),
            *(45921.953931549871457, 13731.693765509461125, 1971.5909503065514427),
            *(133.14166789178437745, 3.387132872796366608),
        ],
        [
            *(5226.495278852854561, 28729.085735721942674, 39307.89580009271061),
            *(21213.794301586595867, 5394.1960214247511077, 687.1870074920579083),
            *(42.313330701600911252, 1.0),
        ],
    ]
)
_MIDDLE = np.array(
    [
        [
            *(7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177),
            *(1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055),
            *(4.6303378461565452959, 1.42343711074968357734),
        ],
        [
            *(1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966),
            *(0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494),
            *(2.05319162663775882187, 1.0),
        ],
    ]
)
_OUTER = np.array(
    [
        [
            *(2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386),
            *(0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358),
            *(5.4637849111641143699, 6.6579046435011037772),
        ],
        [
            *(2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5),
            *(7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531),
            *(0.59983220655588793769, 1.0),
        ],
    ]
)


class Mixture(NamedTuple):
    """Kernel estimates on one scale, two shapes on each, and a little beyond the bound.

    Attributes
    ----------
    places, weights : (n,)
        Values on the scale of the kernels, ascending.
    widths, shares : (n_kernels, n), (n_kernels,)
    own_scale : int
        The scale that kernels are on.
    scales : (n_scales, 4)
        Kind, centre and spread of each, and where kernels and shapes are reflected, or -inf.
    shapes : (n_scales, 2, 3)
        Centre, spread and share of each shape.
    bound, leak : float
        Where all begins, or -inf; what is beyond.
    """

    places: np.ndarray
    weights: np.ndarray
    widths: np.ndarray
    shares: np.ndarray
    own_scale: int
    scales: np.ndarray
    shapes: np.ndarray
    bound: float
    leak: float


@njit(cache=True, nogil=True, inline="always")
def _ratio(coefficients, x):
    top, bottom = 0.0, 0.0
    for k in range(8):
        top = top * x + coefficients[0, k]
        bottom = bottom * x + coefficients[1, k]
    return top / bottom


@njit(cache=True, nogil=True)
def normal_score(below, above):
    """The normal quantile of a chance, given it and its complement (Wichura, 1988, AS 241)."""
    if min(below, above) > 0.075:
        distance = below - 0.5 if below < above else 0.5 - above
        return distance * _ratio(_CENTRAL, 0.180625 - distance * distance)
    root = math.sqrt(-math.log(min(below, above)))
    score = _ratio(_MIDDLE, root - 1.6) if root <= 5.0 else _ratio(_OUTER, root - 5.0)
    return -score if below < above else score


@njit(cache=True, nogil=True)
def scores_at(mixture, units, scores, slopes):
    """Write normal scores of a mixture and their slopes at units (k,), ascending."""
    n = units.shape[0]
    out, part = np.zeros((3, n)), np.empty((3, n))
    points, rates = np.empty(n), np.empty(n)
    for s in range(mixture.scales.shape[0]):
        kind, centre = mixture.scales[s, 0], mixture.scales[s, 1]
        spread, bound = mixture.scales[s, 2], mixture.scales[s, 3]
        for i in range(n):
            distance = units[i] - centre
            if kind == RAW:
                points[i], rates[i] = units[i], 1.0
            elif kind == LOG:
                points[i] = math.log(distance) if distance > 0.0 else -700.0
                rates[i] = 1.0 / max(distance, 1e-300)
            else:
                points[i] = math.asinh(distance / spread)
                rates[i] = 1.0 / math.hypot(distance, spread)
        part[:] = 0.0
        if s == mixture.own_scale:
            add_kernels(
                points, mixture.places, mixture.weights, mixture.widths, mixture.shares, bound, part
            )
        for shape in (GAUSSIAN, HEAVY):
            law = mixture.shapes[s, shape]
            add_shape(shape, points, law[0], law[1], law[2], bound, part)
        for i in range(n):
            out[0, i] += part[0, i]
            out[1, i] += part[1, i]
            out[2, i] += part[2, i] * rates[i]
    leak = mixture.leak if mixture.bound > -np.inf else 0.0
    for i in range(n):
        below, above = leak + (1.0 - leak) * out[0, i], (1.0 - leak) * out[1, i]
        score = normal_score(below, above)
        scores[i] = score
        slopes[i] = (1.0 - leak) * out[2, i] * math.sqrt(2.0 * math.pi)
        slopes[i] *= math.exp(0.5 * score * score)


@njit(cache=True, nogil=True)
def _inside(width, height, start, end):
    """A place within a piece of a spline, the rise up to it, and the slope there.

    `start`, `end`: slopes of its ends.
    Half way up where one end is much steeper than the other, else half way along.
    """
    slope = height / width
    start, end = start / slope, end / slope
    part = 0.5
    if max(start, end) > 30.0 * min(start, end):
        bend = 0.5 * (start + end - 2.0)
        a, b = 1.0 - start + bend, start - bend
        part = 1.0 / (b + math.sqrt(max(b * b + 2.0 * a, 0.0)))
        if not 0.0 < part < 1.0:
            part = 0.5
    rest = 1.0 - part
    top = end * part * part + 2.0 * part * rest + start * rest * rest
    bottom = 1.0 + (start + end - 2.0) * part * rest
    rise = height * part * (part + start * rest) / bottom
    return part * width, rise, slope * top / (bottom * bottom)


@njit(cache=True, nogil=True, inline="always")
def _chance(score):
    return 0.5 * math.erfc(-score * math.sqrt(0.5))


@njit(cache=True, nogil=True)
def refine(mixture, knots, n_rounds, most_knots, least_error, least_loss):
    """Knots, scores and slopes (3, k) of a spline near enough to a mixture.

    A knot comes between two where the log of the spline's slope, or of its masses, is wrong by
    `least_error`, and by `least_loss` nats per row: n_rounds times, or up to `most_knots`.
    """
    n = knots.shape[0]
    now = np.empty((3, n))
    now[0] = knots
    scores_at(mixture, knots, now[1], now[2])
    is_open = np.ones(n, np.bool_)  # whether the piece after a knot may need another
    for _ in range(n_rounds):
        points, guesses, heights = np.empty(n), np.empty(n), np.empty(n)
        piece = np.empty(n, np.int64)
        n_points = 0
        for i in range(n - 1):
            width, height = now[0, i + 1] - now[0, i], now[1, i + 1] - now[1, i]
            if is_open[i] and width > 0.0 and height > 0.0 and np.isfinite(height):
                distance, rise, guess = _inside(width, height, now[2, i], now[2, i + 1])
                point = now[0, i] + distance
                if now[0, i] < point < now[0, i + 1]:
                    points[n_points], guesses[n_points], piece[n_points] = point, guess, i
                    heights[n_points] = now[1, i] + rise
                    n_points += 1
        room = most_knots - n
        if n_points == 0 or room <= 0:
            break
        scores, slopes = np.empty(n_points), np.empty(n_points)
        scores_at(mixture, points[:n_points], scores, slopes)
        losses = np.zeros(n_points)
        for p in range(n_points):
            i = piece[p]
            mass = _chance(now[1, i + 1]) - _chance(now[1, i])
            error = abs(math.log(slopes[p] / guesses[p]))
            if mass > 1e-12:
                error = max(error, 2.0 * abs(_chance(scores[p]) - _chance(heights[p])) / mass)
            if not np.isfinite(error):
                losses[p] = max(mass, least_loss)
            elif error > least_error and error * mass > least_loss:
                losses[p] = error * mass
        threshold = 0.0
        if np.count_nonzero(losses) > room:
            threshold = np.sort(losses)[n_points - room]
        more = np.empty((3, n + n_points))
        is_open_now = np.zeros(n + n_points, np.bool_)
        k, p = 0, 0
        for i in range(n):
            more[:, k] = now[:, i]
            k += 1
            while p < n_points and piece[p] == i:
                if losses[p] > 0.0 and losses[p] >= threshold:
                    more[0, k], more[1, k], more[2, k] = points[p], scores[p], slopes[p]
                    is_open_now[k - 1] = is_open_now[k] = True
                    k += 1
                p += 1
        if k == n:
            break
        now, is_open, n = more[:, :k], is_open_now[:k], k
    return now.copy()
