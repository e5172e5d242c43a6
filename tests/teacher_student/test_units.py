"""Eigenvalues times s, learning rate, overlaps over s: other units for the same dynamics, and the same eps_g."""

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, integrate_batch, simulate
from ode_sgd.teacher_student.integration.solution import divergence_limit, field_scale

SCALES = (1e-10, 1e-4, 1e4, 1e10)
TIMES = np.concatenate([[0.0], np.geomspace(0.1, 300.0, 12)])
VALUES = np.arange(1, 6.0) ** -1.5


def problem(s, values=VALUES, **changes):
    spectrum = Spectrum(s * values / values.mean(), np.full(values.size, 1.0 / values.size))
    settings = {"student_units": 2, "teacher_units": 2, "learning_rate": 0.3 / s}
    return Problem(spectrum=spectrum, **{**settings, **changes})


def start(one, s):
    """The same weights in other units."""
    begin = OrderParameters.random(one, 100 * one.spectrum.distinct, student_scale=0.5, seed=1)
    return OrderParameters(begin.q / s, begin.r / s, begin.t / s)


def same_errors(runs, rtol):
    """All of them, where eps_g is not down at its rounding."""
    first = runs[0]
    seen = first.generalization_error > 1e3 * first.resolution
    for run in runs:
        assert run.status == first.status == "complete"
        assert run.resolution == pytest.approx(first.resolution, rel=1e-6)
        np.testing.assert_allclose(run.generalization_error[seen], first.generalization_error[seen], rtol=rtol)


# Rounding of the units moves steps a little, by less than the tolerance of 1e-8 they are chosen by.
@pytest.mark.parametrize("method", ["rodas5p", "DOP853", "LSODA"])
@pytest.mark.parametrize("changes", [{}, {"label_noise": 0.3, "teacher_units": 1}])
def test_integrate(method, changes):
    ones = [(problem(s, **changes), s) for s in (1.0, *SCALES)]
    runs = [integrate(one, start(one, s), TIMES, rtol=1e-8, method=method) for one, s in ones]
    same_errors(runs, 1e-6 if method == "LSODA" else 1e-8)  # LSODA changes between two methods


def test_integrate_in_differences():
    times = np.concatenate([[0.0], np.geomspace(1.0, 3000.0, 12)])
    ones = [(problem(s), s) for s in (1.0, *SCALES)]
    runs = [integrate(one, start(one, s), times, rtol=1e-8) for one, s in ones]
    same_errors(runs, 1e-6)
    assert runs[0].resolution < 1e-45  # they did get there
    assert runs[0].generalization_error[-1] < 1e-8


@pytest.mark.parametrize("nodes", [25, "auto"])
def test_integrate_on_nodes(nodes):
    values = 10.0 ** np.random.default_rng(0).uniform(-1.0, 0.0, 300)
    ones = [(problem(s, values, teacher_units=1), s) for s in (1.0, 1e-10, 1e10)]
    runs = [integrate(one, start(one, s), TIMES, rtol=1e-6, nodes=nodes) for one, s in ones]
    assert "nodes" in runs[0].stats
    same_errors(runs, 1e-6)


def test_integrate_batch():
    ones = [(problem(s), s) for s in (1.0, *SCALES)]
    runs = integrate_batch([one for one, _ in ones], [start(one, s) for one, s in ones], TIMES, rtol=1e-8)
    same_errors(runs, 1e-8)


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_simulate(method):
    """The same random numbers: rounding grows with the steps."""
    runs = []
    for s in (1.0, *SCALES):
        one = problem(s)
        runs.append(simulate(one, start(one, s), [0, 1, 3], dimension=500, replicas=2, seed=1, method=method))
        assert runs[-1].status == "complete"
    for run in runs[1:]:
        np.testing.assert_allclose(run.generalization_error, runs[0].generalization_error, rtol=1e-7)


def test_the_limit_of_divergence_has_no_units():
    limits = []
    for s in (1.0, *SCALES):
        one = problem(s, activation="linear", label_noise=30.0, student_weights=(0.01, 1.0))
        C = np.tensordot(one.spectrum.powers(1), start(one, s).gram, 1)
        limits.append(divergence_limit(field_scale(one, C)))
    np.testing.assert_allclose(limits, limits[0], rtol=1e-12)
    # Fields as large as the labels, here mostly noise: the student of weight 1 can carry them all.
    assert 1e8 * 30.0**2 < limits[0] < 2e8 * 30.0**2


@pytest.mark.parametrize("method", ["rodas5p", "DOP853"])
def test_large_labels_are_no_divergence(method):
    """Noise of 1e6, and a student whose second layer is 1e-6: its overlaps grow to 1e12, as they should."""
    noisy = problem(1.0, activation="linear", label_noise=1e6, learning_rate=0.1)
    assert integrate(noisy, start(noisy, 1.0), 300.0, method=method).status == "complete"
    thin = problem(1.0, activation="linear", student_weights=(1e-6, 1e-6), learning_rate=1e11)
    run = integrate(thin, start(thin, 1.0), 300.0, method=method)
    assert run.status == "complete" and run.Q[-1].max() > 1e11


def test_a_learning_rate_beyond_critical_diverges_in_any_units():
    for s in (1e-10, 1.0, 1e10):
        one = problem(s, activation="linear", learning_rate=5.0 / s)
        for method in ("rodas5p", "DOP853", "LSODA"):
            assert integrate(one, start(one, s), 100.0, method=method).status == "diverged"
        sgd = simulate(one, start(one, s), [0.0, 50.0, 100.0], dimension=500, seed=1)
        assert sgd.status == "diverged"


def test_pure_noise_teaches_a_student_that_is_not_there_yet():
    """No weights and no teacher: the size of what will be learned is that of the noise."""
    one = Problem(spectrum=Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.3, label_noise=0.3)
    nothing = OrderParameters(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))
    ours, theirs = (integrate(one, nothing, [0.0, 1.0, 30.0], method=method) for method in ("rodas5p", "DOP853"))
    assert ours.status == theirs.status == "complete"
    np.testing.assert_allclose(ours.generalization_error, theirs.generalization_error, rtol=1e-5)


@pytest.mark.parametrize("v", [(1.0, 1e-170), (1e-170, 1e-170), (1e-140, 1.0)])
def test_a_negligible_student_does_not_set_the_limit_of_divergence(v):
    one = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=1, learning_rate=0.3, student_weights=v)
    limit = divergence_limit(field_scale(one, np.eye(3)))
    assert np.isfinite(limit) and (limit == 1e8 or max(v) < 1.0)


def test_the_largest_labels_leave_a_limit():
    one = Problem(spectrum=Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.3, label_noise=1e50)
    assert np.isfinite(divergence_limit(field_scale(one, np.eye(2))))
