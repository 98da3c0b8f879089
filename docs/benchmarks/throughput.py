"""Time one EM iteration against the machine's matrix products.

For every data set and number of latent states: rows, patterns, n * d / patterns,
milliseconds an EM iteration, GFLOP/s of 6 K^2 sum U, and the GEMM rates of NumPy and of the
circuit's own kernel at 4096 x K x K, all in this process.

    python docs/benchmarks/throughput.py --data DIR [--write README.md]

DIR holds files NAME.npz with integer arrays `train`, `valid` and `test`.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
from markdown import print_header, print_row, write_table

from skpc._circuit import Circuit, random_circuit
from skpc._columns import Columns
from skpc._em import EStep
from skpc._evidence import encode
from skpc._kernels.gemm import multiply, padded
from skpc._mstep import MStep
from skpc._patterns import distinct_rows
from skpc._structure import Structure, learn_structure

HEADER = [
    "data set",
    "K",
    "rows",
    "patterns",
    "n d / patterns",
    "ms an iteration",
    "of it M-step",
    "GFLOP/s",
    "NumPy GEMM, all threads",
    "own GEMM, one thread",
]
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


def gemm_rates(n_latents: int) -> tuple[float, float]:
    """GFLOP/s of 4096 x K x K: NumPy on all threads, the kernel on one."""
    n_padded = padded(n_latents, np.float64)
    generator = np.random.default_rng(0)
    a = generator.random((4096, n_latents))
    b = generator.random((n_latents, n_latents))
    out = np.empty_like(a)
    flop = 2 * 4096 * n_latents**2
    numpy_rate = flop / seconds(lambda: np.matmul(a, b, out=out), 50)
    a = generator.random((4096, n_padded))
    b = np.zeros((n_latents, n_padded))
    out = np.empty((4096, n_padded))
    kernel_rate = flop / seconds(lambda: multiply(a, b, out, 4096), 50)
    return numpy_rate / 1e9, kernel_rate / 1e9


def prepare(X: np.ndarray, n_latents: int) -> tuple[Circuit, EStep]:
    """A random circuit for X, and the E-step on X."""
    columns = Columns.learn(X)
    categories = [column.categories for column in columns.columns]
    features = [np.array([j]) for j in range(X.shape[1])]
    evidence = encode(X, features, categories)
    symbols, weights = distinct_rows(evidence.symbols, evidence.n_symbols, np.ones(len(X)))
    evidence = evidence.with_symbols(symbols)
    random_state = np.random.RandomState(0)
    features, parents = learn_structure(
        evidence, weights, Structure(), n_latents, 0.01, random_state
    )
    circuit = random_circuit(
        parents, features, categories, evidence, weights, n_latents, random_state
    )
    return circuit, EStep(circuit, evidence, weights)


def measure(path: Path, n_latents: int, repeats: int) -> list[object]:
    """Measure one data set at one size."""
    X = np.load(path)["train"]
    circuit, e_step = prepare(X, n_latents)
    m_step = MStep(mu=0.05, pseudocount=0.01)
    counts = e_step(circuit)
    e_seconds = seconds(lambda: e_step(circuit), repeats)
    m_seconds = seconds(lambda: m_step(circuit, counts), repeats)
    numpy_rate, kernel_rate = gemm_rates(n_latents)
    rate = 6 * n_latents**2 * e_step.n_patterns / (e_seconds + m_seconds) / 1e9
    return [
        path.stem,
        n_latents,
        len(X),
        e_step.n_patterns,
        f"{X.size / e_step.n_patterns:.1f}",
        f"{1e3 * (e_seconds + m_seconds):.2f}",
        f"{1e3 * m_seconds:.2f}",
        f"{rate:.0f}",
        f"{numpy_rate:.0f}",
        f"{kernel_rate:.0f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NAME.npz files")
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--n-latents", nargs="+", type=int, default=[32, 100])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, Numba {numba.__version__}; float64; medians of "
        f"{options.repeats}; GFLOP/s count 6 K^2 sum U; GEMM rates are for 4096 x K x K."
    )
    print(machine, "\n")
    lines = print_header(HEADER)
    for n_latents in options.n_latents:
        for name in options.datasets:
            path = options.data / f"{name}.npz"
            lines.append(print_row(measure(path, n_latents, options.repeats)))
    if options.write:
        write_table(options.write, "throughput", [*lines, "", machine])


if __name__ == "__main__":
    main()
