"""Forests of columns given the latent variable, against all forests."""

from itertools import combinations

import numpy as np
import pytest
from mixtures import as_rows
from numpy.testing import assert_array_equal

from skpc._learning.continuous_mixture.forest import learn_forest

pytestmark = pytest.mark.usefixtures("one_thread")


def dependent(n_rows=300, seed=0, sizes=(2, 3, 2, 4, 2)):
    """Columns that mostly copy an earlier one, or none."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.integers(0, size, n_rows) for size in sizes])
    for column in range(1, len(sizes)):
        source, strength = rng.integers(column), rng.choice([0.0, 0.1, 0.3, 0.6])
        copied = rng.random(n_rows) < strength
        X[copied, column] = X[copied, source] % sizes[column]
    return X.astype(float)


def edges_of(parents):
    return {frozenset((column, parent)) for column, parent in enumerate(parents) if parent >= 0}


def information_and_price(X, weights, i, j):
    sizes = [len(np.unique(X[:, column])) for column in (i, j)]
    table = np.zeros(sizes)
    np.add.at(table, (X[:, i].astype(int), X[:, j].astype(int)), weights)
    table /= table.sum()
    even = np.outer(table.sum(axis=1), table.sum(axis=0))
    seen = table > 0
    total = weights.sum()
    price = 0.5 * (sizes[0] - 1) * (sizes[1] - 1) * np.log(total) / total
    return (table[seen] * np.log(table[seen] / even[seen])).sum() - price


def is_forest(edges, n_columns):
    component = list(range(n_columns))
    for i, j in edges:
        if component[i] == component[j]:
            return False
        component = [component[i] if one == component[j] else one for one in component]
    return True


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_best_of_all_forests(seed):
    """By information alone among edges that are worth their price, as a tree is chosen."""
    X = dependent(seed=seed)
    weights = np.random.default_rng(seed).integers(1, 4, len(X)).astype(float)
    rows = as_rows(X, ["categorical"] * 5, weights).distinct()
    found = edges_of(learn_forest(rows, 0.0))
    gains = {pair: information_and_price(X, weights, *pair) for pair in combinations(range(5), 2)}
    worth = [pair for pair, gain in gains.items() if gain > 0.0]
    assert found <= {frozenset(pair) for pair in worth}
    forests = [
        edges
        for size in range(5)
        for edges in combinations(worth, size)
        if is_forest(edges, 5)
    ]  # fmt: skip
    total = weights.sum()

    def information(edges):
        prices = (
            0.5 * np.prod([len(np.unique(X[:, column])) - 1 for column in edge]) for edge in edges
        )
        paid = np.log(total) / total * sum(prices)
        return sum(gains[tuple(sorted(edge))] for edge in edges) + paid

    assert is_forest([tuple(edge) for edge in found], 5)
    assert information(found) == pytest.approx(max(map(information, forests)), abs=1e-9)


def test_independent_columns_have_no_edges():
    X = np.random.default_rng(0).integers(0, 3, (500, 5)).astype(float)
    assert_array_equal(learn_forest(as_rows(X, ["categorical"] * 5).distinct(), 0.01), -1)


def test_several_trees_stay_apart():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2, (2, 400))
    X = np.column_stack([first, second, first, second]).astype(float)
    parents = learn_forest(as_rows(X, ["categorical"] * 4).distinct(), 0.01)
    assert edges_of(parents) == {frozenset((0, 2)), frozenset((1, 3))}


def test_weights_are_repetitions():
    X = dependent(100)
    weights = np.arange(100) % 4 + 1
    weighted = as_rows(X, ["categorical"] * 5, weights.astype(float)).distinct()
    repeated = as_rows(np.repeat(X, weights, axis=0), ["categorical"] * 5).distinct()
    assert_array_equal(learn_forest(weighted, 0.01), learn_forest(repeated, 0.01))


def copies(n_columns=3, n_categories=2, n_rows=400):
    X = np.random.default_rng(0).integers(0, n_categories, n_rows)
    return np.tile(X[:, None], (1, n_columns)).astype(float)


def test_a_column_with_a_missing_value_has_no_edge():
    X = copies()
    X[5, 1] = np.nan
    parents = learn_forest(as_rows(X, ["categorical"] * 3).distinct(), 0.01)
    assert edges_of(parents) == {frozenset((0, 2))}


def test_numeric_columns_have_no_edge():
    types = ["categorical", "numeric", "categorical"]
    parents = learn_forest(as_rows(copies(), types).distinct(), 0.01)
    assert edges_of(parents) == {frozenset((0, 2))}


@pytest.mark.parametrize(("n_categories", "n_edges"), [(16, 1), (17, 0)])
def test_large_tables_are_no_edges(n_categories, n_edges):
    X = copies(2, n_categories, 4000)
    parents = learn_forest(as_rows(X, ["categorical"] * 2).distinct(), 0.01)
    assert len(edges_of(parents)) == n_edges


def test_one_categorical_column_is_a_root():
    X = copies(2)
    parents = learn_forest(as_rows(X, ["numeric", "categorical"]).distinct(), 0.01)
    assert_array_equal(parents, -1)
