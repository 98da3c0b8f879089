"""SharpPCOutlierDetector: a density with a threshold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import OutlierMixin
from sklearn.utils import check_random_state

from skpc._checks import check_finite, checked_array, is_fitted, shown
from skpc._data.scope import GAUSSIAN
from skpc._estimators.density import SharpPCDensity
from skpc._tables.columns import Columns
from skpc._tables.sklearn_private import Interval, StrOptions, fit_context

if TYPE_CHECKING:
    from skpc._learning.initialisation import Moments

_AUTO_CONTAMINATION = 0.1
_N_FOLDS = 5
_BLOCK_CELLS = 2**20
_KEY_DTYPE = np.dtype("S16")


class SharpPCOutlierDetector(OutlierMixin, SharpPCDensity):
    """Rows that a probabilistic circuit finds improbable.

    The density is that of :class:`SharpPCDensity`, with its parameters. A row is an outlier if
    its score is below a quantile of scores of rows that were not learnt from. Missing values are
    summed out, exactly: a row with few values is judged by what it shows, and has a higher
    likelihood than if it showed more.

    Every row is judged by models that did not learn from it. For new rows that is the circuit.
    For the rows that `fit` was given there are five more, each learnt without a fifth of their
    weight: a training row keeps the score of the models without it, averaged by how much of
    its weight each was without. So `fit` takes six times as long as that of the density.

    Parameters
    ----------
    n_latents : int, default=16
        Latent states of each column.

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
        models without them. Outliers that a flexible model learnt by heart then no longer hide.
        A category that only such rows have is known, but without counts. A little more than
        `contamination` is a good choice. The threshold refers to all rows. `fit` then takes
        eleven times as long as that of the density.

    mu : float or None, default=0.01
        Strength of the sharpness penalty. For its unit, and None, see :class:`SharpPCDensity`;
        what is rare is judged by the tails of the density, which a penalty keeps open.

    regularizer : {"global", "gated"}, default="global"
        As in :class:`SharpPCDensity`.

    multiplier : {"unit", "exact"}, default="unit"
        As in :class:`SharpPCDensity`.

    update : {"quadratic", "cubic"}, default="quadratic"
        As in :class:`SharpPCDensity`.

    solver : {"em", "adam"}, default="em"
        As in :class:`SharpPCDensity`.

    batch_size : int, "auto" or None, default="auto"
        As in :class:`SharpPCDensity`.

    max_iter : int or None, default=None
        As in :class:`SharpPCDensity`.

    tol : float, default=1e-4
        As in :class:`SharpPCDensity`.

    early_stopping : bool, "auto" or float in (0, 1), default="auto"
        As in :class:`SharpPCDensity`.

    n_iter_no_change : int, default=10
        As in :class:`SharpPCDensity`.

    pseudocount : float, default=0.01
        As in :class:`SharpPCDensity`.

    init : {"random", "cluster"}, default="cluster"
        As in :class:`SharpPCDensity`.

    n_init : int, default=1
        As in :class:`SharpPCDensity`.

    feature_types : {"auto", "categorical", "binomial", "gaussian"}, sequence or dict, \
            default="auto"
        As in :class:`SharpPCDensity`.

    structure : {"chow-liu", "chain", "star", "rat"} or array-like of int of shape \
            (n_features,), default="chow-liu"
        As in :class:`SharpPCDensity`.

    n_components : int or "auto", default="auto"
        As in :class:`SharpPCDensity`. Where training rows are clean, several trees can tell
        anomalies apart much better, as on pictures; they also model outliers among those rows.

    feature_groups : "auto", sequence of sequences or None, default="auto"
        As in :class:`SharpPCDensity`.

    warm_start : bool, default=False
        As in :class:`SharpPCDensity`.

    random_state : int, RandomState instance or None, default=None
        As in :class:`SharpPCDensity`.

    dtype : {"float64", "float32"}, default="float64"
        As in :class:`SharpPCDensity`.

    n_jobs : int or None, default=None
        As in :class:`SharpPCDensity`.

    verbose : int, default=0
        As in :class:`SharpPCDensity`.

    Attributes
    ----------
    offset_ : float
        Threshold: ``decision_function(X) = score_samples(X) - offset_``.

    circuit_, categories_, feature_types_, n_features_in_, feature_names_in_, n_iter_, converged_, \
            log_likelihoods_, validation_log_likelihoods_, validation_run_log_likelihoods_, \
            best_iteration_, mu_
        As in :class:`SharpPCDensity`, of the circuit that judges new rows.

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
    With `warm_start` only the circuit goes on; the models without some rows start anew.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCOutlierDetector
    >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
    >>> detector = SharpPCOutlierDetector(n_latents=2, contamination=0.03, random_state=0).fit(X)
    >>> detector.predict([[0, 0, 0], [1, 0, 1]])
    array([ 1, -1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **SharpPCDensity._parameter_constraints,
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "criterion": [StrOptions({"likelihood", "dependence"})],
        "trim": [Interval(Real, 0, 0.5, closed="left")],
    }

    def __init__(
        self,
        n_latents: int = 16,
        *,
        contamination: float | str = "auto",
        criterion: str = "likelihood",
        trim: float = 0.0,
        mu: float | None = 0.01,
        regularizer: str = "global",
        multiplier: str = "unit",
        update: str = "quadratic",
        solver: str = "em",
        batch_size: int | str | None = "auto",
        max_iter: int | None = None,
        tol: float = 1e-4,
        early_stopping: bool | str | float = "auto",
        n_iter_no_change: int = 10,
        pseudocount: float = 0.01,
        init: str = "cluster",
        n_init: int = 1,
        feature_types: str | Sequence[str] | Mapping[Any, str] = "auto",
        structure: str | Sequence[int] = "chow-liu",
        n_components: int | str = "auto",
        feature_groups: str | Sequence[Sequence[Any]] | None = "auto",
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        dtype: str = "float64",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            n_latents,
            mu=mu,
            regularizer=regularizer,
            multiplier=multiplier,
            update=update,
            solver=solver,
            batch_size=batch_size,
            max_iter=max_iter,
            tol=tol,
            early_stopping=early_stopping,
            n_iter_no_change=n_iter_no_change,
            pseudocount=pseudocount,
            init=init,
            n_init=n_init,
            feature_types=feature_types,
            structure=structure,
            n_components=n_components,
            feature_groups=feature_groups,
            warm_start=warm_start,
            random_state=random_state,
            dtype=dtype,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.contamination = contamination
        self.criterion = criterion
        self.trim = trim

    @fit_context(prefer_skip_nested_validation=True)
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

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
        >>> detector = SharpPCOutlierDetector(n_latents=2, trim=0.03, random_state=0)
        >>> detector.fit(X).n_features_in_
        3
        """
        super().fit(
            X, sample_weight=sample_weight, X_val=X_val, sample_weight_val=sample_weight_val
        )
        return self

    def _learn_matrix(
        self,
        matrix: Any,
        weights: np.ndarray,
        columns: Columns,
        X_val: Any,
        sample_weight_val: Any,
        **prior: Any,
    ) -> None:
        from skpc._data.rows import Rows
        from skpc._learning.initialisation import column_moments

        keys, first, row_of = np.unique(row_keys(matrix), return_index=True, return_inverse=True)
        by_weight = np.lexsort((weights, row_of))  # the same sum in any order of the rows
        order = Rows.encode(matrix[first], columns.scopes, np.ones(len(first))).order
        rows = matrix[first[order]]
        totals = np.bincount(row_of[by_weight], weights[by_weight])[order]
        margins = column_moments(self._encode(rows, totals, columns))
        validation = columns, X_val, sample_weight_val
        kept = np.ones(len(keys), bool)
        self._known_rows = None
        if self.trim > 0:
            scores = self._scores_without(rows, totals, kept, margins, *validation)
            if scores is not None:
                kept = scores >= weighted_quantile(scores, totals, self.trim)
        place = np.argsort(order)
        learnt = kept[place[row_of]]
        super()._learn_matrix(matrix[learnt], weights[learnt], *validation, margins=margins)
        scores = self._scores_without(rows, totals, kept, margins, *validation)
        if scores is None:
            scores = self._judged_by(self, rows)
        else:
            self._known_rows = keys, scores[place]
        contamination = self.contamination
        if isinstance(contamination, str):
            contamination = _AUTO_CONTAMINATION
        self.offset_ = weighted_quantile(scores, totals, contamination)

    def _scores_without(
        self,
        rows: Any,
        weights: np.ndarray,
        kept: np.ndarray,
        margins: Moments,
        columns: Columns,
        X_val: Any,
        sample_weight_val: Any,
    ) -> np.ndarray | None:
        """The score of each row by models that did not learn from it; None of too few rows.

        Parameters
        ----------
        rows : (n, n_features) array or sparse matrix
            Distinct, in canonical order.
        weights : (n,)
        kept : (n,) bool
            Which may be learnt from at all.
        margins : Moments
            Of all rows.
        columns, X_val, sample_weight_val : see `SharpPCDensity`
        """
        from skpc._learning.held_out import fold_weights

        seeds = check_random_state(self.random_state)
        seed, seed_of_fits = seeds.randint(np.iinfo(np.int32).max, size=2).tolist()
        if any(column.type == GAUSSIAN for column in columns.columns):
            # No new row repeats a row of numbers: a copy in another fold would give it away.
            folds = weights * fold_weights(np.ones(len(weights)), _N_FOLDS, seed)
        else:
            folds = fold_weights(weights, _N_FOLDS, seed)
        if len(folds) < _N_FOLDS:
            return None
        scores = np.zeros(len(weights))
        for fold in folds:
            left = np.where(kept, weights - fold, 0.0)
            if not left.any():
                left = np.where(kept, weights, 0.0)
            learnt, judged = np.flatnonzero(left), np.flatnonzero(fold)
            density = SharpPCDensity(**self._density_parameters())
            density.set_params(verbose=0)
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(self, name):
                    setattr(density, name, getattr(self, name))
            random_state = np.random.RandomState(seed_of_fits)
            early_stopping = density._check_early_stopping(
                X_val, sample_weight_val, left[learnt], columns, random_state
            )
            if early_stopping is not None:
                early_stopping = replace(early_stopping, is_optional=True)
            density.circuit_ = density._learn_circuit(
                rows[learnt], left[learnt], columns, random_state, early_stopping, margins=margins
            ).circuit
            share = fold[judged] / weights[judged]
            scores[judged] += share * self._judged_by(density, rows[judged])
        return scores

    def _check_state(self) -> None:
        super()._check_state()
        if not is_fitted(self, ("circuit_", "offset_", "_known_rows")):
            return
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
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
        >>> detector = SharpPCOutlierDetector(n_latents=2, criterion="dependence", random_state=0)
        >>> detector.fit(X).score_samples([[0, 0, 0], [1, 0, 1]]) > 0
        array([ True, False])
        """
        return self._judge(self._validate(X))

    def _judge(self, matrix: Any) -> np.ndarray:
        known_rows = getattr(self, "_known_rows", None)
        if known_rows is None:
            return self._judged_by(self, matrix)
        known, scores_of_known = known_rows
        keys = row_keys(matrix)
        position = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        scores = scores_of_known[position]
        is_new = known[position] != keys
        if is_new.any():
            scores[is_new] = self._judged_by(self, matrix[is_new])
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
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
        >>> detector = SharpPCOutlierDetector(n_latents=2, contamination=0.03, random_state=0)
        >>> detector = detector.fit(X)
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
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
        >>> detector = SharpPCOutlierDetector(n_latents=2, contamination=0.03, random_state=0)
        >>> detector = detector.fit(X)
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
