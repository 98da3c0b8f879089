"""A normal variable beside others in intervals, against rules with very many nodes."""

import numpy as np
import pytest
from scipy.stats import norm

from skpc._circuit.inputs.normal_beside import Beside
from skpc._circuit.inputs.normal_pieces import EVERYTHING, Pieces


def interval(low, high):
    return Pieces(*(np.array([x]) for x in (low, high, 0.0, np.nan)))


def beside_of(correlation, own, other):
    factors = np.array([[1.5, 0.0], [2.0 * correlation, 2.0 * np.sqrt(1.0 - correlation**2)]])
    return Beside(np.array([[0.3, -1.0]]), factors[None], own, (other,))


@pytest.mark.parametrize("correlation", [0.0, 0.6, -0.9, 0.999999])
@pytest.mark.parametrize("bounds", [(-1.0, 0.5), (0.2, np.inf), (-0.99, -0.985), (7.0, 8.0)])
@pytest.mark.parametrize("own", [EVERYTHING, interval(-0.8, 1.7)])
def test_it_has_the_integral_of_the_density(correlation, bounds, own):
    if own is not EVERYTHING and bounds[0] > 5 and correlation > 0.99:
        pytest.skip("nothing is left that doubles can tell")
    beside = beside_of(correlation, own, interval(*bounds))
    slope, left = 2.0 * correlation / 1.5, 2.0 * np.sqrt(1.0 - correlation**2)
    edges = np.clip(np.linspace(-12.0, 12.0, 2**19 + 1), own.lower[0], own.upper[0])
    x, widths = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    centres = -1.0 + slope * (x - 0.3)
    sides = [norm.sf(b, centres, left) if bounds[0] > 5 else norm.cdf(b, centres, left)
             for b in bounds]  # fmt: skip
    masses = norm.pdf(x, 0.3, 1.5) * np.abs(sides[1] - sides[0]) * widths
    assert beside.log_mass[0] == pytest.approx(np.log(masses.sum()), abs=1e-4)
    cumulated = np.append(0.0, masses.cumsum()) / masses.sum()
    places = np.searchsorted(cumulated, [0.001, 0.3, 0.5, 0.97])
    found = beside.cdf(edges[places], edges[places])[:, 0]
    np.testing.assert_allclose(found, cumulated[places], atol=1e-5)
    points = x[places]
    cells = Pieces(points, points, np.zeros(4), points)
    density = (masses / widths.clip(1e-300))[places] / masses.sum()
    np.testing.assert_allclose(np.exp(beside.log_prob(cells)[:, 0]), density, rtol=1e-4)


def test_two_others_that_say_nothing_change_nothing_however_alike_all_are():
    factors = np.array([[1.0, 0.0, 0.0], [1.0, 1e-3, 0.0], [1.0, 2e-4, 1e-3]])
    own, values = interval(0.0, 0.1), np.linspace(0.0, 0.1, 41)
    others = (interval(-150.0, 150.0), interval(-90.0, np.inf))
    beside = Beside(np.zeros((1, 3)), factors[None], own, others)
    below = norm.cdf(values) - norm.cdf(0.0)
    np.testing.assert_allclose(beside.cdf(values, values)[:, 0], below / below[-1], atol=1e-12)
    assert beside.log_mass[0] == pytest.approx(np.log(below[-1]), abs=1e-12)


def test_an_interval_that_says_nothing_changes_nothing():
    own = interval(0.0, 0.1)
    values = np.linspace(0.0, 0.1, 41)
    beside = beside_of(0.999999, own, interval(-150.0, 150.0))
    below = norm.cdf(values, 0.3, 1.5) - norm.cdf(0.0, 0.3, 1.5)
    np.testing.assert_allclose(beside.cdf(values, values)[:, 0], below / below[-1], atol=1e-13)


def test_far_from_both_means_mass_is_still_found():
    beside = beside_of(0.9, interval(60.0, np.inf), interval(90.0, np.inf))
    values = np.linspace(60.0, 90.0, 301)
    found = beside.cdf(values, values)[:, 0]
    cells = Pieces(values, values, np.zeros(301), values)
    density = np.exp(beside.log_prob(cells)[:, 0])
    assert found[0] == 0.0
    assert found[-1] == pytest.approx(1.0)
    trapezoid = np.append(0.0, np.cumsum(0.05 * (density[1:] + density[:-1])))
    np.testing.assert_allclose(found, trapezoid, atol=5e-3)
