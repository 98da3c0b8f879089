"""What the densities of an outlier detector say of rows, and how a file keeps them."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._checks import is_fitted, restored, shown
from skpc._estimators.composed import check_held
from skpc._estimators.query_mixin import working_bytes
from skpc._estimators.with_indicators import columns_of_circuit
from skpc._outliers.conformal import Calibration
from skpc._outliers.known_rows import KnownRows
from skpc._outliers.number_grids import NumberGrids

if TYPE_CHECKING:
    from skpc._estimators.density import SharpPCDensity
    from skpc._outliers.expert import Expert

_PARTS = {"_known_rows": KnownRows, "_calibration": Calibration, "_number_grids": NumberGrids}


class JudgingMixin:
    """The experts of a fitted detector: what they say of rows, and their state."""

    if TYPE_CHECKING:
        estimator_: SharpPCDensity
        n_features_in_: int
        offset_: float
        _calibration: Calibration
        _experts: list[Expert]
        _known_rows: KnownRows
        _number_grids: NumberGrids

        def _fitted_density(self) -> SharpPCDensity: ...
        def _shown(self, matrix: Any) -> Any: ...

    def _judged(self, matrix: Any) -> np.ndarray:
        """The score (n_experts, n) of each row of a matrix by each expert."""
        from skpc._threads import each

        max_bytes = working_bytes() // len(self._experts)
        with self._fitted_density()._threads(matrix):
            return np.stack(each(lambda one: one.scores(matrix, max_bytes), self._experts))

    def _judge(self, matrix: Any) -> np.ndarray:
        """What `score_samples` gives for a matrix."""
        matrix = self._shown(matrix)
        places = self._known_rows.places(matrix)
        is_new = places < 0
        if is_new.all():  # without a copy
            return self._judged(matrix).mean(axis=0)
        scores = self._known_rows.scores[places]
        if is_new.any():
            scores[is_new] = self._judged(matrix[is_new]).mean(axis=0)
        return scores

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        if "_experts" in state:  # a file names no private part
            state["_experts"] = [dict(vars(expert)) for expert in self._experts]
            for name in _PARTS:
                state[name] = dict(vars(state[name]))
        return state

    def _check_state(self) -> None:
        parts = "estimator_", "offset_", "_experts", *_PARTS
        if not is_fitted(self, (*parts, "_names_of_rows", "n_features_in_")):
            return
        from skpc._outliers.expert import Expert

        self._experts = [restored(Expert, state) for state in self._experts]
        for name, kind in _PARTS.items():
            setattr(self, name, restored(kind, getattr(self, name)))
        check_held(self.estimator_, self, "estimator_")
        if not isinstance(self.offset_, Real) or not np.isfinite(self.offset_):
            raise ValueError(f"offset_ must be a finite number; got {shown(self.offset_)}.")
        self._known_rows.check(len(self._experts))
        self._calibration.check()
        columns = columns_of_circuit(self.estimator_)
        self._number_grids.check(len(columns.columns))
        for expert in self._experts:
            expert.check()
            columns.check_circuit(expert.circuit)
