"""Whether the line of names of a CSV file occurs again among its rows."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from skpc._cli.csv_form import CsvForm
from skpc._cli.csv_lines import header_of
from skpc._cli.csv_titles import are_certain_names
from skpc._cli.streams import opened

_BYTES_AT_ONCE = 2**22
_LOST = "\ufffd"  # in the place of bytes that could not be read


def names_line(lines: Sequence[str], form: CsvForm) -> str | None:
    """The line of names, if it is one for certain and cannot be a row.

    Parameters
    ----------
    lines : sequence of str
        The first ones, without those above the names.
    form : CsvForm
    """
    sep = str(form.sep)
    line = next((line for line in lines if line.strip()), "")
    if not form.has_names or len(sep) != 1 or _LOST in line:
        return None
    is_whole = header_of([line], sep) == header_of(lines, sep)
    return line if is_whole and are_certain_names(lines, sep) else None


def holds_again(path: str, line: str, encoding: str) -> bool:
    """Whether a file may hold its line of names twice, by its bytes.

    Files that are not found, or whose signs have no bytes of their own, do not.
    """
    try:
        encoding = codecs.lookup(encoding).name.removesuffix("-sig")
        wanted = b"\n" + line.encode(encoding)
        if len("\n".encode(encoding)) > 1:
            return False
        with opened(path) as file:
            n_found, rest = 0, b"\n"
            while block := file.read(_BYTES_AT_ONCE):
                block = rest + block.removeprefix(codecs.BOM_UTF8)
                n_found += block.count(wanted)
                rest = block[len(block) - len(wanted) + 1 :]
    except (OSError, EOFError, UnicodeError, LookupError):
        return False
    return n_found > 1
