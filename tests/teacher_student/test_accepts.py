"""A method is asked whether it takes a problem before anything is computed, wherever methods are chosen."""

from dataclasses import dataclass

import numpy as np
import pytest

from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate, integrate_batch, simulate
from ode_sgd.core.errors import StudyError
from ode_sgd.studies.study_file import parse_study
from ode_sgd.teacher_student.integration import methods as integration
from ode_sgd.teacher_student.simulation import methods as simulation
from ode_sgd.teacher_student.simulation.sampled import SampledNetworks

PROBLEM = Problem(spectrum=Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.1, weight_decay=0.1)
START = OrderParameters.random(PROBLEM, 100, 0.5, seed=0)
STUDY = {
    "spectrum": {"kind": "isotropic"},
    "problem": {"student_units": 1, "teacher_units": 1, "learning_rate": 0.1, "weight_decay": 0.1},
    "start": {"kind": "random", "student_scale": 0.5, "dimension": 100},
    "integration": {"alpha": 1.0},
}
REFUSED = "{} does not know weight decay"


@dataclass(frozen=True)
class Refusing:
    """A method of either kind that has no weight decay; nothing of it may be called but this."""

    name: str
    in_batches: bool = True

    def accepts(self, problem, sizes=None, *, nodes=False):
        return REFUSED.format(self.name) if problem.weight_decay else ""


def refuse(monkeypatch, methods, *names):
    for name in names:
        monkeypatch.setitem(methods.METHODS, name, Refusing(name))


@pytest.mark.parametrize("nodes", [None, "auto", 3])
def test_integrate_asks_first_and_names_a_method_that_takes_it(monkeypatch, nodes):
    refuse(monkeypatch, integration, "rodas5p")
    with pytest.raises(InvalidProblem, match="rodas5p does not know weight decay; method = 'DOP853' takes it"):
        integrate(PROBLEM, START, 1.0, nodes=nodes)
    assert integrate(PROBLEM, START, 1.0, method="DOP853", nodes=None).status == "complete"
    refuse(monkeypatch, integration, *integration.METHODS)
    with pytest.raises(InvalidProblem, match="LSODA does not know weight decay; no method takes it"):
        integrate(PROBLEM, START, 1.0, method="LSODA", nodes=nodes)


def test_batches_ask_for_every_problem(monkeypatch):
    refuse(monkeypatch, integration, "rodas5p")
    plain = Problem(spectrum=PROBLEM.spectrum, student_units=1, teacher_units=1, learning_rate=0.1)
    with pytest.raises(InvalidProblem, match="rodas5p does not know weight decay; method = 'DOP853' takes it"):
        integrate_batch([plain, PROBLEM], [START, START], 1.0)


def test_studies_ask(monkeypatch):
    refuse(monkeypatch, integration, "rodas5p")
    with pytest.raises(StudyError) as caught:
        parse_study(STUDY)
    assert caught.value.faults == [f"[integration] {REFUSED.format('rodas5p')}; method = 'DOP853' takes it"]
    refuse(monkeypatch, simulation, "reduced")
    table = {"dimension": 100, "replicas": 2, "seed": 0, "method": "reduced"}
    with pytest.raises(StudyError) as caught:
        parse_study({**STUDY, "simulation": table, "integration": {"alpha": 1.0, "method": "LSODA"}})
    assert caught.value.faults == [f"[simulation] {REFUSED.format('reduced')}; method = 'explicit' takes it"]


def test_simulations_ask(monkeypatch):
    refuse(monkeypatch, simulation, "reduced")
    with pytest.raises(InvalidProblem, match="reduced does not know weight decay; method = 'explicit' takes it"):
        simulate(PROBLEM, START, 1.0, dimension=100, method="reduced", seed=0)
    assert simulation.chosen_method(PROBLEM, np.array([10**6]), "auto").name == "explicit"
    refuse(monkeypatch, simulation, "explicit")
    with pytest.raises(InvalidProblem, match="does not know weight decay; method = 'explicit-float32' takes it"):
        simulate(PROBLEM, START, 1.0, dimension=100, seed=0)


def test_simulations_of_data_ask(monkeypatch):
    monkeypatch.setattr(simulation.Sampled, "accepts", Refusing.accepts)
    monkeypatch.setattr(SampledNetworks, "__init__", None)
    rows = np.random.default_rng(0).standard_normal((200, 4))
    one = Problem(
        spectrum=Spectrum.from_data(rows), student_units=1, teacher_units=1, learning_rate=0.1, weight_decay=0.1
    )
    with pytest.raises(InvalidProblem, match="sampled does not know weight decay"):
        simulate(one, OrderParameters.random(one, 4, 0.5, seed=0), 1.0, inputs=rows, seed=0)
