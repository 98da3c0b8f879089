"""How a density learns, as a mixin: from parameters and a matrix to the parts that do the work."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Tags, check_random_state

from skpc._checks import shown
from skpc._estimators.callbacks import callbacks_of, with_callbacks
from skpc._estimators.query_mixin import working_bytes
from skpc._estimators.reports import warn_of_end
from skpc._estimators.settings import (
    FEW_ROWS,
    N_FOLDS,
    OF_THE_START,
    held_out_share,
    is_continuous,
    is_share,
    same_setting,
)
from skpc._estimators.watching import check_same_fit, listeners_of
from skpc._tables.column_types import column_name
from skpc._tables.columns import Columns, take_rows
from skpc._tables.validation import check_weights, named, validate_table

# The kernels' modules take half a second to import: they are imported where they are used.
if TYPE_CHECKING:
    from skpc._data.rows import Rows
    from skpc._learning.initialisation import ColumnMoments
    from skpc._learning.progress import FitResult
    from skpc._learning.solver import Solver
    from skpc._learning.stopping import EarlyStopping
    from skpc._learning.structure import Regions, Structure
    from skpc._learning.watch import Watch

_LEAST_ROWS_TO_SPLIT = 10
_MAX_BYTES = 2**34  # what the tables of a column's categories may take
_PARAMETER_TABLES = 7  # like a circuit's distributions: their counts, messages, averages
_MANY_CATEGORIES = 1_000
_STEP_SIZES = {"em": 0.5, "adam": 0.05}
_SHRINKAGE = 10.0
_RANDOM_TREES = 10
_OTHERS = 6
_ENDLESS = 1e120  # more makes no difference any more, and has no square


class LearningMixin:
    """What stands between the parameters of a density and `learn_circuit`."""

    if TYPE_CHECKING:  # parameters and fitted attributes of a `SharpPCDensity`

        def __getattr__(self, name: str) -> Any: ...

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def _fit_part(
        self,
        X: Any,
        weights: np.ndarray,
        whole: Columns,
        of_table: ColumnMoments,
        X_val: Any = None,
        sample_weight_val: Any = None,
    ) -> None:
        """Learn from some rows, all of weight, of a table whose columns are known.

        Categories are those of these rows; a column without a value in them is read as in the
        whole table, and has its moments there.
        """
        X = validate_table(self, X, reset=True)
        columns = whole
        if not self._continues():
            types = [column.type for column in whole.columns]
            columns = Columns.learn(X, types, weights, whole=whole)
        rows = self._encode(columns.to_matrix(X), weights, columns).distinct()
        self._learn(rows, columns, (X_val, sample_weight_val), of_table=of_table)

    def _learn_table(
        self,
        X: Any,
        weights: np.ndarray,
        validation: tuple[Any, Any] = (None, None),
        categories: Any = None,
        watch: Watch | None = None,
    ) -> None:
        """Learn from a validated table: all that `fit` does once weights (n,) are checked too."""
        X, weights = take_rows(X, weights > 0), weights[weights > 0]
        columns = self._learn_columns(X, weights, categories)
        rows = self._encode(columns.to_matrix(X), weights, columns).distinct()
        self._learn(rows, columns, validation, watch=watch)

    @with_callbacks
    def _learn(
        self,
        rows: Rows,
        columns: Columns,
        validation: tuple[Any, Any] = (None, None),
        *,
        is_part: bool = False,
        watch: Watch | None = None,
        **prior: Any,
    ) -> None:
        """Learn from distinct rows, and set all that `fit` sets but what its table says.

        Parameters
        ----------
        rows : Rows
        columns : Columns
        validation : pair
            `X_val` and `sample_weight_val` of `fit`.
        is_part : bool
            Whether other rows judge: then those may be too few to hold some out.
        watch : Watch, optional
        **prior
            See `_learn_circuit`.
        """
        from skpc._learning.watch import Watch

        watch = watch or Watch()
        with watch.telling(listeners_of(self)):
            result, stopping = self._learnt(
                rows, columns, validation, is_part=is_part, watch=watch, **prior
            )
        warn_of_end(self, result, watch)
        if not self._continues():
            self._start_settings = {name: copy(getattr(self, name)) for name in OF_THE_START}
        self.categories_ = columns.categories
        self.feature_types_ = [column.type for column in columns.columns]
        self.n_samples_seen_ = rows.total_weight
        self.fit_report_ = result.report
        self._split_seed = stopping.seed if stopping and stopping.ends_learning else None
        self._columns = columns
        self._set_learnt(result)

    def _set_learnt(self, result: FitResult) -> None:
        """Set what learning leaves."""
        self.circuit_ = result.circuit
        self.mu_ = result.mu
        self.log_likelihoods_ = result.log_likelihoods
        self.n_iter_ = len(result.log_likelihoods)
        self.converged_ = result.converged
        self.validation_log_likelihoods_ = result.validation_log_likelihoods
        self.validation_run_log_likelihoods_ = result.validation_run_log_likelihoods
        self.best_iteration_ = result.best_iteration

    @with_callbacks
    def _learn_quietly(
        self,
        rows: Rows,
        columns: Columns,
        validation: tuple[Any, Any] = (None, None),
        **prior: Any,
    ) -> None:
        """Learn from some of the rows, to score others: only callbacks are told.

        Nothing is kept but `circuit_`.
        """
        from skpc._learning.watch import Watch

        watch = Watch()
        with watch.telling(callbacks_of(self)):
            result, _ = self._learnt(rows, columns, validation, is_part=True, watch=watch, **prior)
        self.circuit_ = result.circuit

    def _learnt(
        self,
        rows: Rows,
        columns: Columns,
        validation: tuple[Any, Any],
        *,
        is_part: bool,
        watch: Watch,
        **prior: Any,
    ) -> tuple[FitResult, EarlyStopping | None]:
        """What is learnt, and what it was validated on; for parameters see `_learn`."""
        random_state = check_random_state(self.random_state)
        if watch.journal.is_open:
            check_same_fit(watch.journal, self, rows, columns)
            watch.journal.resume_random("random numbers", random_state)
        stopping = self._stopping(rows, columns, validation, random_state)
        if stopping is not None and is_part:
            stopping = replace(stopping, is_optional=True)
        if watch.journal.is_open:
            from skpc._learning.journal import digest

            given = None if stopping is None else stopping.rows
            watch.journal.check("table of validation rows (as a fingerprint)", digest(given))
        result = self._learn_circuit(
            rows, columns, stopping, random_state, self._solver(watch), **prior
        )
        return replace(result, converged=result.converged and not watch.is_over), stopping

    def _continues(self) -> bool:
        return self.warm_start and hasattr(self, "circuit_")

    def _learn_columns(self, X: Any, weights: np.ndarray, categories: Any = None) -> Columns:
        """How to read the columns; with `warm_start`, as in the last fit."""
        if not self._continues():
            return Columns.learn(X, self.feature_types, weights, categories=categories)
        remedy = "Set warm_start=False to start anew."
        for name, former in getattr(self, "_start_settings", {}).items():
            value = getattr(self, name)
            if not same_setting(value, former):
                raise ValueError(
                    f"{name}={shown(value)} cannot act: the fit goes on from the circuit of the "
                    f"last one, which was learnt with {name}={shown(former)}. {remedy}"
                )
        of_circuit = self.circuit_.n_latents, len(self.circuit_.root_weights)
        if self.n_latents not in ("auto", *of_circuit[: 1 + is_continuous(self.structure)]):
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

    def _stopping(
        self,
        rows: Rows,
        columns: Columns,
        validation: tuple[Any, Any],
        random_state: np.random.RandomState,
    ) -> EarlyStopping | None:
        """What learning from these rows is validated on, or None; see `EarlyStopping`."""
        held_out = self._validation_rows(columns, validation)
        is_auto = self.early_stopping == "auto"
        chooses = self._chooses_size()
        is_possible = rows.total_weight >= _LEAST_ROWS_TO_SPLIT
        is_useful = (chooses or self.n_latents != 1) and not self.warm_start and is_possible
        ends_learning = held_out is not None or (is_useful if is_auto else self.early_stopping)
        if not ends_learning and not (chooses and is_possible):
            return None
        from skpc._learning.stopping import EarlyStopping

        seed = None
        if held_out is None:
            seed = self._split_seed if self._continues() else None
            if seed is None:
                seed = int(random_state.randint(np.iinfo(np.int32).max))
        refit = not (self.warm_start and ends_learning)
        is_few = rows.total_weight < FEW_ROWS and not is_share(self.early_stopping)
        return EarlyStopping(
            held_out,
            held_out_share(self.early_stopping),
            seed,
            self.n_iter_no_change,
            refit=refit,
            is_optional=is_auto or not ends_learning,
            n_folds=N_FOLDS if chooses and is_few and refit and held_out is None else 1,
            ends_learning=bool(ends_learning),
        )

    def _validation_rows(self, columns: Columns, validation: tuple[Any, Any]) -> Rows | None:
        """The distinct rows of `X_val`, if there are any; it may be these."""
        from skpc._data.rows import Rows

        if isinstance(validation[0], Rows):
            return validation[0]
        found = self._validation_matrix(columns, *validation)
        return None if found is None else self._encode(*found, columns).distinct()

    def _validation_matrix(
        self, columns: Columns, X_val: Any, sample_weight_val: Any
    ) -> tuple[Any, np.ndarray] | None:
        """The matrix of the rows of `X_val` that have weight, and their weights, if it is given."""
        if X_val is None:
            if sample_weight_val is not None:
                raise ValueError(
                    "sample_weight_val weights the rows of X_val, which is None. Pass X_val too."
                )
            return None
        with named("X_val"):
            table = validate_table(self, X_val, reset=False)
        with named("sample_weight_val"):
            weights = check_weights(sample_weight_val, table)
        with named("X_val"):
            table, weights = take_rows(table, weights > 0), weights[weights > 0]
            matrix = columns.to_matrix(table)
            columns.check_values(matrix)
        return matrix, weights

    def _chooses_size(self) -> bool:
        """Whether fit is to find out how many states there should be."""
        is_free = self.n_latents == "auto" and not self._continues()
        return is_free and not self._is_continuous()

    def _chooses_structure(self) -> bool:
        """Whether fit is to find out what structure there should be."""
        return same_setting(self.structure, "auto") and not self._continues()

    def _is_continuous(self) -> bool:
        """Whether a continuous mixture is to be learnt."""
        return is_continuous(self.structure) and not self._continues()

    def _most_latents(self) -> int:
        """How many states there may be, to say what that costs."""
        from skpc._learning.capacity import LARGEST
        from skpc._learning.continuous_mixture.model import STATES

        if self._continues():
            return self.circuit_.n_latents
        if self._is_continuous():
            return STATES
        return LARGEST if self.n_latents == "auto" else self.n_latents

    def _learn_circuit(
        self,
        rows: Rows,
        columns: Columns,
        stopping: EarlyStopping | None,
        random_state: np.random.RandomState,
        solver: Solver,
        *,
        regions: Regions | None = None,
        of_table: ColumnMoments | None = None,
        share_scales: bool = False,
    ) -> FitResult:
        """Learn a circuit; what is known of its structure and Gaussians may be given."""
        from skpc._learning.capacity import choose_circuit
        from skpc._learning.continuous_mixture.candidate import learn_continuous_mixture
        from skpc._learning.fit import learn_circuit
        from skpc._learning.initialisation import Start, with_moments
        from skpc._threads import one_blas_thread

        start = Start(
            self._most_latents(),
            self.init,
            self.n_init,
            self._priors()[1],
            self.circuit_ if self._continues() else None,
            of_table,
            share_scales,
        )
        structure = self._structure(columns, regions)
        # Small covariances: several threads of BLAS wait for each other longer than they work.
        with self._threads_for(len(rows) * len(columns.columns)), one_blas_thread():
            if self._is_continuous():
                self._refuse_untied(columns)
                n_points = None if self.n_latents == "auto" else self.n_latents
                result = learn_continuous_mixture(rows, n_points, solver, stopping, random_state)
            else:
                learn = choose_circuit if self._chooses_size() else learn_circuit
                if self._chooses_structure():
                    learn = partial(choose_circuit, n_others=self._n_others())
                result = learn(rows, structure, start, solver, stopping, random_state)
        if of_table is None:
            return result
        # The prior of a group has changed columns of which no row shows anything: once more.
        return replace(result, circuit=with_moments(result.circuit, start, rows.is_missing()))

    def _refuse_untied(self, columns: Columns) -> None:
        """Raise ValueError if a column has a type that a continuous mixture does not know."""
        from skpc._learning.continuous_mixture.columns import can_be_tied

        for j, scope in enumerate(columns.scopes):
            if not can_be_tied(scope):
                raise ValueError(
                    "structure='continuous-mixture' needs categories and numbers; "
                    f"{column_name(columns.names, j)} is of type {shown(scope.kind)}. Set "
                    "feature_types='auto', or another structure."
                )

    def _encode(self, matrix: Any, weights: np.ndarray, columns: Columns) -> Rows:
        """The rows of a matrix as they come, if there is memory for what is learnt of them."""
        from skpc._data.rows import Rows

        self._refuse_cost(columns, weights)
        with self._threads_for(matrix.size):
            return Rows.encode(matrix, columns.scopes, weights)

    def _threads_for(self, n_cells: int) -> Any:
        """Let kernels use `n_jobs` threads for work on so many cells of a table."""
        from skpc._threads import table_work, use_threads

        return use_threads(self.n_jobs, table_work(n_cells, self._most_latents()))

    def _refuse_cost(self, columns: Columns, weights: np.ndarray) -> None:
        """Raise ValueError, before anything is allocated, if categories need too much memory."""
        from skpc._learning.mutual_information import bins_of, pair_bytes

        n_categories = np.array([bins_of(column.categories) for column in columns.columns])
        widest = int(n_categories.argmax())
        costs = {
            "their parameters": (
                _PARAMETER_TABLES * 8 * int(n_categories.sum()) * self._most_latents()
            )
        }
        remedy = "Drop the column if it only names rows, merge rare labels, or lower n_latents"
        needs_pairs = self._structure(columns).needs_pairs and not self._continues()
        if needs_pairs and len(n_categories) > 1:
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

    def _priors(self) -> tuple[float, float]:
        """What is added to counts, and how many rows' worth to the covariance of a state."""
        if isinstance(self.pseudocount, Real):
            number: Any = self.pseudocount
            return _ENDLESS if number > _ENDLESS else float(number), _SHRINKAGE
        try:
            pair = np.array(self.pseudocount, np.float64)
        except (ValueError, TypeError):
            pair = np.empty(0)
        if pair.shape != (2,) or not (pair >= 0.0).all():
            raise ValueError(
                "pseudocount must be a number of at least 0, or two of them: for counts, and for "
                f"covariances in rows; got {shown(self.pseudocount)}. Give such as (0.01, 10)."
            )
        counts, rows = np.minimum(pair, _ENDLESS).tolist()
        return counts, rows

    def _n_trees(self) -> int:
        """How many trees the structure has."""
        if same_setting(self.structure, "auto"):
            return 1
        if isinstance(self.n_components, str):
            return _RANDOM_TREES if same_setting(self.structure, "rat") else 1
        return self.n_components

    def _n_others(self) -> int:
        """How many circuits are tried beside single trees, where that is to be found out."""
        return _OTHERS if isinstance(self.n_components, str) else self.n_components

    def _structure(self, columns: Columns, regions: Regions | None = None) -> Structure:
        """Which trees to learn."""
        from skpc._learning.structure import Structure

        return Structure(
            "chow-liu" if same_setting(self.structure, "auto") else self.structure,
            columns.groups(self.feature_groups),
            self._n_trees(),
            regions,
        )

    def _solver(self, watch: Watch | None = None) -> Solver:
        """How parameters are learnt, and who watches."""
        from skpc._learning.mstep import MStep
        from skpc._learning.solver import Solver
        from skpc._learning.watch import Watch

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
                self._priors()[0],
            ),
            self.max_iter,
            min(self.tol, _ENDLESS),
            kind=self.solver,
            batch_size=self.batch_size,
            step_size=_STEP_SIZES[self.solver],
            max_bytes=working_bytes(),
            dtype=np.dtype(self.dtype),
            chooses_mu=self.mu is None,
            watch=watch or Watch(),
        )
