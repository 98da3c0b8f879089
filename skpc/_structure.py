"""Structure learning: pairwise mutual information, maximum spanning tree, its root."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from skpc._inputs import Evidence
from skpc._kernels.information import mutual_information
from skpc._kernels.patterns import merge_codes
from skpc._patterns import row_codes
from skpc._threads import one_blas_thread
from skpc._tree import rooted

_BLOCK_CELLS = 2**24
_ROOT_SAMPLE_ROWS = 20_000
_N_BINS = 8
_MAX_GROUP = 40


def learn_structure(
    evidence: Evidence,
    weights: np.ndarray,
    n_latents: int,
    pseudocount: float,
    groups: Sequence[Sequence[int]] | None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Regions, and the Chow-Liu tree over them, rooted for the fewest patterns.

    Parameters
    ----------
    evidence : Evidence
        Of distinct rows, one region a column.
    weights : (n,)
    n_latents : int
        The more states, the more a correlation must be worth to be modelled.
    pseudocount : float
        See `pairwise_mutual_information`.
    groups : sequence of sequences, or None
        Continuous columns to take together; None finds them, see `correlated_groups`.

    Returns
    -------
    features : per region, the columns it observes
    parents : (n_regions,)
    """
    if groups is None:
        groups = correlated_groups(evidence, weights, n_latents)
    taken = {j for group in groups for j in group}
    singles = [[j] for j in range(len(evidence.symbols)) if j not in taken]
    features = [np.array(sorted(group)) for group in sorted([*singles, *map(sorted, groups)])]
    columns, n_categories = _discretized(evidence, weights)
    information = pairwise_mutual_information(columns, n_categories, weights, pseudocount)
    if len(features) < len(columns):
        # A bound from below on the information between groups.
        rows = np.stack([information[group].max(axis=0) for group in features])
        information = np.stack([rows[:, group].max(axis=1) for group in features], axis=1)
    edges = maximum_spanning_tree(information)
    grouped = evidence.grouped(features)
    root = best_root(edges, grouped.symbols, grouped.n_symbols)
    return features, rooted(edges, len(features), root)


def _discretized(evidence: Evidence, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Categories of each column, continuous ones cut at their weighted quantiles.

    Returns symbols (d, n), of which those from ``n_categories[j]`` on are not observed.
    """
    symbols = evidence.symbols.copy()
    n_categories = evidence.n_symbols - 2
    for j, values in enumerate(evidence.values):
        if values is not None:
            counts = np.bincount(symbols[j], weights, len(values))
            counts[np.isnan(values[:, 0])] = 0.0
            middle = (np.cumsum(counts) - 0.5 * counts) / counts.sum()
            bins = np.minimum(middle * _N_BINS, _N_BINS - 1).astype(np.int32)
            bins[np.isnan(values[:, 0])] = _N_BINS
            symbols[j], n_categories[j] = bins[symbols[j]], _N_BINS
    return symbols, n_categories


def correlated_groups(evidence: Evidence, weights: np.ndarray, n_latents: int) -> list[list[int]]:
    """Groups of continuous columns whose correlation is worth its parameters.

    Two columns with correlation rho gain -n/2 log(1 - rho^2) nats of likelihood by a shared
    covariance, and cost one parameter a latent state: they are joined where the gain exceeds
    the Bayesian information criterion's price, the strongest first, up to a largest size.
    """
    columns = [j for j, values in enumerate(evidence.values) if values is not None]
    if len(columns) < 2:
        return []
    X = np.stack([evidence.values[j][evidence.symbols[j], 0] for j in columns], axis=1)  # type: ignore[index]
    squared, totals = _squared_correlations(X, weights)
    with np.errstate(divide="ignore"):
        gain = -0.5 * totals * np.log1p(-np.minimum(squared, 1.0))
    worth = gain - 0.5 * n_latents * np.log(np.maximum(totals, 1.0))
    group_of = {i: [i] for i in range(len(columns))}
    first, second = np.triu_indices(len(columns), 1)
    order = np.argsort(-gain[first, second], kind="stable")
    for a, b in zip(first[order], second[order], strict=True):
        if worth[a, b] <= 0:
            break
        left, right = group_of[a], group_of[b]
        if left is not right and len(left) + len(right) <= _MAX_GROUP:
            left.extend(right)
            for i in right:
                group_of[i] = left
    distinct = {id(group): group for group in group_of.values() if len(group) > 1}
    return [sorted(columns[i] for i in group) for group in distinct.values()]


def _squared_correlations(X: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared correlation of each pair of columns where both are observed, and its weight."""
    seen = ~np.isnan(X)
    shown = np.where(seen, X, 0.0)
    totals = (weights[:, None] * seen).sum(axis=0)
    centred = np.where(seen, X - (weights[:, None] * shown).sum(axis=0) / totals, 0.0)
    weighted = weights[:, None] * seen
    with one_blas_thread():
        pairs = seen.T @ weighted
        cross = centred.T @ (weights[:, None] * centred)
        squares = (centred**2).T @ weighted  # of column i where j is observed too
    denominator = squares * squares.T
    return np.divide(cross**2, denominator, out=np.zeros_like(cross), where=denominator > 0), pairs


def pairwise_mutual_information(
    symbols: np.ndarray,
    n_categories: np.ndarray,
    weights: np.ndarray,
    pseudocount: float,
) -> np.ndarray:
    """Mutual information of every pair of features, in nats.

    Estimated from the rows in which both features are observed.

    Parameters
    ----------
    symbols : (d, n) int32
        Category of each row; any value outside ``0 .. n_categories[j] - 1`` is missing.
    n_categories : (d,) int
    weights : (n,)
    pseudocount : float
        Added to each pair's table in all, spread evenly over its cells.

    Returns
    -------
    (d, d) float64, symmetric, zero on the diagonal.
    """
    n_features, n_rows = symbols.shape
    missing = (symbols < 0) | (symbols >= n_categories[:, None])
    has_missing = missing.any(axis=1)
    # One indicator a category but the last, one "is observed" mask a feature with holes,
    # and column 0, all ones, as the mask of the others.
    n_columns = n_categories - 1
    column_stop = 1 + np.cumsum(n_columns)
    column_start = column_stop - n_columns
    mask = np.zeros(n_features, np.int64)
    mask[has_missing] = column_stop[-1] + np.arange(has_missing.sum())
    n_indicators = int(column_stop[-1] + has_missing.sum())
    # Counts of integer weights are exact in single precision up to 2^24, and twice as fast.
    is_exact = np.array_equal(weights, np.floor(weights)) and weights.sum() < 2**24
    dtype = np.float32 if is_exact else np.float64
    counts = np.zeros((n_indicators, n_indicators))
    n_block = max(1, _BLOCK_CELLS // n_indicators)
    for start in range(0, n_rows, n_block):
        block = slice(start, start + n_block)
        indicators = np.zeros((weights[block].shape[0], n_indicators), dtype)
        indicators[:, 0] = 1.0
        indicators[:, mask[has_missing]] = ~missing[has_missing, block].T
        feature, row = np.nonzero(
            ~missing[:, block] & (symbols[:, block] < n_categories[:, None] - 1)
        )
        indicators[row, column_start[feature] + symbols[:, block][feature, row]] = 1.0
        with one_blas_thread():  # the bits of a product depend on how threads share it
            counts += indicators.T @ (indicators * weights[block, None].astype(dtype))
    information = np.empty((n_features, n_features))
    mutual_information(counts, column_start, column_stop, mask, float(pseudocount), information)
    return information


def maximum_spanning_tree(similarity: np.ndarray) -> np.ndarray:
    """Edges (d - 1, 2) of the spanning tree with the largest total similarity.

    Parameters
    ----------
    similarity : (d, d) symmetric, non-negative; the diagonal is not used.
    """
    n_nodes = similarity.shape[0]
    if n_nodes == 1:
        return np.empty((0, 2), np.int64)
    # Strictly positive costs: the sparse graph routines read a zero as "no edge".
    largest = similarity.max()
    cost = 2.0 * largest - similarity if largest > 0 else np.ones_like(similarity)
    tree = minimum_spanning_tree(csr_array(np.triu(cost, 1)), overwrite=True).tocoo()
    return np.stack([tree.row, tree.col], axis=1).astype(np.int64)


def best_root(edges: np.ndarray, symbols: np.ndarray, n_symbols: np.ndarray) -> int:
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
    symbols = np.ascontiguousarray(symbols[:, ::stride])
    root = 0
    parents = rooted(edges, n_symbols.shape[0], root)
    codes, n_patterns = row_codes(parents, symbols, n_symbols)
    neighbours: list[list[int]] = [[] for _ in n_symbols]
    for a, b in edges:
        neighbours[a].append(int(b))
        neighbours[b].append(int(a))
    while neighbours[root]:
        # Only the largest neighbour can be better: its side has at most the patterns of
        # everything but any smaller neighbour's side.
        largest = max(neighbours[root], key=lambda r: n_patterns[r])
        rest = np.zeros_like(codes[root])
        n_rest = merge_codes(rest, 1, symbols[root], n_symbols[root])
        for other in neighbours[root]:
            if other != largest:
                n_rest = merge_codes(rest, n_rest, codes[other], n_patterns[other])
        if n_rest >= n_patterns[largest]:
            break
        codes[root], n_patterns[root] = rest, n_rest
        root = largest
    return root
