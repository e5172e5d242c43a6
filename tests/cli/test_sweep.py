"""`ode-sgd sweep ...` as a user meets it."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from ode_sgd.cli.main import main
from ode_sgd.core import allowance
from ode_sgd.studies.progress import SweepProgress, duration
from ode_sgd.studies.sweeps import task as sweep_task
from tests.studies.sweeps import FILE, names

ZIP = '[["problem.learning_rate", "spectrum.beta"]]'
STUDIES = Path(__file__).parents[2] / "simulations" / "phase_diagram"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scan.toml").write_text(FILE)
    return tmp_path


def test_from_a_file_to_a_figure(folder, capsys):
    assert main(["sweep", "run", "scan.toml"]) == 0
    assert "9 of 9 runs complete, 9 of them now" in capsys.readouterr().out
    assert main(["sweep", "run", "scan.toml"]) == 0
    assert "9 of 9 runs complete, 0 of them now" in capsys.readouterr().out
    assert main(["sweep", "status", "scan.sweep"]) == 0
    assert "9 of 9 runs complete, 0 failed, 0 to go" in capsys.readouterr().out
    assert main(["sweep", "collect", "scan.sweep"]) == 0
    assert "scan.sweep/collected.h5" in capsys.readouterr().out
    assert main(["sweep", "plot", "scan.toml"]) == 2  # a sweep file is no collected file
    assert main(["sweep", "plot", "scan.sweep", "-o", "map.png"]) == 0
    assert Path("map.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("collect", "For every quantity, `collect` prints how many runs have a value and why the others have none."),
        ("status", "runs per second, and the time remaining"),
    ],
)
def test_help(command, told, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["sweep", command, "--help"])
    assert told in capsys.readouterr().out


def test_shards_and_status(folder, capsys):
    for part, done in ((1, 3), (0, 6), (2, 9)):
        assert main(["sweep", "run", "scan.toml", "--shard", f"{part}/3", "--runs-per-file", "1", "--quiet"]) == 0
        assert main(["sweep", "status", "scan.toml"]) == 0
        assert f"{done} of 9 runs complete" in capsys.readouterr().out


def test_failures_are_named_and_the_exit_status_is_1(folder, capsys, monkeypatch):
    monkeypatch.setattr(sweep_task, "PAUSE", 0.0)
    overrides = ["--set", "problem.activation=linear", "--set", "sweep.problem.learning_rate=[0.1,50.0]"]
    assert main(["sweep", "run", "scan.toml", *overrides]) == 1
    shown = capsys.readouterr()
    assert "3 of 6 runs complete" in shown.out
    assert "3 runs are not complete" in shown.err
    assert "run 3 (problem.learning_rate = 50, spectrum.beta = 0.5): diverged: " in shown.err
    assert main(["sweep", "status", "scan.sweep"]) == 0
    assert "3 of 6 runs complete, 3 failed, 0 to go" in capsys.readouterr().out
    one = ["--set", "problem.activation=linear", "--set", "problem.learning_rate=50.0", "-o", "one.sweep"]
    Path("one.toml").write_text(FILE.partition("problem.learning_rate =")[0] + "spectrum.beta = [1.0]\n")
    assert main(["sweep", "run", "one.toml", *one]) == 1
    assert "ode-sgd: 1 run is not complete:" in capsys.readouterr().err


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "sweep.problem.lerning_rate=[1]"], "did you mean 'problem.learning_rate'?"),
        (["--set", "sweep.spectrum.beta=[]"], "an empty axis"),
        (
            ["--set", 'sweep.zip=[["problem.learning_rate","spectrum.beta"]]', "--set", "sweep.spectrum.beta=[1]"],
            "equal",
        ),
        (["--shard", "3/3"], "3/3 is outside its range"),
        (["--shard", "half"], "give i/n"),
        (["--shard", "-1/10"], "-1/10 is outside its range: parts of 10 count from 0 to 9; outside of a job array"),
        (["--shard=-1/10"], "-1/10 is outside its range: parts of 10 count from 0 to 9; outside of a job array"),
        (["--shard", "10/10"], "10/10 is outside its range: parts of 10 count from 0 to 9\n"),
        (["--shard", "undefined/10"], "0/10; outside of a job array there is no number of an element"),
        (["--shard", "/10"], "0/10; outside of a job array there is no number of an element"),
        (["-j", "-1"], "jobs = -1"),
        (["--cluster", "cluster.toml"], "job = 3: unknown key (did you mean 'jobs'?)"),
        (["--cluster", "missing.toml"], "cannot be read"),
        (["-o", "other"], "holds another sweep"),
        (["--dashboard"], "is dask's page"),
        (["--runs-per-file", "0"], "runs_per_file = 0"),
        (["--runs-per-file", "2", "--set", "integration.sectors=true"], "holds no sectors"),
        (["--runs-per-file", "2", "--set", "sweep.integration.sectors=[false,true]"], "holds no sectors"),
        (["--cluster", "sound.toml", "-j", "2"], "give one"),
        (["--cluster", "sound.toml"], "needs the command sbatch"),
        (["--cluster", "sound.toml", "-o", "my scan"], "where spaces, quotes and $ mean something else"),
        (["--cluster", "unit.toml"], 'memory = "4XB" is no size'),
        (["-j", "100000"], "too many for one machine"),
        (["-o", "scan.toml"], "cannot be made: "),
        (["-o", "scan.toml/inside"], "scan.toml is a file"),
        (["-o", "loop"], "leads nowhere"),
    ],
)
def test_bad_input(folder, capsys, monkeypatch, arguments, told, dry):
    Path("cluster.toml").write_text('[cluster]\nkind = "slurm"\njob = 3\n')
    Path("sound.toml").write_text('[cluster]\nkind = "slurm"\njobs = 3\n')
    Path("unit.toml").write_text('[cluster]\nkind = "slurm"\njobs = 3\nmemory = "4XB"\n')
    Path("loop").symlink_to("loop")
    if told.startswith("needs the command"):
        pytest.importorskip("dask_jobqueue")
        monkeypatch.setenv("PATH", "")
    if "other" in arguments:
        assert main(["sweep", "run", "scan.toml", "-o", "other", "--set", "sweep.replicas=2"]) == 0
        capsys.readouterr()
    assert main(["sweep", "run", "scan.toml", *arguments, *dry]) == 2
    assert told in capsys.readouterr().err
    assert not Path("scan.sweep").exists()


def test_as_many_processes_as_there_are_processors_for(folder, capsys, monkeypatch):
    monkeypatch.setattr(allowance, "threads", lambda: 2)
    dry = ["sweep", "run", "scan.toml", "--dry-run", "-j"]
    assert main([*dry, "0"]) == main([*dry, "2"]) == 0
    assert "jobs =" not in capsys.readouterr().err
    assert main([*dry, "3"]) == 0
    assert "ode-sgd: jobs = 3, but 2 can run at one time here" in capsys.readouterr().err


def test_names_and_links(folder, capsys, monkeypatch):
    """A sweep file without an ending has a folder of another name; a link to a folder that is not there is followed."""
    Path("scan.toml").rename("scan_0.1")
    Path("scan_0.1.sweep").symlink_to("scratch/scan")
    assert main(["sweep", "run", "scan_0.1", "--dry-run"]) == 0
    assert "a run would write into scan_0.1.sweep" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {"scan_0.1", "scan_0.1.sweep"}
    assert main(["sweep", "run", "scan_0.1"]) == 0
    assert Path("scan_0.1.sweep").is_symlink() and Path("scratch/scan/sweep.json").exists()
    assert main(["sweep", "status", "scan_0.1"]) == 0
    assert main(["sweep", "collect", "scan_0.1", "-o", "scan_0.1"]) == 2
    assert "is the sweep file" in capsys.readouterr().err
    Path("rates_0.1").symlink_to("scratch/rates")
    assert main(["sweep", "collect", "scan_0.1", "-o", "rates_0.1"]) == 0
    assert Path("rates_0.1").is_symlink() and Path("scratch/rates").exists()
    assert main(["sweep", "plot", "rates_0.1"]) == 0
    assert Path("rates_0.1.png").exists()
    Path("rates_0.1").rename("rates.png")
    assert main(["sweep", "plot", "rates.png", "-o", "rates.png"]) == 2

    def failing(self, *arguments, **options):
        raise RuntimeError("Failed to process string with tex\nbecause latex could not be found")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", failing)
    capsys.readouterr()
    assert main(["sweep", "plot", "rates.png", "-o", "map.png"]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert "map.png: cannot be drawn" in told and not Path("map.png").exists()


@pytest.mark.parametrize("command", ["status", "collect", "plot"])
def test_folders_without_a_sweep(folder, capsys, command):
    Path("empty").mkdir()
    assert main(["sweep", command, "empty"]) == 2
    assert "empty holds no" in capsys.readouterr().err


def test_dry_run_computes_nothing(folder, capsys):
    assert main(["sweep", "run", "scan.toml", "--dry-run"]) == 0
    assert "no faults; 9 runs: problem.learning_rate (3) x spectrum.beta (3)" in capsys.readouterr().out
    assert [path.name for path in folder.iterdir()] == ["scan.toml"]


def test_dry_run_knows_the_plan_of_the_folder(folder, capsys):
    assert main(["sweep", "run", "scan.toml", "--runs-per-file", "3", "--shard", "0/3"]) == 0
    assert main(["sweep", "run", "scan.toml", "--runs-per-file", "3", "--dry-run"]) == 0
    assert main(["sweep", "run", "scan.toml", "--runs-per-file", "4", "--dry-run"]) == 2
    assert "begun with 3 runs a file, not 4" in capsys.readouterr().err


def test_an_interrupted_sweep_goes_on(folder, capsys, monkeypatch):
    def interrupted(studies):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        assert main(["sweep", "run", "scan.toml", "--runs-per-file", "3", "--shard", "0/3"]) == 0
        patched.setattr(sweep_task, "theory_alike", interrupted)
        assert main(["sweep", "run", "scan.toml"]) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert len(names(folder / "scan.sweep")) == 1
    assert main(["sweep", "run", "scan.toml"]) == 0
    assert "9 of 9 runs complete, 6 of them now" in capsys.readouterr().out


@pytest.mark.parametrize("command", [[], ["run"], ["status"], ["collect"], ["plot"]])
def test_help_teaches_by_example_and_imports_nothing_heavy(command):
    heavy = "{'numpy', 'numba', 'scipy', 'h5py', 'matplotlib', 'tqdm', 'dask', 'distributed'}"
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print(sorted(sys.modules.keys() & {heavy}), file=sys.stderr))\n"
        "from ode_sgd.cli.main import main\n"
        "main(sys.argv[1:])"
    )
    words = ["sweep", *command, "--help"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert " ".join(["  ode-sgd sweep", *command]) in done.stdout.partition("examples:")[2]


def test_the_phase_diagram_is_a_sound_sweep(folder, capsys):
    assert main(["sweep", "run", str(STUDIES / "sweep.toml"), "--dry-run"]) == 0
    assert "1600 runs" in capsys.readouterr().out
    from ode_sgd.studies.sweeps.cluster_file import ClusterSettings

    for kind, array in (("slurm", "array.sh"), ("sge", "array_sge.sh")):
        assert ClusterSettings.read(STUDIES / f"{kind}.toml").kind == kind
        subprocess.run(["bash", "-n", str(STUDIES / array)], check=True)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_is_one_line():
    stream, now = Terminal(), [0.0]
    progress = SweepProgress(stream=stream, clock=lambda: now[0])
    for done in (0, 10, 20):
        progress(done, 40, 1 if done else 0)
        now[0] += 5.0
    assert stream.getvalue().rpartition("\r")[2].rstrip() == "20 of 40 runs, 1 failed, 2.1/s, 9 s left"
    assert "\n" not in stream.getvalue()
    progress.close()
    assert stream.getvalue().endswith(" \r")


def test_progress_in_a_log_is_a_line_in_half_a_minute():
    stream, now = io.StringIO(), [0.0]
    progress = SweepProgress("collecting", stream, lambda: now[0])
    for second in range(61):
        now[0] = float(second)
        progress(second, 100, 0)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "collecting 30 of 100 runs, 1/s, 1 min 10 s left",
        "collecting 60 of 100 runs, 1/s, 40 s left",
    ]


def test_durations():
    told = [duration(seconds) for seconds in (0.2, 59.0, 61.0, 3600.0, 90_000.0)]
    assert told == ["0 s", "59 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]


def test_a_sweep_file_is_not_collected_into(folder, capsys):
    """Also where only the folder is named, and any other file that is no HDF5 file."""
    assert main(["sweep", "run", "scan.toml"]) == 0
    assert main(["sweep", "collect", "scan.sweep", "-o", "scan.toml"]) == 2
    assert "scan.toml is no HDF5 file, and is not replaced" in capsys.readouterr().err
    assert Path("scan.toml").read_text() == FILE


def test_a_dry_run_finds_out_the_memory(folder, capsys):
    simulation = ["simulation.dimension=400", "simulation.replicas=100000000000"]
    words = [word for one in simulation for word in ("--set", one)]
    assert main(["sweep", "run", "scan.toml", "--dry-run", *words]) == 2
    assert "replicas = 100000000000 with" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "collect", "plot"])
def test_a_path_longer_than_any(folder, capsys, command):
    assert main(["sweep", command, "a/" * 3000]) == 2
    assert "is too long for the name of a file" in capsys.readouterr().err
