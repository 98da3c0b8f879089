"""Circuits of several trees under one root sum node, against the trees one by one."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from helpers import (
    as_model,
    category_counts,
    gather,
    mixture_case,
)
from scipy.special import logsumexp

from skpc._learning.em import EStep, fit_em
from skpc._learning.mstep import MStep
from skpc._learning.progress import Progress
from skpc._passes.likelihood import log_likelihood
from skpc._queries.sampling import sample
from skpc.curvature import hessian_trace

pytestmark = pytest.mark.usefixtures("one_thread")
RTOL = 1e-10


def by_tree(trees, shares, X):
    """Log-likelihood of each tree times its share (n_trees, n)."""
    logs = [oracle.log_likelihood(as_model(tree), X) for tree in trees]
    return np.stack(logs) + np.log(shares)[:, None]


cases = pytest.mark.parametrize("seed", range(4))


@cases
def test_log_likelihood(seed):
    circuit, trees, shares, X, _ = mixture_case(seed)
    expected = logsumexp(by_tree(trees, shares, X), axis=0)
    np.testing.assert_allclose(log_likelihood(circuit, X), expected, rtol=RTOL, atol=1e-12)


@cases
def test_expected_counts_are_shared_by_responsibility(seed):
    circuit, trees, shares, X, weights = mixture_case(seed)
    logs = by_tree(trees, shares, X)
    responsibilities = np.exp(logs - logsumexp(logs, axis=0))
    parts = [
        oracle.expected_counts(as_model(tree), X, weights * share)
        for tree, share in zip(trees, responsibilities, strict=True)
    ]
    counts = gather(circuit, X, weights)
    root, sums, inputs = (list(part) for part in zip(*parts, strict=True))
    np.testing.assert_allclose(counts.root, np.concatenate(root), rtol=RTOL)
    np.testing.assert_allclose(counts.sums, np.concatenate(sums), rtol=RTOL)
    expected = np.concatenate([category_counts(part) for part in inputs])
    np.testing.assert_allclose(counts.inputs[0], expected, rtol=RTOL)


@cases
def test_hessian_trace(seed):
    circuit, trees, shares, X, _ = mixture_case(seed)
    logs = by_tree(trees, shares, X)
    responsibilities = np.exp(logs - logsumexp(logs, axis=0))
    expected = 0.0
    for tree, share, responsibility in zip(trees, shares, responsibilities, strict=True):
        root = hessian_trace_of_root(tree, X)
        edges = hessian_trace(tree, X) - root
        expected += responsibility**2 * (edges + root / share**2)
    np.testing.assert_allclose(hessian_trace(circuit, X), expected, rtol=1e-9)


def hessian_trace_of_root(tree, X):
    """|P_root|^2 / p^2: what each state of the root alone would make of the likelihood."""
    single = []
    for k in range(tree.n_latents):
        weights = np.full(tree.n_latents, 1e-300)
        weights[k] = 1.0
        single.append(oracle.log_likelihood(as_model(replace(tree, root_weights=weights)), X))
    return np.exp(2 * (np.stack(single) - oracle.log_likelihood(as_model(tree), X))).sum(axis=0)


def test_gate_and_moments_of_the_common_root():
    circuit, _, _, X, weights = mixture_case(1)
    counts = gather(circuit, X, weights, with_gate=True, with_moments=True)
    flows = [gather(circuit, X[i : i + 1], np.ones(1)).root for i in range(len(X))]
    np.testing.assert_allclose(counts.root_moments, weights @ np.square(flows), rtol=RTOL)
    derivatives = np.square(np.array(flows) / circuit.root_weights).sum(axis=1)
    assert counts.gate[circuit.roots[0], 0] == pytest.approx(weights @ derivatives, rel=RTOL)


def test_a_tree_that_explains_nothing_does_not_underflow():
    circuit, trees, _, X, _ = mixture_case(2)
    hopeless = np.where(circuit.inputs.probs > 0, circuit.inputs.probs, 0)
    n_first = len(trees[0].inputs.probs)
    hopeless[n_first:] = 1e-300
    inputs = circuit.inputs
    inputs = type(inputs)(inputs.features, inputs.categories, hopeless, inputs.unseen, {})
    first = circuit.root_weights[: circuit.n_latents].sum()
    X = X[~np.isnan(X).any(axis=1)]
    expected = oracle.log_likelihood(as_model(trees[0]), X) + np.log(first)
    np.testing.assert_allclose(log_likelihood(replace(circuit, inputs=inputs), X), expected)


def test_em_never_falls_and_reaches_the_best_tree():
    circuit, _, _, X, weights = mixture_case(3)
    e_step = EStep(circuit, circuit.inputs.encode(X), weights)
    result = fit_em(circuit, Progress(circuit, tol=0.0), e_step, MStep(), 60)
    assert np.diff(result.log_likelihoods).min() > -1e-12
    assert result.log_likelihoods[-1] > result.log_likelihoods[0] + 0.1
    result.circuit.check()


def test_samples_follow_the_distribution():
    circuit, trees, _, _, _ = mixture_case(0)
    drawn = sample(circuit, 20_000, 3, np.random.RandomState(0))
    worlds = oracle.all_rows(as_model(trees[0]))
    expected = np.exp(log_likelihood(circuit, worlds))
    frequencies = [(drawn == world).all(axis=1).mean() for world in worlds]
    error = np.sqrt(expected * (1 - expected) / len(drawn))
    assert (np.abs(frequencies - expected) < 4 * error).all()


@pytest.mark.parametrize("n_latents", [1, 4])
def test_n_parameters(n_latents):
    circuit, trees, _, _, _ = mixture_case(0, n_latents=n_latents)
    assert circuit.n_parameters == sum(tree.n_parameters for tree in trees) + len(trees) - 1
