"""Scopes: what regions observe."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from skpc._data.margins import Margin

CATEGORICAL, BINOMIAL, GAUSSIAN, COMPOSITE = "categorical", "binomial", "gaussian", "composite"
NUMERIC, COPULA, FOREST = "numeric", "copula", "forest"


class Scope(NamedTuple):
    """What a region observes.

    Attributes
    ----------
    columns : (m,) int
    kind : str or None
        Which input distribution it has; None if it observes nothing.
    categories : (n_categories,) or None
        The sorted values of a discrete column; none if the region observes nothing. None if the
        symbols of the region stand for vectors of numbers.
    parts : tuple of Scope
        Of a region of several columns: what it would observe of each alone, or of some.
    margin : Margin or None
        Of a numeric column: its distribution, through which it is seen.
    """

    columns: np.ndarray
    kind: str | None
    categories: np.ndarray | None
    parts: tuple[Scope, ...] = ()
    margin: Margin | None = None

    @property
    def single_columns(self) -> tuple[Scope, ...]:
        """The scopes of all columns, one by one; itself for each if it has no parts."""
        if not self.parts:
            return (self,) * len(self.columns)
        return tuple(column for part in self.parts for column in part.single_columns)


NOTHING = Scope(np.empty(0, np.int64), None, np.empty(0))
