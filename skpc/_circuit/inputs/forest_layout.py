"""How the tables of a forest of categorical columns are laid end to end, and what rows show it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from skpc._circuit.inputs.table import even_rows
from skpc._circuit.tree import children_of, levels_of
from skpc._data.evidence import symbols_of
from skpc._kernels.forest import Around, Shape
from skpc._kernels.mstep import WEIGHT_FLOOR
from skpc._kernels.table_rows import COLUMNS_AT_ONCE


class Seen(NamedTuple):
    """What rows show a forest.

    Attributes
    ----------
    rows : (n, at least m) int32
        For each column the row of the tables that it takes, laid out as `Layout` says: that of
        missing values also below a missing column.
    hard : (h,)
        Rows of which a missing column has something seen below it: these take messages besides.
    symbols : (h, m) int32
        Of these, what they show; see `skpc._kernels.forest`.
    has_orphans : bool
        Whether some row shows a category below a value never seen.
    """

    rows: np.ndarray
    hard: np.ndarray
    symbols: np.ndarray
    has_orphans: bool


@dataclass(frozen=True, eq=False)
class Layout:
    """The shape of a forest, without its probabilities; one object for all forests of a shape.

    The tables of all columns are followed by a row of missing values, a row for each column's
    values never seen, and the distributions of the columns alone.

    Attributes
    ----------
    categories : tuple of m arrays
    shape : Shape
    shown : (n_columns,)
    """

    categories: tuple[np.ndarray, ...]
    shape: Shape
    shown: np.ndarray

    @property
    def n_rows(self) -> int:
        """Number of rows of the tables of all columns."""
        return self.shape.n_rows

    @cached_property
    def n_above(self) -> np.ndarray:
        """Number of categories (m,) of each column's parent; one at a root."""
        parents = self.shape.parents
        return np.where(parents >= 0, self.shape.n_categories[parents], 1)

    @cached_property
    def has_edges(self) -> bool:
        """Whether a column depends on another."""
        return bool((self.shape.parents >= 0).any())

    @cached_property
    def run_lengths(self) -> np.ndarray:
        """Lengths of the distributions that make up the tables: one for each parent's category."""
        return np.repeat(self.shape.n_categories, self.n_above)

    @cached_property
    def run_starts(self) -> np.ndarray:
        """Where these start."""
        return np.cumsum(self.run_lengths) - self.run_lengths

    @cached_property
    def cell_of_row(self) -> np.ndarray:
        """Of which category, among those of all columns, each row of the tables is."""
        within = np.arange(self.n_rows) - np.repeat(self.run_starts, self.run_lengths)
        cells = np.repeat(self.shape.cells, self.n_above)
        return np.repeat(cells, self.run_lengths) + within

    @cached_property
    def around(self) -> Around:
        """Each column with those below it."""
        start, children = children_of(self.shape.parents)
        order = np.insert(children, start[:-1], np.arange(len(self.categories)))
        return Around(self.shown, start + np.arange(len(start)), order)

    @cached_property
    def lenders(self) -> np.ndarray:
        """Whose uniform number each column is drawn with (m,).

        A shown column has its own. One that is not has none, and takes that of a shown one below,
        another one for each as far as there are any: what is left of a number is as good as new.
        """
        parents = self.shape.parents
        lenders = np.full(len(parents), -1)
        lenders[self.shown] = self.shown
        free: list[list[int]] = [[] for _ in parents]
        some = np.full(len(parents), int(self.shown[0]))
        for c in self.shape.order[::-1].tolist():
            if lenders[c] == c:
                free[c].append(c)
                some[c] = c
            else:
                lenders[c] = free[c].pop() if free[c] else some[c]
            if parents[c] >= 0:
                free[parents[c]] += free[c]
                some[parents[c]] = some[c]
        return lenders

    def table(self, column: int) -> slice:
        """The rows of a column's table."""
        first = int(self.shape.start[column])
        n_rows = int(self.n_above[column] * self.shape.n_categories[column])
        return slice(first, first + n_rows)

    def cells(self, column: int) -> slice:
        """A column's categories among those of all columns."""
        first = int(self.shape.cells[column])
        return slice(first, first + int(self.shape.n_categories[column]))

    def symbols(self, values: np.ndarray) -> np.ndarray:
        """What values (n, n_columns) show of each column (n, m) int32."""
        values = np.asarray(values, np.float64).reshape(len(values), len(self.shown))
        out = np.empty((len(values), len(self.categories)), np.int32)
        out[:] = self.shape.n_categories
        for entry, column in enumerate(self.shown.tolist()):
            out[:, column] = symbols_of(values[:, entry], self.categories[column])
        return out

    def values(self, symbols: np.ndarray) -> np.ndarray:
        """The values (n, n_columns) of categories."""
        columns = [self.categories[column][symbols[:, column]] for column in self.shown.tolist()]
        return np.stack(columns, axis=1)

    def seen(self, values: np.ndarray) -> Seen:
        """What rows (n, n_columns) show."""
        symbols, shape = self.symbols(values), self.shape
        is_hard = self._is_hard(symbols)
        m = len(shape.parents)
        rows = np.full((len(symbols), -(-m // COLUMNS_AT_ONCE) * COLUMNS_AT_ONCE), self.n_rows)
        rows = rows.astype(np.int32)
        has_orphans = False
        for column, (parent, size) in enumerate(
            zip(shape.parents.tolist(), shape.n_categories.tolist(), strict=True)
        ):
            own = symbols[:, column]
            row = shape.start[column] + own
            if parent >= 0:
                above, n_above = symbols[:, parent], shape.n_categories[parent]
                row += size * above
                orphan = self.n_rows + 1 + m + shape.cells[column] + own
                is_orphan = (above > n_above) & (own < size)
                has_orphans |= bool(is_orphan.any())
                row = np.where(is_orphan, orphan, row)
                row = np.where(above == n_above, self.n_rows, row)
            row = np.where(own == size, self.n_rows, row)
            rows[:, column] = np.where(own > size, self.n_rows + 1 + column, row)
        hard = np.flatnonzero(is_hard)
        return Seen(rows, hard, symbols[hard], has_orphans)

    def _is_hard(self, symbols: np.ndarray) -> np.ndarray:
        """Of which rows (n,) a missing column has something seen below it."""
        is_hard = np.zeros(len(symbols), bool)
        if self.has_edges:
            sizes = self.shape.n_categories
            is_missing = symbols == sizes
            is_met = symbols < sizes
            for column in self.shape.order[::-1].tolist():
                parent = self.shape.parents[column]
                if parent >= 0:
                    below = is_met[:, column] & is_missing[:, parent]
                    is_hard |= below
                    is_met[:, parent] |= below
        return is_hard


_known: WeakValueDictionary[tuple[bytes, ...], Layout] = WeakValueDictionary()


def layout_of(
    categories: np.ndarray, n_categories: np.ndarray, parents: np.ndarray, shown: np.ndarray
) -> Layout:
    """The layout of forests with these arrays: always the same object, while there is any.

    So regions that see the same columns find that what rows show was made already.
    """
    key = tuple(array.tobytes() for array in (categories, n_categories, parents, shown))
    layout = _known.get(key)
    if layout is None:  # of copies: what others hold may be read-only, or change
        categories, n_categories = categories.copy(), n_categories.copy()
        parents, shown = parents.copy(), shown.copy()
        order, _ = levels_of(parents, from_leaves=False)
        n_rows = np.where(parents >= 0, n_categories[parents], 1) * n_categories
        cells = np.cumsum(n_categories) - n_categories
        shape = Shape(
            np.asarray(order, np.int64), parents, n_categories, cells,
            np.cumsum(n_rows) - n_rows, int(n_rows.sum()),
        )  # fmt: skip
        parts = np.split(categories, np.cumsum(n_categories)[:-1])
        layout = _known.setdefault(key, Layout(tuple(parts), shape, shown))
    return layout


def refitted(
    layout: Layout, probs: np.ndarray, unseen: np.ndarray, counts: np.ndarray, pseudocount: float
) -> tuple[np.ndarray, np.ndarray]:
    """M-step: tables and unseen mass from counts (n_rows, K); see `Tables.updated`."""
    counts, starts = np.maximum(counts, 0.0), layout.shape.cells
    n_categories, lengths = layout.shape.n_categories, layout.run_lengths
    runs = np.add.reduceat(counts, layout.run_starts, axis=0)
    overall = np.bincount(layout.cell_of_row, counts.sum(axis=1), n_categories.sum())
    total = np.add.reduceat(overall, starts)
    n_even = even_rows(pseudocount)
    safe = np.where(total > 0.0, total, 1.0)
    even = n_even / n_categories

    def shares(totals: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What a category gets in any case, and the sum over all, of distributions of columns."""
        rare = totals * (even / safe)[of, None] + (pseudocount * even / (safe + n_even))[of, None]
        sums = totals * (1.0 + n_even / safe)[of, None] + pseudocount
        return rare, np.where(totals > 0.0, sums, 1.0)

    columns = np.arange(len(starts))
    rare, sums = shares(runs, np.repeat(columns, layout.n_above))
    common = pseudocount * overall / np.repeat(safe + n_even, n_categories)
    new = counts + common[layout.cell_of_row, None] + np.repeat(rare, lengths, axis=0)
    new = np.maximum(new / np.repeat(sums, lengths, axis=0), WEIGHT_FLOOR)
    has_flow = np.repeat(runs > 0.0, lengths, axis=0)
    alone = np.add.reduceat(runs, np.cumsum(layout.n_above) - layout.n_above, axis=0)
    rare, sums = shares(alone, columns)
    new_unseen = np.where(alone > 0.0, np.maximum(rare / sums, WEIGHT_FLOOR), unseen)
    return np.where(has_flow, new, probs), new_unseen


def normalised(layout: Layout, logits: np.ndarray) -> np.ndarray:
    """The tables (n_rows, K) in proportion to the exponentials of these numbers."""
    starts, lengths = layout.run_starts, layout.run_lengths
    largest = np.maximum.reduceat(logits, starts, axis=0)
    probs = np.exp(logits - np.repeat(largest, lengths, axis=0))
    totals = np.add.reduceat(probs, starts, axis=0)
    return np.maximum(probs / np.repeat(totals, lengths, axis=0), WEIGHT_FLOOR)


def in_blocks(of_states: np.ndarray, width: int, spare: float) -> np.ndarray:
    """Something by state (n, K) as (n_blocks, n, width): so many states together, then `spare`."""
    n_rows, n_latents = of_states.shape
    n_blocks = -(-n_latents // width)
    padded = np.full((n_rows, n_blocks * width), spare)
    padded[:, :n_latents] = of_states
    return np.ascontiguousarray(padded.reshape(n_rows, n_blocks, width).transpose(1, 0, 2))
