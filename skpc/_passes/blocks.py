"""Blocks of rows: how many at a time keep a pass within its memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._data.evidence import Evidence
from skpc._kernels.gemm import padded
from skpc._passes.messages import Messages
from skpc._passes.patterns import CODE_BYTES, Patterns, link_patterns, row_codes

DEFAULT_MAX_BYTES = 2**30
"""Messages beyond this are computed in blocks of rows."""


_MAX_CODE_BYTES = 2**27


def row_blocks(n_rows: int, bytes_per_row: int, max_bytes: int) -> list[slice]:
    """Cut rows into the fewest equal blocks whose memory stays below `max_bytes`."""
    n_blocks = max(1, min(n_rows, -(-n_rows * bytes_per_row // max_bytes)))
    bounds = np.linspace(0, n_rows, n_blocks + 1).astype(int)
    return [slice(first, last) for first, last in pairwise(bounds)]


def pass_bytes(circuit: Circuit, *, upward_only: bool = False) -> int:
    """Memory of a row in a pass, at most: where it shares no pattern with other rows."""
    n_latents, n_padded = circuit.n_latents, padded(circuit.n_latents, np.float64)
    of_message = Messages.bytes_per_row(n_latents)
    if upward_only:
        of_message -= 8 * n_padded
    # Each region's symbol, codes, links and weight, and its part of the dense row.
    of_region = of_message + CODE_BYTES + 36
    sizes = [len(circuit.features[region]) for region in circuit.inputs.distributions]
    # Every value of a continuous column is a symbol: a row of a table and of its copy.
    of_symbols = sum(16 * n_padded + 16 * m + 32 for m in sizes)
    of_one = max((32 * n_latents + 64 * m for m in sizes), default=0)  # while it is made
    return circuit.n_regions * of_region + of_symbols + of_one


def pattern_blocks(
    parents: np.ndarray,
    evidence: Evidence,
    weights: np.ndarray,
    bytes_per_message: int,
    max_bytes: int,
    *,
    upward_only: bool = False,
) -> list[tuple[slice, Evidence, Patterns]]:
    """Patterns of the whole data set, or of blocks of rows if they need much memory.

    See `skpc._passes.patterns.build_patterns` for `upward_only`.

    Returns
    -------
    list of tuples
        Rows of a block, what its symbols stand for (without rows), and its patterns.
    """
    blocks = []
    todo = row_blocks(len(weights), len(parents) * CODE_BYTES, min(max_bytes, _MAX_CODE_BYTES))
    while todo:
        rows = todo.pop(0)
        part = evidence.take(rows)
        symbols, n_symbols = part.dense_symbols, part.n_symbols
        codes = row_codes(parents, symbols, n_symbols)
        needed = int(codes.n_patterns.sum() + n_symbols.sum()) * bytes_per_message
        n_rows = rows.stop - rows.start
        if needed > max_bytes and n_rows > 1:
            smaller = row_blocks(n_rows, -(-needed // n_rows), max_bytes)
            todo[:0] = [slice(rows.start + s.start, rows.start + s.stop) for s in smaller]
            continue
        patterns = link_patterns(
            parents, symbols, n_symbols, codes, weights[rows], upward_only=upward_only
        )
        blocks.append((rows, part.without_rows(), patterns))
    return blocks
