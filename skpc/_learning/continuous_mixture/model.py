"""A continuous mixture as it is learnt, its gradient, and the circuit that it becomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.inputs import Inputs
from skpc._kernels.mstep import WEIGHT_FLOOR
from skpc._learning.continuous_mixture.columns import Observed, TiedColumns
from skpc._learning.continuous_mixture.decoder import Layers, decode, gradient
from skpc._threads import each

STATES = 64
"""Of a region of the circuit, at most: the points are shared out among several."""

_POINTS_AT_ONCE = 256
# Of what is less nothing is left after rounding, and numbers near zero take many times as long.
_LEAST_LOG = -40.0
_LEAST_SHARE = 1e-12


class Ascent(NamedTuple):
    """What a batch of rows says.

    Attributes
    ----------
    log_likelihoods : (n,)
        Of the rows, in nats.
    counts : (n_points,)
        Expected shares of the rows' weight.
    layers : Layers
        Gradient in the decoder of the mean log-likelihood.
    points : (n_points, n_dims)
        That in the points.
    """

    log_likelihoods: np.ndarray
    counts: np.ndarray
    layers: Layers
    points: np.ndarray


def rounded_up(n_points: int) -> int:
    """The least number of points, at least as many, that regions of as many states each hold."""
    n_regions = -(-n_points // STATES)
    return n_regions * -(-n_points // n_regions)


@dataclass(frozen=True, eq=False)
class ContinuousMixture:
    """Columns given a continuous latent variable, which is integrated over weighted points.

    Attributes
    ----------
    columns : TiedColumns
    layers : Layers
        Of the decoder.
    points : (n_points, n_dims) float32
    weights : (n_points,)
        They sum to one.
    """

    columns: TiedColumns
    layers: Layers
    points: np.ndarray
    weights: np.ndarray

    def replaced(self, **changes: Any) -> ContinuousMixture:
        """The same but for these attributes."""
        return replace(self, **changes)

    def ascent(self, observed: Observed, chosen: np.ndarray, weights: np.ndarray) -> Ascent:
        """Gradient of the mean log-likelihood of some of the rows.

        Parameters
        ----------
        observed : Observed
        chosen : (n,) int
        weights : (n,)
        """
        columns, layers = self.columns, self.layers
        features, gained = columns.features(observed, chosen)
        log_weights = np.log(self.weights).astype(np.float32)
        blocks = [
            slice(first, first + _POINTS_AT_ONCE)
            for first in range(0, len(self.points), _POINTS_AT_ONCE)
        ]

        def up(block: slice) -> tuple[Any, ...]:
            values = decode(layers, self.points[block])
            log_tables = columns.log_tables(observed, values[-1])
            joint = features @ log_tables.T
            joint += log_weights[block]
            largest = joint.max(axis=1, keepdims=True)
            joint -= largest
            np.copyto(joint, -np.inf, where=joint < _LEAST_LOG)
            np.exp(joint, out=joint)
            return values, log_tables, joint, largest[:, 0].astype(np.float64)

        found = each(up, blocks)
        highest = np.max([largest for *_, largest in found], axis=0)
        factors = [np.exp(largest - highest) for *_, largest in found]
        totals = sum(
            factor * joint.sum(axis=1)
            for factor, (_, _, joint, _) in zip(factors, found, strict=True)
        )
        shares = weights / weights.sum() / totals

        def down(place: int) -> tuple[np.ndarray, Layers, np.ndarray]:
            values, log_tables, joint, _ = found[place]
            joint *= (factors[place] * shares).astype(np.float32)[:, None]
            np.copyto(joint, 0.0, where=joint < _LEAST_SHARE)
            of_outputs = columns.of_outputs(observed, values[-1], log_tables, joint.T @ features)
            return joint.sum(axis=0, dtype=np.float64), *gradient(layers, values, of_outputs)

        parts = each(down, range(len(blocks)))
        return Ascent(
            np.log(totals) + highest + gained,
            np.concatenate([counts for counts, _, _ in parts]),
            [np.sum(own, axis=0) for own in zip(*(own for _, own, _ in parts), strict=True)],
            np.concatenate([points for _, _, points in parts]),
        )

    def circuit(self) -> Circuit:
        """The same mixture as a circuit: one-region trees whose states are the points."""
        n_points = len(self.points)
        n_regions = -(-n_points // STATES)
        n_states = n_points // n_regions
        outputs = decode(self.layers, self.points)[-1]
        distributions = [
            self.columns.distribution(outputs[first : first + n_states])
            for first in range(0, n_points, n_states)
        ]
        weights = np.maximum(self.weights, WEIGHT_FLOOR)
        return Circuit(
            np.full(n_regions, -1),
            (self.columns.columns,) * n_regions,
            weights / weights.sum(),
            np.repeat(np.eye(n_states)[None], n_regions, axis=0),
            Inputs.of([self.columns.columns] * n_regions, distributions, n_states),
        )
