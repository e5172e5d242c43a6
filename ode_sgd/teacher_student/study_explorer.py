"""What the explorer shows of the teacher-student model: its controls, theory beside its curves, and its scripts."""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

import numpy as np

from ode_sgd.core.control import CHOICE, LOGARITHMIC, NUMBER, SLIDER, SWITCH, Annotations, Control
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.model import Model, Progress, Tables, Values
from ode_sgd.core.run import Run
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.teacher_student.integration.methods import METHODS
from ode_sgd.teacher_student.kernels.averages import available
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.problem import OUTPUTS, Problem
from ode_sgd.teacher_student.model.rule_tables import table_of
from ode_sgd.teacher_student.simulation.simulate import simulate
from ode_sgd.teacher_student.study_script import script
from ode_sgd.teacher_student.trajectory import Trajectory

FEWEST, MOST = 20, 10**6  # N of a start
SIMULATED = 1000, 5000  # from where to where N of a simulation is looked for
FIRST = 100  # weights that are tried first
START = {"student_scale": 0.02}
LAST = 240.0  # alpha to which a problem is integrated, as in the template
TOY = 0.5  # eigenvalues and weights of a spectrum that is written out, to begin with


def controls() -> dict[str, Control]:
    """Those of the keys that are moved most; ranges are where something happens, and any value can be typed."""
    return {
        "spectrum.kind": Control(form=CHOICE, label="spectrum", choices=("power_law", "isotropic", "explicit")),
        "problem.activation": Control(form=CHOICE, label="activation g", choices=tuple(available())),
        "problem.learning_rate": Control(
            form=LOGARITHMIC, label="learning rate η", low=0.01, high=10.0, step=0.02, initial=0.5
        ),
        "problem.student_units": Control(form=NUMBER, label="student units K", low=1, high=64, whole=True),
        "problem.teacher_units": Control(form=NUMBER, label="teacher units M", low=1, high=64, whole=True),
        "spectrum.beta": Control(
            form=SLIDER, label="decay of the spectrum β", low=0.05, high=3.0, step=0.05, initial=1.0
        ),
        "spectrum.distinct": Control(
            form=LOGARITHMIC, label="eigenvalues L", low=1, high=1024, step=0.02, whole=True, initial=4
        ),
        "spectrum.eigenvalues": Control(label="eigenvalues", initial=[3.0 * TOY, TOY]),
        "spectrum.weights": Control(label="their weights", initial=[TOY, TOY]),
        "problem.label_noise": Control(form=SLIDER, label="label noise σ", low=0.0, high=1.0, step=0.01),
        "start.student_scale": Control(
            form=LOGARITHMIC, label="scale of the start σ_J", low=1e-4, high=2.0, step=0.05, initial=0.02
        ),
        "start.seed": Control(form=NUMBER, label="seed of the start", high=2**31, whole=True),
        "integration.alpha": Control(form=LOGARITHMIC, label="last time α", low=1.0, high=1e6, step=0.05),
        "problem.weight_decay": Control(form=SLIDER, label="weight decay κ", low=0.0, high=0.5, step=0.005),
        "problem.output": Control(form=CHOICE, label="second layer", choices=OUTPUTS),
        "problem.gradient_flow": Control(form=SWITCH, label="gradient flow (no η² term)"),
    }


def _start(problem: Problem) -> dict[str, Any]:
    """Random weights, of a dimension in which every sector has as many inputs as there are units."""
    units, least = problem.student_units + problem.teacher_units, problem.spectrum.weights.min()
    if units > MOST * least:
        return {"kind": "typical"} | START
    enough = ceil(units / least)
    enough += least * enough < units  # by a rounding
    return {"kind": "random", "dimension": max(FEWEST, enough)} | START


def _integration(problem: Problem) -> dict[str, Any]:
    """To the end of what is scheduled, by a method that takes the problem; nothing where all do and there is none."""
    end = min((schedule.end for schedule in problem.timetable.schedules.values()), default=LAST)
    takes = next(name for name, method in METHODS.items() if not method.accepts(problem, nodes=False))
    others = {} if takes == next(iter(METHODS)) else {"method": takes}
    return {"integration": {"alpha": min(end, LAST)} | others} if others or end < LAST else {}


def _activation(activation: Activation) -> str:
    """What a study file calls it: its name, or a user's own by its file.

    Raises
    ------
    InvalidProblem
        If nobody knows the file of a user's own.
    """
    if not activation.digest:
        return activation.name
    if activation.path is None:
        raise InvalidProblem(
            f"activation = {activation.text!r} is a user's own, of which a stored run has no file; give the problem "
            "ode_sgd.Activation.from_file(...), whose path the study can name"
        )
    return str(activation.path)


def _simulated(spectrum: Spectrum) -> int | None:
    """The smallest N that one may simulate and the spectrum's weights divide; None if there is none."""
    for dimension in range(*SIMULATED):
        inputs = spectrum.weights[:FIRST] * dimension  # few of them refuse most N, without the search for a better one
        if np.abs(inputs - np.rint(inputs)).max() <= 0.05 and _divide(spectrum, dimension):
            return dimension
    return None


def _divide(spectrum: Spectrum, dimension: int) -> bool:
    try:
        spectrum.sector_dimensions(dimension)
    except InvalidProblem:
        return False
    return True


class Explored(Model):
    """The part of the model that the explorer asks."""

    def simulation_arguments(self, tables: Tables) -> dict[str, Any] | None:
        """What is simulated, as `simulate` takes it; None if nothing is."""
        raise NotImplementedError

    def watched_simulation(self, tables: Tables, progress: Progress, partial: Callable[[Run], object]) -> Run | None:
        """The SGD, with what it has reached twice a second."""
        arguments = self.simulation_arguments(tables)
        return None if arguments is None else simulate(**arguments, progress=progress, partial=partial)

    def controls(self) -> Mapping[str, Control]:
        """Learning rate, spectrum, units, noise, start and the rest."""
        return controls()

    def annotations(self, run: Run) -> Annotations:
        """The saddle's eps_g, and the exponent that a power law of the spectrum leads to."""
        from ode_sgd.teacher_student.findings.saddle_of_run import where_it_exists
        from ode_sgd.teacher_student.theory.power_laws import asymptotic_exponent
        from ode_sgd.teacher_student.theory.saddle import saddle_of_run

        if not isinstance(run, Trajectory):
            return Annotations()
        height = where_it_exists(lambda: saddle_of_run(run)[1])
        law = where_it_exists(lambda: asymptotic_exponent(run.problem))
        return Annotations(height) if law is None else Annotations(height, law.exponent, law.window)

    def tables_of(self, problem: Any) -> dict[str, Values] | None:
        """The spectrum with all its digits, and what differs from the defaults."""
        if not isinstance(problem, Problem):
            return None
        spectrum = problem.spectrum
        dimension = None if problem.gradient_flow else _simulated(spectrum)
        stored = problem.stored | {"activation": _activation(problem.g_student)}
        if problem.teacher_activation is not None:
            stored["teacher_activation"] = _activation(problem.g_teacher)
        if problem.rule is not None:
            stored["rule"] = table_of(problem.rule)
        given = {name: list(value) if isinstance(value, tuple) else value for name, value in stored.items()}
        return {
            "spectrum": {
                "kind": "explicit",
                "eigenvalues": spectrum.eigenvalues.tolist(),
                "weights": spectrum.weights.tolist(),
            },
            "problem": {name: value for name, value in given.items() if value is not None},
            "start": _start(problem),
            **_integration(problem),
        } | ({} if dimension is None else {"simulation": {"dimension": dimension, "replicas": 16}})

    def python_lines(self, tables: Tables) -> str:
        """With `integrate`, and `simulate` and `compare` where the study simulates."""
        return script(tables)
