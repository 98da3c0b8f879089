"""The range and the levels of columns of numbers."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from skpc._outliers.number_grids import NumberGrids
from skpc._tables.columns import Columns

TYPES = ["gaussian", "gaussian", "gaussian", "categorical", "numeric"]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) + 4.0
    X[:, 0] = np.rint(X[:, 0])
    X[:, 1] = np.round(np.abs(X[:, 1]), 1)
    X[:, 3] = rng.integers(0, 3, 60)
    X[::9, 2] = np.nan
    return X


def grids_of(X, matrix=None):
    columns = Columns.learn(X, TYPES)
    return NumberGrids.of(X if matrix is None else matrix, np.ones(len(X)), columns)


def test_numbers_are_brought_to_levels_and_to_the_range(table):
    grids = grids_of(table)
    asked = np.concatenate([np.linspace(-9.0, 19.0, 57), table[:, 0]])
    for j, step in enumerate((1.0, 0.1)):
        found = grids.nearest(j, asked)
        low, high = table[:, j].min(), table[:, j].max()
        assert (found.min(), found.max()) == (low, high)
        levels = np.round(np.arange(low, high + 0.5 * step, step), 1)
        assert set(found) <= set(levels)
        nearest = np.abs(levels - np.clip(asked, low, high)[:, None]).min(axis=1)
        np.testing.assert_allclose(np.abs(found - np.clip(asked, low, high)), nearest, atol=1e-9)
        assert np.array_equal(grids.nearest(j, table[:, j]), table[:, j])
    within = np.clip(asked, np.nanmin(table[:, 2]), np.nanmax(table[:, 2]))
    assert np.array_equal(grids.nearest(2, asked), within)


def test_what_has_categories_or_a_margin_is_left_as_it_is(table):
    grids = grids_of(table)
    asked = np.array([-7.3, 100.0])
    assert all(grids.nearest(j, asked) is asked for j in (3, 4))
    hidden = table.copy()
    hidden[:, 0] = np.nan  # of a column that only names rows
    assert grids_of(table, hidden).nearest(0, asked) is asked


def test_a_column_that_is_read_by_logarithms_has_a_grid(table):
    """Its margin has neither levels nor, here, the right range."""
    columns = Columns.learn(table, TYPES)
    grids = NumberGrids.of(table, np.ones(len(table)), columns, logs=(4,))
    found = grids.nearest(4, np.array([-100.0, 100.0]))
    np.testing.assert_array_equal(found, [table[:, 4].min(), table[:, 4].max()])


def test_a_sparse_matrix_has_the_same_grids(table):
    for part, other in zip(
        vars(grids_of(table)).values(),
        vars(grids_of(table, csr_array(table))).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("low", [9.0, 0.0, 0.0, np.nan, np.nan], "between two numbers"),
        ("high", [np.inf] * 5, "between two numbers"),
        ("step", [-1.0] * 5, "levels"),
        ("digits", [-2] * 5, "levels"),
        ("low", [0.0], "shape"),
        ("digits", [0.5] * 5, "digits"),
    ],
)
def test_what_are_no_grids_is_refused(table, name, wrong, message):
    grids = grids_of(table)
    grids.check(5)
    vars(grids)[name] = np.array(wrong)
    with pytest.raises(ValueError, match=message):
        grids.check(5)
