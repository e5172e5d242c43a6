"""Activations of student and teacher together, as kernels and simulators take them."""

import hashlib
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.kernels import averages
from ode_sgd.teacher_student.kernels.coefficients.mixtures import Level, Mixture
from ode_sgd.teacher_student.model.activation import Activation

# Of derivatives, an error that no step feels: 1e-5 makes eight times the steps at rtol = 1e-10, 4e-8 none.
STEERING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationPair:
    """What a student's and a teacher's activation do together: the interface of `Activation`, where they differ.

    Both are sums of error functions, with their own terms in every average. Equal ones share their kernels.

    Attributes
    ----------
    student, teacher : Activation
    student_units : int
        K, where they differ; 0 where one activation stands here for the sake of its terms.
    rtol : float
        Tolerance of the steps that take the averages, of which the number of terms depends.
    in_steps : bool
        Whether derivatives only steer steps, so that the fewest terms do for these.
    """

    student: Activation
    teacher: Activation
    student_units: int = 0
    rtol: float = 0.0
    in_steps: bool = False

    def __str__(self) -> str:
        return str(self.student) if self.student == self.teacher else f"{self.student} learning from {self.teacher}"

    def within(self, rtol: float) -> "ActivationPair":
        """The same for steps of that tolerance."""
        levels = [*self.student.levels, *self.teacher.levels]
        coarsest = max((level.rtol for level in levels if level.rtol <= rtol), default=0.0)
        return replace(self, rtol=coarsest, in_steps=True)

    @property
    def mixture(self) -> Mixture:
        """The terms of both."""
        students, teachers = (_level(one.levels, self.rtol).terms for one in (self.student, self.teacher))
        coarse = students, teachers
        if self.in_steps:
            levels = self.student.levels, self.teacher.levels
            coarse = _steering(levels[0], self.rtol).terms, _steering(levels[1], self.rtol).terms
        return Mixture(students, teachers, coarse, self.student_units)

    @property
    def terms_accuracy(self) -> float:
        """What the terms leave of errors in the averages, as a fraction."""
        return max(_level(one.levels, self.rtol).accuracy for one in (self.student, self.teacher))

    @property
    def variant(self) -> str:
        """Tells its kernels from those of others, in the linker and in the cache."""
        facts = self.student.variant, self.teacher.variant, self.mixture
        return f"pair_{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"  # names of files are not that long

    @property
    def functions(self) -> Any:
        """Those of the student for the simulators, and the teacher's under `teacher`."""
        names = ["value", "slope", "value_and_slope"]
        if self.student == self.teacher:
            names += averages.FUNCTIONS
        own = self.student.functions
        found = {name: getattr(own, name) for name in names if hasattr(own, name)}
        return SimpleNamespace(**found, teacher=self.teacher.functions)

    @property
    def text(self) -> str:
        """What names it among shapes of kernels."""
        return str(self)

    @property
    def has_constant_slope(self) -> bool:
        """Whether g' of the student is the same everywhere."""
        return self.student.has_constant_slope

    @property
    def accuracy(self) -> float:
        """Of what bounds `resolution`: errors of the terms are fractions of eps_g, however small that is."""
        return max(self.student.accuracy, self.teacher.accuracy)

    in_lanes = False
    symmetric = True
    is_linear = False
    has_near_teacher_form = False
    has_pair_sums = False
    has_whole_coefficients = False
    has_matrix_form = False
    is_even = False
    has_kink = False
    has_plateau_forms = False


def _level(levels: tuple[Level, ...], rtol: float) -> Level:
    """The coarsest that does for a tolerance; the last does for all."""
    return next(level for level in levels if level.rtol <= rtol)


def _steering(levels: tuple[Level, ...], rtol: float) -> Level:
    """The coarsest whose derivatives cost no steps, or that of a tolerance if it is coarser."""
    return next(level for level in levels if level.accuracy <= STEERING or level.rtol <= rtol)


def paired(student: Activation, teacher: Activation, student_units: int) -> Activation | ActivationPair:
    """What a problem's averages are made from.

    Raises
    ------
    InvalidProblem
        If there are no averages of the two together; the message names those that have them.
    """
    if student == teacher:
        return student
    alone = [one.text for one in (student, teacher) if not one.levels]
    if alone:
        known = [name for name in averages.available() if Activation(name).levels]
        told = " and ".join(map(repr, alone))
        raise InvalidProblem(
            f"teacher_activation = {teacher.text!r} with activation = {student.text!r}: {told} "
            f"{'are no sums' if len(alone) > 1 else 'is no sum'} of error functions, so that averages of the two "
            f"together are not known; give two of {', '.join(known)}, or files of your own with AVERAGES = 'fitted'"
        )
    return ActivationPair(student=student, teacher=teacher, student_units=student_units)
