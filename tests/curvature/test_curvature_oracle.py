"""The curvature oracle against enumeration of all latent states, and against the package."""

from dataclasses import replace

import autograd
import numpy as np
import oracle
import pytest
from curvature_oracle import (
    autograd_gradient_of_mean_trace,
    autograd_hessian,
    likelihood_function,
    mean_trace_function,
    parameter_vector,
)
from helpers import (
    as_mixed_model,
    curvature_case,
    enumerated_gradients,
)

from skpc._circuit.inputs.inputs import Inputs
from skpc.curvature import hessian_trace

pytestmark = pytest.mark.usefixtures("one_thread")

SEEDS = range(6)
both = pytest.mark.parametrize("include_inputs", [False, True])
STEP = 1e-5


def with_parameters(circuit, vector):
    """The circuit that has these parameters, which need not be normalised."""
    K, inner = circuit.n_latents, circuit.parents >= 0
    sum_weights = circuit.sum_weights.copy()
    first, last = K, K + inner.sum() * K * K
    sum_weights[inner] = vector[first:last].reshape(-1, K, K)
    old = circuit.inputs
    probs = vector[last:].reshape(-1, K) if len(vector) > last else old.probs
    inputs = Inputs(old.features, old.categories, probs, old.unseen, old.distributions)
    return replace(circuit, root_weights=vector[:K], sum_weights=sum_weights, inputs=inputs)


def central_differences(function, vector):
    """d function / d vector: the vector's axis comes first."""
    steps = STEP * np.eye(len(vector))
    return np.array([(function(vector + s) - function(vector - s)) / (2 * STEP) for s in steps])


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_likelihoods_and_gradients_are_those_of_enumeration(seed, include_inputs):
    circuit, X, _ = curvature_case(seed)
    likelihoods = likelihood_function(circuit, X, include_inputs)
    vector = parameter_vector(circuit, include_inputs)
    values = likelihoods(vector)
    expected = np.exp(oracle.log_likelihood(as_mixed_model(circuit), X))
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(
        autograd.jacobian(likelihoods)(vector) / values[:, None],
        enumerated_gradients(circuit, X, include_inputs),
        rtol=1e-10,
    )


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_hessian_matches_differences_of_enumerated_gradients(seed, include_inputs):
    circuit, X, weights = curvature_case(seed)

    def gradient(vector):
        gradients = enumerated_gradients(with_parameters(circuit, vector), X, include_inputs)
        return -np.average(gradients, axis=0, weights=weights)

    hessian = autograd_hessian(circuit, X, weights, include_inputs)
    expected = central_differences(gradient, parameter_vector(circuit, include_inputs))
    np.testing.assert_allclose(hessian, expected, rtol=1e-5, atol=1e-8 * np.abs(hessian).max())


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_gradient_of_trace_matches_differences_of_the_enumerated_trace(seed, include_inputs):
    circuit, X, weights = curvature_case(seed)

    def mean_trace(vector):
        gradients = enumerated_gradients(with_parameters(circuit, vector), X, include_inputs)
        return np.average((gradients**2).sum(axis=1), weights=weights)

    gradient = autograd_gradient_of_mean_trace(circuit, X, weights, include_inputs)
    expected = central_differences(mean_trace, parameter_vector(circuit, include_inputs))
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8 * np.abs(gradient).max())


@both
@pytest.mark.parametrize("seed", SEEDS)
def test_hessian_is_symmetric_and_its_trace_the_mean_of_squared_gradients(seed, include_inputs):
    circuit, X, weights = curvature_case(seed)
    hessian = autograd_hessian(circuit, X, weights, include_inputs)
    np.testing.assert_allclose(hessian, hessian.T, rtol=0, atol=1e-13 * np.abs(hessian).max())
    gradients = enumerated_gradients(circuit, X, include_inputs)
    np.testing.assert_allclose(
        np.diag(hessian), np.average(gradients**2, axis=0, weights=weights), rtol=1e-10, atol=1e-12
    )
    mean_trace = mean_trace_function(circuit, X, weights, include_inputs)
    value = mean_trace(parameter_vector(circuit, include_inputs))
    np.testing.assert_allclose(np.trace(hessian), value, rtol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_trace_is_that_of_the_package(seed):
    circuit, X, weights = curvature_case(seed)
    expected = np.average(hessian_trace(circuit, X), weights=weights)
    hessian = autograd_hessian(circuit, X, weights)
    np.testing.assert_allclose(np.trace(hessian), expected, rtol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradient_of_trace_is_twice_the_mean_of_hessian_times_gradient(seed):
    """Row by row: the trace is |g|^2, so its gradient is 2 (dg) g with dg = -H."""
    circuit, X, weights = curvature_case(seed)
    gradients = enumerated_gradients(circuit, X, False)
    terms = [
        -2 * autograd_hessian(circuit, X[i : i + 1], np.ones(1)) @ gradients[i]
        for i in range(len(X))
    ]
    expected = np.average(terms, axis=0, weights=weights)
    gradient = autograd_gradient_of_mean_trace(circuit, X, weights)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())


def test_inputs_come_after_the_weights_in_the_memory_order_of_probs():
    circuit, X, weights = curvature_case(0)
    n_weights = len(parameter_vector(circuit))
    both_kinds = parameter_vector(circuit, include_inputs=True)
    np.testing.assert_array_equal(both_kinds[:n_weights], parameter_vector(circuit))
    probs = [d.probs.ravel() for d in circuit.inputs if d is not None]
    np.testing.assert_array_equal(both_kinds[n_weights:], np.concatenate(probs))
    hessian = autograd_hessian(circuit, X, weights, include_inputs=True)
    np.testing.assert_allclose(
        hessian[:n_weights, :n_weights],
        autograd_hessian(circuit, X, weights),
        rtol=1e-10,
        atol=1e-12,
    )
