"""Streams of many replicas at once are NumPy's, bit for bit."""

import numpy as np
import pytest

from ode_sgd.core import seeds
from ode_sgd.core.kernels.random_lanes import seed_lanes

CHILDREN = 5


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**32, 2**64 + 3, 2**128 - 1, 2**128, 2**200 + 17])
@pytest.mark.parametrize("replicas", [range(3), range(70_000, 70_002)], ids=str)
def test_children_are_those_that_numpy_spawns(seed, replicas):
    for child in range(CHILDREN):
        own = seeds.Children(seed, replicas, child)
        numpys = [np.random.SeedSequence(seed, spawn_key=(replica, child)) for replica in replicas]
        assert len(own) == len(numpys)
        for count in (1, 2, 3, 4, 256):
            given = own.words(count)
            assert given.dtype == np.uint64
            np.testing.assert_array_equal(given, [one.generate_state(count, np.uint64) for one in numpys])


def test_a_spawned_child_is_the_key_of_two_numbers():
    spawned = np.random.SeedSequence(11).spawn(4)[3].spawn(CHILDREN)[2]
    np.testing.assert_array_equal(seeds.Children(11, range(3, 4), 2).words(4)[0], spawned.generate_state(4, np.uint64))


def test_streams_of_either_kind_of_seeds():
    own = seeds.Children(5, range(2, 6), 1)
    numpys = [one.spawn(2)[1] for one in np.random.SeedSequence(5).spawn(6)[2:]]
    for given in (own, numpys):
        for generator, one in zip(seeds.generators(given), numpys, strict=True):
            np.testing.assert_array_equal(generator.standard_normal(9), np.random.default_rng(one).standard_normal(9))
        for lanes, one in zip(seeds.lane_states(given, 8), numpys, strict=True):
            np.testing.assert_array_equal(lanes, seed_lanes(one, 8))
