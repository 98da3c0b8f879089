"""What it gains to model which values are missing together with the values.

    python docs/benchmarks/missingness.py [--rows 1000] [--seeds 3] [--n-latents auto]

Six numbers of one cause, of which some go missing for several reasons. Mean log-likelihoods of
2,000 new rows, of what they show and of what they lack, in nats: of one density of both, of two
densities, of values and of indicators, and with indicators that are independent of all else.
"""

from __future__ import annotations

import argparse

import numpy as np
from markdown import print_header, print_row

from skpc import SharpPCDensity, SharpPCMissingnessDensity

REASONS = {
    "the value itself": "each of three is missing in 80 % of the rows where it is large",
    "another column": "the same, where another column is large",
    "drop-out": "once a value is large, all columns after it are missing in 80 % of the rows",
    "one event": "three columns are missing together in 30 % of the rows",
    "chance": "a fifth of all values",
}


def table(reason: str, n_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Rows (n_rows, 6) with missing values."""
    X = rng.normal(size=(n_rows, 1)) + 0.7 * rng.normal(size=(n_rows, 6))
    holes = np.zeros(X.shape, bool)
    if reason == "the value itself":
        holes[:, :3] = (X[:, :3] > 0.5) & (rng.random((n_rows, 3)) < 0.8)
    elif reason == "another column":
        holes[:, :3] = (X[:, 3:] > 0.5) & (rng.random((n_rows, 3)) < 0.8)
    elif reason == "drop-out":
        leaves = (X[:, :-1] > 1) & (rng.random((n_rows, 5)) < 0.8)
        holes[:, 1:] = np.logical_or.accumulate(leaves, axis=1)
    elif reason == "one event":
        holes[:, ::2] = rng.random((n_rows, 1)) < 0.3
    else:
        holes = rng.random(X.shape) < 0.2
    return np.where(holes, np.nan, X)


def scores(reason: str, n_rows: int, seed: int, n_latents: int | str) -> list[float]:
    """Mean log-likelihoods of new rows, by each of the three."""
    rng = np.random.default_rng(seed)
    train, test = table(reason, n_rows, rng), table(reason, 2000, rng)
    density = SharpPCDensity(n_latents, random_state=seed)
    joint = SharpPCMissingnessDensity(density).fit(train).score(test)
    values = density.fit(train).score(test)
    lacks = np.isnan(train).any(axis=0)
    holes, new = (np.isnan(X[:, lacks]).astype(float) for X in (train, test))
    together = density.fit(holes).score(new)
    alone = SharpPCDensity(n_latents=1).fit(holes).score(new)
    return [joint, values + together, values + alone]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n-latents", default="auto")
    options = parser.parse_args()
    n_latents = int(options.n_latents) if options.n_latents.isdigit() else options.n_latents
    print_header(["missing because of", "one density", "two densities", "independent indicators"])
    for reason in REASONS:
        found = [scores(reason, options.rows, seed, n_latents) for seed in range(options.seeds)]
        print_row([reason, *(f"{value:.2f}" for value in np.mean(found, axis=0))])


if __name__ == "__main__":
    main()
