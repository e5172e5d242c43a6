"""The floor of the error and the largest learning rate, for linear and other networks (docs/theory/floors.md)."""

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory import linear_network, linear_rest
from ode_sgd.teacher_student.theory.branch import Start
from ode_sgd.teacher_student.theory.floors import fixed_points, with_memory
from ode_sgd.teacher_student.theory.floors.covered import Teachers, require_nonlinear, speed, teachers_of
from ode_sgd.teacher_student.theory.floors.field_flow import FieldFlow
from ode_sgd.teacher_student.theory.floors.pairing_of_weights import specialised, unpaired
from ode_sgd.teacher_student.theory.floors.small_noise import ROUNDED, SmallNoise
from ode_sgd.teacher_student.theory.floors.specialised_branch import follow_teachers
from ode_sgd.teacher_student.trajectory import Trajectory


@own_keywords
@check.underflow_is_zero
def critical_learning_rate(problem: Problem, start: Start = None, *, dimension: int | None = None) -> float:
    """The learning rate from which on the error does not vanish without label noise, dimensionless.

    A linear student diverges beyond eta_c = 2 / (mu_1 sum_i v_i^2), with mu_1 over the sectors that learn (infinite
    where nothing moves), and in the mean over SGD at finite N beyond a smaller one. The error of an erf student
    stays finite: beyond eta_c a stable state of positive error takes the teacher's place (`noise_floor` has its error).
    Label noise is not looked at.

    Parameters
    ----------
    problem : Problem
        Linear, or K = M with the same second layers, up to order and for erf up to signs.
    start : OrderParameters, Trajectory or None
        The teacher's overlaps, which count unless the network is linear; None is an orthonormal teacher, T = I.
    dimension : int or None
        N of SGD, for linear networks; None is the ODE, N -> infinity.

    Raises
    ------
    InvalidProblem
        For anything else, and for a rule that is neither plain SGD nor one with linear memory of constant numbers;
        weight decay is known for linear networks.

    Notes
    -----
    Equations: (7.2), (21.5), (23.4), (24.3), (24.7) and (24.9).

    Examples
    --------
    >>> [round(ode_sgd.theory.critical_learning_rate(one), 6) for one in (linear, problem)]
    [2.0, 2.306828]
    """
    check.instance("problem", problem, Problem)
    if dimension is None and linear_rest.is_meant(problem):
        return linear_rest.critical_learning_rate(problem)
    if problem.g.is_linear:
        return linear_network.critical_learning_rate(problem, dimension)
    _refuse_dimension(problem, dimension)
    if problem.update_rule.copies is not None:
        return with_memory.NoiseWithMemory(problem, teachers_of(problem, start).T).critical()
    require_nonlinear(problem)
    if specialised(problem).left_over.size:
        raise InvalidProblem(
            f"student_units = {problem.student_units} are more than the teachers: students that are left over are free "
            "to move without an error, and no critical learning rate is known; give K = M"
        )
    return SmallNoise.at_teachers(problem, teachers_of(problem, start).T).critical() / problem.spectrum.moment(1)


@own_keywords
@check.underflow_is_zero
def noise_floor(problem: Problem, start: Start = None, *, dimension: int | None = None) -> float:
    """eps_g for alpha -> infinity, dimensionless: what label noise, too large a rate or too few students leave.

    Parameters
    ----------
    problem : Problem
        With any activation whose slope does not jump, but quadratic; the students' is the teacher's. K > M: erf. Linear
        also with weight decay, and an optimiser of linear memory whose numbers do not change, for the copy of the
        weights that it keeps; others with memory for small noise, and with `HeavyBall` where students are equal.
    start : OrderParameters, Trajectory or None
        The teacher's overlaps; None is an orthonormal one, T = I. Linear: supplies what sectors hold that do not learn,
        and is needed only for these; the teacher counts with weight decay. K < M, and weights that do not match: the
        state from which the flow leads to the floor, such as the last one of a run; needed.
    dimension : int or None
        N of SGD, for linear networks, of whose mean the floor then is; None is the ODE, N -> infinity.

    Returns
    -------
    float
        Of students that have become teachers. For K > M what is left once pairs of students have grown without end:
        the floor of K = M for even K - M, of one more student, of norm zero, for odd K - M. Below 1e-8, where rounding
        shows, to the first order in sigma^2, which is the more exact the smaller it is.

    Raises
    ------
    InvalidProblem
        Where there is none: at a linear network's critical rate and beyond, where students at their teachers are
        unstable even so, where a start is needed, and for what the theory does not cover (weight decay of
        networks that are not linear, for one).
    InvalidStart
        If the start does not fit the problem.

    Notes
    -----
    Equations: (7.3), (7.6), (21.1), (21.4), (23.4), (24.3), (24.7) and (24.9).

    Examples
    --------
    >>> from dataclasses import replace
    >>> round(ode_sgd.theory.noise_floor(replace(linear, label_noise=0.1)), 7)
    2.51e-05
    >>> round(ode_sgd.theory.noise_floor(noisy), 6)
    0.001168
    """
    check.instance("problem", problem, Problem)
    if dimension is None and linear_rest.is_meant(problem):
        return linear_rest.noise_floor(problem, start, _state(start))
    if problem.g.is_linear:
        return linear_network.noise_floor(problem, _state(start), dimension)
    _refuse_dimension(problem, dimension)
    if problem.update_rule.copies is not None:
        return with_memory.noise_floor(problem, start, lambda plain: noise_floor(plain, start))
    require_nonlinear(problem)
    teacher = teachers_of(problem, start)
    try:
        reduced = _without_pairs(problem)
    except InvalidProblem:
        if start is None:
            raise
        return fixed_points.fixed_point(problem, start).generalization_error
    return _at_teachers(reduced, teacher)


@own_keywords
@check.underflow_is_zero
def small_noise_floor(problem: Problem, start: Start = None) -> float:
    """The limit of eps_g / sigma^2 for small label noise sigma, at the problem's learning rate; dimensionless.

    For small eta it is (eta mu_1 / 4) sum_i v_i^2 E[g'(x_i)^2]: K eta mu_1 / (2 pi sqrt 3) for erf, v = 1 and T = I.

    Parameters
    ----------
    problem : Problem
        K = M, or K > M as for `noise_floor`, any spectrum; its label_noise is not looked at. With linear memory of
        constant numbers: K = M, the error of the copy that is kept.
    start : OrderParameters, Trajectory or None
        The teacher's overlaps; None is an orthonormal one, T = I.

    Raises
    ------
    InvalidProblem
        At the critical learning rate and beyond, and as `critical_learning_rate`.

    Notes
    -----
    Equations: (21.4) and (24.9).

    Examples
    --------
    >>> round(ode_sgd.theory.small_noise_floor(problem), 5)
    0.11713
    """
    check.instance("problem", problem, Problem)
    if problem.update_rule.copies is not None:
        return with_memory.small_noise_floor(problem, teachers_of(problem, start).T)
    require_nonlinear(problem)
    return _small(_without_pairs(problem), teachers_of(problem, start))


def _small(problem: Problem, teacher: Teachers) -> float:
    small = SmallNoise.at_teachers(problem, teacher.T)
    S = small.deviations(0.0 if problem.gradient_flow else speed(problem))
    if S is None:
        raise InvalidProblem(
            f"learning_rate = {problem.learning_rate:g} is not below critical "
            f"({small.critical() / problem.spectrum.moment(1):g}), so that the error stays finite without noise; "
            "theory.noise_floor gives it"
        )
    return small.error(S)


def _at_teachers(problem: Problem, teacher: Teachers) -> float:
    """The floor of students at their teachers. Equations: (21.1) and (21.4)."""
    if problem.gradient_flow:
        return 0.0
    small = SmallNoise.at_teachers(problem, teacher.T)
    S = small.deviations(speed(problem))
    estimate = None if S is None else fixed(problem.label_noise) ** 2 * small.error(S)
    if estimate is not None and estimate <= ROUNDED * float(problem.v @ problem.v):
        return estimate
    found = follow_teachers(problem, teacher.T)
    if found.unstable:
        raise InvalidProblem(
            f"learning_rate = {problem.learning_rate:g} with label_noise = {problem.label_noise:g}: students at their "
            f"teachers are unstable, in {found.unstable} directions; theory.fixed_point(problem) has this state, and a "
            "start that is not symmetric leads it to others"
        )
    return FieldFlow(problem, teacher.T).error(found.x)


def _without_pairs(problem: Problem) -> Problem:
    """The problem without the students that pair up; where one is left over it stays, with norm zero.

    Equation: (22.1).
    """
    pairs = specialised(problem)
    if pairs.left_over.size and not problem.g.has_near_teacher_form:
        raise InvalidProblem(
            f"student_units = {problem.student_units} are more than the teachers, with activation = "
            f"{str(problem.g)!r}: what students do that are left over is known for 'erf'; give K = M, or integrate the "
            "ODE"
        )
    alone = unpaired(problem, pairs.left_over)
    if len(alone) > 1:
        raise InvalidProblem(
            f"student_weights = {tuple(problem.v.tolist())}: students {', '.join(str(i + 1) for i in alone)} are left "
            "over with second-layer weights of different size, which form no free pair; give equal ones"
        )
    return fixed_points.without(problem, [i for i in pairs.left_over.tolist() if i not in alone])


def _state(start: Start) -> OrderParameters | None:
    """The order parameters of a start or of the end of a run."""
    if isinstance(start, Trajectory):
        return start.final[0] if isinstance(start.final, tuple) else start.final
    return start


def _refuse_dimension(problem: Problem, dimension: int | None) -> None:
    if dimension is not None:
        raise InvalidProblem(
            f"dimension = {dimension!r}, but at finite N only linear networks are solved, and activation = "
            f"{str(problem.g)!r}; leave it out"
        )
