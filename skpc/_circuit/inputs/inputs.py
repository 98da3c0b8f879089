"""Input distributions: what a region's latent state says of the columns it observes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
from scipy.special import expit

from skpc._checks import attributes, check_finite, checked_array, reading
from skpc._circuit.inputs.binomial import Binomials
from skpc._circuit.inputs.gaussian import Gaussian, stacked
from skpc._data.evidence import Evidence, encode, symbols_of
from skpc._data.rows import Rows
from skpc._data.scope import BINOMIAL
from skpc._kernels.mstep import WEIGHT_FLOOR

_STATE = ("features", "categories", "probs", "unseen", "gaussians", "is_binomial")
_ROUNDING = 1e-8  # of sums of probabilities; those of thousands of levels are off by 1e-11


@dataclass(frozen=True)
class Categorical:
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

    def __post_init__(self) -> None:
        n_categories, n_latents = np.shape(self.probs)
        if np.shape(self.categories) != (n_categories,) or np.shape(self.unseen) != (n_latents,):
            raise ValueError(
                f"categories and unseen must have the shapes {(n_categories,)} and {(n_latents,)} "
                f"that go with probs; got {np.shape(self.categories)} and {np.shape(self.unseen)}."
            )

    def __setstate__(self, state: dict[str, Any]) -> None:
        with reading("distribution of categories"):
            state = attributes(state, ("categories", "probs", "unseen"))
            alone = Inputs(
                [np.zeros(1, np.int64)], [state["categories"]], state["probs"],
                state["unseen"][None], {},
            )  # fmt: skip
            alone.check()
            vars(self).update(vars(alone[0]))

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
        values = np.asarray(X, dtype=np.float64).reshape(-1)
        symbols = symbols_of(values, self.categories)
        table = np.concatenate([self.probs, np.ones_like(self.unseen)[None], self.unseen[None]])
        return np.log(table[symbols])


def _scaled(log_prob: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (n, K), the largest of each row in [1, 2), times two to exponents (n,)."""
    exponents = np.floor(log_prob.max(axis=1) / np.log(2.0))
    return np.exp(log_prob - exponents[:, None] * np.log(2.0)), exponents.astype(np.int64)


def _layout(categories: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
    """Number of categories of each region, and where they start when laid end to end."""
    n_categories = np.array([0 if c is None else len(c) for c in categories], np.int64)
    return n_categories, np.append(0, np.cumsum(n_categories))


class Inputs(Sequence["Categorical | Gaussian | None"]):
    """The input distributions of all regions; item r is that of region r.

    Categorical ones are stored flat, so that tables with thousands of columns cost no
    Python call a column.

    Parameters
    ----------
    features : per region, the columns it observes
    categories : per region, its sorted values; None where it is continuous
    probs : (sum of the numbers of categories, n_latents)
    unseen : (n_regions, n_latents)
    gaussians : dict
        Of the continuous regions.
    is_binomial : (n_regions,) bool or None
        Whether the categories of a region are levels, consecutive integers, and its distributions
        binomial; None if none are.

    Raises
    ------
    ValueError
        If arrays are not of the dtypes and shapes that go together.
    """

    def __init__(
        self,
        features: Sequence[np.ndarray],
        categories: Sequence[np.ndarray | None],
        probs: np.ndarray,
        unseen: np.ndarray,
        gaussians: dict[int, Gaussian],
        is_binomial: np.ndarray | None = None,
    ) -> None:
        if is_binomial is None:
            is_binomial = np.zeros(len(categories), bool)
        self.features = tuple(features)
        self.categories = tuple(categories)
        self.probs = probs
        self.unseen = unseen
        self.gaussians = gaussians
        self.is_binomial = is_binomial
        self._lay_out()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _STATE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        with reading("set of input distributions"):
            vars(self).update(attributes(state, _STATE))
            self._lay_out()
            self.check()

    def _lay_out(self) -> None:
        """Make sure that arrays fit together, and find where the categories of a region start."""
        n_regions = len(self.categories)
        if len(self.features) != n_regions:
            raise ValueError(
                f"features must have one entry for each of the {n_regions} regions of categories; "
                f"got {len(self.features)}."
            )
        self.features = tuple(
            checked_array(columns, f"features of region {region}", int, (None,))
            for region, columns in enumerate(self.features)
        )
        self.categories = tuple(
            None
            if values is None
            else checked_array(values, f"categories of region {region}", float, (None,))
            for region, values in enumerate(self.categories)
        )
        self.is_binomial = checked_array(self.is_binomial, "is_binomial", bool, (n_regions,))
        self.n_categories, self.start = _layout(self.categories)
        self.probs = checked_array(self.probs, "probs", float, (int(self.start[-1]), None))
        n_latents = self.probs.shape[1]
        self.unseen = checked_array(self.unseen, "unseen", float, (n_regions, n_latents))
        for region, columns in enumerate(self.features):
            self._check_region(region, len(columns), n_latents)
        continuous = {region for region, known in enumerate(self.categories) if known is None}
        if not isinstance(self.gaussians, dict) or {*self.gaussians} != continuous:
            raise ValueError(
                f"gaussians must be a dict of those of the continuous regions, {continuous}."
            )
        if (self.is_binomial & (self.n_categories == 0)).any():
            raise ValueError("is_binomial must be False in regions without categories.")
        self.binomials = Binomials(self.is_binomial, self.start)

    def _check_region(self, region: int, n_columns: int, n_latents: int) -> None:
        """Raise ValueError if what a region has is not what goes with so many columns."""
        if self.features[region].min(initial=0) < 0:
            raise ValueError(f"features of region {region} must not be negative.")
        if self.categories[region] is None:
            gaussian = self.gaussians.get(region)
            if not isinstance(gaussian, Gaussian) or not n_columns:
                raise ValueError(
                    f"region {region} has no categories: it needs columns and a Gaussian; got "
                    f"{n_columns} columns and a {type(gaussian).__name__}."
                )
            gaussian.check_arrays(n_latents, n_columns)
        elif n_columns > 1 or (self.n_categories[region] > 0) != (n_columns == 1):
            raise ValueError(
                f"region {region} has {n_columns} columns and {self.n_categories[region]} "
                "categories: one column needs at least one category, no column has none."
            )

    def check(self) -> None:
        """Raise ValueError if these are no distributions over sorted categories and vectors."""
        flat = np.concatenate([np.empty(0), *(c for c in self.categories if c is not None)])
        check_finite(flat, "categories")
        steps, is_first, is_level = np.diff(flat), *np.zeros((2, len(flat)), bool)
        is_first[self.start[:-1][self.n_categories > 0]] = True
        is_level[self.binomials.rows] = True
        if not ((steps > 0) | is_first[1:]).all():
            raise ValueError("categories must be sorted and distinct.")
        if not ((steps == 1) | is_first[1:] | ~is_level[1:]).all():
            raise ValueError("categories of binomial regions must be consecutive integers.")
        for name, values in ("probs", self.probs), ("unseen", self.unseen):
            check_finite(values, name)
            if not ((values > 0) & (values <= 1 + _ROUNDING)).all():
                raise ValueError(f"{name} must be above 0 and at most 1.")
        totals, _ = self._reduced(np.add, self.probs)
        if (np.abs(totals - 1) > _ROUNDING).any():
            raise ValueError("probs must sum to one over the categories of a region.")
        for gaussian in self.gaussians.values():
            gaussian.check()

    def replaced(self, **changes: Any) -> Inputs:
        """The same inputs, but for these attributes, none of them the layout; unchecked."""
        inputs = object.__new__(type(self))
        vars(inputs).update(vars(self), **changes)
        return inputs

    @classmethod
    def random(
        cls,
        rows: Rows,
        n_latents: int,
        random_state: np.random.RandomState,
        *,
        shrinkage: float = 0.0,
    ) -> Inputs:
        """Draw categorical distributions as ``exp(-2 u)``, u uniform, normalised.

        Binomial ones have a probability of success drawn evenly from 0.1 to 0.9. Gaussians start
        at rows that are far apart, see `Gaussian.random`, drawn from `rows` by their weights.
        """
        categories = [scope.categories for scope in rows.scopes]
        is_binomial = np.array([scope.kind == BINOMIAL for scope in rows.scopes])
        _, start = _layout(categories)
        probs = np.exp(-2.0 * random_state.random_sample((start[-1], n_latents)))
        for first, last in pairwise(start):
            probs[first:last] /= probs[first:last].sum(axis=0)
        if is_binomial.any():
            binomials = Binomials(is_binomial, start)
            success = 0.1 + 0.8 * random_state.random_sample((len(binomials), n_latents))
            probs[binomials.rows] = binomials.masses(success)
        unseen = np.full((len(categories), n_latents), WEIGHT_FLOOR)
        gaussians = {}
        for region, vectors in enumerate(rows.evidence.values):
            if vectors is not None:
                gaussians[region] = Gaussian.random(
                    vectors, rows.weights_of(region), n_latents, shrinkage, random_state
                )
        return cls(rows.features, categories, probs, unseen, gaussians, is_binomial)

    def __len__(self) -> int:
        return len(self.categories)

    def __getitem__(self, region):  # type: ignore[no-untyped-def]
        if isinstance(region, slice):
            return [self[r] for r in range(len(self))[region]]
        region = range(len(self))[region]
        if region in self.gaussians:
            return self.gaussians[region]
        if self.n_categories[region] == 0:
            return None
        rows = slice(self.start[region], self.start[region + 1])
        return Categorical(self.categories[region], self.probs[rows], self.unseen[region])

    def __iter__(self) -> Iterator[Categorical | Gaussian | None]:
        return (self[region] for region in range(len(self)))

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        n_free = np.maximum(self.n_categories - 1, 0).sum() - len(self.binomials.rows)
        n_discrete = int(n_free + 2 * len(self.binomials)) * self.probs.shape[1]
        return n_discrete + sum(g.n_parameters for g in self.gaussians.values())

    def encode(self, X: np.ndarray) -> Evidence:
        """What the rows of X (n, n_features), NaN missing, show each region."""
        return encode(X, self.features, self.categories)

    def likelihoods(self, evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
        """Likelihood of every symbol: (sum of n_symbols, n_latents) times two to the (sum,).

        Region after region. The largest entry of each row of the first is in [0.5, 1).
        """
        table = np.ones((int(evidence.n_symbols.sum()), self.probs.shape[1]))
        exponents = np.zeros(len(table), np.int64)
        table[self.category_rows(evidence)] = self.probs
        ends = np.cumsum(evidence.n_symbols)
        discrete = np.array([vectors is None for vectors in evidence.values])
        least = self._least_exponent
        table[ends[discrete] - 1] = self.unseen[discrete]
        for region, gaussian in self.gaussians.items():
            rows = slice(ends[region] - evidence.n_symbols[region], ends[region])
            vectors = evidence.values[region]
            assert vectors is not None
            table[rows], exponents[rows] = _scaled(gaussian.log_prob(vectors))
            n_seen = (~np.isnan(vectors)).sum(axis=1)
            np.maximum(exponents[rows], least * np.maximum(n_seen, 1), out=exponents[rows])
        _, shifts = np.frexp(table.max(axis=1))
        return np.ldexp(table, -shifts[:, None]), exponents + shifts

    def likelihoods_of_others(
        self, evidence: Evidence
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What symbols of several columns are worth without each one of these.

        Returns
        -------
        start : (n_regions,)
            Without its column c, symbol s of the table of all symbols, of a region r with m > 1
            columns, is in row ``start[r] + s * m + c``.
        table, exponents : like `likelihoods`
        """
        start = np.zeros(len(self), np.int64)
        tables = [np.zeros((0, self.probs.shape[1]))]
        exponents = [np.zeros(0, np.int64)]
        n_rows = 0
        first = np.cumsum(evidence.n_symbols) - evidence.n_symbols
        for region, gaussian in self.gaussians.items():
            vectors = evidence.values[region]
            assert vectors is not None
            n_symbols, m = vectors.shape
            if m == 1:
                continue
            log_prob = gaussian.log_prob_of_others(vectors)
            table, shifts = _scaled(log_prob.reshape(n_symbols * m, -1))
            is_seen = ~np.isnan(vectors)
            n_seen = is_seen.sum(axis=1, keepdims=True) - is_seen
            n_seen = np.maximum(n_seen, 1)  # of nothing seen one is rounded, perhaps to below one
            np.maximum(shifts, self._least_exponent * n_seen.ravel(), out=shifts)
            start[region] = n_rows - first[region] * m
            n_rows += n_symbols * m
            tables.append(table)
            exponents.append(shifts)
        return start, np.concatenate(tables), np.concatenate(exponents)

    @property
    def _least_exponent(self) -> int:
        """Of the likelihood of a column, however far it is: all together are a number still."""
        n_columns = sum(gaussian.means.shape[1] for gaussian in self.gaussians.values())
        return -(2**62 // max(1, n_columns))

    def category_rows(self, evidence: Evidence) -> np.ndarray:
        """Rows of the table of symbols that stand for categories."""
        first = np.cumsum(evidence.n_symbols) - evidence.n_symbols
        offsets = np.arange(self.start[-1]) - np.repeat(self.start[:-1], self.n_categories)
        return np.repeat(first, self.n_categories) + offsets

    def summarize(self, evidence: Evidence, counts: np.ndarray) -> list[np.ndarray]:
        """Sufficient statistics, which add over rows: what `updated` needs.

        Parameters
        ----------
        evidence : Evidence
        counts : (sum of n_symbols, n_latents)
            Expected counts, laid out like `likelihoods`. Linear in them.

        Returns
        -------
        list
            Counts of all categories, then moments of each Gaussian. Missing and unseen
            values tell nothing about categories.
        """
        summary = [counts[self.category_rows(evidence)]]
        ends = np.cumsum(evidence.n_symbols)
        for region, gaussian in self.gaussians.items():
            rows = slice(ends[region] - evidence.n_symbols[region], ends[region])
            vectors = evidence.values[region]
            summary.append(gaussian.summarize(vectors, counts[rows]))  # type: ignore[arg-type]
        return summary

    def updated(self, summary: list[np.ndarray], pseudocount: float) -> Inputs:
        """M-step: the distributions that fit these statistics best.

        Parameters
        ----------
        summary : list
            Sums of what `summarize` returns.
        pseudocount : float
            Added to the counts of each categorical distribution in all, spread evenly.
        """
        counts, *moments = summary
        probs, unseen = self.probs, self.unseen
        occupied = self.n_categories > 0
        if occupied.any():
            counts = np.maximum(counts, 0.0)
            totals, spread = self._reduced(np.add, counts)
            share = pseudocount / self.n_categories[occupied, None]
            # A state that received no flow keeps its distribution.
            has_flow = totals > 0.0
            totals = np.where(has_flow, totals + pseudocount, 1.0)
            probs = np.maximum((counts + spread(share)) / spread(totals), WEIGHT_FLOOR)
            if len(self.binomials):
                levels = self.binomials.rows
                success = self.binomials.success(counts[levels], pseudocount)
                probs[levels] = self.binomials.masses(success)
            probs = np.where(spread(has_flow), probs, self.probs)
            unseen = unseen.copy()
            unseen[occupied] = np.where(
                has_flow, np.maximum(share / totals, WEIGHT_FLOOR), unseen[occupied]
            )
        gaussians = {
            region: gaussian.updated(part)
            for (region, gaussian), part in zip(self.gaussians.items(), moments, strict=True)
        }
        return self.replaced(probs=probs, unseen=unseen, gaussians=gaussians)

    def marginal(
        self, regions: np.ndarray, features: Sequence[np.ndarray], kept: Sequence[np.ndarray]
    ) -> Inputs:
        """The inputs of some regions, which observe `features` instead.

        Parameters
        ----------
        regions : (m,)
        features : m arrays
            The new numbers of their columns.
        kept : m arrays
            Positions, among the columns of a region, of those that it still observes.
        """
        nothing = np.empty(0)
        categories = [
            self.categories[region] if len(positions) else nothing
            for region, positions in zip(regions, kept, strict=True)
        ]
        probs = [
            self.probs[self.start[region] : self.start[region + 1]]
            for region, positions in zip(regions, kept, strict=True)
            if len(positions)
        ]
        gaussians = {
            i: self.gaussians[region].marginal(positions)
            for i, (region, positions) in enumerate(zip(regions.tolist(), kept, strict=True))
            if region in self.gaussians and len(positions)
        }
        is_observed = np.array([len(positions) > 0 for positions in kept])
        return Inputs(
            features,
            categories,
            np.concatenate(probs),
            self.unseen[regions].copy(),
            gaussians,
            self.is_binomial[regions] & is_observed,
        )

    def recentred(self, summary: list[np.ndarray], former: Inputs) -> list[np.ndarray]:
        """What `summarize` said under `former`, about the means of these Gaussians instead."""
        counts, *moments = summary
        pairs = zip(self.gaussians.values(), former.gaussians.values(), moments, strict=True)
        return [counts, *(new.recentred(part, old.means) for new, old, part in pairs)]

    def with_unseen(self, counts: np.ndarray, pseudocount: float) -> Inputs:
        """The same distributions, with the unseen mass that `updated` finds for these counts."""
        unseen = self.replaced(gaussians={}).updated([counts], pseudocount).unseen
        return self.replaced(unseen=unseen)

    def with_scales(self, scales: np.ndarray) -> Inputs:
        """The same distributions, whose floor and shrinkage refer to other scales.

        Parameters
        ----------
        scales : (n_features,)
            Standard deviation of each column; those of categories are not used.
        """
        gaussians = {
            region: gaussian.with_scales(scales[self.features[region]])
            for region, gaussian in self.gaussians.items()
        }
        return self.replaced(gaussians=gaussians)

    def with_margins(self, is_empty: np.ndarray, centres: np.ndarray, scales: np.ndarray) -> Inputs:
        """The same distributions, but for columns of which training rows show nothing.

        Of these every state has what much smoothing ends in: each category is as likely as
        another, a continuous column has its mean and standard deviation. EM leaves it so.

        Parameters
        ----------
        is_empty : (n_features,)
        centres, scales : (n_features,)
            Of continuous columns.
        """
        if not is_empty.any():
            return self
        probs, unseen, gaussians = self.probs.copy(), self.unseen.copy(), dict(self.gaussians)
        even = np.repeat(1.0 / np.maximum(self.n_categories, 1), self.n_categories)
        even = np.repeat(even[:, None], probs.shape[1], axis=1)
        if len(self.binomials):
            half = np.full((len(self.binomials), probs.shape[1]), 0.5)
            even[self.binomials.rows] = self.binomials.masses(half)
        for region, features in enumerate(self.features):
            columns = np.asarray(features, np.int64)
            if not is_empty[columns].any():
                continue
            if region in gaussians:
                gaussians[region] = gaussians[region].with_margins(
                    is_empty[columns], centres[columns], scales[columns]
                )
            else:
                rows = slice(self.start[region], self.start[region + 1])
                probs[rows] = even[rows]
                unseen[region] = 1.0 / self.n_categories[region]
        return self.replaced(probs=probs, unseen=unseen, gaussians=gaussians)

    def _reduced(
        self, operation: np.ufunc, per_category: np.ndarray
    ) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Sums, say, over the categories of each region that has some, and a map back."""
        occupied = self.n_categories > 0
        if not occupied.any():
            return per_category[:0], lambda totals: totals
        totals = operation.reduceat(per_category, self.start[:-1][occupied])
        return totals, lambda totals: np.repeat(totals, self.n_categories[occupied], axis=0)

    def free_parameters(self) -> list[np.ndarray]:
        """Arrays of real numbers that say the same: logarithms of probabilities (those of levels
        mean nothing), log-odds of binomials, and those of the Gaussians; see
        `Gaussian.free_parameters`.
        """
        log_odds = self.binomials.log_odds(self.probs[self.binomials.rows])
        of_gaussians = (stack.free_parameters() for _, stack in self._stacks())
        return [np.log(self.probs), log_odds, *chain.from_iterable(of_gaussians)]

    def with_free_parameters(self, parameters: list[np.ndarray]) -> Inputs:
        """The inputs with other `free_parameters`; probabilities are normalised."""
        logits, log_odds, *of_gaussians = parameters
        largest, spread = self._reduced(np.maximum, logits)
        probs = np.exp(logits - spread(largest))
        totals, spread = self._reduced(np.add, probs)
        probs = np.maximum(probs / spread(totals), WEIGHT_FLOOR)
        probs[self.binomials.rows] = self.binomials.masses(expit(log_odds))
        gaussians = dict(self.gaussians)
        pairs = zip(of_gaussians[::2], of_gaussians[1::2], strict=True)
        for (regions, stack), pair in zip(self._stacks(), pairs, strict=True):
            moved = stack.with_free_parameters(*pair)
            for i, region in enumerate(regions):
                states = slice(i * probs.shape[1], (i + 1) * probs.shape[1])
                gaussians[region] = replace(
                    gaussians[region],
                    means=moved.means[states],
                    covariances=moved.covariances[states],
                )
        return self.replaced(probs=probs, gaussians=gaussians)

    def free_gradient(self, summary: list[np.ndarray]) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log likelihoods.

        Parameters
        ----------
        summary : list
            What `summarize` makes of the counts, which may be negative.
        """
        counts, *moments = summary
        totals, spread = self._reduced(np.add, counts)
        of_probs = counts - self.probs * spread(totals)
        levels = self.binomials.rows
        of_log_odds = self.binomials.gradient(counts[levels], self.probs[levels])
        of_probs[levels] = 0.0
        gradient = [of_probs, of_log_odds]
        of_region = dict(zip(self.gaussians, moments, strict=True))
        for regions, stack in self._stacks():
            gradient += stack.free_gradient(np.concatenate([of_region[r] for r in regions]))
        return gradient

    def _stacks(self) -> list[tuple[list[int], Gaussian]]:
        """The Gaussians, those over as many columns as one, and the regions of each."""
        regions: dict[int, list[int]] = {}
        for region, gaussian in self.gaussians.items():
            regions.setdefault(gaussian.means.shape[1], []).append(region)
        return [(part, stacked([self.gaussians[r] for r in part])) for part in regions.values()]
