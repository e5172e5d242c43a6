"""Runs that end where a condition is met: the time, the state of then, and what came before."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import (
    InvalidProblem,
    OrderParameters,
    Problem,
    Schedule,
    Spectrum,
    integrate,
    optimizers,
    rules,
    stop,
    theory,
)

FOUR = Spectrum.power_law(4, 1.0)


def problem(**changes):
    given = {"spectrum": FOUR, "student_units": 2, "teacher_units": 2, "learning_rate": 0.5}
    return Problem(**{**given, **changes})


def start_of(one, scale=0.1):
    return OrderParameters.random(one, dimension=100 * one.spectrum.distinct, student_scale=scale, seed=0)


@pytest.mark.parametrize("method", ["rodas5p", "DOP853", "LSODA"])
def test_the_time_is_that_of_the_closed_form(method):
    """J = B (1 - exp(-eta alpha)) in gradient flow, so that eps_g = exp(-2 eta alpha) / 2."""
    one = Problem(
        spectrum=Spectrum.isotropic(),
        student_units=1,
        teacher_units=1,
        activation="linear",
        learning_rate=0.5,
        gradient_flow=True,
    )
    begin = OrderParameters(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), np.ones((1, 1, 1)))
    run = integrate(one, begin, 100.0, rtol=1e-9, method=method, stop=stop.below(1e-3))
    assert run.stats["stopped_at"] == run.alpha[-1] == pytest.approx(-np.log(2e-3), rel=2e-9)
    assert run.generalization_error[-1] == pytest.approx(1e-3, rel=1e-9)
    assert run.status == "complete" and run.message == f"stopped at alpha = {run.alpha[-1]:.6g} by below(0.001)"


RUNS = {
    "alone": ({}, stop.below(5e-3), {}),
    "nodes": ({"spectrum": Spectrum.power_law(1000, 1.0)}, stop.below(5e-3), {}),
    "so many nodes": ({"spectrum": Spectrum.power_law(300, 1.0)}, stop.escape(0.6), {"nodes": 30}),
    "heavy ball": ({"optimizer": optimizers.HeavyBall(1.0)}, stop.below(5e-3), {}),
    "an average": ({"optimizer": optimizers.Averaging(0.5)}, stop.below(5e-3), {}),
    "an average by another method": ({"optimizer": optimizers.Averaging(0.5)}, stop.below(5e-3), {"method": "DOP853"}),
    "AdaGrad": ({"optimizer": optimizers.AdaGradNorm(1.0)}, stop.below(5e-3), {}),
    "second layer": ({"second_layer_rate": 0.3}, stop.below(5e-3), {}),
    "second layer by another method": ({"second_layer_rate": 0.3}, stop.specialised(), {"method": "LSODA"}),
    "a jump": (
        {"learning_rate": Schedule.piecewise([0, 20, 20, 1e4], [0.8, 0.8, 0.1, 0.1])},
        stop.below(5e-3),
        {},
    ),
    "relu": ({"activation": "relu"}, stop.below(1e-2), {}),
    "differences": ({}, stop.below(1e-13), {}),
    "escape": ({}, stop.escape(), {}),
    "specialised": ({}, stop.specialised(0.9), {}),
    "rest": ({"label_noise": 0.1}, stop.at_rest(1e-4), {"sectors": True}),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_run_up_to_there_is_that_without_a_condition(name):
    changes, condition, options = RUNS[name]
    one = problem(**changes)
    begin = start_of(one, 0.3 if "nodes" in name or "ball" in name else 0.1)
    run = integrate(one, begin, 1e4, stop=condition, **options)
    end = run.alpha[-1]
    assert 0.0 < end < 1e4 and run.stats["stopped_at"] == end and f"by {condition}" in run.message
    before = run.alpha[:-1]
    plain = integrate(one, begin, np.append(before, end), **options)
    others = integrate(one, begin, 1e4, **{**options, "sectors": False})
    if options.get("method", "rodas5p") == "rodas5p" and "nodes" not in run.stats:  # steps are the same
        np.testing.assert_array_equal(run.generalization_error[:-1], others.generalization_error[: before.size])
        np.testing.assert_array_equal(run.Q[:-1], others.Q[: before.size])
    np.testing.assert_allclose(run.generalization_error[-1], plain.generalization_error[-1], rtol=2e-6)
    np.testing.assert_allclose(run.Q[-1], plain.Q[-1], rtol=0.0, atol=1e-7)
    if run.final is not None:
        for part in ("q", "r", "student_weights", "copies"):
            if getattr(run.final, part) is not None:
                np.testing.assert_allclose(getattr(run.final, part), getattr(plain.final, part), rtol=0.0, atol=1e-7)
        Q = run.final.moments(one.spectrum, 1)[0]
        np.testing.assert_allclose(Q, run.Q[-1], rtol=0.0, atol=1e-12)
    if options.get("sectors"):
        np.testing.assert_array_equal(run.sectors.q[-1], run.final.q)


def test_each_condition_holds_at_the_end():
    one = problem()
    begin = start_of(one)

    def ended(condition):
        return integrate(one, begin, 1e4, stop=condition)

    height = theory.plateau_height(one, begin)
    assert ended(stop.below(1e-4)).generalization_error[-1] == pytest.approx(1e-4, rel=1e-9)
    assert ended("escape").generalization_error[-1] == pytest.approx(0.5 * height, rel=1e-9)
    assert ended("escape").generalization_error[-1] < 0.5 * height
    assert ended(stop.escape(0.25)).generalization_error[-1] == pytest.approx(0.25 * height, rel=1e-9)
    follows = ode_sgd.specialisation(ended({"name": "specialised", "correlation": 0.95})).correlation[-1]
    assert np.abs(follows).max(axis=1).min() == pytest.approx(0.95, rel=1e-9)


def test_the_time_of_an_escape_is_the_half_height_time():
    """Which findings interpolate between output times: 400 of them, 4 % apart."""
    one = problem()
    begin = start_of(one)
    found = ode_sgd.half_height(integrate(one, begin, 1e3))
    end = integrate(one, begin, 1e3, stop=stop.escape()).alpha[-1]
    assert found.floor == 0.0
    assert found.time == pytest.approx(end, rel=2e-3)


def test_rest_is_the_floor():
    """What still moves is exponentially slow: over the time alpha by 1e-6."""
    one = problem(label_noise=0.1)
    run = integrate(one, start_of(one), 1e6, stop=stop.at_rest())
    assert run.alpha[-1] < 1e5
    assert run.generalization_error[-1] == pytest.approx(theory.noise_floor(one, start_of(one)), rel=1e-5)
    again = integrate(one, run.final, 1e6, stop=stop.at_rest(1e-4))
    assert again.alpha[-1] < 1e3


def test_a_condition_that_holds_at_the_start_ends_the_run_there():
    one = problem()
    for method in ("rodas5p", "DOP853"):
        run = integrate(one, start_of(one), 10.0, stop=stop.below(10.0), method=method)
        assert run.alpha.tolist() == [0.0] and run.stats["stopped_at"] == 0.0


def test_a_condition_that_is_not_met_leaves_the_run_as_it_is():
    one = problem()
    run = integrate(one, start_of(one), 10.0, stop=stop.below(1e-9))
    plain = integrate(one, start_of(one), 10.0)
    np.testing.assert_array_equal(run.Q, plain.Q)
    np.testing.assert_array_equal(run.final.q, plain.final.q)
    assert "stopped_at" not in run.stats and run.message == ""


def test_a_stopped_run_is_stored_and_goes_on(tmp_path):
    one = problem()
    begin = start_of(one)
    first = integrate(one, begin, 1e3, stop=stop.escape())
    ode_sgd.save(tmp_path / "run.h5", first)
    stored = ode_sgd.load(tmp_path / "run.h5").ode
    assert stored.message == first.message and stored.alpha[-1] == first.alpha[-1]
    assert "stopped_at" not in integrate(one, None, first.alpha[-1] + 1.0, continues=stored).stats
    both = integrate(one, None, 1e3, continues=stored, stop=stop.below(1e-4))
    assert both.generalization_error[-1] == pytest.approx(1e-4, rel=1e-9)
    whole = integrate(one, begin, 1e3, stop=stop.below(1e-4))
    assert both.alpha[-1] == pytest.approx(whole.alpha[-1], rel=1e-6)


def test_what_is_refused():
    one = problem()
    wrong = {
        "is no condition; give one of ode_sgd.stop": 3,
        "did you mean 'below'": "belw",
        "stop.below lacks error": "below",
        "did you mean 'fraction'": {"name": "escape", "fractoin": 0.5},
        "0 < fraction < 1": {"name": "escape", "fraction": 2.0},
        "error": {"name": "below", "error": -1.0},
    }
    for message, given in wrong.items():
        with pytest.raises(InvalidProblem, match=message):
            integrate(one, start_of(one), 1.0, stop=given)
    for changes in ({"optimizer": optimizers.HeavyBall(0.2)}, {"second_layer_rate": 0.1}):
        one = problem(**changes)
        with pytest.raises(InvalidProblem, match="looks at the overlaps alone"):
            integrate(one, start_of(one), 1.0, stop="at_rest", method="DOP853")
    ruled = problem(rule=rules.huber(nodes=2**9))
    with pytest.raises(
        InvalidProblem, match=r"stop = escape\(0.5\) needs the height of the plateau.*give ode_sgd.stop"
    ):
        integrate(ruled, start_of(ruled), 1.0, stop="escape")
