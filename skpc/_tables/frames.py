"""Frames: columns read, made and filled, by the library that a frame is of.

Only this file and those of single libraries, `pandas_frames` and `polars_frames`, know frames.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from skpc._tables import pandas_frames, polars_frames
from skpc._tables.cells import Cells
from skpc._tables.numbers import Numbers


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
        return polars_frames.read(X.to_series(j), module, name)
    return pandas_frames.read(X.iloc[:, j], module, name)


def part_of(X: Any, rows: slice) -> Any:
    """Some rows of a frame."""
    return X[rows] if frame_module(X).__name__ == "polars" else X.iloc[rows]


def concatenated(tables: Sequence[Any]) -> Any:
    """One table of the rows of several frames or arrays with the same columns."""
    module = frame_module(tables[0])
    if module is None:
        return np.concatenate(tables)
    if module.__name__ == "polars":
        return module.concat(tables, how="vertical_relaxed")
    return module.concat(tables, ignore_index=True)


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
        dtypes = tuple(pandas_frames.plain_dtype(level.dtype, module) for level in index.levels)
        return "MultiIndex", tuple(index.names), dtypes
    return type(index).__name__, index.name, pandas_frames.plain_dtype(index.dtype, module)


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
                module.Series(
                    str(name), cells.tolist(), dtype=polars_frames.made_dtype(dtype, module)
                )
                for name, (dtype, cells) in zip(names, columns, strict=True)
            ]
        )
    series = {
        j: pandas_frames.made_series(cells, dtype, module)
        for j, (dtype, cells) in enumerate(columns)
    }
    # Nobody else has the columns: a copy would double the memory.
    frame = module.DataFrame(series, copy=False)
    frame.columns = pandas_frames.made_index(names, index, module)
    return frame


def frame_of_row(
    library: str, names: Sequence[Any], index: tuple[Any, ...] | None, values: Sequence[Any]
) -> Any:
    """A frame of one row, whose columns are of the dtypes that their values have."""
    module = sys.modules.get(library) or __import__(library)
    if library == "polars":
        return module.DataFrame(
            [module.Series(str(name), [value]) for name, value in zip(names, values, strict=True)]
        )
    frame = module.DataFrame({j: [value] for j, value in enumerate(values)})
    frame.columns = pandas_frames.made_index(names, index, module)
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
        polars_frames.made_dtype(
            dtype, module
        ) if library == "polars" else pandas_frames.made_dtype(dtype, module)
    if library == "pandas":
        pandas_frames.made_index(names or (), index, module)


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
        return X.with_columns(
            polars_frames.filled(series, rows, values, labels, numbers, dtype, module)
        )
    series = X.iloc[:, j]
    X.isetitem(j, pandas_frames.filled(series, rows, values, labels, numbers, module))
    return X


def with_holes(X: Any, j: int, holes: np.ndarray) -> Any:
    """The frame X with no value in the rows `holes` (n,) of a column; it is changed if pandas's."""
    module = frame_module(X)
    if module.__name__ == "polars":
        series = X.to_series(j)
        nothing = module.Series(series.name, [None] * len(series), dtype=series.dtype)
        return X.with_columns(series.zip_with(module.Series(~holes), nothing))
    X.isetitem(j, X.iloc[:, j].mask(holes))
    return X
