"""`Problem.spherical`: students whose weights keep their length, against a published trajectory and the SGD itself."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, OrderParameters, Problem, Spectrum, integrate, simulate
from ode_sgd.teacher_student.integration.scipy_methods import flat_right_hand_side
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system

# Risks of two squared units and one teacher, by Euler steps of 1e-3 in t = (gamma / p) alpha, each published one step
# late (github.com/IdePHICS/EscapingMediocrity at 73d83ae, computation-database/time-measure; arXiv 2305.18502).
STEPS = [0, 1, 21, 88, 397, 1810]
RISKS = [
    1.4989080547310556,
    1.4989002704787702,
    1.4987328320681168,
    1.4979697897283757,
    1.4826170705550283,
    0.046400397019166206,
]
START = OrderParameters(
    [[[1.0, -0.005092957541373037], [-0.005092957541373037, 1.0]]],
    [[[-0.018478679503644416], [0.027630649304770855]]],
    [[[1.0]]],
)


def problem(**changes):
    values = {
        "spectrum": Spectrum.isotropic(),
        "student_units": 2,
        "teacher_units": 1,
        "activation": "quadratic",
        "learning_rate": 0.1,
        "student_weights": [0.5, 0.5],
        "label_noise": 0.01,
        "spherical": True,
    }
    return Problem(**{**values, **changes})


def test_a_published_trajectory():
    """The published steps themselves, to rounding; and the solution, from which these differ by their size."""
    one = problem()
    system, y = sector_system(one, START), initial_state(START)
    function, state, at, h = flat_right_hand_side(one.g, system, y.shape), y.ravel().copy(), 0, 1e-3 / 0.05
    for step, risk in zip(STEPS, RISKS, strict=True):
        for _ in range(step - at):
            state = state + h * function(0.0, state)
        at = step
        values = state.reshape(y.shape)
        q, r = system.unpack(values.T)
        assert OrderParameters(q, r, START.t).generalization_error(one) == pytest.approx(risk, rel=1e-11)
    run = integrate(one, START, h * np.array(STEPS), method="DOP853", rtol=1e-9)
    np.testing.assert_allclose(run.generalization_error, RISKS, rtol=1e-2)
    np.testing.assert_allclose(np.diagonal(run.moment(0)[0], axis1=1, axis2=2), 1.0, rtol=1e-10)


def test_simulations_against_the_ode(record_property):
    """With a spectrum, where lengths are not the variances of fields; pooled z as in test_ode_against_sgd.py.

    Later students turn to the teacher, which amplifies the bias of order 1 / N some hundredfold.
    """
    N, squares = 2000, []
    one = problem(spectrum=Spectrum([1.6, 0.4], [0.5, 0.5]), label_noise=0.5)
    for seed in range(4):
        first = OrderParameters.random(one, N, 0.8, seed=seed)
        sgd = simulate(one, first, [0.0, 0.5, 1.5, 4.0], dimension=N, replicas=16, seed=seed)
        ode = integrate(one, first, sgd.alpha, method="LSODA")
        lengths = np.diagonal(sgd.moment(0)[0], axis1=-2, axis2=-1)
        np.testing.assert_allclose(lengths, np.broadcast_to(lengths[:, :1], lengths.shape), rtol=1e-12)
        for name in ("Q", "R"):
            values, theory = getattr(sgd, name)[:, 1:], getattr(ode, name)[1:]
            error = np.hypot(values.std(axis=0, ddof=1) / 4.0, np.abs(theory).max(axis=0) / N)
            squares.append((((values.mean(axis=0) - theory) / error) ** 2).ravel())
    pooled = float(np.sqrt(np.mean(np.concatenate(squares))))
    record_property("measured", f"rms z = {pooled:.2f}")
    assert 0.8 < pooled < 1.25


def test_what_does_not_take_it_says_so():
    one, first = problem(), START
    with pytest.raises(InvalidProblem, match=r"'rodas5p' does not take spherical = True; method = 'DOP853' takes it"):
        integrate(one, first, 1.0)
    with pytest.raises(InvalidProblem, match=r"'reduced' does not take spherical .* method = 'explicit' takes it"):
        simulate(one, first, [0.0, 1.0], dimension=100, seed=0, method="reduced")
    with pytest.raises(InvalidProblem, match="leave trainable out"):
        problem(spectrum=Spectrum.power_law(3, 1.0), trainable=1)
    with pytest.raises(InvalidProblem, match="spherical"):
        problem(spherical="yes")
    with pytest.raises(InvalidProblem, match="spherical = True"):
        ode_sgd.theory.symmetric_saddle(problem(activation="erf"))


def test_files_and_identity(tmp_path):
    one = problem()
    ode_sgd.save(tmp_path / "run.h5", integrate(one, START, 1.0, method="DOP853"))
    loaded = ode_sgd.load(tmp_path / "run.h5")
    assert getattr(loaded, "ode", loaded).problem == one
    assert problem(spherical=False).identity != one.identity
    assert "spherical" not in problem(spherical=False).stored
