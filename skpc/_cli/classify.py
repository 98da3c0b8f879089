"""``classify``: the class of each row, from the rows of a table whose class is known."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np

from skpc._checks import shown
from skpc._cli.choice import choose
from skpc._cli.fit import learn
from skpc._cli.known_tables import KnownTable, ids_of
from skpc._cli.messages import UsageError, tell
from skpc._cli.models import (
    check_model_output,
    keep_amounts,
    names_of_model,
    read_model,
    save_model,
)
from skpc._cli.outputs import check_table_output, table_writer, write_lines
from skpc._cli.parser import refuse_beside_model

_TARGET = "target"
_CLASS = "class"  # what the target is called if nobody says
_OF_LEARNING = "categorical", "binomial", "numeric", "drop", "folds", "save_model"
_N_FOLDS = 5
_MOST_NAMED = 5
_FEW_CLASSES, _MOST_CLASSES = 10, 0.5  # a share of the rows
_LEAST_PROBABILITY = float(np.finfo(float).eps)


def run(options: argparse.Namespace) -> None:
    """Judge a classifier on rows it has not seen, or have it predict those of another table."""
    refuse_beside_model(options, _OF_LEARNING)
    inputs = [name for name in (options.data, options.test, options.model) if name is not None]
    if options.output is not None:
        check_table_output(options.output, *inputs)
    check_model_output(options.save_model, *inputs)
    if options.model is None:
        _learn_and_judge(options)
    else:
        _predict_known(options)


def _predict_known(options: argparse.Namespace) -> None:
    """Write the class of each row of a table, as a classifier that is kept tells."""
    if options.test is not None:
        raise UsageError("a second table cannot act beside --model, which has learnt. Name one.")
    model = read_model(options.model, "classify")
    options.target = options.target or getattr(model, "_target_name", _CLASS)
    _predict(model, options)


def _learn_and_judge(options: argparse.Namespace) -> None:
    """Learn from a table, and predict its rows in turn, or those of a second one."""
    if options.target is None:
        raise UsageError(
            "--target is missing: name the column of the classes, or with --model a classifier "
            "that has learnt."
        )
    options.chunk_rows = 0  # a classifier takes no parts
    choice = choose(options, {"id": options.id, _TARGET: options.target})
    frame = next(choice.table.frames(choice.table.names))
    labels = choice.table.column(options.target)
    is_known = np.array([label is not None for label in labels])
    y = _classes_of(labels[is_known], options.target)
    X = frame[choice.columns]
    model = _classifier(choice.types, options)
    keep_amounts(model, choice.table)
    if options.test is not None:
        learn(model, X[is_known], y)
        options.data = options.test
        _predict(model, options)
    else:
        probabilities = _cross_validated(model, X[is_known], y, options)
        if options.save_model is not None or not is_known.all():
            learn(model, X[is_known], y)
        is_alone = _are_alone(y)
        said = _quality(
            ("cross-validated", options.target), y, probabilities, np.unique(y), is_alone
        )
        if options.output is None:
            write_lines(said)
        else:
            for line in said:
                tell(line)
            every = np.empty((len(labels), probabilities.shape[1]))
            every[is_known] = probabilities
            if not is_known.all():
                every[~is_known] = model.predict_proba(X[~is_known])
            columns = {**ids_of(frame, options.id), options.target: labels}
            with table_writer(options.output) as write:
                write(_frame(columns, every, np.unique(y), options.target))
    model._target_name = options.target  # by which its predictions will be called
    save_model(options.save_model, model)


def _classes_of(labels: np.ndarray, name: str) -> np.ndarray:
    """The classes (n,) of rows, if they are such."""
    from sklearn.utils.multiclass import type_of_target

    y = np.array(labels.tolist())
    classes = np.unique(y)
    if len(classes) < 2:
        found = f"the value {shown(classes[0])} only" if len(classes) else "no value"
        raise UsageError(f"column {shown(name)} has {found}, and two classes at least are needed.")
    if type_of_target(y).startswith("continuous"):
        raise UsageError(
            f"column {shown(name)} holds numbers with fractions, such as {shown(y[0])}, and "
            "classes are labels or integers. Name another --target, or cut it into classes."
        )
    if len(classes) > max(_FEW_CLASSES, _MOST_CLASSES * len(y)):
        raise UsageError(
            f"column {shown(name)} has {len(classes)} different values in {len(y)} rows, which are "
            "no classes. Name another --target, or cut it into classes."
        )
    return y


def _classifier(types: dict[str, str], options: argparse.Namespace) -> Any:
    from skpc import SharpPCClassifier, SharpPCDensity

    density = SharpPCDensity(feature_types=types, n_jobs=options.n_jobs)
    return SharpPCClassifier(density, random_state=options.seed)


def _cross_validated(model: Any, X: Any, y: np.ndarray, options: argparse.Namespace) -> np.ndarray:
    """The probability (n, n_classes) of each class of a row, learnt from other rows."""
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedKFold

    classes, counts = np.unique(y, return_counts=True)
    n_folds = int(min(options.folds or _N_FOLDS, counts.max()))
    if n_folds < 2:
        raise UsageError("no class has two rows: there are none to learn from and to predict.")
    probabilities = np.zeros((len(y), len(classes)))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=options.seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # as `_are_alone` tells
        parts = list(folds.split(np.zeros(len(y)), y))
    for i, (training, rest) in enumerate(parts):
        tell(f"learning without fold {i + 1} of {n_folds}")
        one = learn(clone(model), X.iloc[training], y[training])
        known = np.searchsorted(classes, one.classes_)
        probabilities[np.ix_(rest, known)] = one.predict_proba(X.iloc[rest])
    return probabilities


def _are_alone(y: np.ndarray) -> np.ndarray:
    """Which rows (n,) are the only ones of their class, of which no other row tells."""
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    is_alone: np.ndarray = counts[codes] == 1
    if is_alone.any():
        some = ", ".join(map(shown, y[is_alone][:_MOST_NAMED]))
        some += ", ..." * (int(is_alone.sum()) > _MOST_NAMED)
        tell(
            f"warning: {_rows(int(is_alone.sum()))} of a class without a second row ({some}), "
            "which no other row can tell, count as wrong and not in the log-loss"
        )
    return is_alone


def _predict(model: Any, options: argparse.Namespace) -> None:
    """Write the class of each row of a table, and judge those that it tells."""
    table = KnownTable(options, model, model._columns, also=options.target)
    names, n_rows = names_of_model(model), 0
    told: list[tuple[np.ndarray, np.ndarray]] = []
    with table_writer(options.output) as write:
        for frame in table.frames():
            try:
                probabilities = model.predict_proba(frame[names])
            except (ValueError, TypeError) as error:
                place = f", counting from row {n_rows}" if n_rows else ""
                raise UsageError(f"{table.name}{place}: {error}") from error
            if options.target in frame:
                told.append((frame[options.target].to_numpy(object, na_value=None), probabilities))
            columns = ids_of(frame, options.id)
            write(_frame(columns, probabilities, model.classes_, options.target))
            n_rows += len(frame)
        if not n_rows:
            raise UsageError(f"{table.name} has no rows.")
    if told:
        labels, probabilities = map(np.concatenate, zip(*told, strict=True))
        _tell_quality_of_text(options.target, labels, probabilities, model.classes_)
    tell(f"the classes of {n_rows} rows are predicted")


def _frame(columns: dict[str, Any], probabilities: np.ndarray, classes: Any, target: str) -> Any:
    """A frame of the likeliest class of each row, and of the probability of each class."""
    import pandas

    columns[f"{target} predicted"] = classes[probabilities.argmax(axis=1)]
    for label, column in zip(classes, probabilities.T, strict=True):
        columns[f"p({label})"] = column
    return pandas.DataFrame(columns)


def _tell_quality_of_text(
    target: str, labels: np.ndarray, probabilities: np.ndarray, classes: Any
) -> None:
    """The same of labels (n,) as they are written; those that are no class do not count."""
    called = np.array([str(label) for label in classes])
    is_class = np.isin(labels.astype(str), called)
    if is_class.any():
        order = np.argsort(called)
        own = labels[is_class].astype(str)
        ordered = probabilities[is_class][:, order]
        for line in _quality(("test", target), own, ordered, called[order]):
            tell(line)


def _quality(
    called: tuple[str, str],
    y: np.ndarray,
    probabilities: np.ndarray,
    classes: np.ndarray,
    is_alone: np.ndarray | None = None,
) -> list[str]:
    """How good probabilities are, beside those that only know the shares of the classes.

    Parameters
    ----------
    called : tuple of str
        On which rows, and what the target is called.
    y : (n,)
    probabilities : (n, n_classes)
    classes : (n_classes,)
    is_alone : (n,) bool or None
        Rows of a class that had no other row to learn from: they are wrong, and have no log-loss.
    """
    where, target = called
    codes = np.searchsorted(classes, y)
    shares = np.bincount(codes) / len(codes)
    accuracy = float((probabilities.argmax(axis=1) == codes).mean())
    counted = np.arange(len(y)) if is_alone is None else np.flatnonzero(~is_alone)
    codes = codes[counted]
    own = np.maximum(probabilities[counted, codes], _LEAST_PROBABILITY)
    n_alone = len(y) - len(counted)
    without = f" (without {_rows(n_alone)} alone in a class)" if n_alone else ""
    loss, alone = -np.log(own).mean(), -np.log(shares[codes]).mean()
    said = [
        f"{where} accuracy: {100 * accuracy:.1f} %; the most frequent class alone: "
        f"{100 * shares.max():.1f} %",
        f"{where} log-loss{without}: {loss:.4f} nats per row; shares of classes alone: {alone:.4f}",
    ]
    if loss >= alone:
        said.append(
            f"that is no better than the shares alone: the other columns tell nothing of "
            f"{shown(target)} that could be learnt"
        )
    return said


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"
