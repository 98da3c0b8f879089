"""Kernels for rows of several categorical columns, each of which takes a row of a table."""

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next

BLOCK_ROWS = 64
"""Rows of a task that is a block of rows."""

COLUMNS_AT_ONCE = 4
"""How many table rows are added together: `sum_rows` takes a multiple of so many."""

BLOCK_COLUMNS = 16
"""Columns of a task that is a block of columns; their table rows stay in the cache."""


@njit(cache=True, nogil=True)
def sum_rows(queue, levels, rows, table, out):
    """Write the sums of table rows ``rows[i]`` to `out` (n, K).

    rows (n, m) int32, m a multiple of `COLUMNS_AT_ONCE`; table (., K). Tasks: blocks of rows.
    O(n m K); each row's sum is taken in one order.
    """
    n_columns, n_latents = rows.shape[1], table.shape[1]
    block, _ = take(queue, levels)
    while block < levels[-1]:
        first = block * BLOCK_ROWS
        last = min(first + BLOCK_ROWS, rows.shape[0])
        for i in range(first, last):
            for k in range(n_latents):
                out[i, k] = 0.0
        for begin in range(0, n_columns, BLOCK_COLUMNS):
            end = min(begin + BLOCK_COLUMNS, n_columns)
            for i in range(first, last):
                for j in range(begin, end, COLUMNS_AT_ONCE):
                    a = table[rows[i, j]]
                    b = table[rows[i, j + 1]]
                    c = table[rows[i, j + 2]]
                    d = table[rows[i, j + 3]]
                    for k in range(n_latents):
                        out[i, k] += (a[k] + b[k]) + (c[k] + d[k])
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def add_counts(queue, levels, rows, counts, out):
    """Add ``counts[i]`` to rows ``rows[i]`` of `out` (., K), those of them that it has.

    rows (n, m) int32, of which a column's are no other column's; counts (n, K). Tasks: blocks of
    columns. O(n m K), in the order of the rows.
    """
    n_rows, n_columns = rows.shape
    block, _ = take(queue, levels)
    while block < levels[-1]:
        begin = block * BLOCK_COLUMNS
        end = min(begin + BLOCK_COLUMNS, n_columns)
        for i in range(n_rows):
            for j in range(begin, end):
                row = rows[i, j]
                if row < out.shape[0]:
                    for k in range(out.shape[1]):
                        out[row, k] += counts[i, k]
        block, _ = take_next(queue, levels)
