"""Has a table changed: how far two models are apart, and which columns of new rows are others."""

from __future__ import annotations

from math import comb
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtr
from scipy.stats import chi2_contingency, fisher_exact, ks_2samp
from sklearn.utils.validation import check_is_fitted

from skpc._checks import checked_n_samples, shown
from skpc._data.column_sets import Interval
from skpc._estimators.composed import innermost
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.query_mixin import dense_floats
from skpc._estimators.random_states import checked_random_state
from skpc._tables.column_types import column_name
from skpc._tables.validation import named

if TYPE_CHECKING:
    from skpc._tables.column_types import Column

__all__ = ["Divergence", "column_drift", "kl_divergence"]

_MOST_STATES = 2**16  # that are summed over, one by one
_FARTHEST = 30.0  # nats: one value that is impossible must not decide of a mean
_N_EXCHANGES = 1_999
_MANY_ROWS = 1_000  # of which a mean is a normal number
_LEAST_EXPECTED = 5.0  # rows with a label, of either table; rarer ones count together


class Divergence(NamedTuple):
    """How far one model is from another.

    Parameters
    ----------
    estimate : float
        In nats.
    standard_error : float
        Of the estimate; 0 if it is exact.

    Examples
    --------
    >>> from skpc.drift import Divergence
    >>> Divergence(0.5, 0.0).estimate
    0.5
    """

    estimate: float
    standard_error: float


def kl_divergence(
    model: Any,
    other: Any,
    *,
    n_samples: int = 10_000,
    random_state: int | np.random.RandomState | None = None,
) -> Divergence:
    """Kullback-Leibler divergence of two fitted models of the same columns.

    That is the mean of log p(x) - log q(x) over rows x of the first model, p: how many nats a row
    loses if it is described by the second, q. It is not symmetric.

    Parameters
    ----------
    model : SharpPCDensity, or an estimator that holds one
        Fitted: p.
    other : SharpPCDensity, or an estimator that holds one
        Fitted to a table with the same columns, read as the same types: q.
    n_samples : int, default=10000
        Number of draws from `model`, unless the divergence is a sum over few states.
    random_state : int, RandomState instance or None, default=None
        Where the randomness comes from; None gives new draws each time.

    Returns
    -------
    Divergence
        A named tuple of the estimate and its standard error, in nats. It is exact, with an
        error of 0, if all columns are of categories with at most 65,536 joint states; otherwise a
        mean over draws, which may be a little below zero where the models are alike. It is
        infinite, with an error of 0, if a column of `model` has categories or levels that `other`
        cannot have, as it was fitted to a table without them.

    Raises
    ------
    ValueError
        If the models are of other columns, or one gives masses to values of a numeric column to
        which the other gives densities: then the divergence is infinite, or has no meaning.

    See Also
    --------
    column_drift : Which columns of new rows have changed.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.drift import kl_divergence
    >>> often, rarely = (np.arange(100)[:, None] < n for n in (80, 20))
    >>> models = [SharpPCDensity(1, pseudocount=0, mu=0).fit(X) for X in (often, rarely)]
    >>> found = kl_divergence(*models)
    >>> round(found.estimate, 3), found.standard_error
    (0.832, 0.0)
    """
    p, q = (_density(one, name) for one, name in ((model, "model"), (other, "other")))
    _check_alike(p, q)
    n_rows = checked_n_samples(n_samples, 2)
    categories = [column.categories for column in p._columns.columns]
    pairs = zip(p._columns.columns, q._columns.columns, strict=True)
    if not all(_covers(two, one) for one, two in pairs):
        return Divergence(np.inf, 0.0)
    n_states = np.prod([np.inf if known is None else len(known) for known in categories])
    if n_states <= _MOST_STATES:
        grid: Any = np.meshgrid(*categories, indexing="ij")
        rows = p._columns.to_table(np.column_stack([part.ravel() for part in grid]).astype(float))
        log_p = p.score_samples(rows)
        shares = np.exp(log_p - log_p.max())
        # Of a column's categories never seen there is a trace of mass, which no row has.
        shares /= shares.sum()
        return Divergence(max(float(shares @ (log_p - q.score_samples(rows))), 0.0), 0.0)
    rows = p.sample(n_rows, checked_random_state(random_state))
    gains = p.score_samples(rows) - q.score_samples(rows)
    return Divergence(float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))))


def column_drift(model: Any, reference: Any, new: Any, *, level: float = 0.05) -> Any:
    """Which columns of a table have changed: their margins, and how they depend on the others.

    New rows are compared with others that are known to be as they should, by three tests for each
    column: whether it is missing as often, whether its margin is the same, and whether
    its values are as surprising given the others, under a model of how things were. A dependence
    that is lost shows in the third alone, in all columns that took part in it.

    Parameters
    ----------
    model : SharpPCDensity or SharpPCOutlierDetector
        Fitted to rows from before; to others than `reference`, as rows that were learnt from are
        less surprising than new ones.
    reference : array-like or frame of shape (n_reference, n_features)
        Rows from before, held out from learning. NaN is missing.
    new : array-like or frame of shape (n_new, n_features)
        Rows to judge.
    level : float in (0, 1), default=0.05
        If nothing has changed, this is the chance that any column is called changed.

    Returns
    -------
    pandas.DataFrame
        One row for each column of the table, those most certainly changed first:

        - `column`: its name.
        - `missing`: by how much the share of missing values has grown, from -1 to 1.
        - `margin`: how far the margins are apart, from 0 to 1: the largest distance of the
          distribution functions of numbers, half the sum of distances of the shares of labels.
        - `given_others`: by how much its values are more surprising on average given the others,
          in nats, free of units: the difference of the means of `feature_contributions`.
        - `standard_error`: of that difference.
        - `z`: the one divided by the other, which is no normal number where rows are few.
        - `p_value`: the smallest of the three tests, times three.
        - `is_changed`: whether it is significant at `level` among all columns, by Holm's procedure.

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If a table has other columns than the model, or `level` is no probability.

    See Also
    --------
    kl_divergence : How far two models are apart as a whole.

    Notes
    -----
    The tests are Kolmogorov's and Smirnov's for numbers, chi squared for labels (rare ones
    together) and for what is missing (Fisher's exact test where few are expected), and one of two
    means for surprises, of which none counts more than 30 nats beyond the usual. That one compares
    the difference with those after 1,999 exchanges of rows between the tables, the same ones each
    time; a difference beyond all of these, or of two tables of 1,000 rows and more, is judged as
    a normal number. With many rows the smallest change is significant: look at its size.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.drift import column_drift
    >>> rng = np.random.default_rng(0)
    >>> old = rng.normal(size=(600, 3))
    >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(old[:300])
    >>> new = rng.normal(size=(300, 3)) + [0.0, 0.0, 1.0]
    >>> column_drift(model, old[300:], new)[["column", "is_changed"]].values.tolist()
    [['x2', True], ['x1', False], ['x0', False]]
    """
    try:
        import pandas  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError(
            "column_drift returns a pandas frame, and pandas is not installed: pip install pandas."
        ) from error
    if not isinstance(level, Real) or isinstance(level, bool) or not 0 < level < 1:
        raise ValueError(f"level must be a number above 0 and below 1; got {shown(level)}.")
    density = _density(model, "model")
    judge = model if hasattr(type(model), "_excesses") else density
    tables = []
    for name, X in (("reference", reference), ("new", new)):
        with named(name):
            tables.append(dense_floats(judge._validate(X)))
    surprises = [np.minimum(judge._excesses(table), _FARTHEST) for table in tables]
    names, changes = density._feature_names(), []
    for j, column in enumerate(density._columns.columns):
        values = [table[:, j] for table in tables]
        seen = [~np.isnan(part) for part in values]
        of_seen = [part[is_seen] for part, is_seen in zip(values, seen, strict=True)]
        missing, p_missing = _missing(seen)
        margin, p_margin = _margin(column, of_seen)
        nats = [part[is_seen, j] for part, is_seen in zip(surprises, seen, strict=True)]
        shift, error, z = _shift(nats)
        least = min(p_missing, p_margin, _p_of_shift(nats))
        changes.append((names[j], missing, margin, shift, error, z, min(3.0 * least, 1.0)))
    what = ["column", "missing", "margin", "given_others", "standard_error", "z", "p_value"]
    frame = pandas.DataFrame(changes, columns=what)
    frame = frame.sort_values("p_value", kind="stable", ignore_index=True)
    at_risk = np.arange(len(frame), 0, -1)
    below = frame["p_value"].to_numpy() * at_risk <= level
    return frame.assign(is_changed=np.logical_and.accumulate(below))


def _density(model: Any, name: str) -> SharpPCDensity:
    """The fitted density that an estimator is, or holds."""
    model = innermost(model)
    if not isinstance(model, SharpPCDensity):
        raise TypeError(f"{name} must be a SharpPCDensity; got a {type(model).__name__}.")
    check_is_fitted(model)
    return model


def _check_alike(p: SharpPCDensity, q: SharpPCDensity) -> None:
    """Raise ValueError unless two densities are of the same columns, and can be compared."""
    if p._feature_names() != q._feature_names():
        raise ValueError(
            f"The models are of other columns: {shown(p._feature_names())} and "
            f"{shown(q._feature_names())}. Fit both to the same ones, or take marginal(features)."
        )
    for j, (one, two) in enumerate(zip(p._columns.columns, q._columns.columns, strict=True)):
        if not _are_alike(one, two):
            raise ValueError(
                f"{column_name(p._columns.names, j)} has other values with masses of their own in "
                "one model than in the other, so that their divergence is infinite. Set "
                "feature_types='gaussian' for it in both, or compare tables with column_drift."
            )


def _are_alike(one: Column, two: Column) -> bool:
    """Whether two models give masses to the same values of a column, and densities to others."""
    steps = [0.0 if column.margin is None else column.margin.step for column in (one, two)]
    known = [column.categories is not None for column in (one, two)]
    are_masses = [is_known or step > 0 for is_known, step in zip(known, steps, strict=True)]
    if all(are_masses):
        return steps[0] == steps[1] or 0.0 in steps  # of categories there may be any
    atoms = [() if column.margin is None else column.margin.atoms for column in (one, two)]
    return not any(are_masses) and np.array_equal(atoms[0], atoms[1])


def _covers(two: Column, one: Column) -> bool:
    """Whether a column can have all values that have a mass in one that is alike."""
    if two.labels is not None or one.labels is not None:
        of_one, of_two = (_known(column) for column in (one, two))
        return bool(of_one) and of_one <= of_two
    values = one.categories
    if values is None:
        if two.categories is None or one.margin is None:
            return True
        values = one.margin.levels_between(Interval(*one.margin.range), len(two.categories))
    return values is not None and bool(two.can_be(values).all())


def _known(column: Column) -> set[Any]:
    """The categories, or ordered labels, of a column as the table has them; none of numbers."""
    if column.categories is not None:
        return set(column.restored(column.categories))
    return set() if column.labels is None else set(column.labels.tolist())


def _missing(seen: list[np.ndarray]) -> tuple[float, float]:
    """By how much the share of missing values grew, and the p-value of that."""
    counts = np.array([[part.sum(), (~part).sum()] for part in seen])
    old, new = counts[:, 1] / counts.sum(axis=1)
    return float(new - old), _p_value(counts)


def _margin(column: Column, values: list[np.ndarray]) -> tuple[float, float]:
    """How far margins of values are apart, and the p-value of that; 0 and 1 if one has none."""
    if not all(len(part) for part in values):
        return 0.0, 1.0
    if column.categories is None or column.type != "categorical":
        found = ks_2samp(*values, method="asymp")
        return float(found.statistic), float(found.pvalue)
    labels = np.unique(np.concatenate(values))
    places = [np.searchsorted(labels, part) for part in values]
    counts = np.array([np.bincount(part, minlength=len(labels)) for part in places])
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(np.abs(shares[0] - shares[1]).sum() / 2), _p_value(counts)


def _p_value(counts: np.ndarray) -> float:
    """That of two rows of counts (2, m) being of one distribution, rare columns taken together."""
    sizes = counts.sum(axis=1)
    expected = counts.sum(axis=0) * sizes.min() / max(sizes.sum(), 1)
    is_rare = (expected < _LEAST_EXPECTED) & (np.count_nonzero(expected) > 2)
    together = np.column_stack([counts[:, ~is_rare], counts[:, is_rare].sum(axis=1)])
    together = together[:, together.sum(axis=0) > 0]
    if together.shape[1] < 2 or not sizes.all():
        return 1.0
    if together.shape[1] > 2 and expected[is_rare].sum() < _LEAST_EXPECTED and is_rare.any():
        least = together[:, :-1].sum(axis=0).argmin()
        together[:, least] += together[:, -1]
        together = together[:, :-1]
    if together.sum(axis=0).min() * sizes.min() / sizes.sum() < _LEAST_EXPECTED:
        return float(fisher_exact(together).pvalue)
    return float(chi2_contingency(together, correction=False).pvalue)


def _shift(nats: list[np.ndarray]) -> tuple[float, float, float]:
    """Difference of two means, its standard error, and how many of these it is."""
    if min(len(part) for part in nats) < 2:
        return 0.0, np.nan, 0.0
    shift = float(nats[1].mean() - nats[0].mean())
    error = float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in nats)))
    # Columns of one value are surprising by rounding alone.
    if error < 1e-12:
        return shift, error, 0.0 if abs(shift) < 1e-9 else float(np.copysign(np.inf, shift))
    return shift, error, shift / error


def _p_of_shift(nats: list[np.ndarray]) -> float:
    """The p-value of a difference of two means: how often one as large is there by chance.

    By exchanges of values between the two, as surprises are skewed; what lies beyond all of these
    is judged by the normal distribution with their variance.
    """
    few, many = sorted(nats, key=len)
    together = np.sort(np.concatenate([few, many]))
    if len(few) < 2 or np.ptp(together) < 1e-9:
        return 1.0
    together -= together.mean()
    n_few, n_rows = len(few), len(together)
    found = abs(few.sum() - n_few * np.concatenate([few, many]).mean())
    spread = np.sqrt(n_few * len(many) / (n_rows * (n_rows - 1.0)) * np.square(together).sum())
    beyond = 2.0 * float(ndtr(-found / spread))
    if n_few >= _MANY_ROWS:
        return beyond
    rng = np.random.default_rng(0)
    chosen = (rng.choice(n_rows, n_few, replace=False) for _ in range(_N_EXCHANGES))
    sums = np.array([together[rows].sum() for rows in chosen])
    n_as_large = np.count_nonzero(np.abs(sums) >= found * (1.0 - 1e-9))
    p_value = (n_as_large + 1.0) / (_N_EXCHANGES + 1.0)
    return p_value if n_as_large else min(p_value, max(beyond, 1.0 / comb(n_rows, n_few)))
