"""The distribution of the columns of a fitted model given what is known of some of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skpc._checks import checked_n_samples, level_of_caller, shown
from skpc._data.column_sets import ColumnSet, Interval, ValueSet
from skpc._estimators.column_answers import ColumnAnswers
from skpc._estimators.query_mixin import dense_floats, working_bytes
from skpc._estimators.random_states import checked_random_state
from skpc._tables.column_evidence import read_evidence
from skpc._tables.column_types import column_name
from skpc._tables.columns import Columns

if TYPE_CHECKING:
    from skpc._circuit.circuit import Circuit
    from skpc._estimators.density import SharpPCDensity
    from skpc._queries.column_mixture import ColumnMixture

_NEAR = 0.1  # of the range that fit saw: as far beyond it evidence is ordinary


class ConditionalDistribution(ColumnAnswers):
    """The distribution of columns given values, sets and intervals of some of them.

    `SharpPCDensity.condition` makes it. A circuit given evidence is a circuit of the same
    structure: all answers come from that one, exactly where nothing else is said. They are in the
    units, with the labels and of the kinds of number that fit saw.

    Numeric columns may have values with a mass of their own (atoms), and those of integers or
    cents are nothing but masses. An interval includes its ends, with what mass they have.
    Quantiles, means and draws stay between the least and the greatest value that fit saw, or, if
    evidence is beyond, within the evidence.

    Parameters
    ----------
    model : SharpPCDensity
        The fitted model.
    sets : dict
        What is known of columns, by position.
    kept : sequence of int or None, default=None
        The positions of the columns that it is asked about; None means all.

    Attributes
    ----------
    log_probability : float
        Of the evidence, in nats: log mass of sets and intervals, log density of single values of
        continuous columns, the sum of both where there are both.

    See Also
    --------
    SharpPCDensity.condition : Makes one.
    SharpPCDensity.conditional_probabilities : Of one column given each row of a table.
    SharpPCDensity.conditional_moments : Of one column given each row of a table.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skpc import SharpPCDensity
    >>> rng = np.random.default_rng(0)
    >>> age = rng.integers(20, 70, 400)
    >>> frame = pd.DataFrame({"age": age, "pays": np.where(age > 40, "card", "cash")})
    >>> model = SharpPCDensity(n_latents=4, random_state=0).fit(frame)
    >>> young = model.condition(age=(20, 30))
    >>> young
    ConditionalDistribution(age=(20, 30))
    >>> young.mode("pays"), bool(20 <= young.median("age") <= 30)
    ('cash', True)
    """

    __module__ = "skpc"  # where it is found

    def __init__(
        self,
        model: SharpPCDensity,
        sets: Mapping[int, ColumnSet],
        kept: Sequence[int] | None = None,
    ) -> None:
        self._model = copy(model)  # which may be fitted again
        self._sets = dict(sets)
        n_columns = len(model._columns.columns)
        self._kept = list(range(n_columns)) if kept is None else list(kept)
        self._prepare()

    def _prepare(self) -> None:
        """Find the circuit given the evidence."""
        from skpc._queries.conditioning import ImpossibleEvidenceError, condition

        try:
            found = condition(self._model.circuit_, self._sets)
        except ImpossibleEvidenceError as error:
            raise ValueError(
                f"The evidence {self._described(error.columns)} has probability zero under the "
                "model. Widen it, or leave some of it out."
            ) from None
        self._circuit, self.log_probability = found
        self._mixtures: dict[int, ColumnMixture] = {}

    def _described(self, columns: Sequence[int]) -> str:
        """What evidence says of columns, as it would be written in a call."""
        return ", ".join(
            f"{name}={shown(self._told(j))}" + self._open_ends(j)
            for j, name in ((j, self._model._feature_names()[j]) for j in columns)
        )

    def _open_ends(self, j: int) -> str:
        """What a pair of bounds does not tell of an interval."""
        given = self._sets[j]
        if isinstance(given, ValueSet) or (given.has_low and given.has_high):
            return ""
        ends = [
            end
            for end, belongs in (("low", given.has_low), ("high", given.has_high))
            if not belongs
        ]
        return f" without its {' and '.join(ends)} end"

    def _told(self, j: int) -> Any:
        """What evidence says of a column: a value, a list of values, or two bounds."""
        given, column = self._sets[j], self._columns.columns[j]
        if isinstance(given, ValueSet):
            values = column.restored(given.values)
            return values[0] if given.is_point else values
        return tuple(
            None if np.isinf(bound) else column.restored_bound(bound)
            for bound in (given.low, given.high)
        )

    def _warn_of_far(self, columns: Iterable[int]) -> None:
        """Warn if evidence of some of these columns is far outside of the range that fit saw."""
        ranges = {}
        for j in columns:
            column = self._columns.columns[j]
            if column.margin is not None and column.labels is None:
                low, high = column.margin.range
                reach = _NEAR * (high - low)
                if self._sets[j].intersection(Interval(low - reach, high + reach)).is_empty:
                    ranges[j] = [shown(column.restored_bound(bound)) for bound in (low, high)]
        if ranges:
            told, names = self._described([*ranges]), self._model._feature_names()
            seen = ", ".join(f"{names[j]} from {' to '.join(ends)}" for j, ends in ranges.items())
            warnings.warn(
                f"The evidence {told} is far outside of what fit saw: {seen}. Answers "
                "rest on the tails that the model gives the column, not on rows.",
                UserWarning,
                stacklevel=level_of_caller(),
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._described([*self._sets])})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("_model", "_sets", "_kept")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()

    @property
    def _columns(self) -> Columns:
        return self._model._columns

    def _key(self, j: int) -> Any:
        """The name of a column, its position if it has none."""
        return j if self._columns.names is None else self._columns.names[j]

    @property
    def evidence(self) -> dict[Any, Any]:
        """What is known: by column a value, a list of values, or a tuple of two bounds.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 1], [2, 1]] * 20)
        >>> model.condition({0: {1, 2}}).evidence
        {0: [1, 2]}
        """
        return {self._key(j): self._told(j) for j in self._sets}

    @property
    def columns(self) -> list[Any]:
        """The columns that are not fixed to a value: what answers about all columns are about.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 1]] * 20)
        >>> model.condition({0: 1}).columns
        [1]
        """
        return [self._key(j) for j in self._free()]

    def _free(self) -> list[int]:
        """Positions of the columns that are not fixed."""
        return [j for j in self._kept if j not in self._sets or not self._sets[j].is_point]

    def _position(self, column: Any) -> int:
        """The position of a column that is asked about."""
        (j,) = self._columns.positions([column], "column")
        if j not in self._kept:
            raise ValueError(
                f"column names {shown(column)}, which marginal has left out. Ask the distribution "
                "that it was called of."
            )
        return j

    def condition(self, evidence: Any = None, /, **columns: Any) -> Self:
        """Tell more: the distribution given both what was known and what is.

        Parameters
        ----------
        evidence : dict, Series, one-row frame or array of shape (n_features,), default=None
            See `SharpPCDensity.condition`. Of all columns of the model, also after `marginal`.
        **columns : values, sets or intervals
            The same by name.

        Returns
        -------
        ConditionalDistribution
            Of a column that was known before, both hold.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 1], [2, 1]] * 20)
        >>> model.condition({0: {1, 2}}).condition({0: {0, 1}}).evidence
        {0: 1}
        """
        told = read_evidence(self._columns, evidence, columns)
        found = self._further(told)
        found._warn_of_far(told)
        return found

    def _further(self, told: Mapping[int, ColumnSet]) -> Self:
        """The distribution given these sets too."""
        sets = dict(self._sets)
        for j, given in told.items():
            sets[j] = sets[j].intersection(given) if j in sets else given
            if sets[j].is_empty:
                name = column_name(self._columns.names, j)
                raise ValueError(
                    f"The evidence of {name} contradicts what is known: {shown(self._told(j))}. "
                    "Condition the model anew."
                )
        return type(self)(self._model, sets, self._kept)

    def marginal(self, columns: Sequence[Any]) -> Self:
        """Leave columns out: the others given the same evidence.

        Parameters
        ----------
        columns : sequence of int or str
            Names, or positions in the model, of the columns to keep, in this order.

        Returns
        -------
        ConditionalDistribution
            Its tables have these columns.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> X = [[0, 0, 1], [1, 1, 0], [1, 1, 1]] * 20
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> model.condition({0: 1}).marginal([2]).sample(2, random_state=0).shape
        (2, 1)
        """
        kept = self._model._positions(columns, "columns")
        for j in kept:
            self._position(self._key(j))
        if len(set(kept)) < len(kept):
            raise ValueError(f"columns must name each column once; got {shown(list(columns))}.")
        return type(self)(self._model, self._sets, kept)

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-likelihood of each row given the evidence.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows of the columns of the model, or of those that `marginal` kept; NaN is missing, and
            summed out within the evidence.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats; minus infinity where a row contradicts the evidence. Columns that are fixed to
            a value add nothing.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 1], [2, 1]] * 20)
        >>> model.condition({0: {1, 2}}).score_samples([[0, 1], [2, np.nan]]).round(1)
        array([-inf, -0.7])
        """
        given = dense_floats(self._reader()._validate(X))
        matrix = np.full((len(given), len(self._columns.columns)), np.nan)
        matrix[:, self._kept] = given
        contradicts = np.zeros(len(matrix), bool)
        for j, allowed in self._sets.items():
            values = matrix[:, j]
            contradicts |= ~np.isnan(values) & ~allowed.contains(values)
            if allowed.is_point:
                matrix[:, j] = np.nan
        matrix[contradicts] = np.nan
        from skpc._passes.likelihood import log_likelihood

        with self._model._threads(matrix):
            found = log_likelihood(self._circuit, matrix, max_bytes=working_bytes())
        return np.where(contradicts, -np.inf, found)

    def _reader(self) -> SharpPCDensity:
        """A model of the columns that are kept, which reads their tables."""
        is_whole = self._kept == list(range(len(self._columns.columns)))
        return self._model if is_whole else self._model.marginal(self._kept)

    def sample(
        self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None
    ) -> Any:
        """Draw rows given the evidence, exactly.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Where the randomness comes from; None gives new rows each time.

        Returns
        -------
        array or frame of shape (n_samples, n_features)
            Of the kind, with the names, dtypes and categories that fit saw.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 1], [2, 1]] * 20)
        >>> model.condition({0: {1, 2}}).sample(2, random_state=0)
        array([[2, 1],
               [2, 1]])
        """
        drawn = self._draw(checked_n_samples(n_samples), random_state)
        for j, given in self._sets.items():
            if isinstance(given, Interval):
                drawn[:, j] = self._rounded(j, drawn[:, j])
        return self._restored_columns().to_table(drawn[:, self._kept])

    def _draw(self, n_rows: int, random_state: Any, circuit: Circuit | None = None) -> np.ndarray:
        from skpc._queries.sampling import sample

        generator = checked_random_state(random_state)
        circuit = self._circuit if circuit is None else circuit
        return sample(circuit, n_rows, len(self._columns.columns), generator)

    def _restored_columns(self) -> Columns:
        """How rows become a table: evidence beyond what fit saw stays as it is."""
        columns = [
            replace(column, margin=None) if j in self._sets else column
            for j, column in enumerate(self._columns.columns)
        ]
        return replace(self._columns, columns=tuple(columns)).take(self._kept)

    def joint_entropy(
        self, n_samples: int = 1000, random_state: int | np.random.RandomState | None = None
    ) -> tuple[float, float]:
        """Estimate the entropy of all columns together, from draws.

        Parameters
        ----------
        n_samples : int, default=1000
            Number of draws.
        random_state : int, RandomState instance or None, default=None
            Where the randomness comes from; None gives another estimate each time.

        Returns
        -------
        tuple of two float
            The estimate in nats, and its standard error. Of continuous columns it is differential:
            it may be negative, and changes with their units. It is that of the density which
            `score_samples` has, also beyond the range that fit saw, within which draws stay.

        See Also
        --------
        entropy : Of single columns, without draws.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 1]] * 200)
        >>> value, error = model.condition().joint_entropy(random_state=0)
        >>> abs(value - 0.69) < 3 * error + 0.1
        True
        """
        from skpc._queries.conditioning import condition, unbounded

        n_rows = checked_n_samples(n_samples, 2)
        # What is brought to the ends of a range would have too large a density there.
        whole = condition(unbounded(self._model.circuit_), self._sets).circuit
        rows = self._draw(n_rows, random_state, whole)
        rows[:, np.setdiff1d(np.arange(rows.shape[1]), self._free())] = np.nan
        from skpc._passes.likelihood import log_likelihood

        with self._model._threads(rows):
            surprise = -log_likelihood(self._circuit, rows, max_bytes=working_bytes())
        return float(surprise.mean()), float(surprise.std(ddof=1) / np.sqrt(len(surprise)))

    def _mixtures_along(self, feature: int, values: np.ndarray, target: int) -> list[ColumnMixture]:
        """The distributions of a column given each value (n,) of another: their rows, end to end.

        In one pass, unless both are of one region: then in one for each value.
        """
        from skpc._queries.column_mixture import ColumnMixture
        from skpc._queries.marginals import regions_of

        is_possible = self._is_possible(feature, values)
        if not is_possible.all():
            value = self._columns.columns[feature].restored_bound(values[~is_possible][0])
            raise ValueError(
                f"values has {shown(value)}, which {column_name(self._columns.names, feature)} "
                "cannot have. Leave it out."
            )
        circuit = self._circuit
        if {*regions_of(circuit, feature)} & {*regions_of(circuit, target)}:
            points = (ValueSet(np.array([value])) for value in values + 0.0)
            return [self._further({feature: point})._mixture(target) for point in points]
        rows = np.full((len(values), len(self._columns.columns)), np.nan)
        rows[:, feature] = values
        with self._model._threads(rows):
            return [ColumnMixture.given_rows(circuit, rows, target, self._support(target))]
