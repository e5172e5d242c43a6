"""What a session computes."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd.explorer.answers import answered, measured, simulated
from ode_sgd.explorer.latest import Superseded
from ode_sgd.explorer.state import with_value
from ode_sgd.studies.execution import run_study
from ode_sgd.studies.study_file import parse_study
from tests.explorer.explored import TABLES, never, origin

BEGIN = origin()


@pytest.fixture(scope="module")
def answer():
    return answered(BEGIN, BEGIN.tables, never)


def test_a_study_is_answered_as_it_is_run(answer, tmp_path):
    """eps_g bit for bit, and the same verdict."""
    result = run_study(parse_study(TABLES), tmp_path / "out.h5", draw=False)
    assert np.array_equal(answer.run.error, result.ode.error)
    partial = []
    found = simulated(answer, never, partial.append, lambda fraction: None)
    assert np.array_equal(found.run.error, result.sgd.error)
    assert found.verdict == result.agreement.verdict
    assert found.ended and not found.fault


def test_faults_are_told(answer):
    found = answered(BEGIN, with_value(TABLES, "problem.learning_rate", -1.0, BEGIN.model), never)
    assert found.run is None
    assert "learning_rate" in found.trouble
    assert answer.trouble == ""


def test_a_run_that_diverges_is_told():
    linear = with_value(TABLES, "problem.activation", "linear", BEGIN.model)  # of bounded ones the error is bounded
    found = answered(BEGIN, with_value(linear, "problem.learning_rate", 20.0, BEGIN.model), never)
    assert found.run is not None
    assert found.trouble.startswith(f"{found.run.status} at alpha = ")
    assert measured(found).report


def test_what_nobody_waits_for_is_given_up():
    def check():
        raise Superseded

    with pytest.raises(Superseded):
        answered(BEGIN, BEGIN.tables, check)


def test_theory_stands_beside_what_is_measured(answer):
    found = measured(answer)
    assert found.theory.height == ode_sgd.findings(answer.run).theory_height
    assert "saddle" in found.report


@pytest.mark.parametrize("method", ["reduced", "explicit"])
def test_a_simulation_that_is_stopped_keeps_what_it_has(method):
    """Whether it had begun by then or not."""
    given = origin(simulation=TABLES["simulation"] | {"method": method})
    asked = []

    def check():
        asked.append(1)
        raise KeyboardInterrupt

    found = simulated(answered(given, given.tables, never), check, lambda run: None, lambda fraction: None)
    assert asked and found.ended and not found.fault
    assert found.verdict.startswith("stopped")


def test_a_study_without_simulation_says_so():
    given = origin(simulation=None)
    found = simulated(answered(given, given.tables, never), never, lambda run: None, lambda fraction: None)
    assert found.fault and "no simulation" in found.verdict
