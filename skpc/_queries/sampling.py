"""Questions to a circuit beyond the likelihood: samples, conditionals and marginals."""

from __future__ import annotations

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.table import choose
from skpc._circuit.tree import levels_of, tree_of_region
from skpc._kernels import draws as kernels
from skpc._passes.blocks import DEFAULT_MAX_BYTES, Memory, dense, pattern_blocks, row_blocks
from skpc._threads import launch

_DRAWN_ROWS = 2**13  # at a time


def _draw(cpt: np.ndarray, states: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
    """`choose` with numbers of its own, in blocks of rows, as the smallest of integers."""
    chosen = np.empty(len(states), np.min_scalar_type(cpt.shape[1]))
    for rows in row_blocks(len(states), 1, _DRAWN_ROWS):
        uniforms = random_state.random_sample(rows.stop - rows.start)
        chosen[rows] = choose(cpt, states[rows].astype(np.int64), uniforms)
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
        if distribution is None:
            continue
        for some in row_blocks(len(rows), distribution.draw_size, _DRAWN_ROWS):
            drawn = distribution.sample(states[region][some].astype(np.int64), random_state)
            X[rows[some][:, None], columns] = drawn
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
    slots = _uniform_slots(circuit)
    has_normals = any(one.uses_normals for one in circuit.inputs.distributions.values())
    largest_group = max(map(len, circuit.features))
    of_draw = 28 * n_regions + 24 * X.shape[1] + 8 * (8 + largest_group) * (1 + largest_group)
    of_draw += 8 * int(slots[-1])
    for block in pattern_blocks(circuit, X, memory=Memory(max_bytes, per_row=of_draw)):
        rows, _, patterns = block
        messages, shown = block.after_upward(circuit), dense(X[rows])
        for draws in row_blocks(n_samples * (rows.stop - rows.start), of_draw, max_bytes):
            of_row = np.arange(draws.start, draws.stop) // n_samples
            first = rows.start * n_samples
            filled = out[first + draws.start : first + draws.stop]
            filled[:] = shown[of_row]
            states = np.empty((len(filled), n_regions), np.int32)
            launch(
                kernels.draw_states, -(-len(filled) // kernels.TASK_ROWS), patterns,
                patterns.root_codes[of_row].astype(np.int64),
                for_states.random_sample(states.shape), circuit.root_weights,
                circuit.sum_weights, messages.arrays, states,
            )  # fmt: skip
            uniforms = for_values.random_sample((len(filled), slots[-1]))
            normals = for_normals.standard_normal(filled.shape if has_normals else (0, X.shape[1]))
            for region, distribution in enumerate(circuit.inputs):
                if distribution is None:
                    continue
                columns = circuit.features[region]
                is_drawn = np.isnan(filled[:, columns]).any(axis=1) & (states[:, region] >= 0)
                chosen = np.flatnonzero(is_drawn)
                cells = np.ix_(chosen, columns)
                own = slice(slots[region], slots[region + 1])
                filled[cells] = distribution.sample_given(
                    filled[cells],
                    states[chosen, region].astype(np.int64),
                    uniforms[chosen, own],
                    normals[cells] if distribution.uses_normals else normals[:0, columns],
                )
    return out


def _uniform_slots(circuit: Circuit) -> np.ndarray:
    """Where, in the uniform numbers of a row, those of each region start (n_regions + 1,)."""
    sizes = np.ones(circuit.n_regions, np.int64)
    for region, distribution in circuit.inputs.distributions.items():
        if distribution.uses_uniforms:
            sizes[region] = len(circuit.features[region])
    return np.append(0, np.cumsum(sizes))
