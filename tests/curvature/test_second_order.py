"""Second-order curvature against automatic differentiation and against differences."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from curvature_oracle import (
    autograd_gradient_of_mean_trace,
    autograd_hessian,
    parameter_vector,
)
from helpers import (
    as_model,
    chain,
    enumerated_gradients,
    mixed_circuit,
    mixed_rows,
    random_circuit,
    random_rows,
    random_tree,
    small_case,
    star,
)
from helpers import curvature_case as small_circuit
from helpers import mixture_case as trees_of_categories
from scipy.sparse import csr_array

from skpc._circuit.circuit import mixture
from skpc._circuit.inputs.inputs import Inputs
from skpc._passes.likelihood import log_likelihood
from skpc.curvature import (
    admissible_steps,
    directional_profile,
    gradient,
    hessian,
    hessian_operator,
    hessian_spectrum,
    hessian_trace,
    hessian_vector_product,
    node_curvature,
    project_direction,
    trace_gradient,
)

pytestmark = pytest.mark.usefixtures("one_thread")

# Sums of terms of both signs: relative for entries that are not tiny beside the largest.
RTOL, ATOL = 1e-8, 1e-12
both = pytest.mark.parametrize("include_inputs", [False, True])


def shaped(parents, n_categories, n_latents, seed=0):
    """A circuit of categories, with NaN and unseen values among the rows."""
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, parents, np.array(n_categories), n_latents)
    X = random_rows(rng, circuit, 8)
    X[0, 0] = 1000.0
    X[1] = np.nan
    X[2] = X[3]
    return circuit, X, rng.uniform(0.1, 3.0, len(X))


def trees(seed):
    circuit, _, _, X, weights = trees_of_categories(seed, n_latents=2)
    return circuit, X[5:13], weights[5:13]


def mixed_trees():
    """Two trees over the same columns, one of them continuous."""
    rng = np.random.default_rng(3)
    parts = []
    for parents in chain(3), star(3):
        tree = mixed_circuit(rng, parents, [2, -1, 3], 2)
        features = tuple(np.array([j]) for j in range(3))
        old = tree.inputs
        inputs = Inputs(features, old.categories, old.probs, old.unseen, old.distributions)
        parts.append(replace(tree, features=features, inputs=inputs))
    X = mixed_rows(rng, parts[0], 7)
    return mixture(parts, [0.3, 0.7]), X, rng.uniform(0.1, 3.0, 7)


CASES = {
    **{f"random {seed}": lambda seed=seed: small_circuit(seed) for seed in range(6)},
    "chain": lambda: shaped(chain(5), [2, 3, 0, 2, 2], 2),
    "star": lambda: shaped(star(6), [2, 2, 3, 1, 2, 2], 2),
    "star with a hidden hub": lambda: shaped(star(5, 2), [2, 2, 0, 3, 2], 2),
    "one state": lambda: shaped(star(4), [2, 3, 2, 2], 1),
    "one region": lambda: shaped(np.array([-1]), [3], 3),
    "one region and state": lambda: shaped(np.array([-1]), [3], 1),
    "more states than a register": lambda: shaped(chain(2), [2, 2], 9),
    "three trees": lambda: trees(0),
    "three more trees": lambda: trees(1),
    "two mixed trees": mixed_trees,
}
each_case = pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())


def assert_close(actual, expected, rtol=RTOL, atol=ATOL):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol * np.abs(expected).max())


# --- against automatic differentiation -------------------------------------------------


@both
@each_case
def test_products_with_all_unit_vectors_are_the_hessian(make, include_inputs):
    circuit, X, weights = make()
    expected = autograd_hessian(circuit, X, weights, include_inputs)
    options = {"sample_weight": weights, "include_inputs": include_inputs}
    for j, unit in enumerate(np.eye(len(expected))):
        product = hessian_vector_product(circuit, X, unit, **options)
        np.testing.assert_allclose(product, expected[j], RTOL, ATOL * np.abs(expected).max())
    assert_close(hessian(circuit, X, **options), expected)


@both
@each_case
def test_trace_gradient_is_that_of_the_mean_trace(make, include_inputs):
    circuit, X, weights = make()
    expected = autograd_gradient_of_mean_trace(circuit, X, weights, include_inputs)
    actual = trace_gradient(circuit, X, sample_weight=weights, include_inputs=include_inputs)
    assert_close(actual, expected)


@both
@pytest.mark.parametrize("seed", range(6))
def test_gradient_is_that_of_enumeration(seed, include_inputs):
    circuit, X, weights = small_circuit(seed)
    rows = enumerated_gradients(circuit, X, include_inputs)
    actual = gradient(circuit, X, sample_weight=weights, include_inputs=include_inputs)
    assert_close(actual, -np.average(rows, axis=0, weights=weights), rtol=1e-10)


def nearly_deterministic(rng):
    """Every state has one likely category and one likely state below it; the rest is 1e-30."""
    parents, n_categories = np.array([1, -1, 1, 2, 1]), np.array([2, 2, 2, 2, 3])
    circuit = random_circuit(rng, parents, n_categories, 2)
    sum_weights, old = circuit.sum_weights.copy(), circuit.inputs
    sum_weights[:4] = np.eye(2) + 1e-30
    probs = old.probs.copy()
    for first in old.start[[0, 2, 3]]:
        probs[first : first + 2] = np.eye(2)[rng.permutation(2)] + 1e-30
    inputs = Inputs(old.features, old.categories, probs, old.unseen, {})
    return replace(circuit, sum_weights=sum_weights, inputs=inputs)


@both
@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
def test_weights_at_the_floor(missing, include_inputs):
    """Relative tangents of 1e30 must not drown those of other nodes."""
    rng = np.random.default_rng(0)
    circuit = nearly_deterministic(rng)
    X = random_rows(rng, circuit, 12, missing)
    for x in X[:, None]:  # row by row: one row of huge gradients would hide the others
        expected = autograd_hessian(circuit, x, np.ones(1), include_inputs)
        gradients = np.sqrt(np.diag(expected))
        # H is g_i g_j - p_ij / p, and both terms may be much larger than the difference.
        bound = 1e-12 * (np.abs(expected) + np.outer(gradients, gradients))
        actual = hessian(circuit, x, include_inputs=include_inputs)
        assert (np.abs(actual - expected) <= bound).all()
        for v in rng.normal(size=(3, len(expected))):
            product = hessian_vector_product(circuit, x, v, include_inputs=include_inputs)
            assert (np.abs(product - expected @ v) <= bound @ np.abs(v)).all()
        actual = trace_gradient(circuit, x, include_inputs=include_inputs)
        product = 2 * expected @ gradient(circuit, x, include_inputs=include_inputs)
        assert (np.abs(actual - product) <= 2 * bound @ gradients).all()


# --- nodes -----------------------------------------------------------------------------


def expected_node_curvature(model, X, weights):
    """Means over rows of F_n^2, t_n and F_n^2 t_n by enumeration."""
    totals = np.zeros((3, model.n_regions, model.n_latents))
    for x, weight in zip(X, weights / weights.sum(), strict=True):
        flows = np.zeros((model.n_regions, model.n_latents))
        root, sums = oracle.flows(model, x)
        for c in model.edges:
            parent = model.parents[c]
            flows[c] = root if parent == model.root else sums[parent].sum(axis=0)
        flows[model.root, 0] = 1.0
        local = oracle.gate_curvature(model, x)
        totals += weight * np.stack([flows**2, local, flows**2 * local])
    return totals


@pytest.mark.parametrize("seed", range(8))
def test_node_curvature_is_that_of_enumeration(seed):
    circuit, X, weights = small_case(seed)
    nodes = node_curvature(circuit, X, sample_weight=weights)
    for actual, expected in zip(
        nodes, expected_node_curvature(as_model(circuit), X, weights), strict=True
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-10)


@each_case
def test_nodes_add_up_to_the_mean_trace(make):
    circuit, X, weights = make()
    nodes = node_curvature(circuit, X, sample_weight=weights)
    expected = np.average(hessian_trace(circuit, X), weights=weights)
    np.testing.assert_allclose(nodes.global_.sum(), expected, rtol=1e-12)
    first, *others = circuit.roots
    for values in nodes:
        assert not values[first, 1:].any()
        assert not values[others].any()
    assert nodes.usage[first, 0] == pytest.approx(1.0, rel=1e-14)
    assert nodes.local[first, 0] == nodes.global_[first, 0] > 0.0


def test_one_region_has_only_the_root_node():
    circuit, X, weights = CASES["one region"]()
    nodes = node_curvature(circuit, X, sample_weight=weights)
    trace = np.average(hessian_trace(circuit, X), weights=weights)
    assert nodes.global_[0, 0] == pytest.approx(trace, rel=1e-14)


def test_rows_of_missing_values_have_curvature_in_every_weight():
    circuit, X, _ = CASES["star"]()
    X = np.full_like(X[:2], np.nan)
    expected = autograd_hessian(circuit, X, np.ones(2))
    assert_close(hessian(circuit, X), expected)
    # All messages are one: every node has K, times its squared flow.
    nodes = node_curvature(circuit, X)
    np.testing.assert_allclose(nodes.local[circuit.parents >= 0], 2.0, rtol=1e-12)
    assert nodes.global_[circuit.roots[0], 0] == pytest.approx(2.0, rel=1e-12)
    assert_close(
        trace_gradient(circuit, X), autograd_gradient_of_mean_trace(circuit, X, np.ones(2))
    )


# --- at sizes that need several tasks and registers ------------------------------------


def large_case(kind="random", n_regions=30, n_latents=5, n_rows=700):
    rng = np.random.default_rng(0)
    shape = {"chain": chain, "star": star}.get(kind, lambda n: random_tree(rng, n))
    if kind == "mixed":
        kinds = rng.choice([-2, -1, 2, 3], n_regions)
        circuit = mixed_circuit(rng, shape(n_regions), kinds, n_latents)
        X = mixed_rows(rng, circuit, n_rows)
    else:
        n_categories = rng.integers(1, 4, n_regions)
        circuit = random_circuit(rng, shape(n_regions), n_categories, n_latents)
        X = random_rows(rng, circuit, n_rows)
    return circuit, X, rng.uniform(0.1, 3.0, n_rows)


LARGE = {
    "random": {},
    "chain": {"kind": "chain", "n_regions": 40, "n_latents": 3, "n_rows": 300},
    "star": {"kind": "star", "n_latents": 9, "n_rows": 60},
    "mixed": {"kind": "mixed", "n_regions": 10, "n_latents": 4, "n_rows": 60},
    "wide": {"n_regions": 8, "n_latents": 40, "n_rows": 60},
}
each_large_case = pytest.mark.parametrize("size", LARGE.values(), ids=LARGE.keys())


def moved(circuit, step):
    """The circuit with a parameter vector, inputs included, added to it."""
    K, inner, old = circuit.n_latents, circuit.parents >= 0, circuit.inputs
    first = len(circuit.root_weights)
    last = first + inner.sum() * K * K
    sum_weights = circuit.sum_weights.copy()
    sum_weights[inner] += step[first:last].reshape(-1, K, K)
    probs = old.probs + step[last:].reshape(-1, K)
    return replace(
        circuit,
        root_weights=circuit.root_weights + step[:first],
        sum_weights=sum_weights,
        inputs=Inputs(old.features, old.categories, probs, old.unseen, old.distributions),
    )


def smooth_direction(rng, circuit):
    """Relative to the parameters, so that differences have small errors."""
    vector = parameter_vector(circuit, include_inputs=True)
    return vector * rng.normal(size=len(vector)) * 0.1


@each_large_case
def test_product_matches_differences_of_the_gradient(size):
    circuit, X, weights = large_case(**size)
    direction = smooth_direction(np.random.default_rng(1), circuit)
    options = {"sample_weight": weights, "include_inputs": True}
    step = 1e-4
    ahead = gradient(moved(circuit, step * direction), X, **options)
    behind = gradient(moved(circuit, -step * direction), X, **options)
    expected = (ahead - behind) / (2 * step)
    actual = hessian_vector_product(circuit, X, direction, **options)
    assert_close(actual, expected, rtol=1e-5, atol=1e-6)


@each_large_case
def test_gradient_matches_differences_of_the_likelihood(size):
    circuit, X, weights = large_case(**size)
    direction = smooth_direction(np.random.default_rng(2), circuit)
    step, share = 1e-4, weights / weights.sum()
    ahead, behind = (
        share @ log_likelihood(moved(circuit, s * direction), X) for s in (step, -step)
    )
    slope = gradient(circuit, X, sample_weight=weights, include_inputs=True) @ direction
    np.testing.assert_allclose(slope, -(ahead - behind) / (2 * step), rtol=1e-6)


@both
@each_large_case
def test_trace_gradient_is_minus_twice_hessian_times_gradient_row_by_row(size, include_inputs):
    circuit, X, weights = large_case(**size)
    X, weights = X[:25], weights[:25]
    expected = 0.0
    for x, weight in zip(X[:, None], weights / weights.sum(), strict=True):
        of_nll = gradient(circuit, x, include_inputs=include_inputs)
        product = hessian_vector_product(circuit, x, of_nll, include_inputs=include_inputs)
        expected = expected + 2 * weight * product
    actual = trace_gradient(circuit, X, sample_weight=weights, include_inputs=include_inputs)
    assert_close(actual, expected, rtol=1e-9)


def test_product_is_linear_and_symmetric():
    circuit, X, weights = large_case()
    H = hessian_operator(circuit, X, sample_weight=weights, include_inputs=True)
    u, v = np.random.default_rng(1).normal(size=(2, H.shape[0]))
    assert_close(H @ (2.0 * u - 3.0 * v), 2.0 * (H @ u) - 3.0 * (H @ v))
    np.testing.assert_allclose(v @ (H @ u), u @ (H @ v), rtol=1e-10)


def test_trace_of_the_hessian_is_the_mean_trace():
    circuit, X, weights = large_case(n_regions=12)
    trace = np.trace(hessian(circuit, X, sample_weight=weights))
    expected = np.average(hessian_trace(circuit, X), weights=weights)
    np.testing.assert_allclose(trace, expected, rtol=1e-12)


def all_of(circuit, X, weights, **options):
    """Everything that has an array of numbers for an answer."""
    options = {"sample_weight": weights, **options}
    v = parameter_vector(circuit, include_inputs=True)
    inner = project_direction(circuit, v, include_inputs=True)
    yield "nodes", np.stack(node_curvature(circuit, X, **options))
    options["include_inputs"] = True
    yield "gradient", gradient(circuit, X, **options)
    yield "product", hessian_vector_product(circuit, X, v, **options)
    yield "products", hessian_vector_product(circuit, X, np.stack([v, -v], axis=1), **options)
    yield "operator", hessian_operator(circuit, X, **options) @ v
    yield "trace gradient", trace_gradient(circuit, X, **options)
    steps = 0.5 * np.array(admissible_steps(circuit, inner, include_inputs=True))
    yield "profile", directional_profile(circuit, X, inner, steps, **options)


@pytest.mark.parametrize("kind", ["random", "mixed"])
def test_threads_do_not_change_bits(kind):
    circuit, X, weights = large_case(kind, n_latents=9, n_rows=1100)
    one = dict(all_of(circuit, X, weights, n_jobs=1))
    for _ in range(3):
        for name, value in all_of(circuit, X, weights, n_jobs=2):
            np.testing.assert_array_equal(value, one[name], name)


@pytest.mark.parametrize("kind", ["random", "mixed"])
def test_blocks_of_rows_add_up(kind):
    circuit, X, weights = large_case(kind, n_rows=300)
    whole = dict(all_of(circuit, X, weights))
    for max_bytes in 1, 300_000:
        few = slice(0, 20) if max_bytes == 1 else slice(None)
        expected = dict(all_of(circuit, X[few], weights[few])) if max_bytes == 1 else whole
        for name, value in all_of(circuit, X[few], weights[few], max_bytes=max_bytes):
            np.testing.assert_allclose(
                value, expected[name], 1e-9, 1e-11 * np.abs(expected[name]).max(), err_msg=name
            )


def test_weight_two_is_a_row_twice_and_weight_zero_none():
    circuit, X, _ = large_case(n_rows=40)
    weights = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    order = np.random.default_rng(2).permutation(int(weights.sum()))
    repeated = np.repeat(X, weights.astype(int), axis=0)[order]
    given = dict(all_of(circuit, X, weights))
    for name, value in all_of(circuit, repeated, None):
        if name == "profile":  # a plain mean of likelihoods
            np.testing.assert_allclose(value, given[name], rtol=1e-12)
        else:
            np.testing.assert_array_equal(value, given[name], name)


def test_sparse_tables_are_their_dense_twins():
    circuit, X, weights = large_case(n_rows=50)
    X = np.where(np.isnan(X), 0.0, X)
    dense = dict(all_of(circuit, X, weights))
    for name, value in all_of(circuit, csr_array(X), weights):
        np.testing.assert_allclose(value, dense[name], rtol=1e-12, err_msg=name)


# --- spectrum --------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["LA", "LM"])
@pytest.mark.parametrize(("n_regions", "k"), [(8, 6), (2, 3)])
def test_spectrum_is_that_of_the_dense_hessian(n_regions, k, which):
    circuit, X, weights = large_case(n_regions=n_regions, n_latents=3, n_rows=50)
    options = {"sample_weight": weights, "include_inputs": n_regions > 2}
    H = hessian(circuit, X, **options)
    expected = np.linalg.eigvalsh(H)[::-1]
    if which == "LM":
        expected = np.sort(expected[np.argsort(-np.abs(expected))[:k]])[::-1]
    values, vectors, residuals = hessian_spectrum(circuit, X, k, which=which, **options)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(values, expected[:k], rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(k), atol=1e-8)
    assert (np.linalg.norm(H @ vectors - values * vectors, axis=0) < 1e-6 * scale).all()
    assert residuals.shape == (k,)
    assert (residuals < 1e-6 * scale).all()


def test_residuals_tell_how_far_the_vectors_are_off():
    circuit, X, _ = large_case(n_latents=3, n_rows=100)
    values, vectors, residuals = hessian_spectrum(circuit, X, 3, tol=0.3)
    columns = hessian_vector_product(circuit, X, vectors)
    expected = [np.linalg.norm(columns[:, i] - values[i] * vectors[:, i]) for i in range(3)]
    np.testing.assert_allclose(residuals, expected, rtol=1e-6)
    assert residuals.max() > 1e-9


def test_spectrum_is_the_same_twice():
    circuit, X, _ = large_case(n_latents=3, n_rows=100)
    first, second = (hessian_spectrum(circuit, X, 2, random_state=4) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.eigenvectors.max() == np.abs(first.eigenvectors).max()


def test_all_eigenvalues_of_the_smallest_circuit():
    circuit, X, weights = CASES["one region and state"]()
    values, vectors, _ = hessian_spectrum(circuit, X, 1, sample_weight=weights)
    np.testing.assert_allclose(values, [1.0], rtol=1e-14)
    np.testing.assert_array_equal(vectors, [[1.0]])


# --- profiles --------------------------------------------------------------------------


@both
@each_case
def test_profile_has_the_curvature_of_the_hessian(make, include_inputs):
    circuit, X, weights = make()
    options = {"sample_weight": weights, "include_inputs": include_inputs}
    rng = np.random.default_rng(0)
    size = len(parameter_vector(circuit, include_inputs))
    given = rng.normal(size=size)
    v = project_direction(circuit, given, include_inputs=include_inputs)
    low, high = admissible_steps(circuit, given, include_inputs=include_inputs)
    assert low < 0.0 < high
    h = 1e-3 * min(high, -low, 1.0)
    before, middle, after = directional_profile(circuit, X, given, [-h, 0.0, h], **options)
    mean = -np.average(log_likelihood(circuit, X), weights=weights)
    np.testing.assert_allclose(middle, mean, rtol=1e-12)
    slope = gradient(circuit, X, **options) @ v
    bend = v @ hessian_vector_product(circuit, X, v, **options)
    scale = np.abs(v).max() + abs(bend)
    np.testing.assert_allclose((after - before) / (2 * h), slope, rtol=1e-4, atol=1e-5 * scale)
    noise = 1e-14 * max(1.0, abs(middle)) / h**2
    np.testing.assert_allclose(
        (before - 2 * middle + after) / h**2, bend, rtol=1e-3, atol=1e-4 * scale + noise
    )


@both
def test_a_line_stays_normalised_up_to_the_ends_of_its_interval(include_inputs):
    circuit, X, _ = CASES["two mixed trees"]()
    rng = np.random.default_rng(0)
    direction = rng.normal(size=len(parameter_vector(circuit, include_inputs)))
    v = project_direction(circuit, direction, include_inputs=include_inputs)
    np.testing.assert_array_equal(
        project_direction(circuit, v, include_inputs=include_inputs).round(14), v.round(14)
    )
    low, high = admissible_steps(circuit, direction, include_inputs=include_inputs)
    for step in low, high:
        vector = parameter_vector(circuit, include_inputs) + step * v
        assert abs(vector.min()) < 1e-15
        padding = np.zeros(len(parameter_vector(circuit, True)) - len(v))
        end = moved(circuit, np.append(step * v, padding))
        assert end.root_weights.sum() == pytest.approx(1.0, abs=1e-14)
        np.testing.assert_allclose(end.sum_weights.sum(axis=2), 1.0, atol=1e-14)
        probs = np.split(end.inputs.probs, end.inputs.start[1:-1])
        for table in probs:
            if len(table):
                np.testing.assert_allclose(table.sum(axis=0), 1.0, atol=1e-14)
        inside = directional_profile(
            circuit, X, direction, [0.999 * step], include_inputs=include_inputs
        )
        assert np.isfinite(inside).all()
        with pytest.raises(ValueError, match=r"steps must stay between -\d.* and \d.*; got"):
            directional_profile(
                circuit, X, direction, [0.0, 1.001 * step], include_inputs=include_inputs
            )


def test_rows_that_all_go_up_alike_do_not_move():
    """Rounding of their means must not bind the step of weights at the floor."""
    circuit, X, _ = shaped(chain(3), [2, 2, 2], 3)
    direction = np.full(len(parameter_vector(circuit)), 0.1)
    direction[:2] = 1.0, -1.0
    v = project_direction(circuit, direction)
    assert v[:3].all()
    assert not v[3:].any()
    assert admissible_steps(circuit, direction * 0.0) == (-np.inf, np.inf)
    flat = directional_profile(circuit, X, direction * 0.0, [-9.0, 0.0, 9.0])
    assert flat[0] == flat[1] == flat[2]


# --- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize("function", [node_curvature, gradient, trace_gradient, hessian])
def test_bad_rows_and_weights_are_named(function):
    circuit, X, _ = CASES["chain"]()
    with pytest.raises(ValueError, match=r"X must have shape \(n, 4\).*got \(8, 3\)"):
        function(circuit, X[:, :3])
    with pytest.raises(ValueError, match="at least one row"):
        function(circuit, X[:0])
    with pytest.raises(ValueError, match=r"sample_weight must have one entry.*8 rows.*\(3,\)"):
        function(circuit, X, sample_weight=np.ones(3))
    for weights in np.zeros(8), np.full(8, -1.0), np.full(8, np.nan):
        with pytest.raises(ValueError, match="sample_weight must be finite, not negative"):
            function(circuit, X, sample_weight=weights)


def test_bad_vectors_are_named():
    circuit, X, _ = CASES["chain"]()
    with pytest.raises(ValueError, match=r"v must have shape \(18,\) or \(18, m\).*got \(3,\)"):
        hessian_vector_product(circuit, X, np.ones(3))
    with pytest.raises(ValueError, match="v must be finite"):
        hessian_vector_product(circuit, X, np.full(18, np.nan))
    with pytest.raises(ValueError, match=r"direction must have shape \(18,\)"):
        directional_profile(circuit, X, np.ones(3), [0.0])
    with pytest.raises(ValueError, match="direction must be one vector"):
        admissible_steps(circuit, np.ones((18, 2)))
    with pytest.raises(ValueError, match="steps must be a vector"):
        directional_profile(circuit, X, np.ones(18), 0.0)
    with pytest.raises(ValueError, match=r"X must have shape \(n, \d+\) .*got \(2, 1\)"):
        hessian_trace(circuit, X[:2, :1])
    for k in 0, 19, 2.0:
        with pytest.raises(ValueError, match=f"k must be an integer from 1 to .*18; got {k}"):
            hessian_spectrum(circuit, X, k)
    with pytest.raises(ValueError, match="which must be 'LA' or 'LM'; got 'SA'"):
        hessian_spectrum(circuit, X, 1, which="SA")


def test_a_large_hessian_is_refused_with_its_size():
    circuit, X, _ = large_case(n_latents=40, n_rows=2)
    with pytest.raises(ValueError, match=r"46440 parameters needs 16.1 GiB.*hessian_operator"):
        hessian(circuit, X)
    with pytest.raises(ValueError, match="max_parameters=3"):
        hessian(*CASES["chain"]()[:2], max_parameters=3)


def test_inputs_of_no_probability_have_no_derivative():
    circuit, X, _ = CASES["chain"]()
    old = circuit.inputs
    probs = old.probs.copy()
    probs[0, 0] = 0.0
    circuit = replace(
        circuit, inputs=Inputs(old.features, old.categories, probs, old.unseen, old.distributions)
    )
    with pytest.raises(ValueError, match=r"include_inputs=True needs positive.*0\.0"):
        gradient(circuit, X, include_inputs=True)
    assert np.isfinite(gradient(circuit, X)).all()
