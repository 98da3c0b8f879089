"""``describe``: what a table holds, and how it would be read."""

from __future__ import annotations

import argparse
import sys

from skpc._cli.choice import doubts_of, notes_of, open_training_table, readings_of, title_of
from skpc._cli.column_facts import ColumnFacts
from skpc._cli.column_report import Reading, table_lines, warning_lines
from skpc._cli.messages import number_text, tell, width_of
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
    title = title_of(table)
    if options.output is None:
        lines = table_lines(rows, width_of(sys.stdout), len(rows))
        write_lines([title, "", *lines])
    else:
        import pandas

        with table_writer(options.output) as write:
            write(pandas.DataFrame(rows))
        tell(title)
    for line in notes_of(table, readings):
        tell(f"note: {line}")
    every = sum(len(reading.warnings) for reading in readings)
    for line in [*doubts_of(table), *warning_lines(readings, every)]:
        tell(f"warning: {line}")


def _row_of(reading: Reading, facts: ColumnFacts) -> dict[str, str]:
    """What is shown of a column."""
    n_distinct = facts.n_distinct - len(reading.markers)
    n_missing = facts.n_missing + sum(facts.markers[marker] for marker in reading.markers)
    return {
        "column": reading.name,
        "type": reading.type,
        "read as": reading.read_as,
        "missing": f"{n_missing} ({100 * n_missing / facts.n_rows:.0f} %)" if n_missing else "0",
        "distinct": f"{n_distinct}{'+' if facts.has_more else ''}",
        "values": _values(facts),
    }


def _values(facts: ColumnFacts) -> str:
    """From where to where numbers reach, or the most frequent labels."""
    if facts.is_numeric:
        return f"{number_text(facts.low)} to {number_text(facts.high)}"
    labels = [
        value if isinstance(value, str) else number_text(value)
        for value, _ in facts.distinct.most_common(_N_EXAMPLES)
    ]
    more = facts.n_distinct > len(labels)
    return ", ".join(labels) + (", ..." if more else "")
