"""Columns of data beside those of draws: differences, bins and dependence."""

import numpy as np
import pytest
from scipy.stats import ks_2samp
from scipy.stats.contingency import association

from skpc.plotting._column_pair import ColumnPair, dependences


def numbers(data, draws):
    return ColumnPair("x", np.asarray(data, float), np.asarray(draws, float), None)


def test_the_difference_of_numbers_is_that_of_kolmogorov_and_smirnov():
    rng = np.random.default_rng(0)
    data, draws = np.round(rng.normal(size=80), 1), np.round(rng.normal(0.3, 2.0, size=70), 1)
    pair = numbers(np.append(data, np.nan), draws)
    assert np.isclose(pair.difference(), ks_2samp(data, draws).statistic)


def test_the_difference_of_labels_is_their_total_variation():
    pair = ColumnPair("x", np.array([0, 0, 1, np.nan]), np.array([1.0, 1, 2, 0]), list("abc"))
    assert np.isclose(pair.difference(), (2 / 3 - 1 / 4 + 1 / 2 - 1 / 3 + 1 / 4) / 2)
    nothing = ColumnPair("x", np.full(3, np.nan), np.zeros(2), list("abc"))
    assert nothing.difference() == 0.0


def test_rare_labels_are_taken_together():
    codes = np.repeat(np.arange(20.0), [50, 1, 40, *[1] * 16, 30])
    pair = ColumnPair("x", codes, codes, [f"label {i}" for i in range(20)])
    labels, shares = pair.bars()
    assert labels[:3] == ["label 0", "label 1", "label 2"]
    assert labels[-2:] == ["label 19", "13 others"]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    np.testing.assert_allclose(shares[0, -1], 13 / len(codes))
    data, _, n_parts = pair.parts()
    np.testing.assert_array_equal(np.bincount(data), shares[0] * len(codes))
    assert n_parts == len(labels)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(5),
        np.array([2.0, 2.5]),
        np.arange(300.0),
        np.append(np.random.default_rng(0).normal(size=400), [1e9, -1e9]),
        np.array([np.nan, 3.0]),
        np.full(3, np.nan),
        1e300 * np.arange(4.0),
    ],
)
def test_bins_hold_every_value(values):
    pair = numbers(values, values)
    edges = pair.edges()
    assert (np.diff(edges) > 0).all()
    known = values[~np.isnan(values)]
    counts, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
    assert counts.sum() == len(known)
    assert len(edges) <= 40


def test_edges_of_integers_are_between_them():
    for largest in (10, 200):
        edges = numbers(np.arange(largest + 1.0), np.zeros(3)).edges()
        np.testing.assert_array_equal(edges % 1.0, 0.5)


def test_missing_values_are_in_no_part():
    data = np.array([np.nan, *range(10)])
    parts, draws, n_parts = numbers(data, [-5.0, 4.5, 100.0, np.nan]).parts()
    assert parts.tolist() == [-1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert draws.tolist() == [0, 2, 4, -1]
    assert n_parts == 5


def test_dependence_is_that_of_cramer_less_its_bias():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 3, 5000)
    second = np.where(rng.random(5000) < 0.5, first, rng.integers(0, 3, 5000))
    (_, found), _ = dependences([first, second], [3, 3])
    table = np.zeros((3, 3), int)
    np.add.at(table, (first, second), 1)
    assert np.isclose(found, association(table, "cramer"), atol=2e-3)
    # Of columns that are independent, half have less than is to be expected by chance: zero.
    few = [rng.integers(0, 5, 60) for _ in range(12)]
    chance = dependences(few, [5] * 12)[np.triu_indices(12, 1)]
    assert 0.3 < (chance == 0.0).mean() < 0.8
    assert chance.mean() < 0.1


def test_columns_alike_depend_wholly_and_constant_ones_not_at_all():
    codes = np.arange(60) % 4
    found = dependences([codes, 3 - codes, np.zeros(60, int), np.full(60, -1)], [4, 4, 1, 2])
    np.testing.assert_allclose(found[:2, :2], 1.0)
    np.testing.assert_array_equal(found[2:, :2], 0.0)
    lone = np.zeros(60, int)
    lone[3] = 1
    assert dependences([lone, lone], [2, 2])[0, 1] == 0.0


def test_rows_count_that_show_both_columns():
    codes = np.arange(60) % 2
    holes = np.where(np.arange(60) < 30, -1, codes)
    noise = np.where(np.arange(60) < 30, 1 - codes, codes)
    assert dependences([holes, noise], [2, 2])[0, 1] == pytest.approx(1.0)
