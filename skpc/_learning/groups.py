"""Groups of numeric columns whose correlations are worth a covariance matrix for each state."""

from __future__ import annotations

import numpy as np

from skpc._data.margin_cells import cells_of_columns, middles
from skpc._data.margins import Margin
from skpc._data.powers_of_two import units_of
from skpc._data.rows import Rows
from skpc._data.scope import GAUSSIAN, NUMERIC
from skpc._threads import one_blas_thread

_MAX_GROUP = 40
_PRIOR_ROWS = 10.0
_CORRELATIONS_PER_ROW = 4.0
_LEAST_EIGENVALUE = 1e-6
_BLOCK_CELLS = 2**18


def correlated_groups(rows: Rows, n_latents: int, price: float = 1.0) -> list[list[int]]:
    """Groups of columns whose correlation is worth its parameters.

    Those of Gaussian columns, and those of numeric ones of which each value may count as a point,
    on their normal scale. `price` is that of a correlation, where 1 is the Bayesian information
    criterion's.
    """
    of_gaussian: list[int] = []
    of_numeric: list[int] = []
    margins: list[Margin] = []
    for j, scope in enumerate(rows.scopes):
        if scope.kind == GAUSSIAN:
            of_gaussian.append(j)
        elif scope.kind == NUMERIC and scope.margin is not None and scope.margin.is_point():
            of_numeric.append(j)
            margins.append(scope.margin)
    groups = []
    for columns, numbers in (
        (of_gaussian, [rows.evidence.column(j) for j in of_gaussian]),
        (of_numeric, _scores(rows, of_numeric, margins)),
    ):
        if len(columns) > 1:
            X = np.stack(numbers, axis=1)
            found = joined(*correlations(X, rows.weights), price * n_latents)
            groups += [[columns[i] for i in group] for group in found]
    return sorted(groups)


def _scores(rows: Rows, columns: list[int], margins: list[Margin]) -> list[np.ndarray]:
    """Columns (n,) of numbers on the normal scale."""
    n_block = max(1, _BLOCK_CELLS // max(1, len(rows)))
    scores: list[np.ndarray] = []
    for start in range(0, len(columns), n_block):
        block = slice(start, start + n_block)
        values = [rows.evidence.column(j) for j in columns[block]]
        of_block, _ = middles(cells_of_columns(margins[block], values))
        scores.extend(of_block.reshape(len(values), -1))
    return scores


def joined(correlation: np.ndarray, totals: np.ndarray, n_latents: float) -> list[list[int]]:
    """Join columns, the most correlated first, as long as each group pays for itself.

    A pair with correlation rho, seen in n rows, gains -n/2 log(1 - rho^2) nats of likelihood by a
    shared covariance. That must be more than the Bayesian information criterion's price of one
    parameter a latent state, and than what the best of so many pairs gains by chance. The same
    holds of two groups, for all the pairs between them, whose gain is taken from correlations
    that are shrunk as if some rows more had none; and a group has no more than four correlations,
    in all states, for each row.

    Parameters
    ----------
    correlation : (d, d)
    totals : (d, d)
        Weight of the rows in which each pair is seen.
    n_latents : float
        How many states each correlation is paid for.
    """
    n_columns = len(correlation)
    with np.errstate(divide="ignore"):
        gain = -0.5 * totals * np.log1p(-np.minimum(correlation**2, 1.0))
    chance = np.log(max(1.0, n_columns * (n_columns - 1) / 2))
    price = 0.5 * n_latents * np.log(np.maximum(totals, 1.0))
    first, second = np.triu_indices(n_columns, 1)
    is_worth = (gain - price - chance)[first, second] > 0
    first, second = first[is_worth], second[is_worth]
    order = np.argsort(-gain[first, second], kind="stable")
    group_of = {i: [i] for i in range(n_columns)}
    refused: set[tuple[int, int, int]] = set()
    for a, b in zip(first[order].tolist(), second[order].tolist(), strict=True):
        left, right = group_of[a], group_of[b]
        size = len(left) + len(right)
        key = min(left), min(right), size
        if left is right or size > _MAX_GROUP or key in refused:
            continue
        both = np.array([*left, *right])
        n_rows = totals[np.ix_(both, both)].min()
        worth = -price[a, b] * len(left) * len(right) - chance
        if n_latents * size * (size - 1) / 2 <= _CORRELATIONS_PER_ROW * n_rows:
            worth += sum(
                sign * _gain(correlation, np.array(group), n_rows)
                for sign, group in ((1.0, both), (-1.0, left), (-1.0, right))
            )
        if worth <= 0:
            refused.add(key)
            continue
        left.extend(right)
        for i in right:
            group_of[i] = left
    distinct = {id(group): group for group in group_of.values() if len(group) > 1}
    return [sorted(group) for group in distinct.values()]


def _gain(correlation: np.ndarray, columns: np.ndarray, n_rows: float) -> float:
    """What these columns' correlations, shrunk, add to the log-likelihood of so many rows."""
    if len(columns) == 1:
        return 0.0
    observed = correlation[np.ix_(columns, columns)]
    shrunk = observed * (n_rows / (n_rows + _PRIOR_ROWS))
    np.fill_diagonal(shrunk, 1.0)
    values, axes = np.linalg.eigh(shrunk)  # where values are missing some may be negative
    values = np.maximum(values, _LEAST_EIGENVALUE)
    along = np.einsum("ai,ab,bi->i", axes, observed, axes)  # what the rows have on each axis
    return -0.5 * n_rows * float((np.log(values) + along / values - 1.0).sum())


def correlations(X: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of each pair of columns where both are observed, and its weight."""
    seen = ~np.isnan(X)
    shown = np.where(seen, X, 0.0)
    shown = shown / units_of(np.abs(shown).max(axis=0))
    unit = units_of(weights.max())
    weights = weights / unit  # correlations do not mind, nor what shown is in
    totals = (weights[:, None] * seen).sum(axis=0)
    totals = np.where(totals > 0, totals, 1.0)
    centred = np.where(seen, shown - (weights[:, None] * shown).sum(axis=0) / totals, 0.0)
    weighted = weights[:, None] * seen
    with one_blas_thread():
        pairs = seen.T @ weighted
        cross = centred.T @ (weights[:, None] * centred)
        squares = (centred**2).T @ weighted  # of column i where j is observed too
    norms = np.sqrt(squares) * np.sqrt(squares.T)
    found = np.divide(cross, norms, out=np.zeros_like(cross), where=norms > 0)
    return np.clip(found, -1.0, 1.0), unit * pairs
