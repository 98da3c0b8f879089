"""``score``: what a model says of each row."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from skpc._cli.known_tables import KnownTable, ids_of
from skpc._cli.messages import UsageError, tell
from skpc._cli.models import names_of_model, read_model
from skpc._cli.outputs import check_table_output, table_writer


def run(options: argparse.Namespace) -> None:
    """Write the score of each row, and what each column adds to it."""
    check_table_output(options.output, options.model, options.data)
    model = read_model(options.model, "score")
    n_rows, total = 0, 0.0
    with table_writer(options.output) as write:
        for frame in KnownTable(options, model, model._columns).frames():
            try:
                scores, judged = _judged(model, frame, options)
            except (ValueError, TypeError) as error:
                place = f", counting from row {n_rows}" if n_rows else ""
                raise UsageError(f"{options.data}{place}: {error}") from error
            write(judged)
            n_rows, total = n_rows + len(scores), total + float(scores.sum())
        if not n_rows:
            raise UsageError(f"{options.data} has no rows.")
    kind = "score" if hasattr(model, "p_values") else "log-likelihood"
    tell(f"{n_rows} rows, mean {kind} {total / n_rows:.4f} nats")


def _judged(model: Any, frame: Any, options: argparse.Namespace) -> tuple[np.ndarray, Any]:
    """Scores (n,) of rows, and a frame of all that a model says of them."""
    import pandas

    names = names_of_model(model)
    ids, frame = ids_of(frame, options.id), frame[names]
    scores = model.score_samples(frame)
    if hasattr(model, "p_values"):
        # `p_values` would judge the rows again.
        said = {"score": scores, "p_value": model._calibration.p_values(scores)}
    else:
        said = {"log_likelihood": scores}
    judged = pandas.DataFrame({**ids, **said})
    if options.explain:
        contributions = np.asarray(model.feature_contributions(frame))
        judged = pandas.concat([judged, pandas.DataFrame(contributions, columns=names)], axis=1)
    return scores, judged
