"""The numeric columns of all regions, end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from skpc._circuit.inputs import normal_scale
from skpc._circuit.inputs.cells import (
    Numeric,
    cell_table,
    from_free,
    gradient_of_free,
    moments,
    write_likelihoods,
)
from skpc._circuit.inputs.normal_scale import same_objects
from skpc._data.evidence import Evidence
from skpc._data.margins import Margin
from skpc._kernels import cells as kernels


@dataclass(frozen=True)
class NumericRegions:
    """The `Numeric` distributions of all regions that have one, end to end.

    So that thousands of columns cost no Python call each when a circuit is learnt.

    Attributes
    ----------
    regions : tuple of n_regions int
    means, deviations : (n_regions, n_latents)
    shrinkage : (n_regions,)
    margins : tuple of n_regions Margin
    """

    regions: tuple[int, ...]
    means: np.ndarray
    deviations: np.ndarray
    shrinkage: np.ndarray
    margins: tuple[Margin, ...]

    @classmethod
    def of(cls, distributions: Mapping[int, Numeric], n_latents: int) -> Self:
        """Those of these distributions, by region."""
        every = list(distributions.values())
        shape = len(every), n_latents
        return cls(
            tuple(distributions),
            np.array([one.means for one in every], np.float64).reshape(shape),
            np.array([one.deviations for one in every], np.float64).reshape(shape),
            np.array([one.shrinkage for one in every], np.float64),
            tuple(one.margin for one in every),
        )

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, place: int) -> Numeric:
        return Numeric(
            self.means[place],
            self.deviations[place],
            float(self.shrinkage[place]),
            self.margins[place],
        )

    def distributions(self) -> dict[int, Numeric]:
        """That of each region."""
        return {region: self[place] for place, region in enumerate(self.regions)}

    def check(self) -> None:
        """Raise ValueError if these are no normal distributions.

        One by one only if something is wrong, to say of which.
        """
        arrays = [
            np.concatenate([np.ravel(part) for part in vars(margin).values()])
            for margin in {id(one): one for one in self.margins}.values()
        ]
        arrays += [self.means.ravel(), self.deviations.ravel(), self.shrinkage]
        is_finite = bool(np.isfinite(np.concatenate(arrays)).all())
        if not is_finite or (self.deviations <= 0).any() or (self.shrinkage < 0).any():
            for one in self.distributions().values():
                one.check()

    def taken(self, states: np.ndarray) -> Self:
        """Those whose states are these (n,) of each region; one may be there repeatedly."""
        return replace(
            self, means=self.means.take(states, axis=1), deviations=self.deviations.take(states, 1)
        )

    def cells(self, evidence: Evidence) -> kernels.CellTable:
        """The cells of the symbols of these regions; they are found once for all of learning."""
        known = evidence.memo.get("cells")
        if known is None or not (known[0] == self.regions and same_objects(known[1], self.margins)):
            regions = np.array(self.regions, np.int64)
            first = (np.cumsum(evidence.n_symbols) - evidence.n_symbols)[regions]
            vectors = [evidence.values[region] for region in self.regions]
            columns = [part[:, 0] for part in vectors if part is not None]
            known = self.regions, self.margins, cell_table(self.margins, columns, first)
            evidence.memo["cells"] = known
        table: kernels.CellTable = known[2]
        return table

    def likelihoods(
        self, evidence: Evidence, table: np.ndarray, exponents: np.ndarray, least: int
    ) -> None:
        """Write those of these regions' symbols, times two to `exponents`, none below `least`."""
        cells = self.cells(evidence)
        write_likelihoods(cells, self.means, self.deviations, table, exponents, least)

    def summarize(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        """Expected moments (n_regions, n_latents, 3) from counts laid out like `likelihoods`."""
        return moments(self.cells(evidence), counts, self.means, self.deviations)

    def summarize_clusters(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        """The same of a first assignment of rows: see `Numeric.summarize_clusters`."""
        zeros, ones = np.zeros_like(self.means), np.ones_like(self.means)
        return moments(self.cells(evidence), counts, zeros, ones)

    def expected_statistics(self, masses: np.ndarray) -> np.ndarray:
        """Moments (len(self), n_latents, 3) of rows that states of all regions draw."""
        own = masses[np.array(self.regions, np.int64)]
        return normal_scale.expected_moments(own, self.means, self.deviations)

    def updated(self, summary: np.ndarray) -> Self:
        """M-step: see `Numeric.updated`."""
        means, deviations = normal_scale.updated(
            summary, self.means, self.deviations, self.shrinkage
        )
        return replace(self, means=means, deviations=deviations)

    def free_parameters(self) -> list[np.ndarray]:
        """Means and logarithms of deviations (n_regions, n_latents)."""
        return [self.means.copy(), np.log(self.deviations)]  # learning changes them in place

    def with_free_parameters(self, parameters: list[np.ndarray]) -> Self:
        """Those with other `free_parameters`."""
        means, deviations = from_free(parameters)
        return replace(self, means=means, deviations=deviations)

    def free_gradient(self, summary: np.ndarray) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log likelihoods."""
        return gradient_of_free(summary, self.means, self.deviations)
