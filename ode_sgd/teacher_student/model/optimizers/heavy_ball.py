"""Heavy-ball momentum whose memory lasts for a time alpha of order one."""

from dataclasses import dataclass

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.model.optimizers.copies import NOTHING, Copies, Signed
from ode_sgd.teacher_student.model.optimizers.optimizer import Optimizer


@own_keywords
@dataclass(frozen=True, slots=True, repr=False)
class HeavyBall(Optimizer):
    """V <- (1 - gamma / N) V - (eta gamma / sqrt N) delta xi, J <- J + V / N: momentum 1 - gamma / N.

    Parameters
    ----------
    friction : float
        gamma, from 1e-50 to 1e50: velocities forget within alpha = 1 / gamma, and begin at 0. The learning rate is
        the effective one, so that gamma to infinity is SGD at the same rate. Others' J <- J + V', V' <- beta V' - eta'
        grad has beta = 1 - gamma / N, eta' = eta gamma / N and V = N V'. A beta that does not approach 1 as N grows is
        SGD of the rate eta' / (1 - beta), exactly: give that.

    Examples
    --------
    >>> rule = ode_sgd.optimizers.HeavyBall(friction=1.0)
    >>> problem = ode_sgd.Problem(
    ...     spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.5, optimizer=rule
    ... )
    >>> print(problem.optimizer)
    HeavyBall(friction = 1)
    """

    friction: float

    def __post_init__(self) -> None:
        try:
            self._keep(friction=check.size("friction", self.friction))
        except InvalidProblem as error:
            raise InvalidProblem(
                f"{error}. Momentum that does not approach 1 as N grows is SGD of the rate eta' / (1 - beta): give "
                "that as learning_rate, without an optimizer"
            ) from None

    @property
    def copies(self) -> Copies:
        """Weights and velocities."""
        one = Signed(1.0)
        return Copies(
            names=("student", "velocity"),
            mixing=((NOTHING, one), (NOTHING, Signed(self.friction, -1.0))),
            rates=(NOTHING, Signed(self.friction)),
            point=(1.0, 0.0),
            deployed=0,
            start=(1.0, 0.0),
        )
