"""Where the runs of a study start: the values of `kind` in its table [start]."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Indices
from ode_sgd.core.errors import InvalidStart
from ode_sgd.core.given import shown
from ode_sgd.core.principal_axes import PrincipalAxes
from ode_sgd.teacher_student import study_files
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import degrees_of_freedom, ranks
from ode_sgd.teacher_student.model.weights import Weights


class AnyStart(Protocol):
    """One kind of start."""

    def overlaps(self, problem: Problem) -> OrderParameters:
        """The overlaps at alpha = 0."""

    def directions(self, problem: Problem) -> Indices:
        """Rank of the overlaps of every sector, (L,), as far as it is known without drawing them."""


def keep(part: Any, **checked: Any) -> None:
    """Put what the checks made of its values into a frozen part of a study."""
    for name, value in checked.items():
        object.__setattr__(part, name, value)


def _units(problem: Problem, student_scale: float, teacher_scale: float) -> Indices:
    """Units that are not zero, in every sector, (L,)."""
    count = problem.student_units * (student_scale > 0.0) + problem.teacher_units * (teacher_scale > 0.0)
    return np.full(problem.spectrum.distinct, count)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomStart:
    """Arguments of `OrderParameters.random`; a dimension of None is the simulation's."""

    dimension: int | None = None
    student_scale: float = 0.01
    teacher_scale: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dimension is not None:
            keep(self, dimension=check.integer("dimension", self.dimension, 1))
        keep(
            self,
            student_scale=check.size("student_scale", self.student_scale, zero=True),
            teacher_scale=check.size("teacher_scale", self.teacher_scale, zero=True),
            seed=check.seed(self.seed),
        )

    def overlaps(self, problem: Problem) -> OrderParameters:
        """The overlaps at alpha = 0."""
        dimension = check.integer("dimension", self.dimension, 1)
        return OrderParameters.random(problem, dimension, self.student_scale, self.teacher_scale, self.seed)

    def directions(self, problem: Problem) -> Indices:
        """As `AnyStart.directions`: units, or the inputs of a smaller sector."""
        units = _units(problem, self.student_scale, self.teacher_scale)
        if self.dimension is None:
            return units
        sizes = degrees_of_freedom(problem.spectrum, self.dimension, problem.student_units + problem.teacher_units)
        return np.minimum(units, np.floor(sizes).astype(np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrthonormalStart(RandomStart):
    """Arguments of `OrderParameters.orthonormal`; a dimension of None is the simulation's."""

    def overlaps(self, problem: Problem) -> OrderParameters:
        """The overlaps at alpha = 0."""
        dimension = check.integer("dimension", self.dimension, 1)
        return OrderParameters.orthonormal(problem, dimension, self.student_scale, self.teacher_scale, self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypicalStart:
    """Arguments of `OrderParameters.typical`."""

    student_scale: float
    teacher_scale: float = 1.0

    def __post_init__(self) -> None:
        keep(
            self,
            student_scale=check.size("student_scale", self.student_scale, zero=True),
            teacher_scale=check.size("teacher_scale", self.teacher_scale, zero=True),
        )

    def overlaps(self, problem: Problem) -> OrderParameters:
        """The overlaps at alpha = 0."""
        return OrderParameters.typical(problem, self.student_scale, self.teacher_scale)

    def directions(self, problem: Problem) -> Indices:
        """As `AnyStart.directions`."""
        return _units(problem, self.student_scale, self.teacher_scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaadSollaStart:
    """Arguments of `OrderParameters.saad_solla`."""

    norm: float = 0.5
    overlap: float = 1e-12
    seed: int = 0

    def __post_init__(self) -> None:
        keep(
            self,
            norm=check.size("norm", self.norm),
            overlap=check.size("overlap", self.overlap, zero=True),
            seed=check.seed(self.seed),
        )

    def overlaps(self, problem: Problem) -> OrderParameters:
        """The overlaps at alpha = 0."""
        return OrderParameters.saad_solla(problem, self.norm, self.overlap, self.seed)

    def directions(self, problem: Problem) -> Indices:
        """As `AnyStart.directions`."""
        return _units(problem, self.norm, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStart:
    """Weights J and B, or overlaps q, r and t, from a file.

    `data` is the file of the data in whose columns the weights are given; None: they are in the order of the sectors.
    """

    file: str
    data: str | None = None

    def __post_init__(self) -> None:
        for name, value, key in (("file", self.file, study_files.START), ("data", self.data, study_files.DATA)):
            study_files.checked_name(name, value, key)

    def overlaps(self, problem: Problem) -> OrderParameters:
        """The overlaps at alpha = 0."""
        arrays, weights = study_files.required(self.file), self.weights(problem)
        if weights is not None:
            start = weights.overlaps(problem.spectrum)
        elif self.data is not None:
            raise InvalidStart(f"{shown(self.file)} holds overlaps, which are of sectors; leave out `data`")
        else:
            start = OrderParameters(arrays["q"], arrays["r"], arrays["t"])
        start.check_fits(problem)
        return start

    def weights(self, problem: Problem) -> Weights | None:
        """The weights, in the order of the sectors; None where the file holds overlaps."""
        arrays = study_files.required(self.file)
        if "J" not in arrays:
            return None
        J, B = arrays["J"], arrays["B"]
        return Weights(J, B) if self.data is None else Weights.of_data(J, B, _axes(self.data, problem))

    def directions(self, problem: Problem) -> Indices:
        """As `AnyStart.directions`; none where another process has read the file."""
        if study_files.held(self.file) is None:
            return np.zeros(problem.spectrum.distinct, np.int64)
        return ranks(self.overlaps(problem).gram)


def _axes(text: str, problem: Problem) -> PrincipalAxes:
    """The axes of a file of data, whose spectrum must be the problem's."""
    axes = study_files.axes_of(text)
    ours, theirs = problem.spectrum, axes.spectrum
    alike = ours.distinct == theirs.distinct and np.allclose(ours.weights, theirs.weights, rtol=0.0, atol=1e-12)
    # Two drivers of a decomposition may differ by some eps of the largest eigenvalue.
    if not alike or (np.abs(ours.eigenvalues - theirs.eigenvalues) > 1e-6 * theirs.eigenvalues + 1e-12).any():
        raise InvalidStart(
            f'data = {shown(text)} has another spectrum than the problem; name it in [spectrum], too: kind = "data"'
        )
    return axes


KINDS = {
    "random": RandomStart,
    "typical": TypicalStart,
    "orthonormal": OrthonormalStart,
    "saad_solla": SaadSollaStart,
    "file": FileStart,
}
DRAWN = ("random", "orthonormal")  # those with a dimension, by default the simulation's
