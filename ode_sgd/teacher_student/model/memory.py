"""What an optimiser remembers along a run: copies of the weights, or a few numbers."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.optimizers.copies import Copies
from ode_sgd.teacher_student.model.problem import Problem


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """What an optimiser whose rates follow the gradients remembers along a run.

    Attributes
    ----------
    names : tuple of str
        Of Adam "second_moment_1" to "second_moment_K": m_i as a step divides by them, the mean of the squared gradients
        over the variance of the inputs, corrected for its bias where that is asked for. At alpha = 0, of which nothing
        is known then, what the first gradients give, E[delta_i^2]. Of AdaGradNorm "squared_gradients": B.
    values : (.., n, E)

    Examples
    --------
    >>> rule = ode_sgd.optimizers.AdaGradNorm(initial=1.0)
    >>> falling = ode_sgd.Problem(
    ...     spectrum=problem.spectrum, student_units=2, teacher_units=2, learning_rate=0.5, optimizer=rule
    ... )
    >>> run = ode_sgd.integrate(falling, start, [0.0, 8.0])
    >>> run.memory.names, run.memory.of("squared_gradients").round(2).tolist()
    (('squared_gradients',), [1.0, 2.43])
    """

    names: tuple[str, ...]
    values: Array

    __setstate__ = frozen.restore_frozen

    def of(self, name: str) -> Array:
        """One of them, (.., n)."""
        return self.values[..., self.names.index(check.choice("name", name, self.names))]


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """The copies of the weights of an optimiser with memory along a run, by name: those of `names`, and "gradient".

    Attributes
    ----------
    copies : Copies
    problem : Problem
    values : (.., n, R K, R K + M)
        Overlaps of order one of all copies with each other and with the teachers.
    T : (M, M) or (replica, M, M)
    """

    copies: Copies
    problem: Problem
    values: Array
    T: Array

    __setstate__ = frozen.restore_frozen

    @property
    def names(self) -> tuple[str, ...]:
        """What the copies are called, and where the gradient is taken."""
        return (*self.copies.names, "gradient")

    def overlaps(self, name: str, other: str | None = None) -> tuple[Array, Array]:
        """The pair (Q, R): Q (.., n, K, K) of a copy with another or, without, with itself, and its R (.., n, K, M)."""
        own, with_other = self._weights(name), self._weights(other or name)
        size, K = self.values.shape[-2], self.problem.student_units
        left, right = np.kron(own, np.eye(K)), np.kron(with_other, np.eye(K))
        return left @ self.values[..., :size] @ right.T, left @ self.values[..., size:]

    def error(self, name: str) -> Array:
        """eps_g (.., n) of a student with the weights of a copy."""
        Q, R = self.overlaps(name)
        T = self.T if self.T.ndim == 2 else self.T[:, None]
        C = layout.covariance(Q, R, T)
        flat = np.ascontiguousarray(C.reshape(-1, *C.shape[-2:]))
        errors, terms = np.empty(len(flat)), np.empty(len(flat))
        coefficient_kernels(self.problem.g).generalization_errors(flat, self.problem.signed_weights, errors, terms)
        return np.maximum(errors, 0.0).reshape(C.shape[:-2])

    def _weights(self, name: str) -> Array:
        """Of the copies in what has that name, (1, R)."""
        names = self.copies.names
        if check.choice("name", name, self.names) == "gradient":
            return self.copies.p[None]
        return np.eye(len(names))[[names.index(name)]]
