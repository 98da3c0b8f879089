"""Markdown tables that scripts print, and write to their place in a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


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
