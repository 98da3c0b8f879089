"""Further rows: what a circuit expects itself, against enumeration, and steps, against EM."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from helpers import (
    as_model,
    gather,
    mixed_circuit,
    mixture_case,
    parts_of,
    same_bits,
    small_case,
)
from numpy.testing import assert_allclose

from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.inputs import Inputs
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, Scope
from skpc._learning import further_rows
from skpc._learning.further_rows import learn_further, own_counts, step_size
from skpc._learning.mstep import MStep
from skpc._learning.solver import Solver


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_all_rows_weighted_by_their_probability(seed):
    circuit, _, _ = small_case(seed)
    model = as_model(circuit)
    X = oracle.all_rows(model)
    probabilities = np.exp(oracle.log_likelihood(model, X))
    assert_allclose(probabilities.sum(), 1.0)
    expected = gather(circuit, X, 7.0 * probabilities)
    for (name, found), (_, value) in zip(
        parts_of(own_counts(circuit, 7.0)), parts_of(expected), strict=True
    ):
        if name != "log_likelihood" and found is not None:
            assert_allclose(found, value, rtol=1e-10, atol=1e-14, err_msg=name)


def rows_of(circuit, X, weights):
    """Distinct rows of a circuit of categories, one region per column."""
    known = {}
    for columns, one in zip(circuit.features, circuit.inputs, strict=True):
        if one is not None:
            known[int(columns[0])] = one.categories
    scopes = [Scope(np.array([j]), CATEGORICAL, known[j]) for j in sorted(known)]
    return Rows.encode(X, scopes, weights).distinct()


M_STEPS = [
    MStep(),
    MStep(mu=0.3, pseudocount=0.2),
    MStep(mu=0.3, regularizer="gated", pseudocount=0.2),
    MStep(mu=1e-5, multiplier="exact", pseudocount=0.2),
    MStep(mu=0.3, update="cubic"),
]


@pytest.mark.parametrize("m_step", M_STEPS)
def test_after_no_rows_a_step_is_an_iteration_of_em(m_step):
    circuit, X, weights = small_case(1)
    rows = rows_of(circuit, X, weights)
    solver = Solver(m_step, None, 0.0)
    found, log_likelihood = learn_further(circuit, rows, 0.0, solver, None)
    grouped = rows.grouped(circuit.features)
    counts = solver.new_e_step(circuit, grouped)(circuit)
    expected = m_step(circuit, counts)
    assert same_bits(found, expected)
    assert log_likelihood == pytest.approx(counts.log_likelihood / weights.sum(), rel=1e-12)


@pytest.mark.parametrize(
    "m_step", [*M_STEPS[1:4], MStep(mu=1e-5, update="cubic", multiplier="exact")]
)
def test_a_step_has_its_share_of_priors(m_step):
    """Rows as the circuit draws them: nothing but priors moves it, a step as far as its length."""
    circuit, _, _ = small_case(4)
    X = oracle.all_rows(as_model(circuit))
    weights = 1e6 * np.exp(oracle.log_likelihood(as_model(circuit), X))
    solver = Solver(m_step, None, 0.0)
    found, _ = learn_further(circuit, rows_of(circuit, X, weights), 3e6, solver, None)
    rows = rows_of(circuit, X, 4.0 * weights).grouped(circuit.features)
    whole = solver.m_step(circuit, solver.new_e_step(circuit, rows)(circuit))
    moved, as_in_em = (one.sum_weights - circuit.sum_weights for one in (found, whole))
    largest = np.abs(as_in_em).max()
    assert 1e-8 < largest < 1e-3
    assert_allclose(moved, step_size(1.0, 4.0) * as_in_em, rtol=0.0, atol=0.01 * largest)


def one_column(probs):
    inputs = Inputs([np.array([0])], [np.arange(3.0)], probs[:, None], np.array([[1e-3]]), {})
    return Circuit(np.array([-1]), (np.array([0]),), np.ones(1), np.ones((1, 1, 1)), inputs)


def test_steps_of_one_column_are_the_recursion_of_counts_with_priors():
    """Shares p of a category, of counts N so far: (1 - s) p + s (c / w + priors / N)."""
    rng = np.random.default_rng(0)
    p, seen, pseudocount = np.array([0.2, 0.5, 0.3]), 10.0, 0.4
    circuit = one_column(p)
    solver = Solver(MStep(pseudocount=pseudocount), None, 0.0)
    for weight in (10.0, 3.0, 40.0, 1.0):
        counts = weight * rng.dirichlet(np.ones(3))
        rows = rows_of(circuit, np.arange(3.0)[:, None], counts)
        circuit, _ = learn_further(circuit, rows, seen, solver, None)
        seen += weight
        s = step_size(weight, seen)
        shares = (1.0 - s) * p + s * counts / weight
        # One row is spread evenly, and the pseudocount as the column is with this row; of both
        # a share s of them enters.
        spread = (shares * seen + s / 3.0) / (seen + s)
        smoothed = shares * seen + s * (1.0 / 3.0 + pseudocount * spread)
        p = smoothed / smoothed.sum()
        assert_allclose(circuit.inputs.probs[:, 0], p, rtol=1e-12)
        unseen = 1.0 / 3.0 / seen * (seen + pseudocount * seen / (seen + 1.0))
        assert_allclose(
            circuit.inputs.unseen[0, 0], unseen / (seen + 1.0 + pseudocount), rtol=1e-12
        )


def test_steps_fall_and_are_whole_at_first():
    assert step_size(5.0, 5.0) == 1.0
    steps = [step_size(1.0, n) for n in range(1, 200)]
    assert (np.diff(steps) < 0.0).all()
    assert steps[-1] > 1.0 / 199.0  # what is old counts less than in an average of all rows


def test_mini_batches_are_steps_one_after_the_other(monkeypatch):
    circuit, X, weights, *_ = mixture_case(0)[0], *mixture_case(0)[3:]
    rows = rows_of(mixture_case(0)[1][0], X, np.round(10.0 * weights) + 1.0)
    sizes = []

    def noted(circuit, found, weight, seen, m_step):
        sizes.append((weight, seen))
        return stepped(circuit, found, weight, seen, m_step)

    stepped = further_rows._stepped
    monkeypatch.setattr(further_rows, "_stepped", noted)
    solver = Solver(MStep(mu=0.1, pseudocount=0.1), None, 0.0, batch_size=60.0)
    found, _ = learn_further(circuit, rows, 100.0, solver, np.random.RandomState(0))
    of_batches, seen = np.array(sizes).T
    assert len(sizes) > 2
    assert_allclose(of_batches.sum(), rows.total_weight)
    assert_allclose(seen, 100.0 + np.cumsum(of_batches))
    again, _ = learn_further(circuit, rows, 100.0, solver, np.random.RandomState(0))
    whole, _ = learn_further(circuit, rows, 100.0, replace(solver, batch_size=None), None)
    assert same_bits(found, again)
    assert not same_bits(found, whole)


def test_numbers_are_expected_about_the_means_of_the_circuit():
    """A Gaussian far from zero keeps its digits: moments are about its own means."""
    circuit = mixed_circuit(np.random.default_rng(0), np.array([-1, 0]), [-2, 3], 2)
    one = circuit.inputs[0]
    far = replace(one, means=one.means + 1e8)
    inputs = circuit.inputs.replaced(others={0: far})
    found = MStep()(
        circuit.replaced(inputs=inputs), own_counts(circuit.replaced(inputs=inputs), 9.0)
    )
    assert_allclose(found.inputs[0].covariances, one.covariances, rtol=1e-9)
