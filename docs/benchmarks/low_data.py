"""What the sharpness penalty does when rows are few: the protocol of Table 2 of Suresh et al.

    python docs/benchmarks/low_data.py --data DIR [--fractions 1 5 10 50 100]
        [--regularizers global gated] [--write docs/benchmarks/RESULTS.md]

DIR holds files NAME.npz with integer arrays `train`, `valid` and `test`. For every data set,
share of the training rows and seed, the same model without and with a penalty, global or gated,
in a table of its own each:

(a) the paper's setting: K = 100, random parameters, 100 epochs of damped EM on batches of 200
    rows, that is after each batch a tenth of the way to its M-step, in closed form with
    lambda = 1; no pseudocount, no early stopping; mu is that of the grid {0.01, 0.05, 0.1, 0.5,
    1} with the best likelihood of the validation rows, tried from the smallest on until two in
    a row are worse than the best. Counts of a batch are scaled to all rows, so that mu means the
    same for any number of batches. The tree is learnt from all the rows given; the paper's from
    200.
(b) ours: `SharpPCDensity()` as it is, but for mu = 0 on one side, stopped on the same
    validation rows.

dNLL   100 (NLL_0 - NLL_mu) / |NLL_0|, test rows: by how much the model is better
dDoF   100 (DoF_0 - DoF_mu), DoF = (NLL_test - NLL_train) / |NLL_train|: less overfit
dSharp 100 (S_0 - S_mu) / S_0, S the mean Hessian trace of (1,000 of) the training rows: flatter

"paper" is the paper's dNLL, of a global penalty; means are over data sets.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from grid import climb
from markdown import print_header, print_row, write_table
from sklearn.exceptions import ConvergenceWarning

from skpc import SharpPCDensity
from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.inputs import Inputs
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, Scope
from skpc._learning.initialisation import Start, draw_starts, learn_trees
from skpc._learning.minibatches import Batches
from skpc._learning.mstep import MStep
from skpc._learning.solver import Solver
from skpc._learning.structure import Structure
from skpc._passes.likelihood import log_likelihood
from skpc._tables.columns import Columns
from skpc.curvature import hessian_trace

TABLES = {"global": "low-data", "gated": "low-data-gated"}
MUS = [0.01, 0.05, 0.1, 0.5, 1.0]
BATCH_SIZE = 200
STEP = 0.1
PAPER = {  # dNLL of Table 2, by percent of the rows
    "accidents": {1: 1.40, 5: -1.88, 10: -1.67, 50: -0.50, 100: -0.29},
    "baudio": {1: 9.39, 5: -0.58, 10: -0.56, 50: -0.20, 100: -0.11},
    "dna": {1: 29.45, 5: 2.59, 10: 0.10, 50: -0.89, 100: -0.47},
    "nltcs": {1: 0.18, 5: -0.94, 10: -0.68, 50: -0.08, 100: -0.07},
    "plants": {1: 1.59, 5: -2.41, 10: -1.63, 50: -0.56, 100: -0.28},
}
HEADER = ["% of rows", "data set", "(a) NLL, mu=0", "(a) NLL", "mu"]
HEADER += ["dNLL", "paper", "dDoF", "dSharp"]
HEADER += ["(b) NLL, mu=0", "(b) NLL", "dNLL", "dDoF", "dSharp"]


class Measured(NamedTuple):
    """Negative log-likelihood of test rows, degree of overfitting and sharpness of one fit."""

    nll: float
    overfitting: float
    sharpness: float

    @classmethod
    def of(cls, circuit: Circuit, X: np.ndarray, test: np.ndarray) -> Measured:
        """Measure a circuit that was fitted to X."""
        train, nll = (-log_likelihood(circuit, rows).mean() for rows in (X, test))
        return cls(nll, (nll - train) / abs(train), hessian_trace(circuit, X[:1000]).mean())

    def gains(self, plain: Measured) -> list[float]:
        """dNLL, dDoF and dSharp against a fit without a penalty."""
        return [
            100 * (plain.nll - self.nll) / abs(plain.nll),
            100 * (plain.overfitting - self.overfitting),
            100 * (plain.sharpness - self.sharpness) / plain.sharpness,
        ]


class DampedEM:
    """Setting (a) on some rows: every strength of the penalty from the same start and batches."""

    def __init__(
        self,
        X: np.ndarray,
        categories: list[np.ndarray | None],
        n_latents: int,
        n_epochs: int,
        seed: int,
    ) -> None:
        scopes = [Scope(np.array([j]), CATEGORICAL, known) for j, known in enumerate(categories)]
        rows = Rows.encode(X, scopes, np.ones(len(X))).distinct()
        self.random_state = np.random.RandomState(seed)
        solver = Solver(MStep(pseudocount=0.01), None, 0.0)  # of the tree alone
        start = Start(n_latents, init="random")
        trees = learn_trees(rows, Structure(), start, solver, self.random_state)
        (self.start,) = draw_starts(trees, start, solver, self.random_state)
        self.batches = Batches(
            self.start,
            rows.evidence,
            rows.weights,
            BATCH_SIZE,
            self.random_state,
            dtype=np.float32,
        )
        self.orders = [self.random_state.permutation(len(self.batches)) for _ in range(n_epochs)]

    def fit(self, mu: float, regularizer: str) -> Circuit:
        """The circuit after all epochs."""
        circuit, m_step = self.start, MStep(mu, regularizer)
        total = self.batches.weights.sum()
        for batch in (batch for order in self.orders for batch in order):
            counts = self.batches.expected_counts(batch, circuit, with_gate=m_step.needs_gate)
            counts.scale(total / self.batches.weights[batch])
            circuit = moved(circuit, m_step(circuit, counts))
        return circuit


def moved(circuit: Circuit, goal: Circuit) -> Circuit:
    """A circuit of categorical columns, a step towards another."""

    def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (1.0 - STEP) * a + STEP * b

    old, new = circuit.inputs, goal.inputs
    return replace(
        circuit,
        root_weights=between(circuit.root_weights, goal.root_weights),
        sum_weights=between(circuit.sum_weights, goal.sum_weights),
        inputs=Inputs(
            old.features,
            old.categories,
            between(old.probs, new.probs),
            between(old.unseen, new.unseen),
            {},
        ),
    )


def compare(
    arrays: dict[str, np.ndarray],
    fraction: float,
    regularizer: str,
    seed: int,
    n_latents: int,
    n_epochs: int,
) -> tuple[float, list[float]]:
    """The mu chosen in (a); NLLs and gains of (a), then of (b)."""
    train, valid, test = (arrays[part] for part in ("train", "valid", "test"))
    order = np.random.default_rng(seed).permutation(len(train))
    X = train[order[: round(fraction / 100 * len(train))]]
    # Of all rows: a value that none of X shows keeps in (a) what EM leaves of its start.
    categories = [column.categories for column in Columns.learn(train).columns]
    learner = DampedEM(X, categories, n_latents, n_epochs, seed)
    plain = Measured.of(learner.fit(0.0, regularizer), X, test)
    mu, penalised = climb(
        MUS,
        lambda mu: learner.fit(mu, regularizer),
        lambda circuit: float(log_likelihood(circuit, valid).mean()),
    )
    sharp = Measured.of(penalised, X, test)
    ours_plain, ours = (
        Measured.of(
            SharpPCDensity(regularizer=regularizer, random_state=seed)
            .set_params(**parameters)
            .fit(X, X_val=valid)
            .circuit_,
            X,
            test,
        )
        for parameters in ({"mu": 0.0}, {})
    )
    figures = [plain.nll, sharp.nll, *sharp.gains(plain)]
    return mu, [*figures, ours_plain.nll, ours.nll, *ours.gains(ours_plain)]


def said(figures: Iterable[float]) -> list[str]:
    """Figures as text; nothing where there is none."""
    return [f"{x:.2f}" if np.isfinite(x) else "" for x in figures]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NAME.npz files")
    parser.add_argument("--datasets", nargs="+", default=sorted(PAPER))
    parser.add_argument("--fractions", nargs="+", type=float, default=[1, 5, 10], help="percent")
    parser.add_argument("--regularizers", nargs="+", choices=TABLES, default=["global"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--n-latents", type=int, default=100, help="of (a)")
    parser.add_argument("--epochs", type=int, default=100, help="of (a)")
    parser.add_argument("--write", type=Path, help="document to write the tables to")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for regularizer in options.regularizers:
        lines = print_header(HEADER)
        for fraction in options.fractions:
            gains = []
            for name in options.datasets:
                with np.load(options.data / f"{name}.npz") as file:
                    arrays = {part: file[part].astype(float) for part in ("train", "valid", "test")}
                of_seeds = [
                    compare(arrays, fraction, regularizer, seed, options.n_latents, options.epochs)
                    for seed in range(options.seeds)
                ]
                mus, figures = zip(*of_seeds, strict=True)
                mean = [float(x) for x in np.mean(figures, axis=0)]
                paper = PAPER.get(name, {}).get(fraction) if regularizer == "global" else None
                mean.insert(3, np.nan if paper is None else paper)
                gains.append(mean)
                cells = said(mean)
                cells.insert(2, " ".join(f"{mu:g}" for mu in mus))
                lines.append(print_row([f"{fraction:g}", name, *cells]))
            cells = [f"**{cell}**" if cell else "" for cell in said(np.mean(gains, axis=0))]
            cells[:2] = "", "", ""  # likelihoods of several tables have no mean, nor has mu
            cells[7:9] = "", ""
            lines.append(print_row([f"{fraction:g}", "**mean**", *cells]))
        lines += ["", f"{regularizer.capitalize()} penalty; (a): K = {options.n_latents}, "]
        lines[-1] += f"{options.epochs} epochs; draws of the rows: {options.seeds}."
        if options.write:
            write_table(options.write, TABLES[regularizer], lines)


if __name__ == "__main__":
    main()
