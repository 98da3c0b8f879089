"""Circuits of several sizes as one: the same distribution as the mixture of them."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import chain, mixed_circuit, mixed_rows, mixture_case, star
from scipy.special import logsumexp

from skpc._circuit.circuit import from_dict, to_dict
from skpc._circuit.inputs.composite import Composite
from skpc._circuit.stack import stacked, with_split_states
from skpc._passes.likelihood import log_likelihood
from skpc._queries.sampling import sample

pytestmark = pytest.mark.usefixtures("one_thread")


def in_order(circuit):
    """The circuit with its columns numbered region by region, so that others are over the same."""
    first = np.cumsum([0, *map(len, circuit.features)])
    features = [np.arange(a, b) for a, b in pairwise(first)]
    inputs = type(circuit.inputs).of(features, list(circuit.inputs), circuit.n_latents)
    return type(circuit)(
        circuit.parents, tuple(features), circuit.root_weights, circuit.sum_weights, inputs
    )


def members(seed=0):
    """Three circuits of 1, 3 and 4 states over a category and four continuous columns."""
    rng = np.random.default_rng(seed)
    shapes = [
        (chain(5), [3, -1, -1, -1, -1], 1),
        (star(3), [3, -2, -2], 3),
        (chain(2), [3, -4], 4),
    ]
    circuits = [in_order(mixed_circuit(rng, *shape)) for shape in shapes]
    return circuits, mixed_rows(rng, circuits[0], 40)


@pytest.mark.parametrize("n_latents", [4, 5, 7, 9])
@pytest.mark.parametrize("member", [0, 1, 2])
def test_splitting_states_keeps_the_distribution(member, n_latents):
    circuits, X = members()
    split = with_split_states(circuits[member], n_latents)
    split.check()
    assert split.n_latents == n_latents
    expected = log_likelihood(circuits[member], X)
    np.testing.assert_allclose(log_likelihood(split, X), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_latents", [3, 5])
def test_splitting_states_of_several_trees_keeps_the_distribution(n_latents):
    circuit, _, _, X, _ = mixture_case(1)
    X[5, 0] = 7.0  # no category
    split = with_split_states(circuit, n_latents)
    np.testing.assert_allclose(
        log_likelihood(split, X), log_likelihood(circuit, X), rtol=1e-12, atol=1e-12
    )


def test_a_stack_is_the_mixture_of_its_members():
    circuits, X = members()
    weights = np.array([0.2, 0.5, 0.3])
    stack = stacked(circuits, weights)
    assert stack.n_latents == 4
    assert len(stack.roots) == 3
    logs = [log_likelihood(circuit, X) for circuit in circuits]
    expected = logsumexp(logs, b=weights[:, None], axis=0)
    np.testing.assert_allclose(log_likelihood(stack, X), expected, rtol=1e-12, atol=1e-12)


def test_a_stack_of_one_is_that_one():
    circuits, _ = members()
    assert stacked(circuits[:1], np.ones(1)) is circuits[0]


def test_a_stack_can_be_written_and_read():
    circuits, X = members()
    stack = stacked(circuits, np.array([0.2, 0.5, 0.3]))
    np.testing.assert_array_equal(
        log_likelihood(from_dict(to_dict(stack)), X), log_likelihood(stack, X)
    )


def test_samples_of_a_stack_have_its_mean():
    circuits, _ = members()
    weights = np.array([0.7, 0.2, 0.1])
    rows = sample(stacked(circuits, weights), 40_000, 5, np.random.RandomState(0))
    of_members = [
        sample(circuit, 40_000, 5, np.random.RandomState(1)).mean(axis=0) for circuit in circuits
    ]
    np.testing.assert_allclose(rows.mean(axis=0), weights @ of_members, atol=0.06)


def test_states_of_a_composite_are_those_of_its_parts():
    rng = np.random.default_rng(0)
    circuit = mixed_circuit(rng, chain(2), [3, -1], 3)
    composite = Composite(tuple(circuit.inputs))
    X = np.array([[1.0, 0.3], [np.nan, 2.0], [0.0, np.nan]])
    states = np.array([0, 0, 2, 1])
    expected = composite.log_prob(X)[:, states]
    np.testing.assert_array_equal(composite.taken(states).log_prob(X), expected)
