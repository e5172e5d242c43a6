"""Small deviations from the teacher of students with linear memory (docs/theory/momentum.md).

In the eigenbasis of H copies of students i and j respond to noise by a matrix of their own in every sector, and what
they feed back is that of plain SGD, Gamma : S with S of the copy at which the gradient is taken.
"""

from collections.abc import Callable

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.kernels.sectors.layout import upper
from ode_sgd.teacher_student.model.optimizers import HeavyBall
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.copies_at_rest import Memory, memory_of
from ode_sgd.teacher_student.theory.crossing import crossing_below, first_crossing
from ode_sgd.teacher_student.theory.floors.covered import require_nonlinear, teachers_of
from ode_sgd.teacher_student.theory.floors.field_flow import FieldFlow
from ode_sgd.teacher_student.theory.floors.fixed_points import sectors
from ode_sgd.teacher_student.theory.floors.pairing_of_weights import specialised
from ode_sgd.teacher_student.theory.floors.small_noise import ROUNDED, SmallNoise, to_matrix, to_vector
from ode_sgd.teacher_student.theory.floors.specialised_branch import follow_teachers
from ode_sgd.teacher_student.theory.linear_memory import without_memory

ALIKE = 1e-9  # relative difference of D q + E r^T from its transpose that is rounding


class NoiseWithMemory:
    """Deviations of students that have become their teachers, with memory, at any learning rate."""

    def __init__(self, problem: Problem, T: Array) -> None:
        plain = without_memory(problem)
        require_nonlinear(plain)
        if specialised(plain).left_over.size:
            raise InvalidProblem(
                f"student_units = {problem.student_units} are more than the teachers: what students that are left over "
                f"do with optimizer = {problem.optimizer} is not known; give K = M"
            )
        small = SmallNoise.at_teachers(plain, T)
        small.require_regular()
        self._first = small.critical() / problem.spectrum.moment(1)
        self.memory = memory_of(problem)
        if not len(self.memory.rates):
            raise InvalidProblem(f"optimizer = {problem.optimizer} moves nothing; there is no way to the teacher")
        self._felt = self.memory.of_gradient
        moving = problem.spectrum.eigenvalues > 0.0
        self._lam, self._variance = problem.spectrum.eigenvalues[moving], problem.spectrum.powers(1)[moving]
        self._h, basis = np.linalg.eigh(small.H)
        K = len(self._h)
        turn = np.array([to_vector(basis.T @ to_matrix(unit, K) @ basis) for unit in np.eye(K * (K + 1) // 2)])
        self._Y = turn.T @ small.Y @ turn
        values, vectors = np.linalg.eigh(self._Y)
        self._root = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T  # averages of squares: no value is negative

    def critical(self) -> float:
        """The smallest learning rate at which noise keeps itself up. Equation: (24.9)."""
        return first_crossing(lambda eta: self.gain(eta) - 1.0, self._first)

    def gain(self, eta: float, rate: float = 0.0) -> float:
        """The largest part of a deviation that comes back of it; at a rate of decay, as deviations have that decay.

        Equation: (24.9).
        """
        chi = self._response(self._felt, self._felt.point, eta, rate)
        return float(np.linalg.eigvalsh(self._root * chi @ self._root)[-1])

    def error(self, eta: float) -> float:
        """eps_g / sigma^2 of the copy that is kept, for small sigma. Equation: (24.9)."""
        H = to_vector(np.diag(self._h))
        chi = self._response(self._felt, self._felt.point, eta)
        S = np.linalg.solve(np.eye(len(chi)) - chi[:, None] * self._Y, chi * H)
        return 0.5 * float(H @ (self._response(self.memory, self.memory.kept, eta) * (self._Y @ S + H)))

    def decay(self, eta: float) -> float:
        """The rate at which deviations of the copy that is kept decay. Equation: (24.8)."""
        pole = 2.0 * self._slowest(self._felt, eta)
        return min(crossing_below(lambda rate: self.gain(eta, rate) - 1.0, pole), self.decay_of_means(eta))

    def decay_of_means(self, eta: float) -> float:
        """The same under gradient flow."""
        return 2.0 * self._slowest(self.memory, eta)

    def _slowest(self, memory: Memory, eta: float) -> float:
        return float(memory.slowest(eta * np.outer(self._lam, self._h).ravel()).min())

    def _response(self, memory: Memory, weights: Array, eta: float, rate: float = 0.0) -> Array:
        """chi_ij, (K (K + 1) / 2,)."""
        i, j = upper(len(self._h))
        m = eta * self._lam[:, None] * self._h
        shape = (len(self._lam), i.size)
        X = memory.stationary(m[:, i].ravel(), m[:, j].ravel(), rate) @ weights @ weights
        return np.asarray((eta**2 * self._variance * self._lam) @ X.reshape(shape))


def small_noise_floor(problem: Problem, T: Array) -> float:
    """eps_g / sigma^2 for small label noise sigma, of the copy that is kept. Equation: (24.9)."""
    noise, eta = NoiseWithMemory(problem, T), fixed(problem.learning_rate)
    if problem.gradient_flow:
        return 0.0
    critical = noise.critical()
    if eta >= critical:
        raise InvalidProblem(
            f"learning_rate = {problem.learning_rate:g} is not below critical ({critical:g}) with optimizer = "
            f"{problem.optimizer}, so that the error stays finite without noise; integrate the ODE"
        )
    return noise.error(eta)


def noise_floor(problem: Problem, start: Start, of_sgd: Callable[[Problem], float]) -> float:
    """eps_g at the end, of small noise, or of a heavy ball where it is that of plain SGD. Equations: (24.5) and (24.9).

    `of_sgd` is the floor of a problem without memory.
    """
    estimate = fixed(problem.label_noise) ** 2 * small_noise_floor(problem, teachers_of(problem, start).T)
    if estimate <= ROUNDED * float(problem.v @ problem.v):
        return estimate
    plain = without_memory(problem)
    if isinstance(problem.optimizer, HeavyBall) and _pulls_alike(plain, start):
        return of_sgd(plain)
    raise InvalidProblem(
        f"optimizer = {problem.optimizer} with label_noise = {problem.label_noise:g}: the floor of networks that are "
        "not linear is known for small noise, theory.small_noise_floor, and for a heavy ball whose students pull each "
        "other alike, as equal ones at an orthonormal teacher do; integrate the ODE"
    )


def _pulls_alike(plain: Problem, start: Start) -> bool:
    """Whether D q_k + E r_k^T is symmetric where students of plain SGD end, in every sector."""
    teacher = teachers_of(plain, start)
    flow = FieldFlow(plain, teacher.T)
    x = follow_teachers(plain, teacher.T).x
    state = sectors(plain, teacher, flow, x)
    pull = flow.coefficients(x).A @ state.gram[:, :, : plain.student_units]
    return bool(np.abs(pull - pull.transpose(0, 2, 1)).max() <= ALIKE * np.abs(pull).max())
