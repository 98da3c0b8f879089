"""CSV files that the command line reads, as a whole or in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skpc._checks import shown
from skpc._cli.messages import UsageError

_FIRST_ROWS = 1_000  # of a chunk that says how many columns there are
_COMPRESSED = {".gz", ".bz2", ".xz", ".zip", ".zst"}
_COMPRESSION = 8  # how much larger a table is than its compressed file
_INTEGER, _UNSIGNED, _NUMBER = "Int64", "UInt64", "Float64"
_BOOLEAN, _LABEL = "boolean", "string"


class CsvFile:
    """A CSV file with a line of names; empty cells are missing.

    Parameters
    ----------
    path : str
        Or a URL that pandas reads.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            import pandas
        except ImportError as error:
            raise UsageError('tables need pandas: pip install "skpc[cli]"') from error
        self._pandas = pandas

    @property
    def can_be_read_again(self) -> bool:
        """Whether it is no pipe."""
        path = Path(self.path)
        return path.is_file() or not path.exists()

    def n_bytes(self) -> int:
        """About how much text there is; 0 if that is not known."""
        path = Path(self.path)
        factor = _COMPRESSION if path.suffix in _COMPRESSED else 1
        return factor * path.stat().st_size if path.is_file() else 0

    def whole(self) -> Any:
        """All of it as one frame."""
        with self._reading():
            frame = self._open()
        self._check_width(frame)
        return frame

    def chunks(
        self,
        n_rows: Callable[[int], int],
        choose: Callable[[list[str]], list[str]],
        dtype: dict[str, Any] | None = None,
    ) -> Iterator[Any]:
        """Frames of so many rows, of the columns that `choose` picks from all names.

        Parameters
        ----------
        n_rows : callable
            Is given how many columns there are.
        choose : callable
            Is given all names, once, and returns some of them.
        dtype : dict or None
            Of some columns; what others hold may not change.
        """
        columns: list[str] | None = None
        seen = ColumnKinds()
        for frame in self._frames(n_rows, dtype):
            if columns is None:
                columns = choose(list(frame))
            frame = frame[columns]
            seen.add(frame[[name for name in columns if name not in (dtype or {})]])
            if mixed := [name for name in seen.names if seen.is_mixed(name)]:
                raise UsageError(
                    f"{self.path} holds true or false in some rows of column {shown(mixed[0])} and "
                    "numbers in others. Write 0 and 1."
                )
            yield frame

    def kinds(self, n_rows: Callable[[int], int]) -> tuple[ColumnKinds, int]:
        """What the columns of the whole file hold, and how many rows there are."""
        seen, total = ColumnKinds(), 0
        for frame in self._frames(n_rows, None):
            seen.add(frame)
            total += len(frame)
        return seen, total

    def _frames(self, n_rows: Callable[[int], int], dtype: dict[str, Any] | None) -> Iterator[Any]:
        """Frames of all columns that have rows."""
        with self._reading():
            reader = self._open(dtype=dtype, iterator=True)
        with reader:
            size = min(_FIRST_ROWS, n_rows(1))
            while True:
                with self._reading():
                    try:
                        frame = reader.get_chunk(size)
                    except StopIteration:
                        return
                if frame.empty:
                    return
                self._check_width(frame)
                size = n_rows(frame.shape[1])
                yield frame

    def _open(self, **options: Any) -> Any:
        return self._pandas.read_csv(
            self.path,
            dtype_backend="numpy_nullable",  # integers and booleans stay so beside empty cells
            skipinitialspace=True,
            low_memory=False,
            **options,
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Say which file cannot be read, and why."""
        try:
            yield
        except OSError as error:
            raise UsageError(f"cannot read {self.path}: {error.strerror or error}.") from error
        except ImportError as error:  # of a compressed file, or one elsewhere
            raise UsageError(f"cannot read {self.path}: {error}") from error
        except MemoryError:
            raise
        except Exception as error:  # whatever unpacking and reading other bytes does
            raise UsageError(f"{self.path} is no CSV file that can be read: {error}") from error

    def _check_width(self, frame: Any) -> None:
        if not isinstance(frame.index, self._pandas.RangeIndex):
            raise UsageError(
                f"{self.path} has more cells in its rows than names in its first line."
            )


class ColumnKinds:
    """What columns hold that are read in chunks, each with dtypes of its own."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._seen: dict[str, set[str]] = {}
        self._has_missing: set[str] = set()
        self._has_negative: set[str] = set()

    def add(self, frame: Any) -> None:
        """Take a chunk in."""
        self.names = list(frame)
        for name in self.names:
            column = frame[name]
            seen = self._seen.setdefault(name, set())
            is_missing = column.isna()
            if is_missing.any():
                self._has_missing.add(name)
            if is_missing.all():
                continue
            seen.add(str(column.dtype))
            if str(column.dtype) == _INTEGER and column.min() < 0:
                self._has_negative.add(name)

    def is_mixed(self, name: str) -> bool:
        """Whether a column of no labels is one if it is read as a whole."""
        seen = self._seen[name]
        return _BOOLEAN in seen and not seen.isdisjoint((_INTEGER, _UNSIGNED, _NUMBER))

    def dtype(self, name: str) -> str:
        """The dtype of a column in a whole file."""
        seen = self._seen[name]
        if not seen <= {_INTEGER, _UNSIGNED, _NUMBER}:
            return _BOOLEAN if seen == {_BOOLEAN} else _LABEL
        if _UNSIGNED in seen:
            if seen <= {_INTEGER, _UNSIGNED} and name not in self._has_missing | self._has_negative:
                return _UNSIGNED
            raise UsageError(
                f"column {shown(name)} has integers beyond 2^63 beside missing, negative or other "
                "numbers. Subtract an offset, or leave the column out."
            )
        return _NUMBER if _NUMBER in seen else _INTEGER
