"""Weights of the members of a mixture."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skpc._learning.stacking import mean_of_mixture, stack, stack_quickly, stacking_weights


def case(n=300, n_members=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_members)), rng.uniform(0.5, 2.0, n)


@pytest.mark.parametrize("prior", [0.0, 3.0])
def test_weights_are_the_most_probable(prior):
    log_probs, weights = case()
    shares = stacking_weights(log_probs, weights, np.full(3, prior))

    def loss(logits):
        own = np.exp(logits) / np.exp(logits).sum()
        return -weights.sum() * mean_of_mixture(log_probs, weights, own) - prior * np.log(own).sum()

    best = minimize(loss, np.zeros(3), tol=1e-12).x
    np.testing.assert_allclose(shares, np.exp(best) / np.exp(best).sum(), atol=1e-5)


def test_weights_of_rows_are_repetitions():
    log_probs, _ = case(50)
    repeats = np.arange(50) % 3 + 1
    once = stacking_weights(log_probs, repeats.astype(float), np.ones(3))
    repeated = np.repeat(log_probs, repeats, axis=0)
    again = stacking_weights(repeated, np.ones(len(repeated)), np.ones(3))
    np.testing.assert_allclose(once, again, rtol=1e-9)


def test_one_member_stays_if_the_others_add_next_to_nothing():
    log_probs = np.zeros((500, 3))
    log_probs[:, 0] = -1.0
    log_probs[:, 2] = -0.001
    np.testing.assert_array_equal(stack(log_probs, np.ones(500)), [0.0, 1.0, 0.0])


def test_members_that_know_different_rows_stay():
    log_probs = np.zeros((500, 3))
    log_probs[:, 0] = -2.0
    log_probs[:250, 1] = log_probs[250:, 2] = -5.0
    shares = stack(log_probs, np.ones(500))
    assert shares[0] == 0.0
    np.testing.assert_allclose(shares[1:], 0.5, atol=0.01)


def test_the_first_stays_until_another_is_clearly_better():
    rng = np.random.default_rng(0)
    log_probs = np.zeros((15, 2))
    log_probs[:, 1] = rng.normal(0.1, 1.0, 15)
    assert stack(log_probs, np.ones(15))[0] > 0.2
    log_probs[:, 1] = rng.normal(3.0, 0.1, 15)
    assert stack(log_probs, np.ones(15))[0] < 0.5


def test_who_is_not_frugal_keeps_what_helps_a_little_and_nothing_else():
    log_probs = np.zeros((5000, 4))
    log_probs[:, 0] = -2.0
    log_probs[::2, 2], log_probs[1::2, 2] = 0.1, -0.1
    log_probs[:, 3] = log_probs[:, 2] - 0.5
    weights = np.ones(5000)
    assert np.count_nonzero(stack(log_probs, weights)) == 1
    shares = stack(log_probs, weights, is_frugal=False)
    np.testing.assert_allclose(shares, [0.0, 0.5, 0.5, 0.0], atol=0.02)
    alone = mean_of_mixture(log_probs, weights, np.eye(4)[1])
    assert mean_of_mixture(log_probs, weights, shares) > alone + 0.001


@pytest.mark.parametrize("n_rows", [300, 30_000])
def test_quick_weights_are_nearly_the_best_ones(n_rows):
    """Whatever comes of few steps and some of the rows, on members that are much alike."""
    rng = np.random.default_rng(0)
    log_probs = rng.normal(size=(n_rows, 1)) + 0.3 * rng.normal(size=(n_rows, 6))
    log_probs[:, :2] -= 2.0
    weights = rng.uniform(0.5, 2.0, n_rows)
    quick = stack_quickly(log_probs, weights)
    assert quick.sum() == pytest.approx(1)
    assert (quick[:2] < 0.02).all()
    best = stacking_weights(log_probs, weights, np.array([5.0, 1, 1, 1, 1, 1]))
    means = [mean_of_mixture(log_probs, weights, shares) for shares in (quick, best)]
    assert means[0] > means[1] - 1e-3
