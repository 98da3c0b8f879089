"""What the sharpness penalty does when rows are few: the protocol of Table 2 of Suresh et al.

    python docs/benchmarks/low_data.py --data DIR [--fractions 1 5 10 50 100]
        [--write docs/benchmarks/RESULTS.md]

DIR holds files NAME.npz with integer arrays `train`, `valid` and `test`. For every data set,
share of the training rows and seed: full-batch EM without a penalty, and with the penalty whose
mu is best on the validation rows; (a) for a fixed number of iterations, as in the paper, (b)
stopped on the validation rows. The paper's Table 2 has K = 100 and 100 epochs of damped EM.

dNLL   100 (NLL_0 - NLL_mu) / |NLL_0|, test rows: by how much the model is better
dDoF   100 (DoF_0 - DoF_mu), DoF = (NLL_test - NLL_train) / |NLL_train|: less overfit
dSharp 100 (S_0 - S_mu) / S_0, S the mean Hessian trace of (1,000 of) the training rows: flatter
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markdown import print_header, print_row, write_table
from sklearn.exceptions import ConvergenceWarning

from skpc import SharpPCDensity

DATASETS = ["accidents", "baudio", "dna", "nltcs", "plants"]
MUS = [0.01, 0.05, 0.1, 0.5, 1.0]


class Measured(NamedTuple):
    """Negative log-likelihoods and sharpness of one fit."""

    valid: float
    test: float
    overfitting: float
    sharpness: float


def measure(arrays: dict[str, np.ndarray], rows: np.ndarray, **parameters: Any) -> Measured:
    """Fit some of the training rows."""
    X = arrays["train"][rows]
    stops = parameters.pop("stops")
    model = SharpPCDensity(dtype="float32", tol=0.0, **parameters)
    model.fit(X, X_val=arrays["valid"] if stops else None)
    train, valid, test = -model.score(X), *(-model.score(arrays[p]) for p in ("valid", "test"))
    return Measured(valid, test, (test - train) / train, model.sharpness(X[:1000]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NAME.npz files")
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--fractions", nargs="+", type=float, default=[1, 5, 10], help="percent")
    parser.add_argument("--regularizers", nargs="+", default=["global", "gated"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--n-latents", type=int, default=100)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    figures_of = ["NLL, mu=0", "NLL", "mu", "dNLL", "dDoF", "dSharp"]
    header = [f"({setting}) {what}" for setting in "ab" for what in figures_of]
    lines = print_header(["% of rows", "data set", "penalty", *header])
    means: dict[tuple[float, str], list[list[float]]] = {}
    for fraction in options.fractions:
        for name in options.datasets:
            with np.load(options.data / f"{name}.npz") as file:
                arrays = {part: file[part].astype(float) for part in ("train", "valid", "test")}
            for regularizer in options.regularizers:
                figures = []
                for seed in range(options.seeds):
                    rng = np.random.default_rng(seed)
                    n_rows = round(fraction / 100 * len(arrays["train"]))
                    rows = rng.permutation(len(arrays["train"]))[:n_rows]
                    row: list[float] = []
                    for stops in False, True:
                        common = {"stops": stops, "max_iter": options.iterations}
                        common |= {"n_latents": options.n_latents, "random_state": seed}
                        plain = measure(arrays, rows, mu=0.0, **common)
                        found = {
                            mu: measure(arrays, rows, mu=mu, regularizer=regularizer, **common)
                            for mu in MUS
                        }
                        mu = min(found, key=lambda mu: found[mu].valid)
                        sharp = found[mu]
                        row += [
                            plain.test,
                            sharp.test,
                            mu,
                            100 * (plain.test - sharp.test) / plain.test,
                            100 * (plain.overfitting - sharp.overfitting),
                            100 * (plain.sharpness - sharp.sharpness) / plain.sharpness,
                        ]
                    figures.append(row)
                mean = np.mean(figures, axis=0)
                means.setdefault((fraction, regularizer), []).append(list(mean))
                cells = [f"{x:.3g}" if i % 6 == 2 else f"{x:.2f}" for i, x in enumerate(mean)]
                lines.append(print_row([f"{fraction:g}", name, regularizer, *cells]))
    for (fraction, regularizer), rows_of in means.items():
        mean = np.mean(rows_of, axis=0)
        cells = ["" if i % 6 < 3 else f"**{x:.2f}**" for i, x in enumerate(mean)]
        lines.append(print_row([f"{fraction:g}", "**mean**", regularizer, *cells]))
    if options.write:
        write_table(options.write, "low-data", lines)


if __name__ == "__main__":
    main()
