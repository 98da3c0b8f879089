"""The distribution of one column where nothing bounds it, and where its range does."""

import numpy as np
import pytest

from skpc._circuit.inputs.gaussian import Gaussian
from skpc._data.column_sets import Interval
from skpc._queries.column_mixture import ColumnMixture, Support

EVERYTHING = Interval(-np.inf, np.inf)


def mixture(low, high):
    part = Gaussian(np.array([[0.0], [3.0]]), np.array([[[1.0]], [[0.25]]]), np.ones(1), 0.0)
    support = Support(EVERYTHING, low, high, None, np.empty(0))
    return ColumnMixture([(part, 0)], np.array([[0.4, 0.6]]), support)


def test_all_and_nothing_are_reached_at_infinity_unless_the_column_has_bounds():
    levels = np.array([0.0, 0.5, 1.0])
    assert mixture(-np.inf, np.inf).quantile(levels)[0, [0, 2]].tolist() == [-np.inf, np.inf]
    assert mixture(-2.0, np.inf).quantile(levels)[0, [0, 2]].tolist() == [-2.0, np.inf]
    assert mixture(-2.0, 5.0).quantile(levels)[0, 0] == -2.0


def test_a_mode_stays_in_the_range_as_quantiles_do():
    assert mixture(-np.inf, np.inf).mode()[0] == pytest.approx(3.0, abs=5e-3)
    assert mixture(-2.0, 1.0).mode()[0] == pytest.approx(0.0, abs=5e-3)
    assert mixture(7.0, 8.0).mode()[0] == 7.0
