"""What has been done of a fit, in a file, so that another process can go on from there.

Learning is deterministic: a fit that is begun again comes to the same pieces of work in the same
order. So the file has what came of those that were finished, and the state of the one that was not.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skpc._checks import shown
from skpc._circuit.circuit import Circuit, from_dict, to_dict
from skpc._circuit.format import flattened, unflattened

FORMAT, VERSION = "skpc-checkpoint", 1
_SECONDS = 10.0  # from one writing to the next, at least
_SHARE = 0.05  # of the time, at most, that writing takes


class _Record(NamedTuple):
    """A value, packed: a tree that JSON can hold, and the arrays that it numbers."""

    is_finished: bool
    tree: Any
    arrays: list[np.ndarray]


class Journal:
    """What came of pieces of work, by key, and the state of one that is not finished.

    Values are plain: numbers, text, None, arrays of numbers, circuits, and dicts, lists and tuples
    of such. Nothing in a file is ever run. Arrays must not be changed afterwards, unless they are
    of a state.

    As a context it writes what it has when an error or Ctrl-C ends the work within, and otherwise
    removes the file, unless it `is_kept`.

    Parameters
    ----------
    path : path-like or None
        None keeps nothing.

    Attributes
    ----------
    is_open : bool
        Whether there is a file.
    is_kept : bool
        Whether it is to stay.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._facts: dict[str, str] = {}
        self._records: dict[str, _Record] = {}
        self._next = 0.0
        self._has_news = False
        self.is_open = self._path is not None
        self.is_kept = False
        if self._path is not None and self._path.exists():
            self._read(self._path)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self._path is None:
            return
        if kind is None and not self.is_kept:
            self._path.unlink(missing_ok=True)
        elif self._has_news:
            self._write(time.monotonic())

    def check(self, what: str, value: str) -> None:
        """Raise ValueError if the file is of a fit of which something was not the same."""
        known = self._facts.setdefault(what, value)
        if known != value:
            raise ValueError(
                f"checkpoint={shown(str(self._path))} is of another fit, whose {what} is {known}, "
                f"and not {value}. Fit as before to go on, or give another path, or delete the "
                "file to begin anew."
            )

    def resume_random(self, key: str, random_state: np.random.RandomState) -> None:
        """Set a generator to the state that it had when this was called with the key first."""
        if self.is_open:
            state = self.piece(key, lambda: random_state.get_state(legacy=False))
            random_state.set_state(state)

    def piece(self, key: str, compute: Callable[[], Any]) -> Any:
        """What came of a piece of work that was finished before, or else what is computed now."""
        is_finished, value = self.find(key)
        if not is_finished:
            value = compute()
            self.finish(key, lambda: value)
        return value

    def find(self, key: str) -> tuple[bool, Any]:
        """Whether a piece of work was finished, and what came of it; or else its state, or None."""
        if key not in self._records:
            return False, None
        is_finished, tree, arrays = self._records[key]
        return is_finished, _unpacked(tree, arrays)

    def finish(self, key: str, value: Callable[[], Any]) -> None:
        """Keep what came of a piece of work."""
        if self.is_open:
            arrays: list[np.ndarray] = []
            self._records[key] = _Record(True, _packed(value(), arrays), arrays)
            self._has_news = True
            if self._is_due():  # at first, too: better to know at once what cannot be written
                self._write(time.monotonic())

    def note(self, key: str, state: Callable[[], Any]) -> None:
        """Keep the state of a piece of work, if it is time to."""
        if self.is_open and self._is_due():
            began = time.monotonic()
            arrays: list[np.ndarray] = []
            tree = _packed(state(), arrays)
            self._records[key] = _Record(False, tree, [array.copy() for array in arrays])
            self._write(began)

    def _is_due(self) -> bool:
        return time.monotonic() >= self._next

    def _write(self, began: float) -> None:
        """Put a whole file in the place of the last one, whatever happens on the way."""
        assert self._path is not None
        arrays = [array for record in self._records.values() for array in record.arrays]
        records = [
            (key, record.is_finished, record.tree, len(record.arrays))
            for key, record in self._records.items()
        ]
        header = {"format": FORMAT, "version": VERSION, "facts": self._facts, "records": records}
        text = np.frombuffer(json.dumps(header).encode(), np.uint8)
        new = self._path.with_name(f"{self._path.name}.tmp")
        with open(new, "wb") as file:
            numbered: dict[str, Any] = {str(i): array for i, array in enumerate(arrays)}
            np.savez(file, header=text, **numbered)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)
        self._has_news = False
        now = time.monotonic()
        self._next = now + max(_SECONDS, (now - began) / _SHARE)

    def _read(self, path: Path) -> None:
        try:
            with open(path, "rb") as file, np.load(_zipped(file), allow_pickle=False) as archive:
                header = json.loads(archive["header"].tobytes())
                if header["format"] != FORMAT:
                    raise ValueError("it has another format.")
                if header["version"] != VERSION:
                    raise ValueError(f"its format has version {header['version']}, not {VERSION}.")
                numbers = iter(range(len(archive.files)))
                for key, is_finished, tree, n_arrays in header["records"]:
                    arrays = [archive[str(next(numbers))] for _ in range(n_arrays)]
                    _unpacked(tree, arrays)  # circuits are checked before any work is done
                    self._records[key] = _Record(bool(is_finished), tree, arrays)
                self._facts = {str(name): str(value) for name, value in header["facts"].items()}
        except OSError:
            raise
        except Exception as error:  # a damaged file may raise anything
            text = str(error).rstrip(".") or type(error).__name__
            raise ValueError(
                f"checkpoint={shown(str(path))} cannot be read: {text}. Delete the file to begin "
                "anew, or give another path."
            ) from error


def _zipped(file: IO[bytes]) -> IO[bytes]:
    """The file, if it can be one of arrays: of others NumPy would say to take pickles."""
    if file.read(2) != b"PK":
        raise ValueError("it is no checkpoint.")
    file.seek(0)
    return file


def digest(*values: Any) -> str:
    """A fingerprint of arrays, circuits, and whatever consists of such."""
    found = hashlib.sha256()
    for value in values:
        _feed(found, value)
    return found.hexdigest()


def _feed(found: Any, value: Any) -> None:
    if isinstance(value, Circuit):
        value = flattened(to_dict(value))
    if isinstance(value, np.ndarray) and value.dtype != object:
        found.update(f"array {value.dtype.str} {value.shape} ".encode())
        found.update(np.ascontiguousarray(value).view(np.uint8).data if value.size else b"")
    elif issparse(value):
        _feed(found, (value.shape, value.data, value.indices, value.indptr))
    elif is_dataclass(value):
        _feed(found, [getattr(value, field.name) for field in fields(value) if field.compare])
    elif isinstance(value, dict):
        _feed(found, list(value.items()))
    elif isinstance(value, (list, tuple)):
        found.update(f"{len(value)} of ".encode())
        for item in value:
            _feed(found, item)
    else:
        found.update(f"{shown(value)} ".encode())


def check_form(found: Any, like: Any) -> None:
    """Raise ValueError unless a value that was read has the form of another: compiled code relies
    on shapes, and on what numbers stand for. Only numbers that are measured may differ.
    """
    found_arrays: list[np.ndarray] = []
    like_arrays: list[np.ndarray] = []
    is_same = _form(_packed(found, found_arrays)) == _form(_packed(like, like_arrays))
    for one, other in zip(found_arrays, like_arrays, strict=False):
        is_same &= one.dtype == other.dtype and one.shape == other.shape
        is_same &= one.dtype.kind == "f" or np.array_equal(one, other)
    if not is_same:
        raise ValueError(
            "The file that checkpoint names is damaged: it has the state of something else. Delete "
            "it to begin anew, or give another path."
        )


def _form(tree: Any) -> Any:
    """A packed value but for its numbers."""
    if isinstance(tree, dict):
        return {name: _form(item) for name, item in tree.items() if name != "array"}
    if isinstance(tree, list):
        return [_form(item) for item in tree]
    return type(tree)


def _packed(value: Any, arrays: list[np.ndarray]) -> Any:
    """A value as a tree for JSON; its arrays go to a list."""
    if isinstance(value, Circuit):
        return {"circuit": _packed(flattened(to_dict(value)), arrays)}
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"dict": {name: _packed(item, arrays) for name, item in value.items()}}
    if isinstance(value, (list, tuple)):
        items = [_packed(item, arrays) for item in value]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if isinstance(value, np.generic):
        return value.item()
    if not (value is None or isinstance(value, (bool, int, float, str))):
        raise TypeError(f"a {type(value).__name__} cannot be kept")
    return value


def _unpacked(tree: Any, arrays: list[np.ndarray]) -> Any:
    """The value of `_packed`, with arrays of its own."""
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "array":
        return arrays[content].copy()
    if kind == "dict":
        return {name: _unpacked(item, arrays) for name, item in content.items()}
    if kind == "circuit":
        return from_dict(unflattened(_unpacked(content, arrays)))
    items = [_unpacked(item, arrays) for item in content]
    return tuple(items) if kind == "tuple" else items
