"""SGD without memory."""

from dataclasses import dataclass
from typing import ClassVar

from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.model.optimizers.optimizer import Optimizer


@own_keywords
@dataclass(frozen=True, slots=True, repr=False)
class SGD(Optimizer):
    """A step follows the gradient: what a problem does without an optimiser, and the same problem.

    Examples
    --------
    >>> ode_sgd.optimizers.SGD()
    optimizers.SGD()
    """

    plain: ClassVar[bool] = True
