"""Parquet files, and what else of Arrow is read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BATCH_ROWS = 2**17


def batches(path: Any) -> Iterator[Any]:
    """Record batches of a Parquet file, of a folder of them, or of a data set of Arrow."""
    if isinstance(path, Path):
        path = _opened(path)
    # Few batches ahead: by default Arrow reads sixteen, each of them decoded.
    yield from path.to_batches(batch_size=_BATCH_ROWS, batch_readahead=1, fragment_readahead=1)


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
            f"X={str(path)!r} is no file or folder. Pass the path of Parquet data, or a table, "
            "such as pandas.read_csv(X)."
        )
    try:
        from pyarrow import ArrowInvalid, dataset  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError(
            "Reading Parquet needs pyarrow: install it, or skpc with its extra, skpc[parquet]."
        ) from error
    try:
        return dataset.dataset(path, format="parquet")
    except (ArrowInvalid, OSError) as error:
        raise ValueError(
            f"X={str(path)!r} is no Parquet data ({str(error).splitlines()[0]}). Of other files "
            "pass a function that returns an iterator of frames, such as "
            "lambda: pandas.read_csv(path, chunksize=100_000)."
        ) from error
