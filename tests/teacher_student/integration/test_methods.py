"""One battery over all methods of integration: the same problems, the same checks."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate
from ode_sgd.teacher_student.integration.integrate import checked_nodes
from ode_sgd.teacher_student.integration.methods import METHODS, method_named
from tests.reference.drift import Plain

SPECTRUM = Spectrum([1.8, 1.0, 0.5, 0.0], [0.25, 0.3, 0.25, 0.2])  # the last has no variance
TIMES = np.array([0.0, 0.4, 2.0, 9.0])
PROBLEMS = {
    "noise": {"label_noise": 0.3},
    "fewer trainable sectors": {"label_noise": 0.3, "trainable": 2},
    "gradient flow": {"gradient_flow": True},
    "linear": {"activation": "linear", "label_noise": 0.2},
    "mean field": {"output": "mean_field", "learning_rate": 0.8},
    "weight decay": {"weight_decay": 0.3, "label_noise": 0.3},
    "one unit each": {"student_units": 1, "teacher_units": 1},
    "more teachers": {"teacher_units": 3},
}
# Of overlaps, over the largest of a kind. LSODA's global error is a few hundred times its tolerance.
TOLERANCE = {"rodas5p": 1e-8, "DOP853": 1e-8, "LSODA": 1e-6}


def problem(name):
    values = {"spectrum": SPECTRUM, "student_units": 2, "teacher_units": 2, "learning_rate": 0.4}
    return Problem(**{**values, **PROBLEMS[name]})


def start(one):
    return OrderParameters.random(one, 200, 0.6, 1.1, seed=0)


@pytest.fixture(params=list(METHODS))
def method(request):
    return request.param


def test_every_method_has_a_tolerance_here():
    assert TOLERANCE.keys() == METHODS.keys()
    assert all(METHODS[name].name == name for name in METHODS)


@pytest.mark.parametrize("name", PROBLEMS)
def test_against_the_twin(method, name):
    one = problem(name)
    plain, K, first = Plain.of(one), one.student_units, start(one)
    run = integrate(one, first, TIMES, rtol=1e-10, method=method, sectors=True)
    states = plain.solve(first.gram, TIMES, rtol=1e-12, atol=1e-15)
    assert run.status == "complete" and run.method == method
    pairs = (
        (run.sectors.q, states[:, :, :K, :K]),
        (run.sectors.r, states[:, :, :K, K:]),
        (run.generalization_error, plain.errors(states)[0]),
        (run.final.q, states[-1, :, :K, :K]),
        (run.moment(0)[0], np.einsum("k,nkij->nij", SPECTRUM.weights, states)[:, :K, :K]),
    )
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=TOLERANCE[method] * np.abs(theirs).max())


def test_what_does_not_move_keeps_its_bits(method):
    one = problem("fewer trainable sectors")
    first = start(one)
    run = integrate(one, first, TIMES, method=method, sectors=True)
    for n in range(TIMES.size):
        np.testing.assert_array_equal(run.sectors.q[n, 2:], first.q[2:])


def test_the_error_falls_with_the_tolerance(method):
    one = problem("weight decay")
    exact = integrate(one, start(one), TIMES, rtol=1e-12).generalization_error
    for rtol in (1e-4, 1e-6, 1e-8):
        run = integrate(one, start(one), TIMES, rtol=rtol, method=method)
        np.testing.assert_allclose(run.generalization_error, exact, rtol=10.0 * rtol)


def test_progress_is_told_and_an_interruption_keeps_what_was_reached(method):
    one, seen = problem("noise"), []

    def impatient(alpha):
        seen.append(alpha)
        if alpha > 1.0:
            raise KeyboardInterrupt

    run = integrate(one, start(one), np.linspace(0.0, 50.0, 101), method=method, progress=impatient)
    assert seen and run.status in ("interrupted", "complete")  # the whole run may fit between two looks
    assert run.alpha.size == len(run.generalization_error)


def test_a_divergence_says_why(method):
    one = Problem(
        spectrum=Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=2.5, activation="linear"
    )
    run = integrate(one, start(one), 200.0, method=method)
    assert run.status == "diverged"
    assert "learning_rate = 2.5 is beyond critical (2)" in run.message


def test_nodes_are_taken_or_refused_in_words(method):
    one = Problem(spectrum=Spectrum.power_law(300, 1.0), student_units=1, teacher_units=1, learning_rate=0.2)
    refused = method_named(method).accepts(one, nodes=True)
    assert method_named(method).accepts(one, nodes=False) == ""
    if refused:
        assert checked_nodes(one, "auto", False, method, 1e-4) is None
        with pytest.raises(InvalidProblem, match="takes the whole spectrum"):
            checked_nodes(one, 20, False, method, 1e-6)
    else:
        assert checked_nodes(one, 20, False, method, 1e-6) == 20


def test_an_unknown_method_is_told_the_others():
    with pytest.raises(InvalidProblem, match="rodas5p"):
        method_named("rodas")
