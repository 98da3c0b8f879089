"""The smooth part of a margin: kernel estimates, stacked by what each gives to rows left out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri_exp

from skpc._kernels import margins as kernels
from skpc._kernels import splines

END = 38.0
"""The normal score of where nothing is beyond."""

_LEAK_WIDTH = 0.25  # units: half of what leaks over a bound is as near to it
_COMPONENTS = (
    *((0.0, 0.01), (0.0, 0.02), (0.0, 0.05), (0.0, 0.125), (0.0, 0.3), (0.0, 0.6), (0.0, 1.2)),
    *((1.0, 0.06), (1.0, 0.125), (1.0, 0.25), (1.0, 0.5)),
)
_PRIOR = 0.05, 0.3, 0.2
_N_ITERATIONS = 100
_FENCE = 4.0
_OUTWARD = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
_TOWARDS_BOUND = 0.5 ** np.arange(0.0, 12.0, 2.0)
_LEAST_INSIDE = 0.9
_FIRST_KNOTS = 100
_MOST_KNOTS = 500
_N_ROUNDS = 4
_LEAST_ERROR = 0.02
_LEAST_LOSS = 3e-5, 0.01
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
    is_compressed : bool
        Whether values stand for many each.
    """

    places: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    weights: np.ndarray
    bound: float
    resolution: float
    is_compressed: bool = False

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
        return Sample(places, lower, upper, weights, self.bound, self.resolution, True)


class Smooth(NamedTuple):
    """A smooth distribution, and how much of all the values themselves should keep.

    Attributes
    ----------
    knots, scores, slopes : (k,)
        Knots in units, their normal scores, and the slopes there.
    own_share : float
        Of what gives each value of a lattice its share of the rows, and nothing to others.
    """

    knots: np.ndarray
    scores: np.ndarray
    slopes: np.ndarray
    own_share: float


class Scale(NamedTuple):
    """A scale on which kernels are laid.

    Attributes
    ----------
    kind : int
        The units themselves, log(u - centre), or asinh((u - centre) / spread).
    centre, spread : float
    """

    kind: int
    centre: float
    spread: float

    def of(self, units: np.ndarray) -> np.ndarray:
        """Places (n,) of units (n,) on the scale."""
        if self.kind == splines.LOG:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(units > self.centre, np.log(units - self.centre), -700.0)
        if self.kind == splines.ASINH:
            return np.arcsinh((units - self.centre) / self.spread)
        return units

    def slopes(self, units: np.ndarray) -> np.ndarray:
        """Derivatives (n,) of the places by the units (n,)."""
        if self.kind == splines.LOG:
            return 1.0 / np.maximum(units - self.centre, 1e-300)
        if self.kind == splines.ASINH:
            return 1.0 / np.hypot(units - self.centre, self.spread)
        return np.ones(len(units))


class Estimate(NamedTuple):
    """Kernel estimates and two simple shapes on one scale.

    Attributes
    ----------
    scale : Scale
    places : (n,)
        Values on the scale.
    widths : (n_kernels, n)
        Half the supports of kernels.
    centres, spreads : (2,)
        Of a normal distribution and of a heavy one.
    bound : float
        Where kernels and shapes are reflected, or minus infinity.
    inside : (n,)
        Weights of the values that the normal distribution was fitted to: outliers are not.
    """

    scale: Scale
    places: np.ndarray
    widths: np.ndarray
    centres: np.ndarray
    spreads: np.ndarray
    bound: float
    inside: np.ndarray


def learn_smooth(
    sample: Sample, leak: float, edges: np.ndarray | None, are_all: bool = False
) -> Smooth:
    """Learn a smooth distribution.

    Parameters
    ----------
    sample : Sample
    leak : float
        How much of it is below the bound of the sample.
    edges : (k,) or None
        Its knots, but for the tails.
    are_all : bool
        Whether nothing is beyond the first and the last edge.
    """
    estimates = [_shapes(sample, scale) for scale in _scales(sample)]
    shapes = [_shapes_left_out(sample, estimate) for estimate in estimates]
    best = _better(shapes, sample.weights)
    estimates[best] = estimates[best]._replace(widths=_widths(sample, estimates[best]))
    kernel_parts = _kernels_left_out(sample, estimates[best])
    parts = np.concatenate([kernel_parts, *shapes, _own(sample)])
    n_kernels = len(kernel_parts)
    prior = np.full(len(parts), _PRIOR[0])
    prior[n_kernels:-1] = np.tile(_PRIOR[1:], len(shapes))
    prior[-1] = 0.0
    shares = prior + prior.mean()
    kernels.stack(parts, sample.weights, prior, _N_ITERATIONS, shares)
    kernel_shares, shape_shares = shares[:n_kernels], shares[n_kernels:-1].reshape(-1, 2)
    kernel_shares[kernel_shares < _LEAST_PART * (1.0 - shares[-1])] = 0.0
    rest = kernel_shares.sum() + shape_shares.sum()
    used = kernel_shares > 0.0
    laws = np.array([[e.centres, e.spreads] for e in estimates]).transpose(0, 2, 1)
    mixture = splines.Mixture(
        places=estimates[best].places,
        weights=sample.weights,
        widths=estimates[best].widths[used],
        shares=kernel_shares[used] / rest,
        own_scale=best,
        scales=np.array(
            [[e.scale.kind, e.scale.centre, e.scale.spread, e.bound] for e in estimates]
        ),
        shapes=np.concatenate([laws, (shape_shares / rest)[:, :, None]], axis=2),
        bound=sample.bound,
        leak=leak,
    )
    reach = max(e.spreads[0] for e in estimates if e.scale.kind != splines.LOG)
    own_share = float(shares[-1])
    if edges is not None:
        knots = edges if are_all else _near_bound(sample, _outer(sample, edges, reach))
        table = np.stack([knots, knots, knots])
        splines.scores_at(mixture, knots, table[1], table[2])
        if are_all:
            table[1, [0, -1]] = -END, END
        return _finished(table, sample.bound, leak, True)._replace(own_share=own_share)
    least_loss = max(_LEAST_LOSS[0], _LEAST_LOSS[1] / max(sample.weights.sum(), 1.0))
    knots = _first_knots(sample, reach)
    table = np.empty((3, _MOST_KNOTS))
    table[0, : len(knots)] = knots
    n_knots = splines.refine(mixture, table, len(knots), _N_ROUNDS, _LEAST_ERROR, least_loss)
    smooth = _finished(table[:, :n_knots], sample.bound, leak, False)
    return smooth._replace(own_share=own_share)


def _better(shapes: list[np.ndarray], weights: np.ndarray) -> int:
    """On which scale two simple shapes together give most to values left out."""
    scores = [float((weights * np.log(part.mean(axis=0) + 1e-300)).sum()) for part in shapes]
    return int(np.argmax(scores))


def _own(sample: Sample) -> np.ndarray:
    """What their own share of the rows gives to values of a lattice (1, n), one row left out."""
    if not sample.resolution or sample.is_compressed:
        return np.zeros((1, len(sample.places)))
    removed = np.minimum(sample.weights, 1.0)
    return ((sample.weights - removed) / np.maximum(sample.weights.sum() - removed, 1e-300))[None]


def _scales(sample: Sample) -> list[Scale]:
    scales = [Scale(splines.RAW, 0.0, 1.0)]
    if sample.bound > -np.inf:
        gap = sample.places[0] - sample.bound
        offset = 0.0 if gap > 0.0 else 0.5 * (sample.places[1] - sample.bound)
        scales.append(Scale(splines.LOG, sample.bound - offset, 1.0))
    else:
        low, centre, high = _quantiles(sample.places, sample.weights, [0.25, 0.5, 0.75])
        spread = 0.5 * (high - low)
        scales.append(Scale(splines.ASINH, centre, spread if spread > 0.0 else 1.0))
    return scales


def _quantiles(places: np.ndarray, weights: np.ndarray, shares: list[float]) -> np.ndarray:
    ranks = (np.cumsum(weights) - 0.5 * weights) / weights.sum()
    return np.interp(shares, ranks, places)


def _shapes(sample: Sample, scale: Scale) -> Estimate:
    """The two simple shapes on a scale, without kernels."""
    places, weights = scale.of(sample.places), sample.weights
    low, centre, high = _quantiles(places, weights, [0.25, 0.5, 0.75])
    widest = max(0.5 * float(_cell_widths(sample, scale).max()), 1e-9)
    inside = weights * (np.abs(places - centre) <= _FENCE * (high - low))
    if inside.sum() < _LEAST_INSIDE * weights.sum():
        inside = weights
    total = inside.sum()
    mean = (inside * places).sum() / total
    deviation = np.sqrt((inside * (places - mean) ** 2).sum() / max(total - 1.0, 0.5 * total))
    deviation = max(deviation, widest)
    robust = (high - low) / 1.35
    robust = min(robust, deviation) if robust > 0.0 else deviation
    return Estimate(
        scale,
        places,
        np.empty((0, len(places))),
        np.array([mean, centre]),
        np.array([deviation, 0.83 * robust]),
        -np.inf if scale.kind == splines.LOG else _bound(scale, sample),
        inside,
    )


def _cell_widths(sample: Sample, scale: Scale) -> np.ndarray:
    """Widths of cells (n,) on a scale, as it is in their middle: an edge may be infinitely far."""
    return (sample.upper - sample.lower) * scale.slopes(sample.places)


def _widths(sample: Sample, estimate: Estimate) -> np.ndarray:
    """Half the supports of kernels (n_kernels, n)."""
    scale, places, weights = estimate.scale, estimate.places, sample.weights
    total = weights.sum()
    robust = estimate.spreads[1] / 0.83
    cells = _cell_widths(sample, scale)
    base = robust * max(total, 1.0) ** -0.2
    spacing = _spacing(places, weights, 0.5 * cells)
    powers, sizes = np.array(_COMPONENTS).T[:, :, None]
    widths = sizes * np.where(powers == 0.0, base, spacing)
    return 3.0 * np.maximum(widths, np.maximum(0.25 * cells, 1e-9 * robust))


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


def _removed(sample: Sample) -> np.ndarray:
    """What of each value is left out: one row, or all of it where values are points."""
    if sample.lower[0] == sample.upper[0]:
        return sample.weights
    return np.minimum(sample.weights, 1.0)


def _kernels_left_out(sample: Sample, estimate: Estimate) -> np.ndarray:
    """What each kernel estimate gives to each value (n_kernels, n) when it is left out."""
    scale = estimate.scale
    out = np.empty(estimate.widths.shape)
    kernels.leave_one_out(
        estimate.places,
        scale.of(sample.lower),
        scale.of(sample.upper),
        sample.weights,
        _removed(sample),
        estimate.widths,
        estimate.bound,
        out,
    )
    return out * _densities_per_unit(sample, scale)


def _densities_per_unit(sample: Sample, scale: Scale) -> np.ndarray | float:
    return scale.slopes(sample.places) if sample.lower[0] == sample.upper[0] else 1.0


def _shapes_left_out(sample: Sample, estimate: Estimate) -> np.ndarray:
    """What each shape gives to each value (2, n) when it is left out."""
    scale, places = estimate.scale, estimate.places
    cells = places, scale.of(sample.lower), scale.of(sample.upper)
    total = estimate.inside.sum()
    removed = np.minimum(_removed(sample), estimate.inside)
    rest = np.maximum(total - removed, 1e-200)
    mean, deviation = estimate.centres[0], estimate.spreads[0]
    squares = deviation**2 * (1.0 + max(total - 1.0, 0.5 * total))
    squares = squares - removed * (1.0 + removed / rest) * (places - mean) ** 2
    spreads = np.sqrt(np.maximum(squares, deviation**2) / np.maximum(rest, 1.0))
    means = mean - removed * (places - mean) / rest
    out = np.empty((2, len(places)))
    kernels.shape_out(kernels.GAUSSIAN, *cells, means, spreads, estimate.bound, out[0])
    means = np.full(len(places), estimate.centres[1])
    spreads = np.full(len(places), estimate.spreads[1])
    kernels.shape_out(kernels.HEAVY, *cells, means, spreads, estimate.bound, out[1])
    return out * _densities_per_unit(sample, scale)


def _outer(sample: Sample, knots: np.ndarray, reach: float) -> np.ndarray:
    """Knots, and more of them beyond, ever farther apart."""
    places = sample.places
    first = max(min(0.3 * reach, places[-1] - places[0]), 2.0 * sample.resolution)
    outward = first * _OUTWARD
    if sample.bound > -np.inf:
        return np.concatenate([knots, knots[-1] + outward])
    return np.concatenate([knots[0] - outward[::-1], knots, knots[-1] + outward])


def _first_knots(sample: Sample, reach: float) -> np.ndarray:
    """Some of the values, and knots beyond."""
    n = len(sample.places)
    n_knots = min(n // 3 + 10, n, _FIRST_KNOTS)
    chosen = (np.arange(n_knots) * (n - 1)) // max(n_knots - 1, 1)
    return _near_bound(sample, _outer(sample, sample.places[chosen], reach))


def _near_bound(sample: Sample, knots: np.ndarray) -> np.ndarray:
    """Knots from the bound on, ever nearer to it."""
    places, bound = sample.places, sample.bound
    if bound == -np.inf:
        return knots
    gap = places[0] - bound if places[0] > bound else places[1] - bound
    more = np.append(bound, bound + gap * _TOWARDS_BOUND)
    return np.unique(np.append(more, knots[knots > bound]))


def _finished(table: np.ndarray, bound: float, leak: float, are_edges: bool) -> Smooth:
    """What of knots, scores and slopes (3, k) ascends, and a knot before the bound."""
    table = table[:, np.isfinite(table[1])]
    best = np.maximum.accumulate(table[1])
    is_next = (best[1:] > best[:-1] + 1e-12) & (table[0, 1:] > table[0, :-1])
    knots, scores, slopes = table[:, np.append(True, is_next)]
    if bound > -np.inf:
        before = float(ndtri_exp(np.log(0.5 * leak)))
        knots = np.append(knots[0] - _LEAK_WIDTH, knots)
        slope = (scores[0] - before) / _LEAK_WIDTH
        slopes = np.concatenate([[slope, slope], slopes[1:]])  # a steep end would leave a hollow
        scores = np.append(before, scores)
    secants = (scores[1:] - scores[:-1]) / (knots[1:] - knots[:-1])
    after, earlier = np.append(secants, secants[-1]), np.append(secants[0], secants)
    if are_edges:  # between levels there is nothing to be true to
        slopes = np.append(slopes[0], np.sqrt(after * earlier)[1:])
    slopes = np.maximum(slopes, 1e-3 * np.minimum(after, earlier))
    return Smooth(knots, scores, np.minimum(slopes, 1e3 * np.maximum(after, earlier)), 0.0)
