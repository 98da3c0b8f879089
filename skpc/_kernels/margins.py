"""Kernels that learn margins: kernel estimates of one column, stacked."""

import math

import numpy as np

from skpc._kernels import njit

GAUSSIAN, HEAVY = 0, 1
"""Shapes of the components that are no kernel estimates; see `_shape`."""


@njit(cache=True, nogil=True, inline="always")
def _below(distance):
    """Distribution function of the triweight kernel, within its support from -1 to 1."""
    square = distance * distance
    return 0.5 + distance * (35.0 - square * (35.0 - square * (21.0 - 5.0 * square))) / 32.0


@njit(cache=True, nogil=True, inline="always")
def _density(distance):
    """Density of the triweight kernel, within its support."""
    rest = 1.0 - distance * distance
    return 35.0 / 32.0 * rest * rest * rest


@njit(cache=True, nogil=True, inline="always")
def _first_from(values, start):
    """How many of ascending values (n,) are less than a number."""
    first, last = 0, values.shape[0]
    while first < last:
        middle = (first + last) // 2
        if values[middle] < start:
            first = middle + 1
        else:
            last = middle
    return first


@njit(cache=True, nogil=True)
def _shape(shape, distance):
    """Distribution function, survival function and density, of N(0, 1) or Student's t2."""
    if shape == GAUSSIAN:
        below = 0.5 * math.erfc(-distance * math.sqrt(0.5))
        above = 0.5 * math.erfc(distance * math.sqrt(0.5))
        return below, above, math.exp(-0.5 * distance * distance) / math.sqrt(2.0 * math.pi)
    size = abs(distance)
    root = math.sqrt(2.0 + size * size)
    tail = 1.0 / (root * (root + size))
    density = 1.0 / (root * root * root)
    if distance > 0.0:
        return 1.0 - tail, tail, density
    return tail, 1.0 - tail, density


@njit(cache=True, nogil=True)
def _spread(places, lower, upper, centre, width, weight, out):
    """Add what a kernel gives to each cell (a mass), or to each point (a density), to `out`."""
    start = _first_from(upper, centre - width)
    for i in range(start, places.shape[0]):
        if lower[i] >= centre + width:
            break
        if lower[i] == upper[i]:
            out[i] += weight * _density((places[i] - centre) / width) / width
        else:
            first = max((lower[i] - centre) / width, -1.0)
            last = min((upper[i] - centre) / width, 1.0)
            out[i] += weight * (_below(last) - _below(first))


@njit(cache=True, nogil=True)
def leave_one_out(places, lower, upper, weights, removed, widths, bound, out):
    """Write what kernel estimates give to each value, `removed` of it taken out, to `out`.

    places, lower, upper, weights, removed (n,): values, ascending, their cells (equal bounds:
    points), and weights; widths (n_components, n): half the supports of the kernels; bound: where
    kernels are reflected, or -inf; out (n_components, n): masses, or densities of points.
    O(n) for each component and each value that a kernel reaches.
    """
    n_values = places.shape[0]
    total = 0.0
    for i in range(n_values):
        total += weights[i]
    for c in range(widths.shape[0]):
        for i in range(n_values):
            out[c, i] = 0.0
        for j in range(n_values):
            width = widths[c, j]
            _spread(places, lower, upper, places[j], width, weights[j], out[c])
            own = -removed[j]
            one = slice(j, j + 1)
            is_near = places[j] - bound < width
            # What is left out gives nothing to itself: first all is added, then this is taken off.
            _spread(places[one], lower[one], upper[one], places[j], width, own, out[c, one])
            if is_near:
                mirrored = 2.0 * bound - places[j]
                _spread(places, lower, upper, mirrored, width, weights[j], out[c])
                _spread(places[one], lower[one], upper[one], mirrored, width, own, out[c, one])
        for i in range(n_values):
            out[c, i] = max(out[c, i], 0.0) / max(total - removed[i], 1e-300)


@njit(cache=True, nogil=True)
def shape_out(shape, places, lower, upper, centres, scales, bound, out):
    """Write what a shape gives to each value to `out` (n,): masses of cells, densities of points.

    centres, scales (n,): the shape may be another for each value, as what leaves it out.
    """
    for i in range(places.shape[0]):
        total = 0.0
        for reflection in range(2):
            if reflection == 1 and bound == -np.inf:
                break
            centre = 2.0 * bound - centres[i] if reflection == 1 else centres[i]
            if lower[i] == upper[i]:
                _, _, density = _shape(shape, (places[i] - centre) / scales[i])
                total += density / scales[i]
            else:
                below, above, _ = _shape(shape, (lower[i] - centre) / scales[i])
                below_upper, above_upper, _ = _shape(shape, (upper[i] - centre) / scales[i])
                total += above - above_upper if lower[i] > centre else below_upper - below
        out[i] = total


@njit(cache=True, nogil=True)
def stack(parts, weights, prior, n_iterations, shares):
    """Fit shares of components (n_components,) by EM to what each gives to values, in place.

    parts (n_components, n); weights (n,); prior (n_components,): what is added to the counts.
    """
    n_components, n_values = parts.shape
    counts = np.empty(n_components)
    given = parts.T.copy()
    for _ in range(n_iterations):
        for c in range(n_components):
            counts[c] = 0.0
        for i in range(n_values):
            total = 0.0
            for c in range(n_components):
                total += shares[c] * given[i, c]
            if total > 0.0:
                factor = weights[i] / total
                for c in range(n_components):
                    counts[c] += factor * given[i, c]
        total = 0.0
        for c in range(n_components):
            counts[c] = counts[c] * shares[c] + prior[c]
            total += counts[c]
        change = 0.0
        for c in range(n_components):
            change = max(change, abs(counts[c] / total - shares[c]))
            shares[c] = counts[c] / total
        if change < 1e-3:
            break


@njit(cache=True, nogil=True)
def add_kernels(points, places, weights, widths, shares, bound, out):
    """Add a mixture of kernel estimates at points (p,), ascending, to `out` (3, p).

    It gets distribution functions, survival functions and densities; see `leave_one_out`.
    """
    n_points = points.shape[0]
    total = 0.0
    for j in range(places.shape[0]):
        total += weights[j]
    passed = np.zeros((2, n_points + 1))
    for c in range(widths.shape[0]):
        for j in range(places.shape[0]):
            mass = shares[c] * weights[j] / total
            width = widths[c, j]
            is_near = places[j] - bound < width
            beyond = _below((bound - places[j]) / width) if is_near else 0.0
            _pass(points, places[j], width, mass, beyond, passed, out)
            if is_near:
                _pass(points, 2.0 * bound - places[j], width, mass, 1.0 - beyond, passed, out)
    below, above = 0.0, 0.0
    for p in range(n_points):
        below += passed[0, p]
        out[0, p] += below
        q = n_points - 1 - p
        above += passed[1, q]
        out[1, q] += above


@njit(cache=True, nogil=True)
def _pass(points, centre, width, mass, beyond, passed, out):
    """Add a kernel without the share of it that is beyond the bound.

    passed (2, p + 1): what is wholly below from a point on, and wholly above up to it.
    """
    p = _first_from(points, centre - width)
    if p > 0:
        passed[1, p - 1] += mass * (1.0 - beyond)
    while p < points.shape[0] and points[p] < centre + width:
        distance = (points[p] - centre) / width
        below = max(_below(distance) - beyond, 0.0)
        out[0, p] += mass * below
        out[1, p] += mass * (1.0 - beyond - below)
        out[2, p] += mass * _density(distance) / width
        p += 1
    passed[0, p] += mass * (1.0 - beyond)


@njit(cache=True, nogil=True)
def reflected_shape(shape, place, centre, scale, bound):
    """Distribution function, survival function and density of a shape, reflected at a bound."""
    below, above, density = _shape(shape, (place - centre) / scale)
    if bound > -np.inf:
        other = 2.0 * bound - centre
        below_bound, _, _ = _shape(shape, (bound - centre) / scale)
        _, above_other, density_other = _shape(shape, (place - other) / scale)
        below = max(below - below_bound, 0.0) + max(below_bound - above_other, 0.0)
        above += above_other
        density += density_other
    return below, above, density / scale
