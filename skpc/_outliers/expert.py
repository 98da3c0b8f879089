"""A circuit that judges rows: how surprising the whole is, and how surprising each value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skpc._checks import check_finite, checked_array
from skpc._circuit.circuit import Circuit
from skpc._passes.blocks import DEFAULT_MAX_BYTES, dense, row_blocks
from skpc._passes.likelihood import log_likelihood
from skpc._queries.marginals import column_log_probs, log_likelihood_and_columns
from skpc._queries.surprises import log_units

OWN_WEIGHTS = {"auto": 0.5, "likelihood": 0.0, "dependence": -1.0}
"""How much the values by themselves count, beside the row, for each criterion."""

_BLOCK_ROWS = 1024
_FARTHEST = 1e100  # nats


@dataclass(frozen=True, eq=False)
class Expert:
    """A circuit, and the score that it gives a row.

    That is log p(x) plus `own_weight` times the sum of log p(x_i) over its columns, and for each
    missing value what it would have added on average. Some columns are read by logarithms, and
    their densities are those of logarithms: per unit of the column large values would be the less
    probable the larger they are.

    Parameters
    ----------
    circuit : Circuit
    own_weight : float
    typical : (n_features,) float
        What a value that is missing adds, in nats.
    logs : tuple of int
        Columns that have the margin of `skpc._tables.log_margins`.
    """

    circuit: Circuit
    own_weight: float
    typical: np.ndarray
    logs: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        circuit: Circuit,
        criterion: str,
        X: Any,
        weights: np.ndarray,
        max_bytes: int = DEFAULT_MAX_BYTES,
        logs: tuple[int, ...] = (),
    ) -> Expert:
        """With what is typical of weighted rows X (n, n_features), if `criterion` is "auto".

        That of a column is its mean log-probability by itself; and what columns tell of each other
        is shared evenly among all values. So a row without any value scores as rows do on average.
        """
        own_weight = OWN_WEIGHTS[criterion]
        if criterion != "auto":
            return cls(circuit, own_weight, np.zeros(X.shape[1]), logs)
        own, seen, joint = np.zeros(X.shape[1]), np.zeros(X.shape[1]), 0.0
        for first in range(0, X.shape[0], _BLOCK_ROWS):  # sums are the same whatever memory allows
            rows = slice(first, first + _BLOCK_ROWS)
            part, of_row = dense(X[rows]), weights[rows, None]
            units = _units(circuit, part, logs)
            own_logs = column_log_probs(circuit, part) - units
            own += (of_row * np.maximum(own_logs, -_FARTHEST)).sum(axis=0)
            seen += (of_row * ~np.isnan(part)).sum(axis=0)
            log_probs = log_likelihood(circuit, part, max_bytes=max_bytes)
            log_probs -= units.sum(axis=1)
            joint += float((weights[rows] * np.maximum(log_probs, -_FARTHEST)).sum())
        dependence = (joint - own.sum()) / max(float(seen.sum()), 1.0)
        typical = (1.0 + own_weight) * own / np.where(seen > 0.0, seen, 1.0) + dependence
        return cls(circuit, own_weight, typical, logs)

    def scores(self, X: Any, max_bytes: int = DEFAULT_MAX_BYTES) -> np.ndarray:
        """The score (n,) of each row of a matrix (n, n_features), dense or sparse; NaN missing."""
        if self.own_weight:
            scores = log_likelihood_and_columns(
                self.circuit, X, self.own_weight, self.typical, max_bytes=max_bytes
            )
        else:
            scores = log_likelihood(self.circuit, X, max_bytes=max_bytes)
        if self.logs and self.own_weight != -1.0:  # where units cancel
            for rows in row_blocks(X.shape[0], 32 * X.shape[1], max_bytes):
                units = _units(self.circuit, dense(X[rows]), self.logs).sum(axis=1)
                scores[rows] -= (1.0 + self.own_weight) * units
        return scores

    def check(self) -> None:
        """Raise ValueError unless there is a number for each column, and `logs` are columns."""
        typical = checked_array(self.typical, "typical nats of columns", float, (None,))
        check_finite(typical, "typical nats of columns")
        vars(self)["typical"] = typical
        is_tuple = isinstance(self.logs, tuple)
        if not is_tuple or not all(type(j) is int and 0 <= j < len(typical) for j in self.logs):
            raise ValueError("columns read by logarithms must be numbers of columns.")


def _units(circuit: Circuit, X: np.ndarray, logs: tuple[int, ...]) -> np.ndarray:
    """What units add to log densities (n, n_features) of columns that are read by logarithms."""
    units = np.zeros(X.shape)
    if logs:
        own = list(logs)
        units[:, own] = log_units(circuit, X)[:, own]
    return units
