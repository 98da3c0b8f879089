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

BLOCK_STATES = 32
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


class Around(NamedTuple):
    """Each column with those below it, next to one that is left out.

    Attributes
    ----------
    shown : (n_columns,) int64
        The columns that rows show.
    start : (m + 1,) int64
    columns : int64
        Column c is at ``start[c]``, those below it are after it.
    """

    shown: np.ndarray
    start: np.ndarray
    columns: np.ndarray


class Room(NamedTuple):
    """What messages of one row are written to, in w states.

    Attributes
    ----------
    products : (n_cells, w)
        Of each category of a missing column: the probability of what is seen below.
    logs : (n_cells, w)
        What of its logarithm was put aside.
    beliefs : (n_cells, w)
        Of each category of a missing column: its probability given the row.
    bounds : (m,)
        Of the products of a column, from below: exponents of two.
    is_met, is_aside : (m,) bool
        Whether something is seen below a missing column; whether it has `logs`.
    top, total : (w,)
        Product of what is complete, and the logarithms that were put aside.
    sums : (w,)
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
def _room(shape, n_states):
    n_columns = shape.order.shape[0]
    n_cells = shape.n_categories.sum()
    return Room(
        np.empty((n_cells, n_states)),
        np.empty((n_cells, n_states)),
        np.empty((n_cells, n_states)),
        np.empty(n_columns),
        np.empty(n_columns, np.bool_),
        np.empty(n_columns, np.bool_),
        np.empty(n_states),
        np.empty(n_states),
        np.empty(n_states),
    )


@njit(cache=True, nogil=True)
def _put_aside(c, shape, room):
    """Move the products of column c to its logs."""
    for v in range(shape.cells[c], shape.cells[c] + shape.n_categories[c]):
        for k in range(room.products.shape[1]):
            before = room.logs[v, k] if room.is_aside[c] else 0.0
            room.logs[v, k] = before + math.log(room.products[v, k])
            room.products[v, k] = 1.0
    room.is_aside[c] = True
    room.bounds[c] = 0.0


@njit(cache=True, nogil=True)
def _take_back(c, shape, room):
    """Make products of the logs of column c, the largest of each state one; `total` gains it."""
    first = shape.cells[c]
    last = first + shape.n_categories[c]
    for k in range(room.products.shape[1]):
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


@njit(cache=True, nogil=True, forceinline=True)
def _mean(probs, base, products, cell, size, sums):
    """Write to `sums` the mean of products of categories, by the table rows from `base`."""
    for v in range(size):
        p = probs[base + v]
        q = products[cell + v]
        for k in range(sums.shape[0]):
            before = 0.0 if v == 0 else sums[k]
            sums[k] = before + p[k] * q[k]


@njit(cache=True, nogil=True)
def _meet(x, is_any, order, shape, room):
    """Find the missing columns that something is seen below, and set their products to one."""
    for c in order:
        room.is_met[c] = is_any
        room.is_aside[c] = False
        room.bounds[c] = 0.0
    for place in range(order.shape[0] - 1, -1, -1):
        c = order[place]
        p = shape.parents[c]
        size = shape.n_categories[c]
        is_seen = x[c] < size or (x[c] == size and room.is_met[c])
        if is_seen and p >= 0 and x[p] == shape.n_categories[p]:
            room.is_met[p] = True
        if x[c] == size and room.is_met[c]:
            room.products[shape.cells[c] : shape.cells[c] + size] = 1.0


@njit(cache=True, nogil=True)
def _upward(x, is_any, order, shape, probs, least, room):
    """Go up the forest from what row x (m,) shows: products, and their part of log p in `total`.

    That is all but seen columns of which the parent, if any, is seen. Products are up to a factor
    for each column and state. is_any: whether all missing columns count as if something were seen
    below them.
    order: the columns to go up, each after its parent, of which others have no part in this.
    O(w) for each entry of the tables of missing columns and of the columns below them.
    """
    _meet(x, is_any, order, shape, room)
    total, top, sums = room.total, room.top, room.sums
    bound = 0.0
    total[:] = 0.0
    top[:] = 1.0
    for place in range(order.shape[0] - 1, -1, -1):
        c = order[place]
        p = shape.parents[c]
        size = shape.n_categories[c]
        is_missing = x[c] == size
        is_below = p >= 0 and x[p] == shape.n_categories[p]
        if x[c] > size or not (room.is_met[c] if is_missing else is_below):
            continue
        gain = least[c]
        if is_missing and room.is_aside[c]:
            _take_back(c, shape, room)
        elif is_missing:  # a mean of products
            gain = room.bounds[c]
        if is_below:
            if gain + room.bounds[p] < _LEAST_BITS:
                _put_aside(p, shape, room)
            room.bounds[p] += gain
            for u in range(shape.n_categories[p]):
                base = shape.start[c] + u * size
                product = room.products[shape.cells[p] + u]
                if is_missing:
                    _mean(probs, base, room.products, shape.cells[c], size, sums)
                    for k in range(sums.shape[0]):
                        product[k] *= sums[k]
                else:
                    of_own = probs[base + x[c]]
                    for k in range(sums.shape[0]):
                        product[k] *= of_own[k]
        else:
            if gain + bound < _LEAST_BITS:
                for k in range(top.shape[0]):
                    total[k] += math.log(top[k])
                    top[k] = 1.0
                bound = 0.0
            bound += gain
            _mean(probs, _table_of(c, x, shape), room.products, shape.cells[c], size, sums)
            for k in range(top.shape[0]):
                top[k] *= sums[k]
    for k in range(top.shape[0]):
        total[k] += math.log(top[k])


@njit(cache=True, nogil=True)
def _downward(x, shape, probs, room, counts, out):
    """Go down after `_upward`: beliefs of missing columns that something is seen below.

    Adds the expected counts of what these have a part in, times counts (w,), to `out` (n_rows, w)
    if it has any rows.
    """
    sums = room.sums
    is_counted = out.shape[0] > 0
    for place in range(shape.order.shape[0]):
        c = shape.order[place]
        p = shape.parents[c]
        size = shape.n_categories[c]
        is_missing = x[c] == size
        is_below = p >= 0 and x[p] == shape.n_categories[p]
        if x[c] > size or not (room.is_met[c] if is_missing else is_below and is_counted):
            continue
        cell = shape.cells[c]
        if is_missing:
            room.beliefs[cell : cell + size] = 0.0
        for u in range(shape.n_categories[p] if is_below else 1):
            base = shape.start[c] + u * size if is_below else _table_of(c, x, shape)
            above = room.beliefs[shape.cells[p] + u] if is_below else room.top
            if not is_missing:
                own = out[base + x[c]]
                for k in range(sums.shape[0]):
                    own[k] += counts[k] * above[k]
                continue
            _mean(probs, base, room.products, cell, size, sums)
            for k in range(sums.shape[0]):
                sums[k] = (above[k] if is_below else 1.0) / sums[k]
            for v in range(size):
                table = probs[base + v]
                product = room.products[cell + v]
                belief = room.beliefs[cell + v]
                for k in range(sums.shape[0]):
                    belief[k] += sums[k] * table[k] * product[k]
                if is_counted and base < shape.n_rows:
                    own = out[base + v]
                    for k in range(sums.shape[0]):
                        own[k] += counts[k] * (sums[k] * table[k] * product[k])


@njit(cache=True, nogil=True)
def log_probs(queue, levels, symbols, shape, probs, least, out):
    """Add to `out` (n, w) what `_upward` finds of the log probabilities of rows, in nats.

    symbols (n, m) int32; probs (1, n_rows + n_cells, w): the tables of all columns, then the
    distributions of each alone; least (m,): of each column's table, the logarithm to base two of
    the least entry. Tasks: blocks of rows; each row's arithmetic is its own.
    """
    room = _room(shape, probs.shape[2])
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, symbols.shape[0])):
            _upward(symbols[i], False, shape.order, shape, probs[0], least, room)
            for k in range(out.shape[1]):
                out[i, k] += room.total[k]
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def add_expected_counts(queue, levels, symbols, counts, shape, probs, least, out):
    """Add to `out` (b, n_rows, w) the expected counts of pairs that missing columns are part of.

    symbols (n, m) int32; counts (b, n, w); probs (b, ., w), least (m,): see `log_probs`. Tasks:
    blocks of states, each in the order of the rows.
    """
    room = _room(shape, probs.shape[2])
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(symbols.shape[0]):
            _upward(symbols[i], False, shape.order, shape, probs[block], least, room)
            _downward(symbols[i], shape, probs[block], room, counts[block, i], out[block])
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def missing_masses(queue, levels, symbols, shares, shape, probs, least, out):
    """Write the masses of the categories of missing columns given the rows to `out` (n, n_cells).

    symbols (n, m) int32; shares (n, w): of the states, by which these are mixed; probs (1, ., w),
    least (m,): see `log_probs`. Tasks: blocks of rows; each row's arithmetic is its own.
    """
    room = _room(shape, probs.shape[2])
    nothing = np.empty((0, probs.shape[2]))
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, symbols.shape[0])):
            x = symbols[i]
            _upward(x, True, shape.order, shape, probs[0], least, room)
            _downward(x, shape, probs[0], room, room.top, nothing)
            for c in range(x.shape[0]):
                for v in range(shape.cells[c], shape.cells[c] + shape.n_categories[c]):
                    mass = 0.0
                    if x[c] == shape.n_categories[c]:
                        for k in range(shares.shape[1]):
                            mass += shares[i, k] * room.beliefs[v, k]
                    out[i, v] = mass
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def others(queue, levels, symbols, rows, around, shape, probs, logs, least, out):
    """Write the log probabilities of rows without each of their columns to `out` (n, n_columns, w).

    symbols (n, m) int32, back as they were at the end; rows (n, .): the row of `logs` (., w) that
    each column takes; probs (1, ., w), least (m,): see `log_probs`. Tasks: blocks of rows. Where a
    row misses no column that something is seen below, O(w) for each entry of the tables.
    """
    room = _room(shape, probs.shape[2])
    gathered = np.empty(out.shape[2])
    whole = np.empty(out.shape[2])
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, symbols.shape[0])):
            x = symbols[i]
            gathered[:] = 0.0
            for row in rows[i]:
                of_row = logs[row]
                for k in range(gathered.shape[0]):
                    gathered[k] += of_row[k]
            _upward(x, False, shape.order, shape, probs[0], least, room)
            is_hard = room.is_met.any()
            whole[:] = gathered
            for k in range(whole.shape[0]):
                whole[k] += room.total[k]
            for entry in range(out.shape[1]):
                c = around.shown[entry]
                found = out[i, entry]
                own = x[c]
                if own == shape.n_categories[c]:
                    found[:] = whole
                    continue
                near = around.columns[around.start[c] : around.start[c + 1]]
                is_far = is_hard or own > shape.n_categories[c]  # the parent may be missing
                x[c] = shape.n_categories[c]
                _upward(x, False, shape.order if is_far else near, shape, probs[0], least, room)
                x[c] = own
                for k in range(found.shape[0]):
                    found[k] = gathered[k] + room.total[k]
                for d in near:
                    if d == c or x[d] < shape.n_categories[d]:
                        of_row = logs[rows[i, d]]
                        for k in range(found.shape[0]):
                            found[k] -= of_row[k]
        block, _ = take_next(queue, levels)


@njit(cache=True, nogil=True)
def draw(queue, levels, symbols, states, uniforms, lenders, shape, probs, least):
    """Replace missing symbols (n, m) int32 by draws given the others and each row's state (n,).

    uniforms (n, m) in [0, 1), which are changed: a column takes that of column ``lenders[c]``, and
    leaves what is left of it. probs (K, ., 1), least (m,): see `log_probs`. Tasks: blocks of rows.
    """
    room = _room(shape, 1)
    block, _ = take(queue, levels)
    while block < levels[-1]:
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, symbols.shape[0])):
            x = symbols[i]
            _upward(x, False, shape.order, shape, probs[states[i]], least, room)
            for place in range(shape.order.shape[0]):
                c = shape.order[place]
                size = shape.n_categories[c]
                if x[c] == size:
                    base = _table_of(c, x, shape)
                    total = 0.0
                    for v in range(size):
                        weight = probs[states[i], base + v, 0]
                        if room.is_met[c]:
                            weight *= room.products[shape.cells[c] + v, 0]
                        room.beliefs[shape.cells[c] + v, 0] = weight
                        total += weight
                    target = uniforms[i, lenders[c]] * total
                    chosen = 0
                    weight = room.beliefs[shape.cells[c], 0]
                    while chosen < size - 1 and (target >= weight or weight == 0.0):
                        target -= weight
                        chosen += 1
                        weight = room.beliefs[shape.cells[c] + chosen, 0]
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

    symbols (n, m) int32; logs (., K): logarithms of the tables of all columns, then of the
    distributions of each alone; log_unseen (m, K). Tasks: blocks of rows.
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
