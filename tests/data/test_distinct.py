"""Distinct columns of an array of codes."""

import numpy as np
import pytest

from skpc._data.distinct import distinct_columns


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (3, 200), (5, 40), (70, 25)])
@pytest.mark.parametrize("dtype", [bool, np.int32, np.int64])
def test_distinct_columns_are_those_of_numpy(shape, dtype):
    codes = np.random.default_rng(shape[0]).integers(0, 3, shape).astype(dtype)
    codes[:, 1::2] = codes[:, : shape[1] // 2]
    distinct, inverse = distinct_columns(codes)
    expected, expected_inverse = np.unique(codes.T, axis=0, return_inverse=True)
    assert np.array_equal(distinct, expected.T)
    assert np.array_equal(inverse, expected_inverse.ravel())
