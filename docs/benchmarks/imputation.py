"""Missing cells filled by SharpPCImputer and by scikit-learn's imputers, on the same holes.

    python docs/benchmarks/imputation.py [--data DIR] [--seeds 5] [--datasets iris ...]
        [--write docs/benchmarks/RESULTS.md]

A table is split into 70 % of its rows to learn from and 30 % to fill, and 10, 30 or 50 % of the
cells of both are removed completely at random. DIR holds files NAME.npz with arrays `train` and
`test`, of which 700 and 300 rows are drawn, as some imputers are slow. Continuous columns are
scaled by the mean and standard deviation of the training part before anything is removed. digits
are binarised (8 and more is ink).

SharpPCImputer has its defaults, but fills in means, which have the least squared errors, as the
others do. SimpleImputer fills in means, or modes where a column is
discrete. KNNImputer takes whichever of 5, 15 and 45 neighbours has the least error on a tenth of
the training cells that is hidden from it too; IterativeImputer its defaults, and of more than
40 columns the 20 nearest for each. What these two write to a discrete column is rounded to the
nearest of its values.

Error: root mean squared error of the removed continuous cells of rows to fill, or the share of
discrete ones that are wrong. Log-likelihood: of the true values of all removed cells of a row
together given what is left of it, in nats a cell, of `log_conditional`; for SimpleImputer that
of the column's training marginal (a normal density, or frequencies with one row added to each
value); the others give none. Means over seeds, plus or minus the standard deviation; the best is
bold, in italics what is within noise of it: the mean of the differences seed by seed is at most
twice its standard error.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from markdown import marked_cells, print_header, print_row, within_noise, write_table
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split

from skpc import SharpPCDensity, SharpPCImputer

BINARY = ["nltcs", "plants", "baudio", "accidents", "dna"]
N_TRAIN, N_TEST = 700, 300
RATES = [0.1, 0.3, 0.5]
METHODS = ["SharpPCImputer", "SimpleImputer", "KNNImputer", "IterativeImputer"]
N_WITH_LIKELIHOOD = 2


class Task(NamedTuple):
    """A table to learn from and one to fill, both with holes, and what was in the latter's."""

    train: np.ndarray
    test: np.ndarray
    truth: np.ndarray
    is_discrete: np.ndarray


def tables(data: Path | None) -> Iterator[tuple[str, Callable[[int], tuple[np.ndarray, ...]]]]:
    """Name, and the training rows and the others of a seed."""
    loaded = {
        "iris": load_iris().data,
        "wine": load_wine().data,
        "breast_cancer": load_breast_cancer().data,
        "diabetes": load_diabetes(scaled=False).data,
        "digits, 2 levels": (load_digits().data >= 8).astype(float),
    }
    for name, X in loaded.items():
        yield name, lambda seed, X=X: train_test_split(X, test_size=0.3, random_state=seed)
    for name in BINARY if data else []:
        yield name, lambda seed, path=data / f"{name}.npz": draw(path, seed)


def draw(path: Path, seed: int) -> tuple[np.ndarray, ...]:
    """Some rows of both parts of a file."""
    random_state = np.random.RandomState(seed)
    with np.load(path) as file:
        parts = [random_state.permutation(file[part]).astype(float) for part in ("train", "test")]
    return parts[0][:N_TRAIN], parts[1][:N_TEST]


def make_task(train: np.ndarray, test: np.ndarray, rate: float, seed: int) -> Task:
    """Scale, and remove cells; a column that loses all its training cells keeps one."""
    is_discrete = np.array([len(np.unique(column)) <= 2 for column in train.T])
    train, truth = train.copy(), test.copy()
    shift = np.where(is_discrete, 0.0, train.mean(axis=0))
    scale = np.where(is_discrete, 1.0, train.std(axis=0))
    train, truth = (train - shift) / scale, (truth - shift) / scale
    random_state = np.random.RandomState(seed)
    holes = random_state.random_sample(train.shape) < rate
    holes[0, holes.all(axis=0)] = False
    train[holes] = np.nan
    test = np.where(random_state.random_sample(truth.shape) < rate, np.nan, truth)
    return Task(train, test, truth, is_discrete)


def errors(task: Task, filled: np.ndarray) -> list[float]:
    """Error of continuous cells and of discrete ones, NaN if there are none."""
    found = []
    holes = np.isnan(task.test)
    for columns in ~task.is_discrete, task.is_discrete:
        cells = holes & columns
        wrong = filled[cells] - task.truth[cells]
        if not len(wrong):
            found.append(np.nan)
        elif columns is task.is_discrete:
            found.append(float(np.mean(wrong != 0)))
        else:
            found.append(float(np.sqrt(np.mean(wrong**2))))
    return found


def rounded(task: Task, filled: np.ndarray) -> np.ndarray:
    """Discrete columns moved to the nearest value that the training part has."""
    filled = filled.copy()
    for j in np.flatnonzero(task.is_discrete):
        values = np.unique(task.train[~np.isnan(task.train[:, j]), j])
        filled[:, j] = values[np.abs(filled[:, [j]] - values).argmin(axis=1)]
    return filled


def ours(task: Task, seed: int) -> tuple[np.ndarray, float]:
    """Filled rows, and log-likelihood a cell, of a circuit at default settings."""
    imputer = SharpPCImputer(SharpPCDensity(random_state=seed), strategy="mean_mode").fit(
        task.train
    )
    removed = np.where(np.isnan(task.test), task.truth, np.nan)
    log_likelihood = imputer.density_.log_conditional(removed, task.test).sum()
    return imputer.transform(task.test), log_likelihood / np.isnan(task.test).sum()


def simple(task: Task) -> tuple[np.ndarray, float]:
    """Filled rows, and log-likelihood a cell, of marginals."""
    mean = SimpleImputer().fit(task.train)
    mode = SimpleImputer(strategy="most_frequent").fit(task.train)
    filled = np.where(task.is_discrete, mode.transform(task.test), mean.transform(task.test))
    total = 0.0
    for j in range(task.test.shape[1]):
        seen = task.train[~np.isnan(task.train[:, j]), j]
        removed = task.truth[np.isnan(task.test[:, j]), j]
        if task.is_discrete[j]:
            values = np.unique(np.concatenate([task.truth[:, j], seen]))
            counts = 1 + (seen[:, None] == values).sum(axis=0)
            masses = np.log(counts / counts.sum())
            total += masses[np.searchsorted(values, removed)].sum()
        else:
            variance = seen.var()
            total -= 0.5 * ((removed - seen.mean()) ** 2 / variance).sum()
            total -= 0.5 * len(removed) * np.log(2 * np.pi * variance)
    return filled, total / np.isnan(task.test).sum()


def neighbours(task: Task, seed: int) -> np.ndarray:
    """Rows filled by the number of neighbours that fills hidden training cells best."""
    hidden = np.random.RandomState(seed).random_sample(task.train.shape) < 0.1
    hidden &= ~np.isnan(task.train)
    less = np.where(hidden, np.nan, task.train)
    less[:, np.isnan(less).all(axis=0)] = task.train[:, np.isnan(less).all(axis=0)]
    hidden &= np.isnan(less)

    def error(n_neighbors: int) -> float:
        filled = KNNImputer(n_neighbors=n_neighbors).fit_transform(less)
        return float(np.sum((filled[hidden] - task.train[hidden]) ** 2))

    best = min((5, 15, 45), key=error)
    return rounded(task, KNNImputer(n_neighbors=best).fit(task.train).transform(task.test))


def iterative(task: Task, seed: int) -> np.ndarray:
    """Rows filled by rounds of regressions."""
    n_nearest = 20 if task.train.shape[1] > 40 else None
    imputer = IterativeImputer(n_nearest_features=n_nearest, random_state=seed)
    return rounded(task, imputer.fit(task.train).transform(task.test))


def measure(task: Task, seed: int) -> tuple[np.ndarray, list[float]]:
    """Errors (2, n_methods) of continuous and discrete cells; log-likelihoods of the first."""
    by_circuit, of_circuit = ours(task, seed)
    by_marginals, of_marginals = simple(task)
    filled = [by_circuit, by_marginals, neighbours(task, seed), iterative(task, seed)]
    return np.array([errors(task, rows) for rows in filled]).T, [of_circuit, of_marginals]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of NAME.npz files")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--datasets", nargs="+", help="beginnings of names; all by default")
    parser.add_argument("--write", type=Path, help="document to write the tables to")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of rounds that have not converged
    header = ["data set", "missing", "error of", *METHODS]
    header += [f"log-likelihood: {name}" for name in METHODS[:N_WITH_LIKELIHOOD]]
    lines = print_header(header)
    close: dict[str, list[np.ndarray]] = {}
    for name, split_of in tables(options.data):
        if options.datasets and not name.startswith(tuple(options.datasets)):
            continue
        for rate in RATES:
            tasks = [make_task(*split_of(seed), rate, seed) for seed in range(options.seeds)]
            found = [measure(task, seed) for seed, task in enumerate(tasks)]
            all_errors = np.array([pair[0] for pair in found])
            likelihoods = marked_cells(np.array([pair[1] for pair in found]))
            for i, kind in enumerate(("continuous", "discrete")):
                if np.isnan(all_errors[:, i]).any():
                    continue
                marked = marked_cells(all_errors[:, i], -1)
                lines.append(print_row([name, f"{rate:.0%}", kind, *marked, *likelihoods]))
                likelihoods = [""] * N_WITH_LIKELIHOOD
                close.setdefault(kind, []).append(within_noise(-all_errors[:, i]))
    print()
    counts = print_header(["cells", "number of tables", *METHODS])
    for kind, rows in close.items():
        counts.append(print_row([kind, len(rows), *np.sum(rows, axis=0)]))
    if options.write:
        write_table(options.write, "imputation", lines)
        write_table(options.write, "imputation-counts", counts)


if __name__ == "__main__":
    main()
