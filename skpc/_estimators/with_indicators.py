"""Learning from values and from which of them are missing: what estimators share that do."""

from __future__ import annotations

from typing import Any

import numpy as np

from skpc._checks import checked_array, shown
from skpc._estimators.density import SharpPCDensity
from skpc._tables.columns import Columns
from skpc._tables.indicators import columns_with_holes, indicated, with_indicators


def learns_missingness(template: Any) -> bool:
    """Whether this is a `SharpPCMissingnessDensity`."""
    return bool(getattr(template, "_learns_missingness", False))


def indicate(
    density: SharpPCDensity, columns: Columns, matrix: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Columns]:
    """Have an unfitted density learn which values of a matrix (n, d) are missing, too.

    Returns
    -------
    features : (m,)
        Positions of the columns in which a value is missing.
    matrix : (n, d + m)
        With an indicator for each of these.
    joint : Columns
        How that is read.
    """
    if not isinstance(density.structure, str):
        raise ValueError(
            f"structure={shown(density.structure)} gives parents of columns, and "
            "SharpPCMissingnessDensity adds indicators, which have none. Set a name, such "
            "as structure='chow-liu'."
        )
    name_groups(density, columns)
    features = columns_with_holes(matrix)
    return features, with_indicators(matrix, features), indicated(columns, features)


def name_groups(density: SharpPCDensity, columns: Columns) -> None:
    """Name the columns of groups that are given, if they have names: others may follow them."""
    groups = columns.groups(density.feature_groups)
    if groups:
        names = columns.names
        named = groups if names is None else [[names[j] for j in group] for group in groups]
        density.feature_groups = named


def indicated_validation(
    density: SharpPCDensity,
    columns: Columns,
    joint: Columns,
    features: np.ndarray,
    validation: tuple[Any, Any],
) -> tuple[Any, None]:
    """What `SharpPCDensity._learn` takes for `X_val` and its weights: encoded with indicators."""
    found = density._validation_matrix(columns, *validation)
    if found is None:
        return None, None
    matrix = with_indicators(found[0], features)
    return density._encode(matrix, found[1], joint).distinct(), None


def columns_of_circuit(held: Any) -> Columns:
    """How the columns are read that the circuit of a fitted density has, indicators among them."""
    if learns_missingness(held):
        return indicated(held.density_._columns, held.missing_features_)
    columns: Columns = held._columns
    return columns


def check_features(features: Any, n_features: int) -> None:
    """Raise ValueError unless these are `missing_features_` of a table of so many columns."""
    found = checked_array(features, "missing_features_", int, (None,))
    if not np.isin(found, np.arange(n_features)).all() or (np.diff(found) <= 0).any():
        raise ValueError("missing_features_ must be positions of columns, in their order.")
