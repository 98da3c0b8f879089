"""Class probabilities of SharpPCClassifier and its peers on real mixed tables.

    python docs/benchmarks/classification.py [--seeds 3] [--jobs 2]
        [--write docs/benchmarks/RESULTS.md]

A column of a table of real_data.py, as it was recorded, is to be told from the others; rows that
lack it are left out. Log-loss on the 30 % of rows that nobody learns from, as they are and with
30 % of their cells removed at random; smaller is better. boosting: HistGradientBoostingClassifier.
logistic: LogisticRegression on scaled numbers, with means where they are missing and indicators of
that, and labels one-hot. prior: the frequencies of the classes. per class: SharpPCClassifier with
joint=False. All have their default settings otherwise; a variant sets parameters of the density of
SharpPCClassifier.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from joblib import Parallel, delayed
from markdown import print_header, print_row, write_table
from real_data import add_options, load, split_frame
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from skpc import SharpPCClassifier, SharpPCDensity

TARGETS = {
    "Boston": "chas",
    "PSID": "married",
    "Mroz": "work",
    "OFP": "hlth",
    "HI": "hhi",
    "Star": "classk",
    "penguins": "species",
    "birthwt": "low",
    "pbc": "status",
    "Wages1": "sex",
    "Housing": "airco",
    "DoctorAUS": "insurance",
    "Hdma": "deny",
    "anes96": "vote",
    "airquality": "Month",
    "SLID": "sex",
    "Baseball": "div86",
    "flchain": "death",
    "Fair": "child",
    "Males": "union",
    "colon": "status",
    "Melanoma": "status",
}
PER_CLASS = "per class"
PEERS = ["boosting", "logistic", "prior", PER_CLASS]
RATE = 0.3
LEAST = 1e-15


def peer(name: str, seed: int) -> Any:
    """An unfitted classifier."""
    if name == "prior":
        return DummyClassifier(strategy="prior")
    if name == "boosting":
        return HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            (
                "labels",
                OneHotEncoder(handle_unknown="ignore"),
                make_column_selector(dtype_exclude="number"),
            ),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1000))


def measure(method: object, table: str, seed: int) -> tuple[float, float]:
    """Log-loss on the test rows as they are, and with cells removed."""
    warnings.simplefilter("ignore")
    frame, is_mass = load(table, is_spread=False)
    has_class = frame[TARGETS[table]].notna().to_numpy()
    part = split_frame(frame[has_class].reset_index(drop=True), is_mass, seed)
    part = part._replace(test=part.test[part.test[TARGETS[table]].notna()])
    y_train, y_test = (rows[TARGETS[table]].astype(str) for rows in (part.train, part.test))
    train, test = (rows.drop(columns=TARGETS[table]) for rows in (part.train, part.test))
    removed = np.random.RandomState(seed).random_sample(test.shape) < RATE
    holes = test.astype({name: float for name in test.select_dtypes("number").columns})
    holes = holes.mask(removed)
    if method == PER_CLASS:
        model = SharpPCClassifier(joint=False, random_state=seed)
    elif isinstance(method, str):
        model = peer(method, seed)
        labels = train.select_dtypes(exclude="number").columns
        kinds = {name: pandas.CategoricalDtype(train[name].dropna().unique()) for name in labels}
        train, test, holes = (rows.astype(kinds) for rows in (train, test, holes))
    else:
        density = SharpPCDensity(**method[1]) if method[1] else None
        model = SharpPCClassifier(density, random_state=seed)
    with threadpool_limits(1):
        model.fit(train, y_train)
        return tuple(
            log_loss(
                y_test,
                np.maximum(model.predict_proba(rows), LEAST),
                labels=model.classes_,
            )
            for rows in (test, holes)
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.set_defaults(tables=list(TARGETS), variant=[("SharpPCClassifier", {})])
    parser.add_argument("--peers", nargs="*", default=PEERS)
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    methods: list = [*options.peers, *options.variant]
    names = [*options.peers, *(name for name, _ in options.variant)]
    jobs = [
        (method, table, seed)
        for table in options.tables
        for method in methods
        for seed in range(options.seeds)
    ]
    results = Parallel(options.jobs, return_as="generator")(delayed(measure)(*job) for job in jobs)
    holed = [f"{name}, 30 % missing" for name in names]
    lines = print_header(["table", "classes of", *names, *holed])
    found = []
    for table in options.tables:
        cells = np.array([[next(results) for _ in range(options.seeds)] for _ in methods])
        losses = cells.mean(axis=1)
        shown = [
            f"**{loss:.3f}**" if loss == column.min() else f"{loss:.3f}"
            for column in losses.T
            for loss in column
        ]
        lines.append(print_row([table, TARGETS[table], *shown]))
        found.append(losses)
    all_losses = np.array(found)
    means = [f"{loss:.3f}" for loss in all_losses.mean(axis=0).T.ravel()]
    lines.append(print_row(["mean", "", *means]))
    if "prior" in names:
        prior = all_losses[:, [names.index("prior")]]
        counts = (all_losses > prior).sum(axis=0).T.ravel()
        lines.append(print_row(["worse than the prior", "", *counts]))
    if options.write:
        write_table(options.write, "classification", lines)


if __name__ == "__main__":
    main()
