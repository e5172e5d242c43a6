"""`Rule`: what it takes and refuses, what it is known by, and its nodes."""

import pickle
from math import erf, sqrt

import numpy as np
import pytest
from scipy.stats import kstest, t

import ode_sgd
from ode_sgd import InvalidProblem, Problem, Rule, Spectrum, rules
from ode_sgd.teacher_student.model import rule_source
from ode_sgd.teacher_student.model.own_rule import StoredRule
from ode_sgd.teacher_student.model.rule_nodes import normal_nodes

SCALE = 2.0


def good(x, y, draw, delta):
    """Squared error of linear units."""
    error = x.sum() - y.sum()
    delta[:] = error
    return 0.5 * error**2


def problem(update, K=2, M=2, **options):
    return Problem(
        spectrum=Spectrum.isotropic(), student_units=K, teacher_units=M, learning_rate=0.1, rule=Rule(update, **options)
    )


def outside(x, y, draw, delta):
    for i in range(x.size + 1):
        delta[i] = x[0]
    return 0.0


def unfilled(x, y, draw, delta):
    delta[0] = x[0]
    return 0.0


def not_a_number(x, y, draw, delta):
    delta[:] = 0.0
    return float("nan")


def no_loss(x, y, draw, delta):
    delta[:] = 0.0


def writes_fields(x, y, draw, delta):
    x[0] = 0.0
    delta[:] = 0.0
    return 0.0


def asks_too_much(x, y, draw, delta):
    delta[:] = draw[1]
    return 0.0


@pytest.mark.parametrize(
    ("update", "told"),
    [
        (outside, "writes outside its arrays .*K = 2"),
        (unfilled, "leaves delta = .*has to fill all 2"),
        (not_a_number, "returns nan for x"),
        (no_loss, "returns None; it has to return the loss"),
        (writes_fields, "raises ValueError.*read-only"),
        (asks_too_much, "outside its arrays"),
    ],
)
def test_an_update_with_faults_is_refused_where_it_is_first_tried(update, told):
    with pytest.raises(InvalidProblem, match=told):
        problem(update, draws=1)


def uncompilable(x, y, draw, delta):
    delta[:] = x[0]
    return 0.5 * len({"a": 1}[str(x.size)[:0] + "a"] * [1.0]) + float(sorted([x[0]], key=abs)[0]) * 0.0 + eval("0.0")


def test_what_does_not_compile_says_so_in_one_line_with_the_users_own():
    with pytest.raises(InvalidProblem, match="does not compile") as caught:
        problem(uncompilable)
    assert "\n" not in str(caught.value)
    assert "test_own_rule.py, line" in str(caught.value)


def test_what_the_compiler_says_is_told_without_its_colours():
    """Numba writes them where colorama is installed."""
    error = ValueError("\x1b[1m\x1b[31mNo implementation of function len\x1b[0m found\n\x1b[1mDuring: typing\x1b[0m")
    assert rule_source.message_of(error, good).startswith("No implementation of function len found (")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"draws": -1}, "draws = -1 is too small"),
        ({"nodes": 1000}, "1000 is no power of two; give 512 or 1024"),
        ({"nodes": 2}, "nodes = 2 is too small"),
        ({"jumps": "z"}, "jumps"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options_outside_their_range_are_refused(given, told):
    with pytest.raises(InvalidProblem, match=told):
        Rule(good, **given)


def test_a_function_of_other_arguments_is_refused():
    with pytest.raises(InvalidProblem, match=r"takes 1 arguments \(x\); it has to be update\(x, y, draw, delta\)"):
        Rule(lambda x: 0.0)
    with pytest.raises(InvalidProblem, match="is no function"):
        Rule("mine.py")


def test_nodes_that_no_kernel_holds_are_refused():
    with pytest.raises(InvalidProblem, match="nodes = 131072"):
        problem(good, nodes=2**17)


@pytest.mark.parametrize("name", ["label_noise", "activation", "second_layer_rate", "student_weights"])
def test_what_a_rule_stands_in_place_of_is_refused_beside_it(name):
    value = {"label_noise": 0.1, "activation": "tanh", "second_layer_rate": 0.1, "student_weights": (1.0, 2.0)}[name]
    with pytest.raises(InvalidProblem, match=f"with {name} = .*; leave {name} out"):
        Problem(
            spectrum=Spectrum.isotropic(),
            student_units=2,
            teacher_units=2,
            learning_rate=0.1,
            rule=rules.squared("erf"),
            **{name: value},
        )


def _scaled(factor):
    def update(x, y, draw, delta):
        delta[:] = factor * (x.sum() - y.sum())
        return 0.0

    return update


def test_a_rule_is_known_by_its_text_and_by_the_numbers_that_it_takes():
    assert Rule(_scaled(1.0)) == Rule(_scaled(1.0))
    assert Rule(_scaled(1.0)) != Rule(_scaled(2.0))
    assert Rule(good) != Rule(good, seed=1)
    assert Rule(good).code == Rule(good, seed=1, nodes=2**10).code
    assert problem(good).identity != problem(good, seed=1).identity
    assert rules.clipped(rules.squared(), 0.5) != rules.clipped(rules.squared(), 0.6)


def test_a_problem_without_a_rule_is_what_it_was():
    one = Problem(spectrum=Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.1)
    assert "rule" not in one.stored
    assert "rule" not in one.canonical


def test_a_stored_rule_is_read_without_its_function():
    one = problem(good)
    again = Problem.of_stored(one.spectrum, one.stored)
    assert again.rule == one.rule and again.rule.update is good
    assert again.identity == one.identity
    unknown = Problem.of_stored(one.spectrum, {**one.stored, "rule": "theirs@0123456789abcdef"})
    assert isinstance(unknown.rule, StoredRule)
    with pytest.raises(InvalidProblem, match="this process has not loaded"):
        ode_sgd.integrate(unknown, ode_sgd.OrderParameters.typical(one, 0.1, 1.0), 1.0)


def test_gradients_are_told_from_other_updates():
    """By the symmetry of d delta_i / d x_j; one student has no other entries."""
    erf_rule = rules.squared("erf")
    follows = rule_source.follows_a_gradient
    assert follows(good, 2, 2, 0)
    assert follows(erf_rule.update, 3, 2, 0)
    assert follows(rules.hinge("erf").update, 2, 2, 0)  # also where differences may cross a jump
    assert not follows(rules.clipped(erf_rule, 0.3).update, 2, 2, 0)
    assert follows(rules.clipped(erf_rule, 0.3).update, 1, 2, 0)


def test_nodes_have_the_moments_of_normals():
    nodes = normal_nodes(2**12, 5, 3)
    assert nodes.shape == (2**11, 5)
    assert np.abs(nodes.T @ nodes / len(nodes) - np.eye(5)).max() < 1e-12  # made so; rounding of 2048 terms
    assert abs((nodes[:, 0] ** 4).mean() - 3.0) < 0.1  # not made so: the tails of 4096 nodes
    assert not np.array_equal(nodes, normal_nodes(2**12, 5, 3, scramble=1))


def test_shipped_updates_do_what_their_formulas_say():
    """In plain Python, at one point, against formulas written once more."""
    x, y, draw = np.array([0.3, -0.8]), np.array([0.5, 1.1]), np.array([0.4, -1.0, 2.0])

    def applied(rule, draws=draw):
        delta = np.zeros(2)
        loss = rule_source.in_python(rule.update)(x, y, draws[: rule.draws], delta)
        return loss, delta

    g = np.array([erf(v / sqrt(2.0)) for v in x])
    h = sum(erf(v / sqrt(2.0)) for v in y)
    slope = np.sqrt(2.0 / np.pi) * np.exp(-0.5 * x**2)
    error = g.sum() - h
    loss, delta = applied(rules.squared("erf", label_noise=0.5))
    assert loss == pytest.approx(0.5 * error**2)
    assert delta == pytest.approx(slope * (error - 0.5 * 0.4))
    loss, delta = applied(rules.huber("erf", threshold=0.2))
    assert loss == pytest.approx(0.2 * (abs(error) - 0.1))
    assert delta == pytest.approx(slope * 0.2 * np.sign(error))
    s = np.sign(h)
    loss, delta = applied(rules.logistic("erf", scale=2.0))
    assert loss == pytest.approx(np.log1p(np.exp(-2.0 * s * g.sum())))
    assert delta == pytest.approx(-2.0 * s * slope / (1.0 + np.exp(2.0 * s * g.sum())))
    loss, delta = applied(rules.hinge("erf", margin=1.0))
    assert loss == pytest.approx(max(0.0, 1.0 - s * g.sum()))
    assert delta == pytest.approx(-s * slope)
    base = applied(rules.squared("erf"))[1]
    assert applied(rules.clipped(rules.squared("erf"), 0.1))[1] == pytest.approx(0.1 * base / np.linalg.norm(base))
    assert applied(rules.clipped(rules.squared("erf"), 9.0))[1] == pytest.approx(base)
    assert applied(rules.normalised(rules.squared("erf")))[1] == pytest.approx(base / np.linalg.norm(base))
    loss, delta = applied(rules.dropout(0.5, 2, "erf", label_noise=0.5))  # of the units the first is kept
    assert delta == pytest.approx([slope[0] * (g[0] - h - 0.5 * 0.4), 0.0])
    assert loss == pytest.approx(0.5 * (0.5 * g.sum() - h) ** 2)
    flip = rules.label_flip(rules.squared("erf"), 0.9)  # 0.4 is below the 90 % quantile
    assert applied(flip)[1] == pytest.approx(slope * (g.sum() + h))
    assert applied(flip)[0] == pytest.approx(0.5 * error**2)
    assert applied(rules.label_flip(rules.squared("erf"), 0.1))[1] == pytest.approx(base)


@pytest.mark.parametrize("freedom", [2.5, 5.0])
def test_noise_with_heavy_tails_is_students_t(freedom):
    """Against SciPy's distribution, from 20000 draws, with label_noise for the standard deviation; normal at 1e8."""
    rule = rules.squared("linear", label_noise=0.7, degrees_of_freedom=freedom)
    draws, delta = np.random.default_rng(3).standard_normal((20_000, rule.draws)), np.empty(1)
    noise = np.empty(len(draws))
    for n, draw in enumerate(draws):
        rule.update(np.zeros(1), np.zeros(1), draw, delta)
        noise[n] = -delta[0]
    assert kstest(noise, t(freedom, scale=0.7 * sqrt(1.0 - 2.0 / freedom)).cdf).pvalue > 1e-3
    nearly = rules.squared("linear", label_noise=0.7, degrees_of_freedom=1e8)
    nearly.update(np.zeros(1), np.zeros(1), draws[0], delta)
    assert delta[0] == pytest.approx(-0.7 * draws[0, 0], rel=1e-6)
    nearly.update(np.zeros(1), np.zeros(1), np.zeros(2), delta)
    assert delta[0] == 0.0


def test_dropout_takes_its_masks_after_the_noise():
    drop = rules.dropout(0.5, 2, "erf", label_noise=0.5, degrees_of_freedom=5.0)
    assert drop.draws == 4
    delta, draw = np.empty(2), np.array([0.0, 0.4, -1.0, 1.0])  # no noise; of the units the first is kept
    drop.update(np.ones(2), np.zeros(1), draw, delta)
    assert delta[0] != 0.0 and delta[1] == 0.0


def test_shipped_rules_refuse_numbers_outside_their_range():
    with pytest.raises(InvalidProblem, match=r"degrees_of_freedom = 2 is outside .* number > 2"):
        rules.huber("erf", label_noise=0.1, degrees_of_freedom=2)
    with pytest.raises(InvalidProblem, match=r"keep = 1\.5 is no probability"):
        rules.dropout(1.5, 2)
    with pytest.raises(InvalidProblem, match="threshold"):
        rules.clipped(rules.squared(), 0.0)
    with pytest.raises(InvalidProblem, match="rule = 'squared' is no rule"):
        rules.normalised("squared")
    with pytest.raises(InvalidProblem, match="colour is no option"):
        rules.squared(colour=1)


def test_a_rule_of_a_module_is_pickled():
    assert pickle.loads(pickle.dumps(Rule(good))) == Rule(good)


def test_dropout_is_that_of_the_student():
    given = {"spectrum": Spectrum.isotropic(), "student_units": 2, "teacher_units": 2, "learning_rate": 0.1}
    with pytest.raises(InvalidProblem, match=r"student_units = 2: it has units = 3"):
        Problem(**given, rule=rules.dropout(0.5, 3))
    with pytest.raises(InvalidProblem, match=r"it has units = 1"):
        Problem(**given, rule=rules.clipped(rules.dropout(0.5, 1), 1.0))
    with pytest.raises(InvalidProblem, match=r"rule = 'squared' is no rule; give an ode_sgd.Rule, such as"):
        rules.clipped("squared", 1.0)
