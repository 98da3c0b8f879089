"""Subtree patterns: which rows of a data set are the same below each region.

Two rows that agree on all features below a region share every message of that region,
so both passes run over the distinct *patterns* of each region instead of the rows: the
hidden Chow-Liu tree's form of what phylogenetics calls site repeats.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skpc._circuit.tree import children_of, levels_of
from skpc._kernels import patterns as kernels
from skpc._kernels.gemm import TILE_ROWS
from skpc._kernels.messages import TASK_ROWS
from skpc._kernels.patterns import RowCodes
from skpc._threads import launch

CODE_BYTES = 12
"""Memory of a row at a region while patterns are found: its symbol and `RowCodes`."""

_WORK_OF_A_CELL = 64  # its look-up in a table takes as long as so many multiplications


class Patterns(NamedTuple):
    """The distinct patterns of a data set at every region, and how they are linked.

    Arrays only, so that kernels take it whole. Pattern t of region r owns the *message
    row* ``row_start[r] + t``; the rows of a region are padded to a multiple of
    ``TILE_ROWS``. With v the parent of r and s one of its patterns:

    - ``child_codes[code_start[r] + s]`` is the pattern of r below pattern s of v;
    - ``members[member_start[row_start[r] + r + t] : member_start[row_start[r] + r + t + 1]]``
      are the patterns s of v with that child pattern t, ascending.

    Attributes
    ----------
    parents : (n_regions,) parent of each region, -1 at a root.
    roots : (n_roots,) roots of the trees. Every tree observes all columns, so all roots have
        the same patterns, numbered alike.
    topdown : (n_regions,) regions, each after its parent.
    children_start, children : region r has the children
        ``children[children_start[r]:children_start[r + 1]]``.
    n_patterns : (n_regions,) number of distinct patterns.
    row_start : (n_regions + 1,) first message row; the last entry counts all of them.
    symbols : (n_message_rows,) what the region itself observes in that pattern, as a row
        of the table of all regions' symbols.
    weights : (n_message_rows,) summed weight of the rows with that pattern.
    code_start, child_codes, member_start, members : the links, as above.
    up_tasks, up_levels : tasks (region, first, last pattern), leaves first; tasks
        ``up_levels[h]`` to ``up_levels[h + 1]`` need only earlier levels.
    down_tasks, down_levels : the same for the regions below the roots, roots' children first.
    root_codes : (n,) pattern of each row at the roots.
    """

    parents: np.ndarray
    roots: np.ndarray
    topdown: np.ndarray
    children_start: np.ndarray
    children: np.ndarray
    n_patterns: np.ndarray
    row_start: np.ndarray
    symbols: np.ndarray
    weights: np.ndarray
    code_start: np.ndarray
    child_codes: np.ndarray
    member_start: np.ndarray
    members: np.ndarray
    up_tasks: np.ndarray
    up_levels: np.ndarray
    down_tasks: np.ndarray
    down_levels: np.ndarray
    root_codes: np.ndarray

    @property
    def n_message_rows(self) -> int:
        """Rows of a message array, padding included."""
        return int(self.row_start[-1])

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        return sum(array.nbytes for array in self)

    @property
    def codes(self) -> np.ndarray:
        """The pattern (n_regions, n) int32 of each row at each region."""
        codes = np.empty((len(self.parents), len(self.root_codes)), np.int32)
        for region in self.topdown:
            parent = self.parents[region]
            codes[region] = self.root_codes if parent < 0 else self.links(region)[codes[parent]]
        return codes

    def links(self, region: int) -> np.ndarray:
        """The pattern of a region below each pattern of its parent."""
        first = self.code_start[region]
        return self.child_codes[first : first + self.n_patterns[self.parents[region]]]

    def message_rows(self, region: int) -> slice:
        """The message rows of a region, without padding."""
        first = self.row_start[region]
        return slice(first, first + self.n_patterns[region])


def row_codes(parents: np.ndarray, symbols: np.ndarray, n_symbols: np.ndarray) -> RowCodes:
    """Find the pattern of every row at every region."""
    children_start, children = children_of(parents)
    order, level_start = levels_of(parents, from_leaves=True)
    rows = RowCodes(
        codes=np.empty(symbols.shape, np.int32),
        n_patterns=np.empty(parents.shape[0], np.int64),
        first_rows=np.empty(symbols.shape, np.int32),
    )
    launch(
        kernels.code_regions, level_start, order, symbols, n_symbols, children_start, children,
        rows, work=_WORK_OF_A_CELL * symbols.size,
    )  # fmt: skip
    return rows


def codes_by_row(parents: np.ndarray, symbols: np.ndarray, n_symbols: np.ndarray) -> RowCodes:
    """As `row_codes`, but with every row a pattern of its own at every region.

    What is not linear in flows needs this.
    """
    n_regions, n_rows = symbols.shape
    own = np.broadcast_to(np.arange(n_rows, dtype=np.int32), (n_regions, n_rows)).copy()
    return RowCodes(own, np.full(n_regions, n_rows, np.int64), own)


def link_patterns(
    parents: np.ndarray,
    symbols: np.ndarray,
    n_symbols: np.ndarray,
    rows: RowCodes,
    weights: np.ndarray | None = None,
    *,
    upward_only: bool = False,
) -> Patterns:
    """Link the patterns that rows show.

    Parameters
    ----------
    parents : (n_regions,) parent of each region, -1 at the root.
    symbols : (n_regions, n) int32, symbol of each row at each region.
    n_symbols : (n_regions,) number of possible symbols.
    rows : RowCodes
    weights : (n,) weight of each row, default ones.
    upward_only : whether to leave out what a downward pass needs: `members`, and all weights
        but those of the roots' patterns.
    """
    n_regions, n_patterns = parents.shape[0], rows.n_patterns
    children_start, children = children_of(parents)
    bottomup, up_level_start = levels_of(parents, from_leaves=True)
    topdown, down_level_start = levels_of(parents, from_leaves=False)
    roots = np.flatnonzero(parents < 0)

    n_padded = -(-n_patterns // TILE_ROWS) * TILE_ROWS
    row_start = np.append(0, np.cumsum(n_padded))
    n_links = np.where(parents >= 0, n_patterns[parents], 0)
    links = kernels.Links(
        row_start=row_start,
        code_start=np.cumsum(n_links) - n_links,
        symbols=np.zeros(row_start[-1], np.int32),
        child_codes=np.empty(n_links.sum(), np.int32),
        member_start=np.zeros(0 if upward_only else row_start[-1] + n_regions, np.int64),
        members=np.empty(0 if upward_only else n_links.sum(), np.int32),
    )
    launch(
        kernels.link_regions, n_regions, parents, symbols, np.cumsum(n_symbols) - n_symbols,
        rows, links, work=_WORK_OF_A_CELL * int(row_start[-1]),
    )  # fmt: skip

    pattern_weights = np.zeros(row_start[-1])
    for root in roots:
        pattern_weights[row_start[root] : row_start[root] + n_patterns[root]] = np.bincount(
            rows.codes[root], weights=weights, minlength=n_patterns[root]
        )
    if not upward_only:
        kernels.add_member_weights(
            topdown, parents, n_patterns, row_start, links.member_start, links.members,
            pattern_weights,
        )  # fmt: skip
    up_tasks, up_levels = _tasks(bottomup, up_level_start, n_patterns)
    down_tasks, down_levels = _tasks(
        topdown[len(roots) :], down_level_start[1:] - len(roots), n_patterns
    )
    return Patterns(
        parents=parents,
        roots=roots,
        topdown=topdown,
        children_start=children_start,
        children=children,
        n_patterns=n_patterns,
        weights=pattern_weights,
        **links._asdict(),
        up_tasks=up_tasks,
        up_levels=up_levels,
        down_tasks=down_tasks,
        down_levels=down_levels,
        root_codes=rows.codes[roots[0]].copy(),  # a view would keep all codes alive
    )


def _tasks(
    order: np.ndarray, level_start: np.ndarray, n_patterns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the regions of each level into tasks of at most ``TASK_ROWS`` patterns."""
    n_tasks = -(-n_patterns[order] // TASK_ROWS)
    first_task = np.append(0, np.cumsum(n_tasks))
    region = np.repeat(order, n_tasks)
    start = (np.arange(first_task[-1]) - np.repeat(first_task[:-1], n_tasks)) * TASK_ROWS
    stop = np.minimum(start + TASK_ROWS, n_patterns[region])
    return np.stack([region, start, stop], axis=1), first_task[level_start]
