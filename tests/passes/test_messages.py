"""Likelihoods and expected counts against all joint states, and at sizes that underflow."""

import numpy as np
import oracle
import pytest
from helpers import (
    as_model,
    build_patterns,
    category_counts,
    chain,
    gather,
    parts_of,
    positive,
    random_circuit,
    random_rows,
    random_tree,
    small_case,
    star,
    symbol_counts,
)

from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.inputs import Inputs
from skpc._passes.counts import ExpectedCounts
from skpc._passes.likelihood import log_likelihood
from skpc._passes.messages import Messages
from skpc._threads import use_threads

pytestmark = pytest.mark.usefixtures("one_thread")

# Sums of a few thousand positive terms in another order.
RTOL = 1e-10
small_cases = pytest.mark.parametrize("seed", range(12))


def large_case(tree, n_regions, n_rows, n_latents, seed=0):
    rng = np.random.default_rng(seed)
    parents = {"chain": chain, "star": star}.get(tree, lambda n: random_tree(rng, n))(n_regions)
    circuit = random_circuit(rng, parents, rng.integers(1, 4, n_regions), n_latents)
    X = random_rows(rng, circuit, n_rows, missing=0.1)
    return circuit, X, rng.uniform(0.1, 3.0, n_rows)


LARGE = {
    "chain": ("chain", 20, 700, 7),
    "star": ("star", 30, 600, 16),
    "random": ("random", 40, 1500, 5),
    "one state": ("random", 20, 300, 1),
    "wide": ("random", 20, 300, 40),
    "more states than a register": ("random", 25, 400, 9),
}
large_cases = pytest.mark.parametrize("case", LARGE.values(), ids=LARGE.keys())


@small_cases
def test_log_likelihood_sums_over_all_latent_states(seed):
    circuit, X, _ = small_case(seed)
    expected = oracle.log_likelihood(as_model(circuit), X)
    np.testing.assert_allclose(log_likelihood(circuit, X), expected, rtol=RTOL, atol=1e-12)


@pytest.mark.parametrize(("n_regions", "n_latents"), [(1, 1), (1, 3), (4, 1), (2, 9)])
def test_log_likelihood_of_degenerate_shapes(n_regions, n_latents):
    circuit, X, _ = small_case(1, n_regions, n_latents)
    expected = oracle.log_likelihood(as_model(circuit), X)
    np.testing.assert_allclose(log_likelihood(circuit, X), expected, rtol=RTOL, atol=1e-12)


@small_cases
def test_missing_means_summed_out(seed):
    circuit, X, _ = small_case(seed)
    model = as_model(circuit)
    expected = [
        np.log(np.exp(log_likelihood(circuit, oracle.completions(model, x))).sum()) for x in X
    ]
    np.testing.assert_allclose(log_likelihood(circuit, X), expected, rtol=RTOL, atol=1e-12)


def test_nothing_observed_has_probability_one_exactly():
    circuit, X, _ = small_case(0)
    assert log_likelihood(circuit, np.full_like(X, np.nan)).tolist() == [0.0] * len(X)


@small_cases
def test_distribution_sums_to_one(seed):
    circuit, _, _ = small_case(seed)
    total = np.exp(log_likelihood(circuit, oracle.all_rows(as_model(circuit)))).sum()
    assert total == pytest.approx(1.0, rel=1e-12)


def test_values_outside_the_categories_have_the_unseen_mass():
    circuit, X, _ = small_case(2)
    X[3, 0] = 1e6
    X[4] = -1e6
    expected = oracle.log_likelihood(as_model(circuit), X)
    np.testing.assert_allclose(log_likelihood(circuit, X), expected, rtol=RTOL)


@small_cases
def test_total_log_likelihood_is_weighted(seed):
    circuit, X, weights = small_case(seed)
    expected = weights @ oracle.log_likelihood(as_model(circuit), X)
    assert gather(circuit, X, weights).log_likelihood == pytest.approx(expected, rel=RTOL)


@small_cases
def test_root_counts(seed):
    circuit, X, weights = small_case(seed)
    expected, _, _ = oracle.expected_counts(as_model(circuit), X, weights)
    np.testing.assert_allclose(gather(circuit, X, weights).root, expected, rtol=RTOL)


@small_cases
def test_edge_counts(seed):
    circuit, X, weights = small_case(seed)
    _, expected, _ = oracle.expected_counts(as_model(circuit), X, weights)
    np.testing.assert_allclose(gather(circuit, X, weights).sums, expected, rtol=RTOL)


@small_cases
def test_input_counts(seed):
    circuit, X, weights = small_case(seed)
    _, _, expected = oracle.expected_counts(as_model(circuit), X, weights)
    actual = symbol_counts(circuit, X, weights)
    np.testing.assert_allclose(actual, np.concatenate(expected), rtol=RTOL)


@small_cases
def test_missing_and_unseen_values_are_left_out_of_the_summary(seed):
    circuit, X, weights = small_case(seed)
    _, _, expected = oracle.expected_counts(as_model(circuit), X, weights)
    (actual,) = gather(circuit, X, weights).inputs
    np.testing.assert_allclose(actual, category_counts(expected), rtol=RTOL)


@small_cases
def test_gate(seed):
    circuit, X, weights = small_case(seed)
    model = as_model(circuit)
    expected = sum(w * oracle.gate_curvature(model, x) for w, x in zip(weights, X, strict=True))
    actual = gather(circuit, X, weights, with_gate=True).gate
    np.testing.assert_allclose(actual, expected, rtol=RTOL)


@small_cases
def test_second_moments(seed):
    circuit, X, weights = small_case(seed)
    root, sums = oracle.second_moments(as_model(circuit), X, weights)
    counts = gather(circuit, X, weights, with_moments=True)
    np.testing.assert_allclose(counts.root_moments, root, rtol=RTOL)
    np.testing.assert_allclose(counts.sum_moments, sums, rtol=RTOL)


def test_what_is_gathered_beside_the_counts_does_not_change_them():
    circuit, X, weights = small_case(3)
    plain = gather(circuit, X, weights)
    full = gather(circuit, X, weights, with_gate=True, with_moments=True)
    assert plain.log_likelihood == full.log_likelihood
    np.testing.assert_array_equal(plain.root, full.root)
    np.testing.assert_array_equal(plain.sums, full.sums)
    np.testing.assert_array_equal(plain.inputs[0], full.inputs[0])


def test_an_e_step_leaves_nothing_behind_for_the_next():
    from skpc._learning.em import EStep

    circuit, X, weights = small_case(4)
    other, _, _ = small_case(4)
    other.sum_weights[:] = other.sum_weights[:, ::-1]
    e_step = EStep(circuit, circuit.inputs.encode(X), weights, with_gate=True)
    first = e_step(circuit)
    e_step(other)
    again = e_step(circuit)
    for (name, one), (_, two) in zip(parts_of(first), parts_of(again), strict=True):
        np.testing.assert_array_equal(one, two, err_msg=name)


@large_cases
def test_patterns_agree_with_rows(case):
    circuit, X, weights = large_case(*case)
    log_likelihoods, root, sums, symbols, _, _ = oracle.log_space_counts(
        as_model(circuit), X, weights
    )
    np.testing.assert_allclose(log_likelihood(circuit, X), log_likelihoods, rtol=RTOL)
    counts = gather(circuit, X, weights)
    # Counts far below one row's weight carry the rounding of log space, 1e-14 * |log p|.
    np.testing.assert_allclose(counts.root, root, rtol=RTOL)
    np.testing.assert_allclose(counts.sums, sums, rtol=RTOL)
    actual = symbol_counts(circuit, X, weights)
    np.testing.assert_allclose(actual, np.concatenate(symbols), rtol=RTOL)


@large_cases
def test_moments_of_rows_spread_over_several_blocks(case):
    circuit, X, weights = large_case(*case)
    *_, root, sums = oracle.log_space_counts(as_model(circuit), X, weights)
    counts = gather(circuit, X, weights, with_moments=True)
    np.testing.assert_allclose(counts.root_moments, root, rtol=RTOL)
    np.testing.assert_allclose(counts.sum_moments, sums, rtol=RTOL)


@large_cases
def test_every_region_has_the_total_flow(case):
    circuit, X, weights = large_case(*case)
    counts = gather(circuit, X, weights)
    n_symbols = circuit.inputs.encode(X).n_symbols
    first = np.cumsum(n_symbols) - n_symbols
    by_region = np.add.reduceat(symbol_counts(circuit, X, weights).sum(axis=1), first)
    np.testing.assert_allclose(by_region, weights.sum(), rtol=1e-11)
    below = circuit.parents >= 0
    np.testing.assert_allclose(counts.sums.sum(axis=(1, 2))[below], weights.sum(), rtol=1e-11)


@large_cases
def test_blocks_give_the_same_counts(case):
    circuit, X, weights = large_case(*case)
    options = {"with_gate": True, "with_moments": True}
    whole = gather(circuit, X, weights, **options)
    blocks = gather(circuit, X, weights, max_bytes=100_000, **options)
    for (name, value), (_, actual) in zip(parts_of(whole), parts_of(blocks), strict=True):
        np.testing.assert_allclose(actual, value, rtol=1e-11, err_msg=name)


def test_small_memory_means_several_blocks():
    from skpc._learning.em import EStep

    circuit, X, weights = large_case(*LARGE["random"])
    e_step = EStep(circuit, circuit.inputs.encode(X), weights, max_bytes=100_000)
    assert len(e_step.blocks) > 3


@large_cases
def test_a_row_has_the_same_bits_in_blocks_alone_and_permuted(case):
    circuit, X, _ = large_case(*case)
    batch = log_likelihood(circuit, X)
    order = np.random.default_rng(1).permutation(len(X))
    np.testing.assert_array_equal(log_likelihood(circuit, X[order]), batch[order])
    np.testing.assert_array_equal(log_likelihood(circuit, X, max_bytes=50_000), batch)
    alone = [log_likelihood(circuit, X[i : i + 1])[0] for i in range(9)]
    np.testing.assert_array_equal(alone, batch[:9])


@large_cases
def test_threads_do_not_change_bits(case, monkeypatch):
    monkeypatch.setattr("skpc._threads._SERIAL_WORK", 0)  # or one thread would do it all
    circuit, X, weights = large_case(*case)
    results = []
    for n_threads in 1, 2:
        with use_threads(n_threads):
            counts = gather(circuit, X, weights, with_gate=True, with_moments=True)
            results.append([("scores", log_likelihood(circuit, X)), *parts_of(counts)])
    for (name, one), (_, two) in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two, err_msg=name)


def test_counts_of_two_parts_add_up():
    circuit, X, weights = small_case(5)
    options = {"with_gate": True, "with_moments": True}
    whole = gather(circuit, X, weights, **options)
    parts = gather(circuit, X[:7], weights[:7], **options)
    parts.add(gather(circuit, X[7:], weights[7:], **options))
    assert isinstance(parts, ExpectedCounts)
    for (name, value), (_, actual) in zip(parts_of(whole), parts_of(parts), strict=True):
        np.testing.assert_allclose(actual, value, rtol=1e-12, err_msg=name)


# --- underflow -------------------------------------------------------------------------


def binary_circuit(parents, n_latents, probs_of_one, sum_weights, floor=None):
    """Column r at region r, values 0 and 1; probs_of_one (R, K)."""
    n_regions = len(parents)
    sum_weights = np.array(np.broadcast_to(sum_weights, (n_regions, n_latents, n_latents)))
    sum_weights[parents < 0] = np.eye(n_latents)
    features = [np.array([r]) for r in range(n_regions)]
    probs = np.stack([1 - probs_of_one, probs_of_one], axis=1)
    if floor is not None:
        probs = np.maximum(probs, floor)
    inputs = Inputs(
        features,
        [np.array([0.0, 1.0])] * n_regions,
        probs.reshape(2 * n_regions, n_latents),
        np.full((n_regions, n_latents), 1e-30),
        {},
    )
    root_weights = np.full(n_latents, 1 / n_latents)
    return Circuit(parents, tuple(features), root_weights, sum_weights, inputs)


def assert_agrees_with_log_space(circuit, X, rtol):
    weights = np.linspace(0.5, 1.5, len(X))
    log_likelihoods, root, sums, symbols, _, _ = oracle.log_space_counts(
        as_model(circuit), X, weights
    )
    np.testing.assert_allclose(log_likelihood(circuit, X), log_likelihoods, rtol=1e-12)
    counts = gather(circuit, X, weights)
    # Below 1e-100 of a row a posterior may come out as zero.
    np.testing.assert_allclose(counts.root, root, rtol=rtol, atol=1e-100)
    np.testing.assert_allclose(counts.sums, sums, rtol=rtol, atol=1e-100)
    actual = symbol_counts(circuit, X, weights)
    np.testing.assert_allclose(actual, np.concatenate(symbols), rtol=rtol, atol=1e-100)


@pytest.mark.parametrize("parents", [chain(2000), star(2000), star(2000, hub=1234)])
def test_two_thousand_features_do_not_underflow(parents):
    rng = np.random.default_rng(0)
    probs = rng.uniform(0.1, 0.9, (2000, 3))
    circuit = binary_circuit(parents, 3, probs, positive(rng, 2000, 3, 3))
    X = rng.integers(0, 2, (4, 2000)).astype(float)
    # Errors of log space: 1e-16 of |log p|, a few thousand.
    assert_agrees_with_log_space(circuit, X, rtol=1e-8)


@pytest.mark.parametrize("hub", [0, 999, 1999])
def test_a_state_that_falls_far_behind_recovers(hub):
    weights = np.where(np.eye(3), 0.98, 0.01)
    probs = np.tile([0.95, 0.1, 0.5], (2000, 1))
    circuit = binary_circuit(star(2000, hub), 3, probs, weights)
    X = np.zeros((4, 2000))
    X[0, 1000:] = 1.0  # first against state 0 by some 2,000 nats, then in its favour
    X[1, :1000] = 1.0
    X[2, 1::2] = 1.0
    X[3, 700:] = 1.0
    assert_agrees_with_log_space(circuit, X, rtol=1e-8)


@pytest.mark.parametrize(
    "parents", [chain(40), star(5), star(6), star(40, 7), random_tree(np.random.default_rng(0), 40)]
)
def test_smallest_weights_do_not_underflow(parents):
    n_regions = len(parents)
    rng = np.random.default_rng(1)
    weights = np.where(np.eye(2), 1.0, 1e-30)
    probs = np.where(rng.random((n_regions, 1)) < 0.5, [1.0, 1e-30], [1e-30, 1.0])
    circuit = binary_circuit(parents, 2, probs, weights, floor=1e-30)
    X = rng.integers(0, 2, (6, n_regions)).astype(float)
    assert_agrees_with_log_space(circuit, X, rtol=1e-9)


# --- float32 ---------------------------------------------------------------------------


@large_cases
def test_single_precision_messages_agree_to_single_precision(case):
    circuit, X, weights = large_case(*case)
    evidence = circuit.inputs.encode(X)
    patterns = build_patterns(circuit.parents, evidence.symbols, evidence.n_symbols, weights)
    results = []
    for dtype in np.float64, np.float32:
        messages = Messages(circuit.n_regions, circuit.n_latents, dtype=dtype)
        messages.upward(circuit, evidence, patterns)
        log_likelihoods = messages.root_log_likelihoods(circuit, patterns)
        counts = messages.downward(circuit, evidence, patterns)
        results.append((log_likelihoods, counts.root, counts.sums, counts.inputs[0]))
    for double, single in zip(*results, strict=True):
        # 40 products of relative error 1e-7 each; entries below 1e-9 of the data aside.
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-9 * weights.sum())
