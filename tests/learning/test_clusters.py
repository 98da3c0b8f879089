"""Soft clusters of rows."""

import numpy as np
import oracle
import pytest
from helpers import as_model, random_circuit, random_rows, rows_of, star
from scipy.special import logsumexp

from skpc._data.evidence import encode
from skpc._learning.clusters import _joint_logs, soft_clusters

pytestmark = pytest.mark.usefixtures("one_thread")


def planted(seed, n_rows=400):
    """Rows of two kinds, told apart by eight binary columns and a continuous one."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, n_rows)
    X = (rng.random((n_rows, 9)) < 0.2 + 0.6 * kind[:, None]).astype(float)
    X[:, 8] = rng.normal(size=n_rows) + 3 * kind
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, kind


def clusters(X, weights=None, n_clusters=2, seed=0, max_bytes=2**30):
    """The last column is continuous."""
    n_columns = X.shape[1]
    categories = [*(np.array([0.0, 1.0]) for _ in range(n_columns - 1)), None]
    evidence = encode(X, [np.array([j]) for j in range(n_columns)], categories)
    return soft_clusters(
        rows_of(evidence, weights),
        n_clusters,
        np.random.RandomState(seed),
        pseudocount=0.01,
        shrinkage=1.0,
        max_bytes=max_bytes,
    )


@pytest.mark.parametrize("seed", range(4))
def test_planted_clusters_are_found(seed):
    X, kind = planted(seed)
    shares = clusters(X, seed=seed)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0, rtol=1e-14)
    agreement = np.mean((shares[1] > 0.5) == kind)
    assert max(agreement, 1 - agreement) > 0.95


def test_rows_without_weight_to_speak_of_do_not_make_a_cluster():
    X, kind = planted(0)
    rare = clusters(X, np.where(kind == 1, 1e-9, 1.0))
    common = clusters(X)
    assert abs(rare[0][kind == 0].mean() - rare[0][kind == 1].mean()) < 0.6
    assert abs(common[0][kind == 0].mean() - common[0][kind == 1].mean()) > 0.9


def test_many_columns_do_not_underflow():
    X, _ = planted(0, n_rows=40)
    wide = np.concatenate([np.tile(X[:, :8], 300), X[:, 8:]], axis=1)
    shares = clusters(wide)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0, rtol=1e-14)
    assert (shares.max(axis=0) == 1.0).all()


def test_memory_does_not_matter():
    X, _ = planted(1)
    np.testing.assert_allclose(clusters(X, max_bytes=2**14), clusters(X), rtol=1e-6)


def test_logs_of_states_are_those_of_circuits_of_one_state():
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, star(4, 3), np.array([2, 3, 2, 0]), 3)
    X = random_rows(rng, circuit, 30)
    evidence = circuit.inputs.encode(X)
    logs = _joint_logs(circuit, evidence, 2**11)
    model = as_model(circuit)
    np.testing.assert_allclose(
        logsumexp(logs, axis=0), oracle.log_likelihood(model, X), rtol=1e-12, atol=1e-14
    )
    share = np.log(circuit.root_weights[0])
    model.root_weights[:] = [1.0, 0.0, 0.0]
    np.testing.assert_allclose(
        logs[0] - share,
        oracle.log_likelihood(model, X),
        rtol=1e-12,
        atol=1e-14,
    )
