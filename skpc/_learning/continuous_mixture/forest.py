"""Which categorical columns depend on each other, given the continuous latent variable."""

from __future__ import annotations

import numpy as np

from skpc._circuit.tree import rooted
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL
from skpc._learning.structure import maximum_spanning_tree, pair_information

_MOST_CELLS = 256  # of an edge's table


def learn_forest(rows: Rows, pseudocount: float) -> np.ndarray:
    """Parents (n_columns,) of a Chow-Liu forest: edges that are worth their parameters.

    It is learnt from categorical columns without missing values: under a continuous mixture those
    of whole rows are products of matrices. An edge's information must exceed the Bayesian
    information criterion's price.

    Parameters
    ----------
    rows : Rows
        Distinct, one region per column.
    pseudocount : float
        See `pairwise_mutual_information`.
    """
    parents = np.full(len(rows.scopes), -1)
    own = np.array(
        [
            column
            for column, scope in enumerate(rows.scopes)
            if scope.kind == CATEGORICAL and not rows.weights_of(column)[-2:].any()
        ],
        np.int64,
    )
    if len(own) < 2:
        return parents
    sizes = np.array([len(rows.scopes[column].categories) for column in own])
    information = pair_information(rows, pseudocount)[np.ix_(own, own)]
    total = rows.total_weight
    price = 0.5 * np.outer(sizes - 1, sizes - 1) * np.log(max(total, 2.0)) / total
    is_worth = (information > price) & (np.outer(sizes, sizes) <= _MOST_CELLS)
    worth = np.where(is_worth, information, 0.0)
    edges = maximum_spanning_tree(worth)
    above = rooted(edges, len(own), 0)
    has_edge = (above >= 0) & is_worth[np.arange(len(own)), above]
    parents[own[has_edge]] = own[above[has_edge]]
    return parents
