"""What the command line accepts: commands, options, and the form of their values."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

_OUTPUT = (
    "a CSV file, compressed if its name ends in .gz, .bz2 or .xz, or a Parquet file (default: "
    "standard output)"
)


def parser() -> argparse.ArgumentParser:
    """The parser of a command line; `command` of what it returns is the name of a command."""
    whole = argparse.ArgumentParser(prog="python -m skpc", description="Tractable densities.")
    commands = whole.add_subparsers(dest="command", required=True)

    fit = commands.add_parser(
        "fit",
        help="learn the density of a table",
        description="Learn the density of the rows of a table: a CSV file with a line of names, "
        "which may be compressed, a Parquet file (.parquet, .pq), or a folder of them. Empty "
        "cells are missing values. Columns of labels, of booleans and of few different numbers "
        "are read as categories, others as numeric.",
    )
    fit.add_argument("data", metavar="FILE")
    fit.add_argument("-o", "--output", type=Path, required=True, metavar="model.joblib")
    fit.add_argument(
        "--mu",
        type=_mu,
        help="strength of the sharpness penalty, or 'auto': of some values the one with the "
        "highest likelihood of rows held out (default: 0.01, or 0 if that is better there "
        "and rows are fewer than 1,000)",
    )
    fit.add_argument(
        "--n-latents",
        type=_n_latents,
        default="auto",
        metavar="K",
        help="states of each latent variable; 'auto' has rows held out decide (default: auto)",
    )
    fit.add_argument("--n-components", type=int, default=1, metavar="N", help="trees (default: 1)")
    fit.add_argument("--max-iter", type=int, metavar="N", help="default: 500, or 100 epochs")
    fit.add_argument("--early-stopping", action="store_true", help="hold out rows in any case")
    fit.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    fit.add_argument("--n-jobs", type=int, default=None, metavar="N", help="threads")
    of_columns: dict[str, Any] = {"nargs": "+", "default": [], "metavar": "NAME"}
    fit.add_argument("--categorical", **of_columns, help="columns to read as categories")
    fit.add_argument("--binomial", **of_columns, help="columns of ordered levels")
    fit.add_argument("--numeric", **of_columns, help="columns to read as numbers")
    fit.add_argument("--drop", **of_columns, help="columns to leave out")
    fit.add_argument("--weight", default=None, metavar="NAME", help="column of row weights")
    fit.add_argument(
        "--chunk-rows",
        type=_n_rows,
        default=None,
        metavar="N",
        help="read the table in chunks of N rows, several times; 0: whole (default: whole, or in "
        "chunks if it is larger than the working memory of scikit-learn, 1 GiB by default)",
    )

    score = commands.add_parser(
        "score",
        help="log-likelihood of each row of a table",
        description="Write the log-likelihood of each row in nats: the lower, the stranger; of an "
        "outlier detector its score and p-value. The table is read in chunks, and scores are "
        "written as they come. Columns are found by name; others are not looked at. A model file "
        "is a pickle: read only files that you trust.",
    )
    score.add_argument("model", metavar="model.joblib")
    score.add_argument("data", metavar="FILE")
    score.add_argument("-o", "--output", type=Path, default=None, help=_OUTPUT)
    score.add_argument(
        "--chunk-rows", type=_n_rows, default=None, metavar="N", help="rows to read at a time"
    )
    score.add_argument(
        "--explain",
        action="store_true",
        help="add a column for each feature: -log p(feature | all other features), or, of an "
        "outlier detector, by how much its surprise exceeds what is usual, in nats",
    )
    score.add_argument(
        "--describe",
        type=_n_rows,
        default=0,
        metavar="N",
        help="say of the N oddest rows of an outlier detector what makes them odd",
    )

    sample = commands.add_parser("sample", help="draw rows from a model")
    sample.add_argument("model", metavar="model.joblib")
    sample.add_argument("-n", "--n-samples", type=int, default=1, metavar="N", help="default: 1")
    sample.add_argument("-o", "--output", type=Path, default=None, help=_OUTPUT)
    sample.add_argument("--seed", type=int, default=None, metavar="N", help="default: new rows")

    demo = commands.add_parser(
        "demo", help="learn the digits that scikit-learn ships, compare, and draw a picture"
    )
    demo.add_argument("-o", "--output", type=Path, default=Path("skpc-demo.png"))
    demo.add_argument("--smoke", action="store_true", help="a small run that only shows it works")
    return whole


def _mu(text: str) -> float | str:
    """The value of --mu."""
    if text == "auto":
        return text
    try:
        mu = float(text)
    except ValueError:
        mu = np.nan
    if not 0 <= mu < np.inf:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, or auto; got {text!r}")
    return mu


def _n_rows(text: str) -> int:
    """The value of --describe and --chunk-rows."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of rows; got {text!r}")
    return int(text)


def _n_latents(text: str) -> int | str:
    """The value of --n-latents; its size is for `fit` to judge."""
    return text if text == "auto" else int(text)
