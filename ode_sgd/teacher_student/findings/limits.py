"""What theory says of the learning rate of a run, and of the floor that it ends on."""

from dataclasses import dataclass, field
from functools import cached_property

from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.findings.saddle_of_run import last_state, start_of_theory, where_it_exists
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.floors.floor import critical_learning_rate, noise_floor
from ode_sgd.teacher_student.theory.floors.relaxation import optimal_learning_rate
from ode_sgd.teacher_student.trajectory import SAMPLED, Trajectory

MOST = 20_000  # sectors times pairs of students for which the best rate is looked for, some seconds


@dataclass(frozen=True, kw_only=True)
class RateLimits:
    """Learning rates of theory for a problem and teacher.

    The best rate takes many times as long as a short run, and is looked for when it is first asked for.

    Attributes
    ----------
    learning_rate : float
        eta of the run.
    critical : float
        `theory.critical_learning_rate`.
    best : float or None
        `theory.optimal_learning_rate`, the constant rate at which eps_g falls fastest in the end without label noise.
    decay : float or None
        The rate of that fall, per unit of alpha.
    """

    learning_rate: float
    critical: float
    problem: Problem = field(repr=False)
    start: Trajectory | None = field(default=None, repr=False, compare=False)

    @cached_property
    def _fastest(self) -> tuple[float, float] | tuple[None, None]:
        K = self.problem.student_units
        if self.problem.spectrum.distinct * K * (K + 1) // 2 > MOST:
            return None, None
        return where_it_exists(lambda: optimal_learning_rate(self.problem, self.start)) or (None, None)

    @property
    def best(self) -> float | None:
        """See above."""
        return self._fastest[0]

    @property
    def decay(self) -> float | None:
        """See above."""
        return self._fastest[1]


def rate_limits(trajectory: Trajectory) -> RateLimits | None:
    """Critical and best learning rates for the teacher of a run, at its N where only that is exact."""
    problem, start = trajectory.problem, start_of_theory(trajectory)
    N = _dimension(trajectory)
    critical = where_it_exists(lambda: critical_learning_rate(problem, start, dimension=N))
    if critical is None or problem.gradient_flow:
        return None
    return RateLimits(learning_rate=fixed(problem.learning_rate), critical=critical, problem=problem, start=start)


def floor_of_theory(trajectory: Trajectory) -> float | None:
    """`theory.noise_floor` of a run: for its teacher, at a linear simulation's N, from its last state where K < M."""
    problem = trajectory.problem
    start: Trajectory | object = start_of_theory(trajectory)
    if problem.g.is_linear or (start is not None and trajectory.replicas is not None):
        start = last_state(trajectory)
    try:
        return noise_floor(problem, start, dimension=_dimension(trajectory))  # type: ignore[arg-type]
    except (InvalidProblem, InvalidStart):
        return None


def _dimension(trajectory: Trajectory) -> int | None:
    """N of a simulation of a linear network on Gaussian inputs."""
    return trajectory.dimension if trajectory.problem.g.is_linear and trajectory.method != SAMPLED else None
