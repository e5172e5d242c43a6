"""Arrays that begin with a cache line, whatever was allocated before them."""

import numpy as np
import pytest

from ode_sgd.core.alignment import CACHE_LINE, aligned, aligned_zeros
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import as_lanes, room, zeros
from ode_sgd.teacher_student.kernels.sectors.blocks import to_blocks

SIZES = (1, 3, 8, 17, 1000)  # small ones begin at any multiple of 16 bytes, so some of 20 would show


def begins_within_a_line(array):
    return array.__array_interface__["data"][0] % CACHE_LINE != 0


def kept(make):
    """Twenty arrays of every size, with others between them."""
    return [(np.empty(2 * n + 1), make(size)) for size in SIZES for n in range(20)]


@pytest.mark.parametrize(
    "make",
    [
        lambda size: aligned_zeros(size, 3),
        lambda size: aligned(np.ones((size, 3), np.float32)),
        lambda size: aligned(np.arange(2 * size).reshape(size, 2).T),
        lambda size: to_blocks(np.ones((3, size))),
    ],
)
def test_arrays_begin_with_a_line(make):
    assert not any(begins_within_a_line(array) for _, array in kept(make))


def test_copies_are_contiguous_and_hold_the_values():
    given = np.arange(12).reshape(3, 4).T
    copy = aligned(given)
    assert copy.flags.c_contiguous and copy.flags.writeable and copy.dtype == given.dtype
    np.testing.assert_array_equal(copy, given)
    copy[0, 0] = 7
    assert given[0, 0] == 0


def test_zeros_have_the_shape():
    array = aligned_zeros(2, 0, 3)
    assert array.shape == (2, 0, 3) and aligned_zeros(4).tolist() == [0.0] * 4


@kernel()
def place(like, size):
    """Where room for numbers begins, and where zeros do."""
    return room(like, (size, 2)).ctypes.data % CACHE_LINE + zeros(like, (size,)).ctypes.data % CACHE_LINE


@kernel()
def place_of_vectors(numbers, size):
    return room(as_lanes(numbers), (size, 2)).ctypes.data % CACHE_LINE


def test_room_within_kernels_begins_with_a_line():
    assert [place(np.empty(1), size) for size in SIZES * 4] == [0] * (4 * len(SIZES))
    assert [place_of_vectors(np.empty((1, 8)), size) for size in SIZES * 4] == [0] * (4 * len(SIZES))
