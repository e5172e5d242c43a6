"""Sectors in blocks of LANES: a block holds all rows of its sectors side by side, (blocks, rows, LANES).

Inner loops run over the lanes, so they vectorise, and a block stays in the first-level cache for a whole stage. The
last block is filled up with sectors of rate, noise and variance zero, which nothing sees.
"""

import numpy as np

from ode_sgd.core.arrays import Array

# LLVM does not vectorise loops of fewer than 16 turns where pointers might overlap.
LANES = 16


def to_blocks(rows: Array, lanes: int = LANES) -> Array:
    """(rows, L) -> (blocks, rows * lanes), filled up with zeros."""
    count, L = rows.shape
    blocks = -(-L // lanes)
    padded = np.zeros((count, blocks * lanes))
    padded[:, :L] = rows
    return padded.reshape(count, blocks, lanes).transpose(1, 0, 2).reshape(blocks, count * lanes)


def from_blocks(blocks: Array, L: int, lanes: int = LANES) -> Array:
    """(..., blocks, rows * lanes) -> (..., rows, L)."""
    *lead, count, size = blocks.shape
    split = blocks.reshape(*lead, count, size // lanes, lanes)
    joined = np.moveaxis(split, -3, -2).reshape(*lead, size // lanes, count * lanes)
    return np.ascontiguousarray(joined[..., :L])
