"""Anomalies found by SharpPCOutlierDetector and by other detectors, on the same splits.

    python docs/benchmarks/anomaly.py [--data DIR] [--seeds 5] [--datasets wine ...]
        [--write docs/benchmarks/RESULTS.md]
    python docs/benchmarks/anomaly.py --tables DIR  # see anomaly_tables.py

On tables that scikit-learn ships a class is held out: a random 60 % of the rows of the other
classes train, the rest and all rows of that class are told apart. digits has each of its ten
classes held out in turn, with 17 levels of gray or with two (8 and more is ink); breast_cancer
the malignant tumours; wine each of its three cultivars. DIR holds files NAME.npz with arrays
`train` and `test`: 2,000 rows train, 1,000 test rows are told apart from 200 other test rows whose
columns were permuted, each on its own, which keeps every marginal. There rows are drawn without
replacement by the seed.

No method sees a label, and none has a setting chosen by one. Columns of measurements are scaled
on the training part for all. SharpPCOutlierDetector has 16 trees, where its default is one, and
else its defaults, and is told that the 17
levels of gray are in order (`feature_types="binomial"`), as all others take them to be.
"Dependence" is the same fit with `criterion="dependence"`, log p(x) - sum_i log p(x_i): how badly
the values of a row go together, however rare each is. That is the likelihood ratio to independent
columns, so the best possible score where those are the anomalies, as they are in DIR, if p is
true; it was added when the likelihood's results were known, and its counts are kept apart.
IsolationForest has 300 trees, LocalOutlierFactor its 20 neighbours; of GaussianMixture (1, 2, 4
or 8 components, full or diagonal covariances, 1e-3 added to variances) and of KernelDensity (12
bandwidths from 0.1 to 3) the setting is taken that gives training rows held out, a fifth of
them, the highest likelihood, and then fitted to all. ECOD, of pyod, has no settings.

Means over seeds of the area under the receiver operating characteristic (AUC) and of the average
precision (AP), plus or minus the standard deviation. The best is bold. In italics: within noise
of the best, that is the mean of the differences seed by seed is at most twice its standard
error. First by a clear margin: best, and no rival within noise; each of the first two columns
is compared with the rivals alone.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anomaly_tables
import numpy as np
from markdown import marked_cells, print_header, print_row, within_noise, write_table
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from skpc import SharpPCDensity, SharpPCOutlierDetector

try:
    from pyod.models.ecod import ECOD
except ImportError:
    ECOD = None

INJECTED = ["nltcs", "plants", "baudio", "accidents", "dna"]
N_TRAIN, N_TEST, N_INJECTED = 2000, 1000, 200


class Split(NamedTuple):
    """Rows without anomalies to learn from, rows to judge with their labels, types of columns."""

    train: np.ndarray
    test: np.ndarray
    is_anomaly: np.ndarray
    types: str = "auto"


def held_out_class(
    X: np.ndarray, is_anomaly: np.ndarray, seed: int, *, scale: bool = False, types: str = "auto"
) -> Split:
    """Train on 60 % of the other classes."""
    train, rest = train_test_split(X[~is_anomaly], train_size=0.6, random_state=seed)
    test = np.concatenate([rest, X[is_anomaly]])
    if scale:
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    return Split(train, test, np.arange(len(test)) >= len(rest), types)


def injected(path: Path, seed: int) -> Split:
    """Train on some rows; among test rows some have their columns permuted."""
    random_state = np.random.RandomState(seed)
    with np.load(path) as file:
        train, test = (random_state.permutation(file[part]) for part in ("train", "test"))
    test = test[: N_TEST + N_INJECTED].astype(float)
    n_normal = len(test) * N_TEST // (N_TEST + N_INJECTED)
    for j in range(test.shape[1]):
        test[n_normal:, j] = random_state.permutation(test[n_normal:, j])
    return Split(train[:N_TRAIN].astype(float), test, np.arange(len(test)) >= n_normal)


def datasets(data: Path | None) -> Iterator[tuple[str, str, Callable[[int], Split]]]:
    """Name, group, and the split of a seed."""
    X, y = load_digits(return_X_y=True)
    gray, ink = ("digits, 17 levels", "binomial", X), ("digits, 2 levels", "auto", (X >= 8) * 1.0)
    for name, types, table in gray, ink:
        for label in range(10):
            yield (
                f"{name}, {label}",
                name,
                lambda seed, X=table, a=y == label, t=types: held_out_class(X, a, seed, types=t),
            )
    X, y = load_breast_cancer(return_X_y=True)
    yield (
        "breast_cancer",
        "breast_cancer, wine",
        lambda seed, X=X, a=y == 0: held_out_class(X, a, seed, scale=True),
    )
    X, y = load_wine(return_X_y=True)
    for label in range(3):
        yield (
            f"wine, {label}",
            "breast_cancer, wine",
            lambda seed, X=X, a=y == label: held_out_class(X, a, seed, scale=True),
        )
    for name in INJECTED if data else []:
        yield name, "injected", lambda seed, path=data / f"{name}.npz": injected(path, seed)


def ours(split: Split, seed: int) -> list[np.ndarray]:
    """Log-likelihoods under 16 trees, and those less the columns' own."""
    density = SharpPCDensity(
        n_latents=16, mu=0.01, n_components=16, feature_types=split.types, random_state=seed
    )
    model = SharpPCOutlierDetector(density).fit(split.train)
    return [model.score_samples(split.test), model.pointwise_total_correlation(split.test)]


def forest(split: Split, seed: int) -> np.ndarray:
    """Scores of an isolation forest."""
    model = IsolationForest(n_estimators=300, random_state=seed)
    return model.fit(split.train).score_samples(split.test)


def neighbours(split: Split, seed: int) -> np.ndarray:
    """Scores of the local outlier factor."""
    return LocalOutlierFactor(novelty=True).fit(split.train).score_samples(split.test)


def likeliest(models: Iterable[Any], split: Split, seed: int) -> np.ndarray:
    """Log-likelihoods of the model that is best on a fifth of the training rows."""
    train, valid = train_test_split(split.train, test_size=0.2, random_state=seed)
    best = max(models, key=lambda model: model.fit(train).score(valid))
    return best.fit(split.train).score_samples(split.test)


def mixture(split: Split, seed: int) -> np.ndarray:
    """Log-likelihoods of a Gaussian mixture."""
    models = [
        GaussianMixture(k, covariance_type=kind, reg_covar=1e-3, random_state=seed)
        for k in (1, 2, 4, 8)
        for kind in ("full", "diag")
    ]
    return likeliest(models, split, seed)


def kernel(split: Split, seed: int) -> np.ndarray:
    """Log-likelihoods of a kernel density."""
    models = [KernelDensity(bandwidth=width) for width in np.geomspace(0.1, 3.0, 12)]
    return likeliest(models, split, seed)


def tails(split: Split, seed: int) -> np.ndarray:
    """Scores of ECOD."""
    return -ECOD().fit(split.train).decision_function(split.test)


OURS = ["SharpPCOutlierDetector", "dependence"]
RIVALS: dict[str, Callable[[Split, int], np.ndarray]] = {
    "IsolationForest": forest,
    "LocalOutlierFactor": neighbours,
    "KernelDensity": kernel,
    "GaussianMixture": mixture,
    "ECOD": tails,
}


def measure(split: Split, seed: int, rivals: Iterable[str]) -> np.ndarray:
    """AUC and AP (2, n_methods) on one split."""
    scores = [*ours(split, seed), *(RIVALS[name](split, seed) for name in rivals)]
    return np.array(
        [
            [metric(split.is_anomaly, -score) for score in scores]
            for metric in (roc_auc_score, average_precision_score)
        ]
    )


def summary(metric: str, group: str, tables: list[np.ndarray]) -> list[object]:
    """In how many tables each of ours is among the best beside the rivals, and alone."""
    row: list[object] = [metric, group, len(tables)]
    for i in range(len(OURS)):
        kept = [i, *range(len(OURS), tables[0].shape[1])]
        close = np.array([within_noise(values[:, kept]) for values in tables])
        row.append(int(np.count_nonzero(close[:, 0])))
        row.append(int(np.count_nonzero(close[:, 0] & (close.sum(axis=1) == 1))))
    return row


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of NAME.npz files")
    parser.add_argument("--tables", type=Path, help="folder of tables; see anomaly_tables.py")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--datasets", nargs="+", help="beginnings of names; all by default")
    parser.add_argument("--write", type=Path, help="document to write the tables to")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of convergence, and of columns that never vary
    if options.tables:
        lines = anomaly_tables.tables(options.tables, options.datasets, options.seeds)
        if options.write:
            write_table(options.write, "anomaly-tables", lines)
        return
    rivals = [name for name in RIVALS if name != "ECOD" or ECOD is not None]
    lines = print_header(["data set", "rows", "columns", "", *OURS, *rivals])
    results: dict[tuple[str, str], list[np.ndarray]] = {}
    for name, group, split_of in datasets(options.data):
        if options.datasets and not name.startswith(tuple(options.datasets)):
            continue
        splits = [split_of(seed) for seed in range(options.seeds)]
        values = np.array([measure(s, seed, rivals) for seed, s in enumerate(splits)])
        for i, metric in enumerate(("AUC", "AP")):
            label = [name, *splits[0].train.shape] if i == 0 else ["", "", ""]
            lines.append(print_row([*label, metric, *marked_cells(values[:, i])]))
            for which in group, "all":
                results.setdefault((metric, which), []).append(values[:, i])
    skipped = [] if ECOD else ["", "ECOD was skipped: pyod is not installed."]
    print(*skipped, sep="\n")
    header = ["", "data sets", "number", "best or within noise", "first by a clear margin"]
    counts = print_header([*header, "dependence: best or within noise", "first"])
    for (metric, group), found in results.items():
        counts.append(print_row(summary(metric, group, found)))
    if options.write:
        write_table(options.write, "anomaly", [*lines, *skipped])
        write_table(options.write, "anomaly-counts", counts)


if __name__ == "__main__":
    main()
