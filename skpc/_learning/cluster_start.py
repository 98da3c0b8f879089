"""A start from the data: states are clusters of rows by their values near a region.

Every column is projected on a few random axes. Each region adds up its own projections and,
damped by a factor for every edge between, those of all other regions of its tree: near ones
tell most. Its rows are then cut, again and again, at the mean along one of the axes, into one
group for each state. How often groups of neighbours occur together are the weights, how often
a group shows each value the input distributions. Regions that observe nothing are clustered
by what those near them, above all below them, observe.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skpc._circuit.circuit import Circuit, random_circuit
from skpc._circuit.inputs.cells import mean_scores
from skpc._circuit.inputs.inputs import Inputs
from skpc._circuit.tree import depths_of
from skpc._data.evidence import symbols_of
from skpc._data.powers_of_two import units_of
from skpc._data.rows import Rows
from skpc._data.scope import COMPOSITE, FOREST
from skpc._kernels import splits as kernels
from skpc._kernels.mstep import WEIGHT_FLOOR
from skpc._threads import launch

_N_AXES = 6
_DAMPING = 0.35
_SMOOTHING = 0.1
_SMOOTHING_ROWS = 3.0
_ROWS_PER_STATE = 32
_FEWEST_ROWS = 2**10
_LEAST_TOTAL = 1e-300
_FARTHEST = 1e18  # standard deviations: sums of it are numbers in single precision


def clustered_circuit(
    parents: np.ndarray,
    rows: Rows,
    n_latents: int,
    random_state: np.random.RandomState,
    *,
    pseudocount: float = 0.0,
    shrinkage: float = 0.0,
) -> Circuit:
    """Count states, and the values they show, in clusters of the rows.

    Counts are smoothed as if every state had, beside its own rows, a tenth of an average
    state's, and three at least, spread like all rows; Gaussians have their shrinkage instead.
    Of many rows a sample is looked at. If a region finds fewer clusters than states, the states
    share them, and differ by random factors.

    Parameters
    ----------
    parents : (n_regions,) -1 at each root
    rows : Rows
        Distinct, as these regions see them.
    n_latents : int
    random_state : RandomState
    pseudocount, shrinkage : float
        Of the input distributions; see `MStep` and `Start`.
    """
    circuit = random_circuit(parents, rows, n_latents, random_state, shrinkage=shrinkage)
    rows = _sampled(rows, max(_FEWEST_ROWS, _ROWS_PER_STATE * n_latents), random_state)
    weights, symbols = rows.weights, rows.evidence.dense_symbols
    points = np.zeros((len(parents), _N_AXES, symbols.shape[1]), np.float32)
    numbers = _numbers(rows)
    for region, row in enumerate(symbols):
        if len(rows.scopes[region].columns):
            table = _projections(rows, region, numbers[region], random_state)
            np.take(table, row, axis=1, out=points[region])
    _gather_neighbours(points, parents)
    groups = np.zeros(symbols.shape, np.int64)
    masses = np.zeros((len(parents), n_latents))
    launch(kernels.split_rows, len(parents), points, weights, groups, masses)
    del points
    sharing = [_share_out(mass) for mass in masses]
    return replace(
        circuit,
        root_weights=_root_weights(circuit, masses, sharing),
        sum_weights=_sum_weights(circuit, groups, weights, sharing),
        inputs=circuit.inputs.updated(
            _input_summary(circuit.inputs, rows, groups, sharing, random_state),
            pseudocount,
        ),
    )


def _sampled(rows: Rows, n_rows: int, random_state: np.random.RandomState) -> Rows:
    """All rows if they are no more than `n_rows`, or else so many drawn by their weights.

    Dense, with only those continuous values that they show.
    """
    if n_rows >= len(rows):
        return rows.compact()
    total = rows.weights.sum()
    drawn = random_state.multinomial(n_rows, rows.weights / total)
    return rows.reweighted(drawn * (total / n_rows)).compact()


def _projections(
    rows: Rows, region: int, numbers: list[np.ndarray], random_state: np.random.RandomState
) -> np.ndarray:
    """What a region's symbols add to each axis (_N_AXES, n_symbols), on average nothing.

    A missing value adds nothing, as does a category never seen. `numbers` are the region's own.
    """
    counts, scope = rows.weights_of(region), rows.scopes[region]
    if not numbers:
        return _projected_categories(counts, random_state).astype(np.float32)
    if scope.kind not in (COMPOSITE, FOREST):
        return _projected_numbers(np.stack(numbers, 1), counts, random_state).astype(np.float32)
    total = np.zeros((_N_AXES, len(counts)))
    for column, part in zip(numbers, scope.single_columns, strict=True):
        if part.categories is None:
            total += _projected_numbers(column[:, None], counts, random_state)
        else:
            symbols = symbols_of(column, part.categories)
            of_symbols = np.bincount(symbols, counts, len(part.categories) + 2)
            total += _projected_categories(of_symbols, random_state)[:, symbols]
    return total.astype(np.float32)


def _numbers(rows: Rows) -> list[list[np.ndarray]]:
    """The columns (n_symbols,) of each region's vectors, on the normal scale if they have one."""
    numbers: list[list[np.ndarray]] = []
    margins, columns, places = [], [], []
    for region, (scope, vectors) in enumerate(zip(rows.scopes, rows.evidence.values, strict=True)):
        numbers.append([] if vectors is None else list(vectors.T))
        for j, part in enumerate(scope.single_columns[: len(numbers[-1])]):
            if part.margin is not None:
                margins.append(part.margin)
                columns.append(numbers[-1][j])
                places.append((region, j))
    for (region, j), scores in zip(places, mean_scores(margins, columns), strict=False):
        numbers[region][j] = scores
    return numbers


def _projected_categories(counts: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
    """Random projections (_N_AXES, n_symbols) of categories; the last two symbols are none."""
    table = random_state.standard_normal((_N_AXES, len(counts)))
    counts = counts[:-2]
    mean = table[:, :-2] @ counts / max(counts.sum(), _LEAST_TOTAL)
    table[:, :-2] -= mean[:, None]
    table[:, -2:] = 0.0
    return table


def _projected_numbers(
    vectors: np.ndarray, counts: np.ndarray, random_state: np.random.RandomState
) -> np.ndarray:
    """Random projections (_N_AXES, n) of vectors (n, m) of numbers, each column scaled."""
    seen = ~np.isnan(vectors)
    totals = np.maximum(counts @ seen, _LEAST_TOTAL)
    filled = np.where(seen, vectors, 0.0)
    filled = filled / units_of(np.abs(filled).max(axis=0))
    centred = np.where(seen, filled - counts @ filled / totals, 0.0)
    deviations = np.sqrt(counts @ centred**2 / totals)
    axes = random_state.standard_normal((_N_AXES, vectors.shape[1]))
    scaled = np.clip(centred / np.where(deviations > 0, deviations, 1.0), -_FARTHEST, _FARTHEST)
    return (scaled @ axes.T).T


def _gather_neighbours(points: np.ndarray, parents: np.ndarray) -> None:
    """Add to the points of each region those of all others of its tree, damped by distance.

    An edge damps by `_DAMPING`, and by more if its ends have more than two neighbours each, so
    that a hub of many does not drown what a region itself shows. In place.
    """
    below = np.flatnonzero(parents >= 0)
    degrees = np.bincount(parents[below], minlength=len(parents)) + (parents >= 0)
    pairs = degrees[below] * degrees[parents[below]]
    damping = np.zeros(len(parents), np.float32)
    damping[below] = _DAMPING / np.sqrt(np.maximum(1.0, pairs / 4.0))
    topdown = below[np.argsort(depths_of(parents)[below], kind="stable")]
    for region in topdown[::-1]:
        points[parents[region]] += damping[region] * points[region]
    for region in topdown:
        factor = damping[region]
        # What the parent has from elsewhere is what it has less what came from here.
        points[region] *= 1 - factor * factor
        points[region] += factor * points[parents[region]]


def _share_out(masses: np.ndarray) -> np.ndarray | None:
    """Which group each state stands for, if there are too few; the heaviest for most."""
    n_groups = np.count_nonzero(masses)
    if n_groups == len(masses):
        return None
    group_of = np.arange(len(masses))
    n_states = np.ones(n_groups)
    for state in range(n_groups, len(masses)):
        group_of[state] = np.argmax(masses[:n_groups] / n_states)
        n_states[group_of[state]] += 1
    return group_of


def _shared(counts: np.ndarray, group_of: np.ndarray | None) -> np.ndarray:
    """Counts (..., n_latents) of groups, divided among the states that share them."""
    if group_of is None:
        return counts
    return (counts / np.bincount(group_of, minlength=len(group_of)).clip(1))[..., group_of]


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """Counts (n_latents, n) with some of all states' added to each."""
    of_all = counts.sum(axis=0)
    total = of_all.sum()
    # Where states have but few rows each a tenth of them would let EM start overfitted.
    n_rows = max(_SMOOTHING * total / len(counts), _SMOOTHING_ROWS)
    return counts + n_rows / max(total, _LEAST_TOTAL) * of_all


def _normalised(weights: np.ndarray) -> np.ndarray:
    weights = np.maximum(weights / weights.sum(axis=-1, keepdims=True), WEIGHT_FLOOR)
    return weights / weights.sum(axis=-1, keepdims=True)


def _root_weights(
    circuit: Circuit, masses: np.ndarray, sharing: list[np.ndarray | None]
) -> np.ndarray:
    return _normalised(
        np.concatenate([_shared(masses[root], sharing[root]) for root in circuit.roots])
    )


def _sum_weights(
    circuit: Circuit,
    groups: np.ndarray,
    weights: np.ndarray,
    sharing: list[np.ndarray | None],
) -> np.ndarray:
    n_latents = circuit.n_latents
    sum_weights = circuit.sum_weights.copy()
    for region in np.flatnonzero(circuit.parents >= 0):
        parent = circuit.parents[region]
        pairs = groups[parent] * n_latents + groups[region]
        counts = np.bincount(pairs, weights, n_latents**2).reshape(n_latents, n_latents)
        counts = _shared(_shared(counts, sharing[region]).T, sharing[parent]).T
        counts = _smoothed(counts)
        if sharing[region] is not None or sharing[parent] is not None:
            counts *= circuit.sum_weights[region]
        sum_weights[region] = _normalised(counts)
    return sum_weights


def _input_summary(
    inputs: Inputs,
    rows: Rows,
    groups: np.ndarray,
    sharing: list[np.ndarray | None],
    random_state: np.random.RandomState,
) -> list[np.ndarray]:
    """What `Inputs.summarize_clusters` makes of the counts of the clusters."""
    evidence, weights = rows.evidence, rows.weights
    symbols = evidence.dense_symbols
    n_latents = inputs.n_latents
    all_counts = np.zeros((int(evidence.n_symbols.sum()), n_latents))
    ends = np.cumsum(evidence.n_symbols)
    for region, n_symbols in enumerate(evidence.n_symbols):
        if not len(inputs.features[region]):
            continue
        pairs = symbols[region] * n_latents + groups[region]
        counts = np.bincount(pairs, weights, n_symbols * n_latents).reshape(n_symbols, n_latents)
        counts = _shared(counts, sharing[region])
        if sharing[region] is not None:
            counts = counts * np.exp(-2.0 * random_state.random_sample(counts.shape))
        all_counts[ends[region] - n_symbols : ends[region]] = counts
    return inputs.summarize_clusters(evidence, all_counts, _smoothed)
