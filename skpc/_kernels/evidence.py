"""Kernel that turns raw values into symbols."""

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next


@njit(cache=True, nogil=True)
def _encode_column(values, categories, symbols):
    n_categories = categories.shape[0]
    for i in range(values.shape[0]):
        value = values[i]
        if np.isnan(value):
            symbols[i] = n_categories
            continue
        low = 0
        high = n_categories
        while low < high:
            middle = (low + high) // 2
            if categories[middle] < value:
                low = middle + 1
            else:
                high = middle
        is_seen = low < n_categories and categories[low] == value
        symbols[i] = low if is_seen else n_categories + 1


@njit(cache=True, nogil=True)
def encode(queue, levels, values, categories, start, symbols):
    """Write the symbol of each value: its category, or V if missing, V + 1 if unseen.

    values, symbols (d, n); column j has the V sorted categories
    ``categories[start[j]:start[j + 1]]``. Tasks: columns. O(n d log V).
    """
    j, _ = take(queue, levels)
    while j < levels[-1]:
        _encode_column(values[j], categories[start[j] : start[j + 1]], symbols[j])
        j, _ = take_next(queue, levels)
