"""Test log-likelihoods of every structure by itself, and of `structure="auto"`, which stacks them.

    python docs/benchmarks/structures.py --data DIR [--datasets nltcs ...] [--structures trees ...]
        [--budgets 6 ...] [--seeds 1] [--peers] [--write docs/benchmarks/RESULTS.md]

DIR holds files NAME.npz with integer arrays `train`, `valid` and `test`. Every model is learnt from
the training rows and stopped, weighted and chosen by the validation rows; all else is as the
constructor has it. "trees" is `SharpPCDensity()`, "4 trees" has `n_components=4` and 32 states,
"continuous" is `structure="continuous-mixture"`. A budget is `n_components` of `structure="auto"`:
how many circuits it may try beside single trees. Peers are the continuous mixtures of SPFlow, of
products and of Chow-Liu trees, with its defaults, on one thread. Figures are means over seeds, in
nats, with the sample's standard deviation if there are several; seconds are the processor's, of all
threads.
"Best" is the best tractable model that was reported: continuous mixtures (Correia et al., AAAI
2023) and LearnPSDD on nltcs, continuous mixtures on plants and baudio, hidden Chow-Liu trees
(Liu and Van den Broeck 2021, PyJuice) on accidents and dna.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from markdown import print_header, print_row, write_table
from sklearn.exceptions import ConvergenceWarning

from skpc import SharpPCDensity

BEST = {"nltcs": -5.99, "plants": -12.26, "baudio": -39.02, "accidents": -26.55, "dna": -79.05}
SINGLE: dict[str, dict[str, Any]] = {
    "trees": {},
    "4 trees": {"n_components": 4, "n_latents": 32},
    "continuous": {"structure": "continuous-mixture"},
}


Data = dict[str, np.ndarray]
Score = Callable[[np.ndarray], float]


def learner(settings: dict[str, Any]) -> Callable[[Data, int], Score]:
    """Of a `SharpPCDensity`: from data and a seed to what gives the mean log-likelihood of rows."""

    def learn(data: Data, seed: int) -> Score:
        model = SharpPCDensity(random_state=seed, **settings)
        return model.fit(data["train"], X_val=data["valid"]).score

    return learn


def spflow_learner(structure: str) -> Callable[[Data, int], Score]:
    """The same of a continuous mixture of SPFlow, "factorized" or of a "cltree"."""
    import torch
    from spflow.zoo import cms

    torch.set_num_threads(1)

    def tensor(X: np.ndarray) -> torch.Tensor:
        return torch.tensor(X, dtype=torch.float32)

    def learn(data: Data, seed: int) -> Score:
        model = getattr(cms, f"learn_continuous_mixture_{structure}")(
            tensor(data["train"]), val_data=tensor(data["valid"]), leaf="bernoulli", seed=seed
        )

        def score(X: np.ndarray) -> float:
            with torch.no_grad():
                return float(model.log_likelihood(tensor(X)).mean())

        return score

    return learn


def measure(data: Data, learn: Callable[[Data, int], Score], n_seeds: int) -> tuple[str, str, str]:
    """Mean test log-likelihood over seeds, its standard deviation, and the processor's seconds."""
    scores, seconds = np.empty((2, n_seeds))
    for seed in range(n_seeds):
        start = time.process_time()
        score = learn(data, seed)
        seconds[seed] = time.process_time() - start
        scores[seed] = score(data["test"])
    spread = f"{scores.std(ddof=1):.3f}" if n_seeds > 1 else ""
    return f"{scores.mean():.3f}", spread, f"{seconds.mean():.0f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NAME.npz files")
    parser.add_argument("--datasets", nargs="+", default=list(BEST))
    parser.add_argument("--structures", nargs="*", default=list(SINGLE), help="each by itself")
    parser.add_argument("--budgets", nargs="*", type=int, default=[6], help="of structure='auto'")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--peers", action="store_true", help="SPFlow's continuous mixtures too")
    parser.add_argument("--write", type=Path, help="document to write the tables to")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    tables = {
        "structures": {name: learner(SINGLE[name]) for name in options.structures},
        "stacks": {
            f"auto, {budget}": learner({"structure": "auto", "n_components": budget})
            for budget in options.budgets
        },
    }
    if options.peers:
        tables["continuous-peers"] = {
            "SPFlow, products": spflow_learner("factorized"),
            "SPFlow, trees": spflow_learner("cltree"),
        }
    for table, learners in tables.items():
        if not learners:
            continue
        columns = [cell for name in learners for cell in (name, "sd", "CPU s")]
        lines = print_header(["data set", "seeds", *columns, "best reported"])
        for name in options.datasets:
            with np.load(options.data / f"{name}.npz") as file:
                data = {part: file[part].astype(float) for part in ("train", "valid", "test")}
            cells = [
                cell for learn in learners.values() for cell in measure(data, learn, options.seeds)
            ]
            lines.append(print_row([name, options.seeds, *cells, f"{BEST[name]:.2f}"]))
        print()
        if options.write:
            write_table(options.write, table, lines)


if __name__ == "__main__":
    main()
