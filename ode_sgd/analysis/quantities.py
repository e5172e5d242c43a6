"""What is compared of two runs, and whether they can be: eps_g, and every distinct entry of Q and R of order one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import ComparisonError
from ode_sgd.teacher_student.trajectory import Trajectory

OUTCOMES = AGREE, DISAGREE, UNDECIDED = ("agree", "disagree", "undecided")  # of a comparison
RMS_LIMIT = 2.0  # of z-scores that still count as agreement
FALSE_ALARM = 1e-3  # probability with which the worst of them may exceed what is allowed


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


def common_times(ode: Trajectory, sgd: Trajectory) -> NDArray[np.int64]:
    """Rows of the ODE at the simulation's times, after checking that the two can be compared at all."""
    check.instance("ode", ode, Trajectory, ComparisonError)
    check.instance("sgd", sgd, Trajectory, ComparisonError)
    if ode.dimension is not None or sgd.replicas is None:
        raise ComparisonError("give the ODE first and the simulation second: compare(integrate(...), simulate(...))")
    if ode.problem.identity != sgd.problem.identity:
        raise ComparisonError("the two trajectories are of different problems; run both with the same Problem")
    if sgd.replicas < 4:
        raise ComparisonError(f"{sgd.replicas} replicas say too little about their spread; simulate at least 4")
    if sgd.alpha.size < 2:
        raise ComparisonError("the simulation holds its start only; give it a later output time")
    if sgd.T.ndim != 2:
        raise ComparisonError("every replica has a start of its own; give simulate one common OrderParameters")
    rows = np.minimum(np.searchsorted(ode.alpha, sgd.alpha), ode.alpha.size - 1)
    missing = ode.alpha[rows] != sgd.alpha
    if missing.any():
        raise ComparisonError(
            f"{int(missing.sum())} of {sgd.alpha.size} times of the simulation are not among the ODE's, the first "
            f"alpha = {sgd.alpha[np.argmax(missing)]:.10g}; run the simulation first and pass integrate(..., "
            "alpha=sgd.alpha), or a union that contains them"
        )
    first = np.concatenate(
        [(sgd.Q[:, 0] - ode.Q[0]).ravel(), (sgd.R[:, 0] - ode.R[0]).ravel(), (sgd.T - ode.T).ravel()]
    )
    if np.abs(first).max() > 1e-8 * max(1.0, float(np.abs(ode.Q[0]).max())):
        raise ComparisonError("the two do not start from the same overlaps; pass the same OrderParameters to both")
    return rows
