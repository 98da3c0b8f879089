"""Which rows learning is validated on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skpc._data.rows import Rows
from skpc._learning.held_out import fold_weights, held_out_weights, measured


@dataclass(frozen=True)
class EarlyStopping:
    """Which rows learning is validated on, and what follows from it.

    Attributes
    ----------
    rows : Rows or None
        Distinct; None holds some out of those to learn from.
    fraction : float
        Share of the rows to hold out.
    seed : int or None
        Of that draw; None if `rows` are given.
    n_iter_no_change : int
        See `skpc._learning.progress.Progress`.
    refit : bool
        Whether to learn again, from all rows, with as many updates as were best, if rows
        were held out.
    is_optional : bool
        Whether to do without where no rows can be held out, rather than to raise.
    n_folds : int
        If more than one, circuits to choose from are validated on each of so many parts of the
        rows in turn, each learnt from the others, in place of one `fraction` of them.
    ends_learning : bool
        Whether these rows decide how long to learn, or only what to choose.
    """

    rows: Rows | None
    fraction: float
    seed: int | None
    n_iter_no_change: int
    refit: bool
    is_optional: bool = False
    n_folds: int = 1
    ends_learning: bool = True

    @property
    def refits(self) -> bool:
        """Whether all rows are to be learnt from in the end: none but theirs are held out."""
        return self.refit and self.rows is None

    def divide(self, rows: Rows) -> tuple[Rows, Rows | None]:
        """Rows to learn from and rows to validate on; None if none can be held out.

        A continuous column keeps its values in training if all of them were drawn.
        """
        if self.rows is not None:
            return rows, self.rows
        assert self.seed is not None
        try:
            held_out = held_out_weights(rows.weights, self.fraction, self.seed, measured(rows))
            held_out = _without_last_values(rows, held_out)
            if not held_out.any():
                raise ValueError(
                    f"early_stopping found no row to hold out, as {self.fraction} of them: a "
                    "continuous column has values in these rows alone. Drop the column, pass "
                    "rows to validate on as X_val, or set early_stopping=False."
                )
        except ValueError:
            if self.is_optional:
                return rows, None
            raise
        return rows.split(held_out)

    def divisions(self, rows: Rows) -> list[tuple[Rows, Rows]]:
        """That of `divide`, or those of folds, if there are several; none if none can be."""
        if self.n_folds == 1:
            training, held_out = self.divide(rows)
            return [] if held_out is None else [(training, held_out)]
        assert self.seed is not None
        drawn = fold_weights(rows.weights, self.n_folds, self.seed, measured(rows))
        folds = [_without_last_values(rows, held_out) for held_out in drawn]
        return [rows.split(held_out) for held_out in folds if held_out.any()]


def _without_last_values(rows: Rows, held_out: np.ndarray) -> np.ndarray:
    """Weights to hold out, but for rows without which a continuous column has no value left."""
    for region, vectors in enumerate(rows.evidence.values):
        if vectors is not None:
            seen = ~np.isnan(rows.evidence.column(region))
            if not (held_out[seen] < rows.weights[seen]).any():
                held_out[seen] = 0.0
    return held_out
