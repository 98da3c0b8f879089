"""The exact Hessian trace against squared gradients and second differences."""

import dataclasses

import numpy as np
import oracle
import pytest
from helpers import as_model, random_circuit, random_rows, random_tree, small_case

from skpc.curvature import hessian_trace

pytestmark = pytest.mark.usefixtures("one_thread")

# Sums of positive terms in another order.
RTOL = 1e-10


@pytest.mark.parametrize("seed", range(10))
def test_trace_is_the_sum_of_squared_gradients(seed):
    circuit, X, _ = small_case(seed)
    expected = oracle.hessian_trace(as_model(circuit), X)
    np.testing.assert_allclose(hessian_trace(circuit, X), expected, rtol=RTOL)


@pytest.mark.parametrize(("n_regions", "n_latents"), [(1, 1), (1, 4), (3, 1), (2, 9)])
def test_trace_of_degenerate_shapes(n_regions, n_latents):
    circuit, X, _ = small_case(1, n_regions, n_latents)
    expected = oracle.hessian_trace(as_model(circuit), X)
    np.testing.assert_allclose(hessian_trace(circuit, X), expected, rtol=RTOL)


def test_trace_where_nothing_is_observed():
    circuit, X, _ = small_case(2, n_latents=3)
    X = np.full_like(X, np.nan)
    expected = oracle.hessian_trace(as_model(circuit), X[:1])[0]
    np.testing.assert_allclose(hessian_trace(circuit, X), expected, rtol=RTOL)


def test_one_state_has_one_for_every_weight():
    circuit, X, _ = small_case(1, n_regions=4, n_latents=1)
    np.testing.assert_allclose(hessian_trace(circuit, X), 4.0, rtol=1e-14)


def test_trace_matches_second_differences():
    circuit, X, _ = small_case(1, n_regions=3, n_latents=2)
    model = as_model(circuit)
    step = 1e-3

    def second_difference(name, index):
        values = []
        for shift in -step, 0.0, step:
            moved = getattr(model, name).copy()
            moved[index] += shift
            changed = dataclasses.replace(model, **{name: moved})
            values.append(oracle.log_likelihood(changed, X))
        return (values[0] - 2 * values[1] + values[2]) / step**2

    total = sum(second_difference("root_weights", k) for k in range(2))
    for c in model.edges:
        total = total + sum(
            second_difference("sum_weights", (c, k, j)) for k, j in np.ndindex(2, 2)
        )
    # The error is step^2 g^4 / 2 beside g^2, with gradients g of up to ten or so.
    np.testing.assert_allclose(hessian_trace(circuit, X), -total, rtol=2e-3)


def large_case():
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, random_tree(rng, 30), rng.integers(1, 4, 30), 5)
    return circuit, random_rows(rng, circuit, 700)


def test_trace_of_larger_circuits():
    circuit, X = large_case()
    log_p, log_s, log_likelihoods = oracle.log_messages(as_model(circuit), X)
    expected = np.exp(2 * (log_p[circuit.roots[0]] - log_likelihoods[:, None])).sum(axis=1)
    log_flows = {circuit.roots[0]: np.log(circuit.root_weights) + log_p[circuit.roots[0]]}
    for c in oracle.topdown(as_model(circuit))[1:]:
        ratio = log_flows[circuit.parents[c]] - log_s[c]
        gradient = np.exp(ratio[:, :, None] + log_p[c][:, None, :] - log_likelihoods[:, None, None])
        expected += (gradient**2).sum(axis=(1, 2))
        flow = np.exp(ratio) @ circuit.sum_weights[c]
        log_flows[c] = log_p[c] + np.log(flow)
    np.testing.assert_allclose(hessian_trace(circuit, X), expected, rtol=1e-9)


def test_blocks_and_threads_do_not_change_bits():
    circuit, X = large_case()
    whole = hessian_trace(circuit, X, n_jobs=1)
    np.testing.assert_array_equal(hessian_trace(circuit, X, n_jobs=2), whole)
    np.testing.assert_array_equal(hessian_trace(circuit, X, max_bytes=200_000), whole)
    np.testing.assert_array_equal(hessian_trace(circuit, X[3:4]), whole[3:4])
