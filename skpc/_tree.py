"""Rooted trees as plain integer arrays.

A tree of n regions is `parents` (n,), with -1 at the root; before it is rooted, `edges`
(n - 1, 2).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order


def rooted(edges: np.ndarray, n_regions: int, root: int) -> np.ndarray:
    """Parent of each region (n_regions,), -1 at `root`, in the tree of these edges."""
    ends = edges.astype(np.int32)  # the oldest SciPy knows no other index type here
    graph = csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (n_regions, n_regions))
    _, predecessors = breadth_first_order(graph, root, directed=False)
    parents = predecessors.astype(np.int64)
    parents[root] = -1
    return parents


def children_of(parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(start, children)``: the children of r are ``children[start[r]:start[r + 1]]``."""
    children = np.argsort(parents, kind="stable")[1:]
    n_children = np.bincount(parents[children], minlength=parents.shape[0])
    return np.append(0, np.cumsum(n_children)), children


def depths_of(parents: np.ndarray) -> np.ndarray:
    """Number of edges between each region and the root (n_regions,)."""
    start, children = children_of(parents)
    depths = np.zeros(parents.shape[0], np.int64)
    frontier = np.flatnonzero(parents < 0)
    while frontier.size:
        frontier = np.concatenate([children[start[r] : start[r + 1]] for r in frontier])
        depths[frontier] = depths[parents[frontier]] + 1
    return depths


def levels_of(parents: np.ndarray, *, from_leaves: bool) -> tuple[np.ndarray, np.ndarray]:
    """``(order, start)``: regions ``order[start[h]:start[h + 1]]`` form level h.

    From the leaves the level is a region's height (children come in earlier levels),
    else its depth (the parent comes in an earlier level, the root first).
    """
    levels = depths_of(parents)
    if from_leaves:
        topdown = np.argsort(levels, kind="stable")
        levels = np.zeros_like(levels)
        for region in topdown[:0:-1]:
            levels[parents[region]] = max(levels[parents[region]], levels[region] + 1)
    order = np.argsort(levels, kind="stable")
    return order, np.searchsorted(levels[order], np.arange(levels.max() + 2))
