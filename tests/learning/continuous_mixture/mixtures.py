"""Small continuous mixtures of all kinds of columns, and tables for them."""

from itertools import pairwise

import numpy as np

from skpc._data.rows import Rows
from skpc._learning.continuous_mixture.columns import TiedColumns
from skpc._learning.continuous_mixture.model import ContinuousMixture
from skpc._tables.columns import Columns

TYPES = ["categorical"] * 4 + ["numeric"] * 3
"""Of the columns of `mixed_table`."""

PARENTS = np.array([2, -1, 1, -1, -1, -1, -1])
"""A forest of the columns of `mixed_table`: 1 - 2 - 0, and others on their own."""

N_DIMS = 2


def mixed_table(n_rows, seed=0, missing=0.0):
    """Columns of 3, 2, 4 and 1 categories, a continuous one, a coarse lattice, one with an atom."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal(n_rows)
    codes = [rng.integers(0, size, n_rows) for size in (3, 2, 4, 1)]
    lattice = np.round(factor + rng.standard_normal(n_rows))
    spiked = np.where(rng.random(n_rows) < 0.4, 0.0, np.exp(rng.standard_normal(n_rows)))
    X = np.column_stack([*codes, factor + 0.5 * rng.standard_normal(n_rows), lattice, spiked])
    X[rng.random(X.shape) < missing] = np.nan
    return X


def as_rows(X, types, weights=None, learnt_from=None):
    """Rows as they come, whose columns are learnt from another table, or from them."""
    columns = Columns.learn(X if learnt_from is None else learnt_from, types)
    weights = np.ones(len(X)) if weights is None else weights
    return Rows.encode(columns.to_matrix(X), columns.scopes, weights)


def random_mixture(rows, parents, n_points, seed=0, pseudocount=0.0):
    """A mixture with a small random decoder, random points, and random weights."""
    rng = np.random.default_rng(seed)
    columns = TiedColumns(rows, parents, pseudocount)
    sizes = N_DIMS, 5, 4, columns.n_outputs
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [0.7 * rng.standard_normal((n_in, n_out)), 0.5 * rng.standard_normal(n_out)]
    weights = rng.gamma(1.0, size=n_points) + 0.05
    return ContinuousMixture(
        columns,
        [part.astype(np.float32) for part in layers],
        rng.standard_normal((n_points, N_DIMS)).astype(np.float32),
        weights / weights.sum(),
    )


def slope(function, arrays, direction, step=1e-5):
    """The central difference of a function of arrays along a direction."""
    ahead, behind = (
        function([part + sign * step * own for part, own in zip(arrays, direction, strict=True)])
        for sign in (1.0, -1.0)
    )
    return (ahead - behind) / (2.0 * step)
