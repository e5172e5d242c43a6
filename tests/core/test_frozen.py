"""Frozen values have arrays of their own that stay read-only, also when they are copied or pickled."""

import copy
import dataclasses
import importlib
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd import Observable, OrderParameters, Parameters, Problem, Run, Spectrum, Trajectory, scaling_laws
from ode_sgd.analysis.selection import Selection
from ode_sgd.core import frozen
from ode_sgd.core.frozen import own, sealed
from ode_sgd.teacher_student.trajectory import Sectors

API = Path(__file__).parents[2] / "docs" / "reference" / "api.md"
COPIES = [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value)), dataclasses.replace]
TIMES = np.array([0.0, 1.0, 2.0])


def public_dataclasses():
    """Those of the page of the API that have arrays among their fields, also in dictionaries."""
    for name in re.findall(r"^::: ([\w.]+)", API.read_text(), re.MULTILINE):
        module, _, attribute = name.rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        of_arrays = isinstance(value, type) and dataclasses.is_dataclass(value)
        if of_arrays and any("ndarray" in str(field.type) for field in dataclasses.fields(value)):
            yield value


def arrays_in(value):
    """All arrays that a value holds, at any depth."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict | tuple | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from arrays_in(inner)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from arrays_in(getattr(value, field.name))


def of_floors():
    """Results of the theory of floors that hold arrays."""
    white = {"spectrum": ode_sgd.Spectrum.isotropic(), "teacher_units": 1, "learning_rate": 0.1, "label_noise": 0.1}
    one, three = (ode_sgd.Problem(student_units=K, **white) for K in (1, 3))
    theory = ode_sgd.theory
    signs = dataclasses.replace(one, optimizer=ode_sgd.optimizers.SignSGD())
    found = theory.fixed_point(one), theory.relaxation_rates(one), theory.excess_pair(three, 1.0, [0.0, 1.0])
    return *found, theory.coordinate_bases(signs)


def of_scaling_laws():
    """One of every class of the scaling-law models."""
    task = scaling_laws.PowerLawTask(modes=100)
    student, resources = scaling_laws.FeatureLearning(task), scaling_laws.ResourceModel([1.0, 0.5], [1.0, 2.0])
    curves = student.flow(TIMES), scaling_laws.RandomFeatures(task).curve(samples=[10, 20]), resources.curve([4, 8])
    frontier = scaling_laws.compute_optimal(task, 0.0, [1e3, 1e4])
    return (
        task,
        student.measure,
        *curves,
        resources,
        resources.allocate(4),
        frontier,
        scaling_laws.linear_student(task, 0.01),
    )


def of_memories(problem, start):
    """What optimisers remember: copies of the weights, and numbers."""
    for rule in (ode_sgd.optimizers.HeavyBall(1.0), ode_sgd.optimizers.AdaGradNorm(1.0)):
        yield ode_sgd.integrate(dataclasses.replace(problem, optimizer=rule), start, TIMES).memory


@pytest.fixture(scope="module")
def values():
    """One of every such class, by its name."""
    problem = Problem(
        spectrum=Spectrum.power_law(3, 1.0), student_units=2, teacher_units=2, learning_rate=0.1, activation="linear"
    )
    start = OrderParameters.random(problem, 60, seed=1)
    ode = ode_sgd.integrate(problem, start, TIMES, sectors=True)
    sgd = [ode_sgd.simulate(problem, start, TIMES, dimension=N, replicas=8, seed=N, sectors=True) for N in (60, 120)]
    agreement = ode_sgd.compare(ode, sgd)
    found = [
        *(problem.spectrum, start, ode, *sgd, ode.sectors, agreement, agreement.evidence),
        *(agreement.extrapolation, ode_sgd.specialisation(ode), ode_sgd.theory.linear_modes(problem)),
        *(ode_sgd.theory.linear_order_parameters(problem, start, TIMES), ode.observables["Q_1"]),
        Run(problem=Parameters({}), alpha=[0.0, 1.0], error=[2.0, 1.0], method="by hand"),
        *(ode_sgd.principal_axes(np.diag([3.0, 2.0, 1.0])[:, :2]), ode_sgd.Weights(np.ones((2, 6)), np.eye(2, 6))),
        ode_sgd.theory.symmetric_saddle(dataclasses.replace(problem, activation="erf")),
        ode_sgd.fluctuations(problem, start, TIMES, rtol=1e-3, sectors=True),
        *of_floors(),
        *of_memories(problem, start),
        Selection(name="final", has=np.array([True, False]), codes=np.array([0, 1]), words=("found", "none")),
        *of_scaling_laws(),
    ]
    return {type(value).__name__: value for value in reversed(found)}


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.__name__) for kind in public_dataclasses()])
def test_public_values_have_read_only_arrays(kind, values):
    value = values[kind.__name__]
    assert all(not array.flags.writeable for array in arrays_in(value))
    for copied in COPIES:
        if copied is dataclasses.replace and not type(value).__dataclass_params__.init:
            continue  # made from less than its fields
        found = list(arrays_in(copied(value)))
        assert found
        assert all(not array.flags.writeable for array in found), copied


def test_many_classes_are_looked_at():
    assert {Trajectory, Run, Observable, Sectors, ode_sgd.Agreement} <= set(public_dataclasses())


def base_and_view(*shape):
    base = np.ones((2, *shape))
    return base, base[0]


def test_a_run_has_arrays_of_its_own():
    alpha, (errors, error), (many, values) = TIMES.copy(), base_and_view(3), base_and_view(3, 2)
    observable = Observable(values, ("alpha", "axis"))
    one = Run(problem=Parameters({}), alpha=alpha, error=error, observables={"v": observable}, method="by hand")
    for given in (alpha, errors, error, many, values):
        assert given.flags.writeable
        given[:] = 99.0
    assert one.alpha[0] == 0.0
    assert (one.error == 1.0).all()
    assert (observable.values == 1.0).all()


def test_a_trajectory_has_arrays_of_its_own(values):
    ode = values["Trajectory"]
    given = {
        "alpha": np.array(ode.alpha),
        "generalization_error": np.array(ode.error),
        "moments": {order: tuple(np.array(part) for part in parts) for order, parts in ode.moments.items()},
    }
    sectors = Sectors(*(np.array(part) for part in (ode.sectors.q, ode.sectors.r, ode.sectors.t)))
    one = dataclasses.replace(ode, **given, sectors=sectors)
    for array in arrays_in(given):
        array[...] = 99.0
    for ours, theirs in zip(arrays_in(one), arrays_in(ode), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert one.Q is one.observables["Q_1"].values


def test_read_only_arrays_are_not_copied():
    """Solvers seal what they made, so that their runs cost no second copy."""
    made = sealed(np.ones((4, 3)))
    assert own(made) is made
    assert own(part := made[1:, 0]) is part
    assert own(np.frombuffer(b"12345678")).base is None
    tables = frozen.sealed({"a": (np.ones(2), np.ones(4)[:2])})
    assert all(own(array) is array for array in arrays_in(tables))


def test_a_read_only_view_of_what_can_be_written_to_is_copied():
    base, view = base_and_view(3)
    view.setflags(write=False)
    kept = own(view)
    base[:] = 99.0
    assert (kept == 1.0).all()


def test_runs_of_solvers_are_not_copied(values, monkeypatch):
    problem, start = values["Saddle"].problem, values["OrderParameters"]
    copied = []

    def watched(array):
        kept = own(array)
        if kept is not array and array.shape != TIMES.shape:  # the times are small, and the integrator's
            copied.append(array.shape)
        return kept

    monkeypatch.setattr(frozen, "own", watched)
    ode_sgd.integrate(problem, start, TIMES, sectors=True)
    sgd = ode_sgd.simulate(problem, start, TIMES, dimension=60, replicas=3, seed=1, sectors=True)
    sgd.mean()
    assert not copied
