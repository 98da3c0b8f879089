"""Held-out nats per row of SharpPCDensity and its peers on real mixed tables.

    python docs/benchmarks/real_tables.py [--tables look] [--seeds 3] [--jobs 2]
        [--variant default: k16:n_latents=16] [--numeric-type auto] [--cache DIR]
        [--write docs/benchmarks/RESULTS.md]

Tables, splits and what has a mass or a density: real_data.py. kde: independent columns, by
adaptive kernels and frequencies. copula: a Gaussian copula on these. gmm: GaussianMixture by BIC,
where all columns are numbers. arf: an adversarial random forest (forest_density.py). Settings of
SharpPCDensity are those of its constructor unless a variant, "name:parameter=value,...", says
else. Means over the splits of the mean log density of observed cells per test row; larger is
better. The best is bold. With a cache, peers are measured once.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from forest_density import PEERS
from joblib import Parallel, delayed
from markdown import print_header, print_row, write_table
from real_data import add_options, codes, split, table_names

from skpc import SharpPCDensity

MARGIN = 0.05  # nats per row within which the goal is met


def measure_peer(method: str, table: str, seed: int, cache: Path | None) -> tuple[float, float]:
    """Mean log density of the test rows, NaN if the method does not apply; seconds."""
    file = cache / f"{method}-{table}-{seed}.json" if cache else None
    if file and file.exists():
        return tuple(json.loads(file.read_text()))
    part = split(table, seed)
    train, test, _ = codes(part)
    start = time.perf_counter()
    score = np.nan
    has_labels = bool(len(part.train.select_dtypes(object).columns))
    if method != "gmm" or not has_labels:
        score = float(PEERS[method]().fit(train, part.is_mass, seed).log_prob(test).mean())
    found = score, time.perf_counter() - start
    if file:
        file.write_text(json.dumps(found))
    return found


def measure_ours(
    parameters: dict[str, Any], numeric: str, table: str, seed: int
) -> tuple[float, float]:
    """Mean log density of the test rows, NaN if the fit fails; seconds."""
    part = split(table, seed)
    start = time.perf_counter()
    settings = {"feature_types": part.feature_types(numeric), "random_state": seed, **parameters}
    try:
        model = SharpPCDensity(**settings).fit(part.train)
        score = float(model.score_samples(part.test).mean())
    except (ValueError, ArithmeticError, RuntimeError) as error:
        print(f"{table}, seed {seed}, {parameters}: {type(error).__name__}: {error}", flush=True)
        score = np.nan
    return score, time.perf_counter() - start


def measure(job: tuple) -> tuple[float, float]:
    """One method on one split."""
    warnings.simplefilter("ignore")
    method, options, table, seed = job
    if isinstance(method, str):
        return measure_peer(method, table, seed, options.cache)
    return measure_ours(method[1], options.numeric_type, table, seed)


def summary(scores: np.ndarray, seconds: np.ndarray, n_peers: int) -> list[str]:
    """Rows below those of tables (n_tables, n_methods): the first `n_peers` methods are peers."""

    def line(title: str, values: Iterable[float], form: str) -> str:
        cells = ("" if np.isnan(value) else format(value, form) for value in values)
        return print_row([title, "", *cells, ""])

    lines = [line("mean", scores.mean(axis=0), ".3f")]
    if n_peers:
        lead = scores - np.nanmax(scores[:, :n_peers], axis=1)[:, None]
        lines.append(line("at the best peer", (lead >= -MARGIN).sum(axis=0), ".0f"))
        lines.append(line("less the best peer", np.nanmean(lead, axis=0), "+.3f"))
    lines.append(line("seconds", seconds.sum(axis=0), ".0f"))
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--cache", type=Path, help="folder that keeps what peers reached")
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    if options.cache:
        options.cache.mkdir(parents=True, exist_ok=True)
    methods: list = [*options.peers, *options.variant]
    names = [*options.peers, *(name for name, _ in options.variant)]
    header = ["table", "rows x columns", *names, "seconds"]
    lines = print_header(header)
    found, times = [], []
    tables = table_names(options.tables)
    jobs = [(m, options, t, s) for t in tables for m in methods for s in range(options.seeds)]
    results = Parallel(options.jobs, return_as="generator")(delayed(measure)(job) for job in jobs)
    for table in tables:
        cells = np.array([[next(results) for _ in range(options.seeds)] for _ in methods])
        scores, seconds = cells.mean(axis=1).T
        part = split(table, 0)
        shape = f"{len(part.train) + len(part.test)} x {part.train.shape[1]}"
        best = np.nanmax(scores)
        shown = [f"**{s:.2f}**" if s == best else f"{s:.2f}" for s in scores]
        shown = ["" if np.isnan(s) else cell for s, cell in zip(scores, shown, strict=True)]
        ours = seconds[len(options.peers) :]
        lines.append(print_row([table, shape, *shown, ", ".join(f"{s:.1f}" for s in ours)]))
        found.append(scores)
        times.append(seconds)
    lines += summary(np.array(found), np.array(times), len(options.peers))
    if options.write:
        write_table(options.write, "real-tables", lines)


if __name__ == "__main__":
    main()
