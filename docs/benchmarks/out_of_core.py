r"""Tables in Parquet files that are larger than the memory a process may have.

    python docs/benchmarks/out_of_core.py FOLDER [--cases binary mixed] [--rows N] \
        [--write docs/benchmarks/RESULTS.md]

FOLDER is where files are made, once, and kept. binary: 20 columns of 0 and 1, a mixture of twelve
profiles; 50 million rows. mixed: ten numbers, three of them on a lattice, of which a twentieth is
missing, and ten columns of labels; 10 million rows. Each is fitted, with 16 states and three
passes, by a process that may have 4 GiB of address space in all (RLIMIT_AS); for comparison one
without a bound has the same rows in memory, for a pass of EM over the same circuit.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from markdown import print_header, print_row, write_table
from sklearn.exceptions import ConvergenceWarning

ROWS = {"binary": 50_000_000, "mixed": 10_000_000}
LIMIT = 4 * 2**30
PART_ROWS = 1_000_000
SETTINGS = {"n_latents": 16, "max_iter": 3, "random_state": 0}
PROFILES = 12


def binary(n_rows: int) -> Iterator[Any]:
    """Tables of Arrow, a million rows each."""
    import pyarrow

    generator = np.random.default_rng(0)
    rates = generator.beta(0.7, 0.7, (PROFILES, 20)).astype(np.float32)
    for first in range(0, n_rows, PART_ROWS):
        n = min(PART_ROWS, n_rows - first)
        X = generator.random((n, 20), np.float32) < rates[generator.integers(0, PROFILES, n)]
        yield pyarrow.table({f"x{j}": X[:, j] for j in range(20)})


def mixed(n_rows: int) -> Iterator[Any]:
    """Tables of Arrow, a million rows each."""
    import pyarrow

    generator = np.random.default_rng(0)
    centres = generator.normal(0, 1.5, (PROFILES, 10))
    sizes = generator.integers(3, 30, 10)
    shares = [generator.dirichlet(np.full(size, 0.3), PROFILES) for size in sizes]
    ends = [np.cumsum(of_column, axis=1) for of_column in shares]
    labels = [np.array([f"label {i}" for i in range(size)]) for size in sizes]
    for first in range(0, n_rows, PART_ROWS):
        n = min(PART_ROWS, n_rows - first)
        profile = generator.integers(0, PROFILES, n)
        numbers = centres[profile] + generator.standard_normal((n, 10))
        numbers[:, 5:] = np.exp(numbers[:, 5:])
        numbers[:, 7:] = np.rint(10 * numbers[:, 7:])
        numbers[generator.random((n, 10)) < 0.05] = np.nan
        columns: dict[str, Any] = {f"number {j}": numbers[:, j] for j in range(10)}
        for j in range(10):
            drawn = (generator.random(n)[:, None] > ends[j][profile]).sum(axis=1)
            codes = np.minimum(drawn, sizes[j] - 1).astype(np.int8)
            columns[f"class {j}"] = pyarrow.DictionaryArray.from_arrays(codes, labels[j]).cast(
                pyarrow.string()
            )
        yield pyarrow.table(columns)


def make(path: Path, tables: Iterator[Any]) -> None:
    """Write a file, if it is not there."""
    from pyarrow import parquet

    if path.exists():
        return
    first = next(tables)
    part = path.with_suffix(".part")
    with parquet.ParquetWriter(part, first.schema) as writer:
        writer.write_table(first, row_group_size=PART_ROWS // 8)
        for table in tables:
            writer.write_table(table, row_group_size=PART_ROWS // 8)
    part.rename(path)


def timed(seconds: dict[str, list[float]], name: str, function: Callable[..., Any]) -> Any:
    """The function, which notes how long it takes."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        result = function(*args, **kwargs)
        seconds.setdefault(name, []).append(time.perf_counter() - began)
        return result

    return wrapper


def fit_in_chunks(path: Path, kept: Path) -> dict[str, float]:
    """Fit within the limit, and keep the model; seconds of each stage."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    import joblib

    from skpc import SharpPCDensity
    from skpc._estimators.parts import Chunks
    from skpc._learning.parts import BatchesOfParts

    seconds: dict[str, list[float]] = {}
    for name in ("summary", "sample", "e_steps"):
        setattr(Chunks, name, timed(seconds, name, getattr(Chunks, name)))
    BatchesOfParts.expected_counts = timed(seconds, "batch", BatchesOfParts.expected_counts)  # type: ignore
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = SharpPCDensity(**SETTINGS).fit(path)
    total = time.perf_counter() - began
    joblib.dump(model, kept)
    return {
        "total": total,
        "n_iter": model.n_iter_,
        "n_latents": model.n_latents_,
        "train": float(model.log_likelihoods_[-1]),
        **{name: sum(values) for name, values in seconds.items()},
        "pass": sum(seconds.get("batch", [])) / model.n_iter_,
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def pass_in_memory(path: Path, kept: Path) -> dict[str, float]:
    """Seconds of a pass of EM over all rows in memory, with what was learnt in chunks."""
    import joblib
    import pandas as pd

    from skpc._data.rows import Rows

    model = joblib.load(kept)
    frame = pd.read_parquet(path)
    matrix = model._columns.to_matrix(frame)
    del frame
    rows = Rows.encode(matrix, model._columns.scopes, np.ones(len(matrix))).distinct()
    del matrix
    e_step = model._solver().new_e_step(model.circuit_, rows.grouped(model.circuit_.features))
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        counts = e_step(model.circuit_)
        seconds.append(time.perf_counter() - began)
    return {
        "pass": seconds[-1],
        "train": float(counts.log_likelihood / e_step.total_weight),
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def in_process(what: str, path: Path, kept: Path) -> dict[str, float]:
    """What one of the functions above gives in a process of its own."""
    command = [sys.executable, __file__, str(path.parent), "--child", what, str(path), str(kept)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Make the files, fit, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, path, kept = arguments.child
        function = {"chunks": fit_in_chunks, "memory": pass_in_memory}[what]
        print(json.dumps(function(Path(path), Path(kept))))
        return
    lines = print_header(
        [
            "table", "rows", "types (s)", "encoding (s)", "learning from drawn rows (s)",
            "linking (s)", "a pass (s)", "passes", "in all (s)", "peak GiB",
            "a pass in memory (s)", "ratio", "peak GiB in memory",
        ]
    )  # fmt: skip
    for case in arguments.cases:
        n_rows = arguments.rows or ROWS[case]
        path = arguments.folder / f"{case}-{n_rows}.parquet"
        kept = path.with_suffix(".model")
        make(path, {"binary": binary, "mixed": mixed}[case](n_rows))
        own = in_process("chunks", path, kept)
        memory = in_process("memory", path, kept)
        passes = own["pass"] * own["n_iter"]
        drawn = own["total"] - own["summary"] - own["sample"] - own["e_steps"] - passes
        cells = [
            own["summary"], own["sample"], drawn, own["e_steps"], own["pass"], own["n_iter"],
            own["total"], own["gib"], memory["pass"], own["pass"] / memory["pass"], memory["gib"],
        ]  # fmt: skip
        lines.append(print_row([case, f"{n_rows:,}", *(f"{cell:.3g}" for cell in cells)]))
    if arguments.write:
        write_table(arguments.write, "out-of-core", lines)


if __name__ == "__main__":
    main()
