"""Circuit: what check() refuses, what n_parameters counts, how a random one starts."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_circuit as any_circuit
from helpers import random_tree, rows_of, same_bits

from skpc._circuit.circuit import Circuit, random_circuit
from skpc._data.evidence import encode


def circuit(n_latents=3):
    return any_circuit(
        np.random.default_rng(0), np.array([2, -1, 1, 1]), np.array([2, 3, 0, 4]), n_latents
    )


def test_a_valid_circuit_passes():
    circuit().check()


def changed(values, index, value):
    values = values.copy()
    values[index] = value
    return values


def scaled(values, index, factor):
    return changed(values, index, values[index] * factor)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("sum_weights", lambda w: w[:-1], "shape"),
        ("sum_weights", lambda w: w[:, :2], "shape"),
        ("features", lambda f: f[:-1], "4 regions"),
        ("parents", lambda p: changed(p, 0, -1), "for 2 roots"),
        ("parents", lambda p: changed(p, 1, 0), "no root among 4 regions"),
        ("features", lambda f: (f[1], *f[1:]), "disjoint"),
        ("root_weights", lambda w: changed(w, 0, 0.0), "root_weights must be strictly positive"),
        ("root_weights", lambda w: changed(w, 0, np.nan), "root_weights"),
        ("root_weights", lambda w: scaled(w, 0, 1 + 1e-6), "root_weights must sum to one"),
        ("sum_weights", lambda w: changed(w, (3, 1, 2), 0.0), "sum_weights must be strictly"),
        ("sum_weights", lambda w: changed(w, (3, 1, 2), -0.1), "sum_weights must be strictly"),
        ("sum_weights", lambda w: scaled(w, (2, 1, 2), 1 + 1e-6), "sum_weights must sum to one"),
        ("sum_weights", lambda w: np.swapaxes(w, 1, 2), "sum_weights must sum to one"),
    ],
)
def test_check_says_what_is_wrong(name, change, message):
    good = circuit()
    with pytest.raises(ValueError, match=message):
        replace(good, **{name: change(getattr(good, name))}).check()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("parents", lambda p: changed(p, 0, 4), "trees, each with a root"),
        ("parents", lambda p: changed(p, 0, -2), "got -2 for region 0"),
        ("parents", lambda p: p.astype(float), "parents must be an array of int64"),
        ("parents", lambda p: p.tolist(), "parents must be an array of int64; got list"),
        ("sum_weights", lambda w: w.astype(np.float32), "array of float64; got one of float32"),
        ("sum_weights", lambda w: w[0], "shape"),
        ("features", lambda f: (f[0] + 100, *f[1:]), "from 0 to the last"),
        ("features", lambda f: (f[3], f[1], f[2], f[0]), "those of inputs"),
        ("inputs", lambda inputs: list(inputs), "inputs must be Inputs"),
        ("inputs", lambda inputs: circuit(2).inputs, "3 latent states of sum_weights; got 2"),
    ],
)
def test_a_circuit_that_kernels_would_read_out_of_bounds_cannot_be_made(name, change, message):
    good = circuit()
    with pytest.raises(ValueError, match=message):
        replace(good, **{name: change(getattr(good, name))})


def test_arrays_in_another_layout_are_put_right():
    good = circuit()
    other = replace(
        good,
        parents=good.parents.astype(">i2"),
        sum_weights=np.asfortranarray(good.sum_weights),
        root_weights=np.repeat(good.root_weights, 2)[::2],
    )
    assert same_bits(other, good)
    assert other.parents.dtype == np.int64
    assert other.sum_weights.flags.c_contiguous
    assert other.root_weights.flags.c_contiguous


@pytest.mark.parametrize("name", ["root_weights", "sum_weights", "parents", "features", "kind"])
def test_a_state_without_one_of_its_arrays_is_refused(name):
    state = circuit().__getstate__()
    del state[name]
    with pytest.raises(ValueError, match=f"circuit cannot be read: it has no {name}"):
        object.__new__(Circuit).__setstate__(state)


def test_a_cycle_is_refused():
    with pytest.raises(ValueError, match="trees, each with a root"):
        replace(circuit(), parents=np.array([2, -1, 0, 1]))


def test_check_refuses_trees_over_other_columns():
    good = circuit()
    parents = changed(good.parents, 0, -1)
    root_weights = np.tile(good.root_weights, 2) / 2
    with pytest.raises(ValueError, match="same columns"):
        replace(good, parents=parents, root_weights=root_weights).check()


@pytest.mark.parametrize("n_latents", [1, 2, 5])
def test_n_parameters_counts_what_is_free(n_latents):
    root = n_latents - 1
    sums = 3 * n_latents * (n_latents - 1)
    inputs = n_latents * (1 + 2 + 3)
    assert circuit(n_latents).n_parameters == root + sums + inputs


def test_root():
    assert list(circuit().roots) == [1]


def start(seed, n_latents=40):
    parents = random_tree(np.random.default_rng(1), 5)
    features = [np.array([r]) for r in range(5)]
    categories = [np.arange(3.0)] * 5
    evidence = encode(np.zeros((1, 5)), features, categories)
    random_state = np.random.RandomState(seed)
    rows = rows_of(evidence, None, features, categories)
    return random_circuit(parents, rows, n_latents, random_state)


def test_random_weights_lie_within_a_factor_of_e_squared():
    one = start(0)
    weights = [one.root_weights, *one.sum_weights[one.parents >= 0].reshape(-1, 40)]
    ratios = np.array([w.max() / w.min() for w in weights])
    assert ratios.max() < np.exp(2.0)
    # The extremes of 40 draws of exp(-2 u) are near exp(0) and exp(-2).
    assert np.median(ratios) > 6.0


def test_random_logs_are_uniform():
    logs = np.log(start(0, 400).root_weights)
    # exp(-2 u): the logarithms are uniform on an interval of length two.
    expected = np.linspace(logs.max() - 2.0, logs.max(), 400)
    np.testing.assert_allclose(np.sort(logs), expected, atol=0.15)


def test_random_circuits_follow_the_seed():
    np.testing.assert_array_equal(start(0).sum_weights, start(0).sum_weights)
    assert not np.array_equal(start(0).sum_weights, start(1).sum_weights)


def test_the_roots_sum_weights_are_the_identity():
    one = start(0, 4)
    np.testing.assert_array_equal(one.sum_weights[one.roots[0]], np.eye(4))
