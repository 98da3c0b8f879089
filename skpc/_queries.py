"""Questions to a circuit beyond the likelihood: samples, conditionals and marginals."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skpc._circuit import Circuit
from skpc._flows import DEFAULT_MAX_BYTES, log_likelihood
from skpc._gaussian import Gaussian
from skpc._kernels import draws as kernels
from skpc._outside import blocks_after_upward, posteriors
from skpc._threads import launch
from skpc._tree import levels_of, tree_of_region


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


def sample(
    circuit: Circuit, n_samples: int, n_features: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Draw rows from the circuit, exactly, by drawing each latent state and then its column.

    Returns
    -------
    (n_samples, n_features) float64
    """
    X = np.full((n_samples, n_features), np.nan)
    uniforms = random_state.random_sample(n_samples)
    drawn = _choose(circuit.root_weights[None], np.zeros(n_samples, np.int64), uniforms)
    tree_of_row, root_states = np.divmod(drawn, circuit.n_latents)
    tree_of = tree_of_region(circuit.parents)
    rows_of = [np.flatnonzero(tree_of_row == tree) for tree in range(len(circuit.roots))]
    states: dict[int, np.ndarray] = {}
    topdown, _ = levels_of(circuit.parents, from_leaves=False)
    for region in topdown:
        parent = circuit.parents[region]
        rows = rows_of[tree_of[region]]
        if parent < 0:
            states[region] = root_states[rows]
        else:
            uniforms = random_state.random_sample(len(rows))
            states[region] = _choose(circuit.sum_weights[region], states[parent], uniforms)
        distribution = circuit.inputs[region]
        columns = circuit.features[region]
        if isinstance(distribution, Gaussian):
            X[rows[:, None], columns] = distribution.sample(states[region], random_state)
        elif distribution is not None:
            uniforms = random_state.random_sample(len(rows))
            chosen = _choose(distribution.probs.T, states[region], uniforms)
            X[rows, columns[0]] = distribution.categories[chosen]
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
    bytes_per_row = n_samples * (20 * n_regions + 24 * X.shape[1])
    for rows, block, _, patterns, messages in blocks_after_upward(
        circuit, X, bytes_per_row, max_bytes
    ):
        filled = np.repeat(np.asarray(block, np.float64), n_samples, axis=0)
        states = np.empty((len(filled), n_regions), np.int32)
        launch(
            kernels.draw_states, -(-len(filled) // kernels.TASK_ROWS), patterns,
            np.repeat(patterns.root_codes, n_samples).astype(np.int64),
            for_states.random_sample(states.shape), circuit.root_weights, circuit.sum_weights,
            messages.products, messages.sums, messages.exponents, states,
        )  # fmt: skip
        uniforms = for_values.random_sample(states.shape)
        normals = for_normals.standard_normal(filled.shape) if circuit.inputs.gaussians else None
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
        out[rows.start * n_samples : rows.stop * n_samples] = filled
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
    X = np.array(X.toarray() if issparse(X) else X, np.float64)
    X[:, column] = np.nan
    shares = posteriors(circuit, X, regions, max_bytes=max_bytes)
    if circuit.inputs.categories[regions[0]] is not None:
        table = sum(
            share @ circuit.inputs[region].probs.T
            for region, share in zip(regions, shares, strict=True)
        )
        return table / table.sum(axis=1, keepdims=True)
    shares /= shares.sum(axis=(0, 2))[:, None]
    moments = []
    for region in regions:
        columns = circuit.features[region]
        entry = int(np.flatnonzero(columns == column)[0])
        moments.append(circuit.inputs[region].conditional(X[:, columns], entry))
    means, variances = (np.stack(part) for part in zip(*moments, strict=True))
    mean = (shares * means).sum(axis=(0, 2))
    variance = (shares * (variances + (means - mean[:, None]) ** 2)).sum(axis=(0, 2))
    return ConditionalMoments(mean, variance)


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
