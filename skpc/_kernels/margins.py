"""Kernels that learn margins: kernel estimates of one column, stacked."""

import math

import numpy as np

from skpc._kernels import njit

GAUSSIAN, HEAVY = 0, 1
"""Shapes of the components that are no kernel estimates; see `_shape`."""

_FAR = 700.0


@njit(cache=True, nogil=True, inline="always")
def _logistic(distance):
    """Distribution function, survival function and density of the logistic distribution."""
    tail = math.exp(-min(abs(distance), _FAR))
    near, far = 1.0 / (1.0 + tail), tail / (1.0 + tail)
    if distance > 0.0:
        return near, far, near * far
    return far, near, near * far


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


@njit(cache=True, nogil=True, inline="always")
def _own(place, lower, upper, centre, width):
    """What a kernel gives to a cell (a mass), or to a point (a density)."""
    if lower == upper:
        _, _, density = _logistic((place - centre) / width)
        return density / width
    below, above, _ = _logistic((lower - centre) / width)
    below_upper, above_upper, _ = _logistic((upper - centre) / width)
    return above - above_upper if lower > centre else below_upper - below


@njit(cache=True, nogil=True)
def leave_one_out(places, lower, upper, weights, removed, widths, bound, out):
    """Write what kernel estimates give to each value, `removed` of it taken out, to `out`.

    places, lower, upper, weights, removed (n,): values, their cells (equal bounds: points),
    and weights; widths (n_components, n): scales of logistic kernels; bound: where kernels are
    reflected, or -inf; out (n_components, n): masses, or densities of points. O(n^2) each.
    """
    n_values = places.shape[0]
    total = 0.0
    for i in range(n_values):
        total += weights[i]
    for c in range(widths.shape[0]):
        for i in range(n_values):
            mass = 0.0
            for j in range(n_values):
                weight = weights[j]
                if i == j:
                    weight -= removed[i]
                if weight > 0.0:
                    width = widths[c, j]
                    mass += weight * _own(places[i], lower[i], upper[i], places[j], width)
                    if bound > -np.inf and places[j] - bound < 40.0 * width:
                        centre = 2.0 * bound - places[j]
                        mass += weight * _own(places[i], lower[i], upper[i], centre, width)
            out[c, i] = mass / max(total - removed[i], 1e-300)


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
    for _ in range(n_iterations):
        for c in range(n_components):
            counts[c] = prior[c]
        for i in range(n_values):
            total = 0.0
            for c in range(n_components):
                total += shares[c] * parts[c, i]
            if total > 0.0:
                for c in range(n_components):
                    counts[c] += weights[i] * shares[c] * parts[c, i] / total
        total = 0.0
        for c in range(n_components):
            total += counts[c]
        change = 0.0
        for c in range(n_components):
            change = max(change, abs(counts[c] / total - shares[c]))
            shares[c] = counts[c] / total
        if change < 1e-4:
            break


@njit(cache=True, nogil=True)
def add_kernels(points, places, weights, widths, shares, bound, out):
    """Add a mixture of kernel estimates at points (p,) to `out` (3, p).

    It gets distribution functions, survival functions and densities; see `leave_one_out`.
    """
    total = 0.0
    for j in range(places.shape[0]):
        total += weights[j]
    for p in range(points.shape[0]):
        for c in range(widths.shape[0]):
            if shares[c] > 0.0:
                for j in range(places.shape[0]):
                    mass = shares[c] * weights[j] / total
                    width = widths[c, j]
                    below, above, density = _logistic((points[p] - places[j]) / width)
                    out[1, p] += mass * above
                    out[2, p] += mass * density / width
                    if bound > -np.inf and places[j] - bound < 40.0 * width:
                        centre = 2.0 * bound - places[j]
                        _add_reflected(out, p, mass, width, centre, bound, points[p], below)
                    else:
                        out[0, p] += mass * below


@njit(cache=True, nogil=True)
def _add_reflected(out, p, mass, width, centre, bound, point, below):
    """Add a reflected kernel, and the distribution function of both from the bound on."""
    below_bound, above_bound, _ = _logistic((bound - (2.0 * bound - centre)) / width)
    reflected_below, reflected_above, density = _logistic((point - centre) / width)
    out[0, p] += mass * max(below - below_bound, 0.0)
    out[0, p] += mass * max(below_bound - reflected_above, 0.0)
    out[1, p] += mass * reflected_above
    out[2, p] += mass * density / width


@njit(cache=True, nogil=True)
def add_shape(shape, points, centre, scale, share, bound, out):
    """Add a shape with a share at points (p,) to `out` (3, p); see `add_kernels`."""
    for p in range(points.shape[0]):
        below, above, density = _shape(shape, (points[p] - centre) / scale)
        if bound > -np.inf:
            other = 2.0 * bound - centre
            below_bound, _, _ = _shape(shape, (bound - centre) / scale)
            _, above_other, density_other = _shape(shape, (points[p] - other) / scale)
            below = max(below - below_bound, 0.0) + max(below_bound - above_other, 0.0)
            above += above_other
            density += density_other
        out[0, p] += share * below
        out[1, p] += share * above
        out[2, p] += share * density / scale
