"""Blocks of rows: how many at a time keep a pass within its memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skpc._circuit.circuit import Circuit
from skpc._data.evidence import Evidence
from skpc._kernels.gemm import padded
from skpc._passes.messages import Messages
from skpc._passes.patterns import CODE_BYTES, Patterns, codes_by_row, link_patterns, row_codes

DEFAULT_MAX_BYTES = 2**30
"""Bound on the memory of a block of rows."""

_MAX_CODE_BYTES = 2**27


class Memory(NamedTuple):
    """How much memory a block of rows may take, and what it takes beside a pass.

    Attributes
    ----------
    max_bytes : int
        Bound for a block, but one row is always taken.
    per_message : int or None
        Bytes of a pattern at a region; None: those of its messages in double precision.
    per_row : int
        Bytes that a row takes besides.
    of_patterns : function or None
        Bytes that so many patterns of each region (n_regions,) take besides.
    """

    max_bytes: int = DEFAULT_MAX_BYTES
    per_message: int | None = None
    per_row: int = 0
    of_patterns: Callable[[np.ndarray], int] | None = None


class Block(NamedTuple):
    """Some rows of a data set, and their patterns.

    Attributes
    ----------
    rows : slice
    evidence : Evidence
        What the patterns' symbols stand for, without the rows.
    patterns : Patterns
    """

    rows: slice
    evidence: Evidence
    patterns: Patterns

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.rows.stop - self.rows.start)

    @property
    def distinct(self) -> np.ndarray:
        """One row (n_distinct,) of the block for each pattern of the roots."""
        return np.unique(self.patterns.root_codes, return_index=True)[1]

    def after_upward(self, circuit: Circuit, *, keep_products: bool = True) -> Messages:
        """The messages of a circuit over these patterns, after the upward pass."""
        messages = Messages(circuit.n_regions, circuit.n_latents, keep_products=keep_products)
        messages.upward(circuit, self.evidence, self.patterns)
        return messages


def pattern_blocks(
    circuit: Circuit,
    data: Any,
    weights: np.ndarray | None = None,
    memory: Memory | None = None,
    *,
    upward_only: bool = False,
    by_row: bool = False,
) -> Iterator[Block]:
    """Blocks of rows and their patterns, in the order of the rows.

    Parameters
    ----------
    circuit : Circuit
        Only its structure, its number of states and its encoding are used.
    data : Evidence, or (n, n_features) array or sparse matrix
        A matrix, NaN missing, is encoded block by block.
    weights : (n,), optional
        Default ones.
    memory : Memory, optional
        Evidence is cut by what its patterns take. A matrix is cut beforehand, as if its rows
        shared no pattern, and again only if `of_patterns` is too much.
    upward_only : bool
        See `skpc._passes.patterns.link_patterns`.
    by_row : bool
        Whether every row is a pattern of its own, as what is not linear in flows needs. Evidence
        is then cut beforehand too.
    """
    memory = memory or Memory()
    per_message = memory.per_message or Messages.bytes_per_row(circuit.n_latents)
    is_evidence = isinstance(data, Evidence)
    is_final = by_row or not (is_evidence or memory.of_patterns)
    todo = _first_cut(circuit, data, memory._replace(per_message=per_message), upward_only, by_row)
    while todo:
        rows = todo.pop(0)
        n_rows = rows.stop - rows.start
        part = data.take(rows) if is_evidence else circuit.inputs.encode(data[rows])
        symbols, n_symbols = part.dense_symbols, part.n_symbols
        codes = (codes_by_row if by_row else row_codes)(circuit.parents, symbols, n_symbols)
        n_messages = int(codes.n_patterns.sum() + is_evidence * n_symbols.sum())
        needed = n_messages * per_message + n_rows * memory.per_row
        if memory.of_patterns:
            needed += memory.of_patterns(codes.n_patterns)
        if not is_final and needed > memory.max_bytes and n_rows > 1:
            smaller = row_blocks(n_rows, -(-needed // n_rows), memory.max_bytes)
            todo[:0] = [slice(rows.start + s.start, rows.start + s.stop) for s in smaller]
            continue
        some = None if weights is None else weights[rows]
        patterns = link_patterns(
            circuit.parents, symbols, n_symbols, codes, some, upward_only=upward_only
        )
        block = Block(rows, part.without_rows(), patterns)
        del part, symbols, codes, patterns  # a block may take their place
        yield block


def _first_cut(
    circuit: Circuit, data: Any, memory: Memory, upward_only: bool, by_row: bool
) -> list[slice]:
    """Blocks of rows whose patterns can be found within this memory."""
    if not isinstance(data, Evidence):
        per_row = memory.per_row + pass_bytes(circuit, upward_only=upward_only)
        return row_blocks(data.shape[0], per_row, memory.max_bytes)
    n_rows = data.symbols.shape[1]
    if by_row:
        assert memory.per_message is not None
        return row_blocks(n_rows, circuit.n_regions * memory.per_message, memory.max_bytes)
    max_bytes = min(memory.max_bytes, _MAX_CODE_BYTES)
    return row_blocks(n_rows, circuit.n_regions * CODE_BYTES, max_bytes)


def row_blocks(n_rows: int, bytes_per_row: int, max_bytes: int) -> list[slice]:
    """Cut rows into the fewest equal blocks whose memory stays below `max_bytes`, or into rows."""
    n_blocks = max(1, min(n_rows, -(-n_rows * bytes_per_row // max(1, max_bytes))))
    bounds = np.linspace(0, n_rows, n_blocks + 1).astype(int)
    return [slice(first, last) for first, last in pairwise(bounds)]


def dense(X: Any) -> np.ndarray:
    """Rows of an array or sparse matrix, as an array."""
    rows: np.ndarray = X.toarray() if issparse(X) else X
    return rows


def pass_bytes(circuit: Circuit, *, upward_only: bool = False) -> int:
    """Memory of a row in a pass, at most: where it shares no pattern with other rows."""
    n_latents, n_padded = circuit.n_latents, padded(circuit.n_latents, np.float64)
    of_message = Messages.bytes_per_row(n_latents)
    if upward_only:
        of_message -= 8 * n_padded
    # Each region's symbol, codes, links and weight, and its part of the dense row.
    of_region = of_message + CODE_BYTES + 36
    distributions = circuit.inputs.distributions
    sizes = [len(circuit.features[region]) for region in distributions]
    # Every value of a continuous column is a symbol: a row of a table and of its copy.
    of_symbols = sum(16 * n_padded + 16 * m + 32 for m in sizes)
    # What groups make of their values first is kept.
    of_symbols += sum(16 * one.n_columns for one in distributions.values() if one.preparation)
    of_one = max((32 * n_latents + 64 * m for m in sizes), default=0)  # while it is made
    return circuit.n_regions * of_region + of_symbols + of_one
