"""SharpPCMissingnessDensity: the density of values and of which of them are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skpc._checks import checked_n_samples, is_fitted
from skpc._estimators.base import all_or_nothing
from skpc._estimators.callbacks import Parts, with_callbacks
from skpc._estimators.composed import DelegatingMixin, check_held, share_names
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.dependence_mixin import DependenceMixin
from skpc._estimators.query_mixin import check_kind, working_bytes
from skpc._estimators.random_states import checked_random_state
from skpc._estimators.score_mixin import ScoreMixin
from skpc._estimators.with_indicators import (
    check_features,
    columns_of_circuit,
    indicate,
    indicated_validation,
)
from skpc._tables.columns import take_rows
from skpc._tables.holes import indicator_names
from skpc._tables.indicators import with_holes, with_indicators
from skpc._tables.sklearn_private import fit_context
from skpc._tables.sources import as_source
from skpc._tables.validation import check_weights, validate_table, warn_of_light


class SharpPCMissingnessDensity(  # type: ignore[override]  # n_parameters is not passed on
    ScoreMixin, DelegatingMixin, DensityMixin, BaseEstimator
):
    """Joint density of a table's values and of which of them are missing.

    A :class:`SharpPCDensity` sums missing values out, which is right if the reasons for which they
    are missing are in what the row shows. Here that a value is missing is data: each column with
    missing values gets an indicator, a column of its own in the tree, and one circuit is learnt of
    p(x_observed, missing). So what is missing tells of what is there, and the other way round.

    One rule says what a missing value in a query means. *Scores read it as data*: it is missing,
    as in the rows of `fit`. *Questions read it as unknown*: `condition`, `conditional_moments`,
    ``sample(given=...)`` and all others are answered by `density_`, the density of the values, in
    which indicators are summed out. `sample` draws rows with missing values, as there were.

    It may be the `estimator` of a :class:`SharpPCOutlierDetector` or :class:`SharpPCClassifier`,
    which then judge and classify rows by what they lack, too.

    Parameters
    ----------
    estimator : SharpPCDensity or None, default=None
        The density, cloned and then fitted by `fit`; None is ``SharpPCDensity()``. Its `structure`
        has a name: parents of columns say nothing of indicators.

    random_state : int, RandomState instance or None, default=None
        Where the density gets its seed from, if its own `random_state` is None.

    Attributes
    ----------
    density_ : SharpPCDensity
        The fitted density of the values, which answers questions. An imputer takes it as
        ``SharpPCImputer(FrozenEstimator(model.density_))``.

    circuit_ : skpc.circuit.Circuit
        The circuit over the columns and, behind them, the indicators of `missing_features_`: 1
        where the value is missing.

    missing_features_ : ndarray of shape (n_indicators,)
        Positions of the columns that had missing values in fit. In others a missing value is
        unknown everywhere: nothing can be learnt of it.

    categories_, feature_types_, mu_, log_likelihoods_, n_iter_, converged_, \
validation_log_likelihoods_, validation_run_log_likelihoods_, best_iteration_, n_latents_, \
fit_report_
        As of :class:`SharpPCDensity`: of the columns those of `density_`, of learning those of
        `circuit_`.

    n_features_in_ : int
        Number of columns seen in fit, without indicators.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X had string names.

    See Also
    --------
    SharpPCDensity : Sums missing values out.
    sklearn.impute.MissingIndicator : Makes indicators for any estimator.

    Notes
    -----
    With values x, of which o are observed, and indicators r the model is p(x, r), and the score of
    a row log p(x_o, r), the other values summed out. How values that are missing are distributed
    *given that they are* is not in the data: the tree ties them to what they go along with in
    rows where they are observed.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity, SharpPCMissingnessDensity
    >>> X = np.array([[0, 0], [0, 1], [1, np.nan], [1, np.nan]] * 10)
    >>> density = SharpPCDensity(n_latents=2, random_state=0)
    >>> model = SharpPCMissingnessDensity(density).fit(X)
    >>> model.score_samples([[1, np.nan], [0, np.nan]]).round(1)
    array([-0.7, -4.4])
    >>> model.density_.score_samples([[1, np.nan], [0, np.nan]]).round(1)
    array([-0.7, -0.7])
    """

    __module__ = "skpc"  # where it is found, and by which files of models name it
    _held = "density_"
    _learns_missingness = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": "no_validation",  # with the rest of the template
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: SharpPCDensity | None = None,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        sample_weight_val: Any = None,
    ) -> SharpPCMissingnessDensity:
        """Learn the density of values and indicators.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            As for :meth:`SharpPCDensity.fit`, not sparse, and no source. Every column needs a
            value.
        y : None
            Ignored; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row: one of weight two is a row given twice.
        X_val : array-like or frame of shape (n_val, n_features), default=None
            Additional rows for validation, which turn early stopping on.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the rows of `X_val`.

        Returns
        -------
        SharpPCMissingnessDensity
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, of the density too, or the data cannot be used. The estimator is then
            as it was before.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCMissingnessDensity
        >>> X = np.array([[0, 0], [0, 1], [1, np.nan], [1, np.nan]] * 10)
        >>> density = SharpPCDensity(n_latents=2, random_state=0)
        >>> SharpPCMissingnessDensity(density).fit(X).missing_features_
        array([1])
        """
        with all_or_nothing(self):
            if as_source(X, working_bytes()) is not None:
                raise ValueError(
                    "SharpPCMissingnessDensity learns from tables in memory, and X is a source "
                    "of chunks. Pass an array or a frame."
                )
            table = validate_table(self, X, reset=True, accept_sparse=False)
            density = self._seeded_density(X_val is not None)
            weights = check_weights(sample_weight, table)
            warn_of_light(weights)
            table, weights = take_rows(table, weights > 0), weights[weights > 0]
            self._learn(density, table, weights, (X_val, sample_weight_val))
        return self

    @with_callbacks
    def _learn(
        self,
        density: SharpPCDensity,
        table: Any,
        weights: np.ndarray,
        validation: tuple[Any, Any],
    ) -> None:
        """Learn the joint density from a validated table, and set all that `fit` sets."""
        columns = density._learn_columns(table, weights)
        features, matrix, joint = indicate(density, columns, columns.to_matrix(table))
        rows = density._encode(matrix, weights, joint).distinct()
        validation = indicated_validation(density, columns, joint, features, validation)
        parts = Parts(self, 1)
        with parts.learning(density):
            density._learn(rows, joint, validation)
        parts.close()
        self._take(density, features)

    def _take(self, density: SharpPCDensity, features: np.ndarray) -> None:
        """Take a density of values and of indicators of some columns, that is fitted."""
        self.missing_features_ = features
        self.circuit_ = density.circuit_
        self.density_ = density._marginal([*range(self.n_features_in_)])

    def _holding(self, density: SharpPCDensity, features: np.ndarray, seen: Any) -> Self:
        """A copy with such a density, of the columns that another estimator saw."""
        fitted = clone(self)
        share_names(seen, fitted)
        fitted._take(density, features)
        return fitted

    def score_samples(self, X: Any) -> np.ndarray:
        """Exact log-likelihood of what each row shows, and of what is missing.

        Parameters
        ----------
        X : array-like, frame or source of shape (n_samples, n_features)
            Rows to score. NaN is data in the columns of `missing_features_`, and is summed out in
            others.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log-likelihoods log p(x_observed, missing) in nats; as of
            :meth:`SharpPCDensity.score_samples`, but that a row without any value has the
            probability of being that.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCMissingnessDensity
        >>> X = np.array([[0, 0], [0, 1], [1, np.nan], [1, np.nan]] * 10)
        >>> density = SharpPCDensity(n_latents=2, random_state=0)
        >>> SharpPCMissingnessDensity(density).fit(X).score_samples([[np.nan, np.nan]]).round(1)
        array([-0.7])
        """
        return super().score_samples(X)

    def sample(
        self,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = None,
        *,
        given: Any = None,
    ) -> Any:
        """Draw rows from the model, exactly: with missing values, unless some are to be completed.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, of each row of `given` if there is one.
        random_state : int, RandomState instance or None, default=None
            Where the randomness comes from; None gives new rows each time.
        given : array-like or frame of shape (n_given, n_features), or one row, default=None
            Rows to complete: what they show stays, what is missing is unknown and is drawn, by
            `density_`. One row may be a dict or a series of some columns.

        Returns
        -------
        array or frame of shape (n_samples, `n_features_in_`)
            As of :meth:`SharpPCDensity.sample`.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCMissingnessDensity
        >>> X = np.array([[0, 0], [0, 1], [1, np.nan], [1, np.nan]] * 10)
        >>> density = SharpPCDensity(n_latents=2, random_state=0)
        >>> model = SharpPCMissingnessDensity(density).fit(X)
        >>> np.isnan(model.sample(1000, random_state=0)).mean(axis=0).round(1)
        array([0. , 0.5])
        """
        density = self._fitted_density()
        if given is not None:
            return density.sample(n_samples, random_state, given=given)
        n_rows = checked_n_samples(n_samples)
        from skpc._queries.sampling import sample

        generator = checked_random_state(random_state)
        n_columns = self.n_features_in_
        width = n_columns + len(self.missing_features_)
        matrix = sample(self.circuit_, n_rows, width, generator)
        table = density._columns.to_table(matrix[:, :n_columns])
        return with_holes(table, self.missing_features_, matrix[:, n_columns:] == 1.0)

    def feature_contributions(
        self,
        X: Any,
        groups: Mapping[Any, Sequence[Any]] | None = None,
        kind: Literal["excess", "surprise"] = "excess",
    ) -> np.ndarray:
        """How surprising each value of a row, or its absence, is given the rest of the row.

        The surprise is -log p(x_i, missing_i | all else), exactly, in one pass for each column or
        group.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is data in the columns of `missing_features_`; in others its surprise is zero.
        groups : dict or None, default=None
            Sets of columns, by names or positions, each under a name of its own, which are taken
            together with their indicators. They may overlap.
        kind : {"excess", "surprise"}, default="excess"
            What a contribution is: the surprise, less what it is on average in 128 rows that the
            model draws, with missing values, or the surprise as it is.

        Returns
        -------
        ndarray of shape (n_samples, n_features), or (n_samples, n_groups)
            In nats; groups in the order of the dict.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCMissingnessDensity
        >>> X = np.array([[0, 0], [0, 1], [1, np.nan], [1, np.nan]] * 10)
        >>> density = SharpPCDensity(n_latents=2, random_state=0)
        >>> model = SharpPCMissingnessDensity(density).fit(X)
        >>> model.feature_contributions([[1, np.nan], [0, np.nan]], kind="surprise")[:, 1].round(1)
        array([0. , 3.7])
        """
        check_kind(kind)
        matrix = self._validate(X)
        if kind == "excess":
            return self._excesses(matrix, groups)
        from skpc._queries.contributions import group_contributions

        positions = self._with_own_indicators(groups)
        with self._threads(matrix):
            return group_contributions(self.circuit_, matrix, positions, max_bytes=working_bytes())

    def _excesses(self, matrix: np.ndarray, groups: Any = None) -> np.ndarray:
        """The contributions, of columns or groups, of the kind "excess" to a matrix."""
        from skpc._queries.surprises import surprises, usual_rows

        circuit, positions = self.circuit_, self._with_own_indicators(groups)
        with self._threads(matrix):
            usual = self._punched(usual_rows(circuit, matrix.shape[1]))
            found, on_average = (
                surprises(circuit, rows, positions, max_bytes=working_bytes())
                for rows in (matrix, usual)
            )
            return found - on_average.mean(axis=0)

    def _with_own_indicators(self, groups: Any = None) -> list[list[int]]:
        """Groups of columns, or each by itself, together with the indicators of its columns."""
        positions = [[j] for j in range(self.n_features_in_)]
        if groups is not None:
            positions = self.density_._group_positions(groups)
        place = {j: self.n_features_in_ + i for i, j in enumerate(self.missing_features_.tolist())}
        return [[*own, *(place[j] for j in own if j in place)] for own in positions]

    def _punched(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix of drawn values and indicators without the values that these take away."""
        values, indicators = np.split(matrix, [self.n_features_in_], axis=1)
        return np.hstack(
            [with_holes(values.copy(), self.missing_features_, indicators == 1.0), indicators]
        )

    structure_frame = DependenceMixin.structure_frame

    def _feature_names(self) -> list[str]:
        names = self.density_._feature_names()
        return [*names, *indicator_names(names, self.missing_features_)]

    def _validate(self, X: Any) -> np.ndarray:
        """The matrix of a table to score, with its indicators."""
        check_is_fitted(self, "density_")
        table = validate_table(self, X, reset=False, accept_sparse=False)
        return with_indicators(self.density_._columns.to_matrix(table), self.missing_features_)

    def _threads(self, X: Any) -> AbstractContextManager[None]:
        return self.density_._threads(X)

    def _hessian_trace(self, X: np.ndarray) -> np.ndarray:
        from skpc.curvature import hessian_trace

        n_jobs = self.density_.n_jobs
        return hessian_trace(self.circuit_, X, n_jobs=n_jobs, max_bytes=working_bytes())

    def _check_state(self) -> None:
        if not is_fitted(self, ("density_", "circuit_", "missing_features_", "n_features_in_")):
            return
        check_held(self.density_, self, "density_")
        check_features(self.missing_features_, self.n_features_in_)
        columns_of_circuit(self).check_circuit(self.circuit_)
