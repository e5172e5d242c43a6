"""Power laws of the error, and the windows in which they hold (docs/theory/linear_network.md, plateau.md section 9).

Every correction to the law of a linear network is known in closed form, and a window is where together they change the
local exponent by less than a tolerance, a fraction of itself. Three quarters of it are for the end at which the finite
number of eigenvalues shows, where the correction varies slowly, and an eighth for each of two at the other end.

The ends are powers 1 / beta of such fractions, beyond all floats for small beta: they are compared as logarithms.
"""

from dataclasses import dataclass
from math import expm1, inf, log

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import fixed
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.linear_network import require_linear
from ode_sgd.teacher_student.theory.plain_sgd import require_plain_sgd
from ode_sgd.teacher_student.theory.window_ends import (
    DISCRETE,
    FEEDBACK,
    FINITE_SPECTRUM,
    log_first_continuous,
    log_first_without_feedback,
    log_last_unending,
    open_between,
    open_window,
)

COARSEST = 0.2  # corrections are known to first order
FINEST = 1e-280  # between eigenvalues that are floats no window opens at this tolerance, nor at any below
FEWEST = 3  # any two falling eigenvalues lie on a power law


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """eps_g ~ s^-exponent for low <= s <= high, with (low, high) = window; s is alpha, or the features learned.

    Examples
    --------
    >>> law = ode_sgd.theory.asymptotic_exponent(linear)
    >>> first, last = law.window
    >>> round(law.exponent, 3), first < last
    (0.5, True)
    """

    exponent: float
    window: tuple[float, float]


@own_keywords
@check.underflow_is_zero
def power_law_exponent(spectrum: Spectrum) -> float | None:
    """beta > 0 of a spectrum with equal weights and lambda_k = lambda_1 k^-(1+beta) to ten digits; else None.

    Sectors count in the order given, neighbours of one eigenvalue as one. At least three: any two falling eigenvalues
    lie on a power law.

    Examples
    --------
    >>> round(ode_sgd.theory.power_law_exponent(problem.spectrum), 6)
    1.0
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


@own_keywords
def linear_time_exponent(beta: float) -> float:
    """beta / (1 + beta): eps_g ~ alpha^-exponent of a linear network. Equation: (7.5).

    Examples
    --------
    >>> ode_sgd.theory.linear_time_exponent(beta=1.0)
    0.5
    """
    beta = check.number("beta", beta, above=0.0)
    return beta / (1.0 + beta)


@own_keywords
def linear_feature_exponent(beta: float) -> float:
    """beta: the floor is ~ m^-beta with only the first m sectors learning. Equation: (7.6).

    Examples
    --------
    >>> ode_sgd.theory.linear_feature_exponent(beta=0.5)
    0.5
    """
    return check.number("beta", beta, above=0.0)


@own_keywords
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

    Examples
    --------
    >>> first, last = ode_sgd.theory.linear_time_window(linear)
    >>> 0.0 < first < last
    True
    """
    require_linear(problem)
    beta, tolerance = _beta(problem.spectrum), _checked(tolerance)
    log_rate, log_x = _log_rate(problem), _log_criticality(problem)
    noisy = fixed(problem.label_noise) > 0.0 and not problem.gradient_flow
    if noisy or log_rate == -inf or log_x >= 0.0:
        return None
    values, _, counts = _levels(problem.spectrum)
    continuous = log_first_continuous(beta, tolerance)
    begin = max(continuous, log_first_without_feedback(beta, log_x, _log_first_share(problem.spectrum), tolerance))
    ends = np.cumsum(counts)
    m = int(np.searchsorted(ends, problem.trainable or ends[-1])) + 1
    if problem.trainable and ends[m - 1] != problem.trainable:
        return None
    end = log_last_unending(beta, tolerance, m / values.size)
    return open_window(begin - log_rate - log(values[0]), end - log_rate - log(values[m - 1]))


@own_keywords
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

    Examples
    --------
    >>> from dataclasses import replace
    >>> many = replace(linear, spectrum=ode_sgd.Spectrum.power_law(100_000, beta=1.0))
    >>> [round(count) for count in ode_sgd.theory.linear_feature_window(many)]
    [200, 1477]
    """
    require_linear(problem)
    spectrum, tolerance = problem.spectrum, _checked(tolerance)
    beta, L = _beta(spectrum), _levels(spectrum)[0].size
    log_x = _log_criticality(problem)
    if log_x >= 0.0:
        return None
    # The share m w lambda_m of the trace is w lambda_1 m^-beta.
    share = -inf if log_x == -inf else log_x - log(-expm1(log_x)) + _log_first_share(spectrum)
    begin = max(log(0.5 / (DISCRETE * tolerance)), (share - log(FEEDBACK * tolerance * beta)) / beta)
    allowed = FINITE_SPECTRUM * tolerance
    end = log(L) + log(allowed / (1.0 + allowed)) / beta
    window = open_window(begin, end)
    return None if window is None else open_between(float(np.ceil(window[0])), float(np.floor(window[1])))


@own_keywords
@check.underflow_is_zero
def asymptotic_exponent(problem: Problem, tolerance: float = 0.02) -> PowerLaw | None:
    """The law eps_g ~ alpha^(-beta / (1 + beta)) and its window, where the spectrum is a power law that shows one.

    For linear networks the window is that of `linear_time_window`. Any other activation has the law once the students
    have specialised, for K = M, the same second layers and activations, all sectors learning and no label noise. Its
    window then comes from the decay rates of small deviations from the teacher, eta lambda_k l_i with l the eigenvalues
    of D (K, K), the students' columns of A in (3.3), at J = B and T = I: the smallest at the beginning and the largest
    at the end, with the margins of the linear law. That is an estimate: it leaves out how long the plateau lasts, the
    coupling of the sectors through C, and all effects of a finite learning rate.

    Parameters
    ----------
    problem : Problem
    tolerance : float
        Above 0 and at most 0.2: what the local exponent may deviate, as a fraction of itself.

    Returns
    -------
    PowerLaw or None
        None where there is no such law or its window is closed.

    Raises
    ------
    InvalidProblem
        For a tolerance outside its range, and for a rule that is not plain SGD (weight decay).

    Notes
    -----
    Equation: (9.1). Source: Worschech & Rosenow, ICLR 2025.

    Examples
    --------
    >>> law = ode_sgd.theory.asymptotic_exponent(linear)
    >>> round(law.exponent, 3), law.window is not None
    (0.5, True)
    """
    check.instance("problem", problem, Problem)
    beta, tolerance = power_law_exponent(problem.spectrum), _checked(tolerance)
    if beta is None:
        return None
    require_plain_sgd(problem)
    linear = problem.g.is_linear
    window = linear_time_window(problem, tolerance) if linear else _specialised_window(problem, beta, tolerance)
    return None if window is None else PowerLaw(linear_time_exponent(beta), window)


def _specialised_window(problem: Problem, beta: float, tolerance: float) -> tuple[float, float] | None:
    alike = problem.student_units == problem.teacher_units and problem.teacher_like_student
    realisable = alike and np.array_equal(np.sort(problem.v), np.sort(problem.u))
    noisy = fixed(problem.label_noise) > 0.0 and not problem.gradient_flow
    if not realisable or noisy or (problem.learning == 0.0).any():
        return None
    largest = float(np.abs(problem.v).max())
    if largest == 0.0:
        return None
    K, v = problem.student_units, problem.v / largest
    A, G = np.empty((K, 2 * K)), np.empty((K, K))
    # Every student is its own teacher, T = I: their second layers are the same in this order.
    coefficient_kernels(problem.g).coefficients(np.tile(np.eye(K), (2, 2)), np.concatenate([v, -v]), 0.0, A, G)
    speeds = np.linalg.eigvalsh(A[:, :K])
    if not speeds[0] > 0.0:
        return None
    unit = log(2.0) + log(fixed(problem.learning_rate)) + 2.0 * log(largest)
    values = problem.spectrum.eigenvalues
    begin = log_first_continuous(beta, tolerance) - log(speeds[0]) - log(values[0])
    end = log_last_unending(beta, tolerance, 1.0) - log(speeds[-1]) - log(values[-1])
    return open_window(begin - unit, end - unit)


def _checked(tolerance: float) -> float:
    tolerance = check.number("tolerance", tolerance, above=0.0)
    if tolerance > COARSEST:
        raise InvalidProblem(f"tolerance = {tolerance:g} is too coarse; give 0 < tolerance <= {COARSEST}")
    return max(tolerance, FINEST)


def _log_rate(problem: Problem) -> float:
    """ln(2 eta'), -inf where the second layer is zero."""
    largest = float(np.abs(problem.v).max())
    if largest == 0.0:
        return -inf
    squares = float(np.sum((problem.v / largest) ** 2))
    return log(2.0) + log(fixed(problem.learning_rate)) + 2.0 * log(largest) + log(squares)


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


def _log_first_share(spectrum: Spectrum) -> float:
    """ln(w_1 lambda_1 / mu_1), the first level's share of the trace."""
    values, weights, _ = _levels(spectrum)
    return log(values[0] * weights[0] / spectrum.moment(1))
