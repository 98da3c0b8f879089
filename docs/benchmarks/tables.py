"""Held-out log-likelihood on the tables that scikit-learn ships, beside its own densities.

    python docs/benchmarks/tables.py [--write README.md]

Five random splits into 60 % to train, 20 % to choose and 20 % to test. Each method has forty
settings or as many as it needs: SharpPCDensity eight numbers of states times five shrinkages
(where all columns are ordered categories: eight times categorical or binomial),
GaussianMixture ten numbers of components times four covariance types, KernelDensity twenty
bandwidths. Continuous columns are scaled on the training part. SharpPCDensity reads categories
as they are; the others see a category's number plus a uniform draw from [0, 1), which makes
their log density there a lower bound of the log mass it stands for, so that all compare.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas
from markdown import print_header, print_row, write_table
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from skpc import SharpPCDensity

N_LATENTS = [1, 2, 3, 4, 6, 8, 12, 16]
SHRINKAGES = [2.0, 5.0, 10.0, 20.0, 40.0]


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


def best_test_score(
    models: Iterable, train: object, valid: object, test: object, mean: bool
) -> float:
    """Test score, a mean per row, of the model with the best score on the validation part."""
    best, answer = -np.inf, -np.inf
    for model in models:
        score = model.fit(train).score(valid)
        if score > best:
            best, answer = score, model.score(test) / (1 if mean else len(test))  # type: ignore[arg-type]
    return answer


def measure(frame: pandas.DataFrame, seed: int) -> list[float]:
    """Test log-likelihoods of the three methods on one split."""
    random_state = np.random.RandomState(seed)
    order = random_state.permutation(len(frame))
    first, second = int(0.6 * len(frame)), int(0.8 * len(frame))
    frame = frame.copy()
    frame.columns = frame.columns.astype(str)
    numeric = frame.select_dtypes("number").columns
    if len(numeric):
        scaler = StandardScaler().fit(frame.iloc[order[:first]][numeric])
        frame[numeric] = scaler.transform(frame[numeric])
    is_ordered = all(getattr(kind, "ordered", False) for kind in frame.dtypes)
    numbers = np.empty(frame.shape)
    for j, name in enumerate(frame.columns):
        if name in numeric:
            numbers[:, j] = frame[name]
        else:
            codes = frame[name].astype("category").cat.codes
            numbers[:, j] = codes + random_state.random_sample(len(frame))
    parts = order[:first], order[first:second], order[second:]
    ours = (
        SharpPCDensity(
            k,
            pseudocount=(0.01, shrinkage),
            feature_types={name: "gaussian" if name in numeric else kind for name in frame.columns},
            max_iter=200,
            tol=1e-3,
            random_state=0,
        )
        for k in N_LATENTS
        for shrinkage in (SHRINKAGES if len(numeric) else SHRINKAGES[:1])
        for kind in (("categorical", "binomial") if is_ordered else ("categorical",))
    )
    mixtures = (
        GaussianMixture(k, covariance_type=kind, random_state=0)
        for k in range(1, 11)
        for kind in ("full", "tied", "diag", "spherical")
    )
    kernels = (KernelDensity(bandwidth=width) for width in np.geomspace(0.05, 3.0, 20))
    frames = [frame.iloc[rows] for rows in parts]
    arrays = [numbers[rows] for rows in parts]
    return [
        best_test_score(ours, *frames, mean=True),
        best_test_score(mixtures, *arrays, mean=True),
        best_test_score(kernels, *arrays, mean=False),
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
