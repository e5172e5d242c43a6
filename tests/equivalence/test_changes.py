"""One problem may be written in many ways; no public function may notice.

Students and teachers have no order, a sector may be given in two parts, and only Sigma times squared weights matters.
"""

import pytest

import ode_sgd
from ode_sgd import theory
from tests.equivalence.answers import ANSWERS, ELSEWHERE, RESULTS, before, close
from tests.equivalence.settings import CHANGES


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("name", list(ANSWERS))
def test_nothing_changes(name, change):
    entry = ANSWERS[name]
    for setting, answer in before(name):
        close(entry.of(change(setting)), answer, entry.tolerance, f"{name}, {change.__name__}")


def public_names():
    """Of theory, and the names at the top that live in analysis and solvers."""
    own = ("findings", "fluctuations", "integration", "simulation", "trajectory")
    homes = ("ode_sgd.analysis", "ode_sgd.plots", *(f"ode_sgd.teacher_student.{name}" for name in own))
    top = {name for name, home in {**ode_sgd._HOME, **ode_sgd._MODULE_HOME}.items() if home.startswith(homes)}
    return top | {f"theory.{name}" for name in theory.__all__}


def test_every_public_function_is_here():
    """A new one needs an entry in answers.py (or a reason there why not)."""
    here = {name.partition(",")[0] for name in ANSWERS} | set(RESULTS) | set(ELSEWHERE)
    assert public_names() - here == set()
    assert here - public_names() == set()
    assert set(RESULTS.values()) <= set(ANSWERS)
