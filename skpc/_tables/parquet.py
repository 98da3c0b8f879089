"""Parquet files, and what else of Arrow is read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skpc._checks import shown

_BATCH_CELLS = 2**21


def batches(data: Any) -> Iterator[Any]:
    """Tables of Arrow, of some rows each: of a Parquet file or folder, or of a data set."""
    if isinstance(data, Path):
        data = _opened(data)
    n_rows = max(1, _BATCH_CELLS // max(1, len(data.schema)))
    for fragment in data.get_fragments():
        yield from batches_of_fragment(fragment, data.schema, n_rows)


def batches_of_fragment(fragment: Any, schema: Any, n_rows: int) -> Iterator[Any]:
    """Tables of at most so many rows of a file of a data set, with some columns of the latter.

    A scanner of Arrow would do, but decodes whole groups of rows, and ahead.
    """
    import pyarrow
    from pyarrow import dataset, parquet

    if not isinstance(fragment, dataset.ParquetFileFragment):  # of another format
        yield from map(pyarrow.Table.from_batches, zip(fragment.to_batches(schema=schema)))
        return
    # Folders called year=2024 are a column of what is in them.
    values = dataset.get_partition_keys(fragment.partition_expression)
    with fragment.filesystem.open_input_file(fragment.path) as stream:
        file = parquet.ParquetFile(stream)
        stored = [name for name in schema.names if name in file.schema_arrow.names]
        for batch in file.iter_batches(n_rows, columns=stored):
            arrays = [
                batch.column(field.name).cast(field.type)
                if field.name in stored
                else pyarrow.repeat(pyarrow.scalar(values.get(field.name), field.type), len(batch))
                for field in schema
            ]
            yield pyarrow.Table.from_arrays(arrays, schema=schema)


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
    return table.to_pandas() if is_arrow else table


def _opened(path: Path) -> Any:
    if not path.exists():
        raise ValueError(
            f"X={shown(str(path))} is no file or folder. Pass the path of Parquet data, or a "
            "table, such as pandas.read_csv(X)."
        )
    try:
        from pyarrow import ArrowInvalid, dataset
    except ImportError as error:
        raise ImportError(
            "Reading Parquet needs pyarrow: install it, or skpc with its extra, skpc[parquet]."
        ) from error
    try:
        return dataset.dataset(path, format="parquet", partitioning="hive")
    except (ArrowInvalid, OSError) as error:
        raise ValueError(
            f"X={shown(str(path))} is no Parquet data ({str(error).splitlines()[0]}). Of other "
            "files pass a function that returns an iterator of frames, such as "
            "lambda: pandas.read_csv(path, chunksize=100_000)."
        ) from error
