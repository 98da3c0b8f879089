"""Time one EM iteration against the machine's matrix products, and what is around it.

For every data set, number of latent states and dtype of the messages: milliseconds an EM
iteration, of it the M-step, GFLOP/s of 6 K^2 sum U, and the share that this is of NumPy's
rate for 4096 x K x K on all threads, in the same dtype and process. Then the ratios that
should stay small or large, each taken within this process.

    python docs/benchmarks/throughput.py --data DIR [--write docs/benchmarks/RESULTS.md]

DIR holds files NAME.npz with integer arrays `train`, `valid` and `test`.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numba
import numpy as np
from markdown import print_header, print_row, write_table
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info, threadpool_limits

from skpc import SharpPCDensity
from skpc._circuit.circuit import Circuit, random_circuit
from skpc._data.rows import Rows
from skpc._learning.em import EStep
from skpc._learning.mstep import MStep
from skpc._learning.structure import Structure, learn_structure
from skpc._passes.blocks import Memory, pattern_blocks
from skpc._passes.messages import Messages
from skpc._passes.patterns import link_patterns, row_codes
from skpc._tables.columns import Columns
from skpc._threads import table_work, use_threads
from skpc.curvature import hessian_trace

HEADER = ["data set", "K", "dtype", "n d / patterns", "ms an iteration", "of it M-step"]
HEADER += ["GFLOP/s", "NumPy GEMM", "utilisation"]
M_STEP = MStep(mu=0.05, pseudocount=0.01)
DATASETS = ["nltcs", "plants", "accidents", "baudio", "dna"]


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Median of `repeats` timings, after one call that warms up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def cpu_seconds(calls: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Medians of the processor's seconds for each of the calls, which take turns."""
    turns = np.empty((repeats + 1, len(calls)))
    for turn in turns:
        for i, call in enumerate(calls):
            start = time.process_time()
            call()
            turn[i] = time.process_time() - start
    return np.median(turns[1:], axis=0).tolist()  # the first warms up


def gemm_rate(n_latents: int, dtype: str) -> float:
    """GFLOP/s of NumPy's 4096 x K x K on all threads."""
    generator = np.random.default_rng(0)
    a = generator.random((4096, n_latents)).astype(dtype)
    b = generator.random((n_latents, n_latents)).astype(dtype)
    out = np.empty_like(a)
    return 2 * 4096 * n_latents**2 / seconds(lambda: np.matmul(a, b, out=out), 50) / 1e9


def blas_kernel() -> str:
    """Name and processor kernel of NumPy's BLAS."""
    found = [lib for lib in threadpool_info() if lib["user_api"] == "blas"]
    return ", ".join(f"{lib['internal_api']} {lib.get('architecture', '')}" for lib in found[:1])


def prepare(X: np.ndarray, n_latents: int, dtype: str = "float64") -> tuple[Circuit, EStep]:
    """A random circuit for X, and the E-step on X."""
    rows = encoded(X).distinct()
    random_state = np.random.RandomState(0)
    _, parents = learn_structure(rows, Structure(), n_latents, 0.01, random_state)
    circuit = random_circuit(parents, rows, n_latents, random_state)
    return circuit, EStep(circuit, rows.evidence, rows.weights, dtype=dtype)


def encoded(X: np.ndarray) -> Rows:
    """The rows of a table as they come."""
    return Rows.encode(X, Columns.learn(X).scopes, np.ones(len(X)))


def measure(path: Path, n_latents: int, dtype: str, repeats: int) -> list[object]:
    """Measure an EM iteration on one data set at one size."""
    X = np.load(path)["train"]
    circuit, e_step = prepare(X, n_latents, dtype)
    counts = e_step(circuit)
    e_seconds = seconds(lambda: e_step(circuit), repeats)
    m_seconds = seconds(lambda: M_STEP(circuit, counts), repeats)
    rate = 6 * n_latents**2 * e_step.n_patterns / (e_seconds + m_seconds) / 1e9
    numpy_rate = gemm_rate(n_latents, dtype)
    return [
        path.stem,
        n_latents,
        dtype,
        f"{X.size / e_step.n_patterns:.1f}",
        f"{1e3 * (e_seconds + m_seconds):.2f}",
        f"{1e3 * m_seconds:.2f}",
        f"{rate:.0f}",
        f"{numpy_rate:.0f}",
        f"{rate / numpy_rate:.2f}",
    ]


def structure_over_iteration(X: np.ndarray, repeats: int) -> float:
    """Seconds of distinct rows, tree and patterns over those of an EM iteration, K = 32."""
    circuit, e_step = prepare(X, 32)
    raw = encoded(X)
    unused = np.random.RandomState(0)

    def build() -> None:
        rows = raw.distinct()
        _, parents = learn_structure(rows, Structure(), 32, 0.01, unused)
        evidence = rows.evidence
        symbols, n_symbols = evidence.symbols, evidence.n_symbols
        codes = row_codes(parents, symbols, n_symbols)
        link_patterns(parents, symbols, n_symbols, codes, rows.weights)

    with use_threads(None, table_work(X.size, 32)):  # as in a fit
        iteration = seconds(lambda: M_STEP(circuit, e_step(circuit)), repeats)
        return seconds(build, repeats) / iteration


def score_over_dense(X: np.ndarray, repeats: int) -> float:
    """Rows a second of score_samples over those of one dense forward pass at GEMM rate, K = 32."""
    model = SharpPCDensity(32, max_iter=2, random_state=0).fit(X)
    dense = 2 * X.size * 32**2 / (gemm_rate(32, "float64") * 1e9)
    return dense / seconds(lambda: model.score_samples(X), repeats)


def trace_over_rows(X: np.ndarray, repeats: int) -> float:
    """Seconds of hessian_trace over those of an E-step on distinct rows, not patterns, K = 32."""
    circuit, _ = prepare(X, 32)
    rows = encoded(X).distinct()
    (block,) = pattern_blocks(circuit, rows.evidence, rows.weights, Memory(2**40), by_row=True)
    messages = Messages(circuit.n_regions, 32)

    def e_step() -> None:
        messages.upward(circuit, block.evidence, block.patterns)
        messages.downward(circuit, block.evidence, block.patterns)

    distinct_X = X[np.unique(X, axis=0, return_index=True)[1]]
    trace = seconds(lambda: hessian_trace(circuit, distinct_X), repeats)
    return trace / seconds(e_step, repeats)


def contributions_over_score(X: np.ndarray, repeats: int) -> float:
    """CPU seconds of all surprises over those of score_samples, K = 32, on one thread.

    Of the same rows, all distinct: the first 10,000, or as many as there are. The two take turns;
    medians. CPU seconds, as a busy machine may stop either in its few milliseconds.
    """
    distinct_X = X[np.sort(np.unique(X, axis=0, return_index=True)[1])][:10_000].astype(float)
    model = SharpPCDensity(32, max_iter=2, random_state=0, n_jobs=1).fit(distinct_X)
    calls = partial(model.feature_contributions, kind="surprise"), model.score_samples
    contributions, score = cpu_seconds([partial(call, distinct_X) for call in calls], 3 * repeats)
    return contributions / score


def gemm_over_continuous_score(X: np.ndarray, repeats: int) -> float:
    """CPU seconds of NumPy's product over those of score_samples of a continuous mixture.

    Of the first 4,000 distinct rows under 2,048 points with a forest of columns, on one thread. The
    product is that of as many indicators, of a column's value and its parent's, with their log
    probabilities: 4 for each of the binary columns. The two take turns; medians.
    """
    n_points = 2048
    distinct_X = X[np.sort(np.unique(X, axis=0, return_index=True)[1])][:4_000].astype(float)
    settings: dict[str, Any] = {"structure": "continuous-mixture", "max_iter": 2, "n_jobs": 1}
    model = SharpPCDensity(n_points, early_stopping=False, random_state=0, **settings)
    model.fit(distinct_X)
    generator = np.random.default_rng(0)
    indicators = np.repeat(distinct_X, 4, axis=1)
    log_tables = generator.random((indicators.shape[1], n_points))
    out = np.empty((len(distinct_X), n_points))
    with threadpool_limits(1, user_api="blas"):
        product, score = cpu_seconds(
            (lambda: np.matmul(indicators, log_tables, out=out),
             lambda: model.score_samples(distinct_X)),
            repeats,
        )  # fmt: skip
    return product / score


def one_over_two_threads(X: np.ndarray, repeats: int) -> float:
    """Seconds of a whole fit, K = 64, 20 iterations, on one thread over those on two."""

    def fit(n_jobs: int) -> None:
        SharpPCDensity(
            64,
            max_iter=20,
            tol=0,
            early_stopping=False,
            batch_size=None,
            init="random",
            random_state=0,
            n_jobs=n_jobs,
        ).fit(X)

    return seconds(lambda: fit(1), repeats) / seconds(lambda: fit(2), repeats)


def gemm_one_over_two_threads(repeats: int) -> float:
    """What the machine gains by its second thread where nothing but products is done."""
    a = np.random.default_rng(0).random((2048, 2048))
    times = []
    for n_threads in 1, 2:
        with threadpool_limits(n_threads, user_api="blas"):
            times.append(seconds(lambda: a @ a, repeats))
    return times[0] / times[1]


def ratios(data: Path, repeats: int) -> list[str]:
    """Print the table of ratios."""
    train = {name: np.load(data / f"{name}.npz")["train"] for name in DATASETS}
    circuit, e_step = prepare(train["nltcs"], 100)
    counts = e_step(circuit)
    m_seconds = seconds(lambda: M_STEP(circuit, counts), repeats)
    m_share = m_seconds / (m_seconds + seconds(lambda: e_step(circuit), repeats))
    lines = print_header(["ratio", "goal", "measured"])
    lines.append(
        print_row(["M-step's share of an iteration, nltcs, K=100", "< 0.40", f"{m_share:.2f}"])
    )
    for name in DATASETS:
        ratio = structure_over_iteration(train[name], repeats)
        what = f"distinct rows, structure and patterns over an iteration, {name}, K=32"
        lines.append(print_row([what, "<= 2", f"{ratio:.2f}"]))
    accidents = train["accidents"]
    ratio = score_over_dense(accidents, repeats)
    what = "score_samples over a dense forward pass at GEMM rate, rows a second, accidents, K=32"
    lines.append(print_row([what, ">= 2", f"{ratio:.2f}"]))
    ratio = trace_over_rows(accidents, repeats)
    what = "hessian_trace over an E-step on distinct rows, accidents, K=32"
    lines.append(print_row([what, "<= 2", f"{ratio:.2f}"]))
    for name in DATASETS:
        ratio = contributions_over_score(train[name], repeats)
        what = f"feature_contributions over score_samples on distinct rows, {name}, K=32"
        lines.append(print_row([what, "<= 3", f"{ratio:.2f}"]))
    ratio = gemm_over_continuous_score(train["baudio"], repeats)
    what = "NumPy's product of indicators over score_samples of a continuous mixture, baudio"
    lines.append(print_row([what, ">= 0.5", f"{ratio:.2f}"]))
    ratio = one_over_two_threads(train["baudio"], 3)
    what = "whole fit on one thread over two, baudio, K=64"
    lines.append(print_row([what, ">= 1.8", f"{ratio:.2f}"]))
    what = "NumPy's product of 2048 x 2048 matrices, one thread over two"
    lines.append(print_row([what, "", f"{gemm_one_over_two_threads(repeats):.2f}"]))
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NAME.npz files")
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--n-latents", nargs="+", type=int, default=[32, 64, 100, 128])
    parser.add_argument("--dtypes", nargs="+", default=["float64", "float32"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--write", type=Path, help="document to write the tables to")
    options = parser.parse_args()
    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, Numba {numba.__version__}; medians of {options.repeats}; "
        "GFLOP/s count 6 K^2 sum U; GEMM rates are for 4096 x K x K on all threads, "
        f"{blas_kernel()}."
    )
    print(machine, "\n")
    warnings.simplefilter("ignore", ConvergenceWarning)
    lines = print_header(HEADER)
    for dtype, n_latents, name in product(options.dtypes, options.n_latents, options.datasets):
        path = options.data / f"{name}.npz"
        lines.append(print_row(measure(path, n_latents, dtype, options.repeats)))
    print()
    ratio_lines = ratios(options.data, options.repeats)
    if options.write:
        write_table(options.write, "throughput", [machine, "", *lines])
        write_table(options.write, "ratios", ratio_lines)


if __name__ == "__main__":
    main()
