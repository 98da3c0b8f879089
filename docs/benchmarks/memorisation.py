"""How close draws are to the rows that were learnt from, beside rows that were not.

    python docs/benchmarks/memorisation.py [--write docs/benchmarks/RESULTS.md]

Tables that scikit-learn ships are split into halves, one to learn from and one aside, in five ways.
From the density of the first half as many rows are drawn as it has. Distances are sums over columns
of absolute differences in ranges, categories differ by 1.

- copies: the share of draws that equal a row learnt from, and the share that equal one aside. A
  table of few categories has the same rows again without anybody's being copied.
- closer: the share of draws whose nearest row is one learnt from rather than one aside, ties
  counted half: 0.5 if nothing is memorised.
- nearest: the mean distance of a draw to the nearest row learnt from, over that of a row aside: 1
  if draws are as far from these rows as other rows are, 0 if they are copies.
- membership: the area under the curve by which the likelihood tells rows learnt from apart from
  those aside: 0.5 if it cannot. It is what somebody may learn who has the model, not only draws.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from markdown import print_header, print_row, write_table
from scipy.spatial.distance import cdist
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score

from skpc import SharpPCDensity

SETTINGS: dict[str, dict[str, object]] = {
    "default": {},
    "4 states": {"n_latents": 4},
    "4 states, gaussian": {"n_latents": 4, "feature_types": "gaussian"},
    "128 states, no early stopping": {"n_latents": 128, "early_stopping": False, "max_iter": 300},
}


def tables() -> Iterator[tuple[str, np.ndarray]]:
    """Names and rows (n, d) of tables, of numbers first."""
    for name in ("iris", "wine", "diabetes", "breast_cancer"):
        yield name, getattr(datasets, f"load_{name}")().data
    levels = datasets.load_digits().data
    yield "digits, 2 levels", (levels > 7).astype(float)
    yield "upper half of digits, 2 levels", (levels[:, :32] > 7).astype(float)


def measure(X: np.ndarray, parameters: dict[str, object], seed: int) -> list[float]:
    """Copies of rows learnt from and aside, closer, nearest, membership for one split."""
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(X))
    learnt, aside = X[order[: len(X) // 2]], X[order[len(X) // 2 : 2 * (len(X) // 2)]]
    model = SharpPCDensity(random_state=seed, **parameters).fit(learnt)
    drawn = model.sample(len(learnt), random_state=seed)
    spread = np.maximum(np.ptp(X, axis=0), 1e-12)
    to_learnt, to_aside, between = (
        cdist(a / spread, b / spread, "cityblock").min(axis=1)
        for a, b in ((drawn, learnt), (drawn, aside), (aside, learnt))
    )
    closer = (to_learnt < to_aside).mean() + (to_learnt == to_aside).mean() / 2
    scores = model.score_samples(np.vstack([learnt, aside]))
    return [
        100 * (to_learnt == 0).mean(),
        100 * (to_aside == 0).mean(),
        closer,
        to_learnt.mean() / between.mean(),
        roc_auc_score(np.repeat([1, 0], len(learnt)), scores),
    ]


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", type=Path, help="document to write the table to")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # the last setting stops where it is told
    header = "table,rows learnt from,setting,% copies,% equal to one aside"
    lines = print_header([*header.split(","), "closer", "nearest", "membership"])
    for name, X in tables():
        for setting, parameters in SETTINGS.items():
            if "gaussian" in setting and "digits" in name:
                continue
            runs = [measure(X, parameters, seed) for seed in range(arguments.seeds)]
            means = np.mean(runs, axis=0)
            numbers = [f"{mean:.1f}" for mean in means[:2]] + [f"{mean:.2f}" for mean in means[2:]]
            lines.append(print_row([name, len(X) // 2, setting, *numbers]))
    if arguments.write:
        write_table(arguments.write, "memorisation", lines)


if __name__ == "__main__":
    main()
