"""The command line: what it prints, its exit status, what it imports, and Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ode_sgd
from ode_sgd.cli import machine
from ode_sgd.cli.main import main
from tests.cli.command_line import STUDY

COMMANDS = ("init", "run", "compare", "plot", "show", "info")


def python(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_run_prints_table_paths_and_verdict(folder, capsys):
    assert main(["run", "study.toml"]) == 0
    shown = capsys.readouterr()
    assert "eps_g (ODE)" in shown.out
    assert "ODE and SGD agree" in shown.out
    assert "file    study.h5" in shown.out
    assert "figure  study.png, study.pdf" in shown.out
    assert shown.err == ""
    assert {path.name for path in folder.iterdir()} == {"study.toml", "study.h5", "study.png", "study.pdf"}


def test_run_with_overrides_and_output(folder, capsys):
    Path("results").mkdir()
    overrides = ["--set", "problem.activation=linear", "--set", "problem.learning_rate=0.25"]
    assert main(["run", "study.toml", "--quiet", "-o", "results/first.h5", *overrides]) == 0
    assert "eps_g" not in capsys.readouterr().out
    problem = ode_sgd.load("results/first.h5").problem
    assert (problem.activation, problem.learning_rate) == ("linear", 0.25)


def test_dry_run_computes_nothing(folder, capsys):
    assert main(["run", "study.toml", "--dry-run"]) == 0
    assert "no faults" in capsys.readouterr().out
    assert [path.name for path in folder.iterdir()] == ["study.toml"]


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_bad_input_names_all_faults(folder, capsys, dry):
    overrides = ["--set", "problem.lerning_rate=1", "--set", "spectrum.distinct=0", "--set", "integration.alpha=nan"]
    assert main(["run", "study.toml", *dry, *overrides]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "study.toml: 3 faults" in shown.err
    assert "did you mean 'learning_rate'?" in shown.err
    assert "[spectrum] distinct = 0" in shown.err
    assert "[integration] alpha = nan" in shown.err


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_missing_output_folder(folder, capsys, dry):
    assert main(["run", "study.toml", "-o", "missing/out.h5", *dry]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["rum"], ["run"], ["run", "study.toml", "-o", "out.png"], ["run", "study.toml", "--dimension", "3"]],
)
def test_bad_arguments(folder, arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: ode-sgd" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["compare", "plot", "show"])
def test_files_that_are_not_ours(folder, capsys, command):
    assert main([command, "study.toml"]) == 2
    assert "not an HDF5 file" in capsys.readouterr().err
    assert main([command, "missing.h5"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_disagreement_has_its_own_status(folder, stored, capsys, monkeypatch):
    monkeypatch.setattr("ode_sgd.analysis.agreement.RMS_LIMIT", 0.0)
    assert main(["compare", str(stored)]) == 3
    assert main(["run", "study.toml"]) == 3
    assert capsys.readouterr().out.count("DISAGREE") == 2


def test_what_is_too_loose_to_tell_has_its_own_status(folder, stored, capsys, monkeypatch):
    monkeypatch.setattr("ode_sgd.analysis.evidence.LOOSE", 1e-9)  # then any allowance is too much
    assert main(["compare", str(stored)]) == 4
    assert main(["run", "study.toml"]) == 4
    assert capsys.readouterr().out.count("too loose to tell") == 2


def test_failed_run(folder, capsys):
    overrides = ["--set", "problem.activation=linear", "--set", "problem.learning_rate=50.0"]
    assert main(["run", "study.toml", *overrides]) == 1
    assert "beyond critical" in capsys.readouterr().err
    assert ode_sgd.load("study.h5").attributes["status"] == "diverged"


def test_interrupted_run(folder, capsys, monkeypatch):
    def stopped(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("ode_sgd.teacher_student.study_model.simulate", stopped)
    assert main(["run", "study.toml"]) == 130
    assert "interrupted; what was computed is in study.h5" in capsys.readouterr().err
    Path("study.h5").unlink()
    monkeypatch.setattr("ode_sgd.teacher_student.study_model.integrate", stopped)
    assert main(["run", "study.toml"]) == 130
    assert "nothing was computed that could be kept" in capsys.readouterr().err
    assert not Path("study.h5").exists()


def test_compare(stored, capsys):
    assert main(["compare", str(stored)]) == 0
    assert "ODE and SGD agree" in capsys.readouterr().out


def test_compare_at_several_dimensions(folder, capsys):
    for dimension in (40, 80):
        override = ["--set", f"simulation.dimension={dimension}", "--set", "start.dimension=40"]
        override += ["--set", "simulation.replicas=8"]
        # Times of both are multiples of 1/40.
        main(
            ["run", "study.toml", "--quiet", *override, "--set", "simulation.alpha=[0, 1, 2]", "-o", f"{dimension}.h5"]
        )
    capsys.readouterr()
    assert main(["compare", "40.h5", "80.h5", "--figure", "z.png"]) == 0
    printed = capsys.readouterr().out
    assert "extrapolated to N -> infinity from N = 40, 80" in printed and "worst z" in printed
    assert Path("z.png").stat().st_size > 10_000
    assert main(["compare", "40.h5", "40.h5"]) == 2
    assert "each at its own N" in capsys.readouterr().err
    for figure in ("z.bmp", "nowhere/z.png", "40.h5"):
        assert main(["compare", "40.h5", "--figure", figure]) == 2
        assert capsys.readouterr().out == ""  # before anything is printed


def test_compare_needs_both(folder, capsys):
    text = STUDY.partition("[simulation]")[0].replace('"random"', '"random"\ndimension = 40')
    Path("study.toml").write_text(text)
    assert main(["run", "study.toml"]) == 0
    assert main(["compare", "study.h5"]) == 2
    assert "holds no simulation" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["figure.png", "figure.pdf"])
def test_plot(folder, stored, capsys, name):
    assert main(["plot", str(stored), "-o", name]) == 0
    assert capsys.readouterr().out == f"figure  {name}\n"
    assert Path(name).read_bytes()[:4] in (b"\x89PNG", b"%PDF")


def test_plot_refuses_other_formats(folder, stored, capsys):
    assert main(["plot", str(stored), "-o", "figure.txt"]) == 2
    assert ".png, .pdf, .svg or .pgf" in capsys.readouterr().err


def test_show(stored, capsys):
    assert main(["show", str(stored)]) == 0
    shown = capsys.readouterr().out
    assert "[problem] student_units = 2" in shown
    assert "[simulation] dimension = 40" in shown
    assert "status           complete" in shown


def test_show_sets_theory_beside_what_is_measured(folder, capsys):
    flags = ["start.student_scale=0.01", "integration.alpha=1000.0", "spectrum.distinct=1"]
    main(["run", "study.toml", "--quiet", *(part for flag in flags for part in ("--set", flag)), "-o", "long.h5"])
    capsys.readouterr()
    assert main(["show", "long.h5"]) == 0
    printed = capsys.readouterr().out
    for part in (
        "plateau   alpha =",
        "; theory height",
        "between random starts with a standard deviation of",
        "escape    rate",
        "follows teacher",
    ):
        assert part in printed


def test_plot_of_everything(folder, stored):
    assert main(["plot", str(stored), "--analysis", "-o", "all.png"]) == 0
    assert Path("all.png").stat().st_size > 50_000


def test_info(capsys):
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["ode-sgd"] == ode_sgd.__version__
    assert {"erf", "linear"} <= set(facts["activations"])
    assert main(["info"]) == 0
    assert f"activations       {', '.join(facts['activations'])}" in capsys.readouterr().out


def test_template_is_a_sound_study(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert main(["run", "study.toml", "--dry-run"]) == 0
    small = ["--set", "simulation.dimension=40", "--set", "simulation.replicas=4", "--set", "integration.alpha=2"]
    assert main(["run", "study.toml", "--quiet", *small]) in (0, 3)  # so few inputs are no promise to agree
    assert ode_sgd.load("study.h5").sgd.replicas == 4


def test_template_with_every_comment_opened(tmp_path, monkeypatch):
    """What the template shows as optional is valid too, and shows the defaults."""
    monkeypatch.chdir(tmp_path)
    from ode_sgd.studies.study_file import read_study

    assert main(["init"]) == 0
    text = Path("study.toml").read_text()
    Path("opened.toml").write_text(
        "\n".join(line[2:] if line[:2] == "# " and " = " in line else line for line in text.splitlines())
    )
    closed, opened = read_study("study.toml"), read_study("opened.toml")
    explicit = {
        "atol",
        "alpha",
        "student_weights",
        "teacher_weights",
        "trainable",
        "teacher_activation",
        "second_layer_decay",
        "optimizer",
    }  # shown where None is the default
    for table, values in opened.config.items():
        for key, value in values.items():
            assert key in explicit or closed.config[table][key] == value
    assert opened.problem.identity == closed.problem.identity


def test_init_does_not_overwrite(folder, capsys):
    assert main(["init"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert Path("study.toml").read_text() == STUDY
    assert main(["init", "--force"]) == 0
    assert main(["init", "missing/study.toml"]) == 2


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_teaches_by_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"] if command else ["--help"])
    assert stopped.value.code == 0
    assert f"  ode-sgd {command or 'run'}" in capsys.readouterr().out.partition("examples:")[2]


def test_an_interruption_that_comes_out_as_another_error(monkeypatch, capsys):
    """As one in the middle of importing numba does."""

    def command(arguments):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as cause:
            raise ImportError("numba._devicearray failed to import") from cause

    monkeypatch.setattr(machine, "_info", command)
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "ode-sgd: interrupted; nothing was computed that could be kept\n"


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"ode-sgd {ode_sgd.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    heavy = "{'numpy', 'numba', 'scipy', 'h5py', 'matplotlib', 'tqdm'}"
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print(sorted(sys.modules.keys() & {heavy}), file=sys.stderr))\n"
        "from ode_sgd.cli.main import main\n"
        "main(sys.argv[1:])"
    )
    done = python(code, *arguments)
    assert (done.returncode, done.stderr) == (0, "[]\n")


@pytest.mark.skipif(os.name != "posix", reason="asks the kernel for the processor time of children")
def test_help_is_quick():
    import resource

    def seconds():
        """Processor time: that of a loaded machine's clock says nothing."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "ode_sgd", "--help"], capture_output=True, check=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.15


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to another process")
def test_ctrl_c_keeps_what_was_computed(folder):
    # A process started by a test runner in the background would ignore SIGINT.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from ode_sgd.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    # Minutes of simulation, with output times from its first second on: only the signal ends it.
    overrides = ["--set", "simulation.dimension=200_000", "--set", "integration.alpha=10"]
    overrides += ["--set", "simulation.method=explicit"]
    run = subprocess.Popen(
        [sys.executable, "-c", code, "run", "study.toml", *overrides], stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60.0
        while not Path("study.h5").exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert Path("study.h5").exists()  # the ODE, stored before the simulation begins
        time.sleep(3.0)  # the simulation passes some of its first output times
        run.send_signal(signal.SIGINT)
        sent = time.monotonic()
        _, error = run.communicate(timeout=30)
        assert time.monotonic() - sent < 5.0
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 130, error
    assert "what was computed is in study.h5" in error
    stored = ode_sgd.load("study.h5")
    assert stored.ode.status == "complete"
    assert stored.sgd.status == stored.attributes["status"] == "interrupted"
    assert stored.sgd.alpha[-1] > 0.0
    assert "the same command goes on" in error and Path("study.checkpoint").exists()


def test_an_interrupted_run_goes_on(folder, capsys, monkeypatch):
    """The second run ends with the numbers of an undisturbed one, and leaves no checkpoint."""
    assert main(["run", "study.toml", "-o", "whole.h5"]) == 0
    simulate = ode_sgd.simulate

    def interrupted(*arguments, progress, **options):
        def stop(fraction):
            raise KeyboardInterrupt

        return simulate(*arguments, progress=stop, **options)

    with monkeypatch.context() as patched:
        patched.setattr("ode_sgd.teacher_student.study_model.simulate", interrupted)
        assert main(["run", "study.toml"]) == 130
    assert Path("study.checkpoint").exists()
    capsys.readouterr()
    assert main(["run", "study.toml"]) == 0
    assert re.fullmatch(
        r"ode-sgd: the simulation goes on at alpha = [\d.]+( to [\d.]+, replica by replica)? \(study.checkpoint\)\n",
        capsys.readouterr().err,
    )
    assert not Path("study.checkpoint").exists()
    whole, resumed = ode_sgd.load("whole.h5").sgd, ode_sgd.load("study.h5").sgd
    assert (whole.Q == resumed.Q).all() and (whole.generalization_error == resumed.generalization_error).all()


def test_a_checkpoint_of_another_study_is_not_touched(folder, capsys):
    state = {"identity": "{}", "together": 1}
    ode_sgd.Checkpoint("study.checkpoint").write(state)
    assert main(["run", "study.toml"]) == 2
    assert "checkpoint is of another run" in capsys.readouterr().err
    assert ode_sgd.Checkpoint("study.checkpoint").read()["identity"] == "{}"


def test_too_large_for_this_machine(folder, capsys):
    assert main(["run", "study.toml", "--set", "spectrum.distinct=1000000000000"]) == 2
    told = capsys.readouterr().err
    assert "not enough memory" in told and "replicas" in told and "output times" in told
