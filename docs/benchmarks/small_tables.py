"""SharpPCDensity on small tables beside independent columns, which it should never be below.

    python docs/benchmarks/small_tables.py [--jobs 2] [--write docs/benchmarks/RESULTS.md]

Fifteen to eighty training rows of each of 24 real tables (real_data.py) and of six that are
generated, where it is known what there is to find: nothing, one correlation, clusters. Tested on at
most 500 of the other rows, in nats per row. independent: adaptive kernels and frequencies, column
by column. gmm: the mixture of Gaussians with the best BIC on columns with a density, with
frequencies for the others, where five complete rows are left. copula: a Gaussian copula.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas
from density_peers import GaussianCopula, Independent, Mixture
from joblib import Parallel, delayed
from markdown import print_header, print_row, write_table
from real_data import GROUPS, MORE, Split, add_options, codes, split, split_frame, table_names

from skpc import SharpPCDensity

SIZES = [15, 20, 30, 50, 80]
N_TEST = 500
TABLES = [*GROUPS["all"], *MORE[:4]]
GENERATED = ["noise", "coins", "pair", "clusters", "chain", "mixed clusters"]
PEERS = ["independent", "gmm", "copula"]
MARGIN = 0.05


def generated(name: str, seed: int, n_train: int) -> Split:
    """A table with a known cause."""
    random_state = np.random.RandomState(seed)
    n = n_train + N_TEST
    numbers, labels = random_state.standard_normal((n, 6)), random_state.randint(3, size=(n, 4))
    cluster = random_state.randint(3, size=n)
    if name == "pair":
        numbers[:, 1] = 0.9 * numbers[:, 0] + np.sqrt(0.19) * numbers[:, 1]
    elif name == "clusters":
        numbers += 4 * np.eye(6)[cluster]
    elif name == "chain":
        for j in range(1, 6):
            numbers[:, j] = 0.8 * numbers[:, j - 1] + 0.6 * numbers[:, j]
    elif name == "mixed clusters":
        numbers += 3 * np.eye(6)[cluster]
        same = random_state.random_sample(labels.shape) < 0.7
        labels = np.where(same, cluster[:, None], labels)
    columns = {f"x{j}": column for j, column in enumerate(numbers.T) if name != "coins"}
    if name in ("noise", "coins", "mixed clusters"):
        words = np.array(["a", "b", "c"], object)
        columns |= {f"label{j}": words[column] for j, column in enumerate(labels.T)}
    is_mass = np.array([column.startswith("label") for column in columns])
    return split_frame(pandas.DataFrame(columns), is_mass, seed, n_train)


def log_prob_of_mixture(train: np.ndarray, test: np.ndarray, is_mass: np.ndarray) -> np.ndarray:
    """Of a Gaussian mixture of the densities, and frequencies; NaN with few complete rows."""
    total = np.zeros(len(test))
    if is_mass.any():
        kind = is_mass[is_mass]
        total += Independent().fit(train[:, is_mass], kind).log_prob(test[:, is_mass])
    if not is_mass.all():
        dense = train[:, ~is_mass]
        if np.count_nonzero(~np.isnan(dense).any(axis=1)) < 5:
            return np.full(len(test), np.nan)
        total += Mixture().fit(dense, is_mass[~is_mass]).log_prob(test[:, ~is_mass])
    return total


def measure(table: str, seed: int, n_train: int, options: argparse.Namespace) -> list[float]:
    """Mean log density of test rows: peers, then variants of SharpPCDensity."""
    warnings.simplefilter("ignore")
    part = generated(table, seed, n_train) if table in GENERATED else split(table, seed, n_train)
    part = part._replace(test=part.test[:N_TEST])
    train, test, _ = codes(part)
    found = [
        Independent().fit(train, part.is_mass).log_prob(test).mean(),
        log_prob_of_mixture(train, test, part.is_mass).mean(),
        GaussianCopula().fit(train, part.is_mass, seed).log_prob(test).mean(),
    ]
    for _, parameters in options.variant:
        kinds = part.feature_types(options.numeric_type)
        model = SharpPCDensity(**{"feature_types": kinds, "random_state": seed, **parameters})
        found.append(model.fit(part.train).score_samples(part.test).mean())
    return [float(score) for score in found]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.set_defaults(tables=[*TABLES, *GENERATED])
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    tables = table_names(options.tables)
    jobs = [
        (table, seed, SIZES[i % len(SIZES)], options)
        for i, table in enumerate(tables)
        for seed in range(options.seeds)
    ]
    results = Parallel(options.jobs, return_as="generator")(delayed(measure)(*job) for job in jobs)
    ours = [name for name, _ in options.variant]
    lines = print_header(["table", "training rows", *PEERS, *ours])
    scores = []
    for i, table in enumerate(tables):
        row = np.mean([next(results) for _ in range(options.seeds)], axis=0)
        best = np.nanmax(row)
        cells = [f"**{s:.2f}**" if s == best else "" if np.isnan(s) else f"{s:.2f}" for s in row]
        lines.append(print_row([table, SIZES[i % len(SIZES)], *cells]))
        scores.append(row)
    found = np.array(scores)
    counts = [f"{np.sum(found[:, i] >= found[:, 0] - MARGIN)}" for i in range(found.shape[1])]
    lines.append(print_row(["at or above independent", len(tables), *counts]))
    gains = [f"{np.nanmedian(column - found[:, 0]):+.2f}" for column in found.T]
    lines.append(print_row(["median gain on independent", "", *gains]))
    worst = [f"{np.nanmin(column - found[:, 0]):+.2f}" for column in found.T]
    lines.append(print_row(["least gain on independent", "", *worst]))
    if options.write:
        write_table(options.write, "small-tables", lines)


if __name__ == "__main__":
    main()
