"""Powers of two in which numbers are multiplied, and weights of more rows than can be counted."""

import numpy as np
import pytest

from skpc._data.powers_of_two import countable, units_of


def test_units_are_powers_of_two_in_which_sizes_are_near_one():
    sizes = np.array([5e-324, 1e-310, 1e-200, 7e-31, 2e30, 3e155, 1.7e308])
    units = units_of(sizes)
    assert (np.frexp(units)[0] == 0.5).all()
    assert ((sizes / units >= 1.0) & (sizes / units < 2.0)).all()


def test_what_is_of_usual_size_is_left_alone():
    assert (units_of(np.array([0.0, 1e-30, 1e-3, 1.0, 12345.0, 1e30])) == 1.0).all()


@pytest.mark.parametrize("largest", [1e20, 1e39, 1e160, 1e300, 1.7e306])
def test_too_many_rows_to_count_are_counted_in_a_power_of_two(largest):
    weights = np.array([0.0, 1.0, 0.5, 0.25]) * largest
    smaller = countable(weights)
    assert 2.0**58 < smaller.sum() <= 2.0**60
    assert np.array_equal(smaller / smaller[1], weights / weights[1])  # to the last bit


def test_rows_that_can_be_counted_are_left_alone():
    weights = np.array([1e-100, 0.3, 1e15, 1e18])
    assert countable(weights) is weights


def test_a_row_beside_far_heavier_ones_still_counts():
    with np.errstate(all="raise"):
        smaller = countable(np.array([1e300, 0.0, 5e-324]))
    assert smaller[1] == 0.0
    assert 0.0 < smaller[2] < 1e-200
