"""Fits of dask arrays by one and by two workers: seconds, speed-up, bytes that travel.

    python docs/benchmarks/dask_scale.py [--rows 1000000] [--smoke] [--write docs/guide/dask.md]

Rows of 20 columns, 12 of codes and 8 of numbers, whose state is hidden, are made by the workers, in
partitions of 100,000; 16 states, some iterations of EM on all rows after those on the rows drawn,
and once a pass of stepwise EM through its 64 batches, of which each is one result.
Both clusters run in turn, several times, in processes of one thread; a pass is timed at the client,
from the first task to the merged result. Bytes are those that two workers have sent, to each other
and to the client, and the result's, pickled. On one machine all of that is local.
"""

from __future__ import annotations

import argparse
import pickle
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster
from markdown import print_header, print_row, write_table
from sklearn.exceptions import ConvergenceWarning

from skpc._dask.cluster import Cluster
from skpc.dask import SharpPCDensity

N_CODES, N_NUMBERS, N_STATES = 12, 8, 6
PASSES = ["summary", "sample", "iteration of EM", "batch of stepwise EM"]


def made(block: np.ndarray) -> np.ndarray:
    """A partition, from a block with its number."""
    n_rows, number = block.shape[0], int(block[0, 0])
    rng = np.random.default_rng(number)
    state = rng.integers(0, N_STATES, (n_rows, 1))
    codes = (state * np.arange(1, N_CODES + 1) + rng.integers(0, 2, (n_rows, N_CODES))) % 5
    numbers = state * np.linspace(0.3, 1, N_NUMBERS) + rng.normal(size=(n_rows, N_NUMBERS))
    return np.hstack([codes, numbers])


def table(n_rows: int, partition: int) -> da.Array:
    """So many rows, made where and when they are needed."""
    n_columns = N_CODES + N_NUMBERS
    sizes = [min(partition, n_rows - first) for first in range(0, n_rows, partition)]
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    wide = da.broadcast_to(
        da.from_array(numbers, chunks=(tuple(sizes),))[:, None], (n_rows, n_columns)
    )
    return wide.rechunk({1: -1}).map_blocks(made, dtype=float, meta=np.empty((0, 0)))


class Watch:
    """Seconds and bytes of each result that a fit asks a cluster for."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seconds: list[float] = []
        self.moved: list[int] = []
        self.results: list[int] = []
        self._began = time.perf_counter()

    def __enter__(self) -> Watch:
        self._merged: Callable[..., Any] = Cluster.merged
        watch, merged = self, self._merged

        def watched(self: Cluster, merge: Any, futures: Any) -> Any:
            result = merged(self, merge, futures)
            watch.note(result)
            return result

        Cluster.merged = watched  # type: ignore[method-assign]
        self._before = self.sent()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *error: Any) -> None:
        Cluster.merged = self._merged  # type: ignore[method-assign]

    def sent(self) -> int:
        """Bytes that workers have sent so far."""
        counts = self.client.run(
            lambda dask_worker: sum(one["compressed"] for one in dask_worker.transfer_outgoing_log)
        )
        return sum(counts.values())

    def note(self, result: Any) -> None:
        """Take note of a result."""
        now = time.perf_counter()
        self.seconds.append(now - self._began)
        sent = self.sent()
        self.moved.append(sent - self._before)
        self._before = sent
        self.results.append(len(pickle.dumps(result)))
        self._began = time.perf_counter()


Cost = tuple[float, float, float]
"""Seconds, bytes that workers sent, bytes of the result."""


def fitted(client: Client, X: da.Array, n_iter: int, batch_size: Any = None) -> list[Cost]:
    """What each result cost of those that a fit asks for.

    What lies between the sample and the first iteration, learning from the rows drawn, counts with
    that one, and so does finding patterns.
    """
    model = SharpPCDensity(
        16,
        max_iter=n_iter,
        tol=0,
        early_stopping=False,
        batch_size=batch_size,
        random_state=0,
        client=client,
    )
    with Watch(client) as watch:
        model.fit(X)
    return [*zip(watch.seconds, watch.moved, watch.results, strict=True)]


def passes(client: Client, X: da.Array, n_iter: int) -> dict[str, Cost]:
    """The cost of each pass; of iterations and batches the median."""
    whole, batches = fitted(client, X, n_iter), fitted(client, X, 1, "auto")
    medians = [np.median(costs[3:], axis=0) for costs in (whole, batches)]
    return dict(zip(PASSES, [*whole[:2], *map(tuple, medians)], strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--partition", type=int, default=100_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="few rows, to see that it runs")
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    n_iter = 6
    if options.smoke:
        import skpc._data.row_sample as sample

        options.rows, options.partition, options.repetitions, n_iter = 4_000, 1_000, 1, 4
        sample.MOST_ROWS = sample._LEAST_ROWS = 500
    X = table(options.rows, options.partition)
    found: dict[int, list[dict[str, Cost]]] = {1: [], 2: []}
    clusters = {
        n: LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=":0") for n in found
    }
    clients = {n: Client(cluster, set_as_default=False) for n, cluster in clusters.items()}
    for client in clients.values():
        fitted(client, table(4_000, 1_000), 2)  # load the kernels
    for _ in range(options.repetitions):
        for n, client in clients.items():
            found[n].append(passes(client, X, n_iter))
    lines = print_header(
        [
            "pass",
            "1 worker, s",
            "2 workers, s",
            "speed-up",
            "KB sent by workers",
            "KB of the result",
        ]
    )
    for name in PASSES:
        one, two = (np.median([run[name] for run in found[n]], axis=0) for n in (1, 2))
        speed_up = np.median(
            [a[name][0] / b[name][0] for a, b in zip(found[1], found[2], strict=True)]
        )
        lines.append(
            print_row(
                [
                    name,
                    f"{one[0]:.2f}",
                    f"{two[0]:.2f}",
                    f"{speed_up:.2f}",
                    f"{two[1] / 1e3:,.0f}",
                    f"{two[2] / 1e3:,.0f}",
                ]
            )
        )
    for n in found:
        clients[n].close()
        clusters[n].close()
    if options.write:
        write_table(options.write, "dask", lines)


if __name__ == "__main__":
    main()
