"""What a conditional distribution tells of single columns, as a mixin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._checks import shown
from skpc._data.column_sets import EVERYTHING, ColumnSet, Interval, ValueSet
from skpc._data.scope import CATEGORICAL
from skpc._tables.column_evidence import column_number
from skpc._tables.column_types import Column, column_name
from skpc._tables.columns import Columns
from skpc._tables.numbers import FLOAT

if TYPE_CHECKING:
    from skpc._circuit.circuit import Circuit
    from skpc._queries.column_mixture import ColumnMixture, Support

_MOST_POINTS = 10_000
_OUTERMOST = 1e-12  # of a distribution without an end: the level at which it is told

_Lacks = Callable[[Column, ColumnSet | None], str]


class ColumnAnswers:
    """Moments, quantiles, probabilities and densities of single columns.

    A method whose `column` is None answers for all columns that are not fixed to a value and have
    such an answer, in a dict by name, or by position where fit saw no names.
    """

    if TYPE_CHECKING:
        _circuit: Circuit
        _sets: dict[int, ColumnSet]
        _mixtures: dict[int, ColumnMixture]

        @property
        def _columns(self) -> Columns: ...

        def _free(self) -> list[int]: ...
        def _key(self, j: int) -> Any: ...
        def _position(self, column: Any) -> int: ...

    def mean(self, column: Any = None) -> Any:
        """Mean of columns of numbers.

        Parameters
        ----------
        column : int or str, default=None
            Position or name; None means all columns of numbers that are not fixed.

        Returns
        -------
        float, or dict of float
            Of booleans the probability of True.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> round(model.condition({0: 1}).mean(1), 1)
        3.9
        """
        return self._answer(
            column, _has_numbers, lambda j: float(self._mixture(j).moments.means[0])
        )

    def variance(self, column: Any = None) -> Any:
        """Variance of columns of numbers.

        Parameters
        ----------
        column : int or str, default=None
            Position or name; None means all columns of numbers that are not fixed.

        Returns
        -------
        float, or dict of float
            In squares of the column's unit.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> model.condition({0: 1}).variance(1) < model.condition().variance(1)
        True
        """
        return self._answer(
            column, _has_numbers, lambda j: float(self._mixture(j).moments.variances[0])
        )

    def std(self, column: Any = None) -> Any:
        """Standard deviation of columns of numbers.

        Parameters
        ----------
        column : int or str, default=None
            Position or name; None means all columns of numbers that are not fixed.

        Returns
        -------
        float, or dict of float
            In the column's unit.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> round(model.condition().std(1), 1)
        2.0
        """
        return self._answer(
            column, _has_numbers, lambda j: float(np.sqrt(self._mixture(j).moments.variances[0]))
        )

    def median(self, column: Any = None) -> Any:
        """Median of columns of numbers or of ordered labels.

        Parameters
        ----------
        column : int or str, default=None
            Position or name; None means all columns with an order that are not fixed.

        Returns
        -------
        value, or dict of values
            Of the kind of the column: of integers an integer, of levels their label.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> model.condition({0: 1}).median()
        {1: 4}
        """
        return self.quantile(0.5, column)

    def quantile(self, q: Any, column: Any = None) -> Any:
        """Quantile of columns of numbers or of ordered labels.

        Parameters
        ----------
        q : float or array-like of shape (n,)
            Probabilities.
        column : int or str, default=None
            Position or name; None means all columns with an order that are not fixed.

        Returns
        -------
        value or ndarray of shape (n,), or dict of them
            The least value at which the distribution function reaches `q`: of the kind of the
            column, rounded to its decimals, and between the least and the greatest value that fit
            saw. Where there is no such end, as evidence is beyond or the type "gaussian",
            quantiles of 0 and 1 are infinite, or, if infinity is no value of the dtype, those of
            1e-12 and 1 - 1e-12.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> model.condition().quantile([0.25, 0.75], 1)
        array([0, 4])
        """
        try:
            levels = np.asarray(q, np.float64)
        except (TypeError, ValueError):
            levels = np.array(np.nan)
        if levels.ndim > 1 or not ((levels >= 0.0) & (levels <= 1.0)).all():
            raise ValueError(
                f"q must be one number from 0 to 1, or a sequence of such; got {shown(q)}."
            )

        def find(j: int) -> Any:
            found = self._restored(j, self._quantiles(j, np.atleast_1d(levels)))
            has_labels = self._columns.columns[j].labels is not None
            return np.array(found, object if has_labels else None) if levels.ndim else found[0]

        return self._answer(column, _has_order, find)

    def interval(self, coverage: float = 0.9, column: Any = None) -> Any:
        """Central interval of columns of numbers or of ordered labels.

        Parameters
        ----------
        coverage : float, default=0.9
            Probability of the interval; what is left is shared by both sides.
        column : int or str, default=None
            Position or name; None means all columns with an order that are not fixed.

        Returns
        -------
        tuple of two values, or dict of them
            The quantiles at both ends; where these have a mass the interval has more than
            `coverage`.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> model.condition().interval(0.8, 1)
        (0, 4)
        """
        if not isinstance(coverage, Real) or not 0.0 < coverage < 1.0:
            raise ValueError(f"coverage must be between 0 and 1; got {shown(coverage)}.")
        tail = 0.5 * (1.0 - float(coverage))

        def find(j: int) -> tuple[Any, Any]:
            low, high = self._restored(j, self._quantiles(j, np.array([tail, 1 - tail])))
            return low, high

        return self._answer(column, _has_order, find)

    def cdf(self, x: Any, column: Any) -> Any:
        """Probability that a column is at most `x`.

        Parameters
        ----------
        x : value or array-like of shape (n,)
            Numbers, or ordered labels.
        column : int or str
            Position or name.

        Returns
        -------
        float or ndarray of shape (n,)
            Continuous from the right: a value that has a mass counts.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> model.condition().cdf([-1, 0, 3.5, 4], 1).round(1)
        array([0. , 0.5, 0.5, 1. ])
        """
        j = self._position(column)
        self._require(j, _has_order)
        values, is_one = self._values(j, x)
        found = self._mixture(j).cdf(values[None])[0]
        return float(found[0]) if is_one else found

    def pdf(self, x: Any, column: Any) -> Any:
        """Density of a column at `x`, or the mass where there is one.

        Parameters
        ----------
        x : value or array-like of shape (n,)
            Numbers, or labels.
        column : int or str
            Position or name.

        Returns
        -------
        float or ndarray of shape (n,)
            Per unit of the column; of categories, of levels of a lattice such as integers, and of
            atoms, the probability. 0 where the evidence is contradicted.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> round(model.condition({0: 1}).pdf(4, 1), 1)
        1.0
        """
        j = self._position(column)
        values, is_one = self._values(j, x)
        found = np.where(self._is_possible(j, values), self._densities(j, values), 0.0)
        return float(found[0]) if is_one else found

    def probabilities(self, column: Any = None) -> dict[Any, Any]:
        """Probability of each category, or level, of a column.

        Parameters
        ----------
        column : int or str, default=None
            Position or name; None means all columns of categories or levels that are not fixed,
            of 10,000 levels at most.

        Returns
        -------
        dict of float, or dict of such dicts
            By category, in the order that fit saw, those that contradict the evidence included.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> found = model.condition({0: 1}).probabilities(1)
        >>> {category: round(probability, 1) for category, probability in found.items()}
        {0: 0.0, 4: 1.0}
        """
        found: dict[Any, Any] = self._answer(column, _has_categories, self._probabilities)
        return found

    def mode(self, column: Any = None) -> Any:
        """Most probable value of columns, each by itself.

        Parameters
        ----------
        column : int or str, default=None
            Position or name; None means all columns that are not fixed. Together these are not
            the most probable row.

        Returns
        -------
        value, or dict of values
            Where `pdf` is largest; of continuous columns, if atoms have more than half of the
            probability, the heaviest of these.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> model.condition({0: 1}).mode()
        {1: 4}
        """
        return self._answer(
            column,
            lambda *_: "",
            lambda j: self._restored(j, self._rounded(j, self._mixture(j).mode()))[0],
        )

    def entropy(self, column: Any = None) -> Any:
        """Entropy of columns, each by itself.

        Parameters
        ----------
        column : int or str, default=None
            Position or name; None means all columns that are not fixed.

        Returns
        -------
        float, or dict of float
            In nats. Exact of categories and of levels; of continuous columns the differential
            entropy, by a quadrature with an error of about 1e-3, which may be negative.

        See Also
        --------
        ConditionalDistribution.joint_entropy : Of all columns together.

        Examples
        --------
        >>> from skpc import SharpPCDensity
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit([[0, 0], [1, 4]] * 40)
        >>> round(model.condition().entropy(1), 2)
        0.69
        """
        return self._answer(column, lambda *_: "", lambda j: float(self._mixture(j).entropy()[0]))

    def _answer(self, column: Any, lacks: _Lacks, find: Callable[[int], Any]) -> Any:
        """What `find` gives for one column, or by column for all that lack nothing it needs."""
        if column is not None:
            j = self._position(column)
            self._require(j, lacks)
            return find(j)
        columns, sets = self._columns.columns, self._sets
        return {self._key(j): find(j) for j in self._free() if not lacks(columns[j], sets.get(j))}

    def _require(self, j: int, lacks: _Lacks) -> None:
        """Raise a ValueError if a column cannot be asked so."""
        problem = lacks(self._columns.columns[j], self._sets.get(j))
        if problem:
            raise ValueError(f"{column_name(self._columns.names, j)} {problem}")

    def _restored(self, j: int, values: np.ndarray) -> list[Any]:
        return self._columns.columns[j].restored(values)

    def _rounded(self, j: int, values: np.ndarray) -> np.ndarray:
        """Values (n,) with the decimals of a column, or on its lattice, where evidence lets it."""
        margin, given = self._columns.columns[j].margin, self._sets.get(j)
        if margin is None or not isinstance(given, Interval | None):
            return values
        return margin.rounded(values, EVERYTHING if given is None else given)

    def _values(self, j: int, x: Any) -> tuple[np.ndarray, bool]:
        """Numbers (n,) in the matrix that values of a column are, and whether it was one value."""
        is_one = isinstance(x, str) or not np.ndim(x)
        column, name = self._columns.columns[j], column_name(self._columns.names, j)
        values = [x] if is_one else [*x]
        return np.array([column_number(column, one, name, "x") for one in values]), is_one

    def _is_possible(self, j: int, values: np.ndarray) -> np.ndarray:
        """Which values (n,) a column can have, and has under the evidence."""
        column, given = self._columns.columns[j], self._sets.get(j)
        possible = np.ones(len(values), bool) if given is None else given.contains(values)
        return np.asarray(possible & column.can_be(values))

    def _quantiles(self, j: int, levels: np.ndarray) -> np.ndarray:
        mixture, numbers = self._mixture(j), self._columns.columns[j].numbers
        least, most = 0.0, 1.0
        if numbers is not None and numbers.kind != FLOAT:
            ends = np.isinf([mixture.support.low, mixture.support.high])
            least, most = np.where(ends, [_OUTERMOST, 1.0 - _OUTERMOST], [0.0, 1.0])
        found = np.asarray(mixture.quantile(np.clip(levels, least, most))[0])
        return self._rounded(j, found)

    def _densities(self, j: int, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(self._mixture(j).log_pdf(values[None])[0]))

    def _probabilities(self, j: int) -> dict[Any, float]:
        """Probabilities of all categories of a column, by what these are called."""
        column, mixture = self._columns.columns[j], self._mixture(j)
        points = mixture.support.points
        assert points is not None
        known = np.arange(0.0 if column.labels is None else len(column.labels))
        if column.categories is not None:
            known = column.categories
        elif column.labels is None:
            known = points
        masses = np.zeros(len(known))
        masses[np.searchsorted(known, points)] = mixture.masses[0]
        return dict(zip(column.restored(known), masses.tolist(), strict=True))

    def _mixture(self, j: int) -> ColumnMixture:
        """The distribution of a column, which is found once."""
        from skpc._queries.column_mixture import ColumnMixture

        if j not in self._mixtures:
            self._mixtures[j] = ColumnMixture.of(self._circuit, j, self._support(j))
        return self._mixtures[j]

    def _support(self, j: int) -> Support:
        return support_of(self._columns.columns[j], self._sets.get(j))


def support_of(column: Column, given: ColumnSet | None) -> Support:
    """What values a column has if evidence leaves this of it."""
    from skpc._queries.column_mixture import Support

    margin, points, atoms = column.margin, None, np.empty(0)
    bounds = given if isinstance(given, Interval) else EVERYTHING
    drawn = bounds
    if margin is not None:
        low, high = margin.range
        if not bounds.intersection(Interval(low, high)).is_empty:
            drawn = replace(bounds, low=max(low, bounds.low), high=min(high, bounds.high))
        atoms = margin.atoms if given is None else margin.atoms[given.contains(margin.atoms)]
    if isinstance(given, ValueSet):
        points = given.values
    elif column.categories is not None:
        points = column.categories[bounds.contains(column.categories)]
    elif margin is not None:
        points = margin.levels_between(drawn, _MOST_POINTS)
    return Support(bounds, drawn.low, drawn.high, points, atoms, margin)


def _has_numbers(column: Column, _: ColumnSet | None) -> str:
    """What is wrong with asking for moments."""
    if column.labels is None:
        return ""
    return "holds labels, which have no moments. Ask for probabilities."


def _has_order(column: Column, _: ColumnSet | None) -> str:
    """What is wrong with asking for quantiles."""
    if column.labels is None or column.type != CATEGORICAL:
        return ""
    return "holds labels without an order. Ask for probabilities."


def _has_categories(column: Column, given: ColumnSet | None) -> str:
    """What is wrong with asking for probabilities of categories."""
    is_lattice = column.margin is not None and column.margin.step > 0.0
    if is_lattice and support_of(column, given).points is None:
        return (
            f"may have more than {_MOST_POINTS:,} values, too many to list. Ask for pdf, cdf or "
            "quantile, or condition on fewer."
        )
    if column.categories is not None or is_lattice:
        return ""
    return "is continuous: its values have a density. Ask for pdf, cdf or quantile."
