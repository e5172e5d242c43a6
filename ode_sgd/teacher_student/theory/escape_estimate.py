"""When the plateau is left: an estimate from the asymmetry of a start (docs/theory/plateau.md section 8)."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.model.order_parameters import OrderParameters, no_start
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory import branch as branches
from ode_sgd.teacher_student.theory.branch_fixed_point import SymmetricFixedPoint
from ode_sgd.teacher_student.theory.escape import growth_rates
from ode_sgd.teacher_student.theory.escape_modes import Linearisation, Mode, deviations, linearisation

LONGEST = 700.0  # in units of 1 / lambda_esc: what the smallest asymmetry that a float can hold needs


@dataclass(frozen=True, slots=True, kw_only=True)
class EscapeTime:
    """Estimate of the end of the plateau, `escape_time`.

    Attributes
    ----------
    time : float
        alpha at which eps_g is half of `height`; 0 if the start's asymmetry is beyond that from the beginning, infinite
        if it has none.
    rate : float
        lambda_esc, per unit of alpha.
    height : float
        eps_g at the saddle.
    asymmetry, half_asymmetry : float
        Frobenius norm of what differs between students in R of order one, in the directions that grow: of the start
        (projected on them), and at `time`; dimensionless.

    Examples
    --------
    >>> estimate = ode_sgd.theory.escape_time(problem, start)
    >>> round(estimate.rate, 4), round(estimate.height, 4)
    (0.0627, 0.0106)
    """

    time: float
    rate: float
    height: float
    asymmetry: float
    half_asymmetry: float


@own_keywords
@check.underflow_is_zero
def escape_time(problem: Problem, start: OrderParameters, branch: str | None = None) -> EscapeTime:
    """Estimate the alpha at which eps_g falls to half the plateau's height, from the asymmetry of the start, in O(L).

    The differences between students at the start are projected on the growing modes at the saddle by their left
    eigenvectors, grow exponentially from alpha = 0, and lower eps_g by its second-order expansion at the saddle. Left
    out are the way to the saddle, during which they grow less, and the saturation at the end.

    Parameters
    ----------
    problem, branch
        As for `symmetric_saddle`.
    start : OrderParameters
        The actual start; its teacher's overlaps are those of the saddle.

    Raises
    ------
    InvalidProblem, InvalidStart
        As `escape_rate`; and if eps_g does not fall along the modes that grow, as at learning rates near the largest.

    Notes
    -----
    It is early, by a number of 1 / lambda_esc that does not depend on how small the asymmetry is. Measured over random
    starts at N = 1024 and eta = 0.1 (erf, K = M): for K = 2, s_J = 0.01 and L = 1 by 0.66 +- 0.01, 8 % of the time; for
    L = 8 by 2.1 +- 0.9, 20 %; for K = 3, L = 1 by 1.5 +- 1.4. At L = 64, where there is hardly a plateau, the
    time is three times the estimate. `integrate` follows the start itself. Source: docs/theory/plateau.md section 8.

    Examples
    --------
    >>> estimate = ode_sgd.theory.escape_time(problem, start)
    >>> round(estimate.time), round(ode_sgd.half_height(ode).time)
    (99, 117)
    """
    if not isinstance(start, OrderParameters):
        raise InvalidStart(f"start {no_start(start)}; give an ode_sgd.OrderParameters")
    rest = branches.saddle(problem, start, branch)
    rates = growth_rates(problem, rest, start)
    linear = linearisation(problem, rest)
    growth = _Growth(problem, start, rest, linear, linear.modes(rates))
    time = growth.half_time(rates[0])
    return EscapeTime(
        time=time,
        rate=rates[0],
        height=growth.height,
        asymmetry=growth.asymmetry(0.0),
        half_asymmetry=growth.asymmetry(time) if np.isfinite(time) else float("nan"),
    )


class _Growth:
    """C at the saddle plus the growing modes of one start, as weights of every student in every sector."""

    def __init__(
        self,
        problem: Problem,
        start: OrderParameters,
        rest: SymmetricFixedPoint,
        linear: Linearisation,
        modes: list[Mode],
    ) -> None:
        self._a, self._K, self._M = problem.signed_weights, problem.student_units, problem.teacher_units
        self._error = coefficient_kernels(problem.g).generalization_error
        self._C, self._modes = rest.covariance, modes
        self.height = float(self._error(self._C, self._a))
        students = np.array([linear.amplitudes(mode, *deviations(start)) for mode in modes])
        self._students = students - students.mean(axis=1, keepdims=True)  # what rounding has left of the mean
        self._gram = np.array(
            [
                [a.direction @ rest.teacher_sum(linear.variance * a.profile * b.profile) @ b.direction for b in modes]
                for a in modes
            ]
        )

    def _grown(self, alpha: float) -> Array:
        """Amplitudes (modes, K)."""
        return np.asarray(self._students * np.exp(np.array([[mode.rate * alpha] for mode in self._modes])))

    def _differing(self, grown: Array) -> Array:
        """The part of R that differs between students, (K, M)."""
        return np.asarray(grown.T @ np.array([mode.overlaps[: self._M] for mode in self._modes]))

    def asymmetry(self, alpha: float) -> float:
        """Norm of the part of R that differs between students."""
        return float(np.linalg.norm(self._differing(self._grown(alpha))))

    def change(self, alpha: float) -> float:
        """Second order of eps_g - height; the first vanishes, since no student is preferred."""
        K, grown = self._K, self._grown(alpha)
        size = 1e3 * float(np.abs(self._differing(grown)).max())
        grown = grown / size  # third order 1e-3 of it, rounding 1e-9
        R = self._differing(grown)
        change = np.zeros_like(self._C)
        change[:K, K:], change[K:, :K] = R, R.T
        on_rows = grown.T @ np.array([mode.overlaps[self._M] for mode in self._modes])
        change[:K, :K] = np.add.outer(on_rows, on_rows) + grown.T @ self._gram @ grown
        return (float(self._error(self._C + change, self._a)) - self.height) * size * size

    def half_time(self, rate: float) -> float:
        """First alpha >= 0 at which eps_g is half the height."""
        if not self.asymmetry(0.0) > 0.0:
            return float("inf")

        def above(scaled: float) -> float:
            return self.change(scaled / rate) + 0.5 * self.height

        late = 0.0
        while above(late) > 0.0:
            late += 1.0
            if late > LONGEST:
                raise InvalidProblem(
                    "the error does not fall along the directions that grow; no time of escape can be estimated "
                    "(try a smaller learning rate)"
                )
        return 0.0 if late == 0.0 else float(brentq(above, late - 1.0, late)) / rate
