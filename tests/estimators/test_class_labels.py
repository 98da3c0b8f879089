"""Labels that a classifier is given: one error where a row has none, or they are of two kinds."""

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from skpc import SharpPCClassifier, SharpPCDensity

X = np.arange(20.0)[:, None] % 3


def fit(y):
    density = SharpPCDensity(2, max_iter=2, tol=0.0, random_state=0)
    return SharpPCClassifier(density, joint=True).fit(X, y)


def with_three_missing(labels, nothing):
    cells = [labels[i % 2] for i in range(20)]
    for i in 4, 5, 19:
        cells[i] = nothing
    return cells


STRINGS, NUMBERS = ("no", "yes"), (0, 1)
MISSING = {
    "list of strings, None": with_three_missing(STRINGS, None),
    "list of strings, NaN": with_three_missing(STRINGS, np.nan),
    "list of numbers": with_three_missing(NUMBERS, None),
    "floats": np.array(with_three_missing(NUMBERS, np.nan)),
    "objects": np.array(with_three_missing(STRINGS, np.nan), object),
    "a column": np.array(with_three_missing(STRINGS, None), object)[:, None],
    "pandas objects": pandas.Series(with_three_missing(STRINGS, None), dtype=object),
    "pandas strings": pandas.Series(with_three_missing(STRINGS, None), dtype="string"),
    "pandas categories": pandas.Series(with_three_missing(STRINGS, None), dtype="category"),
    "pandas integers": pandas.Series(with_three_missing(NUMBERS, None), dtype="Int64"),
    "pandas frame": pandas.DataFrame({"y": with_three_missing(STRINGS, None)}),
    "polars": polars.Series(with_three_missing(STRINGS, None)),
    "arrow": pyarrow.array(with_three_missing(STRINGS, None)),
}


@pytest.mark.parametrize("y", MISSING.values(), ids=MISSING)
def test_rows_without_a_label_are_counted(y):
    with pytest.raises(ValueError, match=r"y has no label in 3 of 20 rows, .* row 4: .* Drop"):
        fit(y)


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (("a", 1), "'a' in row 0, a str, and 1 in row 1, a number"),
        ((np.True_, np.str_("a")), "True in row 0, a number, and 'a' in row 1, a str"),
        ((b"a", "a"), "b'a' in row 0, a bytes, and 'a' in row 1, a str"),
    ],
)
def test_labels_of_two_kinds_would_be_made_alike(labels, shown):
    for y in list(labels) * 10, np.array(list(labels) * 10, object):
        with pytest.raises(ValueError, match=f"several kinds, such as {shown}"):
            fit(y)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [((1, 2.0), [1.0, 2.0]), ((True, False), [False, True]), (("b", np.str_("a")), ["a", "b"])],
)
def test_labels_of_one_kind_may_be_of_several_types(labels, expected):
    assert fit(list(labels) * 10).classes_.tolist() == expected
