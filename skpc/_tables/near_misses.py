"""What is nearly a table, and how one is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skpc._tables.frames import is_frame

_WAYS_TO_FRAMES = "to_native", "toPandas", "collect", "to_dataframe", "to_pandas", "compute"
_TABLES = "Pass an array, or a frame of pandas, polars or Arrow"


def refuse_near_misses(X: Any) -> None:
    """Raise a ValueError that says how to make a table of what is nearly one."""
    if is_frame(X) or issparse(X):
        return
    remedy = _remedy(X)
    if remedy is not None:
        raise ValueError(
            f"X must be a table of two dimensions; got a {type(X).__name__}. {remedy}."
        )


def _remedy(X: Any) -> str | None:
    """What to pass in place of X; None of what may be an array."""
    kind = type(X).__name__
    if X is None or isinstance(X, type):
        return _TABLES
    if isinstance(X, (str, bytes, PathLike)):
        return "Read the file first, for instance with pandas.read_csv(X)"
    if kind.endswith("GroupBy"):
        return "Take its frames one by one, such as [model.fit(frame) for _, frame in X]"
    if kind == "Series" and hasattr(X, "to_frame"):
        return "It is one column: pass X.to_frame(), or reshape a row to (1, n_features)"
    if isinstance(X, np.ndarray):
        return _remedy_of_array(X)
    return _remedy_of_library(X) or _remedy_of_python(X)


def _remedy_of_array(X: np.ndarray) -> str | None:
    if isinstance(X, np.ma.MaskedArray):
        way = "Mark what is masked with NaN: X.astype(float).filled(numpy.nan)"
        return way if np.ma.is_masked(X) else None
    return "It has named fields: pass pandas.DataFrame(X)" if X.dtype.names is not None else None


def _remedy_of_library(X: Any) -> str | None:
    """What libraries of tables have that is no table in memory."""
    library = type(X).__module__.partition(".")[0]
    if library == "dask" and type(X).__name__.startswith("Delayed"):  # has any attribute
        return "Pass X.compute(), or dask.dataframe.from_delayed(X) to an estimator of skpc.dask"
    if library in ("zarr", "h5py") and not hasattr(X, "shape"):
        return "Pass one of its arrays, such as X['name']"
    way = next((way for way in _WAYS_TO_FRAMES if callable(getattr(X, way, None))), None)
    has_columns = hasattr(type(X), "columns") or isinstance(X, Mapping)
    if way is None or not (has_columns or not hasattr(X, "__array__")):
        return None
    remedy = f"Pass X.{way}()"
    return f"{remedy}, or X to an estimator of skpc.dask" if "dask" in library else remedy


def _remedy_of_python(X: Any) -> str | None:
    """What mappings, lists and iterators may be meant to be."""
    if isinstance(X, Mapping):
        return "Pass pandas.DataFrame(X), if these are its columns"
    if isinstance(X, (list, tuple)) and len(X) and isinstance(X[0], Mapping):
        return "Pass pandas.DataFrame(X), if these are its rows"
    if isinstance(X, (list, tuple)) and len(X) and isinstance(X[0], (str, PathLike)):
        return "Pass the folder that they are in, or pyarrow.dataset.dataset(X), if these are files"
    if isinstance(X, Sequence) or hasattr(X, "__array__") or np.isscalar(X):
        return None
    if isinstance(X, Iterable):
        return (
            "Pass a function that returns a new one each time, such as lambda: "
            "pandas.read_csv(path, chunksize=100_000), if it gives tables, to fit; or list(X), if "
            "it gives rows"
        )
    return _TABLES
