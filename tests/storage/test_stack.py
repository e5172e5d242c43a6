"""Many runs in one file: its table is checked, whoever wrote the copy that is read."""

import h5py
import numpy as np
import pytest
import xarray

from ode_sgd import StorageError
from ode_sgd.storage import seal
from ode_sgd.storage.hdf5 import load, write_attributes
from ode_sgd.storage.stack import (
    FACTS_ATTRIBUTE,
    TABLE_ATTRIBUTE,
    Column,
    absent_columns,
    put,
    read_stack,
    read_table,
    stack_file,
    stack_image,
)
from ode_sgd.studies.sweeps.plot import plot_sweep

OUTPUTS = np.array([b"committee", b"mean_field", "übung".encode()])
COLUMNS = {
    "run": Column(("run",), np.arange(3), {"long_name": "number of the run"}),
    "output": Column(("run",), OUTPUTS, {"key": "problem.output"}),
    "final_error": Column(("run",), np.array([0.5, np.nan, 5e-324]), {}),
    "generalization_error": Column(("run", "alpha"), np.arange(6.0).reshape(3, 2), {}),
}


def stacked(path, columns):
    """A file of three runs with these columns."""
    with stack_file(path, columns, 3, {"axes_json": '["problem.output"]'}) as file:
        for name, column in columns.items():
            put(file, name, ..., column.values)
        if "half" in columns:
            write_attributes(file["half"], {"runs_with_value": 2})
    return path


@pytest.fixture
def collected(tmp_path):
    return stacked(tmp_path / "collected.h5", COLUMNS)


def assert_table(path):
    columns, attributes = read_table(path)
    assert "generalization_error" not in columns
    for name in ("run", "output", "final_error"):
        assert columns[name].values.dtype == COLUMNS[name].values.dtype
        assert columns[name].values.tobytes() == COLUMNS[name].values.tobytes()
    assert attributes["axes_json"] == '["problem.output"]'


def test_the_table_comes_back(collected):
    assert_table(collected)
    with h5py.File(collected) as file:
        assert file["generalization_error"][...].tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


def test_a_copy_of_xarray(collected, tmp_path):
    """It writes texts letter by letter, and attributes in other shapes."""
    copy = tmp_path / "copy.h5"
    xarray.load_dataset(collected, engine="h5netcdf").to_netcdf(copy, engine="h5netcdf")
    with h5py.File(copy) as file:
        assert file["output"].shape == (3, 10)
    assert_table(copy)


@pytest.mark.parametrize(("name", "value"), [("final_error", 0.25), ("output", b"mean_field"), ("run", 7)])
def test_a_changed_number_is_noticed(collected, name, value):
    with h5py.File(collected, "r+") as file:
        file[name][0] = value
    with pytest.raises(StorageError, match=f"{name} does not match its checksum; collect the sweep again"):
        read_table(collected)


def test_a_column_that_is_left_out_is_named_and_a_new_one_is_not(collected):
    with h5py.File(collected, "r+") as file:
        file["mine"] = np.arange(3)
    assert_table(collected)
    assert absent_columns(*read_table(collected)) == []
    with h5py.File(collected, "r+") as file:
        del file["final_error"], file["output"]
    assert absent_columns(*read_table(collected)) == ["output", "final_error"]
    with h5py.File(collected, "r+") as file:  # the others are compared as before
        file["run"][0] = 7
    with pytest.raises(StorageError, match="run does not match its checksum"):
        read_table(collected)


def test_files_from_before_the_checksums(collected):
    collected.write_bytes(collected.read_bytes()[: -seal.LENGTH])
    assert_table(collected)
    with h5py.File(collected, "r+") as file:
        del file.attrs[TABLE_ATTRIBUTE], file.attrs[FACTS_ATTRIBUTE]
    assert_table(collected)


OUTCOME = {"long_name": "how it went", "flag_meanings": "found not_reached"}
MEASURED = COLUMNS | {
    "half": Column(("run",), np.array([1.0, np.nan, 2.0]), {"ancillary_variables": "half_outcome"}),
    "half_outcome": Column(("run",), np.array([0, 1, 0], np.int8), OUTCOME),
}


@pytest.fixture
def measured(tmp_path):
    """A copy, without the line behind it, of a file with outcomes."""
    path = stacked(tmp_path / "measured.h5", MEASURED)
    path.write_bytes(path.read_bytes()[: -seal.LENGTH])
    return path


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("name", "key", "value", "noticed"),
    [
        ("half_outcome", "flag_meanings", "found slope", False),
        ("half_outcome", "flag_meanings", "found", True),
        ("half_outcome", "flag_meanings", None, True),
        ("half", "runs_with_value", 3, False),
        ("half", "ancillary_variables", "run", True),
        ("/", "axes_json", '["problem.other"]', False),
        ("/", TABLE_ATTRIBUTE, "[", True),
        ("/", TABLE_ATTRIBUTE, "[1]", True),
    ],
)
def test_changed_attributes_are_noticed(measured, old, name, key, value, noticed):
    """All of them, by their checksum; in a file from before it, those that would have no meaning."""
    read_table(measured)
    with h5py.File(measured, "r+") as file:
        if old:
            del file.attrs[FACTS_ATTRIBUTE]
        del file[name].attrs[key]
        if value is not None:
            file[name].attrs[key] = value
    if noticed or not old:
        with pytest.raises(StorageError, match=r"damaged.*; collect the sweep again"):
            read_table(measured)
    else:
        read_table(measured)


def test_a_copy_of_xarray_keeps_what_columns_mean(measured, tmp_path):
    copy = tmp_path / "copy.h5"
    xarray.load_dataset(measured, engine="h5netcdf").to_netcdf(copy, engine="h5netcdf")
    assert read_table(copy)[0]["half_outcome"].attributes["flag_meanings"] == "found not_reached"


@pytest.mark.parametrize(
    ("axes", "told"),
    [("[", "axes_json names no keys"), ("3", "axes_json names no keys"), ('["problem.other"]', "no column other")],
)
def test_axes_that_a_file_from_before_the_checksums_does_not_have(measured, axes, told):
    with h5py.File(measured, "r+") as file:
        file.attrs["axes_json"] = axes
        del file.attrs[FACTS_ATTRIBUTE]
    with pytest.raises(StorageError, match=rf"{told}.*; collect the sweep again"):
        plot_sweep(measured)


def test_attributes_are_compared_in_a_copy_without_some_columns(measured):
    with h5py.File(measured, "r+") as file:
        del file["output"]
    assert absent_columns(*read_table(measured)) == ["output"]
    with h5py.File(measured, "r+") as file:
        file["half"].attrs["runs_with_value"] = 3
    with pytest.raises(StorageError, match="its attributes do not match their checksum"):
        read_table(measured)


def test_a_run_and_a_collected_sweep_are_told_apart(collected, tmp_path):
    run = tmp_path / "run.h5"
    with h5py.File(run, "w") as file:
        file.attrs["ode_sgd_schema"] = 1
        file.create_group("ode")
    with pytest.raises(StorageError, match=r"run.h5 holds one run and is no file of a sweep; give what"):
        read_table(run)
    with pytest.raises(StorageError, match=r"collected.h5 is a collected sweep; `ode-sgd sweep plot` draws it"):
        load(collected)
    batch = tmp_path / "batch.h5"
    batch.write_bytes(stack_image(COLUMNS, {}))
    with pytest.raises(StorageError, match=r"batch.h5 holds many runs of a sweep; `ode-sgd sweep collect`"):
        load(batch)


@pytest.mark.parametrize("place", [100, -200])
def test_damage_is_named_before_hdf5_sees_it(collected, tmp_path, place, monkeypatch):
    batch = tmp_path / "batch.h5"
    batch.write_bytes(stack_image(COLUMNS, {}))
    assert read_stack(batch)[0]["final_error"].values[0] == 0.5
    monkeypatch.setattr("ode_sgd.storage.stack.h5py.File", lambda *_: pytest.fail("HDF5 was given damaged bytes"))
    for path, told in ((collected, "collect the sweep again"), (batch, "remove it and run the sweep again")):
        damaged = bytearray(path.read_bytes())
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(StorageError, match=f"its bytes do not match their checksum; {told}"):
            read_table(path) if path == collected else read_stack(path)


def test_what_is_no_file_of_a_sweep(tmp_path):
    path = tmp_path / "other.h5"
    with pytest.raises(StorageError, match=r"missing, damaged or no HDF5 file.*; collect the sweep again"):
        read_table(path)
    with h5py.File(path, "w"):
        pass
    with pytest.raises(StorageError, match="is no file of a sweep; give what"):
        read_table(path)
