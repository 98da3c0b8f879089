"""Which rows each of several densities learns from, and which of them judge a row."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from skpc._learning.held_out import fold_weights


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
        The weight of each subset, at most half of all if it is an int; or its share of that, from
        0 to 1, neither included.
    n_subsets : int
    seeds : RandomState

    Returns
    -------
    (n_subsets, n), or (1, n), all of the weights, if there is only one row
    """
    share = min(most / weights.sum(), 0.5) if isinstance(most, Integral) else float(most)
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
