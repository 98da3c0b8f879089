"""Tables that the command line reads: whole while they are small, else in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from skpc._cli.csv_files import CsvFile
from skpc._cli.messages import UsageError
from skpc._cli.parquet_files import ParquetFile, is_parquet
from skpc._estimators.query_mixin import working_bytes

_MOST_ROWS = 2**17
_BYTES_PER_CELL = 64  # of strings, with room
_SHARE_OF_CHUNKS = 8  # of the working memory


def open_table(path: str) -> CsvFile | ParquetFile:
    """The file, by its name: a folder or .parquet is Parquet, anything else CSV."""
    place = Path(path)
    return ParquetFile(path) if is_parquet(place) or place.is_dir() else CsvFile(path)


def check_names(names: list[str], wanted: list[str]) -> None:
    """Say which column there is none of."""
    if missing := [name for name in wanted if name not in names]:
        raise UsageError(
            f"there is no column {missing[0]!r}; there are {', '.join(map(repr, names))}."
        )


def chunk_rows(given: int | None) -> Callable[[int], int]:
    """How many rows are read at a time of so many columns: as given, or some megabytes."""
    if given:
        return lambda _: given
    most = working_bytes() // _BYTES_PER_CELL // _SHARE_OF_CHUNKS
    return lambda n_columns: min(_MOST_ROWS, max(1, most // max(1, n_columns)))


class TrainingTable:
    """A table that is read as often as learning asks for it.

    Parameters
    ----------
    path : str
    n_chunk_rows : int or None
        So many rows are read at a time, or all if it is 0. None leaves that to the size of the
        table, which is read whole if scikit-learn's working memory holds it.

    Attributes
    ----------
    names : list of str
    n_rows : int
    is_in_chunks : bool
    """

    def __init__(self, path: str, n_chunk_rows: int | None = None) -> None:
        self._file = file = open_table(path)
        self._chunk_rows = chunk_rows(n_chunk_rows)
        self._frame: Any = None
        self._dtype_of: Callable[[str], Any] | None = None
        is_large = n_chunk_rows is None and file.n_bytes() > working_bytes()
        self.is_in_chunks = bool(n_chunk_rows) or is_large
        if not self.is_in_chunks:
            self._frame = file.whole()
            self.names, self.n_rows = list(self._frame), len(self._frame)
        elif not file.can_be_read_again:
            raise UsageError(f"{path} is no file that can be read twice: leave out --chunk-rows.")
        elif isinstance(file, CsvFile):
            kinds, self.n_rows = file.kinds(self._chunk_rows)
            self.names, self._dtype_of = kinds.names, kinds.dtype
        else:
            self.names, self.n_rows = file.names, file.n_rows()
        if not self.n_rows:
            raise UsageError(f"{path} has no rows.")

    def frames(self, columns: list[str]) -> Iterator[Any]:
        """Frames of some columns, which have all rows together."""
        if not self.is_in_chunks:
            yield self._frame[columns]
            return
        dtype = None
        if self._dtype_of is not None:
            dtype = {name: self._dtype_of(name) for name in columns}
        yield from self._file.chunks(self._chunk_rows, lambda _: columns, dtype)

    def X(self, columns: list[str]) -> Any:  # noqa: N802
        """Some columns, as `fit` of an estimator takes them."""
        return (lambda: self.frames(columns)) if self.is_in_chunks else self._frame[columns]
