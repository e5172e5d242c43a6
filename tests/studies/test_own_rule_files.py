"""Rules in study files, sweeps, results and on the command line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd.cli.main import main
from ode_sgd.core.errors import StorageError, StudyError
from ode_sgd.studies.study_file import parse_study, parsed, read_study
from ode_sgd.studies.sweeps.collect import collect_sweep
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.stack import value_columns
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.teacher_student.model import own_rule, rule_file
from ode_sgd.teacher_student.model.own_rule import Rule, StoredRule
from tests.studies.sweeps import errors

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
TEXT = """
def perceptron(x, y, draw, delta):
    error = x[0] - y[0]
    delta[0] = error - 0.1 * draw[0]
    return 0.5 * error**2
"""
STUDY = """
[spectrum]
kind = "isotropic"
[problem]
student_units = 1
teacher_units = 1
learning_rate = 0.1
[start]
kind = "random"
dimension = 50
student_scale = 0.5
[integration]
alpha = [0.0, 0.5, 1.0]
rtol = 1e-3
method = "DOP853"
"""
OWN = '[problem.rule]\nname = "my_rules.py:perceptron"\ndraws = 1\nnodes = 256\n'
HUBER = '[problem.rule]\nname = "huber"\nthreshold = 0.7\nnodes = 256\n'
SIMULATION = "[simulation]\ndimension = 50\nreplicas = 4\nalpha = [0.0, 0.5, 1.0]\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with studies and the file of a rule, looked at from elsewhere."""
    place = tmp_path / "place"
    place.mkdir()
    (place / "my_rules.py").write_text(TEXT)
    (place / "own.toml").write_text(STUDY + OWN)
    (place / "huber.toml").write_text(STUDY + HUBER)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return place


def forget():
    """As in a new process: no rule was made, and no file loaded."""
    own_rule.LOADED.clear()
    rule_file._LOADED.clear()
    rule_file._MODULES.clear()


def test_rules_of_a_study_file(files):
    huber = read_study(files / "huber.toml")
    assert huber.problem.rule == ode_sgd.rules.huber(threshold=0.7, nodes=256)
    assert huber.config["problem"]["rule"] == {"name": "huber", "threshold": 0.7, "nodes": 256}
    assert read_study(files / "own.toml", ['problem.rule="huber"']).problem.rule == ode_sgd.rules.huber()
    own = read_study(files / "own.toml")
    rule = own.problem.rule
    assert (rule.name, rule.draws, rule.nodes) == ("perceptron", 1, 256)
    assert re.fullmatch("perceptron@[0-9a-f]{16}", own.config["problem"]["rule"]["name"])
    assert str(files) not in json.dumps(own.config)
    assert (
        parse_study(dict(own.config)).problem == own.problem
    )  # what a result holds is a study where the file is loaded


def test_a_name_alone_gets_parameters_from_the_command_line(files):
    (files / "name.toml").write_text(STUDY.replace("[start]", 'rule = "huber"\n[start]'))
    study = read_study(files / "name.toml", ["problem.rule.threshold=0.5"])
    assert study.problem.rule == ode_sgd.rules.huber(threshold=0.5)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('"hubr"', r"\[problem\] rule.name = 'hubr' does not exist.*did you mean 'huber'"),
        ('{ name = "huber", treshold = 1.0 }', r"\[problem\] rule.huber has no parameter 'treshold'"),
        ('"none.py:f"', r"\[problem\] rule = .*none.py' cannot be read"),
        ('"my_rules.py:perceptrn"', r"\[problem\] rule = .*has no function perceptrn.*did you mean 'perceptron'"),
        ('{ name = "squared", activation = "none.py" }', r"\[problem\] activation = .*none.py' cannot be read"),
    ],
)
def test_faults_of_a_rule_are_told_with_those_of_the_study(files, given, told):
    with pytest.raises(StudyError) as caught:
        read_study(files / "own.toml", [f"problem.rule={given}", "integration.rtol=-1"])
    assert len(caught.value.faults) == 2
    assert any(re.match(told, fault) for fault in caught.value.faults)


def test_a_result_of_a_shipped_rule_is_as_good_as_the_run(files, capsys):
    """Shown, compared, drawn, continued and simulated from the file alone."""
    (files / "both.toml").write_text(STUDY + HUBER + SIMULATION)
    assert main(["run", str(files / "both.toml"), "-o", "out.h5", "--quiet"]) in (0, 3, 4)
    forget()
    stored = ode_sgd.load("out.h5")
    assert isinstance(stored.problem.rule, Rule)
    assert stored.problem == read_study(files / "huber.toml").problem
    capsys.readouterr()
    assert main(["show", "out.h5"]) == 0
    told = capsys.readouterr().out
    assert "rule = huber(activation = erf, threshold = 0.7, label_noise = 0.0, nodes = 256, seed = 0)" in told
    assert main(["show", "out.h5", "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)["problem"]["fields"]
    assert fields["ode"]["rule"]["threshold"] == fields["mc"]["rule"]["threshold"] == 0.7
    assert main(["compare", "out.h5"]) in (0, 3, 4)
    assert main(["plot", "out.h5", "-o", "out.png"]) == 0
    again = ode_sgd.simulate(stored.problem, stored.ode.final, [0.0, 0.5], dimension=50, seed=1)
    assert np.isfinite(again.generalization_error).all()
    longer = ["--set", "integration.alpha=[0.0, 0.5, 1.0, 1.5]", "-o", "longer.h5", "--quiet"]
    assert main(["run", str(files / "huber.toml"), "--continue", "out.h5", *longer]) == 0
    assert ode_sgd.load("longer.h5").ode.alpha[-1] == 1.5


def test_a_result_of_ones_own_rule_knows_its_parameters_and_runs_no_code(files, capsys):
    assert main(["run", str(files / "own.toml"), "-o", "own.h5", "--quiet"]) == 0
    forget()
    stored = ode_sgd.load("own.h5")
    assert isinstance(stored.problem.rule, StoredRule)
    assert stored.problem.rule.told == "perceptron(draws = 1, nodes = 256, seed = 0)"
    assert rule_file._LOADED == {}
    with pytest.raises(ode_sgd.InvalidProblem, match=r"--rule FILE.py:perceptron"):
        ode_sgd.integrate(stored.problem, stored.ode.final, [0.0, 1.0])
    file = str(files / "my_rules.py")
    assert main(["show", "own.h5", "--rule", f"{file}:perceptron"]) == 0
    assert main(["show", "own.h5", "--rule", f"{file}:other"]) == 2
    assert main(["show", "own.h5", "--rule", "huber"]) == 2
    assert "--rule huber is no function in a file" in capsys.readouterr().err
    (files / "my_rules.py").write_text(TEXT.replace("0.1", "0.2"))
    assert main(["show", "own.h5", "--rule", f"{file}:perceptron"]) == 2
    assert re.search("but the results are of perceptron@[0-9a-f]{16}; give the file", capsys.readouterr().err)


def test_a_sweep_over_ones_own_rule_goes_on_with_the_same_file_only(files):
    """By two processes that have the text of the file, and by one; an edited file is another sweep."""
    sweep = files / "sweep.toml"
    sweep.write_text(STUDY + OWN + "[sweep]\nproblem.learning_rate = [0.1, 0.2]\n")
    assert run_sweep(Sweep.read(sweep), "two", jobs=2, runs_per_file=1).failures == ()
    assert run_sweep(Sweep.read(sweep), "one", runs_per_file=1).failures == ()
    np.testing.assert_array_equal(errors("two"), errors("one"))
    text = (files / "my_rules.py").read_text()
    (files / "my_rules.py").write_text("raise SystemExit('run')\n")
    forget()
    assert main(["sweep", "status", "one"]) == 0  # no file is run
    assert main(["sweep", "collect", "one"]) == 0
    assert rule_file._LOADED == {}
    (files / "my_rules.py").write_text(text + "\n# edited\n")
    with pytest.raises(StorageError, match="one holds another sweep"):
        run_sweep(Sweep.read(sweep), "one", runs_per_file=1)


def test_parameters_are_axes_and_columns(files):
    tables = parsed(STUDY + HUBER)
    forms = (
        {"problem.rule.threshold": {"linspace": [0.5, 1.5, 3]}},
        {"problem": {"rule": {"threshold": [0.5, 1.0, 1.5]}}},
        {"problem": {"rule.threshold": [0.5, 1.0, 1.5]}},
    )
    for axes in forms:
        sweep = Sweep(tables, axes)
        assert [sweep.study(run).problem.rule.stored["threshold"] for run in range(3)] == [0.5, 1.0, 1.5]
        assert value_columns([sweep.values(run) for run in range(3)])["threshold"].values.tolist() == [0.5, 1.0, 1.5]
        assert len(set(sweep.classes().tolist())) == 3  # each rule is a kernel of its own: they share no batch
    sweep = Sweep(tables | {"problem": tables["problem"] | {"rule": "huber"}}, forms[0])
    assert sweep.study(1).problem.rule == ode_sgd.rules.huber()
    sweep = Sweep(tables, {"problem.rule": ["squared", {"name": "huber", "threshold": 0.5}]})
    assert [sweep.study(run).problem.rule.name for run in (0, 1)] == ["squared", "huber"]


def test_files_are_axes_too(files):
    (files / "other.py").write_text(TEXT.replace("0.1", "0.2"))
    for axis in (
        'problem.rule.name = ["my_rules.py:perceptron", "other.py:perceptron"]',
        '"problem.rule.name" = ["my_rules.py:perceptron", "other.py:perceptron"]',
        'problem.rule = [{ name = "my_rules.py:perceptron", draws = 1 }, { name = "other.py:perceptron", draws = 1 }]',
    ):
        (files / "sweep.toml").write_text(f"{STUDY}{OWN}[sweep]\n{axis}\n")
        sweep = Sweep.read(files / "sweep.toml")
        first, second = (sweep.study(run).problem.rule for run in (0, 1))
        assert first.name == second.name == "perceptron" and first.code != second.code
        assert str(files) not in json.dumps(sweep.document())


@pytest.mark.parametrize(
    ("axis", "told"),
    [
        ("problem.rule.threshld = [0.5, 1.0]", r"rule.huber has no parameter 'threshld'.*did you mean 'threshold'"),
        ("problem.rule.threshold = { linspce = [0.5, 1.0, 3] }", "linspce is none of .*did you mean 'linspace'"),
        ("problem.rule.threshold = [0.5, -1.0]", "rule.huber: threshold = -1.0 is outside its range"),
        ("problem.rle.threshold = [0.5, 1.0]", "unknown name"),
        ('problem.rule.name = ["my_rules.py:none"]', "has no function none"),
    ],
)
def test_axes_with_faults_are_refused(files, axis, told):
    (files / "sweep.toml").write_text(f"{STUDY}{HUBER}[sweep]\n{axis}\n")
    with pytest.raises(StudyError, match=told):
        Sweep.read(files / "sweep.toml")


def blocks(page):
    return re.findall(r"^```toml\n(.*?)^```", (HOWTO / page).read_text(), re.M | re.S)


def test_the_tables_on_the_pages_are_studies_and_sweeps(files):
    (optimizer,) = blocks("optimizers.md")
    (files / "page.toml").write_text(STUDY.replace('method = "DOP853"\n', "") + optimizer)
    sweep = Sweep.read(files / "page.toml")
    assert sweep.names == ("problem.optimizer.friction",)
    assert [sweep.study(run).problem.optimizer.friction for run in range(3)] == [0.1, 1.0, 10.0]
    clipped, own, axes = blocks("your_own_rule.md")
    (files / "page.toml").write_text(STUDY + clipped + axes)
    sweep = Sweep.read(files / "page.toml")
    assert [sweep.study(run).problem.rule.stored["threshold"] for run in range(4)] == [0.25, 0.5, 0.75, 1.0]
    (files / "page.toml").write_text(STUDY + own)
    assert read_study(files / "page.toml").problem.rule.name == "perceptron"


def test_an_axis_within_a_table_may_be_alone_whatever_it_is_called(files):
    """The rate of an average is not the misspelt form "range"."""
    tables = parsed(STUDY.replace('method = "DOP853"\n', ""))
    tables["problem"]["optimizer"] = {"name": "Averaging", "rate": 1.0}
    sweep = Sweep(tables | {"sweep": {"problem": {"optimizer": {"rate": [0.5, 1.0]}}}})
    assert sweep.names == ("problem.optimizer.rate",)
    with pytest.raises(StudyError, match=r"HeavyBall has no keyword 'frction' \(did you mean 'friction'"):
        tables["problem"]["optimizer"] = {"name": "HeavyBall", "friction": 1.0}
        Sweep(tables | {"sweep": {"problem": {"optimizer": {"frction": {"linspace": [0.5, 1.0, 2]}}}}})


def test_collected_sweeps_keep_the_copies_of_the_weights(files):
    tables = parsed(STUDY.replace('method = "DOP853"\n', ""))
    tables["problem"]["optimizer"] = {"name": "HeavyBall", "friction": 1.0}
    sweep = Sweep(tables, {"problem.optimizer.friction": [0.5, 2.0]})
    assert run_sweep(sweep, "memory").failures == ()
    path = collect_sweep("memory", quantities={"velocity": "copies[-1, 1, 1]"}).path
    import h5py

    with h5py.File(path) as file:
        held, velocity = file["copies"][:], file["velocity"][:]
        assert file["copies"].attrs["long_name"].decode().startswith("overlaps of all copies")
    for run in (0, 1):
        study = sweep.study(run)
        alone = ode_sgd.integrate(
            study.problem, study.start.overlaps(study.problem), study.integration.times, rtol=study.integration.rtol
        )
        np.testing.assert_allclose(held[run], alone.copies, rtol=1e-12)
        assert velocity[run] == held[run, -1, 1, 1]
    assert not np.array_equal(held[0], held[1])


def test_info_lists_what_there_is(capsys):
    assert main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "huber" in told["rules"] and "HeavyBall" in told["optimizers"]
