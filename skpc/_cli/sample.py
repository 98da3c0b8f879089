"""``sample``: rows drawn from a model."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skpc._cli.given import doubts_of_evidence, evidence_of
from skpc._cli.messages import UsageError, tell
from skpc._cli.models import names_of_model, read_model
from skpc._cli.outputs import check_table_output, table_writer

_CELLS_DRAWN = 2**18  # at a time, whatever the working memory: the rows depend on it


def run(options: argparse.Namespace) -> None:
    """Write rows that are drawn from a model, given some of their values."""
    check_table_output(options.output, options.model)
    model = read_model(options.model, "sample")
    evidence = evidence_of(options.given, model._columns, names_of_model(model))
    for doubt in doubts_of_evidence(evidence, model._columns, names_of_model(model)):
        tell(f"warning: {doubt}")
    n_left, at_once = options.n_samples, max(1, _CELLS_DRAWN // model.n_features_in_)
    try:
        generator = check_random_state(options.seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The evidence .* far outside")  # as is told above
            drawn_from = model.condition(evidence) if evidence else model
        with table_writer(options.output) as write:
            # Once in any case: of no rows the model says what is wrong.
            while n_left > 0 or n_left == options.n_samples:
                drawn = drawn_from.sample(min(n_left, at_once), generator)
                write(_frame_of(drawn, model))
                n_left -= at_once
    except (ValueError, TypeError, OverflowError, ImportError) as error:
        raise UsageError(f"cannot draw {options.n_samples} rows: {error}") from error


def _frame_of(rows: Any, model: Any) -> Any:
    """Rows as a frame that can be written, also of a model that learnt elsewhere, of arrays."""
    import pandas

    if hasattr(rows, "to_csv"):
        return rows
    dense = rows.toarray() if hasattr(rows, "toarray") else rows
    return pandas.DataFrame(np.asarray(dense), columns=names_of_model(model))
