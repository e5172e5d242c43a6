"""Learning rates that follow the state of the run: AdaGradNorm, and Polyak's steps."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.model.optimizers.adaptive import Adaptive, kinked


@own_keywords
@dataclass(frozen=True, slots=True, repr=False)
class AdaGradNorm(Adaptive):
    """SGD at the rate eta / sqrt(B), where B <- B + |gradient|^2 / N in every step.

    The squared gradient is sum_i delta_i^2 |xi|^2 / N, so that dB/dalpha = mu_1 tr G. The inputs are those that learn.

    Parameters
    ----------
    initial : float
        B at the start, from 1e-50 to 1e50.

    Notes
    -----
    Source: Collins-Woodfin et al., arXiv:2405.19585.

    Examples
    --------
    >>> rule = ode_sgd.optimizers.AdaGradNorm(initial=1.0)
    >>> falling = ode_sgd.Problem(
    ...     spectrum=problem.spectrum, student_units=2, teacher_units=2, learning_rate=0.5, optimizer=rule
    ... )
    >>> ode_sgd.integrate(falling, start, [0.0, 8.0], method="DOP853").generalization_error.round(4).tolist()
    [0.4281, 0.0274]
    """

    moves: ClassVar[str] = "sum"
    remembers: ClassVar[bool] = True

    initial: float

    def __post_init__(self) -> None:
        self._keep(initial=check.size("initial", self.initial))

    def begun(self, G: Array) -> Array:
        """B."""
        return np.array([self.initial])

    def unstructured(self, problem: Any) -> str:
        """Kinks are not for it."""
        return kinked(problem)

    def names(self, K: int) -> tuple[str, ...]:
        """Of B."""
        return ("squared_gradients",)

    def told(self, memory: Array, eta: float) -> dict[str, float]:
        """The rate eta / sqrt(B)."""
        return {"rate": eta / float(np.sqrt(memory[0]))}

    def apply(self, A: Array, G: Array, memory: Array, variance: float) -> Array:
        """Equation: (25.10)."""
        drift = np.array([variance * np.trace(G)])
        A /= np.sqrt(memory[0])
        G /= memory[0]
        return drift


@own_keywords
@dataclass(frozen=True, slots=True, repr=False)
class Polyak(Adaptive):
    """SGD at the rate at which eps_g falls fastest, times `Problem.learning_rate`.

    A step changes eps_g by -eta D1 + eta^2 D2 over N, so that it falls fastest at eta = D1 / (2 D2), with
    D1 = tr(A C2 A^T), C2 = sum_k w_k lambda_k^2 c_k, and D2 = mu_2 tr(D G) / 2. Where D2 is not positive, or very
    small, eta is `largest`. learning_rate = 1 is the exact line search; the two sides of it are slower. With a rule of
    one's own it is the loss that delta is the gradient of which falls fastest; a rule without one is refused.

    Parameters
    ----------
    largest : float
        Of eta, from 1e-50 to 1e50.

    Notes
    -----
    Source: Collins-Woodfin et al., arXiv:2405.19585, for linear units.

    Examples
    --------
    >>> rule = ode_sgd.optimizers.Polyak()
    >>> fastest = ode_sgd.Problem(
    ...     spectrum=problem.spectrum, student_units=2, teacher_units=2, learning_rate=1.0, optimizer=rule
    ... )
    >>> ode_sgd.integrate(fastest, start, [0.0, 8.0], method="DOP853").generalization_error.round(4).tolist()
    [0.4281, 0.0273]
    """

    largest: float = 10.0

    def __post_init__(self) -> None:
        self._keep(largest=check.size("largest", self.largest))

    def require_fits(self, problem: Any) -> None:
        """Of a rule of one's own it needs a loss that delta follows."""
        rule = problem.rule
        if rule is not None and rule.loaded and not problem.g.follows_a_gradient:
            raise InvalidProblem(
                f"optimizer = {self} with rule = {str(rule)!r}: its delta follows no gradient, so no loss is there "
                "that a rate could make fall fastest; leave one of them out"
            )

    def unstructured(self, problem: Any) -> str:
        """Its rate is no function of C."""
        return "its rate depends on overlaps of second order"

    def rate(self, A: Array, G: Array, second: Array, mu_2: float) -> float:
        """eta at learning_rate = 1, from C2 (d, d). Equation: (25.11)."""
        K = len(G)
        falls = float(np.trace(A @ second @ A.T))
        rises = mu_2 * float(np.trace(A[:, :K] @ G))
        return falls / rises if rises > 0.0 and falls < self.largest * rises else self.largest
