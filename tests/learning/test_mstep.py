"""The M-step against roots found by bisection in 50 digits, and against its objective."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from helpers import as_model, gather, rows_of, small_case, smoothed_counts
from oracle import gate_curvature
from scipy.optimize import minimize

from skpc._circuit.circuit import random_circuit
from skpc._data.evidence import encode
from skpc._learning.mstep import MStep
from skpc._passes.counts import ExpectedCounts

pytestmark = pytest.mark.usefixtures("one_thread")

RULES = [(u, m) for u in ("quadratic", "cubic") for m in ("unit", "exact")]
each_rule = pytest.mark.parametrize(("update", "multiplier"), RULES)

# Counts over the whole range, nodes of several sizes; moments are at most the counts.
NODES = {
    "two": [3.0, 5.0],
    "one": [2.5],
    "equal": [7.0] * 5,
    "wide range": [1e-12, 1e-6, 1e-3, 1.0, 1e3, 1e9],
    "all tiny": [1e-12, 3e-12, 2e-11],
    "all huge": [1e9, 3e8, 5e7, 1e9],
    "with zeros": [0.0, 4.0, 0.0, 1e-5],
    "zero but one": [0.0, 0.0, 12.0],
    "many": list(np.random.default_rng(0).lognormal(0, 3, 33)),
}
each_node = pytest.mark.parametrize("counts", NODES.values(), ids=NODES.keys())
each_mu = pytest.mark.parametrize("mu", [0.0, 1e-8, 1e-3, 0.05, 1.0, 1e3, 1e6])


def moments_of(counts):
    return np.array(counts) * np.linspace(0.2, 1.0, len(counts))


def circuit_of(n_latents, n_regions=1):
    parents = np.arange(n_regions) - 1
    features = [np.array([r]) for r in range(n_regions)]
    categories = [np.arange(2.0)] * n_regions
    evidence = encode(np.zeros((1, n_regions)), features, categories)
    random_state = np.random.RandomState(0)
    rows = rows_of(evidence, None, features, categories)
    return random_circuit(parents, rows, n_latents, random_state)


def empty_counts(circuit):
    return ExpectedCounts(
        0.0,
        np.zeros(circuit.n_latents),
        np.zeros_like(circuit.sum_weights),
        [np.zeros_like(circuit.inputs.probs)],
    )


def updated_weights(counts, mu, update="quadratic", multiplier="unit", moments=None, **options):
    """New weights of one sum node, the root of a circuit of one region."""
    circuit = circuit_of(len(counts))
    gathered = empty_counts(circuit)
    gathered.root = np.array(counts, dtype=float)
    gathered.root_moments = moments_of(counts) if moments is None else np.array(moments)
    gathered.sum_moments = np.zeros_like(circuit.sum_weights)
    step = MStep(mu=mu, update=update, multiplier=multiplier, **options)
    return step(circuit, gathered).root_weights


# --- the same in 50 digits -------------------------------------------------------------


def bisect(function, low, high):
    """Root of a decreasing function."""
    for _ in range(180):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def root_of(update, multiplier, count, moment, mu):
    if update == "quadratic":
        return (count + (count * count + 4 * multiplier * mu * count).sqrt()) / (2 * multiplier)
    constant = 2 * mu * moment
    if constant == 0:
        return count / multiplier
    high = count / multiplier + 1
    while multiplier * high**3 - count * high**2 < constant:
        high *= 2
    return bisect(lambda t: constant - (multiplier * t - count) * t * t, Decimal(0), high)


def exact_weights(counts, moments, mu, update, multiplier):
    with localcontext() as context:
        context.prec = 50
        counts, moments = ([Decimal(float(c)) for c in values] for values in (counts, moments))
        mu = Decimal(float(mu))

        def roots(value):
            return [root_of(update, value, *pair, mu) for pair in zip(counts, moments, strict=True)]

        value = Decimal(1)
        if multiplier == "exact":
            low = high = sum(counts)
            while sum(roots(high)) > 1:
                high *= 4
            value = bisect(lambda v: sum(roots(v)) - 1, low, high)
        weights = roots(value)
        total = sum(weights)
        return np.array([float(weight / total) for weight in weights])


# Weights are floored at 1e-30.
FLOOR = 2e-30


@each_mu
@each_node
@pytest.mark.parametrize("multiplier", ["unit", "exact"])
def test_quadratic_root(counts, mu, multiplier):
    expected = exact_weights(counts, moments_of(counts), mu, "quadratic", multiplier)
    actual = updated_weights(counts, mu, "quadratic", multiplier)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=FLOOR)


@each_mu
@each_node
@pytest.mark.parametrize("multiplier", ["unit", "exact"])
def test_weights_of_one_node_are_those_of_a_circuit(counts, mu, multiplier):
    before = np.full(len(counts), 1.0 / len(counts))
    step = MStep(mu, multiplier=multiplier, pseudocount=0.3)
    actual = step.weights_of(np.array(counts, float), before)
    expected = updated_weights(counts, mu, multiplier=multiplier, pseudocount=0.3)
    np.testing.assert_array_equal(before, 1.0 / len(counts))
    np.testing.assert_array_equal(actual, expected)


@each_mu
@each_node
def test_cubic_root(counts, mu):
    expected = exact_weights(counts, moments_of(counts), mu, "cubic", "unit")
    actual = updated_weights(counts, mu, "cubic", "unit")
    # A root far below count / lambda is the difference of nearly equal terms.
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=FLOOR)


@pytest.mark.parametrize("mu", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("node", ["two", "wide range", "with zeros", "all huge"])
def test_cubic_root_with_exact_multiplier(node, mu):
    counts = NODES[node]
    expected = exact_weights(counts, moments_of(counts), mu, "cubic", "exact")
    actual = updated_weights(counts, mu, "cubic", "exact")
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=FLOOR)


@each_mu
@each_node
@each_rule
def test_weights_are_a_positive_distribution(counts, mu, update, multiplier):
    weights = updated_weights(counts, mu, update, multiplier)
    assert (weights > 0).all()
    assert abs(weights.sum() - 1) < 1e-12


@each_mu
@each_node
def test_exact_quadratic_is_stationary(counts, mu):
    counts = np.array(counts)
    theta = updated_weights(counts, mu, "quadratic", "exact")
    seen = counts > 0
    multipliers = (counts * theta + mu * counts)[seen] / theta[seen] ** 2
    np.testing.assert_allclose(multipliers, multipliers.mean(), rtol=1e-10)


@each_mu
@each_node
def test_exact_cubic_is_stationary(counts, mu):
    counts = np.array(counts)
    theta = updated_weights(counts, mu, "cubic", "exact")
    seen = counts > 0
    terms = (counts * theta**2 + 2 * mu * moments_of(counts))[seen] / theta[seen] ** 3
    np.testing.assert_allclose(terms, terms.mean(), rtol=1e-10)


@each_node
@each_rule
def test_without_penalty_weights_are_normalised_counts(counts, update, multiplier):
    weights = updated_weights(counts, 0.0, update, multiplier)
    np.testing.assert_allclose(weights, np.array(counts) / sum(counts), rtol=1e-13, atol=FLOOR)


@each_rule
@pytest.mark.parametrize("mu", [0.0, 1e-3])
def test_counts_that_underflow_when_squared(update, multiplier, mu):
    """A posterior of 1e-200 is an everyday number."""
    counts = np.array([5.0, 1e-150, 1e-200, 1e-320, 2.0])
    weights = updated_weights(counts, mu, update, multiplier, moments=counts**2)
    expected = updated_weights([5.0, 0.0, 0.0, 0.0, 2.0], mu, update, multiplier, moments=counts**2)
    # By the penalty a count N gets at most some (mu N)^(1/3).
    np.testing.assert_allclose(weights, expected, rtol=1e-13, atol=1e-45 + FLOOR)


@each_rule
def test_rounding_below_zero_counts_as_zero(update, multiplier):
    args = (0.1, update, multiplier, [0.0, 2.0, 1.0])
    np.testing.assert_array_equal(
        updated_weights([-1e-17, 3.0, 2.0], *args), updated_weights([0.0, 3.0, 2.0], *args)
    )


def test_large_counts_gain_mu_each():
    counts = np.array([1e5, 3e5, 6e5])
    expected = (counts + 0.5) / (counts + 0.5).sum()
    # The next term of the expansion is mu^2 / N.
    np.testing.assert_allclose(updated_weights(counts, 0.5), expected, rtol=1e-10)


def test_small_counts_follow_their_square_roots():
    counts = np.array([1e-9, 4e-9, 9e-9])
    np.testing.assert_allclose(updated_weights(counts, 10.0), [1 / 6, 2 / 6, 3 / 6], rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e6])
@pytest.mark.parametrize("update", ["quadratic", "cubic"])
def test_exact_multiplier_ignores_the_scale_of_counts(update, scale):
    counts = np.array([3.0, 1.0, 0.2, 5.0])
    expected = updated_weights(counts, 0.01, update, "exact")
    actual = updated_weights(scale * counts, 0.01, update, "exact")
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


@pytest.mark.parametrize("mu", [1e-3, 0.05, 2.0])
@pytest.mark.parametrize("update", ["quadratic", "cubic"])
def test_exact_multiplier_maximises_the_penalised_objective(update, mu):
    counts = np.array([3.0, 1.0, 0.2, 5.0])
    moments = moments_of(counts)

    def objective(theta):
        penalty = counts / theta if update == "quadratic" else moments / theta**2
        return counts @ np.log(theta) - mu * penalty.sum()

    def softmax(u):
        return np.exp(u) / np.exp(u).sum()

    found = minimize(lambda u: -objective(softmax(u)), np.zeros(4), tol=1e-12).x
    theta = updated_weights(counts, mu, update, "exact", moments)
    # A minimum found to 1e-12 in value is found to about 1e-6 in place.
    np.testing.assert_allclose(theta, softmax(found), rtol=1e-4)
    rng = np.random.default_rng(0)
    for _ in range(100):
        step = rng.normal(size=4)
        moved = theta + 1e-3 * theta.min() * (step - step.mean())
        assert objective(moved) < objective(theta)


@each_rule
def test_a_stronger_penalty_flattens(update, multiplier):
    largest = [updated_weights([3.0, 1.0], mu, update, multiplier)[0] for mu in (0, 0.1, 1, 10)]
    assert (np.diff(largest) < 0).all()


@each_rule
def test_pseudocounts_are_spread_as_the_children_are_in_all_nodes(update, multiplier):
    rng = np.random.default_rng(0)
    circuit = circuit_of(4, n_regions=2)
    gathered = empty_counts(circuit)
    gathered.root = np.ones(4)
    gathered.root_moments = moments_of(gathered.root)
    gathered.sums[1] = rng.gamma(0.3, 4.0, (4, 4))
    gathered.sums[1, :, 2] = 0.0
    gathered.sums[1, 3] = 0.0  # a node without flow
    gathered.sum_moments = 0.3 * gathered.sums
    step = MStep(mu=0.05, update=update, multiplier=multiplier, pseudocount=1.5)
    new = step(circuit, gathered).sum_weights[1]
    for k, counts in enumerate(smoothed_counts(gathered.sums[1], 1.5, 1.0)[:3]):
        expected = updated_weights(counts, 0.05, update, multiplier, gathered.sum_moments[1, k])
        np.testing.assert_allclose(new[k], expected, rtol=1e-12)
    np.testing.assert_array_equal(new[3], circuit.sum_weights[1, 3])


def test_much_smoothing_makes_a_child_independent_of_its_parent():
    circuit, counts = three_regions()
    new = MStep(pseudocount=1e9)(circuit, counts)
    of_all = counts.sums[1].sum(axis=0) + 0.25
    np.testing.assert_allclose(
        new.sum_weights[1], np.tile(of_all / of_all.sum(), (4, 1)), rtol=1e-6
    )


# --- many nodes ------------------------------------------------------------------------


def three_regions(seed=0):
    rng = np.random.default_rng(seed)
    circuit = circuit_of(4, n_regions=3)
    counts = empty_counts(circuit)
    counts.root = rng.lognormal(0, 2, 4)
    counts.sums[1:] = rng.lognormal(0, 2, (2, 4, 4))
    counts.inputs = [rng.lognormal(0, 1, circuit.inputs.probs.shape)]
    counts.root_moments = moments_of(counts.root)
    counts.sum_moments = 0.3 * counts.sums
    return circuit, counts


@each_rule
def test_every_node_is_updated_by_itself(update, multiplier):
    circuit, counts = three_regions()
    new = MStep(mu=0.05, update=update, multiplier=multiplier)(circuit, counts)
    for c in 1, 2:
        for k in range(4):
            expected = updated_weights(
                counts.sums[c, k], 0.05, update, multiplier, counts.sum_moments[c, k]
            )
            np.testing.assert_array_equal(new.sum_weights[c, k], expected)


@each_rule
def test_a_node_without_flow_keeps_its_weights(update, multiplier):
    circuit, counts = three_regions()
    counts.sums[2, 1] = 0.0
    counts.sum_moments[2, 1] = 0.0
    step = MStep(mu=0.05, update=update, multiplier=multiplier, pseudocount=0.1)
    new = step(circuit, counts)
    np.testing.assert_array_equal(new.sum_weights[2, 1], circuit.sum_weights[2, 1])
    assert not np.allclose(new.sum_weights[2, 0], circuit.sum_weights[2, 0], rtol=0.01)


def test_the_given_circuit_is_not_changed():
    circuit, counts = three_regions()
    before = circuit.root_weights.copy(), circuit.sum_weights.copy(), circuit.inputs.probs.copy()
    MStep(mu=0.05)(circuit, counts)
    after = circuit.root_weights, circuit.sum_weights, circuit.inputs.probs
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new, old)


@each_rule
def test_the_gate_multiplies_mu(update, multiplier):
    circuit, counts = three_regions()
    counts.gate = np.random.default_rng(1).uniform(0, 5, (3, 4))
    counts.gate[1, 2] = 8.0  # the largest
    step = MStep(mu=0.3, regularizer="gated", update=update, multiplier=multiplier)
    new = step(circuit, counts)
    for c in 1, 2:
        for k in range(4):
            mu = 0.3 * counts.gate[c, k] / 8.0
            expected = updated_weights(
                counts.sums[c, k], mu, update, multiplier, counts.sum_moments[c, k]
            )
            np.testing.assert_allclose(new.sum_weights[c, k], expected, rtol=1e-12)
    mu = 0.3 * counts.gate[0, 0] / 8.0
    expected = updated_weights(counts.root, mu, update, multiplier, counts.root_moments)
    np.testing.assert_allclose(new.root_weights, expected, rtol=1e-12)


@each_rule
def test_a_gate_of_one_everywhere_is_global(update, multiplier):
    circuit, counts = three_regions()
    options = {"mu": 0.3, "update": update, "multiplier": multiplier}
    plain = MStep(**options)(circuit, counts)
    counts.gate = np.full((3, 4), 7.0)
    gated = MStep(regularizer="gated", **options)(circuit, counts)
    np.testing.assert_array_equal(gated.sum_weights, plain.sum_weights)
    np.testing.assert_array_equal(gated.root_weights, plain.root_weights)


@pytest.mark.parametrize("seed", range(5))
def test_gated_step_on_data(seed):
    circuit, X, weights = small_case(seed)
    model = as_model(circuit)
    gate = sum(w * gate_curvature(model, x) for w, x in zip(weights, X, strict=True))
    gate /= gate.max()
    counts = gather(circuit, X, weights, with_gate=True)
    new = MStep(mu=0.5, regularizer="gated")(circuit, counts)
    mu = 0.5 * gate[..., None]
    theta = counts.sums + np.sqrt(counts.sums**2 + 4 * mu * counts.sums)
    theta = theta[model.edges] / theta[model.edges].sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(new.sum_weights[model.edges], theta, rtol=1e-9)
    root = counts.root + np.sqrt(counts.root**2 + 4 * mu[model.root, 0] * counts.root)
    np.testing.assert_allclose(new.root_weights, root / root.sum(), rtol=1e-9)


@each_rule
@pytest.mark.parametrize("regularizer", ["global", "gated"])
def test_a_step_on_data_gives_a_valid_circuit(regularizer, update, multiplier):
    circuit, X, weights = small_case(7)
    step = MStep(0.1, regularizer, multiplier, update, 0.01)
    for _ in range(3):
        counts = gather(
            circuit, X, weights, with_gate=step.needs_gate, with_moments=step.needs_moments
        )
        circuit = step(circuit, counts)
        circuit.check()
        np.testing.assert_allclose(
            [d.probs.sum(axis=0) for d in circuit.inputs if d is not None], 1.0, rtol=1e-12
        )


@pytest.mark.parametrize("multiplier", ["unit", "exact"])
@pytest.mark.parametrize("update", ["quadratic", "cubic"])
@pytest.mark.parametrize("regularizer", ["global", "gated"])
@pytest.mark.parametrize("mu", [1e200, 1.7e308, 10**400], ids=["1e200", "the largest", "an int"])
def test_a_penalty_beyond_measure_is_that_in_the_limit(multiplier, update, regularizer, mu):
    circuit, X, weights = small_case(1)
    options = {"multiplier": multiplier, "update": update, "regularizer": regularizer}
    steps = [MStep(mu=strength, **options) for strength in (1e110, mu)]
    counts = gather(
        circuit, X, weights, with_gate=steps[0].needs_gate, with_moments=steps[0].needs_moments
    )
    limit, found = (step(circuit, counts) for step in steps)
    found.check()
    # Newton's steps end within rounding.
    np.testing.assert_allclose(found.sum_weights, limit.sum_weights, rtol=1e-7, atol=1e-25)
