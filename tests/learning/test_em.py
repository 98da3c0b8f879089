"""EM: what one step does, what many steps may not do, when it stops."""

import numpy as np
import oracle
import pytest
from helpers import (
    as_model,
    gather,
    random_circuit,
    random_rows,
    random_tree,
    same_bits,
    small_case,
)

from skpc._learning.em import EStep, fit_em
from skpc._learning.mstep import MStep
from skpc._learning.progress import Progress
from skpc._passes.likelihood import log_likelihood

pytestmark = pytest.mark.usefixtures("one_thread")

seeds = pytest.mark.parametrize("seed", range(6))


def run(circuit, X, weights, m_step=None, *, max_iter=1, tol=0.0, **options):
    m_step = m_step or MStep()
    e_step = EStep(
        circuit,
        circuit.inputs.encode(X),
        weights,
        with_gate=m_step.needs_gate,
        with_moments=m_step.needs_moments,
    )
    progress = Progress(circuit, tol=tol, **options)
    return fit_em(circuit, progress, e_step, m_step, max_iter)


def medium_case(seed):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, random_tree(rng, 8), rng.integers(1, 5, 8), 4)
    return circuit, random_rows(rng, circuit, 150), rng.uniform(0.1, 3.0, 150)


@seeds
def test_one_step_normalises_the_weights_counts(seed):
    circuit, X, weights = small_case(seed)
    model = as_model(circuit)
    root, sums, _ = oracle.expected_counts(model, X, weights)
    new = run(circuit, X, weights).circuit
    # Counts agree to 1e-10 with those over all joint states.
    np.testing.assert_allclose(new.root_weights, root / root.sum(), rtol=1e-9)
    expected = sums[model.edges] / sums[model.edges].sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(new.sum_weights[model.edges], expected, rtol=1e-9)


@seeds
def test_one_step_normalises_the_input_counts(seed):
    circuit, X, weights = small_case(seed)
    _, _, symbols = oracle.expected_counts(as_model(circuit), X, weights)
    new = run(circuit, X, weights).circuit
    for distribution, counts in zip(new.inputs, symbols, strict=True):
        if distribution is not None:
            observed = counts[:-2]
            # A category without a row has the smallest weight, 1e-30.
            np.testing.assert_allclose(
                distribution.probs, observed / observed.sum(axis=0), rtol=1e-9, atol=2e-30
            )


@seeds
def test_plain_em_never_falls(seed):
    circuit, X, weights = medium_case(seed)
    result = run(circuit, X, weights, max_iter=60)
    assert np.diff(result.log_likelihoods).min() > -1e-10
    assert result.log_likelihoods[-1] > result.log_likelihoods[0] + 0.1


@seeds
def test_history_is_the_mean_before_each_update(seed):
    circuit, X, weights = small_case(seed)
    result = run(circuit, X, weights, MStep(mu=0.2), max_iter=4)
    for value in result.log_likelihoods:
        expected = weights @ oracle.log_likelihood(as_model(circuit), X) / weights.sum()
        assert value == pytest.approx(expected, rel=1e-9)
        circuit = run(circuit, X, weights, MStep(mu=0.2)).circuit
    assert len(result.log_likelihoods) == 4


def test_the_fitted_circuit_has_had_every_update():
    circuit, X, weights = small_case(1)
    expected = circuit
    for _ in range(4):
        expected = run(expected, X, weights).circuit
    assert same_bits(run(circuit, X, weights, max_iter=4).circuit, expected)


def test_converged_em_is_at_a_fixed_point():
    circuit, X, weights = small_case(2)
    m_step = MStep(pseudocount=0.5)
    fitted = run(circuit, X, weights, m_step, max_iter=3_000, tol=0.0).circuit
    new = run(fitted, X, weights, m_step).circuit
    np.testing.assert_allclose(new.root_weights, fitted.root_weights, atol=1e-6)
    np.testing.assert_allclose(new.sum_weights, fitted.sum_weights, atol=1e-6)
    np.testing.assert_allclose(new.inputs.probs, fitted.inputs.probs, atol=1e-6)


def test_one_state_is_fitted_by_frequencies_in_one_step():
    circuit, X, weights = small_case(4, n_regions=3, n_latents=1)
    new = run(circuit, X, weights).circuit
    for columns, distribution in zip(new.features, new.inputs, strict=True):
        column = X[:, columns[0]]
        counts = [weights[column == value].sum() for value in distribution.categories]
        np.testing.assert_allclose(
            distribution.probs[:, 0], np.array(counts) / sum(counts), rtol=1e-12, atol=2e-30
        )


def test_uniform_data_are_a_fixed_point_of_their_own_model():
    """All joint rows, each weighted by its probability: the truth is a fixed point."""
    circuit, _, _ = small_case(5)
    X = oracle.all_rows(as_model(circuit))
    new = run(circuit, X, np.exp(log_likelihood(circuit, X))).circuit
    np.testing.assert_allclose(new.root_weights, circuit.root_weights, rtol=1e-11)
    np.testing.assert_allclose(new.sum_weights, circuit.sum_weights, rtol=1e-11)
    np.testing.assert_allclose(new.inputs.probs, circuit.inputs.probs, rtol=1e-11)


def test_em_stops_at_the_first_change_below_tol():
    circuit, X, weights = medium_case(0)
    full = run(circuit, X, weights, max_iter=100).log_likelihoods
    result = run(circuit, X, weights, max_iter=100, tol=1e-3)
    n_iter = np.flatnonzero(np.abs(np.diff(full)) < 1e-3)[0] + 2
    assert result.converged
    np.testing.assert_array_equal(result.log_likelihoods, full[:n_iter])


def test_a_fall_beyond_tol_does_not_end_em():
    circuit, X, weights = medium_case(0)
    fitted = run(circuit, X, weights, max_iter=100).circuit
    result = run(fitted, X, weights, MStep(mu=5.0), max_iter=100, tol=1e-3)
    changes = np.diff(result.log_likelihoods)
    assert changes[0] < -5e-3
    assert len(changes) > 1
    assert (np.abs(changes[:-1]) >= 1e-3).all()


def test_max_iter_ends_em_unconverged():
    circuit, X, weights = medium_case(0)
    result = run(circuit, X, weights, max_iter=3, tol=1e-9)
    assert not result.converged
    assert len(result.log_likelihoods) == 3


def test_tol_zero_runs_all_iterations():
    circuit, X, weights = small_case(4, n_regions=3, n_latents=1)  # converged after one
    assert len(run(circuit, X, weights, max_iter=8).log_likelihoods) == 8


def test_scaled_weights_scale_counts():
    circuit, X, weights = small_case(3)
    once, thrice = gather(circuit, X, weights), gather(circuit, X, 3 * weights)
    np.testing.assert_allclose(thrice.sums, 3 * once.sums, rtol=1e-13)
    np.testing.assert_allclose(thrice.inputs[0], 3 * once.inputs[0], rtol=1e-13)


@pytest.mark.parametrize("update", ["quadratic", "cubic"])
@pytest.mark.parametrize("regularizer", ["global", "gated"])
def test_a_penalty_lowers_the_hessian_trace(regularizer, update):
    from skpc.curvature import hessian_trace

    circuit, X, weights = medium_case(1)
    traces = [
        np.average(
            hessian_trace(
                run(
                    circuit, X, weights, MStep(mu, regularizer, update=update), max_iter=50
                ).circuit,
                X,
            ),
            weights=weights,
        )
        for mu in (0.0, 0.5, 5.0)
    ]
    assert traces[0] > traces[1] > traces[2]
