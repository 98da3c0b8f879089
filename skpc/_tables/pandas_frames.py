"""What only pandas has: its dtypes, in plain form, and indices of columns.

narwhals calls all strings String and all objects Object, has no categories but strings and no
sparse columns, and names are strings: a frame that is made with it is not the one that came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skpc._tables import arrow_types
from skpc._tables.cells import dtype_class


def read_categories(series: Any, labels: np.ndarray) -> np.ndarray:
    """The labels (n,) of a categorical series, None missing: integers stay what they are."""
    values = np.empty(len(labels) + 1, object)
    values[:-1] = labels
    values[-1] = None
    return values[series.cat.codes.to_numpy()]


def read_index(frame: Any, pandas: Any) -> tuple[Any, ...]:
    """What the names of a frame are an index of, in plain form."""
    index = frame.columns
    if isinstance(index, pandas.MultiIndex):
        dtypes = tuple(_plain_dtype(level.dtype, pandas) for level in index.levels)
        return "MultiIndex", tuple(index.names), dtypes
    return type(index).__name__, index.name, _plain_dtype(index.dtype, pandas)


def plain_dtype(series: Any, pandas: Any) -> Any:
    """The plain form of the dtype of a series, see `made_dtype`; None if there is none."""
    if hasattr(series.dtype, "pyarrow_dtype"):
        return arrow_types.plain_type(series.array.__arrow_array__())
    return _plain_dtype(series.dtype, pandas)


def _plain_dtype(dtype: Any, pandas: Any) -> Any:
    kind = type(dtype).__name__
    if isinstance(dtype, np.dtype):
        return "numpy", dtype.str
    if isinstance(dtype, pandas.CategoricalDtype):
        categories = dtype.categories
        labels = categories.to_numpy(dtype=object)
        return kind, labels, _plain_dtype(categories.dtype, pandas), bool(dtype.ordered)
    if isinstance(dtype, pandas.StringDtype):
        return kind, dtype.storage, dtype.na_value is pandas.NA
    if isinstance(dtype, pandas.SparseDtype):
        fill = dtype.fill_value
        return kind, dtype.subtype.str, fill.item() if isinstance(fill, np.generic) else fill
    if isinstance(dtype, pandas.IntervalDtype):
        return kind, _plain_dtype(dtype.subtype, pandas), dtype.closed
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return kind, dtype.unit, str(dtype.tz)
    if isinstance(dtype, pandas.PeriodDtype):
        return kind, str(dtype)
    if hasattr(dtype, "pyarrow_dtype"):
        return arrow_types.plain_type(pandas.array([], dtype).__arrow_array__())
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
        return pandas.ArrowDtype(arrow_types.made_type(plain))
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
        array = arrow_types.made_array(cells, dtype)
        return pandas.Series(pandas.arrays.ArrowExtensionArray(array))
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


def sparse_matrix(frame: Any, pandas: Any) -> Any:
    """The sparse matrix that a frame holds, or the frame if a column does not leave out zeros."""
    dtypes = frame.dtypes.tolist()
    if all(isinstance(dtype, pandas.SparseDtype) and dtype.fill_value == 0 for dtype in dtypes):
        return frame.sparse.to_coo().tocsr()
    return frame
