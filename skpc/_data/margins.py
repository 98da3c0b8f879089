"""Margins: the distribution of one numeric column, and the normal scale that it defines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from skpc._checks import check_finite, checked_array
from skpc._data.column_sets import EVERYTHING, Interval
from skpc._data.margin_cells import FARTHEST, Cells, evaluate_splines, middles
from skpc._data.resolution import even_scores, least_deviation

TAIL = 3.0
"""Beyond the outer knots the chance of more falls like the distance to the power of minus this."""

_LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)
_WIDE = 0.05
_NONE = np.empty(0)
_ROUNDING = 1e-8
_MOST_DIGITS = 300
_SAME_LEVEL, _NEAR = 1e-9, 0.02  # steps
_SINGLE = 2.0**-23
_NOTHING = 1e-3  # a share as small is of no value that was learnt from


def _number(value: Any, name: str) -> float:
    """A number of a margin: finite, if it is no bound."""
    if np.ndim(value) or not isinstance(value, (int, float, np.ndarray, np.number)):
        raise ValueError(f"{name} of a margin must be a number; got a {type(value).__name__}.")
    number = float(value)
    if name not in ("low", "high"):
        check_finite(np.array([number]), f"{name} of a margin")
    return number


@dataclass(frozen=True)
class Margin:
    """A distribution of numbers: a smooth part and atoms, over all numbers or a lattice.

    The distribution function is that of the smooth part, times its share, plus the masses of all
    atoms at or below. Numbers are counted in units from an origin. The smooth part is the normal
    distribution function of a monotone rational-quadratic spline (Gregory and Delbourgo, 1982)
    through its knots; beyond the outer ones are power laws.

    Attributes
    ----------
    origin, unit : float
        A typical value, and a typical deviation from it: a power of two.
    knots, scores, slopes : (n_knots,)
        Where the knots are, in units from the origin; their normal scores; the slopes there.
    share : float
        Of the smooth part; the rest is that of the atoms.
    atoms, masses : (n_atoms,)
        Values that carry a mass of their own, ascending.
    step : float
        Distance of the levels of a lattice through the origin; each has the mass of what is
        nearer to it than to others. 0 if the column is continuous.
    digits : int
        Decimals of the levels, or of all values that were learnt from, to which what is drawn is
        rounded; -1 if they are not decimals. To likelihoods it makes no difference.
    low, high : float
        Draws stay between them, but for atoms.
    widest : float
        The largest mass of a value that was learnt from.
    """

    origin: float
    unit: float
    knots: np.ndarray
    scores: np.ndarray
    slopes: np.ndarray
    share: float
    atoms: np.ndarray
    masses: np.ndarray
    step: float
    digits: int
    low: float
    high: float
    widest: float

    @np.errstate(over="ignore", under="ignore")
    def cells(self, values: np.ndarray) -> Cells:
        """Where values (n,), NaN missing, are on the normal scale."""
        values = np.asarray(values, float)
        is_missing = np.isnan(values)
        values = np.where(is_missing, self.origin, values)
        if self.step:
            log_scale = np.zeros(len(values))
            levels = self._levels(values)
            lower, upper = self._edges(levels), self._edges(levels + 1.0)
        else:
            first, last = self._atoms_below(values)
            units = self._units(values)
            smooth, log_slopes = self._smooth_with_slopes(units)
            lower, upper = self._mixed(smooth, first), self._mixed(smooth, last)
            if self.share < 1.0:
                log_slopes += np.log(self.share) + 0.5 * (lower - smooth) * (lower + smooth)
            log_scale = np.where(first == last, log_slopes - np.log(self.unit), 0.0)
        lower = np.where(is_missing, -np.inf, lower)
        upper = np.where(is_missing, np.inf, upper)
        return Cells(lower, upper, np.where(is_missing, 0.0, log_scale))

    @np.errstate(over="ignore", under="ignore")
    def inverse(self, scores: np.ndarray) -> np.ndarray:
        """The values (n,) at normal scores (n,): atoms and levels exactly, and within the range."""
        scores = np.asarray(scores, float)
        if self.step:
            values = self._inverse_levels(scores)
        else:
            below, within = self._place(scores)
            units = self._inverse_smooth(self._unmixed(scores, below))
            values = np.clip(self.origin + units * self.unit, self.low, self.high)
            if len(self.atoms):
                values = _between_atoms(values, self.atoms, below)
                values[within] = self.atoms[below[within]]
        return np.where(np.isnan(scores), np.nan, values)

    @np.errstate(over="ignore", under="ignore")
    def limits(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Normal scores of the distribution function just below values (n,), and at them.

        They differ where a value has a mass. Values may be infinite.
        """
        values = np.asarray(values, float)
        inner = np.where(np.isinf(values), self.origin, values)
        if self.step:
            lower, upper = (self._edges(level) for level in self._levels_around(inner))
        else:
            lower, upper, _ = self.cells(inner)
        return tuple(np.where(np.isinf(values), values, part) for part in (lower, upper))  # type: ignore[return-value]

    def levels_between(self, interval: Interval, most: int) -> np.ndarray | None:
        """The levels of a lattice in an interval; None of too many, and of no lattice."""
        ends = np.array([interval.low, interval.high])
        if not self.step or np.isinf(ends).any():
            return None
        (first, _), (_, last) = self._levels_around(ends)
        if last - first > most:
            return None
        values = self._of_levels(np.arange(first, last))
        return values[interval.contains(values)]

    def within(self, interval: Interval) -> Margin:
        """The same margin, of which draws stay in an interval too."""
        ends = np.array([interval.low, interval.high])
        if self.step:
            ends = np.where(np.isinf(ends), ends, self._of_levels(self._outer_levels(interval)))
        low, high = ends.tolist()
        if low <= self.range[1] and high >= self.range[0]:
            low, high = np.clip([self.low, self.high], low, high).tolist()
        return replace(self, low=low, high=high)

    def nearest_levels(self, values: np.ndarray, interval: Interval) -> np.ndarray:
        """The levels in an interval next to values (n,); these if infinite or on no lattice."""
        if not self.step:
            return values
        inner = np.where(np.isinf(values), self.origin, values)
        levels = np.clip(self._levels(inner), *self._outer_levels(interval))
        return np.where(np.isinf(values), values, self._of_levels(levels))

    def _outer_levels(self, interval: Interval) -> np.ndarray:
        """Numbers (2,) of the first and the last level in an interval, which may be infinite."""
        ends = np.array([interval.low, interval.high])
        firsts, beyond = self._levels_around(np.where(np.isinf(ends), self.origin, ends))
        numbers = np.array([firsts[0], beyond[1] - 1.0])
        is_left_out = (self._of_levels(numbers) == ends) & [
            not interval.has_low,
            not interval.has_high,
        ]
        return np.where(np.isinf(ends), ends, numbers + is_left_out * [1.0, -1.0])

    def _levels_around(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the first level that is not below values (n,), and of the first above."""
        levels = self._levels(values)
        beyond = values - self._of_levels(levels)
        # Single precision rounds tenths.
        reach = np.clip(_SINGLE * np.abs(values), _SAME_LEVEL * self.step, _NEAR * self.step)
        return levels + (beyond > reach), levels + (beyond >= -reach)

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """The values of the column that are next to these (n,), and within its range."""
        if not self.step and self.share <= _NOTHING:
            middles = 0.5 * (self.atoms[1:] + self.atoms[:-1])
            values = self.atoms[np.searchsorted(middles, values)]
        return np.clip(self.rounded(values), *self.range)

    def rounded(self, values: np.ndarray, bounds: Interval = EVERYTHING) -> np.ndarray:
        """Values (n,) on the lattice, or with the decimals of the column, if that is in bounds."""
        if self.step:
            return self.nearest_levels(values, bounds)
        if self.digits < 0:
            return values
        found = np.where(np.isin(values, self.atoms), values, np.round(values, self.digits))
        return np.where(bounds.contains(found), found, values)

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value that is drawn."""
        return min((self.low, *self.atoms[:1])), max((self.high, *self.atoms[-1:]))

    def is_point(self) -> bool:
        """Whether no value has so much mass that it could not count as a point."""
        return self.widest <= _WIDE

    @cached_property
    def resolution(self) -> float:
        """The least deviation, on the normal scale, at which masses of points sum to one."""
        lower, upper, _ = self.cells(self.inverse(even_scores()))
        return least_deviation(upper - lower)

    def points(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Normal scores (n,) of values (n,), a cell's its middle, and what log densities gain.

        To a cell a normal density gives its value in the middle, times the width. NaN is missing.
        """
        return middles(self.cells(values))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All that it is, as arrays."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Margin:
        """The margin that gave these arrays, or numbers; ValueError if there is none."""
        parts: dict[str, Any] = {}
        for field in fields(cls):
            name = field.name
            if name not in arrays:
                raise ValueError(f"its margin has no {name}.")
            if field.type == "np.ndarray":
                parts[name] = checked_array(arrays[name], f"{name} of a margin", float, (None,))
                check_finite(parts[name], f"{name} of a margin")
            else:
                parts[name] = _number(arrays[name], name)
        margin = cls(**{**parts, "digits": int(parts["digits"])})
        margin.check()
        return margin

    def check(self) -> None:
        """Raise ValueError if finite numbers are no margin."""
        n_knots, total = len(self.knots), self.share + self.masses.sum()
        rules = {
            "as many scores and slopes as knots, two or more": (
                n_knots > 1 and len(self.scores) == n_knots == len(self.slopes)
            ),
            "a mass for each atom": len(self.atoms) == len(self.masses),
            "ascending knots, scores and atoms": all(
                (values[1:] > values[:-1]).all() for values in (self.knots, self.scores, self.atoms)
            ),
            "positive slopes and masses": (self.slopes > 0).all() and (self.masses > 0).all(),
            "masses and a share that sum to 1": self.share > 0 and abs(total - 1) < _ROUNDING,
            "a unit above 0, and a step that is not below": self.unit > 0 and self.step >= 0,
            "low below high": self.low <= self.high,
            "some decimals, or -1": -1 <= self.digits <= _MOST_DIGITS,
        }
        for rule, holds in rules.items():
            if not holds:
                raise ValueError(f"a margin must have {rule}.")

    def _units(self, values: np.ndarray) -> np.ndarray:
        """Values in units from the origin."""
        return np.clip((values - self.origin) / self.unit, -FARTHEST, FARTHEST)

    def _levels(self, values: np.ndarray) -> np.ndarray:
        """Numbers of the nearest levels, 0 that of the origin."""
        with np.errstate(over="ignore"):
            return np.clip(np.rint((values - self.origin) / self.step), -FARTHEST, FARTHEST)

    def _edges(self, levels: np.ndarray) -> np.ndarray:
        """Normal scores of the lower edges of levels."""
        if len(self.atoms):
            below = np.searchsorted(self._levels(self.atoms), levels)
        else:
            below = np.zeros(len(levels), np.intp)
        units = np.clip((levels - 0.5) * (self.step / self.unit), -FARTHEST, FARTHEST)
        return self._mixed(self._smooth(units), below)

    def _atoms_below(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many atoms are below each value, and how many at it or below."""
        if not len(self.atoms):
            none = np.zeros(len(values), np.intp)
            return none, none
        return np.searchsorted(self.atoms, values), np.searchsorted(self.atoms, values, "right")

    def _smooth(self, units: np.ndarray) -> np.ndarray:
        """Scores of the smooth part alone."""
        scores = np.empty(len(units))
        evaluate_splines((self,), [len(units)], units, scores, _NONE)
        self.extend_beyond(units, scores, _NONE)
        return scores

    def _smooth_with_slopes(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same, and log derivatives of them by the units."""
        scores, log_slopes = np.empty((2, len(units)))
        evaluate_splines((self,), [len(units)], units, scores, log_slopes)
        self.extend_beyond(units, scores, log_slopes)
        return scores, log_slopes

    def extend_beyond(self, units: np.ndarray, scores: np.ndarray, log_slopes: np.ndarray) -> None:
        """Overwrite, in what a spline gives to units (n,), that of units beyond outer knots."""
        for side in (-1.0, 1.0):
            is_out, beyond = self._beyond(units, side)
            if is_out.any():
                tail, hazard = self._tail(side)
                log_thinned = np.log1p(beyond * (hazard / TAIL))
                scores[is_out] = -side * ndtri_exp(tail - TAIL * log_thinned)
                if len(log_slopes):
                    log_density = tail + np.log(hazard) - (TAIL + 1.0) * log_thinned
                    log_slopes[is_out] = log_density + _LOG_SQRT_2PI + 0.5 * scores[is_out] ** 2

    def _beyond(self, units: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
        """What is beyond the outer knot of a side, and how far."""
        distance = units - self.knots[-1] if side > 0 else self.knots[0] - units
        is_out = distance > 0
        return is_out, distance[is_out]

    def _tail(self, side: float) -> tuple[float, float]:
        """Log mass beyond the outer knot of a side, and the density there over that mass."""
        end = -1 if side > 0 else 0
        score = self.scores[end]
        log_mass = float(log_ndtr(-side * score))
        log_density = np.log(self.slopes[end]) - _LOG_SQRT_2PI - 0.5 * score**2
        return log_mass, float(np.exp(log_density - log_mass))

    def _mixed(self, smooth: np.ndarray, below: np.ndarray) -> np.ndarray:
        """Scores of smooth part and atoms, given those of the former and atoms counted below."""
        if not len(self.atoms):
            return smooth
        lower, upper = self._cumulated()
        log_share = np.log(self.share)
        with np.errstate(divide="ignore"):
            log_lower = np.logaddexp(log_share + log_ndtr(smooth), np.log(lower[below]))
            log_upper = np.logaddexp(log_share + log_ndtr(-smooth), np.log(upper[below]))
        return np.where(log_lower <= log_upper, ndtri_exp(log_lower), -ndtri_exp(log_upper))

    def _cumulated(self) -> tuple[np.ndarray, np.ndarray]:
        """Mass of the first 0, 1, ... atoms, and that of the others."""
        lower = np.append(0.0, np.cumsum(self.masses))
        upper = np.append(np.cumsum(self.masses[::-1])[::-1], 0.0)
        return lower, upper

    def _unmixed(self, scores: np.ndarray, below: np.ndarray) -> np.ndarray:
        """Scores of the smooth part alone, given those of all and how many atoms are below."""
        if not len(self.atoms):
            return scores
        lower, upper = self._cumulated()
        with np.errstate(divide="ignore", invalid="ignore"):
            mass_lower = np.clip(np.exp(log_ndtr(scores)) - lower[below], 0.0, self.share)
            mass_upper = np.clip(np.exp(log_ndtr(-scores)) - upper[below], 0.0, self.share)
            log_lower = np.log(mass_lower / self.share)
            log_upper = np.log(mass_upper / self.share)
            # Where nothing is taken off there is nothing to lose, however far out.
            log_lower = np.where(below > 0, log_lower, log_ndtr(scores) - np.log(self.share))
            log_upper = np.where(
                below < len(self.atoms), log_upper, log_ndtr(-scores) - np.log(self.share)
            )
            lowers = ndtri_exp(np.minimum(log_lower, 0.0))
            uppers = -ndtri_exp(np.minimum(log_upper, 0.0))
        return np.where(log_lower <= log_upper, lowers, uppers)

    def _place(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many atoms are below each score, and whether it falls on the next one."""
        if not len(self.atoms):
            return np.zeros(len(scores), np.intp), np.zeros(len(scores), bool)
        cells = self.cells(self.atoms)
        below = np.searchsorted(cells.upper, scores)
        within = np.append(cells.lower, np.inf)[below] <= scores
        return below, within

    def _inverse_smooth(self, scores: np.ndarray) -> np.ndarray:
        """Units at which the smooth part has these scores."""
        i = np.clip(np.searchsorted(self.scores, scores, "right") - 1, 0, len(self.knots) - 2)
        width = self.knots[i + 1] - self.knots[i]
        height = self.scores[i + 1] - self.scores[i]
        start, end = self.slopes[i] * width / height, self.slopes[i + 1] * width / height
        rise = np.clip((scores - self.scores[i]) / height, 0.0, 1.0)
        b = start - rise * (start + end - 2.0)
        a = 1.0 - b
        root = np.sqrt(np.maximum(b**2 + 4.0 * a * rise, 0.0))
        # Of both ways to write the solution that in which nothing cancels.
        over, under = np.where(b > 0, 2.0 * rise, root - b), np.where(b > 0, b + root, 2.0 * a)
        part = over / under
        units = self.knots[i] + np.clip(part, 0.0, 1.0) * width
        for side in (-1.0, 1.0):
            end_score = self.scores[-1] if side > 0 else self.scores[0]
            is_out = side * (scores - end_score) > 0
            if is_out.any():
                tail, hazard = self._tail(side)
                excess = (tail - log_ndtr(-side * scores[is_out])) / TAIL
                distance = np.expm1(np.minimum(excess, 650.0)) * (TAIL / hazard)
                units[is_out] = (self.knots[-1] if side > 0 else self.knots[0]) + side * distance
        return units

    def _inverse_levels(self, scores: np.ndarray) -> np.ndarray:
        """Levels in whose cells scores are."""
        below, within = self._place(scores)
        units = self._inverse_smooth(self._unmixed(scores, below))
        levels = np.clip(np.rint(units * (self.unit / self.step)), -FARTHEST, FARTHEST)
        if len(self.atoms):
            levels = _between_atoms(levels, self._levels(self.atoms), below)
        levels = np.where(np.isnan(levels), 0.0, levels)
        # Rounding may have led to a neighbour.
        levels = np.where(self._edges(levels) > scores, levels - 1.0, levels)
        levels = np.where(self._edges(levels + 1.0) < scores, levels + 1.0, levels)
        values = np.clip(self._of_levels(levels), self.low, self.high)
        if len(self.atoms):
            values[within] = self.atoms[below[within]]
        return values

    def _of_levels(self, levels: np.ndarray) -> np.ndarray:
        """The values of levels, by number."""
        with np.errstate(over="ignore"):
            values = self.origin + levels * self.step
            return values if self.digits < 0 else np.round(values, self.digits)


def _between_atoms(values: np.ndarray, atoms: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Values kept between the last atom that is below and the next."""
    bounds = np.concatenate([[-np.inf], atoms, [np.inf]])
    return np.clip(values, bounds[below], bounds[below + 1])
