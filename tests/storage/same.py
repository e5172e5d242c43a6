"""Equality of trajectories, bit for bit."""

import dataclasses

import numpy as np

from ode_sgd import OrderParameters, Trajectory


def assert_same_array(a, b):
    assert a.shape == b.shape
    assert a.dtype == b.dtype == np.float64
    assert a.tobytes() == b.tobytes()  # tells -0.0 from 0.0 and compares NaN


def parts(state):
    return (state.q, state.r, state.t)


def assert_same_state(a, b):
    assert type(a) is type(b)
    if a is None:
        return
    if isinstance(a, OrderParameters):
        a, b = (a,), (b,)
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        for x, y in zip(parts(one), parts(other), strict=True):
            assert_same_array(x, y)


def assert_same_trajectory(found, given):
    """Every field of a Trajectory."""
    by_hand = {"alpha", "generalization_error", "error", "moments", "sectors", "observables", "final", "stats"}
    assert_same_array(found.alpha, given.alpha)
    assert_same_array(found.generalization_error, given.generalization_error)
    assert list(found.moments) == list(given.moments)
    for order in found.moments:
        for x, y in zip(found.moments[order], given.moments[order], strict=True):
            assert_same_array(x, y)
    assert (found.sectors is None) == (given.sectors is None)
    if found.sectors is not None:
        for x, y in zip(parts(found.sectors), parts(given.sectors), strict=True):
            assert_same_array(x, y)
    assert_same_state(found.final, given.final)
    assert {name: (type(v), v) for name, v in found.stats.items()} == {
        name: (type(v), v) for name, v in given.stats.items()
    }
    for field in dataclasses.fields(Trajectory):
        if field.name not in by_hand:
            assert getattr(found, field.name) == getattr(given, field.name), field.name
            assert isinstance(getattr(given, field.name), type(getattr(found, field.name))), field.name
