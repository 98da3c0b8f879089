"""Trees of regions that no data decide: those given as parents, and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np

from skpc._checks import shown
from skpc._circuit.tree import depths_of


def given_parents(structure: Sequence[int] | np.ndarray, n_columns: int) -> np.ndarray:
    """The parents (n_columns,) that a user gives, checked to be one rooted tree.

    Raises
    ------
    ValueError
        If they are not; the message names `structure`, the value and the remedy.
    """
    given = list(structure)
    is_whole = all(isinstance(p, Integral) and not isinstance(p, bool | np.bool_) for p in given)
    if len(given) != n_columns or not is_whole:
        raise ValueError(
            f"structure must be a name, or for each of the {n_columns} columns the number of its "
            f"parent, an integer, -1 at the root; got {len(given)} entries: {shown(structure)}."
        )
    parents = np.array(given, np.int64)
    outside = np.flatnonzero((parents < -1) | (parents >= n_columns))
    if outside.size:
        column = outside[0]
        raise ValueError(
            f"structure gives column {column} the parent {parents[column]}: give it one of the "
            f"columns 0 to {n_columns - 1}, or -1 if it is the root."
        )
    roots = np.flatnonzero(parents < 0)
    if len(roots) != 1:
        raise ValueError(
            "structure must have one root, a column whose parent is -1; got "
            f"{len(roots)}: {roots.tolist()}. Give every other column a parent."
        )
    lost = np.flatnonzero(depths_of(parents) >= n_columns)
    if lost.size:
        raise ValueError(
            f"structure has a cycle: the parents of column {lost[0]}, {parents[lost[0]]} and so "
            f"on, never reach the root, column {roots[0]}. Give one of them a parent nearer to it."
        )
    return parents


def random_regions(
    groups: Sequence[np.ndarray], n_trees: int, random_state: np.random.RandomState
) -> tuple[list[np.ndarray], np.ndarray]:
    """Trees that halve the set of groups at random, down to single groups.

    Parameters
    ----------
    groups : sequence of int arrays
        Columns that stay together.
    n_trees : int
        Number of trees, each over all groups.
    random_state : RandomState

    Returns
    -------
    features : per region, the columns it observes; none above the leaves
    parents : (n_regions,), -1 at the root of each tree
    """
    nothing = np.empty(0, np.int64)
    features: list[np.ndarray] = []
    parents: list[int] = []
    for _ in range(n_trees):
        # Halves of a random order, and halves of these, are random sets.
        todo = [(random_state.permutation(len(groups)), -1)]
        while todo:
            scope, parent = todo.pop()
            region = len(parents)
            parents.append(parent)
            features.append(groups[scope[0]] if len(scope) == 1 else nothing)
            if len(scope) > 1:
                middle = len(scope) // 2
                todo += [(scope[middle:], region), (scope[:middle], region)]
    return features, np.array(parents)
