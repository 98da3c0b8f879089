"""Columns of frames, read, made and filled: the only file that knows pandas, polars and Arrow.

What a column or an index was made of is kept in plain form: tuples of strings, numbers, bytes and
arrays, from which the dtype object is made again. A model can then be written in any way, and
be read where the library is missing.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from skpc._checks import shown
from skpc._tables.numbers import BOOLEAN, EXACT_LIMIT, FLOAT, Numbers, are_numbers

_BITS_OF_POLARS = {
    f"{sign}{n_bits}": n_bits for sign in ("Int", "UInt") for n_bits in (8, 16, 32, 64, 128)
}
_FLOATS_OF_POLARS = {"Float16": np.float16, "Float32": np.float32, "Float64": np.float64}


class Cells(NamedTuple):
    """What a column of a table holds.

    Attributes
    ----------
    values : (n,)
        Numbers, NaN where one is missing; or an object array of labels, None where one is.
    labels : (n_categories,) object array, () or None
        The labels that it declares, in their order; () if it declares none. None of numbers.
    numbers : Numbers or None
        Of what kind the numbers are. None of labels.
    dtype : tuple
        What the column is made of, in plain form.
    exact : sequence or None
        The values that are not missing, where float64 might not tell them apart.
    """

    values: np.ndarray
    labels: Any
    numbers: Numbers | None
    dtype: tuple[Any, ...]
    exact: Sequence[Any] | None

    @property
    def has_no_value(self) -> bool:
        """Whether all values are missing."""
        return all(value is None or value != value for value in self.values)

    @property
    def is_ordered(self) -> bool:
        """Whether the labels have an order."""
        return self.dtype[0] == "CategoricalDtype" and bool(self.dtype[3])


def frame_module(X: Any) -> Any:
    """The module of the frame library that X comes from, or None if it is no frame."""
    for name in ("pandas", "polars"):
        module = sys.modules.get(name)
        if module is not None and isinstance(X, getattr(module, "DataFrame", ())):
            return module
    return None


def names_of(X: Any) -> tuple[Any, ...] | None:
    """The names of a frame's columns; None if X is no frame."""
    return None if frame_module(X) is None else tuple(X.columns)


def read_column(X: Any, j: int, name: str) -> Cells:
    """What column `j` of a frame holds; `name` is what messages call it.

    Raises
    ------
    ValueError
        If that is neither numbers nor labels.
    """
    module = frame_module(X)
    if module.__name__ == "polars":
        return _read_polars(X.to_series(j), module, name)
    return _read_pandas(X.iloc[:, j], module, name)


def part_of(X: Any, rows: slice) -> Any:
    """Some rows of a frame."""
    return X[rows] if frame_module(X).__name__ == "polars" else X.iloc[rows]


def cell(X: Any, i: int, j: int) -> Any:
    """One cell of a frame."""
    return X[i, j] if frame_module(X).__name__ == "polars" else X.iloc[i, j]


def read_index(X: Any) -> tuple[Any, ...] | None:
    """What the names of a pandas frame are an index of, in plain form; None of other tables."""
    module = frame_module(X)
    if module is None or module.__name__ == "polars":
        return None
    index = X.columns
    if isinstance(index, module.MultiIndex):
        dtypes = tuple(_plain_pandas(level.dtype, module) for level in index.levels)
        return "MultiIndex", tuple(index.names), dtypes
    return type(index).__name__, index.name, _plain_pandas(index.dtype, module)


def make_frame(
    library: str,
    names: Sequence[Any],
    index: tuple[Any, ...] | None,
    columns: Iterable[tuple[tuple[Any, ...], np.ndarray]],
) -> Any:
    """A frame of columns, each of a dtype in plain form and of cells (n,)."""
    module = sys.modules.get(library) or __import__(library)
    if library == "polars":
        return module.DataFrame(
            [
                module.Series(str(name), cells.tolist(), dtype=_of_polars(dtype, module))
                for name, (dtype, cells) in zip(names, columns, strict=True)
            ]
        )
    series = {j: _made_pandas(cells, dtype, module) for j, (dtype, cells) in enumerate(columns)}
    # Nobody else has the columns: a copy would double the memory.
    frame = module.DataFrame(series, copy=False)
    frame.columns = _made_index(names, index, module)
    return frame


def fit_together(dtype: tuple[Any, ...], labels: np.ndarray | None) -> bool:
    """Whether a column of a dtype in plain form may have these labels."""
    if dtype[0] != "CategoricalDtype":
        return True
    return labels is not None and np.array_equal(dtype[1], labels)


def check_plain(
    library: str | None,
    names: tuple[Any, ...] | None,
    index: tuple[Any, ...] | None,
    dtypes: Iterable[tuple[Any, ...]],
) -> None:
    """Raise an error if plain forms that come from a file are not of dtypes and of an index."""
    if library in (None, "scipy.sparse"):
        for kind, name in dtypes:
            if kind != "numpy" or np.dtype(name).kind not in "biuf":
                raise ValueError(f"{name!s} is no dtype of numbers.")
        return
    try:
        module = sys.modules.get(str(library)) or __import__(str(library))
    except ImportError:  # nor can there be a frame to ask it of
        return
    for dtype in dtypes:
        _of_polars(dtype, module) if library == "polars" else _of_pandas(dtype, module)
    if library == "pandas":
        _made_index(names or (), index, module)


def copy_frame(X: Any) -> Any:
    """A copy of a frame, whose columns can be replaced."""
    return X.clone() if frame_module(X).__name__ == "polars" else X.copy()


def filled_column(
    X: Any,
    j: int,
    rows: np.ndarray,
    values: np.ndarray,
    labels: np.ndarray | None,
    numbers: Numbers | None,
    dtype: tuple[Any, ...],
) -> Any:
    """The frame X with values in some rows of a column, of its own dtype where that can be.

    Parameters
    ----------
    X : frame
        Changed if it is pandas's.
    j : int
    rows : (m,)
        Positions of the cells to fill.
    values : (m,)
        Positions among `labels` if there are any, else numbers.
    labels, numbers, dtype
        Those of the column that fit saw: a column without any value has none of its own.
    """
    module = frame_module(X)
    if module.__name__ == "polars":
        series = X.to_series(j)
        return X.with_columns(_filled_polars(series, rows, values, labels, numbers, dtype, module))
    series = X.iloc[:, j]
    X.isetitem(j, _filled_pandas(series, rows, values, labels, numbers, module))
    return X


def no_dates(name: str, dtype: Any) -> str:
    """The message that refuses dates."""
    return (
        f"X holds dates in {name} (dtype {dtype}). Turn them into numbers, for instance days "
        "since a fixed date, or drop the column."
    )


def _no_times(name: str, dtype: Any) -> str:
    return (
        f"X holds times, durations or dates in {name} (dtype {dtype}). Turn them into numbers, "
        "for instance seconds, or drop the column."
    )


def refuse_time(value: Any, name: str, dtype: Any) -> None:
    """Raise a ValueError if a cell is a date, a time or a duration."""
    if isinstance(value, (datetime.datetime, datetime.date, np.datetime64)):
        raise ValueError(no_dates(name, dtype))
    if isinstance(value, (datetime.time, datetime.timedelta, np.timedelta64)):
        raise ValueError(_no_times(name, dtype))


def _no_numbers(name: str, dtype: Any, value: Any) -> str:
    return (
        f"X holds values in {name} that are neither all numbers nor all strings, such as "
        f"{shown(value)} of type {type(value).__name__} (dtype {dtype}). Convert them to "
        "numbers, strings or categories, or drop the column."
    )


# --- pandas ------------------------------------------------------------------------------


def _read_pandas(series: Any, pandas: Any, name: str) -> Cells:
    types = pandas.api.types
    dtype = series.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        values = series.to_numpy(dtype=object)
        values[series.isna().to_numpy()] = None
        plain = _plain_pandas(dtype, pandas)
        return Cells(values, plain[1], None, plain, None)
    if types.is_datetime64_any_dtype(dtype):
        raise ValueError(no_dates(name, dtype))
    if types.is_timedelta64_dtype(dtype) or isinstance(dtype, pandas.PeriodDtype):
        raise ValueError(_no_times(name, dtype))
    if types.is_complex_dtype(dtype):
        raise ValueError(f"Complex data not supported: {name} has dtype {dtype}.")
    plain = _plain_pandas(dtype, pandas)
    if plain is None:
        raise ValueError(
            f"X has dtype {dtype} in {name}, of which nothing is known. Convert the column to "
            "numbers or strings with astype, or drop it."
        )
    if types.is_bool_dtype(dtype) or types.is_numeric_dtype(dtype):
        numbers = _numbers_of_pandas(dtype)
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        exact = None
        if _may_merge(numbers, dtype, values):
            exact = series[series.notna().to_numpy()].tolist()
        return Cells(values, None, numbers, plain, exact)
    values = series.to_numpy(dtype=object)
    return _read_objects(values, series.isna().to_numpy(), plain, dtype, name)


def _numbers_of_pandas(dtype: Any) -> Numbers:
    """Of what kind the numbers of a numeric or boolean dtype are."""
    arrow = getattr(dtype, "pyarrow_dtype", None)
    if arrow is not None and hasattr(arrow, "precision"):
        return Numbers.of_decimals(arrow.precision, arrow.scale)
    dtype = getattr(dtype, "subtype", dtype)  # of a sparse one
    return Numbers.of_dtype(getattr(dtype, "numpy_dtype", dtype))


def _plain_pandas(dtype: Any, pandas: Any) -> Any:
    """The plain form of a dtype, see `_of_pandas`; None if there is none."""
    kind = type(dtype).__name__
    if isinstance(dtype, np.dtype):
        return "numpy", dtype.str
    if isinstance(dtype, pandas.CategoricalDtype):
        categories = dtype.categories
        labels = categories.to_numpy(dtype=object)
        return kind, labels, _plain_pandas(categories.dtype, pandas), bool(dtype.ordered)
    if isinstance(dtype, pandas.StringDtype):
        return kind, dtype.storage, dtype.na_value is pandas.NA
    if isinstance(dtype, pandas.SparseDtype):
        fill = dtype.fill_value
        return kind, dtype.subtype.str, fill.item() if isinstance(fill, np.generic) else fill
    if isinstance(dtype, pandas.IntervalDtype):
        return kind, _plain_pandas(dtype.subtype, pandas), dtype.closed
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return kind, dtype.unit, str(dtype.tz)
    if isinstance(dtype, pandas.PeriodDtype):
        return kind, str(dtype)
    if hasattr(dtype, "pyarrow_dtype"):
        import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]

        return kind, pyarrow.schema([("", dtype.pyarrow_dtype)]).serialize().to_pybytes()
    if hasattr(dtype, "numpy_dtype") and getattr(pandas, kind, None) is type(dtype):
        return (kind,)  # such as Int8Dtype
    return None


def _of_pandas(plain: tuple[Any, ...], pandas: Any) -> Any:
    """The dtype that has a plain form."""
    kind, *rest = plain
    if kind == "numpy":
        return np.dtype(rest[0])
    if kind == "CategoricalDtype":
        labels, inner, ordered = rest
        categories = pandas.Index(labels, dtype=_of_pandas(inner, pandas), tupleize_cols=False)
        return pandas.CategoricalDtype(categories, ordered=ordered)
    if kind == "StringDtype":
        storage, has_na = rest
        dtype = pandas.StringDtype(storage)
        if (dtype.na_value is pandas.NA) == has_na:
            return dtype
        return pandas.StringDtype(storage, na_value=pandas.NA if has_na else np.nan)
    if kind == "SparseDtype":
        return pandas.SparseDtype(np.dtype(rest[0]), rest[1])
    if kind == "IntervalDtype":
        return pandas.IntervalDtype(_of_pandas(rest[0], pandas), rest[1])
    if kind == "ArrowDtype":
        import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]

        schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(rest[0]))
        return pandas.ArrowDtype(schema.field(0).type)
    if kind == "PeriodDtype":
        return pandas.api.types.pandas_dtype(rest[0])
    return _dtype_class(pandas, kind, pandas.api.extensions.ExtensionDtype)(*rest)


def _dtype_class(module: Any, name: Any, base: type) -> Any:
    """The class of dtypes of this name, which may come from a file: nothing else is called."""
    found = getattr(module, name, None) if isinstance(name, str) else None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"{module.__name__} has no dtype {name!s}.")
    return found


def _made_pandas(cells: np.ndarray, dtype: tuple[Any, ...], pandas: Any) -> Any:
    """A series of these cells, None missing; positions of categories, -1 missing."""
    made = _of_pandas(dtype, pandas)
    if isinstance(made, pandas.CategoricalDtype):
        codes = cells.astype(np.min_scalar_type(-1 - len(made.categories)))
        return pandas.Series(pandas.Categorical.from_codes(codes, dtype=made))
    if isinstance(made, pandas.SparseDtype):
        return pandas.Series(cells).astype(made)
    if dtype[0] == "ArrowDtype":
        import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]

        wanted = made.pyarrow_dtype
        if pyarrow.types.is_dictionary(wanted):
            array = pyarrow.array(cells.tolist(), wanted.value_type).dictionary_encode()
            return pandas.Series(pandas.arrays.ArrowExtensionArray(array.cast(wanted)))
        return pandas.Series(cells.tolist(), dtype=made)
    return pandas.Series(cells, dtype=made)


def _made_index(names: Sequence[Any], index: tuple[Any, ...] | None, pandas: Any) -> Any:
    """The index of columns that `read_index` found, for these names."""
    kind, own_name, inner = index or ("Index", None, None)
    if kind == "MultiIndex":
        levels = zip(*names, strict=True)
        arrays = [
            _made_index(level, ("Index", None, dtype), pandas)
            for level, dtype in zip(levels, inner, strict=True)
        ]
        return pandas.MultiIndex.from_arrays(arrays, names=own_name)
    if kind == "RangeIndex" and len(names) > 1:
        step = names[1] - names[0]
        made = pandas.RangeIndex(names[0], names[-1] + step, step, name=own_name)
        if made.tolist() == list(names):  # not some of a range
            return made
    dtype = None if inner is None else _of_pandas(inner, pandas)
    return pandas.Index(list(names), dtype=dtype, name=own_name, tupleize_cols=False)


def _filled_pandas(
    series: Any,
    rows: np.ndarray,
    values: np.ndarray,
    labels: np.ndarray | None,
    numbers: Numbers | None,
    pandas: Any,
) -> Any:
    types = pandas.api.types
    dtype = series.dtype
    series = series.copy()
    plain = _plain_pandas(dtype, pandas) or (None,)
    is_categorical = plain[0] == "CategoricalDtype"  # even of booleans
    is_numeric = types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype)
    is_numeric = is_numeric and not is_categorical
    if labels is not None:
        of_no_kind = is_numeric or dtype == "null[pyarrow]"
        cells = labels[values.astype(np.intp)]
    else:
        of_no_kind = not is_numeric and dtype != np.dtype(object)
        if is_numeric:
            numbers = _numbers_of_pandas(dtype)
        elif not of_no_kind and len(present := series.dropna().tolist()):
            numbers = _numbers_of_objects(present)
        cells = values if numbers is None else numbers.restore(values)
    if of_no_kind:  # all are missing
        series = series.astype(object)
    elif is_categorical:
        known = set(dtype.categories)
        series = series.cat.add_categories([c for c in dict.fromkeys(cells) if c not in known])
    elif plain[0] in ("SparseDtype", "ArrowDtype"):  # they take no items
        out = series.to_numpy(dtype=object)
        out[rows] = cells
        return _made_pandas(out, plain, pandas).set_axis(series.index)
    elif plain[0] == "numpy" and is_numeric:
        cells = cells.astype(dtype)  # or the column would become as wide as they are
    series.iloc[rows] = cells.astype(object) if series.dtype == np.dtype(object) else cells
    return series


# --- polars ------------------------------------------------------------------------------


def _read_polars(series: Any, polars: Any, name: str) -> Cells:
    dtype = series.dtype
    if dtype in (polars.Date, polars.Datetime):
        raise ValueError(no_dates(name, dtype))
    if dtype.is_temporal():
        raise ValueError(_no_times(name, dtype))
    plain = _plain_polars(dtype)
    if dtype.is_numeric() or dtype == polars.Boolean:
        numbers = _numbers_of_polars(dtype, polars)
        values = series.cast(polars.Float64).fill_null(float("nan")).to_numpy()
        values = np.array(values, np.float64)
        exact = None
        if _may_merge(numbers, dtype, values):
            exact = series.drop_nulls().to_list()
        return Cells(values, None, numbers, plain, exact)
    values = np.empty(len(series), dtype=object)
    values[:] = series.to_list()
    if plain[0] == "Enum":
        return Cells(values, plain[1], None, plain, None)
    return _read_objects(values, series.is_null().to_numpy(), plain, dtype, name)


def _numbers_of_polars(dtype: Any, polars: Any) -> Numbers:
    if dtype == polars.Boolean:
        return Numbers.of_dtype(np.dtype(bool))
    if dtype == polars.Decimal:
        return Numbers.of_decimals(dtype.precision or 38, dtype.scale)
    kind = str(dtype.base_type().__name__)
    if kind in _BITS_OF_POLARS:
        return Numbers.of_integers(dtype.is_signed_integer(), _BITS_OF_POLARS[kind])
    return Numbers.of_dtype(np.dtype(_FLOATS_OF_POLARS[kind]))


def _plain_polars(dtype: Any) -> tuple[Any, ...]:
    """The plain form of a dtype, see `_of_polars`."""
    kind = str(dtype.base_type().__name__)
    if kind == "Enum":
        return kind, np.array(dtype.categories.to_list(), dtype=object)
    if kind == "Decimal":
        return kind, dtype.precision, dtype.scale
    named = getattr(dtype, "categories", None)
    if kind == "Categorical" and named is None and hasattr(dtype, "ordering"):
        return kind, dtype.ordering  # before polars 1.32
    if kind == "Categorical" and named is not None and not named.is_global():
        physical = str(named.physical().base_type().__name__)
        return kind, named.name(), named.namespace(), physical
    return (kind,)


def _of_polars(plain: tuple[Any, ...], polars: Any) -> Any:
    """The dtype that has a plain form."""
    kind, *rest = plain
    if kind == "Enum":
        return polars.Enum(rest[0].tolist())
    if kind == "Categorical" and len(rest) == 3:
        name, namespace, physical = rest
        physical_type = _dtype_class(polars, physical, polars.DataType)
        return polars.Categorical(polars.Categories(name, namespace, physical_type))
    return _dtype_class(polars, kind, polars.DataType)(*rest)


def _filled_polars(
    series: Any,
    rows: np.ndarray,
    values: np.ndarray,
    labels: np.ndarray | None,
    numbers: Numbers | None,
    fitted: tuple[Any, ...],
    polars: Any,
) -> Any:
    dtype = series.dtype
    is_numeric = dtype.is_numeric() or dtype == polars.Boolean
    of_no_kind = dtype == polars.Null or (labels is not None and is_numeric)
    if labels is not None:
        cells = labels[values.astype(np.intp)].tolist()
    else:
        if is_numeric:
            numbers = _numbers_of_polars(dtype, polars)
        elif not of_no_kind and series.null_count() < len(series):
            numbers = _numbers_of_objects(series.drop_nulls().to_list())
        cells = (numbers.restore(values) if numbers is not None else values).tolist()
    out = series.to_list()
    for row, cell in zip(rows, cells, strict=True):
        out[row] = cell
    if of_no_kind:
        is_known = getattr(polars, fitted[0], None) is not None
        return polars.Series(
            series.name, out, dtype=_of_polars(fitted, polars) if is_known else None
        )
    if dtype == polars.Enum:
        dtype = polars.Enum(list(dict.fromkeys([*dtype.categories.to_list(), *cells])))
    return polars.Series(series.name, out, dtype=dtype)


# --- both --------------------------------------------------------------------------------


def _may_merge(numbers: Numbers, dtype: Any, values: np.ndarray) -> bool:
    """Whether values of a numeric dtype may be different, and the same in float64."""
    if numbers.kind == FLOAT:
        return bool(getattr(dtype, "itemsize", 8) > 8)
    if numbers.kind == BOOLEAN:
        return False
    unit = 10.0**numbers.fineness
    return numbers.high * unit > EXACT_LIMIT and bool((np.abs(values) * unit >= EXACT_LIMIT).any())


def _read_objects(
    values: np.ndarray, missing: np.ndarray, plain: tuple[Any, ...], dtype: Any, name: str
) -> Cells:
    """An object column as strings with no declared labels, or as numbers."""
    present = values[~missing].tolist()
    if all(issubclass(kind, str) for kind in set(map(type, present))):
        labels = np.full(len(values), None, dtype=object)
        labels[~missing] = [str(value) for value in present]
        return Cells(labels, (), None, plain, None)
    if not are_numbers(present):
        value = next(value for value in present if not are_numbers([value]))
        refuse_time(value, name, dtype)
        raise ValueError(_no_numbers(name, dtype, value))
    numbers = np.full(len(values), np.nan)
    try:
        numbers[~missing] = [float(value) for value in present]
    except OverflowError:
        numbers[~missing] = np.inf
    if np.isinf(numbers).any():  # to be refused
        return Cells(numbers, None, Numbers(FLOAT), plain, None)
    return Cells(numbers, None, _numbers_of_objects(present), plain, present)


def _numbers_of_objects(present: list[Any]) -> Numbers:
    return Numbers.of_objects(present) if are_numbers(present) else Numbers(FLOAT)
