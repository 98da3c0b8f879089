"""Forests of categorical columns given evidence: forests of the same shape, with other tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skpc._circuit.inputs.forest_layout import Layout
from skpc._circuit.inputs.restriction import normalised
from skpc._data.column_sets import ColumnSet


def restrict_tables(
    tables: dict[int, np.ndarray],
    layout: Layout,
    parents: np.ndarray,
    sets: Mapping[int, ColumnSet | None],
) -> np.ndarray:
    """Multiply tables by what evidence at a column and below makes of each category.

    Parameters
    ----------
    tables : dict of arrays (U, V, n_latents)
        By column; those of columns with evidence at or below them are replaced.
    layout : Layout
    parents : (m,)
    sets : dict
        What evidence leaves each column.

    Returns
    -------
    (n_latents,)
        Log likelihood of the evidence.
    """
    log_masses = np.zeros(next(iter(tables.values())).shape[2])
    below: dict[int, np.ndarray] = {}
    for column in layout.shape.order[::-1].tolist():
        table, given, logs = tables[column], sets.get(column), below.get(column)
        if given is None and logs is None:
            continue
        log_probs = np.log(table)
        if logs is not None:
            log_probs = log_probs + logs
        if given is not None:
            log_probs[:, ~given.contains(layout.categories[column])] = -np.inf
        totals, shares = normalised(log_probs.transpose(1, 0, 2))
        tables[column] = shares.transpose(1, 0, 2)
        parent = int(parents[column])
        if parent < 0:
            log_masses = log_masses + totals[0]
        else:
            below[parent] = below.get(parent, 0.0) + totals
    return log_masses
