"""Test log-likelihoods and seconds of whole fits, without and with the penalty.

    python docs/benchmarks/likelihood.py --data DIR [--write README.md]

DIR holds files NAME.npz with integer arrays `train` and `test`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from markdown import print_header, print_row, write_table
from sklearn.exceptions import ConvergenceWarning

from skpc import SharpPCDensity

DATASETS = ["nltcs", "plants", "accidents", "baudio", "dna"]


def measure(path: Path, n_latents: int, mu: float, seed: int) -> list[object]:
    """Fit one data set."""
    arrays = np.load(path)
    model = SharpPCDensity(n_latents, mu=mu, random_state=seed)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(arrays["train"])
    seconds = time.perf_counter() - start
    return [
        path.stem,
        n_latents,
        mu,
        model.n_iter_,
        f"{seconds:.1f}",
        f"{model.score(arrays['train']):.3f}",
        f"{model.score(arrays['test']):.3f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NAME.npz files")
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--n-latents", type=int, default=64)
    parser.add_argument("--mus", nargs="+", type=float, default=[0.0, 0.05])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    lines = print_header(["data set", "K", "mu", "iterations", "seconds", "train", "test"])
    for name in options.datasets:
        for mu in options.mus:
            path = options.data / f"{name}.npz"
            lines.append(print_row(measure(path, options.n_latents, mu, options.seed)))
    if options.write:
        write_table(options.write, "likelihood", lines)


if __name__ == "__main__":
    main()
