"""Mutual information of columns and of latent variables under a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from skpc._circuit.circuit import Circuit, latent_marginals
from skpc._circuit.tree import levels_of
from skpc._passes.blocks import DEFAULT_MAX_BYTES
from skpc._queries.marginals import column_entries, log_likelihood_and_columns
from skpc._threads import one_blas_thread

_BLOCK_BYTES = 2**28


class Counted(Protocol):
    """Columns of which each has categories: a categorical input distribution, or a cut one."""

    def categories_of(self, entry: int) -> np.ndarray | None:
        """The categories of a column."""

    def probabilities(self, entry: int) -> np.ndarray:
        """Their probabilities (n_categories, n_latents)."""

    def joint_probabilities(self, entry: int) -> list[np.ndarray | None]:
        """Those of a column's and each other's, None where the state tells all."""


def mutual_information(circuit: Circuit, n_columns: int, inputs: Sequence[Counted]) -> np.ndarray:
    """Mutual information of each pair of categorical columns under the circuit, in nats.

    Exact, from the joint distribution of every two columns: that of a column and of each latent
    variable is carried along the edges of the tree.

    Parameters
    ----------
    circuit : Circuit
    n_columns : int
    inputs : sequence of Counted
        By region: those of the circuit, or what is made of them.

    Returns
    -------
    (n_columns, n_columns) float64
        Symmetric; entropies on the diagonal; zero where a column is not observed.
    """
    categories: list[np.ndarray] = [np.empty(0)] * n_columns
    for region, entry, column in column_entries(circuit):
        known = inputs[region].categories_of(entry)
        if known is None:
            raise ValueError(f"Column {column} is continuous: only categories are counted.")
        categories[column] = known
    start = np.cumsum([0, *map(len, categories)])
    marginals = latent_marginals(circuit)
    probabilities = np.zeros(start[-1])
    for region, entry, column in column_entries(circuit):
        cells = slice(start[column], start[column + 1])
        probabilities[cells] += inputs[region].probabilities(entry) @ marginals[region]
    out = np.zeros((n_columns, n_columns))
    observed = np.flatnonzero(np.diff(start))
    bytes_per_cell = _bytes_per_cell(circuit, start[-1])
    with one_blas_thread():
        for block in _blocks(observed, np.diff(start)[observed] * bytes_per_cell):
            cells = slice(start[block[0]], start[block[-1] + 1])
            joint = _joint(circuit, inputs, marginals, block, start)
            independent = probabilities[cells, None] * probabilities
            with np.errstate(divide="ignore", invalid="ignore"):
                terms = np.where(joint > 0.0, joint * np.log(joint / independent), 0.0)
            by_column = np.add.reduceat(terms, start[block] - start[block[0]], axis=0)
            out[np.array(block)[:, None], observed] = np.add.reduceat(
                by_column, start[observed], axis=1
            )
    out = np.maximum((out + out.T) / 2, 0.0)
    surprise = -np.log(np.where(probabilities > 0.0, probabilities, 1.0))
    out[observed, observed] = np.add.reduceat(probabilities * surprise, start[observed])
    return out


def pair_table_bytes(circuit: Circuit, inputs: Sequence[Counted]) -> int:
    """Memory of `mutual_information`, about: one column is taken at a time at least."""
    known = [inputs[region].categories_of(entry) for region, entry, _ in column_entries(circuit)]
    n_categories = [0 if values is None else len(values) for values in known]
    return max(n_categories) * _bytes_per_cell(circuit, sum(n_categories))


def _bytes_per_cell(circuit: Circuit, n_cells: int) -> int:
    """Memory of one category's joint distribution with latent variables and all categories."""
    return 8 * (circuit.n_regions * circuit.n_latents + 3 * int(n_cells))


def pointwise_total_correlation(
    circuit: Circuit, X: np.ndarray, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """What each row (n, n_features) shows: log p(x) - sum_i log p(x_i), in nats."""
    return log_likelihood_and_columns(circuit, X, -1.0, max_bytes=max_bytes)


def edge_information(circuit: Circuit) -> np.ndarray:
    """Mutual information (n_regions,) of each latent variable and its parent; NaN at a root."""
    marginals = latent_marginals(circuit)
    out = np.full(circuit.n_regions, np.nan)
    for region in np.flatnonzero(circuit.parents >= 0):
        above = marginals[circuit.parents[region]]
        above = above / above.sum()
        weights = circuit.sum_weights[region]
        terms = above[:, None] * weights * np.log(weights / (above @ weights))
        out[region] = max(float(terms.sum()), 0.0)
    return out


def _blocks(
    columns: np.ndarray, n_bytes: np.ndarray, max_bytes: int = _BLOCK_BYTES
) -> list[list[int]]:
    """Consecutive columns taken together while what they need, each so many bytes, fits."""
    blocks: list[list[int]] = [[]]
    room = max_bytes
    for column, needed in zip(columns.tolist(), n_bytes.tolist(), strict=True):
        if blocks[-1] and needed > room:
            blocks.append([])
            room = max_bytes
        blocks[-1].append(column)
        room -= needed
    return blocks


def _joint(
    circuit: Circuit,
    inputs: Sequence[Counted],
    marginals: np.ndarray,
    block: list[int],
    start: np.ndarray,
) -> np.ndarray:
    """Joint probabilities of all categories of the columns of `block` and of all columns."""
    parents, n_latents = circuit.parents, circuit.n_latents
    first, last = start[block[0]], start[block[-1] + 1]
    n_cells = last - first
    topdown, _ = levels_of(parents, from_leaves=False)
    # messages[r][v, k] = P(a category v, Z_r = k), of the categories below r first.
    messages = np.zeros((circuit.n_regions, n_cells, n_latents))
    is_below = np.zeros((circuit.n_regions, n_cells), bool)
    for region in topdown[::-1]:
        for entry, column in enumerate(circuit.features[region].tolist()):
            if first <= start[column] < last:
                cells = slice(start[column] - first, start[column + 1] - first)
                probs = inputs[region].probabilities(entry)
                messages[region, cells] = probs * marginals[region]
                is_below[region, cells] = True
        parent = parents[region]
        if parent >= 0:
            rows = is_below[region]
            is_below[parent] |= rows
            towards = circuit.sum_weights[region] * marginals[parent][:, None] / marginals[region]
            messages[parent, rows] = messages[region, rows] @ towards.T
    joint = np.zeros((n_cells, start[-1]))
    for region in topdown:
        parent = parents[region]
        if parent >= 0:
            rows = ~is_below[region]
            messages[region, rows] = messages[parent, rows] @ circuit.sum_weights[region]
        for entry, column in enumerate(circuit.features[region].tolist()):
            cells = slice(start[column], start[column + 1])
            joint[:, cells] += messages[region] @ inputs[region].probabilities(entry).T
            if first <= start[column] < last:
                _add_dependence(
                    inputs[region], circuit.features[region], entry, marginals[region], start,
                    joint[cells.start - first :],
                )  # fmt: skip
    return joint


def _add_dependence(
    distribution: Counted,
    columns: np.ndarray,
    entry: int,
    shares: np.ndarray,
    start: np.ndarray,
    joint: np.ndarray,
) -> None:
    """Add, for columns of one region, what their joint distribution is beyond the states'.

    joint : (at least n_categories, n_cells), from the column's first category on
    """
    own = distribution.probabilities(entry)
    for other, both in enumerate(distribution.joint_probabilities(entry)):
        if both is not None:
            column = columns[other]
            beyond = both - own[:, None] * distribution.probabilities(other)
            joint[: len(own), start[column] : start[column + 1]] += beyond @ shares
