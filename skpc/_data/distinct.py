"""Distinct rows: sorted by what they show, equal ones merged, their weights added."""

from __future__ import annotations

import numpy as np

from skpc._data.sparse_symbols import SparseSymbols, Symbols
from skpc._kernels import patterns as kernels

_RADIX_SORTED = 2**16  # NumPy sorts 16-bit integers in linear time


def distinct_rows(
    symbols: Symbols, n_symbols: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sort the rows, merge equal ones and add their weights.

    The result depends on the *set* of weighted rows alone: on it, a row of weight two is
    a row given twice, and the order of rows does not matter, to the last bit.

    Parameters
    ----------
    symbols : (n_regions, n) int32 array or SparseSymbols
    n_symbols : (n_regions,) number of possible symbols.
    weights : (n,) positive.

    Returns
    -------
    first : (n_distinct,)
        The number of a row that shows each of the distinct ones, in their order.
    weights : (n_distinct,) float64
    """
    if not isinstance(symbols, SparseSymbols):
        n_symbols = symbols.max(axis=1, initial=0) + 1  # what occurs: fewer words, same order
    words = pack(symbols, n_symbols)
    # Weights break ties, so that equal rows are always added in the same order.
    is_weighted = (weights != weights[0]).any()
    order = np.lexsort([weights, *words[::-1]]) if is_weighted else _order(words)
    words = words[:, order]
    is_first = np.ones(order.shape[0], bool)
    is_first[1:] = (words[:, 1:] != words[:, :-1]).any(axis=0)
    starts = np.append(np.flatnonzero(is_first), order.shape[0])
    merged = np.empty(starts.shape[0] - 1)
    kernels.sum_runs(starts, weights[order], merged)
    return order[is_first], merged


def _order(words: np.ndarray) -> np.ndarray:
    """What sorts rows of words (n_words, n) of 62 bits, the first the most; ties as it comes.

    NumPy sorts single integers several times as fast as lexicographically.
    """
    keys = words[0]
    for word in words[1:]:
        largest = int(word.max(initial=0))
        ranks = _ranks(keys)
        if (len(word) + 1) * (largest + 1) >= 2**63:
            word, largest = _ranks(word), len(word)
        keys = ranks * (largest + 1) + word
    if int(keys.max(initial=0)) < _RADIX_SORTED:
        return np.argsort(keys.astype(np.uint16), kind="stable")
    return np.argsort(keys)


def _ranks(keys: np.ndarray) -> np.ndarray:
    """The place of each key (n,) among the distinct ones."""
    order = np.argsort(keys)
    ordered = keys[order]
    ranks = np.zeros(len(keys), np.int64)
    ranks[order[1:]] = np.cumsum(ordered[1:] != ordered[:-1])
    return ranks


def distinct_columns(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct columns (m, n_distinct) of an array (m, n), and each column's number.

    NumPy's `unique` sorts along an axis by comparing records, slowly, and such a comparison turns
    an interrupt into a TypeError.
    """
    order = np.lexsort(codes[::-1])
    ordered = codes[:, order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    inverse = np.empty(len(order), np.int64)
    inverse[order] = np.cumsum(is_first) - 1
    return ordered[:, is_first], inverse


def distinct_vectors(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct rows of X, NaN equal to NaN, and the number of each row among them."""
    X = np.asarray(X, dtype=np.float64) + 0.0  # no negative zero
    levels, codes = zip(*(np.unique(x, return_inverse=True) for x in X.T), strict=True)
    if len(levels) == 1:
        return levels[0][:, None], codes[0]
    distinct, inverse = distinct_columns(np.stack(codes))
    vectors = np.stack([level[column] for level, column in zip(levels, distinct, strict=True)], 1)
    return vectors, inverse


def pack(symbols: Symbols, n_symbols: np.ndarray) -> np.ndarray:
    """Pack the symbols of each row into few int64 words (n_words, n) that sort like them."""
    word_of, stride_of = _layout(n_symbols)
    words = np.zeros((word_of[-1] + 1, symbols.shape[1]), np.int64)
    if isinstance(symbols, SparseSymbols):
        np.add.at(words, word_of, (symbols.default * stride_of)[:, None])
        deviations = symbols.deviations
        row = np.repeat(np.arange(deviations.shape[0]), np.diff(deviations.indptr))
        column = deviations.indices
        np.add.at(words, (word_of[column], row), deviations.data * stride_of[column])
    else:
        for region, column in enumerate(symbols):
            words[word_of[region]] += column * stride_of[region]
    return words


def _layout(n_symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Word and stride of each region: earlier regions weigh more."""
    word_of = np.zeros(len(n_symbols), np.int64)
    sizes: list[list[int]] = [[]]
    room = 2**62
    for region, size in enumerate(map(int, n_symbols)):
        if room < size:
            sizes.append([])
            room = 2**62
        sizes[-1].append(size)
        word_of[region] = len(sizes) - 1
        room //= size
    strides = [np.append(np.cumprod(part[:0:-1], dtype=np.int64)[::-1], 1) for part in sizes]
    return word_of, np.concatenate(strides).astype(np.int64)
