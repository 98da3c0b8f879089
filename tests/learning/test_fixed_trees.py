"""Random trees of regions, and trees given as parents."""

import re

import numpy as np
import pytest

from skpc._circuit.tree import tree_of_region
from skpc._learning.fixed_trees import given_parents, random_regions


def singles(d):
    return [np.array([j]) for j in range(d)]


def scopes_of(features, parents):
    """The columns (a sorted list) below each region."""
    scopes = [[*columns] for columns in features]
    for region in reversed(range(len(parents))):  # children come after their parent
        if parents[region] >= 0:
            scopes[parents[region]] += scopes[region]
    return [sorted(scope) for scope in scopes]


def partitions(features, parents):
    """For each tree the set of all its scopes."""
    trees = tree_of_region(parents)
    scopes = scopes_of(features, parents)
    return [
        {tuple(scopes[r]) for r in np.flatnonzero(trees == tree)} for tree in range(trees.max() + 1)
    ]


@pytest.mark.parametrize("d", [1, 2, 3, 8, 21])
def test_inner_regions_halve_their_scope_and_leaves_observe_it(d):
    features, parents = random_regions(singles(d), 4, np.random.RandomState(d))
    scopes = scopes_of(features, parents)
    assert len(parents) == 4 * (2 * d - 1)
    assert (parents < np.arange(len(parents))).all()
    for region, scope in enumerate(scopes):
        children = [scopes[c] for c in np.flatnonzero(parents == region)]
        if parents[region] < 0:
            assert scope == list(range(d))
        if len(scope) == 1:
            assert children == []
            assert list(features[region]) == scope
        else:
            assert len(features[region]) == 0
            first, second = children
            assert sorted(first + second) == scope
            assert abs(len(first) - len(second)) <= 1


def test_groups_stay_together_and_count_as_one():
    groups = [np.array([0, 3]), np.array([1]), np.array([2, 4, 5]), np.array([6])]
    features, parents = random_regions(groups, 3, np.random.RandomState(0))
    observed = sorted(tuple(columns) for columns in features if len(columns))
    assert observed == sorted(3 * [tuple(group) for group in groups])
    for root in np.flatnonzero(parents < 0):
        inner = np.flatnonzero(parents == root)
        assert [np.count_nonzero(parents == r) for r in inner] == [2, 2]


def test_repetitions_differ_and_seeds_reproduce():
    first, again, other = (
        random_regions(singles(12), 5, np.random.RandomState(seed)) for seed in (0, 0, 1)
    )
    assert partitions(*first) == partitions(*again)
    assert len({frozenset(tree) for tree in partitions(*first)}) == 5
    assert partitions(*first) != partitions(*other)


def test_every_split_is_possible():
    random_state = np.random.RandomState(0)
    features, parents = random_regions(singles(4), 300, random_state)
    pairs = [scope for tree in partitions(features, parents) for scope in tree if len(scope) == 2]
    counts = [pairs.count((a, b)) for a in range(4) for b in range(a + 1, 4)]
    assert sum(counts) == 600
    assert min(counts) > 70  # 100 expected, standard deviation 8
    assert max(counts) < 130


@pytest.mark.parametrize("parents", [[-1], [1, -1, 1], [2, 2, 3, -1], np.array([-1, 0, 1])])
def test_given_parents_come_back(parents):
    assert given_parents(parents, len(parents)).tolist() == list(parents)


@pytest.mark.parametrize(
    ("parents", "message"),
    [
        ([-1, 0], "structure.*each of the 3 columns.*got 2 entries: [-1, 0]"),
        ([-1, 0, 0.5], "structure.*an integer.*0.5"),
        ([-1.0, 0.0, 0.0], "structure.*an integer"),
        (["a", "b", "c"], "structure.*an integer.*'a'"),
        ([True, False, True], "structure.*an integer.*True"),
        ([[-1, 0, 0]] * 3, "structure.*an integer"),
        ([-1, 0, 3], "structure gives column 2 the parent 3.*columns 0 to 2"),
        ([-1, -2, 0], "structure gives column 1 the parent -2.*or -1"),
        ([-1, 0, -1], "structure must have one root.*got 2: [0, 2].*Give every other"),
        ([1, 2, 0], "structure must have one root.*-1; got 0: []"),
        ([-1, 2, 1], "structure has a cycle: the parents of column 1, 2.*root, column 0.*nearer"),
        ([-1, 1, 0], "structure has a cycle: the parents of column 1, 1"),
    ],
)
def test_what_is_wrong_with_given_parents(parents, message):
    pattern = ".*".join(map(re.escape, message.split(".*")))
    with pytest.raises(ValueError, match=re.compile(pattern, re.DOTALL)):
        given_parents(parents, 3)
