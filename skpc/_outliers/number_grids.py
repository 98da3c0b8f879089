"""Between which numbers columns are, and on which levels: what is told of them stays there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.sparse import csc_array, issparse

from skpc._checks import checked_array
from skpc._tables.columns import Columns, dense_column


@dataclass(frozen=True, eq=False)
class NumberGrids:
    """The range and the levels of those columns of numbers that have neither categories nor margin.

    Such ones, or their logarithms, are normal in each state: their draws are as fine as can be.

    Parameters
    ----------
    low, high : (n_features,) float
        The least and the greatest value that was seen; NaN of other columns.
    step : (n_features,) float
        Distance of levels; 0 if there are none.
    digits : (n_features,) int
        Decimals of levels; -1 if they are none.
    """

    low: np.ndarray
    high: np.ndarray
    step: np.ndarray
    digits: np.ndarray

    @classmethod
    def of(
        cls, matrix: Any, weights: np.ndarray, columns: Columns, logs: Collection[int] = ()
    ) -> NumberGrids:
        """From weighted rows (n, n_features) of a matrix, dense or sparse.

        The margins of some columns, which are read by logarithms, know no levels.
        """
        from skpc._tables.margins import find_lattice  # which imports Numba

        n_features = len(columns.columns)
        low, high = np.full((2, n_features), np.nan)
        step, digits = np.zeros(n_features), np.full(n_features, -1)
        by_column = csc_array(matrix) if issparse(matrix) else matrix
        for j, column in enumerate(columns.columns):
            if column.categories is not None or (column.margin is not None and j not in logs):
                continue
            values = dense_column(by_column, j)
            is_seen = ~np.isnan(values)
            if is_seen.any():
                distinct = np.unique(values[is_seen]) + 0.0  # no negative zero
                low[j], high[j] = distinct[0], distinct[-1]
                step[j], digits[j] = find_lattice(distinct, float(weights[is_seen].sum()))
        return cls(low, high, step, digits)

    def nearest(self, column: int, values: np.ndarray) -> np.ndarray:
        """The values of a column that are next to these (n,); the same where nothing is known."""
        low, high, step = (float(part[column]) for part in (self.low, self.high, self.step))
        if np.isnan(low):
            return values
        values = np.clip(values, low, high)
        if step:
            values = low + np.rint((values - low) / step) * step
            if self.digits[column] >= 0:
                values = np.round(values, int(self.digits[column]))
        return np.clip(values, low, high)

    def check(self, n_features: int) -> None:
        """Raise ValueError unless there is a range, with levels or without, for each column."""
        for field in fields(self):
            kind = int if field.name == "digits" else float
            name = f"{field.name} of columns of numbers"
            vars(self)[field.name] = checked_array(
                getattr(self, field.name), name, kind, (n_features,)
            )
        is_known = ~np.isnan(self.low)
        has_range = (self.low <= self.high) & np.isfinite(self.high - self.low)
        has_levels = np.isfinite(self.step) & (self.step >= 0.0) & (self.digits >= -1)
        if (is_known & ~has_range).any() or not has_levels.all():
            raise ValueError("columns of numbers must be between two numbers, on levels or not.")
