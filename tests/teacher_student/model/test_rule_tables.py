"""Rules as plain values: tables of study files, what results have of a rule, and functions in files of the user's."""

import json
import linecache
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, Problem, Rule, Spectrum, rules
from ode_sgd.teacher_student.model import own_rule, rule_file, rule_tables, shipped_rules
from ode_sgd.teacher_student.model.own_rule import StoredRule
from ode_sgd.teacher_student.model.rule_averages import RuleAverages

TEXT = """
SLOPE = 1.0


def perceptron(x, y, draw, delta):
    error = x[0] - y[0]
    delta[0] = SLOPE * error
    return 0.5 * error**2


def fails(x, y, draw, delta):
    delta[0] = x[0]
    return len({"a": 1}[str(x.size)[:0] + "a"] * [1.0]) * eval("1.0")


def short(x, y):
    return 0.0
"""


def problem(rule, K=1):
    return Problem(spectrum=Spectrum.isotropic(), student_units=K, teacher_units=1, learning_rate=0.1, rule=rule)


def stored_and_back(rule):
    """What a file has of a rule, in another process: nothing that was made before is there."""
    text = json.dumps(rule.stored)
    own_rule.LOADED.clear()
    return rule_tables.rule_of_stored(json.loads(text))


@pytest.fixture
def file(tmp_path):
    rule_file._LOADED.clear()  # files of the same text stand for each other
    rule_file._MODULES.clear()
    (tmp_path / "my_rules.py").write_text(TEXT)
    return tmp_path / "my_rules.py"


EXAMPLES = {
    "squared": ({"label_noise": 0.1}, lambda: rules.squared(label_noise=0.1)),
    "logistic": ({"scale": 2.0, "activation": "linear"}, lambda: rules.logistic("linear", 2.0)),
    "hinge": ({"margin": 0.5}, lambda: rules.hinge(margin=0.5)),
    "huber": ({"threshold": 0.5, "nodes": 512, "seed": 3}, lambda: rules.huber(threshold=0.5, nodes=512, seed=3)),
    "clipped": ({"threshold": 0.5, "rule": "squared"}, lambda: rules.clipped(rules.squared(), 0.5)),
    "normalised": ({"rule": {"name": "huber", "threshold": 2.0}}, lambda: rules.normalised(rules.huber(threshold=2.0))),
    "dropout": ({"keep": 0.5, "units": 1}, lambda: rules.dropout(0.5, 1)),
    "label_flip": ({"rule": "logistic", "probability": 0.1}, lambda: rules.label_flip(rules.logistic(), 0.1)),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_shipped_rule_is_a_table_and_comes_back_from_a_file(name):
    parameters, made = EXAMPLES[name]
    rule = problem({"name": name, **parameters}).rule
    assert rule == made() and rule.is_shipped
    back = stored_and_back(rule)
    assert isinstance(back, Rule) and back == rule
    assert back.stored == rule.stored
    assert parameters.keys() - {"rule"} <= back.stored.keys()
    assert all(f"{key} = {value}" in back.told for key, value in parameters.items() if key != "rule")


def test_there_is_an_example_of_all_that_are_shipped():
    assert set(EXAMPLES) == set(shipped_rules.MAKERS) == set(rules.__all__) == set(rule_tables.names())


def test_wrapped_rules_have_the_nodes_of_both_tables():
    rule = problem({"name": "clipped", "threshold": 0.5, "rule": "squared", "nodes": 512}).rule
    assert rule == rules.clipped(rules.squared(nodes=512), 0.5)
    assert rule.stored["rule"]["nodes"] == 512


def test_problems_are_the_same_by_name_by_table_and_by_rule():
    given = ("huber", {"name": "huber"}, rules.huber, rules.huber())
    assert len({problem(one).identity for one in given}) == 1
    assert problem("huber").canonical["rule"] == rules.huber().text  # as before parameters were stored
    other = problem({"name": "huber", "threshold": 0.5})
    assert other.identity != problem("huber").identity
    assert Problem.of_stored(other.spectrum, json.loads(json.dumps(other.stored))).identity == other.identity


def test_older_files_hold_the_text_alone():
    text = rules.huber(threshold=0.123).text
    own_rule.LOADED.clear()
    old = problem("huber").stored | {"rule": text}
    found = Problem.of_stored(Spectrum.isotropic(), old)
    assert found.rule == StoredRule(*text.split("@"))
    assert found.stored["rule"] == {"name": text}
    assert Problem.of_stored(Spectrum.isotropic(), found.stored).identity == found.identity


def test_a_rule_of_another_version_of_the_package_is_read_and_says_so():
    stored = rules.huber(threshold=0.5).stored | {"text": "huber@0123456789abcdef"}
    rule = rule_tables.rule_of_stored(stored)
    assert isinstance(rule, StoredRule) and rule.stored == stored
    with pytest.raises(
        InvalidProblem, match=r"another version of the package.*huber\(activation = erf, threshold = 0.5"
    ):
        _ = RuleAverages(rule, 1, 1).own


def test_a_result_runs_no_file_that_it_names(file):
    file.write_text("from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\n" + TEXT)
    for given in (f"{file}:perceptron", {"name": f"{file}:perceptron"}):
        with pytest.raises(InvalidProblem):
            rule_tables.rule_of_stored(given)
    rule = rules.squared().stored
    evil = rule_tables.rule_of_stored(rule | {"activation": str(file), "text": "squared@0123456789abcdef"})
    assert isinstance(evil, StoredRule)
    assert not file.with_suffix(".ran").exists()
    with pytest.raises(InvalidProblem):
        problem({"name": "squared", "activation": str(file)})
    assert file.with_suffix(".ran").exists()  # as a study's own would


def test_a_function_in_a_file(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    rule = problem({"name": "my_rules.py:perceptron", "nodes": 512}).rule
    assert (rule.name, rule.nodes) == ("perceptron", 512)
    assert rule == problem({"name": f"{file}:perceptron", "nodes": 512}).rule
    assert rule_tables.table_of(rule)["name"] == f"{file}:perceptron"
    assert problem("my_rules.py:perceptron").rule == problem(rule_tables.located("my_rules.py:perceptron", Path())).rule
    table = rule_tables.located({"name": "my_rules.py:perceptron", "nodes": 512}, file.parent)
    assert re.fullmatch("perceptron@[0-9a-f]{16}", table["name"])
    assert problem(table).rule == rule
    clipped = rule_tables.located({"name": "clipped", "threshold": 1.0, "rule": "my_rules.py:perceptron"}, file.parent)
    assert not problem(clipped).rule.is_shipped
    assert rule_tables.table_of(problem(clipped).rule)["rule"]["name"] == f"{file}:perceptron"


def test_a_function_in_a_file_comes_back_where_it_was_loaded(file):
    rule = problem({"name": f"{file}:perceptron", "nodes": 512}).rule
    assert stored_and_back(rule) == rule
    stored = rule.stored
    own_rule.LOADED.clear()
    rule_file._LOADED.clear()
    kept = rule_tables.rule_of_stored(stored)
    assert isinstance(kept, StoredRule) and kept.stored == stored
    assert "nodes = 512" in kept.told
    averages = RuleAverages(kept, 1, 1)
    with pytest.raises(InvalidProblem, match=r"has not loaded.*--rule FILE.py:perceptron"):
        _ = averages.own
    rule_file.load(f"{file}:perceptron", Path())
    assert averages.own == rule


@pytest.mark.parametrize("around", [None, "clipped"])
def test_a_table_whose_file_is_not_loaded_is_known_by_the_same_text(file, around):
    """So that the folder of a sweep is looked at without its files."""
    own = {"name": f"{file}:perceptron", "nodes": 512, "gradient": True}
    table = rule_tables.located(own if around is None else {"name": around, "threshold": 0.5, "rule": own}, Path())
    there = problem(table)
    own_rule.LOADED.clear()
    rule_file._LOADED.clear()
    absent = problem(table)
    assert isinstance(absent.rule, StoredRule) and absent.identity == there.identity
    assert absent.stored == there.stored
    assert own_rule.LOADED == {}  # nothing is found that cannot be run


def test_an_edited_file_is_another_rule_and_what_was_loaded_stays_what_it_was(file):
    before = rule_tables.located(f"{file}:perceptron", Path())
    first = problem(before).rule
    file.write_text(TEXT.replace("SLOPE = 1.0", "SLOPE = 2.0"))
    after = rule_tables.located(f"{file}:perceptron", Path())
    second = problem(after).rule
    assert before != after and first != second
    assert problem(before).rule == first  # its text is not read again
    file.write_text(TEXT + "# edited\n")
    assert rule_tables.located(f"{file}:perceptron", Path()) not in (before, after)  # whatever was edited
    delta = np.zeros((2, 1))
    for rule, row in zip((first, second), delta, strict=True):
        rule.update(np.array([1.0]), np.array([0.5]), np.array([]), row)
    assert delta.ravel().tolist() == [0.5, 1.0]


def test_constants_of_other_files_belong_to_the_rule(file, monkeypatch):
    monkeypatch.syspath_prepend(str(file.parent))
    constants = file.with_name("constants_of_rules.py")
    constants.write_text("SLOPE = 1.0\n")
    file.write_text("import constants_of_rules\n" + TEXT.replace("SLOPE *", "constants_of_rules.SLOPE *"))
    before = rule_tables.located(f"{file}:perceptron", Path())
    constants.write_text("SLOPE = 2.0\n")
    rule_file._MODULES.clear()
    assert rule_tables.located(f"{file}:perceptron", Path()) != before


def test_a_rule_of_a_file_travels_with_its_text(file):
    rule = problem({"name": f"{file}:perceptron", "nodes": 512}).rule
    data = pickle.dumps(rule)
    file.unlink()
    linecache.clearcache()
    rule_file._LOADED.clear()
    rule_file._MODULES.clear()
    back = pickle.loads(data)
    assert back == rule and back.update is not rule.update
    assert pickle.loads(pickle.dumps(rules.clipped(rules.huber(threshold=0.5), 1.0))).told.startswith(
        "clipped(rule = huber("
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("hubr", r"rule.name = 'hubr' does not exist.*did you mean 'huber'\?.*my_rules.py:perceptron"),
        ({"threshold": 1.0}, "does not say which; give name = one of 'clipped'"),
        ({"name": 3}, "rule.name = 3 does not exist"),
        ({"name": "huber", "treshold": 1.0}, r"rule.huber has no parameter 'treshold'.*did you mean 'threshold'\?"),
        ({"name": "huber", "draws": 1}, "rule.huber has no parameter 'draws'; its own are activation, threshold"),
        ({"name": "huber", "threshold": -1.0}, "rule.huber: threshold = -1.0 is outside its range"),
        ({"name": "huber", "nodes": 1000}, "rule.huber: nodes = 1000 is no power of two"),
        ({"name": "huber", "rule": "squared"}, "rule.huber has no parameter 'rule'"),
        ({"name": "clipped", "rule": "squared"}, "rule.clipped lacks threshold"),
        ({"name": "clipped", "threshold": 1.0}, "rule.clipped lacks rule; the rule within is a name or a table"),
        ({"name": "clipped", "threshold": 1.0, "rule": 3}, "rule.rule = 3 is no rule"),
        ({"name": "clipped", "threshold": 1.0, "rule": {"name": "huber", "threshold": "a"}}, "rule.rule.huber: thresh"),
        ({"name": "dropout"}, "rule.dropout lacks keep, units"),
        ({"name": "squared", "activation": "none.py"}, "activation = .*none.py' cannot be read"),
        (3, "rule = 3 is no rule; give an ode_sgd.Rule"),
        ("none.py:perceptron", r"rule = 'none.py' cannot be read \(No such file"),
    ],
)
def test_tables_with_faults_are_refused(given, told):
    with pytest.raises(InvalidProblem, match=told) as caught:
        problem(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "given", "told"),
    [
        (
            TEXT,
            {"name": "FILE:perceptrn"},
            r"has no function perceptrn; it has perceptron, fails \(did you mean 'percep",
        ),
        (TEXT, {"name": "FILE:SLOPE"}, "SLOPE is a float; it has perceptron, fails"),
        (TEXT, {"name": "FILE"}, "names a file and no function of it; give both"),
        (TEXT, {"name": "FILE:short"}, r"rule.short: update takes 2 arguments \(x, y\)"),
        (
            TEXT,
            {"name": "FILE:perceptron", "draw": 1},
            r"rule.perceptron has no parameter 'draw'.*did you mean 'draws'",
        ),
        (TEXT, {"name": "FILE:perceptron", "draws": -1}, "rule.perceptron: draws = -1 is too small"),
        (TEXT, {"name": "FILE:fails"}, r"does not compile: .*my_rules.py, line 1[0-9]\)"),
        ("def f(:\n", {"name": "FILE:f"}, "is not Python: .*, line 1"),
        ("1 / 0\n", {"name": "FILE:f"}, "raised ZeroDivisionError: division by zero when it was run"),
        ("", {"name": "FILE:f"}, "has no function f; it has none that takes"),
    ],
)
def test_files_with_faults_are_refused(file, text, given, told):
    file.write_text(text)
    table = {key: value.replace("FILE", str(file)) if isinstance(value, str) else value for key, value in given.items()}
    with pytest.raises(InvalidProblem, match=told) as caught:
        problem(table)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_folder_of_a_sweep_has_no_file_run(file):
    for given in (f"{file}:perceptron", {"name": f"{file}:perceptron"}, {"rule": {"name": f"{file}:perceptron"}}):
        with pytest.raises(InvalidProblem, match="no folder of a sweep has one run"):
            rule_tables.located(given, None)


def test_the_explorer_names_no_file_that_nobody_knows():
    def own(x, y, draw, delta):
        delta[0] = x[0]
        return x[0] ** 2

    with pytest.raises(InvalidProblem, match="of which no file is known"):
        rule_tables.table_of(Rule(own))
    assert ode_sgd.rules.huber().stored["text"].startswith("huber@")
