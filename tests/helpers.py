"""Random circuits and data, and bridges between the package and the oracle."""

import numpy as np
from oracle import Model

from skpc._circuit import Circuit
from skpc._em import EStep
from skpc._inputs import CategoricalInputs


def chain(n_regions):
    """Each region hangs below the next one: the root has the largest number."""
    return np.append(np.arange(1, n_regions), -1)


def star(n_regions, hub=0):
    parents = np.full(n_regions, hub)
    parents[hub] = -1
    return parents


def random_tree(rng, n_regions):
    """A random tree in which numbers say nothing about depth."""
    names = rng.permutation(n_regions)
    parents = np.full(n_regions, -1)
    for i in range(1, n_regions):
        parents[names[i]] = names[rng.integers(i)]
    return parents


def positive(rng, *shape):
    """Distributions over the last axis, some of them sharp."""
    weights = rng.gamma(0.7, size=shape) + 1e-3
    return weights / weights.sum(axis=-1, keepdims=True)


def random_circuit(rng, parents, n_categories, n_latents):
    """Region r observes a random column of n_categories[r] values, none if that is zero."""
    n_regions = len(parents)
    observed = np.flatnonzero(n_categories)
    features = [np.empty(0, np.int64)] * n_regions
    for column, region in enumerate(rng.permutation(observed)):
        features[region] = np.array([column])
    categories = [
        np.sort(rng.choice(np.arange(-5.0, 3.0 * n), n, replace=False)) if n else np.empty(0)
        for n in n_categories
    ]
    probs = [positive(rng, n_latents, n).T for n in n_categories if n]
    unseen = rng.uniform(1e-3, 1e-2, (n_regions, n_latents))
    sum_weights = positive(rng, n_regions, n_latents, n_latents)
    sum_weights[parents < 0] = np.eye(n_latents)
    circuit = Circuit(
        parents,
        tuple(features),
        positive(rng, n_latents),
        sum_weights,
        CategoricalInputs(features, categories, np.concatenate(probs), unseen),
    )
    circuit.check()
    return circuit


def random_rows(rng, circuit, n_rows, missing=0.2):
    """Rows of independent categories, a share of them missing."""
    n_columns = sum(len(columns) for columns in circuit.features)
    X = np.empty((n_rows, n_columns))
    for columns, distribution in zip(circuit.features, circuit.inputs, strict=True):
        if distribution is not None:
            X[:, columns[0]] = rng.choice(distribution.categories, n_rows)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def small_case(seed, n_regions=None, n_latents=None):
    """A circuit small enough for all joint states, rows with NaN, and weights."""
    rng = np.random.default_rng(seed)
    n_regions = n_regions or int(rng.integers(2, 7))
    n_latents = n_latents or int(rng.integers(2, 4))
    n_categories = rng.integers(1, 5, n_regions)
    if n_regions > 2 and seed % 3 == 0:
        n_categories[rng.integers(n_regions)] = 0
    circuit = random_circuit(rng, random_tree(rng, n_regions), n_categories, n_latents)
    X = random_rows(rng, circuit, 25)
    X[:5] = X[5:10]  # repeated rows
    X[10] = np.nan
    return circuit, X, rng.uniform(0.1, 3.0, 25)


def as_model(circuit):
    """The oracle's view of a circuit."""
    tables = []
    for distribution in circuit.inputs:
        if distribution is None:
            tables.append(np.ones((2, circuit.n_latents)))
        else:
            ones = np.ones((1, circuit.n_latents))
            tables.append(np.concatenate([distribution.probs, ones, distribution.unseen[None]]))
    return Model(
        circuit.parents,
        list(circuit.features),
        [np.asarray(values) for values in circuit.inputs.categories],
        circuit.root_weights,
        circuit.sum_weights,
        tables,
    )


def gather(circuit, X, weights, **options):
    """The expected counts of an E-step."""
    return EStep(circuit, circuit.inputs.encode(X), weights, **options)(circuit)


def same_bits(a, b):
    """Whether two circuits have the same structure and, to the last bit, parameters."""
    pairs = [
        (a.parents, b.parents),
        (a.root_weights, b.root_weights),
        (a.sum_weights, b.sum_weights),
        (a.inputs.probs, b.inputs.probs),
        (a.inputs.unseen, b.inputs.unseen),
    ]
    return all(np.array_equal(x, y) for x, y in pairs)
