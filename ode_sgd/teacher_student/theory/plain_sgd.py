"""What closed forms and fixed points assume of the update rule: that a step follows the gradient, and nothing else."""

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.model.problem import Problem


def require_plain_sgd(problem: Problem) -> None:
    """Raise InvalidProblem, naming what is too much, where steps do more than follow the gradient."""
    if terms := problem.update_rule.further_terms:
        raise InvalidProblem(
            f"{terms} has no theory here, which is that of SGD on the error alone; leave it out, or integrate the ODE"
        )
