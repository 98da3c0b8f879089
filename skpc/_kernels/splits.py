"""Kernel that cuts the rows into as many groups as a region has states."""

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next


@njit(cache=True, nogil=True)
def _cut(points, weights, order, first, last, spare, masses):
    """Move rows above the mean of `points` behind the others; return where they begin.

    Both parts keep their order; `masses` (2,) are their weights. If all points are equal that
    is `first`. Without branches in the loop: which part a row is in cannot be predicted.
    """
    total = 0.0
    mass = 0.0
    low = np.inf
    high = -np.inf
    for i in range(first, last):
        row = order[i]
        value = np.float64(points[row])
        total += weights[row] * value
        mass += weights[row]
        low = min(low, value)
        high = max(high, value)
    if not low < high:
        return first
    mean = max(low, total / mass)
    if mean >= high:  # by rounding
        mean = low
    masses[0] = 0.0
    masses[1] = 0.0
    n_above = 0
    middle = first
    for i in range(first, last):
        row = order[i]
        is_above = np.int64(points[row] > mean)
        order[middle] = row
        spare[n_above] = row
        masses[is_above] += weights[row]
        n_above += is_above
        middle += 1 - is_above
    for i in range(n_above):
        order[middle + i] = spare[i]
    return middle


@njit(cache=True, nogil=True, inline="always")
def _split_region(points, weights, groups, masses):
    n_axes, n_rows = points.shape
    n_groups = masses.shape[0]
    order = np.empty(n_rows, np.int32)
    spare = np.empty(n_rows, np.int32)
    start = np.empty(n_groups, np.int64)
    stop = np.empty(n_groups, np.int64)
    depth = np.empty(n_groups, np.int64)  # -1: all rows are equal
    parts = np.empty(2, np.float64)
    total = 0.0
    for i in range(n_rows):
        order[i] = i
        total += weights[i]
    start[0] = 0
    stop[0] = n_rows
    depth[0] = 0
    masses[0] = total
    n_found = 1
    while n_found < n_groups:
        group = -1
        for g in range(n_found):
            if depth[g] >= 0 and (group < 0 or masses[g] > masses[group]):
                group = g
        if group < 0:
            break
        middle = start[group]
        for axis in range(depth[group], depth[group] + n_axes):
            middle = _cut(
                points[axis % n_axes], weights, order, start[group], stop[group], spare, parts
            )
            if middle > start[group]:
                break
        if middle == start[group]:
            depth[group] = -1
            continue
        start[n_found] = middle
        stop[n_found] = stop[group]
        stop[group] = middle
        masses[group] = parts[0]
        masses[n_found] = parts[1]
        depth[group] += 1
        depth[n_found] = depth[group]
        n_found += 1
    for g in range(n_found):
        for i in range(start[g], stop[g]):
            groups[order[i]] = g


@njit(cache=True, nogil=True)
def split_rows(queue, levels, points, weights, groups, masses):
    """Write the group of each row to `groups` (d, n), and each group's weight to `masses` (d, K).

    points (d, n_axes, n) float32. The heaviest group is cut at its mean along the next axis,
    until there are K; fewer if all the rows of each are equal: the others have mass zero.
    Tasks: regions. O(d n log K) if groups are balanced.
    """
    region, _ = take(queue, levels)
    while region < levels[-1]:
        _split_region(points[region], weights, groups[region], masses[region])
        region, _ = take_next(queue, levels)
