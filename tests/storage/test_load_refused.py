"""What `load` refuses: files that are none, of others, damaged or changed."""

import shutil

import h5py
import numpy as np
import pytest

import ode_sgd
from ode_sgd import StorageError
from ode_sgd.storage import schema, seal

from .same import assert_same_trajectory


class TestWhatIsRefusedToLoad:
    def refused(self, path, words):
        with pytest.raises(StorageError, match=words):
            ode_sgd.load(path)

    @pytest.fixture
    def copy(self, saved, path):
        return shutil.copy(saved, path)

    def test_a_missing_file(self, path):
        self.refused(path, r"run\.h5 does not exist")

    def test_a_folder(self, tmp_path):
        self.refused(tmp_path, "directory")

    @pytest.mark.parametrize("content", [b"", b"\x89HDF", b"alpha,eps_g\n0,1\n" * 100])
    def test_no_hdf5(self, path, content):
        path.write_bytes(content)
        self.refused(path, "is not an HDF5 file")

    def test_hdf5_of_another_program(self, path):
        with h5py.File(path, "w") as file:
            file.attrs["status"] = "complete"
        self.refused(path, "not one of ode_sgd's")

    def test_a_newer_layout(self, copy):
        with h5py.File(copy, "r+") as file:
            file.attrs[schema.SCHEMA_ATTRIBUTE] = schema.SCHEMA_VERSION + 1
        self.refused(copy, r"layout 2, written with .*ode_sgd.*upgrade ode_sgd")

    def test_a_file_that_was_never_completed(self, copy):
        with h5py.File(copy, "r+") as file:
            del file.attrs["status"]
        self.refused(copy, "never completed")

    @pytest.mark.parametrize(("group", "name"), [("/", "status"), ("/", "config_json"), ("ode", "resolution")])
    def test_a_changed_attribute(self, copy, group, name):
        with h5py.File(copy, "r+") as file:
            old = file[group].attrs[name]
            file[group].attrs[name] = b"changed" if isinstance(old, bytes) else old + 1.0
        self.refused(copy, "checksum")

    @pytest.mark.parametrize("name", ["eigenvalue", "ode/Q_1", "ode/alpha"])
    def test_a_changed_number(self, copy, name):
        with h5py.File(copy, "r+") as file:
            file[name][0] += 1e-15
        self.refused(copy, "checksum")

    @pytest.mark.parametrize("name", ["ode/R_1", "ode/final_q", "ode"])
    def test_a_missing_array(self, copy, name):
        with h5py.File(copy, "r+") as file:
            del file[name]
        self.refused(copy, "checksum")

    def test_an_attribute_of_another_type(self, copy):
        with h5py.File(copy, "r+") as file:
            file.attrs["config_json"] = np.arange(3)
        self.refused(copy, "damaged")

    def test_what_other_tools_add_does_no_harm(self, copy, ode):
        with h5py.File(copy, "r+") as file:
            file.attrs["history"] = "looked at"
            file["ode"]["notes"] = np.arange(3)
        assert_same_trajectory(ode_sgd.load(copy).ode, ode)

    def test_a_problem_that_this_version_does_not_know(self, path, ode, monkeypatch):
        ode_sgd.save(path, ode)
        monkeypatch.setattr("ode_sgd.teacher_student.kernels.averages.available", lambda: ("linear",))
        self.refused(path, "newer one")

    def test_flipped_bytes_in_a_chunk(self, copy):
        with h5py.File(copy, "r") as file:
            chunk = file["ode/Q_1"].id.get_chunk_info(0)
        damaged = bytearray(copy.read_bytes())
        damaged[chunk.byte_offset + chunk.size // 2] ^= 0xFF
        copy.write_bytes(damaged)
        self.refused(copy, "damaged")


class TestDamage:
    """Never a wrong result: an error, or what was saved."""

    def never_wrong(self, path, damaged, ode):
        path.write_bytes(damaged)
        try:
            run = ode_sgd.load(path)
        except StorageError:
            return True
        assert_same_trajectory(run.ode, ode)
        assert run.config == {"problem": {"student_units": 2}}
        return False

    def test_cut_anywhere(self, path, saved, ode):
        whole = saved.read_bytes()
        end = len(whole) - seal.LENGTH  # of HDF5's own bytes; behind them is the checksum, without which all is there
        cuts = [0, 1, 7, 8, 9, 40, 48, 100, *range(512, end, end // 40), end - 1]
        assert all(self.never_wrong(path, whole[:cut], ode) for cut in cuts)
        assert not any(self.never_wrong(path, whole[:cut], ode) for cut in (end, len(whole) - 1))

    def test_flipped_anywhere(self, path, saved, ode):
        whole = saved.read_bytes()
        refused = []
        for place in np.random.default_rng(1).integers(len(whole), size=150):
            damaged = bytearray(whole)
            damaged[place] ^= 0xFF
            refused.append(self.never_wrong(path, damaged, ode))
        assert any(refused)

    def test_zeros_anywhere(self, path, saved, ode):
        """What a crashed file system leaves; HDF5 loops for ever when such a hole hits texts of variable length."""
        whole = saved.read_bytes()
        refused = []
        for place in range(0, len(whole), 512):
            damaged = bytearray(whole)
            damaged[place : place + 512] = bytes(len(damaged[place : place + 512]))
            refused.append(self.never_wrong(path, damaged, ode))
        assert any(refused)
