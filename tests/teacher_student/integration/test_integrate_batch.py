"""Batches: what `integrate` gives, whatever ends a problem, and the same numbers however problems are grouped."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd.teacher_student.integration import integrate_batch as solver
from ode_sgd.teacher_student.integration import many_side_by_side

TIMES = np.concatenate([[0.0], np.geomspace(0.1, 400.0, 30)])


def problems(count, **changes):
    spectrum = ode_sgd.Spectrum.power_law(6, 1.0)
    options = {"spectrum": spectrum, "student_units": 2, "teacher_units": 2} | changes
    return [ode_sgd.Problem(**options, learning_rate=eta) for eta in np.geomspace(0.2, 2.0, count)]


def starts(batch):
    return [ode_sgd.OrderParameters.random(one, 60, 0.5, seed=seed) for seed, one in enumerate(batch)]


def assert_close(ours, single, overlaps=1e-9):
    """Same method, same steps; sums are taken in another order.

    Step control amplifies that rounding: errors of a step, up to rtol = 1e-6, follow from a step size that rests on
    differences of numbers nearly equal. Measured: 3e-10 of eps_g, 2e-10 of the overlaps.
    """
    assert ours.status == single.status and ours.message == single.message
    np.testing.assert_array_equal(ours.alpha, single.alpha)
    np.testing.assert_allclose(ours.generalization_error, single.generalization_error, rtol=1e-8, atol=1e-11)
    for order in single.moments:
        for left, right in zip(ours.moment(order), single.moment(order), strict=True):
            np.testing.assert_allclose(left, right, rtol=0.0, atol=overlaps)
    for name in "qrt":
        np.testing.assert_allclose(getattr(ours.final, name), getattr(single.final, name), rtol=0.0, atol=overlaps)
    # Rounding may decide on a step at the edge of its tolerance, and steps in differences begin from what it has left.
    assert ours.stats["steps"] == pytest.approx(single.stats["steps"], rel=0.05)
    assert ours.stats["right_hand_sides"] == 8.0 * (ours.stats["steps"] + ours.stats["rejected"])


def assert_equal(ours, single):
    assert ours.status == single.status and ours.message == single.message
    np.testing.assert_array_equal(ours.alpha, single.alpha)
    np.testing.assert_array_equal(ours.generalization_error, single.generalization_error)
    for order in single.moments:
        for left, right in zip(ours.moment(order), single.moment(order), strict=True):
            np.testing.assert_array_equal(left, right)
    for name in "qrt":
        np.testing.assert_array_equal(getattr(ours.final, name), getattr(single.final, name))
    for name in ("steps", "rejected", "right_hand_sides"):
        assert ours.stats[name] == single.stats[name]


@pytest.mark.parametrize(
    ("count", "changes"),
    [
        (20, {}),  # more than there are lanes; most of them end in differences
        (3, {"label_noise": 0.3}),
        (3, {"activation": "linear", "gradient_flow": True}),
        (2, {"trainable": 3}),
    ],
)
def test_the_numbers_of_integrate(count, changes):
    batch = problems(count, **changes)
    begin = starts(batch)
    results = ode_sgd.integrate_batch(batch, begin, TIMES)
    assert len(results) == count
    for one, first, result in zip(batch, begin, results, strict=True):
        assert_close(result, ode_sgd.integrate(one, first, TIMES, nodes=None))


def test_a_problem_gives_the_same_alone_or_among_others():
    """Bit for bit: whatever runs beside it, in whatever order, on any number of threads."""
    batch = problems(20)
    begin = starts(batch)
    together = ode_sgd.integrate_batch(batch, begin, TIMES)
    turned = ode_sgd.integrate_batch(batch[::-1], begin[::-1], TIMES, threads=2)[::-1]
    for left, right in zip(together, turned, strict=True):
        assert_equal(left, right)
    for number in (0, 13):
        assert_equal(ode_sgd.integrate_batch([batch[number]], [begin[number]], TIMES)[0], together[number])


def test_a_larger_shape_gives_the_numbers_of_integrate():
    """Nothing runs side by side there, so they are the same to the last bit."""
    batch = problems(2, student_units=4, teacher_units=3)
    begin = starts(batch)
    results = ode_sgd.integrate_batch(batch, begin, TIMES)
    for one, first, result in zip(batch, begin, results, strict=True):
        assert_equal(result, ode_sgd.integrate(one, first, TIMES, nodes=None))


def test_threads_change_nothing():
    batch = problems(70)
    begin = starts(batch)
    one, two = (ode_sgd.integrate_batch(batch, begin, TIMES, threads=threads) for threads in (1, 2))
    for left, right in zip(one, two, strict=True):
        assert_equal(left, right)


def test_sectors_are_kept_where_asked():
    batch = problems(2)
    begin = starts(batch)
    (first, _) = ode_sgd.integrate_batch(batch, begin, TIMES, sectors=True)
    single = ode_sgd.integrate(batch[0], begin[0], TIMES, sectors=True)
    np.testing.assert_array_equal(first.sectors.q, single.sectors.q)
    np.testing.assert_array_equal(first.sectors.r, single.sectors.r)


def test_a_diverging_problem_does_not_disturb_its_neighbours():
    batch = [replace(one, learning_rate=0.2) for one in problems(3, activation="linear")]
    batch[1] = replace(batch[1], learning_rate=50.0)
    begin = starts(batch)
    results = ode_sgd.integrate_batch(batch, begin, TIMES)
    assert [result.status for result in results] == ["complete", "diverged", "complete"]
    assert "learning_rate = 50" in results[1].message
    for number in (0, 2):
        assert_close(results[number], ode_sgd.integrate(batch[number], begin[number], TIMES))
        assert_equal(results[number], ode_sgd.integrate_batch([batch[number]], [begin[number]], TIMES)[0])
    single = ode_sgd.integrate(batch[1], begin[1], TIMES)
    assert results[1].alpha[-1] == pytest.approx(single.alpha[-1], rel=0.1)  # the last steps hang on rounding there


def test_an_interruption_keeps_what_is_there():
    batch = problems(200)

    def impatient(fraction):
        raise KeyboardInterrupt

    results = ode_sgd.integrate_batch(batch, starts(batch), TIMES, threads=1, progress=impatient)
    assert len(results) == 200
    states = {result.status for result in results}
    assert "interrupted" in states and states <= {"interrupted", "complete"}
    for result in results:
        assert result.alpha[-1] < TIMES[-1] or result.status == "complete"
        assert np.isfinite(result.generalization_error).all()


def test_an_interruption_while_the_kernel_of_differences_is_compiled_keeps_what_is_there(monkeypatch):
    batch, advance = problems(20), solver._advance_alike

    def compiled(runs, stop):
        if any(run.matching is not None for run in runs):
            raise KeyboardInterrupt
        advance(runs, stop)

    monkeypatch.setattr(solver, "_advance_alike", compiled)
    results = ode_sgd.integrate_batch(batch, starts(batch), TIMES)
    states = [result.status for result in results]
    assert len(states) == 20 and "interrupted" in states
    for result in results:
        assert result.alpha.size > 1
        assert np.isfinite(result.generalization_error).all()


def test_bad_input():
    batch = problems(2)
    begin = starts(batch)
    other = replace(batch[1], activation="linear")
    wide = ode_sgd.Problem(spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.1)
    for arguments, reason in (
        ((batch, begin[:1], 1.0), "2 problems but 1 starts"),
        (([batch[0], other], begin, 1.0), r"problems\[1\].*a batch of its own"),
        (([batch[0], "problem"], begin, 1.0), r"problems\[1\] is a str"),
        ((batch, [begin[0], None], 1.0), r"starts\[1\] is None, as is the final state"),
        (([batch[0], wide], begin, 1.0), "the start has"),
        ((batch, begin, -1.0), "alpha"),
    ):
        with pytest.raises((ode_sgd.InvalidProblem, ode_sgd.InvalidStart), match=reason):
            ode_sgd.integrate_batch(*arguments)
    with pytest.raises(ode_sgd.InvalidProblem, match="threads"):
        ode_sgd.integrate_batch(batch, begin, 1.0, threads=0)
    assert ode_sgd.integrate_batch([], [], 1.0) == []


def test_there_are_no_lanes_without_the_compiler(monkeypatch):
    one = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.1, activation="linear"
    )
    assert many_side_by_side.suits(one, keep_sectors=False)
    monkeypatch.setattr(many_side_by_side.numba.config, "DISABLE_JIT", True)
    assert not many_side_by_side.suits(one, keep_sectors=False)
