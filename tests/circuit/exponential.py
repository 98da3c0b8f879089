"""Exponential input distributions, which the package does not have: all that a new kind needs."""

from dataclasses import dataclass, replace

import numpy as np

from skpc._circuit.inputs.base import InputDistribution

LEAST_MEAN = 1e-9


@dataclass(frozen=True)
class Exponential(InputDistribution):
    """Waiting times x >= 0 with the density ``rate * exp(-rate * x)`` in each latent state.

    Attributes
    ----------
    rates : (n_latents,)
    """

    rates: np.ndarray

    kind = "exponential"
    state_axes = {"rates": 0}  # noqa: RUF012 - as short as can be

    @classmethod
    def random(cls, scope, values, weights, n_latents, random_state, *, shrinkage=0.0):
        seen = ~np.isnan(values[:, 0])
        mean = 1.0
        if weights[seen].any():
            mean = np.average(values[seen, 0], weights=weights[seen])
        rates = np.exp(random_state.uniform(-1.0, 1.0, n_latents))
        return cls(rates / max(mean, LEAST_MEAN))

    @classmethod
    def check_values(cls, values):
        if values.min() < 0.0:
            raise ValueError(f"A waiting time is not negative; got {values.min():g}.")

    @property
    def n_latents(self):
        return len(self.rates)

    @property
    def n_parameters(self):
        return len(self.rates)

    def log_prob(self, X):
        x = np.where(X >= 0.0, X, 0.0)
        log_density = np.where(X < 0.0, -np.inf, np.log(self.rates) - self.rates * x)
        return np.where(np.isnan(X), 0.0, log_density)

    def summarize(self, values, counts):
        seen = ~np.isnan(values[:, 0])
        counts = counts[seen]
        return np.stack([counts.sum(axis=0), (counts * values[seen]).sum(axis=0)], axis=1)

    def updated(self, summary, pseudocount=0.0):
        n_rows, total = summary.T
        has_rows = n_rows > 0.0
        mean = np.maximum(total / np.where(has_rows, n_rows, 1.0), LEAST_MEAN)
        return replace(self, rates=np.where(has_rows, 1.0 / mean, self.rates))

    def expected_statistics(self, masses):
        return np.stack([masses, masses / self.rates], axis=1)

    def sample_given(self, values, states, uniforms, normals):
        drawn = -np.log1p(-uniforms) / self.rates[states, None]
        return np.where(np.isnan(values), drawn, values)

    def mean(self):
        return 1.0 / self.rates[:, None]

    def variance(self):
        return self.mean() ** 2

    def mode(self):
        return np.zeros((self.n_latents, 1))

    def check(self):
        super().check()
        if not (self.rates > 0.0).all():
            raise ValueError("rates must be positive.")
