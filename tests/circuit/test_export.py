"""Circuits of other libraries: they have the likelihoods of ours."""

import sys

import numpy as np
import pytest
from helpers import mixed_circuit, mixture_case, random_circuit

from skpc import SharpPCDensity
from skpc.circuit import log_likelihood, marginal, sample, to_cirkit


def mixed(parents, kinds):
    return mixed_circuit(np.random.default_rng(0), np.array(parents), kinds, 3)


def diagonal():
    """A group of columns that are independent in each state."""
    circuit = mixed([-1, 0], [2, -2])
    gaussian = circuit.inputs.distributions[1]
    gaussian.covariances[:, ~np.eye(2, dtype=bool)] = 0.0
    return circuit


def composite():
    """Regions of several columns of several kinds."""
    X = np.random.default_rng(0).integers(0, 4, (40, 4)) * [1.0, 1.0, 0.37, 1.3]
    model = SharpPCDensity(3, max_iter=2, random_state=0, feature_groups=[[0, 2], [1, 3]])
    return model.fit(X).circuit_


def fitted(**parameters):
    X = np.random.default_rng(0).integers(0, 4, (40, 4))
    return SharpPCDensity(3, max_iter=2, random_state=0, **parameters).fit(X).circuit_


def units():
    X = np.random.default_rng(0).normal(size=(40, 2)) * [1e-110, 1e120]
    return SharpPCDensity(3, max_iter=2, random_state=0).fit(X).circuit_


CASES = {
    "mixed": lambda: mixed([-1, 0, 1, 0], [2, -1, 3, -1]),
    "one region": lambda: mixed([-1], [3]),
    "one continuous region": lambda: mixed([-1], [-1]),
    "one category": lambda: mixed([-1, 0], [1, 2]),
    "nothing observed at the root": lambda: mixed([-1, 0, 0], [0, 2, -1]),
    "nothing observed at a leaf": lambda: mixed([-1, 0, 1, 1], [2, -1, 0, 0]),
    "independent columns": diagonal,
    "several kinds": composite,
    "binomial": lambda: fitted(feature_types="binomial"),
    "mixture": lambda: mixture_case(0)[0],
    "rat": lambda: fitted(structure="rat", n_components=2),
    "marginal": lambda: marginal(fitted(), [2, 0]),
    "one state": lambda: random_circuit(
        np.random.default_rng(0), np.array([-1, 0]), np.array([2, 3]), 1
    ),
    "units": units,
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_cirkit_has_the_same_likelihoods(case):
    """Of complete rows and of rows in which it integrates what is missing."""
    torch = pytest.importorskip("torch")
    pipeline = pytest.importorskip("cirkit.pipeline")
    from cirkit.backend.torch.queries import IntegrateQuery

    circuit = case()
    X = sample(circuit, 30, 0)
    X[np.random.default_rng(1).random(X.shape) < 0.25] = np.nan
    categories = {
        column: circuit.inputs[region].categories_of(entry)
        for region, columns in enumerate(circuit.features)
        for entry, column in enumerate(columns.tolist())
    }
    positions = X.copy()
    for column, known in categories.items():
        if known is None:
            continue
        seen = ~np.isnan(X[:, column])
        positions[seen, column] = np.searchsorted(known, X[seen, column])
    missing = np.isnan(X)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        context = pipeline.PipelineContext(semiring="lse-sum", fold=True, optimize=True)
        query = IntegrateQuery(context.compile(to_cirkit(circuit)))
        values = torch.tensor(np.where(missing, 0.0, positions))
        found = query(values, integrate_vars=torch.tensor(missing)).detach().numpy().ravel()
    finally:
        torch.set_default_dtype(before)
    np.testing.assert_allclose(found, log_likelihood(circuit, X), rtol=1e-10, atol=1e-10)


def test_what_cirkit_cannot_say_is_named():
    with pytest.raises(ValueError, match=r"region 1, of kind 'gaussian', .*depend on each other"):
        to_cirkit(mixed([-1, 0], [2, -2]))
    with pytest.raises(ValueError, match=r"circuit must be a Circuit.*got a int"):
        to_cirkit(3)


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cirkit", None)
    monkeypatch.setitem(sys.modules, "cirkit.symbolic", None)
    with pytest.raises(ImportError, match="cirkit, which is not installed: pip install libcirkit"):
        to_cirkit(mixed([-1], [2]))
