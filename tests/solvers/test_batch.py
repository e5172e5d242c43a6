"""Batches: number for number what `integrate` gives, whatever ends a problem and on any number of threads."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd

TIMES = np.concatenate([[0.0], np.geomspace(0.1, 400.0, 30)])


def problems(count, **changes):
    spectrum = ode_sgd.Spectrum.power_law(6, 1.0)
    options = {"spectrum": spectrum, "student_units": 2, "teacher_units": 2} | changes
    return [ode_sgd.Problem(**options, learning_rate=eta) for eta in np.geomspace(0.2, 2.0, count)]


def starts(batch):
    return [ode_sgd.OrderParameters.random(one, 60, 0.5, seed=seed) for seed, one in enumerate(batch)]


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
        (40, {}),  # more than one group; most of them end in differences
        (3, {"label_noise": 0.3}),
        (3, {"activation": "linear"}),
        (2, {"student_units": 4, "teacher_units": 3}),
        (2, {"trainable": 3}),
    ],
)
def test_the_same_numbers(count, changes):
    batch = problems(count, **changes)
    begin = starts(batch)
    results = ode_sgd.integrate_batch(batch, begin, TIMES)
    assert len(results) == count
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
    for one, first, result in zip(batch, begin, results, strict=True):
        assert_equal(result, ode_sgd.integrate(one, first, TIMES))


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


def test_bad_input():
    batch = problems(2)
    begin = starts(batch)
    other = replace(batch[1], activation="linear")
    wide = ode_sgd.Problem(spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.1)
    for arguments, reason in (
        ((batch, begin[:1], 1.0), "2 problems but 1 starts"),
        (([batch[0], other], begin, 1.0), r"problems\[1\].*a batch of its own"),
        (([batch[0], "problem"], begin, 1.0), r"problems\[1\] is a str"),
        ((batch, [begin[0], None], 1.0), r"starts\[1\] is a NoneType"),
        (([batch[0], wide], begin, 1.0), "the start has"),
        ((batch, begin, -1.0), "alpha"),
    ):
        with pytest.raises((ode_sgd.InvalidProblem, ode_sgd.InvalidStart), match=reason):
            ode_sgd.integrate_batch(*arguments)
    with pytest.raises(ode_sgd.InvalidProblem, match="threads"):
        ode_sgd.integrate_batch(batch, begin, 1.0, threads=0)
    assert ode_sgd.integrate_batch([], [], 1.0) == []
