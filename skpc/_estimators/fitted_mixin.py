"""What fit leaves behind, as a mixin: stored, checked when it is read, and cut to some columns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skpc._checks import check_finite, checked_array, is_fitted, level_of_caller, reading, shown
from skpc._estimators.base import StoredMixin
from skpc._tables.columns import Columns

_LEARNT = ("circuit_", "categories_", "feature_types_", "n_features_in_", "_columns")
_FITTED = (
    "mu_",
    "log_likelihoods_",
    "validation_log_likelihoods_",
    "validation_run_log_likelihoods_",
    "best_iteration_",
    "n_iter_",
    "n_samples_seen_",
    "converged_",
    "fit_report_",
    "_split_seed",
)  # what marginal models share with the one that they are taken from


class FittedMixin(StoredMixin):
    """The state of a fitted density."""

    if TYPE_CHECKING:  # parameters and fitted attributes of a `SharpPCDensity`

        def __getattr__(self, name: str) -> Any: ...

    @property
    def n_latents_(self) -> int:
        """Number of states of each latent variable of the fitted circuit.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> SharpPCDensity(n_latents=2, random_state=0).fit(X).n_latents_
        2
        """
        check_is_fitted(self)
        return int(self.circuit_.n_latents)

    def marginal(self, features: Sequence[Any]) -> Self:
        """The model of some of the features: all others are summed out, exactly.

        Parameters
        ----------
        features : sequence of int or str
            Positions or names of columns, which the new model has in this order.

        Returns
        -------
        SharpPCDensity
            A fitted estimator over these columns. What it tells of the fit, such as
            `log_likelihoods_`, is that of this one.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> smaller = model.marginal([2, 0])
        >>> bool(np.isclose(smaller.score([[1, 0]]), model.score([[0, np.nan, 1]])))
        True
        """
        check_is_fitted(self)
        columns = self._positions(features, "features")
        if len(set(columns)) < len(columns):
            raise ValueError(f"features must name each column once; got {shown(list(features))}.")
        return self._marginal(columns)

    def _marginal(self, columns: list[int]) -> Self:
        """The model of the columns at some positions."""
        from skpc._queries.marginals import marginal

        parameters: dict[str, Any] = {"feature_types": [self.feature_types_[j] for j in columns]}
        if not isinstance(self.structure, str):
            parameters["structure"] = "chow-liu"
        groups = self._columns.groups(self.feature_groups)
        if groups:
            kept = [[columns.index(j) for j in group if j in columns] for group in groups]
            parameters["feature_groups"] = [group for group in kept if len(group) > 1]
        smaller = self._unfitted(**parameters)
        fitted = {name: value for name, value in vars(self).items() if name in _FITTED}
        smaller.__dict__.update(fitted)
        smaller.circuit_ = marginal(self.circuit_, np.array(columns))
        smaller.categories_ = [self.categories_[j] for j in columns]
        smaller.feature_types_ = parameters["feature_types"]
        smaller._columns = self._columns.take(columns)
        smaller.n_features_in_ = len(columns)
        if hasattr(self, "feature_names_in_"):
            smaller.feature_names_in_ = self.feature_names_in_[columns]
        return smaller

    def __getstate__(self) -> dict[str, Any]:
        from skpc import __version__

        state: Any = super().__getstate__()
        return {**state, "_skpc_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from skpc import __version__

        with reading(type(self).__name__):
            state = dict(state)
        version = state.pop("_skpc_version", "unknown")
        if version != __version__:
            warnings.warn(
                f"This model was written by skpc {version} and is read by {__version__}: it may "
                "fail or give other results. Fit it again.",
                UserWarning,
                stacklevel=level_of_caller(),
            )
        super().__setstate__(state)

    def _check_state(self) -> None:
        """Raise ValueError if what fit left behind does not fit together."""
        fitted = vars(self)
        if not is_fitted(self, (*_LEARNT, *_FITTED)):
            return
        if not isinstance(self._columns, Columns):
            raise ValueError(f"_columns must be Columns; got {type(self._columns).__name__}.")
        self._columns.check_estimator(self)
        self._columns.check_circuit(self.circuit_)
        if self.feature_types_ != [column.type for column in self._columns.columns]:
            raise ValueError("feature_types_ must be those of the columns.")
        self._columns.check_categories(self.categories_)
        if not 0 <= self.mu_ < np.inf or self.converged_ not in (True, False):
            raise ValueError(
                f"mu_ and converged_ are {shown(self.mu_)} and {shown(self.converged_)}."
            )
        if not 0 < self.n_samples_seen_ < np.inf:
            raise ValueError(
                f"n_samples_seen_ must be a weight above 0; got {shown(self.n_samples_seen_)}."
            )
        histories = {
            "log_likelihoods_": self.n_iter_,
            "validation_log_likelihoods_": None,
            "validation_run_log_likelihoods_": None,
        }
        for name, length in histories.items():
            if fitted[name] is not None or length is not None:
                check_finite(checked_array(fitted[name], name, float, (length,)), name)
        report = _checked_report(self.fit_report_)
        if not np.isclose(report["weight"].sum(), 1.0):
            raise ValueError("fit_report_ must have weights that sum to one.")
        for name in "best_iteration_", "_split_seed":
            value = fitted[name]
            if value is not None and not (isinstance(value, Integral) and int(value) >= 0):
                raise ValueError(
                    f"{name} must be None or an integer of at least 0; got {shown(value)}."
                )


def _checked_report(report: Any) -> dict[str, np.ndarray]:
    """The columns of numbers of a `fit_report_`, which all have an entry for each circuit."""
    from skpc._learning.report import TYPES

    if type(report) is not dict or {*report} != {*TYPES}:
        raise ValueError(f"fit_report_ must be a dict with the arrays {[*TYPES]}.")
    n_entries = len(report["candidate"])
    return {
        name: checked_array(report[name], f"fit_report_[{name!r}]", kind, (n_entries,))
        for name, kind in TYPES.items()
        if kind is not str
    }
