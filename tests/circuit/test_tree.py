"""Rooted trees as integer arrays."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import chain, random_tree, star

from skpc._circuit.tree import children_of, depths_of, levels_of, rooted, tree_of_region


def side_by_side(first, second):
    return np.concatenate([first, np.where(second < 0, -1, second + len(first))])


TREES = [np.array([-1]), chain(7), star(7, 3), *(
    random_tree(np.random.default_rng(seed), 12) for seed in range(5)
)]  # fmt: skip
FORESTS = [side_by_side(chain(4), star(5, 2)), side_by_side(np.array([-1]), chain(3))]
each_tree = pytest.mark.parametrize("parents", TREES)
each_forest = pytest.mark.parametrize("parents", [*TREES, *FORESTS])


def brute_depth(parents, region):
    return 0 if parents[region] < 0 else 1 + brute_depth(parents, parents[region])


def brute_height(parents, region):
    return max((1 + brute_height(parents, c) for c in np.flatnonzero(parents == region)), default=0)


def edges_of(parents):
    below = np.flatnonzero(parents >= 0)
    return np.stack([below, parents[below]], axis=1)


@each_forest
def test_children(parents):
    start, children = children_of(parents)
    for region in range(len(parents)):
        expected = np.flatnonzero(parents == region)
        np.testing.assert_array_equal(children[start[region] : start[region + 1]], expected)


@each_forest
def test_depths(parents):
    expected = [brute_depth(parents, region) for region in range(len(parents))]
    np.testing.assert_array_equal(depths_of(parents), expected)


@each_forest
@pytest.mark.parametrize("from_leaves", [True, False])
def test_levels(parents, from_leaves):
    order, start = levels_of(parents, from_leaves=from_leaves)
    brute = brute_height if from_leaves else brute_depth
    expected = np.array([brute(parents, region) for region in range(len(parents))])
    assert start[-1] == len(order)
    for level, (first, last) in enumerate(pairwise(start)):
        np.testing.assert_array_equal(order[first:last], np.flatnonzero(expected == level))


@pytest.mark.parametrize("n", [2, 3, 8, 9])
def test_a_circle_has_no_depth(n):
    parents = np.append(np.roll(np.arange(n), 1), -1)
    assert (depths_of(parents)[:n] >= n + 1).all()


@each_forest
def test_trees_are_told_apart(parents):
    def root_of(region):
        return region if parents[region] < 0 else root_of(parents[region])

    roots = np.flatnonzero(parents < 0)
    np.testing.assert_array_equal(
        roots[tree_of_region(parents)], [root_of(region) for region in range(len(parents))]
    )


@each_tree
def test_rooting_at_the_root_gives_the_tree_back(parents):
    root = int(np.flatnonzero(parents < 0)[0])
    np.testing.assert_array_equal(rooted(edges_of(parents), len(parents), root), parents)


@each_tree
def test_another_root_keeps_the_edges(parents):
    edges = {frozenset(edge) for edge in edges_of(parents).tolist()}
    for root in range(len(parents)):
        moved = rooted(edges_of(parents), len(parents), root)
        assert moved[root] == -1
        assert {frozenset(edge) for edge in edges_of(moved).tolist()} == edges
