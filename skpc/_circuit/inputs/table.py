"""Tables of probabilities of categories: one for each region that observes a discrete column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit

from skpc._checks import check_finite, checked_array
from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.binomial import Binomials
from skpc._circuit.inputs.kinds import register
from skpc._circuit.inputs.restriction import Restriction, Sets, to_table
from skpc._data.evidence import symbols_of
from skpc._data.scope import BINOMIAL, CATEGORICAL, Scope
from skpc._kernels.mstep import WEIGHT_FLOOR

_EVEN_PER_PSEUDOCOUNT = 100.0
ROUNDING = 1e-8  # of sums of probabilities; those of thousands of levels are off by 1e-11


def even_rows(pseudocount: float) -> float:
    """How many rows, one at most, a column's categories share evenly, in all states together.

    They make up for categories that rows did not show yet.
    """
    return min(_EVEN_PER_PSEUDOCOUNT * pseudocount, 1.0)


def choose(cpt: np.ndarray, states: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Draw from row ``states[i]`` of `cpt` (n_states, m), rows summing to one, for each i.

    One binary search in all rows' cumulative sums, laid end to end. uniforms (n,): in [0, 1).
    """
    n_states, n_choices = cpt.shape
    cumulative = np.cumsum(cpt, axis=1)
    cumulative[:, -1] = 1.0
    ends = (cumulative + np.arange(n_states)[:, None]).ravel()
    chosen = np.searchsorted(ends, states + uniforms)
    # A draw of almost zero may be rounded into the end of the row before.
    return np.maximum(chosen - n_choices * states, 0)


class Tables:
    """How the tables of many regions are laid end to end, and the mathematics of all at once.

    A table (n_categories, n_latents) is a part of `probs`, whose columns sum to one over each
    table. Beside it, `unseen` (n_regions, n_latents) is the mass that a value outside the
    categories is given.

    Parameters
    ----------
    categories : per region, its sorted values; empty or None if it has no table
    is_binomial : (n_regions,) bool

    Attributes
    ----------
    n_categories : (n_regions,)
    start : (n_regions + 1,)
        Where the categories of each region start.
    binomials : Binomials
    """

    def __init__(self, categories: Sequence[np.ndarray | None], is_binomial: np.ndarray) -> None:
        self._categories = categories
        self.n_categories = np.array([0 if c is None else len(c) for c in categories], np.int64)
        self.start = np.append(0, np.cumsum(self.n_categories))
        self.binomials = Binomials(is_binomial, self.start)
        self._occupied = self.n_categories > 0

    def _reduced(
        self, operation: np.ufunc, per_category: np.ndarray
    ) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Sums, say, over the categories of each table, and a map back."""
        occupied = self._occupied
        if not occupied.any():
            return per_category[:0], lambda totals: totals
        totals = operation.reduceat(per_category, self.start[:-1][occupied])
        return totals, lambda totals: np.repeat(totals, self.n_categories[occupied], axis=0)

    def random(self, n_latents: int, random_state: np.random.RandomState) -> np.ndarray:
        """Probabilities drawn as ``exp(-2 u)``, u uniform, normalised.

        Binomial ones have a probability of success drawn evenly from 0.1 to 0.9.
        """
        probs = np.exp(-2.0 * random_state.random_sample((self.start[-1], n_latents)))
        for first, last in pairwise(self.start):
            probs[first:last] /= probs[first:last].sum(axis=0)
        if len(self.binomials):
            success = 0.1 + 0.8 * random_state.random_sample((len(self.binomials), n_latents))
            probs[self.binomials.rows] = self.binomials.masses(success)
        return probs

    def even(self, n_latents: int) -> np.ndarray:
        """Probabilities where each category, or success, is as likely as another."""
        probs = np.repeat(1.0 / np.maximum(self.n_categories, 1), self.n_categories)
        probs = np.repeat(probs[:, None], n_latents, axis=1)
        if len(self.binomials):
            half = np.full((len(self.binomials), n_latents), 0.5)
            probs[self.binomials.rows] = self.binomials.masses(half)
        return probs

    def evened(
        self, probs: np.ndarray, unseen: np.ndarray, regions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and unseen mass, even in some of the regions (n_regions,) bool."""
        chosen = np.repeat(regions, self.n_categories)[:, None]
        with_table = regions & self._occupied
        unseen = unseen.copy()
        unseen[with_table] = 1.0 / self.n_categories[with_table, None]
        return np.where(chosen, self.even(probs.shape[1]), probs), unseen

    def n_parameters(self, n_latents: int) -> int:
        """Number of free parameters."""
        n_free = np.maximum(self.n_categories - 1, 0).sum() - len(self.binomials.rows)
        return int(n_free + 2 * len(self.binomials)) * n_latents

    def updated(
        self, probs: np.ndarray, unseen: np.ndarray, counts: np.ndarray, pseudocount: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """M-step: probabilities and unseen mass from counts, shaped like the probabilities."""
        occupied = self._occupied
        if not occupied.any():
            return probs, unseen
        counts = np.maximum(counts, 0.0)
        totals, spread = self._reduced(np.add, counts)
        overall = counts.sum(axis=1, keepdims=True)
        total, _ = self._reduced(np.add, overall)
        # The pseudocounts, unlike these, are spread as the column is in all states.
        n_even = even_rows(pseudocount)
        safe = np.where(total > 0.0, total, 1.0)
        even = n_even / self.n_categories[occupied, None]
        of_rare = totals * (even / safe) + pseudocount * (even / (safe + n_even))
        has_flow = totals > 0.0  # a state that received none keeps its distribution
        totals = np.where(has_flow, totals * (1.0 + n_even / safe) + pseudocount, 1.0)
        common = pseudocount * (overall / spread(safe + n_even))
        new = (counts + common + spread(of_rare)) / spread(totals)
        new = np.maximum(new, WEIGHT_FLOOR)
        if len(self.binomials):
            levels = self.binomials.rows
            new[levels] = self.binomials.masses(self.binomials.success(counts[levels], pseudocount))
        unseen = unseen.copy()
        unseen[occupied] = np.where(
            has_flow, np.maximum(of_rare / totals, WEIGHT_FLOOR), unseen[occupied]
        )
        return np.where(spread(has_flow), new, probs), unseen

    def smoothed(
        self, counts: np.ndarray, smooth: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Counts, shaped like the probabilities, those (K, n_categories) of each table smoothed."""
        counts = counts.copy()
        for first, last in pairwise(self.start.tolist()):
            if first < last:
                counts[first:last] = smooth(counts[first:last].T).T
        return counts

    def free_parameters(self, probs: np.ndarray) -> list[np.ndarray]:
        """Logarithms of the probabilities (those of levels mean nothing), log-odds of binomials."""
        return [np.log(probs), self.binomials.log_odds(probs[self.binomials.rows])]

    def from_free_parameters(self, logits: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
        """The probabilities with these `free_parameters`, normalised."""
        largest, spread = self._reduced(np.maximum, logits)
        probs = np.exp(logits - spread(largest))
        totals, spread = self._reduced(np.add, probs)
        probs = np.maximum(probs / spread(totals), WEIGHT_FLOOR)
        probs[self.binomials.rows] = self.binomials.masses(expit(log_odds))
        return probs

    def free_gradient(self, probs: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log probabilities."""
        totals, spread = self._reduced(np.add, counts)
        of_probs = counts - probs * spread(totals)
        levels = self.binomials.rows
        of_log_odds = self.binomials.gradient(counts[levels], probs[levels])
        of_probs[levels] = 0.0
        return [of_probs, of_log_odds]

    def check(self, probs: np.ndarray, unseen: np.ndarray) -> None:
        """Raise ValueError if these are no distributions over sorted categories."""
        flat = np.concatenate([np.empty(0), *(c for c in self._categories if c is not None)])
        check_finite(flat, "categories")
        steps, is_first, is_level = np.diff(flat), *np.zeros((2, len(flat)), bool)
        is_first[self.start[:-1][self._occupied]] = True
        is_level[self.binomials.rows] = True
        if not ((steps > 0) | is_first[1:]).all():
            raise ValueError("categories must be sorted and distinct.")
        is_whole = flat % 1 == 0
        if not (((steps == 1) | is_first[1:] | ~is_level[1:]).all() and is_whole[is_level].all()):
            raise ValueError("categories of binomial regions must be consecutive integers.")
        for name, values in ("probs", probs), ("unseen", unseen):
            check_finite(values, name)
            if not ((values > 0) & (values <= 1 + ROUNDING)).all():
                raise ValueError(f"{name} must be above 0 and at most 1.")
        totals, _ = self._reduced(np.add, probs)
        if (np.abs(totals - 1) > ROUNDING).any():
            raise ValueError("probs must sum to one over the categories of a region.")


@register
@dataclass(frozen=True)
class Categorical(InputDistribution):
    """One distribution over categories for each latent state of a region.

    Attributes
    ----------
    categories : (n_categories,) float64, sorted
        The values seen in training.
    probs : (n_categories, n_latents)
        Probability of each category given the state; columns sum to one.
    unseen : (n_latents,)
        Mass given to a value outside `categories`: that of a category with no count.
        Kept beside the distribution, whose mass on the seen categories is one.
    """

    categories: np.ndarray
    probs: np.ndarray
    unseen: np.ndarray

    kind = CATEGORICAL
    is_table = True
    state_axes: ClassVar = {"probs": 1, "unseen": 0}

    def __post_init__(self) -> None:
        n_categories, n_latents = np.shape(self.probs)
        if np.shape(self.categories) != (n_categories,) or np.shape(self.unseen) != (n_latents,):
            raise ValueError(
                f"categories and unseen must have the shapes {(n_categories,)} and {(n_latents,)} "
                f"that go with probs; got {np.shape(self.categories)} and {np.shape(self.unseen)}."
            )

    @property
    def _alone(self) -> Tables:
        return Tables((self.categories,), np.array([self.kind == BINOMIAL]))

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
        """Draw probabilities as `Tables.random` does; values do not matter."""
        assert scope.categories is not None
        alone = Tables((scope.categories,), np.array([cls.kind == BINOMIAL]))
        unseen = np.full(n_latents, WEIGHT_FLOOR)
        return cls(scope.categories, alone.random(n_latents, random_state), unseen)

    @property
    def n_latents(self) -> int:
        """Number of latent states."""
        return self.probs.shape[1]

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return self._alone.n_parameters(self.n_latents)

    @property
    def n_statistics(self) -> int:
        """Length of what `summarize` finds for each state."""
        return len(self.categories)

    def categories_of(self, entry: int) -> np.ndarray:
        """The categories."""
        return self.categories

    def probabilities(self, entry: int) -> np.ndarray:
        """Probabilities (n_categories, n_latents)."""
        return self.probs

    def restricted(self, sets: Sets) -> Restriction:
        """A table of the categories that evidence leaves."""
        (given,) = sets
        assert given is not None
        is_left = given.contains(self.categories)
        return to_table(self.categories[is_left], np.log(self.probs[is_left]))

    def mode(self) -> np.ndarray:
        """The most probable category (n_latents, 1)."""
        return self.categories[self.probs.argmax(axis=0)][:, None]

    def _symbols(self, values: np.ndarray) -> np.ndarray:
        return symbols_of(np.asarray(values, np.float64).reshape(-1), self.categories)

    def log_table(self, missing: np.ndarray) -> np.ndarray:
        """Log masses of all symbols: categories, a missing value worth (n_latents,), an unseen."""
        return np.log(np.concatenate([self.probs, missing[None], self.unseen[None]]))

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Log mass of each row for each latent state, in nats.

        Parameters
        ----------
        X : (n, 1) or (n,)
            Values; NaN is summed out.

        Returns
        -------
        (n, n_latents) float64
        """
        return self.log_table(np.ones(self.n_latents))[self._symbols(X)]

    def log_peak(self, values: np.ndarray) -> np.ndarray:
        """Log mass (n, n_latents) of each row, that of the most probable where it is missing."""
        return self.log_table(self.probs.max(axis=0))[self._symbols(values)]

    def summarize(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Counts (n_latents, n_categories); missing and unseen values tell nothing."""
        n_rows, n_categories = len(values), len(self.categories)
        shape = n_rows, n_categories + 2
        shows = csr_array((np.ones(n_rows), self._symbols(values), np.arange(n_rows + 1)), shape)
        return (shows.T @ counts)[:n_categories].T

    def expected_statistics(self, masses: np.ndarray) -> np.ndarray:
        """Counts (n_latents, n_categories) in rows (n_latents,) that the states draw."""
        return (self.probs * masses).T

    def updated(self, summary: np.ndarray, pseudocount: float = 0.0) -> Self:
        """M-step, as that of `Tables`."""
        counts = np.ascontiguousarray(summary.T)
        probs, unseen = self._alone.updated(self.probs, self.unseen[None], counts, pseudocount)
        return replace(self, probs=probs, unseen=unseen[0])

    def sample_given(
        self, values: np.ndarray, states: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        """Categories drawn where values (n, 1) are missing."""
        drawn = self.categories[choose(self.probs.T, states, uniforms[:, 0])]
        return np.where(np.isnan(values), drawn[:, None], values)

    def with_unseen(self, summary: np.ndarray, pseudocount: float) -> Self:
        """The same probabilities with the unseen mass that `updated` finds."""
        return replace(self, unseen=self.updated(summary, pseudocount).unseen)

    def with_margins(self, entries: np.ndarray, centres: np.ndarray, scales: np.ndarray) -> Self:
        """Even probabilities, if training rows show nothing of the column."""
        if not entries.any():
            return self
        probs, unseen = self._alone.evened(self.probs, self.unseen[None], entries)
        return replace(self, probs=probs, unseen=unseen[0])

    @property
    def n_free_arrays(self) -> int:
        """Number of arrays of `free_parameters`."""
        return 2

    def free_parameters(self) -> list[np.ndarray]:
        """See `Tables.free_parameters`."""
        return self._alone.free_parameters(self.probs)

    def with_free_parameters(self, parameters: list[np.ndarray]) -> Self:
        """The distribution with other `free_parameters`."""
        return replace(self, probs=self._alone.from_free_parameters(*parameters))

    def free_gradient(self, summary: np.ndarray) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log masses."""
        return self._alone.free_gradient(self.probs, np.ascontiguousarray(summary.T))

    def check_arrays(self, n_latents: int, n_columns: int) -> None:
        """Raise ValueError if arrays are not as so many states and one column need them."""
        super().check_arrays(n_latents, n_columns)
        categories = checked_array(self.categories, "categories", float, (None,))
        if not len(categories):
            raise ValueError("categories must be at least one.")
        vars(self).update(
            categories=categories,
            probs=checked_array(self.probs, "probs", float, (len(categories), n_latents)),
            unseen=checked_array(self.unseen, "unseen", float, (n_latents,)),
        )

    def check(self) -> None:
        """Raise ValueError if these are no distributions over sorted categories."""
        self._alone.check(self.probs, self.unseen[None])


@register
@dataclass(frozen=True)
class Binomial(Categorical):
    """One binomial distribution over levels for each latent state of a region.

    The categories are consecutive integers, of which a state takes the one at position s with the
    probability of s successes in ``n_categories - 1`` trials.
    """

    kind = BINOMIAL
