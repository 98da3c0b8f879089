"""A queue of numbered tasks that threads work off together, level by level.

Why not Numba's own parallel loops: a circuit has many levels of few, unequal tasks. Taken
one by one from a counter they balance themselves; a thread that comes late, or never,
holds up nobody; and there is no team of threads that a fork, a second caller or a busy
machine could upset. A kernel then is serial code, which compiles in a third of the time.

`queue` is int64, zero before the first thread comes; `levels` (n_levels + 1,) are bounds:
tasks ``levels[h]`` to ``levels[h + 1]`` begin when all earlier ones are done. See
`skpc._threads.launch`. A kernel reads

    task, level = take(queue, levels)
    while task < levels[-1]:
        ...
        task, level = take_next(queue, levels)

A thread that fails poisons the queue, or the others would wait for what it does not finish.
"""

import sys
import threading
import time

import numpy as np
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from skpc._kernels import njit

QUEUE_SIZE = 32
"""Length of a queue: its two counters stay on different cache lines."""

_TAKEN, _DONE = 0, 16
_POISON = 2**62

_SPINS = 1000
_LONGEST_SLEEP = 1000  # microseconds

if sys.platform == "win32":
    _give_way = types.ExternalFunction("SwitchToThread", types.int32())
    _sleep = types.ExternalFunction("Sleep", types.void(types.uint32))
    _SLEEP_UNIT = 1000  # microseconds
else:
    _give_way = types.ExternalFunction("sched_yield", types.int32())
    _sleep = types.ExternalFunction("usleep", types.int32(types.uint32))
    _SLEEP_UNIT = 1


def poison(queue):
    """Let no thread begin another task, nor wait for one that will never be done.

    Who takes a task afterwards is told that none is left; who is at one ends it.
    """
    queue[_TAKEN] = _POISON
    queue[_DONE] = -_POISON


def _pointer(context, builder, array_type, array, index):
    structure = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(
        context, builder, array_type, structure, [index], wraparound=False
    )


@intrinsic
def fetch_add(typingctx, array, index, value):
    """Add to an entry of an int64 array as one step; return what it was."""

    def codegen(context, builder, signature, args):
        pointer = _pointer(context, builder, signature.args[0], *args[:2])
        return builder.atomic_rmw("add", pointer, args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


@intrinsic
def _read(typingctx, array, index):
    """Read an entry that other threads write."""

    def codegen(context, builder, signature, args):
        pointer = _pointer(context, builder, signature.args[0], *args)
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(array, types.intp), codegen


@njit(cache=True, nogil=True)
def _pause(n_pauses):
    """Wait for others for a moment: the longer, the more often one has done so before."""
    if n_pauses < _SPINS:  # a level ends soon, as a rule
        _give_way()
    else:
        duration = min(10 * (n_pauses - _SPINS), _LONGEST_SLEEP)
        _sleep(np.uint32(max(1, duration // _SLEEP_UNIT)))


@njit(cache=True, nogil=True)
def take(queue, levels):
    """Number and level of the next task, when it may begin; ``levels[-1]`` if none is left."""
    n_levels = levels.shape[0] - 1
    task = fetch_add(queue, _TAKEN, 1)
    level = 0
    while level < n_levels and task >= levels[level + 1]:
        level += 1
    if level == n_levels:
        return levels[n_levels], level
    # No task of this level begins earlier, so the count tells of the earlier ones alone.
    n_pauses = np.int64(0)  # a literal would compile `_pause` twice
    n_done = _read(queue, _DONE)
    while n_done < levels[level]:
        if n_done < 0:  # poisoned
            return levels[n_levels], n_levels
        _pause(n_pauses)
        n_pauses += 1
        n_done = _read(queue, _DONE)
    return task, level


@njit(cache=True, nogil=True)
def take_next(queue, levels):
    """Report a task as done, and take another."""
    fetch_add(queue, _DONE, 1)
    return take(queue, levels)


if config.DISABLE_JIT:  # plain Python for coverage and debugging: no intrinsics there
    _one_at_a_time = threading.Lock()

    def fetch_add(array, index, value):
        """Plain twin of the compiled `fetch_add`."""
        with _one_at_a_time:
            before = array[index]
            array[index] += value
        return before

    def _read(array, index):
        return array[index]

    def poison(queue, _poison=poison):
        """Plain twin of `poison`, which must not come between the halves of `fetch_add`."""
        with _one_at_a_time:
            _poison(queue)

    def _pause(n_pauses):
        time.sleep(0.0)
