"""Thread counts and limits: the only file that reads or sets them."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import numba
import numpy as np

from skpc._kernels.tasks import QUEUE_SIZE

_SERIAL_WORK = 2**22

_context = threading.local()


def table_work(n_cells: int, n_latents: int) -> int:
    """Multiplications of one pass over so many cells, at most; see `use_threads`."""
    return n_cells * n_latents * (n_latents + 64)


def available_threads() -> int:
    """Cores that Numba may use (NUMBA_NUM_THREADS): one in a worker process of joblib."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


@contextmanager
def use_threads(n_jobs: int | None, work: float = math.inf) -> Iterator[None]:
    """Let kernels launched inside this context use `n_jobs` threads.

    None and -1 mean all that are available, -2 all but one; more than there are means all.
    Little work, in multiplications, is done by one thread: waking others takes longer.
    The former number is restored, whatever happens inside.
    """
    if n_jobs == 0:
        raise ValueError(
            "n_jobs=0 leaves no thread to work: give 1 or more, or None or -1 for all threads."
        )
    before = getattr(_context, "n_threads", None)
    available = available_threads()
    wanted = -1 if n_jobs is None else n_jobs
    if wanted < 0:
        wanted += available + 1
    _context.n_threads = 1 if work < _SERIAL_WORK else max(1, min(wanted, available))
    try:
        yield
    finally:
        _context.n_threads = before


@cache
def _helpers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, available_threads() - 1), thread_name_prefix="skpc")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def launch(
    kernel: Callable[..., None], levels: np.ndarray | int, *args: Any, work: float = math.inf
) -> None:
    """Call ``kernel(queue, levels, *args)`` on this context's threads until no task is left.

    Parameters
    ----------
    kernel : compiled without the GIL, takes tasks as `skpc._kernels.tasks` says
    levels : (n_levels + 1,) bounds of the tasks of each level, or the number of tasks of one
    work : in multiplications; little is done by this thread alone, see `use_threads`
    """
    if isinstance(levels, int):
        n_tasks, levels = levels, np.array([0, levels])
    else:
        n_tasks = int(np.diff(levels).max(initial=1))
    queue = np.zeros(QUEUE_SIZE, np.int64)
    n_threads = getattr(_context, "n_threads", None) or available_threads()
    if work < _SERIAL_WORK:
        n_threads = 1
    n_helpers = min(n_threads, n_tasks) - 1
    helpers = [_helpers().submit(kernel, queue, levels, *args) for _ in range(n_helpers)]
    try:
        kernel(queue, levels, *args)
    finally:
        for helper in helpers:
            if not helper.cancel():  # one that has not begun is not missed
                helper.result()


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
