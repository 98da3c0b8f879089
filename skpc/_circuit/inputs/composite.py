"""Composite input distributions: several columns, independent given the latent state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from skpc._circuit.inputs.base import InputDistribution, Moments, kind_named, register
from skpc._data.scope import COMPOSITE, Scope


@register
@dataclass(frozen=True)
class Composite(InputDistribution):
    """The columns of a region, each with a distribution of its own for each latent state.

    Attributes
    ----------
    parts : tuple of InputDistribution
        Of one column each, in the order of the region's columns.
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
        """Draw each part as its kind does, from the distinct values of its column."""
        parts = []
        for column, part in zip(values.T, scope.parts, strict=True):
            assert part.kind is not None
            levels, places = np.unique(column, return_inverse=True)
            of_levels = np.bincount(places, weights, len(levels))
            parts.append(
                kind_named(part.kind).random(
                    part, levels[:, None], of_levels, n_latents, random_state, shrinkage=shrinkage
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
        return len(self.parts)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return sum(part.n_parameters for part in self.parts)

    @property
    def n_statistics(self) -> int:
        """Length of what `summarize` finds for each state: what the parts do, part by part."""
        return sum(part.n_statistics for part in self.parts)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each column."""
        return tuple(part.kind for part in self.parts)

    def categories_of(self, entry: int) -> np.ndarray | None:
        """The categories of a column, by its position; None if its values are numbers."""
        return self.parts[entry].categories_of(0)

    def probabilities(self, entry: int) -> np.ndarray:
        """Probabilities (n_categories, n_latents) of a column's categories given the state."""
        return self.parts[entry].probabilities(0)

    def _columns(self, values: np.ndarray) -> Iterator[tuple[InputDistribution, np.ndarray]]:
        """Each part, and the column (n, 1) that it is of."""
        return ((part, values[:, [i]]) for i, part in enumerate(self.parts))

    def _statistics(self, summary: np.ndarray) -> Iterator[tuple[InputDistribution, np.ndarray]]:
        """Each part, and what `summarize` found for it."""
        ends = np.cumsum([part.n_statistics for part in self.parts])[:-1]
        return zip(self.parts, np.split(summary, ends, axis=1), strict=True)

    @property
    def preparation(self) -> tuple[object, ...]:
        """That of all parts."""
        return tuple(one for part in self.parts for one in part.preparation)

    def prepared(self, values: np.ndarray) -> Any:
        """What each part makes of its column (n, 1)."""
        return tuple(part.prepared(column) for part, column in self._columns(values))

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
        """That of each column (m, n, n_latents)."""
        return np.stack([part.log_prob(column) for part, column in self._columns(X)])

    def log_prob_of_others(self, X: np.ndarray) -> np.ndarray:
        """Log likelihood (n, m, n_latents) of each row without each of its columns, in nats."""
        of_column = self._log_probs(X)
        none = np.zeros((1, *of_column.shape[1:]))
        before = np.cumsum(np.concatenate([none, of_column[:-1]]), axis=0)
        after = np.cumsum(np.concatenate([none, of_column[:0:-1]]), axis=0)[::-1]
        return np.ascontiguousarray((before + after).transpose(1, 0, 2))

    def log_peak(self, values: np.ndarray) -> np.ndarray:
        """Log likelihood (n, n_latents) of each row, what is missing where that is largest."""
        return np.stack([part.log_peak(x) for part, x in self._columns(values)]).sum(axis=0)

    def summarize(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """What the parts make of the counts (n, n_latents), side by side."""
        return np.hstack([part.summarize(x, counts) for part, x in self._columns(values)])

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
            [part.summarize_clusters(x, counts, smooth) for part, x in self._columns(values)]
        )

    def updated(self, summary: np.ndarray, pseudocount: float = 0.0) -> Self:
        """M-step of each part."""
        return self._of(part.updated(own, pseudocount) for part, own in self._statistics(summary))

    def _of(self, parts: Iterator[InputDistribution]) -> Self:
        return replace(self, parts=tuple(parts))

    def completed(self, values: np.ndarray) -> np.ndarray:
        """Numbers (n, n_latents, m), missing ones replaced by their means; NaN of categories."""
        out = np.repeat(values[:, None], self.n_latents, axis=1)
        for entry, (part, column) in enumerate(self._columns(values)):
            if part.categories_of(0) is None:
                out[:, :, [entry]] = part.completed(column)
        return out

    def likeliest(self, values: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Values (n, m), missing ones replaced by the most probable under each row's state."""
        return np.hstack([part.likeliest(x, states) for part, x in self._columns(values)])

    def sample_given(
        self, values: np.ndarray, states: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        """Missing values (n, m) drawn given each row's state."""
        return np.hstack(
            [
                part.sample_given(x, states, uniforms[:, [i]], normals[:, [i]])
                for i, (part, x) in enumerate(self._columns(values))
            ]
        )

    def conditional(self, values: np.ndarray, entry: int) -> Moments:
        """Moments of a missing number given each state: the rest of the row tells nothing."""
        return self.parts[entry].conditional(values[:, [entry]], 0)

    def marginal(self, entries: np.ndarray) -> InputDistribution:
        """The distribution of some of the columns, by their positions: a part if it is one."""
        if len(entries) == 1:
            return self.parts[entries[0]]
        return self._of(self.parts[entry] for entry in entries)

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
        return self._of(part.with_scales(scales[[i]]) for i, part in enumerate(self.parts))

    def with_margins(self, entries: np.ndarray, centres: np.ndarray, scales: np.ndarray) -> Self:
        """The same but for columns of which training rows show nothing."""
        return self._of(
            part.with_margins(entries[[i]], centres[[i]], scales[[i]])
            for i, part in enumerate(self.parts)
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
        """Raise ValueError if there is not one part of so many states for each column."""
        if type(self.parts) is not tuple or len(self.parts) != n_columns or not n_columns:
            raise ValueError(f"parts of a composite must be a tuple of {n_columns} distributions.")
        for part in self.parts:
            if not isinstance(part, InputDistribution) or isinstance(part, Composite):
                raise ValueError(
                    "parts of a composite must be distributions of one column; got a "
                    f"{type(part).__name__}."
                )
            part.check_arrays(n_latents, 1)

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
        return {"kinds": np.array(self.kinds), **named}

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
