"""Command line: ``python -m skpc fit | score | sample | demo``.

Tables are CSV files with a line of names. What a user can do wrong ends in one line on standard
error and the exit code 2.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import stat
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_KINDS = "categorical", "binomial", "numeric"
_MUS = (0.0, 0.01, 0.03, 0.1, 0.3)


class _UsageError(Exception):
    """What a user can put right; the message says how."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit:  # with a usage or help that nobody may read
        _forget_output()
        raise
    command: Callable[[argparse.Namespace], int | None] = options.run
    with warnings.catch_warnings():
        if command is not _demo:
            warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            code = command(options)
            if sys.stdout is not None:
                sys.stdout.flush()
            return code or 0
        except _UsageError as error:
            _say(f"error: {_one_line(error)}")
            return 2
        except MemoryError as error:
            _say(f"error: there is not enough memory: {_one_line(error)}")
            return 2
        except BrokenPipeError:  # whoever read our output has seen enough
            _forget_output()
            return 0
        except OSError as error:
            _forget_output()
            _say(f"error: {_one_line(error)}")
            return 2
        except KeyboardInterrupt:
            _say("interrupted")
            return 130


def _forget_output() -> None:
    """Let what is still to be written to a broken standard output go nowhere, without an error."""
    for stream in sys.stdout, sys.stderr:
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except AttributeError:  # there is none
            continue


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m skpc", description="Tractable densities.")
    commands = parser.add_subparsers(dest="command", required=True)

    fit = commands.add_parser(
        "fit",
        help="learn the density of a CSV file",
        description="Learn the density of the rows of a CSV file with a line of names. Empty "
        "cells are missing values. Columns of labels, of booleans and of few different numbers "
        "are read as categories, others as numeric.",
    )
    fit.set_defaults(run=_fit)
    fit.add_argument("data", metavar="data.csv")
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

    score = commands.add_parser(
        "score",
        help="log-likelihood of each row of a CSV file",
        description="Write the log-likelihood of each row in nats: the lower, the stranger; of an "
        "outlier detector its score and p-value. Columns are found by name; others are not looked "
        "at. A model file is a pickle: read only files that you trust.",
    )
    score.set_defaults(run=_score)
    score.add_argument("model", metavar="model.joblib")
    score.add_argument("data", metavar="data.csv")
    score.add_argument("-o", "--output", type=Path, default=None, help="default: standard output")
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
    sample.set_defaults(run=_sample)
    sample.add_argument("model", metavar="model.joblib")
    sample.add_argument("-n", "--n-samples", type=int, default=1, metavar="N", help="default: 1")
    sample.add_argument("-o", "--output", type=Path, default=None, help="default: standard output")
    sample.add_argument("--seed", type=int, default=None, metavar="N", help="default: new rows")

    demo = commands.add_parser(
        "demo", help="learn the digits that scikit-learn ships, compare, and draw a picture"
    )
    demo.set_defaults(run=_demo)
    demo.add_argument("-o", "--output", type=Path, default=Path("skpc-demo.png"))
    demo.add_argument("--smoke", action="store_true", help="a small run that only shows it works")
    return parser


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
    """The value of --describe."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of rows; got {text!r}")
    return int(text)


def _n_latents(text: str) -> int | str:
    """The value of --n-latents; its size is for `fit` to judge."""
    return text if text == "auto" else int(text)


def _demo(options: argparse.Namespace) -> int:
    """``demo``: learn the digits, and draw a picture."""
    from skpc._cli.demo import run

    _check_output(options.output)
    return run(options.output, smoke=options.smoke)


def _fit(options: argparse.Namespace) -> None:
    """``fit``: learn a model and write it."""
    import joblib

    from skpc import SharpPCDensity

    _check_output(options.output)
    frame = _read_table(options.data)
    weights = _take_weights(frame, options.weight)
    types: dict[str, str] = {}
    for kind in _KINDS:
        names = getattr(options, kind)
        _check_names(frame, names)
        for name in names:
            if name in types:
                raise _UsageError(f"column {name!r} cannot be both {types[name]} and {kind}.")
            types[name] = kind
    _check_names(frame, options.drop)
    frame = frame.drop(columns=options.drop)
    _say(f"{options.data}: {len(frame)} rows, {frame.shape[1]} columns")
    model = SharpPCDensity(
        n_latents=options.n_latents,
        n_components=options.n_components,
        max_iter=options.max_iter,
        early_stopping=True if options.early_stopping else "auto",
        feature_types={name: kind for name, kind in types.items() if name in frame},
        random_state=options.seed,
        n_jobs=options.n_jobs,
    )
    if options.mu == "auto":
        model.set_params(mu=_best_mu(model, frame, weights), early_stopping=True)
    else:
        model.set_params(mu=options.mu)
    start = time.perf_counter()
    _learn(model, frame, weights)
    counts = ((model.feature_types_.count(kind), kind) for kind in _KINDS)
    found = ", ".join(f"{count} {kind}" for count, kind in counts if count)
    _say(
        f"columns: {found}; {model.n_parameters} parameters: {model.n_iter_} iterations in "
        f"{time.perf_counter() - start:.1f} s, mean log-likelihood "
        f"{model.score(frame, sample_weight=weights):.4f} nats"
    )
    _write(options.output, lambda target: joblib.dump(model, target))
    _say(f"model: {options.output}")


def _best_mu(model: Any, frame: Any, weights: np.ndarray | None) -> float:
    """The value with the highest likelihood of the same rows held out."""
    from sklearn.base import clone

    scores = []
    for mu in _MUS:
        start = time.perf_counter()
        candidate = clone(model).set_params(mu=mu, early_stopping=True)
        _learn(candidate, frame, weights)
        scores.append(candidate.validation_log_likelihoods_[candidate.best_iteration_])
        _say(
            f"mu {mu:g}: validation log-likelihood {scores[-1]:.4f} after "
            f"{candidate.best_iteration_} iterations, {time.perf_counter() - start:.1f} s"
        )
    best = _MUS[int(np.argmax(scores))]
    _say(f"mu {best:g} is chosen; learning again from all rows")
    return best


def _learn(model: Any, frame: Any, weights: np.ndarray | None) -> None:
    """Fit a model; what cannot be used is the user's to put right."""
    try:
        model.fit(frame, sample_weight=weights)
    except (ValueError, TypeError) as error:
        raise _UsageError(str(error)) from error


def _take_weights(frame: Any, name: str | None) -> np.ndarray | None:
    """Take the column of weights out of a frame."""
    if name is None:
        return None
    _check_names(frame, [name])
    try:
        weights = frame.pop(name).to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise _UsageError(f"the weights in column {name!r} must be numbers: {error}") from error
    if np.isnan(weights).any():
        raise _UsageError(
            f"the weight in column {name!r} is missing in row {int(np.argmax(np.isnan(weights)))}."
        )
    return np.asarray(weights)


def _score(options: argparse.Namespace) -> None:
    """``score``: write what the model says of each row, and why."""
    import pandas

    if options.output is not None:
        _check_output(options.output)
    model = _read_model(options.model)
    names = _names(model)
    labels = {
        name: str
        for name, column in zip(names, model._columns.columns, strict=True)
        if column.labels is not None
    }
    frame = _read_table(options.data, labels)
    _check_names(frame, names)
    if unused := [name for name in frame if name not in names]:
        _say(f"not looked at: {', '.join(unused)}")
    frame = frame[names]
    is_detector = hasattr(model, "p_values")
    if options.describe and not is_detector:
        raise _UsageError(
            f"--describe needs an outlier detector; {options.model} holds a "
            f"{type(model).__name__}. Leave it out, or fit a SharpPCOutlierDetector."
        )
    try:
        scores = model.score_samples(frame)
        out = pandas.DataFrame({"score" if is_detector else "log_likelihood": scores})
        if is_detector:
            out["p_value"] = model.p_values(frame)
        if options.explain:
            contributions = np.asarray(model.feature_contributions(frame))
            explained = pandas.DataFrame(contributions, columns=names)
            out = pandas.concat([out, explained], axis=1)
        oddest = np.argsort(scores, kind="stable")[: options.describe].tolist()
        sentences = [f"row {i}: {model.explain(frame.iloc[i : i + 1])}" for i in oddest]
    except (ValueError, TypeError) as error:
        raise _UsageError(f"{options.data}: {error}") from error
    _write_table(out, options.output)
    kind = "score" if is_detector else "log-likelihood"
    _say(f"{len(scores)} rows, mean {kind} {scores.mean():.4f} nats")
    for sentence in sentences:
        _say(sentence)


def _sample(options: argparse.Namespace) -> None:
    """``sample``: write rows drawn from a model."""
    import pandas

    if options.output is not None:
        _check_output(options.output)
    model = _read_model(options.model)
    try:
        rows = model.sample(options.n_samples, random_state=options.seed)
    except (ValueError, TypeError, OverflowError, ImportError) as error:
        raise _UsageError(f"cannot draw {options.n_samples} rows: {error}") from error
    if not hasattr(rows, "to_csv"):  # learnt elsewhere, from something else
        dense = rows.toarray() if hasattr(rows, "toarray") else rows
        rows = pandas.DataFrame(np.asarray(dense), columns=_names(model))
    _write_table(rows, options.output)


def _names(model: Any) -> list[str]:
    """The names of a model's columns."""
    return list(getattr(model, "feature_names_in_", map(str, range(model.n_features_in_))))


def _read_table(path: str, dtype: dict[str, type[str]] | None = None) -> Any:
    """The frame in a CSV file."""
    try:
        import pandas
    except ImportError as error:
        raise _UsageError('tables need pandas: pip install "skpc[cli]"') from error
    try:
        frame = pandas.read_csv(
            path,
            dtype=dtype,
            dtype_backend="numpy_nullable",  # integers and booleans stay so beside empty cells
            skipinitialspace=True,
            low_memory=False,
        )
    except OSError as error:
        raise _UsageError(f"cannot read {path}: {error.strerror or error}.") from error
    except ImportError as error:  # of a compressed file, or one elsewhere
        raise _UsageError(f"cannot read {path}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # whatever unpacking and reading other bytes does
        raise _UsageError(f"{path} is no CSV file that can be read: {error}") from error
    if frame.empty:
        raise _UsageError(f"{path} has no rows.")
    if not isinstance(frame.index, pandas.RangeIndex):
        raise _UsageError(f"{path} has more cells in its rows than names in its first line.")
    return frame


def _write_table(frame: Any, path: Path | None) -> None:
    if path is not None:
        _write(path, lambda target: frame.to_csv(target, index=False))
        return
    if sys.stdout is None:
        raise _UsageError("standard output is closed: name a file with --output.")
    try:
        frame.to_csv(sys.stdout, index=False)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except UnicodeError as error:
        raise _UsageError(
            f"cannot write all labels to standard output: {error}. Set PYTHONIOENCODING=utf-8, or "
            "name a file with --output."
        ) from error
    except OSError as error:
        _forget_output()
        raise _UsageError(f"cannot write to standard output: {error.strerror}.") from error


def _write(path: Path, write: Callable[[Any], Any]) -> None:
    """Have a file written beside the old one, which it then replaces, or not at all.

    Links are followed, and the permissions of an old file kept. What is no file, such as a pipe or
    ``/dev/stdout``, is written to as it is.

    Parameters
    ----------
    path : Path
    write : callable
        Is given a path to write to, of the same name, or an open file of bytes.
    """
    try:
        if _is_special(path):
            buffer = io.BytesIO()  # what writes models seeks
            write(buffer)
            with open(path, "ab", buffering=0) as file:  # the shell has emptied it, or not
                view = memoryview(buffer.getvalue())
                while view:
                    view = view[file.write(view) :]
            return
        target = Path(os.path.realpath(path))
        with tempfile.TemporaryDirectory(prefix=".skpc-", dir=target.parent) as directory:
            new = Path(directory) / target.name
            write(str(new))
            if target.exists():
                new.chmod(stat.S_IMODE(target.stat().st_mode))
            new.replace(target)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _UsageError(f"cannot write {path}: {error.strerror or error}.") from error


def _is_special(path: Path) -> bool:
    """Whether a path leads to a device or pipe, or to an open file by way of its number."""
    for _ in range(40):  # as many links as the system follows
        if path.absolute().parts[1:2] in [("dev",), ("proc",)]:
            return True
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return path.exists() and not path.is_file()


def _read_model(path: str) -> Any:
    """The density in a model file, or an estimator that holds one and answers for it."""
    import joblib

    from skpc import SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector

    try:
        model = joblib.load(path)
    except OSError as error:
        raise _UsageError(f"cannot read {path}: {error.strerror or error}.") from error
    except Exception as error:  # whatever unpickling other bytes does
        raise _UsageError(f"{path} is no model that can be read: {error!r}") from error
    kinds = SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector
    if not isinstance(model, kinds) or not hasattr(model, "circuit_"):
        raise _UsageError(f"{path} holds no fitted SharpPCDensity but {type(model).__name__}.")
    return model


def _check_output(path: Path) -> None:
    """Say before any work that a file cannot be written."""
    directory = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise _UsageError(f"cannot write {path}: it is a directory.")
    if _is_special(path):
        return
    if not directory.is_dir():
        raise _UsageError(f"cannot write {path}: there is no directory {directory}.")
    if not os.access(directory, os.W_OK):
        raise _UsageError(f"cannot write {path}: no file can be made in {directory}.")


def _check_names(frame: Any, names: list[str]) -> None:
    if missing := [name for name in names if name not in frame]:
        raise _UsageError(
            f"there is no column {missing[0]!r}; there are {', '.join(map(repr, frame))}."
        )


def _say(line: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # nobody reads it
            print(line, file=sys.stderr, flush=True)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())


def _show_warning(message: Warning | str, *_: Any) -> None:
    _say(f"warning: {_one_line(message)}")
