"""Markdown tables that scripts print, and write to their place in a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np


def print_row(cells: Iterable[object]) -> str:
    """Print one line of a table as soon as it is known; return it."""
    line = "| " + " | ".join(map(str, cells)) + " |"
    print(line, flush=True)
    return line


def print_header(cells: Sequence[str]) -> list[str]:
    """Print the first two lines of a table; return them."""
    return [print_row(cells), print_row(["---"] * len(cells))]


def write_table(document: Path, name: str, lines: Iterable[str]) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end name -->``."""
    first, last = f"<!-- {name} -->\n", f"<!-- end {name} -->"
    text = document.read_text()
    before, rest = text.split(first)
    after = rest.split(last)[1]
    document.write_text(before + first + "\n".join(lines) + "\n" + last + after)


def within_noise(values: np.ndarray) -> np.ndarray:
    """Which columns (n_methods,) of `values` (n_seeds, n_methods), larger is better, may be best.

    The best, and those where the mean over seeds of the best one's lead is at most twice its
    standard error.
    """
    lead = values[:, [values.mean(axis=0).argmax()]] - values
    if len(values) == 1:
        return lead[0] == 0
    error = lead.std(axis=0, ddof=1) / np.sqrt(len(values))
    return lead.mean(axis=0) <= 2 * error


def marked_cells(values: np.ndarray, sign: int = 1) -> list[str]:
    """Mean and spread of the columns of `values`: the best bold, others within noise in italics.

    A `sign` of -1: smaller is better.
    """
    means, close = values.mean(axis=0), within_noise(sign * values)
    spreads = values.std(axis=0, ddof=min(1, len(values) - 1))
    written = []
    for i, (mean, spread) in enumerate(zip(means, spreads, strict=True)):
        mark = "**" if i == (sign * means).argmax() else "*" if close[i] else ""
        written.append(f"{mark}{mean:.3f} ± {spread:.3f}{mark}")
    return written


def read_table(document: Path, name: str) -> list[dict[str, str]]:
    """Rows of the table between ``<!-- name -->`` and ``<!-- end name -->``, by its first line.

    Of two columns of one name the first is kept under it, the other as ``name, 2``.
    """
    text = document.read_text().split(f"<!-- {name} -->\n")[1].split(f"<!-- end {name} -->")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    header: list[str] = []
    for column in cells[0]:
        header.append(f"{column}, {header.count(column) + 1}" if column in header else column)
    return [dict(zip(header, row, strict=True)) for row in cells[2:]]
