"""Mutual information of every pair of columns, counted from rows."""

from __future__ import annotations

import numpy as np

from skpc._data.evidence import Evidence
from skpc._data.sparse_symbols import SparseSymbols, Symbols, dense_rows, region_symbols
from skpc._kernels import mutual_information as kernels
from skpc._threads import available_threads, launch, one_blas_thread

_BLOCK_CELLS = 2**24


_N_BINS = 8


def discretized(evidence: Evidence, weights: np.ndarray) -> tuple[Symbols, np.ndarray]:
    """Categories of each column, continuous ones cut at their weighted quantiles.

    Returns symbols (d, n), of which those from ``n_categories[j]`` on are not observed.
    """
    if evidence.is_discrete:
        return evidence.symbols, evidence.n_symbols - 2
    tables = []
    n_categories = evidence.n_symbols - 2
    for j, values in enumerate(evidence.values):
        table = np.arange(evidence.n_symbols[j], dtype=np.int32)
        if values is not None:
            missing = np.isnan(values[:, 0])
            counts = np.where(missing, 0.0, evidence.weights_of(j, weights))
            total = counts.sum() or 1.0  # of a column without a value
            middle = (np.cumsum(counts) - 0.5 * counts) / total
            table = np.minimum(middle * _N_BINS, _N_BINS - 1).astype(np.int32)
            table[missing] = _N_BINS
            n_categories[j] = _N_BINS
        tables.append(table)
    if isinstance(evidence.symbols, SparseSymbols):
        return evidence.symbols.mapped(tables), n_categories
    rows = zip(tables, evidence.symbols, strict=True)
    return np.stack([table[symbols] for table, symbols in rows]), n_categories


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
    weights = np.asarray(weights, np.float64)
    is_integer = _counts_rows(weights)
    has_missing = _has_missing(symbols, n_categories)
    # One indicator a category but the last, one "is observed" mask a feature with holes,
    # and column 0, all ones, as the mask of the others.
    column_stop = 1 + np.cumsum(n_categories - 1)
    column_start = column_stop - (n_categories - 1)
    mask = np.zeros(n_features, np.int64)
    mask[has_missing] = column_stop[-1] + np.arange(has_missing.sum())
    n_columns = int(column_stop[-1] + has_missing.sum())
    counts = np.zeros((0, 0))
    bits = planes = np.zeros((0, 0), np.uint64)
    if is_integer:
        bits = np.zeros((-(-n_rows // 64), n_columns), np.uint64)
        planes = _packed(_binary_digits(weights))
    else:
        counts = np.zeros((n_columns, n_columns))
    n_block = max(64, _BLOCK_CELLS // n_columns // 64 * 64)
    for start in range(0, n_rows, n_block):
        rows = slice(start, min(start + n_block, n_rows))
        indicators = _indicators(dense_rows(symbols, rows), n_categories, mask, n_columns)
        if is_integer:
            words = _packed(indicators)
            bits[start // 64 : start // 64 + words.shape[1]] = words.T
        else:
            shown = indicators.astype(np.float64)
            with one_blas_thread():  # the bits of a product depend on how threads share it
                counts += shown @ (shown * weights[rows]).T
    information = np.empty((n_features, n_features))
    launch(
        kernels.mutual_information, n_features, counts, bits, planes, column_start, column_stop,
        mask, float(pseudocount), information, work=n_columns**2 * n_rows / 64,
    )  # fmt: skip
    return information


def expected_by_chance(
    symbols: Symbols, n_categories: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """What pairs of independent features share in a table of so many rows, about, in nats.

    Estimated from n rows their mutual information is (c_i - 1) (c_j - 1) / (2 n) too large, where
    c are the numbers of categories that rows show. Values are taken to be missing independently.

    Parameters
    ----------
    symbols, n_categories, weights
        See `pairwise_mutual_information`.

    Returns
    -------
    (d, d) float64, symmetric.
    """
    n_features = len(n_categories)
    freedom, observed = np.zeros(n_features), np.zeros(n_features)
    for j, n in enumerate(n_categories.tolist()):
        counts = np.bincount(region_symbols(symbols, j), weights, n + 2)[:n]
        freedom[j] = max(int(np.count_nonzero(counts)) - 1, 0)
        observed[j] = counts.sum()
    total = np.asarray(weights, np.float64).sum()
    share = np.divide(freedom, observed, out=np.zeros(n_features), where=observed > 0)
    return 0.5 * total * np.outer(share, share)


def bins_of(categories: np.ndarray | None) -> int:
    """Into how many categories a column is cut before it is paired; None is continuous."""
    return _N_BINS if categories is None else len(categories)


def pair_bytes(n_categories: np.ndarray, weights: np.ndarray) -> int:
    """Memory of `pairwise_mutual_information` of columns without missing values, about."""
    n_columns = int(n_categories.sum()) + 1
    largest = int(n_categories.max()) + 1
    n_threads = min(len(n_categories), available_threads())
    n_words = -(-len(weights) // 64)
    counts = n_columns * (n_words if _counts_rows(weights) else n_columns)
    return 8 * (counts + n_threads * (largest + 1) * (n_columns + largest))


def _counts_rows(weights: np.ndarray) -> bool:
    """Whether these are integers: counted bit by bit, exactly; others need products."""
    return np.array_equal(weights, np.floor(weights)) and float(weights.sum()) < 2**53


def _has_missing(symbols: Symbols, n_categories: np.ndarray) -> np.ndarray:
    """Which features (d,) have rows that do not show a category."""
    if not isinstance(symbols, SparseSymbols):
        lowest, highest = symbols.min(axis=1, initial=0), symbols.max(axis=1, initial=-1)
        return np.asarray((lowest < 0) | (highest >= n_categories))
    column = symbols.deviations.indices
    is_missing = symbols.default[column] + symbols.deviations.data >= n_categories[column]
    has_missing = symbols.default >= n_categories
    has_missing[column[is_missing]] = True
    return has_missing


def _indicators(
    symbols: np.ndarray, n_categories: np.ndarray, mask: np.ndarray, n_columns: int
) -> np.ndarray:
    """Boolean indicators (n_columns, n); see `pairwise_mutual_information`."""
    feature = np.repeat(np.arange(len(n_categories)), n_categories - 1)
    category = np.concatenate([[0], *map(np.arange, n_categories - 1)])[1:]
    indicators = np.ones((n_columns, symbols.shape[1]), bool)
    np.equal(symbols[feature], category[:, None], out=indicators[1 : 1 + len(feature)])
    holes = mask > 0
    indicators[mask[holes]] = (symbols[holes] >= 0) & (symbols[holes] < n_categories[holes, None])
    return indicators


def _binary_digits(weights: np.ndarray) -> np.ndarray:
    """The digits (n_digits, n) of integers, the lowest first."""
    n_digits = int(weights.max()).bit_length()
    return (weights.astype(np.int64) >> np.arange(n_digits)[:, None]) & 1


def _packed(rows: np.ndarray) -> np.ndarray:
    """Rows of zeros and ones (m, n) as words of 64 bits (m, n / 64 rounded up)."""
    packed = np.packbits(rows, axis=1)
    words = np.zeros((len(rows), -(-rows.shape[1] // 64) * 8), np.uint8)
    words[:, : packed.shape[1]] = packed
    return words.view(np.uint64)
