"""A run of any model: built by hand, averaged over replicas, and what analysis asks of it."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from ode_sgd import InvalidProblem, Observable, Parameters, Run

TIMES = np.array([0.0, 1.0, 3.0])


def run(replicas=None, **changes):
    """A run with a scalar, a vector along the time, and a matrix that does not depend on it."""
    lead = () if replicas is None else (replicas,)
    draw = np.random.default_rng(1).random
    given = {
        "problem": Parameters({"friction": 0.1}),
        "alpha": TIMES,
        "error": draw((*lead, 3)),
        "observables": {
            "energy": Observable(draw((*lead, 3)), ("alpha",), "energy"),
            "v": Observable(draw((*lead, 3, 2)), ("alpha", "axis"), "velocity", "m/s"),
            "mass": Observable(np.eye(2), ("axis", "axis_2"), "mass matrix"),
        },
        "method": "by hand",
    }
    return Run(**(given | changes))


def test_by_hand_from_lists():
    one = Run(problem=Parameters({"k": 1}), alpha=[0, 1, 2], error=[4, 2, 1], method="exact")
    assert one.error.dtype == np.float64
    assert one.replicas is None
    assert not one.observables
    assert "exact" in repr(one)
    assert "3 times to alpha = 2, complete" in repr(one)


def test_arrays_are_read_only():
    one = run()
    for values in (one.alpha, one.error, one.observables["v"].values):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1.0
    with pytest.raises(FrozenInstanceError):
        one.status = "complete"


def test_mean_standard_error_and_variance():
    many = run(4)
    assert many.replicas == 4
    for reduced, expected in (
        (many.mean(), lambda a: a.mean(axis=0)),
        (many.variance(), lambda a: a.var(axis=0, ddof=1)),
        (many.standard_error(), lambda a: a.std(axis=0, ddof=1) / 2.0),
    ):
        np.testing.assert_allclose(reduced.error, expected(many.error), rtol=1e-14)
        for name in ("energy", "v"):
            own = expected(many.observables[name].values)
            np.testing.assert_allclose(reduced.observables[name].values, own, rtol=1e-14)
        assert (reduced.replicas, reduced.final) == (None, None)
    np.testing.assert_allclose(many.mean().observables["mass"].values, np.eye(2))  # which all replicas share
    np.testing.assert_allclose(many.variance().observables["mass"].values, 0.0)


def test_means_need_replicas():
    with pytest.raises(InvalidProblem, match="this run has no replica axis"):
        run().mean()
    with pytest.raises(InvalidProblem, match="a variance needs at least 2 replicas; this run has 1"):
        run(1).variance()


def test_what_is_compared():
    assert list(run().compared()) == ["error", "energy", "v_1", "v_2"]
    np.testing.assert_array_equal(run(4).compared()["v_2"], run(4).observables["v"].values[:, :, 1])
    wide = Observable(np.zeros((3, 11)), ("alpha", "axis"))
    assert list(run(observables={"v": wide}).compared())[-2:] == ["v_10", "v_11"]
    square = Observable(np.zeros((3, 11, 11)), ("alpha", "i", "j"))
    names = run(observables={"m": square}).compared()
    assert len(names) == 122  # (1, 11) and (11, 1) are told apart
    assert {"m_12", "m_1,11", "m_11,1"} < set(names)


def test_starts():
    many = run(4)
    shapes = {name: values.shape for name, values in many.start_values().items()}
    assert shapes == {"error": (4,), "energy": (4,), "v": (4, 2), "mass": (2, 2)}
    assert many.own_starts
    assert not run().own_starts
    alike = Observable(np.ones((4, 3)), ("alpha",))
    assert not run(4, error=np.ones((4, 3)), observables={"energy": alike}).own_starts
    np.testing.assert_array_equal(run().start_values()["v"], run().observables["v"].values[0])


def test_names_of_its_own():
    xarray = pytest.importorskip("xarray")
    one = run(time_name="t", error_name="loss", observables={"v": Observable(np.ones((3, 2)), ("t", "axis"), "speed")})
    data = one.to_xarray()
    assert isinstance(data, xarray.Dataset)
    assert data["loss"].dims == ("t",)
    assert data["v"].dims == ("t", "axis")
    assert data["v"].attrs == {"long_name": "speed", "units": "1"}
    assert data.attrs["problem"] == one.problem.identity
    assert list(one.compared()) == ["loss", "v_1", "v_2"]
    assert "to t = 3" in repr(one)


def test_parameters_are_identified_by_their_values():
    one = Parameters({"a": 1, "b": np.array([1.0, 2.0])})
    assert one.canonical == {"a": 1, "b": [1.0, 2.0]}
    assert one.identity == Parameters({"b": [1.0, 2.0], "a": 1}).identity
    assert one.identity != Parameters({"a": 2, "b": [1.0, 2.0]}).identity
    assert Parameters({}, "own").identity == "own"
    with pytest.raises(InvalidProblem, match="cannot be written as JSON"):
        Parameters({"a": object()})


def test_parameters_cannot_be_changed():
    given = {"a": 1, "b": [1.0, 2.0], "c": {"d": 1}}
    one = Parameters(given)
    given["a"] = one.canonical["a"] = 2
    one.canonical["b"].append(3.0)
    one.canonical["c"]["d"] = 2
    assert one.canonical == {"a": 1, "b": [1.0, 2.0], "c": {"d": 1}}
    for name in ("canonical", "identity"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(one, name, {})
    for copied in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert (copied.canonical, copied.identity) == (one.canonical, one.identity)
    assert "'b': [1.0, 2.0]" in repr(one)


def test_parameters_are_equal_by_identity():
    one, other = Parameters({"a": 1, "b": [2]}), Parameters({"b": [2], "a": 1})
    assert one == other
    assert len({one, other, Parameters({"a": 2}), Parameters({"a": 1, "b": [2]}, "own")}) == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"problem": 3}, "problem = 3 has no text attribute `identity`"),
        ({"alpha": [0.0, 2.0, 1.0]}, "give increasing times"),
        ({"error": [1.0, 2.0]}, r"error has shape \(2,\); 3 times need \(3,\), or \(replica, 3\)"),
        ({"error": ["a", "b", "c"]}, "error is not an array of real numbers"),
        ({"error": np.ma.masked_equal([1.0, 2.0, 3.0], 2.0)}, "error has 1 entry masked"),
        ({"observables": {"v": np.ones(3)}}, r"observables\['v'\] is a ndarray; give an ode_sgd.Observable"),
        ({"observables": {"v": Observable(np.ones(2), ("alpha",))}}, "dimension 'alpha' has length 3"),
        ({"observables": {"v": Observable(np.ones((2, 3)), ("alpha",))}}, "dimension 'replica' has length None"),
        ({"observables": {"v": Observable(np.ones((2, 3)), ("axis", "alpha"))}}, "not as its first dimension"),
    ],
)
def test_what_does_not_fit_is_refused(changes, told):
    with pytest.raises(InvalidProblem, match=told):
        run(**changes)


def test_an_observable_has_an_axis_for_every_dimension():
    with pytest.raises(InvalidProblem, match=r"has shape \(3,\), but the dimensions \(alpha, axis\)"):
        Observable(np.ones(3), ("alpha", "axis"))
    with pytest.raises(InvalidProblem, match="dimensions = 'axis' is a text; give a tuple of names"):
        Observable(np.ones(3), "axis")
    assert Observable(np.ones(3), ["axis"]).dimensions == ("axis",)
    with pytest.raises(InvalidProblem, match="1 entry masked"):
        Observable(np.ma.masked_equal([1.0, 2.0], 2.0), ("alpha",))


def test_a_copy_is_read_only_too():
    copied = pickle.loads(pickle.dumps(run()))
    np.testing.assert_array_equal(copied.error, run().error)
    for values in (copied.error, copied.observables["v"].values):
        assert not values.flags.writeable


def test_replaced():
    assert replace(run(), status="diverged", message="too large").status == "diverged"
