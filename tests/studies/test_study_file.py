"""Study files: what they mean, what in a command line replaces, and files that are none."""

import inspect
import time
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd import StudyError, Sweep
from ode_sgd.studies.study_file import override_key, parse_study, read_study
from ode_sgd.studies.sweeps.cluster_file import ClusterSettings
from ode_sgd.teacher_student.study_starts import OrthonormalStart, RandomStart, SaadSollaStart, TypicalStart
from ode_sgd.teacher_student.study_tables import Integration, Simulation
from tests.studies.study_tables import study_tables
from tests.study_text import ONE_UNIT, changed, text_of


def test_tables_become_the_public_objects():
    study = parse_study(study_tables(problem__label_noise=0.25, problem__student_weights=[1, -2.0]))
    assert study.spectrum == ode_sgd.Spectrum.power_law(4, 1.0)
    assert study.problem == ode_sgd.Problem(
        spectrum=study.spectrum,
        student_units=2,
        teacher_units=3,
        learning_rate=0.5,
        label_noise=0.25,
        student_weights=(1.0, -2.0),
    )
    start = study.start.overlaps(study.problem)
    wanted = ode_sgd.OrderParameters.random(study.problem, 400, seed=7)
    np.testing.assert_array_equal(start.gram, wanted.gram)
    assert study.integration.times[-1] == 10.0


@pytest.mark.parametrize(
    ("table", "spectrum"),
    [
        ({"kind": "isotropic"}, ode_sgd.Spectrum.isotropic()),
        ({"kind": "power_law", "distinct": 5, "beta": 0.5, "trace": 2}, ode_sgd.Spectrum.power_law(5, 0.5, 2.0)),
        (
            {"kind": "explicit", "eigenvalues": [2, 0.0], "weights": [0.25, 0.75]},
            ode_sgd.Spectrum([2.0, 0.0], [0.25, 0.75]),
        ),
    ],
)
def test_every_kind_of_spectrum(table, spectrum):
    assert parse_study(study_tables(spectrum=table)).spectrum == spectrum


def test_typical_start():
    study = parse_study(study_tables(start={"kind": "typical", "student_scale": 0.1}))
    wanted = ode_sgd.OrderParameters.typical(study.problem, 0.1)
    np.testing.assert_array_equal(study.start.overlaps(study.problem).gram, wanted.gram)


def test_orthonormal_start_at_the_simulation_s_dimension():
    study = parse_study(study_tables(start={"kind": "orthonormal", "student_scale": 0.1, "seed": 3}))
    wanted = ode_sgd.OrderParameters.orthonormal(study.problem, 400, 0.1, seed=3)
    np.testing.assert_array_equal(study.start.overlaps(study.problem).gram, wanted.gram)
    assert study.config["start"]["dimension"] == 400


def test_saad_solla_start():
    study = parse_study(study_tables(start={"kind": "saad_solla", "seed": 5}))
    wanted = ode_sgd.OrderParameters.saad_solla(study.problem, seed=5)
    np.testing.assert_array_equal(study.start.overlaps(study.problem).gram, wanted.gram)


def test_a_start_at_a_dimension_of_its_own():
    study = parse_study(study_tables(start__dimension=401))
    wanted = ode_sgd.OrderParameters.random(study.problem, 401, seed=7)
    np.testing.assert_array_equal(study.start.overlaps(study.problem).gram, wanted.gram)


def test_keys_are_the_parameters_of_the_public_names():
    def names(target):
        return set(inspect.signature(target).parameters)

    assert names(RandomStart) == names(ode_sgd.OrderParameters.random) - {"problem"}
    assert names(OrthonormalStart) == names(ode_sgd.OrderParameters.orthonormal) - {"problem"}
    assert names(SaadSollaStart) == names(ode_sgd.OrderParameters.saad_solla) - {"problem"}
    assert names(TypicalStart) == names(ode_sgd.OrderParameters.typical) - {"problem"}
    assert names(Integration) == names(ode_sgd.integrate) - {"problem", "start", "progress", "continues"}
    ours = {"points"}  # the grid; moments and sectors are the integration's
    assert names(Simulation) - ours < names(ode_sgd.simulate)


def test_config_has_all_defaults_and_means_the_same_study():
    study = parse_study(study_tables())
    assert study.config["problem"]["activation"] == "erf"
    assert study.config["start"]["dimension"] == 400
    again = parse_study(study.config)
    assert again.config == study.config
    assert (again.problem, again.start, again.integration, again.simulation) == (
        study.problem,
        study.start,
        study.integration,
        study.simulation,
    )


@pytest.mark.parametrize(
    ("alpha", "last", "times"), [(None, 10.0, 61), (2.0, 2.0, 61), ([0.0, 0.3, 5], 5.0, 3), ([0.0, 1e-6, 1.0], 1.0, 2)]
)
def test_times_of_the_simulation_are_whole_steps(alpha, last, times):
    plan = parse_study(
        study_tables(simulation={"dimension": 100_000, "alpha": alpha} if alpha else {"dimension": 100_000})
    )
    found = plan.simulation.times(10.0)
    assert (found[0], found[-1], found.size) == (0.0, last, times)
    steps = found * 100_000
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)  # the rounding of one product below 1e6


def test_small_dimensions_are_fine_where_the_start_was_drawn_at_them():
    study = parse_study(study_tables(simulation__dimension=4))
    assert study.start.overlaps(study.problem).r.shape == (4, 2, 3)


@pytest.fixture
def study_path(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(text_of(changed(ONE_UNIT, start={"kind": "typical", "student_scale": 0.1})))
    return path


def test_overrides(study_path):
    study = read_study(
        study_path,
        [
            "problem.learning_rate=0.25",
            "problem.activation=linear",
            'problem.output="mean_field"',
            "integration.alpha=[0, 1, 10]",
            "simulation.dimension = 50",
        ],
    )
    assert (study.problem.learning_rate, study.problem.activation) == (0.25, "linear")
    assert study.problem.output == "mean_field"
    assert study.integration.times.tolist() == [0.0, 1.0, 10.0]
    assert study.simulation == Simulation(dimension=50)
    assert study.source == str(study_path)


@pytest.mark.parametrize("text", ["learning_rate=1", "problem.learning_rate", "=3", ".x=3", "problem.=3"])
def test_overrides_without_a_path(study_path, text):
    with pytest.raises(ode_sgd.StudyError, match=r"--set .*give TABLE.KEY=VALUE"):
        read_study(study_path, [text])


def test_faults_of_overrides_and_file_come_together(study_path):
    with pytest.raises(ode_sgd.StudyError) as caught:
        read_study(study_path, ["x=1", "problem.lable_noise=1", "problem.student_units=two\nx = 3"])
    assert len(caught.value.faults) == 3
    assert "student_units = 'two\\nx = 3' is not an integer" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[problem\n", r"is not TOML: .*line 1"),
        (b"a = 1\na = 2\n", r"is not TOML: .*line 2"),
        (b"a = \xff\n", "is not UTF-8 text"),
        (b"", r"5 faults|4 faults"),
    ],
)
def test_files_that_are_no_studies(tmp_path, content, fault):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ode_sgd.StudyError, match=fault):
        read_study(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ode_sgd.StudyError, match=r"No such file.*ode-sgd init"):
        read_study(tmp_path / "missing.toml")
    with pytest.raises(ode_sgd.StudyError, match="cannot be read"):
        read_study(tmp_path)


SHIPPED = sorted((Path(__file__).parents[2] / "simulations").rglob("study.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_studies_are_sound(path):
    assert read_study(path).simulation is not None


def test_a_sweep_file_is_for_another_command(tmp_path):
    (tmp_path / "scan.toml").write_text("[sweep]\nproblem.learning_rate = [0.1, 0.2]\n")
    with pytest.raises(ode_sgd.StudyError, match="`ode-sgd sweep run` takes such a file"):
        read_study(tmp_path / "scan.toml")


def test_a_run_of_no_length():
    study = parse_study(study_tables(integration__alpha=[0.0]))
    assert study.simulation.times(0.0).tolist() == [0.0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = " + "[" * 2000 + "]" * 2000, "nested too deep"),
        ("x = " + "[" * 40 + "]" * 40, "nested too deep"),
        ("a" + ".a" * 40 + " = 1", "a key of more than 20 parts"),
        ("x = [" + "1.0, " * 600_000 + "]", "is longer than 2 MiB"),
    ],
    ids=["2000 arrays", "40 arrays", "parts", "long"],
)
def test_what_no_study_means_is_refused_at_once(tmp_path, text, told):
    """Cluster files and sweep files are read in the same way."""
    path = tmp_path / "study.toml"
    path.write_text(text)
    began = time.process_time()
    for read in (read_study, Sweep.read, ClusterSettings.read):
        with pytest.raises(StudyError, match=told) as caught:
            read(path)
        assert len(caught.value.faults) == 1 and len(str(caught.value)) < 300
    assert time.process_time() - began < 10.0  # it took minutes, or all memory
    faults, tables = [], study_tables()
    override_key(tables, f"problem.x={text.partition('= ')[2]}", faults)
    with pytest.raises(StudyError, match=r"\[problem\] x = .* unknown key"):
        parse_study(tables)


def test_a_byte_order_mark_is_passed_over(tmp_path):
    study = resources.files("ode_sgd.teacher_student").joinpath("template.toml").read_text("utf-8")
    for name, read, text in (
        ("study", read_study, study),
        ("sweep", Sweep.read, f"{study}\n[sweep]\nreplicas = 2\n"),
        ("cluster", ClusterSettings.read, '[cluster]\nkind = "slurm"\njobs = 2\n'),
    ):
        path = tmp_path / f"{name}.toml"
        path.write_text(text, encoding="utf-8-sig")
        assert read(path)
