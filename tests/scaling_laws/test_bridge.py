"""The lazy student of a task and the linear student of the teacher-student model: one curve from two programs."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import scaling_laws as sl
from ode_sgd.scaling_laws.bridge import linear_student

ALPHA = np.array([0.0, 0.3, 1.0, 3.0, 10.0, 30.0])


def problem_of(student):
    spectrum = ode_sgd.Spectrum(student.eigenvalues, student.weights)
    problem = ode_sgd.Problem(
        spectrum=spectrum, student_units=1, teacher_units=1, activation="linear",
        learning_rate=student.learning_rate, label_noise=student.label_noise,
    )  # fmt: skip
    teacher = student.teacher[:, None, None]
    return problem, ode_sgd.OrderParameters(np.zeros_like(teacher), np.zeros_like(teacher), teacher)


def both(task, learning_rate, label_noise, alpha):
    """Losses by the ODE of the core and by the recursion of modes, at equal steps."""
    student = linear_student(task, learning_rate, label_noise)
    steps = np.rint(alpha * student.dimension)
    problem, start = problem_of(student)
    ode = ode_sgd.integrate(problem, start, student.alpha(steps))
    own = sl.FeatureLearning(task, label_noise=label_noise).sgd(steps, learning_rate=learning_rate, batch_size=1)
    return student.loss(ode.generalization_error), own.loss


@pytest.mark.parametrize("label_noise", [0.0, 0.5])
def test_the_ode_is_the_recursion_of_many_modes(label_noise):
    """Three eigenvalues with M / 3 modes each: the two differ by O(1 / M).

    While the loss falls to a fifth: later what the ODE's own tolerance leaves is as large.
    """
    off = []
    for modes in (300, 30_000):
        task = sl.PowerLawTask.from_spectrum(
            [2.0, 0.8, 0.2], teacher=[1.0, 0.3, 0.5], multiplicities=np.full(3, modes / 3)
        )
        # eta M mu = 1.2 for both: a learning rate at which the noise is as large as the loss.
        ode, own = both(task, 1.2 / modes, label_noise, ALPHA[:4])
        off.append(np.abs(own / ode - 1.0).max())
    assert off[1] < 3e-4 and 80.0 < off[0] / off[1] < 125.0  # 100 but for the next order


def test_the_noise_of_steps_is_seen():
    """That curve is not one of vanishing steps, which would hide a wrong noise: it lies far above gradient flow."""
    task = sl.PowerLawTask.from_spectrum([2.0, 0.8, 0.2], teacher=[1.0, 0.3, 0.5], multiplicities=np.full(3, 10_000.0))
    steps = np.array([300_000.0])
    sgd = sl.FeatureLearning(task, label_noise=0.5).sgd(steps, learning_rate=4e-5, batch_size=1)
    flow = sl.FeatureLearning(task).flow(4e-5 * steps)
    assert sgd.loss[0] > 2.0 * flow.loss[0]


def test_networks_of_the_core_are_as_the_recursion_says():
    """At 60 modes, where the ODE is off by some percent: exact in the mean, so within 4 standard errors."""
    task = sl.PowerLawTask.from_spectrum([2.0, 0.8, 0.2], teacher=[1.0, 0.3, 0.5], multiplicities=[20, 20, 20])
    student = linear_student(task, 0.02, 0.5)
    problem, start = problem_of(student)
    networks = ode_sgd.simulate(problem, start, ALPHA, dimension=student.dimension, replicas=2000, seed=7)
    steps = np.rint(networks.alpha * student.dimension)
    own = sl.FeatureLearning(task, label_noise=0.5).sgd(steps, learning_rate=0.02, batch_size=1)
    mean = student.loss(networks.mean().generalization_error)
    error = student.loss(networks.standard_error().generalization_error)
    assert (np.abs(own.loss - mean)[1:] / error[1:]).max() < 4.0
    ode = ode_sgd.integrate(problem, start, networks.alpha)
    far = np.abs(student.loss(ode.generalization_error) - mean)[1:] / error[1:]
    assert far.max() > 8.0  # so that the test tells the exact recursion from its limit


def test_a_power_law_with_a_teacher_alike_everywhere():
    """capacity = 1 + b, source = b / (1 + b) is Spectrum.power_law(.., b) with t_k = const."""
    b = 0.4
    task = sl.PowerLawTask(capacity=1.0 + b, source=b / (1.0 + b), modes=50)
    student = linear_student(task, 0.01)
    np.testing.assert_allclose(student.eigenvalues, ode_sgd.Spectrum.power_law(50, b).eigenvalues, rtol=1e-13)
    np.testing.assert_allclose(student.weights, 0.02, rtol=1e-15)
    np.testing.assert_allclose(student.teacher, task.trace, rtol=1e-13)


def test_overlaps_are_residuals_and_variances():
    """R_k / T_k is the mean share that is learned, Q_k - R_k^2 / T_k the variance: their loss is that of the curve."""
    task = sl.PowerLawTask.from_spectrum([2.0, 0.2], teacher=[1.0, 0.5], multiplicities=[10_000, 10_000])
    student = linear_student(task, 1e-5)
    problem, start = problem_of(student)
    ode = ode_sgd.integrate(problem, start, [0.0, 5.0], sectors=True)
    q, r, t = (getattr(ode.sectors, name)[..., 0, 0] for name in ("q", "r", "t"))
    learned = r[-1] / t
    np.testing.assert_allclose(learned, 1.0 - np.exp(-1e-5 * task.eigenvalues * 5.0 * 20_000), rtol=1e-6)
    variance = (q[-1] - r[-1] ** 2 / t) / task.trace  # of a weight, in the task's units
    loss = task.teacher_power @ (1.0 - learned) ** 2 + (task.eigenvalues * task.multiplicities) @ variance
    np.testing.assert_allclose(student.loss(ode.generalization_error)[-1], loss, rtol=1e-7)


def test_bad_input_is_named():
    task = sl.PowerLawTask(modes=50)
    with pytest.raises(ode_sgd.InvalidProblem, match="task is a int"):
        linear_student(3, 0.1)
    with pytest.raises(ode_sgd.InvalidProblem, match="learning_rate = 0"):
        linear_student(task, 0.0)
    with pytest.raises(ode_sgd.InvalidProblem, match="label_noise = -1"):
        linear_student(task, 0.1, -1.0)
