"""Weights of one student and one teacher: a start that a simulation takes as it is."""

from dataclasses import dataclass
from typing import Any

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.errors import InvalidStart
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.principal_axes import PrincipalAxes
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.teacher_student.model import starts
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem


@own_keywords
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Weights:
    """First-layer weights of student and teacher, in the eigenbasis of Sigma, dimensionless.

    `simulate` starts every replica from just these, where overlaps leave it to draw weights that have them.

    Parameters
    ----------
    J : array_like, shape (K, N)
        Of the student, one row a unit, sector k the next N w_k columns, in order.
    B : array_like, shape (M, N)
        Of the teacher.

    Raises
    ------
    InvalidStart
        If they have unequal numbers of columns, or entries outside their range.

    Notes
    -----
    Equation: (1.4).

    Examples
    --------
    >>> weights = ode_sgd.Weights(0.1 * np.ones((2, 8)), np.eye(2, 8))
    >>> weights, weights.overlaps(ode_sgd.Spectrum([2.0, 1.0], [0.25, 0.75])).r.shape
    (Weights(K = 2, M = 2, N = 8), (2, 2, 2))
    """

    J: Array
    B: Array

    __setstate__ = frozen.restore_frozen

    @check.underflow_is_zero
    def __post_init__(self) -> None:
        J, B = starts.checked_weights(self.J, self.B)
        object.__setattr__(self, "J", J)
        object.__setattr__(self, "B", B)

    def __repr__(self) -> str:
        return f"Weights(K = {len(self.J)}, M = {len(self.B)}, N = {self.J.shape[1]})"

    @classmethod
    def of_data(cls, J: Any, B: Any, axes: PrincipalAxes) -> "Weights":
        """Weights in the columns of a data set, turned into its axes.

        Parameters
        ----------
        J, B : array_like, shapes (K, features) and (M, features)
            For inputs that are centred and divided by the axes' `scale`, fields x = J . xi / sqrt(N).
        axes : PrincipalAxes
            What `principal_axes` says of the data.

        Raises
        ------
        InvalidStart
            If there are not as many columns as the data have.
        """
        J, B = starts.checked_weights(J, B)
        check.instance("axes", axes, PrincipalAxes)
        return cls(axes.turned(J), axes.turned(B))

    def overlaps(self, spectrum: Spectrum) -> OrderParameters:
        """Their overlaps in every sector, from which the ODE starts: `OrderParameters.from_weights`."""
        return OrderParameters.from_weights(self.J, self.B, spectrum)

    def check_fits(self, problem: Problem, sizes: Indices) -> None:
        """Raise InvalidStart unless the shapes are those of the problem in sectors of these dimensions."""
        wanted = problem.student_units, problem.teacher_units, int(sizes.sum())
        given = len(self.J), len(self.B), self.J.shape[1]
        if given != wanted:
            raise InvalidStart(f"the weights have (K, M, N) = {given}, but the simulation has {wanted}")
