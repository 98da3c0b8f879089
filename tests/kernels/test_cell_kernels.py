"""Normal distributions seen in intervals, against quadrature and scipy, however far or narrow."""

import numpy as np
import pytest
from scipy.special import log_ndtr

from skpc._kernels import cells as kernels

NODES, MASSES = np.polynomial.legendre.leggauss(80)


def log_likelihood(lower, upper, mean=0.0, deviation=1.0, log_scale=0.0):
    return kernels._log_likelihood(lower, upper, log_scale, mean, deviation, np.log(deviation))


def by_quadrature(lower, upper):
    """Log mass, mean and mean square: of the end nearer to zero, where all of the mass is."""
    sign = -1.0 if lower + upper < 0 else 1.0
    near, far = sorted((sign * lower, sign * upper))
    far = min(far, max(near, 0.0) + 60.0 / max(1.0, near))
    edges = np.linspace(near, far, 60)
    half = 0.5 * np.diff(edges)[:, None]
    at = edges[:-1, None] + half + half * NODES
    c = max(near, 0.0)
    density = np.exp(-0.5 * (at - c) * (at + c)) * MASSES * half
    total = density.sum()
    log_mass = np.log(total) - 0.5 * c * c - 0.5 * np.log(2.0 * np.pi)
    return log_mass, sign * (density * at).sum() / total, (density * at * at).sum() / total


@pytest.mark.parametrize("width", [1e-9, 1e-4, 0.02, 0.04, 0.3, 2.0, 9.0, np.inf])
@pytest.mark.parametrize("start", [-39.0, -36.9, -12.0, -3.0, -0.7, 0.0, 0.4, 5.0, 36.95, 41.0])
def test_masses_and_moments_are_integrals(start, width):
    lower, upper = start, start + width
    log_mass, mean, square = by_quadrature(lower, upper)
    # Ends are rounded; that is all of the mass that a narrow cell loses.
    rounding = 4e-16 * max(1.0, abs(start)) / min(width, 1.0)
    assert log_likelihood(lower, upper) == pytest.approx(log_mass, rel=1e-13, abs=1e-12 + rounding)
    first, second = kernels._cell_moments(lower, upper, 0.0, 1.0)
    assert first == pytest.approx(mean, rel=1e-10, abs=1e-12)
    assert second == pytest.approx(square, rel=1e-10)
    assert second >= first * first
    assert lower <= first <= upper


def test_half_lines_are_the_normal_distribution_function():
    for x in -300.0, -40.0, -37.1, -36.9, -5.0, 0.0, 3.0, 50.0:
        assert log_likelihood(-np.inf, x) == pytest.approx(log_ndtr(x), rel=1e-13, abs=1e-300)
        assert log_likelihood(-x, np.inf) == pytest.approx(log_ndtr(x), rel=1e-13, abs=1e-300)


def test_narrow_cells_and_points_go_over_into_each_other():
    for x in -40.0, -2.0, 0.0, 1.0, 30.0:
        cell = log_likelihood(x, x + 1e-12, 0.2, 0.5)
        width = (x + 1e-12) - x
        if width > 0.0:
            point = log_likelihood(x, x, 0.2, 0.5, np.log(width))
            assert cell == pytest.approx(point, rel=1e-9)


def test_means_and_deviations_shift_and_scale():
    lower, upper, m, s = -0.3, 0.9, 0.4, 0.2
    a, b = (lower - m) / s, (upper - m) / s
    assert log_likelihood(lower, upper, m, s) == pytest.approx(log_likelihood(a, b), rel=1e-12)
    first, second = kernels._cell_moments(lower, upper, m, s)
    own_first, own_second = kernels._cell_moments(a, b, 0.0, 1.0)
    assert first == pytest.approx(m + s * own_first, rel=1e-12)
    assert second == pytest.approx(m * m + 2 * m * s * own_first + s * s * own_second, rel=1e-12)


def test_whatever_is_far_is_a_number():
    for lower, upper in (1e3, 1e3), (1e3, 1e3 + 1e-3), (1e8, 2e8), (-np.inf, -1e9), (5.0, 5.1):
        for deviation in 1e-6, 1.0:
            log = log_likelihood(lower, upper, 0.0, deviation)
            moments = kernels._cell_moments(lower, upper, 0.0, deviation)
            assert np.isfinite(log)
            assert kernels.LEAST_LOG <= log < 0
            assert np.isfinite(moments).all()
            assert moments[1] >= moments[0] ** 2


def plain_moments(cells, counts, means, deviations):
    """The sums of the kernel, cell by cell."""
    out = np.zeros((len(cells.tasks), counts.shape[1], 3))
    for task, (column, first, last) in enumerate(cells.tasks):
        for cell in range(first, last):
            lower, upper = cells.lower[cell], cells.upper[cell]
            if np.isinf(lower) and np.isinf(upper):
                continue
            for k in range(counts.shape[1]):
                own = kernels._cell_moments(lower, upper, means[column, k], deviations[column, k])
                count = counts[cell + cells.shifts[column], k]
                out[task, k] += count * np.array([1.0, *own])
    return out


def test_kernels_are_their_plain_twins():
    rng = np.random.default_rng(0)
    lower = np.sort(rng.normal(size=40))
    upper = lower + rng.choice([0.0, 0.1, 1.0], 40)
    lower[::9], upper[::9] = -np.inf, np.inf
    tasks = np.array([[0, 0, 15], [0, 15, 18], [1, 18, 40]])
    cells = kernels.CellTable(lower, upper, rng.normal(size=40), tasks, np.array([3, 7]))
    means, deviations = rng.normal(size=(2, 4)), rng.uniform(0.2, 2.0, (2, 4))
    table, exponents = np.zeros((50, 4)), np.zeros(50, np.int64)
    logs = np.zeros((50, 4))
    queue, levels = np.zeros(32, np.int64), np.array([0, 3])
    kernels.likelihoods(queue, levels, cells, means, deviations, -(2**40), table, exponents)
    queue[:] = 0
    nothing = np.zeros(0, np.int64)
    kernels.likelihoods(queue, levels, cells, means, deviations, 0, logs, nothing)
    rows = np.array([*range(3, 21), *range(25, 47)])
    np.testing.assert_allclose(
        np.log(table[rows]) + exponents[rows, None] * np.log(2.0), logs[rows], atol=1e-12
    )
    assert (table[rows].max(axis=1) >= 0.5).all()
    assert (table[rows].max(axis=1) < 1.0).all()
    assert not np.delete(table, rows, axis=0).any()
    for cell in range(40):
        column = int(cell >= 18)
        for k in range(4):
            own = 0.0
            if np.isfinite(lower[cell]):
                own = log_likelihood(
                    lower[cell], upper[cell], means[column, k], deviations[column, k],
                    cells.log_scale[cell],
                )  # fmt: skip
            assert logs[cell + cells.shifts[column], k] == pytest.approx(own, rel=1e-13)
    counts, out = rng.normal(size=(50, 4)), np.zeros((3, 4, 3))
    queue[:] = 0
    kernels.moments(queue, levels, cells, counts, means, deviations, out)
    np.testing.assert_allclose(out, plain_moments(cells, counts, means, deviations), rtol=1e-12)


@pytest.mark.parametrize("log_scale", [0.0, 1e-9, 700.0, -3e5, -1e16])
def test_the_largest_likelihood_of_a_cell_is_scaled_exactly(log_scale):
    """As numpy.frexp does it, also where the exponent is so large that rounding leads far off."""
    lower = np.linspace(-3.0, 3.0, 200)
    tasks = np.array([[0, 0, 200]])
    cells = kernels.CellTable(lower, lower, np.full(200, log_scale), tasks, np.zeros(1, np.int64))
    table, exponents, logs = np.zeros((200, 3)), np.zeros(200, np.int64), np.zeros((200, 3))
    means, deviations = np.array([[-1.0, 0.0, 2.0]]), np.array([[0.5, 1.0, 0.3]])
    queue, levels = np.zeros(32, np.int64), np.array([0, 1])
    kernels.likelihoods(queue, levels, cells, means, deviations, -(2**60), table, exponents)
    queue[:] = 0
    nothing = np.zeros(0, np.int64)
    kernels.likelihoods(queue, levels, cells, means, deviations, 0, logs, nothing)
    powers = np.floor(logs.max(axis=1) / np.log(2.0))
    plain = np.exp(logs - (powers * np.log(2.0))[:, None])
    _, shifts = np.frexp(plain.max(axis=1))
    np.testing.assert_array_equal(exponents, powers.astype(np.int64) + shifts)
    np.testing.assert_allclose(table, np.ldexp(plain, -shifts[:, None]), rtol=1e-14)
    assert (table.max(axis=1) >= 0.5).all()
    assert (table.max(axis=1) < 1.0).all()
