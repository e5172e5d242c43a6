"""The stiff integrator as users call it: against DOP853, against itself, symmetries, and how a run ends."""

from dataclasses import replace

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, theory
from ode_sgd.teacher_student.integration import rosenbrock
from ode_sgd.teacher_student.kernels.integration import rodas5p
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.layout import row_count
from ode_sgd.teacher_student.kernels.sectors.sector_passes import BEYOND_CACHES

TIMES = np.concatenate([[0.0], np.geomspace(0.1, 200.0, 40)])


def problem(K=2, M=2, L=8, **changes):
    values = {"student_units": K, "teacher_units": M, "learning_rate": 0.3, "spectrum": Spectrum.power_law(L, 1.0)}
    return Problem(**{**values, **changes})


def start(one, seed=1, scale=0.3):
    """Overlaps of random weights, 100 inputs a sector: no symmetry."""
    return OrderParameters.random(one, 100 * one.spectrum.distinct, scale, seed=seed)


CASES = {
    "erf, K = M = 2, L = 8": problem(),
    "erf, K = 3, M = 2, L = 5, noise": problem(3, 2, 5, label_noise=0.1),
    "linear, K = 2, M = 3, L = 20": problem(2, 3, 20, activation="linear", learning_rate=0.2),
    "erf, K = M = 4, L = 6": problem(4, 4, 6),
}


@pytest.fixture(scope="module")
def references():
    """By an explicit method of order 8, near rounding."""
    return {
        name: integrate(one, start(one), TIMES, rtol=1e-12, atol=1e-15, method="DOP853") for name, one in CASES.items()
    }


def distance(run, reference):
    """The largest error of Q and R, of their largest entries."""
    pairs = ((run.Q, reference.Q), (run.R, reference.R))
    return max(np.abs(found - exact).max() / np.abs(exact).max() for found, exact in pairs)


# --- accuracy -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_against_dop853(name, references, record_property):
    """The error at the end is about the tolerance of a step: a hundred steps that stability adds up to a few."""
    one, reference = CASES[name], references[name]
    # DOP853 loses 2e-10 on the linear network, which is solved exactly.
    exact = (
        theory.linear_error(one, start(one), TIMES) if one.activation == "linear" else reference.generalization_error
    )
    worst = []
    for rtol in 10.0 ** -np.arange(4, 10):
        run = integrate(one, start(one), TIMES, rtol=rtol)
        assert run.status == "complete"
        worst.append(distance(run, reference) / rtol)
        # 1e-11: what the reference itself, whose tolerance is relative to the overlaps, has lost.
        assert (np.abs(run.generalization_error - exact) < 10.0 * rtol * exact + 1e-11).all()
    record_property("measured", f"{name}: error / rtol {', '.join(f'{ratio:.2g}' for ratio in worst)}")
    assert max(worst) < 10.0


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("erf")])
def test_errors_are_proportional_to_the_tolerance(name, references, record_property):
    one, tolerances = CASES[name], 10.0 ** -np.arange(4, 11)
    errors = [distance(integrate(one, start(one), TIMES, rtol=rtol), references[name]) for rtol in tolerances]
    slope = np.polyfit(np.log(tolerances), np.log(errors), 1)[0]
    record_property("measured", f"{name}: error falls as rtol^{slope:.2f}")
    assert 0.7 < slope < 1.3


def test_every_sector_meets_the_tolerance(references):
    """Also those that weigh little in C: the norm is the worst sector's."""
    one = problem(L=8)
    exact = integrate(one, start(one), TIMES, rtol=1e-12, atol=1e-15, method="DOP853", sectors=True).sectors
    found = integrate(one, start(one), TIMES, rtol=1e-7, sectors=True).sectors
    size = np.maximum(np.trace(exact.q, axis1=2, axis2=3), 0.05)[:, :, None, None]
    assert (np.abs(found.q - exact.q) < 20e-7 * size).all()  # twice that of C: errors do not average out
    assert (np.abs(found.r - exact.r) < 20e-7 * np.sqrt(size)).all()


def test_dense_output_changes_neither_steps_nor_values():
    one = problem(learning_rate=0.1)
    few = integrate(one, start(one), np.linspace(0.0, 500.0, 11))
    many = integrate(one, start(one), np.linspace(0.0, 500.0, 5001))
    assert few.stats["steps"] == many.stats["steps"]
    assert few.stats["rejected"] == many.stats["rejected"]
    np.testing.assert_array_equal(many.final.gram, few.final.gram)
    # The same times but for a rounding of linspace.
    np.testing.assert_allclose(many.Q[::500], few.Q, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(many.R[::500], few.R, rtol=1e-13, atol=1e-15)
    exact = integrate(one, start(one), np.linspace(0.0, 500.0, 501), rtol=1e-11)
    # Between steps as at their ends: ten times the tolerance.
    np.testing.assert_allclose(many.generalization_error[::10], exact.generalization_error, rtol=1e-5)


def test_steps_grow_with_the_logarithm_of_time(record_property):
    """Three more decades, fewer than three times the steps; a thousand times as many at constant size."""
    one = problem(L=1000, learning_rate=0.1)
    begin = OrderParameters.random(one, 1_000_000, 0.01, seed=1)
    steps = [integrate(one, begin, [0.0, end], nodes=None).stats["steps"] for end in (1e3, 1e6)]
    record_property("measured", f"steps to alpha = 1e3: {steps[0]:.0f}, to 1e6: {steps[1]:.0f}")
    assert steps[1] < 3.0 * steps[0]


def test_stiff_steps_end_where_the_tolerance_says():
    """Rates over nine decades (L = 3, by hand): explicit steps would be 1e9 in number."""
    spectrum = Spectrum([1e3, 1.0, 1e-6], [1e-3, 0.4, 0.599])
    one = problem(spectrum=spectrum, learning_rate=0.1)
    begin = OrderParameters.random(one, 100_000, 0.3, seed=2)
    times = np.concatenate([[0.0], np.geomspace(1e-3, 1e7, 60)])
    rough, fine = (integrate(one, begin, times, rtol=rtol) for rtol in (1e-6, 1e-10))
    assert rough.status == fine.status == "complete"
    assert rough.stats["steps"] < 2000
    np.testing.assert_allclose(rough.generalization_error, fine.generalization_error, rtol=1e-5)


# --- invariance -----------------------------------------------------------------------------------------------------


def test_nothing_depends_on_where_calls_of_the_kernel_end(monkeypatch):
    """Their lengths go by the clock. A rejected attempt may be the last of one."""
    one = Problem(spectrum=Spectrum.power_law(1, 0.8), student_units=3, teacher_units=2, learning_rate=0.1)
    runs = []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr(rosenbrock, "CHUNK_SECONDS", seconds)
        runs.append(integrate(one, OrderParameters.random(one, 100, seed=3), 1e4))
    assert runs[0].stats["rejected"] > 0
    assert runs[0].stats["steps"] == runs[1].stats["steps"]
    np.testing.assert_array_equal(runs[0].Q, runs[1].Q)


def test_relabelling_relabels_bit_by_bit_almost():
    """Other orders of summation round differently, and step sizes follow: 1e-10 at rtol 1e-8 is such an echo."""
    one = problem(3, 2, 20, label_noise=0.1, student_weights=[1.0, 0.8, -0.5], teacher_weights=[1.2, 0.7])
    begin, times = start(one), TIMES[:30]
    students, teachers, order = [2, 0, 1], [1, 0], np.random.default_rng(0).permutation(20)
    other = replace(
        one,
        spectrum=Spectrum(one.spectrum.eigenvalues[order], one.spectrum.weights[order]),
        student_weights=tuple(one.v[students]),
        teacher_weights=tuple(one.u[teachers]),
    )
    moved = OrderParameters(
        begin.q[order][:, students][:, :, students],
        begin.r[order][:, students][:, :, teachers],
        begin.t[order][:, teachers][:, :, teachers],
    )
    first = integrate(one, begin, times, rtol=1e-8)
    second = integrate(other, moved, times, rtol=1e-8)
    np.testing.assert_allclose(second.Q, first.Q[:, students][:, :, students], rtol=0.0, atol=1e-10)
    np.testing.assert_allclose(second.R, first.R[:, students][:, :, teachers], rtol=0.0, atol=1e-10)
    assert first.stats["steps"] == second.stats["steps"]


def test_splitting_a_sector_changes_nothing():
    """Two sectors of one eigenvalue and one start are one; sums round differently (1e-10, as above)."""
    one = problem(L=17)  # 18 sectors then, still two blocks
    begin, at = start(one), 4
    cut = one.spectrum.weights.copy()
    cut[at] *= 0.3
    rest = one.spectrum.weights[at] * 0.7
    spectrum = Spectrum(np.append(one.spectrum.eigenvalues, one.spectrum.eigenvalues[at]), np.append(cut, rest))
    twice = OrderParameters(*(np.concatenate([part, part[at : at + 1]]) for part in (begin.q, begin.r, begin.t)))
    whole = integrate(one, begin, TIMES, rtol=1e-8)
    split = integrate(replace(one, spectrum=spectrum), twice, TIMES, rtol=1e-8, sectors=True)
    for order in (0, 1, 2):
        for found, expected in zip(split.moment(order), whole.moment(order), strict=True):
            np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-10 * np.abs(expected).max())
    np.testing.assert_allclose(split.sectors.q[:, at], split.sectors.q[:, -1], rtol=0.0, atol=1e-14)


def test_so_many_sectors_that_memory_is_asked_ahead():
    """Ten copies of 2000 sectors are the 2000, beyond the caches too: sums round differently (1e-10, as above)."""
    copies, times = 10, np.array([0.0, 0.3, 1.0, 3.0])
    one = problem(L=2000)
    begin = start(one)
    weights = np.repeat(one.spectrum.weights, copies) / copies
    many = replace(one, spectrum=Spectrum(np.repeat(one.spectrum.eigenvalues, copies), weights))
    blocks = -(-many.spectrum.distinct // LANES)
    assert rodas5p.STAGES * blocks * row_count(2, 2) * LANES > BEYOND_CACHES
    repeated = OrderParameters(*(np.repeat(part, copies, axis=0) for part in (begin.q, begin.r, begin.t)))
    whole = integrate(one, begin, times, rtol=1e-6, nodes=None)
    found = integrate(many, repeated, times, rtol=1e-6, nodes=None)
    assert found.stats["steps"] == whole.stats["steps"]
    for order in (0, 1, 2):
        for value, expected in zip(found.moment(order), whole.moment(order), strict=True):
            np.testing.assert_allclose(value, expected, rtol=0.0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("L", [1, 16, 33])
def test_moments_are_sums_of_the_sectors(L):
    one = problem(L=L)
    run = integrate(one, start(one), TIMES, moments=(0, 1, 3), sectors=True)
    for order in (0, 1, 3):
        share = one.spectrum.weights * one.spectrum.eigenvalues**order
        Q, R, _ = run.moment(order)
        # Sums of L terms; Q of order 3 is large.
        np.testing.assert_allclose(Q, np.tensordot(run.sectors.q, share, (1, 0)), rtol=1e-12, atol=1e-13 * Q.max())
        np.testing.assert_allclose(R, np.tensordot(run.sectors.r, share, (1, 0)), rtol=1e-12, atol=1e-13 * Q.max())
    np.testing.assert_allclose(run.final.q, run.sectors.q[-1], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run.final.r, run.sectors.r[-1], rtol=1e-12, atol=1e-14)


def test_sectors_that_do_not_learn_are_constant_to_the_bit():
    spectrum = Spectrum([2.0, 0.5, 0.0, 0.7, 0.3], [0.2, 0.2, 0.2, 0.2, 0.2])
    one = problem(spectrum=spectrum, trainable=4)
    begin = start(one)
    run = integrate(one, begin, TIMES, sectors=True)
    for still in (2, 4):  # without variance; not trainable
        assert (run.sectors.q[:, still] == begin.q[still]).all()
        assert (run.sectors.r[:, still] == begin.r[still]).all()
        assert (run.final.gram[still] == begin.gram[still]).all()
    assert np.abs(run.final.q[[0, 1, 3]] - begin.q[[0, 1, 3]]).min() > 1e-3


# --- how a run ends -------------------------------------------------------------------------------------------------


def test_divergence_names_the_critical_learning_rate():
    one = problem(2, 3, 20, activation="linear", learning_rate=1.05)  # critical: 2 / (mu_1 sum_i v_i^2) = 1
    run = integrate(one, start(one), np.linspace(0.0, 1e4, 2001))
    assert run.status == "diverged"
    assert "beyond critical (1);" in run.message
    assert "learning_rate = 1.05" in run.message
    assert 1 < run.alpha.size < 2001
    assert np.isfinite(run.generalization_error).all()
    assert np.isfinite(run.Q).all()


def test_the_step_limit_keeps_what_was_reached(monkeypatch):
    one = problem()
    whole = integrate(one, start(one), TIMES)
    monkeypatch.setattr(rosenbrock, "MAX_STEPS", 30)
    run = integrate(one, start(one), TIMES)
    assert run.status == "step_limit"
    assert "30 steps reached only alpha" in run.message
    assert run.stats["steps"] + run.stats["rejected"] == 30
    reached = np.isin(run.alpha, TIMES).sum()  # the last time may be where it stopped
    assert 1 < reached < TIMES.size
    np.testing.assert_array_equal(run.Q[:reached], whole.Q[:reached])
    np.testing.assert_array_equal(run.generalization_error[:reached], whole.generalization_error[:reached])


def test_an_interruption_keeps_what_was_reached():
    one = problem()

    def impatient(alpha):
        if alpha > 20.0:
            raise KeyboardInterrupt

    whole = integrate(one, start(one), TIMES, rtol=1e-9)
    run = integrate(one, start(one), TIMES, rtol=1e-9, progress=impatient)
    assert run.status == "interrupted"
    assert "interrupted by the user" in run.message
    reached = np.isin(run.alpha, TIMES).sum()
    assert 1 < reached < TIMES.size
    np.testing.assert_array_equal(run.Q[:reached], whole.Q[:reached])


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_the_error_is_never_negative(noise):
    one = problem(2, 2, 3, label_noise=noise, learning_rate=0.5)
    for seed in range(5):
        run = integrate(one, start(one, seed), np.concatenate([[0.0], np.geomspace(0.01, 1e4, 300)]), rtol=1e-4)
        assert run.status == "complete"
        assert (run.generalization_error >= 0.0).all()
