"""The decoder of a continuous mixture: a small network, and its gradient in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_HIDDEN = (128, 256)
_LEAK = np.float32(0.01)
_SPREAD = 2.0  # of what the first layer makes of a standard normal point
_BIAS = 0.5
_START = 0.03  # of outputs, so that components differ a little, and a start is nearly none

Layers = list[np.ndarray]
"""Weights and biases of each layer, in turn: (n_in, n_out) and (n_out,), float32."""


def random_layers(
    n_dims: int, first_outputs: np.ndarray, random_state: np.random.RandomState
) -> Layers:
    """Layers that make something near `first_outputs` (n_outputs,) of every point."""
    sizes = (n_dims, *_HIDDEN, len(first_outputs))
    scales = (_SPREAD / np.sqrt(n_dims), 1.0 / np.sqrt(sizes[1]), _START / np.sqrt(sizes[2]))
    biases = (_BIAS * random_state.standard_normal(sizes[1]), np.zeros(sizes[2]), first_outputs)
    layers: Layers = []
    for n_in, n_out, scale, bias in zip(sizes[:-1], sizes[1:], scales, biases, strict=True):
        weights = scale * random_state.standard_normal((n_in, n_out))
        layers += [weights.astype(np.float32), np.asarray(bias, np.float32)]
    return layers


def decode(layers: Layers, points: np.ndarray) -> list[np.ndarray]:
    """What each layer makes of points (n, n_dims), these first, outputs (n, n_outputs) last."""
    values = [points]
    for weights, bias in zip(layers[::2], layers[1::2], strict=True):
        value = values[-1] @ weights
        value += bias
        if len(values) < len(layers) // 2:
            np.maximum(value, _LEAK * value, out=value)
        values.append(value)
    return values


def gradient(
    layers: Layers, values: Sequence[np.ndarray], of_outputs: np.ndarray
) -> tuple[Layers, np.ndarray]:
    """Gradient in the layers and in the points, from that in the outputs.

    Parameters
    ----------
    layers : Layers
    values : of `decode`
    of_outputs : (n, n_outputs)
    """
    found: Layers = []
    own = of_outputs
    for place in range(len(layers) - 2, -1, -2):
        below = values[place // 2]
        found[:0] = [below.T @ own, own.sum(axis=0)]
        own = own @ layers[place].T
        if place:
            own *= np.where(below > 0.0, np.float32(1.0), _LEAK)
    return found, own
