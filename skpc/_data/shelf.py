"""A sequence of objects that are kept in memory as far as there is room, the others in a file."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


class Shelf:
    """Objects in the order in which they came; the file goes with it.

    Parameters
    ----------
    max_bytes : int
        How much memory objects may take before others go to a temporary file.
    """

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._objects: list[Any] = []
        self._places: list[int] = []
        self._file: Any = None

    def __len__(self) -> int:
        return len(self._objects) + len(self._places)

    def append(self, thing: Any, n_bytes: int) -> None:
        """Add an object of so many bytes."""
        if not self._places and n_bytes <= self._room:
            self._room -= n_bytes
            self._objects.append(thing)
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115
                weakref.finalize(self, _closed, self._file)
            self._places.append(self._file.seek(0, 2))
            pickle.dump(thing, self._file, protocol=pickle.HIGHEST_PROTOCOL)
            self._file.flush()
        except OSError as error:
            raise OSError(
                error.errno,
                f"rows that do not fit into memory cannot be kept in a temporary file in "
                f"{tempfile.gettempdir()}: {error.strerror}. Set TMPDIR to a folder with more room",
            ) from error

    def __getitem__(self, number: int) -> Any:
        if number < len(self._objects):
            return self._objects[number]
        self._file.seek(self._places[number - len(self._objects)])
        return pickle.load(self._file)

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self)))

    def part(self, numbers: Iterable[int]) -> ShelfPart:
        """Some of the objects, each taken when it is asked for."""
        return ShelfPart(self, tuple(map(int, numbers)))


def _closed(file: Any) -> None:
    with suppress(OSError):  # of what there was no room for
        file.close()


@dataclass(frozen=True)
class ShelfPart:
    """Some objects of a shelf, to be gone through again and again."""

    shelf: Shelf
    numbers: tuple[int, ...]

    def __iter__(self) -> Iterator[Any]:
        return map(self.shelf.__getitem__, self.numbers)
