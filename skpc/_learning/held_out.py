"""Rows held out: their weight is split, so that repetitions and weights stay the same."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from skpc._data.rows import Rows

_MAX_TOTAL_BITS = 29  # NumPy draws from at most 10^9 units


def held_out_weights(
    weights: np.ndarray, fraction: float, seed: int, is_whole: np.ndarray | None = None
) -> np.ndarray:
    """How much of each row's weight to hold out: units drawn without replacement.

    A weight consists of units of one, and one smaller unit if it is no integer. Of all
    units of all rows the nearest number to `fraction` is drawn, at least one and not all:
    on integers the same as drawing rows, however these were written down. Given how many
    are drawn in all, it is what a binomial draw for each row would give.

    Parameters
    ----------
    weights : (n,) positive
        Of distinct rows in canonical order.
    fraction : float
    seed : int
    is_whole : (n,) bool or None
        Rows of which all the weight is one unit.

    Returns
    -------
    (n,) from 0 to `weights`; what is left for training, ``weights`` less these, is exact.

    Raises
    ------
    ValueError
        If there is only one unit.
    """
    n_units, sizes = _units(weights, is_whole)
    n_all = int(n_units.sum())
    if n_all < 2:
        raise ValueError(
            f"early_stopping holds out {fraction} of the rows, for which there must be two of them "
            "or more; got one sample. Set early_stopping=False, or pass rows to validate on as "
            "X_val."
        )
    n_drawn = min(max(1, round(fraction * n_all)), n_all - 1)
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(
        n_units, n_drawn, method="marginals"
    )
    whole, part = np.split(drawn * sizes, 2)
    return whole + part


def fold_weights(
    weights: np.ndarray, n_folds: int, seed: int, is_whole: np.ndarray | None = None
) -> np.ndarray:
    """Split each row's weight over folds, which have as many units each, or one more.

    Units are those of `held_out_weights`: on integers it is a random partition of rows, however
    these were written down. There are as many folds as units if these are fewer.

    Parameters
    ----------
    weights : (n,) positive
        Of distinct rows in canonical order.
    n_folds : int
    seed : int
    is_whole : (n,) bool or None
        Rows of which all the weight is one unit.

    Returns
    -------
    (n_folds, n)
    """
    left, sizes = _units(weights, is_whole)
    n_all = int(left.sum())
    ends = np.linspace(0, n_all, min(n_folds, n_all) + 1).astype(np.int64)
    generator = np.random.default_rng(seed)
    folds = []
    for n_drawn in np.diff(ends)[:-1]:
        drawn = generator.multivariate_hypergeometric(left, n_drawn, method="marginals")
        folds.append(drawn)
        left = left - drawn
    return (np.stack([*folds, left]) * sizes).reshape(-1, 2, len(weights)).sum(axis=1)


def measured(rows: Rows, but: Collection[int] = ()) -> np.ndarray:
    """Which rows (n,) show a measurement: a number of a continuous column that is no atom.

    No new row repeats such a row: a copy held out would tell nothing that is new. Margins of some
    regions do not tell.
    """
    out = np.zeros(len(rows), bool)
    for region, scope in enumerate(rows.scopes):
        if scope.margin is not None and not scope.margin.step and region not in but:
            values = rows.evidence.column(region)
            out |= ~np.isnan(values) & ~np.isin(values, scope.margin.atoms)
    return out


def _units(weights: np.ndarray, is_whole: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """How many units weights consist of, and their sizes, (2 n,) each.

    Those of one first, then for each row the smaller one that is left, if any.
    """
    # Powers of two keep sums exact; the unit exceeds one for some 10^8 rows only.
    unit = 2.0 ** max(0, int(np.frexp(weights.sum())[1]) - _MAX_TOTAL_BITS)
    units = np.full(len(weights), unit)
    if is_whole is not None:
        units = np.where(is_whole, np.maximum(weights, unit), unit)
    n_whole = np.floor(weights / units)
    rest = weights - n_whole * units
    n_units = np.concatenate([n_whole, rest > 0]).astype(np.int64)
    return n_units, np.concatenate([units, rest])
