"""Optimisers as values: what they say, how files keep them, what they refuse."""

import json
import tomllib
from dataclasses import fields

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, Problem, Schedule, Spectrum, optimizers
from ode_sgd.studies.study_file import read_study
from ode_sgd.teacher_student.model.optimizers.combinations import COMBINED, OPTIONS

FALLING = Schedule.power(4.0, 1.0, 1.0)
EVERY = [
    optimizers.HeavyBall(1.0),
    optimizers.Averaging(0.5),
    optimizers.Averaging("running_mean"),
    optimizers.Averaging(FALLING),
    optimizers.ScheduleFree(0.9),
    optimizers.DANA(1.0, 0.5, 0.1, FALLING),
]


def problem(**changes):
    given = {"spectrum": Spectrum.power_law(4, 1.0), "student_units": 2, "teacher_units": 2, "learning_rate": 0.5}
    return Problem(**{**given, **changes})


@pytest.mark.parametrize("rule", EVERY, ids=str)
def test_plain_values_make_the_same_optimizer(rule):
    given = json.loads(json.dumps(rule.stored))
    assert problem(optimizer=given) == problem(optimizer=rule)
    assert problem(optimizer=given).identity == problem(optimizer=rule).identity != problem().identity
    assert eval(repr(rule), {"optimizers": optimizers, "Schedule": Schedule}) == rule
    assert len({rule, type(rule)(**{key: getattr(rule, key) for key in given if key != "name"})}) == 1


def test_sgd_is_a_problem_without_an_optimizer():
    assert problem(optimizer=optimizers.SGD()) == problem(optimizer="SGD") == problem()
    assert problem(optimizer=optimizers.SGD()).identity == problem().identity
    assert "optimizer" not in problem().stored


def test_every_kind_is_public():
    for name in ("SGD", "HeavyBall", "Averaging", "ScheduleFree", "DANA"):
        assert name in dir(optimizers)
        assert getattr(ode_sgd.optimizers, name).__name__ == name
    with pytest.raises(AttributeError, match=r"no attribute 'HeavyBal' \(did you mean 'HeavyBall'\?\)"):
        optimizers.HeavyBal  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'adam' \(did you mean 'Adam'\?\)"):
        optimizers.adam  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'Zzyzx'$"):
        optimizers.Zzyzx  # noqa: B018


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "HeavyBal"}, "did you mean 'HeavyBall'"),
        ({"name": "HeavyBall"}, "HeavyBall lacks friction"),
        ({"name": "HeavyBall", "fricton": 1.0}, "did you mean 'friction'"),
        ({"name": "HeavyBall", "fricton": 1.0}, "it lacks friction$"),
        ({"name": "Adam"}, "Adam lacks second_moment_rate$"),
        ({"name": "Adam", "bassis": "eigen", "fast": True}, "'basis'.*nor has it 'fast'; it lacks second_moment_rate$"),
        ({"name": "DANA", "g1": 1.0, "g3": 0.1}, "DANA lacks g2, delta$"),
        (optimizers.HeavyBall, r"optimizer = HeavyBall is a class; call it: .*HeavyBall\(friction=\.\.\.\)$"),
        (optimizers.Adam, r"call it: ode_sgd\.optimizers\.Adam\(second_moment_rate=\.\.\.\)$"),
        (optimizers.SGD, r"call it: ode_sgd\.optimizers\.SGD\(\)$"),
        ({"name": "HeavyBall", "friction": 0.0}, "friction = 0.0 is outside"),
        ({"name": "HeavyBall", "friction": "much"}, "friction = 'much' is not a number"),
        ({"name": "Averaging", "rate": "mean"}, "'running_mean'"),
        ({"name": "Averaging", "rate": -1.0}, "rate = -1.0 is outside"),
        ({"name": "ScheduleFree", "interpolation": 1.5}, "0 <= beta <= 1"),
        ({"name": "DANA", "g1": 0.0, "g2": 0.0, "g3": 1.0, "delta": 1.0}, "g1 = 0.0 is outside"),
        ({"friction": 1.0}, "does not say which"),
        (3, "optimizer = 3 is a int"),
    ],
)
def test_what_is_no_optimizer_is_refused(given, words):
    with pytest.raises(InvalidProblem, match=words):
        problem(optimizer=given)


@pytest.mark.parametrize(("option", "value"), [("spherical", True), ("second_layer_rate", 0.1)])
def test_what_does_not_go_together_is_refused(option, value):
    with pytest.raises(InvalidProblem, match=rf"HeavyBall.* with {option} = {value}.* leave one of them out"):
        problem(optimizer=optimizers.HeavyBall(1.0), **{option: value})


def test_options_are_those_of_a_problem():
    assert set(OPTIONS) - {"schedules"} <= {entry.name for entry in fields(Problem)}
    assert {name for name, options in COMBINED.items() if not options <= {*OPTIONS}} == set()


def test_theory_of_plain_sgd_refuses():
    with pytest.raises(InvalidProblem, match=r"HeavyBall\(friction = 1\) has no theory here"):
        ode_sgd.theory.fixed_point(problem(optimizer=optimizers.HeavyBall(1.0), label_noise=0.1))


@pytest.mark.parametrize("rule", EVERY, ids=str)
def test_the_copies_are_functions_of_time(rule):
    """Slopes beside differences; the rates of a step sum up to what J moves by."""
    copies, alpha, h = rule.copies, 3.0, 1e-5
    for value, slope in ((copies.mixing_at, copies.mixing_slope_at), (copies.rates_at, copies.rates_slope_at)):
        measured = (value(alpha + h) - value(alpha - h)) / (2.0 * h)
        np.testing.assert_allclose(slope(alpha), measured, rtol=0.0, atol=1e-8)  # rounding of values / h: 1e-10
    assert copies.mixing_at(0.0).shape == (copies.count, copies.count)
    assert copies.p.sum() == pytest.approx(1.0)


STUDY = """
[spectrum]
kind = "isotropic"
[problem]
student_units = 2
teacher_units = 2
learning_rate = 0.5
[problem.optimizer]
name = "HeavyBall"
friction = 1.0
[start]
kind = "random"
dimension = 100
[integration]
alpha = 1.0
"""


def test_a_study_file_has_a_table_of_it(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    assert read_study(path).problem.optimizer == optimizers.HeavyBall(1.0)
    assert read_study(path, ["problem.optimizer.friction=2.0"]).problem.optimizer == optimizers.HeavyBall(2.0)
    with pytest.raises(ode_sgd.StudyError, match="did you mean 'friction'"):
        read_study(path, ["problem.optimizer.fricton=2.0"])


def test_a_sweep_has_axes_in_it():
    tables = tomllib.loads(STUDY)
    sweep = ode_sgd.Sweep(tables, {"problem.optimizer.friction": [0.5, 2.0]})
    assert [sweep.study(n).problem.optimizer for n in range(2)] == [optimizers.HeavyBall(f) for f in (0.5, 2.0)]
