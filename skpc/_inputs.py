"""Input distributions: what a region's latent state says of the columns it observes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skpc._kernels import inputs as kernels
from skpc._kernels.mstep import WEIGHT_FLOOR

_BLOCK_CELLS = 2**22


def encode(
    X: np.ndarray, features: Sequence[np.ndarray], categories: Sequence[np.ndarray]
) -> np.ndarray:
    """Symbols (n_regions, n) int32 of the rows of X; see `CategoricalInputs`.

    Parameters
    ----------
    X : (n, n_features), NaN missing
    features, categories : one array a region
    """
    n_categories = np.array([len(values) for values in categories], np.int64)
    observed = np.flatnonzero(n_categories > 0)
    columns = np.array([columns[0] for columns in features if len(columns)], np.int64)
    flat = np.concatenate(list(categories))
    start = np.append(0, np.cumsum(n_categories[observed]))
    symbols = np.zeros((len(categories), X.shape[0]), np.int32)
    n_block = max(1, _BLOCK_CELLS // max(1, X.shape[1]))
    for first in range(0, X.shape[0], n_block):
        rows = slice(first, first + n_block)
        values = np.ascontiguousarray(X[rows, columns].T, dtype=np.float64)
        encoded = np.empty(values.shape, np.int32)
        kernels.encode(values, flat, start, encoded)
        symbols[observed, rows] = encoded
    return symbols


@dataclass(frozen=True)
class Categorical:
    """One categorical distribution for each latent state of a region.

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
        n_categories = self.categories.shape[0]
        position = np.minimum(np.searchsorted(self.categories, values), n_categories - 1)
        symbols = np.where(self.categories[position] == values, position, n_categories + 1)
        symbols[np.isnan(values)] = n_categories
        table = np.concatenate([self.probs, np.ones_like(self.unseen)[None], self.unseen[None]])
        return np.log(table[symbols])


class CategoricalInputs(Sequence[Categorical | None]):
    """The categorical inputs of all regions, stored flat; item r is that of region r.

    A region that observes nothing has no categories and the item None. The *symbols* of a
    region with V categories are 0 to V - 1 for them, V for a missing value and V + 1 for
    a value never seen.

    Parameters
    ----------
    features : per region, the columns it observes (none or one)
    categories : per region, its sorted values
    probs : (sum of V, n_latents)
    unseen : (n_regions, n_latents)
    """

    def __init__(
        self,
        features: Sequence[np.ndarray],
        categories: Sequence[np.ndarray],
        probs: np.ndarray,
        unseen: np.ndarray,
    ) -> None:
        self.features = tuple(features)
        self.categories = tuple(categories)
        self.probs = probs
        self.unseen = unseen
        self.n_categories = np.array([len(values) for values in categories], np.int64)
        self.start = np.append(0, np.cumsum(self.n_categories))

    @classmethod
    def random(
        cls,
        features: Sequence[np.ndarray],
        categories: Sequence[np.ndarray],
        n_latents: int,
        random_state: np.random.RandomState,
    ) -> CategoricalInputs:
        """Draw every distribution as ``exp(-2 u)``, u uniform, normalised."""
        n_categories = np.array([len(values) for values in categories], np.int64)
        probs = np.exp(-2.0 * random_state.random_sample((n_categories.sum(), n_latents)))
        start = np.append(0, np.cumsum(n_categories))
        for first, last in pairwise(start):
            probs[first:last] /= probs[first:last].sum(axis=0)
        unseen = np.full((n_categories.shape[0], n_latents), WEIGHT_FLOOR)
        return cls(features, categories, probs, unseen)

    def __len__(self) -> int:
        return len(self.categories)

    def __getitem__(self, region):  # type: ignore[no-untyped-def]
        if isinstance(region, slice):
            return [self[r] for r in range(len(self))[region]]
        region = range(len(self))[region]
        if self.n_categories[region] == 0:
            return None
        rows = slice(self.start[region], self.start[region + 1])
        return Categorical(self.categories[region], self.probs[rows], self.unseen[region])

    def __iter__(self) -> Iterator[Categorical | None]:
        return (self[region] for region in range(len(self)))

    @property
    def n_symbols(self) -> np.ndarray:
        """(n_regions,) number of symbols of each region."""
        return self.n_categories + 2

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return int(np.maximum(self.n_categories - 1, 0).sum()) * self.probs.shape[1]

    def encode(self, X: np.ndarray) -> np.ndarray:
        """Symbols (n_regions, n) int32 of the rows of X (n, n_features), NaN missing."""
        return encode(X, self.features, self.categories)

    def table(self) -> np.ndarray:
        """Likelihood of every symbol, region after region (sum of n_symbols, n_latents)."""
        table = np.ones((self.n_symbols.sum(), self.probs.shape[1]))
        table[self._category_rows()] = self.probs
        table[np.cumsum(self.n_symbols) - 1] = self.unseen
        return table

    def _category_rows(self) -> np.ndarray:
        """Rows of `table` that hold categories."""
        return np.arange(self.start[-1]) + 2 * np.repeat(np.arange(len(self)), self.n_categories)

    def updated(self, counts: np.ndarray, pseudocount: float) -> CategoricalInputs:
        """M-step: the distributions that fit these expected counts best.

        Parameters
        ----------
        counts : (sum of n_symbols, n_latents)
            Expected counts, laid out like `table`. Missing and unseen values tell nothing.
        pseudocount : float
            Added to the counts of each distribution in all, spread evenly.
        """
        rows = self._category_rows()
        counts = np.maximum(counts[rows], 0.0)
        occupied = self.n_categories > 0
        n_categories = self.n_categories[occupied, None]
        totals = np.add.reduceat(counts, self.start[:-1][occupied])
        share = pseudocount / n_categories
        # A state that received no flow keeps its distribution.
        has_flow = totals > 0.0
        totals = np.where(has_flow, totals + pseudocount, 1.0)
        repeats = self.n_categories[occupied]
        probs = (counts + np.repeat(share, repeats, axis=0)) / np.repeat(totals, repeats, axis=0)
        probs = np.where(
            np.repeat(has_flow, repeats, axis=0), np.maximum(probs, WEIGHT_FLOOR), self.probs
        )
        unseen = self.unseen.copy()
        unseen[occupied] = np.where(
            has_flow, np.maximum(share / totals, WEIGHT_FLOOR), self.unseen[occupied]
        )
        return CategoricalInputs(self.features, self.categories, probs, unseen)
