"""Files that appear whole or not at all, and the question asked before a long run."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ode_sgd import StorageError
from ode_sgd.storage import files
from ode_sgd.storage.files import beside, check_figure, write_new, write_whole
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


KILLED = """
import os, signal, sys
from pathlib import Path
from ode_sgd.storage import files
with files.temporary(Path(sys.argv[1])) as path:
    path.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_removed(tmp_path):
    if files.fcntl is None:
        pytest.skip("no locks here: it is removed once it is old")
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 1
    check_writable(tmp_path / "run.h5")
    assert names(tmp_path) == []


def test_what_is_under_way_stays(tmp_path):
    with files.temporary(tmp_path) as path:
        os.utime(path, (0, time.time() - 7200))
        check_writable(tmp_path / "run.h5")
        assert names(tmp_path) == [path.name]
    assert names(tmp_path) == []


@pytest.mark.parametrize("locks", [True, False])
def test_files_of_another_machine_are_removed_once_they_are_old(tmp_path, monkeypatch, locks):
    """Locks may not reach it, and there may be none at all: then age decides of all files."""
    if not locks:
        monkeypatch.setattr(files, "fcntl", None)
    for machine in (files._machine(), "another"):
        for age in (60, 7200):
            path = tmp_path / f"{files.TEMPORARY}{machine}-{age}.tmp"
            path.write_bytes(b"half")
            os.utime(path, (0, time.time() - age))
    (tmp_path / "ours.tmp").write_bytes(b"")
    files.sweep_up(tmp_path)
    left = {f"{files.TEMPORARY}another-60.tmp", "ours.tmp"}
    assert set(names(tmp_path)) == left | (set() if locks else {f"{files.TEMPORARY}{files._machine()}-60.tmp"})
    with files.temporary(tmp_path) as path:
        assert path.exists()


def test_a_file_that_is_swept_up_before_it_is_locked(tmp_path, monkeypatch):
    flock, seen = files.fcntl.flock, []

    def late(file, how):
        seen.append(file.name)
        if len(seen) == 1:
            os.unlink(file.name)  # noqa: PTH108
        flock(file, how)

    monkeypatch.setattr(files.fcntl, "flock", late)
    write_whole(tmp_path / "run.h5", b"data")
    assert len(seen) == 2
    assert names(tmp_path) == ["run.h5"]


@pytest.mark.parametrize(
    ("name", "ending", "becomes"),
    [
        ("run.h5", ".png", "run.png"),
        ("eta_0.1.h5", ".checkpoint", "eta_0.1.checkpoint"),
        ("eta_0.1.hdf5", ".pdf", "eta_0.1.pdf"),
        ("eta_0.1", ".png", "eta_0.1.png"),
        ("run", ".png", "run.png"),
    ],
)
def test_what_lies_beside_a_file_has_its_whole_name(name, ending, becomes):
    assert beside(Path("a.b") / name, ending) == Path("a.b") / becomes


@pytest.mark.parametrize("write", [write_whole, write_new])
def test_a_link_stays_and_what_it_points_to_is_written(tmp_path, write):
    (tmp_path / "scratch").mkdir()
    link = tmp_path / "run.h5"
    link.symlink_to("scratch/run.h5")
    check_writable(link)
    write(link, b"first")
    write_whole(link, b"second")
    assert not write_new(link, b"third")
    assert link.is_symlink()
    assert (tmp_path / "scratch" / "run.h5").read_bytes() == b"second"
    assert len(list(tmp_path.rglob("*"))) == 3


def test_links_that_lead_nowhere(tmp_path):
    (tmp_path / "far.h5").symlink_to("missing/run.h5")
    refused(tmp_path / "far.h5", "missing of .*far.h5, a link to run.h5 in it, does not exist; create it")
    (tmp_path / "loop.h5").symlink_to("loop.h5")
    refused(tmp_path / "loop.h5", "is a symbolic link that leads nowhere")
    (tmp_path / "null.h5").symlink_to(os.devnull)
    refused(tmp_path / "null.h5", "not a regular file")


def test_a_null_byte(tmp_path):
    refused(f"{tmp_path}/a\0b", "is no name of a file")


def test_a_figure_does_not_replace_its_source(tmp_path):
    (tmp_path / "data.png").write_bytes(b"")
    (tmp_path / "link.png").symlink_to("data.png")
    for name in ("data.png", "link.png"):
        with pytest.raises(StorageError, match="is the file to draw"):
            check_figure(tmp_path / name, [tmp_path / "data.png"])
    with pytest.raises(StorageError, match=r"ends in .png, .pdf, .svg or .pgf, not in '.txt'"):
        check_figure(tmp_path / "data.txt", [])
    check_figure(tmp_path / "new.PNG", [tmp_path / "data.png"])


def test_what_a_killed_process_left_of_a_figure_is_removed(tmp_path):
    """It is written at once, and so without a lock."""
    for age in (1, 60):
        path = tmp_path / f"{files.TEMPORARY}figure-{age}.tmp"
        path.write_bytes(b"half")
        os.utime(path, (0, time.time() - age))
    check_writable(tmp_path / "run.h5")
    assert names(tmp_path) == [f"{files.TEMPORARY}figure-1.tmp"]
