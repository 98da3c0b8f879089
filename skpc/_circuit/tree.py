"""Rooted trees, one or several, as plain integer arrays.

Trees over n regions are `parents` (n,), with -1 at each root; before a tree is rooted it is
`edges` (n - 1, 2).
"""

from __future__ import annotations

import numpy as np


def rooted(edges: np.ndarray, n_regions: int, root: int) -> np.ndarray:
    """Parent of each region (n_regions,), -1 at `root`, in the tree of these edges."""
    neighbours = neighbours_of(edges, n_regions)
    parents = [-1] * n_regions
    reached = [root]
    for region in reached:
        below = [other for other in neighbours[region] if other != parents[region]]
        for other in below:
            parents[other] = region
        reached += below
    return np.array(parents, np.int64)


def neighbours_of(edges: np.ndarray, n_regions: int) -> list[list[int]]:
    """The neighbours of each region in the tree of these edges."""
    neighbours: list[list[int]] = [[] for _ in range(n_regions)]
    for a, b in edges.tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    return neighbours


def children_of(parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(start, children)``: the children of r are ``children[start[r]:start[r + 1]]``."""
    children = np.argsort(parents, kind="stable")[np.count_nonzero(parents < 0) :]
    n_children = np.bincount(parents[children], minlength=parents.shape[0])
    return np.append(0, np.cumsum(n_children)), children


def depths_of(parents: np.ndarray) -> np.ndarray:
    """Number of edges between each region and its root (n_regions,).

    At least n_regions where parents form a circle.
    """
    depths = (parents >= 0).astype(np.int64)
    above = np.where(parents < 0, np.arange(parents.shape[0]), parents)
    n_steps = 1
    while n_steps < parents.shape[0]:  # each round doubles the steps that `above` is away
        depths += depths[above]
        above = above[above]
        n_steps *= 2
    return depths


def tree_of_region(parents: np.ndarray) -> np.ndarray:
    """Which tree each region (n_regions,) is in; trees are numbered as their roots are."""
    tree = np.cumsum(parents < 0) - 1
    topdown = np.argsort(depths_of(parents), kind="stable")
    for region in topdown[np.count_nonzero(parents < 0) :]:
        tree[region] = tree[parents[region]]
    return tree


def levels_of(parents: np.ndarray, *, from_leaves: bool) -> tuple[np.ndarray, np.ndarray]:
    """``(order, start)``: regions ``order[start[h]:start[h + 1]]`` form level h.

    From the leaves the level is a region's height (children come in earlier levels),
    else its depth (the parent comes in an earlier level, roots first).
    """
    levels = depths_of(parents)
    if from_leaves:
        topdown = np.argsort(levels, kind="stable")
        levels = np.zeros_like(levels)
        for region in topdown[: np.count_nonzero(parents < 0) - 1 : -1]:
            levels[parents[region]] = max(levels[parents[region]], levels[region] + 1)
    order = np.argsort(levels, kind="stable")
    return order, np.searchsorted(levels[order], np.arange(levels.max() + 2))


def with_ancestors(parents: np.ndarray, regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """These regions and those above them, parents first, and where in there each parent is.

    Each subtree is finished before the next begins: its messages are still in a cache.
    """
    is_needed = np.zeros(len(parents), bool)
    is_needed[regions] = True
    topdown, _ = levels_of(parents, from_leaves=False)
    for region in topdown[::-1]:
        if is_needed[region] and parents[region] >= 0:
            is_needed[parents[region]] = True
    start, children = children_of(parents)
    preorder: list[int] = []
    stack = list(np.flatnonzero(is_needed & (parents < 0))[::-1])
    while stack:
        region = stack.pop()
        preorder.append(region)
        below = children[start[region] : start[region + 1]]
        stack.extend(below[is_needed[below]][::-1])
    order = np.array(preorder, np.int64)
    position = np.zeros(len(parents), np.int64)
    position[order] = np.arange(len(order))
    parent_of = np.where(parents[order] < 0, -1, position[parents[order]])
    return order, parent_of
