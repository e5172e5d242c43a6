"""Checkpoint files: what was written, or a refusal that says what to do."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import StorageError
from ode_sgd.storage import seal

STATE = {"identity": "a run", "numbers": np.arange(4.0), "done": np.array(7), "streams": np.arange(3, dtype=np.uint64)}


@pytest.fixture
def checkpoint(tmp_path):
    return ode_sgd.Checkpoint(tmp_path / "run.checkpoint")


def test_round_trip(checkpoint):
    assert checkpoint.read() is None
    checkpoint.write(STATE)
    found = checkpoint.read()
    assert found.keys() == STATE.keys()
    assert found["identity"] == "a run"
    for name in ("numbers", "done", "streams"):
        np.testing.assert_array_equal(found[name], STATE[name])
        assert found[name].dtype == STATE[name].dtype


def test_no_bit_may_change(checkpoint):
    """The header of an array is covered by no checksum that NumPy looks at: a flip there shifts the numbers."""
    checkpoint.write(STATE)
    whole = checkpoint.path.read_bytes()
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        checkpoint.path.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"run.checkpoint is damaged.*remove it to begin anew"):
            checkpoint.read()


def test_one_without_a_checksum_is_refused(checkpoint):
    """As a version before the checksum wrote it."""
    checkpoint.write(STATE)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[: -seal.LENGTH])
    with pytest.raises(StorageError, match="does not end with a checksum; remove it to begin anew, or go on with the"):
        checkpoint.read()


def test_one_that_claims_more_than_it_holds(checkpoint):
    with checkpoint.path.open("wb") as file:
        np.savez_compressed(file, numbers=np.zeros(2**18))
    seal.seal_file(checkpoint.path)
    with pytest.raises(StorageError, match=r"\(it claims more than it holds\); remove it to begin anew"):
        checkpoint.read()


def test_what_is_sealed_and_no_checkpoint(checkpoint):
    checkpoint.path.write_bytes(b"PK\x03\x04 and no more")
    seal.seal_file(checkpoint.path)
    with pytest.raises(StorageError, match=r"cannot be read as a checkpoint.*remove it to begin anew"):
        checkpoint.read()
