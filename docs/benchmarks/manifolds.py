"""Sharpness-aware gradient learning on curves: the protocol of Table 1 of Suresh et al.

    python docs/benchmarks/manifolds.py [--write docs/benchmarks/RESULTS.md] [--plot FILE]

Random binary trees (RAT-SPN) with Gaussian inputs, learnt by Adam on parts of 10,000 points of
each of eight manifolds, columns scaled; for every part, mu is chosen by the likelihood of 2,000
other points, and the model compared with that of mu = 0 on 5,000 more. Values of mu are tried
from the smallest on, until two in a row are worse than the best:

dNLL   100 (NLL_0 - NLL_mu) / |NLL_0|, of test points: by how much the model is better
dDoF   100 (DoF_0 - DoF_mu) / |DoF_0|, DoF = (NLL_test - NLL_train) / |NLL_train|: less overfit
dSharp 100 (S_0 - S_mu) / S_0, S the mean Hessian trace of the training points: flatter

Medians over manifolds and seeds stand beside means: NLL_0 and DoF_0 may be near zero. The second
table is one run in full: 5 % of a spiral, epoch by epoch.
"""

from __future__ import annotations

import argparse
import warnings
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from grid import climb
from markdown import print_header, print_row, write_table
from sklearn.exceptions import ConvergenceWarning

from skpc import SharpPCDensity
from skpc.datasets import MANIFOLDS, make_manifold

MUS = [1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]


class Measured(NamedTuple):
    """Negative log-likelihoods, and sharpness on the training points."""

    train: float
    valid: float
    test: float
    sharpness: float

    @property
    def overfitting(self) -> float:
        """Degree of overfitting."""
        return (self.test - self.train) / abs(self.train)


def points(name: str, seed: int) -> list[np.ndarray]:
    """Training, validation and test points, scaled alike."""
    X = make_manifold(name, 17_000, random_state=seed)
    X = (X - X[:10_000].mean(axis=0)) / X[:10_000].std(axis=0)
    return np.split(X, [10_000, 12_000])


def new_model(mu: float, seed: int, **parameters: Any) -> SharpPCDensity:
    """The model of the tables."""
    return SharpPCDensity(
        **{
            "n_latents": 16,
            "structure": "rat",
            "n_components": 4,
            "solver": "adam",
            "mu": mu,
            "max_iter": 100,
            "tol": 0.0,
            "early_stopping": False,
            "feature_types": "gaussian",
            "feature_groups": None,
            "random_state": seed,
            **parameters,
        }
    )


def measure(model: SharpPCDensity, parts: list[np.ndarray]) -> Measured:
    """Evaluate a fitted model."""
    return Measured(*(-model.score(X) for X in parts), model.sharpness(parts[0]))


def compare(name: str, fraction: float, seed: int) -> tuple[float, Measured, Measured]:
    """The chosen mu, and what it and mu = 0 lead to."""
    train, valid, test = points(name, seed)
    parts = [train[: round(fraction * len(train))], valid, test]

    def fit(mu: float) -> Measured:
        return measure(new_model(mu, seed).fit(parts[0]), parts)

    mu, sharp = climb(MUS, fit, lambda found: -found.valid)
    return mu, fit(0.0), sharp


def change(before: float, after: float) -> float:
    """By how many percent a figure fell."""
    return 100.0 * (before - after) / abs(before)


def table(options: argparse.Namespace) -> list[str]:
    """Print the table of changes."""
    lines = print_header(
        ["% of rows", "manifold", "mu", "NLL, mu = 0", "NLL", "dNLL", "dDoF", "dSharp"]
    )
    for fraction in options.fractions:
        rows = []
        for name in options.manifolds:
            runs = [compare(name, fraction / 100, seed) for seed in range(options.seeds)]
            changes = [
                [
                    change(plain.test, sharp.test),
                    change(plain.overfitting, sharp.overfitting),
                    change(plain.sharpness, sharp.sharpness),
                ]
                for _, plain, sharp in runs
            ]
            rows += changes
            mus, plain_nll, nll = (
                np.mean([f(run) for run in runs])
                for f in (lambda r: r[0], lambda r: r[1].test, lambda r: r[2].test)
            )
            cells = [f"{x:.1f}" for x in np.mean(changes, axis=0)]
            lines.append(
                print_row(
                    [f"{fraction:g}", name, f"{mus:.2g}", f"{plain_nll:.2f}", f"{nll:.2f}", *cells]
                )
            )
        for what, average in ("mean", np.mean), ("median", np.median):
            cells = [f"**{x:.1f}**" for x in average(rows, axis=0)]
            lines.append(print_row([f"{fraction:g}", f"**{what}**", "", "", "", *cells]))
    return lines


def history(options: argparse.Namespace) -> list[str]:
    """Print the spiral's likelihoods and sharpness by epoch, without and with the penalty."""
    train, valid, _ = points("spiral", 0)
    parts = [train[:500], valid]
    lines = print_header(["epoch", "mu", "train NLL", "validation NLL", "sharpness"])
    curves = []
    for mu, epochs in product((0.0, 1e-2), (2, 5, 10, 20, 40, 70, 100)):
        # Each length anneals its step by itself, as a fit of that length would.
        model = new_model(mu, 0, max_iter=epochs).fit(parts[0])
        figures = [*(-model.score(X) for X in parts), model.sharpness(parts[0])]
        curves.append([mu, epochs, *figures])
        lines.append(print_row([epochs, f"{mu:g}", *(f"{x:.3f}" for x in figures)]))
    if options.plot:
        draw(options.plot, np.array(curves))
    return lines


def draw(path: Path, curves: np.ndarray) -> None:
    """Draw the likelihoods and the sharpness side by side, a line a penalty."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for mu, color in zip(np.unique(curves[:, 0]), ["#D55E00", "#0072B2"], strict=True):
        _, epochs, train, valid, sharpness = curves[curves[:, 0] == mu].T
        left.plot(epochs, train, color=color, linestyle="--", label=f"train, mu = {mu:g}")
        left.plot(epochs, valid, color=color, label=f"validation, mu = {mu:g}")
        right.plot(epochs, sharpness, color=color, label=f"mu = {mu:g}")
    left.set(xlabel="epochs", ylabel="negative log-likelihood, nats")
    right.set(xlabel="epochs", ylabel="mean Hessian trace", yscale="log")
    for axis in left, right:
        axis.legend(frameon=False, fontsize="small")
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifolds", nargs="+", default=list(MANIFOLDS))
    parser.add_argument("--fractions", nargs="*", type=float, default=[1, 5, 10], help="percent")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plot", type=Path, help="picture of the spiral")
    parser.add_argument("--write", type=Path, help="document to write the tables to")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name, make in ("spiral", history), ("manifolds", table):
        lines = make(options)
        print()
        if options.write:
            write_table(options.write, name, lines)


if __name__ == "__main__":
    main()
