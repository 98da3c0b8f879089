"""Whether a detector names the column of a typing error in the very rows that it learnt from.

    python docs/benchmarks/explanations.py [--factor 10] [--seeds 4]

Six cells of each table are set to ten times (`--factor`) the median of their column. A row of the
table says in how many rows the column with the largest contribution is the one with the error:
as the detector has it; as surprise, without taking off the average of the column; by the mean
over all densities, those that learnt from the row too; and by their mixture.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from skpc import SharpPCOutlierDetector
from skpc._outliers.explanations import mean_excesses
from skpc._queries.surprises import surprises

_N_ERRORS = 6


def tables() -> dict[str, pandas.DataFrame]:
    """Tables that scikit-learn ships."""
    return {
        "iris": load_iris(as_frame=True).data,
        "wine": load_wine(as_frame=True).data,
        "diabetes": load_diabetes(as_frame=True, scaled=False).data,
        "breast cancer": load_breast_cancer(as_frame=True).data,
    }


def with_errors(
    frame: pandas.DataFrame, factor: float, seed: int
) -> tuple[pandas.DataFrame, np.ndarray]:
    """The table with errors, and the rows and columns (2, n) where they are."""
    rng = np.random.default_rng(seed)
    n_rows, n_columns = frame.shape
    rows = rng.choice(n_rows, _N_ERRORS, replace=False)
    columns = rng.integers(0, n_columns, _N_ERRORS)
    values = frame.to_numpy(float, copy=True)
    values[rows, columns] = factor * np.median(values, axis=0)[columns]
    return pandas.DataFrame(values, columns=frame.columns), np.stack([rows, columns])


def named_rightly(frame: pandas.DataFrame, places: np.ndarray, seed: int) -> list[int]:
    """In how many rows the right column comes first: by each of four ways."""
    detector = SharpPCOutlierDetector(random_state=seed).fit(frame)
    rows, columns = places
    odd = frame.iloc[rows]
    matrix = detector._fitted_density()._validate(odd)
    experts = detector._experts
    raw = [surprises(e.circuit, matrix, own_weight=e.own_weight) for e in experts]
    judges = detector._known_rows.judges_of(matrix)
    found = (
        detector.feature_contributions(odd),
        np.einsum("eij,ie->ij", np.stack(raw), judges),
        mean_excesses(experts, np.ones_like(judges), matrix),
        detector.estimator_.feature_contributions(odd, kind="surprise"),
    )
    return [int((table.argmax(axis=1) == columns).sum()) for table in found]


def main() -> None:
    """Print the counts of each table, and their sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--factor", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    print("| table | rows with an error | detector | without the average | by all | mixture |")
    print("|---|---|---|---|---|---|")
    total, start = np.zeros(5, int), time.perf_counter()
    for name, frame in tables().items():
        counts = np.array(
            [
                [_N_ERRORS, *named_rightly(*with_errors(frame, options.factor, seed), seed)]
                for seed in range(options.seeds)
            ]
        ).sum(axis=0)
        total += counts
        print(f"| {name} | {' | '.join(map(str, counts))} |", flush=True)
    print(f"| all | {' | '.join(map(str, total))} |")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
