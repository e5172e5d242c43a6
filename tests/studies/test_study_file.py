"""Study files: what they mean, and that every fault of a file is named at once."""

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
from ode_sgd.teacher_student.study_tables import Integration, RandomStart, Simulation, TypicalStart


def study_tables(**changes):
    """A sound study; `table__key=value` changes one key, with `...` removing it."""
    tables = {
        "spectrum": {"kind": "power_law", "distinct": 4, "beta": 1.0},
        "problem": {"student_units": 2, "teacher_units": 3, "learning_rate": 0.5},
        "start": {"kind": "random", "seed": 7},
        "integration": {"alpha": 10.0},
        "simulation": {"dimension": 400, "replicas": 4, "seed": 1},
    }
    for path, value in changes.items():
        table, _, key = path.partition("__")
        if not key:
            tables[table] = value
        elif value is ...:
            del tables[table][key]
        else:
            tables[table][key] = value
    return {name: table for name, table in tables.items() if table is not ...}


def faults_of(**changes):
    with pytest.raises(ode_sgd.StudyError) as caught:
        parse_study(study_tables(**changes))
    return caught.value.faults


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


def test_keys_are_the_parameters_of_the_public_names():
    def names(target):
        return set(inspect.signature(target).parameters)

    assert names(RandomStart) == names(ode_sgd.OrderParameters.random) - {"problem"}
    assert names(TypicalStart) == names(ode_sgd.OrderParameters.typical) - {"problem"}
    assert names(Integration) == names(ode_sgd.integrate) - {"problem", "start", "progress"}
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


def test_all_faults_at_once():
    faults = faults_of(
        spectrum={"kind": "explicit", "eigenvalues": [1.0, -1.0], "weights": [0.5, 0.6]},
        problem__student_units=0,
        problem__learning_rate=float("inf"),
        problem__activation="erff",
        problem__teacher_weights=[1.0, 2.0],
        problem__label_nois=0.1,
        start__seed=-1,
        integration__alpha=[0.0, 2.0, 1.0],
        integration__rtol="small",
        simulation__dimension=...,
        extra={"x": 1},
        seed=3,
    )
    wanted = [
        "[extra]: unknown table; the tables are spectrum, problem, start, integration, simulation",
        "seed = 3: a key outside all tables (did you mean to put it below [start]?)",
        "[spectrum] eigenvalue -1 is negative; all must be >= 0",
        "[spectrum] weights sum to 1.1, not to 1; divide them by their sum",
        "[problem] label_nois = 0.1: unknown key (did you mean 'label_noise'?)",
        "[problem] student_units = 0 is too small; give an integer >= 1",
        "[problem] learning_rate = inf is outside its range; give a finite number > 0",
        "[problem] activation = 'erff' does not exist; choose one of 'erf', 'linear' (did you mean 'erf'?)",
        "[problem] teacher_weights has 2 entries; teacher_units = 3 need 3",
        "[start] seed = -1 is too small; give an integer >= 0",
        "[integration] alpha must increase strictly; alpha[2] = 1 follows 2",
        "[integration] rtol = 'small' is not a number; give a finite number >= 1e-13",
        "[simulation] dimension is missing; give an integer >= 1",
    ]
    assert sorted(faults) == sorted(wanted)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"problem__lerning_rate": 0.5, "problem__learning_rate": ...}, "[problem] lerning_rate = 0.5: unknown key"),
        ({"problem__eta": 0.5}, "(did you mean 'learning_rate'?)"),
        ({"problem__K": 2}, "(did you mean 'student_units'?)"),
        ({"problem__dimension": 2}, "(did you mean to put it below [start]?)"),
        ({"problem__replicas": 2}, "(did you mean to put it below [simulation]?)"),
        ({"problem__zzz": "x" * 100}, "[problem] zzz = 'xxx"),
        ({"integration__alhpa": 3}, "(did you mean 'alpha'?)"),
        (
            {"spectrum": {"kind": "isotropic", "beta": 1.0}},
            "beta = 1.0: unknown key of kind = 'isotropic'; it has none",
        ),
        ({"start__kind": "randm"}, "choose one of 'random', 'typical' (did you mean 'random'?)"),
        ({"start__kind": ...}, "[start] kind is missing; choose one of 'random', 'typical'"),
        ({"start__kind": ["random"]}, "[start] kind = ['random'] does not exist"),
        ({"problem": ..., "problm": {}}, "[problm]: unknown table (did you mean [problem]?)"),
        ({"integration": ...}, "[integration] is missing"),
        ({"integration": 3}, "integration = 3 is not a table; begin one with a line [integration]"),
    ],
)
def test_names(changes, fault):
    (found,) = faults_of(**changes)
    assert fault in found


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"problem__student_units": 2.0}, "student_units = 2.0 is not an integer"),
        ({"problem__learning_rate": "0.5"}, "learning_rate = '0.5' is not a number"),
        ({"problem__learning_rate": True}, "is not a number"),
        ({"problem__gradient_flow": 1}, "gradient_flow = 1 is not a boolean"),
        ({"problem__student_weights": ["1", "2"]}, "student_weights holds '1'; give an array of numbers"),
        ({"problem__student_weights": [True, 1]}, "student_weights holds true; give an array of numbers"),
        ({"problem__student_weights": [[1, 2]]}, "student_weights holds [1, 2]; give an array of numbers"),
        ({"problem__student_weights": 1.0}, "student_weights has shape ()"),
        ({"integration__alpha": "10"}, "alpha = '10' is not a number"),
        ({"integration__alpha": []}, "alpha has shape (0,)"),
        ({"integration__nodes": 1}, "nodes = 1 is too small"),
        ({"integration__nodes": "al"}, "nodes = 'al' does not exist"),
        ({"integration__method": "rodas"}, "(did you mean 'rodas5p'?)"),
        ({"integration__moments": 1}, "moments = 1 is not a sequence"),
        ({"integration__moments": [1.5]}, "moments = 1.5 is not an integer"),
        ({"integration__sectors": "yes"}, "sectors = 'yes' is not a boolean"),
        ({"simulation__dimension": 10**30}, "does not fit into 64 bits"),
        ({"simulation__replicas": True}, "replicas = True is not an integer"),
        ({"simulation__points": 1}, "points = 1 is too small"),
    ],
)
def test_wrong_types(changes, fault):
    (found,) = faults_of(**changes)
    assert fault in found


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"spectrum": {"kind": "explicit", "eigenvalues": [float("nan")], "weights": [1.0]}}, "eigenvalues holds nan"),
        ({"spectrum": {"kind": "explicit", "eigenvalues": [1.0]}}, "[spectrum] weights is missing; give shape (L,)"),
        ({"spectrum__distinct": 0}, "distinct = 0 is too small"),
        ({"spectrum__beta": -1.0}, "beta = -1.0 is outside its range"),
        ({"problem__learning_rate": -0.5}, "learning_rate = -0.5 is outside its range; give a finite number > 0"),
        ({"problem__trainable": 5}, "trainable = 5 sectors, but the spectrum has 4"),
        ({"problem__gradient_flow": True}, "gradient_flow = true has no SGD"),
        ({"start__student_scale": -1.0}, "student_scale = -1.0 is outside its range"),
        ({"start": {"kind": "typical"}}, "[start] student_scale is missing; give a finite number >= 0"),
        ({"start__dimension": 401}, "[start] dimension N = 401 gives sector 1"),
        ({"simulation": ...}, "[start] dimension is missing"),
        ({"integration__alpha": [1.0, 2.0]}, "alpha starts at 1"),
        ({"integration__alpha": float("nan")}, "alpha = nan is outside its range"),
        ({"integration__rtol": 0.5}, "rtol = 0.5 is too coarse"),
        ({"integration__atol": -1.0}, "atol = -1.0 is outside its range"),
        ({"simulation__dimension": 401}, "[simulation] dimension N = 401 gives sector 1 of 4 100.25 inputs"),
        ({"simulation__dimension": 2}, "[simulation] dimension N = 2 gives sector 1"),
        ({"simulation__dimension": 12, "start__dimension": 400}, "only 3 inputs, but the start needs 5"),
        ({"simulation__method": "exact"}, "method = 'exact' does not exist"),
        ({"simulation__alpha": [0.0, 0.0]}, "[simulation] alpha must increase strictly"),
    ],
)
def test_values_out_of_range(changes, fault):
    (found,) = faults_of(**changes)
    assert fault in found


def test_a_faulty_spectrum_does_not_hide_or_invent_faults_of_the_problem():
    faults = faults_of(spectrum__beta="x", problem__trainable=3, problem__label_noise=-1.0)
    assert len(faults) == 2
    assert any("label_noise" in fault for fault in faults)


def test_small_dimensions_are_fine_where_the_start_was_drawn_at_them():
    study = parse_study(study_tables(simulation__dimension=4))
    assert study.start.overlaps(study.problem).r.shape == (4, 2, 3)


@pytest.fixture
def study_path(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(
        '[spectrum]\nkind = "isotropic"\n'
        "[problem]\nstudent_units = 1\nteacher_units = 1\nlearning_rate = 0.1\n"
        '[start]\nkind = "typical"\nstudent_scale = 0.1\n'
        "[integration]\nalpha = 1.0\n"
    )
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


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"integration__nodes": 10}, "nodes = 10 for 4 distinct"),
        ({"integration__nodes": 2, "integration__sectors": True}, "sectors = True asks for every sector"),
        ({"integration__nodes": 2, "integration__method": "DOP853"}, "takes the whole spectrum"),
        ({"integration__moments": [5000]}, "order 5000 is too high"),
    ],
)
def test_an_integration_that_could_not_run(changes, reason):
    fault, second = faults_of(**changes, simulation__replicas=0)
    assert "replicas" in fault
    assert second.startswith("[integration] ") and reason in second


def test_one_misspelt_kind_is_one_fault():
    (fault,) = faults_of(spectrum={"knd": "power_law", "distinct": 4, "beta": 1.0})
    assert "knd" in fault and "did you mean 'kind'?" in fault


def test_a_run_of_no_length():
    study = parse_study(study_tables(integration__alpha=[0.0]))
    assert study.simulation.times(0.0).tolist() == [0.0]


def test_sectors_too_small_for_the_reduced_method():
    (fault,) = faults_of(simulation__method="reduced", simulation__dimension=16, start__dimension=16)
    assert fault.startswith("[simulation] ") and "N_k = 4" in fault and 'method="explicit"' in fault


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
    assert time.process_time() - began < 1.0
    faults, tables = [], study_tables()
    override_key(tables, f"problem.x={text.partition('= ')[2]}", faults)
    with pytest.raises(StudyError, match=r"\[problem\] x = .* unknown key"):
        parse_study(tables)


def test_a_byte_order_mark_is_passed_over(tmp_path):
    study = resources.files("ode_sgd.studies").joinpath("template.toml").read_text("utf-8")
    for name, read, text in (
        ("study", read_study, study),
        ("sweep", Sweep.read, f"{study}\n[sweep]\nreplicas = 2\n"),
        ("cluster", ClusterSettings.read, '[cluster]\nkind = "slurm"\njobs = 2\n'),
    ):
        path = tmp_path / f"{name}.toml"
        path.write_text(text, encoding="utf-8-sig")
        assert read(path)


def test_many_unknown_names_and_long_ones_are_told_shortly():
    began = time.process_time()
    tables = {f"table{n}": 1 for n in range(20_000)} | study_tables() | {"x" * 10**6: 1, "a\nb": {}}
    tables["problem"] = tables["problem"] | {f"key{n}": 1 for n in range(20_000)}
    with pytest.raises(StudyError) as caught:
        parse_study(tables)
    with pytest.raises(StudyError) as swept:
        Sweep(study_tables(), {f"name{n}": [1] for n in range(20_000)})
    assert time.process_time() - began < 1.0
    for error in (caught, swept):
        assert len(error.value.faults) < 50 and max(map(len, error.value.faults)) < 400
        assert not any("\n" in fault for fault in error.value.faults)
    assert any("19980 more unknown keys" in fault for fault in caught.value.faults)


def test_a_simulation_too_small_for_a_typical_start():
    start = {"kind": "typical", "student_scale": 0.1}
    spectrum = {"kind": "power_law", "distinct": 5, "beta": 1.0}
    faults = faults_of(spectrum=spectrum, start=start, simulation__dimension=10)
    assert any("gives sector 1 only 2 inputs, but the start needs 5" in fault for fault in faults), faults
