"""Sign-SGD and Adam: optimisers that see single coordinates, in the two bases in which their equations close."""

from dataclasses import dataclass
from math import pi, sqrt
from typing import Any, ClassVar

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive, checked_basis, kinked

SOON = 1e-9  # the share of a second moment that is known at alpha = 0 where its bias is corrected
FIELDS = np.linspace(-4.0, 4.0, 161)  # at which the slope of an activation is looked at


@own_keywords
@dataclass(frozen=True, slots=True, repr=False)
class SignSGD(Adaptive):
    """J_in <- J_in - (eta / sqrt N) sign(delta_i xi_n) in every coordinate n.

    The activation has to rise everywhere, so that sign(delta_i) = sign(v_i) sign(f - label): all students make the same
    move, up to the sign of v_i, and their differences stay as they are.

    Parameters
    ----------
    basis : str
        Coordinates n: "eigen" are along the eigenvectors of the covariance, "rotated" a random rotation of those. In
        others the equations do not close.

    Notes
    -----
    Source: Xiao et al., arXiv:2411.12135, for linear units; docs/theory/coordinatewise.md.

    Examples
    --------
    >>> rule = ode_sgd.optimizers.SignSGD(basis="eigen")
    >>> signs = ode_sgd.Problem(
    ...     spectrum=problem.spectrum, student_units=2, teacher_units=2, learning_rate=0.1, optimizer=rule
    ... )
    >>> ode_sgd.integrate(signs, start, [0.0, 5.0], method="DOP853").generalization_error.round(4).tolist()
    [0.4281, 0.1033]
    """

    signs: ClassVar[bool] = True
    moves: ClassVar[str] = "signs"

    basis: str = "eigen"

    def __post_init__(self) -> None:
        self._keep(basis=checked_basis("SignSGD", self.basis))

    @property
    def lets_the_error_vanish(self) -> bool:
        """Never: moves do not shrink with the gradient."""
        return False

    @property
    def rotates(self) -> bool:
        """Whether it sees coordinates that are a random rotation of the eigenbasis."""
        return self.basis == "rotated"

    def factors(self, eta: float, eigenvalues: Array, variance: float) -> tuple[Array, Array]:
        """Equations: (25.4) and (25.4a)."""
        if self.rotates:
            part = 2.0 / pi * (eigenvalues / variance - 1.0) + 1.0
            return eta * sqrt(2.0 / (pi * variance)) * eigenvalues, eta * eta * part
        return eta * np.sqrt(2.0 / pi * eigenvalues), np.where(eigenvalues > 0.0, eta * eta, 0.0)

    def unstructured(self, problem: Any) -> str:
        """Its averages come from nodes."""
        return "averages of signs have no derivatives here"

    def require_fits(self, problem: Any) -> None:
        """It takes activations that rise everywhere."""
        require_all_trained(self, problem)
        slope = problem.g_student.functions.slope
        if not min(slope(float(x)) for x in FIELDS) > 0.0:
            raise InvalidProblem(
                f"optimizer = {self} with activation = {problem.g_student.name!r}: the averages of sign(delta_i) are "
                'known where g rises everywhere; give "erf", "linear", "tanh", "arctan" or "leaky_relu"'
            )


@own_keywords
@dataclass(frozen=True, slots=True, repr=False)
class Adam(Adaptive):
    """J_in <- J_in - (eta / sqrt N) delta_i xi_n / sqrt(nu_in), nu_in <- (1 - b / N) nu_in + (b / N) (delta_i xi_n)^2.

    The second moment is slow: beta_2 = 1 - b / N, so that nu_in is the variance of the inputs of coordinate n times m_i
    with dm_i/dalpha = b (E[delta_i^2] - m_i), and all coordinates of a sector are alike. A beta_2 that does not
    approach 1 as N grows has no such equations. `Problem.weight_decay` is that of AdamW.

    Parameters
    ----------
    second_moment_rate : float
        b, from 1e-50 to 1e50.
    initial_second_moment : float or sequence of K
        m_i at the start, 0 or from 1e-50 to 1e50, in the units of E[delta_i^2].
    bias_correction : bool
        Whether the moment is divided by 1 - (1 - b / N)^t, t the number of steps.
    basis : str
        Coordinates n: "eigen" are along the eigenvectors of the covariance, "rotated" a random rotation of those.
    friction : None
        Of a first moment; not covered yet.

    Notes
    -----
    docs/theory/coordinatewise.md.

    Examples
    --------
    >>> rule = ode_sgd.optimizers.Adam(second_moment_rate=2.0)
    >>> adam = ode_sgd.Problem(
    ...     spectrum=problem.spectrum, student_units=2, teacher_units=2, learning_rate=0.25, optimizer=rule
    ... )
    >>> ode_sgd.integrate(adam, start, [0.0, 8.0], method="DOP853").generalization_error.round(4).tolist()
    [0.4281, 0.0252]
    """

    moves: ClassVar[str] = "moments"
    remembers: ClassVar[bool] = True

    second_moment_rate: float
    initial_second_moment: float | tuple[float, ...] = 0.0
    bias_correction: bool = True
    basis: str = "eigen"
    friction: float | None = None

    def __post_init__(self) -> None:
        given = self.initial_second_moment
        if np.ndim(given) == 0:
            first: Any = check.size("initial_second_moment", given, zero=True)
        else:
            first = tuple(check.size("initial_second_moment", one, zero=True) for one in given)  # type: ignore[union-attr]
        self._keep(
            second_moment_rate=check.size("second_moment_rate", self.second_moment_rate),
            initial_second_moment=first,
            bias_correction=check.boolean("bias_correction", self.bias_correction),
            basis=checked_basis("Adam", self.basis),
        )
        if not self.bias_correction and not np.all(np.asarray(first) > 0.0):
            raise InvalidProblem(
                "Adam: initial_second_moment = 0 without bias correction: the first steps would be of order one in "
                "every coordinate, however large N is; give bias_correction = True or a positive initial_second_moment"
            )
        if self.friction is not None:
            raise InvalidProblem(
                f"Adam: friction = {self.friction!r}: a first moment beside the second is not covered; leave "
                "friction out. optimizers.HeavyBall is a first moment without a second"
            )

    @property
    def lets_the_error_vanish(self) -> bool:
        """Never: moves do not shrink with the gradient."""
        return False

    @property
    def rotates(self) -> bool:
        """Whether it sees coordinates that are a random rotation of the eigenbasis."""
        return self.basis == "rotated"

    def first(self, K: int) -> Array:
        """m_i at the start, (K,)."""
        return np.broadcast_to(np.asarray(self.initial_second_moment, float), (K,)).copy()

    def factors(self, eta: float, eigenvalues: Array, variance: float) -> tuple[Array, Array]:
        """Equations: (25.6) and (25.6a)."""
        if self.rotates:
            return eta / sqrt(variance) * eigenvalues, eta * eta / variance * eigenvalues
        return eta * np.sqrt(eigenvalues), np.where(eigenvalues > 0.0, eta * eta, 0.0)

    def begun(self, G: Array) -> Array:
        """m_i as a step divides by them, (K,), and the share of them that is known."""
        first, own = self.first(len(G)), np.diagonal(G)
        if not self.bias_correction:
            return np.append(first, 1.0)
        return np.append((first * (1.0 - SOON) + own * SOON) / SOON, SOON)

    def names(self, K: int) -> tuple[str, ...]:
        """Of m_i as a step divides by them."""
        return tuple(f"second_moment_{i + 1}" for i in range(K))

    def told(self, memory: Array, eta: float) -> dict[str, float]:
        """m_i as a step divides by them."""
        return dict(zip(self.names(memory.size - 1), memory.tolist(), strict=False))

    def apply(self, A: Array, G: Array, memory: Array, variance: float) -> Array:
        """Equations: (25.6) and (25.7)."""
        m, known, b = memory[:-1], memory[-1], self.second_moment_rate
        drift = np.append(b / known * (np.diagonal(G) - m), b * (1.0 - known))
        root = 1.0 / np.sqrt(np.maximum(m, 1e-300))
        A *= root[:, None]
        G *= root[:, None] * root
        return drift

    @property
    def pace(self) -> float:
        """b."""
        return self.second_moment_rate

    def unstructured(self, problem: Any) -> str:
        """Moments that begin at infinity, and kinks, are not for it."""
        if self.bias_correction and self.first(problem.student_units).any():
            return "bias correction divides the initial second moment by zero at alpha = 0"
        return kinked(problem)

    def require_fits(self, problem: Any) -> None:
        """A tuple of moments has one for each student."""
        require_all_trained(self, problem)
        given = self.initial_second_moment
        if not isinstance(given, float) and len(given) != problem.student_units:
            raise InvalidProblem(
                f"Adam: initial_second_moment has {len(given)} entries; student_units = {problem.student_units}"
            )


def require_all_trained(optimizer: Adaptive, problem: Any) -> None:
    """Coordinates of a rotated basis belong to all sectors.

    Raises
    ------
    InvalidProblem
    """
    if optimizer.rotates and problem.trainable not in (None, problem.spectrum.distinct):
        raise InvalidProblem(
            f"optimizer = {optimizer} with trainable = {problem.trainable}: rotated coordinates belong to all sectors; "
            'give basis = "eigen", or leave trainable out'
        )
