"""Dtypes of columns of frames in plain form, and columns of them.

narwhals knows dtypes of all libraries by the same names. Those of pandas and Arrow are many more,
and have files of their own.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from skpc._tables import arrow_types, pandas_frames
from skpc._tables.cells import declared_labels, dtype_class, is_declared
from skpc._tables.numbers import Numbers


def module_of(library: str) -> Any:
    """The module of a library of frames."""
    return sys.modules.get(library) or __import__(library)


def native_dtype(series: Any) -> Any:
    """What the library of a series says of its dtype."""
    native = series.to_native()
    return native.type if series.implementation.value == "pyarrow" else native.dtype


def plain_dtype(series: Any) -> tuple[Any, ...] | None:
    """The plain form of the dtype of a series of narwhals; None if there is none."""
    library, native = series.implementation.value, series.to_native()
    if library == "pandas":
        return pandas_frames.plain_dtype(native, module_of(library))
    if library == "pyarrow":
        return arrow_types.plain_type(native)
    dtype = series.dtype
    kind = type(dtype).__name__
    if kind == "Enum":
        return kind, np.array([*dtype.categories], dtype=object)
    if kind == "Decimal":
        return kind, dtype.precision, dtype.scale
    named = getattr(native.dtype, "categories", None)
    if kind == "Categorical" and named is not None and not named.is_global():
        return kind, named.name(), named.namespace(), str(named.physical().base_type().__name__)
    return (kind,)


def check_plain(plain: tuple[Any, ...], library: str) -> None:
    """Raise ValueError if a plain form, which may come from a file, is of no dtype."""
    if library == "pandas":
        pandas_frames.made_dtype(plain, module_of(library))
    elif library == "pyarrow":
        arrow_types.made_type(plain)
    elif plain[0] == "Categorical" and len(plain) > 1:
        _named_categories(*plain[1:])
    else:
        _known_dtype(plain)


def _known_dtype(plain: tuple[Any, ...]) -> Any:
    """The dtype of narwhals that has a plain form."""
    import narwhals.stable.v2 as nw

    kind, *rest = plain
    if kind == "Enum":
        return nw.Enum(rest[0].tolist())
    return dtype_class(nw, kind, nw.dtypes.DType)(*rest)


def _named_categories(name: str, namespace: str, physical: str) -> Any:
    """The dtype of polars whose categories are shared under a name: narwhals has none."""
    polars = module_of("polars")
    physical_type = dtype_class(polars, physical, polars.DataType)
    return polars.Categorical(polars.Categories(name, namespace, physical_type))


def made_column(cells: np.ndarray, plain: tuple[Any, ...] | None, library: str) -> Any:
    """A column of a library, of a dtype in plain form, or of the one that these cells have.

    Parameters
    ----------
    cells : (n,)
        None is missing. Of a categorical dtype of pandas positions of categories, -1 missing.
    plain : tuple or None
    library : str
    """
    if plain is None:
        return _new_series(cells, None, library)
    if library == "pandas":
        return pandas_frames.made_series(cells, plain, module_of(library))
    if library == "pyarrow":
        return arrow_types.made_array(cells, plain)
    if plain[0] == "Categorical" and len(plain) > 1:
        return module_of(library).Series(cells.tolist(), dtype=_named_categories(*plain[1:]))
    return _new_series(cells, _known_dtype(plain), library)


def _new_series(cells: np.ndarray, dtype: Any, library: Any) -> Any:
    import narwhals.stable.v2 as nw

    return nw.new_series("", cells.tolist(), dtype, backend=library).to_native()


def with_labels(plain: tuple[Any, ...], labels: list[Any]) -> tuple[Any, ...]:
    """A dtype of its own labels and of these; one that declares none as it is."""
    own = [*declared_labels(plain)]
    every = [*dict.fromkeys([*own, *labels])]
    if not is_declared(plain) or len(every) == len(own):
        return plain
    is_same = len(own) > 0 and len({*map(type, every)}) == 1
    return _relabelled(plain, every, is_same)


def with_holes(plain: tuple[Any, ...], marker: Any) -> tuple[Any, ...]:
    """A dtype that has missing values, and a value less among the labels that it declares."""
    if is_declared(plain):
        return _relabelled(plain, [v for v in declared_labels(plain) if v != marker], True)
    if plain[0] not in ("numpy", "SparseDtype"):
        return plain
    dtype = np.dtype(plain[1])
    if dtype.kind not in "biu":
        return "numpy", plain[1]
    sign = {"b": "Boolean", "i": "Int", "u": "UInt"}[dtype.kind]
    return (f"{sign}{8 * dtype.itemsize if dtype.kind != 'b' else ''}Dtype",)


def _relabelled(plain: tuple[Any, ...], labels: list[Any], are_same_kind: bool) -> tuple[Any, ...]:
    """A dtype that declares these labels in place of its own."""
    declared = np.empty(len(labels), object)
    declared[:] = labels
    if plain[0] != "CategoricalDtype":
        return (*plain[:-1], declared)  # an Enum, or an ordered dictionary
    kind, _, inner, is_ordered = plain
    return kind, declared, inner if are_same_kind else ("numpy", "|O"), is_ordered


def numbers_of(series: Any) -> Numbers | None:
    """Of what kind the numbers of a series are; None if it holds none, or objects."""
    import narwhals.stable.v2 as nw

    dtype, native = series.dtype, native_dtype(series)
    kind = type(dtype).__name__
    if dtype == nw.Boolean:
        return Numbers.of_dtype(np.dtype(bool))
    if dtype.is_integer():
        return Numbers.of_integers(dtype.is_signed_integer(), int(kind.lstrip("UInt")))
    if dtype.is_float():
        return Numbers.of_dtype(np.dtype(kind.lower()))
    if dtype == nw.Decimal:
        return Numbers.of_decimals(dtype.precision or 38, dtype.scale)
    if dtype == nw.Unknown:  # such as decimals of 256 bits, and sparse columns
        native = getattr(native, "pyarrow_dtype", native)
        if hasattr(native, "precision"):
            return Numbers.of_decimals(native.precision, native.scale)
        native = native.subtype if type(native).__name__ == "SparseDtype" else native
        if isinstance(native, np.dtype) and native.kind in "biuf":
            return Numbers.of_dtype(native)
    return None
