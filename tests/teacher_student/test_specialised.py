"""Below the rounding of the overlaps: eps_g once every student has found its teacher."""

from dataclasses import replace

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum, integrate
from ode_sgd.teacher_student.integration.scipy_methods import flat_right_hand_side
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system
from ode_sgd.teacher_student.integration.work_space import work_space
from ode_sgd.teacher_student.kernels.integration import rosenbrock
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.blocks import to_blocks
from tests.teacher_student.kernels.stepping import derivative

FLOOR = 1e-25  # down to which tails are wanted


def problem(L=1, **changes):
    spectrum = Spectrum.isotropic() if L == 1 else Spectrum.power_law(L, 1.0)
    values = {"spectrum": spectrum, "student_units": 2, "teacher_units": 2, "learning_rate": 0.5}
    return Problem(**{**values, **changes})


def start(one, seed=1):
    return OrderParameters.random(one, 1000 * one.spectrum.distinct, 0.3, seed=seed)


def grid(end, count=600):
    return np.concatenate([[0.0], np.geomspace(0.1, end, count)])


@pytest.mark.parametrize(("L", "end"), [(1, 2000.0), (64, 1.2e5)])
def test_the_tail_keeps_its_relative_precision(L, end, record_property):
    one, times = problem(L), grid(end)
    rough, fine = (integrate(one, start(one), times, rtol=rtol) for rtol in (1e-6, 1e-10))
    error = fine.generalization_error
    seen = error > FLOOR
    assert error[-1] < FLOOR  # the run goes on beyond
    worst = np.abs(rough.generalization_error[seen] / error[seen] - 1.0).max()
    record_property("measured", f"L = {L}: {worst:.1e} at rtol 1e-6, down to {error[seen].min():.1e}")
    assert worst < 1e-5  # ten times the tolerance
    assert rough.resolution < 1e-45
    assert (np.diff(rough.generalization_error[error < 1e-6]) < 0.0).all()


def test_the_exponential_tail_has_the_linearised_rates(record_property):
    """L = 1, from 1e-12 to 1e-25: eps_g is linear in the modes of the overlaps and quadratic in the slow ones."""
    one, times = problem(1), np.linspace(0.0, 2000.0, 401)
    fixed = OrderParameters(np.eye(2)[None], np.eye(2)[None], np.eye(2)[None])
    run = integrate(one, replace_teacher(start(one)), times, rtol=1e-9)
    error = run.generalization_error
    tail = (error < 1e-12) & (error > FLOOR)
    y = layout.pack(fixed.q, fixed.r)
    drift = flat_right_hand_side(one.g, sector_system(one, fixed), y.shape)
    columns = [derivative(lambda e, u=u: drift(0.0, y.ravel() + e * u), 0.0, 1e-3) for u in np.eye(y.size)]
    rates = np.sort(np.linalg.eigvals(np.array(columns).T).real)[::-1]
    assert rates[0] < 0.0
    # The slowest rates: twice that of the slowest mode (a pair of them), and the next mode's own.
    slow = np.array([2.0 * rates[0], rates[2]])
    modes = np.exp(np.outer(times[tail] - times[tail][0], slow)) / error[tail, None]
    amplitudes = np.linalg.lstsq(modes, np.ones(tail.sum()))[0]
    residual = np.abs(modes @ amplitudes - 1.0).max()
    record_property("measured", f"rates {slow[0]:.7f} and {slow[1]:.7f}, residual {residual:.1e}")
    assert tail.sum() > 20
    # Steps of 1e-9, a few hundred of them; the next order of the modes is 1e-12.
    assert residual < 1e-6


def replace_teacher(start):
    """The same angles with an orthonormal teacher."""
    B = np.linalg.inv(np.linalg.cholesky(start.t[0]))
    return OrderParameters(start.q, (start.r[0] @ B.T)[None], np.eye(2)[None])


def test_nothing_jumps_at_the_switch(monkeypatch):
    """Against a run that never switches, as long as the overlaps resolve eps_g; and steps in the curve are smooth."""
    one, times = problem(4), grid(1500.0, 2000)
    switched = integrate(one, start(one), times, rtol=1e-9)
    monkeypatch.setattr("ode_sgd.teacher_student.integration.near_teacher.possible", lambda system: False)
    plain = integrate(one, start(one), times, rtol=1e-9)
    assert plain.resolution > 0.0
    assert switched.resolution < 1e-45
    resolved = plain.generalization_error > 1e5 * plain.resolution
    assert plain.generalization_error[resolved].min() < 1e-7
    # Ten times the tolerance, and rounding over the smallest error compared.
    ratio = switched.generalization_error[resolved] / plain.generalization_error[resolved]
    np.testing.assert_allclose(ratio, 1.0, rtol=2e-5)
    np.testing.assert_allclose(switched.Q, plain.Q, rtol=0.0, atol=1e-8)
    np.testing.assert_allclose(switched.R, plain.R, rtol=0.0, atol=1e-8)


def test_sectors_and_moments_are_overlaps_also_after_the_switch():
    one = problem(4)
    run = integrate(one, start(one), grid(3e4, 50), sectors=True)
    assert run.resolution < 1e-45
    share = one.spectrum.weights * one.spectrum.eigenvalues
    np.testing.assert_allclose(run.Q, np.tensordot(run.sectors.q, share, (1, 0)), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run.R, np.tensordot(run.sectors.r, share, (1, 0)), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run.final.gram[:, :2, :2], run.sectors.q[-1], rtol=0.0, atol=1e-14)
    match = np.abs(run.R[-1]).argmax(axis=1)
    np.testing.assert_allclose(run.sectors.r[-1], run.sectors.t[:, match], atol=1e-6)  # students are teachers


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_teachers_in_any_order(order):
    """v unequal: only one pairing is a solution; the order in which teachers are written down means nothing."""
    one, times = problem(2, student_weights=[1.0, 0.6], teacher_weights=[1.0, 0.6]), grid(8e3, 200)
    begin = start(one, seed=3)
    plain = integrate(one, begin, times, rtol=1e-8)
    other = replace(one, teacher_weights=tuple(one.u[order]))
    moved = OrderParameters(begin.q, begin.r[:, :, order], begin.t[:, order][:, :, order])
    run = integrate(other, moved, times, rtol=1e-8)
    assert plain.generalization_error[-1] < 1e-16  # beyond what overlaps resolve
    assert run.resolution == plain.resolution < 1e-45
    seen = plain.generalization_error > FLOOR
    # Sums in another order round differently, and steps follow: far below ten times the tolerance.
    np.testing.assert_allclose(run.generalization_error[seen], plain.generalization_error[seen], rtol=1e-7)
    np.testing.assert_allclose(run.R, plain.R[:, :, order], rtol=0.0, atol=1e-8)
    np.testing.assert_allclose(run.final.t, moved.t, atol=0.0)


def test_the_error_stays_right_where_no_switch_is_possible(record_property):
    """v is not a reordering of u: overlaps it is, with their resolution told."""
    one, times = problem(1, student_weights=[1.0, 0.6], teacher_weights=[0.8, 0.7]), grid(3e3, 60)
    run = integrate(one, start(one), times)
    exact = integrate(one, start(one), times, rtol=1e-12, atol=1e-14, method="DOP853")
    assert run.resolution > 0.0
    np.testing.assert_allclose(run.generalization_error, exact.generalization_error, rtol=1e-5, atol=1e-9)
    assert run.generalization_error[-1] > 1e-6  # it cannot vanish


def test_noise_ends_on_a_floor():
    one = problem(1, label_noise=0.1)
    run = integrate(one, start(one), [0.0, 2e3, 4e3, 1e6])
    assert run.status == "complete"
    assert run.resolution > 0.0
    assert run.generalization_error[-1] > 1e-4
    # Stationary: what is left of transients is below the tolerance.
    np.testing.assert_allclose(run.generalization_error[2:], run.generalization_error[1], rtol=1e-5)


def test_a_start_at_the_solution():
    """Nothing to learn: no error, no step too many, status complete."""
    one = problem(4)
    teacher = start(one).t
    run = integrate(one, OrderParameters(teacher, teacher, teacher), grid(1e4, 10))
    assert run.status == "complete"
    assert (run.generalization_error < 1e-28).all()  # the rounding of differences, squared
    np.testing.assert_allclose(run.final.q, teacher, rtol=0.0, atol=1e-13)


def test_the_kernel_says_when():
    """Differences large, small, and drowned in the overlaps' rounding."""
    one, base = problem(3), start(problem(3)).t
    for shrink, expected in ((0.5, False), (0.05, True), (1e-12, True)):
        begin = OrderParameters((1 - shrink) ** 2 * base, (1 - shrink) * base, base)
        system = sector_system(one, begin)
        s, _ = work_space(system)
        Q, R, T = begin.moments(one.spectrum, 1)
        C = np.ascontiguousarray(np.block([[Q, R], [R.T, T]]))
        found = rosenbrock.specialised(C, to_blocks(initial_state(begin)), s, layout.overlap_index(2, 2), 1e-9)
        assert found == expected
