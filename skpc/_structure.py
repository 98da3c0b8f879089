"""Structure learning: pairwise mutual information, maximum spanning tree, its root."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from skpc._evidence import Evidence
from skpc._kernels.information import mutual_information
from skpc._kernels.patterns import merge_codes
from skpc._patterns import row_codes
from skpc._symbols import SparseSymbols, Symbols, dense_rows
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
    singles = [[j] for j in range(len(evidence.n_symbols)) if j not in taken]
    features = [np.array(sorted(group)) for group in sorted([*singles, *map(sorted, groups)])]
    columns, n_categories = _discretized(evidence, weights)
    information = pairwise_mutual_information(columns, n_categories, weights, pseudocount)
    if len(features) < len(n_categories):
        # A bound from below on the information between groups.
        rows = np.stack([information[group].max(axis=0) for group in features])
        information = np.stack([rows[:, group].max(axis=1) for group in features], axis=1)
    edges = maximum_spanning_tree(information)
    grouped = evidence.grouped(features)
    root = best_root(edges, grouped.symbols, grouped.n_symbols)
    return features, rooted(edges, len(features), root)


def _discretized(evidence: Evidence, weights: np.ndarray) -> tuple[Symbols, np.ndarray]:
    """Categories of each column, continuous ones cut at their weighted quantiles.

    Returns symbols (d, n), of which those from ``n_categories[j]`` on are not observed.
    """
    if all(values is None for values in evidence.values):
        return evidence.symbols, evidence.n_symbols - 2
    tables = []
    n_categories = evidence.n_symbols - 2
    for j, values in enumerate(evidence.values):
        table = np.arange(evidence.n_symbols[j], dtype=np.int32)
        if values is not None:
            missing = np.isnan(values[:, 0])
            counts = np.where(missing, 0.0, evidence.weights_of(j, weights))
            middle = (np.cumsum(counts) - 0.5 * counts) / counts.sum()
            table = np.minimum(middle * _N_BINS, _N_BINS - 1).astype(np.int32)
            table[missing] = _N_BINS
            n_categories[j] = _N_BINS
        tables.append(table)
    if isinstance(evidence.symbols, SparseSymbols):
        return evidence.symbols.mapped(tables), n_categories
    rows = zip(tables, evidence.symbols, strict=True)
    return np.stack([table[symbols] for table, symbols in rows]), n_categories


def correlated_groups(evidence: Evidence, weights: np.ndarray, n_latents: int) -> list[list[int]]:
    """Groups of continuous columns whose correlation is worth its parameters.

    Two columns with correlation rho gain -n/2 log(1 - rho^2) nats of likelihood by a shared
    covariance, and cost one parameter a latent state: they are joined where the gain exceeds
    the Bayesian information criterion's price, the strongest first, up to a largest size.
    """
    columns = [j for j, values in enumerate(evidence.values) if values is not None]
    if len(columns) < 2:
        return []
    X = np.stack([evidence.column(j) for j in columns], axis=1)
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
    symbols: Symbols,
    n_categories: np.ndarray,
    weights: np.ndarray,
    pseudocount: float,
) -> np.ndarray:
    """Mutual information of every pair of features, in nats.

    Estimated from the rows in which both features are observed.

    Parameters
    ----------
    symbols : (d, n) int32 array or SparseSymbols
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
    # Counts of integer weights are exact in single precision up to 2^24, and twice as fast.
    is_exact = np.array_equal(weights, np.floor(weights)) and weights.sum() < 2**24
    if isinstance(symbols, SparseSymbols):
        deviating = symbols.default[symbols.deviations.indices] + symbols.deviations.data
        is_missing = deviating >= n_categories[symbols.deviations.indices]
        has_missing = np.zeros(n_features, bool)
        has_missing[symbols.deviations.indices[is_missing]] = True
        has_missing[symbols.default >= n_categories] = True
    else:
        unseen = (symbols < 0) | (symbols >= n_categories[:, None])
        has_missing = np.asarray(unseen.any(axis=1))
    # One indicator a category but the last, one "is observed" mask a feature with holes,
    # and column 0, all ones, as the mask of the others.
    n_columns = n_categories - 1
    column_stop = 1 + np.cumsum(n_columns)
    column_start = column_stop - n_columns
    mask = np.zeros(n_features, np.int64)
    mask[has_missing] = column_stop[-1] + np.arange(has_missing.sum())
    n_indicators = int(column_stop[-1] + has_missing.sum())
    if isinstance(symbols, SparseSymbols) and is_exact:
        counts = _sparse_counts(symbols, n_categories, weights, column_start, mask, n_indicators)
    else:
        counts = np.zeros((n_indicators, n_indicators))
        n_block = max(1, _BLOCK_CELLS // n_indicators)
        for start in range(0, n_rows, n_block):
            rows = slice(start, min(start + n_block, n_rows))
            shown = _indicators(
                dense_rows(symbols, rows), n_categories, column_start, mask, n_indicators
            )
            dtype: type = np.float32 if is_exact else np.float64
            indicators: np.ndarray = shown.astype(dtype)
            weighted: np.ndarray = indicators * weights[rows, None].astype(dtype)
            with one_blas_thread():  # the bits of a product depend on how threads share it
                counts += indicators.T @ weighted
    information = np.empty((n_features, n_features))
    mutual_information(counts, column_start, column_stop, mask, float(pseudocount), information)
    return information


def _indicators(
    symbols: np.ndarray,
    n_categories: np.ndarray,
    column_start: np.ndarray,
    mask: np.ndarray,
    n_indicators: int,
) -> np.ndarray:
    """Boolean indicator columns (n, n_indicators); see `pairwise_mutual_information`."""
    indicators = np.zeros((symbols.shape[1], n_indicators), bool)
    indicators[:, 0] = True
    seen = (symbols >= 0) & (symbols < n_categories[:, None])
    indicators[:, mask[mask > 0]] = seen[mask > 0].T
    feature, row = np.nonzero(seen & (symbols < n_categories[:, None] - 1))
    indicators[row, column_start[feature] + symbols[feature, row]] = True
    return indicators


def _sparse_counts(
    symbols: SparseSymbols,
    n_categories: np.ndarray,
    weights: np.ndarray,
    column_start: np.ndarray,
    mask: np.ndarray,
    n_indicators: int,
) -> np.ndarray:
    """Co-occurrences of the indicators, from the entries that deviate from the default.

    Every indicator is a combination of the constant and of "region j shows the deviating
    symbol s", with coefficients in {-1, 0, 1}; with integer weights the counts are exact.
    """
    deviations = symbols.deviations
    feature = deviations.indices
    # Number what deviates: a cell for each symbol up to "missing", which "unseen" joins.
    cell_start = np.append(0, np.cumsum(n_categories + 1))
    cell = cell_start[feature] + np.minimum(
        symbols.default[feature] + deviations.data, n_categories[feature]
    )
    used, column = np.unique(cell, return_inverse=True)
    shape = (deviations.shape[0], len(used) + 1)
    n_rows = shape[0]
    shown = csr_array(
        (
            np.ones(len(column) + n_rows),
            (
                np.append(
                    np.repeat(np.arange(n_rows), np.diff(deviations.indptr)), np.arange(n_rows)
                ),
                np.append(column + 1, np.zeros(n_rows, np.int64)),
            ),
        ),
        shape,
    )
    gram = (shown.T @ (shown * weights[:, None])).toarray()
    combination = np.zeros((shape[1], n_indicators))
    combination[0, 0] = 1.0
    used_feature = np.searchsorted(cell_start, used, side="right") - 1
    used_symbol = used - cell_start[used_feature]
    for row, (j, s) in enumerate(zip(used_feature, used_symbol, strict=True), start=1):
        if s < n_categories[j] - 1:
            combination[row, column_start[j] + s] = 1.0
        default = symbols.default[j]
        if default < n_categories[j] - 1:  # the default is what nothing else is
            combination[row, column_start[j] + default] = -1.0
        if mask[j] > 0:
            if default < n_categories[j]:
                combination[row, mask[j]] -= float(s == n_categories[j])
            else:
                combination[row, mask[j]] += float(s < n_categories[j])
    for j, default in enumerate(symbols.default):
        if default < n_categories[j] - 1:
            combination[0, column_start[j] + default] = 1.0
        if mask[j] > 0 and default < n_categories[j]:
            combination[0, mask[j]] = 1.0
    sparse = csr_array(combination)
    return sparse.T @ (sparse.T @ gram.T).T


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
