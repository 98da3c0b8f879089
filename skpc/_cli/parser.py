"""What the command line accepts: commands and options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skpc._cli import option_values
from skpc._cli.messages import UsageError
from skpc._version import __version__

_OUTPUT = (
    "a CSV file, compressed if its name ends in .gz, .bz2 or .xz, or a Parquet file (default: "
    "standard output)"
)
_PICKLE = "A model file is a pickle: read only files that you trust."
_EXAMPLES = {
    "": (
        "describe table.csv",
        "outliers table.csv",
        "impute table.csv -o filled.csv",
        "plot table.csv -o picture.png",
        "fit table.csv -o model.joblib",
        "COMMAND --help",
    ),
    "describe": ("table.csv", "table.csv --sep ';' --decimal ,", "- < table.csv"),
    "outliers": (
        "table.csv",
        "table.csv --id name -o odd.csv",
        "table.csv --contamination 0.01 --save-model detector.joblib",
        "new.csv --model detector.joblib",
    ),
    "impute": ("table.csv -o filled.csv", "table.csv --na-values='?,-' --id name -o filled.csv"),
    "fit": (
        "table.csv -o model.joblib",
        "table.csv -o model.joblib --categorical zip,area --drop id",
    ),
    "score": ("model.joblib new.csv -o scores.csv", "model.joblib new.csv --id name --explain"),
    "sample": (
        "model.joblib -n 1000 --seed 0 -o synthetic.csv",
        "model.joblib -n 10 --given species=Gentoo --given 'age=39'",
    ),
    "plot": ("table.csv -o picture.png", "new.csv --model model.joblib -o new.pdf"),
    "classify": (
        "table.csv --target species",
        "train.csv test.csv --target species -o classes.csv",
        "train.csv --target species --save-model species.joblib",
        "new.csv --model species.joblib -o classes.csv",
    ),
}  # of each command, below its options
_Part = argparse.ArgumentParser


def parser() -> argparse.ArgumentParser:
    """The parser of a command line; `command` of what it returns is the name of a command."""
    whole = argparse.ArgumentParser(
        prog=_program(),
        description="Densities of tables, with missing values, and what follows from them. Tables "
        "are CSV files with a line of names, which may be compressed, Parquet files (.parquet, "
        ".pq), or folders of Parquet files; - is standard input.",
        **_examples(""),
    )
    whole.add_argument("--version", action="version", version=f"skpc {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        _add_describe, _add_outliers, _add_impute, _add_fit, _add_score, _add_sample,
        _add_plot, _add_classify, _add_demo,
    ):  # fmt: skip
        add(commands)
    return whole


def refuse_beside_model(options: argparse.Namespace, names: Sequence[str]) -> None:
    """Refuse options that say how to learn if there is a model that has learnt."""
    if options.model is None:
        return
    for name in names:
        if getattr(options, name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{option} cannot act beside --model, which has learnt. Leave one out."
            )


def _program() -> str:
    """How the program was called."""
    return "skpc" if Path(sys.argv[0]).stem == "skpc" else "python -m skpc"


def _examples(command: str) -> dict[str, Any]:
    """What argparse shows below the options of a command."""
    start = f"{_program()} {command}".strip()
    lines = "".join(f"\n  {start} {example}" for example in _EXAMPLES[command])
    return {
        "epilog": f"examples:{lines}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def _add(commands: Any, name: str, summary: str, description: str, *parts: _Part) -> Any:
    """A command with the options of its parts."""
    import textwrap

    return commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description, 79),
        parents=[_telling(), *parts],
        **_examples(name),
    )


def _telling() -> _Part:
    part = argparse.ArgumentParser(add_help=False)
    part.add_argument("--quiet", action="store_true", help="say nothing but errors")
    return part


def _reading() -> _Part:
    """How a table is read."""
    part = argparse.ArgumentParser(add_help=False)
    group = part.add_argument_group("how the table is read")
    group.add_argument(
        "--sep",
        type=option_values.separator,
        metavar="SIGN",
        help="what separates the cells of a CSV file, or 'tab' (default: the first lines tell: "
        "one of , ; | or tab)",
    )
    group.add_argument(
        "--decimal",
        type=option_values.character,
        metavar="SIGN",
        help="what comes before decimals (default: a point, or a comma if cells are separated by "
        "another sign, and numbers of the first lines have one)",
    )
    group.add_argument(
        "--thousands",
        type=option_values.character,
        metavar="SIGN",
        help="what sets thousands apart (default: nothing but what is certain, column by column)",
    )
    group.add_argument("--encoding", metavar="NAME", help="default: utf-8")
    group.add_argument(
        "--skip-rows",
        type=option_values.n_rows,
        metavar="N",
        help="so many lines of a CSV file stand above the names of its columns (default: titles "
        "and lines that begin with # are found)",
    )
    group.add_argument(
        "--no-names",
        action="store_true",
        help="a CSV file begins with its first row; its columns are column_1, column_2, ...",
    )
    group.add_argument(
        "--comment",
        type=option_values.character,
        metavar="SIGN",
        help="what a remark in a CSV file begins with: the rest of the line is not read (default: "
        "nothing)",
    )
    group.add_argument(
        "--na-values",
        type=option_values.values,
        action="append",
        default=[],
        metavar="A,B",
        help="what stands for a missing value, beside empty cells, NA, NaN, null and the like; in "
        "columns of numbers also ? - . * and such words as unknown",
    )
    group.add_argument(
        "--id", metavar="NAME", help="column that names the rows: it goes into what is written"
    )
    group.add_argument(
        "--chunk-rows",
        type=option_values.n_rows,
        default=None,
        metavar="N",
        help="read so many rows at a time; 0: all (default: all where the table is small, "
        "whatever fits into the working memory of scikit-learn else)",
    )
    return part


def _columns(*kinds: str) -> _Part:
    """What columns are."""
    helps = {
        "categorical": "columns to read as categories",
        "binomial": "columns of ordered levels",
        "numeric": "columns to read as numbers",
        "drop": "columns to leave out",
    }
    part = argparse.ArgumentParser(add_help=False)
    group = part.add_argument_group(
        "columns", "names are separated by commas; an option may be given again"
    )
    for kind in kinds:
        group.add_argument(
            f"--{kind}", action="append", default=[], metavar="A,B", help=helps[kind]
        )
    return part


def _learning(seed: int = 0) -> _Part:
    part = argparse.ArgumentParser(add_help=False)
    part.add_argument("--seed", type=int, default=seed, metavar="N", help=f"default: {seed}")
    return part


def _threads() -> _Part:
    part = argparse.ArgumentParser(add_help=False)
    part.add_argument("--n-jobs", type=int, default=None, metavar="N", help="threads")
    return part


def _add_describe(commands: Any) -> None:
    describe = _add(
        commands,
        "describe",
        "what the columns of a table hold, and what is odd about them",
        "Write a line for each column: what it holds, and how it would be read. Nothing is learnt.",
        _reading(),
    )
    describe.add_argument("data", metavar="FILE")
    describe.add_argument("-o", "--output", type=Path, help=_OUTPUT)


def _add_outliers(commands: Any) -> None:
    outliers = _add(
        commands,
        "outliers",
        "which rows of a table are odd, and why",
        "Learn what is usual in a table, each row judged by densities that did not learn from it, "
        "and show the rows that are not, the strangest first, with the values that make them odd. "
        "Rows are called by the number of their line in the file, as a spreadsheet shows it, or by "
        "--id. " + _PICKLE,
        _reading(),
        _columns("categorical", "drop"),
        _learning(),
    )
    outliers.add_argument("data", metavar="FILE")
    outliers.add_argument(
        "-o", "--output", type=Path, help="write a table: CSV, or Parquet by its name"
    )
    outliers.add_argument("--all", action="store_true", help="write all rows, in their order")
    outliers.add_argument(
        "--top",
        type=option_values.n_rows,
        metavar="N",
        help="give reasons for at most N rows (default: 10, or 100 with --output)",
    )
    outliers.add_argument(
        "--contamination",
        type=option_values.share,
        metavar="SHARE",
        help="share of ordinary rows that is flagged (default: what is far below the others)",
    )
    outliers.add_argument(
        "--fdr",
        type=option_values.share,
        metavar="SHARE",
        help="with --model: flag so many rows that this share of them is expected to be ordinary",
    )
    outliers.add_argument(
        "--model", metavar="detector.joblib", help="judge by a detector that has learnt elsewhere"
    )
    outliers.add_argument("--save-model", type=Path, metavar="detector.joblib", help="keep it")


def _add_impute(commands: Any) -> None:
    impute = _add(
        commands,
        "impute",
        "fill the missing cells of a table",
        "Learn the density of a table, with its missing values, and fill these from what the rest "
        "of their row tells: a table with the same columns, in the same order, all other cells as "
        "they are. " + _PICKLE,
        _reading(),
        _columns("categorical", "binomial", "numeric", "drop"),
        _learning(),
        _threads(),
    )
    impute.add_argument("data", metavar="FILE")
    impute.add_argument("-o", "--output", type=Path, help=_OUTPUT)
    impute.add_argument(
        "--strategy",
        choices=["median_mode", "mean_mode", "sample", "max_product"],
        default="median_mode",
        help="the best guess for each cell, the same with means of numbers, a draw, or the "
        "likeliest values that go together (default: median_mode)",
    )
    impute.add_argument("--model", metavar="model.joblib", help="fill by a model of other rows")
    impute.add_argument("--save-model", type=Path, metavar="model.joblib", help="keep the model")


def _add_fit(commands: Any) -> None:
    fit = _add(
        commands,
        "fit",
        "learn the density of a table",
        "Learn the density of the rows of a table, and write it. Empty cells are missing values. "
        "Columns of labels, of booleans and of few different numbers are read as categories, "
        "others as numeric; what names rows, and dates, are left out.",
        _reading(),
        _columns("categorical", "binomial", "numeric", "drop"),
        _learning(),
        _threads(),
    )
    fit.add_argument("data", metavar="FILE")
    fit.add_argument("-o", "--output", type=Path, required=True, metavar="model.joblib")
    fit.add_argument("--weight", default=None, metavar="NAME", help="column of row weights")
    fit.add_argument(
        "--mu",
        type=option_values.mu,
        help="strength of the sharpness penalty, or 'auto': of some values the one with the "
        "highest likelihood of rows held out (default: 0.01, or 0 if that is better there "
        "and rows are fewer than 1,000)",
    )
    fit.add_argument(
        "--n-latents",
        type=option_values.n_latents,
        default="auto",
        metavar="K",
        help="states of each latent variable; 'auto' has rows held out decide (default: auto)",
    )
    fit.add_argument("--n-components", type=int, default=1, metavar="N", help="trees (default: 1)")
    fit.add_argument("--max-iter", type=int, metavar="N", help="default: 500, or 100 epochs")
    fit.add_argument("--early-stopping", action="store_true", help="hold out rows in any case")


def _add_score(commands: Any) -> None:
    score = _add(
        commands,
        "score",
        "log-likelihood of each row of a table",
        "Write the log-likelihood of each row in nats: the lower, the stranger; of an outlier "
        "detector its score and p-value. The table is read in chunks, and scores are written as "
        "they come. Columns are found by name; others are not looked at. " + _PICKLE,
        _reading(),
    )
    score.add_argument("model", metavar="model.joblib")
    score.add_argument("data", metavar="FILE")
    score.add_argument("-o", "--output", type=Path, default=None, help=_OUTPUT)
    score.add_argument(
        "--explain",
        action="store_true",
        help="add a column for each feature: by how much its surprise, given all other features, "
        "exceeds what is usual, in nats",
    )


def _add_sample(commands: Any) -> None:
    sample = _add(
        commands,
        "sample",
        "draw rows from a model",
        "Write rows that are drawn from a model: of a table like the one it learnt from, or of "
        "rows that have some values in common. " + _PICKLE,
    )
    sample.add_argument("model", metavar="model.joblib")
    sample.add_argument("-n", "--n-samples", type=int, default=1, metavar="N", help="default: 1")
    sample.add_argument("-o", "--output", type=Path, default=None, help=_OUTPUT)
    sample.add_argument(
        "--given",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a value that all rows have, or an interval of numbers, such as age=30..40 or "
        "age=30..; several values of one column: one of them",
    )
    sample.add_argument("--seed", type=int, default=None, metavar="N", help="default: new rows")


def _add_classify(commands: Any) -> None:
    classify = _add(
        commands,
        "classify",
        "tell the class of rows from rows whose class is known",
        "Learn the classes of the rows of TRAIN, a column of it, and predict those of TEST. "
        "Without TEST each row is predicted by a classifier that did not learn from it: how good "
        "it is, beside what the shares of the classes alone would tell, is said on standard error. "
        "With --model the rows of a table are predicted by a classifier that is kept. " + _PICKLE,
        _reading(),
        _columns("categorical", "binomial", "numeric", "drop"),
        _learning(),
        _threads(),
    )
    classify.add_argument("data", metavar="TRAIN")
    classify.add_argument("test", metavar="TEST", nargs="?")
    classify.add_argument(
        "--target", metavar="NAME", help="column of the classes; with --model known already"
    )
    classify.add_argument("-o", "--output", type=Path, help=_OUTPUT)
    classify.add_argument(
        "--folds",
        type=option_values.n_folds,
        metavar="N",
        help="of the rows of TRAIN, each predicted in its turn, if there is no TEST (default: 5)",
    )
    classify.add_argument(
        "--model", metavar="model.joblib", help="predict by a classifier that has learnt elsewhere"
    )
    classify.add_argument("--save-model", type=Path, metavar="model.joblib", help="keep it")


def _add_plot(commands: Any) -> None:
    plot = _add(
        commands,
        "plot",
        "draw a table beside rows of the model",
        "Learn the density of a table, and draw the table beside as many rows that are drawn from "
        "the density. Where the two differ the model does not know the data. " + _PICKLE,
        _reading(),
        _columns("categorical", "binomial", "numeric", "drop"),
        _learning(),
        _threads(),
    )
    plot.add_argument("data", metavar="FILE")
    plot.add_argument("-o", "--output", type=Path, required=True, metavar="picture.png")
    plot.add_argument(
        "--kind",
        choices=["margins", "pairs", "correlations"],
        default="margins",
        help="each column, the pairs of columns that depend most on each other, or how much all "
        "pairs do (default: margins)",
    )
    plot.add_argument("--model", metavar="model.joblib", help="draw rows of a model instead")


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="learn the digits that scikit-learn ships, compare, and draw a picture",
    )
    demo.set_defaults(quiet=False)
    demo.add_argument("-o", "--output", type=Path, default=Path("skpc-demo.png"))
    demo.add_argument("--smoke", action="store_true", help="a small run that only shows it works")
