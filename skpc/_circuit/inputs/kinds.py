"""The kinds of input distributions that there are, by name."""

from __future__ import annotations

import re
from typing import TypeVar

from skpc._checks import shown
from skpc._circuit.inputs.base import InputDistribution

KINDS: dict[str, type[InputDistribution]] = {}
"""The kinds of distributions by name; see `register`."""

_Kind = TypeVar("_Kind", bound=type[InputDistribution])


def register(kind: _Kind) -> _Kind:
    """Make a kind of distribution known: a decorator of its class.

    Raises
    ------
    ValueError
        If another class has the name, or if the name is none that files can hold.
    """
    name = getattr(kind, "kind", None)
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_-]*", name) or name == "auto":
        raise ValueError(
            f"kind must be a name of small letters, digits, - and _, other than 'auto'; got "
            f"{shown(name)}. Rename the kind."
        )
    if KINDS.setdefault(kind.kind, kind) is not kind:
        raise ValueError(f"There is a distribution of kind {shown(kind.kind)} already.")
    return kind


def kind_named(name: str) -> type[InputDistribution]:
    """The kind of distribution of this name; ValueError if there is none."""
    if name not in KINDS:
        raise ValueError(f"There is no distribution of kind {name!r}, only {sorted(KINDS)}.")
    return KINDS[name]
