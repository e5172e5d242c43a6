"""Power laws of the error for power-law spectra, and the windows in which they hold (docs/theory.md sections 7 and 9).

Every correction to the law of a linear network is known in closed form, and a window is where together they change the
local exponent by less than a tolerance, a fraction of itself. Three quarters of it are for the end at which the finite
number of eigenvalues shows, where the correction varies slowly, and an eighth for each of two at the other end.

The ends are powers 1 / beta of such fractions, beyond all floats for small beta: they are compared as logarithms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, expm1, gamma, inf, log, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.linear_network import require_linear

FINITE_SPECTRUM, DISCRETE, FEEDBACK = 0.75, 0.125, 0.125  # shares of the tolerance
COARSEST = 0.2  # corrections are known to first order
FINEST = 1e-280  # between eigenvalues that are floats no window opens at this tolerance, nor at any below
LARGEST_LOG = 709.0  # exp(709.8) overflows
FEWEST = 3  # any two falling eigenvalues lie on a power law


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """eps_g ~ s^-exponent for low <= s <= high, with (low, high) = window; s is alpha, or the features learned."""

    exponent: float
    window: tuple[float, float]


@check.underflow_is_zero
def power_law_exponent(spectrum: Spectrum) -> float | None:
    """beta > 0 of a spectrum with equal weights and lambda_k = lambda_1 k^-(1+beta) to ten digits; else None.

    Sectors count in the order given, neighbours of one eigenvalue as one. At least three: any two falling eigenvalues
    lie on a power law.
    """
    check.instance("spectrum", spectrum, Spectrum)
    values, weights, _ = _levels(spectrum)
    if values.size < FEWEST or values[-1] <= 0.0 or np.ptp(weights) > 1e-10 * weights[0]:
        return None
    beta = (log(values[0]) - log(values[-1])) / log(values.size) - 1.0
    if beta <= 0.0:
        return None
    law = values[0] * np.arange(1.0, values.size + 1.0) ** -(1.0 + beta)
    return beta if bool((np.abs(values - law) <= 1e-10 * law).all()) else None


def _levels(spectrum: Spectrum) -> tuple[Array, Array, NDArray[np.intp]]:
    """Eigenvalues and weights with neighbours that are equal to ten digits as one, and of how many sectors each is."""
    values, weights = spectrum.eigenvalues, spectrum.weights
    begins = np.flatnonzero(np.append(True, np.abs(np.diff(values)) > 1e-10 * values[1:]))
    counts = np.diff(np.append(begins, values.size))
    return values[begins], np.add.reduceat(weights, begins), counts


def linear_time_exponent(beta: float) -> float:
    """beta / (1 + beta): eps_g ~ alpha^-exponent of a linear network. Equation: (7.5)."""
    beta = check.number("beta", beta, above=0.0)
    return beta / (1.0 + beta)


def linear_feature_exponent(beta: float) -> float:
    """beta: the floor is ~ m^-beta with only the first m sectors learning. Equation: (7.6)."""
    return check.number("beta", beta, above=0.0)


@check.underflow_is_zero
def linear_time_window(problem: Problem, tolerance: float = 0.02) -> tuple[float, float] | None:
    """Times between which the local exponent of a linear network is within that fraction of beta / (1 + beta).

    For a start that is alike in all sectors (an isotropic teacher, a small student). With nu = beta / (1 + beta), u_k =
    2 eta' lambda_k alpha and m the last sector that learns, eps_g is alpha^-nu times an incomplete gamma function and a
    constant, what the sectors beyond m hold, and

    - at the end the spectrum's own end has made it steeper, by u_L^nu, or the held sectors flatter, by
      u_m^nu (1 - exp(-u_m)): one less the other is s Gamma(1 + nu), s three quarters of the tolerance;
    - at the beginning u_1 is so large that the sum over k is an integral (first term of Poisson's formula, to an eighth
      of the tolerance), and the term of order eta^2, which adds powers of alpha^-nu, has faded (to another eighth; none
      of it under gradient flow).

    Parameters
    ----------
    problem : Problem
    tolerance : float
        Above 0 and at most 0.2.

    Returns
    -------
    (float, float) or None
        None where no such time exists: the spectrum has too few eigenvalues, eta is beyond critical (were all sectors
        to learn), or there is label noise (without gradient flow), whose floor lies where the start puts it; also where
        only some of the sectors of one eigenvalue learn: the laws have none that does so in part. An end beyond all
        floats is infinite.

    Raises
    ------
    InvalidProblem
        Unless the activation is linear and the spectrum a power law, or for a tolerance outside its range.

    Notes
    -----
    Equations: (7.13), (7.14) and (7.15).
    """
    require_linear(problem)
    beta, tolerance = _beta(problem.spectrum), _checked(tolerance)
    log_rate, log_x = _log_rate(problem), _log_criticality(problem)
    noisy = problem.label_noise > 0.0 and not problem.gradient_flow
    if noisy or log_rate == -inf or log_x >= 0.0:
        return None
    values, _, counts = _levels(problem.spectrum)
    continuous = _log_first_continuous(beta, tolerance)
    begin = max(continuous, _log_first_without_feedback(beta, log_x, problem.spectrum, tolerance))
    ends = np.cumsum(counts)
    m = int(np.searchsorted(ends, problem.trainable or ends[-1])) + 1
    if problem.trainable and ends[m - 1] != problem.trainable:
        return None
    end = _log_last_unending(beta, tolerance, m / values.size)
    return _open(begin - log_rate - log(values[0]), end - log_rate - log(values[m - 1]))


@check.underflow_is_zero
def linear_feature_window(problem: Problem, tolerance: float = 0.02) -> tuple[float, float] | None:
    """Numbers of trained sectors m between which the floor's local exponent is within that fraction of beta.

    For a start that is alike in all sectors, no label noise, and alpha -> infinity, whatever `trainable` says:

    - (m / L)^beta <= s / (1 + s), s three quarters of the tolerance, or the end of the spectrum shows;
    - 1 / (2m) <= an eighth of it, or it shows that the sum is no integral;
    - the growth of eta / eta_c with m, (eta' / 2) m w lambda_m / (1 - eta / eta_c), is an eighth of it times beta.

    Parameters
    ----------
    problem : Problem
    tolerance : float
        Above 0 and at most 0.2.

    Returns
    -------
    (float, float) or None
        None where no such m exists.

    Raises
    ------
    InvalidProblem
        Unless the activation is linear and the spectrum a power law, or for a tolerance outside its range.

    Notes
    -----
    Equation: (7.17).
    """
    require_linear(problem)
    spectrum, tolerance = problem.spectrum, _checked(tolerance)
    beta, (values, weights, _) = _beta(spectrum), _levels(spectrum)
    L = values.size
    log_x = _log_criticality(problem)
    if log_x >= 0.0:
        return None
    # The share m w lambda_m of the trace is w lambda_1 m^-beta.
    first = log(values[0] * weights[0] / spectrum.moment(1))
    share = -inf if log_x == -inf else log_x - log(-expm1(log_x)) + first
    begin = max(log(0.5 / (DISCRETE * tolerance)), (share - log(FEEDBACK * tolerance * beta)) / beta)
    allowed = FINITE_SPECTRUM * tolerance
    end = log(L) + log(allowed / (1.0 + allowed)) / beta
    window = _open(begin, end)
    return None if window is None else _open_between(float(np.ceil(window[0])), float(np.floor(window[1])))


@check.underflow_is_zero
def asymptotic_exponent(problem: Problem, tolerance: float = 0.02) -> PowerLaw | None:
    """The law eps_g ~ alpha^(-beta / (1 + beta)) and its window, where the spectrum is a power law that shows one.

    For linear networks the window is that of `linear_time_window`. Any other activation has the law once the students
    have specialised, for K = M, the same second layers, all sectors learning and no label noise. Its window then comes
    from the decay rates of small deviations from the teacher, eta lambda_k l_i with l the eigenvalues of D (K, K), the
    students' columns of A in (3.3), at J = B and T = I: the smallest at the beginning and the largest at the end, with
    the margins of the linear law. That is an estimate: it leaves out how long the plateau lasts, the coupling of the
    sectors through C, and all effects of a finite learning rate.

    Parameters
    ----------
    problem : Problem
    tolerance : float
        Above 0 and at most 0.2: what the local exponent may deviate, as a fraction of itself.

    Returns
    -------
    PowerLaw or None
        None where there is no such law or its window is closed.

    Notes
    -----
    Equation: (9.1). Source: Worschech & Rosenow, ICLR 2025.
    """
    check.instance("problem", problem, Problem)
    beta, tolerance = power_law_exponent(problem.spectrum), _checked(tolerance)
    if beta is None:
        return None
    linear = problem.activation == "linear"
    window = linear_time_window(problem, tolerance) if linear else _specialised_window(problem, beta, tolerance)
    return None if window is None else PowerLaw(linear_time_exponent(beta), window)


def _specialised_window(problem: Problem, beta: float, tolerance: float) -> tuple[float, float] | None:
    realisable = problem.student_units == problem.teacher_units and np.array_equal(
        np.sort(problem.v), np.sort(problem.u)
    )
    noisy = problem.label_noise > 0.0 and not problem.gradient_flow
    if not realisable or noisy or (problem.learning == 0.0).any():
        return None
    largest = float(np.abs(problem.v).max())
    if largest == 0.0:
        return None
    K, v = problem.student_units, problem.v / largest
    A, G = np.empty((K, 2 * K)), np.empty((K, K))
    # Every student is its own teacher, T = I: their second layers are the same in this order.
    coefficient_kernels(problem.activation).coefficients(np.tile(np.eye(K), (2, 2)), np.concatenate([v, -v]), 0.0, A, G)
    speeds = np.linalg.eigvalsh(A[:, :K])
    if not speeds[0] > 0.0:
        return None
    unit = log(2.0) + log(problem.learning_rate) + 2.0 * log(largest)
    values = problem.spectrum.eigenvalues
    begin = _log_first_continuous(beta, tolerance) - log(speeds[0]) - log(values[0])
    end = _log_last_unending(beta, tolerance, 1.0) - log(speeds[-1]) - log(values[-1])
    return _open(begin - unit, end - unit)


def _checked(tolerance: float) -> float:
    tolerance = check.number("tolerance", tolerance, above=0.0)
    if tolerance > COARSEST:
        raise InvalidProblem(f"tolerance = {tolerance:g} is too coarse; give 0 < tolerance <= {COARSEST}")
    return max(tolerance, FINEST)


def _open(low: float, high: float) -> tuple[float, float] | None:
    """The window from the logarithms of its ends."""
    if not low < high or low > LARGEST_LOG:
        return None
    return _open_between(exp(low), exp(high) if high <= LARGEST_LOG else inf)


def _open_between(low: float, high: float) -> tuple[float, float] | None:
    return (low, high) if low < high else None


def _log_rate(problem: Problem) -> float:
    """ln(2 eta'), -inf where the second layer is zero."""
    largest = float(np.abs(problem.v).max())
    if largest == 0.0:
        return -inf
    squares = float(np.sum((problem.v / largest) ** 2))
    return log(2.0) + log(problem.learning_rate) + 2.0 * log(largest) + log(squares)


def _log_criticality(problem: Problem) -> float:
    """ln x, x = eta' mu_1 / 2 over all sectors, also where some do not learn; under gradient flow x = 0.

    Equation: (7.15).
    """
    return -inf if problem.gradient_flow else _log_rate(problem) + log(problem.spectrum.moment(1)) - log(4.0)


def _beta(spectrum: Spectrum) -> float:
    beta = power_law_exponent(spectrum)
    if beta is None:
        raise InvalidProblem(
            "the spectrum is no power law of equal weights, k^-(1+beta) with at least 3 eigenvalues; "
            "Spectrum.power_law(distinct, beta) makes one"
        )
    return beta


def _log_last_unending(beta: float, tolerance: float, part: float) -> float:
    """ln u_m at the end, where m = part L sectors learn: the first time at which (7.13) does not hold.

    The local exponent is nu + (a - b) / I, a = u_L^nu from the spectrum's end, b = u_m^nu (1 - exp(-u_m)) from the held
    sectors, and I >= Gamma(nu) - a / nu. It is too steep where (1 + s) a - b exceeds s Gamma(1 + nu), which rises to
    one peak in u_m < 1 + nu, and too flat where b - (1 - s) a does, which falls before it rises.

    Equation: (7.13).
    """
    nu, s, shift = beta / (1.0 + beta), FINITE_SPECTRUM * tolerance, beta * log(part)
    allowed = s * gamma(1.0 + nu)

    def a(y: float) -> float:
        return exp(nu * y + shift)

    def b(y: float) -> float:
        return -exp(nu * y) * expm1(-exp(y))

    def past_peak(y: float) -> float:
        return -nu * expm1(-exp(y)) + exp(y - exp(y)) - nu * (1.0 + s) * exp(shift)

    def steep(y: float) -> float:
        return (1.0 + s) * a(y) - b(y) - allowed

    def flat(y: float) -> float:
        return b(y) - (1.0 - s) * a(y) - allowed

    # Neither, as a and b < u^(1+nu) are both small enough by themselves.
    safe = min((log(allowed / (1.0 + s)) - shift) / nu, log(allowed / (1.0 + s)) / (1.0 + nu))
    highest = log(1.0 + nu)
    peak = _upcrossing(past_peak, log(nu * (1.0 + s) / (1.0 + nu)) + shift, highest)
    return _upcrossing(steep, safe, peak) if steep(peak) > 0.0 else _upcrossing(flat, safe, highest)


def _upcrossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Where it turns positive, once, between low and high, from below; high if it does not."""
    if function(high) <= 0.0:
        return high
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if function(middle) > 0.0 else (middle, high)
    return low


def _log_first_continuous(beta: float, tolerance: float) -> float:
    """ln u_1 from which sum_k k^-(1+beta) exp(-u_1 k^-(1+beta)) has the local exponent of its integral."""
    high, allowed = 1.0, DISCRETE * tolerance
    while _discreteness(high, beta) > allowed:
        high *= 2.0
        if high > 1e200:  # a spectrum too steep to become an integral
            return inf
    low = 0.5 * high
    for _ in range(60):
        middle = sqrt(low) * sqrt(high)
        low, high = (middle, high) if _discreteness(middle, beta) > allowed else (low, middle)
    return log(high)


def _discreteness(c: float, beta: float) -> float:
    """Largest relative change of that exponent by the terms exp(+-2 pi i k) of Poisson's formula, at their saddle.

    k^(2+beta) = i (1+beta) c / (2 pi) there; the integrand is k^-(1+beta) sqrt(|k| / (2+beta)) exp(-S) after the
    integration, and a change of ln c turns its exponent by 2 pi |k| / (1+beta).

    Equation: (7.14).
    """
    k = ((1.0 + beta) * c / (2.0 * pi)) ** (1.0 / (2.0 + beta))
    S = 2.0 * pi * k * sin(0.5 * pi / (2.0 + beta)) * (2.0 + beta) / (1.0 + beta)
    nu = beta / (1.0 + beta)
    amplitude = 2.0 * k ** -(1.0 + beta) * sqrt(k / (2.0 + beta)) * exp(-S)
    integral = c**-nu * gamma(nu) / (1.0 + beta)
    return float(amplitude / integral * 2.0 * pi * k / ((1.0 + beta) * nu))


def _log_first_without_feedback(beta: float, log_x: float, spectrum: Spectrum, tolerance: float) -> float:
    """ln u_1 from which the term of order eta^2 leaves the local exponent alone; x = eta' mu_1 / 2 < 1.

    eps_g is (F / (1-x)) (1 + sum_m rho_m), rho_m = (-g)^m Gamma(1-nu) / Gamma(1-(m+1) nu), with F the law of gradient
    flow and g = Gamma(1-nu) (x / (1-x)) F(alpha) / F(0); the exponent changes by sum_m m rho_m, here for m = 1 and 2.

    Equation: (7.15).
    """
    if log_x == -inf:
        return -inf
    nu, rest, allowed = beta / (1.0 + beta), 1.0 / (1.0 + beta), FEEDBACK * tolerance  # rest is 1 - nu
    first, second = (m * gamma(rest) * abs(_reciprocal_gamma(rest - m * nu)) for m in (1, 2))
    # The positive root of second g^2 + first g = allowed; the two never vanish together.
    g = 2.0 * allowed / (first + sqrt(first**2 + 4.0 * second * allowed))
    per_share = log(gamma(rest)) + log_x - log(-expm1(log_x))  # ln g - ln(F(alpha) / F(0))
    values, weights, _ = _levels(spectrum)
    whole = log(values[0] * weights[0] / spectrum.moment(1))  # F / F(0) = e^whole Gamma(nu) u_1^-nu / (1 + beta)
    return (per_share + whole + log(gamma(nu) * rest / g)) / nu


def _reciprocal_gamma(z: float) -> float:
    """1 / Gamma(z), zero at its poles."""
    return 0.0 if z <= 0.0 and z == round(z) else 1.0 / gamma(z)
