"""Sets of values and intervals, against membership of single numbers."""

from itertools import product

import numpy as np
import pytest

from skpc._data.column_sets import Interval, ValueSet

GRID = np.arange(-1.0, 6.0, 0.5)
SETS = [
    ValueSet(np.array([2.0])),
    ValueSet(np.array([0.0, 2.0, 4.5])),
    Interval(0.0, 2.0),
    Interval(0.0, 2.0, has_high=False),
    Interval(2.0, 5.0, has_low=False),
    Interval(2.0, np.inf),
    Interval(-np.inf, 1.5),
]


@pytest.mark.parametrize(("one", "other"), [*product(SETS, SETS)])
def test_an_intersection_has_what_both_have(one, other):
    both = one.intersection(other)
    np.testing.assert_array_equal(both.contains(GRID), one.contains(GRID) & other.contains(GRID))
    if both.is_empty:
        assert not both.contains(GRID).any()


def test_an_interval_of_one_value_is_a_point():
    both = Interval(0.0, 2.0).intersection(Interval(2.0, 3.0))
    assert both.is_point
    assert both.values.tolist() == [2.0]
    assert Interval(0.0, 2.0).intersection(Interval(2.0, 3.0, has_low=False)).is_empty


def test_bounds_belong_to_an_interval_unless_it_says_otherwise():
    assert Interval(0.0, 1.0).contains(np.array([0.0, 1.0, np.nan])).tolist() == [True, True, False]
    half_open = Interval(0.0, 1.0, has_low=False)
    assert half_open.contains(np.array([0.0, 1.0])).tolist() == [False, True]
