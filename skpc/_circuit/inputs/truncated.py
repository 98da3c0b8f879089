"""Numeric columns of which evidence leaves one an interval, or some values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, Self

import numpy as np
from scipy.special import logsumexp, ndtr

from skpc._circuit.inputs import normal_pieces
from skpc._circuit.inputs.base import InputDistribution, Moments
from skpc._circuit.inputs.normal_pieces import Pieces
from skpc._circuit.inputs.restriction import Part, Restriction
from skpc._data.column_sets import ColumnSet, ValueSet
from skpc._data.margins import Margin
from skpc._data.scope import Scope


class Normals(InputDistribution):
    """Columns that are normal, or jointly so, in each state, on the scales of their margins.

    Attributes
    ----------
    margins : tuple of m Margin
    """

    margins: tuple[Margin, ...]

    def normals_given(self, values: np.ndarray, entry: int) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations (n, n_latents) of a column given what rows (n, m) show of others."""
        raise NotImplementedError

    def correlations(self, entry: int, other: int) -> np.ndarray:
        """Correlations (n_latents,) of two columns."""
        raise NotImplementedError

    def alone(self, entry: int) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations (n_latents,) of a column."""
        means, deviations = self.normals_given(np.full((1, self.n_columns), np.nan), entry)
        return means[0], deviations[0]

    def cdf(self, values: np.ndarray, entry: int) -> np.ndarray:
        """Probabilities (n, n_latents) that a column is at most values (n,), given the state."""
        means, deviations = self.alone(entry)
        scores = self.margins[entry].limits(values)[1]
        return ndtr((scores[:, None] - means) / deviations)

    def truncated(self, entry: int, given: ColumnSet) -> Restriction:
        """What is left if evidence leaves a column several values."""
        margin = self.margins[entry]
        if isinstance(given, ValueSet):
            lower, upper, log_scale = margin.cells(given.values)
            has_mass = lower < upper
            kept = has_mass if has_mass.any() else ~has_mass  # beside a mass a density is nothing
            pieces = Pieces(lower[kept], upper[kept], log_scale[kept], given.values[kept])
        else:
            ends = np.array([given.low, given.high])
            below, at = margin.limits(ends)
            lower = below[:1] if given.has_low else at[:1]
            upper = at[1:] if given.has_high else below[1:]
            pieces = Pieces(lower, upper, np.zeros(1), np.full(1, np.nan))
            if not (lower < upper).all():  # no level of a lattice
                nothing = np.full(self.n_latents, -np.inf)
                return Restriction(nothing, (Part(tuple(range(self.n_columns)), self),))
            margin = margin.within(given)
        left = Truncated(self, entry, pieces, margin)
        return Restriction(left.log_masses, (Part(tuple(range(self.n_columns)), left),))


@dataclass(frozen=True)
class Truncated(InputDistribution):
    """What evidence leaves of normal columns if it leaves one of them several values.

    It is no kind of its own: nothing is learnt with it, and no file has it.

    Attributes
    ----------
    base : Normals
        The distribution without the evidence.
    entry : int
        The position of the column.
    pieces : Pieces
        What is left of its normal scale.
    margin : Margin
        Its margin, within the range that is left.
    """

    base: Normals
    entry: int
    pieces: Pieces
    margin: Margin

    kind = "truncated"
    is_type = False
    uses_uniforms = False
    uses_normals = True

    @cached_property
    def log_masses(self) -> np.ndarray:
        """Log likelihoods (n_latents,) of the evidence."""
        logs = normal_pieces.log_masses(self.pieces, *self.base.alone(self.entry))
        found: np.ndarray = logsumexp(logs, axis=-1)
        return found

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

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Log likelihood (n, n_latents) of rows that do not contradict the evidence, in nats."""
        X = np.asarray(X, np.float64)
        out = self.base.log_prob(X) - self.log_masses
        rows = np.flatnonzero(np.isnan(X[:, self.entry]))
        if len(rows):
            logs = normal_pieces.log_masses(
                self.pieces, *self.base.normals_given(X[rows], self.entry)
            )
            out[rows] += logsumexp(logs, axis=-1)
        return out

    def sample_given(
        self, values: np.ndarray, states: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        """Missing values (n, m) drawn given the others and each row's state, from `normals`."""
        values = values.copy()
        rows = np.flatnonzero(np.isnan(values[:, self.entry]))
        if len(rows):
            means, deviations = (
                part[np.arange(len(rows)), states[rows]]
                for part in self.base.normals_given(values[rows], self.entry)
            )
            chosen, scores = normal_pieces.draw(
                self.pieces, means, deviations, ndtr(normals[rows, self.entry])
            )
            exact = self.pieces.values[chosen]
            drawn = np.where(np.isnan(exact), self.margin.inverse(scores), exact)
            values[rows, self.entry] = drawn
        return self.base.sample_given(values, states, uniforms, normals)

    def cdf(self, values: np.ndarray, entry: int) -> np.ndarray:
        """Probabilities (n, n_latents) that a column is at most values (n,), given the state."""
        if entry != self.entry:
            return self._cdf_of_other(values, entry)
        means, deviations = self.base.alone(entry)
        limits = self.base.margins[entry].limits(values)[1][:, None, None]
        lower, upper, _, exact = self.pieces
        is_point = lower == upper
        is_in = np.where(is_point, exact <= values[:, None, None], lower < limits)
        cut = np.where(is_point, upper, np.minimum(upper, limits))
        logs = normal_pieces.log_masses(
            self.pieces._replace(upper=np.where(is_in, cut, lower - 1.0)), means, deviations
        )
        return np.minimum(np.exp(logsumexp(logs, axis=-1) - self.log_masses), 1.0)

    def _cdf_of_other(self, values: np.ndarray, entry: int) -> np.ndarray:
        """That of a column beside the one with several values."""
        means, deviations = self.base.alone(self.entry)
        shares = np.exp(
            normal_pieces.log_masses(self.pieces, means, deviations) - self.log_masses[:, None]
        )
        own_means, own_deviations = self.base.alone(entry)
        scores = self.base.margins[entry].limits(values)[1]
        others = (scores[:, None] - own_means) / own_deviations
        correlations = self.base.correlations(self.entry, entry)
        rest = np.sqrt(1.0 - correlations**2)
        out = np.zeros((len(values), self.n_latents))
        for p, (lower, upper) in enumerate(zip(self.pieces.lower, self.pieces.upper, strict=True)):
            below, above = (lower - means) / deviations, (upper - means) / deviations
            if lower == upper:
                found = ndtr((others - correlations * below) / rest)
            else:
                found = normal_pieces.joint_cdf(below, above, others, correlations)
            out += shares[:, p] * found
        return np.minimum(out, 1.0)

    def conditional(self, values: np.ndarray, entry: int) -> Moments:
        """There is no closed form: see `skpc._queries.column_mixture`."""
        raise NotImplementedError

    def restricted(self, sets: Any) -> NoReturn:
        """Evidence is put together before there is a distribution given it."""
        raise NotImplementedError

    def check_arrays(self, n_latents: int, n_columns: int) -> None:
        """Raise ValueError if the base is not of so many states and columns."""
        self.base.check_arrays(n_latents, n_columns)

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
