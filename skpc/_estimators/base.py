"""What all estimators share: what is stored of them, and fits that may fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._checks import reading
from skpc._tables.columns import Columns

SKOPS_TRUSTED_TYPES = (
    "skpc.circuit.Circuit",
    "skpc.SharpPCClassifier",
    "skpc.SharpPCDensity",
    "skpc.SharpPCDensityCV",
    "skpc.SharpPCImputer",
    "skpc.SharpPCMissingnessDensity",
    "skpc.SharpPCOutlierDetector",
)
"""The types of which fitted models consist, as `skops.io.load` wants to be told as `trusted`."""


class StoredMixin:
    """Lets an estimator look at what it has read from a file before anybody asks it."""

    if TYPE_CHECKING:  # of scikit-learn
        n_features_in_: int
        feature_names_in_: np.ndarray

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())  # type: ignore[call-overload]
        if isinstance(state.get("_columns"), Columns):  # a file names no private part
            state["_columns"] = state["_columns"].__getstate__()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        with reading(type(self).__name__):
            state = dict(state)
            if isinstance(state.get("_columns"), dict):
                columns = object.__new__(Columns)
                columns.__setstate__(state["_columns"])
                state["_columns"] = columns
            super().__setstate__(state)  # type: ignore[misc]
            self._check_state()

    def _check_state(self) -> None:
        """Raise ValueError if what fit left behind does not fit together."""
        raise NotImplementedError


@contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """Leave nothing half-fitted behind: what was fitted before still is after a fit that fails."""
    former = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(former)
        raise
