"""The least deviation at which densities at points of a lattice sum to one."""

import numpy as np
import pytest
from scipy.stats import norm

from skpc._data.resolution import even_scores, least_deviation


def largest_sum(deviation, width):
    """Of densities times widths over a lattice, wherever the mean is."""
    points = width * np.arange(-200, 201)
    means = np.linspace(0.0, 0.5 * width, 21)
    return (width * norm.pdf(points, means[:, None], deviation)).sum(axis=1).max()


@pytest.mark.parametrize("width", [1e-3, 0.1, 2.0])
def test_even_lattices_sum_to_one(width):
    found = least_deviation(np.full(50, width))
    assert largest_sum(found, width) == pytest.approx(1.01, abs=1e-4)
    assert largest_sum(0.8 * found, width) > 1.05


def test_values_with_a_density_ask_for_nothing():
    assert least_deviation(np.zeros(10)) == 0.0
    some = least_deviation(np.repeat([0.0, 0.1], [90, 10]))
    assert 0.0 < some < least_deviation(np.full(100, 0.1))


def test_scores_stand_for_equal_probabilities():
    np.testing.assert_allclose(norm.cdf(even_scores()), (np.arange(1024) + 0.5) / 1024)
