"""Every public name has an example in its docstring, about three lines that run and print what they say.

The examples begin with the names of the API page's first block of code, and are run in an empty folder.
"""

import doctest
import inspect
import re
from pathlib import Path

import pytest

import ode_sgd

API = Path(__file__).parents[1] / "docs" / "reference" / "api.md"
MOST_LINES = 4


def public():
    """All public functions and classes: name as a user writes it, object."""
    packages = {
        "": ode_sgd,
        "theory.": ode_sgd.theory,
        "plots.": ode_sgd.plots,
        "optimizers.": ode_sgd.optimizers,
        "rules.": ode_sgd.rules,
        "stop.": ode_sgd.stop,
        "scaling_laws.": ode_sgd.scaling_laws,
    }
    for prefix, package in packages.items():
        for name in package.__all__:
            value = getattr(package, name)
            if inspect.isfunction(value) or inspect.isclass(value):
                yield pytest.param(value, id=prefix + name)


def example(value):
    """The section "Examples" of a docstring, empty if there is none."""
    return (inspect.getdoc(value) or "").partition("Examples\n--------\n")[2]


@pytest.fixture(scope="session")
def given():
    """What the API page's first block defines."""
    names = {}
    exec(re.search(r"```python\n(.*?)```", API.read_text(), re.DOTALL)[1], names)
    return names


@pytest.mark.parametrize("value", list(public()))
def test_every_public_name_has_an_example_that_runs(value, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(example(value), dict(given), value.__name__, None, None)
    assert test.examples, "its docstring has no section Examples"
    assert len(test.examples) <= MOST_LINES
    assert not any(one.options.get(doctest.SKIP) for one in test.examples)
    told = []
    assert doctest.DocTestRunner(verbose=False).run(test, out=told.append).failed == 0, "".join(told)


def test_an_example_that_is_missing_or_wrong_is_found():
    def without():
        """Have none."""

    def wrong():
        """One less.

        Examples
        --------
        >>> 1 + 1
        3
        """

    assert example(without) == ""
    test = doctest.DocTestParser().get_doctest(example(wrong), {}, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(test, out=lambda _: None).failed == 1


@pytest.mark.parametrize("value", list(public()))
def test_every_public_name_is_on_the_page_of_the_api(value):
    listed = re.findall(r"^::: ([\w.]+)$", API.read_text(), re.MULTILINE)
    assert value.__name__ in {name.rpartition(".")[2] for name in listed}
