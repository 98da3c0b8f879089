"""Intervals of margins: their ends on the normal scale, their levels, and draws within."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtr
from test_margins import CONTINUOUS, HEAPED, LATTICE, WITH_ATOMS, masses

from skpc._data.column_sets import Interval

VALUES = np.array([-4.0, -1.0, 0.7, 3.0, 3.25, 8.0])
every_margin = pytest.mark.parametrize(
    "margin", [CONTINUOUS, WITH_ATOMS, LATTICE, HEAPED], ids=["smooth", "atoms", "lattice", "heaps"]
)


@every_margin
def test_limits_are_those_of_the_distribution_function_from_both_sides(margin):
    lower, upper = margin.limits(VALUES)
    below = np.nextafter(VALUES, -np.inf)
    near = 1e-6 * np.abs(VALUES)
    assert_allclose(ndtr(margin.limits(below - near)[1]), ndtr(lower), atol=1e-5)
    assert_allclose(ndtr(margin.limits(VALUES + near)[0]), ndtr(upper), atol=1e-5)
    assert (lower <= upper).all()


@every_margin
def test_everything_is_between_infinite_ends(margin):
    lower, upper = margin.limits(np.array([-np.inf, np.inf]))
    assert_array_equal(lower, [-np.inf, np.inf])
    assert_array_equal(upper, [-np.inf, np.inf])


def test_a_level_and_an_atom_have_their_mass_and_what_is_between_levels_has_none():
    lower, upper = WITH_ATOMS.limits(np.array([-1.0, 3.0, 2.0]))
    assert_allclose(ndtr(upper) - ndtr(lower), [0.3, 0.1, 0.0], rtol=1e-12)
    lower, upper = HEAPED.limits(np.array([-1.0, 2.5, 2.6, 2.9]))
    expected = [*masses(HEAPED, [-1.0, 2.5]), 0.0, 0.0]
    assert_allclose(ndtr(upper) - ndtr(lower), expected, rtol=1e-12)


def test_levels_between_bounds_are_those_of_the_lattice():
    assert LATTICE.levels_between(Interval(1.1, 3.0), 10).tolist() == [1.5, 2.0, 2.5, 3.0]
    assert LATTICE.levels_between(Interval(1.5, 3.0, False, False), 10).tolist() == [2.0, 2.5]
    assert LATTICE.levels_between(Interval(1.1, 1.2), 10).tolist() == []
    assert LATTICE.levels_between(Interval(0.0, 100.0), 10) is None
    assert LATTICE.levels_between(Interval(0.0, np.inf), 10) is None
    assert CONTINUOUS.levels_between(Interval(0.0, 1.0), 10) is None


@every_margin
@pytest.mark.parametrize(
    "interval", [Interval(-1.0, 3.1), Interval(2.0, np.inf, has_low=False), Interval(-np.inf, 0.0)]
)
def test_what_comes_back_from_between_the_ends_is_in_the_interval(margin, interval):
    (below_low, below_high), (low, high) = margin.limits(np.array([interval.low, interval.high]))
    start = below_low if interval.has_low else low
    end = high if interval.has_high else below_high
    middle = np.linspace(max(start, -9.0), min(end, 9.0), 41)[1:-1]
    assert interval.contains(margin.within(interval).inverse(middle)).all()
