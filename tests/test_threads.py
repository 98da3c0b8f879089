"""Threads, processes and the kernel cache: the same bits everywhere, or a clear error."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import joblib
import numba
import numpy as np
import pytest
from helpers import chain, random_circuit, random_rows, same_bits, star
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer
from threadpoolctl import threadpool_info, threadpool_limits

import skpc
from skpc import SharpPCDensity, _threads
from skpc._kernels import caching, njit
from skpc._kernels.tasks import take, take_next
from skpc._learning.em import EStep
from skpc._queries.contributions import contributions
from skpc.curvature import hessian_trace

# Every program starts with a small table, and with threads for the smallest of work.
PRELUDE = """
import sys, numba, numpy as np
import skpc
from skpc import SharpPCDensity, _threads
_threads._SERIAL_WORK = 0

def estimator(n_latents=4, **parameters):
    settings = {"max_iter": 5, "tol": 0, "early_stopping": False, "random_state": 0}
    return SharpPCDensity(n_latents, **settings, **parameters)

X = np.random.default_rng(0).integers(0, 2, (200, 20))
"""


HANG = 3600
"""Seconds that only a hang takes, however busy the machine."""


def run(program, cwd=None, **environment):
    """What a program prints in a process of its own; neither a kill nor a hang is an answer.

    Variables that are None are not set.
    """
    environment = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program],
        env={name: value for name, value in environment.items() if value is not None},
        cwd=cwd,
        timeout=HANG,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout, done.stderr


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture(scope="module")
def X():
    generator = np.random.default_rng(0)
    latent = generator.integers(0, 2, 90)
    return (generator.random((90, 6)) < 0.2 + 0.6 * latent[:, None]).astype(np.int64)


def estimator(**parameters):
    return SharpPCDensity(**{"n_latents": 4, "max_iter": 10, "random_state": 0, **parameters})


# --- the same bits ---------------------------------------------------------------------


@pytest.mark.slow
def test_threads_do_not_change_a_bit():
    program = """
import joblib

rng = np.random.default_rng(0)
latent = rng.integers(0, 3, (2000, 1))
X = np.hstack([rng.random((2000, 5)) < 0.2 + 0.3 * latent, rng.normal(latent, 1, (2000, 3))])
X[rng.random(X.shape) < 0.05] = np.nan

class Watched:
    def submit(self, kernel, *arguments):
        seen[-1] += 1
        return executor.submit(kernel, *arguments)

executor, watched, seen = _threads._helpers(), Watched(), []
_threads._helpers = lambda: watched
for n_jobs in 1, 2, 4:
    seen.append(0)
    model = estimator(16, regularizer="gated", n_jobs=n_jobs).fit(X, sample_weight=np.arange(2000))
    answers = model.circuit_, model.score_samples(X), model.hessian_trace(X), model.sample(20, 1)
    print(*map(joblib.hash, answers))
assert seen[0] == 0 < seen[1] < seen[2], seen
"""
    one, two, four = run(program, NUMBA_NUM_THREADS="4")[0].splitlines()
    assert one == two == four


@pytest.mark.slow
def test_grid_search_over_mu_and_n_latents_in_parallel(X):
    pipeline = make_pipeline(Binarizer(threshold=0.5), estimator())
    grid = {"sharppcdensity__mu": [0.0, 0.1], "sharppcdensity__n_latents": [1, 4]}
    serial = GridSearchCV(pipeline, grid, cv=3).fit(X)
    parallel = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X)
    scores = serial.cv_results_["mean_test_score"]
    assert len(set(scores)) >= 3
    assert serial.best_params_["sharppcdensity__n_latents"] == 4
    assert np.array_equal(scores, parallel.cv_results_["mean_test_score"])


def test_grid_search_in_threads(X, monkeypatch):
    serial = cross_val_score(estimator(), X, cv=4)
    monkeypatch.setattr(_threads, "_SERIAL_WORK", 0)
    with joblib.parallel_backend("threading", n_jobs=2):
        threads = cross_val_score(estimator(), X, cv=4)
    assert np.array_equal(threads, serial)


def test_python_threads_fit_at_once():
    program = """
import threading
scores = {}
def fit(name):
    scores[name] = estimator(n_jobs=2).fit(X).score(X)
threads = [threading.Thread(target=fit, args=(name,)) for name in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(scores) == 4 and set(scores.values()) == {estimator(n_jobs=1).fit(X).score(X)}, scores
"""
    run(program, NUMBA_NUM_THREADS="2")


def test_a_child_of_a_fork_does_not_wait_for_who_limited_blas():
    limit = _threads._BlasLimit()
    limit.hold()
    limit._lock.acquire()  # by a thread that the child does not have
    limit.forget()
    limit.let_go()
    limit.hold()
    limit.let_go()
    assert limit._n_holders == 0


def test_the_last_of_several_lifts_the_limit_of_blas():
    def counts():
        libraries = threadpool_info()
        return [one["num_threads"] for one in libraries if one["user_api"] == "blas"]

    _threads._controller()  # finds the libraries that are loaded
    with threadpool_limits(2, user_api="blas"):
        before = counts()
        first, second = _threads.one_blas_thread(), _threads.one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(counts()) == {1}
        second.__exit__(None, None, None)
        assert counts() == before


def test_no_kernel_uses_a_threading_layer():
    program = """
estimator().fit(X).sharpness(X)
try:
    print(numba.threading_layer())
except ValueError:
    print("none")
"""
    assert run(program)[0] == "none\n"


# --- n_jobs ----------------------------------------------------------------------------


@cache
def thread_counts():
    """Threads that a launch of many tasks would use, inside and after."""
    program = """
import json
def count():
    return getattr(_threads._context, "n_threads", None)
def inside(n_jobs, **work):
    with _threads.use_threads(n_jobs, **work):
        return count()
def stop(run, *update):
    found.append(count())
    raise KeyboardInterrupt
counts = {str(n_jobs): inside(n_jobs) for n_jobs in (None, 1, 3, 4, 99, -1, -2, -4, -99)}
from skpc._learning.watch import Run
Run.update = stop
found = []
try:
    estimator(n_jobs=3).fit(X)
except KeyboardInterrupt:
    found.append(count())
_threads._SERIAL_WORK = 2**62
counts["little work"] = inside(4, work=1)
counts["a stopped fit"] = found
print(json.dumps(counts))
"""
    return json.loads(run(program, NUMBA_NUM_THREADS="4")[0])


@pytest.mark.parametrize(
    ("n_jobs", "expected"),
    {"None": 4, "1": 1, "3": 3, "4": 4, "99": 4, "-1": 4, "-2": 3, "-4": 1, "-99": 1}.items(),
)
def test_n_jobs_is_a_number_of_threads(n_jobs, expected):
    assert thread_counts()[n_jobs] == expected


def test_little_work_is_done_by_one_thread():
    assert thread_counts()["little work"] == 1


def test_a_stopped_fit_gives_the_threads_back():
    assert thread_counts()["a stopped fit"] == [3, None]


def test_no_threads_are_refused(X):
    model = estimator().fit(X)
    with pytest.raises(ValueError, match="n_jobs=0 leaves no thread"):
        estimator(n_jobs=0).fit(X)
    with pytest.raises(ValueError, match="n_jobs=0 leaves no thread"):
        model.set_params(n_jobs=0).score_samples(X)
    with pytest.raises(ValueError, match="n_jobs=0 leaves no thread"):
        hessian_trace(model.circuit_, X, n_jobs=0)


# --- failures --------------------------------------------------------------------------


def test_a_task_that_fails_ends_all_threads():
    """Others wait for the level that it leaves unfinished."""
    program = """
from numba import njit
from skpc._kernels.tasks import take, take_next

@njit(nogil=True)
def kernel(queue, levels, sizes, times_done):
    task, _ = take(queue, levels)
    while task < levels[-1]:
        waste = 0.0
        for i in range(3_000_000):
            waste += np.sqrt(float(i))
        if sizes[task] < 0:
            raise ValueError("a negative size")
        times_done[task] += np.empty(sizes[task], np.uint8).size + int(waste < 0.0)
        task, _ = take_next(queue, levels)

levels = np.arange(0, 44, 4)
for n_threads in 1, 2, 4:
    for size in 1, -1, 2**60:
        sizes, times_done = np.ones(40, np.int64), np.zeros(40, np.int64)
        sizes[5] = size
        try:
            with _threads.use_threads(n_threads):
                _threads.launch(kernel, levels, sizes, times_done)
        except (MemoryError, ValueError) as error:
            print(type(error).__name__, times_done[8:].sum(), error.__context__)
        else:
            print("done", times_done.sum(), None)
"""
    out = run(program, NUMBA_NUM_THREADS="4")[0]
    assert out.splitlines() == ["done 40 None", "ValueError 0 None", "MemoryError 0 None"] * 3


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to one thread")
@pytest.mark.parametrize("is_at_work", [True, False])
def test_ctrl_c_ends_all_threads(is_at_work, monkeypatch):
    """While the main thread is at work itself, and while it waits for a helper."""
    pool = ThreadPoolExecutor(1)
    monkeypatch.setattr(_threads, "available_threads", lambda: 2)
    monkeypatch.setattr(_threads, "_helpers", lambda: pool)
    main, helper_is_at_work, done = threading.main_thread(), threading.Event(), []

    def kernel(queue, levels):
        if threading.current_thread() is main:
            assert helper_is_at_work.wait(timeout=HANG)
            if is_at_work:
                signal.raise_signal(signal.SIGINT)
            return
        task, _ = take(queue, levels)
        while task < levels[-1]:
            helper_is_at_work.set()
            time.sleep(0.001)
            done.append(task)
            if len(done) == 5 and not is_at_work:
                signal.pthread_kill(main.ident, signal.SIGINT)
            task, _ = take_next(queue, levels)

    with pytest.raises(KeyboardInterrupt):
        _threads.launch(kernel, 5000)
    n_done = len(done)
    pool.shutdown()
    assert len(done) == n_done < 5000


def test_where_no_thread_can_be_started_the_caller_works_alone(X, monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    alone = estimator(n_jobs=1).fit(X)
    pool = ThreadPoolExecutor(1)
    monkeypatch.setattr(_threads, "_SERIAL_WORK", 0)
    monkeypatch.setattr(_threads, "available_threads", lambda: 2)
    monkeypatch.setattr(_threads, "_helpers", lambda: pool)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert same_bits(estimator(n_jobs=2).fit(X).circuit_, alone.circuit_)
    assert pool._work_queue.qsize() > 0  # they come to nothing should a thread ever start
    monkeypatch.undo()
    pool.submit(int).result(timeout=HANG)
    pool.shutdown()


def test_kernels_run_at_the_end_of_the_interpreter():
    """At exit, in a thread that outlives the main one, and in what is forked from there."""
    program = """
import atexit, os, threading, time
model = estimator(n_jobs=2).fit(X)
score = model.score(X)

def late(moment, end=lambda: None):
    try:
        print(moment, model.score(X) == score, flush=True)
    finally:
        end()

def in_a_thread():
    threading.main_thread().join()
    late("a thread")
    if hasattr(os, "fork"):
        child = os.fork()
        if child == 0:
            late("a child", lambda: os._exit(0))
        os.waitpid(child, 0)
    else:
        print("a child True")

threading.Thread(target=in_a_thread).start()
atexit.register(late, "at exit")
"""
    out = run(program, NUMBA_NUM_THREADS="2")[0]
    assert sorted(out.splitlines()) == ["a child True", "a thread True", "at exit True"]


# --- narrow levels ---------------------------------------------------------------------


def threaded(monkeypatch, circuit, X):
    """Names of the kernels that call for help in the passes over rows, of two threads."""
    names = []
    pool = ThreadPoolExecutor(1)

    class Team(_threads._Team):
        def run(self, n_helpers):
            names.append(self._kernel.__name__)
            super().run(n_helpers)

    monkeypatch.setattr(_threads, "available_threads", lambda: 2)
    monkeypatch.setattr(_threads, "_helpers", lambda: pool)
    monkeypatch.setattr(_threads, "_Team", Team)
    contributions(circuit, X)
    hessian_trace(circuit, X)
    EStep(circuit, circuit.inputs.encode(X), np.ones(len(X)))(circuit)
    pool.shutdown()
    return set(names)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_each_keeps_the_order_of_arguments(n_threads):
    with _threads.use_threads(n_threads):
        assert _threads.each(lambda number: number**2, range(50)) == [i**2 for i in range(50)]
        assert _threads.each(str, []) == []


def test_each_uses_two_threads_which_have_one_of_their_own():
    meeting = threading.Barrier(2)

    def work(_):
        meeting.wait(HANG)  # for the other thread
        return _threads._context.n_threads, threading.get_ident(), np.geterr()["under"]

    with _threads.use_threads(2):
        found = _threads.each(work, range(2))
        assert _threads._context.n_threads == 2
    assert [one[0] for one in found] == [1, 1]
    assert len({one[1] for one in found}) == 2
    assert {one[2] for one in found} == {"ignore"}


@pytest.mark.parametrize("n_threads", [1, 2])
def test_each_raises_what_one_of_them_raises(n_threads):
    called = []

    def work(number):
        called.append(number)
        raise ValueError(f"number {number}")

    with _threads.use_threads(n_threads):
        with pytest.raises(ValueError, match="number "):
            _threads.each(work, range(1000))
        assert _threads._context.n_threads == n_threads
    assert len(called) < 10


def test_levels_of_little_work_each_are_left_to_one_thread(monkeypatch):
    """A wait at the end of a level takes longer than to do the level, if others use the core."""
    rng = np.random.default_rng(0)
    deep = random_circuit(rng, chain(300), np.full(300, 2), 8)
    X = random_rows(rng, deep, 200)
    assert threaded(monkeypatch, deep, X).isdisjoint({"upward", "downward", "fill_table"})
    flat = random_circuit(rng, star(50), np.full(50, 30), 64)
    assert threaded(monkeypatch, flat, random_rows(rng, flat, 3000)) >= {"upward", "downward"}


# --- forked processes ------------------------------------------------------------------


@cache
def forks():
    """What becomes of a fit in children forked at several moments, by the moment."""
    program = """
import multiprocessing, os, signal, threading

def fork(moment, then=lambda: None):
    child = os.fork()
    if child == 0:
        signal.alarm(3600)  # a hang ends as a kill
        try:
            print(moment, "score", estimator(n_jobs=2).fit(X).score(X), sep=": ", flush=True)
            then()
        except Exception as error:
            print(moment, type(error).__name__, error, sep=": ", flush=True)
        finally:
            os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        print(moment, "status", status, sep=": ", flush=True)

def work():
    while not done.is_set():
        estimator(n_jobs=2).fit(X)
        held.set()

if __name__ == "__main__":
    fork("before the first launch", then=lambda: fork("by such a child"))
    model = estimator(n_jobs=2).fit(X)
    print("parent", "score", model.score(X), sep=": ", flush=True)
    fork("after a fit")
    held, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    held.wait()
    fork("during a fit of another thread")
    done.set()
    thread.join()
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        print("spawned", "score", workers.apply(model.score, (X,)), sep=": ")
"""
    out = run(program, NUMBA_NUM_THREADS="2")[0]
    return {moment: answer for moment, *answer in (line.split(": ") for line in out.splitlines())}


@needs_fork
@pytest.mark.parametrize(
    "moment",
    [
        "before the first launch",
        "by such a child",
        "after a fit",
        "during a fit of another thread",
        "spawned",
    ],
)
def test_children_of_any_kind_fit(moment):
    assert forks()[moment] == forks()["parent"]


# --- the kernel cache ------------------------------------------------------------------


def compiled():
    """Compiled signatures and compilations by kernel, after fits of several tables."""
    program = """
import importlib, json, pkgutil
import skpc._kernels

rng = np.random.default_rng(0)
pair = rng.normal(size=(200, 1)) + 0.2 * rng.normal(size=(200, 2))  # so near that it is a group
mixed = np.hstack([X, pair])
mixed[rng.random(mixed.shape) < 0.1] = np.nan

def work(rows):
    for table in X[rows], mixed[rows]:
        model = estimator(regularizer="gated").fit(table, sample_weight=np.arange(len(table)))
        model.score(table), model.hessian_trace(table), model.sample(3)

def count():
    return {
        f"{module.name}.{name}": (len(kernel.signatures), sum(kernel.stats.cache_misses.values()))
        for module in pkgutil.iter_modules(skpc._kernels.__path__)
        for name, kernel in vars(
            importlib.import_module(f"skpc._kernels.{module.name}")
        ).items()
        if hasattr(kernel, "signatures")
    }

work(slice(None))
first = count()
work(slice(10, 150))
print(json.dumps([first, count()]))
"""
    return json.loads(run(program)[0])


@pytest.mark.slow
def test_kernels_are_compiled_once_and_kept():
    """Neither a second fit, of another number of rows, nor a second process compiles."""
    compiled()  # where no test has done so yet
    first, second = compiled()
    of_dtypes = {"evidence.encode": 2}  # reads integers and floats as they are
    assert {name: n for name, (n, _) in first.items() if n > 1} == of_dtypes
    assert {name: misses for name, (_, misses) in first.items() if misses} == {}
    assert sum(n_signatures for n_signatures, _ in first.values()) > 10
    assert second == first


@pytest.mark.slow
def test_the_first_fit_compiles_no_more_functions_than_it_needs(tmp_path):
    """A count, with what Numba compiles for calls of NumPy's: one np.sort is more than twenty.

    And the bits are those of a process that loads what this one compiled.
    """
    program = """
import joblib
from numba.core import event
from sklearn.datasets import load_iris

iris = load_iris().data
with event.install_recorder("numba:compile") as recorder:
    SharpPCDensity(max_iter=2).fit(iris)
print(sum(e.is_start for _, e in recorder.buffer))
model = estimator(32).fit(iris)
print(joblib.hash([model.circuit_, model.feature_contributions(iris)]))
"""
    (first, bits), (second, again) = (
        run(program, NUMBA_CACHE_DIR=str(tmp_path))[0].split() for _ in range(2)
    )
    assert 10 < int(first) <= 66
    assert int(second) == 0
    assert bits == again


def square(x):
    return x * x


def cube(x):
    return x * x * x


@pytest.fixture
def kernel_of(monkeypatch, tmp_path):
    """What makes a kernel of a function as a new process would, with a cache in `tmp_path`."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return lambda function: njit(cache=True)(function)


def is_loaded(kernel):
    """Whether the cache had the kernel, whose result must be right in any case."""
    assert kernel(3) == kernel.py_func(3)
    return sum(kernel.stats.cache_hits.values()) == 1


@pytest.fixture
def files(kernel_of, tmp_path):
    """Index and data of a kernel that has been compiled before."""
    assert not is_loaded(kernel_of(square))
    assert is_loaded(kernel_of(square))
    (index,), (data,) = tmp_path.rglob("*.nbi"), tmp_path.rglob("*.nbc")
    return {"index": index, "data": data}


DAMAGES = {
    "emptied": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "cut by a byte": lambda content: content[:-1],
    "garbage": lambda content: bytes(range(256)) * 20,
    "text": lambda content: b"<html>404</html>",
    "a bit flipped": lambda content: content[:-99] + bytes([content[-99] ^ 4]) + content[-98:],
}


@pytest.mark.parametrize("kind", ["index", "data"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_in_the_cache_is_compiled_anew_and_replaced(kernel_of, files, kind, damage):
    files[kind].write_bytes(DAMAGES[damage](files[kind].read_bytes()))
    assert not is_loaded(kernel_of(square))
    assert is_loaded(kernel_of(square))


def test_data_of_another_kernel_or_version_are_not_loaded(kernel_of, files, monkeypatch, tmp_path):
    """As two processes on unlike processors may leave them that save at once."""
    assert not is_loaded(kernel_of(cube))
    (other,) = set(tmp_path.rglob("*.nbc")) - {files["data"]}
    files["data"].write_bytes(other.read_bytes())
    assert not is_loaded(kernel_of(square))
    index = files["index"].read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(numba, "__version__", "0.1")
        assert not is_loaded(kernel_of(square))
        assert is_loaded(kernel_of(square))
    files["index"].write_bytes(index)  # which names what the other version has left
    assert not is_loaded(kernel_of(square))


def test_an_edit_of_any_kernel_is_noticed(kernel_of, files, monkeypatch):
    """Numba looks at the file of a kernel only, not at what it calls."""
    with monkeypatch.context() as patch:
        patch.setattr(caching, "_sources", lambda: "edited")
        assert not is_loaded(kernel_of(square))
    assert not is_loaded(kernel_of(square))


def test_a_cache_directory_that_vanishes_is_made_again(kernel_of, files, tmp_path):
    kernel = kernel_of(square)
    shutil.rmtree(files["data"].parent)
    assert not is_loaded(kernel)
    assert is_loaded(kernel_of(square))


@pytest.mark.parametrize("obstacle", ["directory", "index", "data"])
def test_what_cannot_be_written_any_more_is_named(kernel_of, files, obstacle):
    kernel = kernel_of(square)
    if obstacle == "directory":
        shutil.rmtree(files["data"].parent)
        files["data"].parent.touch()
    else:
        files[obstacle].unlink()
        (files[obstacle] / "in the way").mkdir(parents=True)
    with pytest.warns(RuntimeWarning, match="cannot be kept") as caught:
        assert not is_loaded(kernel)
    assert str(files["data"].parent) in str(caught[0].message)


@pytest.mark.slow
def test_without_a_writable_cache_everything_works_and_warns(tmp_path):
    """Files where directories would be needed: permissions do not hold back every user."""
    package = Path(skpc.__file__).parent
    shutil.copytree(package, tmp_path / "skpc", ignore=shutil.ignore_patterns("__pycache__"))
    for directory in tmp_path, tmp_path / "skpc", tmp_path / "skpc" / "_kernels":
        (directory / "__pycache__").touch()
    home = str(tmp_path / "__pycache__")
    unset = dict.fromkeys(("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"))
    program = """
import importlib, pkgutil
import skpc._kernels
for module in pkgutil.iter_modules(skpc._kernels.__path__):
    importlib.import_module(f"skpc._kernels.{module.name}")
print(skpc.__file__, np.isfinite(estimator().fit(X).score(X)))
"""
    # Unoptimised kernels are compiled in half the time.
    out, err = run(program, cwd=tmp_path, HOME=home, LOCALAPPDATA=home, NUMBA_OPT="0", **unset)
    assert out.split() == [str(tmp_path / "skpc" / "__init__.py"), "True"]
    assert err.count("RuntimeWarning: Compiled kernels cannot be kept") == 1
    assert "NUMBA_CACHE_DIR" in err


# --- kernels that are not compiled -----------------------------------------------------


def test_plain_python_gives_the_same_answers_without_a_warning():
    program = """
import warnings
import numpy as np
from skpc import SharpPCDensity

rng = np.random.default_rng(0)
table = np.hstack([rng.integers(0, 2, (60, 8)), rng.normal(size=(60, 2))])
table[rng.random(table.shape) < 0.1] = np.nan
model = SharpPCDensity(3, max_iter=5, tol=0, random_state=0, regularizer="gated", n_jobs=2)
with warnings.catch_warnings():
    warnings.simplefilter("error", RuntimeWarning)
    model.fit(table, sample_weight=1 + np.arange(60) % 3)
    answers = np.concatenate([
        model.score_samples(table), model.hessian_trace(table),
        model.feature_contributions(table, kind="surprise").ravel(),
        model.sample(4, random_state=0).ravel(),
    ])
"""
    printed, _ = run(program + "print(*answers)", NUMBA_DISABLE_JIT="1")
    compiled = {}
    exec(program, compiled)
    # Five steps of EM from one start, whose sums are ordered otherwise.
    plain = [float(word) for word in printed.split()]
    np.testing.assert_allclose(plain, compiled["answers"], rtol=1e-7, atol=1e-9)


def test_python_threads_that_share_the_cores_get_their_part_of_them(monkeypatch):
    monkeypatch.setattr(_threads, "_n_cores", lambda: 8)
    assert _threads.available_threads() == 8
    with _threads.share_threads(3):
        assert _threads.available_threads() == 2
        with ThreadPoolExecutor(1) as pool:  # another one knows nothing of it
            assert pool.submit(_threads.available_threads).result() == 8
        with _threads.share_threads(100):
            assert _threads.available_threads() == 1
        with _threads.use_threads(None):
            assert _threads._worth_while(np.array([0, 100]), np.inf) == 2
    assert _threads.available_threads() == 8
