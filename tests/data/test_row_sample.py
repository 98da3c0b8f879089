"""Samples of distinct rows by hash: set functions that merge."""

import numpy as np
import pytest

from skpc._data import row_sample
from skpc._data.row_sample import RowSample, n_rows_drawn, row_keys


def table(n, seed=0):
    """Few distinct rows, with repetitions, missing values and both zeros."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (n, 3)) * 0.5
    X[rng.random((n, 3)) < 0.1] = np.nan
    return X * rng.choice([1.0, -1.0], (n, 1)), rng.integers(1, 4, n).astype(float)


def reference(X, weights, most):
    """The rows with the least keys, with a dictionary."""
    sums, key_of = {}, {}
    for row, weight, key in zip(X + 0.0, weights, row_keys(X), strict=True):
        name = tuple("missing" if np.isnan(x) else float(x) for x in row)
        sums[name] = sums.get(name, 0.0) + weight
        key_of[name] = int(key)
    kept = sorted(sums, key=key_of.get)[:most]
    return [(key_of[name], name, sums[name]) for name in kept]


def as_list(sample):
    return [
        (int(key), tuple("missing" if np.isnan(x) else float(x) for x in row), weight)
        for key, row, weight in zip(sample.keys, sample.matrix, sample.weights, strict=True)
    ]


def of(X, weights, most):
    return RowSample.empty(X.shape[1], most).with_rows(row_keys(X), X, weights)


@pytest.mark.parametrize("most", [1, 7, 50, 1000])
@pytest.mark.parametrize("n_parts", [1, 3, 40])
def test_any_parts_give_the_rows_with_the_least_keys(most, n_parts):
    X, weights = table(400)
    order = np.random.default_rng(n_parts).permutation(len(X))
    samples = [of(X[part], weights[part], most) for part in np.array_split(order, n_parts)]
    while len(samples) > 1:  # from the ends, so that parts of different sizes meet
        samples = [samples[0].merged(samples[-1]), *samples[1:-1]]
    (sample,) = samples
    assert as_list(sample) == reference(X, weights, most)
    assert sample.is_complete == (len(reference(X, weights, 10**6)) <= most)


def test_rows_that_come_one_after_the_other():
    X, weights = table(300, 1)
    sample = RowSample.empty(3, 20)
    for row, weight in zip(X, weights, strict=True):
        row = row[None]
        sample = sample.with_rows(row_keys(row), row, np.array([weight]))
    assert as_list(sample) == reference(X, weights, 20)
    assert not sample.is_complete
    assert sample.largest_key == sample.keys[-1]


def test_keys_are_of_what_rows_show():
    X = np.array([[0.0, np.nan], [-0.0, np.float64.fromhex("nan")], [np.nan, 0.0], [0.0, 0.0]])
    X[1, 1] = np.frombuffer(np.uint64(0xFFF8000000000123).tobytes(), np.float64)[0]
    keys = row_keys(X)
    assert keys[0] == keys[1]
    assert len(set(keys.tolist())) == 3


def test_keys_are_uniform():
    """Shares of rows below a bound, and in batches, as of random numbers: within five deviations.

    So are those of rows that differ in the last bit of a cell alone.
    """
    n = 20_000
    X = np.column_stack([np.ones(n), 1.0 + np.arange(n) * 2.0**-52])
    keys = row_keys(X)
    assert len(np.unique(keys)) == n
    for bit in range(64):
        share = ((keys >> np.uint64(bit)) & np.uint64(1)).mean()
        assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(n)


def test_how_many_rows_are_drawn():
    assert n_rows_drawn(1) == row_sample.MOST_ROWS
    assert n_rows_drawn(100) == 2**21 // 100
    assert n_rows_drawn(10_000) == 2**13
