"""The command line's files: their names, what replaces them, and a figure or a disk that fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ode_sgd
from ode_sgd.cli.main import main
from tests.cli.command_line import STUDY


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize("name", ["study.png", "study.pdf"])
def test_figures_that_cannot_be_written_are_found_out_first(folder, capsys, name, dry):
    Path(name).mkdir()
    assert main(["run", "study.toml", *dry]) == 2
    assert f"{name} is a folder" in capsys.readouterr().err
    assert not Path("study.h5").exists()


@pytest.fixture
def no_latex(monkeypatch):
    """matplotlib where LaTeX was asked for and is not there."""

    def failing(self, *arguments, **options):
        raise RuntimeError("Failed to process string with tex\nbecause latex could not be found")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", failing)


def test_a_figure_that_fails_loses_nothing(folder, capsys, no_latex):
    Path("study.png").write_bytes(b"old")
    assert main(["run", "study.toml"]) == 0
    shown = capsys.readouterr()
    for part in ("eps_g (SGD)", "ODE and SGD agree", "file    study.h5"):
        assert part in shown.out
    assert "figure" not in shown.out
    (told,) = shown.err.splitlines()
    assert told.startswith("ode-sgd: study.png: cannot be drawn (RuntimeError: Failed") and "plot study.h5" in told
    assert ode_sgd.load("study.h5").sgd is not None
    assert Path("study.png").read_bytes() == b"old"
    assert {path.name for path in folder.iterdir()} == {"study.toml", "study.h5", "study.png"}


@pytest.mark.parametrize("arguments", [["plot"], ["plot", "--analysis"], ["compare", "--figure", "z.pdf"]])
def test_a_figure_alone_that_fails_is_one_line(folder, stored, capsys, no_latex, arguments):
    assert main([arguments[0], str(stored), *arguments[1:]]) == 2
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1 and "latex could not be found" in shown.err
    assert ("ODE and SGD agree" in shown.out) == (arguments[0] == "compare")
    assert [path.name for path in folder.iterdir()] == ["study.toml"]


def test_an_interrupted_figure_loses_nothing(folder, capsys, monkeypatch):
    def stopped(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("ode_sgd.studies.execution._drawn", stopped)
    assert main(["run", "study.toml"]) == 130
    shown = capsys.readouterr()
    assert "ODE and SGD agree" in shown.out and "what was computed is in study.h5" in shown.err
    assert not Path("study.checkpoint").exists()


def test_an_inherited_backend_that_does_not_exist(folder, stored):
    command = [sys.executable, "-m", "ode_sgd", "plot", str(stored), "-o", "figure.png"]
    environment = os.environ | {"MPLBACKEND": "nonsense"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path("figure.png").exists()


def test_a_picture_does_not_replace_its_data(folder, stored, capsys):
    Path("data.png").write_bytes(stored.read_bytes())
    assert main(["plot", "data.png", "-o", "data.png"]) == 2
    assert "give the figure another name" in capsys.readouterr().err
    assert ode_sgd.load("data.png").sgd is not None


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("simulation.replicas=100_000_000_000", "give fewer replicas, output times or moments"),
        ("simulation.points=1_000_000_000_000", "points = 1000000000000 is too large"),
        ("problem.label_noise=1e200", "give 0, or a number from 1e-50"),
        ("spectrum.trace=1e-300", "give a number from 1e-50"),
    ],
)
def test_what_cannot_be_run_replaces_nothing(folder, capsys, override, told, dry):
    for name in ("study.h5", "study.png", "study.pdf"):
        Path(name).write_bytes(b"old")
    assert main(["run", "study.toml", "--set", override, *dry]) == 2
    assert told in capsys.readouterr().err
    assert {path.read_bytes() for path in folder.iterdir() if path.suffix != ".toml"} == {b"old"}
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_weights_that_do_not_fit_are_found_out_first(folder, capsys, dry):
    overrides = ["--set", "simulation.dimension=100_000_000_000", "--set", "simulation.method=explicit"]
    assert main(["run", "study.toml", *overrides, *dry]) == 2
    assert "dimension = 100000000000 on" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["study.toml"]


def test_a_simulation_that_runs_out_of_memory_keeps_the_theory(folder, capsys, monkeypatch):
    def full(**options):
        raise MemoryError("Unable to allocate 3 GiB")

    monkeypatch.setattr("ode_sgd.teacher_student.study_model.simulate", full)
    assert main(["run", "study.toml"]) == 1
    shown = capsys.readouterr()
    assert "Unable to allocate 3 GiB; study.h5 holds the ODE alone" in shown.err and "eps_g (ODE)" in shown.out
    assert ode_sgd.load("study.h5").ode.status == "complete"


def test_a_disk_that_is_full_after_the_simulation(folder, capsys, monkeypatch):
    """The verdict is printed, and the checkpoint holds what could not be stored."""
    from ode_sgd.studies import execution

    real = execution.save

    def second(path, *runs, **options):
        if len(runs) == 2:
            raise ode_sgd.StorageError("cannot write study.h5: No space left on device")
        return real(path, *runs, **options)

    with monkeypatch.context() as patched:
        patched.setattr(execution, "save", second)
        assert main(["run", "study.toml"]) == 1
    shown = capsys.readouterr()
    assert "ODE and SGD agree" in shown.out
    assert "No space left on device; study.h5 holds the ODE alone" in shown.err and "the same command goes" in shown.err
    assert main(["run", "study.toml"]) == 0
    assert ode_sgd.load("study.h5").sgd.stats["steps_before"] == 6 * 80


def test_names_keep_what_follows_a_point(folder, capsys):
    for name in ("eta_0.1", "eta_0.2", "eta_0.3.toml"):
        Path("study.toml").rename(name)
        assert main(["run", name, "--dry-run"]) == 0
        Path(name).rename("study.toml")
    told = [line.split()[7] for line in capsys.readouterr().out.splitlines()]
    assert told == ["eta_0.1.h5", "eta_0.2.h5", "eta_0.3.h5"]
    assert main(["run", "study.toml", "--quiet", "-o", "eta_0.1.h5"]) == 0
    assert {path.name for path in folder.iterdir()} == {"study.toml", "eta_0.1.h5", "eta_0.1.png", "eta_0.1.pdf"}


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_an_output_that_is_the_study_itself(folder, capsys, dry):
    Path("study.toml").rename("study.h5")
    assert main(["run", "study.h5", "-o", "study.h5", *dry]) == 2
    assert "study.h5 is the study file; give the output another name" in capsys.readouterr().err
    assert Path("study.h5").read_text() == STUDY


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_link_into_a_folder_that_is_missing(folder, capsys, dry):
    Path("out.h5").symlink_to("scratch/out.h5")
    assert main(["run", "study.toml", "-o", "out.h5", *dry]) == 2
    assert "scratch of out.h5, a link to out.h5 in it, does not exist" in capsys.readouterr().err


def test_links_are_followed(folder):
    Path("scratch").mkdir()
    for name in ("out.h5", "out.png", "out.checkpoint"):
        Path(name).symlink_to(f"scratch/{name}")
    assert main(["run", "study.toml", "--quiet", "-o", "out.h5"]) == 0
    assert Path("out.h5").is_symlink() and Path("out.png").is_symlink()
    assert {path.name for path in Path("scratch").iterdir()} == {"out.h5", "out.png"}


def test_init_on_a_full_disk_leaves_nothing(folder, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert main(["init", "new.toml"]) == 2
    assert main(["init", "study.toml", "--force"]) == 2
    assert capsys.readouterr().err.count("No space left on device") == 2
    assert Path("study.toml").read_text() == STUDY
    assert [path.name for path in folder.iterdir()] == ["study.toml"]
