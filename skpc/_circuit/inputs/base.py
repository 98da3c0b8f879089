"""What the package asks of an input distribution, and the kinds that there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import MISSING, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from skpc._checks import attributes, check_finite, reading, shown
from skpc._circuit.inputs.moments import Moments, OnNormalScale
from skpc._circuit.inputs.restriction import Restriction, Sets, restricted_column
from skpc._data.scope import Scope


class InputDistribution(ABC):
    """What each latent state of one region makes of the columns that the region observes.

    A new kind is a frozen dataclass, whose fields are arrays or numbers, with the abstract methods
    below, and `mean`, `variance` and `mode`; `register` makes it known. All else has a default:
    that of one column, which is not learnt by gradient. Several columns of such kinds make a
    composite; `Gaussian`, of which columns depend on each other, replaces some defaults.

    An array of values (n, m) has a column for each one that the region observes, and NaN where a
    value is missing. A value that no state can have has the log density minus infinity.

    Attributes
    ----------
    kind : str
        The name of the kind.
    is_type : bool
        Whether `feature_types` may say so of a column, whose values are then read as numbers
        unless it is one of categories.
    is_table : bool
        Whether it is nothing but a table of probabilities of one column's categories.
    uses_uniforms, uses_normals : bool
        From which random numbers `sample_given` draws.
    state_axes : dict
        Along which axis the arrays that have one hold the latent states, by name; see `taken`.
    """

    kind: ClassVar[str]
    is_type: ClassVar[bool] = True
    is_table: ClassVar[bool] = False
    uses_uniforms: ClassVar[bool] = True
    uses_normals: ClassVar[bool] = False
    state_axes: ClassVar[dict[str, int]] = {}

    @property
    @abstractmethod
    def n_latents(self) -> int:
        """Number of latent states."""

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Number of free parameters."""

    @classmethod
    @abstractmethod
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
        """Draw distributions to start from, one for each latent state.

        Parameters
        ----------
        scope : Scope
            What the region observes.
        values : (n, m)
            The distinct vectors of the rows, sorted; all may be NaN.
        weights : (n,)
        n_latents : int
        random_state : RandomState
        shrinkage : float
            How many rows' worth of all states together each state is averaged with in the M-step,
            for a kind that can.
        """

    @abstractmethod
    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Log mass or density (n, n_latents) of the values that rows X (n, m) show, in nats."""

    @abstractmethod
    def summarize(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Sufficient statistics (n_latents, s) of rows, which add over rows.

        Parameters
        ----------
        values : (n, m)
        counts : (n, n_latents)
            Expected counts of the states. The statistics are linear in them.
        """

    @abstractmethod
    def updated(self, summary: np.ndarray, pseudocount: float = 0.0) -> Self:
        """M-step: the distribution that fits sums of `summarize` best.

        A state without counts keeps what it has.

        Parameters
        ----------
        summary : (n_latents, s)
        pseudocount : float
            Added to each state's counts of categories, spread as the column is in all states.
        """

    def expected_statistics(self, masses: np.ndarray) -> np.ndarray:
        """What `summarize` finds on average (n_latents, s) in rows that the states draw themselves.

        So `updated`, without priors, leaves the distribution as it is.

        Parameters
        ----------
        masses : (n_latents,)
            How many rows each state draws.
        """
        raise ValueError(
            f"A column of the type {shown(self.kind)} is not learnt from further rows, as its "
            "distribution has no expected_statistics. Fit all rows at once, or change "
            "feature_types."
        )

    @abstractmethod
    def sample_given(
        self, values: np.ndarray, states: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        """Missing values drawn given the others of the row and its state: (n, m).

        Parameters
        ----------
        values : (n, m)
        states : (n,) int
        uniforms, normals : (n, m)
            Random numbers, uniform on [0, 1) and standard normal, of which those of missing
            values are used; see `uses_uniforms`.
        """

    def mean(self) -> np.ndarray:
        """Means (n_latents, m) of numbers."""
        raise NotImplementedError(f"The kind {shown(self.kind)} of distribution has no mean.")

    def variance(self) -> np.ndarray:
        """Variances (n_latents, m) of numbers."""
        raise NotImplementedError(f"The kind {shown(self.kind)} of distribution has no variance.")

    def mode(self) -> np.ndarray:
        """The most probable value (n_latents, m) of each column."""
        raise NotImplementedError(f"The kind {shown(self.kind)} of distribution has no mode.")

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return 1

    @property
    def draw_size(self) -> int:
        """How many numbers a row takes while it is drawn, at most: perhaps a matrix."""
        return self.n_columns * (1 + self.n_columns)

    @property
    def n_statistics(self) -> int:
        """Length s of what `summarize` finds for each state."""
        nothing = np.empty((0, self.n_columns)), np.empty((0, self.n_latents))
        return self.summarize(*nothing).shape[1]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each column."""
        return (self.kind,) * self.n_columns

    def categories_of(self, entry: int) -> np.ndarray | None:
        """The categories of a column, by its position; None if its values are numbers."""
        return None

    def probabilities(self, entry: int) -> np.ndarray:
        """Probabilities (n_categories, n_latents) of a column's categories given the state."""
        raise NotImplementedError

    def missing_masses(self, values: np.ndarray, shares: np.ndarray) -> list[np.ndarray | None]:
        """Masses (n, n_categories) of each column's categories, where it is missing, given rows.

        None of a column that the rest of a row tells nothing: they follow from `probabilities`.

        Parameters
        ----------
        values : (n, m)
        shares : (n, n_latents)
            Of the states, by which what they have is mixed.
        """
        return [None] * self.n_columns

    def joint_probabilities(self, entry: int) -> list[np.ndarray | None]:
        """Probabilities (., n_categories, n_latents) of a column's categories and each other's.

        Of each column, by their positions; None of one that tells nothing given the state.
        """
        return [None] * self.n_columns

    @classmethod  # noqa: B027 - all values are welcome
    def check_values(cls, values: np.ndarray) -> None:
        """Raise ValueError if a column with these values (n,) cannot be of this kind."""

    @property
    def preparation(self) -> tuple[object, ...]:
        """What `prepared` depends on, which learning leaves as it is; none if it does nothing."""
        return ()

    def prepared(self, values: np.ndarray) -> Any:
        """What `log_prob` and `summarize` make of values (n, m) first, to be kept for later."""
        return values

    def log_prob_prepared(self, prepared: Any) -> np.ndarray:
        """`log_prob` of `prepared` values."""
        return self.log_prob(prepared)

    def summarize_prepared(self, prepared: Any, counts: np.ndarray) -> np.ndarray:
        """`summarize` of `prepared` values."""
        return self.summarize(prepared, counts)

    def log_prob_of_others(self, X: np.ndarray) -> np.ndarray:
        """Log mass or density (n, m, n_latents) of rows without each of their columns."""
        out = np.empty((*X.shape, self.n_latents))
        for entry in range(X.shape[1]):
            others = X.copy()
            others[:, entry] = np.nan
            out[:, entry] = self.log_prob(others)
        return out

    def log_units(self, values: np.ndarray) -> np.ndarray:
        """What the unit of each column adds to the log densities of its values (n, m), in nats.

        Without it they are those of a scale of their own, which all units share. Zero for a mass,
        and where it is the same for all values: then it cancels in comparisons within the column.
        """
        return np.zeros(values.shape)

    def log_peak(self, values: np.ndarray) -> np.ndarray:
        """Log density (n, n_latents) of each row with its missing values where that is largest."""
        out = np.empty((len(values), self.n_latents))
        for state in range(self.n_latents):
            filled = self.likeliest(values, np.full(len(values), state))
            out[:, state] = self.log_prob(filled)[:, state]
        return out

    def completed(self, values: np.ndarray) -> np.ndarray:
        """Numbers (n, n_latents, m), missing ones replaced by their means under each state."""
        values = values[:, None]
        return np.where(np.isnan(values), self.mean(), values)

    def likeliest(self, values: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Values (n, m), missing ones replaced by the most probable under each row's state."""
        return np.where(np.isnan(values), self.mode()[states], values)

    def conditional(self, values: np.ndarray, entry: int) -> Moments:
        """Moments of a missing number given each state and the rest of each row.

        Parameters
        ----------
        values : (n, m)
        entry : int
            The position of the column, which must be missing in all rows.
        """
        shape = len(values), self.n_latents
        means = np.broadcast_to(self.mean()[:, entry], shape)
        return Moments(means, np.broadcast_to(self.variance()[:, entry], shape))

    def on_normal_scale(self, values: np.ndarray, entry: int) -> OnNormalScale | None:
        """The same of a number that is normal on some scale given a state; None of others."""
        return None

    def marginal(self, entries: np.ndarray) -> InputDistribution:
        """The distribution of some of the columns, by their positions: at least one, ascending."""
        if self.n_columns > 1:
            raise NotImplementedError
        return self

    def restricted(self, sets: Sets) -> Restriction:
        """What evidence leaves of the distribution; see `Restriction`."""
        return restricted_column(self, *sets)

    def unbounded(self) -> Self:
        """The same, of which draws do not stay within the range that was learnt from."""
        return self

    def column_log_prob(self, values: np.ndarray, entry: int) -> np.ndarray:
        """Log mass or density (n, n_latents) of values (n,) of one column."""
        rows = np.full((len(values), self.n_columns), np.nan)
        rows[:, entry] = values
        return self.log_prob(rows)

    def cdf(self, values: np.ndarray, entry: int) -> np.ndarray:
        """Probabilities (n, n_latents) that a column is at most values (n,), given the state."""
        known = self.categories_of(entry)
        if known is None:
            raise NotImplementedError(f"The kind {shown(self.kind)} of distribution has no cdf.")
        cumulated = np.cumsum(self.probabilities(entry), axis=0)
        cumulated = np.concatenate([np.zeros((1, self.n_latents)), cumulated])
        return cumulated[np.searchsorted(known, values, "right")]

    def conditional_cdf(self, values: np.ndarray, entry: int, x: np.ndarray) -> np.ndarray | None:
        """The same (n, k, n_latents) of values x (k,), given the rest of each row (n, m) too.

        None if the rest of a row tells nothing of the column given the state.
        """
        return None

    def taken(self, states: np.ndarray) -> Self:
        """The distribution whose states are these (n,) of this one; one may be there repeatedly."""
        if not self.state_axes:
            raise NotImplementedError(
                f"The kind {shown(self.kind)} of distribution does not say what its states are."
            )
        changes = {
            name: np.take(getattr(self, name), states, axis)
            for name, axis in self.state_axes.items()
        }
        return replace(self, **changes)  # type: ignore[type-var]

    def sample(self, states: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
        """Draw one row (n, m) for each of the states (n,)."""
        shape = len(states), self.n_columns
        nothing = np.empty((0, self.n_columns))
        uniforms = random_state.random_sample(shape) if self.uses_uniforms else nothing
        normals = random_state.standard_normal(shape) if self.uses_normals else nothing
        return self.sample_given(np.full(shape, np.nan), states, uniforms, normals)

    def summarize_clusters(
        self, values: np.ndarray, counts: np.ndarray, smooth: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """`summarize` of the counts of a first assignment of rows, smoothed.

        Parameters
        ----------
        values, counts : like in `summarize`
        smooth : function
            Gives each state's counts (n_latents, n) some of all states'.
        """
        seen = ~np.isnan(values).all(axis=1)
        return self.summarize(values[seen], smooth(counts[seen].T).T)

    def recentred(self, summary: np.ndarray, former: Self) -> np.ndarray:
        """What `summarize` would have found under this distribution, not under `former`."""
        return summary

    def with_unseen(self, summary: np.ndarray, pseudocount: float) -> Self:
        """The same with that mass of categories never seen that `updated` would find."""
        return self

    def with_scales(self, scales: np.ndarray) -> Self:
        """The same, kept from degenerating in view of these scales (m,) of its columns."""
        return self

    def with_margins(self, entries: np.ndarray, centres: np.ndarray, scales: np.ndarray) -> Self:
        """The same but for columns `entries` (m,) bool of which training rows show nothing.

        In these each state has what much smoothing ends in; numbers have means `centres` (m,) and
        standard deviations `scales` (m,). By default every state fits two values, that far from
        the mean on either side; one at the mean, if these cannot be.
        """
        if not entries.any():
            return self
        values = np.stack([centres - scales, centres + scales])
        try:
            type(self).check_values(values.ravel())
        except ValueError:
            values = np.stack([centres, centres])
        return self.updated(self.summarize(values, np.ones((2, self.n_latents))))

    @property
    def n_free_arrays(self) -> int:
        """Number of arrays of `free_parameters`."""
        return len(self.free_parameters())

    def free_parameters(self) -> list[np.ndarray]:
        """Real numbers that say the same, as arrays, for learning by gradient."""
        raise ValueError(
            f"A column of the type {shown(self.kind)} is not learnt by gradient. Set solver='em'."
        )

    def with_free_parameters(self, parameters: list[np.ndarray]) -> Self:
        """The distribution with other `free_parameters`."""
        raise NotImplementedError

    def free_gradient(self, summary: np.ndarray) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log densities.

        Parameters
        ----------
        summary : (n_latents, s)
            What `summarize` makes of the counts, which may be negative.
        """
        raise NotImplementedError

    @property
    def stack_key(self) -> Hashable:
        """Distributions of one kind and key can be `stacked`; None stands alone."""
        return None

    @classmethod
    def stacked(cls, distributions: Sequence[Self]) -> Self:
        """The states of all of these, one after the other, as those of one distribution.

        What is done state by state then costs no Python call for each of many regions.
        """
        (alone,) = distributions
        return alone

    def unstacked(self, former: Sequence[Self]) -> list[Self]:
        """The distributions whose free parameters are those of this stack, otherwise `former`."""
        return [self]

    def check_arrays(self, n_latents: int, n_columns: int) -> None:
        """Raise ValueError if arrays are not as so many states and columns need them."""
        if (self.n_latents, self.n_columns) != (n_latents, n_columns):
            raise ValueError(
                f"a distribution of kind {shown(self.kind)} must have {n_latents} latent states "
                f"and {n_columns} columns; got {self.n_latents} and {self.n_columns}."
            )
        if all(self.categories_of(entry) is None for entry in range(n_columns)):
            found = np.shape(self.mean())
            if found != (n_latents, n_columns):
                raise ValueError(
                    f"arrays of a distribution of kind {shown(self.kind)} must go with {n_latents} "
                    f"latent states and {n_columns} columns: means would be of shape {found}."
                )

    def check(self) -> None:
        """Raise ValueError if the parameters are no distributions."""
        for name, values in self.to_arrays().items():
            if values.dtype.kind == "f":
                check_finite(values, f"{name} of a distribution of kind {shown(self.kind)}")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What the distribution is, as arrays by name; those that are None are left out."""
        return {
            name: np.asarray(value)
            for name, value in ((name, getattr(self, name)) for name in self._fields())
            if value is not None
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The distribution of which `to_arrays` made these; an error if there is none."""
        unknown = {*arrays} - {*cls._fields()}
        if unknown:
            raise ValueError(f"it has {shown(min(unknown))}, which is none of its arrays.")
        known = {
            name: values.item() if not values.ndim else values for name, values in arrays.items()
        }
        made = cls(**known)
        made.check_arrays(made.n_latents, made.n_columns)
        made.check()
        return made

    @classmethod
    def array_names(cls) -> dict[str, bool]:
        """What `to_arrays` calls its arrays, and whether each is always there."""
        return {
            field.name: field.default is MISSING
            for field in fields(cls)  # type: ignore[arg-type]
        }

    @classmethod
    def _fields(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))  # type: ignore[arg-type]

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fields()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        with reading(f"distribution of kind {shown(self.kind)}"):
            vars(self).update(attributes(state, self._fields()))
            self.check_arrays(self.n_latents, self.n_columns)
            self.check()
