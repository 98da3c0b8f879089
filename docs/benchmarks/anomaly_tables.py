"""Anomalies of classical tables, trained on all rows, and trained on normal rows alone.

    python docs/benchmarks/anomaly.py --tables DIR [--seeds 1] [--datasets WBC ...]
        [--write docs/benchmarks/RESULTS.md]

DIR holds files NAME.npz with arrays `X` (n, d) and `y` (1: anomaly), such as those of ADBench.
"All rows": no label is seen, and the rows learnt from are judged, by SharpPCOutlierDetector by
those densities that did not learn from them. "Normal rows": a random half of the normal rows
train, the others and all anomalies are told apart. Every method has its default settings; for
those that reckon with distances columns are scaled to unit variance on the rows that train.
GaussianMixture has the number of components (1, 2, 4, 8) and the kind of covariances (full,
diagonal) with the best BIC, KernelDensity that of 12 bandwidths from 0.1 to 3 that gives a fifth of
the rows the highest likelihood, "neighbours" the distance to the fifth nearest row.

Area under the receiver operating characteristic, mean over seeds; then means over tables, mean
ranks, and CPU seconds of one thread for all. The best is bold.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from markdown import print_header, print_row
from scipy.stats import rankdata
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skpc import SharpPCOutlierDetector

try:
    from pyod.models.ecod import ECOD
except ImportError:
    ECOD = None

SITUATIONS = ("all rows", "normal rows")

Scorer = Callable[[np.ndarray, np.ndarray, bool, int], np.ndarray]
"""How odd test rows are, from rows that train, whether they are the same, and a seed."""


def ours(train: np.ndarray, test: np.ndarray, are_same: bool, seed: int) -> np.ndarray:
    """The default detector."""
    return -SharpPCOutlierDetector(random_state=seed).fit(train).score_samples(test)


def forest(train: np.ndarray, test: np.ndarray, are_same: bool, seed: int) -> np.ndarray:
    """An isolation forest."""
    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def neighbours(train: np.ndarray, test: np.ndarray, are_same: bool, seed: int) -> np.ndarray:
    """The distance to the fifth nearest row that trains, other than itself."""
    train, test = scaled(train, test)
    nearest = NearestNeighbors(n_neighbors=5).fit(train)
    distances, _ = nearest.kneighbors() if are_same else nearest.kneighbors(test)
    return distances[:, -1]


def kernel(train: np.ndarray, test: np.ndarray, are_same: bool, seed: int) -> np.ndarray:
    """A kernel density."""
    train, test = scaled(train, test)
    order = np.random.RandomState(seed).permutation(len(train))
    valid, rest = np.split(order, [len(train) // 5])
    widths = np.geomspace(0.1, 3.0, 12)
    best = max(
        widths,
        key=lambda width: KernelDensity(bandwidth=width).fit(train[rest]).score(train[valid]),
    )
    return -KernelDensity(bandwidth=best).fit(train).score_samples(test)


def mixture(train: np.ndarray, test: np.ndarray, are_same: bool, seed: int) -> np.ndarray:
    """A Gaussian mixture."""
    train, test = scaled(train, test)
    models = [
        GaussianMixture(k, covariance_type=kind, reg_covar=1e-3, random_state=seed).fit(train)
        for k in (1, 2, 4, 8)
        if k < len(train) // 2
        for kind in ("full", "diag")
    ]
    return -min(models, key=lambda model: model.bic(train)).score_samples(test)


def tails(train: np.ndarray, test: np.ndarray, are_same: bool, seed: int) -> np.ndarray:
    """ECOD."""
    return ECOD().fit(train).decision_function(test)


def one_class(train: np.ndarray, test: np.ndarray, are_same: bool, seed: int) -> np.ndarray:
    """A one-class support vector machine."""
    train, test = scaled(train, test)
    return -OneClassSVM().fit(train).score_samples(test)


def local_factor(train: np.ndarray, test: np.ndarray, are_same: bool, seed: int) -> np.ndarray:
    """The local outlier factor."""
    train, test = scaled(train, test)
    if are_same:
        return -LocalOutlierFactor().fit(train).negative_outlier_factor_
    return -LocalOutlierFactor(novelty=True).fit(train).score_samples(test)


def scaled(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with columns of unit variance in the first."""
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


METHODS: dict[str, Scorer] = {
    "skpc": ours,
    "IsolationForest": forest,
    "neighbours": neighbours,
    "KernelDensity": kernel,
    "GaussianMixture": mixture,
    **({} if ECOD is None else {"ECOD": tails}),
    "OneClassSVM": one_class,
    "LocalOutlierFactor": local_factor,
}


def split(
    X: np.ndarray, y: np.ndarray, situation: str, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that train, rows that are judged, and which of those are anomalies."""
    if situation == "all rows":
        return X, X, y
    normal = np.random.RandomState(seed).permutation(np.flatnonzero(y == 0))
    train, rest = np.split(normal, [len(normal) // 2])
    test = np.concatenate([rest, np.flatnonzero(y == 1)])
    return X[train], X[test], y[test]


def measure(path: Path, situation: str, n_seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """AUC and CPU seconds (n_methods,) of a table, the means over seeds."""
    with np.load(path) as file:
        X, y = file["X"].astype(float), file["y"].astype(int)
    found = np.empty((2, n_seeds, len(METHODS)))
    for seed in range(n_seeds):
        train, test, is_anomaly = split(X, y, situation, seed)
        for place, scorer in enumerate(METHODS.values()):
            began = time.process_time()
            scores = scorer(train, test, situation == "all rows", seed)
            found[1, seed, place] = time.process_time() - began
            found[0, seed, place] = roc_auc_score(is_anomaly, scores)
    return tuple(found.mean(axis=1))


def tables(folder: Path, names: list[str] | None, n_seeds: int) -> list[str]:
    """The lines of the document."""
    lines = print_header(["table", "rows", *METHODS])
    paths = [path for path in sorted(folder.glob("*.npz")) if not names or path.stem in names]
    for situation in SITUATIONS:
        aucs, seconds = [], np.zeros(len(METHODS))
        for path in paths:
            own, spent = measure(path, situation, n_seeds)
            aucs.append(own)
            seconds += spent
            lines.append(print_row([path.stem, situation, *bold(own, max)]))
        ranks = np.mean([rankdata(-own) for own in aucs], axis=0)
        lines.append(print_row(["mean", situation, *bold(np.mean(aucs, axis=0), max)]))
        lines.append(print_row(["mean rank", situation, *bold(ranks, min, 2)]))
        lines.append(print_row(["CPU s, all", situation, *(f"{one:.0f}" for one in seconds)]))
    return lines


def bold(values: np.ndarray, best: Callable[..., float], digits: int = 3) -> list[str]:
    """Figures, the best in bold."""
    shown = [f"{value:.{digits}f}" for value in values]
    top = f"{best(values):.{digits}f}"
    return [f"**{one}**" if one == top else one for one in shown]
