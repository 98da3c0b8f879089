"""Types of Arrow in plain form, and arrays of them: of its tables and of pandas' ArrowDtype."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain_type(array: Any) -> tuple[Any, ...]:
    """The plain form of the type of an array, see `made_type`, and its labels if they are ordered.

    Types are kept as Arrow writes them. The labels of a dictionary are data, not a part of its
    type; their order counts if the type says so.
    """
    import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]

    written = pyarrow.schema([("", array.type)]).serialize().to_pybytes()
    if not (pyarrow.types.is_dictionary(array.type) and array.type.ordered):
        return "ArrowDtype", written
    chunks = pyarrow.chunked_array([array]) if isinstance(array, pyarrow.Array) else array
    chunks = chunks.unify_dictionaries().chunks
    found = chunks[0].dictionary.to_pylist() if chunks else []
    labels = np.empty(len(found), object)
    labels[:] = found
    return "ArrowDtype", written, labels


def made_type(plain: tuple[Any, ...]) -> Any:
    """The type that has a plain form."""
    import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]

    kind, written, *_ = plain
    if kind != "ArrowDtype" or not isinstance(written, bytes):
        raise ValueError(f"pyarrow has no type {kind!s}.")
    return pyarrow.ipc.read_schema(pyarrow.py_buffer(written)).field(0).type


def made_array(cells: np.ndarray, plain: tuple[Any, ...]) -> Any:
    """An array of a type in plain form and of these cells, None missing."""
    import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]

    wanted = made_type(plain)
    if not pyarrow.types.is_dictionary(wanted):
        return pyarrow.array(cells.tolist(), wanted)
    labels = plain[2].tolist() if len(plain) > 2 else [*dict.fromkeys(cells.tolist())]
    place = {label: i for i, label in enumerate(label for label in labels if label is not None)}
    return pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([place.get(cell) for cell in cells.tolist()], wanted.index_type),
        pyarrow.array([*place], wanted.value_type),
        ordered=wanted.ordered,
    )
