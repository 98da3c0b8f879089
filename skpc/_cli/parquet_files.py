"""Parquet files, and folders of them, that the command line reads."""

from __future__ import annotations

import contextlib
import importlib
import json
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from skpc._cli.messages import UsageError, one_line
from skpc._cli.streams import called, copied
from skpc._tables.parquet import batches_of_fragment, open_dataset

_SUFFIXES = ".parquet", ".pq"
MAGIC = b"PAR1"  # how a file begins
_NOTES = b"pandas"
_BYTES_PER_CELL = 8
_WHOLE_ROWS = 2**16  # at a time
_INTEGERS = [f"{sign}nt{n_bits}" for sign in ("I", "UI") for n_bits in (8, 16, 32, 64)]


def is_parquet(path: Path) -> bool:
    """Whether a name is that of a Parquet file."""
    return path.suffix in _SUFFIXES


def holds_parquet(path: Path) -> bool:
    """Whether what a file begins with is Parquet, whatever its name."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def pyarrow_part(name: str = "") -> Any:
    """The library that reads and writes Parquet, or one of its modules."""
    try:
        return importlib.import_module(f"pyarrow.{name}" if name else "pyarrow")
    except ImportError as error:
        raise UsageError('Parquet needs pyarrow: pip install "skpc[parquet]"') from error


class ParquetFile:
    """A Parquet file, or a folder of them with the same columns.

    Frames have the dtypes that those of CSV files have: nullable ones, and strings for categories
    without an order.

    Parameters
    ----------
    path : str
    stream : open file or None
        What is copied to be read, if it has been opened.
    """

    def __init__(self, path: str, stream: Any = None) -> None:
        self.name = called(path)
        pyarrow_part("dataset")
        if stream is not None:
            weakref.finalize(self, stream.close)
            path = copied(stream, self, ".parquet")
        self._dataset, self._schema = self._asked(lambda: open_dataset(Path(path)))

    @property
    def names(self) -> list[str]:
        """The names of the columns, without those of an index."""
        return list(self._schema.empty_table().to_pandas())

    @property
    def schema(self) -> Any:
        """The types of all columns, with what is noted beside them."""
        return self._schema

    def n_bytes(self) -> int:
        """About how much memory the table takes."""
        return self.n_rows() * len(self.names) * _BYTES_PER_CELL

    def n_rows(self) -> int:
        """How many rows there are."""
        return int(self._asked(self._dataset.count_rows))

    def whole(self) -> Any:
        """All of it as one frame."""
        arrow, schema = pyarrow_part(), self._schema_of(self.names)
        parts = self._asked(
            lambda: [
                batch
                for fragment in self._dataset.get_fragments()
                for batch in batches_of_fragment(fragment, schema, _WHOLE_ROWS)
            ]
        )
        return self._frame(arrow.concat_tables([schema.empty_table(), *parts]))

    def chunks(
        self,
        n_rows: Callable[[int], int],
        choose: Callable[[list[str]], list[str]],
        dtype: Any = None,
    ) -> Iterator[Any]:
        """Frames of at most so many rows, of the columns that `choose` picks from all names.

        Parameters
        ----------
        n_rows : callable
            Is given how many columns there are.
        choose : callable
            Is given all names, once, and returns some of them.
        dtype : ignored
            The file has its own.
        """
        columns = choose(self.names)
        schema = self._schema_of(columns)
        for fragment in self._dataset.get_fragments():
            batches = batches_of_fragment(fragment, schema, n_rows(len(columns)))
            while (batch := self._asked(partial(next, batches, None))) is not None:
                yield self._frame(batch)

    def _schema_of(self, names: list[str]) -> Any:
        """The types of some columns."""
        return pyarrow_part().schema([self._schema.field(name) for name in names])

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """What Arrow answers; errors name the file."""
        try:
            return ask()
        except pyarrow_part("lib").ArrowException as error:
            raise UsageError(f"{self.name} is no Parquet data: {one_line(error)}") from error
        except OSError as error:
            raise UsageError(f"cannot read {self.name}: {one_line(error)}") from error
        except ValueError as error:
            raise UsageError(one_line(error)) from error

    def _frame(self, table: Any) -> Any:
        """The frame of a table of Arrow."""
        types = pyarrow_part("types")
        table = table.replace_schema_metadata()  # which may name an index
        for j, field in enumerate(table.schema):
            if types.is_dictionary(field.type) and not field.type.ordered:
                column = table.column(j).cast(field.type.value_type)
                table = table.set_column(j, field.name, column)
        return self._asked(lambda: table.to_pandas(types_mapper=_nullable))


class ParquetWriter:
    """A new Parquet file; its columns are those of the first frame.

    Parameters
    ----------
    path : Path
    like : schema of Arrow or None
        The types of columns that are to be kept, where they can hold what is written, with what
        pandas notes beside them.
    """

    def __init__(self, path: Path, like: Any = None) -> None:
        self._path, self._like = path, like
        self._writer: Any = None

    def __enter__(self) -> ParquetWriter:
        return self

    def write(self, frame: Any) -> None:
        """Add some rows."""
        arrow = pyarrow_part()
        if self._writer is None:
            table = arrow.Table.from_pandas(frame, preserve_index=False)
            if self._like is not None:
                table = _with_types(table, frame, self._like)
            self._writer = pyarrow_part("parquet").ParquetWriter(self._path, table.schema)
        else:
            table = arrow.Table.from_pandas(frame, self._writer.schema, preserve_index=False)
        self._writer.write_table(table.replace_schema_metadata(self._writer.schema.metadata))

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()


def _with_types(table: Any, frame: Any, like: Any) -> Any:
    """The table of a frame, with the types of another where they can hold it."""
    arrow = pyarrow_part()
    for j, name in enumerate(table.column_names):
        if name in like.names:
            field = like.field(name)
            with contextlib.suppress(pyarrow_part("lib").ArrowException):
                array = arrow.array(frame[name], type=field.type, from_pandas=True)
                table = table.set_column(j, field, arrow.chunked_array([array]))
    notes = dict(like.metadata or {})
    index = json.loads(notes.get(_NOTES, b"{}")).get("index_columns", [])
    if any(isinstance(name, str) and name not in table.column_names for name in index):
        return table  # with an index that is no column
    return table.replace_schema_metadata(notes or None)


def _nullable(kind: Any) -> Any:
    """The dtype of pandas for a type of Arrow, with a place for missing values, or None."""
    import pandas

    types = pyarrow_part("types")
    if types.is_integer(kind):
        return getattr(pandas, next(n for n in _INTEGERS if n.lower() == str(kind)) + "Dtype")()
    if types.is_boolean(kind):
        return pandas.BooleanDtype()
    if types.is_float32(kind):
        return pandas.Float32Dtype()
    if types.is_float64(kind):
        return pandas.Float64Dtype()
    if types.is_string(kind) or types.is_large_string(kind):
        return pandas.StringDtype()
    return None
