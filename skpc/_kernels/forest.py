"""Kernels for forests of categorical columns: messages along the edges.

A symbol of a column is the position of its category, V where it is missing, V + 1 where its value
was never seen; the latter cuts the edges of its column. A missing column that nothing is seen below
drops out. Probabilities are multiplied as they are: a power of two bounds each product from below,
and before one could underflow the logarithms of the products are put aside.
"""

import math
from typing import NamedTuple

import numpy as np

from skpc._kernels import njit
from skpc._kernels.tasks import take, take_next

BLOCK_ROWS = 64
"""Rows of a task that is a block of rows."""

BLOCK_STATES = 16
"""States of a task that is a block of states."""

_LEAST_BITS = -960.0  # of a product, with a margin: numbers from 2^-1022 on are exact


class Shape(NamedTuple):
    """A forest of m columns.

    Attributes
    ----------
    order : (m,) int64
        The columns, each after its parent.
    parents : (m,) int64
        Of each column, -1 at a root.
    n_categories : (m,) int64
    cells : (m,) int64
        Where a column's categories start among all.
    start : (m,) int64
        Where a column's table starts: V rows for each category of its parent.
    n_rows : int
        Of all tables.
    """

    order: np.ndarray
    parents: np.ndarray
    n_categories: np.ndarray
    cells: np.ndarray
    start: np.ndarray
    n_rows: int


class Tables(NamedTuple):
    """What a forest's columns are in each state.

    Attributes
    ----------
    probs : (n_rows + n_cells, K)
        The tables of all columns, then the distributions of each column alone.
    unseen : (m, K)
    least : (2, m)
        Logarithms to base two of the least entry of each column's table, and of `unseen`.
    """

    probs: np.ndarray
    unseen: np.ndarray
    least: np.ndarray


class Room(NamedTuple):
    """What messages of one row are written to.

    Attributes
    ----------
    products : (n_cells, K)
        Of each category of a missing column: the probability of what is seen below.
    logs : (n_cells, K)
        What of its logarithm was put aside.
    beliefs : (n_cells, K)
        Of each category of a missing column: its probability given the row.
    bounds : (m,)
        Of the products of a column, from below: exponents of two.
    is_met, is_aside : (m,) bool
        Whether something is seen below a missing column; whether it has `logs`.
    top, total : (K,)
        Product of what is complete, and the logarithms that were put aside.
    sums : (K,)
    """

    products: np.ndarray
    logs: np.ndarray
    beliefs: np.ndarray
    bounds: np.ndarray
    is_met: np.ndarray
    is_aside: np.ndarray
    top: np.ndarray
    total: np.ndarray
    sums: np.ndarray


@njit(cache=True, nogil=True)
def _room(shape, n_latents):
    n_columns = shape.order.shape[0]
    n_cells = shape.n_categories.sum()
    return Room(
        np.empty((n_cells, n_latents)),
        np.empty((n_cells, n_latents)),
        np.empty((n_cells, n_latents)),
        np.empty(n_columns),
        np.empty(n_columns, np.bool_),
        np.empty(n_columns, np.bool_),
        np.empty(n_latents),
        np.empty(n_latents),
        np.empty(n_latents),
    )


@njit(cache=True, nogil=True)
def _put_aside(c, shape, room, states):
    """Move the products of column c to its logs."""
    for v in range(shape.cells[c], shape.cells[c] + shape.n_categories[c]):
        for k in range(states[0], states[1]):
            before = room.logs[v, k] if room.is_aside[c] else 0.0
            room.logs[v, k] = before + math.log(room.products[v, k])
            room.products[v, k] = 1.0
    room.is_aside[c] = True
    room.bounds[c] = 0.0


@njit(cache=True, nogil=True)
def _take_back(c, shape, room, states):
    """Make products of the logs of column c, the largest of each state one; `total` gains it."""
    first = shape.cells[c]
    last = first + shape.n_categories[c]
    for k in range(states[0], states[1]):
        largest = -np.inf
        for v in range(first, last):
            room.logs[v, k] += math.log(room.products[v, k])
            largest = max(largest, room.logs[v, k])
        for v in range(first, last):
            room.products[v, k] = math.exp(room.logs[v, k] - largest)
        room.total[k] += largest


@njit(cache=True, nogil=True)
def _table_of(c, x, shape):
    """Where the distribution of column c is, given what row x shows of its parent."""
    p = shape.parents[c]
    if p < 0:
        return shape.start[c]
    if x[p] > shape.n_categories[p]:  # never seen
        return shape.n_rows + shape.cells[c]
    return shape.start[c] + x[p] * shape.n_categories[c]


@njit(cache=True, nogil=True)
def _weigh(probs, base, c, x, shape, room, states):
    """Write to ``room.sums`` what column c and all below are worth, by table rows from `base`."""
    size = shape.n_categories[c]
    sums = room.sums
    if x[c] < size:
        for k in range(states[0], states[1]):
            sums[k] = probs[base + x[c], k]
        return
    for k in range(states[0], states[1]):
        sums[k] = 0.0
    for v in range(size):
        for k in range(states[0], states[1]):
            sums[k] += probs[base + v, k] * room.products[shape.cells[c] + v, k]


@njit(cache=True, nogil=True)
def _meet(x, asked, shape, room, states):
    """Find the missing columns that something is seen below, and set their products to one."""
    for c in range(shape.order.shape[0]):
        room.is_met[c] = False
        room.is_aside[c] = False
        room.bounds[c] = 0.0
    for place in range(shape.order.shape[0] - 1, -1, -1):
        c = shape.order[place]
        if c == asked:
            room.is_met[c] = True
        p = shape.parents[c]
        size = shape.n_categories[c]
        is_seen = x[c] < size or (x[c] == size and room.is_met[c])
        if is_seen and p >= 0 and x[p] == shape.n_categories[p]:
            room.is_met[p] = True
        if x[c] == size and room.is_met[c]:
            for v in range(shape.cells[c], shape.cells[c] + size):
                for k in range(states[0], states[1]):
                    room.products[v, k] = 1.0


@njit(cache=True, nogil=True)
def _upward(x, asked, shape, tables, room, states):
    """Go up the forest: log probability of row x (m,) in ``room.total``.

    ``room.products`` are up to a factor for each column and state. asked: a column to be treated
    as if something were seen below, or -1. O(K) for each entry of the tables of missing columns
    and of the columns below them.
    """
    _meet(x, asked, shape, room, states)
    total = room.total
    top = room.top
    bound = 0.0
    for k in range(states[0], states[1]):
        total[k] = 0.0
        top[k] = 1.0
    for place in range(shape.order.shape[0] - 1, -1, -1):
        c = shape.order[place]
        p = shape.parents[c]
        size = shape.n_categories[c]
        if x[c] == size and not room.is_met[c]:
            continue
        gain = tables.least[0, c]
        if x[c] > size:
            gain = tables.least[1, c]
        elif x[c] == size and room.is_aside[c]:
            _take_back(c, shape, room, states)
        elif x[c] == size:  # a mean of products
            gain = room.bounds[c]
        if x[c] <= size and p >= 0 and x[p] == shape.n_categories[p]:
            cell = shape.cells[p]
            n_above = shape.n_categories[p]
            if gain + room.bounds[p] < _LEAST_BITS:
                _put_aside(p, shape, room, states)
            room.bounds[p] += gain
            for u in range(n_above):
                _weigh(tables.probs, shape.start[c] + u * size, c, x, shape, room, states)
                for k in range(states[0], states[1]):
                    room.products[cell + u, k] *= room.sums[k]
        else:
            if gain + bound < _LEAST_BITS:
                for k in range(states[0], states[1]):
                    total[k] += math.log(top[k])
                    top[k] = 1.0
                bound = 0.0
            bound += gain
            if x[c] > size:
                for k in range(states[0], states[1]):
                    top[k] *= tables.unseen[c, k]
            else:
                _weigh(tables.probs, _table_of(c, x, shape), c, x, shape, room, states)
                for k in range(states[0], states[1]):
                    top[k] *= room.sums[k]
    for k in range(states[0], states[1]):
        total[k] += math.log(top[k])


@njit(cache=True, nogil=True)
def _downward(x, shape, tables, room, states, counts, out):
    """Go down after `_upward`: ``room.beliefs``, P(category given the row) of missing columns.

    Adds the expected counts of pairs, times counts (K,), to `out` (n_rows, K) if it has any rows.
    """
    beliefs = room.beliefs
    is_counted = out.shape[0] > 0
    for place in range(shape.order.shape[0]):
        c = shape.order[place]
        p = shape.parents[c]
        size = shape.n_categories[c]
        if x[c] > size or (x[c] == size and not room.is_met[c]):
            continue
        is_below_hidden = p >= 0 and x[p] == shape.n_categories[p]
        is_orphan = p >= 0 and x[p] > shape.n_categories[p]
        n_above = shape.n_categories[p] if is_below_hidden else 1
        cell = shape.cells[c]
        if x[c] == size:
            for v in range(cell, cell + size):
                for k in range(states[0], states[1]):
                    beliefs[v, k] = 0.0
        elif not is_counted or is_orphan:
            continue
        for u in range(n_above):
            base = shape.start[c] + u * size if is_below_hidden else _table_of(c, x, shape)
            if x[c] < size:
                for k in range(states[0], states[1]):
                    share = beliefs[shape.cells[p] + u, k] if is_below_hidden else 1.0
                    out[base + x[c], k] += counts[k] * share
                continue
            _weigh(tables.probs, base, c, x, shape, room, states)
            for k in range(states[0], states[1]):
                share = beliefs[shape.cells[p] + u, k] if is_below_hidden else 1.0
                room.sums[k] = share / room.sums[k]
            for v in range(size):
                for k in range(states[0], states[1]):
                    belief = room.sums[k] * tables.probs[base + v, k] * room.products[cell + v, k]
                    beliefs[cell + v, k] += belief
                    if is_counted and not is_orphan:
                        out[base + v, k] += counts[k] * belief


@njit(cache=True, nogil=True)
def log_probs(queue, levels, symbols, shape, tables, out):
    """Write the log probabilities of rows, whatever they miss, to `out` (n, K), in nats.

    symbols (n, m) int32. Tasks: blocks of rows. See `_upward`; each row's arithmetic is its own.
    """
    n_latents = out.shape[1]
    states = (0, n_latents)
    room = _room(shape, n_latents)
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, symbols.shape[0])):
            _upward(symbols[i], -1, shape, tables, room, states)
            for k in range(n_latents):
                out[i, k] = room.total[k]
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def add_expected_counts(queue, levels, symbols, counts, shape, tables, out):
    """Add the expected counts of pairs of categories, given rows, to `out` (n_rows, K).

    symbols (n, m) int32; counts (n, K). Tasks: blocks of states, each in the order of the rows.
    """
    n_latents = out.shape[1]
    room = _room(shape, n_latents)
    block, _ = take(queue, levels)
    while block < levels[-1]:
        states = (block * BLOCK_STATES, min((block + 1) * BLOCK_STATES, n_latents))
        for i in range(symbols.shape[0]):
            _upward(symbols[i], -1, shape, tables, room, states)
            _downward(symbols[i], shape, tables, room, states, counts[i], out)
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def conditionals(queue, levels, symbols, asked, shape, tables, out):
    """Write P(category of column `asked`, which is missing, given the row) to `out` (n, V, K).

    symbols (n, m) int32. Tasks: blocks of rows; each row's arithmetic is its own.
    """
    n_latents = out.shape[2]
    states = (0, n_latents)
    room = _room(shape, n_latents)
    nothing = np.empty((0, n_latents))
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, symbols.shape[0])):
            _upward(symbols[i], asked, shape, tables, room, states)
            _downward(symbols[i], shape, tables, room, states, room.total, nothing)
            for v in range(out.shape[1]):
                for k in range(n_latents):
                    out[i, v, k] = room.beliefs[shape.cells[asked] + v, k]
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def draw(queue, levels, symbols, states, uniforms, lenders, shape, tables):
    """Replace missing symbols (n, m) int32 by draws given the others and each row's state (n,).

    uniforms (n, m) in [0, 1), which are changed: a column takes that of column ``lenders[c]``, and
    leaves what is left of it. Tasks: blocks of rows; each row's arithmetic is its own.
    """
    room = _room(shape, tables.probs.shape[1])
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, symbols.shape[0])):
            x = symbols[i]
            k = states[i]
            _upward(x, -1, shape, tables, room, (k, k + 1))
            for place in range(shape.order.shape[0]):
                c = shape.order[place]
                size = shape.n_categories[c]
                if x[c] == size:
                    base = _table_of(c, x, shape)
                    total = 0.0
                    for v in range(size):
                        weight = tables.probs[base + v, k]
                        if room.is_met[c]:
                            weight *= room.products[shape.cells[c] + v, k]
                        room.beliefs[shape.cells[c] + v, k] = weight
                        total += weight
                    target = uniforms[i, lenders[c]] * total
                    chosen = 0
                    weight = room.beliefs[shape.cells[c], k]
                    while chosen < size - 1 and (target >= weight or weight == 0.0):
                        target -= weight
                        chosen += 1
                        weight = room.beliefs[shape.cells[c] + chosen, k]
                    x[c] = chosen
                    left = min(max(target / weight, 0.0), 1.0) if weight > 0.0 else 0.0
                    uniforms[i, lenders[c]] = left
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def _peak(x, k, shape, logs, log_unseen, best):
    """Log probability, in state k, of row x with missing columns where that is largest.

    best (n_cells,): for each category of a missing column the largest of all below.
    """
    peak = 0.0
    for c in range(shape.order.shape[0]):
        for v in range(shape.cells[c], shape.cells[c] + shape.n_categories[c]):
            best[v] = 0.0
    for place in range(shape.order.shape[0] - 1, -1, -1):
        c = shape.order[place]
        p = shape.parents[c]
        size = shape.n_categories[c]
        if x[c] > size:
            peak += log_unseen[c, k]
            continue
        is_below_hidden = p >= 0 and x[p] == shape.n_categories[p]
        for u in range(shape.n_categories[p] if is_below_hidden else 1):
            base = shape.start[c] + u * size if is_below_hidden else _table_of(c, x, shape)
            if x[c] < size:
                largest = logs[base + x[c], k]
            else:
                largest = -np.inf
                for v in range(size):
                    largest = max(largest, logs[base + v, k] + best[shape.cells[c] + v])
            if is_below_hidden:
                best[shape.cells[p] + u] += largest
            else:
                peak += largest
    return peak


@njit(cache=True, nogil=True)
def peaks(queue, levels, symbols, shape, logs, log_unseen, out):
    """Write the log probabilities of rows with missing columns at their best to `out` (n, K).

    symbols (n, m) int32; logs, log_unseen: logarithms of `Tables`. Tasks: blocks of rows.
    """
    best = np.empty(shape.n_categories.sum())
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, symbols.shape[0])):
            for k in range(out.shape[1]):
                out[i, k] = _peak(symbols[i], k, shape, logs, log_unseen, best)
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def fill(queue, levels, symbols, states, shape, logs, log_unseen):
    """Replace missing symbols (n, m) int32 by the most probable, together, in each row's state."""
    best = np.empty(shape.n_categories.sum())
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, symbols.shape[0])):
            x = symbols[i]
            k = states[i]
            _peak(x, k, shape, logs, log_unseen, best)
            for place in range(shape.order.shape[0]):
                c = shape.order[place]
                size = shape.n_categories[c]
                if x[c] == size:
                    base = _table_of(c, x, shape)
                    chosen = 0
                    largest = -np.inf
                    for v in range(size):
                        log = logs[base + v, k] + best[shape.cells[c] + v]
                        if log > largest:
                            largest = log
                            chosen = v
                    x[c] = chosen
        block, _ = take_next(queue, levels)
