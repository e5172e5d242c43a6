"""docs/reference/keys.md lists every key of study, sweep and cluster files with its default, and none too many."""

import inspect
import re
from pathlib import Path

import pytest

from ode_sgd.studies.sweeps.axes import OPTIONS
from ode_sgd.studies.sweeps.chosen import KEYS as COLLECTED
from ode_sgd.studies.sweeps.cluster_file import ClusterSettings
from ode_sgd.studies.validation import TARGETS

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "keys.md").read_text()
FIXED = {"problem": {"spectrum"}}  # arguments that another table gives


def listed(heading):
    """The rows of all tables below a heading: key and default, as the page writes them."""
    below = re.split(rf"^#+ {re.escape(heading)}\n", PAGE, flags=re.MULTILINE)[1]
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


def arguments(target, without=()):
    return [
        (name, written(parameter.default))
        for name, parameter in inspect.signature(target).parameters.items()
        if name not in without
    ]


@pytest.mark.parametrize("table", TARGETS)
def test_the_page_lists_every_key_of_a_study(table):
    expected = [row for target in TARGETS[table] for row in arguments(target, FIXED.get(table, ()))]
    assert listed(f"[{table}]") == expected


def test_the_page_lists_every_key_of_sweep_and_cluster_files():
    assert {key for key, _ in listed("[sweep]")} == set(OPTIONS)
    assert {key for key, _ in listed("[collect]")} == set(COLLECTED)
    assert listed("Cluster files") == arguments(ClusterSettings)
