"""Frames: columns read, made and filled, whatever library a frame is of.

Tables of pandas, polars and Arrow are asked through narwhals. Of dtypes `dtypes` knows more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np

from skpc._tables import dtypes, pandas_frames
from skpc._tables.cells import (
    Cells,
    declared_labels,
    is_declared,
    may_merge,
    no_dates,
    no_times,
    read_objects,
)
from skpc._tables.numbers import FLOAT, Numbers

LIBRARIES = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "Table"}


def library_of(X: Any) -> str | None:
    """The library that X is a frame of, or None if it is no frame."""
    for name, kind in LIBRARIES.items():
        module = sys.modules.get(name)
        if module is not None and isinstance(X, getattr(module, kind, ())):
            return name
    return None


def is_frame(X: Any) -> bool:
    """Whether X is a frame."""
    return library_of(X) is not None


def collected(X: Any) -> Any:
    """A table of Arrow if X is a relation of DuckDB, which is read once; else X as it is."""
    relation = getattr(sys.modules.get("duckdb"), "DuckDBPyRelation", ())
    if not isinstance(X, relation):
        return X
    import narwhals.stable.v2 as nw

    return nw.from_native(X).collect("pyarrow").to_native()


def _opened(X: Any) -> Any:
    import narwhals.stable.v2 as nw

    return nw.from_native(X, eager_only=True)


def names_of(X: Any) -> tuple[Any, ...] | None:
    """The names of a frame's columns; None if X is no frame."""
    if not is_frame(X):
        return None
    return tuple(X.column_names if library_of(X) == "pyarrow" else X.columns)


def read_index(X: Any) -> tuple[Any, ...] | None:
    """What the names of a pandas frame are an index of, in plain form; None of other tables."""
    if library_of(X) != "pandas":
        return None
    return pandas_frames.read_index(X, dtypes.module_of("pandas"))


def row_labels(X: Any) -> list[Any] | None:
    """What the rows of a frame of pandas are called; None of other tables."""
    return list(X.index) if library_of(X) == "pandas" else None


def read_columns(X: Any, names: Iterable[str]) -> Iterator[Cells]:
    """What each column of a frame holds; `names` are what messages call them.

    Raises
    ------
    ValueError
        If a column holds neither numbers nor labels.
    """
    for series, name in zip(_opened(X).iter_columns(), names, strict=True):
        yield _read(series, name)


def _read(series: Any, name: str) -> Cells:
    import narwhals.stable.v2 as nw

    dtype, native = series.dtype, dtypes.native_dtype(series)
    if dtype in (nw.Date, nw.Datetime):
        raise ValueError(no_dates(name, native))
    if dtype.is_temporal() or type(native).__name__ == "PeriodDtype":
        raise ValueError(no_times(name, native))
    if getattr(native, "kind", None) == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {native}.")
    plain = dtypes.plain_dtype(series)
    if plain is None:
        raise ValueError(
            f"X has dtype {native} in {name}, of which nothing is known. Convert the column to "
            "numbers or strings with astype, or drop it."
        )
    if plain[0] == "CategoricalDtype":
        values = pandas_frames.read_categories(series.to_native(), plain[1])
        return Cells(values, plain[1], None, plain, None)
    numbers = dtypes.numbers_of(series)
    if numbers is None:
        values, missing = _objects(series.to_list()), series.is_null().to_numpy()
        if not is_declared(plain):
            return read_objects(values, missing, plain, native, name)
        values[missing] = None
        return Cells(values, declared_labels(plain), None, plain, None)
    # Arrow does not cast integers that become others, NumPy has none of 128 bits.
    is_known = dtype.is_float() or (dtype.is_integer() and dtype not in (nw.Int128, nw.UInt128))
    values = (series if is_known else series.cast(nw.Float64())).to_numpy().astype(np.float64)
    exact = series.drop_nulls().to_list() if may_merge(numbers, native, values) else None
    return Cells(values, None, numbers, plain, exact)


def _objects(cells: list[Any]) -> np.ndarray:
    return np.fromiter(cells, object, len(cells))


def part_of(X: Any, rows: slice | np.ndarray) -> Any:
    """Some rows of a frame: a slice, or positions (n,)."""
    return _opened(X)[rows].to_native()


def concatenated(tables: Sequence[Any]) -> Any:
    """One table of the rows of several frames or arrays with the same columns."""
    library = library_of(tables[0])
    if library is None:
        return np.concatenate(tables)
    module = dtypes.module_of(library)
    if library == "pyarrow":
        return module.concat_tables(tables, promote_options="permissive")
    # Parts may have other dtypes, integers where nothing is missing: narwhals refuses that.
    how = {"ignore_index": True} if library == "pandas" else {"how": "vertical_relaxed"}
    return module.concat(tables, **how)


def cell(X: Any, i: int, j: int) -> Any:
    """One cell of a frame."""
    return _opened(X).item(i, j)


def make_frame(
    library: str,
    names: Sequence[Any],
    index: tuple[Any, ...] | None,
    columns: Iterable[tuple[tuple[Any, ...] | None, np.ndarray]],
) -> Any:
    """A frame of columns: of each the dtype in plain form, None to find one, and the cells (n,)."""
    module = dtypes.module_of(library)
    made = [dtypes.made_column(cells, dtype, library) for dtype, cells in columns]
    if library == "pyarrow":
        return module.Table.from_arrays(made, names=[*map(str, names)])
    if library == "polars":
        return module.DataFrame(dict(zip(map(str, names), made, strict=True)))
    # Nobody else has the columns: a copy would double the memory.
    frame = module.DataFrame(dict(enumerate(made)), copy=False)
    frame.columns = pandas_frames.made_index(names, index, module)
    return frame


def frame_of_row(
    library: str, names: Sequence[Any], index: tuple[Any, ...] | None, values: Sequence[Any]
) -> Any:
    """A frame of one row, whose columns are of the dtypes that their values have."""
    return make_frame(library, names, index, ((None, _objects([value])) for value in values))


def fit_together(dtype: tuple[Any, ...], labels: np.ndarray | None) -> bool:
    """Whether a column of a dtype in plain form may have these labels."""
    if not is_declared(dtype):
        return True
    return labels is not None and np.array_equal(declared_labels(dtype), labels)


def check_plain(
    library: str | None,
    names: tuple[Any, ...] | None,
    index: tuple[Any, ...] | None,
    plain_dtypes: Iterable[tuple[Any, ...]],
) -> None:
    """Raise an error if plain forms that come from a file are not of dtypes and of an index."""
    if library not in LIBRARIES:
        for kind, name in plain_dtypes:
            if kind != "numpy" or np.dtype(name).kind not in "biuf":
                raise ValueError(f"{name!s} is no dtype of numbers.")
        return
    try:
        module = dtypes.module_of(library)
    except ImportError:  # nor can there be a frame to ask it of
        return
    for plain in plain_dtypes:
        dtypes.check_plain(plain, library)
    if library == "pandas":
        pandas_frames.made_index(names or (), index, module)


def sparse_matrix(X: Any) -> Any:
    """The sparse matrix that a frame of pandas holds, if all its columns are sparse; else X."""
    if library_of(X) != "pandas" or not X.shape[1]:
        return X
    return pandas_frames.sparse_matrix(X, dtypes.module_of("pandas"))


def copy_frame(X: Any) -> Any:
    """A frame that may be changed in place of X; those that cannot be changed as they are."""
    return X.copy() if library_of(X) == "pandas" else X


def is_of_no_kind(X: Any, j: int) -> bool:
    """Whether the dtype of a column says that it has no value, and not of what kind it might be."""
    import narwhals.stable.v2 as nw

    return bool(_opened(X)[:, j].dtype == nw.Unknown)


def filled_column(
    X: Any,
    j: int,
    rows: np.ndarray,
    values: np.ndarray,
    labels: np.ndarray | None,
    numbers: Numbers | None,
    dtype: tuple[Any, ...] | None,
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
    labels, numbers
        Those of the column that fit saw.
    dtype : tuple or None
        Its dtype, if the frame that fit saw was of the same library: a column without any value
        may have none of its own.
    """
    series = _opened(X)[:, j]
    own = _read(series, f"column {j}")
    plain: tuple[Any, ...] | None = own.dtype
    is_null = own.labels is not None and is_of_no_kind(X, j)
    if is_null or (own.labels is None) != (labels is None):  # it has no value, and is of no kind
        plain = dtype
    elif labels is None:
        numbers = own.numbers
    is_float = own.numbers is not None and own.numbers.kind == FLOAT and own.exact is None
    out = own.values.copy() if is_float and labels is None else _objects(series.to_list())
    if labels is None:
        assert numbers is not None
        out[rows] = numbers.restore(values)
    else:
        out[rows] = cells = labels[values.astype(np.intp)]
        plain = None if plain is None else dtypes.with_labels(plain, cells.tolist())
    return _with_column(X, j, out, plain)


def _with_column(X: Any, j: int, cells: np.ndarray, plain: tuple[Any, ...] | None) -> Any:
    """A frame with these cells (n,), None missing, in a column; that of pandas is changed."""
    library = str(library_of(X))
    if plain is not None and plain[0] == "CategoricalDtype":
        place = {label: i for i, label in enumerate(plain[1])}
        cells = np.array([place.get(label, -1) for label in cells.tolist()], int)
    column = dtypes.made_column(cells, plain, library)
    if library == "pyarrow":
        return X.set_column(j, X.column_names[j], column)
    if library == "polars":
        return X.with_columns(column.alias(X.columns[j]))
    X.isetitem(j, column.set_axis(X.index))
    return X


def with_holes(X: Any, j: int, holes: np.ndarray) -> Any:
    """The frame X with no value in the rows `holes` (n,) of a column; that of pandas is changed."""
    series = _opened(X)[:, j]
    cells = _objects(series.to_list())
    cells[holes] = None
    return _with_column(X, j, cells, dtypes.plain_dtype(series))


def columns_at(X: Any, positions: np.ndarray) -> Any:
    """The columns of a frame at these positions."""
    return _opened(X)[:, positions.tolist()].to_native()


def with_columns(X: Any, names: Sequence[Any], columns: Iterable[np.ndarray]) -> Any:
    """A frame with more columns (n,), of booleans, after its own; that of pandas is changed."""
    import narwhals.stable.v2 as nw

    library: Any = library_of(X)
    for name, cells in zip(names, columns, strict=True):
        if library == "pandas":  # where a name may be a tuple
            X[name] = cells
        else:
            series = nw.new_series(str(name), cells.tolist(), nw.Boolean(), backend=library)
            X = _opened(X).with_columns(series).to_native()
    return X


def without_value(X: Any, value: Any) -> Any:
    """A frame whose cells with this value, a number or a label, are missing."""
    out = X
    for j, series in enumerate(_opened(X).iter_columns()):
        plain, found = dtypes.plain_dtype(series), _cells_with(series, value)
        if plain is not None and found.any():  # others are refused where they are read
            cells = _objects(series.to_list())
            cells[found | series.is_null().to_numpy()] = None
            out = copy_frame(X) if out is X else out
            out = _with_column(out, j, cells, dtypes.with_holes(plain, value))
    return out


def _cells_with(series: Any, value: Any) -> np.ndarray:
    """Which cells (n,) of a series have this value."""
    if dtypes.numbers_of(series) is None:
        return np.fromiter((bool(_is(cell, value)) for cell in series.to_list()), bool, len(series))
    if not isinstance(value, Real):
        return np.zeros(len(series), bool)
    return np.asarray((series == value).fill_null(False).to_numpy(), bool)


def _is(cell: Any, value: Any) -> bool:
    return type(cell).__name__ != "NAType" and cell == value


def with_dtypes_of(X: Any, like: Any) -> Any:
    """A frame with the dtypes that the same columns have elsewhere, if nothing is missing there."""
    for j, series in enumerate(_opened(like).iter_columns()):
        own = _opened(X)[:, j]
        wanted, plain = dtypes.plain_dtype(series), dtypes.plain_dtype(own)
        if wanted is not None and not _are_equal(wanted, plain) and not own.null_count():
            cells = _objects(own.to_list())
            X = _with_column(X, j, cells, dtypes.with_labels(wanted, cells.tolist()))
    return X


def _are_equal(one: tuple[Any, ...], other: tuple[Any, ...] | None) -> bool:
    """Whether two dtypes in plain form are the same."""
    return other is not None and len(one) == len(other) and all(map(np.array_equal, one, other))
