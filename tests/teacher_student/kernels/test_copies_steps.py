"""Fixed steps of the Rosenbrock kernel for two copies of the weights: their order."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ode_sgd import OrderParameters, Problem, Schedule, Spectrum
from ode_sgd.optimizers import DANA, HeavyBall, ScheduleFree
from ode_sgd.teacher_student.integration import copies, rosenbrock
from ode_sgd.teacher_student.integration.integrate import first_state, request_of
from ode_sgd.teacher_student.integration.sector_system import sector_system
from ode_sgd.teacher_student.kernels.integration import step_control
from ode_sgd.teacher_student.kernels.sectors import blocks

END = 4.0
CASES = {
    "heavy ball": (HeavyBall(1.5), {}),
    "heavy ball with decay": (HeavyBall(1.5), {"weight_decay": 0.4}),
    "schedule-free": (ScheduleFree(0.8, head_start=2.0), {}),
    "DANA": (DANA(Schedule.power(1.0, 0.5, 2.0), 0.5, 0.8, 1.2), {"learning_rate": Schedule.power(0.5, 1.0, 2.0)}),
}


def begun(name):
    """A run of ordinary numbers, and its right-hand side."""
    optimizer, changes = CASES[name]
    given = {"student_units": 2, "teacher_units": 2, "learning_rate": 0.5, "label_noise": 0.2, **changes}
    one = Problem(spectrum=Spectrum([1.8, 0.9, 0.3], [0.3, 0.3, 0.4]), optimizer=optimizer, **given)
    start = OrderParameters.random(one, dimension=200, student_scale=0.5, seed=1)
    request = request_of(one, np.array([0.0, END]), (0, 1), False, 1e-6, 0.0)
    system = sector_system(one, start, 1e-6)
    piece = system.rule.timetable.piece(0.0) if system.rule.timetable else None
    return rosenbrock.begin(system, first_state(one, start), request), copies.right_hand_side(system, piece)


def state_after(run, count):
    """The state at END after so many equal steps, whatever their error."""
    advance, given = run.kernel
    numbers, counts = run.control.numbers, run.control.counts
    for number in range(count):
        numbers[step_control.STEP] = END / count * (1.0 if number < count - 1 else 2.0)  # lands on the end
        counts[step_control.FORCED] = 1
        code = advance(run.y, *run.space, *given, run.control, run.outputs, *run.tolerances, 1)
        assert code == step_control.RUNNING
    assert counts[step_control.STEPS] == count
    return blocks.from_blocks(run.y, run.system.sectors)


@pytest.mark.parametrize("name", CASES)
def test_order_of_the_solution(name, record_property):
    """5, as of SGD, from below. A stage at a wrong time, or a term of the derivative left out, leaves 3 or less."""
    run, drift = begun(name)
    y = run.start.ravel()
    exact = solve_ivp(drift, (0.0, END), y, "DOP853", rtol=3e-14, atol=1e-15).y[:, -1].reshape(run.start.shape)
    errors = np.array([np.abs(state_after(begun(name)[0], n) - exact).max() for n in (32, 64)])
    order = -float(np.diff(np.log2(errors))[0])
    record_property("measured", f"{name}: order {order:.2f} (errors {errors[0]:.1e}, {errors[1]:.1e})")
    assert 4.6 < order < 5.4
    assert errors[-1] < 1e-8
