"""No output of a command speaks to a user's model as if it were the teacher-student one."""

import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd.analysis.plots import figures
from ode_sgd.analysis.report import deviations, table
from ode_sgd.cli.main import main
from ode_sgd.core.errors import AnalysisError, ComparisonError, InvalidProblem, StorageError
from ode_sgd.plots import run_figure
from ode_sgd.studies.execution import run_study
from ode_sgd.studies.study_file import read_study
from tests.langevin.test_langevin import folder  # noqa: F401  # a fixture

FOREIGN = re.compile(r"\b(eps_g|ODE|SGD|integrate|simulate|Problem|OrderParameters|trajector(y|ies))\b")
CLOCK = re.compile(FOREIGN.pattern + r"|\balpha\b")
MODEL = ["--model", "models/langevin.py:Langevin"]


@pytest.fixture
def told(folder, capsys):  # noqa: F811
    """A command's exit status; what it prints speaks of no other model."""

    def command(*arguments, foreign=FOREIGN):
        status = main(list(arguments))
        printed = capsys.readouterr()
        assert printed.out + printed.err
        assert not (found := foreign.search(printed.out + printed.err)), f"{arguments}: {found}"
        return status

    return command


def speaks_of_no_other(text, foreign=FOREIGN):
    assert not foreign.search(text), text


@pytest.fixture
def clock(folder):  # noqa: F811
    """The model calls its time t."""
    path = Path("models/langevin.py")
    text = (
        path.read_text().replace('("alpha",)', '("t",)').replace("model=self.name,", 'model=self.name, time_name="t",')
    )
    path.write_text(text.replace('name = "langevin"', 'name = "langevin"\n    time_name = "t"'))


def test_of_a_time_with_another_name(clock, told):
    assert told("run", "study.toml", foreign=CLOCK) == 0
    assert told("show", "study.h5", foreign=CLOCK) == told("compare", "study.h5", foreign=CLOCK) == 0
    for command in ("run", "collect"):
        assert told("sweep", command, "scan.toml", foreign=CLOCK) == 0
    theory, simulation = ode_sgd.load("study.h5").ode, ode_sgd.load("study.h5").sgd
    speaks_of_no_other(said_of_curves(theory) + said_of_verdicts(theory, simulation), CLOCK)
    for window in ((1.0, 0.5), (-1.0, 1.0)):
        with pytest.raises(AnalysisError) as caught:
            ode_sgd.fit_power_law(theory, window=window)
        speaks_of_no_other(str(caught.value), CLOCK)
    with pytest.raises(ComparisonError) as caught:
        ode_sgd.compare(replace(theory, alpha=theory.alpha + 1.0), simulation)
    speaks_of_no_other(str(caught.value), CLOCK)


@pytest.fixture
def worded(folder):  # noqa: F811
    """The model's runs have words of their own."""
    path = Path("models/langevin.py")
    words = (
        'noun="path", theory="law", simulation="bath", error_symbol="<x^2>", error_label="mean square", time_symbol="t"'
    )
    path.write_text(
        path.read_text()
        .replace(
            "class Langevin(", f"class Path(ode_sgd.Run):\n    wording = ode_sgd.Wording({words})\n\n\nclass Langevin("
        )
        .replace("return ode_sgd.Run(", "return self.run_class(")
        .replace('name = "langevin"', 'name = "langevin"\n    run_class = Path')
    )


def test_of_runs_with_words_of_their_own(worded, capsys):
    assert main(["run", "study.toml", "--quiet"]) == 0
    told = capsys.readouterr().out
    assert "law and bath agree: " in told and " at t = " in told and "largest error ratio bath/law" in told
    study = read_study("study.toml")
    run = study.model.theory(study.tables, lambda fraction: None)
    assert type(run).__name__ == "Path" and type(pickle.loads(pickle.dumps(run))) is type(run)
    assert run_figure(run).axes[0].get_ylabel() == "mean square"
    assert "<x^2> (law)" in table(run)
    variables = {"alpha": ode_sgd.Observable(run.alpha, ("alpha",)), "error": ode_sgd.Observable(run.error, ("alpha",))}
    facts = {"problem": run.problem, "method": "", "time_name": "alpha", "error_name": "error"}
    assert type(study.model.restore(facts, variables)) is type(run)


def test_of_help(capsys):
    """Of what is done with files and folders of any model."""
    for command in (["compare"], ["show"], ["plot"], ["run"], ["sweep", "status"]):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        speaks_of_no_other(capsys.readouterr().out)


def test_of_one_run(told):
    assert told("run", "study.toml") == 0
    for command in ("show", "plot", "compare"):
        assert told(command, "study.h5") == told(command, "study.h5", *MODEL) == 0
    stored = ode_sgd.load("study.h5")
    assert told("show", "study.h5", "--activation", "mine.py") == 2
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
def labels(monkeypatch):
    """What stands on the axes of figures of sweeps as they are drawn."""
    drawn = []

    def keep(figure, path, description):
        drawn.append([(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes])

    monkeypatch.setattr(figures, "write_figure", keep)
    return drawn


def test_axes_of_a_sweep_say_what_the_model_calls_its_keys_and_columns(told, labels):
    """And nothing of units that it does not give."""
    assert told("sweep", "run", "scan.toml", "--quiet") == told("sweep", "collect", "scan.toml") == 0
    assert told("sweep", "plot", "scan.sweep") == told("sweep", "plot", "scan.sweep", "-z", "half_time") == 0
    stiffness = r"stiffness  $\kappa$"
    assert labels == [[(stiffness, "final error")], [(stiffness, r"half-life  $t_{1/2}$  (s)")]]


def test_symbols_that_are_none(folder):  # noqa: F811
    path = Path("models/langevin.py")
    path.write_text(path.read_text().replace('half-life  $t_{1/2}$  (s)"', 'half"').replace('r"half"', "3"))
    with pytest.raises(InvalidProblem, match=r"symbols = \{.*3\}; give a dictionary: name of a column or key -> text"):
        ode_sgd.find_model(MODEL[1])


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


def said_of_verdicts(theory, simulation):
    """The verdicts of agreements, disagreements and undecided ones, with all advice that there is."""
    draw, outcomes, said = np.random.default_rng(0).normal, set(), []
    for scatter, shift, size in ((1.0, 0.0, 10**6), (3.0, 0.0, 4), (1e-3, 0.3, 4), (1e-3, 1e-2, 3), (1e-9, 1.0, 10**9)):
        noise = theory.error * np.exp(scatter * draw(size=(16, 41)) + shift)
        noise[:, 0] = theory.error[0]
        run = replace(simulation, error=noise, observables={}, dimension=size)
        for resolution in (0.0, 1e-2):
            found = ode_sgd.compare(replace(theory, resolution=resolution), run)
            outcomes.add(found.outcome)
            said += [found.verdict, str(found.evidence.largest), str(found.evidence.noisy), deviations(found)]
    assert "undecided" in outcomes
    return "\n".join(said)


def test_of_verdicts(stored):
    speaks_of_no_other(said_of_verdicts(stored.ode, stored.sgd))


def said_of_curves(run):
    """Why curves of all shapes have no plateau."""
    time = np.geomspace(1.0, 1e3, 60)
    shapes = [1.0 / time, np.exp(-time / 300.0), 1.0 + 0.0 * time, 1.0 / np.log(time + 3.0), 1e-30 + 0.0 * time]
    shapes.append(time**-0.05 * np.exp(-((time / 500.0) ** 4)))  # a slope, then a fall
    runs = [replace(run, alpha=time, error=error, observables={}) for error in shapes]
    runs += [replace(runs[0], status="diverged"), replace(run, resolution=1e3)]
    return "\n".join(ode_sgd.find_plateaus(one).reason for one in runs)


def test_of_plateaus_and_power_laws(stored):
    speaks_of_no_other(said_of_curves(stored.ode))
    with pytest.raises(AnalysisError) as caught:
        ode_sgd.fit_power_law(replace(stored.ode, resolution=1e3), window=(1.0, 10.0))
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
