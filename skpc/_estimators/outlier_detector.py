"""SharpPCOutlierDetector: densities that judge rows from which they did not learn."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import check_random_state

from skpc._data.scope import GAUSSIAN, NUMERIC
from skpc._estimators.base import all_or_nothing
from skpc._estimators.callbacks import Parts, with_callbacks
from skpc._estimators.composed import DelegatingMixin, share_names
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.explaining_mixin import ExplainingMixin
from skpc._estimators.judging_mixin import JudgingMixin
from skpc._estimators.query_mixin import working_bytes
from skpc._estimators.with_indicators import (
    indicate,
    indicated_validation,
    learns_missingness,
)
from skpc._outliers.conformal import Calibration
from skpc._outliers.known_rows import KnownRows
from skpc._outliers.number_grids import NumberGrids
from skpc._tables.columns import Columns, take_rows
from skpc._tables.drawing import in_memory
from skpc._tables.sklearn_private import Interval, RealNotInt, StrOptions, fit_context
from skpc._tables.validation import asked, check_weights, validate_table, warn_of_light

# The kernels' modules take half a second to import: they are imported where they are used.
if TYPE_CHECKING:
    from skpc._data.rows import Rows
    from skpc._estimators.missingness_density import SharpPCMissingnessDensity
    from skpc._outliers.expert import Expert

_N_COMPONENTS, _MAX_SAMPLES = 6, 512  # of few states, which do not learn outliers by heart
_N_FOLDS, _SHARE_OF_OTHERS = 5, 0.8  # of a density that is given: cross-fitting


# Its contributions are of one kind.
class SharpPCOutlierDetector(  # type: ignore[misc]
    ExplainingMixin, JudgingMixin, OutlierMixin, DelegatingMixin, BaseEstimator
):
    """Rows that several probabilistic circuits, each learnt from other rows, find improbable.

    Small densities are learnt from random subsets of the rows. The score of a row is the mean of
    what they say: a density that has learnt an outlier by heart is outvoted by those that have
    never seen it. A row that `fit` was given is judged by those alone that did not learn from it,
    as a new row is. The threshold, and `p_values`, come from these scores.

    Parameters
    ----------
    estimator : SharpPCDensity, SharpPCMissingnessDensity, int or None, default=None
        The density, whose copies are fitted; with the second, what a row lacks is judged like
        what it shows. None is one tree of 8 states that takes numbers for
        normal in each state as they are, so that what is far out stays far out
        (``SharpPCDensity(n_latents=8, mu=0.01, pseudocount=(1, 100))`` with "gaussian" for
        "numeric"), but for columns of positive numbers over several magnitudes, whose logarithms
        it takes for normal: see the notes. An int is the same with so many states.

    contamination : "auto" or float in (0, 0.5], default="auto"
        Share of *new* rows like most of those in X that are flagged: `offset_` is the score below
        which they are, as told by the scores of rows that were not learnt from. About as
        many of the rows of X are flagged. "auto" knows no share: a row is flagged if its
        score is below the lower quartile by more than three times the distance of quartile and
        median: 3 to 6 % of rows of numbers without outliers, twice that of fewer than 100.

    false_discovery_rate : float in (0, 1) or None, default=None
        If given, `predict` judges a table of new rows as a whole, by `p_values` and the procedure
        of Benjamini and Hochberg: of the rows that it flags, the expected share that is like X is
        at most this one. `contamination` cannot act then. Rows of X itself it does not flag.

    criterion : {"auto", "likelihood", "dependence"}, default="auto"
        What a density says of a row:

        - "likelihood": log p(x).
        - "dependence": log p(x) - sum_i log p(x_i), how well the values of a row go together,
          however rare each is. The better one for records that were mixed up.
        - "auto": log p(x) + 1/2 sum_i log p(x_i): rare values count more; a missing value counts
          as such values do on average. Of an `estimator` that is a SharpPCDensity "likelihood".

    n_components : int or "auto", default="auto"
        Number of densities; "auto" is 6, or 5 of an `estimator` that is a density. Of one
        alone the rows that it did not learn from make the threshold, and `p_values` are exact.

    max_samples : int, float in (0, 1) or "auto", default="auto"
        How many rows, or which share of them, each density learns from: at most half of them if it
        is an int. "auto" is 512, or 0.8 of an `estimator` that is a density. Few
        rows hold few outliers; where X has none, and is large, more may tell more.

    random_state : int, RandomState instance or None, default=None
        Seed of the densities, if their own `random_state` is None, and of the subsets; from an
        instance one is drawn.

    Attributes
    ----------
    estimator_ : SharpPCDensity or SharpPCMissingnessDensity
        The mixture of all densities, evenly weighted, as one. Whatever it can be asked can be
        asked of this estimator too; only scores of rows are others. What it reports of its
        learning is of the first density.

    offset_ : float
        Threshold: ``decision_function(X) = score_samples(X) - offset_``.

    n_features_in_ : int
        Number of columns seen in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X had string names.

    circuit_, categories_, feature_types_, mu_, log_likelihoods_, n_iter_, converged_, \
            validation_log_likelihoods_, validation_run_log_likelihoods_, best_iteration_, \
            n_parameters
        Those of `estimator_`.

    See Also
    --------
    skpc.plotting.ContributionsDisplay : A picture of what makes a row odd.
    sklearn.ensemble.IsolationForest : Outliers by random splits.

    Notes
    -----
    The mean of log-densities is that of a product of experts [1]_, but for a constant.

    Numbers are read by their logarithms where these are clearly nearer to normal: where of the
    normal distributions with the quantiles of 5 and 95 % that of the logarithms gives to what is
    between these at least half a nat more per value. Only positive quantiles have logarithms. Below
    the least positive value the scale is straight, so that zero and negative numbers are read too.
    `feature_types_` calls such a column "numeric", as its margin is lognormal. Its densities count
    per unit of the logarithm in scores, and in those of `estimator_` per unit of the column.

    A training row is told by its values: `score_samples`, `decision_function`, `p_values` and
    `predict` give any row that is equal to one, missing values included, the score by the
    densities without that one, and `feature_contributions` and `explain` ask the same. `score` is
    the mean of `score_samples`; `aic`, `bic` and all other queries are of `circuit_`. The model
    keeps of each distinct training row a digest, the score, and which densities judged it. A row
    of weight two is a row given twice, for the subsets and the threshold too.

    Columns of labels that nearly all differ name rows: a warning says so, and they are left out,
    unless `feature_types` of `estimator` calls them "categorical".

    References
    ----------
    .. [1] G. E. Hinton (2002). Training products of experts by minimizing contrastive divergence.
       Neural Computation 14(8).
    .. [2] S. Bates, E. Candes, L. Lei, Y. Romano and M. Sesia (2023). Testing for outliers with
       conformal p-values. Annals of Statistics 51(1).

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = SharpPCOutlierDetector(contamination=0.05, random_state=0).fit(X)
    >>> detector.predict([[0.0, 0.0], [9.0, 0.0]])
    array([ 1, -1])
    """

    __module__ = "skpc"  # where it is found, and by which files of models name it

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": "no_validation",  # with the rest of the template
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "false_discovery_rate": [None, Interval(Real, 0, 1, closed="neither")],
        "criterion": [StrOptions({"auto", "likelihood", "dependence"})],
        "n_components": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_samples": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
        ],
        "random_state": ["random_state"],
    }
    _accepted = "a SharpPCDensity, a SharpPCMissingnessDensity, a number of states or None"
    _takes_missingness = True
    _default_density: ClassVar[dict[str, Any]] = {
        "n_latents": 8,
        "mu": 0.01,
        "pseudocount": (1.0, 100.0),
    }
    _held = "estimator_"

    def __init__(
        self,
        estimator: SharpPCDensity | SharpPCMissingnessDensity | int | None = None,
        *,
        contamination: float | Literal["auto"] = "auto",
        false_discovery_rate: float | None = None,
        criterion: Literal["auto", "likelihood", "dependence"] = "auto",
        n_components: int | Literal["auto"] = "auto",
        max_samples: float | Literal["auto"] = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.contamination = contamination
        self.false_discovery_rate = false_discovery_rate
        self.criterion = criterion
        self.n_components = n_components
        self.max_samples = max_samples
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn the densities and the threshold.

        Parameters
        ----------
        X : array-like, frame or source of shape (n_samples, n_features)
            As for :meth:`SharpPCDensity.fit`. Of a source rows are drawn, 65,536 at most.
        y : None
            Ignored; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, in the densities and in the threshold.
        X_val : array-like or frame of shape (n_val, n_features), default=None
            Additional rows for validation, which turn early stopping on.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the rows of `X_val`.

        Returns
        -------
        SharpPCOutlierDetector
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, of the density too, or the data cannot be used.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20)
        >>> SharpPCOutlierDetector(random_state=0).fit(X).n_features_in_
        3
        """
        with all_or_nothing(self):
            types = self._template().feature_types
            X, sample_weight = in_memory(X, sample_weight, types, working_bytes())
            is_dense = learns_missingness(self.estimator)
            table = validate_table(self, X, reset=True, accept_sparse=not is_dense)
            self._refuse_both()
            density = self._seeded_density(X_val is not None)
            weights = check_weights(sample_weight, table)
            warn_of_light(weights)
            table, weights = take_rows(table, weights > 0), weights[weights > 0]
            numbers = NUMERIC if self._is_given() else GAUSSIAN
            columns = Columns.learn(table, density.feature_types, weights, numbers=numbers)
            validation = X_val, sample_weight_val
            self._fit_matrix(density, columns.to_matrix(table), weights, columns, validation)
        return self

    def _fit_matrix(
        self, density: SharpPCDensity, matrix: Any, weights: Any, columns: Columns, validation: Any
    ) -> None:
        """Learn from the weighted rows (n, n_features) of a matrix; see `_learn`."""
        self._names_of_rows = columns.names_of_rows(matrix, weights, density.feature_types)
        matrix, features = self._shown(matrix), None
        logs: tuple[int, ...] = ()
        if learns_missingness(self.estimator):
            features, matrix, joint = indicate(density, columns, matrix)
            validation = indicated_validation(density, columns, joint, features, validation)
            columns = joint
        elif not self._is_given():
            from skpc._tables.log_margins import with_log_margins

            columns, logs = with_log_margins(columns, matrix, weights)
        rows, first = density._encode(matrix, weights, columns).distinct_and_first()
        self._learn(density, rows, matrix[first], columns, validation, logs)
        if features is not None:
            self.estimator_ = self.estimator._holding(self.estimator_, features, self)

    def _is_given(self) -> bool:
        """Whether the density is the user's own."""
        return isinstance(self.estimator, SharpPCDensity) or learns_missingness(self.estimator)

    def _template(self) -> SharpPCDensity:
        if isinstance(self.estimator, Integral) and not isinstance(self.estimator, bool):
            return SharpPCDensity(**{**self._default_density, "n_latents": self.estimator})
        return super()._template()

    def _refuse_both(self) -> None:
        """Raise ValueError if two parameters say how rows are to be flagged."""
        if self.false_discovery_rate is not None and self.contamination != "auto":
            raise ValueError(
                f"contamination={self.contamination} cannot act beside false_discovery_rate="
                f"{self.false_discovery_rate}. Set contamination='auto', or the other to None."
            )

    @with_callbacks
    def _learn(
        self,
        density: SharpPCDensity,
        rows: Rows,
        matrix: Any,
        columns: Columns,
        validation: tuple[Any, Any],
        logs: tuple[int, ...],
    ) -> None:
        """Learn the densities, judge the rows by those without them, and set all attributes.

        Parameters
        ----------
        density : SharpPCDensity
            Not fitted yet.
        rows : Rows
            Distinct.
        matrix : (n, n_features) array or sparse matrix
            The same rows.
        columns : Columns
        validation : tuple of `X_val` and `sample_weight_val`
        logs : tuple of int
            Columns that are read by their logarithms.
        """
        from skpc._circuit.stack import stacked
        from skpc._learning.initialisation import column_moments
        from skpc._outliers.expert import Expert
        from skpc._outliers.subsets import honest_means, rows_of_subset

        learnt = self._subsets(rows, logs, check_random_state(density.random_state))
        of_table = column_moments(rows)
        is_plain = self.criterion == "auto" and self._is_given()
        criterion = "likelihood" if is_plain else self.criterion
        self._experts: list[Expert] = []
        parts = Parts(self, len(learnt))
        for place, weights in enumerate(learnt):
            of_rows = np.flatnonzero(weights)
            subset = rows_of_subset(rows, weights, matrix[of_rows], logs)
            one = clone(density) if place else density
            share_names(self, one)
            with parts.learning(one):
                if place == 0:
                    one._learn(subset, columns, validation, is_part=True, of_table=of_table)
                else:
                    one._learn_quietly(subset, columns, validation, of_table=of_table)
            seen = matrix[of_rows], weights[of_rows]
            with density._threads(seen[0]):
                expert = Expert.of(one.circuit_, criterion, *seen, working_bytes(), logs)
            self._experts.append(expert)
        parts.close()
        circuits = [expert.circuit for expert in self._experts]
        density.circuit_ = stacked(circuits, np.ones(len(circuits)))
        self.estimator_ = density
        self._number_grids = NumberGrids.of(matrix, rows.weights, columns, logs)
        scores, is_honest = honest_means(self._judged(matrix), learnt, rows.weights)
        judges = (learnt < rows.weights).T
        self._known_rows = KnownRows.of(matrix[is_honest], scores[is_honest], judges[is_honest])
        if not is_honest.any():  # of one row
            is_honest = ~is_honest
        self._calibration = Calibration.of(scores[is_honest], rows.weights[is_honest])
        if isinstance(self.contamination, str):
            self.offset_ = self._calibration.fence()
        else:
            self.offset_ = self._calibration.threshold(float(self.contamination))

    def _subsets(
        self, rows: Rows, logs: tuple[int, ...], seeds: np.random.RandomState
    ) -> np.ndarray:
        """How much of each row each density learns from."""
        from skpc._outliers.subsets import learnt_weights, measurements

        is_given = self._is_given()
        n_subsets, most = self.n_components, self.max_samples
        if isinstance(n_subsets, str):
            n_subsets = _N_FOLDS if is_given else _N_COMPONENTS
        if isinstance(most, str):
            most = _SHARE_OF_OTHERS if is_given else _MAX_SAMPLES
        return learnt_weights(rows.weights, measurements(rows, logs), most, n_subsets, seeds)

    def score_samples(self, X: Any) -> np.ndarray:
        """How normal each row is: the mean of what the densities say of it, by `criterion`.

        Of a row that `fit` was given, by those that did not learn from it: see the notes of
        :class:`SharpPCOutlierDetector`.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats, low for outliers.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20)
        >>> detector = SharpPCOutlierDetector(2, criterion="dependence", random_state=0)
        >>> detector.fit(X).score_samples([[0, 0, 0], [1, 0, 1]]) > 0
        array([ True, False])
        """
        return self._judge(self._validate(X))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean of `score_samples`, in nats: to compare detectors of one `criterion`.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows to score; NaN is missing.
        y : None
            Ignored; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the mean.

        Returns
        -------
        float
            Weighted mean.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20)
        >>> detector = SharpPCOutlierDetector(2, random_state=0).fit(X)
        >>> bool(np.isclose(detector.score(X), detector.score_samples(X).mean()))
        True
        """
        density = self._fitted_density()
        with asked(self):
            return density._mean(self._judge, X, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """Whether each row is an outlier.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            -1 for outliers, 1 for others.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> detector = SharpPCOutlierDetector(random_state=0).fit(X)
        >>> detector.predict([[0.0, 0.0], [9.0, 0.0]])
        array([ 1, -1])
        """
        return np.where(self._is_outlier(self.score_samples(X)), -1, 1)
