"""Columns of polars: read, made and filled."""

from __future__ import annotations

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

_BITS = {f"{sign}{n_bits}": n_bits for sign in ("Int", "UInt") for n_bits in (8, 16, 32, 64, 128)}
_FLOATS = {"Float16": np.float16, "Float32": np.float32, "Float64": np.float64}


def read(series: Any, polars: Any, name: str) -> Cells:
    dtype = series.dtype
    if dtype in (polars.Date, polars.Datetime):
        raise ValueError(no_dates(name, dtype))
    if dtype.is_temporal():
        raise ValueError(no_times(name, dtype))
    plain = plain_dtype(dtype)
    if dtype.is_numeric() or dtype == polars.Boolean:
        numbers = _numbers_of(dtype, polars)
        values = series.cast(polars.Float64).fill_null(float("nan")).to_numpy()
        values = np.array(values, np.float64)
        exact = None
        if may_merge(numbers, dtype, values):
            exact = series.drop_nulls().to_list()
        return Cells(values, None, numbers, plain, exact)
    values = np.empty(len(series), dtype=object)
    values[:] = series.to_list()
    if plain[0] == "Enum":
        return Cells(values, plain[1], None, plain, None)
    return read_objects(values, series.is_null().to_numpy(), plain, dtype, name)


def _numbers_of(dtype: Any, polars: Any) -> Numbers:
    if dtype == polars.Boolean:
        return Numbers.of_dtype(np.dtype(bool))
    if dtype == polars.Decimal:
        return Numbers.of_decimals(dtype.precision or 38, dtype.scale)
    kind = str(dtype.base_type().__name__)
    if kind in _BITS:
        return Numbers.of_integers(dtype.is_signed_integer(), _BITS[kind])
    return Numbers.of_dtype(np.dtype(_FLOATS[kind]))


def plain_dtype(dtype: Any) -> tuple[Any, ...]:
    """The plain form of a dtype, see `made_dtype`."""
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


def made_dtype(plain: tuple[Any, ...], polars: Any) -> Any:
    """The dtype that has a plain form."""
    kind, *rest = plain
    if kind == "Enum":
        return polars.Enum(rest[0].tolist())
    if kind == "Categorical" and len(rest) == 3:
        name, namespace, physical = rest
        physical_type = dtype_class(polars, physical, polars.DataType)
        return polars.Categorical(polars.Categories(name, namespace, physical_type))
    return dtype_class(polars, kind, polars.DataType)(*rest)


def filled(
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
            numbers = _numbers_of(dtype, polars)
        elif not of_no_kind and series.null_count() < len(series):
            numbers = numbers_of_objects(series.drop_nulls().to_list())
        cells = (numbers.restore(values) if numbers is not None else values).tolist()
    out = series.to_list()
    for row, cell in zip(rows, cells, strict=True):
        out[row] = cell
    if of_no_kind:
        is_known = getattr(polars, fitted[0], None) is not None
        return polars.Series(
            series.name, out, dtype=made_dtype(fitted, polars) if is_known else None
        )
    if dtype == polars.Enum:
        dtype = polars.Enum(list(dict.fromkeys([*dtype.categories.to_list(), *cells])))
    return polars.Series(series.name, out, dtype=dtype)
