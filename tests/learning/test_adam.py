"""Adam: its gradient against differences of the objective, its steps against the formula."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from helpers import (
    as_model,
    chain,
    mixed_circuit,
    mixed_rows,
    random_circuit,
    random_rows,
    random_tree,
    same_bits,
    small_case,
    star,
)

from skpc._circuit.circuit import mixture
from skpc._circuit.inputs.covariances import VARIANCE_FLOOR
from skpc._learning.adam import (
    Climb,
    _ascent,
    annealed,
    fit_adam,
    free_parameters,
    with_free_parameters,
)
from skpc._learning.em import EStep, fit_em
from skpc._learning.minibatches import Batches
from skpc._learning.mstep import MStep
from skpc._learning.progress import Progress
from skpc._passes.likelihood import log_likelihood
from skpc._passes.messages import Messages
from skpc.curvature import hessian_trace

pytestmark = pytest.mark.usefixtures("one_thread")

seeds = pytest.mark.parametrize("seed", range(3))


def new_batches(circuit, X, weights, batch_size=np.inf, **options):
    evidence = circuit.inputs.encode(X)
    return Batches(circuit, evidence, weights, batch_size, np.random.RandomState(0), **options)


def learn(circuit, X, weights, mu=0.0, batch_size=np.inf, by_row=None, **options):
    """Run Adam without a stop."""
    by_row = mu > 0 if by_row is None else by_row
    settings = {"pseudocount": 0.0, "step_size": 0.05, "max_iter": 1, **options}
    return fit_adam(
        circuit,
        Progress(circuit, tol=0.0),
        new_batches(circuit, X, weights, batch_size, by_row=by_row),
        mu,
        random_state=np.random.RandomState(0),
        **settings,
    )


def categorical(seed):
    return small_case(seed, n_regions=4)


def gaussian(seed):
    return continuous(seed, [-1, -1, -2])


def mixed(seed):
    return continuous(seed, [2, -2, 0, 3, -1])


def continuous(seed, kinds):
    rng = np.random.default_rng(seed)
    circuit = mixed_circuit(rng, random_tree(rng, len(kinds)), kinds, 3)
    scaled = {
        region: replace(g, scales=rng.uniform(0.5, 2.0, g.means.shape[1]))
        for region, g in circuit.inputs.distributions.items()
    }
    circuit = replace(circuit, inputs=with_gaussians(circuit.inputs, scaled))
    X = mixed_rows(rng, circuit, 20)
    X[3] = np.nan
    X[4:7] = X[7:10]
    return circuit, X, rng.uniform(0.1, 3.0, 20)


def with_gaussians(inputs, gaussians):
    arrays = inputs.probs, inputs.unseen
    return type(inputs)(inputs.features, inputs.categories, *arrays, gaussians)


def several_trees(seed):
    rng = np.random.default_rng(seed)
    trees = []
    for parents in chain(3), star(3, 1):
        tree = random_circuit(rng, parents, np.array([2, 3, 2]), 2)
        features = [np.array([j]) for j in range(3)]
        categories = [np.arange(float(n)) for n in (2, 3, 2)]
        inputs = type(tree.inputs)(features, categories, tree.inputs.probs, tree.inputs.unseen, {})
        trees.append(replace(tree, features=tuple(features), inputs=inputs))
    X = random_rows(rng, trees[0], 25)
    return mixture(trees, np.array([0.3, 0.7])), X, rng.uniform(0.1, 3.0, 25)


def one_state(seed):
    return small_case(seed, n_regions=3, n_latents=1)


def one_region(seed):
    return small_case(seed, n_regions=1)


CASES = [categorical, gaussian, mixed, several_trees, one_state, one_region]
each_case = pytest.mark.parametrize("case", CASES)


def flat(arrays):
    return np.concatenate([part.ravel() for part in arrays])


def shaped(vector, like):
    ends = np.cumsum([part.size for part in like])[:-1]
    return [v.reshape(part.shape) for v, part in zip(np.split(vector, ends), like, strict=True)]


def objective(circuit, X, weights, mu):
    """What is to be made large: by queries of single rows, not by what is tested."""
    value = np.average(log_likelihood(circuit, X), weights=weights)
    return value - mu * np.average(hessian_trace(circuit, X), weights=weights) if mu else value


def differences(circuit, X, weights, mu, step=1e-4):
    """The gradient of `objective` in the free parameters, by central differences of 4th order."""
    start = free_parameters(circuit)
    vector = flat(start)
    gradient = np.zeros_like(vector)
    for i in range(len(vector)):
        for shift, share in (1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0):
            moved = vector.copy()
            moved[i] += shift * step
            there = with_free_parameters(circuit, shaped(moved, start))
            gradient[i] += share * objective(there, X, weights, mu) / (12 * step)
    return gradient


# --- the gradient ----------------------------------------------------------------------


@each_case
@seeds
@pytest.mark.parametrize("mu", [0.0, 1e-3, 1.0])
def test_the_gradient_is_that_of_the_objective(case, seed, mu):
    circuit, X, weights = case(seed)
    gradient, counts = _ascent(circuit, new_batches(circuit, X, weights, by_row=mu > 0), 0, mu)
    expected = differences(circuit, X, weights, mu)
    scale = max(1.0, np.abs(expected).max())
    # Differences of step h err by h^4 and by rounding over h.
    np.testing.assert_allclose(flat(gradient) / scale, expected / scale, rtol=1e-6, atol=1e-8)
    total = weights @ log_likelihood(circuit, X)
    assert counts.log_likelihood == pytest.approx(total, rel=1e-11)


@each_case
def test_a_batch_has_the_gradient_of_its_rows(case):
    circuit, X, weights = case(0)
    batches = new_batches(circuit, X, weights, 8, by_row=True)
    assert len(batches) > 2
    total = 0.0
    for i in range(len(batches)):
        gradient, _ = _ascent(circuit, batches, i, 0.01)
        total = total + batches.weights[i] / weights.sum() * flat(gradient)
    whole, _ = _ascent(circuit, new_batches(circuit, X, weights, by_row=True), 0, 0.01)
    np.testing.assert_allclose(total, flat(whole), rtol=1e-9, atol=1e-10)


@each_case
def test_patterns_and_rows_have_the_same_gradient(case):
    circuit, X, weights = case(1)
    by_pattern, _ = _ascent(circuit, new_batches(circuit, X, weights, by_row=False), 0, 0.0)
    by_row, _ = _ascent(circuit, new_batches(circuit, X, weights, by_row=True), 0, 0.0)
    np.testing.assert_allclose(flat(by_row), flat(by_pattern), rtol=1e-9, atol=1e-11)
    tiny, _ = _ascent(circuit, new_batches(circuit, X, weights, by_row=True), 0, 1e-14)
    np.testing.assert_allclose(flat(tiny), flat(by_pattern), rtol=1e-9, atol=1e-8)


@each_case
def test_blocks_of_a_batch_have_the_same_gradient(case):
    circuit, X, weights = case(1)
    whole = new_batches(circuit, X, weights, by_row=True)
    size = circuit.n_regions * Messages.bytes_per_row(circuit.n_latents) * len(X)
    blocks = new_batches(circuit, X, weights, by_row=True, max_bytes=size // 3)
    assert len(blocks.blocks(0)) > len(whole.blocks(0)) == 1
    gradients = [flat(_ascent(circuit, batches, 0, 0.01)[0]) for batches in (whole, blocks)]
    np.testing.assert_allclose(*gradients, rtol=1e-9, atol=1e-10)


def test_scaled_weights_have_the_same_gradient():
    circuit, X, weights = mixed(0)
    one, ten = (
        _ascent(circuit, new_batches(circuit, X, factor * weights, by_row=True), 0, 0.1)[0]
        for factor in (1.0, 1e6)
    )
    np.testing.assert_allclose(flat(ten), flat(one), rtol=1e-9, atol=1e-10)


# --- free parameters -------------------------------------------------------------------


@each_case
@seeds
def test_free_parameters_say_all(case, seed):
    circuit, _, _ = case(seed)
    again = with_free_parameters(circuit, free_parameters(circuit))
    np.testing.assert_allclose(again.root_weights, circuit.root_weights, rtol=1e-13)
    np.testing.assert_allclose(again.sum_weights, circuit.sum_weights, rtol=1e-13)
    np.testing.assert_allclose(again.inputs.probs, circuit.inputs.probs, rtol=1e-13)
    for region, old in circuit.inputs.distributions.items():
        new = again.inputs.distributions[region]
        np.testing.assert_allclose(new.means, old.means, rtol=1e-13)
        np.testing.assert_allclose(new.covariances, old.covariances, rtol=1e-11, atol=1e-12)


@each_case
@seeds
def test_all_real_numbers_are_parameters(case, seed):
    circuit, _, _ = case(seed)
    rng = np.random.default_rng(seed)
    new = with_free_parameters(
        circuit, [rng.normal(0, 3, part.shape) for part in free_parameters(circuit)]
    )
    new.check()
    for distribution in new.inputs:
        if hasattr(distribution, "probs"):
            np.testing.assert_allclose(distribution.probs.sum(axis=0), 1, rtol=1e-12)
    for g in new.inputs.distributions.values():
        assert np.linalg.eigvalsh(g.covariances / np.outer(g.scales, g.scales)).min() > 0


@each_case
@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_a_shift_of_some_logits_leaves_all_probabilities(case, shift):
    """Of one region's inputs by far more than others' logits: those must not underflow."""
    circuit, _, _ = case(0)
    root, below, logits, *rest = free_parameters(circuit)
    logits[circuit.inputs.start[0] : circuit.inputs.start[1]] += shift
    below[:1] += shift
    again = with_free_parameters(circuit, [root + shift, below, logits, *rest])
    np.testing.assert_allclose(again.root_weights, circuit.root_weights, rtol=1e-10)
    np.testing.assert_allclose(again.sum_weights, circuit.sum_weights, rtol=1e-10)
    np.testing.assert_allclose(again.inputs.probs, circuit.inputs.probs, rtol=1e-10)


def test_weights_and_variances_have_floors():
    circuit, _, _ = continuous(0, [2, -2])
    root, below, logits, log_odds, means, factors = free_parameters(circuit)
    for part in root, below, logits:
        part[..., 0] += 5000.0 if part is not logits else 0.0
    logits[0] += 5000.0
    factors -= 5000.0 * np.eye(2)
    new = with_free_parameters(circuit, [root, below, logits, log_odds, means, factors])
    new.check()
    assert new.root_weights.min() == new.sum_weights[circuit.parents >= 0].min() == 1e-30
    assert new.inputs.probs.min() == 1e-30
    g = new.inputs.distributions[1]
    least = np.linalg.eigvalsh(g.covariances / np.outer(g.scales, g.scales)).min()
    assert least == pytest.approx(VARIANCE_FLOOR, rel=1e-6)


# --- steps -----------------------------------------------------------------------------


@pytest.mark.parametrize("mu", [0.0, 0.01])
def test_steps_are_those_of_the_algorithm(mu):
    """Four steps over two batches by the formula of the paper, with this schedule."""
    circuit, X, weights = mixed(1)
    batches = new_batches(circuit, X, weights, weights.sum() / 2, by_row=mu > 0)
    assert len(batches) == 2
    order = np.random.RandomState(0)
    theta = flat(free_parameters(circuit))
    mean, square, t, current = np.zeros_like(theta), np.zeros_like(theta), 0, circuit
    for epoch in range(2):
        alpha = 0.03 * (0.02 + 0.98 * (1 + np.cos(np.pi * epoch / 2)) / 2)
        for batch in order.permutation(2):
            gradient = -flat(_ascent(current, batches, batch, mu)[0])
            t += 1
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            correction = np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            theta = theta - alpha * correction * mean / (np.sqrt(square) + 1e-8)
            like = free_parameters(current)
            current = with_free_parameters(current, shaped(theta, like))
    size = weights.sum() / 2
    result = learn(circuit, X, weights, mu, size, step_size=0.03, max_iter=2)
    for a, b in zip(free_parameters(result.circuit), free_parameters(current), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
    assert np.abs(result.circuit.sum_weights - circuit.sum_weights).max() > 0.01


def test_history_is_the_mean_of_batches_before_their_updates():
    circuit, X, weights = mixed(0)
    batches = new_batches(circuit, X, weights, 8, by_row=False)
    one = learn(circuit, X, weights, batch_size=8, step_size=1e-12).log_likelihoods
    # Without steps it is the start's.
    assert one[0] == pytest.approx(objective(circuit, X, weights, 0.0), rel=1e-9)
    moving = learn(circuit, X, weights, batch_size=8, step_size=0.05).log_likelihoods
    assert len(batches) > 1
    assert moving[0] > one[0]


def test_the_pseudocount_only_decides_what_was_never_seen():
    circuit, X, weights = categorical(2)
    none, some = (
        learn(circuit, X, weights, batch_size=9, max_iter=3, pseudocount=p).circuit
        for p in (0.0, 0.5)
    )
    assert not np.array_equal(none.inputs.unseen, some.inputs.unseen)
    arrays = none.inputs.probs, some.inputs.unseen, {}
    inputs = type(none.inputs)(none.inputs.features, none.inputs.categories, *arrays)
    assert same_bits(replace(none, inputs=inputs), some)


def test_the_unseen_mass_is_that_of_em():
    """After steps of next to nothing counts are the start's, as in EM's first step."""
    circuit, X, weights = categorical(2)
    e_step = EStep(circuit, circuit.inputs.encode(X), weights)
    m_step = MStep(pseudocount=0.5)
    expected = fit_em(circuit, Progress(circuit, tol=0.0), e_step, m_step, 1).circuit
    actual = learn(circuit, X, weights, batch_size=9, pseudocount=0.5, step_size=1e-12).circuit
    np.testing.assert_allclose(actual.inputs.unseen, expected.inputs.unseen, rtol=1e-9)


def test_validation_sees_the_unseen_mass_of_the_result():
    """What early stopping compares is the likelihood of the circuits it may keep."""
    circuit, X, weights = categorical(2)
    seen = []

    def validation(candidate):
        seen.append(candidate)
        return float(len(seen))  # the last is the best

    batches = new_batches(circuit, X, weights, 9, by_row=False)
    progress = Progress(circuit, tol=0.0, validation=validation)
    result = fit_adam(circuit, progress, batches, 0.0, 0.5, 0.05, 3, np.random.RandomState(0))
    assert same_bits(result.circuit, seen[-1])
    assert (result.circuit.inputs.unseen != circuit.inputs.unseen).any()


def test_a_floored_variance_rises_again_at_once(monkeypatch):
    """What lies below the floor is not a debt that later steps have to pay."""
    circuit, X, weights = continuous(3, [-1])
    truth, seen = _ascent, []

    def down_and_up(current, *arguments):
        """Narrower for sixty updates, then wider."""
        gradient, counts = truth(current, *arguments)
        gradient[-1] = np.full_like(gradient[-1], -1.0 if len(seen) < 60 else 1.0)
        g = current.inputs.distributions[0]
        seen.append((g.covariances / g.scales**2).max())
        return gradient, counts

    monkeypatch.setattr("skpc._learning.adam._ascent", down_and_up)
    learn(circuit, X, weights, step_size=1.0, max_iter=200)
    assert seen[59] == pytest.approx(VARIANCE_FLOOR, rel=1e-6)
    assert seen[100] > 2 * VARIANCE_FLOOR


# --- where it goes ---------------------------------------------------------------------


def binary_table():
    rng = np.random.default_rng(0)
    latent = rng.integers(0, 2, 300)
    X = (rng.random((300, 4)) < 0.15 + 0.7 * latent[:, None]).astype(float)
    circuit = random_circuit(rng, chain(4), np.full(4, 2), 2)
    inputs = circuit.inputs
    categories = [np.arange(2.0)] * 4
    inputs = type(inputs)(inputs.features, categories, inputs.probs, inputs.unseen, {})
    return replace(circuit, inputs=inputs), X, np.ones(300)


def test_adam_gets_as_far_as_em():
    circuit, X, weights = binary_table()
    e_step = EStep(circuit, circuit.inputs.encode(X), weights)
    em = fit_em(circuit, Progress(circuit, tol=1e-9), e_step, MStep(), 2000)
    adam = learn(circuit, X, weights, max_iter=500, step_size=0.1)
    assert em.log_likelihoods[-1] > em.log_likelihoods[0] + 0.3
    assert adam.log_likelihoods[-1] > em.log_likelihoods[-1] - 2e-3


def test_a_penalty_lowers_the_trace_at_the_expense_of_the_likelihood():
    circuit, X, weights = binary_table()
    values = []
    for mu in (0.0, 1e-4, 1e-2):
        fitted = learn(circuit, X, weights, mu, by_row=True, max_iter=150).circuit
        values.append((hessian_trace(fitted, X).mean(), log_likelihood(fitted, X).mean()))
    traces, likelihoods = np.array(values).T
    assert (np.diff(traces) < 0).all()
    assert (np.diff(likelihoods) < 0).all()


@each_case
def test_a_huge_penalty_stays_finite(case):
    circuit, X, weights = case(0)
    result = learn(circuit, X, weights, 1e6, 8, max_iter=20)
    result.circuit.check()
    assert np.isfinite(result.log_likelihoods).all()
    assert np.isfinite(log_likelihood(result.circuit, X)).all()


@each_case
@pytest.mark.parametrize("mu", [0.0, 1e-3])
def test_weights_at_the_floor_stay_finite(case, mu):
    circuit, X, weights = case(1)
    root, below, logits, *rest = free_parameters(circuit)
    for part in root, below:
        if part.shape[-1] > 1:
            part[..., 0] -= 1000.0
    logits[circuit.inputs.start[:-1][circuit.inputs.n_categories > 1]] -= 1000.0
    hard = with_free_parameters(circuit, [root, below, logits, *rest])
    result = learn(hard, X, weights, mu, 8, max_iter=20)
    result.circuit.check()
    assert np.isfinite(result.log_likelihoods).all()
    assert np.isfinite(flat(free_parameters(result.circuit))).all()


def test_steps_fall_to_a_fiftieth():
    assert annealed(0.0) == 1.0
    assert annealed(0.5) == pytest.approx(0.51)
    assert annealed(1.0) == pytest.approx(0.02)


def test_rows_that_miss_everything_do_not_matter():
    circuit, X, weights = categorical(1)
    X[:] = np.nan
    gradient, counts = _ascent(circuit, new_batches(circuit, X, weights, by_row=False), 0, 0.0)
    np.testing.assert_allclose(flat(gradient), 0.0, atol=1e-12)
    assert counts.log_likelihood == pytest.approx(0.0, abs=1e-11)
    np.testing.assert_allclose(oracle.log_likelihood(as_model(circuit), X), 0.0, atol=1e-12)


def test_light_and_heavy_rows_weigh_what_they_weigh():
    circuit, X, _ = mixed(2)
    heavy = np.where(np.arange(len(X)) < 3, 1e8, 1e-8)
    batches = new_batches(circuit, X, heavy, heavy.sum() / 4, by_row=True)
    total = 0.0
    for i in range(len(batches)):
        total = total + batches.weights[i] * flat(_ascent(circuit, batches, i, 0.01)[0])
    expected = differences(circuit, X, heavy, 0.01)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(total / heavy.sum() / scale, expected / scale, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "mu", [1e100, 1e300, 1.7e308, 10**400], ids=["1e100", "1e300", "the largest float", "an int"]
)
def test_a_penalty_beyond_measure_is_that_in_the_limit(mu):
    circuit, X, weights = small_case(1)

    def learnt(strength):
        batches = Batches(
            circuit, circuit.inputs.encode(X), weights, np.inf, np.random.RandomState(0),
            by_row=True,
        )  # fmt: skip
        progress = Progress(circuit, tol=0.0)
        return fit_adam(
            circuit, progress, batches, strength, 0.0, 0.05, 3, np.random.RandomState(0)
        ).circuit

    with np.errstate(all="raise", under="ignore"):
        found, limit = learnt(mu), learnt(1e60)
    # What is left of the likelihood beside the limit is 1e-60 of the penalty.
    np.testing.assert_allclose(found.sum_weights, limit.sum_weights, rtol=1e-6)
    assert not np.allclose(found.sum_weights, circuit.sum_weights)


@pytest.mark.parametrize("decay", [0.999, 0.9])
def test_a_climb_takes_the_steps_of_the_paper(decay):
    rng = np.random.default_rng(0)
    parameters = [rng.standard_normal(shape) for shape in ((3, 2), (4,))]
    expected = [part.copy() for part in parameters]
    means, squares = ([np.zeros_like(part) for part in expected] for _ in range(2))
    climb = Climb(parameters, decay)
    for update in range(1, 6):
        ascent = [rng.standard_normal(part.shape) for part in expected]
        climb(parameters, ascent, 0.1)
        for place, own in enumerate(ascent):
            means[place] = 0.9 * means[place] + 0.1 * own
            squares[place] = decay * squares[place] + (1.0 - decay) * own**2
            mean = means[place] / (1.0 - 0.9**update)
            expected[place] += 0.1 * mean / np.sqrt(squares[place] / (1.0 - decay**update))
    # But for 1e-8 against division by zero, which is larger before squares are corrected.
    for found, own in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(found, own, atol=1e-5)


def test_a_climb_keeps_the_precision_of_its_parameters():
    parameters = [np.ones(3, np.float32)]
    Climb(parameters)(parameters, [np.ones(3, np.float32)], 0.5)
    assert parameters[0].dtype == np.float32
    np.testing.assert_allclose(parameters[0], 1.5, rtol=1e-6)
