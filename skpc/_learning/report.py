"""What was tried in a fit, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from sys import float_info
from typing import Any, NamedTuple

import numpy as np

from skpc._learning.progress import FitResult


class Entry(NamedTuple):
    """A circuit that was tried.

    Attributes
    ----------
    candidate : str
        What it is called.
    n_latents, n_regions : int
    mu : float
    n_iter : int
        How many iterations were best, or were done if no rows told.
    validation_log_likelihood : float
        After these; NaN if no rows told.
    weight : float
        Of it in the circuit that was kept.
    seconds : float
    """

    candidate: str
    n_latents: int
    n_regions: int
    mu: float
    n_iter: int
    validation_log_likelihood: float
    weight: float
    seconds: float


TYPES = dict(zip(Entry._fields, (str, int, int, float, int, float, float, float), strict=True))
"""Of the fields of an entry."""


def as_arrays(entries: Sequence[Entry]) -> dict[str, np.ndarray]:
    """An array for each field of the entries."""
    entries = [entry._replace(mu=min(entry.mu, float_info.max)) for entry in entries]
    columns: list[Any] = list(zip(*entries, strict=True))
    pairs = zip(TYPES.items(), columns, strict=True)
    return {name: np.array(column, kind) for (name, kind), column in pairs}


def report_of(
    results: Sequence[FitResult], kept: FitResult, name: str | None = None
) -> dict[str, np.ndarray]:
    """The report of fits that differ in `mu` alone, of which one is kept."""
    entries = []
    for result in results:
        circuit = result.circuit
        entries.append(
            Entry(
                name or name_of(circuit.n_latents),
                circuit.n_latents,
                circuit.n_regions,
                result.mu,
                result.n_iter,
                np.nan if result.best_iteration is None else result.score,
                float(result is kept),
                result.seconds,
            )
        )
    return as_arrays(entries)


def name_of(n_latents: int) -> str:
    """What a circuit of so many states is called."""
    return "1 state" if n_latents == 1 else f"{n_latents} states"


def name_of_draw(draw: int) -> str:
    """What is added to the name of circuits that differ in their random numbers alone."""
    return f", draw {draw + 1}" if draw else ""
