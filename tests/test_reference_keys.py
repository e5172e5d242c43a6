"""docs/reference/keys.md lists every key of study, sweep and cluster files with its default, and none too many."""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from ode_sgd.core.registry import find_model
from ode_sgd.studies.sweeps.axes import OPTIONS
from ode_sgd.studies.sweeps.chosen import KEYS as COLLECTED
from ode_sgd.studies.sweeps.cluster_file import ClusterSettings

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
PAGE = (REFERENCE / "keys.md").read_text()
SCALING_LAWS = (REFERENCE / "keys_scaling_laws.md").read_text()
TABLES = find_model().tables
OTHERS = [
    (name, table)
    for name in ("feature_learning", "random_features", "resource_model")
    for table in find_model(name).tables
]


def listed(heading, page=PAGE):
    """The rows of all tables below a heading: key and default, as the page writes them."""
    below = re.split(rf"^#+ {re.escape(heading)}\n", page, flags=re.MULTILINE)[1]
    return re.findall(r"^\| `(\w+)` \| ([^|]*) \|", re.split(r"^#+ ", below, flags=re.MULTILINE)[0], re.MULTILINE)


def written(value):
    """A default as TOML writes it."""
    if value is inspect.Parameter.empty:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def arguments(target, tables=TABLES):
    """Keys and defaults; a parameter named like a table is what was made of that."""
    parameters = inspect.signature(target).parameters.items()
    return [(name, written(parameter.default)) for name, parameter in parameters if name not in tables]


@pytest.mark.parametrize("table", TABLES)
def test_the_page_lists_every_key_of_a_study(table):
    targets = TABLES[table].values() if isinstance(TABLES[table], Mapping) else [TABLES[table]]
    assert listed(f"[{table}]") == [row for target in targets for row in arguments(target)]


@pytest.mark.parametrize(("name", "table"), OTHERS)
def test_the_page_lists_every_key_of_the_scaling_laws(name, table):
    tables = find_model(name).tables
    targets = tables[table].values() if isinstance(tables[table], Mapping) else [tables[table]]
    page = re.split(rf"^## {name}\n", SCALING_LAWS, flags=re.MULTILINE)[1]
    page = re.split(r"^## ", page, flags=re.MULTILINE)[0]
    assert listed(f"[{table}]", page) == [row for target in targets for row in arguments(target, tables)]


def test_the_page_lists_every_key_of_sweep_and_cluster_files():
    assert {key for key, _ in listed("[sweep]")} == set(OPTIONS)
    assert {key for key, _ in listed("[collect]")} == set(COLLECTED)
    assert listed("Cluster files") == arguments(ClusterSettings)
