"""How fast the plateau is left, and how its length scatters (docs/theory/plateau.md section 8)."""

from dataclasses import dataclass
from math import log, sqrt

from scipy.special import polygamma

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory import branch as branches
from ode_sgd.teacher_student.theory import closed_forms, even_saddle, momentum_saddle
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.branch_fixed_point import SymmetricFixedPoint
from ode_sgd.teacher_student.theory.escape_modes import clusters, linearisation


@dataclass(frozen=True, slots=True, kw_only=True)
class EscapeLaw:
    """Law of the escape times of finite-N starts, `escape_law`; times in units of alpha.

    Attributes
    ----------
    rate : float
        lambda_esc, per unit of alpha.
    directions : int
        n, the number of directions that grow at this rate: (K-1)(M-1) for an orthonormal teacher.
    standard_deviation : float
        sqrt(psi'(n/2)) / (2 lambda_esc), whatever N, of the time at which the asymmetry reaches a given size. For n = 1
        it is pi / (2 sqrt2 lambda_esc), and that of every other time of the escape as well.
    growth_per_decade : float
        ln(10) / (2 lambda_esc): by how much the mean is longer for ten times the N.

    Examples
    --------
    >>> law = ode_sgd.theory.escape_law(problem, start)
    >>> bool(np.isclose(law.growth_per_decade, np.log(10) / (2.0 * law.rate)))
    True
    """

    rate: float
    directions: int
    standard_deviation: float
    growth_per_decade: float


@own_keywords
@check.underflow_is_zero
def escape_rate(problem: Problem, start: Start = None, branch: str | None = None) -> float:
    """Growth rate lambda_esc of the leading mode that breaks the students' symmetry, per unit of alpha.

    It is the largest real eigenvalue of the linearised ODE at `symmetric_saddle` among the modes in which students
    begin to differ in their overlaps with the teachers, at the problem's learning rate, in O(L).

    Parameters
    ----------
    problem, start, branch
        As for `symmetric_saddle`. With `HeavyBall` overlaps with the teachers grow as (-gamma + sqrt(gamma^2 + 4 gamma
        s)) / 2, s the rate of plain SGD: exactly under gradient flow, and else but for the noise of order eta^2.

    Raises
    ------
    InvalidProblem
        As `symmetric_saddle`, and where no such mode grows.

    Notes
    -----
    With gradient_flow=True, erf, K = M, equal second-layer weights s, no label noise and no start:
    s^2 eta (mu_2 / mu_1) (2/pi) K / sqrt((2K-1) (2K+1)^3), mu_l = Tr Sigma^l / N. Otherwise a root of a determinant of
    size M + 2 at most. Identical students are also driven apart by noise, at rates of order eta^2: such modes are not
    counted, though they are faster where learning rate or label noise is large. At the saddle of an even activation
    it is the growth of the overlaps with the teachers: 4 v u eta mu_2 / mu_1 T at small learning rates (phase
    retrieval), whatever K, M and the spectrum.
    Equations: (8.3), (8.5) and (24.6).

    Examples
    --------
    >>> round(ode_sgd.theory.escape_rate(problem, start), 4)
    0.0627
    >>> round(ode_sgd.theory.escape_rate(problem, branch="split"), 4)
    0.0671
    """
    if momentum_saddle.is_meant(problem):
        return momentum_saddle.escape_rate(problem, escape_rate(*momentum_saddle.without(problem, start), branch))
    if even_saddle.is_meant(problem, branch):
        return even_saddle.growth_rate(problem, even_saddle.at_rest(problem, branches.teacher_of(problem, start)))
    return growth_rates(problem, branches.saddle(problem, start, branch), start)[0]


@own_keywords
@check.underflow_is_zero
def escape_law(problem: Problem, start: Start = None, branch: str | None = None) -> EscapeLaw:
    """Spread of the escape times over random starts at finite N, and growth of their mean with N.

    What breaks the symmetry at the beginning of the plateau is normal with covariance V / N, the same in all n
    directions that grow at lambda_esc, so that alpha_esc = [c - ln|g| - ln(V / N) / 2] / lambda_esc, |g| with the chi
    law of n degrees of freedom. For n > 1 the way on from there depends on the direction, and the time of half height
    scatters more: 2.5 times as much for K = M = 3.

    Parameters
    ----------
    problem : Problem
        As for `symmetric_saddle`.
    start : OrderParameters, Trajectory or None
        Supplies the teacher's overlaps, the same in all runs; None is an orthonormal teacher, or a random one at large
        N. Only directions of equal rates are counted.
    branch : str or None
        As for `symmetric_saddle`: "identical" for small student_scale^2 and learning rates, as 0.01^2 and 0.1; "split"
        for large ones, as 0.3^2 and 1; None finds it from the start.

    Raises
    ------
    InvalidProblem
        As `escape_rate`.

    Notes
    -----
    The plateau must be long: many 1 / lambda_esc. Equation: (8.7).

    Examples
    --------
    >>> law = ode_sgd.theory.escape_law(problem, start)
    >>> law.directions, round(law.standard_deviation, 1)
    (1, 17.7)
    """
    if momentum_saddle.is_meant(problem):
        plain, own = momentum_saddle.without(problem, start)
        return law_at(problem, own, branches.saddle(plain, own, branch))
    return law_at(problem, start, branches.saddle(problem, start, branch))


def law_at(problem: Problem, start: Start, rest: SymmetricFixedPoint) -> EscapeLaw:
    """`escape_law` where the saddle is known."""
    plain = growth_rates(momentum_saddle.of_sgd(problem), rest, start)
    rates = [momentum_saddle.escape_rate(problem, rate) for rate in plain]
    directions = (problem.student_units - 1) * len(clusters(rates)[0])
    return EscapeLaw(
        rate=rates[0],
        directions=directions,
        standard_deviation=sqrt(float(polygamma(1, 0.5 * directions))) / (2.0 * rates[0]),
        growth_per_decade=log(10.0) / (2.0 * rates[0]),
    )


def growth_rates(problem: Problem, rest: SymmetricFixedPoint, start: Start) -> list[float]:
    """Positive growth rates of one copy of the breaking modes (there are K - 1 copies), falling."""
    if problem.g.has_kink and rest.own == 0.0:
        raise InvalidProblem(
            f"activation = {str(problem.g)!r} has a kink at 0: identical students part faster than at any rate; give "
            "branch='split', on which the plateau rests"
        )
    rates = linearisation(problem, rest).growth_rates()
    if not rates:
        raise InvalidProblem(
            "there is nothing to escape from: at this symmetric fixed point no overlap with the teachers drives the "
            "students apart (noise may, if they are identical); see branch='split', or give the student more to learn"
        )
    if closed_forms.exist(problem, start):
        return [closed_forms.rate(problem)] * len(rates)
    return rates
