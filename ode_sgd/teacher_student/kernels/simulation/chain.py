"""SGD as the Markov chain of its sector overlaps: exact in law at finite N, at a cost that does not depend on N.

Source: docs/theory/numerics.md section 6. An update moves the student along the input only, and inside a sector the
input is isotropic: its coordinates in the frame of the teachers and the student are normal, the squared length of the
rest of it is a chi-square with N_k - K - M degrees of freedom, and no more is needed to know all overlaps after the
step.

Random numbers come in blocks of steps (chain_draws.py), the steps themselves from chain_code.py or, for large
networks, chain_loops.py. A block of a replica is the same wherever a call to `advance` ends inside it.
"""

import functools
from collections.abc import Callable
from math import copysign, sqrt
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.alignment import aligned, aligned_zeros
from ode_sgd.core.arrays import Array, Bits
from ode_sgd.core.compile.generated_source import defined_by, name_in
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.paces import PACES
from ode_sgd.teacher_student.kernels.simulation import chain_draws, chain_loops
from ode_sgd.teacher_student.kernels.simulation.chain_code import FIXED, GIVEN, SUM, fields_text, state_rows, step_text
from ode_sgd.teacher_student.kernels.simulation.line_search import NO_SEARCH, LineSearch, line_search
from ode_sgd.teacher_student.kernels.simulation.step_paces import NOISE, paced, set_step_paces
from ode_sgd.teacher_student.kernels.simulation.weight_update import SectorUpdates, at_rest, moved, update_of

FIELDS_UP_TO = 8  # K + M up to which code is written out; beyond, compiling takes longer than it saves


class Chain(NamedTuple):
    """What does not change along a run, of `lanes` replicas."""

    B: Array  # (L * M * M * lanes): teachers in their frame, t_k = B_k B_k^T
    scales: Array  # (L,): sqrt(w_k lambda_k)
    updates: SectorUpdates  # of rates eta sqrt(lambda_k / (N N_k))
    v: Array  # (K,)
    u: Array  # (M,)
    noise: float
    freedom: Array  # (L,): N_k - K - M
    twice_d: Array  # (T L lanes): chi_square_constants
    c: Array
    schedules: Array = np.zeros(0)  # see kernels/paces.py; where there are any, updates and noise are those of one
    inputs: float = 1.0  # N
    shares: Array = np.zeros(
        0
    )  # (L,): lambda_k / N^2 of the inputs that learn, where a sum of squared gradients is kept
    memory: Array = np.zeros(0)  # (lanes,): that sum, or the rates, where they follow the gradients; it alone changes
    search: LineSearch = NO_SEARCH  # of the rates


class Block(NamedTuple):
    """The random numbers of a block of steps, flat with the lane last."""

    bits: Bits
    normals: Array
    g: Array  # these three are parts of `normals`
    proposals: Array
    noises: Array
    lengths: Array
    y: Array
    labels: Array
    paces: Array  # (T, 4) of the steps, or of length 0 where nothing is scheduled
    squares: Array  # (T lanes): |xi|^2 / N^2 of the inputs that learn, where they count


def new_block(
    sectors: int, fields: int, teachers: int, noisy: bool, lanes: int, scheduled: bool = False, rates: str = FIXED
) -> Block:
    """Room for one block."""
    counts = chain_draws.Counts.of(sectors, fields, noisy)
    normals = aligned_zeros(counts.normals * lanes)
    g, proposals, noises = np.split(normals, np.cumsum([counts.coordinates, counts.lengths]) * lanes)
    bits = aligned(np.zeros((counts.normals + counts.lengths) * lanes, np.uint64))
    T = chain_draws.block_steps(sectors)
    lengths, y, labels = (aligned_zeros(count * lanes) for count in (counts.lengths, teachers * T, T))
    squares = aligned_zeros(T * lanes * (rates == SUM))
    return Block(bits, normals, g, proposals, noises, lengths, y, labels, np.zeros((T * scheduled, PACES)), squares)


def _written(text: str, activation: Averages, variant: str, lanes: int) -> Callable[..., None]:
    """Compile one function of chain_code.py."""
    names = {"both": chain_draws.value_and_slope(activation), "sqrt": sqrt, "copysign": copysign, "LANES": lanes}
    names |= {"moved": moved, "update_of": update_of, "at_rest": at_rest, "paced": paced}
    return kernel(variant)(defined_by(text, f"{name_in(text)}, {variant}", __name__=__name__, **names))


@functools.cache
def step_kernels(
    activation: Averages, K: int, M: int, lanes: int, scheduled: bool = False, rates: str = FIXED
) -> tuple[Callable[..., None], Callable[..., None]]:
    """Teachers' fields of a block, and its steps: written out where the network is small, loops otherwise.

    fields(steps, g, B, scales, y);
    steps(begin, end, z, g, lengths, labels, scales, updates, v, x, delta, paces, memory, squares)
    """
    if K + M > FIELDS_UP_TO:
        return chain_loops.teacher_fields, chain_loops.step_kernel(activation, scheduled, rates)
    variant = f"K{K}M{M}-{lanes}"
    fields = _written(fields_text(K, M, lanes), activation, variant, lanes)
    own = f"{activation.variant}-{variant}{'-scheduled' * scheduled}{_suffix(rates)}"
    return fields, _written(step_text(K, M, lanes, scheduled, rates), activation, own, lanes)


def _suffix(rates: str) -> str:
    return f"-{rates}" if rates else ""


class ReducedKernels(NamedTuple):
    """The compiled simulator for one shape."""

    draw: Callable[[Bits, Block, Chain, int], None]  # the next block, which begins with that step
    advance: Callable[[int, int, int, Bits, Bits, Block, Chain, Array], int]


@functools.cache
def reduced_kernels(
    activation: Averages, K: int, M: int, lanes: int, scheduled: bool = False, rates: str = FIXED
) -> ReducedKernels:
    """Kernels draw(streams, block, chain, first) and

    advance(steps, taken, position, streams, begun, block, chain, z) -> position.

    z (L * rows * lanes) is the state of chain_code.py; `position` counts the block's steps that are used up, `taken`
    all that were taken before; `begun` keeps the streams as they were when the block was drawn.
    """
    variant = f"{activation.variant}-any" if K + M > FIELDS_UP_TO else f"{activation.variant}-K{K}M{M}-{lanes}"
    variant += "-scheduled" * scheduled + _suffix(rates)
    fill_bits, fill_normals = chain_draws.fill_bits, chain_draws.fill_normals_flat
    try_lengths, finish_lengths = chain_draws.try_lengths, chain_draws.finish_lengths
    fill_labels = chain_draws.label_kernel(activation)
    fields, run = step_kernels(activation, K, M, lanes, scheduled, rates)
    fill_squares, adds = chain_draws.fill_squares, rates == SUM
    searches = rates == GIVEN
    search: Any = line_search(activation) if searches else None

    @kernel(variant)
    def set_block_paces(block: Block, chain: Chain, first: int) -> None:
        paces, noises = block.paces, block.noises
        lanes = block.labels.size // paces.shape[0]
        for t in range(paces.shape[0]):
            set_step_paces(chain.schedules, first + t, chain.inputs, paces[t])
            for lane in range(lanes if noises.size > 0 else 0):
                noises[t * lanes + lane] *= paces[t, NOISE]

    @kernel(variant)
    def draw(streams: Bits, block: Block, chain: Chain, first: int) -> None:
        fill_bits(streams, block.bits)
        fill_normals(block.bits, block.normals)
        uniform = block.bits[block.normals.size :]
        if try_lengths(block.proposals, uniform, chain.twice_d, chain.c, block.lengths) > 0:
            finish_lengths(streams, block.proposals, uniform, chain.freedom, block.lengths)
        if scheduled:
            set_block_paces(block, chain, first)
        if adds:
            fill_squares(block.labels.size // streams.shape[1], block.g, block.lengths, chain.shares, block.squares)
        fields(block.labels.size // streams.shape[1], block.g, chain.B, chain.scales, block.y)
        fill_labels(block.y, chain.u, chain.noise, block.noises, block.labels)

    @kernel(variant)
    def advance(
        steps: int, taken: int, position: int, streams: Bits, begun: Bits, block: Block, chain: Chain, z: Array
    ) -> int:
        lanes = streams.shape[1]
        length = block.labels.size // lanes
        x, delta = room(z, (chain.v.size * lanes,)), room(z, (chain.v.size * lanes,))
        g, lengths, labels, paces, squares = block.g, block.lengths, block.labels, block.paces, block.squares
        while steps > 0:
            if position == length:
                for word in range(4):
                    for lane in range(lanes):
                        begun[word, lane] = streams[word, lane]
                draw(streams, block, chain, taken)
                position = 0
            end = min(length, position + steps)
            if searches:
                since = taken % chain.search.interval
                end = min(end, position + chain.search.interval - since)
                if since == 0:
                    search(z, chain.B, chain.search, chain.memory)
            constant = chain.scales, chain.updates, chain.v
            run(position, end, z, g, lengths, labels, *constant, x, delta, paces, chain.memory, squares)
            steps -= end - position
            taken += end - position
            position = end
        return position

    return ReducedKernels(draw, advance)


__all__ = ["Block", "Chain", "new_block", "reduced_kernels", "state_rows"]
