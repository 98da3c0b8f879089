"""Tables on a forest, against plain loops over categories and their parents."""

import numpy as np
import pytest
from mixtures import slope
from numpy.testing import assert_allclose

from skpc._learning.continuous_mixture.tied_tables import TiedTables

SHAPES = {
    "forest": ([3, 2, 4, 2, 3], [2, 2, -1, -1, 3]),
    "chain of as many": ([3, 3, 3], [1, 2, -1]),
    "no edges": ([2, 4, 3], [-1, -1, -1]),
    "one category": ([1, 3, 1, 2], [-1, 0, 1, 2]),
    "one column": ([4], [-1]),
}
each_shape = pytest.mark.parametrize("name", SHAPES)

N_POINTS = 3


def tables_of(name):
    sizes, parents = map(np.array, SHAPES[name])
    return TiedTables(sizes, parents), sizes, parents


def drawn(tied, sizes, n_rows=9):
    """Logits in float64, and codes."""
    rng = np.random.default_rng(0)
    outputs = rng.standard_normal((N_POINTS, tied.n_outputs))
    return outputs, np.stack([rng.integers(0, size, n_rows) for size in sizes])


def log_tables_of(tied, outputs):
    out = np.empty((len(outputs), tied.n_features))
    tied.log_tables(outputs, out)
    return out


def indicators(tied, codes):
    out = np.zeros((codes.shape[1], tied.n_features))
    out[tied.features(codes)] = 1.0
    return out


@each_shape
def test_numbers_of_outputs_and_features(name):
    tied, sizes, parents = tables_of(name)
    above = np.where(parents >= 0, sizes[parents], 1)
    assert tied.n_features == (above * sizes).sum()
    assert tied.n_outputs == (above * (sizes - 1)).sum()


@each_shape
def test_features_times_log_tables_are_log_likelihoods(name):
    tied, sizes, parents = tables_of(name)
    outputs, codes = drawn(tied, sizes)
    log_tables = log_tables_of(tied, outputs)
    tables = tied.tables(log_tables)
    for column, parent in enumerate(parents):
        n_above = sizes[parent] if parent >= 0 else 1
        assert tables[column].shape == (n_above, sizes[column], N_POINTS)
        assert_allclose(tables[column].sum(axis=1), 1.0)
    found = indicators(tied, codes) @ log_tables.T
    for row, point in np.ndindex(found.shape):
        expected = 0.0
        for column, parent in enumerate(parents):
            above = codes[parent, row] if parent >= 0 else 0
            expected += np.log(tables[column][above, codes[column, row], point])
        assert_allclose(found[row, point], expected, rtol=1e-12)


def test_a_table_is_the_softmax_of_its_own_logits():
    tied = TiedTables(np.array([3, 2]), np.array([1, -1]))
    outputs = np.random.default_rng(0).standard_normal((1, tied.n_outputs))
    root, below = tied.tables(log_tables_of(tied, outputs))[::-1]
    groups = np.split(outputs[0], [1])  # sorted by the parent's size: roots first

    def softmax(logits):
        return np.exp(logits) / np.exp(logits).sum()

    assert_allclose(root[0, :, 0], softmax(np.append(groups[0], 0.0)))
    logits = groups[1].reshape(2, 2)  # category, then parent's category
    for above in range(2):
        assert_allclose(below[above, :, 0], softmax(np.append(logits[:, above], 0.0)))


def test_large_logits_do_not_overflow():
    tied = TiedTables(np.array([3]), np.array([-1]))
    tables = tied.tables(log_tables_of(tied, np.array([[800.0, -800.0], [-800.0, -900.0]])))[0]
    assert_allclose(tables[0].T, [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@each_shape
def test_gradient(name):
    tied, sizes, _ = tables_of(name)
    outputs, _ = drawn(tied, sizes)
    counts = np.random.default_rng(1).gamma(1.0, size=(N_POINTS, tied.n_features))
    found = np.empty_like(outputs)
    tied.of_outputs(log_tables_of(tied, outputs), counts, found)

    def value(changed):
        return float((counts * log_tables_of(tied, changed[0])).sum())

    for entry in np.ndindex(outputs.shape):
        direction = np.zeros_like(outputs)
        direction[entry] = 1.0
        assert_allclose(found[entry], slope(value, [outputs], [direction]), rtol=1e-6, atol=1e-8)


@each_shape
def test_it_starts_from_the_columns_distributions_whatever_the_parent(name):
    tied, sizes, _ = tables_of(name)
    counts = [np.random.default_rng(size).integers(0, 9, size).astype(float) for size in sizes]
    outputs = tied.first_outputs(counts)[None]
    for table, own in zip(tied.tables(log_tables_of(tied, outputs)), counts, strict=True):
        expected = (own + 0.5) / (own + 0.5).sum()
        assert_allclose(table[..., 0], np.tile(expected, (len(table), 1)))


def test_what_is_no_category_has_no_feature():
    sizes, parents = np.array([2, 3]), np.array([-1, 0])
    tied = TiedTables(sizes, parents)
    codes = np.array([[0, 2, 1, 3], [4, 1, 2, 3]])  # of more than there are: missing, or unseen
    found = indicators(tied, codes)
    assert found.sum(axis=1).tolist() == [1.0, 0.0, 2.0, 0.0]
