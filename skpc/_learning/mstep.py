"""The sharpness-aware M-step (Suresh et al., AAAI-26), in closed form.

For a sum node with expected counts N_c, weights theta_c and penalty strength mu times a
gate omega in [0, 1], the M-step maximises

    sum_c N_c log theta_c - mu omega sum_c N_c / theta_c   subject to   sum_c theta_c = 1,

the gradient surrogate of the trace penalty (Theorem 2), so that theta_c is the positive
root of lambda theta^2 - N_c theta - mu omega N_c = 0. The cubic form (Proposition 5) is
lambda theta^3 - N_c theta^2 - 2 mu omega S_c = 0 with second moments S_c of the flow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._kernels import mstep as kernels
from skpc._passes.counts import ExpectedCounts
from skpc._threads import launch

_LARGEST_MU = 1e120  # beside which counts are nothing, and whose multiples are numbers

_RULES = {
    ("quadratic", "exact"): kernels.QUADRATIC_EXACT,
    ("cubic", "unit"): kernels.CUBIC_UNIT,
    ("cubic", "exact"): kernels.CUBIC_EXACT,
}


@dataclass(frozen=True)
class MStep:
    """How expected counts become parameters.

    Attributes
    ----------
    mu : float
        Penalty strength; 0 is plain EM.
    regularizer : "global" or "gated"
        Gate omega = 1, or a node's mean curvature t_n over the largest.
    multiplier : "unit" or "exact"
        lambda = 1 on counts summed over the data set and then normalised, so that mu is
        in expected counts; or the lambda with which the weights sum to one.
    update : "quadratic" or "cubic"
    pseudocount : float
        Added to the counts of every distribution, spread as it is in all nodes or states.
    """

    mu: float = 0.0
    regularizer: str = "global"
    multiplier: str = "unit"
    update: str = "quadratic"
    pseudocount: float = 0.0

    @property
    def needs_gate(self) -> bool:
        """Whether the E-step must gather the gate's curvatures."""
        return self.regularizer == "gated" and self.mu > 0

    @property
    def needs_moments(self) -> bool:
        """Whether the E-step must gather second moments of the flows."""
        return self.update == "cubic" and self.mu > 0

    def __call__(self, circuit: Circuit, counts: ExpectedCounts) -> Circuit:
        """The circuit with its parameters updated from its own expected counts."""
        n_regions, n_latents = circuit.n_regions, circuit.n_latents
        strengths = np.full((n_regions, n_latents), float(min(self.mu, _LARGEST_MU)))
        if self.needs_gate:
            assert counts.gate is not None
            strengths *= counts.gate / counts.gate.max()  # omega, eq. 6 of the gated form
        sum_weights = circuit.sum_weights.copy()
        root_weights = circuit.root_weights.copy()
        self._update(counts.sums, counts.sum_moments, strengths, sum_weights)
        self._update(
            counts.root[None, None],
            None if counts.root_moments is None else counts.root_moments[None, None],
            strengths[circuit.roots[:1], :1],
            root_weights[None, None],
        )
        return circuit.replaced(
            root_weights=root_weights,
            sum_weights=sum_weights,
            inputs=circuit.inputs.updated(counts.inputs, self.pseudocount),
        )

    def weights_of(self, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weights (n,) of one sum node in place of these, from its expected counts (n,)."""
        weights = weights.copy()
        self._update(
            counts[None, None], None, np.full((1, 1), self.mu), weights[None, None]
        )  # fmt: skip
        return weights

    def _update(
        self,
        counts: np.ndarray,
        moments: np.ndarray | None,
        strengths: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        """Overwrite `weights` (n_regions, nodes, children) of sum nodes."""
        n_regions = len(weights)
        rule = _RULES.get((self.update if self.needs_moments else "quadratic", self.multiplier))
        if rule is None:
            launch(kernels.update_weights, n_regions, counts, strengths, self.pseudocount, weights)
            return
        if moments is None:
            moments = np.zeros((n_regions, 1, 1))
        launch(
            kernels.solve_weights, n_regions, counts, moments, strengths, self.pseudocount, rule,
            weights,
        )  # fmt: skip
