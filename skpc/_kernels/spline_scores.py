"""Kernel that evaluates the monotone splines of many margins, end to end."""

import math

from skpc._kernels import njit


@njit(cache=True, nogil=True)
def spline_scores(units, ends, splines, knot_ends, scores, log_slopes):
    """Write the scores at units (n,) of splines, and logs of the slopes there.

    The first ``ends[0]`` units belong to the first spline, and so on; splines (3, k): knots,
    scores and slopes, those of a spline up to its `knot_ends`. A unit beyond an outer knot gets
    what the knot has. log_slopes (n,), or of length zero if nobody needs them.
    O(n log k).
    """
    start, first_knot = 0, 0
    for s in range(ends.shape[0]):
        for i in range(start, ends[s]):
            low, high = first_knot, knot_ends[s] - 1
            while high - low > 1:
                middle = (low + high) // 2
                if splines[0, middle] <= units[i]:
                    low = middle
                else:
                    high = middle
            width = splines[0, low + 1] - splines[0, low]
            height = splines[1, low + 1] - splines[1, low]
            slope = height / width
            part = min(max((units[i] - splines[0, low]) / width, 0.0), 1.0)
            rest = 1.0 - part
            begin, end = splines[2, low] / slope, splines[2, low + 1] / slope
            bend = 1.0 + (begin + end - 2.0) * part * rest
            scores[i] = splines[1, low] + height * (part * (part + begin * rest) / bend)
            if log_slopes.shape[0]:
                top = end * part * part + 2.0 * part * rest + begin * rest * rest
                log_slopes[i] = math.log(slope) + math.log(top) - 2.0 * math.log(bend)
        start, first_knot = ends[s], knot_ends[s]
