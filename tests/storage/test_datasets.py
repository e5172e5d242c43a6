"""Files that somebody else made: what would cost memory, or open other files, is refused before it does."""

import os
import subprocess
import time
import tracemalloc

import h5py
import numpy as np
import pytest

import ode_sgd
from ode_sgd import StorageError
from ode_sgd.core import allowance
from ode_sgd.storage import hdf5, seal
from ode_sgd.storage.stack import Column, read_flags, read_stack, read_table, stack_image

HUGE = 10**9
ENTRIES = (HUGE,)


@pytest.fixture
def run(tmp_path, ode):
    """A run as another program copies it, without the last line."""
    path = ode_sgd.save(tmp_path / "run.h5", ode)
    path.write_bytes(path.read_bytes()[: -seal.LENGTH])
    return path


@pytest.fixture
def batch(tmp_path):
    """A batch of runs, without the last line."""
    path = tmp_path / "batch.h5"
    columns = {name: Column(("run",), np.arange(4.0)) for name in ("final_error", "rate")}
    path.write_bytes(bytes(stack_image(columns, {"what": "a test"}))[: -seal.LENGTH])
    return path


def put(path, name, *arguments, **options):
    """Another dataset under a name."""
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, *arguments, **options)


READERS = {
    "a run": ("run", "ode/Q_1", ode_sgd.load),
    "a batch": ("batch", "rate", read_stack),
    "a table": ("batch", "rate", read_table),
    "one column": ("batch", "rate", lambda path: read_flags(path, "rate")),
}


@pytest.fixture(params=READERS)
def read(request):
    """A file, one of its datasets, and who reads it."""
    kind, name, reader = READERS[request.param]
    return request.getfixturevalue(kind), name, reader


@pytest.mark.parametrize("options", [{}, {"chunks": (2**16,)}, {"chunks": (2**16,), "compression": "gzip"}])
def test_a_small_file_that_claims_a_billion_numbers(read, options):
    path, name, reader = read
    put(path, name, ENTRIES, dtype="f8", **options)
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(StorageError, match=f"{name} claims 8000000000 bytes, of which it holds 0"):
            reader(path)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 0.3


def test_few_numbers_in_a_chunk_of_many(read):
    path, name, reader = read
    put(path, name, (4,), maxshape=(None,), chunks=(2**28,), dtype="f8", compression="gzip")
    with pytest.raises(StorageError, match=f"{name} claims"):
        reader(path)


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("ode/Q_1", (3, 2, 3), r"Q_1 has shape \(3, 2, 3\), but \(alpha, student, student_2\) is \(3, 2, 2\) here"),
        ("ode/R_1", (2**21, 2, 3), r"R_1 has shape \(2097152, 2, 3\)"),
        ("ode/alpha", (4,), r"has shape \(3,\), but \(alpha\) is \(4,\) here"),
        ("ode/alpha", (3, 1), r"alpha has shape \(3, 1\), but \(alpha\) is \(3,\)"),
        ("ode/generalization_error", (1, 1, 3), "generalization_error has shape"),
        ("ode/final_q", (3, 2, 2), r"final_q .* \(sector, student, student_2\) is \(2, 2, 2\)"),
    ],
)
def test_shapes_that_do_not_fit_the_problem(run, name, shape, told, monkeypatch):
    """Said before a number is read, however well they are packed."""
    put(run, name, shape, dtype="f8", data=np.zeros(shape), chunks=True, compression="gzip")
    monkeypatch.setattr(hdf5, "_array", None)
    with pytest.raises(StorageError, match=told):
        ode_sgd.load(run)


def test_what_is_not_of_numbers(run):
    put(run, "ode/alpha", data=[b"0", b"1", b"2"])
    with pytest.raises(StorageError, match="alpha is of object, not of numbers"):
        ode_sgd.load(run)


def test_more_than_the_memory_that_is_allowed(run, monkeypatch):
    monkeypatch.setattr(allowance, "memory", lambda: 1000.0)
    with pytest.raises(StorageError, match=r"more than the 9.31e-07 that this process may use"):
        ode_sgd.load(run)


def external(file, name, other):
    del file[name]
    file.create_dataset(name, (3,), dtype="f8", external=[(other, 0, h5py.h5f.UNLIMITED)])


def virtual(file, name, other):
    del file[name]
    layout = h5py.VirtualLayout((3,), dtype="f8")
    layout[:] = h5py.VirtualSource(other, "x", (3,))
    file.create_virtual_dataset(name, layout)


def unlimited(file, name, other):
    """Its length is that of the source: to ask for it opens that."""
    del file[name]
    layout = h5py.VirtualLayout((3,), dtype="f8", maxshape=(None,))
    layout[: h5py.h5s.UNLIMITED] = h5py.VirtualSource(other, "x", (3,), maxshape=(None,))[: h5py.h5s.UNLIMITED]
    file.create_virtual_dataset(name, layout)


def link(file, name, other):
    del file[name]
    file[name] = h5py.ExternalLink(other, "x")


def soft(file, name, other):
    file["elsewhere"] = h5py.ExternalLink(other, "x")
    del file[name]
    file[name] = h5py.SoftLink("/elsewhere")


@pytest.mark.parametrize("make", [external, virtual, unlimited, link, soft])
def test_values_in_other_files(read, make, tmp_path):
    """The other file is a pipe: whoever waits for its reader goes on where it is opened."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    path, name, reader = read
    with h5py.File(path, "r+") as file:
        make(file, name, str(tmp_path / "pipe"))
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", 'exec 3>"$1"', "sh", str(tmp_path / "pipe")]) as waiting:
        try:
            with pytest.raises(StorageError, match=r"is refused: .*(link|lie in other files)"):
                reader(path)
            time.sleep(0.02)
            assert waiting.poll() is None
        finally:
            waiting.kill()


def test_a_group_in_another_file(run, tmp_path):
    whole = tmp_path / "whole.h5"
    whole.write_bytes(run.read_bytes())
    with h5py.File(run, "r+") as file:
        del file["ode"]
        file["ode"] = h5py.ExternalLink(str(whole), "ode")
    with pytest.raises(StorageError, match="ode is a link to another place"):
        ode_sgd.load(run)


def test_what_is_no_hdf5_file_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "sparse.h5"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(StorageError, match="not an HDF5 file"):
        ode_sgd.load(path)
    with path.open("r+b") as file:
        file.write(hdf5.SIGNATURE)
    with pytest.raises(StorageError, match=r"1.02e\+03 GiB, more than"):
        ode_sgd.load(path)
