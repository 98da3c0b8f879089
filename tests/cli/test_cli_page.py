"""The page on the command line: its commands print what it shows."""

import doctest
import io
import re
import shlex
import sys
from pathlib import Path

import pytest

import skpc
from skpc.__main__ import main

PAGE = Path(skpc.__file__).parents[1] / "docs" / "guide" / "cli.md"


def parts(text):
    """Programs, and pairs of a command and its output, in their order."""
    for kind, block in re.findall(r"^```(python|console)\n(.*?)^```$", text, re.DOTALL | re.M):
        if kind == "python":
            yield block, None
            continue
        for command in re.split(r"^(?=\$ )", block, flags=re.M)[1:]:
            line, _, output = command.partition("\n")
            yield line.removeprefix("$ "), output


def printed(line, monkeypatch):
    """What a command prints, standard output and standard error as a terminal shows them."""
    name, *arguments = shlex.split(line)
    if name == "head":
        n_lines, files = int(arguments[1]), arguments[2:]
        heads = ["\n".join(Path(file).read_text().splitlines()[:n_lines]) for file in files]
        if len(files) > 1:
            heads = [f"==> {file} <==\n{head}\n" for file, head in zip(files, heads, strict=True)]
        return "\n".join(heads).rstrip("\n") + "\n"
    assert name == "skpc"
    screen = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        patch.setattr(sys, "stderr", screen)
        assert main(arguments) == 0
    return screen.getvalue()


@pytest.mark.slow
def test_the_page_shows_what_commands_print(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    compare = doctest.OutputChecker().check_output
    n_commands = 0
    for line, output in parts(PAGE.read_text()):
        if output is None:
            exec(line, {})
            continue
        found = printed(line, monkeypatch)
        assert compare(output, found, doctest.ELLIPSIS), f"$ {line}\n{found}"
        n_commands += 1
    assert n_commands >= 8
