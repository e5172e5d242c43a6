"""What a release needs: one number, and hooks that run what continuous integration runs."""

import re
import tomllib
from pathlib import Path

import ode_sgd

ROOT = Path(__file__).parents[1]


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"] and "version" in project["project"]["dynamic"]
    source = ROOT / project["tool"]["hatch"]["version"]["path"]
    assert re.findall(r'^__version__ = "(.*)"$', source.read_text(), re.MULTILINE) == [ode_sgd.__version__]


def test_the_citation_names_this_version():
    cited = re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited == [ode_sgd.__version__]


def test_hooks_run_make_lint_and_fetch_nothing():
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"^ *entry: (.*)$", text, re.MULTILINE) == ["make lint"]
    assert re.findall(r"^ *- repo: (.*)$", text, re.MULTILINE) == ["local"]
    assert re.findall(r"^ *language: (.*)$", text, re.MULTILINE) == ["system"]
    assert "://" not in text
