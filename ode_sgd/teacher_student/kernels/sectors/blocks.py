"""Sectors in blocks of LANES: a block holds all rows of its sectors side by side, (blocks, rows, LANES).

Inner loops run over the lanes, so they vectorise, and a block stays in the first-level cache for a whole stage. The
last block is filled up with sectors of rate, noise and variance zero, which nothing sees.
"""

import numpy as np

from ode_sgd.core.alignment import aligned_zeros
from ode_sgd.core.arrays import Array

# LLVM does not vectorise loops of fewer than 16 turns where pointers might overlap.
LANES = 16


def to_blocks(rows: Array, lanes: int = LANES) -> Array:
    """(rows, L) -> (blocks, rows * lanes), filled up with zeros."""
    count, L = rows.shape
    whole, rest = divmod(L, lanes)
    blocks = aligned_zeros(whole + (rest > 0), count * lanes)
    split = blocks.reshape(-1, count, lanes)
    split[:whole] = rows[:, : L - rest].reshape(count, whole, lanes).transpose(1, 0, 2)
    if rest:
        split[whole, :, :rest] = rows[:, L - rest :]
    return blocks


def from_blocks(blocks: Array, L: int, lanes: int = LANES) -> Array:
    """(..., blocks, rows * lanes) -> (..., rows, L)."""
    *lead, count, size = blocks.shape
    split = blocks.reshape(*lead, count, size // lanes, lanes)
    joined = np.moveaxis(split, -3, -2).reshape(*lead, size // lanes, count * lanes)
    return np.ascontiguousarray(joined[..., :L])
