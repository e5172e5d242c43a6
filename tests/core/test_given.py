"""Numbers, arrays, columns and tables of NumPy, pandas, xarray and h5py, wherever one kind is taken."""

import dataclasses
import json

import h5py
import numpy as np
import pytest

import ode_sgd
from ode_sgd import OrderParameters, Problem, Spectrum
from ode_sgd.core import given
from ode_sgd.core.rounding import precision
from ode_sgd.studies.sweeps.run import _shard
from ode_sgd.teacher_student.study_starts import RandomStart
from ode_sgd.teacher_student.study_tables import Integration, Simulation

pandas = pytest.importorskip("pandas", reason="comes with xarray, an extra")
xarray = pytest.importorskip("xarray", reason="an extra")

PROBLEM = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5)
LINEAR = dataclasses.replace(PROBLEM, activation="linear")
START = OrderParameters.random(PROBLEM, 40, 0.3, seed=1)
TIMES = np.linspace(0.0, 5.0, 6)
STUDY = {
    "spectrum": {"kind": "power_law", "distinct": 2, "beta": 1.0},
    "problem": {"student_units": 2, "teacher_units": 2, "learning_rate": 0.5},
    "start": {"kind": "random", "dimension": 40},
    "integration": {"alpha": 1.0},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    with h5py.File(tmp_path_factory.mktemp("given") / "given.h5", "w") as opened:
        yield opened


def written(values, file):
    """The same one-dimensional array in all the ways that libraries have."""
    name = f"values{len(file)}"
    file[name] = values
    return {
        "list": list(values),
        "tuple": tuple(values.tolist()),
        "Series": pandas.Series(values),
        "column that allows for missing values": pandas.Series(values).convert_dtypes(),
        "Index": pandas.Index(values),
        "DataArray": xarray.DataArray(values, dims="n"),
        "Dataset of h5py": file[name],
    }


def swept(axes, **tables):
    """The values of a sweep's first axis."""
    return np.array([values[0] for values in ode_sgd.Sweep(STUDY | tables, axes).axes[0].values])


USES = {
    "integrate": (TIMES, lambda t: ode_sgd.integrate(PROBLEM, START, t).alpha),
    "integrate_batch": (TIMES, lambda t: ode_sgd.integrate_batch([PROBLEM], [START], t)[0].alpha),
    "simulate": (TIMES, lambda t: ode_sgd.simulate(PROBLEM, START, t, dimension=40, seed=0).alpha),
    "linear_error": (TIMES, lambda t: ode_sgd.theory.linear_error(LINEAR, START, t)),
    "study": (TIMES, lambda t: Integration(alpha=t).times),
    "moments": (np.array([0, 3]), lambda m: np.array(list(ode_sgd.integrate(PROBLEM, START, 1.0, moments=m).moments))),
    "eigenvalues": (np.array([2.0, 0.5]), lambda v: Spectrum(v, [0.5, 0.5]).eigenvalues),
    "from_eigenvalues": (np.array([2.0, 0.5]), lambda v: Spectrum.from_eigenvalues(v).eigenvalues),
    "student_weights": (
        np.array([2.0, 0.5]),
        lambda v: np.array(dataclasses.replace(PROBLEM, student_weights=v).student_weights),
    ),
    "axis of a sweep": (np.array([0.1, 0.2]), lambda v: swept({"problem.learning_rate": v})),
    "ends of an axis": (np.array([1, 9, 2]), lambda v: swept({"start.seed": {"range": v}})),
    "output times of a sweep": (
        TIMES,
        lambda t: ode_sgd.Sweep(STUDY | {"integration": {"alpha": t}}, replicas=2).study(0).integration.times,
    ),
}


@pytest.mark.parametrize("use", USES)
def test_an_array_is_taken_whatever_library_it_is_of(use, file):
    values, call = USES[use]
    expected = call(values)
    for name, value in written(values, file).items():
        np.testing.assert_array_equal(call(value), expected, err_msg=name)


def test_the_times_of_a_run_as_xarray_has_them():
    dataset = ode_sgd.integrate(PROBLEM, START, TIMES).to_xarray()
    np.testing.assert_array_equal(ode_sgd.integrate(PROBLEM, START, dataset.alpha).alpha, TIMES)
    assert ode_sgd.integrate(PROBLEM, START, dataset.alpha[-1]).alpha[-1] == 5.0  # an element, as a last time
    np.testing.assert_array_equal(ode_sgd.integrate(PROBLEM, START, range(6)).alpha, TIMES)


def in_numpy(kind, value):
    """A number as NumPy's scalar, as its array without axes, and as xarray's."""
    return kind(value), np.array(kind(value)), xarray.DataArray(kind(value))


def test_numbers_become_those_of_python():
    """So that files, hashes and messages have one kind of number."""
    for two, true, half in zip(in_numpy(np.uint8, 2), in_numpy(np.bool_, True), in_numpy(np.float32, 0.5), strict=True):
        spectrum = Spectrum.power_law(two, half)
        units = {"student_units": two, "teacher_units": two, "trainable": two}
        problem = Problem(spectrum=spectrum, learning_rate=half, gradient_flow=true, **units)
        parts = (
            RandomStart(dimension=two, student_scale=half, seed=two),
            Simulation(dimension=two, replicas=two, seed=two, points=two, alpha=half),
            Integration(alpha=half, rtol=1e-6, atol=half, moments=[two], sectors=true, nodes=two),
        )
        sweep = ode_sgd.Sweep(STUDY, {"start.student_scale": [half]}, replicas=two)
        json.dumps([problem.canonical, *map(dataclasses.asdict, parts), sweep.document(), sweep.canonical])
        assert hash(problem) == hash(dataclasses.replace(problem, student_units=2, gradient_flow=True))
        assert sweep.values(two - two) == sweep.values(0)
        assert _shard((two, 3)) == (2, 3)
        drawn, expected = (
            OrderParameters.random(PROBLEM, 40, half, seed=two),
            OrderParameters.random(PROBLEM, 40, 0.5, seed=2),
        )
        np.testing.assert_array_equal(drawn.q, expected.q)


def test_a_checkpoint_of_one_kind_of_integer_is_taken_up_with_another(tmp_path):
    arguments = {"problem": PROBLEM, "start": START, "alpha": 2.0, "dimension": 40}
    plain = ode_sgd.simulate(**arguments, replicas=4, seed=3)
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")
    for replicas, seed in ((np.int64(4), np.uint8(3)), (4, 3), (np.int32(4), 3)):
        run = ode_sgd.simulate(**arguments, replicas=replicas, seed=seed, checkpoint=checkpoint)
        np.testing.assert_array_equal(run.generalization_error, plain.generalization_error)
    assert run.stats["steps_before"] == run.stats["steps"]


FRAME = pandas.DataFrame(np.random.default_rng(0).standard_normal((60, 3)), columns=list("abc"))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (FRAME.assign(flag=FRAME.a > 0), "(column 'flag' is of type bool)"),
        (FRAME.assign(flag=FRAME.a > 0, label="cat"), "column 'flag' is of type bool, column 'label' is of type str"),
        (FRAME.assign(**{f"x{n}": "cat" for n in range(7)}), "column 'x4' is of type str, 2 more)"),
        (FRAME > 0, "column 'a' is of type bool, column 'b'"),
        (np.asarray(FRAME > 0), "its type is bool"),
        (np.asarray(FRAME) * 1j, "its type is complex128"),
        ([["1", "2"], ["3", "4"]], "its type is <U1"),
        ([[1.0, 2.0], [3.0, None]], "it holds None, a NoneType"),
        ([[1.0, 2.0], [3.0]], "its rows have unequal lengths"),
        ([[1.0, 2.0], [3.0, 10**400]], "it holds a number beyond all floats"),
        ({"a": [1.0, 2.0]}, "it is a dict"),
        (FRAME.shift(), "X holds nan in column 'a', column 'b', column 'c';"),
        (FRAME.convert_dtypes().assign(b=pandas.array([None] * 60, "Float64")), "X holds nan in column 'b';"),
    ],
)
def test_what_is_wrong_with_data_is_said(data, fault):
    with pytest.raises(ode_sgd.InvalidProblem) as caught:
        Spectrum.from_data(data)
    told = str(caught.value).replace("of type object", "of type str")  # as earlier versions of pandas have texts
    assert fault in told
    assert "\n" not in told


def test_columns_that_allow_for_missing_values_pass_where_none_is_missing():
    single = FRAME.astype(np.float32)
    assert Spectrum.from_data(FRAME.convert_dtypes()) == Spectrum.from_data(FRAME)
    assert Spectrum.from_data(single.astype("Float32")) == Spectrum.from_data(single)
    assert precision(single.astype("Float32")) == precision(single)


@pytest.mark.parametrize(
    "value",
    [pandas.Series(TIMES), "a\nb", list(range(10**5)), "x" * 10**6, 10**5000, TIMES],
    ids=["Series", "lines", "list", "long", "digits", "array"],
)
def test_a_value_in_a_message_fits_on_a_line(value):
    assert len(given.shown(value)) <= given.LETTERS
    assert "\n" not in given.shown(value)
    with pytest.raises(ode_sgd.InvalidProblem, match=r"learning_rate = .* is (outside|not)"):
        dataclasses.replace(PROBLEM, learning_rate=value)


@pytest.mark.parametrize("moments", ["", "012", 1, None, {}, {0: 1}, np.array(1), [1.0], [True], FRAME])
def test_what_are_no_orders(moments):
    with pytest.raises(ode_sgd.InvalidProblem, match="moments = "):
        ode_sgd.integrate(PROBLEM, START, 1.0, moments=moments)


@pytest.mark.parametrize("order", [[1], "1", None, 7, pandas.Series([1])])
def test_a_moment_that_is_not_there(order):
    for run in (ode_sgd.integrate(PROBLEM, START, 1.0), ode_sgd.theory.linear_order_parameters(LINEAR, START, [1.0])):
        with pytest.raises(ode_sgd.InvalidProblem, match=r"moment .* was not"):
            run.moment(order)
        np.testing.assert_array_equal(run.moment(np.int64(1))[0], run.Q)
