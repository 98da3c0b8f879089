"""Inverses to the last bit: the least float that reaches a level."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from skpc._data.bisection import generalised_inverse

LEVELS = np.array([1e-9, 0.2, 0.4, 0.9, 1 - 1e-9])


def normal(values, places):
    return ndtr(values)


def test_it_finds_steps_exactly_zero_and_neighbouring_floats_among_them():
    steps = np.array([-1e300, -5e-324, 0.0, np.nextafter(1.0, 2.0), 3e5])
    shares = np.array([0.1, 0.2, 0.3, 0.1, 0.3]).cumsum()

    def cdf(values, _):
        return np.append(0.0, shares)[np.searchsorted(steps, values, "right")]

    levels = shares - 1e-6
    assert generalised_inverse(cdf, levels, -1e308, 1e308).tolist() == steps.tolist()


def test_it_inverts_a_continuous_function():
    found = generalised_inverse(normal, LEVELS, -100.0, 100.0)
    np.testing.assert_allclose(found, ndtri(LEVELS), rtol=1e-7)
    assert (ndtr(found) >= LEVELS).all()
    assert (ndtr(np.nextafter(found, -np.inf)) < LEVELS).all()


@pytest.mark.parametrize("bounds", [(-0.5, 0.5), (0.0, 0.0), (-1.0, -0.25)])
def test_it_stays_within_bounds(bounds):
    found = generalised_inverse(normal, LEVELS, *bounds)
    np.testing.assert_allclose(found, np.clip(ndtri(LEVELS), *bounds), rtol=1e-7, atol=1e-12)


def test_each_level_has_a_function_of_its_own_and_few_values_are_tried():
    means, tried = np.array([-3.0, 0.0, 50.0, 1e6]), []

    def cdf(values, places):
        tried.append(len(values))
        return ndtr(values - means[places])

    found = generalised_inverse(cdf, np.full(4, 0.9), -1e7, 1e7)
    np.testing.assert_allclose(found, means + ndtri(0.9), rtol=1e-9)
    assert sum(tried) < 4 * 100


@pytest.mark.parametrize("gap", [(-0.1, 0.1), (-np.inf, np.inf)])
def test_it_ends_where_the_function_is_no_number(gap):
    tried = []

    def cdf(values, _):
        tried.append(len(values))
        assert len(tried) < 500  # rather than for ever
        return np.where((values > gap[0]) & (values < gap[1]), np.nan, ndtr(values))

    found = generalised_inverse(cdf, LEVELS, -100.0, 100.0)
    assert ((found >= -100.0) & (found <= 100.0)).all()
