"""Kinds of numbers: what columns hold, and the way back from float64."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from skpc._tables.numbers import Numbers


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64])
def test_integers_are_rounded_and_stay_in_their_range(dtype):
    limits = np.iinfo(dtype)
    restored = Numbers.of_dtype(np.dtype(dtype)).restore(np.array([-1e30, 0.6, 3.4, 1e30]))
    assert restored.tolist()[1:3] == [1, 3]
    low, high = int(restored[0]), int(restored[-1])
    # The largest float64 that is not above the limit.
    assert low == limits.min
    assert float(high) == high
    assert limits.max - 2**11 < high <= limits.max
    assert restored.astype(dtype).tolist() == restored.tolist()


@pytest.mark.parametrize("n_bits", [8, 64, 128])
@pytest.mark.parametrize("is_signed", [False, True])
def test_integers_of_any_width_are_python_integers_where_numpy_has_none(is_signed, n_bits):
    restored = Numbers.of_integers(is_signed, n_bits).restore(np.array([-1e60, 2.0**52, 1e60]))
    low, middle, high = map(int, restored.tolist())
    assert low == (-(2 ** (n_bits - 1)) if is_signed else 0)
    assert high < 2 ** (n_bits - is_signed) <= 1.01 * (high + 1)
    assert middle == min(2**52, high)


def test_small_floats_stay_in_their_range():
    restored = Numbers.of_dtype(np.dtype(np.float16)).restore(np.array([-1e9, 0.1, 1e9]))
    assert restored.astype(np.float16).tolist() == [-65504.0, float(np.float16(0.1)), 65504.0]


@pytest.mark.parametrize(
    ("precision", "scale", "value", "expected"),
    [
        (10, 2, 0.125, "0.12"),
        (10, 2, 0.1, "0.10"),
        (4, 1, 1e9, "999.9"),
        (4, 1, -1e9, "-999.9"),
        (38, 0, 2.0**60, "1152921504606846976"),
        (5, 5, 7.0, "0.99999"),
    ],
)
def test_decimals_have_their_digits(precision, scale, value, expected):
    (restored,) = Numbers.of_decimals(precision, scale).restore(np.array([value]))
    assert str(restored) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, np.bool_(False)], [True, False, True]),
        ([True, 2], [1, 0, 7]),
        ([np.int8(1), 2.0], [1, 0, 7]),
        ([1, 2.5], [0.6, 0.4, 7.0]),
        ([1.0, 2.0], [0.6, 0.4, 7.0]),
        ([Decimal("0.5"), 1], [Decimal("0.6"), Decimal("0.4"), Decimal("7.0")]),
        ([Decimal("1e3"), 1], [Decimal(1), Decimal(0), Decimal(7)]),
        ([Fraction(1, 2), 1], [Fraction(1, 2), Fraction(1, 2), Fraction(7)]),
        ([Fraction(2), Fraction(3)], [Fraction(1), Fraction(0), Fraction(7)]),
        ([Decimal(1), 0.5], [0.6, 0.4, 7.0]),
    ],
)
def test_objects_come_back_as_what_most_of_them_are(values, expected):
    restored = Numbers.of_objects(values).restore(np.array([0.6, 0.4, 7.0])).tolist()
    assert restored == expected
    assert [type(value) for value in restored] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2**53, -(2**60), 0.5, 1e300], None),
        ([1, 2**53 + 1, 2**60 + 1], 2**53 + 1),
        ([0.5, 2**53 + 1, 2**60 + 1], 2**53 + 1),
        ([2**53, -(2**60), 2**63], None),
        ([Decimal(2**53 + 1)], Decimal(2**53 + 1)),
        ([Decimal(2**60), Decimal("0.1")], None),
        ([Decimal("1.00000000000000000001")], Decimal("1.00000000000000000001")),
        ([np.uint64(2**63 + 1)], 2**63 + 1),
        ([Fraction(1, 3), Fraction(10**12, 7)], None),
        ([Fraction(10**20 + 1, 7)], Fraction(10**20 + 1, 7)),
        ([True, False], None),
    ],
)
def test_the_first_number_that_does_not_come_back(values, expected):
    assert Numbers.of_objects(values).first_lost(values) == expected
