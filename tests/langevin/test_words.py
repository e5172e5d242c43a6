"""No output of a command speaks to a user's model as if it were the teacher-student one."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd.cli.main import main
from ode_sgd.core.errors import AnalysisError, ComparisonError, StorageError
from ode_sgd.studies.execution import run_study
from ode_sgd.studies.study_file import read_study
from tests.langevin.test_langevin import folder  # noqa: F401  # a fixture

FOREIGN = re.compile(r"\b(eps_g|ODE|SGD|integrate|simulate|Problem|OrderParameters|trajector(y|ies))\b")
MODEL = ["--model", "models/langevin.py:Langevin"]


@pytest.fixture
def told(folder, capsys):  # noqa: F811
    """A command's exit status; what it prints speaks of no other model."""

    def command(*arguments):
        status = main(list(arguments))
        printed = capsys.readouterr()
        assert printed.out + printed.err
        assert not (found := FOREIGN.search(printed.out + printed.err)), f"{arguments}: {found}"
        return status

    return command


def speaks_of_no_other(text):
    assert not FOREIGN.search(text), text


def test_of_one_run(told):
    assert told("run", "study.toml") == 0
    for command in ("show", "plot", "compare"):
        assert told(command, "study.h5") == told(command, "study.h5", *MODEL) == 0
    stored = ode_sgd.load("study.h5")
    for name, run in (("theory.h5", stored.ode), ("simulation.h5", stored.sgd)):
        ode_sgd.save(name, run)
        assert told("show", name) == told("plot", name) == 0
        assert told("compare", name) == 2


def test_of_a_sweep(told):
    assert told("sweep", "run", "scan.toml", "--dry-run") == told("sweep", "run", "scan.toml") == 0
    assert told("sweep", "status", "scan.sweep") == 0
    assert told("sweep", "collect", "scan.sweep") == 2
    assert told("sweep", "collect", "scan.toml", "--no-moments") == told("sweep", "plot", "scan.sweep") == 0


@pytest.fixture
def stored(folder):  # noqa: F811
    run_study(read_study("study.toml"), "out.h5", draw=False)
    return ode_sgd.load("out.h5")


def test_of_comparisons(stored):
    theory, simulation = stored.ode, stored.sgd
    other = replace(theory, problem=ode_sgd.Parameters({"other": 1}))
    few = replace(theory, alpha=theory.alpha + 1.0)
    for pair in ((simulation, theory), (other, simulation), (few, simulation)):
        with pytest.raises(ComparisonError) as caught:
            ode_sgd.compare(*pair)
        speaks_of_no_other(str(caught.value))
    own = replace(simulation, error=simulation.error * np.linspace(0.2, 4.0, 16)[:, None])
    with pytest.raises(ComparisonError) as caught:
        ode_sgd.compare(theory, own)
    speaks_of_no_other(str(caught.value))


def test_of_verdicts(stored):
    """Also of undecided ones, with all advice that there is."""
    theory, draw, outcomes = stored.ode, np.random.default_rng(0).normal, set()
    for scatter, shift, size in ((1.0, 0.0, 10**6), (3.0, 0.0, 4), (1e-3, 0.3, 4), (1e-3, 1e-2, 3), (1e-9, 1.0, 10**9)):
        noise = theory.error * np.exp(scatter * draw(size=(16, 41)) + shift)
        noise[:, 0] = theory.error[0]
        run = replace(stored.sgd, error=noise, observables={}, dimension=size)
        for resolution in (0.0, 1e-2):
            found = ode_sgd.compare(replace(theory, resolution=resolution), run)
            outcomes.add(found.outcome)
            speaks_of_no_other(f"{found.verdict} {found.evidence.largest} {found.evidence.noisy}")
    assert "undecided" in outcomes


def test_of_plateaus_and_power_laws(stored):
    run = stored.ode
    time = np.geomspace(1.0, 1e3, 60)
    shapes = (1.0 / time, np.exp(-time / 300.0), 1.0 + 0.0 * time, 1.0 / np.log(time + 3.0), 1e-30 + 0.0 * time)
    for error in shapes:
        speaks_of_no_other(ode_sgd.find_plateaus(replace(run, alpha=time, error=error, observables={})).reason)
    nothing = replace(run, resolution=1e3)
    speaks_of_no_other(ode_sgd.find_plateaus(nothing).reason)
    with pytest.raises(AnalysisError) as caught:
        ode_sgd.fit_power_law(nothing, window=(1.0, 10.0))
    speaks_of_no_other(str(caught.value))


def test_of_files(stored):
    theory, simulation = stored.ode, stored.sgd
    other = replace(theory, problem=ode_sgd.Parameters({"other": 1}))
    wrong = ode_sgd.Observable(np.zeros(3), ("mode",), "")
    torn = replace(theory, observables={"a": wrong}, final={"a": ode_sgd.Observable(np.zeros(4), ("mode",), "")})
    for runs in ((theory, theory), (simulation, simulation), (other, simulation), (simulation.mean(),), (torn,), ()):
        with pytest.raises(StorageError) as caught:
            ode_sgd.save("wrong.h5", *runs)
        speaks_of_no_other(str(caught.value))
    assert not Path("wrong.h5").exists()
