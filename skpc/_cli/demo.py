"""The demonstration: a grid search over mu on real data, against two baselines."""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Binarizer

from skpc import SharpPCDensity

_SEED = 0


@dataclass
class _Progress:
    """Scorer that counts its calls on one line: log-likelihood, and sharpness beside it."""

    total: int
    done: int = 0

    def __call__(self, pipeline: Pipeline, X: np.ndarray, y: Any = None) -> dict[str, float]:
        scores = {
            "log_likelihood": pipeline.score(X),
            "sharpness": pipeline[-1].sharpness(pipeline[:-1].transform(X)),
        }
        self.done += 1
        if sys.stderr.isatty() or self.done % 5 == 0:
            end = "\n" if self.done == self.total or not sys.stderr.isatty() else ""
            print(
                f"\rgrid search over mu: {self.done} of {self.total} fits",
                end=end,
                file=sys.stderr,
                flush=True,
            )
        return scores


def run(output: Path, *, smoke: bool = False) -> int:
    """Run the demonstration; return 0 if the model beats both baselines, else 1.

    Parameters
    ----------
    output : Path
        Picture file to write.
    smoke : bool
        Whether to use a small part of the work.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print('The demo draws a picture: install matplotlib with pip install "skpc[plot]".')
        return 2

    start = time.perf_counter()
    X = load_digits().data
    train, test = train_test_split(X, test_size=0.25, random_state=_SEED)
    mus = [0.0, 0.02, 0.05, 0.1, 0.2]
    folds, max_iter = 5, 300
    if smoke:
        train, mus, folds, max_iter = train[:400], [0.0, 0.05], 3, 40
    print(
        f"The digits of scikit-learn, pixels thresholded to 0/1: {len(train)} rows to train, "
        f"{len(test)} to test (random split, seed {_SEED}), {X.shape[1]} features."
    )
    print("Compiling kernels: only the first run waits for this.", file=sys.stderr)
    pipeline = Pipeline(
        [
            ("threshold", Binarizer(threshold=7.5)),
            # Without early stopping, so that the table shows what the penalty alone does.
            (
                "density",
                SharpPCDensity(
                    n_latents=16,
                    max_iter=max_iter,
                    early_stopping=False,
                    init="random",
                    random_state=_SEED,
                ),
            ),
        ]
    )
    search = GridSearchCV(
        pipeline,
        {"density__mu": mus},
        scoring=_Progress(total=len(mus) * folds),
        refit="log_likelihood",
        cv=KFold(folds, shuffle=True, random_state=_SEED),
        error_score="raise",
    )
    with warnings.catch_warnings():
        # max_iter bounds the demonstration's time; mu is compared at equal iterations.
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(train)

    threshold = pipeline[0]
    binary_train, binary_test = threshold.transform(train), threshold.transform(test)
    independent = SharpPCDensity(n_latents=1, mu=0.0, random_state=_SEED).fit(binary_train)
    scores = {
        f"hidden Chow-Liu tree, mu={search.best_params_['density__mu']}": search.score(test),
        "plain Chow-Liu tree": float(_chow_liu_scores(binary_train, binary_test).mean()),
        "independent features": independent.score(binary_test),
    }
    _print_tables(search, scores)
    model = search.best_estimator_[-1]
    _draw(search, binary_test, model.sample(25, random_state=_SEED), output)
    print(f"\npicture: {output}")
    print(f"seconds: {time.perf_counter() - start:.1f}")
    ours, *baselines = scores.values()
    return 0 if ours > max(baselines) else 1


def _chow_liu_scores(train: np.ndarray, test: np.ndarray, pseudocount: float = 1.0) -> np.ndarray:
    """Log-likelihoods of 0/1 rows under a plain Chow-Liu tree, by counting."""
    from skpc._data.rows import Rows
    from skpc._data.scope import CATEGORICAL, Scope
    from skpc._learning.structure import Structure, learn_structure

    train, test = train.astype(int), test.astype(int)
    levels = np.array([0.0, 1.0])
    scopes = [Scope(np.array([j]), CATEGORICAL, levels) for j in range(train.shape[1])]
    rows = Rows.encode(train, scopes, np.ones(len(train)))
    _, parents = learn_structure(rows, Structure(), 1, pseudocount, np.random.RandomState(0))
    scores = np.zeros(len(test))
    for j, parent in enumerate(parents):
        above = (train[:, parent], test[:, parent]) if parent >= 0 else (0 * train[:, j], 0)
        counts = np.full((2, 2), pseudocount / 4)
        np.add.at(counts, (above[0], train[:, j]), 1.0)
        log_cpt = np.log(counts / counts.sum(axis=1, keepdims=True))
        scores += log_cpt[above[1], test[:, j]]
    return scores


def _print_tables(search: GridSearchCV, scores: dict[str, float]) -> None:
    results = search.cv_results_
    print(f"\n{'mu':>6}  {'CV log-likelihood':>18}  {'standard error':>14}  {'sharpness':>10}")
    for mu, mean, deviation, sharpness in zip(
        results["param_density__mu"],
        results["mean_test_log_likelihood"],
        results["std_test_log_likelihood"],
        results["mean_test_sharpness"],
        strict=True,
    ):
        error = deviation / np.sqrt(search.n_splits_ - 1)
        print(f"{mu:6.2f}  {mean:18.3f}  {error:14.3f}  {sharpness:10.3g}")
    print("\ntest log-likelihood, nats per row")
    for name, score in scores.items():
        print(f"  {name:<32}  {score:8.3f}")


def _draw(search: GridSearchCV, real: np.ndarray, sampled: np.ndarray, output: Path) -> None:
    """Draw the mu curve, and sampled digits beside real ones."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from skpc.plotting import MuPathDisplay

    figure = Figure(figsize=(11, 4), layout="constrained")
    FigureCanvasAgg(figure)
    curve, left, right = figure.subplots(1, 3, width_ratios=[1.4, 1, 1])
    MuPathDisplay.from_search(search, ax=curve)
    for axes, rows, title in (left, real, "Real digits"), (right, sampled, "Sampled digits"):
        tiles = rows[:25].reshape(5, 5, 8, 8)
        tiles = np.pad(tiles, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0.5)
        axes.imshow(tiles.transpose(0, 2, 1, 3).reshape(50, 50), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(title)
        axes.set_axis_off()
    figure.savefig(output, dpi=110)
