"""Test log-likelihoods of `structure="auto"`, beside every structure that it chooses from.

    python docs/benchmarks/structures.py --data DIR [--datasets nltcs ...] [--seeds 1]
        [--write docs/benchmarks/RESULTS.md]

DIR holds files NAME.npz with integer arrays `train`, `valid` and `test`. Every model is learnt from
the training rows and stopped, weighted and chosen by the validation rows; all else is as the
constructor has it. "trees" is `SharpPCDensity()`, "4 trees" has `n_components=4` and 32 states,
"continuous" is `structure="continuous-mixture"`. Seconds are the processor's, of all threads.
"Best" is the best tractable model that was reported: continuous mixtures (Correia et al., AAAI
2023) and LearnPSDD on nltcs, continuous mixtures on plants and baudio, hidden Chow-Liu trees
(Liu and Van den Broeck 2021, PyJuice) on accidents and dna.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from markdown import print_header, print_row, write_table
from sklearn.exceptions import ConvergenceWarning

from skpc import SharpPCDensity

BEST = {"nltcs": -5.99, "plants": -12.26, "baudio": -39.02, "accidents": -26.55, "dna": -79.05}
SETTINGS: dict[str, dict[str, Any]] = {
    "trees": {},
    "4 trees": {"n_components": 4, "n_latents": 32},
    "continuous": {"structure": "continuous-mixture"},
    "auto": {"structure": "auto"},
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NAME.npz files")
    parser.add_argument("--datasets", nargs="+", default=list(BEST))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    columns = [cell for name in SETTINGS for cell in (name, "CPU s")]
    lines = print_header(["data set", "seed", *columns, "best reported"])
    for name in options.datasets:
        with np.load(options.data / f"{name}.npz") as file:
            train, valid, test = (file[part].astype(float) for part in ("train", "valid", "test"))
        for seed in range(options.seeds):
            cells: list[str] = []
            for setting in SETTINGS.values():
                start = time.process_time()
                model = SharpPCDensity(random_state=seed, **setting).fit(train, X_val=valid)
                seconds = time.process_time() - start
                cells += [f"{model.score(test):.3f}", f"{seconds:.0f}"]
            lines.append(print_row([name, str(seed), *cells, f"{BEST[name]:.2f}"]))
    if options.write:
        write_table(options.write, "structures", lines)


if __name__ == "__main__":
    main()
