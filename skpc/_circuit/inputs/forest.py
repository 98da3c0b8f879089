"""Forests of categorical columns: several columns, each given one other and the latent state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, cast

import numpy as np

from skpc._checks import check_finite, checked_array
from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.forest_layout import (
    Layout,
    Seen,
    in_blocks,
    layout_of,
    normalised,
    refitted,
)
from skpc._circuit.inputs.forest_restriction import restrict_tables
from skpc._circuit.inputs.kinds import register
from skpc._circuit.inputs.restriction import Part, Restriction, Sets
from skpc._circuit.inputs.table import ROUNDING, Categorical
from skpc._circuit.tree import depths_of
from skpc._data.scope import CATEGORICAL, FOREST, Scope
from skpc._kernels import forest as kernels
from skpc._kernels import table_rows
from skpc._kernels.mstep import WEIGHT_FLOOR
from skpc._threads import launch

_INTEGERS = ("n_categories", "parents", "shown")


@register
@dataclass(frozen=True)
class Forest(InputDistribution):
    """Categorical columns that are, in each latent state, a forest of one shape.

    The probability of a row is the product, over columns, of that of the column's category given
    the category of its parent; without edges it is a naive Bayes model. Columns that are not shown
    are always missing: they stay where a marginal needs them.

    A value that is no category of its column has the mass `unseen`, whatever the parent, and tells
    the columns below nothing: these are distributed as they are in the state alone.

    Attributes
    ----------
    categories : (n_cells,) float64
        Those of all m columns end to end, each column's sorted.
    n_categories : (m,) int64
    parents : (m,) int64
        The position of each column's parent, -1 at a root.
    probs : (n_rows, n_latents)
        The tables end to end: for each category of the parent, once at a root, the probabilities
        of the column's V categories.
    unseen : (m, n_latents)
        See `Categorical`.
    shown : (n_columns,) int64
        The positions of the columns that the region observes, in their order there.
    """

    categories: np.ndarray
    n_categories: np.ndarray
    parents: np.ndarray
    probs: np.ndarray
    unseen: np.ndarray
    shown: np.ndarray

    kind = FOREST
    is_type = False
    state_axes: ClassVar = {"probs": 1, "unseen": 1}

    @classmethod
    def of(
        cls,
        categories: Sequence[np.ndarray],
        parents: np.ndarray,
        tables: Sequence[np.ndarray],
        unseen: np.ndarray,
        shown: np.ndarray | None = None,
    ) -> Self:
        """The forest of m columns with these tables.

        Parameters
        ----------
        categories : m arrays (V,)
        parents : (m,)
        tables : m arrays (U, V, n_latents)
            U is the number of categories of the parent, 1 at a root.
        unseen : (m, n_latents)
        shown : (n_columns,), optional
            Default all.
        """
        n_latents = tables[0].shape[2]
        made = cls(
            np.concatenate(categories).astype(np.float64),
            np.array([len(values) for values in categories], np.int64),
            np.asarray(parents, np.int64),
            np.concatenate([table.reshape(-1, n_latents) for table in tables]),
            np.asarray(unseen, np.float64),
            np.arange(len(tables)) if shown is None else np.asarray(shown, np.int64),
        )
        made.check_arrays(n_latents, len(made.shown))
        return made

    @classmethod
    def random(
        cls,
        scope: Scope,
        values: np.ndarray,
        weights: np.ndarray,
        n_latents: int,
        random_state: np.random.RandomState,
        *,
        shrinkage: float = 0.0,
    ) -> Self:
        """Draw a forest without edges, as `Tables.random` does; values do not matter."""
        categories = [cast(np.ndarray, part.categories) for part in scope.parts or (scope,)]
        tables = []
        for known in categories:
            table = np.exp(-2.0 * random_state.random_sample((1, len(known), n_latents)))
            tables.append(table / table.sum(axis=1, keepdims=True))
        unseen = np.full((len(tables), n_latents), WEIGHT_FLOOR)
        return cls.of(categories, np.full(len(tables), -1), tables, unseen)

    @cached_property
    def _layout(self) -> Layout:
        return layout_of(self.categories, self.n_categories, self.parents, self.shown)

    @property
    def n_latents(self) -> int:
        """Number of latent states."""
        return self.probs.shape[1]

    @property
    def n_columns(self) -> int:
        """Number of columns that are shown."""
        return len(self.shown)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return int((self._layout.run_lengths - 1).sum()) * self.n_latents

    @property
    def draw_size(self) -> int:
        """How many numbers a row takes while it is drawn."""
        return len(self.parents)

    @property
    def n_statistics(self) -> int:
        """Length of what `summarize` finds for each state."""
        return self._layout.n_rows

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each column."""
        return (CATEGORICAL,) * self.n_columns

    def categories_of(self, entry: int) -> np.ndarray:
        """The categories of a column, by its position."""
        return self._layout.categories[self.shown[entry]]

    def _table(self, column: int) -> np.ndarray:
        """The table (U, V, n_latents) of a column."""
        n_above, size = self._layout.n_above[column], self.n_categories[column]
        return self.probs[self._layout.table(column)].reshape(n_above, size, -1)

    @cached_property
    def _alone(self) -> np.ndarray:
        """The distributions (n_cells, n_latents) of the columns in each state, one by one."""
        out = np.empty((len(self.categories), self.n_latents))
        for column in self._layout.shape.order.tolist():
            table, parent = self._table(column), self.parents[column]
            own = table[0]
            if parent >= 0:
                own = np.einsum("uk,uvk->vk", out[self._layout.cells(parent)], table)
            out[self._layout.cells(column)] = own
        return out

    def probabilities(self, entry: int) -> np.ndarray:
        """Probabilities (n_categories, n_latents) of a column's categories given the state."""
        return self._alone[self._layout.cells(self.shown[entry])]

    def restricted(self, sets: Sets) -> Restriction:
        """See `skpc._circuit.inputs.forest_restriction`."""
        own = dict(zip(self.shown.tolist(), sets, strict=True))
        tables = {column: self._table(column) for column in range(len(self.parents))}
        log_masses = restrict_tables(tables, self._layout, self.parents, own)
        left = self.of(
            self._layout.categories, self.parents, list(tables.values()), self.unseen, self.shown
        )
        return Restriction(log_masses, (Part(tuple(range(self.n_columns)), left),))

    def mode(self) -> np.ndarray:
        """The most probable category (n_latents, n_columns) of each column, one by one."""
        columns = [
            self.categories_of(entry)[self.probabilities(entry).argmax(axis=0)]
            for entry in range(self.n_columns)
        ]
        return np.stack(columns, axis=1)

    @property
    def preparation(self) -> tuple[object, ...]:
        """The layout."""
        return (self._layout,)

    def prepared(self, values: np.ndarray) -> Seen:
        """Which rows of the tables the values (n, n_columns) take."""
        return self._layout.seen(values)

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Log mass (n, n_latents) of rows X (n, n_columns), in nats; NaN is summed out."""
        return self.log_prob_prepared(self.prepared(X))

    def log_prob_prepared(self, prepared: Any) -> np.ndarray:
        """The same of `prepared` values."""
        n_rows, n_columns = prepared.rows.shape
        out = np.empty((n_rows, self.n_latents))
        logs = self._logs(prepared.has_orphans)
        work = n_rows * n_columns * self.n_latents
        n_tasks = -(-n_rows // table_rows.BLOCK_ROWS)
        launch(table_rows.sum_rows, n_tasks, prepared.rows, logs, out, work=work)
        if len(prepared.hard):
            of_hard = out[prepared.hard]
            n_tasks = -(-len(of_hard) // kernels.BLOCK_ROWS)
            tables = self._tables(self.n_latents), self._least()
            launch(
                kernels.log_probs, n_tasks, prepared.symbols, self._layout.shape, *tables, of_hard
            )
            out[prepared.hard] = of_hard
        return out

    def _logs(self, has_orphans: bool) -> np.ndarray:
        """Log masses of what a column may show, laid out as `Layout` says."""
        parts = [self.probs, np.ones((1, self.n_latents)), self.unseen]
        return np.log(np.concatenate([*parts, self._alone] if has_orphans else parts))

    def _tables(self, width: int) -> np.ndarray:
        """Tables of all columns, and their distributions alone, in blocks of so many states."""
        return in_blocks(np.concatenate([self.probs, self._alone]), width, 1.0)

    def _least(self) -> np.ndarray:
        """Of each column's table, the logarithm to base two of the least entry."""
        return np.log2(np.minimum.reduceat(self.probs.min(axis=1), self._layout.shape.start))

    def _log_tables(self) -> tuple[np.ndarray, np.ndarray]:
        return np.log(self._tables(self.n_latents)[0]), np.log(self.unseen)

    def log_prob_of_others(self, X: np.ndarray) -> np.ndarray:
        """Log mass (n, n_columns, n_latents) of rows without each of their columns, in nats."""
        layout, seen = self._layout, self.prepared(X)
        out = np.empty((len(X), self.n_columns, self.n_latents))
        launch(
            kernels.others, -(-len(out) // kernels.BLOCK_ROWS), layout.symbols(X), seen.rows,
            layout.around, layout.shape, self._tables(self.n_latents),
            self._logs(seen.has_orphans), self._least(), out,
        )  # fmt: skip
        return out

    def log_peak(self, values: np.ndarray) -> np.ndarray:
        """Log mass (n, n_latents) of each row, what is missing where it is largest, together.

        Columns that are not shown are taken where it is largest too, as latent states are.
        """
        symbols = self._layout.symbols(values)
        out = np.empty((len(symbols), self.n_latents))
        n_tasks = -(-len(symbols) // kernels.BLOCK_ROWS)
        launch(kernels.peaks, n_tasks, symbols, self._layout.shape, *self._log_tables(), out)
        return out

    def likeliest(self, values: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Values, missing ones replaced by the most probable together; see `log_peak`."""
        symbols = self._layout.symbols(values)
        launch(
            kernels.fill, -(-len(symbols) // kernels.BLOCK_ROWS), symbols,
            np.asarray(states, np.int64), self._layout.shape, *self._log_tables(),
        )  # fmt: skip
        return self._filled(values, symbols)

    def _filled(self, values: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        is_known = symbols < self.n_categories
        found = self._layout.values(np.where(is_known, symbols, 0))
        return np.where(np.isnan(values), found, values)

    def sample_given(
        self, values: np.ndarray, states: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
    ) -> np.ndarray:
        """Missing values drawn given the others of the row and its state.

        A column that is not shown uses up digits of a uniform number of a column below it.
        """
        symbols = self._layout.symbols(values)
        numbers = np.zeros(symbols.shape)
        numbers[:, self.shown] = uniforms
        launch(
            kernels.draw, -(-len(symbols) // kernels.BLOCK_ROWS), symbols,
            np.asarray(states, np.int64), numbers, self._layout.lenders, self._layout.shape,
            self._tables(1), self._least(),
        )  # fmt: skip
        return self._filled(values, symbols)

    def missing_masses(self, values: np.ndarray, shares: np.ndarray) -> list[np.ndarray | None]:
        """Masses (n, n_categories) of categories of missing columns; None without edges."""
        layout = self._layout
        if not layout.has_edges:
            return [None] * self.n_columns
        symbols, out = layout.symbols(values), np.empty((len(values), len(self.categories)))
        launch(
            kernels.missing_masses, -(-len(symbols) // kernels.BLOCK_ROWS), symbols,
            np.require(shares, np.float64, ["C", "W"]), layout.shape, self._tables(self.n_latents),
            self._least(), out,
        )  # fmt: skip
        return [out[:, layout.cells(column)] for column in self.shown.tolist()]

    def joint_probabilities(self, entry: int) -> list[np.ndarray | None]:
        """Probabilities (., n_categories, n_latents) of a column's and each other's categories.

        Carried along the edges; None of columns of other trees.
        """
        start = int(self.shown[entry])
        alone, layout = self._alone, self._layout
        own = alone[layout.cells(start)]
        found = {start: np.eye(len(own))[:, :, None] * own}
        column = start
        while self.parents[column] >= 0:
            above = int(self.parents[column])
            cells, of_above = alone[layout.cells(column)], alone[layout.cells(above)]
            towards = self._table(column) * of_above[:, None] / cells
            found[above] = np.einsum("avk,uvk->auk", found[column], towards)
            column = above
        for column in layout.shape.order.tolist():
            above = int(self.parents[column])
            if column not in found and above in found:
                found[column] = np.einsum("auk,uvk->avk", found[above], self._table(column))
        del found[start]
        return [found.get(column) for column in self.shown.tolist()]

    def summarize(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Expected counts (n_latents, n_rows) of pairs of categories, laid out like `probs`.

        A missing column that nothing is seen below, a value never seen, and the category of a
        column below such a value tell nothing.
        """
        return self.summarize_prepared(self.prepared(values), counts)

    def summarize_prepared(self, prepared: Any, counts: np.ndarray) -> np.ndarray:
        """The same of `prepared` values."""
        out = np.zeros(self.probs.shape)
        counts = np.require(counts, np.float64, ["C", "W"])
        n_tasks = -(-prepared.rows.shape[1] // table_rows.BLOCK_COLUMNS)
        work = prepared.rows.size * self.n_latents
        launch(table_rows.add_counts, n_tasks, prepared.rows, counts, out, work=work)
        if len(prepared.hard):
            width = min(kernels.BLOCK_STATES, self.n_latents)
            tables, of_hard = self._tables(width), in_blocks(counts[prepared.hard], width, 0.0)
            found = np.zeros((len(tables), self._layout.n_rows, width))
            launch(
                kernels.add_expected_counts, len(tables), prepared.symbols, of_hard,
                self._layout.shape, tables, self._least(), found,
            )  # fmt: skip
            out += found.transpose(1, 0, 2).reshape(len(out), -1)[:, : self.n_latents]
        return out.T

    def expected_statistics(self, masses: np.ndarray) -> np.ndarray:
        """Counts (n_latents, n_rows) of pairs of categories in rows that the states draw."""
        layout = self._layout
        above = np.ones((len(layout.run_lengths), self.n_latents))
        first = np.cumsum(layout.n_above) - layout.n_above
        for column in np.flatnonzero(self.parents >= 0).tolist():
            runs = slice(first[column], first[column] + layout.n_above[column])
            above[runs] = self._alone[layout.cells(self.parents[column])]
        return (self.probs * np.repeat(above, layout.run_lengths, axis=0) * masses).T

    def updated(self, summary: np.ndarray, pseudocount: float = 0.0) -> Self:
        """M-step, as that of `Tables`, of the distributions given all categories of the parent.

        The pseudocounts of each are spread as the column is in all rows.
        """
        probs, unseen = refitted(self._layout, self.probs, self.unseen, summary.T, pseudocount)
        return replace(self, probs=probs, unseen=unseen)

    def with_unseen(self, summary: np.ndarray, pseudocount: float) -> Self:
        """The same probabilities with the unseen mass that `updated` finds."""
        return replace(self, unseen=self.updated(summary, pseudocount).unseen)

    def with_margins(self, entries: np.ndarray, centres: np.ndarray, scales: np.ndarray) -> Self:
        """Even probabilities in columns `entries` (n_columns,), of which rows show nothing."""
        probs, unseen = self.probs.copy(), self.unseen.copy()
        for column in self.shown[entries].tolist():
            probs[self._layout.table(column)] = unseen[column] = 1.0 / self.n_categories[column]
        return replace(self, probs=probs, unseen=unseen)

    def marginal(self, entries: np.ndarray) -> InputDistribution:
        """The distribution of some of the columns, by their positions: a table if it is one.

        Of the other columns those stay, without being shown, that have several below them, and
        those that would leave a larger table.
        """
        tables: dict[int, np.ndarray] = {c: self._table(c) for c in range(len(self.parents))}
        shown, parents = self.shown[entries].tolist(), self.parents.tolist()
        for column in self._layout.shape.order[::-1].tolist():
            below = [c for c in tables if parents[c] == column]
            if column in shown or len(below) > 1:
                continue
            if below:
                (child,) = below
                joined = np.einsum("uvk,vwk->uwk", tables[column], tables[child])
                if joined.size > tables[column].size + tables[child].size:
                    continue
                tables[child] = joined / joined.sum(axis=1, keepdims=True)
                parents[child] = parents[column]
            del tables[column]
        kept = list(tables)
        place = {column: i for i, column in enumerate(kept)}
        categories = [self._layout.categories[column] for column in kept]
        if len(kept) == 1:
            return Categorical(categories[0], tables[kept[0]][0], self.unseen[kept[0]])
        above = [place.get(parents[column], -1) for column in kept]
        now = np.array([place[column] for column in shown])
        return self.of(categories, np.array(above), list(tables.values()), self.unseen[kept], now)

    @property
    def n_free_arrays(self) -> int:
        """Number of arrays of `free_parameters`."""
        return 1

    def free_parameters(self) -> list[np.ndarray]:
        """Logarithms of the probabilities."""
        return [np.log(self.probs)]

    def with_free_parameters(self, parameters: list[np.ndarray]) -> Self:
        """The distribution with other `free_parameters`, normalised."""
        (logits,) = parameters
        return replace(self, probs=normalised(self._layout, logits))

    def free_gradient(self, summary: np.ndarray) -> list[np.ndarray]:
        """Gradient in `free_parameters` of the sum of counts times log masses."""
        counts, layout = summary.T, self._layout
        totals = np.add.reduceat(counts, layout.run_starts, axis=0)
        return [counts - self.probs * np.repeat(totals, layout.run_lengths, axis=0)]

    def check_arrays(self, n_latents: int, n_columns: int) -> None:
        """Raise ValueError if arrays are not as so many states and columns need them."""
        n_categories = checked_array(self.n_categories, "n_categories", int, (None,))
        m = len(n_categories)
        parents = checked_array(self.parents, "parents", int, (m,))
        shown = checked_array(self.shown, "shown", int, (n_columns,))
        if not m or n_categories.min() < 1:
            raise ValueError("n_categories must be at least one, of at least one column.")
        if parents.min() < -1 or parents.max() >= m or (depths_of(parents) >= m).any():
            raise ValueError(f"parents must describe a forest of the {m} columns.")
        if not n_columns or shown.min() < 0 or shown.max() >= m:
            raise ValueError(f"shown must be positions among the {m} columns, at least one.")
        if len(np.unique(shown)) < len(shown):
            raise ValueError("shown must be distinct.")
        n_rows = int((np.where(parents >= 0, n_categories[parents], 1) * n_categories).sum())
        categories = checked_array(self.categories, "categories", float, (int(n_categories.sum()),))
        vars(self).update(
            categories=categories,
            n_categories=n_categories,
            parents=parents,
            probs=checked_array(self.probs, "probs", float, (n_rows, n_latents)),
            unseen=checked_array(self.unseen, "unseen", float, (m, n_latents)),
            shown=shown,
        )

    def check(self) -> None:
        """Raise ValueError if these are no distributions over sorted categories."""
        check_finite(self.categories, "categories")
        steps, is_inner = np.diff(self.categories), np.ones(len(self.categories), bool)
        is_inner[self._layout.shape.cells] = False
        if not (steps[is_inner[1:]] > 0).all():
            raise ValueError("categories of a column must be sorted and distinct.")
        for name, values in ("probs", self.probs), ("unseen", self.unseen):
            check_finite(values, name)
            if not ((values > 0) & (values <= 1 + ROUNDING)).all():
                raise ValueError(f"{name} must be above 0 and at most 1.")
        totals = np.add.reduceat(self.probs, self._layout.run_starts, axis=0)
        if (np.abs(totals - 1) > ROUNDING).any():
            raise ValueError("probs must sum to one over the categories, given each of the parent.")

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The distribution of which `to_arrays` made these; an error if there is none."""
        arrays = dict(arrays)
        for name in {*_INTEGERS} & {*arrays}:
            values = np.asarray(arrays[name])
            if not np.isfinite(values).all() or (values % 1).any():
                raise ValueError(f"{name} must be integers.")
            arrays[name] = values.astype(np.int64)
        return super().from_arrays(arrays)
