"""Chunks."""

import math

import pytest

from ode_sgd.storage import schema

OVERLAPS = ("replica", "alpha", "sector", "student", "student_2")


@pytest.mark.parametrize(
    ("names", "shape", "chunks"),
    [
        (OVERLAPS, (10, 2000, 1000, 4, 4), (1, 512, 8, 4, 4)),  # the measured best
        (OVERLAPS, (3, 5, 2, 2, 2), (3, 5, 2, 2, 2)),  # clipped to the shape
        (OVERLAPS[1:], (3, 100_000, 2, 2), (3, 5461, 2, 2)),  # few times: more sectors a chunk
        (OVERLAPS[1:], (2000, 10, 400, 400), (1, 1, 400, 400)),  # a matrix larger than a chunk is to be
        (("sector",), (100_000,), (65536,)),
        (("replica", "alpha"), (1000, 50), (1000, 50)),
    ],
)
def test_chunks(names, shape, chunks):
    assert schema.chunks(names, shape) == chunks
    assert math.prod(chunks) <= max(schema.CHUNK_VALUES, math.prod(shape[-2:]))
