"""What SharpPCImputer takes for missing, what it keeps and appends, which values it fills in."""

import pickle

import narwhals
import numpy as np
import pandas
import polars
import pyarrow
import pytest
import skops.io
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer

from skpc import SharpPCDensity, SharpPCImputer

N_ROWS = 60


def imputer(**options):
    density = SharpPCDensity(2, max_iter=3, tol=0.0, random_state=0)
    return SharpPCImputer(density, **{"random_state": 0, **options})


def holed():
    """Three columns of numbers, with holes in the first and the last."""
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(N_ROWS, 3)), 2)
    X[::5, 0] = X[1::4, 2] = np.nan
    return X


def frame(X, make=pandas.DataFrame):
    return make({name: X[:, j] for j, name in enumerate("abc")})


each_library = pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame, pyarrow.table])


def to_array(table):
    return narwhals.from_native(table).to_numpy().astype(float)


# --- missing_values --------------------------------------------------------------------


@pytest.mark.parametrize("marker", [-1, -999.0, np.inf])
def test_a_marker_of_arrays_is_as_nan(marker):
    X = holed()
    expected = imputer().fit_transform(X)
    assert np.isfinite(expected).all()
    told = np.where(np.isnan(X), marker, X)
    np.testing.assert_array_equal(imputer(missing_values=marker).fit_transform(told), expected)


@pytest.mark.parametrize("marker", [None, pandas.NA, np.nan])
def test_what_is_always_missing_may_be_named(marker):
    X = holed()
    assert np.array_equal(
        imputer(missing_values=marker).fit_transform(X), imputer().fit_transform(X)
    )


@each_library
def test_a_marker_in_integers_leaves_integers(make):
    X = np.random.default_rng(0).integers(0, 30, (N_ROWS, 3))
    told = X.copy()
    told[::5, 0] = -1
    known = frame(told, make)
    filled = imputer(missing_values=-1).fit_transform(known)
    assert narwhals.from_native(filled).schema == narwhals.from_native(known).schema
    array = imputer(missing_values=-1).fit_transform(told)
    assert array.dtype == told.dtype
    np.testing.assert_array_equal(to_array(filled), array)
    assert array.min() >= 0
    np.testing.assert_array_equal(array[told >= 0], told[told >= 0])


@each_library
def test_a_marker_in_labels_is_no_label(make):
    words = ["a", "?", "b", "a"] * 15
    table = make({"word": words, "x": np.arange(60) / 7})
    model = imputer(missing_values="?").fit(table)
    assert model.density_.categories_[0].tolist() == ["a", "b"]
    filled = narwhals.from_native(model.transform(table))
    assert filled.schema == narwhals.from_native(table).schema
    assert {*filled["word"].to_list()} == {"a", "b"}
    kept = zip(words, filled["word"].to_list(), strict=True)
    assert all(after == before for before, after in kept if before != "?")


@pytest.mark.parametrize(
    "dtype",
    [
        pandas.CategoricalDtype(["?", "b", "a"]),
        pandas.CategoricalDtype(["?", "b", "a"], ordered=True),
        polars.Enum(["?", "b", "a"]),
        object,
    ],
    ids=str,
)
def test_a_marker_that_a_dtype_declares_stays_there(dtype):
    words = ["a", "?", "b", "a"] * 15
    library = polars if isinstance(dtype, polars.Enum) else pandas
    table = library.DataFrame({"word": library.Series(words, dtype=dtype)})
    model = imputer(missing_values="?", strategy="sample").fit(table)
    assert {*model.density_.categories_[0]} == {"a", "b"}
    filled = model.transform(table)["word"]
    assert filled.dtype == table["word"].dtype
    assert {*filled.to_list()} == {"a", "b"}


def test_a_marker_may_be_the_one_string_among_objects():
    table = pandas.DataFrame({"n": [1, "?", 3, 2] * 10, "x": np.arange(40) / 7})
    filled = imputer(missing_values="?").fit_transform(table)
    assert {*map(type, filled["n"])} == {int}


def test_a_string_is_no_marker_of_arrays():
    with pytest.raises(ValueError, match=r"missing_values='\?' is no number, and X an array"):
        imputer(missing_values="?").fit(holed())


# --- add_indicator ---------------------------------------------------------------------


def test_the_indicator_is_that_of_scikit_learn():
    X = holed()
    model = imputer(add_indicator=True).fit(X)
    rival = SimpleImputer(add_indicator=True).fit(X)
    new = X[::-1].copy()
    new[3, 1] = np.nan  # which fit never saw missing
    np.testing.assert_array_equal(model.transform(new)[:, 3:], rival.transform(new)[:, 3:])
    assert model.get_feature_names_out().tolist() == rival.get_feature_names_out().tolist()
    names = ["u", "v", "w"]
    assert (
        model.get_feature_names_out(names).tolist() == rival.get_feature_names_out(names).tolist()
    )


@each_library
def test_the_indicator_is_a_column_of_frames(make):
    X = holed()
    model = imputer(add_indicator=True).fit(frame(X, make))
    filled = narwhals.from_native(model.transform(frame(X, make)))
    assert filled.columns == model.get_feature_names_out().tolist()
    assert filled["missingindicator_c"].to_list() == np.isnan(X[:, 2]).tolist()
    expected = imputer().fit_transform(X)
    np.testing.assert_array_equal(to_array(filled.to_native())[:, :3], expected)


def test_the_indicator_of_a_multiindex_has_names_of_as_many_parts():
    X = frame(holed())
    X.columns = pandas.MultiIndex.from_tuples([("p", "a"), ("p", "b"), ("q", "c")])
    filled = imputer(add_indicator=True).fit_transform(X.set_index(np.arange(N_ROWS) + 9))
    assert filled.columns.tolist()[3:] == [("missingindicator_p", "a"), ("missingindicator_q", "c")]
    assert filled.iloc[:, 3].tolist() == X.iloc[:, 0].isna().tolist()


@each_library
def test_a_column_that_is_called_as_the_indicator_is_refused(make):
    X = make({"a": [0.5, None, 2.0, 1.0] * 10, "missingindicator_a": [1, 2, 3, 4] * 10})
    with pytest.raises(ValueError, match="column 'missingindicator_a', as the indicator"):
        imputer(add_indicator=True).fit(X).transform(X)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_set_output_has_the_indicator(output):
    model = imputer(add_indicator=True).set_output(transform=output)
    filled = model.fit_transform(holed())
    assert [*filled.columns] == ["x0", "x1", "x2", "missingindicator_x0", "missingindicator_x2"]


# --- keep_empty_features ---------------------------------------------------------------


def emptied():
    X = holed()
    X[:, 1] = np.nan
    return X


@pytest.mark.parametrize("add_indicator", [False, True])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.filterwarnings("ignore:X has no value in:UserWarning")
@pytest.mark.filterwarnings("ignore:Skipping features:UserWarning")
def test_empty_columns_are_dropped_or_zeros_as_those_of_scikit_learn(keep, add_indicator):
    options = {"keep_empty_features": keep, "add_indicator": add_indicator}
    rival = SimpleImputer(**options).fit(emptied())
    model = imputer(**options).fit(emptied())
    assert model.get_feature_names_out().tolist() == rival.get_feature_names_out().tolist()
    for new in emptied(), holed():
        found, expected = model.transform(new), rival.transform(new)
        assert found.shape == expected.shape
        is_filled = np.isnan(new)[:, [0, 2]]
        both = np.delete(found, 1, axis=1) if keep else found
        np.testing.assert_array_equal(both[:, :2][~is_filled], new[:, [0, 2]][~is_filled])
        if keep:
            np.testing.assert_array_equal(found[:, 1], expected[:, 1])
        np.testing.assert_array_equal(found[:, 2 + keep :], expected[:, 2 + keep :])


@pytest.mark.filterwarnings("ignore:X has no value in:UserWarning")
def test_the_others_are_filled_as_if_an_empty_column_were_not_there():
    expected = imputer().fit_transform(holed()[:, [0, 2]])
    np.testing.assert_array_equal(imputer().fit_transform(emptied()), expected)
    weights = np.ones(N_ROWS)
    weights[0] = 0
    X = emptied()
    X[0, 1] = 7.0  # in a row that does not count
    model = imputer().fit(X, sample_weight=weights)
    assert model.empty_features_.tolist() == [1]
    assert model.density_.n_features_in_ == 2


def test_zeros_replace_a_marker():
    X = np.random.default_rng(0).integers(0, 30, (N_ROWS, 3))
    X[:, 1] = -1
    filled = imputer(missing_values=-1, keep_empty_features=True).fit_transform(X)
    np.testing.assert_array_equal(filled, np.where(X == -1, 0, X))


@each_library
def test_empty_columns_of_frames(make):
    table = make({"a": [0.5, None, 2.0, 1.0] * 10, "b": [None] * 40, "c": ["u", "v"] * 20})
    with pytest.warns(UserWarning, match="no value in column 'b': left out"):
        model = imputer().fit(table)
    assert narwhals.from_native(model.transform(table)).columns == ["a", "c"]
    assert model.get_feature_names_out().tolist() == ["a", "c"]
    kept = narwhals.from_native(imputer(keep_empty_features=True).fit_transform(table))
    assert kept.columns == ["a", "b", "c"]
    # Objects may be anything, so that zero is not a better guess; a column of Nulls is no column.
    assert {*kept["b"].to_list()} == {None if isinstance(table, pandas.DataFrame) else 0}
    assert kept["c"].to_list() == ["u", "v"] * 20


EMPTY = {
    "objects": pandas.Series([None] * N_ROWS, dtype=object),
    "strings": pandas.Series([None] * N_ROWS, dtype="string"),
    "categories": pandas.Series(pandas.Categorical([None] * N_ROWS, ["u", "v"])),
    "polars strings": polars.Series([None] * N_ROWS, dtype=polars.String),
    "enum": polars.Series([None] * N_ROWS, dtype=polars.Enum(["u", "v"])),
    "floats": pandas.Series([np.nan] * N_ROWS, dtype="float32"),
    "integers": pandas.Series([None] * N_ROWS, dtype="Int16"),
    "booleans": polars.Series([None] * N_ROWS, dtype=polars.Boolean),
}


@pytest.mark.parametrize("empty", EMPTY.values(), ids=EMPTY)
def test_an_empty_column_keeps_its_dtype_and_only_numbers_are_filled(empty):
    library = pandas if isinstance(empty, pandas.Series) else polars
    table = library.DataFrame({"a": np.arange(N_ROWS) % 3, "empty": empty, "c": ["u"] * N_ROWS})
    filled = imputer(keep_empty_features=True).fit_transform(table)["empty"]
    assert filled.dtype == empty.dtype
    is_number = narwhals.from_native(empty, series_only=True).dtype.is_numeric()
    is_number |= str(empty.dtype) == "Boolean"
    cells = narwhals.from_native(filled, series_only=True)
    assert cells.is_null().all() == (not is_number)
    if is_number:
        assert cells.cast(narwhals.Float64).abs().max() == 0.0


@pytest.mark.filterwarnings("ignore:X has no value in:UserWarning")
def test_types_of_empty_columns_do_not_matter():
    model = imputer().fit(emptied())
    typed = imputer().set_params(estimator__feature_types=["numeric", "numeric", "gaussian"])
    assert typed.fit(emptied()).density_.feature_types_ == ["numeric", "gaussian"]
    assert model.density_.feature_types_ == ["numeric", "numeric"]


@pytest.mark.filterwarnings("ignore:X has no value in:UserWarning")
def test_what_was_left_out_is_stored():
    model = imputer(add_indicator=True).fit(frame(emptied()))
    data = skops.io.dumps(model)
    for again in (
        pickle.loads(pickle.dumps(model)),
        skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data)),
    ):
        expected = model.transform(frame(emptied()))
        pandas.testing.assert_frame_equal(again.transform(frame(emptied())), expected)
    model.empty_features_ = np.array([0, 1])
    with pytest.raises(ValueError, match="cannot be read"):
        pickle.loads(pickle.dumps(model))


def test_a_frozen_density_has_a_marker_and_an_indicator():
    X = holed()
    density = imputer().fit(X).density_
    model = SharpPCImputer(FrozenEstimator(density), missing_values=-1, add_indicator=True)
    told = np.where(np.isnan(X), -1, X)
    expected = imputer(add_indicator=True).fit_transform(X)
    np.testing.assert_array_equal(model.fit_transform(told), expected)


# --- bounds and rounding ---------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["median_mode", "mean_mode", "sample", "max_product"])
def test_what_is_filled_in_is_a_value_that_the_column_can_have(strategy):
    rng = np.random.default_rng(0)
    z = rng.normal(size=300)
    X = np.column_stack([rng.poisson(np.exp(z)), np.round(np.exp(z), 2), 1 / (1 + np.exp(-3 * z))])
    is_missing = rng.random(X.shape) < 0.3
    X[is_missing] = np.nan
    filled = imputer(strategy=strategy).fit_transform(X)
    for j in range(3):
        new = filled[is_missing[:, j], j]
        assert np.nanmin(X[:, j]) <= new.min() <= new.max() <= np.nanmax(X[:, j])
    np.testing.assert_array_equal(
        filled[:, :2], np.column_stack([filled[:, 0].round(), filled[:, 1].round(2)])
    )
