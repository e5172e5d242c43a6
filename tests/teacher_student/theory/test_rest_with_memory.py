"""Where students with memory and weight decay come to rest, and how fast, beside the ODE and its Jacobian by hand."""

from dataclasses import replace

import numpy as np
import pytest

from ode_sgd import InvalidProblem, OrderParameters, Problem, Schedule, Spectrum, integrate, theory
from ode_sgd.optimizers import DANA, Averaging, HeavyBall, ScheduleFree
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.theory.floors.relaxation import TeacherModes

FOUR = Spectrum([2.2, 1.0, 0.5, 0.3], [0.25] * 4)
THREE = Spectrum([2.0, 0.7, 0.3], [0.3, 0.3, 0.4])
CONSTANT = {
    "SGD": None,
    "heavy ball": HeavyBall(0.2),
    "average": Averaging(0.5),
    "slow average": Averaging(0.003),
    "DANA": DANA(1.0, 0.5, 0.3, 0.4),
    "DANA that forgets nothing": DANA(1.0, 0.5, 0.3, 0.0),
    "DANA, fast sectors last": DANA(1.0, 1.0, 0.05, 0.01),
    "DANA without a push": DANA(1.0, 0.5, 0.0, 0.0),
    "DANA without momentum": DANA(0.0, 0.5, 0.3, 0.0),
}
LINEAR = Problem(
    spectrum=FOUR,
    student_units=2,
    teacher_units=2,
    learning_rate=0.5,
    activation="linear",
    label_noise=0.3,
    student_weights=[1.0, -0.4],
    teacher_weights=[0.7, 0.5],
)
ONE = replace(LINEAR, student_units=1, student_weights=[1.1], teacher_units=1, teacher_weights=None, label_noise=0.0)
ERF = Problem(
    spectrum=THREE,
    student_units=2,
    teacher_units=2,
    learning_rate=1.0,
    student_weights=[1.0, 0.6],
    teacher_weights=[1.0, 0.6],
)


class Twin:
    """(18.2) with arrays, at students that are their teachers, and its derivatives by differences.

    A deviation E_r of the copies shows in E_r.E_s and in E_r.B: the first are what noise feeds back.
    """

    def __init__(self, problem, moving=None):
        self.problem, self.copies = problem, problem.update_rule.copies
        self.mixing, self.rates, self.p, self.at_rest = np.zeros((1, 1)), np.ones(1), np.ones(1), np.ones(1)
        if self.copies is not None:
            self.mixing, self.rates = self.copies.mixing_at(0.0), self.copies.rates_at(0.0)
            self.p, self.at_rest = self.copies.p, np.array(self.copies.start)
        if moving is not None:
            self.mixing, self.rates, self.p = self.mixing[:moving, :moving], self.rates[:moving], self.p[:moving]
            self.at_rest = self.at_rest[:moving]
        self.K, self.R, self.L = problem.student_units, len(self.rates), problem.spectrum.distinct
        self.t = np.tile(np.eye(self.K), (self.L, 1, 1)) / problem.spectrum.moment(1)
        students = np.kron(self.at_rest[:, None], np.eye(self.K))
        self.whole = np.concatenate([students, np.eye(self.K)])
        self.c = self.whole @ self.t @ self.whole.T

    def drift(self, c):
        K, R, one = self.K, self.R, self.problem
        fields = np.block([[np.kron(self.p, np.eye(K)), np.zeros((K, K))], [np.zeros((K, R * K)), np.eye(K)]])
        A, G = np.empty((K, 2 * K)), np.empty((K, K))
        C = np.einsum("k,ab,kbc,dc->ad", one.spectrum.powers(1), fields, c, fields)
        coefficient_kernels(one.g).coefficients(np.ascontiguousarray(C), one.signed_weights, 0.0, A, G)
        eta, lam = one.learning_rate, one.spectrum.eigenvalues[:, None, None]
        decay = np.hstack([np.eye(K), np.zeros((K, K))]) * one.weight_decay
        X = np.zeros_like(c)
        X[:, : R * K] = np.kron(self.mixing, np.eye(K)) @ c[:, : R * K]
        X[:, : R * K] -= eta * np.kron(self.rates[:, None], np.eye(K)) @ ((lam * A + decay) @ fields @ c)
        found = X + X.transpose(0, 2, 1)
        if not one.gradient_flow:
            found[:, : R * K, : R * K] += eta**2 * lam * np.kron(np.outer(self.rates, self.rates), G)
        return found

    def rates_of_noise(self):
        """Of E_r.E_s, from the slowest."""
        n = self.R * self.K
        i, j = np.triu_indices(n)
        columns = []
        for k in range(self.L):
            for a, b in zip(i, j, strict=True):
                change = np.zeros_like(self.c)
                change[k, a, b] = change[k, b, a] = 1.0
                slope = self._slope(change)
                with_students = slope[:, :n, n:] @ self.whole[:n].T  # E_r.B also moves, since the fields are no lines
                of_deviations = slope[:, :n, :n] - with_students - with_students.transpose(0, 2, 1)
                columns.append(of_deviations[:, i, j].ravel())
        return np.sort(-np.linalg.eigvals(np.array(columns).T).real)

    def rates_of_means(self):
        """Of E_r.B, from the slowest."""
        n, K, columns = self.R * self.K, self.K, []
        for k in range(self.L):
            for a in range(n):
                for b in range(K):
                    change, beta = np.zeros_like(self.c), np.zeros((n, K))
                    beta[a, b] = 1.0
                    with_students = beta @ self.whole[:n].T
                    change[k, :n, :n] = with_students + with_students.T
                    change[k, :n, n:], change[k, n:, :n] = beta, beta.T
                    columns.append(self._slope(change)[:, :n, n:].ravel())
        return np.sort(-np.linalg.eigvals(np.array(columns).T).real)

    def _slope(self, change, h=1e-4):
        return (self.drift(self.c + h * change) - self.drift(self.c - h * change)) / (2.0 * h)


def counting(name):
    """How many copies count: momentum that is not felt grows without end where it forgets nothing."""
    return 1 if "without" in name else None


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", CONSTANT)
def test_linear_units_end_on_their_floor(name, decay):
    one = replace(LINEAR, optimizer=CONSTANT[name], weight_decay=decay)
    start = OrderParameters.typical(one, 0.4)
    end = 40.0 / theory.relaxation_rate(one)
    run = integrate(one, start, [0.0, end], rtol=1e-9)
    assert theory.noise_floor(one, start) == pytest.approx(run.generalization_error[-1], rel=1e-8)


def test_sectors_that_do_not_learn_and_a_teacher_that_differs_are_in_the_floor():
    one = replace(LINEAR, optimizer=HeavyBall(0.5), weight_decay=0.2, trainable=3)
    start = OrderParameters.random(one, 60, 0.5, seed=1)
    run = integrate(one, start, [0.0, 200.0], method="DOP853", rtol=1e-9)
    assert theory.noise_floor(one, start) == pytest.approx(run.generalization_error[-1], rel=1e-7)
    flow = replace(one, gradient_flow=True)
    run = integrate(flow, start, [0.0, 200.0], method="DOP853", rtol=1e-9)
    assert theory.noise_floor(flow, start) == pytest.approx(run.generalization_error[-1], rel=1e-7)
    assert theory.noise_floor(replace(flow, trainable=None)) != theory.noise_floor(replace(flow, trainable=None), start)


def slowest_of_student(problem, name, rate):
    """Of noise in the student itself, which an average does not change."""
    return Twin(replace(problem, learning_rate=rate), 1 if "average" in name else counting(name)).rates_of_noise()[0]


@pytest.mark.parametrize("units", ["linear", "linear with decay", "erf"])
@pytest.mark.parametrize("name", CONSTANT)
def test_the_critical_rate_is_where_the_jacobian_is_singular(name, units):
    one = replace(ERF if units == "erf" else ONE, optimizer=CONSTANT[name], weight_decay=0.3 * (units[-1] == "y"))
    critical = theory.critical_learning_rate(one)
    low, there, high = (slowest_of_student(one, name, factor * critical) for factor in (0.99, 1.0, 1.01))
    assert low > 1e-5 and high < -1e-5 and abs(there) < 1e-2 * min(low, -high)


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", CONSTANT)
def test_the_relaxation_rate_of_linear_units_is_that_of_the_jacobian(name, decay, flow):
    """The error is linear in what decay keeps off the teacher, and else a square."""
    one = replace(ONE, optimizer=CONSTANT[name], weight_decay=decay, gradient_flow=flow)
    twin = Twin(one, counting(name))
    means = twin.rates_of_means()[0] * (1.0 if decay else 2.0)
    assert theory.relaxation_rate(one) == pytest.approx(min(twin.rates_of_noise()[0], means), rel=1e-7)


def test_beyond_critical_the_rate_is_that_of_growth():
    one = replace(ONE, student_weights=None, optimizer=HeavyBall(0.2), learning_rate=3.0)
    rate = theory.relaxation_rate(one)
    assert rate < 0.0 and rate == pytest.approx(Twin(one).rates_of_noise()[0], rel=1e-7)
    with pytest.raises(InvalidProblem, match=r"is beyond critical \(2\) with optimizer = HeavyBall"):
        theory.noise_floor(one)
    with pytest.raises(InvalidProblem, match=r"beyond critical .* with weight_decay = 0\.1"):
        theory.noise_floor(replace(one, optimizer=None, weight_decay=0.1))


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("name", CONSTANT)
def test_the_relaxation_rate_of_other_units_is_that_of_the_jacobian(name, flow):
    one = replace(ERF, optimizer=CONSTANT[name], gradient_flow=flow)
    twin = Twin(one, counting(name))
    expected = min(twin.rates_of_noise()[0], 2.0 * twin.rates_of_means()[0])
    assert theory.relaxation_rate(one) == pytest.approx(expected, rel=1e-5)  # 1e-8 of the largest rate, 1e3 times it
    if name == "SGD":
        assert theory.relaxation_rate(one) == pytest.approx(theory.relaxation_rates(one).error, rel=1e-12)


@pytest.mark.parametrize("name", ["heavy ball", "average", "DANA"])
def test_floors_of_small_noise(name):
    """To the next order in sigma^2."""
    one = replace(ERF, optimizer=CONSTANT[name], label_noise=1e-3)
    state = np.tile(np.eye(2), (3, 1, 1)) / THREE.moment(1)
    run = integrate(one, OrderParameters(state, state, state), [0.0, 30.0 / theory.relaxation_rate(one)], rtol=1e-9)
    floor = theory.small_noise_floor(one)
    assert run.generalization_error[-1] == pytest.approx(1e-6 * floor, rel=1e-5)
    assert theory.noise_floor(replace(one, label_noise=1e-5)) == pytest.approx(1e-10 * floor, rel=1e-12)
    plain = theory.small_noise_floor(replace(one, optimizer=None))
    assert abs(floor / plain - 1.0) > (1e-5 if name == "heavy ball" else 0.05)
    assert theory.small_noise_floor(replace(one, gradient_flow=True)) == 0.0


def test_the_fastest_mode_of_the_overlaps():
    """Of it DANA's memory may make the slowest."""
    modes = TeacherModes(ERF, None).of_overlaps(ERF)
    assert modes.fastest == pytest.approx(Twin(ERF).rates_of_means()[-1], rel=1e-6)


def test_the_floor_of_a_heavy_ball_is_that_of_sgd_where_students_are_equal():
    ball = replace(ERF, student_weights=None, teacher_weights=None, label_noise=0.3, optimizer=HeavyBall(0.5))
    state = np.tile(np.eye(2), (3, 1, 1)) / THREE.moment(1)
    run = integrate(ball, OrderParameters(state, 0.95 * state, state), [0.0, 1000.0], rtol=1e-9)
    assert theory.noise_floor(ball) == pytest.approx(run.generalization_error[-1], rel=1e-8)
    for noise in (0.3, 0.004):
        at_noise = replace(ball, label_noise=noise)
        assert theory.noise_floor(at_noise) == theory.noise_floor(replace(at_noise, optimizer=None))
    with pytest.raises(InvalidProblem, match=r"HeavyBall.*small_noise_floor"):
        theory.noise_floor(replace(ball, student_weights=[1.0, 0.6], teacher_weights=[1.0, 0.6]))
    with pytest.raises(InvalidProblem, match=r"Averaging.*small_noise_floor"):
        theory.noise_floor(replace(ball, optimizer=Averaging(0.5)))


@pytest.mark.parametrize("friction", [1e20, 1e50])
def test_velocities_that_forget_at_once_are_plain_sgd(friction):
    for one in (LINEAR, replace(ERF, label_noise=1e-5)):
        ball = replace(one, optimizer=HeavyBall(friction))
        for function in (theory.noise_floor, theory.critical_learning_rate, theory.relaxation_rate):
            assert function(ball) == pytest.approx(function(one), rel=1e-8)


@pytest.mark.parametrize("name", ["DANA without a push", "DANA without momentum"])
def test_dana_whose_momentum_is_not_felt_is_sgd_of_its_own_step(name):
    for one in (LINEAR, replace(ERF, label_noise=1e-4)):
        dana, half = replace(one, optimizer=CONSTANT[name]), replace(one, learning_rate=0.5 * one.learning_rate)
        assert theory.effective_learning_rate(dana) == half.learning_rate
        assert theory.noise_floor(dana) == pytest.approx(theory.noise_floor(half), rel=1e-12)
        assert theory.critical_learning_rate(dana) == pytest.approx(2.0 * theory.critical_learning_rate(half), rel=1e-9)


def test_what_has_no_rest_is_refused():
    swings, still = DANA(1.0, 0.0, 1.0, 0.0), DANA(1.0, 0.0, 0.0, 0.5)
    for one in (LINEAR, ERF):
        for function in (theory.noise_floor, theory.critical_learning_rate, theory.relaxation_rate):
            with pytest.raises(InvalidProblem, match="keeps momentum for ever"):
                function(replace(one, optimizer=swings))
            for optimizer in (ScheduleFree(), Averaging("running_mean")):
                with pytest.raises(InvalidProblem, match="change with alpha"):
                    function(replace(one, optimizer=optimizer))
        with pytest.raises(InvalidProblem, match=r"moves nothing|nothing moves"):
            theory.relaxation_rate(replace(one, optimizer=still))
        with pytest.raises(InvalidProblem, match=r"weight_decay = power"):
            theory.relaxation_rate(replace(one, weight_decay=Schedule.power(0.5, 1.0, 1.0)))
    parked = replace(LINEAR, optimizer=still)
    start = OrderParameters.typical(parked, 0.4)
    assert theory.critical_learning_rate(parked) == np.inf
    assert theory.noise_floor(parked, start) == start.generalization_error(parked)
    with pytest.raises(InvalidProblem, match="error of a start"):
        theory.noise_floor(parked)
    with pytest.raises(InvalidProblem, match=r"weight_decay = 0\.1"):
        theory.relaxation_rate(replace(ERF, weight_decay=0.1))
    with pytest.raises(InvalidProblem, match="give K = M"):
        theory.critical_learning_rate(
            replace(ERF, student_units=3, student_weights=None, teacher_weights=None, optimizer=HeavyBall(1.0))
        )
    with pytest.raises(InvalidProblem, match="not below critical"):
        theory.small_noise_floor(replace(ERF, learning_rate=4.0, optimizer=HeavyBall(1.0)))
