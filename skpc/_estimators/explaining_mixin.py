"""What a fitted outlier detector says of rows beyond their scores: p-values and reasons."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse
from scipy.stats import false_discovery_control

from skpc._checks import level_of_caller, shown
from skpc._data.scope import CATEGORICAL
from skpc._estimators.explanation import Explanation, OddPair, OddValue, WeakEvidence
from skpc._estimators.query_mixin import dense_floats, working_bytes
from skpc._estimators.with_indicators import learns_missingness
from skpc._tables import frames
from skpc._tables.single_rows import table_of_row

if TYPE_CHECKING:
    from skpc._estimators.density import SharpPCDensity
    from skpc._outliers.conformal import Calibration
    from skpc._outliers.expectations import Expectation
    from skpc._outliers.expert import Expert
    from skpc._outliers.explanations import Culprit
    from skpc._outliers.known_rows import KnownRows
    from skpc._outliers.number_grids import NumberGrids
    from skpc._tables.column_types import Column

_N_LIKELIEST, _LEAST_PROBABILITY = 3, 0.05


class ExplainingMixin:
    """P-values, distances from the threshold, contributions of columns, and explanations."""

    if TYPE_CHECKING:
        _calibration: Calibration
        _experts: list[Expert]
        _known_rows: KnownRows
        _names_of_rows: tuple[int, ...]
        estimator_: SharpPCDensity
        _number_grids: NumberGrids
        false_discovery_rate: float | None
        offset_: float

        def _fitted_density(self) -> SharpPCDensity: ...
        def _judge(self, matrix: Any) -> np.ndarray: ...
        def _validate(self, X: Any) -> Any: ...
        def score_samples(self, X: Any) -> np.ndarray: ...

    def feature_contributions(
        self, X: Any, groups: Mapping[Any, Sequence[Any]] | None = None
    ) -> np.ndarray:
        """How much each value adds to the oddness of its row, beyond what is usual.

        The surprise of a value is by how much the score of the row would rise without it: with
        ``criterion="auto"`` -log p(x_i | all other observed features) - 1/2 log p(x_i), with
        "likelihood" the first part alone, with "dependence" that plus log p(x_i). From it
        goes what the surprise of this column is on average, so that columns in any units can
        be compared; and the mean is taken over all densities, or, of a row that `fit` was given,
        over those that did not learn from it.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing: it contributes zero, and is summed out for the others.
        groups : dict or None, default=None
            Sets of columns, by names or positions, each under a name of its own. The columns of a
            group are then taken together. They may overlap.

        Returns
        -------
        ndarray of shape (n_samples, n_features), or (n_samples, n_groups)
            Excess surprise in nats, about zero on average over rows like those of `fit`; groups in
            the order of the dict. It does not depend on the units of the columns.

        See Also
        --------
        explain : The columns that make a row odd, and what was to be expected there.

        Notes
        -----
        What is usual is the mean over 128 rows that each density draws, of which what X
        does not show is missing too: each pattern of missing values costs as many rows.

        Contributions do not add up to the score: what several columns say together is counted
        in each of them. Of two columns that contradict each other both are surprising. A
        column that only names rows contributes zero.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.random.default_rng(0).normal(size=(200, 2)) * [1.0, 1e-6]
        >>> detector = SharpPCOutlierDetector(random_state=0).fit(X)
        >>> detector.feature_contributions([[0.0, 9e-6], [9.0, 0.0]]).argmax(axis=1)
        array([1, 0])
        """
        return self._excesses(self._validate(X), groups)

    def _excesses(self, matrix: Any, groups: Any = None) -> np.ndarray:
        """The contributions, of columns or groups, to a matrix."""
        from skpc._outliers.explanations import mean_excesses

        density, matrix = self._fitted_density(), self._shown_dense(matrix)
        positions = self._positions_of(density, groups)
        judges = self._known_rows.judges_of(matrix)
        with density._threads(matrix):
            return mean_excesses(self._experts, judges, matrix, positions, working_bytes())

    def explain(self, row: Any, *, max_features: int = 5) -> Explanation:
        """Why a row is odd: which values and pairs of values, and what was to be expected.

        The column with the largest of `feature_contributions` is named first; then its value is
        taken for missing and the rest of the row is judged again, so that what only contradicted
        it is not named. What is told of a value is given all others *without those named before
        it*, and its sentence says so. Values count if their excess is at least 4 nats (so far out
        are 2.5 standard deviations of a normal column that depends on no other, with
        ``criterion="auto"``), and if they are not what the densities together expect: a number
        beyond the interval that is told, or, within it, a number or a label with less than 5 % of
        the conditional distribution as improbable as it. Pairs of values, each ordinary by
        itself, count if they are at least some 7 times as rare as by chance. Of a row that is
        flagged without any of these the rarest pair, or value, is told as weaker evidence.

        Parameters
        ----------
        row : table of one row, mapping, series, or array-like of shape (n_features,)
            A mapping or a series has values under names of columns. NaN is missing, and so is a
            column that it does not name.
        max_features : int, default=5
            At most so many values, and as many pairs.

        Returns
        -------
        Explanation
            Its `str` is plain English, one sentence for each value and pair.

        Raises
        ------
        ValueError
            If it is not one row, or has other columns than fit saw.

        See Also
        --------
        feature_contributions : In nats, for all columns of many rows.

        Notes
        -----
        Medians and intervals are those of 1,000 exact draws from the conditional distribution
        under each density that judges the row, brought to the range and to the levels that the
        column had in fit: no negative ages, and no halves of whole numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 10.0] + [0.0, 170.0]
        >>> X += np.random.default_rng(1).normal(size=X.shape) / 3
        >>> detector = SharpPCOutlierDetector(random_state=0).fit(X)
        >>> print(detector.explain([1.0, 18.0]))
        p-value 0.005. x1 is 18; expected about 180.6 (174.8 to 184.8) given the other values.
        """
        density = self._fitted_density()
        if not isinstance(max_features, Integral) or max_features < 1:
            raise ValueError(
                f"max_features must be an int of at least 1; got {shown(max_features)}."
            )
        table = table_of_row(density._columns, row)
        matrix = self._shown_dense(self._validate(table))
        if len(matrix) != 1:
            raise ValueError(
                f"row must be one row; got {len(matrix)}. Explain them one by one, such as "
                "[detector.explain(X[i : i + 1]) for i in range(len(X))]."
            )
        from skpc._outliers.expectations import Values
        from skpc._outliers.explanations import conflicts, culprits, rarest

        (may_judge,) = self._known_rows.judges_of(matrix)
        experts = [
            expert for expert, is_judge in zip(self._experts, may_judge, strict=True) if is_judge
        ]
        names, cells = density._feature_names(), _cells(table)
        columns = density._columns.columns
        known = Values(
            [column.categories if column.type == CATEGORICAL else None for column in columns],
            lambda j, values: columns[j].supported(self._number_grids.nearest(j, values)),
        )
        score = self._judge(matrix)
        is_outlier = bool(self._is_outlier(score)[0])
        with density._threads(matrix):
            groups = self._positions_of(density)
            odd = culprits(experts, matrix[0], int(max_features), known, groups, working_bytes())
            values_alone = matrix[0].copy()
            values_alone[len(cells) :] = np.nan  # indicators are no values
            pairs = conflicts(experts, values_alone, int(max_features), working_bytes())
            needs_more = is_outlier and not odd and not pairs
            weak = rarest(experts, values_alone, working_bytes()) if needs_more else None
        named = tuple(names[one.column] for one in odd)
        values = [
            _odd_value(columns[one.column], one, named[: place + 1], cells[one.column])
            for place, one in enumerate(odd)
        ]
        return Explanation(
            score=float(score[0]),
            p_value=float(self._calibration.p_values(score)[0]),
            is_outlier=is_outlier,
            values=tuple(values),
            pairs=tuple(
                OddPair((names[i], names[j]), (cells[i], cells[j]), dependence)
                for (i, j), dependence in pairs
            ),
            weak_evidence=None
            if weak is None
            else WeakEvidence(
                tuple(names[j] for j in weak.columns),
                tuple(cells[j] for j in weak.columns),
                weak.nats,
            ),
        )

    @staticmethod
    def _positions_of(density: Any, groups: Any = None) -> list[list[int]] | None:
        """Which columns of the circuit are judged together; None if each by itself."""
        if learns_missingness(density):
            own: list[list[int]] = density._with_own_indicators(groups)
            return own
        return None if groups is None else density._group_positions(groups)

    def decision_function(self, X: Any) -> np.ndarray:
        """Score above the threshold: negative for outliers.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``, in nats.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> detector = SharpPCOutlierDetector(random_state=0).fit(X)
        >>> detector.decision_function([[0.0, 0.0], [9.0, 0.0]]) < 0
        array([False,  True])
        """
        return self.score_samples(X) - self.offset_

    def p_values(self, X: Any) -> np.ndarray:
        """How probable so low a score is for a row like those that `fit` was given.

        The share of them, together with the row itself, whose score is at most as high: from
        1 / (n + 1) to 1. Of new rows like them at most about a share alpha has a p-value of at
        most alpha; a training row is judged as one among the others.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            Conformal p-values.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCOutlierDetector
        >>> X = np.random.default_rng(0).normal(size=(199, 2))
        >>> SharpPCOutlierDetector(random_state=0).fit(X).p_values([[9.0, 0.0]])
        array([0.005])
        """
        scores = self.score_samples(X)  # of an unfitted one this says so
        return self._calibration.p_values(scores)

    def _is_outlier(self, scores: np.ndarray) -> np.ndarray:
        """Which rows of a table are flagged, by their scores (n,)."""
        if self.false_discovery_rate is None:
            return scores - self.offset_ < 0
        p_values = self._calibration.p_values(scores)
        is_flagged = np.asarray(false_discovery_control(p_values) <= self.false_discovery_rate)
        if not is_flagged.any():
            self._warn_of_few_rows(p_values, self.false_discovery_rate)
        return is_flagged

    def _warn_of_few_rows(self, p_values: np.ndarray, rate: float) -> None:
        """Tell that rows odder than all that fit saw are not flagged, as fit saw too few rows."""
        (least,) = self._calibration.p_values(np.array([-np.inf]))
        n_odd = int((p_values <= least).sum())
        n_needed = int(np.ceil(len(p_values) * least / rate))
        if 0 < n_odd < n_needed:
            warnings.warn(
                f"false_discovery_rate={rate} flags none of the {len(p_values)} rows: {n_odd} of "
                f"them have the least p-value that there is, {least:.2g}, and {n_needed} would "
                "have to. Fit more rows, ask about fewer at once, or set contamination instead.",
                stacklevel=level_of_caller(),
            )

    def _shown(self, matrix: Any) -> Any:
        """A matrix without what only names rows."""
        if self._names_of_rows:
            matrix = matrix.copy()
            matrix[:, list(self._names_of_rows)] = np.nan
        return matrix

    def _shown_dense(self, matrix: Any) -> np.ndarray:
        """What counts of a matrix, as an array of floats."""
        return dense_floats(self._shown(matrix))


def _cells(table: Any) -> list[Any]:
    """What a table of one row shows, as plain values."""
    if not frames.is_frame(table):
        dense = table.toarray() if issparse(table) else np.asarray(table)
        return list(dense[0].tolist())
    cells = (frames.cell(table, 0, j) for j in range(table.shape[1]))
    return [cell.item() if isinstance(cell, np.generic) else cell for cell in cells]


def _odd_value(column: Column, found: Culprit, names: tuple[str, ...], value: Any) -> OddValue:
    """In the terms of its table; the last of the names is its own, the others were before it."""
    *before, name = names
    rest = found.excess, *_expected(column, found.expected)
    return OddValue(name, value, *rest, found.expected.share, tuple(before))


def _expected(
    column: Column, expected: Expectation
) -> tuple[Any, tuple[Any, Any] | None, tuple[tuple[Any, float], ...]]:
    """Median, interval and likeliest categories, as values of a column."""
    if expected.quantiles is not None:
        low, median, high = column.restore(expected.quantiles).tolist()
        return median, (low, high), ()
    probs = expected.probabilities
    assert probs is not None
    order = np.argsort(-probs, kind="stable")[:_N_LIKELIEST]
    order = order[(probs[order] >= _LEAST_PROBABILITY) | (order == order[0])]
    assert column.categories is not None
    labels = column.restore(column.categories[order]).tolist()
    return None, None, tuple(zip(labels, probs[order].tolist(), strict=True))
