"""DANA: momentum with a step along the gradient of its own, whose memory grows with time."""

from dataclasses import dataclass

from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import Schedule, quantity
from ode_sgd.teacher_student.model.optimizers.copies import NOTHING, Copies, Signed
from ode_sgd.teacher_student.model.optimizers.optimizer import Optimizer


@own_keywords
@dataclass(frozen=True, slots=True, repr=False)
class DANA(Optimizer):
    """V <- (1 - delta / N) V - (eta g1 / sqrt N) grad, J <- J + g3 V / N - (eta g2 / sqrt N) grad, from V = 0.

    Here grad is delta_i xi of the student J. All four may be functions of alpha.

    Parameters
    ----------
    g1, g2, g3 : float or Schedule
        Rates of momentum, of the step and of the momentum in the step, over the learning rate eta: 0 or from 1e-50 to
        1e50, g1 and g2 not both 0.
    delta : float or Schedule
        Rate at which momentum is forgotten; `Schedule.power(d, 1.0, 1.0)` is the d / (1 + alpha) of the source.

    Notes
    -----
    Source: Ferbach et al., arXiv:2505.16098. `HeavyBall(gamma)` is g1 = delta = gamma, g2 = 0, g3 = 1.

    Examples
    --------
    >>> print(ode_sgd.optimizers.DANA(g1=1.0, g2=0.5, g3=0.1, delta=ode_sgd.Schedule.power(4.0, 1.0, 1.0)))
    DANA(g1 = 1, g2 = 0.5, g3 = 0.1, delta = power(initial=4, exponent=1, time=1))
    """

    g1: float | Schedule
    g2: float | Schedule
    g3: float | Schedule
    delta: float | Schedule

    def __post_init__(self) -> None:
        self._keep(**{name: quantity(name, getattr(self, name), zero=True) for name in ("g1", "g2", "g3", "delta")})
        if not self.g1 and not self.g2:
            quantity("g1", self.g1)  # which says what is allowed

    @property
    def copies(self) -> Copies:
        """Weights and momentum."""
        return Copies(
            names=("student", "momentum"),
            mixing=((NOTHING, Signed(self.g3)), (NOTHING, Signed(self.delta, -1.0))),
            rates=(Signed(self.g2), Signed(self.g1)),
            point=(1.0, 0.0),
            deployed=0,
            start=(1.0, 0.0),
        )
