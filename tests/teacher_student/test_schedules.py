"""Learning rate, weight decay and label noise as functions of alpha, in the ODE: golden values, every method, jumps."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import DOP853

import ode_sgd
from ode_sgd import InvalidProblem, OrderParameters, Problem, Schedule, Spectrum, integrate, integrate_batch, theory
from ode_sgd.teacher_student.integration.methods import METHODS
from tests.reference.drift import Plain

FOUR = Spectrum([1.8, 1.0, 0.5, 0.0], [0.25, 0.3, 0.25, 0.2])  # the last has no variance
TIMES = np.array([0.0, 0.4, 2.0, 5.0, 9.0])
POWER = Schedule.power(0.8, 1.0, 20.0)
CHANGES = {
    "learning_rate": {"learning_rate": Schedule.power(0.8, 1.0, 2.0)},
    "from zero to zero": {"learning_rate": Schedule.warmup_stable_decay(0.6, 1.0, 3.0, 9.0)},
    "jumps": {
        "learning_rate": Schedule.piecewise([0, 3, 3, 9], [0.8, 0.6, 0.1, 0.1]),
        "label_noise": Schedule.piecewise([0, 1, 1, 9], [1.0, 1.0, 0.0, 0.0], log=False),
    },
    "label_noise": {"label_noise": Schedule.cosine(1.0, 9.0)},
    "weight_decay": {"weight_decay": Schedule.piecewise([0, 4, 9], [0.0, 0.9, 0.2], log=False)},
    "gradient flow": {"learning_rate": Schedule.cosine(0.9, 9.0, 0.1), "gradient_flow": True, "trainable": 2},
}


def problem(K=2, M=2, **changes):
    values = {
        "spectrum": FOUR,
        "student_units": K,
        "teacher_units": M,
        "learning_rate": 0.4,
        "label_noise": 0.3,
        "weight_decay": 0.3,
    }
    return Problem(**{**values, **changes})


def start(one, seed=0):
    dimension = 200 if one.spectrum is FOUR else 40 * one.spectrum.distinct
    return OrderParameters.random(one, dimension, 0.6, 1.1, seed=seed)


def numbers(one, alpha):
    """The problem with the values at alpha in place of its schedules."""
    timetable = one.timetable
    eta = timetable.value("learning_rate", alpha) or 1e-50
    return replace(
        one,
        learning_rate=eta,
        weight_decay=timetable.value("weight_decay", alpha),
        label_noise=timetable.value("label_noise", alpha),
    )


def twin(one, first, alpha):
    """Sectors (n, L, d, d) from the plain loops; steps land on every time at which something changes its formula."""
    c, states = first.gram, [first.gram]
    grid = np.union1d(alpha, one.timetable.breaks(alpha[-1]))
    for begin, end in pairwise(grid):
        last = np.nextafter(end, begin)  # a jump at the end belongs to the next interval

        def drift(time, flat, last=last):
            return Plain.of(numbers(one, min(time, last))).drift(flat.reshape(first.gram.shape)).ravel()

        solver = DOP853(drift, begin, c.ravel(), end, rtol=1e-11, atol=1e-14)
        while solver.status == "running":
            solver.step()
        c = solver.y.reshape(c.shape)
        states += [c] if end in alpha else []
    return np.array(states)


def assert_like_the_twin(run, one, first, tolerance):
    """Overlaps of every sector, C and eps_g, to a part of the largest of a kind."""
    K, states = one.student_units, twin(one, first, run.alpha)
    C = np.einsum("k,nkij->nij", one.spectrum.powers(1), states)
    pairs = [(run.Q, C[:, :K, :K]), (run.R, C[:, :K, K:])]
    pairs.append((run.generalization_error, Plain.of(numbers(one, 0.0)).errors(states)[0]))
    if run.sectors is not None:
        pairs += [(run.sectors.q, states[:, :, :K, :K]), (run.sectors.r, states[:, :, :K, K:])]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=tolerance * np.abs(theirs).max())


@pytest.mark.parametrize("name", CHANGES)
def test_the_default_method(name):
    """A tenth of rtol = 1e-8 is usual; the twin's own error is 1e-10."""
    one = problem(**CHANGES[name])
    run = integrate(one, start(one), TIMES, rtol=1e-9, sectors=True)
    assert_like_the_twin(run, one, start(one), 1e-8)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "rodas5p"])
@pytest.mark.parametrize("name", ["jumps", "weight_decay"])
def test_other_methods(method, name):
    """LSODA's rtol means less below 1e-8."""
    one = problem(**CHANGES[name])
    run = integrate(one, start(one), TIMES, rtol=1e-8, method=method, sectors=True)
    assert_like_the_twin(run, one, start(one), 1e-6 if method == "LSODA" else 1e-8)


# --- golden values of an independent prototype, in their twelve digits ------------------------------------------------


def golden(rate):
    one = Problem(
        spectrum=Spectrum.power_law(4, 1.0), student_units=2, teacher_units=2, learning_rate=rate, label_noise=0.2
    )
    overlaps = np.diag([0.25, 0.2]), np.array([[0.10, 0.05], [0.02, 0.08]]), np.eye(2)
    return one, OrderParameters(*(np.broadcast_to(part, (4, 2, 2)) for part in overlaps))


def test_a_smooth_schedule(record_property):
    one, first = golden(POWER)
    expected = [0.118915143158, 0.026882620863, 0.012513048409, 0.001770629000]
    fine, usual = (integrate(one, first, [0.0, 1.0, 10.0, 50.0, 1000.0], rtol=rtol) for rtol in (1e-10, 1e-6))
    # 5e-13 is half of the last digit given; 5e-10 of the last is the tolerance that the prototype left at late times.
    np.testing.assert_allclose(fine.generalization_error[1:], expected, rtol=5e-10)
    np.testing.assert_allclose(usual.generalization_error[1:], expected, rtol=1e-6)
    record_property("measured", f"smooth schedule at rtol = 1e-6: {usual.stats['steps']:.0f} steps")
    assert usual.stats["steps"] + usual.stats["rejected"] < 250  # 157 measured; without df/dalpha it is thousands


def test_a_jump_is_stepped_onto(record_property):
    one, first = golden(Schedule.piecewise([0, 30, 30, 300], [0.8, 0.8, 0.08, 0.08]))
    expected = [0.021189707552, 0.018427265086, 0.003519325726]
    fine, usual = (integrate(one, first, [0.0, 30.0, 31.0, 300.0], rtol=rtol) for rtol in (1e-10, 1e-6))
    np.testing.assert_allclose(fine.generalization_error[1:], expected, rtol=5e-10)  # as above
    np.testing.assert_allclose(usual.generalization_error[1:], expected, rtol=1e-6)
    record_property("measured", f"jump at rtol = 1e-6: {usual.stats['steps']:.0f} steps")
    assert usual.stats["rejected"] == 0.0  # a step across would be tried again and again


def test_rates_that_fall_to_nothing_end_the_motion():
    """The error stays where eta has vanished, and the number of steps stays small."""
    one, first = golden(Schedule.cosine(0.8, 1000.0))
    run = integrate(one, first, [0.0, 500.0, 999.0, 1000.0])
    assert run.status == "complete" and run.stats["steps"] < 400
    assert run.generalization_error[-1] == pytest.approx(run.generalization_error[-2], rel=1e-4)


# --- many problems, nodes, the difference form ------------------------------------------------------------------------


def test_batches_give_what_single_runs_give():
    """To the last bit, with and without schedules, with jumps at different times, among each other."""
    rates = [0.4, POWER, *(Schedule.piecewise([0, at, at, 9], [0.8, 0.6, 0.1, 0.1]) for at in (2.5, 7.0)), POWER]
    batch = [problem(learning_rate=rate, label_noise=0.1 * n) for n, rate in enumerate(rates)]
    firsts = [start(one, seed) for seed, one in enumerate(batch)]
    runs = integrate_batch(batch, firsts, TIMES, threads=2)
    assert runs[0].generalization_error.tolist() == integrate_batch(batch[:1], firsts[:1], TIMES)[0].error.tolist()
    for one, first, run in list(zip(batch, firsts, runs, strict=True))[1:]:
        assert run.generalization_error.tolist() == integrate(one, first, TIMES).generalization_error.tolist()


def test_nodes_stand_for_a_long_spectrum():
    spectrum = Spectrum.power_law(300, 1.0)
    jumping = Schedule.piecewise([0, 5, 5, 200], [0.5, 0.5, 0.1, 0.05])
    one = problem(spectrum=spectrum, learning_rate=jumping)
    runs = [integrate(one, start(one), [0.0, 5.0, 60.0, 200.0], nodes=nodes) for nodes in ("auto", None)]
    assert runs[0].stats["nodes"] < 100
    np.testing.assert_allclose(runs[0].generalization_error, runs[1].generalization_error, rtol=3e-6)  # 2 rtol and one


def test_near_the_teacher_in_differences():
    """Without noise and decay eps_g vanishes: below 1e-18 only differences follow it, across a jump as well.

    Gradient flow depends on alpha through the integral of eta only, which is known.
    """
    rate = Schedule.piecewise([0, 500, 500, 1000], [1.0, 1.0, 0.5, 0.25])
    one = problem(
        spectrum=Spectrum.isotropic(), label_noise=0.0, weight_decay=0.0, gradient_flow=True, learning_rate=rate
    )
    first = OrderParameters(np.diag([0.9, 1.1])[None], np.array([[[0.9, 0.0], [0.1, 1.0]]]), np.eye(2)[None])
    run = integrate(one, first, np.array([0.0, 300.0, 500.0, 600.0, 1000.0]), rtol=1e-8)
    later = 250.0 / np.log(2.0) * (1.0 - 0.5 ** np.array([0.2, 1.0]))  # of eta since the jump
    fixed = integrate(replace(one, learning_rate=1.0), first, [0.0, 300.0, 500.0, *(500.0 + later)], rtol=1e-8)
    assert run.status == "complete"
    assert run.generalization_error[-1] < 1e-18
    # rtol, a hundred times over: from 300 on eps_g has fallen by e^-20 or more, of which each part in the rate counts.
    np.testing.assert_allclose(run.generalization_error, fixed.generalization_error, rtol=1e-6)


def test_noise_that_ends_later_is_no_noise_free_problem():
    one = problem(label_noise=Schedule.piecewise([0, 1, 1, 9], [0.3, 0.3, 0.0, 0.0], log=False), weight_decay=0.0)
    assert integrate(one, start(one), TIMES).resolution > 1e-18


# --- what it is called, and where it is not known ---------------------------------------------------------------------


def test_problems_without_schedules_are_what_they_were():
    one = problem(weight_decay=0.0)
    assert json.dumps(one.canonical)
    with_schedule = replace(one, learning_rate=POWER)
    assert with_schedule.stored["learning_rate"] == {"power": {"initial": 0.8, "exponent": 1.0, "time": 20.0}}
    assert with_schedule.identity == replace(one, learning_rate=POWER.stored).identity != one.identity


def test_files(tmp_path):
    one = problem(**CHANGES["jumps"])
    run = integrate(one, start(one), 1.0)
    ode_sgd.save(tmp_path / "run.h5", run)
    loaded = ode_sgd.load(tmp_path / "run.h5").ode
    assert loaded.problem == one and loaded.problem.identity == one.identity
    assert "learning rate piecewise(" in loaded.details()


STUDY = {
    "spectrum": {"kind": "power_law", "distinct": 2, "beta": 1.0},
    "problem": {"student_units": 1, "teacher_units": 1, "learning_rate": POWER.stored},
    "start": {"kind": "random", "dimension": 20},
    "integration": {"alpha": 1.0},
}


def test_sweeps_over_what_a_schedule_has():
    sweep = ode_sgd.Sweep(STUDY, {"problem.learning_rate.power.time": [5.0, 20.0]})
    assert [sweep.study(n).problem.learning_rate for n in range(2)] == [Schedule.power(0.8, 1.0, 5.0), POWER]
    nested = {"problem": {"learning_rate": {"power": {"exponent": {"linspace": [0.5, 1.0, 3]}}}}}
    assert len(ode_sgd.Sweep({**STUDY, "sweep": nested})) == 3
    with pytest.raises(ode_sgd.StudyError, match=r"power has no argument 'tim' .did you mean 'time'"):
        ode_sgd.Sweep(STUDY, {"problem.learning_rate.power.tim": [5.0]})


@pytest.mark.parametrize("name", ["plateau_height", "symmetric_saddle", "escape_rate"])
def test_theory_that_does_not_hold_says_why(name):
    with pytest.raises(InvalidProblem, match=r"learning_rate = power\(initial=0.8, exponent=1, time=20\)"):
        getattr(theory, name)(problem(learning_rate=POWER, weight_decay=0.0))


def test_linear_theory_does_not_hold_either():
    one = problem(activation="linear", label_noise=Schedule.cosine(0.5, 9.0), weight_decay=0.0)
    for call in (theory.critical_learning_rate, theory.noise_floor, theory.linear_modes):
        with pytest.raises(InvalidProblem, match=r"label_noise = cosine\("):
            call(one)


def test_findings_do_without():
    one = problem(learning_rate=POWER, weight_decay=0.0, spectrum=Spectrum.power_law(3, 1.0))
    found = ode_sgd.describe(ode_sgd.findings(integrate(one, start(one), 100.0)))
    assert found


@pytest.mark.parametrize("name", ["learning_rate", "label_noise", "weight_decay"])
def test_runs_beyond_the_end_are_refused(name):
    one = problem(**{name: Schedule.piecewise([0, 5], [0.2, 0.1])})
    said = rf"{name} = piecewise.* ends at alpha = 5, but the run goes to 9"
    for call in (
        lambda: integrate(one, start(one), TIMES),
        lambda: integrate_batch([one], [start(one)], TIMES),
        lambda: ode_sgd.simulate(one, start(one), TIMES, dimension=200, seed=0),
    ):
        with pytest.raises(InvalidProblem, match=said):
            call()


@pytest.mark.parametrize("given", ["much", None, [0.1], -0.1])
def test_bad_values_offer_a_schedule(given):
    with pytest.raises(InvalidProblem, match="learning_rate = "):
        problem(learning_rate=given)
    with pytest.raises(InvalidProblem, match=r"or an ode_sgd\.Schedule"):
        problem(learning_rate="much")
