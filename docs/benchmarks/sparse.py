"""Peak memory and seconds of a fit on a large sparse table that is made here.

    python docs/benchmarks/sparse.py [--rows 100000] [--columns 1500] [--density 0.008]

Rows belong to one of twenty topics, in each of which a tenth of the columns is frequent.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings

import numpy as np
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from skpc import SharpPCDensity


def topics(n_rows: int, n_columns: int, density: float) -> csr_array:
    """A 0/1 table (n_rows, n_columns), drawn column by column."""
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


def main() -> None:
    """Fit, score, and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=1_500)
    parser.add_argument("--density", type=float, default=0.008)
    parser.add_argument("--n-latents", type=int, default=16)
    parser.add_argument("--max-iter", type=int, default=20)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    SharpPCDensity(2, max_iter=1).fit(np.eye(3, dtype=int))  # load the kernels
    X = topics(options.rows, options.columns, options.density)
    print(f"{X.shape[0]} x {X.shape[1]}, {X.nnz} ones; peak before: {peak_gigabytes():.2f} GB")
    start = time.perf_counter()
    model = SharpPCDensity(options.n_latents, max_iter=options.max_iter, random_state=0).fit(X)
    print(f"fit, {model.n_iter_} iterations: {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    score = model.score(X)
    print(f"score: {score:.3f} nats, {time.perf_counter() - start:.1f} s")
    print(f"peak: {peak_gigabytes():.2f} GB")


if __name__ == "__main__":
    main()
