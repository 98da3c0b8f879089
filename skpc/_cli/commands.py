"""Command line: ``python -m skpc fit | score | sample | demo``.

Tables are CSV or Parquet files. What a user can do wrong ends in one line on standard error and
the exit code 2.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skpc._cli.messages import UsageError, forget_output, one_line, say, show_warning
from skpc._cli.outputs import check_output, check_table_output, table_writer, write_file
from skpc._cli.parser import parser
from skpc._cli.tables import TrainingTable, check_names, chunk_rows, open_table

_KINDS = "categorical", "binomial", "numeric"
_MUS = (0.0, 0.01, 0.03, 0.1, 0.3)
_CELLS_DRAWN = 2**18  # at a time, whatever the working memory: the rows depend on it


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit:  # with a usage or help that nobody may read
        forget_output()
        raise
    commands: dict[str, Callable[[argparse.Namespace], int | None]] = {
        "fit": _fit,
        "score": _score,
        "sample": _sample,
        "demo": _demo,
    }
    with warnings.catch_warnings():
        if options.command != "demo":
            warnings.showwarning = show_warning  # type: ignore[assignment]
        try:
            code = commands[options.command](options)
            if sys.stdout is not None:
                sys.stdout.flush()
            return code or 0
        except UsageError as error:
            say(f"error: {one_line(error)}")
            return 2
        except MemoryError as error:
            say(f"error: there is not enough memory: {one_line(error)}")
            return 2
        except BrokenPipeError:  # whoever read our output has seen enough
            forget_output()
            return 0
        except OSError as error:
            forget_output()
            say(f"error: {one_line(error)}")
            return 2
        except KeyboardInterrupt:
            say("interrupted")
            return 130


def _demo(options: argparse.Namespace) -> int:
    """``demo``: learn the digits, and draw a picture."""
    from skpc._cli.demo import run

    check_output(options.output)
    return run(options.output, smoke=options.smoke)


def _fit(options: argparse.Namespace) -> None:
    """``fit``: learn a model and write it."""
    import joblib

    from skpc import SharpPCDensity

    check_output(options.output, options.data)
    table = TrainingTable(options.data, options.chunk_rows)
    types: dict[str, str] = {}
    for kind in _KINDS:
        names = getattr(options, kind)
        check_names(table.names, names)
        for name in names:
            if name in types:
                raise UsageError(f"column {name!r} cannot be both {types[name]} and {kind}.")
            types[name] = kind
    check_names(table.names, options.drop)
    weights = _weights(table, options.weight)
    left_out = {options.weight, *options.drop}
    columns = [name for name in table.names if name not in left_out]
    if not columns:
        raise UsageError(f"{options.data} has 0 features: all columns are left out.")
    how = ", read in chunks" if table.is_in_chunks else ""
    say(f"{options.data}: {table.n_rows} rows, {len(columns)} columns{how}")
    model = SharpPCDensity(
        n_latents=options.n_latents,
        n_components=options.n_components,
        max_iter=options.max_iter,
        early_stopping=True if options.early_stopping else "auto",
        feature_types={name: kind for name, kind in types.items() if name in columns},
        random_state=options.seed,
        n_jobs=options.n_jobs,
    )
    X = table.X(columns)
    if options.mu == "auto":
        model.set_params(mu=_best_mu(model, X, weights), early_stopping=True)
    else:
        model.set_params(mu=options.mu)
    start = time.perf_counter()
    _learn(model, X, weights)
    counts = ((model.feature_types_.count(kind), kind) for kind in _KINDS)
    found = ", ".join(f"{count} {kind}" for count, kind in counts if count)
    say(
        f"columns: {found}; {model.n_parameters} parameters: {model.n_iter_} iterations in "
        f"{time.perf_counter() - start:.1f} s, mean log-likelihood "
        f"{_mean_score(model, table.frames(columns), weights):.4f} nats"
    )
    write_file(options.output, lambda target: joblib.dump(model, target))
    say(f"model: {options.output}")


def _best_mu(model: Any, X: Any, weights: np.ndarray | None) -> float:
    """The value with the highest likelihood of the same rows held out."""
    from sklearn.base import clone

    scores = []
    for mu in _MUS:
        start = time.perf_counter()
        candidate = clone(model).set_params(mu=mu, early_stopping=True)
        _learn(candidate, X, weights)
        scores.append(candidate.validation_log_likelihoods_[candidate.best_iteration_])
        say(
            f"mu {mu:g}: validation log-likelihood {scores[-1]:.4f} after "
            f"{candidate.best_iteration_} iterations, {time.perf_counter() - start:.1f} s"
        )
    best = _MUS[int(np.argmax(scores))]
    say(f"mu {best:g} is chosen; learning again from all rows")
    return best


def _learn(model: Any, X: Any, weights: np.ndarray | None) -> None:
    """Fit a model; what cannot be used is the user's to put right."""
    try:
        model.fit(X, sample_weight=weights)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error


def _weights(table: TrainingTable, name: str | None) -> np.ndarray | None:
    """The column of weights."""
    if name is None:
        return None
    check_names(table.names, [name])
    try:
        weights = np.concatenate(
            [
                frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
                for frame in table.frames([name])
            ]
        )
    except (ValueError, TypeError) as error:
        raise UsageError(f"the weights in column {name!r} must be numbers: {error}") from error
    if np.isnan(weights).any():
        raise UsageError(
            f"the weight in column {name!r} is missing in row {int(np.argmax(np.isnan(weights)))}."
        )
    return weights


def _mean_score(model: Any, frames: Iterator[Any], weights: np.ndarray | None) -> float:
    """Mean log-likelihood, by weight, of the rows of several frames."""
    scores = np.concatenate([model.score_samples(frame) for frame in frames])
    return float(np.average(scores, weights=weights))


def _score(options: argparse.Namespace) -> None:
    """``score``: write what the model says of each row, and why."""
    check_table_output(options.output, options.model, options.data)
    model = _read_model(options.model)
    is_detector = hasattr(model, "p_values")
    if options.describe and not is_detector:
        raise UsageError(
            f"--describe needs an outlier detector; {options.model} holds a "
            f"{type(model).__name__}. Leave it out, or fit a SharpPCOutlierDetector."
        )
    n_rows, total = 0, 0.0
    oddest = _OddestRows(options.describe)
    with table_writer(options.output) as write:
        for frame in _frames_to_score(options, model):
            try:
                judged = _judged(model, frame, is_explained=options.explain)
            except (ValueError, TypeError) as error:
                place = f", counting from row {n_rows}" if n_rows else ""
                raise UsageError(f"{options.data}{place}: {error}") from error
            write(judged)
            scores = judged.iloc[:, 0].to_numpy()
            oddest.add(frame, scores, n_rows)
            n_rows, total = n_rows + len(scores), total + float(scores.sum())
        if not n_rows:
            raise UsageError(f"{options.data} has no rows.")
    kind = "score" if is_detector else "log-likelihood"
    say(f"{n_rows} rows, mean {kind} {total / n_rows:.4f} nats")
    for number, row in oddest.rows():
        say(f"row {number}: {model.explain(row)}")


def _frames_to_score(options: argparse.Namespace, model: Any) -> Iterator[Any]:
    """The columns of a model, some rows of the table at a time."""
    names = _names(model)
    labels: dict[str, Any] = {
        name: str
        for name, column in zip(names, model._columns.columns, strict=True)
        if column.labels is not None
    }

    def choose(found: list[str]) -> list[str]:
        check_names(found, names)
        if unused := [name for name in found if name not in names]:
            say(f"not looked at: {', '.join(unused)}")
        return names

    return open_table(options.data).chunks(chunk_rows(options.chunk_rows), choose, labels)


def _judged(model: Any, frame: Any, *, is_explained: bool) -> Any:
    """A frame of what a model says of rows, the score first."""
    import pandas

    scores = model.score_samples(frame)
    if hasattr(model, "p_values"):
        # `p_values` would judge the rows again.
        columns = {"score": scores, "p_value": model._calibration.p_values(scores)}
    else:
        columns = {"log_likelihood": scores}
    judged = pandas.DataFrame(columns)
    if not is_explained:
        return judged
    contributions = np.asarray(model.feature_contributions(frame))
    return pandas.concat([judged, pandas.DataFrame(contributions, columns=_names(model))], axis=1)


class _OddestRows:
    """The rows with the lowest scores of a table that comes in parts; earlier ones first.

    Parameters
    ----------
    most : int
        So many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[tuple[float, int, Any]] = []

    def add(self, frame: Any, scores: np.ndarray, first: int) -> None:
        """Take in rows, of which `first` is the number of the first."""
        for i in np.argsort(scores, kind="stable")[: self._most].tolist():
            row = frame.iloc[i : i + 1].copy()  # a view would keep all of the frame
            self._kept.append((float(scores[i]), first + i, row))
        self._kept = sorted(self._kept, key=lambda kept: kept[:2])[: self._most]

    def rows(self) -> Iterator[tuple[int, Any]]:
        """Their numbers, and frames of one row each."""
        for _, number, row in self._kept:
            yield number, row


def _sample(options: argparse.Namespace) -> None:
    """``sample``: write rows drawn from a model."""
    check_table_output(options.output, options.model)
    model = _read_model(options.model)
    n_left, at_once = options.n_samples, max(1, _CELLS_DRAWN // model.n_features_in_)
    try:
        generator = check_random_state(options.seed)
        with table_writer(options.output) as write:
            # Once in any case: of no rows the model says what is wrong.
            while n_left > 0 or n_left == options.n_samples:
                write(_frame_of(model.sample(min(n_left, at_once), generator), model))
                n_left -= at_once
    except (ValueError, TypeError, OverflowError, ImportError) as error:
        raise UsageError(f"cannot draw {options.n_samples} rows: {error}") from error


def _frame_of(rows: Any, model: Any) -> Any:
    """Rows as a frame that can be written, also of a model that learnt elsewhere, of arrays."""
    import pandas

    if hasattr(rows, "to_csv"):
        return rows
    dense = rows.toarray() if hasattr(rows, "toarray") else rows
    return pandas.DataFrame(np.asarray(dense), columns=_names(model))


def _names(model: Any) -> list[str]:
    """The names of a model's columns."""
    return list(getattr(model, "feature_names_in_", map(str, range(model.n_features_in_))))


def _read_model(path: str) -> Any:
    """The density in a model file, or an estimator that holds one and answers for it."""
    import joblib

    from skpc import SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector

    try:
        model = joblib.load(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}.") from error
    except Exception as error:  # whatever unpickling other bytes does
        raise UsageError(f"{path} is no model that can be read: {error!r}") from error
    kinds = SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector
    if not isinstance(model, kinds) or not hasattr(model, "circuit_"):
        raise UsageError(f"{path} holds no fitted SharpPCDensity but {type(model).__name__}.")
    return model
