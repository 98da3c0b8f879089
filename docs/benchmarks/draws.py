"""How well a classifier tells draws of SharpPCDensity and its peers from real rows.

    python docs/benchmarks/draws.py [--tables all] [--recorded] [--jobs 2]
        [--write docs/benchmarks/RESULTS.md]

On the tables of real_data.py, or with --recorded on what was recorded, with its dtypes and ties:
each method learns from 70 % of the rows and draws as many as are left; cells that a real row lacks
are taken out of the drawn row beside it.

AUC: of gradient boosting that tells the ones from the others, cross-validated in five parts; 0.5 is
as good as real. Support: share of drawn cells that no real cell could be: a fraction where all are
integers, below zero where none is. Range: share of drawn numbers beyond the smallest or the largest
of the training rows.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas
from forest_density import PEERS
from joblib import Parallel, delayed
from markdown import print_header, print_row, write_table
from real_data import Split, add_options, codes, decoded, split, table_names
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from skpc import SharpPCDensity

METHODS = [name for name in PEERS if name != "gmm"]


def auc(real: pandas.DataFrame, drawn: pandas.DataFrame, seed: int) -> float:
    """How well gradient boosting tells drawn rows from real ones."""
    both = pandas.concat([real, drawn], ignore_index=True)
    labels = both.select_dtypes(exclude="number").columns
    for name in labels:
        both[name] = both[name].astype(str).astype("category")
    both = both.astype({name: float for name in both.columns.difference(labels)})
    is_drawn = np.repeat([0, 1], [len(real), len(drawn)])
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    odds = cross_val_predict(model, both, is_drawn, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(is_drawn, odds))


def faults(part: Split, drawn: pandas.DataFrame) -> tuple[float, float]:
    """Shares of drawn cells outside of their column's support, and outside of its range."""
    n_outside = n_beyond = n_cells = n_numbers = 0
    for name in part.train.columns:
        seen, found = part.train[name].dropna(), drawn[name].dropna()
        n_cells += len(found)
        if not pandas.api.types.is_numeric_dtype(seen):
            n_outside += int((~found.isin(seen)).sum())
            continue
        seen, found = seen.to_numpy(float), found.to_numpy(float)
        is_outside = np.zeros(len(found), bool)
        if (seen == np.round(seen)).all():
            is_outside |= found != np.round(found)
        if (seen >= 0).all():
            is_outside |= found < 0
        n_outside += int(is_outside.sum())
        n_numbers += len(found)
        n_beyond += int(((found < seen.min()) | (found > seen.max())).sum())
    return n_outside / n_cells, n_beyond / max(n_numbers, 1)


def draw(method: object, part: Split, seed: int, numeric: str) -> pandas.DataFrame:
    """As many rows as the test part has."""
    n_rows = len(part.test)
    if isinstance(method, str):
        train, _, values = codes(part)
        model = PEERS[method]().fit(train, part.is_mass, seed)
        return decoded(model.sample(n_rows, np.random.RandomState(seed)), part, values)
    settings = {"feature_types": part.feature_types(numeric), "random_state": seed, **method[1]}
    density = SharpPCDensity(**settings).fit(part.train)
    rows = density.sample(n_rows, random_state=seed)
    return pandas.DataFrame(
        rows[0] if isinstance(rows, tuple) else rows, columns=part.train.columns
    )


def measure(
    method: object, table: str, seed: int, options: argparse.Namespace
) -> tuple[float, float, float]:
    """AUC, share outside of the support and beyond the range of one method on one split."""
    warnings.simplefilter("ignore")
    part = split(table, seed, is_spread=not options.recorded)
    drawn = draw(method, part, seed, options.numeric_type)
    drawn = drawn.where(part.test.notna().to_numpy()).infer_objects()
    with threadpool_limits(1):  # rows are few
        return auc(part.test, drawn, seed), *faults(part, drawn)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--peers", nargs="*", default=METHODS)
    parser.add_argument("--recorded", action="store_true", help="as recorded, not spread")
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    tables = table_names(options.tables)
    methods: list = [*options.peers, *options.variant]
    names = [*options.peers, *(name for name, _ in options.variant)]
    jobs = [
        (method, table, seed, options)
        for table in tables
        for method in methods
        for seed in range(options.seeds)
    ]
    results = Parallel(options.jobs, return_as="generator")(delayed(measure)(*job) for job in jobs)
    lines = print_header(["table", *(f"AUC: {name}" for name in names), "outside of support"])
    found = []
    for table in tables:
        cells = np.array([[next(results) for _ in range(options.seeds)] for _ in methods])
        scores, outside, _ = cells.mean(axis=1).T
        shown = [f"**{s:.3f}**" if s == scores.min() else f"{s:.3f}" for s in scores]
        lines.append(print_row([table, *shown, ", ".join(f"{s:.1%}" for s in outside)]))
        found.append(cells.mean(axis=1))
    all_scores = np.array(found)
    for title, take in (("mean", np.mean), ("median", np.median)):
        shown = [f"{s:.3f}" for s in take(all_scores[..., 0], axis=0)]
        outside = ", ".join(f"{s:.1%}" for s in take(all_scores[..., 1], axis=0))
        lines.append(print_row([title, *shown, outside]))
    beyond = [f"{s:.1%}" for s in all_scores[..., 2].mean(axis=0)]
    lines.append(print_row(["mean share beyond the range", *beyond, ""]))
    if options.write:
        write_table(options.write, "draws", lines)


if __name__ == "__main__":
    main()
