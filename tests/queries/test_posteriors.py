"""Posterior probabilities of latent states: as all joint states have them, in any selection."""

import numpy as np
import oracle
import pytest
from helpers import as_model, mixture_case, small_case

from skpc._queries.posteriors import posteriors


@pytest.mark.parametrize("seed", range(4))
def test_posteriors_are_those_of_all_states(seed):
    circuit, X, _ = small_case(seed)
    found = posteriors(circuit, X, range(circuit.n_regions))
    np.testing.assert_allclose(found, oracle.posteriors(as_model(circuit), X), rtol=1e-10)


def test_posteriors_in_a_mixture_have_the_weight_of_their_tree():
    circuit, trees, shares, X, _ = mixture_case(0)
    parts = shares * np.exp([oracle.log_likelihood(as_model(tree), X) for tree in trees]).T
    of_tree = parts / parts.sum(axis=1, keepdims=True)
    first = 0
    for tree, share in zip(trees, of_tree.T, strict=True):
        regions = np.arange(first, first + tree.n_regions)
        expected = share[:, None] * oracle.posteriors(as_model(tree), X)
        np.testing.assert_allclose(posteriors(circuit, X, regions), expected, rtol=1e-10)
        first += tree.n_regions


def test_what_a_region_gets_does_not_depend_on_which_others_are_asked_for():
    circuit, _, _, X, _ = mixture_case(0)
    everywhere = posteriors(circuit, X, range(circuit.n_regions))
    np.testing.assert_allclose(everywhere[circuit.roots].sum(axis=(0, 2)), 1.0, rtol=1e-12)
    for regions in *([r] for r in range(circuit.n_regions)), circuit.roots[1:], circuit.roots[::-1]:
        assert np.array_equal(posteriors(circuit, X, regions), everywhere[regions])
