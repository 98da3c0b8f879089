"""The queue of tasks that threads work off."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from numba import njit

from skpc._kernels.tasks import QUEUE_SIZE, fetch_add, take, take_next
from skpc._threads import launch, use_threads


@njit(nogil=True)
def record(queue, levels, clock, begun, ended, times_taken):
    """Work on each task for a while; note when it began and ended on one clock."""
    task, level = take(queue, levels)
    while task < levels[-1]:
        begun[task] = fetch_add(clock, 0, 1)
        times_taken[task] += 1 + (level < 0)
        waste = 0.0
        for i in range(2000 * (task % 3)):
            waste += np.sqrt(i)
        if waste >= 0.0:
            ended[task] = fetch_add(clock, 0, 1)
        task, level = take_next(queue, levels)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("sizes", [[1], [40], [3, 1, 1, 17, 2, 9], [1] * 30, [2, 0, 3]])
def test_every_task_runs_once_after_all_of_earlier_levels(sizes, n_threads):
    levels = np.append(0, np.cumsum(sizes))
    for _ in range(20):
        queue = np.zeros(QUEUE_SIZE, np.int64)
        clock = np.zeros(1, np.int64)
        begun, ended, times_taken = np.zeros((3, levels[-1]), np.int64)
        arguments = queue, levels, clock, begun, ended, times_taken
        with ThreadPoolExecutor(n_threads) as pool:
            for future in [pool.submit(record, *arguments) for _ in range(n_threads)]:
                future.result()
        assert (times_taken == 1).all()
        for first, last in pairwise(levels):
            if 0 < first < last:
                assert begun[first:last].min() > ended[:first].max()


def count_calls(monkeypatch, n_tasks, n_available):
    calls = []
    monkeypatch.setattr("skpc._threads.available_threads", lambda: n_available)

    def kernel(queue, levels, argument):
        calls.append(argument)

    launch(kernel, n_tasks, "x")
    return len(calls)


def test_no_more_threads_than_tasks(monkeypatch):
    assert count_calls(monkeypatch, 1, n_available=2) == 1
    assert count_calls(monkeypatch, 0, n_available=2) == 1


def test_one_thread_is_the_caller(monkeypatch):
    with use_threads(1):
        assert count_calls(monkeypatch, 100, n_available=2) == 1


def test_an_error_reaches_the_caller():
    def kernel(queue, levels):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        launch(kernel, 5)
