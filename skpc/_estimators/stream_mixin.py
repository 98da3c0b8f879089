"""Learning from a stream of tables, as a mixin: `partial_fit`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils import check_random_state

from skpc._checks import shown
from skpc._estimators.base import all_or_nothing
from skpc._tables.column_types import column_name, known_categories
from skpc._tables.columns import take_rows
from skpc._tables.sklearn_private import fit_context
from skpc._tables.validation import check_weights, validate_table, warn_of_light

if TYPE_CHECKING:
    from skpc._circuit.circuit import Circuit
    from skpc._learning.solver import Solver

_REMEDY = (
    "Name it in the categories of the first call of partial_fit, say 'numeric' of a column of "
    "numbers in feature_types, mark it as missing, or drop the row."
)


class StreamMixin:
    """What learns from further rows without those before."""

    if TYPE_CHECKING:  # parameters and fitted attributes of a `SharpPCDensity`
        circuit_: Circuit
        log_likelihoods_: np.ndarray
        n_iter_: int
        n_samples_seen_: float

        def __getattr__(self, name: str) -> Any: ...

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, categories: Any = None
    ) -> Self:
        """Learn from the rows of a stream, part by part.

        The first call is a `fit`, and decides types, margins of numbers, structure and number of
        states: some thousand rows are better than some hundred. Each later call moves the
        parameters by stepwise EM [1]_, in mini-batches as `batch_size` says, once through its
        rows. It moves them by (w / n)^0.7, where w is the weight of a batch's rows and n that of
        all rows so far with these, so that what is long ago counts less than what is new. After
        `fit`, or on a model from a file, calls go on as if the rows of that `fit` had been the
        first.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            As in `fit`, with the columns of the first call. A number may be any; a category must
            be known.
        y : None
            Ignored; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row. Rows without weight, or no rows, teach nothing, which is an error
            in the first call alone.
        categories : dict, list of n_features entries or None, default=None
            All categories of some columns, for what the rows of the first call may not show: a
            dict from names or positions, or one sequence (or None) per column. Such columns are
            categorical, unless `feature_types` says "binomial". Later calls may repeat it. Labels
            that a dtype declares need not be named.

        Returns
        -------
        SharpPCDensity
            The estimator itself.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used; as in `fit`, the estimator is then as it was
            before.

        See Also
        --------
        SharpPCDensity.fit : Learns from all rows at once, which is better where they fit into
            memory; ``warm_start=True`` forgets what it does not see again.

        Notes
        -----
        Expected counts of the rows so far are those that the model itself expects: only
        `n_samples_seen_` is kept besides. Penalty and pseudocounts mean what they do in `fit`.
        ``solver="adam"`` is of the first call alone: steps are then EM's, without a penalty.

        References
        ----------
        .. [1] O. Cappe and E. Moulines, "On-line expectation-maximization algorithm for latent
           data models", Journal of the Royal Statistical Society B, 2009.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> rng = np.random.default_rng(0)
        >>> model = SharpPCDensity(n_latents=2, random_state=0)
        >>> for _ in range(3):
        ...     x = rng.integers(3, size=(200, 1))
        ...     model = model.partial_fit(np.hstack([x, x]), categories={0: range(4)})
        >>> model.n_samples_seen_
        600.0
        """
        with all_or_nothing(self):
            is_first = not hasattr(self, "circuit_")
            X = validate_table(self, X, reset=is_first, may_be_empty=not is_first)
            self._refuse_inert(False)
            weights = check_weights(sample_weight, X, may_be_zero=not is_first)
            if not weights.any() and not is_first:
                return self
            warn_of_light(weights)
            if is_first:
                self._learn_table(X, weights, categories=categories)
            else:
                self._learn_more(X, weights, categories)
        return self

    def _learn_more(self, X: Any, weights: np.ndarray, categories: Any) -> None:
        """Go on from the circuit with the rows of a table that have weight."""
        from skpc._data.rows import Rows
        from skpc._learning.further_rows import learn_further
        from skpc._threads import one_blas_thread

        columns = self._columns
        self._refuse_other_categories(categories)
        X, weights = take_rows(X, weights > 0), weights[weights > 0]
        matrix = columns.to_matrix(X)
        columns.refuse_unknown(X, matrix, _REMEDY)
        columns.check_values(matrix)
        solver = self._solver_of_steps()
        with self._threads_for(matrix.size), one_blas_thread():
            rows = Rows.encode(matrix, columns.scopes, weights).distinct()
            self.circuit_, log_likelihood = learn_further(
                self.circuit_,
                rows,
                self.n_samples_seen_,
                solver,
                check_random_state(self.random_state),
            )
        self.mu_ = solver.m_step.mu
        self.n_samples_seen_ += rows.total_weight
        self.log_likelihoods_ = np.append(self.log_likelihoods_, log_likelihood)
        self.n_iter_ += 1

    def _solver_of_steps(self) -> Solver:
        """The solver of steps after `fit`, with the penalty that this chose, if it was to."""
        solver: Solver = self._solver()
        mu = self.mu_ if self.mu is None else float(self.mu)
        if solver.kind == "adam":  # whose penalty is in another unit
            mu = 0.0
        m_step = replace(solver.m_step, mu=mu)
        return replace(solver, kind="em", chooses_mu=False, m_step=m_step)

    def _refuse_other_categories(self, categories: Any) -> None:
        """Raise ValueError if categories are named that the first call did not know."""
        names = self._columns.names
        given = known_categories(categories, names, len(self._columns.columns))
        for j, (named, known) in enumerate(zip(given, self.categories_, strict=True)):
            known = () if known is None else known.tolist()
            for value in () if named is None else named:
                if value not in known:
                    raise ValueError(
                        f"categories names {shown(value)} of {column_name(names, j)}, which is "
                        "none of its categories since the first call. Name it there: fit anew."
                    )
