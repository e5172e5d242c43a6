"""Arrays of a user's own: what is read from which file, and what is told of those that cannot be."""

import h5py
import numpy as np
import pytest

from ode_sgd import InvalidProblem
from ode_sgd.storage.array_file import read_arrays

J, B = np.arange(6.0).reshape(2, 3), np.ones((1, 3), np.float32)
WEIGHTS = (("J", "B"), ("q", "r", "t"))


@pytest.mark.parametrize("ending", [".npz", ".h5", ".hdf5", ".nc"])
def test_named_arrays(tmp_path, ending):
    path = tmp_path / f"weights{ending}"
    if ending == ".npz":
        np.savez(path, J=J, B=B, other=[1])
    else:
        with h5py.File(path, "w") as file:
            file["J"], file["B"], file["group/q"] = J, B, J
    found = read_arrays(path, WEIGHTS)
    assert list(found) == ["J", "B"] and found["B"].dtype == np.float32  # its precision says what rounding is
    np.testing.assert_array_equal(found["J"], J)
    with pytest.raises(InvalidProblem, match=r"holds B, J(, other)?; it needs X, or eigenvalues and w"):
        read_arrays(path, (("X",), ("eigenvalues", "w")))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", "0,1,2\n3,4,5\n"),
        ("x.csv", "\ufeffa,b,c\n0,1,2\n3,4,5\n"),
        ("x.txt", "0 1\t2\n3 4 5\n"),
        ("x.TXT", "# made by hand\n0 1 2\n3 4 5\n"),
    ],
)
def test_text(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    np.testing.assert_array_equal(read_arrays(tmp_path / name, (("X",),))["X"], J)


def test_one_array(tmp_path):
    np.save(tmp_path / "x.npy", J)
    np.testing.assert_array_equal(read_arrays(tmp_path / "x.npy", (("X",),))["X"], J)
    with pytest.raises(InvalidProblem, match="holds X; it needs J and B, or q and r and t"):
        read_arrays(tmp_path / "x.npy", WEIGHTS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.npz", None, r"missing.npz' cannot be read \(No such file"),
        ("folder.npz", ..., r"folder.npz' cannot be read"),
        ("x.mat", b"", r"no ending that is known; the known ones are \.npz, \.h5, \.hdf5"),
        ("x.npz", b"no archive", r"x.npz' cannot be read"),
        ("x.npy", b"", r"x.npy' cannot be read"),
        ("x.h5", b"no HDF5", r"x.h5' cannot be read"),
        ("x.csv", b"1,2\n3,\n", r"x.csv' cannot be read \(could not convert string"),
        ("x.csv", b"1,2\n3\n", r"x.csv' cannot be read \(the number of columns changed"),
        ("x.csv", b"\xff\xfe", r"x.csv' cannot be read \('utf-8'"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    path = tmp_path / name
    if content is ...:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidProblem, match=message):
        read_arrays(path, (("X",),))


def test_nothing_in_a_file_is_run(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InvalidProblem, match="Object arrays cannot be loaded"):
        read_arrays(tmp_path / "x.npz", (("X",),))
