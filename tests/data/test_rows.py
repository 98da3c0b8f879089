"""Weighted rows: distinct, regrouped, split and cut, against the matrix that they are of."""

import numpy as np
import pytest
from helpers import same_bits
from scipy.sparse import csr_array

from skpc._circuit.circuit import random_circuit
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, COMPOSITE, GAUSSIAN, Scope
from skpc._learning.em import EStep
from skpc._passes.counts import add_up

SCOPES = [
    Scope(np.array([0]), CATEGORICAL, np.arange(3.0)),
    Scope(np.array([1]), CATEGORICAL, np.arange(2.0)),
    Scope(np.array([2]), GAUSSIAN, None),
    Scope(np.array([3]), GAUSSIAN, None),
]
as_stored = pytest.mark.parametrize("stored", [np.asarray, csr_array], ids=["dense", "sparse"])


def table(seed, n_rows=60):
    """Rows with repetitions, zeros and missing values, and weights."""
    rng = np.random.default_rng(seed)
    X = np.stack(
        [
            rng.integers(0, 3, n_rows),
            rng.integers(0, 2, n_rows),
            rng.integers(0, 2, n_rows) * rng.integers(1, 4, n_rows) / 4,
            rng.integers(0, 3, n_rows) / 8,
        ],
        axis=1,
    ).astype(float)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, rng.integers(1, 4, n_rows) / 2


def values_of(rows):
    """The matrix that rows are of, each region observing one column."""
    out = []
    for region, vectors in enumerate(rows.evidence.values):
        symbols = rows.evidence.dense_symbols[region]
        known = rows.scopes[region].categories
        shown = vectors[:, 0] if vectors is not None else np.append(known, [np.nan, np.inf])
        out.append(shown[symbols])
    return np.stack(out, axis=1)


@as_stored
def test_distinct_rows_are_those_of_the_matrix_in_one_order(stored):
    X, weights = table(0)
    rows, first = Rows.encode(stored(X), SCOPES, weights).distinct_and_first()
    np.testing.assert_array_equal(values_of(rows), X[first])
    marked = np.where(np.isnan(X), 9.0, X)
    expected, inverse = np.unique(marked, axis=0, return_inverse=True)
    assert len(rows) == len(expected)
    sums = np.bincount(inverse.ravel(), weights)
    of_row = inverse.ravel()[first]
    np.testing.assert_array_equal(rows.weights, sums[of_row])
    shuffled = np.random.default_rng(1).permutation(len(X))
    again = Rows.encode(stored(X[shuffled]), SCOPES, weights[shuffled]).distinct()
    np.testing.assert_array_equal(values_of(again), values_of(rows))
    assert again.weights.tobytes() == rows.weights.tobytes()


@as_stored
def test_rows_that_are_left_out_leave_no_vectors(stored):
    X, weights = table(1)
    rows = Rows.encode(stored(X), SCOPES, weights).distinct()
    some = np.where(np.arange(len(rows)) % 3 == 0, rows.weights, 0.0)
    left = rows.reweighted(some).without_unused()
    kept = np.flatnonzero(some)
    np.testing.assert_array_equal(values_of(left), values_of(rows)[kept])
    np.testing.assert_array_equal(left.weights, some[kept])
    for region in 2, 3:
        vectors = left.evidence.values[region][:, 0]
        assert np.array_equal(vectors, np.unique(values_of(rows)[kept, region]), equal_nan=True)


def test_a_split_shares_out_the_weight():
    X, weights = table(2)
    rows = Rows.encode(X, SCOPES, weights).distinct()
    held_out = np.where(np.arange(len(rows)) % 2 == 0, rows.weights, rows.weights / 4)
    training, validation = rows.split(held_out)
    assert len(validation) == len(rows)
    assert len(training) == len(rows) // 2
    assert training.total_weight + validation.total_weight == rows.total_weight


def test_regions_of_several_columns_are_of_the_kinds_of_these():
    X, weights = table(3)
    rows = Rows.encode(X, SCOPES, weights).distinct()
    groups = [np.array([3, 2]), np.array([0, 1]), np.array([1, 2]), np.empty(0, int), np.array([0])]
    grouped = rows.grouped(groups)
    kinds = [scope.kind for scope in grouped.scopes]
    assert kinds == [GAUSSIAN, COMPOSITE, COMPOSITE, None, CATEGORICAL]
    for region in 0, 1, 2:
        vectors = grouped.evidence.values[region][grouped.evidence.dense_symbols[region]]
        np.testing.assert_array_equal(vectors, values_of(rows)[:, groups[region]])
    assert [len(scope.parts) for scope in grouped.scopes] == [2, 2, 2, 0, 0]
    assert rows.grouped([np.array([j]) for j in range(4)]) is rows


def test_columns_without_a_value_are_found():
    X, weights = table(4)
    X[:, [1, 2]] = np.nan
    rows = Rows.encode(X, SCOPES, weights).distinct()
    assert rows.is_missing().tolist() == [False, True, True, False]


@pytest.mark.parametrize("n_rows", [1, 7, 1000])
def test_expected_counts_of_chunks_add_up_to_those_of_all(n_rows):
    X, weights = table(5)
    rows = Rows.encode(X, SCOPES, weights).distinct()
    rows = rows.grouped([np.array([2, 3]), np.array([0]), np.array([1])])
    circuit = random_circuit(np.array([-1, 0, 1]), rows, 3, np.random.RandomState(0))
    whole = EStep(circuit, rows.evidence, rows.weights)(circuit)
    chunks = list(rows.chunks(n_rows))
    assert sum(len(chunk) for chunk in chunks) == len(rows)
    parts = add_up(EStep(circuit, chunk.evidence, chunk.weights)(circuit) for chunk in chunks)
    np.testing.assert_allclose(parts.log_likelihood, whole.log_likelihood, rtol=1e-13)
    for a, b in zip(
        [parts.root, parts.sums, *parts.inputs],
        [whole.root, whole.sums, *whole.inputs],
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_starts_depend_on_the_rows_alone():
    """Rows out of a larger table start like the same rows by themselves."""
    X, weights = table(6)
    whole = Rows.encode(X, SCOPES, weights).distinct()
    chosen = np.arange(len(whole)) % 2 == 0
    part = whole.reweighted(np.where(chosen, whole.weights, 0.0)).without_unused()
    alone = Rows.encode(values_of(whole)[chosen], SCOPES, whole.weights[chosen]).distinct()
    parents = np.array([-1, 0, 0, 2])
    starts = [random_circuit(parents, r, 3, np.random.RandomState(0)) for r in (part, alone)]
    assert same_bits(*starts)


@pytest.mark.parametrize("rows", [slice(0, 1), slice(7, 19), slice(None), slice(3, 3)])
def test_evidence_that_is_taken_has_the_symbols_that_it_shows(rows):
    X, weights = table(4)
    evidence = Rows.encode(X, SCOPES, weights).evidence
    taken = evidence.take(rows)
    for region, vectors in enumerate(evidence.values):
        symbols = evidence.symbols[region, rows]
        if vectors is None:
            assert taken.values[region] is None
            assert taken.n_symbols[region] == evidence.n_symbols[region]
        else:
            used, symbols = np.unique(symbols, return_inverse=True)
            assert taken.n_symbols[region] == len(used)
            np.testing.assert_array_equal(taken.values[region], vectors[used])
        np.testing.assert_array_equal(taken.symbols[region], symbols)
    np.testing.assert_array_equal(evidence.column(2), X[:, 2])  # which is left as it was
