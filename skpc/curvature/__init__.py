"""Exact curvature of the log-likelihood of a circuit in its parameters.

Parameters are taken as free numbers: the simplex is left out of account except where a
function says so. In a *parameter vector* (P,) come the root weights (n_roots * K), then the
(K, K) matrices of the regions that are no roots, in the order of regions, row-major; then,
with ``include_inputs=True``, ``circuit.inputs.probs.ravel()``, the categories' probabilities.
Inputs of numbers or of several columns, and what is given to missing and unseen values, are
constants. Hessians and gradients are of the weighted mean over rows of -log p, in nats.
"""

from skpc.curvature.profiles import admissible_steps, directional_profile, project_direction
from skpc.curvature.second_order import (
    HessianSpectrum,
    gradient,
    hessian,
    hessian_operator,
    hessian_spectrum,
    hessian_vector_product,
)
from skpc.curvature.trace import NodeCurvature, hessian_trace, node_curvature, trace_gradient

__all__ = [
    "HessianSpectrum",
    "NodeCurvature",
    "admissible_steps",
    "directional_profile",
    "gradient",
    "hessian",
    "hessian_operator",
    "hessian_spectrum",
    "hessian_trace",
    "hessian_vector_product",
    "node_curvature",
    "project_direction",
    "trace_gradient",
]
