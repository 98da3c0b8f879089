"""How surprising each value of a row is given all others: contributions, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._circuit.tree import children_of, levels_of, with_ancestors
from skpc._data.evidence import Evidence
from skpc._kernels import contributions as kernels
from skpc._kernels import draws
from skpc._kernels.gemm import TILE_ROWS, padded
from skpc._passes.blocks import DEFAULT_MAX_BYTES, Block, Memory, dense, pattern_blocks
from skpc._passes.likelihood import log_likelihood
from skpc._passes.patterns import row_codes
from skpc._queries.posteriors import rows_per_task
from skpc._threads import launch, table_work

_FINISH_ROWS = 1024
_TYPICAL_ROWS = 64
_TABLE_GAIN = 2
"""How many times `_TYPICAL_ROWS` rows are asked about: several, as patterns grow more slowly."""


def contributions(
    circuit: Circuit, X: np.ndarray, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Minus log p(x_i | the other observed columns of the row) of every column, in nats.

    One pass up and one down, for all columns together.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features) array or sparse matrix
        NaN is missing: it contributes zero.
    max_bytes : int
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    (n, n_features) float64
    """
    n_latents, n_padded = circuit.n_latents, padded(circuit.n_latents, np.float64)
    plan = _plan(circuit)
    descent, sources = plan.descent, plan.sources
    inverted = np.flatnonzero(descent.is_inverse)
    n_others = sum(len(part) for part in circuit.features if len(part) > 1)
    is_mixture = len(circuit.roots) > 1
    is_ratio = np.zeros((X.shape[1], 1), bool)
    is_ratio[sources.columns[np.repeat(sources.has_own, np.diff(sources.column_start))]] = True
    without_region = np.setdiff1d(np.arange(X.shape[1]), sources.columns)
    out = np.zeros(X.shape)
    memory = Memory(
        max_bytes,
        per_row=8 * (n_others * (3 * n_latents + n_padded) + 2 * X.shape[1]),
        of_patterns=lambda n_patterns: 8 * n_padded * int(_table_rows(sources, n_patterns).sum()),
    )
    for block in pattern_blocks(circuit, X, memory=memory):
        rows, patterns = block.rows, block.patterns
        messages = block.after_upward(circuit).arrays
        tables = _new_tables(circuit, sources, block)
        launch(kernels.invert, len(inverted), patterns, inverted, messages.sums, n_latents)
        launch(
            kernels.fill_table, plan.table_levels, patterns, plan.table_regions, sources, tables,
            descent.is_inverse, messages, work=table_work(len(tables.table), n_latents),
        )  # fmt: skip
        n_rows = int(patterns.n_patterns[patterns.roots[0]])
        values = (
            np.full((X.shape[1], n_rows), -np.inf) if is_mixture else np.empty((X.shape[1], n_rows))
        )
        values[without_region] = 0.0
        n_at_once = rows_per_task(descent, n_padded)
        launch(
            kernels.contributions, -(-n_rows // n_at_once), patterns, descent, sources, tables,
            circuit.root_weights, messages, n_at_once, values,
        )  # fmt: skip
        shown = dense(X[rows])
        for first in range(0, len(shown), _FINISH_ROWS):  # what is at work stays in the cache
            some = slice(first, first + _FINISH_ROWS)
            found = values[:, patterns.root_codes[some]]
            if not is_mixture:
                np.log(found, out=found, where=is_ratio)  # in vectors, as no kernel can
            part = out[rows][some]
            part[:] = found.T
            np.copyto(part, 0.0, where=np.isnan(shown[some]))
    return out


def group_contributions(
    circuit: Circuit,
    X: np.ndarray,
    groups: Sequence[Sequence[int]],
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Minus log p(x_group | the other observed columns of the row) of groups of columns, in nats.

    One pass up per group.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features) array
        NaN is missing: a group without any value contributes zero.
    groups : sequence of sequences of int
        Columns, which may be in several groups.
    max_bytes : int
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    (n, n_groups) float64
    """
    out = np.empty((len(X), len(groups)))
    of_rows = log_likelihood(circuit, X, max_bytes=max_bytes)
    for place, columns in enumerate(groups):
        rest = X.copy()
        rest[:, columns] = np.nan
        out[:, place] = log_likelihood(circuit, rest, max_bytes=max_bytes) - of_rows
    return out


def _table_rows(sources: kernels.Sources, n_patterns: np.ndarray) -> np.ndarray:
    """Rows of the table of each region that has so many patterns."""
    n_rows = -(-n_patterns * sources.n_below // TILE_ROWS) * TILE_ROWS
    return np.where(sources.source == kernels.TABLE, n_rows, 0)


def _new_tables(circuit: Circuit, sources: kernels.Sources, block: Block) -> kernels.Tables:
    """What the kernels look up, but for the table of patterns, which is to be filled."""
    n_latents, n_padded = circuit.n_latents, padded(circuit.n_latents, np.float64)
    n_rows = _table_rows(sources, block.patterns.n_patterns)
    table = np.empty((int(n_rows.sum()), n_padded))
    table[:, n_latents:] = 0.0
    reciprocals, reciprocal_start = _reciprocals(circuit, block.evidence)
    others_start, others, exponents = circuit.inputs.likelihoods_of_others(block.evidence)
    padded_others = np.zeros((len(others), n_padded))
    padded_others[:, :n_latents] = others
    return kernels.Tables(
        start=np.cumsum(n_rows) - n_rows,
        table=table,
        reciprocal_start=reciprocal_start,
        reciprocals=reciprocals,
        others_start=others_start,
        others=padded_others,
        others_exponents=exponents,
    )


class _Plan(NamedTuple):
    """How `contributions` finds each column's ratio.

    Attributes
    ----------
    descent : Descent
    sources : Sources
    table_regions, table_levels : tasks of ``kernels.fill_table``
    """

    descent: kernels.Descent
    sources: kernels.Sources
    table_regions: np.ndarray
    table_levels: np.ndarray


def _plan(circuit: Circuit) -> _Plan:
    """Go up where that takes fewer products with sum weights than to go down.

    It is decided for rows that the circuit itself would draw, not for those that are asked
    about: what a row gets must not depend on its neighbours, to the last bit.
    """
    parents, n_regions = circuit.parents, circuit.n_regions
    start, children = children_of(parents)
    bottomup, level_start = levels_of(parents, from_leaves=True)
    n_below = np.array([len(columns) for columns in circuit.features])
    is_discrete = np.array([known is not None for known in circuit.inputs.categories])
    table_cost = _typical_patterns(circuit)
    n_continuous = (~is_discrete).astype(np.int64)
    for region in bottomup[parents[bottomup] >= 0]:  # trees differ in height: roots are anywhere
        n_below[parents[region]] += n_below[region]
        n_continuous[parents[region]] += n_continuous[region]
    table_cost = table_cost * n_below
    is_leaf = np.diff(start) == 0
    least_cost = np.zeros(n_regions)
    source = np.full(n_regions, kernels.FLOWS)
    for region in bottomup:
        below = children[start[region] : start[region + 1]]
        table_cost[region] += table_cost[below].sum()
        flow_cost = _TABLE_GAIN * _TYPICAL_ROWS + least_cost[below].sum()
        least_cost[region] = flow_cost
        if n_below[region] == 0:
            source[region], least_cost[region] = kernels.NOTHING, 0
        elif parents[region] < 0:
            pass
        elif is_leaf[region] and n_below[region] == 1 and n_continuous[region]:
            source[region], least_cost[region] = kernels.SUMS, 0
        elif not n_continuous[region] and (is_leaf[region] or table_cost[region] <= flow_cost):
            source[region], least_cost[region] = kernels.TABLE, table_cost[region]
    for region in bottomup[::-1]:  # a table needs those below it
        parent = parents[region]
        if parent >= 0 and source[parent] == kernels.TABLE and n_below[region]:
            source[region] = kernels.TABLE
    below_of: list[list[int]] = [[]] * n_regions
    for region in bottomup:
        if source[region] in (kernels.TABLE, kernels.SUMS):
            below_of[region] = [
                *circuit.features[region],
                *(j for e in children[start[region] : start[region + 1]] for j in below_of[e]),
            ]
    column_start = np.append(0, np.cumsum([len(columns) for columns in circuit.features]))
    has_own = circuit.inputs.n_categories > 0
    # Those without a continuous column in the parent, to which all children's sums matter.
    is_inverse = (source == kernels.FLOWS) | (source == kernels.TABLE)
    is_inverse &= parents >= 0
    is_inverse &= (has_own | (np.diff(column_start) == 0))[parents]
    lengths = np.array([len(columns) for columns in below_of])
    in_order = (source == kernels.TABLE)[bottomup]
    return _Plan(
        kernels.Descent(
            *with_ancestors(parents, np.flatnonzero(source == kernels.FLOWS)), is_inverse
        ),
        kernels.Sources(
            source=source,
            has_own=has_own,
            column_start=column_start,
            columns=np.concatenate(circuit.features).astype(np.int64),
            n_below=n_below,
            below_start=np.cumsum(lengths) - lengths,
            below=np.array([j for columns in below_of for j in columns], np.int64),
        ),
        table_regions=bottomup[in_order],
        table_levels=np.append(0, np.cumsum(in_order))[level_start],
    )


def _typical_patterns(circuit: Circuit) -> np.ndarray:
    """Numbers of patterns (n_regions,) of some rows that the circuit draws."""
    shape = (circuit.n_regions, _TYPICAL_ROWS)
    uniforms = np.random.RandomState(0).random_sample((2, *shape))
    states, symbols = np.empty(shape, np.int64), np.empty(shape, np.int32)
    topdown, _ = levels_of(circuit.parents, from_leaves=False)
    inputs = circuit.inputs
    draws.draw_symbols(
        topdown, circuit.parents, circuit.root_weights, circuit.sum_weights, inputs.probs,
        inputs.start, uniforms, states, symbols,
    )  # fmt: skip
    return row_codes(circuit.parents, symbols, np.maximum(inputs.n_categories, 1)).n_patterns


def _reciprocals(circuit: Circuit, evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """One over the likelihoods (., padded K) of the symbols of categorical columns.

    And in which row the first symbol of all regions would be, to find those of each region.
    """
    inputs = circuit.inputs
    n_symbols = np.where(inputs.n_categories > 0, inputs.n_categories + 2, 0)
    first = np.cumsum(n_symbols) - n_symbols
    n_latents = circuit.n_latents
    table = np.zeros((int(n_symbols.sum()), padded(n_latents, np.float64)))
    table[:, :n_latents] = 1.0  # missing
    own = np.flatnonzero(n_symbols)
    offsets = np.arange(inputs.start[-1]) - np.repeat(inputs.start[:-1], inputs.n_categories)
    table[np.repeat(first, inputs.n_categories) + offsets, :n_latents] = 1.0 / inputs.probs
    table[(first + n_symbols - 1)[own], :n_latents] = 1.0 / inputs.unseen[own]
    return table, first - (np.cumsum(evidence.n_symbols) - evidence.n_symbols)
