"""``plot``: a picture of a table beside rows of a model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skpc._cli.choice import choose
from skpc._cli.fit import headline, learn_density
from skpc._cli.known_tables import KnownTable
from skpc._cli.messages import UsageError, tell
from skpc._cli.models import names_of_model, read_model
from skpc._cli.outputs import check_output, write_file
from skpc._cli.parser import refuse_beside_model

_OF_LEARNING = "categorical", "binomial", "numeric", "drop"
_DPI = 110


def run(options: argparse.Namespace) -> None:
    """Draw the table, and as many rows of a model, learnt from it or before."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError('pictures need matplotlib: pip install "skpc[plot]"') from error
    from skpc.plotting import SamplesDisplay

    refuse_beside_model(options, _OF_LEARNING)
    inputs = [options.data] if options.model is None else [options.data, options.model]
    check_output(options.output, *inputs)
    kinds = FigureCanvasAgg(Figure()).get_supported_filetypes()
    kind = options.output.suffix.removeprefix(".").lower()
    if kind not in kinds:
        raise UsageError(
            f"cannot write {options.output}: its name must end as that of a picture, such as .png, "
            f".pdf or .svg."
        )
    model, X = _learnt(options) if options.model is None else _known(options)
    try:
        display = SamplesDisplay.from_estimator(
            model, X, kind=options.kind, random_state=options.seed
        )
    except (ValueError, TypeError) as error:
        raise UsageError(f"{options.data}: {error}") from error
    _write(options.output, display.figure_, kind)
    tell(f"picture: {options.output}")


def _write(path: Path, figure: Any, kind: str) -> None:
    """Write a picture, and let go of it."""
    from matplotlib import pyplot

    write_file(path, lambda target: figure.savefig(target, format=kind, dpi=_DPI))
    pyplot.close(figure)


def _learnt(options: argparse.Namespace) -> tuple[Any, Any]:
    """A density of the table itself, and the table."""
    from skpc import SharpPCDensity

    choice = choose(options, {"id": options.id})
    density = SharpPCDensity(
        feature_types=choice.types, random_state=options.seed, n_jobs=options.n_jobs
    )
    learn_density(density, choice.table.X(choice.columns), None)
    tell(headline(density, choice.table.frames(choice.columns), None))
    return density, _whole(choice.table.frames(choice.columns))


def _known(options: argparse.Namespace) -> tuple[Any, Any]:
    """A model that has learnt before, and the columns of the table that it knows."""
    model = read_model(options.model, "plot")
    names = names_of_model(model)
    table = KnownTable(options, model, model._columns)
    return model, _whole(frame[names] for frame in table.frames())


def _whole(frames: Iterator[Any]) -> Any:
    """One frame of all rows."""
    import pandas

    parts = list(frames)
    if not parts:
        raise UsageError("the table has no rows.")
    return pandas.concat(parts, ignore_index=True)
