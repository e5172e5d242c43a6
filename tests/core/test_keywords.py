"""Unknown keywords: a TypeError of the package's own that helps, and homes that exist."""

import inspect
import pickle
import re
from functools import reduce
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd.core.keywords import HOMES, LETTERS, NOT_COVERED, own_keywords
from tests.analysis import any_run

SPECTRUM = ode_sgd.Spectrum.isotropic()
NETWORK = {"spectrum": SPECTRUM, "student_units": 2, "teacher_units": 2, "learning_rate": 0.5}
PROBLEM = ode_sgd.Problem(**NETWORK)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ode_sgd.Problem(**NETWORK, lable_noise=0.1), "Problem has no keyword 'lable_noise' .*'label_noise'"),
        (lambda: ode_sgd.Problem(**NETWORK, sigma=0.1), "did you mean 'label_noise'"),
        (lambda: ode_sgd.Problem(**NETWORK, kappa=0.1), "did you mean 'weight_decay'"),
        (lambda: ode_sgd.Problem(**NETWORK, lr=0.1), "did you mean 'learning_rate'"),
        (lambda: ode_sgd.Problem(**NETWORK, beta=1.0), r"give it to Spectrum\.power_law\(beta=\.\.\.\)"),
        (lambda: ode_sgd.Problem(**NETWORK, N=100), r"OrderParameters\.random\(dimension=.*simulate\(dimension="),
        (lambda: ode_sgd.integrate(PROBLEM, None, 1.0, replicas=8), r"give it to simulate\(replicas=\.\.\.\)"),
        (lambda: ode_sgd.integrate(PROBLEM, None, 1.0, weight_decay=1), r"give it to Problem\(weight_decay="),
        (lambda: ode_sgd.simulate(PROBLEM, None, 1.0, seed=1, rtol=1e-8), r"give it to integrate\(rtol=\.\.\.\)"),
        (lambda: ode_sgd.simulate(PROBLEM, None, 1.0, sead=1), r"did you mean 'seed'"),
        (lambda: ode_sgd.Spectrum.power_law(4, 1.0, tracee=2.0), r"Spectrum\.power_law has no .*'trace'"),
        (lambda: ode_sgd.Schedule.power(0.5, 1.0, tme=2.0), r"Schedule\.power has no .*'time'"),
        (lambda: ode_sgd.OrderParameters.random(PROBLEM, 10, sede=2), "did you mean 'seed'"),
        (lambda: ode_sgd.Sweep({}, {}, zipp=()), "Sweep has no keyword 'zipp' .*'zip'"),
        (lambda: ode_sgd.theory.plateau_height(PROBLEM, brnach="split"), "plateau_height has no keyword .*'branch'"),
        (lambda: ode_sgd.principal_axes([[1.0]], tolerence=0.1), "principal_axes has no keyword .*'tolerance'"),
        (lambda: ode_sgd.warm("study.toml", job=2), "warm has no keyword 'job' .*'jobs'"),
        (lambda: ode_sgd.plots.paper_figure(heigth=3), "paper_figure has no keyword 'heigth'; it has rows, columns"),
        (lambda: ode_sgd.find_plateau(None, colour="red"), "find_plateau has no keyword 'colour'; it has "),
        (lambda: ode_sgd.findings(None, weight_decay=1), r"findings has no .*; give it to Problem\(weight_decay="),
        (lambda: ode_sgd.Schedule.cosine(1.0, 10.0, finall=0.1), r"Schedule\.cosine has no .*'final'"),
        (lambda: ode_sgd.theory.noise_floor(PROBLEM, rtol=1e-8), r"give it to integrate\(rtol="),
        (lambda: ode_sgd.scaling_laws.PowerLawTask(capcity=2.0), "PowerLawTask has no .*'capacity'"),
        (
            lambda: ode_sgd.scaling_laws.PowerLawTask(ridge=2.0),
            r"give it to scaling_laws\.RandomFeatures\.loss\(ridge=",
        ),
        (lambda: ode_sgd.Problem(**NETWORK, bias=0.9), 'does not cover biases: see "Not covered" in its README'),
        (lambda: ode_sgd.integrate(PROBLEM, None, 1.0, epochs=9), "does not cover repeated samples"),
        (lambda: ode_sgd.Problem(**NETWORK, dropout=0.9), "did you mean 'rule'"),
        (lambda: ode_sgd.Problem(**NETWORK, momentum=0.9), "did you mean 'optimizer'"),
        (lambda: ode_sgd.optimizers.HeavyBall(momentum=0.9), r"'momentum'; give friction = N \(1 - momentum\)"),
        (lambda: ode_sgd.optimizers.Adam(beta2=0.99), r"'beta2'; give second_moment_rate = N \(1 - beta2\)"),
        (lambda: ode_sgd.integrate(PROBLEM, None, 1.0, momentum=0.9), r"give it to Problem\(optimizer="),
    ],
)
def test_an_unknown_keyword_is_a_type_error_that_helps(call, words):
    with pytest.raises(TypeError, match=words) as caught:
        call()
    assert isinstance(caught.value, ode_sgd.UnknownKeyword)
    assert isinstance(caught.value, ode_sgd.OdeSgdError)


def test_missing_arguments_are_pythons_own():
    with pytest.raises(TypeError, match="missing"):
        ode_sgd.Problem()
    with pytest.raises(TypeError, match="missing"):
        ode_sgd.integrate(PROBLEM)


# What the package makes and users only read.
RESULTS = {
    "Agreement",
    "Crossover",
    "Escape",
    "Explorer",
    "Extrapolation",
    "Findings",
    "HalfHeight",
    "Plateau",
    "PowerLawFit",
    "Specialisation",
    "StoredRun",
    "SweepResult",
    "Trajectory",
    "Warmed",
    "EscapeLaw",
    "EscapeTime",
    "ExcessPair",
    "FixedPoint",
    "LinearModes",
    "LinearSolution",
    "PowerLaw",
    "RelaxationRates",
    "Saddle",
    "Allocation",
    "ComputeOptimal",
    "Law",
    "Laws",
    "LinearStudent",
    "LossCurve",
    "RegressionCurve",
    "ResourceCurve",
}
TYPES = {"Model", "Parameters", "Tables"}  # for annotations alone
MODULES = (ode_sgd, ode_sgd.theory, ode_sgd.plots, ode_sgd.scaling_laws)


def public_callables():
    """All that users call, by name: functions, and of classes how they are made, with their public methods."""
    found = {}
    for module in MODULES:
        for name in set(module.__all__) - RESULTS - TYPES:
            value, called = getattr(module, name), f"{module.__name__}.{name}"
            if isinstance(value, type) and not issubclass(value, BaseException):
                found[called] = value
                found |= {f"{called}.{key}": getattr(value, key) for key in vars(value) if is_method(value, key)}
            elif inspect.isfunction(value):
                found[called] = value
    return found


def is_method(owner, name):
    """Whether a class has a public method of this name."""
    held = vars(owner)[name]
    return not name.startswith("_") and (isinstance(held, classmethod | staticmethod) or inspect.isfunction(held))


def takes_any(function):
    """Whether it hands keywords on."""
    return any(one.kind is one.VAR_KEYWORD for one in inspect.signature(function).parameters.values())


CALLABLES = public_callables()
HANDED_ON = sorted(name.rpartition(".")[2] for name, function in CALLABLES.items() if takes_any(function))


def test_there_are_as_many_as_there_seem_to_be():
    assert len(CALLABLES) > 150 and {"plot_error", "plot_matrices", "plot_references"} <= set(HANDED_ON)


@pytest.mark.parametrize("name", sorted(name for name in CALLABLES if not takes_any(CALLABLES[name])))
def test_every_public_function_and_class_has_its_own_message(name):
    own = name.removeprefix("ode_sgd.").removeprefix("theory.").removeprefix("plots.").removeprefix("scaling_laws.")
    with pytest.raises(ode_sgd.UnknownKeyword, match=rf"^{re.escape(own)} has no keyword 'no_such_thing'"):
        CALLABLES[name](no_such_thing=1)


@pytest.mark.parametrize("name", HANDED_ON)
def test_what_hands_keywords_on_knows_which_ones(name):
    ode = ode_sgd.integrate(PROBLEM, ode_sgd.OrderParameters.random(PROBLEM, 100, seed=0), [0.0, 1.0, 2.0])
    given = {
        "plot_agreement": [ode_sgd.compare(any_run.theory(), any_run.simulation())],
        "plot_level": [0.1],
        "plot_matrices": [ode, [1.0]],
        "plot_power_law": [0.5, ode],
        "plot_references": [ode],
    }
    axes = Figure().subplots()
    with pytest.raises(ode_sgd.UnknownKeyword, match=rf"^{name} has no keyword 'no_such_thing'"):
        getattr(ode_sgd.plots, name)(
            [axes] if name == "plot_matrices" else axes, *given.get(name, [[ode]]), no_such_thing=1
        )


def test_what_is_not_covered_stands_in_the_readme():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    section = readme.partition("## Not covered")[2].partition("\n## ")[0].lower()
    for what, keys in NOT_COVERED.items():
        assert what.lower() in section
        assert not {*keys.split()} & {*LETTERS, *(key for held in HOMES.values() for key in held.split())}


@pytest.mark.parametrize("home", HOMES)
def test_every_home_has_its_keywords(home):
    target = reduce(getattr, home.split("."), ode_sgd)
    assert set(HOMES[home].split()) <= set(inspect.signature(target).parameters)


@pytest.mark.parametrize("home", ["Problem", "integrate", "simulate", "OrderParameters.random", "Spectrum.power_law"])
def test_every_keyword_of_what_papers_use_has_a_home(home):
    known = {key for keys in HOMES.values() for key in keys.split()}
    parameters = set(inspect.signature(reduce(getattr, home.split("."), ode_sgd)).parameters)
    assert parameters - known <= {"problem", "start", "alpha", "progress"}


def test_letters_stand_for_keywords_that_exist():
    known = {key for keys in HOMES.values() for key in keys.split()}
    assert set(LETTERS.values()) <= known


def test_what_is_decorated_stays_what_it_was():
    @own_keywords
    def one(a, b=2):
        """Docstring."""
        return a + b

    assert one(1, b=3) == 4
    assert one.__doc__ == "Docstring."
    assert list(inspect.signature(one).parameters) == ["a", "b"]
    assert pickle.loads(pickle.dumps(PROBLEM)) == PROBLEM
    assert inspect.signature(ode_sgd.Problem).parameters["weight_decay"].default == 0.0
