"""Imputation: missing values filled by medians, means and modes, draws, or the likeliest states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.moments import OnNormalScale
from skpc._circuit.tree import tree_of_region
from skpc._kernels import normal_medians
from skpc._passes.blocks import DEFAULT_MAX_BYTES, Block, Memory, pattern_blocks
from skpc._passes.messages import Messages
from skpc._queries.marginals import mixed
from skpc._queries.posteriors import posterior_blocks
from skpc._queries.sampling import sample_given
from skpc._threads import launch

_OF_NORMAL = 40  # multiplications that a pass of a median takes a state, about


def complete(
    circuit: Circuit,
    X: np.ndarray,
    strategy: str,
    random_state: np.random.RandomState,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """X with its missing cells filled, given the others of their row.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features), NaN missing
    strategy : {"median_mode", "mean_mode", "sample", "max_product"}
        See `SharpPCImputer`.
    random_state : RandomState
        Of "sample". Rows with missing cells take their draws one after the other, whatever
        the blocks.
    max_bytes : int
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    (n, n_features) float64
    """
    filled = np.array(X, np.float64)
    incomplete = np.flatnonzero(np.isnan(filled).any(axis=1))
    if not len(incomplete):
        return filled
    rows = filled[incomplete]
    if strategy == "sample":
        filled[incomplete] = sample_given(circuit, rows, 1, random_state, max_bytes=max_bytes)
    else:
        fills: dict[str, Callable[[Circuit, np.ndarray, int], np.ndarray]] = {
            "median_mode": partial(_single_cells, takes_medians=True),
            "mean_mode": partial(_single_cells, takes_medians=False),
            "max_product": _max_product,
        }
        filled[incomplete] = fills[strategy](circuit, rows, max_bytes)
    return filled


def _single_cells(
    circuit: Circuit, X: np.ndarray, max_bytes: int, takes_medians: bool
) -> np.ndarray:
    """Rows with the median or mean of each missing number, and the mode of each category."""
    holes = np.isnan(X)
    regions = [r for r, columns in enumerate(circuit.features) if holes[:, columns].any()]
    largest_group = max(len(circuit.features[region]) for region in regions)
    per_row = 32 * X.shape[1] + 24 * circuit.n_latents * largest_group
    n_trees = len(circuit.roots)
    if n_trees > 1:  # the masses of all columns wait for the last tree
        n_categories = int(circuit.inputs.n_categories.max(initial=0))
        per_row += 8 * n_categories * X.shape[1]
    if takes_medians:
        per_row += 40 * circuit.n_latents * n_trees
    out = np.empty_like(X)
    memory = Memory(max_bytes, per_row=per_row)
    for block, flows in posterior_blocks(circuit, X, regions, memory):
        rows = X[block.rows][block.distinct]
        distinct = rows.copy()
        if takes_medians:
            _fill_medians(circuit, regions, rows, flows, distinct)
        distinct = _means_and_modes(circuit, regions, distinct, flows)
        out[block.rows] = distinct[block.patterns.root_codes]
    return out


def _fill_medians(
    circuit: Circuit, regions: Sequence[int], X: np.ndarray, flows: np.ndarray, out: np.ndarray
) -> None:
    """Write medians of those missing numbers of X (n, n_features) that have a normal scale."""
    # Several trees observe a column: their states are a mixture together.
    places: dict[int, list[tuple[int, int]]] = {}
    for number, region in enumerate(regions):
        for entry, column in enumerate(circuit.features[region].tolist()):
            if circuit.inputs[region].categories_of(entry) is None:
                places.setdefault(column, []).append((number, entry))
    for column, parts in places.items():
        rows = np.flatnonzero(np.isnan(X[:, column]))
        if not len(rows):
            continue
        found = []
        for number, entry in parts:
            region = regions[number]
            own = X[np.ix_(rows, circuit.features[region])]
            found.append(circuit.inputs[region].on_normal_scale(own, entry))
        normals = [one for one in found if one is not None]
        if len(normals) == len(parts):
            shares = [flows[number][rows] for number, _ in parts]
            out[rows, column] = _medians(shares, normals)


def _medians(shares: Sequence[np.ndarray], normals: Sequence[OnNormalScale]) -> np.ndarray:
    """Medians (n,) of a column, of whose states each tree has shares (n, K)."""
    n = len(shares[0])
    n_alike = 1 if all(len(one.means) == 1 for one in normals) else n
    mixture = [
        np.hstack([np.broadcast_to(part, (n_alike, part.shape[1])) for part in parts])
        for parts in ([one.means for one in normals], [one.deviations for one in normals])
    ]
    every, scores = np.hstack(shares), np.empty(n)
    launch(
        normal_medians.medians, -(-n // normal_medians.TASK_ROWS), every, *mixture, scores,
        work=float(_OF_NORMAL * normal_medians.N_PASSES * every.size),
    )  # fmt: skip
    return normals[0].to_units(scores)


def _means_and_modes(
    circuit: Circuit, regions: Sequence[int], X: np.ndarray, flows: np.ndarray
) -> np.ndarray:
    """X filled, from the posteriors (n_regions, n, K) of all regions with missing cells."""
    holes = np.isnan(X)
    out = np.where(holes, 0.0, X)
    masses: dict[int, np.ndarray] = {}
    categories: dict[int, np.ndarray] = {}
    for region, of_region in zip(regions, flows, strict=True):
        columns = circuit.features[region]
        rows = np.flatnonzero(holes[:, columns].any(axis=1))
        if not len(rows):
            continue
        known = [circuit.inputs[region].categories_of(entry) for entry in range(len(columns))]
        is_number = np.array([values is None for values in known])
        if (is_number & holes[np.ix_(rows, columns)].any(axis=0)).any():
            completed = circuit.inputs[region].completed(X[rows][:, columns])
            expected = np.einsum("ik,ika->ia", of_region[rows], completed)
            cells = rows[:, None], columns
            out[cells] += np.where(holes[cells] & is_number, expected, 0.0)
        shares = of_region[rows]
        given = circuit.inputs[region].missing_masses(X[rows][:, columns], shares)
        for entry, (column, values) in enumerate(zip(columns.tolist(), known, strict=True)):
            own, mass = holes[rows, column], given[entry]
            if values is not None and own.any():
                # Several trees observe the column: their masses add.
                if mass is None:
                    mass = mixed(circuit.inputs[region].probabilities(entry), shares[own])
                else:
                    mass = mass[own]
                masses[column] = masses.get(column, 0.0) + mass
                categories[column] = values
    for column, mass in masses.items():
        out[holes[:, column], column] = categories[column][mass.argmax(axis=1)]
    return out


def _max_product(circuit: Circuit, X: np.ndarray, max_bytes: int) -> np.ndarray:
    """Rows with the most probable missing cells and latent states together."""
    of_region = 2 * Messages.bytes_per_row(circuit.n_latents)  # of maxima and choices
    largest_group = max(map(len, circuit.features))
    per_row = circuit.n_regions * of_region + X.shape[1] * 32
    per_row += 24 * circuit.n_latents * largest_group
    out = np.empty_like(X)
    for block in pattern_blocks(circuit, X, memory=Memory(max_bytes, per_row=per_row)):
        distinct = _most_probable(circuit, block, X[block.rows][block.distinct])
        out[block.rows] = distinct[block.patterns.root_codes]
    return out


def _most_probable(circuit: Circuit, block: Block, X: np.ndarray) -> np.ndarray:
    """The same for X, the distinct rows of one block."""
    patterns = block.patterns
    n_roots = len(circuit.roots)
    values, choices = _max_messages(circuit, block)
    at_roots = np.concatenate([values[int(root)] for root in circuit.roots], axis=1)
    best = np.argmax(np.log(circuit.root_weights) + at_roots, axis=1)
    tree_of_row, root_states = np.divmod(best, circuit.n_latents)
    tree_of = tree_of_region(circuit.parents)
    rows_of = [np.flatnonzero(tree_of_row == tree) for tree in range(n_roots)]
    out = X.copy()
    holes = np.isnan(out)
    codes: dict[int, np.ndarray] = {}
    states: dict[int, np.ndarray] = {}
    for region in map(int, patterns.topdown):
        parent = int(circuit.parents[region])
        rows = rows_of[tree_of[region]]
        if parent < 0:
            codes[region], states[region] = rows, root_states[rows]
        else:
            codes[region] = patterns.links(region)[codes[parent]]
            states[region] = choices[region][codes[region], states[parent]]
        columns = circuit.features[region]
        incomplete = holes[np.ix_(rows, columns)].any(axis=1)
        rows, state = rows[incomplete], states[region][incomplete]
        if len(rows):
            cells = np.ix_(rows, columns)
            out[cells] = circuit.inputs[region].likeliest(out[cells], state)
    return out


def _max_messages(
    circuit: Circuit, block: Block
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Maxima instead of sums in the upward pass, in logarithms.

    Returns
    -------
    values : per root, the largest log probability (U, K) given each of its states
    choices : per other region, the best state (U, K) given each state of the parent
    """
    patterns = block.patterns
    first_symbol = np.cumsum(block.evidence.n_symbols) - block.evidence.n_symbols
    below: dict[int, np.ndarray] = {}
    choices: dict[int, np.ndarray] = {}
    for region in map(int, patterns.topdown[::-1]):
        symbols = patterns.symbols[patterns.message_rows(region)] - first_symbol[region]
        value = circuit.inputs.log_peaks(block.evidence, region)[symbols]
        children = slice(*patterns.children_start[region : region + 2])
        for child in map(int, patterns.children[children]):
            value += below.pop(child)[patterns.links(child)]
        if circuit.parents[region] >= 0:
            log_weights = np.log(circuit.sum_weights[region])
            best = np.full_like(value, -np.inf)
            choices[region] = np.zeros(value.shape, np.int32)
            for j in range(circuit.n_latents):
                candidate = value[:, j : j + 1] + log_weights[:, j]
                choices[region][candidate > best] = j
                np.maximum(best, candidate, out=best)
            value = best
        below[region] = value
    return below, choices
