"""Options that meet: kinks with a second layer and decay, spheres with batches, continued runs, two activations."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import OrderParameters, Problem, Schedule, Spectrum, integrate, integrate_batch, simulate
from ode_sgd.core.errors import InvalidProblem, StudyError
from ode_sgd.explorer.begin import origin_of
from ode_sgd.studies.study_file import parse_study

FOUR = Spectrum.power_law(4, 1.0)
ENDING = Schedule.piecewise([0, 3, 3, 20], [0.4, 0.3, 0.1, 0.1])


def problem(**changes):
    values = {"spectrum": FOUR, "student_units": 2, "teacher_units": 2, "learning_rate": 0.3, "label_noise": 0.2}
    return Problem(**{**values, **changes})


def start(one, seed=0):
    return OrderParameters.random(one, 200, 0.5, seed=seed)


def kinked(**changes):
    values = {"spectrum": Spectrum.isotropic(), "activation": "relu", "label_noise": 0.0, "learning_rate": 0.2}
    return problem(**{**values, **changes})


NEAR = OrderParameters(np.diag([0.9, 1.1])[None], np.array([[[0.9, 0.0], [0.1, 1.0]]]), np.eye(2)[None])
THERE = OrderParameters(np.eye(2)[None], np.eye(2)[None], np.eye(2)[None])


def test_what_a_kink_holds_keeps_its_second_layer():
    one = kinked(second_layer_rate=0.2)
    run = integrate(one, NEAR, [0.0, 10.0, 1e3, 1e4])
    (batch,) = integrate_batch([one], [NEAR], [0.0, 10.0, 1e3, 1e4])
    assert run.status == "complete" and run.stats["held_from"] < 1e3
    assert run.student_weights[-1].tolist() == run.student_weights[-2].tolist() == run.final.student_weights.tolist()
    assert batch.student_weights.tolist() == run.student_weights.tolist()
    # 3e-9 of terms of eps_g is its resolution, so that v_i |J_i| = 1 to the root of some 1e-8.
    lengths = run.student_weights[-1] * np.sqrt(np.diagonal(run.Q[-1]))
    np.testing.assert_allclose(lengths, 1.0, atol=3e-4)


DRIVEN = [
    {"learning_rate": 0.3, "weight_decay": 0.01},
    {"learning_rate": 0.01, "label_noise": 0.01},
    {"learning_rate": 0.3, "weight_decay": 0.01, "second_layer_rate": 0.1, "second_layer_decay": 0.01},
]


@pytest.mark.parametrize("changes", DRIVEN)
def test_what_is_driven_from_its_teacher_is_not_held_there(changes):
    """From there and from elsewhere it comes to one floor, far above the 1e-8 at which a kink holds a run."""
    one = kinked(**changes)
    runs = [integrate(one, first, [0.0, 1.0, 1e3, 1e5]) for first in (THERE, NEAR)]
    (batch,) = integrate_batch([one], [THERE], [0.0, 1.0, 1e3, 1e5])
    assert runs[0].error[-1] > 1e-7
    assert runs[0].error[-1] == pytest.approx(runs[1].error[-1], rel=1e-4)  # 100 rtol: two ways to one place
    assert batch.error.tolist() == runs[0].error.tolist()


def test_a_continued_run_keeps_its_second_layer(tmp_path):
    one = problem(second_layer_rate=Schedule.power(0.3, 0.5, 10.0), second_layer_decay=0.05)
    whole = integrate(one, start(one), [0.0, 2.0, 5.0, 20.0], rtol=1e-8)
    ode_sgd.save(tmp_path / "first.h5", integrate(one, start(one), [0.0, 2.0, 5.0], rtol=1e-8))
    run = integrate(one, None, [20.0], rtol=1e-8, continues=ode_sgd.load(tmp_path / "first.h5").ode)
    for name in ("student_weights", "Q", "error"):
        np.testing.assert_allclose(getattr(run, name), getattr(whole, name), rtol=1e-8)  # rtol
    assert run.resolution == pytest.approx(whole.resolution, rel=0.1)


def test_stats_of_a_continued_run():
    """Steps add up; what is no count, such as the accuracy of the terms of tanh, does not."""
    one = problem(activation="tanh")
    first = integrate(one, start(one), [0.0, 1.0])
    run = integrate(one, None, [2.0], continues=first)
    assert run.stats["accuracy"] == first.stats["accuracy"] > 0.0
    assert run.stats["steps"] > first.stats["steps"]


def test_two_activations_by_every_method():
    one = problem(activation="tanh", teacher_activation="erf", batch_size=2)
    runs = [integrate(one, start(one), [0.0, 1.0, 5.0], method=name) for name in ("rodas5p", "DOP853", "LSODA")]
    for run in runs[1:]:
        np.testing.assert_allclose(run.error, runs[0].error, rtol=1e-5)  # ten times rtol


def test_spheres_in_steps_on_batches(record_property):
    """With a trained second layer; pooled z as in test_ode_against_sgd.py; without a sphere it is 5."""
    N, squares = 400, []
    one = problem(spherical=True, batch_size=3, second_layer_rate=0.2, weight_decay=0.05)
    for seed in range(3):
        first = OrderParameters.random(one, N, 0.5, seed=seed)
        sgd = simulate(one, first, [0.0, 1.0, 3.0], dimension=N, replicas=16, seed=seed)
        ode = integrate(one, first, sgd.alpha, method="LSODA")
        lengths = np.diagonal(sgd.moment(0)[0], axis1=-2, axis2=-1)
        np.testing.assert_allclose(lengths, np.broadcast_to(lengths[:, :1], lengths.shape), rtol=1e-12)  # rounding
        for name in ("Q", "R", "student_weights"):
            values, theory = getattr(sgd, name)[:, 1:], getattr(ode, name)[1:]
            error = np.hypot(values.std(axis=0, ddof=1) / 4.0, np.abs(theory).max(axis=0) / N)
            squares.append((((values.mean(axis=0) - theory) / error) ** 2).ravel())
    pooled = float(np.sqrt(np.mean(np.concatenate(squares))))
    record_property("measured", f"rms z = {pooled:.2f}")
    assert 0.6 < pooled < 1.25  # entries of one start move together: three starts scatter by 0.15


@pytest.mark.parametrize("changes", [{"spherical": True}, {"learning_rate": ENDING}])
def test_the_explorer_begins_with_a_study_that_runs(changes):
    one = problem(**changes)
    tables = origin_of(one).tables
    assert parse_study(tables).tables["problem"].update_rule == one.update_rule


def test_a_study_beyond_the_end_of_a_schedule_is_told_before_it_runs():
    tables = {**origin_of(problem(learning_rate=ENDING)).tables, "integration": {"alpha": 50.0}}
    with pytest.raises(StudyError, match=r"\[integration\] learning_rate = piecewise.* ends at alpha = 20"):
        parse_study(tables)


def test_rules_are_told_with_their_numbers():
    one = problem(learning_rate=Schedule.power(0.4, 1.0, 20.0), second_layer_rate=0.2, batch_size=3)
    with pytest.raises(InvalidProblem, match=r"time=20\), second_layer_rate = 0.2, batch_size = 3 has no theory"):
        ode_sgd.theory.symmetric_saddle(one)
    assert "second_layer_rate = 0.2, batch_size = 3" in integrate(one, start(one), 1.0).details()
