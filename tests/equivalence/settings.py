"""Problems, and the same ones written otherwise: units in another order, a sector in two parts, another scale."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from ode_sgd import OrderParameters, Problem, Spectrum, theory


@dataclass(frozen=True)
class Setting:
    """A problem as it is written, and how to get from there to its original units.

    `students` and `teachers` are the places of the original units; Sigma is `scale` times the original one.
    """

    problem: Problem
    start: OrderParameters
    students: tuple[int, ...]
    teachers: tuple[int, ...]
    scale: float = 1.0

    def Q(self, Q):  # noqa: N802
        return Q[..., self.students, :][..., self.students]

    def R(self, R):  # noqa: N802
        return R[..., self.students, :][..., self.teachers]

    def T(self, T):  # noqa: N802
        return T[..., self.teachers, :][..., self.teachers]

    def written(self, run):
        """A trajectory of the original problem as one of this; of order one only, which is all that is looked at."""
        to_students, to_teachers = np.argsort(self.students), np.argsort(self.teachers)
        Q, R, T = run.moment(1)
        Q, T = Q[..., to_students, :][..., to_students], T[..., to_teachers, :][..., to_teachers]
        R = R[..., to_students, :][..., to_teachers]
        final = self.start if run.replicas is None else (self.start,) * run.replicas
        return replace(run, problem=self.problem, moments={1: (Q, R, T)}, sectors=None, final=final)


# --- the same problem, written otherwise ------------------------------------------------------------------------------


def students_renamed(given):
    order = np.roll(np.arange(len(given.students)), 1)
    start = OrderParameters(given.start.q[:, order][:, :, order], given.start.r[:, order], given.start.t)
    problem = replace(given.problem, student_weights=given.problem.v[order])
    return replace(given, problem=problem, start=start, students=tuple(np.argsort(order)))


def teachers_renamed(given):
    order = np.roll(np.arange(len(given.teachers)), 1)
    start = OrderParameters(given.start.q, given.start.r[:, :, order], given.start.t[:, order][:, :, order])
    problem = replace(given.problem, teacher_weights=given.problem.u[order])
    return replace(given, problem=problem, start=start, teachers=tuple(np.argsort(order)))


def sector_split(given, factor=1.0):
    """The second sector in two unequal parts; `factor` is between their eigenvalues."""
    spectrum, place = given.problem.spectrum, min(1, given.problem.spectrum.distinct - 1)
    values, weights = (np.insert(x, place, x[place]) for x in (spectrum.eigenvalues, spectrum.weights))
    weights[place : place + 2] *= 0.25, 0.75
    values[place] *= factor
    copies = np.insert(np.arange(spectrum.distinct), place, place)
    problem = replace(given.problem, spectrum=Spectrum(values, weights))
    start = OrderParameters(*(x[copies] for x in (given.start.q, given.start.r, given.start.t)))
    return replace(given, problem=problem, start=start)


def sector_split_up_to_rounding(given):
    return sector_split(given, 1.0 + 4e-16)


def sigma_scaled(given, scale=733.0):
    spectrum = Spectrum(scale * given.problem.spectrum.eigenvalues, given.problem.spectrum.weights)
    eta, decay = given.problem.learning_rate / scale, given.problem.weight_decay * scale
    problem = replace(given.problem, spectrum=spectrum, learning_rate=eta, weight_decay=decay)
    start = OrderParameters(*(x / scale for x in (given.start.q, given.start.r, given.start.t)))
    return replace(given, problem=problem, start=start, scale=scale)


CHANGES = [students_renamed, teachers_renamed, sector_split, sector_split_up_to_rounding, sigma_scaled]


# --- problems ---------------------------------------------------------------------------------------------------------


def _orthonormal():
    problem = Problem(spectrum=Spectrum.power_law(2, 1.0), student_units=3, teacher_units=3, learning_rate=0.5)
    start = OrderParameters.random(problem, 8192, student_scale=0.05, seed=3)
    return problem, OrderParameters(start.q, start.r, np.tile(np.eye(3), (2, 1, 1)))


def _rough():
    problem = Problem(
        spectrum=Spectrum.power_law(3, 1.0),
        student_units=3,
        teacher_units=2,
        teacher_weights=(1.0, 1.3),
        learning_rate=0.3,
        label_noise=0.3,
    )
    return problem, OrderParameters.random(problem, 900, student_scale=0.1, seed=2)


def _wide():
    """From here the split saddle is left."""
    problem = Problem(spectrum=Spectrum.power_law(2, 1.0), student_units=2, teacher_units=2, learning_rate=1.2)
    return problem, OrderParameters.random(problem, 1000, student_scale=0.15, seed=1)


def _at_the_saddle():
    """Students alike to 1e-6, so that D has a double eigenvalue all the way."""
    problem, _ = _orthonormal()
    there = theory.symmetric_saddle(problem, branch="split").order_parameters
    pattern = 1e-6 * np.random.default_rng(0).standard_normal(there.r.shape[1:])
    return problem, OrderParameters(there.q, there.r + pattern, there.t)


def _run():
    problem = Problem(spectrum=Spectrum.power_law(2, 1.0), student_units=2, teacher_units=2, learning_rate=0.5)
    return problem, OrderParameters.random(problem, 1000, student_scale=0.05, seed=1)


def _decaying():
    problem, start = _rough()
    return replace(problem, weight_decay=0.2), start


def _long():
    problem = Problem(spectrum=Spectrum.power_law(240, 1.0), student_units=2, teacher_units=2, learning_rate=0.1)
    return problem, OrderParameters.random(problem, 2400, student_scale=0.05, seed=1)


def _linear():
    problem = Problem(
        spectrum=Spectrum.power_law(6, 0.8),
        student_units=2,
        teacher_units=3,
        learning_rate=0.3,
        activation="linear",
        student_weights=(0.9, -0.6),
        teacher_weights=(0.7, 1.2, -0.3),
        label_noise=0.4,
    )
    return problem, OrderParameters.random(problem, 60, student_scale=0.5, seed=1)


def _noisy():
    """Unequal weights, and a student that stands for a teacher's mirror image; teachers that are not orthogonal."""
    problem = Problem(
        spectrum=Spectrum.power_law(3, 1.0),
        student_units=3,
        teacher_units=3,
        student_weights=(0.7, -1.0, 1.0),
        teacher_weights=(1.0, 1.0, 0.7),
        learning_rate=0.4,
        label_noise=0.3,
    )
    return problem, OrderParameters.random(problem, 90, student_scale=0.4, seed=4)


def _plain_pair():
    """T = I, which is all that where norms diverge is known for."""
    problem = Problem(
        spectrum=Spectrum.power_law(2, 1.0), student_units=2, teacher_units=2, learning_rate=0.5, label_noise=0.5
    )
    return problem, OrderParameters.orthonormal(problem, 64, student_scale=0.4, seed=1)


def _few():
    """Two students for three teachers."""
    problem = Problem(spectrum=Spectrum.power_law(2, 1.0), student_units=2, teacher_units=3, learning_rate=0.3)
    return problem, OrderParameters.orthonormal(problem, 64, student_scale=0.4, seed=2)


def _many():
    """Two students more than teachers."""
    problem = Problem(
        spectrum=Spectrum.power_law(2, 1.0), student_units=4, teacher_units=2, learning_rate=0.2, label_noise=0.2
    )
    return problem, OrderParameters.orthonormal(problem, 64, student_scale=0.4, seed=1)


def _law(activation):
    problem = Problem(
        spectrum=Spectrum.power_law(20000, 0.5 if activation == "linear" else 1.0),
        student_units=2,
        teacher_units=2,
        learning_rate=0.01,
        activation=activation,
    )
    return problem, OrderParameters.typical(problem, 0.1)


PROBLEMS = {
    "orthonormal": _orthonormal,
    "rough": _rough,
    "wide": _wide,
    "at the saddle": _at_the_saddle,
    "run": _run,
    "decaying": _decaying,
    "long": _long,
    "linear": _linear,
    "noisy": _noisy,
    "plain pair": _plain_pair,
    "few": _few,
    "many": _many,
    "linear law": functools.partial(_law, "linear"),
    "erf law": functools.partial(_law, "erf"),
}


@functools.cache
def original(name):
    """The setting of one problem before anything is written otherwise."""
    problem, start = PROBLEMS[name]()
    return Setting(problem, start, tuple(range(problem.student_units)), tuple(range(problem.teacher_units)))
