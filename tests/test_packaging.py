"""What is said of the package in more than one file is the same in all of them."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import skpc

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIREMENTS = PROJECT["project"]["dependencies"]


def read_yaml(path):
    return yaml.safe_load((ROOT / path).read_text())


def minor_versions():
    """All from the oldest that `requires-python` allows to the newest classifier, in order."""
    oldest = int(PROJECT["project"]["requires-python"].removeprefix(">=3."))
    named = re.findall(r"Python :: 3\.(\d+)", " ".join(PROJECT["project"]["classifiers"]))
    assert [int(minor) for minor in named] == list(range(oldest, int(named[-1]) + 1))
    return [f"3.{minor}" for minor in named]


def test_the_newest_release_of_the_changelog_is_this_version_and_is_dated():
    heading = re.search(r"^## (.*)$", (ROOT / "docs/changelog.md").read_text(), re.MULTILINE)[1]
    if heading != "Unreleased":
        cited = read_yaml(".github/CITATION.cff")
        assert heading == f"{skpc.__version__} ({cited['date-released']})"
        assert cited["version"] == skpc.__version__


def test_the_recipe_for_conda_has_the_version_and_the_requirements_of_the_package():
    recipe = read_yaml(".conda/recipe.yaml")
    assert recipe["context"]["version"] == skpc.__version__
    runs = {requirement.replace(" ", "") for requirement in recipe["requirements"]["run"]}
    assert runs == {*REQUIREMENTS, "python" + PROJECT["project"]["requires-python"]}
    builds = {requirement.replace(" ", "") for requirement in recipe["requirements"]["host"]}
    assert set(PROJECT["build-system"]["requires"]) < builds


def test_the_workflow_runs_every_version_of_python_that_is_named():
    matrix = read_yaml(".github/workflows/tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == minor_versions()
    assert {system.split("-")[0] for system in matrix["system"]} == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_the_oldest_versions_are_tried(requirement):
    name, oldest = requirement.split(">=")
    pinned = re.search(rf"\b{name}==([\d.]+)", (ROOT / ".ci/oldest").read_text())[1]
    assert pinned in (oldest, f"{oldest}.0")
