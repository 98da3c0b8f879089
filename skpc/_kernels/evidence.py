"""Kernel that turns raw values into symbols."""

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next


@njit(cache=True, nogil=True)
def _encode_column(values, column, first, last, known, is_range, symbols):
    """Write the symbols of ``values[first:last, column]`` to `symbols`."""
    n_categories = known.shape[0]
    for i in range(first, last):
        value = values[i, column]
        place = -1
        if is_range:  # of consecutive integers: the value tells the place
            offset = value - known[0]
            if offset >= 0.0 and offset <= n_categories - 1.0:
                place = np.int64(offset)
        else:
            place = 0
            high = n_categories
            while place < high:
                middle = (place + high) // 2
                if known[middle] < value:
                    place = middle + 1
                else:
                    high = middle
        if place >= 0 and place < n_categories and known[place] == value:
            symbols[i - first] = place
        elif np.isnan(value):
            symbols[i - first] = n_categories
        else:
            symbols[i - first] = n_categories + 1


@njit(cache=True, nogil=True)
def encode(queue, levels, values, task_rows, columns, regions, categories, start, is_range,
           offset, symbols):  # fmt: skip
    """Write the symbol of each value: its category, or V if missing, V + 1 if unseen.

    values (n, d): column ``columns[j]`` has the V sorted categories
    ``categories[start[j]:start[j + 1]]`` and goes to row ``regions[j]`` of symbols
    (n_regions, >= offset + n), from `offset` on. Tasks: `task_rows` rows. O(n d log V).
    """
    task, _ = take(queue, levels)
    while task < levels[-1]:
        first = task * task_rows
        last = min(first + task_rows, values.shape[0])
        for j in range(columns.shape[0]):
            _encode_column(
                values, columns[j], first, last, categories[start[j] : start[j + 1]], is_range[j],
                symbols[regions[j], offset + first :],
            )  # fmt: skip
        task, _ = take_next(queue, levels)
