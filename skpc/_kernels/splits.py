"""Kernel that cuts the rows into as many groups as a region has states."""

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next


@njit(cache=True, nogil=True)
def _cut(points, weights, order, first, last):
    """Move rows above the mean of `points` behind the others, order kept; where they begin.

    That is `first` if all are equal.
    """
    total = 0.0
    mass = 0.0
    low = np.inf
    high = -np.inf
    for i in range(first, last):
        value = np.float64(points[order[i]])
        total += weights[order[i]] * value
        mass += weights[order[i]]
        low = min(low, value)
        high = max(high, value)
    if not low < high:
        return first
    mean = max(low, total / mass)
    if mean >= high:  # by rounding
        mean = low
    n_above = 0
    above = np.empty(last - first, np.int64)
    middle = first
    for i in range(first, last):
        row = order[i]
        if points[row] > mean:
            above[n_above] = row
            n_above += 1
        else:
            order[middle] = row
            middle += 1
    for i in range(n_above):
        order[middle + i] = above[i]
    return middle


@njit(cache=True, nogil=True)
def _split_region(points, weights, n_groups, groups, masses):
    n_axes, n_rows = points.shape
    order = np.arange(n_rows)
    bounds = np.zeros((n_groups, 2), np.int64)
    depth = np.zeros(n_groups, np.int64)
    is_uniform = np.zeros(n_groups, np.bool_)
    bounds[0, 1] = n_rows
    masses[0] = weights.sum()
    n_found = 1
    while n_found < n_groups:
        group = -1
        for g in range(n_found):
            if not is_uniform[g] and (group < 0 or masses[g] > masses[group]):
                group = g
        if group < 0:
            break
        first, last = bounds[group]
        middle = first
        for axis in range(n_axes):
            middle = _cut(points[(depth[group] + axis) % n_axes], weights, order, first, last)
            if middle > first:
                break
        if middle == first:
            is_uniform[group] = True
            continue
        bounds[group, 1] = middle
        bounds[n_found] = middle, last
        depth[group] += 1
        depth[n_found] = depth[group]
        for g in (group, n_found):
            masses[g] = 0.0
            for i in range(bounds[g, 0], bounds[g, 1]):
                masses[g] += weights[order[i]]
        n_found += 1
    for g in range(n_found):
        for i in range(bounds[g, 0], bounds[g, 1]):
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
        _split_region(points[region], weights, masses.shape[1], groups[region], masses[region])
        region, _ = take_next(queue, levels)
