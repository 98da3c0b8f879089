"""The input distributions of all regions of a circuit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from skpc._checks import attributes, checked_array, reading
from skpc._circuit.inputs import stacks
from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.cells import Numeric
from skpc._circuit.inputs.kinds import kind_named
from skpc._circuit.inputs.numeric_regions import NumericRegions
from skpc._circuit.inputs.regions import (
    check_regions,
    checked_columns,
    kinds_of,
    prepared_vectors,
    scaled,
    to_scale,
    without_each,
)
from skpc._circuit.inputs.table import Categorical, Tables
from skpc._data.evidence import Evidence, encode
from skpc._data.rows import Rows
from skpc._data.scope import BINOMIAL, NUMERIC
from skpc._kernels.mstep import WEIGHT_FLOOR

_STATE = ("features", "categories", "probs", "unseen", "distributions", "is_binomial")


class Inputs(Sequence["InputDistribution | None"]):
    """The input distributions of all regions; item r is that of region r, or None.

    Tables of categories, and the numeric regions, are stored flat, so that thousands of columns
    cost no Python call each.

    Parameters
    ----------
    features : per region, the columns it observes
    categories : per region, the sorted values of its table; none if it observes nothing, None if
        it has one of the `distributions`
    probs : (sum of the numbers of categories, n_latents)
        See `skpc._circuit.inputs.table.Tables`.
    unseen : (n_regions, n_latents)
    distributions : dict
        By region, those that are no tables.
    is_binomial : (n_regions,) bool or None
        Whether the categories of a region are levels, consecutive integers, and its distributions
        binomial; None if none are.

    Attributes
    ----------
    kinds : tuple of n_regions str or None
        The kind of each region's distribution; None if it observes nothing.
    tables : Tables
    numeric : NumericRegions
        Those of kind "numeric" among the `distributions`.
    others : dict
        The rest of them.

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
        distributions: dict[int, InputDistribution],
        is_binomial: np.ndarray | None = None,
    ) -> None:
        if is_binomial is None:
            is_binomial = np.zeros(len(categories), bool)
        self.features = tuple(features)
        self.categories = tuple(categories)
        self.probs = probs
        self.unseen = unseen
        self.is_binomial = is_binomial
        self._lay_out(distributions)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _STATE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        with reading("set of input distributions"):
            parts = attributes(state, _STATE)
            distributions = parts.pop("distributions")
            vars(self).update(parts)
            self._lay_out(distributions)
            self.check()

    def _lay_out(self, distributions: dict[int, InputDistribution]) -> None:
        """Make sure that arrays fit together, and find where the categories of a region start."""
        n_regions = len(self.categories)
        self.features, self.categories = checked_columns(self.features, self.categories)
        self.is_binomial = checked_array(self.is_binomial, "is_binomial", bool, (n_regions,))
        self.tables = Tables(self.categories, self.is_binomial)
        self.probs = checked_array(self.probs, "probs", float, (int(self.start[-1]), None))
        n_latents = self.probs.shape[1]
        self.unseen = checked_array(self.unseen, "unseen", float, (n_regions, n_latents))
        check_regions(self.features, self.categories, distributions, n_latents)
        self.kinds = kinds_of(self.n_categories, self.is_binomial, distributions)
        every = dict(sorted(distributions.items()))
        numeric = {r: cast(Numeric, one) for r, one in every.items() if one.kind == NUMERIC}
        self.numeric = NumericRegions.of(numeric, n_latents)
        self.others = {r: one for r, one in every.items() if r not in numeric}
        # Of the likelihood of a column, however far it is: all together are a number still.
        self._least_exponent = -(2**62 // max(1, sum(len(self.features[r]) for r in every)))

    @property
    def distributions(self) -> dict[int, InputDistribution]:
        """Of each region without a table, in their order; numeric ones are made on request."""
        every = {**self.numeric.distributions(), **self.others}
        return {region: every[region] for region in sorted(every)}

    def check(self) -> None:
        """Raise ValueError if these are no distributions over sorted categories and vectors."""
        self.tables.check(self.probs, self.unseen)
        self.numeric.check()
        for distribution in self.others.values():
            distribution.check()

    def replaced(self, **changes: Any) -> Inputs:
        """The same inputs, but for these attributes, none of them the layout; unchecked."""
        inputs = object.__new__(type(self))
        vars(inputs).update(vars(self), **changes)
        return inputs

    def _each(self, change: Callable[[int, InputDistribution], InputDistribution]) -> Inputs:
        """The same tables, and of each region without one what its distribution changes to."""
        changed = {region: change(region, one) for region, one in self.distributions.items()}
        numeric = {region: cast(Numeric, changed.pop(region)) for region in self.numeric.regions}
        return self.replaced(numeric=NumericRegions.of(numeric, self.n_latents), others=changed)

    @classmethod
    def of(
        cls,
        features: Sequence[np.ndarray],
        distributions: Sequence[InputDistribution | None],
        n_latents: int,
    ) -> Inputs:
        """The inputs of regions that have these distributions, None where nothing is observed."""
        n_regions = len(features)
        categories: list[np.ndarray | None] = [np.empty(0)] * n_regions
        unseen = np.full((n_regions, n_latents), WEIGHT_FLOOR)
        tables, others = [np.empty((0, n_latents))], {}
        for region, one in enumerate(distributions):
            if one is not None and one.is_table:
                table = cast(Categorical, one)
                categories[region], unseen[region] = table.categories, table.unseen
                tables.append(table.probs)
            elif one is not None:
                categories[region], others[region] = None, one
        is_binomial = [one is not None and one.kind == BINOMIAL for one in distributions]
        return cls(
            features, categories, np.concatenate(tables), unseen, others, np.array(is_binomial)
        )

    @classmethod
    def random(
        cls,
        rows: Rows,
        n_latents: int,
        random_state: np.random.RandomState,
        *,
        shrinkage: float = 0.0,
    ) -> Inputs:
        """Draw distributions to start from: tables first, then the others, region by region.

        See `Tables.random`, and `random` of the kinds, which are given the distinct vectors of
        `rows` with their weights.
        """
        kinds = {scope.kind: kind_named(scope.kind) for scope in rows.scopes if scope.kind}
        categories: list[np.ndarray | None] = [scope.categories for scope in rows.scopes]
        is_binomial = np.array([scope.kind == BINOMIAL for scope in rows.scopes])
        probs = Tables(categories, is_binomial).random(n_latents, random_state)
        unseen = np.full((len(categories), n_latents), WEIGHT_FLOOR)
        distributions = {}
        for region, (scope, vectors) in enumerate(
            zip(rows.scopes, rows.evidence.values, strict=True)
        ):
            if vectors is not None and scope.kind is not None:
                distributions[region] = kinds[scope.kind].random(
                    scope, vectors, rows.weights_of(region), n_latents, random_state,
                    shrinkage=shrinkage,
                )  # fmt: skip
        return cls(rows.features, categories, probs, unseen, distributions, is_binomial)

    @classmethod
    def joined(cls, parts: Sequence[Inputs]) -> Inputs:
        """The inputs of the regions of several, one after the other."""
        offsets = np.cumsum([0, *map(len, parts)]).tolist()
        return cls(
            [columns for part in parts for columns in part.features],
            [values for part in parts for values in part.categories],
            np.concatenate([part.probs for part in parts]),
            np.concatenate([part.unseen for part in parts]),
            {
                offset + region: one
                for part, offset in zip(parts, offsets, strict=False)
                for region, one in part.distributions.items()
            },
            np.concatenate([part.is_binomial for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.categories)

    def __getitem__(self, region):  # type: ignore[no-untyped-def]
        if isinstance(region, slice):
            return [self[r] for r in range(len(self))[region]]
        region = range(len(self))[region]
        kind = self.kinds[region]
        if kind == NUMERIC:
            return self.numeric[bisect_left(self.numeric.regions, region)]
        if kind is None or region in self.others:
            return self.others.get(region)
        table = self._table_rows(region)
        return kind_named(kind)(self.categories[region], self.probs[table], self.unseen[region])

    def _table_rows(self, region: int) -> slice:
        return slice(self.start[region], self.start[region + 1])

    @property
    def n_categories(self) -> np.ndarray:
        """Number of categories (n_regions,) of each region's table."""
        return self.tables.n_categories

    @property
    def start(self) -> np.ndarray:
        """Where in `probs` the table of each region starts (n_regions + 1,)."""
        return self.tables.start

    @property
    def n_latents(self) -> int:
        """Number of latent states of each region."""
        return self.probs.shape[1]

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        n_of_tables = self.tables.n_parameters(self.n_latents)
        n_of_others = sum(one.n_parameters for one in self.others.values())
        return n_of_tables + 2 * self.numeric.means.size + n_of_others

    def encode(self, X: np.ndarray) -> Evidence:
        """What the rows of X (n, n_features), NaN missing, show each region."""
        return encode(X, self.features, self.categories)

    def likelihoods(self, evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
        """Likelihood of every symbol: (sum of n_symbols, n_latents) times two to the (sum,).

        Region after region. The largest entry of each row of the first is in [0.5, 1).
        """
        table = np.ones((int(evidence.n_symbols.sum()), self.n_latents))
        exponents = np.zeros(len(table), np.int64)
        table[self.category_rows(evidence)] = self.probs
        ends = np.cumsum(evidence.n_symbols)
        discrete = np.array([vectors is None for vectors in evidence.values])
        table[ends[discrete] - 1] = self.unseen[discrete]
        if len(self.numeric):
            self.numeric.likelihoods(evidence, table, exponents, self._least_exponent)
            if len(self.numeric) == len(self):  # which are scaled as they are made
                return table, exponents
        for region, distribution, vectors in self._with_vectors(evidence):
            rows = slice(ends[region] - evidence.n_symbols[region], ends[region])
            prepared = prepared_vectors(evidence, region, distribution)
            table[rows], exponents[rows] = scaled(distribution.log_prob_prepared(prepared))
            n_seen = np.maximum((~np.isnan(vectors)).sum(axis=1), 1)
            np.maximum(exponents[rows], self._least_exponent * n_seen, out=exponents[rows])
        return to_scale(table, exponents)

    def _with_vectors(
        self, evidence: Evidence
    ) -> Iterator[tuple[int, InputDistribution, np.ndarray]]:
        """Each of the other regions, its distribution, and the vectors of its symbols."""
        for region, distribution in self.others.items():
            vectors = evidence.values[region]
            assert vectors is not None
            yield region, distribution, vectors

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
        several = [one for one in self._with_vectors(evidence) if one[2].shape[1] > 1]
        nothing = np.zeros((0, self.n_latents)), np.zeros(0, np.int64)
        found = [without_each(one, vectors, self._least_exponent) for _, one, vectors in several]
        start, n_rows = np.zeros(len(self), np.int64), 0
        first = np.cumsum(evidence.n_symbols) - evidence.n_symbols
        for region, _, vectors in several:
            start[region] = n_rows - first[region] * vectors.shape[1]
            n_rows += vectors.size
        tables, exponents = zip(nothing, *found, strict=True)
        return start, np.concatenate(tables), np.concatenate(exponents)

    def log_peaks(self, evidence: Evidence, region: int) -> np.ndarray:
        """Log likelihood (n_symbols, K) of a region's symbols, what is missing at its best."""
        distribution, vectors = self[region], evidence.values[region]
        if distribution is None:
            return np.zeros((int(evidence.n_symbols[region]), self.n_latents))
        if vectors is None:  # those of a table, in which NaN and infinity are no categories
            vectors = np.append(distribution.categories_of(0), [np.nan, np.inf])[:, None]
        return distribution.log_peak(vectors)

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
            Counts of all tables' categories, then the moments of the numeric regions, if there
            are any, then what each of the `others` makes of its own. Missing and unseen values
            tell nothing about categories.
        """
        summary = [counts[self.category_rows(evidence)]]
        if len(self.numeric):
            summary.append(self.numeric.summarize(evidence, counts))
        ends = np.cumsum(evidence.n_symbols)
        for region, distribution, _ in self._with_vectors(evidence):
            own = counts[ends[region] - evidence.n_symbols[region] : ends[region]]
            prepared = prepared_vectors(evidence, region, distribution)
            summary.append(distribution.summarize_prepared(prepared, own))
        return summary

    def summarize_clusters(
        self, evidence: Evidence, counts: np.ndarray, smooth: Callable[[np.ndarray], np.ndarray]
    ) -> list[np.ndarray]:
        """`summarize` of the counts of a first assignment of rows, smoothed as the kinds do."""
        summary = [self.tables.smoothed(counts[self.category_rows(evidence)], smooth)]
        if len(self.numeric):
            summary.append(self.numeric.summarize_clusters(evidence, counts))
        ends = np.cumsum(evidence.n_symbols)
        for region, distribution, vectors in self._with_vectors(evidence):
            rows = slice(ends[region] - evidence.n_symbols[region], ends[region])
            summary.append(distribution.summarize_clusters(vectors, counts[rows], smooth))
        return summary

    def of_others(self, summary: list[np.ndarray]) -> list[np.ndarray]:
        """What a summary has of each of the `others`."""
        return summary[2:] if len(self.numeric) else summary[1:]

    def _with_summaries(
        self, summary: list[np.ndarray]
    ) -> Iterator[tuple[int, InputDistribution, np.ndarray]]:
        """Each of the other regions, its distribution, and its part of a summary."""
        pairs = zip(self.others.items(), self.of_others(summary), strict=True)
        return ((region, one, part) for (region, one), part in pairs)

    def expected_statistics(self, masses: np.ndarray) -> list[np.ndarray]:
        """What `summarize` finds on average in rows that states (n_regions, n_latents) draw."""
        of_tables = self.probs * np.repeat(masses, self.n_categories, axis=0)
        of_numeric = [self.numeric.expected_statistics(masses)] if len(self.numeric) else []
        of_others = [one.expected_statistics(masses[r]) for r, one in self.others.items()]
        return [of_tables, *of_numeric, *of_others]

    def updated(self, summary: list[np.ndarray], pseudocount: float) -> Inputs:
        """M-step: the distributions that fit these statistics best.

        Parameters
        ----------
        summary : list
            Sums of what `summarize` returns.
        pseudocount : float
            Added to each state's counts of categories, spread as the column is in all states.
        """
        probs, unseen = self.tables.updated(self.probs, self.unseen, summary[0], pseudocount)
        others = {
            region: one.updated(part, pseudocount)
            for region, one, part in self._with_summaries(summary)
        }
        numeric = self.numeric.updated(summary[1]) if len(self.numeric) else self.numeric
        return self.replaced(probs=probs, unseen=unseen, numeric=numeric, others=others)

    def marginal(
        self, regions: np.ndarray, features: Sequence[np.ndarray], kept: Sequence[np.ndarray]
    ) -> Inputs:
        """The inputs of some regions, which observe `features` instead.

        Parameters
        ----------
        regions : (m,)
        features, kept : m arrays
            The new numbers of a region's columns, and the positions that they had in it.
        """
        distributions = [
            self[region].marginal(positions) if len(positions) else None
            for region, positions in zip(regions.tolist(), kept, strict=True)
        ]
        return self.of(features, distributions, self.n_latents)

    def recentred(self, summary: list[np.ndarray], former: Inputs) -> list[np.ndarray]:
        """What `summarize` would have found under these inputs, not under `former`."""
        others = (
            one.recentred(part, former.others[region])
            for region, one, part in self._with_summaries(summary)
        )
        return [*summary[: 2 if len(self.numeric) else 1], *others]

    def with_unseen(self, summary: list[np.ndarray], pseudocount: float) -> Inputs:
        """The same distributions, with the unseen mass that `updated` finds for this summary."""
        _, unseen = self.tables.updated(self.probs, self.unseen, summary[0], pseudocount)
        others = {
            region: one.with_unseen(part, pseudocount)
            for region, one, part in self._with_summaries(summary)
        }
        return self.replaced(unseen=unseen, others=others)

    def with_scales(self, scales: np.ndarray) -> Inputs:
        """The same distributions, kept from degenerating in view of other scales.

        Parameters
        ----------
        scales : (n_features,)
            Standard deviation of each column; those of categories are not used.
        """
        return self._each(lambda region, one: one.with_scales(scales[self.features[region]]))

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
        shows_nothing = np.array([is_empty[columns].any() for columns in self.features])
        probs, unseen = self.tables.evened(self.probs, self.unseen, shows_nothing)

        def change(region: int, one: InputDistribution) -> InputDistribution:
            own = self.features[region]
            if not is_empty[own].any():
                return one
            return one.with_margins(is_empty[own], centres[own], scales[own])

        return self.replaced(probs=probs, unseen=unseen)._each(change)

    def free_parameters(self) -> list[np.ndarray]:
        """Arrays of real numbers that say the same: of tables, of numeric regions, of others."""
        of_tables = self.tables.free_parameters(self.probs)
        of_numeric = self.numeric.free_parameters() if len(self.numeric) else []
        return [*of_tables, *of_numeric, *stacks.free_parameters(self.others)]

    def with_free_parameters(self, parameters: list[np.ndarray]) -> Inputs:
        """The inputs with other `free_parameters`; probabilities are normalised."""
        logits, log_odds, *rest = parameters
        numeric = self.numeric
        if len(numeric):
            numeric, rest = numeric.with_free_parameters(rest[:2]), rest[2:]
        return self.replaced(
            probs=self.tables.from_free_parameters(logits, log_odds),
            numeric=numeric,
            others=stacks.with_free_parameters(self.others, rest),
        )

    def free_gradient(self, summary: list[np.ndarray]) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log likelihoods.

        Parameters
        ----------
        summary : list
            What `summarize` makes of the counts, which may be negative.
        """
        tables = self.tables.free_gradient(self.probs, summary[0])
        numeric = self.numeric.free_gradient(summary[1]) if len(self.numeric) else []
        return [*tables, *numeric, *stacks.free_gradient(self.others, self.of_others(summary))]
