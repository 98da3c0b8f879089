"""``impute``: a table whose missing cells are filled."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skpc._cli.choice import choose
from skpc._cli.csv_files import CsvFile
from skpc._cli.fit import headline, learn_density
from skpc._cli.known_tables import KnownTable
from skpc._cli.messages import UsageError, tell
from skpc._cli.models import (
    check_model_output,
    keep_amounts,
    names_of_model,
    read_model,
    save_model,
)
from skpc._cli.outputs import check_table_output, table_writer, text_output
from skpc._cli.parquet_files import ParquetFile, is_parquet
from skpc._cli.parser import refuse_beside_model
from skpc._cli.written_rows import filled_cells, written_rows

_OF_LEARNING = "categorical", "binomial", "numeric", "drop", "save_model"


class _Task(NamedTuple):
    """What is to be filled.

    Attributes
    ----------
    density : SharpPCDensity
    frames : iterator of frames
        With all columns.
    file : CsvFile or ParquetFile
        Where they come from.
    """

    density: Any
    frames: Iterator[Any]
    file: CsvFile | ParquetFile


def run(options: argparse.Namespace) -> None:
    """Write the table with its missing cells filled."""
    from sklearn.frozen import FrozenEstimator

    from skpc import SharpPCImputer

    refuse_beside_model(options, _OF_LEARNING)
    inputs = [options.data] if options.model is None else [options.data, options.model]
    check_table_output(options.output, *inputs)
    check_model_output(options.save_model, *inputs)
    task = _learnt(options) if options.model is None else _known(options)
    imputer = SharpPCImputer(
        FrozenEstimator(task.density),
        strategy=options.strategy,
        random_state=np.random.RandomState(options.seed),  # which goes on from part to part
    )
    names = names_of_model(task.density)
    n_filled = n_left = n_rows = 0
    with _writer(options.output, task.file) as write:
        for frame in task.frames:
            try:
                filled = imputer.fit(frame[names]).transform(frame[names])
            except (ValueError, TypeError) as error:
                place = f", counting from row {n_rows}" if n_rows else ""
                raise UsageError(f"{options.data}{place}: {error}") from error
            n_holes = int(frame.isna().to_numpy().sum())
            whole = frame.assign(**{name: filled[name] for name in names})
            n_still = int(whole.isna().to_numpy().sum())
            n_filled, n_left = n_filled + n_holes - n_still, n_left + n_still
            n_rows += len(frame)
            write(frame, whole)
        if not n_rows:
            raise UsageError(f"{options.data} has no rows.")
    left = f"; {n_left} in columns that were left out stay missing" if n_left else ""
    tell(f"{n_filled} missing cells of {n_rows} rows are filled{left}")
    save_model(options.save_model, task.density)


@contextmanager
def _writer(path: Path | None, file: CsvFile | ParquetFile) -> Iterator[Callable[[Any, Any], None]]:
    """A function that writes rows, given as they were and filled, in the manner of their file.

    Lines of text are written as they are, but for the cells that are filled.
    """
    rows = None if path is not None and is_parquet(path) else written_rows(file)
    if rows is None:
        form = file.form if isinstance(file, CsvFile) else None
        like = file.schema if isinstance(file, ParquetFile) else None
        with table_writer(path, form, like) as write:
            yield lambda _, whole: write(whole)
        return
    with text_output(path) as output:
        output.write(rows.head())

        def write_text(before: Any, whole: Any) -> None:
            for text in rows.filled(len(whole), filled_cells(before, whole, list(whole))):
                output.write(text)
            output.flush()

        yield write_text


def _learnt(options: argparse.Namespace) -> _Task:
    """With a density of the table itself."""
    from skpc import SharpPCDensity

    choice = choose(options, {"id": options.id}, as_written=True)
    table = choice.table
    density = SharpPCDensity(
        feature_types=choice.types, random_state=options.seed, n_jobs=options.n_jobs
    )
    learn_density(density, table.X(choice.columns), None)
    keep_amounts(density, table)
    tell(headline(density, table.frames(choice.columns), None))
    return _Task(density, table.frames(table.names), table.file)


def _known(options: argparse.Namespace) -> _Task:
    """With a density that has learnt before."""
    from skpc import SharpPCImputer

    model = read_model(options.model, "impute")
    held = "density_" if isinstance(model, SharpPCImputer) else "best_estimator_"
    density = getattr(model, held, model)
    table = KnownTable(options, density, density._columns, keeps_others=True)
    return _Task(density, table.frames(), table.file)
