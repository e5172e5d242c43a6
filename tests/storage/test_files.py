"""Files that appear whole or not at all, and the question asked before a long run."""

import os
import stat

import pytest

from ode_sgd import StorageError
from ode_sgd.storage.files import write_whole
from ode_sgd.storage.hdf5 import check_writable


def refused(path, words):
    with pytest.raises(StorageError, match=words):
        check_writable(path)


def test_a_good_place_stays_as_it_was(tmp_path):
    check_writable(tmp_path / "run.h5")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "run.h5").write_bytes(b"old")
    check_writable(os.fspath(tmp_path / "run.h5"))
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_a_bare_name_is_in_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("run.h5")


def test_a_missing_folder(tmp_path):
    refused(tmp_path / "none" / "run.h5", "none does not exist; create it")


def test_a_file_for_a_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file" / "run.h5", "is not a folder")


def test_a_folder_for_a_file(tmp_path):
    refused(tmp_path, "is a folder; give a file in it")


def test_a_device_is_not_replaced():
    refused(os.devnull, "not a regular file")


def test_a_name_that_is_too_long(tmp_path):
    refused(tmp_path / ("x" * 300), "too long")


def test_a_file_system_that_takes_no_files():
    """Root passes every permission bit, but not this."""
    if not os.path.isdir("/proc/self"):  # noqa: PTH112
        pytest.skip("no /proc here")
    refused("/proc/run.h5", "cannot write into the folder /proc")


@pytest.mark.parametrize("step", ["open", "fsync"])
def test_a_folder_that_refuses(tmp_path, monkeypatch, step):
    def no(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(*{"open": ("pathlib.Path.open", no), "fsync": ("os.fsync", no)}[step])
    refused(tmp_path / "run.h5", "Permission denied; choose another folder")
    assert list(tmp_path.iterdir()) == []


def test_the_mode_is_that_of_any_new_file(tmp_path):
    """A shared folder is of no use when the others cannot read its files."""
    (tmp_path / "plain").write_bytes(b"")
    write_whole(tmp_path / "whole", b"data")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "whole")]
    assert modes[0] == modes[1]
    assert (tmp_path / "whole").read_bytes() == b"data"
