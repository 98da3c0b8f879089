"""Composite input distributions: columns side by side, independent given the latent state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, groupby
from typing import Any, Self

import numpy as np

from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.kinds import kind_named, register
from skpc._circuit.inputs.moments import Moments, OnNormalScale
from skpc._circuit.inputs.restriction import Part, Restriction, Sets
from skpc._data.distinct import distinct_vectors
from skpc._data.scope import COMPOSITE, Scope


@register
@dataclass(frozen=True)
class Composite(InputDistribution):
    """The columns of a region, of which parts have distributions of their own for each state.

    Attributes
    ----------
    parts : tuple of InputDistribution
        Each is of the next one or more of the region's columns.
    """

    parts: tuple[InputDistribution, ...]

    kind = COMPOSITE
    is_type = False
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
        """Draw each part as its kind does, from the distinct vectors of its columns."""
        parts = []
        ends = np.cumsum([len(part.columns) for part in scope.parts])[:-1]
        for part, own in zip(scope.parts, np.split(values, ends, axis=1), strict=True):
            assert part.kind is not None
            vectors, places = distinct_vectors(own)
            of_vectors = np.bincount(places, weights, len(vectors))
            parts.append(
                kind_named(part.kind).random(
                    part, vectors, of_vectors, n_latents, random_state, shrinkage=shrinkage
                )
            )
        return cls(tuple(parts))

    @property
    def n_latents(self) -> int:
        """Number of latent states."""
        return self.parts[0].n_latents

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return sum(part.n_columns for part in self.parts)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return sum(part.n_parameters for part in self.parts)

    @property
    def draw_size(self) -> int:
        """How many numbers a row takes while it is drawn, at most: those of all parts."""
        return sum(part.draw_size for part in self.parts)

    @property
    def n_statistics(self) -> int:
        """Length of what `summarize` finds for each state: what the parts do, part by part."""
        return sum(part.n_statistics for part in self.parts)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each column."""
        return tuple(chain.from_iterable(part.kinds for part in self.parts))

    def joint_probabilities(self, entry: int) -> list[np.ndarray | None]:
        """Those of columns of the same part."""
        part, columns, own = self._place(entry)
        out: list[np.ndarray | None] = [None] * self.n_columns
        out[columns] = part.joint_probabilities(own)
        return out

    @cached_property
    def _ends(self) -> np.ndarray:
        """Where the columns of each part end."""
        return np.cumsum([part.n_columns for part in self.parts])

    def _split(self, columns: np.ndarray) -> Iterator[tuple[InputDistribution, np.ndarray]]:
        """Each part, and its own of something by column, along the last axis."""
        own = np.split(columns, self._ends[:-1], axis=-1)
        return zip(self.parts, map(np.ascontiguousarray, own), strict=True)

    def _place(self, entry: int) -> tuple[InputDistribution, slice, int]:
        """The part that a column is of, the columns of this, and the position there."""
        number = int(np.searchsorted(self._ends, entry, "right"))
        part, end = self.parts[number], int(self._ends[number])
        first = end - part.n_columns
        return part, slice(first, end), entry - first

    def categories_of(self, entry: int) -> np.ndarray | None:
        """The categories of a column, by its position; None if its values are numbers."""
        part, _, own = self._place(entry)
        return part.categories_of(own)

    def probabilities(self, entry: int) -> np.ndarray:
        """Probabilities (n_categories, n_latents) of a column's categories given the state."""
        part, _, own = self._place(entry)
        return part.probabilities(own)

    def missing_masses(self, values: np.ndarray, shares: np.ndarray) -> list[np.ndarray | None]:
        """Those of all parts."""
        return [mass for part, x in self._split(values) for mass in part.missing_masses(x, shares)]

    def log_units(self, values: np.ndarray) -> np.ndarray:
        """Those of all parts (n, m)."""
        return np.concatenate([part.log_units(x) for part, x in self._split(values)], axis=1)

    def _statistics(self, summary: np.ndarray) -> Iterator[tuple[InputDistribution, np.ndarray]]:
        """Each part, and what `summarize` found for it."""
        ends = np.cumsum([part.n_statistics for part in self.parts])[:-1]
        return zip(self.parts, np.split(summary, ends, axis=1), strict=True)

    @property
    def preparation(self) -> tuple[object, ...]:
        """Which kinds the parts are of, and their preparations, if any of them has one."""
        found = [(type(part), *part.preparation) for part in self.parts]
        return tuple(chain(*found)) if any(len(one) > 1 for one in found) else ()

    def prepared(self, values: np.ndarray) -> Any:
        """What each part makes of its columns."""
        return tuple(part.prepared(own) for part, own in self._split(values))

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Log likelihood (n, n_latents) of each row, in nats; NaN is summed out."""
        return self._log_probs(X).sum(axis=0)

    def log_prob_prepared(self, prepared: Any) -> np.ndarray:
        """The same of `prepared` values, or as they are if there is nothing to prepare."""
        if not self.preparation:
            return self.log_prob(prepared)
        pairs = zip(self.parts, prepared, strict=True)
        return np.stack([part.log_prob_prepared(own) for part, own in pairs]).sum(axis=0)

    def _log_probs(self, X: np.ndarray) -> np.ndarray:
        """That of each part (n_parts, n, n_latents)."""
        return np.stack([part.log_prob(own) for part, own in self._split(X)])

    def log_prob_of_others(self, X: np.ndarray) -> np.ndarray:
        """Log likelihood (n, m, n_latents) of each row without each of its columns, in nats."""
        of_part = self._log_probs(X)
        none = np.zeros((1, *of_part.shape[1:]))
        before = np.cumsum(np.concatenate([none, of_part[:-1]]), axis=0)
        after = np.cumsum(np.concatenate([none, of_part[:0:-1]]), axis=0)[::-1]
        sizes = [part.n_columns for part in self.parts]
        out = np.ascontiguousarray(np.repeat(before + after, sizes, axis=0).transpose(1, 0, 2))
        for (part, own), end in zip(self._split(X), self._ends.tolist(), strict=True):
            if part.n_columns > 1:
                out[:, end - part.n_columns : end] += part.log_prob_of_others(own)
        return out

    def log_peak(self, values: np.ndarray) -> np.ndarray:
        """Log likelihood (n, n_latents) of each row, what is missing where that is largest."""
        return np.stack([part.log_peak(x) for part, x in self._split(values)]).sum(axis=0)

    def summarize(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """What the parts make of the counts (n, n_latents), side by side."""
        return np.hstack([part.summarize(x, counts) for part, x in self._split(values)])

    def summarize_prepared(self, prepared: Any, counts: np.ndarray) -> np.ndarray:
        """The same of `prepared` values."""
        if not self.preparation:
            return self.summarize(prepared, counts)
        pairs = zip(self.parts, prepared, strict=True)
        return np.hstack([part.summarize_prepared(own, counts) for part, own in pairs])

    def summarize_clusters(
        self, values: np.ndarray, counts: np.ndarray, smooth: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """The same of a first assignment of rows, smoothed as each part needs it."""
        return np.hstack(
            [part.summarize_clusters(x, counts, smooth) for part, x in self._split(values)]
        )

    def expected_statistics(self, masses: np.ndarray) -> np.ndarray:
        """What the parts find in rows (n_latents,) that the states draw, side by side."""
        return np.hstack([part.expected_statistics(masses) for part in self.parts])

    def updated(self, summary: np.ndarray, pseudocount: float = 0.0) -> Self:
        """M-step of each part."""
        return self._of(part.updated(own, pseudocount) for part, own in self._statistics(summary))

    def _of(self, parts: Iterator[InputDistribution]) -> Self:
        return replace(self, parts=tuple(parts))

    def completed(self, values: np.ndarray) -> np.ndarray:
        """Numbers (n, n_latents, m), missing ones replaced by their means; NaN of categories."""
        out = np.repeat(values[:, None], self.n_latents, axis=1)
        for (part, own), end in zip(self._split(values), self._ends.tolist(), strict=True):
            if part.categories_of(0) is None:
                out[:, :, end - part.n_columns : end] = part.completed(own)
        return out

    def likeliest(self, values: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Values (n, m), missing ones replaced by the most probable under each row's state."""
        return np.hstack([part.likeliest(x, states) for part, x in self._split(values)])

    def sample_given(
        self, values: np.ndarray, states: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        """Missing values (n, m) drawn given each row's state."""
        own = (self._split(numbers) for numbers in (values, uniforms, normals))
        return np.hstack(
            [
                part.sample_given(x, states, u, z)
                for (part, x), (_, u), (_, z) in zip(*own, strict=True)
            ]
        )

    def conditional(self, values: np.ndarray, entry: int) -> Moments:
        """Moments of a missing number given each state: other parts tell nothing."""
        part, columns, own = self._place(entry)
        return part.conditional(values[:, columns], own)

    def conditional_cdf(self, values: np.ndarray, entry: int, x: np.ndarray) -> np.ndarray | None:
        """That of the part that a column is of."""
        part, columns, own = self._place(entry)
        return part.conditional_cdf(values[:, columns], own, x)

    def on_normal_scale(self, values: np.ndarray, entry: int) -> OnNormalScale | None:
        """That of the part that a column is of."""
        part, columns, own = self._place(entry)
        return part.on_normal_scale(values[:, columns], own)

    def restricted(self, sets: Sets) -> Restriction:
        """What evidence leaves of each part: parts of parts are parts."""
        log_masses, parts = np.zeros(self.n_latents), []
        for part, end in zip(self.parts, self._ends.tolist(), strict=True):
            first = end - part.n_columns
            own = sets[first:end]
            found = Restriction(log_masses, (Part(tuple(range(part.n_columns)), part),))
            if any(given is not None for given in own):
                found = part.restricted(own)
                log_masses = log_masses + found.log_masses
            parts += [
                Part(tuple(first + entry for entry in some.entries), some.distribution)
                for some in found.parts
            ]
        return Restriction(log_masses, tuple(parts))

    def unbounded(self) -> Self:
        """The same with such parts."""
        return replace(self, parts=tuple(part.unbounded() for part in self.parts))

    def column_log_prob(self, values: np.ndarray, entry: int) -> np.ndarray:
        """That of the part that a column is of."""
        part, _, own = self._place(entry)
        return part.column_log_prob(values, own)

    def cdf(self, values: np.ndarray, entry: int) -> np.ndarray:
        """That of the part that a column is of."""
        part, _, own = self._place(entry)
        return part.cdf(values, own)

    def marginal(self, entries: np.ndarray) -> InputDistribution:
        """The distribution of some of the columns, by their positions, which must ascend.

        That of a part if nothing of the others is left.
        """
        places = [self._place(int(entry)) for entry in entries]
        parts = []
        for _, some in groupby(places, key=lambda place: id(place[0])):
            own = list(some)
            parts.append(own[0][0].marginal(np.array([entry for _, _, entry in own])))
        return parts[0] if len(parts) == 1 else self._of(iter(parts))

    def taken(self, states: np.ndarray) -> Self:
        """The distribution whose states are these (n,) of this one."""
        return self._of(part.taken(states) for part in self.parts)

    def recentred(self, summary: np.ndarray, former: Self) -> np.ndarray:
        """What `summarize` would have found under this distribution, not under `former`."""
        pairs = zip(self._statistics(summary), former.parts, strict=True)
        return np.hstack([part.recentred(own, old) for (part, own), old in pairs])

    def with_unseen(self, summary: np.ndarray, pseudocount: float) -> Self:
        """The same with that mass of categories never seen that `updated` would find."""
        return self._of(p.with_unseen(own, pseudocount) for p, own in self._statistics(summary))

    def with_scales(self, scales: np.ndarray) -> Self:
        """The same, kept from degenerating in view of these scales (m,) of its columns."""
        return self._of(part.with_scales(own) for part, own in self._split(scales))

    def with_margins(self, entries: np.ndarray, centres: np.ndarray, scales: np.ndarray) -> Self:
        """The same but for columns of which training rows show nothing."""
        own = (self._split(of_columns) for of_columns in (entries, centres, scales))
        return self._of(
            part.with_margins(e, c, s) for (part, e), (_, c), (_, s) in zip(*own, strict=True)
        )

    @property
    def n_free_arrays(self) -> int:
        """Number of arrays of `free_parameters`."""
        return sum(part.n_free_arrays for part in self.parts)

    def free_parameters(self) -> list[np.ndarray]:
        """Those of all parts."""
        return [array for part in self.parts for array in part.free_parameters()]

    def with_free_parameters(self, parameters: list[np.ndarray]) -> Self:
        """The distribution with other `free_parameters`."""
        ends = np.cumsum([part.n_free_arrays for part in self.parts]).tolist()
        return self._of(
            part.with_free_parameters(parameters[end - part.n_free_arrays : end])
            for part, end in zip(self.parts, ends, strict=True)
        )

    def free_gradient(self, summary: np.ndarray) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log likelihoods."""
        return [g for part, own in self._statistics(summary) for g in part.free_gradient(own)]

    def check_arrays(self, n_latents: int, n_columns: int) -> None:
        """Raise ValueError if there are not parts of so many states and columns."""
        if type(self.parts) is not tuple or len(self.parts) < 2:
            raise ValueError("parts of a composite must be a tuple of at least two distributions.")
        for part in self.parts:
            if not isinstance(part, InputDistribution) or isinstance(part, Composite):
                raise ValueError(
                    "parts of a composite must be distributions that are no composites; got a "
                    f"{type(part).__name__}."
                )
            part.check_arrays(n_latents, part.n_columns)
        if self.n_columns != n_columns:
            raise ValueError(
                f"parts of a composite must have {n_columns} columns together; got "
                f"{self.n_columns}."
            )

    def check(self) -> None:
        """Raise ValueError if one of the parts is no distribution."""
        for part in self.parts:
            part.check()

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The kinds of the parts, and the arrays of part i as "i.name"."""
        named = {
            f"{i}.{name}": array
            for i, part in enumerate(self.parts)
            for name, array in part.to_arrays().items()
        }
        return {"kinds": np.array([part.kind for part in self.parts]), **named}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The distribution of which `to_arrays` made these; an error if there is none."""
        by_part: list[dict[str, Any]] = [{} for _ in arrays["kinds"]]
        for name, array in arrays.items():
            if name != "kinds":
                number, _, own = name.partition(".")
                if not number.isdecimal() or int(number) >= len(by_part):
                    raise ValueError(f"{name!r} is of none of the {len(by_part)} parts.")
                by_part[int(number)][own] = array
        pairs = zip(arrays["kinds"].tolist(), by_part, strict=True)
        made = cls(tuple(kind_named(kind).from_arrays(own) for kind, own in pairs))
        made.check_arrays(made.n_latents, made.n_columns)
        return made
