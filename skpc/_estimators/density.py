"""SharpPCDensity: parameters, validation, and the wiring of the parts that do the work."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skpc._checks import check_finite, checked_array, is_fitted, reading, shown
from skpc._estimators.base import DocumentedMixin, StoredMixin, all_or_nothing
from skpc._estimators.query_mixin import QueryMixin, working_bytes
from skpc._estimators.settings import (
    OF_THE_START,
    defaults_of,
    held_out_share,
    refuse_inert,
    same_setting,
)
from skpc._tables.column import column_name
from skpc._tables.columns import Columns, take_rows
from skpc._tables.sklearn_private import Interval, StrOptions, fit_context
from skpc._tables.validation import check_weights, named, validate_table, warn_of_light

# The kernels' modules take half a second to import: they are imported where they are used.
if TYPE_CHECKING:
    from skpc._data.rows import Rows
    from skpc._learning.fit import EarlyStopping
    from skpc._learning.initialisation import Moments
    from skpc._learning.progress import FitResult
    from skpc._learning.solver import Solver
    from skpc._learning.structure import Regions, Structure


_LEAST_ROWS_TO_SPLIT = 10
_MAX_BYTES = 2**34  # what the tables of a column's categories may take
_PARAMETER_TABLES = 6  # like a circuit's distributions: their counts, messages, averages
_MANY_CATEGORIES = 1_000
_STEP_SIZES = {"em": 0.5, "adam": 0.05}
_SHRINKAGE = 10.0
_RANDOM_TREES = 10
_ENDLESS = 1e120  # more makes no difference any more, and has no square
_LEARNT = ("circuit_", "categories_", "feature_types_", "n_features_in_", "_columns")
_FITTED = (
    "mu_",
    "log_likelihoods_",
    "validation_log_likelihoods_",
    "validation_run_log_likelihoods_",
    "best_iteration_",
    "n_iter_",
    "converged_",
    "_split_seed",
)  # what marginal models share with the one that they are taken from


class SharpPCDensity(QueryMixin, DocumentedMixin, DensityMixin, StoredMixin, BaseEstimator):
    """Density of a table by a probabilistic circuit, learnt by sharpness-aware EM.

    The model is a hidden Chow-Liu tree: a Chow-Liu tree [3]_ is learnt over the columns,
    each column gets a latent variable of `n_latents` states, the latent variables are
    linked as the tree says, and EM fits all parameters. Other trees (`structure`) and
    mixtures of several (`n_components`) are circuits too. Likelihoods, marginals and samples
    are exact, and so is what NaN means: a missing value is summed out, in training and in
    scoring. The penalty `mu` on the curvature of the log-likelihood [1]_ keeps the model
    from sharp optima, which generalise badly when data are few.

    A parameter that is set (to anything but its default) and cannot act beside the others is
    refused by `fit`, and not ignored. A value at which another one loses its effect, such as a
    `mu` of 0 or one latent state, refuses nothing: it is the end of a scale to search over.

    Columns may be categorical or continuous. Given its latent state a categorical column
    has its own table of probabilities, a continuous one a Gaussian; strongly correlated
    continuous columns share a latent variable and a Gaussian with full covariance.

    Parameters
    ----------
    n_latents : int, default=32
        States of each latent variable. 1 makes all columns independent; the cost of an
        iteration grows with the square.

    mu : float or None, default=None
        Strength of the sharpness penalty; 0 is plain maximum likelihood. Its unit follows
        `multiplier`. None means 0.01, or 1e-4 where that is "exact"; with early stopping and
        fewer than 1,000 rows to learn from (counted by their weights), 0 if that is better on
        the validation rows; and 0 for ``solver="adam"``. `mu_` tells.

    regularizer : {"global", "gated"}, default="global"
        Of ``solver="em"``: whether the penalty acts on all sum nodes alike, or on each in
        proportion to its mean curvature relative to the largest [2]_.

    multiplier : {"unit", "exact"}, default="unit"
        Of ``solver="em"``: how the Lagrange multiplier of the M-step is chosen. "unit" sets it to
        one, on counts summed over the data set, and normalises: `mu` is then measured in expected
        counts and fades as data grow. "exact" solves for the multiplier for which the
        weights sum to one: `mu` then does not depend on the number of rows, and useful
        values are far smaller, say 1e-5.

    update : {"quadratic", "cubic"}, default="quadratic"
        Of ``solver="em"``: which stationarity condition the M-step solves: that of the penalty's
        gradient surrogate (Theorem 2 of [1]_) or that of the penalty itself (Proposition 5),
        which needs the flows of single rows and is slower.

    solver : {"em", "adam"}, default="em"
        How parameters are learnt: by expectation-maximisation, whose M-step is in closed
        form, or by gradient: Adam on the mean negative log-likelihood plus `mu` times the mean
        trace of its Hessian, both with exact gradients. `mu` is then in units of that trace,
        which is often in the thousands: useful values are far smaller. Weights are softmaxes.
        "adam" has no M-step: `regularizer`, `multiplier` and `update` cannot be set with it, and
        `pseudocount` is only of the tree and of categories never seen.

    batch_size : int, "auto" or None, default="auto"
        Rows of a mini-batch, rows counted by their weights; None takes all rows at once. With
        batches EM is stepwise: expected counts, scaled to the whole table, enter a running
        average, and every batch ends with an M-step. That finds better optima on large tables,
        in some tens of epochs. "auto" means 256 for "adam"; for EM 100, or
        what makes 250 batches if that is more, on 5,000 rows or more of which 500 are
        distinct; and all at once on fewer, or where `update` needs that. Where few distinct
        rows have much weight both are as much more as lets an epoch visit each ten times at most.
        Steps shrink: EM's average moves by 0.5 towards the counts of a batch, divided by
        1 + t / 2 after t epochs, whatever `max_iter`; Adam's step, in logits, falls from 0.05 to
        a fiftieth of that over `max_iter` epochs, along half a cosine.

    max_iter : int or None, default=None
        Largest number of iterations; of epochs, if there are mini-batches. None means 500
        iterations, or 100 epochs of EM, or 60 of "adam".

    tol : float, default=1e-4
        Learning stops when the mean log-likelihood of the training rows changes by less than
        this, in nats, from one iteration to the next; with early stopping, when that of the
        validation rows has not gained more than this in `n_iter_no_change` iterations. 0 without
        early stopping runs all iterations; whether there is early stopping it does not decide.

    early_stopping : bool, "auto" or float in (0, 1), default="auto"
        Whether to hold out some of the rows, and to stop when their likelihood no longer improves:
        a tenth of the rows, or the share that is given. "auto" does so with 10 rows or more, by
        their weights, unless there is one latent state, which leaves nothing to stop, or
        `warm_start`. The parameters are then learnt anew, from all rows, in the same tree and from
        the same start, in `best_iteration_` iterations, at least one; but not with `warm_start`:
        the next fit would be validated on rows that this one learnt from. Rows that are passed to
        `fit` as `X_val` are used to stop in any case: then nothing is held out, no share can be
        set, and the best circuit is kept as it is.

    n_iter_no_change : int, default=10
        Early stopping ends learning when the best validation log-likelihood is not more than `tol`
        better than the best was so many iterations ago; without early stopping it cannot be set.

    pseudocount : float, default=0.01
        Added to the expected counts of every distribution in all, spread evenly over its
        entries, and to each pair's table when the tree is learnt. It is also what a
        category never seen in training has for a count, so that scores stay finite.

    init : {"random", "cluster"}, default="cluster"
        How parameters start, unless `warm_start` goes on from a circuit.

        - "random": drawn as exp(-2 u), u uniform on [0, 1), then normalised; Gaussians at rows
          far apart.
        - "cluster": from the data. For each latent variable rows are cut into `n_latents`
          clusters by random projections of what they show nearby in the tree; parameters are
          how often clusters and values occur together. That is soon where "random" is after
          60 iterations or more, and costs less than two of them; but with few rows it
          also overfits sooner, so stop early.

    n_init : int, default=1
        Number of starts, unless `warm_start` goes on from a circuit; the one with the highest
        training log-likelihood is kept, or with the highest validation log-likelihood if there
        are validation rows.

    feature_types : {"auto", "categorical", "binomial", "gaussian"}, sequence or dict, \
            default="auto"
        How columns are read: all alike, or one entry a column, or a dict from names or
        positions for some, the others being "auto". "auto" reads labels, booleans, and
        integers with at most 32 different ones as categorical, and other
        numbers as Gaussian, whatever their dtype. Say "binomial" of integers whose order
        matters, such as grades, counts up to a limit or levels of grey, and of ordered
        categorical columns: a state then has one parameter for all levels from the lowest to
        the highest seen, and learns of each from its neighbours. The log mass of a discrete
        column and the log density of a Gaussian one cannot be compared: name the types before
        comparing models that are fitted on different rows.

    structure : {"chow-liu", "chain", "star", "rat"} or array-like of int of shape \
            (n_features,), default="chow-liu"
        How the latent variables are linked.

        - "chow-liu": by the tree with the largest total mutual information.
        - "chain": column after column, in their order. Correlated columns are then not
          grouped unless `feature_groups` says so.
        - "star": all to that of the column with the largest total mutual information.
        - "rat": by `n_components` random binary trees [5]_ under one root sum node. Each
          halves the set of columns at random, then the halves, down to single columns
          (groups stay together); the latent variables above those observe nothing.
        - numbers: the parent of each column, -1 for exactly one column, the root. Columns
          are then not grouped.

    n_components : int or "auto", default="auto"
        Number of trees, mixed under one root sum node and trained jointly by EM; "auto" is 10 for
        ``structure="rat"`` and 1 otherwise. Several Chow-Liu trees are each learnt, and started,
        from a cluster of the rows of its own. Other structures have one tree.

    feature_groups : "auto", sequence of sequences or None, default="auto"
        Columns that share a latent variable, given by names or positions, or none. "auto" finds
        continuous ones from their correlations (joined where the gain in likelihood exceeds
        the Bayesian information criterion's price). Continuous columns alone share a full
        covariance; columns of a group with others are independent given its state. In EM a state's
        covariance is averaged with that of all states together, as if that came from 10 rows,
        and its variance is at least 1e-6 times that of the column, in every direction.

    warm_start : bool, default=False
        Whether `fit` goes on from the circuit of the last fit, if there was one: same columns,
        trees, types, groups and categories, its parameters as the start. What decides
        these (from `structure` to `n_init`) cannot be changed in between. Early stopping holds
        out the same rows again.

    random_state : int, RandomState instance or None, default=None
        Decides the start, the mini-batches and the rows that early stopping holds out. With
        an int the fitted model has the same bits each time on one kind of processor, for any
        number of threads and any order of the rows.

    dtype : {"float64", "float32"}, default="float64"
        Precision of the messages in training; it cannot be set with ``update="cubic"``, nor with
        a penalty and ``solver="adam"``, which use float64. "float32" halves their memory and
        takes about 0.6 times as long; likelihoods, counts and parameters are float64 in any case,
        and scores are always computed in float64.

    n_jobs : int or None, default=None
        Number of threads for fitting and scoring. None and -1 mean all cores that Numba may
        use (NUMBA_NUM_THREADS): one in a worker process of joblib. -2 means all but one; 0 is
        an error. Unlike elsewhere in scikit-learn these are threads of compiled code, not
        joblib workers.

    verbose : int, default=0
        If positive, every that many iterations print one line: iteration, mean
        log-likelihood, its change, that of the validation rows, and seconds. Runs follow each
        other: of several starts, of the values that None lets `mu` have, and last the one from all
        rows after early stopping, which no rows validate.

    Attributes
    ----------
    circuit_ : Circuit
        The fitted circuit: `parents`, `features`, `root_weights`, `sum_weights`, `inputs`.
        It has one root, or one for each component.

    categories_ : list of ndarray or None, one a column
        The categories of each column, sorted, as they are in the table; None where it is
        continuous.

    feature_types_ : list of str, one a column
        How each column was read: "categorical", "binomial" or "gaussian".

    mu_ : float
        Strength of the penalty: `mu`, or what None came to.

    log_likelihoods_ : ndarray of shape (`n_iter_`,)
        Mean log-likelihood of the training rows before each iteration of the run that led to
        `circuit_`, in nats: if rows were held out, of the last one, from all rows. With
        mini-batches each row's is that before the update by its batch.

    n_iter_ : int
        Number of iterations (epochs, with mini-batches) of the run that led to `circuit_`: if rows
        were held out, that of the last one, `best_iteration_` or one; with `X_val` or `warm_start`
        those until it stopped, of which `circuit_` has had the first `best_iteration_`.

    converged_ : bool
        Whether the rule of `tol`, and not `max_iter`, decided how many iterations `circuit_` has
        had: with early stopping, whether the validation log-likelihood had stopped improving.

    validation_log_likelihoods_ : ndarray of shape (n + 1,) or None
        Mean log-likelihood of the validation rows before each of the n iterations of the run
        that they validated, and after the last one. None without early stopping.

    validation_run_log_likelihoods_ : ndarray of shape (n,) or None
        Mean log-likelihood of the training rows before each iteration of the run that was
        validated: without the rows held out, if some were. It is `log_likelihoods_` unless a run
        from all rows followed. But for mini-batches, which change the circuit within an iteration,
        entry by entry of the same circuit as `validation_log_likelihoods_`. None without early
        stopping.

    best_iteration_ : int or None
        Number of iterations after which the validation log-likelihood was best: those that
        `circuit_` has had (one at least, if rows were held out). None without early stopping.

    n_features_in_ : int
        Number of columns seen in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X had string names.

    n_parameters : int
        Number of free parameters.

    See Also
    --------
    sklearn.mixture.GaussianMixture : Density of continuous columns.
    sklearn.neighbors.KernelDensity : Density without a model; its `score` is a sum.

    Notes
    -----
    Rows are reduced to distinct rows with summed weights before anything else, so an integer
    weight is the same as repetition, a weight of zero the same as absence, and the order of
    rows does not matter, to the last bit. Early stopping keeps to that: it splits weights
    instead of choosing rows. It draws units of weight without replacement, which on integer
    weights is the same as drawing rows.

    EM runs on the distinct *patterns* of each subtree instead of on rows; expected counts
    are those of all rows, exactly.

    References
    ----------
    .. [1] H. Suresh et al., "Tractable Sharpness-Aware Learning of Probabilistic Circuits",
       AAAI 2026, arXiv:2508.05537.
    .. [2] H. Suresh et al., "A Compositional Theory of Curvature in Probabilistic
       Circuits", 2026.
    .. [3] C. Chow and C. Liu, "Approximating Discrete Probability Distributions with
       Dependence Trees", IEEE Transactions on Information Theory, 1968.
    .. [4] A. Liu and G. Van den Broeck, "Tractable Regularization of Probabilistic
       Circuits", NeurIPS 2021.
    .. [5] R. Peharz et al., "Random Sum-Product Networks: A Simple and Effective Approach
       to Probabilistic Deep Learning", UAI 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
    >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
    >>> model.score_samples([[0, 0, 1], [0, 1, 1]]).round(1)
    array([-1.4, -8.6])
    >>> float(model.score_samples([[np.nan, np.nan, np.nan]])[0])
    0.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_latents": [Interval(Integral, 1, None, closed="left")],
        "mu": [Interval(Real, 0, None, closed="left"), None],
        "regularizer": [StrOptions({"global", "gated"})],
        "multiplier": [StrOptions({"unit", "exact"})],
        "update": [StrOptions({"quadratic", "cubic"})],
        "solver": [StrOptions({"em", "adam"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": [
            "boolean",
            StrOptions({"auto"}),
            Interval(Real, 0, 1, closed="neither"),
        ],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "pseudocount": [Interval(Real, 0, None, closed="left")],
        "init": [StrOptions({"cluster", "random"})],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "feature_types": ["array-like", dict, str],
        "structure": ["array-like", StrOptions({"chow-liu", "chain", "star", "rat"})],
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "feature_groups": ["array-like", StrOptions({"auto"}), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "dtype": [StrOptions({"float64", "float32"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_latents: int = 32,
        *,
        mu: float | None = None,
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
        self.n_latents = n_latents
        self.mu = mu
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        sample_weight_val: Any = None,
    ) -> SharpPCDensity:
        """Learn the tree and the parameters.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Numbers, or a pandas or polars frame with columns of numbers, labels or
            booleans. NaN, None and NA are missing.
        y : None
            Ignored; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row. A row of weight two is a row given twice, one of weight zero
            is absent.
        X_val : array-like or frame of shape (n_val, n_features), default=None
            Additional rows for validation, which turn early stopping on. In a `Pipeline`
            they are transformed like X with ``Pipeline(..., transform_input=["X_val"])``.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the rows of `X_val`.

        Returns
        -------
        SharpPCDensity
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used, or a parameter is set that cannot act; the
            message names the parameter or column, the value and the remedy. The estimator is
            then as it was before.

        Warns
        -----
        UserWarning
            If `sample_weight` sums to less than a tenth of the rows, and less than ten: weights
            are counts, not shares.
        ConvergenceWarning
            If learning had not met `tol` after `max_iter` iterations, or if the log-likelihood
            of plain EM (`mu` and `pseudocount` zero, no mini-batches) fell.
        UserWarning
            If the type of a column is uncertain, if it has very many labels, or if its labels
            only name rows.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0)
        >>> model.fit(X, sample_weight=np.arange(40)).n_parameters
        11
        """
        with all_or_nothing(self):
            X = validate_table(self, X, reset=True)
            self._refuse_inert(X_val is not None)
            weights = check_weights(sample_weight, X)
            warn_of_light(weights)
            X, weights = take_rows(X, weights > 0), weights[weights > 0]
            columns = self._learn_columns(X, weights)
            self._learn_matrix(columns.to_matrix(X), weights, columns, X_val, sample_weight_val)
        return self

    def _refuse_inert(self, has_validation_rows: bool) -> None:
        """Refuse parameters that are set and cannot act."""
        settings = {
            **self._density_parameters(),
            "X_val": has_validation_rows,
        }
        # A subclass may have fewer parameters than it passes on.
        refuse_inert(settings, {**defaults_of(SharpPCDensity), **defaults_of(type(self))})

    def _learn_matrix(
        self,
        matrix: Any,
        weights: np.ndarray,
        columns: Columns,
        X_val: Any,
        sample_weight_val: Any,
        **prior: Any,
    ) -> None:
        """Learn from a matrix whose rows all have weight, and perhaps from validation rows."""
        random_state = check_random_state(self.random_state)
        early_stopping = self._check_early_stopping(
            X_val, sample_weight_val, weights, columns, random_state
        )
        self._learn(matrix, weights, columns, random_state, early_stopping, **prior)

    def _fit_part(
        self,
        X: Any,
        weights: np.ndarray,
        whole: Columns,
        margins: Moments,
        X_val: Any = None,
        sample_weight_val: Any = None,
    ) -> None:
        """Learn from some rows, all of weight, of a table whose columns are known.

        Categories are those of these rows; a column without a value in them is read as in the
        whole table, and has its margin.
        """
        X = validate_table(self, X, reset=True)
        columns = whole
        if not self._continues():
            types = [column.type for column in whole.columns]
            columns = Columns.learn(X, types, whole=whole)
        matrix = columns.to_matrix(X)
        self._learn_matrix(matrix, weights, columns, X_val, sample_weight_val, margins=margins)

    def _learn(
        self,
        matrix: Any,
        weights: np.ndarray,
        columns: Columns,
        random_state: np.random.RandomState,
        early_stopping: EarlyStopping | None,
        **prior: Any,
    ) -> None:
        """Learn from a matrix, and set all that `fit` sets but what its table says."""
        result = self._learn_circuit(
            matrix, weights, columns, random_state, early_stopping, **prior
        )
        self._warn(result)
        if not self._continues():
            self._start_settings = {name: copy(getattr(self, name)) for name in OF_THE_START}
        self.circuit_ = result.circuit
        self.categories_ = columns.categories
        self.feature_types_ = [column.type for column in columns.columns]
        self.mu_ = result.mu
        self.log_likelihoods_ = result.log_likelihoods
        self.n_iter_ = len(result.log_likelihoods)
        self.converged_ = result.converged
        self.validation_log_likelihoods_ = result.validation_log_likelihoods
        self.validation_run_log_likelihoods_ = result.validation_run_log_likelihoods
        self.best_iteration_ = result.best_iteration
        self._split_seed = None if early_stopping is None else early_stopping.seed
        self._columns = columns

    def score_samples(self, X: Any) -> np.ndarray:
        """Exact log-likelihood of each row.

        The log mass of categorical columns, the log density of continuous ones, their sum
        if there are both: with continuous columns it may be positive, and changes when they
        are rescaled. With missing values it is that of what is observed; 0 where nothing is.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows to score; NaN is missing. A category never seen in training has the mass
            of one with no count (see `pseudocount`).

        Returns
        -------
        ndarray of shape (n_samples,)
            Log-likelihoods in nats.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> model.score_samples([[0, 0, 1], [0, np.nan, np.nan]]).round(1)
        array([-1.4, -0.7])
        """
        return self._judge(self._validate(X))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean score of the rows, in nats.

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
            Weighted mean of `score_samples`, whatever these are, as in scikit-learn's
            GaussianMixture. The score of its KernelDensity is the sum instead.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> round(model.score(X), 1)
        -1.4
        """
        return self._mean(self._judge, X, sample_weight)

    def marginal(self, features: Sequence[Any]) -> SharpPCDensity:
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
        from skpc._queries.marginals import marginal

        parameters = self._density_parameters()
        parameters["feature_types"] = [self.feature_types_[j] for j in columns]
        if not isinstance(self.structure, str):
            parameters["structure"] = "chow-liu"
        groups = self._columns.groups(self.feature_groups)
        if groups:
            kept = [[columns.index(j) for j in group if j in columns] for group in groups]
            parameters["feature_groups"] = [group for group in kept if len(group) > 1]
        smaller = SharpPCDensity(**parameters)
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

    @property
    def n_parameters(self) -> int:
        """Number of free parameters of the fitted circuit.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> model.n_parameters
        11
        """
        check_is_fitted(self)
        return self.circuit_.n_parameters

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Akaike information criterion on X; lower is better.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row: one of weight two is a row given twice.

        Returns
        -------
        float
            -2 log-likelihood in all + 2 `n_parameters`. The log-likelihood is that of `circuit_`,
            also where `score_samples` gives something else.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> bool(model.aic(X) < SharpPCDensity(n_latents=1).fit(X).aic(X))
        True
        """
        log_likelihood, _ = self._total_log_likelihood(X, sample_weight)
        return -2.0 * log_likelihood + 2.0 * self.n_parameters

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Bayesian information criterion on X; lower is better.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row: one of weight two is a row given twice.

        Returns
        -------
        float
            -2 log-likelihood in all + `n_parameters` log n, where n is the total weight. The
            log-likelihood is that of `circuit_`, also where `score_samples` gives something else.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> bool(model.bic(X) < SharpPCDensity(n_latents=1).fit(X).bic(X))
        True
        """
        log_likelihood, n_rows = self._total_log_likelihood(X, sample_weight)
        return -2.0 * log_likelihood + self.n_parameters * float(np.log(n_rows))

    def _total_log_likelihood(self, X: Any, sample_weight: Any) -> tuple[float, float]:
        """Log-likelihood of all rows under the circuit, and how many they are, by weight."""
        matrix = self._validate(X)
        weights = check_weights(sample_weight, matrix)
        return float((weights * self._score_samples(matrix)).sum()), float(weights.sum())

    def __getstate__(self) -> dict[str, Any]:
        from skpc import __version__

        return {**super().__getstate__(), "_skpc_version": __version__}

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
                stacklevel=2,
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
        histories = {
            "log_likelihoods_": self.n_iter_,
            "validation_log_likelihoods_": None,
            "validation_run_log_likelihoods_": None,
        }
        for name, length in histories.items():
            if fitted[name] is not None or length is not None:
                check_finite(checked_array(fitted[name], name, float, (length,)), name)
        for name in "best_iteration_", "_split_seed":
            value = fitted[name]
            if value is not None and not (isinstance(value, Integral) and int(value) >= 0):
                raise ValueError(
                    f"{name} must be None or an integer of at least 0; got {shown(value)}."
                )

    def hessian_trace(self, X: Any) -> np.ndarray:
        """Trace of the Hessian of the negative log-likelihood of each row.

        Over all sum weights, taken as free parameters; see
        :func:`skpc.curvature.hessian_trace`.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            Traces, at least zero; the larger, the sharper.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> bool((model.hessian_trace(X) >= 0).all())
        True
        """
        return self._hessian_trace(self._validate(X))

    def sharpness(self, X: Any, sample_weight: Any = None) -> float:
        """Mean trace of the Hessian of the negative log-likelihood.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the mean.

        Returns
        -------
        float
            Weighted mean of `hessian_trace`.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> bool(np.isclose(model.sharpness(X), model.hessian_trace(X).mean()))
        True
        """
        return self._mean(self._hessian_trace, X, sample_weight)

    def _density_parameters(self) -> dict[str, Any]:
        """Parameters of a `SharpPCDensity` that learns as this estimator did."""
        return {name: getattr(self, name) for name in SharpPCDensity._get_param_names()}

    def _mean(self, query: Callable[[Any], np.ndarray], X: Any, sample_weight: Any) -> float:
        """The weighted mean of a query over the rows of a table."""
        matrix = self._validate(X)
        weights = check_weights(sample_weight, matrix)
        return float(np.average(query(matrix), weights=weights))

    def _validate(self, X: Any) -> Any:
        """The matrix of a table to query."""
        check_is_fitted(self)
        table = validate_table(self, X, reset=False)
        return self._columns.to_matrix(table)

    def _continues(self) -> bool:
        return self.warm_start and hasattr(self, "circuit_")

    def _learn_columns(self, X: Any, weights: np.ndarray) -> Columns:
        """How to read the columns; with `warm_start`, as in the last fit."""
        if not self._continues():
            return Columns.learn(X, self.feature_types, weights)
        remedy = "Set warm_start=False to start anew."
        for name, former in getattr(self, "_start_settings", {}).items():
            value = getattr(self, name)
            if not same_setting(value, former):
                raise ValueError(
                    f"{name}={shown(value)} cannot act: the fit goes on from the circuit of the "
                    f"last one, which was learnt with {name}={shown(former)}. {remedy}"
                )
        if self.circuit_.n_latents != self.n_latents:
            raise ValueError(
                f"n_latents={self.n_latents} differs from the {self.circuit_.n_latents} of the "
                f"fitted circuit. {remedy}"
            )
        if X.shape[1] != len(self._columns.columns):
            raise ValueError(
                f"X has {X.shape[1]} columns, the fitted circuit {len(self._columns.columns)}. "
                f"{remedy}"
            )
        if not self._columns.fits(X):
            raise ValueError(f"X has other columns than the last fit. {remedy}")
        self._columns.refuse_unknown(X, self._columns.to_matrix(X), remedy)
        return self._columns

    def _check_early_stopping(
        self,
        X_val: Any,
        sample_weight_val: Any,
        sample_weight: np.ndarray,
        columns: Columns,
        random_state: np.random.RandomState,
    ) -> EarlyStopping | None:
        """What EM is validated on, or None; see `EarlyStopping`."""
        if X_val is None and sample_weight_val is not None:
            raise ValueError(
                "sample_weight_val weights the rows of X_val, which is None. Pass X_val too."
            )
        is_auto = self.early_stopping == "auto"
        is_useful = self.n_latents > 1 and not self.warm_start
        is_useful = is_useful and sample_weight.sum() >= _LEAST_ROWS_TO_SPLIT
        if X_val is None and not (is_useful if is_auto else self.early_stopping):
            return None
        from skpc._learning.fit import EarlyStopping

        rows = None
        if X_val is not None:
            with named("X_val"):
                table = validate_table(self, X_val, reset=False)
            with named("sample_weight_val"):
                weights = check_weights(sample_weight_val, table)
            with named("X_val"):
                table, weights = take_rows(table, weights > 0), weights[weights > 0]
                matrix = columns.to_matrix(table)
            rows = self._encode(matrix, weights, columns)
            seed = None
        else:
            seed = self._split_seed if self._continues() else None
            if seed is None:
                seed = int(random_state.randint(np.iinfo(np.int32).max))
        return EarlyStopping(
            rows,
            held_out_share(self.early_stopping),
            seed,
            self.n_iter_no_change,
            refit=not self.warm_start,
            is_optional=is_auto,
        )

    def _learn_circuit(
        self,
        matrix: Any,
        weights: np.ndarray,
        columns: Columns,
        random_state: np.random.RandomState,
        early_stopping: EarlyStopping | None,
        *,
        regions: Regions | None = None,
        margins: Moments | None = None,
        share_scales: bool = False,
    ) -> FitResult:
        """Learn a circuit; what is known of its structure and Gaussians may be given."""
        from skpc._learning.fit import learn_circuit
        from skpc._learning.initialisation import Start
        from skpc._threads import table_work, use_threads

        structure = self._structure(columns, regions)
        self._refuse_cost(columns, weights, structure)
        rows = self._encode(matrix, weights, columns)
        start = Start(
            self.n_latents,
            self.init,
            self.n_init,
            _SHRINKAGE,
            self.circuit_ if self._continues() else None,
            margins,
            share_scales,
        )
        with use_threads(self.n_jobs, table_work(matrix.size, self.n_latents)):
            return learn_circuit(
                rows, structure, start, self._solver(), early_stopping, random_state
            )

    def _encode(self, matrix: Any, weights: np.ndarray, columns: Columns) -> Rows:
        """The distinct rows of a matrix, in canonical order."""
        from skpc._data.rows import Rows
        from skpc._threads import table_work, use_threads

        with use_threads(self.n_jobs, table_work(matrix.size, self.n_latents)):
            return Rows.encode(matrix, columns.scopes, weights).distinct()

    def _refuse_cost(self, columns: Columns, weights: np.ndarray, structure: Structure) -> None:
        """Raise ValueError, before anything is allocated, if categories need too much memory."""
        from skpc._learning.mutual_information import bins_of, pair_bytes

        n_categories = np.array([bins_of(column.categories) for column in columns.columns])
        widest = int(n_categories.argmax())
        costs = {
            "their parameters": _PARAMETER_TABLES * 8 * int(n_categories.sum()) * self.n_latents
        }
        remedy = "Drop the column if it only names rows, merge rare labels, or lower n_latents"
        if structure.needs_pairs and len(n_categories) > 1 and not self._continues():
            costs["counting their pairs with those of other columns"] = pair_bytes(
                n_categories, weights
            )
            remedy += " or, for the pairs, set structure='chain'"
        for what, n_bytes in costs.items():
            if n_bytes > _MAX_BYTES and n_categories[widest] > _MANY_CATEGORIES:
                raise ValueError(
                    f"{column_name(columns.names, widest)} has {n_categories[widest]} different "
                    f"categories, and {what} would take {n_bytes / 2**30:.0f} GiB, more than the "
                    f"{_MAX_BYTES >> 30} GiB that are allowed. {remedy}."
                )

    def _n_trees(self) -> int:
        if isinstance(self.n_components, str):
            return _RANDOM_TREES if same_setting(self.structure, "rat") else 1
        return self.n_components

    def _structure(self, columns: Columns, regions: Regions | None = None) -> Structure:
        """Which trees to learn."""
        from skpc._learning.structure import Structure

        return Structure(
            self.structure,
            columns.groups(self.feature_groups),
            self._n_trees(),
            regions,
        )

    def _solver(self) -> Solver:
        """How parameters are learnt."""
        from skpc._learning.mstep import MStep
        from skpc._learning.solver import Solver

        has_batches = self.solver == "adam" or isinstance(self.batch_size, Integral)
        if self.update == "cubic" and has_batches:
            raise ValueError(
                "update='cubic' needs EM on all rows at once. Set solver='em' and "
                "batch_size=None, or update='quadratic'."
            )
        return Solver(
            MStep(
                self.mu or 0.0,
                self.regularizer,
                self.multiplier,
                self.update,
                min(self.pseudocount, _ENDLESS),
            ),
            self.max_iter,
            min(self.tol, _ENDLESS),
            kind=self.solver,
            batch_size=self.batch_size,
            step_size=_STEP_SIZES[self.solver],
            max_bytes=working_bytes(),
            dtype=np.dtype(self.dtype),
            chooses_mu=self.mu is None,
            on_iteration=_reporter(self.verbose),
        )

    def _warn(self, result: FitResult) -> None:
        """Warn of what the user should know about how EM ended."""
        if not result.converged and self.tol > 0 and not result.has_schedule:
            what = "log-likelihood still changes"
            if result.best_iteration is not None:
                what = (
                    f"validation log-likelihood still improves in n_iter_no_change="
                    f"{self.n_iter_no_change} iterations"
                )
            n_iter = len(result.stopped_run)
            warnings.warn(
                f"Learning did not converge: after max_iter={n_iter} iterations the {what} by "
                f"more than tol={self.tol}. Increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=6,
            )
        history = result.stopped_run
        changes = np.diff(history)
        rounding = 1e-9 if self.dtype == "float64" else 1e-6
        fell = changes < -rounding * np.maximum(1.0, np.abs(history[1:]))
        is_plain = result.mu == 0 and self.pseudocount == 0 and not result.is_stepwise
        if is_plain and fell.any():
            warnings.warn(
                f"The log-likelihood fell by {-changes[fell][0]:.3g} at iteration "
                f"{np.argmax(fell) + 2}: plain EM never does but for rounding. Please report it.",
                ConvergenceWarning,
                stacklevel=6,
            )

    def _judge(self, matrix: Any) -> np.ndarray:
        """What `score_samples` gives for a matrix."""
        return self._score_samples(matrix)

    def _score_samples(self, X: np.ndarray) -> np.ndarray:
        from skpc._passes.likelihood import log_likelihood

        with self._threads(X):
            return log_likelihood(self.circuit_, X, max_bytes=working_bytes())

    def _hessian_trace(self, X: np.ndarray) -> np.ndarray:
        from skpc.curvature import hessian_trace

        return hessian_trace(self.circuit_, X, n_jobs=self.n_jobs, max_bytes=working_bytes())


def _reporter(verbose: int) -> Callable[[int, float, float | None], None] | None:
    """A callback for `fit_em` that prints one line every `verbose` iterations."""
    if not verbose:
        return None
    start = time.perf_counter()
    last = np.nan

    def report(iteration: int, log_likelihood: float, validation: float | None) -> None:
        nonlocal last
        if iteration == 1:  # of another start, perhaps
            last = np.nan
        if iteration % int(verbose) == 0 or iteration == 1:
            seconds = time.perf_counter() - start
            validated = "" if validation is None else f"validation {validation:.6f}  "
            print(
                f"iteration {iteration:4d}  log-likelihood {log_likelihood:.6f}  "
                f"change {log_likelihood - last:.6f}  {validated}{seconds:.2f} s",
                flush=True,
            )
        last = log_likelihood

    return report
