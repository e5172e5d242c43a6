"""Critical learning rate and floors of linear students, against the integrated ODE and against simulations."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd.teacher_student.theory import critical_learning_rate, linear_error, linear_network, noise_floor
from tests.reference.theory import linear_error_vector
from tests.teacher_student.theory.cases import linear, rough

TWO = ode_sgd.Spectrum([0.5, 1.5], [0.5, 0.5])


def problem(**changes):
    options = {"student_units": 2, "teacher_units": 2, "student_weights": None, "teacher_weights": None}
    return linear(**({"spectrum": TWO, "learning_rate": 0.4, "label_noise": 0.3} | options | changes))


def single(**changes):
    """K = M = 1: e = J - B."""
    return problem(student_units=1, teacher_units=1, **changes)


def at_distance(e):
    """Overlaps with e_k = e (2,), around a teacher of T = 1."""
    t = np.ones((2, 1, 1))
    return ode_sgd.OrderParameters(t + np.reshape(e, (2, 1, 1)), t, t)


# --- floors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"label_noise": 0.0}, {"gradient_flow": True}], ids=["noise", "none", "flow"])
@pytest.mark.parametrize("trainable", [None, 1, 4])
def test_the_floor_is_where_the_error_ends(changes, trainable):
    one = linear(**{"trainable": trainable, "label_noise": 0.3} | changes)
    start = rough(one)
    floor = noise_floor(one, start)
    end = linear_error(one, start, [1e6])[0]
    assert end == pytest.approx(floor, rel=1e-11, abs=1e-300)  # exp(-1e5) is gone; ten rounding errors
    run = ode_sgd.integrate(one, start, [0.0, 60.0 / (one.learning_rate * one.spectrum.eigenvalues[-1])], rtol=1e-11)
    # exp(-60) is gone; where the floor is zero, rounding of overlaps of order one is left
    assert run.generalization_error[-1] == pytest.approx(floor, rel=1e-9, abs=1e-12)


def test_without_a_start_where_nothing_is_held():
    assert noise_floor(problem()) == noise_floor(problem(), rough(problem()))
    assert noise_floor(problem(gradient_flow=True)) == 0.0
    # a direction without variance holds nothing, trained or not
    assert noise_floor(problem(spectrum=ode_sgd.Spectrum([1.0, 0.0], [0.5, 0.5]), trainable=1)) > 0.0


def test_the_floor_against_simulation(record_property):
    """From the state that noise sustains, e_k = eta' (2 eps_g + sigma^2) / 2 in every sector that learns.

    At finite N it is higher by a relative amount of order eta' lambda_k / N. The reference has that term, and it must
    be below half a standard error.
    """
    N = 20_000
    for trainable in (None, 1):
        one = single(learning_rate=0.8, trainable=trainable)
        e = np.array([0.05, 0.05])
        for _ in range(200):  # to its fixed point, the floor
            floor = noise_floor(one, at_distance(e))
            e[: trainable or 2] = 0.5 * one.learning_rate * (2.0 * floor + one.label_noise**2)
        alpha = np.linspace(0.0, 12.0, 61)
        run = ode_sgd.simulate(one, at_distance(e), alpha, dimension=N, replicas=32, seed=5, method="reduced")
        # The overlaps at the start are exact and forget it in a time of 1 / (eta' lambda_k) = 2.5 at most.
        means = run.generalization_error[:, 15:].mean(axis=1)
        error = means.std(ddof=1) / np.sqrt(means.size)
        finite = 0.5 * linear_error_vector(one, at_distance(e), alpha[15:], N) @ one.spectrum.powers(1)
        bias = finite.mean() - floor
        z = (means.mean() - floor) / error
        record_property("measured", f"floor, trainable = {trainable}: z = {z:.2f}, of which {bias / error:.2f} at 1/N")
        assert abs(bias) < 0.5 * error
        assert error < 2e-3 * floor
        assert abs(z) < 3.0


# --- critical learning rate -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("v", [(1.0, 1.0), (0.5, -1.0)])
def test_the_error_grows_just_above_the_critical_rate_and_falls_just_below(v):
    critical = critical_learning_rate(problem(student_weights=v))
    start = ode_sgd.OrderParameters.random(problem(), 100, 0.5, 1.0, 1)
    late = {}
    for factor in (0.98, 1.02):
        trial = problem(student_weights=v, learning_rate=factor * critical, label_noise=0.0)
        late[factor] = ode_sgd.integrate(trial, start, [0.0, 100.0, 200.0]).generalization_error
    assert late[0.98][2] < late[0.98][1]
    assert late[1.02][2] > late[1.02][1]


def test_the_critical_rate_against_simulation(record_property):
    """The mean error falls below it, stays at it, grows above it, each as the closed form says.

    At finite N all rates change by a relative amount of order eta' lambda_k / N. The reference has that, and it must be
    below half a standard error, which falls as 1 / sqrt(N) only.
    """
    N, alpha = 80_000, np.array([0.0, 2.0])
    for factor in (0.97, 1.0, 1.03):
        one = single(learning_rate=factor * critical_learning_rate(single()), label_noise=0.0)
        start = at_distance([0.3, 0.3])  # alike in both sectors: at the critical rate they stay
        run = ode_sgd.simulate(one, start, alpha, dimension=N, replicas=16, seed=6, method="reduced")
        growth = run.generalization_error[:, 1] / run.generalization_error[:, 0]
        error = growth.std(ddof=1) / np.sqrt(growth.size)
        exact = linear_error(one, start, alpha)
        bias = (
            0.5 * linear_error_vector(one, start, alpha, N)[1] @ one.spectrum.powers(1) / exact[0] - exact[1] / exact[0]
        )
        z = (growth.mean() - exact[1] / exact[0]) / error
        told = f"growth {growth.mean():.4f} by alpha = 2, z = {z:.2f}, of which {bias / error:.2f} at 1/N"
        record_property("measured", f"eta = {factor} eta_c: {told}")
        assert abs(bias) < 0.5 * error
        assert abs(z) < 3.0
        if factor == 1.0:
            assert exact[1] == pytest.approx(exact[0], rel=1e-12)
        else:
            assert (growth.mean() - 1.0) * np.sign(factor - 1.0) > 20.0 * error


def test_refusals():
    for function in (linear_network.critical_learning_rate, linear_network.noise_floor):
        with pytest.raises(ode_sgd.InvalidProblem, match="linear"):
            function(problem(activation="erf"))
    with pytest.raises(ode_sgd.InvalidProblem, match="beyond critical"):
        noise_floor(problem(learning_rate=2.0))
    with pytest.raises(ode_sgd.InvalidProblem, match=r"trainable = 1.*needs a start"):
        noise_floor(problem(trainable=1))
    with pytest.raises(ode_sgd.InvalidStart, match=r"\(L, K, M\)"):
        noise_floor(problem(), rough(linear()))
    assert np.isfinite(critical_learning_rate(problem(trainable=1)))
