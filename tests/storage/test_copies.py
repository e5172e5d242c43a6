"""What other programs wrote from a file: other bytes, the same contents."""

import dataclasses
import shutil

import h5py
import numpy as np
import pytest
import xarray

import ode_sgd
from ode_sgd import StorageError
from ode_sgd.storage import schema, seal

from .same import assert_same_trajectory


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


@pytest.fixture
def config():
    return {"problem": {"student_units": 2}, "name": "übung ∂"}


@pytest.fixture
def run(path, ode, sgd_own_starts, config):
    return ode_sgd.save(path, ode, dataclasses.replace(sgd_own_starts, seed=2**127 + 1), config=config)


def intact(copy, ode, sgd, config):
    found = ode_sgd.load(copy)
    assert_same_trajectory(found.ode, ode)
    assert_same_trajectory(found.sgd, dataclasses.replace(sgd, seed=2**127 + 1))
    assert found.config == config
    assert found.attributes["status"] == "complete"
    assert type(found.attributes[schema.SCHEMA_ATTRIBUTE]) is int


def changed(copy):
    """One number of the contents, and no bit of what was rewritten, is changed."""
    with h5py.File(copy, "r+") as file:
        file["mc/R_1"][0, 0, 0, 0] += 1e-12
    with pytest.raises(StorageError, match="its contents do not match their checksum"):
        ode_sgd.load(copy)


def test_of_xarray(run, tmp_path, ode, sgd_own_starts, config):
    copy = tmp_path / "copy.h5"
    with xarray.open_datatree(run, engine="h5netcdf") as tree:
        tree.to_netcdf(copy, engine="h5netcdf")
    intact(copy, ode, sgd_own_starts, config)
    changed(copy)


def test_group_by_group(run, tmp_path, ode, sgd_own_starts, config):
    copy = tmp_path / "copy.h5"
    for mode, group in (("w", "/"), ("a", "ode"), ("a", "mc")):
        dataset = xarray.load_dataset(run, group=group, engine="h5netcdf")
        dataset.to_netcdf(copy, mode=mode, group=group, engine="h5netcdf")
    intact(copy, ode, sgd_own_starts, config)
    changed(copy)


@pytest.mark.parametrize("texts", ["bytes", "variable", "array"])
def test_as_netcdf_tools_write_attributes(run, tmp_path, ode, sgd_own_starts, config, texts):
    """Numbers of shape (1,); texts in other kinds of strings; no order, other compression and dimensions."""
    copy, string = tmp_path / "copy.h5", h5py.string_dtype()

    def rewritten(value):
        if not isinstance(value, bytes):
            return np.array([value])
        return {
            "bytes": np.bytes_(value) if value else h5py.Empty("S1"),
            "variable": value.decode(),
            "array": np.array([value.decode()], dtype=string),
        }[texts]

    with h5py.File(run) as old, h5py.File(copy, "w") as new:

        def take(name, item):
            made = new.create_dataset(name, data=item[...][::1]) if hasattr(item, "dtype") else new[name]
            for key, value in item.attrs.items():
                if isinstance(value, bytes | np.integer | np.floating):
                    made.attrs[key] = rewritten(value)

        for name in ("ode", "mc"):
            new.create_group(name)
        take("/", old)
        old.visititems(take)
        new.attrs["history"] = "copied"
    intact(copy, ode, sgd_own_starts, config)
    changed(copy)


def test_in_the_other_byte_order(run, tmp_path, ode, sgd_own_starts, config):
    copy = shutil.copy(run, tmp_path / "copy.h5")
    with h5py.File(copy, "r+") as file:
        values = file["ode/Q_1"][...]
        del file["ode/Q_1"]
        file["ode"].create_dataset("Q_1", data=values, dtype=">f8")
    intact(copy, ode, sgd_own_starts, config)


def test_in_single_precision_it_is_another_run(run, tmp_path):
    copy = shutil.copy(run, tmp_path / "copy.h5")
    with h5py.File(copy, "r+") as file:
        values = file["ode/Q_1"][...]
        del file["ode/Q_1"]
        file["ode"].create_dataset("Q_1", data=values, dtype="f4")
    with pytest.raises(StorageError, match="checksum"):
        ode_sgd.load(copy)


def test_a_file_without_a_seal(run, ode, sgd_own_starts, config):
    """As versions before the seal wrote it."""
    run.write_bytes(run.read_bytes()[: -seal.LENGTH])
    intact(run, ode, sgd_own_starts, config)
    changed(run)
