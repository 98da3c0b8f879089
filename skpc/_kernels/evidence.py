"""Kernel that turns raw values into symbols."""

from typing import NamedTuple

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next


class Categories(NamedTuple):
    """The categories of some columns.

    Attributes
    ----------
    columns : (m,)
        Their numbers in the table.
    regions : (m,)
        Where their symbols go.
    start, values : column ``columns[j]`` has the sorted categories
        ``values[start[j]:start[j + 1]]``
    is_range : (m,)
        Whether these are consecutive integers.
    """

    columns: np.ndarray
    regions: np.ndarray
    start: np.ndarray
    values: np.ndarray
    is_range: np.ndarray


@njit(cache=True, nogil=True)
def _encode_range(values, lowest, n_categories, symbols):
    """Write the symbols of values (n,), given the first of consecutive integers.

    Without branches, so that it is compiled to vector instructions.
    """
    for i in range(values.shape[0]):
        value = values[i]
        is_missing = np.isnan(value)
        place = np.int32(0.0 if is_missing else min(max(value - lowest, -1.0), 2147483647.0))
        is_known = (lowest + place == value) & (place >= 0) & (place < n_categories)
        other = n_categories if is_missing else n_categories + np.int32(1)
        symbols[i] = place if is_known else other


@njit(cache=True, nogil=True)
def _encode_column(values, known, symbols):
    """Write the symbols of values (n,), given the sorted categories."""
    n_categories = known.shape[0]
    for i in range(values.shape[0]):
        value = values[i]
        place = 0
        high = n_categories
        while place < high:
            middle = (place + high) // 2
            if known[middle] < value:
                place = middle + 1
            else:
                high = middle
        if place < n_categories and known[place] == value:
            symbols[i] = place
        elif np.isnan(value):
            symbols[i] = n_categories
        else:
            symbols[i] = n_categories + 1


@njit(cache=True, nogil=True)
def encode(queue, levels, values, task_rows, categories, offset, symbols):
    """Write the symbol of each value: its category, or V if missing, V + 1 if unseen.

    values (n, d) to symbols (n_regions, >= offset + n), from `offset` on. Tasks: `task_rows`
    rows, which the cache holds while columns are read. O(n d log V).
    """
    columns, start = categories.columns, categories.start
    column = np.empty(task_rows)
    task, _ = take(queue, levels)
    while task < levels[-1]:
        first = task * task_rows
        n_rows = min(task_rows, values.shape[0] - first)
        for j in range(columns.shape[0]):
            known = categories.values[start[j] : start[j + 1]]
            for i in range(n_rows):
                column[i] = values[first + i, columns[j]]
            out = symbols[categories.regions[j], offset + first : offset + first + n_rows]
            if categories.is_range[j]:
                _encode_range(column[:n_rows], known[0], np.int32(known.shape[0]), out)
            else:
                _encode_column(column[:n_rows], known, out)
        task, _ = take_next(queue, levels)
