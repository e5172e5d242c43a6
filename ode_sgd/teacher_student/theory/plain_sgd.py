"""What closed forms and fixed points assume of the update rule: that a step follows the gradient, and nothing else."""

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.model.problem import Problem


class NotPlainSGD(InvalidProblem):
    """Theory does not know the rule: whether there is what was asked for is not known. `reason` says why, in words."""

    @property
    def reason(self) -> str:
        """Why, without what to do about it."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.reason}; give a problem without it, of numbers and not of schedules, or integrate the ODE"


def require_plain_sgd(problem: Problem) -> None:
    """Raise NotPlainSGD, an InvalidProblem, naming what is too much, where steps do more than follow the gradient."""
    if terms := problem.update_rule.further_terms:
        raise NotPlainSGD(f"{terms} has no theory here, which is that of SGD on the error alone")
