"""Moments of the overlaps by order, as runs and exact solutions have them."""

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import is_real, scalar, shown
from ode_sgd.teacher_student.model.observables import Moments


class OverlapMoments:
    """Base of what has `moments`: order l -> (Q (.., n, K, K), R (.., n, K, M), T (.., M, M))."""

    __slots__ = ()

    moments: Moments

    def moment(self, order: int) -> tuple[Array, Array, Array]:
        """Q (.., n, K, K), R (.., n, K, M) and T of one order: sum_k w_k lambda_k^order of the sector overlaps.

        Equation: (2.3).
        """
        order = scalar(order)
        if not (is_real(order) and order in self.moments):
            known = sorted(self.moments)
            raise InvalidProblem(f"moment {shown(order)} was not kept; there are {known}; ask for it with moments=...")
        return self.moments[order]

    @property
    def Q(self) -> Array:  # noqa: N802
        """Student overlaps of order one, (.., n, K, K)."""
        return self.moment(1)[0]

    @property
    def R(self) -> Array:  # noqa: N802
        """Student-teacher overlaps of order one, (.., n, K, M)."""
        return self.moment(1)[1]

    @property
    def T(self) -> Array:  # noqa: N802
        """Teacher overlaps of order one, (M, M), or (replica, M, M) where every replica has its own teacher."""
        return self.moment(1)[2]
