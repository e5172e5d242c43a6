"""Numbers at the limits of floats: the package's own error or right numbers, whatever is done of warnings."""

import dataclasses

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, InvalidStart, OrderParameters, Problem, Spectrum, theory

SPECTRUM = Spectrum.power_law(2, 1.0)
PROBLEM = Problem(spectrum=SPECTRUM, student_units=2, teacher_units=2, learning_rate=0.5)
START = OrderParameters.random(PROBLEM, 40, 0.3, seed=1)
TIMES = [0.0, 0.5, 2.0, 5.0, 10.0, 20.0]
X = np.random.default_rng(0).standard_normal((80, 4)) * [2.0, 1.0, 1.0, 0.5]
J, B = np.random.default_rng(1).standard_normal((2, 2, 40))


@pytest.fixture(autouse=True)
def strict():
    """All that NumPy can tell of is an error; so are warnings, in this whole suite."""
    with np.errstate(all="raise"):
        yield


BEYOND = {
    "learning_rate": (lambda x: dataclasses.replace(PROBLEM, learning_rate=x), (1e-300, 5e-324, 1e200)),
    "label_noise": (lambda x: dataclasses.replace(PROBLEM, label_noise=x), (1e200, 1e-200, 1.7e308)),
    "student_weights holds": (lambda x: dataclasses.replace(PROBLEM, student_weights=[x, 1.0]), (1e200, -1e200)),
    "trace": (lambda x: Spectrum.power_law(2, 1.0, x), (1e-300, 1e300)),
    "the largest eigenvalue": (lambda x: Spectrum([x, x], [0.5, 0.5]), (1.7e308, 1e-310)),
    "the largest eigenvalue of all": (lambda x: Spectrum.from_eigenvalues([x, x, 0.0]), (1.7e308, 1e-310)),
    "student_scale": (lambda x: OrderParameters.random(PROBLEM, 40, x), (1e200, 1e-200)),
    "teacher_scale": (lambda x: OrderParameters.typical(PROBLEM, 0.3, x), (1e200, 1e-200)),
    "the largest entry of a row of J": (lambda x: OrderParameters.from_weights(J * x, B, SPECTRUM), (1e200, 1e-200)),
    "q holds": (lambda x: OrderParameters(START.q * x, START.r, START.t), (1e200, 1e307)),
}


@pytest.mark.parametrize("name", BEYOND)
def test_beyond_its_range(name):
    make, values = BEYOND[name]
    for value in values:
        with pytest.raises(
            (InvalidProblem, InvalidStart), match=rf"{name.removesuffix(' of all')}.*(1e[+-]50|1e\+102)"
        ):
            make(value)


def all_of_it(problem, start, *, simulated=True):
    """Every kind of computation; each may refuse by the package's own error. What is stored is finite."""
    runs = [ode_sgd.integrate(problem, start, TIMES), *ode_sgd.integrate_batch([problem], [start], TIMES)]
    if simulated:
        runs.append(ode_sgd.simulate(problem, start, TIMES, dimension=40, replicas=2, seed=1))
    for run in runs:
        assert all(np.isfinite(values).all() for values in (run.generalization_error, run.Q, run.R))
        assert ode_sgd.describe(ode_sgd.findings(run))
    own = [theory.symmetric_saddle, theory.escape_time, theory.escape_law, theory.noise_floor]
    own += [theory.linear_modes, theory.asymptotic_exponent, theory.critical_learning_rate]
    arguments = [(problem, start)] * 4 + [(problem,)] * 3
    for function, given in zip(own, arguments, strict=True):
        try:
            function(*given)
        except InvalidProblem:
            assert function is not theory.asymptotic_exponent
    if problem.activation == "linear":
        assert (theory.linear_error(problem, start, [0.0, 1.0, 30.0]) >= 0.0).all()
    return runs[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 1e-50},
        {"learning_rate": 1e50, "activation": "linear"},
        {"label_noise": 1e50},
        {"student_weights": (1e50, 1e50), "activation": "linear"},
        {"student_weights": (1e-200, 1e-200)},
        {"student_weights": (5e-324, 5e-324)},
        {"spectrum": Spectrum.power_law(2, 1.0, 5e49), "learning_rate": 1e-50},
        {"spectrum": Spectrum.power_law(2, 1.0, 1e-50)},
        {"spectrum": Spectrum.power_law(2, 1.0, 1e-50), "activation": "linear"},
    ],
    ids=", ".join,
)
def test_at_the_end_of_its_range(changes):
    all_of_it(dataclasses.replace(PROBLEM, **changes), START)


@pytest.mark.parametrize("scale", [1e-50, 1e50])
def test_starts_at_the_end_of_their_range(scale):
    all_of_it(PROBLEM, OrderParameters.random(PROBLEM, 40, scale, seed=1), simulated=False)


@pytest.mark.parametrize("activation", ["erf", "linear"])
@pytest.mark.parametrize(
    "spectrum",
    [Spectrum([1.0, 1e-310], [0.5, 0.5]), Spectrum([1.0, 5e-324], [0.5, 0.5]), Spectrum.power_law(2, 1e308)],
    ids=["1e-310", "smallest", "steepest"],
)
def test_an_eigenvalue_that_is_next_to_nothing_is_one_of_zero(spectrum, activation):
    zero = Spectrum([spectrum.eigenvalues[0], 0.0], [0.5, 0.5])
    problem, frozen = (dataclasses.replace(PROBLEM, spectrum=one, activation=activation) for one in (spectrum, zero))
    errors = [all_of_it(one, START).generalization_error for one in (problem, frozen)]
    np.testing.assert_allclose(*errors, rtol=1e-5)
    if activation == "linear":
        exact = [theory.linear_error(one, START, TIMES) for one in (problem, frozen)]
        np.testing.assert_allclose(*exact, rtol=1e-12)


def test_the_tail_of_a_steep_law():
    for activation in ("erf", "linear"):
        problem = dataclasses.replace(PROBLEM, spectrum=Spectrum.power_law(10, 400.0), activation=activation)
        all_of_it(problem, OrderParameters.random(problem, 40, 0.3, seed=1))
    long = dataclasses.replace(PROBLEM, spectrum=Spectrum.power_law(250, 100.0))
    run = ode_sgd.integrate(long, OrderParameters.random(long, 1000, 0.3, seed=1), TIMES)  # on nodes
    assert run.status == "complete"


@pytest.mark.parametrize("scale", [1.7e308 / np.abs(X).max(), 1e200, 1e-200, 1e-307])
def test_data_of_any_size(scale):
    """Their unit is none of ours: X is scaled by one factor anyway."""
    with np.errstate(under="ignore"):
        scaled = X * scale
    spectrum = Spectrum.from_data(scaled)
    np.testing.assert_allclose(spectrum.eigenvalues, Spectrum.from_data(X).eigenvalues, rtol=1e-12)
    problem = dataclasses.replace(PROBLEM, spectrum=spectrum)
    start = OrderParameters.random(problem, 4, 0.3, seed=1)
    run = ode_sgd.simulate(problem, start, [0.0, 3.0], inputs=scaled, seed=1)
    plain = ode_sgd.simulate(problem, start, [0.0, 3.0], inputs=X, seed=1)
    np.testing.assert_allclose(run.generalization_error, plain.generalization_error, rtol=1e-9)


def test_numbers_longer_than_floats():
    if np.finfo(np.longdouble).max <= np.finfo(float).max:
        pytest.skip("long doubles are doubles here")
    with pytest.raises(InvalidProblem, match="eigenvalues holds inf"):
        Spectrum(np.array([1.0, np.longdouble(10) ** 400]), [0.5, 0.5])
