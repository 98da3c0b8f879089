"""Kernels that lay a spline through the normal scores of a mixture, finer where it must be."""

import math
from typing import NamedTuple

import numpy as np

from skpc._kernels import njit
from skpc._kernels.margins import GAUSSIAN, HEAVY, add_kernels, reflected_shape

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


@njit(cache=True, nogil=True, inline="always")
def _on_scale(scale, unit):
    """The place of a unit on a scale (4,), and the slope there."""
    distance = unit - scale[1]
    if scale[0] == RAW:
        place, rate = unit, 1.0
    elif scale[0] == LOG:
        place = math.log(distance) if distance > 0.0 else -700.0
        rate = 1.0 / distance if distance > 1e-300 else 1e300
    else:
        place = math.asinh(distance / scale[2])
        rate = 1.0 / math.hypot(distance, scale[2])
    return place, rate


@njit(cache=True, nogil=True)
def scores_at(mixture, units, scores, slopes):
    """Write normal scores of a mixture and their slopes at units (k,), ascending."""
    n = units.shape[0]
    places, parts = np.empty(n), np.zeros((3, n))
    own = mixture.scales[mixture.own_scale]
    for i in range(n):
        places[i], _ = _on_scale(own, units[i])
    add_kernels(
        places, mixture.places, mixture.weights, mixture.widths, mixture.shares, own[3], parts
    )
    leak = mixture.leak if mixture.bound > -np.inf else 0.0
    for i in range(n):
        _, rate = _on_scale(own, units[i])
        below, above, density = parts[0, i], parts[1, i], parts[2, i] * rate
        for s in range(mixture.scales.shape[0]):
            place, rate = _on_scale(mixture.scales[s], units[i])
            for shape in (GAUSSIAN, HEAVY):
                law = mixture.shapes[s, shape]
                part = reflected_shape(shape, place, law[0], law[1], mixture.scales[s, 3])
                below += law[2] * part[0]
                above += law[2] * part[1]
                density += law[2] * part[2] * rate
        score = normal_score(leak + (1.0 - leak) * below, (1.0 - leak) * above)
        scores[i] = score
        slopes[i] = (1.0 - leak) * density * math.sqrt(2.0 * math.pi) * math.exp(0.5 * score**2)


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
def _keep_worst(losses, n_losses, n_kept):
    """Set all but so many of the greatest of losses to zero; returns how many are left."""
    n_left = 0
    for p in range(n_losses):
        n_left += losses[p] > 0.0
    while n_left > n_kept:
        least = -1
        for p in range(n_losses):
            if losses[p] > 0.0 and (least < 0 or losses[p] <= losses[least]):
                least = p
        losses[least] = 0.0
        n_left -= 1
    return n_left


@njit(cache=True, nogil=True)
def refine(mixture, table, n_knots, n_rounds, least_error, least_loss):
    """Add knots to a spline until it is near enough to a mixture; returns how many it has then.

    table (3, most_knots): knots, the first `n_knots` of them given, their scores and slopes.
    A knot comes between two where the log of the spline's slope, or of its masses, is wrong by
    `least_error`, and by `least_loss` nats per row: n_rounds times, or while there is room.
    """
    most_knots = table.shape[1]
    points, guesses, heights = np.empty(most_knots), np.empty(most_knots), np.empty(most_knots)
    scores, slopes, losses = np.empty(most_knots), np.empty(most_knots), np.empty(most_knots)
    pieces, is_open = np.empty(most_knots, np.int64), np.empty(most_knots, np.int64)
    scores_at(mixture, table[0, :n_knots], table[1, :n_knots], table[2, :n_knots])
    for i in range(most_knots):
        is_open[i] = i < n_knots - 1  # whether the piece after a knot may need another
    for _ in range(n_rounds):
        n_points = 0
        for i in range(n_knots - 1):
            width, height = table[0, i + 1] - table[0, i], table[1, i + 1] - table[1, i]
            if is_open[i] and width > 0.0 and 0.0 < height < np.inf:
                distance, rise, guess = _inside(width, height, table[2, i], table[2, i + 1])
                point = table[0, i] + distance
                if table[0, i] < point < table[0, i + 1]:
                    points[n_points], guesses[n_points], pieces[n_points] = point, guess, i
                    heights[n_points] = table[1, i] + rise
                    n_points += 1
            is_open[i] = 0
        scores_at(mixture, points[:n_points], scores[:n_points], slopes[:n_points])
        for p in range(n_points):
            i = pieces[p]
            mass = _chance(table[1, i + 1]) - _chance(table[1, i])
            error = abs(math.log(slopes[p] / guesses[p]))
            if mass > 1e-12:
                wrong = 2.0 * abs(_chance(scores[p]) - _chance(heights[p])) / mass
                error = wrong if wrong > error else error
            if not error < np.inf:
                losses[p] = mass if mass > least_loss else least_loss
            else:
                is_wrong = error > least_error and error * mass > least_loss
                losses[p] = error * mass if is_wrong else 0.0
        n_more = _keep_worst(losses, n_points, most_knots - n_knots)
        if n_more == 0:
            break
        p, k = n_points - 1, n_knots + n_more - 1
        for i in range(n_knots - 1, -1, -1):  # from the end on, as knots make room
            while p >= 0 and pieces[p] == i:
                if losses[p] > 0.0:
                    table[0, k], table[1, k], table[2, k] = points[p], scores[p], slopes[p]
                    is_open[k - 1] = is_open[k] = 1
                    k -= 1
                p -= 1
            table[0, k], table[1, k], table[2, k] = table[0, i], table[1, i], table[2, i]
            k -= 1
        n_knots += n_more
    return n_knots
