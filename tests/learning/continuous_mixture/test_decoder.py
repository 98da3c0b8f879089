"""The decoder against plain loops, and its gradient against finite differences."""

from itertools import pairwise

import numpy as np
import pytest
from mixtures import slope
from numpy.testing import assert_allclose

from skpc._learning.continuous_mixture.decoder import decode, gradient, random_layers

LEAK = 0.01


@pytest.fixture
def layers():
    """Of a small network, in float64, as finite differences need it."""
    rng = np.random.default_rng(0)
    sizes = 2, 5, 3, 4
    return [
        rng.standard_normal(shape)
        for n_in, n_out in pairwise(sizes)
        for shape in ((n_in, n_out), (n_out,))
    ]


@pytest.fixture
def points():
    return np.random.default_rng(1).standard_normal((7, 2))


def test_outputs_are_those_of_a_leaky_network(layers, points):
    outputs = decode(layers, points)[-1]
    for point, output in zip(points, outputs, strict=True):
        value = point
        for place in (0, 2):
            value = value @ layers[place] + layers[place + 1]
            value = np.array([one if one > 0 else LEAK * one for one in value])
        assert_allclose(output, value @ layers[4] + layers[5], rtol=1e-6)  # the leak is a float32


def test_values_of_all_layers_are_kept(layers, points):
    values = decode(layers, points)
    assert [value.shape for value in values] == [(7, 2), (7, 5), (7, 3), (7, 4)]
    assert values[0] is points
    assert_allclose(values[2] @ layers[4] + layers[5], values[3])


@pytest.mark.parametrize("place", range(6))
def test_gradient_in_a_layer(layers, points, place):
    rng = np.random.default_rng(2)
    of_outputs = rng.standard_normal((7, 4))
    found, _ = gradient(layers, decode(layers, points), of_outputs)

    def value(changed):
        return float((of_outputs * decode(changed, points)[-1]).sum())

    for entry in np.ndindex(layers[place].shape):
        direction = [np.zeros_like(part) for part in layers]
        direction[place][entry] = 1.0
        assert_allclose(found[place][entry], slope(value, layers, direction), rtol=1e-6, atol=1e-8)


def test_gradient_in_the_points(layers, points):
    of_outputs = np.random.default_rng(3).standard_normal((7, 4))
    _, of_points = gradient(layers, decode(layers, points), of_outputs)

    def value(changed):
        return float((of_outputs * decode(layers, changed[0])[-1]).sum())

    for entry in np.ndindex(points.shape):
        direction = np.zeros_like(points)
        direction[entry] = 1.0
        expected = slope(value, [points], [direction])
        assert_allclose(of_points[entry], expected, rtol=1e-6, atol=1e-8)


def test_learning_starts_near_the_first_outputs():
    first = np.array([-3.0, 0.0, 2.0])
    layers = random_layers(6, first, np.random.RandomState(0))
    assert [part.dtype for part in layers] == [np.float32] * 6
    points = np.random.default_rng(0).standard_normal((4000, 6)).astype(np.float32)
    outputs = decode(layers, points)[-1]
    spread = outputs.std(axis=0)
    assert ((spread > 0.01) & (spread < 1.0)).all()  # components differ, but a little
    assert_allclose(outputs.mean(axis=0), first, atol=0.6)
