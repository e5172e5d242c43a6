"""The ends of the windows of power laws, as logarithms (docs/theory/linear_network.md section 7).

An end is where the first corrections to the law change its local exponent by their share of the tolerance. Ends are
powers 1 / beta of such shares, beyond all floats for small beta.
"""

from collections.abc import Callable
from math import exp, expm1, gamma, inf, log, pi, sin, sqrt

FINITE_SPECTRUM, DISCRETE, FEEDBACK = 0.75, 0.125, 0.125  # shares of the tolerance
LARGEST_LOG = 709.0  # exp(709.8) overflows


def open_window(low: float, high: float) -> tuple[float, float] | None:
    """The window from the logarithms of its ends."""
    if not low < high or low > LARGEST_LOG:
        return None
    return open_between(exp(low), exp(high) if high <= LARGEST_LOG else inf)


def open_between(low: float, high: float) -> tuple[float, float] | None:
    return (low, high) if low < high else None


def log_last_unending(beta: float, tolerance: float, part: float) -> float:
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


def log_first_continuous(beta: float, tolerance: float) -> float:
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


def log_first_without_feedback(beta: float, log_x: float, first_share: float, tolerance: float) -> float:
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
    # F / F(0) = e^first_share Gamma(nu) u_1^-nu / (1 + beta)
    return (per_share + first_share + log(gamma(nu) * rest / g)) / nu


def _reciprocal_gamma(z: float) -> float:
    """1 / Gamma(z), zero at its poles."""
    return 0.0 if z <= 0.0 and z == round(z) else 1.0 / gamma(z)
