"""Margins of numeric columns, learnt from their weighted distinct values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import frexp, fsum, ldexp
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from skpc._data.margins import Margin
from skpc._data.rows import Rows
from skpc._tables.kernel_stack import END, Sample, Smooth, learn_smooth

LEAK = 1e-3
"""So much of a row is given to all other numbers, if a few have all rows."""

OVER_BOUND = 0.1
"""So much of a row is given to negative numbers, if there were none."""

_LEAST_REPEATS = 5
_LEAST_SHARE = 5e-4
_MOST_ATOMS = 256
_MOST_LEVELS = 400
_MOST_VALUES = 1_000
_PARTS = (1, 2, 4, 8, 10, 20, 40, 100, 1_000, 10_000)
_LEVELS_PER_ROW = 20
_TIES = 0.05
_LEAST_LEVELS = 4
_ROWS_PER_LEVEL = 3
_LEAST_OWN = 0.01
_LEAST_REST = 3
_MOST_DIGITS = 9
_FIRST_VALUES = 100  # which mostly show that there are more digits
_MOST_ALIKE = 10
_MOST_ROWS = 2.0**60
_LEAST_WEIGHT = 1e-100


class Lattice(NamedTuple):
    """Distance of levels, 0 if there are none, and their decimals, -1 if they are none."""

    step: float
    digits: int


@np.errstate(under="ignore")  # a share of a subnormal number may be zero
def learn_margin(
    values: np.ndarray, weights: np.ndarray, like: Margin | None = None, n_labels: int = 0
) -> Margin:
    """Learn the margin of a column.

    Parameters
    ----------
    values : (n,) distinct, ascending, finite
    weights : (n,) positive; their sum counts as a number of rows
    like : Margin or None
        Of a column with the same levels, or the same values of a mass of their own.
    n_labels : int
        If above 0, values are numbers of so many labels: there are no others.
    """
    if like is not None:
        n_labels = _n_labels(like)
    if values[-1] <= 0.0 and values[0] < 0.0:
        like = None if like is None else _mirrored(like)
        return _mirrored(learn_margin(-values[::-1], weights[::-1], like))
    total = fsum(weights)
    if total > _MOST_ROWS:  # more make no difference any more, and have no square
        weights = np.maximum(weights * ldexp(_MOST_ROWS, -frexp(total)[1]), _LEAST_WEIGHT)
        total = fsum(weights)
    lattice = find_lattice(values, total) if like is None else Lattice(like.step, like.digits)
    if len(values) == 1:
        return _constant(float(values[0]), total, lattice, n_labels)
    if lattice.step:
        margin = _learn_levels(values, weights, total, lattice, n_labels)
    else:
        atoms = None if like is None else like.atoms
        margin = _learn_continuous(values, weights, total, atoms)
    return replace(margin, widest=_widest(margin, values))


def with_own_margins(rows: Rows, but: Collection[int] = ()) -> Rows:
    """The same rows, with margins that are learnt from them alone, but for those of some regions.

    What has a mass and what a density stays as it is, so that log-likelihoods can be compared.
    """
    scopes = list(rows.scopes)
    for region, scope in enumerate(scopes):
        vectors = rows.evidence.values[region]
        if scope.margin is not None and vectors is not None and region not in but:
            weights, values = rows.weights_of(region), vectors[:, 0]
            seen = (weights > 0.0) & ~np.isnan(values)
            if seen.any():
                margin = learn_margin(values[seen], weights[seen], scope.margin)
                scopes[region] = scope._replace(margin=margin)
    return replace(rows, scopes=tuple(scopes))


def find_lattice(values: np.ndarray, total: float) -> Lattice:
    """The lattice that distinct values (n,) of so many rows are on, if any.

    Integers always are on one; halves, tenths and the like are if values repeat, or levels are
    few for so many rows; any others have rows for each level. Days over 365.25 are measurements.
    """
    size = float(np.abs(values).max())
    if size < 2.0**53 and np.array_equal(values, np.rint(values)):
        return Lattice(1.0, 0)
    if len(values) == 1:
        return Lattice(0.0, -1)
    differences = values - values[0]
    n_rows = max(total, float(len(values)))
    repeats = n_rows - len(values) >= _TIES * n_rows
    for part in _PARTS:
        if not repeats and differences[-1] * part > _LEVELS_PER_ROW * n_rows:
            break
        if _are_multiples(differences, 1.0 / part, size):
            return Lattice(1.0 / part, _digits(values))
    if len(values) >= _LEAST_LEVELS and n_rows >= _ROWS_PER_LEVEL * len(values):
        gap = float(np.diff(values).min())  # of standardised integers, say
        for part in (1, 2, 3):
            step = differences[-1] / max(np.rint(differences[-1] / gap * part), 1.0)
            if _are_multiples(differences, step, size):
                return Lattice(float(step), _digits(values))
    return Lattice(0.0, -1)


def _are_multiples(differences: np.ndarray, step: float, size: float) -> bool:
    """Whether differences of numbers of such a size are multiples of a step, as far as it shows."""
    with np.errstate(over="ignore"):
        multiples = differences / step
        tolerance = min(0.02, 2.0**-23 * size / step) + 1e-9
    levels = np.rint(multiples)
    near = np.abs(multiples - levels) <= tolerance
    return bool(levels[-1] < 2.0**50 and near.all() and (np.diff(levels) > 0.5).all())


def _digits(values: np.ndarray) -> int:
    """Decimals of values (n,), -1 if they are none: of the shortest ones if single precision."""
    dtype = np.float32 if _is_single(values) else np.float64
    for digits in range(_MOST_DIGITS):
        if np.array_equal(np.round(values, digits).astype(dtype), values):
            return digits
    return -1


def find_decimals(values: np.ndarray) -> int:
    """How many decimals distinct measurements (n,) have at most, -1 if they are not decimals.

    But for rounding, as sums and products of decimals in binary, and floats of single precision,
    have it.
    """
    reach = np.abs(values) * (2.0**-24 if _is_single(values) else 2.0**-50)

    def have(digits: int, some: slice) -> bool:
        off = np.abs(np.round(values[some], digits) - values[some])
        return bool((off <= reach[some]).all())

    for digits in range(_MOST_DIGITS):
        if have(digits, slice(_FIRST_VALUES)) and have(digits, slice(None)):
            return digits
    return -1


def _is_single(values: np.ndarray) -> bool:
    """Whether numbers (n,) are of single precision."""
    with np.errstate(over="ignore"):
        return np.array_equal(values.astype(np.float32), values)


def _n_labels(margin: Margin) -> int:
    """How many labels the values of a margin are numbers of; 0 if they are none."""
    if not margin.step or margin.scores[0] > -END or margin.scores[-1] < END:
        return 0
    return round(float(margin.knots[-1] - margin.knots[0]) * margin.unit / margin.step)


def _constant(value: float, total: float, lattice: Lattice, n_labels: int) -> Margin:
    """One atom, and next to nothing elsewhere; the same for each other label, if there are some."""
    leak = LEAK / (total + 1.0)
    unit = lattice.step or _power_of_two(abs(value) or 1.0)
    knots = np.array([-1.0, 1.0])
    scores = knots
    if n_labels:
        knots = np.arange(n_labels + 1.0) - 0.5 - value
        scores = ndtri(np.linspace(0.0, 1.0, n_labels + 1)).clip(-END, END)
    return Margin(
        origin=value,
        unit=unit,
        knots=knots,
        scores=scores,
        slopes=np.ones(len(knots)),
        share=leak,
        atoms=np.array([value]),
        masses=np.array([1.0 - leak]),
        step=lattice.step,
        digits=lattice.digits,
        low=0.0 if n_labels else value,
        high=n_labels - 1.0 if n_labels else value,
        widest=1.0,
    )


def _learn_levels(
    values: np.ndarray, weights: np.ndarray, total: float, lattice: Lattice, n_labels: int
) -> Margin:
    """The margin of a column on a lattice."""
    n_levels = n_labels or (values[-1] - values[0]) / lattice.step + 1.0
    has_all = n_levels <= _MOST_LEVELS
    is_atom = _heaped(values / lattice.step, weights, total)
    if np.count_nonzero(~is_atom) < _LEAST_REST:
        is_atom[:] = False
    origin, unit = _scale(values, weights, is_atom)
    levels = np.rint((values - origin) / lattice.step)
    ratio = lattice.step / unit
    rest = values[~is_atom]
    has_bound = rest[0] >= 0.0 and not n_labels
    bound = (np.rint(-origin / lattice.step) - 0.5) * ratio if has_bound else -np.inf
    places, half = levels[~is_atom] * ratio, 0.5 * ratio
    sample = Sample(places, places - half, places + half, weights[~is_atom], bound, half)
    edges = None
    if n_labels:
        edges = (np.arange(n_labels + 1.0) - 0.5 - origin) * ratio
    elif has_all:
        edges = (np.arange(levels[0], levels[-1] + 2.0) - 0.5) * ratio
    leak = OVER_BOUND / (total + 1.0)
    smooth = learn_smooth(sample.compressed(_MOST_VALUES), leak, edges, n_labels > 0)
    own_share = smooth.own_share if smooth.own_share > _LEAST_OWN else 0.0
    own = np.where(is_atom, weights, weights * own_share) / total
    margin = _margin(smooth, values, own, total, (origin, unit), lattice)
    low, high = (0.0, n_labels - 1.0) if n_labels else rest[[0, -1]].tolist()
    return replace(margin, low=low, high=high)


def _learn_continuous(
    values: np.ndarray, weights: np.ndarray, total: float, atoms: np.ndarray | None
) -> Margin:
    """The margin of a column of measurements; of its `atoms`, if they are known.

    Where all values occur alike, twice or a hundred times, whole rows do: nothing is an atom.
    """
    if len(values) > _MOST_ALIKE and weights.min() == weights.max() > 1.0:
        weights, total = np.ones(len(values)), float(len(values))
    is_atom = _repeated(weights, total) if atoms is None else np.isin(values, atoms)
    origin, unit = _scale(values, weights, is_atom)
    places = (values - origin) / unit
    keep = ~is_atom if np.count_nonzero(~is_atom) > 1 else np.ones(len(values), bool)
    low, high = values[keep][[0, -1]].tolist()
    bound = -origin / unit if low >= 0.0 else -np.inf
    rest = places[keep]
    sample = Sample(rest, rest, rest, weights[keep], bound, 0.0)
    smooth = learn_smooth(sample.compressed(_MOST_VALUES), OVER_BOUND / (total + 1.0), None)
    own = np.where(is_atom, weights, 0.0) / total
    decimals = Lattice(0.0, find_decimals(values))
    margin = _margin(smooth, values, own, total, (origin, unit), decimals)
    return replace(margin, low=low, high=high)


def _repeated(weights: np.ndarray, total: float) -> np.ndarray:
    """Which of the values of a continuous column are atoms."""
    is_atom = (weights >= _LEAST_REPEATS) & (weights >= _LEAST_SHARE * total)
    return _heaviest(is_atom, weights)


def _heaviest(is_atom: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The heaviest of atoms, if they are too many."""
    if np.count_nonzero(is_atom) > _MOST_ATOMS:
        least = np.sort(weights[is_atom])[-_MOST_ATOMS]
        is_atom = is_atom & (weights >= least)
        if np.count_nonzero(is_atom) > 2 * _MOST_ATOMS:
            is_atom = is_atom & (weights > least)
    return is_atom


def _heaped(levels: np.ndarray, weights: np.ndarray, total: float) -> np.ndarray:
    """Which of many levels have clearly more than those around."""
    ends = np.append(0.0, np.cumsum(weights))
    n = len(levels)
    first, last = np.maximum(np.arange(n) - 5, 0), np.minimum(np.arange(n) + 5, n - 1)
    around = ends[last + 1] - ends[first] - weights
    expected = around / (levels[last] - levels[first])
    return _heaviest(_repeated(weights, total) & (weights > 4.0 * expected + 3.0), weights)


def _scale(values: np.ndarray, weights: np.ndarray, is_atom: np.ndarray) -> tuple[float, float]:
    """A typical value, and a typical deviation from it: a power of two."""
    if np.count_nonzero(~is_atom) > 1:
        values, weights = values[~is_atom], weights[~is_atom]
    shares = np.cumsum(weights) / weights.sum()
    origin = float(values[np.searchsorted(shares, 0.5)])
    for tail in (0.25, 0.1, 0.02):
        low, high = values[np.searchsorted(shares, [tail, 1.0 - tail]).clip(0, len(values) - 1)]
        if high > low:
            break
    else:
        low, high = values[[0, -1]]
    return origin, _power_of_two(max(0.5 * (high - low), 5e-324))


def _power_of_two(size: float) -> float:
    """The greatest that is no more than a size: division by it rounds nothing."""
    return ldexp(1.0, frexp(size)[1] - 1)


def _margin(
    smooth: Smooth,
    values: np.ndarray,
    own: np.ndarray,
    total: float,
    scale: tuple[float, float],
    lattice: Lattice,
) -> Margin:
    """A margin of a smooth part and of atoms: the values with a mass of their own (n,)."""
    is_atom = own > 0.0
    masses = own[is_atom]
    share = 1.0 - masses.sum()
    least = LEAK / (total + 1.0)
    if share < least:
        masses, share = masses * ((1.0 - least) / masses.sum()), least
    return Margin(
        origin=scale[0],
        unit=scale[1],
        knots=smooth.knots,
        scores=smooth.scores,
        slopes=smooth.slopes,
        share=float(share),
        atoms=values[is_atom],
        masses=masses,
        step=lattice.step,
        digits=lattice.digits,
        low=-np.inf,
        high=np.inf,
        widest=0.0,
    )


def _widest(margin: Margin, values: np.ndarray) -> float:
    """The largest mass of a value among distinct ones (n,)."""
    if not margin.step:
        return float(margin.masses.max(initial=0.0))
    cells = margin.cells(values)
    return float((ndtr(cells.upper) - ndtr(cells.lower)).max())


def _mirrored(margin: Margin) -> Margin:
    """The margin of the negative of a column."""
    return replace(
        margin,
        origin=-margin.origin,
        knots=-margin.knots[::-1],
        scores=-margin.scores[::-1],
        slopes=margin.slopes[::-1].copy(),
        atoms=-margin.atoms[::-1],
        masses=margin.masses[::-1].copy(),
        low=-margin.high,
        high=-margin.low,
    )
