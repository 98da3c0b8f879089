"""Held-out log-likelihood on the tables that scikit-learn ships, beside its own densities.

    python docs/benchmarks/tables.py [--write README.md]

Five random splits into 60 % to train, 20 % to choose and 20 % to test. SharpPCDensity has no
settings but those of its constructor, and learns from the first two parts. GaussianMixture has
forty settings (ten numbers of components times four covariance types), KernelDensity twenty
bandwidths: the best on the second part, after learning from the first, learns from both.

Numbers are spread uniformly over what they were rounded to, alike for all, and scaled, so that all
have a density. SharpPCDensity reads categories as they are; the others see a category's number plus
a uniform draw from [0, 1), which makes their log density there a lower bound of the log mass it
stands for, so that all compare.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas
from markdown import print_header, print_row, write_table
from real_data import spread
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from skpc import SharpPCDensity


def mixed_frame() -> pandas.DataFrame:
    """The diabetes table with the sex as a label and two columns cut into labelled quarters."""
    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame["sex"] = frame["sex"].map({1.0: "a", 2.0: "b"})
    quarters = ["lowest", "low", "high", "highest"]
    for name in ("s4", "target"):
        ranks = frame[name].rank(method="first")
        frame[name] = pandas.qcut(ranks, 4, labels=quarters).astype(str)
    return frame


TABLES: dict[str, Callable[[], pandas.DataFrame]] = {
    "iris": lambda: pandas.DataFrame(load_iris().data),
    "wine": lambda: pandas.DataFrame(load_wine().data),
    "diabetes": lambda: pandas.DataFrame(load_diabetes().data),
    "breast_cancer": lambda: pandas.DataFrame(load_breast_cancer().data),
    "digits, 17 levels": lambda: pandas.DataFrame(load_digits().data.astype(int)).astype(
        pandas.CategoricalDtype(range(17), ordered=True)
    ),
    "mixed diabetes": mixed_frame,
}


def test_score(models: Iterable, train: np.ndarray, valid: np.ndarray, test: np.ndarray) -> float:
    """Mean log density of the test rows, of the model that is best on the validation rows."""
    best = max(models, key=lambda model: model.fit(train).score(valid))
    return float(best.fit(np.concatenate([train, valid])).score_samples(test).mean())


def measure(frame: pandas.DataFrame, seed: int) -> list[float]:
    """Test log-likelihoods of the three methods on one split."""
    random_state = np.random.RandomState(seed)
    order = random_state.permutation(len(frame))
    first, second = int(0.6 * len(frame)), int(0.8 * len(frame))
    frame = frame.copy()
    frame.columns = frame.columns.astype(str)
    numeric = frame.select_dtypes("number").columns
    if len(numeric):
        for name in numeric:
            frame[name] = spread(frame[name].to_numpy(float), random_state)
        scaler = StandardScaler().fit(frame.iloc[order[:first]][numeric])
        frame[numeric] = scaler.transform(frame[numeric])
    numbers = np.empty(frame.shape)
    for j, name in enumerate(frame.columns):
        if name in numeric:
            numbers[:, j] = frame[name]
        else:
            codes = frame[name].astype("category").cat.codes
            numbers[:, j] = codes + random_state.random_sample(len(frame))
    mixtures = (
        GaussianMixture(k, covariance_type=kind, random_state=0)
        for k in range(1, 11)
        for kind in ("full", "tied", "diag", "spherical")
    )
    kernels = (KernelDensity(bandwidth=width) for width in np.geomspace(0.05, 3.0, 20))
    parts = [numbers[rows] for rows in (order[:first], order[first:second], order[second:])]
    ours = SharpPCDensity(random_state=seed).fit(frame.iloc[order[:second]])
    return [
        ours.score(frame.iloc[order[second:]]),
        test_score(mixtures, *parts),
        test_score(kernels, *parts),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    lines = print_header(
        ["table", "rows", "columns", "SharpPCDensity", "GaussianMixture", "KernelDensity", "wins"]
    )
    for name in options.tables:
        frame = TABLES[name]()
        scores = np.array([measure(frame, seed) for seed in range(options.splits)])
        wins = np.count_nonzero(scores[:, 0] > scores[:, 1:].max(axis=1))
        cells = [f"{mean:.2f}" for mean in scores.mean(axis=0)]
        lines.append(print_row([name, *frame.shape, *cells, f"{wins} of {options.splits}"]))
    if options.write:
        write_table(options.write, "tables", lines)


if __name__ == "__main__":
    main()
