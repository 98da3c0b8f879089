"""``describe``: what a table holds, and how it would be read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from skpc._cli.choice import open_training_table, readings_of
from skpc._cli.column_facts import MOST_DISTINCT, ColumnFacts
from skpc._cli.column_report import Reading, table_lines, warning_lines
from skpc._cli.messages import tell, width_of
from skpc._cli.outputs import check_table_output, table_writer, write_lines

_N_EXAMPLES = 3


def run(options: argparse.Namespace) -> None:
    """Write a line for each column; nothing is learnt."""
    if options.output is not None:
        check_table_output(options.output, options.data)
    table = open_training_table(options)
    wanted = {} if options.id is None else {options.id: "id"}
    readings = readings_of(table, wanted)
    rows = [_row_of(reading, table.facts[reading.name]) for reading in readings]
    how = "" if table.form is None else table.form.notice()
    title = f"{table.title}: {table.n_rows} rows, {len(rows)} columns{how}"
    if options.output is None:
        lines = table_lines(rows, width_of(sys.stdout), len(rows))
        write_lines([title, "", *lines])
    else:
        import pandas

        with table_writer(options.output) as write:
            write(pandas.DataFrame(rows))
        tell(title)
    for line in warning_lines(readings, most=_all(readings)):
        tell(f"warning: {line}")


def _all(readings: Sequence[Reading]) -> int:
    return sum(len(reading.warnings) for reading in readings)


def _row_of(reading: Reading, facts: ColumnFacts) -> dict[str, str]:
    """What is shown of a column."""
    n_distinct = len(facts.distinct) - len(reading.markers)
    distinct = f"over {MOST_DISTINCT}" if facts.has_many else str(n_distinct)
    n_missing = facts.n_missing + sum(facts.markers[marker] for marker in reading.markers)
    return {
        "column": reading.name,
        "type": reading.type,
        "read as": reading.read_as,
        "missing": f"{n_missing} ({100 * n_missing / facts.n_rows:.0f} %)" if n_missing else "0",
        "distinct": distinct,
        "values": _values(facts),
    }


def _values(facts: ColumnFacts) -> str:
    """From where to where numbers reach, or the most frequent labels."""
    if facts.low <= facts.high:
        return f"{facts.low:.6g} to {facts.high:.6g}"
    labels = [str(value) for value, _ in facts.distinct.most_common(_N_EXAMPLES)]
    more = len(facts.distinct) > len(labels)
    return ", ".join(labels) + (", ..." if more else "")
