"""What is compared of two runs: eps_g, and every distinct entry of Q and R of order one."""

from dataclasses import dataclass

from ode_sgd.model.check import Array
from ode_sgd.solvers.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Quantity:
    """One scalar along a trajectory without replica axis; `name` counts units from 1, as in "R_12"."""

    name: str
    kind: str
    row: int = 0
    column: int = 0

    def __call__(self, trajectory: Trajectory) -> Array:
        if self.kind == "generalization_error":
            return trajectory.generalization_error
        overlaps = trajectory.Q if self.kind == "Q" else trajectory.R
        return overlaps[:, self.row, self.column]


def quantities(trajectory: Trajectory) -> list[Quantity]:
    """All of them: eps_g, the upper triangle of Q, all of R."""
    K, M = trajectory.problem.student_units, trajectory.problem.teacher_units
    found = [Quantity("generalization_error", "generalization_error")]
    found += [Quantity(f"Q_{i + 1}{j + 1}", "Q", i, j) for i in range(K) for j in range(i, K)]
    found += [Quantity(f"R_{i + 1}{n + 1}", "R", i, n) for i in range(K) for n in range(M)]
    return found


@dataclass(frozen=True, slots=True)
class Deviation:
    """One comparison: which quantity, at which time, by how many standard errors."""

    quantity: str
    alpha: float
    z: float
