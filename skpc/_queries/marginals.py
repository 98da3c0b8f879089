"""Marginal circuits, and conditional distributions of single columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit, latent_marginals
from skpc._circuit.tree import levels_of
from skpc._kernels.gemm import TILE_ROWS, multiply, padded
from skpc._passes.blocks import DEFAULT_MAX_BYTES, Memory, dense, row_blocks
from skpc._passes.likelihood import log_likelihood
from skpc._queries.posteriors import posterior_blocks

_FARTHEST = 1e300  # nats


class ConditionalMoments(NamedTuple):
    """Mean and variance of a column of numbers given the rest of each row.

    Parameters
    ----------
    mean : ndarray of shape (n_samples,)
        In the unit of the column.
    variance : ndarray of shape (n_samples,)
        In its square.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import conditional_moments
    >>> X = np.random.default_rng(0).normal(5.0, 0.1, (60, 2))
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> conditional_moments(circuit, [[np.nan, 5.0]], 0).mean.round(1)
    array([5.])
    """

    mean: np.ndarray
    variance: np.ndarray


def conditional_probabilities(
    circuit: Circuit, X: Any, column: int, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Probabilities of a column's categories given the other observed columns of each row.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features) array or sparse matrix
        NaN is missing; what `column` shows does not matter.
    column : int
    max_bytes : int
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    (n, n_categories), rows summing to one
    """
    regions = _observing(circuit, column)
    known = circuit.inputs[regions[0]].categories_of(entry_of(circuit, regions[0], column))
    if known is None:
        raise ValueError(
            f"Column {column} is continuous: it has no categories. Ask for conditional_moments."
        )
    out = np.empty((X.shape[0], len(known)))
    _write_by_row(circuit, X, column, partial(_table, circuit, regions, column), out, max_bytes)
    return out


def conditional_moments(
    circuit: Circuit, X: Any, column: int, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> ConditionalMoments:
    """Mean and variance of a column given the same.

    Of a column of categories those of the numbers that these are.
    """
    regions = _observing(circuit, column)
    known = circuit.inputs[regions[0]].categories_of(entry_of(circuit, regions[0], column))
    if known is not None:
        shares = conditional_probabilities(circuit, X, column, max_bytes=max_bytes)
        mean = (shares * known).sum(axis=1)
        return ConditionalMoments(mean, (shares * (known - mean[:, None]) ** 2).sum(axis=1))
    out = np.empty((X.shape[0], 2))
    _write_by_row(circuit, X, column, partial(_moments, circuit, regions, column), out, max_bytes)
    return ConditionalMoments(out[:, 0].copy(), out[:, 1].copy())


def level_probabilities(
    circuit: Circuit,
    X: Any,
    column: int,
    levels: np.ndarray,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Probabilities (n, n_levels) of the levels of a numeric column given the same.

    The ends have what is beyond them, as draws are brought to them.
    """
    regions = _observing(circuit, column)
    out = np.empty((X.shape[0], len(levels)))

    def summed(rest: np.ndarray, shares: np.ndarray) -> np.ndarray:
        tables = []
        for region, share in zip(regions, shares, strict=True):
            distribution, entry = circuit.inputs[region], entry_of(circuit, region, column)
            others = rest[:, circuit.features[region]]
            given = distribution.conditional_cdf(others, entry, levels[:-1])
            if given is None:
                tables.append(mixed(masses_between(distribution.cdf(levels[:-1], entry)), share))
            else:
                tables.append((masses_between(given) * share[:, None]).sum(axis=-1))
        return _normalised(np.sum(tables, axis=0))

    of_row = 24 * len(levels) * circuit.n_latents
    _write_by_row(circuit, X, column, summed, out, max_bytes, of_row)
    return out


def masses_between(cumulated: np.ndarray) -> np.ndarray:
    """Masses (..., n + 1, K) of cells, from the probabilities (..., n, K) of what is up to each.

    But for the last one: that has the rest.
    """
    ends = np.ones((*cumulated.shape[:-2], 1, cumulated.shape[-1]))
    return np.diff(np.concatenate([cumulated, ends], axis=-2), axis=-2, prepend=0.0)


def _write_by_row(
    circuit: Circuit,
    X: Any,
    column: int,
    summed: Callable[[np.ndarray, np.ndarray], np.ndarray],
    out: np.ndarray,
    max_bytes: int,
    of_row: int = 0,
) -> None:
    """Write to each row of `out` what a function gives of it, without the column, and of shares.

    The latter, (m, n, n_latents), are the posterior of the states of the regions of the column. The
    function needs `of_row` bytes for each row.
    """
    regions = _observing(circuit, column)
    largest_group = max(len(circuit.features[region]) for region in regions)
    of_row += 8 * X.shape[1] + 8 * len(regions) * circuit.n_latents * (6 + largest_group)
    half = max(1, max_bytes // 2)
    for rows in row_blocks(X.shape[0], of_row + 16 * out.shape[1], half):
        rest = np.array(dense(X[rows]), np.float64)
        rest[:, column] = np.nan
        for block, flows in posterior_blocks(circuit, rest, regions, Memory(half)):
            of_distinct = summed(rest[block.rows][block.distinct], flows)
            out[rows][block.rows] = of_distinct[block.patterns.root_codes]


def regions_of(circuit: Circuit, column: int) -> list[int]:
    """The regions that observe a column, one in each tree."""
    return [region for region, columns in enumerate(circuit.features) if column in columns]


def entry_of(circuit: Circuit, region: int, column: int) -> int:
    """The position of a column among those that a region observes."""
    return int(np.flatnonzero(circuit.features[region] == column)[0])


def _observing(circuit: Circuit, column: int) -> list[int]:
    """The regions that observe a column; a ValueError if there is none."""
    regions = regions_of(circuit, column)
    if not regions:
        raise ValueError(f"The circuit does not observe column {column}.")
    return regions


def _table(
    circuit: Circuit, regions: list[int], column: int, X: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Probabilities of a column's categories given shares (m, n, K) of the states of regions."""
    tables = []
    for region, share in zip(regions, shares, strict=True):
        distribution, entry = circuit.inputs[region], entry_of(circuit, region, column)
        mass = distribution.missing_masses(X[:, circuit.features[region]], share)[entry]
        tables.append(mixed(distribution.probabilities(entry), share) if mass is None else mass)
    return _normalised(np.sum(tables, axis=0))


def _normalised(table: np.ndarray) -> np.ndarray:
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def mixed(probs: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Shares (n, K) times probs (n_categories, K), transposed: a row has the same bits anywhere."""
    n_rows, (n_categories, n_latents) = len(shares), probs.shape
    n_padded = padded(n_categories, np.float64)
    spare = -(-n_rows // TILE_ROWS) * TILE_ROWS
    left, product = np.zeros((spare, n_latents)), np.empty((spare, n_padded))
    right = np.zeros((n_latents, n_padded))
    left[:n_rows] = shares
    right[:, :n_categories] = probs.T
    multiply(left, right, product, n_rows)
    return product[:n_rows, :n_categories]


def _moments(
    circuit: Circuit, regions: list[int], column: int, X: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Mean and variance (n, 2) of a continuous column, as `_table`; X (n, n_features) lacks it."""

    def total(parts: np.ndarray) -> np.ndarray:
        return parts.sum(axis=2).sum(axis=0)

    shares = shares / total(shares)[:, None]
    moments = []
    for region in regions:
        columns = circuit.features[region]
        entry = entry_of(circuit, region, column)
        moments.append(circuit.inputs[region].conditional(X[:, columns], entry))
    # In one order: sums of states that lie apart have other bits.
    means, variances = (np.ascontiguousarray(np.stack(part)) for part in zip(*moments, strict=True))
    mean = total(shares * means)
    variance = total(shares * (variances + (means - mean[:, None]) ** 2))
    return np.stack([mean, variance], axis=1)


def log_conditional(
    circuit: Circuit, joint: np.ndarray, evidence: np.ndarray, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Log-likelihoods of joint rows less those of evidence, all of which the joint rows show."""
    above = log_likelihood(circuit, joint, max_bytes=max_bytes)
    return above - log_likelihood(circuit, evidence, max_bytes=max_bytes)


def column_entries(circuit: Circuit) -> Iterator[tuple[int, int, int]]:
    """Region, position in it, and number of each column that regions observe."""
    for region, columns in enumerate(circuit.features):
        for entry, column in enumerate(columns.tolist()):
            yield region, entry, column


def column_log_probs(circuit: Circuit, X: np.ndarray) -> np.ndarray:
    """What each column of rows is by itself: log p(x_i), summed over all states, in nats.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features)
        NaN is missing: zero.

    Returns
    -------
    (n, n_features)
        A row has the same bits whatever the others are.
    """
    shares = latent_marginals(circuit)
    observed: dict[int, list[tuple[int, int]]] = {}
    for region, entry, column in column_entries(circuit):
        observed.setdefault(column, []).append((region, entry))
    out = np.zeros(X.shape)
    for column, regions in observed.items():
        values, places = X[:, column], np.arange(len(X))
        (region, entry), *_ = regions
        if circuit.inputs[region].categories_of(entry) is not None:  # few different ones
            values, places = np.unique(values, return_inverse=True)
        log_probs = [
            circuit.inputs[region].marginal(np.array([entry])).log_prob(values[:, None])
            for region, entry in regions
        ]
        of_states = np.concatenate(log_probs, axis=1)
        share = np.concatenate([shares[region] for region, _ in regions])
        largest = np.maximum(of_states.max(axis=1), -_FARTHEST)
        mixed_probs = (np.exp(of_states - largest[:, None]) * share).sum(axis=1)
        with np.errstate(divide="ignore"):
            of_values = np.log(mixed_probs) + largest
        out[:, column] = np.where(np.isnan(values), 0.0, of_values)[places]
    return out


def _column_bytes(circuit: Circuit, n_columns: int) -> int:
    """Memory of a row in `column_log_probs`, and of the row: one column is taken at a time."""
    return 24 * n_columns + 8 * (8 + 4 * circuit.n_latents * len(circuit.roots))


def log_likelihood_and_columns(
    circuit: Circuit,
    X: Any,
    own_weight: float,
    of_missing: np.ndarray | float = 0.0,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Log p(x) + `own_weight` sum_i log p(x_i) of each row, in nats.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features) array or sparse matrix
        NaN is missing.
    own_weight : float
    of_missing : (n_features,) or float
        What a missing value adds.
    max_bytes : int
        Rows are taken in blocks so that what they need fits.

    Returns
    -------
    (n,) float64
    """
    scores = log_likelihood(circuit, X, max_bytes=max_bytes)
    for rows in row_blocks(X.shape[0], _column_bytes(circuit, X.shape[1]), max_bytes // 2):
        part = dense(X[rows])
        own = own_weight * column_log_probs(circuit, part)
        scores[rows] += np.where(np.isnan(part), of_missing, own).sum(axis=1)
    return scores


def marginal(circuit: Circuit, columns: np.ndarray) -> Circuit:
    """The circuit over some of its columns, in this order: the others are summed out.

    Regions below which nothing is observed any more are dropped; those that do not observe
    anything themselves are merged with their child if they have a single one.
    """
    n_latents = circuit.n_latents
    position = np.full(1 + max(int(own.max(initial=-1)) for own in circuit.features), -1)
    position[columns] = np.arange(len(columns))
    kept = [np.flatnonzero(position[own] >= 0) for own in circuit.features]
    parents, weights = circuit.parents.copy(), circuit.sum_weights.copy()
    by_root = circuit.root_weights.reshape(-1, n_latents)
    root_weights = dict(zip(circuit.roots.tolist(), by_root, strict=True))
    below: list[list[int]] = [[] for _ in parents]  # the children that are left
    is_left = np.zeros(len(parents), bool)
    bottomup, _ = levels_of(parents, from_leaves=True)
    for region in bottomup.tolist():
        is_left[region] = len(kept[region]) > 0 or len(below[region]) > 1
        top = region
        if not is_left[region]:
            if not below[region]:
                continue
            (top,) = below[region]
            parents[top] = parents[region]
            if parents[region] < 0:
                root_weights[top] = root_weights[region] @ weights[top]
                weights[top] = np.eye(n_latents)
            else:
                weights[top] = weights[region] @ weights[top]
                weights[top] /= weights[top].sum(axis=1, keepdims=True)
        if parents[top] >= 0:
            below[parents[top]].append(top)
    left = np.flatnonzero(is_left)
    number = np.full(len(parents) + 1, -1)
    number[left] = np.arange(len(left))
    roots = np.concatenate([root_weights[region] for region in left if parents[region] < 0])
    features = tuple(position[circuit.features[region][kept[region]]] for region in left)
    smaller = Circuit(
        number[parents[left]],
        features,
        roots / roots.sum(),
        weights[left],
        circuit.inputs.marginal(left, features, [kept[region] for region in left]),
    )
    smaller.check()
    return smaller
