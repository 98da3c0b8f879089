"""SharpPCDensityCV: the penalty, or any parameters, chosen by cross-validation."""

from __future__ import annotations

import reprlib
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skpc._checks import check_finite, checked_array, is_fitted, level_of_caller, shown
from skpc._estimators.base import all_or_nothing
from skpc._estimators.callbacks import Parts, with_callbacks
from skpc._estimators.candidates import Candidates
from skpc._estimators.composed import DelegatingMixin, check_held, drawn_seed
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.query_mixin import working_bytes
from skpc._estimators.search_results import SearchResultsMixin, best_of
from skpc._estimators.settings import defaults_of, refuse_inert, same_setting
from skpc._tables.columns import Columns, rows_at, take_rows
from skpc._tables.drawing import in_memory
from skpc._tables.sklearn_private import fit_context
from skpc._tables.validation import check_weights, validate_table, warn_of_light

if TYPE_CHECKING:
    from skpc._learning.initialisation import ColumnMoments

_FOUND = "cv_log_likelihoods_", "cv_train_log_likelihoods_", "cv_sharpness_"


class SharpPCDensityCV(SearchResultsMixin, DelegatingMixin, DensityMixin, BaseEstimator):
    """A :class:`SharpPCDensity` with its penalty, or any parameters, chosen by cross-validation.

    Each `mu`, or each candidate of a grid, is fitted on the training rows of each fold; the one
    with the highest mean log-likelihood of held-out rows wins, and is fitted again on all rows.
    Scores and choice are those of a `GridSearchCV` that is given the types of the columns.

    Parameters
    ----------
    estimator : SharpPCDensity or None, default=None
        The density, whose copies are fitted and which is not changed; None is
        ``SharpPCDensity()``. What is searched does not matter there. From a `random_state` that is
        no int one seed is drawn, for all fits alike: candidates are compared from the same starts.
        Types of columns are decided once, on all rows, and hold in every fold, so that held-out
        log-likelihoods can be compared; a tree is learnt anew in each fold. A column without a
        value in the training rows of a fold has, there, its mean and scale among all rows, or
        evenly spread categories. Early stopping holds out some of a fold's training rows; test
        rows are never looked at in training.

    mus : array-like of float, default=(0, 0.01, 0.03, 0.1, 0.3)
        Strengths of the penalty to try, at least zero; order and repetitions do not matter.
        The default suits ``multiplier="unit"`` and ``solver="em"``, where `mu` is in expected
        counts. With "exact" and "adam" useful values are far smaller: see
        :class:`SharpPCDensity`.

    param_grid : dict, list of dict or None, default=None
        Lists of values of any parameters of the density, all combinations of which are tried,
        or several such dicts, as in :class:`sklearn.model_selection.GridSearchCV`. None is
        ``{"mu": mus}``. Not `feature_types`: likelihoods of other types cannot be compared.

    cv : int, splitter, iterable or None, default=None
        The folds: how many, a splitter of scikit-learn, or pairs of arrays of training and test
        rows. None means 5. A number takes consecutive rows, without shuffling, as
        `GridSearchCV` does: if rows are sorted, pass ``KFold(5, shuffle=True,
        random_state=0)``. For groups pass ``list(GroupKFold(5).split(X, groups=groups))``.

    warm_path : bool, default=False
        Whether, within a fold, each fit but the first starts from the circuit of the next
        larger `mu` with the same other parameters, and the final fit likewise. Faster, but EM then
        ends in other optima than from a fresh start: scores, and sometimes the choice, are no
        longer those of `GridSearchCV`. It cannot be combined with early stopping, and `n_init`
        acts on the largest `mu` only.

    refit : bool, default=True
        Whether to fit all rows with the best candidate. Without, there are no circuit and no
        queries, only what cross-validation found.

    verbose : int, default=0
        If positive, print one line after each fit of a fold. What the final fit prints is up to
        `verbose` of the density.

    Attributes
    ----------
    params_ : list of dict
        The candidates: of `mu` alone distinct and ascending, else in the order of `GridSearchCV`.

    best_index_, best_params_, best_score_ : int, dict and float
        The best candidate, its place and its mean log-likelihood of held-out rows; the first of
        equals, and so the smallest `mu`.

    mus_ : ndarray of shape (n_candidates,)
        The strengths tried, if nothing else was.

    mu_ : float
        The best of them; of other searches that of `best_estimator_`.

    cv_log_likelihoods_, cv_train_log_likelihoods_ : ndarray of shape (n_candidates, n_folds)
        Mean log-likelihood of held-out rows, and of training rows, in nats.

    cv_sharpness_ : ndarray of shape (n_candidates, n_folds)
        Mean trace of the Hessian of the negative log-likelihood at the training rows: how
        sharp the optimum is that was found. See `sharpness`.

    cv_overfitting_ : ndarray of shape (n_candidates, n_folds)
        Degree of overfitting: (NLL_test - NLL_train) / abs(NLL_train), with the mean negative
        log-likelihood of held-out and training rows. Infinite or NaN if NLL_train is zero.

    n_splits_ : int
        Number of folds.

    n_features_in_ : int
        Number of columns seen in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X had string names.

    best_estimator_ : SharpPCDensity
        The final fit, if `refit`. Whatever it can be asked can be asked of this estimator too.

    circuit_, categories_, feature_types_, log_likelihoods_, n_iter_, converged_, \
            validation_log_likelihoods_, validation_run_log_likelihoods_, best_iteration_, \
            n_parameters
        Those of `best_estimator_`.

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

    Folds are fitted by joblib: one after the other, or in parallel in a
    ``joblib.parallel_config``, such as one of dask.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity, SharpPCDensityCV
    >>> rng = np.random.RandomState(0)
    >>> X = rng.random_sample((60, 6)) < rng.choice([0.2, 0.8], size=(60, 1))
    >>> density = SharpPCDensity(n_latents=4, random_state=0)
    >>> model = SharpPCDensityCV(density, mus=[0, 0.1, 1]).fit(X)
    >>> model.mu_
    0.0
    >>> model.cv_log_likelihoods_.mean(axis=1).round(1)
    array([-3.6, -3.6, -3.7])
    >>> model.score_samples(X).shape
    (60,)
    """

    __module__ = "skpc"  # where it is found, and by which files of models name it

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": "no_validation",  # with the rest of the template
        "mus": ["array-like"],
        "param_grid": [dict, list, None],
        "cv": ["cv_object"],
        "warm_path": ["boolean"],
        "refit": ["boolean"],
        "verbose": ["verbose"],
    }
    _held = "best_estimator_"
    _for_missingness = (
        "Search it by sklearn.model_selection.GridSearchCV(SharpPCMissingnessDensity(), "
        "{'estimator__n_latents': [4, 16]}), with feature_types named."
    )

    def __init__(
        self,
        estimator: SharpPCDensity | None = None,
        *,
        mus: Sequence[float] = (0.0, 0.01, 0.03, 0.1, 0.3),
        param_grid: dict[str, Any] | list[dict[str, Any]] | None = None,
        cv: Any = None,
        warm_path: bool = False,
        refit: bool = True,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.mus = mus
        self.param_grid = param_grid
        self.cv = cv
        self.warm_path = warm_path
        self.refit = refit
        self.verbose = verbose

    def _has_queries(self) -> bool:
        if not self.refit:
            raise AttributeError("refit=False leaves no density to ask. Set refit=True, and fit.")
        return True

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
        """Choose a candidate by cross-validation, and fit all rows with it.

        Parameters
        ----------
        X : array-like, frame or source of shape (n_samples, n_features)
            As in :class:`SharpPCDensity`. Of a source it is chosen on the rows that are drawn.
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
        >>> from skpc import SharpPCDensity, SharpPCDensityCV
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> density = SharpPCDensity(n_latents=2, random_state=0)
        >>> model = SharpPCDensityCV(density, mus=[0, 0.1], cv=2).fit(X)
        >>> model.cv_log_likelihoods_.shape
        (2, 2)
        """
        from skpc._learning.initialisation import column_moments

        with all_or_nothing(self):
            candidates = self._candidates()
            for name in [name for name in vars(self) if name.endswith("_")]:
                delattr(self, name)  # of a former fit
            given, types = (X, sample_weight), self._template().feature_types
            X, sample_weight = in_memory(*given, types, working_bytes())
            is_drawn = X is not given[0]
            X = validate_table(self, X, reset=True)
            model = self._new_density()
            model.set_params(random_state=_one_seed(model), warm_start=bool(self.warm_path))
            self._refuse_what_cannot_act(model, candidates, X_val is not None)
            weights = check_weights(sample_weight, X)
            warn_of_light(weights)
            table, of_table = take_rows(X, weights > 0), weights[weights > 0]
            columns = model._learn_columns(table, of_table)
            rows = model._encode(columns.to_matrix(table), of_table, columns).distinct()
            whole = columns, column_moments(rows)
            validation = {"X_val": X_val, "sample_weight_val": sample_weight_val}
            folds = self._folds(X, y, weights)
            source = given if is_drawn else None
            data = X, weights
            found = self._learn(model, candidates, data, folds, whole, validation, source)
            self.cv_log_likelihoods_, self.cv_train_log_likelihoods_, self.cv_sharpness_ = found
            self.params_, self.n_splits_ = list(candidates.params), len(folds)
            self.best_index_ = best_of(found[0])
            self.best_params_ = dict(self.params_[self.best_index_])
            self.best_score_ = float(found[0][self.best_index_].mean())
            if candidates.mus is not None:
                self.mus_, self.mu_ = candidates.mus, float(self.best_params_["mu"])
        return self

    @with_callbacks
    def _learn(
        self,
        model: SharpPCDensity,
        candidates: Candidates,
        data: tuple[Any, np.ndarray],
        folds: list[tuple[np.ndarray, np.ndarray]],
        whole: tuple[Columns, ColumnMoments],
        validation: dict[str, Any],
        source: tuple[Any, Any] | None,
    ) -> np.ndarray:
        """What `_cross_validate` finds; with `refit` learn all rows with the best candidate,
        those of a source if the data were drawn from one.
        """
        verbose = model.verbose
        model.verbose = 0
        n_fits = len(candidates.params) * len(folds) + self.refit
        parts = Parts(self, None if self.refit and self.warm_path else n_fits)
        found = self._cross_validate(model, candidates, data, folds, whole, validation, parts)
        best = best_of(found[0])
        if self.refit:
            model.verbose = verbose
            counts = data[1] > 0
            table, of_table = take_rows(data[0], counts), data[1][counts]
            if source is not None:
                model.set_params(**candidates.params[best], warm_start=False)
                with parts.learning(model):
                    model.fit(source[0], None, source[1], **validation)
            else:
                for step in candidates.path_to(best)[1] if self.warm_path else [best]:
                    model.set_params(**candidates.params[step])
                    with parts.learning(model):
                        model._fit_part(table, of_table, *whole, **validation)
            self.best_estimator_ = model.set_params(warm_start=False)
        parts.close()
        return found

    def _check_state(self) -> None:
        if "best_estimator_" in vars(self):  # not without refit
            check_held(self.best_estimator_, self, "best_estimator_")
        if is_fitted(self, ("params_", "n_splits_", *_FOUND)):
            if "mus_" in vars(self):
                check_finite(checked_array(self.mus_, "mus_", float, (None,)), "mus_")
            for name in _FOUND:
                shape = len(self.params_), self.n_splits_
                checked_array(getattr(self, name), name, float, shape)

    def _refuse_what_cannot_act(
        self, model: SharpPCDensity, candidates: Candidates, has_validation_rows: bool
    ) -> None:
        """Refuse parameters that are set and cannot act in any fit, by the names they have here."""
        given = [model.early_stopping, *(p.get("early_stopping") for p in candidates.params)]
        stops_early = any(bool(value) and not isinstance(value, str) for value in given)
        if self.warm_path and (stops_early or has_validation_rows):
            raise ValueError(
                "warm_path=True cannot be combined with early stopping, which would keep the "
                "circuit of the largest mu for all. Set warm_path=False, or early_stopping=False "
                "and pass no X_val."
            )
        for path in candidates.paths:  # of which the smallest mu may make others inert
            candidate = clone(model).set_params(**candidates.params[path.places[-1]])
            candidate._validate_params()
            settings = {**candidate._density_parameters(), "X_val": has_validation_rows}
            refuse_inert(settings, defaults_of(SharpPCDensity), {"warm_start": "warm_path"})

    def _candidates(self) -> Candidates:
        """What to try."""
        if self.param_grid is None:
            return Candidates.of_mus(self.mus)
        if not same_setting(self.mus, defaults_of(SharpPCDensityCV)["mus"]):
            raise ValueError(
                f"mus={shown(self.mus)} cannot act beside param_grid. Put it there, as 'mu'."
            )
        return Candidates.of_grid(self.param_grid)

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
        candidates: Candidates,
        table: tuple[Any, np.ndarray],
        folds: list[tuple[np.ndarray, np.ndarray]],
        whole: tuple[Columns, ColumnMoments],
        validation: dict[str, Any],
        parts: Parts,
    ) -> np.ndarray:
        """Log-likelihoods of held-out and of training rows, and sharpness (3, n, n_folds)."""
        from joblib import Parallel, delayed

        fit_fold = delayed(_fit_fold)
        of_folds = Parallel()(
            fit_fold(clone(model), candidates, table, fold, whole, validation, self.verbose, parts)
            for fold in enumerate(folds)
        )
        of_all = np.stack([found for found, _ in of_folds], axis=-1)
        unfinished = [n_iter for _, n_iters in of_folds for n_iter in n_iters]
        n_unfinished, max_iter = len(unfinished), max(unfinished, default=0)
        if n_unfinished and model.tol > 0:
            warnings.warn(
                f"EM did not converge in {n_unfinished} of the {of_all[0].size} fits of "
                f"cross-validation: max_iter={max_iter} iterations were not enough for "
                f"tol={model.tol}. Increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )
        return of_all


def _one_seed(density: SharpPCDensity) -> int:
    """The seed of a density, or one drawn from where it gets its randomness."""
    seed = density.random_state
    return int(seed) if isinstance(seed, Integral) else drawn_seed(check_random_state(seed))


def _fit_fold(
    density: SharpPCDensity,
    candidates: Candidates,
    data: tuple[Any, np.ndarray],
    fold: tuple[int, tuple[np.ndarray, np.ndarray]],
    whole: tuple[Columns, ColumnMoments],
    validation: dict[str, Any],
    verbose: int,
    parts: Parts,
) -> tuple[np.ndarray, list[int]]:
    """Fit each candidate in a fold, of those on a path the one with the largest `mu` first.

    Returns
    -------
    found : (3, n_candidates)
        Log-likelihoods of held-out and of training rows, and sharpness.
    unfinished : list of int
        How many iterations EM had where these were not enough.
    """
    X, weights = data
    number, (train, test) = fold
    rows = rows_at(X, train), weights[train]
    held_out = rows_at(X, test), weights[test]
    found, unfinished = np.empty((3, len(candidates.params))), []
    for path in candidates.paths:
        own = clone(density)
        for i in path.places:
            start = time.perf_counter()
            own.set_params(**candidates.params[i])
            with _in_fold(number), parts.learning(own):
                own._fit_part(*rows, *whole, **validation)
            if own.solver == "em" and not own.converged_:
                stopped = own.validation_run_log_likelihoods_
                unfinished.append(own.n_iter_ if stopped is None else len(stopped))
            found[0, i] = own.score(held_out[0], sample_weight=held_out[1])
            found[1, i] = own.score(rows[0], sample_weight=rows[1])
            found[2, i] = own.sharpness(rows[0], sample_weight=rows[1])
            if verbose:
                print(
                    f"fold {number}  {candidates.called(i)}  iterations {own.n_iter_}  held-out "
                    f"log-likelihood {found[0, i]:.6f}  {time.perf_counter() - start:.2f} s",
                    flush=True,
                )
    return found, unfinished


@contextmanager
def _in_fold(fold: int) -> Iterator[None]:
    """Be silent about convergence, and say in a ValueError which fold it is about."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield
    except ValueError as error:
        raise ValueError(f"{error} (In fold {fold} of cv.)") from error
