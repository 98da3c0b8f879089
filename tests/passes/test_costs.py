"""What learning costs, in counts that no busy machine changes: passes, launches, rows, memory."""

import tracemalloc

import numpy as np
import pytest
from helpers import Kept, random_tree, rows_of

from skpc import SharpPCDensity
from skpc._circuit.circuit import random_circuit
from skpc._data.evidence import Evidence
from skpc._learning.em import EStep
from skpc._learning.mstep import MStep
from skpc._passes.messages import Messages


@pytest.fixture
def launched(monkeypatch):
    """Names of the kernels launched by the passes and the M-step, in their order."""
    from skpc._learning import mstep as _mstep
    from skpc._passes import messages as _flows

    names = []
    for module in (_flows, _mstep):
        launch = module.launch

        def count(kernel, *args, launch=launch, **options):
            names.append(kernel.__name__)
            launch(kernel, *args, **options)

        monkeypatch.setattr(module, "launch", count)
    return names


def problem(n_rows=4000, n_columns=24, n_latents=16):
    """A circuit with random weights, and distinct rows that agree on most columns with others."""
    rng = np.random.default_rng(0)
    rows = (rng.random((n_rows, n_columns)) < rng.choice([0.05, 0.3], n_columns)).astype(np.int32)
    n_symbols = np.full(n_columns, 4)
    evidence = Evidence(rows.T.copy(), n_symbols, (None,) * n_columns)
    evidence, weights, _ = evidence.distinct(np.ones(n_rows))
    rows = rows_of(evidence, weights)
    circuit = random_circuit(random_tree(rng, n_columns), rows, n_latents, np.random.RandomState(0))
    return circuit, evidence, weights


def test_an_iteration_is_one_pass_up_one_down_and_one_m_step(launched):
    circuit, evidence, weights = problem(500, 6, 4)
    e_step = EStep(circuit, evidence, weights)
    launched.clear()
    MStep(mu=0.1)(circuit, e_step(circuit))
    assert launched == ["upward", "downward", "update_weights", "update_weights"]


def test_a_fit_goes_down_once_an_iteration_and_up_once_more_to_validate(launched):
    X = np.random.default_rng(0).integers(0, 2, (300, 5))
    settings = {"n_latents": 3, "mu": 0.01, "max_iter": 7, "tol": 0, "random_state": 0}
    SharpPCDensity(**settings, early_stopping=False).fit(X)
    assert launched.count("upward") == launched.count("downward") == 7
    launched.clear()
    Kept(**settings, early_stopping=True, n_iter_no_change=99).fit(X)
    assert launched.count("downward") == 7
    assert launched.count("upward") == 7 + 8


def test_passes_go_over_every_pattern_once():
    circuit, evidence, weights = problem()
    ((_, _, patterns),) = EStep(circuit, evidence, weights).blocks
    root = patterns.roots[0]
    below = np.arange(circuit.n_regions) != root
    for tasks, n_rows in (
        (patterns.up_tasks, patterns.n_patterns.sum()),
        (patterns.down_tasks, patterns.n_patterns[below].sum()),
    ):
        assert (tasks[:, 2] - tasks[:, 1]).sum() == n_rows
    # Far fewer than the rows of all regions, or this data set tests nothing.
    assert patterns.n_patterns.sum() < 0.5 * evidence.symbols.size


def test_an_e_step_allocates_no_messages():
    circuit, evidence, weights = problem()
    e_step = EStep(circuit, evidence, weights)
    e_step(circuit)
    tracemalloc.start()
    e_step(circuit)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n_bytes = e_step.n_patterns * Messages.bytes_per_row(circuit.n_latents)
    assert peak < 0.3 * n_bytes
