"""Kernels that learn margins, beside plain twins."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtri
from scipy.stats import norm, t

from skpc._kernels import margins as kernels
from skpc._kernels import splines

RANDOM = np.random.default_rng(0)
PLACES = np.sort(RANDOM.gamma(2.0, size=12))
WEIGHTS = RANDOM.uniform(0.5, 3.0, 12)
WIDTHS = RANDOM.uniform(0.2, 3.0, (3, 12))


def below(distance):
    x = np.clip(distance, -1.0, 1.0)
    return 0.5 + (35 * x - 35 * x**3 + 21 * x**5 - 5 * x**7) / 32


def density(distance):
    return 35 / 32 * np.maximum(1 - distance**2, 0.0) ** 3


def plain_parts(lower, upper, centres, widths):
    """What kernels (m,) give to cells or points (n,): an array (n, m)."""
    lower, upper = lower[:, None], upper[:, None]
    if (lower == upper).all():
        return density((lower - centres) / widths) / widths
    return below((upper - centres) / widths) - below((lower - centres) / widths)


@pytest.mark.parametrize("half", [0.0, 0.05])
@pytest.mark.parametrize("bound", [-np.inf, 0.0])
def test_what_is_left_out_gives_nothing(half, bound):
    lower, upper = PLACES - half, PLACES + half
    removed = np.minimum(WEIGHTS, 1.0)
    out = np.empty((3, 12))
    kernels.leave_one_out(PLACES, lower, upper, WEIGHTS, removed, WIDTHS, bound, out)
    for c, widths in enumerate(WIDTHS):
        parts = plain_parts(lower, upper, PLACES, widths)
        if bound == 0.0:
            parts = parts + plain_parts(lower, upper, -PLACES, widths)
        weights = WEIGHTS - removed * np.eye(12)
        expected = (parts * weights).sum(axis=1) / weights.sum(axis=1)
        assert_allclose(out[c], expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("bound", [-np.inf, 0.0])
def test_a_mixture_of_kernels_at_points(bound):
    points = np.linspace(0.0 if bound == 0.0 else -3.0, 12.0, 31)
    shares = np.array([0.2, 0.3, 0.4])
    out = np.ones((3, 31))
    kernels.add_kernels(points, PLACES, WEIGHTS, WIDTHS, shares, bound, out)
    expected = np.ones((3, 31))
    for share, widths in zip(shares, WIDTHS, strict=True):
        for sign in (1.0, -1.0) if bound == 0.0 else (1.0,):
            distances = (points[:, None] - sign * PLACES) / widths
            start = below(-sign * PLACES / widths) if bound == 0.0 else 0.0
            masses = share * WEIGHTS / WEIGHTS.sum()
            expected[0] += ((below(distances) - start) * masses).sum(axis=1)
            expected[1] += ((1.0 - below(distances)) * masses).sum(axis=1)
            expected[2] += (density(distances) / widths * masses).sum(axis=1)
    assert_allclose(out, expected, rtol=1e-12)


@pytest.mark.parametrize(("shape", "law"), [(kernels.GAUSSIAN, norm), (kernels.HEAVY, t(2))])
@pytest.mark.parametrize("bound", [-np.inf, 0.5])
def test_shapes_are_those_of_scipy(shape, law, bound):
    points = np.linspace(0.5, 9.0, 20)
    out = np.array([kernels.reflected_shape(shape, x, 1.2, 0.7, bound) for x in points]).T
    u, start = (points - 1.2) / 0.7, (bound - 1.2) / 0.7
    mirrored = (points - (2 * bound - 1.2)) / 0.7 if bound > -np.inf else np.full(20, np.inf)
    lower = law.cdf(u) - law.cdf(start) + (law.cdf(mirrored) - law.cdf(-start))
    lower = lower if bound > -np.inf else law.cdf(u)
    assert_allclose(out[0], lower, atol=1e-12)
    assert_allclose(out[1], law.sf(u) + law.sf(mirrored), rtol=1e-8)
    assert_allclose(out[2], (law.pdf(u) + law.pdf(mirrored)) / 0.7, rtol=1e-10)
    one = np.ones(20)
    given = np.empty(20)
    kernels.shape_out(shape, points, points, points, 1.2 * one, 0.7 * one, bound, given)
    assert_allclose(given, out[2], rtol=1e-12)
    kernels.shape_out(shape, points, points, points + 0.1, 1.2 * one, 0.7 * one, bound, given)
    cells = law.cdf(u + 0.1 / 0.7) - law.cdf(u) + law.cdf(mirrored + 0.1 / 0.7) - law.cdf(mirrored)
    assert_allclose(given, cells, rtol=1e-6, atol=1e-12)


def test_shares_are_the_most_likely():
    parts = RANDOM.gamma(1.0, size=(3, 200))
    weights = RANDOM.uniform(0.5, 2.0, 200)
    shares = np.full(3, 1 / 3)
    kernels.stack(parts, weights, np.zeros(3), 10_000, shares)
    assert_allclose(shares.sum(), 1.0)
    best = (weights * np.log(shares @ parts)).sum()
    for other in RANDOM.dirichlet([1.0, 1.0, 1.0], 200):
        assert (weights * np.log(other @ parts)).sum() < best + 0.01
    one = np.array([0.25, 0.25, 0.5])
    kernels.stack(parts, weights, np.array([0.5, 1.0, 0.0]), 1, one)
    given = np.array([0.25, 0.25, 0.5])[:, None] * parts
    counts = (weights * given / given.sum(axis=0)).sum(axis=1) + np.array([0.5, 1.0, 0.0])
    assert_allclose(one, counts / counts.sum(), rtol=1e-12)


def test_normal_scores_are_those_of_scipy():
    chances = np.concatenate([np.logspace(-300.0, -0.31, 200), [0.07, 0.08, 0.4]])
    for chance in chances:
        expected = ndtri(chance)
        assert_allclose(splines.normal_score(chance, 1.0 - chance), expected, rtol=1e-14)
        assert_allclose(splines.normal_score(1.0 - chance, chance), -expected, rtol=1e-14)


def test_a_spline_is_near_to_its_mixture():
    scales = np.array([[splines.RAW, 0.0, 1.0, -np.inf], [splines.ASINH, 1.0, 0.5, -np.inf]])
    shapes = np.array([[[0.0, 2.0, 0.2], [1.0, 0.5, 0.1]], [[0.5, 1.0, 0.1], [0.0, 1.0, 0.1]]])
    shares = np.array([0.3, 0.2])
    mixture = splines.Mixture(PLACES, WEIGHTS, WIDTHS[:2], shares, 0, scales, shapes, -np.inf, 0.0)

    def law(x):
        there = np.arcsinh((x - 1.0) / 0.5)
        masses = shares[:, None] * WEIGHTS / WEIGHTS.sum()
        total = (masses * below((x - PLACES) / WIDTHS[:2])).sum()
        total += 0.2 * norm.cdf(x / 2) + 0.1 * t(2).cdf((x - 1.0) / 0.5)
        return total + 0.1 * norm.cdf(there - 0.5) + 0.1 * t(2).cdf(there)

    table = np.empty((3, 300))
    table[0, :12] = np.linspace(-10.0, 15.0, 12)
    coarse, few = table.copy(), table[:, :20].copy()
    n_knots = splines.refine(mixture, table, 12, 8, 0.01, 1e-6)
    knots, scores, slopes = table[:, :n_knots]
    assert splines.refine(mixture, coarse, 12, 1, 0.01, 1e-6) < n_knots
    assert splines.refine(mixture, few, 12, 8, 0.01, 1e-6) == 20
    assert (np.diff(few[0]) > 0.0).all()
    assert np.isin(few[0], knots).sum() > 15
    assert_allclose(norm.cdf(scores), [law(x) for x in knots], rtol=1e-9)
    d = 1e-6
    rates = [(law(x + d) - law(x - d)) / (2 * d) for x in knots]
    assert_allclose(slopes * norm.pdf(scores), rates, rtol=1e-4)
    assert 12 < len(knots) < 300
    width, height = np.diff(knots), np.diff(scores)
    slope, rest = height / width, slopes[1:] + slopes[:-1]
    middle = scores[:-1] + height * (slope + slopes[:-1]) / (2 * slope + rest)  # of each piece
    places = 0.5 * (knots[1:] + knots[:-1])
    assert_allclose(norm.cdf(middle), [law(x) for x in places], atol=1e-3)
