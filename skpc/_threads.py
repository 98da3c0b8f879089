"""Thread counts and limits: the only file that reads or sets them."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numba

_SERIAL_WORK = 2**24

# With Numba's "workqueue" threading layer, two Python threads inside parallel kernels
# abort the process; which layer it is shows only after the first launch. So every entry
# into parallel kernels holds this lock: they use all threads anyway.
_LAUNCH_LOCK = threading.RLock()

_LOST_IN_FORK: str | None = None


def _after_fork_in_child() -> None:
    """Find out whether parallel kernels can run here, and replace a lock nobody will release.

    Threads do not survive a fork. Numba's "workqueue" starts new ones. GNU OpenMP does not,
    and Numba kills the process at the next launch, be it on one thread. TBB does, but not
    if one of its threads was at work: then the next launch may hang.
    """
    global _LAUNCH_LOCK, _LOST_IN_FORK
    at_work = not _LAUNCH_LOCK.acquire(blocking=False)
    _LAUNCH_LOCK = threading.RLock()
    try:
        layer = numba.threading_layer()  # type: ignore[attr-defined]
    except ValueError:  # nothing was launched: the child starts its own threads
        return
    if (layer == "omp" and _is_gnu_openmp()) or (layer == "tbb" and at_work):
        _LOST_IN_FORK = layer


def _is_gnu_openmp() -> bool:
    from numba.np.ufunc import omppool  # type: ignore[attr-defined]

    return getattr(omppool, "openmp_vendor", "GNU") == "GNU"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def table_work(n_cells: int, n_latents: int) -> int:
    """Multiplications of one pass over so many cells, at most; see `use_threads`."""
    return n_cells * n_latents * (n_latents + 64)


@contextmanager
def use_threads(n_jobs: int | None, work: float = math.inf) -> Iterator[None]:
    """Run parallel kernels inside this context on `n_jobs` threads, one caller at a time.

    None means Numba's current number, -1 all that it has, -2 all but one; more than it
    has means all. Little work, in multiplications, is done by one thread: waking others
    takes longer, on a busy machine a time slice of its scheduler. The former number is
    restored, whatever happens inside.
    """
    if n_jobs == 0:
        raise ValueError(
            "n_jobs=0 leaves no thread to work: give 1 or more, -1 for all threads, or None for "
            "Numba's current number."
        )
    if _LOST_IN_FORK:
        raise RuntimeError(
            "This process was forked from one that had used threads of Numba's threading layer "
            f"{_LOST_IN_FORK!r}, which a fork does not survive. Start processes by joblib, or by "
            'multiprocessing with the start method "spawn" or "forkserver"; or set the environment '
            "variable NUMBA_THREADING_LAYER=workqueue before the first process starts."
        )
    with _LAUNCH_LOCK:
        before = numba.get_num_threads()
        available = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
        if n_jobs is None:
            wanted = before
        elif n_jobs < 0:
            wanted = available + 1 + n_jobs
        else:
            wanted = n_jobs
        numba.set_num_threads(1 if work < _SERIAL_WORK else max(1, min(wanted, available)))
        try:
            yield
        finally:
            numba.set_num_threads(before)


@cache
def _controller() -> Any:
    # Not at import: looking for the loaded libraries takes longer than all else there.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread: its results then have the same bits on every machine load."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
