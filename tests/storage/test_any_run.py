"""Files of runs of a model that the package does not know."""

import sys
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem, Observable, Parameters, Run, StorageError
from ode_sgd.core import registry
from ode_sgd.core.model import Model
from ode_sgd.core.run import restored
from ode_sgd.storage import run_format
from tests.storage.same import assert_same_array

TIMES = np.array([0.0, 1.0, 3.0])


def run(replicas=None, **changes):
    lead = () if replicas is None else (replicas,)
    draw = np.random.default_rng(1).random
    given = {
        "problem": Parameters({"friction": 0.1, "weights": [1.0, 2.0]}),
        "alpha": TIMES,
        "error": draw((*lead, 3)),
        "observables": {
            "v": Observable(draw((*lead, 3, 2)), ("t", "axis"), "velocity", "m/s"),
            "mass": Observable(np.eye(2), ("axis", "axis_2"), "mass matrix"),
            "axis": Observable(np.array([0.5, 1.5]), ("axis",), "where the axes are"),
        },
        "final": {"v": Observable(draw((*lead, 2)), ("axis",), "velocity at the last time")},
        "method": "by hand",
        "message": "it was fine",
        "resolution": 1e-9,
        "stats": {"steps": 3, "seconds": 0.1},
        "time_name": "t",
        "error_name": "loss",
        "model": "oscillator",
        **({} if replicas is None else {"dimension": 10, "seed": 2**100}),
    }
    return Run(**(given | changes))


def assert_same_observables(found, given):
    assert list(found) == list(given)
    for name, one in given.items():
        assert_same_array(found[name].values, one.values)
        assert (found[name].dimensions, found[name].long_name, found[name].units) == (
            one.dimensions,
            one.long_name,
            one.units,
        )


def assert_same_run(found, given):
    assert type(found) is type(given)
    assert_same_array(found.alpha, given.alpha)
    assert_same_array(found.error, given.error)
    assert_same_observables(found.observables, given.observables)
    assert_same_observables(found.final or {}, given.final or {})
    for name in {field.name for field in fields(Run)} - {"alpha", "error", "observables", "final"}:
        assert getattr(found, name) == getattr(given, name), name


@pytest.mark.parametrize("changes", [{}, {"final": None}, {"model": ""}, {"observables": {}}, {"status": "diverged"}])
def test_round_trip(path, changes):
    ode_sgd.save(path, run(**changes), run(3, **changes), config={"oscillator": {"friction": 0.1}})
    found = ode_sgd.load(path)
    assert_same_run(found.ode, run(**changes))
    assert_same_run(found.sgd, run(3, **changes))
    assert found.problem.canonical == {"friction": 0.1, "weights": [1.0, 2.0]}
    assert found.config == {"oscillator": {"friction": 0.1}}
    assert found.attributes["model"] == changes.get("model", "oscillator")


def test_a_single_number_is_one(path):
    """An observable without dimension: no array of one entry, and none of its replicas."""
    numbers = {"level": Observable(0.25, (), "where it ends", "J"), "mass": Observable(np.ones(4), (), "of each")}
    given = run(replicas=4, observables=numbers)
    ode_sgd.save(path, given)
    found = ode_sgd.load(path).sgd
    assert found.observables["level"].values.shape == () and found.observables["mass"].has_replicas
    assert_same_run(found, given)


def test_a_problem_of_another_class(path):
    class Problem:
        identity = "mine"

    ode_sgd.save(path, run(problem=Problem()))
    assert ode_sgd.load(path).problem == Parameters({}, "mine")


def test_it_opens_without_this_package(path):
    xarray = pytest.importorskip("xarray")
    ode_sgd.save(path, run(3))
    with xarray.open_dataset(path, group="mc", engine="h5netcdf") as data:
        assert data["v"].dims == ("replica", "t", "axis")
        assert data["v"].attrs["long_name"] == "velocity"
        assert data["loss"].attrs == {"long_name": "loss", "units": "1"}
        np.testing.assert_array_equal(data["axis"], [0.5, 1.5])
        np.testing.assert_array_equal(data["t"], TIMES)


def test_what_other_tools_added_is_left_aside(path):
    ode_sgd.save(path, run())
    with h5py.File(path, "r+") as file:
        file["ode/notes"] = np.ones(7)
    assert_same_run(ode_sgd.load(path).ode, run())


@pytest.mark.parametrize("name", ["loss", "v", "axis"])
def test_damage_is_seen(path, name):
    ode_sgd.save(path, run())
    with h5py.File(path, "r+") as file:
        file[f"ode/{name}"][0] = 7.0
    with pytest.raises(StorageError, match="do not match their checksum"):
        ode_sgd.load(path)


def test_names_are_under_the_checksum(path):
    ode_sgd.save(path, run())
    with h5py.File(path, "r+") as file:
        text = file["ode"].attrs["variables_json"].decode()
        file["ode"].attrs["variables_json"] = np.bytes_(text.replace("m/s", "m/h"))
    with pytest.raises(StorageError, match="do not match their checksum"):
        ode_sgd.load(path)


def test_shapes_are_looked_at_before_a_number_is_read(path, monkeypatch):
    ode_sgd.save(path, run())
    with h5py.File(path, "r+") as file:
        del file["ode/v"]
        file.create_dataset("ode/v", (3, 5), "f8", data=np.zeros((3, 5)))
    monkeypatch.setattr("ode_sgd.storage.hdf5._array", None)
    with pytest.raises(StorageError, match=r"damaged: .* has shape .*axis"):
        ode_sgd.load(path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"final": (1.0,)}, "final is a tuple, which a file cannot hold"),
        ({"observables": {"a/b": Observable(TIMES, ("t",))}}, "cannot be called 'a/b'"),
        ({"observables": {"loss": Observable(TIMES, ("t",))}}, "cannot be called 'loss'"),
        ({"observables": {"final_x": Observable(TIMES, ("t",))}}, "does not begin with 'final_'"),
        ({"observables": {"replica": Observable(TIMES, ("t",))}}, "cannot be called 'replica'"),
        ({"observables": {"axis": Observable(np.eye(2), ("axis", "b"))}}, "cannot be called 'axis'"),
        ({"model": "teacher_student"}, "of the model 'teacher_student', but is a Run"),
        ({"dimension": 5}, "a mean or standard error of a simulation"),
    ],
)
def test_what_a_file_cannot_hold(path, changes, told):
    with pytest.raises(StorageError, match=told):
        ode_sgd.save(path, run(**changes))
    assert not path.exists()


def test_a_problem_that_is_no_json(path):
    class Problem:
        identity = "mine"
        canonical = {"f": print}  # noqa: RUF012

    with pytest.raises(StorageError, match="`canonical` cannot be written as JSON"):
        ode_sgd.save(path, run(problem=Problem()))


def test_runs_of_two_models(path):
    with pytest.raises(StorageError, match="of the models 'oscillator' and 'other'"):
        ode_sgd.save(path, run(), run(3, model="other"))


class OscillatorRun(Run):
    __slots__ = ()


class Oscillator(Model):
    name = "oscillator"
    tables = {"oscillator": dict}  # noqa: RUF012

    def theory(self, tables, progress):
        raise AssertionError

    def restore(self, attributes, variables):
        return restored(attributes, variables, OscillatorRun)


def test_a_registered_model_restores_its_runs(path, monkeypatch):
    ode_sgd.save(path, run(), run(3))
    monkeypatch.setitem(registry.MODELS, "oscillator", f"{__name__}:Oscillator")
    found = ode_sgd.load(path)
    assert isinstance(found.ode, OscillatorRun) and isinstance(found.sgd, OscillatorRun)
    assert_same_run(replace(found.sgd), OscillatorRun(**{f.name: getattr(run(3), f.name) for f in fields(Run)}))


def test_what_a_registered_model_raises_names_it(path, monkeypatch):
    ode_sgd.save(path, run())
    monkeypatch.setitem(registry.MODELS, "oscillator", f"{__name__}:Oscillator")
    monkeypatch.setattr(Oscillator, "restore", lambda self, attributes, variables: variables["none"])
    told = "run.h5: the model oscillator makes no run of what the file holds \\(KeyError: 'none'\\)"
    with pytest.raises(StorageError, match=told):
        ode_sgd.load(path)


def test_a_model_is_registered_under_its_own_name(path, monkeypatch):
    """A file of another name would be read as a plain run."""
    monkeypatch.setitem(registry.MODELS, "pendulum", f"{__name__}:Oscillator")
    with pytest.raises(InvalidProblem, match=r"the model 'pendulum': .*Oscillator calls itself 'oscillator'; register"):
        ode_sgd.find_model("pendulum")


@pytest.mark.parametrize("name", ["{path}:Evil", "evil:Evil", "os:system"])
def test_no_code_is_run_that_a_file_names(tmp_path, path, name, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('this was run')")
    monkeypatch.syspath_prepend(tmp_path)
    model = name.format(path=tmp_path / "evil.py")
    ode_sgd.save(path, run(model=model))
    found = ode_sgd.load(path).ode
    assert_same_run(found, run(model=model))
    assert "evil" not in sys.modules


def test_the_format_of_trajectories_is_found_by_name():
    assert type(run_format.format_of("teacher_student")).__name__ == "TrajectoryFormat"
    assert type(run_format.format_of("oscillator")) is run_format.RunFormat
