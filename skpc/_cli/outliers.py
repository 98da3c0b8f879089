"""``outliers``: which rows of a table are odd, and why."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skpc._cli.choice import choose
from skpc._cli.csv_files import CsvFile
from skpc._cli.csv_records import lines_of_rows
from skpc._cli.fit import learn
from skpc._cli.known_tables import KnownTable
from skpc._cli.messages import UsageError, tell
from skpc._cli.models import (
    check_model_output,
    keep_amounts,
    names_of_model,
    read_model,
    save_model,
)
from skpc._cli.outputs import check_table_output, table_writer, write_lines
from skpc._cli.parquet_files import ParquetFile
from skpc._cli.parser import refuse_beside_model

_MOST_LISTED, _MOST_EXPLAINED = 10, 100
_OF_LEARNING = "contamination", "categorical", "drop", "save_model"


class _Judged(NamedTuple):
    """The verdict on all rows of a table.

    Attributes
    ----------
    scores, p_values : (n,)
    is_odd : (n,)
    called : (n,) object
        The names of rows, or the numbers of their lines.
    """

    scores: np.ndarray
    p_values: np.ndarray
    is_odd: np.ndarray
    called: np.ndarray


def run(options: argparse.Namespace) -> None:
    """Write the odd rows of a table, the strangest first."""
    _check_options(options)
    if options.output is not None:
        inputs = [options.data] if options.model is None else [options.data, options.model]
        check_table_output(options.output, *inputs)
    check_model_output(options.save_model, options.data, options.model)
    detector, frames, file = _detector_and_table(options)
    judged = _judge(detector, frames(), file, options)
    n_odd = int(judged.is_odd.sum())
    tell(f"{n_odd} of {len(judged.scores)} rows are odd{_rule(detector)}")
    most = _MOST_LISTED if options.output is None else _MOST_EXPLAINED
    most = most if options.top is None else options.top
    strangest = _strangest(judged)
    reasons = _reasons(detector, frames(), strangest[:most])
    if options.output is None:
        write_lines(_lines(judged, reasons, options.id))
        if n_odd > len(reasons):
            tell(f"... and {n_odd - len(reasons)} more; --top shows more, -o writes a table")
    else:
        _write(options, judged, strangest, reasons, getattr(file, "mark", ""))
        if n_odd > len(reasons):
            tell(f"reasons are given for the strangest of them only: {len(reasons)}; see --top")
    save_model(options.save_model, detector)


def _check_options(options: argparse.Namespace) -> None:
    """Refuse what cannot act."""
    if options.model is None and options.fdr is not None:
        raise UsageError(
            "--fdr is of new rows: the rows that a detector learns from are not flagged by it. "
            "Say --contamination, or judge new rows with --model."
        )
    refuse_beside_model(options, _OF_LEARNING)


def _detector_and_table(
    options: argparse.Namespace,
) -> tuple[Any, Callable[[], Iterator[Any]], CsvFile | ParquetFile]:
    """A detector, learnt or read, what reads the table that it is to judge, and its file."""
    from skpc import SharpPCOutlierDetector

    if options.model is not None:
        model = read_model(options.model, "outliers")
        model.false_discovery_rate = options.fdr or model.false_discovery_rate
        known = KnownTable(options, model, model._columns, is_read_again=True)
        return model, known.frames, known.file
    choice = choose(options, {"id": options.id})
    table, labels = choice.table, dict.fromkeys(choice.types, "string")

    def frames() -> Iterator[Any]:
        others = [options.id] if options.id is not None else []
        for frame in table.frames([*choice.columns, *others]):
            yield frame.astype(labels)  # of which the detector has no option

    detector = SharpPCOutlierDetector(
        contamination=options.contamination or "auto", random_state=options.seed
    )
    columns = choice.columns
    tell("learning what is usual")
    if table.is_in_chunks:
        learn(detector, lambda: (frame[columns] for frame in frames()))
    else:
        learn(detector, next(frames())[columns])
    keep_amounts(detector, table)
    return detector, frames, table.file


def _judge(
    detector: Any,
    frames: Iterator[Any],
    file: CsvFile | ParquetFile,
    options: argparse.Namespace,
) -> _Judged:
    """Judge all rows."""
    names, scores, called, n_rows = names_of_model(detector), [], [], 0
    for frame in frames:
        try:
            scores.append(detector.score_samples(frame[names]))
        except (ValueError, TypeError) as error:
            place = f", counting from row {n_rows}" if n_rows else ""
            raise UsageError(f"{options.data}{place}: {error}") from error
        if options.id is not None:
            called.append(frame[options.id].to_numpy(dtype=object, na_value=None))
        n_rows += len(frame)
    if not n_rows:
        raise UsageError(f"{options.data} has no rows.")
    every = np.concatenate(scores)
    return _Judged(
        every,
        detector._calibration.p_values(every),
        detector._is_outlier(every),
        np.concatenate(called) if called else lines_of_rows(file, n_rows),
    )


def _rule(detector: Any) -> str:
    """By which rule rows are flagged, in words that follow."""
    if detector.false_discovery_rate is not None:
        return (
            f"; of such rows a share of {detector.false_discovery_rate:.3g} is ordinary, on average"
        )
    if detector.contamination == "auto":
        return ""
    return f", as {100 * detector.contamination:.3g} % of ordinary rows are"


def _strangest(judged: _Judged) -> list[int]:
    """The places of odd rows, the lowest score first."""
    order = np.argsort(judged.scores, kind="stable")
    return order[judged.is_odd[order]].tolist()


def _reasons(detector: Any, frames: Iterator[Any], places: Sequence[int]) -> dict[int, str]:
    """What makes some rows odd, in the order of their places."""
    names, found, first = names_of_model(detector), {}, 0
    wanted = {*places}
    for frame in frames:
        for place in sorted(place for place in wanted if first <= place < first + len(frame)):
            row = frame[names].iloc[place - first : place - first + 1]
            found[place] = str(detector.explain(row)).partition(". ")[2]
        first += len(frame)
    return {place: found[place] for place in places}


def _lines(judged: _Judged, reasons: dict[int, str], id_name: str | None) -> list[str]:
    """A paragraph for each row."""
    kind = "row" if id_name is None else id_name  # of which the number is that of its line
    return [
        f"{kind} {judged.called[place]} (p-value {judged.p_values[place]:.2g}): {reason}"
        for place, reason in reasons.items()
    ]


def _write(
    options: argparse.Namespace,
    judged: _Judged,
    strangest: Sequence[int],
    reasons: dict[int, str],
    mark: str,
) -> None:
    """Write a table of the odd rows, the strangest first, or of all rows in their order."""
    import pandas

    places = np.arange(len(judged.scores)) if options.all else np.asarray(strangest, np.intp)
    frame = pandas.DataFrame(
        {
            options.id or "row": judged.called[places],
            "score": judged.scores[places],
            "p_value": judged.p_values[places],
            "is_odd": judged.is_odd[places],
            "why": [reasons.get(place, "") for place in places.tolist()],
        }
    )
    output: Path = options.output
    with table_writer(output, mark=mark) as write:
        write(frame)
    tell(f"{len(frame)} rows: {output}")
