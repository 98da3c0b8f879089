"""Parquet files, and what else of Arrow is read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skpc._checks import shown
from skpc._tables.numbers import EXACT_LIMIT

_BATCH_CELLS = 2**21


def batches(data: Any) -> Iterator[Any]:
    """Tables of Arrow, of some rows each: of a Parquet file or folder, or of a data set."""
    if isinstance(data, Path):
        data, schema = _opened(data)
    else:
        schema = data.schema
    n_rows = max(1, _BATCH_CELLS // max(1, len(schema)))
    try:
        fragments = list(data.get_fragments())
    except ValueError:  # of a data set that is filtered
        yield from data.to_batches(batch_size=n_rows, batch_readahead=1, fragment_readahead=1)
        return
    for fragment in fragments:
        yield from batches_of_fragment(fragment, schema, n_rows)


def batches_of_fragment(fragment: Any, schema: Any, n_rows: int) -> Iterator[Any]:
    """Tables of at most so many rows of a file of a data set, with some columns of the latter.

    A scanner of Arrow would do, but decodes whole groups of rows, and ahead.
    """
    import pyarrow
    from pyarrow import dataset, parquet

    if not isinstance(fragment, dataset.ParquetFileFragment):  # of another format
        yield from fragment.to_batches(schema=schema)
        return
    # Folders called year=2024 are a column of what is in them.
    values = dataset.get_partition_keys(fragment.partition_expression)
    try:
        with fragment.filesystem.open_input_file(fragment.path) as stream:
            file = parquet.ParquetFile(stream)
            stored = [name for name in schema.names if name in file.schema_arrow.names]
            for batch in file.iter_batches(n_rows, columns=stored):
                arrays = [
                    batch.column(field.name).cast(field.type)
                    if field.name in stored
                    else pyarrow.repeat(
                        pyarrow.scalar(values.get(field.name), field.type), len(batch)
                    )
                    for field in schema
                ]
                yield pyarrow.Table.from_arrays(arrays, schema=schema)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(
            f"{fragment.path} cannot be read as Parquet: {str(error).splitlines()[0]}. Take "
            "another copy of it, or leave it out."
        ) from error


def is_dataset(X: Any) -> bool:
    """Whether X is a data set of Arrow."""
    return (
        type(X).__module__.startswith("pyarrow")
        and hasattr(X, "to_batches")
        and (hasattr(X, "scanner"))
    )


def to_frame(table: Any) -> Any:
    """A pandas frame of a table or record batch of Arrow; anything else as it is."""
    is_arrow = type(table).__module__.startswith("pyarrow") and hasattr(table, "to_pandas")
    if not is_arrow:
        return table
    return table.to_pandas(integer_object_nulls=_has_large_integers(table))


def _has_large_integers(table: Any) -> bool:
    """Whether there are missing values and integers, of which floats would lose some."""
    from pyarrow import compute, types

    for column in table.columns:
        if column.null_count and types.is_integer(column.type) and column.type.bit_width == 64:
            ends = compute.min_max(column).as_py()
            if max(abs(end or 0) for end in ends.values()) > EXACT_LIMIT:
                return True
    return False


def _opened(path: Path) -> tuple[Any, Any]:
    name = f"X={shown(str(path))}"
    if not path.exists():
        raise ValueError(
            f"{name} is no file or folder. Pass the path of Parquet data, or a table, such as "
            "pandas.read_csv(X)."
        )
    try:
        from pyarrow import ArrowException
    except ImportError as error:
        raise ImportError(
            "Reading Parquet needs pyarrow: install it, or skpc with its extra, skpc[parquet]."
        ) from error
    try:
        return open_dataset(path)
    except (ArrowException, OSError) as error:
        raise ValueError(
            f"{name} cannot be read as Parquet data ({str(error).splitlines()[0]}). Of other files "
            "pass a function that returns an iterator of frames, such as "
            "lambda: pandas.read_csv(path, chunksize=100_000), of zarr zarr.open_array(path)."
        ) from error


def open_dataset(path: Path) -> tuple[Any, Any]:
    """The data set of a Parquet file, or of a folder of them, and columns that hold all."""
    from pyarrow import dataset, unify_schemas

    if not path.is_dir():
        found = dataset.dataset(path, format="parquet")
        return found, found.schema
    found = dataset.dataset(path, format="parquet", partitioning="hive")
    schemas = [fragment.physical_schema for fragment in found.get_fragments()]
    return found, unify_schemas([found.schema, *schemas], promote_options="permissive")
