"""Kernel that finds medians of mixtures of normal distributions."""

import math

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next

TASK_ROWS = 128
"""Rows of one task."""

N_PASSES = 12
"""Times that all states of a row are looked at, about."""

_MOST_PASSES = 200
_NEGLIGIBLE = 1e-14  # a share of all that is left out
_PRECISION = 1e-12  # of the distance between the outermost means
_SQRT_HALF = math.sqrt(0.5)
_SQRT_2PI = math.sqrt(2.0 * math.pi)


@njit(cache=True, nogil=True)
def _median(shares, means, deviations):
    """The median of normal distributions (K,) with these shares, which lies among their means.

    By Newton's steps, and halves of what is left where these do not get shorter. O(K) a step.
    """
    total, centre = 0.0, 0.0
    for k in range(shares.shape[0]):
        total += shares[k]
    least, total = _NEGLIGIBLE * total, 0.0
    low, high = math.inf, -math.inf
    for k in range(shares.shape[0]):
        if shares[k] > least:
            low, high = min(low, means[k]), max(high, means[k])
            total += shares[k]
            centre += shares[k] * means[k]
    value = min(max(centre / total, low), high)
    width = _PRECISION * (high - low)
    last = high - low
    for _ in range(_MOST_PASSES):
        if not high - low > width:
            break
        over, slope = -0.5 * total, 0.0
        for k in range(shares.shape[0]):
            if shares[k] > least:
                score = (value - means[k]) / deviations[k]
                over += shares[k] * 0.5 * math.erfc(-_SQRT_HALF * score)
                slope += shares[k] * math.exp(-0.5 * score * score) / (_SQRT_2PI * deviations[k])
        if over >= 0.0:
            high = value
        else:
            low = value
        step = over / slope if slope > 0.0 else math.inf
        following = value - step
        if not (low <= following <= high and abs(step) < 0.5 * last):
            following = 0.5 * low + 0.5 * high
        elif abs(step) <= width:
            return following
        last = abs(following - value)
        if following == value:
            break
        value = following
    return value


@njit(cache=True, nogil=True)
def medians(queue, levels, shares, means, deviations, out):
    """Write medians (n,) of mixtures of normal distributions with shares (n, K).

    means, deviations: (n, K), or (1, K) of all rows. Tasks: ranges of rows. O(n K) a step.
    """
    task, _ = take(queue, levels)
    while task < levels[-1]:
        for i in range(task * TASK_ROWS, min((task + 1) * TASK_ROWS, shares.shape[0])):
            place = i if means.shape[0] > 1 else 0
            out[i] = _median(shares[i], means[place], deviations[place])
        task, _ = take_next(queue, levels)
