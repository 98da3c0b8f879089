"""SharpPCOutlierDetector: a density with a threshold."""

from __future__ import annotations

import hashlib
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import check_random_state

from skpc._checks import check_finite, checked_array, is_fitted, shown
from skpc._estimators.base import all_or_nothing
from skpc._estimators.composed import DelegatingMixin, check_held, drawn_seed, share_names
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.settings import N_FOLDS
from skpc._tables.columns import Columns, take_rows
from skpc._tables.sklearn_private import Interval, StrOptions, fit_context
from skpc._tables.validation import check_weights, validate_table, warn_of_light

if TYPE_CHECKING:
    from skpc._data.rows import Rows
    from skpc._learning.initialisation import ColumnMoments

_AUTO_CONTAMINATION = 0.1
_BLOCK_CELLS = 2**20
_KEY_DTYPE = np.dtype("S16")


class SharpPCOutlierDetector(OutlierMixin, DelegatingMixin, BaseEstimator):
    """Rows that a probabilistic circuit finds improbable.

    The density is a :class:`SharpPCDensity`. A row is an outlier if its score is below a quantile
    of scores of rows that were not learnt from. Missing values are summed out, exactly: a row with
    few values is judged by what it shows, and has a higher likelihood than if it showed more.

    Every row is judged by models that did not learn from it. For new rows that is the density.
    For the rows that `fit` was given there are five more, each learnt without a fifth of their
    weight: a training row keeps the score of the models without it, averaged by how much of
    its weight each was without. So `fit` takes six times as long as that of the density.

    Parameters
    ----------
    estimator : SharpPCDensity or None, default=None
        The density, whose copies are fitted and which is not changed; None is
        ``SharpPCDensity(n_latents=16, mu=0.01)``: what is rare is judged by the tails of the
        density, which a penalty keeps open. Where training rows are clean, several trees
        (`n_components`) can tell anomalies apart much better, as on pictures; they also model
        outliers among those rows.

    contamination : "auto" or float in (0, 0.5], default="auto"
        Share of rows, by weight, that are outliers: `offset_` is that quantile of the training
        rows' scores by models without them, and so about that share of *new* rows of the same
        kind is flagged too. "auto" is 0.1, the quantile that scikit-learn's EllipticEnvelope takes:
        it says nothing of the data. Scores of discrete data tie: then other than that
        share may be flagged. Choose the share where you know it, or compare `score_samples`
        with a threshold of your own.

    criterion : {"likelihood", "dependence"}, default="likelihood"
        What `score_samples` gives: the log-likelihood, or
        :meth:`~SharpPCDensity.pointwise_total_correlation`: how well the values of a row go
        together, however rare each is. The second is the better one for rows whose values are
        each plausible, such as records that were mixed up; not for extreme values.

    trim : float in [0, 0.5), default=0
        Share of the weight that nothing is learnt from: the rows with the lowest scores by
        models without them. Outliers that a flexible model memorised then no longer hide.
        A category that only such rows have is known, but without counts. A little more than
        `contamination` is a good choice. The threshold refers to all rows. `fit` then takes
        eleven times as long as that of the density.

    random_state : int, RandomState instance or None, default=None
        Seed of the density, if its own `random_state` is None; from an instance one is drawn.

    Attributes
    ----------
    estimator_ : SharpPCDensity
        The fitted density, which judges new rows. Whatever it can be asked can be asked of this
        estimator too; only scores of rows are others.

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
    SharpPCDensity.feature_contributions : Which column makes a row strange.
    sklearn.ensemble.IsolationForest : Outliers by random splits.

    Notes
    -----
    A training row is told by its values: `score_samples`, `decision_function` and `predict` give
    any row that is equal to one, missing values included, the score of the models without that
    one, not its log-likelihood under `circuit_`, which would be higher. `score` is the mean of
    `score_samples`; `aic`, `bic` and all other queries are of `circuit_`. The model keeps
    a digest and the score of each distinct training row. Of fewer than five rows, by weight,
    none can be spared, and all are judged by `circuit_`.

    A row of weight two is a row given twice, for the folds and the threshold too. The quantile
    of the weighted scores is that of the inverted distribution function, averaged where it jumps.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity, SharpPCOutlierDetector
    >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
    >>> density = SharpPCDensity(n_latents=2, random_state=0)
    >>> detector = SharpPCOutlierDetector(density, contamination=0.03).fit(X)
    >>> detector.predict([[0, 0, 0], [1, 0, 1]])
    array([ 1, -1])
    """

    __module__ = "skpc"  # where it is found, and by which files of models name it

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": "no_validation",  # with the rest of the template
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "criterion": [StrOptions({"likelihood", "dependence"})],
        "trim": [Interval(Real, 0, 0.5, closed="left")],
        "random_state": ["random_state"],
    }
    _default_density: ClassVar[dict[str, Any]] = {"n_latents": 16, "mu": 0.01}
    _held = "estimator_"

    def __init__(
        self,
        estimator: SharpPCDensity | None = None,
        *,
        contamination: float | str = "auto",
        criterion: str = "likelihood",
        trim: float = 0.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.contamination = contamination
        self.criterion = criterion
        self.trim = trim
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
    ) -> SharpPCOutlierDetector:
        """Learn the density and the threshold.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            As for :meth:`SharpPCDensity.fit`.
        y : None
            Ignored; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, in the density and in the threshold.
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
            If a parameter, of the density too, or the data cannot be used, or a parameter is set
            that cannot act. The estimator is then as it was before.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
        >>> density = SharpPCDensity(n_latents=2, random_state=0)
        >>> SharpPCOutlierDetector(density, trim=0.03).fit(X).n_features_in_
        3
        """
        with all_or_nothing(self):
            table = validate_table(self, X, reset=True)
            density = self._new_density()
            if density.random_state is None:
                is_seed = isinstance(self.random_state, Integral)
                seeds = check_random_state(self.random_state)
                density.random_state = self.random_state if is_seed else drawn_seed(seeds)
            density._refuse_inert(X_val is not None)
            weights = check_weights(sample_weight, table)
            warn_of_light(weights)
            table, weights = take_rows(table, weights > 0), weights[weights > 0]
            columns = density._learn_columns(table, weights)
            matrix = columns.to_matrix(table)
            rows, first = density._encode(matrix, weights, columns).distinct_and_first()
            self._learn(density, rows, matrix[first], columns, (X_val, sample_weight_val))
        return self

    def _learn(
        self,
        density: SharpPCDensity,
        rows: Rows,
        matrix: Any,
        columns: Columns,
        validation: tuple[Any, Any],
    ) -> None:
        """Learn the density and the threshold.

        Parameters
        ----------
        density : SharpPCDensity
            Not fitted yet.
        rows : Rows
            Distinct.
        matrix : (n, n_features) array or sparse matrix
            The same rows.
        columns : Columns
        validation : pair
            `X_val` and `sample_weight_val`.
        """
        from skpc._learning.initialisation import column_moments

        of_table = column_moments(rows)
        judge = partial(self._scores_without, density, rows, matrix, columns, validation, of_table)
        kept = np.ones(len(rows), bool)
        if self.trim > 0:
            scores = judge(kept)
            if scores is not None:
                kept = scores >= weighted_quantile(scores, rows.weights, self.trim)
        learnt = rows if kept.all() else rows.take(np.flatnonzero(kept)).without_unused()
        density._learn(learnt, columns, validation, of_table=of_table)
        scores, known_rows = judge(kept), None
        if scores is None:
            scores = self._judged_by(density, matrix)
        else:
            keys = row_keys(matrix)
            by_key = np.argsort(keys)
            known_rows = keys[by_key], scores[by_key]
        contamination = self.contamination
        if isinstance(contamination, str):
            contamination = _AUTO_CONTAMINATION
        self.estimator_ = density
        self.offset_ = weighted_quantile(scores, rows.weights, contamination)
        self._known_rows = known_rows

    def _scores_without(
        self,
        template: SharpPCDensity,
        rows: Rows,
        matrix: Any,
        columns: Columns,
        validation: tuple[Any, Any],
        of_table: ColumnMoments,
        kept: np.ndarray,
    ) -> np.ndarray | None:
        """The score of each row by models that did not learn from it; None of too few rows.

        Parameters
        ----------
        template : SharpPCDensity
            Not fitted yet.
        rows, matrix, columns, validation : see `_learn`
        of_table : ColumnMoments
            Of all rows.
        kept : (n,) bool
            Which rows may be learnt from at all.
        """
        from skpc._learning.held_out import fold_weights
        from skpc._tables.margins import with_own_margins

        weights = rows.weights
        seeds = check_random_state(template.random_state)
        seed, seed_of_fits = seeds.randint(np.iinfo(np.int32).max, size=2).tolist()
        if any(column.categories is None for column in columns.columns):
            # No new row repeats a row of numbers: a copy in another fold would give it away.
            folds = weights * fold_weights(np.ones(len(weights)), N_FOLDS, seed)
        else:
            folds = fold_weights(weights, N_FOLDS, seed)
        if len(folds) < N_FOLDS:
            return None
        scores = np.zeros(len(weights))
        for fold in folds:
            left = np.where(kept, weights - fold, 0.0)
            if not left.any():
                left = np.where(kept, weights, 0.0)
            learnt, judged = rows.reweighted(left).without_unused(), np.flatnonzero(fold)
            learnt = with_own_margins(learnt)
            density = clone(template).set_params(random_state=seed_of_fits)
            share_names(self, density)
            density._learn_quietly(learnt, columns, validation, of_table=of_table)
            share = fold[judged] / weights[judged]
            scores[judged] += share * self._judged_by(density, matrix[judged])
        return scores

    def _check_state(self) -> None:
        if not is_fitted(self, ("estimator_", "offset_", "_known_rows", "n_features_in_")):
            return
        check_held(self.estimator_, self, "estimator_")
        if not isinstance(self.offset_, Real) or not np.isfinite(self.offset_):
            raise ValueError(f"offset_ must be a finite number; got {shown(self.offset_)}.")
        if self._known_rows is not None:
            keys, scores = self._known_rows
            scores = checked_array(scores, "scores of the rows learnt from", float, (None,))
            check_finite(scores, "scores of the rows learnt from")
            is_array = type(keys) in (np.ndarray, np.memmap)
            if not is_array or keys.dtype != _KEY_DTYPE or keys.shape != scores.shape:
                raise ValueError("the rows learnt from must be known by as many keys as scores.")
            if (keys[1:] <= keys[:-1]).any():
                raise ValueError("keys of the rows learnt from must be sorted, each once.")

    def score_samples(self, X: Any) -> np.ndarray:
        """How normal each row is: the log-likelihood, or what `criterion` says.

        Of a row that `fit` was given, that by models that did not learn from it: see the notes of
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
        >>> from skpc import SharpPCDensity, SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
        >>> density = SharpPCDensity(n_latents=2, random_state=0)
        >>> detector = SharpPCOutlierDetector(density, criterion="dependence")
        >>> detector.fit(X).score_samples([[0, 0, 0], [1, 0, 1]]) > 0
        array([ True, False])
        """
        return self._judge(self._fitted_density()._validate(X))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean of `score_samples`, in nats.

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
        >>> from skpc import SharpPCDensity, SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
        >>> detector = SharpPCOutlierDetector(SharpPCDensity(n_latents=2, random_state=0)).fit(X)
        >>> bool(np.isclose(detector.score(X), detector.score_samples(X).mean()))
        True
        """
        return self._fitted_density()._mean(self._judge, X, sample_weight)

    def _judge(self, matrix: Any) -> np.ndarray:
        """What `score_samples` gives for a matrix."""
        density = self._fitted_density()
        if self._known_rows is None:
            return self._judged_by(density, matrix)
        known, scores_of_known = self._known_rows
        keys = row_keys(matrix)
        position = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        scores = scores_of_known[position]
        is_new = known[position] != keys
        if is_new.any():
            scores[is_new] = self._judged_by(density, matrix[is_new])
        return scores

    def _judged_by(self, density: SharpPCDensity, matrix: Any) -> np.ndarray:
        """Scores by the circuit of a density."""
        if self.criterion == "likelihood":
            return density._score_samples(matrix)
        return density._pointwise_total_correlation(matrix)

    def decision_function(self, X: Any) -> np.ndarray:
        """Score above the threshold: negative for outliers.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``, in nats.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
        >>> density = SharpPCDensity(n_latents=2, random_state=0)
        >>> detector = SharpPCOutlierDetector(density, contamination=0.03).fit(X)
        >>> detector.decision_function([[0, 0, 0], [1, 0, 1]]) < 0
        array([False,  True])
        """
        return self.score_samples(X) - self.offset_

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
        >>> from skpc import SharpPCDensity, SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
        >>> density = SharpPCDensity(n_latents=2, random_state=0)
        >>> detector = SharpPCOutlierDetector(density, contamination=0.03).fit(X)
        >>> detector.predict([[0, 0, 0], [1, 0, 1]])
        array([ 1, -1])
        """
        return np.where(self.decision_function(X) < 0, -1, 1)


def row_keys(matrix: Any) -> np.ndarray:
    """A digest (n,) of 16 bytes of what each row shows; NaN is like NaN."""
    step = max(1, _BLOCK_CELLS // max(1, matrix.shape[1]))
    keys = np.empty(matrix.shape[0], _KEY_DTYPE)
    for start in range(0, matrix.shape[0], step):
        part = matrix[start : start + step]
        block = np.array(part.toarray() if issparse(part) else part, "<f8", order="C")
        block += 0.0  # no negative zero
        block[np.isnan(block)] = np.nan
        keys[start : start + step] = [
            hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in block
        ]
    return keys


def weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The smallest value whose cumulative weight exceeds a share of the total one.

    Averaged with the one before if that has exactly this share. Values of weight zero do not
    count.
    """
    distinct, inverse = np.unique(values[weights > 0], return_inverse=True)
    # Sorted, equal values are always added in the same order.
    order = np.lexsort((weights[weights > 0], inverse))
    totals = np.bincount(inverse[order], weights[weights > 0][order])
    cumulative = np.cumsum(totals)
    wanted = share * cumulative[-1]
    rounding = 1e-12 * cumulative[-1]
    i = min(int(np.searchsorted(cumulative, wanted + rounding, side="right")), len(distinct) - 1)
    if i > 0 and abs(cumulative[i - 1] - wanted) <= rounding:
        return float((distinct[i - 1] + distinct[i]) / 2)
    return float(distinct[i])
