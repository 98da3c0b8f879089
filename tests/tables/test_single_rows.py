"""A row by names: what it does not name is missing."""

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from skpc import SharpPCDensity, SharpPCMissingnessDensity, SharpPCOutlierDetector


def table(n_rows=60):
    rng = np.random.default_rng(0)
    size = rng.normal(size=n_rows)
    return pandas.DataFrame(
        {
            "mass": np.round(4 + size + 0.1 * rng.normal(size=n_rows), 2),
            "count": np.rint(20 + 5 * size).astype(int),
            "kind": np.where(size > 0, "large", "small"),
            "is_old": rng.random(n_rows) < 0.5,
        }
    )


FORMS = {
    "pandas": lambda frame: frame,
    "nullable": lambda frame: frame.convert_dtypes(),
    "categorical": lambda frame: frame.astype({"kind": "category"}),
    "polars": polars.from_pandas,
    "Arrow": pyarrow.Table.from_pandas,
}


@pytest.mark.parametrize("form", FORMS)
def test_columns_that_a_row_does_not_name_are_missing(form):
    X = FORMS[form](table())
    detector = SharpPCOutlierDetector(2, n_components=2, random_state=0).fit(X)
    some = {"kind": "small", "mass": 40.0}
    full = {"mass": 40.0, "count": None, "kind": "small", "is_old": None}
    expected = detector.explain(full)
    assert expected.values[0].feature == "mass"
    for row in some, pandas.Series(some), dict(reversed(some.items())):
        assert detector.explain(row) == expected
    assert not detector.explain({}).is_outlier
    density = detector.estimator_
    hole = pandas.DataFrame([full], dtype=object)
    for given in some, pandas.Series(some):
        drawn = density.sample(3, random_state=0, given=given)
        assert type(drawn) is type(density.sample(1))
        rows = np.array(drawn.to_pandas() if form in ("polars", "Arrow") else drawn, object)
        assert (rows[:, 0] == 40.0).all()
        assert (rows[:, 2] == "small").all()
        if form == "pandas":
            pandas.testing.assert_frame_equal(drawn, density.sample(3, 0, given=hole))


def test_columns_of_arrays_are_named_by_their_positions():
    X = table()[["mass", "count"]].to_numpy(float)
    model = SharpPCDensity(2, random_state=0).fit(X)
    expected = model.sample(4, random_state=1, given=[[np.nan, 20.0]])
    np.testing.assert_array_equal(model.sample(4, random_state=1, given={1: 20.0}), expected)
    missing = SharpPCMissingnessDensity(SharpPCDensity(2, random_state=0)).fit(X)
    np.testing.assert_array_equal(missing.sample(4, 1, given={1: 20.0})[:, 1], 20.0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"mas": 1.0}, "given has a value of 'mas'.*no column that fit saw. Leave it out"),
        ({"mass": [1.0, 2.0]}, "given has several values of 'mass'.*Give one"),
        ({"mass": np.array([1.0])}, "given has several values of 'mass'"),
        ({"kind": "middle"}, "not known: 'middle' in column 'kind'"),
        (pandas.Series([1.0, 2.0]), "given has a value of 0.*no column"),
    ],
)
def test_what_is_no_row_of_the_table_is_refused(row, message):
    model = SharpPCDensity(2, max_iter=2, random_state=0).fit(table())
    with pytest.raises(ValueError, match=message):
        model.sample(2, given=row)
