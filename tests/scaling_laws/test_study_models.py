"""The three models in study files: templates, runs, files, sweeps, resuming, figures, and what is refused."""

import contextlib
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

import ode_sgd
from ode_sgd.cli.main import main
from ode_sgd.core.errors import StudyError
from ode_sgd.core.registry import find_model
from ode_sgd.studies.study_file import read_study

MODELS = ("feature_learning", "random_features", "resource_model")
FLOW = """model = "feature_learning"
[task]
kind = "power_law"
modes = 60
[student]
gamma = 1.0
width = 20
[training]
kind = "flow"
times = 20.0
points = 60
[simulation]
replicas = 8
points = 10
"""
SGD = FLOW.replace('"flow"\ntimes = 20.0', '"sgd"\nsteps = 200\nlearning_rate = 0.02\nbatch_size = 4')
REGRESSION = """model = "random_features"
[task]
kind = "torus"
dimension = 1
smoothness = 1.0
modes = 200
[regression]
kind = "samples"
samples = 128
features = 64
ridge = 0.01
points = 12
[simulation]
replicas = 8
"""
SHARING = """model = "resource_model"
[subtasks]
kind = "explicit"
variances = [1.0, 0.5, 0.25]
noise_variances = [1.0, 2.0, 0.5]
[sharing]
neurons = 16
[simulation]
samples = 2000
replicas = 6
"""
STUDIES = {"flow": FLOW, "sgd": SGD, "regression": REGRESSION, "sharing": SHARING}
SWEEPS = {
    "flow": "student.gamma = [0.0, 1.0]\ntraining.times = [10.0, 20.0]\n",
    "sgd": "student.gamma = [0.0, 0.5]\ntraining.learning_rate = [0.01, 0.02]\n",
    "regression": "regression.ridge = [0.01, 0.1]\ntask.smoothness = [1.0, 2.0]\n",
    "sharing": 'sharing.policy = ["greedy", "optimal"]\nsimulation.samples = [500, 2000]\n',
}
FOUND = {"flow": "gain", "sgd": "gain", "regression": "law", "sharing": "largest_share"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in STUDIES.items():
        Path(f"{name}.toml").write_text(text)
        Path(f"{name}_scan.toml").write_text(f"{text}[sweep]\n{SWEEPS[name]}")
    return tmp_path


def the_same(run, other):
    """Whether two runs are equal bit for bit, and of one class."""
    assert type(run) is type(other) and run.model == other.model
    assert (run.method, run.status, run.seed, run.dimension) == (
        other.method,
        other.status,
        other.seed,
        other.dimension,
    )
    assert run.problem.identity == other.problem.identity
    assert run.observables.keys() == other.observables.keys()
    pairs = [(run.alpha, other.alpha), (run.error, other.error)]
    pairs += [(run.observables[name].values, other.observables[name].values) for name in run.observables]
    for one, another in pairs:
        np.testing.assert_array_equal(one, another)


@pytest.mark.parametrize("name", MODELS)
def test_a_template_is_a_study_without_faults(name, folder):
    assert main(["init", "--model", name, "study.toml"]) == 0
    study = read_study("study.toml")
    assert study.model.name == name and study.simulates
    given = {
        f"{table}.{key}"
        for table, keys in tomllib.loads(study.model.template()).items()
        if table != "model"
        for key in keys
    }
    assert given <= set(study.model.keys())


@pytest.mark.parametrize("name", MODELS)
def test_a_template_names_every_key(name):
    """Also those that are commented out, or belong to another kind of a table."""
    model = find_model(name)
    text, keys = model.template(), model.keys()
    missing = {key for key in keys if key.partition(".")[2] not in text}
    assert missing == set()


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_computed_compared_stored_and_drawn(name, folder, capsys):
    assert main(["run", f"{name}.toml"]) == 0
    shown = capsys.readouterr().out
    assert "theory and simulation agree: " in shown
    stored, study = ode_sgd.load(f"{name}.h5"), read_study(f"{name}.toml")
    the_same(stored.ode, study.model.theory(study.tables, lambda fraction: None))
    the_same(stored.sgd, study.model.simulation(study.tables, lambda fraction: None, None))
    assert type(stored.ode) is study.model.kind
    wanted, recorded = study.model.times(study.tables)
    np.testing.assert_array_equal(stored.ode.alpha, wanted)
    np.testing.assert_array_equal(stored.sgd.alpha, recorded)
    assert all(Path(f"{name}.{ending}").stat().st_size > 1000 for ending in ("png", "pdf"))
    assert main(["show", f"{name}.h5"]) == main(["compare", f"{name}.h5"]) == 0
    assert main(["plot", f"{name}.h5", "-o", "analysis.png", "--analysis"]) == 0


@pytest.mark.parametrize("name", STUDIES)
def test_as_xarray(name, folder):
    pytest.importorskip("xarray")
    study = read_study(f"{name}.toml")
    run = study.model.theory(study.tables, lambda fraction: None)
    found = run.to_xarray()
    np.testing.assert_array_equal(found["loss"].values, run.error)
    assert found["loss"].dims == (run.time_name,)


@pytest.mark.parametrize("name", ["flow", "regression", "sharing"])
def test_an_interrupted_simulation_goes_on(name, folder):
    """To the same bits, from the checkpoint that it left."""
    study = read_study(f"{name}.toml", ["simulation.replicas=3"])
    whole, seen = study.model.simulation(study.tables, lambda fraction: None, None), []

    def interrupt(fraction):
        seen.append(fraction)
        if fraction > 0.0:
            raise KeyboardInterrupt

    checkpoint = ode_sgd.Checkpoint("run.checkpoint")
    with contextlib.suppress(KeyboardInterrupt):  # that is raised where no replica is finished
        study.model.simulation(study.tables, interrupt, checkpoint)
    assert seen and checkpoint.read() is not None
    assert study.model.prepare(study.tables, checkpoint)
    resumed = study.model.simulation(study.tables, lambda fraction: None, checkpoint)
    np.testing.assert_array_equal(resumed.error, whole.error)


@pytest.mark.parametrize("name", STUDIES)
def test_a_sweep(name, folder, capsys):
    """One of them in two processes, whose workers find every model in the same way."""
    pytest.importorskip("dask")
    jobs = "2" if name == next(iter(STUDIES)) else "1"
    assert main(["sweep", "run", f"{name}_scan.toml", "-j", jobs, "--quiet"]) == 0
    assert "4 of 4 runs complete" in capsys.readouterr().out
    assert main(["sweep", "collect", f"{name}_scan.toml"]) == 0
    sweep = ode_sgd.Sweep.read(f"{name}_scan.toml")
    with h5py.File(f"{name}_scan.sweep/collected.h5") as file:
        assert np.isfinite(file[FOUND[name]][...]).all()
        for number in range(4):
            study = sweep.study(number)
            run = study.model.theory(study.tables, lambda fraction: None)
            np.testing.assert_array_equal(file["loss"][number], run.error)
            times = file[study.model.time_name][...]
            np.testing.assert_array_equal(times if times.ndim == 1 else times[number], run.alpha)
            assert file["final_loss"][number] == run.error[-1]
        drawn = file["simulation_residual" if name == "sharing" else "simulation_loss"][:, :, -1]
        assert all(np.unique(row).size == row.size for row in drawn)  # replicas with streams of their own


@pytest.mark.parametrize("name", STUDIES)
def test_runs_of_theory_share_files(name, folder):
    tables = {table: keys for table, keys in read_study(f"{name}.toml").config.items() if table != "simulation"}
    swept = {
        "flow": "student.gamma",
        "sgd": "student.gamma",
        "regression": "task.smoothness",
        "sharing": "sharing.policy",
    }
    values = ["greedy", "optimal", "equal"] if name == "sharing" else [0.5, 1.0, 2.0]
    sweep = ode_sgd.Sweep(tables, {swept[name]: values})
    result = ode_sgd.run_sweep(sweep, "out", runs_per_file=3)
    assert result.complete == 3 and len(list(Path("out/runs/000").iterdir())) == 1
    with h5py.File(ode_sgd.collect_sweep("out").path) as file:
        for number in range(3):
            study = sweep.study(number)
            run = study.model.theory(study.tables, lambda fraction: None)
            np.testing.assert_array_equal(file["loss"][number], run.error)
            measures = study.model.measures(run)
            assert {key: file[key][number] for key in measures} == measures


def test_exponents_stand_beside_their_laws(folder):
    """Lazy and rich flow at infinite width, fitted within a hundredth where 10^12 modes leave them a window."""
    for gamma, law in ((0.0, 0.5), (10.0, 2.0 / 3.0)):
        changes = [f"student.gamma={gamma}", "task.modes=1000000000000", "training.times=1e7", "training.points=300"]
        text = FLOW.partition("[simulation]")[0].replace("width = 20\n", "")
        Path("wide.toml").write_text(text)
        study = read_study("wide.toml", changes)
        run = study.model.theory(study.tables, lambda fraction: None)
        found = study.model.measures(run)
        assert found["law"] == pytest.approx(law, rel=1e-12)
        assert found["exponent"] == pytest.approx(law, abs=0.01)
        assert found["floor"] == 0.0
        told = study.model.describe(run)
        assert "exponent  " in told and f"law       {law:.4f}" in told and ("lazy" if gamma == 0.0 else "rich") in told


def test_shares_and_laws_of_resources_are_told(folder):
    study = read_study("sharing.toml")
    told = study.model.describe(study.model.theory(study.tables, lambda fraction: None))
    assert "of 16 neurons, by subtask" in told and "law" not in told
    subtasks = '[subtasks]\nkind = "power_law"\nmodes = 1000000\nadditive_noise = 1.0\n'
    sharing = '[sharing]\nneurons = 1000000\npolicy = "optimal"\n'
    Path("many.toml").write_text(f'model = "resource_model"\n{subtasks}{sharing}')
    study = read_study("many.toml")
    run = study.model.theory(study.tables, lambda fraction: None)
    assert study.model.measures(run)["law"] == pytest.approx(0.75 / 2.75, rel=1e-12)


def test_what_is_compiled_beforehand_is_all(folder):
    """Pieces of work are few steps, and the run's own."""
    for name in STUDIES:
        study = read_study(f"{name}.toml")
        works = study.model.works(study.tables)
        assert len(works) == 2
        for work in works:
            work()


def plus(text, table, line):
    return text.replace(f"[{table}]\n", f"[{table}]\n{line}\n")


FAULTS = {
    "width": (
        FLOW.replace("width = 20", "width = 60"),
        "width = 60, but the task has 60 modes; give fewer, or leave it out",
    ),
    "peak": (plus(FLOW, "student", "samples = 20"), "the interpolation peak"),
    "capacity": (plus(FLOW, "task", "capacity = 1.0"), "capacity = 1.0 is outside its range; give a finite number > 1"),
    "source": (plus(FLOW, "task", "source = 0.0"), "source = 0.0 is outside its range"),
    "gamma": (FLOW.replace("gamma = 1.0", "gamma = -1.0"), "gamma = -1.0 is outside its range"),
    "times": (FLOW.replace("times = 20.0", "times = [0.0, 2.0, 1.0]"), "times must increase strictly"),
    "data": (plus(SGD, "student", "samples = 30"), "SGD takes fresh data at every step"),
    "rate": (plus(SGD, "simulation", "learning_rate = 0.1"), "that of SGD is in [training]"),
    "random": (FLOW.replace("width = 20\n", ""), "nothing random in it"),
    "modes": (FLOW.replace("modes = 60", "modes = 10000"), "give at most 4096, or leave the table [simulation] out"),
    "steps": (SGD.replace("steps = 200", "steps = [0, 1.5]"), "give whole numbers, or the last of them"),
    "kind": (FLOW.replace('"flow"', '"flaw"'), "did you mean 'flow'"),
    "ridge": (REGRESSION.replace("ridge = 0.01", "ridge = -1.0"), "ridge = -1.0 is outside its range"),
    "many": (REGRESSION.replace("modes = 200", "modes = 10000000"), "or leave the table out"),
    "policy": (plus(SHARING, "sharing", 'policy = "gredy"'), "did you mean 'greedy'"),
    "polya": (plus(SHARING, "sharing", 'policy = "polya"'), "needs concentration; give a number > 1"),
    "equal": (plus(SHARING, "sharing", 'policy = "equal"'), "gives policy = 'equal', but [simulation] chooses"),
    "polya, simulated": (
        plus(SHARING, "sharing", 'policy = "polya"\nconcentration = 3.0'),
        "give policy = 'greedy' or 'optimal', or leave the table [simulation] out",
    ),
    "fixed shares": (plus(SHARING, "sharing", "shares = [0.5, 0.3, 0.2]"), "gives shares, but [simulation] chooses"),
    "shares": (
        plus(SHARING, "sharing", "shares = [0.5, 0.3, 0.1]"),
        "[sharing] shares that sum to 0.9; give shares that sum to 1",
    ),
    "both": (
        plus(SHARING, "sharing", 'shares = [0.5, 0.3, 0.2]\npolicy = "optimal"'),
        "shares = [0.5, 0.3, 0.2] beside policy = 'optimal'; leave one of the two out",
    ),
    "penalty": (
        plus(SHARING, "sharing", 'policy = "penalty"'),
        "choose one of 'greedy', 'optimal', 'equal', 'polya'",
    ),
    "endless": (FLOW.replace("times = 20.0", "times = 1e300"), "networks take 2e+301 steps to that; give a shorter"),
    "gamma is text": (FLOW.replace("gamma = 1.0", 'gamma = "rich"'), "give a number from 0 (lazy) to 100"),
    "variances": (SHARING.replace("[1.0, 0.5, 0.25]", "[1.0, -0.5, 0.25]"), "variances holds -0.5; give numbers > 0"),
    "samples": (SHARING.replace("samples = 2000", "samples = 16"), "samples = 16 for 16 neurons"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_refused(name, folder):
    text, told = FAULTS[name]
    Path("faulty.toml").write_text(text)
    with pytest.raises(StudyError) as raised:
        read_study("faulty.toml")
    assert told in str(raised.value)
    assert len(raised.value.faults) == 1
