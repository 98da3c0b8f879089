"""Structure learning: pairwise mutual information, maximum spanning tree, its root."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from skpc._kernels.information import mutual_information
from skpc._kernels.patterns import merge_codes
from skpc._patterns import row_codes
from skpc._threads import one_blas_thread
from skpc._tree import rooted

_BLOCK_CELLS = 2**24
_ROOT_SAMPLE_ROWS = 20_000


def chow_liu_tree(
    symbols: np.ndarray,
    n_symbols: np.ndarray,
    n_categories: np.ndarray,
    weights: np.ndarray,
    pseudocount: float,
) -> np.ndarray:
    """Parents (d,) of the Chow-Liu tree of d features, rooted for the fewest patterns.

    Parameters
    ----------
    symbols : (d, n) int32, distinct rows
    n_symbols, n_categories : (d,)
        Of the symbols, those from ``n_categories[j]`` on are not observed values.
    weights : (n,)
    pseudocount : float
        See `pairwise_mutual_information`.
    """
    information = pairwise_mutual_information(symbols, n_categories, weights, pseudocount)
    edges = maximum_spanning_tree(information)
    return rooted(edges, symbols.shape[0], best_root(edges, symbols, n_symbols))


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
