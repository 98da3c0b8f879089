"""Rows that are recognised by their values, their scores, and who gave them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skpc._checks import checked_array

_BLOCK_CELLS = 2**16
_KEY_DTYPE = np.dtype("S16")


@dataclass(frozen=True, eq=False)
class KnownRows:
    """The scores of rows, and which densities judged them, by a digest of what they show.

    Parameters
    ----------
    keys : (n,) bytes
        Sorted, each once.
    scores : (n,) float
    judges : (n, n_densities) bool
        Those that did not learn from all copies of a row: one at least.
    """

    keys: np.ndarray
    scores: np.ndarray
    judges: np.ndarray

    @classmethod
    def of(cls, matrix: Any, scores: np.ndarray, judges: np.ndarray) -> KnownRows:
        """Of distinct rows (n, n_features), dense or sparse."""
        keys = row_keys(matrix)
        by_key = np.argsort(keys)
        return cls(keys[by_key], scores[by_key], judges[by_key])

    def places(self, matrix: Any) -> np.ndarray:
        """Where each row (n, n_features) is among the known ones; -1 if it is new."""
        if not len(self.keys):
            return np.full(matrix.shape[0], -1)
        keys = row_keys(matrix)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)

    def judges_of(self, matrix: Any) -> np.ndarray:
        """Which densities may judge each row (n, n_densities) bool: all, of a new one."""
        places = self.places(matrix)
        judges = np.ones((len(places), self.judges.shape[1]), bool)
        judges[places >= 0] = self.judges[places[places >= 0]]
        return judges

    def check(self, n_densities: int) -> None:
        """Raise ValueError unless there are as many keys, sorted, as scores and judges."""
        scores = checked_array(self.scores, "scores of the rows learnt from", float, (None,))
        judges = checked_array(
            self.judges, "judges of the rows learnt from", bool, (len(scores), n_densities)
        )
        if not judges.any(axis=1).all():
            raise ValueError("each of the rows learnt from must have a density to judge it.")
        is_array = type(self.keys) in (np.ndarray, np.memmap)
        if not is_array or self.keys.dtype != _KEY_DTYPE or self.keys.shape != scores.shape:
            raise ValueError("the rows learnt from must be known by as many keys as scores.")
        if (self.keys[1:] <= self.keys[:-1]).any():
            raise ValueError("keys of the rows learnt from must be sorted, each once.")
        if np.isnan(scores).any():
            raise ValueError("scores of the rows learnt from must be numbers.")
        vars(self).update(scores=scores, judges=judges)


def row_keys(matrix: Any) -> np.ndarray:
    """A digest (n,) of 16 bytes of what each row shows; NaN is like NaN."""
    step = max(1, _BLOCK_CELLS // max(1, matrix.shape[1]))
    keys = np.empty(matrix.shape[0], _KEY_DTYPE)
    for start in range(0, matrix.shape[0], step):
        part = matrix[start : start + step]
        block = np.array(part.toarray() if issparse(part) else part, "<f8", order="C")
        block += 0.0  # no negative zero
        block[np.isnan(block)] = np.nan
        keys[start : start + step] = [
            hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in block
        ]
    return keys
