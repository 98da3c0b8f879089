"""Which rows each of several densities learns from, and which of them judge a row."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral
from typing import Any

import numpy as np

from skpc._data.rows import Rows
from skpc._data.scope import GAUSSIAN
from skpc._learning.held_out import fold_weights, measured
from skpc._tables.margins import find_lattice, with_own_margins

_TIMES_USUAL = 5.0  # what so much more weight has than the median value is no measurement
_LEAST_VALUES, _LEAST_SHARE = 8, 0.25  # of the rows of a subset, to learn a column of numbers


def measurements(rows: Rows, logs: Collection[int] = ()) -> np.ndarray:
    """Which distinct rows (n,) have a number that no new row repeats; see `measured`.

    A Gaussian column, and one of some that are read by logarithms, has no margin that would tell:
    there it is what is not on a lattice, and has not much more weight than other values.
    """
    out = measured(rows, logs)
    for region, scope in enumerate(rows.scopes):
        if scope.kind == GAUSSIAN or region in logs:
            values = rows.evidence.column(region)
            is_number = ~np.isnan(values)
            distinct, place = np.unique(values[is_number], return_inverse=True)
            if len(distinct) and not find_lattice(distinct, float(is_number.sum()))[0]:
                of_values = np.bincount(place, rows.weights[is_number])
                is_usual = of_values <= _TIMES_USUAL * np.median(of_values)
                out[is_number] |= is_usual[place]
    return out


def learnt_weights(
    weights: np.ndarray,
    is_whole: np.ndarray,
    most: float,
    n_subsets: int,
    seeds: np.random.RandomState,
) -> np.ndarray:
    """How much of each row's weight each of several subsets has.

    Rows are divided at random into equal parts, and again until there are subsets enough: each is
    a part, or, of more than half of the rows, all but a part.

    Parameters
    ----------
    weights : (n,) positive
        Of distinct rows in canonical order.
    is_whole : (n,) bool
        Rows whose copies are not divided; see `skpc._learning.held_out.fold_weights`.
    most : int or float
        How many rows each subset has, those whose copies are not divided counted once, and at most
        half of them, if it is an int; or the share of them, from 0 to 1, neither included.
    n_subsets : int
    seeds : RandomState

    Returns
    -------
    (n_subsets, n), or (1, n), all of the weights, if there is only one row
    """
    n_rows = weights[~is_whole].sum() + is_whole.sum()
    share = min(most / n_rows, 0.5) if isinstance(most, Integral) else float(most)
    n_parts = max(2, round(1.0 / min(share, 1.0 - share)))
    if share > 0.5:  # each part is left out once, or parts are larger: somebody judges each row
        n_parts = min(n_parts, max(2, n_subsets))
    subsets: list[np.ndarray] = []
    while len(subsets) < n_subsets:
        seed = int(seeds.randint(np.iinfo(np.int32).max))
        parts = fold_weights(weights, n_parts, seed, is_whole)
        if len(parts) < 2:
            return weights[None, :]
        subsets.extend(parts if share <= 0.5 else weights - parts)
    return np.stack(subsets[:n_subsets])


def rows_of_subset(
    rows: Rows, weights: np.ndarray, matrix: Any, logs: Collection[int] = ()
) -> Rows:
    """What a density learns from, of all distinct rows.

    Parameters
    ----------
    rows : Rows
    weights : (len(rows),)
        How much of each.
    matrix : (n, n_features) array or sparse matrix
        Those with weight.
    logs : collection of int
        Columns that are read by logarithms: their margins are those of all rows.
    """
    subset = without_rare_numbers(rows.reweighted(weights), matrix, logs)
    return with_own_margins(subset, logs)


def without_rare_numbers(rows: Rows, matrix: Any, logs: Collection[int] = ()) -> Rows:
    """The rows of a subset, without the numbers of columns that hardly have any there.

    A few values do not tell how far others may be: a Gaussian column, or one that is read by
    logarithms, is as in the whole table.

    Parameters
    ----------
    rows : Rows
    matrix : (n, n_features) array or sparse matrix
        The same rows.
    logs : collection of int
    """
    least = min(_LEAST_VALUES, _LEAST_SHARE * len(rows))
    rare = [
        region
        for region, scope in enumerate(rows.scopes)
        if (scope.kind == GAUSSIAN or region in logs)
        and 0 < np.count_nonzero(~np.isnan(rows.evidence.column(region))) < least
    ]
    if not rare:
        return rows.without_unused()
    matrix = matrix.copy()
    matrix[:, rare] = np.nan
    return Rows.encode(matrix, rows.scopes, rows.weights).distinct()


def honest_means(
    scores: np.ndarray, learnt: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mean score of each row over the densities that did not learn from it.

    Parameters
    ----------
    scores : (n_subsets, n)
        Of each row by each density.
    learnt : (n_subsets, n)
        What `learnt_weights` gives.
    weights : (n,)
        Of rows.

    Returns
    -------
    means : (n,)
        A density counts for that part of a row's weight that it was not learnt from; all count if
        all have learnt from the whole row.
    is_honest : (n,) bool
        Where that is not so.
    """
    apart = np.maximum(weights - learnt, 0.0)
    is_honest = apart.any(axis=0)
    apart[:, ~is_honest] = 1.0
    counted = np.where(apart > 0.0, scores, 0.0)  # an impossible row may score minus infinity
    return (apart * counted).sum(axis=0) / apart.sum(axis=0), is_honest
