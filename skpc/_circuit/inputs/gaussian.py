"""Gaussian input distributions over one continuous column or a group of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from skpc._checks import check_finite, checked_array
from skpc._circuit.inputs.covariances import (
    add_incomplete,
    check_covariances,
    expected_moments,
    floored,
    missingness,
    patterns_of,
    recentred_moments,
    regression_on,
    states_last,
    whitenings,
)
from skpc._circuit.inputs.gaussian_copula import AsCopula
from skpc._circuit.inputs.kinds import register
from skpc._circuit.inputs.moments import Moments
from skpc._data.powers_of_two import units_of
from skpc._data.scales import centre_and_scales
from skpc._data.scope import GAUSSIAN, Scope
from skpc._kernels import gaussian as kernels
from skpc._threads import launch

_LEAST_LOG_DENSITY = -1e17  # of a column, so that exponents stay integers however far it is
_LARGEST_DIFFERENCE = 1e6
_LARGEST = 1e154  # what can be squared
_PRIOR_ROWS = 0.1
_MOST_DOUBLINGS = 250  # from one unit to another
_FARTHEST = 1e200  # standard deviations: products with it are finite
_LARGEST_VALUE = 1e150  # that a column may have


@register
@dataclass(frozen=True)
class Gaussian(AsCopula):
    """One Gaussian with full covariance for each latent state of a region.

    Attributes
    ----------
    means : (n_latents, m)
    covariances : (n_latents, m, m)
    scales : (m,), or (n_latents, m) if states are of several regions, see `stacked`
        Standard deviations of the columns, to which floor and shrinkage refer.
    shrinkage : float
        Covariances are averaged with that of all states together as if that came from so
        many rows (and that one with the columns' variances, as if from a tenth of a row);
        zero is maximum likelihood.
    units : (m,)
        In which all of these are given; see `skpc._data.powers_of_two.units_of`. By default
        ones.
    """

    means: np.ndarray
    covariances: np.ndarray
    scales: np.ndarray
    shrinkage: float
    units: np.ndarray | None = None

    kind = GAUSSIAN
    uses_uniforms = False
    uses_normals = True
    state_axes: ClassVar = {"means": 0, "covariances": 0}

    @property
    def n_latents(self) -> int:
        """Number of latent states."""
        return self.means.shape[0]

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return self.means.shape[1]

    @property
    def _units(self) -> np.ndarray:
        return np.ones(self.means.shape[1]) if self.units is None else self.units

    def _in_units(self, values: np.ndarray) -> np.ndarray:
        """Values (n, m) in units, those very far away brought to where arithmetic is finite."""
        with np.errstate(over="ignore"):
            values = values / self._units
            reach = _FARTHEST * self.scales
            return np.clip(values, self.means.min(axis=0) - reach, self.means.max(axis=0) + reach)

    def _from_units(self, values: np.ndarray, entries: Any = slice(None)) -> np.ndarray:
        """Values of columns from what they are in units, none larger than a column may have."""
        with np.errstate(over="ignore", under="ignore"):
            return np.clip(values * self._units[entries], -_LARGEST_VALUE, _LARGEST_VALUE)

    def __post_init__(self) -> None:
        arrays = self.means, self.covariances, self.scales
        shapes: list[tuple[int, ...]] = [getattr(values, "shape", ()) for values in arrays]
        means, covariances, scales = shapes
        is_matrix = len(means) == 2 and covariances == (*means, means[1])
        if not is_matrix or scales not in (means, means[1:]):
            raise ValueError(
                "means, covariances and scales of a Gaussian must be arrays of shapes "
                f"(n_latents, m), (n_latents, m, m) and (m,); got {means}, {covariances} and "
                f"{scales}."
            )

    def check_arrays(self, n_latents: int, n_columns: int) -> None:
        """Raise ValueError if arrays are not as so many states and columns need them."""
        shape = n_latents, n_columns
        vars(self).update(
            means=checked_array(self.means, "means of a Gaussian", float, shape),
            covariances=checked_array(
                self.covariances, "covariances of a Gaussian", float, (*shape, n_columns)
            ),
            scales=checked_array(self.scales, "scales of a Gaussian", float, (n_columns,)),
        )
        if self.units is not None:
            units = checked_array(self.units, "units of a Gaussian", float, (n_columns,))
            vars(self).update(units=units)

    def check(self) -> None:
        """Raise ValueError if these are no normal distributions."""
        for name in ("means", "covariances", "scales", "shrinkage"):
            check_finite(np.asarray(getattr(self, name), np.float64), f"{name} of a Gaussian")
        if np.abs(self.means).max(initial=0.0) > _LARGEST:
            raise ValueError(f"means of a Gaussian must not be beyond {_LARGEST}.")
        if self.units is not None:
            check_finite(self.units, "units of a Gaussian")
            if not (np.frexp(self.units)[0] == 0.5).all():
                raise ValueError("units of a Gaussian must be powers of two.")
        if not (self.scales > 0).all() or not self.shrinkage >= 0:
            raise ValueError("scales of a Gaussian must be positive, and shrinkage at least 0.")
        check_covariances(self.covariances)

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
        """Start from spread-out rows (k-means++ seeding, weighted) and a shared covariance."""
        centre, scales = centre_and_scales(values, weights)
        units = units_of(scales)
        values, centre, scales = values / units, centre / units, scales / units
        centred = np.where(np.isnan(values), 0.0, values - centre)
        standard = centred / scales  # missing entries sit at the mean
        means = np.empty((n_latents, values.shape[1]))
        distances = np.ones(len(values))
        for k in range(n_latents):
            cumulative = np.cumsum(weights * distances)
            threshold = random_state.random_sample() * cumulative[-1]
            chosen = min(int(np.searchsorted(cumulative, threshold, side="right")), len(values) - 1)
            means[k] = centre + centred[chosen]
            squared = np.square(standard - standard[chosen]).sum(axis=1)
            distances = squared if k == 0 else np.minimum(distances, squared)
            if not (weights * distances).any():  # more states than distinct rows
                distances = np.ones(len(values))
        covariance = np.diag(scales**2) / n_latents ** (2 / values.shape[1])
        covariances = np.repeat(covariance[None], n_latents, axis=0)
        return cls(means, covariances, scales, shrinkage, units)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        n_latents, m = self.means.shape
        return n_latents * (m + m * (m + 1) // 2)

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Log density of each row for each latent state, in nats.

        Parameters
        ----------
        X : (n, m)
            NaN is summed out.

        Returns
        -------
        (n, n_latents) float64
        """
        values = self._in_units(np.asarray(X, dtype=np.float64).reshape(len(X), -1))
        log_units = np.log(self._units)
        out = np.empty((len(values), self.n_latents))
        means, covariances = np.ascontiguousarray(self.means.T), states_last(self.covariances)
        for rows, patterns, own in patterns_of(values, self.n_latents):
            whitening, log_norms = whitenings(covariances, patterns)
            n_seen = patterns.sum(axis=1, keepdims=True)
            part = np.empty((len(rows), self.n_latents))
            launch(
                kernels.log_density, -(-len(rows) // kernels.BLOCK_ROWS),
                np.ascontiguousarray(values[rows]), own, means, whitening,
                log_norms - 0.5 * n_seen * np.log(2 * np.pi), part,
            )  # fmt: skip
            # Of several columns so much less, as if they were independent: what is too far to tell
            # says nothing of how they go together.
            least = _LEAST_LOG_DENSITY * n_seen[own]
            out[rows] = np.maximum(part, least) - (patterns * log_units).sum(axis=1)[own, None]
        return out

    def log_prob_of_others(self, X: np.ndarray) -> np.ndarray:
        """Log density of each row without each of its columns, for each latent state, in nats.

        That of the row less that of the column given the others, which is a matter of the
        precision: with d = precision (x - mean), d_i / precision_ii is its distance from what the
        others let expect. Rows so far away that the difference would lose more than about 1e-9
        are scored once per column.

        Parameters
        ----------
        X : (n, m) float64
            NaN is summed out.

        Returns
        -------
        (n, m, n_latents) float64
        """
        log_prob = self.log_prob(X)
        out = np.repeat(log_prob[:, None], X.shape[1], axis=1)
        values, log_units = self._in_units(X), np.log(self._units)
        for rows, seen in missingness(X):
            if not seen.any():
                continue
            precision = np.linalg.inv(self.covariances[:, seen][:, :, seen])
            own = np.diagonal(precision, axis1=1, axis2=2).T
            part = np.ascontiguousarray(out[rows][:, seen])
            launch(
                kernels.subtract_conditionals, -(-len(rows) // kernels.BLOCK_ROWS),
                np.ascontiguousarray(values[rows][:, seen]),
                np.ascontiguousarray(self.means[:, seen].T),
                states_last(precision),
                0.5 * np.log(np.ascontiguousarray(own) / (2 * np.pi)), part,
            )  # fmt: skip
            out[rows[:, None], np.flatnonzero(seen)] = part + log_units[seen, None]
        is_far = log_prob.min(axis=1) < -_LARGEST_DIFFERENCE
        for c in range(X.shape[1]) if is_far.any() else ():
            others = X[is_far]
            others[:, c] = np.nan
            out[is_far, c] = self.log_prob(others)
        return out

    def summarize(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Expected moments (n_latents, 1 + m + m^2) about the means, which add over rows.

        Centred on the current means, so that large offsets do not cancel. Missing entries
        have their conditional moments given what a row shows, under each state.

        Parameters
        ----------
        values : (n, m), NaN missing
        counts : (n, n_latents) expected counts
        """
        n_latents, m = self.means.shape
        out = np.zeros((n_latents, 1 + m + m * m))
        values = self._in_units(values)
        is_complete = ~np.isnan(values).any(axis=1)
        if is_complete.any():
            launch(
                kernels.moments, n_latents, np.ascontiguousarray(values[is_complete]),
                np.ascontiguousarray(counts[is_complete]), self.means, out,
            )  # fmt: skip
        if not is_complete.all():
            rest = ~is_complete & ~np.isnan(values).all(axis=1)
            add_incomplete(self.means, self.covariances, values[rest], counts[rest], out)
        return out

    def expected_statistics(self, masses: np.ndarray) -> np.ndarray:
        """See `skpc._circuit.inputs.covariances.expected_moments`."""
        return expected_moments(masses, self.covariances)

    def recentred(self, summary: np.ndarray, former: Self) -> np.ndarray:
        """Moments about these means, not the former."""
        return recentred_moments(summary, self.means - former.means)

    def summarize_clusters(
        self, values: np.ndarray, counts: np.ndarray, smooth: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """`summarize`: shrinkage is what smooths."""
        return self.summarize(values, counts)

    @property
    def n_statistics(self) -> int:
        """Length of what `summarize` finds for each state."""
        return 1 + self.n_columns + self.n_columns**2

    @property
    def n_free_arrays(self) -> int:
        """Number of arrays of `free_parameters`."""
        return 2

    def free_parameters(self) -> list[np.ndarray]:
        """Means (K, m) and Cholesky factors (K, m, m), in units of `scales`.

        The factors' diagonals are given by their logarithms, so that all real numbers do.
        """
        factors = np.linalg.cholesky(self.covariances) / self.scales[..., None]
        diagonal = np.arange(self.means.shape[1])
        factors[:, diagonal, diagonal] = np.log(factors[:, diagonal, diagonal])
        return [self.means / self.scales, factors]

    def with_free_parameters(self, parameters: list[np.ndarray]) -> Self:
        """The Gaussian with these `free_parameters`, its variances floored."""
        means, factors = parameters
        factors = np.tril(factors)
        diagonal = np.arange(self.means.shape[1])
        factors[:, diagonal, diagonal] = np.exp(factors[:, diagonal, diagonal])
        factors *= self.scales[..., None]
        covariances = floored(factors @ factors.transpose(0, 2, 1), self.scales)
        return replace(self, means=means * self.scales, covariances=covariances)

    def free_gradient(self, summary: np.ndarray) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log densities.

        Parameters
        ----------
        summary : (n_latents, 1 + m + m^2)
            What `summarize` makes of the counts, which may be negative. Missing entries enter
            by their conditional moments: Fisher's identity.
        """
        n_latents, m = self.means.shape
        second = summary[:, 1 + m :].reshape(n_latents, m, m)
        precision = np.linalg.inv(self.covariances)
        factors = np.linalg.cholesky(self.covariances)
        inner = precision @ second @ precision - summary[:, :1, None] * precision
        in_means = np.einsum("kab,kb->ka", precision, summary[:, 1 : 1 + m])
        in_factors = np.tril(inner @ factors)
        diagonal = np.arange(m)
        scales = self.scales[..., None]
        in_factors *= scales
        in_factors[:, diagonal, diagonal] *= (factors / scales)[:, diagonal, diagonal]
        return [in_means * self.scales, in_factors]

    def completed(self, values: np.ndarray) -> np.ndarray:
        """Missing entries replaced by their conditional means under each state.

        Parameters
        ----------
        values : (n, m), NaN missing

        Returns
        -------
        (n, n_latents, m)
        """
        out = np.repeat(values[:, None], len(self.means), axis=1)
        values = self._in_units(values)
        for rows, seen in missingness(values):
            if not seen.all():
                regression, _ = regression_on(self.covariances, seen)
                shown = values[rows][:, None, seen] - self.means[:, seen]
                expected = self.means + np.einsum("kab,ikb->ika", regression, shown)
                expected = self._from_units(expected)
                expected = expected[:, :, ~seen].transpose(0, 2, 1)
                out[rows[:, None], :, np.flatnonzero(~seen)] = expected
        return out

    def likeliest(self, values: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Missing entries replaced by their conditional means under each row's state."""
        return self.completed(values)[np.arange(len(values)), states]

    def sample_given(
        self, values: np.ndarray, states: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        """Missing entries (n, m) drawn given the others and each row's state, from `normals`."""
        out = values.copy()
        values = self._in_units(values)
        for rows, seen in missingness(values):
            if not seen.all():
                hidden = np.flatnonzero(~seen)
                regression, conditional = regression_on(self.covariances, seen)
                factors = np.linalg.cholesky(conditional[:, hidden[:, None], hidden])
                k = states[rows]
                shown = values[rows][:, seen] - self.means[k][:, seen]
                expected = self.means[k] + np.einsum("iab,ib->ia", regression[k], shown)
                noise = np.einsum("iab,ib->ia", factors[k], normals[rows][:, hidden])
                out[rows[:, None], hidden] = self._from_units(expected[:, hidden] + noise, hidden)
        return out

    def log_peak(self, values: np.ndarray) -> np.ndarray:
        """Log density (n, n_latents) of each row with its missing entries where that is largest."""
        out = self.log_prob(values)
        for rows, seen in missingness(values):
            if not seen.all():
                hidden = np.flatnonzero(~seen)
                _, conditional = regression_on(self.covariances, seen)
                _, log_dets = np.linalg.slogdet(conditional[:, hidden[:, None], hidden])
                out[rows] -= 0.5 * (log_dets + len(hidden) * np.log(2 * np.pi))
        return out

    def updated(self, summary: np.ndarray, pseudocount: float = 0.0) -> Self:
        """M-step from the sums of `summarize`: weighted moments, shrunk and floored."""
        n_latents, m = self.means.shape
        totals = summary[:, 0]
        has_flow = totals > 0
        safe = np.where(has_flow, totals, 1.0)
        shift = summary[:, 1 : 1 + m] / safe[:, None]
        scatter = summary[:, 1 + m :].reshape(n_latents, m, m)
        scatter = scatter - safe[:, None, None] * shift[:, :, None] * shift[:, None, :]
        scatter = np.where(has_flow[:, None, None], scatter, 0.0)
        if self.shrinkage > 0:
            pooled = (scatter.sum(axis=0) + _PRIOR_ROWS * np.diag(self.scales**2)) / (
                totals.sum() + _PRIOR_ROWS
            )
            covariances = (scatter + self.shrinkage * pooled) / (safe + self.shrinkage)[
                :, None, None
            ]
        else:
            covariances = scatter / safe[:, None, None]
        covariances = floored(covariances, self.scales)
        return replace(
            self,
            means=np.where(has_flow[:, None], self.means + shift, self.means),
            covariances=np.where(has_flow[:, None, None], covariances, self.covariances),
        )

    def with_margins(self, entries: np.ndarray, centres: np.ndarray, scales: np.ndarray) -> Self:
        """The Gaussian with some entries (m,) independent, each state of one mean and scale."""
        means, covariances = self.means.copy(), self.covariances.copy()
        means[:, entries] = centres[entries]
        covariances[:, entries] = 0.0
        covariances[:, :, entries] = 0.0
        i = np.flatnonzero(entries)
        covariances[:, i, i] = scales[i] ** 2
        scales = np.where(entries, scales, self.scales)
        return replace(self, means=means, covariances=covariances, scales=scales)

    def sample(self, states: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
        """Draw one vector for each state in `states` (n,): (n, m)."""
        normals = random_state.standard_normal((len(states), self.means.shape[1]))
        factors = np.linalg.cholesky(self.covariances)
        return self._from_units(
            self.means[states] + np.einsum("iab,ib->ia", factors[states], normals)
        )

    def conditional(self, values: np.ndarray, entry: int) -> Moments:
        """Moments of a missing entry, given each state and the rest of each row."""
        means, variances = np.empty((2, len(values), len(self.means)))
        values, unit = self._in_units(values), self._units[entry]
        for rows, seen in missingness(values):
            regression, conditional = regression_on(self.covariances, seen)
            shown = values[rows][:, None, seen] - self.means[:, seen]
            of_shown = np.einsum("kb,ikb->ik", regression[:, entry], shown)
            means[rows] = self.means[:, entry] + of_shown
            variances[rows] = conditional[:, entry, entry]
        return Moments(self._from_units(means, entry), unit * (unit * variances))

    def marginal(self, entries: np.ndarray) -> Self:
        """The distribution of some of the columns, by their positions."""
        return replace(
            self,
            means=self.means[:, entries],
            covariances=self.covariances[:, entries][:, :, entries],
            scales=self.scales[entries],
            units=self._units[entries],
        )

    def with_scales(self, scales: np.ndarray) -> Self:
        """The same distribution, whose floor and shrinkage refer to these columns' scales (m,)."""
        units = units_of(scales)
        new = replace(self, scales=scales / units, units=units)
        step = np.frexp(self._units)[1] - np.frexp(units)[1]
        if not step.any():
            return new
        covariances = np.repeat(np.diag(new.scales**2)[None], len(self.means), axis=0)
        if np.abs(step).max() <= _MOST_DOUBLINGS:  # else they are too wide or narrow for numbers
            covariances = np.ldexp(self.covariances, step[:, None] + step)
        with np.errstate(over="ignore"):
            means = np.ldexp(self.means, step)
        reach = _FARTHEST * new.scales
        return replace(new, means=np.clip(means, -reach, reach), covariances=covariances)

    @property
    def stack_key(self) -> int:
        """Gaussians over as many columns can be stacked."""
        return self.n_columns

    @classmethod
    def stacked(cls, distributions: Sequence[Self]) -> Self:
        """The states of several Gaussians, one after the other."""
        return cls(
            np.concatenate([g.means for g in distributions]),
            np.concatenate([g.covariances for g in distributions]),
            np.concatenate([np.broadcast_to(g.scales, g.means.shape) for g in distributions]),
            distributions[0].shrinkage,
        )

    def unstacked(self, former: Sequence[Self]) -> list[Self]:
        """The Gaussians of this stack: means and covariances of it, all else of the former."""
        ends = np.cumsum([g.n_latents for g in former])[:-1]
        parts = np.split(self.means, ends), np.split(self.covariances, ends)
        return [
            replace(old, means=means, covariances=covariances)
            for old, means, covariances in zip(former, *parts, strict=True)
        ]
