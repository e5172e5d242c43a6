"""Integrations that end before the last output time."""

from pathlib import Path

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, integrate_batch
from tests.teacher_student.cases import SPECTRUM, problem, start

TIMES = np.array([0.0, 0.5, 2.0, 7.0])


@pytest.mark.parametrize("method", ["rodas5p", "DOP853", "LSODA"])
@pytest.mark.parametrize("factor", [1.5, 10.0, 1e6])
def test_a_learning_rate_beyond_critical_diverges(method, factor):
    """Linear network, theory section 7: eta sum v^2 > 2 / mu_1."""
    critical = 2.0 / (2.0 * SPECTRUM.moment(1))
    one = Problem(
        spectrum=SPECTRUM, student_units=2, teacher_units=1, learning_rate=critical * factor, activation="linear"
    )
    run = integrate(one, start(one), 100.0, sectors=True, method=method)
    assert run.status == "diverged"
    assert "learning_rate" in run.message
    assert "critical" in run.message
    n = len(run.alpha)
    assert 1 <= n < 401
    kept = n - (method == "rodas5p")  # its last time is that of its last step
    np.testing.assert_array_equal(run.alpha[:kept], integrate(problem(), start(problem()), 100.0).alpha[:kept])
    for array in (run.generalization_error, run.Q, run.R, run.sectors.q, run.sectors.r, run.final.gram):
        assert np.isfinite(array).all()
    for array in (run.generalization_error, run.Q, run.R, run.sectors.q):
        assert len(array) == n


def test_just_below_critical_it_does_not():
    critical = 2.0 / (2.0 * SPECTRUM.moment(1))
    one = Problem(
        spectrum=SPECTRUM, student_units=2, teacher_units=1, learning_rate=critical * 0.9, activation="linear"
    )
    run = integrate(one, start(one), 300.0)
    assert run.status == "complete"
    assert run.generalization_error[-1] < run.generalization_error[0]


@pytest.mark.parametrize("method", ["rodas5p", "DOP853"])
def test_an_interruption_keeps_what_was_reached(method):
    one, alpha, seen = problem(), np.linspace(0.0, 5000.0, 5001), []

    def impatient(at):
        seen.append(at)
        if at >= 1.0:
            raise KeyboardInterrupt

    run = integrate(one, start(one), alpha, method=method, progress=impatient)
    assert run.status == "interrupted"
    assert "interrupted" in run.message
    n = len(run.alpha)
    assert 2 <= n < len(alpha)
    kept = n - (method == "rodas5p")  # its last time is that of its last step
    np.testing.assert_array_equal(run.alpha[:kept], alpha[:kept])
    assert run.alpha[-1] <= seen[-1] < alpha[kept]  # all that was reached, and nothing more
    whole = integrate(one, start(one), alpha, method=method)
    np.testing.assert_array_equal(run.Q[:kept], whole.Q[:kept])
    np.testing.assert_array_equal(run.generalization_error[:kept], whole.generalization_error[:kept])


@pytest.mark.parametrize("method", ["rodas5p", "DOP853"])
def test_the_final_state_of_an_interrupted_run_belongs_to_its_last_time(method):
    def impatient(at):
        if at >= 1.0:
            raise KeyboardInterrupt

    one = problem()
    run = integrate(one, start(one), np.linspace(0.0, 5000.0, 501), method=method, progress=impatient)
    np.testing.assert_allclose(run.final.moments(SPECTRUM, 1)[0], run.Q[-1], rtol=1e-5)  # rtol 1e-6 interpolation


@pytest.mark.parametrize("method", ["rodas5p", "DOP853"])
def test_the_final_state_of_a_diverged_run_belongs_to_its_last_time(method):
    one = Problem(spectrum=SPECTRUM, student_units=2, teacher_units=1, learning_rate=1.5, activation="linear")
    run = integrate(one, start(one), 100.0, method=method)
    assert run.status == "diverged"
    np.testing.assert_allclose(run.final.moments(SPECTRUM, 1)[0], run.Q[-1], rtol=1e-5)


def test_an_error_in_progress_is_not_swallowed():
    one = problem()

    def broken(alpha):
        raise RuntimeError("the progress bar broke")

    with pytest.raises(RuntimeError, match="the progress bar broke"):
        integrate(one, start(one), TIMES, progress=broken)


QUADRATIC = Path(__file__).parents[1] / "activations" / "quadratic.py"


@pytest.mark.parametrize("method", ["rodas5p", "DOP853", "LSODA"])
def test_what_becomes_infinite_in_finite_time_diverges(method):
    """g(x) = x^2: no step meets the tolerance before the overlaps reach the limit; a larger rtol is no remedy."""
    one = Problem(
        spectrum=Spectrum.isotropic(), student_units=2, teacher_units=1, learning_rate=0.5, activation=QUADRATIC
    )
    first = OrderParameters.random(one, 100, 0.7, seed=1)
    run = integrate(one, first, 100.0, method=method)
    assert run.status == "diverged"
    # The singularity is one of the equations; all methods find it far more precisely than rtol.
    assert run.message == (
        "the overlaps diverged after alpha = 0.139942: learning_rate = 0.5 is too large; choose a smaller one"
    )
    if method == "rodas5p":
        assert [other.message for other in integrate_batch([one] * 3, [first] * 3, 100.0)] == [run.message] * 3
