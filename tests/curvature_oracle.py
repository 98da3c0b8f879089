"""Curvature by brute force: automatic differentiation of the plain likelihood.

Parameter vectors are root weights, then the (K, K) matrices of the non-root regions in
region order, then, with `include_inputs`, the categories' probabilities (V, K) in region
order; all row-major. They are differentiated as free numbers: nothing is normalised.
Linear space, so only for circuits of a few regions; of several trees there may be several
roots, whose weights come in the order of regions.
"""

import autograd
import autograd.numpy as anp
import numpy as np
from helpers import as_mixed_model


def parameter_vector(circuit, include_inputs=False):
    """The circuit's parameters (P,)."""
    inner = circuit.sum_weights[circuit.parents >= 0]
    probs = circuit.inputs.probs if include_inputs else np.empty(0)
    return np.concatenate([circuit.root_weights, inner.ravel(), probs.ravel()])


def likelihood_function(circuit, X, include_inputs=False):
    """A function from parameter vectors to the likelihoods p(x) of the rows of X (n,)."""
    model, K, roots = as_mixed_model(circuit), circuit.n_latents, circuit.roots
    constant = [np.array([model.factor(r, x) for x in X]) for r in range(model.n_regions)]
    # Per categorical region, which row shows which category (n, V).
    shows = {
        r: X[:, model.features[r]] == np.asarray(categories)
        for r, categories in enumerate(model.categories)
        if len(categories) and include_inputs
    }

    def likelihoods(vector):
        root_weights, position = vector[: K * len(roots)], K * len(roots)
        sum_weights = {}
        for c in np.flatnonzero(circuit.parents >= 0):
            sum_weights[c] = anp.reshape(vector[position : position + K * K], (K, K))
            position += K * K
        factors = list(constant)
        for r, shown in shows.items():
            size = shown.shape[1] * K
            probs = anp.reshape(vector[position : position + size], (-1, K))
            position += size
            # Missing and unseen values show no category: their factors stay constant.
            neither = ~shown.any(axis=1, keepdims=True)
            factors[r] = anp.dot(shown, probs) + neither * constant[r]
        assert position == len(vector)

        def product_node(v):
            value = factors[v]
            for c in np.flatnonzero(model.parents == v):
                value = value * anp.dot(product_node(c), sum_weights[c].T)
            return value

        below = anp.concatenate([product_node(root) for root in roots], axis=1)
        return anp.dot(below, root_weights)

    return likelihoods


def autograd_hessian(circuit, X, weights, include_inputs=False):
    """Hessian (P, P) of the weighted mean of -log p(x)."""
    likelihoods = likelihood_function(circuit, X, include_inputs)
    share = weights / weights.sum()

    def mean_nll(vector):
        return -anp.dot(share, anp.log(likelihoods(vector)))

    return autograd.hessian(mean_nll)(parameter_vector(circuit, include_inputs))


def mean_trace_function(circuit, X, weights, include_inputs=False):
    """R, a function of parameter vectors: weighted mean of the trace of each row's Hessian.

    p is linear in every single parameter, hence -d^2 log p / dw^2 = (d log p / dw)^2.
    """
    likelihoods = likelihood_function(circuit, X, include_inputs)
    share = weights / weights.sum()

    def mean_trace(vector):
        gradients = autograd.jacobian(lambda v: anp.log(likelihoods(v)))(vector)
        return anp.dot(share, anp.sum(gradients**2, axis=1))

    return mean_trace


def autograd_gradient_of_mean_trace(circuit, X, weights, include_inputs=False):
    """Gradient (P,) of R."""
    mean_trace = mean_trace_function(circuit, X, weights, include_inputs)
    return autograd.grad(mean_trace)(parameter_vector(circuit, include_inputs))
