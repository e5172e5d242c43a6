"""Steps of the Rosenbrock kernel for quantities that change with alpha."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ode_sgd.core.schedule import Schedule
from ode_sgd.teacher_student.kernels.integration import paced_steps, rodas5p
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.rule import UpdateRule
from ode_sgd.teacher_student.model.timetable import Timetable
from tests.reference.drift import ERF, Plain
from tests.teacher_student.kernels.stepping import Case, take

QUANTITIES = {
    "learning_rate": Schedule.power(0.8, 1.0, 2.0),
    "weight_decay": Schedule.cosine(0.9, 5.0, 0.1),
    "label_noise": Schedule.warmup_stable_decay(0.9, 0.0, 0.0, 5.0),
}


def scheduled(K, M, quantities):
    """A random case with these schedules."""
    case = Case.random("erf", 3, K, M, seed=1)
    timetable = Timetable(quantities)
    rule = UpdateRule(learning_rate=1.0, second_order=True, weight_decay=1.0, timetable=timetable, noise_unit=1.0)
    eigenvalues, learning = case.system.eigenvalues, case.system.learning
    changes = {"rule": rule, "factors": rule.factors(eigenvalues, learning), "label_noise": quantities["label_noise"]}
    return replace(case, system=replace(case.system, **changes))


def exact(case, end):
    """The state at `end` to rounding, from the twin in plain loops."""
    system, K = case.system, case.K
    q, r = layout.unpack(case.state.T, K, system.teacher_units)
    grams = np.block([[q, r], [r.swapaxes(-1, -2), system.t.transpose(2, 0, 1)]])

    def drift(alpha, flat):
        eta, kappa, sigma = (system.rule.timetable.value(name, alpha) for name in QUANTITIES)
        rate = eta * system.eigenvalues
        ones, a = np.ones_like(rate), system.signed_weights
        plain = Plain(ERF, system.variance, rate, eta * rate, eta * kappa * ones, a, K, sigma**2)
        return plain.drift(flat.reshape(grams.shape)).ravel()

    solution = solve_ivp(drift, (0.0, end), grams.ravel(), "DOP853", rtol=3e-14, atol=1e-15)
    c = solution.y[:, -1].reshape(grams.shape)
    return layout.pack(c[:, :K, :K], c[:, :K, K:])


def order(case, end=4.0, counts=(32, 64)):
    """Of fixed steps against the twin, and the errors."""
    reference = exact(case, end)
    errors = [np.abs(take(case, end / n, n).state - reference).max() for n in counts]
    return float(-np.diff(np.log2(errors)).mean()), errors


@pytest.mark.parametrize("name", [*QUANTITIES, "all"])
def test_the_method_keeps_its_order(name, record_property):
    """5 where nothing is stiff, whichever quantity changes, approached from below: 4.75 to 4.92 at these steps. A stage
    that took a wrong time, or lacked the derivative by alpha, would leave 3 or less."""
    numbers = {"learning_rate": 0.5, "weight_decay": 0.4, "label_noise": 0.3}
    given = QUANTITIES if name == "all" else numbers | {name: QUANTITIES[name]}
    found, errors = order(scheduled(2, 2, given))
    record_property("measured", f"{name}: order {found:.2f} (errors {', '.join(f'{e:.1e}' for e in errors)})")
    assert 4.6 < found < 5.4
    assert errors[-1] < 1e-8


def test_the_coefficients_are_the_row_sums_of_the_table():
    """To its sixteen digits, which the inverse amplifies tenfold."""
    W = np.linalg.inv(np.eye(rodas5p.STAGES) / rodas5p.GAMMA - rodas5p.C)
    np.testing.assert_allclose(rodas5p.TIMES, (rodas5p.A @ W).sum(axis=1), atol=1e-13)
    np.testing.assert_allclose(rodas5p.FORCES, W.sum(axis=1), atol=1e-13)
    assert paced_steps.FORCES is rodas5p.FORCES
