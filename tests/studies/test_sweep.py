"""What a sweep is: its grid, its faults, its identities."""

import json
import subprocess
import sys

import numpy as np
import pytest

import ode_sgd
from ode_sgd.core.errors import InvalidProblem, StudyError
from ode_sgd.studies.study_file import parse_study
from ode_sgd.studies.sweeps.sweep import Sweep, run_identity
from tests.studies.sweeps import AXES, FILE, tables


def faults(*arguments, **options):
    with pytest.raises(StudyError) as raised:
        Sweep(*arguments, **options)
    return raised.value.faults


def test_runs_are_the_points_of_the_grid_the_last_axis_fastest():
    sweep = ode_sgd.Sweep(tables(), AXES, replicas=2)
    assert (len(sweep), sweep.shape) == (18, (3, 3, 2))
    assert sweep.names == ("problem.learning_rate", "spectrum.beta", "replica")
    expected = [(eta, beta, r) for eta in (0.1, 0.2, 0.5) for beta in (0.5, 1.0, 1.5) for r in (0, 1)]
    assert [tuple(sweep.values(run).values()) for run in range(18)] == expected


def test_a_run_is_the_study_with_these_values():
    sweep = Sweep(tables(start={"seed": 7}), AXES, replicas=2)
    study = sweep.study(9)
    expected = parse_study(
        tables(problem={"learning_rate": 0.2}, spectrum={"beta": 1.0}, start={"seed": 8})
    )  # 9 = 1 * 6 + 1 * 2 + 1
    assert study.problem.identity == expected.problem.identity
    assert (study.start, study.integration) == (expected.start, expected.integration)
    assert study.config == expected.config


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ([0.1, 0.2], [0.1, 0.2]),
        (np.array([0.1, 0.2]), [0.1, 0.2]),
        ({"linspace": [0.0, 1.0, 3]}, [0.0, 0.5, 1.0]),
        ({"logspace": [0.01, 1.0, 3]}, [0.01, 0.1, 1.0]),
        ({"range": [3]}, [0, 1, 2]),
        ({"range": [2, 8, 3]}, [2, 5]),
        (range(2), [0, 1]),
    ],
)
def test_forms_of_an_axis(given, values):
    sweep = Sweep(tables(), {"problem.label_noise": given})
    np.testing.assert_allclose([sweep.values(run)["problem.label_noise"] for run in range(len(sweep))], values)


def test_numbers_of_numpy_are_numbers():
    """Wherever they stand: the same sweep, and it can be written down."""
    study = tables(
        problem={"learning_rate": np.float64(0.5), "student_units": np.int64(2), "gradient_flow": np.bool_(False)},
        integration={"alpha": np.array([0.0, 1.0, 2.0, 5.0, 10.0]), "moments": (np.int64(1),)},
    )
    sweep = Sweep(study, AXES | {"problem.label_noise": [np.float64(0.1)]})
    usual = Sweep(tables(problem={"gradient_flow": False}), AXES | {"problem.label_noise": [0.1]})
    assert sweep.identity == usual.identity
    assert json.dumps(sweep.document()) == json.dumps(usual.document())


def test_zip_groups_vary_together():
    axes = {"problem.student_units": [1, 2], "spectrum.beta": [1.0, 2.0, 3.0], "problem.teacher_units": [3, 4]}
    sweep = Sweep(tables(), axes, zip=[["problem.student_units", "problem.teacher_units"]])
    assert sweep.shape == (2, 3)
    pairs = {(v["problem.student_units"], v["problem.teacher_units"]) for v in map(sweep.values, range(6))}
    assert pairs == {(1, 3), (2, 4)}


def test_a_file_and_overrides(tmp_path):
    (tmp_path / "scan.toml").write_text(FILE)
    sweep = Sweep.read(tmp_path / "scan.toml")
    assert sweep.identity == Sweep(tables(), AXES).identity  # quoted or not, read or given
    more = Sweep.read(tmp_path / "scan.toml", ["sweep.replicas=4", "sweep.problem.learning_rate=[1.0]"])
    assert more.shape == (1, 3, 4)
    found = _read_faults(tmp_path, "sweep.replicas=0")
    assert found == ["[sweep] replicas = 0 is too small; give an integer >= 1"]


def _read_faults(folder, *overrides):
    with pytest.raises(StudyError) as raised:
        Sweep.read(folder / "scan.toml", overrides)
    return raised.value.faults


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({"problem.lerning_rate": [1.0]}, "did you mean 'problem.learning_rate'?"),
        ({"eta": [1.0]}, "did you mean 'problem.learning_rate'?"),
        ({"problem.beta": [1.0]}, "did you mean 'spectrum.beta'?"),
        ({"nonsense.at_all": [1.0]}, "give TABLE.KEY of the study"),
        ({"problem.learning_rate": []}, "an empty axis"),
        ({"problem.learning_rate": {"linspace": [0.1, 0.2, 0]}}, "an empty axis"),
        ({"problem.learning_rate": {"range": [3, 3]}}, "an empty axis"),
        ({"problem.learning_rate": {"logspase": [1, 2, 3]}}, "did you mean 'logspace'?"),
        ({"problem.learning_rate": {"logspace": [-2, 0, 3]}}, "the values themselves, not their exponents"),
        ({"problem.learning_rate": {"linspace": [1, 2]}}, "give [first, last, count]"),
        ({"problem.learning_rate": 0.3}, "is no axis; give a list"),
        ({"problem.learning_rate": [0.1, 0.2, 0.1]}, "holds 0.1 twice"),
        ({"problem.learning_rate": [0.1, -1.0]}, "[sweep] problem.learning_rate[1]: [problem] learning_rate = -1.0"),
        ({"spectrum.distinct": [2, 30]}, "spectrum.distinct[1]: [start] dimension"),
        ({"spectrum.distinct": {"linspace": [2.5, 4.5, 2]}}, "is not an integer"),
        ({}, "has no axis"),
    ],
)
def test_faults_of_an_axis(axes, told):
    found = faults(tables(), axes)
    assert any(told in fault for fault in found), found


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"zip": [["problem.learning_rate", "spectrum.beta"]]}, "problem.learning_rate has 2, spectrum.beta has 3"),
        ({"zip": [["problem.learning_rat", "spectrum.beta"]]}, "did you mean 'problem.learning_rate'?"),
        ({"zip": [["spectrum.beta", "spectrum.beta"]]}, "twice"),
        ({"replicas": 0}, "replicas = 0"),
        ({"replicas": 1.5}, "not an integer"),
    ],
)
def test_faults_of_zip_and_replicas(options, told):
    axes = {"problem.learning_rate": [0.1, 0.2], "spectrum.beta": [0.5, 1.0, 1.5]}
    found = faults(tables(), axes, **options)
    assert any(told in fault for fault in found), found


def test_replicas_and_an_axis_of_seeds_contradict_each_other():
    assert "runs would repeat" in faults(tables(), {"start.seed": [0, 1]}, replicas=2)[0]
    typical = tables() | {"start": {"kind": "typical", "student_scale": 0.1}}
    assert "nothing in this study depends on a seed" in faults(typical, {}, replicas=2)[0]


def test_all_faults_at_once():
    found = faults(tables(problem={"lerning_rate": 1.0}), {"spectrum.beta": [], "problem.eta": [1.0]})
    assert len(found) == 3


def test_points_that_contradict_themselves_are_found_inside_the_grid():
    """Each value is fine beside the first ones of the other axes; 3 sectors of 10 inputs are not."""
    axes = {"start.dimension": [60, 10], "spectrum.distinct": [2, 3]}
    found = faults(tables(), axes)
    assert len(found) == 1 and found[0].startswith("run 3 (start.dimension = 10, spectrum.distinct = 3)")


def test_a_sweep_needs_its_table():
    assert "[sweep] has no axis" in faults(tables())[0]
    with pytest.raises(StudyError, match="sweep = 3 is not a table"):
        Sweep(tables() | {"sweep": 3})


def test_identity_is_that_of_the_meaning():
    sweep = Sweep(tables(), AXES)
    spelt = Sweep(tables(integration={"rtol": 1e-6, "alpha": (0, 1, 2, 5, 10)}), AXES | {})
    assert sweep.identity == spelt.identity
    others = [
        Sweep(tables(integration={"rtol": 1e-7}), AXES),
        Sweep(tables(), AXES | {"problem.learning_rate": [0.1, 0.2]}),
        Sweep(tables(), dict(reversed(AXES.items()))),
        Sweep(tables(), AXES, replicas=2),
    ]
    assert len({sweep.identity, *(other.identity for other in others)}) == 5
    assert Sweep.of_document(sweep.document(), "again").identity == sweep.identity


def test_identities_of_runs_differ_and_do_not_depend_on_the_sweep():
    sweep = Sweep(tables(), AXES, replicas=2)
    identities = {run_identity(sweep.study(run), sweep.values(run)) for run in range(len(sweep))}
    assert len(identities) == len(sweep)
    part = Sweep(tables(), {"problem.learning_rate": [0.2], "spectrum.beta": [1.0]}, replicas=2)
    assert {run_identity(part.study(run), part.values(run)) for run in range(2)} < identities


def test_classes_are_those_of_equal_shapes():
    axes = {"problem.learning_rate": [0.1, 0.2], "problem.student_units": [1, 2], "integration.rtol": [1e-6, 1e-8]}
    classes = Sweep(tables(), axes).classes()
    assert classes.tolist() == [0, 1, 2, 3] * 2  # student_units x rtol


def test_a_run_outside_the_sweep():
    with pytest.raises(InvalidProblem, match="run = 9"):
        Sweep(tables(), AXES).values(9)


# The peak of this process's own memory: ru_maxrss begins with that of the process that started it.
MEASURED = """
import resource, sys
from pathlib import Path
from ode_sgd.cli.main import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
own = [float(line.split()[1]) for line in lines if line.startswith("VmHWM")]
print(code, used.ru_utime + used.ru_stime, (own[0] if own else used.ru_maxrss) / 1024)
"""


def dry_run(path, rates, *settings):
    """Processor time in seconds and memory in MB of a dry run of 1e5 runs."""
    path.write_text(FILE.replace("[0.1, 0.2, 0.5]", rates))
    command = [sys.executable, "-c", MEASURED, "sweep", "run", str(path), "--dry-run"]
    command += [word for setting in settings for word in ("--set", setting)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "100000 runs" in done.stdout
    code, seconds, megabytes = done.stdout.splitlines()[-1].split()
    assert code == "0"
    return float(seconds), float(megabytes)


def test_a_dry_run_of_1e5_runs_is_cheap_and_small(tmp_path, record_property):
    """Of values between two ends a part is looked at, of those that are written down every one.

    That takes 5 to 6 times as long as a grid on a quiet machine, and took 8.3 times beside other tests, which compile:
    the grid's second is mostly imports.
    """
    grid = dry_run(
        tmp_path / "grid.toml",
        "{ linspace = [0.1, 0.9, 400] }",
        "sweep.spectrum.beta={linspace=[0.2,2.0,50]}",
        "sweep.replicas=5",
    )
    listed = dry_run(
        tmp_path / "list.toml", str([0.1 + 1e-6 * number for number in range(100_000)]), "sweep.spectrum.beta=[1.0]"
    )
    record_property("measured", f"dry run of 1e5 runs, seconds and MB: grid {grid}, list {listed}")
    assert listed[0] < 12.0 * grid[0]
    assert max(grid[1], listed[1]) < 500.0


@pytest.mark.parametrize(
    ("arguments", "options", "told"),
    [
        ((5, AXES), {}, "study = 5 is none"),
        ((tables(), 5), {}, "axes = 5 are none"),
        ((tables(), AXES), {"zip": 5}, "zip = 5: give a list of lists"),
        ((tables(), AXES), {"zip": [[["a"]]]}, "give a list of lists of names"),
        ((tables(), AXES), {"zip": [5]}, "give a list of lists of names"),
        ((tables(start={"seed": "abc"}), AXES), {"replicas": 2}, "seed = 'abc'"),
    ],
)
def test_arguments_of_the_wrong_kind(arguments, options, told):
    found = faults(*arguments, **options)
    assert any(told in fault for fault in found), found
