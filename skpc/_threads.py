"""Thread counts and limits: the only file that reads or sets them."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numba
import numpy as np

from skpc._kernels.tasks import QUEUE_SIZE, poison

_SERIAL_WORK = 2**22

_PATIENCE = 0.1  # seconds

_context = threading.local()


def table_work(n_cells: int, n_latents: int) -> int:
    """Multiplications of one pass over so many cells, at most; see `use_threads`."""
    return n_cells * n_latents * (n_latents + 64)


def available_threads() -> int:
    """Cores that Numba may use (NUMBA_NUM_THREADS): one in a worker process of joblib.

    Less where `share_threads` says so.
    """
    return max(1, _n_cores() // getattr(_context, "n_sharing", 1))


def _n_cores() -> int:
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


@contextmanager
def share_threads(n_sharing: int) -> Iterator[None]:
    """Leave this Python thread its part of the cores, if so many of them launch kernels at once."""
    before = getattr(_context, "n_sharing", 1)
    _context.n_sharing = n_sharing
    try:
        yield
    finally:
        _context.n_sharing = before


@contextmanager
def use_threads(n_jobs: int | None, work: float = math.inf) -> Iterator[None]:
    """Let kernels launched inside this context use `n_jobs` threads.

    None and -1 mean all that are available, -2 all but one; more than there are means all.
    Little work, in multiplications, is done by one thread: waking others takes longer.
    The former number is restored, whatever happens inside. Numbers too small for a float64
    are zero there, silently, whatever `numpy.errstate` says: so unlikely things may be.
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
        with np.errstate(under="ignore"):
            yield
    finally:
        _context.n_threads = before


@cache
def _helpers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, _n_cores() - 1), thread_name_prefix="skpc")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_helpers.cache_clear)


class _Team:
    """The threads that work off one queue: its caller, and helpers that come when they can.

    It knows who is at work, not who was called: a helper may come too late, or never.
    """

    def __init__(self, kernel: Callable[..., None], *arguments: Any) -> None:
        self._kernel = kernel
        self._arguments = arguments
        self._changed = threading.Condition()
        self._n_helping = 0
        self._is_over = False
        self._error: BaseException | None = None

    def run(self, n_helpers: int) -> None:
        """Work until no task is left and all helpers have gone; raise what one of them raised.

        Whatever happens to the caller, a stroke of Ctrl-C included, no helper goes on with its
        arrays behind its back: at most each ends its task first.
        """
        has_begun = False
        while True:
            try:
                if not has_begun:
                    has_begun = True
                    self._call(n_helpers)
                    self._kernel(*self._arguments)
                with self._changed:
                    self._is_over = True
                    while self._n_helping:  # a signal that comes just before a wait does not end it
                        self._changed.wait(_PATIENCE)
                break
            except BaseException as error:
                self._stop()
                self._error = error
        self._arguments = ()  # a helper may be called up to now, and would keep them alive
        reason, self._error = self._error, None
        if reason is not None:
            try:
                raise reason
            finally:
                del reason  # its traceback has this frame

    def _call(self, n_helpers: int) -> None:
        # Where no thread can be started, or none any more at the end of the interpreter.
        with suppress(RuntimeError):
            for _ in range(n_helpers):
                _helpers().submit(self._help)

    def _help(self) -> None:
        with self._changed:
            if self._is_over:
                return
            self._n_helping += 1
        try:
            self._kernel(*self._arguments)
        except BaseException as error:
            self._stop()
            self._error = self._error or error
        finally:
            with self._changed:
                self._n_helping -= 1
                self._changed.notify_all()

    def _stop(self) -> None:
        poison(self._arguments[0])


def launch(
    kernel: Callable[..., None], levels: np.ndarray | int, *args: Any, work: float = math.inf
) -> None:
    """Call ``kernel(queue, levels, *args)`` on this context's threads until no task is left.

    Parameters
    ----------
    kernel : compiled without the GIL, takes tasks as `skpc._kernels.tasks` says
    levels : (n_levels + 1,) bounds of the tasks of each level, or the number of tasks of one
    work : in multiplications, of all tasks; where it is little for the number of levels, this
        thread does it alone
    """
    if isinstance(levels, int):
        levels = np.array([0, levels])
    queue = np.zeros(QUEUE_SIZE, np.int64)
    n_threads = _worth_while(levels, work)
    if n_threads == 1:
        kernel(queue, levels, *args)
    else:
        _Team(kernel, queue, levels, *args).run(n_threads - 1)


def each(function: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
    """What a function makes of each argument, on this context's threads, in their order.

    For work of NumPy that lets other threads run. Kernels launched inside have one thread.
    """
    before = getattr(_context, "n_threads", None)
    n_threads = before or available_threads()
    results: list[Any] = [None] * len(arguments)
    numbers = iter(range(len(arguments)))  # whose next() no other thread interrupts

    def work() -> None:
        _context.n_threads = 1
        with np.errstate(under="ignore"):
            for number in numbers:
                results[number] = function(arguments[number])

    helping = []
    with suppress(RuntimeError):  # see `_Team`
        helping = [
            _helpers().submit(work) for _ in range(min(n_threads, len(arguments)) - 1)
        ]  # fmt: skip
    try:
        work()
    finally:
        _context.n_threads = before
        for number in numbers:  # after an error nobody takes another
            del number
        for one in helping:
            if not one.cancel():
                one.result()
    return results


def _worth_while(levels: np.ndarray, work: float) -> int:
    """How many threads to use for levels of tasks.

    Every level ends with a wait for whoever is last, which on a busy machine may be one that
    does not run at all: what threads save must be as much in each level, on average, as in
    the smallest work that is shared.
    """
    n_threads = getattr(_context, "n_threads", None) or available_threads()
    if n_threads <= 1:
        return 1
    n_tasks = np.diff(levels)
    n_threads = min(n_threads, n_tasks.max(initial=0))
    if n_threads <= 1:
        return 1
    share_saved = 1.0 - float((-(-n_tasks // n_threads)).sum() / n_tasks.sum())
    return (
        int(n_threads)
        if work * share_saved >= 0.5 * _SERIAL_WORK * np.count_nonzero(n_tasks)
        else 1
    )


@cache
def _controller() -> Any:
    # Not at import: looking for the loaded libraries takes longer than all else there.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class _BlasLimit:
    """The limit of `one_blas_thread`, and by how many it is held at the moment."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """In a forked child, where the parent's other threads, which may have held it, are not.

        BLAS stays limited there: it is no time to start threads.
        """
        self._lock = threading.Lock()
        self._n_holders = 0
        self._limit: Any = None

    def hold(self) -> None:
        with self._lock:
            if not self._n_holders:
                self._limit = _controller().limit(limits=1, user_api="blas")
            self._n_holders += 1

    def let_go(self) -> None:
        with self._lock:
            self._n_holders = max(self._n_holders - 1, 0)  # held before a fork
            if not self._n_holders and self._limit is not None:
                self._limit.restore_original_limits()
                self._limit = None


_blas_limit = _BlasLimit()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blas_limit.forget)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread: its results then have the same bits on every machine load.

    The limit is the whole process's: the last of several Python threads to leave lifts it.
    """
    _blas_limit.hold()
    try:
        yield
    finally:
        _blas_limit.let_go()
