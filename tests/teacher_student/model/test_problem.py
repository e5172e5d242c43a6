"""Problems: what is accepted, what is refused and how, and what makes two of them the same."""

from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, OdeSgdError, Problem, Spectrum

SPECTRUM = Spectrum.power_law(4, 1.0)


def problem(**changes):
    return Problem(**{"spectrum": SPECTRUM, "student_units": 3, "teacher_units": 2, "learning_rate": 0.5, **changes})


@pytest.mark.parametrize("name", ["student_units", "teacher_units"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "= 0 is too small; give an integer >= 1"),
        (-2, "= -2 is too small"),
        (2.0, "= 2.0 is not an integer"),
        (np.nan, "= nan is not an integer"),
        ("2", "= '2' is not an integer"),
        (True, "= True is not an integer"),
        (np.True_, "is not an integer"),
        (None, "= None is not an integer"),
        ([2], "is not an integer"),
    ],
)
def test_units(name, value, message):
    with pytest.raises(InvalidProblem, match=f"{name} .*{message.removeprefix('= ')}"):
        problem(**{name: value})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.0, "give a number from 1e-50 to 1e"),
        (0, "give a number from 1e-50 to 1e"),
        (-0.1, "give a number from 1e-50 to 1e"),
        (np.inf, "inf is outside its range"),
        (-np.inf, "outside its range"),
        (np.nan, "nan is outside its range"),
        ("0.5", "is not a number"),
        (True, "True is not a number"),
        (None, "None is not a number"),
        (0.5 + 0j, "is not a number"),
    ],
)
def test_learning_rate(value, message):
    with pytest.raises(InvalidProblem, match=f"learning_rate .*{message}"):
        problem(learning_rate=value)


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, "0", False, None])
def test_label_noise(value):
    with pytest.raises(InvalidProblem, match="label_noise"):
        problem(label_noise=value)


@pytest.mark.parametrize(
    ("value", "hint"), [("errf", "did you mean 'erf'"), ("Linear", "did you mean 'linear'"), ("sigmoid", "choose one")]
)
def test_unknown_activation_is_refused_with_a_suggestion(value, hint):
    with pytest.raises(InvalidProblem, match=f"activation = '{value}' does not exist.*{hint}"):
        problem(activation=value)


@pytest.mark.parametrize("value", [None, 3, ["erf"]])
def test_activation_must_be_a_name(value):
    with pytest.raises(InvalidProblem, match="activation"):
        problem(activation=value)


def test_unknown_output():
    with pytest.raises(InvalidProblem, match=r"output = 'meanfield' does not exist.*did you mean 'mean_field'"):
        problem(output="meanfield")


@pytest.mark.parametrize(("name", "units"), [("student_weights", 3), ("teacher_weights", 2)])
def test_weights_of_the_wrong_length(name, units):
    for wrong in (units - 1, units + 1):
        with pytest.raises(InvalidProblem, match=f"{name} has {wrong} entries; .*_units = {units} need {units}"):
            problem(**{name: [1.0] * wrong})


@pytest.mark.parametrize("value", [[1.0, np.nan, 1.0], [1.0, np.inf, 1.0], 1.0, [[1.0, 1.0, 1.0]], "abc", []])
def test_weights_that_are_no_finite_vectors(value):
    with pytest.raises(InvalidProblem, match="student_weights"):
        problem(student_weights=value)


@pytest.mark.parametrize("value", [0, -1, 5, 2.0, True, "2"])
def test_trainable_outside_its_range(value):
    with pytest.raises(InvalidProblem, match="trainable"):
        problem(trainable=value)


@pytest.mark.parametrize("value", [1, 0, "yes", None, np.int8(1)])
def test_gradient_flow_must_be_a_boolean(value):
    with pytest.raises(InvalidProblem, match="gradient_flow"):
        problem(gradient_flow=value)


def test_a_boolean_of_numpy_is_one():
    assert problem(gradient_flow=np.bool_(True)).gradient_flow is True


@pytest.mark.parametrize("value", [None, [1.0], SPECTRUM.eigenvalues, "power_law"])
def test_spectrum_must_be_a_spectrum(value):
    with pytest.raises(InvalidProblem, match=r"spectrum is a .*; give an ode_sgd.Spectrum"):
        problem(spectrum=value)


def test_unknown_arguments_and_positional_ones_are_refused():
    with pytest.raises(TypeError):
        problem(learningrate=0.1)
    with pytest.raises(TypeError):
        Problem(SPECTRUM, 1, 1, 0.1)


def test_errors_are_ours_and_value_errors():
    with pytest.raises(ValueError, match="student_units") as caught:
        problem(student_units=0)
    assert isinstance(caught.value, OdeSgdError)


def test_presets():
    committee, mean_field = problem(), problem(output="mean_field")
    np.testing.assert_array_equal(committee.v, np.ones(3))
    np.testing.assert_array_equal(committee.u, np.ones(2))
    np.testing.assert_allclose(mean_field.v, np.full(3, np.sqrt(2.0) / 3.0), rtol=1e-15)
    np.testing.assert_allclose(mean_field.u, np.full(2, 1.0 / np.sqrt(2.0)), rtol=1e-15)
    np.testing.assert_array_equal(mean_field.signed_weights, [*mean_field.v, *-mean_field.u])


def test_explicit_weights_override_the_preset_of_their_own_network():
    mixed = problem(output="mean_field", student_weights=[1, -2, 0.5])
    np.testing.assert_array_equal(mixed.v, [1.0, -2.0, 0.5])
    np.testing.assert_array_equal(mixed.u, problem(output="mean_field").u)


def test_learning_sectors():
    np.testing.assert_array_equal(problem().learning, np.ones(4))
    np.testing.assert_array_equal(problem(trainable=1).learning, [1, 0, 0, 0])
    np.testing.assert_array_equal(problem(trainable=3).learning, [1, 1, 1, 0])
    np.testing.assert_array_equal(problem(trainable=4).learning, np.ones(4))


def test_numpy_scalars_and_integers_are_welcome():
    same = problem(student_units=np.int64(3), learning_rate=np.float32(0.5), trainable=np.int8(2), label_noise=0)
    assert same == problem(trainable=2)
    assert type(same.student_units) is int
    assert type(same.learning_rate) is float


def test_frozen_and_read_only():
    one = problem(student_weights=[1.0, 2.0, 3.0])
    with pytest.raises(FrozenInstanceError):
        one.learning_rate = 0.1
    one.v[0] = 99.0  # a copy
    assert one.v[0] == 1.0
    weights = [1.0, 2.0, 3.0]
    other = problem(student_weights=weights)
    weights[0] = 99.0
    assert other.student_weights == (1.0, 2.0, 3.0)


CHANGES = [
    {"spectrum": Spectrum.power_law(4, 1.1)},
    {"spectrum": Spectrum.power_law(5, 1.0)},
    {"student_units": 2},
    {"teacher_units": 3},
    {"learning_rate": np.nextafter(0.5, 1.0)},
    {"activation": "linear"},
    {"output": "mean_field"},
    {"student_weights": (1.0, 1.0, 2.0)},
    {"teacher_weights": (1.0, -1.0)},
    {"label_noise": 1e-9},
    {"gradient_flow": True},
    {"trainable": 3},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_change_makes_another_problem(change):
    base, other = problem(), problem(**change)
    assert base != other
    assert base.identity != other.identity
    assert replace(base, **change) == other


def test_equal_problems():
    first, second = problem(student_weights=[1, 2, 3]), problem(student_weights=np.array([1.0, 2.0, 3.0]))
    assert first == second
    assert hash(first) == hash(second)
    assert first.identity == second.identity
    assert len({first, second}) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"student_weights": [1, 1, 1], "teacher_weights": [1, 1]}),
        (
            {"output": "mean_field"},
            {"student_weights": [np.sqrt(2) / 3] * 3, "teacher_weights": [1 / np.sqrt(2)] * 2},
        ),
        ({}, {"trainable": 4}),
        ({"output": "mean_field", "student_weights": [1, 1, 1], "teacher_weights": [1, 1]}, {}),
    ],
)
def test_two_ways_to_say_the_same_have_one_identity(first, second):
    one, other = problem(**first), problem(**second)
    assert one.canonical == other.canonical
    assert one.identity == other.identity


def test_identity_is_a_stable_sha256():
    one = problem()
    assert len(one.identity) == 64
    assert set(one.identity) <= set("0123456789abcdef")
    # Stored files carry identities: this one may change only together with a new schema.
    tiny = Problem(spectrum=Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.5)
    assert tiny.identity == "511ae599743b46a8cd7dada30c11cbe35634c4135d815bdf89a34fff7787e9bb"


def test_negative_zero_is_zero():
    assert problem(label_noise=-0.0).identity == problem(label_noise=0.0).identity


@pytest.mark.parametrize(
    ("changes", "digest"),
    [
        ({}, "9288e5a7e96613d2edf58756c2e0372fb2a260a118680bd1c2958e773181239f"),
        (
            {"activation": "linear", "output": "mean_field", "student_units": 3},
            "50c2f3befd548099a2a50385f6b64a9ed29f99f0d8d1ef51b64bdc7a55f565ca",
        ),
        (
            {"student_weights": [1.0, -0.5], "teacher_weights": (2.0, 1.0), "label_noise": 0.3},
            "4ffca9237dbea5e8660fdc0461e10fb87389d7af1720db96f969b90bcbb5bf08",
        ),
        (
            {"gradient_flow": True, "trainable": 2},
            "9550e2f1056bd65e7a76127691bdf67ce5795909571ba9f903bfa18ed5999c3d",
        ),
        ({"weight_decay": 0.05}, "324e0d0ef13df056e712aa5bd8a30f8b4cb5136bd64e5142aae299803eb221f5"),
    ],
)
def test_identities_stay_what_they_are(changes, digest):
    """Stored runs and folders of sweeps are found by them."""
    spectrum = Spectrum([1.8, 1.0, 0.5, 0.0], [0.25, 0.3, 0.25, 0.2])
    given = {"spectrum": spectrum, "student_units": 2, "teacher_units": 2, "learning_rate": 0.1, **changes}
    assert Problem(**given).identity == digest


def test_every_field_is_in_the_identity():
    """Each by itself, or by what it says of the second layers: two different dynamics never share one."""
    names = {entry.name for entry in fields(Problem)} - {"spectrum"} - Problem.RESOLVED
    later = dict.fromkeys(Problem.LATER, 0.1) | {"batch_size": 2, "spherical": True}
    del later["optimizer"]  # what it goes together with is another test's
    del later["teacher_activation"], later["rule"]  # no second layer is trained beside these
    every = Problem(**{**base_of_identity(), **later, "trainable": None})
    alone = {"teacher_activation": "linear", "optimizer": {"name": "HeavyBall", "friction": 1.0}}
    alone |= {"rule": ode_sgd.rules.squared()}
    others = [Problem(**{**base_of_identity(), name: value}).canonical for name, value in alone.items()]
    assert names <= set(every.canonical).union(*others)
    assert {"eigenvalues", "weights", "student_weights", "teacher_weights"} <= set(every.canonical)


def base_of_identity():
    return {"spectrum": Spectrum.isotropic(), "student_units": 2, "teacher_units": 2, "learning_rate": 0.1}
