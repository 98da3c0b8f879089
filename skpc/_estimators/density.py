"""SharpPCDensity: its parameters, and fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin

from skpc._estimators.base import all_or_nothing
from skpc._estimators.callbacks import CallbackSupportMixin
from skpc._estimators.dependence_mixin import DependenceMixin
from skpc._estimators.fitted_mixin import FittedMixin
from skpc._estimators.learning_mixin import LearningMixin
from skpc._estimators.parts import Chunks, fit_parts
from skpc._estimators.query_mixin import working_bytes
from skpc._estimators.score_mixin import ScoreMixin
from skpc._estimators.settings import CONSTRAINTS, Structure, defaults_of, refuse_inert
from skpc._estimators.stream_mixin import StreamMixin
from skpc._estimators.watching import watching
from skpc._tables.sklearn_private import fit_context
from skpc._tables.sources import as_source
from skpc._tables.validation import check_weights, validate_table, warn_of_light


class SharpPCDensity(
    ScoreMixin,
    DependenceMixin,
    StreamMixin,
    LearningMixin,
    FittedMixin,
    CallbackSupportMixin,
    DensityMixin,
    BaseEstimator,
):
    """Density of a table by a probabilistic circuit, learnt by sharpness-aware EM.

    The model is a hidden Chow-Liu tree: a Chow-Liu tree [3]_ is learnt over the columns,
    each column gets a latent variable of `n_latents` states, the latent variables are
    linked as the tree says, and EM fits all parameters. Other trees (`structure`) and
    mixtures of several (`n_components`) are circuits too. Likelihoods, marginals and samples
    are exact, and so is what NaN means: a missing value is summed out, in training and in
    scoring. The penalty `mu` on the curvature of the log-likelihood [1]_ keeps the model
    from sharp optima, which generalise badly when data are few.

    A parameter that is set (to anything but its default) and cannot act beside the others is
    refused by `fit`; a value at which another one loses its effect, such as a `mu` of 0 or one
    latent state, is not.

    Given its latent state a category has a table of probabilities, a number is normal on the scale
    on which its column is normal in all. Strongly correlated numbers share a full covariance.

    Parameters
    ----------
    n_latents : int or "auto", default="auto"
        States of each latent variable; the cost of an iteration grows with the square. 1 makes
        all columns independent. "auto" tries independent columns, then 1, 2, 4, ... 32 states, and
        64 if 32 are clearly better than 16, as long as the likelihood of held-out rows grows, and
        other groups of columns: the rows of `early_stopping`, to choose only if there is none, and
        of fewer than 1,500, by weight, each fifth in turn, unless a share is set. They also weight
        what was tried (stacking [5]_); the few circuits that are worth it, learnt from all rows,
        become one: see `fit_report_`. Of less than ten rows columns are independent.

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
        batches EM is stepwise: after an iteration on all rows, each batch's counts enter a running
        average, from which an M-step follows; an epoch leaves the M-step of all its counts. That
        finds better optima. "auto" means 256 for "adam"; for EM 50, 100 on 5,000 rows or more, or
        what makes 250 batches if more, and all rows of fewer than 500 distinct ones, or where
        `update` needs that; more where an epoch would visit distinct rows more than ten times.
        EM's average moves by 0.5, or 0.3 with several trees, towards a batch's counts, divided by
        (1 + t / 2)^0.6 after t epochs; Adam's step, in logits, falls from 0.05 to a fiftieth of
        that over `max_iter` epochs, along half a cosine.

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

    pseudocount : float or pair of float, default=0.01
        How many rows are added to the expected counts of every distribution: of a column's
        categories as the column is in all states, of a node's children as they are under all nodes,
        so that much of it makes columns independent. One row at most (a hundred times as much, if
        that is less) is spread evenly over a column's categories, in all states together, so that
        one never seen has a mass; the tables of pairs, when the tree is learnt, get all evenly. The
        second of a pair is for numbers in EM: how many rows' worth of the (co)variance within all
        states each state's is averaged with, 10 for a number alone; 0 overfits with few rows.

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

    feature_types : {"auto", "categorical", "numeric", "binomial", "gaussian"}, sequence or dict, \
            default="auto"
        How columns are read: all alike, or one entry per column, or a dict from names or
        positions for some, the others being "auto".

        - "categorical": "auto" reads labels, booleans, two integers, and at most 10 different
          numbers with 5 rows for each on average, by weight, as categories.
        - "numeric": normal in each state, on the scale on which the column is normal in all. So
          "auto" reads all other numbers, whatever their dtype, and as levels ordered categories of
          which more than two are seen. Numbers on a lattice (integers, say), or that many rows
          have, have a log mass, others a log density.
        - "binomial": integers or ordered categories, with one parameter in each state for all
          levels from the lowest to the highest seen.
        - "gaussian": numbers, normal in each state as they are, with a log density. Log mass and
          log density cannot be compared: name the types before comparing models.

    structure : {"chow-liu", "chain", "star", "rat", "continuous-mixture", "auto"} or array-like \
            of int of shape (n_features,), default="chow-liu"
        How the latent variables are linked, or that there is one only.

        - "chow-liu": by the tree with the largest total mutual information.
        - "chain": column after column, in their order. Correlated columns are then not
          grouped unless `feature_groups` says so.
        - "star": all to that of the column with the largest total mutual information.
        - "rat": by `n_components` random binary trees [4]_ under one root sum node. Each
          halves the set of columns at random, then the halves, down to single columns
          (groups stay together); the latent variables above those observe nothing.
        - "continuous-mixture": one continuous latent variable of six dimensions [6]_, integrated
          over `n_latents` points ("auto": about as many as rows, 256 to 2,048), which become states
          of regions of 64 or fewer. Given it columns are independent, but for a Chow-Liu forest
          of categories without missing values. The penalty acts on the weights of points.
          `max_iter` counts 32 batches of 500 rows each: None means 40, or 24 epochs if more.
        - "auto": what ``n_latents="auto"`` tries, and `n_components` mixtures of trees and
          continuous mixtures; stacked. It takes minutes; `max_iter` bounds each of them.
        - numbers: the parent of each column, -1 for exactly one column, the root. Columns
          are then not grouped.

    n_components : int or "auto", default="auto"
        Number of trees, mixed under one root sum node and trained jointly by EM; "auto" is 10 for
        ``structure="rat"`` and 1 otherwise. Several Chow-Liu trees are each learnt, and started,
        from a cluster of the rows of its own. Of ``structure="auto"`` it is the budget: how many
        circuits may be tried beside single trees, 6 if "auto". These are 4 trees, a continuous
        mixture, one without a forest, 8 trees, two continuous mixtures more, and so on from the
        beginning, with other random numbers each time, but for kinds that have no weight in the
        stack of what was tried before. There are no trees where one latent state is best, and no
        continuous mixtures where the type of a column is neither "categorical" nor "numeric", or
        each fifth of few rows is held out in turn. Other structures have one tree.

    feature_groups : "auto", sequence of sequences or None, default="auto"
        Columns that share a latent variable, given by names or positions, or none. "auto" finds
        correlated numbers (joined where the gain in likelihood exceeds the Bayesian information
        criterion's price), but no numeric ones of which a twentieth of the rows have one value.
        All others of one type share a full covariance (see `pseudocount`; a Gaussian state's is at
        least 1e-6 times the column's in every direction); other groups are independent given it.

    warm_start : bool, default=False
        Whether `fit` goes on, by EM, from the circuit of the last fit, if there was one. What
        decides columns, trees, types, groups and categories, and `init` and `n_init`, cannot be
        changed in between. Early stopping draws the rows that it holds out by the same seed.

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

    verbose : int or "bar", default=0
        If positive, every that many iterations print one line: iteration, mean
        log-likelihood, its change, that of the validation rows, and seconds. Runs follow each
        other: of several starts, of the values that None lets `mu` have, and last the one from all
        rows after early stopping, which no rows validate. "bar" shows one bar, of `tqdm` if that
        is installed: what is learnt, its log-likelihood, and how long that run may take at most.

    Attributes
    ----------
    circuit_ : Circuit
        The fitted circuit: `parents`, `features`, `root_weights`, `sum_weights`, `inputs`.
        It has one root, or one for each component of each circuit that is mixed.

    categories_ : list of ndarray or None, one per column
        The categories or levels of each column, sorted, as they are in the table; None of numbers.

    feature_types_ : list of str, one per column
        How each column was read: "categorical", "numeric", "binomial" or "gaussian".

    n_latents_ : int
        Number of states of each region in `circuit_`: the largest of those mixed.

    fit_report_ : dict of ndarray
        What was tried, an entry of each array for each circuit: "candidate", "n_latents",
        "n_regions", "mu", "n_iter", "validation_log_likelihood", "weight" in `circuit_` and
        "seconds". The attributes below are of the heaviest, and means over folds if there are.

    mu_ : float
        Strength of the penalty: `mu`, or what None came to.

    log_likelihoods_ : ndarray of shape (`n_iter_`,)
        Mean log-likelihood of the training rows before each iteration of the run that led to
        `circuit_`, in nats: if rows were held out, of the last one, from all rows. With
        mini-batches each row's is that before the update by its batch. Each call of `partial_fit`
        but the first adds one, of its own rows.

    n_iter_ : int
        Number of iterations (epochs, with mini-batches) of the run that led to `circuit_`: if rows
        were held out, that of the last one, `best_iteration_` or one; with `X_val` or `warm_start`
        those until it stopped, of which `circuit_` has had the first `best_iteration_`. Each call
        of `partial_fit` but the first is one more.

    converged_ : bool
        Whether the rule of `tol`, and not `max_iter`, decided how many iterations `circuit_` has
        had: with early stopping, no more gain, or the search of sizes that had put it aside.

    validation_log_likelihoods_ : ndarray of shape (n + 1,) or None
        That of the validation rows before each of the n iterations of the run that they
        validated, and after the last one. None without early stopping.

    validation_run_log_likelihoods_ : ndarray of shape (n,) or None
        Mean log-likelihood of the training rows before each iteration of the run that was
        validated: without the rows held out, if some were. It is `log_likelihoods_` unless a run
        from all rows followed. Without mini-batches its entries are of the same circuits as those
        of `validation_log_likelihoods_`. None without early stopping.

    best_iteration_ : int or None
        Number of iterations after which the validation log-likelihood was best: those that
        `circuit_` has had (one at least, if rows were held out). None without early stopping.

    n_samples_seen_ : float
        The weight of all rows learnt from: by `fit`, and by calls of `partial_fit` since. What the
        other attributes tell is of `fit`, or of the first call, unless they say otherwise.

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
    instead of choosing rows, by units drawn without replacement. EM runs on the distinct
    *patterns* of each subtree; expected counts are exactly those of rows.

    References
    ----------
    .. [1] H. Suresh et al., "Tractable Sharpness-Aware Learning of Probabilistic Circuits",
       AAAI 2026, arXiv:2508.05537.
    .. [2] H. Suresh et al., "A Compositional Theory of Curvature in Probabilistic Circuits", 2026.
    .. [3] C. Chow and C. Liu, "Approximating Discrete Probability Distributions with
       Dependence Trees", IEEE Transactions on Information Theory, 1968.
    .. [4] R. Peharz et al., "Random Sum-Product Networks: A Simple and Effective Approach
       to Probabilistic Deep Learning", UAI 2019.
    .. [5] P. Smyth and D. Wolpert, "Linearly Combining Density Estimators via Stacking",
       Machine Learning, 1999.
    .. [6] A. H. C. Correia et al., "Continuous Mixtures of Tractable Probabilistic Models",
       AAAI 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
    >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
    >>> model.score_samples([[0, 0, 1], [0, 1, 1]]).round(1)
    array([-1.4, -5.1])
    >>> float(model.score_samples([[np.nan, np.nan, np.nan]])[0])
    0.0
    """

    __module__ = "skpc"  # where it is found, and by which files of models name it

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    def __init__(
        self,
        n_latents: int | Literal["auto"] = "auto",
        *,
        mu: float | None = None,
        regularizer: Literal["global", "gated"] = "global",
        multiplier: Literal["unit", "exact"] = "unit",
        update: Literal["quadratic", "cubic"] = "quadratic",
        solver: Literal["em", "adam"] = "em",
        batch_size: int | Literal["auto"] | None = "auto",
        max_iter: int | None = None,
        tol: float = 1e-4,
        early_stopping: bool | float | Literal["auto"] = "auto",
        n_iter_no_change: int = 10,
        pseudocount: float | Sequence[float] = 0.01,
        init: Literal["cluster", "random"] = "cluster",
        n_init: int = 1,
        feature_types: str | Sequence[str] | Mapping[Any, str] = "auto",
        structure: Structure | Sequence[int] = "chow-liu",
        n_components: int | Literal["auto"] = "auto",
        feature_groups: Literal["auto"] | Sequence[Sequence[Any]] | None = "auto",
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        dtype: Literal["float64", "float32"] = "float64",
        n_jobs: int | None = None,
        verbose: int | Literal["bar"] = 0,
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

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        sample_weight_val: Any = None,
        on_interrupt: str = "raise",
        checkpoint: Any = None,
    ) -> Self:
        """Learn the tree and the parameters.

        Parameters
        ----------
        X : array-like, frame or source of shape (n_samples, n_features)
            Numbers, or a frame (pandas, polars, Arrow, DuckDB) with columns of numbers, labels or
            booleans. NaN, None and NA are missing. Or a source, which is read in chunks: a path to
            Parquet data, a data set of Arrow, an array of zarr or h5py, a memory-mapped array above
            `working_memory`, or a function that returns a new iterator of arrays or frames.
        y : None
            Ignored; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row: one of weight two is a row given twice.
        X_val : array-like or frame of shape (n_val, n_features), default=None
            Additional rows for validation, which turn early stopping on. In a `Pipeline`
            they are transformed like X with ``Pipeline(..., transform_input=["X_val"])``.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the rows of `X_val`.
        on_interrupt : {"raise", "keep"}, default="raise"
            What Ctrl-C does: raise KeyboardInterrupt, the estimator being as it was, or keep the
            best of what was learnt so far, with a warning. Nothing is then learnt anew from all
            rows, and `converged_` is False. Before anything was learnt it raises in any case.
        checkpoint : path-like, default=None
            A file in which to save every ten seconds what was learnt. If it is there the fit goes
            on from it, and ends with the same bits as one that was never stopped, or is refused,
            if parameters, data or versions are others. It is removed once the fit is complete.

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
            are counts, not shares. If the type of a column is uncertain, if it has very many
            labels, or if its labels only name rows.
        ConvergenceWarning
            If learning had not met `tol` after `max_iter` iterations, or was interrupted, or if
            the log-likelihood of plain EM (`mu` and `pseudocount` zero, no mini-batches) fell.

        Notes
        -----
        Of a source margins, structure, size and start come from at most 65,536 distinct rows. If
        there are more, stepwise EM goes on with all, for `max_iter` passes (None: 10), or EM if
        `batch_size` is None; `log_likelihoods_`, `n_iter_` and `converged_` are of that.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0)
        >>> model.fit(X, sample_weight=np.arange(40)).n_parameters
        11
        >>> model.fit(lambda: (X[i : i + 10] for i in range(0, 40, 10))).n_parameters
        11
        """
        source = as_source(X, working_bytes())
        with all_or_nothing(self), watching(on_interrupt, checkpoint) as watch:
            self._refuse_inert(X_val is not None)
            if source is not None:
                parts = Chunks(source, sample_weight, self.feature_types, working_bytes())
                return fit_parts(self, parts, (X_val, sample_weight_val), watch)
            X = validate_table(self, X, reset=True)
            weights = check_weights(sample_weight, X)
            warn_of_light(weights)
            self._learn_table(X, weights, (X_val, sample_weight_val), watch=watch)
        return self

    def _refuse_inert(self, has_validation_rows: bool) -> None:
        """Refuse parameters that are set and cannot act."""
        settings = {**self._density_parameters(), "X_val": has_validation_rows}
        refuse_inert(settings, defaults_of(SharpPCDensity))

    def _density_parameters(self) -> dict[str, Any]:
        """Its parameters by name."""
        return {name: getattr(self, name) for name in SharpPCDensity._get_param_names()}

    def _unfitted(self, **changes: Any) -> SharpPCDensity:
        """A `SharpPCDensity` with the parameters of this one, but for some."""
        return SharpPCDensity(**{**self._density_parameters(), **changes})
