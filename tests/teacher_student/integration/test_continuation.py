"""Runs that go on where others have ended."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, Schedule, integrate
from ode_sgd.cli.main import main
from tests.teacher_student.test_schedules import problem, start

POWER = Schedule.power(0.8, 1.0, 2.0)
TIMES = np.array([0.0, 1.0, 4.0, 9.0])


@pytest.mark.parametrize("method", ["rodas5p", "DOP853"])
@pytest.mark.parametrize("rate", [0.4, POWER, Schedule.piecewise([0, 4, 4, 9], [0.8, 0.4, 0.2, 0.1])])
def test_two_runs_are_one(method, rate):
    """The joint is at a time of its own, and where the schedule jumps; rtol bounds what the new start may change."""
    one = problem(learning_rate=rate)
    whole = integrate(one, start(one), TIMES, rtol=1e-9, method=method, sectors=True)
    first = integrate(one, start(one), TIMES[:3], rtol=1e-9, method=method, sectors=True)
    both = integrate(one, None, TIMES[2:], continues=first, rtol=1e-9, method=method, sectors=True)
    np.testing.assert_array_equal(both.alpha, TIMES)
    for name in ("generalization_error", "Q", "R"):
        np.testing.assert_allclose(getattr(both, name), getattr(whole, name), rtol=1e-7)
    np.testing.assert_allclose(both.sectors.q, whole.sectors.q, rtol=1e-7)
    np.testing.assert_allclose(both.final.r, whole.final.r, rtol=1e-7)
    assert both.generalization_error[:3].tolist() == first.generalization_error.tolist()
    assert both.stats["steps"] > first.stats["steps"]


def test_from_a_file_and_to_a_last_time(tmp_path):
    one = problem(learning_rate=POWER)
    ode_sgd.save(tmp_path / "first.h5", integrate(one, start(one), TIMES[:3]))
    first = ode_sgd.load(tmp_path / "first.h5").ode
    both = integrate(one, None, 9.0, continues=first)
    assert both.alpha.size == 3 + 400 and both.alpha[3] > 4.0 and both.alpha[-1] == 9.0
    expected = integrate(one, start(one), TIMES).generalization_error[-1]
    assert both.generalization_error[-1] == pytest.approx(expected, rel=1e-6)


def test_where_overlaps_round_the_joint_says_so():
    """Differences from the teachers, which the first run had, are not in its last state."""
    one = problem(label_noise=0.0, weight_decay=0.0, spectrum=ode_sgd.Spectrum.isotropic(), learning_rate=1.0)
    first = integrate(one, start(one, 2), 600.0)
    assert first.generalization_error[-1] < 1e-18
    both = integrate(one, None, [700.0], continues=first)
    assert first.resolution < 1e-30
    assert 1e-17 < both.resolution < 1e-13


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"start": start(problem())}, "takes the place of start"),
        ({"problem": problem(learning_rate=0.3)}, r"another problem \(other learning_rate\); .* ode_sgd.Schedule"),
        ({"alpha": [3.0, 9.0]}, "increase strictly from 4"),
        ({"alpha": 4.0}, "a time beyond 4"),
        ({"continues": 3}, "continues is a int"),
    ],
)
def test_what_cannot_be_continued(change, said):
    one = problem(learning_rate=POWER)
    first = integrate(one, start(one), TIMES[:3])
    given = {"problem": one, "start": None, "alpha": 9.0, "continues": first} | change
    with pytest.raises(InvalidProblem, match=said):
        integrate(**given)


def test_simulations_and_nodes_have_no_state_to_go_on_from():
    one = problem()
    sgd = ode_sgd.simulate(one, start(one), [0.0, 0.1], dimension=20, seed=0, method="explicit")
    with pytest.raises(InvalidProblem, match="the run to be continued is a simulation"):
        integrate(one, None, 9.0, continues=sgd)
    long = problem(spectrum=ode_sgd.Spectrum.power_law(300, 1.0))
    with pytest.raises(InvalidProblem, match="integrate it with nodes = None"):
        integrate(long, None, 9.0, continues=integrate(long, start(long), [0.0, 1.0], nodes=20))


STUDY = """
[spectrum]
kind = "isotropic"
[problem]
student_units = 2
teacher_units = 2
learning_rate = { power = { initial = 0.8, exponent = 1.0, time = 2.0 } }
[start]
kind = "random"
dimension = 20
student_scale = 0.3
[integration]
alpha = 9.0
"""


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    """The longer run holds the shorter one; what cannot be continued says why."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(STUDY)
    run = ["run", "study.toml", "--quiet"]
    assert main([*run, "--set", "integration.alpha=4.0", "-o", "first.h5"]) == 0
    assert main([*run, "--continue", "first.h5", "-o", "both.h5"]) == 0
    first, both = (ode_sgd.load(f"{name}.h5").ode for name in ("first", "both"))
    assert both.alpha[-1] == 9.0
    assert both.generalization_error[: first.alpha.size].tolist() == first.generalization_error.tolist()
    for more, said in (
        (["--set", "problem.label_noise=0.1"], "the run to be continued is of another problem (other label_noise)"),
        (["--set", "integration.alpha=3.0"], "give a later one"),
        (["--set", "simulation.dimension=20"], "leave that out"),
    ):
        capsys.readouterr()
        assert main([*run, "--continue", "first.h5", "-o", "none.h5", *more]) != 0
        assert said in capsys.readouterr().err
    assert not (tmp_path / "none.h5").exists()
