"""What a fitted estimator can be asked, as a mixin: validation and names, no maths."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.utils.validation import check_is_fitted

from skpc._checks import checked_n_samples, shown
from skpc._estimators.random_states import checked_random_state
from skpc._tables.column_types import column_name
from skpc._tables.columns import Columns
from skpc._tables.single_rows import is_named, table_of_row

if TYPE_CHECKING:
    from skpc._circuit.circuit import Circuit
    from skpc._estimators.conditional_distribution import ConditionalDistribution
    from skpc._queries.marginals import ConditionalMoments


class QueryMixin:
    """Exact answers of a fitted circuit beyond the likelihood."""

    if TYPE_CHECKING:
        categories_: list[np.ndarray | None]
        circuit_: Circuit
        n_features_in_: int
        n_jobs: int | None
        _columns: Columns

        def _validate(self, X: Any) -> Any: ...

    def sample(
        self,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = None,
        *,
        given: Any = None,
    ) -> Any:
        """Draw rows from the model, exactly.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, of each row of `given` if there is one.
        random_state : int, RandomState instance or None, default=None
            Where the randomness comes from; None gives new rows each time.
        given : array-like or frame of shape (n_given, n_features), or one row, default=None
            Rows to complete: what they show stays, what is missing is drawn from its
            distribution given that. All missing values of a row are drawn jointly. One row may be
            a dict or a series of some columns: the others are missing.

        Returns
        -------
        array or frame of shape (n_samples, `n_features_in_`)
            Of the kind, with the names, dtypes and categories that fit saw. With `given` there
            are n_samples draws of its first row, then of its second, and so on.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0], [1, 1]] * 20)
        >>> model = SharpPCDensity(n_latents=2, mu=0, pseudocount=0, random_state=0).fit(X)
        >>> model.sample(2, random_state=0, given=[[1, np.nan], [np.nan, 0]])
        array([[1, 1],
               [1, 1],
               [0, 0],
               [0, 0]])
        """
        check_is_fitted(self)
        n_rows = checked_n_samples(n_samples)
        from skpc._queries.sampling import sample, sample_given

        generator = checked_random_state(random_state)
        if given is None:
            return self._columns.to_table(
                sample(self.circuit_, n_rows, self.n_features_in_, generator)
            )
        if is_named(given):
            given = table_of_row(self._columns, given, "given")
        X = self._validate(given)
        if any(column.labels is not None for column in self._columns.columns):
            self._columns.refuse_unknown(given, X, "Mark it as missing, or drop the row.")
        with self._threads(X):
            matrix = sample_given(self.circuit_, X, n_rows, generator, max_bytes=working_bytes())
        for j, column in enumerate(self._columns.columns):
            if column.margin is not None:  # what is drawn is rounded, what is given is not
                drawn = np.repeat(np.isnan(dense_floats(X[:, [j]])[:, 0]), n_rows)
                matrix[drawn, j] = column.supported(matrix[drawn, j])
        del X  # the table needs as much
        return self._columns.without_margins().to_table(matrix)

    def feature_contributions(
        self,
        X: Any,
        groups: Mapping[Any, Sequence[Any]] | None = None,
        kind: Literal["excess", "surprise"] = "excess",
    ) -> np.ndarray:
        """How surprising each value of a row is, given all other values of the row.

        The surprise of a value is -log p(x_i | all other observed features), exactly: which column
        makes a row strange. It costs one pass up and one down, for all features together. By
        default what goes from it is what the surprise of this column is on average, so that
        columns in any units can be compared.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing: it contributes zero, and is summed out for the others.
        groups : dict or None, default=None
            Sets of columns, by names or positions, each under a name of its own. The columns of a
            group are then taken together: -log p(x_group | the rest). They may overlap.
        kind : {"excess", "surprise"}, default="excess"
            What a contribution is:

            - "excess": the surprise, less what it is on average in rows that the model draws: zero
              is usual. It does not depend on the units of the columns.
            - "surprise": the surprise as it is. Of a continuous column it is a log density: it may
              be negative, and changes when the column is rescaled, so that one in small units
              looks like the reason for most rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features), or (n_samples, n_groups)
            In nats; groups in the order of the dict.

        Raises
        ------
        ValueError
            If `kind` or `groups` cannot be understood, or X has other columns than fit saw.

        See Also
        --------
        skpc.plotting.ContributionsDisplay : A picture of them.
        SharpPCOutlierDetector.explain : The columns that make a row odd, in plain English.

        Notes
        -----
        Contributions do not add up to the score: what several columns say together is counted
        in each of them. Of two columns that contradict each other both are surprising.

        Surprises of a numeric column are compared on the normal scale of its margin; so an atom,
        which has a mass, may stand beside values that have a density. What is usual is the mean
        over 128 rows that the model draws, of which what X does not show is missing too: each
        pattern of missing values costs as many rows.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20 + [[0, 1, 0]])
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> model.feature_contributions([[0, 1, 0]]).round(1)
        array([[0.1, 2.6, 0.2]])
        """
        check_kind(kind)
        X = self._validate(X)
        if kind == "excess":
            return self._excesses(X, groups)
        from skpc._queries.contributions import contributions, group_contributions

        positions = None if groups is None else self._group_positions(groups)
        circuit, max_bytes = self.circuit_, working_bytes()
        with self._threads(X):
            if positions is None:
                return contributions(circuit, X, max_bytes=max_bytes)
            return group_contributions(circuit, dense_floats(X), positions, max_bytes=max_bytes)

    def _excesses(self, matrix: Any, groups: Any = None) -> np.ndarray:
        """The contributions, of columns or groups, of the kind "excess" to a matrix."""
        from skpc._queries.surprises import excesses

        positions = None if groups is None else self._group_positions(groups)
        with self._threads(matrix):
            return excesses(
                self.circuit_, dense_floats(matrix), positions, max_bytes=working_bytes()
            )

    def conditional_probabilities(self, X: Any, feature: Any) -> np.ndarray:
        """How probable each category of a feature is, given the other observed ones of each row.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing. What rows show of `feature` itself is ignored.
        feature : int or str
            Position or name of a column of categories or levels, ordered ones too.

        Returns
        -------
        ndarray of shape (n_samples, n_categories)
            Of ``categories_[feature]``, in this order; rows sum to one.

        Raises
        ------
        ValueError
            If `feature` is a column of numbers, which has no list of categories.

        See Also
        --------
        conditional_moments : Of a column of numbers its mean and variance.
        condition : Quantiles, modes and more, given one row, sets or intervals.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0], [1, 1]] * 20)
        >>> model = SharpPCDensity(n_latents=2, mu=0, random_state=0).fit(X)
        >>> model.conditional_probabilities([[0, np.nan], [1, np.nan]], 1).round(2)
        array([[0.97, 0.03],
               [0.03, 0.97]])
        """
        X = self._validate(X)
        (j,) = self._positions([feature], "feature")
        column = self._columns.columns[j]
        if column.categories is None and column.labels is None:
            raise ValueError(
                f"feature is {column_name(self._columns.names, j)}, which holds numbers without a "
                "list of categories. Ask for conditional_moments(X, feature), or of one row for "
                "condition(row), which has quantiles, densities and probabilities of integers."
            )
        from skpc._queries import marginals

        with self._threads(X):
            if column.categories is None:
                levels = np.arange(float(len(self.categories_[j])))  # type: ignore[arg-type]
                return marginals.level_probabilities(
                    self.circuit_, X, j, levels, max_bytes=working_bytes()
                )
            return marginals.conditional_probabilities(
                self.circuit_, X, j, max_bytes=working_bytes()
            )

    def conditional_moments(self, X: Any, feature: Any) -> ConditionalMoments:
        """Mean and variance of one feature given the other observed features of each row.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing. What rows show of `feature` itself is ignored.
        feature : int or str
            Position or name of a column of numbers, or of categories that are numbers.

        Returns
        -------
        ConditionalMoments
            A named tuple of two arrays of shape (n_samples,), `mean` in the unit of the column, of
            booleans the probability of True, and `variance` in its square.

        Raises
        ------
        ValueError
            If `feature` holds labels, which have no moments, be they ordered or not.

        See Also
        --------
        conditional_probabilities : Of categories and levels.
        condition : Quantiles, modes and more, given one row, sets or intervals.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> x = np.random.default_rng(0).normal(size=(200, 1))
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(np.hstack([x, 2.0 * x]))
        >>> mean, variance = model.conditional_moments([[1.0, np.nan]], 1)
        >>> mean.round()
        array([2.])
        """
        X = self._validate(X)
        (j,) = self._positions([feature], "feature")
        if self._columns.columns[j].labels is not None:
            raise ValueError(
                f"feature is {column_name(self._columns.names, j)}, which holds labels: they have "
                "no moments. Ask for conditional_probabilities(X, feature)."
            )
        from skpc._queries.marginals import conditional_moments

        with self._threads(X):
            return conditional_moments(self.circuit_, X, j, max_bytes=working_bytes())

    def condition(self, evidence: Any = None, /, **columns: Any) -> ConditionalDistribution:
        """The distribution of all columns given what is known of some, to be asked further.

        Parameters
        ----------
        evidence : dict, Series, one-row frame or array of shape (n_features,), default=None
            What is known. In a dict, by name or position of the column: a value; several, as a
            set, list or array; or, of numbers and ordered labels, an interval: a tuple of two
            bounds, None where it is open, both of which belong to it. A slice or an interval of
            pandas will do as well. In the others NaN is unknown.
        **columns : values, sets or intervals
            The same by name.

        Returns
        -------
        ConditionalDistribution
            With `mean`, `quantile`, `interval`, `probabilities`, `pdf`, `sample`, `score_samples`
            and more.

        Raises
        ------
        ValueError
            If a column or a category is unknown, or if the evidence has probability zero.

        Warns
        -----
        UserWarning
            If a value, a set or an interval is wholly outside of the range of a numeric column
            that fit saw, by more than a tenth of its width. Columns of the type "gaussian" have no
            such range.

        Notes
        -----
        The answers are exact, but in a group of dependent numbers of which some have intervals or
        sets: what such a column and another one have in common is found by quadrature.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0], [1, 1], [2, 1]] * 20)
        >>> model = SharpPCDensity(n_latents=2, mu=0, random_state=0).fit(X)
        >>> round(model.condition({0: {1, 2}}).mean(1), 1)
        1.0
        """
        check_is_fitted(self)
        from skpc._estimators.conditional_distribution import ConditionalDistribution
        from skpc._tables.column_evidence import read_evidence

        sets = read_evidence(self._columns, evidence, columns)
        found = ConditionalDistribution(self, sets)  # type: ignore[arg-type]
        found._warn_of_far(sets)
        return found

    def log_conditional(self, X_query: Any, X_evidence: Any) -> np.ndarray:
        """Log-likelihood of a query given evidence, log p(query | evidence), row by row.

        Parameters
        ----------
        X_query : array-like or frame of shape (n_samples, n_features)
            What is asked for; all else is NaN.
        X_evidence : array-like or frame of shape (n_samples, n_features)
            What is known; all else is NaN. A cell that both show must be the same in both.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0], [1, 1]] * 20)
        >>> model = SharpPCDensity(n_latents=2, mu=0, random_state=0).fit(X)
        >>> np.exp(model.log_conditional([[0, np.nan]], [[np.nan, 0]])).round(2)
        array([0.97])
        """
        query, evidence = (
            dense_floats(self._validate(X_query)),
            dense_floats(self._validate(X_evidence)),
        )
        if query.shape != evidence.shape:
            raise ValueError(
                f"X_query and X_evidence must have as many rows; got {len(query)} and "
                f"{len(evidence)}. Repeat the rows of the shorter one."
            )
        conflict = ~np.isnan(query) & ~np.isnan(evidence) & (query != evidence)
        if conflict.any():
            i, j = np.argwhere(conflict)[0]
            raise ValueError(
                f"X_query and X_evidence contradict each other in row {i}, "
                f"{column_name(self._columns.names, j)}. Mark the cell as missing in one of them."
            )
        from skpc._queries.marginals import log_conditional

        joint = np.where(np.isnan(evidence), query, evidence)
        with self._threads(joint):
            return log_conditional(self.circuit_, joint, evidence, max_bytes=working_bytes())

    def _feature_names(self) -> list[str]:
        """Names of the columns: x0, x1 and so on where fit saw none."""
        names = self._columns.names
        if names is None:
            return [f"x{j}" for j in range(self.n_features_in_)]
        return [str(name) for name in names]

    def _positions(self, keys: Any, parameter: str) -> list[int]:
        """Column numbers of names or positions."""
        if isinstance(keys, str) or not isinstance(keys, Collection) or not len(keys):
            raise ValueError(
                f"{parameter} must be a sequence of column names or positions, at least one; got "
                f"{shown(keys)}."
            )
        return self._columns.positions(list(keys), parameter)

    def _group_positions(self, groups: Mapping[Any, Sequence[Any]]) -> list[list[int]]:
        """Column numbers of each of the named groups."""
        if not isinstance(groups, Mapping) or not groups:
            raise ValueError(
                "groups must be a dict of at least one set of columns, such as "
                f"{{'size': ['width', 'height']}}; got {shown(groups)}."
            )
        return [self._positions(keys, f"groups[{shown(name)}]") for name, keys in groups.items()]

    @contextmanager
    def _threads(self, X: Any) -> Iterator[None]:
        """Let kernels use `n_jobs` threads for a pass over this table."""
        from skpc._threads import table_work, use_threads

        with use_threads(self.n_jobs, table_work(int(np.prod(X.shape)), self.circuit_.n_latents)):
            yield


def check_kind(kind: Any) -> None:
    """Raise ValueError unless that is a kind of contributions."""
    if not isinstance(kind, str) or kind not in ("excess", "surprise"):
        raise ValueError(f"kind must be 'excess' or 'surprise'; got {shown(kind)}.")


def working_bytes() -> int:
    """scikit-learn's bound on temporary memory, in bytes."""
    return max(1, int(get_config()["working_memory"] * 2**20))


def dense_floats(X: Any) -> np.ndarray:
    """A matrix, dense or sparse, as an array of floats."""
    return np.asarray(X.toarray() if issparse(X) else X, np.float64)
