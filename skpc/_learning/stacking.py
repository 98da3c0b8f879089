"""How to weight the members of a mixture, by what each says of rows that none has learnt from."""

from __future__ import annotations

import numpy as np

_PRIOR_ROWS = 1.0
_PRIOR_ROWS_OF_FIRST = 5.0
_MAX_ITER = 1000
_TOL = 1e-9
_LEAST_WEIGHT = 0.02
_WORTH = 0.005  # nats a row
_QUICK_ROWS = 2**13
_QUICK_WORK = 2**23  # numbers to go through
_CLEAR = 2.0  # standard errors


def stacking_weights(
    log_probs: np.ndarray, weights: np.ndarray, prior: np.ndarray, max_iter: int = _MAX_ITER
) -> np.ndarray:
    """The most probable weights of a mixture of given members, by EM.

    Parameters
    ----------
    log_probs : (n, n_members)
        Log-likelihood of each row.
    weights : (n,)
        Of rows.
    prior : (n_members,)
        How many rows each member is taken to have had to itself: then few rows do not leave
        everything to the one that happens to be best.
    max_iter : int

    Returns
    -------
    (n_members,)
    """
    likelihoods = np.exp(log_probs - log_probs.max(axis=1, keepdims=True))
    total = weights.sum() + prior.sum()
    shares = np.full(len(prior), 1.0 / len(prior))
    for _ in range(max_iter):
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


def mean_and_error(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The mean of values (n,) of weighted rows, and its standard error."""
    total = weights.sum()
    mean = float(weights @ values / total)
    return mean, float(np.sqrt(weights @ (values - mean) ** 2) / total)


def stack(log_probs: np.ndarray, weights: np.ndarray, is_frugal: bool = True) -> np.ndarray:
    """Weights of a mixture of as few members as are worth it: those of the others are zero.

    Members are left out one by one, each time the one without which the mixture is best, while
    it does not lose more than `_WORTH` in all, or, if it is not frugal, as long as it gains; and
    while it does not notice, since they have hardly weight.
    The first member, the simplest, stays as long as none is clearly better, and has more of the
    prior: what few rows like best may be far off on others.

    Other parameters and the return value are those of `stacking_weights`.
    """
    n_members = log_probs.shape[1]
    prior = _prior(n_members)
    best = int(np.argmax(weights @ log_probs))
    gain, error = mean_and_error(log_probs[:, best] - log_probs[:, 0], weights)
    fixed = {0} if gain < _CLEAR * error else set()
    kept = list(range(n_members))
    shares = stacking_weights(log_probs, weights, prior)
    least = mean_of_mixture(log_probs, weights, shares) - (_WORTH if is_frugal else 0.0)
    while len(kept) > 1:
        found = []
        for place, member in enumerate(kept):
            part = [other for other in kept if other != member]
            if member not in fixed:
                own = stacking_weights(log_probs[:, part], weights, prior[part])
                mean = mean_of_mixture(log_probs[:, part], weights, own)
                is_light = shares[place] < _LEAST_WEIGHT
                found.append((mean >= least or is_light, mean, part, own))
        is_allowed, mean, part, own = max(found, key=lambda one: one[:2])
        if not is_allowed:
            break
        kept, shares = part, own
        if not is_frugal:
            least = max(least, mean)
    whole = np.zeros(n_members)
    whole[kept] = shares
    return whole


def stack_quickly(log_probs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights for somebody who waits: in less than a second, and fewer of them are zero.

    They are those of `stacking_weights` of some thousands of the rows, perhaps not quite
    converged, without the small ones. Parameters and the return value are those of `stack`.
    """
    prior = _prior(log_probs.shape[1])
    some = slice(None, None, -(-len(log_probs) // _QUICK_ROWS))
    log_probs, weights = log_probs[some], weights[some]
    max_iter = max(1, min(_MAX_ITER, _QUICK_WORK // log_probs.size))
    shares = stacking_weights(log_probs, weights, prior, max_iter)
    shares[shares < _LEAST_WEIGHT * shares.max()] = 0.0
    return shares / shares.sum()


def _prior(n_members: int) -> np.ndarray:
    prior = np.full(n_members, _PRIOR_ROWS)
    prior[0] = _PRIOR_ROWS_OF_FIRST
    return prior
