"""Surprises of values in units that columns share, and what they exceed the usual ones by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.covariances import shown_patterns
from skpc._passes.blocks import DEFAULT_MAX_BYTES, row_blocks
from skpc._queries.contributions import contributions, group_contributions
from skpc._queries.marginals import column_log_probs
from skpc._queries.sampling import sample

FARTHEST = 1e100
"""Nats, beyond which nothing is more surprising."""

_DRAWS = 128  # rows of each circuit, which tell what is usual
_SEED = 0


def log_units(circuit: Circuit, X: np.ndarray) -> np.ndarray:
    """What the units of columns add to log densities of values (n, n_features), in nats.

    See `skpc._circuit.inputs.base.InputDistribution.log_units`; a mixture of trees has those of
    the first one.
    """
    out = np.zeros(X.shape)
    is_known = np.zeros(X.shape[1], bool)
    for region, columns in enumerate(circuit.features):
        is_new = ~is_known[columns]
        if is_new.any():
            units = circuit.inputs[region].log_units(X[:, columns])
            out[:, columns[is_new]] = units[:, is_new]
            is_known[columns] = True
    return out


def own_surprises(circuit: Circuit, X: np.ndarray) -> np.ndarray:
    """Minus log p(x_i) of the values of rows (n, n_features) by themselves, free of units."""
    return log_units(circuit, X) - np.maximum(column_log_probs(circuit, X), -FARTHEST)


def surprises(
    circuit: Circuit,
    X: np.ndarray,
    groups: Sequence[Sequence[int]] | None = None,
    own_weight: float = 0.0,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Minus log p(x_i | rest) - `own_weight` log p(x_i) of each value, free of units, in nats.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features)
        NaN is missing: zero.
    groups : sequence of sequences of int or None
        Columns that are taken together.
    own_weight : float
        How much a value by itself counts; see `skpc._outliers.expert.Expert`.
    max_bytes : int

    Returns
    -------
    (n, n_features) or (n, n_groups)
    """
    if groups is None:
        found = contributions(circuit, X, max_bytes=max_bytes)
    else:
        found = group_contributions(circuit, X, groups, max_bytes=max_bytes)
    for rows in row_blocks(len(X), 32 * X.shape[1], max_bytes):
        own = log_units(circuit, X[rows])
        if own_weight:
            own += own_weight * own_surprises(circuit, X[rows])
        if groups is not None:
            own = np.stack([own[:, np.unique(columns)].sum(axis=1) for columns in groups], axis=1)
        # A value that is impossible in all states leaves nothing to say of the others.
        found[rows] = np.nan_to_num(found[rows] + own, nan=0.0, posinf=FARTHEST, neginf=-FARTHEST)
    return found


def usual_rows(circuit: Circuit, n_features: int) -> np.ndarray:
    """Rows (128, n_features) that the circuit draws, always the same: how they are is usual."""
    return sample(circuit, _DRAWS, n_features, np.random.RandomState(_SEED))


def excesses(
    circuit: Circuit,
    X: np.ndarray,
    groups: Sequence[Sequence[int]] | None = None,
    own_weight: float = 0.0,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """`surprises` less what they are on average, in rows that show the same columns.

    The average, an entropy, is that of rows which the circuit itself draws. So it does not hold an
    outlier that a circuit has not seen, and a value is not surprising because another, which
    would tell of it, is missing.
    """
    found = surprises(circuit, X, groups, own_weight, max_bytes)
    drawn = usual_rows(circuit, X.shape[1])
    patterns, pattern_of = shown_patterns(X)
    usual = np.empty((len(patterns), found.shape[1]))
    for some in row_blocks(len(patterns), 32 * drawn.size, max_bytes):
        rows = np.where(patterns[some, None], drawn, np.nan).reshape(-1, X.shape[1])
        of_rows = surprises(circuit, rows, groups, own_weight, max_bytes)
        usual[some] = of_rows.reshape(-1, _DRAWS, found.shape[1]).mean(axis=1)
    for some in row_blocks(len(found), 8 * found.shape[1], max_bytes):
        found[some] -= usual[pattern_of[some]]
    return found


def own_excesses(circuit: Circuit, X: np.ndarray) -> np.ndarray:
    """How much more surprising values (n, n_features) are by themselves than usual, in nats."""
    drawn = usual_rows(circuit, X.shape[1])
    return own_surprises(circuit, X) - own_surprises(circuit, drawn).mean(axis=0)
