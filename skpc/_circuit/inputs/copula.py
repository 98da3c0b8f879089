"""Groups of numeric columns: normal distributions with full covariance on the normal scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from scipy.special import ndtr

from skpc._checks import checked_array
from skpc._circuit.inputs import normal_scale
from skpc._circuit.inputs.cells import check_names
from skpc._circuit.inputs.covariances import missingness, regression_on, widened
from skpc._circuit.inputs.gaussian import Gaussian
from skpc._circuit.inputs.kinds import register
from skpc._circuit.inputs.moments import Moments
from skpc._circuit.inputs.restriction import Part, Restriction, Sets, to_table
from skpc._circuit.inputs.truncated import Normals
from skpc._data.margins import Margin
from skpc._data.scope import COPULA, NUMERIC, Scope

_STEP = 1 / 8  # of a quadrature


class Points(NamedTuple):
    """Rows (n, m) on the normal scale, NaN missing, and what their log densities gain (n, m)."""

    scores: np.ndarray
    log_scales: np.ndarray


def _points(margins: Sequence[Margin], values: np.ndarray) -> Points:
    values = np.asarray(values, np.float64).reshape(len(values), len(margins))
    pairs = [margin.points(column) for margin, column in zip(margins, values.T, strict=True)]
    scores, log_scales = (np.stack(parts, axis=1) for parts in zip(*pairs, strict=True))
    return Points(np.where(np.isnan(values), np.nan, scores), log_scales)


@register
@dataclass(frozen=True)
class Copula(Normals):
    """One normal distribution with full covariance for each state, on the scale of the margins.

    Every value counts as a point there: one that has a mass as the middle of its interval, with
    the density there times the width. Lest such masses sum to more than one, no covariance is
    narrower, in any direction, than the `resolution` of the margins.

    Attributes
    ----------
    means : (n_latents, m)
    covariances : (n_latents, m, m)
    shrinkage : float
        See `Numeric`.
    margins : tuple of m Margin
    """

    means: np.ndarray
    covariances: np.ndarray
    shrinkage: float
    margins: tuple[Margin, ...]

    kind = COPULA
    state_axes: ClassVar = {"means": 0, "covariances": 0}
    is_type = False
    uses_uniforms = False
    uses_normals = True

    @classmethod
    def random(
        cls,
        scope: Scope,
        values: np.ndarray,
        weights: np.ndarray,
        n_latents: int,
        random_state: np.random.RandomState,
        *,
        shrinkage: float = 0.0,
    ) -> Self:
        """Start from spread-out rows, as `Gaussian` does."""
        margins = []
        for part in scope.parts or (scope,):
            assert part.margin is not None
            margins.append(part.margin)
        scores, _ = _points(margins, values)
        start = Gaussian.random(scope, scores, weights, n_latents, random_state)
        units = np.ones(len(margins)) if start.units is None else start.units
        covariances = start.covariances * units[:, None] * units
        made = cls(start.means * units, covariances, shrinkage, tuple(margins))
        return replace(made, covariances=made._resolved(covariances))

    @property
    def _gaussian(self) -> Gaussian:
        """The same on the normal scale."""
        return Gaussian(self.means, self.covariances, np.ones(self.n_columns), 0.0)

    @property
    def _resolutions(self) -> np.ndarray:
        return np.array([margin.resolution for margin in self.margins])

    def _resolved(self, covariances: np.ndarray) -> np.ndarray:
        """Covariances that are nowhere narrower than the margins resolve."""
        return widened(covariances, self._resolutions)

    @property
    def n_latents(self) -> int:
        """Number of latent states."""
        return self.means.shape[0]

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return self.means.shape[1]

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return self._gaussian.n_parameters

    @property
    def n_statistics(self) -> int:
        """Length of what `summarize` finds for each state."""
        return self._gaussian.n_statistics

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each column: what it would have alone."""
        return (NUMERIC,) * self.n_columns

    @property
    def preparation(self) -> tuple[object, ...]:
        """The margins."""
        return self.margins

    def prepared(self, values: np.ndarray) -> Points:
        """Values (n, m) on the normal scale."""
        return _points(self.margins, values)

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Log density (n, n_latents) of rows X (n, m), in nats; NaN is summed out."""
        return self.log_prob_prepared(self.prepared(X))

    def log_prob_prepared(self, prepared: Any) -> np.ndarray:
        """The same of `prepared` values."""
        gain: np.ndarray = prepared.log_scales.sum(axis=1, keepdims=True)
        return self._gaussian.log_prob(prepared.scores) + gain

    def log_units(self, values: np.ndarray) -> np.ndarray:
        """What the margins add (n, m) to log densities on the normal scale."""
        pairs = zip(self.margins, values.T, strict=True)
        return np.stack([margin.cells(column).log_scale for margin, column in pairs], axis=1)

    def log_prob_of_others(self, X: np.ndarray) -> np.ndarray:
        """Log density (n, m, n_latents) of rows without each of their columns, in nats."""
        scores, log_scales = self.prepared(X)
        gain = log_scales.sum(axis=1, keepdims=True) - log_scales
        return self._gaussian.log_prob_of_others(scores) + gain[:, :, None]

    def log_peak(self, values: np.ndarray) -> np.ndarray:
        """Log density (n, n_latents) of rows, with missing values where `likeliest` has them."""
        out = self.log_prob(values)
        rows = np.flatnonzero(np.isnan(values).any(axis=1))
        if len(rows):
            out[rows] = super().log_peak(values[rows])
        return out

    def summarize(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Expected moments (n_latents, 1 + m + m^2) about the means; see `Gaussian`."""
        return self.summarize_prepared(self.prepared(values), counts)

    def summarize_prepared(self, prepared: Any, counts: np.ndarray) -> np.ndarray:
        """The same of `prepared` values."""
        return self._gaussian.summarize(prepared.scores, counts)

    def summarize_clusters(
        self, values: np.ndarray, counts: np.ndarray, smooth: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """`summarize`: the prior is what smooths."""
        return self.summarize(values, counts)

    def expected_statistics(self, masses: np.ndarray) -> np.ndarray:
        """Moments about the means of rows that states draw, none of which is rounded to a value."""
        return self._gaussian.expected_statistics(masses)

    def recentred(self, summary: np.ndarray, former: Self) -> np.ndarray:
        """Moments about these means, not the former."""
        return self._gaussian.recentred(summary, former._gaussian)

    def updated(self, summary: np.ndarray, pseudocount: float = 0.0) -> Self:
        """M-step: see `skpc._circuit.inputs.normal_scale.updated_group`."""
        means, covariances = normal_scale.updated_group(
            summary, self.means, self.covariances, self.shrinkage
        )
        return replace(self, means=means, covariances=self._resolved(covariances))

    def _in_units(self, scores: np.ndarray) -> np.ndarray:
        """What scores (n, m) are in units of the columns."""
        columns = [m.inverse(column) for m, column in zip(self.margins, scores.T, strict=True)]
        return np.stack(columns, axis=1)

    def sample_given(
        self, values: np.ndarray, states: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        """Missing values (n, m) drawn given the others and each row's state, from `normals`."""
        scores, _ = self.prepared(values)
        drawn = self._gaussian.sample_given(scores, states, uniforms, normals)
        return np.where(np.isnan(values), self._in_units(drawn), values)

    def likeliest(self, values: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Missing values replaced by those at their conditional mean scores under each state."""
        scores, _ = self.prepared(values)
        expected = self._gaussian.likeliest(scores, states)
        return np.where(np.isnan(values), self._in_units(expected), values)

    def completed(self, values: np.ndarray) -> np.ndarray:
        """Numbers (n, n_latents, m), missing ones replaced by conditional means of each state."""
        out = np.repeat(values[:, None], self.n_latents, axis=1)
        scores, _ = self.prepared(values)
        for rows, seen in missingness(scores):
            for entry in np.flatnonzero(~seen).tolist():
                out[rows, :, entry] = self._conditional(scores[rows], seen, entry).means
        return out

    def _conditional(self, scores: np.ndarray, seen: np.ndarray, entry: int) -> Moments:
        """Moments (n, n_latents) of a missing entry, of rows that show the same ones."""
        regression, left = regression_on(self.covariances, seen)
        shown = scores[:, None, seen] - self.means[:, seen]
        means = self.means[:, entry] + np.einsum("kb,ikb->ik", regression[:, entry], shown)
        if not seen.any():  # all rows are alike
            means = means[:1]
        variances = np.broadcast_to(left[:, entry, entry], means.shape)
        moments = normal_scale.moments_in_units(self.margins[entry], means, variances, _STEP)
        return Moments(*(np.broadcast_to(part, (len(scores), part.shape[1])) for part in moments))

    def conditional(self, values: np.ndarray, entry: int) -> Moments:
        """Moments of a missing entry, given each state and the rest of each row."""
        found = np.empty((2, len(values), self.n_latents))
        scores, _ = self.prepared(values)
        for rows, seen in missingness(scores):
            found[:, rows] = self._conditional(scores[rows], seen, entry)
        return Moments(*found)

    def alone(self, entry: int) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations (n_latents,) of a column."""
        return self.means[:, entry], np.sqrt(self.covariances[:, entry, entry])

    def joint_given(
        self, values: np.ndarray, entries: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means (n, n_latents, e) and covariances (n_latents, e, e) given rows (n, m)."""
        scores, _ = self.prepared(values)
        seen = ~np.isnan(scores[0])
        regression, left = regression_on(self.covariances, seen)
        shown = scores[:, None, seen] - self.means[:, seen]
        change = np.einsum("keb,ikb->ike", regression[:, entries], shown)
        return self.means[:, entries] + change, left[:, entries][:, :, entries]

    def conditional_cdf(self, values: np.ndarray, entry: int, x: np.ndarray) -> np.ndarray:
        """Probabilities (n, k, n_latents) of at most x (k,), given each row without the entry."""
        found = np.empty((len(values), len(x), self.n_latents))
        edges = self.margins[entry].limits(x)[1]
        for rows, _ in missingness(values):
            means, covariances = self.joint_given(values[rows], [entry])
            deviations = np.sqrt(covariances[:, 0, 0])
            found[rows] = ndtr((edges[:, None] - means[:, None, :, 0]) / deviations)
        return found

    def restricted(self, sets: Sets) -> Restriction:
        """What evidence leaves: fixed columns, and what others are given these."""
        entries = range(self.n_columns)
        fixed = [i for i in entries if (given := sets[i]) is not None and given.is_point]
        free = [i for i in entries if i not in fixed]
        cut = {free.index(i): given for i in free if (given := sets[i]) is not None}
        log_masses, left, parts = np.zeros(self.n_latents), self, []
        if fixed:
            values = np.full((1, self.n_columns), np.nan)
            values[0, fixed] = [sets[i].values[0] for i in fixed]  # type: ignore[union-attr]
            log_masses = self.log_prob(values)[0]
            alike = np.zeros((1, self.n_latents))
            tables = [to_table(values[:, i], alike).parts[0].distribution for i in fixed]
            parts = [Part((i,), table) for i, table in zip(fixed, tables, strict=True)]
            left = self._given(values[0], free) if free else self
        if cut:
            found = left.truncated(cut)
            log_masses = log_masses + found.log_masses
            parts.append(Part(tuple(free), found.parts[0].distribution))
        elif free:
            parts.append(Part(tuple(free), left))
        return Restriction(log_masses, tuple(parts))

    def _given(self, values: np.ndarray, free: list[int]) -> Self:
        """The distribution of columns `free` given all others (m,), NaN where these are not."""
        scores, _ = self.prepared(values[None])
        seen = ~np.isnan(scores[0])
        regression, left = regression_on(self.covariances, seen)
        shown = scores[0, seen] - self.means[:, seen]
        means = self.means + np.einsum("kab,kb->ka", regression, shown)
        conditional = replace(self, means=means, covariances=left)
        return conditional.marginal(np.array(free))

    def _alone(self) -> Iterator[Moments]:
        """Moments (n_latents,) of each column."""
        nothing = np.full((1, self.n_columns), np.nan)
        for entry in range(self.n_columns):
            means, variances = self.conditional(nothing, entry)
            yield Moments(means[0], variances[0])

    def mean(self) -> np.ndarray:
        """Means (n_latents, m)."""
        return np.stack([moments.means for moments in self._alone()], axis=1)

    def variance(self) -> np.ndarray:
        """Variances (n_latents, m)."""
        return np.stack([moments.variances for moments in self._alone()], axis=1)

    def mode(self) -> np.ndarray:
        """The medians (n_latents, m): values at the means of the normal scale."""
        return self._in_units(self.means)

    def unbounded(self) -> Self:
        """The same with such margins."""
        return replace(self, margins=tuple(map(normal_scale.unbounded, self.margins)))

    def marginal(self, entries: np.ndarray) -> Self:
        """The distribution of some of the columns, by their positions."""
        return replace(
            self,
            means=np.ascontiguousarray(self.means[:, entries]),
            covariances=np.ascontiguousarray(self.covariances[:, entries][:, :, entries]),
            margins=tuple(self.margins[entry] for entry in np.asarray(entries).tolist()),
        )

    def with_margins(self, entries: np.ndarray, centres: np.ndarray, scales: np.ndarray) -> Self:
        """The same but for columns `entries` (m,): in each state the margin, independent."""
        of_margins = np.zeros(self.n_columns), np.ones(self.n_columns)
        return self._like(self._gaussian.with_margins(entries, *of_margins))

    @property
    def n_free_arrays(self) -> int:
        """Number of arrays of `free_parameters`."""
        return self._gaussian.n_free_arrays

    def free_parameters(self) -> list[np.ndarray]:
        """Those of `Gaussian`, on the normal scale."""
        return self._gaussian.free_parameters()

    def with_free_parameters(self, parameters: list[np.ndarray]) -> Self:
        """The distribution with other `free_parameters`, its variances floored."""
        return self._like(self._gaussian.with_free_parameters(parameters))

    def _like(self, gaussian: Gaussian) -> Self:
        return replace(self, means=gaussian.means, covariances=gaussian.covariances)

    def free_gradient(self, summary: np.ndarray) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log densities."""
        return self._gaussian.free_gradient(summary)

    @property
    def stack_key(self) -> int:
        """Those of as many columns can be stacked."""
        return self.n_columns

    @classmethod
    def stacked(cls, distributions: Sequence[Self]) -> Self:
        """The states of several, one after the other; margins do not matter to a stack."""
        return distributions[0]._like(Gaussian.stacked([one._gaussian for one in distributions]))

    def unstacked(self, former: Sequence[Self]) -> list[Self]:
        """The distributions whose parameters are those of this stack, all else of the former."""
        parts = self._gaussian.unstacked([one._gaussian for one in former])
        return [
            replace(old, means=part.means, covariances=old._resolved(part.covariances))
            for old, part in zip(former, parts, strict=True)
        ]

    def check_arrays(self, n_latents: int, n_columns: int) -> None:
        """Raise ValueError if arrays are not as so many states and columns need them."""
        is_tuple = type(self.margins) is tuple and len(self.margins) == n_columns
        if not is_tuple or not all(isinstance(margin, Margin) for margin in self.margins):
            raise ValueError(f"margins must be a tuple of {n_columns} margins.")
        shape = n_latents, n_columns
        covariances = checked_array(self.covariances, "covariances", float, (*shape, n_columns))
        vars(self).update(
            means=checked_array(self.means, "means", float, shape), covariances=covariances
        )

    def check(self) -> None:
        """Raise ValueError if these are no normal distributions."""
        super().check()
        self._gaussian.check()
        if not self.shrinkage >= 0:
            raise ValueError("shrinkage must be at least 0.")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What the distribution is, as arrays by name, those of the margins end to end."""
        return {
            "means": self.means,
            "covariances": self.covariances,
            "shrinkage": np.asarray(self.shrinkage, np.float64),
            **normal_scale.margins_arrays(self.margins),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The distribution of which `to_arrays` made these; an error if there is none."""
        check_names(cls, arrays)
        means = arrays["means"]
        if means.ndim != 2:
            raise ValueError(f"means must have two axes; got the shape {means.shape}.")
        margins = normal_scale.read_margins(arrays, means.shape[1])
        made = cls(means, arrays["covariances"], float(arrays["shrinkage"]), margins)
        made.check_arrays(*means.shape)
        made.check()
        return made

    @classmethod
    def array_names(cls) -> dict[str, bool]:
        """What `to_arrays` calls its arrays, and whether each is always there."""
        names = normal_scale.margin_names()
        always = dict.fromkeys(("means", "covariances", "shrinkage", *names), True)
        return {**always, **dict.fromkeys((f"{name}.lengths" for name in names), False)}
