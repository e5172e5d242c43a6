"""Compiling beforehand: what for, by whom, and where it ends up."""

import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager

import pytest

from ode_sgd.cli.main import main
from ode_sgd.core.compile import processor, together
from ode_sgd.core.errors import InvalidProblem, ProcessorError, StorageError
from ode_sgd.studies import warm as warming
from ode_sgd.studies.study_file import parse_study
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.teacher_student.simulation.chain import LANES
from ode_sgd.teacher_student.study_kernels import COMMONEST
from tests.studies.sweeps import AXES, tables
from tests.study_text import ONE_UNIT, changed, text_of

# Of the few kernels of SciPy's methods.
STUDY = text_of(
    changed(
        ONE_UNIT,
        problem={"activation": "linear"},
        start={"kind": "random", "dimension": 10},
        integration={"method": "DOP853"},
    )
)


def warm_in_process(folder, *arguments, **environment):
    command = [sys.executable, "-m", "ode_sgd", "warm", str(folder / "study.toml"), *arguments]
    settings = {name: str(value) for name, value in environment.items()}
    done = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def files(folder):
    return sorted(path.name for path in folder.rglob("*.nb*"))


def test_two_processes_fill_a_folder_that_others_read(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    filled, own = tmp_path / "filled", tmp_path / "own"
    narrowest = [each.name for each in processor.kinds()][-1:]
    chosen = [option for name in narrowest for option in ("--cpu", name)]
    told, kind, folder = warm_in_process(tmp_path, "--jobs", "2", *chosen, ODE_SGD_CACHE_DIR=filled)
    assert "linear, K = M = 1" in told and "by 2 processes" in told
    assert narrowest in ([], kind.split()[1:])
    assert folder.split()[1].startswith(str(filled))
    stored = files(filled)
    compiled = int(told.split(": ")[1].split()[0])
    assert len(stored) == 2 * compiled > 0  # an index and code of each, and none of them twice
    read = warm_in_process(tmp_path, *chosen, ODE_SGD_CACHE_DIR=own, ODE_SGD_PREBUILT=filled)
    assert read[0].endswith("nothing to compile") and read[1] == kind
    assert not files(own) and files(filled) == stored


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cpu", "pentium"], "--cpu = pentium is no kind of processor here; this one can run"),
        (["--jobs", "-1"], "jobs = -1"),
        (["nowhere.toml"], "nowhere.toml"),
        (["CHANGELOG"], "is not TOML"),
    ],
)
def test_bad_input(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "CHANGELOG").write_text("# Changes\n- one\n")
    before = os.environ.get(processor.CHOICE)
    assert main(["warm", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert os.environ.get(processor.CHOICE) == before


def test_a_kind_that_is_not_to_be_had(monkeypatch):
    monkeypatch.delenv(processor.CHOICE, raising=False)
    monkeypatch.setattr(processor.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(processor.llvm, "get_host_cpu_features", lambda: dict.fromkeys(processor.V3.split(), True))
    with pytest.raises(ProcessorError, match=r"x86-64-v4 is wider than this processor, which can run x86-64-v3"):
        processor.choose_kind("x86-64-v4", "--cpu")
    monkeypatch.setattr(processor, "processor_kind", lambda: processor.X86[0])  # that is in use
    with pytest.raises(ProcessorError, match="has code of another kind"):
        processor.choose_kind("x86-64-v2", "--cpu")
    assert processor.CHOICE not in os.environ


def test_nothing_is_compiled_that_cannot_be_kept(monkeypatch):
    monkeypatch.setattr(warming.compiler, "kept", lambda: False)
    with pytest.raises(StorageError, match="not kept: Numba is switched off"):
        warming.warm()
    monkeypatch.setattr(warming, "cache_place", lambda: (None, "no space"))
    with pytest.raises(StorageError, match="cannot be kept: no space; have ODE_SGD_CACHE_DIR name"):
        warming.warm()
    with pytest.raises(InvalidProblem, match="jobs"):
        warming.warm(jobs=-1)
    with pytest.raises(InvalidProblem, match="study is a int; give the name of a study file or a sweep file"):
        warming.warm(3)


def test_progress_is_told_piece_by_piece(monkeypatch, capsys):
    """Also by a piece that fails: a run will meet its fault."""

    def failing():
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(warming, "works", lambda given, whole: [int, failing, int, int])
    told = []
    warming.warm(progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
    warming.warm(progress=True)
    assert "kernels 100%" in capsys.readouterr().err
    with pytest.raises(InvalidProblem, match="progress = 3; give True for a bar"):
        warming.warm(progress=3)


def names(works):
    return [(work.func.__name__, *work.args[2:]) for work in works]


def test_what_is_needed():
    one = {"_begin", "_integrate_alike"}
    sweep = Sweep(tables(), AXES | {"problem.activation": ["erf", "linear"]})
    found = warming.works(sweep, 9)
    assert {name for name, *_ in names(found)} == one and len(found) == 4
    assert len(warming.works(sweep, 0)) == 2 and len(warming.works(sweep, 1)) == 3
    common = names(warming.works(None, 0))
    assert common.count(("_integrate",)) == 2 and ("_integrate_alike",) in common
    assert [rest for name, *rest in common if name == "_simulate"] == [[1], [16], [32], [1]]


def test_what_it_was_for_is_told():
    assert warming._told(None) == warming._told(parse_study(COMMONEST)) == "erf, K = M = 2"
    sweep = Sweep(tables(), {"problem.student_units": [1, 2]})
    assert warming._told(sweep).count(";") == 1
    assert warming._told(Sweep(tables(), {"problem.student_units": [1, 2, 3, 4, 5]})) == "5 shapes"


@pytest.mark.parametrize(("replicas", "groups"), [(1, [1]), (2, [1, 2]), (40, list(LANES))])
def test_groups_of_replicas_have_kernels_of_their_own(replicas, groups):
    simulation = {"dimension": 1000, "replicas": replicas, "method": "reduced"}
    study = parse_study({**COMMONEST, "simulation": simulation})
    assert [rest for name, *rest in names(warming.works(study, 0)) if name == "_simulate"] == [[n] for n in groups]


def test_helpers_come_when_a_kernel_is_missing(monkeypatch):
    """They do the same work in another order, and what a run of it raises is met again later."""
    from ode_sgd.core.compile import news

    started, done = [], []

    class Helper(AbstractContextManager):
        def communicate(self):
            return "3\n", ""

        def kill(self):
            """It has ended."""

        def __exit__(self, *_):
            """Of its own accord."""

    def missing():
        news.begun()
        news.begun()
        raise ValueError

    monkeypatch.setattr(warming._Helpers, "_start", lambda self, number: started.append(number) or Helper())
    monkeypatch.setattr(warming, "nothing_kept", lambda: False)
    monkeypatch.setattr(warming, "works", lambda given, whole: [lambda: done.append(1)])
    assert warming.compile_together(None, 3) == (0, 1)
    monkeypatch.setattr(warming, "works", lambda given, whole: [missing, lambda: done.append(2)])
    assert warming.compile_together(None, 3) == (2 + 2 * 3, 3)
    assert started == [1, 2] and done == [1, 2]
    assert warming.compile_together(None, 1) == (2, 1)
    assert started == [1, 2]
    assert not together._parts
    monkeypatch.setattr(warming, "nothing_kept", lambda: True)
    monkeypatch.setattr(warming, "works", lambda given, whole: [lambda: done.append(list(started))])
    assert warming.compile_together(None, 2) == (3, 2)
    assert done[-1] == [1, 2, 1]  # where nothing is kept, before anything else


def test_a_run_is_assisted_by_one_process_which_it_does_not_wait_for(monkeypatch):
    running, start = [], warming._Helpers._start
    monkeypatch.setattr(warming._Helpers, "_start", lambda *given: running.append(start(*given)) or running[-1])
    monkeypatch.setattr(warming, "nothing_kept", lambda: True)
    monkeypatch.setattr(warming.allowance, "threads", lambda: 8)
    with warming.assisted(parse_study(tables())):
        (helper,) = running
        assert helper.poll() is None
    assert helper.returncode == -signal.SIGKILL
    running.clear()
    monkeypatch.setattr(warming.allowance, "threads", lambda: 1)
    with warming.assisted(parse_study(tables())):
        assert not running


def test_an_interruption_ends_the_helpers(monkeypatch):
    """Also one that comes when they alone are still at work."""
    from ode_sgd.core.compile import news

    done = []

    class Helper(AbstractContextManager):
        def __exit__(self, *_):
            done.append("waited for")

        def kill(self):
            done.append("killed")

        def communicate(self):
            raise KeyboardInterrupt

    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr(warming._Helpers, "_start", lambda self, number: Helper())
    monkeypatch.setattr(warming, "works", lambda given, whole: [news.begun])
    for check in (stop, lambda: None):
        with pytest.raises(KeyboardInterrupt):
            warming.compile_together(None, 2, check)
        assert done == ["killed", "waited for"]
        done.clear()


def test_a_signal_that_the_compiler_makes_an_error_of_is_not_lost(monkeypatch):
    done = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt as cause:
            raise RuntimeError("compilation failed") from cause

    monkeypatch.setattr(warming, "works", lambda given, whole: [work, lambda: done.append(1)])
    with pytest.raises(KeyboardInterrupt):
        warming.warm()
    assert not done


def test_a_helper_takes_the_work_from_the_end(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(warming, "works", lambda given, whole: [lambda n=n: done.append((n, given)) for n in range(3)])
    order = {"document": None, "whole": 0, "count": 2, "number": 1, "claims": str(tmp_path), "carried": []}
    assert warming.help_out(order) == 0
    assert done == [(2, None), (1, None), (0, None)]
    sweep = Sweep(tables(), AXES)
    warming.help_out(order | {"document": sweep.document()})
    assert done[-1][1].identity == sweep.identity
    study = parse_study(COMMONEST)
    warming.help_out(order | {"document": study.config})
    assert done[-1][1].config == study.config


def test_what_a_run_and_its_table_need_is_there_after_warm(tmp_path):
    """Theory's kernels, too, with a way in for Python: files are written anew for that."""
    (tmp_path / "study.toml").write_text(STUDY.replace('method = "DOP853"\n', ""))
    folder = tmp_path / "kernels"
    warm_in_process(tmp_path, ODE_SGD_CACHE_DIR=folder)
    before = {path.name: path.read_bytes() for path in folder.rglob("*.nb*")}
    command = [sys.executable, "-m", "ode_sgd", "run", "study.toml"]
    settings = {"ODE_SGD_CACHE_DIR": str(folder), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **settings}, capture_output=True, check=True, text=True
    )
    assert "compiling" not in done.stderr
    assert before == {path.name: path.read_bytes() for path in folder.rglob("*.nb*")}


def test_a_helper_whose_command_was_killed_ends(tmp_path):
    """At the next kernel, and takes the folder of claims with it."""
    claims = tmp_path / "claims"
    claims.mkdir()
    document = parse_study(tables()).config
    order = {
        "document": document,
        "whole": 0,
        "count": 2,
        "number": 1,
        "claims": str(claims),
        "carried": [],
        "parent": -1,
    }
    done = subprocess.run(
        [sys.executable, "-m", "ode_sgd.studies.warm"],
        input=json.dumps(order),
        env={**os.environ, "ODE_SGD_CACHE_DIR": str(tmp_path / "kernels")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert not claims.exists()
