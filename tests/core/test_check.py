"""Masked entries: the number under a mask means nothing, so no argument takes one."""

import dataclasses
import re

import numpy as np
import pytest

import ode_sgd
from ode_sgd import OrderParameters, Problem, Spectrum
from ode_sgd.core import check

FILL = 9.969209968386869e36  # netCDF's, of 64-bit floats
SPECTRUM = Spectrum.power_law(2, 1.0)
PROBLEM = Problem(spectrum=SPECTRUM, student_units=2, teacher_units=2, learning_rate=0.5)
START = OrderParameters.random(PROBLEM, 40, 0.3, seed=1)
LINEAR = dataclasses.replace(PROBLEM, activation="linear")
X = np.random.default_rng(0).standard_normal((60, 4))
J, B = np.random.default_rng(1).standard_normal((2, 2, 40))


def hidden(values, count=1):
    """A copy with the last entries masked, and netCDF's number under the mask."""
    values = np.ma.array(values, dtype=float, copy=True)
    values.reshape(-1)[values.size - count :] = FILL
    return np.ma.masked_equal(values, FILL)


def with_last(change):
    """Every public argument that takes an array, with its last entry changed."""
    q, r, t = (change(part) for part in (START.q, START.r, START.t))
    return {
        "eigenvalues": lambda: Spectrum(change([1.0, 0.5]), [0.5, 0.5]),
        "weights": lambda: Spectrum([1.0, 0.5], change([0.5, 0.5])),
        "from_eigenvalues": lambda: Spectrum.from_eigenvalues(change([3.0, 2.0, 1.0])),
        "from_data": lambda: Spectrum.from_data(change(X)),
        "student_weights": lambda: dataclasses.replace(PROBLEM, student_weights=change([1.0, 0.5])),
        "teacher_weights": lambda: dataclasses.replace(PROBLEM, teacher_weights=change([1.0, 0.5])),
        "q": lambda: OrderParameters(q, START.r, START.t),
        "r": lambda: OrderParameters(START.q, r, START.t),
        "t": lambda: OrderParameters(START.q, START.r, t),
        "of a solution": lambda: OrderParameters.from_solution(START.q, r, START.t),
        "J": lambda: OrderParameters.from_weights(change(J), B, SPECTRUM),
        "B": lambda: OrderParameters.from_weights(J, change(B), SPECTRUM),
        "integrate": lambda: ode_sgd.integrate(PROBLEM, START, change([0.0, 1.0])),
        "moments": lambda: ode_sgd.integrate(
            PROBLEM, START, [0.0], moments=np.ma.array([1, 2], mask=np.ma.getmask(change([1, 2])))
        ),
        "integrate_batch": lambda: ode_sgd.integrate_batch([PROBLEM], [START], change([0.0, 1.0])),
        "simulate": lambda: ode_sgd.simulate(PROBLEM, START, change([0.0, 1.0]), dimension=40, seed=1),
        "inputs": lambda: ode_sgd.simulate(PROBLEM, START, [0.0, 1.0], inputs=change(X), seed=1),
        "linear_error": lambda: ode_sgd.theory.linear_error(LINEAR, START, change([0.0, 1.0])),
        "linear_order_parameters": lambda: ode_sgd.theory.linear_order_parameters(LINEAR, START, change([0.0, 1.0])),
        "window": lambda: ode_sgd.fit_power_law(
            ode_sgd.integrate(PROBLEM, START, np.linspace(0.0, 10.0, 30)), change([1.0, 9.0])
        ),
        "trajectory": lambda: dataclasses.replace(
            ode_sgd.integrate(PROBLEM, START, [0.0, 1.0]), generalization_error=change([0.1, 0.2])
        ),
        "axis": lambda: ode_sgd.Sweep(STUDY, {"problem.learning_rate": change([0.1, 0.2])}),
        "study": lambda: ode_sgd.Sweep(
            STUDY | {"problem": STUDY["problem"] | {"student_weights": change([1.0, 1.0])}},
            {"problem.learning_rate": [0.1]},
        ),
    }


STUDY = {
    "spectrum": {"kind": "power_law", "distinct": 2, "beta": 1.0},
    "problem": {"student_units": 2, "teacher_units": 2, "learning_rate": 0.5},
    "start": {"kind": "random", "dimension": 40},
    "integration": {"alpha": 1.0},
}
ARGUMENTS = list(with_last(hidden))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_masked_entry_is_refused(name):
    with pytest.raises(ValueError, match="has 1 entry masked, as missing; leave these out"):
        with_last(hidden)[name]()


@pytest.mark.parametrize("name", sorted(set(ARGUMENTS) - {"inputs", "study"}))
def test_a_mask_that_hides_nothing_passes(name):
    """netCDF4 returns every array with a mask."""
    with_last(lambda values: np.ma.array(values, mask=np.zeros(np.shape(values), bool)))[name]()
    with_last(np.ma.array)[name]()


def test_data_with_a_mask_that_hides_nothing_pass():
    inputs = np.ma.array(X, mask=np.zeros(X.shape, bool))
    problem = dataclasses.replace(PROBLEM, spectrum=Spectrum.from_data(inputs))
    start = OrderParameters.random(problem, 4, 0.3, seed=1)
    assert ode_sgd.simulate(problem, start, [0.0, 1.0], inputs=inputs, seed=1).status == "complete"


NUMBERS = {
    "learning_rate": lambda value: dataclasses.replace(PROBLEM, learning_rate=value),
    "label_noise": lambda value: dataclasses.replace(PROBLEM, label_noise=value),
    "student_units": lambda value: dataclasses.replace(PROBLEM, student_units=value),
    "trainable": lambda value: dataclasses.replace(PROBLEM, trainable=value),
    "beta": lambda value: Spectrum.power_law(2, value),
    "tolerance": lambda value: Spectrum.from_eigenvalues([1.0], tolerance=value),
    "alpha": lambda value: ode_sgd.integrate(PROBLEM, START, value),
    "rtol": lambda value: ode_sgd.integrate(PROBLEM, START, 1.0, rtol=value),
    "student_scale": lambda value: OrderParameters.random(PROBLEM, 40, value),
    "seed": lambda value: OrderParameters.random(PROBLEM, 40, seed=value),
    "dimension": lambda value: ode_sgd.simulate(PROBLEM, START, 1.0, dimension=value, seed=1),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [np.ma.masked, np.ma.array(1.0, mask=True)], ids=["constant", "array"])
def test_a_masked_number_is_refused(name, value):
    with pytest.raises(ode_sgd.InvalidProblem, match=f"{name} has 1 entry masked"):
        NUMBERS[name](value)


def test_the_number_of_masked_entries_is_said():
    for given in (hidden(np.ones((3, 4)), 5), list(hidden(np.ones((3, 4)), 5)), tuple(hidden(np.ones(7), 5))):
        with pytest.raises(ode_sgd.InvalidProblem, match="eigenvalues has 5 entries masked"):
            Spectrum.from_eigenvalues(given)


def test_numbers_of_numpy_in_a_list_are_not_searched():
    """A million of them take 0.1 s, not 2."""

    class Watched(np.float64):
        @property
        def mask(self):
            pytest.fail("a scalar was searched for a mask")

    assert check.masked([Watched(1.0), np.int64(2), np.bool_(True)]) == 0
    assert check.masked([np.float64(1.0), np.ma.masked, np.ma.array([1.0, 2.0], mask=[True, False])[0]]) == 2


def test_masked_values_of_other_libraries():
    """Anything with an array `mask`; a method of that name, as pandas has, is none."""

    class Column(np.ndarray):
        mask = np.array([False, True])

    class Frame(list):
        def mask(self):
            """Of a table."""

    assert check.masked(np.ones(2).view(Column)) == 1
    assert check.masked(Frame([1.0])) == 0
    assert check.masked({"a": [np.ma.masked], "b": np.ma.array([1.0])}) == 1
    assert check.masked(np.array([1.0, np.ma.array(2.0, mask=True)[()]], dtype=object)) == 1


class Variable:
    """As netCDF4's: `mask` says whether missing values are looked for."""

    shape, dtype = (3,), np.dtype(float)

    def __init__(self, values, mask=True):
        self.values, self.mask = values, mask

    def __len__(self):
        return len(self.values)

    def __getitem__(self, place):
        return self.values[place]

    def __array__(self, dtype=None, copy=None):
        if self.values is None:
            raise RuntimeError("cannot be read")
        return np.ma.array(self.values) if self.mask else np.asarray(self.values)


def test_a_variable_is_masked_where_its_values_are():
    for whole in (Variable([3.0, 2.0, 1.0]), Variable([3.0, 2.0, 1.0], mask=False)):
        assert Spectrum.from_eigenvalues(whole).eigenvalues.tolist() == [3.0, 2.0, 1.0]
        assert check.masked([whole]) == 0
    hiding = Variable(np.ma.array([3.0, 2.0, 1.0], mask=[False, True, False]))
    for given in (hiding, {"a": hiding}):
        assert check.masked(given) == 1
    with pytest.raises(ode_sgd.InvalidProblem, match="eigenvalues has 1 entry masked"):
        Spectrum.from_eigenvalues(hiding)
    assert check.masked(Variable(None)) == 0  # what reads it says so


def test_masked_fields_of_a_table_are_counted():
    rows = np.ma.array([(1.0, 2), (3.0, 4)], dtype=[("a", float), ("b", int)], mask=[(True, False), (True, True)])
    assert check.masked(rows) == 3
    assert check.masked(rows["b"]) == 1


def test_an_error_of_a_start_is_one_of_starts():
    with pytest.raises(ode_sgd.InvalidStart, match=re.escape("q has 1 entry masked")):
        OrderParameters(hidden(START.q), START.r, START.t)


def test_integers_beyond_64_bits(tmp_path):
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.1
    )
    start = ode_sgd.OrderParameters.typical(problem, 0.1)
    for call in (
        lambda: ode_sgd.simulate(problem, start, 1.0, dimension=10, replicas=10**400, seed=0),
        lambda: ode_sgd.Spectrum.power_law(10**400, 1.0),
        lambda: ode_sgd.integrate(problem, start, 1.0, moments=[10**400]),
    ):
        with pytest.raises(ode_sgd.OdeSgdError, match="too large"):
            call()


def test_a_seed_may_be_larger():
    assert check.seed(2**70 + 1) == 2**70 + 1
    with pytest.raises(ode_sgd.InvalidProblem, match="seed = -1 is too small"):
        check.seed(-1)


def test_a_number_without_bounds_is_asked_for_without_any():
    for bounds, allowed in (({}, "a finite number$"), ({"least": 0.0, "below": 1.0}, "a finite number >= 0 and < 1$")):
        with pytest.raises(ode_sgd.InvalidProblem, match=allowed):
            check.number("width", "8.5cm", **bounds)
