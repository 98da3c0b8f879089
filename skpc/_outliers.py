"""SharpPCOutlierDetector: a density with a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import OutlierMixin

from skpc._columns import Columns
from skpc._density import SharpPCDensity
from skpc._sklearn import Interval, StrOptions, fit_context
from skpc._tables import check_weights, warned_of_light

_AUTO_CONTAMINATION = 0.1


class SharpPCOutlierDetector(OutlierMixin, SharpPCDensity):
    """Rows that a probabilistic circuit finds improbable.

    The density is that of :class:`SharpPCDensity`, with its parameters. A row is an outlier if
    its score is below a quantile of those of the training rows. Missing values are
    summed out, exactly: a row with few values is judged by what it shows, and has a higher
    likelihood than if it showed more.

    Parameters
    ----------
    n_latents : int, default=16
        Latent states of each column. 16 trees of 16 tell anomalies apart better than one of 32.

    contamination : "auto" or float in (0, 0.5], default="auto"
        Share of the training rows, by weight, that are outliers: `offset_` is that quantile
        of their scores. "auto" is 0.1, the quantile that scikit-learn's EllipticEnvelope takes:
        it says nothing of the data. Scores of discrete data tie: then other than that
        share may be flagged. Choose the share where you know it, or compare `score_samples`
        with a threshold of your own.

    criterion : {"likelihood", "dependence"}, default="likelihood"
        What `score_samples` gives: the log-likelihood, or
        :meth:`~SharpPCDensity.pointwise_total_correlation`: how well the values of a row go
        together, however rare each is. The second is the better one for rows whose values are
        each plausible, such as records that were mixed up; not for extreme values.

    trim : float in [0, 0.5), default=0
        Share of the weight to leave out of a second fit: the rows with the lowest scores of
        the first. Outliers that a flexible model learnt by heart then no longer hide. The
        types of the columns stay those of the first fit; categories that only rows left out have
        are like ones never seen. A little more than `contamination` is a good choice. The threshold
        refers to all rows.

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

    step_size : float or None, default=None
        As in :class:`SharpPCDensity`.

    max_iter : int or None, default=None
        As in :class:`SharpPCDensity`.

    tol : float, default=1e-4
        As in :class:`SharpPCDensity`.

    early_stopping : bool or "auto", default="auto"
        As in :class:`SharpPCDensity`.

    validation_fraction : float, default=0.1
        As in :class:`SharpPCDensity`.

    n_iter_no_change : int, default=10
        As in :class:`SharpPCDensity`.

    refit : bool, default=True
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

    max_categories : int, default=32
        As in :class:`SharpPCDensity`.

    handle_unknown : {"ignore", "error"}, default="ignore"
        As in :class:`SharpPCDensity`.

    structure : {"chow-liu", "chain", "star", "rat"} or array-like of int of shape \
            (n_features,), default="chow-liu"
        As in :class:`SharpPCDensity`.

    n_components : int, default=16
        Number of trees, as in :class:`SharpPCDensity`. Give 1 with another `structure` than
        "chow-liu", or where time matters more.

    n_repetitions : int, default=10
        As in :class:`SharpPCDensity`.

    feature_groups : "auto", sequence of sequences or None, default="auto"
        As in :class:`SharpPCDensity`.

    shrinkage : float, default=10
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
            log_likelihoods_, validation_log_likelihoods_, best_iteration_, mu_
        As in :class:`SharpPCDensity`, of the last fit.

    See Also
    --------
    SharpPCDensity.feature_contributions : Which column makes a row strange.
    sklearn.ensemble.IsolationForest : Outliers by random splits.

    Notes
    -----
    A row of weight two is a row given twice, for the threshold too. The quantile of the weighted
    scores is that of the inverted distribution function, averaged where it jumps.

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
        step_size: float | None = None,
        max_iter: int | None = None,
        tol: float = 1e-4,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        refit: bool = True,
        pseudocount: float = 0.01,
        init: str = "cluster",
        n_init: int = 1,
        feature_types: str | Sequence[str] | Mapping[Any, str] = "auto",
        max_categories: int = 32,
        handle_unknown: str = "ignore",
        structure: str | Sequence[int] = "chow-liu",
        n_components: int = 16,
        n_repetitions: int = 10,
        feature_groups: str | Sequence[Sequence[Any]] | None = "auto",
        shrinkage: float = 10.0,
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
            step_size=step_size,
            max_iter=max_iter,
            tol=tol,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            refit=refit,
            pseudocount=pseudocount,
            init=init,
            n_init=n_init,
            feature_types=feature_types,
            max_categories=max_categories,
            handle_unknown=handle_unknown,
            structure=structure,
            n_components=n_components,
            n_repetitions=n_repetitions,
            feature_groups=feature_groups,
            shrinkage=shrinkage,
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
        former = dict(self.__dict__)
        validation = {"X_val": X_val, "sample_weight_val": sample_weight_val}
        try:
            super().fit(X, sample_weight=sample_weight, **validation)
            matrix = self._validate(X)
            weights = check_weights(sample_weight, matrix)
            scores = self._judge(matrix)
            if self.trim > 0:
                lowest_kept = weighted_quantile(scores, weights, self.trim)
                kept = np.where(scores >= lowest_kept, weights, 0.0)
                self._types_of_first_fit = self.feature_types_
                with warned_of_light():
                    super().fit(X, sample_weight=kept, **validation)
                del self._types_of_first_fit
                scores = self._judge(self._validate(X))
            contamination = self.contamination
            if isinstance(contamination, str):
                contamination = _AUTO_CONTAMINATION
            self.offset_ = weighted_quantile(scores, weights, contamination)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(former)
            raise
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """How normal each row is: the log-likelihood, or what `criterion` says.

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
        if self.criterion == "likelihood":
            return self._score_samples(matrix)
        return self._pointwise_total_correlation(matrix)

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

    def _learn_columns(self, X: Any, weights: np.ndarray) -> Columns:
        types = getattr(self, "_types_of_first_fit", None)
        if types is None or self._continues():
            return super()._learn_columns(X, weights)
        return Columns.learn(X, types, self.max_categories, weights)


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
