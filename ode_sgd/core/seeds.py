"""Random streams of many replicas at once: NumPy's SeedSequence, as arrays.

A SeedSequence takes 10 microseconds to make, and a replica needs one for each of its streams: as long as many short
replicas take in all. Words here are those of NumPy, bit for bit.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence

from ode_sgd.core.arrays import Bits, Words

# O'Neill's seed_seq, as in numpy/random/bit_generator.pyx, whose algorithm is frozen.
POOL = 4  # 32-bit words
INIT_A, MULTIPLY_A = 0x43B0D7E5, 0x931E8875
INIT_B, MULTIPLY_B = 0x8B51F9DD, 0x58F38DED
MIX_LEFT, MIX_RIGHT = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
HALF = np.uint32(16)


class Children:
    """What SeedSequence(seed).spawn(..)[i].spawn(..)[child] is, for every replica i of a range."""

    def __init__(self, seed: int, replicas: range, child: int) -> None:
        pool = np.tile(np.random.SeedSequence(seed).pool, (len(replicas), 1))
        seed_words = max(POOL, -(-seed.bit_length() // 32))
        hashed = POOL * POOL + POOL * (seed_words - POOL)  # words that NumPy has hashed until here
        for key in (
            np.arange(replicas.start, replicas.stop, dtype=np.uint32),
            np.full(len(replicas), child, np.uint32),
        ):
            mixed = MIX_LEFT * pool - MIX_RIGHT * _hashed(key[:, None], INIT_A, MULTIPLY_A, hashed, POOL)
            pool = mixed ^ (mixed >> HALF)
            hashed += POOL
        self._pool = pool

    def __len__(self) -> int:
        return len(self._pool)

    def words(self, count: int) -> Bits:
        """`generate_state(count, numpy.uint64)` of each, (n, count)."""
        data = _hashed(np.tile(self._pool, (1, -(-count // 2))), INIT_B, MULTIPLY_B, 0, POOL * -(-count // 2))
        both = data.astype(np.uint64)
        return (both[:, ::2] | both[:, 1::2] << np.uint64(32))[:, :count]


Seeds = Sequence[np.random.SeedSequence] | Children


def words(seeds: Seeds, count: int) -> Bits:
    """`generate_state(count, numpy.uint64)` of every seed, (n, count); the seeds are left as they are."""
    if isinstance(seeds, Children):
        return seeds.words(count)
    return np.array([seed.generate_state(count, np.uint64) for seed in seeds]).reshape(len(seeds), count)


def lane_states(seeds: Seeds, count: int) -> Bits:
    """`seed_lanes(seed, count)` of every seed, (n, 4, count)."""
    state = words(seeds, 4 * count)
    return np.ascontiguousarray(state.reshape(len(state), count, 4).swapaxes(1, 2))


def generators(seeds: Seeds) -> list[np.random.Generator]:
    """`numpy.random.default_rng(seed)` of every seed."""
    given: list[Any] = [_Given(state) for state in words(seeds, 4)]  # NumPy's stubs know of SeedSequence only
    return [np.random.Generator(np.random.PCG64(one)) for one in given]


class _Given(ISeedSequence):
    """A seed sequence whose words are known."""

    def __init__(self, state: Bits) -> None:
        self._state = state

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        assert (n_words, dtype) == (self._state.size, np.uint64)
        return self._state


def _hashed(values: Words, init: int, multiplier: int, begin: int, count: int) -> Words:
    """(n, count) of words (n, 1) or (n, count): each hashed with the next of NumPy's running constants."""
    constants = _constants(init, multiplier, begin, count + 1)
    mixed: Words = (values ^ constants[:-1]) * constants[1:]
    return mixed ^ (mixed >> HALF)


@functools.cache
def _constants(init: int, multiplier: int, begin: int, count: int) -> Words:
    return np.array([init * pow(multiplier, n, 2**32) % 2**32 for n in range(begin, begin + count)], np.uint32)
