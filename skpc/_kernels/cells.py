"""Kernels for numeric inputs: normal distributions of which intervals, or points, are seen."""

import math
from typing import NamedTuple

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next

BLOCK_CELLS = 256
"""Cells of a task, at most."""

N_MOMENTS = 3
"""Of each state: the count, the sum and the sum of squares."""

LEAST_LOG = -1e17
"""Least log likelihood of a cell, so that exponents stay integers however far it is."""

_ROOT_HALF = math.sqrt(0.5)
_LOG_ROOT_TWO_PI = 0.5 * math.log(2.0 * math.pi)
_NARROW = 0.03
_FAR = -37.0  # below which erfc is no number
_FARTHEST = 4e8  # standard deviations: half its square is `LEAST_LOG`


class CellTable(NamedTuple):
    """The cells of the symbols of many columns, end to end.

    Attributes
    ----------
    lower, upper : (n_cells,)
        Ends on the normal scale: equal for a point, infinite for a missing value.
    log_scale : (n_cells,)
        Added to the log density of a point.
    tasks : (n_tasks, 3) int64
        Which column a task is of, its first cell, and the end of its cells.
    shifts : (n_columns,) int64
        The row of a cell in the tables of likelihoods and counts, less its number.
    """

    lower: np.ndarray
    upper: np.ndarray
    log_scale: np.ndarray
    tasks: np.ndarray
    shifts: np.ndarray


@njit(cache=True, nogil=True)
def _mills(x):
    """Phi(x) / phi(x) far below zero: an asymptotic series."""
    t = 1.0 / (x * x)
    return (1.0 - t * (1.0 - 3.0 * t * (1.0 - 5.0 * t * (1.0 - 7.0 * t * (1.0 - 9.0 * t))))) / -x


@njit(cache=True, nogil=True)
def _log_mass(a, b, width):
    """log(Phi(b) - Phi(a)) for a < b, `width` apart, whose middle is at most zero."""
    if width * max(1.0, -a) < _NARROW:
        middle = 0.5 * (a + b)
        x, w = middle * middle, width * width
        series = 1.0 + w * ((x - 1.0) / 24.0 + w * (x * (x - 6.0) + 3.0) / 1920.0)
        return math.log(width * series) - 0.5 * x - _LOG_ROOT_TWO_PI
    if b < _FAR:
        ratio = 0.0
        if a > -np.inf:
            ratio = math.exp(0.5 * width * (a + b)) * _mills(a) / _mills(b)
        return math.log(_mills(b) * (1.0 - ratio)) - 0.5 * b * b - _LOG_ROOT_TWO_PI
    if b <= 0.0:
        return math.log(0.5 * (math.erfc(-b * _ROOT_HALF) - math.erfc(-a * _ROOT_HALF)))
    outside = 0.5 * (math.erfc(-a * _ROOT_HALF) + math.erfc(b * _ROOT_HALF))
    if outside < 0.5:
        return math.log1p(-outside)
    return math.log(0.5 * (math.erf(b * _ROOT_HALF) - math.erf(a * _ROOT_HALF)))


@njit(cache=True, nogil=True)
def _inner_moments(a, b, width):
    """Mean and mean square of a standard normal variable between a < b, like `_log_mass`."""
    if width * max(1.0, -a) < _NARROW:
        middle = 0.5 * (a + b)
        w = width * width
        x = middle * middle
        mean = middle - w * middle * (1.0 / 12.0 - w * (x / 720.0 + 1.0 / 360.0))
        variance = w * (1.0 / 12.0 - w * (x / 240.0 + 1.0 / 360.0))
        return mean, mean * mean + variance
    # The densities at both ends, relative to that at b, and the mass relative to it.
    ratio = 0.0
    at_a = 0.0
    if a > -np.inf:
        ratio = math.exp(0.5 * width * (a + b))
        at_a = a * ratio
    if b < _FAR:
        mass = _mills(b)
        if ratio > 0.0:
            mass -= ratio * _mills(a)
    else:
        mass = math.exp(_log_mass(a, b, width) + 0.5 * b * b + _LOG_ROOT_TWO_PI)
    mean = min(max((ratio - 1.0) / mass, a), b)
    return mean, max(1.0 + (at_a - b) / mass, mean * mean)


@njit(cache=True, nogil=True)
def _limited(x):
    """A number of standard deviations whose square is a number; infinite ones stay."""
    if math.isinf(x):
        return x
    return min(max(x, -_FARTHEST), _FARTHEST)


@njit(cache=True, nogil=True)
def _log_likelihood(lower, upper, log_scale, mean, deviation, log_deviation):
    """Log mass of a cell, or log density of a point."""
    if lower == upper:
        distance = min(abs(lower - mean) / deviation, _FARTHEST)
        log = log_scale - 0.5 * distance * distance - log_deviation - _LOG_ROOT_TWO_PI
        return max(log, LEAST_LOG)
    a = _limited((lower - mean) / deviation)
    b = _limited((upper - mean) / deviation)
    width = (upper - lower) / deviation
    if a + b > 0.0:
        a, b = -b, -a
    return max(_log_mass(a, b, width) + log_scale, LEAST_LOG)


@njit(cache=True, nogil=True)
def _cell_moments(lower, upper, mean, deviation):
    """Mean and mean square, about zero, of a normal variable seen in a cell."""
    if lower == upper:
        return lower, lower * lower
    a = _limited((lower - mean) / deviation)
    b = _limited((upper - mean) / deviation)
    width = (upper - lower) / deviation
    if a + b > 0.0:
        inner, square = _inner_moments(-b, -a, width)
        inner = -inner
    else:
        inner, square = _inner_moments(a, b, width)
    first = min(max(mean + deviation * inner, lower), upper)
    second = mean * (mean + 2.0 * deviation * inner) + deviation * deviation * square
    return first, max(second, first * first)


@njit(cache=True, nogil=True)
def likelihoods(queue, levels, cells, means, deviations, least, table, exponents):
    """Write the likelihoods of cells, times two to `exponents`, to their rows of `table`.

    The largest of a row is in [0.5, 1). means, deviations (n_columns, K); table (., K); exponents
    (.,) none below `least` but for that, or of length zero: then logarithms are written, in nats.
    Tasks: those of `cells`. O(n_cells K).
    """
    n_latents = means.shape[1]
    log_deviations = np.empty(n_latents)
    task, _ = take(queue, levels)
    while task < levels[-1]:
        column = cells.tasks[task, 0]
        for k in range(n_latents):
            log_deviations[k] = math.log(deviations[column, k])
        for cell in range(cells.tasks[task, 1], cells.tasks[task, 2]):
            row = table[cell + cells.shifts[column]]
            lower = cells.lower[cell]
            upper = cells.upper[cell]
            largest = -np.inf
            for k in range(n_latents):
                log = 0.0
                if lower > -np.inf or upper < np.inf:
                    log = _log_likelihood(
                        lower,
                        upper,
                        cells.log_scale[cell],
                        means[column, k],
                        deviations[column, k],
                        log_deviations[k],
                    )
                row[k] = log
                largest = max(largest, log)
            if exponents.shape[0] > 0:
                exponent = math.floor(largest / math.log(2.0))
                for k in range(n_latents):
                    row[k] = math.exp(row[k] - exponent * math.log(2.0))
                largest = math.exp(largest - exponent * math.log(2.0))
                shift = 1
                if not 1.0 <= largest < 2.0:  # by rounding
                    _, shift = math.frexp(largest)
                factor = 0.5 if shift == 1 else math.ldexp(1.0, -shift)
                for k in range(n_latents):
                    row[k] *= factor
                exponents[cell + cells.shifts[column]] = max(np.int64(exponent), least) + shift
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def moments(queue, levels, cells, counts, means, deviations, out):
    """Write expected moments about zero, of what cells show, to `out` (n_tasks, K, 3).

    counts (., K), which may be negative; means, deviations (n_columns, K). Per task and state:
    the count, the sum, the sum of squares. Missing values add nothing. Tasks: those of `cells`.
    O(n_cells K), in the order of the cells.
    """
    n_latents = means.shape[1]
    task, _ = take(queue, levels)
    while task < levels[-1]:
        column = cells.tasks[task, 0]
        for k in range(n_latents):
            for moment in range(3):
                out[task, k, moment] = 0.0
        for cell in range(cells.tasks[task, 1], cells.tasks[task, 2]):
            lower = cells.lower[cell]
            upper = cells.upper[cell]
            if lower > -np.inf or upper < np.inf:
                for k in range(n_latents):
                    count = counts[cell + cells.shifts[column], k]
                    if count != 0.0:
                        first, second = _cell_moments(
                            lower, upper, means[column, k], deviations[column, k]
                        )
                        out[task, k, 0] += count
                        out[task, k, 1] += count * first
                        out[task, k, 2] += count * second
        task, _ = take_next(queue, levels)
