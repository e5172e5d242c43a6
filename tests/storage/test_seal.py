"""The line with a checksum behind a file's own bytes."""

import io
import zipfile

import h5py
import numpy as np
import pytest
import xarray

import ode_sgd
from ode_sgd import StorageError
from ode_sgd.storage import seal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def is_sealed(path):
    with path.open("rb") as file:
        found = seal.sealed(file, path, "make it anew")
        assert file.tell() == 0
        return found


@pytest.mark.parametrize("size", [0, 1, seal.LENGTH, seal.PIECE, 2 * seal.PIECE + 7])
def test_in_memory_and_on_the_disk(path, size):
    data = np.random.default_rng(size).bytes(size)
    path.write_bytes(data)
    assert not is_sealed(path)
    seal.seal_file(path)
    assert path.read_bytes() == bytes(seal.seal(io.BytesIO(data)))
    assert path.read_bytes()[:size] == data
    assert is_sealed(path)


def test_every_bit_of_data_and_checksum_counts(path):
    whole = bytes(seal.seal(io.BytesIO(b"a few bytes")))
    begin = len(whole) - seal.LENGTH
    for place in [*range(begin), *range(begin + len(seal.MARK), len(whole) - 1)]:
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(
                StorageError, match="file is damaged: its bytes do not match their checksum; make it anew"
            ):
                is_sealed(path)


def test_bytes_put_behind_it_or_taken_away_leave_no_seal(path):
    whole = bytes(seal.seal(io.BytesIO(b"a few bytes")))
    for changed in (whole + b"\n", whole[:-1], whole[: -seal.LENGTH], b""):
        path.write_bytes(changed)
        assert not is_sealed(path)


class TestOthersReadIt:
    """Both formats allow bytes behind their end."""

    @pytest.fixture
    def run(self, path, ode, sgd):
        return ode_sgd.save(path, ode, sgd)

    def test_hdf5(self, run, ode):
        assert is_sealed(run)
        with h5py.File(run, "r") as file:
            np.testing.assert_array_equal(file["ode/Q_1"], ode.Q)
        with xarray.open_dataset(run, group="ode", engine="h5netcdf") as dataset:
            np.testing.assert_array_equal(dataset.Q_1, ode.Q)

    def test_a_file_that_was_changed_in_place_has_none(self, run):
        """HDF5 cuts what lies behind its end, so an edit is judged by the contents."""
        with h5py.File(run, "r+") as file:
            file.attrs["history"] = "looked at"
        assert not is_sealed(run)
        assert ode_sgd.load(run).sgd is not None

    def test_numpy_reads_a_checkpoint(self, path):
        ode_sgd.Checkpoint(path).write({"a": np.arange(3), "identity": "none"})
        with np.load(path) as held, zipfile.ZipFile(path) as archive:
            assert held["a"].tolist() == [0, 1, 2]
            assert archive.testzip() is None
