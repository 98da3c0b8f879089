"""The smooth part of a margin: kernel estimates, stacked by what each gives to rows left out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri_exp

from skpc._kernels import margins as kernels

_LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)

_FIXED = 0.3, 0.6, 1.2
_ADAPTED = ((0.5, 0.25), (0.5, 0.5), (0.5, 1.0), (1.0, 0.125), (1.0, 0.25), (1.0, 0.5))
_N_ITERATIONS = 100
_MOST_KNOTS = 240
_LEAST_PART = 0.01


class Sample(NamedTuple):
    """Weighted values of a column, in units.

    Attributes
    ----------
    places, lower, upper, weights : (n,)
        Values, ascending, and their cells; equal bounds mean that values are points.
    bound : float
        There is nothing below; minus infinity if there may be.
    resolution : float
        Half the width of a cell of the column; 0 if it is continuous.
    """

    places: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    weights: np.ndarray
    bound: float
    resolution: float

    def compressed(self, n_values: int) -> Sample:
        """The same in so many values at most, each the mean of many neighbours."""
        if len(self.places) <= n_values:
            return self
        ranks = np.cumsum(self.weights) - 0.5 * self.weights
        numbers = np.minimum((ranks / self.weights.sum() * n_values).astype(np.intp), n_values - 1)
        starts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
        weights = np.add.reduceat(self.weights, starts)
        first = self.places[starts]
        offsets = self.places - first[np.cumsum(np.isin(np.arange(len(numbers)), starts)) - 1]
        places = first + np.add.reduceat(self.weights * offsets, starts) / weights
        bounds = 0.5 * (self.upper[starts[1:] - 1] + self.lower[starts[1:]])
        lower = np.append(self.lower[0], bounds)
        upper = np.append(bounds, self.upper[-1])
        return Sample(places, lower, upper, weights, self.bound, self.resolution)


class Smooth(NamedTuple):
    """A smooth distribution: knots in units (k,), their normal scores, and the slopes there."""

    knots: np.ndarray
    scores: np.ndarray
    slopes: np.ndarray


class Scale(NamedTuple):
    """A scale on which kernels are laid: the units, or a logarithm of them.

    Attributes
    ----------
    centre, spread : float
        Of asinh((u - centre) / spread), or log(u - centre) if `is_log`; spread 0: u itself.
    """

    centre: float
    spread: float
    is_log: bool

    def of(self, units: np.ndarray) -> np.ndarray:
        if self.is_log:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(units > self.centre, np.log(units - self.centre), -700.0)
        return np.arcsinh((units - self.centre) / self.spread) if self.spread else units

    def slopes(self, units: np.ndarray) -> np.ndarray:
        if self.is_log:
            return 1.0 / np.maximum(units - self.centre, 1e-300)
        if self.spread:
            return 1.0 / np.hypot(units - self.centre, self.spread)
        return np.ones(len(units))


class Estimate(NamedTuple):
    """Kernel estimates and two simple shapes on one scale."""

    scale: Scale
    places: np.ndarray
    widths: np.ndarray
    centres: np.ndarray
    spreads: np.ndarray
    bound: float


def learn_smooth(sample: Sample, leak: float, edges: np.ndarray | None) -> Smooth:
    """Learn a smooth distribution; `edges` (k,), if given, are its knots but for the tails."""
    estimates = [_estimate(sample, scale) for scale in _scales(sample)]
    parts = np.concatenate([_left_out(sample, estimate) for estimate in estimates])
    n_each = len(parts) // len(estimates)
    prior = np.full(n_each, 0.1)
    prior[-2:] = 0.5, 0.25
    prior = np.tile(prior, len(estimates))
    shares = prior / prior.sum()
    kernels.stack(parts, sample.weights, prior, _N_ITERATIONS, shares)
    shares[shares < _LEAST_PART] = 0.0
    shares /= shares.sum()
    mixture = Mixture(sample, estimates, shares.reshape(len(estimates), n_each), leak)
    return mixture.tabulate(edges)


def _scales(sample: Sample) -> list[Scale]:
    scales = [Scale(0.0, 0.0, False)]
    if sample.bound > -np.inf:
        gap = sample.places[0] - sample.bound
        offset = 0.0 if gap > 0.0 else 0.5 * (sample.places[1] - sample.bound)
        scales.append(Scale(sample.bound - offset, 0.0, True))
    else:
        low, centre, high = _quantiles(sample.places, sample.weights, [0.25, 0.5, 0.75])
        spread = 0.5 * (high - low)
        scales.append(Scale(centre, spread if spread > 0.0 else 1.0, False))
    return scales


def _quantiles(places: np.ndarray, weights: np.ndarray, shares: list[float]) -> np.ndarray:
    ranks = (np.cumsum(weights) - 0.5 * weights) / weights.sum()
    return np.interp(shares, ranks, places)


def _estimate(sample: Sample, scale: Scale) -> Estimate:
    places, weights = scale.of(sample.places), sample.weights
    total = weights.sum()
    resolution = sample.resolution * scale.slopes(sample.places)
    low, centre, high = _quantiles(places, weights, [0.25, 0.5, 0.75])
    mean = (weights * places).sum() / total
    deviation = np.sqrt((weights * (places - mean) ** 2).sum() / max(total - 1.0, 0.5 * total))
    deviation = max(deviation, float(resolution.max()), 1e-9)
    robust = (high - low) / 1.35
    robust = min(robust, deviation) if robust > 0.0 else deviation
    base = robust * max(total, 1.0) ** -0.2
    spacing = _spacing(places, weights, resolution)
    typical = np.exp((weights * np.log(spacing)).sum() / total)
    least = np.maximum(resolution, 0.5 * (scale.of(sample.upper) - scale.of(sample.lower)) * 0.5)
    widths = [np.full(len(places), 0.55 * c * base) for c in _FIXED]
    for power, c in _ADAPTED:
        own = base if power < 1.0 else 0.0
        h = 2.0 * c * base * (spacing / typical) ** power if own else c * spacing
        widths.append(0.55 * h)
    widths = np.maximum(np.array(widths), 0.25 * least)
    return Estimate(
        scale,
        places,
        np.maximum(widths, 1e-9 * robust),
        np.array([mean, centre]),
        np.array([deviation, max(robust * 0.83, 1e-9)]),
        -np.inf if scale.is_log else _bound(scale, sample),
    )


def _bound(scale: Scale, sample: Sample) -> float:
    if sample.bound == -np.inf:
        return -np.inf
    return float(scale.of(np.array([sample.bound]))[0])


def _spacing(places: np.ndarray, weights: np.ndarray, resolution: np.ndarray) -> np.ndarray:
    """Width of the window around each value that holds its share of the rows."""
    total = weights.sum()
    n_neighbours = max(2.0, max(total, len(places)) ** 0.6)
    window = min(n_neighbours / max(total, len(places)), 1.0)
    ends = np.append(0.0, np.cumsum(weights) / total)
    ranks = 0.5 * (ends[1:] + ends[:-1])
    low = np.maximum(ranks - 0.5 * window, ranks[0])
    high = np.minimum(ranks + 0.5 * window, ranks[-1])
    width = np.interp(high, ranks, places) - np.interp(low, ranks, places)
    covered = np.maximum(high - low, 1e-300)
    floor = np.maximum(resolution, 1e-9 * (places[-1] - places[0]) / len(places))
    return np.maximum(width / covered * window, np.maximum(floor, 1e-300))


def _left_out(sample: Sample, estimate: Estimate) -> np.ndarray:
    """What each component gives to each value (n_components, n) when it is left out."""
    scale, places = estimate.scale, estimate.places
    lower, upper = scale.of(sample.lower), scale.of(sample.upper)
    is_point = sample.lower[0] == sample.upper[0]
    removed = sample.weights if is_point else np.minimum(sample.weights, 1.0)
    out = np.empty((len(estimate.widths) + 2, len(places)))
    kernels.leave_one_out(
        places, lower, upper, sample.weights, removed, estimate.widths, estimate.bound, out[:-2]
    )
    total = sample.weights.sum()
    rest = np.maximum(total - removed, 1e-300)
    mean, deviation = estimate.centres[0], estimate.spreads[0]
    means = mean - removed * (places - mean) / rest
    squares = deviation**2 * max(total - 1.0, 0.5 * total)
    squares = squares - removed * (places - mean) ** 2 - removed**2 * (places - mean) ** 2 / rest
    variances = (np.maximum(squares, 0.0) + deviation**2) / np.maximum(rest, 1.0)
    kernels.shape_out(
        kernels.GAUSSIAN, places, lower, upper, means, np.sqrt(variances), estimate.bound, out[-2]
    )
    centres = np.full(len(places), estimate.centres[1])
    spreads = np.full(len(places), estimate.spreads[1])
    kernels.shape_out(
        kernels.HEAVY, places, lower, upper, centres, spreads, estimate.bound, out[-1]
    )
    if is_point:
        out *= scale.slopes(sample.places)
    return out


class Mixture(NamedTuple):
    """A mixture of all components, with a little beyond the bound."""

    sample: Sample
    estimates: list[Estimate]
    shares: np.ndarray
    leak: float

    def at(self, units: np.ndarray) -> np.ndarray:
        """Distribution functions, survival functions and densities (3, k) at units (k,)."""
        out = np.zeros((3, len(units)))
        for estimate, shares in zip(self.estimates, self.shares, strict=True):
            used = shares > 0.0
            if not used.any():
                continue
            part = np.zeros((3, len(units)))
            points = estimate.scale.of(units)
            kernels.add_kernels(
                points,
                estimate.places,
                self.sample.weights,
                estimate.widths[used[:-2]],
                shares[:-2][used[:-2]],
                estimate.bound,
                part,
            )
            for shape in (kernels.GAUSSIAN, kernels.HEAVY):
                kernels.add_shape(
                    shape,
                    points,
                    estimate.centres[shape],
                    estimate.spreads[shape],
                    shares[len(shares) - 2 + shape],
                    estimate.bound,
                    part,
                )
            part[2] *= estimate.scale.slopes(units)
            out += part
        return out

    def scores(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Normal scores, and their derivatives, at units (k,)."""
        below, above, density = self.at(units)
        if self.sample.bound > -np.inf:
            below = self.leak + (1.0 - self.leak) * below
            above, density = (1.0 - self.leak) * above, (1.0 - self.leak) * density
        with np.errstate(divide="ignore"):
            scores = np.where(below <= above, ndtri_exp(np.log(below)), -ndtri_exp(np.log(above)))
            slopes = np.exp(np.log(density) + _LOG_SQRT_2PI + 0.5 * scores**2)
        return scores, slopes

    def tabulate(self, edges: np.ndarray | None) -> Smooth:
        knots = self._first_knots() if edges is None else self._outer(edges)
        scores, slopes = self.scores(knots)
        if edges is None:
            knots, scores, slopes = self._refined(knots, scores, slopes)
        return self._finished(knots, scores, slopes, edges is not None)

    def _outer(self, knots: np.ndarray) -> np.ndarray:
        """Knots, and more of them beyond, ever farther apart."""
        places = self.sample.places
        reach = np.max([e.spreads[0] for e in self.estimates if not e.scale.is_log])
        first = max(min(0.3 * reach, places[-1] - places[0]), 2.0 * self.sample.resolution)
        outward = first * np.array([0.25, 0.5, 1.0, 2.0, 4.0])
        above = knots[-1] + outward
        if self.sample.bound > -np.inf:
            return np.concatenate([knots, above])
        return np.concatenate([knots[0] - outward[::-1], knots, above])

    def _first_knots(self) -> np.ndarray:
        places, bound = self.sample.places, self.sample.bound
        n_knots = min(len(places), 60)
        chosen = np.unique(np.linspace(0, len(places) - 1, n_knots).round().astype(np.intp))
        knots = self._outer(places[chosen])
        if bound > -np.inf:
            gap = places[0] - bound if places[0] > bound else places[1] - bound
            knots = np.unique(
                np.concatenate([[bound], bound + gap * 0.5 ** np.arange(0, 12, 2), knots])
            )
        return knots

    def _refined(
        self, knots: np.ndarray, scores: np.ndarray, slopes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """More knots where a spline through these is not near enough."""
        for _ in range(5):
            middle = 0.5 * (knots[1:] + knots[:-1])
            if len(knots) + len(middle) > _MOST_KNOTS:
                break
            more_scores, more_slopes = self.scores(middle)
            knots = np.concatenate([knots, middle])
            order = np.argsort(knots)
            knots = knots[order]
            scores = np.concatenate([scores, more_scores])[order]
            slopes = np.concatenate([slopes, more_slopes])[order]
        return knots, scores, slopes

    def _finished(
        self, knots: np.ndarray, scores: np.ndarray, slopes: np.ndarray, are_edges: bool
    ) -> Smooth:
        """What is finite and strictly ascending, with a knot beyond the bound."""
        keep = np.isfinite(scores)
        knots, scores, slopes = knots[keep], scores[keep], slopes[keep]
        best = np.maximum.accumulate(scores)
        keep = np.append(True, (best[1:] > best[:-1] + 1e-12) & (np.diff(knots) > 0))
        knots, scores, slopes = knots[keep], scores[keep], slopes[keep]
        if self.sample.bound > -np.inf:
            gap = 0.01 * (knots[1] - knots[0])
            extra = float(ndtri_exp(np.log(0.9 * self.leak)))
            knots = np.append(knots[0] - gap, knots)
            slopes = np.append(0.1 * (scores[0] - extra), slopes)
            scores = np.append(extra, scores)
        secants = np.diff(scores) / np.diff(knots)
        least, most = np.minimum(secants[1:], secants[:-1]), np.maximum(secants[1:], secants[:-1])
        if are_edges:
            slopes[1:-1] = np.sqrt(secants[1:] * secants[:-1])
        slopes[1:-1] = np.clip(slopes[1:-1], 1e-3 * least, 1e3 * most)
        slopes[0] = np.clip(slopes[0], 1e-3 * secants[0], 1e3 * secants[0])
        slopes[-1] = np.clip(slopes[-1], 1e-3 * secants[-1], 1e3 * secants[-1])
        return Smooth(knots, scores, slopes)
