"""Questions to a circuit beyond the likelihood: samples, conditionals and marginals."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skpc._circuit import Circuit
from skpc._flows import DEFAULT_MAX_BYTES, log_likelihood, row_blocks
from skpc._gaussian import Gaussian
from skpc._kernels import draws as kernels
from skpc._kernels.gemm import TILE_ROWS, multiply, padded
from skpc._outside import blocks_after_upward, posterior_blocks
from skpc._threads import launch
from skpc._tree import levels_of, tree_of_region

_DRAWN_ROWS = 2**13  # at a time


class ConditionalMoments(NamedTuple):
    """Mean and variance of a continuous column given the rest of each row.

    Attributes
    ----------
    mean : ndarray of shape (n_samples,)
    variance : ndarray of shape (n_samples,)
    """

    mean: np.ndarray
    variance: np.ndarray


def _choose(cpt: np.ndarray, states: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Draw from row ``states[i]`` of `cpt` (n_states, m), rows summing to one, for each i.

    One binary search in all rows' cumulative sums, laid end to end. uniforms (n,): in [0, 1).
    """
    n_states, n_choices = cpt.shape
    cumulative = np.cumsum(cpt, axis=1)
    cumulative[:, -1] = 1.0
    ends = (cumulative + np.arange(n_states)[:, None]).ravel()
    chosen = np.searchsorted(ends, states + uniforms)
    # A draw of almost zero may be rounded into the end of the row before.
    return np.maximum(chosen - n_choices * states, 0)


def _draw(cpt: np.ndarray, states: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
    """`_choose` with numbers of its own, in blocks of rows, as the smallest of integers."""
    chosen = np.empty(len(states), np.min_scalar_type(cpt.shape[1]))
    for rows in row_blocks(len(states), 1, _DRAWN_ROWS):
        uniforms = random_state.random_sample(rows.stop - rows.start)
        chosen[rows] = _choose(cpt, states[rows].astype(np.int64), uniforms)
    return chosen


def sample(
    circuit: Circuit, n_samples: int, n_features: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Draw rows from the circuit, exactly, by drawing each latent state and then its column.

    Beside the rows it takes a byte for each latent state, and a block's memory.

    Returns
    -------
    (n_samples, n_features) float64
    """
    X = np.full((n_samples, n_features), np.nan)
    drawn = _draw(circuit.root_weights[None], np.zeros(n_samples, np.int8), random_state)
    tree_of_row, root_states = np.divmod(drawn, circuit.n_latents)
    tree_of = tree_of_region(circuit.parents)
    n_trees = len(circuit.roots)
    rows_of = [
        np.arange(n_samples) if n_trees == 1 else np.flatnonzero(tree_of_row == tree)
        for tree in range(n_trees)
    ]
    states: dict[int, np.ndarray] = {}
    topdown, _ = levels_of(circuit.parents, from_leaves=False)
    for region in topdown:
        parent = circuit.parents[region]
        rows = rows_of[tree_of[region]]
        if parent < 0:
            states[region] = root_states[rows]
        else:
            states[region] = _draw(circuit.sum_weights[region], states[parent], random_state)
        distribution = circuit.inputs[region]
        columns = circuit.features[region]
        if isinstance(distribution, Gaussian):
            size = len(columns) * (1 + len(columns))  # a factor for each row
            for some in row_blocks(len(rows), size, _DRAWN_ROWS):
                drawn = distribution.sample(states[region][some].astype(np.int64), random_state)
                X[rows[some][:, None], columns] = drawn
        elif distribution is not None:
            chosen = _draw(distribution.probs.T, states[region], random_state)
            for some in row_blocks(len(rows), 1, _DRAWN_ROWS):
                X[rows[some], columns[0]] = distribution.categories[chosen[some]]
    return X


def sample_given(
    circuit: Circuit,
    X: np.ndarray,
    n_samples: int,
    random_state: np.random.RandomState,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Fill what is missing in each row by exact draws given what is observed.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features) array or sparse matrix
        NaN is missing.
    n_samples : int
        Draws of each row.
    random_state : RandomState
    max_bytes : int
        Rows are taken in blocks so that messages fit; draws do not depend on it.

    Returns
    -------
    (n * n_samples, n_features) float64
        The draws of the first row, then those of the second, and so on.
    """
    out = np.empty((X.shape[0] * n_samples, X.shape[1]))
    # A stream for each purpose: what a row gets does not depend on how rows are cut to blocks.
    seeds = random_state.randint(np.iinfo(np.int32).max, size=3)
    for_states, for_values, for_normals = (np.random.RandomState(seed) for seed in seeds)
    n_regions = circuit.n_regions
    largest_group = max(map(len, circuit.features))
    of_draw = 28 * n_regions + 24 * X.shape[1] + 8 * (8 + largest_group) * (1 + largest_group)
    for rows, block, _, patterns, messages in blocks_after_upward(circuit, X, of_draw, max_bytes):
        for draws in row_blocks(n_samples * (rows.stop - rows.start), of_draw, max_bytes):
            of_row = np.arange(draws.start, draws.stop) // n_samples
            first = rows.start * n_samples
            filled = out[first + draws.start : first + draws.stop]
            filled[:] = block[of_row]
            states = np.empty((len(filled), n_regions), np.int32)
            launch(
                kernels.draw_states, -(-len(filled) // kernels.TASK_ROWS), patterns,
                patterns.root_codes[of_row].astype(np.int64),
                for_states.random_sample(states.shape), circuit.root_weights,
                circuit.sum_weights, messages.products, messages.sums, messages.exponents, states,
            )  # fmt: skip
            uniforms = for_values.random_sample(states.shape)
            normals = (
                for_normals.standard_normal(filled.shape) if circuit.inputs.gaussians else None
            )
            for region, distribution in enumerate(circuit.inputs):
                if distribution is None:
                    continue
                columns = circuit.features[region]
                is_drawn = np.isnan(filled[:, columns]).any(axis=1) & (states[:, region] >= 0)
                chosen = np.flatnonzero(is_drawn)
                state = states[chosen, region].astype(np.int64)
                cells = np.ix_(chosen, columns)
                if isinstance(distribution, Gaussian):
                    assert normals is not None
                    filled[cells] = distribution.sample_given(filled[cells], state, normals[cells])
                else:
                    drawn = _choose(distribution.probs.T, state, uniforms[chosen, region])
                    filled[chosen, columns[0]] = distribution.categories[drawn]
    return out


def conditional(
    circuit: Circuit, X: Any, column: int, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray | ConditionalMoments:
    """The distribution of a column given the other observed columns of each row.

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
    (n, n_categories) array, rows summing to one, or moments if the column is continuous
    """
    regions = [r for r, columns in enumerate(circuit.features) if column in columns]
    if not regions:
        raise ValueError(f"The circuit does not observe column {column}.")
    known = circuit.inputs.categories[regions[0]]
    out = np.empty((X.shape[0], 2 if known is None else len(known)))
    largest_group = max(len(circuit.features[region]) for region in regions)
    of_row = 8 * X.shape[1] + 8 * len(regions) * circuit.n_latents * (6 + largest_group)
    for rows in row_blocks(X.shape[0], of_row + 16 * out.shape[1], max(1, max_bytes // 2)):
        block = np.array(X[rows].toarray() if issparse(X) else X[rows], np.float64)
        block[:, column] = np.nan
        for some, part, codes, flows in posterior_blocks(
            circuit, block, regions, max_bytes=max(1, max_bytes // 2)
        ):
            distinct = part[np.unique(codes, return_index=True)[1]]
            summed = _table if known is not None else _moments
            out[rows][some] = summed(circuit, regions, column, distinct, flows)[codes]
    if known is not None:
        return out
    return ConditionalMoments(out[:, 0].copy(), out[:, 1].copy())


def _table(
    circuit: Circuit, regions: list[int], column: int, X: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Probabilities of a column's categories given shares (m, n, K) of the states of regions."""
    n_rows = shares.shape[1]
    n_categories = len(circuit.inputs[regions[0]].probs)
    n_padded = padded(n_categories, np.float64)
    table = np.zeros((n_rows, n_categories))
    spare = -(-n_rows // TILE_ROWS) * TILE_ROWS
    left, product = np.zeros((spare, circuit.n_latents)), np.empty((spare, n_padded))
    right = np.zeros((circuit.n_latents, n_padded))
    for region, share in zip(regions, shares, strict=True):
        left[:n_rows] = share
        right[:, :n_categories] = circuit.inputs[region].probs.T
        multiply(left, right, product, n_rows)  # a row has the same bits in any block
        table += product[:n_rows, :n_categories]
    return table / table.sum(axis=1, keepdims=True)


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
        entry = int(np.flatnonzero(columns == column)[0])
        moments.append(circuit.inputs[region].conditional(X[:, columns], entry))
    means, variances = (np.stack(part) for part in zip(*moments, strict=True))
    mean = total(shares * means)
    variance = total(shares * (variances + (means - mean[:, None]) ** 2))
    return np.stack([mean, variance], axis=1)


def log_conditional(
    circuit: Circuit, joint: np.ndarray, evidence: np.ndarray, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Log-likelihoods of joint rows less those of evidence, all of which the joint rows show."""
    above = log_likelihood(circuit, joint, max_bytes=max_bytes)
    return above - log_likelihood(circuit, evidence, max_bytes=max_bytes)


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
