"""Kernel that draws the latent states of rows from their posterior distribution."""

import math

import numpy as np

from skpc._kernels import njit
from skpc._kernels.messages import _mixture
from skpc._kernels.tasks import take, take_next

TASK_ROWS = 256
"""Rows of one task."""


@njit(cache=True, nogil=True)
def _draw(weights, messages, uniform):
    """Draw k with a probability proportional to weights[k] * messages[k]."""
    total = 0.0
    for k in range(weights.shape[0]):
        total += weights[k] * messages[k]
    left = uniform * total
    last = 0
    for k in range(weights.shape[0]):
        share = weights[k] * messages[k]
        if share > 0.0:
            last = k
            left -= share
            if left < 0.0:
                break
    return last


@njit(cache=True, nogil=True)
def draw_states(
    queue, levels, patterns, rows, uniforms, root_weights, sum_weights, messages, states
):
    """Write latent states (n, n_regions), -1 in the trees that are not drawn, of each draw.

    rows (n,): the pattern of the roots that each draw is given; uniforms (n, n_regions).
    `messages` are those of the upward pass. Tasks: ranges of draws. O(n n_regions K).
    """
    products, sums, exponents = messages.products, messages.sums, messages.exponents
    n_latents = sum_weights.shape[1]
    n_roots = patterns.roots.shape[0]
    codes = np.empty(patterns.parents.shape[0], np.int64)
    shares = np.empty(n_roots)
    ones = np.ones(n_roots)
    task, _ = take(queue, levels)
    while task < levels[-1]:
        for i in range(task * TASK_ROWS, min((task + 1) * TASK_ROWS, rows.shape[0])):
            t = rows[i]
            _, exponent = _mixture(
                patterns.roots, patterns.row_start, t, root_weights, sums, exponents
            )
            for r in range(n_roots):
                row = patterns.row_start[patterns.roots[r]] + t
                shares[r] = 0.0
                for k in range(n_latents):
                    shares[r] += root_weights[r * n_latents + k] * sums[row, k]
                shares[r] = math.ldexp(shares[r], int(max(exponents[row] - exponent, -2000)))
            # One number for tree and state: what is left of it after the tree is as uniform.
            tree = 0
            uniform = uniforms[i, patterns.roots[0]]
            if n_roots > 1:
                total = 0.0
                for r in range(n_roots):
                    total += shares[r]
                tree = _draw(shares, ones, uniform)
                before = 0.0
                for r in range(tree):
                    before += shares[r]
                uniform = (uniform * total - before) / shares[tree]
                uniform = min(max(uniform, 0.0), 1.0 - 2.0**-53)
            for position in range(patterns.topdown.shape[0]):
                region = patterns.topdown[position]
                parent = patterns.parents[region]
                if parent < 0:
                    states[i, region] = -1
                    if region == patterns.roots[tree]:
                        codes[region] = t
                        states[i, region] = _draw(
                            root_weights[tree * n_latents : (tree + 1) * n_latents],
                            sums[patterns.row_start[region] + t], uniform,
                        )  # fmt: skip
                    continue
                state = states[i, parent]
                if state < 0:
                    states[i, region] = -1
                    continue
                codes[region] = patterns.child_codes[patterns.code_start[region] + codes[parent]]
                states[i, region] = _draw(
                    sum_weights[region, state],
                    products[patterns.row_start[region] + codes[region]], uniforms[i, region],
                )  # fmt: skip
        task, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def draw_symbols(
    topdown, parents, root_weights, sum_weights, probs, start, uniforms, states, symbols
):
    """Write `states` and `symbols` (n_regions, n) of draws of every tree by itself.

    probs (., K): of the categories of region r in rows ``start[r]`` to ``start[r + 1]``; without
    any its symbol is zero. uniforms (2, n_regions, n). O(n n_regions K).
    """
    n_latents = sum_weights.shape[1]
    n_roots = 0
    ones = np.ones(n_latents)
    for region in topdown:
        if parents[region] < 0:  # roots come first, ascending
            prior = root_weights[n_roots * n_latents : (n_roots + 1) * n_latents]
            n_roots += 1
        for i in range(states.shape[1]):
            if parents[region] >= 0:
                prior = sum_weights[region, states[parents[region], i]]
            state = _draw(prior, ones, uniforms[0, region, i])
            states[region, i] = state
            left = uniforms[1, region, i]
            symbol = 0
            last = start[region + 1] - start[region] - 1
            while symbol < last:
                left -= probs[start[region] + symbol, state]
                if left < 0.0:
                    break
                symbol += 1
            symbols[region, i] = symbol
