"""Learning a circuit from rows: what its parts are told."""

import numpy as np
import pytest

from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, Scope
from skpc._learning import fit
from skpc._learning.fit import EarlyStopping, learn_circuit
from skpc._learning.initialisation import Start, column_moments
from skpc._learning.mstep import MStep
from skpc._learning.solver import Solver
from skpc._learning.structure import Structure

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("n_values", [0, 1])
def test_a_column_misses_a_value_only_if_no_row_has_one_held_out_or_not(n_values, monkeypatch):
    told = []
    with_moments = fit.with_moments

    def recorded(circuit, start, is_missing):
        told.append(is_missing.tolist())
        return with_moments(circuit, start, is_missing)

    monkeypatch.setattr(fit, "with_moments", recorded)
    X = np.random.default_rng(0).integers(0, 2, (20, 2)).astype(float)
    X[n_values:, 1] = np.nan
    scopes = [Scope(np.array([j]), CATEGORICAL, np.arange(2.0)) for j in range(2)]
    rows = Rows.encode(X, scopes, np.ones(20)).distinct()
    start = Start(2, of_table=column_moments(rows))
    solver = Solver(MStep(), 2, 0.0)
    for seed in range(20):  # in some of which the one value is held out
        stopping = EarlyStopping(None, 0.5, seed, 5, refit=False)
        learn_circuit(rows, Structure("chain"), start, solver, stopping, np.random.RandomState(0))
    assert told == [[False, n_values == 0]] * 20
