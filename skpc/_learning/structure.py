"""Structure learning: regions and their trees, by mutual information or without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from skpc._checks import shown
from skpc._circuit.tree import neighbours_of, rooted
from skpc._data.rows import Rows
from skpc._data.sparse_symbols import Symbols, dense_rows
from skpc._kernels.patterns import merge_codes
from skpc._learning.fixed_trees import given_parents, random_regions
from skpc._learning.groups import correlated_groups
from skpc._learning.mutual_information import (
    discretized,
    expected_by_chance,
    pairwise_mutual_information,
)
from skpc._passes.patterns import row_codes

_ROOT_SAMPLE_ROWS = 4_000

Regions = tuple[list[np.ndarray], np.ndarray]
"""Per region the columns that it observes, and the parents (n_regions,)."""


@dataclass(frozen=True)
class Structure:
    """Which regions and trees to learn.

    Attributes
    ----------
    kind : {"chow-liu", "chain", "star", "rat", "continuous-mixture"} or sequence of int
        See `SharpPCDensity`; numbers are the parents of the columns.
    groups : sequence of sequences, or None
        Continuous columns to take together; None finds them, see `correlated_groups`.
    n_components : int
        Number of trees.
    regions : Regions or None
        What was learnt before, to be used as it is.
    price : float
        Of a correlation, where groups are found; see `correlated_groups`.

    Raises
    ------
    ValueError
        If these do not go together.
    """

    kind: str | Sequence[int] = "chow-liu"
    groups: Sequence[Sequence[int]] | None = None
    n_components: int = 1
    regions: Regions | None = None
    price: float = 1.0

    def __post_init__(self) -> None:
        named = isinstance(self.kind, str)
        if not named and self.groups:
            raise ValueError(
                f"feature_groups={self.groups} cannot go with a structure given as parents, in "
                "which each column is a region of its own. Set feature_groups=None."
            )
        if self.n_components > 1 and not (named and self.kind in ("chow-liu", "rat")):
            raise ValueError(
                f"n_components={self.n_components} needs structure='chow-liu' or 'rat', with a "
                "tree of its own for each component; got "
                f"structure={shown(self.kind)}. Set n_components=1."
            )

    @property
    def n_clusters(self) -> int:
        """Number of clusters of rows, each of which has trees of its own learnt from it."""
        is_random = isinstance(self.kind, str) and self.kind == "rat"
        return 1 if is_random else self.n_components

    @property
    def needs_pairs(self) -> bool:
        """Whether it is learnt from the mutual information of pairs of columns."""
        learnt = ("chow-liu", "star", "continuous-mixture")
        is_learnt = isinstance(self.kind, str) and self.kind in learnt
        return self.regions is None and is_learnt

    def found_groups(self, rows: Rows, n_latents: int) -> Sequence[Sequence[int]]:
        """The groups of columns, found in these rows if none are given."""
        if self.groups is not None:
            return self.groups
        is_free = isinstance(self.kind, str) and self.kind != "chain"
        return correlated_groups(rows, n_latents, self.price) if is_free else []

    def without_dependence(self) -> Structure:
        """Columns one by one, but for groups that are given: for one state, independent."""
        return Structure("chain" if isinstance(self.kind, str) else self.kind, self.groups or [])


def learn_structure(
    rows: Rows,
    structure: Structure,
    n_latents: int,
    pseudocount: float,
    random_state: np.random.RandomState,
    information: Callable[[], np.ndarray] | None = None,
) -> Regions:
    """Regions, and the trees over them; where the root is free it makes for few patterns.

    Parameters
    ----------
    rows : Rows
        Distinct, one region per column.
    structure : Structure
    n_latents : int
        The more states, the more a correlation must be worth to be modelled.
    pseudocount : float
        See `pairwise_mutual_information`.
    random_state : RandomState
        Of random trees.
    information : callable, optional
        Gives `pair_dependence` of these rows, if somebody has it already.

    Returns
    -------
    features : per region, the columns it observes
    parents : (n_regions,)
    """
    if structure.regions is not None:
        return structure.regions
    kind, groups = structure.kind, structure.groups
    n_columns = len(rows.scopes)
    if not isinstance(kind, str):
        return [np.array([j]) for j in range(n_columns)], given_parents(kind, n_columns)
    if groups is None:
        groups = structure.found_groups(rows, n_latents)
    taken = {j for group in groups for j in group}
    singles = [[j] for j in range(n_columns) if j not in taken]
    features = [np.array(sorted(group)) for group in sorted([*singles, *map(sorted, groups)])]
    if kind == "rat":
        return random_regions(features, structure.n_components, random_state)
    if kind == "chain" or len(features) == 1:  # one region makes no pair
        edges = np.stack([np.arange(len(features) - 1), np.arange(1, len(features))], axis=1)
    else:
        of_pairs = pair_dependence(rows, pseudocount) if information is None else information()
        if len(features) < n_columns:
            # A bound from below on the information between groups.
            by_group = np.stack([of_pairs[group].max(axis=0) for group in features])
            of_pairs = np.stack([by_group[:, group].max(axis=1) for group in features], axis=1)
            np.fill_diagonal(of_pairs, 0.0)
        if kind == "star":
            parents = np.full(len(features), np.argmax(of_pairs.sum(axis=1)))
            parents[parents[0]] = -1
            return features, parents
        edges = maximum_spanning_tree(of_pairs)
    grouped = rows.grouped(features).evidence
    root = best_root(edges, grouped.symbols, grouped.n_symbols)
    return features, rooted(edges, len(features), root)


def pair_information(rows: Rows, pseudocount: float) -> np.ndarray:
    """Mutual information of each pair of columns; see `pairwise_mutual_information`."""
    columns, n_categories = discretized(rows.evidence, rows.weights)
    return pairwise_mutual_information(columns, n_categories, rows.weights, pseudocount)


def pair_dependence(rows: Rows, pseudocount: float) -> np.ndarray:
    """Mutual information of each pair of columns, less what chance makes of it; may be negative.

    Without that, labels of many categories would be the neighbours of all other columns.
    """
    columns, n_categories = discretized(rows.evidence, rows.weights)
    found = pairwise_mutual_information(columns, n_categories, rows.weights, pseudocount)
    found -= expected_by_chance(columns, n_categories, rows.weights)
    np.fill_diagonal(found, 0.0)
    return found


def maximum_spanning_tree(similarity: np.ndarray) -> np.ndarray:
    """Edges (d - 1, 2) of the spanning tree with the largest total similarity.

    Parameters
    ----------
    similarity : (d, d) symmetric; the diagonal is not used.
    """
    # Prim's algorithm, which fits a dense matrix: a sparse copy of it would need twice its memory.
    n_nodes = similarity.shape[0]
    edges = np.empty((n_nodes - 1, 2), np.int64)
    nearest = np.zeros(n_nodes, np.int64)
    best = similarity[0].astype(np.float64)
    best[0] = -np.inf
    is_outside = np.arange(n_nodes) > 0
    for step in range(n_nodes - 1):
        new = int(np.argmax(best))
        edges[step] = nearest[new], new
        is_outside[new] = False
        best[new] = -np.inf
        is_closer = is_outside & (similarity[new] > best)
        best[is_closer] = similarity[new, is_closer]
        nearest[is_closer] = new
    return edges


def best_root(edges: np.ndarray, symbols: Symbols, n_symbols: np.ndarray) -> int:
    """Root of the tree for which the regions have the fewest patterns in all.

    Moving the root across an edge exchanges the patterns on one side for those on the
    other. Along any path one side only grows, so the sum is convex there, and walking
    downhill from anywhere ends at the best root. Counted on a fixed stride of the rows,
    since only speed depends on the answer.

    Parameters
    ----------
    edges : (n_regions - 1, 2)
    symbols : (n_regions, n) int32
    n_symbols : (n_regions,)
    """
    stride = -(-symbols.shape[1] // _ROOT_SAMPLE_ROWS)
    symbols = dense_rows(symbols, slice(None, None, stride))
    root = 0
    parents = rooted(edges, n_symbols.shape[0], root)
    codes, n_patterns, first_rows = row_codes(parents, symbols, n_symbols)
    neighbours = neighbours_of(edges, n_symbols.shape[0])
    while neighbours[root]:
        # Only the largest neighbour can be better: its side has at most the patterns of
        # everything but any smaller neighbour's side.
        largest = max(neighbours[root], key=lambda r: n_patterns[r])
        others = np.array([r for r in neighbours[root] if r != largest], np.int64)
        rest = np.empty_like(codes[root])
        n_rest = merge_codes(
            symbols[root], n_symbols[root], others, codes, n_patterns, rest, first_rows[root]
        )
        if n_rest >= n_patterns[largest]:
            break
        codes[root], n_patterns[root] = rest, n_rest
        root = largest
    return root
