"""What the pages of docs/ say: their code runs and prints what they show."""

import doctest
import re
from pathlib import Path

import pytest

import skpc
import skpc.circuit
import skpc.curvature
import skpc.dask
import skpc.datasets
import skpc.drift
import skpc.plotting

DOCS = Path(skpc.__file__).parents[1] / "docs"
README = DOCS.parent / "README.md"
PAGES = [page for page in (README, *sorted(DOCS.rglob("*.md"))) if "```pycon" in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS.parent).as_posix())
def test_code_of_a_page_runs(page):
    """All blocks of a page are one session."""
    code = "\n".join(
        re.findall(r"^```pycon\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    )
    session = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert session.examples
    assert runner.run(session).failed == 0


def test_the_api_lists_everything_public():
    listed = set(
        re.findall(r"^(?:   |\.\. py:data:: )(\w+)$", (DOCS / "api.rst").read_text(), re.MULTILINE)
    )
    public = {
        *skpc.__all__,
        *skpc.circuit.__all__,
        *skpc.curvature.__all__,
        *skpc.dask.__all__,
        *skpc.datasets.__all__,
        *skpc.drift.__all__,
        *skpc.plotting.__all__,
    }
    assert public - listed == {"__version__", "MANIFOLDS"}


def test_readme_points_to_what_exists():
    readme = README.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", readme)
    paths = re.findall(r"`((?:docs|skpc|tests|\.ci|\.github)/[\w./-]*)`", readme)
    assert len(links) + len(paths) > 10
    missing = [path for path in {*links, *paths} if not (DOCS.parent / path).exists()]
    assert missing in ([], ["docs/_build/html"])


@pytest.mark.parametrize("page", ["README.md", "docs/benchmarks/RESULTS.md"])
def test_tables_are_where_scripts_write_them(page):
    """Each stands between marks that a script of docs/benchmarks knows by name."""
    text = (DOCS.parent / page).read_text()
    scripts = "".join(script.read_text() for script in (DOCS / "benchmarks").glob("*.py"))
    tables = re.findall(r"<!-- ([\w-]+) -->\n.*?<!-- end \1 -->", text, re.DOTALL)
    assert len(tables) == text.count("<!-- end ")
    for table in tables:
        assert f'"{table}"' in scripts


@pytest.mark.parametrize(
    ("learning", "table", "column"),
    [
        ("the default", "low-data", 11),
        ("EM without", "low-data", 5),
        ("by gradient", "manifolds", 5),
    ],
)
def test_what_is_said_of_mu_on_average_is_what_was_measured(learning, table, column):
    results = (DOCS / "benchmarks/RESULTS.md").read_text()
    lines = results.split(f"<!-- {table} -->")[1].split(f"<!-- end {table} -->")[0].splitlines()
    measured = [line.split("|")[column + 1] for line in lines if "**mean**" in line]
    said = re.search(rf"^\| {learning}.*$", (DOCS / "guide/mu.md").read_text(), re.MULTILINE)[0]
    averages = [float(cell) for cell in said.split("|")[2:-1]]
    assert averages == [float(cell.strip(" *")) for cell in measured]


def test_there_are_enough_examples_and_none_needs_the_network():
    examples = sorted((DOCS / "examples").rglob("plot_*.py"))
    assert len(examples) >= 8
    for example in examples:
        assert "fetch_" not in example.read_text()
