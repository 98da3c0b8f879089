"""How to weight the members of a mixture, by what each says of rows that none has learnt from."""

from __future__ import annotations

import numpy as np

_PRIOR_ROWS = 1.0  # a member
_MAX_ITER = 1000
_TOL = 1e-9
_LEAST_WEIGHT = 0.02
_WORTH = 0.005  # nats a row


def stacking_weights(
    log_probs: np.ndarray, weights: np.ndarray, prior: float = _PRIOR_ROWS
) -> np.ndarray:
    """The most probable weights of a mixture of given members, by EM.

    Parameters
    ----------
    log_probs : (n, n_members)
        Log-likelihood of each row.
    weights : (n,)
        Of rows.
    prior : float
        How many rows each member is taken to have had to itself: then few rows do not leave
        everything to the one that happens to be best.

    Returns
    -------
    (n_members,)
    """
    likelihoods = np.exp(log_probs - log_probs.max(axis=1, keepdims=True))
    n_members = likelihoods.shape[1]
    total = weights.sum() + prior * n_members
    shares = np.full(n_members, 1.0 / n_members)
    for _ in range(_MAX_ITER):
        joint = likelihoods * shares
        counts = weights @ (joint / joint.sum(axis=1, keepdims=True))
        before, shares = shares, (counts + prior) / total
        if np.abs(shares - before).max() < _TOL:
            break
    return shares


def mean_of_mixture(log_probs: np.ndarray, weights: np.ndarray, shares: np.ndarray) -> float:
    """The mean log-likelihood (nats) of the mixture with these shares."""
    largest = log_probs.max(axis=1)
    likelihoods = np.exp(log_probs - largest[:, None]) @ shares
    return float(weights @ (np.log(likelihoods) + largest) / weights.sum())


def stack(log_probs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights of a mixture of as few members as are worth it: those of the others are zero.

    Members are left out one by one, each time the one without which the mixture is best, while
    it does not lose more than `_WORTH` in all, or does not notice, since they have hardly weight.

    Parameters and return value are those of `stacking_weights`.
    """
    kept = list(range(log_probs.shape[1]))
    shares = stacking_weights(log_probs, weights)
    least = mean_of_mixture(log_probs, weights, shares) - _WORTH
    while len(kept) > 1:
        fewer = [[k for k in kept if k != member] for member in kept]
        of_fewer = [stacking_weights(log_probs[:, part], weights) for part in fewer]
        means = [
            mean_of_mixture(log_probs[:, part], weights, own)
            for part, own in zip(fewer, of_fewer, strict=True)
        ]
        out = int(np.argmax(means))
        if means[out] < least and shares.min() >= _LEAST_WEIGHT:
            break
        if means[out] < least:
            out = int(np.argmin(shares))
        kept, shares = fewer[out], of_fewer[out]
    whole = np.zeros(log_probs.shape[1])
    whole[kept] = shares
    return whole
