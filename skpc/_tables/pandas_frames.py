"""Columns and indices of pandas, Arrow's dtypes included: read, made and filled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skpc._tables.cells import (
    Cells,
    dtype_class,
    may_merge,
    no_dates,
    no_times,
    numbers_of_objects,
    read_objects,
)
from skpc._tables.numbers import Numbers


def read(series: Any, pandas: Any, name: str) -> Cells:
    types = pandas.api.types
    dtype = series.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        values = series.to_numpy(dtype=object)
        values[series.isna().to_numpy()] = None
        plain = plain_dtype(dtype, pandas)
        return Cells(values, plain[1], None, plain, None)
    if types.is_datetime64_any_dtype(dtype):
        raise ValueError(no_dates(name, dtype))
    if types.is_timedelta64_dtype(dtype) or isinstance(dtype, pandas.PeriodDtype):
        raise ValueError(no_times(name, dtype))
    if types.is_complex_dtype(dtype):
        raise ValueError(f"Complex data not supported: {name} has dtype {dtype}.")
    plain = plain_dtype(dtype, pandas)
    if plain is None:
        raise ValueError(
            f"X has dtype {dtype} in {name}, of which nothing is known. Convert the column to "
            "numbers or strings with astype, or drop it."
        )
    if types.is_bool_dtype(dtype) or types.is_numeric_dtype(dtype):
        numbers = _numbers_of(dtype)
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        exact = None
        if may_merge(numbers, dtype, values):
            exact = series[series.notna().to_numpy()].tolist()
        return Cells(values, None, numbers, plain, exact)
    values = series.to_numpy(dtype=object)
    return read_objects(values, series.isna().to_numpy(), plain, dtype, name)


def _numbers_of(dtype: Any) -> Numbers:
    """Of what kind the numbers of a numeric or boolean dtype are."""
    arrow = getattr(dtype, "pyarrow_dtype", None)
    if arrow is not None and hasattr(arrow, "precision"):
        return Numbers.of_decimals(arrow.precision, arrow.scale)
    dtype = getattr(dtype, "subtype", dtype)  # of a sparse one
    return Numbers.of_dtype(getattr(dtype, "numpy_dtype", dtype))


def plain_dtype(dtype: Any, pandas: Any) -> Any:
    """The plain form of a dtype, see `made_dtype`; None if there is none."""
    kind = type(dtype).__name__
    if isinstance(dtype, np.dtype):
        return "numpy", dtype.str
    if isinstance(dtype, pandas.CategoricalDtype):
        categories = dtype.categories
        labels = categories.to_numpy(dtype=object)
        return kind, labels, plain_dtype(categories.dtype, pandas), bool(dtype.ordered)
    if isinstance(dtype, pandas.StringDtype):
        return kind, dtype.storage, dtype.na_value is pandas.NA
    if isinstance(dtype, pandas.SparseDtype):
        fill = dtype.fill_value
        return kind, dtype.subtype.str, fill.item() if isinstance(fill, np.generic) else fill
    if isinstance(dtype, pandas.IntervalDtype):
        return kind, plain_dtype(dtype.subtype, pandas), dtype.closed
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


def made_dtype(plain: tuple[Any, ...], pandas: Any) -> Any:
    """The dtype that has a plain form."""
    kind, *rest = plain
    if kind == "numpy":
        return np.dtype(rest[0])
    if kind == "CategoricalDtype":
        labels, inner, ordered = rest
        categories = pandas.Index(labels, dtype=made_dtype(inner, pandas), tupleize_cols=False)
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
        return pandas.IntervalDtype(made_dtype(rest[0], pandas), rest[1])
    if kind == "ArrowDtype":
        import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]

        schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(rest[0]))
        return pandas.ArrowDtype(schema.field(0).type)
    if kind == "PeriodDtype":
        return pandas.api.types.pandas_dtype(rest[0])
    return dtype_class(pandas, kind, pandas.api.extensions.ExtensionDtype)(*rest)


def made_series(cells: np.ndarray, dtype: tuple[Any, ...], pandas: Any) -> Any:
    """A series of these cells, None missing; positions of categories, -1 missing."""
    made = made_dtype(dtype, pandas)
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


def made_index(names: Sequence[Any], index: tuple[Any, ...] | None, pandas: Any) -> Any:
    """The index of columns that `read_index` found, for these names."""
    kind, own_name, inner = index or ("Index", None, None)
    if kind == "MultiIndex":
        levels = zip(*names, strict=True)
        arrays = [
            made_index(level, ("Index", None, dtype), pandas)
            for level, dtype in zip(levels, inner, strict=True)
        ]
        return pandas.MultiIndex.from_arrays(arrays, names=own_name)
    if kind == "RangeIndex" and len(names) > 1:
        step = names[1] - names[0]
        made = pandas.RangeIndex(names[0], names[-1] + step, step, name=own_name)
        if made.tolist() == list(names):  # not some of a range
            return made
    dtype = None if inner is None else made_dtype(inner, pandas)
    return pandas.Index(list(names), dtype=dtype, name=own_name, tupleize_cols=False)


def filled(
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
    plain = plain_dtype(dtype, pandas) or (None,)
    is_categorical = plain[0] == "CategoricalDtype"  # even of booleans
    is_numeric = types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype)
    is_numeric = is_numeric and not is_categorical
    if labels is not None:
        of_no_kind = is_numeric or dtype == "null[pyarrow]"
        cells = labels[values.astype(np.intp)]
    else:
        of_no_kind = not is_numeric and dtype != np.dtype(object)
        if is_numeric:
            numbers = _numbers_of(dtype)
        elif not of_no_kind and len(present := series.dropna().tolist()):
            numbers = numbers_of_objects(present)
        cells = values if numbers is None else numbers.restore(values)
    if of_no_kind:  # all are missing
        series = series.astype(object)
    elif is_categorical:
        known = set(dtype.categories)
        series = series.cat.add_categories([c for c in dict.fromkeys(cells) if c not in known])
    elif plain[0] in ("SparseDtype", "ArrowDtype"):  # they take no items
        out = series.to_numpy(dtype=object)
        out[rows] = cells
        return made_series(out, plain, pandas).set_axis(series.index)
    elif plain[0] == "numpy" and is_numeric:
        cells = cells.astype(dtype)  # or the column would become as wide as they are
    series.iloc[rows] = cells.astype(object) if series.dtype == np.dtype(object) else cells
    return series
