"""Numeric columns of which evidence leaves some an interval, or several values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, NoReturn, Self

import numpy as np
from scipy.special import logsumexp, ndtr

from skpc._circuit.inputs import normal_boxes
from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.covariances import missingness
from skpc._circuit.inputs.moments import OnNormalScale
from skpc._circuit.inputs.normal_beside import Beside
from skpc._circuit.inputs.normal_pieces import EVERYTHING, Pieces, log_mass, place
from skpc._circuit.inputs.restriction import Part, Restriction
from skpc._data.column_sets import ColumnSet, ValueSet
from skpc._data.margins import Margin
from skpc._data.scope import Scope

_BLOCK = 2**21  # numbers at once
_NARROW = 1e-12  # an interval of which scores lose digits counts as its middle, times its width
_MOST_INTEGRATED = 2  # beside a column: of more, nodes take less time
_DRAWN_NODES = 2**8, 2**10  # of two columns, and of more


class Normals(InputDistribution):
    """Columns that are normal, or jointly so, in each state, on the scales of their margins.

    Attributes
    ----------
    margins : tuple of m Margin
    """

    margins: tuple[Margin, ...]

    def alone(self, entry: int) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations (n_latents,) of a column."""
        raise NotImplementedError

    def joint_given(
        self, values: np.ndarray, entries: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means (n, n_latents, e) and covariances (n_latents, e, e) of missing columns.

        Given rows (n, m), which all show the same others.
        """
        raise NotImplementedError

    def cdf(self, values: np.ndarray, entry: int) -> np.ndarray:
        """Probabilities (n, n_latents) that a column is at most values (n,), given the state."""
        means, deviations = self.alone(entry)
        scores = self.margins[entry].limits(values)[1]
        return ndtr((scores[:, None] - means) / deviations)

    def on_normal_scale(self, values: np.ndarray, entry: int) -> OnNormalScale:
        """Of a missing column, on the scale of its margin."""
        way_back = self.margins[entry].inverse
        if self.n_columns == 1:
            means, deviations = self.alone(entry)
            return OnNormalScale(means[None], deviations[None], way_back)
        found = np.empty((2, len(values), self.n_latents))
        for rows, _ in missingness(values):
            means, covariances = self.joint_given(values[rows], [entry])
            found[0, rows], found[1, rows] = means[..., 0], np.sqrt(covariances[:, 0, 0])
        return OnNormalScale(found[0], found[1], way_back)

    def truncated(self, sets: Mapping[int, ColumnSet]) -> Restriction:
        """What is left if evidence leaves some columns several values."""
        cuts = [_cut(self.margins[entry], entry, given) for entry, given in sets.items()]
        cuts.sort(key=lambda cut: len(cut.pieces.lower))  # the last one is summed out exactly
        left = Truncated(self, tuple(cuts))
        return Restriction(left.log_masses, (Part(tuple(range(self.n_columns)), left),))


class Cut(NamedTuple):
    """What evidence leaves of a column: pieces of its scale, and its margin within that range."""

    entry: int
    pieces: Pieces
    margin: Margin

    def values(self, chosen: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Values of the column at scores in these pieces."""
        found = self.margin.inverse(scores.ravel()).reshape(scores.shape)
        exact = self.pieces.values[chosen]
        return np.where(np.isnan(exact), found, exact)


def _cut(margin: Margin, entry: int, given: ColumnSet) -> Cut:
    if isinstance(given, ValueSet):
        lower, upper, log_scale = margin.cells(given.values)
        has_mass = lower < upper
        kept = has_mass if has_mass.any() else ~has_mass  # beside a mass a density is nothing
        pieces = Pieces(lower[kept], upper[kept], log_scale[kept], given.values[kept])
        return Cut(entry, pieces, margin)
    below, at = margin.limits(np.array([given.low, given.high]))
    lower = below[:1] if given.has_low else at[:1]
    upper = at[1:] if given.has_high else below[1:]
    width = given.high - given.low
    is_narrow = upper[0] - lower[0] < _NARROW * max(1.0, abs(lower[0]))
    if is_narrow and width > np.finfo(float).tiny and not margin.step:
        middle = np.array([given.low + 0.5 * width])
        place, end, log_scale = margin.cells(middle)
        if place[0] == end[0]:  # no atom
            return Cut(entry, Pieces(place, end, log_scale + np.log(width), middle), margin)
    if not lower[0] < upper[0]:  # no level of a lattice
        lower, upper = np.zeros(1), -np.ones(1)
    return Cut(entry, Pieces(lower, upper, np.zeros(1), np.full(1, np.nan)), margin.within(given))


class _Placed(NamedTuple):
    """The distribution of a column in each state, given nodes of those that evidence cuts.

    Attributes
    ----------
    weights : (n_latents, N)
        They sum to one.
    means, deviations : (n_latents, N)
    log_own : (n_latents, N)
        Log masses of the pieces of the column itself.
    """

    weights: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    log_own: np.ndarray


@dataclass(frozen=True)
class Truncated(InputDistribution):
    """What evidence leaves of normal columns if it leaves some of them several values.

    With one such column missing masses are exact; with several they are sums over nodes, see
    `skpc._circuit.inputs.normal_boxes`. It is no kind of its own: nothing is learnt with it, and
    no file has it.

    Attributes
    ----------
    base : Normals
        The distribution without the evidence.
    cuts : tuple of Cut
    """

    base: Normals
    cuts: tuple[Cut, ...]

    kind = "truncated"
    is_type = False
    uses_uniforms = False
    uses_normals = True

    @cached_property
    def log_masses(self) -> np.ndarray:
        """Log likelihoods (n_latents,) of the evidence."""
        return self._log_box(np.full((1, self.n_columns), np.nan))[0]

    @property
    def n_latents(self) -> int:
        """Number of latent states."""
        return self.base.n_latents

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return self.base.n_columns

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return self.base.n_parameters

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each column."""
        return self.base.kinds

    def _missing_cuts(self, seen: np.ndarray) -> list[Cut]:
        """The cuts of columns that rows, which show these (m,), miss."""
        return [cut for cut in self.cuts if not seen[cut.entry]]

    def _log_box(self, X: np.ndarray) -> np.ndarray:
        """Log chance (n, n_latents) that what rows (n, m) miss is in its pieces."""
        out = np.zeros((len(X), self.n_latents))
        for rows, seen in missingness(X):
            cuts = self._missing_cuts(seen)
            if not cuts:
                continue
            beside = self._beside(cuts[-1].entry) if len(cuts) > 1 and not seen.any() else None
            if beside is not None:
                out[rows] = beside.log_mass
                continue
            means, covariances = self.base.joint_given(X[rows], [cut.entry for cut in cuts])
            factors, pieces = np.linalg.cholesky(covariances), [cut.pieces for cut in cuts]
            n_nodes = len(normal_boxes.levels_of_nodes(len(cuts) - 1)[1])
            n_nodes *= math.prod(len(own.lower) for own in pieces[:-1])
            size = max(1, _BLOCK // (n_nodes * self.n_latents))
            for start in range(0, len(rows), size):
                some = slice(start, start + size)
                out[rows[some]] = normal_boxes.log_box(pieces, means[some], factors)
        return out

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Log likelihood (n, n_latents) of rows that do not contradict the evidence, in nats."""
        X = np.asarray(X, np.float64)
        with np.errstate(invalid="ignore"):
            out = self.base.log_prob(X) - self.log_masses + self._log_box(X)
        return np.where(self.log_masses > -np.inf, out, -np.inf)

    def sample_given(
        self, values: np.ndarray, states: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        """Missing values (n, m) drawn given the others and each row's state, from `normals`.

        Several columns with cuts are one of many nodes, which are shifted from row to row.
        """
        values = values.copy()
        for rows, seen in missingness(values):
            cuts = self._missing_cuts(seen)
            entries = np.array([cut.entry for cut in cuts], np.intp)
            size = max(1, _BLOCK // (_DRAWN_NODES[len(cuts) > 2] * max(1, len(cuts))))
            for start in range(0, len(rows) if cuts else 0, size):
                some = rows[start : start + size]
                means, covariances = self.base.joint_given(values[some], entries.tolist())
                own = states[some]
                values[np.ix_(some, entries)] = _draw(
                    cuts,
                    means[np.arange(len(some)), own],
                    np.linalg.cholesky(covariances)[own],
                    ndtr(normals[np.ix_(some, entries)]),
                )
        return self.base.sample_given(values, states, uniforms, normals)

    def _placed(self, entry: int) -> _Placed:
        """The distribution of a column beside the cuts of others."""
        known: dict[int, _Placed] = self.__dict__.setdefault("_known", {})
        if entry not in known:
            others = [cut for cut in self.cuts if cut.entry != entry]
            nothing = np.full((1, self.n_columns), np.nan)
            means, covariances = self.base.joint_given(
                nothing, [*(cut.entry for cut in others), entry]
            )
            factors = np.linalg.cholesky(covariances)
            found = normal_boxes.nodes_of_all(
                [cut.pieces for cut in others], means[0], factors, normal_boxes.COARSE
            )
            centres, deviations = found.conditional(means[0], factors)
            deviations = np.broadcast_to(deviations, centres.shape)
            log_own = log_mass(self._pieces(entry), centres, deviations)
            logs = found.log_weights + log_own
            largest = logs.max(axis=1, keepdims=True)
            weights = np.exp(logs - np.where(largest > -np.inf, largest, 0.0))
            totals = weights.sum(axis=1, keepdims=True)
            weights = np.where(totals > 0.0, weights / np.where(totals > 0.0, totals, 1.0), 0.0)
            known[entry] = _Placed(weights, centres, deviations, log_own)
        return known[entry]

    def _beside(self, entry: int) -> Beside | None:
        """A column and the one or two others with cuts, if those are intervals."""
        others = [cut for cut in self.cuts if cut.entry != entry]
        pieces = tuple(cut.pieces for cut in others)
        are_intervals = all(
            len(one.lower) == 1 and bool(one.lower[0] < one.upper[0]) for one in pieces
        )
        if not (others and are_intervals and len(others) <= _MOST_INTEGRATED):
            return None
        known: dict[int, Beside] = self.__dict__.setdefault("_along", {})
        if entry not in known:
            nothing = np.full((1, self.n_columns), np.nan)
            entries = [entry, *(cut.entry for cut in others)]
            means, covariances = self.base.joint_given(nothing, entries)
            factors = np.linalg.cholesky(covariances)
            known[entry] = Beside(means[0], factors, self._pieces(entry), pieces)
        return known[entry]

    def _pieces(self, entry: int) -> Pieces:
        return next((cut.pieces for cut in self.cuts if cut.entry == entry), EVERYTHING)

    def cdf(self, values: np.ndarray, entry: int) -> np.ndarray:
        """Probabilities (n, n_latents) that a column is at most values (n,), given the state."""
        pieces, limits = self._pieces(entry), self.base.margins[entry].limits(values)[1]
        beside = self._beside(entry)
        if beside is not None:
            return beside.cdf(np.asarray(values, np.float64), limits)
        weights, means, deviations, log_own = self._placed(entry)
        out = np.empty((len(values), self.n_latents))
        size = max(1, _BLOCK // (weights.size * len(pieces.lower)))
        for start in range(0, len(values), size):
            some = slice(start, start + size)
            if pieces is EVERYTHING:
                share = ndtr((limits[some, None, None] - means) / deviations)
            else:
                below = pieces.up_to(values[some, None, None], limits[some, None, None])
                with np.errstate(invalid="ignore"):
                    logs = log_mass(below, means, deviations) - log_own
                share = np.exp(np.where(weights > 0.0, logs, -np.inf))
            out[some] = (weights * share).sum(axis=-1)
        return np.minimum(out, 1.0)

    def column_log_prob(self, values: np.ndarray, entry: int) -> np.ndarray:
        """Log masses and densities (n, n_latents) of values (n,) of a column."""
        lower, upper, log_scale = self.base.margins[entry].cells(values)
        beside = self._beside(entry)
        if beside is not None:
            return beside.log_prob(Pieces(lower, upper, log_scale, values))
        weights, means, deviations, log_own = self._placed(entry)
        cells = Pieces(*(part[:, None, None, None] for part in (lower, upper, log_scale, values)))
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(weights) - log_own
        logs = np.where(weights > 0.0, logs, -np.inf)
        out = np.empty((len(values), self.n_latents))
        size = max(1, _BLOCK // weights.size)
        for start in range(0, len(values), size):
            some = slice(start, start + size)
            own = log_mass(Pieces(*(part[some] for part in cells)), means, deviations)
            out[some] = logsumexp(own + logs, axis=-1)
        return out

    def check_arrays(self, n_latents: int, n_columns: int) -> None:
        """Raise ValueError if the base is not of so many states and columns."""
        self.base.check_arrays(n_latents, n_columns)

    def restricted(self, sets: Any) -> NoReturn:
        """Evidence is put together before there is a distribution given it."""
        raise NotImplementedError

    @classmethod
    def random(cls, scope: Scope, *args: Any, **kwargs: Any) -> NoReturn:
        """Nothing is learnt with it."""
        raise NotImplementedError

    def summarize(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Nothing is learnt with it."""
        raise NotImplementedError

    def updated(self, summary: np.ndarray, pseudocount: float = 0.0) -> Self:
        """Nothing is learnt with it."""
        raise NotImplementedError


def _draw(
    cuts: Sequence[Cut], means: np.ndarray, factors: np.ndarray, uniforms: np.ndarray
) -> np.ndarray:
    """Values (n, e) of columns drawn from within their cuts, from uniform numbers (n, e).

    Parameters
    ----------
    cuts : sequence of e Cut
    means, factors : (n, e) and (n, e, e)
    """
    *first, last = cuts
    levels, log_shares = np.zeros((1, 0)), np.zeros(1)
    if first:
        n_nodes = _DRAWN_NODES[len(first) > 1]
        shifted = normal_boxes.lattice(len(first), n_nodes) + uniforms[:, None, :-1]
        levels, log_shares = shifted % 1.0, np.zeros(n_nodes)
    found = normal_boxes.nodes([cut.pieces for cut in first], means, factors, levels, log_shares)
    centres, deviations = found.conditional(means, factors)
    deviations = np.broadcast_to(deviations, centres.shape)
    logs = found.log_weights + log_mass(last.pieces, centres, deviations)
    ends = np.cumsum(np.exp(logs - logs.max(axis=1, keepdims=True)), axis=1)
    targets = uniforms[:, -1] * ends[:, -1]
    rows = np.arange(len(means))
    node = np.minimum((ends <= targets[:, None]).sum(axis=1), ends.shape[1] - 1)
    start = np.where(node > 0, ends[rows, node - 1], 0.0)
    left = np.clip((targets - start) / np.maximum(ends[rows, node] - start, 1e-300), 0.0, 1.0)
    chosen, scores = place(last.pieces, centres[rows, node], deviations[rows, node], left)
    out = np.empty(means.shape)
    out[:, -1] = last.values(chosen, scores)
    deviates = found.deviates[rows, node]
    for entry, cut in enumerate(first):
        before = (deviates[:, : entry + 1] * factors[:, entry, : entry + 1]).sum(axis=1)
        out[:, entry] = cut.values(*_nearest_piece(cut.pieces, means[:, entry] + before))
    return out


def _nearest_piece(pieces: Pieces, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which piece each score (n,) is in, but for rounding, and the score within it."""
    inside = np.clip(scores[:, None], pieces.lower, pieces.upper)
    chosen = np.abs(inside - scores[:, None]).argmin(axis=1)
    return chosen, inside[np.arange(len(scores)), chosen]
