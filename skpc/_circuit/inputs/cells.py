"""Numeric columns: normal distributions on the scale of a margin, of which cells are seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import ndtri

from skpc._checks import check_finite, checked_array, shown
from skpc._circuit.inputs import normal_scale
from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.kinds import register
from skpc._circuit.inputs.moments import Moments
from skpc._circuit.inputs.restriction import Restriction, Sets, to_table
from skpc._circuit.inputs.truncated import Normals
from skpc._data.column_sets import Interval
from skpc._data.margin_cells import cells_of_columns
from skpc._data.margins import Margin
from skpc._data.scope import NUMERIC, Scope
from skpc._kernels import cells as kernels
from skpc._threads import launch

_STEP = 1 / 32  # of a quadrature
_MOST_LEVELS = 1_000  # of a table
_WORK = 30  # multiplications that a cell takes, about


def cell_table(
    margins: Sequence[Margin], columns: Sequence[np.ndarray], first_rows: np.ndarray
) -> kernels.CellTable:
    """The cells of values (n_values,) of columns, which begin in these rows of a table."""
    cells = cells_of_columns(margins, columns)
    sizes = np.array([len(values) for values in columns], np.int64)
    start = np.cumsum(sizes) - sizes
    n_tasks = np.maximum(-(-sizes // kernels.BLOCK_CELLS), 1)
    column = np.repeat(np.arange(len(sizes)), n_tasks)
    number = np.arange(len(column)) - np.repeat(np.cumsum(n_tasks) - n_tasks, n_tasks)
    first = start[column] + kernels.BLOCK_CELLS * number
    last = np.minimum(first + kernels.BLOCK_CELLS, (start + sizes)[column])
    tasks = np.stack([column, first, last], axis=1)
    lower, upper, log_scale = map(np.ascontiguousarray, cells)
    return kernels.CellTable(lower, upper, log_scale, tasks, first_rows - start)


def write_likelihoods(
    cells: kernels.CellTable,
    means: np.ndarray,
    deviations: np.ndarray,
    table: np.ndarray,
    exponents: np.ndarray,
    least: int = 0,
) -> None:
    work = float(_WORK * len(cells.lower) * means.shape[1])
    launch(
        kernels.likelihoods, len(cells.tasks), cells, means, deviations, least, table, exponents,
        work=work,
    )  # fmt: skip


def log_likelihoods(
    cells: kernels.CellTable, means: np.ndarray, deviations: np.ndarray
) -> np.ndarray:
    """Log masses and densities (n_cells, K), in nats, under means and deviations (m, K)."""
    out = np.empty((len(cells.lower), means.shape[1]))
    write_likelihoods(cells, means, deviations, out, np.empty(0, np.int64))
    return out


def moments(
    cells: kernels.CellTable, counts: np.ndarray, means: np.ndarray, deviations: np.ndarray
) -> np.ndarray:
    """Expected moments (n_columns, K, 3), the same for any number of threads."""
    n_latents = means.shape[1]
    parts = np.empty((len(cells.tasks), n_latents, kernels.N_MOMENTS))
    launch(
        kernels.moments, len(cells.tasks), cells, np.ascontiguousarray(counts), means, deviations,
        parts, work=float(2 * _WORK * len(cells.lower) * n_latents),
    )  # fmt: skip
    first_task = np.searchsorted(cells.tasks[:, 0], np.arange(len(means)))
    return np.add.reduceat(parts, first_task, axis=0) if len(means) else parts


def mean_scores(margins: Sequence[Margin], columns: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Where values (n,) of columns are on the normal scale, a cell on average; NaN missing."""
    cells = cells_of_columns(margins, columns)
    scores = cells.lower.copy()
    scores[np.isinf(cells.lower) & np.isinf(cells.upper)] = np.nan
    wide = np.flatnonzero(cells.lower < cells.upper)
    wide = wide[~np.isnan(scores[wide])]
    if len(wide):
        place = np.arange(len(wide))
        tasks = np.stack([np.zeros_like(place), place, place + 1], axis=1)
        lower, upper, log_scale = (part[wide] for part in cells)
        table = kernels.CellTable(lower, upper, log_scale, tasks, np.zeros(1, np.int64))
        parts = np.empty((len(wide), 1, kernels.N_MOMENTS))
        counts, mean, deviation = np.ones((len(wide), 1)), np.zeros((1, 1)), np.ones((1, 1))
        work = float(2 * _WORK * len(wide))
        launch(kernels.moments, len(wide), table, counts, mean, deviation, parts, work=work)
        scores[wide] = parts[:, 0, 1]
    return np.split(scores, np.cumsum([len(values) for values in columns])[:-1])


@register
@dataclass(frozen=True)
class Numeric(Normals):
    """One normal distribution for each latent state, on the normal scale of a column's margin.

    A value that has a mass under the margin is an interval of that scale, and has the mass that a
    state gives to it; any other is a point, and has a density in units of the column.

    Attributes
    ----------
    means, deviations : (n_latents,)
        On the normal scale.
    shrinkage : float
        How many rows' worth of the variance within all states together each state's is averaged
        with in the M-step; see `skpc._circuit.inputs.normal_scale` for the rest of the prior.
    margin : Margin
        Of the column. Learning leaves it as it is.
    """

    means: np.ndarray
    deviations: np.ndarray
    shrinkage: float
    margin: Margin

    kind = NUMERIC
    state_axes: ClassVar = {"means": 0, "deviations": 0}
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
        """Start from random means, one in each of as many equal parts of the margin."""
        assert scope.margin is not None
        means = random_means(1, n_latents, random_state)[0]
        return cls(means, np.full(n_latents, 1.0 / n_latents), shrinkage, scope.margin)

    @property
    def n_latents(self) -> int:
        """Number of latent states."""
        return len(self.means)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return 2 * self.n_latents

    @property
    def n_statistics(self) -> int:
        """Length of what `summarize` finds for each state."""
        return kernels.N_MOMENTS

    @property
    def preparation(self) -> tuple[object, ...]:
        """The margin."""
        return (self.margin,)

    def prepared(self, values: np.ndarray) -> kernels.CellTable:
        """The cells of values (n, 1)."""
        column = np.asarray(values, np.float64).reshape(-1)
        return cell_table((self.margin,), [column], np.zeros(1, np.int64))

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Log mass or density (n, n_latents) of rows X (n, 1), in nats; NaN is summed out."""
        return self.log_prob_prepared(self.prepared(X))

    def log_prob_prepared(self, prepared: Any) -> np.ndarray:
        """The same of `prepared` values."""
        return log_likelihoods(prepared, self.means[None], self.deviations[None])

    def summarize(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Expected moments (n_latents, 3) about zero: the count, the sum, the sum of squares."""
        return self.summarize_prepared(self.prepared(values), counts)

    def summarize_prepared(self, prepared: Any, counts: np.ndarray) -> np.ndarray:
        """The same of `prepared` values."""
        return moments(prepared, counts, self.means[None], self.deviations[None])[0]

    def summarize_clusters(
        self, values: np.ndarray, counts: np.ndarray, smooth: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """What all states of the margin itself would find: there is nothing to go by yet."""
        return self._of_margin().summarize(values, counts)

    def _of_margin(self) -> Self:
        n_latents = self.n_latents
        return replace(self, means=np.zeros(n_latents), deviations=np.ones(n_latents))

    def expected_statistics(self, masses: np.ndarray) -> np.ndarray:
        """See `skpc._circuit.inputs.normal_scale.expected_moments`."""
        return normal_scale.expected_moments(masses, self.means, self.deviations)

    def updated(self, summary: np.ndarray, pseudocount: float = 0.0) -> Self:
        """M-step: see `skpc._circuit.inputs.normal_scale.updated`."""
        means, deviations = normal_scale.updated(
            summary, self.means, self.deviations, np.asarray(self.shrinkage)
        )
        return replace(self, means=means, deviations=deviations)

    def sample_given(
        self, values: np.ndarray, states: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        """Missing values (n, 1) drawn from `normals`, among those that the column can have."""
        scores = self.means[states] + self.deviations[states] * normals[:, 0]
        return np.where(np.isnan(values), self.margin.inverse(scores)[:, None], values)

    @property
    def margins(self) -> tuple[Margin, ...]:  # type: ignore[override]
        """The margin of the column."""
        return (self.margin,)

    def alone(self, entry: int) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations."""
        return self.means, self.deviations

    def joint_given(
        self, values: np.ndarray, entries: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means and covariances, the same for all rows."""
        means = np.broadcast_to(self.means[:, None], (len(values), self.n_latents, 1))
        return means, np.square(self.deviations)[:, None, None]

    def restricted(self, sets: Sets) -> Restriction:
        """A table of the values that evidence leaves, if these can be counted."""
        (given,) = sets
        assert given is not None
        if isinstance(given, Interval):
            levels = self.margin.levels_between(given, _MOST_LEVELS)
            if levels is None or not len(levels) or self.margin.digits < 0:  # as rounding is
                return self.truncated({0: given})
        else:
            lower, upper, _ = self.margin.cells(given.values)
            has_mass = lower < upper
            levels = given.values[has_mass] if has_mass.any() else given.values
        return to_table(levels, self.log_prob(levels))

    def unbounded(self) -> Self:
        """The same with such a margin."""
        return replace(self, margin=normal_scale.unbounded(self.margin))

    def _moments(self) -> Moments:
        return normal_scale.moments_in_units(self.margin, self.means, self.deviations**2, _STEP)

    def mean(self) -> np.ndarray:
        """Means (n_latents, 1)."""
        return self._moments().means[:, None]

    def variance(self) -> np.ndarray:
        """Variances (n_latents, 1)."""
        return self._moments().variances[:, None]

    def conditional(self, values: np.ndarray, entry: int) -> Moments:
        """Moments of a missing number given each state: other columns tell nothing."""
        shape = len(values), self.n_latents
        moments = self._moments()
        return Moments(
            np.broadcast_to(moments.means, shape), np.broadcast_to(moments.variances, shape)
        )

    def mode(self) -> np.ndarray:
        """The median (n_latents, 1), that is the value at the mean of the normal scale."""
        return self.margin.inverse(self.means)[:, None]

    def log_units(self, values: np.ndarray) -> np.ndarray:
        """What the margin adds (n, 1) to log densities on the normal scale."""
        return self.margin.cells(values[:, 0]).log_scale[:, None]

    def log_peak(self, values: np.ndarray) -> np.ndarray:
        """Log mass or density (n, n_latents) of each row, a missing value being at the `mode`."""
        at_mode = np.diagonal(self.log_prob(self.mode()))
        return np.where(np.isnan(values), at_mode, self.log_prob(values))

    def with_margins(self, entries: np.ndarray, centres: np.ndarray, scales: np.ndarray) -> Self:
        """In each state the margin itself, if training rows show nothing of the column."""
        return self._of_margin() if entries.any() else self

    @property
    def n_free_arrays(self) -> int:
        """Number of arrays of `free_parameters`."""
        return 2

    def free_parameters(self) -> list[np.ndarray]:
        """Means and logarithms of deviations (n_latents,)."""
        return [self.means.copy(), np.log(self.deviations)]  # learning changes them in place

    def with_free_parameters(self, parameters: list[np.ndarray]) -> Self:
        """The distribution with other `free_parameters`, its deviations floored."""
        means, deviations = from_free(parameters)
        return replace(self, means=means, deviations=deviations)

    def free_gradient(self, summary: np.ndarray) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log likelihoods.

        By Fisher's identity, from what cells let expect.
        """
        return gradient_of_free(summary, self.means, self.deviations)

    def check_arrays(self, n_latents: int, n_columns: int) -> None:
        """Raise ValueError if arrays are not as so many states and one column need them."""
        if n_columns != 1:
            raise ValueError(f"a distribution of kind 'numeric' has one column; got {n_columns}.")
        if not isinstance(self.margin, Margin):
            raise ValueError(f"margin must be a Margin; got a {type(self.margin).__name__}.")
        vars(self).update(
            means=checked_array(self.means, "means", float, (n_latents,)),
            deviations=checked_array(self.deviations, "deviations", float, (n_latents,)),
        )

    def check(self) -> None:
        """Raise ValueError if these are no normal distributions."""
        super().check()
        if not (self.deviations > 0).all() or not self.shrinkage >= 0:
            raise ValueError("deviations must be positive, and shrinkage at least 0.")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What the distribution is, as arrays by name, those of the margin among them."""
        return {
            "means": self.means,
            "deviations": self.deviations,
            "shrinkage": np.asarray(self.shrinkage, np.float64),
            **normal_scale.margin_arrays(self.margin),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The distribution of which `to_arrays` made these; an error if there is none."""
        check_names(cls, arrays)
        margin = normal_scale.read_margin(arrays)
        made = cls(arrays["means"], arrays["deviations"], float(arrays["shrinkage"]), margin)
        check_finite(made.means, "means")
        made.check_arrays(len(made.means), 1)
        made.check()
        return made

    @classmethod
    def array_names(cls) -> dict[str, bool]:
        """What `to_arrays` calls its arrays; all are always there."""
        return dict.fromkeys(
            ("means", "deviations", "shrinkage", *normal_scale.margin_names()), True
        )


def check_names(kind: type[InputDistribution], arrays: Mapping[str, Any]) -> None:
    """Raise ValueError if these are not the arrays of a kind."""
    names = kind.array_names()
    unknown = sorted({*arrays} - {*names})
    if unknown:
        raise ValueError(f"it has {shown(unknown[0])}, which is none of its arrays.")
    for name, is_always in names.items():
        if is_always and name not in arrays:
            raise ValueError(f"it has no {name}.")


def random_means(n_columns: int, n_latents: int, random_state: np.random.RandomState) -> np.ndarray:
    """Means (n_columns, n_latents), those of a column spread over the normal distribution."""
    uniforms = random_state.random_sample((2, n_columns, n_latents))
    places = (np.argsort(uniforms[0], axis=1) + uniforms[1]) / n_latents
    return ndtri(np.clip(places, 1e-12, 1.0 - 1e-12)) * np.sqrt(1.0 - n_latents**-2.0)


def from_free(parameters: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    means, logs = parameters
    return means, np.clip(np.exp(logs), normal_scale.LEAST_FREE_DEVIATION, None)


def gradient_of_free(
    summary: np.ndarray, means: np.ndarray, deviations: np.ndarray
) -> list[np.ndarray]:
    counts, first, second = np.moveaxis(summary, -1, 0)
    centred = first - counts * means
    squares = second - means * (2.0 * first - counts * means)
    return [centred / deviations**2, squares / deviations**2 - counts]
