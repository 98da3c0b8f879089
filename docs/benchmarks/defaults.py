"""What chose the defaults: the default constructor beside plain EM that is stopped alike.

    python docs/benchmarks/defaults.py --data DIR [--datasets nltcs ...]
        [--fractions 1 5 10 25 100] [--seeds 1] [--write docs/benchmarks/RESULTS.md]

DIR holds files NAME.npz with integer arrays `train` and `test`. `SharpPCDensity()` and
`SharpPCDensity(mu=0)` are fitted to a share of the training rows; both hold out the same tenth
of them to stop early, and learn again from all. Tables of scikit-learn are cut in five folds
instead, six times but for digits (whether a pixel is at least 8). "gain" is the difference of the
mean test log-likelihoods in percent of plain EM's, behind it its standard error where there are
several fits: the default should never be worse by more than 0.1 %. Where log densities are near
zero a percentage says little. How far the default is from tuned models is in the table of debd.py.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from markdown import print_header, print_row, write_table
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import RepeatedKFold

from skpc import SharpPCDensity

DATASETS = ["nltcs", "plants", "baudio", "accidents", "dna"]

Split = tuple[np.ndarray, np.ndarray, int]  # training rows, test rows, seed


def shares(path: Path, fraction: float, seeds: int) -> Iterator[Split]:
    """A share of the training rows, drawn with each seed, and the test rows."""
    with np.load(path) as file:
        train, test = (file[part].astype(float) for part in ("train", "test"))
    for seed in range(seeds):
        n_rows = round(fraction / 100 * len(train))
        yield train[np.random.default_rng(seed).permutation(len(train))[:n_rows]], test, seed


def folds(X: np.ndarray) -> Iterator[Split]:
    """Four fifths of the rows, and the others; small tables are cut several times."""
    cut = RepeatedKFold(n_splits=5, n_repeats=1 if len(X) > 1000 else 6, random_state=0)
    for seed, (train, test) in enumerate(cut.split(X)):
        yield X[train], X[test], seed


def own_tables() -> dict[str, np.ndarray]:
    """Tables of scikit-learn."""
    return {
        "digits": (load_digits().data >= 8).astype(float),
        "iris": load_iris().data,
        "wine": load_wine().data,
        "breast_cancer": load_breast_cancer().data,
    }


def compare(name: str, share: str, splits: Iterator[Split]) -> str:
    """One line of the table."""
    figures = []
    for train, test, seed in splits:
        models = SharpPCDensity(random_state=seed), SharpPCDensity(mu=0.0, random_state=seed)
        figures.append([model.fit(train).score(test) for model in models])
    default, plain = np.mean(figures, axis=0)
    gain = f"{100 * (default - plain) / abs(plain):+.2f}"
    if len(figures) > 1:
        error = np.subtract(*np.transpose(figures)).std(ddof=1) / len(figures) ** 0.5
        gain += f" ({100 * error / abs(plain):.2f})"
    return print_row([name, share, len(train), f"{default:.3f}", f"{plain:.3f}", gain])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NAME.npz files")
    parser.add_argument("--datasets", nargs="*", default=DATASETS)
    parser.add_argument("--tables", nargs="*", default=list(own_tables()), help="of scikit-learn")
    parser.add_argument(
        "--fractions", nargs="+", type=float, default=[1, 5, 10, 25, 100], help="percent"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    lines = print_header(["data set", "% of rows", "rows", "default", "mu = 0", "gain, %"])
    tables = own_tables()
    for name in options.tables:
        lines.append(compare(name, "80", folds(tables[name])))
    for fraction in options.fractions:
        for name in options.datasets:
            splits = shares(options.data / f"{name}.npz", fraction, options.seeds)
            lines.append(compare(name, f"{fraction:g}", splits))
    if options.write:
        write_table(options.write, "defaults", lines)


if __name__ == "__main__":
    main()
