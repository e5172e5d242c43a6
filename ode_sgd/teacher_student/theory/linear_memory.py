"""Optimisers with linear memory beside plain SGD (docs/theory/momentum.md): effective rates and exponents."""

from dataclasses import replace

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import Schedule, fixed, value_at
from ode_sgd.teacher_student.model.optimizers import DANA
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory import linear_network
from ode_sgd.teacher_student.theory.copies_at_rest import memory_of
from ode_sgd.teacher_student.theory.plain_sgd import require_plain_sgd
from ode_sgd.teacher_student.theory.power_laws import power_law_exponent

LATE = 1e15  # an alpha at which delta is d / alpha


@own_keywords
@check.underflow_is_zero
def effective_learning_rate(problem: Problem) -> float:
    """The rate of the plain SGD that a problem follows over times in which its memory is short, dimensionless.

    eta for `HeavyBall`, `Averaging` and `ScheduleFree`, eta (g2 + g1 g3 / delta) for `DANA` of constant numbers.

    Parameters
    ----------
    problem : Problem
        With any activation, and a learning rate that is a number.

    Raises
    ------
    InvalidProblem
        For schedules of the learning rate and of DANA's numbers, and where DANA forgets nothing.

    Notes
    -----
    Equation: (24.1).

    Examples
    --------
    >>> from dataclasses import replace
    >>> dana = ode_sgd.optimizers.DANA(g1=1.0, g2=0.5, g3=0.1, delta=0.2)
    >>> round(ode_sgd.theory.effective_learning_rate(replace(linear, optimizer=dana)) / linear.learning_rate, 12)
    1.0
    """
    require_plain_sgd(without_memory(problem))
    rate, optimizer = fixed(problem.learning_rate), problem.optimizer
    if not isinstance(optimizer, DANA):
        return rate
    if len(memory_of(problem).rates) < 2:  # momentum is not felt, or not made
        return rate * fixed(optimizer.g2)
    if not fixed(optimizer.delta):
        raise InvalidProblem(f"optimizer = {optimizer} with delta = 0 forgets nothing; give delta > 0")
    return rate * (fixed(optimizer.g2) + fixed(optimizer.g1) * fixed(optimizer.g3) / fixed(optimizer.delta))


@own_keywords
def linear_momentum_exponent(problem: Problem) -> float:
    """The exponent x of eps_g ~ alpha^-x of a linear unit that learns with `DANA` on a power law, dimensionless.

    With g3 ~ alpha^-c, 0 <= c < 1, and delta = d / (1 + alpha) modes down to lambda ~ alpha^(c - 2) are learned, in
    place of 1 / alpha, so that x = (2 - c) beta / (1 + beta). Without label noise, for a start that is alike in all
    sectors, between the times of the first and the last eigenvalue. c = 1 / (1 + beta) keeps the noise of the samples
    from growing at any number of eigenvalues.

    Parameters
    ----------
    problem : Problem
        Linear, its spectrum a power law. g1 and g2 > 0 numbers; g3 a number or `Schedule.power`; delta a
        `Schedule.power` of exponent 1.

    Raises
    ------
    InvalidProblem
        For anything else, and where d + c / 2 is not above x: oscillations die out too slowly then.

    Notes
    -----
    Equation: (24.4). Source: Ferbach et al., arXiv:2505.16098.

    Examples
    --------
    >>> from dataclasses import replace
    >>> fading = ode_sgd.Schedule.power(0.1, 0.5, 1.0)
    >>> dana = ode_sgd.optimizers.DANA(g1=1.0, g2=0.5, g3=fading, delta=ode_sgd.Schedule.power(4.0, 1.0, 1.0))
    >>> round(ode_sgd.theory.linear_momentum_exponent(replace(linear, optimizer=dana)), 6)
    0.75
    """
    linear_network.require_linear(without_memory(problem))
    optimizer, beta = problem.optimizer, power_law_exponent(problem.spectrum)
    if not isinstance(optimizer, DANA) or beta is None:
        raise InvalidProblem(
            f"optimizer = {optimizer} on {problem.spectrum.distinct} eigenvalues: this exponent is that of "
            "optimizers.DANA on a Spectrum.power_law"
        )
    forgets, c = _power_of("delta", optimizer.delta), _power_of("g3", optimizer.g3)
    if forgets != 1.0:
        raise InvalidProblem(
            f"delta = {optimizer.delta:g} does not fall as 1 / alpha; give Schedule.power(d, 1.0, 1.0)"
        )
    if c >= 1.0 or not all(isinstance(g, float) and g > 0.0 for g in (optimizer.g1, optimizer.g2)):
        raise InvalidProblem(f"{optimizer}: give numbers g1, g2 > 0, and g3 that falls more slowly than 1 / alpha")
    decay, exponent = float(value_at(optimizer.delta, LATE)) * LATE + 0.5 * c, (2.0 - c) * beta / (1.0 + beta)
    if decay <= exponent:
        raise InvalidProblem(
            f"{optimizer}: oscillations fall as alpha^-{decay:.3g}, more slowly than alpha^-{exponent:.3g}; give a "
            f"delta = Schedule.power(d, 1.0, 1.0) with d > {exponent - 0.5 * c:.3g}"
        )
    return exponent


def without_memory(problem: Problem) -> Problem:
    """The same problem for plain SGD."""
    check.instance("problem", problem, Problem)
    return problem if problem.update_rule.copies is None else replace(problem, optimizer=None)


def _power_of(name: str, value: float | Schedule) -> float:
    """The exponent with which it falls in the end; 0 of a number."""
    if not isinstance(value, Schedule):
        return 0.0
    if value.form != "power":
        raise InvalidProblem(f"{name} = {value:g} is no power of alpha; give a number or Schedule.power(..)")
    return float(value.arguments["exponent"])
