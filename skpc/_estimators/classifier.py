"""SharpPCClassifier: a density of columns and class, one per class, or both, and Bayes' rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from skpc._checks import check_finite, checked_array, is_fitted, shown
from skpc._estimators.base import all_or_nothing
from skpc._estimators.class_labels import check_labels
from skpc._estimators.class_learning import ClassLearningMixin
from skpc._estimators.composed import ComposedMixin
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.joint_class import check_joint, log_joint, log_of_classes, log_shares
from skpc._estimators.query_mixin import dense_floats
from skpc._estimators.with_indicators import check_features, indicate, learns_missingness
from skpc._tables.columns import Columns, take_rows
from skpc._tables.indicators import indicated, with_indicators
from skpc._tables.sklearn_private import StrOptions, fit_context
from skpc._tables.validation import check_weights, validate_table, warn_of_light

if TYPE_CHECKING:
    from skpc._estimators.missingness_density import SharpPCMissingnessDensity

_BLOCK_ROWS = 2**12


class SharpPCClassifier(ClassLearningMixin, ComposedMixin, ClassifierMixin, BaseEstimator):
    """Classifier by Bayes' rule from :class:`SharpPCDensity`: of columns and class, and per class.

    The probability of a class given a row is in proportion to a density of both, all of it
    exact. So NaN needs no imputation: a missing value is summed out, in training and in
    prediction, and of a row that shows nothing the prior remains.

    There are two such densities. One takes the class for one more column: classes share what they
    have in common, and may be of any size, down to a single row. It is careful, but where columns
    are many and depend on each other more than on the class, it has little to say of the class.
    The others are one per class, learnt from its rows alone: they tell classes apart, and are too
    certain. By default the probabilities are in proportion to a product of powers of both, whose
    exponents make the classes of rows that were held out most probable; so they are calibrated.

    What the densities per class share makes them comparable: the types and margins of the columns
    and their categories are those of all classes together, and a category that a class never saw
    keeps a mass there (see `pseudocount` of the density). A column that is missing throughout a
    class has, there, its distribution among the rows of all classes, or evenly spread categories.

    Parameters
    ----------
    estimator : SharpPCDensity, SharpPCMissingnessDensity or None, default=None
        The density, cloned and not fitted itself; None is ``SharpPCDensity()``. Its parameters
        are set as ``estimator__mu`` in searches. With the second, which values a row lacks tells
        of its class too.

    joint : bool or "auto", default="auto"
        Whether one density of the columns and the class is learnt (True), one of the columns for
        each class (False), or both ("auto"). Then densities per class have four latent states if
        `n_latents` of `estimator` is "auto", and there are none of more than twenty classes.
        Five more fits with fixed numbers of states, of four fifths of the rows each, learn the
        exponents; one of nine tenths from 1,500 rows on.

    priors : array-like of shape (n_classes,), "uniform" or None, default=None
        Probabilities of the classes in the order of `classes_`, which sum to one; all alike;
        or their shares of the total weight of the training rows. Densities of rows given their
        class do not depend on it.

    share_structure : bool, default=False
        Whether one structure (trees and groups of columns) is learnt from the rows of all classes
        together and used for each of them, instead of one from each class's own rows. Needs
        ``joint=False``, and one Chow-Liu tree only.

    random_state : int, RandomState instance or None, default=None
        Where densities get their seeds from, if `random_state` of `estimator` is None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted. A label whose rows all have weight zero is not among them.

    class_prior_ : ndarray of shape (n_classes,)
        Probabilities of the classes.

    density_ : SharpPCDensity
        The fitted density of the columns and, last, the class: its position in `classes_`, in a
        column that a frame names "class". Not with ``joint=False``.

    estimators_ : list of n_classes SharpPCDensity
        The fitted densities, which score and sample rows of their class. Not with
        ``joint=True``.

    exponents_ : ndarray of shape (2,)
        To which powers the probabilities of `density_` and of `estimators_` are multiplied. Only
        with ``joint="auto"``.

    missing_features_ : ndarray of shape (n_indicators,)
        Positions of the columns that had missing values in fit. Only with an `estimator` that is
        a SharpPCMissingnessDensity; the densities then have an indicator for each of them, behind
        the columns and before the class, which draws name ``missingindicator_...``.

    n_features_in_ : int
        Number of columns seen in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X had string names.

    See Also
    --------
    sklearn.naive_bayes.CategoricalNB : Bayes' rule with independent columns.
    sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis : With one Gaussian per class.

    Notes
    -----
    There is no `decision_function`: far from the boundary probabilities round to 0 and 1, and
    whatever ranks rows should use `predict_log_proba`.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCClassifier, SharpPCDensity
    >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 0, 0], [0, 1, 0]] * 10)
    >>> y = np.array(["even", "even", "odd", "odd"] * 10)
    >>> density = SharpPCDensity(n_latents=2, random_state=0)
    >>> model = SharpPCClassifier(density).fit(X, y)
    >>> model.predict([[0, 0, 1], [0, 1, np.nan]])
    array(['even', 'odd'], dtype='<U4')
    >>> model.predict_proba([[np.nan, np.nan, np.nan]])
    array([[0.5, 0.5]])
    """

    __module__ = "skpc"  # where it is found, and by which files of models name it

    _accepted = "a SharpPCDensity, a SharpPCMissingnessDensity or None"
    _takes_missingness = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": "no_validation",  # with the rest of the template
        "joint": ["boolean", StrOptions({"auto"})],
        "priors": ["array-like", StrOptions({"uniform"}), None],
        "share_structure": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: SharpPCDensity | SharpPCMissingnessDensity | None = None,
        *,
        joint: bool | Literal["auto"] = "auto",
        priors: Any = None,
        share_structure: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.joint = joint
        self.priors = priors
        self.share_structure = share_structure
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the density of columns and class, or of each class.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            As for :meth:`SharpPCDensity.fit`. Every column needs a value, but not in every class.
        y : array-like of shape (n_samples,)
            Labels of the classes, one for each row: none missing, all strings or all numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row. A row of weight two is a row given twice, one of weight zero
            is absent.

        Returns
        -------
        SharpPCClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used; the message names the parameter, column
            or class, and the remedy. The estimator is then as it was before.

        Warns
        -----
        UserWarning
            If `sample_weight` sums to less than a tenth of the rows, and less than ten: weights
            are counts, not shares.
        ConvergenceWarning
            If learning had not met `tol` after `max_iter` iterations, for each such density.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCClassifier, SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 0, 0], [0, 1, 0]] * 10)
        >>> y = np.array(["even", "even", "odd", "odd"] * 10)
        >>> model = SharpPCClassifier(SharpPCDensity(n_latents=2, random_state=0)).fit(X, y)
        >>> model.classes_
        array(['even', 'odd'], dtype='<U4')
        """
        with all_or_nothing(self):
            is_dense = learns_missingness(self.estimator)
            table = validate_table(self, X, reset=True, accept_sparse=not is_dense)
            labels = check_labels(y, table)
            weights = check_weights(sample_weight, table)
            warn_of_light(weights)
            counts = weights > 0
            table, labels, weights = take_rows(table, counts), labels[counts], weights[counts]
            classes, codes = np.unique(labels, return_inverse=True)
            prior = self._priors(np.bincount(codes, weights))
            template = self._new_density()
            template._refuse_inert(False)
            self._refuse_structure()
            columns = Columns.learn(table, template.feature_types, weights)
            matrix, learnt = columns.to_matrix(table), columns
            for name in "density_", "estimators_", "exponents_", "missing_features_":
                self.__dict__.pop(name, None)
            if learns_missingness(self.estimator):
                self.missing_features_, matrix, learnt = indicate(template, columns, matrix)
            self._learn_all(template, learnt, matrix, weights, (codes, classes))
            self.classes_ = classes
            self.class_prior_ = prior
            self._columns = columns
        return self

    def _priors(self, totals: np.ndarray) -> np.ndarray:
        """Probabilities of classes with these total weights."""
        if self.priors is None:
            return totals / totals.sum()
        if isinstance(self.priors, str):
            return np.full(len(totals), 1.0 / len(totals))
        priors = np.array(self.priors, np.float64)
        if priors.shape != totals.shape:
            raise ValueError(
                f"priors must have one entry for each of the {len(totals)} classes; got "
                f"{shown(self.priors)}."
            )
        if not (priors >= 0).all() or abs(priors.sum() - 1) > 1e-8:
            raise ValueError(
                f"priors must be probabilities that sum to one; got {shown(self.priors)}."
            )
        return priors / priors.sum()

    def _check_state(self) -> None:
        held = "density_" if "density_" in vars(self) else "estimators_"
        names = "classes_", "class_prior_", held, "_columns", "n_features_in_"
        if not is_fitted(self, names):
            return
        if not isinstance(self._columns, Columns):
            raise ValueError(f"_columns must be Columns; got {type(self._columns).__name__}.")
        self._columns.check_estimator(self)
        is_array = type(self.classes_) in (np.ndarray, np.memmap)
        n_classes = len(self.classes_) if is_array and self.classes_.ndim == 1 else 0
        if n_classes == 0 or not _are_distinct(self.classes_):
            raise ValueError("classes_ must be distinct labels, sorted.")
        prior = checked_array(self.class_prior_, "class_prior_", float, (n_classes,))
        if not (prior >= 0).all() or not abs(prior.sum() - 1) < 1e-8:
            raise ValueError(f"class_prior_ must be probabilities that sum to one; got {prior}.")
        learnt = self._columns
        if "missing_features_" in vars(self):
            check_features(self.missing_features_, self.n_features_in_)
            learnt = indicated(learnt, self.missing_features_)
        if held == "density_":
            check_joint(self.density_, learnt, n_classes)
            if "exponents_" not in vars(self):
                return
            self.exponents_ = checked_array(self.exponents_, "exponents_", float, (2,))
            check_finite(self.exponents_, "exponents_")
            if (self.exponents_ < 0).any():
                raise ValueError(f"exponents_ must not be below zero; got {self.exponents_}.")
        if not isinstance(self.estimators_, list) or len(self.estimators_) != n_classes:
            raise ValueError(f"estimators_ must be a list of {n_classes} densities.")
        for density in self.estimators_:
            if not isinstance(density, SharpPCDensity) or not hasattr(density, "circuit_"):
                raise ValueError("estimators_ must be fitted SharpPCDensity.")
            learnt.check_circuit(density.circuit_)
            learnt.check_categories(density.categories_)

    def predict_joint_log_proba(self, X: Any) -> np.ndarray:
        """Log of prior times density, log p(x, y), of each row and class.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In nats, in the order of `classes_`. Their logsumexp over classes is the log density
            of the row, if `class_prior_` is what `density_` has for the class: `priors` is None,
            and the pseudocount next to nothing.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCClassifier, SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 0, 0], [0, 1, 0]] * 10)
        >>> y = np.array(["even", "even", "odd", "odd"] * 10)
        >>> model = SharpPCClassifier(SharpPCDensity(n_latents=2, random_state=0)).fit(X, y)
        >>> model.predict_joint_log_proba([[np.nan, np.nan, np.nan]]).round(2)
        array([[-0.69, -0.69]])
        """
        check_is_fitted(self)
        table = validate_table(self, X, reset=False)
        matrix = self._columns.to_matrix(table)
        if "missing_features_" in vars(self):
            matrix = with_indicators(dense_floats(matrix), self.missing_features_)
        scores = self._log_densities(matrix)
        with np.errstate(divide="ignore"):  # a prior may be zero
            return scores + np.log(self.class_prior_)

    def _log_densities(self, matrix: Any) -> np.ndarray:
        """Log p(x | y) (n, n_classes) of the rows of a matrix."""
        if "density_" not in vars(self):
            return log_of_classes(self.estimators_, matrix)
        log_prior = log_shares(self.density_, len(self.classes_))
        if "exponents_" not in vars(self):
            return log_joint(self.density_, matrix, len(self.classes_)) - log_prior
        out = np.empty((matrix.shape[0], len(log_prior)))
        for start in range(0, len(out), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            out[rows] = self._log_pooled(matrix[rows], log_prior)
        return out

    def _log_pooled(self, matrix: Any, log_prior: np.ndarray) -> np.ndarray:
        """The same, of both ways; log_prior (n_classes,) is what the density of both has."""
        from skpc._estimators.class_pool import pooled, ratios

        both = log_joint(self.density_, matrix, len(log_prior))
        own = log_of_classes(self.estimators_, matrix) + log_prior
        log_ratios = np.stack([ratios(both, log_prior), ratios(own, log_prior)])
        log_proba = pooled(log_ratios, self.exponents_, log_prior)
        with np.errstate(under="ignore"):
            return log_proba + logsumexp(both, axis=1, keepdims=True) - log_prior

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Log of the probability of each class given what a row shows.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In nats, in the order of `classes_`.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCClassifier, SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 0, 0], [0, 1, 0]] * 10)
        >>> y = np.array(["even", "even", "odd", "odd"] * 10)
        >>> model = SharpPCClassifier(SharpPCDensity(n_latents=2, random_state=0)).fit(X, y)
        >>> model.predict_log_proba([[0, 0, 1]]).argmax(axis=1)
        array([0])
        """
        joint = self.predict_joint_log_proba(X)
        # Their sum would be lost in the rounding of log densities of -1e17.
        joint = joint - joint.max(axis=1, keepdims=True)
        with np.errstate(under="ignore"):
            return joint - logsumexp(joint, axis=1, keepdims=True)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class given what a row shows.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCClassifier, SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 0, 0], [0, 1, 0]] * 10)
        >>> y = np.array(["even", "even", "odd", "odd"] * 10)
        >>> model = SharpPCClassifier(SharpPCDensity(n_latents=2, random_state=0)).fit(X, y)
        >>> model.predict_proba([[np.nan, np.nan, np.nan]])
        array([[0.5, 0.5]])
        """
        with np.errstate(under="ignore"):
            return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels; of equally probable ones the first.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCClassifier, SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 0, 0], [0, 1, 0]] * 10)
        >>> y = np.array(["even", "even", "odd", "odd"] * 10)
        >>> model = SharpPCClassifier(SharpPCDensity(n_latents=2, random_state=0)).fit(X, y)
        >>> model.predict([[0, 0, 1], [0, 1, np.nan]])
        array(['even', 'odd'], dtype='<U4')
        """
        best = self.predict_joint_log_proba(X).argmax(axis=1)
        return self.classes_[best]


def _are_distinct(labels: np.ndarray) -> bool:
    """Whether labels (n,) are sorted, each once."""
    return bool((labels[1:] > labels[:-1]).all())
