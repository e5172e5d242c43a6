"""tanh, arctan, fitted functions, and teachers with other activations than their students: whole runs."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import Activation, InvalidProblem, OrderParameters, Problem, Spectrum, integrate, integrate_batch, theory
from ode_sgd.teacher_student.integration.methods import METHODS
from tests.reference import mixture as twin
from tests.teacher_student import activations_against_sgd as against_sgd

FITTED = """
import math
AVERAGES = "fitted"

def value(x):
    return x / math.sqrt(1.0 + x * x)

def slope(x):
    return (1.0 + x * x) ** -1.5
"""


def problem(activation="tanh", teacher=None, L=4, **changes):
    values = {
        "spectrum": Spectrum.power_law(L, 1.0),
        "student_units": 2,
        "teacher_units": 2,
        "learning_rate": 0.5,
        "activation": activation,
        "teacher_activation": teacher,
        "label_noise": 0.1,
    }
    return Problem(**{**values, **changes})


def start(L=4):
    """The same in all sectors."""
    q, r, t = np.diag([0.25, 0.2]), np.array([[0.10, 0.05], [0.02, 0.08]]), np.eye(2)
    return OrderParameters(*(np.tile(part, (L, 1, 1)) for part in (q, r, t)))


def terms(name):
    return Activation.of(name).levels[-1].terms


@pytest.mark.parametrize(("student", "teacher"), [("tanh", None), ("tanh", "erf")])
def test_against_the_twin(student, teacher):
    """Of the terms that rtol = 1e-6 takes; the twin's DOP853 leaves some 1e-8 of eps_g, our steps some 1e-7."""
    one, alpha = problem(student, teacher), np.array([0.0, 1.0, 5.0])
    few = [Activation.of(name).levels[0].terms for name in (student, teacher or student)]
    _, exact = twin.solve(few, one, start(), alpha, 1e-9)
    np.testing.assert_allclose(integrate(one, start(), alpha).generalization_error, exact, rtol=5e-7)


def test_a_published_run():
    """tanh from eight terms, computed elsewhere to nine digits at alpha = 1."""
    run = integrate(problem(), start(), [0.0, 1.0], rtol=1e-9)
    assert run.generalization_error[-1] == pytest.approx(0.150172916571, rel=1e-8)
    assert run.stats["accuracy"] == Activation.of("tanh").terms_accuracy


def test_every_method():
    one, times = problem("tanh", "erf"), [0.0, 5.0, 20.0]
    runs = [integrate(one, start(), times, rtol=1e-6, method=method) for method in METHODS]
    for run in runs[1:]:  # ten times the tolerance of each
        np.testing.assert_allclose(run.generalization_error, runs[0].generalization_error, rtol=1e-5)


def test_batches_are_integrated_in_turn():
    problems = [problem(learning_rate=eta) for eta in (0.3, 0.6)]
    runs = integrate_batch(problems, [start()] * 2, [0.0, 20.0], rtol=1e-7)
    for one, run in zip(problems, runs, strict=True):
        alone = integrate(one, start(), [0.0, 20.0], rtol=1e-7)
        np.testing.assert_allclose(run.generalization_error, alone.generalization_error, rtol=1e-9)


def test_errors_vanish_as_they_do_for_the_function():
    """Terms leave errors that are fractions of eps_g: it falls to its rounding where labels have no noise."""
    one = problem(L=1, label_noise=0.0, spectrum=Spectrum.isotropic())
    run = integrate(one, start(1), 3000.0)
    assert run.status == "complete"
    assert run.generalization_error[-1] < 1e-13 and run.resolution < 1e-14


@pytest.mark.parametrize(("student", "teacher", "method"), [("tanh", None, "reduced"), ("tanh", "erf", "explicit")])
def test_sgd_of_the_functions_themselves(student, teacher, method, record_property):
    """Sixteen replicas of four starts; all cases are in activations_against_sgd.py."""
    z = against_sgd.pooled(against_sgd.law(2, 2, 4, student, teacher), method, range(4))
    record_property("measured", f"{student}, {teacher}, {method}: rms z = {z:.2f}")
    assert against_sgd.POOLED[0] < z < against_sgd.POOLED[1]


def test_chain_and_weights_have_the_same_means(record_property):
    p = against_sgd.same_means(against_sgd.law(2, 2, 2, "tanh", "erf"), seed=5, replicas=200)
    record_property("measured", f"p = {p:.3g}")
    assert p > against_sgd.LEAST


def test_the_plateau():
    """The saddle is a fixed point of the twin's, and weights leave it at the rate of theory."""
    one = problem(L=1, spectrum=Spectrum.isotropic(), learning_rate=0.1)
    saddle = theory.symmetric_saddle(one)
    C = np.block([[saddle.Q, saddle.R], [saddle.R.T, saddle.T]])
    A, G = twin.coefficients((terms("tanh"),) * 2, C, one.signed_weights, 2, one.label_noise**2)
    moved = A @ C
    np.testing.assert_allclose(moved[:, :2] + moved[:, :2].T, one.learning_rate * G, rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(moved[:, 2:], 0.0, atol=1e-9)
    assert theory.plateau_height(one) == pytest.approx(
        twin.error((terms("tanh"),) * 2, C, one.signed_weights, 2), rel=1e-12
    )


@pytest.mark.parametrize("teacher", [None, "erf"])
def test_the_rate_of_escape(teacher):
    """Of a difference of 1e-5 between students in sectors of two variances, once other modes have died down."""
    one = problem("tanh", teacher, L=2, learning_rate=0.1)
    saddle, rate = theory.symmetric_saddle(one), theory.escape_rate(one)
    r = saddle.order_parameters.r + 1e-5 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    first = OrderParameters(saddle.order_parameters.q + 1e-4 * np.eye(2), r, saddle.order_parameters.t)
    run = integrate(one, first, np.array([0.0, 1.0, 2.0]) / rate, rtol=1e-9)
    grown = run.R[:, 0, 0] - run.R[:, 0, 1]
    # What is left of other modes, and terms of third order: 1e-4 of the growth in one e-fold.
    assert np.log(grown[2] / grown[1]) == pytest.approx(1.0, abs=2e-3)


# --- what a problem is called -----------------------------------------------------------------------------------------


def test_the_same_activation_twice_is_one():
    one, other = problem("erf", None), problem("erf", "erf")
    assert one.identity == other.identity and other.g == one.g
    assert problem("erf", "tanh").identity != problem("tanh", "erf").identity != problem("tanh").identity
    assert "teacher_activation" not in one.canonical and "teacher_activation" not in one.stored


@pytest.fixture
def fitted(tmp_path):
    (tmp_path / "algebraic.py").write_text(FITTED)
    return tmp_path / "algebraic.py"


def test_files(tmp_path, fitted):
    one = problem("tanh", fitted)
    run = integrate(one, start(), [0.0, 1.0])
    ode_sgd.save(tmp_path / "run.h5", run)
    loaded = ode_sgd.load(tmp_path / "run.h5").ode
    assert loaded.problem.identity == one.identity
    assert loaded.problem.teacher_activation == one.teacher_activation
    assert loaded.stats["accuracy"] == run.stats["accuracy"] == 2e-7


def test_studies_and_sweeps(fitted):
    study = {
        "spectrum": {"kind": "isotropic"},
        "problem": {"student_units": 1, "teacher_units": 1, "learning_rate": 0.5, "activation": "tanh"},
        "start": {"kind": "random", "dimension": 20},
        "integration": {"alpha": 1.0},
    }
    sweep = ode_sgd.Sweep(study, {"problem.teacher_activation": ["erf", "tanh", str(fitted)]})
    taught = [sweep.study(n).problem.g_teacher for n in range(3)]
    assert [one.name for one in taught] == ["erf", "tanh", "algebraic"]
    assert sweep.study(1).problem.teacher_like_student


def test_theory_of_teachers_that_differ():
    """No exponent of students that become their teachers, and none of linear networks."""
    one = problem("erf", "tanh", spectrum=Spectrum.power_law(5000, 1.0), label_noise=0.0)
    assert theory.asymptotic_exponent(one) is None
    assert theory.asymptotic_exponent(replace(one, teacher_activation=None)) is not None
    with pytest.raises(
        InvalidProblem, match="teacher_activation = 'erf' with activation = 'linear': no student becomes its teacher"
    ):
        theory.critical_learning_rate(problem("linear", "erf"))


def test_pairs_without_averages(tmp_path):
    quadratic = (ode_sgd.__path__[0] + "/../tests/teacher_student/activations/quadratic.py", "quadratic")
    with pytest.raises(InvalidProblem) as error:
        problem("tanh", quadratic[0])
    assert "'quadratic@" in str(error.value) and "is no sum of error functions" in str(error.value)
    assert "give two of arctan, erf, linear, tanh" in str(error.value)
    with pytest.raises(InvalidProblem, match=r"'tangh' does not exist; .* \(did you mean 'tanh'\?\)"):
        problem("erf", "tangh")
