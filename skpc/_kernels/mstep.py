"""Kernels of the sharpness-aware M-step: one positive root a weight, normalised by node."""

import math

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next

WEIGHT_FLOOR = 1e-30
"""Smallest weight: positive also in float32, and far below the 1e-12 that sums may miss."""

QUADRATIC_EXACT, CUBIC_UNIT, CUBIC_EXACT = range(3)

_MAX_STEPS = 200
_SUMS = {"reassoc", "nsz"}  # sums then run on vectors; infinities and NaN stay what they are


@njit(cache=True, nogil=True)
def _quadratic_exact(counts, strength, weights):
    """Solve sum_c theta_c = 1 for the multiplier of the quadratic, by Newton's method.

    With x = lambda^-1/2, theta_c = (N x^2 + x sqrt(N^2 x^2 + 4 mu N)) / 2 is increasing
    and convex in x, so Newton's steps from any point decrease to the root after the first.
    The radical is taken as sqrt(N) sqrt(N x^2 + 4 mu): squares of counts may underflow.
    """
    total = 0.0
    root_total = 0.0
    for count in counts:
        total += count
        root_total += math.sqrt(count)
    slope = math.sqrt(strength) * root_total
    x = 2.0 / (slope + math.sqrt(slope * slope + 4.0 * total))  # at most the root
    for step in range(_MAX_STEPS):
        value = -1.0
        derivative = 0.0
        for count in counts:
            inner = math.sqrt(count * x * x + 4.0 * strength)
            if inner > 0.0:
                root = math.sqrt(count)
                value += 0.5 * (count * x * x + x * root * inner)
                derivative += count * x + 0.5 * root * inner + 0.5 * count * x * x * root / inner
        new = x - value / derivative
        if step > 0 and not new < x:
            break
        x = new
    for c in range(counts.shape[0]):
        radical = math.sqrt(counts[c]) * math.sqrt(counts[c] * x * x + 4.0 * strength)
        weights[c] = 0.5 * (counts[c] * x * x + x * radical)


@njit(cache=True, nogil=True)
def _cubic_root(multiplier, count, constant):
    """The positive root of multiplier t^3 - count t^2 - constant.

    Newton's method from the bound count / multiplier + cbrt(constant / multiplier),
    right of which and down to the root the cubic is convex and increasing.
    """
    root = count / multiplier + (constant / multiplier) ** (1.0 / 3.0)
    for _ in range(_MAX_STEPS):
        value = (multiplier * root - count) * root * root - constant
        slope = (3.0 * multiplier * root - 2.0 * count) * root
        if not slope > 0.0:  # the root is zero, or too small to be squared
            break
        new = root - value / slope
        if not new < root:
            break
        root = new
    return root


@njit(cache=True, nogil=True)
def _cubic_sum(multiplier, counts, moments, strength, weights):
    """Write the cubic's roots to `weights`; return their sum less 1, and its derivative."""
    value = -1.0
    derivative = 0.0
    for c in range(counts.shape[0]):
        root = _cubic_root(multiplier, counts[c], 2.0 * strength * moments[c])
        weights[c] = root
        value += root
        slope = 3.0 * multiplier * root - 2.0 * counts[c]
        if slope > 0.0:
            derivative -= root * root / slope
    return value, derivative


@njit(cache=True, nogil=True)
def _cubic_exact(counts, moments, strength, weights):
    """Solve sum_c theta_c = 1 for the multiplier of the cubic: bracketed Newton's method."""
    total = 0.0
    cube_total = 0.0
    for c in range(counts.shape[0]):
        total += counts[c]
        cube_total += (2.0 * strength * moments[c]) ** (1.0 / 3.0)
    # theta is at least N / lambda and cbrt(c / lambda), and at most their sum.
    low = max(total, cube_total**3)
    high = max(2.0 * total, 8.0 * cube_total**3)
    multiplier = low
    for _ in range(_MAX_STEPS):
        value, derivative = _cubic_sum(multiplier, counts, moments, strength, weights)
        if value > 0.0:
            low = multiplier
        else:
            high = multiplier
        new = multiplier - value / derivative
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - multiplier) <= 1e-15 * multiplier:
            break
        multiplier = new


@njit(cache=True, nogil=True, fastmath=_SUMS, forceinline=True)
def _overall(counts, pseudocount, shares):
    """Write the pseudocounts of each child to `shares`; return what is even, per count of a node.

    They are spread as the children are in all nodes (nodes, children) together, to which one
    row at most, or `pseudocount` if that is less, is added evenly.
    """
    n_children = counts.shape[1]
    total = 0.0
    for c in range(n_children):
        shares[c] = 0.0
    for k in range(counts.shape[0]):
        for c in range(n_children):
            shares[c] += max(counts[k, c], 0.0)
    for c in range(n_children):
        total += shares[c]
    if not total > 0.0:
        return 0.0
    even = min(pseudocount, 1.0) / n_children
    for c in range(n_children):
        shares[c] = pseudocount * ((shares[c] + even) / (total + n_children * even))
    return even / total


@njit(cache=True, nogil=True, fastmath=_SUMS, forceinline=True)
def _smooth(counts, shares, even, smoothed):
    """Write what a node counted, with its pseudocounts, to `smoothed` if anything flowed."""
    total = 0.0
    for c in range(counts.shape[0]):
        total += max(counts[c], 0.0)
    if not total > 0.0:
        return False
    for c in range(counts.shape[0]):
        smoothed[c] = max(counts[c], 0.0) + even * total + shares[c]
    return True


@njit(cache=True, nogil=True, fastmath=_SUMS, forceinline=True)
def _normalise(weights):
    total = 0.0
    for c in range(weights.shape[0]):
        total += weights[c]
    for c in range(weights.shape[0]):
        weights[c] = max(weights[c] / total, WEIGHT_FLOOR)


@njit(cache=True, nogil=True, fastmath=_SUMS)
def update_weights(queue, levels, counts, strengths, pseudocount, weights):
    """M-step of all sum nodes by the quadratic with multiplier 1: overwrite `weights`.

    counts and weights (n_regions, nodes, children); strengths (n_regions, nodes): mu times
    gate, 0 for plain EM. Nodes without flow keep their weights. Tasks: regions. O(size of
    weights). Apart from `solve_weights`, since it is what the first fit waits for.
    """
    shares = np.empty(counts.shape[2], np.float64)
    region, _ = take(queue, levels)
    while region < levels[-1]:
        even = _overall(counts[region], pseudocount, shares)
        for k in range(counts.shape[1]):
            node = weights[region, k]
            if _smooth(counts[region, k], shares, even, node):
                strength = strengths[region, k]
                if strength > 0.0:
                    for c in range(node.shape[0]):
                        count = node[c]
                        # Not the root of the product: it underflows for counts below 1e-154.
                        radical = math.sqrt(count) * math.sqrt(count + 4.0 * strength)
                        node[c] = 0.5 * (count + radical)
                _normalise(node)
        region, _ = take_next(queue, levels)


@njit(cache=True, nogil=True, fastmath=_SUMS)
def solve_weights(queue, levels, counts, moments, strengths, pseudocount, rule, weights):
    """`update_weights` by another `rule`.

    moments like weights, or (n_regions, 1, 1) where `rule` needs none.
    """
    n_children = counts.shape[2]
    smoothed, shares = np.empty((2, n_children), np.float64)
    region, _ = take(queue, levels)
    while region < levels[-1]:
        even = _overall(counts[region], pseudocount, shares)
        for k in range(counts.shape[1]):
            node = weights[region, k]
            if _smooth(counts[region, k], shares, even, smoothed):
                strength = strengths[region, k]
                moment = moments[region, k if moments.shape[1] > 1 else 0]
                if strength == 0.0:  # plain EM: every rule then takes the counts themselves
                    for c in range(n_children):
                        node[c] = smoothed[c]
                elif rule == QUADRATIC_EXACT:
                    _quadratic_exact(smoothed, strength, node)
                elif rule == CUBIC_UNIT:
                    _cubic_sum(1.0, smoothed, moment, strength, node)
                else:
                    _cubic_exact(smoothed, moment, strength, node)
                _normalise(node)
        region, _ = take_next(queue, levels)
