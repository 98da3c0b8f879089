"""Circuits in files: arrays in a zip archive of NumPy, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from skpc._checks import shown
from skpc._circuit.circuit import Circuit, from_dict, to_dict
from skpc._circuit.format import flattened, unflattened


def save(circuit: Circuit, path: str | PathLike[str]) -> None:
    """Write a circuit to a file of the kind that its suffix says."""
    suffix = _suffix(path)
    data = to_dict(circuit)
    if suffix == ".npz":
        with open(path, "wb") as file:
            np.savez(file, **flattened(data))
    else:
        text = json.dumps(_plain(data), allow_nan=False)
        Path(path).write_text(text, encoding="utf-8")


def load(path: str | PathLike[str]) -> Circuit:
    """The circuit in a file; no code of the file is run."""
    if _suffix(path) == ".npz":
        with open(path, "rb") as file, _reading(path):
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is no archive of arrays.")
            data = unflattened({name: archive[name] for name in archive.files})
            return from_dict(data)
    content = Path(path).read_bytes()
    with _reading(path):
        return from_dict(
            json.loads(
                content, parse_constant=_refuse_constant, object_pairs_hook=_refuse_repetition
            )
        )


def _suffix(path: str | PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in (".npz", ".json"):
        raise ValueError(
            f"path must end in .npz or .json, which says how a circuit is stored; got "
            f"{shown(str(path))}."
        )
    return suffix


@contextmanager
def _reading(path: str | PathLike[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged archive may raise anything
        text = str(error).rstrip(".") or type(error).__name__
        raise ValueError(
            f"{shown(str(path))} holds no circuit that can be read: {text}. If the file should "
            "hold one it is damaged: take another copy of it."
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it has {name}, and all numbers of a circuit must be finite.")


def _refuse_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has {shown(twice)} twice in one place")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value
