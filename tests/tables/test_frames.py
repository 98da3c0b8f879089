"""Every dtype of every library: fit, score, draw and fill give it back, or say why not."""

import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas
import polars
import pyarrow
import pytest
import skops.io

from skpc import SharpPCDensity, SharpPCImputer

N_ROWS = 60


def density(**parameters):
    return SharpPCDensity(
        **{"n_latents": 2, "max_iter": 3, "tol": 0.0, "random_state": 0, **parameters}
    )


def arrow(dtype):
    return pandas.ArrowDtype(dtype)


def times(values):
    return (values * N_ROWS)[:N_ROWS]


FEW, MANY = times([3, 5, 3, 7]), [(7 * i) % 101 for i in range(N_ROWS)]
BOOLEANS, WORDS = times([True, False, True]), times(["b", "a", "b", "c"])
REALS, DECIMALS = [i / 4 for i in MANY], [Decimal(i) / 4 for i in MANY]


def holed(values):
    """With a hole in every seventh place."""
    return [None if i % 7 == 3 else value for i, value in enumerate(values)]


def categorical(values, categories, ordered=False):
    return pandas.CategoricalDtype(pandas.Index(categories), ordered=ordered), values


def pandas_columns():
    """Dtypes, values with holes or without, and what cells must be."""
    for n_bits in 8, 16, 32, 64:
        for sign in "", "u":
            yield f"{sign}int{n_bits}", FEW, int
            yield f"{sign}int{n_bits}", MANY, int
            yield f"{sign}Int{n_bits}".replace("uI", "UI"), holed(MANY), int
            yield f"{sign}int{n_bits}[pyarrow]", holed(FEW), int
            yield f"{sign}int{n_bits}[pyarrow]", holed(MANY), int
    for dtype in "float16", "float32", "float64", "Float32", "Float64":
        yield dtype, holed(REALS), float
    yield "longdouble", holed(REALS), np.longdouble
    for dtype in "float[pyarrow]", "double[pyarrow]":
        yield dtype, holed(REALS), float
    yield "halffloat[pyarrow]", holed([np.float16(value) for value in REALS]), float
    yield "bool", BOOLEANS, bool
    yield "boolean", holed(BOOLEANS), bool
    yield "bool[pyarrow]", holed(BOOLEANS), bool
    for dtype in (
        "string[python]",
        "string[pyarrow]",
        "str",
        pandas.StringDtype("python", na_value=np.nan),
        pandas.StringDtype("pyarrow", na_value=np.nan),
        arrow(pyarrow.string()),
        arrow(pyarrow.large_string()),
        arrow(pyarrow.dictionary(pyarrow.int8(), pyarrow.string())),
        arrow(pyarrow.dictionary(pyarrow.int32(), pyarrow.large_string(), ordered=True)),
        object,
    ):
        yield dtype, holed(WORDS), str
    yield arrow(pyarrow.decimal128(10, 2)), holed(DECIMALS), Decimal
    yield arrow(pyarrow.decimal256(40, 3)), holed(DECIMALS), Decimal
    for ordered in False, True:
        for dtype, values in (
            categorical(WORDS, ["c", "a", "b", "unused"], ordered),
            categorical(FEW, [7, 3, 5], ordered),
            categorical(times([0.5, 1.5]), [1.5, 0.5], ordered),
            categorical(BOOLEANS, [True, False], ordered),
            categorical(
                times([pandas.Interval(0, 1), pandas.Interval(1, 2)]),
                pandas.interval_range(0, 2),
                ordered,
            ),
        ):
            yield dtype, holed(values), type(values[0])
    yield pandas.SparseDtype(float), holed(REALS), float
    yield pandas.SparseDtype(float, 0.0), REALS, float
    yield pandas.SparseDtype(int), MANY, int
    yield pandas.SparseDtype("int8", 3), FEW, int
    yield pandas.SparseDtype(bool), BOOLEANS, bool
    yield object, holed(FEW), int
    yield object, holed(MANY), int
    yield object, holed(BOOLEANS), bool
    yield object, holed(REALS), float
    yield object, holed(DECIMALS), Decimal
    yield object, holed([Fraction(i, 3) for i in MANY]), Fraction
    yield object, holed([np.int16(i) for i in MANY]), int
    yield object, holed([np.bool_(i) for i in BOOLEANS]), bool
    yield object, holed([np.float32(i) for i in REALS]), float


def polars_columns():
    for n_bits in 8, 16, 32, 64, 128:
        for sign in "", "U":
            if (dtype := getattr(polars, f"{sign}Int{n_bits}", None)) is not None:
                yield dtype, holed(FEW), int
                yield dtype, holed(MANY), int
    for dtype in polars.Float32, polars.Float64, getattr(polars, "Float16", polars.Float64):
        yield dtype, holed(REALS), float
    yield polars.Decimal(10, 2), holed(DECIMALS), Decimal
    yield polars.Decimal(38, 4), holed(DECIMALS), Decimal
    yield polars.Boolean, holed(BOOLEANS), bool
    yield polars.String, holed(WORDS), str
    yield polars.Categorical, holed(WORDS), str
    yield polars.Enum(["c", "a", "b", "unused"]), holed(WORDS), str
    if hasattr(polars, "Categories"):
        yield polars.Categorical(polars.Categories("own", "space", polars.UInt8)), holed(WORDS), str
    yield polars.Object, holed([Fraction(i, 3) for i in MANY]), Fraction


def arrow_columns():
    for n_bits in 8, 16, 32, 64:
        for sign in "", "u":
            yield f"{sign}int{n_bits}", holed(FEW), int
            yield f"{sign}int{n_bits}", holed(MANY), int
    yield pyarrow.float16(), holed([np.float16(value) for value in REALS]), float
    for dtype in "float", "double":
        yield dtype, holed(REALS), float
    yield pyarrow.bool_(), holed(BOOLEANS), bool
    for dtype in (
        "string",
        "large_string",
        pyarrow.string_view(),
        pyarrow.dictionary(pyarrow.int8(), pyarrow.string()),
        pyarrow.dictionary(pyarrow.int32(), pyarrow.large_string(), ordered=True),
    ):
        yield dtype, holed(WORDS), str
    yield pyarrow.dictionary(pyarrow.int8(), pyarrow.int64()), holed(FEW), int
    yield pyarrow.decimal128(10, 2), holed(DECIMALS), Decimal
    yield pyarrow.decimal256(40, 3), holed(DECIMALS), Decimal


def frames():
    x = np.random.default_rng(0).normal(size=N_ROWS)
    for dtype, values, kind in pandas_columns():
        column = pandas.Series(values, dtype=dtype, index=range(5, 5 + N_ROWS))
        frame = pandas.DataFrame({"x": x, "it": column.to_numpy()}, index=column.index)
        yield pytest.param(frame.assign(it=column), kind, id=f"pandas {column.dtype} {kind}")
    for dtype, values, kind in polars_columns():
        column = polars.Series("it", values, dtype=dtype)
        yield pytest.param(polars.DataFrame({"x": x, "it": column}), kind, id=f"polars {dtype}")
    for dtype, values, kind in arrow_columns():
        column = pyarrow.array(values, dtype)
        yield pytest.param(pyarrow.table({"x": x, "it": column}), kind, id=f"arrow {dtype} {kind}")


each_frame = pytest.mark.parametrize(("frame", "kind"), list(frames()))


def schema(frame):
    if isinstance(frame, pandas.DataFrame):
        return frame.dtypes.to_dict()
    if isinstance(frame, pyarrow.Table):
        return {name: frame.schema.field(name).type for name in frame.column_names}
    return dict(frame.schema)


def shown(frame):
    """Whether each cell of the column is there."""
    if isinstance(frame, pandas.DataFrame):
        return frame["it"].notna().tolist()
    if isinstance(frame, pyarrow.Table):
        return [value is not None for value in frame["it"].to_pylist()]
    return frame["it"].is_not_null().to_list()


def cells(frame, at=None):
    """What the column holds: in these places, or wherever it is not missing."""
    column = frame["it"]
    at = shown(frame) if at is None else at
    if isinstance(frame, pandas.DataFrame):
        return column[at].tolist()
    values = column.to_pylist() if isinstance(frame, pyarrow.Table) else column.to_list()
    return [value for value, is_wanted in zip(values, at, strict=True) if is_wanted]


def is_a(value, kind):
    value = value.item() if isinstance(value, np.generic) else value
    return isinstance(value, np.longdouble) if kind is np.longdouble else type(value) is kind


@pytest.fixture(scope="module")
def fitted():
    models = {}

    def fit(frame):
        if id(frame) not in models:
            models[id(frame)] = density().fit(frame)
        return models[id(frame)]

    return fit


@each_frame
def test_a_draw_has_the_schema_and_the_values_of_its_table(frame, kind, fitted):
    model = fitted(frame)
    drawn = model.sample(20, random_state=0)
    assert schema(drawn) == schema(frame)
    assert len(cells(drawn)) == 20
    assert all(is_a(value, kind) for value in cells(drawn))
    if model.feature_types_[1] == "categorical":
        assert set(cells(drawn)) <= set(cells(frame))
        called = [c for c in model.categories_[1] if c in set(cells(frame))]
        assert len(called) == len(set(cells(frame)))
        assert {type(c) for c in model.categories_[1].tolist()} <= {kind, int, float}
    elif model.categories_[1] is not None:  # levels
        called = [*model.categories_[1]]
        seen = [called.index(cell) for cell in cells(frame)]
        assert {called.index(cell) for cell in cells(drawn)} <= {*range(min(seen), max(seen) + 1)}
    elif kind not in (float, np.longdouble):
        assert min(cells(frame)) - 100 < min(cells(drawn)) <= max(cells(drawn))
    assert np.isfinite(model.score_samples(drawn)).all()


@each_frame
def test_rows_completed_have_the_schema_of_their_table(frame, kind, fitted):
    drawn = fitted(frame).sample(random_state=0, given=frame)
    assert schema(drawn) == schema(frame)
    assert len(cells(drawn)) == N_ROWS
    assert cells(drawn, shown(frame)) == cells(frame)


@each_frame
def test_a_marginal_draws_with_the_same_dtype(frame, kind, fitted):
    assert schema(fitted(frame).marginal(["it"]).sample(3, random_state=0)) == {
        "it": schema(frame)["it"]
    }


@each_frame
@pytest.mark.parametrize("strategy", ["median_mode", "mean_mode", "sample"])
def test_a_filled_table_has_its_schema_and_its_cells(frame, kind, strategy):
    before = frame.copy() if isinstance(frame, pandas.DataFrame) else frame
    filled = SharpPCImputer(density(), strategy=strategy).fit_transform(frame)
    assert schema(filled) == schema(frame)
    assert len(cells(filled)) == N_ROWS
    if isinstance(frame, pandas.DataFrame):
        pandas.testing.assert_frame_equal(frame, before)
        assert filled.index.equals(frame.index)
    assert cells(filled, shown(frame)) == cells(frame)
    new = cells(filled, [not is_shown for is_shown in shown(frame)])
    assert all(is_a(value, kind) for value in new)


@each_frame
def test_a_model_that_was_written_and_read_draws_the_same(frame, kind, fitted):
    model = fitted(frame)
    data = skops.io.dumps(model)
    expected = model.sample(5, random_state=0)
    for again in (
        pickle.loads(pickle.dumps(model)),
        skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data)),
    ):
        drawn = again.sample(5, random_state=0)
        assert schema(drawn) == schema(expected)
        assert cells(drawn) == cells(expected)
        np.testing.assert_array_equal(again.score_samples(frame), model.score_samples(frame))


@pytest.mark.parametrize(
    "dtype",
    [("read_pickle", "model.pkl"), ("numpy", "zzz"), ("zzz",), ("StringDtype",), ("eval", "1")],
)
@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_what_a_file_says_of_dtypes_is_checked_before_it_is_called(dtype, make):
    frame = make({"a": [0.5, 1.5, 2.5] * 5})
    model = SharpPCDensity(1, max_iter=1, random_state=0).fit(frame)
    object.__setattr__(model._columns.columns[0], "dtype", dtype)
    data = pickle.dumps(model)
    with pytest.raises(ValueError, match="cannot be read"):
        pickle.loads(data)
