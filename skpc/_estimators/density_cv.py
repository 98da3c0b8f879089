"""SharpPCDensityCV: the penalty chosen by cross-validation."""

from __future__ import annotations

import reprlib
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skpc._checks import check_finite, checked_array, is_fitted, shown
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.settings import defaults_of, refuse_inert
from skpc._tables.columns import Columns, take_rows
from skpc._tables.sklearn_private import fit_context, safe_indexing
from skpc._tables.validation import check_weights, validate_table, warn_of_light

if TYPE_CHECKING:
    from skpc._learning.initialisation import Moments

_OWN = ("mus", "cv", "warm_path", "refit")
_NOT_INHERITED = ("mu", "warm_start")


class SharpPCDensityCV(SharpPCDensity):
    """`SharpPCDensity` with the strength of its penalty chosen by cross-validation.

    Each `mu` of a grid is fitted on the training rows of each fold; the one with the highest
    mean log-likelihood of held-out rows wins, and is fitted again on all rows. Scores and
    choice are those of a `GridSearchCV` over `mu` that is given the types of the columns.

    Parameters
    ----------
    n_latents : int, default=32
        States of each latent variable.

    mus : array-like of float, default=(0, 0.01, 0.03, 0.1, 0.3)
        Strengths of the penalty to try, at least zero; order and repetitions do not matter.
        The default suits ``multiplier="unit"`` and ``solver="em"``, where `mu` is in expected
        counts. With "exact" and "adam" useful values are far smaller: see
        :class:`SharpPCDensity`.

    cv : int, splitter, iterable or None, default=None
        The folds: how many, a splitter of scikit-learn, or pairs of arrays of training and test
        rows. None means 5. A number takes consecutive rows, without shuffling, as
        `GridSearchCV` does: if rows are sorted, pass ``KFold(5, shuffle=True,
        random_state=0)``. For groups pass ``list(GroupKFold(5).split(X, groups=groups))``.

    warm_path : bool, default=False
        Whether, within a fold, each fit but the first starts from the circuit of the next
        larger `mu`, and the final fit likewise. Faster, but EM then ends in other optima than
        from a fresh start: scores, and sometimes the choice, are no longer those of
        `GridSearchCV`. It cannot be combined with early stopping, and `n_init` acts
        on the largest `mu` only.

    refit : bool, default=True
        Whether to fit all rows with the best `mu`. Without, there are no circuit and no
        queries, only what cross-validation found.

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
        As in :class:`SharpPCDensity`. It holds out some of a fold's training rows;
        test rows are never looked at in training.

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
        As in :class:`SharpPCDensity`. Types are decided once, on all rows, and hold in
        every fold, so that held-out log-likelihoods can be compared. A column without a value
        in the training rows of a fold has, there, its mean and scale among all rows, or evenly
        spread categories.

    structure : {"chow-liu", "chain", "star", "rat"} or array-like of int of shape \
            (n_features,), default="chow-liu"
        As in :class:`SharpPCDensity`. A tree is learnt anew in each fold.

    n_components : int or "auto", default="auto"
        As in :class:`SharpPCDensity`.

    feature_groups : "auto", sequence of sequences or None, default="auto"
        As in :class:`SharpPCDensity`.

    random_state : int, RandomState instance or None, default=None
        Seed of every fit. From an instance, or None, one seed is drawn, for all fits alike:
        values of `mu` are compared from the same starts.

    dtype : {"float64", "float32"}, default="float64"
        As in :class:`SharpPCDensity`.

    n_jobs : int or None, default=None
        Number of threads of each fit, as in :class:`SharpPCDensity`. Fits follow one another:
        for workers in parallel use `GridSearchCV`.

    verbose : int, default=0
        If positive, print one line after each fit of a fold, and of the final fit every that
        many iterations.

    Attributes
    ----------
    mus_ : ndarray of shape (n_mus,)
        The strengths tried: distinct and ascending.

    mu_ : float
        The best of them; the smallest of equals.

    cv_log_likelihoods_ : ndarray of shape (n_mus, n_folds)
        Mean log-likelihood of held-out rows, in nats.

    cv_sharpness_ : ndarray of shape (n_mus, n_folds)
        Mean trace of the Hessian of the negative log-likelihood at the training rows: how
        sharp the optimum is that was found. See `sharpness`.

    cv_overfitting_ : ndarray of shape (n_mus, n_folds)
        Degree of overfitting: (NLL_test - NLL_train) / abs(NLL_train), with the mean negative
        log-likelihood of held-out and training rows. Infinite or NaN if NLL_train is zero.

    n_features_in_ : int
        Number of columns seen in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X had string names.

    circuit_, categories_, feature_types_, log_likelihoods_, n_iter_, converged_
        Of the final fit, if `refit`; as in :class:`SharpPCDensity`.

    validation_log_likelihoods_, validation_run_log_likelihoods_, best_iteration_, n_parameters
        Of the final fit, if `refit`; as in :class:`SharpPCDensity`.

    See Also
    --------
    SharpPCDensity : With a penalty given.
    sklearn.model_selection.GridSearchCV : Search over any parameters.

    Notes
    -----
    Means within a fold are weighted by `sample_weight`; folds count alike. A row of weight
    zero is as good as absent: with a number for `cv` folds are made of the other rows, a
    splitter sees all rows and those of weight zero are then left out. But folds consist of rows,
    so a row of weight two is in one fold, where a row given twice may be in two: unlike in
    :class:`SharpPCDensity`, integer weights are not quite repetitions, and the order of rows
    matters.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensityCV
    >>> rng = np.random.RandomState(0)
    >>> X = rng.random_sample((60, 6)) < rng.choice([0.2, 0.8], size=(60, 1))
    >>> model = SharpPCDensityCV(n_latents=4, mus=[0, 0.1, 1], random_state=0).fit(X)
    >>> model.mu_
    0.1
    >>> model.cv_log_likelihoods_.mean(axis=1).round(1)
    array([-3.6, -3.6, -3.7])
    >>> model.score_samples(X).shape
    (60,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{
            name: constraint
            for name, constraint in SharpPCDensity._parameter_constraints.items()
            if name not in _NOT_INHERITED
        },
        "mus": ["array-like"],
        "cv": ["cv_object"],
        "warm_path": ["boolean"],
        "refit": ["boolean"],
    }

    def __init__(
        self,
        n_latents: int = 32,
        *,
        mus: Sequence[float] = (0.0, 0.01, 0.03, 0.1, 0.3),
        cv: Any = None,
        warm_path: bool = False,
        refit: bool = True,
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
        random_state: int | np.random.RandomState | None = None,
        dtype: str = "float64",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        # Not by the constructor of the base, which would leave a `mu` that means nothing.
        self.n_latents = n_latents
        self.mus = mus
        self.cv = cv
        self.warm_path = warm_path
        self.refit = refit
        self.regularizer = regularizer
        self.multiplier = multiplier
        self.update = update
        self.solver = solver
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.pseudocount = pseudocount
        self.init = init
        self.n_init = n_init
        self.feature_types = feature_types
        self.structure = structure
        self.n_components = n_components
        self.feature_groups = feature_groups
        self.random_state = random_state
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "circuit_")

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        sample_weight_val: Any = None,
    ) -> SharpPCDensityCV:
        """Choose `mu` by cross-validation, and fit all rows with it.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            As in :class:`SharpPCDensity`.
        y : array-like of shape (n_samples,), default=None
            Seen by nobody but a splitter given as `cv`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, in fits and in the means of a fold.
        X_val : array-like or frame of shape (n_val, n_features), default=None
            Additional rows for early stopping, the same in every fit.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the rows of `X_val`.

        Returns
        -------
        SharpPCDensityCV
            The estimator.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used; the message names the parameter or
            column, the value and the remedy. The estimator is then as it was before.

        Warns
        -----
        UserWarning
            If `sample_weight` sums to less than a tenth of the rows, and less than ten: weights
            are counts, not shares.
        ConvergenceWarning
            If EM still improved after `max_iter` iterations.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensityCV
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensityCV(n_latents=2, mus=[0, 0.1], cv=2, random_state=0).fit(X)
        >>> model.cv_log_likelihoods_.shape
        (2, 2)
        """
        mus = self._check_mus()
        stops_early = not isinstance(self.early_stopping, str) and bool(self.early_stopping)
        if self.warm_path and (stops_early or X_val is not None):
            raise ValueError(
                "warm_path=True cannot be combined with early stopping, which would keep the "
                "circuit of the largest mu for all. Set warm_path=False, or early_stopping=False "
                "and pass no X_val."
            )
        model = self._new_density()  # all that may fail is done to this one
        X = validate_table(model, X, reset=True)
        self._refuse_inert_in_fits(mus, X_val is not None)
        weights = check_weights(sample_weight, X)
        warn_of_light(weights)
        table, of_table = take_rows(X, weights > 0), weights[weights > 0]
        columns = model._learn_columns(table, of_table)
        whole = columns, _margins(columns, columns.to_matrix(table), of_table)
        validation = {"X_val": X_val, "sample_weight_val": sample_weight_val}
        folds = self._folds(X, y, weights)
        found = self._cross_validate(model, mus, X, weights, folds, whole, validation)
        mu = float(mus[np.argmax(found[0].mean(axis=1))])
        if self.refit:
            model.set_params(verbose=self.verbose)
            for step in mus[mus >= mu][::-1] if self.warm_path else [mu]:
                model.set_params(mu=float(step))._fit_part(table, of_table, *whole, **validation)
        self._take_over(model)
        self.mus_, self.mu_ = mus, mu
        self.cv_log_likelihoods_, self.cv_sharpness_, self.cv_overfitting_ = found
        return self

    def _check_state(self) -> None:
        if hasattr(self, "circuit_"):  # not without refit
            super()._check_state()
        if is_fitted(self, ("mus_", "cv_log_likelihoods_", "cv_sharpness_", "cv_overfitting_")):
            mus = checked_array(self.mus_, "mus_", float, (None,))
            check_finite(mus, "mus_")
            for name in "cv_log_likelihoods_", "cv_sharpness_", "cv_overfitting_":
                checked_array(getattr(self, name), name, float, (len(mus), None))

    def _refuse_inert_in_fits(self, mus: np.ndarray, has_validation_rows: bool) -> None:
        """Refuse parameters that are set and cannot act in any fit, by the names they have here."""
        settings = {
            **self._density_parameters(),
            "mu": mus[0],
            "X_val": has_validation_rows,
        }
        refuse_inert(settings, defaults_of(SharpPCDensity), {"warm_start": "warm_path"})

    def _check_mus(self) -> np.ndarray:
        """The grid: distinct strengths in ascending order."""
        try:
            mus = np.asarray(self.mus, dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"mus must be numbers, such as [0, 0.03, 0.1]; got {shown(self.mus)}."
            ) from error
        if mus.ndim != 1 or not mus.size:
            raise ValueError(
                "mus must be a sequence of one or more numbers, such as [0, 0.03, 0.1]; got the "
                f"shape {mus.shape}."
            )
        wrong = ~(np.isfinite(mus) & (mus >= 0))
        if wrong.any():
            i = int(np.argmax(wrong))
            raise ValueError(
                f"mus must be finite and at least 0; got {mus[i]} at position {i}. 0 is no penalty."
            )
        return np.unique(mus + 0.0)  # no -0.0

    def _density_parameters(self) -> dict[str, Any]:
        parameters = self.get_params(deep=False)
        return {
            **{name: value for name, value in parameters.items() if name not in _OWN},
            "mu": getattr(self, "mu_", None),
            "warm_start": self.warm_path,
        }

    def _new_density(self) -> SharpPCDensity:
        """A `SharpPCDensity` with the parameters of this one, silent and with one seed."""
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        parameters = {**self._density_parameters(), "random_state": seed, "verbose": 0}
        return SharpPCDensity(**parameters)

    def _folds(self, X: Any, y: Any, weights: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Training and test rows of each fold, all of positive weight."""
        from sklearn.model_selection import check_cv

        rows, table = np.arange(len(weights)), X
        if self.cv is None or isinstance(self.cv, Integral):
            rows = table = rows[weights > 0]
        cv = reprlib.repr(self.cv)
        try:
            pairs = check_cv(self.cv).split(table, y if table is X else None)
            folds = [(rows[train], rows[test]) for train, test in pairs]
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(
                f"cv={cv} cannot split the {len(rows)} rows of X: {error} Give a number of "
                "folds, from 2 to that of rows, a splitter, or pairs of training and test rows."
            ) from error
        folds = [(train[weights[train] > 0], test[weights[test] > 0]) for train, test in folds]
        for number, fold in enumerate(folds):
            for part, name in zip(fold, ("training", "test"), strict=True):
                if not part.size:
                    raise ValueError(
                        f"cv={cv} leaves fold {number} without {name} rows of positive "
                        "weight. Give other folds."
                    )
        if not folds:
            raise ValueError(f"cv={cv} has no folds. Give at least one.")
        return folds

    def _cross_validate(
        self,
        model: SharpPCDensity,
        mus: np.ndarray,
        X: Any,
        weights: np.ndarray,
        folds: list[tuple[np.ndarray, np.ndarray]],
        whole: tuple[Columns, Moments],
        validation: dict[str, Any],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Held-out log-likelihood, sharpness and overfitting, each of (n_mus, n_folds)."""
        scores, train_scores, sharpness = np.empty((3, len(mus), len(folds)))
        n_unfinished = 0
        for fold, (train, test) in enumerate(folds):
            density = clone(model)
            rows = safe_indexing(X, train), weights[train]
            held_out = safe_indexing(X, test), weights[test]
            for i in reversed(range(len(mus))):
                start = time.perf_counter()
                with _in_fold(fold):
                    density.set_params(mu=float(mus[i]))._fit_part(*rows, *whole, **validation)
                if self.solver == "em" and not density.converged_:
                    n_unfinished += 1
                    stopped = density.validation_run_log_likelihoods_
                    max_iter = density.n_iter_ if stopped is None else len(stopped)
                scores[i, fold] = density.score(held_out[0], sample_weight=held_out[1])
                train_scores[i, fold] = density.score(rows[0], sample_weight=rows[1])
                sharpness[i, fold] = density.sharpness(rows[0], sample_weight=rows[1])
                if self.verbose:
                    print(
                        f"fold {fold}  mu {mus[i]:g}  iterations {density.n_iter_}  held-out "
                        f"log-likelihood {scores[i, fold]:.6f}  "
                        f"{time.perf_counter() - start:.2f} s",
                        flush=True,
                    )
        if n_unfinished and self.tol > 0:
            warnings.warn(
                f"EM did not converge in {n_unfinished} of the {scores.size} fits of "
                f"cross-validation: max_iter={max_iter} iterations were not enough for "
                f"tol={self.tol}. Increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            overfitting = (train_scores - scores) / np.abs(train_scores)
        return scores, sharpness, overfitting

    def _take_over(self, model: SharpPCDensity) -> None:
        """Have what fit made of another estimator, and nothing of a former fit."""
        for name in [*vars(self)]:
            is_public = name.endswith("_") and not name.startswith("_")
            if is_public or name in ("_columns", "_split_seed", "_start_settings"):
                delattr(self, name)
        parameters = model.get_params(deep=False)
        self.__dict__.update({k: v for k, v in vars(model).items() if k not in parameters})


def _margins(columns: Columns, matrix: Any, weights: np.ndarray) -> Moments:
    from skpc._data.rows import Rows
    from skpc._learning.initialisation import column_moments

    return column_moments(Rows.encode(matrix, columns.scopes, weights).distinct())


@contextmanager
def _in_fold(fold: int) -> Iterator[None]:
    """Be silent about convergence, and say in a ValueError which fold it is about."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield
    except ValueError as error:
        raise ValueError(f"{error} (In fold {fold} of cv.)") from error
