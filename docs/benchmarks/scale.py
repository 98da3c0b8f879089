"""Large tables, made here, and cold starts: seconds and peak memory, each in its own process.

    python docs/benchmarks/scale.py [--cases sparse wide ...] [--write docs/benchmarks/RESULTS.md]

tall: binary rows drawn from a circuit over 100 columns with 8 states; 32 states, 5 iterations.
batches: the same by stepwise EM on mini-batches, the estimator's default; 32 states, 2 epochs.
wide: 200 rows of 10,000 binary columns in three groups, as in genomics; 16 states, 20 iterations.
sparse: 100,000 x 1,500, 0.8 % ones; each row has one of twenty topics, in each of which a tenth
of the columns is frequent; 16 states, 20 iterations.
import, first fit: of iris, with an empty cache of compiled kernels and again from that cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from markdown import print_header, print_row, write_table
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

CASES = ["tall 100,000", "tall 300,000", "tall 1,000,000", "batches 1,000,000", "wide", "sparse"]


def tall(n_rows: int) -> np.ndarray:
    """Rows drawn from a random circuit over 100 binary columns."""
    from skpc import SharpPCDensity

    seedlings = np.random.default_rng(0).integers(0, 2, (60, 100))
    model = SharpPCDensity(8, max_iter=5, random_state=0).fit(seedlings)
    parts = [model.sample(100_000, i) for i in range(-(-n_rows // 100_000))]
    return np.concatenate([part.astype(np.uint8) for part in parts])[:n_rows]


def wide() -> np.ndarray:
    """Few rows in three groups, many binary columns."""
    generator = np.random.default_rng(0)
    rates = generator.beta(0.5, 0.5, (3, 10_000))
    return (generator.random((200, 10_000)) < rates[generator.integers(0, 3, 200)]).astype(np.uint8)


def sparse() -> csr_array:
    """A sparse 0/1 table, drawn column by column."""
    n_rows, n_columns, density = 100_000, 1_500, 0.008
    generator = np.random.default_rng(0)
    rates = generator.random(n_columns) ** 3
    rates *= density * n_columns / rates.sum()
    topic = generator.integers(0, 20, n_rows)
    factor = np.where(generator.random((20, n_columns)) < 0.1, 5.0, 0.55)
    columns = [
        np.flatnonzero(generator.random(n_rows) < rate * factor[topic, j])
        for j, rate in enumerate(rates)
    ]
    sizes = [len(rows) for rows in columns]
    positions = (np.concatenate(columns), np.repeat(np.arange(n_columns), sizes))
    return csr_array((np.ones(sum(sizes), np.int8), positions), (n_rows, n_columns))


def peak_gigabytes() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def measure(case: str) -> None:
    """Fit one table; print the cells of its row."""
    from skpc import SharpPCDensity

    warnings.simplefilter("ignore", ConvergenceWarning)
    SharpPCDensity(2, max_iter=1).fit(np.eye(3, dtype=int))  # load the kernels
    kind, _, size = case.partition(" ")
    X: Any
    if size:
        X = tall(int(size.replace(",", "")))
    elif kind == "wide":
        X = wide()
    else:
        X = sparse()
    n_latents, n_iter = {"tall": (32, 5), "batches": (32, 2)}.get(kind, (16, 20))
    batch_size = "auto" if kind == "batches" else None
    before = peak_gigabytes()
    start = time.perf_counter()
    SharpPCDensity(
        n_latents,
        max_iter=n_iter,
        tol=0,
        early_stopping=False,
        batch_size=batch_size,
        init="random",
        random_state=0,
    ).fit(X)
    seconds = time.perf_counter() - start
    shape = f"{X.shape[0]:,} x {X.shape[1]:,}"
    cells = [kind, shape, n_latents, n_iter, f"{seconds:.1f}", f"{before:.2f}"]
    print("|".join(map(str, [*cells, f"{peak_gigabytes():.2f}"])))


def child(program: str, **environment: str) -> str:
    """What a Python program prints in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def cold_starts() -> list[list[str]]:
    """Seconds of the import above scikit-learn's, and of the first fit, twice."""
    clock = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
    seconds = [
        float(child("import sklearn.base; " + clock.format("import skpc"))) for _ in range(5)
    ]
    fit = (
        "import skpc; from sklearn.datasets import load_iris; X = load_iris().data; "
        + clock.format("skpc.SharpPCDensity(max_iter=5, random_state=0).fit(X)")
    )
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = (float(child(fit, NUMBA_CACHE_DIR=cache)) for _ in range(2))
    return [
        ["`import skpc` above `import sklearn.base`", f"{np.median(seconds):.3f}"],
        ["first fit of iris, empty cache", f"{cold:.1f}"],
        ["first fit of iris, kernels from the cache", f"{warm:.2f}"],
    ]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=CASES)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help="document to write the tables to")
    options = parser.parse_args()
    if options.case:
        return measure(options.case)
    lines = print_header(["cold start", "seconds"])
    lines += [print_row(row) for row in cold_starts()]
    header = ["table", "shape", "K", "iterations", "seconds", "GB before", "GB at the peak"]
    lines += ["", *print_header(header)]
    for case in options.cases:
        program = [sys.executable, str(Path(__file__)), "--case", case]
        out = subprocess.run(program, check=True, capture_output=True, text=True).stdout
        lines.append(print_row(out.strip().split("|")))
    if options.write:
        write_table(options.write, "scale", lines)


if __name__ == "__main__":
    main()
